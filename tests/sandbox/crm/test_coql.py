"""COQL as crm-v8.md section 4 says."""
# ruff: noqa: S608 (queries of a test, made by the test)

from __future__ import annotations

import pytest
from sandbox_calls import Api

from renkei.sandbox.world import World


@pytest.fixture
def ids(world: World) -> list[str]:
    """Five accounts; the second is the parent of the third."""
    rows = [
        {"Account_Name": "Aoyama Printing", "Annual_Revenue": 100.0, "Industry": "Printing", "renkei_books_id": "B1"},
        {"Account_Name": "Kanda Foods", "Annual_Revenue": 200.0, "Industry": "Food"},
        {"Account_Name": "Kanda Bakery", "Annual_Revenue": 300.0, "Industry": "Food"},
        {"Account_Name": "O'Hara", "Phone": "03-1"},
        {"Account_Name": "Ueno", "Employees": 5, "Annual_Revenue": 0},
    ]
    made = world.crm.seed("Accounts", rows)
    world.crm.edit("Accounts", made[2], Parent_Account={"id": made[1]})
    return made


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Account_Name = 'kanda foods'", [1]),
        ("Account_Name != 'Kanda Foods'", [0, 2, 3, 4]),
        ("Account_Name like 'Kanda%'", [1, 2]),
        ("Account_Name like '%ing'", [0]),
        ("Account_Name not like '%anda%'", [0, 3, 4]),
        ("Account_Name = 'O''Hara'", [3]),
        (r"Account_Name = 'O\'Hara'", [3]),
        ("Industry in ('Food', 'Retail')", [1, 2]),
        ("Industry not in ('Food')", [0]),
        ("Industry is null", [3, 4]),
        ("Industry is not null", [0, 1, 2]),
        ("Annual_Revenue between 100 and 200", [0, 1]),
        ("Annual_Revenue not between 100 and 200", [2, 4]),
        ("Annual_Revenue >= 200", [1, 2]),
        ("Employees = 5", [4]),
        ("Parent_Account.Account_Name = 'Kanda Foods'", [2]),
        ("renkei_books_id = 'B1'", [0]),
        ("((Industry = 'Food' and Annual_Revenue > 250) or Phone = '03-1')", [2, 3]),
        ("(Industry = 'Food' and (Annual_Revenue < 250 or Phone is not null))", [1]),
        ("Modified_Time >= '2026-02-02T10:00:30+09:00'", [0, 1, 2, 3, 4]),
        ("Modified_Time > '2026-02-02T01:00:30Z'", []),
    ],
)
def test_a_condition_finds_exactly_these(api: Api, ids: list[str], where: str, found: list[int]) -> None:
    assert [row["id"] for row in api.rows(f"select Account_Name from Accounts where {where}")] == [ids[n] for n in found]


def test_lookups_carry_the_id_only_and_names_come_by_a_join(api: Api, ids: list[str]) -> None:
    text = f"select Owner, Parent_Account, Parent_Account.Account_Name from Accounts where id = '{ids[2]}'"
    assert api.rows(text) == [
        {
            "id": ids[2],
            "Owner": {"id": api.world.crm.human_user["id"]},
            "Parent_Account": {"id": ids[1]},
            "Parent_Account.Account_Name": "Kanda Foods",
        }
    ]


def test_keys_page_through_everything_in_id_order(world: World, api: Api) -> None:
    ids = world.crm.seed("Accounts", [{"Account_Name": f"A{n}"} for n in range(4500)])
    seen, last = [], "0"
    while True:
        answer = api.coql(f"select id from Accounts where id > '{last}' order by id asc limit 2000").json()
        seen += [row["id"] for row in answer["data"]]
        if not answer["info"]["more_records"]:
            break
        last = seen[-1]
    assert seen == ids


def test_changes_since_a_moment_come_in_id_order_whatever_their_number(world: World, api: Api, ids: list[str]) -> None:
    world.clock.advance(10)
    since = world.crm.now_stamp()
    for id in (ids[4], ids[0]):
        world.crm.edit("Accounts", id, Phone="03-9")
    assert [row["id"] for row in api.rows(f"select id from Accounts where Modified_Time >= '{since}'")] == [ids[0], ids[4]]


