"""Acts: what a person does outside a batch is a small run of its own, begun, evidenced and sealed in one transaction.

So it stands in the hash chain with its actor, the code and the declarations in force, like everything that a batch does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from renkei.core.errors import AskedWrongly
from renkei.core.ports import Clock, Ledger
from renkei.core.records import OutcomeRow, Run
from renkei.engine.work import LOCK_TTL


@dataclass(frozen=True, slots=True)
class Act:
    """Who acts, where, and under which declarations (`configuration`) and code.

    typist  who typed it where that is somebody else than the actor: both are kept, and only his rights counted
    """

    ledger: Ledger
    clock: Clock
    connection: str
    actor: str
    configuration: Mapping[str, Any]
    code: str
    typist: str = ""

    def __post_init__(self) -> None:
        if not self.actor.strip():
            raise AskedWrongly("Nobody is named.", fix="Say --as NAME.")

    @contextmanager
    def run(
        self, kind: str, totals: Mapping[str, Any], *, alone: bool = False, status: str = "green"
    ) -> Iterator[tuple[str, datetime]]:
        """The act's run (its id and its time). All that the body writes is committed with it, or nothing is.

        kind    decide, discard, import …
        totals  what the sealed run says of itself
        alone   AnotherRun while a batch of this connection is at work, which could overwrite what the body writes
        """
        ledger, run, now = self.ledger, self.clock.new_id(), self.clock.now()
        with ledger.transaction():
            if alone:
                ledger.lock(self.connection, run, now, LOCK_TTL)
            configuration = ledger.save_configuration("connection", self.connection, self.configuration)
            ledger.begin_run(Run(run, self.connection, kind, "cli", self.actor, now, False, configuration, self.code))
            note_typist(ledger, self.connection, run, self.typist, self.actor, now)
            yield run, now
            ledger.seal_run(run, status, totals, self.clock.now())
            if alone:
                ledger.unlock(self.connection, run)


def note_typist(ledger: Ledger, connection: str, run: str, typist: str, actor: str, now: datetime) -> None:
    """A row of evidence by the one who typed for another; none where the two are one."""
    if typist and typist != actor:
        ledger.append(connection, run, [OutcomeRow("note", "", (), "on_behalf", f"typed on behalf of {actor}", now, typist)])


def reasoned(reason: str) -> str:
    """The reason without spaces around it. AskedWrongly for a blank one: an auditor will ask."""
    if not reason.strip():
        raise AskedWrongly("A reason is missing.", fix='Say --reason "why".')
    return reason.strip()
