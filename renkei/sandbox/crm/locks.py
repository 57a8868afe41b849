"""Record locks: /crm/v8/{module}/{id}/Locking_Information__s (crm-v8.md section 12)."""

from __future__ import annotations

from typing import Any

from renkei.sandbox.crm import batch, errors, read, render
from renkei.sandbox.crm.call import NO_CONTENT, Answer, Call
from renkei.sandbox.crm.errors import Refusal
from renkei.sandbox.crm.table import Record


def listing(call: Call) -> Answer:
    """The lock on a record; 204 when it is free."""
    record = _record(call)
    held = call.state.locks.get(record["id"])
    if held is None:
        return Answer(NO_CONTENT)
    info = {"per_page": 200, "count": 1, "page": 1, "more_records": False}
    return Answer(200, {"data": [held], "info": info}, rows=1)


def lock(call: Call) -> Answer:
    """Locks a record: it reads normally with `Locked__s` true and refuses writes."""
    record = _record(call)
    item = batch.elements(call)[0]
    if record["id"] in call.state.locks:
        message = "You cannot perform this operation as the record is locked."
        raise Refusal("RECORD_LOCKED", message, {"id": record["id"]})
    author = render.author(call.state, call.user["id"])
    now = call.state.now_stamp()
    id = call.state.world.new_id("crm")
    held: dict[str, Any] = {
        "id": id,
        "Lock_Source__s": "Manual",
        "Locked_By__s": author,
        "Locked_For__s": {
            "name": render.record_name(call.state, call.table.module, record["id"]),
            "id": record["id"],
            "module": {"api_name": call.table.module, "id": call.state.module_ids[call.table.module]},
        },
        "Locked_Reason__s": item.get("Locked_Reason__s"),
        "Locked_Time__s": now,
        "Created_By": author,
        "Created_Time": now,
        "Modified_By": author,
        "Modified_Time": now,
    }
    call.state.locks[record["id"]] = held
    record["Locked__s"] = True
    stamps = {key: held[key] for key in ("Modified_Time", "Modified_By", "Created_Time", "id", "Created_By")}
    return batch.answer([batch.success("record added", stamps)], created=True)


def unlock(call: Call) -> Answer:
    """Frees a record."""
    record = _record(call)
    held = call.state.locks.get(record["id"])
    if held is None or held["id"] != call.names["lock"]:
        raise errors.invalid_path_id(3)
    del call.state.locks[record["id"]]
    record["Locked__s"] = False
    return batch.answer([batch.success("record deleted", {"id": held["id"]})], created=False)


def _record(call: Call) -> Record:
    record = read.find(call, call.table)
    if record is None:
        raise errors.invalid_path_id(1)
    return record
