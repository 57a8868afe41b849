"""Call limits of one organisation (books-v3.md section 5): minute, day, calls in progress."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, tzinfo

from renkei.sandbox.books.errors import BooksError

PER_MINUTE = 100
MINUTE = timedelta(seconds=60)
PER_DAY = {"free": 1000, "standard": 2000, "professional": 5000, "premium": 10000, "elite": 10000, "ultimate": 10000}


class Meter:
    """Counts the calls of an organisation and refuses above its limits.

    `block`: how long code 44 shuts the organisation out. `resets_at`: when the day's count starts again; None takes
    the organisation's next midnight.
    """

    def __init__(self, plan: str) -> None:
        self.per_day = PER_DAY[plan]
        self.in_flight_cap = 5 if plan == "free" else 10
        self.per_minute = PER_MINUTE
        self.block = MINUTE
        self.used = 0
        self.resets_at: datetime | None = None
        self._recent: deque[datetime] = deque()
        self._blocked_until: datetime | None = None

    def roll(self, now: datetime, zone: tzinfo) -> None:
        """Starts a new day when its time has come."""
        if self.resets_at is None or now >= self.resets_at:
            if self.resets_at is not None:
                self.used = 0
            local = now.astimezone(zone)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            self.resets_at = (midnight + timedelta(days=1)).astimezone(now.tzinfo)

    def take(self, now: datetime, in_flight: int, enforced: bool) -> None:
        """Counts one call, refused ones too. BooksError 429 with code 1070, 44 or 45; minute and day if `enforced`."""
        self.used += 1
        while self._recent and self._recent[0] <= now - MINUTE:
            self._recent.popleft()
        self._recent.append(now)
        if in_flight > self.in_flight_cap:
            raise BooksError(
                429,
                1070,
                "You have reached the maximum number of in process requests allowed. Kindly try again after some time.",
            )
        if not enforced:
            return
        if self._blocked_until is not None and now < self._blocked_until:
            raise _blocked()
        if len(self._recent) > self.per_minute:
            self._blocked_until = now + self.block
            raise _blocked()
        if self.used > self.per_day:
            raise BooksError(
                429,
                45,
                f"The API call for this organization has exceeded the maximum call rate limit of {self.per_day:,}.",
            )

    def headers(self, now: datetime, enforced: bool) -> list[tuple[bytes, bytes]]:
        """The three X-Rate-Limit headers, all integers. Where limits are not enforced, the whole allowance is always left:
        a client that keeps to what it is told must not stop."""
        seconds = 0 if self.resets_at is None else max(0, int((self.resets_at - now).total_seconds()))
        left = max(0, self.per_day - self.used) if enforced else self.per_day
        return [
            (b"x-rate-limit-limit", str(self.per_day).encode()),
            (b"x-rate-limit-remaining", str(left).encode()),
            (b"x-rate-limit-reset", str(seconds).encode()),
        ]


def _blocked() -> BooksError:
    return BooksError(
        429,
        44,
        "For security reasons your organization has been blocked as it have exceeded the maximum number of requests "
        "per minute that can originate from an organization.",
    )
