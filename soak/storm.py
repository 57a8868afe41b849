"""The storm: real processes over real HTTP on a real SQLite file, ended by a real SIGKILL; the next run has to put all right.

    python -m soak.storm [--seconds N] [--seed S] [--most LIVES] [--size TENS]
    python -m soak.storm replay KILL                      one kill again, as a failure names it

A company's first sync (creates, updates, links, differing values, persons, documents and figures) speaks words: each side of a
write to the network, each side of a commit of its ledger. A life ends at one of them, or at a moment that the parent
chooses. Everything is forked from a process that has done its imports, so that a kill costs two runs and no start. What
stands on both sides after the run that follows is compared with what stands after a run that nothing disturbed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import json
import logging
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pandas as pd

from renkei.config.project import Project
from renkei.core.connection import Brakes, EntitySettings
from renkei.core.ports import Judgement
from renkei.engine.sequence import run_sequence
from renkei.engine.work import LOCK_TTL, Request
from renkei.house import Settings, SystemClock, load_project, open_house, open_ledger_of, with_hosts
from renkei.ledger.database import Database
from renkei.sandbox import faults
from renkei.sandbox.seeds import load
from renkei.sandbox.seeds.synthetic import party
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

OFF = Brakes(None, None, None, None, None, False)
TINY, SMALL, LARGE = 4, 20, 60  # sizes of companies of about 40, 200 and 600 records
AFTER = LOCK_TTL.total_seconds() + 60  # when a dead run's lock has ended
LONGEST_REST = 0.02  # seconds that a wait of renkei really takes; its clock and the sandbox's move by all of it
HOLD_SECONDS = 0.05  # that a request waits for an answer that does not come
RUN_SECONDS = 300.0
MEMORY = Path("/dev/shm")
FAULTS = (
    "429*3", "500*3", "500-after-commit@crm:POST*1", "500-after-commit@crm:PUT*1", "500-after-commit@books:PUT*2",
    "500-after-commit@books:POST*1", "timeout-before*2", "timeout-after-commit@crm:POST*1", "timeout-after-commit@crm:PUT*1",
    "timeout-after-commit@books:PUT*2", "timeout-after-commit@books:POST*1", "token-expired*2", "page-shift*3", "slow=0.05*20",
    "clock-skew=3600@crm", "clock-skew=-3600@crm", "clock-skew=3600@books", "clock-skew=-3600@books", "reset-connection*3",
    "truncated-body*3",
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------- what is kept


@dataclass(frozen=True, slots=True)
class Kill:
    """One life that ends. `word`: at its n-th word; `moment`: at this share of an undisturbed run's time. Both 0: it lives on.
    `fault`: what the sandbox does meanwhile, "" for nothing."""

    size: int = SMALL
    word: int = 0
    moment: float = 0.0
    fault: str = ""

    def __str__(self) -> str:
        return f"size={self.size},word={self.word},moment={self.moment:.4f},fault={self.fault}"

    @staticmethod
    def parse(text: str) -> Kill:
        """What `str` gave; ValueError otherwise."""
        size, word, moment, fault = (part.partition("=")[2] for part in text.split(",", 3))
        return Kill(int(size), int(word), float(moment), fault)


@dataclass(slots=True)
class Report:
    """What a storm was. `failures`: (the command that replays it, what was wrong)."""

    kills: int = 0
    lives: int = 0  # of runs that were to die, those that ended before included
    words: int = 0  # of an undisturbed first sync of the company whose words are counted
    words_hit: set[int] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    open_intents: int = 0
    failures: list[tuple[str, list[str]]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the end, in words that do not hang on ids or times."""

    records: Counter[str]
    links: Counter[str]
    written: Counter[str]  # rows that the sandbox was asked to write and did, by side, method and module
    confirmed: int  # intents that the ledger knows to be done
    open_intents: int
    problems: tuple[str, ...]


# -------------------------------------------------------------------------------------------------------- the company


