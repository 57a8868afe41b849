"""Statuses of documents and who may leave which (books-v3.md 8, 9, 10.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renkei.sandbox.books import credits, errors, history, payments
from renkei.sandbox.books.documents import save
from renkei.sandbox.books.stamps import money, number

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

# kind -> wanted status -> the statuses that may go there; any other is refused.
# Accepting and declining ask for an estimate that was sent (vendor's file); changing one's mind is unverified. So is a
# sales order that is void and opened again.
MOVES: dict[str, dict[str, tuple[str, ...]]] = {
    "invoices": {
        "sent": ("draft",),
        "void": ("draft", "sent", "overdue", "partially_paid", "paid"),
        "draft": ("void",),
    },
    "estimates": {
        "sent": ("draft",),
        "accepted": ("sent", "declined", "expired"),
        "declined": ("sent", "accepted", "expired"),
    },
    "salesorders": {"open": ("draft", "void"), "void": ("draft", "open", "overdue")},
    "purchaseorders": {"open": ("draft",), "billed": ("open",), "cancelled": ("draft", "open")},
    "creditnotes": {"open": ("draft",), "void": ("draft", "open"), "draft": ("void",)},
}


# What only people can do, in the web client.
BY_HAND: dict[str, dict[str, tuple[str, ...]]] = {
    "salesorders": {"closed": ("open", "overdue", "partially_invoiced", "invoiced")}
}


def move(org: Organisation, kind: str, document: Record, to: str) -> None:
    """POST .../status/...: BooksError 4 for a move that the machine does not know.

    A void invoice has no balance; its payments and credits stay with the customer. An applied credit note cannot be void.
    """
    status = org.status_of(kind, document)
    allowed = MOVES[kind].get(to) or BY_HAND.get(kind, {})[to]
    if kind == "estimates" and to != "sent" and org.decides_drafts:
        allowed = ("draft", *allowed)
    if status not in allowed or (kind == "creditnotes" and to == "void" and document["invoices"]):
        raise errors.illegal_move(status, to)
    if kind == "invoices" and to == "void":
        credits.release(org, document)
        payments.release(org, document)
    if kind == "estimates":
        for name in ("accepted", "declined"):
            document[f"{name}_date"] = org.today().isoformat() if name == to else ""
    document.update(status=to, last_modified_time=org.now())
    save(org, kind, document)
    history.note(org, kind, document, "Updated", f"marked as {to}")


def write_off(org: Organisation, invoice: Record) -> None:
    """sent or overdue to paid, the open balance as write_off_amount (unverified)."""
    status = org.status_of("invoices", invoice)
    if status not in ("sent", "overdue", "partially_paid"):
        raise errors.illegal_move(status, "written off")
    _set_write_off(org, invoice, number(money(invoice["write_off_amount"]) + money(invoice["balance"])), "written off")


def cancel_write_off(org: Organisation, invoice: Record) -> None:
    """What was written off is owed again."""
    if not money(invoice["write_off_amount"]):
        raise errors.illegal_move(org.status_of("invoices", invoice), "freed of a write-off")
    _set_write_off(org, invoice, 0, "freed of its write-off")


def _set_write_off(org: Organisation, invoice: Record, amount: int | float, what: str) -> None:
    invoice.update(write_off_amount=amount, last_modified_time=org.now())
    save(org, "invoices", invoice)
    history.note(org, "invoices", invoice, "Updated", what)
