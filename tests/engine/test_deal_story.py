"""The story of a deal, from the first estimate to the void invoice, as the issue tells it. Read it from the top.

Each chapter is one thing that happens and one run. The second telling kills every run again and again, each time in the middle
of what the one before left behind, until it comes through: the documents are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from simulation import SimulatedCompany

from renkei.core.planning import books_key_of
from renkei.core.values import Ref

OPEN, WON, LOST = "Qualification", "Closed Won", "Closed Lost"
LINES = [("Paper", 3, 105), ("Ink", 2, 1250), ("Toner", 1, 9800)]


class Story:
    """A company with one customer and three products, both linked; and what its people do."""

    def __init__(self, company: SimulatedCompany, setting: str, stride: int = 0) -> None:
        self.company, self.stride, self.deaths = company, stride, 0
        company.spec = dataclasses.replace(company.spec, deals=setting)
        self.account = company.seed_crm("Accounts", Account_Name="Kita Ltd")
        self.products = {
            name: company.seed_crm("Products", Product_Name=name, Unit_Price=price, Product_Active=True)
            for name, _, price in LINES
        }
        self.run()

    def run(self) -> None:
        """The hourly run; under a stride, the deals' part of it is killed at boundary after boundary before it comes through."""
        words = 0
        while self.stride:
            words += self.stride
            if self.company.run(words=words, full=False, entities=("deals",)) is not None:
                break
            self.deaths += 1
            self.company.world.clock.advance(601)  # the dead one's lock ends
        report = self.company.run(full=False)
        assert report is not None and report.status in ("green", "amber"), report
        assert not self.company.ledger.open_intents("demo")

    def deal(self, name: str, amount: int = 12_615) -> str:
        lines = [
            {"Product_Name": {"id": self.products[one]}, "Quantity": many, "List_Price": price} for one, many, price in LINES
        ]
        return self.company.seed_crm(
            "Deals", Deal_Name=name, Account_Name={"id": self.account}, Stage=OPEN, Amount=amount, Closing_Date="2026-12-31",
            Deal_Lines=lines,
        )  # fmt: skip

    def edit(self, deal: str, **fields: Any) -> None:
        self.company.edit_crm("Deals", deal, **fields)

    def document(self, kind: str, deal: str) -> dict[str, Any]:
        """The deal's one document."""
        found = [one for one in self.company.books(kind).values() if books_key_of(one, "cf_renkei_crm_id") == f"crm:Deals:{deal}"]
        assert len(found) == 1, found
        return found[0]

    def words(self, deal: str) -> tuple[str, str]:
        return self.company.outcome(Ref("crm", "Deals", deal))

    def receivables(self, deal: str) -> tuple[Any, Any]:
        [row] = [one for one in self.company.crm("Renkei_Receivables").values() if f":Deals:{deal}:" in one["renkei_key"]]
        return row["Invoiced"], row["Balance"]


@pytest.fixture(params=[0, 5], ids=["without a crash", "killed at every fifth boundary"])
def tell(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Story]]:
    company = SimulatedCompany()
    company.choose(duplicates="link")
    try:
        yield lambda setting: Story(company, setting, request.param)
    finally:
        company.close()


def test_an_estimate_is_made_accepted_and_follows_no_more_what_a_person_took_over(tell: Callable[[str], Story]) -> None:
    story = tell("estimates")

    # A deal is created: an estimate with its three lines stands in Books, a draft.
    deal = story.deal("Kita renewal")
    story.run()
    estimate = story.document("estimates", deal)
    assert [(one["name"], one["quantity"], one["rate"]) for one in estimate["line_items"]] == LINES
    assert (estimate["status"], estimate["sub_total"]) == ("draft", 12_615)

    # The customer wants more paper: the draft follows.
    lines = story.company.crm("Deals")[deal]["Deal_Lines"]
    story.edit(deal, Amount=12_720, Deal_Lines=[{**lines[0], "Quantity": 4}, *lines[1:]])
    story.run()
    assert story.document("estimates", deal)["sub_total"] == 12_720

    # The deal is won: the estimate is accepted.
    story.edit(deal, Stage=WON)
    story.run()
    assert story.document("estimates", deal)["status"] == "accepted"

    # A second deal is lost after a person has sent its estimate to the customer: the estimate is his.
    other = story.deal("Kita second")
    story.run()
    story.company.edit_books("estimates", story.document("estimates", other)["estimate_id"], status="sent")
    story.edit(other, Stage=LOST)
    story.run()
    assert story.document("estimates", other)["status"] == "sent"

    # A third one is lost before anybody touched it: declined.
    third = story.deal("Kita third")
    story.run()
    story.edit(third, Stage=LOST)
    story.run()
    assert story.document("estimates", third)["status"] == "declined"
    assert len(story.company.books("estimates")) == 3 and story.deaths >= 0


def test_an_invoice_is_made_paid_in_part_shown_in_the_crm_and_never_void_again(tell: Callable[[str], Story]) -> None:
    story = tell("invoices")

    # A deal is won: one invoice with three lines.
    deal = story.deal("Kita renewal")
    story.run()
    assert not story.company.books("invoices")
    story.edit(deal, Stage=WON)
    story.run()
    invoice = story.document("invoices", deal)
    assert len(invoice["line_items"]) == 3 and (invoice["status"], invoice["sub_total"]) == ("draft", 12_615)

    # A person sends it; a part of it is paid: the deal shows what was invoiced, and what is owed.
    story.company.edit_books("invoices", invoice["invoice_id"], status="sent")
    story.company.seed_books(
        "customerpayments", customer_id=invoice["customer_id"], amount=5_000, date="2026-11-02", payment_mode="cash",
        invoices=[{"invoice_id": invoice["invoice_id"], "amount_applied": 5_000}],
    )  # fmt: skip
    story.run()
    story.run()
    total = invoice["total"]
    assert story.receivables(deal) == (total, total - 5_000)

    # The deal is lost after all: a payment stands against the void.
    story.edit(deal, Stage=LOST)
    story.run()
    assert story.document("invoices", deal)["status"] in ("partially_paid", "overdue")
    assert story.words(deal) == ("refused", "payment_exists")

    # Another one is won, and lost before anybody sent its invoice: void.
    other = story.deal("Kita second")
    story.edit(other, Stage=WON)
    story.run()
    story.edit(other, Stage=LOST)
    story.run()
    assert story.document("invoices", other)["status"] == "void"
    assert len(story.company.books("invoices")) == 2
