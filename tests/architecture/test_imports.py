"""The house is the design's: the import rules of pyproject.toml hold, and each of them catches what it is there for."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A house with one module a room and the imports that each room is allowed.
ALLOWED = {
    "renkei/__init__.py": "",
    "renkei/core/__init__.py": "import pandas",
    "renkei/engine/__init__.py": "import renkei.core",
    "renkei/config/__init__.py": "import yaml, pydantic, renkei.core",
    "renkei/connectors/__init__.py": "import httpx, renkei.core",
    "renkei/ledger/__init__.py": "import sqlalchemy, alembic, renkei.core",
    "renkei/quality/__init__.py": "import great_expectations, renkei.core",
    "renkei/sandbox/__init__.py": "import starlette",
    "renkei/house.py": "import renkei.engine, renkei.config, renkei.connectors, renkei.ledger, renkei.quality",
    "renkei/cli/__init__.py": "import renkei.house, renkei.sandbox, flows",
    "flows/__init__.py": "import prefect, tasks, renkei.house",
    "tasks/__init__.py": "import prefect, renkei.house",
}

FORBIDDEN = [
    ("renkei/core/__init__.py", "import renkei.engine"),
    ("renkei/core/__init__.py", "import prefect"),
    ("renkei/core/__init__.py", "import random"),
    ("renkei/core/__init__.py", "from pathlib import Path"),
    ("renkei/core/__init__.py", "import logging"),
    ("renkei/engine/__init__.py", "import renkei.ledger"),
    ("renkei/engine/__init__.py", "import renkei.connectors"),
    ("renkei/engine/__init__.py", "import prefect"),
    ("renkei/engine/__init__.py", "import httpx"),
    ("renkei/engine/__init__.py", "import great_expectations"),
    ("renkei/config/__init__.py", "import renkei.engine"),
    ("renkei/connectors/__init__.py", "import sqlalchemy"),
    ("renkei/ledger/__init__.py", "import yaml"),
    ("renkei/ledger/__init__.py", "import renkei.house"),
    ("renkei/house.py", "import flows"),
    ("renkei/house.py", "import renkei.cli"),
    ("renkei/sandbox/__init__.py", "import renkei.core"),
    ("renkei/sandbox/__init__.py", "import yaml"),
    ("renkei/house.py", "import renkei.sandbox"),
    ("renkei/cli/__init__.py", "import renkei.connectors"),
    ("flows/__init__.py", "import renkei.quality"),
    ("flows/__init__.py", "import renkei.cli"),
    ("tasks/__init__.py", "import flows"),
    ("tasks/__init__.py", "import sqlalchemy"),
    ("renkei/strays.py", "VALUE = 1"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the packages in a folder, under this project's contracts."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def build(folder: Path, extra: tuple[str, str] = ("", "")) -> Path:
    for name, text in ALLOWED.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    if extra[0]:
        with (folder / extra[0]).open("a", encoding="utf-8") as file:
            file.write(extra[1] + "\n")
    return folder


def test_the_import_rules_hold() -> None:
    ended = lint(ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    contracts = len(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"])
    assert f"{contracts} kept, 0 broken" in ended.stdout


def test_a_house_of_the_right_shape_passes(tmp_path: Path) -> None:
    ended = lint(build(tmp_path))
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(("file", "line"), FORBIDDEN, ids=[f"{file}: {line}" for file, line in FORBIDDEN])
def test_an_import_against_the_rules_is_caught(tmp_path: Path, file: str, line: str) -> None:
    ended = lint(build(tmp_path, (file, line)))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "BROKEN" in ended.stdout or "not listed as layers" in ended.stdout, ended.stdout
