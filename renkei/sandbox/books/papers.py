"""Documents on paper: their templates, and the pages that a template makes of them (books-v3.md 8, 10.4, 10.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import pdf
from renkei.sandbox.books.kinds import KINDS, ORDERS
from renkei.sandbox.books.pdf import Text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

TOGETHER = 25  # documents in one file
_LEFT, _RIGHT, _LEADING = 50.0, float(pdf.WIDTH - 50), 15.0
_COLUMNS = (330.0, 400.0, 450.0, _RIGHT)
_LINES_A_PAGE = 25  # sums and notes fit under them
_WORDS = {
    "en": {
        "invoices": "Invoice", "estimates": "Estimate", "salesorders": "Sales Order", "creditnotes": "Credit Note",
        "purchaseorders": "Purchase Order", "date": "Date", "due": "Due", "reference": "Reference", "item": "Item",
        "rate": "Rate", "quantity": "Qty", "tax": "Tax", "amount": "Amount", "sub_total": "Sub total",
        "discount": "Discount", "shipping": "Shipping", "adjustment": "Adjustment", "total": "Total", "paid": "Paid",
        "balance": "Balance due", "to": "",
    },
    "ja": {
        "invoices": "請求書", "estimates": "見積書", "salesorders": "受注書", "creditnotes": "返金通知書",
        "purchaseorders": "発注書", "date": "日付", "due": "期日", "reference": "参照番号", "item": "品目",
        "rate": "単価", "quantity": "数量", "tax": "税率", "amount": "金額", "sub_total": "小計", "discount": "値引",
        "shipping": "送料", "adjustment": "調整", "total": "合計", "paid": "入金・充当", "balance": "請求残高",
        "to": " 御中",
    },
}  # fmt: skip
_DUE = {
    "invoices": "due_date",
    "estimates": "expiry_date",
    "salesorders": "shipment_date",
    "purchaseorders": "delivery_date",
}


def standard_templates() -> dict[str, list[dict[str, Any]]]:
    """The paper templates of each kind of document; the first is the one of a new document."""
    named = (("Standard Template", "standard"), ("和文標準", "japanese"))
    return {
        kind: [
            {"template_id": str(460000000000143 + 20 * n + 2 * m), "template_name": name, "template_type": sort}
            for m, (name, sort) in enumerate(named)
        ]
        for n, kind in enumerate(ORDERS)
    }


def template(org: Organisation, kind: str, id: str) -> dict[str, Any] | None:
    return next((found for found in org.templates[kind] if found["template_id"] == id), None)


def file_name(kind: str, document: Record) -> str:
    """The name of a document's file without its ending."""
    return str(document[KINDS[kind].number]).replace("/", "-")


def printed(org: Organisation, kind: str, documents: list[Record]) -> bytes:
    """One PDF file of some documents of a kind, one after the other, each on pages of its own."""
    pages = [page for document in documents for page in _pages(org, kind, document)]
    return pdf.pdf(", ".join(file_name(kind, document) for document in documents), pages)


def _pages(org: Organisation, kind: str, document: Record) -> list[list[Text]]:
    found = template(org, kind, document["template_id"])
    words = _WORDS["ja" if found is not None and found["template_type"] == "japanese" else "en"]
    lines = document["line_items"]
    parts = [lines[n : n + _LINES_A_PAGE] for n in range(0, len(lines), _LINES_A_PAGE)] or [[]]
    pages = [_page(org, kind, document, words, part) for part in parts]
    y = max(text.y for text in pages[-1]) + 2 * _LEADING
    for label, amount in _sums(document, words):
        pages[-1] += [Text(_COLUMNS[1], y, label, right=True), Text(_RIGHT, y, _amount(document, amount), right=True)]
        y += _LEADING
    for note in (document["notes"], document["terms"]):
        for text in note.splitlines()[:3]:
            y += _LEADING
            pages[-1].append(Text(_LEFT, y, text, 9))
    return pages


def _page(org: Organisation, kind: str, document: Record, words: dict[str, str], lines: list[dict[str, Any]]) -> list[Text]:
    party = document[f"{KINDS[kind].party}_name"]
    facts = [(words["date"], document["date"])]
    if document.get(_DUE.get(kind, "")):
        facts.append((words["due"], document[_DUE[kind]]))
    if document["reference_number"]:
        facts.append((words["reference"], document["reference_number"]))
    texts = [
        Text(_LEFT, 60, f"{words[kind]} {document[KINDS[kind].number]}", 18),
        Text(_RIGHT, 60, org.name, 12, right=True),
        Text(_LEFT, 95, f"{party}{words['to']}", 12),
        *(Text(_RIGHT, 95 + _LEADING * n, f"{label} {value}", right=True) for n, (label, value) in enumerate(facts)),
        Text(_LEFT, 160, words["item"]),
        *(Text(x, 160, words[name], right=True) for x, name in zip(_COLUMNS, ("rate", "quantity", "tax", "amount"), strict=True)),
    ]
    for n, line in enumerate(lines):
        y = 180 + _LEADING * n
        cells = (
            _amount(document, line["rate"]),
            f"{line['quantity']:,}",
            f"{line['tax_percentage']}%" if line["tax_id"] else "",
            _amount(document, line["item_total"]),
        )
        texts.append(Text(_LEFT, y, line["name"] or line["description"]))
        texts += [Text(x, y, cell, right=True) for x, cell in zip(_COLUMNS, cells, strict=True)]
    return texts


def _sums(document: Record, words: dict[str, str]) -> list[tuple[str, Any]]:
    sums = [(words["sub_total"], document["sub_total"])]
    for key, name, sign in (
        ("discount_total", "discount", -1),
        ("shipping_charge", "shipping", 1),
        ("adjustment", "adjustment", 1),
    ):
        if document[key]:
            sums.append((words[name], sign * document[key]))
    sums += [(tax["tax_name"], tax["tax_amount"]) for tax in document["taxes"]]
    sums.append((words["total"], document["total"]))
    if "payment_made" in document:
        settled = document["payment_made"] + document["credits_applied"] + document["write_off_amount"]
        sums += [(words["paid"], -settled)] if settled else []
        sums.append((words["balance"], document["balance"]))
    return sums


def _amount(document: Record, amount: int | float) -> str:
    return f"{document['currency_symbol']}{amount:,.{document['price_precision']}f}"
