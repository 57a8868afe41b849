"""Mappings: rows to canonical values, canonical values to bodies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from renkei.core.errors import Bug
from renkei.core.mapping import (
    FieldSpec,
    Lookups,
    MappingSpec,
    full_row,
    get_path,
    map_frame,
    map_record,
    row_hash,
    take_person,
    too_long,
    unreadable,
    unwritable,
    values_of,
    with_defaults,
    write_fields,
)
from renkei.core.matching import MatchRules
from renkei.core.transforms import Unreadable
from renkei.core.values import MISSING


def spec(*fields: FieldSpec, books: str = "contacts", **more: Any) -> MappingSpec:
    return MappingSpec("accounts", "customers", "Accounts", books, fields, MatchRules(), **more)


NAME = FieldSpec("name", "text", "Account_Name", "company_name", "none", books_else="contact_name", max_length=(("books", 10),))
PHONE = FieldSpec("phone", "phone", "Phone", "billing_address.phone", "none", detail=True)
CITY = FieldSpec("city", "text", "Billing_City", "billing_address.city", "none", detail=True)
TAX = FieldSpec("tax", "text", "Tax", "cf_tax", "none", transform="tax_registration_number", optional=True)
OWNER = FieldSpec("owner", "lookup", "Owner.id", "cf_owner", "crm", lookup="owners", direction="to_books")
CURRENCY = FieldSpec(
    "currency", "text", "Currency", "currency_code", "none", transform="currency", lookup="currencies", books_write="currency_id"
)
LAST = FieldSpec("last_name", "text", "Last_Name", "primary_person.last_name", "none")
EMAIL = FieldSpec("email", "email", "Email", "primary_person.email", "none")
RATE = FieldSpec("rate", "decimal", "Unit_Price", "rate", "none", default=(("books", 0),))
ACTIVE = FieldSpec("active", "boolean", "Product_Active", "status", "none", transform="active_flag", special="active")


# ------------------------------------------------------------------------------------------------------- reading


def test_a_key_that_was_not_served_is_missing_and_null_is_blank() -> None:
    frame = map_frame([{"id": "1", "Phone": None}, {"id": "2", "Account_Name": "", "Phone": "03-1"}], spec(NAME, PHONE), "crm")
    assert values_of(frame) == [
        {"id": "1", "name": MISSING, "phone": None},
        {"id": "2", "name": None, "phone": "03-1"},
    ]


def test_ids_and_amounts_of_a_frame_never_become_floats() -> None:
    rows = [{"id": "5545974000000451001", "Unit_Price": 0.1}, {"id": "5545974000000451002", "Unit_Price": None}]
    frame = map_frame(rows, spec(RATE), "crm")
    assert frame["id"].tolist() == ["5545974000000451001", "5545974000000451002"]
    assert frame["rate"].tolist() == [Decimal("0.1"), None]


def test_a_frame_says_the_same_as_its_records_one_by_one() -> None:
    mapping = spec(NAME, PHONE, CITY, TAX)
    rows = [
        {"contact_id": "1", "company_name": "北商事", "billing_address": {"city": "東京", "phone": ""}, "custom_fields": []},
        {"contact_id": "2", "company_name": "", "contact_name": "南商事 (451001)", "cf_tax": "T1234567890123"},
    ]
    frame = values_of(map_frame(rows, mapping, "books"))
    assert frame == [{"id": row["contact_id"], **map_record(row, mapping, "books")} for row in rows]
    assert [row["name"] for row in frame] == ["北商事", "南商事 (451001)"]
    assert [row["tax"] for row in frame] == [None, "T1234567890123"]
    assert [row["city"] for row in frame] == ["東京", MISSING]


def test_no_rows_make_a_frame_with_every_column() -> None:
    frame = map_frame([], spec(NAME, PHONE), "crm")
    assert list(frame.columns) == ["id", "name", "phone"] and len(frame) == 0
    assert values_of(frame) == []


def test_an_unreadable_value_names_its_field() -> None:
    values = map_record({"id": "1", "Email": "nobody", "Last_Name": "Mori"}, spec(LAST, EMAIL), "crm")
    assert [name for name, _ in unreadable(values)] == ["email"]


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ({"custom_fields": [{"api_name": "cf_x", "value": "raw"}], "cf_x": "formatted"}, "raw"),
        ({"custom_field_hash": {"cf_x": "1,000", "cf_x_unformatted": "1000"}}, "1000"),
        ({"cf_x": "1,000", "cf_x_unformatted": "1000"}, "1000"),
        ({"cf_x": "plain"}, "plain"),
        ({"custom_fields": []}, None),
        ({"custom_field_hash": {}}, None),
        ({"company_name": "no custom fields served"}, MISSING),
    ],
)
def test_a_custom_field_is_found_in_every_shape_that_books_gives_it(row: dict[str, Any], value: Any) -> None:
    assert get_path(row, "cf_x") is value or get_path(row, "cf_x") == value


def test_an_individuals_person_is_read_from_the_list_row_and_from_the_detail() -> None:
    persons = [
        {"contact_person_id": "8", "last_name": "Second"},
        {"contact_person_id": "9", "last_name": "Mori", "is_primary_contact": True},
    ]
    assert get_path({"last_name": "Mori"}, "primary_person.last_name") == "Mori"
    assert get_path({"contact_persons": persons, "last_name": "stale"}, "primary_person.last_name") == "Mori"
    assert get_path({"contact_persons": [], "last_name": "stale"}, "primary_person.last_name") is None
    assert get_path({"contact_persons": persons[:1], "primary_contact_id": "8"}, "primary_person.last_name") == "Second"


def test_a_detail_wins_over_its_list_row_whose_other_keys_stay() -> None:
    row = full_row({"contact_id": "1", "email": "a@x.example", "notes": "old"}, {"contact_id": "1", "notes": "new"})
    assert row == {"contact_id": "1", "email": "a@x.example", "notes": "new"}
    assert full_row({"contact_id": "1"}, None) == {"contact_id": "1"}


def test_a_custom_field_that_was_emptied_does_not_come_back_from_the_list_row() -> None:
    row = full_row({"cf_tax": "T1", "cf_tax_unformatted": "T1", "custom_field_hash": {"cf_tax": "T1"}}, {"custom_fields": []})
    assert get_path(row, "cf_tax") is None


def test_a_field_that_the_mapping_does_not_read_does_not_change_the_row() -> None:
    mapping = spec(NAME, OWNER)
    row = {"id": "1", "Account_Name": "北商事", "Owner": {"id": "7", "name": "Aiko"}, "Rating": "A"}
    renamed = {**row, "Owner": {"id": "7", "name": "Aiko Mori"}, "Rating": "B"}
    assert row_hash(row, mapping, "crm") == row_hash(renamed, mapping, "crm")
    assert row_hash(row, mapping, "crm") != row_hash({**row, "Account_Name": "南商事"}, mapping, "crm")
    assert row_hash(row, mapping, "crm") != row_hash({**row, "Account_Name": None}, mapping, "crm")


# ------------------------------------------------------------------------------------------------------- writing


def test_one_changed_line_sends_the_whole_address_as_it_is_otherwise() -> None:
    current = {"contact_id": "1", "billing_address": {"address_id": "5", "address": "1-2-3", "city": "Chiyoda", "fax": "03-9"}}
    assert write_fields(spec(CITY, PHONE), "books", {"city": "Minato"}, current) == {
        "billing_address": {"address": "1-2-3", "city": "Minato", "fax": "03-9"}
    }


def test_an_address_that_was_never_read_is_not_overwritten() -> None:
    with pytest.raises(Bug, match="billing_address"):
        write_fields(spec(CITY), "books", {"city": "Minato"}, {"contact_id": "1"})


def test_a_create_takes_the_constants_of_its_side_and_an_update_does_not() -> None:
    mapping = spec(NAME, constants=(("books", "contact_type", "customer"), ("crm", "Rating", "A")))
    assert write_fields(mapping, "books", {"name": "北商事"}, None) == {"contact_type": "customer", "company_name": "北商事"}
    assert write_fields(mapping, "books", {"name": "北商事"}, {"contact_id": "1"}) == {"company_name": "北商事"}


def test_custom_fields_and_lookups_take_the_form_that_each_system_wants() -> None:
    lookups = Lookups({("owners", "crm"): {"7": "aiko@x.example"}, ("currencies", "books"): {"460097": "JPY"}})
    mapping = spec(TAX, OWNER, CURRENCY)
    changes = {"tax": "T1", "owner": "aiko@x.example", "currency": "JPY"}
    assert write_fields(mapping, "books", changes, None, lookups) == {
        "custom_fields": [{"api_name": "cf_tax", "value": "T1"}, {"api_name": "cf_owner", "value": "aiko@x.example"}],
        "currency_id": "460097",
    }
    assert write_fields(mapping, "crm", changes, None, lookups) == {"Tax": "T1", "Owner": {"id": "7"}, "Currency": "JPY"}


def test_an_emptied_field_is_null_in_the_crm_and_an_empty_text_in_books() -> None:
    assert write_fields(spec(NAME, OWNER), "crm", {"name": None, "owner": None}, {"id": "1"}) == {
        "Account_Name": None,
        "Owner": None,
    }
    assert write_fields(spec(TAX), "books", {"tax": None}, {"contact_id": "1"}) == {
        "custom_fields": [{"api_name": "cf_tax", "value": ""}]
    }


def test_a_missing_value_and_a_status_are_in_no_body() -> None:
    mapping = spec(NAME, ACTIVE, books="items")
    assert write_fields(mapping, "books", {"name": MISSING, "active": False}, {"item_id": "1"}) == {}
    assert write_fields(mapping, "crm", {"active": False}, {"id": "1"}) == {"Product_Active": False}


def test_an_individuals_person_travels_inside_a_create_and_by_its_own_call_afterwards() -> None:
    mapping = spec(LAST, EMAIL, CITY)
    created = write_fields(mapping, "books", {"last_name": "Mori", "email": "aiko@x.example"}, None)
    assert created == {"contact_persons": [{"is_primary_contact": True, "last_name": "Mori", "email": "aiko@x.example"}]}
    current = {"contact_persons": [{"contact_person_id": "9", "is_primary_contact": True}], "billing_address": {}}
    body, person = take_person(write_fields(mapping, "books", {"last_name": "Mori", "city": "Minato"}, current))
    assert body == {"billing_address": {"city": "Minato"}}
    assert person == {"contact_person_id": "9", "last_name": "Mori"}
    assert take_person({"company_name": "x"}) == ({"company_name": "x"}, None)


def test_a_value_without_a_raw_form_is_found_before_it_is_written() -> None:
    lookups = Lookups({("currencies", "books"): {"460097": "JPY"}})
    found = unwritable(spec(CURRENCY), "books", {"currency": "EUR"}, lookups)
    assert [(name, type(why)) for name, why in found] == [("currency", Unreadable)]
    with pytest.raises(Bug, match="currency"):
        write_fields(spec(CURRENCY), "books", {"currency": "EUR"}, None, lookups)


def test_a_name_that_the_mapping_does_not_have_is_our_own_fault() -> None:
    with pytest.raises(Bug, match="no field nmae"):
        write_fields(spec(NAME), "crm", {"nmae": "x"}, None)


def test_a_text_over_the_limit_of_the_written_side_is_told_with_its_length() -> None:
    assert too_long(spec(NAME), "books", {"name": "x" * 11}) == [("name", 11, 10)]
    assert too_long(spec(NAME), "books", {"name": "x" * 10}) == []
    assert too_long(spec(NAME), "crm", {"name": "x" * 11}) == []


def test_a_default_fills_a_blank_but_never_a_value() -> None:
    assert with_defaults(spec(RATE), "books", {"rate": None}) == {"rate": 0}
    assert with_defaults(spec(RATE), "books", {}) == {"rate": 0}
    assert with_defaults(spec(RATE), "books", {"rate": Decimal(5)}) == {"rate": Decimal(5)}
    assert with_defaults(spec(RATE), "crm", {"rate": None}) == {"rate": None}


def test_a_declared_default_becomes_what_the_mapping_writes() -> None:
    filled = with_defaults(spec(RATE), "books", {})
    assert isinstance(filled["rate"], Decimal)
    assert write_fields(spec(RATE), "books", filled, None)["rate"] == 0


def test_an_optional_field_may_be_left_out_and_another_may_not() -> None:
    mapping = spec(NAME, TAX)
    assert [item.name for item in mapping.without(["tax"]).fields] == ["name"]
    with pytest.raises(Bug):
        mapping.without(["name"])
