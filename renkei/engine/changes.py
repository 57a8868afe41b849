"""What a changed configuration means for an entity, and which Books customers of the former one are to be removed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from renkei.core.changes import EARLIER, OUT, fields_changed, meaning, scope_of, settings_changed
from renkei.core.errors import BudgetSpent
from renkei.core.mapping import full_row, map_record
from renkei.core.planning import Draft, EntityPlan
from renkei.core.records import Action, Change, Link, Row, Verdict
from renkei.core.resolving import blank
from renkei.core.values import Ref
from renkei.engine.recall import is_complete
from renkei.engine.work import EntityWork, Rooms, World, lists_of, mappings_of

AT_ONCE = 50  # details asked for together
IN_SCOPE = frozenset({"created", "updated", "linked", "unchanged"})


def what_it_means(rooms: Rooms, work: EntityWork, plan: EntityPlan) -> tuple[str, ...]:
    """Sentences on what differs from the configuration under which the entity was compared last, and what that does."""
    former = _former(rooms, work)
    if former is None:
        return ()
    settings = settings_changed(work.entity, former, rooms.configuration)
    fields = fields_changed(mappings_of(rooms.spec, work.entity), former, rooms.configuration)
    asked = [hold for hold in rooms.ledger.open_holds(rooms.spec.name) if hold.entity == work.entity]
    return meaning(plan, settings, fields, work.mirrors, asked)


def _former(rooms: Rooms, work: EntityWork) -> Mapping[str, Any] | None:
    """The configuration of the last run that compared the entity."""
    ledger, name = rooms.ledger, rooms.spec.name
    marks = (ledger.watermark(name, side, module, work.entity) for side, module in lists_of(rooms, work.entity))
    runs = [run for mark in marks if mark is not None and mark.run for run in [ledger.run(mark.run)] if run is not None]
    if not runs:
        return None
    return ledger.configuration(max(runs, key=lambda run: run.started).configuration)


async def plan_earlier(rooms: Rooms, world: World, work: EntityWork, draft: Draft) -> None:
    """Plan to remove the Books customers that renkei made under former modules or views and that are out of scope now.

    Never one that renkei did not make, nor one whose CRM record was in scope under the present settings and left it by an edit.
    """
    links = _to_remove(rooms, work, draft) if work.entity == "customers" and work.settings.remove_earlier_configuration else []
    unread = [link.books for link in links if not is_complete(work.mirrors[link.books], True)]
    rows = await _details(rooms, work, unread)
    for link in links:
        crm, books = work.known.get(link.crm), work.known[link.books]
        pair = [known for known in (crm, books) if known is not None]
        draft.holds.pop(draft.verdicts[link.books].detail.get("hold", ""), None)
        for known in pair:
            draft.verdicts.pop(known.ref, None)
        if link.books in unread and link.books not in rows:
            for known in pair:
                draft.say(known, "blocked", "budget")
            continue
        mirror = work.mirrors[link.books]
        key = draft.act(
            Action(
                key=f"customers|remove|books|contacts|{link.books}", entity="customers", mapping=link.mapping, verb="remove",
                side="books", module="contacts", target=link.books, source=link.crm, payload={"contact_id": link.books.id},
                changes=_what_it_says(rooms, world, link, full_row(mirror.row, rows.get(link.books, mirror.detail))),
                reason=EARLIER, stamp=books.stamp, calls=1.0, rank=(2, link.books.id), link=link.id,
            )
        )  # fmt: skip
        for known in pair:
            draft.say(known, "removed", EARLIER, actions=(key,))


def _to_remove(rooms: Rooms, work: EntityWork, draft: Draft) -> list[Link]:
    until = _former_until(rooms)
    if until is None:
        return []
    found = []
    for link in sorted(work.links.values(), key=lambda one: one.id):
        if link.mapping not in ("accounts", "contacts") or link.state != "live" or link.dead or link.since > until:
            continue
        verdict = draft.verdicts.get(link.books)
        if link.books not in work.known or verdict is None or not _is_out(work, link, verdict):
            continue
        if work.mirrors[link.books].row.get("status") != "inactive" and _is_ours_to_remove(rooms, link, until):
            found.append(link)
    return found


async def _details(rooms: Rooms, work: EntityWork, customers: Sequence[Ref]) -> dict[Ref, Row]:
    """What customers say that somebody edited since they were read whole: what is removed is kept as it was. Those that the
    day's calls do not reach are left out."""
    found: dict[Ref, Row] = {}
    for start in range(0, len(customers), AT_ONCE):
        chunk = customers[start : start + AT_ONCE]
        answers = await asyncio.gather(*(rooms.books.get("contacts", ref.id) for ref in chunk), return_exceptions=True)
        for ref, answer in zip(chunk, answers, strict=True):
            if isinstance(answer, BudgetSpent):
                work.budget_ended = True
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found[ref] = answer or {}  # one that is gone says nothing more
                work.details += 1
        if work.budget_ended:
            break
    return found


def _what_it_says(rooms: Rooms, world: World, link: Link, raw: Row) -> tuple[Change, ...]:
    """The values of a customer, read under its link's mapping, which the present settings may use no longer."""
    spec = world.mappings.get(link.mapping, rooms.mappings[link.mapping])
    values = map_record(raw, spec, "books", world.lookups)
    return tuple(Change(name, "books", value, None, EARLIER) for name, value in values.items() if not blank(value))


def _is_out(work: EntityWork, link: Link, verdict: Verdict) -> bool:
    """Whether a pair is out of scope: as a whole, or as a customer where its contact is a person of an account now."""
    if (verdict.outcome, verdict.reason) == ("held", "moved_account"):
        return link.mapping == "contacts" and work.mapping_of.get(link.crm) == "persons"
    return verdict.outcome == "skipped" and verdict.reason in OUT


def _former_until(rooms: Rooms) -> datetime | None:
    """When the last run of another scope ended; None where there was no other."""
    present = scope_of(rooms.configuration)
    spans = rooms.ledger.configuration_spans(rooms.spec.name)
    former = (last for address, _, last in spans if scope_of(rooms.ledger.configuration(address) or {}) != present)
    return max(former, default=None)


def _is_ours_to_remove(rooms: Rooms, link: Link, until: datetime) -> bool:
    """As the ledger's evidence has it: a write of ours made the Books record, none has removed it since the former settings
    (a person who marks it active again wants it), and its CRM record has not been in scope since."""
    story = [row for _, row in rooms.ledger.story(rooms.spec.name, link.books) if row.kind == "write"]
    if not any(row.outcome == "created" and row.detail.get("side") == "books" for row in story):
        return False
    if any(row.outcome == "removed" and row.at > until for row in story):
        return False
    since = [row for _, row in rooms.ledger.story(rooms.spec.name, link.crm) if row.kind == "record" and row.at > until]
    return not any(row.outcome in IN_SCOPE for row in since)
