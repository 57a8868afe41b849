"""What the judge promises the engine: every bad row by name, nothing silent, nothing of the library outside."""

from __future__ import annotations

import subprocess
import sys
import threading
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from renkei.core.errors import AskedWrongly, Bug
from renkei.core.ports import Judge, Judgement
from renkei.core.transforms import Unreadable
from renkei.core.values import MISSING
from renkei.quality.judge import READABLE, VALUE_LENGTH, GreatJudge

NOT_NULL = "expect_column_values_to_not_be_null"
UNIQUE = "expect_column_values_to_be_unique"
REGEX = "expect_column_values_to_match_regex"
BETWEEN = "expect_column_values_to_be_between"
AMOUNTS = "expect_column_values_to_be_amounts"
ROWS = "expect_table_row_count_to_be_between"


def rule(kind: str, words: str = "", **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs} | ({"meta": {"words": words}} if words else {})


def frame(**columns: list[Any]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    ids = columns.pop("id", [str(number) for number in range(1, count + 1)])
    return pd.DataFrame({"id": ids, **columns}, dtype=object)


def judged(table: pd.DataFrame, *rules: dict[str, Any]) -> Judgement:
    judge: Judge = GreatJudge({"arrival/rows": rules})
    return judge.judge("arrival/rows", table)


def broken(judgement: Judgement) -> list[tuple[str, str, str]]:
    return [(failure.id, failure.rule, failure.value) for failure in judgement.failures]


def test_one_bad_row_in_a_hundred_is_named_with_rule_field_value_and_words() -> None:
    names: list[Any] = [f"Company {number}" for number in range(100)]
    names[41] = "   "
    result = judged(frame(name=names), rule(REGEX, "A company needs a name.", column="name", regex=r"\S"))
    assert result.checked == 100
    assert result.table == ()
    (failure,) = result.failures
    assert (failure.id, failure.rule, failure.field) == ("42", REGEX, "name")
    assert (failure.value, failure.words) == ("   ", "A company needs a name.")


@pytest.mark.parametrize("absent", [None, MISSING, float("nan"), pd.NA, pd.NaT], ids=repr)
def test_every_kind_of_absence_breaks_only_the_rule_that_minds_it(absent: Any) -> None:
    table = frame(name=["Aoyama", absent])
    assert broken(judged(table, rule(REGEX, column="name", regex="^Ao"), rule(UNIQUE, column="name"))) == []
    assert broken(judged(table, rule(NOT_NULL, column="name"))) == [("2", NOT_NULL, "")]


def test_empty_text_is_not_missing() -> None:
    assert broken(judged(frame(name=[""]), rule(NOT_NULL, column="name"))) == []


def test_a_column_that_no_row_carries_is_missing_in_every_row() -> None:
    result = judged(frame(name=["a", "b"]), rule(NOT_NULL, column="last_name"), rule(REGEX, column="fax", regex="^0"))
    assert broken(result) == [("1", NOT_NULL, ""), ("2", NOT_NULL, "")]
    assert result.table == ()


def test_a_row_that_breaks_two_rules_is_listed_once_for_each_in_the_suite_s_order() -> None:
    table = frame(code=["jpy", "JPY"])
    rules = (
        rule(REGEX, column="code", regex="^[A-Z]+$"),
        rule("expect_column_values_to_be_in_set", column="code", value_set=["JPY"]),
    )
    assert [failure.rule for failure in judged(table, *rules).failures] == [one["type"] for one in rules]
    assert [failure.rule for failure in judged(table, *reversed(rules)).failures] == [one["type"] for one in reversed(rules)]


def test_more_failing_rows_than_the_library_shows_by_default_are_all_listed() -> None:
    result = judged(frame(name=[""] * 500), rule(REGEX, column="name", regex=r"\S"))
    assert [failure.id for failure in result.failures] == [str(number) for number in range(1, 501)]


def test_values_leave_as_plain_text_of_bounded_length() -> None:
    table = frame(amount=[np.int64(-5), Decimal("-2.50"), "-" * 900, {"id": "7"}])
    failures = judged(table, rule(AMOUNTS, column="amount", min_value=0)).failures
    assert [failure.value for failure in failures] == ["-5", "-2.50", "-" * VALUE_LENGTH, '{"id":"7"}']
    assert all(type(failure.value) is str and type(failure.id) is str for failure in failures)


def test_a_row_without_an_id_is_listed_with_an_empty_one() -> None:
    assert broken(judged(frame(id=[None, "2"], name=["a", "b"]), rule(NOT_NULL, column="id"))) == [("", NOT_NULL, "")]


def test_an_unreadable_value_breaks_a_rule_of_its_own_even_where_no_rule_names_its_column() -> None:
    table = frame(name=["a", "b"], phone=["03-1234-5678", Unreadable({"no": 1}, "object where a text is expected")])
    result = judged(table, rule(NOT_NULL, column="name"))
    assert broken(result) == [("2", READABLE, '{"no":1}')]
    assert result.failures[0].field == "phone"
    assert result.failures[0].words == "object where a text is expected"


def test_a_condition_limits_a_rule_to_the_rows_it_speaks_of() -> None:
    table = frame(currency=["JPY", "USD", "JPY"], total=[Decimal("10.5"), Decimal("10.5"), Decimal("10")])
    whole = rule(AMOUNTS, column="total", places=0) | {"row_condition": "currency == 'JPY'"}
    assert broken(judged(table, whole)) == [("1", AMOUNTS, "10.5")]


def test_two_columns_compared_are_both_named() -> None:
    kind = "expect_column_pair_values_a_to_be_greater_than_b"
    result = judged(frame(total=[10, 10], balance=[3, 12]), rule(kind, column_A="total", column_B="balance", or_equal=True))
    assert broken(result) == [("2", kind, "10, 12")]
    assert result.failures[0].field == "total, balance"


def test_a_rule_about_the_whole_table_breaks_the_table_and_no_row() -> None:
    result = judged(frame(name=["a"]), rule(ROWS, "A list is never this short.", min_value=10))
    assert result.failures == ()
    assert result.table == (f"{ROWS}(): A list is never this short. Found 1.",)


def test_an_empty_table_still_breaks_a_rule_about_the_whole_table() -> None:
    empty = pd.DataFrame({"id": [], "name": []}, dtype=object)
    assert judged(empty, rule(NOT_NULL, column="name"), rule(ROWS, min_value=1)).table != ()


def test_a_rule_that_raises_breaks_the_table_and_says_why() -> None:
    result = judged(frame(size=["large", 3]), rule(BETWEEN, column="size", min_value=0), rule(NOT_NULL, column="size"))
    (said,) = result.table
    assert said.startswith(f"{BETWEEN}(size) could not be carried out: ")
    assert "of the same type" in said
    assert result.failures == ()


def test_tolerated_rows_are_not_listed_until_there_are_too_many() -> None:
    table = frame(name=["a", "b", "c", ""])
    assert broken(judged(table, rule(REGEX, column="name", regex=r"\S", mostly=0.75))) == []
    assert broken(judged(table, rule(REGEX, column="name", regex=r"\S", mostly=0.9))) == [("4", REGEX, "")]


def test_words_spell_the_rule_out_where_the_suite_has_no_sentence() -> None:
    (failure,) = judged(frame(name=["x"]), rule(REGEX, column="name", regex="^y")).failures
    assert failure.words == 'column values to match regex {"regex":"^y"}.'


def test_an_unknown_suite_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AskedWrongly, match=r"no suite 'arrival/nothing'.*arrival/rows"):
        GreatJudge({"arrival/rows": []}).judge("arrival/nothing", frame(name=["a"]))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (rule("expect_column_values_to_be_nice", column="name"), "expect_column_values_to_be_nice not found"),
        (rule(NOT_NULL, colum="name"), "colum"),
        ({"kwargs": {"column": "name"}}, "without a type"),
    ],
    ids=["an unknown type", "an unknown argument", "no type"],
)
def test_a_malformed_expectation_is_refused_by_name_and_never_left_out(wrong: dict[str, Any], said: str) -> None:
    judge = GreatJudge({"arrival/rows": [rule(NOT_NULL, column="name"), wrong]})
    with pytest.raises(AskedWrongly, match=r"expectations/arrival/rows: rule 2") as refusal:
        judge.judge("arrival/rows", frame(name=["a"]))
    assert said in str(refusal.value)
    assert judge.faults() == [refusal.value.what]


