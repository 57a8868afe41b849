"""Brakes: a plan that looks wrong is stopped before its first write, and says what releases it (design.md section 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from renkei.core.connection import Brakes
from renkei.core.planning import PUBLISHED, EntityPlan
from renkei.core.records import Action
from renkei.core.values import Ref, Side

# Below these counts a share says nothing: 1 of 2 is not half a company.
CHANGED_FROM, REMOVED_FROM, QUARANTINED_FROM = 20, 5, 20
SAMPLES = 5
NOTHING: Mapping[str, Collection[str]] = {}
BRAKES = ("first_run", "side_empty", "creates", "changed_share", "removed_share", "quarantined_share", "sums_share")

List = tuple[Side, str]


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
    known: Mapping[List, int],
    first: bool,
    approved: Mapping[str, Collection[str]] = NOTHING,
    called: Callable[[Ref], str] = str,
) -> list[Applied]:
    """Every brake that applies.

    known      records of each list before this run
    first      the entity was never synced
    approved   brake → what a person has released from it (`coverable`): it does not count
    called     how a record is told to people
    """
    found: list[Applied] = []

    def free(name: str, key: str) -> bool:
        return key in approved.get(name, ())

    def counted(name: str, verb: str = "") -> list[Action]:
        return [action for action in plan.actions if verb in ("", action.verb) and not free(name, action.key)]

    def stop(name: str, stopped: Sequence[Action | Ref | str], limit: str) -> None:
        samples = tuple(_in_words(one, called) for one in stopped[:SAMPLES])
        found.append(Applied(name, plan.entity, len(stopped), limit, samples))

    for side, module in plan.emptied():
        if known.get((side, module), 0) > 0 and not free("side_empty", _empty_key(side, module)):
            stop("side_empty", [f"{side} {module}"], f"{known[(side, module)]} records were known there")
    if plan.entity in PUBLISHED:  # published rows know only an empty side and sums that moved
        for currency, (before, after) in sorted(plan.facts.get("balances", {}).items()):
            moved = (
                before > 0 and limits.sums_share is not None and abs(after - before) > Decimal(str(limits.sums_share)) * before
            )
            if moved and not free("sums_share", _sum_key(currency, after)):
                limit = f"the published balance moves by at most {limits.sums_share:.0%}"
                stop("sums_share", [f"{currency}: {before} → {after}"], limit)
        return found
    sizes = dict(known) | {
        (item.side, item.module): max(item.rows, known.get((item.side, item.module), 0)) for item in plan.lists if item.complete
    }
    creates = counted("creates", "create")
    if limits.creates is not None and len(creates) > limits.creates:
        stop("creates", creates, f"at most {limits.creates} are created in one run")
    # a move of a document that this plan makes is part of its making
    changed = [one for one in counted("changed_share") if one.verb == "update" or (one.verb == "move" and one.target)]
    over = _most_over(changed, sizes, limits.changed_share, CHANGED_FROM, lambda one: (one.target, one.source))
    if over is not None:
        stop("changed_share", over[0], f"at most {limits.changed_share:.0%} of {over[1]} change in one run")
    gone = [one for one in plan.vanished() if not free("removed_share", str(one))]
    vanished = _most_over(gone, sizes, limits.removed_share, REMOVED_FROM, lambda one: (one,))
    if vanished is not None:
        stop("removed_share", vanished[0], f"at most {limits.removed_share:.0%} of {vanished[1]} vanish between two runs")
    bad = [one for one in plan.quarantined() if not free("quarantined_share", str(one))]
    rows = max(sum(plan.extracted), sum(sizes.values()), 1)  # an hourly run reads little besides the rows that wait
    if limits.quarantined_share is not None and len(bad) >= QUARANTINED_FROM and len(bad) > limits.quarantined_share * rows:
        stop("quarantined_share", bad, f"at most {limits.quarantined_share:.0%} of {rows} rows are quarantined")
    unapproved = counted("first_run")
    if first and limits.first_run_needs_approval and unapproved:
        stop("first_run", unapproved, "a first run needs a person's approval")
    return found


def coverable(plan: EntityPlan, released: Collection[str]) -> list[str]:
    """What a release of these brakes covers, one by one: the plan's actions by their keys, and what stops it without being an
    action: rows that vanished or are quarantined, an empty list, a sum that moved. It stops no later run that meets it again.
    """
    covered = [action.key for action in plan.actions]
    if "removed_share" in released:
        covered += map(str, plan.vanished())
    if "quarantined_share" in released:
        covered += map(str, plan.quarantined())
    if "side_empty" in released:
        covered += [_empty_key(side, module) for side, module in plan.emptied()]
    if "sums_share" in released:
        covered += [_sum_key(currency, after) for currency, (_, after) in plan.facts.get("balances", {}).items()]
    return covered


def _empty_key(side: Side, module: str) -> str:
    return f"empty {side} {module}"


def _sum_key(currency: str, after: Decimal) -> str:
    return f"{currency} {after}"


Counted = TypeVar("Counted", Action, Ref)


def _most_over(
    counted: Sequence[Counted], sizes: Mapping[List, int], share: float | None, at_least: int,
    refs: Callable[[Counted], Sequence[Ref | None]],
) -> tuple[list[Counted], str] | None:  # fmt: skip
    """Those of the list that is furthest over the limit, and that list in words, or None.

    refs  in whose lists one may count: the record's own, then that of the record it serves; persons of Books that serve none
          of these count among customers
    """
    grouped: dict[List, list[Counted]] = {}
    for one in counted:
        places = [(ref.side, ref.module) for ref in refs(one) if ref is not None]
        grouped.setdefault(next((place for place in places if place in sizes), ("books", "contacts")), []).append(one)
    size = {place: max(sizes.get(place, 0), 1) for place in grouped}
    over = [
        place
        for place, members in sorted(grouped.items(), key=lambda item: item[0])
        if share is not None and len(members) >= at_least and len(members) > share * size[place]
    ]
    if not over:
        return None
    worst = max(over, key=lambda place: len(grouped[place]) / size[place])
    return grouped[worst], f"{size[worst]} {' '.join(worst)}"


def _in_words(one: Action | Ref | str, called: Callable[[Ref], str]) -> str:
    """`update books:contacts:2 for crm:Accounts:1 Aoyama Printing`, or the record alone."""
    if isinstance(one, str):
        return one
    if isinstance(one, Ref):
        return called(one)
    place = str(one.target or f"{one.side}:{one.module}")
    return f"{one.verb} {place}" + (f" for {called(one.source)}" if one.source is not None else "")
