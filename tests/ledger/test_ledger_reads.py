"""What a read brings is put beside everything else that the caller does, on both databases: all of it or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pandas as pd
import pytest
from ledger_world import MINUTE, NOW, a_mirror, account

from renkei.core.errors import Bug
from renkei.core.records import QuarantineRow
from renkei.core.values import Side, row_json
from renkei.ledger.ledger import SqlLedger

ACCOUNTS: tuple[str, Side, str] = ("acme", "crm", "Accounts")
BLANK = QuarantineRow(account(1), "customers", "not_blank", "name", "is blank", "")


def a_read(*numbers: int, version: str = "1") -> pd.DataFrame:
    rows = [a_mirror(number, version) for number in numbers]
    return pd.DataFrame(
        {
            "id": [row.id for row in rows],
            "stamp": [row.stamp for row in rows],
            "hash": [row.hash for row in rows],
            "content": [row_json(row.row) for row in rows],
            "in_view": [number != 2 for number in numbers],
        }
    )


async def test_rows_of_a_read_stand_as_if_they_had_been_put_one_by_one(ledger: SqlLedger) -> None:
    await ledger.put_read(*ACCOUNTS, a_read(1, 2, 3), [BLANK], "run1", NOW)
    read = ledger.mirrors(*ACCOUNTS, ["1", "2", "3"])
    ledger.put_mirrors("other", "crm", "Accounts", [a_mirror(1), replace(a_mirror(2), in_view=False), a_mirror(3)], NOW)
    assert read == ledger.mirrors("other", "crm", "Accounts", ["1", "2", "3"])
    assert ledger.quarantine("acme") == [(BLANK, "run1", NOW)]


async def test_a_row_read_again_is_open_again_and_keeps_its_detail_and_keys(ledger: SqlLedger) -> None:
    ledger.put_mirrors(*ACCOUNTS, [a_mirror(1, "1", ("name", "a"))], NOW)
    ledger.put_details(*ACCOUNTS, [("1", NOW, {"fax": "9"})])
    ledger.mark_deleted(*ACCOUNTS, ["1"], NOW)
    await ledger.put_read(*ACCOUNTS, a_read(1, version="2"), [], "run2", NOW)
    mirror = ledger.mirrors(*ACCOUNTS, ["1"])["1"]
    assert (mirror.hash, mirror.open, mirror.detail, mirror.deleted_at) == ("hash-1-2", True, {"fax": "9"}, None)
    assert ledger.by_keys(*ACCOUNTS, [("name", "a")]) == {("name", "a"): ["1"]}


async def test_more_rows_than_one_statement_takes(ledger: SqlLedger) -> None:
    await ledger.put_read(*ACCOUNTS, a_read(*range(4500)), [], "run1", NOW)
    assert ledger.mirror_count(*ACCOUNTS) == 4500


async def test_a_stamp_keeps_its_fractions_and_its_absence(ledger: SqlLedger) -> None:
    read = a_read(1, 2)
    read["stamp"] = pd.Series([NOW + MINUTE / 7, pd.NaT], dtype="datetime64[us, UTC]")
    await ledger.put_read(*ACCOUNTS, read, [], "run1", NOW)
    mirrors = ledger.mirrors(*ACCOUNTS, ["1", "2"])
    assert (mirrors["1"].stamp, mirrors["2"].stamp) == (NOW + MINUTE / 7, None)
    assert ledger.nth_newest_stamp(*ACCOUNTS, 1) == NOW + MINUTE / 7


async def test_a_field_called_type_comes_back_as_it_was(ledger: SqlLedger) -> None:
    read = a_read(1)
    read["content"] = [row_json({"$type": "decimal", "value": "1"})]
    await ledger.put_read(*ACCOUNTS, read, [], "run1", NOW)
    assert ledger.mirrors(*ACCOUNTS, ["1"])["1"].row == {"$type": "decimal", "value": "1"}


async def test_where_one_row_cannot_be_put_none_is(ledger: SqlLedger) -> None:
    read = a_read(1, 2)
    read["hash"] = pd.Series(["h", None], dtype=object)
    with pytest.raises(Bug):
        await ledger.put_read(*ACCOUNTS, read, [BLANK], "run1", NOW)
    assert ledger.mirror_count(*ACCOUNTS) == 0 and ledger.quarantine("acme") == []


async def test_the_caller_goes_on_meanwhile(ledger: SqlLedger) -> None:
    storing = asyncio.ensure_future(ledger.put_read(*ACCOUNTS, a_read(*range(2000)), [], "run1", NOW))
    await asyncio.sleep(0)
    ledger.put_mirrors(*ACCOUNTS, [a_mirror("other")], NOW)
    await storing
    assert ledger.mirror_count(*ACCOUNTS) == 2001
