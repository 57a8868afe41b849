"""What was asked before the verb, what every command works with, and how an answer is printed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from renkei.core.values import Ref
    from renkei.engine.acts import Act
    from renkei.house import Desk

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept as evidence.")]
ShowPersonal = Annotated[
    bool, typer.Option("--show-personal", help="Print personal values too, for roles that may see them; files never hold them.")
]
Actor = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who decides; the user of this machine if left out.")]


class Asked:
    """The options before the verb."""

    connection: str | None = None
    as_json: bool = False
    zone: str | None = None  # of the connection in question, once that is known


def group(help_text: str) -> typer.Typer:
    """Commands that share a noun."""
    return typer.Typer(rich_markup_mode=None, help=help_text)


def masked_hint(text: str) -> list[str]:
    """How to see what is masked in a text, for who may."""
    from renkei.core.personal import MASK

    return [f"{MASK}: personal; --show-personal prints it."] if MASK in text else []


def show(content: dict[str, Any], text: str) -> None:
    print(json.dumps(content, ensure_ascii=False) if Asked.as_json else text)


@contextmanager
def desk() -> Iterator[Desk]:
    """The ledger, the clock and the declarations, for a command that needs no network."""
    from renkei.house import open_desk

    with open_desk(dict(os.environ), Asked.connection) as opened:
        yield opened


def tell_times_of(opened: Desk, connection: str) -> None:
    """From now on, times are told as this connection's clocks show them."""
    Asked.zone = opened.zone(connection)


def act_of(opened: Desk, name: str | None) -> Act:
    """What a person does here, under the name that he gave or his own."""
    return opened.act(name)


def refs_of(words: Iterable[str]) -> list[Ref]:
    """Records as they are typed. AskedWrongly says how to write one."""
    from renkei.core.errors import AskedWrongly
    from renkei.core.values import Ref

    found = []
    for word in words:
        try:
            found.append(Ref.parse(word))
        except ValueError as error:
            raise AskedWrongly(str(error)) from None
    return found


def local(time: str, zone: str | None = None) -> str:
    """An ISO time as clocks in this time zone show it, or in that of the connection in question, else this machine's clock."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return (
        datetime.fromisoformat(time)
        .astimezone(ZoneInfo(here) if (here := zone or Asked.zone) else None)
        .isoformat(sep=" ", timespec="seconds")
    )


def short(text: str, most: int = 60) -> str:
    """The first letters of a long text, with a sign that there are more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def counts(words: Mapping[str, int]) -> str:
    """`3 created, 1 held`, without what is zero."""
    return ", ".join(f"{count} {word}" for word, count in words.items() if count) or "nothing"


def shown_changes(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line a field: before → after, on the side that is written."""
    return [f"      {one['side']}.{one['field']}: {one['before']!r} → {one['after']!r}" for one in changes]


def table(rows: Iterable[Iterable[object]], indent: str = "") -> str:
    """Columns as wide as their widest word; the last one as it is. Wide (Japanese) letters count twice."""
    from unicodedata import east_asian_width

    texts = [[str(cell) for cell in row] for row in rows]

    def width(text: str) -> int:
        return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)

    widths: dict[int, int] = {}
    for row in texts:
        for place, text in enumerate(row[:-1]):
            widths[place] = max(widths.get(place, 0), width(text))
    lines = []
    for row in texts:
        padded = [text + " " * (widths[place] - width(text)) for place, text in enumerate(row[:-1])]
        lines.append((indent + "  ".join([*padded, row[-1]])).rstrip())
    return "\n".join(lines)
