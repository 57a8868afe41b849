"""Every cell of every policy, walked through the planner: what product.md section 2 promises is what the plan does.

The promises stand here as a table of their own. `renkei policy show` prints the cells from the code that runs; the first
test holds the two to the same cells, the others drive each of them with records of the shipped mappings.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple, get_args

import pytest

from renkei.core.connection import Conflicts, Duplicates, EntitySettings, SyncDirection
from renkei.core.mapping import NO_LOOKUPS, MappingSpec, map_record
from renkei.core.planning import (
    Draft,
    Known,
    LinkedPair,
    PlanRules,
    base_values,
    plan_ambiguous,
    plan_create,
    plan_duplicate,
    plan_linked,
    project,
)
from renkei.core.records import Action, Link, Row
from renkei.core.resolving import table
from renkei.core.values import Ref, content_hash
from renkei.house import Settings, load_project

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DIRECTIONS: tuple[SyncDirection, ...] = ("two_way", "to_books")
PROJECT = load_project(Settings.from_environment({}))
ACCOUNTS = PROJECT.mappings_of(PROJECT.connection("demo"))["accounts"]

CRM, BOOKS, TWIN = (
    Ref("crm", "Accounts", "5545974000000450001"),
    Ref("books", "contacts", "46001"),
    Ref("books", "contacts", "46002"),
)
OLD, IN_CRM, IN_BOOKS, ALIKE = "https://old.jp", "https://crm.jp", "https://books.jp", "https://both.jp"


# ------------------------------------------------------------------------------------------------- the promises


class Promise(NamedTuple):
    """What a cell promises. `writes`: "side: before → after" of the website, `+books`/`+crm` a create, `copy` Books' version
    kept as a record of its own. `crm`, `books`: the rows' words. `asks`: a hold's question and its choices."""

    crm: str
    books: str
    writes: frozenset[str] = frozenset()
    asks: tuple[str, ...] = ()
    aside: frozenset[Ref] = frozenset()
    linked: bool = False  # the plan makes a link
    agreed: bool = False  # the base takes both sides' present values without a write


LINK, LINK_TWIN = f"link {BOOKS}", f"link {TWIN}"
WRITES_BOOKS, WRITES_CRM = frozenset({f"books: {IN_BOOKS} → {IN_CRM}"}), frozenset({f"crm: {IN_CRM} → {IN_BOOKS}"})


def promises(direction: SyncDirection) -> dict[tuple[str, str, str, str], Promise]:
    """(link state, left, right, policy) → what happens, as product.md section 2 has it."""
    stays = Promise("skipped: direction", "skipped: direction")  # to_books: an edit in Books stays there
    two_way = direction == "two_way"
    found: dict[tuple[str, str, str, str], Promise] = {}
    for word in ("clone", "overwrite", "skip", "link", "ask"):
        policy = f"duplicates: {word}"
        found["unlinked", "new", "absent", policy] = Promise("created: new_in_crm", "", frozenset({"+books"}), linked=True)
        found["unlinked", "absent", "new", policy] = (
            Promise("", "created: new_in_books", frozenset({"+crm"}), linked=True)
            if two_way
            else Promise("", "skipped: direction")
        )
        found["unlinked", "new", "several candidates", policy] = Promise(
            "held: ambiguous", "held: ambiguous", asks=("ambiguous", LINK, LINK_TWIN, "create", "skip")
        )
    meet = "unlinked", "new", "one candidate"
    found[*meet, "duplicates: clone"] = Promise(
        "created: duplicates_clone", "skipped: set_aside", frozenset({"+books"}), aside=frozenset({BOOKS}), linked=True
    )
    found[*meet, "duplicates: overwrite"] = Promise(
        "updated: duplicates_overwrite", "updated: duplicates_overwrite", WRITES_BOOKS, linked=True
    )
    found[*meet, "duplicates: skip"] = Promise(
        "skipped: duplicates_skip", "skipped: duplicates_skip", aside=frozenset({CRM, BOOKS})
    )
    found[*meet, "duplicates: link"] = Promise(
        "held: first_values", "held: first_values", asks=("first_values", "crm", "books"), linked=True
    )
    found[*meet, "duplicates: ask"] = Promise("held: duplicate", "held: duplicate", asks=("duplicate", LINK, "create", "skip"))

    found["linked", "quiet", "quiet", "any"] = Promise("unchanged: ", "unchanged: ", agreed=True)
    found["linked", "edited", "quiet", "any"] = Promise(
        "updated: edited_in_crm", "updated: edited_in_crm", frozenset({f"books: {OLD} → {IN_CRM}"})
    )
    found["linked", "quiet", "edited", "any"] = (
        Promise("updated: edited_in_books", "updated: edited_in_books", frozenset({f"crm: {OLD} → {IN_BOOKS}"}))
        if two_way
        else stays
    )
    found["linked", "edited", "edited alike", "any"] = Promise("unchanged: ", "unchanged: ", agreed=True)
    both = "linked", "edited", "edited"

    def wins(side: str, why: str) -> Promise:
        word = f"updated: {why}"
        return Promise(word, word, WRITES_BOOKS if side == "crm" else WRITES_CRM)

    asked = Promise("held: conflict", "held: conflict", asks=("conflict", "crm", "books"))
    found[*both, "conflicts: clone"] = Promise("updated: conflicts_clone", "updated: conflicts_clone", WRITES_BOOKS | {"copy"})
    found[*both, "conflicts: overwrite"] = wins("crm", "conflicts_overwrite")
    found[*both, "conflicts: skip"] = Promise("skipped: conflicts_skip", "skipped: conflicts_skip")
    found[*both, "conflicts: books"] = wins("books", "conflicts_books") if two_way else stays
    found[*both, "conflicts: ask"] = asked
    found[*both, "conflicts: newest (crm)"] = wins("crm", "conflicts_newest")
    found[*both, "conflicts: newest (books)"] = wins("books", "conflicts_newest") if two_way else stays
    found[*both, "conflicts: newest (unknown)"] = asked
    return found


CELLS = [(direction, cell) for direction in DIRECTIONS for cell in promises(direction)]


# --------------------------------------------------------------------------------------------------- the situations


def crm_row(website: str | None = OLD, **fields: Any) -> Row:
    return {"id": CRM.id, "Account_Name": "Aoyama Printing", "Website": website, "Phone": None, **fields}


def books_row(website: str | None = OLD, ref: Ref = BOOKS, **fields: Any) -> Row:
    """A detail of Books."""
    return {
        "contact_id": ref.id, "contact_name": "Aoyama Printing", "company_name": "Aoyama Printing", "website": website or "",
        "billing_address": {"phone": ""}, "shipping_address": {}, "custom_fields": [], **fields,
    }  # fmt: skip


def known(ref: Ref, raw: Row, spec: MappingSpec = ACCOUNTS, *, stamp: datetime | None = NOON, **more: Any) -> Known:
    values = map_record(raw, spec, ref.side)
    return Known(ref, content_hash(raw), stamp, raw, values, "Aoyama Printing", **more)


def rules(direction: SyncDirection = "two_way", decisions: Mapping[Any, Any] | None = None, **words: Any) -> PlanRules:
    settings = EntitySettings(direction=direction, **words)
    return PlanRules("acme", settings, "renkei_books_id", "cf_renkei_crm_id", NO_LOOKUPS, "rules", decisions or {})


def linked_pair(crm: Known, books: Known, spec: MappingSpec = ACCOUNTS, *, base: str | None = OLD, **link: Any) -> LinkedPair:
    """A pair that agreed on `base` a day ago."""
    since = NOON - 24 * HOUR
    halves = project(crm_row(base), spec, "crm"), project(books_row(base), spec, "books")
    return LinkedPair(
        Link("the-link", "customers", spec.name, crm.ref, books.ref, since, "created", **link), crm, books,
        base_values(halves[0], spec, "crm", NO_LOOKUPS), base_values(halves[1], spec, "books", NO_LOOKUPS), since, since,
    )  # fmt: skip


def walk(cell: tuple[str, str, str, str], direction: SyncDirection) -> Draft:
    """Bring the cell's situation about and plan it."""
    state, left, right, policy = cell
    kind, _, word = policy.partition(": ")
    word = word.split(" ")[0]
    governed = rules(direction, **({kind: word} if kind in ("duplicates", "conflicts") else {}))
    draft = Draft("customers")
    if state == "unlinked":
        crm, books = known(CRM, crm_row(IN_CRM)), known(BOOKS, books_row(IN_BOOKS))
        if right == "absent":
            plan_create(draft, ACCOUNTS, crm, "books", governed)
        elif left == "absent":
            plan_create(draft, ACCOUNTS, books, "crm", governed)
        elif right == "one candidate":
            plan_duplicate(draft, ACCOUNTS, crm, books, governed, evidence="policy", match={"rule": "legal_name"})
        else:
            twin = known(TWIN, books_row(IN_BOOKS, TWIN))
            scores = {(CRM.id, one.id): {"score": 0.9} for one in (BOOKS, TWIN)}
            plan_ambiguous(draft, [crm], [books, twin], governed, scores)
        return draft
    value = {"quiet": OLD, "edited alike": ALIKE}
    newest = policy.partition("(")[2].rstrip(")")
    crm = known(
        CRM, crm_row(value.get(left, ALIKE if right == "edited alike" else IN_CRM)),
        stamp=NOON - HOUR if newest == "books" else NOON,
    )  # fmt: skip
    books = known(BOOKS, books_row(value.get(right, IN_BOOKS)), stamp=NOON - HOUR if newest == "crm" else NOON)
    plan_linked(draft, ACCOUNTS, linked_pair(crm, books), governed)
    return draft


