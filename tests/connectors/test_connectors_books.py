"""Books' and Invoice's connector: lists that move under the reader, details, writes by key, persons, editions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from connector_world import BOOKS_KEY, HOST, START, House

from renkei.core.errors import Bug, FieldMissing, WrongEdition, WrongOrganization
from renkei.core.records import Answer, Row


def contacts(house: House, count: int, **values: object) -> list[str]:
    made = []
    for n in range(count):
        house.world.clock.advance(1)
        made += house.world.books.seed("contacts", [{"contact_name": f"Contact {house.world.new_id('books')} {n}", **values}])
    return made


async def read(house: House, module: str, **how: object) -> list[Row]:
    return [row async for page in house.books().read(module, **how) for row in page.rows]  # type: ignore[arg-type]


def at_page(house: House, number: int, act: Callable[[], object]) -> None:
    seen = 0

    def before(request: httpx.Request) -> None:
        nonlocal seen
        if request.method == "GET" and "page" in request.url.params:
            seen += 1
            if seen == number:
                act()

    house.transport.before = before


async def test_a_full_list_comes_two_hundred_a_call_and_each_id_once(house: House) -> None:
    ids = contacts(house, 450)
    assert [row["contact_id"] for row in await read(house, "contacts")] == ids
    assert house.asked("books") == 3


async def test_vendors_never_come(house: House) -> None:
    (customer,) = contacts(house, 1)
    contacts(house, 1, contact_type="vendor")
    assert [row["contact_id"] for row in await read(house, "contacts")] == [customer]


async def test_inactive_customers_come_too(house: House) -> None:
    ids = contacts(house, 2)
    house.world.books.set_active("contacts", ids[0], False)
    assert [row["contact_id"] for row in await read(house, "contacts")] == ids


async def test_a_customer_deleted_between_pages_costs_no_other_row_when_the_list_is_verified(house: House) -> None:
    ids = contacts(house, 600)
    at_page(house, 2, lambda: house.world.books.delete("contacts", ids[0]))
    found = [row["contact_id"] for row in await read(house, "contacts", verify=True)]
    assert sorted(found) == ids, "the deleted one was read before; the one that slipped came with the second pass"
    assert len(found) == len(set(found))


async def test_customers_created_between_pages_neither_double_nor_hide_a_row(house: House) -> None:
    ids = contacts(house, 401)
    at_page(house, 2, lambda: contacts(house, 3))
    found = [row["contact_id"] for row in await read(house, "contacts")]
    assert len(found) == len(set(found)) and set(ids) <= set(found)


async def test_a_repeated_id_alone_starts_the_second_pass(house: House) -> None:
    house.world.books.seed("items", [{"name": f"Item {n:04}", "rate": 1} for n in range(450)])
    at_page(house, 2, lambda: house.world.books.seed("items", [{"name": "AAA first", "rate": 1}]))
    found = [row["name"] for row in await read(house, "items")]
    assert len(found) == len(set(found)) == 451
    assert "AAA first" in found


@pytest.mark.parametrize("module", ["contacts", "items"])
@pytest.mark.parametrize("seed", range(4))
async def test_pages_that_shift_lose_and_double_nothing(module: str, seed: int) -> None:
    from renkei.sandbox.world import World

    house = House(World(seed=seed))
    if module == "contacts":
        contacts(house, 500)
    else:
        house.world.books.seed("items", [{"name": f"Item {n:04}", "rate": 1} for n in range(500)])
    house.world.faults.add(f"page-shift@books/{module}*2")
    rows = await read(house, module, verify=True)
    key = "contact_id" if module == "contacts" else "item_id"
    found = [row[key] for row in rows]
    assert sorted(found) == sorted(house.world.books.records(module))


async def test_one_page_needs_no_second_pass(house: House) -> None:
    contacts(house, 100)
    await read(house, "contacts", verify=True)
    assert house.asked("books") == 1


async def test_contacts_since_stop_at_the_first_older_row(house: House) -> None:
    ids = contacts(house, 900)
    house.world.clock.advance(60)
    since = house.clock.now()
    house.world.books.edit("contacts", ids[3], notes="edited")
    house.world.books.edit("contacts", ids[800], notes="edited")
    assert {row["contact_id"] for row in await read(house, "contacts", since=since)} == {ids[3], ids[800]}
    assert house.asked("books") == 1


async def test_invoices_since_use_the_servers_filter_with_an_encoded_plus(house: House) -> None:
    (customer,) = contacts(house, 1)
    line = {"name": "x", "rate": 100, "quantity": 1}
    old = house.world.books.seed("invoices", [{"customer_id": customer, "date": "2026-11-01", "line_items": [line]}])
    house.world.clock.advance(3600)
    since = house.clock.now()
    new = house.world.books.seed("invoices", [{"customer_id": customer, "date": "2026-11-02", "line_items": [line]}])
    assert old != new
    assert [row["invoice_id"] for row in await read(house, "invoices", since=since)] == new
    assert b"last_modified_time=2026-11-02T" in house.transport.requests[-1].url.query
    assert b"%2B0000" in house.transport.requests[-1].url.query


async def test_a_filter_that_the_server_ignores_is_noticed_instead_of_read_to_the_end(house: House) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/oauth"):
            return httpx.Response(200, json={"access_token": "1000.a.b", "expires_in": 3600})
        row = {"invoice_id": "1", "last_modified_time": "2020-01-01T00:00:00+0900"}
        return httpx.Response(200, json={"code": 0, "invoices": [row], "page_context": {"has_more_page": True}})

    house.transport = httpx.MockTransport(handle)  # type: ignore[assignment]
    with pytest.raises(Bug, match="honoured"):
        await read(house, "invoices", since=START)


async def test_a_detail_that_is_gone_is_none_and_not_an_error(house: House) -> None:
    books = house.books()
    (contact,) = contacts(house, 1)
    detail = await books.get("contacts", contact)
    assert detail is not None and "billing_address" in detail
    house.world.books.delete("contacts", contact)
    assert await books.get("contacts", contact) is None
    assert await books.get("items", "460000000099999999") is None


async def test_item_details_come_a_hundred_a_call_and_the_missing_are_absent(house: House) -> None:
    ids = house.world.books.seed("items", [{"name": f"Item {n}", "rate": 1} for n in range(150)])
    found = await house.books().get_items([*ids, "460000000099999999"])
    assert set(found) == set(ids)


async def test_put_by_key_creates_once_and_then_updates_the_same(house: House) -> None:
    books = house.books()
    first = await books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita"})
    second = await books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita KK"})
    assert first.ok and second.ok and first.id == second.id
    assert second.record is not None and second.record["contact_name"] == "Kita KK"
    assert second.record["custom_field_hash"][BOOKS_KEY] == "crm:Accounts:1"
    assert second.stamp == house.clock.now()
    put = next(request for request in house.transport.requests if request.method == "PUT")
    assert put.headers["x-unique-identifier-key"] == BOOKS_KEY and put.headers["x-upsert"] == "true"
    assert "customfield_id" in json.loads(put.content)["custom_fields"][0]


async def test_a_name_that_is_taken_is_an_answer_with_their_code_and_words(house: House) -> None:
    books = house.books()
    await books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita"})
    answer = await books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:2", {"contact_name": "Kita"})
    assert (answer.ok, answer.code) == (False, "3062") and "Kita" in answer.words
    assert len(house.world.books.records("contacts")) == 1


async def test_a_custom_field_that_is_not_there_is_named_before_anything_leaves(house: House) -> None:
    with pytest.raises(FieldMissing) as caught:
        await house.books().put_by_key("contacts", "cf_nothing", "1", {"contact_name": "Kita"})
    assert caught.value.field == "cf_nothing"
    assert house.asked("books", "PUT") == 0


async def test_persons_are_added_changed_and_removed_one_by_one(house: House) -> None:
    books = house.books()
    (contact,) = contacts(house, 1)
    added = await books.add_person(contact, {"first_name": "Aiko", "last_name": "Mori", "email": "aiko@kita.example"})
    assert added.ok and added.id is not None
    assert (await books.update_person(added.id, {"contact_id": contact, "first_name": "Aya"})).ok
    detail = await books.get("contacts", contact)
    assert detail is not None and [person["first_name"] for person in detail["contact_persons"]] == ["Aya"]
    assert (await books.delete_person(added.id)).ok
    detail = await books.get("contacts", contact)
    assert detail is not None and detail["contact_persons"] == []


async def test_active_and_inactive_answer_with_the_id_they_were_asked_for(house: House) -> None:
    (contact,) = contacts(house, 1)
    answer = await house.books().set_active("contacts", contact, False)
    assert answer.ok and answer.id == contact and answer.record is None
    assert house.world.books.records("contacts")[contact]["status"] == "inactive"


async def test_a_deals_estimate_is_made_once_by_its_key_and_accepted_only_after_it_was_sent(house: House) -> None:
    books, (contact,) = house.books(), contacts(house, 1)
    body = {"customer_id": contact, "line_items": [{"name": "Kita", "rate": 1200, "quantity": 1}]}
    first = await books.put_by_key("estimates", BOOKS_KEY, "crm:Deals:7", body)
    again = await books.put_by_key("estimates", BOOKS_KEY, "crm:Deals:7", body)
    assert first.ok and first.id is not None and again.id == first.id
    assert list(house.world.books.records("estimates")) == [first.id]
    early = await books.set_status("estimates", first.id, "accepted")
    assert not early.ok and early.words, "what was never sent cannot be accepted"
    for status in ("sent", "accepted"):
        assert await books.set_status("estimates", first.id, status) == Answer(True, id=first.id)
    assert house.world.books.records("estimates")[first.id]["status"] == "accepted"


async def test_a_deals_invoice_is_voided_and_comes_back_as_a_draft(house: House) -> None:
    books, (contact,) = house.books(), contacts(house, 1)
    body = {"customer_id": contact, "line_items": [{"name": "Kita", "rate": 1200, "quantity": 1}]}
    made = await books.put_by_key("invoices", BOOKS_KEY, "crm:Deals:7", body)
    assert made.id is not None
    for status in ("void", "draft"):
        assert (await books.set_status("invoices", made.id, status)).ok
        assert house.world.books.records("invoices")[made.id]["status"] == status


async def test_a_status_without_a_call_of_its_own_never_leaves(house: House) -> None:
    for module, status in (("invoices", "paid"), ("contacts", "sent")):
        with pytest.raises(Bug):
            await house.books().set_status(module, "1", status)
    assert house.asked("books", "POST") == 0


async def test_a_customer_with_transactions_is_not_deleted_and_the_answer_says_why(house: House) -> None:
    (contact,) = contacts(house, 1)
    line = {"name": "x", "rate": 100, "quantity": 1}
    house.world.books.seed("invoices", [{"customer_id": contact, "date": "2026-11-02", "line_items": [line]}])
    answer = await house.books().delete("contacts", contact)
    assert not answer.ok and answer.code in ("36", "1004")


async def test_the_organisation_is_sent_in_the_query_and_in_the_editions_header() -> None:
    for edition in ("books", "invoice"):
        from renkei.sandbox.world import World

        house = House(World(seed=3, edition=edition), edition=edition)
        await house.books().currencies()
        request = house.transport.requests[-1]
        assert str(request.url).startswith(f"{HOST}/{edition}/v3/")
        assert request.url.params["organization_id"] == house.world.organization
        assert request.headers[f"x-com-zoho-{edition}-organizationid"] == house.world.organization


async def test_a_wrong_organisation_is_named_with_those_there_are(house: House) -> None:
    with pytest.raises(WrongOrganization, match=house.world.organization):
        await house.books(organization="60000000001").organization()
    with pytest.raises(WrongOrganization):
        await read_of(house, "60000000001")


async def read_of(house: House, organization: str) -> list[Row]:
    return [row async for page in house.books(organization=organization).read("contacts") for row in page.rows]


async def test_a_token_of_the_other_edition_is_named(house: House) -> None:
    from renkei.connectors.books import ZohoBooks

    tokens = house.tokens(house.credentials(refresh_token=house.world.add_credentials(["ZohoInvoice.fullaccess.all"])))
    with pytest.raises(WrongEdition) as caught:
        await house.books(tokens).organization()
    assert "edition: invoice" in caught.value.fix
    books_only = house.credentials(refresh_token=house.world.add_credentials(["ZohoBooks.fullaccess.all"]))
    invoice = ZohoBooks(
        house.client("books", house.tokens(books_only, alias="B")), edition="invoice", organization=house.world.organization
    )
    with pytest.raises(WrongEdition) as caught:
        await invoice.organization()
    assert "edition: books" in caught.value.fix


async def test_the_days_rest_is_what_the_last_headers_said(house: House) -> None:
    books = house.books()
    assert books.daily() == (None, None)
    await books.users()
    left, seconds = books.daily()
    assert left is not None and seconds is not None and 0 < seconds <= 86400
    house.world.clock.advance(seconds + 1)
    assert books.daily() == (None, None), "after the reset the old number means nothing"


async def test_served_at_is_not_later_than_now(house: House) -> None:
    contacts(house, 1)
    pages = [page async for page in house.books().read("contacts")]
    assert abs(pages[0].served_at - house.clock.now()) < timedelta(seconds=2) or pages[0].served_at <= house.clock.now()
