"""Document rows: one record in the CRM for each estimate, sales order and invoice of Books, and the tie-out of them.

The entity `documents` of the same sequence. An hourly run looks at the documents that changed, passed their last day, or whose
customer's link or whose row in the CRM moved; a full one at all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from renkei.core import published, qualified
from renkei.core.planning import Draft, EntityPlan, Known
from renkei.core.published import KINDS, DocumentTie, nothing, sums_of
from renkei.core.records import Action, Change, DocumentRow, Mirror
from renkei.core.values import Ref
from renkei.engine.joins import propose
from renkei.engine.load import Result
from renkei.engine.publish import (
    Customers,
    Place,
    deals_there,
    due_since,
    keep_documents,
    known_row,
    made_links,
    moved_links,
    own_keys,
    remove_row,
    say_rows,
    stored_rows,
    today_of,
)
from renkei.engine.work import EntityWork, Request, Rooms, World, documents_read

Wanted = dict[str, set[str]]  # module → ids
Findings = dict[Ref, list[qualified.Finding]]


async def resolve_documents(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Decide the document rows: work.draft holds the actions and the words of every row read."""
    draft = work.draft = Draft("documents")
    ledger, name, module, today = rooms.ledger, rooms.spec.name, rooms.summaries.documents, today_of(rooms)
    work.touched = keep_documents(rooms, work)
    mine = {ref.id: known.raw for ref, known in work.known.items() if ref.side == "crm"}
    ledger.put_keys(name, "crm", module, {row_id: own_keys(rooms, module, row) for row_id, row in mine.items()})
    broken = _qualified(work)
    wanted = None if work.full else _affected(rooms, request, work, mine)
    places, done = Customers(rooms, work), dict[Ref, tuple[str, ...]]()
    seen: set[str] = set()
    for chunk in _chunks(rooms, work, wanted):
        there = places.places(one.customer for one in chunk)
        rows = _rows(rooms, ((one.module, one.id) for one in chunk))
        shown = [deal for mirror in rows.values() if (deal := _shows(rooms, "deal", mirror))]
        deals = await deals_there(rooms, work, [one.deal for one in chunk if one.deal], shown)
        for one in chunk:
            mirror, place = rows.get((one.module, one.id)), there[one.customer]
            if mirror is not None:
                seen.add(mirror.ref.id)
            keys = _plan(rooms, work, draft, one, place, one.deal if one.deal in deals else "", mirror, today)
            done[Ref("books", one.module, one.id)] = keys
    _withdraw_rest(rooms, work, draft, wanted, seen, done)
    await propose(rooms, request, world, work, places)
    _say_documents(rooms, work, draft, places, done, broken)
    say_rows(rooms, work, draft)
    whole = {item.module for item in work.lists if item.side == "books" and item.complete}
    work.facts = {
        "wanted": None if wanted is None else {one: sorted(ids) for one, ids in sorted(wanted.items())},
        "listed": [[*key, *sums] for key, sums in sorted(work.listed.items()) if key[0] in whole] if work.full else [],
        "whole": sorted(whole) if work.full else [],
        "spoilt": {str(ref): str(work.known[ref].raw.get("customer_id")) for ref in work.quarantine if ref.side == "books"},
        "reasons": {one.id: one.reason for one in places.found.values() if one.reason},
    }


def _affected(rooms: Rooms, request: Request, work: EntityWork, mine: Mapping[str, Mapping[str, Any]]) -> Wanted:
    """Documents whose row may have to move since the last run that published them."""
    kinds, name = documents_read(rooms, work.entity), rooms.spec.name
    wanted: Wanted = {one: set(work.touched.ids.get(one, ())) for one in kinds}
    if request.only:
        return wanted
    for document in due_since(rooms, work, rooms.summaries.documents, kinds, (1,)):
        wanted[document.module].add(document.id)
    moved = {link.books.id for link in moved_links(rooms, work, rooms.summaries.documents)} | made_links(work).keys()
    for kind in kinds if moved else ():
        for chunk in rooms.ledger.documents(name, kind, "customer", moved):
            wanted[kind] |= {one.id for one in chunk}
    for row in mine.values():
        named = published.document_named(name, row.get(rooms.summaries.key))
        if named is not None:
            wanted.setdefault(named[0], set()).add(named[1])
    return wanted


def _chunks(rooms: Rooms, work: EntityWork, wanted: Wanted | None) -> Iterator[list[DocumentRow]]:
    for kind in documents_read(rooms, work.entity):
        if wanted is None:
            yield from rooms.ledger.documents(rooms.spec.name, kind)
        elif wanted.get(kind):
            yield from rooms.ledger.documents(rooms.spec.name, kind, "id", wanted[kind])


