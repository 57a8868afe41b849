"""Recover: close what a run that died left open, before anything is read.

Its open intents are given up as such and its rows are still open: the keys that it wrote on both sides make this run find
what arrived, and nothing is sent again blindly (docs/decisions/0005-recovery-by-keys.md).
"""

from __future__ import annotations

from renkei.core.records import OutcomeRow
from renkei.engine.work import Request, Rooms


async def recover(rooms: Rooms, request: Request, run: str) -> None:
    """Close intents and runs of this connection that no living run owns. A single-record run lives while it has a claim."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    alive = {run, *ledger.claimed(name, now, run).values()}
    intents = [one for one in ledger.open_intents(name) if one.run not in alive]
    ledger.mark_intents([one.id for one in intents], "abandoned", now, {one.id: {"by": "recover"} for one in intents})
    for dead in ledger.unsealed_runs(name):
        if dead.id in alive:
            continue
        mine = sum(1 for one in intents if one.run == dead.id)
        ledger.append(name, dead.id, [OutcomeRow("note", "", (), "crashed", f"{mine} intents were open", now, request.actor)])
        ledger.seal_run(dead.id, "red", {"crashed": True, "open_intents": mine}, now)
