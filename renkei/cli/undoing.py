"""The command that goes back: undo."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from renkei.cli.asked import Asked, ShowPersonal, refs_of
from renkei.cli.progress import progress_bars
from renkei.cli.running import print_plan

if TYPE_CHECKING:
    from renkei.engine.sequence import Report


def register(app: typer.Typer) -> None:
    app.command()(undo)


def undo(
    run: Annotated[str, typer.Argument(help="The run to undo, as `renkei runs` shows it.")],
    record: Annotated[str | None, typer.Option(help="Of it, only what was written on this record or its partner.")] = None,
    field: Annotated[str | None, typer.Option(help="Of it, only this field, by its name in the mapping.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the plan there too.")] = None,
    show_personal: ShowPersonal = False,
) -> None:
    """Plan to go back to what was there before a run; write nothing. `renkei apply` carries it out."""
    print_plan(asyncio.run(_planned(run, record, field)), out, show_personal)


async def _planned(run: str, record: str | None, field: str | None) -> Report:
    from renkei.engine.undo import plan_undo
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, open_house, typist_of

    (ref,) = refs_of([record]) if record else (None,)
    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(Asked.connection)
    with progress_bars() as progress:
        async with open_house(project, spec, environ, progress=progress) as rooms:
            return await plan_undo(rooms, Request(actor=typist_of(spec, environ)), run, ref, field or "")
