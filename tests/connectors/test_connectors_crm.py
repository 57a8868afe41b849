"""The CRM's connector: reads that survive moving rows, 50-column selects, one answer a row."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from connector_world import CRM_KEY, START, House

from renkei.core.errors import AnswerUnknown, Bug, FieldMissing, WrongOrganization
from renkei.core.preparing import NewField, NewModule, TakenRights
from renkei.core.records import Currency, Row
from renkei.sandbox.crm.fields import STAGES


def accounts(house: House, count: int) -> list[str]:
    return house.world.crm.seed("Accounts", [{"Account_Name": f"Account {n}", "Phone": "03-1234-5678"} for n in range(count)])


def queries(house: House) -> list[str]:
    return [json.loads(r.content)["select_query"] for r in house.transport.requests if r.url.path.endswith("/coql")]


def at_query(house: House, number: int, act: Callable[[], object]) -> None:
    """Lets `act` happen just before the COQL query of that number is answered."""
    seen = 0

    def before(request: httpx.Request) -> None:
        nonlocal seen
        if request.url.path.endswith("/coql"):
            seen += 1
            if seen == number:
                act()

    house.transport.before = before


async def read(house: House, fields: list[str], **how: object) -> list[Row]:
    return [row async for page in house.crm().read("Accounts", fields, **how) for row in page.rows]  # type: ignore[arg-type]


async def test_an_empty_module_is_one_empty_page(house: House) -> None:
    pages = [page async for page in house.crm().read("Accounts", ["Account_Name"])]
    assert [page.rows for page in pages] == [[]]
    assert house.asked("crm") == 1


async def test_every_row_comes_once_in_the_order_of_ids_with_two_thousand_a_call(house: House) -> None:
    ids = accounts(house, 4100)
    rows = await read(house, ["Account_Name"])
    assert [row["id"] for row in rows] == ids
    assert house.asked("crm") == 3
    assert set(rows[0]) == {"id", "Modified_Time", "Modified_By", "Account_Name"}


async def test_an_exact_page_needs_no_further_call(house: House) -> None:
    accounts(house, 2000)
    assert len(await read(house, ["Account_Name"])) == 2000
    assert house.asked("crm") == 1


async def test_rows_edited_inserted_and_deleted_between_pages_lose_and_double_no_other(house: House) -> None:
    ids = accounts(house, 4500)

    def people_work() -> None:
        house.world.clock.advance(60)
        for record_id in ids[:50] + ids[2500:2550]:
            house.world.crm.edit("Accounts", record_id, Phone="1")
        for record_id in (ids[10], ids[1999], ids[2000], ids[4000]):
            house.world.crm.delete("Accounts", record_id)
        accounts(house, 5)

    at_query(house, 2, people_work)
    rows = await read(house, ["Account_Name"])
    found = [row["id"] for row in rows]
    assert len(found) == len(set(found))
    assert set(ids) - set(found) == {ids[2000], ids[4000]}, "only rows deleted before their page was read are absent"
    assert len(set(found) - set(ids)) == 5


async def test_since_is_a_closed_bound(house: House) -> None:
    accounts(house, 3)
    house.world.clock.advance(10)
    later = accounts(house, 2)
    house.world.clock.advance(10)
    edge = START + timedelta(seconds=10)
    assert [row["id"] for row in await read(house, ["Account_Name"], since=edge)] == later
    assert await read(house, ["Account_Name"], since=edge + timedelta(seconds=1)) == []


async def test_ninety_columns_are_asked_in_two_halves_and_joined(house: House) -> None:
    ids = accounts(house, 2100)
    known = [meta.api_name for meta in await house.crm().fields("Accounts")]
    many = known + [f"Extra_{n}" for n in range(90 - len(known))]
    with pytest.raises(FieldMissing) as caught:
        await read(house, many)
    assert "Extra_0" in caught.value.field
    add_text_fields(house, 60)
    asked = ["Account_Name", *(f"Extra_{n}" for n in range(60))]
    house.world.crm.edit("Accounts", ids[7], Extra_59="last column")
    rows = await read(house, asked)
    assert [row["id"] for row in rows] == ids
    assert rows[7]["Extra_59"] == "last column" and set(asked) <= set(rows[7])


def add_text_fields(house: House, count: int) -> None:
    from dataclasses import replace

    template = house.world.crm.tables["Accounts"].fields["Phone"]
    for n in range(count):
        house.world.crm.set_field("Accounts", replace(template, name=f"Extra_{n}"))


async def test_a_row_changed_between_the_two_halves_is_read_again_whole(house: House) -> None:
    ids = accounts(house, 30)
    add_text_fields(house, 60)

    def people_work() -> None:
        house.world.clock.advance(5)
        house.world.crm.edit("Accounts", ids[3], Account_Name="renamed", Extra_59="with it")
        house.world.crm.delete("Accounts", ids[4])

    at_query(house, 2, people_work)
    rows = {row["id"]: row for row in await read(house, ["Account_Name", *(f"Extra_{n}" for n in range(60))])}
    assert (rows[ids[3]]["Account_Name"], rows[ids[3]]["Extra_59"]) == ("renamed", "with it")
    assert ids[4] not in rows and len(rows) == 29


async def test_a_mass_edit_between_the_halves_does_not_cost_a_call_a_row(house: House) -> None:
    ids = accounts(house, 100)
    add_text_fields(house, 60)

    def people_work() -> None:
        house.world.clock.advance(5)
        for record_id in ids:
            house.world.crm.edit("Accounts", record_id, Account_Name=f"new {record_id}", Extra_59="x")

    at_query(house, 2, people_work)
    rows = await read(house, ["Account_Name", *(f"Extra_{n}" for n in range(60))])
    assert [row["Account_Name"] for row in rows] == [f"new {record_id}" for record_id in ids]
    assert all(row["Extra_59"] == "x" for row in rows)
    assert house.asked("crm") < 10


async def test_get_many_leaves_out_what_is_gone_and_uses_fewer_calls_for_many(house: House) -> None:
    ids = accounts(house, 120)
    house.world.crm.delete("Accounts", ids[5])
    crm = house.crm()
    few = await crm.get_many("Accounts", ids[:10], ["Account_Name", "Owner"])
    assert set(few) == set(ids[:10]) - {ids[5]}
    await crm.fields("Accounts")
    asked = house.asked("crm")
    many = await crm.get_many("Accounts", ids, ["Account_Name", "Owner"])
    assert set(many) == set(ids) - {ids[5]}
    assert house.asked("crm") - asked == 2
    assert many[ids[0]] == few[ids[0]], "list and query give one shape"


async def test_a_whole_record_shows_its_subform_and_what_is_gone_is_none(house: House) -> None:
    product = house.world.crm.seed("Products", [{"Product_Name": "Paper"}])[0]
    line = {"Product_Name": {"id": product}, "Quantity": 3, "List_Price": 105}
    deal = house.world.crm.seed("Deals", [{"Deal_Name": "Kita", "Stage": "Qualification", "Deal_Lines": [line]}])[0]
    row = await house.crm().whole("Deals", deal)
    assert row is not None and [(one["Quantity"], one["List_Price"]) for one in row["Deal_Lines"]] == [(3, 105)]
    house.world.crm.delete("Deals", deal)
    assert await house.crm().whole("Deals", deal) is None


async def test_related_products_come_in_the_order_of_their_ids(house: House) -> None:
    products = house.world.crm.seed("Products", [{"Product_Name": name, "Unit_Price": 5} for name in ("Paper", "Ink")])
    deal = house.world.crm.seed("Deals", [{"Deal_Name": "Kita", "Stage": "Qualification"}])[0]
    assert await house.crm().related("Deals", deal, "Products", ["Product_Name"]) == []
    house.world.crm.deal_products[deal] = dict.fromkeys(products)
    rows = await house.crm().related("Deals", deal, "Products", ["Product_Name", "Unit_Price"])
    assert [(row["id"], row["Product_Name"], row["Unit_Price"]) for row in rows] == [
        (products[0], "Paper", 5),
        (products[1], "Ink", 5),
    ]


async def test_long_text_is_never_read_by_list_because_lists_cut_it(house: House) -> None:
    ids = accounts(house, 60)
    await house.crm().get_many("Accounts", ids, ["Account_Name", "Description"])
    assert len(queries(house)) == 2


@pytest.mark.parametrize("value", ["O'Brien", 'say "hi"', "back\\slash", "x' or id > '0", "日本 商事", "a,b(c)"])
async def test_find_gives_only_the_row_with_the_value_asked_for(house: House, value: str) -> None:
    accounts(house, 3)
    (wanted,) = house.world.crm.seed("Accounts", [{"Account_Name": value}])
    found = await house.crm().find("Accounts", "Account_Name", [value, "not there"], ["Phone"])
    assert {key: row["id"] for key, row in found.items()} == {value: wanted}


async def test_find_asks_fifty_values_a_call(house: House) -> None:
    ids = accounts(house, 120)
    found = await house.crm().find("Accounts", "Account_Name", [f"Account {n}" for n in range(120)], [])
    assert sorted(row["id"] for row in found.values()) == ids
    assert house.asked("crm") == 3


async def test_find_all_gives_every_row_of_a_value_and_asks_again_where_a_page_is_full(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"Account_Name": f"{n}", "Phone": f"0{n % 4}"} for n in range(12)] + [{"Account_Name": "quoted", "Phone": "o'1"}]
    ids = house.world.crm.seed("Accounts", rows)
    monkeypatch.setattr("renkei.connectors.crm.PAGE_ROWS", 4)
    found = await house.crm().find_all("Accounts", "Phone", ["00", "01", "02", "o'1", "09"], ["Account_Name"])
    assert sorted(row["id"] for row in found) == sorted(one for n, one in enumerate(ids) if n > 11 or n % 4 < 3)
    assert {row["Phone"] for row in found} == {"00", "01", "02", "o'1"}


async def test_a_batch_with_bad_rows_answers_row_by_row_in_order(house: House) -> None:
    crm = house.crm()
    (first,) = await crm.insert("Accounts", [{"Account_Name": "one", CRM_KEY: "1"}])
    answers = await crm.insert(
        "Accounts",
        [{"Account_Name": "two"}, {"Phone": "no name"}, {"Account_Name": "three", CRM_KEY: "1"}, {"Account_Name": "x" * 201}],
    )
    assert [answer.ok for answer in answers] == [True, False, False, False]
    assert (answers[1].code, answers[1].field) == ("MANDATORY_NOT_FOUND", "Account_Name")
    assert (answers[2].code, answers[2].field, answers[2].duplicate_of) == ("DUPLICATE_DATA", CRM_KEY, first.id)
    assert (answers[3].code, answers[3].field) == ("INVALID_DATA", "Account_Name")
    assert answers[0].stamp == house.clock.now()


async def test_writes_trigger_no_workflows(house: House) -> None:
    crm = house.crm()
    (answer,) = await crm.insert("Accounts", [{"Account_Name": "one"}])
    await crm.update("Accounts", [{"id": answer.id, "Phone": "1"}])
    bodies = [json.loads(r.content) for r in house.transport.requests if r.url.path.endswith("/Accounts")]
    assert [body["trigger"] for body in bodies] == [[], []]
    assert answer.id is not None
    await crm.delete("Accounts", [answer.id])
    assert house.transport.requests[-1].url.params["wf_trigger"] == "false"


async def test_more_than_a_hundred_rows_are_our_own_mistake_and_do_not_leave(house: House) -> None:
    with pytest.raises(Bug):
        await house.crm().insert("Accounts", [{"Account_Name": str(n)} for n in range(101)])
    assert house.asked() == 0


async def test_the_deleted_list_is_read_to_its_end_and_from_a_moment_on(house: House) -> None:
    ids = accounts(house, 250)
    for record_id in ids[:220]:
        house.world.crm.delete("Accounts", record_id)
    house.world.clock.advance(3600)
    house.world.crm.delete("Accounts", ids[220])
    crm = house.crm()
    assert {notice.id for notice in await crm.deleted("Accounts", None)} == set(ids[:221])
    (late,) = await crm.deleted("Accounts", START + timedelta(minutes=30))
    assert (late.id, late.kind, late.deleted_at) == (ids[220], "recycle", START + timedelta(hours=1))
    assert await crm.deleted("Accounts", START + timedelta(hours=2)) == []


async def test_an_unknown_module_is_named(house: House) -> None:
    with pytest.raises(FieldMissing, match="module Nothing"):
        await house.crm().fields("Nothing")
    with pytest.raises(FieldMissing):
        [page async for page in house.crm().read("Nothing", ["Name"])]


async def test_a_missing_column_is_named(house: House) -> None:
    with pytest.raises(FieldMissing) as caught:
        await read(house, ["Account_Name", "No_Such_Field"])
    assert (caught.value.module, caught.value.field) == ("Accounts", "No_Such_Field")


@pytest.mark.parametrize("hostile", ["id from Users", "x, y", "1", "a'b"])
async def test_a_field_that_is_no_api_name_never_leaves(house: House, hostile: str) -> None:
    with pytest.raises(Bug):
        await read(house, [hostile])
    assert house.asked("crm") == 0


async def test_without_multi_currency_the_base_currency_is_the_only_one(house: House) -> None:
    house.world.crm.set_multi_currency(False)
    assert await house.crm().currencies() == [Currency("JPY", 0)]


def replying(house: House, status: int, body: object) -> None:
    class Reply(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/oauth"):
                return httpx.Response(200, json={"access_token": "1000.a.b", "expires_in": 3600})
            return httpx.Response(status, json=body)

    house.transport = Reply()  # type: ignore[assignment]


def duplicate(field: str, twin: str) -> Row:
    details = {"api_name": field, "json_path": f"$.data[0].{field}", "duplicate_record": {"id": twin}}
    return {"code": "DUPLICATE_DATA", "details": details, "message": "duplicate data", "status": "error"}


async def test_of_several_collisions_the_answer_speaks_of_our_key(house: House) -> None:
    several = {"errors": [duplicate("Email", "111"), duplicate(CRM_KEY, "222")]}
    element = {"code": "MULTIPLE_OR_MULTI_ERRORS", "details": several, "message": "several", "status": "error"}
    replying(house, 400, {"data": [element]})
    (answer,) = await house.crm().insert("Accounts", [{"Account_Name": "x"}])
    assert (answer.code, answer.field, answer.duplicate_of) == ("DUPLICATE_DATA", CRM_KEY, "222")


async def test_a_twins_id_in_the_older_place_is_read_too(house: House) -> None:
    element = {"code": "DUPLICATE_DATA", "details": {"api_name": CRM_KEY, "id": "222"}, "message": "", "status": "error"}
    replying(house, 202, {"data": [element]})
    (answer,) = await house.crm().insert("Accounts", [{"Account_Name": "x"}])
    assert not answer.ok and answer.duplicate_of == "222"


@pytest.mark.parametrize("body", [{"data": []}, {"status": "success"}])
async def test_a_success_that_does_not_speak_of_every_row_is_unknown(house: House, body: Row) -> None:
    replying(house, 200, body)
    with pytest.raises(AnswerUnknown):
        await house.crm().insert("Accounts", [{"Account_Name": "x"}])


async def test_a_wrong_organisation_is_found_by_comparing_its_id(house: House) -> None:
    there = await house.crm().organization()
    assert there.id and there.kind == "production" and there.time_zone == "Asia/Tokyo"
    with pytest.raises(WrongOrganization, match=house.world.organization):
        await house.books(organization="60000000001").organization()


# ------------------------------------------------------------------------------------------- shaping the organisation

NOTE = NewField("crm", "Accounts", "Note_1", "Note 1", length=50, unique=True)


async def test_fields_are_made_in_one_call_and_answered_one_by_one(house: House) -> None:
    crm = house.crm()
    points = NewField("crm", "Accounts", "Deal_1", "Deal 1", "lookup", lookup="Deals", related="Accounts_1")
    amount = NewField("crm", "Accounts", "Sum_1", "Sum 1", "double", digits=3)
    answers = await crm.make_fields("Accounts", [NOTE, NOTE, points, amount])
    assert [one.ok for one in answers] == [True, False, True, True] and answers[1].code == "INVALID_DATA"
    there = {one.api_name: one for one in await crm.fields("Accounts")}
    assert there["Note_1"].unique and there["Note_1"].length == 50
    assert [there[name].data_type for name in ("Deal_1", "Sum_1")] == ["lookup", "double"]


async def test_a_refusal_of_the_whole_call_stands_for_each_field(house: House) -> None:
    crm = house.crm()
    answers = await crm.make_fields("No_Such", [NOTE, NOTE])
    assert [(one.ok, one.code) for one in answers] == [(False, "INVALID_MODULE")] * 2
    with pytest.raises(Bug, match="6 fields"):
        await crm.make_fields("Accounts", [NOTE] * 6)


async def test_a_module_is_shown_to_its_profiles_and_one_of_them_loses_rights_there(house: House) -> None:
    crm = house.crm()
    shown = tuple((one.id, one.name) for one in await crm.profiles() if one.name != "Standard")
    assert (await crm.make_module(NewModule("Notes_1", "Note 1", "Notes 1", shown))).ok
    assert not (await crm.make_module(NewModule("Notes_1", "Note 1", "Notes 1", shown))).ok
    assert sorted((await crm.modules())["Notes_1"]) == sorted(id for id, _ in shown)
    finance = next(one for one in await crm.profiles() if one.name == "Finance")
    assert (await crm.take_rights(TakenRights(finance.id, "Finance", "Notes_1", ("Create", "Edit")))).ok
    after = next(one for one in await crm.profiles() if one.name == "Finance")
    assert finance.rights - after.rights == {("Notes_1", "Create"), ("Notes_1", "Edit")}
    assert not after.fixed and next(one for one in await crm.profiles() if one.name == "Administrator").fixed


async def test_what_a_stage_means_comes_from_the_pipeline_under_its_stored_name(house: House) -> None:
    stages = await house.crm().stages()
    assert len({pipeline for pipeline, _ in stages}) == 1
    by_name = {stage: kind for (_, stage), kind in stages.items()}
    assert by_name["Qualification"] == "Open" and by_name["Closed Won"] == "Closed Won"
    (display,) = {choice.display for choice in STAGES if choice.actual == "Closed Lost to Competition"}
    assert by_name["Closed Lost to Competition"] == "Closed Lost" and display not in by_name
