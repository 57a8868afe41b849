"""Invoices, estimates, sales orders and customer payments: what writing them does (books-v3.md 8 to 11)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors, totals
from renkei.sandbox.books.fields import applied
from renkei.sandbox.books.organisation import ID_KEYS
from renkei.sandbox.books.stamps import day, money, number, rounded
from renkei.sandbox.books.values import checked_unique, flag, rows, text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

NOUNS = {
    "contacts": "Contact",
    "items": "Item",
    "invoices": "Invoice",
    "customerpayments": "Payment",
    "estimates": "Estimate",
    "salesorders": "Sales Order",
}
_NUMBERS = {
    "invoices": ("invoice_number", "INV-{:05d}"),
    "estimates": ("estimate_number", "EST-{:05d}"),
    "salesorders": ("salesorder_number", "SO-{:05d}"),
    "customerpayments": ("payment_number", "{}"),
}
_TEXTS = {
    "reference_number": 100,
    "notes": 5000,
    "terms": 10000,
    "payment_terms_label": 200,
    "salesperson_id": 50,
    "salesperson_name": 200,
    "adjustment_description": 100,
    "zcrm_potential_id": 50,
    "zcrm_potential_name": 200,
}
_DATES = ("date", "due_date", "expiry_date", "shipment_date", "payment_expected_date")
_AMOUNTS = ("shipping_charge", "adjustment", "exchange_rate")
_FLAGS = ("is_inclusive_tax", "is_discount_before_tax", "allow_partial_payments")
_RETOTAL = ("line_items", "discount", "discount_type", "currency_id", *_AMOUNTS, *_FLAGS)
_SPECIFIC: dict[str, dict[str, Any]] = {
    "invoices": {
        "due_date": "",
        "payment_terms": 0,
        "payment_terms_label": "Due on Receipt",
        "payment_expected_date": "",
        "last_payment_date": "",
        "payment_made": 0,
        "credits_applied": 0,
        "tax_amount_withheld": 0,
        "write_off_amount": 0,
        "balance": 0,
        "reminders_sent": 0,
        "last_reminder_sent_date": "",
        "is_viewed_by_client": False,
        "client_viewed_time": "",
        "allow_partial_payments": False,
        "template_id": "460000000000143",
        "contact_persons": [],
        "invoice_url": "",
    },
    "estimates": {"expiry_date": "", "accepted_date": "", "declined_date": ""},
    "salesorders": {"shipment_date": "", "invoiced_status": "not_invoiced", "order_status": "draft"},
}
WRITABLE = frozenset(
    (
        *_TEXTS,
        *_DATES,
        *_AMOUNTS,
        *_FLAGS,
        "payment_terms",
        "customer_id",
        "discount",
        "discount_type",
        "line_items",
        "invoice_number",
        "estimate_number",
        "salesorder_number",
        "custom_fields",
    )
)
PAYMENT_WRITABLE = frozenset(("date", "reference_number", "description", "custom_fields"))
_MODES = ("check", "cash", "creditcard", "banktransfer", "bankremittance", "autotransaction", "others")


def blank_document(org: Organisation, kind: str, id: str) -> Record:
    """An invoice, estimate or sales order in draft with every key of the detail."""
    now = org.now()
    currency = org.currencies[org.base_currency_id]
    address = {"address": "", "street2": "", "city": "", "state": "", "zip": "", "country": "", "fax": ""}
    return {
        ID_KEYS[kind]: id,
        _NUMBERS[kind][0]: "",
        "status": "draft",
        "date": org.today().isoformat(),
        "customer_id": "",
        "customer_name": "",
        "reference_number": "",
        "currency_id": currency["currency_id"],
        "currency_code": currency["currency_code"],
        "currency_symbol": currency["currency_symbol"],
        "price_precision": currency["price_precision"],
        "exchange_rate": 1,
        "is_inclusive_tax": False,
        "is_discount_before_tax": True,
        "discount": 0,
        "discount_type": "entity_level",
        "discount_total": 0,
        "line_items": [],
        "taxes": [],
        "sub_total": 0,
        "tax_total": 0,
        "shipping_charge": 0,
        "adjustment": 0,
        "adjustment_description": "",
        "total": 0,
        "is_emailed": False,
        "salesperson_id": "",
        "salesperson_name": "",
        "zcrm_potential_id": "",
        "zcrm_potential_name": "",
        "billing_address": address,
        "shipping_address": dict(address),
        "notes": "",
        "terms": "",
        "custom_fields": [],
        "created_time": now,
        "last_modified_time": now,
        **{key: list(value) if isinstance(value, list) else value for key, value in _SPECIFIC[kind].items()},
    }


def create_document(org: Organisation, kind: str, body: dict[str, Any]) -> Record:
    """POST /invoices (and, for people and seeds, estimates and sales orders): a draft with its totals."""
    if not body.get("line_items"):
        raise errors.BooksError(400, 4016, "Please add at least one line item.")
    document = blank_document(org, kind, org.world.new_id("books"))
    if not body.get("customer_id"):
        raise errors.invalid("customer_id")
    document.update(_changes(org, kind, document, body))
    name, pattern = _NUMBERS[kind]
    document[name] = document[name] or next_number(org, kind, pattern)
    if kind == "invoices" and not document["due_date"]:
        terms = timedelta(days=document["payment_terms"])
        document["due_date"] = (date.fromisoformat(document["date"]) + terms).isoformat()
    _save(org, kind, document)
    return document


def update_document(org: Organisation, kind: str, document: Record, body: dict[str, Any]) -> Record:
    """PUT: absent keys stay; a given line_items array replaces the lines. Void invoices are refused."""
    if kind == "invoices" and document["status"] == "void":
        raise illegal_move(document["status"], "edited")
    before = document["customer_id"]
    document.update(_changes(org, kind, document, body), last_modified_time=org.now())
    _save(org, kind, document)
    if document["customer_id"] != before:
        org.refresh_balances(before)
    return document


def delete_document(org: Organisation, kind: str, document: Record) -> None:
    """BooksError 36 for an invoice with a payment or credit, and for an invoiced sales order."""
    id = document[ID_KEYS[kind]]
    paid = kind == "invoices" and (money(document["payment_made"]) or money(document["credits_applied"]))
    if paid or (kind == "salesorders" and document["status"] in ("invoiced", "partially_invoiced")):
        raise errors.has_transactions(NOUNS[kind].lower(), 36)
    org.table(kind).remove(id)
    org.refresh_balances(document["customer_id"])


def mark_sent(org: Organisation, invoice: Record) -> None:
    """draft to sent (or overdue, or paid when nothing is to pay)."""
    _move(org, invoice, ("draft",), "sent")


def mark_void(org: Organisation, invoice: Record) -> None:
    """To void; applied payments and credits are released to the customer (books-v3.md 10.2)."""
    _require(org, invoice, ("draft", "sent", "overdue", "partially_paid", "paid"), "void")
    payments = org.table("customerpayments")
    for id in sorted(payments.find("invoice", invoice["invoice_id"])):
        payment = payments.records[id]
        payment["invoices"] = [line for line in payment["invoices"] if line["invoice_id"] != invoice["invoice_id"]]
        payment["last_modified_time"] = org.now()
        _settle_payment(org, payment)
        payments.put(id, payment)
    invoice.update(payment_made=0, credits_applied=0, last_payment_date="", status="void")
    invoice["last_modified_time"] = org.now()
    _save(org, "invoices", invoice)


def mark_draft(org: Organisation, invoice: Record) -> None:
    """void to draft."""
    _move(org, invoice, ("void",), "draft")


def write_off(org: Organisation, invoice: Record) -> None:
    """sent or overdue to paid, the open balance as write_off_amount (unverified)."""
    _require(org, invoice, ("sent", "overdue", "partially_paid"), "written off")
    invoice["write_off_amount"] = number(money(invoice["write_off_amount"]) + money(invoice["balance"]))
    invoice["last_modified_time"] = org.now()
    _save(org, "invoices", invoice)


def create_payment(org: Organisation, body: dict[str, Any]) -> Record:
    """POST /customerpayments: applies amounts to invoices, the rest stays the customer's unused credit."""
    customer = org.table("contacts").records.get(str(body.get("customer_id") or ""))
    if customer is None:
        raise errors.bad_reference("Customer")
    if body.get("payment_mode") not in _MODES:
        raise errors.invalid("payment_mode")
    payment = blank_payment(org, org.world.new_id("books"), customer)
    payment["payment_mode"] = body["payment_mode"]
    payment["amount"] = number(money(body.get("amount"), "amount"))
    payment["date"] = day(body.get("date"), "date") or org.today().isoformat()
    payment["reference_number"] = text(body.get("reference_number"), "reference_number", 100)
    payment["description"] = text(body.get("description"), "description", 500)
    payment["exchange_rate"] = number(money(body.get("exchange_rate", 1), "exchange_rate"))
    payment["payment_number"] = next_number(org, "customerpayments", _NUMBERS["customerpayments"][1])
    payment["invoices"] = _applications(org, payment, rows(body.get("invoices", []), "invoices"))
    _settle_payment(org, payment)
    if money(payment["unused_amount"]) < 0:
        raise errors.invalid("amount_applied")
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        payment["custom_fields"] = applied(org.fields_of("customerpayments"), [], elements)
    org.table("customerpayments").put(payment["payment_id"], payment)
    _settle_invoices(org, payment)
    return payment


