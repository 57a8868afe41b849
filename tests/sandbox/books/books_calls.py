"""Calls against the Books side of a sandbox in process, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import httpx

from renkei.sandbox.world import World

MAIN = "60012345678"
SECOND = "60099999999"
CRM_FIELD = "460000000090001"
TAX, REDUCED = "460000000037049", "460000000037051"


class LiveToken(httpx.Auth):
    """Sends a live token; a new one when the clock has passed the old one's end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.header = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.world.oauth.token(self.header) is None:
            self.header = f"Zoho-oauthtoken {self.world.oauth.access()}"
        request.headers["Authorization"] = self.header
        yield request


@dataclass
class Books:
    """The world and calls against its main organisation."""

    world: World
    client: httpx.AsyncClient
    base: str = "/books/v3"
    params: dict[str, str] = field(default_factory=lambda: {"organization_id": MAIN})

    async def call(self, method: str, path: str, json: Any = None, **options: Any) -> httpx.Response:
        params = {**self.params, **options.pop("params", {})}
        body = {} if json is None else {"json": json}
        return await self.client.request(method, self.base + path, params=params, **body, **options)

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = await self.call("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def done(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """The JSON of a call that must succeed."""
        answer = await self.call(method, path, json, **options)
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["code"] == 0
        return answer.json()

    async def refused(self, method: str, path: str, json: Any = None, **options: Any) -> tuple[int, int, str]:
        """Status, code and message of a refusal."""
        answer = await self.call(method, path, json, **options)
        assert answer.status_code >= 400, answer.text
        content = answer.json()
        assert set(content) == {"code", "message"}
        return answer.status_code, content["code"], content["message"]


def upsert_headers(value: str, upsert: bool = True) -> dict[str, str]:
    headers = {"X-Unique-Identifier-Key": "cf_renkei_crm_id", "X-Unique-Identifier-Value": value}
    return {**headers, "X-Upsert": "true"} if upsert else headers


def line(rate: float, quantity: float = 1, tax_id: str = TAX, **fields: Any) -> dict[str, Any]:
    """A line of free text in a document's body."""
    return {"name": "Work", "rate": rate, "quantity": quantity, "tax_id": tax_id, **fields}


async def customer(books: Books, name: str = "Kita", **fields: Any) -> str:
    """The id of a seeded customer."""
    (id,) = books.world.books.seed("contacts", [{"contact_name": name, **fields}])
    return id
