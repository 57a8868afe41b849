"""Credits and concurrency (crm-v8.md section 13)."""

from __future__ import annotations

import asyncio

import httpx
from sandbox_calls import BASE, Api, InProcess

from renkei.sandbox.app import create_app
from renkei.sandbox.world import World


def test_writes_cost_a_credit_per_ten_records(world: World, api: Api) -> None:
    for count in (1, 10, 11, 100):
        api.crm("POST", "Accounts", json={"data": [{"Account_Name": "A"}] * count})
    assert [row.credits for row in world.requests] == [1, 1, 2, 10]


def test_what_remains_is_told_once_half_is_used(world: World, api: Api) -> None:
    budget = world.crm.budget
    budget.set_used(budget.total // 2 - 2)
    assert "x-api-credits-remaining" not in api.crm("GET", "org").headers
    assert api.crm("GET", "org").headers["x-api-credits-remaining"] == str(budget.total // 2)


def test_an_empty_budget_refuses_until_the_spent_credits_are_a_day_old(world: World, api: Api) -> None:
    world.crm.budget.set_used(world.crm.budget.total)
    answer = api.crm("GET", "org")
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    world.clock.advance(86400)
    assert api.crm("GET", "org").status_code == 200


def test_with_limits_off_credits_are_counted_but_not_enforced(world: World, api: Api) -> None:
    world.limits = False
    world.crm.budget.set_used(world.crm.budget.total)
    assert api.crm("GET", "org").status_code == 200
    assert world.crm.budget.used == world.crm.budget.total + 1


def at_once(world: World, count: int, path: str) -> list[int]:
    """Statuses of `count` calls that are all in flight together: the sandbox holds each answer until all have come."""
    world.faults.add("slow=1@crm")
    app, waiting, arrived = create_app(world), asyncio.Event(), 0

    async def hold(seconds: float) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == count:
            waiting.set()
        await waiting.wait()

    world.sleep = hold
    header = {"Authorization": f"Zoho-oauthtoken {world.oauth.access()}"}

    async def calls() -> list[int]:
        async with httpx.AsyncClient(transport=InProcess(app=app), base_url=BASE, headers=header) as client:
            answers = await asyncio.gather(*(client.get(path) for _ in range(count)))
            return sorted(answer.status_code for answer in answers)

    return asyncio.run(calls())


def test_the_twenty_first_call_at_once_is_too_many(world: World) -> None:
    assert at_once(world, 21, "/crm/v8/org") == [200] * 20 + [429]
    assert world.in_flight["crm"] == 0


def test_the_eleventh_heavy_call_at_once_is_too_many(world: World) -> None:
    world.crm.seed("Accounts", [{"Account_Name": "A"}])
    assert at_once(world, 12, "/crm/v8/Accounts?fields=Phone&sort_by=Modified_Time") == [200] * 10 + [429] * 2
    assert world.crm.budget.heavy == 0