def test_default_limit_is_two_hundred(world: World, api: Api) -> None:
    world.crm.seed("Accounts", [{"Account_Name": "A"}] * 201)
    answer = api.coql("select id from Accounts where id is not null").json()
    assert (answer["info"]["count"], answer["info"]["more_records"]) == (200, True)


@pytest.mark.parametrize("tail", ["limit 2 offset 1", "limit 1, 2"])
def test_both_forms_of_offset(api: Api, ids: list[str], tail: str) -> None:
    assert [row["id"] for row in api.rows(f"select id from Accounts where id is not null {tail}")] == ids[1:3]


def test_order_by_a_field_puts_nulls_first_and_keeps_ids_rising(api: Api, ids: list[str]) -> None:
    rows = api.rows("select id from Accounts where id is not null order by Annual_Revenue desc, id asc")
    assert [row["id"] for row in rows] == [ids[2], ids[1], ids[0], ids[4], ids[3]]


def test_aggregates_and_groups(api: Api, ids: list[str]) -> None:
    assert api.rows("select COUNT(id) from Accounts where id is not null") == [{"COUNT(id)": 5}]
    text = "select Industry, COUNT(id) as n, SUM(Annual_Revenue) from Accounts where Industry is not null group by Industry"
    assert api.rows(text) == [
        {"Industry": "Printing", "n": 1, "SUM(Annual_Revenue)": 100.0},
        {"Industry": "Food", "n": 2, "SUM(Annual_Revenue)": 500.0},
    ]


@pytest.mark.parametrize(
    ("text", "code", "details"),
    [
        ("select id from Accounts wher id = '1'", "SYNTAX_ERROR", {"line": 1, "column": 25, "near": "wher"}),
        ("select id from Accounts", "SYNTAX_ERROR", {"clause": "where"}),
        (
            "select id from Accounts where id = '1' and id = '2' and id = '3'",
            "SYNTAX_ERROR",
            {"line": 1, "column": 53, "near": "and"},
        ),
        ("select id from Accounts where id > '1' limit 2001", "LIMIT_EXCEEDED", {"limit": 2000}),
        ("select id from Accounts where id > '1' limit 1 offset 100001", "LIMIT_EXCEEDED", {"limit": 100000}),
        ("select Nope from Accounts where id > '1'", "INVALID_QUERY", {"column_name": "Nope"}),
        ("select id from Nope where id > '1'", "INVALID_QUERY", {"module": "Nope"}),
        ("select id from Accounts where id = 'x'", "INVALID_QUERY", {"column_name": "id"}),
        ("select id from Accounts where Account_Name > 'x'", "INVALID_QUERY", {"operator": ">"}),
        ("select id from Accounts where Description = 'x'", "INVALID_QUERY", {"data_type": "textarea"}),
        ("select id from Accounts where Account_Name not like 'x%'", "INVALID_QUERY", {}),
        ("select Phone, Phone from Accounts where id > '1'", "DUPLICATE_DATA", {"column_name": "Phone"}),
    ],
)
def test_wrong_queries_are_refused(api: Api, text: str, code: str, details: dict[str, object]) -> None:
    answer = api.coql(text)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["details"].items() >= details.items()


def test_fifty_one_values_or_twenty_six_criteria_are_too_many(api: Api) -> None:
    values = ", ".join(f"'{n}'" for n in range(51))
    assert api.coql(f"select id from Accounts where Phone in ({values})").json()["code"] == "LIMIT_EXCEEDED"
    where = "Phone = '1'"
    for _ in range(25):
        where = f"({where} and Phone = '1')"
    assert api.coql(f"select id from Accounts where {where}").json()["code"] == "LIMIT_EXCEEDED"


def test_credits_follow_the_limit_asked(world: World, api: Api) -> None:
    for limit in (200, 201, 1000, 1001):
        api.coql(f"select id from Accounts where id > '1' limit {limit}")
    assert [row.credits for row in world.requests] == [1, 2, 2, 3]
