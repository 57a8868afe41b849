"""Plan one entity: from pairs, strays, policies and decisions to a frozen, sorted, fingerprinted list of actions.

Pure: no clock, no network, no ids but those made of content. Same inputs in any order, same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from renkei.core.connection import EntitySettings
from renkei.core.mapping import FieldSpec, Lookups, MappingSpec, bind, get_path, with_defaults, write_fields
from renkei.core.records import (
    OUTCOMES,
    Action,
    Agreement,
    Change,
    Hold,
    Link,
    QuarantineRow,
    Row,
    Verdict,
)
from renkei.core.resolving import UNDONE, FieldStep, PairPolicy, blank, resolve_pair, unlinked_cell
from renkei.core.values import MISSING, Ref, Side, content_hash, time_text


@lru_cache(maxsize=512)
def _equality(item: FieldSpec) -> Any:
    return bind(item, "crm").same


def field_same(item: FieldSpec, a: Any, b: Any) -> bool:
    """Whether two canonical values of a field say the same on both sides."""
    return bool(_equality(item)(a, b))


def project(raw: Row, spec: MappingSpec, side: Side) -> Row:
    """path → raw value of every mapped field that the row serves: what a base keeps of it."""
    found = {}
    for item in spec.fields:
        path = item.path(side)
        if path:
            value = get_path(raw, path)
            if value is not MISSING:
                found[path] = value
    return found


def base_values(base: Row | None, spec: MappingSpec, side: Side, lookups: Lookups) -> dict[str, Any] | None:
    """A base's half under the present mapping: canonical name → value, MISSING for a field that it does not hold."""
    if base is None:
        return None
    values = {}
    for item in spec.fields:
        path = item.path(side)
        values[item.name] = bind(item, side, lookups).read(base.get(path, MISSING)) if path else MISSING
    return values


WORST = {word: place for place, word in enumerate(OUTCOMES)}


@dataclass(slots=True)
class Known:
    """A record as the planner sees it. `values`: canonical name → value; `raw`: list row and detail together.

    complete   every mapped field could be read (a Books record without its detail is not)
    blocked    a reason why nothing may be written to or for it in this run, or ""
    """

    ref: Ref
    hash: str
    stamp: datetime | None
    raw: Row
    values: Mapping[str, Any]
    label: str
    in_view: bool = True
    deleted: bool = False
    complete: bool = True
    blocked: str = ""
    extracted: bool = True


@dataclass(frozen=True, slots=True)
class PlanRules:
    """What governs one entity's plan. `decisions`: (record, question, field or "") → choice, by people."""

    connection: str
    settings: EntitySettings
    crm_key: str
    books_key: str
    lookups: Lookups
    rules: str  # hash of mapping and settings; a `skip` is looked at again when it changes
    decisions: Mapping[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)  # → (choice, hold id)
    organization: str = ""  # of Books: what is made in another one has links of its own
    rebuilt: bool = False  # links come from our keys: what people decided before is not known
    undone: Mapping[Ref, Hold] = field(default_factory=dict)  # open questions about what an undo left without a partner
    unsure: Collection[str] = ()  # open holds that are asked for that reason alone


