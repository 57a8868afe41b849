"""Values of request bodies, checked: texts, flags, arrays, unique custom fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation


def text(value: Any, name: str, length: int) -> str:
    """A text within its length; null is empty, numbers become text. BooksError 2 or 15."""
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        raise errors.invalid(name)
    found = str(value)
    if len(found) > length:
        raise errors.too_long(name, length)
    return found


def flag(value: Any, name: str) -> bool:
    """A boolean, also as text."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise errors.invalid(name)


def rows(value: Any, name: str) -> list[dict[str, Any]]:
    """An array of objects."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise errors.invalid(name)
    return value


def checked_unique(org: Organisation, kind: str, id: str, elements: list[dict[str, Any]]) -> None:
    """BooksError 4 if another record of the kind holds the value of a unique custom field."""
    unique = {field.api_name: field.label for field in org.fields_of(kind) if field.is_unique}
    for element in elements:
        name = element["api_name"]
        if name in unique and any(other != id for other in org.table(kind).find(name, str(element["value"]))):
            raise errors.already_exists(f"A record whose {unique[name]} is", str(element["value"]))
