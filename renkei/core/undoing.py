"""Undo: from what a run wrote and what stands there now to a plan that goes back. Pure.

A field goes back to what it was before the run where it still says what the run wrote; what somebody changed since is left as
it is and listed with its present value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renkei.core.mapping import Lookups, MappingSpec, unwritable, write_fields
from renkei.core.planning import ACTIVE, Draft, Known, candidate, field_same, make_hold, project, renamed_label
from renkei.core.records import Action, Agreement, Change, Link, Row
from renkei.core.resolving import UNDONE, blank
from renkei.core.values import MISSING, Ref

UNDO = "undo"  # why an action of such a plan is there
KEEP = "keep"
FIELD_CHOICES = ("crm", "books", KEEP)


@dataclass(frozen=True, slots=True)
class Written:
    """What a run wrote on one record that stood there before: field → (before the run, as the run left it)."""

    target: Ref
    mapping: str
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(slots=True)
class Present:
    """A record that the run wrote, as it is now, with its partner where it has one.

    base       its own half of the base, canonical values; None without one
    rewritten  whether a later write of ours wrote this field of it
    """

    target: Known
    partner: Known | None
    link: Link | None
    base: Mapping[str, Any] | None
    rewritten: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class UndoRules:
    """`run`: the one that is undone."""

    run: str
    connection: str
    lookups: Lookups


def written_by(actions: Iterable[Action], field: str = "") -> list[Written]:
    """The fields that these actions changed, by record, in the order of the actions. `field`: this one alone."""
    found: dict[Ref, tuple[str, dict[str, tuple[Any, Any]]]] = {}
    for action in actions:
        if action.target is None or action.verb not in ("update", "link"):
            continue
        for change in action.changes:
            if change.side == action.side and field in ("", change.field):
                _, fields = found.setdefault(action.target, (action.mapping, {}))
                before = fields[change.field][0] if change.field in fields else change.before
                fields[change.field] = (before, change.after)
    return [Written(target, mapping, fields) for target, (mapping, fields) in found.items()]


def put_back(draft: Draft, spec: MappingSpec, wrote: Written, present: Present, rules: UndoRules) -> None:
    """Plan the record's fields back, in one write, and say both rows' words."""
    target = present.target
    why = _cannot_be_written(target)
    if why:
        _say(draft, present, *why)
        return
    back, left = _sorted_out(spec, wrote, present, rules)
    detail: dict[str, Any] = {"left": left} if left else {}
    if not back:
        outcome, reason = ("skipped", str(left[0]["reason"])) if left else ("unchanged", "as_before")
        _say(draft, present, outcome, reason, detail)
        return
    differ = _agree_again(draft, spec, present, back, rules)
    side, module = target.ref.side, target.ref.module
    key = draft.act(
        Action(
            key=f"{draft.entity}|{UNDO}|{side}|{module}|{target.ref}|{rules.run}", entity=draft.entity, mapping=spec.name,
            verb="update", side=side, module=module, target=target.ref,
            source=present.partner.ref if present.partner is not None else None,
            payload=_payload(spec, target, back, rules.lookups),
            changes=tuple(Change(name, side, target.values[name], value, UNDO) for name, value in sorted(back.items())),
            reason=UNDO, stamp=target.stamp, calls=0.01 if side == "crm" else 1.0,
            rank=(0 if side == "crm" else 1, target.ref.id),
            link=present.link.id if present.link is not None and present.partner is not None else "", undone=differ,
        )
    )  # fmt: skip
    _say(draft, present, "updated", "undo", detail, [key])


def _cannot_be_written(target: Known) -> tuple[str, str] | None:
    if target.deleted:
        return "skipped", "deleted"
    if target.blocked:
        return "blocked", target.blocked
    return None if target.complete else ("blocked", "budget")


def _sorted_out(
    spec: MappingSpec, wrote: Written, present: Present, rules: UndoRules
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The fields that go back, with the values that they go back to; and those that are left, each with its present value
    (`before`), what it would go back to (`after`) and why."""
    side = present.target.ref.side
    mapped = {item.name for item in spec.fields if item.path(side)}
    back, left = {}, []
    for name, (before, after) in sorted(wrote.fields.items()):
        now = present.target.values.get(name, MISSING)
        wanted = None if before is MISSING else before
        if name not in mapped or now is MISSING:
            why = "not_mapped"
        elif now == wanted or (blank(now) and blank(wanted)):
            continue
        elif not _still_ours(spec, name, now, after, present):
            why = "changed_since"
        elif unwritable(spec, side, {name: wanted}, rules.lookups):
            why = "unwritable"
        else:
            back[name] = wanted
            continue
        left.append({"field": name, "side": side, "before": None if now is MISSING else now, "after": wanted, "reason": why})
    return back, left


