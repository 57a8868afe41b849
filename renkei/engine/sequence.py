"""The stages in order, once. Commands hand in the engine's own functions; flows hand in tasks that wrap them.

recover → survey → for each entity: extract → recall → validate → resolve (map, match, plan) → brakes → load → record
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from renkei.core.brakes import Applied, brakes
from renkei.core.errors import FieldMissing
from renkei.core.mapping import Lookups, MappingSpec
from renkei.core.planning import EntityPlan, fingerprint
from renkei.core.ports import StageRow
from renkei.core.records import OutcomeRow, Run
from renkei.core.values import canonical_json, plain
from renkei.engine import load as loading
from renkei.engine import record as recording
from renkei.engine.extract import extract
from renkei.engine.recall import recall
from renkei.engine.resolve import resolve
from renkei.engine.validate import validate_arrival
from renkei.engine.work import LOCK_TTL, EntityWork, Request, Rooms, World, mappings_of, rules_hash, settings_of

SYNCED = ("customers", "products")


@dataclass(slots=True)
class Report:
    """What a run did, and how it ended. `plans` holds each entity's plan."""

    run: str
    connection: str
    status: str
    entities: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    plans: list[EntityPlan] = field(default_factory=list)
    brakes: list[Applied] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return {"red": 1, "held": 3}.get(self.status, 0)

    def json(self) -> dict[str, Any]:
        """The shape of design.md section 3."""
        return {
            "run": self.run, "connection": self.connection, "status": self.status, "entities": self.entities,
            "calls": self.calls, "seconds": round(self.seconds, 3),
            "brakes": [plain(asdict(one)) for one in self.brakes],
            "fingerprint": fingerprint(self.plans), "notes": self.notes,
        }  # fmt: skip


async def run_sequence(rooms: Rooms, request: Request) -> Report:
    """One run. Raises the errors of core/errors.py; the run's row then is red and says why."""
    started, clock = rooms.clock.now(), rooms.clock
    began = clock.elapsed()
    run = clock.new_id()
    ledger, name = rooms.ledger, rooms.spec.name
    ledger.lock(name, run, started, LOCK_TTL)
    report = Report(run, name, "red")
    try:
        configuration = ledger.save_configuration("connection", name, rooms.configuration)
        _recover(rooms, request)
        kind = "plan" if request.plan_only else request.kind
        ledger.begin_run(Run(run, name, kind, request.flow, request.actor, started, request.full, configuration, rooms.code))
        rooms.allow_writes(False)
        try:
            world = await survey(rooms)
            works = [await _decide(rooms, request, world, entity, run) for entity in SYNCED if entity in request.entities]
            report.plans = [work.plan for work in works if work.plan is not None]
            report.notes = [note for work in works for note in work.notes]
            report.brakes = [one for work in works for one in _brakes(rooms, work) if one.brake not in request.release]
            if request.plan_only:
                report.status = "green"
                report.entities = {work.entity: planned(work.plan) for work in works if work.plan}
            elif report.brakes:
                report.status = "held"
                report.entities = {work.entity: planned(work.plan) for work in works if work.plan}
                _note(rooms, request, run, "brake", "; ".join(f"{one.brake}: {one.count}" for one in report.brakes))
            else:
                if request.release:
                    _note(
                        rooms, request, run, "released", f"{', '.join(request.release)} by {request.released_by or request.actor}"
                    )
                rooms.allow_writes(True)
                for work in works:
                    results = await loading.load(rooms, request, world, work, run)
                    report.entities[work.entity] = await recording.record(rooms, request, world, work, run, results)
                report.status = status_of(report.entities, any(work.budget_ended for work in works))
        finally:
            rooms.allow_writes(False)
            rooms.flush_calls(run)
            report.seconds = clock.elapsed() - began
            report.calls = _calls(rooms, report)
            ledger.seal_run(run, report.status, report.json(), clock.now())
    finally:
        ledger.unlock(name, run)
    return report


def _note(rooms: Rooms, request: Request, run: str, outcome: str, reason: str) -> None:
    rooms.ledger.append(rooms.spec.name, run, [OutcomeRow("note", "", (), outcome, reason, rooms.clock.now(), request.actor)])


def _recover(rooms: Rooms, request: Request) -> None:
    """Runs that died: their open intents are given up as such, their rows are still open, and the keys that they wrote on
    both sides make this run find what arrived. Nothing is sent again blindly."""
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    intents = ledger.open_intents(name)
    ledger.mark_intents([one.id for one in intents], "abandoned", now, {one.id: {"by": "recover"} for one in intents})
    for run in ledger.unsealed_runs(name):
        mine = sum(1 for one in intents if one.run == run.id)
        ledger.append(name, run.id, [OutcomeRow("note", "", (), "crashed", f"{mine} intents were open", now, request.actor)])
        ledger.seal_run(run.id, "red", {"crashed": True, "open_intents": mine}, now)


