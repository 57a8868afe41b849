"""A company moves from the built-in integration: its pairs are links before anything is matched, and nothing is made twice."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from connector_world import HOST

from renkei.core.connection import Budget
from renkei.core.values import Ref
from renkei.engine.sequence import Report
from renkei.engine.work import PUBLISHED
from renkei.sandbox.seeds import native

SEEDED_ALONE = len(native.ONLY_CRM) + len(native.ONLY_BOOKS)


@pytest.fixture
def years(tmp_path: Path) -> Iterator[Company]:
    """The seed `native`, accounts with their contacts and contacts without account."""
    with Company.in_process(tmp_path, "native") as made:
        made.choose(modules="accounts_and_contacts", include_contacts_without_account=True)
        yield made


def off(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, native="off")


def account(record: str) -> Ref:
    return Ref("crm", "Accounts", record)


def customer(record: str) -> Ref:
    return Ref("books", "contacts", record)


def pair(company: Company, name: str = "Aoyama Printing", **fields: Any) -> tuple[str, str]:
    """An account and the customer that the built-in integration paired with it."""
    crm = company.seed_crm("Accounts", Account_Name=name)
    wanted = {"contact_name": name, "company_name": name, "customer_sub_type": "business", "zcrm_account_id": crm}
    return crm, company.seed_books("contacts", **{**wanted, **fields})


def pairs_of_books(company: Company) -> set[tuple[Ref, Ref]]:
    """Who belongs to whom by Books' own ids, where that is certain: read from the sandbox, not from renkei."""
    named = []
    for kind, field, module in (
        ("contacts", "zcrm_account_id", "Accounts"), ("contacts", "zcrm_contact_id", "Contacts"),
        ("items", "zcrm_product_id", "Products"),
    ):  # fmt: skip
        alive = company.crm(module)
        named += [
            (Ref("crm", module, row[field]), Ref("books", kind, one))
            for one, row in company.books(kind).items()
            if row.get(field) in alive
        ]
    claims = Counter(crm for crm, _ in named)
    return {(crm, books) for crm, books in named if claims[crm] == 1}


def links(company: Company) -> set[tuple[Ref, Ref]]:
    return {(one.crm, one.books) for one in company.ledger.all_links("demo") if one.state == "live"}


def created(report: Report) -> list[Ref]:
    made = [one for plan in report.plans for one in plan.actions if one.verb == "create" and one.entity not in PUBLISHED]
    return [one.source for one in made if one.source is not None]


def sizes(company: Company) -> tuple[int, ...]:
    crm = (len(company.crm(module)) for module in ("Accounts", "Contacts", "Products"))
    return (*crm, len(company.books()), len(company.books("items")))


def details_read(company: Company) -> int:
    return sum(1 for one in company.world.requests.select("books") if "/contacts/" in one.path and one.method == "GET")


# ------------------------------------------------------------------------------------------------- years of history


async def test_years_of_pairs_become_links_and_nothing_of_them_is_created(years: Company) -> None:
    truth = pairs_of_books(years)
    plan = await years.sync(plan_only=True)
    paired = {ref for both in truth for ref in both}
    alone = {years.crm("Accounts")[ref.id]["Account_Name"] for ref in created(plan) if ref.module == "Accounts"}
    assert not paired & set(created(plan))
    assert len(alone) == len(native.ONLY_CRM) and len(created(plan)) == SEEDED_ALONE + 2, "and one product, one item"
    await years.sync()
    assert truth <= links(years)
    evidence = Counter(one.evidence for one in years.ledger.all_links("demo") if (one.crm, one.books) in truth)
    assert evidence == {"native": len(truth)}
    await years.quiet()


async def test_each_pair_is_read_once_for_its_id(years: Company) -> None:
    shown = sum(1 for row in years.books().values() if row["is_linked_with_zohocrm"])
    unpaired = len(native.UNPAIRED) + len(native.ONLY_BOOKS)  # about to be linked and made: their details, too
    report = await years.sync()
    assert sum(plan.details for plan in report.plans) == shown + unpaired
    before = details_read(years)
    await years.quiet()
    assert details_read(years) == before


