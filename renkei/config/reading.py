"""From a YAML document to a validated model, or faults in words: where, what, and the nearest name that would be right."""

from __future__ import annotations

import copy
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from rapidfuzz import fuzz, process

from renkei.config.yaml_reader import Document
from renkei.core.errors import Fault

M = TypeVar("M", bound=BaseModel)
NEAR = 60.0  # rapidfuzz ratio from which a name is worth proposing: a swapped letter or two in a short word
LISTED = 40  # a longer list of known names would hide the fault


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The most similar known name, or None when none is near."""
    found = process.extractOne(word, sorted(names), scorer=fuzz.ratio, score_cutoff=NEAR)
    return found[0] if found else None


def unknown(what: str, word: str, names: Iterable[str]) -> str:
    """`unknown transform 'emial'; did you mean 'email'?` or, when nothing is near, the names that there are."""
    known = sorted(names)
    near = nearest(word, known)
    if near:
        return f"unknown {what} {word!r}; did you mean {near!r}?"
    listed = f"; known are {', '.join(known) or 'none'}" if len(known) <= LISTED else ""
    return f"unknown {what} {word!r}{listed}"


def without_echo(told: Iterable[Fault], faults: Iterable[Fault]) -> list[Fault]:
    """The faults at places about which nothing has been told yet."""
    places = {(fault.line, fault.column) for fault in told}
    return [fault for fault in faults if (fault.line, fault.column) not in places]


def validated(document: Document, model: type[M]) -> tuple[M | None, list[Fault]]:
    """The document as a model, or None and every fault of its content. Faults of form are in the document already.

    Where the form is at fault, the content is not blamed once more.
    """
    if document.data is None:
        return None, []
    if not isinstance(document.data, dict):
        return None, [document.fault((), "a mapping of keys is expected here")]
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        faults = [_fault(document, model, entry) for entry in error.errors(include_url=False)]
        return None, without_echo(document.faults, faults)


def mended(
    document: Document, model: type[M], placeholders: Mapping[tuple[str, ...], Any], *, whole: str | None = None
) -> M | None:
    """What is left of a refused document, so that its other faults can be told in the same breath. Never used to run.

    Wrong values are taken out, placeholders stand for required ones; of the mapping `whole` an entry goes as a whole.
    None when that does not make a model either.
    """
    if not isinstance(document.data, dict):
        return None
    data = copy.deepcopy(document.data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for entry in error.errors(include_url=False, include_input=False):
            path = _path_in(document, entry["loc"])
            _take_out(data, path[:2] if path and path[0] == whole else path, missing=entry["type"] == "missing")
    for place, value in placeholders.items():
        _fill_in(data, place, value)
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _take_out(data: dict[str, Any], path: tuple[int | str, ...], *, missing: bool) -> None:
    """Remove what stands at the path; an entry of a list takes the whole list with it, another one may lean on it."""
    if not path or (missing and len(path) < 2):
        return
    holder: Any = data
    for number, part in enumerate(path):
        if not isinstance(holder, dict) or part not in holder:
            return
        if number == len(path) - 1 or not isinstance(holder[part], dict):
            del holder[part]
            return
        holder = holder[part]


def _fill_in(data: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    holder = data
    for part in place[:-1]:
        holder = holder.setdefault(part, {})
    holder.setdefault(place[-1], value)


def _fault(document: Document, model: type[BaseModel], entry: ErrorDetails) -> Fault:
    path, kind = _path_in(document, entry["loc"]), entry["type"]
    if entry["loc"][-1] == "[key]":
        return document.fault(path, _words(entry), at_key=True)
    if kind == "extra_forbidden":
        return document.fault(path, unknown("key", str(path[-1]), _known_keys(model, entry["loc"][:-1])), at_key=True)
    if kind == "missing":
        word = f"{entry['loc'][-1]!r} is missing{_choice_hint(model, entry['loc'])}"
        return document.fault((*path, entry["loc"][-1]), word, at_key=True)
    return document.fault(path, _words(entry))


def _path_in(document: Document, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """pydantic's location without the parts that are not in the file (union members)."""
    path: tuple[int | str, ...] = ()
    for part in loc:
        if (*path, part) in document.values:
            path = (*path, part)
    return path


