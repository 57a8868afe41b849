"""Undo: from what a run wrote and what stands there now to a plan that goes back. Pure.

A field goes back to what it was before the run where it still says what the run wrote; what somebody changed since is left as
it is and listed with its present value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from renkei.core.mapping import Lookups, MappingSpec, unwritable, write_fields
from renkei.core.planning import ACTIVE, Draft, Known, books_key_of, candidate, field_same, make_hold, project, renamed_label
from renkei.core.records import Action, Agreement, Change, Link, Row
from renkei.core.resolving import UNDONE, UNDONE_RECORD, blank
from renkei.core.values import MISSING, Ref

UNDO = "undo"  # why an action of such a plan is there
KEEP = "keep"
RANKS = {"contact_persons": 0, "Contacts": 0, "contacts": 1, "Accounts": 1}  # persons before their customers
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
    moved      its stamp says that somebody saved it since our last write
    """

    target: Known
    partner: Known | None
    link: Link | None
    base: Mapping[str, Any] | None
    rewritten: Callable[[str], bool]
    moved: bool = False


@dataclass(frozen=True, slots=True)
class UndoRules:
    """`run`: the one that is undone. The keys are our fields on both sides."""

    run: str
    connection: str
    lookups: Lookups
    crm_key: str
    books_key: str


def written_by(actions: Iterable[Action], field: str = "") -> list[Written]:
    """The fields that these actions changed, by record, in the order of the actions. `field`: this one alone."""
    found: dict[Ref, tuple[str, dict[str, tuple[Any, Any]]]] = {}
    for action in actions:
        if action.target is None or action.verb not in ("update", "link", "unlink"):
            continue
        for change in action.changes:
            if change.side == action.side and field in ("", change.field):
                _, fields = found.setdefault(action.target, (action.mapping, {}))
                before = fields[change.field][0] if change.field in fields else change.before
                fields[change.field] = (before, change.after)
    return [Written(target, mapping, fields) for target, (mapping, fields) in found.items()]


def put_back(draft: Draft, spec: MappingSpec, wrote: Written, present: Present, rules: UndoRules) -> None:
    """Plan the record's fields back, in one write, and say both rows' words."""
    why = _cannot_be_written(present.target)
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
    link = present.link.id if present.link is not None and present.partner is not None else ""
    payload = _payload(spec, present.target, back, rules.lookups)
    key = _act(draft, spec, present, "update", payload, back, rules, link=link, undone=differ)
    _say(draft, present, "updated", "undo", detail, [key])


def remove_made(draft: Draft, spec: MappingSpec, wrote: Written, present: Present, rules: UndoRules) -> None:
    """Plan to remove a record that the run made. `wrote`: all that its create said. What somebody edited since stays, and so does
    its link; where Books has transactions of it, load makes it inactive and says so."""
    target, partner = present.target, present.partner
    why = _cannot_be_written(target)
    if why:
        _say(draft, present, *why)
        return
    left = [
        {"field": name, "side": target.ref.side, "before": now, "after": None, "reason": "changed_since"}
        for name, (_, after) in sorted(wrote.fields.items())
        if name in target.values and not _still_ours(spec, name, now := target.values[name], after, present)
    ]
    if left or present.moved:
        _say(draft, present, "skipped", "changed_since", {"left": left} if left else {})
        return
    link = present.link.id if present.link is not None else ""
    gone = {name: None for name, value in target.values.items() if not blank(value)}
    payload = {"contact_id": str(target.raw["contact_id"])} if target.ref.module == "contact_persons" else {"id": target.ref.id}
    key = _act(draft, spec, present, "remove", payload, gone, rules, link=link)
    if partner is not None and not partner.deleted and link:
        hold = make_hold(rules.connection, draft.entity, UNDONE_RECORD, partner, None, [], ("create", "skip"))
        draft.holds[hold.id] = hold
    _say(draft, present, "removed", "undo", actions=[key])


def end_link(
    draft: Draft, spec: MappingSpec, link: Link, wrote: Mapping[Ref, Written], crm: Present, books: Present, rules: UndoRules
) -> None:
    """Plan to end a link that the run made: what it wrote on both records goes back, and our keys go. Both are set aside."""
    for present in (crm, books):
        why = _cannot_be_written(present.target)
        if why:
            _say(draft, present, *why)
            return
    back: dict[Ref, dict[str, Any]] = {}
    left: list[dict[str, Any]] = []
    for present in (crm, books):
        ref, fields = present.target.ref, Written(present.target.ref, spec.name, {})
        back[ref], some = _sorted_out(spec, wrote.get(ref, fields), present, rules)
        left += some
    left_known, right_known = crm.target, books.target
    _rest_on(draft, spec, link.id, left_known, right_known)
    keys = []
    payload = _payload(spec, right_known, back[link.books], rules.lookups)
    if str(books_key_of(right_known.raw, rules.books_key) or "") == str(link.crm):
        payload["custom_fields"] = [*payload.get("custom_fields", []), {"api_name": rules.books_key, "value": ""}]
    if back[link.books] or "custom_fields" in payload:
        keys.append(_act(draft, spec, books, "update", payload, back[link.books], rules, link=link.id))
    payload = _payload(spec, left_known, back[link.crm], rules.lookups)
    if str(left_known.raw.get(rules.crm_key) or "") == link.books.id:
        payload[rules.crm_key] = None
    keys.append(_act(draft, spec, crm, "unlink", payload, back[link.crm], rules, link=link.id, needs=tuple(keys)))
    choices = (f"link {link.books}", "create", "skip")
    hold = make_hold(rules.connection, draft.entity, UNDONE_RECORD, left_known, None, [candidate(right_known, {})], choices)
    draft.holds[hold.id] = hold
    _say(draft, crm, "removed", "undo", {"left": left} if left else {}, keys)


