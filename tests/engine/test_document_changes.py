"""CRM users make and change documents: pre-filled, checked before any write, once through any crash, never in a closed period."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_denials import EVERYTHING, permit, visit
from test_document_rows import document, invoice, rows

from renkei.connectors.books import ZohoBooks
from renkei.core.document_view import Search
from renkei.core.errors import DocumentRefused, RenkeiError
from renkei.core.records import Answer
from renkei.core.rights import MODULES
from renkei.core.values import Ref
from renkei.engine.document_changes import create, edit
from renkei.engine.documents import list_documents, show_document

KEY = "cf_renkei_crm_id"
LINES = {"lines": [{"name": "Advice", "quantity": "2", "price": "1000"}]}


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        permit(made, Standard=EVERYTHING)
        yield made


async def make(company: Company, ref: Ref, kind: str = "invoices", **asked: Any) -> dict[str, Any]:
    preview = asked.pop("preview", False)
    return await visit(company, "create", lambda user: create(user, kind, ref, {**LINES, **asked}, preview=preview))


async def change(company: Company, ref: Ref, stamp: str = "", preview: bool = False, **asked: Any) -> dict[str, Any]:
    return await visit(company, "edit", lambda user: edit(user, ref, asked, stamp=stamp, preview=preview))


async def not_made(company: Company, ref: Ref, **asked: Any) -> DocumentRefused:
    """The refusal of a create that wrote nothing."""
    writes = len([one for one in company.world.requests.rows if one.method in ("POST", "PUT") and one.path.startswith("/books")])
    with pytest.raises(DocumentRefused) as error:
        await make(company, ref, **asked)
    after = len([one for one in company.world.requests.rows if one.method in ("POST", "PUT") and one.path.startswith("/books")])
    assert after == writes
    return error.value


async def a_customer(company: Company) -> tuple[Ref, str]:
    account = company.seed_crm("Accounts", Account_Name="Kita Ltd")
    customer = company.seed_books(
        "contacts", contact_name="Kita Ltd", company_name="Kita Ltd", customer_sub_type="business", payment_terms=30,
        contact_persons=[{"first_name": "Aiko", "last_name": "Mori", "email": "aiko@kita.example", "is_primary_contact": True}],
    )  # fmt: skip
    await company.sync()
    return Ref("crm", "Accounts", account), customer


async def test_an_invoice_is_made_with_what_the_record_knows_and_what_was_filled_in(company: Company) -> None:
    account, customer = await a_customer(company)
    product = company.seed_crm("Products", Product_Name="Support", Product_Code="S-1", Unit_Price=500, Product_Active=True)
    await company.sync()
    tax = next(one for one in company.world.books.main.taxes.values() if one["tax_percentage"] == 10)
    done = await make(
        company, account, reference="PO-7", notes="thanks", terms="30 days",
        lines=[
            {"item": f"crm:Products:{product}", "quantity": "3", "discount": "10%", "tax": "10%"},
            {"name": "Travel", "price": "1000", "tax": tax["tax_name"]},
        ],
    )  # fmt: skip
    ref = Ref.parse(done["document"])
    made = company.books("invoices")[ref.id]
    today = company.clock.now().date()
    assert (made["customer_id"], made["date"], made["due_date"]) == (customer, today.isoformat(), "2026-12-02")
    assert (made["reference_number"], made["notes"], made["terms"]) == ("PO-7", "thanks", "30 days")
    assert [(one["name"], one["quantity"], one["rate"]) for one in made["line_items"]] == [
        ("Support", 3, 500),
        ("Travel", 1, 1000),
    ]
    assert (made["sub_total"], made["total"]) == (2350, 2585) and done["total"] == 2585
    assert made["salesperson_name"] == "Mei Sato" and made["status"] == "draft" and made["contact_persons"]
    (key,) = [one["value"] for one in made["custom_fields"] if one["api_name"] == KEY]
    assert key.startswith("renkei:")
    run = company.ledger.run(done["run"])
    assert run is not None and (run.kind, run.status, run.actor) == ("create", "green", "crm:Standard")
    (row,) = company.ledger.outcomes(run.id, "write")
    assert (row.outcome, row.actor) == ("created", "crm:Standard") and {account, ref} <= set(row.records)
    assert row.detail["key"] == key


async def test_what_is_made_stands_in_the_list_and_in_the_crm_at_once_and_the_next_runs_write_nothing(company: Company) -> None:
    account, _ = await a_customer(company)
    done = await make(company, account, "estimates", due="2026-12-31")
    ref = Ref.parse(done["document"])
    found = await visit(company, "list", lambda user: list_documents(user, account, [], Search()))
    assert [(one["record"], one["status"], one["due_date"]) for one in found["documents"]] == [(str(ref), "draft", "2026-12-31")]
    assert rows(company)[f"demo:estimates:{ref.id}"]["Account"]["id"] == account.id
    await company.quiet(full=False)
    await company.quiet()


async def test_a_preview_shows_the_filled_form_and_makes_nothing(company: Company) -> None:
    account, _ = await a_customer(company)
    shown = await make(company, account, preview=True)
    assert (shown["document"], shown["due"], shown["sub_total"], shown["currency"]) == (None, "2026-12-02", "2000", "JPY")
    assert shown["person"] and shown["salesperson"] == "Mei Sato" and company.books("invoices") == {}


@pytest.mark.parametrize("kind", ["estimates", "sales_orders"])
async def test_the_other_kinds_are_made_too(kind: str, company: Company) -> None:
    account, _ = await a_customer(company)
    done = await make(company, account, kind)
    assert list(company.books(MODULES[kind])) == [Ref.parse(done["document"]).id]
    assert done["number"]


async def test_a_record_without_a_customer_is_synced_first(company: Company) -> None:
    await company.sync()
    account = Ref("crm", "Accounts", company.seed_crm("Accounts", Account_Name="New KK"))
    done = await make(company, account)
    (customer,) = company.books()
    assert company.books("invoices")[Ref.parse(done["document"]).id]["customer_id"] == customer
    await company.quiet()


async def test_a_contact_person_of_the_crm_is_met_by_his_address(company: Company) -> None:
    account, customer = await a_customer(company)
    contact = company.seed_crm("Contacts", Last_Name="Mori", Email="AIKO@kita.example", Account_Name={"id": account.id})
    done = await make(company, Ref("crm", "Contacts", contact), person=f"crm:Contacts:{contact}")
    made = company.books("invoices")[Ref.parse(done["document"]).id]
    assert made["customer_id"] == customer
    assert made["contact_persons"] == [company.books()[customer]["contact_persons"][0]["contact_person_id"]]


async def test_everything_that_is_wrong_is_said_at_once_before_any_write(company: Company) -> None:
    account, _ = await a_customer(company)
    error = await not_made(
        company, account, due="2020-01-01", person="crm:Contacts:1", template="Fancy",
        lines=[{"item": "crm:Products:1"}, {"name": "x", "price": "0.5", "tax": "7%"}],
    )  # fmt: skip
    assert error.reason == "invalid"
    for part in ("due: 2020-01-01", "person:", "template:", "line 1 item", "line 2 price: 0.5", "line 2 tax: 7%"):
        assert part in error.what
    assert "通貨の小数桁数" in error.ja


async def test_no_document_is_made_from_a_deal_nor_in_a_closed_period(company: Company) -> None:
    account, _ = await a_customer(company)
    deal = company.seed_crm("Deals", Deal_Name="Renewal", Stage="Qualification", Account_Name={"id": account.id})
    assert (await not_made(company, Ref("crm", "Deals", deal))).reason == "not_from_deal"
    company.spec = dataclasses.replace(company.spec, closed_until=date(2026, 10, 31))
    error = await not_made(company, account, date="2026-10-31", due="2026-11-30")
    assert error.reason == "period_closed" and "refused: period_closed" in error.what
    await make(company, account, date="2026-11-01", due="2026-11-30")


async def test_what_is_switched_off_says_why_not(company: Company) -> None:
    account, _ = await a_customer(company)
    company.world.books.main.switched_off.add("salesorders")
    error = await not_made(company, account, kind="sales_orders")
    assert error.reason == "switched_off" and "無効" in error.ja


@pytest.mark.parametrize("fault", ["timeout-after-commit", "500-after-commit", "timeout-before", "500"])
async def test_an_answer_that_was_lost_makes_one_document(fault: str, company: Company) -> None:
    account, _ = await a_customer(company)
    company.world.faults.add(f"{fault}@books:PUT/invoices*1")
    done = await make(company, account)
    assert list(company.books("invoices")) == [Ref.parse(done["document"]).id]
    await company.quiet()


@pytest.mark.parametrize("fault", ["timeout-after-commit", "timeout-before"])
async def test_what_no_answer_ever_tells_is_looked_for_by_the_next_who_asks(fault: str, company: Company) -> None:
    account, _ = await a_customer(company)
    company.world.faults.add(f"{fault}@books:PUT/invoices*2")
    with pytest.raises(RenkeiError):
        await make(company, account)
    done = await make(company, account)
    assert list(company.books("invoices")) == [Ref.parse(done["document"]).id]
    await make(company, account)  # asked for once more on purpose
    assert len(company.books("invoices")) == 2


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("batch", [True, False])
async def test_a_process_that_dies_leaves_one_document_whoever_comes_next(
    arrived: bool, batch: bool, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    account, _ = await a_customer(company)
    really = ZohoBooks.put_by_key

    async def dies(books: ZohoBooks, module: str, key_field: str, key: str, body: dict[str, Any]) -> Answer:
        if arrived:
            await really(books, module, key_field, key, body)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ZohoBooks, "put_by_key", dies)
        with pytest.raises(Killed):
            await make(company, account)
    company.world.clock.advance(3600)
    if batch:
        await company.sync()
    done = await make(company, account)
    assert list(company.books("invoices")) == [Ref.parse(done["document"]).id]
    assert (company.ledger.open_intents("demo") == [] and company.ledger.unsealed_runs("demo") == []) or not batch
    await company.quiet()


# ---------------------------------------------------------------------------------------------------------------- edit


async def test_an_edit_writes_what_was_asked_shows_before_and_after_and_is_published(company: Company) -> None:
    account, customer = await a_customer(company)
    one = Ref("books", "invoices", invoice(company, customer, 1000, status="draft", notes="old"))
    await company.sync()
    seen = await visit(company, "show", lambda user: show_document(user, one))
    preview = await change(company, one, notes="new", due="2026-12-24", preview=True)
    assert preview["run"] is None and company.books("invoices")[one.id]["notes"] == "old"
    done = await change(company, one, seen["stamp"], notes="new", due="2026-12-24")
    assert done["changes"] == preview["changes"] == [
        {"field": "due", "before": "2026-11-19", "after": "2026-12-24"}, {"field": "notes", "before": "old", "after": "new"},
    ]  # fmt: skip
    assert company.books("invoices")[one.id]["notes"] == "new"
    assert rows(company)[f"demo:invoices:{one.id}"]["Due_Date"] == "2026-12-24"
    (row,) = company.ledger.outcomes(done["run"], "write")
    assert row.outcome == "updated" and row.detail["request"] == {"notes": "new", "due_date": "2026-12-24"}
    assert (await change(company, one, notes="new"))["run"] is None
    await company.quiet()
    assert account.id


async def test_an_edit_of_what_has_changed_since_it_was_seen_is_refused(company: Company) -> None:
    _, customer = await a_customer(company)
    one = Ref("books", "invoices", invoice(company, customer, 1000, status="draft"))
    seen = await visit(company, "show", lambda user: show_document(user, one))
    company.edit_books("invoices", one.id, notes="by another")
    with pytest.raises(DocumentRefused) as error:
        await change(company, one, seen["stamp"], notes="mine")
    assert error.value.reason == "stale" and company.books("invoices")[one.id]["notes"] == "by another"


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("invoices", "paid", "paid"), ("invoices", "void", "void"), ("estimates", "invoiced", "invoiced"),
        ("salesorders", "invoiced", "invoiced"), ("salesorders", "void", "void"), ("salesorders", "closed", "closed"),
    ],
)  # fmt: skip
async def test_what_is_settled_is_not_edited_and_says_why(kind: str, status: str, reason: str, company: Company) -> None:
    _, customer = await a_customer(company)
    one = Ref("books", kind, document(company, kind, customer, 10, status=status))
    with pytest.raises(DocumentRefused) as error:
        await change(company, one, notes="x")
    assert error.value.reason == reason and not company.books(kind)[one.id]["notes"]


async def test_nothing_dated_in_a_closed_period_is_edited_nor_moved_into_it(company: Company) -> None:
    _, customer = await a_customer(company)
    old = Ref("books", "invoices", invoice(company, customer, 1000, date="2026-10-20", due_date="2027-01-01"))
    new = Ref("books", "invoices", invoice(company, customer, 1000, date="2026-11-01", due_date="2027-01-01"))
    company.spec = dataclasses.replace(company.spec, closed_until=date(2026, 10, 31))
    for ref, asked in ((old, {"notes": "x"}), (old, {"date": "2026-11-02"}), (new, {"date": "2026-10-31"})):
        with pytest.raises(DocumentRefused) as error:
            await change(company, ref, **asked)
        assert error.value.reason == "period_closed"
    await change(company, new, notes="x")


async def test_lines_that_are_not_asked_for_stay_though_their_item_went_inactive(company: Company) -> None:
    _, customer = await a_customer(company)
    item = company.seed_books("items", name="Old", rate=700)
    one = Ref(
        "books", "invoices", company.seed_books("invoices", customer_id=customer, line_items=[{"item_id": item, "quantity": 2}])
    )
    company.world.books.set_active("items", item, False)
    await change(company, one, reference="PO-8")
    made = company.books("invoices")[one.id]
    assert made["reference_number"] == "PO-8" and made["total"] == 1400
    done = await change(company, one, lines=[{"item": f"books:items:{item}", "quantity": "1", "price": "650"}])
    assert [one["field"] for one in done["changes"]] == ["lines"] and company.books("invoices")[one.id]["total"] == 650


async def test_books_own_refusal_is_told_in_its_words_and_nothing_waits(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(books: ZohoBooks, *words: Any) -> Answer:
        return Answer(False, code="110817", words="Sales tax is not enabled.")

    account, _ = await a_customer(company)
    monkeypatch.setattr(ZohoBooks, "put_by_key", refuses)
    error = await not_made(company, account)
    assert error.reason == "books_refused" and "Sales tax is not enabled. (110817)" in error.what
    assert company.ledger.open_intents("demo") == []
