"""Match: pair what has no link yet. Decisions of people come first, then our keys, then the ids of the built-in integration,
then the rules of the mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from renkei.core.changes import EARLIER
from renkei.core.mapping import MappingSpec
from renkei.core.matching import Candidate, MatchRules
from renkei.core.matching import match as match_frames
from renkei.core.planning import COPY, Known, books_key_of
from renkei.core.records import Decision, Hold
from renkei.core.resolving import PARTNERS
from renkei.core.values import MISSING, SIDES, Ref, Side
from renkei.engine import native
from renkei.engine.recall import key_refs, load
from renkei.engine.work import EntityWork, Rooms, World

REBUILT = frozenset({"key", "import", "native"})  # evidence of links that this ledger did not see being made


@dataclass(slots=True)
class Meetings:
    """How the unlinked records of one mapping meet. Every one of them stands in exactly one of these."""

    pairs: list[tuple[Ref, Ref, str, Mapping[str, Any]]] = field(default_factory=list)  # crm, books, evidence, match
    ambiguous: list[tuple[list[Ref], list[Ref], dict[tuple[str, str], Mapping[str, Any]]]] = field(default_factory=list)
    alone: list[Ref] = field(default_factory=list)
    skipped: list[Ref] = field(default_factory=list)  # by a person's decision
    overtaken: list[str] = field(default_factory=list)  # holds decided `link REF` where REF has another partner now, or is gone
    widowed: list[tuple[Ref, Ref]] = field(default_factory=list)  # crm, books: a key of ours names a record that was deleted
    taken: dict[Ref, list[dict[str, Any]]] = field(default_factory=dict)  # alone only because a namesake took its candidate
    settled: dict[Ref, tuple[str, str]] = field(default_factory=dict)  # of the built-in integration: meets nobody, and why
    former: dict[Ref, tuple[str, str]] = field(default_factory=dict)  # its CRM record is gone: may meet others, is not created


def decisions_of(rooms: Rooms, entity: str) -> tuple[dict[tuple[str, str, str], tuple[str, str]], list[tuple[Hold, Decision]]]:
    """(record, question, field) → (choice, hold id), and the raw list."""
    found = [(hold, decision) for hold, decision in rooms.ledger.decisions(rooms.spec.name) if hold.entity == entity]
    return {(str(hold.record), hold.question, hold.field or ""): (decision.choice, hold.id) for hold, decision in found}, found


def match(rooms: Rooms, world: World, work: EntityWork, mapping: str, parents: Mapping[str, str] | None = None) -> Meetings:
    """Meet the unlinked records of one mapping.

    parents   for persons: Books customer id → CRM account id, so that only persons of one customer can meet
    """
    spec = world.mappings[mapping]
    meetings = Meetings()
    strays = _strays(work, mapping)
    _decided(rooms, world, work, meetings, strays)
    _take_aside(rooms, work, meetings, strays)
    _by_our_keys(rooms, work, meetings, strays)
    native.meet(rooms, world, work, meetings, strays, mapping)
    left = {ref: known for ref, known in strays.items() if ref.side == "crm"}
    right = {ref: known for ref, known in strays.items() if ref.side == "books"}
    if parents is not None:
        right = {ref: known for ref, known in right.items() if str(known.raw.get("contact_id")) in parents}
    if left and right:
        result = match_frames(_frame(left, spec, None), _frame(right, spec, parents), _rules(spec))
        for pair in result.paired:
            crm, books = Ref("crm", spec.crm_module, pair.left), Ref("books", spec.books_module, pair.right)
            detail = {"rule": pair.rule, "score": round(pair.score, 4), "parts": dict(pair.parts)}
            meetings.pairs.append((crm, books, "policy", detail))
            strays.pop(crm)
            strays.pop(books)
        for losers, side, module in (
            (result.rejected_left, "crm", spec.crm_module), (result.rejected_right, "books", spec.books_module),
        ):  # fmt: skip
            for row_id, found in losers.items():
                told = [_loser(one, side, spec) for one in found if one.reason == "taken"]
                if told:
                    meetings.taken[Ref("crm" if side == "crm" else "books", module, row_id)] = told
        for group in result.ambiguous:
            lefts = [Ref("crm", spec.crm_module, one) for one in group.left]
            rights = [Ref("books", spec.books_module, one) for one in group.right]
            scores: dict[tuple[str, str], Mapping[str, Any]] = {
                (one.left, one.right): {"rule": one.rule, "score": round(one.score, 4), "parts": dict(one.parts)}
                for one in group.candidates
            }
            meetings.ambiguous.append((lefts, rights, scores))
            for ref in (*lefts, *rights):
                strays.pop(ref, None)
    _shadowed(work, spec, parents, strays, meetings)
    meetings.alone = sorted([*meetings.alone, *strays])
    return meetings


def _shadowed(
    work: EntityWork, spec: MappingSpec, parents: Mapping[str, str] | None, strays: Mapping[Ref, Known], meetings: Meetings
) -> None:
    """Records that look like one whose link was rebuilt, or came back from aside: what a policy or a person once said about
    them is lost with the ledger, or was closed, so they are asked about, never created."""
    rebuilt = {ref for ref, link in work.linked.items() if link.evidence in REBUILT or work.rebuilt}
    rebuilt |= {ref for crm, books, evidence, _ in meetings.pairs if evidence in REBUILT for ref in (crm, books)}
    there = {ref: work.known[ref] for ref in rebuilt if ref in work.known and work.mapping_of.get(ref) == spec.name}
    for side in SIDES:
        mine = {ref: known for ref, known in strays.items() if ref.side == side and ref not in work.asides}
        theirs = {ref: known for ref, known in sorted(there.items()) if ref.side != side and not known.deleted}
        if not mine or not theirs:
            continue
        left, right = (mine, theirs) if side == "crm" else (theirs, mine)
        found = match_frames(_frame(left, spec, None), _frame(right, spec, parents), _rules(spec))
        losers = found.rejected_left if side == "crm" else found.rejected_right
        met = [*found.paired, *(one for group in found.ambiguous for one in group.candidates)]
        met += [one for listed in losers.values() for one in listed if one.reason == "taken"]  # several beside one link
        for one in met:
            ref = Ref("crm", spec.crm_module, one.left) if side == "crm" else Ref("books", spec.books_module, one.right)
            meetings.taken.setdefault(ref, []).append({**_loser(one, side, spec), "reason": "linked"})


def _loser(one: Candidate, side: str, spec: MappingSpec) -> dict[str, Any]:
    partner = Ref("books", spec.books_module, one.right) if side == "crm" else Ref("crm", spec.crm_module, one.left)
    return {"record": str(partner), "rule": one.rule, "score": round(one.score, 4), "parts": dict(one.parts), "reason": "taken"}


def _rules(spec: MappingSpec) -> MatchRules:
    """Persons meet within one customer only: every key of theirs begins with it."""
    if spec.name != "persons":
        return spec.match
    return replace(spec.match, keys=tuple(replace(rule, fields=(("parent", "text"), *rule.fields)) for rule in spec.match.keys))


def _strays(work: EntityWork, mapping: str) -> dict[Ref, Known]:
    """Unlinked, not deleted records of a mapping; quarantined ones included, with what can be read of them."""
    return {
        ref: known
        for ref, known in sorted(work.known.items())
        if work.mapping_of.get(ref) == mapping and ref not in work.linked and not known.deleted
    }


def _decided(rooms: Rooms, world: World, work: EntityWork, meetings: Meetings, strays: dict[Ref, Known]) -> None:
    """`link REF`, `create` and `skip` as people decided them. `skip` leaves the candidates that nobody else asks about, too:
    made on the other side, they would be the very double that the person did not want."""
    _, found = decisions_of(rooms, work.entity)
    asked_about: Counter[str] = Counter(
        item["record"]
        for hold in (*rooms.ledger.open_holds(rooms.spec.name), *(one for one, _ in found))
        for item in hold.candidates
    )
    keyed = {target for ref, known in strays.items() for target in key_refs(rooms, known, work.entity)}
    for hold, decision in found:
        if hold.question not in PARTNERS or hold.record not in strays:
            continue
        if decision.choice == "create" and hold.record in keyed:  # a run that died had created it: they meet by the key
            meetings.overtaken.append(hold.id)
        elif decision.choice == "create":
            meetings.alone.append(hold.record)
            strays.pop(hold.record)
        elif decision.choice == "skip":
            passed_over = [Ref.parse(item["record"]) for item in hold.candidates if asked_about[item["record"]] == 1]
            for ref in (hold.record, *(one for one in passed_over if one in strays)):
                meetings.skipped.append(ref)
                strays.pop(ref)
        elif decision.choice.startswith("link "):
            target = Ref.parse(decision.choice.removeprefix("link ").strip())
            if target not in work.known:
                load(rooms, world, work, [target], extracted=False)
                if target in work.known and target not in work.linked:
                    strays[target] = work.known[target]
            if target not in strays:
                meetings.overtaken.append(hold.id)
                continue
            crm, books = (hold.record, target) if hold.record.side == "crm" else (target, hold.record)
            meetings.pairs.append((crm, books, "decision", {"rule": "decision", "by": decision.actor, "why": decision.reason}))
            strays.pop(crm)
            strays.pop(books)


def _take_aside(rooms: Rooms, work: EntityWork, meetings: Meetings, strays: dict[Ref, Known]) -> None:
    """Note what is set aside, by earlier runs or by this plan so far; what waits there for a person meets nobody. A
    conflict's copy says so itself, by its key."""
    by_list: dict[tuple[Side, str], list[str]] = {}
    for ref in (*strays, *meetings.alone, *(one for pair in meetings.pairs for one in pair[:2])):
        by_list.setdefault((ref.side, ref.module), []).append(ref.id)
    for (side, module), ids in by_list.items():
        for row_id, why in rooms.ledger.asides(rooms.spec.name, side, module, ids).items():
            ref = Ref(side, module, row_id)
            work.asides[ref] = why
    for ref, known in strays.items():
        if ref.side == "books" and str(books_key_of(known.raw, rooms.spec.books_key) or "").startswith(COPY):
            work.asides.setdefault(ref, ("conflicts_clone", ""))
    for ref in [ref for ref in strays if work.asides.get(ref, ("", "may meet"))[1] == ""]:
        strays.pop(ref)
        meetings.alone.append(ref)


