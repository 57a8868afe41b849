"""Companies to sync: the sandbox in process for speed, or on a real socket."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "connectors"))

from company import Company


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    """An empty company in process whose runs keep customers in step."""
    with Company.in_process(tmp_path) as made:
        made.entities = ("customers",)
        yield made