def company(size: int) -> World:
    """A company of about ten records times `size`: alone on one side, alike, differing, with persons, wares, deals and
    documents."""
    world = World(seed=7, limits=False)
    load(world, "empty")
    for n in range(size):
        _account(world, n, phone=True)
    for n in range(size, 2 * size):
        _customer(world, n, phone=True)
    for n in range(2 * size, 4 * size):
        _account(world, n, phone=n % 4 != 0)
        _customer(world, n, phone=n % 4 != 1, differing=n % 4 == 2)
    for n in range(size * 3 // 2):
        name, sku = f"Ware {' '.join(reversed(party(n).name.split()))}", f"W-{n:05}"
        if n % 3 != 0:
            row = {"Product_Name": name, "Product_Code": sku, "Unit_Price": 100 + n, "Product_Active": True}
            world.crm.seed("Products", [row])
        if n % 3 != 1:
            world.books.seed("items", [{"name": name, "sku": sku, "rate": 100 + n + (n % 2) * (n % 3 == 2)}])
    for n, account in enumerate(world.crm.records("Accounts")):
        if n % 4 == 0:
            stage = ("Qualification", "Closed Won", "Closed Lost")[n % 3]
            row = {"Deal_Name": f"Deal {n}", "Stage": stage, "Amount": 5000 + n, "Closing_Date": "2026-12-31"}
            world.crm.seed("Deals", [{**row, "Account_Name": {"id": account}}])
    customers = list(world.books.records("contacts"))
    for n, one in enumerate(customers):
        lines = {"line_items": [{"name": "Service", "rate": 1000 + n, "quantity": 1}]}
        if n % 2 == 0:
            row = {"customer_id": one, "date": "2026-10-01", "due_date": "2099-12-31", "status": "sent", **lines}
            world.books.seed("invoices", [{**row, "invoice_number": f"INV-{n:05}"}])
        if n % 5 == 0:
            row = {"customer_id": one, "date": "2026-10-01", "expiry_date": "2099-12-31", "status": "sent", **lines}
            world.books.seed("estimates", [{**row, "estimate_number": f"QT-{n:05}"}])
    return world


def _account(world: World, n: int, *, phone: bool) -> None:
    one = party(n)
    row = {"Account_Name": one.name, "Website": one.website, "Billing_City": one.city, "Phone": one.phone if phone else None}
    account = world.crm.seed("Accounts", [row])[0]
    if n % 3 == 0:
        first, last, *_ = one.name.split()
        person = {"First_Name": first, "Last_Name": last, "Email": f"{first}.{last}@example.jp".lower()}
        world.crm.seed("Contacts", [{**person, "Account_Name": {"id": account}}])


def _customer(world: World, n: int, *, phone: bool, differing: bool = False) -> None:
    one = party(n)
    address = {"city": one.city, "phone": (party(n + 1000).phone if differing else one.phone) if phone else ""}
    persons = []
    if n % 6 == 0 or n % 7 == 0:
        first, last, *_ = one.name.split()
        persons = [{"first_name": first, "last_name": last, "email": f"{first}.{last}@example.jp".lower()}]
    row = {"contact_name": one.name, "company_name": one.name, "customer_sub_type": "business", "website": one.website}
    world.books.seed("contacts", [{**row, "billing_address": address, "contact_persons": persons}])


# ---------------------------------------------------------------------------------------------------------- processes


def forked(work: Callable[[], None], errors: Path) -> int:
    """Do this in a process of its own; returns its id. It ends with 0, or with 1 and its traceback in `errors`."""
    pid = os.fork()
    if pid:
        return pid
    _in_child(work, errors)


def _in_child(work: Callable[[], None], errors: Path) -> NoReturn:
    try:
        work()
    except BaseException:
        errors.write_text(traceback.format_exc(), encoding="utf-8")
        os._exit(1)
    os._exit(0)


def ended(pid: int, seconds: float) -> int | None:
    """The wait status of a process that ends within so many seconds, else None."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


class Sandbox:
    """Both sides, served by a process of their own; spoken to through the control port."""

    def __init__(self, world: World, folder: Path) -> None:
        ready, tell = os.pipe()
        stay, stop = os.pipe()

        def serve() -> None:
            os.close(stop)
            faults.HOLD_SECONDS = HOLD_SECONDS
            logging.getLogger("uvicorn.error").disabled = True  # it tells of each request that a dead process broke off
            with running(world) as address:
                os.write(tell, json.dumps(address).encode())
                select.select([stay], [], [])

        self._stop = stop
        self.pid = forked(serve, folder / "sandbox.txt")
        os.close(stay)
        os.close(tell)
        said = os.read(ready, 10_000)
        os.close(ready)
        if not said:
            raise RuntimeError((folder / "sandbox.txt").read_text(encoding="utf-8"))
        self.address: dict[str, str] = json.loads(said)

    def ask(self, method: str, name: str, body: Any = None) -> Any:
        """One word with the control port."""
        return control(self.address["crm"], method, name, body)

    def settle(self) -> None:
        """Wait until nothing that a dead process sent is being carried out any more."""
        before = -1
        while (now := self.ask("GET", "requests?limit=1")["count"]) != before:
            before = now
            time.sleep(0.03)

    def close(self) -> None:
        os.close(self._stop)
        if ended(self.pid, 10) is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def control(base: str, method: str, name: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/_sandbox/{name}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


# ---------------------------------------------------------------------------------------------------------- one life


class StormClock(SystemClock):
    """The machine's time, some seconds on. Waiting takes hardly any of it: this clock and the sandbox's go on by themselves."""

    def __init__(self, ahead: float, base: str) -> None:
        self._ahead, self._base = ahead, base

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def elapsed(self) -> float:
        return time.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, LONGEST_REST))
        if seconds > LONGEST_REST:
            self._ahead += seconds
            control(self._base, "POST", "clock", {"advance": seconds})


class Words:
    """How many words were spoken; the process dies at the chosen one."""

    def __init__(self, last: int) -> None:
        self.last, self.spoken = last, 0

    def speak(self) -> None:
        self.spoken += 1
        if self.spoken == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


class Spoken(httpx.AsyncBaseTransport):
    """The network, with a word on each side of a write."""

    def __init__(self, words: Words) -> None:
        self._inner, self._words = httpx.AsyncHTTPTransport(verify=False), words

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or request.url.path.endswith(("/coql", "/token")):
            return await self._inner.handle_async_request(request)
        self._words.speak()
        answer = await self._inner.handle_async_request(request)
        await answer.aread()
        self._words.speak()
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


class PassingJudge:
    """Lets everything pass: rules are the affair of tests/quality."""

    def judge(self, suite: str, frame: pd.DataFrame) -> Judgement:
        return Judgement(len(frame))

    def columns(self, suite: str) -> tuple[str, ...]:
        return ()

    def warm(self) -> None:
        """There is nothing to load."""


def live(project: Project, sandbox: Mapping[str, str], folder: Path, ahead: float, last: int, said: Path) -> None:
    """One run in this process, from its opening of the ledger to its end; leaves what it has to say in the file `said`."""
    words = Words(last)
    commit = Database._command

    def spoken(self: Database, command: str) -> None:
        if command != "COMMIT":
            commit(self, command)
            return
        words.speak()
        commit(self, command)
        words.speak()

    Database._command = spoken  # type: ignore[method-assign,assignment]
    environ = {
        "RENKEI_DATA": str(folder), "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
        "RENKEI_DEMO_CLIENT_ID": sandbox["client_id"], "RENKEI_DEMO_CLIENT_SECRET": sandbox["client_secret"],
        "RENKEI_DEMO_REFRESH_TOKEN": sandbox["refresh_token"],
    }  # fmt: skip
    mine = dataclasses.replace(project, settings=Settings.from_environment(environ))
    spec = dataclasses.replace(
        with_hosts(mine.connection("demo"), sandbox["accounts"], sandbox["crm"]), brakes=OFF,
        customers=EntitySettings(modules="accounts_and_contacts", duplicates="link", conflicts="overwrite"),
        products=EntitySettings(duplicates="link", conflicts="overwrite"), deals="estimates", deals_since=date(2026, 1, 1),
    )  # fmt: skip
    began = time.monotonic()

    async def run() -> dict[str, Any]:
        async with open_house(
            mine.with_connection(spec), spec, environ, transport=Spoken(words), clock=StormClock(ahead, sandbox["crm"]),
            judge=PassingJudge(),
        ) as rooms:  # fmt: skip
            return (await run_sequence(rooms, Request(full=True, actor="storm"))).json()

    try:
        report = asyncio.run(run())
    finally:
        Database._command = commit  # type: ignore[method-assign]
    took = time.monotonic() - began
    ledger = open_ledger_of(mine.settings)
    try:
        live_links = [one for one in ledger.all_links(spec.name) if one.state == "live"]
        runs = [one.id for one in ledger.runs()]
        states = Counter(one.state for run_id in runs for one in ledger.intents(run_id))
        chain = ledger.verify()
    finally:
        ledger.close()
    said.write_text(
        json.dumps(
            {
                "status": report["status"], "entities": report["entities"], "notes": report.get("notes", []),
                "links": [(str(one.crm), str(one.books)) for one in live_links], "states": states, "broken": chain.broken,
                "words": words.spoken, "seconds": took,
            }
        ),
        encoding="utf-8",
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- the judge

# What must be equal in the end, by list; a lookup stands for the name of the record that it points to.
SHOWN = {
    ("crm", "Accounts"): ("Account_Name", "Phone", "Website", "Billing_City", "renkei_books_id"),
    ("crm", "Contacts"): ("Last_Name", "First_Name", "Email", "Account_Name"),
    ("crm", "Products"): ("Product_Name", "Product_Code", "Unit_Price", "Product_Active", "renkei_books_id"),
    ("crm", "Deals"): ("Deal_Name", "Stage", "Amount"),
    ("crm", "Renkei_Documents"): ("Kind", "Status", "Total", "Balance", "Account", "Deal"),
    ("crm", "Renkei_Receivables"): ("Currency_Code", "Invoiced", "Balance", "Account"),
    ("books", "contacts"): ("contact_name", "company_name", "website", "cf_renkei_crm_id", "billing_address", "contact_persons"),
    ("books", "items"): ("name", "sku", "rate", "status", "cf_renkei_crm_id"),
    ("books", "invoices"): ("invoice_number", "status", "total"),
    ("books", "estimates"): ("customer_id", "cf_renkei_crm_id", "status", "total"),
}
NAMES = {
    ("crm", "Accounts"): ("Account_Name",), ("crm", "Contacts"): ("First_Name", "Last_Name"),
    ("crm", "Products"): ("Product_Name",), ("crm", "Deals"): ("Deal_Name",),
    ("books", "contacts"): ("contact_name",), ("books", "items"): ("name",),
}  # fmt: skip
ID_KEYS = ("id", "contact_id", "item_id")


# Persons are met by e-mail and name (decision 0005). Whether one carries our key in the CRM hangs on how he was met: travelling
# with his customer he gets none. And a document may be published before its deal moves it on, or after.
UNCOUNTED = ("crm PUT Contacts", "crm PUT Renkei_Documents")


class Sides:
    """What stands on both sides, read through the control port."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.lists = {
            (side, module): sandbox.ask("GET", f"state?side={side}&module={module}")["records"] for side, module in SHOWN
        }
        self._names: dict[str, str] = {}
        for where, keys in NAMES.items():
            for row in self.lists[where]:
                self._names[next(str(row[key]) for key in ID_KEYS if key in row)] = " ".join(str(row[key]) for key in keys)
        self._names |= {
            str(person["contact_person_id"]): f"{person['first_name']} {person['last_name']}"
            for row in self.lists["books", "contacts"]
            for person in row["contact_persons"]
        }

    def records(self) -> Counter[str]:
        return Counter(
            f"{side} {module} {json.dumps({key: self.told(row.get(key)) for key in shown}, ensure_ascii=False, sort_keys=True)}"
            for (side, module), shown in SHOWN.items()
            for row in self.lists[side, module]
        )

    def told(self, value: Any) -> Any:
        """A value, with ids as the names of what they name."""
        if isinstance(value, dict):
            if "contact_person_id" in value:
                return [value.get(key) for key in ("first_name", "last_name", "email")]
            if "id" in value:
                return self.told(str(value["id"]))
            return {key: self.told(one) for key, one in value.items() if not key.endswith("_id")}
        if isinstance(value, list):
            return sorted((self.told(one) for one in value), key=str)
        if isinstance(value, str):
            head, colon, last = value.rpartition(":")
            return f"{head}{colon}<{self._names[last]}>" if last in self._names else value
        return value


