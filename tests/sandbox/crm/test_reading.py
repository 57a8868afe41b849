"""Reading records over the CRM API as crm-v8.md section 3 says."""
# ruff: noqa: S608 (queries of a test, made by the test)

from __future__ import annotations

import pytest
from sandbox_calls import Api

from renkei.sandbox.world import World

FIELDS = {"fields": "Account_Name,Modified_Time"}


def accounts(world: World, count: int) -> list[str]:
    return world.crm.seed("Accounts", [{"Account_Name": f"A{n}"} for n in range(count)])


def code(answer: object) -> str:
    return str(answer.json()["code"])  # type: ignore[attr-defined]


def test_a_list_without_fields_is_refused(api: Api) -> None:
    answer = api.crm("GET", "Accounts")
    assert answer.status_code == 400
    assert answer.json()["details"] == {"param_name": "fields", "param": "fields"}


def test_fifty_one_fields_are_too_many(api: Api) -> None:
    assert code(api.crm("GET", "Accounts", params={"fields": ",".join(f"F{n}" for n in range(51))})) == "LIMIT_EXCEEDED"


def test_an_empty_module_answers_204_without_a_body(api: Api) -> None:
    answer = api.crm("GET", "Accounts", params=FIELDS)
    assert (answer.status_code, answer.content, "content-type" in answer.headers) == (204, b"", False)


def test_a_walk_by_page_token_sees_every_record_once_newest_first(world: World, api: Api) -> None:
    ids = accounts(world, 450)
    params, seen, sizes = dict(FIELDS), [], []
    while True:
        body = api.crm("GET", "Accounts", params=params).json()
        seen += [row["id"] for row in body["data"]]
        sizes.append(body["info"]["count"])
        if not body["info"]["more_records"]:
            break
        params["page_token"] = body["info"]["next_page_token"]
    assert seen == ids[::-1]
    assert sizes == [200, 200, 50]
    assert body["info"]["next_page_token"] is None


def test_a_record_deleted_behind_the_walk_does_not_move_the_next_page(world: World, api: Api) -> None:
    ids = accounts(world, 250)
    first = api.crm("GET", "Accounts", params=FIELDS).json()
    world.crm.delete("Accounts", ids[-1])
    token = {"page_token": first["info"]["next_page_token"]}
    second = api.crm("GET", "Accounts", params={**FIELDS, **token}).json()
    assert [row["id"] for row in second["data"]] == ids[:50][::-1]


def test_pages_end_at_two_thousand_records(world: World, api: Api) -> None:
    accounts(world, 2001)
    assert api.crm("GET", "Accounts", params={**FIELDS, "page": "10"}).status_code == 200
    assert code(api.crm("GET", "Accounts", params={**FIELDS, "page": "11"})) == "DISCRETE_PAGINATION_LIMIT_EXCEEDED"


def test_a_page_token_is_bound_to_its_parameters_its_user_and_a_day(world: World, api: Api) -> None:
    accounts(world, 201)
    token = api.crm("GET", "Accounts", params=FIELDS).json()["info"]["next_page_token"]
    other = Api(world, world.add_credentials(user=world.crm.human_user["id"]))
    assert code(api.crm("GET", "Accounts", params={"fields": "Phone", "page_token": token})) == "TOKEN_BOUND_DATA_MISMATCH"
    assert code(other.crm("GET", "Accounts", params={**FIELDS, "page_token": token})) == "INVALID_DATA"
    assert code(api.crm("GET", "Accounts", params={**FIELDS, "page": "2", "page_token": token})).startswith("AMBIGUITY")
    world.clock.advance(86400)
    assert code(api.crm("GET", "Accounts", params={**FIELDS, "page_token": token})) == "EXPIRED_VALUE"


def test_if_modified_since_filters_by_modified_time_and_gives_304_when_nothing_is_newer(world: World, api: Api) -> None:
    ids = accounts(world, 3)
    since = {"If-Modified-Since": world.crm.now_stamp()}
    assert api.crm("GET", "Accounts", params=FIELDS, headers=since).status_code == 304
    world.clock.advance(1)
    world.crm.edit("Accounts", ids[1], Phone="03-1")
    found = api.crm("GET", "Accounts", params=FIELDS, headers=since).json()["data"]
    assert [row["id"] for row in found] == [ids[1]]


def test_sorting_by_modified_time_follows_edits(world: World, api: Api) -> None:
    ids = accounts(world, 3)
    world.clock.advance(5)
    world.crm.edit("Accounts", ids[0], Phone="03-1")
    found = api.crm("GET", "Accounts", params={**FIELDS, "sort_by": "Modified_Time"}).json()["data"]
    assert found[0]["id"] == ids[0]


def test_a_view_shows_what_fits_its_criteria_now_and_refuses_a_sort(world: World, api: Api) -> None:
    ids = world.crm.seed("Accounts", [{"Account_Name": "A", "Billing_City": city} for city in ("Tokyo", "Osaka")])
    view = world.crm.add_view(
        "Accounts", "Tokyo", {"comparator": "equal", "field": {"api_name": "Billing_City"}, "value": "Tokyo"}
    )
    asked = {**FIELDS, "cvid": view}
    assert [row["id"] for row in api.crm("GET", "Accounts", params=asked).json()["data"]] == [ids[0]]
    world.crm.edit("Accounts", ids[1], Billing_City="Tokyo")
    assert len(api.crm("GET", "Accounts", params=asked).json()["data"]) == 2
    assert api.rows(f"select Account_Name from Accounts#{view} where id > '{ids[0]}'")[0]["id"] == ids[1]
    assert code(api.crm("GET", "Accounts", params={**asked, "sort_by": "id"})) == "AMBIGUITY_DURING_PROCESSING"


