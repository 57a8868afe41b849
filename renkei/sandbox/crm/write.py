"""Insert, update, upsert, delete (crm-v8.md sections 5.1 to 5.5)."""

from __future__ import annotations

from functools import partial
from typing import Any

from renkei.sandbox.crm import batch, errors, read, render
from renkei.sandbox.crm.call import NO_CONTENT, Answer, Call
from renkei.sandbox.crm.errors import Body, Refusal
from renkei.sandbox.crm.fields import DUPLICATE_CHECK_FIELD
from renkei.sandbox.crm.stamps import moved
from renkei.sandbox.crm.table import Record, Table
from renkei.sandbox.crm.validate import Checker


def insert(call: Call) -> Answer:
    """POST /crm/v8/{module}."""
    table = call.table
    call.permit("Create")
    items = batch.elements(call)
    batch.note(call, "insert", len(items))
    checker = _checker(call, table)
    return batch.answer(batch.each(items, partial(_insert, call, table, checker)), created=True)


def update(call: Call) -> Answer:
    """PUT /crm/v8/{module}: each element carries its `id`."""
    table = call.table
    call.permit("Edit")
    items = batch.elements(call)
    batch.note(call, "update", len(items))
    _check_unmodified(call, table, [item.get("id") for item in items if isinstance(item, dict)])
    checker = _checker(call, table)

    def handle(number: int, item: Body) -> Body:
        id = item.get("id")
        if id is None:
            details = {"api_name": "id", "json_path": f"$.data[{number}].id"}
            raise Refusal("MANDATORY_NOT_FOUND", "required field not found", details)
        return _update(call, table, checker, number, item, str(id))

    return batch.answer(batch.each(items, handle), created=False)


def update_one(call: Call) -> Answer:
    """PUT /crm/v8/{module}/{id}."""
    table = call.table
    call.permit("Edit")
    record = read.find(call, table)
    items = batch.elements(call)[:1]
    batch.note(call, "update", 1)
    if record is None:
        if read.external_field(call, table) is not None:
            return Answer(NO_CONTENT)
        raise errors.invalid_path_id(1)
    id = record["id"]
    _check_unmodified(call, table, [id])
    checker = _checker(call, table)

    def handle(number: int, item: Body) -> Body:
        return _update(call, table, checker, number, item, id)

    return batch.answer(batch.each(items, handle), created=False)


def upsert(call: Call) -> Answer:
    """POST /crm/v8/{module}/upsert, matched by the rules of section 5.4."""
    table = call.table
    call.permit("Create")
    call.permit("Edit")
    items = batch.elements(call)
    order = _check_order(call, table)
    batch.note(call, "upsert", len(items))
    matched = [_match(table, order, item)[0] if isinstance(item, dict) else None for item in items]
    _check_unmodified(call, table, matched)
    checker = _checker(call, table)

    def handle(number: int, item: Body) -> Body:
        id, field = _match(table, order, item)
        if id is None:
            return {**_insert(call, table, checker, number, item), "action": "insert", "duplicate_field": None}
        return {**_update(call, table, checker, number, item, id), "action": "update", "duplicate_field": field}

    results = batch.each(items, handle)
    return batch.answer(results, created=all(result.get("action") == "insert" for result in results))


def delete(call: Call) -> Answer:
    """DELETE /crm/v8/{module}?ids=..."""
    table = call.table
    call.permit("Delete")
    ids = batch.ids_param(call)
    batch.note(call, "delete", len(ids))
    name = read.external_field(call, table)
    if name is not None:
        ids = [table.holder(name, id) or id for id in ids]
    results = batch.each([{"id": id} for id in ids], lambda number, item: _delete(call, table, item["id"]))
    return batch.answer(results, created=False)


def delete_one(call: Call) -> Answer:
    """DELETE /crm/v8/{module}/{id}."""
    table = call.table
    call.permit("Delete")
    record = read.find(call, table)
    batch.note(call, "delete", 1)
    if record is None and read.external_field(call, table) is not None:
        return Answer(NO_CONTENT)
    id = record["id"] if record is not None else call.names["id"]
    results = batch.each([{}], lambda number, item: _delete(call, table, id))
    return batch.answer(results, created=False)


