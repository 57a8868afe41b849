"""Sales orders, purchase orders, and modules that an organisation has switched off or never had (books-v3.md 9, 11.4, 14)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import TAX, Books, customer, line, upsert_headers


async def ordered(books: Books, *lines: dict[str, Any], **fields: Any) -> Any:
    body = {"line_items": list(lines or [line(1000, 3)]), **fields}
    if "customer_id" not in body:
        body["customer_id"] = await customer(books)
    return (await books.done("POST", "/salesorders", body))["salesorder"]


async def read(books: Books, order: Any) -> Any:
    return (await books.get(f"/salesorders/{order['salesorder_id']}"))["salesorder"]


async def bought(books: Books, **fields: Any) -> Any:
    vendor = await customer(books, "Ace Paper", contact_type="vendor", currency_code="USD")
    body = {"vendor_id": vendor, "line_items": [line(10.5, 4)], **fields}
    return (await books.done("POST", "/purchaseorders", body))["purchaseorder"]


async def test_a_sales_order_is_made_opened_void_and_opened_again(books: Books) -> None:
    order = await ordered(books, zcrm_potential_id="77", shipment_date="2026-11-02")
    path = f"/salesorders/{order['salesorder_id']}"
    assert (order["salesorder_number"], order["status"], order["total"]) == ("SO-00001", "draft", 3300)
    for to in ("open", "void", "open"):
        answer = await books.call("POST", f"{path}/status/{to}")
        assert (answer.status_code, answer.json()["message"]) == (
            201,
            f"Sales order status has been changed to {to.capitalize()}.",
        )
        assert (await read(books, order))["order_status"] == to
    assert (await books.refused("POST", f"{path}/status/open"))[:2] == (400, 4)
    books.world.clock.advance(86400)
    (late,) = (await books.get("/salesorders", filter_by="Status.OverDue"))["salesorders"]
    assert (late["status"], late["last_modified_time"]) == ("overdue", "2026-11-02T09:15:40+0900")
    await books.done("POST", f"{path}/status/void")
    assert (await books.refused("PUT", path, {"notes": "x"}))[:2] == (400, 4)
    assert (await books.done("DELETE", path))["message"] == "Sales Order Deleted Successfully."


async def test_a_person_closes_an_order_which_no_call_can(books: Books) -> None:
    order = await ordered(books)
    path = f"/salesorders/{order['salesorder_id']}"
    await books.done("POST", f"{path}/status/open")
    assert (await books.refused("POST", f"{path}/status/closed"))[:2] == (404, 5)
    books.world.books.mark("salesorders", order["salesorder_id"], "closed", by="yuko.suzuki@example.jp")
    assert (await read(books, order))["status"] == "closed"
    assert (await books.refused("PUT", path, {"notes": "x"}))[:2] == (400, 4)


async def test_a_sales_order_is_made_once_by_its_key(books: Books) -> None:
    field = [{"api_name": "cf_renkei_crm_id", "value": "k"}]
    body = {"customer_id": await customer(books), "line_items": [line(1)], "custom_fields": field}
    for _ in range(2):
        content = await books.done("PUT", "/salesorders", body, headers=upsert_headers("k"))
        assert content["message"] == "Sales Order Updated Successfully."
    assert len(books.world.books.records("salesorders")) == 1


async def test_invoices_of_an_order_make_it_partially_invoiced_and_invoiced_and_their_end_opens_it_again(books: Books) -> None:
    id = await customer(books)
    order = await ordered(books, line(1000, 3), line(500, 1), customer_id=id, salesperson_name="Mei Sato")
    await books.done("POST", f"/salesorders/{order['salesorder_id']}/status/open")
    first = order["line_items"][0]["line_item_id"]
    body = {"customer_id": id, "line_items": [{**line(1000, 2), "salesorder_item_id": first}]}
    part = (await books.done("POST", "/invoices", body))["invoice"]
    found = await read(books, order)
    assert (found["status"], found["invoiced_status"]) == ("partially_invoiced", "partially_invoiced")
    rest = await books.call("POST", "/invoices/fromsalesorder", params={"salesorder_id": order["salesorder_id"]})
    invoice = rest.json()["invoice"]
    assert (rest.status_code, invoice["sub_total"], invoice["salesperson_name"]) == (201, 1500, "Mei Sato")
    assert [row["quantity"] for row in invoice["line_items"]] == [1, 1]
    assert (await read(books, order))["status"] == "invoiced"
    assert (await books.refused("DELETE", f"/salesorders/{order['salesorder_id']}"))[:2] == (400, 36)
    again = {"params": {"salesorder_id": order["salesorder_id"]}}
    assert (await books.refused("POST", "/invoices/fromsalesorder", **again))[:2] == (400, 4)
    await books.done("DELETE", f"/invoices/{part['invoice_id']}")
    assert (await read(books, order))["status"] == "partially_invoiced"
    books.world.books.void(invoice["invoice_id"])
    assert (await read(books, order))["status"] == "open"
    again = (await books.done("POST", "/invoices", body))["invoice"]
    assert (await read(books, order))["status"] == "partially_invoiced"
    await books.done("PUT", f"/invoices/{again['invoice_id']}", {"line_items": [line(1000, 2)]})
    assert (await read(books, order))["status"] == "open"
    unknown = {"customer_id": id, "line_items": [{**line(1), "salesorder_item_id": "460000000000999999"}]}
    assert (await books.refused("POST", "/invoices", unknown))[:2] == (400, 6)


async def test_a_draft_order_is_not_invoiced(books: Books) -> None:
    order = await ordered(books)
    params = {"salesorder_id": order["salesorder_id"]}
    assert (await books.refused("POST", "/invoices/fromsalesorder", params=params))[:2] == (400, 4)
    assert (await books.refused("POST", "/invoices/fromsalesorder", params={"salesorder_id": "1"}))[:2] == (404, 1002)
    assert (await books.refused("POST", "/invoices/fromsalesorder"))[:2] == (400, 2)


async def test_orders_are_read_again_by_up_to_200_ids_and_by_their_change_time(books: Books) -> None:
    id = await customer(books)
    orders = [await ordered(books, customer_id=id) for _ in range(3)]
    ids = f"{orders[0]['salesorder_id']},{orders[2]['salesorder_id']},460000000000999999"
    assert len((await books.get("/salesorders", salesorder_ids=ids))["salesorders"]) == 2
    many = ",".join(str(n) for n in range(201))
    assert (await books.refused("GET", "/salesorders", params={"salesorder_ids": many}))[:2] == (400, 2)
    books.world.clock.advance(60)
    books.world.books.edit("salesorders", orders[1]["salesorder_id"], notes="x")
    rows = (await books.get("/salesorders", last_modified_time="2026-11-02T09:15:40+0900"))["salesorders"]
    assert [row["salesorder_id"] for row in rows] == [orders[1]["salesorder_id"]]


async def test_an_order_is_e_mailed_with_subject_and_body_and_becomes_open(books: Books) -> None:
    order = await ordered(books)
    path = f"/salesorders/{order['salesorder_id']}/email"
    assert (await books.get(path))["data"]["subject"] == "Sales Order - SO-00001 from Kita Trading"
    to = {"to_mail_ids": ["aiko@kita.example"]}
    assert (await books.refused("POST", path, to))[:2] == (400, 2)
    answer = await books.call("POST", path, {**to, "subject": "S", "body": "B"})
    assert (answer.status_code, answer.json()["message"]) == (201, "Your Sales Order has been sent.")
    assert (await read(books, order))["status"] == "open"


async def test_a_purchase_order_names_its_vendor_and_takes_the_items_purchase_rate(books: Books) -> None:
    item = {"name": "Paper", "rate": 9, "purchase_rate": 5, "tax_id": TAX}
    item_id = (await books.done("POST", "/items", item))["item"]["item_id"]
    order = await bought(books, line_items=[{"item_id": item_id, "quantity": 3}], delivery_date="2026-11-20")
    assert (order["purchaseorder_number"], order["status"], order["vendor_name"]) == ("PO-00001", "draft", "Ace Paper")
    assert (order["line_items"][0]["rate"], order["total"], order["currency_code"]) == (5, 16.5, "USD")
    (row,) = (await books.get("/purchaseorders", vendor_name_contains="ace"))["purchaseorders"]
    assert (row["vendor_id"], row["total"], row["delivery_date"]) == (order["vendor_id"], 16.5, "2026-11-20")
    assert "customer_id" not in row and "customer_id" not in order
    assert (await books.refused("DELETE", f"/contacts/{order['vendor_id']}"))[:2] == (400, 1004)
    buyer = {"vendor_id": await customer(books, "Kita"), "line_items": [line(1)]}
    assert (await books.refused("POST", "/purchaseorders", buyer))[:2] == (400, 6)


async def test_a_purchase_order_is_opened_billed_or_cancelled(books: Books) -> None:
    order = await bought(books)
    path = f"/purchaseorders/{order['purchaseorder_id']}"
    assert (await books.refused("POST", f"{path}/status/billed"))[:2] == (400, 4)
    answer = await books.call("POST", f"{path}/status/open")
    assert (answer.status_code, answer.json()["message"]) == (201, "The purchase order has been marked as open.")
    message = (await books.done("POST", f"{path}/status/billed"))["message"]
    assert message == "The purchase order has been marked as billed."
    assert (await books.refused("POST", f"{path}/status/cancelled"))[:2] == (400, 4)
    billed = (await books.get("/purchaseorders", status="billed"))["purchaseorders"]
    assert [row["purchaseorder_id"] for row in billed] == [order["purchaseorder_id"]]


async def test_a_purchase_order_is_printed_and_e_mailed_to_its_vendor(books: Books) -> None:
    order = await bought(books)
    path = f"/purchaseorders/{order['purchaseorder_id']}"
    answer = await books.call("GET", path, params={"accept": "pdf"})
    assert answer.headers["content-type"] == "application/pdf"
    assert (await books.refused("GET", "/purchaseorders/pdf"))[:2] == (404, 1002)
    data = (await books.get(f"{path}/email"))["data"]
    assert (data["vendor_name"], data["file_name"]) == ("Ace Paper", "PO-00001.pdf")
    to = {"to_mail_ids": ["ace@paper.example"]}
    assert (await books.refused("POST", f"{path}/email", to))[:2] == (400, 2)
    sent = await books.call("POST", f"{path}/email", {**to, "body": "B"})
    assert (sent.status_code, sent.json()["message"]) == (201, "Your purchase order has been sent.")
    assert (await books.get(path))["purchaseorder"]["status"] == "open"
    assert [mail["to"] for mail in books.world.books.mails()] == [["ace@paper.example"]]


@pytest.mark.parametrize("path", ["/salesorders", "/salesorders/1/email", "/salesorder/1/customfields", "/salesorders/templates"])
async def test_a_module_that_is_switched_off_says_so_on_every_path(books: Books, path: str) -> None:
    books.world.books.main.switched_off = {"salesorders"}
    assert (await books.refused("GET", path))[:2] == (400, 110001)
    assert (await books.get("/estimates"))["estimates"] == []


@pytest.mark.parametrize("path", ["/purchaseorders", "/salesorders/1", "/salesorder/1/customfields", "/invoices/fromsalesorder"])
async def test_zoho_invoice_has_neither_sales_orders_nor_purchase_orders(books: Books, path: str) -> None:
    books.base = "/invoice/v3"
    method = "POST" if "from" in path else "GET"
    assert (await books.refused(method, path))[:2] == (404, 5)


async def test_zoho_invoice_makes_estimates_invoices_payments_and_credit_notes(books: Books) -> None:
    books.base = "/invoice/v3"
    id = await customer(books)
    body = {"customer_id": id, "line_items": [line(1000)]}
    estimate = (await books.done("POST", "/estimates", body))["estimate"]
    invoice = (await books.done("POST", "/invoices", {**body, "invoiced_estimate_id": estimate["estimate_id"]}))["invoice"]
    path = f"/invoices/{invoice['invoice_id']}"
    await books.done("POST", f"{path}/status/sent")
    await books.done("POST", "/creditnotes", {"customer_id": id, "line_items": [line(100)]}, params={"invoice_id": path[10:]})
    assert (await books.get(path))["invoice"]["balance"] == 990
    assert (await books.call("GET", path, params={"accept": "pdf"})).content.startswith(b"%PDF")
