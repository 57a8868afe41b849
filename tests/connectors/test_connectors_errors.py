"""Every exception of httpx has one place in our tree, and the place depends on whether a write may have left."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from connector_world import HOST, House

from renkei.connectors.http import CAUGHT, FIRST_PAUSE, PLACES, Client, Place, translate
from renkei.core.errors import AnswerUnknown, Bug, ConnectionRefused, LeftAlone, RenkeiError, TryAgain, Unreachable


def family(*roots: type[Exception]) -> Iterator[type[Exception]]:
    for root in roots:
        yield root
        yield from family(*root.__subclasses__())


WALKED = set(family(httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict))
# Other libraries derive their own from these once they are imported; those never come out of httpx.
EVERY_HTTPX_EXCEPTION = sorted((kind for kind in WALKED if kind.__module__.startswith("httpx")), key=lambda kind: kind.__name__)
PUBLIC = [
    thing for name, thing in vars(httpx).items()
    if isinstance(thing, type) and issubclass(thing, Exception) and not name.startswith("_")
]  # fmt: skip


def make(kind: type[Exception]) -> Exception:
    request = httpx.Request("GET", HOST)
    if issubclass(kind, httpx.HTTPStatusError):
        return kind("status", request=request, response=httpx.Response(500, request=request))
    if issubclass(kind, (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead)):
        return kind()
    return kind("words of httpx")


@pytest.mark.parametrize("kind", EVERY_HTTPX_EXCEPTION, ids=lambda kind: kind.__name__)
def test_an_httpx_exception_has_a_place_of_its_own(kind: type[Exception]) -> None:
    assert kind in PLACES, f"httpx.{kind.__name__} is new: decide whether a request may have left when it is raised"
    assert issubclass(kind, CAUGHT)


def test_no_public_exception_of_httpx_is_outside_the_walk() -> None:
    assert set(PUBLIC) <= set(EVERY_HTTPX_EXCEPTION)


@pytest.mark.parametrize("kind", EVERY_HTTPX_EXCEPTION, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("writes", [False, True], ids=["read", "write"])
def test_the_place_decides_the_error(kind: type[Exception], writes: bool) -> None:
    error = translate("books", make(kind), request="PUT /books/v3/contacts", writes=writes)
    expected: dict[Place, type[RenkeiError]] = {
        Place.NEVER_LEFT: Unreachable,
        Place.NO_ANSWER: AnswerUnknown if writes else Unreachable,
        Place.BAD_ADDRESS: ConnectionRefused,
        Place.OUR_FAULT: Bug,
    }
    assert type(error) is expected[PLACES[kind]]
    assert "PUT /books/v3/contacts" in str(error)


class Fixed:
    """A token source without an accounts host."""

    async def token(self, side: object, *, refused: str | None, count: object) -> str:
        return "t0ken" if refused is None else "an0ther"

    async def aclose(self) -> None: ...


def client_raising(house: House, kind: type[Exception], *, times: int = 10**6) -> tuple[Client, list[httpx.Request]]:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if len(requests) <= times:
            raise make(kind)
        return httpx.Response(200, json={"code": 0, "message": "success"})

    client = Client(
        "books", base=HOST, tokens=Fixed(), clock=house.clock, calls=house.store, organization="1",
        transport=httpx.MockTransport(handle),
    )  # fmt: skip
    return client, requests


@pytest.mark.parametrize("kind", [k for k in EVERY_HTTPX_EXCEPTION if PLACES[k] is Place.NO_ANSWER], ids=lambda k: k.__name__)
async def test_a_write_without_an_answer_is_sent_once_and_is_unknown(house: House, kind: type[Exception]) -> None:
    client, requests = client_raising(house, kind)
    with pytest.raises(AnswerUnknown) as caught:
        await client.send("write", "PUT", "/books/v3/contacts", body={"contact_name": "Kita"})
    assert len(requests) == 1
    assert "Perhaps written" in str(caught.value)


@pytest.mark.parametrize("kind", [k for k in EVERY_HTTPX_EXCEPTION if PLACES[k] is Place.NEVER_LEFT], ids=lambda k: k.__name__)
async def test_a_write_that_never_left_is_repeated_and_then_nothing_was_written(house: House, kind: type[Exception]) -> None:
    client, requests = client_raising(house, kind)
    with pytest.raises(TryAgain) as caught:
        await client.send("write", "PUT", "/books/v3/contacts", body={})
    assert len(requests) == 4
    assert "Nothing was written." in str(caught.value)
    client, requests = client_raising(house, kind, times=2)
    assert (await client.send("write", "PUT", "/books/v3/contacts", body={})).status == 200
    assert len(requests) == 3


@pytest.mark.parametrize("kind", [k for k in EVERY_HTTPX_EXCEPTION if PLACES[k] is Place.NO_ANSWER], ids=lambda k: k.__name__)
async def test_a_read_without_an_answer_is_repeated_after_growing_pauses(house: House, kind: type[Exception]) -> None:
    client, requests = client_raising(house, kind)
    with pytest.raises(Unreachable):
        await client.send("read", "GET", "/books/v3/contacts")
    assert len(requests) == 4
    waits = house.clock.slept
    assert len(waits) == 3
    for wait, base in zip(waits, (1.0, 2.0, 4.0), strict=True):
        assert base * 0.5 <= wait < base * 1.5
    assert client.calls() == {"read": 1, "retry": 3}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b'{"code": 1000, "message": "Internal error"}', b"<html>Bad gateway</html>", b""])
async def test_the_servers_own_error_is_unreachable_for_a_read_and_unknown_for_a_write(
    house: House, status: int, body: bytes
) -> None:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, content=body)

    client = Client(
        "crm", base=HOST, tokens=Fixed(), clock=house.clock, calls=house.store, organization="1",
        transport=httpx.MockTransport(handle),
    )  # fmt: skip
    with pytest.raises(Unreachable):
        await client.send("read", "GET", "/crm/v8/Accounts")
    assert len(requests) == 4
    with pytest.raises(LeftAlone):
        await client.send("write", "POST", "/crm/v8/Accounts", body={"data": []})
    assert len(requests) == 4, "a side that gave no answer four times in a row is spared"
    await house.clock.sleep(FIRST_PAUSE.total_seconds())
    with pytest.raises(AnswerUnknown):
        await client.send("write", "POST", "/crm/v8/Accounts", body={"data": []})
    assert len(requests) == 5


@pytest.mark.parametrize("body", [b'{"code": 0, "contact": {"contact_id": "46', b"", b"[1, 2]", b"<html>"])
async def test_a_cut_body_is_unreachable_for_a_read_and_unknown_for_a_write(house: House, body: bytes) -> None:
    client = Client(
        "books", base=HOST, tokens=Fixed(), clock=house.clock, calls=house.store, organization="1",
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body)),
    )  # fmt: skip
    with pytest.raises(Unreachable):
        await client.send("read", "GET", "/books/v3/contacts")
    await house.clock.sleep(FIRST_PAUSE.total_seconds())
    with pytest.raises(AnswerUnknown):
        await client.send("write", "PUT", "/books/v3/contacts", body={})


async def test_a_redirect_means_a_wrong_host_and_is_not_followed(house: House) -> None:
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(302, headers={"location": "https://elsewhere.example/login"})

    client = Client(
        "crm", base=HOST, tokens=Fixed(), clock=house.clock, calls=house.store, organization="1",
        transport=httpx.MockTransport(handle),
    )  # fmt: skip
    with pytest.raises(ConnectionRefused, match="redirected"):
        await client.send("read", "GET", "/crm/v8/org")
    assert len(requests) == 1


async def test_a_host_that_is_no_web_address_is_a_wrong_connection(house: House) -> None:
    client = Client("crm", base="ftp://crm.example", tokens=Fixed(), clock=house.clock, calls=house.store, organization="1")
    with pytest.raises(ConnectionRefused, match="address"):
        await client.send("read", "GET", "/crm/v8/org")
