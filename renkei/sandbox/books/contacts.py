"""Contacts, contact persons and addresses: what writing them does (books-v3.md section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors, history
from renkei.sandbox.books.fields import applied
from renkei.sandbox.books.kinds import DOCUMENTS, KINDS
from renkei.sandbox.books.organisation import folded
from renkei.sandbox.books.stamps import money, number
from renkei.sandbox.books.values import checked_unique, flag, rows, text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

PERSONS_PER_CONTACT = 500
TYPES = ("customer", "vendor")
_TEXTS = {
    "contact_name": 200,
    "company_name": 200,
    "website": 200,
    "notes": 10000,
    "payment_terms_label": 200,
    "contact_number": 200,
    "facebook": 100,
    "twitter": 100,
    "legal_name": 200,
    "language_code": 10,
    "customer_sub_type": 20,
    "owner_id": 50,
    "tax_id": 50,
    "tax_exemption_id": 50,
    "tax_authority_id": 50,
    "pricebook_id": 200,
    "vat_treatment": 50,
    "vat_reg_no": 50,
    "tax_reg_no": 50,
    "tax_treatment": 50,
    "country_code": 10,
    "gst_no": 50,
    "gst_treatment": 50,
    "place_of_contact": 50,
}
_ADDRESS = {
    "attention": 100,
    "address": 500,
    "street2": 255,
    "city": 100,
    "state": 100,
    "state_code": 100,
    "zip": 50,
    "country": 100,
    "phone": 50,
    "fax": 50,
}
_PERSON = {
    "salutation": 25,
    "first_name": 100,
    "last_name": 100,
    "email": 100,
    "phone": 50,
    "mobile": 50,
    "skype": 50,
    "designation": 100,
    "department": 50,
}

WRITABLE = frozenset(
    (
        *_TEXTS,
        "currency_id",
        "currency_code",
        "payment_terms",
        "credit_limit",
        "is_taxable",
        "billing_address",
        "shipping_address",
        "contact_persons",
        "custom_fields",
    )
)


def blank_contact(org: Organisation, id: str) -> Record:
    """A contact with every key of the detail and nothing in it."""
    now = org.now()
    currency = org.currencies[org.base_currency_id]
    return {
        "contact_id": id,
        "contact_name": "",
        "company_name": "",
        "contact_type": "customer",
        "customer_sub_type": "business",
        "status": "active",
        "contact_number": "",
        "website": "",
        "language_code": "ja",
        "notes": "",
        "owner_id": "",
        "source": "api",
        "is_taxable": True,
        "tax_id": "",
        "tax_name": "",
        "tax_percentage": 0,
        "payment_terms": 0,
        "payment_terms_label": "Due on Receipt",
        "payment_reminder_enabled": True,
        "portal_status": "disabled",
        "credit_limit": 0,
        "currency_id": currency["currency_id"],
        "currency_code": currency["currency_code"],
        "outstanding_receivable_amount": 0,
        "outstanding_receivable_amount_bcy": 0,
        "unused_credits_receivable_amount": 0,
        "unused_credits_receivable_amount_bcy": 0,
        "facebook": "",
        "twitter": "",
        "is_linked_with_zohocrm": False,
        "billing_address": blank_address(org),
        "shipping_address": blank_address(org),
        "addresses": [],
        "contact_persons": [],
        "custom_fields": [],
        "created_time": now,
        "last_modified_time": now,
    }


def blank_address(org: Organisation) -> dict[str, Any]:
    """An address object without content; it has an id of its own, as live ones do."""
    return {"address_id": org.world.new_id("books"), **dict.fromkeys(_ADDRESS, "")}


def create_contact(org: Organisation, body: dict[str, Any]) -> Record:
    """POST /contacts. BooksError: 3062, 2, 6, 15, or 4 for a unique custom field that is taken."""
    id = org.world.new_id("books")
    contact = blank_contact(org, id)
    contact_type = body.get("contact_type", "customer")
    if contact_type not in TYPES:
        raise errors.invalid("contact_type")
    contact["contact_type"] = contact_type
    if not folded(body.get("contact_name") or ""):
        raise errors.invalid("contact_name")
    contact.update(_changes(org, contact, body))
    org.table("contacts").put(id, contact)
    history.note(org, "contacts", contact, "Added")
    return contact


def update_contact(org: Organisation, contact: Record, body: dict[str, Any]) -> Record:
    """PUT: absent keys stay; persons left out of a given array go. Refused whole or done whole."""
    changes = _changes(org, contact, body)
    contact.update(changes)
    contact["last_modified_time"] = org.now()
    org.table("contacts").put(contact["contact_id"], contact)
    return contact


def delete_contact(org: Organisation, contact: Record) -> None:
    """BooksError 1004 while any document names the contact."""
    if org.has_transactions(contact["contact_id"]):
        raise errors.has_transactions(contact["contact_type"])
    org.table("contacts").remove(contact["contact_id"])
    history.note(org, "contacts", contact, "Deleted")


def set_status(org: Organisation, kind: str, record: Record, active: bool) -> None:
    """Marks a contact or an item active or inactive."""
    id = record["contact_id" if kind == "contacts" else "item_id"]
    record["status"] = "active" if active else "inactive"
    record["last_modified_time"] = org.now()
    org.table(kind).put(id, record)


def merge_contacts(org: Organisation, master: Record, loser: Record) -> None:
    """As the web client merges (books-v3.md 6.5): documents go to the master unedited, the loser becomes inactive."""
    if (master["contact_type"], master["currency_id"]) != (loser["contact_type"], loser["currency_id"]):
        raise errors.invalid("contact_id")
    for kind in DOCUMENTS:
        table = org.table(kind)
        for id in sorted(table.find("customer", loser["contact_id"])):
            document = table.records[id]
            document[f"{KINDS[kind].party}_id"] = master["contact_id"]
            document[f"{KINDS[kind].party}_name"] = master["contact_name"]
            table.put(id, document)
    org.refresh_balances(master["contact_id"])
    org.refresh_balances(loser["contact_id"])
    set_status(org, "contacts", loser, active=False)


def person_owner(org: Organisation, person_id: str) -> tuple[Record, dict[str, Any]]:
    """The contact and the person of an id, or 404/1002."""
    for contact_id in org.table("contacts").find("person", person_id):
        contact = org.table("contacts").records[contact_id]
        for person in contact["contact_persons"]:
            if person["contact_person_id"] == person_id:
                return contact, person
    raise errors.not_found("Contact person")


def add_person(org: Organisation, contact: Record, body: dict[str, Any]) -> dict[str, Any]:
    """POST /contacts/contactpersons."""
    if len(contact["contact_persons"]) >= PERSONS_PER_CONTACT:
        raise _too_many_persons()
    person = _person(org, None, body)
    persons = [*contact["contact_persons"], person]
    _save_persons(org, contact, persons, person if person["is_primary_contact"] else None)
    return person


def update_person(org: Organisation, contact: Record, person: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """PUT /contacts/contactpersons/{id}: absent keys stay."""
    changed = _person(org, person, body)
    persons = [changed if other is person else other for other in contact["contact_persons"]]
    _save_persons(org, contact, persons, changed if changed["is_primary_contact"] else None)
    return changed


def remove_person(org: Organisation, contact: Record, person: dict[str, Any]) -> None:
    """DELETE /contacts/contactpersons/{id}; the first of the others becomes primary when the primary goes."""
    _save_persons(org, contact, [other for other in contact["contact_persons"] if other is not person], None)


def make_primary(org: Organisation, contact: Record, person: dict[str, Any]) -> None:
    _save_persons(org, contact, list(contact["contact_persons"]), person)


def save_address(org: Organisation, contact: Record, address_id: str | None, body: dict[str, Any]) -> dict[str, Any]:
    """POST or PUT of an additional address."""
    address = _address(org, body, address_id)
    others = [other for other in contact["addresses"] if other["address_id"] != address_id]
    if address_id is not None and len(others) == len(contact["addresses"]):
        raise errors.not_found("Address")
    _save(org, contact, addresses=[*others, address])
    return address


def remove_address(org: Organisation, contact: Record, address_id: str) -> None:
    others = [other for other in contact["addresses"] if other["address_id"] != address_id]
    if len(others) == len(contact["addresses"]):
        raise errors.not_found("Address")
    _save(org, contact, addresses=others)


def seeded_persons(org: Organisation, given: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Persons of a seed: partial rows completed, exactly one primary."""
    return _with_one_primary([{**_blank_person(org), **person} for person in given], None)


