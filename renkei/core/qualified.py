"""Japan's qualified invoices: what of a document's detail breaks their rules. Pure; nothing is ever corrected.

Checked are the registration number's form, the split of the tax by rate, one rounding for each rate of a document (up, down or to
the nearest, as the seller likes), and yen without decimals. Books itself reckons the amounts; a document that breaks a rule was
made elsewhere, or under another preference of the organisation. Sources: product.md section 10, books-v3.md section 10.2, and the
rule of one rounding: 消費税法施行令 第七十条の十.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from renkei.core import names
from renkei.core.records import Row
from renkei.core.values import decimal_text

ROUNDINGS = (ROUND_FLOOR, ROUND_HALF_UP, ROUND_CEILING)
RATES = (Decimal(0), Decimal(8), Decimal(10))  # per cent; 0: not taxed
_PERCENT = re.compile(r"\(\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*\)\s*$")
_NUMBER_LABEL = re.compile(r"登録番号|registration (?:no|number)", re.IGNORECASE)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: its code, what is wrong, in Japanese and in English."""

    code: str
    ja: str
    en: str

    def __str__(self) -> str:
        return f"{self.code}: {self.en} / {self.ja}"


def findings(detail: Row) -> list[Finding]:
    """What is wrong with an estimate, sales order or invoice in yen, as its GET by id shows it; of other currencies nothing.

    codes   T_NUMBER, T_NUMBER_CHECK_DIGIT, RATE, TAX_SPLIT, ROUNDED_PER_LINE, TAX_AMOUNT, FRACTION_OF_YEN
    raises  ArithmeticError, KeyError or ValueError where an amount cannot be read
    """
    if detail.get("currency_code") != "JPY":
        return []
    return [*_numbers(detail), *_taxes(detail), *_fractions(detail)]


def number_fault(text: str) -> Finding | None:
    """What is wrong with a registration number: T and 13 digits; of a corporation with its corporate number's check digit."""
    if (found := names.tax_number(text)) is None or not found.startswith("T"):
        return Finding(
            "T_NUMBER",
            f"登録番号 {text} は「T＋13桁の数字」ではありません。",
            f"The registration number {text} is not T and 13 digits.",
        )
    if not names.is_corporate_number(found):
        return Finding(
            "T_NUMBER_CHECK_DIGIT",
            f"登録番号 {text} の検査数字が法人番号と合いません（個人事業者であれば問題ありません）。",
            f"The check digit of {text} is not that of a corporate number; a sole trader's number has none.",
        )
    return None


def _numbers(detail: Row) -> Iterator[Finding]:
    """Registration numbers that the document carries in custom fields."""
    for field in detail.get("custom_fields") or ():
        if _NUMBER_LABEL.search(str(field.get("label") or "")) and field.get("value"):
            fault = number_fault(str(field["value"]))
            if fault is not None:
                yield fault


def _taxes(detail: Row) -> Iterator[Finding]:
    lines: Sequence[Row] = detail.get("line_items") or ()
    by_rate: dict[Decimal, list[Row]] = {}
    for line in lines:
        by_rate.setdefault(Decimal(str(line.get("tax_percentage") or 0)), []).append(line)
    for rate in sorted(by_rate.keys() - set(RATES)):
        yield Finding(
            "RATE",
            f"税率 {decimal_text(rate)}% は 8% でも 10% でもありません。",
            f"The rate {decimal_text(rate)} % is neither 8 nor 10 %.",
        )
    told = _told(detail)
    for rate, members in sorted(by_rate.items()):
        if rate == 0:
            continue
        if rate not in told:
            yield Finding(
                "TAX_SPLIT",
                f"税率 {decimal_text(rate)}% の消費税額が区分して記載されていません。",
                f"The tax at {decimal_text(rate)} % is not told apart.",
            )
            continue
        fault = _rounding(detail, rate, members, told[rate])
        if fault is not None:
            yield fault


