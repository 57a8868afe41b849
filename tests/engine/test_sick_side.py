"""A side that gives no answer again and again is left alone for a while; the run ends, says how far it is, doubles nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company

from renkei.core.errors import LeftAlone, Unreachable
from renkei.core.report import run_lines
from renkei.core.values import Ref
from renkei.engine.status import status

PARTIES = 60
SPARED = 10


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.entities = ("customers", "products")
        for number in range(PARTIES):
            made.seed_crm("Accounts", Account_Name=f"Company {number:02} KK")
        made.seed_crm("Products", Product_Name="Chair", Product_Code="C-1", Unit_Price=100)
        yield made


def well_again(company: Company) -> None:
    company.world.faults.clear()
    company.world.clock.advance(SPARED)


@pytest.mark.parametrize("fault", ["500", "500-after-commit", "timeout-before", "timeout-after-commit"])
async def test_a_side_that_answers_no_write_is_spared_after_a_few_and_nothing_is_doubled(fault: str, company: Company) -> None:
    company.world.faults.add(f"{fault}@books:PUT/contacts")
    report = await company.sync()
    words = report.entities["customers"]["outcomes"]
    tried = sum(1 for one in company.world.requests.select("books") if one.method == "PUT")
    assert words["failed"] == tried <= 8, "those that were on their way when it fell silent, and no more"
    assert words["blocked"] == PARTIES - tried and report.status == "red"
    assert company.outcome(Ref("crm", "Accounts", sorted(company.crm())[0]))[1] in ("answer_unknown", "try_again")
    told = "\n".join(run_lines(report.json()))
    assert "Books is left alone until" in told and f"0 records are written, {PARTIES + 1} rows are open" in told
    well_again(company)
    assert (await company.sync(full=False)).status == "green"
    names = [row["contact_name"] for row in company.books().values()]
    assert len(names) == len(set(names)) == PARTIES and len(company.books("items")) == 1


async def test_a_side_that_dies_half_way_leaves_what_is_done_done(company: Company) -> None:
    dying = iter(range(10_000))

    def dies(request: object) -> None:
        if str(getattr(request, "method", "")) == "PUT" and next(dying) == 25:
            company.world.faults.add("500@books")

    company.transport.before = dies  # type: ignore[union-attr]
    report = await company.sync()
    words = report.entities["customers"]["outcomes"]
    assert words["created"] >= 20 and words["blocked"] > 10
    assert len([one for one in company.crm().values() if one.get("renkei_books_id")]) == words["created"], "the CRM is well"
    note = next(note for note in report.notes if "is left alone until" in note)
    assert f"{2 * words['created']} records are written, " in note, "customers in Books, their keys in the CRM"
    company.transport.before = lambda request: None  # type: ignore[union-attr]
    well_again(company)
    assert (await company.sync(full=False)).status == "green"
    await company.quiet()
    assert len(company.books()) == PARTIES


async def test_a_run_whose_first_read_meets_a_silent_side_ends_and_writes_nothing(company: Company) -> None:
    company.world.faults.add("500@crm")
    with pytest.raises(Unreachable, match="crm: no answer to"):
        await company.sync()
    newest = company.ledger.runs("demo")[0]
    assert newest.status == "red" and any(one.startswith("the CRM is left alone until") for one in newest.totals["notes"])
    asked = len(company.world.requests.select("crm"))
    with pytest.raises(LeftAlone, match="left alone until"):
        await company.sync()
    assert len(company.world.requests.select("crm")) == asked, "the next run does not knock at all"
    well_again(company)
    assert (await company.sync()).status == "green"


async def test_a_side_that_stays_silent_is_asked_once_after_each_pause(company: Company) -> None:
    company.world.faults.add("500@crm")
    with pytest.raises(Unreachable):
        await company.sync()
    for times in range(2):
        company.world.clock.advance(SPARED * 2**times)
        asked = len(company.world.requests.select("crm"))
        with pytest.raises((Unreachable, LeftAlone)):
            await company.sync()
        assert len(company.world.requests.select("crm")) == asked + 1


async def test_status_tells_which_side_is_spared_and_until_when(company: Company) -> None:
    company.world.faults.add("500@books:PUT/contacts")
    await company.sync()
    told = status(company.ledger, company.spec, company.clock.now())["left_alone"]
    assert list(told) == ["books"] and "HTTP 500" in told["books"]["why"]
    well_again(company)
    assert status(company.ledger, company.spec, company.clock.now())["left_alone"] == {}


async def test_a_few_silences_between_answers_spare_nobody(company: Company) -> None:
    company.world.faults.add("500@books:GET/contacts*3")
    assert (await company.sync()).status == "green"
    assert status(company.ledger, company.spec, company.clock.now())["left_alone"] == {}
