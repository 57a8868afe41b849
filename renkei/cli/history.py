"""Commands that tell what was: runs, why, ledger verify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from renkei.cli import keeping
from renkei.cli.asked import (
    Actor,
    Asked,
    Reason,
    ShowPersonal,
    act_of,
    counts,
    desk,
    group,
    local,
    masked_hint,
    refs_of,
    show,
    shown_changes,
    table,
    tell_times_of,
)
from renkei.core.report import meaning_lines

Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


ORPHANS = 20  # shown of a run; `--json` has all


def register(app: typer.Typer) -> None:
    runs = group("The runs, newest first.")
    runs.callback(invoke_without_command=True)(runs_alone)
    runs.command("list")(runs_list)
    runs.command("show")(runs_show)
    app.add_typer(runs, name="runs")
    app.command()(why)
    ledger = group("The memory of every run.")
    ledger.command()(verify)
    ledger.command()(erase)
    keeping.register(ledger)
    app.add_typer(ledger, name="ledger", no_args_is_help=True)


def runs_alone(context: typer.Context, limit: Limit = 50) -> None:
    if context.invoked_subcommand is None:
        runs_list(limit)


def runs_list(limit: Limit = 50) -> None:
    """The runs, newest first; of all connections where none is named."""
    from renkei.engine import history

    with desk() as opened:
        found = history.runs(opened.ledger, Asked.connection, limit)
        times = [local(one["started"], opened.zone(one["connection"])) for one in found]
    rows = [
        (time, one["status"], one["kind"], one["run"], one["connection"], _took(one), f"by {one['actor']}")
        for time, one in zip(times, found, strict=True)
    ]
    show({"runs": found}, table(rows) or "No run yet.")


def runs_show(
    run: Annotated[str, typer.Argument(help="A run's id, as `renkei runs` shows it.")],
    limit: Annotated[int, typer.Option(min=0, help="Show so many writes and notes.")] = 20,
    show_personal: ShowPersonal = False,
) -> None:
    """One run: stages, outcomes, calls, brakes, what it read and what it wrote, before → after."""
    from renkei.engine import history

    with desk() as opened:
        told = history.run(opened.ledger, run, limit, Asked.connection)
        found = opened.shown(told["connection"], show_personal).run(told)
        tell_times_of(opened, told["connection"])
    text = "\n".join(lines_of_run(found))
    show(found, "\n".join([text, *masked_hint(text)]))


def _took(one: dict[str, Any]) -> str:
    return "not ended" if one["seconds"] is None else f"{one['seconds']:.1f} s"


def lines_of_run(found: dict[str, Any]) -> Iterator[str]:
    """`runs show` in words, from what `engine.history.run` tells."""
    yield f"{found['status']}: run {found['run']} of {found['connection']}"
    full = ", full compare" if found["full"] else ""
    yield f"  {found['kind']}{full}, by {found['actor']} ({found['flow']}), {local(found['started'])}, {_took(found)}"
    yield f"  renkei {found['code']}, configuration {found['configuration'][:12]}"
    if found["stages"]:
        yield "Stages"
        yield table([(one["entity"], one["stage"], f"{one['seconds']:.3f} s") for one in found["stages"]], "  ")
    if found["entities"]:
        yield "Outcomes"
        rows = []
        for entity, part in found["entities"].items():
            read = f"{part['extracted']['crm']} CRM, {part['extracted']['books']} Books rows"
            wrote = f"written {part['writes']['crm']} CRM, {part['writes']['books']} Books" if "writes" in part else "planned"
            rows.append((entity, read, wrote, counts(part["outcomes"])))
        yield table(rows, "  ")
    for entity, part in found["entities"].items():
        yield from meaning_lines(entity, part)
    if found["calls"]:
        calls, fewest = found["calls"], found["calls"]["fewest"]
        yield f"Calls: CRM {calls['crm']} (fewest {fewest['crm']}), Books {calls['books']} (fewest {fewest['books']})"
    if found["reads"]:
        yield "Reads"
        yield table([_read(one) for one in found["reads"]], "  ")
    if found["orphans"]:
        yield f"Orphans, whose partner was deleted: {len(found['orphans'])}"
        yield table([(one["alive"], f"partner of {one['gone']}") for one in found["orphans"][:ORPHANS]], "  ")
    for one in found["brakes"]:
        yield f"Brake {one['brake']!r} on {one['entity']}: {one['count']} where {one['limit']}"
    for note in found["notes"]:
        yield f"Note: {note}"
    yield from _evidence("Failed or refused", found["failures"])
    yield from _evidence("Notes", found["acts"])
    yield from _evidence("Writes", found["writes"])


def _read(one: dict[str, Any]) -> tuple[str, str, str, str]:
    since = f"since {local(one['since'])}" if one["since"] else "everything"
    newest = f"newest {local(one['newest'])}" if one["newest"] else "no stamp seen"
    return (f"{one['side']} {one['module']}", f"rows {one['rows']}, calls {one['calls']}", since, newest)


def _word(one: dict[str, Any]) -> str:
    """An outcome with its reason, where it has one."""
    return f"{one['outcome']}: {one['reason']}" if one["reason"] else str(one["outcome"])


def _evidence(title: str, part: dict[str, Any]) -> Iterator[str]:
    if not part["count"]:
        return
    yield f"{title}: {part['count']}"
    for one in part["shown"]:
        yield f"  {local(one['at'])}  {_word(one)}  {' '.join([*one['records'], one['label']])}".rstrip()
        yield from shown_changes(one["changes"])
    more = part["count"] - len(part["shown"])
    if more:
        yield f"  … and {more} more (--limit {part['count']})"


def why(
    record: Annotated[str, typer.Argument(help="crm:Accounts:ID, books:contacts:ID …, an id alone, or a name")],
    show_personal: ShowPersonal = False,
) -> None:
    """A record's whole story, from the ledger alone."""
    from renkei.engine.why import record_of, story, unseen

    with desk() as opened:
        name, seen = opened.spec.name, opened.shown(opened.spec.name)
        ref = record_of(opened.ledger, name, record, seen)
        found = opened.shown(name, show_personal).story(story(opened.ledger, name, ref))
        nothing = "" if found["link"] or found["story"] else unseen(opened.ledger, opened.spec, ref)
        tell_times_of(opened, name)
    link = found["link"]
    lines = [f"{found['record']} {found['name']}".rstrip()]
    lines += [f"  document: {one['record']}, left {one['status']} by renkei" for one in found.get("documents", ())]
    lines += [f"  made for {found['deal']}"] if "deal" in found else []
    if link:
        lines.append(f"  linked: {link['crm']} and {link['books']} since {local(link['since'])} ({link['evidence']})")
    elif len(lines) == 1:
        lines.append("  no link")
    lines += [f"  {nothing}"] if nothing else []
    for one in found["story"]:
        lines.append(f"  {local(one['at'])}  {_word(one)}  (run {one['run']}, by {one['actor']})")
        lines += shown_changes(one["changes"])
        if "erased" in one:
            gone = one["erased"]
            lines.append(f"      contents erased by {gone['who']} at {local(gone['at'])}: {gone['why']}")
        if one["edited_at"]:
            lines.append(f"      edited by {one['edited_by']} at {local(one['edited_at'])}")
        lines += [f"      {words}" for words in one.get("words", ())]
        lines += [f"      candidate {candidate_words(item)}" for item in one["candidates"]]
    show(found, "\n".join(lines + masked_hint("\n".join(lines))))


