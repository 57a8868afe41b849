"""Customers and their persons, from situations in both systems to what a run leaves there; the next run writes nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from company import Company

from renkei.core.values import Ref

NAME = "Aoyama Printing"


def account(record: str) -> Ref:
    return Ref("crm", "Accounts", record)


def contact(record: str) -> Ref:
    return Ref("crm", "Contacts", record)


def customer(record: str) -> Ref:
    return Ref("books", "contacts", record)


def person(record: str) -> Ref:
    return Ref("books", "contact_persons", record)


def seed_account(company: Company, name: str = NAME, **fields: Any) -> str:
    return company.seed_crm("Accounts", Account_Name=name, **fields)


def seed_contact(company: Company, last: str, of: str | None = None, **fields: Any) -> str:
    holder = {"Account_Name": {"id": of}} if of else {}
    return company.seed_crm("Contacts", **{"Last_Name": last, "First_Name": "Yuki", **holder, **fields})


def seed_customer(company: Company, name: str = NAME, **fields: Any) -> str:
    wanted = {"contact_name": name, "company_name": name, "customer_sub_type": "business"}
    return company.seed_books("contacts", **{**wanted, **fields})


def seed_individual(company: Company, last: str, **fields: Any) -> str:
    person = {"first_name": "Yuki", "last_name": last, "is_primary_contact": True}
    return company.seed_books(
        "contacts", contact_name=f"Yuki {last}", customer_sub_type="individual", contact_persons=[person], **fields
    )


def persons(company: Company, record: str) -> list[str]:
    return [one["last_name"] for one in company.books()[record]["contact_persons"]]


def sent(company: Company, method: str, path: str) -> list[httpx.Request]:
    """Writes of one kind that left."""
    return [one for one in company.transport.requests if one.method == method and path in one.url.path]


@pytest.fixture
def persons_too(company: Company) -> Company:
    """Accounts and their contacts; loose contacts stay where they are."""
    company.choose(modules="accounts_and_contacts", duplicates="link")
    return company


# ---------------------------------------------------------------------------------------------------------- persons


async def test_persons_travel_inside_their_customer_s_create(persons_too: Company) -> None:
    company = persons_too
    crm = seed_account(company)
    for last in ("Sato", "Suzuki", "Ito"):
        seed_contact(company, last, crm, Email=f"{last.lower()}@aoyama.jp")
    await company.sync()
    (books,) = company.books()
    assert sorted(persons(company, books)) == ["Ito", "Sato", "Suzuki"]
    assert not sent(company, "POST", "contactpersons") and len(sent(company, "PUT", "/contacts")) == 1
    assert {company.outcome(contact(one)) for one in company.crm("Contacts")} == {("created", "with_customer")}
    await company.quiet()
    await company.quiet(full=False)


async def test_a_contact_added_later_becomes_a_person_by_a_call_of_its_own(persons_too: Company) -> None:
    company = persons_too
    crm = seed_account(company)
    seed_contact(company, "Sato", crm)
    await company.sync()
    (books,) = company.books()
    company.world.clock.advance(600)
    late = seed_contact(company, "Mori", crm, Email="mori@aoyama.jp")
    company.transport.requests.clear()
    await company.sync(full=False)
    assert sorted(persons(company, books)) == ["Mori", "Sato"]
    assert not sent(company, "PUT", f"/contacts/{books}"), "a PUT of the customer would drop persons left out"
    assert company.outcome(contact(late)) == ("created", "new_in_crm")
    assert company.crm("Contacts")[late]["renkei_books_id"] in {
        one["contact_person_id"] for one in company.books()[books]["contact_persons"]
    }
    await company.quiet()
    await company.quiet(full=False)


async def test_an_edit_of_a_contact_reaches_its_person_and_the_others_stay(persons_too: Company) -> None:
    company = persons_too
    crm = seed_account(company)
    sato = seed_contact(company, "Sato", crm)
    seed_contact(company, "Suzuki", crm)
    await company.sync()
    (books,) = company.books()
    company.edit_crm("Contacts", sato, Title="Director")
    await company.sync(full=False)
    titles = {one["last_name"]: one.get("designation") for one in company.books()[books]["contact_persons"]}
    assert titles["Sato"] == "Director" and set(titles) == {"Sato", "Suzuki"}
    assert company.outcome(contact(sato)) == ("updated", "edited_in_crm")
    await company.quiet()
    await company.quiet(full=False)
    company.edit_crm("Contacts", sato, Title="President")
    await company.sync(full=False)
    titles = {one["last_name"]: one.get("designation") for one in company.books()[books]["contact_persons"]}
    assert titles["Sato"] == "President" and not company.ledger.open_holds("demo")


async def test_persons_of_a_books_customer_come_to_the_crm_with_it(persons_too: Company) -> None:
    company = persons_too
    people = [{"last_name": "Abe", "email": "abe@kita.jp", "is_primary_contact": True}, {"last_name": "Kato"}]
    seed_customer(company, "Kita", contact_persons=people)
    await company.sync()
    (crm,) = company.crm()
    assert {(one["Last_Name"], one["Account_Name"]["id"]) for one in company.crm("Contacts").values()} == {
        ("Abe", crm),
        ("Kato", crm),
    }
    await company.quiet()
    await company.quiet(full=False)


async def test_an_edit_of_a_person_in_books_comes_back_to_its_contact(persons_too: Company) -> None:
    company = persons_too
    crm = seed_account(company)
    sato = seed_contact(company, "Sato", crm)
    await company.sync()
    (books,) = company.books()
    (one,) = company.books()[books]["contact_persons"]
    company.edit_books("contacts", books, contact_persons=[{**one, "department": "Sales"}, {"last_name": "Abe"}])
    await company.sync(full=False)
    assert company.crm("Contacts")[sato]["Department"] == "Sales"
    assert sorted(one["Last_Name"] for one in company.crm("Contacts").values()) == ["Abe", "Sato"]
    await company.quiet()
    await company.quiet(full=False)


async def test_to_books_brings_no_person_to_the_crm(persons_too: Company) -> None:
    company = persons_too
    company.choose(direction="to_books")
    crm = seed_account(company)
    seed_contact(company, "Sato", crm)
    await company.sync()
    (books,) = company.books()
    (one,) = company.books()[books]["contact_persons"]
    company.edit_books("contacts", books, contact_persons=[one, {"last_name": "Abe"}])
    await company.quiet(full=False)
    (abe,) = [one["contact_person_id"] for one in company.books()[books]["contact_persons"] if one["last_name"] == "Abe"]
    assert company.outcome(person(abe)) == ("skipped", "direction") and len(company.crm("Contacts")) == 1


async def test_persons_of_two_sides_meet_within_their_customer_only(persons_too: Company) -> None:
    company = persons_too
    one, two = seed_account(company, "Kita"), seed_account(company, "Minami")
    for holder in (one, two):
        seed_contact(company, "Sato", holder)
    for name in ("Kita", "Minami"):
        seed_customer(company, name, contact_persons=[{"last_name": "Sato", "first_name": "Yuki", "is_primary_contact": True}])
    await company.sync()
    assert len(company.crm("Contacts")) == 2 and all(len(persons(company, record)) == 1 for record in company.books())
    await company.quiet()


# --------------------------------------------------------------------------------------- which modules meet customers


async def test_in_contacts_mode_a_contact_is_an_individual_customer_and_businesses_stay(company: Company) -> None:
    company.choose(modules="contacts", duplicates="link")
    crm = seed_contact(company, "Sato", Email="sato@home.jp", Mailing_City="Osaka")
    mori = seed_individual(company, "Mori")
    kita = seed_customer(company, "Kita")
    await company.sync()
    mine = company.books()[company.crm("Contacts")[crm]["renkei_books_id"]]
    assert mine["customer_sub_type"] == "individual" and persons(company, mine["contact_id"]) == ["Sato"]
    assert mine["billing_address"]["city"] == "Osaka"
    assert sorted(one["Last_Name"] for one in company.crm("Contacts").values()) == ["Mori", "Sato"]
    assert company.outcome(customer(kita)) == ("skipped", "module_not_synced")
    assert company.outcome(customer(mori)) == ("created", "new_in_books")
    await company.quiet()
    await company.quiet(full=False)
    for email in ("yuki@home.jp", "sato@work.jp"):
        company.edit_crm("Contacts", crm, Email=email)
        await company.sync(full=False)
        (primary,) = company.books()[mine["contact_id"]]["contact_persons"]
        assert primary["email"] == email
        await company.quiet()
    company.edit_books("contacts", mine["contact_id"], contact_persons=[{**primary, "email": "back@home.jp"}])
    await company.sync(full=False)
    assert company.crm("Contacts")[crm]["Email"] == "back@home.jp" and not company.ledger.open_holds("demo")
    await company.quiet()


@pytest.mark.parametrize("loose", [False, True], ids=["without", "with"])
async def test_contacts_without_an_account_are_customers_only_where_they_are_included(persons_too: Company, loose: bool) -> None:
    company = persons_too
    company.choose(include_contacts_without_account=loose)
    crm, mori = seed_contact(company, "Sato"), seed_individual(company, "Mori")
    await company.sync()
    if loose:
        assert company.outcome(contact(crm)) == ("created", "new_in_crm")
        assert company.outcome(customer(mori)) == ("created", "new_in_books")
        assert len(company.crm("Contacts")) == len(company.books()) == 2
    else:
        assert company.outcome(contact(crm)) == ("skipped", "no_account")
        assert company.outcome(customer(mori)) == ("skipped", "module_not_synced")
        assert len(company.crm("Contacts")) == len(company.books()) == 1
    await company.quiet()


@pytest.mark.parametrize("choice", ["keep", "unlink"])
async def test_a_loose_contact_that_gets_an_account_keeps_its_customer_until_a_person_decides(
    persons_too: Company, choice: str
) -> None:
    company = persons_too
    company.choose(include_contacts_without_account=True)
    crm, loose = seed_account(company), seed_contact(company, "Sato")
    await company.sync()
    own = company.crm("Contacts")[loose]["renkei_books_id"]
    company.edit_crm("Contacts", loose, Account_Name={"id": crm}, Email="sato@aoyama.jp")
    await company.quiet()
    (hold,) = company.ledger.open_holds("demo")
    assert (hold.question, hold.record, hold.choices) == ("moved_account", contact(loose), ("keep", "unlink"))
    company.decide(hold.id, choice)
    for _ in range(3):
        await company.sync(full=False)
    (primary,) = company.books()[own]["contact_persons"]
    business = company.crm()[crm]["renkei_books_id"]
    if choice == "keep":
        assert primary["email"] == "sato@aoyama.jp" and persons(company, business) == []
    else:
        assert not primary["email"] and persons(company, business) == ["Sato"]
        assert company.outcome(customer(own)) in {("removed", "unlink"), ("skipped", "unlinked")}
    assert not company.ledger.open_holds("demo") and not company.ledger.decisions("demo")
    await company.quiet()


@pytest.mark.parametrize("choice", ["keep", "unlink"])
async def test_a_person_whose_account_changed_stays_with_the_customer_until_a_person_decides(
    persons_too: Company, choice: str
) -> None:
    company = persons_too
    old, new = seed_account(company, "Kita"), seed_account(company, "Minami")
    sato = seed_contact(company, "Sato", old)
    await company.sync()
    company.edit_crm("Contacts", sato, Account_Name={"id": new}, Title="Director")
    await company.quiet(full=False)
    (hold,) = company.ledger.open_holds("demo")
    assert hold.question == "moved_account"
    company.decide(hold.id, choice)
    for _ in range(3):
        await company.sync(full=False)
    kita, minami = (company.crm()[one]["renkei_books_id"] for one in (old, new))
    assert persons(company, kita) == ["Sato"], "nothing is deleted"
    assert persons(company, minami) == ([] if choice == "keep" else ["Sato"])
    titles = [one.get("designation") or "" for one in company.books()[kita]["contact_persons"]]
    assert titles == (["Director"] if choice == "keep" else [""])
    assert not company.ledger.open_holds("demo")
    await company.quiet()


# ------------------------------------------------------------------------------------------------------------ names


async def test_a_label_that_books_has_already_takes_the_last_digits_of_the_crm_id(company: Company) -> None:
    company.choose(duplicates="ask")
    seed_customer(company, "Another", contact_name=NAME, company_name="A firm of another name")
    crm = seed_account(company)
    await company.sync()
    made = company.books()[company.crm()[crm]["renkei_books_id"]]
    assert (made["company_name"], made["contact_name"]) == (NAME, f"{NAME} ({crm[-6:]})")
    await company.quiet()
    company.edit_crm("Accounts", crm, Account_Name="Aoyama Print")
    await company.sync(full=False)
    made = company.books()[made["contact_id"]]
    assert (made["company_name"], made["contact_name"]) == ("Aoyama Print", f"Aoyama Print ({crm[-6:]})"), "suffix kept"
    await company.quiet()


@pytest.mark.parametrize(("label", "after"), [(NAME, "Aoyama Print"), ("VIP 12", "VIP 12")])
async def test_a_rename_moves_the_label_only_while_it_equals_the_old_name(company: Company, label: str, after: str) -> None:
    crm, books = seed_account(company), seed_customer(company, NAME, contact_name=label)
    await company.sync()
    assert company.crm()[crm]["renkei_books_id"] == books
    company.edit_crm("Accounts", crm, Account_Name="Aoyama Print")
    await company.sync(full=False)
    assert (company.books()[books]["company_name"], company.books()[books]["contact_name"]) == ("Aoyama Print", after)
    await company.quiet()


async def test_the_label_is_the_name_only_where_there_is_no_company_name(company: Company) -> None:
    seed_customer(company, "Kita", company_name="")
    seed_customer(company, "Shown in Books", company_name="Minami")
    await company.sync()
    assert sorted(one["Account_Name"] for one in company.crm().values()) == ["Kita", "Minami"]
    await company.quiet()


# ------------------------------------------------------------------------------------------------ set aside and skip


async def test_a_newcomer_of_the_name_of_a_record_set_aside_is_created(company: Company) -> None:
    company.choose(duplicates="clone")
    seed_account(company)
    passed_over = seed_customer(company)
    await company.sync()
    company.world.clock.advance(600)
    late = seed_account(company)
    await company.sync(full=False)
    assert company.outcome(account(late)) == ("created", "new_in_crm")
    assert company.outcome(customer(passed_over)) == ("skipped", "set_aside")
    assert len(company.books()) == 3 and len(company.crm()) == 2
    await company.quiet()


async def test_the_copy_of_a_conflict_is_set_aside_and_made_once(company: Company) -> None:
    company.choose(conflicts="clone")
    crm, books = seed_account(company, Website="https://old.jp"), seed_customer(company, website="https://old.jp")
    await company.sync()
    company.edit_crm("Accounts", crm, Website="https://crm.jp")
    company.edit_books("contacts", books, website="https://books.jp")
    await company.sync(full=False)
    (copy,) = company.books().keys() - {books}
    assert company.books()[copy]["website"] == "https://books.jp" and company.books()[copy]["company_name"] == NAME
    assert company.books()[copy]["contact_name"].startswith(f"{NAME} (")
    await company.quiet()
    assert company.outcome(customer(copy)) == ("skipped", "conflicts_clone")
    company.edit_books("contacts", copy, website="https://again.jp")
    await company.quiet(full=False)
    assert len(company.books()) == 2 and len(company.crm()) == 1


@pytest.mark.parametrize("changed", ["crm", "books", "rules"])
async def test_a_skipped_duplicate_is_looked_at_again_only_when_either_side_or_the_rules_change(
    company: Company, changed: str
) -> None:
    company.choose(duplicates="skip")
    crm, books = seed_account(company), seed_customer(company)
    await company.quiet()
    await company.quiet()
    if changed == "rules":
        company.choose(duplicates="link")
    elif changed == "crm":
        company.edit_crm("Accounts", crm, Account_Name="Sapporo Breweries")
    else:
        company.edit_books("contacts", books, company_name="Sapporo Breweries", contact_name="Sapporo Breweries")
    await company.sync(full=changed == "books")
    if changed == "rules":
        assert company.crm()[crm]["renkei_books_id"] == books
    elif changed == "crm":
        assert company.outcome(account(crm)) == ("created", "new_in_crm")
    else:
        assert company.outcome(customer(books)) == ("created", "new_in_books")


async def test_a_record_skipped_for_a_duplicate_that_is_gone_is_created(company: Company) -> None:
    company.choose(duplicates="skip")
    crm, books = seed_account(company), seed_customer(company)
    seed_customer(company, "Sapporo Breweries")
    await company.sync()
    company.world.clock.advance(600)
    company.world.books.delete("contacts", books)
    await company.sync()
    assert company.outcome(account(crm)) == ("created", "new_in_crm")
    await company.quiet()


# ------------------------------------------------------------------------------------------------------------ views


def of_industry(company: Company, industry: str) -> dict[str, Any]:
    return {"field": {"api_name": "Industry"}, "comparator": "equal", "value": industry}


@pytest.fixture
def viewed(company: Company) -> Company:
    """A view `Printers` of accounts whose industry is Printing."""
    company.world.crm.add_view("Accounts", "Printers", of_industry(company, "Printing"))
    company.choose(views=(("Accounts", "Printers"),))
    return company


async def test_a_record_out_of_the_view_is_matched_but_never_written(viewed: Company) -> None:
    company = viewed
    inside = seed_account(company, "Kita", Industry="Printing")
    outside, partner = seed_account(company, Industry="Food"), seed_customer(company)
    other = seed_account(company, "Sapporo Breweries", Industry="Food")
    await company.sync()
    assert company.outcome(account(outside)) == company.outcome(customer(partner)) == ("skipped", "out_of_view")
    assert company.outcome(account(other)) == ("skipped", "out_of_view")
    assert company.outcome(account(inside)) == ("created", "new_in_crm")
    assert len(company.crm()) == 3 and len(company.books()) == 2, "the partner is not created again"
    await company.quiet()
    await company.quiet(full=False)


@pytest.mark.parametrize("full", [True, False], ids=["nightly", "hourly"])
async def test_a_record_that_leaves_the_view_stops_and_goes_on_when_it_comes_back(viewed: Company, full: bool) -> None:
    company = viewed
    crm = seed_account(company, Industry="Printing", Website="https://old.jp")
    seed_account(company, "Kita", Industry="Printing")
    await company.sync()
    books = company.crm()[crm]["renkei_books_id"]
    company.edit_crm("Accounts", crm, Industry="Food", Website="https://new.jp")
    await company.quiet(full=full)
    assert company.outcome(account(crm)) == ("skipped", "out_of_view")
    assert company.ledger.link_of("demo", account(crm)) is not None
    company.edit_books("contacts", books, notes="called them")
    await company.quiet(full=full)
    assert company.outcome(customer(books)) == ("skipped", "out_of_view")
    company.edit_crm("Accounts", crm, Industry="Printing")
    await company.sync(full=full)
    assert company.books()[books]["website"] == "https://new.jp", "what was edited meanwhile is caught up with"
    await company.quiet()


async def test_a_record_leaves_and_enters_the_view_by_the_view_s_own_criteria(viewed: Company) -> None:
    company = viewed
    crm, kept = seed_account(company, Industry="Food"), seed_account(company, "Kita", Industry="Printing")
    await company.sync()
    assert company.outcome(account(crm)) == ("skipped", "out_of_view") and len(company.books()) == 1
    (view,) = [one for one in company.world.crm.tables["Accounts"].views.values() if one.name == "Printers"]
    view.criteria = of_industry(company, "Food")
    await company.sync()
    assert company.outcome(account(crm)) == ("created", "new_in_crm") and company.outcome(account(kept)) == (
        "skipped",
        "out_of_view",
    )
    await company.quiet()
    view.criteria = of_industry(company, "Printing")
    await company.quiet()
    assert company.outcome(account(crm)) == ("skipped", "out_of_view")
    company.edit_crm("Accounts", kept, Website="https://new.jp")
    await company.sync(full=False)
    assert company.books()[company.crm()[kept]["renkei_books_id"]]["website"] == "https://new.jp"


async def test_an_account_made_out_of_the_view_while_a_run_writes_is_not_taken_in(viewed: Company) -> None:
    company = viewed
    seed_account(company, "Kita", Industry="Printing")
    made: list[str] = []
    company.between = lambda: made.append(seed_account(company, "Sapporo Breweries", Industry="Food"))
    await company.sync()
    company.between = lambda: None
    await company.quiet(full=False)
    assert company.outcome(account(made[0])) == ("skipped", "out_of_view") and len(company.books()) == 1


async def test_several_customers_of_an_account_out_of_the_view_are_no_question(viewed: Company) -> None:
    company = viewed
    seed_account(company, Industry="Food")
    seed_account(company, "Kita", Industry="Printing")
    twins = [seed_customer(company, NAME, contact_name=f"{NAME} {n}") for n in (1, 2)]
    await company.sync()
    assert {company.outcome(customer(one)) for one in twins} == {("skipped", "out_of_view")}
    assert not company.ledger.open_holds("demo") and len(company.crm()) == 2


async def test_persons_of_an_account_out_of_the_view_are_not_written(viewed: Company) -> None:
    company = viewed
    company.choose(modules="accounts_and_contacts", duplicates="link")
    crm = seed_account(company, Industry="Printing")
    seed_account(company, "Kita", Industry="Printing")
    sato = seed_contact(company, "Sato", crm)
    await company.sync()
    books = company.crm()[crm]["renkei_books_id"]
    company.edit_crm("Accounts", crm, Industry="Food")
    company.edit_crm("Contacts", sato, Title="Director")
    mori = seed_contact(company, "Mori", crm)
    await company.quiet(full=False)
    assert {company.outcome(contact(one)) for one in (sato, mori)} == {("skipped", "customer_out_of_view")}
    assert persons(company, books) == ["Sato"]
    await company.quiet()


async def test_persons_of_an_account_out_of_the_view_are_matched_but_not_linked(viewed: Company) -> None:
    company = viewed
    company.choose(modules="accounts_and_contacts", duplicates="link", direction="to_books")
    crm = seed_account(company, Industry="Printing")
    seed_account(company, "Kita", Industry="Printing")
    seed_customer(company, NAME, contact_persons=[{"last_name": "Mori", "first_name": "Yuki", "is_primary_contact": True}])
    await company.sync()
    books = company.crm()[crm]["renkei_books_id"]
    (one,) = company.books()[books]["contact_persons"]
    assert company.outcome(person(one["contact_person_id"])) == ("skipped", "direction")
    company.edit_crm("Accounts", crm, Industry="Food")
    mori = seed_contact(company, "Mori", crm, Title="Director")
    await company.quiet(full=False)
    assert company.outcome(contact(mori)) == ("skipped", "customer_out_of_view")
    assert (
        company.ledger.link_of("demo", contact(mori)) is None and not company.books()[books]["contact_persons"][0]["designation"]
    )


# ---------------------------------------------------------------------------------------------- quarantine and echoes


async def test_the_partner_of_a_quarantined_row_is_blocked_whether_linked_or_met(company: Company) -> None:
    met, candidate = seed_account(company, "Kita", Website="https://kita.jp"), seed_customer(company, "Kita")
    crm, books = seed_account(company), seed_customer(company)
    company.judge.refused |= {met, str(account(met))}
    await company.sync()
    assert company.outcome(account(met)) == ("quarantined", "a rule")
    assert company.outcome(customer(candidate)) == ("blocked", "partner_quarantined") and len(company.crm()) == 2
    company.edit_crm("Accounts", crm, Website="https://new.jp")
    company.edit_books("contacts", books, website="https://other.jp")
    company.judge.refused |= {crm, str(account(crm))}
    await company.quiet(full=False)
    assert company.outcome(customer(books)) == ("blocked", "partner_quarantined")
    company.judge.refused.clear()
    await company.sync(full=False)
    assert company.crm()[met]["renkei_books_id"] == candidate
    assert company.books()[candidate]["website"] == "https://kita.jp"
    assert not company.ledger.quarantine("demo")


async def test_a_foreign_edit_in_the_second_of_our_own_write_is_not_taken_for_its_echo(company: Company) -> None:
    crm, books = seed_account(company, Website="https://old.jp"), seed_customer(company, website="https://old.jp")
    await company.sync()
    company.edit_books("contacts", books, website="https://books.jp")

    def somebody_edits(request: httpx.Request) -> None:
        if request.method == "PUT" and request.url.path.endswith("/Accounts"):
            edited.append(request.url.path)
        elif edited and request.url.path.endswith("/coql") and len(edited) == 1:
            edited.append("phone")
            company.world.crm.edit("Accounts", crm, Phone="03-1234-5678")

    edited: list[str] = []
    company.transport.before = somebody_edits
    await company.sync(full=False)
    company.transport.before = lambda request: None
    assert len(edited) == 2 and company.crm()[crm]["Website"] == "https://books.jp"
    await company.sync(full=False)
    assert company.books()[books]["billing_address"]["phone"] == "03-1234-5678"
    await company.quiet()
