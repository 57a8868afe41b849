"""An administrator's calls that shape the organisation: fields, modules, what a profile may do (OpenAPI files; section 8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from renkei.sandbox.crm import batch
from renkei.sandbox.crm.call import Answer, Call
from renkei.sandbox.crm.errors import Body, Refusal, no_permission
from renkei.sandbox.crm.fields import Field
from renkei.sandbox.crm.org import ADMINISTRATOR
from renkei.sandbox.crm.settings import asked_module
from renkei.sandbox.crm.state import RIGHTS, TABS, CrmState

FIELDS_A_CALL = 5
LONGEST_LABEL = 25
LONGEST_API_NAME = 50
MODULE_CREDITS = 500
# The types that can be made here; Zoho has more.
TYPES = (
    "text", "textarea", "email", "phone", "website", "integer", "bigint", "double", "currency", "percent", "boolean", "date",
    "datetime", "lookup",
)  # fmt: skip
LONGEST = {"text": 255, "integer": 9, "bigint": 18, "double": 16, "currency": 16}
MODULE_LABEL = re.compile(r"[^\W_]+( [^\W_]+)*")  # letters, numbers and spaces
API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")


def make_fields(call: Call) -> Answer:
    """POST /settings/fields?module=...: at most five; API names come from the labels."""
    _administer(call)
    table = asked_module(call)
    rows = _elements(call, "fields", FIELDS_A_CALL)

    def make(number: int, row: dict[str, Any]) -> Body:
        field = _field(call.state, table.fields, number, row)
        call.state.set_field(table.module, field)
        id = call.state.field_id(table.module, list(table.fields).index(field.name))
        return batch.success("field created", {"id": id})

    return _answer("fields", [_tried(make, number, row) for number, row in enumerate(rows)], 201)


def make_modules(call: Call) -> Answer:
    """POST /settings/modules: one custom module, shown to the profiles that are named."""
    _administer(call)
    rows = _elements(call, "modules", 1)

    def make(number: int, row: dict[str, Any]) -> Body:
        labels = {key: _label(row, key, f"$.modules[{number}]") for key in ("plural_label", "singular_label")}
        taken = {label.casefold() for pair in call.state.labels.values() for label in pair}
        for key, label in labels.items():
            if not MODULE_LABEL.fullmatch(label) or label.casefold() in taken:
                raise _invalid(key, f"$.modules[{number}].{key}")
        name = row.get("api_name") or _api_name(labels["plural_label"])
        known = set(call.state.tables)
        if not isinstance(name, str) or not API_NAME.fullmatch(name) or len(name) > LONGEST_API_NAME or name in known:
            raise _invalid("api_name", f"$.modules[{number}].api_name")
        profiles = [str(one.get("id")) for one in row.get("profiles") or () if isinstance(one, dict)]
        if not profiles:
            raise _mandatory("profiles", f"$.modules[{number}].profiles")
        for place, id in enumerate(profiles):
            if id not in call.state.profiles:
                raise _invalid("id", f"$.modules[{number}].profiles[{place}].id")
        id = call.state.make_module(name, labels["singular_label"], labels["plural_label"], profiles)
        return batch.success("module created", {"id": id})

    return _answer("modules", [_tried(make, number, row) for number, row in enumerate(rows)], 200)


def change_profile(call: Call) -> Answer:
    """PUT /settings/profiles/{id}: permissions of one profile on or off. Those of the administrator are not customizable."""
    _administer(call)
    profile = call.state.profiles.get(call.names["id"])
    if profile is None:
        return _answer("profiles", [Refusal("INVALID_DATA", "the id given seems to be invalid or already deleted").body], 200)
    rows = _elements(call, "profiles", 1)

    def change(number: int, row: dict[str, Any]) -> Body:
        wanted = row.get("permissions_details")
        if not isinstance(wanted, list):
            raise Refusal("MANDATORY_NOT_FOUND", "required field not found", {"api_name": "name"})
        modules = (*call.state.tables, *TABS)
        by_id = {call.state.permission_id(module, right): (module, right) for module in modules for right in RIGHTS}
        changes = []
        for one in wanted:
            place = by_id.get(str(one.get("id"))) if isinstance(one, dict) else None
            if place is None or not isinstance(one.get("enabled"), bool):
                details = {"api_name": "permissions_details", "expected_data_type": "text"}
                raise Refusal("INVALID_DATA", "invalid data", details)
            if profile["id"] == ADMINISTRATOR and not one["enabled"]:
                raise Refusal("INVALID_DATA", "The action given is invalid")
            changes.append(((profile["id"], *place), one["enabled"]))
        for what, enabled in changes:
            (call.state.denied.discard if enabled else call.state.denied.add)(what)
        return batch.success("profile updated successfully", {"id": profile["id"]})

    return _answer("profiles", [_tried(change, number, row) for number, row in enumerate(rows)], 200)


def _field(state: CrmState, there: dict[str, Field], number: int, row: dict[str, Any]) -> Field:
    path = f"$.fields[{number}]"
    label = _label(row, "field_label", path)
    labels = {(field.label or field.name.replace("_", " ")).casefold() for field in there.values()}
    if not _api_name(label) or label.casefold() in labels:
        raise _invalid("field_label", f"{path}.field_label")
    kind = row.get("data_type")
    if kind is None:
        raise _mandatory("data_type", f"{path}.data_type")
    if kind not in TYPES:
        raise _invalid("data_type", f"{path}.data_type")
    length = row.get("length", 0)
    if not isinstance(length, int) or length > LONGEST.get(kind, length):
        raise _invalid("length", f"{path}.length")
    unique = bool(row.get("unique"))
    if unique and sum(one.unique for one in there.values()) >= state.most_unique_fields:
        due = [{"api_name": "unique", "json_path": f"{path}.unique"}]
        details = {"limit": state.most_unique_fields, "limit_due_to": due}
        raise Refusal("LIMIT_EXCEEDED", "limit exceeded", details)
    lookup, related = None, None
    if kind == "lookup":
        told = _object(row.get("lookup"))
        wanted = _object(told.get("module"))
        pairs = state.module_ids.items()
        lookup = next((one for one, id in pairs if one == wanted.get("api_name") or id == wanted.get("id")), None)
        if lookup is None:
            raise _invalid("lookup", f"{path}.lookup")
        related = _api_name(str(told.get("display_label") or label))
    name = _free(_api_name(label), there)
    return Field(
        name, kind, label, length=length, unique=unique, custom=True, decimal_place=row.get("decimal_place"), lookup=lookup,
        related_list=related,
    )  # fmt: skip


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _free(name: str, there: dict[str, Field]) -> str:
    """The API name of a label; a number behind it where another field has it."""
    number, found = 1, name
    while found in there:
        found, number = f"{name}_{number}", number + 1
    return found


def _api_name(label: str) -> str:
    """A label as an API name (Books id → Books_id): what is neither letter nor digit parts the words."""
    return "_".join(re.findall(r"[A-Za-z0-9]+", label))


def _label(row: dict[str, Any], key: str, path: str) -> str:
    label = row.get(key)
    if label is None or label == "":
        raise _mandatory(key, f"{path}.{key}")
    if not isinstance(label, str):
        raise Refusal(
            "INVALID_DATA", "invalid data", {"api_name": key, "json_path": f"{path}.{key}", "expected_data_type": "text"}
        )
    if len(label) > LONGEST_LABEL:
        details: Body = {"maximum_length": LONGEST_LABEL, "api_name": key, "json_path": f"{path}.{key}"}
        raise Refusal("INVALID_DATA", "invalid data", details)
    return label


def _administer(call: Call) -> None:
    if call.user["profile"]["id"] != ADMINISTRATOR:
        raise no_permission("Crm_Implied_Customize_Zoho_CRM")


def _elements(call: Call, key: str, most: int) -> list[Any]:
    rows = call.json.get(key)
    place = {"api_name": key, "json_path": f"$.{key}"}
    if not isinstance(rows, list) or not rows:
        raise Wrapped(key, _mandatory(key, f"$.{key}"))
    if len(rows) > most:
        raise Wrapped(key, Refusal("LIMIT_EXCEEDED", "limit exceeded", {"limit": most, "limit_due_to": [place]}))
    return rows


class Wrapped(Refusal):
    """A request refused whole, in the wrapper that its answers have."""

    def __init__(self, key: str, refusal: Refusal) -> None:
        super().__init__(refusal.code, "", status=refusal.status)
        self.body = {key: [refusal.body]}


def _tried(make: Callable[[int, dict[str, Any]], Body], number: int, row: Any) -> Body:
    try:
        return make(number, row if isinstance(row, dict) else {})
    except Refusal as refusal:
        return refusal.body


def _answer(key: str, results: list[Body], good: int) -> Answer:
    made = sum(one["status"] == "success" for one in results)
    status = good if made == len(results) else 207 if made else 400
    code = "SUCCESS" if made == len(results) else next(one["code"] for one in results if one["status"] == "error")
    return Answer(status, {key: results}, rows=made, code=code)


def _mandatory(name: str, path: str) -> Refusal:
    return Refusal("MANDATORY_NOT_FOUND", "required field not found", {"api_name": name, "json_path": path})


def _invalid(name: str, path: str) -> Refusal:
    return Refusal("INVALID_DATA", "invalid data", {"api_name": name, "json_path": path})
