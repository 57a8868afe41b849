"""The command that looks from outside whether runs end: watch."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from renkei.cli.asked import Asked, show

Every = Annotated[int | None, typer.Option(min=1, metavar="MINUTES", help="Look again each so many minutes, until stopped.")]


def register(app: typer.Typer) -> None:
    app.command()(watch)


def watch(every: Every = None) -> None:
    """Tell RENKEI_ALERT_URL of each connection in which no run has ended well within `alert_after`. From the ledger alone."""
    from renkei.house import Settings, watch_connections

    environ = dict(os.environ)
    found = asyncio.run(watch_connections(Settings.from_environment(environ), environ, Asked.connection, every, _say))
    words = "\n\n".join(f"{one['title']}\n{one['text']}" for one in found)
    show({"silent": found}, words or "Every connection has been heard of.")
    raise typer.Exit(3 if found else 0)


def _say(words: str) -> None:
    """What a watch that goes on has to tell."""
    print(words, file=sys.stderr, flush=True)
