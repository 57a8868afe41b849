"""Disconnect and come back, go over to another Books organisation and back: nothing of ours stays in the CRM, nothing in
Books changes, nothing is made twice."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from connector_world import HOST

from renkei.core.errors import (
    AnotherRun,
    AskedWrongly,
    FieldMissing,
    NotConnected,
    OrganizationChanged,
    PlanStale,
    WrongOrganization,
)
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.life import disconnect, pause, plan_withdrawal, resume, switch_organization
from renkei.engine.links import exported
from renkei.engine.sequence import Report
from renkei.engine.status import status
from renkei.engine.why import story
from renkei.engine.work import LOCK_TTL, Request
from renkei.sandbox.books.state import MAIN, SECOND

ROWS, DOCUMENTS = "Renkei_Receivables", "Renkei_Documents"
POLICIES = ("clone", "overwrite", "skip", "link", "ask")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link", conflicts="ask")
        yield made


def doing(company: Company) -> Act:
    return Act(company.ledger, company.clock, company.spec.name, "Tanaka", {}, "0.1.0")


def pair(company: Company, name: str, organization: str = MAIN, **fields: Any) -> tuple[str, str]:
    account = company.seed_crm("Accounts", Account_Name=name)
    return account, customer(company, name, organization, **fields)


def customer(company: Company, name: str, organization: str = MAIN, **fields: Any) -> str:
    row = {"contact_name": name, "company_name": name, "customer_sub_type": "business", **fields}
    return company.world.books.seed("contacts", [row], organization)[0]


def invoice(company: Company, customer: str, rate: int, organization: str = MAIN) -> str:
    row = {
        "customer_id": customer, "line_items": [{"rate": rate, "quantity": 1}], "date": "2026-10-20", "due_date": "2026-11-19",
        "status": "sent",
    }  # fmt: skip
    return company.world.books.seed("invoices", [row], organization)[0]


async def withdrawn(company: Company, *, between: Callable[[], None] = lambda: None) -> Report:
    """`renkei disconnect --yes`. `between`: what happens while the person reads the plan."""
    request = Request(kind="disconnect", actor="Tanaka")
    async with company.rooms() as rooms:
        plan = await plan_withdrawal(rooms, request)
        between()
        return await disconnect(rooms, request, plan, "the trial is over")


async def switched(company: Company, organization: str) -> Report:
    """The file is edited, then `renkei switch-organization --yes`."""
    company.spec = dataclasses.replace(company.spec, organization=organization)
    request = Request(kind="switch-organization", actor="Tanaka")
    async with company.rooms() as rooms:
        plan = await plan_withdrawal(rooms, request)
        return await switch_organization(rooms, request, plan)


def published(company: Company) -> list[str]:
    """Keys of the receivables and document rows that the CRM shows."""
    return sorted(row["renkei_key"] for module in (ROWS, DOCUMENTS) for row in company.crm(module).values())


def books_of(company: Company, organization: str = MAIN) -> dict[str, dict[str, Any]]:
    """Every customer, product and invoice of an organisation, to the last field."""
    books = company.world.books
    return {
        f"{kind}:{one}": copy.deepcopy(books.detail(kind, one, organization))
        for kind in ("contacts", "items", "invoices")
        for one in books.records(kind, organization)
    }


def names(company: Company, organization: str = MAIN) -> dict[str, Counter[str]]:
    """How often each name stands in the CRM and in Books."""
    details = books_of(company, organization)
    return {
        "accounts": Counter(row["Account_Name"] for row in company.crm().values()),
        "contacts": Counter(row["Last_Name"] for row in company.crm("Contacts").values()),
        "products": Counter(row["Product_Name"] for row in company.crm("Products").values()),
        "customers": Counter(row["contact_name"] for key, row in details.items() if key.startswith("contacts")),
        "items": Counter(row["name"] for key, row in details.items() if key.startswith("items")),
        "persons": Counter(
            person["last_name"] for row in details.values() for person in row.get("contact_persons", ()) if person["last_name"]
        ),
    }


async def history(company: Company, last: str) -> None:
    """Years of use: a clone, a skip, holds, a conflict's copy, same-named accounts, persons; then the policy `last`."""
    company.choose(modules="accounts_and_contacts", duplicates="clone")
    pair(company, "Klon KK")
    await company.sync()
    company.choose(duplicates="ask")
    pair(company, "Weg KK")
    await company.sync()
    skipped = next(hold for hold in company.ledger.open_holds("demo") if hold.question == "duplicate")
    company.decide(skipped.id, "skip")
    company.choose(duplicates="link", conflicts="clone")
    streit, theirs = pair(company, "Streit KK", website="https://a.example.jp")
    gleich, _ = pair(company, "Gleich KK")
    company.seed_crm("Contacts", Last_Name="Mori", First_Name="Aiko", Email="mori@gleich.example", Account_Name={"id": gleich})
    company.seed_crm("Products", Product_Name="Schraube", Product_Code="S-1")
    company.seed_books("items", name="Mutter", rate=3, sku="M-1")
    await company.sync()
    company.edit_crm("Accounts", streit, Website="https://ours.example.jp")
    company.edit_books("contacts", theirs, website="https://theirs.example.jp")
    await company.sync()
    for _ in range(3):
        company.seed_crm("Accounts", Account_Name="Zwilling KK")
    twins = [customer(company, "Zwilling KK"), customer(company, "Zwilling KK", contact_name="Zwilling KK (2)")]
    await company.sync()
    first = next(hold for hold in company.ledger.open_holds("demo") if hold.question == "ambiguous")
    company.decide(first.id, f"link books:contacts:{twins[0]}")
    company.choose(duplicates=last)
    await company.sync()
    for one in (twins[0], theirs):
        invoice(company, one, 1000)
    await company.sync()
    await company.quiet()
    assert [hold for hold in company.ledger.open_holds("demo") if hold.question == "ambiguous"] and published(company)


