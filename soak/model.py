"""What both sides ought to say after a run, worked out without the engine: from what people did and the policies' words.

The fields, their places on both sides and the rules of who wins are written here a second time, on purpose. From renkei this
takes the link table, the open holds and the last outcomes as claims, and checks them against the two systems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from renkei.core.connection import EntitySettings
from renkei.core.records import Hold, Link
from renkei.core.values import Ref, Side
from soak.company import Company
from soak.mortal import is_write

Value = str | float | bool | None
Values = dict[str, Value]
Pair = tuple[Value, Value]  # CRM, Books


@dataclass(frozen=True, slots=True)
class Field:
    """One mapped field: where it stands on both sides, how two of its values are compared, and whether it comes back."""

    crm: str
    books: str
    kind: Literal["text", "phone", "website", "number", "active"] = "text"
    to_books: bool = False


FIELDS: Mapping[str, Mapping[str, Field]] = {
    "accounts": {
        "name": Field("Account_Name", "company_name"),
        "phone": Field("Phone", "billing_address.phone", "phone"),
        "website": Field("Website", "website", "website"),
        "billing_city": Field("Billing_City", "billing_address.city"),
        "shipping_street": Field("Shipping_Street", "shipping_address.address"),
        "notes": Field("Description", "notes", to_books=True),
    },
    "contacts": {
        "last_name": Field("Last_Name", "primary.last_name"),
        "first_name": Field("First_Name", "primary.first_name"),
        "email": Field("Email", "primary.email"),
        "mobile": Field("Mobile", "primary.mobile", "phone"),
        "billing_city": Field("Mailing_City", "billing_address.city"),
    },
    "persons": {
        "last_name": Field("Last_Name", "last_name"),
        "first_name": Field("First_Name", "first_name"),
        "email": Field("Email", "email"),
        "mobile": Field("Mobile", "mobile", "phone"),
        "title": Field("Title", "designation"),
    },
    "products": {
        "name": Field("Product_Name", "name"),
        "sku": Field("Product_Code", "sku"),
        "unit_price": Field("Unit_Price", "rate", "number"),
        "description": Field("Description", "description"),
        "active": Field("Product_Active", "status", "active"),
    },
}
CRM_MODULES = ("Accounts", "Contacts", "Products")
KEPT = ("held", "blocked", "quarantined", "refused", "failed")  # words of a record that waits


def plain(kind: str, value: Any) -> Value:
    """A raw value so that two sides' values can be compared."""
    if kind == "active":
        return value in (True, "active")
    if value is None or value == "":
        return None
    if kind == "number":
        return float(value)
    text = str(value).strip()
    if kind == "phone":
        digits = "".join(one for one in text if one.isdigit())
        return "0" + digits[2:] if digits.startswith("81") else digits
    if kind == "website":
        return text.removeprefix("https://").removeprefix("http://").rstrip("/").lower()
    return text


def at(record: Mapping[str, Any], path: str) -> Any:
    """The raw value at a path of FIELDS."""
    if "." not in path:
        return record.get(path)
    holder, key = path.split(".")
    if holder == "primary":
        persons = record["contact_persons"]
        return persons[0].get(key) if persons else None
    return (record.get(holder) or {}).get(key)


