"""Approval: whose release of a brake counts. Where the connection says `four_eyes`, not that of who made the plan."""

from __future__ import annotations

from collections.abc import Iterable

from renkei.core.errors import SecondPersonNeeded
from renkei.core.ports import Ledger
from renkei.core.records import OutcomeRow
from renkei.core.report import release_words
from renkei.core.rights import person_of
from renkei.engine.acts import Act
from renkei.engine.work import Request, Rooms, plan_file


def authors(ledger: Ledger, connection: str, mark: str) -> list[str]:
    """The people who made the stored plan of this fingerprint first: who asked for that run and who typed it. A schedule is
    nobody."""
    run = ledger.plan_made(connection, mark)
    made = ledger.run(run) if run is not None else None
    if made is None:
        return []
    typists = [row.actor for row in ledger.outcomes(made.id, "note") if row.outcome == "on_behalf"]
    return _people([made.actor, *typists])


def require_second(rooms: Rooms, request: Request, mark: str) -> None:
    """Raises SecondPersonNeeded, and leaves a run of kind `denied`, where who releases or who types made the plan himself."""
    if not rooms.spec.four_eyes or not request.release:
        return
    ledger, name = rooms.ledger, rooms.spec.name
    made, mine = authors(ledger, name, mark), {person_of(one) for one in _people([request.actor, request.typist])}
    if not any(person_of(one) in mine for one in made):
        return
    file = plan_file(rooms, mark)
    error = SecondPersonNeeded(name, mark, request.release, made, release_words(file, request.release), rooms.spec.environment)
    act = Act(ledger, rooms.clock, name, request.actor, rooms.configuration, rooms.code, request.typist)
    with act.run("denied", {"plan": mark, "release": list(request.release)}, status="denied") as (run, now):
        ledger.append(name, run, [OutcomeRow("note", "", (), "denied", error.what, now, act.actor)])
    raise error


def _people(actors: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(one for one in actors if one and not one.startswith("deployment:")))
