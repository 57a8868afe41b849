"""The company that the built-in integration kept for years: who belongs to whom stands in Books, as the contract says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from renkei.sandbox.books.projections import contact_row, item_row
from renkei.sandbox.seeds import load, native
from renkei.sandbox.world import World


@pytest.fixture
def company(world: World) -> World:
    load(world, "native")
    return world


def customers(company: World, kind: str = "business") -> list[dict[str, Any]]:
    return [one for one in company.books.records("contacts").values() if one["customer_sub_type"] == kind]


def test_every_pair_names_an_account_and_some_accounts_are_gone(company: World) -> None:
    named = Counter(one["zcrm_account_id"] for one in customers(company) if one.get("zcrm_account_id"))
    assert len(named) == len(native.PAIRED) + len(native.DELETED)
    assert sorted(named.values())[-2:] == [1, 2], "one account is named by two customers"
    assert len(named.keys() - company.crm.records("Accounts").keys()) == len(native.DELETED)
    assert all(one["is_linked_with_zohocrm"] for one in customers(company) if one.get("zcrm_account_id"))
    loose = {one["zcrm_contact_id"] for one in customers(company, "individual")}
    assert len(loose & company.crm.records("Contacts").keys()) == len(native.LOOSE)
    items = {one["zcrm_product_id"] for one in company.books.records("items").values()} - {""}
    assert len(items & company.crm.records("Products").keys()) == len(native.PRODUCTS)


def test_clones_namesakes_and_renamed_ones_are_there(company: World) -> None:
    accounts = company.crm.records("Accounts")
    names = Counter(one["company_name"] for one in customers(company))
    assert sorted(names.values())[-6:] == [2] * 6, "three clones, one named twice, two couples of namesakes"
    assert Counter(one["Account_Name"] for one in accounts.values()).most_common(3)[1][1] == 2
    paired = [one for one in customers(company) if one.get("zcrm_account_id") in accounts]
    other_name = [one for one in paired if one["company_name"] != accounts[one["zcrm_account_id"]]["Account_Name"]]
    assert len(other_name) == len(native.RENAMED)


def test_some_stand_alone_and_nothing_carries_a_key_of_ours(company: World) -> None:
    alone = [one for one in customers(company) if not one["is_linked_with_zohocrm"]]
    assert len(alone) == len(native.CLONED) + len(native.ONLY_BOOKS) + len(native.UNPAIRED)
    assert not any(one["custom_fields"] and "renkei" in str(one["custom_fields"]) for one in customers(company))
    assert not any(one.get("renkei_books_id") for one in company.crm.records("Accounts").values())


def test_documents_of_deals_carry_the_deals_id(company: World) -> None:
    deals = company.crm.records("Deals")
    stages = {
        (deals[document["zcrm_potential_id"]]["Stage"], kind, document["status"])
        for kind in ("invoices", "estimates")
        for document in company.books.records(kind).values()
        if document["zcrm_potential_id"]
    }
    assert {(stage, kind) for stage, kind, _ in stages} == {
        ("Closed Won", "invoices"), ("Closed Lost", "estimates"), ("Qualification", "estimates"),
    }  # fmt: skip
    assert ("Closed Lost", "estimates", "declined") in stages
    for document in company.books.records("invoices").values():
        if document["zcrm_potential_id"]:
            account = deals[document["zcrm_potential_id"]]["Account_Name"]["id"]
            assert company.books.records("contacts")[document["customer_id"]]["zcrm_account_id"] == account


def test_invoices_are_there_also_of_customers_whose_account_is_gone(company: World) -> None:
    owing = {one["customer_id"] for one in company.books.records("invoices").values()}
    gone = {one["contact_id"] for one in customers(company) if one.get("zcrm_account_id") not in company.crm.records("Accounts")}
    assert len(owing) == len(native.PAIRED[::5]) + len(native.DELETED) and len(owing & gone) == len(native.DELETED)


def test_a_list_row_says_that_there_is_a_pair_and_only_the_detail_says_which(company: World) -> None:
    pair = next(one for one in customers(company) if one.get("zcrm_account_id"))
    row = contact_row(pair)
    assert row["is_linked_with_zohocrm"] is True and not any(key.startswith("zcrm") for key in row)
    assert company.books.detail("contacts", pair["contact_id"])["zcrm_account_id"] == pair["zcrm_account_id"]
    assert not any(key.startswith("zcrm") for person in pair["contact_persons"] for key in person)
    item = next(one for one in company.books.records("items").values() if one["zcrm_product_id"])
    assert item_row(item)["zcrm_product_id"] and item_row(item)["is_linked_with_zohocrm"] is True


def test_the_same_seed_gives_the_same_company(company: World) -> None:
    again = World(seed=99)
    again.clock.freeze(company.clock.now())
    load(again, "native")
    for module in ("Accounts", "Contacts", "Products"):
        assert again.crm.records(module) == company.crm.records(module)
    for kind in ("contacts", "items", "invoices"):
        assert again.books.records(kind) == company.books.records(kind)
