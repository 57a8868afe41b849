"""prefect.yaml and the declarations say the same: which connections, which crons, in whose time."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow

from flows.up import POOL
from renkei.core.connection import ConnectionSpec
from renkei.house import Settings, load_project

HOME = Path(__file__).parents[2]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((HOME / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    file, name = deployment["entrypoint"].split(":")
    found: Flow[..., Any] = getattr(import_module(file.removesuffix(".py").replace("/", ".")), name)
    return found


def called(deployment: dict[str, Any]) -> str:
    return f"{flow_of(deployment).name}/{deployment['name']}"


def crons(spec: ConnectionSpec) -> dict[str, list[dict[str, str]]]:
    return {
        "hourly": [{"cron": spec.hourly, "timezone": spec.time_zone}],
        "nightly": [{"cron": spec.nightly, "timezone": spec.time_zone}],
    }


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=called)
def test_a_deployment_bears_its_connections_name_and_keeps_its_schedule(deployment: dict[str, Any]) -> None:
    spec = load_project(Settings.from_environment({}, HOME)).connection(deployment["name"])
    assert deployment["parameters"] == {"connection": spec.name}
    assert deployment.get("schedules", []) == crons(spec).get(flow_of(deployment).name, [])
    assert deployment["work_pool"] == {"name": POOL}


def test_every_flow_is_deployed_for_the_demo() -> None:
    files = {path.stem for path in (HOME / "flows").glob("*.py")} - {"__init__", "running", "up"}
    assert {called(one) for one in DEPLOYMENTS} == {f"{name}/demo" for name in files}


@pytest.mark.parametrize("name", ["hourly", "nightly"])
def test_batches_take_what_an_operator_may_ask(name: str) -> None:
    flow = flow_of(next(one for one in DEPLOYMENTS if called(one) == f"{name}/demo"))
    asked = flow.parameters.properties
    assert list(asked) == ["connection", "entities", "full", "only", "since", "plan_only", "environment"]
    assert flow.parameters.required == ["connection"] and asked["full"]["default"] is (name == "nightly")
