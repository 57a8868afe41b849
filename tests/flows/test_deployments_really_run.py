"""`make up` for real: a Prefect server, a process worker and the deployments, against two sandboxes, with a PostgreSQL ledger.

One server serves all tests of this file, so they run on one worker of pytest (xdist group `prefect`).
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from postgres import PostgresServer

from flows.up import Up, up
from renkei.core.records import Run
from renkei.engine.acts import Act
from renkei.engine.life import pause, resume
from renkei.house import Settings, SystemClock, load_project, open_ledger_of
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(400)]

HOME = Path(__file__).parents[2]
QUIET = {"crm": 0, "books": 0}
ALERT_PASSWORD = "alert-5f0c1d7e9a3b4c2d"
STORE_KEY = "q3vN0pLJ5z8m4xw2Yc7bT1sR6uKd9eHfGaVoXiZlWnE="
ENDS = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


class Deployed:
    """The running parts, asked over HTTP as a browser would ask them."""

    def __init__(self, here: Up, folder: Path) -> None:
        self.here, self.folder = here, folder
        self.ledger = open_ledger_of(Settings.from_environment(here.environ))
        self.connections = Path(here.environ["RENKEI_CONNECTIONS"])

    def renkei(self, *words: str) -> dict[str, Any]:
        """A command with --json in a process of its own, as an operator beside the worker types it."""
        command = [sys.executable, "-c", "from renkei.cli.main import main; main()", "--json", *words]
        done = subprocess.run(command, cwd=HOME, env=dict(self.here.environ), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return dict(json.loads(done.stdout))

    def ask(self, path: str, content: dict[str, Any] | None = None, *, at: str | None = None, method: str | None = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        url = f"{at or self.here.environ['PREFECT_API_URL']}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        answered: list[Any] = []

        def answers() -> bool:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    answered.append(json.loads(answer.read()))
            except urllib.error.HTTPError as error:
                assert error.code == 503, error.read()  # its SQLite is locked: Prefect's own client asks again, too
            return bool(answered)

        self.until(answers)
        return answered[0]

    def start(self, name: str, **parameters: Any) -> str:
        """Trigger a deployment; the id of the flow run."""
        deployment = self.ask(f"/deployments/name/{name}")
        asked = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask(f"/deployments/{deployment['id']}/create_flow_run", asked)["id"])

    def end(self, *flow_runs: str) -> list[dict[str, Any]]:
        """Wait until all of them ended; what the server says of them."""
        found: list[dict[str, Any]] = []

        def ended() -> bool:
            found[:] = [self.ask(f"/flow_runs/{one}") for one in flow_runs]
            return all(one["state_type"] in ENDS for one in found)

        self.until(ended)
        return found

    def until(self, true: Callable[[], bool], seconds: float = 300.0) -> None:
        ends = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < ends, (self.folder / "worker.log").read_text(encoding="utf-8")[-4000:]
            time.sleep(0.2)

    def run(self, name: str, **parameters: Any) -> tuple[dict[str, Any], Run]:
        """A deployment's run from trigger to end, and the ledger's row of it."""
        ended = self.end(self.start(name, **parameters))[0]
        return ended, self.row(ended)

    def row(self, flow_run: dict[str, Any]) -> Run:
        """The ledger's run that the state's message names."""
        found = self.ledger.run(flow_run["state"]["message"].rsplit(" ", 1)[-1])
        assert found is not None, flow_run["state"]
        return found

    def artifact(self, flow_run: dict[str, Any]) -> dict[str, Any]:
        """The one table of a flow run."""
        asked = {"flow_run_id": {"any_": [flow_run["id"]]}, "type": {"any_": ["table"]}}
        found = self.ask("/artifacts/filter", {"artifacts": asked})
        assert len(found) == 1
        return dict(found[0])

    def tasks(self, flow_run: dict[str, Any]) -> list[str]:
        """Names of a flow run's task runs, in order."""
        asked = {"flow_runs": {"id": {"any_": [flow_run["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
        return [one["name"] for one in self.ask("/task_runs/filter", asked)]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def north() -> Iterator[tuple[World, str]]:
    """Another company in another data centre, in the Invoice edition, in euro, with ids that the demo has too; its address."""
    world = World(limits=False, edition="invoice", base_currency="EUR", time_zone="Europe/Berlin")
    load(world, "demo")
    with running(world) as address:
        yield world, address["crm"]


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory, north: tuple[World, str], postgres_server: PostgresServer
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("up")
    port = free_port()
    connections = folder / "connections"
    connections.mkdir()
    text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace(":8765", f":{port}")
    (connections / "demo.yaml").write_text(text, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "RENKEI"))}
    environ["RENKEI_CONNECTIONS"] = str(connections)
    for alias in ("NORTHCRM", "NORTHBOOKS"):  # two users own the two sides; the third connection has no credentials at all
        for name in ("client_id", "client_secret", "refresh_token"):
            environ[f"RENKEI_{alias}_{name.upper()}"] = getattr(north[0], name)
    environ["RENKEI_ALERT_URL"] = f"json://alerts:{ALERT_PASSWORD}@127.0.0.1:{free_port()}"  # nobody is there
    environ["RENKEI_STORE_KEY"] = STORE_KEY
    ledger = postgres_server.url(postgres_server.new_database())
    with up(folder, environ, port=free_port(), sandbox_port=port, ledger=ledger, say=lambda line: None) as here:
        made = Deployed(here, folder)
        yield made
        made.ledger.close()


@pytest.fixture(scope="module")
def night(deployed: Deployed) -> tuple[dict[str, Any], Run]:
    """The connection's first nightly run."""
    return deployed.run("nightly/demo")


def test_a_first_night_is_held_its_plan_is_applied_on_request_and_the_hour_has_nothing_to_write(
    deployed: Deployed, night: tuple[dict[str, Any], Run]
) -> None:
    first, held = night
    assert (first["state_type"], first["state_name"]) == ("FAILED", "Held")
    assert (held.status, held.full, held.flow, held.actor) == ("held", True, "nightly", "prefect")
    names = sorted({one["brake"] for one in held.totals["brakes"]})
    assert "first_run" in names and all(part["writes"] == QUIET for part in held.totals["entities"].values())

    asked = {"fingerprint": held.totals["fingerprint"], "release": names, "released_by": "Sato"}
    application, applied = deployed.run("apply/demo", **asked)
    assert (application["state_type"], application["state_name"]) == ("COMPLETED", "Amber")
    assert (applied.kind, applied.actor, applied.totals["fingerprint"]) == ("apply", "Sato", held.totals["fingerprint"])
    wrote = {entity: sum(part["writes"].values()) for entity, part in applied.totals["entities"].items()}
    assert all(wrote.values()), wrote

    hour, quiet = deployed.run("hourly/demo")
    assert (hour["state_name"], quiet.full, quiet.flow) == ("Amber", False, "hourly")
    assert all(part["writes"] == QUIET for part in quiet.totals["entities"].values())

    for ended, row in ((first, held), (application, applied), (hour, quiet)):
        shown = deployed.artifact(ended)
        assert (shown["key"], shown["type"]) == (f"demo-{row.flow}", "table")
        assert {one["entity"]: one["held"] for one in json.loads(shown["data"])} == {
            entity: part["outcomes"]["held"] for entity, part in row.totals["entities"].items()
        }
        assert f"runs show {row.id}" in shown["description"]
    decided = [f"{stage} {one}" for one in quiet.totals["entities"] for stage in ("extract", "recall", "validate", "resolve")]
    done = [f"{stage} {one}" for one in quiet.totals["entities"] for stage in ("load", "record")]
    assert deployed.tasks(hour) == ["recover", "survey", *decided, *done]


def test_of_two_batches_at_once_one_runs_and_the_other_says_why_not_while_one_record_goes_its_way(deployed: Deployed) -> None:
    sandbox = deployed.here.sandbox
    account = deployed.ask("/_sandbox/state?side=crm&module=Accounts", at=sandbox)["records"][0]["id"]
    deployed.ask("/_sandbox/faults", {"spec": "slow=5@crm"}, at=sandbox)  # until both have begun
    both = [deployed.start("hourly/demo"), deployed.start("nightly/demo")]
    try:
        deployed.until(lambda: any(deployed.ask(f"/flow_runs/{one}")["state_name"] == "Skipped" for one in both))
        single = deployed.start("record/demo", record=f"crm:Accounts:{account}")
    finally:
        deployed.ask("/_sandbox/faults", at=sandbox, method="DELETE")
    alone, *two = deployed.end(single, *both)
    loser, winner = sorted(two, key=lambda one: one["state_name"] != "Skipped")
    assert (loser["state_type"], winner["state_name"]) == ("CANCELLED", "Amber")
    left, ran = deployed.row(loser), deployed.row(winner)
    assert (left.status, left.flow) == ("skipped", loser["name"].split()[0]) and ran.status == "amber"
    said = list(deployed.ledger.outcomes(left.id))
    assert [one.outcome for one in said] == ["skipped"] and ran.id in said[0].reason
    assert alone["state_type"] == "COMPLETED"
    assert deployed.row(alone).totals["entities"]["customers"]["extracted"]["crm"] == 1
    assert deployed.ledger.verify().broken is None


def test_while_it_is_paused_a_slot_ends_as_skipped_with_a_run_that_names_the_pause_and_a_crm_user_is_refused(
    deployed: Deployed,
) -> None:
    spec = load_project(Settings.from_environment(deployed.here.environ)).connection("demo")
    act = Act(deployed.ledger, SystemClock(), "demo", "Sato", {}, "0.1.0")
    said = pause(act, spec, "an audit")
    try:
        asked = deployed.start("documents/demo", verb="refresh", record="crm:Accounts:1", acting_as="Standard")
        ended, refused = deployed.end(deployed.start("hourly/demo"), asked)
    finally:
        resume(act, spec)
    left = deployed.row(ended)
    assert (refused["state_type"], refused["state_name"]) == ("FAILED", "Refused")
    assert "an audit" in refused["state"]["message"] and refused["name"] == "documents refresh crm:Accounts:1"
    assert (ended["state_name"], left.status, left.totals) == ("Skipped", "skipped", {"instead": said["run"]})
    (note,) = deployed.ledger.outcomes(left.id)
    assert "by Sato: an audit" in note.reason and deployed.ledger.verify().broken is None


NORTH = """
connection: north
time_zone: Europe/Berlin
crm: {{data_center: eu, credentials: NORTHCRM, hosts: {{accounts: "{url}", api: "{url}"}}}}
books: {{edition: invoice, organization: "{organization}", credentials: NORTHBOOKS, hosts: {{accounts: "{url}", api: "{url}"}}}}
customers: {{duplicates: overwrite}}
products: {{duplicates: overwrite}}
brakes: "off"
"""
BROKEN = """
connection: broken
time_zone: America/New_York
credentials: NOBODY
books: {organization: "70000000000"}
"""


def test_three_connections_run_together_nothing_of_one_reaches_another_and_the_one_that_fails_stops_none(
    deployed: Deployed, north: tuple[World, str], night: tuple[dict[str, Any], Run]
) -> None:
    world, url = north
    (deployed.connections / "north.yaml").write_text(NORTH.format(url=url, organization=world.organization), encoding="utf-8")
    (deployed.connections / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    made = deployed.renkei("deploy")
    assert len(made["deployed"]) == 19 and made["paused"] == made["gone"] == []
    ids = {name: deployed.ask(f"/deployments/name/{name}")["id"] for name in made["deployed"]}
    (slot,) = deployed.ask("/deployments/name/nightly/north")["schedules"]
    assert (slot["schedule"]["cron"], slot["schedule"]["timezone"], slot["active"]) == ("0 2 * * *", "Europe/Berlin", True)
    deployed.renkei("deploy", "north")
    assert {name: deployed.ask(f"/deployments/name/{name}")["id"] for name in made["deployed"]} == ids

    (ended,) = deployed.end(deployed.start("fleet/all", which="nightly"))
    rows = {one["connection"]: one for one in json.loads(deployed.artifact(ended)["data"])}
    states = {name: one["state"] for name, one in rows.items()}
    assert states.pop("demo") in ("Amber", "Held") and states == {"north": "Amber", "broken": "Failed"}, rows
    assert ended["state_type"] == "FAILED" and "broken: Failed" in ended["state"]["message"]
    assert "north: " not in ended["state"]["message"]

    wrote = deployed.ledger.runs("north", 1)[0]
    assert wrote.status == "amber" and sum(wrote.totals["entities"]["customers"]["writes"].values()) > 0
    there = {f"crm:Accounts:{one}" for one in world.crm.records("Accounts")}
    links = list(deployed.ledger.all_links("north", "customers"))
    assert links and {str(one.crm) for one in links} <= there and not list(deployed.ledger.all_links("broken"))
    asked = [one for one in world.requests.rows if "organization_id=" in one.query]
    assert asked and all(f"organization_id={world.organization}" in one.query for one in asked)
    assert deployed.ledger.verify().broken is None


def test_deployments_of_a_connection_that_is_gone_are_named_and_deleted_only_when_asked(deployed: Deployed) -> None:
    (deployed.connections / "gone.yaml").write_text(
        BROKEN.replace("broken", "gone").replace("NOBODY", "NOWHERE").replace("7000", "7100"), encoding="utf-8"
    )
    deployed.renkei("deploy", "gone")
    (deployed.connections / "gone.yaml").unlink()
    mine = [f"{flow}/gone" for flow in ("apply", "documents", "hourly", "nightly", "record", "replay")]
    assert deployed.renkei("deploy", "demo")["gone"] == mine
    assert deployed.renkei("deploy", "demo", "--prune")["deleted"] == mine
    assert deployed.renkei("deploy", "demo")["gone"] == []


@pytest.mark.parametrize(("name", "hours"), [("nightly/demo", {2}), ("hourly/demo", set(range(7, 23)))])
def test_the_next_slots_are_those_of_the_connections_crons_in_its_own_time(
    deployed: Deployed, name: str, hours: set[int]
) -> None:
    """The server itself has planned them: not every SQLAlchemy lets it (docs/decisions/0002)."""
    asked = {
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "deployments": {"id": {"any_": [deployed.ask(f"/deployments/name/{name}")["id"]]}},
    }
    slots: list[datetime] = []

    def planned() -> bool:
        found = deployed.ask("/flow_runs/filter", asked)
        slots[:] = [datetime.fromisoformat(one["expected_start_time"]) for one in found if one["auto_scheduled"]]
        return bool(slots)

    deployed.until(planned)
    there = [one.astimezone(ZoneInfo("Asia/Tokyo")) for one in slots]
    assert {one.hour for one in there} <= hours and {one.minute for one in there} == {0}


def test_what_prefect_keeps_and_every_log_hold_no_secret_and_no_persons_address(
    deployed: Deployed, north: tuple[World, str], night: tuple[dict[str, Any], Run]
) -> None:
    """Last in the file: flow runs that ended well, were held, failed and were skipped have left their logs, parameters, states
    and artifacts by now, and their alerts could not be delivered."""
    world, environ = north[0], deployed.here.environ
    names = [one for one in environ if one.startswith("RENKEI_") and one.endswith(("_SECRET", "_TOKEN", "_STORE_KEY"))]
    tokens = {*world.oauth.access_tokens, *world.oauth.refresh_tokens}
    secrets = {
        *tokens,
        *(environ[one] for one in names),
        ALERT_PASSWORD,
        urlsplit(environ["RENKEI_LEDGER_URL"]).password or ALERT_PASSWORD,
    }
    assert len(names) > 6 and any(token.value in secrets for token in world.oauth.access_tokens.values())
    persons = deployed.ask("/_sandbox/state?side=crm&module=Contacts", at=deployed.here.sandbox)["records"]
    addresses = {one[name] for one in persons for name in ("Email", "Mobile") if one.get(name)}
    assert len(addresses) > 20
    kept = [path for path in deployed.folder.rglob("*") if path.is_file() and path.name != "sandbox.log"]
    said = {path.name: path.read_bytes() for path in kept if path.suffix == ".log" or path.name.startswith("prefect.db")}
    assert {"prefect.db", "worker.log"} <= set(said)
    database = sqlite3.connect(f"file:{deployed.folder / 'prefect' / 'prefect.db'}?mode=ro", uri=True)
    with closing(database):
        for table in ("log", "flow_run", "flow_run_state", "task_run", "task_run_state", "artifact", "deployment"):
            said[table] = "\n".join(map(repr, database.execute(f"select * from {table}"))).encode()  # noqa: S608
    assert b"runs show" in said["flow_run_state"] and b"Brake 'first_run'" in said["artifact"] and said["log"]
    assert b"The alert did not arrive" in said["log"]
    assert [(name, one[:6]) for name, text in said.items() for one in secrets | addresses if one.encode() in text] == []
    assert [str(path) for path in kept if any(one.encode() in path.read_bytes() for one in secrets)] == []