async def survey(rooms: Rooms) -> World:
    """Who both organisations are, and which optional fields they lack. FieldMissing for one that is not optional."""
    crm, books = await rooms.crm.organization(), await rooms.books.organization()
    names = {name for entity in SYNCED for name in mappings_of(rooms.spec, entity)}
    crm_has: dict[str, set[str]] = {}
    books_has: dict[str, set[str]] = {}
    mappings: dict[str, MappingSpec] = {}
    for name in sorted(names):
        spec = rooms.mappings[name]
        if spec.crm_module not in crm_has:
            crm_has[spec.crm_module] = {one.api_name for one in await rooms.crm.fields(spec.crm_module)}
        if spec.books_module in ("contacts", "items") and spec.books_module not in books_has:
            books_has[spec.books_module] = {one.api_name for one in await rooms.books.fields(spec.books_module)}
        custom = books_has.get(spec.books_module, set())
        lacking = set()
        for item in spec.fields:
            no_crm = item.crm is not None and item.crm.split(".")[0] not in crm_has[spec.crm_module]
            no_books = item.books is not None and item.books.startswith("cf_") and item.books not in custom
            if (no_crm or no_books) and not item.optional:
                side, module, missing = ("crm", spec.crm_module, item.crm) if no_crm else ("books", spec.books_module, item.books)
                raise FieldMissing(side, module, str(missing), fix=f"Create it there, or take it out of {spec.file}.")
            if no_crm or no_books or item.books_write == "currency_id":
                lacking.add(item.name)
        if rooms.spec.crm_key not in crm_has[spec.crm_module]:
            raise FieldMissing("crm", spec.crm_module, rooms.spec.crm_key, fix="Create this unique single-line text field.")
        if custom and rooms.spec.books_key not in custom:
            raise FieldMissing(
                "books", spec.books_module, rooms.spec.books_key, fix="Create this custom field without duplicates."
            )
        mappings[name] = spec.without({one for one in lacking if spec.field(one).optional})
    owners = {user.id: user.email for user in await rooms.crm.users()}
    units = await rooms.books.currencies()
    return World(crm, books, Lookups({("owners", "crm"): owners}), units, mappings, {"books": frozenset(units)})


async def _decide(rooms: Rooms, request: Request, world: World, entity: str, run: str) -> EntityWork:
    rules = rules_hash(rooms, entity)
    full = request.full
    first = None
    for side, module in _lists(rooms, entity):
        first = rooms.ledger.watermark(rooms.spec.name, side, module, entity)
        if first is None:
            full = True
        elif first.rules != rules:
            full = True
            rooms.ledger.open_mirrors(rooms.spec.name, None, side=side, module=module)
    work = EntityWork(entity, full, rules, settings_of(rooms.spec, entity))
    if full and not request.full and first is not None:
        work.notes.append(f"{entity}: full compare, because mapping, view or policy changed")
    clock = rooms.clock
    for stage in ("extract", "recall", "validate", "resolve"):
        started, began = clock.now(), clock.elapsed()
        if stage == "extract":
            await extract(rooms, request, world, work, run)
        elif stage == "recall":
            recall(rooms, request, world, work)
        elif stage == "validate":
            validate_arrival(rooms, work)
        else:
            await resolve(rooms, request, world, work, run)
        rooms.ledger.add_stage(StageRow(run, stage, entity, started, clock.elapsed() - began))
    return work


def _lists(rooms: Rooms, entity: str) -> Any:
    from renkei.engine.work import lists_of

    return lists_of(rooms.spec, entity)


def _brakes(rooms: Rooms, work: EntityWork) -> list[Applied]:
    if work.plan is None:
        return []
    lists = _lists(rooms, work.entity)
    first = any(rooms.ledger.watermark(rooms.spec.name, side, module, work.entity) is None for side, module in lists)
    return brakes(work.plan, rooms.spec.brakes, work.known_before, first)


def planned(plan: EntityPlan) -> dict[str, Any]:
    """An entity of a plan as JSON: counts, actions with before → after, holds."""
    outcomes: dict[str, int] = {}
    for verdict in plan.verdicts:
        outcomes[verdict.outcome] = outcomes.get(verdict.outcome, 0) + 1
    outcomes["unchanged"] = outcomes.get("unchanged", 0) + len(plan.unchanged)
    return {
        "extracted": {"crm": plan.extracted[0], "books": plan.extracted[1]},
        "outcomes": outcomes,
        "actions": [
            plain(
                {
                    "key": one.key, "verb": one.verb, "side": one.side, "module": one.module, "target": one.target,
                    "source": one.source, "reason": one.reason, "calls": one.calls,
                    "changes": [
                        {"field": item.field, "before": item.before, "after": item.after, "reason": item.reason}
                        for item in one.changes
                    ],
                }
            )
            for one in plan.actions
        ],
        "holds": [
            {"id": hold.id, "question": hold.question, "record": str(hold.record), "choices": list(hold.choices)}
            for hold in plan.holds
        ],
        "expected_calls": round(sum(one.calls for one in plan.actions), 2),
    }  # fmt: skip


def status_of(entities: Mapping[str, Any], budget_ended: bool) -> str:
    """Red: a failure or a broken total; amber: something waits; green otherwise."""
    waiting = budget_ended
    for part in entities.values():
        words = part["outcomes"]
        if words["failed"] or sum(words.values()) != sum(part["extracted"].values()):
            return "red"
        waiting = waiting or any(words[word] for word in ("held", "blocked", "quarantined", "refused"))
    return "amber" if waiting else "green"


def _calls(rooms: Rooms, report: Report) -> dict[str, Any]:
    counted = {"crm": sum(rooms.crm.calls().values()), "books": sum(rooms.books.calls().values())}
    fewest = {"crm": 0, "books": 0}
    for plan in report.plans:
        for item in plan.lists:
            fewest[item.side] += -(-item.rows // (2000 if item.side == "crm" else 200))
        writes = report.entities.get(plan.entity, {}).get("writes", {"crm": 0, "books": 0})
        fewest["crm"] += -(-writes["crm"] // 100)
        fewest["books"] += writes["books"] + plan.details
    return {**counted, "fewest": fewest}


def text_of(report: Report) -> str:
    return canonical_json(report.json())
