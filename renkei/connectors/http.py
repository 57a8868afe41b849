"""One HTTP client a side: authorization, limits, budgets, counting, retries, and httpx's errors in our own tree.

What leaves through `Client.send` either comes back as a `Reply` that says something about the request itself, or as an
error of core/errors.py. Limits: crm-v8.md section 13, books-v3.md section 5.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import httpx
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from renkei.core.connection import Budget
from renkei.core.errors import (
    AnswerUnknown,
    BudgetSpent,
    Bug,
    ConnectionRefused,
    CredentialsRefused,
    LeftAlone,
    RenkeiError,
    ScopeMissing,
    Throttled,
    TryAgain,
    Unreachable,
    WriteForbidden,
    WrongOrganization,
)
from renkei.core.ports import CallStore, Clock
from renkei.core.records import Sick
from renkei.core.values import Side, time_text

Kind = Literal["read", "write", "metadata"]

CONNECT_SECONDS = 10.0  # a TCP and TLS handshake takes well under one; ten outlast a lost packet and its repetition
ANSWER_SECONDS = 90.0  # longer than the usual minute of a gateway, so that its 504 comes and not our own time-out
SLOT_SECONDS = 120.0  # waiting for a pooled connection: only when all are stuck in an answer that long

# crm-v8.md section 13: "a client of 4 workers stays below every edition's limit"; books-v3.md section 16.14: five on Free.
CONCURRENT: Mapping[Side, int] = {"crm": 4, "books": 5}
MINUTE = 60.0

SICK_AFTER = 4  # attempts in a row without an answer: those of one read, or as many writes
FIRST_PAUSE = timedelta(seconds=10)  # doubled at every silence after it; shorter than the wait before a stage's next attempt
LONGEST_PAUSE = timedelta(minutes=10)  # a restart or a switch-over takes minutes; the hourly run comes well after it
READ_TRIES = 4  # three repetitions over about seven seconds: a restart of a gateway; the run's own retry comes after
WAITS_FOR_ROOM = 5  # crm-v8.md section 13: after five fruitless waits assume that the credits are used up
LONGEST_WAIT = 60.0
SHORTEST_WAIT = 0.001  # less is a rest of rounding, which a clock may turn into no time at all
BLOCK_SECONDS = 61.0  # books-v3.md section 5: code 44 is a block whose length clients take to be one minute
RESET_UNKNOWN_SECONDS = 3600.0  # the day is spent and no header says until when: ask again in an hour
ACCOUNTS = "accounts"  # tokens are counted under this name: they do not draw on any organisation's allowance
FLUSH_EVERY = 25  # calls that a crash may leave uncounted in the shared store


# ------------------------------------------------------------------------------------------------- httpx in our tree


class Place(Enum):
    """What an httpx exception means for a request."""

    NEVER_LEFT = "never left"  # reads and writes: Unreachable, repeated
    NO_ANSWER = "no answer"  # reads: Unreachable, repeated; writes: AnswerUnknown
    BAD_ADDRESS = "bad address"  # the configured host is no web address: ConnectionRefused
    OUR_FAULT = "our fault"  # we used httpx wrongly: Bug


PLACES: Mapping[type[Exception], Place] = {
    httpx.ConnectError: Place.NEVER_LEFT,
    httpx.ConnectTimeout: Place.NEVER_LEFT,
    httpx.PoolTimeout: Place.NEVER_LEFT,
    httpx.ProxyError: Place.NEVER_LEFT,
    httpx.ReadTimeout: Place.NO_ANSWER,
    httpx.WriteTimeout: Place.NO_ANSWER,
    httpx.ReadError: Place.NO_ANSWER,
    httpx.WriteError: Place.NO_ANSWER,
    httpx.CloseError: Place.NO_ANSWER,
    httpx.RemoteProtocolError: Place.NO_ANSWER,
    httpx.DecodingError: Place.NO_ANSWER,
    # The bases: only a newer httpx would raise them bare; the careful reading is that the request may have left.
    httpx.HTTPError: Place.NO_ANSWER,
    httpx.RequestError: Place.NO_ANSWER,
    httpx.TransportError: Place.NO_ANSWER,
    httpx.TimeoutException: Place.NO_ANSWER,
    httpx.NetworkError: Place.NO_ANSWER,
    httpx.ProtocolError: Place.NO_ANSWER,
    httpx.UnsupportedProtocol: Place.BAD_ADDRESS,
    httpx.InvalidURL: Place.BAD_ADDRESS,
    httpx.TooManyRedirects: Place.BAD_ADDRESS,
    httpx.LocalProtocolError: Place.OUR_FAULT,
    httpx.HTTPStatusError: Place.OUR_FAULT,
    httpx.CookieConflict: Place.OUR_FAULT,
    httpx.StreamError: Place.OUR_FAULT,
    httpx.StreamConsumed: Place.OUR_FAULT,
    httpx.StreamClosed: Place.OUR_FAULT,
    httpx.ResponseNotRead: Place.OUR_FAULT,
    httpx.RequestNotRead: Place.OUR_FAULT,
}
CAUGHT = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, OSError)


def translate(side: Side, error: Exception, *, request: str, writes: bool) -> RenkeiError:
    """Our error for one of httpx's (or a bare OSError). `request` is method and path, without query or secrets."""
    place = next((PLACES[kind] for kind in type(error).__mro__ if kind in PLACES), Place.NO_ANSWER)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if place is Place.NEVER_LEFT:
        return Unreachable(side, f"{request} could not be sent ({words}).")
    if place is Place.BAD_ADDRESS:
        return ConnectionRefused(
            side, f"the address of {request} is wrong ({words}).", fix="Correct hosts or data_center in the connection."
        )
    if place is Place.OUR_FAULT:
        return Bug(f"{side}: {request}: {words}.", expected="a request that httpx can send and an answer read once")
    return no_answer(side, words, request=request, writes=writes)


