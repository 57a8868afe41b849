"""Progress is for a person at a terminal: on stderr, and not where a machine reads."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest
from office import HOME

CODE = """
import sys, time
from renkei.cli.asked import Asked
from renkei.cli.progress import progress_bars
Asked.as_json = {as_json}
with progress_bars() as tell:
    print("watched" if tell else "unwatched")
    if tell:
        tell("extract", "customers", 200, None)
        tell("load", "customers", 20, 50)
print("result")
"""


def shown(*, as_json: bool = False, stdout_is_terminal: bool = True) -> tuple[str, str]:
    """(stdout where it is no terminal, what the terminal showed)."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.Popen(
            [sys.executable, "-c", CODE.format(as_json=as_json)],
            cwd=HOME,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            stdin=theirs,
            stdout=theirs if stdout_is_terminal else subprocess.PIPE,
            stderr=theirs,
        )
        out = done.communicate(timeout=60)[0] or b""
    finally:
        os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed and everything was read
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert done.returncode == 0, seen
    return out.decode(), seen.decode()


def test_a_person_at_a_terminal_sees_the_stage_and_how_far_it_is() -> None:
    _, seen = shown()
    assert "watched" in seen and "customers extract" in seen and "200" in seen
    assert "customers load" in seen and "20 of 50" in seen
    assert seen.rstrip().endswith("result")


@pytest.mark.parametrize("asked", [{"as_json": True}, {"stdout_is_terminal": False}])
def test_a_machine_sees_results_only(asked: dict[str, bool]) -> None:
    out, seen = shown(**asked)
    assert (out + seen).split() == ["unwatched", "result"]
