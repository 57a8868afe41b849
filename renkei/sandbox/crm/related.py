"""Related records: GET /crm/v8/{module}/{id}/{related_list} (crm-v8.md section 9)."""

from __future__ import annotations

from typing import Any

from renkei.sandbox.crm import errors, read
from renkei.sandbox.crm.call import NO_CONTENT, Answer, Call
from renkei.sandbox.crm.org import fixed_id
from renkei.sandbox.crm.state import CrmState
from renkei.sandbox.crm.table import Table


def lists(state: CrmState, module: str) -> dict[str, tuple[Table, str]]:
    """A module's related lists by API name: the table of the related records and their lookup field."""
    return {
        field.related_list: (table, field.name)
        for table in state.tables.values()
        for field in table.fields.values()
        if field.lookup == module and field.related_list is not None
    }


def served(state: CrmState, module: str) -> list[dict[str, Any]]:
    """The elements of GET /settings/related_lists."""
    return [
        {
            "id": fixed_id(62001 + 100 * list(state.tables).index(module) + number),
            "api_name": name,
            "display_label": name.replace("_", " "),
            "name": name.replace("_", " "),
            "href": f"{module}/{{ENTITYID}}/{name}",
            "module": {"api_name": table.module, "id": state.module_ids[table.module]},
            "type": "default" if not state.is_custom(table.module) else "custom_lookup",
            "sequence_number": str(number),
            "status": "visible",
            "action": None,
            "customize_fields": True,
            "customize_sort": True,
            "customize_display_label": True,
        }
        for number, (name, (table, _)) in enumerate(lists(state, module).items(), 1)
    ]


def listing(call: Call) -> Answer:
    """Records related to a live record; 204 when there are none."""
    call.permit("View")
    record = read.find(call, call.table)
    if record is None:
        raise errors.invalid_path_id(1)
    return _page(call, record["id"], 2)


def of_deleted(call: Call) -> Answer:
    """Records related to a record in the recycle bin."""
    call.permit("View")
    if call.names["id"] not in call.table.deleted:
        return Answer(NO_CONTENT)
    return _page(call, call.names["id"], 3)


def _page(call: Call, parent: str, index: int) -> Answer:
    found = lists(call.state, call.table.module).get(call.names["list"])
    if found is None:
        raise errors.invalid_path_id(index, "the relation name given seems to be invalid")
    table, lookup = found
    return read.page_of(call, table, list(table.children(lookup, parent)))
