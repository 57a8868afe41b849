"""An undo whose process dies anywhere, or whose answers are lost, is carried to its end by asking for it once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from simulation import SimulatedCompany

from renkei.engine.work import LOCK_TTL

BEFORE = {"Linked": "https://books0.example.jp", "Overwritten": "https://old.example.jp"}

GONE_BACK = {
    "crm": ["Linked", "Made in Books", "Overwritten"],
    "books": {**BEFORE, "Made in the CRM": ""},
    "links": ["Overwritten"],
}
ASKED = [
    ("undone", "Overwritten"), ("undone_record", "Linked"), ("undone_record", "Made in Books"),
    ("undone_record", "Made in the CRM"),
]  # fmt: skip


@pytest.fixture
def company() -> Iterator[SimulatedCompany]:
    made = SimulatedCompany()
    made.entities = ("customers",)
    yield made
    made.close()


def one_of_everything(company: SimulatedCompany) -> str:
    """The run that overwrote a website in Books, linked a pair, and made a record on either side."""
    account = company.seed_crm("Accounts", Account_Name="Overwritten", Website=BEFORE["Overwritten"])
    company.run(full=True)
    company.edit_crm("Accounts", account, Website="https://new.example.jp")
    company.seed_crm("Accounts", Account_Name="Linked", Website="https://crm0.example.jp")
    company.seed_books("contacts", contact_name="Linked", company_name="Linked", website=BEFORE["Linked"])
    company.seed_crm("Accounts", Account_Name="Made in Books")
    company.seed_books("contacts", contact_name="Made in the CRM", company_name="Made in the CRM")
    report = company.run(full=True)
    assert report is not None and report.status == "green"
    return report.run


def state(company: SimulatedCompany) -> dict[str, Any]:
    """Who stands on which side, what Books says of their websites, and who is linked."""
    crm, books = company.crm(), company.books()
    return {
        "crm": sorted(row["Account_Name"] for row in crm.values()),
        "books": {row["company_name"]: row["website"] for row in books.values()},
        "links": sorted(crm[one.crm.id]["Account_Name"] for one in company.ledger.all_links("demo") if one.state == "live"),
    }


def in_the_end(company: SimulatedCompany, run: str) -> None:
    """After the next run, and the same undo once more, everything is as an undo without trouble leaves it."""
    company.world.clock.advance(LOCK_TTL.total_seconds() + 60)
    assert company.run(full=True) is not None
    left = company.undo(run)
    assert left is not None and left.status in ("green", "amber"), left.entities
    after = company.run(full=True)
    assert after is not None and after.entities["customers"]["writes"] == {"crm": 0, "books": 0}
    assert state(company) == GONE_BACK
    asked = sorted((hold.question, hold.detail["label"]) for hold in company.ledger.open_holds("demo"))
    assert asked == ASKED
    assert not company.ledger.open_intents("demo") and company.ledger.verify().broken is None


def test_without_trouble(company: SimulatedCompany) -> None:
    run = one_of_everything(company)
    company.undo(run)
    in_the_end(company, run)


@pytest.mark.parametrize(("deletes", "first"), [("delete", 3), ("recreate", 8)])
def test_the_process_of_an_undo_may_die_anywhere(deletes: str, first: int) -> None:
    """At every 97th word that it exchanges with the ledger or the network; `first`, the first of them."""
    died, words = True, first
    while died:
        company = SimulatedCompany()
        company.entities = ("customers",)
        company.choose(deletes=deletes)
        run = one_of_everything(company)
        died = company.undo(run, words=words) is None
        in_the_end(company, run)
        company.close()
        words += 97
