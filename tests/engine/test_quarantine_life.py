"""The life of a row that a check stopped or the other system refused: tried by every run, and in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company

from renkei.core.errors import AskedWrongly
from renkei.core.records import Answer
from renkei.core.values import Ref
from renkei.engine.acts import Act
from renkei.engine.quarantine import discard, inspect, replay, rows


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.entities = ("customers", "products")
        for number in range(60):
            made.seed_crm("Accounts", Account_Name=f"Company {number:02} KK")
        yield made


def account(record: str) -> Ref:
    return Ref("crm", "Accounts", record)


def quarantined(report: object) -> int:
    return int(report.entities["customers"]["outcomes"]["quarantined"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("full", [True, False])
async def test_rows_that_wait_in_quarantine_do_not_halt_later_runs(full: bool, company: Company) -> None:
    company.judge.refused = set(list(company.crm())[:25])
    assert quarantined(await company.sync()) == 25
    company.seed_crm("Accounts", Account_Name="One more KK")
    later = await company.sync(full=full)
    assert later.status == "amber" and quarantined(later) == 25
    assert later.entities["customers"]["outcomes"]["created"] == 1


async def test_an_entity_most_of_whose_rows_are_bad_halts_and_the_others_go_on(company: Company) -> None:
    company.seed_crm("Products", Product_Name="Chair", Product_Code="C-1", Unit_Price=100)
    company.judge.refused = set(company.crm())
    halted = await company.sync()
    assert (halted.status, halted.exit_code) == ("red", 1) and list(halted.entities) == ["products"]
    assert any(note.startswith("SourceRefused: customers: 60 rows broke a rule") for note in halted.notes)
    assert company.books() == {} and len(company.books("items")) == 1
    assert (await company.sync()).status == "red", "a source that is still broken halts again"
    company.judge.refused = set()
    assert (await company.sync(full=False)).status == "green" and len(company.books()) == 60


async def test_a_quarantined_row_is_tried_by_every_run_until_it_passes(company: Company) -> None:
    first = next(iter(company.crm()))
    company.judge.refused = {first}
    await company.sync()
    for _ in range(2):
        assert (await company.sync(full=False)).entities["customers"]["outcomes"]["quarantined"] == 1
    told = inspect(company.ledger, company.spec, company.project.mappings_of(company.spec), account(first))
    assert told["state"] == "quarantined" and told["tried"]["runs"] == 3
    assert [(one["rule"], one["field"], one["words"]) for one in told["broken"]] == [("a rule", "name", "it is bad")]
    assert {one["field"]: one["value"] for one in told["row"]}["name"] == "Company 00 KK"
    company.judge.refused = set()  # somebody mended the rule
    assert (await company.sync(full=False)).status == "green"
    assert company.crm()[first]["renkei_books_id"] in company.books() and rows(company.ledger, "demo") == []


async def test_a_refused_row_is_tried_by_every_run_until_the_other_system_takes_it(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(iter(company.crm()))
    async with company.rooms() as rooms:
        honest = type(rooms.books).put_by_key

    async def refuses(self: Any, module: str, field: str, key: str, body: dict[str, Any]) -> Answer:
        if body.get("contact_name") == "Company 00 KK":
            return Answer(False, code="15", words="Please ensure that the name is allowed.", field="contact_name")
        return await honest(self, module, field, key, body)

    monkeypatch.setattr(type(rooms.books), "put_by_key", refuses)
    for _ in range(3):
        report = await company.sync(full=False)
        assert report.entities["customers"]["outcomes"]["refused"] == 1 and report.status == "amber"
    (row,) = rows(company.ledger, "demo")
    assert (row["record"], row["state"], row["rule"], row["field"]) == (str(account(first)), "refused", "15", "contact_name")
    assert inspect(company.ledger, company.spec, {}, account(first))["tried"]["runs"] == 3
    monkeypatch.setattr(type(rooms.books), "put_by_key", honest)
    assert (await company.sync(full=False)).status == "green" and rows(company.ledger, "demo") == []
    assert len(company.books()) == 60


@pytest.mark.parametrize("how", ["its record was edited", "the rules changed", "a person replays it"])
async def test_a_discarded_row_stays_away_until(how: str, company: Company) -> None:
    company.entities = ("customers",)
    first = next(iter(company.crm()))
    company.judge.refused = {first}
    await company.sync()
    act = Act(company.ledger, company.clock, "demo", "Sato", {}, "0.1.0")
    discard(act, [account(first)], "a record for training")
    assert (await company.sync()).status == "green" and company.outcome(account(first)) == ("skipped", "discarded")
    told = inspect(company.ledger, company.spec, {}, account(first))
    assert (told["state"], told["discarded"]["by"], told["discarded"]["reason"]) == ("discarded", "Sato", "a record for training")
    if how == "its record was edited":
        company.edit_crm("Accounts", first, Website="https://new.example.jp")
    elif how == "the rules changed":
        company.choose(conflicts="books")
    else:
        replay(act, [account(first)], None)
    assert (await company.sync(full=False)).entities["customers"]["outcomes"]["quarantined"] == 1
    assert [one["record"] for one in rows(company.ledger, "demo")] == [str(account(first))]


async def test_a_row_that_does_not_wait_cannot_be_looked_at(company: Company) -> None:
    with pytest.raises(AskedWrongly, match="neither quarantined nor refused nor discarded"):
        inspect(company.ledger, company.spec, {}, account("1"))
