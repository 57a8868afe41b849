"""Times and numbers as Books writes them (books-v3.md section 2)."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from renkei.sandbox.books.errors import invalid


def stamp(at: datetime, zone: tzinfo) -> str:
    """An aware time as `2026-11-02T09:15:40+0900`: whole seconds, the organisation's zone, no colon."""
    return at.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")


@lru_cache(maxsize=65536)
def instant(text: str) -> float:
    """Seconds since 1970 of a stamp with offset; ValueError without one. Instants compare, stamps do not."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"no offset in {text!r}")
    return at.timestamp()


def money(value: Any, name: str = "amount") -> Decimal:
    """A JSON number or numeric text as Decimal; empty is zero. BooksError code 2 for anything else."""
    if value is None or value == "":
        return Decimal(0)
    if isinstance(value, bool):
        raise invalid(name)
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise invalid(name) from error
    if not amount.is_finite():
        raise invalid(name)
    return amount


def rounded(amount: Decimal, precision: int) -> Decimal:
    """Half up to `precision` decimals."""
    return amount.quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)


def number(amount: Decimal) -> int | float:
    """A Decimal as the JSON number Books sends: without a fraction when it has none."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def day(value: Any, name: str) -> str:
    """A `yyyy-mm-dd` date checked; empty stays empty. BooksError code 2 otherwise."""
    if value in (None, ""):
        return ""
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise invalid(name) from error