def blank_payment(org: Organisation, id: str, customer: Record | None) -> Record:
    now = org.now()
    currency = org.currencies[customer["currency_id"] if customer else org.base_currency_id]
    return {
        "payment_id": id,
        "payment_number": "",
        "payment_mode": "banktransfer",
        "amount": 0,
        "bcy_amount": 0,
        "unused_amount": 0,
        "amount_refunded": 0,
        "bank_charges": 0,
        "date": org.today().isoformat(),
        "status": "success",
        "reference_number": "",
        "description": "",
        "customer_id": customer["contact_id"] if customer else "",
        "customer_name": customer["contact_name"] if customer else "",
        "exchange_rate": 1,
        "currency_id": currency["currency_id"],
        "currency_code": currency["currency_code"],
        "currency_symbol": currency["currency_symbol"],
        "invoices": [],
        "custom_fields": [],
        "created_time": now,
        "last_modified_time": now,
    }


def update_payment(org: Organisation, payment: Record, body: dict[str, Any]) -> Record:
    """Date, reference, description and custom fields of a payment."""
    changes: dict[str, Any] = {key: text(body[key], key, 500) for key in ("reference_number", "description") if key in body}
    if "date" in body:
        changes["date"] = day(body["date"], "date")
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        changes["custom_fields"] = applied(org.fields_of("customerpayments"), payment["custom_fields"], elements)
    payment.update(changes, last_modified_time=org.now())
    org.table("customerpayments").put(payment["payment_id"], payment)
    _settle_invoices(org, payment)
    return payment


