"""A paused connection refuses every run and misses nothing afterwards."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from company import Company

from renkei.core.errors import AskedWrongly, ConnectionPaused
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.life import pause, resume
from renkei.engine.status import status


def doing(company: Company, actor: str = "Tanaka") -> Act:
    return Act(company.ledger, company.clock, company.spec.name, actor, {}, "0.1.0")


def named(company: Company) -> tuple[set[str], set[str]]:
    return (
        {row["Account_Name"] for row in company.crm().values()},
        {row["company_name"] for row in company.books().values()},
    )


@pytest.mark.parametrize("asked", [{}, {"full": False}, {"entities": ("summaries",), "kind": "publish"}])
async def test_every_run_is_refused_with_who_when_and_why(company: Company, asked: dict[str, Any]) -> None:
    company.seed_crm("Accounts", Account_Name="Kita Ltd")
    said = pause(doing(company), company.spec, "year-end closing")
    with pytest.raises(ConnectionPaused, match=r"paused since 2026-11-02 12:00:00\+09:00 by Tanaka: year-end closing") as refused:
        await company.sync(**asked)
    assert (refused.value.exit_code, refused.value.run) == (
        3,
        said["run"],
    ) and "renkei --connection demo resume" in refused.value.fix
    assert not company.books() and [run.kind for run in company.ledger.runs("demo")] == ["pause"]


async def test_a_single_record_run_is_refused_and_leaves_no_claim(company: Company) -> None:
    account = Ref("crm", "Accounts", company.seed_crm("Accounts", Account_Name="Kita Ltd"))
    pause(doing(company), company.spec, "year-end closing")
    with pytest.raises(ConnectionPaused):
        await company.sync(full=False, only=(account,))
    assert company.ledger.claimed("demo", company.clock.now(), "") == {}


async def test_a_stored_plan_is_not_applied_and_a_new_one_may_be_made(company: Company) -> None:
    company.seed_crm("Accounts", Account_Name="Kita Ltd")
    pause(doing(company), company.spec, "year-end closing")
    plan = await company.sync(plan_only=True)
    with pytest.raises(ConnectionPaused):
        await company.apply(plan)
    assert company.ledger.lock_of("demo") is None and not company.books()
    resume(doing(company), company.spec)
    await company.apply(plan)
    assert named(company)[1] == {"Kita Ltd"}


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
async def test_what_happened_on_both_sides_arrives_in_the_first_run_after(company: Company, full: bool) -> None:
    company.choose(deletes="ask")
    for name in ("Kita", "Minami", "Nishi", "Higashi"):
        company.seed_crm("Accounts", Account_Name=name)
    await company.sync()
    accounts = {row["Account_Name"]: one for one, row in company.crm().items()}
    customers = {row["company_name"]: one for one, row in company.books().items()}
    pause(doing(company), company.spec, "year-end closing")
    company.edit_crm("Accounts", accounts["Kita"], Website="https://kita.example.jp")
    company.edit_books("contacts", customers["Minami"], website="https://minami.example.jp")
    company.world.crm.delete("Accounts", accounts["Nishi"])
    company.world.books.delete("contacts", customers["Higashi"])
    company.seed_crm("Accounts", Account_Name="Naka")
    company.seed_books("contacts", contact_name="Soto", company_name="Soto", customer_sub_type="business")
    company.world.clock.advance(3 * 86400)
    resume(doing(company), company.spec)
    report = await company.sync(full=full)
    assert company.books()[customers["Kita"]]["website"] == "https://kita.example.jp"
    assert company.crm()[accounts["Minami"]]["Website"] == "https://minami.example.jp"
    assert named(company) == ({"Kita", "Minami", "Higashi", "Naka", "Soto"}, {"Kita", "Minami", "Nishi", "Naka", "Soto"})
    gone = {str(hold.record) for hold in company.ledger.open_holds("demo") if hold.question == "deleted"}
    assert gone == {f"crm:Accounts:{accounts['Nishi']}", f"books:contacts:{customers['Higashi']}"}
    assert full or "customers: full compare, because the connection was resumed" in report.notes
    again = await company.quiet(full=False)
    assert not any("full compare" in note for note in again.notes)


async def test_pause_and_resume_are_sealed_acts_with_their_actor(company: Company) -> None:
    pause(doing(company), company.spec, "year-end closing")
    resume(doing(company, "Sato"), company.spec, "closed")
    newest, before = company.ledger.runs("demo")
    assert [(run.kind, run.actor, run.status) for run in (before, newest)] == [
        ("pause", "Tanaka", "green"), ("resume", "Sato", "green"),
    ]  # fmt: skip
    (note,) = company.ledger.outcomes(before.id)
    assert (note.outcome, note.reason) == ("paused", "year-end closing")
    assert company.ledger.verify().broken is None


async def test_nothing_is_paused_twice_or_resumed_for_nothing(company: Company) -> None:
    with pytest.raises(AskedWrongly, match="neither paused nor disconnected"):
        resume(doing(company), company.spec)
    with pytest.raises(AskedWrongly, match="reason is missing"):
        pause(doing(company), company.spec, " ")
    pause(doing(company), company.spec, "year-end closing")
    with pytest.raises(AskedWrongly, match="has been paused since"):
        pause(doing(company), company.spec, "again")
    resume(doing(company), company.spec)
    with pytest.raises(AskedWrongly, match="neither"):
        resume(doing(company), company.spec)


async def test_another_connection_goes_on(company: Company) -> None:
    pause(dataclasses.replace(doing(company), connection="other"), dataclasses.replace(company.spec, name="other"), "an audit")
    assert (await company.sync()).status == "green"


async def test_status_tells_the_pause_and_no_next_run(company: Company) -> None:
    pause(doing(company), company.spec, "year-end closing")
    found = status(company.ledger, company.spec, company.clock.now())
    assert found["state"] == {
        "state": "paused", "since": "2026-11-02T03:00:00+00:00", "by": "Tanaka", "reason": "year-end closing",
    }  # fmt: skip
    assert found["next"] == {"hourly": None, "nightly": None}
