"""What every flow does: open the house, run the sequence with tasks as its stages, show the run, say how it ended."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from prefect import get_run_logger
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Completed, Failed

from renkei.core.commands import command
from renkei.core.connection import ConnectionSpec
from renkei.core.errors import AnotherRun, AskedWrongly, ConnectionPaused, DocumentRefused, NotConnected, RenkeiError
from renkei.core.report import brake_lines, meaning_lines
from renkei.core.values import Ref, time_text
from renkei.engine.acts import Act
from renkei.engine.alerts import Alert, about_error, about_run
from renkei.engine.apply import apply_plan
from renkei.engine.crm_user import CrmUser
from renkei.engine.quarantine import replay
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.shown import shown_of
from renkei.engine.slot import covering, leave_word
from renkei.engine.work import ENTITIES, Request, Rooms
from renkei.house import Settings, admit, for_crm_user, load_project, open_house, tell
from tasks.stages import STAGES

Environment = Literal["", "sandbox", "production"]  # must be said where the connection writes to production

SECONDS_BETWEEN_LINES = 30.0  # of progress in the log: Prefect keeps each line as a row of its database


async def run_batch(
    flow: str,
    connection: str,
    *,
    entities: Sequence[str] | None = None,
    full: bool = False,
    only: Sequence[str] | None = None,
    since: datetime | None = None,
    plan_only: bool = False,
    environment: Environment = "",
) -> State[Any]:
    """Read, decide, brake, load and record, for these entities or all.

    only    REFs such as `crm:Accounts:ID`: these records and their partners alone
    since   read from then on instead of from the watermark; without an offset it is a time of the connection's zone
    raises  AskedWrongly for an unknown connection, entity or REF, and the errors of a run
    """

    def asked(spec: ConnectionSpec) -> Request:
        return Request(
            entities=_entities(entities), full=full, only=tuple(map(ref_of, only or ())), since=instant(since, spec.time_zone),
            plan_only=plan_only, flow=flow, actor=_actor(), environment=environment,
        )  # fmt: skip

    async def body(rooms: Rooms, request: Request) -> Report:
        return await run_sequence(rooms, request, STAGES)

    return await _run(connection, asked, body)


async def run_stored(
    flow: str,
    connection: str,
    fingerprint: str,
    *,
    release: Sequence[str] | None = None,
    released_by: str = "",
    environment: Environment = "",
) -> State[Any]:
    """Apply the stored plan of this fingerprint.

    released_by  the person who releases the brakes named in `release`, in the ledger's rows and the approval
    raises       AskedWrongly where brakes are released by nobody; PlanStale; the errors of a run
    """
    if release and not released_by.strip():
        raise AskedWrongly("A brake is released by a person.", fix="Give your name as released_by.")

    def asked(spec: ConnectionSpec) -> Request:
        return Request(
            flow=flow,
            actor=released_by.strip() or _actor(),
            typist=_actor(),
            release=tuple(release or ()),
            environment=environment,
        )

    async def body(rooms: Rooms, request: Request) -> Report:
        return await apply_plan(rooms, request, fingerprint.strip(), STAGES)

    return await _run(connection, asked, body)


async def run_replayed(
    flow: str, connection: str, *, records: Sequence[str] | None = None, rule: str = "", environment: Environment = ""
) -> State[Any]:
    """Open quarantined or refused rows, then run what is open or changed. Where another run is at work they stay open for it.

    raises  AskedWrongly where records and a rule are named, and for what does not wait; the errors of a run
    """
    refs = [*map(ref_of, records or ())]
    if refs and rule:
        raise AskedWrongly("Records and a rule were named.", fix="Name records, or a rule, or neither for all rows.")

    def asked(spec: ConnectionSpec) -> Request:
        return Request(flow=flow, actor=_actor(), environment=environment)

    async def body(rooms: Rooms, request: Request) -> Report:
        act = Act(rooms.ledger, rooms.clock, rooms.spec.name, request.actor, rooms.configuration, rooms.code)
        replay(act, refs, rule or None)
        return await run_sequence(rooms, request, STAGES)

    return await _run(connection, asked, body)


async def run_for_user(
    flow: str, connection: str, verb: str, name: str, work: Callable[[CrmUser], Awaitable[dict[str, Any]]]
) -> State[Any]:
    """Do something with documents for a CRM user (`name`: a profile, or a user). A refusal is no failure of ours: nobody is
    alerted, and the state `Refused` says why in English and Japanese."""
    environ = dict(os.environ)
    try:
        spec = load_project(Settings.from_environment(environ)).connection(connection)
        admit(environ, connection, f"flow {flow}", [], f"deployment:{flow}")
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        found = await for_crm_user(environ, spec.name, name, verb, work, _actor())
    except DocumentRefused as refused:
        return Failed(name="Refused", message=str(refused))
    except AnotherRun as busy:
        return Cancelled(name="Skipped", message=str(busy))
    except Exception as error:
        await _alert(environ, about_error(connection, error))
        raise
    return state_of_act(connection, verb, found)


def state_of_act(connection: str, verb: str, found: Mapping[str, Any]) -> State[Any]:
    """How a CRM user's act ended, by its answer; no person's name or address is in it, for Prefect keeps it."""
    told = {
        "create": lambda: f"{found['document']} {found['number']} was made",
        "edit": lambda: f"{len(found['changes'])} fields changed",
        "pdf": lambda: f"sha256 {found['sha256']}, {found['bytes']} bytes",
        "email": lambda: f"sent to {', '.join(one['record'] for one in found['to'])}",
    }
    status = str(found.get("status", "green"))
    words = [f"{verb} {found['record']}: {told[verb]() if verb in told else status}.", *found.get("notes", ())]
    words += [f"See: {command(connection, f'runs show {run}')}" for run in [found.get("run")] if run]
    return _state(status, " ".join(words))


async def _run(
    connection: str, asked: Callable[[ConnectionSpec], Request], body: Callable[[Rooms, Request], Awaitable[Report]]
) -> State[Any]:
    try:
        return await _in_the_house(connection, asked, body)
    except Exception as error:
        await _alert(dict(os.environ), about_error(connection, error))
        raise


async def _alert(environ: dict[str, str], alert: Alert | None) -> None:
    """Tell somebody; an alert that does not arrive is no reason to fail."""
    try:
        arrived = await tell(environ, alert)
    except RenkeiError as error:
        get_run_logger().warning("No alert: %s", error)
    else:
        if not arrived:
            get_run_logger().warning("The alert did not arrive; look at RENKEI_ALERT_URL.")


async def _in_the_house(
    connection: str, asked: Callable[[ConnectionSpec], Request], body: Callable[[Rooms, Request], Awaitable[Report]]
) -> State[Any]:
    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(connection)
    request, log = asked(spec), get_run_logger()
    options = ["--release"] if request.release else []
    admit(environ, connection, f"flow {request.flow}", options, f"deployment:{request.flow}")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # it tells of every folder that it thinks of
    async with open_house(project, spec, environ) as rooms:
        rooms.progress = _told_now_and_then(rooms, log.info)
        if request.full or request.plan_only:
            rooms.judge.warm()
        slot = _slot()
        if slot is not None and (done := covering(rooms, request, slot)) is not None:
            return _skipped(rooms, request, f"The slot of {time_text(slot)} is covered by run {done.id}.", done.id)
        try:
            report = await body(rooms, request)
        except (AnotherRun, ConnectionPaused, NotConnected) as error:
            return _skipped(rooms, request, error.what, error.run)
        await _alert(environ, about_run(rooms.ledger, spec, report, shown_of(rooms)))
    await acreate_table_artifact(table_of(report), key=artifact_key(request, report), description=text_of(report))
    return state_of(report)


def _skipped(rooms: Rooms, request: Request, why: str, instead: str) -> State[Any]:
    left = leave_word(rooms, request, why, instead)
    return Cancelled(name="Skipped", message=f"{why} See: {command(rooms.spec.name, f'runs show {left}')}")


def state_of(report: Report) -> State[Any]:
    """The state that a flow run ends in, in the words of the ledger.

    Completed  green
    Amber      done, some rows wait for something; of Prefect's type COMPLETED
    Held       a brake stopped the plan before anything was written; of type FAILED, for a person must act
    Failed     red
    """
    return _state(report.status, f"{_words(report)} See: {command(report.connection, f'runs show {report.run}')}")


def _state(status: str, message: str) -> State[Any]:
    if status == "green":
        return Completed(message=message)
    if status == "amber":
        return Completed(name="Amber", message=message)
    if status == "held":
        return Failed(name="Held", message=message)
    return Failed(message=message)


def table_of(report: Report) -> list[dict[str, Any]]:
    """One row an entity: rows read, outcomes, writes; of a plan, actions and questions in place of writes."""
    rows = []
    for entity, part in report.entities.items():
        read = {f"read {side}": count for side, count in part["extracted"].items()}
        acts = {f"written {side}": count for side, count in part["writes"].items()} if "writes" in part else {}
        planned = {"actions": len(part["actions"]), "questions": len(part["holds"])} if "actions" in part else {}
        rows.append({"entity": entity, **read, **part["outcomes"], **acts, **planned})
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return [{column: row.get(column, 0) for column in columns} for row in rows]


def text_of(report: Report) -> str:
    """What stands above the table, in Markdown: how it ended, what it cost, what stopped it, what to type next."""
    calls, fewest = report.calls, report.calls["fewest"]
    lines = [
        f"**{report.status}** in {report.seconds:.1f} s; calls: CRM {calls['crm']} (fewest {fewest['crm']}), "
        f"Books {calls['books']} (fewest {fewest['books']}).",
        *(line.strip() for entity, part in report.entities.items() for line in meaning_lines(entity, part)),
        *(line.strip() for line in brake_lines(report.json())),
        *report.notes,
        *([f"Plan `{report.json()['fingerprint']}`"] if report.file else []),
        f"`{command(report.connection, f'runs show {report.run}')}`",
    ]
    return "\n\n".join(lines)


def artifact_key(request: Request, report: Report) -> str:
    """`acme-hourly`: the history of a connection's flow. Prefect allows small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{report.connection}-{request.flow}".lower()).strip("-")


