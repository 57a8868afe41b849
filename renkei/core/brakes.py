"""Brakes: a plan that looks wrong is stopped before its first write, and says what releases it (design.md section 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from renkei.core.changes import EARLIER
from renkei.core.connection import Brakes
from renkei.core.planning import EntityPlan
from renkei.core.records import Action
from renkei.core.values import Ref, Side

# Below these counts a share says nothing: 1 of 2 is not half a company.
CHANGED_FROM, REMOVED_FROM, QUARANTINED_FROM = 20, 5, 20
SAMPLES = 5
NOTHING: Mapping[str, Collection[str]] = {}


@dataclass(frozen=True, slots=True)
class Applied:
    """One brake that stops the plan: its name, what was counted, the limit in words, and samples."""

    brake: str
    entity: str
    count: int
    limit: str
    samples: tuple[str, ...]


def brakes(
    plan: EntityPlan,
    limits: Brakes,
    known: Mapping[tuple[Side, str], int],
    first: bool,
    approved: Mapping[str, Collection[str]] = NOTHING,
    called: Callable[[Ref], str] = str,
) -> list[Applied]:
    """Every brake that applies.

    known      records of each list before this run
    first      the entity was never synced
    approved   brake → keys of actions that a person has released from it: they do not count
    called     how a record is told to people
    """
    found: list[Applied] = []

    def counted(name: str, verb: str = "") -> list[Action]:
        free = approved.get(name, ())
        return [action for action in plan.actions if verb in ("", action.verb) and action.key not in free]

    def stop(name: str, stopped: Sequence[Action | Ref | str], limit: str) -> None:
        samples = tuple(_in_words(one, called) for one in stopped[:SAMPLES])
        found.append(Applied(name, plan.entity, len(stopped), limit, samples))

    for item in plan.lists:
        if item.complete and item.rows == 0 and known.get((item.side, item.module), 0) > 0:
            stop("side_empty", [f"{item.side} {item.module}"], f"{known[(item.side, item.module)]} records were known there")
    if plan.entity in ("documents", "summaries"):  # published rows know only an empty side and sums that moved
        for currency, (before, after) in sorted(plan.facts.get("balances", {}).items()):
            if limits.sums_share is not None and before > 0 and abs(after - before) > Decimal(str(limits.sums_share)) * before:
                limit = f"the published balance moves by at most {limits.sums_share:.0%}"
                stop("sums_share", [f"{currency}: {before} → {after}"], limit)
        return found
    creates = counted("creates", "create")
    if limits.creates is not None and len(creates) > limits.creates:
        stop("creates", creates, f"at most {limits.creates} are created in one run")
    total = max(sum(known.values()), 1)
    changed = counted("changed_share", "update")
    if limits.changed_share is not None and len(changed) >= CHANGED_FROM and len(changed) > limits.changed_share * total:
        stop("changed_share", changed, f"at most {limits.changed_share:.0%} of {total} records change in one run")
    gone = [verdict.record for verdict in plan.verdicts if verdict.reason in ("deleted", "unlink", EARLIER)]
    if limits.removed_share is not None and len(gone) >= REMOVED_FROM and len(gone) > limits.removed_share * total:
        stop("removed_share", gone, f"at most {limits.removed_share:.0%} of {total} records vanish between two runs")
    bad = [verdict.record for verdict in plan.verdicts if verdict.outcome == "quarantined"]
    seen = max(sum(plan.extracted), 1)
    if limits.quarantined_share is not None and len(bad) >= QUARANTINED_FROM and len(bad) > limits.quarantined_share * seen:
        stop("quarantined_share", bad, f"at most {limits.quarantined_share:.0%} of {seen} rows are quarantined")
    unapproved = counted("first_run")
    if first and limits.first_run_needs_approval and unapproved:
        stop("first_run", unapproved, "a first run needs a person's approval")
    return found


def _in_words(one: Action | Ref | str, called: Callable[[Ref], str]) -> str:
    """`update books:contacts:2 for crm:Accounts:1 Aoyama Printing`, or the record alone."""
    if isinstance(one, str):
        return one
    if isinstance(one, Ref):
        return called(one)
    place = str(one.target or f"{one.side}:{one.module}")
    return f"{one.verb} {place}" + (f" for {called(one.source)}" if one.source is not None else "")
