"""Every fault of the sandbox, on both sides, for reads and for writes: the right error or the right answer, never a double."""

from __future__ import annotations

import pytest
from connector_world import BOOKS_KEY, CRM_KEY, House

from renkei.core.connection import Budget
from renkei.core.errors import AnswerUnknown, BudgetSpent, Throttled, TryAgain, Unreachable, WriteForbidden

LOST = ["500", "500-after-commit", "timeout-before", "timeout-after-commit", "truncated-body", "reset-connection"]
COMMITTED = {"500-after-commit", "timeout-after-commit", "truncated-body"}
REPEATED = ["429", "token-expired"]


async def names_in_books(house: House) -> list[str]:
    return [row["contact_name"] async for page in house.books().read("contacts") for row in page.rows]


async def names_in_crm(house: House) -> list[str]:
    return [row["Account_Name"] async for page in house.crm().read("Accounts", ["Account_Name"]) for row in page.rows]


@pytest.mark.parametrize("fault", [*LOST, *REPEATED, "slow=5"])
async def test_a_read_that_fails_once_is_right_in_the_end(house: House, fault: str) -> None:
    house.world.crm.seed("Accounts", [{"Account_Name": "Kita"}])
    house.world.books.seed("contacts", [{"contact_name": "Kita"}])
    house.world.faults.add(f"{fault}@crm*1")
    house.world.faults.add(f"{fault}@books*1")
    if fault == "slow=5":
        house.world.sleep = house.clock.sleep
    assert await names_in_crm(house) == ["Kita"]
    assert await names_in_books(house) == ["Kita"]
    assert house.world.faults.counts[fault.partition("=")[0]] == 2


@pytest.mark.parametrize("fault", LOST)
async def test_a_read_that_keeps_failing_is_unreachable(house: House, fault: str) -> None:
    house.world.faults.add(f"{fault}@crm")
    house.world.faults.add(f"{fault}@books")
    with pytest.raises(Unreachable):
        await names_in_crm(house)
    with pytest.raises(Unreachable):
        await names_in_books(house)


@pytest.mark.parametrize("fault", LOST)
async def test_an_insert_without_an_answer_is_unknown_and_sent_once(house: House, fault: str) -> None:
    crm = house.crm()
    house.world.faults.add(f"{fault}@crm:POST*1")
    with pytest.raises(AnswerUnknown) as caught:
        await crm.insert("Accounts", [{"Account_Name": "Kita", CRM_KEY: "460000000000026001"}])
    assert "POST /crm/v8/Accounts" in str(caught.value)
    assert house.asked("crm", "POST", "/Accounts") == 1
    found = await crm.find("Accounts", CRM_KEY, ["460000000000026001"], ["Account_Name"])
    assert len(found) == (1 if fault in COMMITTED else 0)
    # Inserting again creates it if it is not there, and says where it is if it is.
    (again,) = await crm.insert("Accounts", [{"Account_Name": "Kita", CRM_KEY: "460000000000026001"}])
    assert again.ok is (fault not in COMMITTED)
    if not again.ok:
        assert (again.field, again.duplicate_of) == (CRM_KEY, found["460000000000026001"]["id"])
    assert await names_in_crm(house) == ["Kita"]


@pytest.mark.parametrize("fault", LOST)
async def test_a_put_by_key_without_an_answer_is_unknown_and_its_repetition_does_not_double(house: House, fault: str) -> None:
    books = house.books()
    await books.fields("contacts")
    house.world.faults.add(f"{fault}@books:PUT*1")
    with pytest.raises(AnswerUnknown):
        await books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita"})
    assert house.asked("books", "PUT") == 1
    answer = await books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita"})
    assert answer.ok and answer.record is not None
    assert await names_in_books(house) == ["Kita"]


@pytest.mark.parametrize("fault", REPEATED)
async def test_a_write_that_was_refused_for_now_is_repeated_and_done_once(house: House, fault: str) -> None:
    house.world.faults.add(f"{fault}@crm:POST*2" if fault == "429" else f"{fault}@crm:POST*1")
    (answer,) = await house.crm().insert("Accounts", [{"Account_Name": "Kita"}])
    assert answer.ok
    assert await names_in_crm(house) == ["Kita"]


async def test_the_crms_429_is_waited_for_five_times_doubling_and_then_ends_the_run(house: House) -> None:
    crm = house.crm()
    house.world.faults.add("429@crm")
    with pytest.raises(Throttled) as caught:
        await crm.organization()
    assert caught.value.limit == "credits"
    assert house.asked("crm") == 6
    for wait, base in zip(house.clock.slept, (2, 4, 8, 16, 32), strict=False):
        assert base <= wait <= base * 1.25


async def test_a_block_of_books_is_waited_out_for_more_than_a_minute_by_every_call(house: House) -> None:
    books = house.books()
    house.world.faults.add("429@books*1")
    before = house.clock.now()
    assert (await books.organization()).currency == "JPY"
    assert (house.clock.now() - before).total_seconds() > 60


