"""Three ways to bring one CRM module into a local database, each run in a process of its own.

    python benchmarks/contenders.py renkei '{"address": {…}, "columns": […], "folder": "…"}'

`address` is the line that `renkei sandbox serve` prints, `columns` are the fields that renkei reads of the module, and `folder`
takes the databases. All three send the same queries one after the other and end with every row committed. Imports, the token
and renkei's survey of the organisation come before the clock. Prints one JSON object: rows, seconds (by the clock), cpu
(seconds of this process alone), imported_mb and peak_mb (resident memory before and at the highest).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

MODULE = "Accounts"
PAGE_ROWS = 2000
RUN = "benchmark"
Measured = dict[str, float]


def connected(address: dict[str, str], folder: str) -> tuple[Any, Any, dict[str, str]]:
    """The demo's project and connection on this sandbox, and the environment that they need."""
    from renkei.house import Settings, load_project, with_hosts

    environ = {
        "RENKEI_DATA": folder,
        "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
        "RENKEI_DEMO_CLIENT_ID": address["client_id"],
        "RENKEI_DEMO_CLIENT_SECRET": address["client_secret"],
        "RENKEI_DEMO_REFRESH_TOKEN": address["refresh_token"],
    }
    project = load_project(Settings.from_environment(environ))
    spec = with_hosts(project.connection("demo"), address["accounts"], address["crm"])
    return project.with_connection(spec), spec, environ


async def columns_of(address: dict[str, str], folder: str) -> list[str]:
    """The columns that renkei asks for, so that all three ask for the same."""
    from renkei.engine.extract import crm_fields
    from renkei.engine.sequence import survey
    from renkei.engine.work import Request
    from renkei.house import open_house

    project, spec, environ = connected(address, folder)
    async with open_house(project, spec, environ) as rooms:
        wanted = crm_fields(rooms, await survey(rooms, Request(full=True), RUN), MODULE)
    always = ["id", "Modified_Time", "Modified_By"]
    return [*always, *(name for name in wanted if name not in always)]


def query(columns: list[str], after: str) -> str:
    """One page of the module by COQL, keyed by `id >` the last one."""
    return f"select {', '.join(columns)} from {MODULE} where id > '{after}' order by id asc limit {PAGE_ROWS}"  # noqa: S608


def token_of(address: dict[str, str]) -> str:
    import httpx

    asked = {
        "grant_type": "refresh_token", "client_id": address["client_id"], "client_secret": address["client_secret"],
        "refresh_token": address["refresh_token"],
    }  # fmt: skip
    return str(httpx.post(f"{address['accounts']}/oauth/v2/token", params=asked).json()["access_token"])


async def renkei(address: dict[str, str], columns: list[str], folder: Path) -> Measured:
    """The extract stage as every run carries it out: rows checked, hashed, keyed for matching, kept raw and mirrored."""
    import pandas as pd
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401 - the raw copy needs both

    from renkei.engine.extract import read_list
    from renkei.engine.sequence import survey
    from renkei.engine.work import EntityWork, Request
    from renkei.house import open_house

    project, spec, environ = connected(address, str(folder))
    async with open_house(project, spec, environ) as rooms:
        world = await survey(rooms, Request(full=True), RUN)
        rooms.judge.judge(f"arrival/crm_{MODULE.lower()}", pd.DataFrame({"id": ["1"]}))  # imports Great Expectations
        work = EntityWork("customers", full=True, rules="", settings=spec.customers)

        async def timed() -> None:
            await read_list(rooms, Request(full=True), world, work, RUN, "crm", MODULE)

        measured = await clocked(timed)
        if work.fresh_quarantine or work.notes or not (folder / "snapshots").is_dir():
            raise SystemExit(f"renkei did not extract as it should: {work.notes} {len(work.fresh_quarantine)} quarantined")
        return {**measured, "rows": rooms.ledger.mirror_count(spec.name, "crm", MODULE)}


async def limit(address: dict[str, str], columns: list[str], folder: Path) -> Measured:
    """The same pages by httpx and orjson into one SQLite table, a transaction a page, and nothing else."""
    import httpx
    import orjson

    headers = {"Authorization": f"Zoho-oauthtoken {token_of(address)}"}
    database = sqlite3.connect(folder / "limit.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE mirrors (id TEXT PRIMARY KEY, stamp TEXT, content TEXT)")
    async with httpx.AsyncClient(base_url=address["crm"], headers=headers) as client:

        async def timed() -> None:
            after, more = "0", True
            while more:
                body = orjson.dumps({"select_query": query(columns, after)})
                answer = await client.post("/crm/v8/coql", content=body, headers={"Content-Type": "application/json"})
                page = orjson.loads(answer.raise_for_status().content)
                rows = [(row["id"], row["Modified_Time"], orjson.dumps(row).decode()) for row in page["data"]]
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT INTO mirrors VALUES (?, ?, ?)", rows)
                database.execute("COMMIT")
                after, more = rows[-1][0], page["info"]["more_records"]

        measured = await clocked(timed)
    return {**measured, "rows": count(folder / "limit.db")}


async def dlt(address: dict[str, str], columns: list[str], folder: Path) -> Measured:
    """The same pages by dlt's own REST client and pipeline, into SQLite, with dlt's defaults and its telemetry off."""
    import os

    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt as library
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.paginators import BasePaginator

    class Keyset(BasePaginator):
        """The next page is the same query after the last id."""

        after = "0"

        def init_request(self, request: Any) -> None:
            self.update_request(request)

        def update_state(self, response: Any, data: list[Any] | None = None) -> None:
            self._has_next_page = response.json()["info"]["more_records"]
            self.after = data[-1]["id"] if data else self.after

        def update_request(self, request: Any) -> None:
            request.json = {"select_query": query(columns, self.after)}

    client = RESTClient(address["crm"], headers={"Authorization": f"Zoho-oauthtoken {token_of(address)}"})

    @library.resource(name="mirrors", write_disposition="append", primary_key="id")
    def pages() -> Iterator[Any]:
        yield from client.paginate("/crm/v8/coql", method="POST", data_selector="data", paginator=Keyset())

    pipeline = library.pipeline(
        "extraction", pipelines_dir=str(folder / "pipelines"), dataset_name="main",
        destination=library.destinations.sqlalchemy(credentials=f"sqlite:///{folder}/dlt.db"),
    )  # fmt: skip

    async def timed() -> None:
        pipeline.run(pages()).raise_on_failed_jobs()

    measured = await clocked(timed)
    return {**measured, "rows": count(folder / "dlt.db")}


def count(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM mirrors").fetchone()[0])


async def clocked(timed: Callable[[], Awaitable[None]]) -> Measured:
    imported, cpu, began = memory_mb("VmRSS"), time.process_time(), time.perf_counter()
    await timed()
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": seconds, "cpu": spent, "imported_mb": imported, "peak_mb": memory_mb("VmHWM")}


def memory_mb(name: str) -> float:
    """Resident memory of this process in MiB: `VmRSS` now, `VmHWM` at its highest (proc(5); getrusage counts the parent's)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


CONTENDERS = {"renkei": renkei, "limit": limit, "dlt": dlt}


def main(name: str, asked: str) -> None:
    given = json.loads(asked)
    print(json.dumps(asyncio.run(CONTENDERS[name](given["address"], given["columns"], Path(given["folder"])))))


if __name__ == "__main__":
    main(*sys.argv[1:])
