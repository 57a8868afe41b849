"""A changed module, view, policy or mapping: what the next plan says of it, and what becomes of what former settings made."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from company import OFF, Company

from renkei.cli.history import lines_of_run
from renkei.core.mapping import FieldSpec
from renkei.core.report import plan_lines, plan_summary, run_lines
from renkei.core.values import Ref
from renkei.engine import history
from renkei.engine.sequence import Report

VIEW = (("Accounts", "Printers"),)
OF_PRINTERS = {"field": {"api_name": "Industry"}, "comparator": "equal", "value": "Printing"}


@pytest.fixture
async def two_accounts(company: Company) -> dict[str, Ref]:
    """Two accounts that renkei made customers of, under no view; one is a printer."""
    company.world.crm.add_view("Accounts", "Printers", OF_PRINTERS)
    company.choose(remove_earlier_configuration=True, duplicates="link")
    crm = {"printer": company.seed_crm("Accounts", Account_Name="Aoyama Ltd", Industry="Printing")}
    crm["other"] = company.seed_crm("Accounts", Account_Name="Bunkyo Ltd", Phone="03-1234-5678")
    await company.sync()
    company.world.clock.advance(600)
    return {name: Ref("crm", "Accounts", one) for name, one in crm.items()}


def meaning(report: Report, entity: str = "customers") -> list[str]:
    found: list[str] = report.entities[entity].get("meaning", [])
    return found


def remap(company: Company, keep: Callable[[FieldSpec], bool]) -> None:
    """Leave fields out of the accounts' mapping."""
    shipped = company.project.mappings[""]
    spec = shipped["accounts"]
    chosen = dataclasses.replace(spec, fields=tuple(item for item in spec.fields if keep(item)))
    company.project = dataclasses.replace(company.project, mappings={"": {**shipped, "accounts": chosen}})


def names(company: Company) -> dict[str, str]:
    return {row["contact_name"]: row["status"] for row in company.books().values()}


def customer_of(company: Company, account: Ref) -> Ref:
    link = company.ledger.link_of("demo", account)
    assert link is not None
    return link.books


async def test_a_view_says_what_leaves_the_scope_and_what_comes_back(company: Company, two_accounts: dict[str, Ref]) -> None:
    company.choose(remove_earlier_configuration=False, views=VIEW)
    plan = await company.sync(plan_only=True)
    assert meaning(plan) == [
        "customers.remove_earlier_configuration: true → false",
        "customers.views: none → Accounts: Printers",
        "0 records come into scope, 2 leave it",
    ]
    assert plan_summary(plan.json())[0] == plan_lines(plan.json())[0] == "What changed for customers:"
    ran = await company.sync()
    assert meaning(ran) == meaning(plan) and "  customers.views: none → Accounts: Printers" in run_lines(ran.json())
    remembered = history.run(company.ledger, ran.run, 3)
    assert "  customers.views: none → Accounts: Printers" in list(lines_of_run(remembered))
    assert meaning(await company.quiet(full=True)) == []
    company.choose(views=())
    assert meaning(await company.sync())[-1] == "2 records come into scope, 0 leave it"


async def test_a_policy_is_told_by_its_words(company: Company, two_accounts: dict[str, Ref]) -> None:
    company.choose(conflicts="newest")
    assert meaning(await company.sync()) == [
        "customers.conflicts: ask → newest",
        "0 records come into scope, 0 leave it",
    ]


async def test_a_mapping_is_told_by_its_fields_and_what_they_write(company: Company, two_accounts: dict[str, Ref]) -> None:
    whole = company.project
    remap(company, lambda item: item.name != "website")
    assert meaning(await company.sync())[0] == "mappings/accounts.yaml: website is gone: 0 records are written"
    company.edit_crm("Accounts", two_accounts["other"].id, Website="https://bunkyo.example")
    await company.quiet()
    company.project = whole
    assert meaning(await company.sync())[0] == "mappings/accounts.yaml: website is new: 1 record is written"


async def test_nothing_is_said_where_nothing_changed(company: Company, two_accounts: dict[str, Ref]) -> None:
    assert meaning(await company.quiet(full=True)) == []


# ------------------------------------------------------------------------------------- what former settings sent to Books


async def test_customers_made_under_a_former_view_are_removed_once(company: Company, two_accounts: dict[str, Ref]) -> None:
    company.choose(views=VIEW)
    plan = await company.sync(plan_only=True)
    assert [(one["verb"], one["label"]) for one in plan.entities["customers"]["actions"]] == [("remove", "Bunkyo Ltd")]
    removed = customer_of(company, two_accounts["other"])
    ran = await company.sync()
    assert names(company) == {"Aoyama Ltd": "active"}
    assert company.outcome(removed) == company.outcome(two_accounts["other"]) == ("removed", "earlier_configuration")
    assert ran.entities["customers"]["writes"] == {"crm": 0, "books": 1}
    await company.quiet(full=True)
    await company.quiet()
    [row] = [row for _, row in company.ledger.story("demo", removed) if row.kind == "write" and row.outcome == "removed"]
    assert {"field": "name", "side": "books", "before": "Bunkyo Ltd", "after": None, "reason": "earlier_configuration"} in (
        row.detail["changes"]
    )


