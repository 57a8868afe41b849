"""The ledger, the disk, the clocks or another run get in the way of a run: it says so, and the next one has everything right."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import HOST, Company
from sqlalchemy import text

from renkei.core.errors import AnotherRun, LedgerUnavailable
from renkei.core.values import Ref
from renkei.engine.sequence import Report
from renkei.engine.work import LOCK_TTL
from renkei.house import open_ledger_of
from renkei.ledger import database

PARTIES = 20  # a side; 18 of them stand on both
LOCK_ENDS = 900


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path, f"synthetic:{PARTIES}") as made:
        made.entities = ("customers", "products")
        made.ledger.perform(text("PRAGMA busy_timeout = 10"))
        yield made


async def recovers(company: Company) -> None:
    """The next run finishes, nobody stands twice, everyone is linked, and the run after it writes nothing."""
    company.world.clock.advance(LOCK_ENDS)
    assert (await company.sync()).status == "green"
    accounts, customers = company.crm(), company.books()
    assert len(accounts) == len(customers) == PARTIES + 2
    assert {row["renkei_books_id"] for row in accounts.values()} == set(customers)
    assert company.ledger.open_intents("demo") == [] and company.ledger.verify().broken is None
    await company.quiet()


# ------------------------------------------------------------------------------------------------------------ the disk


def more_pages(company: Company, pages: int) -> str:
    """The setting that lets the ledger grow by so many pages and no more."""
    return f"PRAGMA max_page_count={company.ledger.perform(text('PRAGMA page_count')).scalar_one() + pages}"


@pytest.mark.parametrize("pages", [0, 1, 3])
async def test_the_ledger_s_disk_is_full_when_the_run_writes(company: Company, pages: int) -> None:
    company.between = lambda: company.ledger.perform(text(more_pages(company, pages))) and None
    with pytest.raises(LedgerUnavailable, match=r"full.*Make room on the disk of the ledger"):
        await company.sync()
    company.between = lambda: None
    company.ledger.perform(text("PRAGMA max_page_count=1000000"))
    await recovers(company)


async def test_the_ledger_s_disk_is_full_when_the_run_reads(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(database, "_SQLITE_SETTINGS", (*database._SQLITE_SETTINGS, more_pages(company, 1)))
        with pytest.raises(LedgerUnavailable, match=r"full.*Make room on the disk of the ledger"):
            await company.sync()
    assert not any(row.get("renkei_books_id") for row in company.crm().values())
    await recovers(company)


async def test_the_disk_of_the_raw_copies_is_full(company: Company) -> None:
    (company.settings.data / "snapshots").symlink_to("/dev/full")
    with pytest.raises(LedgerUnavailable, match=r"crm-Accounts.parquet cannot be written.*Make room"):
        await company.sync()
    (company.settings.data / "snapshots").unlink()
    await recovers(company)


# -------------------------------------------------------------------------------------------------------- the database


async def test_another_program_keeps_the_database_locked_while_the_run_writes(company: Company) -> None:
    other = sqlite3.connect(company.settings.ledger_url.removeprefix("sqlite:///"), isolation_level=None)
    company.between = lambda: other.execute("BEGIN IMMEDIATE") and None
    with pytest.raises(LedgerUnavailable, match="Another process is writing to the ledger; wait"):
        await company.sync()
    other.execute("ROLLBACK")
    other.close()
    company.between = lambda: None
    await recovers(company)


async def test_the_database_ends_the_connection_while_the_run_writes(company: Company) -> None:
    company.between = lambda: company.ledger.connection.connection.driver_connection.close()  # type: ignore[union-attr]
    with pytest.raises(LedgerUnavailable, match="The ledger cannot be used"):
        await company.sync()
    company.between = lambda: None
    await recovers(company)


async def test_the_ledger_s_file_is_deleted_while_the_run_writes(company: Company) -> None:
    file = Path(company.settings.ledger_url.removeprefix("sqlite:///"))
    company.between = file.unlink
    with pytest.raises(LedgerUnavailable, match=r"renkei.db was deleted or replaced while it was in use.*found by our keys"):
        await company.sync()
    assert not any(row.get("renkei_books_id") for row in company.crm().values())
    company.between = lambda: None
    company.ledger.close()
    company.ledger = open_ledger_of(company.settings)
    await recovers(company)


# -------------------------------------------------------------------------------------------------- two runs at once


async def test_of_two_runs_started_at_once_one_works_and_the_other_says_who_is_at_work(company: Company) -> None:
    ledger = open_ledger_of(company.settings)
    other = Company(company.world, company.settings.data, HOST, clock=company.clock, ledger=ledger)
    other.entities = company.entities
    ended = await asyncio.gather(company.sync(), other.sync(), return_exceptions=True)
    ledger.close()
    (done,) = [one for one in ended if isinstance(one, Report)]
    (refused,) = [one for one in ended if isinstance(one, AnotherRun)]
    assert refused.exit_code == 3 and refused.run == done.run and done.status == "green"
    await recovers(company)


async def test_a_run_whose_lock_another_one_took_over_stops_before_its_next_write(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that slept for longer than its lock lasts wakes while another run is at work."""
    company.between = lambda: company.ledger.lock("demo", "another", company.clock.now() + LOCK_TTL * 2, LOCK_TTL)
    with pytest.raises(AnotherRun, match="another"):
        await company.sync()
    company.between = lambda: None
    company.ledger.unlock("demo", "another")
    await recovers(company)