# ---------------------------------------------------------------------------------------------------------- disconnect


async def test_a_disconnected_crm_shows_nothing_of_ours_and_books_is_as_it_was(company: Company) -> None:
    account, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    company.seed_crm(ROWS, Name="Theirs", renkei_key=f"other:Accounts:{account}:JPY")
    await company.sync()
    assert len(published(company)) == 3
    before, books = copy.deepcopy(company.crm()[account]), books_of(company)
    link = company.ledger.link_of("demo", Ref("crm", "Accounts", account))
    report = await withdrawn(company)
    assert (report.status, report.exit_code) == ("green", 0)
    assert published(company) == [f"other:Accounts:{account}:JPY"]
    assert (company.crm()[account], books_of(company)) == (before, books)
    assert company.ledger.link_of("demo", Ref("crm", "Accounts", account)) == link
    assert "demo is disconnected; 1 links are kept, nothing in Books was touched" in report.notes
    said = [(one.outcome, one.reason) for one in company.ledger.outcomes(report.run) if one.kind == "note"]
    assert said == [("disconnected", "the trial is over")] and company.ledger.verify().broken is None


async def test_the_plan_alone_writes_nothing_and_names_each_row(company: Company) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    async with company.rooms() as rooms:
        plan = await plan_withdrawal(rooms, Request(kind="disconnect"))
    actions = [one for part in plan.entities.values() for one in part["actions"]]
    assert [(one["verb"], one["module"], one["reason"]) for one in actions] == [
        ("remove", module, "withdrawn") for module in (DOCUMENTS, ROWS)
    ]
    assert len(published(company)) == 2
    with pytest.raises(AskedWrongly, match="part of that command"):
        await company.apply(plan)
    assert (await company.sync()).status == "green"


async def test_after_it_runs_answer_not_connected_and_the_past_is_told(company: Company) -> None:
    account, _ = pair(company, "Kita Ltd")
    await company.sync()
    await withdrawn(company)
    only = (Ref("crm", "Accounts", account),)
    for asked in ({}, {"full": False}, {"plan_only": True}, {"entities": ("summaries",)}, {"only": only}):
        with pytest.raises(NotConnected, match=r"not_connected: demo .* since .* by Tanaka: the trial is over") as no:
            await company.sync(**asked)
        assert no.value.exit_code == 3
    with pytest.raises(NotConnected):
        await withdrawn(company)
    with pytest.raises(NotConnected):
        pause(doing(company), company.spec, "an audit")
    found = status(company.ledger, company.spec, company.clock.now())
    assert found["state"]["state"] == "disconnected" and found["next"]["nightly"] is None
    assert story(company.ledger, "demo", Ref("crm", "Accounts", account))["link"] is not None
    assert exported(company.ledger, "demo")[1] == 1 and company.ledger.verify().broken is None


