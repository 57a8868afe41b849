"""Writing records over the CRM API as crm-v8.md sections 5 and 6 say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sandbox_calls import Api

from renkei.sandbox.crm.fields import Field
from renkei.sandbox.world import World


def insert(api: Api, *records: Any, module: str = "Accounts", **body: Any) -> httpx.Response:
    return api.crm("POST", module, json={"data": list(records), **body})


def put(api: Api, id: str, headers: dict[str, str] | None = None, **values: Any) -> httpx.Response:
    return api.crm("PUT", f"Accounts/{id}", json={"data": [values]}, headers=headers or {})


def results(answer: httpx.Response) -> list[str]:
    return [element["code"] for element in answer.json()["data"]]


def test_results_come_in_input_order_and_good_rows_are_written_beside_bad_ones(world: World, api: Api) -> None:
    answer = insert(api, {"Account_Name": "A"}, {"Phone": "03"}, {"Account_Name": "B"})
    assert (answer.status_code, results(answer)) == (207, ["SUCCESS", "MANDATORY_NOT_FOUND", "SUCCESS"])
    assert [row["Account_Name"] for row in world.crm.records("Accounts").values()] == ["A", "B"]


def test_all_inserted_is_201_and_none_is_400(api: Api) -> None:
    assert insert(api, {"Account_Name": "A"}).status_code == 201
    answer = insert(api, {"Phone": "03"})
    assert (answer.status_code, results(answer)) == (400, ["MANDATORY_NOT_FOUND"])


def test_a_body_without_content_type_is_accepted_and_xml_is_not(api: Api) -> None:
    body = b'{"data": [{"Account_Name": "A"}]}'
    assert api.crm("POST", "Accounts", content=body).status_code == 201
    answer = api.crm("POST", "Accounts", content=body, headers={"Content-Type": "text/xml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "MEDIA_TYPE_NOT_SUPPORTED")


def test_a_hundred_and_one_records_are_refused_whole(world: World, api: Api) -> None:
    answer = insert(api, *[{"Account_Name": "A"}] * 101)
    assert (answer.status_code, answer.json()["code"]) == (400, "LIMIT_EXCEEDED")
    assert world.crm.records("Accounts") == {}


@pytest.mark.parametrize(
    ("values", "details"),
    [
        ({"Account_Name": "x" * 201}, {"maximum_length": 200}),
        ({"Account_Name": 5}, {"expected_data_type": "string"}),
        ({"Employees": "5"}, {"expected_data_type": "integer"}),
        ({"Employees": 1234567890}, {"maximum_length": 9}),
        ({"Annual_Revenue": "5"}, {"expected_data_type": "double"}),
        ({"Phone": "電話"}, {"expected_data_type": "phone"}),
        ({"Phone": "1" * 31}, {"maximum_length": 30}),
        ({"Website": "not a site"}, {"expected_data_type": "website"}),
        ({"Industry": "Nope"}, {"api_name": "Industry"}),
        ({"Parent_Account": {"id": "5545974000000000001"}}, {"api_name": "Parent_Account"}),
        ({"Parent_Account": "5545974000000000001"}, {"expected_data_type": "jsonobject"}),
        ({"Owner": {"id": "5545974000000411011"}}, {"api_name": "Owner"}),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_refused(api: Api, values: dict[str, Any], details: dict[str, Any]) -> None:
    element = insert(api, {"Account_Name": "A", **values}).json()["data"][0]
    assert element["code"] == "INVALID_DATA"
    assert element["details"].items() >= details.items()
    assert element["details"]["json_path"] == f"$.data[0].{next(iter(values))}"


@pytest.mark.parametrize("email", ["no-at.jp", "a@b", "a b@c.jp"])
def test_an_email_that_is_none_is_refused(api: Api, email: str) -> None:
    answer = insert(api, {"Last_Name": "Sato", "Email": email}, module="Contacts")
    assert answer.json()["data"][0]["details"]["expected_data_type"] == "email"


def test_a_unique_value_names_the_record_that_holds_it_whatever_its_case(api: Api) -> None:
    first = insert(api, {"Account_Name": "A", "renkei_books_id": "ab"}).json()["data"][0]["details"]["id"]
    element = insert(api, {"Account_Name": "B", "renkei_books_id": "AB"}).json()["data"][0]
    assert element["code"] == "DUPLICATE_DATA"
    assert element["details"]["duplicate_record"]["id"] == first
    assert element["details"]["duplicate_record"]["module"]["api_name"] == "Accounts"


def test_a_repeated_insert_makes_a_second_record(world: World, api: Api) -> None:
    insert(api, {"Account_Name": "A"})
    insert(api, {"Account_Name": "A"})
    assert len(world.crm.records("Accounts")) == 2


def test_an_update_leaves_missing_keys_and_clears_nulls_and_empty_texts(world: World, api: Api) -> None:
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A", "Phone": "1", "Fax": "2", "Website": "a.jp"}])
    world.clock.advance(5)
    assert put(api, id, Phone=None, Fax="").status_code == 200
    row = api.crm("GET", f"Accounts/{id}").json()["data"][0]
    assert (row["Phone"], row["Fax"], row["Website"]) == (None, None, "a.jp")
    assert row["Modified_By"]["name"] == "Sync User"
    assert row["Modified_Time"] == world.crm.now_stamp() != row["Created_Time"]


def test_money_is_rounded_to_the_fields_decimals(world: World, api: Api) -> None:
    insert(api, {"Account_Name": "A", "Annual_Revenue": 10.005})
    assert next(iter(world.crm.records("Accounts").values()))["Annual_Revenue"] == 10.01


def test_a_stale_stamp_is_refused_with_412_and_changes_nothing(world: World, api: Api) -> None:
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A"}])
    stamp = {"If-Unmodified-Since": world.crm.now_stamp()}
    assert put(api, id, stamp, Phone="1").status_code == 200
    world.clock.advance(2)
    world.crm.edit("Accounts", id, Phone="2")
    answer = put(api, id, stamp, Phone="3")
    assert (answer.status_code, answer.json()["code"]) == (412, "ALREADY_MODIFIED")
    assert world.crm.records("Accounts")[id]["Phone"] == "2"


def upsert(api: Api, record: dict[str, Any], *fields: str) -> dict[str, Any]:
    body: dict[str, Any] = {"data": [record], "trigger": []}
    if fields:
        body["duplicate_check_fields"] = list(fields)
    return dict(api.crm("POST", "Accounts/upsert", json=body).json()["data"][0])


def test_upsert_by_the_unique_field_inserts_then_updates(api: Api) -> None:
    record = {"Account_Name": "A", "renkei_books_id": "1"}
    first, second = (upsert(api, record, "renkei_books_id") for _ in range(2))
    assert (first["action"], first["duplicate_field"]) == ("insert", None)
    assert (second["action"], second["duplicate_field"]) == ("update", "renkei_books_id")
    assert first["details"]["id"] == second["details"]["id"]


def test_upsert_without_check_fields_overwrites_a_company_of_the_same_name(world: World, api: Api) -> None:
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A"}])
    done = upsert(api, {"Account_Name": "A", "renkei_books_id": "9"})
    assert (done["action"], done["duplicate_field"], done["details"]["id"]) == ("update", "Account_Name", id)


def test_upsert_with_the_unique_field_named_ignores_the_name(world: World, api: Api) -> None:
    world.crm.seed("Accounts", [{"Account_Name": "A"}])
    assert upsert(api, {"Account_Name": "A", "renkei_books_id": "9"}, "renkei_books_id")["action"] == "insert"


def test_delete_goes_to_the_bin_once(world: World, api: Api) -> None:
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A"}])
    answer = api.crm("DELETE", f"Accounts?ids={id},5545974000000999999")
    assert (answer.status_code, results(answer)) == (207, ["SUCCESS", "INVALID_DATA"])
    again = api.crm("DELETE", f"Accounts/{id}").json()["data"][0]
    assert (again["message"], again["details"]) == ("record not deleted", {"id": id})


def test_merge_deletes_the_child_and_points_its_records_at_the_master(world: World, api: Api) -> None:
    master, child = world.crm.seed("Accounts", [{"Account_Name": "A"}, {"Account_Name": "B", "Phone": "03"}])
    [contact] = world.crm.seed("Contacts", [{"Last_Name": "Sato", "Account_Name": child}])
    body = {"merge": [{"data": [{"id": child, "_fields": [{"api_name": "Account_Name"}]}]}]}
    assert api.crm("POST", f"Accounts/{master}/actions/merge", json=body).status_code == 201
    assert world.crm.records("Accounts")[master]["Account_Name"] == "B"
    assert world.crm.records("Contacts")[contact]["Account_Name"] == {"id": master}
    assert api.crm("GET", f"Accounts/{child}").status_code == 204
    assert api.crm("GET", "Accounts/deleted").json()["data"][0]["id"] == child


def test_an_external_id_stands_for_the_record_id(world: World, api: Api) -> None:
    world.crm.set_field("Accounts", Field("Ext", length=50, unique=True, custom=True, external=True))
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A", "Ext": "X1"}])
    header = {"X-EXTERNAL": "Accounts.Ext"}
    assert api.crm("GET", "Accounts/X1", headers=header).json()["data"][0]["id"] == id
    assert api.crm("GET", "Accounts/X2", headers=header).status_code == 204
    body = {"data": [{"Last_Name": "Sato", "Account_Name": {"Ext": "X1"}}]}
    api.crm("POST", "Contacts", json=body, headers={"X-EXTERNAL": "Contacts.Account_Name.Ext"})
    assert next(iter(world.crm.records("Contacts").values()))["Account_Name"] == {"id": id}


def test_the_trigger_is_logged_and_absent_is_not_empty(world: World, api: Api) -> None:
    insert(api, {"Account_Name": "A"}, trigger=[])
    insert(api, {"Account_Name": "A"})
    assert [row.trigger for row in world.crm.writes] == [(), None]


def test_a_locked_record_refuses_writes_until_it_is_free(world: World, api: Api) -> None:
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A"}])
    path = f"Accounts/{id}/Locking_Information__s"
    lock = api.crm("POST", path, json={"data": [{"Locked_Reason__s": "audit"}]}).json()["data"][0]["details"]["id"]
    assert results(put(api, id, Phone="1")) == ["RECORD_LOCKED"]
    assert api.crm("GET", f"Accounts/{id}").json()["data"][0]["Locked__s"] is True
    api.crm("DELETE", f"{path}/{lock}")
    assert results(put(api, id, Phone="1")) == ["SUCCESS"]


def test_a_stage_sets_the_probability(world: World, api: Api) -> None:
    made = insert(api, {"Deal_Name": "D", "Stage": "Qualification", "Amount": 1000}, module="Deals")
    id = made.json()["data"][0]["details"]["id"]
    api.crm("PUT", f"Deals/{id}", json={"data": [{"Stage": "Closed Won"}]})
    row = world.crm.records("Deals")[id]
    assert (row["Probability"], row["Expected_Revenue"]) == (100, 1000.0)
