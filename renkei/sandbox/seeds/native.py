"""`native`: a company whose CRM and Books were kept together for years by Zoho's built-in integration.

The ids of the CRM stand in Books as that integration leaves them there (books-v3.md sections 6.3, 6.7, 7): an item's list row
shows `zcrm_product_id`, a customer's list row no more than `is_linked_with_zohocrm`, and its detail the id itself. Contact
persons carry no id at all. Companies and their values are those of `synthetic`, so that the same number is the same party.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books.stamps import stamp
from renkei.sandbox.seeds.synthetic import Party, account_of, customer_of, item_of, party, product_of, stamps_of

if TYPE_CHECKING:
    from renkei.sandbox.world import World

# Numbers of parties, and of products. Each of the first group is one pair of the built-in integration.
PAIRED = range(60)
RENAMED = (3, 11)  # paired; the customer has had another name for years, so that nothing but the id tells its account
NAMESAKES = ((20, 21), (22, 23))  # paired; both accounts of a couple have the first one's name
CLONED = (30, 31, 32)  # paired with the clone that the integration made; the customer that was there before has no id
CLAIMED_TWICE = (33,)  # two customers name this account
DIFFERENT = (40, 41, 42, 43)  # paired; website and city differ on the two sides
BLANK = (44, 45)  # paired; Books lacks the website, the CRM lacks the city
DELETED = (60, 61, 62)  # customers whose account was deleted
ONLY_CRM, ONLY_BOOKS, UNPAIRED = (70, 71, 72), (80, 81), (90, 91)  # UNPAIRED: on both sides, and never paired
LOOSE = range(6)  # contacts without an account, paired with individual customers
LOOSE_DELETED = (6,)
PRODUCTS = range(12)
PRODUCTS_DELETED = (12,)
PRODUCT_ONLY_CRM, ITEM_ONLY_BOOKS = (13,), (14,)

# Deals of pairs, whose documents carry the deal's id: an invoice of a won one, an estimate of a lost and of an open one.
DEALS = {0: "Closed Won", 5: "Closed Won", 10: "Closed Lost", 15: "Qualification"}

_GIVEN = ("Aiko", "Haruto", "Mei", "Ren", "Sakura", "Sota", "Yui", "Daichi", "Hana", "Kaito")
_FAMILY = ("Sato", "Suzuki", "Takahashi", "Tanaka", "Ito", "Watanabe", "Yamamoto", "Nakamura", "Kobayashi", "Kato", "Yoshida")


def load_native(world: World) -> None:
    """Fills a world."""
    _Years(world).load()


class _Years:
    def __init__(self, world: World) -> None:
        self.world = world
        self.made = list(stamps_of(world, world.clock.stamp_now(), 100))
        self.accounts: dict[int, str] = {}
        self.customers: dict[int, str] = {}
        self.deals: dict[int, str] = {}

    def load(self) -> None:
        self._accounts()
        self._customers()
        self._loose()
        self._products()
        self._deals()
        self._invoices()

    def _accounts(self) -> None:
        numbers = (*PAIRED, *DELETED, *ONLY_CRM, *UNPAIRED)
        rows = [account_of(self._party(n), self.world.base_currency, *self.made[n]) for n in numbers]
        for n, row in zip(numbers, rows, strict=True):
            if n in BLANK:
                row.pop("Billing_City")
        self.accounts = dict(zip(numbers, self.world.crm.seed("Accounts", rows), strict=True))
        people = [self._contact(n, k) for n in PAIRED for k in range(n % 3)]
        self.world.crm.seed("Contacts", people)
        for n in DELETED:
            self.world.crm.delete("Accounts", self.accounts[n])

    def _customers(self) -> None:
        rows, numbers = [], (*PAIRED, *DELETED, *ONLY_BOOKS, *UNPAIRED)
        for n in numbers:
            row = customer_of(self._party(n), self.world.base_currency, *self.made[n])
            if n in (*PAIRED, *DELETED):
                row["zcrm_account_id"] = self.accounts[n]
            if n in PAIRED:
                row["contact_persons"] = [_person(n, k) for k in range(n % 3)]
            rows.append(row | self._as_books_has_it(n, row))
        self.customers = dict(zip(numbers, self.world.books.seed("contacts", rows), strict=True))
        self.world.books.seed("contacts", [self._the_other(n) for n in (*CLONED, *CLAIMED_TWICE)])

    def _as_books_has_it(self, n: int, row: dict[str, Any]) -> dict[str, Any]:
        """What years of work made different in Books."""
        if n in RENAMED:
            name = f"{' '.join(reversed(row['company_name'].split()))} Group"
            return {"contact_name": name, "company_name": name, "cf_tax_registration_number": ""} | _without_phone(row)
        if n in DIFFERENT:
            return {"website": f"https://shop-{n}.example", "billing_address": row["billing_address"] | {"city": "Naha"}}
        if n in BLANK:
            return {"website": ""}
        if n in (*CLONED, *CLAIMED_TWICE) or any(n == second for _, second in NAMESAKES):
            return {"contact_name": f"{row['contact_name']} {n}"}  # Books takes a name once only
        return {}

    def _the_other(self, n: int) -> dict[str, Any]:
        """The customer that was in Books before the integration cloned it, or the second one that names an account."""
        row = customer_of(self._party(n), self.world.base_currency, *self.made[n])
        return row | ({"zcrm_account_id": self.accounts[n]} if n in CLAIMED_TWICE else {})

    def _party(self, n: int) -> Party:
        first = dict((second, one) for one, second in NAMESAKES).get(n)
        return party(n) if first is None else replace(party(n), name=party(first).name)

    def _contact(self, n: int, k: int) -> dict[str, Any]:
        person, (created, modified) = _person(n, k), self.made[n]
        return {
            "First_Name": person["first_name"], "Last_Name": person["last_name"], "Email": person["email"],
            "Account_Name": {"id": self.accounts[n]}, "Created_Time": created, "Modified_Time": modified,
        }  # fmt: skip

    def _loose(self) -> None:
        """Contacts without an account and their individual customers."""
        numbers, rows = (*LOOSE, *LOOSE_DELETED), []
        for n in numbers:
            person, (created, modified) = _person(100 + n, n), self.made[n]
            rows.append(
                {
                    "First_Name": person["first_name"], "Last_Name": person["last_name"], "Email": person["email"],
                    "Created_Time": created, "Modified_Time": modified,
                }
            )  # fmt: skip
        ids = self.world.crm.seed("Contacts", rows)
        individuals = []
        for n, contact in zip(numbers, ids, strict=True):
            person, (created, modified) = _person(100 + n, n), self.made[n]
            individuals.append(
                {
                    "contact_name": f"{person['first_name']} {person['last_name']}", "contact_type": "customer",
                    "customer_sub_type": "individual", "contact_persons": [{**person, "is_primary_contact": True}],
                    "zcrm_contact_id": contact, "created_time": created, "last_modified_time": modified,
                }
            )  # fmt: skip
        self.world.books.seed("contacts", individuals)
        for n in LOOSE_DELETED:
            self.world.crm.delete("Contacts", ids[n])

    def _products(self) -> None:
        numbers = (*PRODUCTS, *PRODUCTS_DELETED, *PRODUCT_ONLY_CRM)
        products = self.world.crm.seed("Products", [product_of(n, *self.made[n]) for n in numbers])
        rows = []
        for n, product in zip(numbers, products, strict=True):
            if n not in PRODUCT_ONLY_CRM:
                rows.append(item_of(n, *self.made[n]) | {"zcrm_product_id": product, "is_linked_with_zohocrm": True})
        rows += [item_of(n, *self.made[n]) for n in ITEM_ONLY_BOOKS]
        self.world.books.seed("items", rows)
        for n, product in zip(numbers, products, strict=True):
            if n in PRODUCTS_DELETED:
                self.world.crm.delete("Products", product)

    def _deals(self) -> None:
        """Deals, and the estimates that the integration made of those that brought no invoice."""
        rows = [
            {
                "Deal_Name": f"Deal {n}", "Account_Name": {"id": self.accounts[n]}, "Stage": stage, "Amount": 10_000 + 100 * n,
                "Closing_Date": self.made[n][1][:10], "Created_Time": self.made[n][0], "Modified_Time": self.made[n][1],
            }
            for n, stage in DEALS.items()
        ]  # fmt: skip
        self.deals = dict(zip(DEALS, self.world.crm.seed("Deals", rows), strict=True))
        statuses = {"Closed Lost": "declined", "Qualification": "sent"}
        estimates = [
            {
                "customer_id": self.customers[n], "date": self.made[n][1][:10], "total": 10_000 + 100 * n,
                "status": statuses[stage], "created_time": self.made[n][1], **self._of_deal(n),
            }
            for n, stage in DEALS.items()
            if stage in statuses
        ]  # fmt: skip
        self.world.books.seed("estimates", estimates)

    def _of_deal(self, n: int) -> dict[str, Any]:
        return {"zcrm_potential_id": self.deals[n], "zcrm_potential_name": f"Deal {n}"}

    def _invoices(self) -> None:
        """One a quarter of a year for every fifth pair, and one for each customer whose account is gone."""
        now, zone = self.world.clock.stamp_now(), self.world.zone
        today = now.astimezone(zone).date()
        for n in (*PAIRED[::5], *DELETED):
            dates = [today - timedelta(days=91 * quarter + n) for quarter in range(4 if n in PAIRED else 1)]
            self.world.books.seed(
                "invoices",
                [
                    {
                        "customer_id": self.customers[n], "date": date.isoformat(), "total": 10_000 + 100 * n,
                        "due_date": (date + timedelta(days=30)).isoformat(), "status": "paid" if older else "sent",
                        "created_time": stamp(now - (today - date), zone),
                        **(self._of_deal(n) if DEALS.get(n) == "Closed Won" and not older else {}),
                    }
                    for older, date in enumerate(dates)
                ],
            )  # fmt: skip


def _person(n: int, k: int) -> dict[str, Any]:
    first, last = _GIVEN[(n * 3 + k * 7) % len(_GIVEN)], _FAMILY[(n + 5 * k) % len(_FAMILY)]
    return {"first_name": first, "last_name": last, "email": f"{first}.{last}.{n}@people.example".lower()}


def _without_phone(row: dict[str, Any]) -> dict[str, Any]:
    return {"billing_address": row["billing_address"] | {"phone": ""}, "website": ""}