def _rows(rooms: Rooms, documents: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Mirror]:
    """Our rows of these documents that the CRM shows, by (module, id)."""
    spec, found = rooms.summaries, {}
    for mirror in stored_rows(rooms, spec.documents, "document", [f"{module}:{row_id}" for module, row_id in documents]):
        named = published.document_named(rooms.spec.name, mirror.row.get(spec.key))
        if named is not None and mirror.deleted_at is None:
            found[named] = mirror
    return found


def _shows(rooms: Rooms, ours: str, mirror: Mirror) -> Any:
    return published.read(ours, mirror.row.get(dict(rooms.summaries.document_fields)[ours]))


def _plan(
    rooms: Rooms, work: EntityWork, draft: Draft, one: DocumentRow, place: Place, deal: str, mirror: Mirror | None, today: date
) -> tuple[str, ...]:
    """Plan the row of one document; returns the keys of its actions."""
    if place.crm is None:
        return () if mirror is None else (remove_row(work, draft, mirror, "withdrawn"),)
    spec = rooms.summaries
    link = published.link_of(rooms.spec, one)
    values = published.document_values(one, crm=place.crm, deal=deal, link=link, today=today)
    if mirror is None:
        return (_plan_new(rooms, draft, one, place, values),)
    if place.made_by:  # its row names the record of a former link: the next run moves it to the new one
        return ()
    changed = published.differing(spec.document_fields, mirror.row, values)
    if not changed:
        return ()
    action = Action(
        key=f"documents|update|crm|{spec.documents}|{mirror.ref}", entity="documents", mapping="documents", verb="update",
        side="crm", module=spec.documents, target=mirror.ref, source=Ref("books", one.module, one.id),
        payload=published.payload(spec.document_fields, {name: values[name] for name in changed}),
        changes=tuple(Change(name, "crm", _shows(rooms, name, mirror), values[name], "document") for name in sorted(changed)),
        reason="document", stamp=mirror.stamp, calls=0.01, rank=(0, one.id),
    )  # fmt: skip
    key = draft.act(action)
    draft.say(known_row(work, mirror), "updated", "document", actions=(key,))
    return (key,)


def _plan_new(rooms: Rooms, draft: Draft, one: DocumentRow, place: Place, values: Mapping[str, Any]) -> str:
    spec, source = rooms.summaries, Ref("books", one.module, one.id)
    payload = {name: value for name, value in published.payload(spec.document_fields, values).items() if value is not None}
    payload[spec.key] = published.document_key(rooms.spec.name, one.module, one.id)
    if place.made_by:
        payload[dict(spec.document_fields)[place.lookup]] = {"id": {"$created": place.made_by}}
    shown = {name: value for name, value in values.items() if value not in (None, "")}
    return draft.act(
        Action(
            key=f"documents|create|crm|{spec.documents}|{source}", entity="documents", mapping="documents", verb="create",
            side="crm", module=spec.documents, target=None, source=source, payload=payload,
            changes=tuple(Change(name, "crm", None, value, "published") for name, value in sorted(shown.items())),
            reason="published", needs=(place.made_by,) if place.made_by else (), calls=0.01, rank=(1, one.id),
        )
    )  # fmt: skip


def _withdraw_rest(
    rooms: Rooms, work: EntityWork, draft: Draft, wanted: Wanted | None, seen: set[str], done: dict[Ref, tuple[str, ...]]
) -> None:
    """Rows of ours whose document is no more."""
    ledger, name, module = rooms.ledger, rooms.spec.name, rooms.summaries.documents
    if wanted is None:
        left = list(ledger.mirrors(name, "crm", module, ledger.mirror_ids(name, "crm", module) - seen).values())
    else:
        gone = [(kind, one) for kind, ids in wanted.items() for one in ids if Ref("books", kind, one) not in done]
        left = [mirror for mirror in _rows(rooms, gone).values() if mirror.ref.id not in seen]
    for mirror in sorted(left, key=lambda one: one.ref):
        named = published.document_named(name, mirror.row.get(rooms.summaries.key))
        if named is not None and mirror.deleted_at is None:
            done[Ref("books", *named)] = (remove_row(work, draft, mirror, "deleted"),)