def seen(action: Action) -> set[str]:
    """The action as `Promise.writes` has it; our keys alone are not spoken of there."""
    if action.aside:
        return {"copy"}
    if action.verb == "create":
        return {f"+{action.side}"}
    return {f"{action.side}: {one.before} → {one.after}" for one in action.changes if one.field == "website"}


def word_of(draft: Draft, ref: Ref) -> str:
    verdict = draft.verdicts.get(ref)
    return f"{verdict.outcome}: {verdict.reason}" if verdict else ""


# ------------------------------------------------------------------------------------------------- all cells, walked


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_table_has_every_combination_once_and_no_other(direction: SyncDirection) -> None:
    printed = [(state, left, right, policy) for state, left, right, policy, _ in table(direction)]
    assert len(printed) == len(set(printed))
    assert set(printed) == set(promises(direction))

    meetings = (("new", "absent"), ("absent", "new"), ("new", "one candidate"), ("new", "several candidates"))
    wanted = {("unlinked", *meeting, f"duplicates: {word}") for meeting, word in product(meetings, get_args(Duplicates))}
    conflicts = [word for word in get_args(Conflicts) if word != "newest"]
    conflicts += [f"newest ({who})" for who in ("crm", "books", "unknown")]
    for left, right in product(("quiet", "edited"), repeat=2):
        if left == right == "edited":
            wanted |= {("linked", left, right, f"conflicts: {word}") for word in conflicts}
            wanted.add(("linked", "edited", "edited alike", "any"))
        else:
            wanted.add(("linked", left, right, "any"))
    assert set(printed) == wanted


