"""A slot that did not run: another run of the connection was at work, so it leaves a sealed row that says why."""

from __future__ import annotations

from renkei.core.errors import AnotherRun
from renkei.core.records import OutcomeRow, Run
from renkei.engine.work import Request, Rooms

SKIPPED = "skipped"


def leave_word(rooms: Rooms, request: Request, why: AnotherRun) -> str:
    """The id of a run row of its own: status `skipped`, one note, no records. It begins and ends in one transaction,
    so that the run at work never takes it for a dead one."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    run, kind = rooms.clock.new_id(), "plan" if request.plan_only else request.kind
    with ledger.transaction():
        configuration = ledger.save_configuration("connection", name, rooms.configuration)
        ledger.begin_run(Run(run, name, kind, request.flow, request.actor, now, request.full, configuration, rooms.code))
        ledger.append(name, run, [OutcomeRow("note", "", (), SKIPPED, why.what, now, request.actor)])
        ledger.seal_run(run, SKIPPED, {"another_run": why.run, "since": why.since}, now)
    return run
