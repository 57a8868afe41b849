"""Invoices, estimates, sales orders, credit notes and purchase orders: what writing them does (books-v3.md 8 to 11)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors, history, orders, papers, totals
from renkei.sandbox.books.fields import applied
from renkei.sandbox.books.kinds import KINDS
from renkei.sandbox.books.stamps import day, money, number, rounded
from renkei.sandbox.books.values import checked_unique, flag, rows, text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

_TEXTS = {
    "reference_number": 100,
    "notes": 5000,
    "terms": 10000,
    "payment_terms_label": 200,
    "adjustment_description": 100,
    "zcrm_potential_id": 50,
    "zcrm_potential_name": 200,
}
_SOLD = {"salesperson_id": "", "salesperson_name": "", "zcrm_potential_id": "", "zcrm_potential_name": ""}
_DATES = ("date", "due_date", "expiry_date", "shipment_date", "delivery_date", "payment_expected_date")
_AMOUNTS = ("shipping_charge", "adjustment", "exchange_rate")
_FLAGS = ("is_inclusive_tax", "is_discount_before_tax", "allow_partial_payments")
_RETOTAL = ("line_items", "discount", "discount_type", "currency_id", *_AMOUNTS, *_FLAGS)
_TOTALS = ("sub_total", "discount_total", "taxes", "tax_total", "total", "line_items")
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
        "invoice_url": "",
        "estimate_id": "",
    },
    "estimates": {
        "expiry_date": "",
        "accepted_date": "",
        "declined_date": "",
        "is_viewed_by_client": False,
        "client_viewed_time": "",
    },
    "salesorders": {"shipment_date": "", "estimate_id": ""},
    "purchaseorders": {"delivery_date": ""},
    "creditnotes": {"balance": 0, "invoices": []},
}
WRITABLE = frozenset(
    (
        *_TEXTS,
        *_DATES,
        *_AMOUNTS,
        *_FLAGS,
        "payment_terms",
        "customer_id",
        "vendor_id",
        "currency_id",
        "discount",
        "discount_type",
        "line_items",
        "salesperson_id",
        "salesperson_name",
        "contact_persons",
        "contact_persons_associated",
        "template_id",
        "invoiced_estimate_id",
        "invoice_number",
        "estimate_number",
        "salesorder_number",
        "creditnote_number",
        "purchaseorder_number",
        "estimate_id",
        "custom_fields",
    )
)
_CLOSED = {
    "invoices": ("void",),
    "estimates": ("invoiced",),
    "salesorders": ("void", "closed"),
    "creditnotes": ("void",),
    "purchaseorders": ("billed", "cancelled"),
}
_ADDRESS = ("address", "street2", "city", "state", "zip", "country", "fax")


def blank_document(org: Organisation, kind: str, id: str) -> Record:
    """A document in draft with every key of the detail."""
    now = org.now()
    currency, found = org.currencies[org.base_currency_id], KINDS[kind]
    return {
        found.id_key: id,
        found.number: "",
        "status": "draft",
        "date": org.today().isoformat(),
        f"{found.party}_id": "",
        f"{found.party}_name": "",
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
        **(_SOLD if found.party == "customer" else {}),
        "billing_address": dict.fromkeys(_ADDRESS, ""),
        "shipping_address": dict.fromkeys(_ADDRESS, ""),
        "contact_persons": [],
        "template_id": org.templates[kind][0]["template_id"],
        "template_name": org.templates[kind][0]["template_name"],
        "notes": "",
        "terms": "",
        "custom_fields": [],
        "created_time": now,
        "created_by_id": org.acting["user_id"],
        "last_modified_time": now,
        **{key: list(value) if isinstance(value, list) else value for key, value in _SPECIFIC[kind].items()},
    }


def create_document(org: Organisation, kind: str, body: dict[str, Any], *, own_number: bool = True) -> Record:
    """POST of a document: a draft with its totals; BooksError refuses the body whole.

    `own_number`: the call may bring the document's number. An invoice is due by its own payment terms or else by its
    customer's, and makes the estimate of `invoiced_estimate_id` invoiced.
    """
    if not body.get("line_items"):
        raise errors.BooksError(400, 4016, "Please add at least one line item.")
    document = blank_document(org, kind, org.world.new_id("books"))
    party = f"{KINDS[kind].party}_id"
    if not body.get(party):
        raise errors.invalid(party)
    document.update(_changes(org, kind, document, body, own_number))
    if not document["contact_persons"]:
        document["contact_persons"] = _primary(org, document[party])
    if "exchange_rate" not in body and document["currency_id"] in org.exchange_rates:
        document["exchange_rate"] = org.exchange_rate(document["currency_id"], document["date"])
        document.update(_totals(org, document))
    name = KINDS[kind].number
    document[name] = document[name] or next_number(org, kind)
    estimate = _estimate_of(org, document, body) if kind == "invoices" else None
    if estimate is not None:
        document["estimate_id"] = estimate["estimate_id"]
    save(org, kind, document)
    history.note(org, kind, document, "Added")
    if estimate is not None and org.invoices_close_estimates:
        estimate.update(status="invoiced", last_modified_time=org.now())
        save(org, "estimates", estimate)
        history.note(org, "estimates", estimate, "Updated", "converted to an invoice")
    return document


def update_document(org: Organisation, kind: str, document: Record, body: dict[str, Any], *, own_number: bool = True) -> Record:
    """PUT: absent keys stay; a given line_items array replaces the lines. Refused for what is void or invoiced, and where an
    invoice or credit note would be less than is settled of it, or would change hands after that (unverified)."""
    status = org.status_of(kind, document)
    if status in _CLOSED[kind]:
        raise errors.illegal_move(status, "edited")
    party = f"{KINDS[kind].party}_id"
    before, lines = document[party], document["line_items"]
    changes = _changes(org, kind, document, body, own_number)
    settled = _settled(kind, document)
    if money(changes.get("total", document["total"])) < settled:
        raise errors.invalid("line_items")
    if settled and changes.get(party, before) != before:
        raise errors.invalid(party)
    document.update(changes, last_modified_time=org.now())
    save(org, kind, document)
    history.note(org, kind, document, "Updated")
    if kind == "invoices":
        orders.follow(org, lines)
    if document[party] != before:
        org.refresh_balances(before)
    return document


def delete_document(org: Organisation, kind: str, document: Record) -> None:
    """BooksError 36 for an invoice with a payment or credit, for an applied credit note, and for an invoiced sales order.
    The estimate that an invoice was made from is accepted again when no other is left (unverified)."""
    found = KINDS[kind]
    if _settled(kind, document) or (kind == "salesorders" and document["status"] in ("invoiced", "partially_invoiced")):
        raise errors.has_transactions(found.noun.lower(), 36)
    org.table(kind).remove(document[found.id_key])
    history.note(org, kind, document, "Deleted")
    org.refresh_balances(document[f"{found.party}_id"])
    if kind == "invoices":
        orders.follow(org, document["line_items"])
    estimate = org.table("estimates").records.get(document.get("estimate_id", "")) if kind == "invoices" else None
    left = org.table("invoices").find("estimate", estimate["estimate_id"]) if estimate is not None else ()
    if estimate is not None and estimate["status"] == "invoiced" and not left:
        estimate.update(status="accepted", last_modified_time=org.now())
        save(org, "estimates", estimate)


def _settled(kind: str, document: Record) -> Decimal:
    """What payments and credits took of an invoice, or invoices of a credit note."""
    if kind == "invoices":
        return money(document["payment_made"]) + money(document["credits_applied"])
    if kind == "creditnotes":
        return money(document["total"]) - money(document["balance"]) if document["invoices"] else Decimal(0)
    return Decimal(0)


def set_address(org: Organisation, kind: str, document: Record, which: str, body: dict[str, Any]) -> None:
    """PUT .../address/billing and /shipping: of this document alone; keys left out are empty."""
    document[f"{which}_address"] = {part: text(body.get(part), part, 500) for part in _ADDRESS}
    document["last_modified_time"] = org.now()
    save(org, kind, document)
    history.note(org, kind, document, "Updated")


def save(org: Organisation, kind: str, document: Record) -> None:
    """Stores a changed document; the balance and status of an invoice or credit note, and what its customer owes, follow."""
    id = document[KINDS[kind].id_key]
    table = org.table(kind)
    if kind == "creditnotes":
        totals.settle_credit(document, org.precision(document["currency_id"]))
    table.put(id, document)
    if kind == "invoices":
        org.settle_invoice(id)
        table.put(id, document)
        orders.follow(org, document["line_items"])
    if kind in ("invoices", "creditnotes"):
        org.refresh_balances(document["customer_id"])


def next_number(org: Organisation, kind: str) -> str:
    """The next free automatic number of a kind."""
    table, pattern = org.table(kind), KINDS[kind].pattern
    n = len(table.records) + 1
    while table.find("number", pattern.format(n)):
        n += 1
    return pattern.format(n)


def line_item(org: Organisation, kind: str, body: dict[str, Any], order: int) -> dict[str, Any]:
    """A line with its item's name, rate, unit and tax where the body says nothing."""
    item = org.table("items").records.get(str(body.get("item_id") or ""), {})
    if body.get("item_id") and not item:
        raise errors.bad_reference("Item")
    tax_id = str(body.get("tax_id", item.get("tax_id", "")) or "")
    tax = org.taxes.get(tax_id)
    if tax_id and tax is None:
        raise errors.bad_reference("Tax")
    usual = item.get("purchase_rate" if kind == "purchaseorders" else "rate", 0)
    rate = number(money(body.get("rate", usual), "rate"))
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
        **({"salesorder_item_id": _order_line(org, body)} if kind == "invoices" else {}),
    }