def test_one_record_comes_with_names_of_lookups_and_system_keys(world: World, api: Api) -> None:
    [account] = accounts(world, 1)
    [contact] = world.crm.seed("Contacts", [{"First_Name": "Mei", "Last_Name": "Sato", "Account_Name": account}])
    row = api.crm("GET", f"Contacts/{contact}").json()["data"][0]
    assert row["Account_Name"] == {"name": "A0", "id": account}
    assert row["Full_Name"] == "Mei Sato"
    assert row["$in_merge"] is False
    assert row["Email"] is None


def test_an_unknown_id_is_204_and_a_malformed_one_is_refused(api: Api) -> None:
    assert api.crm("GET", "Accounts/5545974000000999999").status_code == 204
    assert api.crm("GET", "Accounts/abc").json()["details"] == {"resource_path_index": 1}


def test_deleted_records_move_from_recycle_to_permanent_and_then_out(world: World, api: Api) -> None:
    [account] = accounts(world, 1)
    world.crm.delete("Accounts", account)
    row = api.crm("GET", "Accounts/deleted").json()["data"][0]
    assert (row["id"], row["type"], row["display_name"]) == (account, "recycle", "A0")
    world.clock.advance(61 * 86400)
    row = api.crm("GET", "Accounts/deleted").json()["data"][0]
    assert (row["id"], row["type"], row["display_name"]) == (account, "permanent", None)
    world.clock.advance(121 * 86400)
    assert api.crm("GET", "Accounts/deleted").status_code == 204


def test_a_restored_record_comes_back_with_its_id(world: World, api: Api) -> None:
    [account] = accounts(world, 1)
    world.crm.delete("Accounts", account)
    assert api.crm("POST", f"settings/recycle_bin/{account}/actions/restore").status_code == 200
    assert api.crm("GET", f"Accounts/{account}").status_code == 200
    assert api.crm("GET", "Accounts/deleted").status_code == 204


def test_search_lags_and_takes_equals_for_contains(world: World, api: Api) -> None:
    world.crm.seed("Accounts", [{"Account_Name": "Aoyama Printing"}])
    asked = {"criteria": "(Account_Name:equals:aoyama)"}
    assert api.crm("GET", "Accounts/search", params=asked).status_code == 204
    world.clock.advance(120)
    found = api.crm("GET", "Accounts/search", params=asked).json()["data"]
    assert [row["Account_Name"] for row in found] == ["Aoyama Printing"]
    assert code(api.crm("GET", "Accounts/search")) == "EXPECTED_PARAM_MISSING"


def test_count_lags_behind(world: World, api: Api) -> None:
    accounts(world, 3)
    assert api.crm("GET", "Accounts/actions/count").json() == {"count": 0}
    world.clock.advance(61)
    assert api.crm("GET", "Accounts/actions/count").json() == {"count": 3}


def test_related_records_of_an_account(world: World, api: Api) -> None:
    first, second = accounts(world, 2)
    ids = world.crm.seed("Deals", [{"Deal_Name": "D", "Stage": "Qualification", "Account_Name": first}] * 2)
    found = api.crm("GET", f"Accounts/{first}/Deals", params={"fields": "Deal_Name"}).json()["data"]
    assert [row["id"] for row in found] == ids[::-1]
    assert api.crm("GET", f"Accounts/{second}/Deals", params={"fields": "Deal_Name"}).status_code == 204
    assert code(api.crm("GET", f"Accounts/{first}/Nope", params={"fields": "x"})) == "INVALID_DATA"


def test_times_carry_the_offset_of_the_token_users_zone(world: World, api: Api) -> None:
    [account] = accounts(world, 1)
    world.crm.sync_user["time_zone"] = "America/New_York"
    row = api.crm("GET", "Accounts", params=FIELDS).json()["data"][0]
    assert row["Modified_Time"] == "2026-02-01T20:00:30-05:00"
    assert api.rows(f"select Modified_Time from Accounts where id = '{account}'")[0]["Modified_Time"].endswith("-05:00")


@pytest.mark.parametrize(
    ("method", "path", "status", "wanted"),
    [
        ("GET", "Nope", 400, "INVALID_MODULE"),
        ("GET", "a/b/c/d/e/f", 404, "INVALID_URL_PATTERN"),
        ("PATCH", "Accounts", 400, "INVALID_REQUEST_METHOD"),
        ("GET", "settings/fields", 400, "REQUIRED_PARAM_MISSING"),
        ("GET", "settings/fields?module=Nope", 400, "INVALID_MODULE"),
    ],
)
def test_what_does_not_exist_is_refused_in_the_vendors_words(api: Api, method: str, path: str, status: int, wanted: str) -> None:
    answer = api.crm(method, path)
    assert (answer.status_code, code(answer)) == (status, wanted)


def test_currencies_are_refused_while_multi_currency_is_off(world: World, api: Api) -> None:
    assert api.crm("GET", "org/currencies").json()["currencies"][0]["iso_code"] == "JPY"
    world.crm.set_multi_currency(False)
    answer = api.crm("GET", "org/currencies")
    assert (answer.status_code, code(answer)) == (403, "CURRENCIES_NOT_ENABLED")
    names = [field["api_name"] for field in api.crm("GET", "settings/fields?module=Accounts").json()["fields"]]
    assert "Currency" not in names


def test_a_profile_without_the_right_is_refused(world: World, api: Api) -> None:
    world.crm.denied.add((world.crm.sync_user["profile"]["id"], "Deals", "View"))
    answer = api.crm("GET", "Deals", params={"fields": "Deal_Name"})
    assert answer.status_code == 403
    assert answer.json()["details"] == {"permissions": ["Crm_Implied_View_Deals"]}
