"""The fleet: whose time has come, and how the whole of it ends."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.fleet import state_of
from renkei.core.connection import ConnectionSpec
from renkei.core.records import Run
from renkei.engine.due import due, last_slot
from renkei.house import Settings, load_project
from renkei.ledger import SqlLedger, open_ledger

NOON = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)  # 12:30 in Tokyo; nightly at 02:00, hourly from 07:00 to 22:00


@pytest.fixture
def spec() -> ConnectionSpec:
    return load_project(Settings.from_environment({})).connection("demo")


def begun(tmp_path: Path, *runs: tuple[int, bool], flow: str = "hourly", status: str = "green", ended: bool = True) -> SqlLedger:
    """A ledger with runs that began so many minutes before noon; full ones or not."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/renkei.db")
    for number, (minutes, full) in enumerate(runs):
        started = NOON - timedelta(minutes=minutes)
        ledger.begin_run(Run(f"R{number}", "demo", "sync", flow, "schedule", started, full, "c0ffee", "0.1.0"))
        if ended:
            ledger.seal_run(f"R{number}", status, {}, started)
    return ledger


NIGHT = (10 * 60, True)  # 02:30


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ((), "nightly"),
        ((NIGHT,), "hourly"),
        ((NIGHT, (40, False)), "hourly"),  # 11:50: the slot of 12:00 came after it
        ((NIGHT, (20, False)), None),
        (((12 * 60, True), (20, False)), "nightly"),  # yesterday's full compare: last night's was missed
        (((20, True),), None),
    ],
)
def test_a_batch_is_due_when_its_slot_came_and_none_has_begun_since(
    tmp_path: Path, spec: ConnectionSpec, runs: tuple[tuple[int, bool], ...], said: str | None
) -> None:
    ledger = begun(tmp_path, *runs)
    assert due(ledger, spec, NOON) == said
    ledger.close()


@pytest.mark.parametrize("changes", [{"status": "skipped"}, {"ended": False}, {"flow": "record"}])
def test_a_skipped_a_dead_and_a_single_record_run_cover_no_slot(
    tmp_path: Path, spec: ConnectionSpec, changes: dict[str, object]
) -> None:
    ledger = begun(tmp_path, (20, True), **changes)  # type: ignore[arg-type]
    assert due(ledger, spec, NOON) == "nightly"
    ledger.close()


def test_slots_are_those_of_the_connections_own_time(spec: ConnectionSpec) -> None:
    assert last_slot(spec.nightly, spec.time_zone, NOON) == datetime(2026, 11, 24, 17, tzinfo=UTC)
    berlin = dataclasses.replace(spec, time_zone="Europe/Berlin")
    assert last_slot(berlin.nightly, berlin.time_zone, NOON) == datetime(2026, 11, 25, 1, tzinfo=UTC)


def test_the_fleet_fails_where_one_failed_or_was_held_and_names_it() -> None:
    rows = [{"connection": name, "batch": "hourly", "state": state, "says": ""} for name, state in
            (("a", "Completed"), ("b", "Amber"), ("c", "Held"), ("d", "NotStarted"), ("e", "Skipped"))]  # fmt: skip
    ended = state_of(rows)
    assert (ended.type.value, ended.message) == ("FAILED", "3 of 5 connections went well. c: Held; d: NotStarted.")
    assert state_of(rows[:2]).type.value == "COMPLETED" and state_of([]).message == "Nothing is due."