async def test_one_with_transactions_is_made_inactive_and_keeps_its_link(company: Company, two_accounts: dict[str, Ref]) -> None:
    kept = customer_of(company, two_accounts["other"])
    company.seed_books("invoices", customer_id=kept.id)
    company.choose(views=VIEW)
    await company.sync()
    assert names(company) == {"Aoyama Ltd": "active", "Bunkyo Ltd": "inactive"}
    assert company.outcome(kept) == ("removed", "earlier_configuration: made inactive, it has transactions")
    assert customer_of(company, two_accounts["other"]) == kept
    await company.quiet(full=True)
    await company.quiet(full=True)


async def test_a_customer_that_renkei_did_not_make_is_never_removed(company: Company) -> None:
    company.world.crm.add_view("Accounts", "Printers", OF_PRINTERS)
    company.choose(remove_earlier_configuration=True, duplicates="link")
    company.seed_books("contacts", contact_name="Bunkyo Ltd", company_name="Bunkyo Ltd")
    company.seed_crm("Accounts", Account_Name="Bunkyo Ltd")
    await company.sync()
    company.choose(views=VIEW)
    await company.quiet()
    assert names(company) == {"Bunkyo Ltd": "active"}


async def test_without_the_option_nothing_is_removed_and_with_it_later_it_is(
    company: Company, two_accounts: dict[str, Ref]
) -> None:
    company.choose(remove_earlier_configuration=False, views=VIEW)
    await company.quiet()
    company.choose(remove_earlier_configuration=True)
    await company.sync()
    assert names(company) == {"Aoyama Ltd": "active"}


async def test_a_record_that_leaves_the_view_by_an_edit_is_not_removed(company: Company, two_accounts: dict[str, Ref]) -> None:
    company.choose(views=VIEW)
    await company.sync()
    company.edit_crm("Accounts", two_accounts["printer"].id, Industry="Food")
    await company.quiet(full=True)
    assert names(company) == {"Aoyama Ltd": "active"}
    assert company.outcome(two_accounts["printer"]) == ("skipped", "out_of_view")


async def test_the_former_view_back_again_makes_each_customer_once(company: Company, two_accounts: dict[str, Ref]) -> None:
    company.choose(views=VIEW)
    await company.sync()
    company.choose(views=())
    await company.sync()
    assert names(company) == {"Aoyama Ltd": "active", "Bunkyo Ltd": "active"}
    await company.quiet(full=True)


async def test_individuals_made_of_contacts_go_when_accounts_are_synced_instead(company: Company) -> None:
    company.choose(modules="contacts", duplicates="link")
    company.seed_crm("Contacts", First_Name="Hana", Last_Name="Mori", Email="hana@example.com")
    company.seed_crm("Accounts", Account_Name="Aoyama Ltd")
    await company.sync()
    assert names(company).keys() == {"Mori Hana"}
    company.choose(modules="accounts", remove_earlier_configuration=True)
    plan = await company.sync(plan_only=True)
    [removal] = [one for one in plan.entities["customers"]["actions"] if one["verb"] == "remove"]
    assert ("email", "•••") in [(one["field"], one["before"]) for one in removal["changes"]]  # of a mapping in use no longer
    await company.sync()
    assert names(company).keys() == {"Aoyama Ltd"}
    await company.quiet(full=True)


@pytest.mark.parametrize("fault", ["timeout-after-commit", "timeout-before", "500-after-commit"])
async def test_a_removal_whose_answer_is_lost_is_settled_by_the_next_run(
    company: Company, two_accounts: dict[str, Ref], fault: str
) -> None:
    company.choose(views=VIEW)
    company.world.faults.add(f"{fault}@books:DELETE/contacts")
    await company.sync()
    company.world.faults.clear()
    await company.sync()
    assert names(company) == {"Aoyama Ltd": "active"}
    await company.quiet(full=True)


async def test_many_removals_wait_for_a_person(company: Company) -> None:
    company.world.crm.add_view("Accounts", "Printers", OF_PRINTERS)
    company.choose(remove_earlier_configuration=True)
    for number in range(6):
        company.seed_crm("Accounts", Account_Name=f"Customer {number}")
    await company.sync()
    company.choose(views=VIEW)
    company.spec = dataclasses.replace(company.spec, brakes=dataclasses.replace(OFF, removed_share=0.02))
    held = await company.sync()
    assert held.status == "held" and [one.brake for one in held.brakes] == ["removed_share"]
    assert len(names(company)) == 6
    await company.apply(held, release=("removed_share",))
    assert names(company) == {}
    await company.quiet(full=True)


