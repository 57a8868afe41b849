"""Persons carry no key of ours. A run that dies over them, or gets no answer about one, makes nobody twice on either side."""

from __future__ import annotations

from typing import Any

import pytest
from company import Company

from renkei.engine import resolve

EMAIL = "hana.sato@example.jp"
PERSON = {"first_name": "Hana", "last_name": "Sato", "email": EMAIL}


class Killed(BaseException):
    """The process was killed here."""


def kita(company: Company, *persons: dict[str, Any]) -> str:
    """An account with a contact, and the same party in Books with these persons and without a phone: the customer's id."""
    company.choose(modules="accounts_and_contacts", duplicates="link")
    account = company.seed_crm("Accounts", Account_Name="Kita Ltd", Phone="03-1111-1111")
    company.seed_crm("Contacts", Last_Name="Sato", First_Name="Hana", Email=EMAIL, Account_Name={"id": account})
    row = {"contact_name": "Kita Ltd", "company_name": "Kita Ltd", "customer_sub_type": "business"}
    return company.seed_books("contacts", **row, contact_persons=list(persons))


def emails(company: Company, customer: str) -> tuple[list[str], list[str]]:
    """Of the CRM's contacts, and of the customer's persons in Books."""
    persons = company.books()[customer]["contact_persons"]
    return [one["Email"] for one in company.crm("Contacts").values()], [one["email"] for one in persons]


async def test_where_the_run_died_while_it_took_in_the_customer_s_detail(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = kita(company, PERSON)

    def kill(*given: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(resolve, "keys_by_row", kill)  # the detail is there, its persons are not yet
        with pytest.raises(Killed):
            await company.sync()
    company.world.clock.advance(900)
    assert (await company.sync()).status == "green"
    assert emails(company, customer) == ([EMAIL], [EMAIL])
    await company.quiet()


@pytest.mark.parametrize("fault", ["500-after-commit", "timeout-after-commit"])
async def test_where_no_answer_came_in_the_second_in_which_the_customer_was_written_too(company: Company, fault: str) -> None:
    customer = kita(company)
    company.world.faults.add(f"{fault}@books:POST*1")
    assert (await company.sync()).status == "red"
    assert company.books()[customer]["billing_address"]["phone"] == "03-1111-1111"
    company.world.clock.advance(900)
    assert (await company.sync()).status == "green"
    assert emails(company, customer) == ([EMAIL], [EMAIL])
    await company.quiet()
