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


async def test_documents_that_the_day_s_calls_did_not_reach_are_published_by_a_later_day_and_figures_with_them(
    company: Company,
) -> None:
    company.spec = dataclasses.replace(company.spec, budget=Budget(books_per_minute=None))
    await company.sync()
    customer = next(link.books.id for link in company.ledger.all_links("demo") if link.mapping == "accounts")
    line = {"name": "Chair", "rate": 100, "quantity": 1}
    rows = [{"customer_id": customer, "date": "2026-10-20", "status": "sent", "line_items": [line]} for _ in range(450)]
    company.world.books.seed("invoices", rows)
    company.world.clock.advance(86400)
    cap = Budget(books_per_minute=None, books_per_day=6, keep_for_people=0)  # the second page of invoices is one too many
    company.spec = dataclasses.replace(company.spec, budget=cap)
    short = await company.sync()
    assert short.status == "amber" and not {"documents", "summaries"} & set(short.entities)
    assert not company.crm("Renkei_Documents") and not company.crm("Renkei_Receivables")
    company.world.clock.advance(86400)
    company.spec = dataclasses.replace(company.spec, budget=Budget(books_per_minute=None))
    assert (await company.sync(full=False)).status == "green"
    assert len(company.crm("Renkei_Documents")) == 450
    assert [row["Invoiced"] for row in company.crm("Renkei_Receivables").values()] == [45_000]
