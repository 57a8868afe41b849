"""The commands. Results go to stdout, everything else to stderr; heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from renkei.cli import running
from renkei.cli.asked import Asked, show
from renkei.core.errors import DeclarationError, RenkeiError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Keep Zoho CRM and Zoho Books in step.")
sandbox_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Both systems imitated on this machine.")
policy_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What the policies decide.")
ledger_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The memory of every run.")
app.add_typer(sandbox_app, name="sandbox")
app.add_typer(policy_app, name="policy")
app.add_typer(ledger_app, name="ledger")


@app.callback()
def options(
    connection: Annotated[str | None, typer.Option(help="Name of the connection; may be left out when there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")] = False,
) -> None:
    Asked.connection, Asked.as_json = connection, as_json


@app.command()
def check() -> None:
    """Read all YAML, offline; every fault at once."""
    from renkei.house import Settings
    from renkei.house import check as check_all

    faults = check_all(Settings.from_environment(dict(os.environ)))
    if faults:
        raise DeclarationError(faults)
    show({"faults": []}, "All declarations are right.")


app.command()(running.plan)
app.command()(running.sync)
app.command()(running.demo)


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
    """Every cell of the policies in both directions, from the code that runs."""
    from renkei.core.resolving import DIRECTIONS, table

    rows = [
        (direction, state, left, right, policy, cell.outcome, cell.reason, cell.effect)
        for direction in DIRECTIONS
        for state, left, right, policy, cell in table(direction)
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
