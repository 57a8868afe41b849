"""Recover: close what a run that died left open, before anything is read.

Its open intents are given up as such and its rows are still open: the keys that it wrote on both sides make this run find
what arrived, and nothing is sent again blindly (docs/decisions/0005-recovery-by-keys.md). What a
person asked for is looked for, or asked about (engine/doubt.py); a removal is settled by reading (engine/removals.py).
"""

from __future__ import annotations

from datetime import datetime

from renkei.core.records import Intent, OutcomeRow
from renkei.engine.doubt import settle_people
from renkei.engine.removals import settle_removals
from renkei.engine.work import Request, Rooms


async def recover(rooms: Rooms, request: Request, run: str) -> None:
    """Close intents and runs of this connection that no living run owns. A single-record run lives while it has a claim."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    alive = {run, *ledger.claimed(name, now, run).values()}
    left = [one for one in ledger.open_intents(name) if one.run not in alive]
    intents = await settle_people(rooms, left, run, request.actor)
    intents = await settle_removals(rooms, intents, run, request.actor)
    with ledger.transaction():
        told = [_perhaps(one, request, now) for one in intents if one.state != "unknown"]  # of those their own run has told
        ledger.append(name, run, told)
        ledger.mark_intents([one.id for one in intents], "abandoned", now, {one.id: {"by": "recover"} for one in intents})
    for dead in ledger.unsealed_runs(name):
        if dead.id in alive:
            continue
        mine = sum(1 for one in left if one.run == dead.id)
        ledger.append(name, dead.id, [OutcomeRow("note", "", (), "crashed", f"{mine} intents were open", now, request.actor)])
        ledger.seal_run(dead.id, "red", {"crashed": True, "open_intents": mine}, now)


def _perhaps(intent: Intent, request: Request, now: datetime) -> OutcomeRow:
    """What a run that died was about to write, or wrote: its own evidence ends before it."""
    action = intent.action
    changes = [
        {"field": one.field, "side": one.side, "before": one.before, "after": one.after, "reason": one.reason}
        for one in action.changes
    ]
    return OutcomeRow(
        "note", action.entity, tuple(ref for ref in (action.source, action.target) if ref is not None), "abandoned",
        f"run {intent.run} died before its answer: perhaps written", now, request.actor,
        {"verb": action.verb, "side": action.side, "module": action.module, "changes": changes, "request": action.payload},
    )  # fmt: skip
