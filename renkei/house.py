"""The one place that wires rooms together: clock, ids, transports, ledger, judge and both systems come in here."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from renkei import __version__
from renkei.config.check import check
from renkei.config.project import Project, load_project, with_hosts
from renkei.config.settings import Settings, credentials
from renkei.connectors.auth import Credentials, Tokens
from renkei.connectors.books import ZohoBooks
from renkei.connectors.crm import ZohoCrm
from renkei.connectors.http import Client
from renkei.core.connection import ConnectionSpec, SideSettings
from renkei.core.ports import Clock, Judge, Ledger
from renkei.core.values import Side
from renkei.engine.acts import Act
from renkei.engine.work import Rooms
from renkei.ledger.ledger import SqlLedger, open_ledger
from renkei.quality.judge import GreatJudge

__all__ = [
    "Desk", "Settings", "SystemClock", "check", "load_project", "open_desk", "open_house", "open_ledger_of", "with_hosts",
]  # fmt: skip


class SystemClock:
    """The machine's own time, waiting, chance and ids."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return random.random()

    def new_id(self) -> str:
        return f"{self.now():%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"


def open_ledger_of(settings: Settings) -> SqlLedger:
    """The ledger alone, for commands that need no network."""
    return open_ledger(settings.ledger_url)


class Desk:
    """Where a person works without a network: the ledger, the clock, and the declarations, read when they are asked for.

    `spec` is the named connection or the only one. DeclarationError or AskedWrongly where they are wrong.
    """

    def __init__(self, settings: Settings, ledger: Ledger, connection: str | None) -> None:
        self.settings, self.ledger, self.clock = settings, ledger, SystemClock()
        self._connection = connection

    @cached_property
    def project(self) -> Project:
        return load_project(self.settings)

    @cached_property
    def spec(self) -> ConnectionSpec:
        return self.project.connection(self._connection)

    def act(self, actor: str) -> Act:
        """What this person does, under the declarations in force."""
        return Act(self.ledger, self.clock, self.spec.name, actor, self.project.configuration(self.spec), __version__)


@contextmanager
def open_desk(environ: Mapping[str, str], connection: str | None = None) -> Iterator[Desk]:
    """A desk whose ledger is closed at the end of the block."""
    settings = Settings.from_environment(environ)
    ledger = open_ledger(settings.ledger_url)
    try:
        yield Desk(settings, ledger, connection)
    finally:
        ledger.close()


@asynccontextmanager
async def open_house(
    project: Project,
    connection: ConnectionSpec,
    environ: Mapping[str, str],
    *,
    transport: Any = None,
    clock: Clock | None = None,
    judge: Judge | None = None,
    ledger: Ledger | None = None,
    progress: Callable[[str, str, int, int | None], None] | None = None,
) -> AsyncIterator[Rooms]:
    """All rooms for one connection. CredentialsRefused names what the environment lacks, before any call."""
    time_of = clock or SystemClock()
    secrets = {side: credentials(_side(connection, side).credentials, environ, side) for side in ("crm", "books")}
    own = None if ledger is not None else open_ledger(project.settings.ledger_url)
    memory: Ledger = ledger if ledger is not None else own  # type: ignore[assignment]
    tokens: dict[str, Tokens] = {}
    clients: dict[Side, Client] = {}
    sides: tuple[Side, Side] = ("crm", "books")
    for side in sides:
        settings = _side(connection, side)
        if settings.credentials not in tokens:
            tokens[settings.credentials] = Tokens(
                settings.credentials,
                Credentials(*secrets[side]),
                hosts=settings.hosts,
                store=memory,
                clock=time_of,
                key=token_key(project.settings),
                transport=transport,
            )
        clients[side] = Client(
            side, base=settings.hosts.api, tokens=tokens[settings.credentials], clock=time_of, calls=memory,
            organization=connection.organization if side == "books" else connection.name, time_zone=connection.time_zone,
            budget=connection.budget if side == "books" else None, transport=transport, read_only=True,
        )  # fmt: skip

    def allow_writes(allowed: bool) -> None:
        for client in clients.values():
            client.read_only = not allowed

    def flush_calls(run: str | None) -> None:
        for client in clients.values():
            client.run = run
            client.flush()

    try:
        yield Rooms(
            connection, project.mappings_of(connection), project.summaries_of(connection),
            ZohoCrm(clients["crm"], key_field=connection.crm_key),
            ZohoBooks(clients["books"], edition=connection.edition, organization=connection.organization),
            memory, judge or GreatJudge(project.suites), time_of, project.settings.data, project.configuration(connection),
            __version__, allow_writes, flush_calls, progress or (lambda stage, entity, done, of: None),
        )  # fmt: skip
    finally:
        for client in clients.values():
            await client.aclose()
        for one in tokens.values():
            await one.aclose()
        if own is not None:
            own.close()


def token_key(settings: Settings) -> bytes | None:
    """What shared access tokens are encrypted with; None: with a key made of the client secret."""
    return settings.store_key.split(",")[0].encode() or None


def _side(connection: ConnectionSpec, side: str) -> SideSettings:
    return connection.crm if side == "crm" else connection.books
