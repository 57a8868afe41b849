"""A scheduled slot that did not run leaves a row that says why."""

from __future__ import annotations

import pytest
from company import Company

from renkei.core.errors import AnotherRun
from renkei.engine.sequence import run_sequence
from renkei.engine.slot import leave_word
from renkei.engine.work import LOCK_TTL, Request


async def test_a_slot_that_met_a_run_at_work_leaves_a_sealed_row_that_names_it(company: Company) -> None:
    ledger, name = company.ledger, company.spec.name
    ledger.lock(name, "R-at-work", company.clock.now(), LOCK_TTL)
    asked = Request(flow="hourly", actor="schedule")
    async with company.rooms() as rooms:
        with pytest.raises(AnotherRun) as met:
            await run_sequence(rooms, asked)
        left = leave_word(rooms, asked, met.value)
    row = ledger.run(left)
    assert row is not None and (row.status, row.kind, row.flow, row.actor) == ("skipped", "sync", "hourly", "schedule")
    assert row.ended is not None and row.totals["another_run"] == "R-at-work"
    said = list(ledger.outcomes(left))
    assert [(one.kind, one.outcome, one.records) for one in said] == [("note", "skipped", ())] and "R-at-work" in said[0].reason
    assert ledger.verify().broken is None


async def test_a_run_at_work_is_not_disturbed_by_the_slot_that_met_it(company: Company) -> None:
    """The row begins and ends at once: recover never finds it open and takes it for a dead run."""
    company.ledger.lock(company.spec.name, "R-at-work", company.clock.now(), LOCK_TTL)
    async with company.rooms() as rooms:
        leave_word(rooms, Request(flow="hourly"), AnotherRun(company.spec.name, "R-at-work", "2026-11-25T00:00:00"))
        assert company.ledger.unsealed_runs(company.spec.name) == []
        with pytest.raises(AnotherRun):
            await run_sequence(rooms, Request())
