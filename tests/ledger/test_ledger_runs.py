"""Runs and their leases, plans and approvals, the journal of intents, tokens and calls shared between processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from ledger_world import MINUTE, NOW, a_run, account, an_action, customer

from renkei.core.errors import AnotherRun, Bug
from renkei.core.ports import StageRow
from renkei.core.records import Change, Intent
from renkei.ledger import SqlLedger, open_ledger

LEASE = timedelta(minutes=5)


@pytest.fixture
def second(ledger_url: str, ledger: SqlLedger) -> Iterator[SqlLedger]:
    """Another process's ledger on the same database."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


# ---------------------------------------------------------------------------------------------------------- leases


def test_one_run_holds_the_lock_until_it_lets_go_or_its_lease_ends(ledger: SqlLedger, second: SqlLedger) -> None:
    ledger.lock("acme", "R1", NOW, LEASE)
    with pytest.raises(AnotherRun, match="run R1 has been at work since 2026-11-24T02:00:00"):
        second.lock("acme", "R2", NOW + MINUTE, LEASE)
    second.lock("other", "R2", NOW, LEASE)
    ledger.renew("acme", "R1", NOW + 4 * MINUTE, LEASE)
    with pytest.raises(AnotherRun, match="since 2026-11-24T02:00:00"):
        second.lock("acme", "R2", NOW + 8 * MINUTE, LEASE)
    second.lock("acme", "R2", NOW + 9 * MINUTE, LEASE)  # R1's process died: its lease has ended
    with pytest.raises(AnotherRun, match="run R2"):
        ledger.renew("acme", "R1", NOW + 10 * MINUTE, LEASE)
    ledger.unlock("acme", "R1")  # not its own any more: nothing happens
    with pytest.raises(AnotherRun):
        ledger.lock("acme", "R3", NOW + 10 * MINUTE, LEASE)
    second.unlock("acme", "R2")
    ledger.lock("acme", "R3", NOW + 10 * MINUTE, LEASE)


def test_a_record_is_claimed_by_one_run_until_released_or_its_lease_ends(ledger: SqlLedger, second: SqlLedger) -> None:
    assert ledger.claim("acme", account(1), "R1", NOW, LEASE)
    assert ledger.claim("acme", account(1), "R1", NOW + MINUTE, LEASE)  # its own: made longer
    assert not second.claim("acme", account(1), "R2", NOW + MINUTE, LEASE)
    assert second.claim("acme", customer(1), "R2", NOW, LEASE)
    assert set(ledger.claimed("acme", NOW, "R1")) == {customer(1)}
    assert set(ledger.claimed("acme", NOW, "batch")) == {account(1), customer(1)}
    assert set(ledger.claimed("acme", NOW + LEASE, "batch")) == {account(1)}
    assert second.claim("acme", account(1), "R2", NOW + MINUTE + LEASE, LEASE)
    second.release("acme", "R2")
    assert not ledger.claimed("acme", NOW, "batch")


# ------------------------------------------------------------------------------------------------------------ runs


def test_runs_are_listed_newest_first_and_those_never_closed_are_found(ledger: SqlLedger) -> None:
    first, last, foreign = a_run("R1"), a_run("R2", started=NOW + MINUTE), a_run("R3", "other", NOW + 2 * MINUTE)
    for run in (first, last, foreign):
        ledger.begin_run(run)
    ledger.seal_run("R2", "amber", {"entities": {"customers": {"extracted": {"crm": 3}}}}, NOW + 3 * MINUTE)
    assert [run.id for run in ledger.runs()] == ["R3", "R2", "R1"]
    assert [run.id for run in ledger.runs("acme", limit=1)] == ["R2"]
    assert ledger.unsealed_runs("acme") == [first]
    sealed = ledger.run("R2")
    assert sealed is not None and sealed.status == "amber" and sealed.totals["entities"]["customers"]["extracted"] == {"crm": 3}
    assert ledger.run("R9") is None
    with pytest.raises(Bug, match="refused a row"):
        ledger.begin_run(first)