@pytest.mark.parametrize(("direction", "cell"), CELLS, ids=lambda value: "-".join(value) if isinstance(value, tuple) else value)
def test_the_planner_does_what_the_cell_promises(direction: SyncDirection, cell: tuple[str, str, str, str]) -> None:
    promise, draft = promises(direction)[cell], walk(cell, direction)
    assert (word_of(draft, CRM), word_of(draft, BOOKS)) == (promise.crm, promise.books)
    assert set().union(*(seen(action) for action in draft.actions.values())) == promise.writes
    assert {ref for ref, _, _ in draft.asides} == promise.aside
    asked = [(hold.question, *hold.choices) for hold in draft.holds.values()]
    assert asked == ([promise.asks] if promise.asks else [])
    agreements = list(draft.agreements.values())
    assert bool(promise.linked) == any(one.evidence for one in agreements)
    if cell[0] == "linked" and agreements:
        (agreement,) = agreements
        assert ("website" in agreement.agreed) == promise.agreed
    for hold in draft.holds.values():
        assert hold.record == CRM


@pytest.mark.parametrize(("direction", "cell"), CELLS, ids=lambda value: "-".join(value) if isinstance(value, tuple) else value)
def test_the_printed_cell_names_the_effect_that_the_plan_has(direction: SyncDirection, cell: tuple[str, str, str, str]) -> None:
    (printed,) = [one for *where, one in table(direction) if tuple(where) == cell]
    draft = walk(cell, direction)
    sides = {action.side for action in draft.actions.values() if action.verb in ("create", "update", "link") and action.changes}
    copies = any(action.aside for action in draft.actions.values())
    effect = printed.effect
    assert ("books" in sides) == (effect in ("write_books", "copy")), printed
    assert ("crm" in sides) == (effect == "write_crm"), printed
    assert bool(draft.holds) == (effect == "hold" or printed.reason == "duplicates_link"), printed
    assert copies == (effect == "copy" and cell[0] == "linked"), printed
    outcomes = {verdict.outcome for verdict in draft.verdicts.values()}
    written = {"linked": "updated"} if printed.reason == "duplicates_overwrite" else {"linked": "held"}
    assert written.get(printed.outcome, printed.outcome) in outcomes, printed


