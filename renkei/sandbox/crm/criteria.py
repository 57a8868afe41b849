"""Comparing stored values: shared by COQL, custom views and search (crm-v8.md sections 3.4, 4, 9)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from renkei.sandbox.crm.fields import Field
from renkei.sandbox.crm.stamps import epoch
from renkei.sandbox.crm.table import Record, Table

if TYPE_CHECKING:
    from renkei.sandbox.crm.state import CrmState

Getter = Callable[[Record], Any]
Predicate = Callable[[Record], bool]
NUMBERS = ("integer", "double", "currency", "percent")
TEXTS = ("text", "textarea", "email", "phone", "website", "picklist", "bigint", "multiselectpicklist", "text_array")
LOOKUPS = ("lookup", "ownerlookup", "id")
ID = Field("id", "id")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
# CRM criteria JSON and search words for the operators of COQL.
WORDS = {
    "equal": "=",
    "equals": "=",
    "not_equal": "!=",
    "greater_than": ">",
    "greater_equal": ">=",
    "less_than": "<",
    "less_equal": "<=",
    "in": "in",
    "not_in": "not in",
    "between": "between",
    "not_between": "not between",
    "contains": "contains",
    "not_contains": "not contains",
    "starts_with": "starts_with",
    "ends_with": "ends_with",
}


def getter(table: Table, field: Field) -> Getter:
    """A field's value in a form that compares: folded text, number, epoch second, ISO date, id, boolean; None empty."""
    name = field.name
    if field.type == "id":
        return lambda record: record["id"]
    if name == "Modified_Time":
        return lambda record: table.modified_epoch(record["id"])
    if field.type == "datetime":
        return lambda record: None if record.get(name) is None else epoch(record[name])
    if field.type in ("lookup", "ownerlookup"):
        return lambda record: None if record.get(name) is None else record[name]["id"]
    if field.type == "boolean":
        return lambda record: bool(record.get(name))
    if field.type in NUMBERS or field.type == "date":
        return lambda record: record.get(name)
    return lambda record: None if record.get(name) is None else str(record[name]).casefold()


def literal(state: CrmState, field: Field, value: Any) -> Any:
    """A value a caller sent, in the form `getter` gives. ValueError when it does not fit the field's type."""
    text = str(value)
    if field.type in LOOKUPS:
        if not text.isdigit():
            raise ValueError(text)
        return text.zfill(19)
    if field.type in NUMBERS:
        return float(text)
    if field.type == "boolean":
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if field.type == "datetime":
        return state.reader_epoch(text)
    if field.type == "date":
        return date.fromisoformat(text[:10]).isoformat()
    return text.casefold()


def compare(get: Getter, comparator: str, operand: Any) -> Predicate:
    """A test of one field. Null answers no comparison but `is null` (as in SQL)."""
    if comparator == "is null":
        return lambda record: get(record) is None
    if comparator == "is not null":
        return lambda record: get(record) is not None
    if comparator == "=":
        return lambda record: get(record) == operand
    if comparator == "!=":
        return lambda record: (value := get(record)) is not None and value != operand
    if comparator in _ORDER:
        test = _ORDER[comparator]
        return lambda record: (value := get(record)) is not None and test(value, operand)
    if comparator == "in":
        wanted = frozenset(operand)
        return lambda record: get(record) in wanted
    if comparator == "not in":
        unwanted = frozenset(operand)
        return lambda record: (value := get(record)) is not None and value not in unwanted
    if comparator == "between":
        low, high = operand
        return lambda record: (value := get(record)) is not None and low <= value <= high
    if comparator == "not between":
        low, high = operand
        return lambda record: (value := get(record)) is not None and not low <= value <= high
    return _text_test(get, comparator, operand)


def _text_test(get: Getter, comparator: str, operand: str) -> Predicate:
    if comparator == "contains":
        return lambda record: operand in (get(record) or "")
    if comparator == "not contains":
        return lambda record: operand not in (get(record) or "")
    if comparator == "starts_with":
        return lambda record: (get(record) or "").startswith(operand)
    if comparator == "ends_with":
        return lambda record: (get(record) or "").endswith(operand)
    raise ValueError(comparator)


def view_predicate(state: CrmState, table: Table, criteria: dict[str, Any] | None) -> Predicate | None:
    """The test of a view's criteria JSON; None for a view without criteria. ValueError for unknown fields or words."""
    if not criteria:
        return None
    if "group" in criteria:
        parts = [view_predicate(state, table, part) for part in criteria["group"]]
        tests = [part for part in parts if part is not None]
        if str(criteria["group_operator"]).lower() == "or":
            return lambda record: any(test(record) for test in tests)
        return lambda record: all(test(record) for test in tests)
    name = criteria["field"]["api_name"]
    field = ID if name == "id" else table.fields.get(name)
    if field is None:
        raise ValueError(f"{table.module} has no field {name}")
    return single(state, table, field, WORDS[criteria["comparator"]], criteria["value"])


def single(state: CrmState, table: Table, field: Field, comparator: str, value: Any) -> Predicate:
    """The test of one criterion as views and search write it: `${EMPTY}`, comma lists, not_equal keeping empties."""
    get = getter(table, field)
    if value in ("${EMPTY}", None):
        return compare(get, "is null" if comparator == "=" else "is not null", None)
    if value == "${NOTEMPTY}":
        return compare(get, "is not null", None)
    if comparator in ("in", "not in", "between", "not between"):
        values = value if isinstance(value, list) else [part.strip() for part in str(value).split(",")]
        operand: Any = [literal(state, field, part) for part in values]
    else:
        operand = literal(state, field, value)
    if comparator == "!=":
        return lambda record: get(record) != operand
    if comparator in ("contains", "not contains", "starts_with", "ends_with"):
        operand = str(value).casefold()
    return compare(get, comparator, operand)


def is_datetime(text: str) -> bool:
    """True for an ISO 8601 datetime."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
