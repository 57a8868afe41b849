"""`make bench` on a small world: every contender stores every record, and the table says so; nothing is asserted about time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_contender_stores_every_record_and_has_a_line_in_the_table() -> None:
    command = [sys.executable, "benchmarks/extraction.py", "--records", "2000", "--rounds", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    title, columns, *lines = ended.stdout.splitlines()
    assert title == "2,000 CRM accounts, medians of 1 interleaved rounds"
    assert re.split(r"\s{2,}", columns.strip()) == [
        "seconds", "rows/s", "of limit", "of dlt", "own CPU s", "MB imported", "MB at 400", "MB at 2,000",
    ]  # fmt: skip
    found = {line.split()[0]: [float(figure.strip("×").replace(",", "")) for figure in line.split()[1:]] for line in lines}
    assert found.keys() == {"renkei", "limit", "dlt"}
    assert found["limit"][2] == 1 and found["dlt"][3] == 1
    assert all(figure > 0 for figures in found.values() for figure in figures)
