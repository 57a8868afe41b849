"""The suites in expectations/: a good row of each kind passes, and each promise is broken by the row that breaks it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from renkei.core.values import MISSING
from renkei.quality.judge import GreatJudge

FOLDER = Path(__file__).parents[2] / "expectations"
CRM_STAMP = "2026-01-30T18:04:11+09:00"
BOOKS_STAMP = "2026-11-10T11:30:02+0900"
ADDRESS = {
    f"{kind}_{part}": text
    for kind in ("billing", "shipping")
    for part, text in {
        "street": "神田1-2-3",
        "city": "千代田区",
        "state": "東京都",
        "code": "101-0047",
        "country": "Japan",
    }.items()
}
PERSON = {
    "id": "7",
    "last_name": "森",
    "first_name": "愛子",
    "email": "mori@kita.example",
    "phone": "03-1234-5678",
    "mobile": None,
}

GOOD: dict[str, dict[str, Any]] = {
    "arrival/crm_accounts": {
        "id": "5545974000000451001",
        "Modified_Time": CRM_STAMP,
        "Account_Name": "㈱北商事",
        "Owner": {"id": "5545974000000411001"},
        "Currency": None,
        "Phone": "not looked at",
    },
    "arrival/crm_contacts": {
        "id": "5545974000000451002",
        "Modified_Time": CRM_STAMP,
        "Last_Name": "森",
        "First_Name": None,
        "Account_Name": {"name": "㈱北商事", "id": "5545974000000451001"},
        "Owner": {"id": "5545974000000411001", "name": "Sato"},
        "Currency": "JPY",
    },
    "arrival/crm_products": {
        "id": "5545974000000451003",
        "Modified_Time": CRM_STAMP,
        "Product_Name": "Chai",
        "Unit_Price": 18.5,
        "Product_Active": True,
    },
    "arrival/crm_deals": {
        "id": "5545974000000451004",
        "Modified_Time": CRM_STAMP,
        "Stage": "Closed Won",
        "Amount": None,
    },
    "arrival/books_contacts": {
        "id": "460000000026049",
        "last_modified_time": BOOKS_STAMP,
        "created_time": BOOKS_STAMP,
        "contact_name": "Kita Trading KK",
        "contact_type": "customer",
        "status": "active",
        "customer_sub_type": "business",
        "currency_code": "JPY",
    },
    "arrival/books_items": {
        "id": "460000000027009",
        "last_modified_time": BOOKS_STAMP,
        "name": "Consulting day",
        "rate": 90000,
        "status": "inactive",
    },
    "arrival/books_invoices": {
        "id": "460000000040114",
        "last_modified_time": BOOKS_STAMP,
        "customer_id": "460000000026049",
        "currency_code": "JPY",
        "status": "partially_paid",
        "total": 267300,
        "balance": Decimal("167300.00"),
        "date": "2026-11-05",
        "due_date": "2026-12-05",
        "last_payment_date": "",
    },
    "arrival/books_estimates": {
        "id": "460000000051007",
        "last_modified_time": BOOKS_STAMP,
        "customer_id": "460000000026049",
        "currency_code": "JPY",
        "status": "sent",
        "total": 88000,
        "date": "2026-11-05",
        "expiry_date": "",
    },
    "arrival/books_salesorders": {
        "id": "460000000052003",
        "last_modified_time": BOOKS_STAMP,
        "customer_id": "460000000026049",
        "currency_code": "EUR",
        "status": "open",
        "total": Decimal("120.50"),
        "date": "2026-11-05",
        "shipment_date": "2026-11-12",
    },
    "canonical/accounts": {
        "id": "1",
        "name": "株式会社北商事",
        "tax_registration_number": "T7000012050002",
        "phone": "03-1234-5678",
        "fax": MISSING,
        "website": "https://kita.example",
        "currency": "JPY",
        **ADDRESS,
    },
    "canonical/contacts": {**PERSON, **ADDRESS, "currency": "USD"},
    "canonical/persons": {**PERSON, "title": "経理", "department": "総務"},
    "canonical/products": {
        "id": "3",
        "name": "Chai",
        "sku": "TEA 1",
        "unit_price": Decimal("18.50"),
        "unit": "box",
        "active": True,
    },
}

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("arrival/crm_accounts", {"id": "5.545974e18"}, "expect_column_values_to_match_regex"),
    ("arrival/crm_accounts", {"Modified_Time": "2026-01-30T18:04:11"}, "expect_column_values_to_be_moments"),
    ("arrival/crm_accounts", {"Account_Name": None}, "expect_column_values_to_not_be_null"),
    ("arrival/crm_accounts", {"Account_Name": " \u3000"}, "expect_column_values_to_match_regex"),
    ("arrival/crm_accounts", {"Account_Name": "北" * 201}, "expect_column_value_lengths_to_be_between"),
    ("arrival/crm_accounts", {"Owner": {"name": "Sato"}}, "expect_column_values_to_match_regex"),
    ("arrival/crm_accounts", {"Currency": "YEN"}, "expect_column_values_to_be_iso_currencies"),
    ("arrival/crm_contacts", {"Last_Name": MISSING}, "expect_column_values_to_not_be_null"),
    ("arrival/crm_contacts", {"Account_Name": "㈱北商事"}, "expect_column_values_to_match_regex"),
    ("arrival/crm_products", {"Unit_Price": "1,200"}, "expect_column_values_to_be_amounts"),
    ("arrival/crm_products", {"Product_Active": "yes"}, "expect_column_values_to_be_in_set"),
    ("arrival/crm_deals", {"Stage": None}, "expect_column_values_to_not_be_null"),
    ("arrival/crm_deals", {"Amount": "1,200"}, "expect_column_values_to_be_amounts"),
    ("arrival/books_contacts", {"contact_type": "vendor"}, "expect_column_values_to_be_in_set"),
    ("arrival/books_contacts", {"status": {"code": 1}}, "expect_column_values_to_be_in_set"),
    ("arrival/books_contacts", {"last_modified_time": None}, "expect_column_values_to_not_be_null"),
    ("arrival/books_items", {"rate": -1}, "expect_column_values_to_be_amounts"),
    ("arrival/books_items", {"name": "x" * 101}, "expect_column_value_lengths_to_be_between"),
    ("arrival/books_invoices", {"customer_id": None}, "expect_column_values_to_not_be_null"),
    ("arrival/books_invoices", {"status": "lost"}, "expect_column_values_to_be_in_set"),
    ("arrival/books_invoices", {"total": 267300.5}, "expect_column_values_to_be_amounts"),
    ("arrival/books_invoices", {"balance": -1}, "expect_column_values_to_be_amounts"),
    ("arrival/books_invoices", {"date": "05/11/2026"}, "expect_column_values_to_be_iso_dates"),
    ("arrival/books_estimates", {"customer_id": ""}, "expect_column_values_to_match_regex"),
    ("arrival/books_estimates", {"total": None}, "expect_column_values_to_not_be_null"),
    ("arrival/books_estimates", {"status": None}, "expect_column_values_to_not_be_null"),
    ("arrival/books_salesorders", {"currency_code": "YEN"}, "expect_column_values_to_be_iso_currencies"),
    ("arrival/books_salesorders", {"total": -1}, "expect_column_values_to_be_amounts"),
    ("canonical/accounts", {"tax_registration_number": "T123"}, "expect_column_values_to_match_regex"),
    ("canonical/accounts", {"name": None}, "expect_column_values_to_not_be_null"),
    ("canonical/accounts", {"phone": "0" * 31}, "expect_column_value_lengths_to_be_between"),
    ("canonical/contacts", {"email": "mori@"}, "expect_column_values_to_be_email_addresses"),
    ("canonical/persons", {"last_name": "  "}, "expect_column_values_to_match_regex"),
    ("canonical/products", {"sku": "TEA-1 "}, "expect_column_values_to_match_regex"),
    ("canonical/products", {"unit_price": Decimal("-0.01")}, "expect_column_values_to_be_amounts"),
    ("canonical/products", {"active": "active"}, "expect_column_values_to_be_in_set"),
]


def shipped() -> dict[str, list[dict[str, Any]]]:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.rglob("*.yaml"))]
    return {file["suite"]: file["expectations"] for file in files}


def table(suite: str, *changes: dict[str, Any]) -> pd.DataFrame:
    """A good row for each change, with the change made; ids count up where the change does not touch them."""
    rows = [GOOD[suite] | {"id": str(place)} | change for place, change in enumerate(changes, 1)]
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in rows[0]})


def test_every_file_is_named_after_its_suite_and_has_a_good_row_here() -> None:
    assert set(shipped()) == {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.yaml")} == set(GOOD)


def test_every_shipped_expectation_is_well_formed() -> None:
    assert GreatJudge(shipped()).faults() == []


def test_every_shipped_expectation_has_words_for_people_and_a_reason_above_it() -> None:
    for path in FOLDER.rglob("*.yaml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for place, line in enumerate(lines):
            if line.startswith("  - type:"):
                assert lines[place - 1].startswith("  # "), f"{path.name}:{place + 1} has no reason"
    assert all(rule["meta"]["words"].endswith(".") for rules in shipped().values() for rule in rules)


@pytest.mark.parametrize("suite", sorted(GOOD))
def test_a_good_row_passes(suite: str) -> None:
    result = GreatJudge(shipped()).judge(suite, table(suite, {"id": GOOD[suite]["id"]}))
    assert (result.checked, result.failures, result.table) == (1, (), ())


@pytest.mark.parametrize("suite", sorted(GOOD))
def test_each_broken_promise_is_the_failure_of_its_row_alone(suite: str) -> None:
    cases = [(change, rule) for name, change, rule in BAD if name == suite]
    result = GreatJudge(shipped()).judge(suite, table(suite, {}, *[change for change, _ in cases]))
    assert result.table == ()
    expected = {(change.get("id", str(place)), next(iter(change)), rule) for place, (change, rule) in enumerate(cases, 2)}
    assert {(failure.id, failure.field, failure.rule) for failure in result.failures} == expected
    assert cases


def test_a_row_that_came_twice_is_named_twice() -> None:
    result = GreatJudge(shipped()).judge("arrival/crm_accounts", table("arrival/crm_accounts", {"id": "8"}, {"id": "8"}))
    assert [(failure.id, failure.rule) for failure in result.failures] == [("8", "expect_column_values_to_be_unique")] * 2