# ------------------------------------------------------------------------------------------- one field of a linked pair


def with_website(**changes: Any) -> MappingSpec:
    """The shipped mapping with another word or two for its website."""
    fields = tuple(dataclasses.replace(one, **changes) if one.name == "website" else one for one in ACCOUNTS.fields)
    return dataclasses.replace(ACCOUNTS, fields=fields)


def plan_website(
    crm: str | None, books: str | None, field: dict[str, Any], *, base: str | None = OLD, apart: timedelta = HOUR,
    decided: tuple[str, str] | None = None, **words: Any,
) -> Draft:  # fmt: skip
    """A linked pair whose website is `crm` and `books` now; the CRM's edit is `apart` newer than Books'."""
    spec, draft = with_website(**field), Draft("customers")
    decisions = {(str(CRM), decided[0], "website"): (decided[1], "the-hold")} if decided else {}
    pair = linked_pair(
        known(CRM, crm_row(crm), spec, stamp=NOON), known(BOOKS, books_row(books), spec, stamp=NOON - apart), spec, base=base
    )
    plan_linked(draft, spec, pair, rules(decisions=decisions, **words))
    return draft


def told(draft: Draft) -> str:
    """The one write, else the question asked, else the word of the pair."""
    writes = sorted(set().union(*(seen(action) for action in draft.actions.values())))
    holds = [f"asks {hold.question}" for hold in draft.holds.values()]
    return "; ".join(writes + holds) or word_of(draft, CRM)


TO_BOOKS_OLD, TO_CRM_OLD = f"books: {OLD} → {IN_CRM}", f"crm: {OLD} → {IN_BOOKS}"
TO_BOOKS, TO_CRM = f"books: {IN_BOOKS} → {IN_CRM}", f"crm: {IN_CRM} → {IN_BOOKS}"


