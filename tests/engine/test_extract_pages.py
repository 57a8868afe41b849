"""The pages of a list: the next one travels while this one is stored, and nothing is left travelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from company import Company

from renkei.core.errors import LedgerUnavailable
from renkei.core.records import Page
from renkei.engine.extract import Snapshot, _ahead, _Reading, _stamps, _stored, _take, stamp_of
from renkei.engine.work import EntityWork


class Lists:
    """A list of three pages that notes what was asked, and whether it was closed."""

    def __init__(self, now: Page) -> None:
        self.page, self.asked, self.closed = now, 0, False

    async def read(self) -> AsyncGenerator[Page, None]:
        try:
            for number in range(3):
                self.asked += 1
                await asyncio.sleep(0)
                yield Page(self.page.rows, self.page.served_at, number)
        finally:
            self.closed = True


@pytest.fixture
def lists(company: Company) -> Lists:
    return Lists(Page([], company.clock.now(), 0))


async def test_the_next_page_is_asked_for_before_this_one_is_stored(lists: Lists) -> None:
    found = []
    async for page in _ahead(lists.read()):
        found.append((page.number, lists.asked))
    assert found == [(0, 2), (1, 3), (2, 3)]
    assert lists.closed


async def test_a_reader_that_stops_leaves_no_page_on_its_way(lists: Lists) -> None:
    pages = _ahead(lists.read())
    assert (await anext(pages)).number == 0
    await pages.aclose()
    assert lists.closed and lists.asked == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_row_that_is_in_the_view_is_not_taken_for_one_outside_it(company: Company) -> None:
    inside = [company.seed_crm("Accounts", Account_Name=f"Inside {number}") for number in range(3)]
    company.choose(views={"Accounts": "All Accounts"})
    await company.sync(entities=("customers",))
    mirrors = company.ledger.mirrors("demo", "crm", "Accounts", inside)
    assert [mirrors[one].in_view for one in inside] == [True, True, True]


async def test_a_stamp_that_is_no_time_does_not_stop_the_read(company: Company) -> None:
    """It is left to the arrival suite, which quarantines the row."""
    sound = company.seed_crm("Accounts", Account_Name="Sound Ltd")
    rows = [{"id": "1", "Modified_Time": "yesterday"}, {"id": "2", "Modified_Time": None}, company.crm()[sound]]
    found = _stamps("crm", rows).to_pylist()
    assert found[:2] == [None, None] and found[2] == stamp_of("crm", company.crm()[sound])


@pytest.mark.parametrize("storing_fails", [False, True])
async def test_a_read_that_fails_waits_for_what_is_being_stored(storing_fails: bool) -> None:
    done = []

    async def store() -> None:
        await asyncio.sleep(0)
        done.append(True)
        if storing_fails:
            raise OSError("the disk is full")

    reading = _Reading("crm", "Accounts", None, True, known=False, asked=())
    with pytest.raises(ConnectionError, match="the list broke off"):
        async with _stored(reading):
            reading.storing = asyncio.ensure_future(store())
            raise ConnectionError("the list broke off")
    assert done == [True]


async def test_a_read_whose_rows_cannot_be_stored_fails() -> None:
    async def store() -> None:
        raise OSError("the disk is full")

    reading = _Reading("crm", "Accounts", None, True, known=False, asked=())
    with pytest.raises(OSError, match="the disk is full"):
        async with _stored(reading):
            reading.storing = asyncio.ensure_future(store())


async def test_of_a_chunk_with_one_changed_row_that_row_alone_is_stored_anew(company: Company) -> None:
    ids = [company.seed_crm("Accounts", Account_Name=f"Account {number}") for number in range(3)]
    await company.sync(entities=("customers",))
    company.edit_crm("Accounts", ids[1], Phone="03-1234-5678")
    before = company.ledger.mirrors("demo", "crm", "Accounts", ids)
    await company.sync(entities=("customers",), plan_only=True)
    after = company.ledger.mirrors("demo", "crm", "Accounts", ids)
    assert [one for one in ids if before[one] != after[one]] == [ids[1]] and after[ids[1]].row["Phone"] == "03-1234-5678"
    await company.sync(entities=("customers",))
    await company.quiet(entities=("customers",))


async def test_a_row_that_a_page_serves_twice_is_read_once_as_it_was_first_seen(company: Company) -> None:
    one = company.seed_crm("Accounts", Account_Name="Once Ltd")
    row = company.crm()[one]
    reading = _Reading("crm", "Accounts", None, True, known=False, asked=())
    with Snapshot(company.settings.data / "rows.parquet") as snapshot:
        async with company.rooms() as rooms:
            work = EntityWork("customers", True, "", company.spec.customers)
            page = Page([row, {**row, "Account_Name": "Later"}, {**row, "id": "7"}], company.clock.now(), 1)
            await _take(rooms, None, work, reading, page, snapshot, "R")  # type: ignore[arg-type]
            await _take(rooms, None, work, reading, page, snapshot, "R")  # type: ignore[arg-type]
    assert [(row_id, row["Account_Name"]) for row_id, row in zip(reading.ids, reading.raw, strict=True)] == [
        (one, "Once Ltd"), ("7", "Once Ltd"),
    ]  # fmt: skip


class Disk:
    """Where a raw copy is written while there is room, row group by row group."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, writer: pq.ParquetWriter, table: pa.Table) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(28, "No space left on device")


def keep(snapshot: Snapshot, *rows: bytes) -> None:
    stamps = pa.array([None] * len(rows), pa.timestamp("us", tz="UTC"))
    snapshot.add([str(number) for number in range(len(rows))], stamps, pa.array(rows, pa.binary()))


@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_raw_copy_that_the_disk_has_no_room_for_ends_the_read(
    room: int, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(room)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", lambda writer, table: disk.write(writer, table))
    says = r"rows.parquet cannot be written: .*No space left.*Make room on the disk of the data folder"
    with pytest.raises(LedgerUnavailable, match=says), Snapshot(company.settings.data / "rows.parquet") as snapshot:
        for _ in range(3):
            keep(snapshot, b"{}")


def test_a_raw_copy_has_every_row_in_order(company: Company) -> None:
    path = company.settings.data / "rows.parquet"
    with Snapshot(path) as snapshot:
        keep(snapshot, b'{"a":1}', b'{"a":2}')
        keep(snapshot, b'{"a":3}')
    assert pq.read_table(path)["row"].to_pylist() == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
