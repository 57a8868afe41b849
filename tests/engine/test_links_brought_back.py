"""Export the links, lose the ledger, import them, run: nothing is created (what-good-means B4)."""

from __future__ import annotations

from pathlib import Path

from company import Company
from connector_world import HOST

from renkei.engine.acts import Act
from renkei.engine.links import exported, take_in
from renkei.house import load_project


async def test_a_lost_ledger_with_its_links_imported_creates_nothing_and_keys_come_back(company: Company, tmp_path: Path) -> None:
    for number in range(3):
        company.seed_crm("Accounts", Account_Name=f"株式会社{number}号", renkei_books_id=None)
        company.seed_books("contacts", contact_name=f"{number}号商店", company_name=f"{number}号商店", contact_type="customer")
    await company.sync()
    text, count = exported(company.ledger, "demo")
    assert count == 6
    for account in company.crm():  # without our keys, only the table knows who belongs to whom
        company.edit_crm("Accounts", account, renkei_books_id=None)
    before = (len(company.crm()), len(company.books()))

    second = Company(company.world, tmp_path / "second", HOST, clock=company.clock)
    act = Act(second.ledger, second.clock, "demo", "Sato", {}, "0.1.0")
    take_in(act, "links.csv", text, load_project(second.settings).mappings[""], second.spec.organization)
    report = await second.sync()
    assert {row["renkei_books_id"] for row in second.crm().values()} == set(second.books())
    await second.quiet()
    second.ledger.close()
    assert report.status == "green" and report.entities["customers"]["outcomes"]["created"] == 0
    assert (len(company.crm()), len(company.books())) == before


async def test_after_the_ledger_is_lost_a_namesake_of_a_linked_record_is_a_question_and_no_new_record(
    company: Company, tmp_path: Path
) -> None:
    """The candidate that `clone` passed over: who set it aside is lost with the ledger, that it is no newcomer is not."""
    company.choose(duplicates="clone")
    company.seed_crm("Accounts", Account_Name="北商事")
    passed_over = company.seed_books("contacts", contact_name="北商事", company_name="北商事", customer_sub_type="business")
    await company.sync()
    before = (len(company.crm()), len(company.books()))
    assert before == (1, 2)
    second = Company(company.world, tmp_path / "second", HOST, clock=company.clock)
    report = await second.sync()
    holds = second.ledger.open_holds("demo")
    second.ledger.close()
    assert report.entities["customers"]["outcomes"]["created"] == 0 and report.status == "amber"
    assert [(hold.question, hold.record.id) for hold in holds] == [("ambiguous", passed_over)]
    assert (len(company.crm()), len(company.books())) == before
