"""Joins: documents without a deal whose number a deal carries become questions; the answer is an attachment like any other.

Looked at are the documents that a run has in hand (new, changed, open) and those of customers whose link moved: O(changes). The
CRM is asked for 50 numbers a call, and for none where `joins:` is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from renkei.core import joins
from renkei.core.mapping import JoinRule
from renkei.core.planning import Draft, hold_id
from renkei.core.ports import Ledger
from renkei.core.records import Decision, DocumentRow, Hold, OutcomeRow, Row
from renkei.core.values import Ref
from renkei.engine.publish import Customers, made_links, moved_links
from renkei.engine.recall import load
from renkei.engine.work import EntityWork, Request, Rooms, World, documents_read, published_modules


async def propose(rooms: Rooms, request: Request, world: World, work: EntityWork, places: Customers) -> None:
    """Ask for each document without a deal to which deals its number leads; work.draft takes questions and words."""
    draft, ledger, name = work.draft, rooms.ledger, rooms.spec.name
    assert draft is not None
    draft.carried_out |= {
        hold.id for hold, _ in ledger.decisions(name) if hold.question == joins.QUESTION and hold.record in work.known
    }
    rules = rooms.summaries.joins
    loose = list(_loose(rooms, request, work, places)) if rules else []
    holds = await _questions(rooms, work, rules, loose)
    said = ledger.hold_states(name, holds)
    asked = [hold for key, hold in sorted(holds.items()) if said.get(key, ("",))[0] not in ("decided", "carried_out")]
    load(rooms, world, work, [hold.record for hold in asked], extracted=True)  # of a link that moved: open from now on
    for hold in asked:
        _ask(draft, work, hold)


def _loose(rooms: Rooms, request: Request, work: EntityWork, places: Customers) -> Iterator[tuple[DocumentRow, Row, Ref]]:
    """Documents that belong to no deal and of which nobody has said so, with list row and the CRM record of their customer."""
    ledger, name = rooms.ledger, rooms.spec.name
    links = [] if request.only else moved_links(rooms, work, published_modules(rooms)[work.entity])
    moved = {link.books.id for link in links} | made_links(work).keys()
    for kind in documents_read(rooms, work.entity):
        ids = {ref.id for ref, known in work.known.items() if _in_hand(work, ref, kind) and not known.deleted}
        chunks = [*ledger.documents(name, kind, "id", ids), *ledger.documents(name, kind, "customer", moved)]
        loose = {one.id: one for chunk in chunks for one in chunk if not one.deal}
        said = ledger.attachments(name, kind, loose)
        mirrors = ledger.mirrors(name, "books", kind, loose.keys() - ids - said.keys())
        there = places.places(one.customer for one in loose.values())
        for one in loose.values():
            holder = there[one.customer].crm
            if one.id not in said and holder is not None and holder.id:
                row = mirrors[one.id].row if one.id in mirrors else work.known[Ref("books", kind, one.id)].raw
                yield one, row, holder


def _in_hand(work: EntityWork, ref: Ref, kind: str) -> bool:
    return (ref.side, ref.module) == ("books", kind) and ref not in work.quarantine


async def _questions(
    rooms: Rooms, work: EntityWork, rules: Sequence[JoinRule], loose: Sequence[tuple[DocumentRow, Row, Ref]]
) -> dict[str, Hold]:
    """By id. A question's id holds the deals: that of other deals is another one, and what was answered is never asked again."""
    found: dict[str, tuple[DocumentRow, dict[str, Row]]] = {}
    for rule in rules:
        numbers = {one.id: number for one, row, _ in loose if (number := joins.number_of(rule, one.module, row))}
        asked = sorted({text for number in numbers.values() for text in joins.spellings(number)})
        deals = await rooms.crm.find_all("Deals", rule.crm, asked, joins.DEAL_FIELDS) if asked else []
        by_holder: dict[str, list[Row]] = {}
        for deal in deals:
            for party in joins.holders_of(deal):
                by_holder.setdefault(party, []).append(deal)
        for one, _, holder in loose:
            for deal in by_holder.get(holder.id, ()) if one.id in numbers else ():
                if joins.carries(rule, numbers[one.id], deal):
                    _, mine = found.setdefault(f"{one.module}:{one.id}", (one, {}))
                    mine.setdefault(str(deal["id"]), joins.candidate_of(rule, deal))
    holds = {}
    for one, mine in found.values():
        ref, candidates = Ref("books", one.module, one.id), tuple(mine[deal] for deal in sorted(mine))
        key = hold_id(rooms.spec.name, joins.QUESTION, ref, ",".join(sorted(mine)))
        holds[key] = Hold(
            key, work.entity, joins.QUESTION, ref, None, candidates, joins.choices(candidates), {"label": one.number or one.id}
        )
    return holds


def _ask(draft: Draft, work: EntityWork, hold: Hold) -> None:
    draft.holds[hold.id] = hold
    detail = {"hold": hold.id, "candidates": [dict(one) for one in hold.candidates]}
    draft.say(work.known[hold.record], "held", "join", detail=detail)


def keep_answer(ledger: Ledger, connection: str, hold: Hold, decision: Decision, run: str, now: datetime) -> None:
    """What a person answered is an attachment from now on; `skip` leaves the document as it is."""
    deal = joins.deal_in(decision.choice)
    if deal:
        ledger.attach(connection, hold.record.module, hold.record.id, deal, run)
        about = (hold.record, Ref("crm", "Deals", deal))
        ledger.append(connection, run, [OutcomeRow("note", "documents", about, "attached", "join", now, decision.actor)])