async def test_contacts_that_were_customers_become_persons_of_their_accounts(company: Company) -> None:
    """The individuals go, those with transactions wait for a person, and the others meet their account's customer."""
    company.choose(modules="contacts", duplicates="link")
    account = company.seed_crm("Accounts", Account_Name="Aoyama Ltd")
    hana, ken = (
        company.seed_crm("Contacts", First_Name=first, Last_Name="Mori", Email=email, Account_Name={"id": account})
        for first, email in (("Hana", "hana@example.com"), ("Ken", "ken@example.com"))
    )
    company.seed_crm("Contacts", First_Name="Rei", Last_Name="Sato", Email="rei@example.com")
    await company.sync()
    company.seed_books("invoices", customer_id=customer_of(company, Ref("crm", "Contacts", ken)).id)
    company.world.clock.advance(600)
    company.choose(modules="accounts_and_contacts", remove_earlier_configuration=True)
    assert not (await company.sync(plan_only=True)).entities["customers"]["holds"]
    await company.sync()
    assert names(company) == {"Aoyama Ltd": "active", "Mori Ken": "inactive"}
    await company.sync()
    [business] = [row for row in company.books().values() if row["contact_name"] == "Aoyama Ltd"]
    assert [one["email"] for one in business["contact_persons"]] == ["hana@example.com"]
    assert company.outcome(Ref("crm", "Contacts", ken)) == ("held", "moved_account")
    assert company.outcome(Ref("crm", "Contacts", hana))[0] == "created"
    await company.quiet(full=True)


async def test_one_edited_in_the_crm_since_it_went_out_of_scope_is_still_removed(
    company: Company, two_accounts: dict[str, Ref]
) -> None:
    company.choose(views=VIEW, remove_earlier_configuration=False)
    await company.sync()
    company.edit_crm("Accounts", two_accounts["other"].id, Phone="03-9999-9999")
    await company.sync()
    company.choose(remove_earlier_configuration=True)
    await company.sync()
    assert names(company) == {"Aoyama Ltd": "active"}


async def test_one_that_a_person_marks_active_again_is_left_alone(company: Company, two_accounts: dict[str, Ref]) -> None:
    kept = customer_of(company, two_accounts["other"])
    company.seed_books("invoices", customer_id=kept.id)
    company.choose(views=VIEW)
    await company.sync()
    company.edit_books("contacts", kept.id, status="active")
    await company.quiet(full=True)
    assert names(company)["Bunkyo Ltd"] == "active" and company.outcome(kept) == ("skipped", "out_of_view")


async def test_one_that_a_person_edited_in_books_is_listed_with_what_it_says_now(
    company: Company, two_accounts: dict[str, Ref]
) -> None:
    company.edit_books("contacts", customer_of(company, two_accounts["other"]).id, website="https://bunkyo.example")
    company.choose(views=VIEW)
    plan = await company.sync(plan_only=True)
    [removal] = plan.entities["customers"]["actions"]
    assert ("website", "https://bunkyo.example") in [(one["field"], one["before"]) for one in removal["changes"]]


async def test_the_conflicts_copy_of_a_customer_is_nobodys_former_setting(company: Company, two_accounts: dict[str, Ref]) -> None:
    """The copy that `conflicts: clone` made is set aside without a link; it keeps what a person said in Books."""
    company.choose(conflicts="clone")
    await company.sync()
    company.edit_crm("Accounts", two_accounts["other"].id, Phone="03-1111-1111")
    company.world.books.edit(
        "contacts", customer_of(company, two_accounts["other"]).id, billing_address={"phone": "03-2222-2222"}
    )
    await company.sync()
    assert len(names(company)) == 3
    company.choose(views=VIEW)
    await company.sync()
    assert len(names(company)) == 2 and "Bunkyo Ltd" not in names(company)
    await company.quiet(full=True)


async def test_the_questions_that_a_policy_ends_are_counted(company: Company) -> None:
    company.choose(duplicates="ask")
    company.seed_crm("Accounts", Account_Name="Aoyama Ltd")
    company.seed_books("contacts", contact_name="Aoyama Ltd", company_name="Aoyama Ltd")
    await company.sync()
    company.choose(duplicates="link")
    assert meaning(await company.sync(plan_only=True))[-1] == "1 question is asked no longer, 0 new"
    await company.sync()
    company.choose(duplicates="ask")
    assert meaning(await company.sync()) == ["customers.duplicates: link → ask", "0 records come into scope, 0 leave it"]
