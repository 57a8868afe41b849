"""Record: read once more what was written, give every extracted row its one outcome, settle, and seal the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from renkei.core import joins
from renkei.core.changes import EARLIER
from renkei.core.errors import BudgetSpent, TryAgain
from renkei.core.planning import WORST, EntityPlan, project
from renkei.core.ports import Settled
from renkei.core.records import OUTCOMES, MirrorRow, OutcomeRow, Row, Verdict, Watermark
from renkei.core.undoing import UNDO
from renkei.core.values import Ref, Side, row_json
from renkei.engine import deals, document_rows, doubt, receivables
from renkei.engine.extract import crm_fields, keys_by_row, list_hashes, pages_of, stamp_of
from renkei.engine.joins import keep_answer
from renkei.engine.load import UNSEEN, Result, advanced
from renkei.engine.publish import own_keys, shows_what_was_sent
from renkei.engine.resolve import take_details
from renkei.engine.work import EntityWork, Request, Rooms, World, books_id, published_modules

TIE_OUTS = {"documents": document_rows.tie_out, "summaries": receivables.tie_out}
GROUP = 1000  # records that one `unchanged` row of evidence speaks of


async def record(
    rooms: Rooms, request: Request, world: World, work: EntityWork, run: str, results: Mapping[str, Result]
) -> dict[str, Any]:
    """Close one entity; returns its part of the report (design.md section 3)."""
    plan = work.plan
    assert plan is not None
    final = {verdict.record: _final(verdict, results) for verdict in plan.verdicts}
    if work.braked:
        final |= {ref: ("blocked", "brake") for ref in _stopped(plan) & final.keys() if WORST[final[ref][0]] > WORST["blocked"]}
    undone = {verdict.record for verdict in plan.verdicts if final[verdict.record][0] != verdict.outcome}
    try:
        read_to = await _closing_read(rooms, request, world, work, plan, results, final)
    except BudgetSpent:  # the next run reads the list from the same watermark and meets our writes there
        work.budget_ended, read_to = True, {}
    except TryAgain:  # the same, of a side that gives no answer
        read_to = {}
    if UNDO in plan.facts:  # of what stays as it is, for whatever reason, nothing is asked
        as_planned = {one.record for one in plan.verdicts if final[one.record] == (one.outcome, one.reason)}
        plan = replace(plan, holds=tuple(hold for hold in plan.holds if hold.record in as_planned))
    name, now = rooms.spec.name, rooms.clock.now()
    counts = dict.fromkeys(reversed(OUTCOMES), 0)
    for outcome, _ in final.values():
        counts[outcome] += 1
    counts["unchanged"] += len(plan.unchanged)
    with rooms.ledger.transaction():
        rows = [
            OutcomeRow("record", plan.entity, (verdict.record,), *final[verdict.record], now, request.actor, verdict.detail)
            for verdict in plan.verdicts
            if final[verdict.record][0] != "unchanged"
        ]
        quiet = [*plan.unchanged] + [ref for ref, (outcome, _) in final.items() if outcome == "unchanged"]
        for start in range(0, len(quiet), GROUP):
            rows.append(
                OutcomeRow("record", plan.entity, tuple(quiet[start : start + GROUP]), "unchanged", "", now, request.actor)
            )
        rooms.ledger.append(name, run, rows)
        rooms.ledger.settle(name, [Settled(one.record, one.hash, *final[one.record]) for one in plan.verdicts if one.hash])
        _keep_bases(rooms, world, work, plan)
        _keep_questions(rooms, work, plan, run, now, undone)
        if plan.entity == "deals" and not work.braked:
            deals.keep(rooms, request, plan, run, undone)
        for item in plan.lists:
            if item.left or request.only or work.braked:
                continue
            before = rooms.ledger.watermark(name, item.side, item.module, plan.entity)
            seen = [one for one in (item.newest, before.stamp if before else None) if one is not None]
            # no later than the side's own clock at that read: one that went back would hide what it stamps from now on
            stamps = [min(one, item.served_at or one) for one in seen]
            newest = max([*stamps, *filter(None, [read_to.get((item.side, item.module))])], default=None)
            full_at = now if item.complete else before.full_at if before else None
            rooms.ledger.put_watermark(name, Watermark(item.side, item.module, plan.entity, newest, plan.rules, full_at), run)
    tied = {}
    if plan.entity in TIE_OUTS and "command" not in plan.facts and not work.braked:
        tied = {"tie_out": TIE_OUTS[plan.entity](rooms, plan, results)}
    done = [action for action in plan.actions if action.payload and results.get(action.key, Result("failed", "")).outcome == ""]
    writes = {side: sum(1 for action in done if action.side == side) for side in ("crm", "books")}
    return {
        **({"meaning": list(plan.meaning)} if plan.meaning else {}),
        "extracted": {"crm": plan.extracted[0], "books": plan.extracted[1]},
        "outcomes": {word: counts[word] for word in reversed(OUTCOMES)},
        "writes": writes,
        **tied,
    }


def _stopped(plan: EntityPlan) -> set[Ref]:
    """Rows of a braked plan that something would have followed for, though no call: they stay open with those of its actions."""
    rows = {*plan.vanished(), *plan.unaside, *(ref for ref, _, _ in plan.asides)}
    rows |= {ref for link in plan.links for ref in (link.crm, link.books)}
    return rows | {ref for one in plan.agreements if one.evidence for ref in (one.crm_ref, one.books_ref)}


def _final(verdict: Verdict, results: Mapping[str, Result]) -> tuple[str, str]:
    """The planned word, unless one of the row's actions ended worse."""
    outcome, reason = verdict.outcome, verdict.reason
    for key in verdict.actions:
        result = results.get(key, Result("blocked", "not_reached"))
        if not result.outcome and result.reason:
            reason = result.reason
        if result.outcome and WORST[result.outcome] < WORST[outcome]:
            outcome, reason = result.outcome, result.reason
    return outcome, reason


