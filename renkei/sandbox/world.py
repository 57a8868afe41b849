"""The state of one sandbox: clock, ids, credentials, request log, limits switch and the two sides."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from renkei.sandbox.books.state import BooksState
from renkei.sandbox.crm.state import CrmState
from renkei.sandbox.faults import Faults
from renkei.sandbox.oauth import OAuth

SIDES = ("crm", "books", "accounts")
ORGANIZATION = "60012345678"


class Clock:
    """The sandbox's time: a real clock plus an offset, or frozen. Every time is an aware UTC datetime."""

    def __init__(self, start: datetime | None = None, *, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._offset = 0.0 if start is None else start.timestamp() - real()
        self._frozen: datetime | None = None
        self.skew: dict[str, float] = {}

    def now(self, side: str | None = None) -> datetime:
        """The time; with a side, that vendor's clock, which `clock-skew` may have set wrong by some seconds."""
        at = self._frozen or datetime.fromtimestamp(self._real() + self._offset, UTC)
        skew = self.skew.get(side, 0.0) if side else 0.0
        return at + timedelta(seconds=skew) if skew else at

    def stamp_now(self, side: str | None = None) -> datetime:
        """The time cut to whole seconds, as both vendors stamp records."""
        return self.now(side).replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        """Moves time on, also of a frozen clock."""
        if self._frozen is not None:
            self._frozen += timedelta(seconds=seconds)
        else:
            self._offset += seconds

    def freeze(self, at: datetime | None = None) -> None:
        """Stops time at `at` (aware), or where it is."""
        self._frozen = (at or self.now()).astimezone(UTC)

    def unfreeze(self) -> None:
        """Lets time run on from where it was stopped."""
        if self._frozen is not None:
            self._offset = self._frozen.timestamp() - self._real()
            self._frozen = None


@dataclass(slots=True)
class RequestRow:
    """One request received. `code`: the vendor's code in the answer, `rows`: records read or written by it."""

    at: datetime
    side: str
    method: str
    path: str
    query: str
    status: int = 0
    code: str | int | None = None
    seconds: float = 0.0
    rows: int = 0
    credits: int = 0
    fault: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(slots=True)
class RequestLog:
    """Every request received, in order of arrival."""

    rows: list[RequestRow] = field(default_factory=list)

    def __iter__(self) -> Iterator[RequestRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> RequestRow:
        return self.rows[index]

    def append(self, row: RequestRow) -> None:
        self.rows.append(row)

    def clear(self) -> None:
        self.rows.clear()

    def select(
        self, side: str | None = None, *, method: str | None = None, path: str | None = None, status: int | None = None
    ) -> list[RequestRow]:
        """Rows of a side, a method, a status, and with `path` somewhere in the path."""
        return [
            row
            for row in self.rows
            if (side is None or row.side == side)
            and (method is None or row.method == method)
            and (path is None or path in row.path)
            and (status is None or row.status == status)
        ]

    def count(
        self, side: str | None = None, *, method: str | None = None, path: str | None = None, status: int | None = None
    ) -> int:
        return len(self.select(side, method=method, path=path, status=status))

    def sums(self, side: str | None = None) -> list[dict[str, Any]]:
        """Requests by side, method and path template (ids replaced by `{id}`), most frequent first."""
        counts = Counter((row.side, row.method, path_template(row.path)) for row in self.select(side))
        return [{"side": side, "method": method, "path": path, "count": n} for (side, method, path), n in counts.most_common()]


def path_template(path: str) -> str:
    """`/crm/v8/Accounts/5545974000000451001` -> `/crm/v8/Accounts/{id}`."""
    return "/".join("{id}" if part.isdigit() and len(part) > 8 else part for part in path.split("/"))


class World:
    """One sandbox. `edition`: which product the main organisation owns, `books` or `invoice`.

    `in_flight[side]` is the number of requests of a side being answered right now (kept by the app's outer layer, for
    the concurrency gates). `limits` off: calls are counted, the minute and day budgets are not enforced.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        start: datetime | None = None,
        limits: bool = True,
        edition: str = "books",
        time_zone: str = "Asia/Tokyo",
        base_currency: str = "JPY",
        books_plan: str = "premium",
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.seed = seed
        self.clock = clock or Clock(start)
        self.rng = random.Random(seed)
        self.sleep = sleep
        self.limits = limits
        self.edition = edition
        self.time_zone = time_zone
        self.zone = ZoneInfo(time_zone)
        self.base_currency = base_currency
        self.books_plan = books_plan
        self.client_id = "1000.RENKEISANDBOXCLIENT0000000000000"
        self.client_secret = f"{self.rng.getrandbits(160):040x}"
        self.organization = ORGANIZATION
        self.requests = RequestLog()
        self.in_flight: Counter[str] = Counter()
        self.faults = Faults(self.rng)
        self._next_id = {"crm": 5545974000000451001, "books": 460000000000026001}
        self.oauth = OAuth(self)
        self.crm = CrmState(self)
        self.books = BooksState(self)
        self.refresh_token = self.add_credentials()

    def reset(self, seed_name: str) -> None:
        """Starts both sides anew with the records of a seed; clock, credentials and limits stay."""
        from renkei.sandbox.seeds import load

        self.rng.seed(self.seed)
        self.requests.clear()
        self.faults.clear()
        self.faults.counts.clear()
        self.clock.skew.clear()
        self.crm = CrmState(self)
        self.books = BooksState(self)
        load(self, seed_name)

    def new_id(self, side: str) -> str:
        """A fresh record id: decimal digits, strictly increasing within a side."""
        value = self._next_id[side]
        self._next_id[side] = value + 1
        return str(value)

    def add_credentials(self, scopes: Iterable[str] = (), user: str | None = None) -> str:
        """A further refresh token for the same client. No scopes: every scope. `user`: a CRM user id."""
        return self.oauth.issue_refresh_token(tuple(scopes), user or self.crm.sync_user["id"])
