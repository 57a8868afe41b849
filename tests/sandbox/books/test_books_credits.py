"""Credit notes, changed payments and what both leave of an invoice's balance (books-v3.md 11.1, 11.2)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import Books, customer, line, upsert_headers


async def sent(books: Books, customer_id: str, rate: float = 1000) -> str:
    body = {"customer_id": customer_id, "line_items": [line(rate, tax_id="")], "due_date": "2026-12-01"}
    id: str = (await books.done("POST", "/invoices", body, params={"send": "true"}))["invoice"]["invoice_id"]
    return id


async def credit(books: Books, customer_id: str, rate: float = 300, **options: Any) -> Any:
    body = {"customer_id": customer_id, "line_items": [line(rate, tax_id="")]}
    return (await books.done("POST", "/creditnotes", body, **options))["creditnote"]


async def read(books: Books, invoice: str) -> Any:
    return (await books.get(f"/invoices/{invoice}"))["invoice"]


async def owed(books: Books, id: str) -> tuple[Any, Any]:
    contact = (await books.get(f"/contacts/{id}"))["contact"]
    return contact["outstanding_receivable_amount"], contact["unused_credits_receivable_amount"]


async def paid(books: Books, customer_id: str, amount: float, *lines: tuple[str, float], **fields: Any) -> Any:
    body = {"customer_id": customer_id, "payment_mode": "cash", "amount": amount, "date": "2026-11-02", **fields}
    body["invoices"] = [{"invoice_id": invoice, "amount_applied": applied} for invoice, applied in lines]
    return (await books.done("POST", "/customerpayments", body))["payment"]


async def test_a_credit_note_is_the_customers_until_it_is_applied_and_then_the_invoices(books: Books) -> None:
    id = await customer(books)
    invoice = await sent(books, id)
    note = await credit(books, id)
    assert (note["creditnote_number"], note["status"], note["balance"]) == ("CN-00001", "open", 300)
    assert await owed(books, id) == (1000, 300)
    path = f"/creditnotes/{note['creditnote_id']}"
    books.world.clock.advance(60)
    body = {"invoices": [{"invoice_id": invoice, "amount_applied": 200}]}
    assert (await books.done("POST", f"{path}/invoices", body))["message"] == "Credits have been applied to the invoice(s)."
    found = await read(books, invoice)
    assert (found["credits_applied"], found["balance"], found["status"]) == (200, 800, "partially_paid")
    assert (found["last_payment_date"], found["last_modified_time"]) == ("", "2026-11-02T09:16:40+0900")
    assert await owed(books, id) == (800, 100)
    (row,) = (await books.get(f"{path}/invoices"))["invoices_credited"]
    (twin,) = (await books.get(f"/invoices/{invoice}/creditsapplied"))["credits"]
    assert row["credited_amount"] == twin["amount_applied"] == 200
    await books.done("DELETE", f"{path}/invoices/{row['creditnote_invoice_id']}")
    assert await owed(books, id) == (1000, 300)
    assert (await read(books, invoice))["status"] == "sent"


async def test_a_credit_note_made_for_an_invoice_pays_it_as_far_as_it_goes_and_is_closed(books: Books) -> None:
    id = await customer(books)
    invoice = await sent(books, id, 200)
    note = await credit(books, id, 300, params={"invoice_id": invoice})
    assert (note["balance"], note["status"], note["invoices"][0]["amount"]) == (100, "open", 200)
    assert (await read(books, invoice))["status"] == "paid"
    other = await sent(books, id, 500)
    body = {"apply_creditnotes": [{"creditnote_id": note["creditnote_id"], "amount_applied": 100}]}
    await books.done("POST", f"/invoices/{other}/credits", body)
    closed = (await books.get("/creditnotes", filter_by="Status.Closed"))["creditnotes"]
    assert [(row["creditnote_id"], row["balance"]) for row in closed] == [(note["creditnote_id"], 0)]
    assert await owed(books, id) == (400, 0)


async def test_voiding_an_invoice_gives_its_credits_back(books: Books) -> None:
    id = await customer(books)
    invoice = await sent(books, id)
    books.world.books.credit(invoice, 400)
    books.world.books.pay(invoice, 100)
    assert await owed(books, id) == (500, 0)
    books.world.books.void(invoice)
    assert await owed(books, id) == (0, 500)
    assert (await books.get(f"/invoices/{invoice}/creditsapplied"))["credits"] == []


async def test_draft_void_and_applied_credit_notes(books: Books) -> None:
    id = await customer(books)
    invoice = await sent(books, id)
    body = {"customer_id": id, "line_items": [line(300)], "is_draft": True}
    note = (await books.done("POST", "/creditnotes", body))["creditnote"]
    path = f"/creditnotes/{note['creditnote_id']}"
    use = {"invoices": [{"invoice_id": invoice, "amount_applied": 1}]}
    assert (note["status"], await owed(books, id)) == ("draft", (1000, 0))
    assert (await books.refused("POST", f"{path}/invoices", use))[:2] == (400, 4)
    await books.done("POST", f"{path}/status/open")
    assert await owed(books, id) == (1000, 330)
    await books.done("POST", f"{path}/status/void")
    assert await owed(books, id) == (1000, 0)
    await books.done("POST", f"{path}/status/draft")
    await books.done("POST", f"{path}/status/open")
    await books.done("POST", f"{path}/invoices", use)
    assert (await books.refused("POST", f"{path}/status/void"))[:2] == (400, 4)
    assert (await books.refused("DELETE", path))[:2] == (400, 36)
    assert (await books.refused("DELETE", f"/invoices/{invoice}"))[:2] == (400, 36)


@pytest.mark.parametrize("amount", [0, -1, 301, 1001])
async def test_no_more_than_the_credit_and_the_balance_can_be_applied_and_nothing_moves(books: Books, amount: int) -> None:
    id = await customer(books)
    invoice, note = await sent(books, id), await credit(books, id)
    payment = await paid(books, id, 50)
    whole = {
        "invoice_payments": [{"payment_id": payment["payment_id"], "amount_applied": 50}],
        "apply_creditnotes": [{"creditnote_id": note["creditnote_id"], "amount_applied": amount}],
    }
    assert (await books.refused("POST", f"/invoices/{invoice}/credits", whole))[:2] == (400, 2)
    body = {"invoices": [{"invoice_id": invoice, "amount_applied": amount}]}
    assert (await books.refused("POST", f"/creditnotes/{note['creditnote_id']}/invoices", body))[:2] == (400, 2)
    assert await owed(books, id) == (1000, 350)


async def test_what_is_settled_can_neither_become_less_nor_change_hands(books: Books) -> None:
    id, other = await customer(books), await customer(books, "Minami")
    invoice = await sent(books, id)
    books.world.books.pay(invoice, 400)
    note = books.world.books.credit(invoice, 300)
    less = {"line_items": [line(699, tax_id="")]}
    assert (await books.refused("PUT", f"/invoices/{invoice}", less))[:2] == (400, 2)
    assert (await books.refused("PUT", f"/invoices/{invoice}", {"customer_id": other}))[:2] == (400, 2)
    assert (await books.refused("PUT", f"/creditnotes/{note['creditnote_id']}", {"line_items": [line(299, tax_id="")]}))[0] == 400
    await books.done("PUT", f"/invoices/{invoice}", {"line_items": [line(700, tax_id="")]})
    assert ((await read(books, invoice))["status"], await owed(books, id)) == ("paid", (0, 0))


async def test_what_a_payment_has_left_pays_another_invoice(books: Books) -> None:
    id = await customer(books)
    first, second = await sent(books, id), await sent(books, id)
    payment = await paid(books, id, 1200, (first, 1000))
    body = {"invoice_payments": [{"payment_id": payment["payment_id"], "amount_applied": 200}]}
    await books.done("POST", f"/invoices/{second}/credits", body)
    assert await owed(books, id) == (800, 0)
    assert (await read(books, second))["last_payment_date"] == "2026-11-02"


async def test_a_changed_payment_moves_between_invoices(books: Books) -> None:
    id = await customer(books)
    first, second = await sent(books, id), await sent(books, id)
    payment = await paid(books, id, 1000, (first, 1000))
    path = f"/customerpayments/{payment['payment_id']}"
    body = {"amount": 700, "invoices": [{"invoice_id": second, "amount_applied": 600}]}
    changed = (await books.done("PUT", path, body))["payment"]
    assert (changed["unused_amount"], changed["bcy_amount"]) == (100, 700)
    assert ((await read(books, first))["balance"], (await read(books, second))["balance"]) == (1000, 400)
    assert (await read(books, first))["last_payment_date"] == ""
    assert await owed(books, id) == (1400, 100)
    assert (await books.refused("PUT", path, {"amount": 1}))[:2] == (400, 2)
    same = {"invoices": [{"invoice_id": second, "amount_applied": 700}]}
    assert (await books.done("PUT", path, same))["payment"]["unused_amount"] == 0
    assert await owed(books, id) == (1300, 0)


async def test_payments_are_deleted_together_or_not_at_all(books: Books) -> None:
    id = await customer(books)
    invoice = await sent(books, id)
    ids = [(await paid(books, id, 100, (invoice, 100)))["payment_id"] for _ in range(2)]
    gone = {"payment_id": ",".join(ids), "bulk_delete": "true"}
    wrong = {**gone, "payment_id": f"{ids[0]},460000000000999999"}
    assert (await books.refused("DELETE", "/customerpayments", params=wrong))[:2] == (404, 1002)
    answer = await books.done("DELETE", "/customerpayments", params=gone)
    assert answer["message"] == "The selected customer payments have been deleted."
    assert await owed(books, id) == (1000, 0)


async def test_a_credit_note_is_made_once_by_its_key(books: Books) -> None:
    id = await customer(books)
    field = [{"api_name": "cf_renkei_crm_id", "value": "k"}]
    body = {"customer_id": id, "line_items": [line(300)], "custom_fields": field}
    first = await books.done("PUT", "/creditnotes", body, headers=upsert_headers("k"))
    again = await books.done("PUT", "/creditnotes", {**body, "notes": "x"}, headers=upsert_headers("k"))
    assert first["creditnote"]["creditnote_id"] == again["creditnote"]["creditnote_id"]
    assert again["creditnote"]["notes"] == "x"


async def test_a_seeded_credit_note_makes_what_its_invoice_shows(books: Books) -> None:
    id = await customer(books)
    (invoice,) = books.world.books.seed("invoices", [{"customer_id": id, "status": "sent", "total": 100}])
    lines = [{"invoice_id": invoice, "amount_applied": 40}]
    (note,) = books.world.books.seed("creditnotes", [{"customer_id": id, "total": 40, "status": "open", "invoices": lines}])
    assert (await read(books, invoice))["balance"] == 60
    assert (await books.get(f"/creditnotes/{note}"))["creditnote"]["status"] == "closed"
    assert await owed(books, id) == (60, 0)
