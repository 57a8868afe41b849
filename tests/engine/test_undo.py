"""What a run wrote goes back by a plan of its own, where nobody has changed it since."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_rows import linked_pair

from renkei.core.errors import AskedWrongly
from renkei.core.values import Ref
from renkei.engine.sequence import Report
from renkei.engine.undo import plan_undo
from renkei.engine.work import ENTITIES, Request
from renkei.sandbox.seeds import load


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.entities = ("customers", "products")
        yield made


async def undo(company: Company, run: str, record: Ref | None = None, field: str = "") -> Report:
    """The plan that goes back."""
    async with company.rooms() as rooms:
        return await plan_undo(rooms, Request(actor="test"), run, record, field)


async def undone(company: Company, run: str, record: Ref | None = None, field: str = "") -> Report:
    """The plan that goes back, applied."""
    return await company.apply(await undo(company, run, record, field))


def pairs(company: Company, number: int) -> list[tuple[str, str]]:
    """So many parties of one name on both sides, each with a website of its own there: account and customer."""
    found = []
    for place in range(number):
        name = f"Party {place:03d}"
        account = company.seed_crm("Accounts", Account_Name=name, Website=f"https://crm{place}.example.jp")
        site = f"https://books{place}.example.jp"
        found.append((account, company.seed_books("contacts", contact_name=name, company_name=name, website=site)))
    return found


def sites(company: Company) -> dict[str, str]:
    return {one: row["website"] for one, row in company.books().items()}


def left(report: Report) -> list[dict[str, Any]]:
    return [one for part in report.entities.values() for one in part["left"]]


async def test_of_100_overwrites_with_7_edited_since_93_go_back_and_7_are_listed(company: Company) -> None:
    found = pairs(company, 100)
    before = sites(company)
    run = await company.sync()
    assert not before.items() & sites(company).items()
    edited = {customer for _, customer in found[::15]}
    for customer in edited:
        company.edit_books("contacts", customer, website="https://person.example.jp")
    plan = await undo(company, run.run, field="website")
    assert not before.items() & sites(company).items(), "a plan writes nothing"
    assert len(edited) == 7 and {one["record"] for one in left(plan)} == {f"books:contacts:{one}" for one in edited}
    assert {one["before"] for one in left(plan)} == {"https://person.example.jp"}
    done = await company.apply(plan)
    outcomes = done.entities["customers"]["outcomes"]
    assert (outcomes["updated"], outcomes["skipped"]) == (2 * 93, 2 * 7) and done.status == "green"
    assert sites(company) == {**before, **dict.fromkeys(edited, "https://person.example.jp")}


async def one_overwrite(company: Company) -> tuple[str, str, str]:
    """An account, its customer, and the run that wrote an edit of the account's website over to Books."""
    ((account, customer),) = pairs(company, 1)
    await company.sync()
    company.edit_crm("Accounts", account, Website="https://new.example.jp")
    return account, customer, (await company.sync(full=False)).run


async def test_what_was_undone_is_not_done_again_but_asked(company: Company) -> None:
    account, customer, run = await one_overwrite(company)
    done = await undone(company, run)
    assert (done.status, sites(company)[customer]) == ("green", "https://crm0.example.jp")
    for full in (False, True):
        again = await company.quiet(full=full)
        assert again.entities["customers"]["outcomes"]["held"] == 2 and again.status == "amber"
    assert company.crm()[account]["Website"] == "https://new.example.jp"
    (hold,) = company.ledger.open_holds("demo")
    assert (hold.question, hold.field, hold.choices) == ("undone", "website", ("crm", "books", "keep"))


@pytest.mark.parametrize(
    ("choice", "crm", "books"),
    [("crm", "new", "new"), ("books", "crm0", "crm0"), ("keep", "new", "crm0")],
)
async def test_a_person_says_what_holds_after_an_undo(company: Company, choice: str, crm: str, books: str) -> None:
    account, customer, run = await one_overwrite(company)
    await undone(company, run)
    company.decide(company.ledger.open_holds("demo")[0].id, choice)
    assert (await company.sync(full=False)).status == "green"
    assert company.crm()[account]["Website"] == f"https://{crm}.example.jp"
    assert sites(company)[customer] == f"https://{books}.example.jp"
    assert not company.ledger.open_holds("demo")
    await company.quiet()


@pytest.mark.parametrize("side", ["crm", "books"])
async def test_an_edit_after_an_undo_goes_over_like_any_other_and_ends_the_question(company: Company, side: str) -> None:
    account, customer, run = await one_overwrite(company)
    await undone(company, run)
    if side == "crm":
        company.edit_crm("Accounts", account, Website="https://third.example.jp")
    else:
        company.edit_books("contacts", customer, website="https://third.example.jp")
    assert (await company.sync(full=False)).status == "green"
    assert company.crm()[account]["Website"] == sites(company)[customer] == "https://third.example.jp"
    assert not company.ledger.open_holds("demo")
    await company.quiet()


