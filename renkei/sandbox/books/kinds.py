"""The kinds of records of Books: what each is called on the wire and in the vendor's sentences (books-v3.md section 13)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """`name`: in paths and lists; `singular`: the key of one record; `entity`: in /settings/fields; `number`, `pattern`: the
    key and the form of automatic document numbers; `party`: whom a document names, `customer` or `vendor`."""

    name: str
    singular: str
    noun: str
    id_key: str
    entity: str
    created: str
    updated: str
    deleted: str
    number: str = ""
    pattern: str = ""
    party: str = "customer"


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "contacts",
            "contact",
            "Contact",
            "contact_id",
            "contact",
            "The contact has been created",
            "Contact has been updated successfully",
            "The contact has been deleted.",
        ),
        Kind(
            "items",
            "item",
            "Item",
            "item_id",
            "item",
            "The item has been added.",
            "Item details have been saved.",
            "The item has been deleted.",
        ),
        Kind(
            "invoices",
            "invoice",
            "Invoice",
            "invoice_id",
            "invoice",
            "The invoice has been created.",
            "Invoice information has been updated.",
            "The invoice has been deleted.",
            "invoice_number",
            "INV-{:05d}",
        ),
        Kind(
            "customerpayments",
            "payment",
            "Payment",
            "payment_id",
            "customer_payment",
            "The payment has been created.",
            "The payment details have been updated.",
            "The payment has been deleted.",
            "payment_number",
            "{}",
        ),
        Kind(
            "estimates",
            "estimate",
            "Estimate",
            "estimate_id",
            "estimate",
            "The estimate has been created",
            "Estimate information has been updated.",
            "The estimate has been deleted.",
            "estimate_number",
            "EST-{:05d}",
        ),
        Kind(
            "salesorders",
            "salesorder",
            "Sales Order",
            "salesorder_id",
            "salesorder",
            "Sales Order Created Successfully.",
            "Sales Order Updated Successfully.",
            "Sales Order Deleted Successfully.",
            "salesorder_number",
            "SO-{:05d}",
        ),
        Kind(
            "creditnotes",
            "creditnote",
            "Credit Note",
            "creditnote_id",
            "creditnote",
            "The credit note has been created.",
            "The credit note has been updated.",
            "The credit note has been deleted.",
            "creditnote_number",
            "CN-{:05d}",
        ),
        Kind(
            "purchaseorders",
            "purchaseorder",
            "Purchase Order",
            "purchaseorder_id",
            "purchaseorder",
            "Purchase Order has been added.",
            "Purchase Order has been updated.",
            "The purchase order has been deleted.",
            "purchaseorder_number",
            "PO-{:05d}",
            "vendor",
        ),
    )
}
ID_KEYS = {kind.name: kind.id_key for kind in KINDS.values()}
ORDERS = (
    "invoices",
    "estimates",
    "salesorders",
    "creditnotes",
    "purchaseorders",
)  # the kinds with lines, totals and a status of their own
DOCUMENTS = tuple(name for name in KINDS if name not in ("contacts", "items"))
