"""An event loop on a virtual clock: nothing waits, no thread takes part, and the same seed gives the same order of events."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from renkei.sandbox.world import World

T = TypeVar("T")
RESOLUTION = 1e-5  # seconds; a float holds a time of this century to less than a microsecond


class VirtualLoop(asyncio.BaseEventLoop):
    """Its time is that of the sandbox's clock, which it moves on to the next timer when there is nothing else to do."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._selector = self
        self._clock_resolution = RESOLUTION
        self.set_exception_handler(lambda loop, context: None)  # what a dead process left behind is told to nobody

    def time(self) -> float:
        return self._world.clock.now().timestamp()

    def select(self, timeout: float | None) -> list[Any]:
        """What a selector would do: wait. Raises RuntimeError where the run waits for something that can never come."""
        if timeout is None:
            raise RuntimeError("the run waits for something that nothing will bring about")
        if timeout > 0:
            self._world.clock.advance(math.ceil(timeout * 1e6) / 1e6)
        return []

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{func} was to run in a thread, whose order no seed decides")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """No thread ever wakes it."""


def run(world: World, work: Coroutine[Any, Any, T]) -> T:
    """`work` on a loop of its own. What it leaves running is cancelled, as far as it may still speak."""
    loop = VirtualLoop(world)
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
