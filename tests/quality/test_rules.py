"""What our own expectations take for an amount, a moment, a day, a currency, an address."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from renkei.core.ports import Judgement
from renkei.quality.judge import GreatJudge

CASES: list[tuple[str, dict[str, Any], list[Any], list[Any]]] = [
    ("amounts", {}, [0, 10.5, Decimal("1E+3"), "12.50", "-3", ""], ["12,50", "¥10", True, float("inf"), [1], " 5"]),
    ("amounts", {"min_value": 0, "max_value": 10}, [0, 10, Decimal("9.99")], [-1, Decimal("-0.01"), 10.5, "11"]),
    ("amounts", {"places": 0}, [1200, 1200.0, Decimal("1200.00"), "5"], [0.1, Decimal("10.5"), "5.01"]),
    ("amounts", {"places": 2}, [0.1, 10.25, Decimal("3.10")], [Decimal("0.125"), 1e-3]),
    (
        "moments",
        {},
        ["2026-11-02T00:00:00+09:00", "2026-11-02T00:00:00+0900", "2026-11-01T15:00:00Z"],
        ["2026-11-02T00:00:00", "2026-11-02", "yesterday", 20261102],
    ),
    ("iso_dates", {}, ["2026-11-05", "2028-02-29", ""], ["2026-02-29", "05/11/2026", "2026-11-05T00:00:00", "20261105", 5]),
    ("iso_currencies", {}, ["JPY", "USD", "EUR", ""], ["jpy", "ZZZ", "YEN", "¥", 392]),
    (
        "email_addresses",
        {},
        ["a.mori@kita.example", "経理@例え.jp", "desk@office.test", ""],
        ["a.mori", "a@kita", "a@@kita.example", "a mori@kita.example", "desk@office.local", 7],
    ),
]


def judged(kind: str, options: dict[str, Any], values: list[Any]) -> Judgement:
    rule = {"type": f"expect_column_values_to_be_{kind}", "kwargs": {"column": "value", **options}}
    table = pd.DataFrame({"id": [str(place) for place in range(len(values))], "value": pd.Series(values, dtype=object)})
    return GreatJudge({"suite": [rule]}).judge("suite", table)


@pytest.mark.parametrize(("kind", "options", "good", "bad"), CASES, ids=lambda case: case if isinstance(case, str) else "")
def test_each_value_is_taken_for_what_it_is(kind: str, options: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    result = judged(kind, options, [*good, *bad, None])
    assert result.table == ()
    assert [failure.id for failure in result.failures] == [str(place) for place in range(len(good), len(good) + len(bad))]
