"""Commands of a connection's life: pause, resume, disconnect, switch-organization."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from renkei.cli.asked import Actor, Asked, Reason, act_of, desk, show
from renkei.cli.progress import progress_bars
from renkei.cli.running import Environment
from renkei.core.commands import command
from renkei.core.report import plan_lines, run_lines

if TYPE_CHECKING:
    from renkei.core.connection import ConnectionSpec
    from renkei.engine.sequence import Report

Why = Annotated[str, typer.Option("--reason", help="Why; it is kept as evidence.")]
Yes = Annotated[bool, typer.Option("--yes", help="Agree to the plan without being asked.")]


def register(app: typer.Typer) -> None:
    app.command()(pause)
    app.command()(resume)
    app.command()(disconnect)
    app.command()(switch_organization)


def pause(reason: Reason, actor: Actor = None) -> None:
    """Refuse every run of the connection until `resume`; plans may be made. A run at work ends as it would have."""
    from renkei.engine.life import pause as pause_it

    with desk() as opened:
        found = pause_it(act_of(opened, actor), opened.spec, reason)
    show(found, f"{found['connection']} is paused. To go on: {command(found['connection'], 'resume')}")


def resume(
    reconnect: Annotated[bool, typer.Option("--reconnect", help="Connect again after `disconnect`, too.")] = False,
    reason: Why = "",
    actor: Actor = None,
) -> None:
    """Go on after `pause`, or with --reconnect after `disconnect`. The next run is a full compare: nothing is missed."""
    from renkei.engine.life import resume as resume_it

    with desk() as opened:
        found = resume_it(act_of(opened, actor), opened.spec, reason, reconnect=reconnect)
    show(found, f"{found['connection']} goes on. The next run compares everything.")


def disconnect(yes: Yes = False, reason: Why = "", actor: Actor = None, environment: Environment = None) -> None:
    """Withdraw what is published to the CRM, after a plan and with consent. Nothing in Books changes; ledger and links stay."""
    from renkei.engine.life import disconnect as disconnect_it

    _leave("disconnect", disconnect_it, yes, reason, actor, environment)


def switch_organization(yes: Yes = False, reason: Why = "", actor: Actor = None, environment: Environment = None) -> None:
    """Go over to the Books organisation that the connection's file names now. The former one's links are kept aside."""
    from renkei.engine.life import switch_organization as switch_it

    _leave("switch-organization", switch_it, yes, reason, actor, environment)


def _leave(
    kind: str, carry_out: Callable[..., Awaitable[Report]], yes: bool, reason: str, actor: str | None, environment: str | None
) -> None:
    from renkei.engine.environment import require_named
    from renkei.engine.work import Request
    from renkei.house import Settings, load_project, typist_of

    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(Asked.connection)
    typed = typist_of(spec, environ)
    request = Request(kind=kind, actor=(actor or "").strip() or typed, typist=typed, environment=environment or "")
    require_named(spec, request)  # before a plan is made that nobody could carry out
    planned, report = asyncio.run(_planned_and_done(project, spec, environ, request, carry_out, yes, reason))
    content = {**report.json(), "planned": planned.json()}
    show(content, "\n".join(run_lines(report.json())))
    raise typer.Exit(report.exit_code)


async def _planned_and_done(
    project: Any,
    spec: Any,
    environ: dict[str, str],
    request: Any,
    carry_out: Callable[..., Awaitable[Report]],
    yes: bool,
    reason: str,
) -> tuple[Report, Report]:
    from renkei.engine.life import plan_withdrawal
    from renkei.house import open_house

    async with open_house(project, spec, environ) as rooms:
        with progress_bars() as bars:
            rooms.progress = bars or rooms.progress
            planned = await plan_withdrawal(rooms, request)
        print("\n".join(_plan_lines(planned)), file=sys.stderr if Asked.as_json else sys.stdout)
        _consent(spec, request.kind, yes)
        with progress_bars() as bars:
            rooms.progress = bars or rooms.progress
            return planned, await carry_out(rooms, request, planned, reason)


def _plan_lines(planned: Report) -> list[str]:
    """The plan as `plan` prints it, without the command to apply it: this one does."""
    lines = plan_lines(planned.json())[:-1]
    return [*lines, "Nothing in Books is written. Keys and links stay where they are."]


def _consent(spec: ConnectionSpec, kind: str, yes: bool) -> None:
    from renkei.core.errors import ConsentMissing

    if yes:
        return
    try:
        said = typer.prompt(f"To agree, type the connection's name ({spec.name})", default="", show_default=False, err=True)
    except typer.Abort:  # nobody is there to ask
        said = ""
    if said.strip() != spec.name:
        raise ConsentMissing(
            f"Nobody agreed to the plan; {spec.name} is as it was.",
            fix=f"To agree: {command(spec.name, f'{kind} --yes', spec.environment)}",
        )
