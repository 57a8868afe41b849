"""A fresh sandbox for each test."""

from __future__ import annotations

import pytest
from connector_world import House


@pytest.fixture
def house() -> House:
    return House()
