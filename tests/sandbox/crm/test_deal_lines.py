"""What is sold with a deal: rows of the subform, related products, and stages by their meaning (crm-v8.md 5.3, 7.3, 7.4, 9)."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_calls import Api

from renkei.sandbox.crm.render import layout
from renkei.sandbox.world import World

TAX = [{"name": "Consumption tax", "percentage": 10}]


@pytest.fixture
def product(world: World) -> str:
    [id] = world.crm.seed("Products", [{"Product_Name": "Consulting day", "Unit_Price": 90000}])
    return id


def made(api: Api, *lines: dict[str, Any], **fields: Any) -> str:
    element = {"Deal_Name": "Kita renewal", "Stage": "Qualification", "Deal_Lines": list(lines), **fields}
    answer = api.crm("POST", "Deals", json={"data": [element], "trigger": []})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"][0]["details"]["id"])


def read(api: Api, deal: str, **params: str) -> dict[str, Any]:
    found: dict[str, Any] = api.crm("GET", f"Deals/{deal}", params=params).json()["data"][0]
    return found


def changed(api: Api, deal: str, *lines: dict[str, Any]) -> dict[str, Any]:
    answer = api.crm("PUT", "Deals", json={"data": [{"id": deal, "Deal_Lines": list(lines)}], "trigger": []})
    found: dict[str, Any] = answer.json()["data"][0]
    return found


def test_rows_are_read_back_with_ids_totals_and_their_product(api: Api, product: str) -> None:
    line = {"Product_Name": {"id": product}, "Quantity": 3, "List_Price": 90000, "Discount": 20000, "Line_Tax": TAX}
    deal = made(api, line, {"Description": "travel", "Quantity": 1, "List_Price": 1500.5})
    first, second = read(api, deal)["Deal_Lines"]
    assert first["Product_Name"] == {"name": "Consulting day", "id": product}
    assert (first["Total"], first["Net_Total"], first["Sequence_Number"]) == (270000, 275000, 1)
    assert first["Line_Tax"] == [{**TAX[0], "value": 25000}]
    assert first["Parent_Id"] == {"name": "Kita renewal", "id": deal}
    assert (second["Product_Name"], second["Net_Total"], second["Line_Tax"]) == (None, 1500.5, [])
    assert first["id"] != second["id"]
    assert read(api, deal)["$has_more"] == {"Deal_Lines": False}


def test_only_a_single_read_shows_rows(api: Api, product: str) -> None:
    deal = made(api, {"Quantity": 1, "List_Price": 10})
    (row,) = api.crm("GET", "Deals", params={"fields": "Deal_Name,Deal_Lines"}).json()["data"]
    assert set(row) == {"id", "Deal_Name"}
    assert len(read(api, deal, fields="Deal_Lines")["Deal_Lines"]) == 1
    refused = api.coql("select Deal_Lines from Deals where id is not null")
    assert refused.json()["code"] == "INVALID_QUERY"


def test_rows_with_an_id_change_those_without_are_new_and_the_others_stay(world: World, api: Api) -> None:
    deal = made(api, {"Quantity": 1, "List_Price": 10}, {"Quantity": 2, "List_Price": 20})
    before = read(api, deal)
    kept, moved = before["Deal_Lines"]
    world.clock.advance(60)
    assert changed(api, deal, {"id": moved["id"], "Quantity": 5}, {"Quantity": 3, "List_Price": 30})["status"] == "success"
    after = read(api, deal)
    assert [(row["Quantity"], row["Total"]) for row in after["Deal_Lines"]] == [(1, 10), (5, 100), (3, 90)]
    assert after["Deal_Lines"][0] == kept
    assert after["Modified_Time"] > before["Modified_Time"]
    changed(api, deal, {"id": kept["id"], "_delete": None})
    assert [(row["Sequence_Number"], row["Quantity"]) for row in read(api, deal)["Deal_Lines"]] == [(1, 5), (2, 3)]
    api.crm("PUT", f"Deals/{deal}", json={"data": [{"Deal_Lines": None}]})
    assert read(api, deal)["Deal_Lines"] == []


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"id": "5545974000000999999", "Quantity": 1}, "$.data[0].Deal_Lines[1].id"),
        ({"Quantity": "many"}, "$.data[0].Deal_Lines[1].Quantity"),
        ({"Product_Name": {"id": "5545974000000999999"}}, "$.data[0].Deal_Lines[1].Product_Name"),
        ({"Line_Tax": [{"percentage": 10}]}, "$.data[0].Deal_Lines[1].Line_Tax"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_its_place_and_nothing_changes(api: Api, line: dict[str, Any], path: str) -> None:
    deal = made(api, {"Quantity": 1, "List_Price": 10})
    refused = changed(api, deal, {"Quantity": 7}, line)
    assert (refused["code"], refused["details"]["json_path"]) == ("INVALID_DATA", path)
    assert [row["Quantity"] for row in read(api, deal)["Deal_Lines"]] == [1]


def test_rows_go_with_their_deal_and_come_back_with_it(world: World, api: Api) -> None:
    deal = made(api, {"Quantity": 1, "List_Price": 10})
    world.crm.delete("Deals", deal)
    world.crm.restore("Deals", deal)
    assert len(read(api, deal)["Deal_Lines"]) == 1


def test_a_person_writes_rows_too(world: World, api: Api, product: str) -> None:
    deal = made(api)
    world.crm.edit("Deals", deal, Deal_Lines=[{"Product_Name": {"id": product, "name": "x"}, "Quantity": 2, "List_Price": 5}])
    (row,) = read(api, deal)["Deal_Lines"]
    assert (row["Total"], row["Product_Name"]["name"]) == (10, "Consulting day")


def test_metadata_tells_the_subform_and_the_fields_of_its_rows(api: Api) -> None:
    fields = {row["api_name"]: row for row in api.crm("GET", "settings/fields", params={"module": "Deals"}).json()["fields"]}
    told = fields["Deal_Lines"]
    assert (told["data_type"], told["json_type"], told["subform"]["module"]) == ("subform", "jsonarray", "Deal_Lines")
    modules = {row["api_name"]: row for row in api.crm("GET", "settings/modules").json()["modules"]}
    assert modules["Deal_Lines"]["generated_type"] == "subform"
    assert modules["Deal_Lines"]["id"] == told["subform"]["id"]
    assert modules["Deal_Lines"]["parent_module"]["api_name"] == "Deals"
    rows = api.crm("GET", "settings/fields", params={"module": "Deal_Lines"}).json()["fields"]
    assert [row["api_name"] for row in rows][:4] == ["Product_Name", "Description", "Quantity", "List_Price"]
    assert rows[0]["lookup"]["module"]["api_name"] == "Products"
    assert api.crm("GET", "Deal_Lines", params={"fields": "Quantity"}).json()["code"] == "INVALID_MODULE"


def test_products_are_related_to_a_deal_and_taken_away(world: World, api: Api, product: str) -> None:
    deal = made(api)
    before = read(api, deal)["Modified_Time"]
    [other] = world.crm.seed("Products", [{"Product_Name": "Tea", "Unit_Price": 5}])
    world.clock.advance(60)
    path = f"Deals/{deal}/Products"
    added = api.crm("PUT", path, json={"data": [{"id": product}, {"id": "5545974000000999999"}]})
    assert added.status_code == 207
    assert [row["code"] for row in added.json()["data"]] == ["SUCCESS", "INVALID_DATA"]
    world.crm.relate(deal, [other])
    listed = api.crm("GET", path, params={"fields": "Product_Name,Unit_Price", "sort_order": "asc"}).json()["data"]
    assert [(row["Product_Name"], row["Unit_Price"]) for row in listed] == [("Consulting day", 90000), ("Tea", 5)]
    assert read(api, deal)["Modified_Time"] > before
    assert api.crm("DELETE", f"{path}/{product}").json()["data"][0]["message"] == "relation removed"
    assert api.crm("DELETE", f"{path}/{product}").status_code == 400
    world.crm.delete("Products", other)
    assert api.crm("GET", path, params={"fields": "Product_Name"}).status_code == 204
    lists = api.crm("GET", "settings/related_lists", params={"module": "Deals"}).json()["related_lists"]
    assert "Products" in [row["api_name"] for row in lists]
    assert api.crm("PUT", f"Deals/{deal}/Nope", json={"data": [{"id": product}]}).status_code == 400


def test_won_and_lost_are_told_by_the_pipeline_in_any_words(world: World, api: Api) -> None:
    answer = api.crm("GET", "settings/pipeline", params={"layout_id": layout(world.crm, "Deals")["id"]})
    stages = answer.json()["pipeline"][0]["maps"]
    kinds = {row["actual_value"]: row["forecast_type"] for row in stages}
    assert kinds["Closed Won"] == "Closed Won" and kinds["Qualification"] == "Open"
    assert [row["display_value"] for row in stages if row["forecast_type"] == "Closed Lost"] == [
        "Closed Lost",
        "Closed-Lost to Competition",
    ]
