"""Commands that run the sequence: plan, sync, demo."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from renkei.cli.asked import Asked, show

if TYPE_CHECKING:
    from renkei.engine.sequence import Report


def summary(report: Report) -> str:
    """A run for a person: status, counts an entity, calls, what waits."""
    lines = [f"{report.status}: run {report.run}, {report.seconds:.1f} s"]
    for entity, part in report.entities.items():
        words = ", ".join(f"{count} {word}" for word, count in part["outcomes"].items() if count)
        lines.append(
            f"  {entity}: {part['extracted']['crm']} CRM and {part['extracted']['books']} Books rows: {words or 'nothing'}"
        )
        if "writes" in part:
            lines.append(f"    written: {part['writes']['crm']} in the CRM, {part['writes']['books']} in Books")
    fewest = report.calls["fewest"]
    lines.append(
        f"  calls: CRM {report.calls['crm']} (fewest {fewest['crm']}), Books {report.calls['books']} (fewest {fewest['books']})"
    )
    for brake in report.brakes:
        lines.append(f"  Brake {brake.brake!r} on {brake.entity}: {brake.count} where {brake.limit}. Nothing was written.")
    if report.brakes:
        release = " ".join(f"--release {name}" for name in sorted({one.brake for one in report.brakes}))
        lines.append(f"  If this is intended: renkei sync {release}")
    lines += [f"  note: {note}" for note in report.notes]
    return "\n".join(lines)


async def run_once(
    project: Any,
    spec: Any,
    environ: dict[str, str],
    *,
    full: bool,
    plan_only: bool,
    release: tuple[str, ...],
    entities: tuple[str, ...],
) -> Report:
    from renkei.engine.sequence import run_sequence
    from renkei.engine.work import Request
    from renkei.house import open_house

    async with open_house(project, spec, environ) as rooms:
        if plan_only or full:
            rooms.judge.warm()
        request = Request(
            entities=entities,
            full=full,
            plan_only=plan_only,
            actor=getpass.getuser(),
            release=release,
            released_by=getpass.getuser(),
        )
        return await run_sequence(rooms, request)


def _entities(chosen: list[str] | None) -> tuple[str, ...]:
    known = ("customers", "products")
    for one in chosen or []:
        if one not in known:
            raise typer.BadParameter(f"{one!r} is not an entity. Use one of: {', '.join(known)}.")
    return tuple(chosen or known)


def _run(entities: list[str] | None, full: bool, plan_only: bool, release: tuple[str, ...]) -> Report:
    from renkei.house import Settings, load_project

    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(Asked.connection)
    return asyncio.run(
        run_once(project, spec, environ, full=full, plan_only=plan_only, release=release, entities=_entities(entities))
    )


def plan(
    entities: Annotated[list[str] | None, typer.Argument(help="customers, products")] = None,
    full: Annotated[bool, typer.Option(help="Compare every record.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the plan there as JSON.")] = None,
) -> None:
    """Read and decide; write nothing to either system."""
    report = _run(entities, full, True, ())
    if out is not None:
        out.write_text(json.dumps(report.json(), ensure_ascii=False, indent=1), encoding="utf-8")
    lines = [summary(report)]
    for part in report.entities.values():
        for action in part["actions"]:
            lines.append(
                f"  {action['verb']} {action['side']} {action['target'] or action['module']} "
                f"for {action['source']}: {action['reason']}"
            )
            lines += [
                f"      {one['field']}: {one['before']!r} → {one['after']!r} ({one['reason']})" for one in action["changes"]
            ]
        lines += [
            f"  question {hold['id']} {hold['question']}: {hold['record']} ({', '.join(hold['choices'])})"
            for hold in part["holds"]
        ]
    show(report.json(), "\n".join(lines))


def sync(
    entities: Annotated[list[str] | None, typer.Argument(help="customers, products")] = None,
    full: Annotated[bool, typer.Option(help="Compare every record, as the nightly run does.")] = False,
    release: Annotated[list[str] | None, typer.Option(help="Release a brake by its name.")] = None,
) -> None:
    """Plan, brakes, load and record."""
    report = _run(entities, full, False, tuple(release or ()))
    show(report.json(), summary(report))
    raise typer.Exit(report.exit_code)


def demo() -> None:
    """A whole sync of two imitated systems over real HTTP: plan, apply, and a second run that writes nothing."""
    from renkei.house import Settings, load_project, with_hosts
    from renkei.sandbox.seeds import load
    from renkei.sandbox.serve import running
    from renkei.sandbox.world import World

    folder = Path("var/demo")
    shutil.rmtree(folder, ignore_errors=True)
    world = World(limits=False)
    load(world, "demo")
    with running(world) as address:
        environ = {
            **os.environ, "RENKEI_DATA": str(folder), "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
            "RENKEI_DEMO_CLIENT_ID": address["client_id"], "RENKEI_DEMO_CLIENT_SECRET": address["client_secret"],
            "RENKEI_DEMO_REFRESH_TOKEN": address["refresh_token"],
        }  # fmt: skip
        project = load_project(Settings.from_environment(environ))
        spec = with_hosts(project.connection("demo"), address["accounts"], address["crm"])
        project = project.with_connection(spec)
        first: Report | None = None
        steps: tuple[tuple[str, bool, tuple[str, ...]], ...] = (
            ("1. The plan: read both systems and decide, write nothing", True, ()),
            ("2. The first sync is held: a first run needs a person's approval", False, ()),
            ("3. The same, released by name (--release first_run)", False, ("first_run", "changed_share")),
            ("4. The second sync: nothing is left to write", False, ("first_run",)),
        )
        for title, plan_only, release in steps:
            print(f"\n{title}", file=sys.stderr if Asked.as_json else sys.stdout)
            first = asyncio.run(
                run_once(
                    project, spec, environ, full=True, plan_only=plan_only, release=release, entities=("customers", "products")
                )
            )
            if not Asked.as_json:
                print(summary(first))
        assert first is not None
        show(
            first.json(),
            f"\nWhere to look next: RENKEI_LEDGER_URL=sqlite:///{folder}/renkei.db renkei runs | holds | ledger verify",
        )
        raise typer.Exit(first.exit_code)
