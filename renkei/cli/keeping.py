"""Commands that keep a whole ledger: ledger backup, restore, migrate."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from renkei.cli.asked import Actor, local, show
from renkei.core.commands import command

if TYPE_CHECKING:
    from renkei.house import Settings

File = Annotated[Path, typer.Argument(metavar="FILE", help="A copy of SQLite's file, or an archive of pg_dump.")]
Force = Annotated[bool, typer.Option("--force", help="Over a ledger that holds runs; a copy of it is kept.")]


def register(ledger: typer.Typer) -> None:
    for one in (backup, restore, migrate):
        ledger.command()(one)


def backup(file: File) -> None:
    """Copy the whole ledger into a new file; runs go on meanwhile."""
    from renkei.house import backup_ledger

    backup_ledger(_settings(), file)
    show(
        {"file": str(file), "bytes": file.stat().st_size},
        f"The ledger is in {file}. To bring it back: renkei ledger restore {file}",
    )


def restore(file: File, force: Force = False, actor: Actor = None) -> None:
    """Put a backup in the ledger's place, and check its hash chains."""
    from renkei.house import machine_user, restore_ledger

    found = restore_ledger(_settings(), file, machine_user() if actor is None else actor, force=force)
    lines = [found["broken"] or f"{found['rows']} rows of {found['runs']} runs are whole."]
    if found["kept"]:
        lines.append(f"What was there before is in {found['kept']}.")
    lines += [f"  {name}: its newest batch began {local(at) if at else 'never'}" for name, at in found["connections"].items()]
    if found["connections"]:
        lines.append("What runs did since then, the next one finds by the keys on both sides:")
        lines += [f"  {following}" for following in _next_runs(found["connections"])]
    show(found, "\n".join(lines))
    raise typer.Exit(1 if found["broken"] else 0)


def _next_runs(names: Iterable[str]) -> list[str]:
    """What to type for each connection that is still declared."""
    from renkei.house import load_project

    declared = load_project(_settings()).connections
    return [command(name, "sync --full", declared[name].environment) for name in names if name in declared]


def migrate() -> None:
    """Bring the ledger's tables up to date and say from where to where; every command does so when it opens it."""
    from renkei.house import migrate_ledger

    before, after = migrate_ledger(_settings())
    words = f"The ledger stands at {after} already." if before == after else f"From {before or 'nothing'} to {after}."
    show({"from": before, "to": after}, words)


def _settings() -> Settings:
    from renkei.house import Settings

    return Settings.from_environment(dict(os.environ))
