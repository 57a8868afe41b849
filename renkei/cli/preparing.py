"""The command that makes what a connection needs in both organisations: prepare. `connect` offers the same."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from renkei.cli.asked import Actor, Asked, show
from renkei.cli.running import Environment
from renkei.core.commands import command

if TYPE_CHECKING:
    from renkei.core.preparing import Needs
    from renkei.engine.prepare import Prepared

Yes = Annotated[bool, typer.Option("--yes", help="Agree to the list without being asked.")]


def register(app: typer.Typer) -> None:
    app.command()(prepare)


def prepare(yes: Yes = False, actor: Actor = None, environment: Environment = None) -> None:
    """Make our fields and the published modules on both sides, after a list and with consent; say what is left to click."""
    from renkei.core.errors import ConsentMissing
    from renkei.engine.environment import require_named
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, typist_of

    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(Asked.connection)
    typed = typist_of(spec, environ)
    request = Request(kind="prepare", actor=(actor or "").strip() or typed, typist=typed, environment=environment or "")
    require_named(spec, request)

    def agreed(found: Needs) -> bool:
        print("\n".join(lines(found)), file=sys.stderr if Asked.as_json else sys.stdout)
        if not yes and not _confirmed(len(found.steps)):
            raise ConsentMissing(
                "Nobody agreed; both organisations are as they were.",
                fix=f"To agree: {command(spec.name, 'prepare --yes', spec.environment)}",
            )
        return True

    found, done = asyncio.run(prepared(project, spec, environ, request, agreed))
    left = found if done is None else done.left
    well = not left.steps and not left.clicks
    content = {"connection": spec.name, "well": well, **as_json(found, done)}
    show(content, "\n".join(told(found, done)))
    raise typer.Exit(0 if well else 1)


async def prepared(
    project: Any, spec: Any, environ: dict[str, str], request: Any, agreed: Callable[[Needs], bool]
) -> tuple[Needs, Prepared | None]:
    """What was missing, and what was done about it: None where nothing could be made, or `agreed` said no."""
    from renkei.engine.prepare import look
    from renkei.engine.prepare import prepare as prepare_it
    from renkei.house import open_house

    async with open_house(project, spec, environ) as rooms:
        try:
            found = await look(rooms)
        finally:
            rooms.flush_calls(None)
        if not found.steps or not agreed(found):
            return found, None
        return found, await prepare_it(rooms, request, found)


def _confirmed(count: int) -> bool:
    """False where nobody is there to ask."""
    return sys.stdin.isatty() and typer.confirm(f"Make these {count} now", default=False, err=True)


def lines(found: Needs) -> list[str]:
    """What can be made, one line each."""
    return ["To be made:", *(f"  {step}" for step in found.steps)]


def told(found: Needs, done: Prepared | None) -> list[str]:
    """What was made, what was not and why, and what is left to click."""
    said = []
    if done is not None:
        said = [f"Made: {len(done.made)} of {len(found.steps)} (run {done.run})"]
        said += [f"  NOT MADE  {step}: {why}" for step, why in done.refused]
    clicks = (found if done is None else done.left).clicks
    if clicks:
        said.append("Left to be clicked:")
        said += [line for one in clicks for line in (f"  {one.wrong}", f"    → {one.fix}")]
    return said or ["Nothing is missing."]


def as_json(found: Needs, done: Prepared | None) -> dict[str, Any]:
    left = found if done is None else done.left
    return {
        "to_make": [str(step) for step in found.steps],
        "run": done.run if done else None,
        "made": [str(step) for step in done.made] if done else [],
        "refused": [{"step": str(step), "why": why} for step, why in done.refused] if done else [],
        "clicks": [{"wrong": one.wrong, "fix": one.fix} for one in left.clicks],
    }  # fmt: skip