async def test_once_the_built_in_is_off_values_merge_by_owner_or_become_questions(years: Company) -> None:
    await years.sync()
    counts = sizes(years)
    off(years)
    report = await years.sync()
    (plan,) = [one for one in report.plans if one.entity == "customers"]
    fields = Counter(hold.field for hold in plan.holds if hold.field)
    assert fields == {"website": 4, "billing_city": 4, "name": 2}
    assert report.entities["customers"]["writes"] == {"crm": 2, "books": 4}, "blanks are filled"
    assert not created(report) and sizes(years) == counts
    await years.quiet()


async def test_the_first_run_after_the_built_in_was_off_already_creates_nothing_twice(years: Company) -> None:
    off(years)
    truth = pairs_of_books(years)
    report = await years.sync()
    assert not {ref for both in truth for ref in both} & set(created(report)) and truth <= links(years)
    await years.quiet()


@pytest.mark.parametrize("keys", [True, False], ids=["keys", "no keys"])
async def test_a_lost_ledger_finds_the_same_pairs_again(years: Company, tmp_path: Path, keys: bool) -> None:
    await years.sync()
    truth, counts = links(years), sizes(years)
    if not keys:
        for crm, _ in sorted(pairs_of_books(years)):
            years.edit_crm(crm.module, crm.id, renkei_books_id=None)
    again = Company(years.world, tmp_path / "again", HOST, clock=years.clock)
    again.spec = years.spec
    report = await again.sync()
    assert links(again) == truth and not created(report) and sizes(again) == counts
    await again.quiet()
    off(again)
    assert not created(await again.sync())
    again.ledger.close()


async def test_ids_that_vanish_with_the_built_in_integration_leave_every_pair_linked(years: Company, tmp_path: Path) -> None:
    await years.sync()
    truth = links(years)
    for one, row in years.books().items():
        if row["is_linked_with_zohocrm"]:
            years.world.books.edit("contacts", one, is_linked_with_zohocrm=False, zcrm_account_id="", zcrm_contact_id="")
    for one, row in years.books("items").items():
        if row["is_linked_with_zohocrm"]:
            years.world.books.edit("items", one, is_linked_with_zohocrm=False, zcrm_product_id="")
    off(years)
    assert not created(await years.sync()) and links(years) == truth
    again = Company(years.world, tmp_path / "again", HOST, clock=years.clock)
    again.spec = years.spec
    await again.sync()
    assert truth <= links(again), "our keys in the CRM tell it after a lost ledger, too"
    again.ledger.close()


async def test_what_the_clone_policy_left_beside_a_pair_is_a_question(years: Company) -> None:
    await years.sync()
    names = Counter(row["company_name"] for row in years.books().values())
    left = [
        one for one, row in years.books().items()
        if names[row["company_name"]] == 2 and not row["is_linked_with_zohocrm"]
    ]  # fmt: skip
    assert len(left) == len(native.CLONED)
    assert {years.outcome(customer(one)) for one in left} == {("held", "ambiguous")}
    (hold,) = [one for one in years.ledger.open_holds("demo") if one.record == customer(left[0])]
    years.decide(hold.id, "create")
    assert created(await years.sync()) == [customer(left[0])]


async def test_a_few_calls_a_day_read_the_pairs_over_several_days_and_make_nothing_twice(years: Company) -> None:
    years.spec = dataclasses.replace(
        years.spec, budget=Budget(books_per_minute=None, books_per_day=25, keep_for_people=0), publish_summaries=False
    )
    truth, seen, days = pairs_of_books(years), Counter[tuple[str, str]](), 0
    while days == 0 or seen["blocked", "native_pair_unread"]:
        report = await years.sync(entities=("customers",))
        seen = Counter((one.outcome, one.reason) for one in report.plans[0].verdicts) if report.plans else seen
        waiting = {one.record for one in report.plans[0].verdicts if one.reason == "native_pair_unread"}
        assert not waiting & set(created(report)) and not (waiting and seen["created", "new_in_crm"])
        years.world.clock.advance(86400)
        days += 1
    assert days > 2
    years.spec = dataclasses.replace(years.spec, budget=Budget(books_per_minute=None))
    await years.sync()
    assert truth <= links(years)
    assert sizes(years)[0] == len(native.PAIRED) + len(native.ONLY_CRM) + len(native.UNPAIRED) + len(native.ONLY_BOOKS)


