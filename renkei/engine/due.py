"""Which batch of a connection is due: a slot of its schedule has come, and no batch has begun since."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from renkei.core.connection import ConnectionSpec
from renkei.core.ports import Ledger
from renkei.engine.slot import BATCHES, SKIPPED

LOOK_BACK = 500  # runs: a week of hourly ones and what people did in between


def due(ledger: Ledger, spec: ConnectionSpec, now: datetime) -> str | None:
    """`nightly`, `hourly` or None. A full batch covers both schedules; a run that never ended covers none."""
    ended = [
        one for one in ledger.runs(spec.name, LOOK_BACK) if one.kind == "sync" and one.ended is not None and one.status != SKIPPED
    ]
    batches = [one for one in ended if one.flow in BATCHES or one.flow == "cli"]
    full = max((one.started for one in batches if one.full), default=None)
    any_of = max((one.started for one in batches), default=None)
    if full is None or full < last_slot(spec.nightly, spec.time_zone, now):
        return "nightly"
    return "hourly" if any_of is None or any_of < last_slot(spec.hourly, spec.time_zone, now) else None


def last_slot(cron: str, time_zone: str, now: datetime) -> datetime:
    """The newest time of a schedule that is not after `now`, in UTC."""
    found: datetime = next(CronSim(cron, now.astimezone(ZoneInfo(time_zone)), reverse=True))
    return found.astimezone(UTC)
