"""Situations in which a whole run once did wrong, found by the simulated nights of soak/."""

from __future__ import annotations

from typing import Any

import pytest
from company import Company

from renkei.core.values import Ref
from renkei.engine import load as loading
from renkei.engine import record as recording
from renkei.engine.sequence import Report


class Killed(BaseException):
    """The process died here."""


def published(company: Company) -> tuple[list[str], list[str]]:
    """The names of the published rows: (documents, receivables)."""
    return (
        sorted(row["Name"] for row in company.crm("Renkei_Documents").values()),
        sorted(row["Name"] for row in company.crm("Renkei_Receivables").values()),
    )


def written(report: Report) -> dict[str, int]:
    return {entity: sum(part["writes"].values()) for entity, part in report.entities.items()}


def invoice(company: Company, customer: str) -> None:
    said = {"date": "2026-10-20", "due_date": "2026-11-19", "status": "sent"}
    company.seed_books("invoices", customer_id=customer, line_items=[{"rate": 500, "quantity": 1}], **said)


async def owing(company: Company) -> tuple[str, str]:
    """An account and its customer, who owes; published."""
    company.entities = ("customers", "documents", "summaries")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    await company.sync()
    customer = next(one for one, row in company.books().items() if row["company_name"] == "Aozora Bank")
    invoice(company, customer)
    await company.sync()
    return account, customer


async def test_a_renamed_customer_has_its_new_name_in_what_is_published_by_the_same_run(company: Company) -> None:
    account, _ = await owing(company)
    company.edit_crm("Accounts", account, Account_Name="Fujimori Foods")
    assert written(await company.sync()) == {"customers": 1, "documents": 0, "summaries": 1}
    assert published(company)[1] == ["Fujimori Foods JPY"]
    await company.quiet()


async def test_an_account_back_from_the_bin_shows_its_invoices_after_the_same_run(company: Company) -> None:
    account, _ = await owing(company)
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account)
    await company.sync()
    assert published(company) == ([], [])
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", account)
    await company.sync()
    assert [len(names) for names in published(company)] == [1, 1]
    await company.quiet()


@pytest.mark.parametrize("full", [True, False])
async def test_what_is_published_of_an_account_that_was_deleted_goes_with_the_run_that_deactivates_its_customer(
    company: Company, full: bool
) -> None:
    company.choose(deletes="deactivate")
    account, customer = await owing(company)
    company.world.clock.advance(600)
    invoice(company, customer)
    company.world.crm.delete("Accounts", account)
    report = await company.sync(full=full)
    assert company.books()[customer]["status"] == "inactive"
    assert report.status == "green"
    assert published(company) == ([], [])
    await company.quiet()


async def test_a_create_that_a_person_decided_and_a_crash_cut_short_is_met_by_its_key(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*given: object) -> None:
        await call(*given)
        raise Killed

    company.choose(duplicates="ask")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank", Phone="03-1234-5678")
    address = {"phone": "03-1234-5678"}
    company.seed_books("contacts", contact_name="Aozora Bank", company_name="Aozora Bank", billing_address=address)
    await company.sync()
    (hold,) = company.ledger.open_holds("demo")
    company.decide(hold.id, "create")
    call = loading._call
    with monkeypatch.context() as patch:
        patch.setattr(loading, "_call", dies)
        with pytest.raises(Killed):
            await company.sync()
    assert len(company.books()) == 2
    company.world.clock.advance(660)
    await company.sync()
    made = next(one for one, row in company.books().items() if row["contact_name"] != "Aozora Bank")
    link = company.ledger.link_of("demo", Ref("crm", "Accounts", account))
    assert link is not None and link.books.id == made
    assert len(company.books()) == 2
    await company.quiet()


async def test_a_contact_whose_account_comes_back_from_the_bin_goes_with_its_new_customer(company: Company) -> None:
    """Its key names the person who was deleted with the former customer: it got a link to him beside that to its new one."""
    company.choose(modules="accounts_and_contacts", duplicates="link", deletes="delete")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank")
    contact = company.seed_crm("Contacts", Last_Name="Mori", Email="mori@aozora.example", Account_Name={"id": account})
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    person = {"last_name": "Mori", "email": "mori@aozora.example"}
    customer = company.seed_books("contacts", contact_name="Aozora Bank", company_name="Aozora Bank", contact_persons=[person])
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.delete("contacts", customer)
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", account)
    company.edit_crm("Contacts", contact, Title="CFO")
    await company.sync()
    [made] = [row for row in company.books().values() if row["company_name"] == "Aozora Bank"]
    assert [one["last_name"] for one in made["contact_persons"]] == ["Mori"]
    await company.quiet()


async def test_an_account_back_from_the_bin_never_overwrites_the_customer_of_the_one_that_was_made_in_its_place(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that made it again died before it could note that it did; the customer bears the key still, and a create by key
    would have met it."""
    company.choose(duplicates="link", deletes="recreate")
    account = company.seed_crm("Accounts", Account_Name="Aozora Bank", Phone="03-1111-1111")
    company.seed_crm("Accounts", Account_Name="Yamato Steel")
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account)
    with monkeypatch.context() as patched:
        patched.setattr(recording, "_keep_questions", dies)
        with pytest.raises(Killed):
            await company.sync()
    company.world.clock.advance(660)
    await company.sync()
    company.world.crm.restore("Accounts", account)
    company.edit_crm("Accounts", account, Account_Name="Fujimori Foods", Phone="03-2222-2222")
    before = company.books()
    await company.sync()
    assert company.outcome(Ref("crm", "Accounts", account)) == ("held", "ambiguous") and company.books() == before
    [hold] = company.ledger.open_holds("demo")
    company.decide(hold.id, "skip")
    await company.sync()
    assert company.outcome(Ref("crm", "Accounts", account))[0] == "skipped" and company.books() == before


def dies(*given: Any) -> None:
    raise Killed