def _still_ours(spec: MappingSpec, name: str, now: Any, after: Any, present: Present) -> bool:
    """Whether the field says what the run wrote: in the same words, or in those that the other system made of it."""
    if now == after or (blank(now) and blank(after)) or field_same(spec.field(name), now, after):
        return True
    unedited = present.base is not None and present.base.get(name, MISSING) == now
    return unedited and not present.rewritten(name)


def _payload(spec: MappingSpec, target: Known, back: Mapping[str, Any], lookups: Lookups) -> Row:
    payload: Row = dict(write_fields(spec, target.ref.side, back, target.raw, lookups))
    if target.ref.side == "crm":
        return payload
    for item in spec.fields:
        if item.special == "active" and item.name in back:
            payload[ACTIVE] = bool(back[item.name])
    if spec.books_module == "contacts" and any(name in back for name in spec.label):
        named = [back.get(name, target.values.get(name)) for name in spec.label]
        label = renamed_label(target.raw, target.label, " ".join(one for one in named if isinstance(one, str)).strip())
        if label:
            payload["contact_name"] = label
    if spec.books_module == "contact_persons":
        payload["contact_id"] = str(target.raw["contact_id"])
    return payload


def _agree_again(draft: Draft, spec: MappingSpec, present: Present, back: Mapping[str, Any], rules: UndoRules) -> tuple[str, ...]:
    """What the base of the pair rests on, and the fields whose sides differ once the record is back: a person is asked which
    holds, so that no run does again by itself what was undone, nor forgets it."""
    if present.partner is None or present.link is None:
        return ()
    crm, books = _in_order(present.target, present.partner)
    draft.agreements[present.link.id] = Agreement(
        present.link.id, draft.entity, spec.name, crm.ref, books.ref, project(crm.raw, spec, "crm"),
        project(books.raw, spec, "books"), crm.stamp, books.stamp, (),
    )  # fmt: skip
    differ = []
    for name, value in sorted(back.items()):
        item, theirs = spec.field(name), present.partner.values.get(name, MISSING)
        if theirs is MISSING or (blank(value) and blank(theirs)) or field_same(item, value, theirs):
            continue
        if not item.path(present.partner.ref.side) or item.create_only:
            continue
        values = {present.target.ref.side: value, present.partner.ref.side: theirs}
        shown = {"values": {"crm": values["crm"], "books": values["books"]}}
        hold = make_hold(rules.connection, draft.entity, UNDONE, crm, name, [candidate(books, {})], FIELD_CHOICES, shown)
        draft.holds[hold.id] = hold
        differ.append(name)
    return tuple(differ)


def _in_order(one: Known, two: Known) -> tuple[Known, Known]:
    return (one, two) if one.ref.side == "crm" else (two, one)


def _say(
    draft: Draft,
    present: Present,
    outcome: str,
    reason: str,
    detail: Mapping[str, Any] | None = None,
    actions: Sequence[str] = (),
) -> None:
    for known in (present.target, present.partner):
        if known is not None:
            draft.say(known, outcome, reason, detail=detail, actions=actions)
