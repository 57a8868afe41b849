"""What every call passes: token, scope, organisation, limits, body (books-v3.md sections 1 to 5)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import orjson
import pytest
from books_calls import MAIN, SECOND, Books

from renkei.sandbox.app import create_app
from renkei.sandbox.world import World


async def bare(world: World, path: str, headers: dict[str, str], method: str = "GET") -> httpx.Response:
    transport = httpx.ASGITransport(create_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
        return await client.request(method, path, headers=headers, params={"organization_id": MAIN})


async def test_without_or_with_a_malformed_authorization_header_the_answer_is_14(world: World) -> None:
    for headers in ({}, {"Authorization": f"Bearer {world.oauth.access()}"}):
        answer = await bare(world, "/books/v3/contacts", headers)
        assert (answer.status_code, answer.json()["code"]) == (401, 14)


async def test_an_expired_token_is_57(world: World) -> None:
    headers = {"Authorization": f"Zoho-oauthtoken {world.oauth.access()}"}
    assert (await bare(world, "/books/v3/contacts", headers)).status_code == 200
    world.clock.advance(3601)
    answer = await bare(world, "/books/v3/contacts", headers)
    assert (answer.status_code, answer.json()["code"]) == (401, 57)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "allowed"),
    [
        (["ZohoBooks.contacts.READ"], "GET", "/books/v3/contacts", True),
        (["ZohoBooks.contacts.READ"], "GET", "/books/v3/items", False),
        (["ZohoBooks.settings.READ"], "GET", "/books/v3/items", True),
        (["ZohoBooks.contacts.UPDATE"], "POST", "/books/v3/contacts/460000000000000001/active", False),
        (["ZohoBooks.contacts.CREATE"], "POST", "/books/v3/contacts/460000000000000001/active", True),
        (["ZohoInvoice.fullaccess.all"], "GET", "/books/v3/contacts", False),
        (["ZohoInvoice.fullaccess.all"], "GET", "/invoice/v3/contacts", True),
        (["ZohoBooks.fullaccess.all"], "GET", "/invoice/v3/contacts", False),
    ],
)
async def test_a_token_does_only_what_its_scopes_say(
    world: World, scopes: list[str], method: str, path: str, allowed: bool
) -> None:
    token = world.oauth.access(world.add_credentials(scopes))
    answer = await bare(world, path, {"Authorization": f"Zoho-oauthtoken {token}"}, method)
    assert (answer.json()["code"] != 57) is allowed


async def test_a_wrong_organisation_and_none_are_6041(books: Books) -> None:
    status, code, message = await books.refused("GET", "/contacts", params={"organization_id": "60000000001"})
    assert (status, code) == (400, 6041)
    assert message == "This user is not associated with the CompanyID/CompanyName:60000000001."
    books.params = {}
    assert (await books.refused("GET", "/contacts"))[:2] == (400, 6041)


async def test_the_organisation_may_come_by_header_and_each_has_its_own_records(books: Books) -> None:
    books.world.books.seed("contacts", [{"contact_name": "Kita"}])
    books.params = {}
    here = await books.call("GET", "/contacts", headers={"X-com-zoho-books-organizationid": MAIN})
    there = await books.call("GET", "/contacts", headers={"X-com-zoho-books-organizationid": SECOND})
    assert (len(here.json()["contacts"]), len(there.json()["contacts"])) == (1, 0)
    books.base = "/invoice/v3"
    invoice = await books.call("GET", "/contacts", headers={"X-com-zoho-invoice-organizationid": MAIN})
    assert len(invoice.json()["contacts"]) == 1


async def test_organizations_are_listed_without_naming_one(books: Books) -> None:
    books.params = {}
    content = await books.get("/organizations")
    assert [row["organization_id"] for row in content["organizations"]] == [MAIN, SECOND]
    assert content["organizations"][0]["price_precision"] == 0
    assert "page_context" not in content


async def test_sales_orders_do_not_exist_in_zoho_invoice(books: Books) -> None:
    assert (await books.get("/salesorders"))["salesorders"] == []
    books.base = "/invoice/v3"
    assert (await books.refused("GET", "/salesorders"))[:2] == (404, 5)


async def test_unknown_paths_are_5_and_wrong_methods_37(books: Books) -> None:
    assert (await books.refused("GET", "/contactz"))[:2] == (404, 5)
    assert (await books.refused("DELETE", "/contacts"))[:2] == (405, 37)


@pytest.mark.parametrize("path", ["/contacts", "/contactz", "/contacts/460000000000999999"])
async def test_every_answer_carries_three_integer_rate_headers(books: Books, path: str) -> None:
    answer = await books.call("GET", path)
    assert int(answer.headers["X-Rate-Limit-Limit"]) == 10000
    assert int(answer.headers["X-Rate-Limit-Remaining"]) == 9999
    # 09:15:40 in Tokyo: 14 h 44 min 20 s to midnight
    assert int(answer.headers["X-Rate-Limit-Reset"]) == 53060


async def test_without_limits_the_whole_allowance_is_always_left(books: Books) -> None:
    books.world.limits = False
    for _ in range(2):
        assert int((await books.call("GET", "/contacts")).headers["X-Rate-Limit-Remaining"]) == 10000


async def test_the_hundred_and_first_call_of_a_minute_blocks_the_organisation(books: Books) -> None:
    for _ in range(100):
        await books.get("/users/me")
    status, code, message = await books.refused("GET", "/users/me")
    assert (status, code) == (429, 44)
    assert message.startswith("For security reasons your organization has been blocked")
    books.world.clock.advance(59)
    assert (await books.refused("GET", "/users/me"))[1] == 44
    books.world.clock.advance(1)
    await books.get("/users/me")


async def test_the_length_of_the_block_can_be_set(books: Books) -> None:
    books.world.books.main.meter.block = timedelta(minutes=5)
    for _ in range(101):
        await books.call("GET", "/users/me")
    books.world.clock.advance(299)
    assert (await books.refused("GET", "/users/me"))[1] == 44
    books.world.clock.advance(1)
    await books.get("/users/me")


async def test_a_spent_day_is_45_until_it_rolls_over(books: Books) -> None:
    books.world.books.set_day_used(10000)
    status, code, message = await books.refused("GET", "/users/me")
    assert (status, code) == (429, 45)
    assert "10,000" in message
    books.world.books.set_day_reset(books.world.clock.now() + timedelta(seconds=90))
    books.world.clock.advance(90)
    await books.get("/users/me")


async def test_limits_off_counts_but_does_not_refuse(books: Books) -> None:
    books.world.limits = False
    books.world.books.set_day_used(10000)
    for _ in range(120):
        await books.get("/users/me")
    assert books.world.books.main.meter.used == 10120


async def test_the_eleventh_call_in_progress_is_1070(books: Books) -> None:
    gate = asyncio.Event()

    async def held(_seconds: float) -> None:
        await gate.wait()

    books.world.sleep = held
    books.world.books.latency = 1.0
    calls = [asyncio.create_task(books.call("GET", "/users/me")) for _ in range(11)]
    first, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    gate.set()
    answers = await asyncio.gather(*calls)
    assert [task.result().json()["code"] for task in first] == [1070]
    assert sorted(answer.json()["code"] for answer in answers) == [0] * 10 + [1070]


async def test_bodies_in_every_dress_the_vendor_takes(books: Books) -> None:
    def body(name: str) -> bytes:
        return orjson.dumps({"contact_name": name})

    await books.done("POST", "/contacts", {"contact_name": "json"})
    await books.done("POST", "/contacts/", content=body("no content type, trailing slash"))
    await books.done("POST", "/contacts", data={"JSONString": body("form").decode()})
    await books.done("POST", "/contacts", data={"JSONString": body("parts").decode()}, files={"doc": ("a.txt", b"a")})
    names = [row["contact_name"] for row in (await books.get("/contacts"))["contacts"]]
    assert names == ["form", "json", "no content type, trailing slash", "parts"]


async def test_bodies_that_are_empty_or_no_json_are_refused(books: Books) -> None:
    assert (await books.refused("POST", "/contacts"))[:2] == (400, 11)
    assert (await books.refused("POST", "/contacts", content=b'{"contact_name": '))[:2] == (400, 11)
    status, code, message = await books.refused("POST", "/contacts", data={"JSONString": "{"})
    assert (status, code, message) == (400, 4, "Invalid value passed for JSONString")


async def test_the_request_log_knows_code_and_rows(books: Books) -> None:
    books.world.books.seed("contacts", [{"contact_name": f"c{n}"} for n in range(3)])
    await books.get("/contacts")
    await books.refused("GET", "/contacts/460000000000999999")
    rows = books.world.requests.select("books")
    assert [(row.status, row.code, row.rows) for row in rows] == [(200, 0, 3), (404, 1002, 0)]