@dataclass(slots=True)
class Model:
    """Both sides as people left them.

    said      each record's fields as people, or a run that was checked, left them
    base      by link and field: the two values that both sides agreed on last; None while they never did
    hands     the records that people made; `gone`: those that people deleted
    unsure    records that people touched while a run was at work, or answered about: only their end is checked, not the way
    decided   fields that a person decided since: (CRM record, field) → crm | books; `given_up`: records that he said to delete
    """

    company: Company
    said: dict[Ref, Values] = field(default_factory=dict)
    base: dict[str, dict[str, Pair | None]] = field(default_factory=dict)
    hands: set[Ref] = field(default_factory=set)
    gone: set[Ref] = field(default_factory=set)
    unsure: set[Ref] = field(default_factory=set)
    touched: dict[Ref, int] = field(default_factory=dict)
    decided: dict[tuple[Ref, str], str] = field(default_factory=dict)
    given_up: set[Ref] = field(default_factory=set)
    rooted: set[Ref] = field(default_factory=set)
    parents: dict[Ref, Ref] = field(default_factory=dict)
    at_work: bool = False

    # ------------------------------------------------------------------------------------------------- looking on

    def mapping(self, ref: Ref, record: Mapping[str, Any]) -> str:
        """Which of FIELDS a record follows under the settings, or ""."""
        customers = self.company.spec.customers
        accounts, people = customers.modules != "contacts", customers.modules != "accounts"
        loose = "contacts" if customers.modules == "contacts" or (people and customers.include_contacts_without_account) else ""
        match ref.module:
            case "Products" | "items":
                return "products"
            case "Accounts":
                return "accounts" if accounts else ""
            case "Contacts":
                return "persons" if people and accounts and record.get("Account_Name") else loose
            case "contacts":
                return loose if record["customer_sub_type"] == "individual" else "accounts" if accounts else ""
        return "persons"

    def records(self) -> Iterator[tuple[Ref, Mapping[str, Any]]]:
        """Every live record of both sides, Books' contact persons of businesses among them."""
        world = self.company.world
        for module in CRM_MODULES:
            for one, record in world.crm.records(module).items():
                yield Ref("crm", module, one), record
        for one, record in world.books.records("contacts").items():
            yield Ref("books", "contacts", one), record
            if self.company.spec.customers.modules == "accounts_and_contacts" and record["customer_sub_type"] == "business":
                for person in record["contact_persons"]:
                    ref = Ref("books", "contact_persons", person["contact_person_id"])
                    self.parents[ref] = Ref("books", "contacts", one)
                    yield ref, {**person, "contact_id": one}
        for one, record in world.books.records("items").items():
            yield Ref("books", "items", one), record

    def look(self) -> dict[Ref, Values]:
        """What every record says now."""
        found: dict[Ref, Values] = {}
        for ref, record in self.records():
            fields = FIELDS.get(self.mapping(ref, record), {})
            found[ref] = {
                name: plain(one.kind, at(record, one.crm if ref.side == "crm" else one.books)) for name, one in fields.items()
            }
        return found

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """What changes inside was done by people."""
        before = self.look()
        yield
        after = self.look()
        for ref in after.keys() - before.keys():
            self.hands.add(ref)
            self.gone.discard(ref)
            self.said[ref] = after[ref]
        for ref in before.keys() - after.keys():
            self.gone.add(ref)
        for ref in after.keys() & before.keys():
            changed = {name: value for name, value in after[ref].items() if before[ref].get(name) != value}
            said = self.said.setdefault(ref, dict(before[ref]))
            if self.at_work and changed:
                self._written_already(ref, before[ref], said, changed)
                self.touched.setdefault(ref, len(self.company.world.requests))
            said.update(changed)
        if self.at_work:
            self.unsure |= after.keys() ^ before.keys()

    def _written_already(self, ref: Ref, before: Values, said: Values, changed: Collection[str]) -> None:
        """Fields that the run had written before a person edited them: to that both sides had agreed by then."""
        link = self.company.ledger.link_of(self.company.name, ref)
        for name in changed:
            if link is not None and before.get(name) != said.get(name):
                self.base.setdefault(link.id, {})[name] = (before.get(name), before.get(name))

    def settle_touched(self, *, whole_run: bool) -> None:
        """After a run at whose work people touched records: was there time for it to see that? `whole_run`: it came to its end
        and no fault struck."""
        requests = self.company.world.requests
        for ref, index in self.touched.items():
            looked = False
            for row in requests.rows[index:]:
                if row.side != ref.side:
                    continue
                if is_write(row.method, row.path) and (
                    ref.side == "crm" or ref.id in row.path or ref.module == "contact_persons"
                ):
                    if not looked:
                        self.unsure.add(ref)
                    break
                looked = looked or row.method == "GET" or row.path.endswith("/coql")
            if not whole_run:
                self.unsure.add(ref)
        self.touched.clear()

    def settings(self, mapping: str) -> EntitySettings:
        return self.company.spec.products if mapping == "products" else self.company.spec.customers

    def links(self) -> list[Link]:
        """The live links as the ledger claims them."""
        return [one for one in self.company.ledger.all_links(self.company.name) if one.state == "live"]

    # --------------------------------------------------------------------------------------------------- the check

    def unfinished(self) -> bool:
        """Whether the run left persons for the next one, because their customers were linked or written in it."""
        ledger, name = self.company.ledger, self.company.name
        lists: tuple[tuple[Side, str], ...] = (("crm", "Contacts"), ("books", "contact_persons"))
        for side, module in lists:
            ids = ledger.open_ids(name, side, module)
            found = ledger.mirrors(name, side, module, ids).values()
            if any(one.outcome not in KEPT for one in found):
                return True
        return False

    def wrong(self, *, whole: bool) -> list[str]:
        """What is not as it ought to be after a run that nothing disturbed. `whole`: it was a full compare.

        What the run rightly did becomes what both sides agreed on.
        """
        now = self.look()
        view = Claims(self.company)
        found = [*self._lost(now, view), *self._doubled(now, view), *self._published()]
        linked: set[Ref] = set()
        for link in self.links():
            linked |= {link.crm, link.books}
            found += self._pair(link, now, view)
        if whole:
            found += self._alone(now, view, linked)
        self.rooted = now.keys() - self.hands
        self.said = {ref: dict(values) for ref, values in now.items()}
        self.unsure.clear()
        return found

    def _lost(self, now: Mapping[Ref, Values], view: Claims) -> Iterator[str]:
        for ref in sorted(self.hands - self.gone - now.keys()):
            by_policy = self.settings(_mapping_of(ref)).deletes == "delete" and view.partners(ref) & self.gone
            if by_policy or ref in self.given_up or (ref in self.parents and self.parents[ref] not in now):
                self.gone.add(ref)
                continue
            yield f"lost: {ref}, which a person made and nobody deleted, is not there"

    def _doubled(self, now: Mapping[Ref, Values], view: Claims) -> Iterator[str]:
        keys = Counter(view.crm_keys)
        for key, times in keys.items():
            if times > 1:
                yield f"doubled: {times} CRM records hold the Books id {key}"
        for key, times in Counter(view.books_keys.values()).items():
            if times > 1:
                yield f"doubled: {times} Books records hold the key {key}"
        for ref in sorted(now.keys() - self.hands - self.rooted):
            copy = view.books_keys.get(ref, "").startswith("renkei:") or (ref.module == "contact_persons" and ref in view.aside)
            if not copy and not view.partners(ref) & (self.hands | self.rooted):
                yield f"doubled: {ref} was made by renkei for no record of a person: {now[ref]}"
        for side in ("crm", "books"):
            served: dict[Ref, list[Ref]] = {}
            for link in view.every_link:
                mine, other = (link.crm, link.books) if side == "crm" else (link.books, link.crm)
                if mine in now and mine not in self.hands and link.state == "live":
                    served.setdefault(other, []).append(mine)
            for other, made in served.items():
                if len(made) > 1:
                    yield f"doubled: {other} has {len(made)} partners that renkei made: {', '.join(map(str, made))}"

    def _pair(self, link: Link, now: Mapping[Ref, Values], view: Claims) -> Iterator[str]:
        left, right = now.get(link.crm), now.get(link.books)
        if left is None or right is None or link.dead is not None:
            return
        fields = FIELDS[link.mapping]
        words = self.settings(link.mapping)
        new = link.id not in self.base
        base = self.base.setdefault(link.id, {})
        before_left, before_right = self.said.get(link.crm), self.said.get(link.books)
        unsure = bool({link.crm, link.books} & self.unsure)
        waits = view.waits(link)
        if waits.startswith("?"):
            yield f"unexplained: {link.crm} ↔ {link.books} waits as {waits[1:]}, and no open hold or quarantined row says why"
        still = waits != "" or not view.in_view(link.crm) or self._resting_customer(link, view)
        for name, one in fields.items():
            if name not in left or name not in right:  # a contact that got an account, or lost it: a question of its own
                continue
            is_now = (left[name], right[name])
            if new or before_left is None or before_right is None:
                base[name] = is_now if is_now[0] == is_now[1] or not view.asks(link, name) else None
                if not self._may_begin(is_now, one, words, view.asks(link, name), waits) and not _made_distinct(link, is_now):
                    yield f"disagree: {link.crm} ↔ {link.books} were linked, yet {name} is {is_now[0]!r} and {is_now[1]!r}"
                continue
            was = (before_left[name], before_right[name])
            agreed = base.get(name, is_now)
            winner = self.decided.pop((link.crm, name), "")
            right_ends, held = ends(was, agreed, one, words, winner)
            if still or unsure:
                right_ends = {*right_ends, was} if still else {*right_ends, *_mixed(was)}
            if is_now not in right_ends:
                yield (
                    f"wrong: {link.crm} ↔ {link.books} {name}: people left {was}, agreed was {agreed}, now {is_now}; "
                    f"expected {sorted(map(str, right_ends))}"
                )
            elif held and is_now == was and not still and not unsure and not view.asks(link, name):
                yield f"lost: {link.crm} ↔ {link.books} {name}: {was} is a question, and no hold asks it"
            if is_now[0] == is_now[1]:
                base[name] = is_now
            elif winner and is_now == was and not still:
                base[name] = is_now  # decided against the direction: both stand
            elif name not in base:
                base[name] = agreed

    def _resting_customer(self, link: Link, view: Claims) -> bool:
        """Whether a person's customer is not kept in step now: its account is gone, out of the view or not linked."""
        if link.mapping != "persons":
            return False
        holder = self.company.world.crm.records("Contacts")[link.crm.id].get("Account_Name") or {}
        account = Ref("crm", "Accounts", str(holder.get("id")))
        customer = next((one for one in view.every_link if one.crm == account and one.state == "live"), None)
        return customer is None or customer.dead is not None or not view.in_view(account) or view.waits(customer) != ""

    def _may_begin(self, pair: Pair, one: Field, words: EntitySettings, asked: bool, waits: str) -> bool:
        """Whether a new pair may stand like this."""
        crm, books = pair
        if crm == books or asked or waits:
            return True
        if words.direction == "to_books" or one.to_books:
            return True
        if crm is None or books is None:
            return words.duplicates == "overwrite" and crm is None
        return words.conflicts == "skip" or one.kind == "active"

    def _alone(self, now: Mapping[Ref, Values], view: Claims, linked: Collection[Ref]) -> Iterator[str]:
        """A record in scope without a partner is named somewhere."""
        for ref in sorted(now.keys() - set(linked)):
            if (
                not now[ref]
                or view.books_keys.get(ref, "").startswith("renkei:")
                or ref in self.unsure
                or (ref.module == "contact_persons" and self.parents[ref] not in linked)
            ):
                continue
            outcome, reason = view.outcome(ref)
            if ref in view.aside:
                continue
            if not outcome:
                yield f"lost: {ref} has neither partner nor outcome: {now[ref]}"
            elif outcome in ("created", "updated", "linked", "unchanged"):
                yield f"lost: {ref} is said to be {outcome} ({reason}), and has no partner: {now[ref]}"
            elif outcome == "held" and not view.asked_about(ref):
                yield f"unexplained: {ref} is held ({reason}), and no hold asks about it"

    def _published(self) -> Iterator[str]:
        """What the CRM shows of documents is what Books says of customers with a live link, to the yen."""
        world, name = self.company.world, self.company.name
        at: dict[str, Ref] = {
            link.books.id: link.crm for link in self.links()
            if link.books.module == "contacts" and link.dead != "crm" and link.crm.id in world.crm.records(link.crm.module)
        }  # fmt: skip
        documents: dict[str, tuple[Any, ...]] = {}
        owed: dict[str, list[float]] = {}
        for kind in ("estimates", "salesorders", "invoices"):
            for one, row in world.books.records(kind).items():
                crm = at.get(row["customer_id"])
                if crm is None:
                    continue
                documents[f"{name}:{kind}:{one}"] = (crm.id, float(row["total"]))
                if kind == "invoices" and row["status"] not in ("draft", "void"):
                    sums = owed.setdefault(f"{name}:{crm.module}:{crm.id}:{row['currency_code']}", [0.0, 0.0])
                    sums[0], sums[1] = sums[0] + row["total"], sums[1] + row["balance"]
        shown = {
            str(row["renkei_key"]): ((row.get("Account") or row.get("Contact") or {}).get("id"), float(row["Total"]))
            for row in world.crm.records("Renkei_Documents").values()
        }
        figures = {
            str(row["renkei_key"]): [float(row["Invoiced"]), float(row["Balance"])]
            for row in world.crm.records("Renkei_Receivables").values()
        }
        for key in sorted(documents.keys() | shown.keys()):
            if documents.get(key) != shown.get(key):
                yield f"published: {key}: Books says {documents.get(key)}, the CRM shows {shown.get(key)}"
        for key in sorted(owed.keys() | figures.keys()):
            if owed.get(key) != figures.get(key):
                yield f"published: {key}: Books says {owed.get(key)}, the CRM shows {figures.get(key)}"


