"""An older ledger comes back: the next run rebuilds what it lacks by the keys, creates nothing, and names the missing time."""

from __future__ import annotations

from pathlib import Path

import pytest
from company import Company
from connector_world import HOST

from renkei.core.values import Ref
from renkei.engine.gap import restored
from renkei.engine.sequence import Report
from renkei.house import open_ledger_of
from renkei.ledger import keeping

MODULE = "Renkei_Receivables"


def made(report: Report) -> int:
    return sum(part["outcomes"]["created"] for part in report.entities.values())


def seed(company: Company, number: int) -> None:
    """A customer that only the CRM has, one that only Books has, and a product of each."""
    company.seed_crm("Accounts", Account_Name=f"青山印刷{number}号", Phone=f"03-1234-{number:04}")
    company.seed_books("contacts", contact_name=f"Midori {number}", company_name=f"Midori {number}", contact_type="customer")
    company.seed_crm("Products", Product_Name=f"Paper {number}", Product_Code=f"P-{number}", Unit_Price=100)
    company.seed_books("items", name=f"Ink {number}", sku=f"I-{number}", rate=200)


def owes(company: Company, customer: str, number: str) -> None:
    said = {"date": "2026-10-20", "due_date": "2026-11-19", "status": "sent", "invoice_number": number}
    company.seed_books("invoices", customer_id=customer, line_items=[{"rate": 1000, "quantity": 1}], **said)


def agree(company: Company) -> None:
    """Every record has a partner that says the same."""
    accounts, customers = company.crm(), company.books()
    assert len(accounts) == len(customers) and len(company.crm("Products")) == len(company.books("items"))
    for one in accounts.values():
        partner = customers[one["renkei_books_id"]]
        assert one["Account_Name"] == partner["company_name"]
        assert (one.get("Phone") or "") == (partner["billing_address"].get("phone") or "")


async def a_gap(company: Company, folder: Path) -> tuple[Path, str, int]:
    """Runs, a backup, and more runs with creates, edits and figures. The backup, the last run in it, the rows in the CRM."""
    company.entities = ("customers", "products", "summaries")
    for number in range(3):
        seed(company, number)
    await company.sync()
    company.world.clock.advance(600)
    last = await company.sync()
    keeping.backup(company.environ["RENKEI_LEDGER_URL"], folder / "old.backup")
    for number in range(3, 5):
        seed(company, number)
        company.world.clock.advance(600)
        assert made(await company.sync(full=False)) == 4
    first, *_ = company.crm()
    company.edit_crm("Accounts", first, Phone="03-9999-0000")
    for number, customer in enumerate(company.books()):
        owes(company, customer, f"INV-{number}")
    company.edit_books("contacts", list(company.books())[-1], company_name="Midori, renamed", contact_name="Midori, renamed")
    await company.sync()
    agree(company)
    company.ledger.close()
    company.world.clock.advance(600)
    return folder / "old.backup", last.run, len(company.crm(MODULE))


@pytest.mark.parametrize("full", [True, False])
async def test_after_an_older_ledger_came_back_nothing_is_created_and_the_missing_time_is_named(
    company: Company, tmp_path: Path, full: bool
) -> None:
    file, last, published = await a_gap(company, tmp_path)
    again = reopened(company, tmp_path, file)
    (before,) = {one.started for one in again.ledger.runs() if one.id == last}
    restored(again.ledger, again.clock, str(file), "Sato", "0.1.0")
    now = again.clock.now()
    report = await again.sync(full=full)
    assert made(report) == 0 and report.status in ("green", "amber"), report.entities
    agree(again)
    (note,) = [one for one in report.notes if "restored" in one]
    assert f"restored at {now.isoformat()} by Sato from {file}" in note
    assert f"what runs did from {before.isoformat()} until then" in note
    assert note.endswith("Links rebuilt by the keys on both sides: 4 customers, 4 products.")
    assert len(again.crm(MODULE)) == published
    quiet = await again.quiet()
    assert not [one for one in quiet.notes if "restored" in one or "rebuilt" in one]
    assert again.ledger.verify().broken is None
    again.ledger.close()


async def test_a_ledger_that_was_put_back_by_hand_is_noticed_by_what_it_lacks(company: Company, tmp_path: Path) -> None:
    file, last, _ = await a_gap(company, tmp_path)
    again = reopened(company, tmp_path, file)
    report = await again.sync()
    assert made(report) == 0
    (note,) = [one for one in report.notes if "rebuilt" in one]
    assert note.startswith("Links rebuilt by the keys on both sides: 4 customers, 4 products. The ledger lacks the runs")
    assert f"after run {last}" in note and "those records changed last at 2026-11-02T" in note
    again.ledger.close()


async def test_a_key_whose_making_the_journal_knows_is_no_gap(company: Company) -> None:
    """Books made the customer, the answer was lost, and the next run finds it by its key."""
    record = company.seed_crm("Accounts", Account_Name="青山印刷")
    await company.sync(entities=("products",))
    company.world.faults.add("timeout-after-commit@books:PUT/contacts")
    await company.sync()
    company.world.faults.clear()
    company.world.clock.advance(600)
    report = await company.sync()
    link = company.ledger.link_of("demo", Ref("crm", "Accounts", record))
    assert link is not None and link.evidence == "key" and len(company.books()) == 1
    assert [one for one in report.notes if "rebuilt" in one] == []


def reopened(company: Company, folder: Path, file: Path) -> Company:
    """The same two sides under the ledger of the backup."""
    again = Company(company.world, folder / "again", HOST, clock=company.clock)
    again.spec, again.entities = company.spec, company.entities
    again.ledger.close()
    keeping.restore(again.environ["RENKEI_LEDGER_URL"], file, now=company.clock.now(), aside=None)
    again.ledger = open_ledger_of(again.settings)
    return again
