"""A pair whose link was made when its run ended before the write to Books: the first meeting goes on as the policy said, and is
no question to a person."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from company import Company

from renkei.core.connection import Budget
from renkei.engine import load as loading

FROM_THE_CRM, FROM_BOOKS = "03-1111-1111", "03-2222-2222"


class Killed(BaseException):
    """The process was killed here."""


@pytest.fixture
def pair(company: Company) -> tuple[str, str]:
    """One party on both sides, with two phone numbers; and a policy under which the CRM's is right."""
    company.choose(duplicates="link", conflicts="overwrite")
    account = company.seed_crm("Accounts", Account_Name="Kita Ltd", Phone=FROM_THE_CRM)
    address = {"phone": FROM_BOOKS, "city": "Osaka"}
    return account, company.seed_books("contacts", contact_name="Kita Ltd", company_name="Kita Ltd", billing_address=address)


def phone(company: Company, customer: str) -> Any:
    return company.books()[customer]["billing_address"]["phone"]


async def dies(company: Company, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A run that ends at this function of load; the next one comes when its lock has ended."""

    def kill(*given: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(loading, where, kill)
        with pytest.raises(Killed):
            await company.sync()
    company.world.clock.advance(900)


@pytest.mark.parametrize("policy", ["link", "overwrite"])
@pytest.mark.parametrize(
    "where", [pytest.param("_books", id="before the write to Books"), pytest.param("_confirm", id="before the link was noted")]
)
async def test_of_a_run_that_died(
    company: Company, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, policy: str, where: str
) -> None:
    account, customer = pair
    company.choose(duplicates=policy)
    await dies(company, monkeypatch, where)
    assert company.crm()[account]["renkei_books_id"] == customer and phone(company, customer) == FROM_BOOKS
    report = await company.sync()
    assert report.status == "green" and phone(company, customer) == FROM_THE_CRM
    await company.quiet()


async def test_of_a_day_whose_calls_had_ended(company: Company, pair: tuple[str, str]) -> None:
    _, customer = pair
    reads = len(company.world.requests.select("books"))
    await company.sync(plan_only=True)
    reads = len(company.world.requests.select("books")) - reads
    spent = Budget(books_per_minute=None, books_per_day=2 * reads, keep_for_people=0)
    company.spec = dataclasses.replace(company.spec, budget=spent, publish_summaries=False, publish_documents=False)
    assert (await company.sync()).status == "amber" and phone(company, customer) == FROM_BOOKS
    company.spec = dataclasses.replace(company.spec, budget=Budget(books_per_minute=None))
    company.world.clock.advance(86400)
    assert (await company.sync(full=False)).status == "green" and phone(company, customer) == FROM_THE_CRM
    await company.quiet()


async def test_what_people_changed_meanwhile_meets_as_it_is_now(
    company: Company, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account, customer = pair
    await dies(company, monkeypatch, "_books")
    company.edit_crm("Accounts", account, Phone="03-3333-3333")
    assert (await company.sync(full=False)).status == "green" and phone(company, customer) == "03-3333-3333"
    company.edit_books("contacts", customer, billing_address={"phone": "03-4444-4444", "city": "Osaka"})
    assert (await company.sync(full=False)).status == "green" and company.crm()[account]["Phone"] == "03-4444-4444"


async def test_where_a_person_is_to_say_he_is_asked_once_and_his_answer_holds(
    company: Company, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account, _ = pair
    await dies(company, monkeypatch, "_books")
    company.choose(conflicts="ask")
    assert (await company.sync()).status == "amber"
    (hold,) = company.ledger.open_holds("demo")
    assert (hold.question, hold.field) == ("first_values", "phone")
    company.decide(hold.id, "books")
    assert (await company.sync()).status == "green" and company.crm()[account]["Phone"] == FROM_BOOKS
    await company.quiet()