async def test_the_spent_day_stops_at_once_and_asks_no_further_call(house: House) -> None:
    books = house.books()
    await books.organization()
    house.world.books.set_day_used(10**6)
    with pytest.raises(BudgetSpent) as caught:
        await books.users()
    assert caught.value.resets_in is not None and caught.value.resets_in > 0
    asked = house.asked("books")
    with pytest.raises(BudgetSpent):
        await books.users()
    assert house.asked("books") == asked


async def test_our_own_cap_counts_calls_of_other_processes(house: House) -> None:
    capped = House(house.world, budget=Budget(books_per_day=3, keep_for_people=0))
    one, two = capped.client("books", run="r1"), capped.client("books", run="r2")
    path = "/books/v3/organizations"
    await one.send("read", "GET", path)
    await one.send("read", "GET", path)
    one.flush()
    assert two.allowance() is not None
    await two.send("read", "GET", path)
    two.flush()
    assert two.allowance() == 0
    with pytest.raises(BudgetSpent) as caught:
        await two.send("read", "GET", path)
    assert 0 < (caught.value.resets_in or 0) <= 86400
    assert capped.asked("books") <= 3


async def test_calls_kept_for_people_are_not_taken(house: House) -> None:
    keeping = House(house.world, budget=Budget(keep_for_people=100))
    books = keeping.books()
    await books.organization()
    await books.users()
    left, _ = books.daily()
    assert left is not None
    keeping.world.books.set_day_used(10_000 - 101)
    await books.users()
    with pytest.raises(BudgetSpent, match="kept for people"):
        await books.users()


async def test_the_minutes_budget_is_a_window_that_slides(house: House) -> None:
    paced = House(house.world, budget=Budget(books_per_minute=10, keep_for_people=0))
    client = paced.client("books")
    started = paced.clock.now()
    sent = []
    for _ in range(25):
        await client.send("read", "GET", "/books/v3/organizations")
        sent.append((paced.clock.now() - started).total_seconds())
    assert sent[9] < 1 and 60 <= sent[10] < 61 and 120 <= sent[20] < 121
    assert paced.world.requests.count("books", status=429) == 0


async def test_reading_mode_refuses_every_write_before_it_leaves_and_lets_every_read_through(house: House) -> None:
    house.world.crm.seed("Accounts", [{"Account_Name": "Kita"}])
    crm, books = house.crm(read_only=True), house.books(read_only=True)
    assert [row async for page in crm.read("Accounts", ["Account_Name"]) for row in page.rows]
    await books.fields("contacts")
    asked = len(house.world.requests)
    writes = [
        crm.insert("Accounts", [{"Account_Name": "x"}]),
        crm.update("Accounts", [{"id": "1"}]),
        crm.delete("Accounts", ["1"]),
        books.put_by_key("contacts", BOOKS_KEY, "k", {"contact_name": "x"}),
        books.update("contacts", "1", {"notes": "x"}),
        books.set_active("contacts", "1", False),
        books.add_person("1", {"first_name": "x"}),
        books.update_person("1", {"first_name": "x"}),
        books.delete_person("1"),
        books.delete("contacts", "1"),
    ]
    for write in writes:
        with pytest.raises(WriteForbidden):
            await write
    assert len(house.world.requests) == asked


async def test_reading_mode_holds_even_for_a_write_that_calls_itself_a_read(house: House) -> None:
    client = house.client("crm", read_only=True)
    with pytest.raises(WriteForbidden):
        await client.send("read", "POST", "/crm/v8/Accounts", body={"data": [{"Account_Name": "x"}]})
    assert house.asked("crm") == 0


async def test_calls_are_counted_by_kind_and_reach_the_store(house: House) -> None:
    client = house.client("crm", run="r1")
    house.world.faults.add("500@crm:GET*1")
    await client.send("metadata", "GET", "/crm/v8/org")
    await client.send("write", "POST", "/crm/v8/Accounts", body={"data": [{"Account_Name": "x"}], "trigger": []})
    assert client.calls() == {"token": 1, "metadata": 1, "retry": 1, "write": 1}
    await client.aclose()
    assert sum(house.store.counted.values()) == 4
    assert {key[2] for key in house.store.counted} == {"2026-11-02"}


async def test_no_more_than_four_crm_calls_are_in_flight(house: House) -> None:
    import asyncio

    most = 0
    inner = house.transport._inner.app

    async def slow_app(scope: object, receive: object, send: object) -> None:
        nonlocal most
        most = max(most, house.world.in_flight["crm"] + 1)
        for _ in range(5):
            await asyncio.sleep(0)
        await inner(scope, receive, send)  # type: ignore[arg-type]

    counting = 0

    async def counted(scope: object, receive: object, send: object) -> None:
        nonlocal counting, most
        counting += 1
        most = max(most, counting)
        try:
            await slow_app(scope, receive, send)
        finally:
            counting -= 1

    tokens = house.tokens()
    await tokens.token("crm")
    house.transport._inner.app = counted  # type: ignore[assignment]
    crm = house.crm(tokens)
    await asyncio.gather(*(crm.organization() for _ in range(20)))
    assert 2 <= most <= 4


def test_try_again_says_that_nothing_was_written() -> None:
    assert "Nothing was written." in str(TryAgain("crm", "busy."))
