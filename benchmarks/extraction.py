"""Extraction from the sandbox into the ledger, beside the plain limit and dlt; what the figures mean: benchmarks/README.md.

python benchmarks/extraction.py [--records N] [--rounds R]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from contenders import CONTENDERS, columns_of

ROOT = Path(__file__).parents[1]
FEW = 5  # memory is measured at a fifth of the records too: flat in N means the same at both


@contextlib.contextmanager
def sandbox(records: int) -> Iterator[dict[str, str]]:
    """A sandbox of that many accounts in a process of its own; gives the line that it prints."""
    command = [sys.executable, "-c", "from renkei.cli.main import main; main()", "sandbox", "serve", "--limits", "off"]
    with subprocess.Popen([*command, "--seed", f"synthetic:{records}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the sandbox did not start")
            yield json.loads(line)
        finally:
            process.terminate()


def run(name: str, address: dict[str, str], columns: list[str], records: int) -> dict[str, float]:
    """One contender in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        asked = json.dumps({"address": address, "columns": columns, "folder": folder})
        command = [sys.executable, str(Path(__file__).with_name("contenders.py")), name, asked]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{name} failed:\n{answer.stderr}")
    measured: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    if measured["rows"] != records:
        raise SystemExit(f"{name} stored {measured['rows']} of {records} rows")
    return measured


def measure(records: int, rounds: int) -> tuple[dict[str, list[dict[str, float]]], dict[str, dict[str, float]]]:
    """(name → one measurement a round, name → one with a FEWth of the records); rounds are interleaved."""
    with tempfile.TemporaryDirectory() as folder, sandbox(records // FEW) as address:
        columns = asyncio.run(columns_of(address, folder))
        few = {name: run(name, address, columns, records // FEW) for name in CONTENDERS}
    many: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with sandbox(records) as address:
        for number in range(rounds):
            for name in CONTENDERS:
                print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
                many[name].append(run(name, address, columns, records))
    return many, few


def table(many: dict[str, list[dict[str, float]]], few: dict[str, dict[str, float]], records: int) -> str:
    """The medians as text, one line a contender."""
    middle = {name: {key: median(one[key] for one in rounds) for key in rounds[0]} for name, rounds in many.items()}
    few_peak, peak = f"MB at {records // FEW:,}", f"MB at {records:,}"
    heads = f"{'seconds':>9}{'rows/s':>10}{'of limit':>10}{'of dlt':>8}{'own CPU s':>11}{'MB imported':>13}"
    lines = [f"{'':8}{heads}{few_peak:>16}{peak:>16}"]
    for name, one in middle.items():
        of_limit, of_dlt = middle["limit"]["seconds"] / one["seconds"], middle["dlt"]["seconds"] / one["seconds"]
        lines.append(
            f"{name:8}{one['seconds']:9.2f}{records / one['seconds']:10,.0f}{of_limit:9.2f}×{of_dlt:7.2f}×{one['cpu']:11.2f}"
            f"{one['imported_mb']:13.0f}{few[name]['peak_mb']:16.0f}{one['peak_mb']:16.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Extraction of CRM accounts: renkei, the plain limit and dlt, side by side.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    many, few = measure(asked.records, asked.rounds)
    print(f"{asked.records:,} CRM accounts, medians of {asked.rounds} interleaved rounds")
    print(table(many, few, asked.records))


if __name__ == "__main__":
    main()
