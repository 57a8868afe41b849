"""What a changed configuration means for an entity, and which Books customers of the former one are to be removed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from renkei.core.changes import EARLIER, OUT, fields_changed, meaning, scope_of, settings_changed
from renkei.core.planning import Draft, EntityPlan
from renkei.core.records import Action, Change, Link
from renkei.core.values import MISSING
from renkei.engine.work import EntityWork, Rooms, lists_of, mappings_of


def what_it_means(rooms: Rooms, work: EntityWork, plan: EntityPlan) -> tuple[str, ...]:
    """Sentences on what differs from the configuration under which the entity was compared last, and what that does."""
    former = _former(rooms, work)
    if former is None:
        return ()
    settings = settings_changed(work.entity, former, rooms.configuration)
    fields = fields_changed(mappings_of(rooms.spec, work.entity), former, rooms.configuration)
    return meaning(plan, settings, fields, work.mirrors)


def _former(rooms: Rooms, work: EntityWork) -> Mapping[str, Any] | None:
    """The configuration of the last run that compared the entity."""
    ledger, name = rooms.ledger, rooms.spec.name
    marks = (ledger.watermark(name, side, module, work.entity) for side, module in lists_of(rooms, work.entity))
    runs = [run for mark in marks if mark is not None and mark.run for run in [ledger.run(mark.run)] if run is not None]
    if not runs:
        return None
    return ledger.configuration(max(runs, key=lambda run: run.started).configuration)


def plan_earlier(rooms: Rooms, work: EntityWork, draft: Draft, run: str) -> None:
    """Plan to remove the Books customers that renkei made under former modules or views and that are out of scope now.

    Never one that renkei did not make, nor one that left the view by an edit of its own since the present settings hold.
    """
    if work.entity != "customers" or not work.settings.remove_earlier_configuration:
        return
    turn = _turn(rooms, run)
    if turn is None:
        return
    until, since = turn
    for link in sorted(work.links.values(), key=lambda one: one.id):
        if link.mapping not in ("accounts", "contacts") or link.state != "live" or link.dead or link.since > until:
            continue
        crm, books, verdict = work.known.get(link.crm), work.known.get(link.books), draft.verdicts.get(link.books)
        if books is None or verdict is None or verdict.outcome != "skipped" or verdict.reason not in OUT:
            continue
        left_by_itself = verdict.reason == "out_of_view" and crm is not None and crm.stamp is not None and crm.stamp > since
        if left_by_itself or work.mirrors[link.books].row.get("status") == "inactive" or not _made_by_us(rooms, link):
            continue
        changes = tuple(
            Change(name, "books", value, None, EARLIER)
            for name, value in books.values.items()
            if value is not None and value is not MISSING and value != ""
        )
        key = draft.act(
            Action(
                key=f"customers|remove|books|contacts|{link.books}", entity="customers", mapping=link.mapping, verb="remove",
                side="books", module="contacts", target=link.books, source=link.crm, payload={"contact_id": link.books.id},
                changes=changes, reason=EARLIER, stamp=books.stamp, calls=1.0, rank=(2, link.books.id), link=link.id,
            )
        )  # fmt: skip
        for known in (crm, books):
            if known is not None:
                draft.say(known, "removed", EARLIER, actions=(key,))


def _turn(rooms: Rooms, run: str) -> tuple[datetime, datetime] | None:
    """(end of the last run of another scope, begin of the first run of the present one); None where there was no other."""
    ledger = rooms.ledger
    present = scope_of(rooms.configuration)
    until: datetime | None = None
    spans = ledger.configuration_spans(rooms.spec.name)
    for address, _, last in spans:
        if scope_of(ledger.configuration(address) or {}) != present:
            until = max(until or last, last)
    if until is None:
        return None
    now = rooms.clock.now()
    begun = (first for address, first, _ in spans if first > until and scope_of(ledger.configuration(address) or {}) == present)
    return until, min(begun, default=now)


def _made_by_us(rooms: Rooms, link: Link) -> bool:
    """Whether a write of ours made the Books record, as the ledger's evidence has it."""
    made = ("write", "created", "books")
    story = rooms.ledger.story(rooms.spec.name, link.books)
    return any((row.kind, row.outcome, row.detail.get("side")) == made for _, row in story)
