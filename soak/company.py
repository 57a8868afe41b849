"""A company in process, on a virtual clock, whose runs may die: everything about it hangs on one seed."""

from __future__ import annotations

import dataclasses
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from renkei.config.project import Project
from renkei.core.connection import ConnectionSpec
from renkei.core.ports import Judgement, QuarantineFailure
from renkei.core.records import Decision
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.work import Request
from renkei.house import Settings, load_project, open_house, open_ledger_of, with_hosts
from renkei.ledger.ledger import SqlLedger
from renkei.sandbox.app import create_app
from renkei.sandbox.seeds import load
from renkei.sandbox.world import World
from soak import loop
from soak.mortal import Crash, Life, MortalLedger, MortalTransport

START = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
HOST = "http://sandbox.test"
SHORTEST, LONGEST = 0.01, 0.4  # seconds that half the way of a request takes
MEMORY = Path("/dev/shm")


class SeededClock:
    """The sandbox's clock as core.ports.Clock. Chance and ids come from the seed."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world, self._rng, self._ids = world, rng, 0
        world.clock.freeze(START)

    def now(self) -> datetime:
        return self._world.clock.now()

    def elapsed(self) -> float:
        return self._world.clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        await self._world.sleep(seconds)

    def chance(self) -> float:
        return self._rng.random()

    def new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids:06}"


class SeededJudge:
    """Lets everything pass but the rows whose id is in `refused`: rules are the affair of tests/quality."""

    def __init__(self) -> None:
        self.refused: set[str] = set()

    def judge(self, suite: str, frame: pd.DataFrame) -> Judgement:
        bad = [one for one in frame["id"] if one in self.refused] if self.refused else []
        return Judgement(len(frame), tuple(QuarantineFailure(one, "a rule", "name", "bad", "it is bad") for one in bad))

    def columns(self, suite: str) -> tuple[str, ...]:
        return ()

    def warm(self) -> None:
        """There is nothing to load."""


@cache
def _migrated() -> sqlite3.Connection:
    """An empty ledger with its tables: migrated once, copied for each company."""
    made = sqlite3.connect(":memory:", check_same_thread=False)
    ledger = open_ledger_of(Settings.from_environment({"RENKEI_LEDGER_URL": "sqlite://"}))
    _driver(ledger).backup(made)
    ledger.close()
    return made


def _driver(ledger: SqlLedger) -> sqlite3.Connection:
    found = ledger.connection.connection.driver_connection
    assert isinstance(found, sqlite3.Connection)
    return found


class _SameProject(Project):
    """The project on disk, which no run changes: what governs a connection is put into words once."""

    def configuration(self, connection: ConnectionSpec) -> dict[str, Any]:
        return _configuration(connection)


@cache
def project() -> Project:
    """The declarations as they ship, read once."""
    found = load_project(Settings.from_environment({}))
    return _SameProject(**{one.name: getattr(found, one.name) for one in dataclasses.fields(found)})


@cache
def _configuration(connection: ConnectionSpec) -> dict[str, Any]:
    return Project.configuration(project(), connection)


@dataclasses.dataclass(slots=True)
class Ended:
    """How a run ended. `report` is None where it died or raised; `words` and `requests` say how far it came."""

    report: Report | None
    error: Exception | None
    crashed: bool
    words: int
    requests: int


class Company:
    """One company: a sandbox, a ledger in memory, the demo's connection with settings of one's own.

    `spec` may be replaced between two runs.
    """

    def __init__(self, seed: str, *, limits: bool = False) -> None:
        self.chance = random.Random(f"company {seed}")
        self.world = World(seed=self.chance.getrandbits(32), limits=limits, start=START)
        self.clock = SeededClock(self.world, random.Random(f"clock {seed}"))
        load(self.world, "empty")
        self.app = create_app(self.world)
        self.judge = SeededJudge()
        salt = random.Random(f"salt {seed}")
        self.ledger = SqlLedger("sqlite://", salt=lambda: salt.randbytes(16))
        _migrated().backup(_driver(self.ledger))
        self._folder = Path(tempfile.mkdtemp(prefix="renkei-soak-", dir=MEMORY if MEMORY.is_dir() else None))
        self.environ = {
            "RENKEI_DATA": str(self._folder), "RENKEI_LEDGER_URL": "sqlite://",
            "RENKEI_DEMO_CLIENT_ID": self.world.client_id, "RENKEI_DEMO_CLIENT_SECRET": self.world.client_secret,
            "RENKEI_DEMO_REFRESH_TOKEN": self.world.refresh_token,
        }  # fmt: skip
        self.project = dataclasses.replace(project(), settings=Settings.from_environment(self.environ))
        self.spec = with_hosts(self.project.connection("demo"), HOST, HOST)
        self.unjournalled: list[str] = []  # writes that left without an intent
        self.meanwhile: dict[int, Callable[[], None]] = {}  # what people do just before the n-th request of the next run

    @property
    def name(self) -> str:
        return self.spec.name

    def run(self, *, words: int | None = None, writes: int | None = None, **asked: Any) -> Ended:
        """One run in a process of its own, which dies after `words` words, or when `writes` of its writes took effect."""
        life = Life(words, writes)
        todo, self.meanwhile = self.meanwhile, {}
        transport = MortalTransport(
            self.app,
            life,
            lambda: self.chance.uniform(SHORTEST, LONGEST),
            lambda number: todo.pop(number, _nothing)(),
            self._writing,
        )
        report, error, crashed = None, None, False
        try:
            report = loop.run(self.world, self._run(Request(actor="soak", **asked), life, transport))
        except Crash:
            crashed = True
        except Exception as caught:
            error = caught
        finally:
            life.dead = True
        return Ended(report, error, crashed, life.spoken, transport.requests)

    def _writing(self, request: httpx.Request) -> None:
        """Whatever is written was intended in the journal before."""
        open_ones = "SELECT count(*) FROM intents WHERE state IN ('intended', 'sent')"
        if not self.ledger.connection.exec_driver_sql(open_ones).scalar():
            self.unjournalled.append(f"{request.method} {request.url.path}")

    async def _run(self, request: Request, life: Life, transport: MortalTransport) -> Report:
        ledger: Any = MortalLedger(self.ledger, life)
        async with open_house(
            self.project.with_connection(self.spec), self.spec, self.environ, transport=transport, clock=self.clock,
            judge=self.judge, ledger=ledger,
        ) as rooms:  # fmt: skip
            return await run_sequence(rooms, request)

    def decide(self, hold: str, choice: str) -> None:
        """A person answers a hold."""
        self.ledger.decide(self.name, [Decision(hold, choice, "as we talked about", "Sato", self.clock.now())])

    def requests(self) -> list[Mapping[str, Any]]:
        """Every request that the sandbox received, in order."""
        return [row.as_dict() for row in self.world.requests]

    def head(self) -> str:
        """The head of the ledger's chain: the same in two ledgers that hold the same evidence, byte for byte."""
        found = self.ledger.connection.exec_driver_sql("SELECT hash FROM seals ORDER BY number DESC LIMIT 1").scalar()
        return str(found)

    def close(self) -> None:
        self.ledger.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _nothing() -> None:
    """Nobody does anything just now."""
