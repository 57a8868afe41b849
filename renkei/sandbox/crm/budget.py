"""API credits in a rolling 24 hours and the concurrency gates (crm-v8.md section 13)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from renkei.sandbox.world import World

WINDOW_SECONDS = 86400
CONCURRENT = {"free": 5, "standard": 10, "professional": 15, "enterprise": 20, "ultimate": 25}
CREDITS_PER_USER = {"free": 0, "standard": 250, "professional": 500, "enterprise": 1000, "ultimate": 2000}
CEILING = {"free": 5_000, "standard": 100_000, "professional": 3_000_000, "enterprise": 5_000_000}
SUB_CONCURRENT = 10
HEAVY_RECORDS = 10


class Budget:
    """What the organisation may still spend. `heavy`: calls of the sub-concurrency gate being answered now."""

    def __init__(self, world: World, users: int, edition: str = "enterprise") -> None:
        self.world = world
        self.users = users
        self.edition = edition
        self.heavy = 0
        self._spent: deque[tuple[float, int]] = deque()
        self._used = 0

    @property
    def total(self) -> int:
        """Credits in 24 hours."""
        base = 5_000 if self.edition == "free" else 50_000 + CREDITS_PER_USER[self.edition] * self.users
        return min(base, CEILING.get(self.edition, base))

    @property
    def used(self) -> int:
        """Credits spent in the 24 hours until now."""
        horizon = self.world.clock.now("crm").timestamp() - WINDOW_SECONDS
        while self._spent and self._spent[0][0] <= horizon:
            self._used -= self._spent.popleft()[1]
        return self._used

    @property
    def remaining(self) -> int:
        return max(0, self.total - self.used)

    @property
    def concurrent(self) -> int:
        return CONCURRENT[self.edition]

    def set_used(self, credits: int) -> None:
        """Makes it as if this many credits had been spent just now and none before."""
        self._spent.clear()
        self._used = 0
        self._book(credits)

    def spend(self, credits: int) -> bool:
        """Books a call's credits. False, and nothing booked, when they are not left and limits are enforced."""
        if self.world.limits and credits > self.remaining:
            return False
        self._book(credits)
        return True

    def _book(self, credits: int) -> None:
        self._spent.append((self.world.clock.now("crm").timestamp(), credits))
        self._used += credits
