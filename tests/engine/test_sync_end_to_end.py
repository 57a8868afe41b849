"""Whole runs over real HTTP against the sandbox: both ways, quiet the second time, whole after a crash."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company

from renkei.core.connection import Brakes
from renkei.core.errors import AnotherRun, WriteForbidden
from renkei.engine import load as loading
from renkei.engine.work import LOCK_TTL


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.served(tmp_path, "synthetic:60") as made:
        yield made


def keys(company: Company) -> list[str]:
    return [row["renkei_books_id"] for row in company.world.crm.records("Accounts").values() if row.get("renkei_books_id")]


async def test_a_first_sync_links_equal_parties_and_creates_the_rest_on_both_sides(company: Company) -> None:
    report = await company.sync()
    customers = report.entities["customers"]
    assert report.status == "green"
    assert customers["extracted"] == {"crm": 60, "books": 60}
    assert customers["outcomes"]["linked"] == 108 and customers["outcomes"]["created"] == 12
    assert len(company.world.crm.records("Accounts")) == 66 and len(company.world.books.records("contacts")) == 66
    assert len(set(keys(company))) == 66


async def test_the_second_run_writes_nothing_on_either_side(company: Company) -> None:
    await company.sync()
    again = await company.sync()
    hourly = await company.sync(full=False)
    for report in (again, hourly):
        assert report.status == "green"
        assert all(part["writes"] == {"crm": 0, "books": 0} for part in report.entities.values())


async def test_an_edit_on_each_side_of_different_fields_survives_on_both(company: Company) -> None:
    await company.sync()
    account = next(one for one in company.world.crm.records("Accounts").values() if one.get("renkei_books_id"))
    customer = account["renkei_books_id"]
    company.world.clock.advance(600)
    company.world.crm.edit("Accounts", account["id"], Website="https://new.example.jp")
    company.world.books.edit("contacts", customer, company_name="Renamed in Books")
    report = await company.sync(full=False)
    assert report.entities["customers"]["writes"] == {"crm": 1, "books": 1}
    assert company.world.crm.records("Accounts")[account["id"]]["Account_Name"] == "Renamed in Books"
    assert company.world.books.records("contacts")[customer]["website"] == "https://new.example.jp"


async def test_a_crash_between_the_answer_and_the_journal_leaves_nothing_double(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = loading._confirm
    done = 0

    def dies(*given: Any, **named: Any) -> None:
        nonlocal done
        done += 1
        if done == 30:
            raise KeyboardInterrupt
        honest(*given, **named)

    monkeypatch.setattr(loading, "_confirm", dies)
    with pytest.raises(KeyboardInterrupt):
        await company.sync()
    monkeypatch.setattr(loading, "_confirm", honest)
    report = await company.sync()
    assert report.status == "green"
    assert len(company.world.crm.records("Accounts")) == 66 and len(company.world.books.records("contacts")) == 66
    assert len(set(keys(company))) == 66
    assert (await company.sync()).entities["customers"]["writes"] == {"crm": 0, "books": 0}


async def test_a_timeout_after_the_commit_doubles_nothing(company: Company) -> None:
    company.world.faults.add("500-after-commit@books:PUT/contacts*1")
    company.world.faults.add("500-after-commit@crm:POST/Accounts*1")
    first = await company.sync()
    assert first.status == "red"
    await company.sync()
    final = await company.sync()
    assert final.status == "green"
    assert len(company.world.crm.records("Accounts")) == 66 and len(company.world.books.records("contacts")) == 66


async def test_a_plan_writes_nothing(company: Company) -> None:
    report = await company.sync(plan_only=True)
    assert report.entities["customers"]["actions"]
    assert not keys(company) and len(company.world.books.records("contacts")) == 60


async def test_the_transport_refuses_a_write_while_planning(company: Company) -> None:
    async with company.rooms() as rooms:
        with pytest.raises(WriteForbidden):
            await rooms.crm.insert("Accounts", [{"Account_Name": "never"}])


async def test_a_first_run_is_held_until_a_person_releases_it(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=Brakes())
    held = await company.sync()
    assert held.status == "held" and held.exit_code == 3 and not keys(company)
    applied = await company.apply(held, release=("first_run",))
    assert applied.status == "green" and len(keys(company)) == 66


async def test_a_second_run_at_the_same_time_is_refused(company: Company) -> None:
    company.ledger.lock("demo", "another", company.clock.now(), LOCK_TTL)
    with pytest.raises(AnotherRun):
        await company.sync()


async def test_every_run_leaves_a_chain_that_verifies(company: Company) -> None:
    await company.sync()
    found = company.ledger.verify()
    assert found.broken is None and found.rows > 60


async def test_a_record_deleted_in_the_crm_keeps_its_link_and_its_partner(company: Company) -> None:
    await company.sync()
    account = next(one for one in company.world.crm.records("Accounts").values() if one.get("renkei_books_id"))
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account["id"])
    report = await company.sync()
    assert report.entities["customers"]["writes"] == {"crm": 0, "books": 0}
    assert report.entities["customers"]["outcomes"]["skipped"] >= 1
    assert account["renkei_books_id"] in company.world.books.records("contacts")
