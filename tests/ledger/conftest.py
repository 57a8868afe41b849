"""A ledger on each of the two databases, and short ways to make the nouns that it keeps."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from postgres import ledger_url, migrated_template, postgres_server, postgres_url

from renkei.ledger import SqlLedger, open_ledger

__all__ = ["ledger", "ledger_url", "migrated_template", "postgres_server", "postgres_url"]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[SqlLedger]:
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()
