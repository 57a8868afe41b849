"""Alerts: what somebody who is not looking must know — the cause, sample rows, and the command to type next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from renkei.core.commands import command
from renkei.core.connection import ConnectionSpec
from renkei.core.errors import RenkeiError
from renkei.core.ports import Ledger
from renkei.core.records import Run
from renkei.core.report import brake_lines
from renkei.engine.sequence import Report
from renkei.engine.shown import Shown

BATCHES = frozenset({"sync", "apply", "publish"})
GOOD = frozenset({"green", "amber"})
SAMPLES = 3
LOOK_BACK = 500  # runs


@dataclass(frozen=True, slots=True)
class Alert:
    """A subject line and a text. Records stand in it by reference and name, persons by reference alone."""

    title: str
    text: str


def about_run(ledger: Ledger, spec: ConnectionSpec, report: Report, shown: Shown) -> Alert | None:
    """A run that failed, was held by a brake, or asks a person something new; None for any other."""
    begun = ledger.run(report.run)
    if begun is None or begun.kind not in BATCHES:
        return None
    look = command(spec.name, f"runs show {report.run}")
    if report.status == "held":
        words = [one.strip() for one in brake_lines(report.json())]
        return _alert(spec.name, f"a brake stopped run {report.run}", [*words, look])
    if report.status == "red":
        words = [*report.notes]
        for entity, part in report.entities.items():
            unexplained = part.get("tie_out", {}).get("unexplained", [])
            words += [f"{entity}: unexplained difference: {one}" for one in unexplained[:SAMPLES]]
            if part["outcomes"]["failed"]:
                words.append(f"{entity}: {part['outcomes']['failed']} rows failed")
        failed = (row for row in ledger.outcomes(report.run, "record") if row.outcome == "failed")
        words += [f"for example {' '.join(map(shown.called, row.records))}: {row.reason}" for row in islice(failed, SAMPLES)]
        return _alert(spec.name, f"run {report.run} failed", [*words, look])
    asked = [one for one in ledger.open_holds(spec.name)]
    since = ledger.hold_states(spec.name, [one.id for one in asked])
    new = [one for one in asked if since[one.id][1] >= begun.started]
    if not new:
        return None
    counted = Counter(one.question for one in new)
    words = [f"{count} {question}" for question, count in sorted(counted.items())]
    words += [
        f"for example {' '.join(filter(None, (shown.called(one.record), one.field)))}: {', '.join(one.choices)}"
        for one in new[:SAMPLES]
    ]
    return _alert(spec.name, f"{len(new)} new questions wait for a person", [*words, command(spec.name, "holds")])


def about_error(connection: str, error: Exception) -> Alert:
    """A run that ended with an error."""
    if isinstance(error, RenkeiError):
        words = [error.what, error.written, error.fix]
    else:
        words = [f"{type(error).__name__}, which renkei does not expect. The flow run's log has the rest."]
    return _alert(connection, f"{type(error).__name__} ended a run", [*words, command(connection, "runs")])


def about_silence(ledger: Ledger, spec: ConnectionSpec, now: datetime) -> tuple[Alert, datetime] | None:
    """No batch has ended well for `alert_after` hours: what was last heard, and since when it is silent.

    A connection that never ran is not silent: nobody has switched it on yet.
    """
    runs = [one for one in ledger.runs(spec.name, LOOK_BACK) if one.kind in BATCHES]
    if spec.alert_after is None or not runs:
        return None
    good = next((one for one in runs if one.ended is not None and one.status in GOOD), None)
    since = good.ended if good is not None and good.ended is not None else runs[-1].started
    if now - since < timedelta(hours=spec.alert_after):
        return None
    zone = ZoneInfo(spec.time_zone)
    words = [
        f"No run has ended well since {since.astimezone(zone):%Y-%m-%d %H:%M %Z}; alert_after is {spec.alert_after} hours.",
        _newest(runs[0], zone),
        "Look first whether the Prefect server and a worker are up: " + command(spec.name, "doctor"),
        command(spec.name, "status"),
    ]
    return _alert(spec.name, f"silent for {int((now - since) / timedelta(hours=1))} hours", words), since


def _newest(run: Run, zone: ZoneInfo) -> str:
    began = f"{run.started.astimezone(zone):%Y-%m-%d %H:%M %Z}"
    if run.ended is None:
        return f"The newest run, {run.id}, began at {began} and has not ended."
    note = next(iter(run.totals.get("notes", [])), "")
    return f"The newest run, {run.id} of {began}, ended {run.status}{f': {note}' if note else '.'}"


def _alert(connection: str, what: str, words: list[str]) -> Alert:
    return Alert(f"renkei {connection}: {what}", "\n".join(word for word in words if word))


def redacted(alert: Alert, secrets: list[str]) -> Alert:
    """The alert without any of these values, whatever brought them there."""
    title, text = alert.title, alert.text
    for secret in sorted(secrets, key=len, reverse=True):
        title, text = title.replace(secret, "…"), text.replace(secret, "…")
    return Alert(title, text)
