"""Japan's qualified invoices: the number's form, the split by rate, one rounding for each rate, yen without decimals."""

from __future__ import annotations

from typing import Any

import pytest

from renkei.core.qualified import findings, number_fault


def line(rate: int, percent: float, quantity: float = 1, **fields: Any) -> dict[str, Any]:
    tax = {"tax_id": f"T{percent}", "tax_name": "消費税", "tax_percentage": percent} if percent else {"tax_id": ""}
    return {"rate": rate, "quantity": quantity, "item_total": rate * quantity, **tax, **fields}


def document(*lines: dict[str, Any], taxes: dict[float, float], **fields: Any) -> dict[str, Any]:
    sub_total = sum(one["item_total"] for one in lines)
    return {
        "currency_code": "JPY", "line_items": list(lines), "sub_total": sub_total,
        "taxes": [{"tax_name": f"消費税 ({percent}%)", "tax_amount": amount} for percent, amount in taxes.items()],
        "tax_total": sum(taxes.values()), "total": sub_total + sum(taxes.values()), **fields,
    }  # fmt: skip


def codes(detail: dict[str, Any]) -> list[str]:
    return [one.code for one in findings(detail)]


@pytest.mark.parametrize("tax", [31, 32])
def test_three_lines_of_105_yen_at_10_percent_carry_31_yen_or_rounded_up_32(tax: int) -> None:
    assert codes(document(*[line(105, 10)] * 3, taxes={10: tax})) == []


@pytest.mark.parametrize("lines", [[line(105, 10)] * 3, [line(105, 10, 3)]], ids=["three lines", "three pieces of one line"])
@pytest.mark.parametrize("tax", [30, 33])
def test_three_times_10_yen_were_rounded_line_by_line(lines: list[dict[str, Any]], tax: int) -> None:
    (found,) = findings(document(*lines, taxes={10: tax}))
    assert found.code == "ROUNDED_PER_LINE"
    assert f"{tax} yen; rounded once for the rate it is 31 / 32" in found.en and f"{tax} 円" in found.ja


def test_a_tax_that_no_rounding_gives_is_another_amount() -> None:
    assert codes(document(*[line(105, 10)] * 3, taxes={10: 29})) == ["TAX_AMOUNT"]


def test_8_and_10_percent_are_rounded_each_for_itself() -> None:
    both = [line(101, 8), line(101, 8), line(105, 10), line(105, 10), line(105, 10)]
    assert codes(document(*both, taxes={8: 16, 10: 31})) == []
    assert codes(document(*both, taxes={8: 18, 10: 31})) == ["ROUNDED_PER_LINE"]


def test_a_rate_whose_tax_is_not_told_apart_is_found() -> None:
    assert codes(document(line(100, 8), line(100, 10), taxes={10: 18})) == ["TAX_SPLIT", "TAX_AMOUNT"]


def test_another_rate_is_found_and_untaxed_lines_are_none() -> None:
    assert codes(document(line(100, 5), line(100, 0), taxes={5: 5})) == ["RATE"]


def test_a_discount_of_the_whole_document_is_taken_off_before_the_tax() -> None:
    discounted = {"discount": "10%", "discount_type": "entity_level", "is_discount_before_tax": True}
    assert codes(document(line(1000, 10), taxes={10: 90}, **discounted)) == []
    assert codes(document(line(1000, 10), taxes={10: 100}, **discounted)) == ["TAX_AMOUNT"]
    assert codes(document(line(1000, 10), taxes={10: 100}, **{**discounted, "is_discount_before_tax": False})) == []


def test_a_tax_inside_the_price_is_taken_out_of_it() -> None:
    assert codes(document(line(110, 10), line(110, 10), taxes={10: 20}, is_inclusive_tax=True)) == []
    assert codes(document(line(110, 10), line(110, 10), taxes={10: 22}, is_inclusive_tax=True)) == ["TAX_AMOUNT"]


def test_yen_have_no_decimals() -> None:
    assert codes(document(line(100, 10), taxes={10: 10}, balance=109.5)) == ["FRACTION_OF_YEN"]


def test_other_currencies_are_not_japan_s_business() -> None:
    assert codes(document(*[line(105, 10)] * 3, taxes={10: 30}, currency_code="USD")) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("T5835678256246", None), ("Ｔ５８３５６７８２５６２４６", None), ("T2835678256246", "T_NUMBER_CHECK_DIGIT"),
        ("T583567825624", "T_NUMBER"), ("DE123456789", "T_NUMBER"), ("X5835678256246", "T_NUMBER"),
    ],
)  # fmt: skip
def test_a_registration_number_is_t_and_13_digits(number: str, code: str | None) -> None:
    fault = number_fault(number)
    assert (fault.code if fault else None) == code


def test_the_number_on_the_document_is_found_by_its_label_in_either_language() -> None:
    for label in ("登録番号", "Tax registration number"):
        shown = [{"label": label, "value": "T123"}, {"label": "Colour", "value": "T123"}]
        assert codes(document(line(100, 10), taxes={10: 10}, custom_fields=shown)) == ["T_NUMBER"]