@dataclass(slots=True)
class LinkedPair:
    """A link with both its records as they are now and as its base remembers them (canonical values).

    crm_stamp, books_stamp   of our own last write on that side, or of the read that the base rests on: no edit is told by it
    """

    link: Link
    crm: Known
    books: Known
    crm_base: Mapping[str, Any] | None
    books_base: Mapping[str, Any] | None
    crm_stamp: datetime | None = None
    books_stamp: datetime | None = None
    undone: Collection[str] = ()
    owed: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a customer's pair of which a record was deleted ends: the effect of its cell, with its action's key or its hold."""

    effect: str
    key: str
    hold: str


@dataclass(slots=True)
class Draft:
    """A plan in the making. `say` keeps the first word of OUTCOMES that applies to a record.

    read   (side, module) → ids of rows that this run read and found unchanged: they too take the word of their pair
    """

    entity: str
    read: Mapping[tuple[Side, str], Collection[str]] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=dict)
    verdicts: dict[Ref, Verdict] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    asides: list[tuple[Ref, str, str]] = field(default_factory=list)
    unaside: list[Ref] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)  # links whose state changes without a write
    quarantine: list[QuarantineRow] = field(default_factory=list)
    carried_out: set[str] = field(default_factory=set)  # decisions that this plan carries out
    creating: dict[Ref, str] = field(default_factory=dict)  # source record → key of the action that creates its partner
    ended: dict[Ref, Ending] = field(default_factory=dict)  # both records of a pair of which one was deleted

    def say(
        self, known: Known, outcome: str, reason: str, *, actions: Sequence[str] = (), detail: Mapping[str, Any] | None = None
    ) -> None:
        read = known.extracted or known.ref.id in self.read.get((known.ref.side, known.ref.module), ())
        if not read and not actions:
            return
        before = self.verdicts.get(known.ref)
        now = Verdict(known.ref, outcome, reason, known.hash, detail or {}, tuple(actions))
        if before is not None:
            worse, other = (before, now) if WORST[before.outcome] <= WORST[outcome] else (now, before)
            detail_both = {**other.detail, **worse.detail}
            now = replace(worse, detail=detail_both, actions=tuple(dict.fromkeys(before.actions + now.actions)))
        self.verdicts[known.ref] = now

    def act(self, action: Action) -> str:
        if action.key in self.actions:
            raise ValueError(f"two actions share the key {action.key}")
        self.actions[action.key] = action
        return action.key


def plan_linked(
    draft: Draft,
    spec: MappingSpec,
    pair: LinkedPair,
    rules: PlanRules,
    *,
    parent: Ref | None = None,
    kept: bool = False,
    copy: Ref | None = None,
    asleep: bool = False,
    needs: Sequence[str] = (),
) -> None:
    """One linked pair, both records of which are there.

    parent   the Books contact of a person, for its calls
    kept     by the built-in integration
    copy     another person there who says what this one says, who is the copy where one is to be kept
    asleep   renkei made the Books record inactive while its partner was gone or out of scope
    needs    actions that its write waits for
    """
    crm, books = pair.crm, pair.books
    if pair.link.dead is not None:  # the dead side is back from the recycle bin
        draft.links.append(replace(pair.link, dead=None))
        draft.unaside += [crm.ref, books.ref]
        say_both(draft, crm, books, "linked", "returned")
    blocked = crm.blocked or books.blocked
    if blocked:
        say_both(draft, crm, books, "blocked", blocked)
        return
    if not crm.in_view:
        say_both(draft, crm, books, "skipped", "out_of_view")
        return
    if not books.complete:
        say_both(draft, crm, books, "blocked", "budget")
        return
    winners = _winners(draft, rules, crm.ref, books.ref)
    by_policy = pair.link.evidence == "policy" and parent is None and rules.settings.duplicates == "overwrite"
    policy = PairPolicy(
        rules.settings.conflicts, rules.settings.direction, None, winners, pair.undone, pair.owed,
        "overwrite" if by_policy else "link",
    )  # fmt: skip
    edited_at = (
        crm.stamp if crm.stamp != pair.crm_stamp else None,
        books.stamp if books.stamp != pair.books_stamp else None,
    )
    steps = resolve_pair(spec, crm.values, books.values, pair.crm_base, pair.books_base, policy, field_same, edited_at)
    wanted = all(crm.values.get(item.name) is not False for item in spec.fields if item.special == "active")
    wake = asleep and wanted and not kept
    _carry_out_steps(
        draft, spec, crm, books, steps, rules, link_id=pair.link.id, evidence="", parent=parent, kept=kept, copy=copy, wake=wake,
        before=needs,
    )  # fmt: skip


def plan_duplicate(
    draft: Draft,
    spec: MappingSpec,
    crm: Known,
    books: Known,
    rules: PlanRules,
    *,
    evidence: str,
    match: Mapping[str, Any],
    parent: Ref | None = None,
    kept: bool = False,
) -> None:
    """An unlinked CRM record and its one clear candidate. evidence: `policy`, or `key`/`native`/`decision` for a sure link.
    `kept`: the built-in integration keeps the pair."""
    blocked = crm.blocked or books.blocked
    if blocked:
        say_both(draft, crm, books, "blocked", blocked)
        return
    if not crm.in_view:
        say_both(draft, crm, books, "skipped", "out_of_view")
        return
    word = rules.settings.duplicates
    if evidence != "policy" or parent is not None:  # persons of linked customers meet as `link`: their customer was decided
        word = "link"
    unsure = word == "clone" and (rules.rebuilt or hold_id(rules.connection, "duplicate", crm.ref, None) in rules.unsure)
    if unsure:  # perhaps a person skipped it, or an earlier clone passed it over
        word = "ask"
    cell = unlinked_cell("duplicate", word, rules.settings.direction)
    detail = {"candidates": [{"record": str(books.ref), "label": books.label, **match}]}
    if cell.effect == "hold":
        choices = (f"link {books.ref}", "create", "skip")
        why = {"rebuilt": True} if unsure else {}
        hold = make_hold(rules.connection, draft.entity, "duplicate", crm, None, [candidate(books, match)], choices, why)
        draft.holds[hold.id] = hold
        say_both(draft, crm, books, "held", "duplicate", {"hold": hold.id, **detail})
        return
    if word == "skip":
        mark = content_hash([crm.hash, books.hash, rules.rules])
        draft.asides += [(crm.ref, "duplicates_skip", mark), (books.ref, "duplicates_skip", mark)]
        say_both(draft, crm, books, "skipped", "duplicates_skip", detail)
        return
    if word == "clone":
        key = plan_create(draft, spec, crm, "books", rules, distinct=True, detail=detail)
        if key:
            draft.asides.append((books.ref, "duplicates_clone", ""))
        beside = {"candidates": [{"record": str(crm.ref), "label": crm.label}]}
        draft.say(books, "skipped", "set_aside", actions=(key,) if key else (), detail=beside)
        return
    if not books.complete:
        say_both(draft, crm, books, "blocked", "budget", detail)
        return
    link_id = content_hash([rules.connection, str(crm.ref), str(books.ref)])[:32]
    policy = PairPolicy(
        rules.settings.conflicts, rules.settings.direction, "link" if evidence == "decision" else word,
        _winners(draft, rules, crm.ref, books.ref),
    )  # fmt: skip
    if evidence in ("key", "native"):
        policy = replace(policy, first=None)
    steps = resolve_pair(spec, crm.values, books.values, None, None, policy, field_same, (crm.stamp, books.stamp))
    if evidence == "key":  # made by us, the answer was lost: what we made distinct is no second value
        steps = [step for step in steps if not _is_distinct_form(spec, step.spec.name, crm, books)]
    _carry_out_steps(
        draft, spec, crm, books, steps, rules, link_id=link_id, evidence=evidence, parent=parent, kept=kept, detail=detail
    )


def plan_ambiguous(
    draft: Draft,
    crm_rows: Sequence[Known],
    books_rows: Sequence[Known],
    rules: PlanRules,
    scores: Mapping[tuple[str, str], Mapping[str, Any]],
) -> None:
    """Several candidates: one hold per CRM record (or per Books record where no CRM record asks), nothing is written."""
    askers, others = (crm_rows, books_rows) if crm_rows else (books_rows, crm_rows)
    for asker in askers:
        found = []
        for one in others:
            pair = (asker.ref.id, one.ref.id) if asker.ref.side == "crm" else (one.ref.id, asker.ref.id)
            if pair in scores:
                found.append(candidate(one, scores[pair]))
        if not asker.in_view:
            draft.say(asker, "skipped", "out_of_view")
            continue
        choices = (*(f"link {one['record']}" for one in found), "create", "skip")
        hold = make_hold(rules.connection, draft.entity, "ambiguous", asker, None, found, choices)
        draft.holds[hold.id] = hold
        draft.say(asker, "held", "ambiguous", detail={"hold": hold.id, "candidates": found})
        for one in others:
            if any(item["record"] == str(one.ref) for item in found):
                draft.say(one, "held", "ambiguous", detail={"hold": hold.id, "candidates": [candidate(asker, {})]})


def plan_create(
    draft: Draft,
    spec: MappingSpec,
    source: Known,
    side: Side,
    rules: PlanRules,
    *,
    distinct: bool = False,
    needs: Sequence[str] = (),
    parent: Mapping[str, Any] | None = None,
    persons: Sequence[tuple[Ref, Row]] = (),
    detail: Mapping[str, Any] | None = None,
    again: Link | None = None,
) -> str:
    """Create the source's partner on `side`; returns the action's key, or "" where it was not planned.

    parent    raw fields that place a person under its customer (`contact_id`, or `Account_Name`)
    persons   (CRM contact, contact-person body) that travel inside a customer's create
    again     the link of a pair whose record on that side was deleted: it is made again, and the link goes on
    """
    if source.blocked:
        draft.say(source, "blocked", source.blocked)
        return ""
    if not source.in_view:
        draft.say(source, "skipped", "out_of_view")
        return ""
    cell = unlinked_cell("crm_only" if side == "books" else "books_only", rules.settings.duplicates, rules.settings.direction)
    if cell.effect == "leave" and again is None:
        draft.say(source, cell.outcome, cell.reason)
        return ""
    if not source.complete:
        draft.say(source, "blocked", "budget")
        return ""
    module = spec.books_module if side == "books" else spec.crm_module
    values = _create_values(spec, source, side)
    payload: Row = dict(write_fields(spec, side, values, None, rules.lookups))
    payload.update(parent or {})
    if persons:
        payload["contact_persons"] = [body for _, body in persons]
    if side == "crm":
        payload[rules.crm_key] = source.ref.id
    elif module in KEYED_BOOKS_MODULES:
        _add_custom_field(payload, rules.books_key, str(source.ref))
    for item in spec.fields if side == "books" else ():
        if item.special == "active" and values.get(item.name) is False:  # a create makes an active one
            payload[ACTIVE] = False
    if side == "books" and module == "contacts":
        payload["contact_name"] = distinct_label(source.label, source.ref) if distinct else source.label
    if distinct and module == "items":
        payload["name"] = distinct_label(str(payload.get("name", "")), source.ref)[-100:]
        if payload.get("sku"):
            payload["sku"] = f"{payload['sku']}-{source.ref.id[-6:]}"
    key = f"{draft.entity}|create|{side}|{module}|{source.ref}"
    reason = "recreate" if again is not None else "duplicates_clone" if distinct else cell.reason
    link = again.id if again is not None else content_hash([rules.connection, rules.organization, key])[:32]
    changes = tuple(Change(name, side, None, value, "new") for name, value in sorted(values.items()))
    draft.act(
        Action(
            key=key, entity=draft.entity, mapping=spec.name, verb="create", side=side, module=module, target=None,
            source=source.ref, payload=payload, changes=changes, reason=reason,
            needs=tuple(needs), stamp=source.stamp, calls=1.0 if side == "books" else 0.01,
            rank=(3 if needs else 2, _newest_first(source.stamp)),
            link=link, carries=tuple(ref for ref, _ in persons),
            edited_by=_edited_by(source), edited_at=source.stamp,
        )
    )  # fmt: skip
    draft.creating[source.ref] = key
    keys = [key]
    if side == "books":
        keys.append(_write_key(draft, spec, source, rules, {"$created": key}, draft.actions[key].link, key))
    draft.say(source, "created", reason, actions=keys, detail=detail)
    _agree(draft, spec, source, rules, key, side)
    return key


COPY = "renkei:"  # begins the Books key of a record that has no CRM record of its own
ACTIVE = "$active"  # in a Books payload: load makes the call of its own that this needs
REMEMBER = "$deal_document"  # in a payload: what the ledger is to remember of a deal's document once it is written
KEYED_BOOKS_MODULES = frozenset({"contacts", "items"})  # persons cannot hold a custom field (books-v3.md section 6.6)


def distinct_label(label: str, crm: Ref) -> str:
    """Books' own unique label for a second record of one name: ` (last six digits of the CRM id)`, at most 200 long."""
    suffix = f" ({crm.id[-6:]})"
    return label[: 200 - len(suffix)] + suffix


