"""The next command to type, as it must be typed: with its connection, and with the word that production asks for."""

from __future__ import annotations

WRITES = frozenset(
    {"apply", "deploy", "disconnect", "prepare", "publish", "switch-organization", "sync"}
)  # they take --environment


def command(connection: str, words: str, environment: str | None = None) -> str:
    """`renkei --connection acme sync --full --environment production`

    words         the verb, its arguments and options
    environment   the one that the connection declares
    """
    named = environment == "production" and words.split()[0] in WRITES
    return f"renkei --connection {connection} {words}" + (" --environment production" if named else "")
