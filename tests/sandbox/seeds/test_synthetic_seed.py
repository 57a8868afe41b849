"""synthetic:N and empty: the counts, the pairs and the names that the proofs of the sync rest on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import phonenumbers
import pytest
from rapidfuzz import fuzz, process
from stdnum.jp import cn

from renkei.sandbox.seeds import load
from renkei.sandbox.seeds.synthetic import name_words, party
from renkei.sandbox.world import World

PRODUCTS = {"Product_Name": "name", "Product_Code": "sku", "Unit_Price": "rate"}


def crm_party(account: dict[str, Any]) -> tuple[Any, ...]:
    names = ("Account_Name", "Phone", "Website", "Tax_Registration_Number", "Currency")
    address = ("Street", "City", "State", "Code", "Country")
    return (*(account[name] for name in names), *(account[f"Billing_{part}"] for part in address))


def books_party(contact: dict[str, Any]) -> tuple[Any, ...]:
    assert contact["contact_name"] == contact["company_name"]
    address = contact["billing_address"]
    (registration,) = contact["custom_fields"]
    return (
        contact["company_name"],
        address["phone"],
        contact["website"],
        registration["value"],
        contact["currency_code"],
        *(address[part] for part in ("address", "city", "state", "zip", "country")),
    )


def loaded(world: World, name: str) -> World:
    load(world, name)
    return world


def everything(world: World) -> dict[str, Any]:
    books = {kind: table.records for kind, table in world.books.main.tables.items()}
    return {**books, **{module: table.records for module, table in world.crm.tables.items()}}


def test_empty_holds_no_record_but_every_field_that_renkei_needs(world: World) -> None:
    load(world, "empty")
    assert not any(everything(world).values())
    assert all(world.crm.tables[module].fields["renkei_books_id"].unique for module in ("Accounts", "Contacts", "Products"))
    assert "renkei_key" in world.crm.tables["Renkei_Receivables"].fields
    assert "cf_renkei_crm_id" in [field.api_name for field in world.books.main.fields_of("contacts")]


def test_nine_of_ten_parties_stand_on_both_sides_under_equal_values(world: World) -> None:
    load(world, "synthetic:2000")
    crm = {crm_party(account) for account in world.crm.records("Accounts").values()}
    books = {books_party(contact) for contact in world.books.records("contacts").values()}
    assert (len(crm), len(books), len(crm & books)) == (2000, 2000, 1800)


def test_nine_of_ten_products_stand_on_both_sides(world: World) -> None:
    load(world, "synthetic:2000")
    crm = {tuple(product[name] for name in PRODUCTS) for product in world.crm.records("Products").values()}
    books = {tuple(item[name] for name in PRODUCTS.values()) for item in world.books.records("items").values()}
    assert (len(crm), len(books), len(crm & books)) == (200, 200, 180)


def test_everyone_is_an_active_business_without_persons_or_documents(world: World) -> None:
    load(world, "synthetic:50")
    contacts = world.books.records("contacts").values()
    kinds = {(c["contact_type"], c["customer_sub_type"], c["status"], len(c["contact_persons"])) for c in contacts}
    assert kinds == {("customer", "business", "active", 0)}
    assert not world.crm.records("Contacts") and not world.crm.records("Deals")
    assert not any(world.books.records(kind) for kind in ("invoices", "customerpayments", "estimates", "salesorders"))


def test_each_identifying_value_belongs_to_one_party(world: World) -> None:
    load(world, "synthetic:2000")
    parties = {crm_party(account) for account in world.crm.records("Accounts").values()}
    parties |= {books_party(contact) for contact in world.books.records("contacts").values()}
    assert len(parties) == 2200
    for column in range(4):
        assert len({values[column] for values in parties}) == 2200


def test_the_values_are_valid_in_japan() -> None:
    for n in range(0, 110_000, 1_733):
        company = party(n)
        cn.validate(company.registration.removeprefix("T"))
        assert company.registration[0] == "T"
        assert phonenumbers.is_valid_number(phonenumbers.parse(company.phone, "JP")), company.phone


def test_stamps_lie_in_the_two_years_before_the_start(world: World) -> None:
    load(world, "synthetic:400")
    now = world.clock.now()
    stamps = [
        (datetime.fromisoformat(record[created]), datetime.fromisoformat(record[modified]))
        for records, created, modified in (
            (world.crm.records("Accounts"), "Created_Time", "Modified_Time"),
            (world.crm.records("Products"), "Created_Time", "Modified_Time"),
            (world.books.records("contacts"), "created_time", "last_modified_time"),
            (world.books.records("items"), "created_time", "last_modified_time"),
        )
        for record in records.values()
    ]
    assert all(now - timedelta(days=730) <= created <= modified < now for created, modified in stamps)
    assert max(modified for _, modified in stamps) - min(created for created, _ in stamps) > timedelta(days=600)


def most_alike(names: list[str], others: Iterable[str]) -> float:
    """The highest likeness (0 to 100) of two different names, in any order of their words."""
    others = list(others)
    scores = process.cdist(names, others, scorer=fuzz.token_set_ratio, dtype=np.float32)
    for row, name in enumerate(names):
        scores[row, others.index(name)] = 0
    return float(scores.max())


def test_no_two_of_two_thousand_names_look_alike() -> None:
    names = [" ".join(name_words(n)) for n in range(0, 22_000, 11)]
    assert len(names) == 2_000
    assert most_alike(names[:1_000], names) < 80


def test_neighbouring_names_look_no_more_alike_than_others() -> None:
    names = [" ".join(name_words(n)) for n in range(1_000)]
    assert most_alike(names, names) < 80


def test_two_names_share_at_most_one_of_four_words() -> None:
    seen: dict[tuple[int, int, str, str], int] = {}
    for n in range(20_000):
        words = name_words(n)
        for first in range(4):
            for second in range(first + 1, 4):
                key = (first, second, words[first], words[second])
                assert seen.setdefault(key, n) == n, f"{seen[key]} and {n} share {words[first]} and {words[second]}"


def test_the_same_number_gives_the_same_world(world: World) -> None:
    again = World(seed=8)
    again.clock.freeze(world.clock.now())
    assert everything(loaded(world, "synthetic:60")) == everything(loaded(again, "synthetic:60"))


@pytest.mark.parametrize("name", ["synthetic:", "synthetic:many", "synthetic:-5", "synthetic:0", "synthetic:100001"])
def test_a_number_that_is_none_is_refused(world: World, name: str) -> None:
    with pytest.raises(ValueError, match="synthetic:"):
        load(world, name)
