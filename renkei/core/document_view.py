"""What a CRM user sees of a document: a line of a list, a whole document, and whether it answers a search.

Pure. Amounts are text with their exact digits in the document's own currency; days are calendar days as Books writes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import unescape
from typing import Any

from renkei.core.names import text as folded
from renkei.core.published import status_on
from renkei.core.records import DocumentRow, Row
from renkei.core.rights import kind_of
from renkei.core.values import Ref, decimal_text, parse_time


@dataclass(frozen=True, slots=True)
class Search:
    """Which documents: dated from one day to another, a total between two amounts, of a party whose name holds these letters."""

    dated_from: date | None = None
    dated_to: date | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    party: str = ""

    def finds(self, document: DocumentRow) -> bool:
        """Whether day and amount fit; both ends belong to it. A document without a date is in no span of days."""
        dated = document.dated
        if (self.dated_from or self.dated_to) and dated is None:
            return False
        return (
            (self.dated_from is None or (dated is not None and dated >= self.dated_from))
            and (self.dated_to is None or (dated is not None and dated <= self.dated_to))
            and (self.least is None or document.total >= self.least)
            and (self.most is None or document.total <= self.most)
        )

    def names(self, *names: str) -> bool:
        """Whether one of these names holds the letters, whatever their width, case or kana."""
        wanted = folded(self.party) or ""
        return not wanted or any(wanted in (folded(name) or "") for name in names if name)


def purchase_order(row: Row) -> DocumentRow:
    """A purchase order's list row in types; `customer` is the vendor, `due` the day of delivery."""
    stamp = row.get("last_modified_time")
    return DocumentRow(
        module="purchaseorders", id=str(row["purchaseorder_id"]), number=str(row.get("purchaseorder_number") or ""),
        customer=str(row.get("vendor_id") or ""), currency=str(row.get("currency_code") or ""), dated=_day(row.get("date")),
        due=_day(row.get("delivery_date")), status=str(row.get("status") or ""), total=_amount(row.get("total")),
        balance=Decimal(0), last_payment=None, stamp=parse_time(str(stamp)) if stamp else None,
    )  # fmt: skip


def line_of(document: DocumentRow, *, party: str, today: date, link: str, pdf: str, as_of: str) -> dict[str, Any]:
    """One document of a list. `balance` is of invoices alone."""
    return {
        "record": f"books:{document.module}:{document.id}",
        "kind": kind_of(document.module),
        "number": document.number,
        "party": party,
        "date": document.dated and document.dated.isoformat(),
        "due_date": document.due and document.due.isoformat(),
        "status": status_on(document, today),
        "total": decimal_text(document.total),
        "balance": decimal_text(document.balance) if document.module == "invoices" else None,
        "currency": document.currency,
        "deal": f"crm:Deals:{document.deal}" if document.deal else None,
        "link": link or None,
        "pdf": pdf,
        "as_of": as_of,
    }


def newest_first(document: DocumentRow) -> tuple[date, str, str]:
    """For sorting in reverse."""
    return (document.dated or date.min, document.number, document.id)


_LAST_DAY = {"estimates": "expiry_date", "salesorders": "shipment_date", "purchaseorders": "delivery_date"}
_NUMBER = {
    "estimates": "estimate_number", "salesorders": "salesorder_number", "purchaseorders": "purchaseorder_number",
    "invoices": "invoice_number",
}  # fmt: skip


def number_of(module: str, detail: Row) -> str:
    """A document's number, or "" where it has none yet."""
    return str(detail.get(_NUMBER[module]) or "")


def whole(
    module: str, detail: Row, *, status: str, payments: Sequence[Row], history: Sequence[Row], templates: Mapping[str, str]
) -> dict[str, Any]:
    """One document in full: head, lines, taxes, payments, and what happened to it.

    status      by the calendar
    templates   template id → name
    """
    vendor = module == "purchaseorders"
    party = str(detail.get("vendor_id" if vendor else "customer_id") or "")
    template = str(detail.get("template_id") or "")
    return {
        "kind": kind_of(module),
        "number": number_of(module, detail),
        "status": status,
        "date": detail.get("date") or None,
        "due_date": detail.get(_LAST_DAY.get(module, "due_date")) or None,
        "party": {
            "record": str(Ref("books", "contacts", party)),
            "name": detail.get("vendor_name" if vendor else "customer_name"),
        },
        "currency": detail.get("currency_code"),
        "lines": [_line(line) for line in detail.get("line_items") or ()],
        "sub_total": _text(detail.get("sub_total")),
        "discount": detail.get("discount") or None,
        "taxes": [{"name": tax.get("tax_name"), "amount": _text(tax.get("tax_amount"))} for tax in detail.get("taxes") or ()],
        "tax_total": _text(detail.get("tax_total")),
        "total": _text(detail.get("total")),
        "balance": _text(detail.get("balance")) if module == "invoices" else None,
        "payments": [
            {
                "date": one.get("date"), "amount": _text(one.get("amount")), "mode": one.get("payment_mode"),
                "reference": one.get("reference_number") or "",
            }
            for one in payments
        ],
        "credits_applied": _text(detail.get("credits_applied")) if module == "invoices" else None,
        "written_off": _text(detail.get("write_off_amount")) if module == "invoices" else None,
        "history": [
            {
                "at": " ".join(str(one[part]) for part in ("date", "time") if one.get(part)), "by": one.get("commented_by") or "",
                "what": plain_text(str(one.get("description") or "")), "kind": one.get("comment_type") or "",
            }
            for one in history
        ],
        "template": {"id": template, "name": detail.get("template_name") or templates.get(template, "")} if template else None,
        "reference": detail.get("reference_number") or "",
        "notes": detail.get("notes") or "",
        "terms": detail.get("terms") or "",
        "salesperson": detail.get("salesperson_name") or "",
        "emailed": bool(detail.get("is_emailed")),
        "stamp": detail.get("last_modified_time"),
    }  # fmt: skip


def plain_text(body: str) -> str:
    """The words of a text that may hold markup, for a terminal."""
    broken = re.sub(r"<br\s*/?>|</p>|</div>", "\n", body)
    return unescape(re.sub(r"<[^>]*>", "", broken)).strip()


def _line(line: Row) -> dict[str, Any]:
    item = str(line.get("item_id") or "")
    return {
        "item": f"books:items:{item}" if item else None,
        "name": line.get("name") or "",
        "description": line.get("description") or "",
        "quantity": _text(line.get("quantity")),
        "unit": line.get("unit") or "",
        "price": _text(line.get("rate")),
        "discount": line.get("discount") or None,
        "tax": line.get("tax_name") or None,
        "tax_percentage": _text(line.get("tax_percentage")),
        "amount": _text(line.get("item_total")),
    }


def _text(value: Any) -> str | None:
    return None if value in (None, "") else decimal_text(Decimal(str(value)))


def _amount(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def _day(text: Any) -> date | None:
    return date.fromisoformat(str(text)) if text else None
