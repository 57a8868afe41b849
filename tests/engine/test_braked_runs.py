"""Brakes in whole runs: each stops the run before its first write, again and again, until a person releases that plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from company import OFF, Company

from renkei.core.connection import Brakes
from renkei.core.errors import AskedWrongly, SecondPersonNeeded
from renkei.core.report import run_lines
from renkei.engine.sequence import Report

WHOLE = Brakes(first_run_needs_approval=False)
PARTIES = 40


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.entities = ("customers",)
        for number in range(PARTIES):
            made.seed_crm("Accounts", Account_Name=f"Company {number:02} KK")
        yield made


def limit(company: Company, brakes: Brakes) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=brakes)


def names(report: Report) -> set[str]:
    return {one.brake for one in report.brakes}


def written(report: Report) -> int:
    return sum(sum(part["writes"].values()) for part in report.entities.values())


def many_new(company: Company) -> None:
    limit(company, dataclasses.replace(WHOLE, creates=3))
    for number in range(4):
        company.seed_crm("Accounts", Account_Name=f"New {number}")


def many_edited(company: Company) -> None:
    for one in list(company.crm())[:25]:
        company.world.crm.edit("Accounts", one, Website=f"https://{one}.example.jp")
    company.world.clock.advance(600)


def many_deleted(company: Company) -> None:
    for one in list(company.crm())[:6]:
        company.world.crm.delete("Accounts", one)


def spoil(company: Company, accounts: list[str]) -> None:
    company.judge.refused |= set(accounts)
    for one in accounts:
        company.world.crm.edit("Accounts", one, Website="nonsense")


def many_bad(company: Company) -> None:
    spoil(company, list(company.crm())[:20])


def one_side_empty(company: Company) -> None:
    for one in list(company.books()):
        company.world.books.delete("contacts", one)


WRONG: dict[str, Callable[[Company], None]] = {
    "creates": many_new, "changed_share": many_edited, "removed_share": many_deleted, "quarantined_share": many_bad,
    "side_empty": one_side_empty,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_a_brake_holds_every_run_until_it_is_released_and_none_afterwards(name: str, company: Company) -> None:
    await company.sync()
    limit(company, WHOLE)
    WRONG[name](company)
    before = company.crm(), company.books()
    held = await company.sync()
    assert (held.status, held.exit_code) == ("held", 3) and name in names(held) and written(held) == 0
    applied = next(one for one in held.brakes if one.brake == name)
    told = "\n".join(run_lines(held.json()))
    assert f"{name!r} on customers: {applied.count} where {applied.limit}" in told and "Nothing was written." in told
    assert applied.samples and f"for example {applied.samples[0]}" in told
    released = tuple(sorted(names(held)))
    assert f"apply {held.file} --release {' --release '.join(released)} --as NAME" in told
    again = await company.sync()
    assert names(again) == names(held), "a brake does not wear off by running again"
    assert (company.crm(), company.books()) == before
    assert (await company.apply(again, release=released)).status in ("green", "amber")
    assert (await company.sync()).brakes == [] and (await company.sync(full=False)).brakes == []


async def test_sums_that_moved_hold_what_is_published(company: Company) -> None:
    company.entities = ("customers", "documents", "summaries")
    await company.sync()
    customer = next(iter(company.books()))
    line = {"name": "Chair", "rate": 100, "quantity": 1}
    invoice = {"customer_id": customer, "date": "2026-10-20", "status": "sent", "line_items": [line]}
    company.world.books.seed("invoices", [invoice])
    await company.sync()
    limit(company, WHOLE)
    company.world.books.seed("invoices", [invoice])
    held = await company.sync()
    assert [(one.brake, one.entity) for one in held.brakes] == [("sums_share", "summaries")]
    assert held.brakes[0].samples == ("JPY: 100.0 → 200.0",)
    await company.apply(held, release=("sums_share",))
    assert (await company.sync()).brakes == []
    assert [float(row["Balance"]) for row in company.crm("Renkei_Receivables").values()] == [200.0]


async def test_an_approval_that_later_runs_rely_on_lasts_as_long_as_they_do(company: Company) -> None:
    await company.sync()
    limit(company, WHOLE)
    many_bad(company)
    await company.apply(await company.sync(), release=("quarantined_share",))
    for _ in range(3):
        company.world.clock.advance(10 * 86400)
        assert (await company.sync()).brakes == []
    company.world.clock.advance(15 * 86400)  # nobody ran for longer than it lasts
    assert names(await company.sync()) == {"quarantined_share"}


async def test_two_held_plans_without_a_write_are_two_plans(company: Company) -> None:
    await company.sync()
    limit(company, WHOLE)
    many_bad(company)
    first = await company.sync()
    await company.apply(first, release=("quarantined_share",))
    spoil(company, list(company.crm())[20:])
    second = await company.sync()
    assert names(second) == {"quarantined_share"} and second.json()["fingerprint"] != first.json()["fingerprint"]
    await company.apply(second, release=("quarantined_share",))
    assert (await company.sync()).brakes == []


async def test_what_is_no_brake_cannot_be_released(company: Company) -> None:
    limit(company, Brakes())
    held = await company.sync()
    with pytest.raises(AskedWrongly, match="'first-run' is not a brake"):
        await company.apply(held, release=("first-run",))
    assert company.books() == {}


# ------------------------------------------------------------------------------------------------------------ four eyes


@pytest.fixture
def watched(company: Company) -> Company:
    company.spec = dataclasses.replace(
        company.spec, brakes=dataclasses.replace(OFF, first_run_needs_approval=True), four_eyes=True
    )
    return company


async def test_who_made_the_plan_does_not_release_its_brake(watched: Company) -> None:
    held = await watched.sync(actor="tanaka", typist="tanaka")
    told = "\n".join(run_lines(held.json()))
    assert "another person than tanaka, who made the plan (four_eyes)" in told
    for actor, typist in (("tanaka", "tanaka"), ("Suzuki", "tanaka"), ("Tanaka", "suzuki"), ("token:tanaka", "token:tanaka")):
        with pytest.raises(SecondPersonNeeded, match="tanaka made this plan") as refused:
            await watched.apply(held, release=("first_run",), actor=actor, typist=typist)
        assert refused.value.exit_code == 3 and f"apply {held.file} --release first_run --as NAME" in refused.value.fix
    denied = [one for one in watched.ledger.runs("demo", 50) if one.kind == "denied"]
    assert [(one.status, one.actor) for one in denied[-1:]] == [("denied", "tanaka")] and len(denied) == 4
    assert watched.books() == {} and watched.ledger.approved_keys("demo", watched.clock.now()) == {}


async def test_another_person_releases_it(watched: Company) -> None:
    held = await watched.sync(actor="tanaka", typist="tanaka")
    assert (await watched.apply(held, release=("first_run",), actor="Suzuki", typist="suzuki")).status == "green"
    assert len(watched.books()) == PARTIES


async def test_who_typed_the_plan_for_somebody_else_is_its_author_too(watched: Company) -> None:
    held = await watched.sync(actor="Sato", typist="tanaka")
    for one in ("tanaka", "sato"):
        with pytest.raises(SecondPersonNeeded, match="Sato and tanaka made"):
            await watched.apply(held, release=("first_run",), actor=one, typist=one)


async def test_a_plan_that_a_schedule_made_needs_one_person(watched: Company) -> None:
    held = await watched.sync(actor="deployment:hourly", typist="deployment:hourly")
    assert "four_eyes" not in "\n".join(run_lines(held.json()))
    assert (await watched.apply(held, release=("first_run",), actor="tanaka", typist="tanaka")).status == "green"


async def test_a_release_from_a_flow_counts_the_person_whom_it_names(watched: Company) -> None:
    held = await watched.sync(actor="tanaka", typist="tanaka")
    with pytest.raises(SecondPersonNeeded):
        await watched.apply(held, release=("first_run",), actor="tanaka", typist="deployment:apply", flow="apply")
    assert (
        await watched.apply(held, release=("first_run",), actor="suzuki", typist="deployment:apply", flow="apply")
    ).status == "green"


async def test_a_plan_made_again_and_one_released_in_part_keep_their_first_author(watched: Company) -> None:
    watched.spec = dataclasses.replace(watched.spec, brakes=Brakes(creates=3))
    held = await watched.sync(actor="tanaka", typist="tanaka")
    again = await watched.sync(actor="suzuki", typist="suzuki")
    assert again.json()["fingerprint"] == held.json()["fingerprint"]
    part = await watched.apply(held, release=("first_run",), actor="suzuki", typist="suzuki")
    assert names(part) == {"creates"}
    with pytest.raises(SecondPersonNeeded):
        await watched.apply(held, release=("creates",), actor="tanaka", typist="tanaka")
    assert (await watched.apply(held, release=("creates",), actor="suzuki", typist="suzuki")).status == "green"


async def test_a_plan_without_a_brake_is_applied_by_who_made_it(watched: Company) -> None:
    watched.spec = dataclasses.replace(watched.spec, brakes=OFF)
    plan = await watched.sync(plan_only=True, actor="tanaka", typist="tanaka")
    assert (await watched.apply(plan, actor="tanaka", typist="tanaka")).status == "green"
