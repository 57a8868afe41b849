"""Deployments follow the declarations: which connections, which crons, in whose time; prefect.yaml says the same of the demo."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow

from flows.deploying import deploy
from renkei.core.deployments import FLEET, FLOWS, POOL, Wanted, wanted_of
from renkei.core.errors import RenkeiError, WrongEnvironment
from renkei.engine.life import pause, resume
from renkei.house import Settings, deployable, due_batches, load_project, open_desk

HOME = Path(__file__).parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((HOME / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    file, name = deployment["entrypoint"].split(":")
    found: Flow[..., Any] = getattr(import_module(file.removesuffix(".py").replace("/", ".")), name)
    return found


def called(deployment: dict[str, Any]) -> str:
    return f"{flow_of(deployment).name}/{deployment['name']}"


def as_wanted(deployment: dict[str, Any]) -> Wanted:
    schedule = next(((one["cron"], one["timezone"]) for one in deployment.get("schedules", [])), None)
    return Wanted(flow_of(deployment).name, deployment["name"], deployment["description"], schedule, deployment["parameters"])


def test_prefect_yaml_is_what_renkei_deploy_makes_of_the_demo() -> None:
    spec = load_project(Settings.from_environment({}, HOME)).connection("demo")
    assert [as_wanted(one) for one in DEPLOYMENTS] == [*wanted_of(spec), FLEET]
    assert all(one["work_pool"] == {"name": POOL} for one in DEPLOYMENTS)
    assert [one["tags"] for one in DEPLOYMENTS] == [as_wanted(one).tags for one in DEPLOYMENTS]


def test_a_connection_has_its_own_schedules_in_its_own_time_and_they_stand_still_while_it_is_paused() -> None:
    demo = load_project(Settings.from_environment({}, HOME)).connection("demo")
    spec = dataclasses.replace(demo, name="acme", hourly="5 * * * *", nightly="30 1 * * *", time_zone="Europe/Berlin")
    assert {one.full_name: one.schedule for one in wanted_of(spec)} == {
        "hourly/acme": ("5 * * * *", "Europe/Berlin"), "nightly/acme": ("30 1 * * *", "Europe/Berlin"),
        "record/acme": None, "apply/acme": None, "replay/acme": None, "documents/acme": None,
    }  # fmt: skip
    assert [one.full_name for one in wanted_of(spec, active=False) if one.paused] == ["hourly/acme", "nightly/acme"]


def test_writing_to_production_by_schedule_needs_that_word_and_keeps_it_in_the_deployment(tmp_path: Path) -> None:
    text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8")
    (tmp_path / "demo.yaml").write_text(f"{text}\nenvironment: production\n", encoding="utf-8")
    settings = Settings.from_environment({"RENKEI_CONNECTIONS": str(tmp_path)}, HOME)
    with pytest.raises(WrongEnvironment, match=r"demo would write to production by schedule.*Say --environment production"):
        deployable(settings, None, "")
    (spec,), known, inactive = deployable(settings, ["demo"], "production")
    assert (known, inactive) == ({"demo"}, set())
    assert {one.parameters["environment"] for one in wanted_of(spec)} == {"production"}


def test_the_schedules_of_a_paused_connection_stand_still_and_the_fleet_and_the_watch_leave_it_alone(tmp_path: Path) -> None:
    text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8")
    (tmp_path / "demo.yaml").write_text(text, encoding="utf-8")
    environ = {"RENKEI_CONNECTIONS": str(tmp_path), "RENKEI_LEDGER_URL": f"sqlite:///{tmp_path}/renkei.db"}
    settings = Settings.from_environment(environ, HOME)
    assert due_batches(settings, "due", None) == {"demo": "nightly"}
    with open_desk(environ, "demo") as desk:
        pause(desk.act("Sato"), desk.spec, "an audit")
        assert deployable(settings, None)[2] == {"demo"} and due_batches(settings, "due", None) == {}
        resume(desk.act("Sato"), desk.spec)
    assert deployable(settings, None)[2] == set() and due_batches(settings, "due", None) == {"demo": "nightly"}


def test_every_flow_is_deployed() -> None:
    files = {path.stem for path in (HOME / "flows").glob("*.py")} - {"__init__", "deploying", "running", "server", "up"}
    assert {flow_of(one).name for one in DEPLOYMENTS} == files == {*FLOWS, FLEET.flow}


@pytest.mark.parametrize(
    ("place", "url", "words"),
    [(HOME, "", "PREFECT_API_URL is not set"), (HOME / "docs", "http://127.0.0.1:9/api", "no flows/hourly.py here"),
     (HOME, "http://127.0.0.1:9/api", "does not answer. Nothing was written. Start the server")],
)  # fmt: skip
async def test_without_a_server_or_in_another_folder_nothing_is_deployed(
    place: Path, url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(RenkeiError, match=words):
        await deploy([], [])


@pytest.mark.parametrize("name", ["hourly", "nightly"])
def test_batches_take_what_an_operator_may_ask(name: str) -> None:
    flow = flow_of(next(one for one in DEPLOYMENTS if called(one) == f"{name}/demo"))
    asked = flow.parameters.properties
    assert list(asked) == ["connection", "entities", "full", "only", "since", "plan_only", "environment"]
    assert flow.parameters.required == ["connection"] and asked["full"]["default"] is (name == "nightly")
