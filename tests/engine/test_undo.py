"""What a run wrote goes back by a plan of its own, where nobody has changed it since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company

from renkei.core.errors import AskedWrongly
from renkei.core.values import Ref
from renkei.engine.sequence import Report
from renkei.engine.undo import plan_undo
from renkei.engine.work import Request


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
