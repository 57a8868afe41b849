"""Commands that set a connection up and look whether it works: connect, doctor."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import typer

from renkei.cli.asked import Asked, show

if TYPE_CHECKING:
    from renkei.engine.doctor import Finding

SIGNS = {"ok": "ok     ", "fail": "FAIL   ", "skipped": "skipped"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor() -> None:
    """Look whether a connection can work: one line a check, one fix a failure. Writes nothing to either side."""
    from renkei.core.errors import DeclarationError
    from renkei.house import Settings, read_project

    environ = dict(os.environ)
    project, faults = read_project(Settings.from_environment(environ))
    if faults and (not project.connections or (Asked.connection and Asked.connection not in project.connections)):
        raise DeclarationError(faults)
    spec = project.connection(Asked.connection)
    findings = asyncio.run(examined(project, spec, environ, faults))
    well = all(one.state != "fail" for one in findings)
    show({"connection": spec.name, "well": well, "findings": [as_json(one) for one in findings]}, "\n".join(lines(findings)))
    raise typer.Exit(0 if well else 1)


async def examined(project: Any, spec: Any, environ: dict[str, str], faults: list[Any]) -> list[Finding]:
    from renkei.engine.doctor import examine
    from renkei.house import open_patient

    async with open_patient(project, spec, environ, faults=faults) as patient:
        return await examine(patient)


def as_json(one: Finding) -> dict[str, str]:
    return {"check": one.check, "state": one.state, "said": one.said, "fix": one.fix}


def lines(findings: list[Finding]) -> list[str]:
    """One line a check; a failure's fix stands below it."""
    width = max(len(one.check) for one in findings)
    told = []
    for one in findings:
        told.append(f"{SIGNS[one.state]} {one.check:<{width}}  {one.said}")
        if one.fix:
            told.append(f"{' ' * (len(SIGNS['ok']) + 1 + width)}  → {one.fix}")
    return told
