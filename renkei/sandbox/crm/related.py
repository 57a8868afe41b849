"""Related records: reading and linking them (crm-v8.md section 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from renkei.sandbox.crm import batch, errors, read
from renkei.sandbox.crm.call import NO_CONTENT, Answer, Call
from renkei.sandbox.crm.errors import Body, Refusal
from renkei.sandbox.crm.org import fixed_id
from renkei.sandbox.crm.state import CrmState
from renkei.sandbox.crm.table import Table

Ids = Callable[[str], Iterable[str]]
PRODUCTS = "Products"  # of a deal; it hangs on no lookup


def lists(state: CrmState, module: str) -> dict[str, tuple[Table, Ids]]:
    """A module's related lists by API name: the table of the related records, and which of them a record has."""
    found: dict[str, tuple[Table, Ids]] = {
        field.related_list: (table, partial(table.children, field.name))
        for table in state.tables.values()
        for field in table.fields.values()
        if field.lookup == module and field.related_list is not None
    }
    if module == "Deals":
        products = state.tables["Products"]
        found[PRODUCTS] = (products, lambda deal: [id for id in state.deal_products.get(deal, ()) if id in products.records])
    return found


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
    table, ids = found
    return read.page_of(call, table, list(ids(parent)))


def link(call: Call) -> Answer:
    """PUT of products to a deal: `data` with their ids. Other lists follow from lookups and are not linked here."""
    deal, linked = _linkable(call)
    items = batch.elements(call)

    def add(number: int, item: Body) -> Body:
        id = str(item.get("id"))
        if id not in call.state.tables["Products"].records:
            raise Refusal("INVALID_DATA", "the related id given seems to be invalid", {"json_path": f"$.data[{number}].id"})
        linked[id] = None
        return batch.success("relation added", {"id": id})

    results = batch.each(items, add)
    call.state.links_changed(deal, by=call.user["id"])
    return batch.answer(results, created=False)


def unlink(call: Call) -> Answer:
    """DELETE of one product from a deal."""
    deal, linked = _linkable(call)

    def remove(number: int, item: Body) -> Body:
        if linked.pop(call.names["related"], 0) == 0:
            raise Refusal("INVALID_DATA", "the related id given seems to be invalid", {"resource_path_index": 3})
        return batch.success("relation removed", {"id": call.names["related"]})

    results = batch.each([{}], remove)
    call.state.links_changed(deal, by=call.user["id"])
    return batch.answer(results, created=False)


def _linkable(call: Call) -> tuple[str, dict[str, None]]:
    """The deal of the path and the products linked to it."""
    call.permit("Edit")
    record = read.find(call, call.table)
    if record is None:
        raise errors.invalid_path_id(1)
    if call.table.module != "Deals" or call.names["list"] != PRODUCTS:
        raise errors.invalid_path_id(2, "the relation name given seems to be invalid")
    return str(record["id"]), call.state.deal_products.setdefault(record["id"], {})
