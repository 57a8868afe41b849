"""Serving a world over HTTP on loopback: in the foreground, or from a background thread for demo and tests."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

import uvicorn

from renkei.sandbox.app import create_app
from renkei.sandbox.seeds import load
from renkei.sandbox.world import World

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 5


class _Server(uvicorn.Server):
    """Calls back once the socket accepts connections."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def addresses(world: World, port: int) -> dict[str, str]:
    """What a client needs to know: {"crm","books","accounts": URLs, "client_id","client_secret","refresh_token",
    "organization"}."""
    base = f"http://{HOST}:{port}"
    return {
        "crm": base,
        "books": base,
        "accounts": base,
        "client_id": world.client_id,
        "client_secret": world.client_secret,
        "refresh_token": world.refresh_token,
        "organization": world.organization,
    }


def serve(
    port: int = 0,
    seed: str = "demo",
    limits: bool = True,
    faults: Iterable[str] = (),
    *,
    edition: str = "books",
    books_plan: str = "premium",
    out: TextIO = sys.stdout,
) -> None:
    """Serves a seeded world until interrupted; prints one JSON line (`addresses`) when ready. Port 0: any free one.

    ValueError for an unknown seed or fault, OSError when the port is taken.
    """
    world = World(limits=limits, edition=edition, books_plan=books_plan)
    for spec in faults:
        world.faults.add(spec)
    load(world, seed)
    with _listening(port) as listener:
        chosen = listener.getsockname()[1]

        def announce() -> None:
            out.write(json.dumps(addresses(world, chosen)) + "\n")
            out.flush()

        with contextlib.suppress(KeyboardInterrupt):
            _Server(_config(world), announce).run(sockets=[listener])


@contextlib.contextmanager
def running(world: World, port: int = 0) -> Iterator[dict[str, str]]:
    """Serves a world from a background thread and gives its `addresses`; stops at the end of the block.

    The world is the caller's: read it freely; while calls are under way change it through /_sandbox.
    """
    ready = threading.Event()
    with _listening(port) as listener:
        server = _Server(_config(world), ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            if not ready.wait(START_SECONDS):
                raise RuntimeError("the sandbox did not start")
            yield addresses(world, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(START_SECONDS)


def _config(world: World) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(world),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
        date_header=False,  # the world's clocks tell the time
    )


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(128)
    return listener
