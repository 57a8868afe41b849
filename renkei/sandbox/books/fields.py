"""Custom fields: definitions, values in a record, and the three shapes answers give them (books-v3.md 6.2, 6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from renkei.sandbox.books.errors import invalid, too_long

LONGEST_TEXT = 255


@dataclass(frozen=True, slots=True)
class CustomField:
    """One custom field of an entity (`contact`, `item`, ...). `is_unique`: it refuses duplicates; `is_mandatory` is told
    by the settings, and not enforced. `values`: what a dropdown offers; another value is refused."""

    customfield_id: str
    api_name: str
    label: str
    index: int
    data_type: str = "string"
    is_unique: bool = False
    is_mandatory: bool = False
    values: tuple[str, ...] = ()

    def as_setting(self, entity: str) -> dict[str, Any]:
        """The field as /settings/fields lists it (shape unverified)."""
        return {
            "field_id": self.customfield_id,
            "customfield_id": self.customfield_id,
            "api_name": self.api_name,
            "field_name": self.api_name,
            "field_name_formatted": self.label,
            "label": self.label,
            "entity": entity,
            "index": self.index,
            "data_type": self.data_type,
            "is_custom_field": True,
            "is_active": True,
            "is_mandatory": self.is_mandatory,
            "is_unique": self.is_unique,
            "show_on_pdf": False,
            "values": [{"name": one, "order": n, "is_active": True} for n, one in enumerate(self.values, 1)],
        }

    def holding(self, value: Any) -> dict[str, Any]:
        """The element of `custom_fields` for a value."""
        return {
            "customfield_id": self.customfield_id,
            "api_name": self.api_name,
            "placeholder": self.api_name,
            "label": self.label,
            "index": self.index,
            "data_type": self.data_type,
            "value": value,
            "value_formatted": formatted(self.data_type, value),
            "is_active": True,
            "show_on_pdf": False,
        }


_BASE_IDS = {
    "contact": 90000,
    "item": 91000,
    "estimate": 92000,
    "invoice": 93000,
    "salesorder": 94000,
    "creditnote": 95000,
    "purchaseorder": 96000,
}


def standard_fields() -> dict[str, list[CustomField]]:
    """The custom fields that every seed has, by entity."""
    fields: dict[str, list[CustomField]] = {"customer_payment": []}
    for entity, base in _BASE_IDS.items():
        id = f"{460000000000000 + base + 1}"
        fields[entity] = [CustomField(id, "cf_renkei_crm_id", "renkei CRM id", 1, is_unique=True)]
    tax = CustomField("460000000090002", "cf_tax_registration_number", "Tax registration number", 2)
    fields["contact"].append(tax)
    return fields


def formatted(data_type: str, value: Any) -> str:
    """A value as the vendor's screens show it: amounts grouped, dates in the organisation's style."""
    if data_type in ("amount", "decimal", "number") and isinstance(value, int | float):
        return f"{value:,}"
    return str(value).replace("-", "/") if data_type == "date" else str(value)


def applied(
    fields: Sequence[CustomField], current: list[dict[str, Any]], given: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """`current` with the listed fields replaced; an empty value takes the element away.

    An element names its field by customfield_id, api_name (also as placeholder), label or index. BooksError code 2 for
    an unknown field.
    """
    values = {element["customfield_id"]: element for element in current}
    for element in given:
        field = named(fields, element)
        value = element.get("value")
        if value is None or value == "":
            values.pop(field.customfield_id, None)
            continue
        if field.data_type == "string":
            value = str(value)
            if len(value) > LONGEST_TEXT:
                raise too_long(field.label, LONGEST_TEXT)
        if field.values and value not in field.values:
            raise invalid(field.label)
        values[field.customfield_id] = field.holding(value)
    return sorted(values.values(), key=lambda element: int(element["index"]))


def named(fields: Sequence[CustomField], element: dict[str, Any]) -> CustomField:
    """The field that an element of a body means."""
    for key in ("customfield_id", "api_name", "placeholder", "label", "index"):
        if element.get(key) not in (None, ""):
            wanted, attribute = str(element[key]), "api_name" if key == "placeholder" else key
            for field in fields:
                if str(getattr(field, attribute)) == wanted:
                    return field
            break
    raise invalid("custom_fields")


def flat_values(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Flat `cf_*` keys of a seed or of a person's edit as `custom_fields` elements."""
    return [
        {"api_name": key, "value": value}
        for key, value in body.items()
        if key.startswith("cf_") and not key.endswith("_unformatted")
    ]


def hash_of(elements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`custom_field_hash`: each value formatted, and raw under the `_unformatted` twin."""
    found: dict[str, Any] = {}
    for element in elements:
        found[element["api_name"]] = element["value_formatted"]
        found[element["api_name"] + "_unformatted"] = element["value"]
    return found
