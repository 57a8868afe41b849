"""What may stand in the columns of a folder seed: names, kinds of values, and how a cell becomes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books.stamps import stamp

if TYPE_CHECKING:
    from renkei.sandbox.crm.fields import Field
    from renkei.sandbox.world import World

Shape = dict[str, Any]
"""Column name -> kind of value; a dict for a nested object, a list of one dict for a list of objects. The kinds in
REFERENCES name the file that a `ref` points into."""

CRM_REFERENCES = frozenset({"users", "Accounts", "Contacts", "Products", "Deals"})
BOOKS_REFERENCES = frozenset({"contacts", "items", "invoices"})

_CRM_KINDS = {
    "integer": "integer",
    "double": "number",
    "currency": "number",
    "percent": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "time",
    "ownerlookup": "users",
}
_CRM_UNSEEDED = frozenset({"Full_Name", "Expected_Revenue", "Layout", "Tag", "Record_Status__s", "Locked__s"})

# Rows of a deal's subform; `tax_percentage` becomes their Line_Tax.
DEAL_LINES: Shape = {
    "Product_Name": "Products",
    "Description": "text",
    **dict.fromkeys(("Quantity", "List_Price", "Discount"), "number"),
    "tax_percentage": "tax",
}


def crm_shape(fields: Mapping[str, Field]) -> Shape:
    """The columns of a CRM module: its fields by API name, but for those that the CRM itself fills."""
    return {
        name: field.lookup if field.type == "lookup" else _CRM_KINDS.get(field.type, "text")
        for name, field in fields.items()
        if name not in _CRM_UNSEEDED and field.type != "subform"
    }


USERS: Shape = dict.fromkeys(("first_name", "last_name", "email", "status"), "text")
_STAMPS = {"created_time": "time", "last_modified_time": "time"}
_ADDRESS = dict.fromkeys(
    ("attention", "address", "street2", "city", "state", "state_code", "zip", "country", "phone", "fax"), "text"
)
_LINE = {
    "item_id": "items",
    **dict.fromkeys(("name", "description", "unit"), "text"),
    **dict.fromkeys(("rate", "quantity"), "number"),
    "discount": "discount",
    "tax_percentage": "tax",
}
_DOCUMENT = {
    "date": "date",
    "exchange_rate": "number",
    "discount": "discount",
    "is_discount_before_tax": "boolean",
    "is_inclusive_tax": "boolean",
    "shipping_charge": "number",
    "adjustment": "number",
    **dict.fromkeys(
        (
            "status",
            "currency_code",
            "reference_number",
            "discount_type",
            "adjustment_description",
            "salesperson_name",
            "notes",
            "terms",
        ),
        "text",
    ),
    "line_items": [_LINE],
    **_STAMPS,
}
_SALE = {**_DOCUMENT, "customer_id": "contacts"}
_PERSON = {
    **dict.fromkeys(("salutation", "first_name", "last_name", "email", "phone", "mobile", "designation", "department"), "text"),
    "is_primary_contact": "boolean",
}

_APPLIED = {"invoice_id": "invoices", "amount_applied": "number"}
BOOKS: dict[str, Shape] = {
    "contacts": {
        **dict.fromkeys(
            (
                "contact_name",
                "company_name",
                "contact_type",
                "customer_sub_type",
                "status",
                "contact_number",
                "currency_code",
                "payment_terms_label",
                "website",
                "language_code",
                "notes",
                "zcrm_account_id",
                "zcrm_contact_id",
            ),
            "text",
        ),
        "payment_terms": "integer",
        "credit_limit": "number",
        "is_linked_with_zohocrm": "boolean",
        "billing_address": _ADDRESS,
        "shipping_address": _ADDRESS,
        "contact_persons": [_PERSON],
        **_STAMPS,
    },
    "items": {
        **dict.fromkeys(("name", "description", "unit", "sku", "item_type", "product_type", "status", "zcrm_product_id"), "text"),
        "rate": "number",
        "purchase_rate": "number",
        "tax_percentage": "tax",
        "is_linked_with_zohocrm": "boolean",
        **_STAMPS,
    },
    "estimates": {**_SALE, "estimate_number": "text", "expiry_date": "date"},
    "salesorders": {**_SALE, "salesorder_number": "text", "shipment_date": "date"},
    "invoices": {
        **_SALE,
        "invoice_number": "text",
        "due_date": "date",
        "payment_terms": "integer",
        "payment_terms_label": "text",
    },
    "customerpayments": {
        "customer_id": "contacts",
        **dict.fromkeys(("payment_number", "payment_mode", "reference_number", "description"), "text"),
        **dict.fromkeys(("amount", "exchange_rate", "bank_charges"), "number"),
        "date": "date",
        "invoices": [_APPLIED],
        **_STAMPS,
    },
    "creditnotes": {**_SALE, "creditnote_number": "text", "invoices": [_APPLIED]},
    "purchaseorders": {
        **_DOCUMENT,
        "vendor_id": "contacts",
        "purchaseorder_number": "text",
        "delivery_date": "date",
    },
}

# Without these a row means nothing.
REQUIRED: dict[str, tuple[str, ...]] = {
    "items": ("name", "rate"),
    "estimates": ("customer_id", "date"),
    "salesorders": ("customer_id", "date"),
    "invoices": ("customer_id", "date"),
    "customerpayments": ("customer_id", "date", "amount"),
    "creditnotes": ("customer_id", "date"),
    "purchaseorders": ("vendor_id", "date"),
}

# No two rows may share a value of these (books-v3.md sections 6.2, 7).
UNIQUE: dict[str, tuple[str, ...]] = {
    "contacts": ("contact_name",),
    "items": ("sku",),
    "estimates": ("estimate_number",),
    "salesorders": ("salesorder_number",),
    "invoices": ("invoice_number",),
    "customerpayments": ("payment_number",),
    "creditnotes": ("creditnote_number",),
    "purchaseorders": ("purchaseorder_number",),
}

# A file of lines: the kind it belongs to, the column that names the parent, the list that it fills.
LINES: dict[str, tuple[str, str, str]] = {
    "contact_persons": ("contacts", "contact", "contact_persons"),
    "estimate_lines": ("estimates", "estimate", "line_items"),
    "salesorder_lines": ("salesorders", "salesorder", "line_items"),
    "invoice_lines": ("invoices", "invoice", "line_items"),
    "payment_lines": ("customerpayments", "payment", "invoices"),
    "creditnote_lines": ("creditnotes", "creditnote", "line_items"),
    "credit_lines": ("creditnotes", "creditnote", "invoices"),
    "purchaseorder_lines": ("purchaseorders", "purchaseorder", "line_items"),
}

_RELATIVE = re.compile(r"today(?:([+-])(\d{1,5}))?(?: (\d{1,2}:\d{2}(?::\d{2})?))?")
_BOOLEANS = {"true": True, "false": False}


def plain_value(world: World, kind: str, given: Any) -> Any:
    """A cell as the value that the states store. ValueError with a half sentence for a cell that is none.

    text: as it is; integer, number: JSON number, also as text; boolean: true/false; date: `2026-01-31` or `today-45`;
    time: ISO 8601 with or without offset, or `today-45 09:30`, both in the world's zone; discount: a number or `10%`.
    """
    if kind == "text":
        if not isinstance(given, str):
            raise ValueError(f"{given!r} is not a text")
        return given
    if kind == "boolean":
        found = given if isinstance(given, bool) else _BOOLEANS.get(str(given).lower())
        if found is None:
            raise ValueError(f"{given!r} is neither true nor false")
        return found
    if kind == "integer":
        amount = _number(given)
        if not isinstance(amount, int):
            raise ValueError(f"{given!r} is not a whole number")
        return amount
    if kind == "number":
        return _number(given)
    if kind == "discount":
        text = str(given)
        return f"{_number(text[:-1])}%" if text.endswith("%") else _number(given)
    if kind == "date":
        return _date(world, given).isoformat()
    if kind == "time":
        return stamp(_time(world, given), world.zone)
    raise AssertionError(f"no such kind of value: {kind}")


def _number(given: Any) -> int | float:
    try:
        amount = Decimal(str(given))
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(given, bool) or not amount.is_finite():
        raise ValueError(f"{given!r} is not a number")
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _date(world: World, given: Any) -> date:
    relative = _RELATIVE.fullmatch(str(given))
    if relative is not None and relative[3] is None:
        return _day(world, relative)
    try:
        return date.fromisoformat(str(given))
    except ValueError as error:
        raise ValueError(f"{given!r} is not a date such as 2026-01-31 or today-45") from error


def _time(world: World, given: Any) -> datetime:
    relative = _RELATIVE.fullmatch(str(given))
    try:
        if relative is not None:
            clock = time.fromisoformat((relative[3] or "00:00").zfill(5))
            at = datetime.combine(_day(world, relative), clock)
        else:
            at = datetime.fromisoformat(str(given))
    except ValueError as error:
        raise ValueError(f"{given!r} is not a time such as 2026-01-31T10:00:00+09:00 or today-45 09:30") from error
    return (at if at.tzinfo else at.replace(tzinfo=world.zone)).astimezone(UTC)


def _day(world: World, relative: re.Match[str]) -> date:
    days = int(relative[2] or 0)
    today = world.clock.now().astimezone(world.zone).date()
    return today + timedelta(days=-days if relative[1] == "-" else days)