async def test_undoing_the_undo_returns(company: Company) -> None:
    account, customer, run = await one_overwrite(company)
    back = await undone(company, run)
    await undone(company, back.run)
    assert company.crm()[account]["Website"] == sites(company)[customer] == "https://new.example.jp"
    assert (await company.quiet(full=False)).status == "green"
    assert not company.ledger.open_holds("demo")
    await company.quiet()


async def test_what_is_undone_already_has_nothing_to_go_back(company: Company) -> None:
    _, _, run = await one_overwrite(company)
    await undone(company, run)
    again = await undo(company, run)
    assert not [one for plan in again.plans for one in plan.actions] and not left(again)


async def test_a_row_edited_between_plan_and_apply_is_refused_and_stays(company: Company) -> None:
    _, customer, run = await one_overwrite(company)
    plan = await undo(company, run)
    company.edit_books("contacts", customer, website="https://person.example.jp")
    done = await company.apply(plan)
    assert done.entities["customers"]["outcomes"]["refused"] == 2 and not company.ledger.open_holds("demo")
    assert sites(company)[customer] == "https://person.example.jp"
    assert (await company.sync(full=False)).status == "green"


async def test_a_value_that_a_later_run_wrote_is_left(company: Company) -> None:
    account, customer, run = await one_overwrite(company)
    company.edit_crm("Accounts", account, Website="https://third.example.jp")
    await company.sync(full=False)
    plan = await undo(company, run)
    assert [one["reason"] for one in left(plan)] == ["changed_since"]
    await company.apply(plan)
    assert sites(company)[customer] == "https://third.example.jp"


async def test_one_record_of_a_run_is_undone_and_the_rest_later(company: Company) -> None:
    (one, two) = pairs(company, 2)
    before = sites(company)
    run = (await company.sync()).run
    await undone(company, run, Ref("crm", "Accounts", one[0]), "website")
    assert sites(company)[one[1]] == before[one[1]] and sites(company)[two[1]] != before[two[1]]
    await undone(company, run, field="website")
    assert sites(company) == before


async def test_a_run_that_wrote_nothing_or_is_unknown_is_nothing_to_undo(company: Company) -> None:
    pairs(company, 1)
    await company.sync()
    quiet = await company.sync()
    with pytest.raises(AskedWrongly, match="wrote nothing"):
        await undo(company, quiet.run)
    with pytest.raises(AskedWrongly, match="has no run"):
        await undo(company, "yesterday's")


# ------------------------------------------------------------------------------------------------------------- creates


async def test_what_a_run_made_in_books_is_removed_and_not_made_again_until_a_person_says_so(company: Company) -> None:
    account = company.seed_crm("Accounts", Account_Name="Aozora", Website="https://aozora.example.jp")
    run = (await company.sync()).run
    done = await undone(company, run)
    assert not company.books() and done.entities["customers"]["outcomes"]["removed"] == 2
    for full in (False, True):
        await company.quiet(full=full)
    assert not company.books() and company.outcome(Ref("crm", "Accounts", account)) == ("held", "undone_record")
    (hold,) = company.ledger.open_holds("demo")
    company.decide(hold.id, "create")
    assert (await company.sync(full=False)).status == "green"
    (customer,) = company.books()
    assert company.crm()[account]["renkei_books_id"] == customer
    await company.quiet()


async def test_a_record_that_an_undo_took_the_partner_of_can_be_left_alone_for_good(company: Company) -> None:
    account = company.seed_crm("Accounts", Account_Name="Aozora")
    await undone(company, (await company.sync()).run)
    company.decide(company.ledger.open_holds("demo")[0].id, "skip")
    assert (await company.quiet(full=False)).status == "green"
    assert (await company.quiet()).status == "green" and not company.books()
    assert company.outcome(Ref("crm", "Accounts", account)) == ("skipped", "decision_skip")


async def test_what_a_run_made_in_the_crm_goes_to_the_recycle_bin(company: Company) -> None:
    customer = company.seed_books("contacts", contact_name="Aozora", company_name="Aozora")
    run = (await company.sync()).run
    assert len(company.crm()) == 1
    await undone(company, run)
    assert not company.crm() and company.world.crm.tables["Accounts"].deleted
    await company.quiet()
    assert not company.crm() and company.outcome(Ref("books", "contacts", customer)) == ("held", "undone_record")


async def test_undoing_the_undo_of_a_create_makes_it_again(company: Company) -> None:
    account = company.seed_crm("Accounts", Account_Name="Aozora", Website="https://aozora.example.jp")
    back = await undone(company, (await company.sync()).run)
    await undone(company, back.run)
    ((customer, row),) = company.books().items()
    assert (company.crm()[account]["renkei_books_id"], row["website"]) == (customer, "https://aozora.example.jp")
    assert (await company.quiet(full=False)).status == "green" and not company.ledger.open_holds("demo")
    await company.quiet()


