"""The benchmarks themselves, and the company that the engine's tests share."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "benchmarks"), str(TESTS / "engine"), str(TESTS / "connectors")]
