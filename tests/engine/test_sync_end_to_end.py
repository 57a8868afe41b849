"""Whole runs over real HTTP against the sandbox: both ways, quiet the second time, whole after a crash."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from renkei.core.connection import Brakes, EntitySettings
from renkei.core.errors import AnotherRun, WriteForbidden
from renkei.core.ports import Judgement
from renkei.engine import load as loading
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.work import Request
from renkei.house import Settings, load_project, open_house, open_ledger_of, with_hosts
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

OFF = Brakes(None, None, None, None, None, False)


class PassingJudge:
    """Lets everything pass, for speed; the demo's own test uses the real one."""

    def judge(self, suite: str, frame: pd.DataFrame) -> Judgement:
        return Judgement(len(frame))

    def warm(self) -> None:
        return None


class Company:
    """A served world, a ledger of its own, and runs of the demo connection against it."""

    def __init__(self, world: World, address: dict[str, str], folder: Path) -> None:
        self.world = world
        self.environ = {
            "RENKEI_DATA": str(folder), "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
            "RENKEI_DEMO_CLIENT_ID": address["client_id"], "RENKEI_DEMO_CLIENT_SECRET": address["client_secret"],
            "RENKEI_DEMO_REFRESH_TOKEN": address["refresh_token"],
        }  # fmt: skip
        self.settings = Settings.from_environment(self.environ)
        project = load_project(self.settings)
        spec = with_hosts(project.connection("demo"), address["accounts"], address["crm"])
        self.spec = dataclasses.replace(spec, brakes=OFF, customers=EntitySettings(duplicates="overwrite", modules="accounts"),
                                        products=EntitySettings(duplicates="overwrite"))  # fmt: skip
        self.project = project

    async def sync(self, **asked: Any) -> Report:
        request = Request(**{"full": True, "actor": "test", **asked})
        async with open_house(self.project.with_connection(self.spec), self.spec, self.environ, judge=PassingJudge()) as rooms:
            return await run_sequence(rooms, request)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    world = World(limits=False)
    load(world, "synthetic:60")
    with running(world) as address:
        yield Company(world, address, tmp_path)


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
    async with open_house(company.project, company.spec, company.environ, judge=PassingJudge()) as rooms:
        with pytest.raises(WriteForbidden):
            await rooms.crm.insert("Accounts", [{"Account_Name": "never"}])


async def test_a_first_run_is_held_until_a_person_releases_it(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=Brakes())
    held = await company.sync()
    assert held.status == "held" and held.exit_code == 3 and not keys(company)
    assert (await company.sync(release=("first_run",))).status == "green"


async def test_a_second_run_at_the_same_time_is_refused(company: Company) -> None:
    ledger = open_ledger_of(company.settings)
    async with open_house(company.project, company.spec, company.environ, judge=PassingJudge()) as rooms:
        ledger.lock("demo", "another", rooms.clock.now(), loading.LOCK_TTL)
    with pytest.raises(AnotherRun):
        await company.sync()
    ledger.close()


async def test_every_run_leaves_a_chain_that_verifies(company: Company) -> None:
    await company.sync()
    ledger = open_ledger_of(company.settings)
    found = ledger.verify()
    assert found.broken is None and found.rows > 60
    ledger.close()


async def test_a_record_deleted_in_the_crm_keeps_its_link_and_its_partner(company: Company) -> None:
    await company.sync()
    account = next(one for one in company.world.crm.records("Accounts").values() if one.get("renkei_books_id"))
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account["id"])
    report = await company.sync()
    assert report.entities["customers"]["writes"] == {"crm": 0, "books": 0}
    assert report.entities["customers"]["outcomes"]["skipped"] >= 1
    assert account["renkei_books_id"] in company.world.books.records("contacts")
