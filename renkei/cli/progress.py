"""Progress of long work on stderr, while a person watches: one line a stage and entity, gone when the work is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from renkei.cli.asked import Asked

Progress = Callable[[str, str, int, int | None], None]


@contextmanager
def progress_bars() -> Iterator[Progress | None]:
    """What to tell (stage, entity, done, of) to; `of` None: nobody knows how many there are. None where nobody watches:
    stdout or stderr is no terminal, or --json was asked for."""
    if Asked.as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        lines = {}

        def tell(stage: str, entity: str, done: int, of: int | None) -> None:
            if (stage, entity) not in lines:
                lines[stage, entity] = bars.add_task(f"{entity} {stage}", total=None, count="")
            count = f"{done}" if of is None else f"{done} of {of}"
            bars.update(lines[stage, entity], completed=done, total=of, count=count)

        yield tell
