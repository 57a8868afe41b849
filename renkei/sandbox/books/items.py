"""Items: what writing them does (books-v3.md section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors
from renkei.sandbox.books.fields import applied
from renkei.sandbox.books.organisation import folded
from renkei.sandbox.books.stamps import money, number
from renkei.sandbox.books.values import checked_unique, flag, rows, text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

_TEXTS = {
    "name": 100,
    "description": 2000,
    "purchase_description": 2000,
    "unit": 100,
    "sku": 100,
    "hsn_or_sac": 50,
    "account_id": 50,
    "purchase_account_id": 50,
    "inventory_account_id": 50,
    "tax_id": 50,
}
_CHOICES = {
    "item_type": ("sales", "purchases", "sales_and_purchases", "inventory"),
    "product_type": ("goods", "service", "digital_service"),
}
_ACCOUNTS = {"purchases": "purchase_account_id", "inventory": "inventory_account_id"}

WRITABLE = frozenset((*_TEXTS, *_CHOICES, "rate", "purchase_rate", "is_taxable", "custom_fields"))


def blank_item(org: Organisation, id: str) -> Record:
    """An item with every key of the detail and nothing in it."""
    now = org.now()
    return {
        "item_id": id,
        "name": "",
        "status": "active",
        "source": "api",
        "is_linked_with_zohocrm": False,
        "zcrm_product_id": "",
        "description": "",
        "rate": 0,
        "purchase_rate": 0,
        "purchase_description": "",
        "unit": "",
        "sku": "",
        "item_type": "sales",
        "product_type": "goods",
        "is_taxable": True,
        "tax_id": "",
        "tax_name": "",
        "tax_percentage": 0,
        "tax_type": "",
        "account_id": "",
        "purchase_account_id": "",
        "inventory_account_id": "",
        "hsn_or_sac": "",
        "custom_fields": [],
        "created_time": now,
        "last_modified_time": now,
    }


def create_item(org: Organisation, body: dict[str, Any]) -> Record:
    """POST /items. BooksError: 2, 4 (sku, unique field), 15, 6, 1001."""
    id = org.world.new_id("books")
    item = blank_item(org, id)
    if not folded(body.get("name") or ""):
        raise errors.invalid("name")
    if body.get("rate") in (None, ""):
        raise errors.invalid("rate")
    item.update(_changes(org, item, body))
    org.table("items").put(id, item)
    return item


def update_item(org: Organisation, item: Record, body: dict[str, Any]) -> Record:
    """PUT: absent keys stay."""
    item.update(_changes(org, item, body), last_modified_time=org.now())
    org.table("items").put(item["item_id"], item)
    return item


def delete_item(org: Organisation, item: Record) -> None:
    """BooksError 36 while a line of any document uses the item."""
    if org.item_in_use(item["item_id"]):
        raise errors.has_transactions("item", 36)
    org.table("items").remove(item["item_id"])


def _changes(org: Organisation, item: Record, body: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {key: text(body[key], key, length) for key, length in _TEXTS.items() if key in body}
    for key in ("rate", "purchase_rate"):
        if key in body:
            changes[key] = number(money(body[key], key))
    for key, choices in _CHOICES.items():
        if key in body:
            if body[key] not in choices:
                raise errors.invalid(key)
            changes[key] = body[key]
    if "is_taxable" in body:
        changes["is_taxable"] = flag(body["is_taxable"], "is_taxable")
    _check_names(org, item, changes)
    _check_account(item, changes)
    if "tax_id" in changes:
        changes.update(_tax(org, changes["tax_id"]))
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        changes["custom_fields"] = applied(org.fields_of("items"), item["custom_fields"], elements)
        checked_unique(org, "items", item["item_id"], changes["custom_fields"])
    return changes


def _check_names(org: Organisation, item: Record, changes: dict[str, Any]) -> None:
    table, id = org.table("items"), item["item_id"]
    if "name" in changes:
        changes["name"] = changes["name"].strip()
        if not changes["name"]:
            raise errors.invalid("name")
        taken = any(other != id for other in table.find("name", folded(changes["name"])))
        if org.unique_item_names and taken:
            raise errors.already_exists("Item", changes["name"], 1001)
    if changes.get("sku") and any(other != id for other in table.find("sku", changes["sku"])):
        raise errors.already_exists("An item whose SKU is", changes["sku"])


def _check_account(item: Record, changes: dict[str, Any]) -> None:
    merged = {**item, **changes}
    account = _ACCOUNTS.get(merged["item_type"])
    if account is not None and not merged[account]:
        raise errors.invalid(account)


def _tax(org: Organisation, tax_id: str) -> dict[str, Any]:
    if not tax_id:
        return {"tax_name": "", "tax_percentage": 0, "tax_type": ""}
    tax = org.taxes.get(tax_id)
    if tax is None:
        raise errors.bad_reference("Tax")
    return {key: tax[key] for key in ("tax_name", "tax_percentage", "tax_type")}