def _order_line(org: Organisation, body: dict[str, Any]) -> str:
    """The line of a sales order that an invoice's line invoices."""
    id = str(body.get("salesorder_item_id") or "")
    if id and not org.table("salesorders").find("line", id):
        raise errors.bad_reference("Sales Order")
    return id


def _changes(org: Organisation, kind: str, document: Record, body: dict[str, Any], own_number: bool) -> dict[str, Any]:
    """The keys that a body changes, checked; the document itself stays as it is."""
    changes: dict[str, Any] = {
        key: text(body[key], key, length) for key, length in _TEXTS.items() if key in body and key in document
    }
    changes.update({key: day(body[key], key) for key in _DATES if key in body and key in document})
    changes.update({key: number(money(body[key], key)) for key in _AMOUNTS if key in body})
    changes.update({key: flag(body[key], key) for key in _FLAGS if key in body and key in document})
    if f"{KINDS[kind].party}_id" in body:
        changes.update(_party(org, kind, document, body))
    currency_id = changes.get("currency_id", document["currency_id"])
    if body.get("currency_id") not in (None, "", currency_id):
        raise errors.invalid("currency_id")
    if "salesperson_id" in document:
        changes.update(_salesperson(org, body))
    if "estimate_id" in body and kind == "salesorders":
        changes["estimate_id"] = _estimate_id(org, str(body["estimate_id"] or ""), {**document, **changes})
    changes.update(_paper(org, kind, body))
    if "contact_persons" in body or "contact_persons_associated" in body:
        changes["contact_persons"] = _persons(org, kind, {**document, **changes}, body)
    if "discount" in body:
        totals.discount_of(body["discount"], money(0))
        changes["discount"] = body["discount"] or 0
    if "discount_type" in body:
        if body["discount_type"] not in ("entity_level", "item_level"):
            raise errors.invalid("discount_type")
        changes["discount_type"] = body["discount_type"]
    if "line_items" in body:
        lines = rows(body["line_items"], "line_items")
        changes["line_items"] = [line_item(org, kind, line, n) for n, line in enumerate(lines, 1)]
    changes.update(_own_number(org, kind, document, body, own_number))
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        changes["custom_fields"] = applied(org.fields_of(kind), document["custom_fields"], elements)
        checked_unique(org, kind, document[KINDS[kind].id_key], changes["custom_fields"])
    if "due_date" in document:
        changes.update(_due(document, changes, body))
    if any(key in changes for key in _RETOTAL):
        changes.update(_totals(org, {**document, **changes}))
    return changes


