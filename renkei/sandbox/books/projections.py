"""List rows and details made from the raw records (books-v3.md 6.3, 7, 10.2). Raw records are detail-shaped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import totals
from renkei.sandbox.books.fields import hash_of
from renkei.sandbox.books.kinds import KINDS
from renkei.sandbox.books.stamps import money, number, rounded

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

PERSON_ON_ROW = ("first_name", "last_name", "email", "phone", "mobile")
_CONTACT_ROW = (
    "contact_id",
    "contact_name",
    "company_name",
    "website",
    "language_code",
    "contact_type",
    "status",
    "customer_sub_type",
    "source",
    "is_linked_with_zohocrm",
    "payment_terms",
    "payment_terms_label",
    "currency_id",
    "currency_code",
    "outstanding_receivable_amount",
    "unused_credits_receivable_amount",
    "portal_status",
    "created_time",
    "last_modified_time",
)
_DETAIL_HIDES = {"addresses", "source"}
_TEMPLATES = (
    "invoice_template_id",
    "estimate_template_id",
    "creditnote_template_id",
    "salesorder_template_id",
    "invoice_email_template_id",
    "estimate_email_template_id",
    "creditnote_email_template_id",
    "salesorder_email_template_id",
)
_INVOICE_ROW = (
    "invoice_id",
    "customer_name",
    "customer_id",
    "invoice_number",
    "reference_number",
    "date",
    "due_date",
    "currency_id",
    "currency_code",
    "is_viewed_by_client",
    "client_viewed_time",
    "total",
    "balance",
    "created_time",
    "last_modified_time",
    "is_emailed",
    "reminders_sent",
    "last_reminder_sent_date",
    "payment_expected_date",
    "last_payment_date",
    "salesperson_id",
    "salesperson_name",
    "shipping_charge",
    "adjustment",
    "write_off_amount",
    "exchange_rate",
    "zcrm_potential_id",
    "zcrm_potential_name",
)
_ORDER_ROW = (
    "status",
    "reference_number",
    "date",
    "currency_id",
    "currency_code",
    "total",
    "created_time",
    "last_modified_time",
    "is_emailed",
    "salesperson_id",
    "salesperson_name",
    "zcrm_potential_id",
    "zcrm_potential_name",
)
_ROW_EXTRA = {
    "estimates": (
        "estimate_id",
        "estimate_number",
        "expiry_date",
        "accepted_date",
        "declined_date",
        "is_viewed_by_client",
        "client_viewed_time",
    ),
    "salesorders": ("salesorder_id", "salesorder_number", "shipment_date", "sub_total"),
    "purchaseorders": ("purchaseorder_id", "purchaseorder_number", "delivery_date", "price_precision"),
    "creditnotes": ("creditnote_id", "creditnote_number", "balance"),
}


def primary(contact: Record) -> dict[str, Any]:
    """The primary contact person; empty when the contact has no person."""
    for person in contact["contact_persons"]:
        if person["is_primary_contact"]:
            return dict(person)
    return {}


def with_flat_fields(row: Record, elements: list[dict[str, Any]]) -> Record:
    """Adds the three list shapes of custom fields: elements, hash and flat `cf_*` keys."""
    hashed = hash_of(elements)
    row["custom_fields"] = elements
    row["custom_field_hash"] = hashed
    row.update(hashed)
    return row


def contact_row(contact: Record) -> Record:
    """A contact in a list: no addresses, no persons, no notes; the primary person's own fields on top."""
    row = {key: contact[key] for key in _CONTACT_ROW}
    person = primary(contact)
    for key in PERSON_ON_ROW:
        row[key] = person.get(key, "")
    row["customer_name" if contact["contact_type"] == "customer" else "vendor_name"] = contact["contact_name"]
    row["outstanding_receivable_amount_bcy"] = contact["outstanding_receivable_amount_bcy"]
    row["unused_credits_receivable_amount_bcy"] = contact["unused_credits_receivable_amount_bcy"]
    row["outstanding_payable_amount"] = row["unused_credits_payable_amount"] = 0
    row["outstanding_receivable_amount_formatted"] = f"{contact['outstanding_receivable_amount']:,}"
    row["created_time_formatted"] = contact["created_time"][:10].replace("-", "/")
    row["last_modified_time_formatted"] = contact["last_modified_time"][:10].replace("-", "/")
    row["has_attachment"] = row["ach_supported"] = False
    row["gst_no"] = contact.get("gst_no", "")
    row["gst_treatment"] = contact.get("gst_treatment", "")
    row["place_of_contact"] = contact.get("place_of_contact", "")
    return with_flat_fields(row, contact["custom_fields"])


def contact_detail(org: Organisation, contact: Record) -> Record:
    """A contact by id: everything but flat `cf_*` keys and top-level names of the primary person."""
    detail = {key: value for key, value in contact.items() if key not in _DETAIL_HIDES}
    currency = org.currencies[contact["currency_id"]]
    detail["custom_field_hash"] = hash_of(contact["custom_fields"])
    detail["has_transaction"] = org.has_transactions(contact["contact_id"])
    detail["currency_symbol"] = currency["currency_symbol"]
    detail["price_precision"] = currency["price_precision"]
    detail["primary_contact_id"] = primary(contact).get("contact_person_id", "")
    detail["default_templates"] = dict.fromkeys(_TEMPLATES, "")
    detail["lock_details"] = {}
    detail["cards"], detail["tags"], detail["documents"] = [], [], []
    return detail