class Claims:
    """What the ledger says after a run, read once."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.every_link = list(company.ledger.all_links(company.name))
        self.holds: list[Hold] = company.ledger.open_holds(company.name)
        world = company.world
        self.crm_keys = [
            str(row["renkei_books_id"]) for module in CRM_MODULES for row in world.crm.records(module).values()
            if row.get("renkei_books_id")
        ]  # fmt: skip
        self.books_keys: dict[Ref, str] = {}
        for kind in ("contacts", "items"):
            for one, record in world.books.records(kind).items():
                for item in record["custom_fields"]:
                    if item.get("api_name") == "cf_renkei_crm_id" and item.get("value"):
                        self.books_keys[Ref("books", kind, one)] = str(item["value"])
        self._mirrors: dict[Ref, tuple[str, str]] = {}
        self._views: dict[str, set[str]] = {}
        lists: tuple[tuple[Side, str], ...] = (
            *(("crm", module) for module in CRM_MODULES), ("books", "contacts"), ("books", "contact_persons"), ("books", "items"),
        )  # fmt: skip
        self.aside: set[Ref] = set()
        self._outside: set[Ref] = set()
        for side, module in lists:
            ids = company.ledger.mirror_ids(company.name, side, module)
            for mirror in company.ledger.mirrors(company.name, side, module, ids).values():
                self._mirrors[mirror.ref] = (mirror.outcome, mirror.reason)
                if not mirror.in_view:
                    self._outside.add(mirror.ref)
            self.aside |= {Ref(side, module, one) for one in company.ledger.asides(company.name, side, module, ids)}

    def partners(self, ref: Ref) -> set[Ref]:
        """The records that it is or was linked to."""
        found = {link.books for link in self.every_link if link.crm == ref}
        return found | {link.crm for link in self.every_link if link.books == ref}

    def outcome(self, ref: Ref) -> tuple[str, str]:
        return self._mirrors.get(ref, ("", ""))

    def in_view(self, ref: Ref) -> bool:
        return ref not in self._outside

    def asks(self, link: Link, name: str) -> bool:
        """Whether an open hold asks about this field of the pair."""
        return any(hold.field == name and hold.record in (link.crm, link.books) for hold in self.holds)

    def asked_about(self, ref: Ref) -> bool:
        return any(hold.record == ref or any(item.get("record") == str(ref) for item in hold.candidates) for hold in self.holds)

    def waits(self, link: Link) -> str:
        """Why a pair stands still, or ""; with a question mark where nothing says so."""
        for ref in (link.crm, link.books):
            outcome, reason = self.outcome(ref)
            if outcome == "held":
                mine = [hold for hold in self.holds if hold.record in (link.crm, link.books)]
                if not mine:
                    return f"?held: {reason}"
                if any(hold.field is None for hold in mine):
                    return f"held: {reason}"
            elif outcome == "quarantined":
                return "quarantined" if {link.crm.id, link.books.id} & self.company.judge.refused else f"?quarantined: {reason}"
            elif outcome == "blocked":
                return f"blocked: {reason}"
            elif outcome in ("refused", "failed"):
                return f"?{outcome}: {reason}"
        return ""


def _mapping_of(ref: Ref) -> str:
    return "products" if ref.module in ("Products", "items") else "accounts"


def _made_distinct(link: Link, pair: Pair) -> bool:
    """Whether Books' second record of one name bears the suffix that sets it apart."""
    suffix = link.crm.id[-6:]
    return link.mapping == "products" and pair[1] in (f"{pair[0]} ({suffix})", f"{pair[0]}-{suffix}")


