"""`synthetic:N`: N accounts and N business customers, 90 % the same parties under equal values, without any dirt.

Every value follows from a party's number, so that the same N gives the same data. N/10 products a side likewise.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books.stamps import stamp

if TYPE_CHECKING:
    from renkei.sandbox.world import World

MOST = 100_000
STAMPS_SINCE = timedelta(days=730)

# A name has four words, one from each list of WORDS words. They form a code: the first two are free, the other two are
# sums of them, so two names share at most one of their four words. Words are coded the same way from syllables: two
# words of a list share at most one of their three syllables.
WORDS = 337
_SYLLABLES = tuple(
    tuple(line.split())
    for line in (
        "ka ki ku ko sa shi su so ta chi to na ni no ma mi mo ra ri",
        "ber dal fen gar hol jun kel lor mon nix pel quin ros sev tam vul wes yar zan",
        "ave bri clo dru eli fla gre hux ino jal kle lyo mae nue osk pra qua rhe sto",
        "ang bou cer dyl eth fro gui hes imp jor kwe lun myr nob oph pid rix swa tye",
    )
)
_SCATTER = (1, 101, 211, 53)  # neighbouring indexes get words without a common syllable
_CITIES = (
    ("Tokyo", "Chiyoda", "100", "Kanda"),
    ("Tokyo", "Minato", "105", "Shiba"),
    ("Tokyo", "Setagaya", "154", "Taishido"),
    ("Kanagawa", "Yokohama", "231", "Motomachi"),
    ("Saitama", "Kawagoe", "350", "Saiwai"),
    ("Chiba", "Funabashi", "273", "Honcho"),
    ("Aichi", "Nagoya", "460", "Sakae"),
    ("Kyoto", "Kyoto", "600", "Gojo"),
    ("Osaka", "Osaka", "530", "Umeda"),
    ("Hyogo", "Kobe", "650", "Kitano"),
    ("Hiroshima", "Hiroshima", "730", "Hatchobori"),
    ("Fukuoka", "Fukuoka", "810", "Tenjin"),
    ("Hokkaido", "Sapporo", "060", "Odori"),
    ("Miyagi", "Sendai", "980", "Ichibancho"),
    ("Ishikawa", "Kanazawa", "920", "Korinbo"),
)


@dataclass(frozen=True, slots=True)
class Party:
    """One company, as both sides would hold it."""

    name: str
    phone: str
    website: str
    registration: str
    street: str
    city: str
    state: str
    code: str


def load_synthetic(world: World, count: int) -> None:
    """Fills a world. ValueError unless 1 ≤ count ≤ 100,000."""
    if not 1 <= count <= MOST:
        raise ValueError(f"synthetic:{count}: the number has to be from 1 to {MOST}")
    start = world.clock.stamp_now()
    with _collector_resting():
        _load_parties(world, start, count)
        _load_products(world, start, count // 10)


def _load_parties(world: World, start: datetime, count: int) -> None:
    crm, books = numbers_of_sides(count)
    parties = [party(n) for n in range(count + count // 10)]
    created = list(stamps_of(world, start, count))
    currency = world.base_currency
    world.crm.seed("Accounts", [account_of(parties[n], currency, *at) for n, at in zip(crm, created, strict=True)])
    world.books.seed("contacts", [customer_of(parties[n], currency, *at) for n, at in zip(books, created, strict=True)])


def _load_products(world: World, start: datetime, count: int) -> None:
    crm, books = numbers_of_sides(count)
    created = list(stamps_of(world, start, count))
    world.crm.seed("Products", [product_of(n, *at) for n, at in zip(crm, created, strict=True)])
    world.books.seed("items", [item_of(n, *at) for n, at in zip(books, created, strict=True)])


@contextmanager
def _collector_resting() -> Iterator[None]:
    """Nothing built here is garbage; walking millions of new objects again and again would take a fifth of the time."""
    resting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if resting:
            gc.enable()


def numbers_of_sides(count: int) -> tuple[list[int], list[int]]:
    """The numbers of a side's records, in order of creation. Every tenth of the CRM's is not in Books; as many of Books'
    (from `count` on) are not in the CRM; Books knows the shared ones in reverse order."""
    crm = list(range(count))
    shared = [n for n in crm if n % 10 != 9]
    return crm, [*reversed(shared), *range(count, count + count - len(shared))]


def party(n: int) -> Party:
    """The n-th company (0 ≤ n < 113,569)."""
    state, city, code, town = _CITIES[n % len(_CITIES)]
    first, second, *_ = words = name_words(n)
    return Party(
        name=" ".join(words),
        phone=_phone(n),
        website=f"https://{first}-{second}.example".lower(),
        registration=registration_number(100_000_000_000 + n * 7_654_321 % 800_000_000_000),
        street=f"{n % 9 + 1}-{n // 9 % 97 + 1}-{n // 873 + 1} {town}",
        city=city,
        state=state,
        code=f"{code}-{n * 37 % 10_000:04d}",
    )


def name_words(n: int) -> list[str]:
    """The four words of the n-th name."""
    first, second = divmod(n * 48_271 % WORDS**2, WORDS)
    indexes = (first, second, (first + second) % WORDS, (first + 2 * second) % WORDS)
    return [_word(place, index) for place, index in enumerate(indexes)]


def registration_number(base: int) -> str:
    """A qualified-invoice number: T, the check digit of a corporate number, its twelve digits `base`."""
    weighted = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(f"{base:012d}")))
    return f"T{9 - weighted % 9}{base:012d}"


@cache
def _word(place: int, index: int) -> str:
    syllables = _SYLLABLES[place]
    scattered = (index * _SCATTER[place] + 31 * place) % len(syllables) ** 2
    first, second = divmod(scattered, len(syllables))
    return f"{syllables[first]}{syllables[second]}{syllables[(first + second) % len(syllables)]}".capitalize()


def _phone(n: int) -> str:
    digits = str(30_000_000 + n * 7_368_787 % 40_000_000)
    return f"03-{digits[:4]}-{digits[4:]}"


def stamps_of(world: World, start: datetime, count: int) -> Iterator[tuple[str, str]]:
    """Created and modified stamps of `count` records: created one after the other, modified within the month after."""
    seconds = int(STAMPS_SINCE.total_seconds())
    month = 30 * 86_400
    for n in range(count):
        created = start - timedelta(seconds=seconds - n * (seconds - month) // count)
        modified = created + timedelta(seconds=n * 7_919 % month)
        yield stamp(created, world.zone), stamp(modified, world.zone)


def account_of(company: Party, currency: str, created: str, modified: str) -> dict[str, Any]:
    """A company as a CRM account."""
    return {
        "Account_Name": company.name,
        "Phone": company.phone,
        "Website": company.website,
        "Tax_Registration_Number": company.registration,
        "Billing_Street": company.street,
        "Billing_City": company.city,
        "Billing_State": company.state,
        "Billing_Code": company.code,
        "Billing_Country": "Japan",
        "Currency": currency,
        "Created_Time": created,
        "Modified_Time": modified,
    }


def customer_of(company: Party, currency: str, created: str, modified: str) -> dict[str, Any]:
    """A company as a business customer of Books."""
    return {
        "contact_name": company.name,
        "company_name": company.name,
        "contact_type": "customer",
        "customer_sub_type": "business",
        "currency_code": currency,
        "website": company.website,
        "cf_tax_registration_number": company.registration,
        "billing_address": {
            "address": company.street,
            "city": company.city,
            "state": company.state,
            "zip": company.code,
            "country": "Japan",
            "phone": company.phone,
        },
        "created_time": created,
        "last_modified_time": modified,
    }


def product_of(n: int, created: str, modified: str) -> dict[str, Any]:
    """The n-th product as the CRM holds it."""
    return {
        "Product_Name": _product_name(n),
        "Product_Code": _code(n),
        "Unit_Price": _price(n),
        "Product_Active": True,
        "Taxable": True,
        "Created_Time": created,
        "Modified_Time": modified,
    }


def item_of(n: int, created: str, modified: str) -> dict[str, Any]:
    """The n-th product as an item of Books."""
    return {
        "name": _product_name(n),
        "sku": _code(n),
        "rate": _price(n),
        "item_type": "sales",
        "product_type": "goods",
        "created_time": created,
        "last_modified_time": modified,
    }


def _product_name(n: int) -> str:
    return " ".join(reversed(name_words(n)))


def _code(n: int) -> str:
    """Two codes differ in more than one character: their halves differ together."""
    return f"SY-{n:05d}-{n * 37 % 100_000:05d}"


def _price(n: int) -> int:
    return 100 + n * 7_877 % 90_000
