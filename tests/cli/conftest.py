"""The demo's ledger, made once, and a copy of it for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from office import PLACES, Office, Said

from renkei.cli.main import main


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which `renkei --json demo` ran, and how it ended."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-c", "from renkei.cli.main import main; main()", "--json", "demo"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **PLACES}, capture_output=True, text=True, timeout=240, check=False
    )
    return folder, done


@pytest.fixture
def office(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Office]:
    shutil.copy(demo[0] / "var" / "demo" / "renkei.db", tmp_path / "renkei.db")

    def say(environ: dict[str, str], words: tuple[str, ...]) -> Said:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["renkei", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    yield Office(tmp_path / "renkei.db", say)