def _by_our_keys(rooms: Rooms, work: EntityWork, meetings: Meetings, strays: dict[Ref, Known]) -> None:
    """A key on either side whose other record is there and unlinked is a link; several claims on one record are none. One
    whose other record was deleted since is a link too: what a person deleted is not made anew from its partner."""
    claims: dict[tuple[Ref, Ref], int] = {}
    for ref, known in strays.items():
        for target in key_refs(rooms, known, work.entity):
            if target in strays:
                pair = (ref, target) if ref.side == "crm" else (target, ref)
                claims[pair] = claims.get(pair, 0) + 1
            elif target in work.known and work.mirrors[target].reason in (EARLIER, "delete"):
                continue  # renkei removed it, by settings that hold no longer or by the deletes policy: a former key
            elif target in work.known and work.known[target].deleted and target not in work.linked:
                meetings.widowed.append((ref, target) if ref.side == "crm" else (target, ref))
    named = Counter(ref for pair in meetings.widowed for ref in pair)
    meetings.widowed = sorted(pair for pair in meetings.widowed if named[pair[0]] == named[pair[1]] == 1)
    for pair in meetings.widowed:
        for ref in pair:
            strays.pop(ref, None)
    taken: dict[Ref, int] = {}
    for crm, books in claims:
        taken[crm] = taken.get(crm, 0) + 1
        taken[books] = taken.get(books, 0) + 1
    met = _met_before(rooms, work) if claims else {}
    for crm, books in sorted(claims):
        if taken[crm] == 1 and taken[books] == 1:
            meetings.pairs.append((crm, books, met.get((crm, books), "key"), {"rule": "our key"}))
            strays.pop(crm)
            strays.pop(books)


