"""Commands of the sandbox: both systems imitated on this machine."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from renkei.cli.asked import group


def register(app: typer.Typer) -> None:
    sandbox = group("Both systems imitated on this machine.")
    sandbox.command()(serve)
    app.add_typer(sandbox, name="sandbox", no_args_is_help=True)


def serve(
    port: Annotated[int, typer.Option(help="0: any free one.")] = 0,
    seed: Annotated[str, typer.Option(help="demo, empty, bare, native, synthetic:N, or a folder of CSV or JSON files.")] = "demo",
    limits: Annotated[
        Literal["on", "off"], typer.Option(help="off counts calls a minute and a day, but does not enforce them.")
    ] = "on",
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault to show, for example timeout-after-commit; may be repeated.")
    ] = None,
) -> None:
    """Serve both APIs on one loopback port; prints one JSON line when ready."""
    from renkei.core.errors import AskedWrongly
    from renkei.sandbox.serve import serve as serve_world

    try:
        serve_world(port, seed, limits == "on", fault or [])
    except ValueError as error:  # an unknown seed or fault
        raise AskedWrongly(str(error)) from None
    except OSError as error:
        raise AskedWrongly(f"Port {port} cannot be used ({error.strerror}).", fix="Choose another with --port.") from None
