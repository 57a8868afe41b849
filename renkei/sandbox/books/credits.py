"""Credit notes: what they take off invoices and leave to the customer (books-v3.md 11.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import documents, errors, history
from renkei.sandbox.books.stamps import money, number
from renkei.sandbox.books.values import rows

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record


def create_credit(org: Organisation, body: dict[str, Any], *, own_number: bool = True, invoice_id: str = "") -> Record:
    """POST /creditnotes: open at once unless `is_draft`; with an invoice, as much of it as that still owes is applied."""
    invoice = None
    if invoice_id:
        invoice = org.table("invoices").records.get(invoice_id)
        if invoice is None or invoice["customer_id"] != str(body.get("customer_id")):
            raise errors.bad_reference("Invoice")
    credit = documents.create_document(org, "creditnotes", body, own_number=own_number)
    if body.get("is_draft") is not True:
        credit["status"] = "open"
        documents.save(org, "creditnotes", credit)
    if invoice is not None:
        amount = min(money(credit["balance"]), money(invoice["balance"]))
        if amount > 0:
            apply(org, credit, [{"invoice_id": invoice_id, "amount_applied": number(amount)}])
    return credit


def apply(org: Organisation, credit: Record, given: list[dict[str, Any]]) -> None:
    """Applies amounts of an open credit note to invoices of the same customer, all or none."""
    if credit["status"] != "open":
        raise errors.illegal_move(credit["status"], "applied")
    lines = [_line(org, credit, body) for body in rows(given, "invoices")]
    if sum((money(line["amount_applied"]) for line in lines), money(0)) > money(credit["balance"]):
        raise errors.invalid("amount_applied")
    credit.update(invoices=[*credit["invoices"], *lines], last_modified_time=org.now())
    documents.save(org, "creditnotes", credit)
    for line in lines:
        invoice = org.table("invoices").records[line["invoice_id"]]
        _touch(org, invoice)
        history.note(org, "invoices", invoice, "Updated", f"credits of {line['amount_applied']} applied")


def take_back(org: Organisation, credit: Record, line_id: str) -> None:
    """Takes a credit note off an invoice; 404 when it is not on it."""
    kept = [line for line in credit["invoices"] if line["creditnote_invoice_id"] != line_id]
    if len(kept) == len(credit["invoices"]):
        raise errors.not_found("Credit")
    (gone,) = (line for line in credit["invoices"] if line["creditnote_invoice_id"] == line_id)
    credit.update(invoices=kept, last_modified_time=org.now())
    documents.save(org, "creditnotes", credit)
    invoice = org.table("invoices").records[gone["invoice_id"]]
    invoice["credits_applied"] = 0
    _touch(org, invoice)


def release(org: Organisation, invoice: Record) -> None:
    """Takes every credit note off an invoice that becomes void."""
    for credit in applied_to(org, invoice):
        kept = [line for line in credit["invoices"] if line["invoice_id"] != invoice["invoice_id"]]
        credit.update(invoices=kept, last_modified_time=org.now())
        documents.save(org, "creditnotes", credit)
    invoice["credits_applied"] = 0


def applied_to(org: Organisation, invoice: Record) -> list[Record]:
    """The credit notes that an invoice was credited with."""
    notes = org.table("creditnotes")
    return [notes.records[id] for id in sorted(notes.find("invoice", invoice["invoice_id"]))]


def application(org: Organisation, invoice: Record, amount: int | float) -> dict[str, Any]:
    """The element of a credit note's `invoices` for an amount applied today."""
    return {
        "creditnote_invoice_id": org.world.new_id("books"),
        "invoice_id": invoice["invoice_id"],
        "invoice_number": invoice["invoice_number"],
        "date": org.today().isoformat(),
        "amount": amount,
        "amount_applied": amount,
    }


def _line(org: Organisation, credit: Record, body: dict[str, Any]) -> dict[str, Any]:
    invoice = org.table("invoices").records.get(str(body.get("invoice_id") or ""))
    if invoice is None or invoice["customer_id"] != credit["customer_id"]:
        raise errors.bad_reference("Invoice")
    amount = money(body.get("amount_applied"), "amount_applied")
    if amount <= 0 or org.status_of("invoices", invoice) in ("draft", "void") or amount > money(invoice["balance"]):
        raise errors.invalid("amount_applied")
    return application(org, invoice, number(amount))


def _touch(org: Organisation, invoice: Record) -> None:
    if org.payments_touch_invoices:
        invoice["last_modified_time"] = org.now()
    documents.save(org, "invoices", invoice)
