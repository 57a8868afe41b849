"""Faults on request, seeded and countable, as ASGI middleware around both sides (design.md section 6)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from renkei.sandbox.world import RequestRow, World

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

KINDS = (
    "429",
    "500",
    "500-after-commit",
    "timeout-before",
    "timeout-after-commit",
    "token-expired",
    "page-shift",
    "slow",
    "clock-skew",
    "reset-connection",
    "truncated-body",
)
HOLD_SECONDS = 30.0
_SPEC = re.compile(
    r"(?P<kind>[0-9a-z-]+?)(?:=(?P<value>[+-]?\d+(?:\.\d+)?))?(?:@(?P<side>crm|books|accounts))?"
    r"(?::(?P<method>[A-Z]+|(?=/)))?(?P<path>/[^*%]*)?(?:\*(?P<times>\d+))?(?:%(?P<percent>\d+(?:\.\d+)?))?"
)


class NoAnswer(Exception):
    """Raised out of the app where no real connection exists: the client must see a transport error.

    `kind`: `timeout-before`, `timeout-after-commit`, `reset-connection` or `truncated-body`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(slots=True)
class Fault:
    """One order: `KIND[=VALUE][@side][:METHOD][/path-substring][*times][%percent]`."""

    spec: str
    kind: str
    value: float | None
    side: str | None
    method: str | None
    path: str | None
    times: int | None
    percent: float

    def fits(self, side: str, method: str, path: str) -> bool:
        return (
            self.times != 0
            and self.side in (None, side)
            and self.method in (None, method)
            and (self.path is None or self.path in path)
        )


def parse(spec: str) -> Fault:
    """Reads a fault spec, e.g. `timeout-after-commit@books:PUT/contacts*1`, `429@crm%5`. ValueError if unreadable."""
    found = _SPEC.fullmatch(spec)
    if found is None or found["kind"] not in KINDS:
        raise ValueError(f"unknown fault {spec!r}: KIND[=VALUE][@side][:METHOD][/path][*times][%percent]")
    if found["kind"] == "clock-skew" and found["value"] is None:
        raise ValueError(f"{spec!r}: clock-skew needs seconds, e.g. clock-skew=-90@books")
    return Fault(
        spec=spec,
        kind=found["kind"],
        value=float(found["value"]) if found["value"] else None,
        side=found["side"],
        method=found["method"] or None,
        path=found["path"],
        times=int(found["times"]) if found["times"] else None,
        percent=float(found["percent"]) if found["percent"] else 100.0,
    )


class Faults:
    """The faults ordered so far. `counts[kind]`: how often each has happened."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.orders: list[Fault] = []
        self.counts: Counter[str] = Counter()

    def add(self, spec: str) -> Fault:
        fault = parse(spec)
        self.orders.append(fault)
        return fault

    def clear(self) -> None:
        """Forgets the orders; the counts stay."""
        self.orders.clear()

    def take(self, kind: str, side: str, method: str, path: str) -> Fault | None:
        """The order of this kind that strikes this request now, counted; None when none does."""
        for fault in self.orders:
            if fault.kind == kind and fault.fits(side, method, path) and self._strikes(fault):
                return fault
        return None

    def page_shift(self, side: str, path: str) -> int:
        """For list handlers: how far the rows moved since the page before (+1, -1, or 0 for not at all)."""
        if self.orders and self.take("page-shift", side, "GET", path) is not None:
            return self._rng.choice((-1, 1))
        return 0

    def next(self, side: str, method: str, path: str) -> Fault | None:
        """The first order that strikes this request, of the kinds that act on the exchange as a whole."""
        for fault in self.orders:
            if fault.kind not in ("page-shift", "clock-skew") and fault.fits(side, method, path) and self._strikes(fault):
                return fault
        return None

    def skew(self, side: str) -> float | None:
        """Seconds by which `clock-skew` orders set a side's clock wrong; None when no order names it."""
        for fault in self.orders:
            if fault.kind == "clock-skew" and fault.side in (None, side):
                return fault.value
        return None

    def _strikes(self, fault: Fault) -> bool:
        if fault.percent < 100.0 and self._rng.random() * 100.0 >= fault.percent:
            return False
        if fault.times is not None:
            fault.times -= 1
        self.counts[fault.kind] += 1
        return True


