"""Every path, parameter and header that the connectors send stands in the vendors' OpenAPI files, or below with a reason."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
from connector_world import BOOKS_KEY, CRM_KEY, START, House

from renkei.core.values import Ref

OPERATIONS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "vendor_operations.json").read_text(encoding="utf-8"))

# What the files leave out and books-v3.md documents from elsewhere.
BEYOND_THE_FILES = {
    "GET /settings/fields": "section 12: used by clients, no OpenAPI file covers custom fields",
    "sort_order": "section 4.2: documented for one module, used everywhere",
    "x-com-zoho-books-organizationid": "section 1.4: used by many clients instead of the query parameter",
}
PLAIN_HEADERS = {
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host", "user-agent",
}  # fmt: skip


def operation(side: str, request: httpx.Request) -> str:
    """The file's name of the operation that a request calls; fixed path segments win over named ones."""
    path = request.url.path if side == "crm" else request.url.path.removeprefix("/books/v3")
    fits = [
        name for name in OPERATIONS[side]
        if name.split(" ")[0] == request.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name.split(" ")[1]), path)
    ]  # fmt: skip
    return min(fits, key=lambda name: name.count("{")) if fits else f"{request.method} {path}"


async def everything(house: House) -> None:
    """Each method of both ports once at least."""
    crm, books = house.crm(), house.books()
    await crm.organization()
    await crm.fields("Accounts")
    await crm.views("Accounts")
    await crm.users()
    await crm.currencies()
    ids = house.world.crm.seed("Accounts", [{"Account_Name": f"A{n}"} for n in range(60)])
    async for _ in crm.read("Accounts", ["Account_Name"], since=START):
        pass
    await crm.deleted("Accounts", START)
    await crm.get_many("Accounts", ids, ["Account_Name"])
    await crm.find("Accounts", CRM_KEY, ["1"], ["Account_Name"])
    await crm._single("Accounts", ids[0], ["Account_Name"])
    await crm.insert("Accounts", [{"Account_Name": "new"}])
    await crm.update("Accounts", [{"id": ids[0], "Phone": "1"}])
    await crm.delete("Accounts", ids[:1])
    await books.organization()
    await books.fields("contacts")
    await books.users()
    await books.currencies()
    for module, body in (("contacts", {"contact_name": "Kita"}), ("items", {"name": "Day", "rate": 1})):
        made = await books.put_by_key(module, BOOKS_KEY, "crm:x:1", body)
        assert made.id is not None
        await books.get(module, made.id)
        await books.update(module, made.id, body)
        await books.set_active(module, made.id, False)
        await books.set_active(module, made.id, True)
        if module == "contacts":
            person = await books.add_person(made.id, {"first_name": "Aiko"})
            assert person.id is not None
            await books.update_person(person.id, {"contact_id": made.id, "first_name": "Aya"})
            await books.delete_person(person.id)
        else:
            await books.get_items([made.id])
        for since in (None, START):
            async for _ in books.read(module, since=since):
                pass
        await books.delete(module, made.id)
    async for _ in books.read("invoices", since=START):
        pass
    await books.get("invoices", "460000000099999999")
    for module in ("Accounts", "Contacts"):
        await books.paired_customers(Ref("crm", module, ids[0]))


async def test_every_request_is_one_that_the_vendors_files_describe(house: House) -> None:
    await everything(house)
    called: dict[str, set[str]] = {"crm": set(), "books": set()}
    for request in house.transport.requests:
        if request.url.path.startswith("/oauth"):
            continue
        side = "crm" if request.url.path.startswith("/crm") else "books"
        name = operation(side, request)
        called[side].add(name)
        if name in BEYOND_THE_FILES:
            continue
        described = OPERATIONS[side].get(name)
        assert described is not None, f"{name} is in no file"
        allowed = set(described["query"]) | set(BEYOND_THE_FILES)
        assert set(request.url.params) <= allowed, f"{name}: {set(request.url.params) - allowed}"
        headers = {header.lower() for header in described["header"]} | PLAIN_HEADERS | set(BEYOND_THE_FILES)
        assert set(request.headers) <= headers, f"{name}: {set(request.headers) - headers}"
    for side, names in called.items():
        assert set(OPERATIONS[side]) <= names, f"never called: {set(OPERATIONS[side]) - names}"


async def test_every_answer_of_that_walk_was_a_success_or_a_record_that_is_gone(house: House) -> None:
    await everything(house)
    failed = [row for row in house.world.requests if row.status >= 400]
    assert [(row.method, row.status) for row in failed] == [("GET", 404)]
