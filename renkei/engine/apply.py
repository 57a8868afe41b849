"""Apply: carry out a stored plan, exactly that one.

Nothing is decided anew. Rows whose record changed since the plan was made are refused one by one and planned again by
the next run; a plan that was applied before, or was made under other rules, is refused as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from renkei.core.brakes import BRAKES, coverable
from renkei.core.commands import command
from renkei.core.errors import AskedWrongly, PlanStale
from renkei.core.personal import NOTHING
from renkei.core.planning import EntityPlan
from renkei.core.ports import Ledger
from renkei.core.records import Action
from renkei.core.stored import plans_of
from renkei.core.values import Ref, Side
from renkei.engine.approval import require_second
from renkei.engine.recall import load as recall_records
from renkei.engine.sequence import ENGINE, Report, Stages, act, in_a_run, note, planned
from renkei.engine.shown import Shown
from renkei.engine.work import EntityWork, Request, Rooms, World, rules_hash, settings_of


def read_file(path: Path) -> dict[str, Any]:
    """A plan's file. AskedWrongly where it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AskedWrongly(f"{path} is not there.", fix="`renkei plan` prints where it wrote its plan.") from None
    except (OSError, ValueError) as error:
        raise AskedWrongly(f"{path} is not a plan: {error}.", fix="Give the file that `renkei plan` wrote.") from None
    if not isinstance(content, dict) or not isinstance(content.get("fingerprint"), str) or "entities" not in content:
        raise AskedWrongly(f"{path} is not a plan.", fix="Give the file that `renkei plan` wrote.")
    return content


def in_full(ledger: Ledger, connection: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """A plan's file with the values that it masks, from the ledger. AskedWrongly where this ledger does not hold the plan."""
    kept = ledger.plan(connection, content["fingerprint"])
    if kept is None:
        raise AskedWrongly(
            f"The ledger of {connection} holds no plan {content['fingerprint']}.", fix="Show it without the values."
        )
    shown = Shown(ledger, connection, NOTHING)
    return {**content, "entities": {plan.entity: planned(plan, shown) for plan in plans_of(kept)}}


def stored_plan(rooms: Rooms, mark: str) -> list[EntityPlan]:
    """The plan of this fingerprint. PlanStale where this ledger has none, applied it before, or the rules have changed."""
    ledger, name = rooms.ledger, rooms.spec.name
    content = ledger.plan(name, mark)
    if content is None:
        raise PlanStale(f"The ledger of {name} holds no plan {mark}.", fix=f"Make it anew: {command(name, 'plan')}")
    anew, before = command(name, "plan"), ledger.plan_applied(name, mark)
    if before is not None:
        raise PlanStale(f"The plan {mark} was applied by run {before}.", fix=f"Make a new one: {anew}")
    if "erased" in content:
        raise PlanStale(f"The plan {mark} held contents that were erased since.", fix=f"Make a new one: {anew}")
    plans = plans_of(content)
    changed = [plan.entity for plan in plans if plan.rules != rules_hash(rooms, plan.entity)]
    if changed:
        raise PlanStale(
            f"Mappings or settings of {', '.join(changed)} changed since the plan {mark} was made.",
            fix=f"Make a new one: {anew}",
        )
    return plans


async def apply_plan(rooms: Rooms, request: Request, mark: str, stages: Stages = ENGINE) -> Report:
    """Carry out the stored plan of this fingerprint. `request.release` names the brakes that `request.actor` releases:
    the approval covers the plan's actions one by one, also in later runs that finish what the budget left.
    SecondPersonNeeded where `four_eyes` wants another person for that."""
    plans = stored_plan(rooms, mark)
    for unknown in sorted({*request.release} - {*BRAKES}):
        raise AskedWrongly(f"{unknown!r} is not a brake.", fix=f"Use one of: {', '.join(BRAKES)}.")
    require_second(rooms, request, mark)
    for asked in (plan.facts["command"] for plan in plans if "command" in plan.facts):
        raise AskedWrongly(
            f"The plan {mark} is a part of that command.", fix=command(rooms.spec.name, asked, rooms.spec.environment)
        )

    async def body(report: Report, run: str) -> None:
        await stages.recover(rooms, request, run)
        world = await stages.survey(rooms, request, run)
        works = [work_of(rooms, world, plan) for plan in plans]
        ledger, name = rooms.ledger, rooms.spec.name
        if request.release:
            covered = [key for plan in plans for key in coverable(plan, request.release)]
            ledger.approve(name, mark, request.release, covered, request.actor, rooms.clock.now())
            note(rooms, request, run, "released", f"{', '.join(request.release)} of plan {mark} by {request.actor}")
        await act(rooms, request, stages, world, works, report, mark)

    return await in_a_run(rooms, request, "apply", body)


def work_of(rooms: Rooms, world: World, plan: EntityPlan) -> EntityWork:
    """The work on one entity as it stood when the plan was made, as far as loading and recording need it."""
    work = EntityWork(plan.entity, plan.full, plan.rules, settings_of(rooms.spec, plan.entity), list(plan.lists))
    work.plan, work.details = plan, plan.details
    work.bases = rooms.ledger.bases(rooms.spec.name, [one.link for one in plan.agreements])
    for item in plan.lists:
        work.known_before[(item.side, item.module)] = rooms.ledger.known_count(rooms.spec.name, item.side, item.module)
    recall_records(rooms, world, work, {ref for action in plan.actions for ref in action.carries}, extracted=False)
    work.stale = _moved_on(rooms, plan)
    return work


def _moved_on(rooms: Rooms, plan: EntityPlan) -> set[str]:
    """Actions that rest on a record that another run has seen change, or linked, since the plan was made."""
    ledger, name = rooms.ledger, rooms.spec.name
    hashes = {verdict.record: verdict.hash for verdict in plan.verdicts if verdict.hash}
    linked = {ref for one in plan.agreements if not one.evidence for ref in (one.crm_ref, one.books_ref)}
    of_pairs = (one for one in plan.actions if one.link and (one.verb in ("remove", "deactivate") or one.reason == "recreate"))
    linked |= {ref for one in of_pairs for ref in _rests_on(one)}
    vanished = {one.record for one in plan.verdicts if one.actions and one.detail.get("deleted") == one.record.side}
    by_list: dict[tuple[Side, str], set[str]] = {}
    for action in plan.actions:
        for ref in _rests_on(action):
            by_list.setdefault((ref.side, ref.module), set()).add(ref.id)
    moved: set[Ref] = set()
    for (side, module), ids in by_list.items():
        mirrors, links = ledger.mirrors(name, side, module, ids), ledger.links(name, side, module, ids)
        for row_id in ids:
            ref, mirror = Ref(side, module, row_id), mirrors.get(row_id)
            gone = mirror is None or (mirror.deleted_at is not None) != (ref in vanished)
            other = ref in hashes and mirror is not None and mirror.hash != hashes[ref]
            if gone or other or (row_id in links) != (ref in linked):
                moved.add(ref)
    return {action.key for action in plan.actions if any(ref in moved for ref in _rests_on(action))}


def _rests_on(action: Action) -> Sequence[Ref]:
    """Of a deal's document its own stamp tells, which load asks for."""
    refs = (action.source,) if action.entity == "deals" else (action.source, action.target)
    return [ref for ref in refs if ref is not None]