def _totals(org: Organisation, document: Record) -> dict[str, Any]:
    base = org.precision(org.base_currency_id)
    lines = [dict(line) for line in document["line_items"]]
    for line in lines:
        line["bcy_rate"] = number(rounded(money(line["rate"]) * money(document["exchange_rate"]), base))
    totalled = {**document, "line_items": lines}
    totals.add_up(totalled, org.precision(document["currency_id"]), org.tax_rounding)
    return {key: totalled[key] for key in _TOTALS}


def _party(org: Organisation, kind: str, document: Record, body: dict[str, Any]) -> dict[str, Any]:
    """What a document takes from its customer or vendor: name, currency, addresses, terms."""
    party = KINDS[kind].party
    contact = org.table("contacts").records.get(str(body[f"{party}_id"]))
    if contact is None or contact["contact_type"] != party:
        raise errors.bad_reference(party.capitalize())
    currency = org.currencies[contact["currency_id"]]
    terms: dict[str, Any] = {
        key: contact[key] for key in ("payment_terms", "payment_terms_label") if key in document and key not in body
    }
    addresses = {key: {part: contact[key][part] for part in _ADDRESS} for key in ("billing_address", "shipping_address")}
    return {
        f"{party}_id": contact["contact_id"],
        f"{party}_name": contact["contact_name"],
        **{key: currency[key] for key in ("currency_id", "currency_code", "currency_symbol", "price_precision")},
        **({**addresses, **terms} if contact["contact_id"] != document[f"{party}_id"] else {}),
    }