def test_stages_snapshots_and_configurations_are_kept(ledger: SqlLedger) -> None:
    row = StageRow("R1", "extract", "customers", NOW, 1.25, {"rows": 3})
    ledger.add_stage(row)
    ledger.add_stage(dataclasses.replace(row, stage="match", detail={}))
    assert [stage.stage for stage in ledger.stages("R1")] == ["extract", "match"] and ledger.stages("R1")[0] == row
    ledger.add_snapshot("acme", "R1", "crm", "Accounts", {"complete": True, "from": NOW})
    assert ledger.snapshots("R1") == [("crm", "Accounts", {"complete": True, "from": NOW})]
    first = ledger.save_configuration("connection", "acme", {"a": 1, "b": [2]})
    assert ledger.save_configuration("connection", "acme", {"b": [2], "a": 1}) == first
    assert ledger.save_configuration("connection", "acme", {"a": 2}) != first
    assert ledger.configuration(first) == {"a": 1, "b": [2]} and ledger.configuration("none") is None


# ---------------------------------------------------------------------------------------------- plans and approvals


def test_a_plan_is_replaced_until_it_is_applied_and_stays_then(ledger: SqlLedger) -> None:
    ledger.save_plan("acme", "F", {"actions": [1]}, "R1", NOW)
    ledger.save_plan("acme", "F", {"actions": [2]}, "R2", NOW)
    assert ledger.plan("acme", "F") == {"actions": [2]} and ledger.plan_applied("acme", "F") is None
    ledger.mark_applied("acme", "F", "R3", NOW)
    ledger.save_plan("acme", "F", {"actions": [3]}, "R4", NOW)
    ledger.mark_applied("acme", "F", "R5", NOW)
    assert ledger.plan("acme", "F") == {"actions": [2]} and ledger.plan_applied("acme", "F") == "R3"
    assert ledger.plan("other", "F") is None
    with pytest.raises(Bug, match="never stored"):
        ledger.mark_applied("acme", "unknown", "R3", NOW)


def test_an_approval_ends_fourteen_days_after_its_last_use(ledger: SqlLedger) -> None:
    ledger.approve("acme", "F", ["creates", "first_run"], ["a", "b", "b", "c"], "tanaka", NOW)
    almost = NOW + timedelta(days=14) - MINUTE
    assert ledger.approved_keys("acme", almost) == {"creates": {"a", "b", "c"}, "first_run": {"a", "b", "c"}}
    assert ledger.approved_keys("acme", NOW + timedelta(days=14)) == {}
    ledger.use_approvals("acme", ["a", "z"], almost)
    assert ledger.approved_keys("acme", NOW + timedelta(days=20))["creates"] == {"b", "c"}
    ledger.use_approvals("acme", ["b"], NOW + timedelta(days=60))  # ended long ago: it does not come back
    assert ledger.approved_keys("acme", NOW + timedelta(days=61)) == {}


def test_an_approval_ends_when_nothing_of_it_is_left(ledger: SqlLedger) -> None:
    ledger.approve("acme", "F", ["creates"], ["a"], "tanaka", NOW)
    ledger.approve("acme", "G", ["creates"], ["a", "b"], "tanaka", NOW)
    ledger.use_approvals("acme", ["a"], NOW)
    assert ledger.approved_keys("acme", NOW) == {"creates": {"b"}}
    ledger.use_approvals("acme", ["b"], NOW)
    assert ledger.approved_keys("acme", NOW) == {}


# --------------------------------------------------------------------------------------------------------- journal


def test_an_intent_comes_back_with_every_value_of_its_action(ledger: SqlLedger) -> None:
    action = dataclasses.replace(
        an_action("k", Change("credit", "crm", Decimal("1.50"), None), Change("since", "crm", NOW.date(), NOW)),
        payload={"owner": {"$created": "other"}, "$type": "theirs", "list": [{"a": None}]},
        needs=("x", "y"),
        stamp=NOW,
        calls=0.01,
        rank=(2, "2026"),
        carries=(account(7),),
    )
    intent = Intent("I1", "R1", action, "crm:Accounts:1", "intended", {"tried": 1})
    ledger.intend("acme", [intent], NOW)
    assert ledger.intents("R1") == [intent]


