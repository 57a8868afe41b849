"""Commands about what waits for a person: holds, quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from renkei.cli.asked import (
    Actor,
    Reason,
    ShowPersonal,
    act_of,
    desk,
    group,
    local,
    masked_hint,
    refs_of,
    short,
    show,
    table,
    tell_times_of,
)
from renkei.cli.history import candidate_words
from renkei.core.commands import command

MANY = 30  # more rows than this are listed by their kind, a few of each
FEW = 5

Question = Annotated[str | None, typer.Option("--question", metavar="NAME", help="All open holds that ask this.")]


def register(app: typer.Typer) -> None:
    holds = group("Questions that wait for a person, and the answers.")
    holds.callback(invoke_without_command=True)(holds_alone)
    holds.command("list")(holds_list)
    holds.command("decide")(holds_decide)
    app.add_typer(holds, name="holds")
    quarantine = group("Rows that our checks stopped or the other system refused.")
    quarantine.callback(invoke_without_command=True)(quarantine_alone)
    quarantine.command("list")(quarantine_list)
    quarantine.command("show")(quarantine_show)
    quarantine.command("replay")(quarantine_replay)
    quarantine.command("discard")(quarantine_discard)
    app.add_typer(quarantine, name="quarantine")


def holds_alone(context: typer.Context, question: Question = None, show_personal: ShowPersonal = False) -> None:
    if context.invoked_subcommand is None:
        holds_list(question, show_personal)


def holds_list(question: Question = None, show_personal: ShowPersonal = False) -> None:
    """Open questions: the record, its candidates or values, since when, and the choices."""
    from renkei.engine.decide import questions

    with desk() as opened:
        asked = questions(opened.ledger, opened.spec.name, question)
        found = opened.shown(opened.spec.name, show_personal).questions(asked)
        tell_times_of(opened, opened.spec.name)
    text = "\n".join(_list(opened.spec.name, found, question is not None)) or "No question is open."
    show({"holds": found}, "\n".join([text, *masked_hint(text)]))


def _list(connection: str, found: list[dict[str, Any]], all_of_them: bool) -> Iterator[str]:
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
            yield f"  … and {len(same) - most} more: {command(connection, f'holds list --question {question}')}"


def holds_decide(
    words: Annotated[
        list[str], typer.Argument(metavar="[ID…] CHOICE", help="Holds, then the answer: link REF, attach REF, create, crm …")
    ],
    reason: Reason,
    question: Question = None,
    actor: Actor = None,
) -> None:
    """Answer open holds with one choice; the next run carries it out. `link` or `attach` alone takes a hold's only candidate."""
    from renkei.engine.decide import WITH_REF, decide

    named = words[-2:-1] and words[-2] in WITH_REF
    ids, choice = (words[:-2], " ".join(words[-2:])) if named else (words[:-1], words[-1])
    with desk() as opened:
        found = decide(act_of(opened, actor), ids, question, choice, reason)
    lines = [
        f"  {one['id']}  {' '.join(filter(None, (one['record'], one['field'])))}: {one['choice']}" for one in found["decided"]
    ]
    following = command(opened.spec.name, "sync", opened.spec.environment)
    show(found, "\n".join([f"Answered: {len(lines)}. The next run carries it out: {following}", *lines]))


Rule = Annotated[str | None, typer.Option("--rule", metavar="NAME", help="All rows that wait because of this.")]


def quarantine_alone(context: typer.Context, rule: Rule = None, show_personal: ShowPersonal = False) -> None:
    if context.invoked_subcommand is None:
        quarantine_list(rule, show_personal)


def quarantine_list(rule: Rule = None, show_personal: ShowPersonal = False) -> None:
    """Rows quarantined or refused, by the rule that they broke: the value, since when, and the fix."""
    from renkei.engine.quarantine import groups, rows

    with desk() as opened:
        found = opened.shown(opened.spec.name, show_personal).quarantine(rows(opened.ledger, opened.spec.name, rule))
        tell_times_of(opened, opened.spec.name)
    kinds = groups(found)
    text = "\n".join(_quarantine(opened.spec.name, kinds, found, len(found) if rule or len(found) <= MANY else FEW))
    show({"groups": kinds, "rows": found}, "\n".join([text, *masked_hint(text)]) if text else "No row is quarantined or refused.")


