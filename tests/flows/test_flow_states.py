"""How a run looks in Prefect: the state that its flow ends in, the table and the words above it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flows.running import instant, state_of, table_of, text_of
from renkei.core.brakes import Applied
from renkei.engine.sequence import Report

CALLS = {"crm": 6, "books": 9, "fewest": {"crm": 6, "books": 8}}


def part(**outcomes: int) -> dict[str, Any]:
    return {
        "extracted": {"crm": 3, "books": 4},
        "outcomes": {"created": 0, "held": 0, **outcomes},
        "writes": {"crm": 1, "books": 2},
    }


def report(status: str, **more: Any) -> Report:
    return Report("R1", "acme", status, {"customers": part(created=3)}, CALLS, 12.34, **more)


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        ("green", "COMPLETED", "Completed"),
        ("amber", "COMPLETED", "Amber"),
        ("held", "FAILED", "Held"),
        ("red", "FAILED", "Failed"),
    ],
)
def test_a_run_ends_in_a_state_that_says_whether_someone_must_act(status: str, kind: str, name: str) -> None:
    state = state_of(report(status))
    assert (state.type.value, state.name) == (kind, name)
    assert state.message == f"{status}: customers: 3 created. See: renkei --connection acme runs show R1"


def test_the_table_has_a_row_an_entity_and_the_same_columns_in_each() -> None:
    run = report("amber")
    run.entities["products"] = part(held=7)
    assert table_of(run) == [
        {"entity": "customers", "read crm": 3, "read books": 4, "created": 3, "held": 0, "written crm": 1, "written books": 2},
        {"entity": "products", "read crm": 3, "read books": 4, "created": 0, "held": 7, "written crm": 1, "written books": 2},
    ]


def test_the_table_of_a_held_run_counts_actions_and_questions_instead_of_writes() -> None:
    planned = {"extracted": {"crm": 1, "books": 0}, "outcomes": {"created": 1}, "actions": [{}, {}], "holds": [{}]}
    run = Report("R1", "acme", "held", {"customers": planned}, CALLS)
    assert table_of(run) == [{"entity": "customers", "read crm": 1, "read books": 0, "created": 1, "actions": 2, "questions": 1}]


def test_the_words_above_the_table_say_what_it_cost_what_stopped_it_and_what_to_type() -> None:
    brake = Applied("creates", "customers", 600, "more than 500", ())
    text = text_of(report("held", brakes=[brake], notes=["customers: full compare, because mapping, view or policy changed"]))
    assert "**held** in 12.3 s; calls: CRM 6 (fewest 6), Books 9 (fewest 8)." in text
    assert "Brake 'creates' on customers: 600 where more than 500." in text and "--release creates --as NAME" in text
    assert "customers: full compare" in text and text.endswith("`renkei --connection acme runs show R1`")


def test_the_words_above_the_table_say_what_a_changed_setting_means() -> None:
    run = report("green")
    run.entities["customers"]["meaning"] = ["customers.views: none → Accounts: Printers", "0 records come into scope, 2 leave it"]
    text = text_of(run)
    assert "What changed for customers:" in text and "customers.views: none → Accounts: Printers" in text


def test_a_time_without_offset_is_the_connections_own() -> None:
    assert instant(datetime(2026, 11, 25, 9), "Asia/Tokyo") == datetime(2026, 11, 25, tzinfo=UTC)
    exact = datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert instant(exact, "Asia/Tokyo") is exact and instant(None, "Asia/Tokyo") is None