def _changes(org: Organisation, contact: Record, body: dict[str, Any]) -> dict[str, Any]:
    """The keys that a body changes, checked; the contact itself stays as it is."""
    changes: dict[str, Any] = {key: text(body[key], key, length) for key, length in _TEXTS.items() if key in body}
    if "contact_name" in changes:
        changes["contact_name"] = changes["contact_name"].strip()
        _check_name(org, contact, changes["contact_name"])
    if "currency_id" in body or "currency_code" in body:
        changes.update(_currency(org, contact, body))
    if "payment_terms" in body:
        changes["payment_terms"] = int(money(body["payment_terms"], "payment_terms"))
        changes.setdefault("payment_terms_label", f"Net {changes['payment_terms']}")
    if "credit_limit" in body:
        changes["credit_limit"] = number(money(body["credit_limit"], "credit_limit"))
    if "is_taxable" in body:
        changes["is_taxable"] = flag(body["is_taxable"], "is_taxable")
    if changes.get("tax_id"):
        tax = org.taxes.get(changes["tax_id"])
        if tax is None:
            raise errors.bad_reference("Tax")
        changes["tax_name"], changes["tax_percentage"] = tax["tax_name"], tax["tax_percentage"]
    for key in ("billing_address", "shipping_address"):
        if key in body:
            changes[key] = _address(org, body[key], contact[key]["address_id"])
    if "contact_persons" in body:
        changes["contact_persons"] = _persons(org, contact, rows(body["contact_persons"], "contact_persons"))
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        changes["custom_fields"] = applied(org.fields_of("contacts"), contact["custom_fields"], elements)
        checked_unique(org, "contacts", contact["contact_id"], changes["custom_fields"])
    return changes


