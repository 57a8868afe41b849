"""Situations in which a whole run once did wrong. Most were found by tests/engine/test_sync_state_machine.py."""

from __future__ import annotations

import pytest
from company import Company

from renkei.core.values import Ref
from renkei.engine import record as recording


async def test_a_product_without_a_price_gets_the_default_that_books_demands(company: Company) -> None:
    company.entities = ("products",)
    company.seed_crm("Products", Product_Name="Wiring", Product_Code="W-1")
    report = await company.sync()
    assert report.status == "green"
    assert [(one["name"], one["rate"]) for one in company.books("items").values()] == [("Wiring", 0)]
    await company.quiet()


async def test_a_partner_that_a_full_run_read_unchanged_takes_the_word_of_its_pair(company: Company) -> None:
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    await company.sync()
    await company.quiet()
    company.edit_crm("Accounts", account, Website="https://aozora.example")
    report = await company.sync()
    assert report.entities["customers"]["outcomes"]["updated"] == 2


async def test_an_hourly_run_gives_words_to_the_rows_that_it_read_and_to_no_other(company: Company) -> None:
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    await company.sync()
    company.world.clock.advance(3600)
    for other in ("Fujimori Foods", "Yamato Steel"):
        company.seed_crm("Accounts", Account_Name=other)
    await company.sync()
    company.edit_crm("Accounts", account, Website="https://aozora.example")
    report = await company.sync(full=False)
    customers = report.entities["customers"]
    assert customers["writes"] == {"crm": 0, "books": 1}
    assert sum(customers["outcomes"].values()) == sum(customers["extracted"].values())


async def test_what_a_run_made_and_a_person_deleted_before_a_list_showed_it_is_missed(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*given: object) -> None:
        raise KeyboardInterrupt

    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    with monkeypatch.context() as patch:
        patch.setattr(recording, "_closing_read", dies)
        with pytest.raises(KeyboardInterrupt):
            await company.sync()
    customer = next(one for one, row in company.books().items() if row["company_name"] == "Aozora Bank")
    company.world.clock.advance(600)
    company.world.books.delete("contacts", customer)
    await company.sync()
    link = company.ledger.link_of("demo", Ref("crm", "Accounts", account))
    assert link is not None and link.dead == "books"
    assert not company.ledger.open_ids("demo", "books", "contacts")


async def test_a_contact_whose_customer_was_deleted_in_books_is_left_alone_like_its_account(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    await company.sync()
    customer = next(one for one, row in company.books().items() if row["company_name"] == "Aozora Bank")
    company.world.clock.advance(600)
    company.world.books.delete("contacts", customer)
    await company.quiet()
    contact = company.seed_crm("Contacts", Last_Name="Sato", Account_Name={"id": account})
    assert (await company.quiet()).status == "green"
    assert company.outcome(Ref("crm", "Contacts", contact)) == ("skipped", "customer_partner_deleted")


async def test_a_contact_left_alone_while_its_account_lay_in_the_bin_follows_when_that_is_back(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    await company.sync()
    company.world.clock.advance(600)
    company.seed_crm("Contacts", Last_Name="Sato", Account_Name={"id": account})
    company.world.crm.delete("Accounts", account)
    assert (await company.quiet()).status == "green"
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", account)
    await company.sync()
    await company.sync()
    assert [one["last_name"] for row in company.books().values() for one in row["contact_persons"]] == ["Sato"]


async def test_persons_of_a_customer_that_was_deleted_in_books_go_with_it(company: Company) -> None:
    company.choose(modules="accounts_and_contacts")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    contact = company.seed_crm("Contacts", Last_Name="Sato", Account_Name={"id": account})
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    await company.sync()
    await company.quiet()
    customer = next(one for one, row in company.books().items() if row["company_name"] == "Aozora Bank")
    company.world.clock.advance(600)
    company.world.books.delete("contacts", customer)
    company.edit_crm("Contacts", contact, Title="Head of treasury")
    assert (await company.quiet()).status == "green"


@pytest.mark.parametrize("fault", [None, "timeout-after-commit@books:POST/contactpersons*1"])
async def test_a_person_edited_on_both_sides_is_kept_twice_under_clone_and_not_thrice(
    company: Company, fault: str | None
) -> None:
    company.choose(modules="accounts_and_contacts", conflicts="clone")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    contact = company.seed_crm("Contacts", Last_Name="Sato", Title="Clerk", Account_Name={"id": account})
    await company.sync()
    ((customer, row),) = company.books().items()
    (person,) = row["contact_persons"]
    company.edit_crm("Contacts", contact, Title="Head of treasury")
    company.edit_books("contacts", customer, contact_persons=[{**person, "designation": "Head of accounts"}])
    company.world.clock.advance(600)
    if fault:
        company.world.faults.add(fault)
    await company.sync()
    await company.sync()
    await company.quiet()
    assert sorted(one["designation"] for one in company.books()[customer]["contact_persons"]) == [
        "Head of accounts", "Head of treasury",
    ]  # fmt: skip
    assert len(company.crm("Contacts")) == 1


async def test_what_a_person_deleted_while_its_creates_answer_was_lost_is_not_made_anew(company: Company) -> None:
    company.entities = ("products",)
    product = company.seed_crm("Products", Product_Name="Anvil", Product_Code="A-1")
    company.seed_crm("Products", Product_Name="Bellows", Product_Code="B-1")
    company.world.faults.add("timeout-after-commit@books:PUT/items*2")
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.delete("Products", product)
    await company.sync()
    assert [row["Product_Name"] for row in company.crm("Products").values()] == ["Bellows"]
    company.world.clock.advance(600)
    company.world.crm.restore("Products", product)
    await company.sync()
    await company.quiet()
    assert len(company.books("items")) == 2


async def test_a_clone_whose_answer_was_lost_asks_nothing_about_the_suffix_that_we_gave_it(company: Company) -> None:
    company.entities = ("products",)
    company.choose("products", duplicates="clone")
    company.seed_crm("Products", Product_Name="Anvil", Product_Code="A-1", Unit_Price=5, Product_Active=True)
    company.seed_books("items", name="Anvil", sku="A-1", rate=5)
    company.world.faults.add("timeout-after-commit@books:PUT/items*1")
    await company.sync()
    company.world.clock.advance(600)
    await company.sync()
    assert not [hold.field for hold in company.ledger.open_holds("demo") if hold.field]
    assert len(company.books("items")) == 2
