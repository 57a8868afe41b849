"""Pairs of Zoho's built-in integration, as Books shows them (books-v3.md sections 6.3, 6.7, 7 and 15).

A list row says that there is a pair, `is_linked_with_zohocrm: true`. Which one an item's list row says too; of a customer only
its detail does. Contact persons say nothing.
"""

from __future__ import annotations

from renkei.core.records import Row
from renkei.core.values import Ref

ID_FIELDS = {"Accounts": "zcrm_account_id", "Contacts": "zcrm_contact_id", "Products": "zcrm_product_id"}


def shows_pair(row: Row) -> bool:
    """Whether the built-in integration has paired this Books record."""
    return row.get("is_linked_with_zohocrm") is True


def paired_with(row: Row, crm_module: str) -> Ref | None:
    """The CRM record of `crm_module` that a paired Books record (list row and detail together) names."""
    named = str(row.get(ID_FIELDS.get(crm_module, "")) or "")
    return Ref("crm", crm_module, named) if shows_pair(row) and named else None


def names_anything(row: Row) -> bool:
    """Whether a Books record shows any CRM id at all."""
    return any(row.get(field) for field in ID_FIELDS.values())


def kept(row: Row, crm: Ref, native: str) -> bool:
    """Whether the built-in integration still keeps this pair in step: nothing says that it is off, and the Books record names
    this CRM record, or does not say whom it is paired with."""
    return native != "off" and shows_pair(row) and (not names_anything(row) or paired_with(row, crm.module) == crm)