def _mixed(was: Pair) -> set[Pair]:
    """Ends of two edits of which one came while a run was at work: one of both values on both sides, or both as they are."""
    return {was, (was[0], was[0]), (was[1], was[1])}


def ends(was: Pair, agreed: Pair | None, one: Field, words: EntitySettings, winner: str) -> tuple[set[Pair], bool]:
    """(how a field may stand after a run, whether an end as it was is a question)."""
    crm, books = was
    if crm == books:
        return {was}, False
    left = crm is not None and (agreed is None or crm != agreed[0])
    right = books is not None and (agreed is None or books != agreed[1])
    back = words.direction == "two_way" and not one.to_books
    crm_wins: Pair = (crm, crm)
    books_wins: Pair = (books, books) if back else was
    if agreed is None and not (left and right):
        return {was, crm_wins if left else books_wins}, False
    if left and right:
        if winner:
            return {crm_wins if winner == "crm" else books_wins}, False
        match words.conflicts:
            case "overwrite" | "clone":
                return {crm_wins}, False
            case "books":
                return {books_wins}, False
            case "skip":
                return {was}, False
            case "newest":
                return {was, crm_wins, books_wins}, False
        return {was}, True
    if left:
        return {crm_wins}, False
    if right:
        return {books_wins}, False
    return {was}, False
