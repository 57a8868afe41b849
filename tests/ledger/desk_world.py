"""A person at a ledger: a clock that moves a minute whenever it is asked, and acts in his name."""

from __future__ import annotations

from datetime import datetime

from ledger_world import MINUTE, NOW

from renkei.engine.acts import Act
from renkei.ledger import SqlLedger


class Watch:
    """A Clock for acts: time and ids only."""

    def __init__(self, ids: str, now: datetime = NOW) -> None:
        self._now, self._ids, self._made = now, ids, 0

    def now(self) -> datetime:
        self._now += MINUTE
        return self._now

    def new_id(self) -> str:
        self._made += 1
        return f"{self._ids}{self._made}"

    def elapsed(self) -> float:
        raise AssertionError("an act measures no time")

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("an act does not wait")

    def chance(self) -> float:
        raise AssertionError("an act leaves nothing to chance")


def act(ledger: SqlLedger, actor: str = "Sato", connection: str = "acme", run: str = "A") -> Act:
    """One person's act; the ids of its runs begin with `run`."""
    return Act(ledger, Watch(run), connection, actor, {"connection": {"name": connection}}, "0.1.0")
