"""Deals make documents: each exactly once, following the deal until a person takes the document over."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_rows import invoice, linked_pair

from renkei.core.connection import Brakes
from renkei.core.deal_lines import BillingSpec
from renkei.core.errors import FieldMissing
from renkei.core.planning import books_key_of
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.life import disconnect, plan_withdrawal, resume
from renkei.engine.sequence import Report
from renkei.engine.why import story
from renkei.engine.work import Request
from renkei.sandbox.crm.fields import Field

OPEN, WON, LOST = "Qualification", "Closed Won", "Closed Lost"


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        yield made


def setting(company: Company, word: str, **more: Any) -> None:
    company.spec = dataclasses.replace(company.spec, deals=word, **more)


def deal(company: Company, account: str, stage: str = OPEN, amount: int = 1000, **fields: Any) -> str:
    given = {"Deal_Name": "Kita renewal", "Closing_Date": "2026-12-31", **fields}
    return company.seed_crm("Deals", Account_Name={"id": account}, Stage=stage, Amount=amount, **given)


def words(company: Company, deal: str) -> tuple[str, str]:
    return company.outcome(Ref("crm", "Deals", deal))


def deals(report: Report) -> dict[str, Any]:
    return {word: count for word, count in report.entities["deals"]["outcomes"].items() if count}


def invoices(company: Company) -> list[dict[str, Any]]:
    return sorted(company.books("invoices").values(), key=lambda one: str(one["invoice_number"]))


def key(document: dict[str, Any]) -> str:
    return str(books_key_of(document, "cf_renkei_crm_id"))


async def in_effect(company: Company, word: str, **more: Any) -> None:
    """The setting is chosen and has been read once."""
    setting(company, word, **more)
    await company.sync()


async def test_a_new_deal_gets_an_estimate_that_is_accepted_when_it_is_won_and_nothing_after_that(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    await in_effect(company, "estimates")
    mine = deal(company, account)
    report = await company.sync(full=False)
    assert deals(report) == {"created": 1} and report.status == "green"
    [estimate] = company.books("estimates").values()
    assert (estimate["customer_id"], estimate["status"], estimate["sub_total"]) == (customer, "draft", 1000)
    assert words(company, mine) == ("created", "deal_open")
    company.edit_crm("Deals", mine, Stage=WON)
    report = await company.sync(full=False)
    assert deals(report) == {"updated": 1} and words(company, mine) == ("updated", "deal_won")
    assert [row["status"] for row in company.books("estimates").values()] == ["accepted"]
    await company.sync(full=False)
    await company.quiet(full=False)
    await company.quiet()


async def test_a_won_deal_gets_an_invoice_with_the_lines_of_its_subform_to_the_yen(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    company.seed_crm("Products", Product_Name="Paper", Unit_Price=105, Product_Active=True)
    await in_effect(company, "invoices")
    [product] = company.crm("Products")
    [item] = company.books("items")
    lines = [
        {"Product_Name": {"id": product}, "Quantity": 3, "List_Price": 105},
        {"Description": "Installation", "Quantity": 1, "List_Price": 700, "Discount": 15},
    ]
    mine = deal(company, account, amount=1000, Deal_Lines=lines)
    assert deals(await company.sync(full=False)) == {"skipped": 1} and words(company, mine) == ("skipped", "not_won")
    company.edit_crm("Deals", mine, Stage=WON)
    assert deals(await company.sync(full=False)) == {"created": 1}
    [one] = invoices(company)
    assert [(line["item_id"], line["quantity"], line["rate"], line["item_total"]) for line in one["line_items"]] == [
        (item, 3, 105, 315), ("", 1, 700, 685),
    ]  # fmt: skip
    assert (one["sub_total"], one["status"], key(one)) == (1000, "draft", f"crm:Deals:{mine}")


async def test_what_was_decided_before_the_setting_took_effect_gets_no_invoice_ever(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    won, still_open = deal(company, account, WON), deal(company, account)
    await in_effect(company, "invoices")
    assert words(company, won) == ("skipped", "before_setting") and words(company, still_open) == ("skipped", "not_won")
    company.edit_crm("Deals", won, Amount=2000)
    company.edit_crm("Deals", still_open, Stage=WON)
    await company.sync(full=False)
    assert words(company, won) == ("skipped", "before_setting") and words(company, still_open) == ("created", "deal_won")
    assert len(invoices(company)) == 1


async def test_a_deal_that_is_reopened_and_won_under_the_setting_is_won_under_it(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    mine = deal(company, account, WON)
    await in_effect(company, "invoices")
    company.edit_crm("Deals", mine, Stage=OPEN)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Stage=WON)
    await company.sync(full=False)
    assert words(company, mine) == ("created", "deal_won")


async def test_a_deal_that_was_there_before_the_setting_gets_no_estimate(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    mine = deal(company, account)
    await in_effect(company, "estimates")
    company.edit_crm("Deals", mine, Stage=WON)
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "before_setting") and not company.books("estimates")


async def test_a_date_decides_instead_where_it_is_set(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    before, after = (deal(company, account, WON, Closing_Date=day) for day in ("2026-10-31", "2026-11-01"))
    await in_effect(company, "invoices", deals_since=date(2026, 11, 1))
    assert words(company, before) == ("skipped", "before_setting") and words(company, after) == ("created", "deal_won")


async def test_a_setting_that_was_off_takes_effect_anew_and_touches_nothing_made_before(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    first = deal(company, account, WON)
    await company.sync(full=False)
    setting(company, "none")
    await company.sync(full=False)
    meanwhile = deal(company, account, WON)
    await in_effect(company, "invoices")
    assert words(company, meanwhile) == ("skipped", "before_setting")
    company.edit_crm("Deals", first, Amount=1000, Next_Step="Call")
    await company.sync(full=False)
    assert words(company, first) == ("unchanged", "follows")
    assert len(invoices(company)) == 1


async def test_a_lost_deal_s_draft_is_void_and_comes_back_as_a_draft_when_it_is_won_again(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    for stage, status, word in ((LOST, "void", "deal_lost"), (WON, "draft", "won_again")):
        company.edit_crm("Deals", mine, Stage=stage)
        await company.sync(full=False)
        assert [one["status"] for one in invoices(company)] == [status] and words(company, mine) == ("updated", word)


async def test_a_draft_follows_the_deal_s_amount_and_its_words(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Amount=1500, Deal_Name="Kita, larger")
    await company.sync(full=False)
    [one] = invoices(company)
    assert (one["sub_total"], one["line_items"][0]["name"]) == (1500, "Kita, larger")
    assert words(company, mine) == ("updated", "deal_changed")
    await company.sync(full=False)
    await company.quiet(full=False)


async def test_what_a_person_sent_is_his_and_a_paid_one_is_never_void(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    sent, paid = deal(company, account, WON), deal(company, account, WON)
    await company.sync(full=False)
    by_deal = {key(one): one["invoice_id"] for one in invoices(company)}
    for one in by_deal.values():
        company.edit_books("invoices", one, status="sent")
    company.seed_books(
        "customerpayments", customer_id=customer, amount=400, date="2026-11-02", payment_mode="cash",
        invoices=[{"invoice_id": by_deal[f"crm:Deals:{paid}"], "amount_applied": 400}],
    )  # fmt: skip
    for one in (sent, paid):
        company.edit_crm("Deals", one, Stage=LOST, Amount=7)
    await company.sync(full=False)
    assert words(company, sent) == ("skipped", "moved_on") and words(company, paid) == ("refused", "payment_exists")
    assert {one["status"] for one in invoices(company)} == {"sent", "partially_paid"}


async def test_a_deal_waits_for_its_customer_and_moves_by_itself(company: Company) -> None:
    await in_effect(company, "invoices")
    account = company.seed_crm("Accounts", Account_Name="Kita Ltd")
    mine = deal(company, account, WON)
    await company.sync(full=False, entities=("deals",))
    assert words(company, mine) == ("blocked", "customer_not_linked") and not invoices(company)
    assert deals(await company.sync(full=False)) == {"created": 1}, "with the customer that the same run makes"
    [customer] = company.books("contacts")
    assert [one["customer_id"] for one in invoices(company)] == [customer]


async def test_a_deal_of_nobody_waits(company: Company) -> None:
    await in_effect(company, "invoices")
    mine = company.seed_crm("Deals", Deal_Name="Nobody's", Stage=WON, Amount=5)
    assert (await company.sync(full=False)).status == "amber"
    assert words(company, mine) == ("blocked", "customer_not_linked")


async def test_lines_that_do_not_add_up_are_a_question_told_with_both_sums(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON, amount=1000, Deal_Lines=[{"Description": "Paper", "Quantity": 3, "List_Price": 333}])
    await company.sync(full=False)
    [hold] = company.ledger.open_holds("demo")
    assert words(company, mine) == ("held", "lines_differ") and hold.choices == ("skip",)
    assert "999" in str(hold.detail["values"]) and "1000" in str(hold.detail["values"])
    company.edit_crm("Deals", mine, Amount=999)
    await company.sync(full=False)
    assert words(company, mine) == ("created", "deal_won") and not company.ledger.open_holds("demo")


async def test_the_story_of_a_deal_names_its_document_and_of_a_question_both_sums(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    lines = [{"Description": "Paper", "Quantity": 3, "List_Price": 333}]
    mine, odd = (
        deal(company, account, WON, amount=999, Deal_Lines=lines),
        deal(company, account, WON, amount=1000, Deal_Lines=lines),
    )
    await company.sync(full=False)
    [made] = invoices(company)
    told = story(company.ledger, "demo", Ref("crm", "Deals", mine))
    assert told["documents"] == [{"record": f"books:invoices:{made['invoice_id']}", "status": "draft"}]
    changes = {one["field"]: one["after"] for row in told["story"] for one in row["changes"]}
    assert changes["lines"] == ["3 × 333, Paper"]
    assert story(company.ledger, "demo", Ref("books", "invoices", made["invoice_id"]))["deal"] == f"crm:Deals:{mine}"
    [held] = [row for row in story(company.ledger, "demo", Ref("crm", "Deals", odd))["story"] if row["outcome"] == "held"]
    assert "999" in held["words"][0] and "1000" in held["words"][0] and "商談の金額" in held["words"][0]


async def test_a_question_that_was_answered_with_skip_is_not_asked_again_until_the_figures_change(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON, amount=1000, Deal_Lines=[{"Description": "Paper", "Quantity": 3, "List_Price": 333}])
    await company.sync(full=False)
    company.decide(company.ledger.open_holds("demo")[0].id, "skip")
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "decision_skip")
    company.edit_crm("Deals", mine, Deal_Name="Another name")
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "decision_skip") and not company.ledger.open_holds("demo")
    company.edit_crm("Deals", mine, Amount=1001)
    await company.sync(full=False)
    assert words(company, mine) == ("held", "lines_differ")


async def test_an_accepted_estimate_whose_deal_changed_is_a_question_and_keep_is_an_answer(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "estimates")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Amount=1200)
    await company.sync(full=False)
    [hold] = company.ledger.open_holds("demo")
    assert words(company, mine) == ("held", "changed_after_accepted")
    company.decide(hold.id, "keep")
    await company.sync(full=False)
    assert words(company, mine) == ("unchanged", "kept")
    await company.quiet()
    assert [one["sub_total"] for one in company.books("estimates").values()] == [1000]


async def test_a_void_invoice_of_a_deal_won_again_with_another_amount_is_renewed_when_a_person_says_so(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Stage=LOST)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Stage=WON, Amount=1200)
    await company.sync(full=False)
    assert words(company, mine) == ("held", "changed_after_void")
    company.decide(company.ledger.open_holds("demo")[0].id, "renew")
    await company.sync(full=False)
    assert [(one["status"], one["sub_total"]) for one in invoices(company)] == [("draft", 1200)]


async def test_a_deal_that_has_a_document_of_another_maker_gets_none_from_us(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    invoice(company, customer, 1000, zcrm_potential_id=mine)
    await company.sync(full=False, entities=("documents", "summaries"))
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "moved_on") and len(invoices(company)) == 1


async def test_what_a_person_deleted_in_books_is_not_made_again(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.world.books.delete("invoices", invoices(company)[0]["invoice_id"])
    company.edit_crm("Deals", mine, Amount=3)
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "document_deleted") and not invoices(company)


async def test_a_deleted_deal_leaves_its_document_as_it_is(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.world.clock.advance(600)
    company.world.crm.delete("Deals", mine)
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "deal_deleted") and [one["status"] for one in invoices(company)] == ["draft"]


async def test_in_a_closed_period_nothing_is_made_changed_or_voided(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    made = deal(company, account, WON)
    await company.sync(full=False)
    setting(company, "invoices", closed_until=company.clock.now().date() + timedelta(days=1))
    company.edit_crm("Deals", made, Stage=LOST)
    new = deal(company, account, WON)
    await company.sync(full=False)
    assert words(company, made) == words(company, new) == ("refused", "period_closed")
    assert [one["status"] for one in invoices(company)] == ["draft"]


async def test_a_plan_that_was_made_before_the_period_was_closed_is_refused_row_by_row(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    made = deal(company, account, WON)
    await company.sync(full=False)
    company.edit_crm("Deals", made, Stage=LOST)
    new = deal(company, account, WON)
    planned = await company.sync(full=False, plan_only=True)
    setting(company, "invoices", closed_until=company.clock.now().date() + timedelta(days=1))
    await company.apply(planned)
    assert words(company, made) == words(company, new) == ("refused", "period_closed")
    assert [one["status"] for one in invoices(company)] == ["draft"]


async def test_a_product_that_this_run_links_is_not_waited_for(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    company.choose("products", duplicates="link")
    await in_effect(company, "invoices")
    product = company.seed_crm("Products", Product_Name="Paper", Product_Code="P-1", Unit_Price=1000, Product_Active=True)
    item = company.seed_books("items", name="Paper", sku="P-1", rate=1000)
    deal(company, account, WON, Deal_Lines=[{"Product_Name": {"id": product}, "Quantity": 1, "List_Price": 1000}])
    await company.sync()
    assert [one["line_items"][0]["item_id"] for one in invoices(company)] == [item]


async def test_a_product_that_books_does_not_have_yet_is_waited_for(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    product = company.seed_crm("Products", Product_Name="Paper", Unit_Price=1000, Product_Active=True)
    mine = deal(company, account, WON, Deal_Lines=[{"Product_Name": {"id": product}, "Quantity": 1, "List_Price": 1000}])
    await company.sync(full=False)
    assert words(company, mine) == ("blocked", "product_not_linked")
    await company.sync(full=False)
    assert words(company, mine) == ("created", "deal_won")


async def test_a_stage_that_no_pipeline_has_is_quarantined_by_name(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, "No such stage")
    await company.sync(full=False)
    assert words(company, mine) == ("quarantined", "unknown_stage")


async def test_one_deal_alone_is_brought_up_to_date_by_the_same_path(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine, other = deal(company, account, WON), deal(company, account, WON)
    await company.sync(full=False, only=(Ref("crm", "Deals", mine),))
    assert [key(one) for one in invoices(company)] == [f"crm:Deals:{mine}"]
    await company.sync(full=False)
    assert len(invoices(company)) == 2 and words(company, other) == ("created", "deal_won")


async def test_an_invoice_may_bear_the_deal_s_own_number(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    shipped = company.project.deals[""]
    numbered = dataclasses.replace(shipped, fields=(*shipped.fields, ("number", "Next_Step")))
    company.project = dataclasses.replace(company.project, deals={"": numbered})
    await in_effect(company, "invoices")
    deal(company, account, WON, Next_Step="R-2026-7")
    await company.sync(full=False)
    assert [one["invoice_number"] for one in invoices(company)] == ["R-2026-7"]


async def test_a_plan_of_deals_shows_the_document_and_is_applied_as_it_is(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "estimates")
    mine = deal(company, account, WON)
    planned = await company.sync(full=False, plan_only=True)
    [first, second, third] = planned.entities["deals"]["actions"]
    assert [one["verb"] for one in (first, second, third)] == ["create", "move", "move"] and not company.books("estimates")
    assert {one["field"]: one["after"] for one in first["changes"]}["total"] == "1100"
    await company.apply(planned)
    assert [one["status"] for one in company.books("estimates").values()] == ["accepted"]
    assert words(company, mine) == ("created", "deal_won")
    await company.sync(full=False)
    await company.quiet(full=False)


async def test_a_planned_void_is_refused_where_somebody_sent_the_invoice_since(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Stage=LOST)
    planned = await company.sync(full=False, plan_only=True)
    company.edit_books("invoices", invoices(company)[0]["invoice_id"], status="sent")
    await company.apply(planned)
    assert words(company, mine) == ("refused", "stale") and [one["status"] for one in invoices(company)] == ["sent"]
    await company.sync(full=False)
    assert words(company, mine) == ("skipped", "moved_on")


async def test_a_first_run_with_deals_to_make_documents_of_is_held_until_a_person_releases_it(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    deal(company, account, WON)
    company.spec = dataclasses.replace(company.spec, brakes=Brakes())
    setting(company, "invoices", deals_since=date(2026, 1, 1))
    held = await company.sync()
    assert held.status == "held" and {one.entity for one in held.brakes} >= {"deals"} and not invoices(company)
    await company.apply(held, release=("first_run",))
    assert len(invoices(company)) == 1


async def test_many_deals_lost_at_once_void_no_invoice_before_a_person_has_looked(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = [deal(company, account, WON) for _ in range(20)]
    await company.sync(full=False)
    company.spec = dataclasses.replace(company.spec, brakes=Brakes(first_run_needs_approval=False))
    for one in mine:
        company.edit_crm("Deals", one, Stage=LOST)
    held = await company.sync(full=False)
    assert held.status == "held" and [(one.brake, one.count) for one in held.brakes] == [("changed_share", 20)]
    assert words(company, mine[0]) == ("blocked", "brake") and {one["status"] for one in invoices(company)} == {"draft"}


async def test_the_setting_ends_with_the_connection_and_takes_effect_anew(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    async with company.rooms() as rooms:
        request = Request(kind="disconnect", actor="Sato")
        await disconnect(rooms, request, await plan_withdrawal(rooms, request))
    meanwhile = deal(company, account, WON)
    resume(Act(company.ledger, company.clock, "demo", "Sato", {}, "0.1.0"), company.spec, reconnect=True)
    await company.sync()
    assert words(company, meanwhile) == ("skipped", "before_setting") and not invoices(company)


async def test_the_invoice_edition_makes_them_in_the_same_way(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, edition="invoice")
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    await company.sync(full=False)
    company.edit_crm("Deals", mine, Stage=LOST)
    await company.sync(full=False)
    assert [one["status"] for one in invoices(company)] == ["void"]


# ------------------------------------------------------------------------------------------------------------ staged billing


@pytest.fixture
def staged(company: Company) -> Company:
    """A CRM whose deals have a billing plan, and a mapping that names it."""
    rows = (Field("Bill_On", "date"), Field("Share", "double", decimal_place=2), Field("What", length=200))
    table = company.world.crm.tables["Deals"]
    table.subforms += ("Billing_Plan",)
    table.fields["Billing_Plan"] = Field("Billing_Plan", "subform", custom=True, rows=rows)
    billing = BillingSpec("Billing_Plan", (("date", "Bill_On"), ("percentage", "Share"), ("description", "What")))
    shipped = company.project.deals[""]
    company.project = dataclasses.replace(company.project, deals={"": dataclasses.replace(shipped, billing=billing)})
    return company


def plan(*rows: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"Bill_On": day, "Share": share, "What": f"{share} %"} for day, share in rows]


async def test_each_row_of_the_billing_plan_becomes_an_invoice_on_its_day_and_the_last_one_takes_the_yen(staged: Company) -> None:
    account, _ = linked_pair(staged, "Kita Ltd")
    await in_effect(staged, "invoices")
    today = staged.clock.now().date()
    days = [(today + timedelta(days=n)).isoformat() for n in (0, 30, 60)]
    mine = deal(staged, account, WON, amount=1000, Billing_Plan=plan(*zip(days, (33.33, 33.33, 33.34), strict=True)))
    await staged.sync(full=False)
    assert [one["sub_total"] for one in invoices(staged)] == [333] and words(staged, mine) == ("created", "deal_won")
    await staged.sync(full=False)
    await staged.quiet(full=False)
    for count in (2, 3):
        staged.world.clock.advance(31 * 86400)
        await staged.sync(full=False)
        assert len(invoices(staged)) == count
    assert sorted(one["sub_total"] for one in invoices(staged)) == [333, 333, 334]
    assert len({key(one) for one in invoices(staged)}) == 3 and all(
        key(one).startswith(f"crm:Deals:{mine}:") for one in invoices(staged)
    )
    await staged.sync()
    row = next(one for one in staged.crm("Renkei_Documents").values() if one["Deal"])
    assert row["Deal"]["id"] == mine


async def test_a_billing_plan_above_the_deal_s_amount_is_a_question_and_bills_nothing(staged: Company) -> None:
    account, _ = linked_pair(staged, "Kita Ltd")
    await in_effect(staged, "invoices")
    today = staged.clock.now().date().isoformat()
    mine = deal(staged, account, WON, amount=1000, Billing_Plan=plan((today, 60), (today, 60)))
    await staged.sync(full=False)
    assert words(staged, mine) == ("held", "billing_exceeds") and not invoices(staged)
    assert len(staged.ledger.open_holds("demo")) == 1


async def test_a_lost_deal_s_parts_are_void_and_what_was_to_come_never_comes(staged: Company) -> None:
    account, _ = linked_pair(staged, "Kita Ltd")
    await in_effect(staged, "invoices")
    today = staged.clock.now().date()
    later = (today + timedelta(days=30)).isoformat()
    mine = deal(staged, account, WON, amount=1000, Billing_Plan=plan((today.isoformat(), 50), (later, 50)))
    await staged.sync(full=False)
    staged.edit_crm("Deals", mine, Stage=LOST)
    await staged.sync(full=False)
    staged.world.clock.advance(31 * 86400)
    await staged.sync(full=False)
    assert [one["status"] for one in invoices(staged)] == ["void"] and words(staged, mine)[0] in ("unchanged", "updated")


# ---------------------------------------------------------------------------------------- once, through lost answers and deaths


@pytest.mark.parametrize("fault", ["timeout-after-commit", "timeout-before", "500-after-commit", "reset-connection"])
async def test_a_lost_answer_makes_no_second_invoice(company: Company, fault: str) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await in_effect(company, "invoices")
    mine = deal(company, account, WON)
    company.world.faults.add(f"{fault}@books:PUT/invoices*1")
    await company.sync(full=False)
    report = await company.sync(full=False)
    assert [one["status"] for one in invoices(company)] == ["draft"] and report.status == "green"
    [kept] = company.ledger.deal_documents("demo", [mine])
    assert kept.document == invoices(company)[0]["invoice_id"] and kept.status == "draft"
    assert not company.ledger.open_intents("demo")


@pytest.mark.parametrize(("name", "path"), [("quantity", "Qty"), ("tax", "Tax_Class")])
async def test_a_field_of_the_lines_that_is_not_there_stops_the_deals_before_anything_is_written(
    company: Company, name: str, path: str
) -> None:
    company.seed_crm("Accounts", Account_Name="Kita")
    setting(company, "invoices")
    shipped = company.project.deals[""]
    lines = dataclasses.replace(shipped.lines, fields=tuple({**dict(shipped.lines.fields), name: path}.items()))
    company.project = dataclasses.replace(company.project, deals={"": dataclasses.replace(shipped, lines=lines)})
    with pytest.raises(FieldMissing, match=rf"Deal_Lines.*{path}"):
        await company.sync()
    assert not company.books("contacts")
