"""Validate: rows that break an expectation are quarantined one by one; an entity halts above its threshold."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from renkei.core.errors import SourceRefused
from renkei.core.mapping import too_long, unreadable, unwritable
from renkei.core.planning import Known
from renkei.core.records import QuarantineRow
from renkei.core.values import MISSING, Ref, Side, other
from renkei.engine.extract import judge_arrival
from renkei.engine.quarantine import DISCARDED
from renkei.engine.work import EntityWork, Request, Rooms, World

HALT_SHARE = 0.5  # an entity of which half is unusable has a broken source, not broken rows
HALT_FROM = 20


async def validate_arrival(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """What this run read has been checked on its way in; open rows that waited, or had been discarded, are checked again here."""
    stored = {row.record for row, _, _ in rooms.ledger.quarantine(rooms.spec.name) if row.entity == work.entity}
    stored |= {ref for ref, mirror in work.mirrors.items() if (mirror.outcome, mirror.reason) == DISCARDED}
    by_list: dict[tuple[Side, str], list[Known]] = {}
    for ref, known in work.known.items():
        if ref in stored and known.extracted and not known.deleted and ref not in work.fresh_quarantine and known.in_view:
            by_list.setdefault((ref.side, ref.module), []).append(known)
    for (side, module), members in by_list.items():
        if module != "contact_persons":
            judge_arrival(rooms, work, side, module, [(one.ref.id, work.mirrors[one.ref].row) for one in members])
    for ref, rows in work.fresh_quarantine.items():
        if ref in work.known:
            work.quarantine.setdefault(ref, []).extend(rows)


def validate_canonical(rooms: Rooms, world: World, work: EntityWork, refs: Iterable[Ref]) -> None:
    """Check canonical values against `canonical/<mapping>`, and that they can be read, and would fit the other side."""
    groups: dict[str, list[Known]] = {}
    for ref in refs:
        known = work.known[ref]
        mapping = work.mapping_of[ref]
        if mapping.startswith("!") or known.deleted or not known.in_view or ref in work.quarantine:
            continue
        groups.setdefault(mapping, []).append(known)
    for mapping, members in groups.items():
        spec = world.mappings[mapping]
        checked = []
        for known in members:
            rows = [
                QuarantineRow(known.ref, work.entity, "readable", name, marker.why, str(marker.raw)[:200])
                for name, marker in unreadable(known.values)
            ]
            target = other(known.ref.side)
            travelling = {item.name: known.values.get(item.name, MISSING) for item in spec.fields if item.travels_to(target)}
            rows += [
                QuarantineRow(
                    known.ref,
                    work.entity,
                    "target_limit",
                    name,
                    f"{size} characters; {target} takes {limit}",
                    str(known.values[name])[:200],
                )
                for name, size, limit in too_long(spec, target, travelling)
            ]
            readable = {name: value for name, value in travelling.items() if name not in {row.field for row in rows}}
            rows += [
                QuarantineRow(known.ref, work.entity, "writable", name, marker.why, str(marker.raw)[:200])
                for name, marker in unwritable(spec, target, readable, world.lookups)
            ]
            if rows:
                work.quarantine[known.ref] = rows
            else:
                checked.append(known)
        if checked:
            _judge(rooms, work, mapping, checked)
    _halt(work)


def _judge(rooms: Rooms, work: EntityWork, mapping: str, members: list[Known]) -> None:
    # both sides may hold one id: the frame's id is the whole reference
    frame = pd.DataFrame(
        {
            "id": pd.Series([str(known.ref) for known in members], dtype="string"),
            **{
                name: pd.Series([known.values.get(name, MISSING) for known in members], dtype=object)
                for name in members[0].values
            },
        }
    )
    for failure in rooms.judge.judge(f"canonical/{mapping}", frame).failures:
        ref = Ref.parse(failure.id)
        work.quarantine.setdefault(ref, []).append(
            QuarantineRow(ref, work.entity, failure.rule, failure.field, failure.words, failure.value)
        )


def _halt(work: EntityWork) -> None:
    """Raises SourceRefused where most of what this run read is bad; rows that wait in quarantine anyway are no news."""
    waits = {ref for ref, mirror in work.mirrors.items() if mirror.outcome == "quarantined"}
    news = sum(1 for ref, known in work.known.items() if known.extracted and ref not in waits)
    read = news + sum(Ref(*place, row_id) not in work.known for place, ids in work.unchanged.items() for row_id in ids)
    bad = [ref for ref in work.quarantine if work.known[ref].extracted and ref not in waits]
    if len(bad) < HALT_FROM or len(bad) <= HALT_SHARE * read:
        return
    rules: dict[str, int] = {}
    for rows in work.quarantine.values():
        for row in rows:
            rules[row.rule] = rules.get(row.rule, 0) + 1
    rule = max(sorted(rules), key=lambda name: rules[name])
    raise SourceRefused(work.entity, "arrival and canonical", rule, len(bad), tuple(str(ref) for ref in sorted(bad)[:5]))
