"""What to do with a pair, field by field, and the tables of every policy.

The tables are functions here, and nothing else decides: the planner calls them, and `renkei policy show` prints them by
calling them for every cell. Left is the CRM, right is Books, as everywhere in two-sided code.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from renkei.core.connection import Conflicts, Duplicates, SyncDirection
from renkei.core.mapping import FieldSpec, MappingSpec
from renkei.core.values import MISSING

# Two systems' clocks, and people who save twice, differ by minutes: nearer than this, "newest" would be a guess.
NEWEST_NEEDS = timedelta(minutes=5)

UNDONE = "undone"  # the question about a field that an undo put back
UNDONE_RECORD = "undone_record"  # what becomes of a record whose partner, or link, an undo took away
PARTNERS = ("duplicate", "ambiguous", UNDONE_RECORD)  # questions that are answered by a partner, a new one or none

DIRECTIONS: tuple[SyncDirection, ...] = ("two_way", "to_books")
Edit = Literal["quiet", "edited"]
Effect = Literal[
    "quiet", "adopt", "write_books", "write_crm", "hold", "leave", "copy",
    "unlink", "deactivate_books", "deactivate_crm", "delete_books", "delete_crm",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """What a policy says. `effect`: copy = keep both versions (Books' as a copy of its own), then CRM wins."""

    effect: Effect
    outcome: str
    reason: str


def blank(value: Any) -> bool:
    """Null, empty, or not asked for."""
    return value is None or value is MISSING or value == ""


# ------------------------------------------------------------------------------------------- records without a link

Meeting = Literal["crm_only", "books_only", "duplicate", "ambiguous"]


def unlinked_cell(meeting: Meeting, duplicates: Duplicates, direction: SyncDirection) -> Cell:
    """A record (or two that look the same) without a link."""
    if meeting == "crm_only":
        return Cell("write_books", "created", "new_in_crm")
    if meeting == "books_only":
        if direction == "to_books":
            return Cell("leave", "skipped", "direction")
        return Cell("write_crm", "created", "new_in_books")
    if meeting == "ambiguous":
        return Cell("hold", "held", "ambiguous")
    return {
        "clone": Cell("copy", "created", "duplicates_clone"),
        "overwrite": Cell("write_books", "linked", "duplicates_overwrite"),
        "skip": Cell("leave", "skipped", "duplicates_skip"),
        "link": Cell("adopt", "linked", "duplicates_link"),
        "ask": Cell("hold", "held", "duplicate"),
    }[duplicates]


# --------------------------------------------------------------------------------------------------- linked records


def conflict_cell(conflicts: Conflicts, newest: Literal["crm", "books", "unknown"], direction: SyncDirection) -> Cell:
    """One field edited on both sides to different values. `newest` is asked only under that policy."""
    winner: dict[str, Cell] = {
        "clone": Cell("copy", "updated", "conflicts_clone"),
        "overwrite": Cell("write_books", "updated", "conflicts_overwrite"),
        "skip": Cell("leave", "skipped", "conflicts_skip"),
        "books": Cell("write_crm", "updated", "conflicts_books"),
        "ask": Cell("hold", "held", "conflict"),
    }
    if conflicts == "newest":
        cell = {
            "crm": Cell("write_books", "updated", "conflicts_newest"),
            "books": Cell("write_crm", "updated", "conflicts_newest"),
            "unknown": Cell("hold", "held", "conflict"),
        }[newest]
    else:
        cell = winner[conflicts]
    if cell.effect == "write_crm" and direction == "to_books":
        return Cell("leave", "skipped", "direction")
    return cell


def linked_cell(
    left: Edit,
    right: Edit,
    conflicts: Conflicts,
    direction: SyncDirection,
    *,
    equal: bool = False,
    newest: Literal["crm", "books", "unknown"] = "unknown",
) -> Cell:
    """A linked pair, or one field of it. `equal`: both edits came to the same value."""
    if left == "edited" and right == "edited":
        return Cell("adopt", "unchanged", "agreed_without_us") if equal else conflict_cell(conflicts, newest, direction)
    if left == "edited":
        return Cell("write_books", "updated", "edited_in_crm")
    if right == "edited":
        if direction == "to_books":
            return Cell("leave", "skipped", "direction")
        return Cell("write_crm", "updated", "edited_in_books")
    return Cell("quiet", "unchanged", "")


def table(direction: SyncDirection) -> Iterator[tuple[str, str, str, str, Cell]]:
    """Every cell: (link state, left, right, policy, cell). No combination is left out; a test walks them all. Of deleted
    records there is a table of their own (core/deleting.py)."""
    duplicates: tuple[Duplicates, ...] = ("clone", "overwrite", "skip", "link", "ask")
    conflicts: tuple[Conflicts, ...] = ("clone", "overwrite", "skip", "newest", "books", "ask")
    meetings: tuple[tuple[Meeting, str, str], ...] = (
        ("crm_only", "new", "absent"),
        ("books_only", "absent", "new"),
        ("duplicate", "new", "one candidate"),
        ("ambiguous", "new", "several candidates"),
    )
    for meeting, left_word, right_word in meetings:
        for duplicate in duplicates:
            yield "unlinked", left_word, right_word, f"duplicates: {duplicate}", unlinked_cell(meeting, duplicate, direction)
    edits: tuple[Edit, ...] = ("quiet", "edited")
    for left in edits:
        for right in edits:
            if left == right == "edited":
                for conflict in conflicts:
                    if conflict == "newest":
                        for newest in ("crm", "books", "unknown"):
                            cell = linked_cell(left, right, conflict, direction, newest=newest)
                            yield "linked", left, right, f"conflicts: newest ({newest})", cell
                        continue
                    yield "linked", left, right, f"conflicts: {conflict}", linked_cell(left, right, conflict, direction)
                yield "linked", left, "edited alike", "any", linked_cell(left, right, "ask", direction, equal=True)
            else:
                yield "linked", left, right, "any", linked_cell(left, right, "ask", direction)


# ------------------------------------------------------------------------------------------------------- one pair


@dataclass(frozen=True, slots=True)
class FieldStep:
    """What happens to one field. `before` and `after` are the written side's canonical values."""

    spec: FieldSpec
    cell: Cell
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PairPolicy:
    """The settings that decide a pair. `first`: the pair has just been linked under this duplicates word; a native or
    rebuilt link uses `link`. `undone`: fields that an undo left different on both sides. `owed`: fields that a link was made
    with a write for which never was confirmed; they meet once more, under the word `meeting`."""

    conflicts: Conflicts
    direction: SyncDirection
    first: Duplicates | None = None
    winners: Mapping[str, str] | None = None  # field → crm | books | keep, from a person's decisions
    undone: Collection[str] = ()
    owed: Collection[str] = ()
    meeting: Duplicates = "link"


def newest_of(left_stamp: datetime | None, right_stamp: datetime | None) -> Literal["crm", "books", "unknown"]:
    """Whose edit is newer, or unknown when a stamp is missing or they are within five minutes of each other."""
    if left_stamp is None or right_stamp is None or abs(left_stamp - right_stamp) < NEWEST_NEEDS:
        return "unknown"
    return "crm" if left_stamp > right_stamp else "books"


def resolve_pair(
    spec: MappingSpec,
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    left_base: Mapping[str, Any] | None,
    right_base: Mapping[str, Any] | None,
    policy: PairPolicy,
    same: Callable[[FieldSpec, Any, Any], bool],
    stamps: tuple[datetime | None, datetime | None] = (None, None),
) -> list[FieldStep]:
    """Decide every mapped field of a linked pair.

    left, right   canonical name → canonical value, as both sides are now; MISSING where it was not read
    *_base        the same as each side was when both agreed last; None for a new link; MISSING for a field without a base
    same          equality across sides (E.164 for phones, NFKC for text …); on one side equality is exact
    returns       one step for each field that is not quiet; nothing for fields that were not read
    """
    steps = []
    for field in spec.fields:
        step = _resolve_field(field, left, right, left_base, right_base, policy, same, stamps)
        if step is not None:
            steps.append(step)
    return steps


def _resolve_field(
    field: FieldSpec,
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    left_base: Mapping[str, Any] | None,
    right_base: Mapping[str, Any] | None,
    policy: PairPolicy,
    same: Callable[[FieldSpec, Any, Any], bool],
    stamps: tuple[datetime | None, datetime | None],
) -> FieldStep | None:
    name = field.name
    now_left, now_right = left.get(name, MISSING), right.get(name, MISSING)
    if now_left is MISSING or now_right is MISSING:
        return None
    was_left = left_base.get(name, MISSING) if left_base is not None else MISSING
    was_right = right_base.get(name, MISSING) if right_base is not None else MISSING
    equal = (blank(now_left) and blank(now_right)) or same(field, now_left, now_right)
    if was_left is MISSING or was_right is MISSING:
        meeting = replace(policy, first=policy.meeting) if name in policy.owed else policy
        cell = _first_values(field, now_left, now_right, equal, meeting, stamps)
    else:
        left_edited = is_edited(field, now_left, was_left)
        right_edited = is_edited(field, now_right, was_right)
        cell = _edited_cell(field, left_edited, right_edited, equal, policy, stamps)
        if cell.effect == "quiet" and name in policy.undone:
            cell = _undone_cell(field, equal, policy)
    return _step(field, cell, now_left, now_right)


def is_edited(field: FieldSpec, now: Any, was: Any) -> bool:
    """A cleared field is no edit unless its null policy says so."""
    if blank(now):
        return field.null == "clear" and not blank(was)
    return bool(now != was)


def _edited_cell(
    field: FieldSpec,
    left_edited: bool,
    right_edited: bool,
    equal: bool,
    policy: PairPolicy,
    stamps: tuple[datetime | None, datetime | None],
) -> Cell:
    if not left_edited and not right_edited:
        return Cell("quiet", "unchanged", "")
    if equal:
        return Cell("adopt", "unchanged", "agreed_without_us")
    if left_edited and right_edited:
        return _by_owner(field, policy, stamps)
    edited_side = "crm" if left_edited else "books"
    if field.owner in ("crm", "books") and field.owner != edited_side:
        return _foreign_edit(field, policy)
    cell = linked_cell("edited" if left_edited else "quiet", "edited" if right_edited else "quiet", "ask", policy.direction)
    return _allowed(field, cell, policy)


def _undone_cell(field: FieldSpec, equal: bool, policy: PairPolicy) -> Cell:
    """An undo put one side back, and nobody has edited either since: a person says what holds, or that both stand."""
    if equal:
        return Cell("adopt", "unchanged", "agreed_without_us")
    answer = (policy.winners or {}).get(field.name)
    if answer == "keep":
        return Cell("adopt", "unchanged", "decision")
    if answer is None:
        return _allowed(field, Cell("hold", "held", "undone"), policy)
    return _allowed(field, Cell("write_books" if answer == "crm" else "write_crm", "updated", "decision"), policy)


def _winner(field: FieldSpec, policy: PairPolicy) -> str | None:
    """The side that a person chose for the field."""
    answer = (policy.winners or {}).get(field.name)
    return answer if answer in ("crm", "books") else None


def _foreign_edit(field: FieldSpec, policy: PairPolicy) -> Cell:
    """An edit on the side that does not own the field follows the field's declared word."""
    winner = _winner(field, policy)
    if winner:
        return _allowed(field, Cell("write_books" if winner == "crm" else "write_crm", "updated", "decision"), policy)
    if field.foreign_edits == "ignore":
        return Cell("leave", "skipped", "foreign_edit")
    if field.foreign_edits == "hold":
        return _allowed(field, Cell("hold", "held", "foreign_edit"), policy)
    revert: Effect = "write_books" if field.owner == "crm" else "write_crm"
    return _allowed(field, Cell(revert, "updated", "foreign_edit_reverted"), policy)


def _first_values(
    field: FieldSpec,
    left: Any,
    right: Any,
    equal: bool,
    policy: PairPolicy,
    stamps: tuple[datetime | None, datetime | None],
) -> Cell:
    """A field that both sides have never agreed on: equal is adopted, a blank filled, two values go by owner or policy."""
    if equal:
        return Cell("adopt", "unchanged", "equal")
    if policy.first == "overwrite":
        if blank(left) and field.null == "keep":
            return Cell("adopt", "unchanged", "blank_never_overwrites")
        return _allowed(field, Cell("write_books", "updated", "duplicates_overwrite"), policy)
    if blank(left):
        return _allowed(field, Cell("write_crm", "updated", "blank_filled"), policy)
    if blank(right):
        return _allowed(field, Cell("write_books", "updated", "blank_filled"), policy)
    if policy.first is None and field.owner == "none" and _winner(field, policy) is None:
        return _allowed(field, Cell("hold", "held", "first_values"), policy)
    cell = _by_owner(field, policy, stamps)
    return Cell("hold", "held", "first_values") if cell.effect == "hold" else cell


def _by_owner(field: FieldSpec, policy: PairPolicy, stamps: tuple[datetime | None, datetime | None]) -> Cell:
    """Two different values: a person's decision, then the field's owner, then the conflicts policy."""
    winner = _winner(field, policy)
    reason = "decision"
    if winner is None and field.owner in ("crm", "books"):
        winner, reason = field.owner, "owner"
    if winner is not None:
        return _allowed(field, Cell("write_books" if winner == "crm" else "write_crm", "updated", reason), policy)
    conflicts = "newest" if field.owner == "newest" else policy.conflicts
    return _allowed(field, conflict_cell(conflicts, newest_of(*stamps), policy.direction), policy)


def _allowed(field: FieldSpec, cell: Cell, policy: PairPolicy) -> Cell:
    """A write against the field's or the entity's direction, or to a field that only a create writes, is left; what a
    person decided so is settled: both values stand until one is edited again."""
    to_crm, to_books = cell.effect == "write_crm", cell.effect in ("write_books", "copy")
    if (to_crm and "to_books" in (policy.direction, field.direction)) or (to_books and field.direction == "to_crm"):
        why = "direction"
    elif (to_crm or to_books or cell.effect == "hold") and field.create_only:
        why = "create_only"
    else:
        return cell
    return Cell("adopt", "unchanged", "decision") if cell.reason == "decision" else Cell("leave", "skipped", why)


def _step(field: FieldSpec, cell: Cell, left: Any, right: Any) -> FieldStep | None:
    if cell.effect == "quiet":
        return None
    if cell.effect == "write_crm":
        return FieldStep(field, cell, left, right)
    return FieldStep(field, cell, right, left)