def hold_id(connection: str, question: str, asker: Ref, field_name: str | None) -> str:
    """Which question it is, however often it is asked."""
    return content_hash([connection, question, str(asker), field_name or ""])[:12]


def _is_distinct_form(spec: MappingSpec, name: str, crm: Known, books: Known) -> bool:
    """Whether an item's name or SKU is the CRM product's with the suffix that a second item of the name was made with."""
    given, told = crm.values.get(name), books.values.get(name)
    if spec.books_module != "items" or not isinstance(given, str):
        return False
    return told in (distinct_label(given, crm.ref)[-100:], f"{given}-{crm.ref.id[-6:]}")


def free_key(draft: Draft, spec: MappingSpec, books: Known, rules: PlanRules) -> str:
    """Take our key from a Books record whose link went to another one, which is to hold it; "" where it holds none."""
    if not _books_key(books.raw, rules.books_key):
        return ""
    payload: Row = {}
    _add_custom_field(payload, rules.books_key, "")
    return draft.act(
        Action(
            key=f"{draft.entity}|free|books|{spec.books_module}|{books.ref}", entity=draft.entity, mapping=spec.name,
            verb="update", side="books", module=spec.books_module, target=books.ref, source=None, payload=payload,
            changes=(), reason="link_moved", stamp=books.stamp, calls=1.0, rank=(0, books.ref.id),
        )
    )  # fmt: skip


