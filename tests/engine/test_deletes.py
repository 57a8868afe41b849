"""Records deleted on one side, from a person's hand in either system to what stands in both after the run, word by word."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from company import OFF, Company
from simulation import SimulatedCompany

from renkei.cli.history import lines_of_run
from renkei.core.values import Ref
from renkei.engine.history import run as history_of_run
from renkei.engine.status import status as status_of

NAME, OTHER = "Aoyama Printing", "Sapporo Breweries"


def account(record: str) -> Ref:
    return Ref("crm", "Accounts", record)


def customer(record: str) -> Ref:
    return Ref("books", "contacts", record)


async def linked(company: Company, **words: Any) -> tuple[str, str]:
    """An account and its customer that agree, and a pair beside them, so that no side is ever empty."""
    company.choose(**words)
    crm = company.seed_crm("Accounts", Account_Name=NAME, Phone="03-1234-5678", Website="https://aoyama.example")
    company.seed_crm("Accounts", Account_Name=OTHER)
    await company.sync()
    company.world.clock.advance(600)
    return crm, company.crm()[crm]["renkei_books_id"]


def delete(company: Company, side: str, crm: str, books: str) -> tuple[Ref, Ref]:
    """A person deletes one of the two: (the one that is gone, the other)."""
    company.world.clock.advance(600)
    if side == "crm":
        company.world.crm.delete("Accounts", crm)
        return account(crm), customer(books)
    company.world.books.delete("contacts", books)
    return customer(books), account(crm)


def names(company: Company) -> tuple[list[str], dict[str, str]]:
    """Accounts in the CRM; customers in Books with their status."""
    crm = sorted(one["Account_Name"] for one in company.crm().values())
    return crm, {one["contact_name"]: one["status"] for one in company.books().values()}


async def rests(company: Company) -> None:
    """Whatever comes now, nothing more is written."""
    before = names(company)
    for full in (False, True, False):
        company.world.clock.advance(3600)
        await company.quiet(full=full)
    assert names(company) == before
    assert company.ledger.verify().broken is None and not company.ledger.open_intents("demo")


BOTH, ONE = sorted([NAME, OTHER]), [OTHER]
LIVE, GONE = {NAME: "active", OTHER: "active"}, {OTHER: "active"}
CELLS = [
    # word, deleted in, accounts afterwards, customers afterwards, word of both rows
    ("ignore", "crm", ONE, LIVE, "skipped: deleted"),
    ("ignore", "books", BOTH, GONE, "skipped: deleted"),
    ("unlink", "crm", ONE, LIVE, "removed: unlink"),
    ("unlink", "books", BOTH, GONE, "removed: unlink"),
    ("deactivate", "crm", ONE, {NAME: "inactive", OTHER: "active"}, "removed: deactivate"),
    ("deactivate", "books", BOTH, GONE, "removed: unlink"),
    ("delete", "crm", ONE, GONE, "removed: delete"),
    ("delete", "books", ONE, GONE, "removed: delete"),
    ("recreate", "crm", BOTH, LIVE, "created: recreate"),
    ("recreate", "books", BOTH, LIVE, "created: recreate"),
]


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
@pytest.mark.parametrize(
    ("word", "side", "accounts", "customers", "said"), CELLS, ids=[f"{word}-{side}" for word, side, *_ in CELLS]
)
async def test_a_deleted_record_ends_as_its_word_says(
    company: Company, word: str, side: str, accounts: list[str], customers: dict[str, str], said: str, full: bool
) -> None:
    crm, books = await linked(company, deletes=word)
    gone, _ = delete(company, side, crm, books)
    report = await company.sync(full=full)
    if side == "books" and not full:  # Books tells of no deletion: the nightly run finds it missing
        assert names(company) == (BOTH, GONE)
        report = await company.sync()
    assert report.status == "green" and names(company) == (accounts, customers)
    assert ": ".join(company.outcome(gone)) == said
    await rests(company)


@pytest.mark.parametrize("side", ["crm", "books"])
async def test_what_is_made_again_stands_in_the_same_link_under_a_new_key(company: Company, side: str) -> None:
    crm, books = await linked(company, deletes="recreate")
    before = company.ledger.link_of("demo", account(crm))
    delete(company, side, crm, books)
    await company.sync()
    (again,) = [one for one in company.crm().values() if one["Account_Name"] == NAME]
    (partner,) = [one for one in company.books().values() if one["contact_name"] == NAME]
    assert again["renkei_books_id"] == partner["contact_id"]
    assert (again["Phone"], partner["billing_address"]["phone"]) == ("03-1234-5678", "03-1234-5678")
    link = company.ledger.link_of("demo", account(again["id"]))
    assert before is not None and link is not None and link.id == before.id and link.dead is None
    assert len(company.ledger.link_history("demo", link.id)) == 2
    company.edit_crm("Accounts", again["id"], Website="https://new.example")
    await company.sync(full=False)
    assert company.books()[partner["contact_id"]]["website"] == "https://new.example"
    await rests(company)


async def test_a_customer_with_transactions_is_never_deleted_but_made_inactive_and_the_outcome_says_so(
    company: Company,
) -> None:
    crm, books = await linked(company, deletes="delete")
    company.seed_books("invoices", customer_id=books)
    delete(company, "crm", crm, books)
    report = await company.sync(full=False)
    assert report.status == "green" and names(company) == (ONE, {NAME: "inactive", OTHER: "active"})
    assert company.outcome(customer(books)) == ("removed", "delete: made inactive, it has transactions")
    link = company.ledger.link_of("demo", customer(books))
    assert link is not None and link.dead == "crm"
    await rests(company)


@pytest.mark.parametrize(
    ("word", "side", "accounts", "customers", "said"),
    [
        ("unlink", "crm", ONE, LIVE, "removed: unlink"),
        ("deactivate", "crm", ONE, {NAME: "inactive", OTHER: "active"}, "removed: deactivate"),
        ("delete", "crm", ONE, LIVE, "held: edited_and_deleted"),
        ("delete", "books", BOTH, GONE, "held: edited_and_deleted"),
        ("recreate", "crm", BOTH, LIVE, "created: recreate"),
        ("recreate", "books", BOTH, LIVE, "created: recreate"),
    ],
)
async def test_edited_on_one_side_and_deleted_on_the_other_goes_by_the_table(
    company: Company, word: str, side: str, accounts: list[str], customers: dict[str, str], said: str
) -> None:
    crm, books = await linked(company, deletes=word)
    gone, alive = delete(company, side, crm, books)
    if side == "crm":
        company.edit_books("contacts", books, website="https://edited.example")
    else:
        company.edit_crm("Accounts", crm, Website="https://edited.example")
    await company.sync()
    assert names(company) == (accounts, customers)
    assert ": ".join(company.outcome(gone)) == ": ".join(company.outcome(alive)) == said
    (told,) = [
        row.detail for _, row in company.ledger.story("demo", gone) if row.kind == "record" and row.reason == said.split(": ")[1]
    ]
    assert said.startswith("created") or told["edited"] == ["website"]
    if word == "recreate":
        assert {one["Website"] for one in company.crm().values() if "Website" in one} == {"https://edited.example"}
    await rests(company)


@pytest.mark.parametrize(
    ("choice", "accounts", "customers"),
    [
        ("keep", ONE, LIVE), ("unlink", ONE, LIVE), ("deactivate", ONE, {NAME: "inactive", OTHER: "active"}),
        ("delete", ONE, GONE), ("recreate", BOTH, LIVE),
    ],
)  # fmt: skip
async def test_a_person_chooses_what_becomes_of_the_other_record(
    company: Company, choice: str, accounts: list[str], customers: dict[str, str]
) -> None:
    crm, books = await linked(company, deletes="ask")
    delete(company, "crm", crm, books)
    await company.quiet(full=False)
    (hold,) = company.ledger.open_holds("demo")
    company.decide(hold.id, choice)
    await company.sync(full=False)
    assert names(company) == (accounts, customers)
    assert not company.ledger.open_holds("demo") and not company.ledger.decisions("demo")
    await rests(company)


@pytest.mark.parametrize(
    ("word", "accounts", "customers", "said"),
    [
        ("delete", BOTH, GONE, "skipped: direction"),
        ("recreate", BOTH, LIVE, "created: recreate"),
        ("unlink", BOTH, GONE, "removed: unlink"),
    ],
)
async def test_to_books_deletes_nothing_in_the_crm(
    company: Company, word: str, accounts: list[str], customers: dict[str, str], said: str
) -> None:
    crm, books = await linked(company, deletes=word, direction="to_books")
    gone, _ = delete(company, "books", crm, books)
    await company.sync()
    assert names(company) == (accounts, customers) and ": ".join(company.outcome(gone)) == said
    await rests(company)


async def test_to_books_makes_nothing_again_in_the_crm(company: Company) -> None:
    crm, books = await linked(company, deletes="recreate", direction="to_books")
    gone, _ = delete(company, "crm", crm, books)
    await company.quiet()
    assert names(company) == (ONE, LIVE) and company.outcome(gone) == ("skipped", "direction")
    await rests(company)


@pytest.mark.parametrize("word", ["unlink", "deactivate", "delete", "recreate"])
async def test_many_deletions_at_once_wait_for_a_person_and_are_carried_out_when_released(company: Company, word: str) -> None:
    company.choose(deletes=word)
    ids = [company.seed_crm("Accounts", Account_Name=f"Customer {number}") for number in range(8)]
    await company.sync()
    company.spec = dataclasses.replace(company.spec, brakes=dataclasses.replace(OFF, removed_share=0.02))
    company.world.clock.advance(600)
    for one in ids[:6]:
        company.world.crm.delete("Accounts", one)
    before = names(company)
    held = await company.sync(full=False)
    assert held.status == "held" and [(one.brake, one.count) for one in held.brakes] == [("removed_share", 6)]
    assert names(company) == before and company.outcome(account(ids[0])) == ("blocked", "brake")
    assert (await company.sync(full=False)).status == "held", "it waits as long as nobody releases it"
    await company.apply(held, release=("removed_share",))
    statuses = [one["status"] for one in company.books().values()]
    wanted = {
        "unlink": ["active"] * 8, "deactivate": ["active"] * 2 + ["inactive"] * 6, "delete": ["active"] * 2,
        "recreate": ["active"] * 8,
    }  # fmt: skip
    assert sorted(statuses) == wanted[word] and len(company.crm()) == (8 if word == "recreate" else 2)
    await rests(company)


async def test_a_survivor_edited_between_the_plan_and_its_removal_is_not_removed(company: Company) -> None:
    crm, books = await linked(company, deletes="delete")
    gone, alive = delete(company, "crm", crm, books)
    company.between = lambda: company.edit_books("contacts", books, website="https://edited.example")
    await company.sync(full=False)
    company.between = lambda: None
    assert names(company) == (ONE, LIVE) and company.outcome(alive) == ("refused", "stale")
    await company.sync(full=False)
    assert names(company) == (ONE, LIVE) and company.outcome(gone) == ("held", "edited_and_deleted")
    await rests(company)


async def test_an_hourly_run_that_read_only_what_changed_takes_nothing_as_deleted(company: Company) -> None:
    crm, books = await linked(company, deletes="delete")
    delete(company, "books", crm, books)
    company.world.clock.advance(86400)
    for _ in range(3):
        await company.quiet(full=False)
    assert names(company) == (BOTH, GONE)


async def test_pages_that_shift_because_others_were_deleted_during_the_scan_make_no_false_deletion(company: Company) -> None:
    company.choose(deletes="delete", direction="to_books")
    for number in range(230):
        company.seed_books("contacts", contact_name=f"Stranger {number:03}", company_name=f"Stranger {number:03}")
    ids = [company.seed_crm("Accounts", Account_Name=f"Customer {number}") for number in range(3)]
    await company.sync()
    company.world.clock.advance(600)
    company.world.faults.add("page-shift@books:GET/contacts*2")
    await company.quiet()
    assert len(company.crm()) == len(ids)
    company.world.faults.clear()
    await rests(company)


# ------------------------------------------------------------------------------------------------------ crash, undo, bin


@pytest.fixture
def mortal() -> Iterator[SimulatedCompany]:
    made = SimulatedCompany()
    made.entities = ("customers",)
    try:
        yield made
    finally:
        made.close()


def is_removal(request: httpx.Request) -> bool:
    return request.method == "DELETE"


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
@pytest.mark.parametrize("side", ["crm", "books"])
def test_a_removal_whose_process_died_before_its_entry_is_no_persons_deletion(
    mortal: SimulatedCompany, side: str, full: bool
) -> None:
    mortal.choose(deletes="delete")
    for name in (NAME, OTHER):
        mortal.seed_crm("Accounts", Account_Name=name)
    mortal.run()
    crm = next(one for one, row in mortal.crm().items() if row["Account_Name"] == NAME)
    books = mortal.crm()[crm]["renkei_books_id"]
    delete(mortal, side, crm, books)
    assert mortal.run(last=is_removal) is None
    assert names(mortal) == (ONE, GONE)
    mortal.world.clock.advance(660)
    report = mortal.run(full=full)
    assert report is not None and report.status == "green" and names(mortal) == (ONE, GONE)
    assert mortal.ledger.link_of("demo", customer(books)) is None and not mortal.ledger.open_intents("demo")
    removed = [row for _, row in mortal.ledger.story("demo", customer(books)) if row.kind == "write" and row.outcome == "removed"]
    assert [row.reason for row in removed] == ["delete"] and removed[0].detail["changes"]


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
@pytest.mark.parametrize("deletes", ["delete", "recreate", "ignore"])
def test_a_customer_of_former_settings_whose_removal_died_before_its_entry_is_not_taken_for_a_persons_deletion(
    mortal: SimulatedCompany, deletes: str, full: bool
) -> None:
    is_printer = {"comparator": "equal", "field": {"api_name": "Industry"}, "value": "Printing"}
    mortal.world.crm.add_view("Accounts", "Printers", is_printer)
    mortal.choose(remove_earlier_configuration=True, deletes=deletes)
    mortal.seed_crm("Accounts", Account_Name=NAME, Industry="Printing")
    other = mortal.seed_crm("Accounts", Account_Name=OTHER, Industry="Food")
    mortal.run()
    mortal.choose(views=(("Accounts", "Printers"),))
    assert mortal.run(last=is_removal) is None
    mortal.world.clock.advance(660)
    report = mortal.run(full=full)
    assert report is not None and report.status == "green"
    assert names(mortal) == (BOTH, {NAME: "active"})
    assert mortal.ledger.link_of("demo", account(other)) is None
    mortal.choose(views=())
    mortal.run()
    assert names(mortal) == (BOTH, LIVE), "back in scope, it is made once more"


@pytest.mark.parametrize("fault", ["timeout-after-commit", "timeout-before", "500-after-commit"])
@pytest.mark.parametrize("word", ["delete", "deactivate", "recreate"])
async def test_what_the_deletes_policy_wrote_and_got_no_answer_for_is_settled_by_the_next_run(
    company: Company, word: str, fault: str
) -> None:
    crm, books = await linked(company, deletes=word)
    delete(company, "crm", crm, books)
    place = {"delete": "books:DELETE/contacts", "deactivate": "books:POST/contacts", "recreate": "crm:POST/Accounts"}[word]
    company.world.faults.add(f"{fault}@{place}")
    await company.sync(full=False)
    company.world.faults.clear()
    for full in (True, False):
        await company.sync(full=full)
    wanted = {
        "delete": (ONE, GONE), "deactivate": (ONE, {NAME: "inactive", OTHER: "active"}), "recreate": (BOTH, LIVE)
    }  # fmt: skip
    assert names(company) == wanted[word] and company.outcome(customer(books))[0] != "failed"
    await rests(company)


@pytest.mark.parametrize("side", ["crm", "books"])
@pytest.mark.parametrize("words", [0, 70, 90, 110, 130])
def test_a_process_that_dies_while_it_makes_a_deleted_record_again_makes_it_once(
    mortal: SimulatedCompany, side: str, words: int
) -> None:
    mortal.choose(deletes="recreate")
    for name in (NAME, OTHER):
        mortal.seed_crm("Accounts", Account_Name=name)
    mortal.run()
    crm = next(one for one, row in mortal.crm().items() if row["Account_Name"] == NAME)
    delete(mortal, side, crm, mortal.crm()[crm]["renkei_books_id"])

    def is_create(request: httpx.Request) -> bool:
        return request.method in ("POST", "PUT") and request.url.path.endswith(("/Accounts", "/contacts"))

    if mortal.run(last=is_create if not words else lambda request: False, words=words or None) is None:
        mortal.world.clock.advance(660)
    for full in (False, True, False):
        mortal.run(full=full)
    assert names(mortal) == (BOTH, LIVE)
    (again,) = [row for row in mortal.crm().values() if row["Account_Name"] == NAME]
    link = mortal.ledger.link_of("demo", account(again["id"]))
    assert link is not None and link.dead is None and link.books.id in mortal.books()
    report = mortal.run()
    assert report is not None and all(part["writes"] == {"crm": 0, "books": 0} for part in report.entities.values())


RESTORED = [
    # word, accounts and customers once the deleted account is out of the bin, word of the account
    ("ignore", BOTH, LIVE, "linked: returned"),
    ("unlink", BOTH, LIVE, "linked: returned"),
    ("deactivate", BOTH, LIVE, "updated: returned"),
    ("delete", BOTH, LIVE, "created: new_in_crm"),
    ("ask", BOTH, LIVE, "unchanged: "),
    ("recreate", sorted([NAME, NAME, OTHER]), LIVE, "skipped: replaced"),
]


@pytest.mark.parametrize(("word", "accounts", "customers", "said"), RESTORED, ids=[one[0] for one in RESTORED])
async def test_an_account_restored_from_the_recycle_bin_lives_again_and_nothing_stands_twice_in_books(
    company: Company, word: str, accounts: list[str], customers: dict[str, str], said: str
) -> None:
    crm, books = await linked(company, deletes=word)
    before = company.ledger.link_of("demo", account(crm))
    delete(company, "crm", crm, books)
    await company.sync(full=False)
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", crm)
    await company.sync()
    assert names(company) == (accounts, customers) and ": ".join(company.outcome(account(crm))) == said
    if word not in ("delete", "recreate"):
        link = company.ledger.link_of("demo", account(crm))
        assert link == before
        company.edit_crm("Accounts", crm, Website="https://back.example")
        await company.sync(full=False)
        assert company.books()[books]["website"] == "https://back.example"
    await rests(company)


async def test_a_customer_kept_because_of_its_transactions_is_active_again_when_its_account_returns(company: Company) -> None:
    crm, books = await linked(company, deletes="delete")
    company.seed_books("invoices", customer_id=books)
    delete(company, "crm", crm, books)
    await company.sync(full=False)
    assert names(company)[1][NAME] == "inactive"
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", crm)
    await company.sync()
    assert names(company) == (BOTH, LIVE) and company.outcome(account(crm)) == ("updated", "returned")
    await rests(company)


async def test_a_customer_that_a_person_made_inactive_stays_so_when_its_account_returns(company: Company) -> None:
    crm, books = await linked(company, deletes="deactivate")
    company.edit_books("contacts", books, status="inactive")
    await company.sync()
    delete(company, "crm", crm, books)
    await company.sync(full=False)
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", crm)
    await company.sync()
    assert names(company)[1][NAME] == "inactive"
    await rests(company)


async def test_a_customer_that_former_settings_made_inactive_is_active_again_when_its_record_returns(company: Company) -> None:
    is_printer = {"comparator": "equal", "field": {"api_name": "Industry"}, "value": "Printing"}
    company.world.crm.add_view("Accounts", "Printers", is_printer)
    company.choose(remove_earlier_configuration=True)
    company.seed_crm("Accounts", Account_Name=NAME, Industry="Printing")
    other = company.seed_crm("Accounts", Account_Name=OTHER, Industry="Food")
    await company.sync()
    company.world.clock.advance(600)
    company.seed_books("invoices", customer_id=company.crm()[other]["renkei_books_id"])
    company.choose(views=(("Accounts", "Printers"),))
    await company.sync()
    assert names(company)[1] == {NAME: "active", OTHER: "inactive"}
    company.choose(views=())
    await company.sync()
    assert names(company)[1] == LIVE and company.outcome(account(other)) == ("updated", "returned")
    await rests(company)


async def test_a_record_that_leaves_the_view_and_comes_back_goes_on_where_it_was(company: Company) -> None:
    is_printer = {"comparator": "equal", "field": {"api_name": "Industry"}, "value": "Printing"}
    company.world.crm.add_view("Accounts", "Printers", is_printer)
    company.choose(views=(("Accounts", "Printers"),), deletes="delete")
    company.seed_crm("Accounts", Account_Name=OTHER, Industry="Printing")
    crm = company.seed_crm("Accounts", Account_Name=NAME, Industry="Printing")
    await company.sync()
    before = company.ledger.link_of("demo", account(crm))
    company.edit_crm("Accounts", crm, Industry="Food", Website="https://away.example")
    await company.quiet(full=True)
    assert company.outcome(account(crm)) == ("skipped", "out_of_view") and names(company) == (BOTH, LIVE)
    company.edit_crm("Accounts", crm, Industry="Printing")
    await company.sync(full=False)
    assert company.ledger.link_of("demo", account(crm)) == before
    assert company.books()[before.books.id]["website"] == "https://away.example" if before else False
    await rests(company)


# ------------------------------------------------------------------------------------------------------------- orphans


@pytest.mark.parametrize(("word", "side"), [("ignore", "crm"), ("ignore", "books"), ("unlink", "crm"), ("deactivate", "crm")])
async def test_a_nightly_run_lists_the_records_whose_partner_was_deleted_and_no_others(
    company: Company, word: str, side: str
) -> None:
    company.entities = ("customers", "products")
    crm, books = await linked(company, deletes=word)
    assert (await company.sync()).orphans == []
    gone, alive = delete(company, side, crm, books)
    assert (await company.sync(full=False)).orphans is None, "an hourly run lists nothing"
    report = await company.sync()
    assert [(one["gone"], one["alive"]) for one in report.json()["orphans"]] == [(str(gone), str(alive))]
    assert report.json()["orphans"][0]["since"]
    told = history_of_run(company.ledger, report.run, 0)
    assert told["orphans"] == report.orphans
    assert any(str(alive) in line for line in lines_of_run(told))
    assert status_of(company.ledger, company.spec, company.clock.now())["orphans"] == {alive.side: 1}
    company.world.clock.advance(600)
    if side == "crm":
        company.world.crm.restore("Accounts", crm)
    else:
        company.world.crm.delete("Accounts", crm)
    assert (await company.sync()).orphans == []


async def test_what_the_policy_deletes_or_makes_again_leaves_no_orphan(company: Company) -> None:
    company.entities = ("customers", "products")
    for word in ("delete", "recreate"):
        company.choose(deletes=word)
        crm = company.seed_crm("Accounts", Account_Name=f"Customer of {word}")
        company.seed_crm("Accounts", Account_Name=f"Another of {word}")
        await company.sync()
        delete(company, "crm", crm, "")
        assert (await company.sync()).orphans == []
