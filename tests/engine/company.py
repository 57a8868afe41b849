"""A company to sync: both sides in a sandbox, a ledger of its own, and runs of the demo connection against them.

In process, time stands still between the steps of a test and nothing waits; on a socket, it is real HTTP and real time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
from connector_world import HOST, SandboxTransport, VirtualClock

from renkei.config.project import Project
from renkei.core.connection import Brakes, EntitySettings
from renkei.core.ports import Clock, Judgement, QuarantineFailure
from renkei.core.records import Decision
from renkei.core.values import Ref
from renkei.engine.apply import apply_plan
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.work import ENTITIES, Request, Rooms
from renkei.house import Settings, SystemClock, load_project, open_house, open_ledger_of, with_hosts
from renkei.ledger.ledger import SqlLedger
from renkei.sandbox.app import create_app
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

OFF = Brakes(None, None, None, None, None, False)
QUIET = {"crm": 0, "books": 0}


def balanced(report: Report) -> None:
    """Every extracted row has exactly one outcome."""
    for part in report.entities.values():
        assert sum(part["outcomes"].values()) == sum(part["extracted"].values()), part


@cache
def _shipped() -> Project:
    """The declarations as they ship, read once."""
    return load_project(Settings.from_environment({}))


class PassingJudge:
    """Lets everything pass, for speed, but the rows whose id is in `refused`."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    def judge(self, suite: str, frame: pd.DataFrame) -> Judgement:
        bad = [one for one in frame["id"] if one in self.refused] if self.refused else []
        return Judgement(len(frame), tuple(QuarantineFailure(one, "a rule", "name", "bad", "it is bad") for one in bad))

    def columns(self, suite: str) -> tuple[str, ...]:
        return ()

    def warm(self) -> None:
        return None


class Company:
    """Settings at first: accounts only, `duplicates: overwrite`, brakes off. `choose` changes them."""

    def __init__(
        self, world: World, folder: Path, host: str, *, clock: Clock | None = None, project: Project | None = None,
        ledger: SqlLedger | None = None,
    ) -> None:  # fmt: skip
        self.world = world
        self.clock = clock or SystemClock()
        self.transport: httpx.AsyncBaseTransport | None = None
        if isinstance(clock, VirtualClock):
            self.transport = SandboxTransport(create_app(world))
        self.judge = PassingJudge()
        self.environ = {
            "RENKEI_DATA": str(folder), "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
            "RENKEI_DEMO_CLIENT_ID": world.client_id, "RENKEI_DEMO_CLIENT_SECRET": world.client_secret,
            "RENKEI_DEMO_REFRESH_TOKEN": world.refresh_token,
        }  # fmt: skip
        self.settings = Settings.from_environment(self.environ)
        self.project = dataclasses.replace(project or _shipped(), settings=self.settings)
        self.spec = dataclasses.replace(
            with_hosts(self.project.connection("demo"), host, host), brakes=OFF,
            customers=EntitySettings(duplicates="overwrite", modules="accounts"),
            products=EntitySettings(duplicates="overwrite"),
        )  # fmt: skip
        self.entities = ENTITIES
        self.ledger = ledger or open_ledger_of(self.settings)
        self.between: Callable[[], None] = lambda: None  # called once a run, after the plan and before the first write

    @staticmethod
    @contextmanager
    def in_process(folder: Path, seed: str = "empty") -> Iterator[Company]:
        """No socket and no waiting: one VirtualClock for the sandbox and for renkei."""
        world = World(limits=False)
        clock = VirtualClock(world)
        load(world, seed)
        made = Company(world, folder, HOST, clock=clock)
        try:
            yield made
        finally:
            made.ledger.close()

    @staticmethod
    @contextmanager
    def served(folder: Path, seed: str = "empty") -> Iterator[Company]:
        """Real HTTP on loopback, real time."""
        world = World(limits=False)
        load(world, seed)
        with running(world) as address:
            made = Company(world, folder, address["crm"])
            try:
                yield made
            finally:
                made.ledger.close()

    # ------------------------------------------------------------------------------------------------- settings, runs

    def choose(self, entity: str = "customers", **settings: Any) -> None:
        """Change an entity's settings: modules, direction, duplicates, conflicts, deletes, views …"""
        self.spec = dataclasses.replace(self.spec, **{entity: dataclasses.replace(getattr(self.spec, entity), **settings)})

    @asynccontextmanager
    async def rooms(self, *, for_a_person: bool = False) -> AsyncIterator[Rooms]:
        async with open_house(
            self.project.with_connection(self.spec), self.spec, self.environ, transport=self.transport, clock=self.clock,
            judge=self.judge, ledger=self.ledger, for_a_person=for_a_person,
        ) as rooms:  # fmt: skip
            allow = rooms.allow_writes

            def allow_writes(allowed: bool) -> None:
                if allowed:
                    self.between()
                allow(allowed)

            rooms.allow_writes = allow_writes
            yield rooms

    async def sync(self, **asked: Any) -> Report:
        """One run, a full compare of `entities` unless asked otherwise. Every extracted row has one outcome, always."""
        request = Request(**{"entities": self.entities, "full": True, "actor": "test", **asked})
        async with self.rooms() as rooms:
            report = await run_sequence(rooms, request)
        if not request.plan_only:
            balanced(report)
        return report

    async def apply(self, plan: Report, **asked: Any) -> Report:
        """Apply the plan that a plan-only or held run stored."""
        request = Request(**{"actor": "test", **asked})
        async with self.rooms() as rooms:
            report = await apply_plan(rooms, request, plan.json()["fingerprint"])
        balanced(report)
        return report

    async def quiet(self, **asked: Any) -> Report:
        """A run that must write nothing."""
        report = await self.sync(**asked)
        assert all(part["writes"] == QUIET for part in report.entities.values()), report.entities
        return report

    # --------------------------------------------------------------------------------------------- what the sides hold

    def crm(self, module: str = "Accounts") -> dict[str, dict[str, Any]]:
        """Live CRM records by id."""
        return dict(self.world.crm.records(module))

    def books(self, kind: str = "contacts") -> dict[str, dict[str, Any]]:
        """Live Books records by id, as details."""
        return {one: self.world.books.detail(kind, one) for one in self.world.books.records(kind)}

    def seed_crm(self, module: str, **fields: Any) -> str:
        return self.world.crm.seed(module, [fields])[0]

    def seed_books(self, kind: str, **fields: Any) -> str:
        return self.world.books.seed(kind, [fields])[0]

    def edit_crm(self, module: str, record: str, **fields: Any) -> None:
        """A person's edit, ten minutes later."""
        self.world.clock.advance(600)
        self.world.crm.edit(module, record, **fields)

    def edit_books(self, kind: str, record: str, **fields: Any) -> None:
        """A person's edit, ten minutes later."""
        self.world.clock.advance(600)
        self.world.books.edit(kind, record, **fields)

    # ------------------------------------------------------------------------------------------- what the ledger knows

    def outcome(self, ref: Ref) -> tuple[str, str]:
        """The last sealed (outcome, reason) of a record."""
        mirror = self.ledger.mirrors(self.spec.name, ref.side, ref.module, [ref.id])[ref.id]
        return mirror.outcome, mirror.reason

    def decide(self, hold: str, choice: str) -> None:
        """A person answers a hold."""
        self.ledger.decide(self.spec.name, [Decision(hold, choice, "as we talked about", "Sato", self.clock.now())])
