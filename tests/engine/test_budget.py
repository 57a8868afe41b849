"""Books' calls of a day are used up: what was done is recorded, the rest waits, and nothing is done twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company

from renkei.core.connection import Budget
from renkei.core.records import OPEN_OUTCOMES


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path, "synthetic:30") as made:
        yield made


def books_calls(company: Company) -> int:
    return len(company.world.requests.select("books"))


async def test_a_first_sync_larger_than_the_day_s_calls_ends_over_several_days(company: Company) -> None:
    cap = 20
    company.spec = dataclasses.replace(
        company.spec, budget=Budget(books_per_minute=None, books_per_day=cap, keep_for_people=0), publish_summaries=False
    )
    days, statuses = 0, []
    while "green" not in statuses and days < 12:
        before = books_calls(company)
        statuses.append((await company.sync()).status)
        assert books_calls(company) - before <= cap
        company.world.clock.advance(86400)
        days += 1
    assert 3 <= days < 12 and set(statuses) == {"amber", "green"}
    company.spec = dataclasses.replace(company.spec, budget=Budget(books_per_minute=None))
    await company.quiet()
    assert len(company.crm()) == len(company.books()) == 33
    keys = [row["renkei_books_id"] for row in company.crm().values()]
    assert len(set(keys)) == 33 and set(keys) == set(company.books())


async def test_rows_that_the_budget_left_say_so_and_stay_open(company: Company) -> None:
    company.spec = dataclasses.replace(
        company.spec, budget=Budget(books_per_minute=None, books_per_day=12, keep_for_people=0), publish_summaries=False
    )
    report = await company.sync(entities=("customers",))
    assert report.status == "amber"
    words = [company.outcome(ref) for ref in (verdict.record for verdict in report.plans[0].verdicts)]
    waiting = [why for outcome, why in words if outcome in OPEN_OUTCOMES]
    assert waiting and set(waiting) == {"budget"}
    assert len(company.ledger.open_ids("demo", "crm", "Accounts")) >= len(waiting) // 2
