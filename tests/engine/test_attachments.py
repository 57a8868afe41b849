"""A person joins an existing document to a deal, or takes it out: what he says counts before the document's own fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_deal_rows import deal, deal_rows
from test_document_denials import EVERYTHING, permit, visit
from test_document_rows import documents, invoice, linked_pair, rows

from renkei.core.errors import DocumentRefused
from renkei.core.values import Ref
from renkei.engine.attachments import attach, detach


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        permit(made, Standard=EVERYTHING)
        yield made


async def said(company: Company, work: Any, document: str, its: str) -> dict[str, Any]:
    company.world.clock.advance(600)
    refs = Ref("books", "invoices", document), Ref("crm", "Deals", its)
    return await visit(company, work.__name__, lambda user: work(user, *refs))


async def test_an_attached_invoice_counts_for_its_deal_at_once_and_for_good(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one, mine = invoice(company, customer, 1000), deal(company)
    await company.sync()
    before = company.books("invoices")[one]
    found = await said(company, attach, one, mine)
    assert (found["outcome"], found["status"]) == ("attached", "green") and company.books("invoices")[one] == before
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == mine
    assert deal_rows(company)[f"demo:Deals:{mine}:JPY"]["Invoiced"] == 1000
    report = await company.quiet()
    assert documents(report)["tie_out"]["unexplained"] == []
    company.edit_books("invoices", one, due_date="2026-12-31")
    await company.sync(full=False)
    assert rows(company)[f"demo:invoices:{one}"]["Deal"]["id"] == mine
    told = [
        row for run in company.ledger.runs("demo", 20) for row in company.ledger.outcomes(run.id) if row.outcome == "attached"
    ]
    assert [(row.actor, [str(ref) for ref in row.records]) for row in told] == [
        ("crm:Standard", [f"books:invoices:{one}", f"crm:Deals:{mine}"])
    ]


async def test_it_counts_before_the_built_in_integration_s_field_and_can_be_taken_back(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    theirs, mine = deal(company), deal(company, "Another")
    one = invoice(company, customer, 1000, zcrm_potential_id=theirs)
    await company.sync()
    await said(company, attach, one, mine)
    assert set(deal_rows(company)) == {f"demo:Deals:{mine}:JPY"}
    await said(company, detach, one, mine)
    assert not deal_rows(company) and rows(company)[f"demo:invoices:{one}"].get("Deal") is None
    await said(company, attach, one, theirs)
    assert set(deal_rows(company)) == {f"demo:Deals:{theirs}:JPY"}
    await company.quiet()


async def test_what_is_no_deal_or_not_its_deal_is_refused_and_nothing_changes(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one, mine = invoice(company, customer, 1000), deal(company)
    await company.sync()
    with pytest.raises(DocumentRefused, match="is no deal"):
        await said(company, attach, one, "5545974000000999999")
    with pytest.raises(DocumentRefused, match="is no deal"):
        await visit(company, "attach", lambda user: attach(user, Ref("books", "invoices", one), Ref("crm", "Accounts", account)))
    with pytest.raises(DocumentRefused, match="does not belong"):
        await said(company, detach, one, mine)
    order = Ref("books", "purchaseorders", "1")
    permit(company, Standard=(*EVERYTHING, ("purchase_orders", ("create",))))
    with pytest.raises(DocumentRefused, match="purchase orders"):
        await visit(company, "attach", lambda user: attach(user, order, Ref("crm", "Deals", mine)))
    assert not deal_rows(company)
    await company.quiet()
