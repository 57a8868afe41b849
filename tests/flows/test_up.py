"""`make up` where a part cannot start: it says which and why, and leaves nothing running."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from flows.up import HOST, NotUp, up


def left_running(folder: Path) -> list[str]:
    """Programs that were started with this folder in their environment and still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:  # it ended in the meantime, or is somebody else's
            continue
    return found


def test_a_port_that_is_taken_is_named_and_what_had_started_is_stopped(tmp_path: Path) -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(NotUp, match=r"(?s)sandbox\.log.*[Aa]ddress already in use"):
            with up(tmp_path, os.environ, port=1, sandbox_port=taken.getsockname()[1], say=said.append):
                raise AssertionError("it is up")
    assert said == ["Starting the server …", "Starting the sandbox …"]
    assert left_running(tmp_path) == []