def _met_before(rooms: Rooms, work: EntityWork) -> dict[tuple[Ref, Ref], str]:
    """Pairs whose key a run was writing when its answer was lost → why it linked them: they meet as they met then."""
    links = [intent.action for intent in rooms.ledger.abandoned_intents(rooms.spec.name, "link")]
    merged = work.settings.duplicates in ("overwrite", "link")
    return {
        (one.target, one.source): one.reason
        for one in links
        if one.target is not None and one.source is not None
        and (one.reason == "decision" or (one.reason == "policy" and (merged or one.mapping == "persons")))
    }  # fmt: skip


def _frame(members: Mapping[Ref, Known], spec: MappingSpec, parents: Mapping[str, str] | None) -> pd.DataFrame:
    """A frame for matching: ids, canonical fields, and for persons `parent`, in the CRM's account ids on both sides."""
    rows = list(members.values())
    columns: dict[str, Any] = {"id": pd.Series([one.ref.id for one in rows], dtype="string")}
    for item in spec.fields:
        columns[item.name] = pd.Series([one.values.get(item.name, MISSING) for one in rows], dtype=object)
    if spec.name == "persons":
        columns["parent"] = pd.Series([_parent(one, parents) for one in rows], dtype=object)
    return pd.DataFrame(columns)


def _parent(known: Known, parents: Mapping[str, str] | None) -> str | None:
    if known.ref.side == "books":
        return (parents or {}).get(str(known.raw.get("contact_id")))
    holder = known.raw.get("Account_Name")
    return str(holder["id"]) if isinstance(holder, dict) and holder.get("id") else None
