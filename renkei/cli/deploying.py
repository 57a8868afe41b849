"""The command that tells the Prefect server what to start when: deploy."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Literal

import typer

from renkei.cli.asked import Asked, show

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Connections; all if left out.")]
Environment = Annotated[
    Literal["sandbox", "production"] | None,
    typer.Option(help="Must be said where one of them writes to production; it then stands in its deployments."),
]
Prune = Annotated[bool, typer.Option("--prune", help="Delete the deployments of connections that are no longer declared.")]


def register(app: typer.Typer) -> None:
    app.command()(deploy)


def deploy(names: Names = None, prune: Prune = False, environment: Environment = None) -> None:
    """Make or renew the deployments of connections on the Prefect server, by their schedules and time zones."""
    from renkei.house import Settings, deployable

    chosen = names or ([Asked.connection] if Asked.connection else None)
    specs, known, inactive = deployable(Settings.from_environment(dict(os.environ)), chosen, environment or "")
    from flows.deploying import deploy as deploy_all  # Prefect takes seconds to import: a wrong name should not wait for it

    found = asyncio.run(deploy_all(specs, known, inactive=inactive, prune=prune))
    paused = set(found["paused"])
    lines = [f"{name}{' (its schedule stands still)' if name in paused else ''}" for name in found["deployed"]]
    lines += [f"deleted: {name}" for name in found["deleted"]]
    pruned = "renkei deploy --prune" + (f" --environment {environment}" if environment else "")
    lines += [f"no connection: {name}. To delete it: {pruned}" for name in found["gone"]]
    show(found, "\n".join(lines))