@pytest.mark.parametrize(
    ("situation", "crm", "books", "field", "words", "wanted"),
    [
        # who owns the field decides before the policy does
        ("both edited, the CRM owns", IN_CRM, IN_BOOKS, {"owner": "crm"}, {"conflicts": "books"}, TO_BOOKS),
        ("both edited, Books owns", IN_CRM, IN_BOOKS, {"owner": "books"}, {"conflicts": "overwrite"}, TO_CRM),
        ("both edited, the newest owns", IN_CRM, IN_BOOKS, {"owner": "newest"}, {"conflicts": "books"}, TO_BOOKS),
        ("both edited, nobody owns", IN_CRM, IN_BOOKS, {"owner": "none"}, {"conflicts": "books"}, TO_CRM),
        ("the owner edited", IN_CRM, OLD, {"owner": "crm"}, {}, TO_BOOKS_OLD),
        ("the owner edited in Books", OLD, IN_BOOKS, {"owner": "books"}, {}, TO_CRM_OLD),
        # an edit on the side that does not own it follows the field's own word
        ("foreign edit, hold", OLD, IN_BOOKS, {"owner": "crm", "foreign_edits": "hold"}, {}, "asks foreign_edit"),
        ("foreign edit, ignore", OLD, IN_BOOKS, {"owner": "crm", "foreign_edits": "ignore"}, {}, "skipped: foreign_edit"),
        ("foreign edit, revert", OLD, IN_BOOKS, {"owner": "crm", "foreign_edits": "revert"}, {}, f"books: {IN_BOOKS} → {OLD}"),
        ("foreign edit in the CRM, revert", IN_CRM, OLD, {"owner": "books", "foreign_edits": "revert"}, {},
         f"crm: {IN_CRM} → {OLD}"),
        ("foreign edit in the CRM, hold", IN_CRM, OLD, {"owner": "books"}, {}, "asks foreign_edit"),
        # a blank never overwrites, under no policy, unless the null policy says so
        ("cleared in the CRM", None, OLD, {}, {"conflicts": "overwrite"}, "unchanged: "),
        ("cleared in Books", OLD, None, {}, {"conflicts": "books"}, "unchanged: "),
        ("cleared in the CRM, edited in Books", None, IN_BOOKS, {}, {"conflicts": "overwrite"}, f"crm: None → {IN_BOOKS}"),
        ("cleared in the CRM, and it clears", None, OLD, {"null": "clear"}, {}, f"books: {OLD} → None"),
        ("cleared in Books, and it clears", OLD, None, {"null": "clear"}, {}, f"crm: {OLD} → None"),
        ("cleared on both sides", None, None, {"null": "clear"}, {}, "unchanged: "),
        ("cleared in the CRM, edited in Books, and it clears", None, IN_BOOKS, {"null": "clear"}, {}, "asks conflict"),
        # the one way in which the field travels
        ("edited in Books, travels to Books", OLD, IN_BOOKS, {"direction": "to_books"}, {}, "skipped: direction"),
        ("edited in the CRM, travels to the CRM", IN_CRM, OLD, {"direction": "to_crm"}, {}, "skipped: direction"),
        ("edited in the CRM, travels to Books", IN_CRM, OLD, {"direction": "to_books"}, {}, TO_BOOKS_OLD),
        ("both edited, travels to Books, Books wins", IN_CRM, IN_BOOKS, {"direction": "to_books"}, {"conflicts": "books"},
         "skipped: direction"),
        ("both edited, travels to the CRM, copy", IN_CRM, IN_BOOKS, {"direction": "to_crm"}, {"conflicts": "clone"},
         "skipped: direction"),
        # only a create writes it: nothing is written and nobody is asked what could not be done
        ("edited in the CRM, create only", IN_CRM, OLD, {"create_only": True}, {}, "skipped: create_only"),
        ("both edited, create only", IN_CRM, IN_BOOKS, {"create_only": True}, {"conflicts": "ask"}, "skipped: create_only"),
        ("foreign edit, create only", OLD, IN_BOOKS, {"create_only": True, "owner": "crm"}, {}, "skipped: create_only"),
        # the entity's direction
        ("edited in Books, to_books", OLD, IN_BOOKS, {}, {"direction": "to_books"}, "skipped: direction"),
        ("both edited, to_books, Books owns", IN_CRM, IN_BOOKS, {"owner": "books"}, {"direction": "to_books"},
         "skipped: direction"),
        ("both edited, to_books, ask", IN_CRM, IN_BOOKS, {}, {"direction": "to_books"}, "asks conflict"),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) and "→" not in value and "://" not in value else "",
)  # fmt: skip
def test_a_field_follows_its_own_words_before_the_policy(
    situation: str, crm: str | None, books: str | None, field: dict[str, Any], words: dict[str, Any], wanted: str
) -> None:
    assert told(plan_website(crm, books, field, **words)) == wanted, situation


