"""What a deal's customers owe of it, and its documents: joined by our key, by the built-in integration's field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_rows import RECEIVABLES, documents, invoice, linked_pair, rows


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        yield made


def deal(company: Company, name: str = "Kita renewal") -> str:
    return company.seed_crm("Deals", Deal_Name=name, Stage="Qualification", Amount=1000)


def deal_rows(company: Company) -> dict[str, dict[str, Any]]:
    return {key: row for key, row in rows(company, RECEIVABLES).items() if ":Deals:" in key}


async def test_a_deal_shows_what_was_invoiced_and_paid_of_it_and_the_sums_tie_out(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    mine = deal(company)
    one = invoice(company, customer, 1000, zcrm_potential_id=mine)
    invoice(company, customer, 500, zcrm_potential_id=mine, due_date="2026-10-01")
    invoice(company, customer, 9)
    report = await company.sync()
    assert report.status == "green"
    row = deal_rows(company)[f"demo:Deals:{mine}:JPY"]
    assert row["Deal"]["id"] == mine and row.get("Account") is None and row["Name"] == "Kita renewal JPY"
    assert (row["Invoiced"], row["Balance"], row["Overdue"], row["Open_Count"]) == (1500, 1500, 500, 2)
    assert rows(company, RECEIVABLES)[f"demo:Accounts:{account}:JPY"]["Invoiced"] == 1509
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == mine
    tied = report.entities["summaries"]["tie_out"]
    assert tied["currencies"]["JPY"]["published"] == {"invoiced": "1509", "balance": "1509"} and not tied["unexplained"]
    await company.quiet()
    await company.quiet(full=False)


async def test_our_key_on_the_document_says_the_deal_before_the_built_in_integration_does(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    mine, other = deal(company), deal(company, "Another")
    one = invoice(company, customer, 10, zcrm_potential_id=other, cf_renkei_crm_id=f"crm:Deals:{mine}")
    await company.sync()
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == mine
    assert set(deal_rows(company)) == {f"demo:Deals:{mine}:JPY"}


async def test_a_payment_of_a_deal_s_invoice_moves_the_deal_s_row_too(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    mine = deal(company)
    one = invoice(company, customer, 1000, zcrm_potential_id=mine)
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.pay(one, 400, on="2026-11-02")
    report = await company.sync(full=False)
    assert report.entities["summaries"]["writes"] == {"crm": 2, "books": 0}
    row = deal_rows(company)[f"demo:Deals:{mine}:JPY"]
    assert (row["Settled"], row["Balance"], row["Last_Payment_Date"]) == (400, 600, "2026-11-02")
    await company.quiet()


async def test_an_invoice_that_moves_to_another_deal_leaves_the_first_one_s_row(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    first, second = deal(company), deal(company, "Another")
    one = invoice(company, customer, 1000, zcrm_potential_id=first)
    await company.sync()
    company.edit_books("invoices", one, zcrm_potential_id=second)
    await company.sync(full=False)
    assert set(deal_rows(company)) == {f"demo:Deals:{second}:JPY"}
    await company.quiet()


async def test_a_deal_that_the_crm_does_not_have_is_no_lookup_and_has_no_row(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000, zcrm_potential_id="5545974000000999999")
    report = await company.sync()
    assert report.status == "green" and rows(company)[f"demo:invoices:{one}"].get("Deal") is None and not deal_rows(company)
    await company.quiet()


async def test_the_invoice_of_a_customer_who_is_not_linked_counts_for_no_deal_until_he_is(company: Company) -> None:
    company.choose(duplicates="ask")
    _, customer = linked_pair(company, "Kita Ltd")
    mine = deal(company)
    invoice(company, customer, 1000, zcrm_potential_id=mine)
    held = await company.sync()
    assert not deal_rows(company) and held.entities["summaries"]["tie_out"]["unexplained"] == []
    company.decide(company.ledger.open_holds("demo")[0].id, f"link books:contacts:{customer}")
    await company.sync(full=False)
    assert deal_rows(company)[f"demo:Deals:{mine}:JPY"]["Invoiced"] == 1000


async def test_the_row_of_a_deal_goes_with_its_last_invoice(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    mine = deal(company)
    one = invoice(company, customer, 1000, zcrm_potential_id=mine)
    await company.sync()
    company.edit_books("invoices", one, status="void")
    report = await company.sync(full=False)
    assert not deal_rows(company) and report.entities["summaries"]["tie_out"]["unexplained"] == []
    assert documents(report)["writes"] == {"crm": 1, "books": 0}
    await company.quiet()


async def test_a_deal_s_row_that_is_wrong_by_a_yen_makes_the_run_red_and_names_the_deal(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    mine = deal(company)
    invoice(company, customer, 1000, zcrm_potential_id=mine)
    async with company.rooms() as rooms:
        honest = type(rooms.crm).insert

    async def off_by_one(self: Any, module: str, given: list[dict[str, Any]]) -> Any:
        return await honest(self, module, [{**row, "Balance": row["Balance"] + 1} if row.get("Deal") and module == RECEIVABLES
                                           else row for row in given])  # fmt: skip

    monkeypatch.setattr(type(rooms.crm), "insert", off_by_one)
    report = await company.sync()
    assert report.status == "red"
    assert report.entities["summaries"]["tie_out"]["unexplained"] == [
        f"crm:Deals:{mine} JPY: its invoices say invoiced 1000, owed 1000, the CRM shows invoiced 1000, owed 1001"
    ]
