"""What processes that were really killed leave behind, the next run puts right; and the judge would tell if it did not."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from soak.storm import Kill, Standing, compared

ROOT = Path(__file__).parents[2]


def test_a_few_kills_of_a_small_company_lose_and_double_nothing() -> None:
    asked = [sys.executable, "-m", "soak.storm", "--seconds", "300", "--most", "3", "--size", "4", "--seed", "ci"]
    ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=400)
    told = dict(line.rsplit(None, 1) for line in ended.stdout.splitlines()[:1])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(told["kills"]) >= 2 and "everything held" in ended.stdout


def test_a_kill_is_named_so_that_it_can_be_replayed() -> None:
    for kill in (Kill(20, 7), Kill(60, moment=0.25), Kill(4, 9, fault="clock-skew=-3600@books")):
        assert Kill.parse(str(kill)) == kill


def test_the_judge_tells_what_is_lost_what_is_double_and_what_was_written_once_more() -> None:
    meant = Standing(Counter(a=1, b=1), Counter(l=1), Counter({"books PUT contacts": 2}), 2, 0, ())
    found = Standing(Counter(a=2, c=1), Counter(), Counter({"books PUT contacts": 3}), 2, 0, ())
    told = list(compared(meant, found, told=True))
    assert told == [
        "lost: b ×1", "doubled: a ×1", "other: c ×1", "lost: link l ×1", "written {'books PUT contacts': 1} more, {} less",
    ]  # fmt: skip
    assert list(compared(meant, meant, told=True)) == []