def written(sandbox: Sandbox) -> Counter[str]:
    """Rows that writes carried out, by side, method and module."""
    done: Counter[str] = Counter()
    for row in sandbox.ask("GET", "requests")["requests"]:
        if (
            row["method"] != "GET"
            and row["side"] != "accounts"
            and not row["path"].endswith("/coql")
            and 200 <= row["status"] < 300
        ):
            module = next(part for part in reversed(row["path"].split("/")) if not part.isdigit())
            done[f"{row['side']} {row['method']} {module}"] += row["rows"]
    return done


def standing(sandbox: Sandbox, said: Mapping[str, Any]) -> Standing:
    """What stands after a run that ended, and what is wrong in what it said itself."""
    sides, states = Sides(sandbox), said["states"]
    left = sum(states.get(one, 0) for one in ("intended", "sent", "unknown"))
    links = Counter(" = ".join(str(sides.told(one)) for one in link) for link in said["links"])
    problems = said_wrong(said)
    return Standing(sides.records(), links, written(sandbox), states.get("confirmed", 0), left, tuple(problems))


def said_wrong(said: Mapping[str, Any]) -> list[str]:
    """What is wrong in what a run that nothing disturbs said itself."""
    problems = [f"the chain is broken: {said['broken']}"] if said["broken"] else []
    if said["status"] not in ("green", "amber"):
        problems.append(f"the run was {said['status']}: {said['notes']}")
    for entity, part in said["entities"].items():
        if sum(part["outcomes"].values()) != sum(part["extracted"].values()):
            problems.append(f"{entity}: {part['outcomes']} of {part['extracted']}")
    if left := sum(said["states"].get(one, 0) for one in ("intended", "sent", "unknown")):
        problems.append(f"{left} intents are open")
    return problems