def test_a_frame_without_ids_is_our_own_mistake() -> None:
    with pytest.raises(Bug, match="without an id column"):
        judged(pd.DataFrame({"name": ["a"]}), rule(NOT_NULL, column="name"))


def test_the_frame_that_was_judged_is_untouched() -> None:
    table = frame(name=[MISSING, None, "a"])
    before = table.copy()
    judged(table, rule(NOT_NULL, column="name"))
    pd.testing.assert_frame_equal(table, before)
    assert table["name"][0] is MISSING


def test_judgements_asked_for_at_the_same_time_do_not_mix() -> None:
    judge = GreatJudge({"names": [rule(REGEX, column="name", regex="^good$")]})
    found: dict[int, list[str]] = {}

    def ask(number: int) -> None:
        table = frame(id=[f"{number}-{row}" for row in range(20)], name=["good"] * 19 + ["bad"])
        found[number] = [failure.id for failure in judge.judge("names", table).failures]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [f"{number}-19"] for number in range(8)}


def test_nothing_to_judge_does_not_load_the_library_and_analytics_stay_off() -> None:
    script = """
import os, sys, pandas as pd
from renkei.quality.judge import GreatJudge
judge = GreatJudge({"names": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "name"}}]})
assert judge.judge("names", pd.DataFrame({"id": [], "name": []})).checked == 0
assert "great_expectations" not in sys.modules
judge.warm()
judge.warm()
assert judge.judge("names", pd.DataFrame({"id": ["1"], "name": [None]})).failures[0].id == "1"
assert "great_expectations" in sys.modules
assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""


def test_the_columns_of_a_suite_are_those_that_its_rules_and_conditions_name() -> None:
    judge = GreatJudge(
        {
            "s": [
                {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}},
                {"type": "expect_column_pair_values_to_be_equal", "kwargs": {"column_A": "total", "column_B": "sum"}},
                {
                    "type": "expect_column_values_to_not_be_null",
                    "kwargs": {"column": "due"},
                    "row_condition": 'kind != "credit" and total > 0',
                },
            ]
        }
    )
    named = judge.columns("s")
    assert named[:3] == ("total", "sum", "due")
    assert "kind" in named and not {"id", "and"} & set(named)
    with pytest.raises(AskedWrongly):
        judge.columns("t")
