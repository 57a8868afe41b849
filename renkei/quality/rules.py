"""Expectations of our own, where Great Expectations has none or one that stops at a value of the wrong type.

Importing this module loads the library and registers them under their snake-case names, which the suites use:

    expect_column_values_to_be_amounts(column, min_value, max_value, places)
    expect_column_values_to_be_moments(column)
    expect_column_values_to_be_iso_dates(column)
    expect_column_values_to_be_iso_currencies(column)
    expect_column_values_to_be_email_addresses(column)

All are asked of one value at a time and never raise for a value of the wrong type: that value fails, the rows beside it
do not. Missing values are not asked; an empty text says nothing and passes, because Books writes "" for a blank.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa
from babel.numbers import is_currency
from email_validator import EmailNotValidError, validate_email
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.column_condition_partial import column_condition_partial
from great_expectations.expectations.metrics.map_metric_provider.column_map_metric_provider import ColumnMapMetricProvider

from renkei.core.values import parse_time

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_AMOUNT = re.compile(r"-?\d+(?:\.\d+)?")


def amount(value: Any) -> Decimal | None:
    """The exact number that a value holds, or None: numbers as they print, and text such as `-12.50`. No flags, no NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        return None
    text = str(value)
    if isinstance(value, str) and not _AMOUNT.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def is_amount(value: Any, min_value: float | None, max_value: float | None, places: int | None) -> bool:
    """A number within both bounds (inclusive) with at most `places` digits after the point, trailing zeros aside."""
    number = amount(value)
    if number is None:
        return False
    if min_value is not None and number < Decimal(str(min_value)):
        return False
    if max_value is not None and number > Decimal(str(max_value)):
        return False
    return places is None or number == round(number, places)


def is_moment(value: Any) -> bool:
    """A time with its offset, in either vendor's form."""
    try:
        parse_time(value)
    except (TypeError, ValueError):
        return False
    return True


def _all_moments(column: pd.Series[Any]) -> bool:
    """Whether Arrow reads a time with its offset in every value, which it does much faster than one value at a time."""
    try:
        pa.array(column, pa.string()).cast(pa.timestamp("us", tz="UTC"))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True


def is_iso_date(value: Any) -> bool:
    """A day of the calendar as `2026-11-05`."""
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


_is_currency = lru_cache(maxsize=1024)(is_currency)  # a column repeats a few codes, and the library is slow to look one up


def is_iso_currency(value: Any) -> bool:
    """A code of ISO 4217, in capitals."""
    return isinstance(value, str) and _is_currency(value)


def is_email_address(value: Any) -> bool:
    """An address of the right form (RFC 5321 and 6531) with a dotted domain that the public network may know; nobody is asked
    whether it exists. The same question as the mapping's transform `email` puts, so that the two never disagree."""
    if not isinstance(value, str):
        return False
    try:
        found = validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return "." in found.domain


def _ask(column: pd.Series[Any], question: Callable[[Any], bool]) -> pd.Series[bool]:
    values = column.tolist()
    if all(type(value) is str for value in values) and len(told := set(values)) < len(values) // 2:  # each of a few once
        known = {value: value == "" or question(value) for value in told}
        return pd.Series([known[value] for value in values], index=column.index, dtype=bool)
    answers = [(isinstance(value, str) and value == "") or question(value) for value in values]
    return pd.Series(answers, index=column.index, dtype=bool)


class ColumnValuesAmounts(ColumnMapMetricProvider):
    """The metric of ExpectColumnValuesToBeAmounts."""

    condition_metric_name = "column_values.renkei_amounts"
    condition_value_keys = ("min_value", "max_value", "places")

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(
        cls,
        column: pd.Series[Any],
        min_value: float | None = None,
        max_value: float | None = None,
        places: int | None = None,
        **_: Any,
    ) -> pd.Series[bool]:
        return _ask(column, lambda value: is_amount(value, min_value, max_value, places))


class ColumnValuesMoments(ColumnMapMetricProvider):
    """The metric of ExpectColumnValuesToBeMoments."""

    condition_metric_name = "column_values.renkei_moments"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[Any], **_: Any) -> pd.Series[bool]:
        if _all_moments(column):
            return pd.Series(True, index=column.index, dtype=bool)
        return _ask(column, is_moment)


class ColumnValuesIsoDates(ColumnMapMetricProvider):
    """The metric of ExpectColumnValuesToBeIsoDates."""

    condition_metric_name = "column_values.renkei_iso_dates"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[Any], **_: Any) -> pd.Series[bool]:
        return _ask(column, is_iso_date)


class ColumnValuesIsoCurrencies(ColumnMapMetricProvider):
    """The metric of ExpectColumnValuesToBeIsoCurrencies."""

    condition_metric_name = "column_values.renkei_iso_currencies"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[Any], **_: Any) -> pd.Series[bool]:
        return _ask(column, is_iso_currency)


class ColumnValuesEmailAddresses(ColumnMapMetricProvider):
    """The metric of ExpectColumnValuesToBeEmailAddresses."""

    condition_metric_name = "column_values.renkei_email_addresses"

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[Any], **_: Any) -> pd.Series[bool]:
        return _ask(column, is_email_address)


class ExpectColumnValuesToBeAmounts(ColumnMapExpectation):
    """Expect each value to be a number within the bounds, with no more digits after the point than `places`."""

    min_value: float | None = None
    max_value: float | None = None
    places: int | None = None

    map_metric: ClassVar[str | None] = "column_values.renkei_amounts"
    success_keys: ClassVar[tuple[str, ...]] = ("min_value", "max_value", "places", "mostly")


class ExpectColumnValuesToBeMoments(ColumnMapExpectation):
    """Expect each value to be a time with its offset from UTC."""

    map_metric: ClassVar[str | None] = "column_values.renkei_moments"


class ExpectColumnValuesToBeIsoDates(ColumnMapExpectation):
    """Expect each value to be a day as `2026-11-05`."""

    map_metric: ClassVar[str | None] = "column_values.renkei_iso_dates"


class ExpectColumnValuesToBeIsoCurrencies(ColumnMapExpectation):
    """Expect each value to be a currency code of ISO 4217."""

    map_metric: ClassVar[str | None] = "column_values.renkei_iso_currencies"


class ExpectColumnValuesToBeEmailAddresses(ColumnMapExpectation):
    """Expect each value to have the form of an e-mail address."""

    map_metric: ClassVar[str | None] = "column_values.renkei_email_addresses"
