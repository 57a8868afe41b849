"""Erasing a person by request: nothing that is kept holds his values any longer, and everything goes on as before."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from company import Company
from sqlalchemy import text as sql
from test_document_denials import EVERYTHING, permit, visit
from test_document_rows import invoice

sys.path.insert(0, str(Path(__file__).parents[1]))

from postgres import ledger_url, migrated_template, postgres_server

from renkei.core.errors import AnotherRun, AskedWrongly, PlanStale, Stopped
from renkei.core.records import Hold, QuarantineRow
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.document_files import fetch_pdf
from renkei.engine.erase import erase
from renkei.engine.life import plan_withdrawal, switch_organization
from renkei.engine.why import story
from renkei.engine.work import LOCK_TTL, Request
from renkei.house import open_ledger_of
from renkei.sandbox.books.state import SECOND

__all__ = ["ledger_url", "migrated_template", "postgres_server"]

EMAIL, FORMER, PHONE, STREET = "hanako@katsura.example.jp", "h.katsura@former.example.jp", "075-361-0042", "桂木ノ下町 7-1"
VALUES = (EMAIL, FORMER, PHONE, "+81753610042", "桂 花子", STREET)
REASON = "request of 24 November"


@pytest.fixture
def company(tmp_path: Path, ledger_url: str) -> Iterator[Company]:
    with Company.in_process(tmp_path / "data") as made:
        made.ledger.close()
        made.environ["RENKEI_LEDGER_URL"] = ledger_url
        made.settings = dataclasses.replace(made.settings, ledger_url=ledger_url)
        made.project = dataclasses.replace(made.project, settings=made.settings)
        made.ledger = open_ledger_of(made.settings)
        if made.ledger.is_sqlite:  # some builds wipe freed pages by themselves
            made.ledger.perform(sql("PRAGMA secure_delete=OFF"))
        made.choose(modules="accounts_and_contacts", include_contacts_without_account=True)
        yield made


async def with_a_past(company: Company, *, in_account: bool = False) -> tuple[Ref, Ref]:
    """A person with edits behind him, beside another one. (The person in the CRM, the other)."""
    account = company.seed_crm("Accounts", Account_Name="Katsura Print", Phone="075-111-2222")
    place = {"Account_Name": {"id": account, "name": "Katsura Print"}} if in_account else {}
    person = company.seed_crm(
        "Contacts", Last_Name="桂", First_Name="花子", Email=FORMER, Phone=PHONE, Mailing_Street=STREET, **place
    )
    other = company.seed_crm("Contacts", Last_Name="桂", First_Name="次郎", Email="jiro@nowhere.example.jp", **place)
    await company.sync()
    company.edit_crm("Contacts", person, Email=EMAIL)
    await company.sync(full=False)
    company.edit_crm("Contacts", person, Mobile="090-1234-5678")
    company.edit_crm("Contacts", other, Mobile="090-8765-4321")
    await company.sync(plan_only=True)
    await company.sync()
    return Ref("crm", "Contacts", person), Ref("crm", "Contacts", other)


def act(company: Company) -> Act:
    return Act(company.ledger, company.clock, company.spec.name, "Kato", {}, "test")


def erase_it(company: Company, ref: Ref) -> dict[str, Any]:
    return erase(act(company), company.settings.data, company.project.mappings_of(company.spec), ref, REASON)


def kept(company: Company) -> Iterator[tuple[str, str]]:
    """(where, text) of everything that renkei keeps: every table, file and raw row, and the bytes of the database's files."""
    names = [row[0] for row in company.ledger.perform(sql(_TABLES[company.ledger.is_sqlite]))]
    for name in names:
        for row in company.ledger.perform(sql(f'SELECT * FROM "{name}"')):  # noqa: S608
            yield name, str(tuple(row))
    for path in sorted(one for one in company.settings.data.parent.rglob("*") if one.is_file()):
        if path.suffix == ".parquet":
            for row in pq.read_table(path).column("row").to_pylist():
                yield path.name, row.decode()
        yield path.name, path.read_bytes().decode(errors="ignore")


