"""Commands of the link table: links list, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from renkei.cli.asked import Actor, act_of, desk, group, local, show, table, tell_times_of
from renkei.core.commands import command

File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV in UTF-8.")]


def register(app: typer.Typer) -> None:
    links = group("Which CRM record and which Books record are one.")
    links.callback(invoke_without_command=True)(links_alone)
    links.command("list")(links_list)
    links.command("export")(links_export)
    links.command("import")(links_import)
    app.add_typer(links, name="links")


def links_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        links_list()


def links_list() -> None:
    """Every link with its evidence; ended ones and those kept aside too."""
    from renkei.engine.links import links

    with desk() as opened:
        found = links(opened.ledger, opened.spec.name)
        tell_times_of(opened, opened.spec.name)
    rows = [
        (one["crm"], one["books"], one["mapping"], one["evidence"], _state(one["state"], one["dead"]), local(one["since"]))
        for one in found
    ]
    show({"links": found}, table(rows) or "Nothing is linked yet.")


def _state(state: str, dead: str | None) -> str:
    return f"{state}, deleted in {dead}" if dead else state


def links_export(file: File) -> None:
    """Write the link table as CSV: sorted, the same bytes for the same links."""
    from renkei.core.errors import AskedWrongly
    from renkei.engine.links import exported

    with desk() as opened:
        text, count = exported(opened.ledger, opened.spec.name)
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise AskedWrongly(f"{file} cannot be written ({error.strerror}).", fix="Name another file.") from None
    show({"file": str(file), "links": count}, f"{count} links are in {file}.")


def links_import(file: File, actor: Actor = None) -> None:
    """Put the links of a CSV into the ledger, all of them or, where one line is wrong, none."""
    from renkei.core.errors import AskedWrongly
    from renkei.engine.links import read_file, take_in

    try:
        text = read_file(str(file), file.read_bytes())
    except OSError as error:
        raise AskedWrongly(f"{file} cannot be read ({error.strerror}).", fix="Name a file that `links export` wrote.") from None
    with desk() as opened:
        found = take_in(act_of(opened, actor), str(file), text, opened.project.mappings_of(opened.spec), opened.spec.organization)
    show(
        found,
        f"{found['imported']} links were imported, {found['already']} were there already. The next run compares each pair: "
        + command(opened.spec.name, "sync --full", opened.spec.environment),
    )