def _say_documents(
    rooms: Rooms, work: EntityWork, draft: Draft, places: Customers, done: Mapping[Ref, tuple[str, ...]], broken: Findings
) -> None:
    """A document takes the word of what becomes of its row, however long it has not changed itself."""
    moved = {ref for ref, keys in done.items() if keys} - work.known.keys()
    settled: list[Known] = []
    for kind in sorted({ref.module for ref in moved}):
        mirrors = rooms.ledger.mirrors(rooms.spec.name, "books", kind, [ref.id for ref in moved if ref.module == kind])
        settled += [
            Known(one.ref, one.hash, one.stamp, one.row, {}, one.ref.id, deleted=one.deleted_at is not None, extracted=False)
            for one in mirrors.values()
        ]
    for known in (*work.known.values(), *settled):
        ref = known.ref
        if ref.side != "books" or ref in work.quarantine:
            continue
        keys = done.get(ref, ())
        detail = {"qualified": [one.code for one in broken[ref]]} if ref in broken else None
        place = places.places([str(known.raw.get("customer_id"))])[str(known.raw.get("customer_id"))]
        if known.deleted:
            draft.say(known, "removed" if keys else "skipped", "deleted", actions=keys)
        elif place.crm is None:
            draft.say(known, place.word, place.reason, actions=keys, detail=detail)
        elif not keys:
            draft.say(known, "unchanged", "", detail=detail)
        else:
            word = "created" if draft.actions[keys[0]].verb == "create" else "updated"
            draft.say(known, word, "published", actions=keys, detail=detail)


def _qualified(work: EntityWork) -> Findings:
    """What breaks the rules of Japan's qualified invoices in the details that this run read; each is a note of the run."""
    found: Findings = {}
    for ref, row in sorted(work.whole.items()):
        broken = qualified.findings(row) if ref not in work.quarantine else []
        if broken:
            found[ref] = broken
            work.notes += [f"{ref} {row.get(KINDS[ref.module].number)}: {one}" for one in broken]
    return found


# ------------------------------------------------------------------------------------------------------------- tie-out


def tie_out(rooms: Rooms, plan: EntityPlan, results: Mapping[str, Result]) -> dict[str, Any]:
    """Books' documents against what the CRM's rows show now; the shape of core/published.py DocumentTie.json.

    `documents`: how many were looked at, or None for all
    """
    facts, ledger, name = plan.facts, rooms.ledger, rooms.spec.name
    wanted: dict[str, list[str]] | None = facts["wanted"]
    reasons, undone, tie = facts["reasons"], _undone(plan, results), DocumentTie()
    kept: dict[tuple[str, str, str], published.Sums] = {}
    rows_left = None if wanted is not None else ledger.mirror_ids(name, "crm", rooms.summaries.documents)
    for kind in documents_read(rooms, plan.entity):
        chunks = ledger.documents(name, kind) if wanted is None else ledger.documents(name, kind, "id", wanted.get(kind, ()))
        for chunk in chunks:
            links = ledger.links(name, "books", "contacts", {one.customer for one in chunk})
            rows = _rows(rooms, ((one.module, one.id) for one in chunk))
            for one in chunk:
                ref, mirror = f"books:{kind}:{one.id}", rows.get((kind, one.id))
                published.add_up(kept, (kind, one.customer, one.currency), sums_of(one))
                reason = undone.get(ref) or (facts["spoilt"].get(ref, "") and "document_quarantined")
                if one.customer not in links or one.customer in reasons:
                    reason = reason or reasons.get(one.customer, "customer_not_linked")
                shown, currency = _sums_shown(rooms, mirror) if mirror else (None, one.currency)
                tie.see(one, shown, currency, reason)
                if rows_left is not None and mirror is not None:
                    rows_left.discard(mirror.ref.id)
    listed = {(row[0], row[1], row[2]): row[3:] for row in facts["listed"]}
    unread = {(ref.split(":")[1], customer) for ref, customer in facts["spoilt"].items()}
    for key in sorted({*listed, *kept}):
        if key[0] in facts["whole"] and key[:2] not in unread:
            tie.compare(*key, listed.get(key, nothing()), kept.get(key, nothing()))
    for mirror in ledger.mirrors(name, "crm", rooms.summaries.documents, rows_left or ()).values():
        if own_keys(rooms, mirror.ref.module, mirror.row) and str(mirror.ref) not in undone:
            tie.unexplained.append(
                f"{mirror.ref}: the CRM shows {mirror.row.get(rooms.summaries.key)}, which Books does not have"
            )
    looked_at = None if wanted is None else sum(len(ids) for ids in wanted.values())
    return {"documents": looked_at, **tie.json()}


def _undone(plan: EntityPlan, results: Mapping[str, Result]) -> dict[str, str]:
    """Document or row → why its write was not done."""
    found = {}
    for action in plan.actions:
        result = results.get(action.key)
        if result is None or result.outcome:
            found[str(action.source or action.target)] = f"{result.outcome}_{result.reason}" if result else "not_reached"
    return found


def _sums_shown(rooms: Rooms, mirror: Mirror) -> tuple[published.Sums, str]:
    """[1, total, balance] and currency of a row."""
    total, balance = _shows(rooms, "total", mirror), _shows(rooms, "balance", mirror)
    return [nothing()[0] + 1, total or nothing()[0], balance or nothing()[0]], str(_shows(rooms, "currency", mirror))
