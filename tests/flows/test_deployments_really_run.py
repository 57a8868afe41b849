"""`make up` for real: a Prefect server, a process worker and the deployments of prefect.yaml, against the sandbox.

One server serves all tests of this file, so they run on one worker of pytest (xdist group `prefect`).
"""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flows.up import Up, up
from renkei.core.records import Run
from renkei.house import Settings, open_ledger_of

pytestmark = [pytest.mark.prefect, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(400)]

HOME = Path(__file__).parents[2]
QUIET = {"crm": 0, "books": 0}
ENDS = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


class Deployed:
    """The running parts, asked over HTTP as a browser would ask them."""

    def __init__(self, here: Up, folder: Path) -> None:
        self.here, self.folder = here, folder
        self.ledger = open_ledger_of(Settings.from_environment(here.environ))

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

    def until(self, true: Callable[[], bool], seconds: float = 120.0) -> None:
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
        """The one artifact of a flow run."""
        found = self.ask("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run["id"]]}}})
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
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("up")
    port = free_port()
    connections = folder / "connections"
    connections.mkdir()
    text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace(":8765", f":{port}")
    (connections / "demo.yaml").write_text(text, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "RENKEI"))}
    environ["RENKEI_CONNECTIONS"] = str(connections)
    with up(folder, environ, port=free_port(), sandbox_port=port, say=lambda line: None) as here:
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
        assert f"renkei runs show {row.id}" in shown["description"]
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


def test_what_prefect_keeps_and_every_log_hold_no_credentials(deployed: Deployed, night: tuple[dict[str, Any], Run]) -> None:
    secrets = [deployed.here.environ[f"RENKEI_DEMO_{name}"].encode() for name in ("CLIENT_SECRET", "REFRESH_TOKEN")]
    files = [path for path in deployed.folder.rglob("*") if path.is_file() and path.name != "sandbox.log"]
    assert any(path.name == "prefect.db" for path in files) and any(path.name == "worker.log" for path in files)
    assert [path for path in files if any(one in path.read_bytes() for one in secrets)] == []
