"""The next command to type, as it must be typed: with its connection, and with the word that production asks for."""

from __future__ import annotations

WRITES = frozenset(  # they take --environment
    {
        "apply", "deploy", "disconnect", "documents attach", "documents create", "documents detach", "documents edit",
        "documents email", "documents refresh", "prepare", "publish", "switch-organization", "sync",
    }
)  # fmt: skip


def command(connection: str, words: str, environment: str | None = None) -> str:
    """`renkei --connection acme sync --full --environment production`

    words         the verb, its arguments and options
    environment   the one that the connection declares
    """
    named = environment == "production" and any(f"{words} ".startswith(f"{verb} ") for verb in WRITES)
    return f"renkei --connection {connection} {words}" + (" --environment production" if named else "")
