"""Commands for mapping engineers: mapping propose, schema, functions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from renkei.cli.asked import Asked, group, show, table
from renkei.core.commands import command

if TYPE_CHECKING:
    from renkei.core.proposing import LeftOut, Proposal, Suggestion
    from renkei.house import ProposalFile

SIDES = {"crm": "CRM", "books": "Books"}


def register(app: typer.Typer) -> None:
    mapping = group("For mapping engineers.")
    mapping.command("propose")(propose)
    mapping.command("schema")(schema)
    mapping.command("functions")(functions)
    app.add_typer(mapping, name="mapping", no_args_is_help=True)


def propose(
    entities: Annotated[list[str] | None, typer.Argument(help="customers, products")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that somebody has edited, too.")] = False,
) -> None:
    """Propose mappings from both sides' fields: files that override the shipped ones. What is doubtful stands in comments."""
    from renkei.core.errors import AskedWrongly
    from renkei.engine.work import SYNCED
    from renkei.house import Settings, load_project, proposed_files

    for one in entities or ():
        if one not in SYNCED:
            raise AskedWrongly(f"{one!r} has no mapping to propose.", fix=f"Use one of: {', '.join(SYNCED)}.")
    environ = dict(os.environ)
    project = load_project(Settings.from_environment(environ))
    spec = project.connection(Asked.connection)
    proposals = asyncio.run(_read(project, spec, environ, tuple(entities or SYNCED)))
    files = proposed_files(project.settings, project, spec, proposals)
    written = [one for one in files if one.state in ("new", "renewed") or (one.state == "edited" and force)]
    write(written)
    named = spec.mappings is not None or not files
    content = {
        "connection": spec.name, "named": named, "mappings": [as_json(one) for one in proposals],
        "files": [
            {
                "mapping": one.mapping, "file": str(one.path), "state": one.state, "written": one in written,
                "differs": list(one.differs),
            }
            for one in files
        ],
    }  # fmt: skip
    told = [*lines(proposals), "", *_about(files, written)]
    if not named:
        told.append(
            f"To use it: write `mappings: {spec.name}` into {spec.file}. Then: renkei check, {command(spec.name, 'plan')}"
        )
    show(content, "\n".join(told))


async def _read(project: Any, spec: Any, environ: dict[str, str], entities: Sequence[str]) -> list[Proposal]:
    from renkei.engine.propose import read_proposals
    from renkei.house import open_house, reserved_names

    async with open_house(project, spec, environ) as rooms:
        try:
            return await read_proposals(rooms.crm, rooms.books, spec, project.mappings[""], entities, reserved_names(project))
        finally:
            rooms.flush_calls(None)


def schema(kind: Annotated[str, typer.Argument(help="mapping, deals, summaries, connection …")] = "mapping") -> None:
    """The JSON Schema of a YAML file, for completion in an editor."""
    import json

    from renkei.core.errors import AskedWrongly
    from renkei.house import SCHEMAS, json_schema

    if kind not in SCHEMAS:
        raise AskedWrongly(f"There is no schema {kind!r}.", fix=f"Use one of: {', '.join(SCHEMAS)}.")
    found = json_schema(kind)
    show(found, json.dumps(found, indent=2, ensure_ascii=False))


def functions() -> None:
    """The transforms that a mapping can name, and their options."""
    from renkei.core.transforms import FUNCTIONS

    content = [{"name": one.name, "summary": one.summary, "options": dict(one.options)} for one in FUNCTIONS.values()]
    told = [
        [one.name, " ".join([one.summary, *(f"Option {name}: {meaning}" for name, meaning in one.options.items())])]
        for one in FUNCTIONS.values()
    ]
    show({"functions": content}, table(told))


def write(files: Sequence[ProposalFile]) -> None:
    """Each whole or not at all."""
    from renkei.house import write_connection

    for one in files:
        write_connection(one.path, one.text)


def _about(files: Sequence[ProposalFile], written: Sequence[ProposalFile]) -> list[str]:
    told = []
    for one in files:
        if one in written:
            told.append(f"Written: {one.path}")
        elif one.state == "unchanged":
            told.append(f"As it was: {one.path}")
        else:
            told.append(f"Somebody has edited {one.path}, so it stays as it is. It differs from the proposal:")
            told += [f"    {line}" for line in one.differs]
            told.append("To replace it: --force.")
    return told or ["Nothing to write: the shipped mappings need no change here."]


# ------------------------------------------------------------------------------------------------------------ proposals


def lines(proposals: Sequence[Proposal]) -> list[str]:
    """What fits, what is left out, and what else looks the same, a line each."""
    told = []
    for one in proposals:
        told.append(f"{one.mapping}: {len(one.fits)} shipped fields fit as they are")
        told += [
            f"  MISSING    {left.field}: {_where(left)} {left.why}; the mapping cannot be without it" for left in one.missing
        ]
        told += [f"  left out   {left.field}: {_where(left)} {left.why}" for left in one.left_out]
        told += [f"  {each.band:<10} {_named(each)}: {each.why}" for each in one.suggestions]
    return told


def _where(left: LeftOut) -> str:
    return f"{SIDES[left.side]} {left.path}"


def _named(one: Suggestion) -> str:
    labels = " ↔ ".join(dict.fromkeys(label for label in one.labels if label))
    return f"CRM {one.crm} ↔ Books {one.books}" + (f" ({labels})" if labels else "")


def as_json(one: Proposal) -> dict[str, Any]:
    def left(found: Sequence[LeftOut]) -> list[dict[str, Any]]:
        return [{"field": x.field, "side": x.side, "path": x.path, "why": x.why, "by_itself": x.by_itself} for x in found]

    return {
        "mapping": one.mapping, "fits": list(one.fits), "missing": left(one.missing), "left_out": left(one.left_out),
        "suggestions": [
            {
                "field": each.field.name if each.field else None, "kind": each.field.kind if each.field else None,
                "band": each.band, "crm": each.crm, "books": each.books,
                "labels": {"crm": each.labels[0], "books": each.labels[1]}, "why": each.why, "replaces": each.replaces,
            }
            for each in one.suggestions
        ],
    }  # fmt: skip
