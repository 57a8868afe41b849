"""What a deal gives its estimate or invoice: the very lines, adding up to the deal's amount, or words that say what is wrong."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any

from renkei.core.deal_lines import (
    DealKnown,
    DealsSpec,
    Document,
    Given,
    LinesSpec,
    Reads,
    document_of,
    product_ids,
    reads,
)
from renkei.core.records import Currency, Row, User

LINES = LinesSpec(
    "Deal_Lines",
    fields=(
        ("item", "Product_Name.id"), ("description", "Description"), ("quantity", "Quantity"), ("price", "List_Price"),
        ("discount", "Discount"), ("tax", "Line_Tax"),
    ),
)  # fmt: skip
SPEC = DealsSpec(
    LINES,
    (
        ("name", "Deal_Name"), ("amount", "Amount"), ("currency", "Currency"), ("salesperson", "Owner.id"),
        ("reference", "Deal_Name"),
    ),
)  # fmt: skip
TEN, EIGHT = {"name": "消費税", "percentage": 10}, {"name": "軽減", "percentage": 8}
TAXES = [
    {"tax_id": "10", "tax_name": "消費税", "tax_percentage": 10, "is_default_tax": True},
    {"tax_id": "8", "tax_name": "軽減", "tax_percentage": 8},
]
TONER = {"item_id": "27", "name": "Toner", "rate": 105, "tax_id": "10", "status": "active"}
KNOWN = DealKnown(
    {"1": TONER, "2": {**TONER, "item_id": "28", "name": "Tea", "tax_id": "8"}, "3": {**TONER, "status": "inactive"}},
    TAXES, {"JPY": Currency("JPY", 0, "c1"), "USD": Currency("USD", 2, "c2")}, "JPY",
    {"9": User("9", "Mei Sato", "mei@example.jp", True)},
)  # fmt: skip
CUSTOMER = {"contact_id": "5", "currency_code": "JPY", "payment_terms": 30, "payment_terms_label": "Net 30"}
DEAL = {"id": "77", "Deal_Name": "Kita renewal", "Amount": 315, "Currency": "JPY", "Owner": {"id": "9"}}
TODAY = date(2026, 11, 25)


def line(product: str = "1", quantity: Any = 3, price: Any = 105, tax: Row | None = None, **more: Any) -> Row:
    return {
        "Product_Name": {"id": product, "name": "x"} if product else None, "Quantity": quantity, "List_Price": price,
        "Line_Tax": [tax] if tax else [], "Discount": 0, "Description": None, **more,
    }  # fmt: skip


def given(*rows: Row, spec: DealsSpec = SPEC, kind: Any = "invoices", known: DealKnown = KNOWN, **deal: Any) -> Given:
    return document_of(spec, kind, {**DEAL, **deal}, rows, CUSTOMER, known, TODAY)


def document(*rows: Row, **asked: Any) -> Document:
    found = given(*rows, **asked)
    assert found.document is not None, found.stops
    return found.document


def stop(*rows: Row, **asked: Any) -> tuple[str, str]:
    found = given(*rows, **asked)
    assert found.document is None and found.stop is not None
    assert found.stop.en and not found.stop.ja.isascii()
    return found.stop.outcome, found.stop.reason


def test_a_deal_with_lines_gives_books_the_very_lines() -> None:
    made = document(line(tax=TEN), line("2", 2, 1280, EIGHT, Discount=60, Description="煎茶"), Amount=2815)
    assert made.body == {
        "date": "2026-11-25", "discount_type": "item_level", "is_discount_before_tax": True, "is_inclusive_tax": False,
        "line_items": [
            {"item_id": "27", "name": "Toner", "rate": 105, "quantity": 3, "tax_id": "10", "item_order": 1},
            {
                "item_id": "28", "name": "Tea", "description": "煎茶", "rate": 1280, "quantity": 2, "tax_id": "8", "discount": 60,
                "item_order": 2,
            },
        ],
        "reference_number": "Kita renewal", "salesperson_name": "Mei Sato", "customer_id": "5", "currency_id": "c1",
        "payment_terms": 30, "payment_terms_label": "Net 30", "zcrm_potential_id": "77",
    }  # fmt: skip
    assert (made.net, made.tax, made.total) == (2815, 32 + 200, 2815 + 232)


def test_a_deal_without_lines_gives_one_line_of_its_name_and_amount_at_the_default_tax() -> None:
    made = document()
    assert made.body["line_items"] == [{"name": "Kita renewal", "rate": 315, "quantity": 1, "tax_id": "10", "item_order": 1}]


def test_lines_that_do_not_add_up_are_held_and_both_sums_are_told() -> None:
    found = given(line(tax=TEN), Amount=347)
    assert found.stop is not None and (found.stop.outcome, found.stop.reason) == ("held", "lines_differ")
    assert found.stop.en == "the lines add up to 315 JPY before tax (347 with tax), the deal's amount is 347: 32 too little"
    assert found.stop.ja == "明細の合計は 315 JPY(税抜、税込では 347)、商談の金額は 347 です(差額 -32)"


def test_an_unlinked_product_waits_as_the_customer_does() -> None:
    assert stop(line("4")) == ("blocked", "product_not_linked")


def test_without_quantity_and_price_it_is_one_at_the_products_price() -> None:
    assert document(line(quantity=None, price=None), Amount=105).form.lines[0].quantity == Decimal(1)


def test_what_has_to_be_read_follows_from_the_mapping() -> None:
    assert reads(SPEC, "invoices") == Reads(("Amount", "Currency", "Deal_Name", "Owner"), ("Deal_Lines",))
    related = dataclasses.replace(SPEC, lines=LinesSpec(related="Products", fields=(("price", "Unit_Price"),)))
    assert reads(related, "estimates") == Reads(("Amount", "Currency", "Deal_Name", "Owner"), (), "Products", ("Unit_Price",))
    assert product_ids(SPEC, [line(), line("2"), line(""), line()]) == ["1", "2"]
    assert product_ids(related, [{"id": "1", "Unit_Price": 5}]) == ["1"]
