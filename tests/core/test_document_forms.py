"""The form of a document is checked whole, in two languages, and says Books exactly what was filled in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from renkei.core.document_forms import DUE, FAULTS, FIELDS, Fault, Form, Known, body_of, checked, edits, form_of, read_line

ITEM = {"item_id": "27", "name": "Advice", "rate": 90000, "tax_id": "10", "status": "active"}
TAXES = [{"tax_id": "10", "tax_name": "消費税", "tax_percentage": 10}, {"tax_id": "8", "tax_name": "軽減", "tax_percentage": 8}]
KNOWN = Known(
    0, {"crm:Products:1": ITEM, "crm:Products:2": None, "crm:Products:3": {**ITEM, "status": "inactive"}}, TAXES,
    {"51": "51", "crm:Contacts:9": "51"}, [{"template_id": "143", "template_name": "Spreadsheet"}],
)  # fmt: skip
GOOD: dict[str, Any] = {
    **dict.fromkeys(FIELDS, ""), "date": "2026-11-02", "due": "2026-11-30",
    "lines": [{"item": "crm:Products:1", "quantity": "3"}, {"name": "Travel", "price": "1,200", "discount": "10%", "tax": "8%"}],
}  # fmt: skip


def form(**asked: Any) -> Form:
    made, faults = checked({**GOOD, **asked}, KNOWN)
    assert made is not None, faults
    return made


def test_what_is_filled_in_is_what_books_is_told() -> None:
    made = form(person="crm:Contacts:9", template="Spreadsheet", reference="PO-7", salesperson="Sato")
    assert body_of("invoices", made) == {
        "date": "2026-11-02", "due_date": "2026-11-30", "discount_type": "item_level", "is_discount_before_tax": True,
        "line_items": [
            {"item_id": "27", "name": "Advice", "rate": 90000, "quantity": 3, "tax_id": "10", "item_order": 1},
            {"name": "Travel", "rate": 1200, "quantity": 1, "tax_id": "8", "discount": "10%", "item_order": 2},
        ],
        "contact_persons_associated": [{"contact_person_id": "51"}], "template_id": "143", "reference_number": "PO-7",
        "salesperson_name": "Sato",
    }  # fmt: skip
    assert [line.amount for line in made.lines] == [270000, 1080]


@pytest.mark.parametrize("kind", DUE)
def test_the_last_day_has_the_name_that_the_kind_has_in_books(kind: str) -> None:
    name = {"invoices": "due_date", "estimates": "expiry_date", "sales_orders": "shipment_date"}[kind]
    assert body_of(kind, form())[name] == "2026-11-30"


def line(**fields: str) -> dict[str, Any]:
    return {"lines": [{"name": "x", "price": "1", **fields}]}


@pytest.mark.parametrize(
    ("asked", "reason", "where"),
    [
        ({"date": ""}, "no_day", "date"), ({"date": "2026-02-30"}, "no_day", "date"), ({"due": "soon"}, "no_day", "due"),
        ({"due": "2026-11-01"}, "due_before_date", "due"), ({"lines": []}, "no_lines", "lines"),
        ({"lines": [{"price": "1"}]}, "no_item_or_name", "line 1"), ({"lines": [{"name": "x"}]}, "no_price", "line 1 price"),
        (line(quantity="two"), "no_number", "line 1 quantity"), (line(quantity="-1"), "not_positive", "line 1 quantity"),
        (line(price="-1"), "negative", "line 1 price"), (line(price="0.5"), "too_precise", "line 1 price"),
        (line(price="NaN"), "no_number", "line 1 price"), (line(discount="101%"), "no_discount", "line 1 discount"),
        (line(discount="2"), "discount_too_large", "line 1 discount"), (line(discount="0.5"), "too_precise", "line 1 discount"),
        (line(tax="5%"), "not_there", "line 1 tax"), ({"lines": [{"item": "crm:Products:2"}]}, "not_there", "line 1 item"),
        ({"lines": [{"item": "crm:Products:3"}]}, "inactive", "line 1 item"), ({"person": "52"}, "not_there", "person"),
        ({"template": "Fancy"}, "not_there", "template"), ({"reference": "x" * 101}, "too_long", "reference"),
        (line(name="x" * 201), "too_long", "line 1 name"), ({"colour": "red"}, "unknown_field", "colour"),
        (line(colour="red"), "unknown_field", "line 1 colour"),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_place(asked: dict[str, Any], reason: str, where: str) -> None:
    made, faults = checked({**GOOD, **asked}, KNOWN)
    assert made is None and [(one.reason, one.where) for one in faults] == [(reason, where)]
    english, japanese = faults[0].said()
    assert english.startswith(where) and japanese.startswith(where) and not japanese.isascii()


def test_every_fault_can_happen_and_all_are_told_at_once() -> None:
    _, faults = checked({**GOOD, "date": "x", "person": "52", "lines": [{"quantity": "0"}, {"name": "x", "price": "x"}]}, KNOWN)
    assert {one.reason for one in faults} == {"no_day", "not_there", "no_item_or_name", "not_positive", "no_price", "no_number"}
    cases: Any = next(one for one in test_each_fault_is_named_with_its_place.pytestmark if one.name == "parametrize")
    assert {case[1] for case in cases.args[1]} == set(FAULTS)


def test_a_percentage_that_two_taxes_have_is_no_answer() -> None:
    twice = Known(0, taxes=[*TAXES, {"tax_id": "11", "tax_name": "輸入", "tax_percentage": 10}])
    assert checked({**GOOD, **line(tax="10%")}, twice)[1] == [Fault("not_there", "line 1 tax", "10%")]
    assert checked({**GOOD, **line(tax="輸入")}, twice)[0].lines[0].tax == "11"


def test_an_edit_sends_what_differs_and_nothing_else() -> None:
    before = form(notes="old", reference="PO-7")
    changes, body = edits("invoices", before, form(notes="new", reference=""))
    assert body == {"notes": "new", "reference_number": ""}
    assert [(one.field, one.before, one.after) for one in changes] == [("reference", "PO-7", ""), ("notes", "old", "new")]
    assert edits("invoices", before, before) == ((), {})
    _, body = edits("invoices", before, form(notes="old", reference="PO-7", lines=[{"name": "Travel", "price": "9"}]))
    assert body == {"line_items": [{"name": "Travel", "rate": 9, "quantity": 1, "item_order": 1}]}


def test_a_document_read_back_as_a_form_is_the_same_form() -> None:
    made = form(person="51", template="143", notes="n")
    body = body_of("estimates", made)
    detail = {**body, "line_items": [{**one, "discount": one.get("discount", 0)} for one in body["line_items"]]}
    again, faults = checked(
        form_of("estimates", detail), Known(0, {"books:items:27": ITEM}, TAXES, {"51": "51"}, KNOWN.templates)
    )
    assert faults == [] and again == made


def test_a_line_is_typed_as_fields() -> None:
    assert read_line("item=crm:Products:1; quantity = 2;discount=10% ;") == {
        "item": "crm:Products:1", "quantity": "2", "discount": "10%",
    }  # fmt: skip
    with pytest.raises(ValueError, match="'two' is not FIELD=VALUE"):
        read_line("quantity=2; two")


def test_the_date_is_a_day_and_amounts_are_exact() -> None:
    made = form(**line(price="3", quantity="0.1"))
    assert made.dated == date(2026, 11, 2) and made.lines[0].amount == Decimal("0.3")
