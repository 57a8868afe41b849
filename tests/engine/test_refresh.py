"""One record's published rows are brought up to date at once, by the same path and ledger, without reading any list whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_rows import RECEIVABLES, document, documents, invoice, linked_pair, rows

from renkei.core.errors import AskedWrongly
from renkei.core.values import Ref
from renkei.engine.sequence import Report
from renkei.engine.status import status


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        yield made


async def refresh(company: Company, *refs: Ref) -> Report:
    company.world.clock.advance(600)
    company.world.requests.rows.clear()
    return await company.sync(full=False, only=refs)


def lists_read(company: Company) -> int:
    """Pages of whole lists that were asked for in Books."""
    asked: list[Any] = [one for one in company.world.requests.rows if one.path.startswith("/books/v3/")]
    return sum(1 for one in asked if one.path.split("/")[-1] in ("contacts", "items", "invoices", "estimates", "salesorders"))


async def test_an_account_s_new_payment_and_new_estimate_are_shown_at_once(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    _, other = linked_pair(company, "Minami Ltd")
    one, strange = invoice(company, customer, 1000), invoice(company, other, 5)
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.pay(one, 400, on="2026-11-02")
    company.edit_books("invoices", strange, due_date="2027-01-01")
    two = document(company, "estimates", customer, 70, expiry_date="2026-12-01")
    report = await refresh(company, Ref("crm", "Accounts", account))
    found = rows(company)
    assert report.status == "green" and found[f"demo:invoices:{one}"]["Balance"] == 600
    assert found[f"demo:estimates:{two}"]["Account"]["id"] == account
    assert rows(company, RECEIVABLES)[f"demo:Accounts:{account}:JPY"]["Balance"] == 600
    assert found[f"demo:invoices:{strange}"]["Due_Date"] == "2026-11-19"  # another record waits for the next batch
    assert lists_read(company) == 3  # one list of each kind, of this customer alone
    assert documents(report)["tie_out"]["unexplained"] == []
    compared = status(company.ledger, company.spec, company.clock.now())["compared"]
    await company.sync(full=False)
    assert rows(company)[f"demo:invoices:{strange}"]["Due_Date"] == "2027-01-01"
    assert compared < status(company.ledger, company.spec, company.clock.now())["compared"]  # one record's run compared no more
    await company.quiet()


async def test_a_single_invoice_is_read_alone_and_moves_its_row_and_its_customer_s(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    invoice(company, customer, 9)
    await company.sync()
    company.world.books.pay(one)
    report = await refresh(company, Ref("books", "invoices", one))
    assert set(report.entities) == {"documents", "summaries"} and lists_read(company) == 0
    assert rows(company)[f"demo:invoices:{one}"]["Status"] == "paid"
    assert rows(company, RECEIVABLES)[f"demo:Accounts:{account}:JPY"]["Balance"] == 9
    await company.quiet()


async def test_a_document_that_was_deleted_in_books_loses_its_row_at_once(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one, two = invoice(company, customer, 1000), invoice(company, customer, 9)
    await company.sync()
    company.world.books.delete("invoices", one)
    await refresh(company, Ref("crm", "Accounts", account))
    assert set(rows(company)) == {f"demo:invoices:{two}"}
    assert rows(company, RECEIVABLES)[f"demo:Accounts:{account}:JPY"]["Balance"] == 9
    await company.quiet()


async def test_a_deal_s_documents_are_found_by_the_built_in_integration_s_field(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    deal = company.seed_crm("Deals", Deal_Name="Renewal", Stage="Qualification")
    await company.sync()
    company.world.clock.advance(600)
    one = invoice(company, customer, 1000, zcrm_potential_id=deal)
    await refresh(company, Ref("crm", "Deals", deal))
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == deal
    assert rows(company, RECEIVABLES)[f"demo:Deals:{deal}:JPY"]["Balance"] == 1000
    await company.quiet()


async def test_a_refresh_of_what_did_not_change_writes_nothing(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    await company.sync()
    report = await refresh(company, Ref("crm", "Accounts", account))
    assert all(part["writes"] == {"crm": 0, "books": 0} for part in report.entities.values())


async def test_before_the_first_batch_nothing_is_published_for_one_record(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    report = await refresh(company, Ref("crm", "Accounts", account))
    assert set(report.entities) == {"customers"} and not rows(company)


async def test_what_is_neither_synced_nor_published_is_refused_with_what_could_be_written(company: Company) -> None:
    with pytest.raises(AskedWrongly, match="books:invoices:ID"):
        await refresh(company, Ref("crm", "Leads", "1"))


async def test_the_tax_of_an_invoice_that_is_read_alone_is_checked_and_what_breaks_the_rules_is_a_note(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    tax = next(one for one in company.world.books.main.taxes.values() if one["tax_percentage"] == 10)
    line = {"name": "Pen", "rate": 105, "quantity": 1, "tax_id": tax["tax_id"]}
    one = company.seed_books("invoices", customer_id=customer, date="2026-10-20", status="sent", line_items=[line] * 3)
    await company.sync()
    honest = await refresh(company, Ref("books", "invoices", one))
    assert not [note for note in honest.notes if "books:invoices" in note]
    record = company.world.books.records("invoices")[one]
    record["taxes"] = [{**record["taxes"][0], "tax_amount": 30}]
    report = await refresh(company, Ref("books", "invoices", one))
    (said,) = [note for note in report.notes if "books:invoices" in note]
    assert said.startswith(f"books:invoices:{one} {record['invoice_number']}: ROUNDED_PER_LINE: ") and "明細行ごと" in said
