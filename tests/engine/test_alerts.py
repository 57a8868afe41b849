"""What somebody who is not looking is told: the cause, sample rows, the next command; at a webhook, without secrets."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from company import Company
from webhook import webhook

from renkei.core.connection import Brakes
from renkei.core.errors import AskedWrongly, CredentialsRefused
from renkei.core.personal import personal_in
from renkei.engine.alerts import Alert, about_error, about_run, about_silence
from renkei.engine.sequence import Report
from renkei.engine.shown import Shown
from renkei.house import Settings, tell, watch_connections

__all__ = ["webhook"]

NAME = "青山印刷"


def about(company: Company, report: Report) -> Alert | None:
    shown = Shown(company.ledger, company.spec.name, personal_in(company.project.mappings_of(company.spec).values()))
    return about_run(company.ledger, company.spec, report, shown)


def told(company: Company, report: Report) -> Alert:
    alert = about(company, report)
    assert alert is not None
    return alert


async def test_a_held_run_is_told_with_its_brake_a_sample_and_the_command_that_releases_it(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, brakes=Brakes(creates=0, first_run_needs_approval=False))
    record = company.seed_crm("Accounts", Account_Name=NAME)
    report = await company.sync()
    alert = told(company, report)
    assert alert.title == f"renkei demo: a brake stopped run {report.run}"
    assert (
        "Brake 'creates' on customers: 1 where" in alert.text
        and f"create books:contacts for crm:Accounts:{record} {NAME}" in alert.text
    )
    assert f"renkei --connection demo apply {report.file} --release creates --as NAME" in alert.text
    assert alert.text.endswith(f"renkei --connection demo runs show {report.run}")


async def test_new_questions_are_told_once_by_kind_with_samples_and_choices(company: Company) -> None:
    company.choose(duplicates="ask")
    record = company.seed_crm("Accounts", Account_Name=NAME)
    company.seed_books("contacts", contact_name=NAME, company_name=NAME, contact_type="customer", customer_sub_type="business")
    alert = told(company, await company.sync())
    assert alert.title == "renkei demo: 1 new questions wait for a person"
    assert alert.text.splitlines()[0] == "1 duplicate" and f"for example crm:Accounts:{record} {NAME}: link " in alert.text
    assert alert.text.endswith("renkei --connection demo holds")
    company.world.clock.advance(600)
    assert about(company, await company.sync()) is None


async def test_a_person_stands_in_no_alert_by_name(company: Company) -> None:
    company.choose(modules="contacts", duplicates="ask")
    record = company.seed_crm("Contacts", Last_Name="青山", First_Name="花子", Email="hanako@aoyama.example.jp")
    company.seed_books(
        "contacts", contact_name="青山 花子", contact_type="customer", customer_sub_type="individual",
        contact_persons=[
            {"last_name": "青山", "first_name": "花子", "email": "hanako@aoyama.example.jp", "is_primary_contact": True}
        ],
    )  # fmt: skip
    alert = told(company, await company.sync())
    assert f"for example crm:Contacts:{record} •••: link " in alert.text
    assert not any(word in alert.title + alert.text for word in ("青山", "花子", "hanako"))


async def test_a_failed_row_is_told_with_its_reference(company: Company) -> None:
    record = company.seed_crm("Accounts", Account_Name=NAME)
    company.world.faults.add("timeout-after-commit@books:PUT/contacts")
    report = await company.sync()
    assert report.status == "red"
    alert = told(company, report)
    assert "customers: 1 rows failed" in alert.text and f"for example crm:Accounts:{record} {NAME}: " in alert.text
    assert alert.text.endswith(f"runs show {report.run}")


async def test_a_green_run_and_a_plan_are_not_worth_a_word(company: Company) -> None:
    company.seed_crm("Accounts", Account_Name=NAME)
    assert about(company, await company.sync(plan_only=True)) is None
    assert about(company, await company.sync()) is None


def test_an_error_is_told_as_what_whether_anything_was_written_and_what_to_do() -> None:
    alert = about_error("acme", CredentialsRefused("crm", "the refresh token is revoked.", fix="Make a new one."))
    assert alert.title == "renkei acme: CredentialsRefused ended a run"
    assert alert.text.splitlines()[:3] == ["crm: the refresh token is revoked.", "Nothing was written.", "Make a new one."]
    assert "ZeroDivisionError" in about_error("acme", ZeroDivisionError("x")).text


async def test_a_connection_is_silent_when_no_run_has_ended_well_for_alert_after_hours(company: Company) -> None:
    ledger, spec, clock = company.ledger, dataclasses.replace(company.spec, alert_after=5), company.clock
    assert about_silence(ledger, spec, clock.now()) is None  # it never ran: nobody has switched it on
    await company.sync()
    ended = ledger.runs("demo")[0].ended
    assert ended is not None and about_silence(ledger, spec, ended + timedelta(hours=4)) is None
    company.world.clock.advance(6 * 3600)
    company.spec = dataclasses.replace(company.spec, brakes=Brakes(creates=0, first_run_needs_approval=False))
    company.seed_crm("Accounts", Account_Name=NAME)
    held = await company.sync()  # a run that was held has not done its work
    found = about_silence(ledger, spec, clock.now())
    assert found is not None and found[1] == ended
    assert found[0].title == "renkei demo: silent for 6 hours"
    assert "since 2026-11-02 12:00 JST; alert_after is 5 hours" in found[0].text
    assert f"The newest run, {held.run} of" in found[0].text and "ended held" in found[0].text
    assert about_silence(ledger, dataclasses.replace(spec, alert_after=None), clock.now()) is None


async def test_an_alert_arrives_at_a_webhook_without_any_secret(
    webhook: tuple[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    address, got = webhook
    environ = {
        "RENKEI_ALERT_URL": address, "RENKEI_DATA": str(tmp_path), "RENKEI_ACME_REFRESH_TOKEN": "1000.aaa.bbb",
        "RENKEI_ACME_CLIENT_SECRET": "5ecret", "RENKEI_LEDGER_URL": "postgresql://renkei:pa55@db/renkei",
    }  # fmt: skip
    words = f"1000.aaa.bbb and 5ecret at postgresql://renkei:pa55@db/renkei, pa55, {address}: 青山"
    assert await tell(environ, Alert("renkei acme: 5ecret", words))
    (body,) = got
    assert (body["title"], body["message"]) == ("renkei acme: …", "… and … at …, …, …: 青山")
    assert await tell({**environ, "RENKEI_ALERT_URL": ""}, Alert("a", "b")) and await tell(environ, None) and len(got) == 1


async def test_an_alert_that_does_not_arrive_says_so_and_a_wrong_address_is_not_repeated(tmp_path: Path) -> None:
    nowhere = {"RENKEI_DATA": str(tmp_path), "RENKEI_ALERT_URL": "json://127.0.0.1:9/hook"}
    assert not await tell(nowhere, Alert("a", "b"))
    with pytest.raises(AskedWrongly, match="number 1 in RENKEI_ALERT_URL") as refused:
        await tell({**nowhere, "RENKEI_ALERT_URL": "smoke://s3cret"}, Alert("a", "b"))
    assert "s3cret" not in str(refused.value)


async def test_a_watch_tells_a_silence_once_until_as_many_hours_have_passed_again(
    webhook: tuple[str, list[dict[str, Any]]], company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await company.sync()
    address, got = webhook
    environ = {**company.environ, "RENKEI_ALERT_URL": address}
    moments = iter([1, 27, 28, 40, 54])  # hours after the run, of demo's alert_after 26
    looked = company.clock.now()

    class Watch:
        def __init__(self) -> None:
            self._now = looked + timedelta(hours=next(moments))

        def now(self) -> Any:
            return self._now

        async def sleep(self, seconds: float) -> None:
            try:
                self._now = looked + timedelta(hours=next(moments))
            except StopIteration:
                raise asyncio.CancelledError from None

    monkeypatch.setattr("renkei.house.SystemClock", Watch)
    said: list[str] = []
    with pytest.raises(asyncio.CancelledError):
        await watch_connections(Settings.from_environment(environ), environ, None, 15, said.append)
    assert [one["title"] for one in got] == ["renkei demo: silent for 27 hours", "renkei demo: silent for 54 hours"]
    assert len(said) == 2
