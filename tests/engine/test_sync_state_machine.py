"""People work on both sides, the network fails, the process dies anywhere; in the end both sides agree and nothing is double.

Hypothesis draws the settings and the steps, the same 110 lives each time; `RENKEI_EXAMPLES=500` draws 500 others for each
test. A failure prints the steps that led to it as a program. Accounts, contacts or both: a test for each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from simulation import SimulatedCompany

from renkei.core.errors import Bug, RenkeiError
from renkei.core.mapping import Lookups, get_path, map_record
from renkei.core.planning import blank, field_same
from renkei.core.records import Hold, Link
from renkei.core.values import MISSING, Ref, Side
from renkei.engine.sequence import Report
from renkei.engine.work import account_of, is_business, mapping_for, mappings_of
from renkei.sandbox.books.errors import BooksError

pytestmark = pytest.mark.timeout(1800)  # some forty seconds each on a core of their own, several times that on a busy one
PARTIES = ("Aozora Bank", "Fujimori Foods", "Yamato Steel", "Kitano Dental", "Ueda Optics", "Minato Cargo")
PEOPLE = (("Sato", "Hana"), ("Mori", "Ken"), ("Okada", "Yui"), ("Noguchi", "Jun"))
WARES = ("Anvil", "Bellows", "Crucible", "Drill")
# What people edit, by mapping: canonical fields. Their paths on both sides are those of the mapping.
EDITED = {
    "accounts": ("name", "phone", "website", "billing_city", "notes"),
    "contacts": ("last_name", "email", "mobile", "billing_city"),
    "persons": ("last_name", "email", "title"),
    "products": ("name", "sku", "unit_price", "description", "active"),
}
FAULTS = (
    "429", "500", "500-after-commit", "timeout-before", "timeout-after-commit", "token-expired", "page-shift",
    "reset-connection", "truncated-body",
)  # fmt: skip
PLACES = (
    "@crm", "@books", "@crm:POST/Accounts", "@crm:PUT", "@crm:POST/Contacts", "@crm:POST/Products", "@crm/coql", "@books:PUT",
    "@books:PUT/contacts", "@books:POST/contactpersons", "@books:PUT/items", "@books:GET/contacts",
)  # fmt: skip
WIDER = os.environ.get("RENKEI_EXAMPLES", "")
number = st.integers(0, 11)
entry = st.tuples(st.sampled_from(("company", "person", "ware")), number, st.sampled_from(("crm", "books", "both")), number)
trouble = st.tuples(st.sampled_from(FAULTS), st.sampled_from(PLACES), st.integers(1, 3))


class Companies(RuleBasedStateMachine):
    """One company's life. `hands` are the records that people made; `touched` what they wrote: (record, field)."""

    modules = "accounts"
    loose = False

    def __init__(self) -> None:
        super().__init__()
        self.company = SimulatedCompany()
        self.hands: set[Ref] = set()
        self.touched: set[tuple[Ref, str]] = set()
        self.cleared: set[tuple[Ref, str]] = set()
        self.written = 0
        self.company.entities = ("customers", "products")
        self.world = self.company.world
        self.ledger, self.name = self.company.ledger, self.company.spec.name

    @initialize(
        duplicates=st.sampled_from(("overwrite", "link", "clone", "skip", "ask")),
        conflicts=st.sampled_from(("overwrite", "books", "newest", "clone", "skip", "ask")),
        direction=st.sampled_from(("two_way", "two_way", "to_books")),
        deletes=st.sampled_from(("ignore", "ask", "unlink", "deactivate", "delete", "recreate")),
        entries=st.lists(entry, min_size=2, max_size=6),
        synced=st.booleans(),
    )
    def settle(
        self,
        duplicates: str,
        conflicts: str,
        direction: str,
        deletes: str,
        entries: list[tuple[str, int, str, int]],
        synced: bool,
    ) -> None:
        words = {"duplicates": duplicates, "conflicts": conflicts, "direction": direction, "deletes": deletes}
        self.company.choose(modules=self.modules, include_contacts_without_account=self.loose, **words)
        self.company.choose("products", **words)
        for one in entries:
            self.someone_enters(one)
        if synced:
            self.run(full=True)

    # ---------------------------------------------------------------------------------------------- what people see

    def mapping(self, ref: Ref) -> str:
        """Which mapping a record follows here, or ""."""
        spec = self.company.spec
        found = mapping_for(spec, ref, self.raw(ref))[0]
        return found if found in (*mappings_of(spec, "customers"), "products") else ""

    def raw(self, ref: Ref) -> dict[str, Any]:
        if ref.side == "crm":
            return self.world.crm.records(ref.module)[ref.id]
        if ref.module == "contact_persons":
            return next(person for _, person in self.persons() if person["contact_person_id"] == ref.id)
        return self.world.books.detail(ref.module, ref.id)

    def persons(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for contact, record in self.world.books.records("contacts").items():
            for person in record["contact_persons"]:
                yield contact, {**person, "contact_id": contact}

    def there(self, *sides: Side) -> list[Ref]:
        """Every record that stands on these sides, in the order of its making."""
        found: list[Ref] = []
        if "crm" in sides:
            for module in ("Accounts", "Contacts", "Products"):
                found += [Ref("crm", module, one) for one in self.world.crm.records(module)]
        if "books" in sides:
            for module in ("contacts", "items"):
                found += [Ref("books", module, one) for one in self.world.books.records(module)]
            if self.company.spec.customers.modules == "accounts_and_contacts":
                found += [
                    Ref("books", "contact_persons", person["contact_person_id"])
                    for contact, person in self.persons()
                    if is_business(self.world.books.records("contacts")[contact])
                ]
        return sorted(found)

    def in_scope(self, *sides: Side) -> list[Ref]:
        return [ref for ref in self.there(*sides) if self.mapping(ref)]

    def tick(self) -> None:
        self.world.clock.advance(1)

    def made(self, ref: Ref, **fields: Any) -> Ref:
        self.hands.add(ref)
        mapping = self.mapping(ref)
        if mapping:
            spec = self.company.project.mappings_of(self.company.spec)[mapping]
            self.touched |= {
                (ref, item.name) for item in spec.fields if not blank(get_path(self.raw(ref), item.path(ref.side) or "-"))
            }
        self.tick()
        return ref

    def free(self, kind: str, key: str, value: str) -> bool:
        """Nobody in Books is called so: the vendor would refuse it."""
        return all(one[key] != value for one in self.world.books.records(kind).values())

    # ------------------------------------------------------------------------------------------------ what people do

    @rule(what=entry)
    def someone_enters(self, what: tuple[str, int, str, int]) -> None:
        kind, which, where, more = what
        if kind == "company":
            self.enter_company(which % len(PARTIES), where, rich=more % 2 == 1)
        elif kind == "person":
            self.enter_person(which % len(PEOPLE), where, more)
        else:
            self.enter_ware(which % len(WARES), where, more or None)

    def enter_company(self, party: int, where: str, *, rich: bool) -> None:
        self.tick()
        name, phone = PARTIES[party], f"03-1234-567{party}"
        if where != "books":
            self.made(Ref("crm", "Accounts", self.company.seed_crm("Accounts", Account_Name=name, Phone=phone)))
        if where != "crm" and self.free("contacts", "contact_name", name):
            more = {"billing_address": {"phone": phone, "city": "Osaka"}, "website": "https://b.example"} if rich else {}
            made = self.company.seed_books("contacts", contact_name=name, company_name=name, **more)
            self.made(Ref("books", "contacts", made))

    def enter_person(self, who: int, where: str, employer: int) -> None:
        """A contact of an account, a person of a customer; or, where contacts are customers, without either."""
        self.tick()
        last, first = PEOPLE[who]
        email = f"{last}.{first}@example.jp".lower()
        companies = self.company.spec.customers.modules != "contacts"
        accounts, customers = list(self.company.crm()), self.businesses()
        if where != "books":
            holder = (
                {"Account_Name": {"id": accounts[employer % len(accounts)]}} if companies and accounts and employer < 10 else {}
            )
            made = self.company.seed_crm("Contacts", Last_Name=last, First_Name=first, Email=email, **holder)
            self.made(Ref("crm", "Contacts", made))
        if where == "crm":
            return
        person = {"first_name": first, "last_name": last, "email": email}
        if companies and customers and employer < 10:
            customer = customers[employer % len(customers)]
            before = list(self.world.books.records("contacts")[customer]["contact_persons"])
            self.world.books.edit("contacts", customer, contact_persons=[*before, person])
            known = {one["contact_person_id"] for one in before}
            for one in self.world.books.records("contacts")[customer]["contact_persons"]:
                if one["contact_person_id"] not in known:
                    self.made(Ref("books", "contact_persons", one["contact_person_id"]))
        elif self.free("contacts", "contact_name", f"{first} {last}"):
            made = self.company.seed_books(
                "contacts", contact_name=f"{first} {last}", customer_sub_type="individual", contact_persons=[person]
            )
            self.made(Ref("books", "contacts", made))

    def businesses(self) -> list[str]:
        return [one for one, row in self.world.books.records("contacts").items() if row["customer_sub_type"] == "business"]

    def enter_ware(self, ware: int, where: str, price: int | None) -> None:
        self.tick()
        name, sku = WARES[ware], f"W-{ware}"
        if where != "books" and all(one.get("Product_Code") != sku for one in self.company.crm("Products").values()):
            made = self.company.seed_crm("Products", Product_Name=name, Product_Code=sku, Unit_Price=price, Product_Active=True)
            self.made(Ref("crm", "Products", made))
        if where != "crm" and self.free("items", "sku", sku):
            self.made(Ref("books", "items", self.company.seed_books("items", name=name, sku=sku, rate=price or 0)))

    @precondition(lambda self: self.in_scope("crm", "books"))
    @rule(which=number, what=number, empty=st.sampled_from((False, False, False, True)))
    def someone_edits(self, which: int, what: int, empty: bool) -> None:
        self.edit_one(which, what, empty=empty)

    def edit_one(self, which: int, what: int, *, empty: bool = False) -> None:
        found = self.in_scope("crm", "books")
        if found:
            self.edit(found[which % len(found)], what, self.fresh(), empty=empty)

    @precondition(lambda self: self.pairs())
    @rule(which=number, left=number, right=number, alike=st.booleans())
    def both_sides_edit(self, which: int, left: int, right: int, alike: bool) -> None:
        found = self.pairs()
        link, one = found[which % len(found)], self.fresh()
        self.edit(link.crm, left, one)
        self.edit(link.books, right, one if alike else self.fresh())

    def pairs(self) -> list[Link]:
        """Links both of whose records stand."""
        there = set(self.there("crm", "books"))
        return [link for link in self.links() if link.crm in there and link.books in there and self.mapping(link.crm)]

    def links(self) -> list[Link]:
        return [link for link in self.ledger.all_links(self.name) if link.state == "live"]

    def fresh(self) -> int:
        self.written += 1
        return self.written

    def edit(self, ref: Ref, what: int, value: int, *, empty: bool = False) -> None:
        """A person writes a new value into one mapped field, or empties it."""
        self.tick()
        mapping = self.mapping(ref)
        name = EDITED[mapping][what % len(EDITED[mapping])]
        item = self.company.project.mappings_of(self.company.spec)[mapping].field(name)
        new: Any = {
            "name": f"{PARTIES[value % 6]} {value}", "phone": f"03-5555-{value:04}", "website": f"https://w{value}.example",
            "email": f"e{value}@example.jp", "mobile": f"090-5555-{value:04}", "unit_price": value,
            "active": bool(value % 2), "sku": f"S-{value}",
        }.get(name, f"{name} {value}")  # fmt: skip
        if mapping == "products" and name == "name":
            new = f"Ware {value}"
        if empty and not item.required and name not in ("active", "sku", "unit_price"):
            new = ""
            self.cleared.add((ref, name))
        try:
            if ref.side == "crm":
                self.world.crm.edit(ref.module, ref.id, **{str(item.crm): None if new == "" else new})
            else:
                self.edit_books(ref, str(item.books), new)
        except BooksError:
            return  # as the person was told
        self.touched.add((ref, name))
        self.tick()

    def edit_books(self, ref: Ref, path: str, new: Any) -> None:
        books = self.world.books
        if path == "status":
            books.set_active(ref.module, ref.id, bool(new))
        elif ref.module == "contact_persons" or path.startswith("primary_person."):
            customer = ref.id if ref.module == "contacts" else self.raw(ref)["contact_id"]
            key = path.removeprefix("primary_person.")
            persons = books.records("contacts")[customer]["contact_persons"]
            chosen = ref.id if ref.module == "contact_persons" else next((one["contact_person_id"] for one in persons), "")
            changed = [{**one, key: new} if one["contact_person_id"] == chosen else one for one in persons]
            books.edit("contacts", customer, contact_persons=changed)
        elif "." in path:
            holder, key = path.split(".")
            books.edit(ref.module, ref.id, **{holder: {**books.records(ref.module)[ref.id][holder], key: new}})
        else:
            books.edit(ref.module, ref.id, **{path: new})

    @precondition(lambda self: self.there("crm", "books"))
    @rule(which=number)
    def someone_deletes(self, which: int) -> None:
        self.tick()
        found = self.there("crm", "books")
        ref = found[which % len(found)]
        if ref.side == "crm":
            self.world.crm.delete(ref.module, ref.id)
        elif ref.module == "contact_persons":
            customer = self.raw(ref)["contact_id"]
            persons = self.world.books.records("contacts")[customer]["contact_persons"]
            rest = [one for one in persons if one["contact_person_id"] != ref.id]
            self.world.books.edit("contacts", customer, contact_persons=rest)
        else:
            self.world.books.delete(ref.module, ref.id)
        self.tick()

    @precondition(lambda self: len(self.company.crm()) > 1)
    @rule(which=number, other=number)
    def someone_merges_accounts(self, which: int, other: int) -> None:
        self.tick()
        found = sorted(self.company.crm())
        stays, goes = found[which % len(found)], found[other % len(found)]
        if stays != goes:
            self.world.crm.merge("Accounts", stays, goes)
            self.touched |= {(Ref("crm", "Accounts", stays), name) for name in EDITED["accounts"]}
        self.tick()

    @precondition(lambda self: self.binned())
    @rule(which=number)
    def someone_takes_it_back_from_the_bin(self, which: int) -> None:
        self.tick()
        found = self.binned()
        self.world.crm.restore(*found[which % len(found)])
        self.tick()

    def binned(self) -> list[tuple[str, str]]:
        tables = self.world.crm.tables
        return sorted((module, one) for module in ("Accounts", "Contacts", "Products") for one in tables[module].deleted)

    @precondition(lambda self: self.ledger.open_holds(self.name))
    @rule(which=number, choice=number)
    def someone_answers(self, which: int, choice: int) -> None:
        found = self.ledger.open_holds(self.name)
        hold = found[which % len(found)]
        self.company.decide(hold.id, hold.choices[choice % len(hold.choices)])

    @rule(minutes=st.sampled_from((1, 4, 20, 70, 1500)))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.advance(60 * minutes)

    # ------------------------------------------------------------------------------------------------- trouble, runs

    @rule(
        kind=st.sampled_from(("nightly", "hourly", "hourly", "plan")),
        troubles=st.lists(trouble, max_size=2),
        words=st.none() | st.integers(1, 500),
        meanwhile=st.lists(st.tuples(st.integers(1, 40), number, number), max_size=2),
    )
    def a_run(
        self, kind: str, troubles: list[tuple[str, str, int]], words: int | None, meanwhile: list[tuple[int, int, int]]
    ) -> None:
        """The network may fail in it, people may edit while it is at work, and its process may die anywhere."""
        for fault, at, times in troubles:
            self.world.faults.add(f"{fault}{at}*{times}")
        for request, which, what in meanwhile:
            self.company.meanwhile[request] = partial(self.edit_one, which, what)
        before = self.sides()
        self.run(full=kind == "nightly", plan_only=kind == "plan", words=words)
        assert kind != "plan" or meanwhile or self.sides() == before

    def sides(self) -> Any:
        """Both sides as they stand, to compare; stamps included."""
        return {str(ref): repr(self.raw(ref)) for ref in self.there("crm", "books")}

    def run(self, **asked: Any) -> Report | None:
        troubled = bool(self.world.faults.orders)
        try:
            report = self.company.run(release=("side_empty",), **asked)
        except RenkeiError as error:
            if isinstance(error, Bug) or not troubled:
                raise
            self.world.clock.advance(660)  # until the pause of a side that fell silent has ended
            return None
        finally:
            self.world.faults.clear()
            self.tick()
        if report is None or report.left_alone:
            self.world.clock.advance(660)  # until the dead run's lock, or such a pause, has ended
        if report is None:
            return None
        if not troubled and not asked.get("plan_only"):
            assert report.status in ("green", "amber"), (report.status, report.entities)
        self.nothing_stands_twice()
        return report

    # ------------------------------------------------------------------------------------------------------ promises

    def nothing_stands_twice(self) -> None:
        crm_keys = [row["renkei_books_id"] for module in ("Accounts", "Contacts", "Products")
                    for row in self.company.crm(module).values() if row.get("renkei_books_id")]  # fmt: skip
        assert len(crm_keys) == len(set(crm_keys)), crm_keys
        for kind in ("contacts", "items"):
            keys = [key for row in self.world.books.records(kind).values() if (key := get_path(row, "cf_renkei_crm_id"))]
            assert len(keys) == len(set(keys)), keys

    def teardown(self) -> None:
        try:
            self.in_the_end()
        finally:
            self.company.close()

    def in_the_end(self) -> None:
        """No more trouble, every question answered: after a few runs both sides rest, agree, and hold nothing twice."""
        self.world.faults.clear()
        self.world.clock.advance(3600)
        for _ in range(6):
            for hold in self.ledger.open_holds(self.name):
                self.company.decide(hold.id, fixed_choice(hold))
            report = self.run(full=True)
            assert report is not None
            if not self.ledger.open_holds(self.name) and not writes(report):
                break
        else:
            raise AssertionError(f"no rest: {report.entities}, {self.ledger.open_holds(self.name)}")
        assert all(self.waits_for_its_account(ref) or self.sku_is_taken(ref) for ref in self.open()), report.entities
        assert not self.ledger.open_intents(self.name)
        for full in (True, False):
            again = self.run(full=full)
            assert again is not None and not writes(again), again.entities
        assert self.ledger.verify().broken is None
        self.every_record_has_its_place()
        self.links_agree()

    def open(self) -> list[Ref]:
        lists: tuple[tuple[Side, str], ...] = (
            ("crm", "Accounts"), ("crm", "Contacts"), ("crm", "Products"), ("books", "contacts"), ("books", "items"),
        )  # fmt: skip
        return [Ref(side, module, one) for side, module in lists for one in self.ledger.open_ids(self.name, side, module)]

    def sku_is_taken(self, ref: Ref) -> bool:
        """A product that Books refuses because the item of its SKU lost its partner and is set aside."""
        if ref.module != "Products" or self.company.spec.products.deletes != "unlink":
            return False
        said, reason = self.company.outcome(ref)
        return said == "refused" and "SKU" in reason

    def waits_for_its_account(self, ref: Ref) -> bool:
        """A contact whose account went before any run saw it: it may come back from the bin."""
        return self.mapping(ref) == "persons" and account_of(self.raw(ref)) not in self.company.crm()

    def every_record_has_its_place(self) -> None:
        links = [link for link in self.ledger.all_links(self.name) if link.state != "aside"]
        live = [link for link in links if link.state == "live"]
        there = set(self.there("crm", "books"))
        for link in live:
            gone = [ref.side for ref in (link.crm, link.books) if ref not in there]
            assert (link.dead in gone) if gone else link.dead is None, (link, gone)
        linked = {ref for link in live for ref in (link.crm, link.books)}
        once = {ref for link in links for ref in (link.crm, link.books)}
        assert len(linked) == 2 * len(live), "a record stands in two links"
        for link in live:
            assert {link.crm, link.books} & self.hands or self.company.spec.customers.deletes == "recreate", (
                f"both records of {link} were made by renkei"
            )
        for ref in sorted(there):
            aside = self.aside(ref)
            if ref not in self.hands:
                assert ref in once or (aside and self.company.spec.customers.conflicts == "clone"), f"{ref} was made for nobody"
            elif ref not in linked and not aside:
                assert self.may_stand_alone(ref), f"{ref} was left without a partner: {self.raw(ref)}"

    def aside(self, ref: Ref) -> bool:
        return bool(self.ledger.asides(self.name, ref.side, ref.module, [ref.id]))

    def may_stand_alone(self, ref: Ref) -> bool:
        mapping, spec = self.mapping(ref), self.company.spec
        if not mapping or (ref.side == "books" and spec.customers.direction == "to_books") or self.sku_is_taken(ref):
            return True
        if mapping != "persons":
            return False
        holder = (
            Ref("crm", "Accounts", str(account_of(self.raw(ref))))
            if ref.side == "crm"
            else Ref("books", "contacts", self.raw(ref)["contact_id"])
        )
        link = self.ledger.link_of(self.name, holder)
        return link is None or link.dead is not None

    def links_agree(self) -> None:
        lookups = Lookups({("owners", "crm"): {user["id"]: user["email"] for user in self.world.crm.users.values()}})
        specs = self.company.project.mappings_of(self.company.spec)
        fields = {one.api_name for kind in ("contacts", "items") for one in self.world.books.main.fields_of(kind)}
        for link in self.pairs():
            if link.mapping != self.mapping(link.crm):
                continue
            spec = specs[link.mapping]
            left = map_record(self.raw(link.crm), spec, "crm", lookups)
            right = map_record(self.raw(link.books), spec, "books", lookups)
            for item in spec.fields:
                one, two = left[item.name], right[item.name]
                lacking = item.optional and str(item.books).startswith("cf_") and item.books not in fields
                if item.create_only or lacking or one is MISSING or two is MISSING or (blank(one) and blank(two)):
                    continue
                if not field_same(item, one, two):
                    assert self.may_differ(link, item, one, two), f"{link.crm} {link.books} {item.name}: {one!r}, {two!r}"

    def may_differ(self, link: Link, item: Any, crm: Any, books: Any) -> bool:
        """Whether the settings leave these two values apart."""
        words = self.company.spec.products if link.entity == "products" else self.company.spec.customers
        by_crm, by_books = (link.crm, item.name) in self.touched, (link.books, item.name) in self.touched
        if blank(crm) or blank(books):  # a blank never overwrites; an emptied field is no edit
            one_way = item.direction if words.direction == "two_way" else "to_books"
            lacking: Side = "crm" if blank(crm) else "books"
            ref = link.crm if lacking == "crm" else link.books
            return (
                (ref, item.name) in self.cleared
                or (lacking == "crm" and (one_way == "to_books" or words.duplicates == "overwrite"))
                or (lacking == "books" and one_way == "to_crm")
                or bool(dict(item.default))
            )
        six = link.crm.id[-6:]  # Books' second item of one name was made with a suffix
        if link.entity == "products" and words.duplicates in ("clone", "ask") and books in (f"{crm} ({six})", f"{crm}-{six}"):
            return True
        if item.direction == "to_crm":
            return words.direction == "to_books"
        if words.direction == "to_books" or item.direction == "to_books":
            return by_books
        return words.conflicts == "skip" and by_crm and by_books


def fixed_choice(hold: Hold) -> str:
    """`link` the first candidate, `crm` wins, `keep` what stands; else whatever comes first."""
    return next((one for one in hold.choices if one in ("crm", "keep") or one.startswith("link ")), hold.choices[0])


def writes(report: Report) -> int:
    return sum(sum(part["writes"].values()) for part in report.entities.values())


class AccountsOnly(Companies):
    modules = "accounts"


class ContactsOnly(Companies):
    modules = "contacts"


class AccountsAndContacts(Companies):
    modules = "accounts_and_contacts"


class LooseContactsToo(Companies):
    modules, loose = "accounts_and_contacts", True


TestAccountsOnly = AccountsOnly.TestCase
TestContactsOnly = ContactsOnly.TestCase
TestAccountsAndContacts = AccountsAndContacts.TestCase
TestLooseContactsToo = LooseContactsToo.TestCase
for each in (TestAccountsOnly, TestContactsOnly, TestAccountsAndContacts, TestLooseContactsToo):
    each.settings = settings(
        max_examples=int(WIDER or (50 if each is TestLooseContactsToo else 20)), derandomize=not WIDER, database=None,
        stateful_step_count=12, deadline=None,
        phases=(Phase.generate, Phase.shrink) if WIDER else (Phase.generate,), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
del each  # pytest would take it for a fifth test
