"""A company before renkei: nothing that renkei needs is there, and a few records of each side that have no partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from renkei.sandbox.crm.fields import BOOKS_ID, CUSTOM_MODULES

if TYPE_CHECKING:
    from renkei.sandbox.world import World

ACCOUNTS = ("Aoba Foods", "Hoshino Printing", "Kaede Logistics", "Mizuho Kogyo", "Sakura Dental", "Tsubame Travel")
CUSTOMERS = ("Hinode Bakery", "Nagisa Marine", "Yamabuki Paper")
PRODUCTS = (("Survey", "SV-1", 30000), ("Maintenance", "MT-1", 120000))
ITEMS = (("Spare filter", "SF-9", 4800),)


def load_bare(world: World) -> None:
    """Takes our custom fields and modules away from both sides, of every Books organisation, and adds the records."""
    crm = world.crm
    for module in CUSTOM_MODULES:
        crm.remove_module(module)
    for module in crm.tables:
        crm.remove_field(module, BOOKS_ID.name)
    for org in world.books.organisations.values():
        for entity in org.fields:
            org.fields[entity] = []
    crm.seed("Accounts", [{"Account_Name": name, "Phone": f"03-5550-{1000 + n}"} for n, name in enumerate(ACCOUNTS)])
    for name, code, price in PRODUCTS:
        crm.seed("Products", [{"Product_Name": name, "Product_Code": code, "Unit_Price": price, "Product_Active": True}])
    world.books.seed(
        "contacts",
        [
            {"contact_name": name, "company_name": name, "contact_type": "customer", "customer_sub_type": "business"}
            for name in CUSTOMERS
        ],
    )
    world.books.seed("items", [{"name": name, "sku": sku, "rate": rate} for name, sku, rate in ITEMS])