class FaultLayer:
    """Counts requests, keeps the request log and applies the faults. The outermost ASGI layer."""

    def __init__(self, app: App, world: World, side_of: Callable[[str], str | None]) -> None:
        self.app = app
        self.world = world
        self.side_of = side_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        side = self.side_of(scope["path"]) if scope["type"] == "http" else None
        if side is None:
            await self.app(scope, receive, send)
            return
        row = self._open_row(side, scope)
        send = _Dated(self.world, side, send)
        started = self.world.clock.now()
        self.world.in_flight[side] += 1
        try:
            await self._answer(row, scope, receive, send)
        finally:
            self.world.in_flight[side] -= 1
            row.seconds = (self.world.clock.now() - started).total_seconds()

    def _open_row(self, side: str, scope: Scope) -> RequestRow:
        from renkei.sandbox.world import RequestRow

        query = scope.get("query_string", b"").decode("latin-1")
        row = RequestRow(at=self.world.clock.now(), side=side, method=scope["method"], path=scope["path"], query=query)
        scope["sandbox.row"] = row
        self.world.requests.append(row)
        return row

    async def _answer(self, row: RequestRow, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.world.faults
        if not faults.orders:
            self.world.clock.skew.pop(row.side, None)
            await self.app(scope, receive, _Recorder(row, send))
            return
        self.world.clock.skew[row.side] = faults.skew(row.side) or 0.0
        fault = faults.next(row.side, row.method, row.path)
        kind = fault.kind if fault else None
        row.fault = kind
        if fault is None or kind is None:
            await self.app(scope, receive, _Recorder(row, send))
        elif kind in ("429", "500"):
            await _read_all(receive)
            await _send_json(_Recorder(row, send), *error_answer(kind, row.side))
        elif kind == "500-after-commit":
            await self.app(scope, receive, _discard)
            await _send_json(_Recorder(row, send), *error_answer("500", row.side))
        elif kind == "timeout-before":
            await _read_all(receive)
            await self._hold(kind, receive, send)
        elif kind == "timeout-after-commit":
            await self.app(scope, receive, _discard)
            await self._hold(kind, receive, send)
        elif kind == "token-expired":
            self.world.oauth.expire(_header(scope, b"authorization"))
            await self.app(scope, receive, _Recorder(row, send))
        elif kind == "slow":
            seconds = fault.value if fault.value is not None else 2.0
            await self.app(scope, receive, _Delayed(self.world, seconds, _Recorder(row, send)))
        elif kind == "reset-connection":
            await _read_all(receive)
            _break_connection(kind, send)
        else:
            await self.app(scope, receive, _Truncated(send))

    async def _hold(self, kind: str, receive: Receive, send: Send) -> None:
        """Gives no answer until the client goes away or 30 s have passed; in process fails at once."""
        if _connection(send) is None:
            raise NoAnswer(kind)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLD_SECONDS):
                while (await receive())["type"] != "http.disconnect":
                    pass
        _break_connection(kind, send)


class _Dated:
    """Puts the Date header on answers, by the vendor's own clock."""

    def __init__(self, world: World, side: str, send: Send) -> None:
        self.world, self.side, self.send = world, side, send
        self.transport = getattr(getattr(send, "__self__", None), "transport", None)  # the socket's, under uvicorn

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            date = format_datetime(self.world.clock.now(self.side), usegmt=True)
            message = {**message, "headers": [*message.get("headers", ()), (b"date", date.encode())]}
        await self.send(message)


class _Recorder:
    """Passes an answer on and notes its status and, for errors, the vendor's code."""

    def __init__(self, row: RequestRow, send: Send) -> None:
        self.row = row
        self.send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.row.status = message["status"]
        elif self.row.code is None and self.row.status >= 400:
            with contextlib.suppress(orjson.JSONDecodeError):
                body = orjson.loads(message.get("body", b""))
                self.row.code = body.get("code") if isinstance(body, dict) else None
        await self.send(message)


class _Delayed:
    def __init__(self, world: World, seconds: float, send: Send) -> None:
        self.world = world
        self.seconds = seconds
        self.send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.world.sleep(self.seconds)
        await self.send(message)


class _Truncated:
    """Sends the head and half of the body, then breaks the connection."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        if self.start is not None and _connection(self.send) is not None:
            body = message.get("body", b"")
            await self.send(self.start)
            await self.send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _break_connection("truncated-body", self.send)


def error_answer(kind: str, side: str) -> tuple[int, dict[str, Any]]:
    """Status and body of `429` or `500` as the side words it (crm-v8.md section 12, books-v3.md sections 2 and 5)."""
    if side == "books":
        if kind == "429":
            return 429, {
                "code": 44,
                "message": "For security reasons your organization has been blocked as it have exceeded the maximum "
                "number of requests per minute that can originate from an organization.",
            }
        return 500, {"code": 1000, "message": "Internal error"}
    if side == "accounts":
        if kind == "429":
            return 429, {"error": "too_many_requests", "status": "failure"}
        return 500, {"error": "general_error", "status": "failure"}
    if kind == "429":
        message = "too many requests. please try again after some time"
        return 429, {"code": "TOO_MANY_REQUESTS", "details": {}, "message": message, "status": "error"}
    message = "Internal server error occurred."
    return 500, {"code": "INTERNAL_ERROR", "details": {}, "message": message, "status": "error"}


async def _send_json(send: Send, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json;charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


async def _discard(message: Message) -> None:
    """Swallows the answer of a call that took effect."""


async def _read_all(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def _connection(send: Send) -> Any:
    """The socket transport behind `send` under uvicorn; None where the app is called in process."""
    return getattr(send, "transport", None)


def _break_connection(kind: str, send: Send) -> None:
    """Resets the TCP connection; in process raises NoAnswer."""
    transport = _connection(send)
    if transport is None:
        raise NoAnswer(kind)
    raw = transport.get_extra_info("socket")
    if kind == "reset-connection" and raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
