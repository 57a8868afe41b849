"""A company whose processes can die: the n-th word that a run exchanges with the ledger or the network is its last.

Everything hangs on the seed: the sandbox's clock is the only time, and it moves with each request. A dead process stays
dead, so that nothing that it left behind (a `finally`, a task of the loop) writes another word; its lock and leases stay.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from company import Company
from connector_world import HOST, SandboxTransport, VirtualClock

from renkei.config.project import Project
from renkei.core.connection import ConnectionSpec
from renkei.engine.sequence import Report
from renkei.engine.undo import plan_undo
from renkei.engine.work import Request
from renkei.house import Settings, load_project, open_ledger_of
from renkei.ledger.ledger import SqlLedger
from renkei.sandbox.app import create_app
from renkei.sandbox.world import World

REQUEST_SECONDS = 0.3


class Crash(BaseException):
    """The process was killed here."""


class Life:
    """One process. `left`: words until its death, or None; a word is each side of a ledger call or of a request."""

    def __init__(self, left: int | None = None) -> None:
        self.left, self.dead = left, False

    def word(self) -> None:
        if self.left is not None:
            self.left -= 1
            self.dead = self.dead or self.left <= 0
        if self.dead:
            raise Crash


class MortalLedger:
    """A ledger as one process uses it. What it had not committed when it died is rolled back, as the database would."""

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

        return call


class MortalTransport(httpx.AsyncBaseTransport):
    """Requests of one process: it may die before one leaves, or after it was answered. Each takes a little time."""

    def __init__(
        self,
        inner: SandboxTransport,
        life: Life,
        world: World,
        meanwhile: Callable[[], None],
        last: Callable[[httpx.Request], bool],
    ) -> None:
        self._inner, self._life, self._world, self._meanwhile, self._last = inner, life, world, meanwhile, last

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._life.word()
        self._meanwhile()
        self._world.clock.advance(REQUEST_SECONDS)
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        self._life.dead = self._life.dead or self._last(request)
        self._life.word()
        return answer


@cache
def _migrated() -> sqlite3.Connection:
    """An empty ledger with its tables: migrated once, copied for each example."""
    made = sqlite3.connect(":memory:", check_same_thread=False)
    ledger = open_ledger_of(Settings.from_environment({"RENKEI_LEDGER_URL": "sqlite://"}))
    _driver(ledger).backup(made)
    ledger.close()
    return made


def _driver(ledger: SqlLedger) -> sqlite3.Connection:
    found = ledger.connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


@cache
def _project() -> Project:
    found = load_project(Settings.from_environment({}))
    return _SameProject(**{one.name: getattr(found, one.name) for one in fields(found)})


@cache
def _configuration(connection: ConnectionSpec) -> dict[str, Any]:
    return Project.configuration(_project(), connection)


class _SameProject(Project):
    """The project on disk, which no run changes: what governs a connection is put into words once."""

    def configuration(self, connection: ConnectionSpec) -> dict[str, Any]:
        return _configuration(connection)


class SimulatedCompany(Company):
    """A company in process whose ledger stands in memory and whose runs may die."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        world = World(limits=False)
        super().__init__(
            world, Path(self._folder.name), HOST, clock=VirtualClock(world), project=_project(), ledger=SqlLedger("sqlite://")
        )
        _migrated().backup(_driver(self.ledger))
        self.sandbox = SandboxTransport(create_app(world))
        self._runner = asyncio.Runner()
        self.meanwhile: dict[int, Callable[[], None]] = {}  # what people do just before the n-th request of the next run

    def run(
        self, *, words: int | None = None, last: Callable[[httpx.Request], bool] = lambda request: False, **asked: Any
    ) -> Report | None:
        """A run in a process of its own; None where it died after `words` words, or once the request that is its `last` was
        carried out."""
        return self.live(lambda: self.sync(**asked), words, last)

    def undo(self, run: str, *, words: int | None = None) -> Report | None:
        """The plan that undoes a run, made by a process that lives and applied by one that dies after `words` words."""
        plan = self.live(lambda: self._planned_undo(run))
        return None if plan is None else self.live(lambda: self.apply(plan), words)

    async def _planned_undo(self, run: str) -> Report:
        async with self.rooms() as rooms:
            return await plan_undo(rooms, Request(actor="test"), run)

    def live(
        self, doing: Callable[[], Coroutine[Any, Any, Report]], words: int | None = None,
        last: Callable[[httpx.Request], bool] = lambda request: False,
    ) -> Report | None:  # fmt: skip
        """What a process does; None where it died."""
        life = Life(words)
        todo, self.meanwhile = self.meanwhile, {}
        number = 0

        def people() -> None:
            nonlocal number
            number += 1
            if number in todo:
                todo[number]()

        self.transport = MortalTransport(self.sandbox, life, self.world, people, last)
        whole, self.ledger = self.ledger, MortalLedger(self.ledger, life)  # type: ignore[assignment]
        try:
            return self._runner.run(doing())
        except Crash:
            return None
        finally:
            life.dead = True
            self.ledger = whole

    def close(self) -> None:
        self._runner.close()
        self.ledger.close()
        self._folder.cleanup()
