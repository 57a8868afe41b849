"""Handlers of contacts, contact persons, addresses and items; lists, details and upserts of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from renkei.sandbox.books import contacts, errors, history, items, projections
from renkei.sandbox.books.call import Answer, Call
from renkei.sandbox.books.fields import applied
from renkei.sandbox.books.kinds import DOCUMENTS, KINDS
from renkei.sandbox.books.listing import page_of, paging
from renkei.sandbox.books.stamps import money, number
from renkei.sandbox.books.table import Record
from renkei.sandbox.books.values import checked_unique, rows

Handler = Callable[[Call], Answer]


def listed(kind: str) -> Handler:
    """GET of a collection."""

    def handler(call: Call) -> Answer:
        shift = call.books.world.faults.page_shift("books", f"/{call.path}")
        page = page_of(call.org, kind, call.query, shift)
        table = call.org.table(kind)
        answer = Answer({kind: [table.row(id) for id in page.ids], "page_context": page.context}, rows=len(page.ids))
        option = call.query.get("response_option", "0")
        if kind == "invoices" and option != "0":
            _respond(call, answer, option, page.matching())
        return answer

    return handler


def got(kind: str) -> Handler:
    """GET of one record."""
    return lambda call: shown(call, kind, record_of(call, kind))


def created(kind: str, create: Callable[[Call, dict[str, Any]], Record]) -> Handler:
    """POST of a collection."""

    def handler(call: Call) -> Answer:
        return shown(call, kind, create(call, call.body()), KINDS[kind].created, 201)

    return handler


def updated(kind: str, update: Callable[[Call, Record, dict[str, Any]], Record]) -> Handler:
    """PUT of one record."""

    def handler(call: Call) -> Answer:
        record = update(call, record_of(call, kind), call.body())
        return shown(call, kind, record, KINDS[kind].updated)

    return handler


def upserted(
    kind: str,
    create: Callable[[Call, dict[str, Any]], Record],
    update: Callable[[Call, Record, dict[str, Any]], Record],
) -> Handler:
    """PUT of a collection, addressed by a unique custom field (books-v3.md 6.6).

    Status 200 and the update's message also when `X-Upsert: true` creates. The body must carry the custom field
    itself, or the created record lacks it. No match without upsert: 404/1002 (unverified).
    """

    def handler(call: Call) -> Answer:
        name = call.headers.get("x-unique-identifier-key", "")
        value = call.headers.get("x-unique-identifier-value", "")
        unique = [field.api_name for field in call.org.fields_of(kind) if field.is_unique]
        if name not in unique or not value:
            raise errors.invalid("X-Unique-Identifier-Key" if name not in unique else "X-Unique-Identifier-Value")
        body = call.body()
        table = call.org.table(kind)
        found = sorted(table.find(name, value))
        if found:
            record = update(call, table.records[found[0]], body)
        elif call.headers.get("x-upsert", "").lower() == "true":
            record = create(call, body)
        else:
            raise errors.not_found(KINDS[kind].noun)
        return shown(call, kind, record, KINDS[kind].updated)

    return handler


def deleted(kind: str, delete: Callable[[Call, Record], None]) -> Handler:
    """DELETE of one record."""

    def handler(call: Call) -> Answer:
        delete(call, record_of(call, kind))
        return Answer(message=KINDS[kind].deleted)

    return handler


def activated(kind: str, active: bool) -> Handler:
    """POST .../active and .../inactive: only an envelope."""

    def handler(call: Call) -> Answer:
        contacts.set_status(call.org, kind, record_of(call, kind), active)
        return Answer(message=f"The {KINDS[kind].singular} has been marked as {'active' if active else 'inactive'}.")

    return handler


def custom_fields_put(kind: str) -> Handler:
    """PUT /item/{id}/customfields and its like: the body is the array, or an object holding it."""

    def handler(call: Call) -> Answer:
        record = record_of(call, kind)
        given = call.content.get("custom_fields") if isinstance(call.content, dict) else call.content
        elements = applied(call.org.fields_of(kind), record["custom_fields"], rows(given, "custom_fields"))
        checked_unique(call.org, kind, call.ids[0], elements)
        record.update(custom_fields=elements, last_modified_time=call.org.now())
        call.org.table(kind).put(call.ids[0], record)
        if kind in DOCUMENTS:
            history.note(call.org, kind, record, "Updated")
        return Answer(message="Custom Fields Updated Successfully")

    return handler


def item_details(call: Call) -> Answer:
    """GET /itemdetails?item_ids=1,2,3: the only bulk read; unknown ids are left out."""
    records = call.org.table("items").records
    ids = [id.strip() for id in call.query.get("item_ids", "").split(",") if id.strip()]
    if not ids:
        raise errors.invalid("item_ids")
    found = [projections.item_detail(records[id]) for id in ids if id in records]
    return Answer({"items": found}, rows=len(found))


def persons_listed(call: Call) -> Answer:
    """GET /contacts/{id}/contactpersons."""
    persons = record_of(call, "contacts")["contact_persons"]
    page, per_page = paging(call.org, call.query)
    start = (page - 1) * per_page
    context = {
        "page": page,
        "per_page": per_page,
        "has_more_page": start + per_page < len(persons),
        "sort_column": "contact_person_id",
        "sort_order": "A",
    }
    shown_persons = persons[start : start + per_page]
    return Answer({"contact_persons": shown_persons, "page_context": context}, rows=len(shown_persons))


def person_got(call: Call) -> Answer:
    """GET /contacts/{id}/contactpersons/{person}."""
    contact, person = contacts.person_owner(call.org, call.ids[1])
    if contact["contact_id"] != call.ids[0]:
        raise errors.not_found("Contact person")
    return Answer({"contact_person": {"contact_id": contact["contact_id"], **person}})


def person_created(call: Call) -> Answer:
    """POST /contacts/contactpersons: `contact_id` is in the body."""
    body = call.body()
    contact = call.org.table("contacts").records.get(str(body.get("contact_id") or ""))
    if contact is None:
        raise errors.not_found("Contact")
    person = contacts.add_person(call.org, contact, body)
    return _person_answer(call, contact, person["contact_person_id"], "The contactperson has been Created", 201)


def person_updated(call: Call) -> Answer:
    contact, person = contacts.person_owner(call.org, call.ids[0])
    contacts.update_person(call.org, contact, person, call.body())
    return _person_answer(call, contact, call.ids[0], "The contactperson details has been updated.", 200)


def person_deleted(call: Call) -> Answer:
    contacts.remove_person(call.org, *contacts.person_owner(call.org, call.ids[0]))
    return Answer(message="The contact person has been deleted.")


def person_primary(call: Call) -> Answer:
    contacts.make_primary(call.org, *contacts.person_owner(call.org, call.ids[0]))
    return Answer(message="This contact person has been marked as your primary contact person.")


def addresses_listed(call: Call) -> Answer:
    """GET /contacts/{id}/address: the additional addresses."""
    found = record_of(call, "contacts")["addresses"]
    return Answer({"addresses": found}, rows=len(found))


def address_created(call: Call) -> Answer:
    address = contacts.save_address(call.org, record_of(call, "contacts"), None, call.body())
    return Answer({"address_info": address}, "The address has been created.")


def address_updated(call: Call) -> Answer:
    address = contacts.save_address(call.org, record_of(call, "contacts"), call.ids[1], call.body())
    return Answer({"address_info": address}, "The address has been updated.")


def address_deleted(call: Call) -> Answer:
    contacts.remove_address(call.org, record_of(call, "contacts"), call.ids[1])
    return Answer(message="The address has been deleted.")


def comments_listed(call: Call) -> Answer:
    """GET /contacts/{id}/comments: what happened to the contact and its documents since the sandbox started."""
    contact = record_of(call, "contacts")
    page, per_page = paging(call.org, call.query)
    told = call.org.comments.get(contact["contact_id"], [])[::-1]
    start = (page - 1) * per_page
    named = {"contact_id": contact["contact_id"], "contact_name": contact["contact_name"]}
    found = [{**row, **named} for row in told[start : start + per_page]]
    context = {"page": page, "per_page": per_page, "has_more_page": start + per_page < len(told)}
    return Answer({"contact_comments": found, "page_context": context}, rows=len(found))


def record_of(call: Call, kind: str) -> Record:
    """The record that the path's first id names, or 404/1002 (items 2006)."""
    record = call.org.table(kind).records.get(call.ids[0])
    if record is None:
        raise errors.not_found(KINDS[kind].noun)
    return record


