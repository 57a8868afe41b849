"""Status: per connection the last and the next run, what waits for whom, calls left, backlog. From the ledger alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from renkei.core.connection import ConnectionSpec
from renkei.core.ports import Ledger
from renkei.core.records import OPEN_OUTCOMES, Run, Sick
from renkei.core.values import Side, parse_time, time_text
from renkei.engine.orphans import orphans
from renkei.engine.standing import former_organization
from renkei.engine.work import PUBLISHED

BATCHES = frozenset({"sync", "apply", "publish"})
LEFT = ("budget", "native_pair_unread")  # reasons of rows that the day's calls left
LOOK_BACK = 500  # runs: a week of hourly ones and what people did in between


def status(ledger: Ledger, spec: ConnectionSpec, now: datetime) -> dict[str, Any]:
    """How a connection stands. Times are ISO text in UTC; `calls.day` and `backlog.done` are days of the connection's zone.

    state             active, paused or disconnected; since when, by whom and why, null where nobody ever said
    next              null while runs are refused
    organization      the one declared, and `former`: the one that the ledger knows, where that is another; runs are refused then
    last, last_full   the newest batch that ended, and the newest full one; null when there is none among the last 500 runs
    at_work           who holds the connection's lock now, or null
    crashed           runs that never ended and are not at work: the next run recovers them
    waits             for a person: open holds by question, and brakes; for a run: answers to carry out and rows not settled
                      yet; blocked rows by reason; rows quarantined, refused, failed
    calls             today's, by renkei; `left` is null where no limit is known
    backlog           rows left by the budget, the Books calls that they need (about one each) and the day when they are done
    left_alone        sides that gave no answer again and again in the last run, and are spared: since, until, why
    orphans           records whose partner was deleted: how many, on which side they stand
    compared          when published figures were last compared with Books
    """
    runs = ledger.runs(spec.name, LOOK_BACK)
    ended = [one for one in runs if one.ended is not None and one.kind in BATCHES and one.status != "skipped"]
    counts = ledger.open_counts(spec.name)
    calls = _calls(ledger, spec, ended, now)
    at_work = _at_work(ledger, spec.name, now)
    state = ledger.state(spec.name)
    former = former_organization(ledger, spec)
    return {
        "connection": spec.name,
        "environment": spec.environment,
        "state": {
            "state": state.state if state else "active",
            "since": state and time_text(state.at),
            "by": state and state.actor,
            "reason": state and state.reason,
        },
        "organization": {"declared": spec.organization, "former": former and former[0]},
        "last": _run(next(iter(ended), None)),
        "last_full": _run(next((one for one in ended if one.full or _compared_whole(one)), None)),
        "next": {
            name: None if former or (state and state.state != "active") else next_time(cron, spec.time_zone, now)
            for name, cron in (("hourly", spec.hourly), ("nightly", spec.nightly))
        },
        "at_work": at_work,
        "crashed": [
            {"run": one.id, "kind": one.kind, "started": time_text(one.started)}
            for one in ledger.unsealed_runs(spec.name)
            if not at_work or one.id != at_work["run"]
        ],
        "waits": _waits(ledger, spec.name, counts, ended),
        "calls": calls,
        "backlog": _backlog(counts, calls),
        "orphans": dict(sorted(Counter(one["alive"].partition(":")[0] for one in orphans(ledger, spec.name)).items())),
        "left_alone": {
            side: {"since": time_text(sick.since), "until": time_text(sick.until), "why": sick.why}
            for side, sick in fell_silent(ledger, spec.name).items()
            if now < sick.until
        },
        "compared": next((time_text(one.ended) for one in ended if one.ended and _compared(one)), None),
    }


def fell_silent(ledger: Ledger, connection: str) -> dict[Side, Sick]:
    """Sides that the newest batch which ended says to spare, and until when."""
    told = ledger.last_totals(connection, BATCHES).get("left_alone", {})
    times = {side: (parse_time(one["since"]), parse_time(one["until"])) for side, one in told.items()}
    return {side: Sick(*times[side], one["why"], one["times"]) for side, one in told.items()}


def next_time(cron: str, time_zone: str, now: datetime) -> str:
    """When a schedule comes next, as ISO text in UTC; a slot inside a skipped summer-time hour comes right after it."""
    found: datetime = next(CronSim(cron, now.astimezone(ZoneInfo(time_zone))))
    return time_text(found.astimezone(UTC))


def _run(one: Run | None) -> dict[str, Any] | None:
    if one is None or one.ended is None:
        return None
    return {
        "run": one.id, "kind": one.kind, "flow": one.flow, "status": one.status, "actor": one.actor, "full": one.full,
        "started": time_text(one.started), "ended": time_text(one.ended), "notes": list(one.totals.get("notes", [])),
    }  # fmt: skip


def _at_work(ledger: Ledger, connection: str, now: datetime) -> dict[str, Any] | None:
    lock = ledger.lock_of(connection)
    if lock is None or lock[2] <= now:
        return None
    return {"run": lock[0], "since": time_text(lock[1]), "ends": time_text(lock[2])}


def _waits(ledger: Ledger, connection: str, counts: list[tuple[Any, str, str, str, int]], ended: list[Run]) -> dict[str, Any]:
    rows: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    for _, _, outcome, reason, count in counts:
        rows[outcome if outcome in OPEN_OUTCOMES else "unsettled"] += count
        if outcome == "blocked":
            blocked[reason] += count
    last = ended[0] if ended else None
    brakes = last.totals.get("brakes", []) if last is not None and last.status == "held" else []
    return {
        "holds": dict(sorted(Counter(one.question for one in ledger.open_holds(connection)).items())),
        "brakes": sorted({one["brake"] for one in brakes}),
        "plan": last.totals.get("plan") if brakes and last else None,
        "answers": len(ledger.decisions(connection)),
        "unsettled": rows["unsettled"],
        "held": rows["held"],
        "blocked": dict(sorted(blocked.items())),
        "quarantined": rows["quarantined"],
        "refused": rows["refused"],
        "failed": rows["failed"],
    }


def _calls(ledger: Ledger, spec: ConnectionSpec, ended: list[Run], now: datetime) -> dict[str, Any]:
    """Books' calls left are our own cap less today's, or what the API said to the last run of today."""
    zone = ZoneInfo(spec.time_zone)
    day = now.astimezone(zone).date()
    used = ledger.calls_on(spec.organization, "books", day.isoformat())
    cap = spec.budget.books_per_day
    left, as_of = (None, None) if cap is None else (max(0, cap - used), time_text(now))
    if cap is None:
        told = next((one for one in ended if one.totals.get("calls", {}).get("left") is not None), None)
        if told is not None and told.ended is not None and told.ended.astimezone(zone).date() == day:
            left, as_of = int(told.totals["calls"]["left"]), time_text(told.ended)
    return {
        "day": day.isoformat(),
        "crm": {"used": ledger.calls_on(spec.name, "crm", day.isoformat())},
        "books": {"used": used, "cap": cap, "left": left, "as_of": as_of, "keep_for_people": spec.budget.keep_for_people},
    }


def _backlog(counts: list[tuple[Any, str, str, str, int]], calls: Mapping[str, Any]) -> dict[str, Any]:
    """A row that the budget left needs about one Books call: its detail, or its write."""
    rows = sum(count for _, _, outcome, reason, count in counts if outcome == "blocked" and reason in LEFT)
    cap, left = calls["books"]["cap"], calls["books"]["left"]
    done = None
    if rows and cap:
        days = -(-max(0, rows - left) // cap)
        done = (datetime.fromisoformat(calls["day"]) + timedelta(days=days)).date().isoformat()
    return {"rows": rows, "calls": rows, "done": done}


def _compared_whole(one: Run) -> bool:
    """A run that compared everything without having been asked to, such as the first."""
    return bool(one.totals.get("full")) and one.status in ("green", "amber")


def _compared(one: Run) -> bool:
    """A batch that ended after it compared what is published with Books' own."""
    published = set(PUBLISHED) & set(one.totals.get("entities", {}))
    return bool(published) and not one.totals.get("only") and one.status in ("green", "amber")