@pytest.mark.parametrize(
    ("apart", "wanted"),
    [
        (timedelta(minutes=5), TO_BOOKS),
        (timedelta(minutes=-5), TO_CRM),
        (timedelta(minutes=4, seconds=59), "asks conflict"),
        (timedelta(minutes=-4, seconds=-59), "asks conflict"),
        (timedelta(0), "asks conflict"),
    ],
)
def test_the_newest_edit_wins_only_when_it_is_five_minutes_newer(apart: timedelta, wanted: str) -> None:
    assert told(plan_website(IN_CRM, IN_BOOKS, {}, apart=apart, conflicts="newest")) == wanted


@pytest.mark.parametrize("side", ["crm", "books"])
def test_newest_is_not_told_by_a_stamp_of_our_own_write(side: str) -> None:
    pair = linked_pair(known(CRM, crm_row(IN_CRM), stamp=NOON), known(BOOKS, books_row(IN_BOOKS), stamp=NOON - HOUR))
    pair = dataclasses.replace(pair, **{f"{side}_stamp": getattr(pair, side).stamp})
    draft = Draft("customers")
    plan_linked(draft, ACCOUNTS, pair, rules(conflicts="newest"))
    assert told(draft) == "asks conflict"


def test_newest_asks_where_a_stamp_is_unknown() -> None:
    draft = Draft("customers")
    pair = linked_pair(known(CRM, crm_row(IN_CRM), stamp=None), known(BOOKS, books_row(IN_BOOKS)))
    plan_linked(draft, ACCOUNTS, pair, rules(conflicts="newest"))
    assert told(draft) == "asks conflict"


# --------------------------------------------------------------------------------------------- decisions by people


@pytest.mark.parametrize(
    ("question", "crm", "books", "field", "choice", "wanted"),
    [
        ("conflict", IN_CRM, IN_BOOKS, {}, "crm", TO_BOOKS),
        ("conflict", IN_CRM, IN_BOOKS, {}, "books", TO_CRM),
        ("conflict", IN_CRM, IN_BOOKS, {"owner": "newest"}, "books", TO_CRM),
        ("foreign_edit", OLD, IN_BOOKS, {"owner": "crm"}, "books", TO_CRM_OLD),
        ("foreign_edit", OLD, IN_BOOKS, {"owner": "crm"}, "crm", f"books: {IN_BOOKS} → {OLD}"),
    ],
)
def test_a_person_s_decision_comes_before_owner_and_policy_and_is_carried_out(
    question: str, crm: str, books: str, field: dict[str, Any], choice: str, wanted: str
) -> None:
    draft = plan_website(crm, books, field, decided=(question, choice))
    assert told(draft) == wanted and draft.carried_out == {"the-hold"} and not draft.holds


@pytest.mark.parametrize("field", [{"direction": "to_books"}, {"create_only": True}])
def test_a_decision_that_may_not_be_written_settles_the_question_with_both_values(field: dict[str, Any]) -> None:
    draft = plan_website(IN_CRM, IN_BOOKS, field, decided=("conflict", "books"))
    (agreement,) = draft.agreements.values()
    assert not draft.actions and not draft.holds and "website" in agreement.agreed


# ---------------------------------------------------------------------------------------- first values of a new link