def _keep_bases(rooms: Rooms, world: World, work: EntityWork, plan: EntityPlan) -> None:
    """Fields that agree without a write move their base now; those of a link made in this run did so with it."""
    ids = [one.link for one in plan.agreements if not one.evidence]
    stored = rooms.ledger.bases(rooms.spec.name, ids)
    moved = []
    for one in plan.agreements:
        base = stored.get(one.link)
        if base is not None and not one.evidence:
            moved.append(advanced(base, world.mappings[one.mapping], one.agreed, {**one.crm}, {**one.books}))
    rooms.ledger.put_bases(rooms.spec.name, moved)


def _keep_questions(rooms: Rooms, work: EntityWork, plan: EntityPlan, run: str, now: datetime, undone: set[Ref]) -> None:
    """Holds, decisions, records set aside and quarantine. What rests on a write that did not happen waits with it."""
    name, ledger = rooms.spec.name, rooms.ledger
    seen = {verdict.record for verdict in plan.verdicts}
    asked, undoes = {hold.id for hold in plan.holds}, UNDO in plan.facts  # an undo answers no question: the next run looks
    settled = [
        hold.id
        for hold in ledger.open_holds(name)
        if hold.entity == plan.entity
        and hold.record in seen
        and hold.id not in asked
        and not undoes
        and hold.question != doubt.QUESTION  # which no plan asks, and nothing but an answer settles
    ]
    ledger.close_holds(name, settled, "no longer a question", run, now)
    decided = ledger.decisions(name)
    waiting = {hold.id for hold, _ in decided if hold.record in undone}
    carried = [one for one in plan.carried_out if one not in waiting]
    for hold, decision in decided:
        if hold.id in carried and hold.question == joins.QUESTION:
            keep_answer(ledger, name, hold, decision, run, now)
    ledger.carry_out(name, carried, run, now)
    ledger.put_holds(name, plan.holds, run, now)  # after that: an answer that was overtaken is asked for anew
    if undoes:
        for verdict in plan.verdicts:
            if verdict.actions:
                ledger.open_mirrors(name, [verdict.record], side=verdict.record.side, module=verdict.record.module)
    if not work.braked:
        ledger.clear_aside(name, [ref for ref in plan.unaside if ref not in undone])
        ledger.set_aside(name, [row for row in plan.asides if row[0] not in undone], run, now)
        moved = [link for link in plan.links if not undone & {link.crm, link.books}]
        ledger.put_links(name, moved, run, now)
        for link in moved:
            if link.state == "ended" and link.dead is None:  # the CRM record lives on and meets the others anew
                ledger.open_mirrors(name, [link.crm], side="crm", module=link.crm.module)
    for one in plan.actions:  # a contact whose own customer was removed is a person of its account from now on
        if one.reason == EARLIER and one.source and one.source not in undone and work.mapping_of.get(one.source) == "persons":
            ledger.open_mirrors(name, [one.source], side="crm", module=one.source.module)
    bad = {row.record for row in plan.quarantine}
    stored = {row.record for row, _, _ in ledger.quarantine(name)}
    ledger.leave_quarantine(name, (stored & seen) - bad, "passed", run, now)
    ledger.put_quarantine(name, plan.quarantine, run, now)


