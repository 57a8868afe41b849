"""Subforms: rows inside a record, each with an id of its own (crm-v8.md sections 5.3, 7.1, 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from renkei.sandbox.crm.fields import Field

if TYPE_CHECKING:
    from renkei.sandbox.crm.state import CrmState
    from renkei.sandbox.crm.table import Record

DELETE = "_delete"


def merged(
    before: Iterable[Mapping[str, Any]], given: Iterable[Mapping[str, Any]] | None, new_id: Callable[[], str]
) -> list[Record]:
    """The rows after a write: those with an id change (or go, with `_delete`), those without are new, the others stay.

    None takes every row away. KeyError for an id that no row has.
    """
    if given is None:
        return []
    rows: dict[str, Record] = {row["id"]: dict(row) for row in before}
    for row in given:
        values = {key: value for key, value in row.items() if key != DELETE}
        if row.get("id") is None:
            id = new_id()
            rows[id] = {**values, "id": id}
        elif DELETE in row:
            del rows[str(row["id"])]
        else:
            rows[str(row["id"])].update(values)
    return [_derived(row, number) for number, row in enumerate(rows.values(), 1)]


def shown(state: CrmState, field: Field, columns: Mapping[str, Callable[[Record], Any]], name: str | None, record: Record) -> Any:
    """The rows as a single read shows them. `name`: of the record that holds them."""
    return [
        {**{key: value(row) for key, value in columns.items()}, "id": row["id"], "Parent_Id": {"name": name, "id": record["id"]}}
        for row in record.get(field.name) or ()
    ]


def _derived(row: Record, number: int) -> Record:
    total = _money(row.get("Quantity")) * _money(row.get("List_Price"))
    net = total - _money(row.get("Discount"))
    taxes = [{**tax, "value": _number(net * _money(tax["percentage"]) / 100)} for tax in row.get("Line_Tax") or ()]
    net += sum((_money(tax["value"]) for tax in taxes), Decimal(0))
    return {**row, "Line_Tax": taxes, "Total": _number(total), "Net_Total": _number(net), "Sequence_Number": number}


def _money(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def _number(amount: Decimal) -> float:
    return float(amount.quantize(Decimal("0.01"), ROUND_HALF_UP))