def no_answer(side: Side, why: str, *, request: str, writes: bool) -> RenkeiError:
    """The request may have arrived: harmless for a read, unknown for a write."""
    return AnswerUnknown(side, request, why) if writes else Unreachable(side, f"no answer to {request} ({why}).")


# ------------------------------------------------------------------------------------------------- answers


class Unreadable(Enum):
    """The body was cut, or is HTML of a gateway."""

    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Reply:
    """A decoded answer. `body` is None for 204 and 304, and the bytes of a PDF. Money stays a double, as on the wire: core makes
    it Decimal by repr."""

    status: int
    body: Any
    headers: Mapping[str, str]
    served_at: datetime

    @property
    def content(self) -> dict[str, Any]:
        return self.body if isinstance(self.body, dict) else {}


class TokenRefused(Exception):
    """401: the access token ended, or never was good for this. Data: code, words (theirs)."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(code)
        self.code, self.words = code, words


def crm_refusal(reply: Reply) -> Exception | None:
    """What a CRM answer says about token, rights and limits; None: it speaks of the request itself (crm-v8.md 2.5, 12)."""
    code, words = str(reply.content.get("code", "")), str(reply.content.get("message", ""))
    if reply.status == 429 or code == "TOO_MANY_REQUESTS":
        return Throttled("crm", "too many requests.", limit="credits", retry_after=_retry_after(reply))
    if code == "OAUTH_SCOPE_MISMATCH":
        return ScopeMissing("crm", f"the token's scopes do not cover this call: {words}.", fix=_MORE_SCOPES)
    if code == "NO_PERMISSION":
        named = ", ".join(map(str, _details(reply).get("permissions", ())))
        return ScopeMissing("crm", f"{words} {named}".strip() + ".", fix="Give the integration user's profile this right.")
    if reply.status == 401:
        return TokenRefused(code, words)
    return None


def books_refusal(reply: Reply) -> Exception | None:
    """The same for Books and Invoice; the code in the body outranks the status (books-v3.md section 3)."""
    code, words = reply.content.get("code"), str(reply.content.get("message", ""))
    if code == 45:
        return BudgetSpent("books", words, resets_in=_number(reply, "x-rate-limit-reset"))
    if code == 1070:
        return Throttled("books", words, limit="in_flight", retry_after=_retry_after(reply))
    if code in (43, 44) or reply.status == 429:
        return Throttled("books", words or "too many requests.", limit="minute", retry_after=_retry_after(reply))
    if code in (6041, 9017):
        return WrongOrganization("books", words, fix="Correct books.organization in the connection, or its credentials.")
    if code == 103001:
        return ConnectionRefused("books", words)
    if reply.status == 401 or code in (14, 57):
        return TokenRefused(str(code), words)
    return None


_MORE_SCOPES = "Authorise again with the scopes that docs/reference/scopes.md lists."
REFUSALS: Mapping[Side, Callable[[Reply], Exception | None]] = {"crm": crm_refusal, "books": books_refusal}


def _details(reply: Reply) -> Mapping[str, Any]:
    details = reply.content.get("details")
    return details if isinstance(details, dict) else {}


def _number(reply: Reply, header: str) -> float | None:
    try:
        return float(reply.headers[header])
    except (KeyError, ValueError):
        return None


def _retry_after(reply: Reply) -> float | None:
    seconds = _number(reply, "retry-after")
    if seconds is not None or "retry-after" not in reply.headers:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(reply.headers["retry-after"]) - reply.served_at).total_seconds())
    except (ValueError, TypeError):
        return None


# ------------------------------------------------------------------------------------------------- retries


@dataclass(slots=True)
class Call:
    """One call on its way, with what its attempts have met so far."""

    kind: Kind
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes | None
    attempts: int = 0
    refused_token: str | None = None
    met: Counter[str] = field(default_factory=Counter)

    @property
    def writes(self) -> bool:
        return self.kind == "write"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def is_worth_repeating(call: Call, error: BaseException) -> bool:
    """Whether another attempt may help and cannot do harm: the error says that nothing was carried out.

    AnswerUnknown never is; Unreachable on a write means that it did not leave. A token is replaced once.
    """
    if isinstance(error, TokenRefused):
        return call.refused_token is not None and call.met["token"] == 1
    if isinstance(error, Throttled):
        return error.limit != "token" and call.met[error.limit] <= WAITS_FOR_ROOM
    return isinstance(error, Unreachable) and call.met["unreachable"] < READ_TRIES


def wait_before_next(call: Call, error: BaseException, chance: float) -> float:
    """Seconds until the next attempt: doubling, jittered so that workers do not return together."""
    if isinstance(error, Throttled):
        if error.retry_after is not None:
            return error.retry_after + chance
        if error.limit == "minute":
            return BLOCK_SECONDS + 5 * chance
        return min(2.0 ** call.met[error.limit], LONGEST_WAIT) * (1 + chance / 4)
    if isinstance(error, Unreachable):
        return min(2.0 ** (call.met["unreachable"] - 1), LONGEST_WAIT) * (0.5 + chance)
    return 0.0


# ------------------------------------------------------------------------------------------------- the client


class TokenSource(Protocol):
    """Where access tokens come from (auth.py)."""

    async def token(self, side: Side, *, refused: str | None, count: Callable[[], None]) -> str: ...

    async def aclose(self) -> None: ...


class Client:
    """Sends one side's calls. Safe for concurrent use in one event loop.

    base           scheme and host of the API, without a trailing slash
    organization   under which calls are counted in the CallStore (with the day in `time_zone`)
    budget         Books' limits; None for the CRM
    transport      None: the network. Tests and simulations hand in an httpx.ASGITransport
    read_only      while set, every request that could write is refused before it leaves (WriteForbidden)
    """

    def __init__(
        self,
        side: Side,
        *,
        base: str,
        tokens: TokenSource,
        clock: Clock,
        calls: CallStore,
        organization: str,
        time_zone: str = "UTC",
        budget: Budget | None = None,
        run: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        read_only: bool = False,
    ) -> None:
        self.side, self.organization, self.read_only, self.run = side, organization, read_only, run
        self._tokens, self._clock, self._store, self._budget = tokens, clock, calls, budget
        self._zone = ZoneInfo(time_zone)
        concurrent = CONCURRENT[side]
        self._slots = asyncio.Semaphore(concurrent)
        self._http = httpx.AsyncClient(
            base_url=base,
            transport=transport,
            http2=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=SLOT_SECONDS),
            limits=httpx.Limits(max_connections=concurrent, max_keepalive_connections=concurrent),
            headers={"Accept": "application/json", "User-Agent": "renkei"},
            event_hooks={"request": [self._refuse_writes]},
        )
        self._counted: Counter[str] = Counter()
        self._unflushed: Counter[tuple[str, str]] = Counter()
        self._stored: tuple[str, int] | None = None  # (day, calls in the store), read again after each flush
        self._sent_at: deque[float] = deque()  # of the last minute, for the budget a minute
        self._quiet_until = 0.0  # nothing leaves before: the other side said wait
        self._in_flight = 0
        self._left: tuple[int, float] | None = None  # (calls left today, elapsed() of the reset)
        self._silent = 0  # attempts in a row without an answer
        self._sick: Sick | None = None
        self.skew: timedelta | None = None  # the server's clock less ours, as the last Date header said

    async def send(
        self,
        kind: Kind,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call with its repetitions. Status and body are decided on by the caller, except what REFUSALS says.

        raises  Throttled, Unreachable   after the repetitions; nothing was written
                AnswerUnknown            a write left and no usable answer came
                BudgetSpent, ConnectionRefused and its kinds, WriteForbidden, Bug
        """
        content = None if body is None else orjson.dumps(body)
        sent_headers = dict(headers or {}) | ({"Content-Type": "application/json"} if content is not None else {})
        call = Call(kind, method, path, dict(params or {}), sent_headers, content)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            seconds = wait_before_next(call, error, self._clock.chance()) if error else 0.0
            if isinstance(error, Throttled):
                self._quiet_until = max(self._quiet_until, self._clock.elapsed() + seconds)
            return seconds

        repeating = AsyncRetrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception(lambda error: is_worth_repeating(call, error)),
            wait=wait,
            reraise=True,
        )
        try:
            return await repeating(self._attempt, call)
        except TokenRefused as refused:
            raise self._never_good(refused) from None

    def calls(self) -> Mapping[str, int]:
        """Attempts by kind since the client was made; a repeated attempt counts as `retry` only."""
        return dict(self._counted)

    def flush(self) -> None:
        """Bring the counts into the shared store. Called by itself every few calls, and at the end by `aclose`."""
        for (day, kind), calls in self._unflushed.items():
            whose = ACCOUNTS if kind == "token" else self.organization
            self._store.add_calls(whose, self.side, day, kind, calls, self.run)
        self._unflushed.clear()
        self._stored = None

    def daily(self) -> tuple[int | None, int | None]:
        """Calls left today and whole seconds until the reset, as the last answer's headers said; None: not known."""
        if self._left is None:
            return None, None
        left, resets_at = self._left
        seconds = resets_at - self._clock.elapsed()
        return (left, int(seconds)) if seconds > 0 else (None, None)

    def sick(self) -> Sick | None:
        """That the side is left alone now: it gave no answer `SICK_AFTER` times in a row."""
        return self._sick if self._sick is not None and self._clock.now() < self._sick.until else None

    def leave_alone(self, sick: Sick) -> None:
        """What an earlier run met: nothing leaves before `until`, and then one attempt without an answer is enough."""
        self._sick, self._silent = sick, SICK_AFTER - 1

    def allowance(self) -> int | None:
        """Calls that may still leave today under the own cap and the reserve for people; None: no limit is known."""
        if self._budget is None:
            return None
        rooms = []
        if self._budget.books_per_day is not None:
            rooms.append(self._budget.books_per_day - self._used_on(self._day()))
        left, _ = self.daily()
        if left is not None:
            rooms.append(left - self._in_flight - self._budget.keep_for_people)
        return max(0, min(rooms)) if rooms else None

    async def aclose(self) -> None:
        self.flush()
        await self._http.aclose()

    # one attempt

    async def _attempt(self, call: Call) -> Reply:
        try:
            reply = await self._exchange(call)
        except TokenRefused:
            call.met["token"] += 1
            raise
        except Throttled as error:
            call.met[error.limit] += 1
            raise
        except Unreachable:
            call.met["unreachable"] += 1
            raise
        return reply

    async def _exchange(self, call: Call) -> Reply:
        if self.read_only and call.writes:
            raise forbidden(self.side, call.method, call.path)
        self._require_well()
        token = await self._tokens.token(self.side, refused=call.refused_token, count=self._count_token)
        async with self._slots:
            await self._wait_for_turn()
            self._require_well()
            self._take_from_day()
            self._count("retry" if call.attempts else call.kind)
            call.attempts += 1
            self._in_flight += 1
            try:
                reply = await self._send_once(call, token)
            except (Unreachable, AnswerUnknown) as error:
                self._note_silence(error)
                raise
            finally:
                self._in_flight -= 1
        self._note_day(reply)
        refusal = REFUSALS[self.side](reply)
        if isinstance(refusal, TokenRefused):
            call.refused_token = token
        if isinstance(refusal, BudgetSpent):
            seconds = refusal.resets_in if refusal.resets_in else RESET_UNKNOWN_SECONDS
            self._left = (0, self._clock.elapsed() + seconds)
        if refusal is not None:
            raise refusal
        if reply.status >= 500 or reply.status == 408:
            raise self._note_silence(no_answer(self.side, f"HTTP {reply.status}", request=str(call), writes=call.writes))
        if 300 <= reply.status < 400 and reply.status != 304:
            raise ConnectionRefused(
                self.side, f"{call} was redirected elsewhere.", fix="Correct hosts or data_center in the connection."
            )
        if reply.body is Unreadable.UNREADABLE or not isinstance(reply.body, (dict, bytes, type(None))):
            raise self._note_silence(no_answer(self.side, "the body cannot be read", request=str(call), writes=call.writes))
        self._silent, self._sick = 0, None
        return reply

    async def _send_once(self, call: Call, token: str) -> Reply:
        try:
            response = await self._http.request(
                call.method,
                call.path,
                params=call.params,
                content=call.content,
                headers={**call.headers, "Authorization": f"Zoho-oauthtoken {token}"},
            )
        except CAUGHT as error:
            # `from None`: httpx's exception carries the request with its headers.
            raise translate(self.side, error, request=str(call), writes=call.writes) from None
        return Reply(response.status_code, decode(response), response.headers, self._served_at(response))

    def _served_at(self, response: httpx.Response) -> datetime:
        now = self._clock.now()
        try:
            served_at = parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, TypeError):
            return now
        self.skew = served_at - now
        return served_at

    async def _refuse_writes(self, request: httpx.Request) -> None:
        if self.read_only and could_write(request.method, request.url.path):
            raise forbidden(self.side, request.method, request.url.path)

    def _never_good(self, refused: TokenRefused) -> ConnectionRefused:
        """A fresh token was refused as well: the cause is not its age."""
        if self.side == "books" and refused.code == "57":
            return ScopeMissing("books", f"{refused.words}, and a fresh token changes nothing.", fix=_MORE_SCOPES)
        return CredentialsRefused(
            self.side,
            f"a fresh access token was refused ({refused.code} {refused.words}).",
            fix="Check that the refresh token was issued in the data centre of the connection and was not revoked.",
        )

    # limits and budgets

    async def _wait_for_turn(self) -> None:
        """Until nothing forbids a call to leave now: neither "wait" from the other side nor our budget a minute."""
        per_minute = self._budget.books_per_minute if self._budget else None
        while True:
            now = self._clock.elapsed()
            wait = self._quiet_until - now
            if per_minute is not None:
                while self._sent_at and self._sent_at[0] <= now - MINUTE:
                    self._sent_at.popleft()
                if len(self._sent_at) >= per_minute:
                    wait = max(wait, self._sent_at[0] + MINUTE - now)
            if wait < SHORTEST_WAIT:
                break
            await self._clock.sleep(wait)
        if per_minute is not None:
            self._sent_at.append(self._clock.elapsed())

    def _take_from_day(self) -> None:
        if self._budget is None:
            return
        cap, keep = self._budget.books_per_day, self._budget.keep_for_people
        if cap is not None and self._used_on(self._day()) >= cap:
            raise BudgetSpent(self.side, f"our own cap of {cap} calls a day is reached.", resets_in=self._until_midnight())
        left, resets_in = self.daily()
        if left is not None and left - self._in_flight <= keep:
            raise BudgetSpent(self.side, f"{left} calls are left today and {keep} are kept for people.", resets_in=resets_in)

    def _require_well(self) -> None:
        sick = self.sick()
        if sick is not None:
            seconds = (sick.until - self._clock.now()).total_seconds()
            raise LeftAlone(self.side, sick.why, until=time_text(sick.until), retry_after=seconds)

    def _note_silence(self, error: RenkeiError) -> RenkeiError:
        """Count an attempt without an answer, and leave the side alone after several in a row."""
        self._silent += 1
        if self._silent >= SICK_AFTER and self.sick() is None:
            now, before = self._clock.now(), self._sick
            times = before.times + 1 if before else 1
            pause = min(FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE)
            self._sick = Sick(before.since if before else now, now + pause, error.what, times)
        return error

    def _note_day(self, reply: Reply) -> None:
        left, resets_in = _number(reply, "x-rate-limit-remaining"), _number(reply, "x-rate-limit-reset")
        if left is not None:
            seconds = RESET_UNKNOWN_SECONDS if resets_in is None else resets_in
            self._left = (int(left), self._clock.elapsed() + seconds)

    def _day(self) -> str:
        return self._clock.now().astimezone(self._zone).date().isoformat()

    def _until_midnight(self) -> float:
        now = self._clock.now().astimezone(self._zone)
        tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), self._zone)
        return (tomorrow - now.astimezone(UTC)).total_seconds()

    def _used_on(self, day: str) -> int:
        if self._stored is None or self._stored[0] != day:
            self._stored = (day, self._store.calls_on(self.organization, self.side, day))
        waiting = (calls for (on, kind), calls in self._unflushed.items() if on == day and kind != "token")
        return self._stored[1] + sum(waiting)

    def _count_token(self) -> None:
        self._count("token")

    def _count(self, kind: str) -> None:
        self._counted[kind] += 1
        self._unflushed[(self._day(), kind)] += 1
        if sum(self._unflushed.values()) >= FLUSH_EVERY:
            self.flush()


def decode(response: httpx.Response) -> Any:
    if response.status_code in (204, 304):
        return None
    if response.headers.get("content-type", "").startswith("application/pdf"):
        return response.content
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return Unreadable.UNREADABLE


def could_write(method: str, path: str) -> bool:
    """Everything but GET, COQL's POST and the token POST."""
    return method != "GET" and not (method == "POST" and path.endswith(("/coql", "/oauth/v2/token")))


def forbidden(side: Side, method: str, path: str) -> WriteForbidden:
    return WriteForbidden(f"{side}: {method} {path} was tried while only reading.", expected="no write in a reading mode")


__all__ = [
    "CAUGHT", "PLACES", "Call", "Client", "Place", "Reply", "TokenRefused", "TokenSource", "TryAgain", "books_refusal",
    "could_write", "crm_refusal", "decode", "no_answer", "translate",
]  # fmt: skip
