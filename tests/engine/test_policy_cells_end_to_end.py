"""Each cell that writes or asks, from edits in both systems to what stands there afterwards; the next run writes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from company import Company

from renkei.core.values import Ref

OLD, IN_CRM, IN_BOOKS = "https://old.jp", "https://crm.jp", "https://books.jp"
NAME = "Aoyama Printing"


def account(record: str) -> Ref:
    return Ref("crm", "Accounts", record)


def customer(record: str) -> Ref:
    return Ref("books", "contacts", record)


def seed_account(company: Company, website: str = OLD, **fields: Any) -> str:
    return company.seed_crm("Accounts", **{"Account_Name": NAME, "Website": website, **fields})


def seed_customer(company: Company, website: str = OLD, name: str = NAME, **fields: Any) -> str:
    wanted = {"contact_name": name, "company_name": name, "website": website, "customer_sub_type": "business"}
    return company.seed_books("contacts", **{**wanted, **fields})


async def linked(company: Company) -> tuple[str, str]:
    """An account and its customer that agree, and a pair beside them, so that no side is ever empty."""
    crm, books = seed_account(company), seed_customer(company)
    seed_account(company, "", Account_Name="Sapporo Breweries")
    seed_customer(company, "", "Sapporo Breweries")
    report = await company.sync()
    assert report.entities["customers"]["outcomes"]["linked"] == 4 and company.crm()[crm]["renkei_books_id"] == books
    return crm, books


def websites(company: Company) -> tuple[list[Any], list[Any]]:
    """Those that are not blank, in the CRM and in Books."""
    return (
        sorted(one["Website"] for one in company.crm().values() if one.get("Website")),
        sorted(one["website"] for one in company.books().values() if one.get("website")),
    )


# ----------------------------------------------------------------------------------------------------- linked pairs

LINKED = [
    # left, right, words, minutes between them, websites afterwards (CRM; Books), word of both rows
    (IN_CRM, None, {}, [IN_CRM], [IN_CRM], "updated: edited_in_crm"),
    (None, IN_BOOKS, {}, [IN_BOOKS], [IN_BOOKS], "updated: edited_in_books"),
    (None, IN_BOOKS, {"direction": "to_books"}, [OLD], [IN_BOOKS], "skipped: direction"),
    (IN_CRM, None, {"direction": "to_books"}, [IN_CRM], [IN_CRM], "updated: edited_in_crm"),
    (IN_CRM, IN_CRM, {}, [IN_CRM], [IN_CRM], "unchanged: "),
    (IN_CRM, IN_BOOKS, {"conflicts": "clone"}, [IN_CRM], [IN_BOOKS, IN_CRM], "updated: conflicts_clone"),
    (IN_CRM, IN_BOOKS, {"conflicts": "overwrite"}, [IN_CRM], [IN_CRM], "updated: conflicts_overwrite"),
    (IN_CRM, IN_BOOKS, {"conflicts": "skip"}, [IN_CRM], [IN_BOOKS], "skipped: conflicts_skip"),
    (IN_CRM, IN_BOOKS, {"conflicts": "books"}, [IN_BOOKS], [IN_BOOKS], "updated: conflicts_books"),
    (IN_CRM, IN_BOOKS, {"conflicts": "books", "direction": "to_books"}, [IN_CRM], [IN_BOOKS], "skipped: direction"),
    (IN_CRM, IN_BOOKS, {"conflicts": "newest"}, [IN_BOOKS], [IN_BOOKS], "updated: conflicts_newest"),
    (IN_CRM, IN_BOOKS, {"conflicts": "ask"}, [IN_CRM], [IN_BOOKS], "held: conflict"),
    (IN_CRM, IN_BOOKS, {"conflicts": "ask", "direction": "to_books"}, [IN_CRM], [IN_BOOKS], "held: conflict"),
]  # fmt: skip


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
@pytest.mark.parametrize(
    ("left", "right", "words", "crm_after", "books_after", "word"),
    LINKED,
    ids=[f"{'edited' if one[0] else 'quiet'}-{'edited' if one[1] else 'quiet'}-{'-'.join(one[2].values())}" for one in LINKED],
)
async def test_edits_of_a_linked_pair_end_as_its_cell_says(
    company: Company, left: str | None, right: str | None, words: dict[str, str], crm_after: list[str], books_after: list[str],
    word: str, full: bool,
) -> None:  # fmt: skip
    company.choose(**words)
    crm, books = await linked(company)
    if left:
        company.edit_crm("Accounts", crm, Website=left)
    if right:
        company.edit_books("contacts", books, website=right)
    read = [
        ref for ref, edit in ((account(crm), left), (customer(books), right)) if edit or full
    ]  # both rows, where both were read
    await company.sync(full=full)
    assert websites(company) == (crm_after, books_after)
    words_now = {": ".join(company.outcome(ref)) for ref in read}
    assert words_now == {word}
    holds = company.ledger.open_holds("demo")
    assert [hold.question for hold in holds] == (["conflict"] if word == "held: conflict" else [])
    for again in (True, False):
        await company.quiet(full=again)
    assert company.ledger.open_holds("demo") == holds, "asked once"
    assert websites(company) == (crm_after, books_after)


async def test_the_newest_edit_in_the_crm_wins_too_and_nearer_ones_are_asked(company: Company) -> None:
    company.choose(conflicts="newest")
    crm, books = await linked(company)
    company.edit_books("contacts", books, website=IN_BOOKS)
    company.edit_crm("Accounts", crm, Website=IN_CRM)
    await company.sync(full=False)
    assert websites(company) == ([IN_CRM], [IN_CRM])
    company.edit_books("contacts", books, website="https://b.jp")
    company.world.crm.edit("Accounts", crm, Website="https://a.jp")
    await company.sync(full=False)
    assert websites(company) == (["https://a.jp"], ["https://b.jp"])
    assert [hold.question for hold in company.ledger.open_holds("demo")] == ["conflict"]


@pytest.mark.parametrize(("choice", "winner"), [("crm", IN_CRM), ("books", IN_BOOKS)])
async def test_a_person_decides_a_conflict_and_the_next_run_writes_it(company: Company, choice: str, winner: str) -> None:
    crm, books = await linked(company)
    company.edit_crm("Accounts", crm, Website=IN_CRM)
    company.edit_books("contacts", books, website=IN_BOOKS)
    await company.sync(full=False)
    (hold,) = company.ledger.open_holds("demo")
    assert hold.choices == ("crm", "books") and hold.detail["values"] == {"crm": IN_CRM, "books": IN_BOOKS}
    company.decide(hold.id, choice)
    report = await company.sync(full=False)
    assert report.status == "green" and websites(company) == ([winner], [winner])
    assert not company.ledger.open_holds("demo") and not company.ledger.decisions("demo")
    await company.quiet()


async def test_a_decision_whose_write_is_refused_is_carried_out_by_the_next_run(company: Company) -> None:
    crm, books = await linked(company)
    company.edit_crm("Accounts", crm, Website=IN_CRM)
    company.edit_books("contacts", books, website=IN_BOOKS)
    await company.sync(full=False)
    (hold,) = company.ledger.open_holds("demo")
    company.decide(hold.id, "crm")
    company.between = lambda: company.edit_books("contacts", books, notes="called them")
    report = await company.sync(full=False)
    company.between = lambda: None
    assert report.entities["customers"]["outcomes"]["refused"] == 2
    assert websites(company) == ([IN_CRM], [IN_BOOKS]) and not company.ledger.open_holds("demo")
    assert (await company.sync(full=False)).status == "green"
    assert websites(company) == ([IN_CRM], [IN_CRM]) and not company.ledger.decisions("demo")


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
async def test_a_record_edited_between_plan_and_load_is_refused_and_planned_anew_by_the_next_run(
    company: Company, full: bool
) -> None:
    crm, books = await linked(company)
    company.edit_crm("Accounts", crm, Website=IN_CRM)
    company.between = lambda: company.edit_books("contacts", books, notes="called them")
    report = await company.sync(full=full)
    company.between = lambda: None
    assert report.status == "amber" and websites(company) == ([IN_CRM], [OLD])
    assert company.outcome(account(crm)) == ("refused", "stale")
    assert (await company.sync(full=False)).status == "green"
    assert websites(company) == ([IN_CRM], [IN_CRM]) and company.books()[books]["notes"] == "called them"
    await company.quiet()


# ------------------------------------------------------------------------------------------------------ deletions


@pytest.mark.parametrize("edited", [False, True], ids=["quiet", "edited"])
@pytest.mark.parametrize("side", ["crm", "books"])
@pytest.mark.parametrize("deletes", ["ignore", "ask"])
async def test_a_deleted_record_keeps_its_link_and_nothing_else_is_deleted(
    company: Company, side: str, deletes: str, edited: bool
) -> None:
    company.choose(deletes=deletes)
    crm, books = await linked(company)
    company.world.clock.advance(600)
    if side == "crm":
        company.world.crm.delete("Accounts", crm)
        if edited:
            company.edit_books("contacts", books, website=IN_BOOKS)
    else:
        company.world.books.delete("contacts", books)
        if edited:
            company.edit_crm("Accounts", crm, Website=IN_CRM)
    await company.quiet()
    gone, alive = (account(crm), customer(books)) if side == "crm" else (customer(books), account(crm))
    holds = company.ledger.open_holds("demo")
    if deletes == "ask":
        assert company.outcome(gone) == ("held", "deleted")
        offered = ("keep", "unlink", *(("deactivate",) if side == "crm" else ()), "delete", "recreate")
        assert [(hold.question, hold.record, hold.choices) for hold in holds] == [("deleted", gone, offered)]
    else:
        assert company.outcome(gone) == ("skipped", "deleted") and not holds
        link = company.ledger.link_of("demo", gone)
        assert link is not None and link.dead == side and link.state == "live"
        if edited:
            assert company.outcome(alive) == ("skipped", "partner_deleted")
    await company.quiet()
    assert company.ledger.open_holds("demo") == holds


async def test_both_deleted_are_skipped_and_nobody_is_asked(company: Company) -> None:
    company.choose(deletes="ask")
    crm, books = await linked(company)
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", crm)
    company.world.books.delete("contacts", books)
    await company.quiet()
    assert company.outcome(account(crm)) == company.outcome(customer(books)) == ("skipped", "deleted")
    assert not company.ledger.open_holds("demo")


@pytest.mark.parametrize("choice", ["keep", "unlink"])
async def test_a_person_decides_about_a_deletion(company: Company, choice: str) -> None:
    company.choose(deletes="ask")
    crm, books = await linked(company)
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", crm)
    await company.sync()
    (hold,) = company.ledger.open_holds("demo")
    company.decide(hold.id, choice)
    await company.quiet(full=False)
    assert company.outcome(account(crm)) == (("skipped", "deleted") if choice == "keep" else ("removed", "unlink"))
    link = company.ledger.link_of("demo", account(crm))
    assert (link is not None) == (choice == "keep")
    company.edit_books("contacts", books, website=IN_BOOKS)
    await company.quiet()
    assert len(company.crm()) == 1, "the survivor is neither created anew nor matched"
    assert company.outcome(customer(books)) == ("skipped", "partner_deleted" if choice == "keep" else "unlinked")
    assert not company.ledger.open_holds("demo")


async def test_a_record_restored_from_the_recycle_bin_lives_again(company: Company) -> None:
    crm, _ = await linked(company)
    company.world.clock.advance(600)
    company.world.crm.delete("Accounts", crm)
    await company.sync()
    company.world.clock.advance(600)
    company.world.crm.restore("Accounts", crm)
    company.edit_crm("Accounts", crm, Website=IN_CRM)
    await company.sync()
    assert websites(company) == ([IN_CRM], [IN_CRM])
    link = company.ledger.link_of("demo", account(crm))
    assert link is not None and link.dead is None
    await company.quiet()


# ------------------------------------------------------------------------------------------ records without a link


async def test_a_new_record_is_created_on_the_other_side(company: Company) -> None:
    crm, books = seed_account(company, IN_CRM), seed_customer(company, IN_BOOKS, "Sapporo Breweries")
    await company.sync()
    assert company.outcome(account(crm)) == ("created", "new_in_crm")
    assert company.outcome(customer(books)) == ("created", "new_in_books")
    assert websites(company) == ([IN_BOOKS, IN_CRM],) * 2
    assert {one["renkei_books_id"] for one in company.crm().values()} == company.books().keys()
    await company.quiet()
    await company.quiet(full=False)


async def test_an_account_edited_while_its_customer_is_made_gets_its_key_and_the_edit_follows(company: Company) -> None:
    crm = seed_account(company, OLD)
    company.between = lambda: company.edit_crm("Accounts", crm, Website=IN_CRM)
    await company.sync()
    company.between = lambda: None
    assert company.crm()[crm]["renkei_books_id"] in company.books()
    await company.sync(full=False)
    assert websites(company) == ([IN_CRM], [IN_CRM])
    await company.quiet()


async def test_to_books_creates_nothing_in_the_crm(company: Company) -> None:
    company.choose(direction="to_books")
    seed_account(company, IN_CRM)
    books = seed_customer(company, IN_BOOKS, "Sapporo Breweries")
    await company.sync()
    assert company.outcome(customer(books)) == ("skipped", "direction")
    assert websites(company) == ([IN_CRM], sorted([IN_BOOKS, IN_CRM]))
    await company.quiet()


MET = [
    ("clone", {}, [IN_CRM], [IN_BOOKS, IN_CRM], "created: duplicates_clone", "skipped: set_aside"),
    ("overwrite", {}, [IN_CRM], [IN_CRM], "updated: duplicates_overwrite", "updated: duplicates_overwrite"),
    ("skip", {}, [IN_CRM], [IN_BOOKS], "skipped: duplicates_skip", "skipped: duplicates_skip"),
    ("link", {"conflicts": "books"}, [IN_BOOKS], [IN_BOOKS], "updated: conflicts_books", "updated: conflicts_books"),
    ("link", {"conflicts": "ask"}, [IN_CRM], [IN_BOOKS], "held: first_values", "held: first_values"),
    ("ask", {}, [IN_CRM], [IN_BOOKS], "held: duplicate", "held: duplicate"),
]


@pytest.mark.parametrize(
    ("duplicates", "words", "crm_after", "books_after", "crm_word", "books_word"),
    MET,
    ids=[f"{one[0]}-{'-'.join(one[1].values())}" for one in MET],
)
async def test_a_duplicate_ends_as_its_policy_says(
    company: Company, duplicates: str, words: dict[str, str], crm_after: list[str], books_after: list[str], crm_word: str,
    books_word: str,
) -> None:  # fmt: skip
    company.choose(duplicates=duplicates, **words)
    crm, books = seed_account(company, IN_CRM), seed_customer(company, IN_BOOKS)
    await company.sync()
    assert websites(company) == (crm_after, books_after)
    assert ": ".join(company.outcome(account(crm))) == crm_word
    assert ": ".join(company.outcome(customer(books))) == books_word
    holds = company.ledger.open_holds("demo")
    for again in (True, False):
        await company.quiet(full=again)
    assert websites(company) == (crm_after, books_after)
    assert company.ledger.open_holds("demo") == holds and len(holds) == (crm_word.startswith("held"))


async def test_several_candidates_are_one_question_and_a_person_links(company: Company) -> None:
    crm = seed_account(company)
    one = seed_customer(company, IN_BOOKS, contact_name="Aoyama Printing 1")
    two = seed_customer(company, "", contact_name="Aoyama Printing 2")
    await company.quiet()
    (hold,) = company.ledger.open_holds("demo")
    assert hold.question == "ambiguous" and set(hold.choices) == {
        f"link {customer(one)}",
        f"link {customer(two)}",
        "create",
        "skip",
    }
    assert {company.outcome(ref) for ref in (account(crm), customer(one), customer(two))} == {("held", "ambiguous")}
    await company.quiet(full=False)
    company.decide(hold.id, f"link {customer(two)}")
    await company.sync(full=False)
    assert company.crm()[crm]["renkei_books_id"] == two
    assert company.books()[two]["website"] == OLD, "a blank is filled"
    assert not company.ledger.decisions("demo")


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
@pytest.mark.parametrize("choice", ["link", "create", "skip"])
async def test_a_person_decides_about_a_duplicate(company: Company, choice: str, full: bool) -> None:
    company.choose(duplicates="ask")
    crm, books = seed_account(company), seed_customer(company, "")
    await company.sync()
    (hold,) = company.ledger.open_holds("demo")
    company.decide(hold.id, f"link {customer(books)}" if choice == "link" else choice)
    await company.sync(full=full)
    await company.sync(full=full)
    if choice == "link":
        assert company.crm()[crm]["renkei_books_id"] == books and websites(company) == ([OLD], [OLD])
    elif choice == "create":
        assert len(company.books()) == 2, "two parties of one name: each gets its partner"
        mine = company.crm()[crm]["renkei_books_id"]
        assert mine != books and company.books()[mine]["contact_name"] == f"{NAME} ({crm[-6:]})"
    else:
        assert websites(company) == ([OLD], []) and company.outcome(account(crm)) == ("skipped", "decision_skip")
        assert company.outcome(customer(books)) == ("skipped", "decision_skip")
    assert not company.ledger.open_holds("demo") and not company.ledger.decisions("demo")
    await company.quiet()
    await company.quiet(full=False)
