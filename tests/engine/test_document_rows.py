"""One record in the CRM for each estimate, sales order and invoice: only where it differs, and tied out with Books."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from company import QUIET, Company

from renkei.core.errors import AnswerUnknown
from renkei.core.values import Ref
from renkei.engine.sequence import Report

MODULE, RECEIVABLES = "Renkei_Documents", "Renkei_Receivables"


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        yield made


def linked_pair(company: Company, name: str) -> tuple[str, str]:
    account = company.seed_crm("Accounts", Account_Name=name)
    customer = company.seed_books("contacts", contact_name=name, company_name=name, customer_sub_type="business")
    return account, customer


def document(company: Company, kind: str, customer: str, rate: int = 1000, **fields: Any) -> str:
    said = {"date": "2026-10-20", "status": "sent", "line_items": [{"rate": rate, "quantity": 1}], **fields}
    return company.seed_books(kind, customer_id=customer, **said)


def invoice(company: Company, customer: str, rate: int = 1000, **fields: Any) -> str:
    return document(company, "invoices", customer, rate, **{"due_date": "2026-11-19", **fields})


def rows(company: Company, module: str = MODULE) -> dict[str, dict[str, Any]]:
    """The published rows by key."""
    return {row["renkei_key"]: row for row in company.crm(module).values()}


def documents(report: Report) -> dict[str, Any]:
    return dict(report.entities["documents"])


async def test_estimates_sales_orders_and_invoices_stand_on_their_account_with_what_people_ask_for(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000, invoice_number="INV-7")
    two = document(company, "estimates", customer, 300, expiry_date="2026-12-01", estimate_number="EST-7")
    three = document(company, "salesorders", customer, 500, status="open", salesorder_number="SO-7")
    report = await company.sync()
    assert report.status == "green" and documents(report)["outcomes"]["created"] == 3
    found = rows(company)
    assert set(found) == {f"demo:invoices:{one}", f"demo:estimates:{two}", f"demo:salesorders:{three}"}
    row = found[f"demo:invoices:{one}"]
    assert row["Account"]["id"] == account and (row["Kind"], row["Number"], row["Name"]) == ("invoice", "INV-7", "INV-7")
    assert (row["Date"], row["Due_Date"], row["Status"]) == ("2026-10-20", "2026-11-19", "sent")
    assert (row["Total"], row["Balance"], row["Currency_Code"]) == (1000, 1000, "JPY")
    estimate, order = found[f"demo:estimates:{two}"], found[f"demo:salesorders:{three}"]
    assert (estimate["Kind"], estimate["Due_Date"], estimate["Total"], estimate.get("Balance")) == (
        "estimate",
        "2026-12-01",
        300,
        None,
    )
    assert (order["Kind"], order["Status"], order["Total"], order.get("Balance")) == ("sales_order", "open", 500, None)
    tied = documents(report)["tie_out"]
    assert tied["kinds"]["invoices"]["JPY"]["published"] == {"count": 1, "total": "1000", "balance": "1000"}
    assert tied["unexplained"] == [] and tied["documents"] is None


async def test_the_link_leads_to_the_document_in_books_of_that_data_centre(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    await company.sync()
    assert rows(company)[f"demo:invoices:{one}"].get("Link") is None  # an address of a sandbox leads nowhere
    hosts = dataclasses.replace(company.spec.books.hosts, accounts="https://accounts.zoho.jp")
    from renkei.core.published import document_of, link_of

    spec = dataclasses.replace(company.spec, books=dataclasses.replace(company.spec.books, hosts=hosts))
    row = document_of("invoices", company.books("invoices")[one], spec.books_key)
    assert link_of(spec, row) == f"https://books.zoho.jp/app/{spec.organization}#/invoices/{one}"


async def test_a_second_run_writes_nothing_and_reads_the_invoices_once(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer)
    document(company, "estimates", customer, expiry_date="2026-12-01")
    await company.sync()
    before = rows(company)
    company.world.clock.advance(3600)
    for full in (True, False):
        company.world.requests.rows.clear()
        await company.quiet(full=full)
        assert _calls(company, "invoices") == 1
    assert rows(company) == before


def _calls(company: Company, path: str) -> int:
    return sum(1 for one in company.world.requests.rows if one.path.endswith(f"/{path}"))


async def test_a_payment_moves_the_row_of_its_invoice_alone(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one, other = invoice(company, customer, 1000), invoice(company, customer, 50)
    await company.sync()
    company.world.clock.advance(600)
    await company.quiet(full=False)  # which looked at what the first one linked
    company.seed_books(
        "customerpayments", customer_id=customer, amount=400, date="2026-11-02", payment_mode="cash",
        invoices=[{"invoice_id": one, "amount_applied": 400}],
    )  # fmt: skip
    report = await company.sync(full=False)
    assert documents(report)["writes"] == {"crm": 1, "books": 0}
    found = rows(company)
    assert (found[f"demo:invoices:{one}"]["Balance"], found[f"demo:invoices:{one}"]["Status"]) == (600, "partially_paid")
    assert found[f"demo:invoices:{other}"]["Balance"] == 50
    assert documents(report)["tie_out"]["documents"] == 1


async def test_overdue_and_expired_follow_the_calendar_although_nothing_moved_in_books(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, due_date="2026-11-02")
    two = document(company, "estimates", customer, expiry_date="2026-11-02")
    three = document(company, "salesorders", customer, status="open", shipment_date="2026-11-02")
    await company.sync()
    assert sorted(row["Status"] for row in rows(company).values()) == ["open", "sent", "sent"]
    company.world.clock.advance(86400)
    report = await company.sync(full=False)
    assert documents(report)["writes"] == {"crm": 3, "books": 0}
    found = rows(company)
    assert found[f"demo:invoices:{one}"]["Status"] == "overdue" and found[f"demo:estimates:{two}"]["Status"] == "expired"
    assert found[f"demo:salesorders:{three}"]["Status"] == "overdue"
    await company.quiet()


async def test_the_day_is_that_of_the_connection_s_zone_at_the_end_of_a_month(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    company.world.clock.advance(28 * 86400 - _seconds_into_day(company) - 1)  # 2026-11-29 23:59:59 in Tokyo, the 29th in UTC
    one = invoice(company, customer, date="2026-11-30", due_date="2026-11-30")
    company.world.clock.advance(86400)
    await company.sync()
    row = rows(company)[f"demo:invoices:{one}"]
    assert (row["Date"], row["Due_Date"], row["Status"]) == ("2026-11-30", "2026-11-30", "sent")
    company.world.clock.advance(2)  # December in Tokyo, still November in UTC
    await company.sync(full=False)
    assert rows(company)[f"demo:invoices:{one}"]["Status"] == "overdue"


def _seconds_into_day(company: Company) -> int:
    now = company.world.clock.now().astimezone(company.world.zone)
    assert (now.year, now.month, now.day) == (2026, 11, 2)
    return now.hour * 3600 + now.minute * 60 + now.second


async def test_the_row_of_a_deleted_document_is_removed(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one, two = invoice(company, customer), invoice(company, customer)
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.delete("invoices", one)
    report = await company.sync()
    assert set(rows(company)) == {f"demo:invoices:{two}"}
    assert company.outcome(Ref("books", "invoices", one)) == ("removed", "deleted")
    assert documents(report)["tie_out"]["unexplained"] == [] and report.status == "green"
    await company.quiet()


async def test_rows_are_withdrawn_when_the_link_ends_and_come_back_with_it(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account)
    report = await company.sync(full=False)
    assert not rows(company) and documents(report)["writes"] == {"crm": 1, "books": 0}
    full = await company.quiet()
    assert [(row["kind"], row["reason"]) for row in documents(full)["tie_out"]["not_published"]] == [
        ("invoices", "customer_deleted")
    ]
    assert company.outcome(Ref("books", "invoices", one)) == ("skipped", "customer_deleted")


async def test_a_document_of_a_held_customer_takes_its_word_and_appears_once_the_customer_is_linked(company: Company) -> None:
    company.choose(duplicates="ask")
    _, customer = linked_pair(company, "Kita Ltd")
    one = document(company, "estimates", customer, 700, expiry_date="2026-12-01")
    held = await company.sync()
    assert not rows(company) and company.outcome(Ref("books", "estimates", one)) == ("blocked", "customer_duplicate")
    assert documents(held)["tie_out"]["not_published"] == [
        {"kind": "estimates", "customer": customer, "currency": "JPY", "reason": "customer_duplicate", "count": 1, "total": "700",
         "balance": "0"}
    ]  # fmt: skip
    company.decide(company.ledger.open_holds("demo")[0].id, f"link books:contacts:{customer}")
    assert (await company.sync(full=False)).status == "green"
    assert set(rows(company)) == {f"demo:estimates:{one}"}
    assert company.outcome(Ref("books", "estimates", one)) == ("created", "published")


async def test_a_document_of_a_customer_who_was_passed_over_takes_its_row_s_word_once_he_is_linked(company: Company) -> None:
    company.choose(duplicates="skip")
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    assert (await company.sync()).status == "green" and not rows(company)
    assert company.outcome(Ref("books", "invoices", one))[0] == "skipped"
    company.choose(duplicates="link")
    company.world.clock.advance(600)
    report = await company.sync(full=False)
    assert company.outcome(Ref("books", "invoices", one)) == ("created", "published")
    assert rows(company)[f"demo:invoices:{one}"]["Account"]["id"] == account and documents(report)["extracted"]["books"] == 1


async def test_a_customer_made_in_this_run_has_its_documents_in_this_run(company: Company) -> None:
    customer = company.seed_books("contacts", contact_name="Neu GmbH", company_name="Neu GmbH", customer_sub_type="business")
    one = invoice(company, customer)
    report = await company.sync()
    account = next(iter(company.crm()))
    assert rows(company)[f"demo:invoices:{one}"]["Account"]["id"] == account and report.status == "green"
    await company.quiet()


async def test_a_customer_who_is_a_contact_has_rows_of_his_own(company: Company) -> None:
    company.choose(modules="contacts")
    person = company.seed_crm("Contacts", First_Name="Aiko", Last_Name="Mori", Email="aiko@kita.example")
    customer = company.seed_books("contacts", contact_name="Aiko Mori", first_name="Aiko", last_name="Mori",
                                  customer_sub_type="individual", contact_persons=[{"first_name": "Aiko", "last_name": "Mori",
                                  "email": "aiko@kita.example", "is_primary_contact": True}])  # fmt: skip
    one = invoice(company, customer)
    plan = await company.sync(plan_only=True)
    assert "Aiko" not in str([part["actions"] for name, part in plan.entities.items() if name != "customers"])
    await company.sync()
    row = rows(company)[f"demo:invoices:{one}"]
    assert row["Contact"]["id"] == person and row.get("Account") is None
    assert rows(company, RECEIVABLES)[f"demo:Contacts:{person}:JPY"]["Contact"]["id"] == person


async def test_a_row_that_a_person_changed_or_deleted_comes_back(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    key = f"demo:invoices:{invoice(company, customer)}"
    await company.sync()
    company.edit_crm(MODULE, rows(company)[key]["id"], Total=1001)
    await company.sync(full=False)
    assert rows(company)[key]["Total"] == 1000
    company.world.clock.advance(600)
    company.world.crm.delete(MODULE, rows(company)[key]["id"])
    await company.sync(full=False)
    assert rows(company)[key]["Total"] == 1000
    await company.quiet()


async def test_a_row_of_another_connection_is_left_alone(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    company.seed_crm(MODULE, Name="Theirs", renkei_key=f"other:invoices:{one}", Total=5)
    report = await company.sync()
    assert rows(company)[f"other:invoices:{one}"]["Total"] == 5 and len(rows(company)) == 2
    assert documents(report)["outcomes"]["skipped"] == 1
    await company.quiet()


async def test_an_invoice_that_the_crm_misstates_by_one_yen_makes_the_run_red_by_name(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    async with company.rooms() as rooms:
        honest = type(rooms.crm).insert

    async def off_by_one(self: Any, module: str, given: list[dict[str, Any]]) -> Any:
        return await honest(self, module, [{**row, "Total": row["Total"] + 1} if module == MODULE else row for row in given])

    monkeypatch.setattr(type(rooms.crm), "insert", off_by_one)
    report = await company.sync()
    assert report.status == "red"
    assert documents(report)["tie_out"]["unexplained"] == [
        f"books:invoices:{one}: Books lists 1000 JPY, owed 1000, the CRM shows 1001 JPY, owed 1000"
    ]
    monkeypatch.setattr(type(rooms.crm), "insert", honest)
    assert (await company.sync()).status == "green"


async def test_an_invoice_that_the_crm_dropped_makes_the_run_red_by_name(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one, other = invoice(company, customer, 10), invoice(company, customer, 20)
    async with company.rooms() as rooms:
        honest = type(rooms.crm).read

    async def drops(self: Any, module: str, fields: Any, **asked: Any) -> Any:
        async for page in honest(self, module, fields, **asked):
            page.rows[:] = [row for row in page.rows if row.get("renkei_key") != f"demo:invoices:{one}"]
            yield page

    monkeypatch.setattr(type(rooms.crm), "read", drops)
    report = await company.sync()
    assert report.status == "red"
    assert documents(report)["tie_out"]["unexplained"] == [
        f"books:invoices:{one}: Books lists 10 JPY, owed 10, the CRM shows nothing"
    ]
    assert f"demo:invoices:{other}" in rows(company)


async def test_a_write_that_the_crm_refused_is_listed_with_its_reason(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 10)
    async with company.rooms() as rooms:
        honest = type(rooms.crm).insert

    async def without_currency(self: Any, module: str, given: list[dict[str, Any]]) -> Any:
        return await honest(self, module, [{**row, "Name": None} if module == MODULE else row for row in given])

    monkeypatch.setattr(type(rooms.crm), "insert", without_currency)
    report = await company.sync()
    assert report.status == "amber" and company.outcome(Ref("books", "invoices", one))[0] == "refused"
    tied = documents(report)["tie_out"]
    assert tied["unexplained"] == [] and tied["not_published"][0]["reason"].startswith("refused_")


async def test_a_module_that_the_organisation_switched_off_is_said_and_the_others_are_published(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    company.world.books.main.switched_off |= {"estimates", "salesorders"}
    for full in (True, False):
        report = await company.sync(full=full)
        assert report.status == "green" and set(rows(company)) == {f"demo:invoices:{one}"}
        assert [note for note in report.notes if "not in use" in note] == [
            f"books {kind}: not in use in this organisation, so none are published" for kind in ("estimates", "salesorders")
        ]


async def test_the_invoice_edition_has_no_sales_orders_and_the_rest_is_published(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, edition="invoice")
    _, customer = linked_pair(company, "Kita Ltd")
    one, two = invoice(company, customer), document(company, "estimates", customer, expiry_date="2026-12-01")
    report = await company.sync()
    assert report.status == "green" and set(rows(company)) == {f"demo:invoices:{one}", f"demo:estimates:{two}"}
    assert _calls(company, "salesorders") == 0


async def test_many_estimates_are_read_whole_by_night_and_new_ones_by_the_hour(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, budget=dataclasses.replace(company.spec.budget, hourly_list_pages=0))
    _, customer = linked_pair(company, "Kita Ltd")
    old = document(company, "estimates", customer, 100, expiry_date="2026-12-01")
    company.world.clock.advance(3600)
    document(company, "estimates", customer, 150, expiry_date="2026-12-01")
    await company.sync()
    company.edit_books("estimates", old, reference_number="later", status="accepted")
    company.world.clock.advance(600)
    new = document(company, "estimates", customer, 200, expiry_date="2026-12-01")
    await company.sync(full=False)
    assert rows(company)[f"demo:estimates:{new}"]["Total"] == 200
    assert rows(company)[f"demo:estimates:{old}"]["Status"] == "sent"
    await company.sync()
    assert rows(company)[f"demo:estimates:{old}"]["Status"] == "accepted"


async def test_a_list_row_is_compared_whole_although_its_stamp_did_not_move(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    await company.sync()
    stamp = company.books("invoices")[one]["last_modified_time"]
    company.world.clock.advance(600)
    company.world.books.edit("invoices", one, last_modified_time=stamp, reference_number="", due_date="2026-12-31")
    await company.sync()
    assert rows(company)[f"demo:invoices:{one}"]["Due_Date"] == "2026-12-31"


async def test_a_connection_may_publish_the_one_without_the_other(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    company.spec = dataclasses.replace(company.spec, publish_summaries=False)
    report = await company.sync()
    assert set(rows(company)) == {f"demo:invoices:{one}"} and not rows(company, RECEIVABLES)
    assert "summaries" not in report.entities
    company.spec = dataclasses.replace(company.spec, publish_summaries=True, publish_documents=False)
    report = await company.sync()
    assert rows(company, RECEIVABLES) and "documents" not in report.entities and report.status == "green"
    await company.quiet()


async def test_figures_that_a_crash_between_documents_and_summaries_left_are_added_up_by_the_next_run(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    await company.sync()
    company.world.clock.advance(600)
    invoice(company, customer, 500)

    async def crash(*given: Any) -> Any:
        raise RuntimeError("the machine went away")

    from renkei.engine.sequence import ENGINE, run_sequence
    from renkei.engine.work import Request

    async def load(*given: Any) -> None:
        if given[3].entity == "summaries":
            await crash()
        await ENGINE.load(*given)

    with pytest.raises(RuntimeError):
        async with company.rooms() as opened:
            await run_sequence(opened, Request(full=False, actor="test"), dataclasses.replace(ENGINE, load=load))
    assert rows(company, RECEIVABLES)[f"demo:Accounts:{account}:JPY"]["Invoiced"] == 1000 and len(rows(company)) == 2
    company.world.clock.advance(3600)
    await company.sync(full=False)
    assert rows(company, RECEIVABLES)[f"demo:Accounts:{account}:JPY"]["Invoiced"] == 1500


async def test_documents_that_cannot_be_read_keep_their_row_and_are_listed(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    await company.sync()
    company.judge.refused = {one}
    company.edit_books("invoices", one, due_date="2026-12-31", line_items=[{"rate": 2000, "quantity": 1}])
    report = await company.sync()
    assert report.status == "amber" and rows(company)[f"demo:invoices:{one}"]["Due_Date"] == "2026-11-19"
    assert documents(report)["outcomes"]["quarantined"] == 1
    assert documents(report)["tie_out"]["not_published"][0]["reason"] == "document_quarantined"
    owed = report.entities["summaries"]["tie_out"]
    assert owed["unexplained"] == [] and owed["not_published"][0]["reason"] == "invoice_quarantined"
    company.judge.refused = set()
    assert (await company.sync(full=False)).status == "green"
    assert rows(company)[f"demo:invoices:{one}"]["Total"] == 2000


async def test_a_plan_shows_the_document_rows_and_apply_writes_exactly_them(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer)
    plan = await company.sync(plan_only=True)
    assert [one["verb"] for one in plan.entities["documents"]["actions"]] == ["create"] and not rows(company)
    applied = await company.apply(plan)
    assert applied.status == "green" and set(rows(company)) == {f"demo:invoices:{one}"}
    report = await company.quiet()
    assert report.entities["documents"]["writes"] == QUIET


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
@pytest.mark.parametrize("error", [AnswerUnknown("crm", "POST", "no answer"), RuntimeError("the machine went away")])
async def test_a_row_whose_create_got_no_answer_is_there_once(
    company: Company, monkeypatch: pytest.MonkeyPatch, error: Exception, full: bool
) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    await company.sync()
    one = invoice(company, customer)
    async with company.rooms() as rooms:
        honest = type(rooms.crm).insert

    async def answerless(self: Any, module: str, given: list[dict[str, Any]]) -> Any:
        await honest(self, module, given)
        raise error

    monkeypatch.setattr(type(rooms.crm), "insert", answerless)
    with suppress(RuntimeError):
        assert (await company.sync(full=False)).status == "red"
    monkeypatch.setattr(type(rooms.crm), "insert", honest)
    company.world.clock.advance(3600)
    await company.sync(full=full)
    assert [row["renkei_key"] for row in company.crm(MODULE).values()] == [f"demo:invoices:{one}"]
    assert (await company.quiet()).status == "green"
