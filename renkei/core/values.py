"""Small values that everything else is written in: sides, references, times, canonical JSON and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import orjson

Side = Literal["crm", "books"]
SIDES: tuple[Side, Side] = ("crm", "books")


class Missing(Enum):
    """The third state beside a value and null: the key was not asked for, or not permitted."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing.MISSING


@dataclass(frozen=True, order=True, slots=True)
class Ref:
    """A record's name everywhere: `crm:Accounts:5545…`, `books:contacts:4600…`. Ids are strings."""

    side: Side
    module: str
    id: str

    def __str__(self) -> str:
        return f"{self.side}:{self.module}:{self.id}"

    @staticmethod
    def parse(text: str) -> Ref:
        """`side:module:id`; raises ValueError with the right form otherwise."""
        side, _, rest = text.partition(":")
        module, _, record_id = rest.partition(":")
        if side not in SIDES or not module or not record_id:
            raise ValueError(f"{text!r} is not a record. Write crm:Accounts:ID or books:contacts:ID.")
        return Ref("crm" if side == "crm" else "books", module, record_id)


def other(side: Side) -> Side:
    return "books" if side == "crm" else "crm"


def parse_time(text: str) -> datetime:
    """An aware UTC time from either vendor's form (`+09:00` and `+0900`); raises ValueError without an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment.astimezone(UTC)


def time_text(moment: datetime) -> str:
    """ISO 8601 in UTC with whole or fractional seconds as they are: `2026-11-23T01:02:03+00:00`."""
    return moment.astimezone(UTC).isoformat()


def plain(value: Any) -> Any:
    """A value as JSON can hold it: Decimal as text with its exact digits, times and dates as ISO text."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Ref):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def decimal_text(value: Decimal) -> str:
    """`10`, `10.5`, never `1E+1` nor `10.50`: equal amounts have equal text."""
    text = format(value.normalize(), "f")
    return "0" if text in ("-0", "") else text


def canonical_json(value: Any) -> str:
    """Same content, same bytes: sorted keys, no spaces, Unicode as it is."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def row_digest(raw: Any) -> str:
    """A quick hash of raw JSON values (no Decimals or times), the same for the same content in any key order."""
    return text_digests([row_json(raw)])[0]


def row_json(raw: Any) -> bytes:
    """Raw JSON values as JSON with sorted keys: the same content, the same bytes."""
    return orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)


def rows_json(rows: Sequence[Any]) -> list[bytes]:
    """`row_json` of each."""
    return [orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows]


def text_digests(texts: Iterable[bytes]) -> list[str]:
    """The hashes of `row_digest` of what `row_json` gave."""
    digest = hashlib.blake2b
    return [digest(text, digest_size=16).hexdigest() for text in texts]
