"""Checks of what a caller writes, from the served field metadata (crm-v8.md sections 5.2, 7.1 and 12)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from renkei.sandbox.crm import subforms
from renkei.sandbox.crm.errors import Body, Refusal
from renkei.sandbox.crm.fields import Field
from renkei.sandbox.crm.stamps import stamp
from renkei.sandbox.crm.state import CrmState
from renkei.sandbox.crm.table import Record, Table

EMAIL = r"^[\w!#$%&'*+/=?^`{|}~.-]+@[A-Za-z0-9\u0080-\uffff](?:[A-Za-z0-9\u0080-\uffff.-]*\.)[A-Za-z\u0080-\uffff]{2,22}$"
PHONE = r"^[0-9A-Za-z+\-.() ;,#]{1,30}$"
WEBSITE = r"^(?:(?:https?|ftp)://)?[^\s/?#]+\.[^\s/?#]+(?:[/?#]\S*)?$"
_EMAIL, _PHONE, _WEBSITE = re.compile(EMAIL), re.compile(PHONE), re.compile(WEBSITE)
_DATETIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
NUMBER_DIGITS = 16

Place = tuple[str, str]


class Checker:
    """Turns the elements of one write call into stored values. `external`: lookups named by external value,
    field name -> external field of the target module (header X-EXTERNAL)."""

    def __init__(self, state: CrmState, table: Table, external: Mapping[str, str]) -> None:
        self.state = state
        self.table = table
        self.external = external
        self._checks: dict[str, Callable[[Field, Any, Place], Any]] = {
            "email": self._email,
            "phone": self._phone,
            "website": self._website,
            "picklist": self._picklist,
            "integer": self._integer,
            "double": self._decimal,
            "currency": self._decimal,
            "percent": self._decimal,
            "boolean": self._boolean,
            "date": self._date,
            "datetime": self._datetime,
            "lookup": self._lookup,
            "ownerlookup": self._owner,
            "text_array": self._tags,
            "subform": self._subform,
            "line_tax": self._line_tax,
        }

    def values(self, element: Mapping[str, Any], number: int, *, creating: bool) -> Record:
        """The element's values in stored form. Unknown and read-only fields are ignored, as the vendor does.

        Refusal with the first fault found: mandatory fields first, then in the order sent.
        """
        fields = self.table.fields
        for field in fields.values():
            if field.mandatory and (creating or field.name in element) and _blank(element.get(field.name)):
                raise Refusal("MANDATORY_NOT_FOUND", "required field not found", _details(place(field, number)))
        values: Record = {}
        for name, value in element.items():
            field_or_none = fields.get(name)
            if field_or_none is not None and not field_or_none.read_only and name != "Layout":
                values[name] = self._value(field_or_none, value, place(field_or_none, number))
        return values

    def unique(self, values: Record, number: int, own_id: str | None) -> None:
        """Refuses values that another record holds in a unique field."""
        clashes = []
        for name in self.table.uniques:
            value = values.get(name)
            holder = self.table.holder(name, value) if value is not None else None
            if holder is not None and holder != own_id:
                clashes.append(self._duplicate(name, holder, number))
        if len(clashes) == 1:
            raise clashes[0]
        if clashes:
            details = {"errors": [clash.body for clash in clashes]}
            raise Refusal("MULTIPLE_OR_MULTI_ERRORS", "multiple errors", details)

    def _duplicate(self, name: str, holder: str, number: int) -> Refusal:
        owner = self.state.users.get(self.table.records[holder]["Owner"]["id"], self.state.human_user)
        details: Body = {
            "api_name": name,
            "json_path": f"$.data[{number}].{name}",
            "duplicate_record": {
                "id": holder,
                "Owner": {"name": owner["full_name"], "id": owner["id"]},
                "module": {"api_name": self.table.module, "id": self.state.module_ids[self.table.module]},
            },
        }
        return Refusal("DUPLICATE_DATA", "duplicate data", details)

    def _value(self, field: Field, value: Any, at: Place) -> Any:
        if value is None or value == "":
            return None
        check = self._checks.get(field.type)
        return self._text(field, value, at) if check is None else check(field, value, at)

    def _text(self, field: Field, value: Any, at: Place) -> str | None:
        if not isinstance(value, str):
            raise _wrong_type("string", at)
        text = value.strip() if self.state.trims_text else value
        if len(text) > field.max_length:
            raise Refusal("INVALID_DATA", "invalid data", {"maximum_length": field.max_length, **_details(at)})
        return text or None

    def _email(self, field: Field, value: Any, at: Place) -> str | None:
        return self._matching(field, value, at, "email", _EMAIL)

    def _phone(self, field: Field, value: Any, at: Place) -> str | None:
        return self._matching(field, value, at, "phone", _PHONE)

    def _website(self, field: Field, value: Any, at: Place) -> str | None:
        return self._matching(field, value, at, "website", _WEBSITE)

    def _matching(self, field: Field, value: Any, at: Place, kind: str, pattern: re.Pattern[str]) -> str | None:
        text = self._text(field, value, at)
        if text is not None and not pattern.match(text):
            details = {"expected_data_type": kind, **_details(at), "regex": pattern.pattern}
            raise Refusal("INVALID_DATA", "invalid data", details)
        return text

    def _picklist(self, field: Field, value: Any, at: Place) -> str | None:
        if not isinstance(value, str):
            raise _wrong_type("string", at)
        offered = [choice.actual for choice in field.choices if choice.used]
        if value == "-None-":
            return None
        if value not in offered and self.state.refuses_unknown_choices:
            raise Refusal("INVALID_DATA", "invalid data", {"supported_values": offered, **_details(at)})
        return value

    def _integer(self, field: Field, value: Any, at: Place) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type("integer", at)
        if len(str(abs(value))) > field.max_length:
            raise Refusal("INVALID_DATA", "invalid data", {"maximum_length": field.max_length, **_details(at)})
        return value

    def _decimal(self, field: Field, value: Any, at: Place) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type("double", at)
        if len(str(abs(int(value)))) > field.max_length:
            raise Refusal("INVALID_DATA", "invalid data", {"maximum_length": field.max_length, **_details(at)})
        if field.decimal_place is None:
            return value
        step = Decimal(1).scaleb(-field.decimal_place)
        return float(Decimal(str(value)).quantize(step, ROUND_HALF_UP))

    def _boolean(self, field: Field, value: Any, at: Place) -> bool:
        if not isinstance(value, bool):
            raise _wrong_type("boolean", at)
        return value

    def _date(self, field: Field, value: Any, at: Place) -> str:
        if isinstance(value, str) and _DATE.match(value):
            try:
                return date.fromisoformat(value).isoformat()
            except ValueError:
                pass
        raise _wrong_type("date", at)

    def _datetime(self, field: Field, value: Any, at: Place) -> str:
        if isinstance(value, str) and _DATETIME.match(value):
            try:
                return stamp(datetime.fromisoformat(value), self.state.world.zone)
            except ValueError:
                pass
        raise _wrong_type("datetime", at)

    def _lookup(self, field: Field, value: Any, at: Place) -> dict[str, str]:
        if not isinstance(value, dict):
            raise _wrong_type("jsonobject", at)
        assert field.lookup is not None
        target = self.state.tables[field.lookup]
        external = self.external.get(field.name)
        if external is not None:
            holder = target.holder(external, value.get(external))
            if holder is None:
                message = "The external ID of the lookup field or the Price Book is incorrect"
                raise Refusal("INVALID_DATA", message, _details(at))
            return {"id": holder}
        id = value.get("id")
        if id is None:
            details = {"api_name": "id", "json_path": f"{at[1]}.id"}
            raise Refusal("MANDATORY_NOT_FOUND", "required field not found", details)
        if str(id) not in target.records:
            details = {**_details(at), "expected_data_type": "bigint"}
            raise Refusal("INVALID_DATA", "the id given seems to be invalid", details)
        return {"id": str(id)}

    def _owner(self, field: Field, value: Any, at: Place) -> dict[str, str]:
        if not isinstance(value, dict):
            raise _wrong_type("jsonobject", at)
        user = self.state.users.get(str(value.get("id")))
        if user is None or user["status"] != "active":
            details = {**_details(at), "expected_data_type": "bigint"}
            raise Refusal("INVALID_DATA", "the id given seems to be invalid", details)
        return {"id": user["id"]}

    def _tags(self, field: Field, value: Any, at: Place) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(tag, dict) and "name" in tag for tag in value):
            raise _wrong_type("jsonarray", at)
        return [self.state.tag(str(tag["name"])) for tag in value]

    def _subform(self, field: Field, value: Any, at: Place) -> list[Record]:
        """Rows as written: their ids and `_delete` as they are, what the subform does not have left out."""
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise _wrong_type("jsonarray", at)
        known = {one.name: one for one in field.rows if not one.read_only}
        return [
            {
                **{key: row[key] for key in ("id", subforms.DELETE) if key in row},
                **{
                    name: self._value(known[name], given, (name, f"{at[1]}[{number}].{name}"))
                    for name, given in row.items()
                    if name in known
                },
            }
            for number, row in enumerate(value)
        ]

    def _line_tax(self, field: Field, value: Any, at: Place) -> list[dict[str, Any]]:
        rows: list[Any] = value if isinstance(value, list) else [None]
        if not all(isinstance(row, dict) and isinstance(row.get("percentage"), int | float) and row.get("name") for row in rows):
            raise _wrong_type("jsonarray", at)
        return [{"name": str(row["name"]), "percentage": row["percentage"]} for row in rows]

    def rows(self, values: Record, number: int, record: Record) -> None:
        """Refuses rows of subforms whose id is none of the record's own."""
        for name in self.table.subforms:
            known = {row["id"] for row in record.get(name) or ()}
            for place, row in enumerate(values.get(name) or ()):
                if row.get("id") is not None and str(row["id"]) not in known:
                    details = {"api_name": "id", "json_path": f"$.data[{number}].{name}[{place}].id"}
                    raise Refusal("INVALID_DATA", "the id given seems to be invalid", details)


def place(field: Field, number: int) -> Place:
    """Where a field of an element stands: API name and JSON path."""
    return field.name, f"$.data[{number}].{field.name}"


def _details(at: Place) -> Body:
    return {"api_name": at[0], "json_path": at[1]}


def _wrong_type(expected: str, at: Place) -> Refusal:
    return Refusal("INVALID_DATA", "invalid data", {"expected_data_type": expected, **_details(at)})


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
