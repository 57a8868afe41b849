"""Products and items, from situations in both systems to what a run leaves there; the next run writes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from company import Company

from renkei.core.values import Ref


@pytest.fixture
def shop(company: Company) -> Company:
    company.entities = ("products",)
    company.choose("products", duplicates="link")
    return company


def product(record: str) -> Ref:
    return Ref("crm", "Products", record)


def item(record: str) -> Ref:
    return Ref("books", "items", record)


def seed_product(company: Company, name: str = "Copy paper", sku: str | None = "CP-1", **fields: Any) -> str:
    return company.seed_crm("Products", Product_Name=name, Product_Code=sku, **{"Product_Active": True, **fields})


def seed_item(company: Company, name: str = "Copy paper", sku: str = "CP-1", **fields: Any) -> str:
    return company.seed_books("items", name=name, sku=sku, **{"rate": 500, **fields})


async def linked(company: Company) -> tuple[str, str]:
    crm, books = seed_product(company, Unit_Price=500), seed_item(company)
    await company.sync()
    assert company.crm("Products")[crm]["renkei_books_id"] == books
    return crm, books


async def test_products_and_items_are_created_both_ways(shop: Company) -> None:
    seed_product(shop, "Copy paper", "CP-1", Unit_Price=480)
    seed_item(shop, "Toner", "TN-1", rate=9000)
    await shop.sync()
    prices = {one["Product_Name"]: float(one["Unit_Price"]) for one in shop.crm("Products").values()}
    rates = {one["name"]: float(one["rate"]) for one in shop.books("items").values()}
    assert prices == rates == {"Copy paper": 480, "Toner": 9000}
    await shop.quiet()
    await shop.quiet(full=False)


async def test_a_price_edited_on_one_side_reaches_the_other_and_a_clash_is_asked(shop: Company) -> None:
    crm, books = await linked(shop)
    shop.edit_crm("Products", crm, Unit_Price=600)
    await shop.sync()
    assert float(shop.books("items")[books]["rate"]) == 600
    shop.edit_books("items", books, rate=650)
    await shop.sync()
    assert float(shop.crm("Products")[crm]["Unit_Price"]) == 650
    shop.edit_crm("Products", crm, Unit_Price=700)
    shop.edit_books("items", books, rate=750)
    await shop.quiet()
    (hold,) = shop.ledger.open_holds("demo")
    assert (hold.question, hold.field) == ("conflict", "unit_price")


@pytest.mark.parametrize("active", [False, True], ids=["deactivated", "activated"])
async def test_a_product_taken_off_the_market_is_inactive_in_books_by_its_own_call(shop: Company, active: bool) -> None:
    crm, books = await linked(shop)
    shop.edit_crm("Products", crm, Product_Active=False)
    await shop.sync()
    assert shop.books("items")[books]["status"] == "inactive"
    if active:
        shop.edit_crm("Products", crm, Product_Active=True)
        await shop.sync()
        assert shop.books("items")[books]["status"] == "active"
    await shop.quiet()


async def test_a_product_that_is_not_sold_any_more_is_created_as_an_inactive_item(shop: Company) -> None:
    crm = seed_product(shop, Product_Active=False)
    await shop.sync()
    (made,) = shop.books("items").values()
    assert made["status"] == "inactive" and shop.crm("Products")[crm]["renkei_books_id"] == made["item_id"]
    await shop.quiet()
    shop.edit_crm("Products", crm, Product_Active=True)
    await shop.sync()
    assert [one["status"] for one in shop.books("items").values()] == ["active"]
    await shop.quiet()


async def test_an_item_made_inactive_in_books_comes_back_to_the_crm(shop: Company) -> None:
    crm, books = await linked(shop)
    shop.world.clock.advance(600)
    shop.world.books.set_active("items", books, False)
    await shop.sync()
    assert shop.crm("Products")[crm]["Product_Active"] is False
    await shop.quiet()


async def test_a_clone_takes_a_name_and_a_sku_of_its_own_once(shop: Company) -> None:
    shop.choose("products", duplicates="clone")
    crm, books = seed_product(shop), seed_item(shop)
    await shop.sync()
    (clone,) = shop.books("items").keys() - {books}
    made = shop.books("items")[clone]
    assert (made["name"], made["sku"]) == (f"Copy paper ({crm[-6:]})", f"CP-1-{crm[-6:]}")
    assert shop.crm("Products")[crm]["renkei_books_id"] == clone
    assert shop.outcome(item(books)) == ("skipped", "set_aside")
    await shop.quiet()
    assert shop.crm("Products")[crm]["Product_Name"] == "Copy paper", "the clone's distinct name stays in Books"
    shop.edit_crm("Products", crm, Description="A4")
    await shop.sync()
    made = shop.books("items")[clone]
    assert (made["name"], made["description"]) == (f"Copy paper ({crm[-6:]})", "A4") and len(shop.books("items")) == 2
    await shop.quiet()


async def test_a_conflict_kept_as_a_copy_is_an_item_of_its_own_once(shop: Company) -> None:
    shop.choose("products", conflicts="clone")
    crm, books = await linked(shop)
    shop.edit_crm("Products", crm, Unit_Price=600)
    shop.edit_books("items", books, rate=700)
    await shop.sync()
    (copy,) = shop.books("items").keys() - {books}
    assert float(shop.books("items")[books]["rate"]) == 600 and float(shop.books("items")[copy]["rate"]) == 700
    assert shop.books("items")[copy]["sku"].startswith("CP-1-")
    await shop.quiet()
    assert shop.outcome(item(copy)) == ("skipped", "conflicts_clone") and len(shop.crm("Products")) == 1


async def test_to_books_leaves_a_price_edited_in_books_until_the_crm_edits_it_too(shop: Company) -> None:
    shop.choose("products", direction="to_books", conflicts="overwrite")
    crm, books = await linked(shop)
    shop.edit_books("items", books, rate=700)
    await shop.quiet()
    assert shop.outcome(item(books)) == ("skipped", "direction") and float(shop.crm("Products")[crm]["Unit_Price"]) == 500
    shop.edit_crm("Products", crm, Description="A4")
    await shop.sync()
    assert float(shop.books("items")[books]["rate"]) == 700, "another field's edit touches it not"
    shop.edit_crm("Products", crm, Unit_Price=600)
    await shop.sync()
    assert float(shop.books("items")[books]["rate"]) == 600
    await shop.quiet()


async def test_a_list_left_unread_blocks_creates_that_would_need_it(shop: Company) -> None:
    await linked(shop)
    for number in range(3):
        seed_item(shop, f"Part {number}", f"P-{number}")
    await shop.sync()
    shop.spec = dataclasses.replace(shop.spec, budget=dataclasses.replace(shop.spec.budget, hourly_list_pages=0))
    await shop.sync()
    shop.world.clock.advance(600)
    late = seed_product(shop, "Toner", "TN-1")
    await shop.quiet(full=False)
    assert shop.outcome(product(late)) == ("blocked", "list_unread")
    await shop.sync()
    assert shop.outcome(product(late)) == ("created", "new_in_crm")
    await shop.quiet()