async def test_a_row_published_while_the_person_read_the_plan_keeps_the_connection_until_it_is_asked_again(
    company: Company,
) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    account, _ = pair(company, "Minami Ltd")
    report = await withdrawn(company, between=lambda: company.seed_crm(ROWS, Name="x", renkei_key=f"demo:Accounts:{account}:JPY"))
    assert (report.status, report.exit_code) == ("red", 1) and "1 published rows are still in the CRM" in report.notes[-1]
    assert company.ledger.state("demo") is None
    assert (await withdrawn(company)).status == "green" and not published(company)


async def test_a_row_that_changed_since_the_plan_is_not_passed_over(company: Company) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    (row,) = company.crm(ROWS)
    report = await withdrawn(company, between=lambda: company.edit_crm(ROWS, row, Balance=5))
    assert report.status == "red" and company.ledger.state("demo") is None and len(published(company)) == 1
    assert (await withdrawn(company)).status == "green" and not published(company)


async def test_a_crash_in_the_middle_leaves_it_connected_and_the_next_try_ends_it(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(company.ledger), "put_state", dies)
        with pytest.raises(KeyboardInterrupt):
            await withdrawn(company)
    assert company.ledger.state("demo") is None and not published(company)
    assert (await withdrawn(company)).status == "green"
    assert company.ledger.state("demo") is not None


async def test_nothing_is_disconnected_beside_a_single_record_run(company: Company) -> None:
    account, _ = pair(company, "Kita Ltd")
    await company.sync()
    company.ledger.claim("demo", Ref("crm", "Accounts", account), "R9", company.clock.now(), LOCK_TTL)
    with pytest.raises(AnotherRun, match="R9"):
        await withdrawn(company)
    company.ledger.release("demo", "R9")
    assert (await withdrawn(company)).status == "green"


async def test_books_is_not_asked_when_it_is_disconnected(company: Company) -> None:
    """Its organisation may be gone, which is why one disconnects."""
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    company.world.requests.clear()
    await withdrawn(company)
    assert company.world.requests.count("books") == 0


async def test_a_connection_that_no_longer_publishes_withdraws_what_it_once_did(company: Company) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    company.spec = dataclasses.replace(company.spec, publish_summaries=False)
    await withdrawn(company)
    assert not published(company)


async def test_a_token_of_another_crm_withdraws_nothing(company: Company) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    stored = company.ledger.survey("demo")
    assert stored is not None
    company.ledger.put_survey("demo", {**stored[0], "crm": {**stored[0]["crm"], "id": "111"}}, "R", company.clock.now())
    with pytest.raises(WrongOrganization):
        await withdrawn(company)
    assert len(published(company)) == 2


async def test_a_paused_connection_can_be_disconnected_and_comes_back_active(company: Company) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    pause(doing(company), company.spec, "an audit")
    await withdrawn(company)
    resume(doing(company), company.spec, reconnect=True)
    report = await company.sync(full=False)
    assert report.status == "green" and len(published(company)) == 2
    assert "customers: full compare, because the connection was resumed" in report.notes


@pytest.mark.parametrize("last", POLICIES)
async def test_reconnecting_creates_nothing_twice(company: Company, last: str) -> None:
    await history(company, last)
    before, rows = names(company), published(company)
    await withdrawn(company)
    assert not published(company)
    resume(doing(company), company.spec, reconnect=True)
    await company.sync(full=False)
    assert (names(company), published(company)) == (before, rows)
    await company.quiet()


@pytest.mark.parametrize("last", POLICIES)
async def test_disconnected_wiped_and_connected_anew_creates_nothing_twice(company: Company, tmp_path: Path, last: str) -> None:
    await history(company, last)
    before, rows, links = names(company), published(company), live(company)
    await withdrawn(company)
    again = Company(company.world, tmp_path / "again", HOST, clock=company.clock)
    again.spec = company.spec
    await again.sync(plan_only=True)  # a plan in between takes nothing from what the run after it is careful about
    for _ in range(3):
        await again.sync()
    assert names(again) == before
    assert {one for one in links if one[0].startswith(("crm:Accounts", "crm:Products"))} <= live(again)
    assert published(again) == rows
    await again.quiet()
    again.ledger.close()


def live(company: Company) -> set[tuple[str, str]]:
    return {(str(one.crm), str(one.books)) for one in company.ledger.all_links("demo") if one.state == "live"}


# ------------------------------------------------------------------------------------------- another organisation