async def test_a_customer_with_transactions_is_made_inactive_by_an_undo_and_keeps_its_link(company: Company) -> None:
    account = company.seed_crm("Accounts", Account_Name="Aozora")
    run = (await company.sync()).run
    (customer,) = company.books()
    company.seed_books("invoices", customer_id=customer, line_items=[{"rate": 100, "quantity": 1, "name": "Work"}])
    back = await undone(company, run)
    assert company.books()[customer]["status"] == "inactive"
    assert company.outcome(Ref("books", "contacts", customer)) == ("removed", "undo: made inactive, it has transactions")
    assert company.ledger.link_of("demo", Ref("crm", "Accounts", account)) is not None
    assert not company.ledger.open_holds("demo")
    await company.quiet()
    await undone(company, back.run)
    assert company.books()[customer]["status"] == "active"
    await company.quiet()


@pytest.mark.parametrize("field", ["website", "notes"])
async def test_a_record_that_somebody_edited_since_its_create_stays_and_is_listed(company: Company, field: str) -> None:
    company.seed_crm("Accounts", Account_Name="Aozora")
    run = (await company.sync()).run
    (customer,) = company.books()
    company.edit_books("contacts", customer, **{field: "https://person.example.jp"})
    plan = await undo(company, run)
    assert {one["reason"] for one in left(plan)} == {"changed_since"}
    await company.apply(plan)
    assert customer in company.books()


async def test_persons_go_with_the_customer_whose_create_is_undone_and_come_back_with_it(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    account = company.seed_crm("Accounts", Account_Name="Aozora")
    for name in ("Sato", "Mori"):
        company.seed_crm("Contacts", Last_Name=name, Account_Name={"id": account})
    run = (await company.sync()).run
    await company.quiet()
    back = await undone(company, run)
    assert not company.books()
    await company.quiet()
    await undone(company, back.run)
    await company.sync(full=False)
    ((_, row),) = company.books().items()
    assert sorted(one["last_name"] for one in row["contact_persons"]) == ["Mori", "Sato"]
    await company.quiet()


async def test_a_person_that_a_run_added_is_taken_out_again(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    account = company.seed_crm("Accounts", Account_Name="Aozora")
    await company.sync()
    contact = company.seed_crm("Contacts", Last_Name="Sato", Account_Name={"id": account})
    company.world.clock.advance(600)
    run = (await company.sync(full=False)).run
    (row,) = company.books().values()
    assert [one["last_name"] for one in row["contact_persons"]] == ["Sato"]
    back = await undone(company, run)
    assert not next(iter(company.books().values()))["contact_persons"]
    await company.quiet()
    assert company.outcome(Ref("crm", "Contacts", contact)) == ("held", "undone_record")
    await undone(company, back.run)
    assert len(next(iter(company.books().values()))["contact_persons"]) == 1
    await company.quiet()


async def test_a_product_that_a_run_made_is_removed(company: Company) -> None:
    company.seed_crm("Products", Product_Name="Anvil", Product_Code="A-1", Unit_Price=100)
    run = (await company.sync()).run
    back = await undone(company, run)
    assert not company.books("items")
    await company.quiet()
    await undone(company, back.run)
    assert [one["sku"] for one in company.books("items").values()] == ["A-1"]
    await company.quiet()


# ------------------------------------------------------------------------------------------------------------ removals


async def two_pairs(company: Company) -> tuple[str, str]:
    """Two accounts in step; the first with its customer."""
    account = company.seed_crm("Accounts", Account_Name="Aozora")
    company.seed_crm("Accounts", Account_Name="Kitano")
    await company.sync()
    return account, company.crm()[account]["renkei_books_id"]


async def test_a_customer_that_a_deletion_made_inactive_is_active_again(company: Company) -> None:
    company.choose(deletes="deactivate")
    account, customer = await two_pairs(company)
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account)
    run = (await company.sync()).run
    assert company.books()[customer]["status"] == "inactive"
    await undone(company, run)
    assert company.books()[customer]["status"] == "active"
    await company.quiet()
    await company.quiet(full=False)
    assert company.books()[customer]["status"] == "active"


async def test_a_customer_that_a_deletion_took_along_cannot_come_back_and_is_listed(company: Company) -> None:
    company.choose(deletes="delete")
    account, customer = await two_pairs(company)
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account)
    run = (await company.sync()).run
    assert customer not in company.books()
    plan = await undo(company, run)
    assert {one["reason"] for one in left(plan)} == {"partner_deleted"}
    assert not [one for part in plan.plans for one in part.actions]


