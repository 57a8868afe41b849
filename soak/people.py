"""What people do on both sides between two runs, and while one is at work, drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from renkei.core.records import Hold, Link
from renkei.core.values import Ref, Side
from renkei.sandbox.books.errors import BooksError
from renkei.sandbox.books.stamps import stamp as books_stamp
from renkei.sandbox.crm.stamps import stamp as crm_stamp
from renkei.sandbox.seeds.synthetic import party
from soak.company import Company
from soak.model import FIELDS, Model

SPARE = 1000  # numbers of parties below it are those that a company begins with
VIEW, IN_VIEW = "Key customers", "Key"
KEY_CUSTOMERS = {"field": {"api_name": "Industry"}, "comparator": "equal", "value": IN_VIEW}


class People:
    """The hands. Every act goes through the model, which so knows what people left behind; `did` lists them in words."""

    def __init__(self, company: Company, model: Model, rng: random.Random) -> None:
        self.company, self.model, self.rng = company, model, rng
        self.world = company.world
        self.number = SPARE
        self.did: list[str] = []

    # ------------------------------------------------------------------------------------------------ the beginning

    def found(self, parties: int, wares: int) -> None:
        """A company begins: most parties and wares stand on both sides, alike; some only on one."""
        with self.model.by_hand():
            for n in range(parties):
                self._enter_party(n, "both" if n % 6 else "crm")
                if n % 6 == 1:
                    self._enter_party(parties + n, "books")
            for n in range(wares):
                self._enter_ware(n, self.rng.choice(("crm", "books", "both")))

    def _enter_party(self, n: int, where: str) -> None:
        one, modules = party(n), self.company.spec.customers.modules
        self.world.clock.advance(1)
        if modules == "contacts" or (modules != "accounts" and self.rng.random() < 0.15):
            self._enter_individual(n, where)
            return
        account = ""
        if where != "books":
            inside = self.rng.random() < 0.85
            account = self.world.crm.seed(
                "Accounts",
                [
                    {
                        "Account_Name": one.name, "Phone": one.phone, "Website": one.website, "Billing_City": one.city,
                        "Industry": IN_VIEW if inside else "Other",
                    }
                ],
            )[0]  # fmt: skip
        persons: list[dict[str, Any]] = []
        if modules == "accounts_and_contacts" and self.rng.random() < 0.5:
            last, first = one.name.split()[0], one.name.split()[1]
            email = f"{first}.{last}@example.jp".lower()
            persons = [{"first_name": first, "last_name": last, "email": email}]
            if account and self.rng.random() < 0.8:
                contact = {"Last_Name": last, "First_Name": first, "Email": email, "Account_Name": {"id": account}}
                self.world.crm.seed("Contacts", [contact])
        if where != "crm":
            address = {"phone": one.phone, "city": one.city}
            row = {"contact_name": one.name, "company_name": one.name, "website": one.website, "billing_address": address}
            self.world.books.seed("contacts", [{**row, "contact_persons": persons}])

    def _enter_individual(self, n: int, where: str) -> None:
        first, last, *_ = party(n).name.split()
        email = f"{first}.{last}@example.jp".lower()
        if where != "books":
            self.world.crm.seed("Contacts", [{"Last_Name": last, "First_Name": first, "Email": email}])
        if where != "crm":
            person = {"first_name": first, "last_name": last, "email": email}
            row = {"contact_name": f"{first} {last}", "customer_sub_type": "individual", "contact_persons": [person]}
            self.world.books.seed("contacts", [row])

    def _enter_ware(self, n: int, where: str) -> None:
        name, sku = f"Ware {' '.join(reversed(party(n).name.split()))}", f"W-{n:05}"
        price = 100 + n * 7
        self.world.clock.advance(1)
        if where != "books":
            row = {"Product_Name": name, "Product_Code": sku, "Unit_Price": price, "Product_Active": True}
            self.world.crm.seed("Products", [row])
        if where != "crm":
            self.world.books.seed("items", [{"name": name, "sku": sku, "rate": price}])

    # ------------------------------------------------------------------------------------------------------- a night

    def work(self, acts: int) -> None:
        """So many things that people do, each a while after the last."""
        done = 0
        for _ in range(acts * 4):
            if done == acts:
                return
            self.world.clock.advance(self.rng.choice((1, 7, 61, 400)))
            done += self.act()

    def act(self) -> bool:
        """One thing that somebody does; False where there was nothing to do it to."""
        acts: tuple[tuple[Callable[[], str], int], ...] = (
            (self.edit, 10), (self.edit_both, 4), (self.empty, 2), (self.enter, 3), (self.delete, 1), (self.restore, 1),
            (self.answer, 3), (self.flip_view, 1), (self.invoice, 2), (self.pay, 1),
        )  # fmt: skip
        chosen = self.rng.choices([one for one, _ in acts], [weight for _, weight in acts])[0]
        with self.model.by_hand():
            what = ""
            with suppress(BooksError):  # as the person was told
                what = chosen()
        if what:
            self.did.append(f"{self.world.clock.now():%m-%d %H:%M:%S} {what}")
        return bool(what)

    def _in_scope(self, *sides: Side) -> list[Ref]:
        return sorted(ref for ref, record in self.model.records() if ref.side in sides and self.model.mapping(ref, record))

    def _pairs(self) -> list[Link]:
        there = {ref for ref, _ in self.model.records()}
        return sorted(
            (one for one in self.model.links() if one.crm in there and one.books in there), key=lambda link: str(link.crm)
        )

    def enter(self) -> str:
        """Somebody enters a new party or ware, on one side or (two people) on both."""
        self.number += 1
        where = self.rng.choice(("crm", "crm", "books", "books", "both"))
        if self.rng.random() < 0.3:
            self._enter_ware(self.number, where)
            return f"enters ware {self.number} on {where}"
        self._enter_party(self.number, where)
        return f"enters party {self.number} on {where}"

    def enter_in_crm(self) -> None:
        """Somebody enters a party in the CRM."""
        self.number += 1
        with self.model.by_hand():
            self._enter_party(self.number, "crm")
        self.did.append(f"enters party {self.number} on crm")

    def edit(self) -> str:
        refs = self._in_scope("crm", "books")
        return self._edit(self.rng.choice(refs)) if refs else ""

    def edit_both(self) -> str:
        """Two people edit one pair: the same field or two, to the same value or two."""
        pairs = self._pairs()
        if not pairs:
            return ""
        link = self.rng.choice(pairs)
        names = [name for name in FIELDS.get(link.mapping, {}) if name != "active"]
        one = self.rng.choice(names)
        two = one if self.rng.random() < 0.6 else self.rng.choice(names)
        first = self._fresh(one)
        said = self._write(link.crm, link.mapping, one, first)
        self.world.clock.advance(self.rng.choice((5, 1000)))
        alike = one == two and self.rng.random() < 0.3
        return f"{said}; {self._write(link.books, link.mapping, two, first if alike else self._fresh(two))}"

    def empty(self) -> str:
        """Somebody empties a field."""
        refs = self._in_scope("crm", "books")
        ref = self.rng.choice(refs)
        mapping = self._mapping(ref)
        names = [one for one in FIELDS[mapping] if one not in ("name", "last_name", "active", "unit_price", "sku")]
        return self._write(ref, mapping, self.rng.choice(names), None)

    def _edit(self, ref: Ref) -> str:
        mapping = self._mapping(ref)
        name = self.rng.choice(list(FIELDS[mapping]))
        return self._write(ref, mapping, name, self._fresh(name))

    def _mapping(self, ref: Ref) -> str:
        return self.model.mapping(ref, self._record(ref))

    def _record(self, ref: Ref) -> Any:
        return next(record for one, record in self.model.records() if one == ref)

    def _fresh(self, name: str) -> Any:
        self.number += 1
        n, one = self.number, party(self.number)
        return {
            "name": one.name, "last_name": one.name.split()[0], "first_name": one.name.split()[1], "phone": one.phone,
            "mobile": one.phone, "website": one.website, "email": f"e{n}@example.jp", "sku": f"S-{n:05}",
            "unit_price": n, "active": self.rng.random() < 0.5,
        }.get(name, f"{name} {n}")  # fmt: skip

    def _write(self, ref: Ref, mapping: str, name: str, value: Any) -> str:
        one = FIELDS[mapping][name]
        if mapping == "products" and name == "name" and value is not None:
            value = f"Ware {value}"
        if ref.side == "crm":
            self.world.crm.edit(ref.module, ref.id, **{one.crm: value})
        else:
            self._write_books(ref, one.books, "" if value is None else value)
        return f"writes {value!r} into {name} of {ref}"

    def _write_books(self, ref: Ref, path: str, value: Any) -> None:
        books = self.world.books
        if path == "status":
            books.set_active(ref.module, ref.id, bool(value))
        elif ref.module == "contact_persons" or path.startswith("primary."):
            customer = ref.id if ref.module == "contacts" else str(self._record(ref)["contact_id"])
            persons = books.records("contacts")[customer]["contact_persons"]
            chosen = ref.id if ref.module == "contact_persons" else persons[0]["contact_person_id"]
            key = path.removeprefix("primary.")
            changed = [{**one, key: value} if one["contact_person_id"] == chosen else one for one in persons]
            books.edit("contacts", customer, contact_persons=changed)
        elif "." in path:
            holder, key = path.split(".")
            changes: dict[str, Any] = {holder: {**books.records(ref.module)[ref.id][holder], key: value}}
            books.edit(ref.module, ref.id, **changes)
        else:
            books.edit(ref.module, ref.id, **{path: value})

    def delete(self) -> str:
        refs = [ref for ref, _ in self.model.records() if ref.module != "contact_persons"]
        ref = self.rng.choice(sorted(refs))
        if ref.side == "crm":
            self.world.crm.delete(ref.module, ref.id)
        else:
            self.world.books.delete(ref.module, ref.id)
        return f"deletes {ref}"

    def restore(self) -> str:
        tables = self.world.crm.tables
        binned = sorted((module, one) for module in ("Accounts", "Contacts", "Products") for one in tables[module].deleted)
        if not binned:
            return ""
        module, one = self.rng.choice(binned)
        self.world.crm.restore(module, one)
        return f"takes crm:{module}:{one} back from the bin"

    def flip_view(self) -> str:
        """An account enters or leaves the view."""
        if not self.company.spec.customers.views:
            return ""
        one, record = self.rng.choice(sorted(self.world.crm.records("Accounts").items(), key=lambda item: item[0]))
        to = "Other" if record.get("Industry") == IN_VIEW else IN_VIEW
        self.world.crm.edit("Accounts", one, Industry=to)
        return f"moves crm:Accounts:{one} to {to}"

    def answer(self) -> str:
        """A person answers an open question."""
        holds = sorted(self.company.ledger.open_holds(self.company.name), key=lambda hold: hold.id)
        if not holds:
            return ""
        hold = self.rng.choice(holds)
        choice = self.rng.choice(hold.choices)
        self.company.decide(hold.id, choice)
        if choice == "delete":
            self.model.given_up |= {Ref.parse(str(one["record"])) for one in hold.candidates}
        if hold.field is not None and choice in ("crm", "books"):
            self.model.decided[(hold.record, hold.field)] = choice
        else:
            self.model.unsure |= _of(hold)
        return f"answers {hold.question} about {hold.record} {hold.field or ''}: {choice}"

    def invoice(self) -> str:
        customers = sorted(self.world.books.records("contacts"))
        customer = self.rng.choice(customers)
        lines = [{"name": "Work", "rate": self.rng.randint(1, 90) * 100, "quantity": self.rng.randint(1, 3)}]
        made = self.world.books.create("invoices", customer_id=customer, line_items=lines)
        if self.rng.random() < 0.8:
            self.world.books.send(made["invoice_id"])
        return f"invoices books:contacts:{customer}: {made['total']}"

    def pay(self) -> str:
        unpaid = sorted(
            one for one, row in self.world.books.records("invoices").items()
            if row["balance"] > 0 and row["status"] in ("sent", "overdue", "partially_paid")
        )  # fmt: skip
        if not unpaid:
            return ""
        invoice = self.rng.choice(unpaid)
        balance = self.world.books.records("invoices")[invoice]["balance"]
        amount = balance if self.rng.random() < 0.5 else max(1, balance // 2)
        self.world.books.pay(invoice, amount)
        return f"pays {amount} of books:invoices:{invoice}"

    def late(self) -> str:
        """A row that becomes visible after a read, with a stamp of a little before: the vendor was slow to commit it."""
        refs = [ref for ref in self._in_scope("crm", "books") if ref.module in ("Accounts", "Contacts", "Products", "contacts")]
        if not refs:
            return ""
        ref = self.rng.choice(refs)
        with self.model.by_hand():
            what = ""
            with suppress(BooksError):
                what = self._edit(ref)
            if what:
                before = self.world.clock.stamp_now(ref.side) - timedelta(seconds=self.rng.randint(1, 240))
                if ref.side == "crm":
                    stamped = crm_stamp(before, self.world.zone)
                    self.world.crm.update(ref.module, ref.id, {"Modified_Time": stamped}, by=self.world.crm.human_user["id"])
                else:
                    self.world.books.edit(ref.module, ref.id, last_modified_time=books_stamp(before, self.world.zone))
        if what:
            self.did.append(f"{self.world.clock.now():%m-%d %H:%M:%S} late: {what}")
        return what


def _of(hold: Hold) -> set[Ref]:
    """The records that a hold is about."""
    found = {hold.record}
    for item in hold.candidates:
        side, module, one = str(item["record"]).split(":")
        found.add(Ref("crm" if side == "crm" else "books", module, one))
    return found


def drawn(rng: random.Random, words: Sequence[str]) -> str:
    """One of the words; a word given twice comes twice as often."""
    return rng.choice(list(words))
