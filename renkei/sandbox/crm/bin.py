"""Recycle bin and merge (crm-v8.md sections 3.3 and 5.6)."""

from __future__ import annotations

from typing import Any

import orjson

from renkei.sandbox.crm import batch, errors, read, render
from renkei.sandbox.crm.call import NO_CONTENT, PER_PAGE, Answer, Call
from renkei.sandbox.crm.errors import Refusal
from renkei.sandbox.crm.stamps import from_epoch
from renkei.sandbox.crm.state import CrmState
from renkei.sandbox.crm.table import Deleted, Table

MERGEABLE = ("Accounts", "Contacts", "Deals", "Renkei_Receivables", "Renkei_Documents")
MAX_CHILDREN = 2


def listing(call: Call) -> Answer:
    """GET /settings/recycle_bin: what was deleted in any module, newest first; `filters` by module."""
    page = call.whole_number("page", 1, 1, 10**6)
    per_page = call.whole_number("per_page", PER_PAGE, 1, PER_PAGE)
    module = _filter_module(call.params.get("filters"))
    rows: list[tuple[Table, Deleted]] = []
    for table in call.state.tables.values():
        call.state.age_bin(table.module)
        if module in (None, table.module):
            rows += [(table, entry) for entry in table.deleted.values() if entry.record is not None]
    rows.sort(key=lambda row: (row[1].at, row[1].id), reverse=True)
    start = (page - 1) * per_page
    part = rows[start : start + per_page]
    if not part:
        return Answer(NO_CONTENT)
    info = {"per_page": per_page, "count": len(part), "page": page, "more_records": start + per_page < len(rows)}
    return Answer(200, {"recycle_bin": [_row(call, *row) for row in part], "info": info}, rows=len(part))


def _filter_module(text: str | None) -> str | None:
    """The module named by `filters={"field":{"api_name":"module"},"comparator":"equal","value":{"api_name":..}}`."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)["value"]
        return str(value["api_name"] if isinstance(value, dict) else value)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise errors.invalid_param("filters") from None


def _row(call: Call, table: Table, entry: Deleted) -> dict[str, Any]:
    assert entry.record is not None
    return {
        "display_name": entry.name,
        "deleted_time": from_epoch(entry.at, call.zone),
        "owner": render.author(call.state, entry.record["Owner"]["id"]),
        "module": {"api_name": table.module, "id": call.state.module_ids[table.module]},
        "deleted_by": render.author(call.state, entry.by),
        "id": entry.id,
    }


def _find(call: Call) -> tuple[Table, Deleted]:
    for table in call.state.tables.values():
        entry = table.deleted.get(call.names["id"])
        if entry is not None and entry.record is not None:
            return table, entry
    raise errors.invalid_path_id(2)


def restore(call: Call) -> Answer:
    """POST /settings/recycle_bin/{id}/actions/restore. Refused while the account or contact it belongs to is gone."""
    table, entry = _find(call)
    if _parent_missing(call.state, table, entry):
        raise Refusal("CANNOT_RESTORE_WITHOUT_PARENT", "cannot restore the record without its parent", {"id": entry.id})
    call.state.restore(table.module, entry.id)
    return Answer(200, {"recycle_bin": [batch.success("record restored", {"id": entry.id})]}, rows=1, code="SUCCESS")


def _parent_missing(state: CrmState, table: Table, entry: Deleted) -> bool:
    assert entry.record is not None
    for name in table.lookups:
        pointer, target = entry.record.get(name), table.fields[name].lookup
        if pointer is not None and target is not None and pointer["id"] in state.tables[target].deleted:
            return True
    return False


def purge(call: Call) -> Answer:
    """DELETE /settings/recycle_bin/{id}: for good."""
    table, entry = _find(call)
    call.state.purge(table.module, entry.id)
    result = batch.success("record deleted permanently", {"id": entry.id})
    return Answer(200, {"recycle_bin": [result]}, rows=1, code="SUCCESS")


def merge(call: Call) -> Answer:
    """POST /crm/v8/{module}/{master}/actions/merge: one master, at most two children, which are deleted."""
    table = call.table
    if table.module not in MERGEABLE:
        raise errors.invalid_module()
    call.permit("Edit")
    master = read.find(call, table)
    if master is None:
        raise errors.invalid_path_id(1)
    children = _children(call, table, master["id"])
    _refuse_closed_deals(call, table, [master["id"], *(id for id, _ in children)])
    for id, fields in children:
        call.state.merge(table.module, master["id"], id, fields=fields, by=call.user["id"])
    details = {"id": master["id"]}
    result = batch.success("The records have been merged successfully", details)
    return Answer(201, {"merge": [result]}, rows=1 + len(children), code="SUCCESS")


def merge_status(call: Call) -> Answer:
    """GET .../actions/merge?job_id=: merges here are done at once, so there is never a job."""
    if "job_id" not in call.params:
        raise errors.required_param("job_id")
    return Answer(NO_CONTENT)


def _children(call: Call, table: Table, master: str) -> list[tuple[str, tuple[str, ...]]]:
    """The children named and the fields to take from each."""
    at = {"api_name": "merge", "json_path": "$.merge"}
    body = call.json.get("merge")
    if body is None:
        raise Refusal("MANDATORY_NOT_FOUND", "required field not found", at)
    data = body[0].get("data") if isinstance(body, list) and len(body) == 1 and isinstance(body[0], dict) else None
    at = {"api_name": "data", "json_path": "$.merge[0].data"}
    if not isinstance(data, list) or not data:
        raise Refusal("INVALID_DATA", "invalid data", {"expected_data_type": "jsonarray", **at})
    if len(data) > MAX_CHILDREN:
        raise Refusal("LIMIT_EXCEEDED", "the merge limit has been exceeded", {"maximum_length": MAX_CHILDREN, **at})
    children: list[tuple[str, tuple[str, ...]]] = []
    for number, item in enumerate(data):
        id = str(item.get("id")) if isinstance(item, dict) else ""
        where = {"api_name": "id", "json_path": f"$.merge[0].data[{number}].id"}
        if id == master or id in [known for known, _ in children]:
            raise Refusal("DUPLICATE_DATA", "duplicate data", where)
        if id not in table.records:
            raise Refusal("INVALID_DATA", "the id given seems to be invalid", where)
        children.append((id, _chosen(table, item, number)))
    return children


def _chosen(table: Table, item: dict[str, Any], number: int) -> tuple[str, ...]:
    names = tuple(str(field.get("api_name")) for field in item.get("_fields") or [] if isinstance(field, dict))
    for place, name in enumerate(names):
        if name not in table.fields or table.fields[name].read_only:
            where = {"api_name": "api_name", "json_path": f"$.merge[0].data[{number}]._fields[{place}].api_name"}
            raise Refusal("INVALID_DATA", "invalid data", where)
    return names


def _refuse_closed_deals(call: Call, table: Table, ids: list[str]) -> None:
    if table.module != "Deals":
        return
    kinds = {choice.actual: choice.forecast_type for choice in table.fields["Stage"].choices}
    for id in ids:
        if kinds.get(str(table.records[id].get("Stage")), "Open") != "Open":
            raise Refusal("NOT_ALLOWED", "only open deals can be merged", {"resource_path_index": 1})
