"""Containerfile and compose file name what there is: files, commands, variables; images are pinned and name no registry."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import settings
from typer.main import get_command

from renkei.cli.main import app

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
CONTAINER = (ROOT / "Containerfile").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r"^[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?$")
VARIABLES = {
    *re.findall(r"RENKEI_[A-Z]+(?:_[A-Z]+)*", (ROOT / "renkei" / "config" / "settings.py").read_text(encoding="utf-8")),
    "RENKEI_DATA", "RENKEI_CONNECTIONS", "DO_NOT_TRACK", "GX_ANALYTICS_ENABLED",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER",  # a path into Prefect's logging.yml, not a setting
}  # fmt: skip


def is_read(name: str) -> bool:
    return name in VARIABLES or (name.startswith("PREFECT_") and hasattr(settings, name))


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    return dict(service.get("environment", {}))


def test_images_are_pinned_and_named_without_a_registry() -> None:
    images = [line.split()[1] for line in CONTAINER.splitlines() if line.startswith("FROM ")]
    images += [one["image"] for one in SERVICES.values()]
    assert [one for one in images if not PINNED.match(one)] == []
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert {one["image"] for one in SERVICES.values() if "build" in one} == {f"renkei:{version}"}


def test_the_image_copies_files_that_there_are_and_that_its_context_lets_in() -> None:
    copied = [word for line in CONTAINER.splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert {"renkei", "flows", "tasks", "requirements.lock"} <= set(copied)
    assert [one for one in copied if not (ROOT / one).exists()] == []
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")}
    assert let_in == set(copied)


def test_the_image_installs_by_hash_as_make_install_does_what_builds_renkei_included() -> None:
    ran = re.findall(r"pip install ([^\n]*)", CONTAINER)
    assert [" --require-hashes " in f" {one}" or " --no-deps --no-build-isolation --editable ." in f" {one}" for one in ran] == [
        True
    ] * 3
    made = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--require-hashes" in made and "--no-deps --no-build-isolation -e ." in made
    (chosen,) = re.findall(r"awk '([^']*)' requirements-dev.lock", CONTAINER)
    built = subprocess.run(["awk", chosen, ROOT / "requirements-dev.lock"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"setuptools==\S+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", built), built


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if "command" in one])
def test_a_service_starts_a_command_that_there_is_with_options_that_it_has(name: str) -> None:
    program, *words = SERVICES[name]["command"]
    command: Any
    if program == "renkei":
        command = get_command(app).commands[words.pop(0)]  # type: ignore[attr-defined]
        options = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= options
    else:
        assert program == "prefect" and words[:2] in (["server", "start"], ["worker", "start"])


def test_a_service_sets_variables_that_somebody_reads() -> None:
    given = {name for one in SERVICES.values() if "build" in one for name in environment_of(one)}
    given |= set(re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", CONTAINER, flags=re.MULTILINE))
    assert {"RENKEI_DATA", "RENKEI_LEDGER_URL", "PREFECT_API_URL", "PREFECT_HOME"} <= given
    assert [name for name in sorted({*given, "PREFECT_NONSENSE"}) if not is_read(name)] == ["PREFECT_NONSENSE"]


def test_only_the_worker_and_the_watch_are_given_credentials_and_pages_are_this_machines_alone() -> None:
    assert {name for name, one in SERVICES.items() if "env_file" in one} == {"worker", "watch"}
    assert [port for one in SERVICES.values() for port in one.get("ports", []) if not port.startswith("127.0.0.1:")] == []
    assert "renkei.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_what_a_service_waits_for_is_healthy_somehow_and_every_volume_is_declared() -> None:
    for one in SERVICES.values():
        for other, how in one.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"} and "healthcheck" in SERVICES[other]
        named = [volume.split(":")[0] for volume in one.get("volumes", []) if not volume.startswith("./")]
        assert set(named) <= set(COMPOSE["volumes"])
        assert all((ROOT / volume.split(":")[0]).is_dir() for volume in one.get("volumes", []) if volume.startswith("./"))


def test_the_tools_of_postgresql_in_the_image_are_of_the_databases_version() -> None:
    found = re.search(r"postgresql-client-(\d+)", CONTAINER)
    assert found is not None and SERVICES["database"]["image"].startswith(f"postgres:{found[1]}.")