def _told(detail: Row) -> dict[Decimal, Decimal]:
    """Rate → tax that the document shows for it."""
    found: dict[Decimal, Decimal] = {}
    rates = {str(line.get("tax_id")): line.get("tax_percentage") for line in detail.get("line_items") or () if line.get("tax_id")}
    for tax in detail.get("taxes") or ():
        percent = _PERCENT.search(str(tax.get("tax_name") or ""))
        rate = rates.get(str(tax.get("tax_id"))) if percent is None else percent[1]
        if rate is not None:
            found[Decimal(str(rate))] = found.get(Decimal(str(rate)), Decimal(0)) + Decimal(str(tax["tax_amount"]))
    return found


def _rounding(detail: Row, rate: Decimal, lines: Sequence[Row], told: Decimal) -> Finding | None:
    """One rounding for each rate: none of the three ways may give another amount than the document shows."""
    inclusive, factor = bool(detail.get("is_inclusive_tax")), _factor(detail)
    totals = [Decimal(str(line["item_total"])) * factor for line in lines]
    exact = _tax(sum(totals, Decimal(0)), rate, inclusive)
    allowed = {exact.quantize(Decimal(1), way) for way in ROUNDINGS}
    if told in allowed:
        return None
    words = f"{decimal_text(rate)}%", " / ".join(decimal_text(one) for one in sorted(allowed)), decimal_text(told)
    if told in _per_line(lines, totals, rate, inclusive):
        return Finding(
            "ROUNDED_PER_LINE",
            f"税率 {words[0]} の消費税額が明細行ごとに端数処理されています（{words[2]} 円、税率ごとに一回では {words[1]} 円）。",
            f"The tax at {words[0]} is rounded line by line: {words[2]} yen; rounded once for the rate it is {words[1]}.",
        )
    return Finding(
        "TAX_AMOUNT",
        f"税率 {words[0]} の消費税額 {words[2]} 円が計算（{words[1]} 円）と合いません。",
        f"The tax at {words[0]} is {words[2]} yen; reckoned it is {words[1]}.",
    )


def _per_line(lines: Sequence[Row], totals: Sequence[Decimal], rate: Decimal, inclusive: bool) -> set[Decimal]:
    """What rounding each line, or each piece of it, would give."""
    found = set()
    for way in ROUNDINGS:
        found.add(sum((_tax(total, rate, inclusive).quantize(Decimal(1), way) for total in totals), Decimal(0)))
        pieces = Decimal(0)
        for line, total in zip(lines, totals, strict=True):
            quantity = Decimal(str(line.get("quantity") or 1))
            pieces += _tax(total / quantity, rate, inclusive).quantize(Decimal(1), way) * quantity
        found.add(pieces)
    return found


def _tax(amount: Decimal, rate: Decimal, inclusive: bool) -> Decimal:
    return amount * rate / (_HUNDRED + rate) if inclusive else amount * rate / _HUNDRED


def _factor(detail: Row) -> Decimal:
    """What a discount of the whole document leaves of each line before tax."""
    sub_total = Decimal(str(detail.get("sub_total") or 0))
    if detail.get("discount_type") == "item_level" or not detail.get("is_discount_before_tax", True) or not sub_total:
        return Decimal(1)
    text = str(detail.get("discount") or 0).strip()
    off = sub_total * Decimal(text.removesuffix("%")) / _HUNDRED if text.endswith("%") else Decimal(text)
    return 1 - off.quantize(Decimal(1), ROUND_HALF_UP) / sub_total


def _fractions(detail: Row) -> Iterator[Finding]:
    amounts: Mapping[str, Any] = {name: detail.get(name) for name in ("sub_total", "tax_total", "total", "balance")}
    for name, amount in amounts.items():
        if amount not in (None, "") and Decimal(str(amount)) % 1:
            yield Finding(
                "FRACTION_OF_YEN",
                f"円の金額に小数があります（{name}: {amount}）。",
                f"An amount in yen has a fraction: {name} {amount}.",
            )