@pytest.mark.parametrize(
    ("duplicates", "crm", "books", "field", "conflicts", "wanted"),
    [
        ("link", IN_CRM, IN_CRM, {}, "ask", ""),
        ("link", IN_CRM, None, {}, "ask", f"books: None → {IN_CRM}"),
        ("link", None, IN_BOOKS, {}, "ask", f"crm: None → {IN_BOOKS}"),
        ("link", IN_CRM, IN_BOOKS, {}, "ask", "asks first_values"),
        ("link", IN_CRM, IN_BOOKS, {}, "overwrite", TO_BOOKS),
        ("link", IN_CRM, IN_BOOKS, {}, "books", TO_CRM),
        ("link", IN_CRM, IN_BOOKS, {"owner": "books"}, "ask", TO_CRM),
        ("link", IN_CRM, IN_BOOKS, {"owner": "crm"}, "books", TO_BOOKS),
        ("overwrite", IN_CRM, IN_BOOKS, {}, "ask", TO_BOOKS),
        ("overwrite", IN_CRM, IN_BOOKS, {"owner": "books"}, "ask", TO_BOOKS),
        ("overwrite", None, IN_BOOKS, {}, "ask", ""),
        ("overwrite", None, IN_BOOKS, {"null": "clear"}, "ask", f"books: {IN_BOOKS} → None"),
        ("overwrite", IN_CRM, IN_BOOKS, {"direction": "to_crm"}, "ask", ""),
    ],
)
def test_a_duplicate_merges_field_by_field_or_takes_the_crm_s_values(
    duplicates: str, crm: str | None, books: str | None, field: dict[str, Any], conflicts: str, wanted: str
) -> None:
    spec, draft = with_website(**field), Draft("customers")
    left, right = known(CRM, crm_row(crm), spec), known(BOOKS, books_row(books), spec)
    governed = rules(duplicates=duplicates, conflicts=conflicts)
    plan_duplicate(draft, spec, left, right, governed, evidence="policy", match={})
    assert told(draft) == (wanted or told(draft)) and bool(wanted) == bool(
        draft.holds or any(one.changes for one in draft.actions.values())
    )
    (link,) = [action for action in draft.actions.values() if action.verb == "link"]
    assert link.payload["renkei_books_id"] == BOOKS.id and link.target == CRM


@pytest.mark.parametrize("evidence", ["key", "native"])
def test_two_first_values_of_a_rebuilt_link_are_asked_unless_somebody_owns_them(evidence: str) -> None:
    for field, wanted in (({}, "asks first_values"), ({"owner": "books"}, TO_CRM)):
        spec, draft = with_website(**field), Draft("customers")
        left, right = known(CRM, crm_row(IN_CRM), spec), known(BOOKS, books_row(IN_BOOKS), spec)
        plan_duplicate(draft, spec, left, right, rules(duplicates="overwrite"), evidence=evidence, match={})
        assert told(draft) == wanted


# ----------------------------------------------------------------------------------------- what stops a pair before all


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"crm": {"blocked": "claimed"}}, "blocked: claimed"),
        ({"books": {"blocked": "claimed"}}, "blocked: claimed"),
        ({"crm": {"in_view": False}}, "skipped: out_of_view"),
        ({"books": {"complete": False}}, "blocked: budget"),
    ],
)
def test_a_pair_that_may_not_be_written_waits_or_is_skipped_whether_linked_or_met(
    changes: dict[str, dict[str, Any]], wanted: str
) -> None:
    crm = known(CRM, crm_row(IN_CRM), **changes.get("crm", {}))
    books = known(BOOKS, books_row(IN_BOOKS), **changes.get("books", {}))
    linked, met = Draft("customers"), Draft("customers")
    plan_linked(linked, ACCOUNTS, linked_pair(crm, books), rules(conflicts="overwrite"))
    plan_duplicate(met, ACCOUNTS, crm, books, rules(duplicates="overwrite"), evidence="policy", match={})
    for draft in (linked, met):
        assert (word_of(draft, CRM), word_of(draft, BOOKS)) == (wanted, wanted) and not draft.actions


def test_edits_of_different_fields_travel_both_ways_and_neither_write_waits_for_the_other() -> None:
    draft = Draft("customers")
    crm, books = known(CRM, crm_row(IN_CRM)), known(BOOKS, books_row(OLD, billing_address={"phone": "03-1234-5678"}))
    plan_linked(draft, ACCOUNTS, linked_pair(crm, books), rules())
    changed = {(one.side, change.field): one.needs for one in draft.actions.values() for change in one.changes}
    assert changed == {("books", "website"): (), ("crm", "phone"): ()}


def test_a_record_back_from_the_recycle_bin_lives_again_under_its_link() -> None:
    draft = Draft("customers")
    pair = linked_pair(known(CRM, crm_row(OLD)), known(BOOKS, books_row(OLD)), dead="crm")
    plan_linked(draft, ACCOUNTS, pair, rules(deletes="ask"))
    assert [(link.state, link.dead) for link in draft.links] == [("live", None)]