def unapply(org: Organisation, invoice: Record, invoice_payment_id: str) -> None:
    """Takes a payment off an invoice; the amount stays as the customer's unused credit."""
    payments = org.table("customerpayments")
    for id in sorted(payments.find("invoice", invoice["invoice_id"])):
        payment = payments.records[id]
        kept = [line for line in payment["invoices"] if line["invoice_payment_id"] != invoice_payment_id]
        if len(kept) < len(payment["invoices"]):
            payment.update(invoices=kept, last_modified_time=org.now())
            _settle_payment(org, payment)
            payments.put(id, payment)
            invoice.update(payment_made=0, last_payment_date="", last_modified_time=org.now())
            _save(org, "invoices", invoice)
            return
    raise errors.not_found("Payment")


def delete_payment(org: Organisation, payment: Record) -> None:
    """The payment goes; its invoices are open again."""
    org.table("customerpayments").remove(payment["payment_id"])
    for line in payment["invoices"]:
        invoice = org.table("invoices").records.get(line["invoice_id"])
        if invoice is not None:
            invoice.update(payment_made=0, last_payment_date="")
    _settle_invoices(org, payment)


def settle_seeded_payment(org: Organisation, payment: Record) -> None:
    """The amounts that follow from a payment's own figures."""
    _settle_payment(org, payment)


