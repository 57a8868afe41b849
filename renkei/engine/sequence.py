"""The stages in order, once. Commands run the engine's own functions; flows hand in tasks that wrap them.

recover → survey → for each entity: extract → recall → validate → resolve (map, match, plan) → brakes → load → record
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from renkei.core.brakes import BRAKES, Applied, brakes, coverable
from renkei.core.errors import AnotherRun, AskedWrongly, BudgetSpent, RenkeiError, SourceRefused
from renkei.core.planning import EntityPlan, Known, fingerprint
from renkei.core.ports import StageRow
from renkei.core.records import OPEN_OUTCOMES, OUTCOMES, Action, OutcomeRow, Run
from renkei.core.report import SYSTEMS
from renkei.core.stored import content_of
from renkei.core.undoing import UNDO
from renkei.core.values import Ref, Side, plain, time_text
from renkei.engine import gap
from renkei.engine.acts import note_typist
from renkei.engine.approval import authors
from renkei.engine.changes import what_it_means
from renkei.engine.deals import note_setting
from renkei.engine.environment import require_named
from renkei.engine.extract import extract
from renkei.engine.load import Result, load
from renkei.engine.orphans import orphans
from renkei.engine.recall import recall, the_chosen
from renkei.engine.record import record
from renkei.engine.recover import recover
from renkei.engine.resolve import resolve
from renkei.engine.shown import Shown, shown_of
from renkei.engine.standing import require_open
from renkei.engine.survey import survey
from renkei.engine.validate import validate_arrival
from renkei.engine.work import (
    ANEW,
    LOCK_TTL,
    PUBLISHED,
    SWITCHED,
    SYNCED,
    EntityWork,
    Request,
    Rooms,
    World,
    document_kinds,
    entities_of,
    in_data_folder,
    lists_of,
    plan_file,
    published_modules,
    published_of,
    rules_hash,
    settings_of,
)


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a run as functions, so that a flow can put tasks in their places.

    recover(rooms, request, run)                    survey(rooms, request, run) → World
    extract, recall, validate, resolve              (rooms, request, world, work, run): each adds to the work on one entity
    load(rooms, request, world, work, run, done)    carries out work.plan; `done` tells how each action of the run ended
    record(rooms, request, world, work, run, done)  → the entity's part of the report
    """

    recover: Callable[[Rooms, Request, str], Awaitable[None]] = recover
    survey: Callable[[Rooms, Request, str], Awaitable[World]] = survey
    extract: Callable[[Rooms, Request, World, EntityWork, str], Awaitable[None]] = extract
    recall: Callable[[Rooms, Request, World, EntityWork, str], Awaitable[None]] = recall
    validate: Callable[[Rooms, Request, World, EntityWork, str], Awaitable[None]] = validate_arrival
    resolve: Callable[[Rooms, Request, World, EntityWork, str], Awaitable[None]] = resolve
    load: Callable[[Rooms, Request, World, EntityWork, str, dict[str, Result]], Awaitable[None]] = load
    record: Callable[[Rooms, Request, World, EntityWork, str, Mapping[str, Result]], Awaitable[dict[str, Any]]] = record


ENGINE = Stages()


@dataclass(slots=True)
class Report:
    """What a run did, and how it ended. `plans` holds each entity's plan, `file` where a plan that waits was written."""

    run: str
    connection: str
    status: str = "red"
    entities: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    plans: list[EntityPlan] = field(default_factory=list)
    brakes: list[Applied] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    file: Path | None = None
    environment: str | None = None
    full: bool = False  # every synced entity was compared whole
    only: tuple[Ref, ...] = ()  # the single records that it was about
    orphans: list[dict[str, Any]] | None = None  # of a full run: records whose partner was deleted
    left_alone: dict[str, Any] = field(default_factory=dict)  # sides that gave no answer again and again, until when, and why
    not_by: tuple[str, ...] = ()  # who made the plan, and so may not release its brakes

    @property
    def exit_code(self) -> int:
        return {"red": 1, "held": 3}.get(self.status, 0)

    def json(self) -> dict[str, Any]:
        """The shape of design.md section 3."""
        return {
            "run": self.run, "connection": self.connection, "environment": self.environment, "status": self.status,
            "full": self.full, "only": [str(ref) for ref in self.only],
            "entities": self.entities, "orphans": self.orphans,
            "calls": self.calls, "seconds": round(self.seconds, 3),
            "brakes": [plain(asdict(one)) for one in self.brakes], "not_by": list(self.not_by),
            "left_alone": self.left_alone,
            "fingerprint": fingerprint(self.plans), "notes": self.notes, "plan": str(self.file) if self.file else None,
        }  # fmt: skip


