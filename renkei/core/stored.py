"""A frozen plan as plain values and back, so that a stored plan can be applied later, exactly as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from renkei.core.planning import EntityPlan, ListRead
from renkei.core.records import Action, Agreement, Change, Hold, Link, QuarantineRow, Verdict

# The fields of an EntityPlan that hold values of our own; everything else is plain already.
_PARTS: Mapping[str, type[Any]] = {
    "lists": ListRead, "actions": Action, "agreements": Agreement, "verdicts": Verdict, "holds": Hold, "links": Link,
    "quarantine": QuarantineRow,
}  # fmt: skip


def content_of(plans: Sequence[EntityPlan]) -> dict[str, Any]:
    """What the ledger keeps of a plan: dictionaries of values that its codec brings back with their types."""
    return {"entities": [_entity_content(plan) for plan in plans]}


def plans_of(content: Mapping[str, Any]) -> list[EntityPlan]:
    """The plan that `content_of` was given."""
    return [_entity(dict(part)) for part in content["entities"]]


def _entity_content(plan: EntityPlan) -> dict[str, Any]:
    content = _shallow(plan)
    for name in _PARTS:
        content[name] = [_shallow(item) for item in content[name]]
    for action in content["actions"]:
        action["changes"] = [_shallow(change) for change in action["changes"]]
    return content


def _entity(content: dict[str, Any]) -> EntityPlan:
    for name, kind in _PARTS.items():
        if kind is Action:
            content[name] = [{**item, "changes": tuple(Change(**change) for change in item["changes"])} for item in content[name]]
        content[name] = tuple(kind(**item) for item in content[name])
    return EntityPlan(**content)


def _shallow(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
