"""The life of a row that a check stopped or the other system refused: tried by every run, and in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.entities = ("customers", "products")
        for number in range(60):
            made.seed_crm("Accounts", Account_Name=f"Company {number:02} KK")
        yield made


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