def _words(entry: ErrorDetails) -> str:
    given, kind, context = entry["input"], entry["type"], entry.get("ctx", {})
    shown = _shown(given)
    if kind == "literal_error":
        expected = str(context["expected"])
        names = [name.strip("' ") for name in expected.replace(" or ", ", ").split(",")]
        near = nearest(str(given), names) if isinstance(given, str) else None
        hint = f"; did you mean {near!r}?" if near else ""
        return f"{shown} is not one of {', '.join(names)}{hint}"
    if kind == "string_type":
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return f'a text is expected; write "{given}" in quotes'
        return f"a text is expected, not {shown}"
    if kind == "string_pattern_mismatch":
        if context["pattern"] == SHA256:  # it may be the secret itself
            return "this is not the SHA-256 of a token, 64 hex digits"
        return f"{shown} has not the form {_FORMS.get(str(context['pattern']), context['pattern'])}"
    if kind == "too_short":
        return "at least one entry is expected"
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]} is expected, not {shown}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        return f"{shown} must be {_BOUNDS[kind]} {next(iter(context.values()))}"
    return f"{entry['msg']} (given: {shown})"


_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
}
_BOUNDS = {
    "greater_than": "greater than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
SHA256 = r"^[0-9a-f]{64}$"
_FORMS = {
    r"^(os:|token:|deployment:)?[A-Za-z0-9_][A-Za-z0-9_.@\\-]*$": "of an actor: NAME, os:NAME, token:NAME or deployment:FLOW",
    r"^[a-z][a-z0-9_-]{0,39}$": "of a name: small letters, digits, _ and -, at most 40",
    r"^[A-Z][A-Z0-9_]{0,39}$": "of a credentials word: capitals, digits and _",
    r"^https?://[^\s/?#]+/?$": "of an address without a path, such as https://www.zohoapis.jp",
    r"^\d{4}-\d{2}-\d{2}$": "YYYY-MM-DD",
    r"^[A-Za-z][A-Za-z0-9_]*$": "of an API name: letters, digits and _",
    r"^[A-Za-z][A-Za-z0-9_]*(\.id)?$": "of a CRM field: its API name, for a lookup with .id behind",
    r"^\d{5,20}$": "of an organisation id: digits in quotes",
    r"^cf_[a-z0-9_]+$": "of a Books custom field: cf_ and small letters, digits and _",
    r"^expect_[a-z_]+$": "of an expectation: expect_…",
}


def _shown(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping of keys"
    if isinstance(value, list):
        return "a list"
    return repr(value) if isinstance(value, str) else str(value)


def _members(annotation: Any) -> list[Any]:
    """The types that an annotation stands for, without None and metadata."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) if part is not type(None) for member in _members(part)]
    return [annotation]


def _types_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[Any]:
    found: list[Any] = [model]
    for part in loc:
        following: list[Any] = []
        for kind in found:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                if part in kind.model_fields:
                    following += _members(kind.model_fields[str(part)].annotation)
            elif get_origin(kind) is dict:
                following += _members(get_args(kind)[1])
            elif get_origin(kind) is list:
                following += _members(get_args(kind)[0])
        found = following or found
    return found


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    kinds = [kind for kind in _types_at(model, loc) if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [name for kind in kinds for name in kind.model_fields]


def _choice_hint(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """For a missing word out of few: which ones there are."""
    words = [str(word) for kind in _types_at(model, loc) for word in get_args(kind) if isinstance(word, str)]
    return f"; it is one of {', '.join(words)}" if words else ""
