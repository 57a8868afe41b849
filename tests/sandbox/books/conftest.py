"""A frozen sandbox and an HTTP client of its Books side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from books_calls import Books, LiveToken

from renkei.sandbox.app import create_app
from renkei.sandbox.world import World


@pytest.fixture
def world() -> World:
    found = World(seed=7)
    found.clock.freeze(datetime(2026, 11, 2, 0, 15, 40, tzinfo=UTC))
    return found


@pytest.fixture
async def books(world: World) -> AsyncIterator[Books]:
    transport = httpx.ASGITransport(create_app(world))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", auth=LiveToken(world)) as client:
        yield Books(world, client)