# ------------------------------------------------------------------------------------------------------ one pair kept


async def test_a_kept_pair_gets_our_key_and_nothing_else_until_the_built_in_is_off(company: Company) -> None:
    crm, books = pair(company)
    await company.sync()
    assert company.crm()[crm]["renkei_books_id"] == books
    company.edit_crm("Accounts", crm, Website="https://crm.example")
    company.edit_books("contacts", books, billing_address={"phone": "03-1111-2222"})
    await company.quiet()
    assert company.outcome(account(crm)) == company.outcome(customer(books)) == ("skipped", "native_keeps")
    off(company)
    await company.sync()
    assert company.books()[books]["website"] == "https://crm.example" and company.crm()[crm]["Phone"] == "03-1111-2222"
    await company.quiet()


async def test_two_values_of_a_kept_pair_are_asked_about_only_once_the_built_in_is_off(company: Company) -> None:
    crm, _ = pair(company, website="https://books.example")
    company.edit_crm("Accounts", crm, Website="https://crm.example")
    assert (await company.sync()).status == "green" and not company.ledger.open_holds("demo")
    off(company)
    await company.sync()
    assert [hold.question for hold in company.ledger.open_holds("demo")] == ["first_values"]


async def test_persons_of_a_kept_customer_meet_and_none_is_made_on_either_side(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    people = [{"first_name": "Yuki", "last_name": "Mori"}, {"first_name": "Ken", "last_name": "Abe"}]
    crm, books = pair(company, contact_persons=people)
    for last, first in (("Mori", "Yuki"), ("Kato", "Emi")):
        company.seed_crm("Contacts", Last_Name=last, First_Name=first, Account_Name={"id": crm})
    await company.sync()
    assert len(links(company)) == 2 and len(company.crm("Contacts")) == 2
    assert len(company.books()[books]["contact_persons"]) == 2
    await company.quiet()
    off(company)
    await company.sync()
    assert len(company.crm("Contacts")) == len(company.books()[books]["contact_persons"]) == 3


async def test_a_customer_that_names_another_account_than_its_link_is_not_kept(company: Company) -> None:
    """The built-in's account is gone; what a person linked instead is ours."""
    crm, books = pair(company)
    company.world.crm.delete("Accounts", crm)
    other = company.seed_crm("Accounts", Account_Name="Aoyama Printing", Website="https://new.example")
    await company.sync()
    assert (account(other), customer(books)) in links(company)
    assert company.books()[books]["website"] == "https://new.example"


# ------------------------------------------------------------------------------------------ ids that name nothing free


async def test_a_customer_whose_account_was_deleted_is_not_created_again(company: Company) -> None:
    crm, books = pair(company)
    company.world.crm.delete("Accounts", crm)
    await company.quiet()
    assert company.outcome(customer(books)) == ("skipped", "native_partner_deleted") and not company.crm()


async def test_a_pair_whose_detail_names_nobody_is_matched_but_not_created(company: Company) -> None:
    lost = company.seed_books(
        "contacts", contact_name="Lost", company_name="Lost", customer_sub_type="business", is_linked_with_zohocrm=True
    )
    await company.quiet()
    assert company.outcome(customer(lost)) == ("skipped", "native_id_missing") and not company.crm()
    new = company.seed_crm("Accounts", Account_Name="Lost")
    await company.sync()
    assert links(company) == {(account(new), customer(lost))}


async def test_an_account_named_by_two_customers_is_a_question_and_the_other_stays_as_it_is(company: Company) -> None:
    crm, first = pair(company)
    second = company.seed_books(
        "contacts", contact_name="Aoyama 2", company_name="Aoyama", customer_sub_type="business", zcrm_account_id=crm
    )
    await company.quiet()
    (hold,) = company.ledger.open_holds("demo")
    assert hold.record == account(crm) and {item["record"] for item in hold.candidates} == {
        str(customer(first)), str(customer(second)),
    }  # fmt: skip
    company.decide(hold.id, f"link {customer(second)}")
    await company.sync()
    assert links(company) == {(account(crm), customer(second))}
    assert company.outcome(customer(first)) == ("skipped", "native_partner_taken") and len(company.crm()) == 1
    await company.quiet()


async def test_all_records_that_match_one_pair_are_questions(company: Company) -> None:
    pair(company)
    left = [
        company.seed_books("contacts", contact_name=f"A{one}", company_name="Aoyama Printing", customer_sub_type="business")
        for one in range(2)
    ]
    await company.sync()
    assert {company.outcome(customer(one)) for one in left} == {("held", "ambiguous")} and len(company.crm()) == 1


async def test_an_individual_whose_contact_came_under_an_account_keeps_its_pair_until_a_person_decides(company: Company) -> None:
    company.choose(modules="accounts_and_contacts", include_contacts_without_account=True)
    holder = company.seed_crm("Accounts", Account_Name="Kita")
    contact = company.seed_crm("Contacts", Last_Name="Mori", First_Name="Yuki", Account_Name={"id": holder})
    books = company.seed_books(
        "contacts", contact_name="Yuki Mori", customer_sub_type="individual", zcrm_contact_id=contact,
        contact_persons=[{"first_name": "Yuki", "last_name": "Mori", "is_primary_contact": True}],
    )  # fmt: skip
    await company.sync()
    assert (Ref("crm", "Contacts", contact), customer(books)) in links(company)
    assert len(company.crm("Contacts")) == 1
    off(company)
    await company.sync()
    assert {hold.question for hold in company.ledger.open_holds("demo")} == {"moved_account"}


# ---------------------------------------------------------------------------------------------------- asking before


def asked_for(company: Company) -> list[str]:
    return [one.query for one in company.world.requests.select("books") if "zcrm_" in one.query]


async def test_a_single_record_run_asks_for_the_pair_before_it_makes_a_customer(company: Company) -> None:
    """The day's calls left the customer unread, it has another name, and only its id tells the account."""
    company.spec = dataclasses.replace(
        company.spec, budget=Budget(books_per_minute=None, books_per_day=8, keep_for_people=0), publish_summaries=False
    )
    old = {"created_time": "2025-01-06T10:00:00+0900", "last_modified_time": "2025-01-06T10:00:00+0900"}
    crm, books = pair(company, contact_name="Kita Foods", company_name="Kita Foods", **old)
    for name in ("Hoshino", "Umeda", "Ebisu", "Naruto", "Sapporo", "Ginza"):
        pair(company, name)
    await company.sync()
    assert company.outcome(account(crm)) == ("blocked", "budget")
    assert company.outcome(customer(books)) == ("blocked", "native_pair_unread")
    company.spec = dataclasses.replace(company.spec, budget=Budget(books_per_minute=None))
    company.world.clock.advance(86400)
    new, before = company.seed_crm("Accounts", Account_Name="Newcomer"), len(company.books())
    await company.sync(full=False, only=(account(new),))
    assert len(asked_for(company)) == 1 and len(company.books()) == before + 1, "asked for, and named by none"
    await company.sync(full=False, only=(account(crm),))
    assert len(asked_for(company)) == 2 and (account(crm), customer(books)) in links(company)
    await company.sync()
    assert len(asked_for(company)) == 2 and len(company.books()) == before + 1, "once all are read, nobody is asked for"


async def test_an_account_that_several_unread_customers_name_waits(company: Company) -> None:
    company.spec = dataclasses.replace(
        company.spec, budget=Budget(books_per_minute=None, books_per_day=6, keep_for_people=0), publish_summaries=False
    )
    old = {"created_time": "2025-01-06T10:00:00+0900", "last_modified_time": "2025-01-06T10:00:00+0900"}
    crm, _ = pair(company, contact_name="Kita Foods", company_name="Kita Foods", **old)
    company.seed_books("contacts", contact_name="Other", company_name="Other", zcrm_account_id=crm, **old)
    for name in ("Hoshino", "Umeda", "Ebisu", "Naruto"):
        pair(company, name)
    await company.sync()
    company.spec = dataclasses.replace(company.spec, budget=Budget(books_per_minute=None))
    company.world.clock.advance(86400)
    before = len(company.books())
    await company.sync(full=False, only=(account(crm),))
    assert company.outcome(account(crm)) == ("blocked", "native_pair_unread") and len(company.books()) == before
