"""Documents without a deal are proposed to deals that carry the same number: always a question, never a guess."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from company import Company
from test_deal_rows import deal_rows
from test_document_denials import EVERYTHING, permit, visit
from test_document_rows import invoice, linked_pair, rows

from renkei.core.mapping import JoinRule
from renkei.core.records import Hold
from renkei.core.values import Ref
from renkei.engine.attachments import attach, detach
from renkei.engine.sequence import Report

ALL = ("estimates", "salesorders", "invoices")
BY_REFERENCE = JoinRule(ALL, "reference_number", "Next_Step")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        permit(made, Standard=EVERYTHING)
        join_by(made, BY_REFERENCE)
        yield made


def join_by(company: Company, *rules: JoinRule) -> None:
    project = company.project
    chosen = dataclasses.replace(project.summaries[""], joins=rules)
    company.project = dataclasses.replace(project, summaries={**project.summaries, "": chosen})


def deal_of(company: Company, account: str, number: str, name: str = "Kita renewal") -> str:
    return company.seed_crm(
        "Deals", Deal_Name=name, Stage="Qualification", Next_Step=number, Account_Name={"id": account}, Amount=1000
    )


def asked(company: Company) -> list[Hold]:
    return [one for one in company.ledger.open_holds("demo") if one.question == "join"]


def queries(company: Company) -> int:
    """COQL calls of the last run."""
    return len(company.world.requests.select("crm", path="/coql"))


async def later(company: Company, *, full: bool = False, only: Sequence[Ref] = ()) -> Report:
    company.world.clock.advance(600)
    company.world.requests.rows.clear()
    return await company.sync(full=full, only=tuple(only))


async def test_an_invoice_with_a_deals_order_number_is_asked_about_and_joined_once_somebody_says_so(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one, mine = (
        invoice(company, customer, 1000, reference_number="PO-7", invoice_number="INV-7"),
        deal_of(company, account, "PO-7"),
    )
    report = await company.sync()
    (hold,) = asked(company)
    assert (str(hold.record), hold.detail["label"]) == (f"books:invoices:{one}", "INV-7")
    assert hold.choices == (f"attach crm:Deals:{mine}", "skip")
    assert [dict(one) for one in hold.candidates] == [
        {"record": f"crm:Deals:{mine}", "label": "Kita renewal", "rule": "Next_Step PO-7 = reference_number"}
    ]
    assert report.status == "amber" and report.entities["documents"]["outcomes"]["held"] == 1
    assert rows(company)[f"demo:invoices:{one}"].get("Deal") is None and not deal_rows(company)  # nothing is guessed
    await later(company)
    assert [one.id for one in asked(company)] == [hold.id]
    company.decide(hold.id, f"attach crm:Deals:{mine}")
    report = await later(company)
    assert report.status == "green" and not asked(company)
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == mine
    assert deal_rows(company)[f"demo:Deals:{mine}:JPY"]["Invoiced"] == 1000
    told = [row for row in company.ledger.outcomes(report.run) if row.outcome == "attached"]
    assert [[str(ref) for ref in row.records] for row in told] == [[f"books:invoices:{one}", f"crm:Deals:{mine}"]]
    assert company.ledger.attachments("demo", "invoices", [one]) == {one: mine}
    await company.quiet()
    assert company.ledger.decisions("demo") == [] and not asked(company)


async def test_what_was_skipped_is_quiet_until_another_deal_carries_the_number(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one, first = invoice(company, customer, 1000, reference_number="PO-7"), deal_of(company, account, "PO-7")
    await company.sync()
    (hold,) = asked(company)
    company.decide(hold.id, "skip")
    assert (await later(company)).status == "green"
    company.edit_books("invoices", one, due_date="2026-12-31")
    assert (await later(company)).status == "green" and not asked(company) and not deal_rows(company)
    second = deal_of(company, account, "PO-7", "Another")
    company.edit_books("invoices", one, due_date="2027-01-31")
    await later(company)
    assert [one.choices for one in asked(company)] == [(f"attach crm:Deals:{first}", f"attach crm:Deals:{second}", "skip")]


async def test_a_deal_of_another_customer_or_another_number_is_no_candidate(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    other, _ = linked_pair(company, "Minami Ltd")
    invoice(company, customer, 1000, reference_number="PO-7")
    deal_of(company, other, "PO-7")
    deal_of(company, account, "PO-70")
    report = await company.sync()
    assert report.status == "green" and not asked(company)


async def test_numbers_are_compared_without_regard_to_width_and_case(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000, reference_number="ＰＯ－７")
    mine = deal_of(company, account, "po-7")
    await company.sync()
    assert [one.choices for one in asked(company)] == [(f"attach crm:Deals:{mine}", "skip")]


async def test_an_invoice_of_a_customer_who_is_linked_later_is_asked_about_then(company: Company) -> None:
    company.choose(direction="to_books")
    customer = company.seed_books("contacts", contact_name="Kita Ltd", company_name="Kita Ltd", customer_sub_type="business")
    one = invoice(company, customer, 1000, reference_number="PO-7")
    await company.sync()
    company.world.clock.advance(600)
    account = company.seed_crm("Accounts", Account_Name="Kita Ltd")
    mine = deal_of(company, account, "PO-7")
    assert not asked(company)
    await later(company)
    assert [one.choices for one in asked(company)] == [(f"attach crm:Deals:{mine}", "skip")]
    assert company.outcome(Ref("books", "invoices", one)) == ("held", "join")  # and it is open from now on


async def test_only_changed_documents_cost_a_call_and_none_without_a_rule(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    for number in range(60):
        invoice(company, customer, 10, reference_number=f"PO-{number}")
    join_by(company)
    await company.sync()
    await later(company, full=True)
    without = queries(company)
    deal_of(company, account, "PO-7")
    join_by(company, BY_REFERENCE)
    await later(company, full=True)
    assert queries(company) == without + 2 and len(asked(company)) == 1  # 60 numbers, 50 a call
    await later(company, full=True)
    assert queries(company) == without + 1  # of the one that waits


async def test_a_question_whose_number_is_gone_is_asked_no_more(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000, reference_number="PO-7")
    deal_of(company, account, "PO-7")
    await company.sync()
    company.edit_books("invoices", one, reference_number="PO-8")
    assert (await later(company)).status == "green" and not asked(company)


async def test_what_a_person_attached_or_detached_is_not_asked_about(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000, reference_number="PO-7")
    mine, other = deal_of(company, account, "PO-7"), deal_of(company, account, "X", "Another")
    join_by(company)
    await company.sync()
    company.world.clock.advance(600)
    ref = Ref("books", "invoices", one)
    await visit(company, "attach", lambda user: attach(user, ref, Ref("crm", "Deals", other)))
    await visit(company, "detach", lambda user: detach(user, ref, Ref("crm", "Deals", other)))
    join_by(company, BY_REFERENCE)
    assert (await later(company, full=True)).status == "green" and not asked(company)
    assert not deal_rows(company) and mine


async def test_an_answer_whose_row_could_not_be_written_is_carried_out_by_the_next_run(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one, mine = invoice(company, customer, 1000, reference_number="PO-7"), deal_of(company, account, "PO-7")
    await company.sync()
    (hold,) = asked(company)
    company.decide(hold.id, f"attach crm:Deals:{mine}")
    company.world.clock.advance(600)
    await company.sync(plan_only=True)
    assert company.ledger.attachments("demo", "invoices", [one]) == {}  # a plan keeps no answer
    company.world.faults.add("timeout-before@crm:PUT/Renkei_Documents")
    assert (await company.sync(full=False)).status == "red"
    assert company.ledger.attachments("demo", "invoices", [one]) == {}
    company.world.faults.clear()
    await later(company)
    assert company.ledger.attachments("demo", "invoices", [one]) == {one: mine}
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == mine
    await company.quiet()


async def test_one_invoice_alone_is_asked_about_and_joined_too(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    mine = deal_of(company, account, "PO-7")
    await company.sync()
    company.edit_books("invoices", one, reference_number="PO-7")
    company.edit_crm("Deals", mine, Next_Step="")
    await later(company)
    assert not asked(company)
    company.edit_crm("Deals", mine, Next_Step="PO-7")  # which makes no change of the invoice
    ref = Ref("books", "invoices", one)
    await later(company, only=[ref])
    (hold,) = asked(company)
    company.decide(hold.id, f"attach crm:Deals:{mine}")
    await later(company, only=[ref])
    assert deal_rows(company)[f"demo:Deals:{mine}:JPY"]["Invoiced"] == 1000
    await company.quiet()


async def test_where_only_figures_are_published_invoices_are_asked_about_too(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, publish_documents=False)
    join_by(company, JoinRule(ALL, "number", "Next_Step"))
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000, invoice_number="INV-7")
    mine = deal_of(company, account, "INV-7")
    await company.sync()
    (hold,) = asked(company)
    company.decide(hold.id, f"attach crm:Deals:{mine}")
    await later(company)
    assert deal_rows(company)[f"demo:Deals:{mine}:JPY"]["Invoiced"] == 1000
    await company.quiet()


async def won(company: Company, account: str) -> tuple[str, str, Hold]:
    """An invoice, and a deal that may be its, won before anybody has said so: (invoice, deal, question)."""
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    link = company.ledger.link_of("demo", Ref("crm", "Accounts", account))
    assert link is not None
    mine = deal_of(company, account, "PO-7")
    one = invoice(company, link.books.id, 1000, reference_number="PO-7")
    await later(company)
    (hold,) = asked(company)
    company.edit_crm("Deals", mine, Stage="Closed Won", Closing_Date="2026-12-31")
    await later(company)
    assert company.outcome(Ref("crm", "Deals", mine)) == ("held", "join") and set(company.books("invoices")) == {one}
    return one, mine, hold


async def test_a_deal_whose_invoice_may_be_there_makes_none_before_somebody_has_answered(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    await company.sync()
    one, mine, hold = await won(company, account)
    company.decide(hold.id, f"attach crm:Deals:{mine}")
    await later(company)
    assert set(company.books("invoices")) == {one} and deal_rows(company)[f"demo:Deals:{mine}:JPY"]["Invoiced"] == 1000
    await later(company)
    await company.quiet()
    assert set(company.books("invoices")) == {one}


async def test_a_deal_whose_invoice_it_is_not_makes_its_own(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    await company.sync()
    one, mine, hold = await won(company, account)
    company.decide(hold.id, "skip")
    await later(company)
    (made,) = company.books("invoices").keys() - {one}
    await later(company)
    assert rows(company)[f"demo:invoices:{made}"]["Deal"]["id"] == mine and not asked(company)
