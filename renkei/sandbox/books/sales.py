"""Handlers of invoices and customer payments (books-v3.md sections 10 and 11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from renkei.sandbox.books import documents
from renkei.sandbox.books.call import Answer, Call
from renkei.sandbox.books.handlers import Handler, record_of
from renkei.sandbox.books.organisation import Organisation
from renkei.sandbox.books.table import Record


def create_invoice(call: Call, body: dict[str, Any]) -> Record:
    """POST /invoices; `send=true` marks the draft sent."""
    invoice = documents.create_document(call.org, "invoices", body)
    if call.query.get("send") == "true":
        documents.mark_sent(call.org, invoice)
    return invoice


def update_invoice(call: Call, invoice: Record, body: dict[str, Any]) -> Record:
    return documents.update_document(call.org, "invoices", invoice, body)


def delete_invoice(call: Call, invoice: Record) -> None:
    documents.delete_document(call.org, "invoices", invoice)


def moved(move: Callable[[Organisation, Record], None], message: str) -> Handler:
    """POST .../status/... and .../writeoff."""

    def handler(call: Call) -> Answer:
        move(call.org, record_of(call, "invoices"))
        return Answer(message=message)

    return handler


def invoice_payments(call: Call) -> Answer:
    """GET /invoices/{id}/payments."""
    invoice = record_of(call, "invoices")
    payments = call.org.table("customerpayments")
    found = [
        {
            "payment_id": id,
            "payment_number": payment["payment_number"],
            "invoice_id": invoice["invoice_id"],
            "invoice_payment_id": line["invoice_payment_id"],
            "payment_mode": payment["payment_mode"],
            "description": payment["description"],
            "date": payment["date"],
            "reference_number": payment["reference_number"],
            "exchange_rate": payment["exchange_rate"],
            "amount": line["amount_applied"],
            "tax_amount_withheld": 0,
            "is_single_invoice_payment": len(payment["invoices"]) == 1,
        }
        for id in sorted(payments.find("invoice", invoice["invoice_id"]))
        for payment in (payments.records[id],)
        for line in payment["invoices"]
        if line["invoice_id"] == invoice["invoice_id"]
    ]
    return Answer({"payments": found}, rows=len(found))


def invoice_payment_removed(call: Call) -> Answer:
    """DELETE /invoices/{id}/payments/{invoice_payment_id}."""
    documents.unapply(call.org, record_of(call, "invoices"), call.ids[1])
    return Answer(message="The payment has been deleted.")


def create_payment(call: Call, body: dict[str, Any]) -> Record:
    return documents.create_payment(call.org, body)


def update_payment(call: Call, payment: Record, body: dict[str, Any]) -> Record:
    return documents.update_payment(call.org, payment, body)


def delete_payment(call: Call, payment: Record) -> None:
    documents.delete_payment(call.org, payment)
