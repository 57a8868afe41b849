"""The commands. Results go to stdout, everything else to stderr; heavy libraries are imported by the command that needs them."""

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

from renkei.core.errors import DeclarationError, RenkeiError

if TYPE_CHECKING:
    from renkei.engine.sequence import Report

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Keep Zoho CRM and Zoho Books in step.")
sandbox_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Both systems imitated on this machine.")
policy_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What the policies decide.")
ledger_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The memory of every run.")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(policy_app, name="policy")
app.add_typer(ledger_app, name="ledger")


class Asked:
    """The options before the verb."""

    connection: str | None = None
    as_json: bool = False


@app.callback()
def options(
    connection: Annotated[str | None, typer.Option(help="Name of the connection; may be left out when there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")] = False,
) -> None:
    Asked.connection, Asked.as_json = connection, as_json


def show(content: dict[str, Any], text: str) -> None:
    print(json.dumps(content, ensure_ascii=False) if Asked.as_json else text)


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


@app.command()
def check() -> None:
    """Read all YAML, offline; every fault at once."""
    from renkei.house import Settings
    from renkei.house import check as check_all

    faults = check_all(Settings.from_environment(dict(os.environ)))
    if faults:
        raise DeclarationError(faults)
    show({"faults": []}, "All declarations are right.")


@app.command()
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


@app.command()
def sync(
    entities: Annotated[list[str] | None, typer.Argument(help="customers, products")] = None,
    full: Annotated[bool, typer.Option(help="Compare every record, as the nightly run does.")] = False,
    release: Annotated[list[str] | None, typer.Option(help="Release a brake by its name.")] = None,
) -> None:
    """Plan, brakes, load and record."""
    report = _run(entities, full, False, tuple(release or ()))
    show(report.json(), summary(report))
    raise typer.Exit(report.exit_code)


@app.command()
def runs() -> None:
    """The runs, newest first."""
    from renkei.core.values import time_text
    from renkei.house import Settings, open_ledger_of

    ledger = open_ledger_of(Settings.from_environment(dict(os.environ)))
    rows = ledger.runs(Asked.connection)
    content = [
        {
            "run": one.id,
            "connection": one.connection,
            "kind": one.kind,
            "status": one.status,
            "actor": one.actor,
            "started": time_text(one.started),
        }
        for one in rows
    ]
    show(
        {"runs": content},
        "\n".join(f"{one['started']}  {one['status']:7} {one['kind']:5} {one['run']}  by {one['actor']}" for one in content),
    )


@app.command()
def holds() -> None:
    """Questions that wait for a person."""
    from renkei.house import Settings, load_project, open_ledger_of

    settings = Settings.from_environment(dict(os.environ))
    name = load_project(settings).connection(Asked.connection).name
    found = open_ledger_of(settings).open_holds(name)
    content = [
        {
            "id": one.id,
            "question": one.question,
            "record": str(one.record),
            "field": one.field,
            "choices": list(one.choices),
            "candidates": list(one.candidates),
        }
        for one in found
    ]
    show(
        {"holds": content},
        "\n".join(f"{one.id}  {one.question}: {one.record}  {', '.join(one.choices)}" for one in found) or "No question is open.",
    )


@app.command()
def why(record: Annotated[str, typer.Argument(help="crm:Accounts:ID, books:contacts:ID …")]) -> None:
    """A record's whole story, from the ledger alone."""
    from renkei.core.errors import AskedWrongly
    from renkei.core.values import Ref
    from renkei.engine.why import story
    from renkei.house import Settings, load_project, open_ledger_of

    try:
        ref = Ref.parse(record)
    except ValueError as error:
        raise AskedWrongly(str(error)) from None
    settings = Settings.from_environment(dict(os.environ))
    found = story(open_ledger_of(settings), load_project(settings).connection(Asked.connection).name, ref)
    lines = [f"{found['record']}  {found['link'] or 'no link'}"]
    for one in found["story"]:
        lines.append(f"  {one['at']}  {one['outcome']}: {one['reason']}  (run {one['run']}, by {one['actor']})")
        lines += [f"      {item['side']}.{item['field']}: {item['before']!r} → {item['after']!r}" for item in one["changes"]]
        lines += [f"      candidate {item}" for item in one["candidates"]]
    show(found, "\n".join(lines))


@ledger_app.command()
def verify() -> None:
    """Recompute every hash chain and name the first row that was touched."""
    from renkei.house import Settings, open_ledger_of

    found = open_ledger_of(Settings.from_environment(dict(os.environ))).verify()
    show(
        {"rows": found.rows, "runs": found.runs, "broken": found.broken},
        found.broken or f"{found.rows} rows of {found.runs} runs are whole.",
    )
    raise typer.Exit(1 if found.broken else 0)


@policy_app.command("show")
def policy_show() -> None:
    """Every cell of the policies, from the code that runs."""
    from renkei.core.resolving import table

    rows = [
        (state, left, right, policy, cell.outcome, cell.reason, cell.effect)
        for state, left, right, policy, cell in table("two_way")
    ]
    show({"cells": [list(row) for row in rows]}, "\n".join("  ".join(f"{word:20}" for word in row) for row in rows))


@sandbox_app.command()
def serve(
    port: Annotated[int, typer.Option()] = 0,
    seed: Annotated[str, typer.Option()] = "demo",
    limits: Annotated[str, typer.Option(help="on or off")] = "on",
    fault: Annotated[list[str] | None, typer.Option()] = None,
) -> None:
    """Serve both APIs on one loopback port; prints one JSON line when ready."""
    from renkei.sandbox.serve import serve as serve_world

    serve_world(port, seed, limits != "off", fault or [])


@app.command()
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


def main() -> None:
    """Errors of ours are told in words: what, was anything written, what now."""
    try:
        app()
    except RenkeiError as error:
        if Asked.as_json:
            print(
                json.dumps(
                    {"error": type(error).__name__, "message": error.what, "written": error.written, "fix": error.fix},
                    ensure_ascii=False,
                )
            )
        else:
            print(str(error), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
