"""Rehearse, then apply exactly that: stored plans, what they refuse, and approvals bound to them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company

from renkei.core.connection import Brakes
from renkei.core.errors import AnotherRun, AskedWrongly, PlanStale
from renkei.core.values import Ref
from renkei.engine import load as loading
from renkei.engine.apply import read_file
from renkei.engine.work import LOCK_TTL


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path, "synthetic:20") as made:
        yield made


def writes(report: object) -> int:
    return sum(sum(part["writes"].values()) for part in report.entities.values())  # type: ignore[attr-defined]


async def test_a_plan_applied_leaves_what_a_sync_would_have_left(company: Company, tmp_path: Path) -> None:
    plan = await company.sync(plan_only=True)
    applied = await company.apply(plan)
    assert applied.status == "green"
    assert applied.entities["customers"]["outcomes"]["created"] == plan.entities["customers"]["outcomes"]["created"]
    await company.quiet()
    await company.quiet(full=False)


async def test_the_file_of_a_plan_names_it_and_shows_every_action(company: Company) -> None:
    plan = await company.sync(plan_only=True)
    assert plan.file is not None
    content = read_file(plan.file)
    assert content["fingerprint"] == plan.json()["fingerprint"]
    assert len(content["entities"]["customers"]["actions"]) == len(plan.plans[0].actions)


async def test_the_same_decisions_have_the_same_fingerprint(company: Company) -> None:
    first, second = await company.sync(plan_only=True), await company.sync(plan_only=True)
    assert first.json()["fingerprint"] == second.json()["fingerprint"]


async def test_a_plan_is_applied_once(company: Company) -> None:
    plan = await company.sync(plan_only=True)
    applied = await company.apply(plan)
    with pytest.raises(PlanStale, match=f"applied by run {applied.run}"):
        await company.apply(plan)


async def test_a_plan_made_under_other_rules_is_refused_whole(company: Company) -> None:
    plan = await company.sync(plan_only=True)
    company.choose(duplicates="link")
    with pytest.raises(PlanStale, match="Mappings or settings of customers"):
        await company.apply(plan)
    assert len(company.books()) == 20


async def test_a_row_that_changed_since_the_plan_is_refused_and_the_others_are_written(company: Company) -> None:
    plan = await company.sync(plan_only=True)
    edited = next(iter(company.crm()))
    company.edit_crm("Accounts", edited, Website="https://changed.example.jp")
    applied = await company.apply(plan)
    assert applied.status == "amber"
    assert applied.entities["customers"]["outcomes"]["refused"] >= 1
    last = company.ledger.story("demo", Ref("crm", "Accounts", edited))[-1][1]
    assert (last.outcome, last.reason) == ("refused", "stale")
    again = await company.sync(full=False)
    assert again.status == "green" and company.crm()[edited]["renkei_books_id"] in company.books()


async def test_what_another_run_did_in_between_is_not_done_twice(company: Company) -> None:
    plan = await company.sync(plan_only=True)
    await company.sync()
    before = company.crm(), company.books()
    applied = await company.apply(plan)
    assert writes(applied) == 0
    assert (company.crm(), company.books()) == before


async def test_a_released_brake_covers_the_plan_and_nothing_else(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=Brakes(creates=1))
    held = await company.sync()
    assert {one.brake for one in held.brakes} == {"first_run", "creates"} and held.exit_code == 3
    assert held.file is not None and json.loads(held.file.read_text(encoding="utf-8"))["brakes"]
    half = await company.apply(held, release=("first_run",))
    assert {one.brake for one in half.brakes} == {"creates"} and len(company.books()) == 20
    done = await company.apply(held, release=("creates",), actor="Suzuki")
    assert done.status == "green" and len(company.books()) == 22
    assert "Suzuki" in {row.actor for row in company.ledger.outcomes(done.run, "note")}
    for number in range(2):
        company.seed_crm("Accounts", Account_Name=f"Later {number}")
    assert {one.brake for one in (await company.sync()).brakes} == {"creates"}


async def test_rows_that_a_brake_stopped_are_blocked_and_counted(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=Brakes(creates=1))
    held = await company.sync()
    customers = held.entities["customers"]
    assert customers["outcomes"]["blocked"] == sum(customers["extracted"].values()) and customers["writes"] == {
        "crm": 0,
        "books": 0,
    }
    assert company.outcome(Ref("crm", "Accounts", next(iter(company.crm())))) == ("blocked", "brake")


async def test_no_row_waits_for_a_brake_once_it_is_released(tmp_path: Path) -> None:
    with Company.in_process(tmp_path, "demo") as company:
        company.choose(modules="accounts_and_contacts", duplicates="link")
        company.spec = dataclasses.replace(company.spec, brakes=Brakes(creates=1))
        held = await company.sync()
        await company.apply(held, release=("first_run", "creates"))
        waiting = {(outcome, reason) for *_, outcome, reason, _ in company.ledger.open_counts("demo")}
        assert ("held", "ambiguous") in waiting and ("blocked", "brake") not in waiting


async def test_one_record_and_its_partner_are_synced_alone(company: Company) -> None:
    await company.sync()
    first, second = list(company.crm())[:2]
    company.edit_crm("Accounts", first, Website="https://first.example.jp")
    company.edit_crm("Accounts", second, Website="https://second.example.jp")
    report = await company.sync(full=False, only=(Ref("crm", "Accounts", first),))
    sites = {one["website"] for one in company.books().values()}
    assert report.entities["customers"]["writes"] == {"crm": 0, "books": 1}
    assert "https://first.example.jp" in sites and "https://second.example.jp" not in sites
    await company.sync(full=False)
    assert "https://second.example.jp" in {one["website"] for one in company.books().values()}


async def test_a_single_record_run_creates_nothing_before_a_batch_has_read_the_other_side(company: Company) -> None:
    before = len(company.books())
    first = Ref("crm", "Accounts", next(iter(company.crm())))
    await company.sync(full=False, only=(first,))
    assert company.outcome(first) == ("blocked", "list_unread") and len(company.books()) == before


async def test_a_single_record_run_needs_no_batch_lock_and_the_batch_leaves_its_record_alone(company: Company) -> None:
    await company.sync()
    first = Ref("crm", "Accounts", next(iter(company.crm())))
    company.edit_crm("Accounts", first.id, Website="https://first.example.jp")
    company.ledger.lock("demo", "a batch", company.clock.now(), LOCK_TTL)
    assert (await company.sync(full=False, only=(first,))).status == "green"
    company.ledger.unlock("demo", "a batch")
    company.edit_crm("Accounts", first.id, Website="https://again.example.jp")
    company.ledger.claim("demo", first, "a person's run", company.clock.now(), LOCK_TTL)
    assert (await company.sync(full=False)).entities["customers"]["outcomes"]["blocked"] == 2, "both rows of the pair"
    with pytest.raises(AnotherRun, match="a person's run"):
        await company.sync(full=False, only=(first,))


async def test_a_record_that_the_connection_does_not_sync_is_refused_by_name(company: Company) -> None:
    with pytest.raises(AskedWrongly, match="crm:Leads:1"):
        await company.sync(only=(Ref("crm", "Leads", "1"),))


async def test_a_run_counts_its_calls_as_the_sides_do(company: Company) -> None:
    report = await company.sync()
    requests = company.world.requests
    assert report.calls["crm"] == len(requests.select("crm")) and report.calls["books"] == len(requests.select("books"))


async def test_an_hourly_run_asks_for_no_metadata(company: Company) -> None:
    await company.sync()
    async with company.rooms() as rooms:
        from renkei.engine.sequence import run_sequence
        from renkei.engine.work import Request

        report = await run_sequence(rooms, Request(actor="test"))
        assert rooms.crm.calls().get("metadata", 0) == 0 and rooms.books.calls().get("metadata", 0) == 0
    assert report.calls["crm"] <= 2 * 2 + 2 and report.calls["books"] <= 2 + 3


async def test_a_record_edited_while_a_long_load_is_on_its_way_is_refused_and_taken_by_the_next_run(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.sync()
    accounts = [one for one, row in company.crm().items() if row.get("renkei_books_id")]
    for account in accounts:
        company.edit_crm("Accounts", account, Website=f"https://{account}.example.jp")
    last, account = min((company.crm()[one]["renkei_books_id"], one) for one in accounts)  # in the second batch
    monkeypatch.setattr(loading, "CHECK_AGAIN", -1.0)  # between any two batches, not only after ten minutes
    honest, batches = loading._send, 0

    async def edited_meanwhile(*given: Any) -> None:
        nonlocal batches
        batches += 1
        if batches == 1:
            company.edit_books("contacts", last, notes="edited meanwhile")
        await honest(*given)

    monkeypatch.setattr(loading, "_send", edited_meanwhile)
    report = await company.sync(full=False, entities=("customers",))
    assert batches > 1 and report.entities["customers"]["outcomes"]["refused"] == 2
    assert company.books()[last]["website"] != f"https://{account}.example.jp"
    monkeypatch.setattr(loading, "_send", honest)
    assert (await company.sync(full=False)).status == "green"
    assert company.books()[last]["website"] == f"https://{account}.example.jp"