def _insert(call: Call, table: Table, checker: Checker, number: int, item: Body) -> Body:
    values = checker.values(item, number, creating=True)
    checker.unique(values, number, None)
    checker.rows(values, number, {})
    id = call.state.insert(table.module, values, by=call.user["id"])
    details = {**_stamps(call, table.records[id]), "$approval_state": "approved"}
    return batch.success("record added", details)


def _update(call: Call, table: Table, checker: Checker, number: int, item: Body, id: str) -> Body:
    record = table.records.get(id)
    if record is None:
        details = {"api_name": "id", "json_path": f"$.data[{number}].id"}
        raise Refusal("INVALID_DATA", "the id given seems to be invalid", details)
    _refuse_locked(record)
    values = checker.values(item, number, creating=False)
    checker.unique(values, number, id)
    checker.rows(values, number, record)
    if table.module == "Deals" and "Stage" in values and "Probability" not in values:
        values["Probability"] = None
    call.state.update(table.module, id, values, by=call.user["id"])
    return batch.success("record updated", _stamps(call, record))


def _delete(call: Call, table: Table, id: str) -> Body:
    record = table.records.get(id)
    if record is None:
        raise Refusal("INVALID_DATA", "record not deleted", {"id": id})
    _refuse_locked(record)
    call.state.delete(table.module, id, by=call.user["id"])
    return batch.success("record deleted", {"id": id})


def _refuse_locked(record: Record) -> None:
    if record.get("Locked__s"):
        message = "You cannot perform this operation as the record is locked."
        raise Refusal("RECORD_LOCKED", message, {"id": record["id"]})


def _stamps(call: Call, record: Record) -> Body:
    """The details of a success: id, times in the token user's zone, authors."""
    zone = call.zone
    same = zone.key == call.state.world.zone.key
    return {
        "Modified_Time": record["Modified_Time"] if same else moved(record["Modified_Time"], zone),
        "Modified_By": render.author(call.state, record["Modified_By"]["id"]),
        "Created_Time": record["Created_Time"] if same else moved(record["Created_Time"], zone),
        "id": record["id"],
        "Created_By": render.author(call.state, record["Created_By"]["id"]),
    }


def _check_unmodified(call: Call, table: Table, ids: list[Any]) -> None:
    """Refuses the whole call with 412 when one of the records was modified after If-Unmodified-Since."""
    since = call.time_header("if-unmodified-since")
    if since is None:
        return
    if any(str(id) in table.records and table.modified_epoch(str(id)) > since for id in ids if id is not None):
        message = "Record updated time has already passed if-unmodified-since time"
        raise Refusal("ALREADY_MODIFIED", message, status=412)


def _check_order(call: Call, table: Table) -> list[str]:
    """The fields that an upsert compares, in order (section 5.4)."""
    system = DUPLICATE_CHECK_FIELD.get(table.module, "Name")
    named = call.json.get("duplicate_check_fields")
    if named is None:
        return [system, *(name for name in table.uniques if name != system)]
    if not isinstance(named, list) or any(name != system and name not in table.uniques for name in named):
        details = {"api_name": "duplicate_check_fields", "json_path": "$.duplicate_check_fields"}
        raise Refusal("INVALID_DATA", "invalid data", details)
    return [*named, *(name for name in table.uniques if name not in named)]


def _match(table: Table, order: list[str], item: Body) -> tuple[str | None, str | None]:
    """The existing record an element means, and the field that says so."""
    if item.get("id") is not None:
        return str(item["id"]), None
    for name in order:
        value = item.get(name)
        if value is None or value == "":
            continue
        unique = name in table.uniques
        holder = table.holder(name, value) if unique else next(iter(table.with_check_value(value)), None)
        if holder is not None:
            return holder, name
    return None, None


def _checker(call: Call, table: Table) -> Checker:
    """The checks of a write; X-EXTERNAL `Module.Lookup.External` names lookups given by external value."""
    external: dict[str, str] = {}
    for item in call.headers.get("x-external", "").split(","):
        parts = item.strip().split(".")
        if len(parts) == 3 and parts[0] == table.module:
            field = table.fields.get(parts[1])
            target = call.state.tables[field.lookup].fields if field and field.lookup in call.state.tables else {}
            if parts[2] not in target or not target[parts[2]].external:
                raise Refusal("INVALID_DATA", "the external field given is invalid", {"header_name": "X-EXTERNAL"})
            external[parts[1]] = parts[2]
    return Checker(call.state, table, external)
