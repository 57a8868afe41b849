"""Handlers of invoices, estimates, sales orders and customer payments (books-v3.md sections 8 to 11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from renkei.sandbox.books import documents, history, payments, statuses
from renkei.sandbox.books.call import Answer, Call
from renkei.sandbox.books.handlers import Handler, record_of
from renkei.sandbox.books.organisation import Organisation
from renkei.sandbox.books.table import Record


def create(kind: str) -> Callable[[Call, dict[str, Any]], Record]:
    """POST of a kind; `send=true` marks the draft sent."""

    def creation(call: Call, body: dict[str, Any]) -> Record:
        document = documents.create_document(call.org, kind, body, own_number=_own_number(call))
        if call.query.get("send") == "true":
            statuses.move(call.org, kind, document, "sent")
        return document

    return creation


def update(kind: str) -> Callable[[Call, Record, dict[str, Any]], Record]:
    """PUT of a kind."""

    def change(call: Call, document: Record, body: dict[str, Any]) -> Record:
        return documents.update_document(call.org, kind, document, body, own_number=_own_number(call))

    return change


def delete(kind: str) -> Callable[[Call, Record], None]:
    """DELETE of a kind."""
    return lambda call, document: documents.delete_document(call.org, kind, document)


def moved(kind: str, to: str, message: str, status: int = 200) -> Handler:
    """POST .../status/...: only an envelope."""

    def handler(call: Call) -> Answer:
        statuses.move(call.org, kind, record_of(call, kind), to)
        return Answer(message=message, status=status)

    return handler


def done(kind: str, change: Callable[[Organisation, Record], None], message: str) -> Handler:
    """POST of another action on a document: only an envelope."""

    def handler(call: Call) -> Answer:
        change(call.org, record_of(call, kind))
        return Answer(message=message)

    return handler


def comments_listed(kind: str) -> Handler:
    """GET .../comments of a document: its history and what people wrote, newest first; not paged."""

    def handler(call: Call) -> Answer:
        found = history.of_document(call.org, kind, record_of(call, kind))
        return Answer({"comments": found}, rows=len(found))

    return handler


def invoice_payments(call: Call) -> Answer:
    """GET /invoices/{id}/payments."""
    invoice = record_of(call, "invoices")
    made = call.org.table("customerpayments")
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
        for id in sorted(made.find("invoice", invoice["invoice_id"]))
        for payment in (made.records[id],)
        for line in payment["invoices"]
        if line["invoice_id"] == invoice["invoice_id"]
    ]
    return Answer({"payments": found}, rows=len(found))


def invoice_payment_removed(call: Call) -> Answer:
    """DELETE /invoices/{id}/payments/{invoice_payment_id}."""
    payments.unapply(call.org, record_of(call, "invoices"), call.ids[1])
    return Answer(message="The payment has been deleted.")


def create_payment(call: Call, body: dict[str, Any]) -> Record:
    return payments.create_payment(call.org, body)


def update_payment(call: Call, payment: Record, body: dict[str, Any]) -> Record:
    return payments.update_payment(call.org, payment, body)


def delete_payment(call: Call, payment: Record) -> None:
    payments.delete_payment(call.org, payment)


def _own_number(call: Call) -> bool:
    return call.query.get("ignore_auto_number_generation") == "true" or not call.org.auto_numbers