async def run_sequence(rooms: Rooms, request: Request, stages: Stages = ENGINE) -> Report:
    """One run. Raises the errors of core/errors.py; the run's row then is red and says why."""
    if request.only and any(not entities_with(rooms, [ref]) for ref in request.only):
        raise AskedWrongly(
            f"{', '.join(map(str, request.only))}: not a record of what this connection syncs.",
            fix="Write crm:Accounts:ID, crm:Contacts:ID, crm:Products:ID, crm:Deals:ID, books:contacts:ID, books:items:ID or "
            "books:invoices:ID.",
        )

    async def body(report: Report, run: str) -> None:
        report.only = request.only
        if not request.only:
            await stages.recover(rooms, request, run)
        world = await stages.survey(rooms, request, run)
        works: list[EntityWork] = []
        chosen = entities_with(rooms, request.only) if request.only else entities_of(rooms, request.entities)
        for entity in chosen:
            if request.only and entity in PUBLISHED and _last_run(rooms, entity) is None:
                continue  # what the CRM shows is not known before a batch has read it
            works.append(await _decide(rooms, request, stages, world, entity, run, works))
        await act(rooms, request, stages, world, works, report)
        if not request.only and not request.plan_only:
            note_setting(rooms.ledger, rooms.spec.name, rooms.spec.deals, run)

    return await in_a_run(rooms, request, "plan" if request.plan_only else request.kind, body)


async def in_a_run(rooms: Rooms, request: Request, kind: str, body: Callable[[Report, str], Awaitable[None]]) -> Report:
    """Lock or claim, begin, do, seal and unlock, whatever happens in between. WrongEnvironment before any of it, and what
    `require_open` raises before the run begins."""
    require_named(rooms.spec, request)
    ledger, name, clock = rooms.ledger, rooms.spec.name, rooms.clock
    started, began, run = clock.now(), clock.elapsed(), clock.new_id()
    report = Report(run, name, environment=rooms.spec.environment)
    _enter(rooms, request, run)
    try:
        require_open(ledger, rooms.spec, request)
        configuration = ledger.save_configuration("connection", name, rooms.configuration)
        ledger.begin_run(Run(run, name, kind, request.flow, request.actor, started, request.full, configuration, rooms.code))
        note_typist(ledger, name, run, request.typist, request.actor, started)
        rooms.allow_writes(False)
        try:
            await body(report, run)
        except RenkeiError as error:
            report.notes.append(f"{type(error).__name__}: {error.what}")
            raise
        finally:
            rooms.allow_writes(False)
            rooms.flush_calls(run)
            report.seconds = clock.elapsed() - began
            _tell_of_the_sick(rooms, report)
            report.calls = _calls(rooms, report)
            ledger.seal_run(run, report.status, report.json(), clock.now())
    finally:
        ledger.release(name, run)
        if not request.only:
            ledger.unlock(name, run)
    return report


def _tell_of_the_sick(rooms: Rooms, report: Report) -> None:
    """Which side is left alone, since when and until when, and what of the run is done and what is open."""
    for side, sick in (("crm", rooms.crm.sick()), ("books", rooms.books.sick())):
        if sick is None:
            continue
        report.left_alone[side] = {**asdict(sick), "since": time_text(sick.since), "until": time_text(sick.until)}
        words = [part["outcomes"] for part in report.entities.values()]
        written = sum(sum(part["writes"].values()) for part in report.entities.values() if "writes" in part)
        waiting = sum(one[word] for one in words for word in OPEN_OUTCOMES)
        done = f"{written} records are written, {waiting} rows are open" if words else "Nothing was written"
        report.notes.append(f"{SYSTEMS[side]} is left alone until {time_text(sick.until)}: {sick.why} {done}.")


