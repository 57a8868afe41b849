"""Seed records completed to whole detail-shaped records, without the API's validation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import contacts, credits, documents, items, payments, totals
from renkei.sandbox.books.fields import applied, flat_values
from renkei.sandbox.books.kinds import ID_KEYS, KINDS
from renkei.sandbox.books.stamps import money, number

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

_NATIVE = ("zcrm_account_id", "zcrm_contact_id", "zcrm_vendor_id")
_CURRENCY_KEYS = ("currency_id", "currency_code", "currency_symbol", "price_precision")


def seed(org: Organisation, kind: str, given: Iterable[dict[str, Any]]) -> list[str]:
    """Inserts records as they are given, missing keys filled in; returns their ids.

    Contacts: detail shape, addresses and persons may be partial. Items, invoices, estimates, sales orders: a given
    `total` stands where there are no line items. Payments: `invoices` lines need invoice_id and amount_applied; the
    invoices' payment_made and balance follow. Custom fields as `custom_fields` or as flat `cf_*` keys.
    """
    complete = {
        "contacts": _contact,
        "items": _item,
        "customerpayments": _payment,
    }
    made: list[tuple[str, Record]] = []
    for body in given:
        id = str(body.get(ID_KEYS[kind]) or org.world.new_id("books"))
        record = complete[kind](org, id, body) if kind in complete else _document(org, kind, id, body)
        record[ID_KEYS[kind]] = id
        made.append((id, record))
    org.table(kind).load(made)
    if kind in ("invoices", "customerpayments", "creditnotes"):
        _settle(org, kind, [record for _, record in made])
    return [id for id, _ in made]


def _base(org: Organisation, kind: str, blank: Record, body: dict[str, Any]) -> Record:
    record = {**blank, **{key: value for key, value in body.items() if not key.startswith("cf_")}}
    elements = [*(body.get("custom_fields") or ()), *flat_values(body)]
    record["custom_fields"] = applied(org.fields_of(kind), [], elements)
    if "last_modified_time" not in body and "created_time" in body:
        record["last_modified_time"] = body["created_time"]
    if "created_time" not in body and "last_modified_time" in body:
        record["created_time"] = body["last_modified_time"]
    return record


def _contact(org: Organisation, id: str, body: dict[str, Any]) -> Record:
    record = _base(org, "contacts", contacts.blank_contact(org, id), body)
    record["source"] = body.get("source", "user")
    _set_currency(org, record, body)
    for key in ("billing_address", "shipping_address"):
        record[key] = {**contacts.blank_address(org), **(body.get(key) or {})}
    record["addresses"] = [{**contacts.blank_address(org), **address} for address in body.get("addresses") or ()]
    record["contact_persons"] = contacts.seeded_persons(org, body.get("contact_persons") or ())
    if any(record.get(key) for key in _NATIVE) and "is_linked_with_zohocrm" not in body:
        record["is_linked_with_zohocrm"] = True
    return record


def _item(org: Organisation, id: str, body: dict[str, Any]) -> Record:
    record = _base(org, "items", items.blank_item(org, id), body)
    tax = org.taxes.get(str(record["tax_id"] or ""))
    if tax is not None:
        record.update({key: tax[key] for key in ("tax_name", "tax_percentage", "tax_type")})
    record["source"] = body.get("source", "user")
    return record


def _document(org: Organisation, kind: str, id: str, body: dict[str, Any]) -> Record:
    blank = documents.blank_document(org, kind, id)
    record = _base(org, kind, blank, body)
    party = KINDS[kind].party
    customer = org.table("contacts").records.get(str(body.get(f"{party}_id") or ""))
    if customer is not None:
        record[f"{party}_name"] = customer["contact_name"]
        if not record["contact_persons"]:
            persons = customer["contact_persons"]
            record["contact_persons"] = [one["contact_person_id"] for one in persons if one["is_primary_contact"]]
    _set_currency(org, record, {**({"currency_id": customer["currency_id"]} if customer else {}), **body})
    for key in ("billing_address", "shipping_address"):
        record[key] = {**blank[key], **(body.get(key) or {})}
    lines = body.get("line_items") or ()
    record["line_items"] = [documents.line_item(org, kind, line, n) for n, line in enumerate(lines, 1)]
    if lines:
        totals.add_up(record, org.precision(record["currency_id"]), org.tax_rounding)
    elif "sub_total" not in body:
        record["sub_total"] = number(money(record["total"]) - money(record["tax_total"]))
    if record.get("salesperson_name"):
        record["salesperson_id"] = org.salesperson_named(record["salesperson_name"])
    name, prefix = KINDS[kind].number, KINDS[kind].pattern.partition("{")[0]
    record[name] = record[name] or f"{prefix}{id[-6:]}"
    if kind == "invoices":
        _open_invoice(record, body)
    if kind == "creditnotes":
        invoices = org.table("invoices").records
        record["invoices"] = [
            credits.application(org, invoices[str(line["invoice_id"])], number(money(line["amount_applied"])))
            for line in body.get("invoices") or ()
        ]
        totals.settle_credit(record, org.precision(record["currency_id"]))
    return record


def _open_invoice(record: Record, body: dict[str, Any]) -> None:
    """A stored status is draft, void or an open one; what is paid follows from payment_made."""
    record["due_date"] = record["due_date"] or record["date"]
    total = money(record["total"])
    if "payment_made" not in body:
        if "balance" in body:
            record["payment_made"] = number(total - money(body["balance"]))
        elif record["status"] == "paid":
            record["payment_made"] = number(total)
    if record["status"] not in ("draft", "void"):
        record["status"] = "sent"


def _payment(org: Organisation, id: str, body: dict[str, Any]) -> Record:
    customer = org.table("contacts").records.get(str(body.get("customer_id") or ""))
    record = _base(org, "customerpayments", payments.blank_payment(org, id, customer), body)
    invoices = org.table("invoices").records
    record["invoices"] = [
        payments.application(org, invoices[str(line["invoice_id"])], number(money(line["amount_applied"])))
        for line in body.get("invoices") or ()
    ]
    if "amount" not in body:
        record["amount"] = number(sum((money(line["amount_applied"]) for line in record["invoices"]), money(0)))
    record["payment_number"] = record["payment_number"] or id[-6:]
    payments.settle_seeded_payment(org, record)
    return record


def _set_currency(org: Organisation, record: Record, body: dict[str, Any]) -> None:
    currency = org.currencies.get(str(body.get("currency_id") or ""))
    if currency is None and body.get("currency_code"):
        currency = org.currency_named(str(body["currency_code"]))
    if currency is None:
        currency = org.currencies[org.base_currency_id]
    record.update({key: currency[key] for key in _CURRENCY_KEYS if key in record})


def _settle(org: Organisation, kind: str, records: list[Record]) -> None:
    """Balances of the invoices and customers that the new records touch."""
    invoices = org.table("invoices")
    touched = {
        str(id)
        for record in records
        for id in ([record["invoice_id"]] if kind == "invoices" else [line["invoice_id"] for line in record["invoices"]])
    }
    for id in touched:
        org.settle_invoice(id)
    invoices.load((id, invoices.records[id]) for id in touched)
    for customer in {record["customer_id"] for record in records}:
        org.refresh_balances(customer)
