"""The commands. Results go to stdout, everything else to stderr; heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, cast

import typer
from typer.exceptions import TyperException

from renkei.cli import (
    connecting,
    declarations,
    deploying,
    documents,
    history,
    imitated,
    life,
    linking,
    mapping,
    preparing,
    questions,
    running,
    setup,
    state,
    undoing,
    watching,
)
from renkei.cli.asked import Asked
from renkei.cli.guard import guard
from renkei.core.errors import RenkeiError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Keep Zoho CRM and Zoho Books in step.",
)


@app.callback()
def options(
    connection: Annotated[str | None, typer.Option(help="Name of the connection; may be left out when there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")] = False,
) -> None:
    Asked.connection, Asked.as_json, Asked.zone = connection, as_json, None


app.command()(running.plan)
app.command()(running.apply)
app.command()(running.sync)
app.command()(running.publish)
app.command()(running.demo)
for room in (
    connecting,
    preparing,
    setup,
    undoing,
    state,
    life,
    deploying,
    watching,
    questions,
    linking,
    history,
    documents,
    declarations,
    mapping,
    imitated,
):
    room.register(app)
guard(app)


def in_front(words: list[str]) -> list[str]:
    """The words with `--json` before the verb, where it means something, wherever it was typed."""
    return ["--json"] * ("--json" in words) + [word for word in words if word != "--json"]


def main() -> None:
    """Errors are told in words: what, was anything written, what now; as one JSON object where that was asked for."""
    try:
        raise SystemExit(app(in_front(sys.argv[1:]), standalone_mode=False))
    except RenkeiError as error:
        if Asked.as_json:
            _as_json(type(error).__name__, error.what, error.written, error.fix, **error.more)
        else:
            print(str(error), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except TyperException as error:  # words that are no command, option or value of one
        if Asked.as_json:
            _as_json("AskedWrongly", error.format_message(), RenkeiError.written, "Ask the command with --help.")
        else:
            cast(Any, error).show()  # usage and error, as the library words them
        raise SystemExit(error.exit_code) from None
    except typer.Abort:  # Ctrl-C
        print("Aborted. What was written is in the journal; the next run recovers.", file=sys.stderr)
        raise SystemExit(1) from None


def _as_json(error: str, message: str, written: str, fix: str, **more: str) -> None:
    print(json.dumps({"error": error, "message": message, "written": written, "fix": fix, **more}, ensure_ascii=False))