# ----------------------------------------------------------------------------------------------------------- the storm


class Storm:
    """Companies to kill. `ground`: where their files lie."""

    def __init__(self, ground: Path) -> None:
        self.ground = ground
        self.project = load_project(Settings.from_environment({}))
        self.ledger = ground / "empty.db"
        made = forked(lambda: open_ledger_of(Settings.from_environment({"RENKEI_LEDGER_URL": f"sqlite:///{self.ledger}"})).close(),
                      ground / "ledger.txt")  # fmt: skip
        if ended(made, RUN_SECONDS) != 0:
            raise RuntimeError((ground / "ledger.txt").read_text(encoding="utf-8"))
        self._worlds: dict[int, World] = {}
        self._undisturbed: dict[int, tuple[Standing, int, float]] = {}
        self._number = 0
        with self._company(TINY) as (sandbox, folder):  # in this process: what a run imports late is there for all that follow
            self._life(sandbox, folder, 0.0, 0, folder / "warm.json")()

    def undisturbed(self, size: int) -> tuple[Standing, int, float]:
        """What stands after a first sync that nothing disturbs, the words that it spoke, and its seconds."""
        if size not in self._undisturbed:
            with self._company(size) as (sandbox, folder):
                said = self._run(sandbox, folder, 0.0, "undisturbed")
                after = self._run(sandbox, folder, 0.0, "after")  # it publishes the documents that deals made in the first
                assert said is not None and after is not None
                found = standing(sandbox, after)
            if found.problems or found.open_intents:
                raise RuntimeError(f"a run that nothing disturbs: {found.problems}, {found.open_intents} intents open")
            self._undisturbed[size] = found, said["words"], said["seconds"]
        return self._undisturbed[size]

    def kill(self, kill: Kill, report: Report) -> list[str]:
        """One life and the run after it; what is wrong then, each with `lost:`, `doubled:` or neither before it."""
        meant, words, seconds = self.undisturbed(kill.size)
        problems: list[str] = []
        with self._company(kill.size) as (sandbox, folder):
            for spec in filter(None, kill.fault.split("+")):
                sandbox.ask("POST", "faults", {"spec": spec})
            died, complaint = self._first(sandbox, folder, kill, seconds)
            report.lives += 1
            report.kills += died
            if died and 0 < kill.word <= report.words and words == report.words:
                report.words_hit.add(kill.word)
            report.faults += Counter({one: n for one, n in sandbox.ask("GET", "faults")["counts"].items() if n})
            if complaint:
                problems.append(f"the disturbed run: {complaint}")
            sandbox.ask("DELETE", "faults")
            sandbox.settle()
            ahead = AFTER + self._ahead(sandbox)
            sandbox.ask("POST", "clock", {"advance": AFTER})
            said = self._run(sandbox, folder, ahead, "next")
            if said is None:
                return [*problems, f"the next run: {(folder / 'next.txt').read_text(encoding='utf-8')}"]
            problems += said_wrong(said)
            said = self._run(sandbox, folder, ahead, "after")
            if said is None:
                return [*problems, f"the run after it: {(folder / 'after.txt').read_text(encoding='utf-8')}"]
            found = standing(sandbox, said)
            report.open_intents += found.open_intents
            problems += [*found.problems, *compared(meant, found, told=not kill.fault)]
            before = written(sandbox)
            again = self._run(sandbox, folder, self._ahead(sandbox), "again")
            if again is None:
                return [*problems, f"the last run: {(folder / 'again.txt').read_text(encoding='utf-8')}"]
            if more := written(sandbox) - before:
                problems.append(f"nobody did anything, and the last run wrote {dict(more)}")
        return problems

    def _first(self, sandbox: Sandbox, folder: Path, kill: Kill, seconds: float) -> tuple[bool, str]:
        """The life that is to end: whether it was killed, and what it said where it ended as it should not."""
        errors = folder / "first.txt"
        work = self._life(sandbox, folder, 0.0, kill.word, folder / "first.json")
        pid = forked(work, errors)
        status = None
        if kill.moment:
            status = ended(pid, kill.moment * seconds)
            if status is None:
                os.kill(pid, signal.SIGKILL)
        if status is None:
            status = ended(pid, RUN_SECONDS)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return True, f"it did not end within {RUN_SECONDS:.0f} s"
        if os.WIFSIGNALED(status):
            return True, ""
        text = errors.read_text(encoding="utf-8") if status else ""
        named = text.strip().splitlines()[-1].startswith("renkei.core.errors.") if text else True
        return False, "" if named and "errors.Bug" not in text else text

    def _ahead(self, sandbox: Sandbox) -> float:
        """Seconds that the sandbox's clock is ahead of the machine's."""
        now = datetime.fromisoformat(sandbox.ask("GET", "clock")["now"])
        return (now - datetime.now(UTC)).total_seconds()

    def _run(self, sandbox: Sandbox, folder: Path, ahead: float, name: str) -> dict[str, Any] | None:
        """A run that nothing disturbs; None where it raised, with the reason in NAME.txt."""
        said = folder / f"{name}.json"
        pid = forked(self._life(sandbox, folder, ahead, 0, said), folder / f"{name}.txt")
        status = ended(pid, RUN_SECONDS)
        if status is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            (folder / f"{name}.txt").write_text(f"it did not end within {RUN_SECONDS:.0f} s", encoding="utf-8")
        found: dict[str, Any] | None = json.loads(said.read_text(encoding="utf-8")) if status == 0 else None
        return found

    def _life(self, sandbox: Sandbox, folder: Path, ahead: float, last: int, said: Path) -> Callable[[], None]:
        return lambda: live(self.project, sandbox.address, folder, ahead, last, said)

    @contextlib.contextmanager
    def _company(self, size: int) -> Iterator[tuple[Sandbox, Path]]:
        """A company of this size as it was before its first sync, with an empty ledger."""
        if size not in self._worlds:
            self._worlds[size] = company(size)
        self._number += 1
        folder = self.ground / str(self._number)
        folder.mkdir()
        shutil.copy(self.ledger, folder / "renkei.db")
        sandbox = Sandbox(self._worlds[size], folder)
        try:
            yield sandbox, folder
        finally:
            sandbox.close()
            shutil.rmtree(folder)