_TABLES = {
    True: "SELECT name FROM sqlite_master WHERE type = 'table'",
    False: "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
}


def found(company: Company) -> set[tuple[str, str]]:
    return {(where, value) for where, text in kept(company) for value in VALUES if value in text}


@pytest.mark.parametrize("in_account", [False, True], ids=["a customer himself", "a person of a firm"])
async def test_nothing_that_is_kept_holds_his_values_and_the_chain_is_whole(company: Company, in_account: bool) -> None:
    person, other = await with_a_past(company, in_account=in_account)
    before = {where for where, _ in found(company)}
    assert {"contents", "mirrors", "bases", "plans", "intents", "mirror_keys"} <= before
    assert any(where.endswith(".parquet") for where in before)
    rows = company.ledger.verify().rows
    told = erase_it(company, person)
    assert found(company) == set()
    assert all(told["erased"][one] for one in ("evidence", "mirrors", "bases", "plans", "journal", "snapshots")), told
    whole = company.ledger.verify()
    assert whole.broken is None and whole.rows == rows + 1
    assert "090-8765-4321" in str([text for _, text in kept(company)])
    changes = [change for one in story(company.ledger, company.spec.name, other)["story"] for change in one["changes"]]
    assert changes and not any("erased" in one for one in story(company.ledger, company.spec.name, other)["story"])


async def test_why_says_that_his_contents_were_erased_by_whom_and_why(company: Company) -> None:
    person, _ = await with_a_past(company)
    partner = company.ledger.link_of(company.spec.name, person)
    erase_it(company, person)
    for ref in (person, partner.books if partner else person):
        told = story(company.ledger, company.spec.name, ref)["story"]
        assert {(one["erased"]["who"], one["erased"]["why"]) for one in told if "erased" in one} == {("Kato", REASON)}
        assert not any(one["changes"] for one in told)
        assert (told[-1]["outcome"], told[-1]["reason"], told[-1]["actor"]) == ("erased", REASON, "Kato")
    assert {one["outcome"] for one in told} >= {"created", "updated"}  # that something was done stays


@pytest.mark.parametrize("in_account", [False, True], ids=["a customer himself", "a person of a firm"])
async def test_who_still_lives_on_both_sides_is_read_anew_and_nothing_is_written(company: Company, in_account: bool) -> None:
    person, _ = await with_a_past(company, in_account=in_account)
    erase_it(company, person)
    report = await company.quiet(full=False)
    assert any("contents were erased" in note for note in report.notes) and report.status == "green"
    company.edit_crm("Contacts", person.id, Mobile="090-0000-1111")
    assert (await company.sync(full=False)).entities["customers"]["writes"] == {"crm": 0, "books": 1}
    await company.quiet()
    assert company.ledger.verify().broken is None


async def test_who_was_deleted_on_both_sides_does_not_come_back(company: Company) -> None:
    person, _ = await with_a_past(company)
    link = company.ledger.link_of(company.spec.name, person)
    assert link is not None
    company.world.crm.delete("Contacts", person.id)
    company.world.books.delete("contacts", link.books.id)
    company.world.clock.advance(600)
    await company.sync()
    erase_it(company, person)
    await company.quiet(full=False)
    await company.quiet()
    assert found(company) == set() and company.ledger.verify().broken is None


async def test_a_plan_that_held_his_values_is_not_applied_any_more(company: Company) -> None:
    person, _ = await with_a_past(company)
    company.edit_crm("Contacts", person.id, Mobile="090-0000-1111")
    plan = await company.sync(plan_only=True)
    erase_it(company, person)
    with pytest.raises(PlanStale, match="erased"):
        await company.apply(plan)
    assert plan.file is not None and person.id not in plan.file.read_text(encoding="utf-8")


