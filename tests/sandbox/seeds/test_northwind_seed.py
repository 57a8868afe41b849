"""A folder shaped like the public Northwind files becomes a folder seed."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from renkei.sandbox.seeds import load
from renkei.sandbox.seeds.northwind import convert, variant
from renkei.sandbox.world import World

COUNTRIES = ("Germany", "France", "Norway", "USA")


def table(path: Path, columns: str, rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split())
        writer.writerows(rows)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Thirteen customers (three of them known to Books), twelve products, an order a week for each customer in turn."""
    folder = tmp_path / "source"
    folder.mkdir()
    table(
        folder / "customers.csv",
        "customerID companyName contactName contactTitle address city region postalCode country phone fax",
        [
            (f"C{n:02d}", f"Maison Élan {n}", f"Ana María Nº{n}", "Owner", f"Obere Str. {n}", "Berlin", "NULL",
             f"12{n:03d}", COUNTRIES[n % 4], f"030-00743{n:02d}", "NULL")
            for n in range(13)
        ],
    )  # fmt: skip
    table(
        folder / "products.csv",
        "productID productName supplierID quantityPerUnit unitPrice unitsInStock discontinued",
        [(n, f"Chai {n}", 1, "10 boxes", f"{n}.50", 39, int(n == 7)) for n in range(1, 13)],
    )
    table(folder / "employees.csv", "employeeID lastName firstName", [(1, "Davolio", "Nancy"), (2, "Fuller", "Andrés")])
    table(
        folder / "orders.csv",
        "orderID customerID employeeID orderDate freight shipName",
        [(100 + n, f"C{n % 13:02d}", 1 + n % 13 % 2, f"1998-0{1 + n // 28}-{1 + n % 28:02d} 00:00:00.000", "4.20", "x")
         for n in range(78)],
    )  # fmt: skip
    table(
        folder / "order_details.csv",
        "orderID productID unitPrice quantity discount",
        [(100 + n, p, f"{p}.25", n % 7 + 1, "0.15" if p == 5 else "0") for n in range(78) for p in (4, 5)],
    )
    return folder


@pytest.fixture
def northwind(world: World, source: Path, tmp_path: Path) -> World:
    convert(source, tmp_path / "seed")
    load(world, str(tmp_path / "seed"))
    return world


def by(records: Mapping[str, dict[str, Any]], key: str) -> dict[Any, dict[str, Any]]:
    return {record[key]: record for record in records.values()}


def test_the_crm_has_every_customer_with_its_person_and_owner(northwind: World) -> None:
    accounts = by(northwind.crm.records("Accounts"), "Account_Number")
    people = northwind.crm.records("Contacts").values()
    assert len(accounts) == 13
    assert {person["Account_Name"]["id"] for person in people} == {account["id"] for account in accounts.values()}
    owners = {number: northwind.crm.users[account["Owner"]["id"]]["email"] for number, account in accounts.items()}
    assert owners["C00"] == "nancy.davolio@northwind.example"
    assert owners["C01"] == "andres.fuller@northwind.example"
    assert "Billing_State" not in accounts["C00"]


def test_a_person_is_split_at_the_family_name(northwind: World) -> None:
    person = next(iter(northwind.crm.records("Contacts").values()))
    assert (person["First_Name"], person["Last_Name"]) == ("Ana María", "Nº0")


def test_books_knows_every_sixth_customer_half_of_them_misspelt(northwind: World) -> None:
    names = [contact["contact_name"] for contact in northwind.books.records("contacts").values()]
    assert names == ["Maison Élan 0 GmbH", "Maison Élan 6", "Maison Elan 12"]


def test_products_carry_codes_and_most_are_items(northwind: World) -> None:
    products = by(northwind.crm.records("Products"), "Product_Code")
    skus = [item["sku"] for item in northwind.books.records("items").values()]
    assert products["NW-3"]["Unit_Price"] == 3.5
    assert products["NW-7"]["Product_Active"] is False
    assert skus == ["NW-1", "NW-2", "NW-3", "NW 5", "NW-6", "NW-7", "NW-8", "NW-10", "NW-11", "NW-12"]


def test_each_order_of_a_known_customer_is_an_invoice_with_its_lines(northwind: World) -> None:
    invoices = by(northwind.books.records("invoices"), "invoice_number")
    assert len(invoices) == 18
    free, line = invoices["NW-106"]["line_items"]
    assert (free["item_id"], free["name"], free["rate"], free["quantity"]) == ("", "Chai 4", 4.25, 7)
    assert (line["name"], line["discount"], line["item_total"]) == ("Chai 5", "15%", 31.24)
    assert invoices["NW-106"]["total"] == float(Decimal("29.75") + Decimal("31.24") + Decimal("4.20"))
    assert {invoice["currency_code"] for invoice in invoices.values()} == {"USD"}


def test_a_third_is_paid_a_third_paid_in_part_and_a_third_open(northwind: World) -> None:
    kinds: Counter[str] = Counter()
    for invoice in northwind.books.records("invoices").values():
        paid = Decimal(str(invoice["payment_made"]))
        kinds["open" if not paid else "paid" if invoice["balance"] == 0 else "part"] += 1
        assert Decimal(str(invoice["balance"])) == Decimal(str(invoice["total"])) - paid
    assert kinds == {"paid": 6, "part": 6, "open": 6}


def test_the_newest_order_is_three_days_old_and_no_payment_lies_ahead(northwind: World) -> None:
    """Today is 2026-02-02. The newest order of all, 177, is of customer 12."""
    dates = [invoice["date"] for invoice in northwind.books.records("invoices").values()]
    assert max(dates) == "2026-01-30"
    assert max(payment["date"] for payment in northwind.books.records("customerpayments").values()) < "2026-02-02"


def test_without_employees_the_sandboxs_own_user_owns_everything(world: World, source: Path, tmp_path: Path) -> None:
    (source / "employees.csv").unlink()
    convert(source, tmp_path / "seed")
    load(world, str(tmp_path / "seed"))
    owners = {account["Owner"]["id"] for account in world.crm.records("Accounts").values()}
    assert owners == {world.crm.human_user["id"]}


def test_converting_twice_writes_the_same_files(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "one")
    convert(source, tmp_path / "two")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.csv"))
    assert len(files) == 11
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


@pytest.mark.parametrize(
    ("name", "country", "number", "typed"),
    [
        ("Alfreds Futterkiste", "Germany", 0, "Alfreds Futterkiste GmbH"),
        ("Que Delícia", "Brazil", 1, "Que Delicia"),
        ("Hungry Owl", "Ireland", 2, "HUNGRY OWL"),
        ("Vins et alcools Chevalier", "France", 3, "Vins & alcools Chevalier"),
        ("Hungry Owl", "Ireland", 0, "HUNGRY OWL"),
    ],
)
def test_another_clerk_types_the_name_in_his_way(name: str, country: str, number: int, typed: str) -> None:
    assert variant(name, country, number) == typed


def test_a_missing_file_or_column_is_named(source: Path, tmp_path: Path) -> None:
    table(source / "products.csv", "productID productName", [])
    with pytest.raises(ValueError, match=r"products\.csv:1: there is no column quantityPerUnit, unitPrice"):
        convert(source, tmp_path / "seed")
    (source / "orders.csv").unlink()
    table(source / "products.csv", "productID productName quantityPerUnit unitPrice unitsInStock discontinued", [])
    with pytest.raises(ValueError, match=r"orders\.csv is missing"):
        convert(source, tmp_path / "seed")
