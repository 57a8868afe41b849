"""A scheduled slot that does not run leaves a row that says why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from company import Company

from renkei.core.errors import AnotherRun
from renkei.engine.sequence import run_sequence
from renkei.engine.slot import covering, leave_word
from renkei.engine.work import LOCK_TTL, Request

HOURLY = Request(flow="hourly", actor="schedule")
NIGHTLY = Request(flow="nightly", actor="schedule", full=True)


async def test_a_slot_that_met_a_run_at_work_leaves_a_sealed_row_that_names_it(company: Company) -> None:
    ledger, name = company.ledger, company.spec.name
    ledger.lock(name, "R-at-work", company.clock.now(), LOCK_TTL)
    async with company.rooms() as rooms:
        with pytest.raises(AnotherRun) as met:
            await run_sequence(rooms, HOURLY)
        left = leave_word(rooms, HOURLY, met.value.what, met.value.run)
    row = ledger.run(left)
    assert row is not None and (row.status, row.kind, row.flow, row.actor) == ("skipped", "sync", "hourly", "schedule")
    assert row.ended is not None and row.totals == {"instead": "R-at-work"}
    said = list(ledger.outcomes(left))
    assert [(one.kind, one.outcome, one.records) for one in said] == [("note", "skipped", ())] and "R-at-work" in said[0].reason
    assert ledger.verify().broken is None


async def test_a_run_at_work_is_not_disturbed_by_the_slot_that_met_it(company: Company) -> None:
    """The row begins and ends at once: recover never finds it open and takes it for a dead run."""
    company.ledger.lock(company.spec.name, "R-at-work", company.clock.now(), LOCK_TTL)
    async with company.rooms() as rooms:
        leave_word(rooms, HOURLY, "another run is at work", "R-at-work")
        assert company.ledger.unsealed_runs(company.spec.name) == []
        with pytest.raises(AnotherRun):
            await run_sequence(rooms, Request())


async def test_of_a_heap_of_late_slots_the_first_to_come_covers_the_others(company: Company) -> None:
    slot = company.clock.now()
    company.world.clock.advance(5 * 3600)
    async with company.rooms() as rooms:
        assert covering(rooms, HOURLY, slot) is None
        ran = await run_sequence(rooms, HOURLY)
        found = covering(rooms, HOURLY, slot)
        assert found is not None and found.id == ran.run
        assert covering(rooms, HOURLY, found.started) is None  # a slot whose time had not come when that run began
        assert covering(rooms, NIGHTLY, slot) is None  # a full compare has not been made
        night = await run_sequence(rooms, NIGHTLY)
        assert all(getattr(covering(rooms, one, slot), "id", None) == night.run for one in (HOURLY, NIGHTLY))


@pytest.mark.parametrize(
    "other",
    [Request(flow="hourly", plan_only=True), Request(flow="hourly", entities=("products",)), Request(flow="cli")],
    ids=["a plan", "a run of one entity", "a command"],
)
async def test_a_run_that_did_less_covers_no_slot(company: Company, other: Request) -> None:
    async with company.rooms() as rooms:
        slot = company.clock.now() - timedelta(hours=1)
        await run_sequence(rooms, other)
        assert covering(rooms, HOURLY, slot) is None