def _check_name(org: Organisation, contact: Record, name: str) -> None:
    if not name:
        raise errors.invalid("contact_name")
    if any(id != contact["contact_id"] for id in org.table("contacts").find("name", folded(name))):
        raise errors.name_taken(contact["contact_type"], name)


def _currency(org: Organisation, contact: Record, body: dict[str, Any]) -> dict[str, Any]:
    currency = (
        org.currencies.get(str(body["currency_id"]))
        if body.get("currency_id")
        else org.currency_named(str(body.get("currency_code")))
    )
    if currency is None:
        raise errors.bad_reference("Currency")
    if currency["currency_id"] != contact["currency_id"] and org.has_transactions(contact["contact_id"]):
        raise errors.invalid("currency_id")
    return {"currency_id": currency["currency_id"], "currency_code": currency["currency_code"]}


def _address(org: Organisation, body: Any, address_id: str | None) -> dict[str, Any]:
    """A whole address object: keys that the body leaves out are empty."""
    if not isinstance(body, dict):
        raise errors.invalid("address")
    return {
        "address_id": address_id or org.world.new_id("books"),
        **{key: text(body.get(key), key, length) for key, length in _ADDRESS.items()},
    }


def _persons(org: Organisation, contact: Record, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The new array: rows with a known contact_person_id change that person, rows without one are new."""
    if len(given) > PERSONS_PER_CONTACT:
        raise _too_many_persons()
    known = {person["contact_person_id"]: person for person in contact["contact_persons"]}
    persons = []
    for body in given:
        id = str(body.get("contact_person_id") or "")
        if id and id not in known:
            raise errors.not_found("Contact person")
        persons.append(_person(org, known.get(id), body))
    marked = next((p for p, body in zip(persons, given, strict=True) if body.get("is_primary_contact") is True), None)
    return _with_one_primary(persons, marked)


def _person(org: Organisation, person: dict[str, Any] | None, body: dict[str, Any]) -> dict[str, Any]:
    changed = dict(person) if person is not None else _blank_person(org)
    changed.update({key: text(body[key], key, length) for key, length in _PERSON.items() if key in body})
    if "is_primary_contact" in body:
        changed["is_primary_contact"] = flag(body["is_primary_contact"], "is_primary_contact")
    if "enable_portal" in body:
        changed["enable_portal"] = flag(body["enable_portal"], "enable_portal")
    if not any(changed[key] for key in ("first_name", "last_name", "email")):
        raise errors.invalid("first_name")
    return changed


def _blank_person(org: Organisation) -> dict[str, Any]:
    return {
        "contact_person_id": org.world.new_id("books"),
        **dict.fromkeys(_PERSON, ""),
        "is_primary_contact": False,
        "enable_portal": False,
        "is_added_in_portal": False,
        "communication_preference": {"is_sms_enabled": False, "is_whatsapp_enabled": False},
    }


def _with_one_primary(persons: list[dict[str, Any]], wanted: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Copies with exactly one primary: the wanted one, else the first marked, else the first."""
    if not persons:
        return []
    if wanted is None:
        wanted = next((person for person in persons if person["is_primary_contact"]), persons[0])
    return [{**person, "is_primary_contact": person is wanted} for person in persons]


def _save_persons(org: Organisation, contact: Record, persons: list[dict[str, Any]], wanted: dict[str, Any] | None) -> None:
    _save(org, contact, contact_persons=_with_one_primary(persons, wanted))


def _save(org: Organisation, contact: Record, **changes: Any) -> None:
    contact.update(changes, last_modified_time=org.now())
    org.table("contacts").put(contact["contact_id"], contact)


def _too_many_persons() -> errors.BooksError:
    return errors.BooksError(400, 1009, f"You can add only {PERSONS_PER_CONTACT} contact persons for a contact.")
