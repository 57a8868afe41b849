"""A person's answer, given as the command gives it, is carried out by the next run and then asked no more."""

from __future__ import annotations

import pytest
from company import Company

from renkei.core.records import Link
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.decide import decide, questions
from renkei.engine.quarantine import discard, replay


def act(company: Company) -> Act:
    return Act(company.ledger, company.clock, company.spec.name, "Sato", {"connection": {}}, "0.1.0")


@pytest.fixture
def two_firms(company: Company) -> tuple[str, str]:
    """One firm on both sides under one name, a question by `duplicates: ask`."""
    company.choose(duplicates="ask")
    account = company.seed_crm("Accounts", Account_Name="株式会社青空", Phone="03-1234-5678")
    customer = company.seed_books("contacts", contact_name="株式会社青空", company_name="株式会社青空", contact_type="customer")
    return account, customer


async def test_link_links_the_two(company: Company, two_firms: tuple[str, str]) -> None:
    await company.sync()
    assert [one["question"] for one in questions(company.ledger, "demo")] == ["duplicate"]
    run = decide(act(company), [], "duplicate", "link", "we know them")["run"]
    await company.sync(full=False)
    link = company.ledger.link_of("demo", Ref("crm", "Accounts", two_firms[0]))
    assert link is not None and (link.books.id, link.evidence) == (two_firms[1], "decision")
    assert questions(company.ledger, "demo") == [] and company.ledger.decisions("demo") == []
    assert any(run == told for told, _ in company.ledger.story("demo", Ref("crm", "Accounts", two_firms[0])))


async def test_create_makes_a_customer_of_its_own(company: Company, two_firms: tuple[str, str]) -> None:
    await company.sync()
    decide(act(company), [], "duplicate", "create", "two firms of one name")
    await company.sync(full=False)
    assert len(company.books()) >= 2 and questions(company.ledger, "demo") == []
    await company.quiet()


async def test_skip_leaves_both_alone_for_good(company: Company, two_firms: tuple[str, str]) -> None:
    await company.sync()
    decide(act(company), [], "duplicate", "skip", "leave it")
    await company.quiet(full=False)
    await company.quiet()
    assert questions(company.ledger, "demo") == [] and len(company.books()) == 1


async def test_a_discarded_row_leaves_the_run_green_until_it_changes(company: Company) -> None:
    bad = company.seed_crm("Accounts", Account_Name="試験")
    company.judge.refused = {bad}
    assert (await company.sync()).status == "amber"
    discard(act(company), [Ref("crm", "Accounts", bad)], "a test record")
    for full in (False, True):
        assert (await company.quiet(full=full)).status == "green"
    company.edit_crm("Accounts", bad, Phone="03-1111-2222")
    assert (await company.quiet(full=False)).status == "amber"
    assert company.outcome(Ref("crm", "Accounts", bad))[0] == "quarantined"


async def test_a_replayed_row_that_is_right_now_is_written_by_the_next_run(company: Company) -> None:
    bad = company.seed_crm("Accounts", Account_Name="試験")
    company.judge.refused = {bad}
    await company.sync()
    discard(act(company), [Ref("crm", "Accounts", bad)], "the rule is under repair")
    company.judge.refused = set()
    await company.quiet(full=False)
    replay(act(company), [Ref("crm", "Accounts", bad)], None)
    await company.sync(full=False)
    assert company.ledger.link_of("demo", Ref("crm", "Accounts", bad)) is not None


@pytest.mark.parametrize("question", ["duplicate", "ambiguous"])
async def test_an_answer_that_another_link_overtook_is_asked_for_anew_and_nothing_is_created(
    company: Company, two_firms: tuple[str, str], question: str
) -> None:
    account, customer = Ref("crm", "Accounts", two_firms[0]), Ref("books", "contacts", two_firms[1])
    if question == "ambiguous":
        company.seed_books("contacts", contact_name="株式会社青空 2", company_name="株式会社青空", contact_type="customer")
    await company.sync()
    (hold,) = questions(company.ledger, "demo", question)
    decide(act(company), [hold["id"]], None, f"link {customer}", "we know them")
    another = company.seed_crm("Accounts", Account_Name="別会社")
    link = Link("L", "customers", "accounts", Ref("crm", "Accounts", another), customer, company.clock.now(), "import")
    company.ledger.put_links("demo", [link], "R", company.clock.now())
    before = len(company.books())
    await company.sync()
    (asked,) = [one for one in questions(company.ledger, "demo") if one["record"] == str(account)]
    assert asked["choices"][-2:] == ["create", "skip"] and f"link {customer}" not in asked["choices"]
    assert len(company.books()) == before
    assert company.ledger.decisions("demo") == []
    assert company.ledger.link_of("demo", account) is None
    decide(act(company), [asked["id"]], None, "create", "then a customer of its own")
    await company.sync()
    assert company.ledger.link_of("demo", account) is not None


async def test_a_person_of_a_customer_is_created_by_an_answer_once_and_asked_of_no_more(company: Company) -> None:
    company.choose(modules="accounts_and_contacts", duplicates="ask")
    account = company.seed_crm("Accounts", Account_Name="株式会社青空")
    await company.sync()
    customer = company.crm()[account]["renkei_books_id"]
    contact = company.seed_crm("Contacts", Last_Name="青山", First_Name="花子", Account_Name={"id": account})
    same = [{"last_name": "青山", "first_name": "花子", "email": f"hanako{number}@aozora.example.jp"} for number in (1, 2)]
    company.edit_books("contacts", customer, contact_persons=same)
    await company.sync()
    (hold,) = [one for one in questions(company.ledger, "demo") if one["record"].startswith("crm:")]
    assert hold["record"] == f"crm:Contacts:{contact}" and "create" in hold["choices"]
    decide(act(company), [hold["id"]], None, "create", "two of one name")
    await company.sync(full=False)
    assert questions(company.ledger, "demo") == [] and company.ledger.decisions("demo") == []
    assert company.ledger.hold_states("demo", [hold["id"]])[hold["id"]][0] == "carried_out"
    link = company.ledger.link_of("demo", Ref("crm", "Contacts", contact))
    assert link is not None and len(company.world.books.detail("contacts", customer)["contact_persons"]) == 3
    await company.quiet(full=False)
    await company.quiet()