def candidate_words(item: dict[str, Any]) -> str:
    """A candidate in one line: record, name, by which rule and score it was met."""
    words = [item["record"], item.get("label", "")]
    if "rule" in item:
        score = "" if item.get("score") is None else f", score {item['score']}"
        words.append(f"({item['rule']}{score})")
    return " ".join(word for word in words if word)


def erase(
    record: Annotated[str, typer.Argument(help="crm:Contacts:ID, books:contacts:ID …")],
    reason: Reason,
    actor: Actor = None,
) -> None:
    """Erase what the ledger and its files hold of a person, by request; the hash chain stays whole. The record itself stays."""
    from renkei.engine.erase import erase as erase_record

    (ref,) = refs_of([record])
    with desk() as opened:
        found = erase_record(act_of(opened, actor), opened.settings.data, opened.project.mappings_of(opened.spec), ref, reason)
    lines = [f"Erased: {', '.join(found['records'])}", f"  {counts(found['erased'])}"]
    show(found, "\n".join([*lines, "The next run compares in full, and reads the record anew where it still is."]))


def verify() -> None:
    """Recompute every hash chain and name the first row that was touched."""
    with desk() as opened:
        found = opened.ledger.verify()
    show(
        {"rows": found.rows, "runs": found.runs, "broken": found.broken},
        found.broken or f"{found.rows} rows of {found.runs} runs are whole.",
    )
    raise typer.Exit(1 if found.broken else 0)
