"""Items over HTTP (books-v3.md section 7)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import Books, upsert_headers

TAX = "460000000037049"
DAY = {"name": "Consulting day", "rate": 90000, "unit": "day", "sku": "SVC-DAY", "tax_id": TAX}


async def test_a_created_item_answers_201_with_its_tax(books: Books) -> None:
    answer = await books.call("POST", "/items", DAY)
    item = answer.json()["item"]
    assert (answer.status_code, answer.json()["message"]) == (201, "The item has been added.")
    assert (item["rate"], item["tax_name"], item["tax_percentage"]) == (90000, "Consumption tax", 10)
    assert (await books.get(f"/items/{item['item_id']}"))["item"] == item


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, 2),
        ({"name": "n" * 101}, 15),
        ({"description": "d" * 2001}, 15),
        ({"rate": None}, 2),
        ({"rate": "much"}, 2),
        ({"item_type": "inventory"}, 2),
        ({"tax_id": "1"}, 6),
    ],
)
async def test_bodies_that_cannot_be_are_refused(books: Books, change: dict[str, Any], code: int) -> None:
    assert (await books.refused("POST", "/items", {**DAY, **change}))[:2] == (400, code)
    assert books.world.books.records("items") == {}


async def test_the_longest_texts_are_taken(books: Books) -> None:
    await books.done("POST", "/items", {**DAY, "name": "n" * 100, "description": "d" * 2000})


async def test_a_sku_belongs_to_one_item_a_name_only_if_the_organisation_wants_it(books: Books) -> None:
    first = (await books.done("POST", "/items", DAY))["item"]
    assert (await books.refused("POST", "/items", {**DAY, "name": "Other"}))[:2] == (400, 4)
    await books.done("PUT", f"/items/{first['item_id']}", {"sku": "SVC-DAY"})
    second = (await books.done("POST", "/items", {**DAY, "sku": "OTHER"}))["item"]
    assert (await books.refused("PUT", f"/items/{second['item_id']}", {"sku": "SVC-DAY"}))[:2] == (400, 4)
    books.world.books.main.unique_item_names = True
    assert (await books.refused("POST", "/items", {"name": "consulting DAY", "rate": 1}))[:2] == (400, 1001)


async def test_an_upsert_by_the_unique_field_creates_then_updates(books: Books) -> None:
    body = {**DAY, "custom_fields": [{"api_name": "cf_renkei_crm_id", "value": "777"}]}
    made = await books.done("PUT", "/items", body, headers=upsert_headers("777"))
    again = await books.done("PUT", "/items", {**body, "rate": 95000}, headers=upsert_headers("777"))
    assert made["item"]["item_id"] == again["item"]["item_id"]
    assert (again["item"]["rate"], again["message"]) == (95000, "Item details have been saved.")


async def test_itemdetails_reads_many_at_once_and_leaves_out_unknown_ids(books: Books) -> None:
    ids = books.world.books.seed("items", [{"name": "a", "rate": 1}, {"name": "b", "rate": 2}])
    items = (await books.get("/itemdetails", item_ids=",".join([ids[1], "460000000000999999", ids[0]])))["items"]
    assert [item["name"] for item in items] == ["b", "a"]


async def test_an_item_in_use_cannot_be_deleted_but_made_inactive(books: Books) -> None:
    id = (await books.done("POST", "/items", DAY))["item"]["item_id"]
    (customer,) = books.world.books.seed("contacts", [{"contact_name": "Kita"}])
    books.world.books.seed("invoices", [{"customer_id": customer, "line_items": [{"item_id": id, "quantity": 2}]}])
    assert (await books.refused("DELETE", f"/items/{id}"))[:2] == (400, 36)
    assert (await books.done("POST", f"/items/{id}/inactive"))["message"] == "The item has been marked as inactive."
    assert (await books.get("/items", filter_by="Status.Active"))["items"] == []


async def test_a_deleted_item_is_2006(books: Books) -> None:
    id = (await books.done("POST", "/items", DAY))["item"]["item_id"]
    assert (await books.done("DELETE", f"/items/{id}"))["message"] == "The item has been deleted."
    assert await books.refused("GET", f"/items/{id}") == (404, 2006, "Item does not exist.")


async def test_custom_fields_by_the_singular_path(books: Books) -> None:
    id = (await books.done("POST", "/items", DAY))["item"]["item_id"]
    content = await books.done("PUT", f"/item/{id}/customfields", [{"label": "renkei CRM id", "value": "9"}])
    assert content == {"code": 0, "message": "Custom Fields Updated Successfully"}
    assert (await books.get(f"/items/{id}"))["item"]["custom_field_hash"]["cf_renkei_crm_id"] == "9"
