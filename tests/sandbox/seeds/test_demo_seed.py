"""The demo company group: as many of each as promised, the figures add up, and each piece of dirt is where it is said."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from stdnum.jp import cn

from renkei.sandbox.seeds import DEMO, load
from renkei.sandbox.world import World

KINDS = ("contacts", "items", "invoices", "customerpayments", "estimates", "salesorders", "purchaseorders")
MODULES = ("Accounts", "Contacts", "Products", "Deals")


@pytest.fixture
def demo(world: World) -> World:
    load(world, "demo")
    return world


def accounts(demo: World, name: str | None) -> list[dict[str, Any]]:
    return [record for record in demo.crm.records("Accounts").values() if record.get("Account_Name") == name]


def customer(demo: World, name: str) -> dict[str, Any]:
    (found,) = (record for record in demo.books.records("contacts").values() if record["contact_name"] == name)
    return found


def invoices(demo: World, name: str) -> list[dict[str, Any]]:
    id = customer(demo, name)["contact_id"]
    return [invoice for invoice in demo.books.records("invoices").values() if invoice["customer_id"] == id]


def money(value: Any) -> Decimal:
    return Decimal(str(value))


def test_it_is_as_large_as_promised(demo: World) -> None:
    counts = {module: len(demo.crm.records(module)) for module in MODULES}
    assert counts == {"Accounts": 40, "Contacts": 60, "Products": 25, "Deals": 12}
    counts = {kind: len(demo.books.records(kind)) for kind in KINDS}
    assert counts == {
        "contacts": 39, "items": 22, "invoices": 91, "customerpayments": 53, "estimates": 5, "salesorders": 3,
        "purchaseorders": 3,
    }  # fmt: skip


def test_every_status_and_currency_of_invoices_occurs(demo: World) -> None:
    statuses = Counter(invoice["status"] for invoice in demo.books.records("invoices").values())
    assert set(statuses) == {"draft", "sent", "overdue", "partially_paid", "paid", "void"}
    assert statuses["overdue"] >= 10
    currencies = Counter(invoice["currency_code"] for invoice in demo.books.records("invoices").values())
    assert currencies["JPY"] > currencies["USD"] >= 5


def test_invoices_add_up(demo: World) -> None:
    for invoice in demo.books.records("invoices").values():
        lines = sum(money(line["item_total"]) for line in invoice["line_items"])
        taxes = sum(money(tax["tax_amount"]) for tax in invoice["taxes"])
        assert money(invoice["sub_total"]) == lines
        assert money(invoice["total"]) == lines + taxes
        if invoice["status"] != "void":
            assert money(invoice["balance"]) == money(invoice["total"]) - money(invoice["payment_made"]) >= 0


def test_both_rates_of_consumption_tax_meet_on_one_invoice(demo: World) -> None:
    rates = [{line["tax_percentage"] for line in invoice["line_items"]} for invoice in demo.books.records("invoices").values()]
    assert {8, 10} in rates


def test_yen_have_no_decimals(demo: World) -> None:
    yen = [i for i in demo.books.records("invoices").values() if i["currency_code"] == "JPY"]
    assert all(isinstance(invoice[key], int) for invoice in yen for key in ("total", "balance", "tax_total"))


def test_payments_are_those_that_the_invoices_show(demo: World) -> None:
    paid: Counter[str] = Counter()
    for payment in demo.books.records("customerpayments").values():
        applied = sum(money(line["amount_applied"]) for line in payment["invoices"])
        assert applied + money(payment["unused_amount"]) == money(payment["amount"])
        for line in payment["invoices"]:
            paid[line["invoice_id"]] += money(line["amount_applied"])  # type: ignore[assignment]
            assert demo.books.records("invoices")[line["invoice_id"]]["customer_id"] == payment["customer_id"]
    for id, invoice in demo.books.records("invoices").items():
        assert money(invoice["payment_made"]) == paid[id]
    assert any(len(payment["invoices"]) == 2 for payment in demo.books.records("customerpayments").values())


def test_no_stamp_lies_in_the_future_and_none_is_modified_before_it_is_created(demo: World) -> None:
    now = demo.clock.now()
    pairs = [
        (record["Created_Time"], record["Modified_Time"]) for module in MODULES for record in demo.crm.records(module).values()
    ]
    pairs += [
        (record["created_time"], record["last_modified_time"]) for kind in KINDS for record in demo.books.records(kind).values()
    ]
    assert all(datetime.fromisoformat(made) <= datetime.fromisoformat(changed) < now for made, changed in pairs)


def test_lines_of_deals_add_up_to_their_amount_but_where_the_readme_says(demo: World) -> None:
    apart = []
    for deal in demo.crm.records("Deals").values():
        lines = deal.get("Deal_Lines", [])
        net = sum(money(line["Quantity"]) * money(line["List_Price"]) - money(line.get("Discount", 0)) for line in lines)
        if lines and net != money(deal["Amount"]):
            apart.append((deal["Deal_Name"], net, money(deal["Amount"])))
    assert apart == [("Kita renewal", 270000, 297000)]
    sizes = Counter(len(deal.get("Deal_Lines", [])) for deal in demo.crm.records("Deals").values())
    assert sizes == {0: 3, 1: 5, 2: 3, 3: 1}
    won = [deal for deal in demo.crm.records("Deals").values() if deal["Stage"] == "Closed Won"]
    assert len(won) == 4 and all(deal["Deal_Lines"] for deal in won)


def test_purchase_orders_name_vendors_and_are_in_every_state(demo: World) -> None:
    orders = demo.books.records("purchaseorders").values()
    assert [(order["status"], order["total"]) for order in orders] == [("billed", 139700), ("open", 154000), ("draft", 52800)]
    assert all(demo.books.records("contacts")[order["vendor_id"]]["contact_type"] == "vendor" for order in orders)


def test_unique_fields_are_unique(demo: World) -> None:
    contacts, items = demo.books.records("contacts").values(), demo.books.records("items").values()
    names = [contact["contact_name"].casefold() for contact in contacts]
    skus = [item["sku"] for item in items if item["sku"]]
    assert len(set(names)) == len(names)
    assert len(set(skus)) == len(skus)


def test_registration_numbers_are_valid_but_for_the_malformed_one(demo: World) -> None:
    numbers = [
        str(a["Tax_Registration_Number"]) for a in demo.crm.records("Accounts").values() if a.get("Tax_Registration_Number")
    ]
    malformed = [number for number in numbers if not cn.is_valid(number.removeprefix("T"))]
    assert len(numbers) > 25
    assert malformed == ["T123456789012"]


def test_lookups_lead_somewhere(demo: World) -> None:
    people, firms = demo.crm.records("Contacts"), demo.crm.records("Accounts")
    for person in people.values():
        assert "Account_Name" not in person or person["Account_Name"]["id"] in firms
    for deal in demo.crm.records("Deals").values():
        assert "Account_Name" not in deal or deal["Account_Name"]["id"] in firms
        assert deal["Contact_Name"]["id"] in people
    owners = {record["Owner"]["id"] for module in MODULES for record in demo.crm.records(module).values()}
    assert owners <= set(demo.crm.users)
    assert len(owners) > 1


def test_a_company_stands_twice_in_each_system(demo: World) -> None:
    (one,), (other,) = accounts(demo, "Sunrise Foods K.K."), accounts(demo, "サンライズフーズ株式会社")
    assert one["Tax_Registration_Number"] == other["Tax_Registration_Number"]
    first, second = customer(demo, "西日本運輸株式会社"), customer(demo, "西日本運輸(株)")
    assert first["billing_address"]["phone"] == second["billing_address"]["phone"]
    assert invoices(demo, "西日本運輸株式会社") and invoices(demo, "西日本運輸(株)")


def test_a_customer_has_two_candidate_accounts(demo: World) -> None:
    assert len({account["Phone"] for account in accounts(demo, "東海物産株式会社")}) == 2
    assert customer(demo, "東海物産株式会社")["billing_address"]["phone"] == ""


def test_the_other_dirt_is_where_the_readme_says(demo: World) -> None:
    people = list(demo.crm.records("Contacts").values())
    mails = Counter(person["Email"] for person in people if "Email" in person)
    products = list(demo.crm.records("Products").values())
    assert len(accounts(demo, None)) == 1
    assert accounts(demo, "Siam Lotus Trading Co., Ltd.")[0]["Currency"] == "THB"
    assert demo.books.main.currency_named("THB") is None
    assert [mail for mail in mails if "@" not in mail] == ["tsubasa.abe.chuo-medical.example"]
    assert sorted(mail for mail, count in mails.items() if count > 1) == [
        "anna.kimura@sunrise-foods.example", "info@sakura-foods.example", "star@ryusei-ent.example",
    ]  # fmt: skip
    assert Counter(person["Full_Name"] for person in people)["太郎 山田"] == 2
    assert max(len(product["Product_Name"]) for product in products) > 100
    assert len(customer(demo, "東北ロジスティクス株式会社")["billing_address"]["address"]) > 250
    assert any(" " in item["sku"] for item in demo.books.records("items").values())
    assert customer(demo, "みなと観光株式会社")["status"] == "inactive"
    assert {invoice["status"] for invoice in invoices(demo, "グリーン・リーフ株式会社")} == {"draft"}
    vendors = [c["contact_name"] for c in demo.books.records("contacts").values() if c["contact_type"] == "vendor"]
    assert vendors == ["エース清掃サービス株式会社", "Ginza Stationery Wholesale"]
    assert customer(demo, "㈲田中商店")["unused_credits_receivable_amount"] == 1000


def test_nothing_in_it_is_a_secret_or_a_real_address(demo: World) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DEMO.rglob("*.csv")))
    mails = [word for line in text.splitlines() for word in line.split(",") if "@" in word]
    assert mails and all(mail.lower().endswith((".example", "@example.jp")) for mail in mails)
    sites = [word for line in text.splitlines() for word in line.split(",") if word.startswith("http")]
    assert sites and all(site.endswith(".example") for site in sites)
    assert not any(secret in text for secret in (demo.client_id, demo.client_secret, demo.refresh_token, "1000."))


def test_loading_it_twice_gives_the_same_world(demo: World) -> None:
    again = World(seed=99)
    again.clock.freeze(demo.clock.now())
    load(again, "demo")
    for module in MODULES:
        assert again.crm.records(module) == demo.crm.records(module)
    for kind in KINDS:
        assert again.books.records(kind) == demo.books.records(kind)


@pytest.mark.parametrize("later", ["2027-03-01T23:59:59+00:00", "2030-12-31T00:00:01+00:00"])
def test_whenever_it_is_loaded_some_invoices_are_overdue(later: str) -> None:
    world = World()
    world.clock.freeze(datetime.fromisoformat(later))
    load(world, "demo")
    statuses = Counter(invoice["status"] for invoice in world.books.records("invoices").values())
    assert statuses["overdue"] >= 10 and statuses["sent"] >= 5
