"""Values as text and back without loss: times, JSON, and the values that JSON has no word for.

A value that JSON cannot hold is written as `{"$type": "decimal", "value": "10.50"}`; a dictionary that happens to have
a key `$type` itself is wrapped the same way, so that every value comes back equal to what was stored (tuples inside
actions included; tuples inside raw rows come back as lists, as JSON would have them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pandas as pd

from renkei.core.values import MISSING, Missing, Ref

_TAG = "$type"
_PLAIN = frozenset({str, int, float, bool, type(None)})
_TAG_TEXT = f'"{_TAG}"'


def moment_text(moment: datetime) -> str:
    """UTC with microseconds, always the same length: sorts as time does. A naive time raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no offset")
    return (moment if moment.tzinfo is UTC else moment.astimezone(UTC)).isoformat(timespec="microseconds")


def moment_text_or_none(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)


def moment_texts(moments: pd.Series[Any]) -> list[str | None]:
    """`moment_text` of a column of aware times, None where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    utc = pa.array(moments, pa.timestamp("us", tz="UTC")).cast(pa.string())  # 2026-11-23 01:02:03.000000Z
    texts: list[str | None] = pc.replace_substring(pc.replace_substring(utc, " ", "T"), "Z", "+00:00").to_pylist()
    return texts


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moment_or_none(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def day_or_none(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def row_text(row: Any) -> str:
    """JSON text of a raw row, quickly; values that JSON lacks are tagged."""
    try:
        text = orjson.dumps(row, default=_tag_scalar, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except (orjson.JSONEncodeError, UnicodeDecodeError):  # a lone surrogate, an integer beyond 64 bits
        return json.dumps(_tagged(row, tuples=False), separators=(",", ":"))
    if _TAG_TEXT in text:
        return exact_text(row, tuples=False)
    return text


def texts_of_json(contents: pd.Series[Any]) -> list[str]:
    """`row_text` of each row of a column of JSON (bytes)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    arrow = pa.array(contents, pa.binary()).cast(pa.string())
    texts: list[str] = arrow.to_numpy(zero_copy_only=False).tolist()
    if pc.any(pc.match_substring(arrow, _TAG_TEXT)).as_py():
        return [exact_text(orjson.loads(text), tuples=False) if _TAG_TEXT in text else text for text in texts]
    return texts


def exact_text(value: Any, *, tuples: bool = True) -> str:
    """JSON text that brings back every value with its type (Decimal, date, time, MISSING, Ref and tuples)."""
    tagged = _tagged(value, tuples=tuples)
    try:
        return orjson.dumps(tagged).decode()
    except (orjson.JSONEncodeError, UnicodeDecodeError):
        return json.dumps(tagged, separators=(",", ":"))


def value_of(text: str) -> Any:
    """What `row_text` or `exact_text` was given."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = json.loads(text)
    return _untagged(value) if _TAG_TEXT in text else value


def value_or_none(text: str | None) -> Any:
    return None if text is None else value_of(text)


def _tag_scalar(value: Any) -> Any:
    if isinstance(value, (str, int, float)):  # an enum of text, a subclass of a number
        return value
    if isinstance(value, Decimal):
        return {_TAG: "decimal", "value": str(value)}
    if isinstance(value, datetime):
        return {_TAG: "time", "value": value.isoformat()}
    if isinstance(value, date):
        return {_TAG: "date", "value": value.isoformat()}
    if isinstance(value, Ref):
        return {_TAG: "ref", "value": [value.side, value.module, value.id]}
    if value is MISSING:
        return {_TAG: "missing"}
    if isinstance(value, (frozenset, set)):
        return {_TAG: "set", "value": sorted(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in the ledger")


def _tagged(value: Any, *, tuples: bool) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (dict, Mapping)):
        inner = {str(key): item if type(item) in _PLAIN else _tagged(item, tuples=tuples) for key, item in value.items()}
        return {_TAG: "dict", "value": inner} if _TAG in inner else inner
    if isinstance(value, list):
        return [_tagged(item, tuples=tuples) for item in value]
    if isinstance(value, tuple):
        items = [_tagged(item, tuples=tuples) for item in value]
        return {_TAG: "tuple", "value": items} if tuples else items
    return _tag_scalar(value)


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: _untagged(item) for key, item in value.items()}
    return _from_tag(str(value[_TAG]), value.get("value"))


def _from_tag(kind: str, value: Any) -> Decimal | date | Ref | Missing | dict[str, Any] | tuple[Any, ...] | set[Any]:
    match kind:
        case "decimal":
            return Decimal(value)
        case "time":
            return datetime.fromisoformat(value)
        case "date":
            return date.fromisoformat(value)
        case "ref":
            return Ref(value[0], value[1], value[2])
        case "missing":
            return MISSING
        case "dict":
            return {key: _untagged(item) for key, item in value.items()}
        case "tuple":
            return tuple(_untagged(item) for item in value)
        case "set":
            return set(value)
    raise ValueError(f"The ledger holds a value of the unknown kind {kind!r}.")
