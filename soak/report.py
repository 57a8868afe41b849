"""Running the rings for a while in worker processes, and telling what came of it."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from soak import core_ring, nights, storm

STORM_SHARE = 0.25  # of the whole time
CORE_SHARE = 0.2  # of a worker's time that the pure core has
LOST, DOUBLED = "lost:", "doubled:"


@dataclass(slots=True)
class Tally:
    """What happened, counted. `failures`: how each one is replayed, and its problems."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, list[str]]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.counts += other.counts
        self.faults += other.faults
        self.failures += other.failures

    def fail(self, replay: str, problems: list[str]) -> None:
        """Note a failure: the command that replays it, and what was wrong."""
        self.failures.append((replay, problems))
        self.counts["records lost"] += sum(one.startswith(LOST) for one in problems)
        self.counts["records doubled"] += sum(one.startswith(DOUBLED) for one in problems)


def ring_of_nights(seed: str, until: float) -> Tally:
    """Company after company, `SEED.1`, `SEED.2` …, until the time (of `time.monotonic`)."""
    tally, company = Tally(), 0
    while time.monotonic() < until:
        company += 1
        for night in nights.live(f"{seed}.{company}"):
            tally.counts["nights"] += 1
            tally.counts["runs"] += night.runs
            tally.counts["edits"] += len(night.acts)
            tally.counts["crashes"] += night.crashed
            tally.counts["intents open"] += night.open_intents
            tally.faults += night.faults
            if night.problems:
                tally.fail(f"python -m soak replay {night.seed}", [f"night {night.number}: {one}" for one in night.problems])
            if time.monotonic() >= until:
                break
    return tally


def ring_of_the_core(seed: str, until: float) -> Tally:
    """Examples of the pure core, until the time."""
    tally, number = Tally(), 0
    while time.monotonic() < until:
        found = core_ring.examples(f"{seed}.{number}")
        tally.counts["core examples"] += found.examples
        for problem in found.problems:
            tally.fail(f"python -m soak replay core:{seed}.{number}", [problem])
        number += 1
    return tally


def _worker(seed: str, seconds: float) -> Tally:
    began = time.monotonic()
    tally = ring_of_the_core(seed, began + seconds * CORE_SHARE)
    tally.add(ring_of_nights(seed, began + seconds))
    return tally


def ring_of_kills(seed: str, seconds: float) -> Tally:
    """Real kills (soak/storm.py) for so many seconds."""
    found = storm.storm(seconds, seed)
    tally = Tally(Counter({"kills": found.kills, "intents open": found.open_intents}), Counter(found.faults))
    for replay, problems in found.failures:
        tally.fail(replay, problems)
    return tally


def soak(seconds: float, seed: str, workers: int, out: TextIO) -> int:
    """Kills, then both rings in `workers` processes, for so many seconds in all; prints the figures. 1 where anything failed."""
    began = time.monotonic()
    tally = ring_of_kills(seed, seconds * STORM_SHARE)  # first: it forks, and may not where there are threads
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for one in pool.starmap(_worker, [(f"{seed}.{number}", seconds * (1 - STORM_SHARE)) for number in range(workers)]):
            tally.add(one)
    tell(tally, time.monotonic() - began, out)
    return 1 if tally.failures else 0


def tell(tally: Tally, seconds: float, out: TextIO) -> None:
    """Print the figures, and each failure with the command that replays it."""
    told = ("nights", "runs", "edits", "crashes", "kills", "core examples", "records lost", "records doubled", "intents open")
    out.writelines(f"{word:18} {tally.counts[word]:>10,}\n" for word in told)
    out.write(f"{'seconds':18} {seconds:>10,.0f}\n")
    out.write(f"faults             {', '.join(f'{kind} {times}' for kind, times in sorted(tally.faults.items())) or 'none'}\n")
    for replay, problems in tally.failures:
        out.write(f"FAILED             {replay}\n")
        out.writelines(f"                   {one}\n" for one in problems)
    out.write("everything held\n" if not tally.failures else f"{len(tally.failures)} failed\n")


def replay(seed: str, out: TextIO) -> int:
    """Live through one company's nights again, or one batch of the core's examples (`core:SEED`), and tell them."""
    if seed.startswith("core:"):
        problems = core_ring.examples(seed.removeprefix("core:")).problems
        out.writelines(f"{one}\n" for one in problems)
        return 1 if problems else 0
    failed = 0
    for night in nights.live(seed):
        out.write(f"night {night.number} ({night.kind}){' crashed' if night.crashed else ''} {dict(night.faults) or ''}\n")
        out.writelines(f"    {one}\n" for one in night.acts)
        out.writelines(f"  WRONG {one}\n" for one in night.problems)
        failed += len(night.problems)
    return 1 if failed else 0
