"""Bugs on purpose: each takes one safeguard away, and the simulation has to tell.

`PLANTED[NAME]()` is a context in which renkei has that bug. `python -m soak planted NAME` says how many nights it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from renkei.core import planning, resolving
from renkei.core.records import Action, Base, Intent, Watermark
from renkei.engine import extract, load, record, sequence
from renkei.ledger.ledger import SqlLedger

MOST_NIGHTS = 200


@contextmanager
def _instead(holder: Any, name: str, by: Any) -> Iterator[None]:
    before = getattr(holder, name)
    setattr(holder, name, by)
    try:
        yield
    finally:
        setattr(holder, name, before)


def intent_after_the_call() -> AbstractContextManager[None]:
    """The journal learns of a write when its answer is there."""
    send, intend, mark = load._call, SqlLedger.intend, SqlLedger.mark_intents
    late: list[tuple[Any, ...]] = []

    def later(self: SqlLedger, connection: str, intents: list[Intent], now: datetime) -> None:
        late.append((self, connection, intents, now))

    def marked(self: SqlLedger, ids: Any, state: Any, now: datetime, answers: Any = None) -> None:
        if state != "sent":
            mark(self, ids, state, now, *(() if answers is None else (answers,)))

    async def first(loading: Any, actions: Any, payloads: Any) -> Any:
        answers = await send(loading, actions, payloads)
        while late:
            intend(*late.pop())
        return answers

    @contextmanager
    def planted() -> Iterator[None]:
        with _instead(load, "_call", first), _instead(SqlLedger, "intend", later), _instead(SqlLedger, "mark_intents", marked):
            yield

    return planted()


def base_not_kept() -> AbstractContextManager[None]:
    """What both sides agreed on is forgotten once the link is made."""
    put = SqlLedger.put_bases

    def first_only(self: SqlLedger, connection: str, bases: list[Base]) -> None:
        known = self.bases(connection, [one.link for one in bases])
        put(self, connection, [one for one in bases if one.link not in known])

    return _instead(SqlLedger, "put_bases", first_only)


def watermark_too_late() -> AbstractContextManager[None]:
    """The watermark is our own clock's, an hour ahead."""
    put = SqlLedger.put_watermark

    def ahead(self: SqlLedger, connection: str, watermark: Watermark, run: str) -> None:
        stamp = watermark.stamp and watermark.stamp + timedelta(hours=1)
        put(self, connection, replace(watermark, stamp=stamp), run)

    return _instead(SqlLedger, "put_watermark", ahead)


def brake_skipped() -> AbstractContextManager[None]:
    """No brake ever stops a run."""
    return _instead(sequence, "brakes", lambda *given: [])


def key_not_sent() -> AbstractContextManager[None]:
    """What is created in the CRM does not bear our key."""
    act = planning.Draft.act

    def keyless(self: planning.Draft, action: Action) -> str:
        if action.verb == "create" and action.side == "crm":
            payload = {name: value for name, value in action.payload.items() if name != "renkei_books_id"}
            action = replace(action, payload=payload)
        return act(self, action)

    return _instead(planning.Draft, "act", keyless)


def overlap_ignored() -> AbstractContextManager[None]:
    """An incremental read begins at the watermark."""
    return _instead(extract, "overlap_start", lambda rooms, side, module, newest: newest)


def closing_read_dropped() -> AbstractContextManager[None]:
    """Lists that were written to are not read once more."""

    async def nothing(*given: Any) -> Mapping[Any, Any]:
        return {}

    return _instead(record, "_closing_read", nothing)


def outcome_forgotten() -> AbstractContextManager[None]:
    """A held row of Books gets no word."""
    say = planning.Draft.say

    def silent(self: planning.Draft, known: planning.Known, outcome: str, reason: str, **more: Any) -> None:
        if not (outcome == "held" and known.ref.side == "books"):
            say(self, known, outcome, reason, **more)

    return _instead(planning.Draft, "say", silent)


def stale_check_skipped() -> AbstractContextManager[None]:
    """Nobody looks whether a record changed since it was read."""

    async def nothing(*given: Any) -> None:
        return None

    return _instead(load, "_refuse_changed", nothing)


def blank_overwrites() -> AbstractContextManager[None]:
    """An emptied field is an edit like any other."""
    return _instead(resolving, "is_edited", lambda field, now, was: bool(now != was))


PLANTED: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    one.__name__: one
    for one in (
        intent_after_the_call, base_not_kept, watermark_too_late, brake_skipped, key_not_sent, overlap_ignored,
        closing_read_dropped, outcome_forgotten, stale_check_skipped, blank_overwrites,
    )
}  # fmt: skip


def nights_until_found(name: str, seed: str, most: int = MOST_NIGHTS) -> tuple[int, str]:
    """How many nights it takes to tell the planted bug, and what is told; (0, "") where `most` nights do not suffice."""
    from soak.nights import live

    lived, company = 0, 0
    with PLANTED[name]():
        while lived < most:
            company += 1
            for night in live(f"{seed}.{company}"):
                lived += 1
                if night.problems:
                    return lived, f"{night.seed} night {night.number}: {night.problems[0]}"
                if lived == most:
                    break
    return 0, ""