async def test_runs_are_refused_when_the_file_names_another_organisation(company: Company) -> None:
    account, _ = pair(company, "Kita Ltd")
    await company.sync()
    company.spec = dataclasses.replace(company.spec, organization=SECOND)
    calls = len(company.world.requests)
    for asked in ({}, {"full": False}, {"plan_only": True}, {"only": (Ref("crm", "Accounts", account),)}):
        with pytest.raises(OrganizationChanged, match=rf"{SECOND} now, former runs worked with {MAIN} \(Kita Trading\)") as no:
            await company.sync(**asked)
        assert no.value.exit_code == 3 and "renkei --connection demo switch-organization" in no.value.fix
    assert len(company.world.requests) == calls
    found = status(company.ledger, company.spec, company.clock.now())
    assert found["organization"] == {"declared": SECOND, "former": MAIN}
    company.spec = dataclasses.replace(company.spec, organization=MAIN)
    await company.quiet()


async def test_nothing_of_the_former_organisation_stays_in_the_crm_and_nothing_of_it_is_written(company: Company) -> None:
    account, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    books = books_of(company)
    report = await switched(company, SECOND)
    assert report.status == "green" and not published(company)
    assert report.notes == [
        f"1 links are kept aside for {MAIN}", f"0 links of {SECOND} came back", "the next run is a full compare",
    ]  # fmt: skip
    (link,) = company.ledger.all_links("demo")
    assert (link.state, link.organization) == ("aside", MAIN)
    first = await company.sync(full=False)
    assert first.entities["customers"]["outcomes"]["created"] == 1 and not published(company)
    assert [row["contact_name"] for row in company.world.books.records("contacts", SECOND).values()] == ["Kita Ltd"]
    assert books_of(company) == books
    told = [one.outcome for _, one in company.ledger.story("demo", Ref("crm", "Accounts", account))]
    assert "link_put_aside" in told and company.ledger.verify().broken is None
    await company.quiet()


async def test_a_new_organisation_needs_a_first_approval_whatever_was_approved_for_the_former(company: Company) -> None:
    company.seed_crm("Accounts", Account_Name="Kita Ltd")
    company.spec = dataclasses.replace(
        company.spec, brakes=dataclasses.replace(company.spec.brakes, first_run_needs_approval=True)
    )
    held = await company.sync()
    async with company.rooms() as rooms:  # approved, but not carried out
        keys = [action.key for plan in held.plans for action in plan.actions]
        rooms.ledger.approve("demo", "f", ("first_run",), keys, "Sato", company.clock.now())
    await switched(company, SECOND)
    again = await company.sync()
    assert [one.brake for one in again.brakes] == ["first_run"] and not company.world.books.records("contacts", SECOND)


@pytest.mark.parametrize("last", POLICIES)
async def test_there_and_back_creates_nothing_twice_on_either_side(company: Company, last: str) -> None:
    await history(company, last)
    before, rows, links, books = names(company), published(company), live(company), books_of(company)
    company.choose(duplicates="link")
    for name in ("Gleich KK", "Zwilling KK", "Klon KK"):  # the same parties, known there too
        customer(company, name, SECOND)
    await switched(company, SECOND)
    await company.sync()
    await company.sync()
    await company.quiet()
    assert books_of(company) == books  # and not a field of the former organisation
    assert names(company, SECOND)["accounts"] == before["accounts"]
    there, at_second = names(company, SECOND), live(company)
    company.choose(duplicates=last)
    await switched(company, MAIN)
    assert live(company) == links
    for _ in range(2):
        await company.sync()
    assert (names(company), published(company), live(company)) == (before, rows, links)
    await company.quiet()
    await switched(company, SECOND)
    company.choose(duplicates="link")
    await company.sync()
    assert live(company) >= at_second and names(company, SECOND) == there


async def test_what_was_edited_or_deleted_meanwhile_is_seen_on_return(company: Company) -> None:
    company.choose(deletes="ask")
    kita, kita_there = pair(company, "Kita Ltd")
    _, minami_there = pair(company, "Minami Ltd")
    nishi, _ = pair(company, "Nishi Ltd")
    await company.sync()
    await switched(company, SECOND)
    await company.sync()
    company.edit_books("contacts", kita_there, website="https://kita.example.jp")
    company.world.books.delete("contacts", minami_there)
    company.world.crm.delete("Accounts", nishi)
    await company.sync()
    await switched(company, MAIN)
    await company.sync()
    assert company.crm()[kita]["Website"] == "https://kita.example.jp"
    gone = {str(hold.record) for hold in company.ledger.open_holds("demo") if hold.question == "deleted"}
    assert gone == {f"books:contacts:{minami_there}", f"crm:Accounts:{nishi}"}
    assert Counter(row["Account_Name"] for row in company.crm().values()) == {"Kita Ltd": 1, "Minami Ltd": 1}
    assert len(company.books()) == 2
    await company.quiet()


