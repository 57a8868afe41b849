"""A sandbox in process, its clock in our hands, and connectors that talk to it. Nothing here waits for real time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from renkei.connectors.auth import Credentials, Tokens
from renkei.connectors.books import ZohoBooks
from renkei.connectors.crm import ZohoCrm
from renkei.connectors.http import Client
from renkei.core.connection import Budget, Edition, Hosts
from renkei.core.values import Side
from renkei.sandbox.app import create_app
from renkei.sandbox.faults import NoAnswer
from renkei.sandbox.world import World

START = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
HOST = "http://sandbox.test"
CRM_KEY, BOOKS_KEY = "renkei_books_id", "cf_renkei_crm_id"

LOST_ANSWERS: dict[str, type[httpx.TransportError]] = {
    "timeout-before": httpx.ReadTimeout,
    "timeout-after-commit": httpx.ReadTimeout,
    "reset-connection": httpx.ReadError,
    "truncated-body": httpx.RemoteProtocolError,
}


class VirtualClock:
    """A sandbox's clock as core.ports.Clock: sleeping moves it on. `slept` lists every wait."""

    def __init__(self, world: World) -> None:
        self.world, self.slept, self.ids = world, list[float](), 0
        self._random = random.Random(7)
        world.clock.freeze(START)

    def now(self) -> datetime:
        return self.world.clock.now()

    def elapsed(self) -> float:
        return self.world.clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.world.clock.advance(max(0.0, seconds))
        await asyncio.sleep(0)

    def chance(self) -> float:
        return self._random.random()

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids:04}"


class MemoryStore:
    """core.ports.TokenStore and CallStore in memory, as two processes would share them."""

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, datetime]] = {}
        self.leases: dict[str, tuple[str, datetime]] = {}
        self.made: list[tuple[str, datetime]] = []
        self.counted: Counter[tuple[str, str, str, str]] = Counter()
        self.written = 0

    def token(self, alias: str) -> tuple[str, datetime] | None:
        return self.tokens.get(alias)

    def lease_refresh(self, alias: str, owner: str, now: datetime, ttl: timedelta) -> bool:
        holder = self.leases.get(alias)
        if holder is not None and holder[0] != owner and holder[1] > now:
            return False
        self.leases[alias] = (owner, now + ttl)
        return True

    def refreshes(self, alias: str, since: datetime) -> int:
        return sum(1 for name, at in self.made if name == alias and at > since)

    def save_token(self, alias: str, encrypted: str, ends: datetime, now: datetime) -> None:
        self.tokens[alias] = (encrypted, ends)
        self.made.append((alias, now))
        self.leases.pop(alias, None)

    def drop_lease(self, alias: str, owner: str) -> None:
        if self.leases.get(alias, ("", now_never()))[0] == owner:
            del self.leases[alias]

    def add_calls(self, organization: str, side: Side, day: str, kind: str, calls: int, run: str | None) -> None:
        self.written += 1
        self.counted[(organization, side, day, kind)] += calls

    def calls_on(self, organization: str, side: Side, day: str) -> int:
        return sum(n for key, n in self.counted.items() if key[:3] == (organization, side, day))


def now_never() -> datetime:
    return datetime.max.replace(tzinfo=UTC)


class SandboxTransport(httpx.AsyncBaseTransport):
    """The sandbox's app in process; where it gives no answer, the exception that a socket would have brought.

    `before` is called with each request before it is handled: people's hands between two pages.
    """

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.requests: list[httpx.Request] = []
        self.before: Callable[[httpx.Request], None] = lambda request: None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.before(request)
        try:
            return await self._inner.handle_async_request(request)
        except NoAnswer as fault:
            raise LOST_ANSWERS[fault.kind](fault.kind, request=request) from fault


class House:
    """One world and its connectors. `tokens()` makes a further token holder on the same store, as another process would."""

    def __init__(self, world: World | None = None, *, budget: Budget | None = None, edition: Edition = "books") -> None:
        self.world = world or World(seed=3, edition=edition)
        self.clock = VirtualClock(self.world)
        self.store = MemoryStore()
        self.transport = SandboxTransport(create_app(self.world))
        self.edition: Edition = edition
        self.budget = budget or Budget(keep_for_people=0)

    def credentials(self, **changes: str) -> Credentials:
        given = {
            "client_id": self.world.client_id,
            "client_secret": self.world.client_secret,
            "refresh_token": self.world.refresh_token,
        }
        return Credentials(**(given | changes))

    def tokens(self, credentials: Credentials | None = None, *, alias: str = "ACME", key: bytes | None = None) -> Tokens:
        return Tokens(
            alias, credentials or self.credentials(), hosts=Hosts(HOST, HOST), store=self.store, clock=self.clock, key=key,
            transport=self.transport,
        )  # fmt: skip

    def client(self, side: Side, tokens: Tokens | None = None, *, read_only: bool = False, run: str | None = None) -> Client:
        return Client(
            side, base=HOST, tokens=tokens or self.tokens(), clock=self.clock, calls=self.store,
            organization=f"{side}-organisation", time_zone="Asia/Tokyo", budget=self.budget if side == "books" else None,
            run=run, transport=self.transport, read_only=read_only,
        )  # fmt: skip

    def crm(self, tokens: Tokens | None = None, *, read_only: bool = False) -> ZohoCrm:
        return ZohoCrm(self.client("crm", tokens, read_only=read_only), key_field=CRM_KEY)

    def books(self, tokens: Tokens | None = None, *, read_only: bool = False, organization: str | None = None) -> ZohoBooks:
        return ZohoBooks(
            self.client("books", tokens, read_only=read_only), edition=self.edition,
            organization=organization or self.world.organization,
        )  # fmt: skip

    def asked(self, side: Side | None = None, method: str | None = None, path: str | None = None) -> int:
        return self.world.requests.count(side, method=method, path=path)