def link_again(
    draft: Draft, spec: MappingSpec, link: Link, wrote: Mapping[Ref, Written], crm: Present, books: Present, rules: UndoRules
) -> None:
    """Plan to link two records again that an undo took apart, with what they said then."""
    for present in (crm, books):
        why = _cannot_be_written(present.target)
        if why or present.link is not None:
            _say(draft, replace(crm, partner=books.target), *(why or ("skipped", "changed_since")))
            return
    pair = replace(crm, partner=books.target)
    back: dict[Ref, dict[str, Any]] = {}
    left: list[dict[str, Any]] = []
    for present in (crm, books):
        ref = present.target.ref
        back[ref], some = _sorted_out(spec, wrote.get(ref, Written(ref, spec.name, {})), present, rules)
        left += some
    _rest_on(draft, spec, link.id, crm.target, books.target, evidence="decision")
    payload = _payload(spec, crm.target, back[link.crm], rules.lookups)
    payload[rules.crm_key] = link.books.id
    keys = [_act(draft, spec, pair, "link", payload, back[link.crm], rules, link=link.id)]
    if back[link.books]:
        payload = _payload(spec, books.target, back[link.books], rules.lookups)
        there = replace(books, partner=crm.target)
        keys.append(_act(draft, spec, there, "update", payload, back[link.books], rules, link=link.id, needs=tuple(keys)))
    draft.unaside += [link.crm, link.books]
    _say(draft, pair, "linked", "undo", {"left": left} if left else {}, keys)


def activate_again(draft: Draft, spec: MappingSpec, present: Present, rules: UndoRules) -> None:
    """Plan to mark a Books record active again that the run made inactive."""
    target = present.target
    why = _cannot_be_written(target)
    if why:
        _say(draft, present, *why)
        return
    if present.partner is not None and present.link is not None:
        _rest_on(draft, spec, present.link.id, *_in_order(target, present.partner))
    named = next((item.name for item in spec.fields if item.special == "active"), "status")
    changes = (Change(named, "books", target.values.get(named, "inactive"), True if named != "status" else "active", UNDO),)
    link = present.link.id if present.link is not None and present.partner is not None else ""
    key = _act(draft, spec, present, "update", {ACTIVE: True}, {}, rules, link=link, changes=changes)
    _say(draft, present, "updated", "undo", actions=[key])


def _act(
    draft: Draft,
    spec: MappingSpec,
    present: Present,
    verb: str,
    payload: Row,
    values: Mapping[str, Any],
    rules: UndoRules,
    *,
    link: str = "",
    needs: tuple[str, ...] = (),
    undone: tuple[str, ...] = (),
    changes: tuple[Change, ...] | None = None,
) -> str:
    target = present.target
    side, module = target.ref.side, target.ref.module
    if changes is None:
        changes = tuple(Change(name, side, target.values.get(name), value, UNDO) for name, value in sorted(values.items()))
    calls = 0.0 if not payload else 0.01 if side == "crm" else 1.0
    return draft.act(
        Action(
            key=f"{draft.entity}|{UNDO}|{verb}|{side}|{module}|{target.ref}|{rules.run}", entity=draft.entity, mapping=spec.name,
            verb=verb, side=side, module=module, target=target.ref,
            source=present.partner.ref if present.partner is not None else None,
            payload=payload, changes=changes, reason=UNDO, needs=needs, stamp=target.stamp, calls=calls,
            rank=(RANKS.get(module, 2), target.ref.id), link=link, undone=undone,
        )
    )  # fmt: skip


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
    _rest_on(draft, spec, present.link.id, crm, books)
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


def _rest_on(draft: Draft, spec: MappingSpec, link: str, crm: Known, books: Known, evidence: str = "") -> None:
    """The pair as it is now: what the base becomes with each write, and nothing without one."""
    draft.agreements[link] = Agreement(
        link, draft.entity, spec.name, crm.ref, books.ref, project(crm.raw, spec, "crm"), project(books.raw, spec, "books"),
        crm.stamp, books.stamp, (), evidence,
    )  # fmt: skip


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
    partner = present.partner
    if actions and partner is not None and partner.deleted:
        detail = {**(detail or {}), "deleted": partner.ref.side}
    for known in (present.target, partner):
        if known is not None:
            draft.say(known, outcome, reason, detail=detail, actions=actions)
