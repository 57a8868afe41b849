"""A run and a plan in words, from the JSON that commands print: the same lines for commands, flows and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

from renkei.core.commands import command

SYSTEMS = {"crm": "the CRM", "books": "Books"}
TIED = ("books", "published", "not_published")


def run_lines(report: Mapping[str, Any]) -> list[str]:
    """A run: status, counts an entity, calls, what stopped it and the command that releases it, what else there is to say."""
    lines = [f"{report['status']}: run {report['run']}, {report['seconds']:.1f} s"]
    for entity, part in report["entities"].items():
        lines += meaning_lines(entity, part)
        words = ", ".join(f"{count} {word}" for word, count in part["outcomes"].items() if count)
        seen = part["extracted"]
        lines.append(f"  {entity}: {seen['crm']} CRM and {seen['books']} Books rows: {words or 'nothing'}")
        if "writes" in part:
            lines.append(f"    written: {part['writes']['crm']} in the CRM, {part['writes']['books']} in Books")
        lines += tie_out_lines(part.get("tie_out"))
    calls = report["calls"]
    fewest = calls["fewest"]
    lines.append(f"  calls: CRM {calls['crm']} (fewest {fewest['crm']}), Books {calls['books']} (fewest {fewest['books']})")
    lines += brake_lines(report)
    lines += [f"  note: {note}" for note in report["notes"]]
    if report["status"] == "red":
        lines.append(f"  What failed: {command(report['connection'], 'runs show ' + report['run'])}")
    return lines


def meaning_lines(entity: str, part: Mapping[str, Any]) -> list[str]:
    """What a changed configuration means for an entity."""
    told = part.get("meaning") or []
    return [f"What changed for {entity}:", *(f"  {line}" for line in told)] if told else []


def tie_out_lines(tied: Mapping[str, Any] | None) -> list[str]:
    """What Books has, what of it the CRM shows, and what it does not show, by reason: of documents by kind and currency, of what
    is owed by currency."""
    if tied is None:
        return []
    lines = _document_lines(tied) if "kinds" in tied else _owed_lines(tied)
    return lines + [f"    UNEXPLAINED {line}" for line in tied["unexplained"]]


def _document_lines(tied: Mapping[str, Any]) -> list[str]:
    lines = []
    for kind, currencies in tied["kinds"].items():
        for currency, sums in currencies.items():
            books, shown, left = (
                f"{sums[name]['count']} {words} ({sums[name]['total']})"
                for name, words in zip(TIED, ("in Books", "published", "not published"), strict=True)
            )
            of = "" if tied["documents"] is None else " of the documents looked at"
            lines.append(f"    {kind} {currency}: {books}{of} = {shown} + {left}")
    reasons: dict[str, int] = {}
    for row in tied["not_published"]:
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + row["count"]
    return lines + [f"      not published, {reason}: {count} documents" for reason, count in sorted(reasons.items())]


def _owed_lines(tied: Mapping[str, Any]) -> list[str]:
    lines = []
    for currency, sums in tied["currencies"].items():
        owed = {name: sums[name]["balance"] for name in TIED}
        parts = f"{owed['published']} published + {owed['not_published']} not published"
        of = "" if tied["customers"] is None else f" by the {tied['customers']} customers looked at"
        lines.append(f"    {currency}: {owed['books']} owed in Books{of} = {parts}")
    reasons: dict[str, int] = {}
    for row in tied["not_published"]:
        reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
    return lines + [f"      not published, {reason}: {count} customers" for reason, count in sorted(reasons.items())]


def brake_lines(report: Mapping[str, Any]) -> list[str]:
    """Each brake with its count, limit and samples, and the command that releases them all."""
    lines = []
    for brake in report["brakes"]:
        lines.append(f"  Brake {brake['brake']!r} on {brake['entity']}: {brake['count']} where {brake['limit']}.")
        lines += [f"    for example {sample}" for sample in brake["samples"][:3]]
    if lines:
        lines.append("  Nothing was written.")
        lines.append(f"  If this is intended: {release_command(report)}")
    if lines and report.get("not_by"):
        lines.append(f"  That is for another person than {' and '.join(report['not_by'])}, who made the plan (four_eyes).")
    return lines


def release_command(report: Mapping[str, Any]) -> str:
    """The command that applies the stored plan and releases its brakes."""
    words = release_words(report["plan"], {brake["brake"] for brake in report["brakes"]})
    return command(report["connection"], words, report.get("environment"))


def release_words(file: object, brakes: Iterable[str]) -> str:
    """What follows `renkei`: apply this plan and release these brakes."""
    return " ".join(["apply", str(file), *(f"--release {name}" for name in sorted(brakes)), "--as NAME"])


def plan_summary(report: Mapping[str, Any]) -> list[str]:
    """A plan in a few lines: rows, what would be written by kind, questions, how to read all of it and how to apply it."""
    lines = [line for entity, part in report["entities"].items() for line in meaning_lines(entity, part)]
    for entity, part in report["entities"].items():
        lines.append(_seen_line(entity, part))
        kinds = Counter((one["verb"], SYSTEMS[one["side"]]) for one in part["actions"])
        words = [f"{verb} {count} in {system}" for (verb, system), count in sorted(kinds.items())]
        words += [f"{len(part['holds'])} questions"] if part["holds"] else []
        lines.append(f"  {', '.join(words) or 'nothing to write'}")
    lines.append("Every action and question: " + command(report["connection"], f"plan show {report['plan']}"))
    return lines + (brake_lines(report) or [apply_line(report)])


def _seen_line(entity: str, part: Mapping[str, Any]) -> str:
    seen = part["extracted"]
    words = ", ".join(f"{count} {word}" for word, count in part["outcomes"].items() if count)
    return f"{entity}: {seen['crm']} CRM and {seen['books']} Books rows: {words or 'nothing'}"


def apply_line(report: Mapping[str, Any]) -> str:
    typed = command(report["connection"], f"apply {report['plan']}", report.get("environment"))
    return f"Apply exactly this: {typed}"


def plan_lines(report: Mapping[str, Any]) -> list[str]:
    """A plan: every action field by field with its reason, every question, the calls to expect, how to apply it."""
    lines = [line for entity, part in report["entities"].items() for line in meaning_lines(entity, part)]
    for entity, part in report["entities"].items():
        lines.append(_seen_line(entity, part))
        lines += left_lines(part)
        for action in part["actions"]:
            served = " ".join(word for word in (action["source"], action.get("label")) if word)
            lines.append(f"  {action['verb']} {action['target'] or _new(action)} for {served}: {action['reason']}")
            lines += _change_lines(action["changes"])
        for hold in part["holds"]:
            asked = " ".join(word for word in (hold["record"], hold["field"], hold["label"]) if word)
            lines.append(f"  question {hold['id']} {hold['question']}: {asked} ({', '.join(hold['choices'])})")
        lines.append(f"  expected calls of its writes: {ceil(part['expected_calls'])}")
    lines.append(f"fingerprint {report['fingerprint']}")
    if report["brakes"]:
        return lines + brake_lines(report)
    return [*lines, apply_line(report)]


def left_lines(part: Mapping[str, Any]) -> list[str]:
    """What an undo leaves as it is, with what stands there now."""
    lines = []
    for one in part.get("left", ()):
        called = " ".join(word for word in (one["record"], one["label"]) if word)
        if one["field"] is None:
            lines.append(f"  left as it is: {called} ({one['reason']})")
        else:
            values = f"{one['field']} says {one['before']!r}, would go back to {one['after']!r}"
            lines.append(f"  left as it is: {called}: {values} ({one['reason']})")
    return lines


def _new(action: Mapping[str, Any]) -> str:
    return f"{action['side']}:{action['module']}"


def _change_lines(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"      {one['field']}: {one['before']!r} → {one['after']!r} ({one['reason']})" for one in changes]
