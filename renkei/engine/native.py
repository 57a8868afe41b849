"""Pairs of the built-in integration before anything is matched: which are not read yet, who names whom, whom to ask about."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from renkei.core.errors import BudgetSpent
from renkei.core.mapping import MappingSpec, map_record
from renkei.core.native import names_anything, paired_with, shows_pair
from renkei.core.planning import Known
from renkei.core.values import Ref
from renkei.engine.recall import load
from renkei.engine.work import EntityWork, Request, Rooms, World

if TYPE_CHECKING:
    from renkei.engine.match import Meetings

ASKED_AT_ONCE = 50


def unread(work: EntityWork) -> list[Ref]:
    """Unlinked Books customers of a mapping in use that show a pair and whose detail, which names it, was not read since;
    newest first."""
    found = [known for ref, known in work.known.items() if _is_unread(work, ref, known)]
    return [one.ref for one in sorted(found, key=lambda one: (one.stamp is not None, one.stamp), reverse=True)]


def _is_unread(work: EntityWork, ref: Ref, known: Known) -> bool:
    if ref.side != "books" or ref.module != "contacts" or ref in work.linked or known.deleted:
        return False
    if not shows_pair(known.raw) or names_anything(known.raw) or work.mapping_of[ref].startswith("!"):
        return False
    detail = work.mirrors[ref].detail
    return detail is None or not shows_pair(detail)


def meet(rooms: Rooms, world: World, work: EntityWork, meetings: Meetings, strays: dict[Ref, Known], mapping: str) -> None:
    """Link what the built-in integration linked. Several Books records that name one CRM record are a question."""
    spec = world.mappings[mapping]
    for ref in strays:  # so they were found before; the ids may have gone since then
        why, _ = work.asides.get(ref, ("", ""))
        if why.startswith("native_"):
            meetings.former[ref] = ("skipped", why)
    claims: dict[Ref, list[Ref]] = {}
    for ref, known in list(strays.items()):
        if ref.side != "books" or not shows_pair(known.raw):
            continue
        named = paired_with(known.raw, spec.crm_module)
        if named is not None:
            claims.setdefault(named, []).append(ref)
        elif _is_unread(work, ref, known):
            meetings.settled[ref] = ("blocked", "native_pair_unread")
            strays.pop(ref)
        else:
            meetings.former[ref] = ("skipped", "native_id_missing")
    load(rooms, world, work, [named for named in claims if named not in work.known], extracted=False)
    for named, refs in sorted(claims.items()):
        crm = work.known.get(named)
        if crm is None and not _was_read(rooms, work, named):
            for ref in refs:
                meetings.settled[ref] = ("blocked", "native_pair_unread")
                strays.pop(ref)
        elif crm is None or crm.deleted:
            meetings.former |= dict.fromkeys(refs, ("skipped", "native_partner_deleted"))
        elif named in work.linked or not _takes(world, work, strays, spec, crm):
            for ref in refs:
                meetings.settled[ref] = ("skipped", "native_partner_taken")
                strays.pop(ref)
        elif len(refs) > 1:
            meetings.ambiguous.append(([named], sorted(refs), {(named.id, ref.id): {"rule": "native"} for ref in refs}))
            for ref in (named, *refs):
                strays.pop(ref)
        else:
            meetings.pairs.append((named, refs[0], "native", {"rule": "native"}))
            strays.pop(named)
            strays.pop(refs[0])


def _was_read(rooms: Rooms, work: EntityWork, ref: Ref) -> bool:
    """Whether its list has been read to its end: only then an id that is not there names nothing."""
    if any((item.side, item.module) == (ref.side, ref.module) and item.complete for item in work.lists):
        return True
    mark = rooms.ledger.watermark(rooms.spec.name, ref.side, ref.module, work.entity)
    return mark is not None and mark.full_at is not None


def _takes(world: World, work: EntityWork, strays: dict[Ref, Known], spec: MappingSpec, crm: Known) -> bool:
    """Whether the CRM record is free. One that came under an account since then is met as what it was when it was paired."""
    if crm.ref in strays:
        return True
    if work.mapping_of[crm.ref] == spec.name:
        return False
    work.mapping_of[crm.ref] = spec.name
    crm.values = map_record(crm.raw, spec, "crm", world.lookups)
    strays[crm.ref] = crm
    return True


async def ask(rooms: Rooms, request: Request, world: World, work: EntityWork, names: Sequence[str]) -> list[Ref]:
    """While any pair is unread, a CRM record that is about to get a Books customer may have one already: ask for its id.

    One call a record, the documented filter of the list. Its answer has no id in it, but an empty one proves that the filter
    works, as there are paired customers; one row is returned, to be read; several, or no call left, block the record.
    """
    if not _any_unread(rooms, request, work):
        return []
    asked = [ref for name in names if world.mappings[name].books_module == "contacts" for ref in _newcomers(work, name)]
    found: list[Ref] = []
    for start in range(0, len(asked), ASKED_AT_ONCE):
        chunk = asked[start : start + ASKED_AT_ONCE]
        answers = await asyncio.gather(*(rooms.books.paired_customers(ref) for ref in chunk), return_exceptions=True)
        for ref, answer in zip(chunk, answers, strict=True):
            if isinstance(answer, BudgetSpent):
                work.budget_ended = True
                work.known[ref].blocked = "budget"
            elif isinstance(answer, BaseException):
                raise answer
            elif answer:
                work.known[ref].blocked = "native_pair_unread"
                found += [Ref("books", "contacts", answer[0])] if len(answer) == 1 else []
    load(rooms, world, work, [ref for ref in found if ref not in work.known], extracted=False)
    return [ref for ref in found if ref in work.known]


def unblock(work: EntityWork, found: Sequence[Ref]) -> None:
    """Let those meet whose customer was read after all."""
    for ref in found:
        for module in ("Accounts", "Contacts"):
            crm = work.known.get(paired_with(work.known[ref].raw, module) or ref)
            if crm is not None and crm.blocked == "native_pair_unread":
                crm.blocked = ""


def _any_unread(rooms: Rooms, request: Request, work: EntityWork) -> bool:
    """A batch knows every open row; a single-record run asks the ledger whether one may be unread."""
    if work.entity != "customers":
        return False
    if not request.only or unread(work):
        return bool(unread(work))
    return any(
        (side, module) == ("books", "contacts") and (outcome == "" or reason == "native_pair_unread")
        for side, module, outcome, reason, _ in rooms.ledger.open_counts(rooms.spec.name)
    )


def _newcomers(work: EntityWork, mapping: str) -> list[Ref]:
    """CRM records without a partner that this run would create or match in Books."""
    meetings: Meetings = work.meetings[mapping]
    refs = [*meetings.alone, *(crm for crm, _, evidence, _ in meetings.pairs if evidence == "policy")]
    return [
        ref
        for ref in refs
        if ref.side == "crm"
        and work.known[ref].extracted
        and work.known[ref].in_view
        and not work.known[ref].blocked
        and ref not in work.quarantine
        and work.asides.get(ref, ("", "something"))[1] != ""
    ]
