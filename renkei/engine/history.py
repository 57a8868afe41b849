"""Runs as the ledger remembers them, for people and auditors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

from renkei.core.commands import command
from renkei.core.errors import AskedWrongly
from renkei.core.ports import Ledger
from renkei.core.records import OutcomeRow, Run
from renkei.core.values import plain, time_text


def runs(ledger: Ledger, connection: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest `limit` runs, of all connections where none is named."""
    return [_head(one) for one in ledger.runs(connection, limit)]


def run(ledger: Ledger, run_id: str, limit: int, connection: str | None = None) -> dict[str, Any]:
    """Everything about one run; of its writes and of its notes on records the first `limit`, and how many there are.

    AskedWrongly for a run that is not in the ledger, or not of the connection where one is named.
    """
    found = ledger.run(run_id)
    if found is None or connection not in (None, found.connection):
        raise AskedWrongly(
            f"There is no run {run_id!r}.",
            fix=f"They are shown by: {command(connection, 'runs list') if connection else 'renkei runs list'}",
        )
    totals = found.totals
    return {
        **_head(found),
        "configuration": found.configuration,
        "code": found.code,
        "fingerprint": totals.get("fingerprint"),
        "entities": totals.get("entities", {}),
        "calls": totals.get("calls", {}),
        "brakes": totals.get("brakes", []),
        "orphans": totals.get("orphans") or [],
        "notes": list(totals.get("notes", [])),
        "stages": [
            {"stage": one.stage, "entity": one.entity, "started": time_text(one.started), "seconds": round(one.seconds, 3)}
            for one in ledger.stages(run_id)
        ],
        "reads": [{"side": side, "module": module, **content} for side, module, content in ledger.snapshots(run_id)],
        "failures": _failures(ledger, run_id, totals, limit),
        "acts": _some(ledger, run_id, "note", limit),
        "writes": _some(ledger, run_id, "write", limit),
    }


def _head(one: Run) -> dict[str, Any]:
    return {
        "run": one.id,
        "connection": one.connection,
        "kind": one.kind,
        "flow": one.flow,
        "status": one.status,
        "actor": one.actor,
        "started": time_text(one.started),
        "ended": None if one.ended is None else time_text(one.ended),
        "seconds": None if one.ended is None else round((one.ended - one.started) / timedelta(seconds=1), 3),
        "full": one.full,
    }


def _some(ledger: Ledger, run_id: str, kind: str, limit: int) -> dict[str, Any]:
    shown = [_told(row) for row in islice(ledger.outcomes(run_id, kind), limit)]
    return {"count": ledger.outcome_count(run_id, kind), "shown": shown}


def _failures(ledger: Ledger, run_id: str, totals: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Records whose write failed or was refused."""
    parts = [part.get("outcomes", {}) for part in totals.get("entities", {}).values()]
    count = sum(part.get(word, 0) for part in parts for word in ("failed", "refused"))
    rows = (row for row in ledger.outcomes(run_id, "record") if row.outcome in ("failed", "refused"))
    return {"count": count, "shown": [_told(row) for row in islice(rows, limit)] if count else []}


def _told(row: OutcomeRow) -> dict[str, Any]:
    return {
        "at": time_text(row.at),
        "actor": row.actor,
        "entity": row.entity,
        "records": [str(ref) for ref in row.records],
        "outcome": row.outcome,
        "reason": row.reason,
        "changes": plain(row.detail.get("changes", [])),
    }
