"""The simulation keeps its word: one seed is one story, byte for byte, and nothing is wrong in a short soak."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

from soak import core_ring, nights, report

ROOT = Path(__file__).parents[2]


def test_a_seed_brings_about_the_same_requests_and_the_same_chain_in_another_process() -> None:
    told = [
        subprocess.Popen(
            [sys.executable, "-m", "soak.trace", "7", "4"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONHASHSEED": salt},
        )
        for salt in ("1", "2")
    ]  # fmt: skip
    first, second = (json.loads(one.communicate(timeout=200)[0]) for one in told)
    assert first == second
    assert first["requests"] > 100 and not first["problems"]


def test_another_seed_is_another_story() -> None:
    acts = [[night.acts for night in nights.live(seed, 2)] for seed in ("1", "2")]
    assert acts[0] != acts[1]


def test_nothing_is_wrong_in_a_short_soak() -> None:
    lived = [night for seed in ("ci.1", "ci.2") for night in nights.live(seed, 6)]
    assert [(night.seed, night.number, night.problems) for night in lived if night.problems] == []
    assert len(lived) == 12
    assert all(len(night.acts) >= nights.LEAST_ACTS for night in lived if night.number)
    assert any(night.faults for night in lived) and any(night.crashed for night in lived)


def test_nothing_is_wrong_in_a_thousand_examples_of_the_pure_core() -> None:
    found = [core_ring.examples(f"ci.{number}") for number in range(10)]
    assert [problem for one in found for problem in one.problems] == []
    assert sum(one.examples for one in found) == 1000


def test_a_failure_is_told_with_the_command_that_replays_it() -> None:
    tally, out = report.Tally(), io.StringIO()
    tally.fail("python -m soak replay 7.3", ["lost: crm:Accounts:1 is not there"])
    report.tell(tally, 1.0, out)
    assert "FAILED             python -m soak replay 7.3" in out.getvalue()
    assert "records lost                1" in out.getvalue()
