"""Merges on either side, from a person's hand to what stands in both systems: the link moves, and nothing stands twice."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from company import Company

from renkei.core.connection import Deletes
from renkei.core.values import Ref

WORDS = get_args(Deletes)


def account(record: str) -> Ref:
    return Ref("crm", "Accounts", record)


def customer(record: str) -> Ref:
    return Ref("books", "contacts", record)


def names(company: Company) -> tuple[list[str], dict[str, str]]:
    crm = sorted(one["Account_Name"] for one in company.crm().values())
    return crm, {one["contact_name"]: one["status"] for one in company.books().values()}


async def rests(company: Company) -> None:
    before = names(company)
    for full in (True, False):
        company.world.clock.advance(3600)
        await company.quiet(full=full)
    assert names(company) == before and company.ledger.verify().broken is None


async def two(company: Company, **words: Any) -> tuple[str, str]:
    """Two accounts, linked with a customer each: (the one that will stay, the one that will go)."""
    company.choose(**words)
    stays = company.seed_crm("Accounts", Account_Name="Aoyama Printing", Website="https://aoyama.example")
    goes = company.seed_crm("Accounts", Account_Name="Aoyama Insatsu", Website="https://insatsu.example")
    await company.sync()
    company.world.clock.advance(600)
    return stays, goes


def partner(company: Company, crm: str) -> str:
    return str(company.crm()[crm]["renkei_books_id"])


def told(company: Company, ref: Ref) -> list[str]:
    return [f"{row.outcome}: {row.reason}" for _, row in company.ledger.story("demo", ref) if row.kind == "record"]


# -------------------------------------------------------------------------------------------------------- in the CRM


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
async def test_a_linked_account_merged_into_an_unlinked_one_hands_its_link_to_the_survivor(
    company: Company, word: str, full: bool
) -> None:
    company.choose(deletes=word)
    goes = company.seed_crm("Accounts", Account_Name="Aoyama Insatsu", Website="https://insatsu.example")
    await company.sync()
    books, before = partner(company, goes), company.ledger.link_of("demo", account(goes))
    company.world.clock.advance(600)
    stays = company.seed_crm("Accounts", Account_Name="Aoyama Printing")
    company.world.crm.merge("Accounts", stays, goes)
    await company.sync(full=full)
    assert names(company) == (["Aoyama Printing"], {"Aoyama Printing": "active"}), "the survivor's values go on"
    link = company.ledger.link_of("demo", account(stays))
    assert link is not None and before is not None
    assert (link.id, link.books.id, link.dead) == (before.id, books, None)
    assert told(company, account(goes))[-1] == "removed: link_moved" and not company.ledger.open_holds("demo")
    await rests(company)


@pytest.mark.parametrize("word", WORDS)
async def test_an_unlinked_account_merged_into_a_linked_one_changes_nothing(company: Company, word: str) -> None:
    stays, _ = await two(company, deletes=word)
    before, link = names(company), company.ledger.link_of("demo", account(stays))
    stray = company.seed_crm("Accounts", Account_Name="Aoyama Ins")
    company.world.crm.merge("Accounts", stays, stray)
    await company.quiet()
    assert names(company) == before and company.ledger.link_of("demo", account(stays)) == link
    await rests(company)


@pytest.mark.parametrize("word", WORDS)
async def test_two_linked_accounts_merged_are_a_question_under_every_word_where_their_contacts_tell_of_it(
    company: Company, word: str
) -> None:
    company.choose(modules="accounts_and_contacts")
    stays, goes = await two(company, deletes=word)
    for holder in (stays, goes):
        email = f"m{holder[-4:]}@example.jp"
        company.seed_crm("Contacts", Last_Name="Mori", Email=email, Account_Name={"id": holder})
    await company.sync()
    lost = partner(company, goes)
    company.world.clock.advance(600)
    company.world.crm.merge("Accounts", stays, goes)
    before = names(company)
    await company.sync(full=False)
    assert names(company) == before
    (hold,) = [one for one in company.ledger.open_holds("demo") if one.question == "merged_both_linked"]
    assert (hold.record, hold.choices) == (account(goes), ("keep", "unlink"))
    assert [one["record"] for one in hold.candidates] == [str(account(stays)), str(customer(lost))]
    await rests(company)


@pytest.mark.parametrize(("choice", "said"), [("keep", "skipped: deleted"), ("unlink", "removed: unlink")])
async def test_two_linked_accounts_merged_are_a_question_where_a_published_row_tells_of_it_and_a_person_decides(
    company: Company, choice: str, said: str
) -> None:
    company.entities = ("customers", "documents", "summaries")
    stays, goes = await two(company, deletes="delete")
    lost = partner(company, goes)
    company.seed_books("invoices", customer_id=lost, line_items=[{"name": "A page", "rate": 1000, "quantity": 1}])
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.merge("Accounts", stays, goes)
    await company.sync(full=False)
    (hold,) = company.ledger.open_holds("demo")
    assert (hold.question, hold.record) == ("merged_both_linked", account(goes))
    assert names(company)[1] == {"Aoyama Printing": "active", "Aoyama Insatsu": "active"}
    company.decide(hold.id, choice)
    await company.sync(full=False)
    assert told(company, account(goes))[-1] == said and not company.ledger.open_holds("demo")
    await rests(company)


async def test_contacts_of_a_merged_account_stay_persons_of_its_customer(company: Company) -> None:
    company.choose(modules="accounts_and_contacts", deletes="delete")
    goes = company.seed_crm("Accounts", Account_Name="Aoyama Insatsu")
    company.seed_crm("Contacts", Last_Name="Mori", Email="mori@example.jp", Account_Name={"id": goes})
    await company.sync()
    company.world.clock.advance(600)
    stays = company.seed_crm("Accounts", Account_Name="Aoyama Printing")
    company.world.crm.merge("Accounts", stays, goes)
    await company.sync(full=False)
    (only,) = company.books().values()
    assert [one["email"] for one in only["contact_persons"]] == ["mori@example.jp"]
    assert partner(company, stays) == only["contact_id"] and not company.ledger.open_holds("demo")
    await rests(company)


# --------------------------------------------------------------------------------------------------------- in Books


async def with_invoice(company: Company, **words: Any) -> tuple[str, str]:
    """A linked customer with an invoice, and one that nobody has linked: (that one, the linked one)."""
    company.entities = ("customers", "documents", "summaries")
    company.choose(**{"direction": "to_books", **words})
    crm = company.seed_crm("Accounts", Account_Name="Aoyama Insatsu", Website="https://insatsu.example")
    await company.sync()
    goes = partner(company, crm)
    company.seed_books("invoices", customer_id=goes, line_items=[{"name": "A page", "rate": 1000, "quantity": 1}])
    stays = company.seed_books("contacts", contact_name="Aoyama Printing", company_name="Aoyama Printing")
    await company.sync()
    company.world.clock.advance(600)
    return stays, goes


@pytest.mark.parametrize("planned", [False, True], ids=["at once", "planned before"])
@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
async def test_a_linked_customer_merged_into_an_unlinked_one_hands_its_link_and_its_key_to_the_survivor(
    company: Company, full: bool, planned: bool
) -> None:
    stays, goes = await with_invoice(company)
    (crm,) = company.crm()
    before = company.ledger.link_of("demo", account(crm))
    company.world.books.merge(stays, goes)
    if planned:
        await company.sync(full=full, plan_only=True)
    await company.sync(full=full)
    link = company.ledger.link_of("demo", account(crm))
    assert before is not None and link is not None and (link.id, link.books.id) == (before.id, stays)
    assert partner(company, crm) == stays
    assert told(company, customer(goes))[-1] == "removed: link_moved"
    assert names(company)[1] == {"Aoyama Printing": "active", "Aoyama Insatsu": "inactive"}
    company.edit_crm("Accounts", crm, Website="https://new.example")
    await company.sync(full=False)
    assert company.books()[stays]["website"] == "https://new.example", "written, though the loser had held our unique key"
    assert [row["Account"]["id"] for row in company.crm("Renkei_Documents").values()] == [crm]
    await rests(company)


async def test_two_linked_customers_merged_are_a_question(company: Company) -> None:
    company.entities = ("customers", "documents", "summaries")
    stays, goes = await two(company)
    kept, lost = partner(company, stays), partner(company, goes)
    company.seed_books("invoices", customer_id=lost, line_items=[{"name": "A page", "rate": 1000, "quantity": 1}])
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.merge(kept, lost)
    await company.sync(full=False)
    (hold,) = company.ledger.open_holds("demo")
    assert (hold.question, hold.record, hold.choices) == ("merged_both_linked", customer(lost), ("keep", "unlink"))
    await company.sync()
    assert company.ledger.open_holds("demo") == [hold]
    company.decide(hold.id, "unlink")
    await company.sync()
    assert company.ledger.link_of("demo", account(goes)) is None and not company.ledger.open_holds("demo")
    assert len(company.books()) == 2 and len(company.crm()) == 2
    await rests(company)


async def test_a_customer_made_inactive_by_hand_was_not_merged(company: Company) -> None:
    _, goes = await with_invoice(company)
    (crm,) = company.crm()
    company.edit_books("contacts", goes, status="inactive")
    await company.sync()
    link = company.ledger.link_of("demo", account(crm))
    assert link is not None and link.books.id == goes
    company.edit_books("contacts", goes, status="active")
    await company.sync()
    assert company.ledger.link_of("demo", account(crm)) == link and len(company.books()) == 2
    await rests(company)


async def test_persons_of_a_merged_customer_are_met_or_made_under_the_survivor(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    stays, goes = await with_invoice(company, modules="accounts_and_contacts", direction="to_books")
    (crm,) = company.crm()
    company.seed_crm("Contacts", Last_Name="Mori", Email="mori@example.jp", Account_Name={"id": crm})
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.merge(stays, goes)
    for _ in range(2):
        await company.sync()
    assert [one["email"] for one in company.books()[stays]["contact_persons"]] == ["mori@example.jp"]
    await rests(company)