async def test_there_and_back_asks_for_no_detail_that_is_known_already(company: Company) -> None:
    """Books gives no bulk read of details: what cost a call each is kept aside, not thrown away."""
    for number in range(5):
        pair(company, f"Kita {number}")
    await company.sync()
    await switched(company, SECOND)
    await switched(company, MAIN)
    company.world.requests.clear()
    report = await company.sync(full=False)
    assert "customers: full compare, because its Books organisation was changed" in report.notes
    assert company.world.requests.count("books", path="/books/v3/contacts/") == 0
    await company.quiet()


async def test_questions_and_quarantine_of_the_former_organisation_are_closed_and_come_back_by_themselves(
    company: Company,
) -> None:
    company.choose(duplicates="ask")
    pair(company, "Kita Ltd")
    bad = customer(company, "Falsch Ltd")
    company.judge.refused.add(bad)
    await company.sync()
    assert len(company.ledger.open_holds("demo")) == 1 and len(company.ledger.quarantine("demo")) == 1
    hold = company.ledger.open_holds("demo")[0].id
    await switched(company, SECOND)
    assert company.ledger.open_holds("demo") == [] and company.ledger.quarantine("demo") == []
    assert company.ledger.hold_states("demo", [hold])[hold][0] == "closed"
    await switched(company, MAIN)
    await company.sync()
    assert [one.id for one in company.ledger.open_holds("demo")] == [hold]
    assert [row.record.id for row, _, _ in company.ledger.quarantine("demo")] == [bad]


async def test_an_organisation_that_cannot_be_worked_with_changes_nothing(company: Company) -> None:
    _, theirs = pair(company, "Kita Ltd")
    invoice(company, theirs, 1000)
    await company.sync()
    company.world.books.organisations[SECOND].fields["contact"].pop(0)  # our key
    with pytest.raises(FieldMissing):
        await switched(company, SECOND)
    with pytest.raises(WrongOrganization):
        await switched(company, "60055555555")
    assert len(published(company)) == 2
    company.spec = dataclasses.replace(company.spec, organization=MAIN)
    await company.quiet()


async def test_there_is_nothing_to_switch_to_while_the_file_names_the_same_organisation(company: Company) -> None:
    pair(company, "Kita Ltd")
    await company.sync()
    with pytest.raises(AskedWrongly, match="works with"):
        await switched(company, MAIN)


async def test_a_plan_of_the_former_organisation_is_not_applied_to_the_new_one(company: Company) -> None:
    company.seed_crm("Accounts", Account_Name="Kita Ltd")
    plan = await company.sync(plan_only=True)
    await switched(company, SECOND)
    with pytest.raises(PlanStale):
        await company.apply(plan)


async def test_another_connections_rows_and_links_are_left_alone(company: Company) -> None:
    pair(company, "Kita Ltd")
    await company.sync()
    (link,) = company.ledger.all_links("demo")
    company.ledger.put_links("other", [link], "R", company.clock.now())
    company.seed_crm(ROWS, Name="Theirs", renkei_key="other:Accounts:1:JPY")
    await switched(company, SECOND)
    assert list(company.ledger.all_links("other")) == [link] and published(company) == ["other:Accounts:1:JPY"]


# ------------------------------------------------------------------------------------------------------ another edition


async def test_going_from_invoice_to_books_keeps_links_and_history_and_creates_nothing_twice(tmp_path: Path) -> None:
    with Company.in_process(tmp_path) as company:
        company.world.edition = "invoice"
        company.spec = dataclasses.replace(company.spec, edition="invoice")
        await history(company, "link")
        before, rows, links = names(company), published(company), live(company)
        company.world.edition = "books"
        company.spec = dataclasses.replace(company.spec, edition="books")
        report = await company.sync(full=False)
        assert "customers: full compare, because mapping, view or policy changed" in report.notes
        assert (names(company), published(company), live(company)) == (before, rows, links)
        with pytest.raises(AskedWrongly, match="works with"):
            await switched(company, MAIN)
        await company.quiet()