def compared(meant: Standing, found: Standing, *, told: bool) -> Iterator[str]:
    """What differs from what ought to stand. `told`: every answer came or its process died, so that writes can be counted."""
    for what, before, after in (("", meant.records, found.records), ("link ", meant.links, found.links)):
        for one, times in (before - after).items():
            yield f"lost: {what}{one} ×{times}"
        for one, times in (after - before).items():
            yield f"{'doubled' if one in before else 'other'}: {what}{one} ×{times}"
    more, less = found.written - meant.written, meant.written - found.written
    for some in (more, less):
        for one in UNCOUNTED:
            some.pop(one, None)
    if told and (more or less):
        yield f"written {dict(more)} more, {dict(less)} less"


def kills(size: int, words: int, rng: random.Random) -> Iterator[Kill]:
    """Every word of a company's first sync in a random order, between them words under a fault, and moments; without end."""
    while True:
        order = list(range(1, words + 1))
        rng.shuffle(order)
        for n, word in enumerate(order):
            yield Kill(size, word)
            if n % 4 == 1:
                yield Kill(size, rng.randint(1, words), fault=rng.choice(FAULTS))
            if n % 4 == 3:
                yield Kill(size * rng.choice((1, LARGE // SMALL)), moment=rng.uniform(0.02, 1.0))


@contextlib.contextmanager
def ground() -> Iterator[Path]:
    """Where the companies' files lie: in memory where there is such a disk, for a killed process leaves its files to the kernel
    either way."""
    with tempfile.TemporaryDirectory(prefix="renkei-storm-", dir=MEMORY if MEMORY.is_dir() else None) as found:
        yield Path(found)


def storm(
    seconds: float, seed: str, say: Callable[[str], None] = lambda line: None, *, most: int | None = None, size: int = SMALL
) -> Report:
    """Kill until the time is up, or `most` lives were lived. Forks: the caller has no other threads."""
    report, began = Report(), time.monotonic()
    with ground() as folder:
        here = Storm(folder)
        report.words = here.undisturbed(size)[1]
        for kill in itertools.islice(kills(size, report.words, random.Random(f"storm {seed}")), most):
            if time.monotonic() - began > seconds:
                break
            one(here, kill, report, say)
    report.seconds = time.monotonic() - began
    return report


def one(here: Storm, kill: Kill, report: Report, say: Callable[[str], None]) -> None:
    """One kill, its problems counted and kept."""
    problems = here.kill(kill, report)
    if problems:
        report.failures.append((f"python -m soak.storm replay '{kill}'", problems))
        report.lost += sum(problem.startswith("lost:") for problem in problems)
        report.doubled += sum(problem.startswith("doubled:") for problem in problems)
    say(f"{report.lives:5} {kill} {'FAILED' if problems else 'held'}")
    for problem in problems:
        say(f"      {problem}")


def main(arguments: Sequence[str]) -> int:
    """0 where everything held, 1 where something did not."""
    parser = argparse.ArgumentParser(prog="python -m soak.storm", description="Kill first syncs and look at what stands after.")
    parser.add_argument("what", nargs="*", help="replay KILL")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--most", type=int, help="lives, however much time is left")
    parser.add_argument("--size", type=int, default=SMALL, help="of the company: about ten records each")
    asked = parser.parse_args(arguments)
    if asked.what:
        if asked.what[0] != "replay" or len(asked.what) != 2:
            parser.error("ask for: replay KILL")
        report = Report()
        with ground() as folder:
            here = Storm(folder)
            kill = Kill.parse(asked.what[1])
            report.words = here.undisturbed(kill.size)[1]
            one(here, kill, report, print)
    else:
        aloud = partial(print, file=sys.stderr, flush=True)
        report = storm(asked.seconds, asked.seed, aloud, most=asked.most, size=asked.size)
    tell(report)
    return 1 if report.failures else 0


def tell(report: Report) -> None:
    """Print the figures, and each failure with the command that replays it."""
    print(f"kills              {report.kills:>10,}")
    print(f"lives              {report.lives:>10,}")
    print(f"words hit          {len(report.words_hit):>10,} of {report.words:,}")
    print(f"records lost       {report.lost:>10,}")
    print(f"records doubled    {report.doubled:>10,}")
    print(f"intents open       {report.open_intents:>10,}")
    print(f"seconds            {report.seconds:>10,.0f}")
    print(f"faults             {', '.join(f'{kind} {times}' for kind, times in sorted(report.faults.items())) or 'none'}")
    for replay, problems in report.failures:
        print(f"FAILED             {replay}")
        for problem in problems:
            print(f"                   {problem}")
    print("everything held" if not report.failures else f"{len(report.failures)} failed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
