"""Undo: a plan that goes back, made of what the ledger's journal says that a run wrote and of what stands there now.

The plan is shown, stored, braked and applied by its fingerprint like any other; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from renkei.core.commands import command
from renkei.core.errors import AskedWrongly
from renkei.core.mapping import map_record
from renkei.core.planning import Draft, Known, base_values
from renkei.core.records import Action, Intent, Run
from renkei.core.undoing import UNDO, Present, UndoRules, Written, put_back, written_by
from renkei.core.values import Ref, Side
from renkei.engine.extract import read_by_id
from renkei.engine.recall import load
from renkei.engine.resolve import fetch_details, freeze_entity
from renkei.engine.sequence import ENGINE, Report, Stages, act, in_a_run
from renkei.engine.work import PUBLISHED, SYNCED, EntityWork, Request, Rooms, World, rules_hash, settings_of

ARRIVED = frozenset({"confirmed", "unknown", "abandoned"})  # or may have: what stands there now tells


async def plan_undo(
    rooms: Rooms, request: Request, run: str, record: Ref | None = None, field: str = "", stages: Stages = ENGINE
) -> Report:
    """The plan that undoes a run, or of it what it wrote on one record or its partner, or one field. Writes nothing.

    raises  AskedWrongly for a run that is unknown, at work, or wrote nothing of the kind
    """
    undone = _run(rooms, run)
    actions = _actions(rooms, undone, record, field)

    async def body(report: Report, now: str) -> None:
        await stages.recover(rooms, request, now)
        world = await stages.survey(rooms, request, now)
        works = []
        for entity in SYNCED:
            mine = [one for one in actions if one.entity == entity]
            if mine:
                works.append(await _work(rooms, request, world, now, stages, entity, undone.id, mine, field))
        report.notes += _notes(actions)
        await act(rooms, planning, stages, world, works, report)

    planning = replace(request, plan_only=True)
    return await in_a_run(rooms, planning, "plan", body)


def _run(rooms: Rooms, run: str) -> Run:
    found, name = rooms.ledger.run(run), rooms.spec.name
    if found is None or found.connection != name:
        raise AskedWrongly(f"{name} has no run {run!r}.", fix=f"They are shown by: {command(name, 'runs list')}")
    return found


def _actions(rooms: Rooms, undone: Run, record: Ref | None, field: str) -> list[Action]:
    """What the run wrote, or may have written, in its order; of it what is about the record or the field, where one is named."""
    intents = [one for one in rooms.ledger.intents(undone.id) if one.state in ARRIVED]
    if record is not None:
        intents = [one for one in intents if record in _spoken_of(one)]
    actions = [one.action for one in intents]
    if field:
        actions = [one for one in actions if any(change.field == field for change in one.changes)]
    if not actions:
        what = " ".join(word for word in ("nothing", f"on {record}" if record else "", f"in {field}" if field else "") if word)
        show = command(rooms.spec.name, f"runs show {undone.id}")
        raise AskedWrongly(f"The run {undone.id} wrote {what}.", fix=f"What it did: {show}")
    return actions


def _spoken_of(intent: Intent) -> set[Ref]:
    action = intent.action
    made = intent.answer.get("id")
    named = {ref for ref in (action.source, action.target) if ref is not None}
    return named | ({Ref(action.side, action.module, str(made))} if made else set())


def _notes(actions: Sequence[Action]) -> list[str]:
    published = sum(one.entity in PUBLISHED and one.side == "crm" for one in actions)
    return [f"{published} published rows are not put back: each run makes them anew of what stands in Books"] if published else []


async def _work(
    rooms: Rooms,
    request: Request,
    world: World,
    run: str,
    stages: Stages,
    entity: str,
    undone: str,
    actions: Sequence[Action],
    field: str,
) -> EntityWork:
    """One entity's share of the plan: what changed since is read first, then every record that the run wrote."""
    work = EntityWork(entity, False, rules_hash(rooms, entity), settings_of(rooms.spec, entity))
    work.facts = {UNDO: undone}
    draft = work.draft = Draft(entity)
    await stages.extract(rooms, request, world, work, run)
    wrote = written_by(actions, field)
    await _know(rooms, world, work, run, [one.target for one in wrote])
    for one in wrote:
        _put_back(rooms, world, work, draft, one, undone, run)
    for known in work.known.values():
        known.extracted = known.ref in draft.verdicts
    work.unchanged.clear()
    # it decides about these records alone: how far the lists are read for the others stays as it was
    work.lists = [replace(one, complete=False, left=one.left or UNDO) for one in work.lists]
    work.plan = freeze_entity(work, draft)
    return work


async def _know(rooms: Rooms, world: World, work: EntityWork, run: str, refs: Sequence[Ref]) -> None:
    """These records and their partners as they are now, Books customers with their detail."""
    ledger, name = rooms.ledger, rooms.spec.name
    unread: list[tuple[Side, str]] = [(one.side, one.module) for one in work.lists if one.left]
    for side, module in unread:
        ids = sorted({ref.id for ref in refs if (ref.side, ref.module) == (side, module)})
        await read_by_id(rooms, world, work, side, module, ids, run)
    load(rooms, world, work, refs, extracted=True)
    load(rooms, world, work, [ref for link in work.links.values() for ref in (link.crm, link.books)], extracted=True)
    holders = {Ref("books", "contacts", str(one.raw.get("contact_id"))) for one in list(work.known.values()) if _is_person(one)}
    load(rooms, world, work, sorted(holders), extracted=True)
    customers = [one for ref, one in sorted(work.known.items()) if ref.module == "contacts" and not one.deleted]
    await fetch_details(rooms, world, work, [one.ref for one in customers if not one.complete])
    for ref, run_id in ledger.claimed(name, rooms.clock.now(), run).items():
        if ref in work.known and run_id != run:
            work.known[ref].blocked = "claimed"
    work.bases = ledger.bases(name, work.links)


def _is_person(known: Known) -> bool:
    return known.ref.module == "contact_persons"


def _put_back(rooms: Rooms, world: World, work: EntityWork, draft: Draft, wrote: Written, undone: str, run: str) -> None:
    target = work.known.get(wrote.target)
    if target is None:
        return  # no mirror of it is left
    spec = world.mappings.get(wrote.mapping)
    link = work.linked.get(wrote.target)
    partner = work.known.get(link.books if target.ref.side == "crm" else link.crm) if link is not None else None
    if spec is None:
        for known in (target, partner):
            if known is not None:
                draft.say(known, "skipped", "not_mapped")
        return
    for known in (target, partner):
        if known is not None and set(known.values) != {item.name for item in spec.fields}:
            known.values = map_record(known.raw, spec, known.ref.side, world.lookups)
    base = work.bases.get(link.id) if link is not None else None
    half = None if base is None else base.crm if target.ref.side == "crm" else base.books
    present = Present(
        target, partner, link, base_values(half, spec, target.ref.side, world.lookups),
        lambda name: _rewritten(rooms, target.ref, name, undone),
    )  # fmt: skip
    put_back(draft, spec, wrote, present, UndoRules(undone, rooms.spec.name, world.lookups))


def _rewritten(rooms: Rooms, ref: Ref, field: str, undone: str) -> bool:
    """Whether a later run of ours wrote the field."""
    story = rooms.ledger.story(rooms.spec.name, ref)
    writers = [
        run
        for run, row in story
        if row.kind == "write" and any(one["field"] == field and one["side"] == ref.side for one in row.detail.get("changes", ()))
    ]
    return not writers or writers[-1] != undone