def next_number(org: Organisation, kind: str, pattern: str) -> str:
    """The next free automatic number of a kind."""
    table = org.table(kind)
    n = len(table.records) + 1
    while table.find("number", pattern.format(n)):
        n += 1
    return pattern.format(n)


def line_item(org: Organisation, body: dict[str, Any], order: int) -> dict[str, Any]:
    """A line with its item's name, rate, unit and tax where the body says nothing."""
    item = org.table("items").records.get(str(body.get("item_id") or ""), {})
    if body.get("item_id") and not item:
        raise errors.bad_reference("Item")
    tax_id = str(body.get("tax_id", item.get("tax_id", "")) or "")
    tax = org.taxes.get(tax_id)
    if tax_id and tax is None:
        raise errors.bad_reference("Tax")
    rate = number(money(body.get("rate", item.get("rate", 0)), "rate"))
    return {
        "line_item_id": str(body.get("line_item_id") or org.world.new_id("books")),
        "item_id": item.get("item_id", ""),
        "name": text(body.get("name") or item.get("name", ""), "name", 200),
        "description": text(body.get("description", item.get("description", "")), "description", 2000),
        "item_order": int(body.get("item_order") or order),
        "rate": rate,
        "bcy_rate": rate,
        "quantity": number(money(body.get("quantity", 1), "quantity")),
        "unit": text(body.get("unit", item.get("unit", "")), "unit", 100),
        "discount": body.get("discount", 0) or 0,
        "discount_amount": 0,
        "tax_id": tax_id,
        "tax_name": tax["tax_name"] if tax else "",
        "tax_type": "tax" if tax else "",
        "tax_percentage": tax["tax_percentage"] if tax else 0,
        "item_total": 0,
    }


def illegal_move(status: str, wanted: str) -> errors.BooksError:
    """A status transition that the vendor refuses (code and wording unverified)."""
    return errors.BooksError(400, 4, f"A document in status {status} cannot be {wanted}.")