def _quarantine(connection: str, kinds: list[dict[str, Any]], found: list[dict[str, Any]], most: int) -> Iterator[str]:
    for kind in kinds:
        same = [one for one in found if all(one[name] == kind[name] for name in ("state", "rule", "field"))]
        yield f"{kind['state']}: {kind['rule']} {kind['field']}".rstrip() + f": {kind['count']} since {local(kind['since'])}"
        for one in same[:most]:
            value = f": {short(one['value'])!r}" if one["value"] else ""
            yield f"  {' '.join(filter(None, (one['record'], short(one['label']))))}: {one['words'].rstrip('.')}{value}"
        if len(same) > most:
            yield f"  … and {len(same) - most} more: {command(connection, 'quarantine list --rule ' + kind['rule'])}"
        yield f"  fix: {kind['fix']}"


def quarantine_show(
    record: Annotated[str, typer.Argument(metavar="REF", help="crm:Accounts:ID …")], show_personal: ShowPersonal = False
) -> None:
    """One row that waits or was discarded: the rules that it breaks, its values, what to do, and what waits for it."""
    from renkei.engine.quarantine import inspect

    with desk() as opened:
        spec, (ref,) = opened.spec, refs_of([record])
        found = inspect(opened.ledger, spec, opened.project.mappings_of(spec), ref)
        found = opened.shown(spec.name, show_personal).inspected(found)
        tell_times_of(opened, spec.name)
    text = "\n".join(_inspected(spec.name, spec.environment, found))
    show(found, "\n".join([text, *masked_hint(text)]))


def _inspected(connection: str, environment: str | None, found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['record']} {found['label']}".rstrip() + f": {found['state']}"
    for one in found["broken"]:
        value = f": {one['value']!r}" if one["value"] else ""
        yield f"  {one['rule']} {one['field']}".rstrip() + f": {one['words'].rstrip('.')}{value}"
        if one["fix"]:
            yield f"    fix: {one['fix']}"
    wrong = {one["field"] for one in found["broken"]}
    yield "  its row" + (f", changed last {local(found['seen'])}" if found["seen"] else "")
    yield table(
        (
            (">" if {one["field"], one["path"]} & wrong else " ", one["field"], one["path"], repr(one["value"]))
            for one in found["row"]
        ),
        indent="    ",
    )
    if found["waiting"]:
        yield f"  waiting for it: {', '.join(found['waiting'])}"
    if found["discarded"]:
        gone = found["discarded"]
        yield f"  discarded by {gone['by']} at {local(gone['at'])}: {gone['reason']}"
        again = command(connection, "quarantine replay " + found["record"])
        yield f"  It comes back when it or the rules change, or with: {again}"
        return
    tried = found["tried"]
    if tried["runs"]:
        yield f"  tried by {tried['runs']} runs, last {local(tried['last'])}; the next one tries it again"
    yield f"  Once it is corrected: {command(connection, 'sync --only ' + found['record'], environment)}"
    yield f"  To leave it out: {command(connection, 'quarantine discard ' + found['record'] + ' --reason TEXT')}"


def quarantine_replay(
    records: Annotated[list[str] | None, typer.Argument(metavar="[REF…]", help="crm:Accounts:ID …; none: all rows.")] = None,
    rule: Rule = None,
    actor: Actor = None,
) -> None:
    """Open rows, discarded ones too, so that the next run tries them again. Nothing is sent by this command."""
    from renkei.core.errors import AskedWrongly
    from renkei.engine.quarantine import replay

    if records and rule:
        raise AskedWrongly("Records and a rule were named.", fix="Name records, or a rule, or neither for all rows.")
    with desk() as opened:
        found = replay(act_of(opened, actor), refs_of(records or ()), rule)
    lines = [f"  {one}" for one in found["replayed"]]
    following = command(opened.spec.name, "sync", opened.spec.environment)
    show(found, "\n".join([f"Open: {len(lines)}. The next run tries them again: {following}", *lines]))


def quarantine_discard(
    records: Annotated[list[str], typer.Argument(metavar="REF…", help="crm:Accounts:ID …")],
    reason: Reason,
    actor: Actor = None,
) -> None:
    """Take rows out with a reason: skipped until the record or the rules change. Nothing is written to either system."""
    from renkei.engine.quarantine import discard

    with desk() as opened:
        found = discard(act_of(opened, actor), refs_of(records), reason)
    lines = [f"  {one}" for one in found["discarded"]]
    show(found, "\n".join([f"Discarded: {len(lines)}. They are skipped until they or the rules change.", *lines]))
