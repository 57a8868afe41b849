"""How stored values look in answers (crm-v8.md section 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from renkei.sandbox.crm import org, subforms
from renkei.sandbox.crm.fields import NAME_FIELD, Field
from renkei.sandbox.crm.stamps import moved
from renkei.sandbox.crm.table import Record

if TYPE_CHECKING:
    from renkei.sandbox.crm.state import CrmState

Column = Callable[[Record], Any]


def layout(state: CrmState, module: str) -> dict[str, str]:
    """The one layout of a module."""
    return {
        "name": "Standard",
        "id": org.fixed_id(91055 + 2 * state.place(module)),
        "display_label": "Standard",
    }


def user(state: CrmState, id: str) -> dict[str, Any]:
    """A user as {"name","id","email"}."""
    found = state.users.get(id)
    return {
        "name": found["full_name"] if found else None,
        "id": id,
        "email": found["email"] if found else None,
    }


def author(state: CrmState, id: str) -> dict[str, Any]:
    """A user as {"name","id"}, the short form of write results and deletions."""
    whole = user(state, id)
    return {"name": whole["name"], "id": id}


def record_name(state: CrmState, module: str, id: str) -> str | None:
    """The name of a live or binned record; None when it is gone."""
    table = state.tables[module]
    record = table.records.get(id)
    if record is not None:
        return record.get(NAME_FIELD.get(module, "Name"))
    entry = table.deleted.get(id)
    return entry.name if entry else None


def plain(field: Field, state: CrmState, zone: ZoneInfo) -> bool:
    """True if the stored value goes out as it is."""
    if field.type == "datetime":
        return zone.key == state.world.zone.key
    return field.type not in ("boolean", "text_array", "subform") and field.name not in ("Layout", "Record_Status__s")


def column(state: CrmState, module: str, field: Field, zone: ZoneInfo, *, names: bool) -> Column:
    """How a field of a record goes out. `names`: lookups as {"name","id"}, in COQL as {"id"} only."""
    name = field.name
    if name == "Layout":
        whole = layout(state, module)
        return lambda record: whole
    if name == "Record_Status__s":
        return lambda record: "Available"
    if field.type == "boolean":
        return lambda record: bool(record.get(name))
    if field.type == "text_array":
        return lambda record: record.get(name) or []
    if field.type == "datetime" and zone.key != state.world.zone.key:
        return lambda record: None if record.get(name) is None else moved(record[name], zone)
    if field.type == "subform":
        inner = {one.name: column(state, module, one, zone, names=True) for one in field.rows}
        return lambda record: subforms.shown(state, field, inner, record_name(state, module, record["id"]), record)
    if names and field.type == "ownerlookup":
        return lambda record: None if record.get(name) is None else user(state, record[name]["id"])
    if names and field.type == "lookup" and field.lookup is not None:
        return _named_lookup(state, field.lookup, name)
    return lambda record: record.get(name)


def _named_lookup(state: CrmState, target: str, name: str) -> Column:
    def lookup(record: Record) -> Any:
        value = record.get(name)
        if value is None:
            return None
        return {"name": record_name(state, target, value["id"]), "id": value["id"]}

    return lookup


def system_keys(state: CrmState, module: str, record: Record) -> dict[str, Any]:
    """The `$` keys of a single read (crm-v8.md section 3.2)."""
    return {
        "$currency_symbol": state.org["currency_symbol"],
        "$field_states": None,
        "$editable": True,
        "$locked_for_me": bool(record.get("Locked__s")),
        "$in_merge": False,
        "$approval_state": "approved",
        "$review_process": {"approve": False, "reject": False, "resubmit": False},
        "$approval": {"delegate": False, "approve": False, "reject": False, "resubmit": False},
        "$process_flow": False,
        "$sharing_permission": "full_access",
        "$has_more": dict.fromkeys(state.tables[module].subforms, False),
        "$zia_visions": None,
        "$state": "save",
        "$orchestration": None,
        "$pathfinder": None,
    }
