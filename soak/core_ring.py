"""Ring 2: the pure core alone. Pairs, what they agreed on and policies are drawn; the plan is applied to a model of both sides;
planned again, it must do nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from renkei.core.connection import EntitySettings
from renkei.core.mapping import Lookups, MappingSpec, map_record
from renkei.core.planning import ACTIVE, Draft, Known, LinkedPair, PlanRules, base_values, plan_linked, project
from renkei.core.records import Link, Row
from renkei.core.values import Ref, Side, content_hash
from soak.company import project as declarations
from soak.model import FIELDS, Field, Pair, at, ends, plain

BATCH = 100
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
MAPPINGS = ("accounts", "products", "persons")
LOOKUPS = Lookups({("owners", "crm"): {}})
KEY_CRM, KEY_BOOKS = "renkei_books_id", "cf_renkei_crm_id"


@dataclass(slots=True)
class Found:
    """A batch of examples: how many, and what was wrong."""

    examples: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Both:
    """One linked pair as the two systems hold it, and as a ledger would remember it."""

    spec: MappingSpec
    crm: Row
    books: Row
    base_crm: Row | None
    base_books: Row | None
    stamps: tuple[datetime, datetime]


def examples(seed: str) -> Found:
    """A batch of examples from a seed."""
    rng, found = random.Random(f"core {seed}"), Found()
    specs = declarations().mappings[""]
    for number in range(BATCH):
        problem = _example(rng, specs[rng.choice(MAPPINGS)])
        found.examples += 1
        if problem:
            found.problems.append(f"example {number}: {problem}")
    return found


def _example(rng: random.Random, spec: MappingSpec) -> str:
    settings = EntitySettings(
        direction=rng.choice(("two_way", "to_books")),
        conflicts=rng.choice(("overwrite", "books", "newest", "skip", "ask", "clone")),
    )
    both = _drawn(rng, spec)
    rules = PlanRules("soak", settings, KEY_CRM, KEY_BOOKS, LOOKUPS, "rules")
    before = {name: _pair(both, one) for name, one in FIELDS[spec.name].items()}
    agreed = {name: _agreed(both, one) for name, one in FIELDS[spec.name].items()}
    first = _plan(both, rules)
    _apply(both, first)
    after = {name: _pair(both, one) for name, one in FIELDS[spec.name].items()}
    for name, one in FIELDS[spec.name].items():
        allowed, held = ends(before[name], agreed[name], one, settings, "")
        if after[name] not in allowed:
            return (
                f"{spec.name}.{name} {settings.direction} {settings.conflicts}: left {before[name]}, agreed {agreed[name]}, "
                f"ends {after[name]}, expected {sorted(map(str, allowed))}"
            )
        if held and after[name] == before[name] and not any(hold.field == name for hold in first.holds.values()):
            return f"{spec.name}.{name} {settings.conflicts}: {before[name]} is a question, and no hold asks it"
    again = _plan(both, rules)
    if again.actions:
        return f"{spec.name} {settings.direction} {settings.conflicts}: planned again, it does {sorted(again.actions)}"
    if again.holds.keys() != first.holds.keys():
        return f"{spec.name}: asked {sorted(first.holds)}, then {sorted(again.holds)}"
    return ""


def _value(rng: random.Random, spec: MappingSpec, name: str, one: Field) -> Any:
    match one.kind:
        case "phone":
            return f"03-1234-{rng.randint(5670, 5672)}"
        case "website":
            return f"https://w{rng.randint(1, 3)}.example"
        case "number":
            return rng.randint(0, 3)
        case "active":
            return rng.random() < 0.5
    if rng.random() < 0.15 and not spec.field(name).required:
        return None
    if name == "email":
        return f"e{rng.randint(1, 3)}@example.jp"
    return f"{name} {rng.randint(1, 3)}"


def _drawn(rng: random.Random, spec: MappingSpec) -> Both:
    """A pair that agreed once, and of which people edited some fields since."""
    crm: Row = {"id": "1", KEY_CRM: "2"}
    books: Row = {"contact_id": "2", KEY_BOOKS: "crm:Accounts:1", "billing_address": {}, "shipping_address": {}}
    for name, one in FIELDS[spec.name].items():
        value = _value(rng, spec, name, one)
        _put(crm, one.crm, value)
        _put(books, one.books, ("active" if value else "inactive") if one.kind == "active" else "" if value is None else value)
    base_crm, base_books = project(crm, spec, "crm"), project(books, spec, "books")
    crm, books = _copy(crm), _copy(books)
    for name, one in FIELDS[spec.name].items():
        if rng.random() < 0.4:
            _put(crm, one.crm, _value(rng, spec, name, one))
        if rng.random() < 0.4:
            value = _value(rng, spec, name, one)
            _put(
                books, one.books, ("active" if value else "inactive") if one.kind == "active" else "" if value is None else value
            )
    stamps = (AT + timedelta(minutes=rng.randint(0, 20)), AT + timedelta(minutes=rng.randint(0, 20)))
    return Both(spec, crm, books, base_crm, base_books, stamps)


def _copy(row: Row) -> Row:
    return {name: dict(value) if isinstance(value, dict) else value for name, value in row.items()}


def _put(row: Row, path: str, value: Any) -> None:
    holder, _, key = path.rpartition(".")
    (row.setdefault(holder, {}) if holder else row)[key] = value


def _pair(both: Both, one: Field) -> Pair:
    return plain(one.kind, at(both.crm, one.crm)), plain(one.kind, at(both.books, one.books))


def _agreed(both: Both, one: Field) -> Pair | None:
    assert both.base_crm is not None and both.base_books is not None
    return plain(one.kind, both.base_crm.get(one.crm)), plain(one.kind, both.base_books.get(one.books))


def _known(both: Both, side: Side) -> Known:
    row = both.crm if side == "crm" else both.books
    ref = Ref("crm", both.spec.crm_module, "1") if side == "crm" else Ref("books", both.spec.books_module, "2")
    values = map_record(row, both.spec, side, LOOKUPS)
    stamp = both.stamps[0] if side == "crm" else both.stamps[1]
    return Known(ref, content_hash(row), stamp, row, values, str(values.get("name") or ""))


def _plan(both: Both, rules: PlanRules) -> Draft:
    draft = Draft(both.spec.entity)
    crm, books = _known(both, "crm"), _known(both, "books")
    link = Link("link", both.spec.entity, both.spec.name, crm.ref, books.ref, AT, "policy")
    left = base_values(both.base_crm, both.spec, "crm", LOOKUPS)
    right = base_values(both.base_books, both.spec, "books", LOOKUPS)
    parent = Ref("books", "contacts", "9") if both.spec.name == "persons" else None
    plan_linked(draft, both.spec, LinkedPair(link, crm, books, left, right), rules, parent=parent)
    return draft


def _apply(both: Both, draft: Draft) -> None:
    """Carry the plan out on the model of both sides, and move the base as a run does."""
    changed: set[str] = set()
    for action in draft.actions.values():
        if action.target is None:  # a copy of Books' version
            continue
        row = both.crm if action.side == "crm" else both.books
        for name, value in _flat(action.payload):
            if name == ACTIVE:
                row["status"] = "active" if value else "inactive"
            elif name != "contact_id":
                _put(row, name, value)
        changed |= {change.field for change in action.changes}
    agreement = next(iter(draft.agreements.values()), None)
    agreed = {*changed, *(agreement.agreed if agreement else ())}
    both.base_crm = _moved(both.base_crm, both.crm, both.spec, "crm", agreed)
    both.base_books = _moved(both.base_books, both.books, both.spec, "books", agreed)
    both.stamps = (both.stamps[0] + timedelta(hours=1), both.stamps[1] + timedelta(hours=1))


def _flat(payload: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in payload.items():
        if isinstance(value, dict):
            found += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            found.append((name, value))
    return found


def _moved(base: Row | None, row: Row, spec: MappingSpec, side: Side, agreed: set[str]) -> Row:
    moved = dict(base or {})
    now = project(row, spec, side)
    for item in spec.fields:
        path = item.path(side)
        if path and item.name in agreed and path in now:
            moved[path] = now[path]
    return moved