def _changes(org: Organisation, kind: str, document: Record, body: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {
        key: text(body[key], key, length) for key, length in _TEXTS.items() if key in body and key in document
    }
    changes.update({key: day(body[key], key) for key in _DATES if key in body and key in document})
    changes.update({key: number(money(body[key], key)) for key in _AMOUNTS if key in body})
    changes.update({key: flag(body[key], key) for key in _FLAGS if key in body and key in document})
    if "payment_terms" in body and "payment_terms" in document:
        changes["payment_terms"] = int(money(body["payment_terms"], "payment_terms"))
    if "customer_id" in body:
        changes.update(_customer(org, body))
    if "discount" in body:
        totals.discount_of(body["discount"], money(0))
        changes["discount"] = body["discount"] or 0
    if "discount_type" in body:
        if body["discount_type"] not in ("entity_level", "item_level"):
            raise errors.invalid("discount_type")
        changes["discount_type"] = body["discount_type"]
    if "line_items" in body:
        lines = rows(body["line_items"], "line_items")
        changes["line_items"] = [line_item(org, line, n) for n, line in enumerate(lines, 1)]
    changes.update(_own_number(org, kind, document, body))
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        changes["custom_fields"] = applied(org.fields_of(kind), document["custom_fields"], elements)
        checked_unique(org, kind, document[ID_KEYS[kind]], changes["custom_fields"])
    if any(key in changes for key in _RETOTAL):
        totalled = {**document, **changes}
        totals.add_up(totalled, org.precision(totalled["currency_id"]))
        changes.update({key: totalled[key] for key in ("sub_total", "discount_total", "taxes", "tax_total", "total")})
    return changes


def _customer(org: Organisation, body: dict[str, Any]) -> dict[str, Any]:
    customer = org.table("contacts").records.get(str(body["customer_id"]))
    if customer is None or customer["contact_type"] != "customer":
        raise errors.bad_reference("Customer")
    currency = org.currencies[customer["currency_id"]]
    return {
        "customer_id": customer["contact_id"],
        "customer_name": customer["contact_name"],
        **{key: currency[key] for key in ("currency_id", "currency_code", "currency_symbol", "price_precision")},
    }


def _own_number(org: Organisation, kind: str, document: Record, body: dict[str, Any]) -> dict[str, Any]:
    name = _NUMBERS[kind][0]
    if not body.get(name):
        return {}
    value = text(body[name], name, 100)
    if any(id != document[ID_KEYS[kind]] for id in org.table(kind).find("number", value)):
        raise errors.already_exists(NOUNS[kind], value)
    return {name: value}


def _save(org: Organisation, kind: str, document: Record) -> None:
    id = document[ID_KEYS[kind]]
    table = org.table(kind)
    table.put(id, document)
    if kind == "invoices":
        org.settle_invoice(id)
        table.put(id, document)
        org.refresh_balances(document["customer_id"])


def _require(org: Organisation, invoice: Record, allowed: tuple[str, ...], wanted: str) -> None:
    status = totals.invoice_status(invoice, org.today())
    if status not in allowed:
        raise illegal_move(status, wanted)


def _move(org: Organisation, invoice: Record, allowed: tuple[str, ...], to: str) -> None:
    _require(org, invoice, allowed, to)
    invoice.update(status=to, last_modified_time=org.now())
    _save(org, "invoices", invoice)


def _applications(org: Organisation, payment: Record, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lines = []
    for body in given:
        invoice = org.table("invoices").records.get(str(body.get("invoice_id") or ""))
        if invoice is None or invoice["customer_id"] != payment["customer_id"]:
            raise errors.bad_reference("Invoice")
        amount = money(body.get("amount_applied"), "amount_applied")
        if totals.invoice_status(invoice, org.today()) in ("draft", "void") or amount > money(invoice["balance"]):
            raise errors.invalid("amount_applied")
        lines.append(application(org, invoice, number(amount)))
    return lines


def application(org: Organisation, invoice: Record, amount: int | float) -> dict[str, Any]:
    """The element of a payment's `invoices` for an amount applied."""
    return {
        "invoice_payment_id": org.world.new_id("books"),
        "invoice_id": invoice["invoice_id"],
        "invoice_number": invoice["invoice_number"],
        "date": invoice["date"],
        "invoice_amount": invoice["total"],
        "amount_applied": amount,
        "balance_amount": invoice["balance"],
    }


def _settle_payment(org: Organisation, payment: Record) -> None:
    applied_sum = sum((money(line["amount_applied"]) for line in payment["invoices"]), money(0))
    payment["unused_amount"] = number(money(payment["amount"]) - applied_sum - money(payment["amount_refunded"]))
    base = money(payment["amount"]) * money(payment["exchange_rate"])
    payment["bcy_amount"] = number(rounded(base, org.precision(org.base_currency_id)))


def _settle_invoices(org: Organisation, payment: Record) -> None:
    invoices = org.table("invoices")
    for line in payment["invoices"]:
        invoice = invoices.records.get(line["invoice_id"])
        if invoice is None:
            continue
        if org.payments_touch_invoices:
            invoice["last_modified_time"] = org.now()
        org.settle_invoice(line["invoice_id"])
        invoices.put(line["invoice_id"], invoice)
    org.refresh_balances(payment["customer_id"])
