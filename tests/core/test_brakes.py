"""What stops a plan: each brake by its own count, list by list, and what a release of it covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from renkei.core.brakes import BRAKES, Applied, brakes, coverable
from renkei.core.connection import Brakes
from renkei.core.planning import EntityPlan, ListRead
from renkei.core.records import Action, Verdict
from renkei.core.values import Ref

KNOWN = {("crm", "Accounts"): 100, ("books", "contacts"): 100}
DEALS = {("crm", "Deals"): 100}


def action(
    verb: str, number: int, target: str = "books:contacts", source: str = "crm:Accounts", entity: str = "customers"
) -> Action:
    to, of = Ref.parse(f"{target}:{number}"), Ref.parse(f"{source}:{number}")
    key = f"{entity}|{verb}|{to.side}|{to.module}|{number}"
    return Action(key, entity, "accounts", verb, to.side, to.module, None if verb == "create" else to, of, {"a": 1}, (), "")


def verdict(outcome: str, reason: str, number: int, where: str = "crm:Accounts") -> Verdict:
    return Verdict(Ref.parse(f"{where}:{number}"), outcome, reason, "h")


def plan(
    actions: Sequence[Action] = (), verdicts: Sequence[Verdict] = (), *, entity: str = "customers", read: int | None = None,
    lists: Sequence[ListRead] = (), **facts: Any,
) -> EntityPlan:  # fmt: skip
    extracted = (len(verdicts) if read is None else read, 0)
    rows = (tuple(actions), (), tuple(verdicts), (), (), (), (), (), ())
    return EntityPlan(entity, True, "rules", tuple(lists), extracted, *rows, facts=facts)


def names(found: Sequence[Applied]) -> list[str]:
    return [one.brake for one in found]


def complete(side: Any, module: str, rows: int) -> ListRead:
    return ListRead(side, module, True, rows, 1, None, None, datetime(2026, 11, 1, tzinfo=UTC))


STOPPED = {
    "creates": plan([action("create", n) for n in range(501)]),
    "changed_share": plan([action("update", n) for n in range(21)]),
    "removed_share": plan(verdicts=[verdict("skipped", "deleted", n) for n in range(5)]),
    "quarantined_share": plan(verdicts=[verdict("quarantined", "readable", n) for n in range(50)]),
    "side_empty": plan(lists=[complete("books", "contacts", 0)]),
}


@pytest.mark.parametrize("name", STOPPED)
def test_each_brake_stops_what_is_over_its_limit_and_is_released_by_what_its_approval_covers(name: str) -> None:
    stopped = STOPPED[name]
    assert names(brakes(stopped, Brakes(), KNOWN, False)) == [name]
    covered = {name: set(coverable(stopped, [name]))}
    assert brakes(stopped, Brakes(), KNOWN, False, covered) == []
    others = {other: covered[name] for other in BRAKES if other != name}
    assert names(brakes(stopped, Brakes(), KNOWN, False, others)) == [name], "an approval releases the brake that it names alone"


@pytest.mark.parametrize(
    "within",
    [
        plan([action("create", n) for n in range(500)]),
        plan([action("update", n) for n in range(20)]),
        plan(verdicts=[verdict("skipped", "deleted", n) for n in range(4)]),
        plan(verdicts=[verdict("quarantined", "readable", n) for n in range(40)]),
        plan(lists=[complete("books", "contacts", 1)]),
    ],
    ids=list(STOPPED),
)
def test_what_is_within_its_limit_goes_on(within: EntityPlan) -> None:
    assert brakes(within, Brakes(), KNOWN, False) == []


@pytest.mark.parametrize("name", STOPPED)
def test_a_brake_that_is_switched_off_stops_nothing(name: str) -> None:
    off = Brakes(None, None, None, None, None, False)
    assert names(brakes(STOPPED[name], off, KNOWN, True)) == (["side_empty"] if name == "side_empty" else [])


def test_a_quarter_of_one_list_is_a_quarter_however_long_the_other_list_is() -> None:
    known = {("crm", "Accounts"): 10_000, ("books", "contacts"): 100}
    found = brakes(plan([action("update", n) for n in range(25)]), Brakes(), known, False)
    assert names(found) == ["changed_share"] and "of 100 books contacts" in found[0].limit
    gone = plan(verdicts=[verdict("skipped", "deleted", n, "books:contacts") for n in range(5)])
    assert names(brakes(gone, Brakes(), known, False)) == ["removed_share"]


def test_few_changes_of_a_small_list_are_no_share() -> None:
    known = {("crm", "Accounts"): 10, ("books", "contacts"): 10}
    assert brakes(plan([action("update", n) for n in range(10)]), Brakes(), known, False) == []


def test_rows_that_a_policy_removes_count_like_those_that_vanished() -> None:
    removed = plan(verdicts=[verdict("removed", "deletes_delete", n, "books:contacts") for n in range(5)])
    assert names(brakes(removed, Brakes(), KNOWN, False)) == ["removed_share"]


def test_rows_that_wait_in_quarantine_do_not_stop_an_hourly_run_that_reads_little_else() -> None:
    hourly = plan(verdicts=[verdict("quarantined", "readable", n) for n in range(25)], read=26)
    assert brakes(hourly, Brakes(), {**KNOWN, ("crm", "Accounts"): 10_000}, False) == []


def test_a_first_run_counts_the_rows_that_it_read_itself() -> None:
    lists = [complete("crm", "Accounts", 1000), complete("books", "contacts", 1000)]
    first = plan([action("update", n) for n in range(25)], lists=lists)
    assert names(brakes(first, Brakes(), {}, True)) == ["first_run"]


def test_persons_of_books_count_among_the_contacts_that_they_serve() -> None:
    persons = [action("update", n, "books:contact_persons", "crm:Contacts") for n in range(25)]
    known = {**KNOWN, ("crm", "Contacts"): 1000}
    assert brakes(plan(persons), Brakes(), known, False) == []
    assert names(brakes(plan(persons), Brakes(), {**known, ("crm", "Contacts"): 50}, False)) == ["changed_share"]


def test_deals_know_the_same_brakes() -> None:
    made = [action("create", n, "books:invoices", "crm:Deals", "deals") for n in range(501)]
    assert names(brakes(plan(made, entity="deals"), Brakes(), DEALS, True)) == ["creates", "first_run"]
    void = [action("update", n, "books:invoices", "crm:Deals", "deals") for n in range(21)]
    assert names(brakes(plan(void, entity="deals"), Brakes(), DEALS, False)) == ["changed_share"]
    gone = plan(verdicts=[verdict("skipped", "deal_deleted", n, "crm:Deals") for n in range(5)], entity="deals")
    assert names(brakes(gone, Brakes(), DEALS, False)) == ["removed_share"]
    bad = plan(verdicts=[verdict("quarantined", "readable", n, "crm:Deals") for n in range(30)], entity="deals")
    assert names(brakes(bad, Brakes(), DEALS, False)) == ["quarantined_share"]


@pytest.mark.parametrize("entity", ["documents", "summaries"])
def test_published_rows_know_an_empty_side_and_sums_that_moved_and_nothing_else(entity: str) -> None:
    made = [action("create", n, "crm:Renkei_Documents", "books:invoices", entity) for n in range(900)]
    many = plan(made, [verdict("quarantined", "readable", n) for n in range(90)], entity=entity)
    assert brakes(many, Brakes(), {}, True) == []
    moved = plan(made, entity=entity, balances={"JPY": (Decimal(1000), Decimal(1501)), "USD": (Decimal(1000), Decimal(1500))})
    found = brakes(moved, Brakes(), {}, False)
    assert names(found) == ["sums_share"] and found[0].samples == ("JPY: 1000 → 1501",)
    assert brakes(moved, Brakes(), {}, False, {"sums_share": set(coverable(moved, ["sums_share"]))}) == []
    empty = plan(entity=entity, lists=[complete("books", "invoices", 0)])
    assert names(brakes(empty, Brakes(), {("books", "invoices"): 3}, False)) == ["side_empty"]


def test_a_brake_names_how_many_and_a_few_of_them() -> None:
    found = brakes(plan([action("create", n) for n in range(501)]), Brakes(), KNOWN, False, called=lambda ref: f"{ref} Aoyama")
    assert found[0].count == 501 and len(found[0].samples) == 5
    assert found[0].samples[0] == "create books:contacts for crm:Accounts:0 Aoyama"
