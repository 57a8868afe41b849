"""What a changed configuration means: settings and mapped fields that differ between two of them, and what of it a plan shows.

Both configurations are those that the ledger keeps (plain JSON, `Project.configuration`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from renkei.core.planning import EntityPlan
from renkei.core.records import Hold, Mirror
from renkei.core.values import Ref, canonical_json

SCOPE = ("modules", "views", "include_contacts_without_account")  # settings that say which records are synced
EARLIER = "earlier_configuration"  # why a customer that former settings sent to Books is removed
OUT = frozenset({"out_of_view", "module_not_synced", "no_account"})  # what a record outside of them is `skipped` for


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting by its place in the connection's file, with both its values in words."""

    setting: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One mapped field. `how`: new, gone or changed; `field` is "" where the mapping's own rules (matching, label) changed."""

    mapping: str
    field: str
    how: str


def settings_changed(entity: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """Settings of an entity, and those of the whole connection that decide about it, sorted by name."""
    old, new = before.get("connection", {}), after.get("connection", {})
    found = {f"{entity}.{name}": pair for name, pair in _pairs(old.get(entity, {}), new.get(entity, {})).items()}
    names = {"crm_key": "keys.crm", "books_key": "keys.books", "edition": "books.edition", "native": "native"}
    whole = _pairs({one: old.get(one) for one in names}, {one: new.get(one) for one in names})
    found |= {names[one]: pair for one, pair in whole.items()}
    return [SettingChange(name, _words(left), _words(right)) for name, (left, right) in sorted(found.items()) if left != right]


def fields_changed(names: Iterable[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldChange]:
    """Fields of these mappings that came, went or are mapped otherwise."""
    found = []
    for name in names:
        old, new = before.get("mappings", {}).get(name), after.get("mappings", {}).get(name)
        if old == new or new is None:
            continue
        left, right = _fields(old), _fields(new)
        for field, (was, is_now) in sorted(_pairs(left, right).items()):
            if was != is_now:
                found.append(FieldChange(name, field, "new" if was is None else "gone" if is_now is None else "changed"))
        if _rest(old) != _rest(new):
            found.append(FieldChange(name, "", "changed"))
    return found


def meaning(
    plan: EntityPlan,
    settings: Iterable[SettingChange],
    fields: Iterable[FieldChange],
    mirrors: Mapping[Ref, Mirror],
    asked: Collection[Hold],
) -> tuple[str, ...]:
    """Sentences for the head of the plan: what differs, the writes a field causes, the records that come into scope and leave it,
    and the questions that end or are new.

    mirrors  the records of the plan as the runs before left them
    asked    the entity's open questions
    """
    lines = [f"{one.setting}: {one.before} → {one.after}" for one in settings]
    for one in fields:
        if not one.field:
            lines.append(f"mappings/{one.mapping}.yaml: matching, label or what a create sets changed")
            continue
        actions = [action for action in plan.actions if action.mapping == one.mapping]
        writes = sum(any(change.field == one.field for change in action.changes) for action in actions)
        written = _count(writes, "record is", "records are")
        lines.append(f"mappings/{one.mapping}.yaml: {one.field} is {one.how}: {written} written")
    if not lines:
        return ()
    came, left = _moved(plan, mirrors)
    lines.append(f"{_count(len(came), 'record comes', 'records come')} into scope, {_count(len(left), 'leaves', 'leave')} it")
    before, now = {hold.id for hold in asked}, {hold.id for hold in plan.holds}
    looked_at = {verdict.record for verdict in plan.verdicts}
    ended = sum(hold.id not in now for hold in asked if hold.record in looked_at)
    if ended or now - before:
        lines.append(f"{_count(ended, 'question is', 'questions are')} asked no longer, {len(now - before)} new")
    return tuple(lines)


def _moved(plan: EntityPlan, mirrors: Mapping[Ref, Mirror]) -> tuple[list[Ref], list[Ref]]:
    """Records that are in scope and were not, and the reverse. Persons go with their customers."""
    came, left = [], []
    for verdict in plan.verdicts:
        if verdict.record.module == "contact_persons":
            continue
        mirror = mirrors.get(verdict.record)
        is_out = verdict.reason in OUT or verdict.reason == EARLIER
        was_out = mirror is None or not mirror.outcome or mirror.reason in OUT or mirror.reason.startswith(EARLIER)
        if was_out and not is_out:
            came.append(verdict.record)
        elif is_out and not was_out:
            left.append(verdict.record)
    return came, left


def scope_of(configuration: Mapping[str, Any]) -> str:
    """Which customers a configuration syncs, as text that two configurations of the same scope share."""
    customers = configuration.get("connection", {}).get("customers", {})
    return canonical_json({name: customers.get(name) for name in SCOPE})


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (before.get(name), after.get(name)) for name in (*before, *after)}


def _fields(mapping: Mapping[str, Any] | None) -> dict[str, Any]:
    return {item["name"]: item for item in (mapping or {}).get("fields", ())}


def _rest(mapping: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (mapping or {}).items() if name != "fields"}


def _words(value: Any) -> str:
    """A setting's value as a person would write it."""
    if isinstance(value, (list, tuple, dict)):
        if not value:
            return "none"
        pairs = value.items() if isinstance(value, dict) else value
        return ", ".join(": ".join(map(str, one)) if isinstance(one, (list, tuple)) else str(one) for one in pairs)
    return {None: "none", True: "true", False: "false"}.get(value, str(value))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