def _salesperson(org: Organisation, body: dict[str, Any]) -> dict[str, Any]:
    """A salesperson by id, or by name: a new name is a new salesperson."""
    if body.get("salesperson_id"):
        id = str(body["salesperson_id"])
        if id not in org.salespersons:
            raise errors.bad_reference("Salesperson")
        return {"salesperson_id": id, "salesperson_name": org.salespersons[id]}
    if "salesperson_name" not in body and "salesperson_id" not in body:
        return {}
    name = text(body.get("salesperson_name"), "salesperson_name", 200)
    return {"salesperson_id": org.salesperson_named(name) if name else "", "salesperson_name": name}


def _paper(org: Organisation, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    if not body.get("template_id"):
        return {}
    found = papers.template(org, kind, str(body["template_id"]))
    if found is None:
        raise errors.bad_reference("Template")
    return {"template_id": found["template_id"], "template_name": found["template_name"]}


def _persons(org: Organisation, kind: str, document: Record, body: dict[str, Any]) -> list[str]:
    """The ids of the contact persons that a body associates, in either of its two forms."""
    if "contact_persons_associated" in body:
        given = [row.get("contact_person_id") for row in rows(body["contact_persons_associated"], "contact_persons_associated")]
    else:
        given = body["contact_persons"]
    if not isinstance(given, list):
        raise errors.invalid("contact_persons")
    contact = org.table("contacts").records[document[f"{KINDS[kind].party}_id"]]
    known = {person["contact_person_id"] for person in contact["contact_persons"]}
    ids = [str(id) for id in given]
    if not known.issuperset(ids):
        raise errors.bad_reference("Contact person")
    return ids


def _primary(org: Organisation, contact_id: str) -> list[str]:
    persons = org.table("contacts").records[contact_id]["contact_persons"]
    return [person["contact_person_id"] for person in persons if person["is_primary_contact"]]


def _due(document: Record, changes: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Payment terms and the due date that follows from them, unless the body gives one."""
    found: dict[str, Any] = {}
    if "payment_terms" in body:
        found["payment_terms"] = int(money(body["payment_terms"], "payment_terms"))
        usual = f"Net {found['payment_terms']}" if found["payment_terms"] else "Due on Receipt"
        found["payment_terms_label"] = body.get("payment_terms_label") or usual
    merged = {**document, **changes, **found}
    moved = "payment_terms" in found or "payment_terms" in changes or not merged["due_date"]
    if moved and not changes.get("due_date"):
        due = date.fromisoformat(merged["date"]) + timedelta(days=merged["payment_terms"])
        found["due_date"] = due.isoformat()
    return found


def _own_number(org: Organisation, kind: str, document: Record, body: dict[str, Any], allowed: bool) -> dict[str, Any]:
    """A number that the body gives: only where the call says that automatic numbers are not wanted (code unverified)."""
    name = KINDS[kind].number
    if not body.get(name) or body[name] == document[name]:
        return {}
    if not allowed:
        raise errors.invalid(name)
    value = text(body[name], name, 100)
    if any(id != document[KINDS[kind].id_key] for id in org.table(kind).find("number", value)):
        raise errors.already_exists(KINDS[kind].noun, value)
    return {name: value}


def _estimate_of(org: Organisation, invoice: Record, body: dict[str, Any]) -> Record | None:
    id = _estimate_id(org, str(body.get("invoiced_estimate_id") or ""), invoice)
    return org.table("estimates").records[id] if id else None


def _estimate_id(org: Organisation, id: str, document: Record) -> str:
    """The id of an estimate of the document's own customer; empty stays empty."""
    estimate = org.table("estimates").records.get(id)
    if id and (estimate is None or estimate["customer_id"] != document["customer_id"]):
        raise errors.bad_reference("Estimate")
    return id