async def _closing_read(
    rooms: Rooms,
    request: Request,
    world: World,
    work: EntityWork,
    plan: EntityPlan,
    results: Mapping[str, Result],
    final: Mapping[Ref, tuple[str, str]],
) -> dict[tuple[Side, str], datetime]:
    """Read each list written to once more. What shows our own write is quiet and gives the base; the rest stays open."""
    lists: dict[tuple[Side, str], list[str]] = {}
    for action in plan.actions:
        result = results.get(action.key, Result("failed", ""))
        if action.payload and result.outcome == "" and action.entity != "deals":  # documents are read by what publishes them
            written = lists.setdefault((action.side, "contacts" if action.module == "contact_persons" else action.module), [])
            written += [result.created] if result.created else [action.target.id] if action.target else []
    newest_of: dict[tuple[Side, str], datetime] = {}
    for (side, module), written in sorted(lists.items()):
        if request.only and side == "crm":  # a single-record run has read no list from which it could go on
            rows = await rooms.crm.get_many(module, written, crm_fields(rooms, world, module))
            _take_echoes(rooms, world, work, side, module, list(rows.values()), final, outside=False)
            continue
        read = next((item for item in plan.lists if (item.side, item.module) == (side, module)), None)
        # of a side whose clock went back, what was written since stands under earlier stamps than what was read
        since = min(read.newest, read.served_at or read.newest) if read is not None and read.newest is not None else None
        if side == "books":  # newest first, down to the watermark
            since = since or datetime.min.replace(tzinfo=rooms.clock.now().tzinfo)
        async for page, outside in pages_of(rooms, world, work, side, module, since):
            newest = _take_echoes(rooms, world, work, side, module, page.rows, final, outside=outside)
            if newest is not None:
                newest_of[(side, module)] = max(newest, newest_of.get((side, module), newest))
    await _keep_details(rooms, world, work, plan, results, final)
    return newest_of


async def _keep_details(
    rooms: Rooms,
    world: World,
    work: EntityWork,
    plan: EntityPlan,
    results: Mapping[str, Result],
    final: Mapping[Ref, tuple[str, str]],
) -> None:
    """What the answers showed of Books customers is their detail; where persons were written, or an answer did not come, it is
    read once more: what such a write did may stand under the very stamp of the answer before."""
    again = set()
    for one in plan.actions:
        outcome = results.get(one.key, Result("blocked", "")).outcome
        if one.module == "contact_persons" and outcome in ("", "failed") and one.payload.get("contact_id"):
            again.add(str(one.payload["contact_id"]))
        elif one.side == "books" and one.module == "contacts" and outcome == "failed" and one.target is not None:
            again.add(one.target.id)
    details = {row_id: row for row_id, row in work.written.items() if row_id not in again}
    for row_id in sorted(again):
        found = await rooms.books.get("contacts", row_id)
        if found is not None:
            details[row_id] = found
    persons = take_details(rooms, world, sorted(details.items())) if details else []
    mirrors = rooms.ledger.mirrors(rooms.spec.name, "books", "contact_persons", [ref.id for ref in persons])
    _leave_open(rooms, {one.ref: one.hash for one in mirrors.values()}, final)


