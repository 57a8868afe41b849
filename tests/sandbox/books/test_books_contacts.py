"""Customers over HTTP: create, update, upsert, persons, addresses, delete, merge (books-v3.md section 6)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import CRM_FIELD, SECOND, Books, upsert_headers

KITA = {
    "contact_name": "Kita Trading KK",
    "company_name": "Kita Trading KK",
    "payment_terms": 30,
    "notes": "pays late",
    "billing_address": {"address": "1-2-3 Kanda", "city": "Chiyoda", "zip": "101-0047", "country": "Japan"},
    "contact_persons": [
        {"first_name": "Ken", "last_name": "Abe", "email": "ken@kita.example"},
        {"first_name": "Aiko", "last_name": "Mori", "email": "aiko@kita.example", "is_primary_contact": True},
    ],
    "custom_fields": [{"customfield_id": CRM_FIELD, "value": "5190000000123456"}],
}


async def create(books: Books, **fields: Any) -> Any:
    return (await books.done("POST", "/contacts", {**KITA, **fields}))["contact"]


async def names(books: Books, **params: Any) -> list[str]:
    return [row["contact_name"] for row in (await books.get("/contacts", **params))["contacts"]]


async def test_a_created_contact_answers_201_with_its_whole_detail(books: Books) -> None:
    answer = await books.call("POST", "/contacts", KITA)
    content = answer.json()
    contact = content["contact"]
    assert (answer.status_code, content["message"]) == (201, "The contact has been created")
    assert contact["created_time"] == contact["last_modified_time"] == "2026-11-02T09:15:40+0900"
    assert contact["billing_address"]["zip"] == "101-0047"
    assert [person["is_primary_contact"] for person in contact["contact_persons"]] == [False, True]
    assert contact["primary_contact_id"] == contact["contact_persons"][1]["contact_person_id"]
    assert contact["custom_field_hash"]["cf_renkei_crm_id"] == "5190000000123456"
    assert (contact["currency_code"], contact["has_transaction"]) == ("JPY", False)
    assert not [key for key in contact if key.startswith("cf_")]
    assert (await books.get(f"/contacts/{contact['contact_id']}"))["contact"] == contact


async def test_a_list_row_lacks_addresses_persons_and_notes_but_has_the_primary_person(books: Books) -> None:
    await create(books)
    (row,) = (await books.get("/contacts"))["contacts"]
    for key in ("billing_address", "shipping_address", "contact_persons", "notes"):
        assert key not in row
    assert (row["first_name"], row["last_name"], row["email"]) == ("Aiko", "Mori", "aiko@kita.example")
    assert row["cf_renkei_crm_id"] == row["cf_renkei_crm_id_unformatted"] == "5190000000123456"
    assert row["custom_field_hash"]["cf_renkei_crm_id"] == "5190000000123456"


async def test_an_update_touches_only_what_it_names(books: Books) -> None:
    contact = await create(books)
    books.world.clock.advance(60)
    content = await books.done("PUT", f"/contacts/{contact['contact_id']}", {"website": "https://kita.example"})
    after = content["contact"]
    assert content["message"] == "Contact has been updated successfully"
    changed = {key for key in after if after[key] != contact[key]}
    assert changed == {"website", "last_modified_time"}
    assert after["last_modified_time"] == "2026-11-02T09:16:40+0900"


async def test_persons_left_out_of_the_array_are_removed_and_an_absent_array_leaves_them(books: Books) -> None:
    contact = await create(books)
    path = f"/contacts/{contact['contact_id']}"
    ken = contact["contact_persons"][0]
    changed = {"contact_person_id": ken["contact_person_id"], "phone": "03-1111-2222"}
    body = {"contact_persons": [changed, {"first_name": "Yui", "email": "yui@kita.example"}]}
    persons = (await books.done("PUT", path, body))["contact"]["contact_persons"]
    assert [(row["first_name"], row["phone"]) for row in persons] == [("Ken", "03-1111-2222"), ("Yui", "")]
    assert persons[0]["contact_person_id"] == ken["contact_person_id"]
    assert [row["is_primary_contact"] for row in persons] == [True, False]
    unchanged = (await books.done("PUT", path, {"notes": "x"}))["contact"]["contact_persons"]
    assert unchanged == persons


async def test_a_person_of_another_contact_in_the_array_is_refused_and_nothing_changes(books: Books) -> None:
    first = await create(books)
    second = await create(books, contact_name="Minami", custom_fields=[])
    foreign = {"contact_person_id": second["contact_persons"][0]["contact_person_id"], "first_name": "X"}
    path = f"/contacts/{first['contact_id']}"
    assert (await books.refused("PUT", path, {"notes": "no", "contact_persons": [foreign]}))[:2] == (404, 1002)
    assert (await books.get(path))["contact"] == first


async def test_a_given_address_replaces_the_whole_address(books: Books) -> None:
    contact = await create(books)
    body = {"billing_address": {"city": "Minato"}}
    after = (await books.done("PUT", f"/contacts/{contact['contact_id']}", body))["contact"]
    assert (after["billing_address"]["city"], after["billing_address"]["zip"]) == ("Minato", "")
    assert after["shipping_address"] == contact["shipping_address"]


@pytest.mark.parametrize("twin", ["Kita Trading KK", " kita trading kk "])
async def test_a_taken_name_is_3062_on_create_update_and_upsert_even_by_an_inactive_contact(books: Books, twin: str) -> None:
    contact = await create(books)
    other = await create(books, contact_name="Minami", custom_fields=[])
    await books.done("POST", f"/contacts/{contact['contact_id']}/inactive")
    body = {"contact_name": twin}
    created = await books.refused("POST", "/contacts", body)
    updated = await books.refused("PUT", f"/contacts/{other['contact_id']}", body)
    upserted = await books.refused("PUT", "/contacts", body, headers=upsert_headers("999"))
    assert created == updated == upserted
    assert created == (
        400,
        3062,
        f'The customer "{twin.strip()}" already exists. Please specify a different name.',
    )
    assert sorted(await names(books)) == ["Kita Trading KK", "Minami"]


async def test_a_contact_keeps_its_own_name_in_an_update(books: Books) -> None:
    contact = await create(books)
    await books.done("PUT", f"/contacts/{contact['contact_id']}", {"contact_name": "Kita Trading KK"})


async def test_an_upsert_creates_once_and_then_updates_with_status_200_both_times(books: Books) -> None:
    headers = upsert_headers("5190000000123456")
    made = await books.call("PUT", "/contacts", KITA, headers=headers)
    again = await books.call("PUT", "/contacts", {**KITA, "notes": "again"}, headers=headers)
    assert (made.status_code, again.status_code) == (200, 200)
    assert again.json()["message"] == "Contact has been updated successfully"
    assert made.json()["contact"]["contact_id"] == again.json()["contact"]["contact_id"]
    assert again.json()["contact"]["notes"] == "again"
    assert len(books.world.books.records("contacts")) == 1


async def test_an_upsert_whose_body_lacks_the_key_field_creates_a_record_without_it(books: Books) -> None:
    headers = upsert_headers("5190000000123456")
    content = await books.done("PUT", "/contacts", {"contact_name": "Kita"}, headers=headers)
    assert content["contact"]["custom_fields"] == []


async def test_without_upsert_a_missing_key_is_404_and_a_key_that_is_not_unique_is_refused(books: Books) -> None:
    assert (await books.refused("PUT", "/contacts", KITA, headers=upsert_headers("1", upsert=False)))[:2] == (404, 1002)
    headers = {**upsert_headers("1"), "X-Unique-Identifier-Key": "cf_tax_registration_number"}
    assert (await books.refused("PUT", "/contacts", KITA, headers=headers))[:2] == (400, 2)


async def test_a_unique_custom_field_refuses_a_second_holder(books: Books) -> None:
    await create(books)
    assert (await books.refused("POST", "/contacts", {**KITA, "contact_name": "Minami"}))[:2] == (400, 4)


async def test_an_emptied_custom_field_disappears_and_frees_its_value(books: Books) -> None:
    contact = await create(books)
    body = {"custom_fields": [{"api_name": "cf_renkei_crm_id", "value": ""}]}
    after = (await books.done("PUT", f"/contacts/{contact['contact_id']}", body))["contact"]
    assert after["custom_fields"] == []
    await create(books, contact_name="Minami")


async def test_custom_fields_left_out_of_the_array_stay(books: Books) -> None:
    contact = await create(books)
    body = {"custom_fields": [{"label": "Tax registration number", "value": "T1234567890123"}]}
    after = (await books.done("PUT", f"/contacts/{contact['contact_id']}", body))["contact"]
    assert after["custom_field_hash"]["cf_renkei_crm_id"] == "5190000000123456"
    assert after["custom_field_hash"]["cf_tax_registration_number"] == "T1234567890123"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"contact_name": ""}, 2),
        ({"contact_name": "x" * 201}, 15),
        ({"contact_name": "x", "currency_id": "1"}, 6),
        ({"contact_name": "x", "contact_type": "friend"}, 2),
        ({"contact_name": "x", "custom_fields": [{"api_name": "cf_unknown", "value": "1"}]}, 2),
        ({"contact_name": "x", "contact_persons": [{"first_name": "f" * 101}]}, 15),
        ({"contact_name": "x", "contact_persons": [{"first_name": f"{n}"} for n in range(501)]}, 1009),
    ],
)
async def test_bodies_that_cannot_be_are_refused_whole(books: Books, body: dict[str, Any], code: int) -> None:
    assert (await books.refused("POST", "/contacts", body))[:2] == (400, code)
    assert books.world.books.records("contacts") == {}


async def test_contact_persons_one_by_one(books: Books) -> None:
    contact = await create(books, contact_persons=[])
    id = contact["contact_id"]
    body = {"contact_id": id, "first_name": "Yui", "email": "yui@kita.example"}
    made = await books.call("POST", "/contacts/contactpersons", body)
    assert (made.status_code, made.json()["message"]) == (201, "The contactperson has been Created")
    yui = made.json()["contact_person"]["contact_person_id"]
    ken = (await books.done("POST", "/contacts/contactpersons", {"contact_id": id, "first_name": "Ken"}))["contact_person"][
        "contact_person_id"
    ]
    await books.done("PUT", f"/contacts/contactpersons/{ken}", {"phone": "03"})
    await books.done("POST", f"/contacts/contactpersons/{ken}/primary")
    listed = (await books.get(f"/contacts/{id}/contactpersons"))["contact_persons"]
    assert [(p["first_name"], p["phone"], p["is_primary_contact"]) for p in listed] == [
        ("Yui", "", False),
        ("Ken", "03", True),
    ]
    await books.done("DELETE", f"/contacts/contactpersons/{ken}")
    assert (await books.get(f"/contacts/{id}/contactpersons/{yui}"))["contact_person"]["is_primary_contact"] is True
    assert (await books.refused("DELETE", f"/contacts/contactpersons/{ken}"))[:2] == (404, 1002)
    (row,) = (await books.get("/contacts"))["contacts"]
    assert row["email"] == "yui@kita.example"


async def test_additional_addresses(books: Books) -> None:
    path = f"/contacts/{(await create(books))['contact_id']}/address"
    made = (await books.done("POST", path, {"city": "Osaka"}))["address_info"]
    await books.done("PUT", f"{path}/{made['address_id']}", {"city": "Kyoto"})
    assert [row["city"] for row in (await books.get(path))["addresses"]] == ["Kyoto"]
    await books.done("DELETE", f"{path}/{made['address_id']}")
    assert (await books.get(path))["addresses"] == []


async def test_active_and_inactive_answer_only_an_envelope_and_filter_the_list(books: Books) -> None:
    contact = await create(books)
    books.world.clock.advance(5)
    content = await books.done("POST", f"/contacts/{contact['contact_id']}/inactive")
    assert content == {"code": 0, "message": "The contact has been marked as inactive."}
    assert await names(books, filter_by="Status.Active") == []
    assert await names(books, filter_by="Status.Inactive") == await names(books) == ["Kita Trading KK"]
    await books.done("POST", f"/contacts/{contact['contact_id']}/active")
    assert await names(books, filter_by="Status.Active") == ["Kita Trading KK"]


async def test_delete_is_refused_while_there_are_transactions_and_then_answers_1002(books: Books) -> None:
    contact = await create(books)
    id = contact["contact_id"]
    (invoice,) = books.world.books.seed("invoices", [{"customer_id": id, "status": "sent", "total": 100}])
    assert (await books.get(f"/contacts/{id}"))["contact"]["has_transaction"] is True
    assert (await books.refused("DELETE", f"/contacts/{id}"))[:2] == (400, 1004)
    books.world.books.delete("invoices", invoice)
    assert (await books.done("DELETE", f"/contacts/{id}"))["message"] == "The contact has been deleted."
    assert await books.refused("GET", f"/contacts/{id}") == (404, 1002, "Contact does not exist.")
    await create(books)


async def test_a_currency_cannot_change_once_there_are_transactions(books: Books) -> None:
    id = (await create(books))["contact_id"]
    await books.done("PUT", f"/contacts/{id}", {"currency_code": "USD"})
    books.world.books.seed("invoices", [{"customer_id": id, "status": "sent", "total": 100}])
    assert (await books.refused("PUT", f"/contacts/{id}", {"currency_code": "EUR"}))[:2] == (400, 2)


async def test_a_record_of_the_other_organisation_does_not_exist(books: Books) -> None:
    contact = await create(books)
    options = {"params": {"organization_id": SECOND}}
    assert (await books.refused("GET", f"/contacts/{contact['contact_id']}", **options))[:2] == (404, 1002)


async def test_a_merge_moves_documents_without_editing_them_and_leaves_an_inactive_loser(books: Books) -> None:
    state = books.world.books
    master, loser = state.seed("contacts", [{"contact_name": "Kita"}, {"contact_name": "Kita KK"}])
    (invoice,) = state.seed("invoices", [{"customer_id": loser, "status": "sent", "total": 500}])
    before = (await books.get(f"/invoices/{invoice}"))["invoice"]["last_modified_time"]
    books.world.clock.advance(60)
    state.merge(master, loser)
    moved = (await books.get(f"/invoices/{invoice}"))["invoice"]
    assert (moved["customer_id"], moved["customer_name"]) == (master, "Kita")
    assert moved["last_modified_time"] == before
    rows = {row["contact_id"]: row for row in (await books.get("/contacts"))["contacts"]}
    assert (rows[master]["outstanding_receivable_amount"], rows[loser]["outstanding_receivable_amount"]) == (500, 0)
    assert (rows[master]["status"], rows[loser]["status"]) == ("active", "inactive")
    assert rows[loser]["last_modified_time"] == "2026-11-02T09:16:40+0900"


async def test_a_person_edits_in_the_web_client(books: Books) -> None:
    (id,) = books.world.books.seed("contacts", [{"contact_name": "Kita", "last_modified_time": "2026-01-05T10:00:00+0900"}])
    books.world.books.edit("contacts", id, notes="called", cf_renkei_crm_id="77", zcrm_account_id="5545974000000451001")
    contact = (await books.get(f"/contacts/{id}"))["contact"]
    assert (contact["notes"], contact["zcrm_account_id"]) == ("called", "5545974000000451001")
    assert contact["custom_field_hash"]["cf_renkei_crm_id"] == "77"
    assert contact["created_time"] == "2026-01-05T10:00:00+0900"
    assert contact["last_modified_time"] == "2026-11-02T09:15:40+0900"
    assert await names(books, zcrm_account_id="5545974000000451001") == ["Kita"]


async def test_the_history_of_a_contact_names_what_was_deleted(books: Books) -> None:
    id = (await create(books))["contact_id"]
    body = {"customer_id": id, "line_items": [{"name": "Work", "rate": 100, "quantity": 1}]}
    invoice = (await books.done("POST", "/invoices", body))["invoice"]["invoice_id"]
    await books.done("DELETE", f"/invoices/{invoice}")
    comments = (await books.get(f"/contacts/{id}/comments"))["contact_comments"]
    assert [(row["transaction_type"], row["operation_type"], row["is_entity_deleted"]) for row in comments] == [
        ("invoice", "Deleted", True),
        ("invoice", "Added", False),
        ("contact", "Added", False),
    ]