def item_detail(item: Record) -> Record:
    """An item by id, and each element of /itemdetails."""
    return {**item, "custom_field_hash": hash_of(item["custom_fields"])}


def item_row(item: Record) -> Record:
    """An item in a list: the vendor's live rows carry nearly the whole record."""
    row = {**item, "item_name": item["name"], "has_attachment": False}
    return with_flat_fields(row, item["custom_fields"])


def invoice_row(org: Organisation, invoice: Record) -> Record:
    """An invoice in a list, its status as of the organisation's today."""
    row = {key: invoice[key] for key in _INVOICE_ROW}
    row["status"] = org.status_of("invoices", invoice)
    row["due_days"] = org.due_days(invoice)
    row["has_attachment"] = row["ach_payment_initiated"] = False
    row["documents"] = row["schedule_time"] = row["color_code"] = ""
    row["current_sub_status"] = row["status"]
    row["billing_address"] = _with_zipcode(invoice["billing_address"])
    row["shipping_address"] = _with_zipcode(invoice["shipping_address"])
    return with_flat_fields(row, invoice["custom_fields"])


def invoice_detail(org: Organisation, invoice: Record) -> Record:
    """An invoice by id, its status as of the organisation's today."""
    detail = {**invoice, "status": org.status_of("invoices", invoice)}
    detail["current_sub_status"] = detail["status"]
    detail["contact_persons_associated"] = _associated(org, "customer_id", invoice)
    detail["custom_field_hash"] = hash_of(invoice["custom_fields"])
    detail["has_attachment"] = detail["ach_payment_initiated"] = False
    return detail


def order_row(org: Organisation, kind: str, document: Record) -> Record:
    """A document other than an invoice in a list, its status as of the organisation's today."""
    party = KINDS[kind].party
    row = {key: document[key] for key in (f"{party}_id", f"{party}_name", *_ROW_EXTRA[kind], *_ORDER_ROW) if key in document}
    row["status"] = row["current_sub_status"] = org.status_of(kind, document)
    if kind == "salesorders":
        row.update(_order_statuses(org, document, row["status"]))
        row["shipment_days"] = totals.days_until(document["shipment_date"], org.today())
    row["has_attachment"] = False
    return with_flat_fields(row, document["custom_fields"])


def order_detail(org: Organisation, kind: str, document: Record) -> Record:
    """A document other than an invoice by id, its status as of the organisation's today."""
    status = org.status_of(kind, document)
    return {
        **document,
        "status": status,
        "current_sub_status": status,
        "contact_persons_associated": _associated(org, f"{KINDS[kind].party}_id", document),
        "custom_field_hash": hash_of(document["custom_fields"]),
        **(_order_statuses(org, document, status) if kind == "salesorders" else {}),
    }


def _order_statuses(org: Organisation, order: Record, status: str) -> Record:
    """The further statuses of a sales order, and its total in the base currency."""
    invoiced = status if status in ("invoiced", "partially_invoiced") else "not_invoiced"
    base = money(order["total"]) * money(order["exchange_rate"])
    return {
        "order_status": status,
        "invoiced_status": invoiced,
        "bcy_total": number(rounded(base, org.precision(org.base_currency_id))),
    }


def _associated(org: Organisation, party: str, document: Record) -> list[Record]:
    """The contact persons of a document, as their contact has them now."""
    contact = org.tables["contacts"].records.get(document[party])
    return [
        {
            "contact_person_id": person["contact_person_id"],
            "contact_person_name": f"{person['first_name']} {person['last_name']}".strip(),
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "contact_person_email": person["email"],
            "phone": person["phone"],
            "mobile": person["mobile"],
            "communication_preference": {"is_email_enabled": True, **person["communication_preference"]},
        }
        for person in (contact["contact_persons"] if contact else ())
        if person["contact_person_id"] in document["contact_persons"]
    ]


def payment_row(payment: Record) -> Record:
    """A customer payment in a list; `invoice_number` names its invoices, joined by commas."""
    row = {key: value for key, value in payment.items() if key not in ("invoices", "custom_fields")}
    row["invoice_number"] = ", ".join(line["invoice_number"] for line in payment["invoices"])
    row["bcy_amount"] = payment["bcy_amount"]
    return with_flat_fields(row, payment["custom_fields"])


def payment_detail(org: Organisation, payment: Record) -> Record:
    """A customer payment by id; each invoice with its balance of now."""
    invoices = org.tables["invoices"].records
    lines = []
    for line in payment["invoices"]:
        invoice = invoices.get(line["invoice_id"])
        lines.append(line if invoice is None else {**line, "balance_amount": invoice["balance"]})
    return {**payment, "invoices": lines, "custom_field_hash": hash_of(payment["custom_fields"])}


def _with_zipcode(address: dict[str, Any]) -> dict[str, Any]:
    """Live list rows spell the postcode `zipcode`, details `zip`."""
    return {("zipcode" if key == "zip" else key): value for key, value in address.items()}


def detail(org: Organisation, kind: str, record: Record) -> Record:
    """A record of any kind as GET by id answers it."""
    if kind == "contacts":
        return contact_detail(org, record)
    if kind == "items":
        return item_detail(record)
    if kind == "invoices":
        return invoice_detail(org, record)
    return payment_detail(org, record) if kind == "customerpayments" else order_detail(org, kind, record)
