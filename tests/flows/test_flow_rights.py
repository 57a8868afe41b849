"""Flows ask at the same door as the commands; a deployment is an operator unless a role names it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from company import Company
from prefect.logging import disable_run_logger
from prefect.states import Completed

from flows.apply import apply
from flows.documents import documents
from flows.fleet import fleet, one_of_the_fleet
from flows.hourly import hourly
from flows.nightly import nightly
from flows.record import record
from flows.replay import replay
from renkei.core.errors import CredentialsRefused, NotAllowed
from renkei.core.rights import FLOWS, NEEDS
from renkei.house import open_desk

HOME = Path(__file__).parents[2]
CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "hourly": (hourly, {}),
    "nightly": (nightly, {}),
    "record": (record, {"record": "crm:Accounts:1"}),
    "apply": (apply, {"fingerprint": "abc"}),
    "replay": (replay, {}),
    "documents": (documents, {"verb": "refresh", "record": "crm:Accounts:1", "acting_as": "Standard"}),
}


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The demo's declarations in a folder of the test's own, no credentials, an empty ledger."""
    (tmp_path / "connections").mkdir()
    given = {
        "RENKEI_CONNECTIONS": str(tmp_path / "connections"), "RENKEI_MAPPINGS": str(HOME / "mappings"),
        "RENKEI_EXPECTATIONS": str(HOME / "expectations"), "RENKEI_DATA": str(tmp_path),
        "RENKEI_LEDGER_URL": f"sqlite:///{tmp_path}/renkei.db",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


def declare(environ: dict[str, str], roles: str) -> None:
    demo = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8")
    (Path(environ["RENKEI_CONNECTIONS"]) / "demo.yaml").write_text(f"{demo}\nroles: {{{roles}}}\n", encoding="utf-8")


def denied(environ: dict[str, str]) -> list[tuple[str, str, str]]:
    with open_desk(environ) as desk:
        return [(run.actor, row.outcome, row.reason) for run in desk.ledger.runs("demo") for row in desk.ledger.outcomes(run.id)]


async def test_a_fleet_that_a_connection_keeps_out_starts_nothing_there(environ: dict[str, str]) -> None:
    declare(environ, 'viewer: ["deployment:fleet"], administrator: [ada]')
    row = await one_of_the_fleet("demo", "hourly")
    assert row["state"] == "NotStarted" and "Who holds it: os:ada (administrator)." in row["says"]
    assert [actor for actor, outcome, _ in denied(environ) if outcome == "denied"] == ["deployment:fleet"]


async def test_a_fleet_runs_the_connections_that_let_it_in_and_names_the_one_that_does_not(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(environ, 'viewer: ["deployment:fleet"], administrator: [ada]')
    demo = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace("connection: demo", "connection: other")
    keys = "\nkeys: {crm: key_other, books: cf_key_other}\n"
    (Path(environ["RENKEI_CONNECTIONS"]) / "other.yaml").write_text(demo + keys, encoding="utf-8")
    started: list[str] = []
    tables: list[list[dict[str, str]]] = []

    async def start(name: str, **_: Any) -> Any:
        started.append(name)
        return SimpleNamespace(state=Completed(message="done"))

    async def keep(rows: list[dict[str, str]], **_: Any) -> None:
        tables.append(rows)

    monkeypatch.setattr("flows.fleet.arun_deployment", start)
    monkeypatch.setattr("flows.fleet.acreate_table_artifact", keep)
    ended = await fleet.fn(which="nightly")
    assert started == ["nightly/other"]
    assert (ended.type.value, ended.message) == ("FAILED", "1 of 2 connections went well. demo: NotStarted.")
    refused = next(one for one in tables[0] if one["connection"] == "demo")
    assert "deployment:fleet may not do `flow fleet` of connection demo" in refused["says"]
    assert [(actor, outcome) for actor, outcome, _ in denied(environ)] == [("deployment:fleet", "denied")]


def test_every_flow_is_here_and_declares_its_right() -> None:
    files = {path.stem for path in (HOME / "flows").glob("*.py")} - {"__init__", "deploying", "running", "server", "up"}
    assert {*CALLS, "fleet"} == set(FLOWS) == files
    assert all(NEEDS[f"flow {name}"] for name in FLOWS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_deployment_that_a_role_holds_below_operator_is_refused(name: str, environ: dict[str, str]) -> None:
    declare(environ, f'viewer: ["deployment:{name}"], administrator: [ada]')
    flow, given = CALLS[name]
    with disable_run_logger(), pytest.raises(NotAllowed) as refused:
        await flow.fn(connection="demo", **given)
    assert refused.value.fix == "Who holds it: os:ada (administrator)."
    assert denied(environ) == [(f"deployment:{name}", "denied", refused.value.what)]


@pytest.mark.parametrize("name", CALLS)
async def test_a_deployment_that_no_role_names_passes_the_door(name: str, environ: dict[str, str]) -> None:
    declare(environ, "administrator: [ada]")
    flow, given = CALLS[name]
    with disable_run_logger(), pytest.raises(CredentialsRefused):  # the next thing that it asks for
        await flow.fn(connection="demo", **given)
    assert denied(environ) == []


async def test_a_name_at_prefect_releases_no_brake(environ: dict[str, str]) -> None:
    declare(environ, "administrator: [ada]")
    asked = {"connection": "demo", "fingerprint": "abc", "release": ["creates"], "released_by": "ada"}
    with disable_run_logger(), pytest.raises(NotAllowed) as refused:
        await apply.fn(**asked)
    assert "`flow apply --release`" in refused.value.what
    declare(environ, 'operator: ["deployment:apply"], approver: ["deployment:apply"], administrator: [ada]')
    with disable_run_logger(), pytest.raises(CredentialsRefused):
        await apply.fn(**asked)


async def test_who_released_at_prefect_and_through_what_are_both_kept(tmp_path: Path) -> None:
    with Company.in_process(tmp_path) as company:
        company.seed_crm("Accounts", Account_Name="Acme")
        plan = await company.sync(plan_only=True)
        done = await company.apply(plan, actor="Sato", typist="prefect")
        told = [(row.outcome, row.actor) for row in company.ledger.outcomes(done.run, "note")]
        assert told == [("on_behalf", "prefect")] and company.ledger.run(done.run).actor == "Sato"  # type: ignore[union-attr]
