"""Invoices, payments, estimates and sales orders (books-v3.md sections 8 to 11)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import REDUCED, TAX, Books, customer, line


async def invoice(books: Books, customer_id: str, *lines: dict[str, Any], sent: bool = True, **fields: Any) -> Any:
    body = {"customer_id": customer_id, "line_items": list(lines or [line(1000)]), **fields}
    made = (await books.done("POST", "/invoices", body))["invoice"]
    if sent:
        await books.done("POST", f"/invoices/{made['invoice_id']}/status/sent")
    return made


async def read(books: Books, id: str) -> Any:
    return (await books.get(f"/invoices/{id}"))["invoice"]


async def owed(books: Books, id: str) -> tuple[Any, Any]:
    contact = (await books.get(f"/contacts/{id}"))["contact"]
    return contact["outstanding_receivable_amount"], contact["unused_credits_receivable_amount"]


async def test_totals_of_the_documented_example(books: Books) -> None:
    made = await invoice(books, await customer(books), line(90000, 3), discount="10%", date="2026-11-05", payment_terms=30)
    assert (made["sub_total"], made["tax_total"], made["total"], made["balance"]) == (270000, 24300, 267300, 267300)
    assert (made["due_date"], made["invoice_number"], made["status"]) == ("2026-12-05", "INV-00001", "draft")
    assert made["taxes"] == [{"tax_id": TAX, "tax_name": "Consumption tax (10%)", "tax_amount": 24300}]


@pytest.mark.parametrize(
    ("currency", "lines", "fields", "total"),
    [
        ("JPY", [line(33, 1), line(33, 1)], {}, 73),
        ("JPY", [line(105, 1, REDUCED), line(105, 1)], {}, 229),
        ("USD", [line(9.99, 3, "")], {}, 29.97),
        ("USD", [line(10, 1, "", discount="33%")], {"discount_type": "item_level"}, 6.7),
        ("USD", [line(10, 1)], {"discount": 1, "is_discount_before_tax": False}, 10),
        ("JPY", [line(1100, 1)], {"is_inclusive_tax": True}, 1100),
        ("KWD", [line(1.2345, 1, "")], {"shipping_charge": 0.5, "adjustment": -0.1}, 1.635),
    ],
)
async def test_totals_round_to_the_currency(
    books: Books, currency: str, lines: list[dict[str, Any]], fields: dict[str, Any], total: float
) -> None:
    made = await invoice(books, await customer(books, currency_code=currency), *lines, **fields)
    assert made["total"] == total
    assert made["currency_code"] == currency


async def test_an_invoice_becomes_overdue_by_the_calendar_without_being_modified(books: Books) -> None:
    made = await invoice(books, await customer(books), due_date="2026-11-03")
    before = (await books.get("/invoices"))["invoices"][0]
    books.world.clock.advance(2 * 86400)
    after = (await books.get("/invoices"))["invoices"][0]
    assert (before["status"], after["status"]) == ("sent", "overdue")
    assert before["due_days"] == "Due in 1 day" and after["due_days"] == "Overdue by 1 day"
    assert before["last_modified_time"] == after["last_modified_time"]
    assert (await read(books, made["invoice_id"]))["status"] == "overdue"
    overdue = await books.get("/invoices", status="overdue")
    assert [row["invoice_id"] for row in overdue["invoices"]] == [made["invoice_id"]]


async def test_the_day_turns_in_the_organisations_zone(books: Books) -> None:
    await invoice(books, await customer(books), due_date="2026-11-02")
    books.world.clock.advance(14 * 3600 + 44 * 60 + 19)
    assert (await books.get("/invoices"))["invoices"][0]["status"] == "sent"
    books.world.clock.advance(1)
    assert (await books.get("/invoices"))["invoices"][0]["status"] == "overdue"


async def test_payments_move_status_balance_and_what_the_customer_owes(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id, line(1000), due_date="2026-12-01")
    assert await owed(books, id) == (1100, 0)
    books.world.clock.advance(60)
    body = {
        "customer_id": id,
        "payment_mode": "banktransfer",
        "amount": 500,
        "date": "2026-11-02",
        "invoices": [{"invoice_id": made["invoice_id"], "amount_applied": 400}],
    }
    answer = await books.call("POST", "/customerpayments", body)
    payment = answer.json()["payment"]
    assert (answer.status_code, answer.json()["message"]) == (201, "The payment has been created.")
    assert (payment["unused_amount"], payment["invoices"][0]["balance_amount"]) == (100, 700)
    found = await read(books, made["invoice_id"])
    assert (found["status"], found["payment_made"], found["balance"]) == ("partially_paid", 400, 700)
    assert found["last_payment_date"] == "2026-11-02"
    assert found["last_modified_time"] == "2026-11-02T09:16:40+0900"
    assert await owed(books, id) == (700, 100)
    books.world.books.pay(made["invoice_id"])
    assert (await read(books, made["invoice_id"]))["status"] == "paid"
    assert await owed(books, id) == (0, 100)
    numbers = [row["invoice_number"] for row in (await books.get("/customerpayments"))["customerpayments"]]
    assert numbers == [made["invoice_number"]] * 2


async def test_a_deleted_payment_opens_its_invoice_again(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id, due_date="2026-12-01")
    payment = books.world.books.pay(made["invoice_id"])["payment_id"]
    assert (await books.done("DELETE", f"/customerpayments/{payment}"))["message"] == "The payment has been deleted."
    found = await read(books, made["invoice_id"])
    assert (found["status"], found["balance"], found["last_payment_date"]) == ("sent", 1100, "")
    assert await owed(books, id) == (1100, 0)
    assert (await books.refused("GET", f"/customerpayments/{payment}"))[:2] == (404, 1002)


async def test_a_payment_taken_off_an_invoice_stays_as_credit(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id)
    books.world.books.pay(made["invoice_id"])
    path = f"/invoices/{made['invoice_id']}/payments"
    (row,) = (await books.get(path))["payments"]
    assert (row["amount"], row["is_single_invoice_payment"]) == (1100, True)
    await books.done("DELETE", f"{path}/{row['invoice_payment_id']}")
    assert await owed(books, id) == (1100, 1100)


async def test_more_than_the_balance_or_a_foreign_invoice_cannot_be_paid(books: Books) -> None:
    id, other = await customer(books), await customer(books, "Minami")
    made = await invoice(books, id)
    body = {"customer_id": id, "payment_mode": "cash", "amount": 9999, "date": "2026-11-02"}
    too_much = {"invoices": [{"invoice_id": made["invoice_id"], "amount_applied": 1101}]}
    assert (await books.refused("POST", "/customerpayments", {**body, **too_much}))[:2] == (400, 2)
    foreign = {"customer_id": other, "invoices": [{"invoice_id": made["invoice_id"], "amount_applied": 1}]}
    assert (await books.refused("POST", "/customerpayments", {**body, **foreign}))[:2] == (400, 6)


async def test_voiding_releases_payments_to_the_customer_and_void_can_become_draft(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id)
    path = f"/invoices/{made['invoice_id']}"
    books.world.books.pay(made["invoice_id"])
    assert (await books.done("POST", f"{path}/status/void"))["message"] == "Invoice status has been changed to Void."
    found = await read(books, made["invoice_id"])
    assert (found["status"], found["balance"], found["payment_made"]) == ("void", 0, 0)
    assert await owed(books, id) == (0, 1100)
    assert (await books.refused("PUT", path, {"notes": "x"}))[0] == 400
    await books.done("POST", f"{path}/status/draft")
    assert (await read(books, made["invoice_id"]))["balance"] == 1100


async def test_illegal_moves_are_refused(books: Books) -> None:
    made = await invoice(books, await customer(books))
    for move in ("sent", "draft"):
        assert (await books.refused("POST", f"/invoices/{made['invoice_id']}/status/{move}"))[0] == 400


async def test_a_paid_invoice_cannot_be_deleted(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id)
    payment = books.world.books.pay(made["invoice_id"], 10)["payment_id"]
    path = f"/invoices/{made['invoice_id']}"
    assert (await books.refused("DELETE", path))[:2] == (400, 36)
    books.world.books.delete("customerpayments", payment)
    await books.done("DELETE", path)
    assert await books.refused("GET", path) == (404, 1002, "Invoice does not exist.")
    assert await owed(books, id) == (0, 0)


async def test_an_edit_of_the_lines_recomputes_balance_and_moves_the_change_time(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id)
    books.world.clock.advance(60)
    found = (await books.done("PUT", f"/invoices/{made['invoice_id']}", {"line_items": [line(2000)]}))["invoice"]
    assert (found["total"], found["balance"]) == (2200, 2200)
    assert found["last_modified_time"] > made["last_modified_time"]
    assert await owed(books, id) == (2200, 0)


async def test_a_write_off_settles_the_rest(books: Books) -> None:
    id = await customer(books)
    made = await invoice(books, id)
    await books.done("POST", f"/invoices/{made['invoice_id']}/writeoff")
    found = await read(books, made["invoice_id"])
    assert (found["status"], found["balance"], found["write_off_amount"]) == ("paid", 0, 1100)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"line_items": []}, 4016),
        ({"customer_id": "460000000000999999"}, 6),
        ({"line_items": [{"item_id": "460000000000999999"}]}, 6),
        ({"date": "05/11/2026"}, 2),
    ],
)
async def test_invoices_that_cannot_be_are_refused(books: Books, body: dict[str, Any], code: int) -> None:
    whole = {"customer_id": await customer(books), "line_items": [line(1)], **body}
    assert (await books.refused("POST", "/invoices", whole))[:2] == (400, code)


async def test_response_option_2_counts_without_rows(books: Books) -> None:
    id = await customer(books)
    for rate in (100, 200):
        await invoice(books, id, line(rate, tax_id=""), sent=False)
    counted = await books.get("/invoices", response_option="2")
    assert (counted["invoices"], counted["page_context"]["total"]) == ([], 2)
    summed = await books.get("/invoices", response_option="3", status="draft")
    assert summed["page_context"]["sum_columns"] == {"total": 300, "balance": 300}


async def test_status_date_amount_and_customer_filters(books: Books) -> None:
    first, second = await customer(books), await customer(books, "Minami")
    books.world.books.seed(
        "invoices",
        [
            {"invoice_number": "A", "customer_id": first, "date": "2026-10-01", "due_date": "2026-10-31", "total": 10}
            | {"status": "sent"},
            {"invoice_number": "B", "customer_id": first, "date": "2026-10-15", "due_date": "2026-11-30", "total": 20}
            | {"status": "paid"},
            {"invoice_number": "C", "customer_id": second, "date": "2026-11-01", "due_date": "2026-11-30", "total": 30}
            | {"status": "sent", "payment_made": 5},
            {"invoice_number": "D", "customer_id": second, "date": "2026-11-01", "total": 40, "status": "draft"},
        ],
    )

    async def found(**params: str) -> str:
        rows = (await books.get("/invoices", sort_column="invoice_number", **params))["invoices"]
        return "".join(row["invoice_number"] for row in rows)

    assert await found(filter_by="Status.OverDue") == "A"
    assert await found(filter_by="Status.Unpaid") == "AC"
    assert await found(filter_by="Status.PartiallyPaid") == await found(status="partially_paid") == "C"
    assert await found(filter_by="Status.Paid") == "B"
    assert await found(customer_id=second) == "CD"
    assert await found(date_start="2026-10-15", date_end="2026-11-01") == "BCD"
    assert await found(date_before="2026-10-15") == "A"
    assert await found(due_date_after="2026-10-31") == "BCD"
    assert await found(total_greater_than="10", total_less_equals="30") == "BC"
    assert await found(balance="25") == "C"


async def test_seeded_payments_make_what_invoices_show_once(books: Books) -> None:
    id = await customer(books)
    body = {"customer_id": id, "status": "partially_paid", "total": 100, "payment_made": 40, "due_date": "2026-12-01"}
    (made,) = books.world.books.seed("invoices", [body])
    assert (await read(books, made))["balance"] == 60
    lines = [{"invoice_id": made, "amount_applied": 40}]
    books.world.books.seed("customerpayments", [{"customer_id": id, "date": "2026-10-09", "invoices": lines}])
    found = await read(books, made)
    assert (found["payment_made"], found["balance"], found["last_payment_date"]) == (40, 60, "2026-10-09")
    assert await owed(books, id) == (60, 0)


async def test_estimates_and_sales_orders_are_read_with_their_change_time(books: Books) -> None:
    id = await customer(books)
    for kind, key in (("estimates", "estimate"), ("salesorders", "salesorder")):
        (made,) = books.world.books.seed(
            kind, [{"customer_id": id, "line_items": [line(100)], "zcrm_potential_id": "5", "status": "sent"}]
        )
        (row,) = (await books.get(f"/{kind}", zcrm_potential_id="5"))[kind]
        assert (row["total"], row["last_modified_time"]) == (110, "2026-11-02T09:15:40+0900")
        detail = (await books.get(f"/{kind}/{made}"))[key]
        assert (detail["customer_name"], detail["line_items"][0]["item_total"]) == ("Kita", 100)


async def test_settings_a_sync_needs(books: Books) -> None:
    currencies = (await books.get("/settings/currencies"))["currencies"]
    base = [row for row in currencies if row["is_base_currency"]]
    assert [(row["currency_code"], row["price_precision"]) for row in base] == [("JPY", 0)]
    taxes = await books.get("/settings/taxes")
    assert [tax["tax_percentage"] for tax in taxes["taxes"]] == [10, 8]
    fields = (await books.get("/settings/fields", entity="contact"))["fields"]
    assert [(f["api_name"], f["is_unique"]) for f in fields] == [
        ("cf_renkei_crm_id", True),
        ("cf_tax_registration_number", False),
    ]
    me = (await books.get("/users/me"))["user"]
    assert (await books.get(f"/users/{me['user_id']}"))["user"]["name"] == me["name"]
