"""The shared shape of writes: at most 100 elements in, one result each in order out (crm-v8.md section 5.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from renkei.sandbox.crm import errors
from renkei.sandbox.crm.call import Answer, Call
from renkei.sandbox.crm.errors import Body, Refusal
from renkei.sandbox.crm.state import WriteRow

MAX_RECORDS = 100
TRIGGERS = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")
DATA = {"api_name": "data", "json_path": "$.data"}


def size(call: Call) -> int:
    """How many records a write names; 0 when its body cannot be read."""
    try:
        body = orjson.loads(call.body)
    except orjson.JSONDecodeError:
        return 0
    data = body.get("data") if isinstance(body, dict) else None
    return len(data) if isinstance(data, list) else 0


def elements(call: Call) -> list[Any]:
    """The body's `data`. Refused whole when absent, no array, empty or longer than 100."""
    data = call.json.get("data")
    if data is None:
        raise Refusal("MANDATORY_NOT_FOUND", "required field not found", DATA)
    if not isinstance(data, list) or not data:
        raise Refusal("INVALID_DATA", "invalid data", {"expected_data_type": "jsonarray", **DATA})
    if len(data) > MAX_RECORDS:
        details = {"limit": MAX_RECORDS, "maximum_length": MAX_RECORDS, **DATA}
        raise Refusal("LIMIT_EXCEEDED", "Record insertion limit has been exceeded.", details)
    return data


def note(call: Call, operation: str, records: int) -> None:
    """Logs the write with its `trigger`; absent is None, for then everything fires."""
    trigger = call.json.get("trigger") if call.body else None
    if trigger is not None and (not isinstance(trigger, list) or any(word not in TRIGGERS for word in trigger)):
        details = {"supported_values": list(TRIGGERS), "api_name": "trigger", "json_path": "$.trigger"}
        raise Refusal("INVALID_DATA", "invalid data", details)
    words = None if trigger is None else tuple(trigger)
    call.state.writes.append(WriteRow(call.names["module"], operation, call.user["id"], records, words))


def answer(results: list[Body], *, created: bool) -> Answer:
    """The results under 201 or 200 when all went well, 207 when some did, 400 when none did."""
    good = sum(result["status"] == "success" for result in results)
    complete = 201 if created else 200
    status = complete if good == len(results) else 207 if good else 400
    code = "SUCCESS" if good == len(results) else next(r["code"] for r in results if r["status"] == "error")
    return Answer(status, {"data": results}, rows=good, code=code)


def each(items: list[Any], handle: Callable[[int, Any], Body]) -> list[Body]:
    """Handles elements one by one; a refused one becomes its error object, the others go on."""
    results: list[Body] = []
    for number, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                details = {"expected_data_type": "jsonobject", "json_path": f"$.data[{number}]", "api_name": "data"}
                raise Refusal("INVALID_DATA", "invalid data", details)
            results.append(handle(number, item))
        except Refusal as refusal:
            results.append(refusal.body)
    return results


def success(message: str, details: Body) -> Body:
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def ids_param(call: Call) -> list[str]:
    """The `ids` of a delete."""
    text = call.params.get("ids", "")
    ids = [id.strip() for id in text.split(",") if id.strip()]
    if not ids:
        raise errors.required_param("ids")
    if len(ids) > MAX_RECORDS:
        raise Refusal("LIMIT_EXCEEDED", "the number of ids exceeds the limit", {"limit": MAX_RECORDS, "param": "ids"})
    return ids
