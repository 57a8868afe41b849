"""The command that says how every connection stands: status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from renkei.cli.asked import Asked, counts, desk, local, show
from renkei.core.commands import command
from renkei.core.report import SYSTEMS

WAITS_FOR = {  # whom a blocked row waits for, and what there is to type
    "budget": ("more calls, tomorrow", ""),
    "native_pair_unread": ("more calls, tomorrow: a pair of the built-in integration is read once", ""),
    "partner_quarantined": ("the quarantined partner", "quarantine"),
    "list_unread": ("the nightly run, which reads that list", ""),
    "brake": ("a person who releases the brake", ""),
    "claimed": ("a single-record run at work on it", ""),
    "try_again": ("the next run", ""),
    "held": ("the answer to its customer's question", "holds"),
    "quarantined": ("its quarantined customer", "quarantine"),
    "not_reached": ("the next run", ""),
    "parent_not_written": ("the record that it belongs to", ""),
}


def register(app: typer.Typer) -> None:
    app.command()(status)


def status() -> None:
    """Per connection: last and next run, what waits for whom, calls left today, backlog. From the ledger alone."""
    from renkei.engine.status import status as status_of

    with desk() as opened:
        specs = [opened.spec] if Asked.connection else list(opened.project.connections.values())
        found = [(status_of(opened.ledger, spec, opened.clock.now()), spec.time_zone) for spec in specs]
    show({"connections": [one for one, _ in found]}, "\n".join(line for one, zone in found for line in _lines(one, zone)))


def _lines(one: dict[str, Any], zone: str) -> Iterator[str]:
    yield f"{one['connection']} (times of {zone})"
    state, organization = one["state"], one["organization"]
    if state["state"] != "active":
        why = f": {state['reason']}" if state["reason"] else ""
        again = command(one["connection"], "resume --reconnect" if state["state"] == "disconnected" else "resume")
        yield f"  {state['state']} since {local(state['since'], zone)} by {state['by']}{why}. To go on: {again}"
    if organization["former"]:
        yield (
            f"  runs are refused: books.organization is {organization['declared']} now, it was {organization['former']}: "
            f"{command(one['connection'], 'switch-organization', one['environment'])}"
        )
    last = one["last"]
    if last is None:
        yield "  last run: none yet"
    else:
        yield f"  last run: {last['status']}, {last['kind']} of {local(last['started'], zone)} by {last['actor']} ({last['run']})"
        if last["status"] == "red":
            yield from (f"    {note}" for note in last["notes"][:3])
            yield f"    what it did: {command(one['connection'], 'runs show ' + last['run'])}"
        full = one["last_full"]
        yield f"  last full compare: {local(full['started'], zone) if full else 'none yet'}"
    if one["at_work"]:
        yield f"  at work: run {one['at_work']['run']} since {local(one['at_work']['since'], zone)}"
    for dead in one["crashed"]:
        yield f"  crashed: run {dead['run']} of {local(dead['started'], zone)}; the next run recovers it"
    soon = one["next"]
    if soon["hourly"]:
        yield f"  next run: hourly {local(soon['hourly'], zone)}, nightly {local(soon['nightly'], zone)}"
    for side, sick in one["left_alone"].items():
        until = local(sick["until"], zone)
        yield f"  {SYSTEMS[side]} is left alone until {until}: {sick['why']} The first run after that tries again"
    yield from _waits(one)
    books = one["calls"]["books"]
    yield f"  calls on {one['calls']['day']}: CRM {one['calls']['crm']['used']}, Books {books['used']}{_left(books, zone)}"
    if one["backlog"]["rows"]:
        done = one["backlog"]["done"]
        when = f"done on {done}" if done else "no day can be told without budget.books_per_day"
        yield f"  backlog: {one['backlog']['rows']} rows, about {one['backlog']['calls']} Books calls; {when}"
    if one["orphans"]:
        where = ", ".join(f"{count} in {'the CRM' if side == 'crm' else 'Books'}" for side, count in one["orphans"].items())
        listed = command(one["connection"], f"runs show {one['last_full']['run']}") if one["last_full"] else "the next full run"
        yield f"  orphans, whose partner was deleted: {where}; listed by {listed}"
    compared = one["compared"]
    yield f"  figures last compared: {local(compared, zone) if compared else 'never'}"


def _left(books: dict[str, Any], zone: str) -> str:
    if books["left"] is None:
        return " (what is left is not known yet today)"
    if books["cap"] is not None:
        return f" of {books['cap']}, {books['left']} left"
    return f", {books['left']} left at {local(books['as_of'], zone)}, of which {books['keep_for_people']} are for people"


def _waits(one: dict[str, Any]) -> Iterator[str]:
    waits = one["waits"]

    def typed(words: str) -> str:
        return command(one["connection"], words, one["environment"])

    lines = []
    if waits["brakes"]:
        release = " ".join(f"--release {name}" for name in waits["brakes"])
        words = typed(f"apply {waits['plan']} {release} --as NAME")
        lines.append(f"a person: the brakes {', '.join(waits['brakes'])}: {words}")
    if waits["holds"]:
        lines.append(f"a person: {counts(waits['holds'])} ({waits['held']} rows): {typed('holds')}")
    stopped = {name: waits[name] for name in ("quarantined", "refused") if waits[name]}
    if stopped:
        lines.append(f"a correction at the source: {counts(stopped)}: {typed('quarantine')}")
    for reason, count in waits["blocked"].items():
        others = ("its customer" if reason.startswith("customer_") else "the next run", "")
        whom, words = WAITS_FOR.get(reason, others)
        lines.append(f"{whom}: {count} blocked ({reason})" + (f": {typed(words)}" if words else ""))
    if waits["failed"]:
        lines.append(f"the next run: {waits['failed']} failed: {typed('runs show ' + one['last']['run'])}")
    if waits["answers"]:
        lines.append(f"the next run: {waits['answers']} answers to carry out")
    if waits["unsettled"]:
        lines.append(f"the next run: {waits['unsettled']} rows that no run has settled yet")
    if lines:
        yield "  waiting for"
        yield from (f"    {line}" for line in lines)
    else:
        yield "  nothing waits"
