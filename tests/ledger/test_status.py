"""What `status` tells of a connection, from the ledger alone, on both databases."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_world import MINUTE, NOW, a_hold, a_mirror, account, customer

from renkei.core.connection import Budget, ConnectionSpec, Hosts, SideSettings
from renkei.core.ports import Settled
from renkei.core.records import Decision, Run
from renkei.core.values import Ref
from renkei.engine.status import next_time, status
from renkei.ledger import SqlLedger

SIDE = SideSettings(Hosts("https://accounts.example", "https://api.example"), "ACME", "jp")
SPEC = ConnectionSpec("acme", "Asia/Tokyo", SIDE, SIDE, "books", "600")  # NOW is 11:00 on 24 November there


def told(ledger: SqlLedger, now: datetime = NOW, **settings: Any) -> dict[str, Any]:
    return status(ledger, dataclasses.replace(SPEC, **settings), now)


def ran(ledger: SqlLedger, run: str, status: str, at: int = 0, *, kind: str = "sync", full: bool = False, **totals: Any) -> None:
    started = NOW + at * MINUTE
    ledger.begin_run(Run(run, "acme", kind, "hourly", "schedule", started, full, "c0ffee", "0.1.0"))
    ledger.seal_run(run, status, totals, started + MINUTE)


def ran_whole(ledger: SqlLedger, run: str, status: str, at: int) -> None:
    """A run that was not asked for a full compare and made one."""
    started = NOW + at * MINUTE
    ledger.begin_run(Run(run, "acme", "sync", "hourly", "schedule", started, False, "c0ffee", "0.1.0"))
    ledger.seal_run(run, status, {"full": True}, started + MINUTE)


def left(ledger: SqlLedger, ref: Ref, outcome: str, reason: str) -> None:
    ledger.put_mirrors("acme", ref.side, ref.module, [a_mirror(ref.id)], NOW)
    ledger.settle("acme", [Settled(ref, f"hash-{ref.id}-1", outcome, reason)])


def test_a_connection_that_never_ran_waits_for_its_first_run(ledger: SqlLedger) -> None:
    assert told(ledger) == {
        "connection": "acme", "environment": None,
        "state": {"state": "active", "since": None, "by": None, "reason": None},
        "organization": {"declared": "600", "former": None}, "last": None, "last_full": None,
        "next": {"hourly": "2026-11-24T03:00:00+00:00", "nightly": "2026-11-24T17:00:00+00:00"},
        "at_work": None, "crashed": [], "left_alone": {},
        "waits": {"holds": {}, "brakes": [], "plan": None, "answers": 0, "unsettled": 0, "held": 0, "blocked": {},
                  "quarantined": 0, "refused": 0, "failed": 0},
        "calls": {"day": "2026-11-24", "crm": {"used": 0},
                  "books": {"used": 0, "cap": None, "left": None, "as_of": None, "keep_for_people": 100}},
        "backlog": {"rows": 0, "calls": 0, "done": None}, "compared": None, "orphans": {},
    }  # fmt: skip


def test_the_last_run_is_the_newest_batch_that_ended_not_a_plan_nor_an_act_nor_a_skipped_slot(ledger: SqlLedger) -> None:
    ran(ledger, "R1", "green", 0, full=True)
    ran(ledger, "R2", "amber", 5)
    ran(ledger, "R3", "green", 10, kind="plan")
    ran(ledger, "R4", "green", 11, kind="decide")
    ran(ledger, "R5", "skipped", 12)
    found = told(ledger)
    assert found["last"] == {
        "run": "R2", "kind": "sync", "flow": "hourly", "status": "amber", "actor": "schedule", "full": False,
        "started": "2026-11-24T02:05:00+00:00", "ended": "2026-11-24T02:06:00+00:00", "notes": [],
    }  # fmt: skip
    assert found["last_full"]["run"] == "R1"


def test_a_first_run_that_compared_everything_is_a_full_compare(ledger: SqlLedger) -> None:
    ran_whole(ledger, "R1", "amber", 0)
    ran_whole(ledger, "R2", "red", 5)
    ran_whole(ledger, "R3", "held", 10)
    ran(ledger, "R4", "green", 15)
    assert told(ledger)["last_full"]["run"] == "R1"


def test_a_run_at_work_and_a_crashed_one_are_told_apart_by_the_lock(ledger: SqlLedger) -> None:
    for run in ("R1", "R2"):
        ledger.begin_run(Run(run, "acme", "sync", "hourly", "schedule", NOW, False, "c0ffee", "0.1.0"))
    ledger.lock("acme", "R2", NOW, timedelta(minutes=10))
    found = told(ledger, NOW + MINUTE)
    assert found["at_work"] == {"run": "R2", "since": "2026-11-24T02:00:00+00:00", "ends": "2026-11-24T02:10:00+00:00"}
    assert [one["run"] for one in found["crashed"]] == ["R1"]
    found = told(ledger, NOW + 11 * MINUTE)  # its lease has ended: it died
    assert found["at_work"] is None and [one["run"] for one in found["crashed"]] == ["R1", "R2"]


def test_what_waits_is_counted_by_what_it_waits_for(ledger: SqlLedger) -> None:
    ledger.put_holds("acme", [a_hold("H1", account(1)), a_hold("H2", account(2)), a_hold("H3", account(3))], "R1", NOW)
    ledger.decide("acme", [Decision("H3", "create", "why", "Sato", NOW)])
    for number, outcome, reason in (
        (1, "held", "duplicate"), (2, "held", "duplicate"), (4, "blocked", "customer_not_linked"), (5, "blocked", "budget"),
        (6, "quarantined", "readable"), (7, "refused", "stale"), (8, "failed", "answer_unknown"), (9, "updated", ""),
    ):  # fmt: skip
        left(ledger, account(number), outcome, reason)
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(10)], NOW)  # read by a run that then died
    assert told(ledger)["waits"] == {
        "holds": {"duplicate": 2}, "brakes": [], "plan": None, "answers": 1, "unsettled": 1, "held": 2,
        "blocked": {"budget": 1, "customer_not_linked": 1}, "quarantined": 1, "refused": 1, "failed": 1,
    }  # fmt: skip


def test_a_held_run_waits_for_the_release_of_its_brakes_until_another_run_ends(ledger: SqlLedger) -> None:
    brakes = [{"brake": "first_run", "entity": "products"}, {"brake": "creates"}, {"brake": "first_run", "entity": "customers"}]
    ran(ledger, "R1", "held", brakes=brakes, plan="var/plans/acme/0193.json")
    waits = told(ledger)["waits"]
    assert (waits["brakes"], waits["plan"]) == (["creates", "first_run"], "var/plans/acme/0193.json")
    ran(ledger, "R2", "green", 5, kind="apply", brakes=[])
    assert told(ledger)["waits"]["brakes"] == []


def test_calls_are_those_of_the_organisations_day(ledger: SqlLedger) -> None:
    ledger.add_calls("600", "books", "2026-11-24", "read", 30, "R1")
    ledger.add_calls("600", "books", "2026-11-23", "read", 99, "R1")
    ledger.add_calls("acme", "crm", "2026-11-24", "read", 7, "R1")
    calls = told(ledger, budget=Budget(books_per_day=1000))["calls"]
    assert calls["crm"] == {"used": 7}
    assert calls["books"] == {
        "used": 30, "cap": 1000, "left": 970, "as_of": "2026-11-24T02:00:00+00:00", "keep_for_people": 100,
    }  # fmt: skip
    evening = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)  # midnight in Tokyo
    assert told(ledger, evening, budget=Budget(books_per_day=1000))["calls"]["books"]["used"] == 0


def test_without_a_cap_what_is_left_is_what_the_api_said_last_today(ledger: SqlLedger) -> None:
    ran(ledger, "R1", "green", 0, calls={"left": 900})
    ran(ledger, "R2", "green", 5, calls={"left": 880})
    ran(ledger, "R3", "red", 10, calls={"left": None})
    books = told(ledger)["calls"]["books"]
    assert (books["left"], books["as_of"]) == (880, "2026-11-24T02:06:00+00:00")
    assert told(ledger, NOW + timedelta(days=1))["calls"]["books"]["left"] is None


@pytest.mark.parametrize(("rows", "done"), [(60, "2026-11-24"), (70, "2026-11-24"), (71, "2026-11-25"), (171, "2026-11-26")])
def test_a_backlog_is_done_when_the_daily_calls_have_sufficed(ledger: SqlLedger, rows: int, done: str) -> None:
    for number in range(rows):
        left(ledger, customer(number) if number % 2 else account(number), "blocked", "budget")
    ledger.add_calls("600", "books", "2026-11-24", "read", 30, "R1")
    assert told(ledger, budget=Budget(books_per_day=100))["backlog"] == {"rows": rows, "calls": rows, "done": done}
    assert told(ledger)["backlog"]["done"] is None  # no cap of our own: nobody knows tomorrow's allowance


def test_figures_were_compared_by_the_last_run_that_published_and_tied_out(ledger: SqlLedger) -> None:
    ran(ledger, "R1", "green", 0, entities={"summaries": {}})
    ran(ledger, "R2", "green", 5, entities={"customers": {}})
    ran(ledger, "R3", "red", 10, entities={"summaries": {}})
    assert told(ledger)["compared"] == "2026-11-24T02:01:00+00:00"


def test_nothing_of_another_connection_is_told(ledger: SqlLedger) -> None:
    ran(ledger, "R1", "green")
    ledger.put_holds("acme", [a_hold("H1", account(1))], "R1", NOW)
    left(ledger, account(1), "blocked", "budget")
    ledger.lock("acme", "R1", NOW, timedelta(minutes=10))
    found = told(ledger, name="other")
    assert found["last"] is None and found["at_work"] is None and found["backlog"]["rows"] == 0
    assert not any(found["waits"].values())


@pytest.mark.parametrize(
    ("cron", "zone", "now", "expected"),
    [
        ("0 2 * * *", "Asia/Tokyo", "2026-11-24T02:00:00+00:00", "2026-11-24T17:00:00+00:00"),
        ("0 7-22 * * *", "Asia/Tokyo", "2026-11-24T13:00:00+00:00", "2026-11-24T22:00:00+00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00+00:00", "2026-03-29T01:00:00+00:00"),  # 02:30 does not exist
        ("0 9 * * 1", "UTC", "2026-11-24T00:00:00+00:00", "2026-11-30T09:00:00+00:00"),
    ],
)
def test_the_next_slot_is_told_in_the_organisations_time(cron: str, zone: str, now: str, expected: str) -> None:
    assert next_time(cron, zone, datetime.fromisoformat(now)) == expected
