"""Amounts and statuses of documents (books-v3.md 10.2, 10.3): totals, balances, what the calendar changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from renkei.sandbox.books.stamps import money, number, rounded

HUNDRED = Decimal(100)
# kind -> (status that waits, the date it waits for, what it is afterwards)
_LATE = {"estimates": ("sent", "expiry_date", "expired"), "salesorders": ("open", "shipment_date", "overdue")}


@dataclass(frozen=True, slots=True)
class TaxRounding:
    """How an organisation rounds tax: half up once per rate over the document, unless told otherwise. `per_line`: each
    line's tax is rounded; `down`: what is left of the smallest unit is cut off."""

    per_line: bool = False
    down: bool = False

    def __call__(self, amount: Decimal, precision: int) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-precision), ROUND_DOWN if self.down else ROUND_HALF_UP)


def add_up(document: dict[str, Any], precision: int, tax_rounding: TaxRounding) -> None:
    """Computes item totals, sub_total, taxes, tax_total and total of a document in place.

    Each line is rounded to the currency's precision; tax by the organisation's preference (unverified). A discount is a
    number, or text with `%`; at entity level before or after tax by `is_discount_before_tax`.
    """
    inclusive = bool(document.get("is_inclusive_tax"))
    by_item = document.get("discount_type") == "item_level"
    lines = document["line_items"]
    for line in lines:
        gross = money(line["rate"], "rate") * money(line["quantity"], "quantity")
        off = discount_of(line.get("discount"), gross) if by_item else Decimal(0)
        line["discount_amount"] = number(rounded(off, precision))
        line["item_total"] = number(rounded(gross - off, precision))
    sub_total = sum((money(line["item_total"]) for line in lines), Decimal(0))
    entity_discount = Decimal(0) if by_item else rounded(discount_of(document.get("discount"), sub_total), precision)
    before_tax = document.get("is_discount_before_tax", True) and sub_total
    factor = 1 - entity_discount / sub_total if before_tax else Decimal(1)
    taxes = _taxes(lines, factor, inclusive, precision, tax_rounding)
    tax_total = sum((money(tax["tax_amount"]) for tax in taxes), Decimal(0))
    total = sub_total - entity_discount + money(document.get("shipping_charge")) + money(document.get("adjustment"))
    if not inclusive:
        total += tax_total
    document["sub_total"] = number(rounded(sub_total, precision))
    document["discount_total"] = number(rounded(entity_discount, precision))
    document["taxes"] = taxes
    document["tax_total"] = number(rounded(tax_total, precision))
    document["total"] = number(rounded(total, precision))


def discount_of(discount: Any, base: Decimal) -> Decimal:
    """The amount that a discount (`500`, `"10%"`, empty) takes off `base`."""
    if isinstance(discount, str) and discount.strip().endswith("%"):
        return base * money(discount.strip()[:-1], "discount") / HUNDRED
    return money(discount, "discount")


def settle(invoice: dict[str, Any], precision: int) -> None:
    """Computes `balance` from total, payments, credits, withheld tax and write-off, in place."""
    balance = money(invoice["total"])
    for taken in ("payment_made", "credits_applied", "tax_amount_withheld", "write_off_amount"):
        balance -= money(invoice[taken])
    invoice["balance"] = 0 if invoice["status"] == "void" else number(rounded(balance, precision))


def settle_credit(note: dict[str, Any], precision: int) -> None:
    """Computes a credit note's `balance`, and `closed` or `open` from it, in place; draft and void stand as stored."""
    applied = sum((money(line["amount_applied"]) for line in note["invoices"]), Decimal(0))
    note["balance"] = 0 if note["status"] == "void" else number(rounded(money(note["total"]) - applied, precision))
    if note["status"] in ("open", "closed"):
        note["status"] = "open" if money(note["balance"]) > 0 else "closed"


def invoice_status(invoice: Mapping[str, Any], today: date) -> str:
    """draft and void stand as stored; sent, overdue, partially_paid and paid follow from balance and due date."""
    stored = str(invoice["status"])
    if stored in ("draft", "void"):
        return stored
    if money(invoice["balance"]) <= 0:
        return "paid"
    if invoice["due_date"] and date.fromisoformat(invoice["due_date"]) < today:
        return "overdue"
    return "partially_paid" if money(invoice["payment_made"]) or money(invoice["credits_applied"]) else "sent"


def order_status(kind: str, document: Mapping[str, Any], today: date) -> str:
    """As stored, but for what the calendar changes: a sent estimate expires, an open sales order becomes overdue."""
    stored = str(document["status"])
    waiting, key, late = _LATE.get(kind, ("", "", ""))
    if stored == waiting and document[key] and date.fromisoformat(document[key]) < today:
        return late
    return stored


def due_days(invoice: Mapping[str, Any], status: str, today: date) -> str:
    """The words of the web client's list, e.g. `Overdue by 3 days`; empty when nothing is due."""
    if status not in ("overdue", "partially_paid", "sent") or not invoice["due_date"]:
        return ""
    days = days_until(invoice["due_date"], today)
    if days == 0:
        return "Due Today"
    unit = "day" if abs(days) == 1 else "days"
    return f"Due in {days} {unit}" if days > 0 else f"Overdue by {-days} {unit}"


def days_until(day: str, today: date) -> int:
    """Days from today to a day (yyyy-mm-dd); 0 for none."""
    return (date.fromisoformat(day) - today).days if day else 0


def _taxes(
    lines: list[dict[str, Any]], factor: Decimal, inclusive: bool, precision: int, rounding: TaxRounding
) -> list[dict[str, Any]]:
    amounts: dict[tuple[str, str, Decimal], Decimal] = {}
    for line in lines:
        if line.get("tax_id"):
            percent = money(line["tax_percentage"])
            amount = money(line["item_total"]) * factor * percent / (HUNDRED + percent if inclusive else HUNDRED)
            tax = (line["tax_id"], line["tax_name"], percent)
            amounts[tax] = amounts.get(tax, Decimal(0)) + (rounding(amount, precision) if rounding.per_line else amount)
    return [
        {"tax_id": id, "tax_name": f"{name} ({number(percent)}%)", "tax_amount": number(rounding(amount, precision))}
        for (id, name, percent), amount in amounts.items()
    ]
