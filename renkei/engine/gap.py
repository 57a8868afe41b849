"""What a ledger lacks that was lost or restored from an older backup: the next run finds it by the keys, and names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from renkei.core.planning import EntityPlan
from renkei.core.ports import Clock, Ledger
from renkei.core.records import OutcomeRow, Run
from renkei.core.values import Ref, time_text
from renkei.engine.acts import Act

RESTORE = "restore"
BATCHES = frozenset({"sync", "apply", "publish"})
LOOK_BACK = 200  # runs; a week of hourly ones
JOURNALS = 20  # newest runs whose journals may hold a write without an answer


def restored(ledger: Ledger, clock: Clock, file: str, actor: str, code: str) -> dict[str, str | None]:
    """Note in a ledger that has come back, for each connection, that it was restored.

    returns  connection → when the newest batch that the ledger holds began, or None
    """
    last: dict[str, str | None] = {}
    for name in ledger.connections():
        newest = _last_batch(ledger.runs(name, LOOK_BACK))
        last[name] = None if newest is None else time_text(newest.started)
        act = Act(ledger, clock, name, actor, {}, code)
        with act.run(RESTORE, {"file": file, "last": last[name]}) as (run, now):
            words = f"from {file}; its newest batch began at {last[name] or 'no time'}"
            ledger.append(name, run, [OutcomeRow("note", "", (), "restored", words, now, actor)])
    return last


def notes(ledger: Ledger, connection: str, run: str, plans: Sequence[EntityPlan]) -> Iterator[str]:
    """What a run says of a gap in the ledger: what it lacks, from when, until when at the latest.

    plans   what this run decided. A link that it rebuilds by our keys, and whose making the journal does not know, is evidence
    """
    before = [one for one in ledger.runs(connection, LOOK_BACK) if one.id != run]
    last = _last_batch(before)
    since = [one for one in before if last is None or one.started > last.started]
    came_back = next((one for one in since if one.kind == RESTORE and one.ended is not None), None)
    rebuilt = {plan.entity: [one for one in plan.agreements if one.evidence == "key"] for plan in plans}
    if came_back is None and any(rebuilt.values()):
        known = _unfinished(ledger, before[:JOURNALS])
        rebuilt = {
            entity: [one for one in found if not {one.crm_ref, one.books_ref} & known] for entity, found in rebuilt.items()
        }
    counts = ", ".join(f"{len(found)} {entity}" for entity, found in rebuilt.items() if found)
    if came_back is not None and came_back.ended is not None:
        yield (
            f"The ledger was restored at {time_text(came_back.ended)} by {came_back.actor} from {came_back.totals['file']}: it "
            f"does not know what runs did from {came_back.totals['last'] or 'the beginning'} until then. "
            f"Links rebuilt by the keys on both sides: {counts or 'none'}."
        )
    elif counts:
        stamps = [stamp for found in rebuilt.values() for one in found for stamp in (one.crm_stamp, one.books_stamp) if stamp]
        begins = "of which it knows none" if last is None else f"after run {last.id} of {time_text(last.started)}"
        newest = f"; those records changed last at {time_text(max(stamps))}" if stamps else ""
        yield f"Links rebuilt by the keys on both sides: {counts}. The ledger lacks the runs that made them, {begins}{newest}."


def _unfinished(ledger: Ledger, runs: Sequence[Run]) -> set[Ref]:
    """Records that a run was writing for when it died or got no answer: their keys are no sign that the ledger lacks a run."""
    return {
        ref
        for one in runs
        for intent in ledger.intents(one.id)
        if intent.state not in ("confirmed", "refused")
        for ref in (intent.action.source, intent.action.target)
        if ref is not None
    }


def _last_batch(before: Sequence[Run]) -> Run | None:
    """The newest one that ended and was not stopped before its writes."""
    return next(
        (one for one in before if one.kind in BATCHES and one.ended is not None and one.status not in ("skipped", "held")), None
    )
