"""A first sync, a second one and an hourly run on synthetic:N: calls, seconds and memory; see benchmarks/README.md.

python benchmarks/first_sync.py [--records N]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import resource
import sys
import tempfile
import time
import urllib.request
from typing import Any

import httpx
from extraction import sandbox

from renkei.core.connection import Brakes, EntitySettings
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.work import Request
from renkei.house import Settings, load_project, open_house, with_hosts

OFF = Brakes(None, None, None, None, None, False)
SIDES = ("crm", "books")


class Watched(httpx.AsyncHTTPTransport):
    """Real HTTP that knows how long at least one call was in flight."""

    def __init__(self) -> None:
        super().__init__(limits=httpx.Limits(max_connections=50))
        self.flying, self.since, self.seconds = 0, 0.0, 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.flying:
            self.since = time.perf_counter()
        self.flying += 1
        try:
            return await super().handle_async_request(request)
        finally:
            self.flying -= 1
            if not self.flying:
                self.seconds += time.perf_counter() - self.since


def counted(address: dict[str, str]) -> dict[str, int]:
    """Calls that the sandbox has received, by side; tokens are none of a side's."""
    found = {}
    for side in SIDES:
        with urllib.request.urlopen(f"{address['crm']}/_sandbox/requests?side={side}&limit=1") as answer:
            found[side] = int(json.load(answer)["count"])
    return found


async def measured(project: Any, spec: Any, environ: dict[str, str], address: dict[str, str], full: bool) -> dict[str, Any]:
    watched, before = Watched(), counted(address)
    async with open_house(project, spec, environ, transport=watched) as rooms:
        rooms.judge.warm()
        began = time.perf_counter()
        report: Report = await run_sequence(rooms, Request(full=full, actor="benchmark"))
        seconds = time.perf_counter() - began
    after = counted(address)
    return {
        "status": report.status, "entities": report.entities, "said": report.calls, "seconds": seconds,
        "between": seconds - watched.seconds, "counted": {side: after[side] - before[side] for side in SIDES},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def lines(title: str, one: dict[str, Any]) -> list[str]:
    """One run for a person."""
    told = [f"{title}: {one['status']}, {one['seconds']:.1f} s, of which {one['between']:.1f} s between calls"]
    for side in SIDES:
        calls, said, fewest = one["counted"][side], one["said"][side], one["said"]["fewest"][side]
        told.append(f"  {side}: the sandbox counted {calls} calls, the run says {said}; fewest {fewest}: {calls / fewest:.3f}×")
    for entity, part in one["entities"].items():
        words = ", ".join(f"{count} {word}" for word, count in part["outcomes"].items() if count)
        told.append(f"  {entity}: {words}; written {part['writes']['crm']} and {part['writes']['books']}")
    return [*told, f"  peak memory so far {one['peak_mb']:.0f} MB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000, help="accounts, and customers; a tenth of it products")
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder, sandbox(records) as address:
        environ = {
            "RENKEI_DATA": folder, "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
            "RENKEI_DEMO_CLIENT_ID": address["client_id"], "RENKEI_DEMO_CLIENT_SECRET": address["client_secret"],
            "RENKEI_DEMO_REFRESH_TOKEN": address["refresh_token"],
        }  # fmt: skip
        project = load_project(Settings.from_environment(environ))
        spec = with_hosts(project.connection("demo"), address["accounts"], address["crm"])
        settings = EntitySettings(duplicates="overwrite", modules="accounts")
        spec = dataclasses.replace(spec, brakes=OFF, customers=settings, products=EntitySettings(duplicates="overwrite"))
        project = project.with_connection(spec)
        for title, full in (("first", True), ("second, full", True), ("hourly", False)):
            one = asyncio.run(measured(project, spec, environ, address, full))
            print("\n".join(lines(title, one)), flush=True)
            if one["status"] != "green":
                sys.exit(1)


if __name__ == "__main__":
    main()
