"""CRM users look at documents: lists and searches, one in full, what is owed, a refresh; each visit leaves a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_rows import document, invoice, linked_pair

from renkei.core.document_view import Search
from renkei.core.errors import BudgetSpent, DocumentRefused
from renkei.core.records import OutcomeRow
from renkei.core.values import Ref
from renkei.engine.crm_user import CrmUser, crm_user
from renkei.engine.documents import list_documents, refresh, show_document, summary

ALL = tuple((kind, ("view", "create", "email")) for kind in ("estimates", "sales_orders", "invoices", "purchase_orders"))
PERMISSIONS = (("Standard", (*ALL, ("receivables", ("view",)))), ("Finance", (("estimates", ("view",)),)))


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        made.spec = dataclasses.replace(made.spec, permissions=PERMISSIONS)
        yield made


async def visit(
    company: Company, verb: str, work: Callable[[CrmUser], Awaitable[dict[str, Any]]], name: str = "Standard"
) -> dict[str, Any]:
    async with company.rooms() as rooms:
        return await work(await crm_user(rooms, name, verb, "tanaka"))


async def listed(company: Company, ref: Ref | None, *kinds: str, name: str = "Standard", **search: Any) -> dict[str, Any]:
    return await visit(company, "list", lambda user: list_documents(user, ref, kinds, Search(**search)), name)


def last_rows(company: Company) -> list[OutcomeRow]:
    return list(company.ledger.outcomes(company.ledger.runs(company.spec.name, 1)[0].id))


def account_ref(account: str) -> Ref:
    return Ref("crm", "Accounts", account)


async def test_an_accounts_documents_are_listed_newest_first_without_a_call_to_books(company: Company) -> None:
    account, customer = linked_pair(company, "北商事")
    _, other = linked_pair(company, "Minami Ltd")
    paid, owed = invoice(company, customer, 1000), invoice(company, customer, 500, date="2026-10-25", due_date="2026-10-30")
    estimate = document(company, "estimates", customer, 70, date="2026-10-01", expiry_date="2026-12-01")
    invoice(company, other, 5)
    company.world.books.pay(paid)
    await company.sync()
    read = company.clock.now()
    company.world.clock.advance(3600)
    company.world.requests.rows.clear()
    found = await listed(company, account_ref(account))
    assert [one["record"] for one in found["documents"]] == [
        f"books:invoices:{owed}", f"books:invoices:{paid}", f"books:estimates:{estimate}",
    ]  # fmt: skip
    first, second, third = found["documents"]
    assert (first["status"], first["total"], first["balance"], first["due_date"]) == ("overdue", "500", "500", "2026-10-30")
    assert (second["status"], second["balance"], second["currency"], second["party"]) == ("paid", "0", "JPY", "北商事")
    assert third["kind"] == "estimates" and third["balance"] is None
    assert "documents pdf books:invoices:" in first["pdf"] and first["as_of"] <= read.isoformat()
    assert not [one for one in company.world.requests.rows if one.path.startswith("/books/v3/")]
    rows = last_rows(company)
    assert [(row.outcome, row.actor) for row in rows] == [("on_behalf", "tanaka"), ("seen", "crm:Standard")]
    assert account_ref(account) in rows[1].records and Ref("books", "contacts", customer) in rows[1].records


async def test_a_contact_is_resolved_through_its_account_and_a_deal_shows_its_own_documents(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    contact = company.seed_crm("Contacts", Last_Name="Mori", Account_Name={"id": account})
    deal = company.seed_crm("Deals", Deal_Name="Renewal", Stage="Qualification", Account_Name={"id": account})
    mine = invoice(company, customer, 1000, zcrm_potential_id=deal)
    other = invoice(company, customer, 5)
    await company.sync()
    of_contact = await listed(company, Ref("crm", "Contacts", contact))
    assert {one["record"] for one in of_contact["documents"]} == {f"books:invoices:{mine}", f"books:invoices:{other}"}
    of_deal = await listed(company, Ref("crm", "Deals", deal))
    assert [one["record"] for one in of_deal["documents"]] == [f"books:invoices:{mine}"]
    owed = await visit(company, "summary", lambda user: summary(user, Ref("crm", "Deals", deal)))
    assert owed["currencies"]["JPY"]["balance"] == "1000"
    of_account = await visit(company, "summary", lambda user: summary(user, account_ref(account)))
    assert of_account["currencies"]["JPY"]["balance"] == "1005"


async def test_documents_are_found_by_date_amount_and_party_together(company: Company) -> None:
    _, kita = linked_pair(company, "株式会社キタ")
    _, minami = linked_pair(company, "Minami Ltd")
    hit = invoice(company, kita, 1000, date="2026-10-15")
    for customer, rate, day in ((kita, 1000, "2026-09-15"), (kita, 99, "2026-10-15"), (minami, 1000, "2026-10-15")):
        invoice(company, customer, rate, date=day)
    await company.sync()
    found = await listed(
        company, None, dated_from=date(2026, 10, 1), dated_to=date(2026, 10, 15), least=Decimal(1000), most=Decimal(1000),
        party="ｷﾀ",
    )  # fmt: skip
    assert [one["record"] for one in found["documents"]] == [f"books:invoices:{hit}"]
    assert last_rows(company)[-1].detail["search"]["party"] == "ｷﾀ"


async def test_purchase_orders_are_searched_in_books_and_belong_to_no_customer(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    vendor = company.seed_books("contacts", contact_name="Vendor KK", contact_type="vendor")
    order = company.seed_books(
        "purchaseorders", vendor_id=vendor, date="2026-10-20", line_items=[{"rate": 300, "quantity": 2}], status="open"
    )
    await company.sync()
    found = await listed(company, None, "purchase_orders", party="vendor", least=Decimal(600))
    assert [(one["record"], one["party"], one["total"]) for one in found["documents"]] == [
        (f"books:purchaseorders:{order}", "Vendor KK", "600")
    ]
    assert (await listed(company, account_ref(account), "purchase_orders"))["documents"] == []
    shown = await visit(company, "show", lambda user: show_document(user, Ref("books", "purchaseorders", order)))
    assert shown["party"]["name"] == "Vendor KK" and shown["total"] == "600"
    with pytest.raises(DocumentRefused, match="nothing to refresh"):
        await visit(company, "refresh", lambda user: refresh(user, Ref("books", "purchaseorders", order)))


async def test_one_invoice_is_shown_in_full_as_it_is_now(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    await company.sync()
    tax = next(one for one in company.world.books.main.taxes.values() if one["tax_percentage"] == 10)
    one = company.seed_books(
        "invoices", customer_id=customer, date="2026-10-20", due_date="2027-01-01", status="sent", reference_number="PO-7",
        line_items=[{"name": "Advice", "rate": 1000, "quantity": 3, "tax_id": tax["tax_id"]}],
    )  # fmt: skip
    company.world.books.pay(one, 300, on="2026-11-01")
    found = await visit(company, "show", lambda user: show_document(user, Ref("books", "invoices", one)))
    assert (found["total"], found["balance"], found["status"], found["reference"]) == ("3300", "3000", "partially_paid", "PO-7")
    assert [(line["name"], line["quantity"], line["price"], line["amount"]) for line in found["lines"]] == [
        ("Advice", "3", "1000", "3000")
    ]
    assert [(tax["amount"]) for tax in found["taxes"]] == ["300"]
    assert [(one["date"], one["amount"]) for one in found["payments"]] == [("2026-11-01", "300")]
    assert found["history"][0]["what"].endswith("added") and found["template"]["name"]
    assert found["crm"] == f"crm:Accounts:{account}"
    rows = last_rows(company)
    assert (rows[-1].outcome, rows[-1].reason) == ("seen", "show") and Ref("books", "invoices", one) in rows[-1].records


async def test_a_tax_that_was_rounded_line_by_line_is_told_in_both_languages_and_its_code_is_kept(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    await company.sync()
    tax = next(one for one in company.world.books.main.taxes.values() if one["tax_percentage"] == 10)
    lines = [{"name": "Pen", "rate": 105, "quantity": 1, "tax_id": tax["tax_id"]}] * 3
    one = company.seed_books("invoices", customer_id=customer, date="2026-10-20", status="sent", line_items=lines)
    ref = Ref("books", "invoices", one)
    assert (await visit(company, "show", lambda user: show_document(user, ref)))["qualified"] == []
    assert "qualified" not in last_rows(company)[-1].detail
    record = company.world.books.records("invoices")[one]
    record["taxes"] = [{**record["taxes"][0], "tax_amount": 30}]
    (broken,) = (await visit(company, "show", lambda user: show_document(user, ref)))["qualified"]
    assert broken["code"] == "ROUNDED_PER_LINE" and "line by line: 30 yen" in broken["en"] and "30 円" in broken["ja"]
    assert last_rows(company)[-1].detail["qualified"] == ["ROUNDED_PER_LINE"]


async def test_a_refresh_brings_one_records_documents_up_to_date_and_moves_its_as_of_time(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    await company.sync()
    before = (await listed(company, account_ref(account)))["documents"][0]
    company.world.clock.advance(3600)
    company.world.books.pay(one, 400)
    assert (await listed(company, account_ref(account)))["documents"][0] == before
    done = await visit(company, "refresh", lambda user: refresh(user, account_ref(account)))
    after = (await listed(company, account_ref(account)))["documents"][0]
    assert done["status"] == "green" and (after["balance"], after["status"]) == ("600", "partially_paid")
    assert after["as_of"] > before["as_of"]
    assert company.ledger.run(done["run"]).kind == "refresh"
    assert company.ledger.run(done["run"]).actor == "crm:Standard"


async def test_what_no_run_keeps_is_read_on_the_spot(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, publish_documents=False, publish_summaries=False)
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    await company.sync()
    found = await listed(company, account_ref(account))
    assert [line["record"] for line in found["documents"]] == [f"books:invoices:{one}"]
    assert found["documents"][0]["as_of"] == company.clock.now().isoformat()
    assert (await visit(company, "summary", lambda user: summary(user, account_ref(account))))["currencies"]["JPY"][
        "balance"
    ] == ("1000")


async def test_a_record_without_a_customer_says_so_and_shows_nothing(company: Company) -> None:
    await company.sync()
    account = company.seed_crm("Accounts", Account_Name="New KK")
    found = await listed(company, account_ref(account))
    assert (found["customer"], found["documents"]) == (None, [])


async def test_a_persons_view_may_use_the_calls_that_are_kept_for_people(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    await company.sync()
    company.world.limits = True
    company.world.books.set_day_used(company.world.books.main.meter.per_day - 50)
    with pytest.raises(BudgetSpent):
        async with company.rooms() as rooms:
            await rooms.books.get("invoices", one)
            await rooms.books.get("invoices", one)
    async with company.rooms(for_a_person=True) as rooms:
        await rooms.books.get("invoices", one)
        user = await crm_user(rooms, "Standard", "show")
        assert (await show_document(user, Ref("books", "invoices", one)))["total"] == "1000"