def shown(call: Call, kind: str, record: Record, message: str = "success", status: int = 200) -> Answer:
    """The answer that holds a record's whole detail."""
    call.org.table(kind)
    return Answer({KINDS[kind].singular: projections.detail(call.org, kind, record)}, message, status)


def create_contact(call: Call, body: dict[str, Any]) -> Record:
    return contacts.create_contact(call.org, body)


def update_contact(call: Call, record: Record, body: dict[str, Any]) -> Record:
    return contacts.update_contact(call.org, record, body)


def delete_contact(call: Call, record: Record) -> None:
    contacts.delete_contact(call.org, record)


def create_item(call: Call, body: dict[str, Any]) -> Record:
    return items.create_item(call.org, body)


def update_item(call: Call, record: Record, body: dict[str, Any]) -> Record:
    return items.update_item(call.org, record, body)


def delete_item(call: Call, record: Record) -> None:
    items.delete_item(call.org, record)


def _person_answer(call: Call, contact: Record, person_id: str, message: str, status: int) -> Answer:
    person = next(row for row in contact["contact_persons"] if row["contact_person_id"] == person_id)
    return Answer({"contact_person": {"contact_id": contact["contact_id"], **person}}, message, status)


def _respond(call: Call, answer: Answer, option: str, matching: list[str]) -> None:
    """response_option of invoices (books-v3.md 4.1); the shape of count and sums is unverified."""
    context = answer.content["page_context"]
    context["response_option"] = int(option) if option in ("1", "2", "3", "4") else 0
    if option in ("1", "2", "3"):
        context["total"] = len(matching)
    if option in ("1", "3", "4"):
        records = call.org.table("invoices").records
        sums = {name: number(sum((money(records[id][name]) for id in matching), money(0))) for name in ("total", "balance")}
        context["sum_columns"] = sums
    if option in ("2", "3"):
        answer.content["invoices"] = []
        answer.rows = 0