def make_hold(
    connection: str,
    entity: str,
    question: str,
    asker: Known,
    field_name: str | None,
    candidates: Sequence[Mapping[str, Any]],
    choices: Sequence[str],
    detail: Mapping[str, Any] | None = None,
) -> Hold:
    """A hold whose id depends on connection, question, record and field only: asked once, however often it is met."""
    hold = hold_id(connection, question, asker.ref, field_name)
    return Hold(
        hold, entity, question, asker.ref, field_name, tuple(dict(item) for item in candidates), tuple(choices),
        {"label": asker.label, **(detail or {})},
    )  # fmt: skip


def candidate(known: Known, match: Mapping[str, Any]) -> dict[str, Any]:
    return {"record": str(known.ref), "label": known.label, **match}


# ------------------------------------------------------------------------------------------------------ inner steps


def _carry_out_steps(
    draft: Draft,
    spec: MappingSpec,
    crm: Known,
    books: Known,
    steps: Sequence[FieldStep],
    rules: PlanRules,
    *,
    link_id: str,
    evidence: str,
    parent: Ref | None,
    kept: bool,
    copy: Ref | None = None,
    wake: bool = False,
    before: Sequence[str] = (),
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Turn the field steps of one pair into at most one write a side, holds, an agreement and both rows' words.

    kept   the built-in integration keeps the pair: what agrees is noted, nothing is written but our key, nobody is asked
    wake   the Books record is made active again
    """
    if wake:
        steps = [step for step in steps if step.spec.special != "active"]
    waiting = [step for step in steps if kept and step.cell.effect not in ("adopt", "leave")]
    by_effect: dict[str, list[FieldStep]] = {}
    for step in steps:
        if step not in waiting:
            by_effect.setdefault(step.cell.effect, []).append(step)
    to_books = by_effect.get("write_books", []) + by_effect.get("copy", [])
    to_crm = by_effect.get("write_crm", [])
    actions: list[str] = []
    if by_effect.get("copy") and copy is not None:
        draft.asides.append((copy, "conflicts_clone", ""))
    elif by_effect.get("copy"):
        actions.append(_copy_books_version(draft, spec, books, link_id, rules, parent))
    first = (*before, *actions)
    actions += _link_or_write_crm(draft, spec, crm, books, to_crm, rules, link_id, evidence)
    if to_books or wake:  # after the copy, and after the link where this plan makes it; another field's write may fail by itself
        needs = tuple(actions) if evidence else first
        actions.append(_write_books(draft, spec, crm, books, to_books, rules, link_id, parent, needs, wake=wake))
    # what a new link leaves as it is on both sides stands until one of them is edited
    open_effects = (
        ("hold", "write_books", "write_crm", "copy") if evidence else ("hold", "leave", "write_books", "write_crm", "copy")
    )
    unsettled = {step.spec.name for effect in open_effects for step in by_effect.get(effect, [])}
    unsettled |= {step.spec.name for step in waiting}
    unsettled |= {item.name for item in spec.fields if wake and item.special == "active"}
    agreed = tuple(sorted(item.name for item in spec.fields if item.name not in unsettled))
    draft.agreements[link_id] = Agreement(
        link_id, draft.entity, spec.name, crm.ref, books.ref, project(crm.raw, spec, "crm"), project(books.raw, spec, "books"),
        crm.stamp, books.stamp, agreed, evidence,
    )  # fmt: skip
    said = dict(detail or {})
    held = by_effect.get("hold", [])
    if held:
        said["holds"] = [_field_hold(draft, crm, books, step, rules) for step in held]
        said["fields"] = [_shown(step) for step in held]
        say_both(draft, crm, books, "held", held[0].cell.reason, said, actions)
    left = by_effect.get("leave", [])
    if left:
        said["left"] = [_shown(step) for step in left]
    if waiting:
        said["kept"] = [_shown(step) for step in waiting]
    if wake:
        say_both(draft, crm, books, "updated", "returned", said, actions)
    elif to_books or to_crm:
        say_both(draft, crm, books, "updated", (to_books or to_crm)[0].cell.reason, said, actions)
    elif evidence:
        say_both(draft, crm, books, "linked", evidence, said, actions)
    elif waiting:
        say_both(draft, crm, books, "skipped", "native_keeps", said, actions)
    elif left:
        say_both(draft, crm, books, "skipped", left[0].cell.reason, said, actions)
    else:
        say_both(draft, crm, books, "unchanged", "", said, actions)


def _link_or_write_crm(
    draft: Draft,
    spec: MappingSpec,
    crm: Known,
    books: Known,
    steps: Sequence[FieldStep],
    rules: PlanRules,
    link_id: str,
    evidence: str,
) -> list[str]:
    """The CRM's share: our key where it is not there yet, and the fields that Books wins, in one row."""
    values = {step.spec.name: step.after for step in steps}
    payload = dict(write_fields(spec, "crm", values, crm.raw, rules.lookups)) if values else {}
    keyless = bool(evidence or rules.crm_key in crm.raw) and str(crm.raw.get(rules.crm_key) or "") != books.ref.id
    # An imported link, or a key that somebody took away. Persons who travelled with their customer never had one.
    if keyless and not payload and not evidence and spec.books_module in KEYED_BOOKS_MODULES:
        return [_write_key(draft, spec, crm, rules, books.ref.id, link_id)]
    if keyless and (payload or evidence):
        payload[rules.crm_key] = books.ref.id
    if not payload and not evidence:
        return []
    verb = "link" if evidence else "update"
    key = draft.act(
        Action(
            key=f"{draft.entity}|{verb}|crm|{spec.crm_module}|{crm.ref}", entity=draft.entity, mapping=spec.name, verb=verb,
            side="crm", module=spec.crm_module, target=crm.ref, source=books.ref, payload=payload,
            changes=tuple(Change(step.spec.name, "crm", step.before, step.after, step.cell.reason) for step in steps),
            reason=evidence or steps[0].cell.reason, stamp=crm.stamp, calls=0.01 if payload else 0.0,
            rank=(0, _newest_first(crm.stamp)), link=link_id,
        )
    )  # fmt: skip
    return [key]


def _edited_by(source: Known) -> str:
    user = source.raw.get("Modified_By")
    return str(user["id"]) if isinstance(user, dict) and user.get("id") else ""


def _write_books(
    draft: Draft,
    spec: MappingSpec,
    crm: Known,
    books: Known,
    steps: Sequence[FieldStep],
    rules: PlanRules,
    link_id: str,
    parent: Ref | None,
    needs: tuple[str, ...],
    *,
    wake: bool = False,
) -> str:
    values = {step.spec.name: step.after for step in steps}
    payload = dict(write_fields(spec, "books", values, books.raw, rules.lookups))
    for step in steps:
        if step.spec.special == "active":
            payload[ACTIVE] = bool(step.after)
    changes = [Change(step.spec.name, "books", step.before, step.after, step.cell.reason) for step in steps]
    if wake:
        payload[ACTIVE] = True
        name = next((item.name for item in spec.fields if item.special == "active"), "active")
        changes.append(Change(name, "books", False, True, "returned"))
    if spec.books_module in KEYED_BOOKS_MODULES and str(_books_key(books.raw, rules.books_key) or "") != str(crm.ref):
        _add_custom_field(payload, rules.books_key, str(crm.ref))
    if spec.books_module == "contacts":
        label = renamed_label(books.raw, books.label, crm.label)
        if label and crm.label != books.label and any(step.spec.name in spec.label for step in steps):
            payload["contact_name"] = label
    if parent is not None:
        payload["contact_id"] = parent.id
    return draft.act(
        Action(
            key=f"{draft.entity}|update|books|{spec.books_module}|{books.ref}", entity=draft.entity, mapping=spec.name,
            verb="update", side="books", module=spec.books_module, target=books.ref, source=crm.ref, payload=payload,
            changes=tuple(changes), reason=changes[0].reason, needs=needs, stamp=books.stamp, calls=1.0,
            rank=(1, _newest_first(books.stamp)), link=link_id,
            edited_by=_edited_by(crm), edited_at=crm.stamp,
        )
    )  # fmt: skip


def renamed_label(raw: Row, old: str, new: str) -> str | None:
    """The new contact_name: only while it still equals the old name, a suffix of ours aside, which it keeps."""
    label = str(raw.get("contact_name") or "")
    if label == old:
        return new
    if label.startswith(old + " (") and label.endswith(")") and len(label) == len(old) + 9 and label[-7:-1].isdigit():
        return new + label[len(old) :]
    return None


def _copy_books_version(draft: Draft, spec: MappingSpec, books: Known, link_id: str, rules: PlanRules, parent: Ref | None) -> str:
    """Keep what Books said as a record of its own, set aside; then the CRM's values may win."""
    values = {name: value for name, value in books.values.items() if not blank(value)}
    payload = dict(write_fields(spec, "books", values, None, rules.lookups))
    token = content_hash([link_id, books.hash])[:12]
    if spec.books_module in KEYED_BOOKS_MODULES:
        _add_custom_field(payload, rules.books_key, COPY + token)
    if parent is not None:
        payload["contact_id"] = parent.id
    suffix = f" ({token[:6]})"
    if spec.books_module == "contacts":
        payload["contact_name"] = books.label[: 200 - len(suffix)] + suffix
    elif spec.books_module == "items":
        payload["name"] = str(payload.get("name", ""))[: 100 - len(suffix)] + suffix
        if payload.get("sku"):
            payload["sku"] = f"{payload['sku']}-{token[:6]}"
    return draft.act(
        Action(
            key=f"{draft.entity}|copy|books|{spec.books_module}|{books.ref}|{token}", entity=draft.entity, mapping=spec.name,
            verb="create", side="books", module=spec.books_module, target=None, source=books.ref, payload=payload,
            changes=tuple(Change(name, "books", None, value, "conflicts_clone") for name, value in sorted(values.items())),
            reason="conflicts_clone", stamp=books.stamp, rank=(0, _newest_first(books.stamp)), aside=True,
        )
    )  # fmt: skip


def _write_key(draft: Draft, spec: MappingSpec, crm: Known, rules: PlanRules, books_id: Any, link: str, created: str = "") -> str:
    """Our key on a CRM record; 100 a call. `created`: the action that makes its partner, whose id `books_id` then stands for."""
    return draft.act(
        Action(
            key=f"{draft.entity}|key|crm|{spec.crm_module}|{crm.ref}", entity=draft.entity, mapping=spec.name, verb="key",
            side="crm", module=spec.crm_module, target=crm.ref, source=crm.ref, changes=(), payload={rules.crm_key: books_id},
            reason="key", needs=(created,) if created else (), stamp=crm.stamp, calls=0.01,
            rank=(9, _newest_first(crm.stamp)), link=link,
        )
    )  # fmt: skip


def _agree(draft: Draft, spec: MappingSpec, source: Known, rules: PlanRules, key: str, side: Side) -> None:
    """The agreement of a pair that a create will make; its other half is not known yet."""
    link_id = draft.actions[key].link
    raw = project(source.raw, spec, source.ref.side)
    module = spec.books_module if side == "books" else spec.crm_module
    to_be = Ref(side, module, "")
    crm, books = (source.ref, to_be) if side == "books" else (to_be, source.ref)
    draft.agreements[link_id] = Agreement(
        link_id, draft.entity, spec.name, crm, books, raw if side == "books" else {}, raw if side == "crm" else {},
        source.stamp if side == "books" else None, source.stamp if side == "crm" else None,
        tuple(sorted(item.name for item in spec.fields)), "created",
    )  # fmt: skip


def _create_values(spec: MappingSpec, source: Known, side: Side) -> dict[str, Any]:
    """What a create carries: every value that is not blank and travels this way, and the defaults of the others."""
    given = with_defaults(spec, side, source.values)
    return {
        item.name: given[item.name]
        for item in spec.fields
        if item.path(side) is not None and item.travels_to(side) and not blank(given.get(item.name, MISSING))
    }


def _field_hold(draft: Draft, crm: Known, books: Known, step: FieldStep, rules: PlanRules) -> str:
    values = {"crm": crm.values.get(step.spec.name), "books": books.values.get(step.spec.name)}
    hold = make_hold(
        rules.connection,
        draft.entity,
        step.cell.reason,
        crm,
        step.spec.name,
        [candidate(books, {})],
        ("crm", "books", "keep") if step.cell.reason == UNDONE else ("crm", "books"),
        {"values": values},
    )
    draft.holds[hold.id] = hold
    return hold.id


def _winners(draft: Draft, rules: PlanRules, crm: Ref, books: Ref) -> dict[str, str]:
    """Fields of this pair that a person has decided. The decision is carried out by the plan that uses it."""
    winners = {}
    for (record, _, field_name), (choice, hold) in rules.decisions.items():
        if field_name and record in (str(crm), str(books)) and choice in ("crm", "books", "keep"):
            winners[field_name] = choice
            draft.carried_out.add(hold)
    return winners


def say_both(
    draft: Draft,
    crm: Known,
    books: Known,
    outcome: str,
    reason: str,
    detail: Mapping[str, Any] | None = None,
    actions: Sequence[str] = (),
) -> None:
    """Both rows of a pair take the same word."""
    draft.say(crm, outcome, reason, detail=detail, actions=actions)
    draft.say(books, outcome, reason, detail=detail, actions=actions)


def _shown(step: FieldStep) -> dict[str, Any]:
    return {"field": step.spec.name, "before": step.before, "after": step.after, "reason": step.cell.reason}


def _books_key(raw: Row, field_name: str) -> Any:
    if field_name in raw:
        return raw[field_name]
    hashed = raw.get("custom_field_hash")
    if isinstance(hashed, dict) and field_name in hashed:
        return hashed[field_name]
    for item in raw.get("custom_fields") or []:
        if item.get("api_name") == field_name:
            return item.get("value")
    return None


books_key_of = _books_key


def _add_custom_field(payload: Row, name: str, value: str) -> None:
    payload["custom_fields"] = [*payload.get("custom_fields", []), {"api_name": name, "value": value}]


def _newest_first(stamp: datetime | None) -> str:
    """Sorts newest first as text; unknown last."""
    return f"{10**12 - int(stamp.timestamp()):013d}" if stamp else "9" * 13


# ---------------------------------------------------------------------------------------------------- the frozen plan


PUBLISHED = ("documents", "summaries")  # rows of these are removed as documents come and go
VANISHED = ("deleted", "deal_deleted", "recreate")  # reasons of rows that are gone, whatever becomes of their partners


@dataclass(frozen=True, slots=True)
class ListRead:
    """What the plan rests on, for one list: how it was read and how far. `left`: why it was not read, or ""."""

    side: Side
    module: str
    complete: bool
    rows: int
    calls: int
    since: datetime | None
    newest: datetime | None
    served_at: datetime | None
    left: str = ""


@dataclass(frozen=True, slots=True)
class EntityPlan:
    """One entity's share of a plan. `extracted`: rows of each side that must get an outcome."""

    entity: str
    full: bool
    rules: str
    lists: tuple[ListRead, ...]
    extracted: tuple[int, int]
    actions: tuple[Action, ...]
    agreements: tuple[Agreement, ...]
    verdicts: tuple[Verdict, ...]
    unchanged: tuple[Ref, ...]  # rows read again without any change, of which nothing else is to be said
    holds: tuple[Hold, ...]
    asides: tuple[tuple[Ref, str, str], ...]
    links: tuple[Link, ...]
    quarantine: tuple[QuarantineRow, ...]
    carried_out: tuple[str, ...]
    notes: tuple[str, ...] = ()
    details: int = 0  # detail reads that the plan needed
    unaside: tuple[Ref, ...] = ()  # records that are set aside no longer
    facts: Mapping[str, Any] = field(default_factory=dict)  # sizes and sums for the brakes, the tie-out
    meaning: tuple[str, ...] = ()  # what a changed configuration means for this entity

    def fingerprint_part(self) -> Any:
        """What makes a plan this plan: its actions and holds, and what may stop it without being one; not when it was made. An
        undo is asked for once more where its process died, and is another plan then, though it decides the same."""
        return [
            *((self.facts["undo"], self.facts["planned_by"]) if "undo" in self.facts else ()),
            self.entity,
            [
                [
                    a.key,
                    a.verb,
                    str(a.target),
                    a.payload,
                    [[c.field, c.before, c.after] for c in a.changes],
                    a.stamp,
                    list(a.needs),
                ]
                for a in self.actions
            ],
            [hold.id for hold in self.holds],
            [[str(ref) for ref in refs] for refs in (self.vanished(), self.quarantined())],
            [list(place) for place in self.emptied()],
        ]

    def vanished(self) -> list[Ref]:
        """Synced records that are gone, or that this plan removes."""
        return [one.record for one in self._judged() if one.outcome == "removed" or one.reason in VANISHED]

    def quarantined(self) -> list[Ref]:
        """Synced records that a check stopped."""
        return [one.record for one in self._judged() if one.outcome == "quarantined"]

    def emptied(self) -> list[tuple[Side, str]]:
        """Lists that were read whole and hold nothing."""
        return [(item.side, item.module) for item in self.lists if item.complete and item.rows == 0]

    def _judged(self) -> Sequence[Verdict]:
        return () if self.entity in PUBLISHED else self.verdicts


def freeze(draft: Draft) -> tuple[tuple[Action, ...], tuple[Verdict, ...], tuple[Hold, ...], tuple[Agreement, ...]]:
    """Sorted, so that the same decisions have the same bytes in whatever order they were taken."""
    actions = tuple(sorted(draft.actions.values(), key=lambda action: (action.rank, action.key)))
    verdicts = tuple(sorted(draft.verdicts.values(), key=lambda verdict: verdict.record))
    holds = tuple(sorted(draft.holds.values(), key=lambda hold: hold.id))
    agreements = tuple(sorted(draft.agreements.values(), key=lambda item: item.link))
    return actions, verdicts, holds, agreements


def fingerprint(parts: Iterable[EntityPlan]) -> str:
    """16 hex digits of what the plan will do."""
    return content_hash([part.fingerprint_part() for part in parts])[:16]


def describe_time(moment: datetime | None) -> str:
    return time_text(moment) if moment else "the beginning"


__all__ = [
    "Draft", "EntityPlan", "FieldSpec", "Known", "LinkedPair", "ListRead", "PlanRules", "books_key_of", "candidate",
    "distinct_label", "fingerprint", "freeze", "make_hold", "plan_ambiguous", "plan_create", "plan_duplicate", "plan_linked",
]  # fmt: skip