def _enter(rooms: Rooms, request: Request, run: str) -> None:
    """A batch takes the connection's lock; a single-record run claims its records and their partners."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    if not request.only:
        ledger.lock(name, run, now, LOCK_TTL)
        return
    for ref in sorted(the_chosen(rooms, request)):
        if not ledger.claim(name, ref, run, now, LOCK_TTL):
            ledger.release(name, run)
            raise AnotherRun(name, ledger.claimed(name, now, run)[ref], f"now, on {ref}")


async def _decide(
    rooms: Rooms, request: Request, stages: Stages, world: World, entity: str, run: str, before: Sequence[EntityWork]
) -> EntityWork:
    rules = rules_hash(rooms, entity)
    marks = [rooms.ledger.watermark(rooms.spec.name, side, module, entity) for side, module in lists_of(rooms, entity)]
    stale = [
        (side, module)
        for (side, module), mark in zip(lists_of(rooms, entity), marks, strict=True)
        if mark is not None and mark.rules != rules and mark.rules not in ANEW
    ]
    anew = {mark.rules for mark in marks if mark is not None and mark.rules in ANEW}
    if not request.only:
        for side, module in stale:
            rooms.ledger.open_mirrors(rooms.spec.name, None, side=side, module=module)
            if (side, module) == ("books", "contacts"):  # persons come with their customers and have no list of their own
                rooms.ledger.open_mirrors(rooms.spec.name, None, side=side, module="contact_persons")
    work = EntityWork(entity, request.full or bool(stale or anew) or None in marks, rules, settings_of(rooms.spec, entity))
    work.earlier = {one.entity: one for one in before}
    if request.only and entity in PUBLISHED:
        work.full = False
    if entity == "summaries" and not request.only:
        documents = work.earlier.get("documents")
        if documents is not None and documents.plan is None:
            work.budget_ended = True
            return work
        # the run before ended between the two: nobody added up what it read
        work.full = work.full or (documents is not None and _last_run(rooms, "documents") != _last_run(rooms, "summaries"))
    work.rebuilt = SWITCHED in anew or (None in marks and not rooms.ledger.has_written(rooms.spec.name))
    if stale and not request.full:
        work.notes.append(f"{entity}: full compare, because mapping, view or policy changed")
    work.notes += [f"{entity}: full compare, because {ANEW[word]}" for word in sorted(anew) if not request.full]
    try:
        await _through(rooms, request, stages, world, work, run)
        if stale and work.plan is not None and not request.only:
            work.plan = replace(work.plan, meaning=what_it_means(rooms, work, work.plan))
    except SourceRefused as refused:  # the other entities go on; what was read of this one is decided once its source is right
        work.plan, work.halted = None, True
        work.notes.append(f"SourceRefused: {refused.what} {refused.fix}")
    except BudgetSpent as spent:  # another day's calls read it; what was read of it stays in the mirrors
        work.plan, work.budget_ended = None, True
        work.notes.append(f"{entity}: left for another day: {spent.what}")
    return work


def _last_run(rooms: Rooms, entity: str) -> str | None:
    """The run that published the entity last."""
    mark = rooms.ledger.watermark(rooms.spec.name, "crm", published_modules(rooms)[entity], entity)
    return mark.run if mark is not None else None


async def _through(rooms: Rooms, request: Request, stages: Stages, world: World, work: EntityWork, run: str) -> None:
    for stage, function in (
        ("extract", stages.extract), ("recall", stages.recall), ("validate", stages.validate), ("resolve", stages.resolve),
    ):  # fmt: skip
        with timed(rooms, run, stage, work.entity):
            await function(rooms, request, world, work, run)


async def act(
    rooms: Rooms, request: Request, stages: Stages, world: World, works: Sequence[EntityWork], report: Report, mark: str = ""
) -> None:
    """What follows from the plans: show them, hold them, or carry them out. `mark`: the stored plan that they are."""
    run, ledger, name = report.run, rooms.ledger, rooms.spec.name
    shown = shown_of(rooms)
    report.plans = [work.plan for work in works if work.plan is not None]
    synced = {plan.entity: plan.full for plan in report.plans if plan.entity in SYNCED}
    report.full = synced.keys() == set(SYNCED) and all(synced.values())
    report.notes += [*gap.notes(ledger, name, run, report.plans), *(line for work in works for line in work.notes)]
    approved = ledger.approved_keys(name, rooms.clock.now())
    report.brakes = [one for work in works for one in _brakes(rooms, work, approved, shown) if one.brake not in request.release]
    halted = any(work.halted for work in works)
    if request.plan_only:
        report.status = "red" if halted else "amber" if any(work.budget_ended for work in works) else "green"
        report.entities = _keep_plan(rooms, report, shown, [work.known for work in works])
        return
    done: dict[str, Result] = {}
    if report.brakes:
        note(rooms, request, run, "brake", "; ".join(f"{one.brake} on {one.entity}: {one.count}" for one in report.brakes))
        done = {action.key: Result("blocked", "brake") for plan in report.plans for action in plan.actions}
        _keep_plan(rooms, report, shown, [work.known for work in works])
    else:
        rooms.allow_writes(True)
        if mark:
            ledger.mark_applied(name, mark, run, rooms.clock.now())
    for work in (one for one in works if one.plan is not None):
        work.braked = bool(report.brakes)
        if not report.brakes:
            with timed(rooms, run, "load", work.entity):
                await stages.load(rooms, request, world, work, run, done)
        with timed(rooms, run, "record", work.entity):
            report.entities[work.entity] = await stages.record(rooms, request, world, work, run, done)
    ledger.use_approvals(name, [key for key, result in done.items() if not result.outcome], rooms.clock.now())
    if not report.brakes:  # what stopped a plan without being an action is met by run after run
        met = {key for plan in report.plans for key in coverable(plan, BRAKES)} - done.keys()
        ledger.renew_approvals(name, met, rooms.clock.now())
    budget_ended = any(work.budget_ended for work in works)
    report.orphans = orphans(ledger, name) if report.full else None
    report.status = "held" if report.brakes else "red" if halted else status_of(report.entities, budget_ended)


def _keep_plan(rooms: Rooms, report: Report, shown: Shown, known: Sequence[Mapping[Ref, Known]]) -> dict[str, Any]:
    """The plan itself goes into the ledger; the file shows it without personal values, and names it by its fingerprint.

    Returns what is shown of each entity.
    """
    mark, name = fingerprint(report.plans), rooms.spec.name
    rooms.ledger.save_plan(name, mark, content_of(report.plans), report.run, rooms.clock.now())
    report.file = plan_file(rooms, mark)
    if rooms.spec.four_eyes and report.brakes:
        report.not_by = tuple(authors(rooms.ledger, name, mark))
    entities = {plan.entity: planned(plan, shown, known) for plan in report.plans}
    content = {**report.json(), "entities": entities}
    with in_data_folder(report.file):
        report.file.parent.mkdir(parents=True, exist_ok=True)
        report.file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return entities


def entities_with(rooms: Rooms, refs: Sequence[Ref]) -> tuple[str, ...]:
    """The synced entities in whose lists these records stand, and what is published of customers, deals and documents."""
    lists = {(ref.side, ref.module) for ref in refs}
    here = entities_of(rooms, (*SYNCED, "deals"))
    synced = tuple(entity for entity in here if lists & set(lists_of(rooms, entity)))
    shown = {("crm", "Deals"), *(("books", kind) for kind in document_kinds(rooms.spec.edition))}
    shown |= set(lists_of(rooms, "customers"))
    return synced + (published_of(rooms.spec) if lists & shown else ())


@contextmanager
def timed(rooms: Rooms, run: str, stage: str, entity: str) -> Iterator[None]:
    """Notes in the ledger how long a stage took, once it has ended well."""
    started, began = rooms.clock.now(), rooms.clock.elapsed()
    yield
    rooms.ledger.add_stage(StageRow(run, stage, entity, started, rooms.clock.elapsed() - began))


def note(rooms: Rooms, request: Request, run: str, outcome: str, reason: str) -> None:
    """A row of evidence that speaks of the run itself."""
    rooms.ledger.append(rooms.spec.name, run, [OutcomeRow("note", "", (), outcome, reason, rooms.clock.now(), request.actor)])


def _brakes(rooms: Rooms, work: EntityWork, approved: Mapping[str, set[str]], shown: Shown) -> list[Applied]:
    if work.plan is None:
        return []
    lists = lists_of(rooms, work.entity)
    first = any(rooms.ledger.watermark(rooms.spec.name, side, module, work.entity) is None for side, module in lists)
    return brakes(work.plan, rooms.spec.brakes, work.known_before, first, approved, shown.called)


def planned(plan: EntityPlan, shown: Shown, known: Sequence[Mapping[Ref, Known]] = ()) -> dict[str, Any]:
    """An entity of a plan as JSON: counts, actions and holds with names and before → after; what is personal is masked."""
    outcomes = dict.fromkeys(reversed(OUTCOMES), 0)
    for verdict in plan.verdicts:
        outcomes[verdict.outcome] += 1
    outcomes["unchanged"] += len(plan.unchanged)
    shown.learn((ref for action in plan.actions for ref in (action.source, action.target) if ref is not None), known)
    shown.learn((hold.record for hold in plan.holds), known)
    return {
        **({UNDO: plan.facts[UNDO], "left": _left(plan, shown)} if UNDO in plan.facts else {}),
        "meaning": list(plan.meaning),
        "extracted": {"crm": plan.extracted[0], "books": plan.extracted[1]},
        "outcomes": outcomes,
        "actions": [
            plain(
                {
                    "key": one.key, "verb": one.verb, "side": one.side, "module": one.module, "target": one.target,
                    "source": one.source, "label": shown.name(one.source) or shown.name(one.target),
                    "reason": one.reason, "calls": one.calls, "changes": _changes(one, shown),
                }
            )
            for one in plan.actions
        ],
        "holds": [
            {
                "id": hold.id, "question": hold.question, "record": str(hold.record), "field": hold.field,
                "label": shown.name(hold.record, hold.detail.get("label")), "choices": list(hold.choices),
            }
            for hold in plan.holds
        ],
        "expected_calls": round(sum(one.calls for one in plan.actions), 2),
    }  # fmt: skip


def _changes(action: Action, shown: Shown) -> list[dict[str, Any]]:
    about = [ref for ref in (action.source, action.target) if ref is not None]
    return [
        {
            "field": one.field, "before": shown.value(about, one.field, one.before, action.mapping),
            "after": shown.value(about, one.field, one.after, action.mapping), "reason": one.reason,
        }
        for one in action.changes
    ]  # fmt: skip


def _left(plan: EntityPlan, shown: Shown) -> list[dict[str, Any]]:
    """What an undo leaves as it is, with the present value (`before`) and the one that it would go back to (`after`)."""
    found = []
    for verdict in plan.verdicts:
        about = {"record": str(verdict.record), "label": shown.name(verdict.record), "outcome": verdict.outcome}
        fields = [
            {
                "field": one["field"], "side": one["side"], "before": shown.value([verdict.record], one["field"], one["before"]),
                "after": shown.value([verdict.record], one["field"], one["after"]), "reason": one["reason"],
            }
            for one in verdict.detail.get("left", ())
            if one["side"] == verdict.record.side
        ]  # fmt: skip
        whole = {"field": None, "side": verdict.record.side, "before": None, "after": None, "reason": verdict.reason}
        if not verdict.actions and not fields and verdict.outcome != "unchanged" and not verdict.detail.get("left"):
            fields = [whole]
        found += [plain({**about, **one}) for one in fields]
    return found


def status_of(entities: Mapping[str, Any], budget_ended: bool) -> str:
    """Red: a failure, a broken total or an unexplained difference to Books; amber: something waits; green otherwise."""
    waiting = budget_ended
    for part in entities.values():
        words = part["outcomes"]
        if part.get("tie_out", {}).get("unexplained"):
            return "red"
        if words["failed"] or sum(words.values()) != sum(part["extracted"].values()):
            return "red"
        waiting = waiting or any(words[word] for word in ("held", "blocked", "quarantined", "refused"))
    return "amber" if waiting else "green"


def _calls(rooms: Rooms, report: Report) -> dict[str, Any]:
    """Calls to either side as its organisation counts them (a token's are nobody's), and the fewest that would have done."""
    made: dict[Side, Mapping[str, int]] = {"crm": rooms.crm.calls(), "books": rooms.books.calls()}
    counted: dict[str, Any] = {
        side: sum(calls for kind, calls in kinds.items() if kind != "token") for side, kinds in made.items()
    }
    fewest = {"crm": 0, "books": 0}
    for plan in report.plans:
        for item in plan.lists:
            fewest[item.side] += -(-item.rows // (2000 if item.side == "crm" else 200))
        writes = report.entities.get(plan.entity, {}).get("writes", {"crm": 0, "books": 0})
        fewest["crm"] += -(-writes["crm"] // 100)
        fewest["books"] += writes["books"] + plan.details
    return {**counted, "fewest": fewest, "left": rooms.books.daily()[0]}