async def test_a_customer_that_was_made_again_is_taken_away_again(company: Company) -> None:
    company.choose(deletes="recreate")
    account, customer = await two_pairs(company)
    company.world.clock.advance(600)
    company.world.books.delete("contacts", customer)
    run = (await company.sync()).run
    assert len(company.books()) == 2
    await undone(company, run)
    assert len(company.books()) == 1
    await company.quiet()
    assert company.outcome(Ref("crm", "Accounts", account)) == ("held", "undone_record")


# --------------------------------------------------------------------------------------------------------------- links


async def test_a_link_that_a_run_made_ends_and_both_sides_are_as_they_were(company: Company) -> None:
    ((account, customer),) = pairs(company, 1)
    before = company.books()[customer]["website"]
    run = (await company.sync()).run
    done = await undone(company, run)
    assert done.entities["customers"]["outcomes"]["removed"] == 2
    assert sites(company)[customer] == before and not company.crm()[account].get("renkei_books_id")
    assert not company.books()[customer].get("cf_renkei_crm_id")
    await company.quiet()
    assert company.ledger.link_of("demo", Ref("crm", "Accounts", account)) is None
    assert company.outcome(Ref("crm", "Accounts", account)) == ("held", "undone_record")
    assert company.outcome(Ref("books", "contacts", customer)) == ("held", "undone_record")


async def test_a_person_links_again_what_an_undo_took_apart(company: Company) -> None:
    ((account, customer),) = pairs(company, 1)
    await undone(company, (await company.sync()).run)
    (hold,) = company.ledger.open_holds("demo")
    assert hold.choices == (f"link books:contacts:{customer}", "create", "skip")
    company.decide(hold.id, hold.choices[0])
    await company.sync(full=False)
    assert company.crm()[account]["renkei_books_id"] == customer


async def test_undoing_the_undo_of_a_link_links_again_with_the_values_of_then(company: Company) -> None:
    ((account, customer),) = pairs(company, 1)
    run = (await company.sync()).run
    after = sites(company)
    back = await undone(company, run)
    again = await undone(company, back.run)
    assert sites(company) == after and company.crm()[account]["renkei_books_id"] == customer
    assert (await company.quiet(full=False)).status == "green" and not company.ledger.open_holds("demo")
    await company.quiet()
    await undone(company, again.run)
    assert sites(company) != after and company.ledger.link_of("demo", Ref("crm", "Accounts", account)) is None


async def test_links_of_persons_end_with_those_of_their_customers(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    ((account, customer),) = pairs(company, 1)
    contact = company.seed_crm("Contacts", Last_Name="Sato", Email="sato@example.jp", Account_Name={"id": account})
    company.edit_books("contacts", customer, contact_persons=[{"last_name": "Sato", "email": "sato@example.jp"}])
    run = (await company.sync()).run
    assert company.ledger.link_of("demo", Ref("crm", "Contacts", contact)) is not None
    await undone(company, run)
    assert company.ledger.link_of("demo", Ref("crm", "Contacts", contact)) is None
    assert len(company.books()[customer]["contact_persons"]) == 1
    await company.quiet()
    await company.quiet()


async def test_a_whole_first_sync_is_undone(company: Company) -> None:
    load(company.world, "demo")
    company.choose(modules="accounts_and_contacts", duplicates="link")
    company.choose("products", duplicates="link")
    before = {kind: {one: row.get("website") for one, row in company.books(kind).items()} for kind in ("contacts", "items")}
    run = (await company.sync()).run
    back = await undone(company, run)
    assert back.status in ("green", "amber"), back.entities
    assert not list(link for link in company.ledger.all_links("demo") if link.state == "live")
    for kind, rows in before.items():
        assert rows.items() <= {one: row.get("website") for one, row in company.books(kind).items()}.items()
    await company.quiet()
    await company.quiet(full=False)


# ---------------------------------------------------------------------------------------------------- what is not put back


async def test_a_run_that_made_documents_alone_says_which_and_that_books_is_the_place_to_change_them(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    company.choose(duplicates="link")
    company.entities = ENTITIES
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    await company.sync()
    company.seed_crm(
        "Deals", Deal_Name="Kita", Account_Name={"id": account}, Stage="Closed Won", Amount=5, Closing_Date="2026-12-31"
    )
    report = await company.sync(full=False, entities=("deals",))
    [made] = company.books("invoices")
    with pytest.raises(AskedWrongly, match=f"made, changed or sent books:invoices:{made}"):
        await undo(company, report.run)


async def test_a_run_that_wrote_to_a_former_organisation_is_not_undone_in_the_present_one(company: Company) -> None:
    company.seed_crm("Accounts", Account_Name="Kita Ltd")
    report = await company.sync()
    company.spec = dataclasses.replace(company.spec, organization="60099999999")
    with pytest.raises(AskedWrongly, match="not_connected: the run"):
        await undo(company, report.run)
