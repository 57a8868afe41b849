"""Quarantine: rows that our own checks stopped, and rows that the other system refused. Look at them, try them again, or discard
them.

Such a row is open: every run looks at it again, and it leaves by itself once it is right. `discard` closes it as
`skipped: discarded`, with the other half of its link where that waits for it; it comes back when the record or the rules
change, or by `replay`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from renkei.core.commands import command
from renkei.core.connection import ConnectionSpec
from renkei.core.errors import AskedWrongly
from renkei.core.mapping import MappingSpec, full_row, get_path
from renkei.core.ports import Ledger, Settled
from renkei.core.records import Mirror, OutcomeRow
from renkei.core.values import MISSING, Ref, plain, time_text
from renkei.engine.acts import Act, reasoned
from renkei.engine.work import mapping_for

DISCARDED = ("skipped", "discarded")
WAITING = ("quarantined", "refused")


def rows(ledger: Ledger, connection: str, rule: str | None = None) -> list[dict[str, Any]]:
    """What is quarantined, one row a broken rule, then what is refused; by `rule` where it is named.

    The rule of a refused row is the other system's code, or `stale` where the record changed while the run was at work.
    """
    found = [
        {
            "record": str(row.record), "entity": row.entity, "state": "quarantined", "rule": row.rule, "field": row.field,
            "words": row.words, "value": row.value, "fix": _fix(row.record, row.rule), "since": time_text(at), "run": run,
        }
        for row, run, at in ledger.quarantine(connection)
    ]  # fmt: skip
    found += [_refused(ledger, connection, ref, reason) for ref, reason in ledger.open_refs(connection, "refused")]
    return [one for one in found if rule in (None, one["rule"])]


def groups(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one state, rule and field together: how many, since when at the earliest, and the fix; the largest first."""
    grouped: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for one in found:
        grouped.setdefault((one["state"], one["rule"], one["field"]), []).append(one)
    told = [
        {"state": state, "rule": rule, "field": field, "count": len(same), "words": same[0]["words"],
         "since": min(one["since"] for one in same), "fix": same[0]["fix"]}
        for (state, rule, field), same in grouped.items()
    ]  # fmt: skip
    return sorted(told, key=lambda one: (-one["count"], one["state"], one["rule"], one["field"]))


def inspect(ledger: Ledger, spec: ConnectionSpec, mappings: Mapping[str, MappingSpec], ref: Ref) -> dict[str, Any]:
    """One record that waits, or was discarded: the rules that it breaks, its row as the mapping reads it, who waits for it.

    state      quarantined, refused or discarded
    broken     as `rows`; of a discarded record, what it broke when it was discarded
    row        {"field", "path", "value"} of every mapped field, raw as its side showed it last; {"field", "path"} of its mapping
    seen       when its side changed it last, as it told
    tried      runs that met it since it waits, and when the last one did
    discarded  by whom, when and why, or null
    waiting    records that are blocked because of it
    raises     AskedWrongly for one that neither waits nor was discarded
    """
    name = spec.name
    broken = [one for one in rows(ledger, name) if one["record"] == str(ref)]
    story = [row for _, row in ledger.story(name, ref)]
    mirror = _mirrors(ledger, name, [ref]).get(ref)
    discard = next((row for row in reversed(story) if (row.kind, row.outcome) == ("note", "discarded")), None)
    if broken or mirror is None or (mirror.outcome, mirror.reason) != DISCARDED:
        discard = None
    if not broken and discard is None:
        _refuse_others(name, [ref], set(), "neither quarantined nor refused nor discarded")
    since = min((one["since"] for one in broken if one["since"]), default="")
    tries = [row.at for row in story if row.kind == "record" and row.outcome in WAITING and time_text(row.at) >= since]
    told = discard and {"by": discard.actor, "at": time_text(discard.at), "reason": discard.reason}
    return {
        "record": str(ref),
        "state": "discarded" if discard else broken[0]["state"],
        "broken": list(discard.detail.get("rules", [])) if discard else broken,
        "row": _as_mapped(spec, mappings, mirror),
        "seen": time_text(mirror.stamp) if mirror is not None and mirror.stamp is not None else None,
        "tried": {"runs": len(tries), "last": time_text(tries[-1]) if tries else None},
        "discarded": told,
        "waiting": sorted(map(str, _waiting_partners(ledger, name, [ref]))),
    }


def _as_mapped(spec: ConnectionSpec, mappings: Mapping[str, MappingSpec], mirror: Mirror | None) -> list[dict[str, Any]]:
    if mirror is None:
        return []
    mapping = mappings.get(mapping_for(spec, mirror.ref, mirror.row)[0])
    if mapping is None:
        return []
    side = mirror.ref.side
    row = full_row(mirror.row, mirror.detail) if side == "books" else mirror.row
    paths = [(item.name, item.path(side)) for item in mapping.fields]
    values = [(name, path, get_path(row, path)) for name, path in paths if path]
    return [
        {"field": name, "path": path, "mapping": mapping.name, "value": None if value is MISSING else plain(value)}
        for name, path, value in values
    ]


