"""Rights at the door: what an actor may not do is refused before anything is read or written, and leaves a row in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection

from renkei.core import rights
from renkei.core.errors import NotAllowed
from renkei.core.records import OutcomeRow
from renkei.engine.acts import Act


def require(
    connection: str, roles: rights.Roles | None, actor: str, command: str, options: Collection[str], deny: Callable[[str], Act]
) -> None:
    """Raises NotAllowed where the actor lacks a right that the command or flow needs.

    deny  what an act of this actor is, for the run of kind `denied` that keeps the denial
    """
    try:
        rights.require(connection, roles, actor, command, options)
    except NotAllowed as error:
        act = deny(in_ledger(actor))
        with act.run("denied", {"command": error.command, "roles": list(error.roles)}, status="denied") as (run, now):
            act.ledger.append(connection, run, [OutcomeRow("note", "", (), "denied", error.what, now, act.actor)])
        raise


def in_ledger(actor: str) -> str:
    """An actor as rows of evidence name him: a user of the machine by his bare name."""
    return actor.removeprefix("os:")
