"""What customers owe, published to the CRM: only where it differs, and tied out with Books to the yen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from company import QUIET, Company

from renkei.core.connection import Brakes
from renkei.core.values import Ref
from renkei.engine.sequence import Report

MODULE = "Renkei_Receivables"


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        yield made


def linked_pair(company: Company, name: str) -> tuple[str, str]:
    account = company.seed_crm("Accounts", Account_Name=name)
    customer = company.seed_books("contacts", contact_name=name, company_name=name, customer_sub_type="business")
    return account, customer


def invoice(company: Company, customer: str, rate: int, **fields: Any) -> str:
    said = {"date": "2026-10-20", "due_date": "2026-11-19", "status": "sent", **fields}
    return company.seed_books("invoices", customer_id=customer, line_items=[{"rate": rate, "quantity": 1}], **said)


def rows(company: Company) -> dict[str, dict[str, Any]]:
    """The published rows by key."""
    return {row["renkei_key"]: row for row in company.crm(MODULE).values()}


def summaries(report: Report) -> dict[str, Any]:
    return dict(report.entities["summaries"])


async def test_the_first_run_publishes_one_row_a_customer_and_currency(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    invoice(company, customer, 500, due_date="2026-10-01")
    report = await company.sync()
    assert report.status == "green"
    row = rows(company)[f"demo:Accounts:{account}:JPY"]
    assert row["Account"]["id"] == account and row["Currency_Code"] == "JPY" and row["Connection"] == "demo"
    assert (row["Invoiced"], row["Settled"], row["Balance"]) == (1500, 0, 1500)
    assert (row["Open_Count"], row["Overdue_Count"], row["Overdue"]) == (2, 1, 500)
    assert (row["Age_Current"], row["Age_31_60"]) == (1000, 500)
    assert row["Last_Invoice_Date"] == "2026-10-20" and row["As_Of"]
    assert summaries(report)["tie_out"]["currencies"]["JPY"]["books"] == {"invoiced": "1500", "balance": "1500"}
    assert summaries(report)["tie_out"]["unexplained"] == []


async def test_the_second_run_writes_nothing_and_leaves_the_as_of_time(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    await company.sync()
    before = rows(company)
    company.world.clock.advance(3600)
    full = await company.quiet()
    hourly = await company.quiet(full=False)
    assert rows(company) == before
    assert summaries(full)["tie_out"]["customers"] is None and summaries(hourly)["tie_out"]["customers"] == 0


async def test_the_account_itself_is_not_touched_by_publishing(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    await company.sync()
    before = company.crm()[account]["Modified_Time"]
    company.world.clock.advance(600)
    invoice(company, customer, 1000)
    report = await company.sync(full=False)
    assert summaries(report)["writes"] == {"crm": 1, "books": 0}
    assert company.crm()[account]["Modified_Time"] == before


async def test_a_customer_made_in_this_run_has_its_row_in_this_run(company: Company) -> None:
    customer = company.seed_books("contacts", contact_name="Neu GmbH", company_name="Neu GmbH", customer_sub_type="business")
    invoice(company, customer, 700)
    report = await company.sync()
    account = next(one for one, row in company.crm().items() if row["renkei_books_id"] == customer)
    assert rows(company)[f"demo:Accounts:{account}:JPY"]["Balance"] == 700
    assert report.status == "green" and summaries(report)["tie_out"]["unexplained"] == []
    await company.quiet()


async def test_a_payment_moves_only_what_it_moves(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    first = invoice(company, customer, 1000)
    await company.sync()
    company.world.clock.advance(600)
    company.seed_books(
        "customerpayments", customer_id=customer, amount=400, date="2026-11-02", payment_mode="cash",
        invoices=[{"invoice_id": first, "amount_applied": 400}],
    )  # fmt: skip
    report = await company.sync(full=False)
    row = rows(company)[f"demo:Accounts:{account}:JPY"]
    assert (row["Settled"], row["Balance"], row["Last_Payment_Date"]) == (400, 600, "2026-11-02")
    changes = {change.field for change in report.plans[-1].actions[0].changes}
    assert changes == {"settled", "balance", "age_current", "last_payment_date", "last_invoice_status"}


async def test_overdue_follows_the_calendar_although_nothing_moved_in_books(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000, due_date="2026-11-02")
    await company.sync()
    assert rows(company)[f"demo:Accounts:{account}:JPY"]["Overdue"] == 0
    for days, bucket in ((1, "Age_1_30"), (30, "Age_31_60"), (30, "Age_61_90"), (30, "Age_Over_90")):
        company.world.clock.advance(days * 86400)
        report = await company.sync(full=False)
        assert summaries(report)["writes"] == {"crm": 1, "books": 0}
        row = rows(company)[f"demo:Accounts:{account}:JPY"]
        assert row["Overdue"] == 1000 and row[bucket] == 1000 and row["Age_Current"] == 0


async def test_draft_and_void_invoices_are_in_no_figure_and_listed_apart(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    invoice(company, customer, 30, status="draft")
    invoice(company, customer, 7, status="void")
    report = await company.sync()
    assert rows(company)[f"demo:Accounts:{account}:JPY"]["Invoiced"] == 1000
    apart = summaries(report)["tie_out"]["in_no_figure"]
    assert apart["draft"]["JPY"] == {"count": 1, "total": "30"} and apart["void"]["JPY"] == {"count": 1, "total": "7"}


async def test_an_invoice_of_a_held_customer_is_listed_with_the_reason_and_published_once_linked(company: Company) -> None:
    company.choose(duplicates="ask")
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    held = await company.sync()
    assert held.status == "amber" and not rows(company)
    listed = summaries(held)["tie_out"]["not_published"]
    assert [(row["customer"], row["invoiced"], row["reason"]) for row in listed] == [(customer, "1000", "customer_duplicate")]
    assert company.outcome(Ref("books", "invoices", one)) == ("blocked", "customer_duplicate")
    hold = company.ledger.open_holds("demo")[0]
    company.decide(hold.id, f"link books:contacts:{customer}")
    linked = await company.sync(full=False)
    assert rows(company)[f"demo:Accounts:{account}:JPY"]["Balance"] == 1000 and linked.status == "green"


async def test_an_invoice_of_a_customer_that_is_not_synced_is_skipped_with_its_word(company: Company) -> None:
    customer = company.seed_books("contacts", contact_name="Taro Person", first_name="Taro", last_name="Person",
                                  customer_sub_type="individual")  # fmt: skip
    one = invoice(company, customer, 1000)
    report = await company.sync()
    assert report.status == "green" and not rows(company)
    assert company.outcome(Ref("books", "invoices", one)) == ("skipped", "customer_module_not_synced")
    assert summaries(report)["tie_out"]["not_published"][0]["reason"] == "customer_module_not_synced"


async def test_the_row_of_a_record_deleted_in_the_crm_is_withdrawn(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", account)
    report = await company.sync(full=False)
    assert not rows(company) and summaries(report)["writes"] == {"crm": 1, "books": 0}
    full = await company.quiet()
    assert full.status == "green"
    assert summaries(full)["tie_out"]["not_published"][0]["reason"] == "customer_deleted"


async def test_the_row_goes_when_the_last_invoice_is_voided_or_deleted(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    await company.sync()
    company.edit_books("invoices", one, status="void")
    await company.sync(full=False)
    assert not rows(company)
    await company.quiet()


async def test_a_row_that_a_person_changed_or_deleted_in_the_crm_comes_back(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    await company.sync()
    key = f"demo:Accounts:{account}:JPY"
    company.edit_crm(MODULE, rows(company)[key]["id"], Balance=1)
    await company.sync(full=False)
    assert rows(company)[key]["Balance"] == 1000
    company.world.clock.advance(600)
    company.world.crm.delete(MODULE, rows(company)[key]["id"])
    await company.sync(full=False)
    assert rows(company)[key]["Balance"] == 1000
    await company.quiet()


async def test_a_row_of_another_connection_is_left_alone(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    company.seed_crm(MODULE, Name="Theirs", renkei_key=f"other:Accounts:{account}:JPY", Balance=5)
    report = await company.sync()
    assert rows(company)[f"other:Accounts:{account}:JPY"]["Balance"] == 5
    assert summaries(report)["outcomes"]["skipped"] == 1 and len(rows(company)) == 2
    await company.quiet()


async def test_figures_that_the_crm_does_not_show_as_written_make_the_run_red_and_name_the_customer(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    async with company.rooms() as rooms:
        honest = type(rooms.crm).insert

    async def off_by_one(self: Any, module: str, given: list[dict[str, Any]]) -> Any:
        return await honest(self, module, [{**row, "Balance": row["Balance"] + 1} if module == MODULE else row for row in given])

    monkeypatch.setattr(type(rooms.crm), "insert", off_by_one)
    report = await company.sync()
    assert report.status == "red"
    assert summaries(report)["tie_out"]["unexplained"] == [
        f"books:contacts:{customer} JPY: Books lists invoiced 1000, owed 1000, the CRM shows invoiced 1000, owed 1001"
    ]
    monkeypatch.setattr(type(rooms.crm), "insert", honest)
    assert (await company.sync()).status == "green"


async def test_an_invoice_that_a_moving_list_dropped_is_not_lost(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    for _ in range(3):
        invoice(company, customer, 100)
    await company.sync()
    gone = invoice(company, customer, 50)
    await company.sync(full=False)
    mirror = company.ledger.mirrors("demo", "books", "invoices", [gone])[gone]
    assert mirror.deleted_at is None
    assert rows(company)[f"demo:Accounts:{account}:JPY"]["Invoiced"] == 350


async def test_a_plan_shows_the_published_writes_and_apply_carries_them_out(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    plan = await company.sync(plan_only=True)
    assert [one["verb"] for one in plan.entities["summaries"]["actions"]] == ["create"] and not rows(company)
    applied = await company.apply(plan)
    assert applied.status == "green" and rows(company)[f"demo:Accounts:{account}:JPY"]["Balance"] == 1000


async def test_publishing_alone_writes_no_customer(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    await company.sync()
    invoice(company, customer, 1000)
    company.edit_crm("Accounts", account, Website="https://later.example.jp")
    report = await company.sync(entities=("summaries",))
    assert set(report.entities) == {"documents", "summaries"} and rows(company)[f"demo:Accounts:{account}:JPY"]["Balance"] == 1000
    assert company.books()[customer]["website"] == ""


async def test_a_connection_that_does_not_publish_reads_no_invoices(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, publish_summaries=False)
    _, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    report = await company.sync()
    assert "summaries" not in report.entities and not rows(company)


async def test_a_published_balance_that_moves_by_half_stops_the_run(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=Brakes(first_run_needs_approval=False))
    account, customer = linked_pair(company, "Kita Ltd")
    one = invoice(company, customer, 1000)
    await company.sync()
    company.edit_books("invoices", one, status="void")
    held = await company.sync(full=False)
    assert [(brake.brake, brake.entity) for brake in held.brakes] == [("sums_share", "summaries")]
    assert rows(company)[f"demo:Accounts:{account}:JPY"]["Balance"] == 1000
    applied = await company.apply(held, release=("sums_share",))
    assert not applied.brakes and not rows(company)


async def test_figures_are_kept_apart_by_currency_and_never_converted(company: Company) -> None:
    _, customer = linked_pair(company, "Kita Ltd")
    invoice(company, customer, 1000)
    abroad = company.seed_books("contacts", contact_name="Abroad", company_name="Abroad", customer_sub_type="business",
                                currency_code="USD")  # fmt: skip
    invoice(company, abroad, 12, currency_code="USD")
    report = await company.sync()
    found = {key.rsplit(":", 1)[1]: row["Balance"] for key, row in rows(company).items()}
    assert Decimal(str(found["USD"])) == 12 and found["JPY"] == 1000
    assert set(summaries(report)["tie_out"]["currencies"]) == {"JPY", "USD"}
    assert summaries(report)["writes"] != QUIET
