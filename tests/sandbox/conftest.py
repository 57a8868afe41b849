"""A sandbox world and a client of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sandbox_calls import Api

from renkei.sandbox.world import World


@pytest.fixture
def world() -> World:
    """An empty world whose clock stands still until a test moves it."""
    made = World(seed=7)
    made.clock.freeze(datetime(2026, 2, 2, 1, 0, 30, tzinfo=UTC))
    return made


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)
