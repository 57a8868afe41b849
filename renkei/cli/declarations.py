"""Commands that read the declarations alone: check, policy show."""

from __future__ import annotations

import os

import typer

from renkei.cli.asked import group, show, table


def register(app: typer.Typer) -> None:
    app.command()(check)
    policy = group("What the policies decide.")
    policy.command("show")(policy_show)
    app.add_typer(policy, name="policy", no_args_is_help=True)


def check() -> None:
    """Read all YAML, offline; every fault at once."""
    from renkei.core.errors import DeclarationError
    from renkei.house import Settings
    from renkei.house import check as check_all

    faults = check_all(Settings.from_environment(dict(os.environ)))
    if faults:
        raise DeclarationError(faults)
    show({"faults": []}, "All declarations are right.")


def policy_show() -> None:
    """Every cell of the policies in both directions, from the code that runs."""
    from renkei.core.resolving import DIRECTIONS
    from renkei.core.resolving import table as cells

    rows = [
        (direction, state, left, right, policy, cell.outcome, cell.reason, cell.effect)
        for direction in DIRECTIONS
        for state, left, right, policy, cell in cells(direction)
    ]
    head = ("direction", "state", "crm", "books", "policy", "outcome", "reason", "effect")
    show({"cells": [list(row) for row in rows]}, table([head, *rows]))
