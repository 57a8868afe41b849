"""An administrator shapes the organisation over the CRM API: fields, modules, rights of profiles; answers fit Zoho's files."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sandbox_calls import Api
from test_openapi import faults, registry

from renkei.sandbox.crm.org import ADMINISTRATOR, FINANCE, STANDARD
from renkei.sandbox.seeds import load
from renkei.sandbox.world import World

KNOWN = registry()
KEY = {"field_label": "renkei books id", "data_type": "text", "length": 50, "unique": {"casesensitive": "false"}}
MODULE = {
    "plural_label": "Renkei Documents", "singular_label": "Renkei Document", "api_name": "Renkei_Documents",
    "profiles": [{"id": ADMINISTRATOR}, {"id": FINANCE}],
}  # fmt: skip


@pytest.fixture
def bare(world: World, api: Api) -> Api:
    load(world, "bare")
    return api


def fields(api: Api, *rows: Any, module: str = "Accounts") -> httpx.Response:
    return api.crm("POST", "settings/fields", params={"module": module}, json={"fields": list(rows)})


def modules(api: Api, **changes: Any) -> httpx.Response:
    return api.crm("POST", "settings/modules", json={"modules": [{**MODULE, **changes}]})


def permitted(api: Api, profile: str, module: str) -> dict[str, dict[str, Any]]:
    rows = api.crm("GET", f"settings/profiles/{profile}").json()["profiles"][0]["permissions_details"]
    return {row["display_label"]: row for row in rows if row["module"] == module}


def permit(api: Api, profile: str, **changes: bool) -> httpx.Response:
    ids = permitted(api, STANDARD, "Accounts")
    rows = [{"id": ids[right]["id"], "enabled": enabled} for right, enabled in changes.items()]
    return api.crm("PUT", f"settings/profiles/{profile}", json={"profiles": [{"permissions_details": rows}]})


def test_a_field_is_made_once_with_the_api_name_that_its_label_gives(bare: Api) -> None:
    made = fields(bare, KEY)
    assert made.status_code == 201 and faults(made.json(), "fields.json", "SuccessWrapper", KNOWN) == []
    id = made.json()["fields"][0]["details"]["id"]
    shown = bare.crm("GET", f"settings/fields/{id}", params={"module": "Accounts"}).json()["fields"][0]
    assert (shown["api_name"], shown["length"], shown["unique"]) == ("renkei_books_id", 50, {"casesensitive": "false"})
    row = {"data": [{"Account_Name": "A", "renkei_books_id": "1"}]}
    assert [bare.crm("POST", "Accounts", json=row).json()["data"][0]["code"] for _ in range(2)] == ["SUCCESS", "DUPLICATE_DATA"]
    again = fields(bare, KEY)
    assert again.status_code == 400 and again.json()["fields"][0]["details"]["api_name"] == "field_label"
    assert faults(again.json(), "fields.json", "InvalidValueErrorWrapper", KNOWN) == []


@pytest.mark.parametrize(
    ("change", "code", "names", "schema"),
    [
        ({"field_label": None}, "MANDATORY_NOT_FOUND", "field_label", "MandatoryErrorWrapper"),
        ({"data_type": None}, "MANDATORY_NOT_FOUND", "data_type", "MandatoryErrorWrapper"),
        ({"field_label": 7}, "INVALID_DATA", "field_label", "InvalidTypeErrorWrapper"),
        ({"field_label": "A" * 26}, "INVALID_DATA", "field_label", "MaxLengthWrapper"),
        ({"data_type": "wish"}, "INVALID_DATA", "data_type", "InvalidValueErrorWrapper"),
        ({"length": 256}, "INVALID_DATA", "length", "InvalidValueErrorWrapper"),
        (
            {"data_type": "lookup", "lookup": {"module": {"api_name": "Nope"}}},
            "INVALID_DATA",
            "lookup",
            "InvalidValueErrorWrapper",
        ),
    ],
)
def test_a_field_that_cannot_be(bare: Api, change: dict[str, Any], code: str, names: str, schema: str) -> None:
    answer = fields(bare, {key: value for key, value in {**KEY, **change}.items() if value is not None})
    assert answer.status_code == 400 and faults(answer.json(), "fields.json", schema, KNOWN) == []
    told = answer.json()["fields"][0]
    assert (told["code"], told["details"]["api_name"]) == (code, names)


def test_five_fields_a_call_and_the_good_ones_are_made_beside_the_bad(bare: Api) -> None:
    many = [{"field_label": f"Note {n}", "data_type": "text"} for n in range(6)]
    answer = fields(bare, *many)
    assert answer.json()["fields"][0]["code"] == "LIMIT_EXCEEDED"
    assert answer.status_code == 400 and faults(answer.json(), "fields.json", "LimitErrorWrapper", KNOWN) == []
    mixed = fields(bare, many[0], {"field_label": "Note 9"})
    assert mixed.status_code == 207 and [one["code"] for one in mixed.json()["fields"]] == ["SUCCESS", "MANDATORY_NOT_FOUND"]


def test_a_module_has_only_so_many_unique_fields(world: World, bare: Api) -> None:
    world.crm.most_unique_fields = 1
    answer = fields(bare, KEY, {**KEY, "field_label": "another id"})
    assert [one["code"] for one in answer.json()["fields"]] == ["SUCCESS", "LIMIT_EXCEEDED"]


def test_a_module_is_shown_to_the_profiles_that_are_named_and_takes_records_at_once(world: World, bare: Api) -> None:
    spent = world.crm.budget.used
    made = modules(bare)
    assert made.status_code == 200 and faults(made.json(), "modules.json", "Action_Wrapper", KNOWN) == []
    assert world.crm.budget.used - spent == 500
    shown = bare.crm("GET", "settings/modules/Renkei_Documents").json()
    assert faults(shown, "modules.json", "Response_Wrapper", KNOWN) == []
    assert {one["id"] for one in shown["modules"][0]["profiles"]} == {ADMINISTRATOR, FINANCE}
    assert shown["modules"][0]["generated_type"] == "custom"
    lookup = {
        "field_label": "Account",
        "data_type": "lookup",
        "lookup": {"module": {"api_name": "Accounts"}, "display_label": "Docs"},
    }
    assert fields(bare, lookup, module="Renkei_Documents").status_code == 201
    account = next(iter(world.crm.records("Accounts")))
    row = {"data": [{"Name": "I-1", "Account": {"id": account}}]}
    assert bare.crm("POST", "Renkei_Documents", json=row).status_code == 201
    related = bare.crm("GET", f"Accounts/{account}/Docs", params={"fields": "Name"})
    assert [one["Name"] for one in related.json()["data"]] == ["I-1"]
    for part, schema in (("fields", "Response_Wrapper"), ("layouts", "wrapper"), ("custom_views", "Response_Wrapper")):
        answer = bare.crm("GET", f"settings/{part}", params={"module": "Renkei_Documents"}).json()
        assert faults(answer, f"{part}.json", schema, KNOWN) == []


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"plural_label": ""}, "MANDATORY_NOT_FOUND", "plural_label"),
        ({"plural_label": "Accounts"}, "INVALID_DATA", "plural_label"),
        ({"singular_label": "a/b"}, "INVALID_DATA", "singular_label"),
        ({"singular_label": "A" * 26}, "INVALID_DATA", "singular_label"),
        ({"profiles": []}, "MANDATORY_NOT_FOUND", "profiles"),
        ({"profiles": [{"id": "1"}]}, "INVALID_DATA", "id"),
        ({"api_name": "Two__Underscores"}, "INVALID_DATA", "api_name"),
        ({"api_name": "Deals"}, "INVALID_DATA", "api_name"),
    ],
)
def test_a_module_that_cannot_be(bare: Api, change: dict[str, Any], code: str, names: str) -> None:
    answer = modules(bare, **change)
    assert answer.status_code == 400 and faults(answer.json(), "modules.json", "Error_Wrapper", KNOWN) == []
    told = answer.json()["modules"][0]
    assert (told["code"], told["details"]["api_name"]) == (code, names)


def test_a_second_module_of_one_name_is_refused(bare: Api) -> None:
    assert [modules(bare).status_code for _ in range(2)] == [200, 400]


def test_a_profile_loses_a_right_and_what_it_may_shows_it(bare: Api) -> None:
    answer = permit(bare, STANDARD, Edit=False, Delete=False)
    assert answer.status_code == 200 and faults(answer.json(), "profiles.json", "Success_Response_Wrapper", KNOWN) == []
    assert {right: row["enabled"] for right, row in permitted(bare, STANDARD, "Accounts").items()} == {
        "View": True, "Create": True, "Edit": False, "Delete": False,
    }  # fmt: skip


def test_the_administrators_rights_stay(bare: Api) -> None:
    answer = permit(bare, ADMINISTRATOR, Edit=False)
    assert answer.status_code == 400 and not permitted(bare, ADMINISTRATOR, "Accounts")["Edit"]["customizable"]


def test_a_profile_or_a_permission_that_is_not_there(bare: Api) -> None:
    answer = permit(bare, "5545974000000000001", Edit=False)
    assert answer.status_code == 400 and faults(answer.json(), "profiles.json", "Action_Wrapper", KNOWN) == []
    rows = {"profiles": [{"permissions_details": [{"id": "1", "enabled": False}]}]}
    answer = bare.crm("PUT", f"settings/profiles/{STANDARD}", json=rows)
    assert answer.status_code == 400 and faults(answer.json(), "profiles.json", "Action_Wrapper", KNOWN) == []


@pytest.mark.parametrize("scope", ["fields", "modules", "profiles"])
def test_reading_metadata_is_no_right_to_shape_it(world: World, bare: Api, scope: str) -> None:
    bare.refresh_token, bare.token = world.add_credentials([f"ZohoCRM.settings.{scope}.READ"]), None
    rows = {"profiles": [{"permissions_details": []}]}
    call = {
        "fields": lambda: fields(bare, KEY),
        "modules": lambda: modules(bare),
        "profiles": lambda: bare.crm("PUT", f"settings/profiles/{STANDARD}", json=rows),
    }[scope]
    assert call().status_code == 401
    operation = "UPDATE" if scope == "profiles" else "CREATE"
    bare.refresh_token, bare.token = world.add_credentials([f"ZohoCRM.settings.{scope}.{operation}"]), None
    assert call().status_code in (200, 201)


def test_somebody_who_does_not_administer_shapes_nothing(world: World, bare: Api) -> None:
    bare.refresh_token, bare.token = world.add_credentials((), world.crm.human_user["id"]), None
    assert (fields(bare, KEY).status_code, modules(bare).status_code) == (403, 403)
