"""Lists: paging, sorting, filters, what moves between two pages (books-v3.md section 4)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import Books


def company(n: int, **fields: Any) -> dict[str, Any]:
    at = f"2026-10-{n % 28 + 1:02d}T{n % 24:02d}:00:00+0900"
    return {"contact_name": f"Company {n:04d}", "created_time": at, "last_modified_time": at, **fields}


async def names(books: Books, kind: str = "contacts", key: str = "contact_name", **params: Any) -> list[str]:
    return [row[key] for row in (await books.get(f"/{kind}", **params))[kind]]


async def walk(books: Books, path: str, key: str, **params: Any) -> list[str]:
    """Ids of every page, as a client reads them."""
    ids: list[str] = []
    page, more = 1, True
    while more:
        content = await books.get(path, page=str(page), **params)
        ids += [row[key] for row in content[path.strip("/")]]
        more = content["page_context"]["has_more_page"]
        page += 1
    return ids


async def test_pages_of_200_cover_every_record_once(books: Books) -> None:
    ids = books.world.books.seed("contacts", [company(n) for n in range(450)])
    assert sorted(await walk(books, "/contacts", "contact_id")) == sorted(ids)
    assert books.world.requests.count("books", path="/contacts") == 3


async def test_the_page_context_tells_page_size_order_and_whether_there_is_more(books: Books) -> None:
    books.world.books.seed("contacts", [company(n) for n in range(201)])
    first = (await books.get("/contacts", per_page="500"))["page_context"]
    assert first == {
        "page": 1,
        "per_page": 200,
        "has_more_page": True,
        "report_name": "Contacts",
        "applied_filter": "Status.All",
        "sort_column": "contact_name",
        "sort_order": "A",
    }
    beyond = await books.get("/contacts", page="9")
    assert (beyond["contacts"], beyond["page_context"]["has_more_page"]) == ([], False)


async def test_a_full_last_page_says_there_is_no_more(books: Books) -> None:
    books.world.books.seed("contacts", [company(n) for n in range(200)])
    assert (await books.get("/contacts"))["page_context"]["has_more_page"] is False


async def test_strict_parameters_refuse_what_is_otherwise_clamped_or_ignored(books: Books) -> None:
    await books.get("/contacts", sort_column="unheard_of", nonsense="1")
    books.world.books.main.strict_parameters = True
    assert (await books.refused("GET", "/contacts", params={"per_page": "201"}))[:2] == (400, 2)
    assert (await books.refused("GET", "/contacts", params={"sort_column": "unheard_of"}))[:2] == (400, 2)


@pytest.mark.parametrize("params", [{"page": "0"}, {"page": "x"}, {"sort_order": "X"}, {"filter_by": "Status.Blue"}])
async def test_unusable_parameters_are_code_2(books: Books, params: dict[str, str]) -> None:
    assert (await books.refused("GET", "/contacts", params=params))[:2] == (400, 2)


async def test_contacts_sort_by_change_time_as_instants_not_as_text(books: Books) -> None:
    books.world.books.seed(
        "contacts",
        [
            company(1, contact_name="early", last_modified_time="2026-10-25T10:00:00+0900"),
            company(2, contact_name="late", last_modified_time="2026-10-25T04:00:00+0200"),
        ],
    )
    order = {"sort_column": "last_modified_time", "sort_order": "D"}
    assert await names(books, **order) == ["late", "early"]


async def test_an_edit_moves_a_contact_to_the_head_of_the_newest_first_list(books: Books) -> None:
    ids = books.world.books.seed("contacts", [company(n) for n in range(5)])
    order = {"sort_column": "last_modified_time", "sort_order": "D"}
    await names(books, **order)
    await books.done("PUT", f"/contacts/{ids[2]}", {"notes": "x"})
    books.world.clock.advance(1)
    await books.done("POST", "/contacts", {"contact_name": "Newest"})
    assert (await names(books, **order))[:3] == ["Newest", "Company 0002", "Company 0004"]


async def test_orders_and_filters_follow_every_write(books: Books) -> None:
    state = books.world.books
    ids = state.seed("contacts", [company(n) for n in range(4)])
    everyone = {"contact_type": "customer", "sort_column": "contact_name"}
    assert await names(books, **everyone) == [f"Company {n:04d}" for n in range(4)]
    state.edit("contacts", ids[0], contact_name="Zulu")
    state.delete("contacts", ids[1])
    state.seed("contacts", [{"contact_name": "Alpha"}, {"contact_name": "Vendor", "contact_type": "vendor"}])
    state.set_active("contacts", ids[2], False)
    assert await names(books, **everyone) == ["Alpha", "Company 0002", "Company 0003", "Zulu"]
    active = await names(books, filter_by="Status.Active", contact_type="customer")
    assert active == ["Alpha", "Company 0003", "Zulu"]
    assert await names(books, contact_type="vendor") == ["Vendor"]


async def test_text_filters(books: Books) -> None:
    person = {"first_name": "Aiko", "email": "aiko@kita.example"}
    books.world.books.seed(
        "contacts",
        [
            {"contact_name": "Kita Trading", "contact_persons": [person], "billing_address": {"city": "Chiyoda"}},
            {"contact_name": "Kita", "notes": "old friend", "zcrm_contact_id": "42"},
        ],
    )
    assert await names(books, contact_name="kita") == ["Kita"]
    assert await names(books, contact_name_contains="trad") == ["Kita Trading"]
    assert await names(books, contact_name_startswith="KITA") == ["Kita", "Kita Trading"]
    assert await names(books, email="aiko@kita.example") == ["Kita Trading"]
    assert await names(books, address_contains="chiyo") == ["Kita Trading"]
    assert await names(books, search_text="friend") == ["Kita"]
    assert await names(books, zcrm_contact_id="42") == await names(books, filter_by="Status.Crm") == ["Kita"]


async def test_search_may_lag_behind_writes_while_the_plain_list_does_not(books: Books) -> None:
    books.world.books.main.search_lag_seconds = 30
    await books.done("POST", "/contacts", {"contact_name": "Kita"})
    assert await names(books, contact_name="Kita") == await names(books, search_text="kit") == []
    assert await names(books) == ["Kita"]
    books.world.clock.advance(30)
    assert await names(books, contact_name="Kita") == ["Kita"]


@pytest.mark.parametrize("kind", ["contacts", "items"])
async def test_contacts_and_items_ignore_a_change_filter_unless_switched_on(books: Books, kind: str) -> None:
    old = "2026-01-01T00:00:00+0900"
    key = "contact_name" if kind == "contacts" else "name"
    books.world.books.seed(kind, [{key: "old", "last_modified_time": old}, {key: "new"}])
    since = {"last_modified_time": "2026-06-01T00:00:00+0900"}
    assert await names(books, kind, key, **since) == ["new", "old"]
    books.world.books.main.modified_filter_everywhere = True
    assert await names(books, kind, key, **since) == ["new"]


async def test_invoices_honour_the_change_filter_strictly_after_and_refuse_an_unescaped_plus(books: Books) -> None:
    state = books.world.books
    (customer,) = state.seed("contacts", [{"contact_name": "Kita"}])
    times = ("2026-10-01T09:00:00+0900", "2026-10-01T09:00:01+0900")
    state.seed(
        "invoices",
        [{"customer_id": customer, "invoice_number": at[17:19], "last_modified_time": at, "total": 1} for at in times],
    )
    key = "invoice_number"
    assert await names(books, "invoices", key, last_modified_time="2026-10-01T00:00:00+0000") == ["01"]
    answer = await books.client.get(
        f"/books/v3/invoices?organization_id={books.params['organization_id']}&last_modified_time=2026-10-01T09:00:00+0900"
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 2)


async def test_a_shifted_page_repeats_or_loses_one_row(books: Books) -> None:
    ids = books.world.books.seed("contacts", [company(n) for n in range(600)])
    books.world.faults.add("page-shift@books:/contacts*1")
    seen = await walk(books, "/contacts", "contact_id", sort_column="created_time", sort_order="A")
    assert books.world.faults.counts["page-shift"] == 1
    assert len(seen) == 600
    assert len(set(seen)) in (599, 600)
    assert seen != ids


async def test_rows_that_change_between_two_pages_move(books: Books) -> None:
    ids = books.world.books.seed("contacts", [company(n) for n in range(300)])
    order = {"sort_column": "contact_name", "sort_order": "A"}
    first = (await books.get("/contacts", **order))["contacts"]
    books.world.books.delete("contacts", ids[0])
    second = (await books.get("/contacts", page="2", **order))["contacts"]
    seen = {row["contact_id"] for row in first} | {row["contact_id"] for row in second}
    assert set(ids) - seen == {ids[200]}


async def test_item_lists_sort_only_by_name_rate_and_tax_and_show_their_change_time(books: Books) -> None:
    books.world.books.seed("items", [{"name": "b", "rate": 1}, {"name": "a", "rate": 2, "zcrm_product_id": "9"}])
    assert await names(books, "items", "name", sort_column="rate", sort_order="D") == ["a", "b"]
    content = await books.get("/items", sort_column="last_modified_time", sort_order="A")
    assert content["page_context"]["sort_column"] == "name"
    row = content["items"][0]
    assert (row["item_name"], row["zcrm_product_id"]) == ("a", "9")
    assert row["last_modified_time"] == row["created_time"] == "2026-11-02T09:15:40+0900"
