"""Writing estimates and invoices: keys of ours, statuses, terms, numbers, what a person does beside us (books-v3.md 8, 10)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import REDUCED, Books, customer, line, upsert_headers

from renkei.sandbox.books.totals import TaxRounding

KEY = "renkei:intent-1"
DEAL = {"custom_fields": [{"api_name": "cf_renkei_crm_id", "value": KEY}]}
SINGULAR = {"estimates": "estimate", "invoices": "invoice"}


async def made(books: Books, kind: str, *lines: dict[str, Any], **fields: Any) -> Any:
    whole = {"line_items": list(lines or [line(1000)]), **fields}
    if "customer_id" not in whole:
        whole["customer_id"] = await customer(books)
    return (await books.done("POST", f"/{kind}", whole))[SINGULAR[kind]]


async def read(books: Books, kind: str, document: Any) -> Any:
    id = document[f"{SINGULAR[kind]}_id"]
    return (await books.get(f"/{kind}/{id}"))[SINGULAR[kind]]


async def status(books: Books, kind: str, document: Any, to: str) -> Any:
    id = document[f"{SINGULAR[kind]}_id"]
    return (await books.done("POST", f"/{kind}/{id}/status/{to}"))["message"]


async def test_a_created_estimate_answers_201_in_draft_with_its_totals(books: Books) -> None:
    id = await customer(books)
    body = {"customer_id": id, "line_items": [line(90000, 3)], "date": "2026-11-02", "expiry_date": "2026-11-30"}
    answer = await books.call("POST", "/estimates", {**body, "zcrm_potential_id": "5190000000998877", **DEAL})
    content = answer.json()
    estimate = content["estimate"]
    assert (answer.status_code, content["message"]) == (201, "The estimate has been created")
    assert (estimate["status"], estimate["estimate_number"]) == ("draft", "EST-00001")
    assert (estimate["sub_total"], estimate["tax_total"], estimate["total"]) == (270000, 27000, 297000)
    assert estimate["created_time"] == estimate["last_modified_time"] == "2026-11-02T09:15:40+0900"
    assert estimate["custom_field_hash"]["cf_renkei_crm_id"] == KEY
    (row,) = (await books.get("/estimates", zcrm_potential_id="5190000000998877"))["estimates"]
    assert (row["total"], row["cf_renkei_crm_id"], row["status"]) == (297000, KEY, "draft")


@pytest.mark.parametrize("kind", ["estimates", "invoices"])
async def test_a_document_is_made_once_by_its_key_however_often_the_call_is_repeated(books: Books, kind: str) -> None:
    body = {"customer_id": await customer(books), "line_items": [line(1000)], **DEAL}
    first = await books.call("PUT", f"/{kind}", body, headers=upsert_headers(KEY))
    books.world.clock.advance(60)
    again = await books.call("PUT", f"/{kind}", {**body, "line_items": [line(2000)]}, headers=upsert_headers(KEY))
    assert first.status_code == again.status_code == 200
    name = SINGULAR[kind]
    assert first.json()[name][f"{name}_id"] == again.json()[name][f"{name}_id"]
    assert again.json()[name]["total"] == 2200
    assert again.json()[name]["last_modified_time"] == "2026-11-02T09:16:40+0900"
    assert len(books.world.books.records(kind)) == 1


@pytest.mark.parametrize("kind", ["estimates", "invoices"])
async def test_a_key_belongs_to_one_document_and_without_upsert_a_missing_key_is_404(books: Books, kind: str) -> None:
    await made(books, kind, **DEAL)
    other = {"customer_id": await customer(books, "Minami"), "line_items": [line(1)], **DEAL}
    assert (await books.refused("POST", f"/{kind}", other))[:2] == (400, 4)
    assert (await books.refused("PUT", f"/{kind}", other, headers=upsert_headers("x", upsert=False)))[:2] == (404, 1002)
    assert len(books.world.books.records(kind)) == 1


async def test_an_estimate_goes_from_draft_to_sent_to_accepted_or_declined(books: Books) -> None:
    estimate = await made(books, "estimates")
    path = f"/estimates/{estimate['estimate_id']}/status"
    for too_early in ("accepted", "declined"):
        assert (await books.refused("POST", f"{path}/{too_early}"))[:2] == (400, 4)
    assert await status(books, "estimates", estimate, "sent") == "Estimate status has been changed to Sent"
    assert (await books.refused("POST", f"{path}/sent"))[0] == 400
    assert await status(books, "estimates", estimate, "accepted") == "Estimate status has been changed to Accepted."
    accepted = await read(books, "estimates", estimate)
    assert (accepted["status"], accepted["accepted_date"]) == ("accepted", "2026-11-02")
    assert await status(books, "estimates", estimate, "declined") == "Estimate status has been changed to Declined."
    declined = await read(books, "estimates", estimate)
    assert (declined["accepted_date"], declined["declined_date"]) == ("", "2026-11-02")
    assert (await books.refused("POST", f"{path}/void"))[0] == 404


async def test_what_the_contract_leaves_open_about_estimates_can_be_the_other_way(books: Books) -> None:
    org = books.world.books.main
    org.decides_drafts, org.invoices_close_estimates, org.email_marks_sent = True, False, False
    id = await customer(books)
    first, second = await made(books, "estimates", customer_id=id), await made(books, "estimates", customer_id=id)
    books.world.books.email("estimates", second["estimate_id"], ["a@kita.example"])
    await status(books, "estimates", first, "accepted")
    await made(books, "invoices", customer_id=id, invoiced_estimate_id=first["estimate_id"])
    assert [(await read(books, "estimates", one))["status"] for one in (first, second)] == ["accepted", "draft"]


async def test_a_sent_estimate_expires_by_the_calendar_and_can_still_be_accepted(books: Books) -> None:
    estimate = await made(books, "estimates", expiry_date="2026-11-02")
    await status(books, "estimates", estimate, "sent")
    before = (await books.get("/estimates"))["estimates"][0]
    books.world.clock.advance(86400)
    after = (await books.get("/estimates", filter_by="Status.Expired"))["estimates"][0]
    assert (before["status"], after["status"]) == ("sent", "expired")
    assert before["last_modified_time"] == after["last_modified_time"]
    await status(books, "estimates", estimate, "accepted")
    assert (await read(books, "estimates", estimate))["status"] == "accepted"


async def test_an_invoice_made_from_an_estimate_makes_it_invoiced_and_closed(books: Books) -> None:
    id = await customer(books)
    estimate = await made(books, "estimates", customer_id=id)
    invoice = await made(books, "invoices", customer_id=id, invoiced_estimate_id=estimate["estimate_id"])
    found = await read(books, "estimates", estimate)
    assert (found["status"], invoice["estimate_id"]) == ("invoiced", estimate["estimate_id"])
    path = f"/estimates/{estimate['estimate_id']}"
    assert (await books.refused("PUT", path, {"notes": "late"}))[:2] == (400, 4)
    second = await made(books, "invoices", customer_id=id, invoiced_estimate_id=estimate["estimate_id"])
    await books.done("DELETE", f"/invoices/{invoice['invoice_id']}")
    assert (await read(books, "estimates", estimate))["status"] == "invoiced"
    await books.done("DELETE", f"/invoices/{second['invoice_id']}")
    assert (await read(books, "estimates", estimate))["status"] == "accepted"
    foreign = {"customer_id": await customer(books, "Minami"), "line_items": [line(1)]}
    foreign["invoiced_estimate_id"] = estimate["estimate_id"]
    assert (await books.refused("POST", "/invoices", foreign))[:2] == (400, 6)


async def test_a_deleted_estimate_is_gone(books: Books) -> None:
    path = f"/estimates/{(await made(books, 'estimates'))['estimate_id']}"
    assert (await books.done("DELETE", path))["message"] == "The estimate has been deleted."
    assert await books.refused("GET", path) == (404, 1002, "Estimate does not exist.")


@pytest.mark.parametrize(
    ("fields", "due", "label"),
    [
        ({}, "2026-12-02", "Net 30"),
        ({"payment_terms": 15}, "2026-11-17", "Net 15"),
        ({"payment_terms": 15, "payment_terms_label": "half a month", "due_date": "2026-12-25"}, "2026-12-25", "half a month"),
        ({"date": "2026-10-31", "payment_terms": 0}, "2026-10-31", "Due on Receipt"),
    ],
)
async def test_an_invoice_is_due_by_its_own_terms_or_else_by_its_customers(
    books: Books, fields: dict[str, Any], due: str, label: str
) -> None:
    id = await customer(books, payment_terms=30, payment_terms_label="Net 30")
    invoice = await made(books, "invoices", customer_id=id, **fields)
    assert (invoice["due_date"], invoice["payment_terms_label"]) == (due, label)
    longer = (await books.done("PUT", f"/invoices/{invoice['invoice_id']}", {"payment_terms": 60}))["invoice"]
    assert longer["due_date"] > due
    kept = (await books.done("PUT", f"/invoices/{invoice['invoice_id']}", {"notes": "x"}))["invoice"]
    assert kept["due_date"] == longer["due_date"]


async def test_addresses_and_currency_come_from_the_customer_and_another_currency_is_refused(books: Books) -> None:
    id = await customer(books, currency_code="USD", billing_address={"city": "Osaka", "zip": "530-0001"})
    estimate = await made(books, "estimates", line(10.25), customer_id=id, exchange_rate=150)
    assert (estimate["currency_code"], estimate["billing_address"]["city"]) == ("USD", "Osaka")
    assert (estimate["line_items"][0]["bcy_rate"], estimate["total"]) == (1538, 11.28)
    yen = {"customer_id": id, "line_items": [line(1)], "currency_id": books.world.books.main.base_currency_id}
    assert (await books.refused("POST", "/estimates", yen))[:2] == (400, 2)


async def test_own_numbers_need_the_parameter_and_are_taken_once(books: Books) -> None:
    own = {"ignore_auto_number_generation": "true"}
    body = {"customer_id": await customer(books), "line_items": [line(1)], "estimate_number": "Q-7"}
    assert (await books.refused("POST", "/estimates", body))[:2] == (400, 2)
    made_so = (await books.done("POST", "/estimates", body, params=own))["estimate"]
    assert made_so["estimate_number"] == "Q-7"
    assert (await books.refused("POST", "/estimates", body, params=own))[:2] == (400, 4)
    path = f"/estimates/{made_so['estimate_id']}"
    assert (await books.done("PUT", path, {"estimate_number": "Q-7", "notes": "same"}))["estimate"]["notes"] == "same"
    next_one = (await books.done("POST", "/estimates", {**body, "estimate_number": ""}))["estimate"]
    assert next_one["estimate_number"] == "EST-00002"


async def test_a_salesperson_named_twice_is_one_salesperson(books: Books) -> None:
    id = await customer(books)
    first = await made(books, "estimates", customer_id=id, salesperson_name="Mei Sato")
    second = await made(books, "invoices", customer_id=id, salesperson_name="Mei Sato")
    assert first["salesperson_id"] == second["salesperson_id"] != ""
    third = await made(books, "invoices", customer_id=id, salesperson_id=first["salesperson_id"])
    assert third["salesperson_name"] == "Mei Sato"
    unknown = {"customer_id": id, "line_items": [line(1)], "salesperson_id": "460000000000999999"}
    assert (await books.refused("POST", "/invoices", unknown))[:2] == (400, 6)


async def test_an_entity_discount_is_rounded_once_and_the_figures_add_up(books: Books) -> None:
    estimate = await made(books, "estimates", line(105), discount="10%")
    assert (estimate["sub_total"], estimate["discount_total"], estimate["tax_total"]) == (105, 11, 9)
    assert estimate["total"] == 105 - 11 + 9


@pytest.mark.parametrize(
    ("rounding", "tax"),
    [
        (TaxRounding(), 32),
        (TaxRounding(per_line=True), 33),
        (TaxRounding(down=True), 31),
        (TaxRounding(per_line=True, down=True), 30),
    ],
)
async def test_tax_is_rounded_once_a_rate_unless_the_organisation_prefers_otherwise(
    books: Books, rounding: TaxRounding, tax: int
) -> None:
    books.world.books.main.tax_rounding = rounding
    invoice = await made(books, "invoices", line(105), line(105), line(105), line(100, 1, REDUCED))
    assert [row["tax_amount"] for row in invoice["taxes"]] == [tax, 8]
    assert (invoice["tax_total"], invoice["total"]) == (tax + 8, 415 + tax + 8)


async def test_a_document_takes_the_rate_of_its_day_where_its_call_names_none(books: Books) -> None:
    org = books.world.books.main
    dollar = next(id for id, row in org.currencies.items() if row["currency_code"] == "USD")
    org.set_exchange_rate(dollar, "2026-10-01", 148)
    org.set_exchange_rate(dollar, "2026-11-01", 150.5)
    id = await customer(books, currency_code="USD")
    rates = {
        on: (await made(books, "invoices", line(10), customer_id=id, date=on))["exchange_rate"]
        for on in ("2026-09-30", "2026-10-31", "2026-11-02")
    }
    assert rates == {"2026-09-30": 1, "2026-10-31": 148, "2026-11-02": 150.5}
    own = await made(books, "invoices", line(10), customer_id=id, exchange_rate=149)
    assert (own["exchange_rate"], own["line_items"][0]["bcy_rate"]) == (149, 1490)
    listed = (await books.get(f"/settings/currencies/{dollar}/exchangerates", from_date="2026-10-15"))["exchange_rates"]
    assert [(row["effective_date"], row["rate"]) for row in listed] == [("2026-11-01", 150.5)]
    assert (await books.get(f"/settings/currencies/{dollar}"))["currency"]["exchange_rate"] == 150.5
    books.world.books.send(own["invoice_id"])
    assert books.world.books.pay(own["invoice_id"], 1)["exchange_rate"] == 149


async def test_documents_are_found_by_what_stands_in_their_lines_and_custom_fields(books: Books) -> None:
    id = await customer(books)
    item = (await books.done("POST", "/items", {"name": "Green tea", "rate": 5}))["item"]["item_id"]
    first = await made(books, "estimates", {"item_id": item}, customer_id=id, **DEAL)
    await made(books, "estimates", line(1, description="by hand"), customer_id=id)

    async def found(**params: str) -> list[str]:
        return [
            row["estimate_number"] for row in (await books.get("/estimates", sort_column="created_time", **params))["estimates"]
        ]

    assert await found(item_id=item) == await found(item_name_startswith="green") == [first["estimate_number"]]
    assert await found(custom_field=KEY) == await found(custom_field_contains="intent") == [first["estimate_number"]]
    assert await found(item_description_contains="hand") == ["EST-00002"]


async def test_the_comments_tell_who_did_what_to_a_document(books: Books) -> None:
    estimate = await made(books, "estimates")
    id = estimate["estimate_id"]
    books.world.books.mark("estimates", id, "sent", by="yuko.suzuki@example.jp")
    books.world.books.edit("estimates", id, notes="by hand", by="hana.mori@example.jp")
    await status(books, "estimates", estimate, "accepted")
    rows = (await books.get(f"/estimates/{id}/comments"))["comments"]
    assert [(row["description"], row["commented_by"]) for row in rows] == [
        ("Estimate marked as accepted", "Sync User"),
        ("Estimate updated", "Hana Mori"),
        ("Estimate marked as sent", "Yuko Suzuki"),
        ("Estimate added", "Sync User"),
    ]
    assert rows[0]["comment_type"] == "system" and rows[0]["transaction_type"] == "estimate"


async def test_a_seeded_document_begins_with_its_creation(books: Books) -> None:
    fields = {"customer_id": await customer(books), "total": 10, "created_time": "2026-10-01T08:30:00+0900"}
    (id,) = books.world.books.seed("invoices", [fields])
    (row,) = (await books.get(f"/invoices/{id}/comments"))["comments"]
    assert (row["description"], row["date"], row["time"], row["commented_by"]) == ("Invoice added", "2026-10-01", "08:30", "")


async def test_a_cancelled_write_off_is_owed_again(books: Books) -> None:
    invoice = await made(books, "invoices")
    await status(books, "invoices", invoice, "sent")
    books.world.books.write_off(invoice["invoice_id"])
    path = f"/invoices/{invoice['invoice_id']}/writeoff/cancel"
    assert (await books.done("POST", path))["message"] == "The write off done for this invoice has been cancelled."
    found = await read(books, "invoices", invoice)
    assert (found["write_off_amount"], found["balance"], found["status"]) == (0, 1100, "sent")
    assert (await books.refused("POST", path))[0] == 400
