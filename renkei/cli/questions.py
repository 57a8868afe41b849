"""Commands about what waits for a person: holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from renkei.cli.asked import Actor, Reason, act_of, desk, group, local, show
from renkei.cli.history import candidate_words

MANY = 30  # more open questions than this are listed by their kind, a few of each
FEW = 5

Question = Annotated[str | None, typer.Option("--question", metavar="NAME", help="All open holds that ask this.")]


def register(app: typer.Typer) -> None:
    holds = group("Questions that wait for a person, and the answers.")
    holds.callback(invoke_without_command=True)(holds_alone)
    holds.command("list")(holds_list)
    holds.command("decide")(holds_decide)
    app.add_typer(holds, name="holds")


def holds_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        holds_list()


def holds_list(question: Question = None) -> None:
    """Open questions: the record, its candidates or values, since when, and the choices."""
    from renkei.engine.decide import questions

    with desk() as opened:
        found = questions(opened.ledger, opened.spec.name, question)
    show({"holds": found}, "\n".join(_list(found, question is not None)) or "No question is open.")


def _list(found: list[dict[str, Any]], all_of_them: bool) -> Iterator[str]:
    most = FEW if len(found) > MANY and not all_of_them else len(found)
    for question in dict.fromkeys(one["question"] for one in found):
        same = [one for one in found if one["question"] == question]
        yield f"{question}: {len(same)}"
        for one in same[:most]:
            field = f" {one['field']}" if one["field"] else ""
            yield f"  {one['id']}  {one['record']}{field}  {one['label']}  since {local(one['since'])}"
            for side, value in (one["values"] or {}).items():
                yield f"      {side}: {value!r}"
            for candidate in one["candidates"] if not one["values"] else ():
                yield f"      candidate {candidate_words(candidate)}"
            yield f"      choices: {', '.join(one['choices'])}"
        if len(same) > most:
            yield f"  … and {len(same) - most} more: renkei holds list --question {question}"


def holds_decide(
    words: Annotated[list[str], typer.Argument(metavar="[ID…] CHOICE", help="Holds, then the answer: link REF, create, crm …")],
    reason: Reason,
    question: Question = None,
    actor: Actor = None,
) -> None:
    """Answer open holds with one choice; the next run carries it out. `link` alone takes a hold's only candidate."""
    from renkei.engine.decide import decide

    ids, choice = (words[:-2], " ".join(words[-2:])) if words[-2:-1] == ["link"] else (words[:-1], words[-1])
    with desk() as opened:
        found = decide(act_of(opened, actor), ids, question, choice, reason)
    lines = [f"  {one['id']}  {one['record']} {one['field'] or ''}: {one['choice']}" for one in found["decided"]]
    show(found, "\n".join([f"Answered: {len(lines)}. The next run carries it out: renkei sync", *lines]))
