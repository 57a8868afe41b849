"""Clients from PyPI that nobody here wrote, unchanged, against a really served sandbox (books-v3.md section 18)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from books_calls import CRM_FIELD
from pyzohoapi import ZohoBooks
from pyzohoapi.exceptions import ZohoBadRequest, ZohoUnauthorized
from zohopy import config as zohopy_config
from zohopy._client import AsyncZohoClient, SyncZohoClient
from zohopy.config import DataCenter, ZohoConfig
from zohopy.exceptions import ZohoDuplicateError, ZohoError, ZohoNotFoundError, ZohoRateLimitError
from zohopy.products.books import (
    AsyncContacts,
    Contacts,
    CreditNotes,
    CustomerPayments,
    Estimates,
    Invoices,
    Items,
    Organizations,
    PurchaseOrders,
    SalesOrders,
)

from renkei.sandbox.serve import running
from renkei.sandbox.world import World

PERSONS = [{"first_name": "Aiko", "last_name": "Mori", "email": "aiko@kita.example"}]


@pytest.fixture
def served() -> Iterator[tuple[World, dict[str, str]]]:
    world = World(limits=False)
    with running(world) as addresses:
        yield world, addresses


def pyzoho(addresses: dict[str, str], **changes: Any) -> Any:
    """pyzohoapi by its recipe: the only change is where the hosts are."""

    class Local(ZohoBooks):  # type: ignore[misc]
        def get_endpoint(self, region: str) -> str:
            return addresses["books"] + "/books/v3"

    keys = ("client_id", "client_secret", "refresh_token")
    api = Local(addresses["organization"], "jp", **{**{key: addresses[key] for key in keys}, **changes})
    api._oauth = addresses["accounts"] + "/oauth/v2"
    return api


@pytest.fixture
def zohopy_settings(served: tuple[World, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> ZohoConfig:
    _, addresses = served
    monkeypatch.setitem(zohopy_config._ACCOUNTS_URLS, DataCenter.JP, addresses["accounts"])
    monkeypatch.setitem(zohopy_config._API_URLS, DataCenter.JP, addresses["books"])
    return ZohoConfig(
        client_id=addresses["client_id"],
        client_secret=addresses["client_secret"],
        refresh_token=addresses["refresh_token"],
        organization_id=addresses["organization"],
        data_center="jp",
        max_retries=1,
    )


def test_pyzohoapi_refreshes_lists_all_pages_and_reads_details(served: tuple[World, dict[str, str]]) -> None:
    world, addresses = served
    ids = world.books.seed("contacts", [{"contact_name": f"Company {n:03d}"} for n in range(205)])
    api = pyzoho(addresses)
    assert [row["contact_id"] for row in api.Contact().Iter(raw=True)] == ids
    assert world.requests.count("accounts") == 1
    assert world.requests.count("books", path="/contacts") == 2
    assert api._ratelimit["limit"] == "10000"
    contact = api.Contact(ids[7])
    assert (contact.ID, contact.contact_name) == (ids[7], "Company 007")


def test_pyzohoapi_creates_updates_deactivates_and_deletes_a_contact(served: tuple[World, dict[str, str]]) -> None:
    world, addresses = served
    api = pyzoho(addresses)
    contact = api.Contact()
    contact.contact_name = "Kita Trading KK"
    contact.contact_persons = PERSONS
    contact.Create()
    stored = world.books.records("contacts")[contact.ID]
    assert stored["contact_persons"][0]["email"] == "aiko@kita.example"
    contact.notes = "pays late"
    contact.SetCustomField("cf_renkei_crm_id", "5190000000123456", altkey="renkei CRM id")
    contact.Update()
    assert world.books.records("contacts")[contact.ID]["notes"] == "pays late"
    assert api.Contact(contact.ID).GetCustomField("cf_renkei_crm_id") == "5190000000123456"
    assert contact.Deactivate() is True
    assert stored["status"] == "inactive"
    contact.Delete()
    assert contact.IsDeleted
    assert world.books.records("contacts") == {}


def test_pyzohoapi_maps_errors_and_renews_an_expired_token(served: tuple[World, dict[str, str]]) -> None:
    world, addresses = served
    api = pyzoho(addresses)
    world.books.seed("contacts", [{"contact_name": "Kita"}])
    twin = api.Contact()
    twin.contact_name = "Kita"
    with pytest.raises(ZohoBadRequest) as caught:
        twin.Create()
    assert "3062" in str(vars(caught.value)) or "already exists" in str(caught.value)
    assert api.Contact("460000000000999999").IsLoaded is False
    world.faults.add("token-expired@books*1")
    assert len(list(api.Contact().Iter(raw=True))) == 1
    assert world.requests.count("accounts") == 2
    books_only = world.add_credentials(["ZohoBooks.contacts.READ"])
    with pytest.raises(ZohoUnauthorized):
        pyzoho(addresses, refresh_token=books_only, max_retries=2).Item().First()


def test_pyzohoapi_retries_a_429(served: tuple[World, dict[str, str]]) -> None:
    world, addresses = served
    world.books.seed("items", [{"name": "Day", "rate": 90000}])
    world.faults.add("429@books:GET/items*1")
    assert [row["name"] for row in pyzoho(addresses, retry_backoff_seconds=0).Item().Iter(raw=True)] == ["Day"]
    assert [row.status for row in world.requests.select("books", path="/items")] == [429, 200]


def test_zohopy_works_through_contacts_items_and_invoices(
    served: tuple[World, dict[str, str]], zohopy_settings: ZohoConfig
) -> None:
    _world, addresses = served
    with SyncZohoClient(zohopy_settings) as client:
        organizations = Organizations(client).list()["organizations"]
        assert organizations[0]["organization_id"] == addresses["organization"]
        contacts, items, invoices = Contacts(client), Items(client), Invoices(client)
        body = {
            "contact_name": "Kita",
            "contact_persons": PERSONS,
            "custom_fields": [{"customfield_id": CRM_FIELD, "value": "77"}],
        }
        contact_id = contacts.create(body)["contact"]["contact_id"]
        assert contacts.get(contact_id)["contact"]["custom_field_hash"]["cf_renkei_crm_id"] == "77"
        assert contacts.update(contact_id, {"notes": "x"})["contact"]["notes"] == "x"
        item_id = items.create({"name": "Day", "rate": 90000})["item"]["item_id"]
        order = {"customer_id": contact_id, "line_items": [{"item_id": item_id, "quantity": 2}]}
        invoice = invoices.create(order)["invoice"]
        assert invoice["total"] == 180000
        invoices.mark_sent(invoice["invoice_id"])
        payment = {
            "customer_id": contact_id,
            "payment_mode": "cash",
            "amount": 180000,
            "date": invoice["date"],
            "invoices": [{"invoice_id": invoice["invoice_id"], "amount_applied": 180000}],
        }
        CustomerPayments(client).create(payment)
        assert invoices.list(status="paid")["invoices"][0]["balance"] == 0
        contacts.mark_inactive(contact_id)
        assert contacts.list(filter_by="Status.Active")["contacts"] == []
        with pytest.raises(ZohoError, match="transactions"):
            contacts.delete(contact_id)


def test_zohopy_works_through_estimates_orders_credit_notes_and_mail(
    served: tuple[World, dict[str, str]], zohopy_settings: ZohoConfig
) -> None:
    world, _ = served
    with SyncZohoClient(zohopy_settings) as client:
        contacts, estimates, invoices = Contacts(client), Estimates(client), Invoices(client)
        customer = contacts.create({"contact_name": "Kita", "contact_persons": PERSONS})["contact"]["contact_id"]
        vendor = contacts.create({"contact_name": "Ace", "contact_type": "vendor"})["contact"]["contact_id"]
        body = {"customer_id": customer, "line_items": [{"name": "Work", "rate": 1000, "quantity": 2}]}
        estimate = estimates.create(body)["estimate"]["estimate_id"]
        assert estimates.update(estimate, {"notes": "x"})["estimate"]["notes"] == "x"
        assert estimates.get_email_content(estimate)["data"]["file_name"] == "EST-00001.pdf"
        estimates.email(estimate, {"to_mail_ids": ["aiko@kita.example"], "subject": "S", "body": "B"})
        estimates.mark_accepted(estimate)
        assert estimates.list(status="accepted")["estimates"][0]["estimate_id"] == estimate
        assert len(estimates.list_comments(estimate)["comments"]) == 5
        invoice = invoices.create({**body, "invoiced_estimate_id": estimate})["invoice"]["invoice_id"]
        invoices.mark_sent(invoice)
        note = CreditNotes(client).create({**body, "is_draft": True})["creditnote"]["creditnote_id"]
        CreditNotes(client).to_open(note)
        CreditNotes(client).apply_to_invoice(note, {"invoices": [{"invoice_id": invoice, "amount_applied": 500}]})
        assert invoices.get(invoice)["invoice"]["balance"] == 1500
        invoices.write_off(invoice)
        assert invoices.get(invoice)["invoice"]["status"] == "paid"
        order = SalesOrders(client).create(body)["salesorder"]["salesorder_id"]
        SalesOrders(client).mark_open(order)
        assert SalesOrders(client).get(order)["salesorder"]["status"] == "open"
        bought = PurchaseOrders(client).create({**body, "vendor_id": vendor})["purchaseorder"]["purchaseorder_id"]
        PurchaseOrders(client).mark_open(bought)
        PurchaseOrders(client).mark_billed(bought)
        assert PurchaseOrders(client).list(status="billed")["purchaseorders"][0]["purchaseorder_id"] == bought
    assert [mail["subject"] for mail in world.books.mails()] == ["S"]


def test_zohopy_maps_errors(served: tuple[World, dict[str, str]], zohopy_settings: ZohoConfig) -> None:
    world, _ = served
    with SyncZohoClient(zohopy_settings) as client:
        contacts = Contacts(client)
        contact_id = contacts.create({"contact_name": "Kita"})["contact"]["contact_id"]
        with pytest.raises(ZohoDuplicateError, match="already exists"):
            contacts.create({"contact_name": "Kita"})
        contacts.delete(contact_id)
        with pytest.raises(ZohoNotFoundError):
            contacts.get(contact_id)
        world.faults.add("token-expired@books*1")
        assert contacts.list()["contacts"] == []


def test_zohopy_sees_the_minute_limit(
    served: tuple[World, dict[str, str]], zohopy_settings: ZohoConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = served
    waits: list[float] = []
    monkeypatch.setattr("zohopy._client.time.sleep", waits.append)
    world.limits = True
    world.books.main.meter.per_minute = 3
    with SyncZohoClient(zohopy_settings) as client:
        for _ in range(3):
            Contacts(client).list()
        with pytest.raises(ZohoRateLimitError):
            Contacts(client).list()
    assert waits == [60.0, 120.0]


async def test_zohopy_async_reads_every_page(served: tuple[World, dict[str, str]], zohopy_settings: ZohoConfig) -> None:
    world, _ = served
    ids = world.books.seed("contacts", [{"contact_name": f"Company {n:03d}"} for n in range(401)])
    async with AsyncZohoClient(zohopy_settings) as client:
        seen = [row["contact_id"] async for page in AsyncContacts(client).list_all() for row in page["contacts"]]
    assert seen == ids
