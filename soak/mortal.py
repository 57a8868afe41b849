"""Processes that can die: the n-th word that a run exchanges with the ledger or the network is its last.

A dead process stays dead, so that nothing that it left behind (a `finally`, a task of the loop) writes another word; what it
had not committed is rolled back, as the database would; its lock and leases stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from renkei.ledger.ledger import SqlLedger
from renkei.sandbox.faults import App, NoAnswer

LOST_ANSWERS: dict[str, type[httpx.TransportError]] = {
    "timeout-before": httpx.ReadTimeout,
    "timeout-after-commit": httpx.ReadTimeout,
    "reset-connection": httpx.ReadError,
    "truncated-body": httpx.RemoteProtocolError,
}


class Crash(BaseException):
    """The process was killed here."""


class Life:
    """One process. `left`: words until its death, or None; a word is each side of a ledger call or of a request. `writes`: it
    dies when so many of its writes have taken effect, before it can note the last one.

    `spoken` counts the words.
    """

    def __init__(self, left: int | None = None, writes: int | None = None) -> None:
        self.left, self.writes, self.dead, self.spoken = left, writes, False, 0

    def wrote(self) -> None:
        """A write has taken effect."""
        if self.writes is not None:
            self.writes -= 1
            self.dead = self.dead or self.writes <= 0

    def word(self) -> None:
        """Speak one word, or raise Crash."""
        self.spoken += 1
        if self.left is not None:
            self.left -= 1
            self.dead = self.dead or self.left <= 0
        if self.dead:
            raise Crash


class MortalLedger:
    """A ledger as one process uses it."""

    def __init__(self, ledger: SqlLedger, life: Life) -> None:
        self._ledger, self._life = ledger, life

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._life.word()
        with self._ledger.transaction():
            yield
        self._life.word()

    async def put_read(self, *given: Any) -> None:
        self._life.word()
        await self._ledger.put_read(*given)
        self._life.word()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)

        def call(*given: Any, **named: Any) -> Any:
            self._life.word()
            answer = method(*given, **named)
            self._life.word()
            return answer

        setattr(self, name, call)
        return call


class MortalTransport(httpx.AsyncBaseTransport):
    """Requests of one process to the sandbox in process. It may die before one leaves, or after it was answered.

    delay    seconds that half the way of a request takes; called twice a request
    people   called with the number of each request before it is handled
    writing  called with each request that writes records, before it is handled
    """

    def __init__(
        self, app: App, life: Life, delay: Callable[[], float], people: Callable[[int], None],
        writing: Callable[[httpx.Request], None],
    ) -> None:  # fmt: skip
        self._inner = httpx.ASGITransport(app=app)
        self._life, self._delay, self._people, self._writing = life, delay, people, writing
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.requests = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._life.word()
        await self._sleep(self._delay())
        self.requests += 1
        self._people(self.requests)
        writes = is_write(request.method, request.url.path)
        if writes:
            self._writing(request)
        try:
            answer = await self._inner.handle_async_request(request)
        except NoAnswer as fault:
            raise LOST_ANSWERS[fault.kind](fault.kind, request=request) from fault
        await answer.aread()
        if writes:
            self._life.wrote()
        await self._sleep(self._delay())
        self._life.word()
        return answer


def is_write(method: str, path: str) -> bool:
    """Whether a request changes records: the CRM is asked by POST too."""
    return method != "GET" and not path.startswith("/oauth/") and not path.endswith("/coql")