def _words(report: Report) -> str:
    parts = []
    for entity, part in report.entities.items():
        said = ", ".join(f"{count} {word}" for word, count in part["outcomes"].items() if count)
        parts.append(f"{entity}: {said or 'nothing'}")
    brakes = [f"brake {one.brake} on {one.entity}" for one in report.brakes]
    return f"{report.status}: {'; '.join([*brakes, *parts])}."


def _actor() -> str:
    """The schedule, or someone at Prefect, whose open-source server knows no names: the deployment's rights count."""
    return "prefect" if _slot() is None else "schedule"


def _slot() -> datetime | None:
    """The time for which the schedule meant this run; None for one that somebody asked for."""
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    return run.expected_start_time if run is not None and run.auto_scheduled else None


def _entities(chosen: Sequence[str] | None) -> tuple[str, ...]:
    for one in chosen or ():
        if one not in ENTITIES:
            raise AskedWrongly(f"{one!r} is not an entity.", fix=f"Use one of: {', '.join(ENTITIES)}.")
    return tuple(chosen or ENTITIES)


def ref_of(text: str) -> Ref:
    """AskedWrongly for what is no REF."""
    try:
        return Ref.parse(text)
    except ValueError as error:
        raise AskedWrongly(str(error)) from None


def instant(moment: datetime | None, zone: str) -> datetime | None:
    """A moment typed without an offset is the connection's own time."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=ZoneInfo(zone))


def _told_now_and_then(rooms: Rooms, say: Callable[..., None]) -> Callable[[str, str, int, int | None], None]:
    """Progress as lines of the log, one each half minute at most."""
    last = rooms.clock.elapsed()

    def tell(stage: str, entity: str, done: int, of: int | None) -> None:
        nonlocal last
        now = rooms.clock.elapsed()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            say("%s %s: %d%s", stage, entity, done, "" if of is None else f" of {of}")

    return tell