# ---------------------------------------------------------------------------------------------------------- the clocks


@pytest.mark.parametrize("side", ["crm", "books"])
@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_side_s_clock_is_an_hour_wrong(company: Company, side: str, seconds: int) -> None:
    company.world.faults.add(f"clock-skew={seconds}@{side}")
    await recovers(company)
    company.world.clock.advance(600)
    account, row = next(iter(company.crm().items()))
    other = next(one for one in company.crm().values() if one["id"] != account)["renkei_books_id"]
    now = f"{company.world.clock.now():%H%M}"
    company.world.crm.edit("Accounts", account, Website=f"https://w{now}.example.jp")
    company.world.books.edit("contacts", other, website=f"https://b{now}.example.jp")
    company.world.clock.advance(60)
    assert (await company.sync(full=False)).status == "green"
    assert company.books()[row["renkei_books_id"]]["website"] == f"https://w{now}.example.jp"
    assert {one["Website"] for one in company.crm().values() if one["renkei_books_id"] == other} == {f"https://b{now}.example.jp"}
    await company.quiet(full=False)


async def test_the_crm_s_clock_that_was_an_hour_ahead_is_put_right_between_two_runs(company: Company) -> None:
    """What the second run publishes stands under earlier stamps than what it read, and so does what people edit after it."""
    company.entities = ("customers", "documents", "summaries")
    company.world.faults.add("clock-skew=3600@crm")
    await company.sync(entities=("customers",))
    customer = next(iter(company.books()))
    first, second = (
        {"customer_id": customer, "date": "2026-10-01", "status": "sent", "line_items": [{"rate": rate, "quantity": 1}]}
        for rate in (100, 200)
    )
    company.seed_books("invoices", **first)
    assert (await company.sync()).status == "green"
    company.seed_books("invoices", **second)
    company.world.faults.clear()
    company.world.clock.skew.clear()
    company.world.clock.advance(600)
    assert (await company.sync()).status == "green" and len(company.crm("Renkei_Documents")) == 2
    await company.quiet()
    account = company.ledger.link_of("demo", Ref("books", "contacts", customer)).crm.id
    company.edit_crm("Accounts", account, Website="https://later.example.jp")
    assert (await company.sync(full=False)).status == "green"
    assert company.books()[customer]["website"] == "https://later.example.jp"
