"""Commands that read the declarations alone: check, policy show."""

from __future__ import annotations

import os
from collections.abc import Mapping

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
    """Every cell of the policies in both directions, of deleted records and of deals' documents, from the code that runs."""
    from renkei.core.deleting import delete_table
    from renkei.core.documents import SETTINGS, deal_table
    from renkei.core.resolving import DIRECTIONS
    from renkei.core.resolving import table as cells

    rows = [
        (direction, state, left, right, policy, cell.outcome, cell.reason, cell.effect)
        for direction in DIRECTIONS
        for state, left, right, policy, cell in cells(direction)
    ]
    head = ("direction", "state", "crm", "books", "policy", "outcome", "reason", "effect")
    deletes = [
        {
            "direction": direction, "kind": one.kind, "deletes": one.word, "deleted": one.gone, "other": one.living,
            "transactions": one.transactions, "outcome": one.cell.outcome, "reason": one.cell.reason, "effect": one.cell.effect,
        }
        for direction in DIRECTIONS
        for one in delete_table(direction)
    ]  # fmt: skip
    deals = [
        {
            "deals": setting, "stage": stage, "document": document.status, "ours": document.ours, "changed": document.changed,
            "gate": gate, "outcome": cell.outcome, "reason": cell.reason, "effect": cell.effect, "moves": list(cell.moves),
        }
        for setting in SETTINGS
        for stage, document, gate, cell in deal_table(setting)
    ]  # fmt: skip
    show(
        {"cells": [list(row) for row in rows], "deletes": deletes, "deals": deals},
        "\n\n".join([table([head, *rows]), *(table([each[0], *map(_words, each)]) for each in (deletes, deals))]),
    )


def _words(cell: Mapping[str, object]) -> list[object]:
    said = {True: "yes", False: "no"}
    return [said[one] if isinstance(one, bool) else " ".join(one) if isinstance(one, list) else one for one in cell.values()]