def test_intents_are_open_until_their_answer_is_known(ledger: SqlLedger) -> None:
    ledger.intend("acme", [Intent(f"I{n}", "R1", an_action(str(n)), "", "intended") for n in range(6)], NOW)
    for number, state in enumerate(("sent", "unknown", "confirmed", "refused", "abandoned"), start=1):
        ledger.mark_intents([f"I{number}"], state, NOW, {f"I{number}": {"state": state}})  # type: ignore[arg-type]
    assert [(intent.id, intent.state) for intent in ledger.open_intents("acme")] == [
        ("I0", "intended"),
        ("I1", "sent"),
        ("I2", "unknown"),
    ]
    assert ledger.open_intents("other") == []
    ledger.mark_intents(["I1", "I2"], "confirmed", NOW, {"I2": {"id": "77"}})
    assert [dict(intent.answer) for intent in ledger.intents("R1")[1:3]] == [{"state": "sent"}, {"id": "77"}]
    with pytest.raises(Bug, match="Unknown intents: I9"):
        ledger.mark_intents(["I0", "I9"], "sent", NOW)
    assert ledger.intents("R1")[0].state == "intended"
    with pytest.raises(Bug, match="refused a row"):
        ledger.intend("acme", [Intent("I0", "R1", an_action("0"), "", "intended")], NOW)


# ------------------------------------------------------------------------------------------------ tokens and calls


def test_one_of_two_processes_refreshes_the_token_and_both_read_it(ledger: SqlLedger, second: SqlLedger) -> None:
    assert ledger.token("ACME") is None
    assert ledger.lease_refresh("ACME", "one", NOW, MINUTE)
    assert not second.lease_refresh("ACME", "two", NOW + MINUTE / 2, MINUTE)
    assert second.lease_refresh("OTHER", "two", NOW, MINUTE)
    assert ledger.token("ACME") is None
    ledger.save_token("ACME", "encrypted", NOW + timedelta(hours=1), NOW)
    assert second.token("ACME") == ("encrypted", NOW + timedelta(hours=1))
    assert second.lease_refresh("ACME", "two", NOW, MINUTE)  # the lease ended with the token
    second.drop_lease("ACME", "one")  # not one's own: nothing happens
    assert not ledger.lease_refresh("ACME", "one", NOW, MINUTE)
    second.drop_lease("ACME", "two")
    assert ledger.lease_refresh("ACME", "one", NOW, MINUTE)
    assert second.lease_refresh("ACME", "two", NOW + MINUTE, MINUTE)  # one died: its lease has ended
    assert ledger.token("ACME") == ("encrypted", NOW + timedelta(hours=1))


def test_refreshes_are_counted_over_all_processes_since_a_time(ledger: SqlLedger, second: SqlLedger) -> None:
    for number, each in enumerate((ledger, second, ledger)):
        each.save_token("ACME", f"t{number}", NOW + timedelta(hours=1), NOW + number * MINUTE)
    assert [second.refreshes("ACME", NOW + number * MINUTE) for number in range(4)] == [3, 2, 1, 0]
    assert second.refreshes("OTHER", NOW) == 0


def test_calls_add_up_by_organisation_side_and_day_over_all_processes(ledger: SqlLedger, second: SqlLedger) -> None:
    ledger.add_calls("60001", "books", "2026-11-24", "read", 3, "R1")
    second.add_calls("60001", "books", "2026-11-24", "read", 4, "R1")
    second.add_calls("60001", "books", "2026-11-24", "write", 5, None)
    second.add_calls("60001", "books", "2026-11-25", "write", 100, None)
    second.add_calls("60001", "crm", "2026-11-24", "write", 100, None)
    second.add_calls("60002", "books", "2026-11-24", "write", 100, None)
    assert ledger.calls_on("60001", "books", "2026-11-24") == 12
    assert ledger.calls_on("60009", "books", "2026-11-24") == 0