async def test_questions_and_quarantine_keep_the_record_and_not_what_it_said(company: Company) -> None:
    person, other = await with_a_past(company)
    name, now = company.spec.name, company.clock.now()
    about = {"record": str(person), "label": "桂 花子"}
    company.ledger.put_holds(
        name, [
            Hold("h1", "customers", "conflict", person, "email", (), ("crm", "books"), {"label": "桂", "values": {"crm": EMAIL}}),
            Hold("h2", "customers", "ambiguous", other, None, (about,), (f"link {person}",), {"label": "桂 次郎"}),
        ], "r", now,
    )  # fmt: skip
    company.ledger.put_quarantine(
        name, [QuarantineRow(person, "customers", "rule", "phone", f"{PHONE} is no number", PHONE)], "r", now
    )
    told = erase_it(company, person)["erased"]
    assert (told["holds"], told["quarantine"]) == (2, 1)
    assert found(company) == set() and len(company.ledger.open_holds(name)) == 2


async def test_a_batch_at_work_is_waited_for(company: Company) -> None:
    person, _ = await with_a_past(company)
    company.ledger.lock(company.spec.name, "R9", company.clock.now(), LOCK_TTL)
    with pytest.raises(AnotherRun):
        erase_it(company, person)
    assert found(company)


async def test_a_write_without_an_answer_is_waited_for(company: Company) -> None:
    person, _ = await with_a_past(company)
    last = next(run for run in company.ledger.runs(company.spec.name) if company.ledger.intents(run.id))
    ids = [one.id for one in company.ledger.intents(last.id)]
    company.ledger.mark_intents(ids, "unknown", company.clock.now())
    with pytest.raises(Stopped, match="no answer yet"):
        erase_it(company, person)


async def test_a_record_that_nobody_knows_and_a_blank_reason_are_refused(company: Company) -> None:
    with pytest.raises(AskedWrongly, match="holds nothing"):
        erase_it(company, Ref("crm", "Contacts", "999"))
    with pytest.raises(AskedWrongly, match="reason"):
        erase(act(company), company.settings.data, {}, Ref("crm", "Contacts", "999"), " ")


async def test_what_is_kept_aside_for_a_former_organisation_is_erased_too(company: Company) -> None:
    person, _ = await with_a_past(company)
    company.spec = dataclasses.replace(company.spec, organization=SECOND)
    request = Request(kind="switch-organization", actor="Kato")
    async with company.rooms() as rooms:
        await switch_organization(rooms, request, await plan_withdrawal(rooms, request))
    aside = f"demo@{company.world.organization}"
    assert any(EMAIL in str(one) for chunk in company.ledger.all_mirrors(aside, "books", "contacts") for one in chunk)
    erase_it(company, person)
    assert found(company) == set() and company.ledger.verify().broken is None


@pytest.mark.parametrize("published", [True, False], ids=["documents that runs keep", "documents that no run keeps"])
async def test_the_pdfs_of_his_documents_go_with_him_and_their_hashes_stay(company: Company, published: bool) -> None:
    company.spec = dataclasses.replace(company.spec, publish_documents=published, publish_summaries=published)
    permit(company, Standard=EVERYTHING)
    person, other = await with_a_past(company)
    links = [company.ledger.link_of(company.spec.name, ref) for ref in (person, other)]
    his, theirs = (Ref("books", "invoices", invoice(company, link.books.id)) for link in links if link)
    await company.sync()
    fetched = [await visit(company, "pdf", lambda user, ref=ref: fetch_pdf(user, ref)) for ref in (his, theirs)]
    there = {one.name for one in company.settings.data.rglob("*.pdf")}
    told = erase_it(company, person)
    assert told["erased"]["pdfs"] == 1
    assert there - {one.name for one in company.settings.data.rglob("*.pdf")} == {fetched[0]["file"].rsplit("/", 1)[1]}
    last = [row for _, row in company.ledger.story(company.spec.name, his) if row.outcome == "erased"][-1]
    assert (last.actor, last.reason) == ("Kato", REASON) and [*last.detail["pdf"].values()] == [fetched[0]["sha256"]]
    assert company.ledger.verify().broken is None and found(company) == set()
    await company.quiet()
