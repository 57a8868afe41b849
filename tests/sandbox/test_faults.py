"""Faults happen where, when and as often as ordered (design.md section 6)."""

from __future__ import annotations

import socket

import httpx
import pytest
from sandbox_calls import Api

from renkei.sandbox.faults import parse
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

ONE = {"data": [{"Account_Name": "A"}]}


def test_a_spec_is_read_whole() -> None:
    fault = parse("timeout-after-commit@books:PUT/contacts*1%50")
    assert (fault.kind, fault.side, fault.method, fault.path) == ("timeout-after-commit", "books", "PUT", "/contacts")
    assert (fault.times, fault.percent) == (1, 50.0)
    assert parse("clock-skew=-90@books").value == -90.0
    assert parse("429@crm%5").percent == 5.0


@pytest.mark.parametrize("spec", ["", "nonsense", "429@nowhere", "clock-skew", "500*x"])
def test_an_unreadable_spec_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"KIND|seconds"):
        parse(spec)


@pytest.mark.parametrize(("kind", "code"), [("429", "TOO_MANY_REQUESTS"), ("500", "INTERNAL_ERROR")])
def test_a_refusal_happens_the_ordered_number_of_times_and_writes_nothing(world: World, api: Api, kind: str, code: str) -> None:
    world.faults.add(f"{kind}@crm:POST*2")
    answers = [api.crm("POST", "Accounts", json=ONE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [int(kind), int(kind), 201]
    assert answers[0].json()["code"] == code
    assert len(world.crm.records("Accounts")) == 1
    assert world.faults.counts[kind] == 2


@pytest.mark.parametrize(
    ("kind", "written"),
    [("timeout-before", 0), ("timeout-after-commit", 1), ("reset-connection", 0), ("truncated-body", 1)],
)
def test_an_answer_that_never_comes_is_a_transport_error(world: World, api: Api, kind: str, written: int) -> None:
    world.faults.add(f"{kind}*1")
    with pytest.raises(httpx.TransportError):
        api.crm("POST", "Accounts", json=ONE)
    assert len(world.crm.records("Accounts")) == written
    assert world.faults.counts[kind] == 1


def test_a_500_after_commit_has_written(world: World, api: Api) -> None:
    world.faults.add("500-after-commit*1")
    assert api.crm("POST", "Accounts", json=ONE).status_code == 500
    assert len(world.crm.records("Accounts")) == 1


def test_a_token_can_expire_in_the_middle(world: World, api: Api) -> None:
    assert api.crm("GET", "org").status_code == 200
    world.faults.add("token-expired*1")
    assert api.crm("GET", "org").json()["code"] == "INVALID_TOKEN"
    assert api.crm("GET", "org").status_code == 200


def test_a_page_shift_moves_a_later_page_by_one_row(world: World, api: Api) -> None:
    ids = world.crm.seed("Accounts", [{"Account_Name": str(n)} for n in range(6)])
    world.faults.add("page-shift*1")
    pages = [
        api.crm("GET", "Accounts", params={"fields": "Phone", "per_page": "2", "page": page, "sort_order": "asc"}).json()["data"]
        for page in ("1", "2")
    ]
    assert [row["id"] for row in pages[0]] == ids[:2]
    assert [row["id"] for row in pages[1]] in (ids[1:3], ids[3:5])
    assert world.faults.counts["page-shift"] == 1


def test_a_skewed_clock_stamps_what_it_writes(world: World, api: Api) -> None:
    world.faults.add("clock-skew=-90@crm")
    details = api.crm("POST", "Accounts", json=ONE).json()["data"][0]["details"]
    assert details["Modified_Time"] == "2026-02-02T09:59:00+09:00"
    world.faults.clear()
    details = api.crm("POST", "Accounts", json=ONE).json()["data"][0]["details"]
    assert details["Modified_Time"] == "2026-02-02T10:00:30+09:00"


def test_percent_strikes_some_and_the_same_seed_strikes_the_same() -> None:
    def struck() -> list[bool]:
        world = World(seed=3)
        world.faults.add("429@crm%50")
        return [world.faults.next("crm", "GET", "/crm/v8/org") is not None for _ in range(40)]

    assert struck() == struck()
    assert 5 < sum(struck()) < 35


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("reset-connection*1", httpx.ReadError),
        ("truncated-body*1", httpx.RemoteProtocolError),
        ("timeout-before*1", httpx.ReadTimeout),
        ("timeout-after-commit*1", httpx.ReadTimeout),
    ],
)
def test_over_a_real_connection_the_client_sees_the_same(spec: str, error: type[Exception]) -> None:
    world = World(seed=5)
    header = {"Authorization": f"Zoho-oauthtoken {world.oauth.access()}"}
    with running(world) as address, httpx.Client(base_url=address["crm"], headers=header, timeout=1.0) as client:
        assert client.get("/crm/v8/org").status_code == 200
        world.faults.add(spec)
        with pytest.raises(error):
            client.get("/crm/v8/org")
        assert client.get("/crm/v8/org").status_code == 200


def test_a_served_world_is_gone_after_its_block() -> None:
    with running(World(seed=5)) as address:
        port = int(address["crm"].rsplit(":", 1)[1])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        pass