def replay(act: Act, refs: Sequence[Ref], rule: str | None) -> dict[str, Any]:
    """Open rows, so that the next run checks or writes them again: these records, those of a rule, or (neither) all.

    A record that was discarded can be named too. AskedWrongly for one that is nothing of all this, and for an unknown rule.
    """
    ledger, name = act.ledger, act.connection
    with ledger.transaction():
        waiting = {Ref.parse(one["record"]) for one in rows(ledger, name, rule)}
        if rule is not None and not waiting:
            known = ", ".join(sorted({one["rule"] for one in rows(ledger, name)})) or "none"
            raise AskedWrongly(f"No row waits because of {rule!r}.", fix=f"Rules: {known}.")
        if refs:
            mirrors = _mirrors(ledger, name, refs)
            discarded = {ref for ref, mirror in mirrors.items() if (mirror.outcome, mirror.reason) == DISCARDED}
            _refuse_others(name, refs, waiting | discarded, "neither quarantined nor refused nor discarded")
            waiting = set(refs)
        chosen = sorted(waiting)
        with act.run("replay", {"replayed": len(chosen)}) as (run, now):
            for side, module in sorted({(ref.side, ref.module) for ref in chosen}):
                same = [ref for ref in chosen if (ref.side, ref.module) == (side, module)]
                ledger.open_mirrors(name, same, side=side, module=module)
            why = "the next run tries it again"
            ledger.append(name, run, [OutcomeRow("note", "", (ref,), "replayed", why, now, act.actor) for ref in chosen])
    return {"run": run, "replayed": [str(ref) for ref in chosen]}


def discard(act: Act, refs: Sequence[Ref], reason: str) -> dict[str, Any]:
    """Close quarantined or refused records as `skipped: discarded`. Nothing is written to either system.

    raises  AskedWrongly for a record that is neither, AnotherRun while a batch is at work
    """
    why, ledger, name = reasoned(reason), act.ledger, act.connection
    with ledger.transaction():
        found = [one for one in rows(ledger, name) if one["record"] in {str(ref) for ref in refs}]
        entity_of = {Ref.parse(one["record"]): str(one["entity"]) for one in found}
        _refuse_others(name, refs, set(entity_of), "neither quarantined nor refused")
        totals: dict[str, Any] = {}
        with act.run("discard", totals, alone=True) as (run, now):
            entity_of = {**_waiting_partners(ledger, name, refs), **entity_of}
            mirrors = _mirrors(ledger, name, entity_of)
            chosen = sorted(mirrors)
            ledger.settle(name, [Settled(ref, mirrors[ref].hash, *DISCARDED) for ref in chosen])
            ledger.leave_quarantine(name, chosen, f"discarded by {act.actor}", run, now)
            ledger.append(
                name,
                run,
                [
                    OutcomeRow(
                        "note",
                        entity_of[ref],
                        (ref,),
                        "discarded",
                        why,
                        now,
                        act.actor,
                        {"rules": [plain(one) for one in found if one["record"] == str(ref)]},
                    )
                    for ref in chosen
                ],
            )
            totals["discarded"] = len(chosen)
    return {"run": run, "discarded": [str(ref) for ref in chosen]}


def _refused(ledger: Ledger, connection: str, ref: Ref, reason: str) -> dict[str, Any]:
    """A refused row in the words of the last answer, since the first run of the row of runs that were all refused."""
    code, _, words = reason.partition(": ")
    field, entity, run, since = "", "", "", ""
    for told_in, row in ledger.story(connection, ref):
        if row.kind == "record":
            refused = row.outcome == "refused"
            entity, run, since = (row.entity, run or told_in, since or time_text(row.at)) if refused else ("", "", "")
        elif row.kind == "write" and row.outcome == "refused":
            field = str((row.detail.get("answer") or {}).get("field") or "")
    return {
        "record": str(ref), "entity": entity, "state": "refused", "rule": code, "field": field,
        "words": words or _WORDS.get(code, code), "value": "", "fix": _fix(ref, code), "since": since, "run": run,
    }  # fmt: skip


_WORDS = {"stale": "The record changed while the run was at work."}


def _fix(ref: Ref, rule: str) -> str:
    side = "the CRM" if ref.side == "crm" else "Books"
    if rule == "stale":
        return "Nothing to do: the next run plans it anew."
    if rule.startswith("expect_"):
        return f"Correct it in {side}, or the rule in expectations/."
    if rule == "target_limit":
        return f"Shorten it in {side}."
    return f"Correct it in {side}, or its mapping."


def _waiting_partners(ledger: Ledger, connection: str, refs: Iterable[Ref]) -> dict[Ref, str]:
    """The other halves of these records' links that are open because of them, with their entity."""
    links = [link for ref in refs if (link := ledger.link_of(connection, ref)) is not None]
    halves = {half: link.entity for link in links for half in (link.crm, link.books) if half not in refs}
    mirrors = _mirrors(ledger, connection, halves)
    because = ("blocked", "partner_quarantined")
    waiting = {
        ref for ref, one in mirrors.items() if one.open and (one.outcome == "refused" or (one.outcome, one.reason) == because)
    }
    return {ref: halves[ref] for ref in waiting}


def _mirrors(ledger: Ledger, connection: str, refs: Iterable[Ref]) -> dict[Ref, Mirror]:
    wanted = set(refs)
    found: dict[Ref, Mirror] = {}
    for side, module in {(ref.side, ref.module) for ref in wanted}:
        ids = [ref.id for ref in wanted if (ref.side, ref.module) == (side, module)]
        found |= {mirror.ref: mirror for mirror in ledger.mirrors(connection, side, module, ids).values()}
    return found


def _refuse_others(connection: str, refs: Iterable[Ref], allowed: set[Ref], why: str) -> None:
    wrong = [str(ref) for ref in dict.fromkeys(refs) if ref not in allowed]
    if wrong:
        raise AskedWrongly(f"{', '.join(wrong)}: {why}.", fix=f"The rows that wait: {command(connection, 'quarantine list')}")
