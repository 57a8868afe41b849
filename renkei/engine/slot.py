"""A scheduled slot that does not run leaves a sealed row that says why."""

from __future__ import annotations

from datetime import datetime

from renkei.core.records import OutcomeRow, Run
from renkei.engine.work import Request, Rooms, entities_of

SKIPPED = "skipped"
BATCHES = ("hourly", "nightly")  # flows that read every list, and so cover one another's slots


def covering(rooms: Rooms, request: Request, slot: datetime) -> Run | None:
    """The batch that has done already what a late slot asks for: begun after the slot's time, ended well, as full as asked
    and of the same entities. A worker that was away for a night finds a heap of such slots."""
    wanted = set(entities_of(rooms, request.entities))
    for run in rooms.ledger.runs(rooms.spec.name):
        if run.started <= slot:
            return None
        done = run.kind == "sync" and run.flow in BATCHES and run.status in ("green", "amber")
        if done and run.full >= request.full and wanted <= set(run.totals["entities"]):
            return run
    return None


def leave_word(rooms: Rooms, request: Request, why: str, instead: str) -> str:
    """The id of a run row of its own: status `skipped`, one note, no records.

    why      the sentence that the note keeps
    instead  the run that is at work, or that covered the slot

    It begins and ends in one transaction, so that the run at work never takes it for a dead one.
    """
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    run, kind = rooms.clock.new_id(), "plan" if request.plan_only else request.kind
    with ledger.transaction():
        configuration = ledger.save_configuration("connection", name, rooms.configuration)
        ledger.begin_run(Run(run, name, kind, request.flow, request.actor, now, request.full, configuration, rooms.code))
        ledger.append(name, run, [OutcomeRow("note", "", (), SKIPPED, why, now, request.actor)])
        ledger.seal_run(run, SKIPPED, {"instead": instead}, now)
    return run
