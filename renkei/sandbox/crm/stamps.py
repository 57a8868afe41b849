"""Timestamps as the CRM writes them: ISO 8601, whole seconds, numeric offset of a user's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


def stamp(at: datetime, zone: ZoneInfo) -> str:
    """An aware datetime as `2026-01-31T10:00:00+09:00`."""
    return at.astimezone(zone).replace(microsecond=0).isoformat()


@lru_cache(maxsize=200_000)
def epoch(text: str) -> int:
    """The epoch second of an ISO 8601 datetime; without offset it is taken as UTC. ValueError if it is none."""
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def from_epoch(at: int, zone: ZoneInfo) -> str:
    """An epoch second as a timestamp of a zone."""
    return datetime.fromtimestamp(at, zone).isoformat()


def moved(text: str, zone: ZoneInfo) -> str:
    """The same instant with the offset of another zone."""
    return datetime.fromisoformat(text).astimezone(zone).isoformat()
