"""Calls of a sandbox world in process, as a synchronous client would make them over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from renkei.sandbox.app import create_app
from renkei.sandbox.faults import NoAnswer
from renkei.sandbox.world import World

BASE = "http://sandbox.test"


class InProcess(httpx.ASGITransport):
    """Calls the app without a socket; an answer that never comes is a transport error, as over the wire."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except NoAnswer as fault:
            if fault.kind.startswith("timeout"):
                raise httpx.ReadTimeout(fault.kind, request=request) from fault
            raise httpx.RemoteProtocolError(fault.kind, request=request) from fault


class Api:
    """Synchronous calls of a world's HTTP interface. `refresh_token` chooses the credentials."""

    def __init__(self, world: World, refresh_token: str | None = None) -> None:
        self.world = world
        self.refresh_token = refresh_token
        self.token: str | None = None
        self.app = create_app(world)

    def send(self, method: str, path: str, *, token: str | None = None, **options: Any) -> httpx.Response:
        """One call with a live access token, or with `token` as the whole Authorization header (empty: none)."""
        if token is None:
            if self.token is None or self.world.oauth.token(self.token) is None:
                self.token = "Zoho-oauthtoken " + self.world.oauth.access(self.refresh_token)
            token = self.token
        headers = {**({"Authorization": token} if token else {}), **options.pop("headers", {})}

        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=InProcess(app=self.app), base_url=BASE) as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(call())

    def crm(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call below /crm/v8/."""
        return self.send(method, f"/crm/v8/{path}", **options)

    def coql(self, text: str) -> httpx.Response:
        return self.crm("POST", "coql", json={"select_query": text})

    def rows(self, text: str) -> list[dict[str, Any]]:
        """The rows of a COQL query; an empty list for 204."""
        answer = self.coql(text)
        assert answer.status_code in (200, 204), answer.text
        return list(answer.json()["data"]) if answer.status_code == 200 else []
