"""A connection's life after it is set up: pause, resume, disconnect, switch to another Books organisation.

Pausing and resuming are acts of a person. Disconnecting and switching withdraw what renkei published to the CRM: a plan like
any other, made of what the CRM shows now, shown, agreed to, and carried out by its fingerprint; only when the CRM, read once
more, shows nothing of ours any longer does the connection become another one. Nothing in Books is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from renkei.core.connection import ConnectionSpec, EntitySettings
from renkei.core.errors import AnotherRun, AskedWrongly
from renkei.core.mapping import Lookups
from renkei.core.planning import Draft
from renkei.core.records import ConnectionState, ConnectionWord, Link, Organization, OutcomeRow
from renkei.core.values import Ref
from renkei.engine.acts import Act, reasoned
from renkei.engine.apply import stored_plan, work_of
from renkei.engine.deals import note_setting
from renkei.engine.environment import require_kind
from renkei.engine.extract import read_list
from renkei.engine.publish import is_ours, removal
from renkei.engine.recall import load
from renkei.engine.resolve import freeze_entity
from renkei.engine.sequence import ENGINE, Report, act, in_a_run
from renkei.engine.standing import former_organization, require_connected, since
from renkei.engine.survey import look, require_same_crm, world_of
from renkei.engine.work import (
    PUBLISHED,
    RESUMED,
    SWITCHED,
    SYNCED,
    EntityWork,
    Request,
    Rooms,
    World,
    lists_of,
    published_modules,
    published_of,
    rules_hash,
)

# ------------------------------------------------------------------------------------------------------ pause and resume


def pause(doing: Act, spec: ConnectionSpec, reason: str) -> dict[str, Any]:
    """Refuse every run from now on; one that is at work ends as it would have.

    raises  AskedWrongly without a reason, or where it is paused already; NotConnected
    """
    words, state = reasoned(reason), doing.ledger.state(spec.name)
    require_connected(spec, state)
    if state is not None and state.state == "paused":
        raise AskedWrongly(f"{spec.name} has been paused since {since(spec, state)} by {state.actor}: {state.reason}.")
    return _say(doing, "paused", words)


def resume(doing: Act, spec: ConnectionSpec, reason: str = "", *, reconnect: bool = False) -> dict[str, Any]:
    """Go on. The next run is a full compare, so that nothing is missed. `reconnect`: connect again what was disconnected, too.

    raises  AskedWrongly where it is neither paused nor disconnected; NotConnected for a disconnected one without `reconnect`
    """
    state = doing.ledger.state(spec.name)
    if not reconnect:
        require_connected(spec, state)
    if state is None or state.state == "active":
        raise AskedWrongly(f"{spec.name} is neither paused nor disconnected.")
    return _say(doing, "active", reason.strip())


def _say(doing: Act, word: ConnectionWord, reason: str) -> dict[str, Any]:
    totals: dict[str, Any] = {"state": word}
    with doing.run("resume" if word == "active" else "pause", totals) as (run, now):
        if word == "active":
            doing.ledger.compare_anew(doing.connection, RESUMED)
        doing.ledger.put_state(doing.connection, ConnectionState(word, doing.actor, reason, run, now))
        said = "resumed" if word == "active" else word
        doing.ledger.append(doing.connection, run, [OutcomeRow("note", "", (), said, reason, now, doing.actor)])
    return {"run": run, "connection": doing.connection, **totals}


# ------------------------------------------------------------------------------------------------- what is taken back


async def plan_withdrawal(rooms: Rooms, request: Request) -> Report:
    """What `disconnect` or `switch-organization` (request.kind) would remove from the CRM. Writes nothing.

    raises  AskedWrongly where there is no organisation to switch to; NotConnected; AnotherRun while any run is at work
    """

    async def body(report: Report, run: str) -> None:
        await ENGINE.recover(rooms, request, run)
        _alone(rooms, run)
        world = await _crm_alone(rooms)
        works = [await _withdrawal(rooms, request, world, run, entity) for entity in _published(rooms)]
        await act(rooms, planning, ENGINE, world, works, report)

    planning = replace(request, plan_only=True)
    if request.kind == "switch-organization":
        _former(rooms)
    return await in_a_run(rooms, planning, "plan", body)


async def disconnect(rooms: Rooms, request: Request, planned: Report, reason: str = "") -> Report:
    """Carry out that plan. The report is red, and the connection as it was, where something of ours stays in the CRM."""

    def end(report: Report, run: str) -> None:
        ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
        with ledger.transaction():
            note_setting(ledger, name, "none", run)
            ledger.put_state(name, ConnectionState("disconnected", request.actor, reason.strip(), run, now))
            ledger.append(name, run, [OutcomeRow("note", "", (), "disconnected", reason.strip(), now, request.actor)])
        links = sum(1 for link in ledger.all_links(name) if link.state == "live")
        report.notes.append(f"{name} is disconnected; {links} links are kept, nothing in Books was touched")

    return await _carry_out(rooms, request, planned, end)


async def switch_organization(rooms: Rooms, request: Request, planned: Report, reason: str = "") -> Report:
    """Carry out that plan, put aside what belongs to the former organisation and bring back what belongs to the declared one.

    raises  WrongOrganization, FieldMissing … where the declared organisation cannot be worked with: nothing was written
    """
    former, _ = _former(rooms)
    seen = await look(rooms)
    world_of(rooms, seen)

    def end(report: Report, run: str) -> None:
        aside, back = _put_aside(rooms, request, run, former, seen, reason.strip())
        report.notes += [
            f"{len(aside)} links are kept aside for {former}",
            f"{len(back)} links of {rooms.spec.organization} came back",
            "the next run is a full compare",
        ]

    return await _carry_out(rooms, request, planned, end)


async def _carry_out(rooms: Rooms, request: Request, planned: Report, end: Callable[[Report, str], None]) -> Report:
    async def body(report: Report, run: str) -> None:
        await ENGINE.recover(rooms, request, run)
        _alone(rooms, run)
        world = await _crm_alone(rooms)
        mark = planned.json()["fingerprint"] if any(plan.actions for plan in planned.plans) else ""
        plans = stored_plan(rooms, mark) if mark else planned.plans
        await act(rooms, request, ENGINE, world, [work_of(rooms, world, plan) for plan in plans], report, mark)
        left = await _still_published(rooms)
        if report.status == "green" and not left:
            _alone(rooms, run)
            end(report, run)
            return
        report.status = "red"
        report.notes.append(f"{len(left)} published rows are still in the CRM; the connection is as it was. Ask for it again.")

    return await in_a_run(rooms, request, request.kind, body)


def _former(rooms: Rooms) -> tuple[str, str]:
    former = former_organization(rooms.ledger, rooms.spec)
    if former is None:
        raise AskedWrongly(
            f"{rooms.spec.name} works with {rooms.spec.organization}, as {rooms.spec.file or 'its file'} declares.",
            fix="Write the new organisation there first. Another edition of the same organisation needs no command.",
        )
    return former


def _alone(rooms: Rooms, run: str) -> None:
    """AnotherRun while a single-record run is at work beside the lock that we hold."""
    claimed = rooms.ledger.claimed(rooms.spec.name, rooms.clock.now(), run)
    for ref, other in sorted(claimed.items()):
        raise AnotherRun(rooms.spec.name, other, f"now, on {ref}")


async def _crm_alone(rooms: Rooms) -> World:
    """What a withdrawal needs to know. Books is not asked: its organisation may be gone."""
    spec, crm = rooms.spec, await rooms.crm.organization()
    stored = rooms.ledger.survey(spec.name)
    if stored is not None:
        require_same_crm(spec.name, stored[0]["crm"], crm)
    require_kind(spec, crm)
    return World(crm, Organization(spec.organization, "", spec.time_zone, "", spec.edition), Lookups({}), {}, {})


def _published(rooms: Rooms) -> list[str]:
    """The entities of which rows of ours may be there: published now, or by an earlier setting."""
    modules, name = published_modules(rooms), rooms.spec.name
    return [one for one in PUBLISHED if one in published_of(rooms.spec) or rooms.ledger.mirror_count(name, "crm", modules[one])]


async def _withdrawal(rooms: Rooms, request: Request, world: World, run: str, entity: str) -> EntityWork:
    """The plan that removes every published row of this connection, as the CRM shows them now."""
    module = published_modules(rooms)[entity]
    work = EntityWork(entity, True, rules_hash(rooms, entity), EntitySettings())
    work.facts = {"command": request.kind}
    draft = work.draft = Draft(entity)
    await read_list(rooms, request, world, work, run, "crm", module)
    work.lists = [replace(one, complete=False) for one in work.lists]  # it is no full read of the entity
    refs = [Ref("crm", module, row_id) for row_id in sorted(rooms.ledger.mirror_ids(rooms.spec.name, "crm", module))]
    load(rooms, world, work, refs, extracted=True)
    for ref in refs:
        known = work.known[ref]
        if is_ours(rooms, module, known.raw):
            key = draft.act(removal(entity, ref, known.stamp, "withdrawn"))
            draft.say(known, "removed", "withdrawn", actions=(key,))
        else:
            draft.say(known, "skipped", "not_ours")
    work.plan = freeze_entity(work, draft)
    return work


async def _still_published(rooms: Rooms) -> list[str]:
    """Ids of the rows of ours that the CRM shows now."""
    found = []
    for entity in _published(rooms):
        module = published_modules(rooms)[entity]
        async for page in rooms.crm.read(module, [rooms.summaries.key]):
            found += [str(row["id"]) for row in page.rows if is_ours(rooms, module, row)]
    return found


def _put_aside(
    rooms: Rooms, request: Request, run: str, former: str, seen: Mapping[str, Any], reason: str
) -> tuple[list[Link], list[Link]]:
    """The ledger goes over to the declared organisation, in one transaction. Returns the links put aside and brought back."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    present, why = rooms.spec.organization, f"organisation {former} was put aside"
    with ledger.transaction():
        links = list(ledger.all_links(name))
        aside = [replace(link, state="aside", organization=former) for link in links if link.state == "live"]
        back = [
            replace(link, state="live", organization=None)
            for link in links
            if link.state == "aside" and link.organization == present
        ]
        ledger.put_links(name, [*aside, *back], run, now)
        asked = [*ledger.open_holds(name), *(hold for hold, _ in ledger.decisions(name))]
        ledger.close_holds(name, [hold.id for hold in asked], why, run, now)
        bad = {row.record for row, _, _ in ledger.quarantine(name) if row.record.side == "books"}
        ledger.leave_quarantine(name, bad, why, run, now)
        ledger.end_approvals(name)
        ledger.put_by(name, former)
        ledger.bring_back(name, present)
        for entity in SYNCED:
            for side, module in lists_of(rooms, entity):
                ledger.open_mirrors(name, None, side=side, module=module)
        ledger.open_mirrors(name, None, side="books", module="contact_persons")
        ledger.compare_anew(name, SWITCHED)
        note_setting(ledger, name, "none", run)
        ledger.put_survey(name, seen, run, now)
        said = f"from {former} to {present}"
        note = OutcomeRow("note", "", (), "switched", f"{said}: {reason}" if reason else said, now, request.actor)
        moved = [
            OutcomeRow("note", link.entity, (link.crm, link.books), word, said, now, request.actor, {"link": link.id})
            for word, some in (("link_put_aside", aside), ("link_brought_back", back))
            for link in some
        ]
        ledger.append(name, run, [note, *moved])
    return aside, back
