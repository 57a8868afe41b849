"""The demo's deals, by the shipped mapping: what they give is what the sandbox's Books takes, and reckons the same."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from renkei.config.project import load_project
from renkei.config.settings import Settings
from renkei.core.deal_lines import DealKnown, DocumentKind, document_of, fitting, product_ids, reads
from renkei.core.records import Currency, Row, User
from renkei.sandbox.books import documents
from renkei.sandbox.seeds import load
from renkei.sandbox.world import World

# Found by hand in the seed: an amount with tax beside prices without, and products whose codes no item has yet.
STOPPED = {
    "Kita renewal": ("held", "lines_differ"), "青山印刷 複合機入替": ("blocked", "product_not_linked"),
    "東海物産 什器一式": ("blocked", "product_not_linked"),
}  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    made = World(limits=False)
    load(made, "demo")
    return made


def code_of(world: World, item: str) -> str:
    return str(world.crm.tables["Products"].records[item].get("Product_Code"))


@pytest.mark.parametrize("kind", ["estimates", "invoices"])
def test_each_deal_of_the_demo_becomes_the_document_that_was_reckoned_or_says_why_not(world: World, kind: DocumentKind) -> None:
    books, deals = world.books.main, world.crm.tables["Deals"]
    spec = fitting(load_project(Settings.from_environment({})).deals[""], deals.fields)
    items = {str(one["sku"]): one for one in books.table("items").records.values()}
    products = {id: items.get(code_of(world, id)) for id in world.crm.tables["Products"].records}
    owners = {
        str(user["id"]): User(str(user["id"]), user["full_name"], user["email"], True) for user in world.crm.users.values()
    }  # fmt: skip
    currencies = {
        one["currency_code"]: Currency(one["currency_code"], one["price_precision"], one["currency_id"])
        for one in books.currencies.values()
    }
    contacts = [one for one in books.table("contacts").records.values() if one["contact_type"] == "customer"]
    customers: dict[str, Row] = {str(one["currency_code"]): one for one in contacts}
    known = DealKnown(products, list(books.taxes.values()), currencies, "JPY", owners)
    stopped = {}
    for deal in deals.records.values():
        wanted = reads(spec, kind)
        rows = [row for name in wanted.subforms for row in deal.get(name) or ()]
        assert set(product_ids(spec, rows)) <= set(products)
        given = document_of(spec, kind, deal, rows, customers[deal["Currency"]], known, date(2026, 11, 25))
        if given.document is None:
            assert given.stop is not None
            stopped[deal["Deal_Name"]] = (given.stop.outcome, given.stop.reason)
            continue
        made = documents.create_document(books, kind, given.document.body)
        reckoned = given.document.net, given.document.tax, given.document.total
        assert tuple(Decimal(str(made[name])) for name in ("sub_total", "tax_total", "total")) == reckoned
        assert (
            reckoned[0] == Decimal(str(deal["Amount"])) and made["salesperson_name"] and made["zcrm_potential_id"] == deal["id"]
        )
        documents.update_document(books, kind, made, given.document.edit)
        assert Decimal(str(made["total"])) == reckoned[2]
    assert stopped == STOPPED
