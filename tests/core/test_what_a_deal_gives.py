"""What a deal gives its estimate or invoice: the very lines, adding up to the deal's amount, or words that say what is wrong."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from renkei.core.deal_lines import (
    Billed,
    BillingSpec,
    DatesSpec,
    DealKnown,
    DealsSpec,
    Document,
    Given,
    LinesSpec,
    Part,
    Reads,
    TaxRounding,
    document_of,
    documents_of,
    fitting,
    lacking,
    modules,
    product_ids,
    reads,
)
from renkei.core.records import Currency, Row, User
from renkei.sandbox.books import totals

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


def lines_of(**changes: Any) -> DealsSpec:
    return dataclasses.replace(SPEC, lines=dataclasses.replace(LINES, **changes))


def said(*rows: Row, **asked: Any) -> str:
    found = given(*rows, **asked)
    assert found.stop is not None and found.stop.reason == "invalid", found
    return found.stop.en


# ------------------------------------------------------------------------------------------------------------- the lines


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
    assert document(line("", None, None), line("", 1, 0.0, Discount=0.0)).body == made.body  # rows that nobody filled in


@pytest.mark.parametrize(
    ("word", "tax"), [("8%", {"tax_id": "8"}), ("軽減", {"tax_id": "8"}), ("none", {}), ("default", {"tax_id": "10"})]
)
def test_a_line_with_neither_tax_nor_product_takes_the_tax_that_the_mapping_says(word: str, tax: Row) -> None:
    (only,) = document(spec=lines_of(tax_else=word)).body["line_items"]
    assert only == {"name": "Kita renewal", "rate": 315, "quantity": 1, "item_order": 1, **tax}


def test_without_a_default_tax_in_books_a_free_line_is_not_taxed() -> None:
    known = dataclasses.replace(KNOWN, taxes=[{**one, "is_default_tax": False} for one in TAXES])
    assert "tax_id" not in document(known=known).body["line_items"][0]


def test_lines_that_do_not_add_up_are_held_and_both_sums_are_told() -> None:
    found = given(line(tax=TEN), Amount=347)
    assert found.stop is not None and (found.stop.outcome, found.stop.reason) == ("held", "lines_differ")
    assert found.stop.en == "the lines add up to 315 JPY before tax (347 with tax), the deal's amount is 347: 32 too little"
    assert found.stop.ja == "明細の合計は 315 JPY(税抜、税込では 347)、商談の金額は 347 です(差額 -32)"


def test_one_yen_too_much_is_held_and_so_is_a_deal_with_lines_and_no_amount() -> None:
    assert stop(line(), Amount=314) == stop(line(), Amount=None) == ("held", "lines_differ")
    assert "1 too much" in given(line(), Amount=314).stops[0].en
    assert "the deal has no amount" in given(line(), Amount=None).stops[0].en


def test_an_unlinked_product_waits_as_the_customer_does_and_is_named() -> None:
    assert stop(line("4")) == ("blocked", "product_not_linked")
    assert "crm:Products:4 (x)" in given(line("4")).stops[0].en


def test_without_quantity_and_price_it_is_one_at_the_products_price() -> None:
    assert document(line(quantity=None, price=None), Amount=105).body["line_items"][0]["quantity"] == 1
    assert document(line(quantity=2, price=None), Amount=210).body["line_items"][0]["rate"] == 105


def test_related_products_are_lines_of_one_each_at_the_price_that_the_crm_says() -> None:
    spec = dataclasses.replace(SPEC, lines=LinesSpec(related="Products", fields=(("price", "Unit_Price"),)))
    made = document({"id": "1", "Unit_Price": 110}, {"id": "2", "Unit_Price": None}, spec=spec, Amount=215)
    assert [(one["item_id"], one["quantity"], one["rate"]) for one in made.body["line_items"]] == [("27", 1, 110), ("28", 1, 105)]


@pytest.mark.parametrize(
    ("raw", "mode", "off", "amount"),
    [
        (15, "amount", 15, 300), ("15", "amount", 15, 300), (10, "percent", "10%", 284), ("10%", "amount", "10%", 284),
        ("12.5 %", "percent", "12.5%", 276), (100, "percent", "100%", 0), (0, "percent", None, 315), ("0%", "amount", None, 315),
        (None, "amount", None, 315), (0.0, "amount", None, 315),
    ],
)  # fmt: skip
def test_a_discount_is_an_amount_of_the_line_or_a_percentage(raw: Any, mode: str, off: Any, amount: int) -> None:
    made = document(line(Discount=raw), spec=lines_of(discounts=mode), Amount=amount)
    assert made.body["line_items"][0].get("discount") == off and made.net == amount


# ------------------------------------------------------------------------------------------------------------------ taxes


def test_three_at_105_and_10_percent_are_taxed_once_for_the_rate() -> None:
    each = [line(quantity=1, tax=TEN) for _ in range(3)]
    assert document(*each).tax == document(line()).tax == 32
    down = dataclasses.replace(KNOWN, rounding=TaxRounding(way=ROUND_DOWN))
    assert document(*each, known=down).tax == 31  # 30 would be rounded per line
    assert document(*each, known=dataclasses.replace(KNOWN, rounding=TaxRounding(True, ROUND_DOWN))).tax == 30


def test_prices_that_hold_the_tax_add_up_to_an_amount_that_holds_it() -> None:
    made = document(line(tax=TEN), line("2", 1, 108, EIGHT), spec=lines_of(inclusive_tax=True), Amount=423)
    assert (made.body["is_inclusive_tax"], made.net, made.tax, made.total) == (True, 423, 29 + 8, 423)
    assert "the lines add up to 315 JPY with tax" in given(line(), spec=lines_of(inclusive_tax=True), Amount=347).stops[0].en
    assert document(spec=dataclasses.replace(SPEC, lines=LinesSpec(inclusive_tax=True))).total == 315


@pytest.mark.parametrize(
    ("raw", "tax"),
    [
        ([EIGHT], "8"), ([{"name": "Sales Tax", "percentage": 8.0}], "8"), ("軽減", "8"), ("8%", "8"), (8, "8"), ("10", "10"),
        ("食品", "8"), (["軽減"], "8"), (None, "10"), ([], "10"), ("", "10"), ([TEN, EIGHT], "8"),
    ],
)  # fmt: skip
def test_a_tax_is_found_by_name_percentage_or_what_the_mapping_says_and_else_it_is_the_products(raw: Any, tax: str) -> None:
    spec = lines_of(taxes=(("食品", "8%"), ("消費税 + 軽減", "軽減")))
    assert document(line(Line_Tax=raw), spec=spec).body["line_items"][0]["tax_id"] == tax


@pytest.mark.parametrize("raw", [[{"name": "Zero", "percentage": 0}], 0, "0%", "非課税"])
def test_no_tax_is_said_to_books_which_would_take_the_products(raw: Any) -> None:
    made = document(line(Line_Tax=raw), spec=lines_of(taxes=(("非課税", "none"),)))
    assert made.body["line_items"][0]["tax_id"] == "" and made.tax == 0


def test_a_tax_of_zero_percent_in_books_is_used_where_there_is_one() -> None:
    known = dataclasses.replace(KNOWN, taxes=[*TAXES, {"tax_id": "0", "tax_name": "輸出免税", "tax_percentage": 0}])
    assert document(line(Line_Tax=[{"name": "Zero", "percentage": 0}]), known=known).body["line_items"][0]["tax_id"] == "0"


def test_a_tax_that_books_lacks_or_that_two_share_is_named_with_its_line_before_any_call() -> None:
    assert said(line(Line_Tax="課税X")) == "line 1 (Toner) tax: 課税X is not there"
    twice = dataclasses.replace(KNOWN, taxes=[*TAXES, {"tax_id": "11", "tax_name": "輸入", "tax_percentage": 10}])
    assert said(line(Line_Tax=10), known=twice) == "line 1 (Toner) tax: 10% is not there"
    assert said(spec=lines_of(tax_else="9%")) == "tax: 9% is not there"


# ------------------------------------------------------------------------------------------------- what stands against it


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (line(price=-1), "line 1 (Toner) price: -1 is below 0"),
        (line(quantity=0), "line 1 (Toner) quantity: 0 is not above 0"),
        (line(quantity="drei"), "line 1 (Toner) quantity: drei is no number"),
        (line(price=0.5), "line 1 (Toner) price: 0.5 has more digits than the currency"),
        (line(Discount=400), "line 1 (Toner) discount: 400 is more than the line"),
        (line(Discount=-5), "line 1 (Toner) discount: -5 is neither an amount nor a percentage up to 100%"),
        (line("3"), "line 1 (Toner) item: crm:Products:3 is inactive"),
        (line("", price=None, Description="Travel"), "line 1 (Travel) price: a line without an item needs a price"),
        (line(""), "line 1: neither an item nor a name"),
        (line(Description="x" * 2001), "line 1 (Toner) description: more than 2000 letters"),
    ],
)
def test_what_makes_no_sound_line_is_told_with_its_line(row: Row, words: str) -> None:
    assert said(row) == words


def test_all_faults_are_told_at_once_in_both_languages() -> None:
    found = given(line(price=-1), line("2", 0), Deal_Name="x" * 101)
    assert found.stop is not None
    assert found.stop.en.split("; ") == [
        "line 1 (Toner) price: -1 is below 0", "line 2 (Tea) quantity: 0 is not above 0",
        "reference (Deal_Name): more than 100 letters",
    ]  # fmt: skip
    assert found.stop.ja.count("、") == 2 and str(found.stop).startswith(found.stop.en)


@pytest.mark.parametrize("amount", [None, 0, ""])
def test_a_deal_with_neither_lines_nor_an_amount_waits(amount: Any) -> None:
    assert stop(Amount=amount) == ("blocked", "no_amount")


def test_an_amount_that_is_none_is_quarantined_with_or_without_lines() -> None:
    assert said(Amount="many") == said(line(), Amount="many") == "amount (Amount): many is no number"
    assert said(Amount=-5) == "amount (Amount): -5 is below 0"
    assert said(Amount=99.5) == "amount (Amount): 99.5 has more digits than the currency"


def test_currencies_are_never_converted() -> None:
    assert stop(Currency="EUR") == ("quarantined", "currency_unknown")
    assert stop(Currency="USD") == ("quarantined", "currency_differs")
    dollars = document_of(SPEC, "invoices", {**DEAL, "Currency": "USD", "Amount": 3.15}, [], None, KNOWN, TODAY)
    assert (
        dollars.document is not None and dollars.document.body["currency_id"] == "c2" and dollars.document.tax == Decimal("0.32")
    )
    assert "customer_id" not in dollars.document.body


def test_a_deal_without_a_currency_is_in_the_home_currency() -> None:
    assert document(Currency=None).currency == "JPY"


def test_the_owner_is_the_salesperson_and_somebody_unknown_is_never_left_blank() -> None:
    named = dataclasses.replace(SPEC, salespersons=(("mei@example.jp", "佐藤"),))
    assert document(spec=named).body["salesperson_name"] == "佐藤"
    assert stop(Owner={"id": "8"}) == ("quarantined", "unknown_owner")
    text = dataclasses.replace(SPEC, fields=(*SPEC.fields[:3], ("salesperson", "Rep")))
    assert document(spec=text, Rep="Ken").body["salesperson_name"] == "Ken"


def test_quarantined_counts_before_blocked_and_held() -> None:
    assert stop(line("4"), Owner={"id": "8"}) == ("quarantined", "unknown_owner")


# ------------------------------------------------------------------------------------------------ dates, numbers, edits


def with_(*fields: tuple[str, str], **changes: Any) -> DealsSpec:
    return dataclasses.replace(SPEC, fields=(*SPEC.fields, *fields), **changes)


def test_dates_come_from_the_day_the_deal_or_the_customers_terms() -> None:
    spec = with_(invoices=DatesSpec("Closing_Date", "Pay_By"), estimates=DatesSpec(due="Pay_By"))
    days = {"Closing_Date": "2026-11-20", "Pay_By": "2026-12-20"}
    invoice, estimate = document(spec=spec, **days).body, document(spec=spec, kind="estimates", **days).body
    assert (invoice["date"], invoice["due_date"]) == ("2026-11-20", "2026-12-20") and "payment_terms" not in invoice
    assert (estimate["date"], estimate["expiry_date"]) == ("2026-11-25", "2026-12-20")
    assert "expiry_date" not in document(kind="estimates").body and "payment_terms" not in document(kind="estimates").body


def test_a_date_that_is_missing_or_out_of_order_is_quarantined() -> None:
    spec = with_(invoices=DatesSpec("Closing_Date", "Pay_By"))
    assert said(spec=spec, Closing_Date=None).startswith('date (Closing_Date): "" is no day')
    assert said(spec=spec, Closing_Date="2026-11-20", Pay_By="2026-11-19") == "due (Pay_By): 2026-11-19 is before the date"


def test_an_edit_leaves_customer_number_and_the_day_of_making_as_they_are() -> None:
    spec = with_(("number", "No"), ("notes", "Remarks"))
    made = document(spec=spec, No="INV-7", Remarks=None)
    assert made.own_number and made.body["invoice_number"] == "INV-7" and made.body["notes"] == ""
    assert set(made.body) - set(made.edit) == {
        "customer_id", "currency_id", "zcrm_potential_id", "invoice_number", "date", "payment_terms", "payment_terms_label",
    }  # fmt: skip
    dated = document(spec=with_(invoices=DatesSpec("Closing_Date", "Pay_By")), Closing_Date="2026-11-20", Pay_By=None)
    assert (dated.edit["date"], dated.edit["due_date"]) == ("2026-11-20", "")
    assert not document().own_number


def test_a_rate_of_the_deal_goes_with_it_and_none_is_left_to_books() -> None:
    spec = with_(("exchange_rate", "Rate"))
    assert document(spec=spec, Rate="149.5").body["exchange_rate"] == 149.5
    assert "exchange_rate" not in document(spec=spec, Rate=None).body
    assert said(spec=spec, Rate=0) == "exchange_rate (Rate): 0 is not above 0"


# --------------------------------------------------------------------------------------------------------------- digests


def digests(*rows: Row, **asked: Any) -> tuple[str, str]:
    found = given(*rows, **asked)
    return found.figures, found.words


def test_what_books_adds_or_changes_is_no_change_of_the_deal() -> None:
    rows = [line(), line("2", price=None)]
    before = digests(*rows, Amount=420)
    dearer = dataclasses.replace(KNOWN, items={**KNOWN.items, "2": {**KNOWN.items["2"], "rate": 999}})  # type: ignore[dict-item]
    assert digests(*rows, Amount=420, known=dearer) == digests(*rows, Amount="420.0") == before
    moved = document_of(
        SPEC, "invoices", {**DEAL, "Amount": 420}, rows, {**CUSTOMER, "payment_terms": 60}, KNOWN, date(2027, 1, 1)
    )
    assert (moved.figures, moved.words) == before


@pytest.mark.parametrize(
    ("rows", "deal"),
    [([line(quantity=2)], {}), ([line("2")], {}), ([line(Discount=5)], {}), ([line(tax=EIGHT)], {}), ([], {}),
     ([line()], {"Amount": 9})],
)  # fmt: skip
def test_other_lines_or_another_amount_are_other_figures_though_nothing_can_be_made_of_them(rows: list[Row], deal: Row) -> None:
    assert digests(*rows, **deal)[0] != digests(line())[0]


def test_texts_alone_are_other_words_and_the_same_figures() -> None:
    before = digests(line())
    known = dataclasses.replace(KNOWN, owners={"8": User("8", "Ken", "ken@example.jp", True)})
    for after in (
        digests(line(Description="neu")), digests(line(), Deal_Name="Other"), digests(line(), Owner={"id": "8"}, known=known),
    ):  # fmt: skip
        assert after[0] == before[0] and after[1] != before[1]


# --------------------------------------------------------------------------------------------------------- staged billing

STAGED = with_(billing=BillingSpec("Plan", (("date", "On"), ("percentage", "Share"), ("description", "Label"))))
BY_AMOUNT = with_(billing=BillingSpec("Plan", (("date", "On"), ("amount", "Yen"))))


def stage(id: str, on: str | None, share: Any, label: str = "") -> Row:
    return {"id": id, "On": on, "Share": share, "Yen": share, "Label": label or None}


def parts(
    plan: list[Row],
    *rows: Row,
    spec: DealsSpec = STAGED,
    billed: dict[str, Billed] | None = None,
    today: date = TODAY,
    **deal: Any,
) -> list[Part]:
    return list(documents_of(spec, "invoices", {**DEAL, **deal}, rows, plan, CUSTOMER, KNOWN, today, billed))


def nets(found: list[Part]) -> list[Decimal | None]:
    return [one.given.document and one.given.document.net for one in found]


PLAN = [stage("b", "2026-12-01", 33), stage("a", "2026-11-25", 33, "着手金"), stage("c", None, "34%")]


def test_each_row_of_the_plan_is_an_invoice_from_its_day_on_and_the_last_takes_the_rest() -> None:
    found = parts(PLAN, Amount=100_001)
    assert [(one.row, one.state) for one in found] == [("a", "due"), ("b", "later"), ("c", "later")]
    assert nets(found) == [33_000, 33_000, 34_001]
    assert [one.state for one in parts(PLAN, today=date(2026, 12, 1))] == ["due", "due", "later"]
    assert parts(PLAN, billed={"a": Billed(Decimal(103), False)})[0].state == "billed"


def test_items_and_taxes_stay_what_they_are_in_each_part() -> None:
    found = parts(PLAN, line(tax=TEN, Description="黒"), line("2", 10, 70, EIGHT), Amount=1015)
    bodies = [one.given.document.body["line_items"] for one in found if one.given.document]
    assert bodies[0][0] == {
        "item_id": "27", "name": "Toner", "description": "着手金\n黒", "rate": 104, "quantity": 1, "tax_id": "10",
        "item_order": 1,
    }  # fmt: skip
    for n, whole in ((0, 315), (1, 700)):
        assert sum(one[n]["rate"] for one in bodies) == whole


def test_a_plan_of_one_row_for_all_has_the_lines_as_they_are() -> None:
    (only,) = parts([stage("a", "2026-11-25", 100)], line())
    assert only.given.document is not None and only.given.document.body["line_items"][0]["quantity"] == 3


def test_a_deal_without_a_plan_and_an_estimate_have_one_document() -> None:
    assert [(one.row, one.state) for one in parts([], line())] == [("", "due")]
    (one,) = documents_of(STAGED, "estimates", DEAL, [line()], PLAN, CUSTOMER, KNOWN, TODAY)
    assert one == Part("", "due", given(line(), spec=STAGED, kind="estimates"))


@pytest.mark.parametrize(
    ("plan", "billed"),
    [
        ([stage("a", "2026-11-25", 60), stage("b", "2026-12-01", 60)], {}),
        ([stage("b", "2026-11-25", 60)], {"a": Billed(Decimal(189), False)}),  # its row is gone
        ([stage("b", "2026-11-25", 60)], {"a": Billed(Decimal(189), True)}),  # it is gone, and the invoice still a draft
        ([stage("a", "2026-11-25", 40), stage("b", "2026-11-25", 60)], {"a": Billed(Decimal(189), False)}),
        ([stage("a", "2026-11-25", 50)], {"": Billed(Decimal(315), False)}),  # invoiced at once, before there was a plan
        ([], {"a": Billed(Decimal(100), True)}),  # the plan was taken back
    ],
)
def test_invoices_that_together_exceed_the_deal_are_held(plan: list[Row], billed: dict[str, Billed]) -> None:
    open_parts = [one for one in parts(plan, line(), billed=billed) if one.row not in billed]
    assert open_parts
    for one in open_parts:
        assert one.given.stop is not None and (one.given.stop.outcome, one.given.stop.reason) == ("held", "billing_exceeds")
        assert "the deal's amount is 315" in one.given.stop.en and "315" in one.given.stop.ja


def test_a_draft_of_ours_follows_a_changed_plan_and_what_has_gone_out_counts_as_it_is() -> None:
    plan = [stage("a", "2026-11-25", 40), stage("b", "2026-11-25", 60)]
    assert nets(parts(plan, line(), billed={"a": Billed(Decimal(189), True)})) == [126, 189]
    less = parts(plan, line(), billed={"a": Billed(Decimal(100), False)})
    assert nets(less)[1] == 189 and less[0].given.stop is None


def test_one_yen_above_the_deal_is_above_it() -> None:
    found = parts([stage("a", "2026-11-25", 158), stage("b", "2026-12-01", 158)], line(), spec=BY_AMOUNT)
    assert {one.given.stop.reason for one in found if one.given.stop} == {"billing_exceeds"}


def test_a_plan_by_amounts_may_leave_something_for_later() -> None:
    found = parts([stage("a", "2026-11-25", 100), stage("b", "2026-12-01", 200)], line(), spec=BY_AMOUNT)
    assert nets(found) == [100, 200]


@pytest.mark.parametrize(
    ("spec", "row", "words"),
    [
        (STAGED, stage("a", "soon", 50), "billing 1 date: soon is no day"),
        (STAGED, stage("a", None, None), 'billing 1: "" is no number'),
        (STAGED, stage("a", None, 0), "billing 1: 0 is not above 0"),
        (BY_AMOUNT, stage("a", None, 0.5), "billing 1: 0.5 has more digits"),
        (STAGED, stage("a", None, 0.1, "早割"), "billing 早割: 0 is not above 0"),
        (STAGED, stage("a", None, 50, "x" * 2001), "billing xxx"),
    ],
)  # fmt: skip
def test_a_row_of_the_plan_that_says_nothing_sound_is_quarantined(spec: DealsSpec, row: Row, words: str) -> None:
    stops = [one.given.stop for one in parts([row, stage("z", None, 20)], line(), spec=spec)]
    assert stops[0] is not None and (stops[0].outcome, stops[0].reason) == ("quarantined", "invalid")
    assert stops[0].en.startswith(words)


def test_a_deal_that_cannot_be_invoiced_has_no_part_that_can() -> None:
    assert {one.given.stop.reason for one in parts(PLAN, line(), Amount=9) if one.given.stop} == {"lines_differ"}


def test_a_part_has_other_figures_where_its_own_amount_moves_and_only_there() -> None:
    before = [one.given.figures for one in parts(PLAN, line())]
    assert [one.given.figures for one in parts(PLAN, line(), today=date(2027, 1, 1))] == before
    later = [one.given.figures for one in parts([PLAN[0], PLAN[1], stage("c", None, 30)], line())]
    assert [a == b for a, b in zip(before, later, strict=True)] == [True, True, False]
    assert len(set(before)) == 3


def test_parts_are_dated_by_their_own_day_where_invoices_have_a_day_of_the_deal() -> None:
    spec = dataclasses.replace(STAGED, invoices=DatesSpec("Closing_Date", "terms"))
    found = parts(PLAN, line(), spec=spec, Closing_Date="2026-11-01")
    assert [one.given.document.body["date"] for one in found[:2] if one.given.document] == ["2026-11-25", "2026-12-01"]


# ------------------------------------------------------------------------------------------------------------ properties

amounts = st.integers(0, 10**7)
rates = st.sampled_from(["10", "8", ""])
drawn_lines = st.lists(
    st.tuples(st.integers(1, 400), amounts, st.sampled_from(["", "0", "3", "7%", "12.5%", "100%"]), rates), min_size=1, max_size=6
)


@st.composite
def deals(draw: st.DrawFn) -> tuple[list[Row], int, Decimal, str]:
    """Lines of a deal whose amount is their sum, the places of its currency, and that amount."""
    places = draw(st.sampled_from([0, 2]))
    rows, total, unit = [], Decimal(0), Decimal(1).scaleb(-places)
    for quantity, minor, discount, tax in draw(drawn_lines):
        price = Decimal(minor).scaleb(-places)
        gross = price * quantity / 4
        off = gross * Decimal(discount[:-1]) / 100 if discount.endswith("%") else Decimal(discount or 0)
        if off > gross:
            discount, off = "", Decimal(0)
        total += (gross - off).quantize(unit, ROUND_HALF_UP)
        rows.append(line("", quantity / 4, float(price), Description="x", Discount=discount, Line_Tax=f"{tax or 0}%"))
    return rows, places, total, "JPY" if places == 0 else "USD"


@settings(max_examples=60)
@drawn(deals(), st.booleans())
def test_sums_are_those_that_books_reckons_to_the_minor_unit(deal: tuple[list[Row], int, Decimal, str], inclusive: bool) -> None:
    rows, places, total, code = deal
    raw = {**DEAL, "Amount": float(total), "Currency": code}
    found = document_of(lines_of(inclusive_tax=inclusive), "invoices", raw, rows, None, KNOWN, TODAY)
    assert found.document is not None, found.stops
    books = dict(found.document.body)
    known = {"": 0, **{one["tax_id"]: one["tax_percentage"] for one in TAXES}}
    books["line_items"] = [
        {"tax_id": "", "tax_name": "t", **one, "tax_percentage": known[one.get("tax_id", "")]} for one in books["line_items"]
    ]
    totals.add_up(books, places, totals.TaxRounding())
    ours = found.document
    assert (Decimal(str(books["sub_total"])), Decimal(str(books["tax_total"])), Decimal(str(books["total"]))) == (
        ours.net, ours.tax, ours.total,
    )  # fmt: skip
    assert ours.net == total
    held = document_of(SPEC, "invoices", {**raw, "Amount": float(total + Decimal(1).scaleb(-places))}, rows, None, KNOWN, TODAY)
    assert held.stop is not None and held.stop.reason == "lines_differ"


@settings(max_examples=60)
@drawn(deals(), st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_parts_never_exceed_the_deal_and_all_of_it_is_billed_in_the_end(
    deal: tuple[list[Row], int, Decimal, str], shares: list[int]
) -> None:
    rows, places, total, code = deal
    if sum(shares) > 100 or total < 100:
        return
    plan = [stage(str(n), f"2026-12-{n + 1:02}", share) for n, share in enumerate([*shares, 100 - sum(shares)]) if share]
    raw = {**DEAL, "Amount": float(total), "Currency": code}
    found = documents_of(STAGED, "invoices", raw, rows, plan, None, KNOWN, TODAY)
    made = [one.given.document for one in found if one.given.document]
    assert len(made) == len(plan) and sum(one.net for one in made) == total
    whole = document_of(STAGED, "invoices", raw, rows, None, KNOWN, TODAY).document
    assert whole is not None
    for tax in {one.tax for one in whole.form.lines}:
        before = sum(one.amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) for one in whole.form.lines if one.tax == tax)
        assert sum(one.amount for part in made for one in part.form.lines if one.tax == tax) == before
    assert all(one.amount > 0 for part in made for one in part.form.lines)


# --------------------------------------------------------------------------------------------------- what the CRM must have


def test_what_has_to_be_read_follows_from_the_mapping() -> None:
    rows = ("Product_Name", "Description", "Quantity", "List_Price", "Discount", "Line_Tax")
    assert reads(SPEC, "invoices") == Reads(
        ("Amount", "Currency", "Deal_Name", "Owner"), ("Deal_Lines",), rows=tuple(("Deal_Lines", one) for one in rows)
    )
    related = dataclasses.replace(SPEC, lines=LinesSpec(related="Products", fields=(("price", "Unit_Price"),)))
    assert reads(related, "estimates") == Reads(("Amount", "Currency", "Deal_Name", "Owner"), (), "Products", ("Unit_Price",))
    assert product_ids(SPEC, [line(), line("2"), line(""), line()]) == ["1", "2"]
    assert product_ids(related, [{"id": "1", "Unit_Price": 5}]) == ["1"]
    dated = dataclasses.replace(STAGED, invoices=DatesSpec("Closing_Date", "terms"), estimates=DatesSpec(due="Ends"))
    assert reads(dated, "invoices").deal == ("Amount", "Closing_Date", "Currency", "Deal_Name", "Owner")
    assert reads(dated, "invoices").subforms == ("Deal_Lines", "Plan") and reads(dated, "estimates").subforms == ("Deal_Lines",)
    assert "Ends" in reads(dated, "estimates").deal and modules(dated, "invoices") == ["Deals", "Deal_Lines", "Plan"]


THERE = {
    "Deals": {
        "Deal_Name": "text", "Amount": "currency", "Currency": "picklist", "Owner": "ownerlookup", "Deal_Lines": "subform",
        "Plan": "subform", "Closing_Date": "date",
    },
    "Deal_Lines": {
        "Product_Name": "lookup", "Description": "textarea", "Quantity": "double", "List_Price": "currency",
        "Discount": "currency", "Line_Tax": "line_tax",
    },
    "Plan": {"On": "date", "Share": "percent", "Label": "text"},
}  # fmt: skip


def test_a_crm_with_one_currency_and_no_subform_still_gives_documents() -> None:
    spec = fitting(lines_of(optional=True), {"Deal_Name", "Amount", "Owner"})
    assert reads(spec, "invoices") == Reads(("Amount", "Deal_Name", "Owner")) and document(spec=spec, Currency=None).net == 315
    assert fitting(SPEC, THERE["Deals"]) == SPEC
    assert fitting(SPEC, {"Deal_Name"}).lines == LINES  # it is not optional


def test_what_the_crm_lacks_or_has_as_another_type_is_named() -> None:
    spec = dataclasses.replace(STAGED, invoices=DatesSpec("Closing_Date", "terms"))
    assert lacking(spec, "invoices", THERE) == []
    worse = {
        "Deals": {**THERE["Deals"], "Amount": "boolean", "Closing_Date": "datetime", "Plan": "text", "Owner": "text"},
        "Deal_Lines": {**THERE["Deal_Lines"], "Product_Name": "text"},
    }  # fmt: skip
    del worse["Deal_Lines"]["Quantity"]
    assert lacking(spec, "invoices", worse) == [
        ("Deals", "Amount", "is boolean, which cannot be amount"), ("Deals", "Owner", "is text, which cannot be salesperson"),
        ("Deals", "Closing_Date", "is datetime, which cannot be invoices.date"),
        ("Deal_Lines", "Product_Name", "is text, which cannot be item"), ("Deal_Lines", "Quantity", "is not there"),
        ("Deals", "Plan", "is text, which cannot be a subform"),
    ]  # fmt: skip
    assert lacking(SPEC, "estimates", {"Deals": {}})[-1] == ("Deals", "Deal_Lines", "is not there")
