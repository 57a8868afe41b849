"""The door of the commands: each one that is registered asks for its right before it does anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from renkei.cli.asked import Asked


def guard(app: typer.Typer, path: str = "") -> None:
    """Put the door in front of every command of the app and of its groups, those that run without a verb too.

    Called once, when everything is registered. What each needs stands in core/rights.py.
    """
    for one in app.registered_commands:
        assert one.callback is not None
        name = one.name or one.callback.__name__.replace("_", "-")
        one.callback = _asked_first(one.callback, f"{path} {name}".strip())
    for part in app.registered_groups:
        inner = part.typer_instance
        assert inner is not None and part.name
        within = f"{path} {part.name}".strip()
        alone = inner.registered_callback
        if alone is not None and alone.callback is not None and alone.invoke_without_command is True:
            alone.callback = _asked_first(alone.callback, within)
        guard(inner, within)


def _asked_first(command: Callable[..., Any], name: str) -> Callable[..., Any]:
    @wraps(command)
    def door(*words: Any, **given: Any) -> Any:
        context = given.get("context")
        if context is None or context.invoked_subcommand is None:  # else the verb that follows has a door of its own
            _ask(name, given)
        return command(*words, **given)

    return door


def _ask(name: str, given: dict[str, Any]) -> None:
    from renkei.core.rights import NEEDS

    for words in given.values():
        if isinstance(words, list) and words and f"{name} {words[0]}" in NEEDS:  # plan show FILE
            name = f"{name} {words[0]}"
    if not NEEDS[name]:
        return
    from renkei.house import admit

    options = {f"--{key.replace('_', '-')}" for key, value in given.items() if value}
    admit(dict(os.environ), Asked.connection, name, options)
