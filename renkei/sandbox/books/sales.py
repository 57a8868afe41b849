"""Handlers of invoices, estimates, sales orders and customer payments (books-v3.md sections 8 to 11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from renkei.sandbox.books import credits, documents, errors, mail, orders, payments, statuses
from renkei.sandbox.books.call import Answer, Call
from renkei.sandbox.books.handlers import Handler, record_of, shown
from renkei.sandbox.books.kinds import KINDS
from renkei.sandbox.books.organisation import Organisation
from renkei.sandbox.books.stamps import money, number
from renkei.sandbox.books.table import Record
from renkei.sandbox.books.values import rows


def create(kind: str) -> Callable[[Call, dict[str, Any]], Record]:
    """POST of a kind; `send=true` sends it to its contact persons."""

    def creation(call: Call, body: dict[str, Any]) -> Record:
        document = documents.create_document(call.org, kind, body, own_number=_own_number(call))
        if call.query.get("send") == "true":
            mail.send_if_anyone(call.org, kind, document)
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


def invoice_from_order(call: Call) -> Answer:
    """POST /invoices/fromsalesorder?salesorder_id=: an invoice over what of a confirmed order is not invoiced yet."""
    order = call.org.table("salesorders").records.get(call.query.get("salesorder_id", ""))
    if order is None:
        raise errors.invalid("salesorder_id") if "salesorder_id" not in call.query else errors.not_found("Sales Order")
    status = call.org.status_of("salesorders", order)
    if status not in ("open", "overdue", "partially_invoiced"):
        raise errors.illegal_move(status, "invoiced")
    invoice = documents.create_document(call.org, "invoices", orders.invoice_body(call.org, order))
    return shown(call, "invoices", invoice, KINDS["invoices"].created, 201)


def done(kind: str, change: Callable[[Organisation, Record], None], message: str) -> Handler:
    """POST of another action on a document: only an envelope."""

    def handler(call: Call) -> Answer:
        change(call.org, record_of(call, kind))
        return Answer(message=message)

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


def payments_deleted(call: Call) -> Answer:
    """DELETE /customerpayments?payment_id=a,b&bulk_delete=true: all or none."""
    ids = [id.strip() for id in call.query.get("payment_id", "").split(",") if id.strip()]
    records = call.org.table("customerpayments").records
    if not ids or call.query.get("bulk_delete") != "true":
        raise errors.invalid("payment_id" if not ids else "bulk_delete")
    if any(id not in records for id in ids):
        raise errors.not_found("Payment")
    for id in ids:
        payments.delete_payment(call.org, records[id])
    return Answer(message="The selected customer payments have been deleted.")


def create_credit(call: Call, body: dict[str, Any]) -> Record:
    """POST /creditnotes."""
    return credits.create_credit(call.org, body, own_number=_own_number(call), invoice_id=call.query.get("invoice_id", ""))


def credit_invoices(call: Call) -> Answer:
    """GET /creditnotes/{id}/invoices: where a credit note was applied."""
    credit = record_of(call, "creditnotes")
    found = [
        {
            "creditnote_id": credit["creditnote_id"],
            "invoice_id": line["invoice_id"],
            "creditnote_invoice_id": line["creditnote_invoice_id"],
            "date": line["date"],
            "invoice_number": line["invoice_number"],
            "creditnote_number": credit["creditnote_number"],
            "credited_amount": line["amount_applied"],
        }
        for line in credit["invoices"]
    ]
    return Answer({"invoices_credited": found}, rows=len(found))


def credit_applied(call: Call) -> Answer:
    """POST /creditnotes/{id}/invoices."""
    given = call.body().get("invoices")
    credits.apply(call.org, record_of(call, "creditnotes"), given if isinstance(given, list) else [])
    return Answer({}, "Credits have been applied to the invoice(s).")


def credit_taken_back(call: Call) -> Answer:
    """DELETE /creditnotes/{id}/invoices/{creditnote_invoice_id}."""
    credits.take_back(call.org, record_of(call, "creditnotes"), call.ids[1])
    return Answer(message="Credits applied to an invoice have been deleted.")


def invoice_credits(call: Call) -> Answer:
    """GET /invoices/{id}/creditsapplied."""
    invoice = record_of(call, "invoices")
    found = [
        {
            "creditnote_id": credit["creditnote_id"],
            "creditnotes_invoice_id": line["creditnote_invoice_id"],
            "creditnotes_number": credit["creditnote_number"],
            "credited_date": line["date"],
            "amount_applied": line["amount_applied"],
        }
        for credit in credits.applied_to(call.org, invoice)
        for line in credit["invoices"]
        if line["invoice_id"] == invoice["invoice_id"]
    ]
    return Answer({"credits": found}, rows=len(found))


def invoice_credited(call: Call) -> Answer:
    """POST /invoices/{id}/credits: credit notes, and what payments have left, applied to one invoice; all or none."""
    invoice, body, org = record_of(call, "invoices"), call.body(), call.org
    wanted = money(0)
    chosen: list[tuple[str, Record, Any]] = []
    for key, kind, left in (
        ("invoice_payments", "customerpayments", "unused_amount"),
        ("apply_creditnotes", "creditnotes", "balance"),
    ):
        for given in rows(body.get(key, []), key):
            record = org.table(kind).records.get(str(given.get(KINDS[kind].id_key) or ""))
            if record is None or record["customer_id"] != invoice["customer_id"]:
                raise errors.bad_reference(KINDS[kind].noun)
            amount = money(given.get("amount_applied"), "amount_applied")
            if not 0 < amount <= money(record[left]):
                raise errors.invalid("amount_applied")
            wanted += amount
            chosen.append((kind, record, number(amount)))
    if not chosen or wanted > money(invoice["balance"]):
        raise errors.invalid("amount_applied")
    for kind, record, applied in chosen:
        if kind == "creditnotes":
            credits.apply(org, record, [{"invoice_id": invoice["invoice_id"], "amount_applied": applied}])
        else:
            payments.apply(org, record, invoice, applied)
    return Answer(message="Credits have been applied to the invoice(s).")


def invoice_credit_removed(call: Call) -> Answer:
    """DELETE /invoices/{id}/creditsapplied/{creditnotes_invoice_id}."""
    invoice = record_of(call, "invoices")
    for credit in credits.applied_to(call.org, invoice):
        if any(line["creditnote_invoice_id"] == call.ids[1] for line in credit["invoices"]):
            credits.take_back(call.org, credit, call.ids[1])
            return Answer(message="Credits applied to an invoice have been deleted.")
    raise errors.not_found("Credit")


def create_payment(call: Call, body: dict[str, Any]) -> Record:
    return payments.create_payment(call.org, body)


def update_payment(call: Call, payment: Record, body: dict[str, Any]) -> Record:
    return payments.update_payment(call.org, payment, body)


def delete_payment(call: Call, payment: Record) -> None:
    payments.delete_payment(call.org, payment)


def _own_number(call: Call) -> bool:
    return call.query.get("ignore_auto_number_generation") == "true" or not call.org.auto_numbers
