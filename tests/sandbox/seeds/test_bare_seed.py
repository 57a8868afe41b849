"""The seed `bare`: a company before renkei."""

from __future__ import annotations

from renkei.sandbox.seeds import load
from renkei.sandbox.world import World


def test_nothing_of_ours_is_on_either_side_and_the_rest_is_as_ever(world: World) -> None:
    usual = set(world.crm.tables["Accounts"].fields)
    load(world, "bare")
    assert not any("renkei" in name.lower() for name in world.crm.tables)
    assert not any("renkei" in name for table in world.crm.tables.values() for name in table.fields)
    assert usual - set(world.crm.tables["Accounts"].fields) == {"renkei_books_id"}
    for org in world.books.organisations.values():
        assert {"contact", "item", "invoice"} <= set(org.fields) and not any(org.fields.values())


def test_no_party_and_no_product_stands_on_both_sides(world: World) -> None:
    load(world, "bare")
    accounts = {row["Account_Name"] for row in world.crm.records("Accounts").values()}
    customers = {row["company_name"] for row in world.books.records("contacts").values()}
    products = {row["Product_Code"] for row in world.crm.records("Products").values()}
    items = {row["sku"] for row in world.books.records("items").values()}
    assert (len(accounts), len(customers), len(products), len(items)) == (6, 3, 2, 1)
    assert not accounts & customers and not products & items
