"""The same connectors over real sockets: what a broken connection looks like to httpx, and that nothing is written twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from connector_world import BOOKS_KEY, CRM_KEY, House

from renkei.connectors.auth import Tokens
from renkei.connectors.books import ZohoBooks
from renkei.connectors.crm import ZohoCrm
from renkei.connectors.http import Client
from renkei.core.connection import Budget, Hosts
from renkei.core.errors import AnswerUnknown, Unreachable
from renkei.sandbox.app import create_app


class Wire:
    """Connectors without an injected transport, against a served sandbox."""

    def __init__(self, house: House, base: str) -> None:
        self.house = house
        tokens = Tokens("ACME", house.credentials(), hosts=Hosts(base, base), store=house.store, clock=house.clock)
        self.crm = ZohoCrm(
            Client("crm", base=base, tokens=tokens, clock=house.clock, calls=house.store, organization="c"), key_field=CRM_KEY
        )
        self.books = ZohoBooks(
            Client(
                "books", base=base, tokens=tokens, clock=house.clock, calls=house.store, organization="b",
                budget=Budget(keep_for_people=0),
            ),
            edition="books",
            organization=house.world.organization,
        )  # fmt: skip


@pytest.fixture
async def wire(house: House) -> AsyncIterator[Wire]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(house.world), lifespan="off", log_level="critical", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers a flag only
            await asyncio.sleep(0.01)
        made = Wire(house, f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield made
        await made.crm.aclose()
        await made.books.aclose()
        server.should_exit = True
        await serving


@pytest.mark.parametrize("fault", ["truncated-body", "reset-connection", "500-after-commit"])
async def test_a_lost_answer_on_the_wire_is_unknown_for_a_write_and_repeated_for_a_read(wire: Wire, fault: str) -> None:
    world = wire.house.world
    await wire.books.fields("contacts")
    world.faults.add(f"{fault}@books:PUT*1")
    with pytest.raises(AnswerUnknown):
        await wire.books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita"})
    assert world.requests.count("books", method="PUT") == 1
    assert (await wire.books.put_by_key("contacts", BOOKS_KEY, "crm:Accounts:1", {"contact_name": "Kita"})).ok
    assert len(world.books.records("contacts")) == 1
    world.faults.add(f"{fault}@books:GET/contacts*1")
    assert len([row async for page in wire.books.read("contacts") for row in page.rows]) == 1


async def test_both_sides_read_and_write_over_real_connections(wire: Wire) -> None:
    (made,) = await wire.crm.insert("Accounts", [{"Account_Name": "北商事", CRM_KEY: "460000000026001"}])
    found = await wire.crm.find("Accounts", "Account_Name", ["北商事"], [CRM_KEY])
    assert found["北商事"]["id"] == made.id
    assert (await wire.books.organization()).id == wire.house.world.organization


async def test_nobody_listening_is_unreachable_and_nothing_was_written(house: House) -> None:
    with socket.socket() as unheard:  # bound and not listening: the port is ours and refuses
        unheard.bind(("127.0.0.1", 0))
        wire = Wire(house, f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(Unreachable, match=r"Nothing was written\."):
            await wire.crm.insert("Accounts", [{"Account_Name": "x"}])