def _take_echoes(
    rooms: Rooms,
    world: World,
    work: EntityWork,
    side: Side,
    module: str,
    rows: list[Row],
    final: Mapping[Ref, tuple[str, str]],
    *,
    outside: bool,
) -> datetime | None:
    ledger, name = rooms.ledger, rooms.spec.name
    by_id = {str(row["id"]) if side == "crm" else books_id(module, row): row for row in rows}
    texts = [row_json(row) for row in by_id.values()]
    hashes = list_hashes(rooms, world, side, module, by_id, by_id.values(), texts, outside=by_id.keys() if outside else ())
    changed = ledger.changed(name, side, module, hashes)
    links = ledger.links(name, side, module, changed)
    bases = ledger.bases(name, [link.id for link in links.values()])
    keys = keys_by_row(rooms, world, side, module, [by_id[one] for one in changed])
    mirrors = ledger.mirrors(name, side, module, changed)
    fresh, quiet, moved = [], [], []
    newest: datetime | None = None
    for row_id in sorted(changed):
        row, stamp = by_id[row_id], stamp_of(side, by_id[row_id])
        newest = stamp if newest is None or (stamp is not None and stamp > newest) else newest
        mirror = mirrors.get(row_id)
        fresh.append(MirrorRow(row_id, stamp, hashes[row_id], row, tuple(keys.get(row_id, ())), not outside))
        if row_id in work.sent and side == "crm":
            if shows_what_was_sent(rooms, module, row, work.sent[row_id]):
                quiet.append(Ref(side, module, row_id))
            continue
        link = links.get(row_id)
        base = bases.get(link.id) if link else None
        if link is None or base is None or stamp is None or link.mapping not in world.mappings:
            continue
        spec = world.mappings[link.mapping]
        if side == "crm" and stamp == base.crm_stamp and base.crm_wrote is not None:
            now_says = project(row, spec, "crm")
            ours = {path for path in now_says if now_says[path] != (base.crm or {}).get(path)}
            agreed = {path for path in ours if path.split(".")[0] in base.crm_wrote or path not in (base.crm or {})}
            before = project(mirror.row, spec, "crm") if mirror and mirror.hash != UNSEEN else now_says
            strange = {path for path in ours - agreed if now_says[path] != before.get(path)}
            if not strange:
                moved.append(replace(base, crm={**(base.crm or {}), **{path: now_says[path] for path in agreed}}, crm_wrote=None))
                quiet.append(Ref(side, module, row_id))
        elif side == "books" and stamp == base.books_stamp:
            quiet.append(Ref(side, module, row_id))
    ledger.put_mirrors(name, side, module, fresh, rooms.clock.now())
    if module in published_modules(rooms).values():
        ledger.put_keys(name, side, module, {row_id: own_keys(rooms, module, by_id[row_id]) for row_id in changed})
    ledger.put_bases(name, moved)
    # a record that waits for a person goes on waiting, although our own write moved its stamp
    said = {ref: final.get(ref, ("unchanged", "our own write")) for ref in quiet}
    ledger.settle(name, [Settled(ref, hashes[ref.id], *said[ref]) for ref in quiet])
    _leave_open(rooms, {ref: hashes[ref.id] for row_id in changed if (ref := Ref(side, module, row_id)) not in said}, final)
    return newest


def _leave_open(rooms: Rooms, hashes: Mapping[Ref, str], final: Mapping[Ref, tuple[str, str]]) -> None:
    """Records that the next run looks at again: they keep this run's word until then, not that of the run before."""
    said = [ref for ref in hashes if ref in final]
    rooms.ledger.settle(rooms.spec.name, [Settled(ref, hashes[ref], *final[ref]) for ref in said])
    if said:
        rooms.ledger.open_mirrors(rooms.spec.name, said, side=said[0].side, module=said[0].module)
