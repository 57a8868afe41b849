"""Every cell of the deletes policy, walked through the planner: what product.md section 2 promises is what the plan does.

The promises stand here as rules of their own; `renkei policy show` prints the cells from the code that runs.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest

from renkei.core.connection import Deletes, EntitySettings, SyncDirection
from renkei.core.deleting import WRITES, DeletedCell, Kind, choices, delete_table, edited_fields, plan_deleted
from renkei.core.mapping import NO_LOOKUPS, map_record
from renkei.core.planning import Draft, Ending, Known, LinkedPair, PlanRules, base_values, project
from renkei.core.records import Link, Row
from renkei.core.values import Ref, Side, content_hash
from renkei.house import Settings, load_project

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
DIRECTIONS: tuple[SyncDirection, ...] = get_args(SyncDirection)
PROJECT = load_project(Settings.from_environment({}))
DEMO = PROJECT.connection("demo")
MAPPINGS = PROJECT.mappings_of(
    dataclasses.replace(DEMO, customers=dataclasses.replace(DEMO.customers, modules="accounts_and_contacts"))
)
OLD, NEW = "as it was", "as somebody wrote it since"

ROWS: dict[Kind, tuple[str, Ref, Row, str, Ref, Row]] = {  # mapping; CRM record and its text; Books record and its text
    "customers": (
        "accounts", Ref("crm", "Accounts", "5545974000000450001"),
        {"Account_Name": "Aoyama Printing", "Website": OLD, "Phone": None}, "Website",
        Ref("books", "contacts", "46001"),
        {"contact_name": "Aoyama Printing", "company_name": "Aoyama Printing", "website": OLD, "billing_address": {},
         "shipping_address": {}, "custom_fields": [], "status": "active"},
    ),
    "persons": (
        "persons", Ref("crm", "Contacts", "5545974000000450002"), {"Last_Name": "Mori", "Title": OLD}, "Title",
        Ref("books", "contact_persons", "46002"), {"last_name": "Mori", "designation": OLD, "contact_id": "46001"},
    ),
    "products": (
        "products", Ref("crm", "Products", "5545974000000450003"),
        {"Product_Name": "Anvil", "Description": OLD, "Product_Active": True}, "Description",
        Ref("books", "items", "46003"), {"name": "Anvil", "description": OLD, "status": "active", "rate": 1},
    ),
}  # fmt: skip
IN_BOOKS = {"customers": "website", "persons": "designation", "products": "description"}
PLACES = {"crm": {"Account_Name": {"id": "5545974000000450001"}}, "books": {"contact_id": "46001"}}


def promise(one: DeletedCell, direction: SyncDirection) -> tuple[str, str]:
    """(outcome and reason, what is done) as product.md section 2 has it."""
    alive = {"crm": "books", "books": "crm", "both": ""}[one.gone]
    has_state = one.kind == "products" or (one.kind == "customers" and alive == "books")
    if one.word == "ignore" or one.gone == "both":
        return "skipped: deleted", "mark"
    if one.word == "ask":
        return "held: deleted", "ask"
    if one.word == "unlink" or (one.word == "deactivate" and not has_state):
        return "removed: unlink", "end"
    if alive == "crm" and direction == "to_books" and one.word in ("deactivate", "delete"):
        return "skipped: direction", "mark"
    if one.word == "deactivate":
        return "removed: deactivate", f"deactivate {alive}"
    if one.word == "recreate":
        if one.gone == "crm" and direction == "to_books":
            return "skipped: direction", "mark"
        return "created: recreate", f"create {one.gone}"
    if one.living == "edited":
        return "held: edited_and_deleted", "ask"
    if one.transactions and alive == "books" and one.kind != "persons":
        return "removed: delete: made inactive, it has transactions", f"remove {alive}"
    return "removed: delete", f"remove {alive}"


def known(ref: Ref, row: Row, mapping: str, **more: Any) -> Known:
    raw = {**row, "id": ref.id}
    return Known(ref, content_hash(raw), NOON, raw, map_record(raw, MAPPINGS[mapping], ref.side), "a label", **more)


def pair_of(kind: Kind, gone: str, living: str, **link: Any) -> LinkedPair:
    """A pair that agreed a day ago, one record or both of which are gone since; `living`: what the other one says now."""
    mapping, crm_ref, crm_row, crm_field, books_ref, books_row = ROWS[kind]
    spec = MAPPINGS[mapping]
    halves = project(crm_row, spec, "crm"), project(books_row, spec, "books")
    said = NEW if living == "edited" else OLD
    crm = known(crm_ref, {**crm_row, crm_field: said}, mapping, deleted=gone in ("crm", "both"))
    books = known(books_ref, {**books_row, IN_BOOKS[kind]: said}, mapping, deleted=gone in ("books", "both"))
    return LinkedPair(
        Link("the-link", spec.entity, mapping, crm_ref, books_ref, NOON - DAY, "created", **link), crm, books,
        base_values(halves[0], spec, "crm", NO_LOOKUPS), base_values(halves[1], spec, "books", NO_LOOKUPS),
        NOON - DAY, NOON - DAY,
    )  # fmt: skip


def rules(word: Deletes, direction: SyncDirection = "two_way", decisions: dict[Any, Any] | None = None) -> PlanRules:
    settings = EntitySettings(direction=direction, deletes=word)
    return PlanRules("acme", settings, "renkei_books_id", "cf_renkei_crm_id", NO_LOOKUPS, "rules", decisions or {})


def planned(kind: Kind, pair: LinkedPair, governed: PlanRules, **more: Any) -> Draft:
    draft = Draft(pair.link.entity)
    gone: Side = "crm" if pair.crm.deleted else "books"
    plan_deleted(draft, MAPPINGS[ROWS[kind][0]], pair, governed, **{"place": PLACES[gone], **more})
    return draft


def done(draft: Draft) -> str:
    acts = [f"{one.verb} {one.side}" for one in draft.actions.values() if one.verb != "key"]
    ends = ["end" if link.state == "ended" else "mark" for link in draft.links]
    return " ".join([*acts, *ends, *("ask" for _ in draft.holds)])


def words(draft: Draft, pair: LinkedPair) -> set[str]:
    found = {f"{draft.verdicts[one.ref].outcome}: {draft.verdicts[one.ref].reason}" for one in (pair.crm, pair.books)}
    return {word.replace("partner_deleted", "deleted") for word in found}


CELLS = [(direction, one) for direction in DIRECTIONS for one in delete_table(direction)]


def called(value: Any) -> str:
    if not isinstance(value, DeletedCell):
        return str(value)
    transactions = "with transactions" if value.transactions else "without"
    return f"{value.kind} {value.word} {value.gone} gone {value.living} {transactions}"


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_table_has_every_combination_once_and_no_other(direction: SyncDirection) -> None:
    printed = [(one.kind, one.word, one.gone, one.living, one.transactions) for one in delete_table(direction)]
    assert len(printed) == len(set(printed))
    there = [("crm", "quiet"), ("crm", "edited"), ("books", "quiet"), ("books", "edited"), ("both", "deleted")]
    wanted = product(get_args(Kind), get_args(Deletes), there, (False, True))
    assert set(printed) == {(kind, word, *pair, transactions) for kind, word, pair, transactions in wanted}


@pytest.mark.parametrize(("direction", "one"), CELLS, ids=called)
def test_the_planner_does_what_the_cell_promises_and_the_printed_cell_says_so(direction: SyncDirection, one: DeletedCell) -> None:
    word, deed = promise(one, direction)
    assert f"{one.cell.outcome}: {one.cell.reason}" == word
    pair = pair_of(one.kind, one.gone, one.living)
    draft = planned(one.kind, pair, rules(one.word, direction))
    assert done(draft) == deed
    # only Books knows transactions: the plan is to delete, and the load says when it was made inactive instead
    assert words(draft, pair) == {word.replace(": made inactive, it has transactions", "")}
    assert (one.cell.effect in WRITES) == bool(draft.actions)
    alive = {"crm": "books", "books": "crm"}.get(one.gone, "none")
    aside = {ref.side for ref, _, _ in draft.asides}
    assert aside == ({alive} if deed == "end" else {one.gone} if deed.startswith("create") else set())


@pytest.mark.parametrize(
    ("kind", "gone", "direction", "wanted"),
    [
        ("customers", "crm", "two_way", "keep unlink deactivate delete recreate"),
        ("customers", "crm", "to_books", "keep unlink deactivate delete"),
        ("customers", "books", "two_way", "keep unlink delete recreate"),
        ("customers", "books", "to_books", "keep unlink recreate"),
        ("persons", "crm", "two_way", "keep unlink delete recreate"),
        ("products", "books", "two_way", "keep unlink deactivate delete recreate"),
        ("products", "books", "to_books", "keep unlink recreate"),
    ],
)
def test_a_person_is_offered_what_can_be_done_there(kind: Kind, gone: Side, direction: SyncDirection, wanted: str) -> None:
    assert " ".join(choices(kind, gone, direction)) == wanted
    draft = planned(kind, pair_of(kind, gone, "quiet"), rules("ask", direction))
    assert [hold.choices for hold in draft.holds.values()] == [tuple(wanted.split())]


@pytest.mark.parametrize("question", ["deleted", "edited_and_deleted"])
@pytest.mark.parametrize("gone", ["crm", "books"])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_what_a_person_decides_is_done_though_the_living_record_was_edited(kind: Kind, gone: Side, question: str) -> None:
    pair = pair_of(kind, gone, "edited")
    ref = (pair.crm if gone == "crm" else pair.books).ref
    alive = "books" if gone == "crm" else "crm"
    deeds = {
        "keep": "mark", "unlink": "end", "deactivate": f"deactivate {alive}", "delete": f"remove {alive}",
        "recreate": f"create {gone}",
    }  # fmt: skip
    for choice in choices(kind, gone, "two_way"):
        draft = planned(kind, pair, rules("ask", decisions={(str(ref), question, ""): (choice, "the-hold")}))
        assert done(draft) == deeds[choice] and draft.carried_out == {"the-hold"}


def test_a_deletion_that_was_dealt_with_is_no_news_under_whatever_word() -> None:
    for word in get_args(Deletes):
        pair = pair_of("customers", "crm", "quiet", dead="crm")
        draft = planned("customers", pair, rules(word))
        assert done(draft) == "" and words(draft, pair) == {"skipped: deleted"}


def test_the_other_record_deleted_once_the_first_came_back_is_news() -> None:
    pair = pair_of("customers", "books", "quiet", dead="crm")
    assert done(planned("customers", pair, rules("unlink"))) == "end"


def test_a_record_made_inactive_already_is_marked_without_a_call() -> None:
    for kind in ("customers", "products"):
        pair = pair_of(kind, "crm", "quiet")
        pair.books.raw["status"] = "inactive"
        draft = planned(kind, pair, rules("deactivate"))
        assert done(draft) == "mark" and words(draft, pair) == {"removed: deactivate"}


def test_a_removal_keeps_every_value_that_was_there_and_names_the_fields_edited() -> None:
    pair = pair_of("customers", "crm", "quiet")
    draft = planned("customers", pair, rules("delete"))
    (action,) = draft.actions.values()
    assert {(one.field, one.before, one.after) for one in action.changes} == {
        ("name", "Aoyama Printing", None), ("website", OLD, None)
    }  # fmt: skip
    edited = pair_of("customers", "crm", "edited")
    assert edited_fields(MAPPINGS["accounts"], edited, edited.books) == ["website"]
    asked = planned("customers", edited, rules("delete"))
    assert asked.verdicts[edited.books.ref].detail["edited"] == ["website"]


@pytest.mark.parametrize(
    ("changes", "more", "word", "wanted"),
    [
        ({"blocked": "claimed"}, {}, "delete", "blocked: claimed"),
        ({"complete": False}, {}, "delete", "blocked: budget"),
        ({"complete": False}, {}, "recreate", "blocked: budget"),
        ({}, {"kept": True}, "delete", "skipped: native_keeps"),
        ({}, {"kept": True}, "recreate", "skipped: native_keeps"),
    ],
)
def test_nothing_is_written_for_a_record_that_may_not_be(
    changes: dict[str, Any], more: dict[str, Any], word: Deletes, wanted: str
) -> None:
    pair = pair_of("customers", "crm", "quiet")
    pair.books = dataclasses.replace(pair.books, **changes)
    draft = planned("customers", pair, rules(word), **more)
    assert words(draft, pair) == {wanted} and not draft.actions and not draft.links


@pytest.mark.parametrize("word", ["delete", "recreate"])
def test_a_record_outside_the_view_is_never_written(word: Deletes) -> None:
    pair = pair_of("customers", "books", "quiet")
    pair.crm.in_view = False
    draft = planned("customers", pair, rules(word))
    assert words(draft, pair) == {"skipped: out_of_view"} and not draft.actions and not draft.links


@pytest.mark.parametrize(
    ("effect", "wanted", "deed"),
    [
        ("hold", "held: deleted", ""),
        ("leave", "skipped: deleted", "mark"),
        ("unlink", "removed: unlink", "end"),
        ("delete_crm", "removed: unlink", "end"),
        ("delete_books", "removed: delete", ""),
        ("deactivate_books", "removed: deactivate", "mark"),
        ("write_books", "blocked: customer_created_first", ""),
        ("write_crm", "created: recreate", "create crm"),
    ],
)
def test_a_person_whose_customer_went_too_goes_with_it(effect: str, wanted: str, deed: str) -> None:
    pair = pair_of("persons", "books" if effect in ("write_books", "delete_crm") else "crm", "quiet")
    draft = planned("persons", pair, rules("delete"), customer=Ending(effect, "its-action", "its-hold"))
    assert words(draft, pair) == {wanted} and done(draft) == deed and not draft.holds
    assert pair.books.ref not in {ref for ref, _, _ in draft.asides}


def test_a_person_without_a_customer_is_not_made_again() -> None:
    pair = pair_of("persons", "crm", "quiet")
    draft = planned("persons", pair, rules("recreate"), place=None)
    assert words(draft, pair) == {"blocked: customer_not_linked"} and not draft.actions
