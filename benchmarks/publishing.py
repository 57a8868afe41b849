"""What publishing costs when nothing changed and when a month of invoices did: calls, writes and seconds; benchmarks/README.md.

python benchmarks/publishing.py [--customers N] [--invoices N] [--changes N]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from renkei.core.connection import Brakes, EntitySettings
from renkei.core.values import Ref
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.work import Request
from renkei.house import Settings, load_project, open_house, with_hosts
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

OFF = Brakes(None, None, None, None, None, False)
MODULES = ("Renkei_Documents", "Renkei_Receivables")
_FROM = re.compile(rb" from (\w+)")


@dataclass(frozen=True, slots=True)
class Seeded:
    """What `seed` made: ids in Books."""

    customers: list[str]
    invoices: list[str]


def seed(world: World, customers: int, invoices: int) -> Seeded:
    """Linked pairs of accounts and customers, one product a side, and invoices spread over the customers: most of them open and
    due next month, every fifth paid."""
    names = [f"Customer {n:05d}" for n in range(customers)]
    books = world.books.seed(
        "contacts", [{"contact_name": name, "company_name": name, "customer_sub_type": "business"} for name in names]
    )
    world.crm.seed("Accounts", [{"Account_Name": name, "renkei_books_id": one} for name, one in zip(names, books, strict=True)])
    today = world.clock.now().astimezone(world.zone).date()
    month, last = f"{today:%Y-%m}", f"{today.year + 1}-01-31"
    made = world.books.seed(
        "invoices",
        [
            {
                "customer_id": books[n % customers], "date": f"{month}-01", "due_date": last, "status": "sent",
                "invoice_number": f"INV-{n:06d}", "line_items": [{"name": "Service", "rate": 1000 + n, "quantity": 1}],
            }
            for n in range(invoices)
        ],
    )  # fmt: skip
    for one in made[::5]:
        world.books.pay(one)
    return Seeded(books, made)


def a_month(world: World, seeded: Seeded, changes: int) -> int:
    """A month's changes: a half of them paid, a quarter due later, a quarter new; returns how many rows of documents move."""
    world.clock.advance(3600)
    open_ones = [one for n, one in enumerate(seeded.invoices) if n % 5]
    paid, later = open_ones[: changes // 2], open_ones[changes // 2 : changes // 2 + changes // 4]
    for one in paid:
        world.books.pay(one)
    for one in later:
        world.books.edit("invoices", one, due_date="2099-12-31")
    new = changes - len(paid) - len(later)
    row = {"date": "2026-11-02", "due_date": "2099-12-31", "status": "sent", "line_items": [{"name": "More", "rate": 500}]}
    world.books.seed("invoices", [{**row, "customer_id": seeded.customers[n % len(seeded.customers)]} for n in range(new)])
    return len(paid) + len(later) + new


class Counting(httpx.AsyncBaseTransport):
    """Another transport that counts the calls by what they are about: a CRM module, or a list of Books."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner, self.calls = inner, Counter[str]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.calls[self._about(request)] += 1
        return await self.inner.handle_async_request(request)

    def _about(self, request: httpx.Request) -> str:
        parts = request.url.path.strip("/").split("/")
        if parts[-1] == "coql":
            found = _FROM.search(request.content)
            return f"crm {found[1].decode()}" if found else "crm coql"
        if "settings" in parts and "module" in request.url.params:
            return f"crm {request.url.params['module']}"
        if "crm" in parts:
            return f"crm {parts[parts.index('v8') + 1]}"
        return f"books {parts[-1]}"

    async def aclose(self) -> None:
        await self.inner.aclose()


def wanted(rows: dict[str, int], invoices: int, full: bool) -> dict[str, int]:
    """The most calls that a run which finds nothing changed may make. `rows`: published rows by module."""
    pages = {f"crm {module}": -(-count // 2000) + 2 for module, count in rows.items()}
    return {"books invoices": -(-invoices // 200) if full else 1, **pages}


async def measured(project: Any, spec: Any, environ: dict[str, str], **asked: Any) -> tuple[Report, Counter[str]]:
    counting = Counting(httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=50)))
    async with open_house(project, spec, environ, transport=counting) as rooms:
        rooms.judge.warm()
        return await run_sequence(rooms, Request(actor="benchmark", **asked)), counting.calls


def line(title: str, report: Report, calls: Counter[str], received: int, seconds: float) -> list[str]:
    """One run for a person."""
    told = [f"{title}: {report.status}, {seconds:.1f} s, {received} calls counted by the sandbox"]
    for about in ("books invoices", *(f"crm {module}" for module in MODULES)):
        told.append(f"  {about}: {calls[about]} calls")
    for entity in ("documents", "summaries"):
        part = report.entities[entity]
        told.append(f"  {entity}: {part['writes']['crm']} rows written")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--invoices", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=500)
    asked = parser.parse_args()
    world = World(limits=False)
    seeded = seed(world, asked.customers, asked.invoices)
    with tempfile.TemporaryDirectory() as folder, running(world) as address:
        environ = {
            "RENKEI_DATA": folder, "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
            "RENKEI_DEMO_CLIENT_ID": world.client_id, "RENKEI_DEMO_CLIENT_SECRET": world.client_secret,
            "RENKEI_DEMO_REFRESH_TOKEN": world.refresh_token,
        }  # fmt: skip
        project = load_project(Settings.from_environment(environ))
        spec = with_hosts(project.connection("demo"), address["accounts"], address["crm"])
        spec = dataclasses.replace(spec, brakes=OFF, customers=EntitySettings(modules="accounts"))
        project = project.with_connection(spec)
        published = ("documents", "summaries")
        account, moved = Ref("crm", "Accounts", next(iter(world.crm.records("Accounts")))), 0
        steps: list[tuple[str, dict[str, Any], bool]] = [
            ("first sync", {"full": True}, False), ("first hour", {}, False),
            ("publish, nothing changed", {"full": True, "entities": published, "kind": "publish"}, True),
            ("hourly, nothing changed", {}, True),
            ("hourly, a month's changes", {}, False), ("nightly after it", {"full": True}, False),
            ("one account refreshed", {"only": (account,)}, False),
        ]  # fmt: skip
        wrong = []
        for title, request, quiet in steps:
            if "month" in title:
                moved = a_month(world, seeded, asked.changes)
            world.requests.clear()
            began = time.perf_counter()
            report, calls = asyncio.run(measured(project, spec, environ, **request))
            seconds = time.perf_counter() - began
            received = sum(1 for row in world.requests if row.side in ("crm", "books"))
            print("\n".join(line(title, report, calls, received, seconds)), flush=True)
            written = sum(report.entities[one]["writes"]["crm"] for one in published)
            rows = {module: len(world.crm.records(module)) for module in MODULES}
            limits = wanted(rows, asked.invoices, bool(request.get("full"))) if quiet else {}
            wrong += [f"{title}: {about}, {calls[about]} calls > {most}" for about, most in limits.items() if calls[about] > most]
            if report.status != "green" or (quiet and written):
                wrong.append(f"{title}: {report.status}, {written} rows written")
            if "month" in title and report.entities["documents"]["writes"]["crm"] != moved:
                wrong.append(f"{title}: {moved} documents moved")
        print("\n".join(wrong))
        sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
