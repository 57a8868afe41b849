"""Resolve: fetch the details that decisions need, then let core/planning.py decide every record of the entity."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from renkei.core.deleting import QUESTIONS, is_settled, plan_deleted
from renkei.core.errors import BudgetSpent
from renkei.core.mapping import MappingSpec, map_record, read_raw, write_fields
from renkei.core.native import kept
from renkei.core.planning import (
    Draft,
    Ending,
    EntityPlan,
    Known,
    LinkedPair,
    PlanRules,
    base_values,
    candidate,
    free_key,
    freeze,
    make_hold,
    plan_ambiguous,
    plan_create,
    plan_duplicate,
    plan_linked,
    say_both,
)
from renkei.core.records import Hold, Link, Mirror, MirrorRow, QuarantineRow, Row
from renkei.core.resolving import PARTNERS, UNDONE, UNDONE_RECORD
from renkei.core.values import MISSING, Ref, Side, content_hash, row_digest
from renkei.engine import native
from renkei.engine.changes import plan_earlier
from renkei.engine.deals import resolve_deals
from renkei.engine.document_rows import resolve_documents
from renkei.engine.extract import OURS, keys_by_row, mark_gone, stamp_of
from renkei.engine.match import Meetings, decisions_of, match
from renkei.engine.merges import follow_merges, left_persons
from renkei.engine.recall import load, load_partners, take_mirrors
from renkei.engine.receivables import resolve_summaries
from renkei.engine.removals import made_inactive_by_us
from renkei.engine.validate import validate_canonical
from renkei.engine.work import EntityWork, Request, Rooms, World, account_of, is_business

DETAILS_AT_ONCE = 50  # asked for together and stored together: bounds what a crash has to ask again
RESOLVES = {"deals": resolve_deals, "documents": resolve_documents, "summaries": resolve_summaries}
MOST_PERSONS = 500  # Books' cap of contact persons a customer (what-good-means.md B20)


async def resolve(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Decide the entity: work.plan holds the frozen result."""
    if work.entity in RESOLVES:
        await RESOLVES[work.entity](rooms, request, world, work, run)
        assert work.draft is not None
        _plan_quarantined(work, work.draft)
        work.plan = freeze_entity(work, work.draft)
        return
    rules = plan_rules(rooms, world, work)
    draft = work.draft = Draft(work.entity, work.unchanged)
    work.persons = world.mappings.get("persons") if work.entity == "customers" else None
    names = [name for name in world.mappings if world.mappings[name].entity == work.entity and name != "persons"]
    validate_canonical(rooms, world, work, list(work.known))
    await follow_merges(rooms, world, work, run)
    await fetch_details(rooms, world, work, native.unread(work))
    for name in names:
        work.meetings[name] = match(rooms, world, work, name)
    asked = await native.ask(rooms, request, world, work, names)
    if asked:
        await fetch_details(rooms, world, work, [ref for ref in asked if ref in native.unread(work)])
        native.unblock(work, asked)
        for name in names:
            work.meetings[name] = match(rooms, world, work, name)
    met = [evidence for meetings in work.meetings.values() for _, _, evidence, _ in meetings.pairs]
    rules = replace(rules, rebuilt=work.rebuilt and "key" in met)
    await fetch_details(rooms, world, work, _details_needed(world, work, rules))
    load_partners(rooms, world, work)  # of persons that came with the details
    _block_claimed(rooms, work, run)
    for name in names:
        _plan_mapping(rooms, world, work, draft, rules, name)
    if work.persons is not None:
        _plan_persons(rooms, world, work, draft, rules)
    _plan_unsynced(work, draft)
    await plan_earlier(rooms, world, work, draft)
    _plan_quarantined(work, draft)
    work.plan = freeze_entity(work, draft)


def plan_rules(rooms: Rooms, world: World, work: EntityWork) -> PlanRules:
    decisions, _ = decisions_of(rooms, work.entity)
    asked = rooms.ledger.open_holds(rooms.spec.name)
    return PlanRules(
        rooms.spec.name,
        work.settings,
        rooms.spec.crm_key,
        rooms.spec.books_key,
        world.lookups,
        work.rules,
        decisions,
        rooms.spec.organization,
        undone=_asked_after_undo(asked),
        unsure=frozenset(hold.id for hold in asked if hold.detail.get("rebuilt")),
    )


def _asked_after_undo(asked: Iterable[Hold]) -> dict[Ref, Hold]:
    """The question that waits for each record which an undo left without a partner, as the one that asks or as a candidate."""
    holds = [hold for hold in asked if hold.question == UNDONE_RECORD]
    named = {Ref.parse(one["record"]): hold for hold in holds for one in hold.candidates}
    return named | {hold.record: hold for hold in holds}


def freeze_entity(work: EntityWork, draft: Draft) -> EntityPlan:
    actions, verdicts, holds, agreements = freeze(draft)
    extracted = {ref for ref, known in work.known.items() if known.extracted}
    read = {Ref(side, module, row_id) for (side, module), ids in work.unchanged.items() for row_id in ids}
    unchanged = tuple(sorted(read - extracted - draft.verdicts.keys()))
    # a settled partner that this plan writes to, or links, takes its pair's word and counts with it
    counts = Counter(ref.side for ref in extracted | read | draft.verdicts.keys())
    return EntityPlan(
        work.entity, work.full, work.rules, tuple(work.lists), (counts["crm"], counts["books"]), actions, agreements, verdicts,
        unchanged, holds, tuple(sorted(set(draft.asides))), tuple(draft.links), tuple(draft.quarantine),
        tuple(sorted(draft.carried_out)), tuple(work.notes), work.details, tuple(sorted(set(draft.unaside))),
        work.facts,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ details


def _details_needed(world: World, work: EntityWork, rules: PlanRules) -> list[Ref]:
    """Books records whose detail a decision needs: linked and changed, about to be linked, about to be made in the CRM."""
    wanted: dict[Ref, None] = {}
    for ref, link in work.linked.items():
        known, crm = work.known.get(ref), work.known.get(link.crm)
        if ref.side != "books" or known is None or crm is None or known.deleted:
            continue
        if _outlives(rules, link, crm) if crm.deleted else crm.in_view:
            wanted[ref] = None
    for meetings in work.meetings.values():
        for crm, books, evidence, _ in meetings.pairs:
            if work.known[crm].in_view and (evidence != "policy" or rules.settings.duplicates in ("overwrite", "link")):
                wanted[books] = None
        if rules.settings.direction == "two_way":
            for ref in meetings.alone:
                passed_over = ref in meetings.taken or ref in meetings.former
                if ref.side == "books" and not passed_over and not _is_aside(work, ref):
                    wanted[ref] = None
    newest = sorted(wanted, key=lambda ref: (work.known[ref].stamp is not None, work.known[ref].stamp), reverse=True)
    return [ref for ref in newest if not work.known[ref].complete and ref not in work.quarantine and ref.module == "contacts"]


def _outlives(rules: PlanRules, link: Link, crm: Known) -> bool:
    """Whether something may become of the Books record of a pair whose CRM record was deleted, so that what it says counts."""
    answered = any((str(crm.ref), question, "") in rules.decisions for question in QUESTIONS)
    return link.dead is None and (rules.settings.deletes != "ignore" or answered)


async def fetch_details(rooms: Rooms, world: World, work: EntityWork, refs: list[Ref]) -> None:
    """Details of Books customers, a chunk at a time; what the budget leaves stays incomplete and is `blocked: budget`."""
    for start in range(0, len(refs), DETAILS_AT_ONCE):
        chunk = refs[start : start + DETAILS_AT_ONCE]
        answers = await asyncio.gather(*(rooms.books.get("contacts", ref.id) for ref in chunk), return_exceptions=True)
        got: list[tuple[Ref, Row]] = []
        for ref, answer in zip(chunk, answers, strict=True):
            if isinstance(answer, BudgetSpent):
                work.budget_ended = True
            elif isinstance(answer, BaseException):
                raise answer
            elif answer is None:
                mark_gone(rooms, "books", "contacts", [ref.id])
                work.known[ref].deleted = True
            else:
                got.append((ref, answer))
                work.details += 1
        persons = take_details(rooms, world, [(ref.id, answer) for ref, answer in got])
        mirrors = rooms.ledger.mirrors(rooms.spec.name, "books", "contacts", [ref.id for ref, _ in got])
        _take_again(rooms, world, work, list(mirrors.values()))
        for ref in persons:  # also those that were known as their contact's partner, as they were before this detail
            work.known.pop(ref, None)
        load(rooms, world, work, persons, extracted=True)
        rooms.progress("details", work.entity, min(start + DETAILS_AT_ONCE, len(refs)), len(refs))
        if work.budget_ended:
            work.notes.append(f"{len(refs) - start - len(got)} details wait for tomorrow's calls")
            break
    again = [ref for ref in refs if work.known[ref].complete]
    again += [ref for ref in work.known if ref.module == "contact_persons"]
    validate_canonical(rooms, world, work, again)


def _take_again(rooms: Rooms, world: World, work: EntityWork, mirrors: Sequence[Mirror]) -> None:
    """Know these records anew, details included; what else was known of them stays."""
    before = {mirror.ref: work.known[mirror.ref] for mirror in mirrors}
    take_mirrors(rooms, world, work, mirrors, extracted=True)
    for ref, known in before.items():
        work.known[ref].extracted, work.known[ref].blocked = known.extracted, known.blocked


def take_details(rooms: Rooms, world: World, details: list[tuple[str, Row]]) -> list[Ref]:
    """Store details of Books customers and mirror their persons, all together: a detail that is there is not read again.
    Returns the persons that are new, changed or gone."""
    stamps = {row_id: stamp_of("books", detail) for row_id, detail in details}
    with rooms.ledger.transaction():
        rooms.ledger.put_details(
            rooms.spec.name, "books", "contacts", [(row_id, stamps[row_id], detail) for row_id, detail in details]
        )
        return _take_persons(rooms, world, details, stamps) if "persons" in world.mappings else []


def _take_persons(rooms: Rooms, world: World, details: list[tuple[str, Row]], stamps: Mapping[str, datetime | None]) -> list[Ref]:
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    spec = world.mappings["persons"]
    rows: dict[str, Row] = {}
    parents: list[str] = []
    for row_id, detail in details:
        if not is_business(detail):
            continue
        parents.append(row_id)
        for person in detail.get("contact_persons") or []:
            rows[str(person["contact_person_id"])] = {**person, "contact_id": row_id}
    hashes = {person_id: row_digest([row["contact_id"], read_raw(row, spec, "books")]) for person_id, row in rows.items()}
    changed = ledger.changed(name, "books", "contact_persons", hashes)
    keys = keys_by_row(rooms, world, "books", "contact_persons", [rows[person_id] for person_id in changed])
    ledger.put_mirrors(
        name, "books", "contact_persons",
        [
            MirrorRow(one, stamps[rows[one]["contact_id"]], hashes[one], rows[one], tuple(keys.get(one, ())))
            for one in sorted(changed)
        ],
        now,
    )  # fmt: skip
    before = ledger.by_keys(name, "books", "contact_persons", [("parent", parent) for parent in parents])
    gone = sorted({one for ids in before.values() for one in ids} - rows.keys())
    if gone:
        ledger.mark_deleted(name, "books", "contact_persons", gone, now)
    return [Ref("books", "contact_persons", one) for one in sorted({*changed, *gone})]


# -------------------------------------------------------------------------------------------------------- the mapping


def _block_claimed(rooms: Rooms, work: EntityWork, run: str) -> None:
    for ref in rooms.ledger.claimed(rooms.spec.name, rooms.clock.now(), run):
        if ref in work.known:
            work.known[ref].blocked = "claimed"


def _plan_mapping(rooms: Rooms, world: World, work: EntityWork, draft: Draft, rules: PlanRules, mapping: str) -> None:
    spec = world.mappings[mapping]
    for link in sorted({link.id: link for link in work.linked.values()}.values(), key=lambda one: one.id):
        crm, books = work.known.get(link.crm), work.known.get(link.books)
        if crm is None or books is None or work.mapping_of.get(link.crm) != mapping:
            continue
        _plan_link(rooms, world, work, draft, spec, link, crm, books, rules)
    meetings: Meetings = work.meetings[mapping]
    for crm_ref, books_ref, evidence, detail in sorted(meetings.pairs, key=lambda pair: pair[0]):
        crm, books = work.known[crm_ref], work.known[books_ref]
        _plan_pair(work, draft, spec, crm, books, rules, evidence, detail, kept=kept(books.raw, crm_ref, rooms.spec.native))
    for ref, (outcome, reason) in meetings.settled.items():
        draft.say(work.known[ref], outcome, reason)
    _plan_widowed(rooms, work, draft, spec, meetings)
    for lefts, rights, scores in meetings.ambiguous:
        _plan_group(work, draft, rules, lefts, rights, scores)
    unread: set[str] = {item.side for item in work.lists if item.left}
    waiting, bearers = _waiting(rooms), _bearers(rooms, spec, meetings.alone)
    for ref in meetings.alone:
        if _still_asked(work, draft, work.known[ref], rules, meetings, waiting):
            continue
        _plan_alone(work, draft, spec, work.known[ref], rules, unread, bearers)
    draft.carried_out.update(meetings.overtaken)
    for ref in meetings.skipped:
        draft.asides.append((ref, "decision_skip", ""))
        draft.say(work.known[ref], "skipped", "decision_skip")
        _carried(draft, rules, ref)


def _pair_of(work: EntityWork, spec: MappingSpec, rules: PlanRules, link: Link, crm: Known, books: Known) -> LinkedPair:
    base = work.bases.get(link.id)
    if base is None:
        return LinkedPair(link, crm, books, None, None)
    left, right = base_values(base.crm, spec, "crm", rules.lookups), base_values(base.books, spec, "books", rules.lookups)
    return LinkedPair(link, crm, books, left, right, base.crm_stamp, base.books_stamp, base.undone, base.owed)


def _plan_link(
    rooms: Rooms,
    world: World,
    work: EntityWork,
    draft: Draft,
    spec: MappingSpec,
    link: Link,
    crm: Known,
    books: Known,
    rules: PlanRules,
    *,
    moved: bool = False,
    parent: Ref | None = None,
    by_native: bool = False,
    copy: Ref | None = None,
    customer: _Customer | None = None,
) -> None:
    """A linked pair. `moved`: a person whose account is no longer its customer's; a loose contact that got an account is
    told by its link's mapping. Both keep their customer until a person decides. `by_native`: the built-in integration keeps
    the person's customer, and `customer` tells of it where a record of the pair was deleted."""
    bad = [known for known in (crm, books) if known.ref in work.quarantine]
    if bad:
        for known in (crm, books):
            if known not in bad:
                draft.say(known, "blocked", "partner_quarantined")
        return
    survivor = work.merged_both.get(link.id)
    if survivor is not None and not _stands_merged(rooms, work, draft, link, survivor, rules):
        return
    if (moved or link.mapping != spec.name) and not crm.deleted and not books.deleted:
        if not _keeps_customer(rooms, draft, link, crm, books, rules):
            return
        spec = world.mappings.get(link.mapping, spec)
    for known in (crm, books):  # one whose kind changed still belongs to its link: read it under the link's mapping
        if set(known.values) != {item.name for item in spec.fields}:
            known.values = map_record(known.raw, spec, known.ref.side, rules.lookups)
    keeps = by_native if parent is not None else kept(books.raw, crm.ref, rooms.spec.native)
    pair = _pair_of(work, spec, rules, link, crm, books)
    if not crm.deleted and not books.deleted:
        asleep = made_inactive_by_us(rooms.ledger, rooms.spec.name, books)
        freed = _moved_here(work, draft, spec, pair, rules) if link.id in work.moved else ""
        needs = (freed,) if freed else ()
        plan_linked(draft, spec, pair, rules, parent=parent, kept=keeps, copy=copy, asleep=asleep, needs=needs)
        return
    persons: list[tuple[Ref, Row]] = []
    if spec.name == "accounts" and books.deleted and not is_settled(pair):
        persons = _travelling_persons(work, crm, rules, work.persons, again=True)
    its = customer or _Customer()
    plan_deleted(draft, spec, pair, rules, kept=keeps, place=its.place, needs=its.needs, persons=persons, customer=its.ending)


def _moved_here(work: EntityWork, draft: Draft, spec: MappingSpec, pair: LinkedPair, rules: PlanRules) -> str:
    """The link follows a merge to one of these two. Returns the action that frees our key from a Books record that it left."""
    lost = work.known[work.moved[pair.link.id]]
    survivor = pair.crm if lost.ref.side == "crm" else pair.books
    draft.links.append(pair.link)
    draft.unaside.append(survivor.ref)
    say_both(draft, pair.crm, pair.books, "linked", "link_moved", {"from": str(lost.ref)})
    freed = "" if lost.deleted else free_key(draft, spec, lost, rules)
    if not lost.deleted:
        draft.asides.append((lost.ref, "merged", ""))
    draft.say(lost, "removed", "link_moved", actions=(freed,) if freed else (), detail={"to": str(survivor.ref)})
    return freed


def _stands_merged(rooms: Rooms, work: EntityWork, draft: Draft, link: Link, survivor: Ref, rules: PlanRules) -> bool:
    """A record of this pair was merged into one that has a partner of its own. Whether its link goes on as it is: a person
    said `keep`, and in the CRM the deletion is dealt with. Else ask; or, as decided, end the link."""
    lost = link.crm if survivor.side == "crm" else link.books
    left = link.books if survivor.side == "crm" else link.crm
    decided = rules.decisions.get((str(lost), "merged_both_linked", ""))
    asides = rooms.ledger.asides(rooms.spec.name, lost.side, lost.module, [lost.id])
    both = [work.known[link.crm], work.known[link.books]]
    if decided is not None:
        draft.carried_out.add(decided[1])
        if decided[0] == "unlink":
            draft.links.append(replace(link, state="ended", dead=lost.side if work.known[lost].deleted else None))
            draft.asides += [(ref, "unlinked", "") for ref in (link.crm, link.books) if not work.known[ref].deleted]
            for known in both:
                draft.say(known, "removed", "unlink", detail={"merged": str(survivor)})
            return False
        draft.asides.append((lost, "merged_kept", str(survivor)))
        if not work.known[lost].deleted:
            return True
        draft.links.append(replace(link, dead=lost.side))
        draft.say(work.known[lost], "skipped", "deleted", detail={"merged": str(survivor)})
        draft.say(work.known[left], "skipped", "partner_deleted", detail={"merged": str(survivor)})
        return False
    if asides.get(lost.id) == ("merged_kept", str(survivor)):
        return True
    found = [candidate(work.known[survivor], {}), candidate(work.known[left], {})]
    hold = make_hold(
        rules.connection, draft.entity, "merged_both_linked", work.known[lost], None, found, ("keep", "unlink"),
        {"survivor": str(survivor)},
    )  # fmt: skip
    draft.holds[hold.id] = hold
    for known in both:
        draft.say(known, "held", "merged_both_linked", detail={"hold": hold.id, "merged": str(survivor)})
    return False


@dataclass(frozen=True, slots=True)
class _Customer:
    """Where a person that is made again has its place, with the actions that make that; how the customer's own pair ends."""

    place: Mapping[str, object] | None = None
    needs: tuple[str, ...] = ()
    ending: Ending | None = None


def _keeps_customer(rooms: Rooms, draft: Draft, link: Link, crm: Known, books: Known, rules: PlanRules) -> bool:
    """Whether a person said so for the account that it has now. Else ask; or, as decided, end the link: the next run meets
    the contact anew, its former partner is set aside."""
    account = account_of(crm.raw) or "none"
    decided = rules.decisions.get((str(crm.ref), "moved_account", ""))
    kept = rooms.ledger.asides(rooms.spec.name, "crm", crm.ref.module, [crm.ref.id]).get(crm.ref.id)
    if decided is not None:
        draft.carried_out.add(decided[1])
        if decided[0] == "keep":
            draft.asides.append((crm.ref, "keeps_customer", account))
            return True
        draft.links.append(replace(link, state="ended"))
        draft.asides.append((books.ref, "unlinked", ""))
        for known in (crm, books):
            draft.say(known, "removed", "unlink")
        return False
    if kept == ("keeps_customer", account):
        return True
    choices = ("keep", "unlink")
    hold = make_hold(rules.connection, draft.entity, "moved_account", crm, None, [candidate(books, {})], choices)
    draft.holds[hold.id] = hold
    for known in (crm, books):
        draft.say(known, "held", "moved_account", detail={"hold": hold.id})
    return False


def _is_aside(work: EntityWork, ref: Ref) -> bool:
    """Set aside until a person decides."""
    return work.asides.get(ref, ("", "something else"))[1] == ""


def _plan_pair(
    work: EntityWork,
    draft: Draft,
    spec: MappingSpec,
    crm: Known,
    books: Known,
    rules: PlanRules,
    evidence: str,
    detail: Mapping[str, object],
    parent: Ref | None = None,
    kept: bool = False,
) -> None:
    bad = [known for known in (crm, books) if known.ref in work.quarantine]
    if bad:
        for known in (crm, books):
            if known not in bad:
                draft.say(known, "blocked", "partner_quarantined", detail={"candidates": [candidate(bad[0], detail)]})
        return
    mark = content_hash([crm.hash, books.hash, rules.rules])
    for known in (crm, books):
        why = work.asides.get(known.ref)
        if evidence == "policy" and why is not None and why[1] == mark:
            for one in (crm, books):
                draft.say(
                    one, "skipped", why[0] if one is known else "set_aside", detail={"candidates": [candidate(books, detail)]}
                )
            return
        if why is not None:
            draft.unaside.append(known.ref)
    if evidence == "decision":
        _carried(draft, rules, crm.ref)
        _carried(draft, rules, books.ref)
    plan_duplicate(draft, spec, crm, books, rules, evidence=evidence, match=detail, parent=parent, kept=kept)


def _plan_widowed(rooms: Rooms, work: EntityWork, draft: Draft, spec: MappingSpec, meetings: Meetings) -> None:
    """A partner that was written when its answer was lost, and whose other record a person deleted before the next run. A contact
    that goes with its account's new customer has a former key."""
    travelling = {ref: action.key for action in draft.actions.values() for ref in action.carries}
    for crm, books in meetings.widowed:
        if crm in travelling:
            draft.creating[crm] = travelling[crm]
            draft.say(work.known[crm], "created", "with_customer", actions=(travelling[crm],))
            draft.say(work.known[books], "skipped", "deleted")
            continue
        dead: Side = "crm" if work.known[crm].deleted else "books"
        link = content_hash([rooms.spec.name, str(crm), str(books)])[:32]
        draft.links.append(Link(link, work.entity, spec.name, crm, books, rooms.clock.now(), "key", dead=dead))
        for ref in (crm, books):
            draft.say(work.known[ref], "skipped", "deleted" if ref.side == dead else "partner_deleted")


def _plan_group(
    work: EntityWork,
    draft: Draft,
    rules: PlanRules,
    lefts: list[Ref],
    rights: list[Ref],
    scores: Mapping[tuple[str, str], Mapping[str, object]],
) -> None:
    crm = [work.known[ref] for ref in lefts if ref not in work.quarantine]
    books = [work.known[ref] for ref in rights if ref not in work.quarantine]
    if not crm or not books:
        for known in (*crm, *books):
            draft.say(known, "blocked", "partner_quarantined")
        return
    plan_ambiguous(draft, crm, books, rules, scores)
    for known in books:
        if known.ref not in draft.verdicts:  # every candidate of it is out of the view
            draft.say(known, "skipped", "out_of_view")


def _waiting(rooms: Rooms) -> dict[Ref, Hold]:
    """Records that are asked about, or whose answer `link REF` waits to be carried out."""
    ledger, name = rooms.ledger, rooms.spec.name
    waiting = {hold.record: hold for hold in ledger.open_holds(name) if hold.question == "ambiguous"}
    return waiting | {hold.record: hold for hold, one in ledger.decisions(name) if one.choice.startswith("link ")}


def _still_asked(
    work: EntityWork, draft: Draft, known: Known, rules: PlanRules, meetings: Meetings, waiting: Mapping[Ref, Hold]
) -> bool:
    """A record whose candidate a namesake took, or that was asked about before, is a question until a person answers.
    So is one that was to be linked to a record which has another partner now, or is gone."""
    answers = [answer for (record, _, field), answer in rules.decisions.items() if record == str(known.ref) and not field]
    if any(not choice.startswith("link ") for choice, _ in answers) or known.ref in work.quarantine:
        return False
    found = meetings.taken.get(known.ref) or [dict(item) for item in getattr(waiting.get(known.ref), "candidates", ())]
    if not found or not known.extracted or not known.in_view:
        return False
    hold = make_hold(rules.connection, draft.entity, "ambiguous", known, None, found, ("create", "skip"))
    draft.holds[hold.id] = hold
    draft.say(known, "held", "ambiguous", detail={"hold": hold.id, "candidates": found})
    return True


def _plan_alone(
    work: EntityWork,
    draft: Draft,
    spec: MappingSpec,
    known: Known,
    rules: PlanRules,
    unread: set[str],
    bearers: Mapping[Ref, Ref],
) -> None:
    if known.ref in work.quarantine:
        return
    if not known.extracted:
        return
    why = work.asides.get(known.ref)
    decided = _is_to_be_created(rules, known.ref)
    if why is not None and _is_aside(work, known.ref) and not decided:
        _say_aside(work, draft, rules, known)
        return
    former = work.meetings[spec.name].former.get(known.ref)
    if former is not None and not decided:
        if why is None or why[0] != former[1]:  # remembered, because the ids go with the built-in integration
            draft.asides.append((known.ref, former[1], str(known.ref)))
        draft.say(known, *former)
        return
    if decided:
        _carried(draft, rules, known.ref)
    if why is not None:  # a person wants it created, or the candidate that it was skipped for is no candidate any more
        draft.unaside.append(known.ref)
    target = "books" if known.ref.side == "crm" else "crm"
    if target in unread:
        draft.say(known, "blocked", "list_unread")
        return
    if known.ref in bearers and known.in_view and not known.blocked:
        _ask_about_bearer(draft, rules, known, bearers[known.ref])
        return
    if spec.name == "accounts" and target == "books":
        persons = _travelling_persons(work, known, rules, work.persons)
        plan_create(draft, spec, known, "books", rules, persons=persons, distinct=decided and _label_taken(work, known))
        return
    plan_create(
        draft, spec, known, "books" if target == "books" else "crm", rules, distinct=decided and _label_taken(work, known)
    )


def _bearers(rooms: Rooms, spec: MappingSpec, alone: Sequence[Ref]) -> dict[Ref, Ref]:
    """CRM record → the Books record that bears its key and has another partner now: it was made again for that one, or went over
    to it by a merge, and has not been written to since. A create by key would overwrite it."""
    ledger, name, module = rooms.ledger, rooms.spec.name, spec.books_module
    asked = [ref for ref in alone if ref.side == "crm"]
    hits = ledger.by_keys(name, "books", module, [(OURS, str(ref)) for ref in asked]) if asked else {}
    linked = ledger.links(name, "books", module, {one for ids in hits.values() for one in ids}) if hits else {}
    found = {Ref.parse(value): ids for (_, value), ids in hits.items()}
    return {ref: Ref("books", module, one) for ref, ids in found.items() for one in sorted(ids) if one in linked}


def _ask_about_bearer(draft: Draft, rules: PlanRules, known: Known, bearer: Ref) -> None:
    found = [{"record": str(bearer), "label": known.label, "rule": "our key"}]
    hold = make_hold(rules.connection, draft.entity, "ambiguous", known, None, found, ("skip",))
    draft.holds[hold.id] = hold
    draft.say(known, "held", "ambiguous", detail={"hold": hold.id, "candidates": found})


def _is_to_be_created(rules: PlanRules, ref: Ref) -> bool:
    """By a person's decision."""
    return any(record == str(ref) and choice == "create" for (record, _, _), (choice, _) in rules.decisions.items())


def _say_aside(work: EntityWork, draft: Draft, rules: PlanRules, known: Known) -> None:
    """A record that is set aside is skipped; one that an undo left without a partner is a question until a person answers."""
    why = work.asides[known.ref][0]
    if why != UNDONE:
        draft.say(known, "skipped", why)
        return
    hold = rules.undone.get(known.ref)
    if hold is None:  # the question was lost while the record was out of sight
        hold = make_hold(rules.connection, draft.entity, UNDONE_RECORD, known, None, [], ("create", "skip"))
    draft.holds[hold.id] = hold
    draft.say(known, "held", "undone_record", detail={"hold": hold.id, "candidates": [dict(one) for one in hold.candidates]})


def _label_taken(work: EntityWork, known: Known) -> bool:
    """A person chose to create beside a Books record of the same name: its label must differ."""
    return any(one.ref.side == "books" and one.label == known.label for one in work.known.values())


def _carried(draft: Draft, rules: PlanRules, ref: Ref) -> None:
    for (record, question, _), (_, hold) in rules.decisions.items():
        if record == str(ref) and question in PARTNERS:
            draft.carried_out.add(hold)


# ------------------------------------------------------------------------------------------------------------ persons


def _travelling_persons(
    work: EntityWork, account: Known, rules: PlanRules, spec: MappingSpec | None, *, again: bool = False
) -> list[tuple[Ref, Row]]:
    """The account's contacts as contact-person bodies for its create; the first becomes the primary person. `again`: its
    customer was deleted, and those whose persons went with it travel too."""
    if spec is None:
        return []
    bodies = []
    for known in _contacts_of(work, account.ref.id):
        partner = work.linked.get(known.ref)
        widowed = again and partner is not None and partner.dead is None and work.known[partner.books].deleted
        if (
            (partner is not None and not widowed)
            or known.ref in work.quarantine
            or not known.in_view
            or known.blocked
            or known.deleted
        ):
            continue
        values = {
            item.name: known.values[item.name]
            for item in spec.fields
            if item.travels_to("books") and known.values.get(item.name) not in (None, MISSING, "")
        }
        bodies.append((known.ref, write_fields(spec, "books", values, None, rules.lookups)))
        if len(bodies) == MOST_PERSONS:
            break
    return bodies


def _contacts_of(work: EntityWork, account: str) -> Iterable[Known]:
    index = work.by_account
    if not index:
        for ref, known in sorted(work.known.items()):
            if ref.module == "Contacts" and work.mapping_of.get(ref) == "persons":
                holder = known.raw.get("Account_Name")
                if isinstance(holder, dict) and holder.get("id"):
                    index.setdefault(str(holder["id"]), []).append(known)
    return index.get(account, [])


def _plan_persons(rooms: Rooms, world: World, work: EntityWork, draft: Draft, rules: PlanRules) -> None:
    """Contacts of accounts and contact persons of their customers, once the customers are decided."""
    spec = world.mappings["persons"]
    accounts = _parents(rooms, work, draft)
    strangers = _strangers(work) if rules.settings.conflicts == "clone" else {}
    by_books = {books: account for account, (books, _) in accounts.items()}
    outside = _out_of_view(rooms, world, work, accounts)
    by_native = _kept_customers(rooms, world, work, accounts)
    travelling = {ref for action in draft.actions.values() for ref in action.carries}
    links = sorted({link.id: link for link in work.linked.values()}.values(), key=lambda one: one.id)
    left = left_persons(rooms, work, links)
    for link in links:
        crm, books = work.known.get(link.crm), work.known.get(link.books)
        if crm is None or books is None or work.mapping_of.get(link.crm) != "persons":
            continue
        if link.id in left and not crm.deleted:  # their customer was merged into another one, whose persons they meet next
            draft.links.append(replace(link, state="ended"))
            draft.asides.append((books.ref, "merged", ""))
            say_both(draft, crm, books, "removed", "link_moved")
            continue
        parent = Ref("books", "contacts", str(books.raw.get("contact_id") or ""))
        account = account_of(crm.raw)
        if crm.ref in travelling:
            key = draft.creating[Ref("crm", "Accounts", str(account))]
            draft.creating[crm.ref] = key
            say_both(draft, crm, books, "created", "with_customer", actions=(key,))
            continue
        ending = draft.ended.get(parent) or draft.ended.get(Ref("crm", "Accounts", str(account)))
        if ending is not None and ending.effect == "delete_books" and not books.deleted:
            say_both(draft, crm, books, "removed", "delete", actions=(ending.key,))  # the customer takes its persons with it
            continue
        if link.mapping == "persons" and account in outside and not crm.deleted and not books.deleted:
            for known in (crm, books):
                draft.say(known, "skipped", "customer_out_of_view")
            continue
        moved = link.mapping == "persons" and by_books.get(parent.id) not in (None, account)
        keeps = parent.id in by_native
        copy = next((one.ref for one in strangers.get(parent.id, ()) if one.values == books.values), None)
        its = None
        if crm.deleted or books.deleted:
            side: Side = "crm" if crm.deleted else "books"
            its = _customer_of(work, draft, side, account, parent, accounts, by_books, ending)
        _plan_link(
            rooms, world, work, draft, spec, link, crm, books, rules, moved=moved, parent=parent, by_native=keeps, copy=copy,
            customer=its,
        )  # fmt: skip
    work.asides.update({ref: (why, mark) for ref, why, mark in draft.asides if ref.module == "contact_persons"})
    meetings = match(rooms, world, work, "persons", by_books)
    for crm_ref, books_ref, evidence, detail in sorted(meetings.pairs, key=lambda pair: pair[0]):
        crm, books = work.known[crm_ref], work.known[books_ref]
        parent = Ref("books", "contacts", str(books.raw.get("contact_id")))
        if account_of(crm.raw) in outside:
            for known in (crm, books):
                draft.say(known, "skipped", "customer_out_of_view")
            continue
        _plan_pair(work, draft, spec, crm, books, rules, evidence, detail, parent=parent, kept=parent.id in by_native)
    _plan_widowed(rooms, work, draft, spec, meetings)
    for lefts, rights, scores in meetings.ambiguous:
        _plan_group(work, draft, rules, lefts, rights, scores)
    counts: dict[str, int] = {}
    words = _words_of_customers(rooms, work, meetings.alone)
    waiting = _waiting(rooms)
    for ref in meetings.alone:
        known = work.known[ref]
        if ref in work.quarantine:
            continue
        if _is_aside(work, ref) and not _is_to_be_created(rules, ref):
            _say_aside(work, draft, rules, known)
            continue
        linked_already = any(one["reason"] == "linked" for one in meetings.taken.get(ref, ()))
        if (ref in waiting or linked_already) and _still_asked(work, draft, known, rules, meetings, waiting):
            continue
        account = account_of(known.raw) if ref.side == "crm" else by_books.get(str(known.raw.get("contact_id")))
        if account in outside:
            draft.say(known, "skipped", "customer_out_of_view")
        elif account is not None and accounts.get(account, ("", ""))[0] in by_native:
            draft.say(known, "skipped", "native_keeps")
        elif ref.side == "crm":
            _plan_crm_person(work, draft, spec, known, rules, accounts, travelling, counts, words)
        else:
            _plan_books_person(work, draft, spec, known, rules, by_books, words)
    draft.carried_out.update(meetings.overtaken)
    for ref in meetings.skipped:
        draft.asides.append((ref, "decision_skip", ""))
        draft.say(work.known[ref], "skipped", "decision_skip")
        _carried(draft, rules, ref)


def _customer_of(
    work: EntityWork,
    draft: Draft,
    gone: Side,
    account: str | None,
    parent: Ref,
    accounts: Mapping[str, tuple[str, str]],
    by_books: Mapping[str, str],
    ending: Ending | None,
) -> _Customer:
    """Of a pair of persons of whom the one on the side `gone` was deleted."""
    went = parent if gone == "books" else Ref("crm", "Accounts", str(account))
    with_it = ending if went in draft.ended and work.known[went].deleted else None
    if gone == "books":
        customer, link_action = accounts.get(str(account), ("", ""))
        place = {"contact_id": customer} if customer else None
        return _Customer(place, (link_action,) if link_action else (), with_it)
    if with_it is not None and with_it.effect == "write_crm":
        return _Customer({"Account_Name": {"id": {"$created": with_it.key}}}, (with_it.key,), with_it)
    holder = by_books.get(parent.id)
    return _Customer({"Account_Name": {"id": holder}} if holder else None, (), with_it)


def _strangers(work: EntityWork) -> dict[str, list[Known]]:
    """Unlinked contact persons by customer. Persons hold no key of ours: one of these who says what a linked one says is the
    copy of a conflict that was made before the answer was lost."""
    found: dict[str, list[Known]] = {}
    for ref, known in sorted(work.known.items()):
        if ref.module == "contact_persons" and ref not in work.linked and not known.deleted:
            found.setdefault(str(known.raw.get("contact_id")), []).append(known)
    return found


def _parents(rooms: Rooms, work: EntityWork, draft: Draft) -> dict[str, tuple[str, str]]:
    """CRM account id → (Books customer id, key of the action that links them in this run or "")."""
    wanted = {
        str((known.raw.get("Account_Name") or {}).get("id"))
        for ref, known in work.known.items()
        if ref.module == "Contacts" and isinstance(known.raw.get("Account_Name"), dict)
    }
    found: dict[str, tuple[str, str]] = {}
    now = {link.id: link for link in draft.links}  # a side found dead, or back, in this run
    for account, link in rooms.ledger.links(rooms.spec.name, "crm", "Accounts", wanted).items():
        link = now.get(link.id, link)
        if _lives(link) and link.crm.id == account:
            found[account] = (link.books.id, "")
    customers = {str(known.raw.get("contact_id")) for ref, known in work.known.items() if ref.module == "contact_persons"}
    for customer, stored in rooms.ledger.links(rooms.spec.name, "books", "contacts", customers).items():
        link = now.get(stored.id, stored)  # which may follow a merge in this run
        if link.crm.module == "Accounts" and link.books.id == customer and _lives(link):
            found[link.crm.id] = (customer, "")
    for action in draft.actions.values():
        if action.verb == "link" and action.module == "Accounts" and action.target and action.source:
            found[action.target.id] = (action.source.id, action.key)
    return found


def _lives(link: Link) -> bool:
    return link.state == "live" and link.dead is None


def _out_of_view(rooms: Rooms, world: World, work: EntityWork, accounts: Iterable[str]) -> set[str | None]:
    """The accounts whose customer is not synced because they are out of the view: nor are their persons."""
    if "Accounts" not in dict(work.settings.views):
        return set()
    refs = [Ref("crm", "Accounts", account) for account in accounts]
    load(rooms, world, work, refs, extracted=False)
    return {ref.id for ref in refs if ref in work.known and not work.known[ref].in_view}


def _kept_customers(rooms: Rooms, world: World, work: EntityWork, accounts: Mapping[str, tuple[str, str]]) -> set[str]:
    """Ids of the Books customers of these accounts that the built-in integration keeps: it keeps their persons, too."""
    if rooms.spec.native == "off":
        return set()
    refs = {account: Ref("books", "contacts", customer) for account, (customer, _) in accounts.items()}
    load(rooms, world, work, refs.values(), extracted=False)
    return {
        ref.id for account, ref in refs.items()
        if ref in work.known and kept(work.known[ref].raw, Ref("crm", "Accounts", account), rooms.spec.native)
    }  # fmt: skip


def _plan_crm_person(
    work: EntityWork,
    draft: Draft,
    spec: MappingSpec,
    known: Known,
    rules: PlanRules,
    accounts: Mapping[str, tuple[str, str]],
    travelling: set[Ref],
    counts: dict[str, int],
    words: Mapping[Ref, tuple[str, str]],
) -> None:
    account = Ref("crm", "Accounts", str((known.raw.get("Account_Name") or {}).get("id")))
    if known.ref in travelling:
        key = draft.creating[account]
        draft.creating[known.ref] = key
        draft.say(known, "created", "with_customer", actions=(key,))
        _carried(draft, rules, known.ref)
        return
    if not known.extracted:
        return
    if account.id in accounts:
        books, link_action = accounts[account.id]
        parent = work.known.get(Ref("books", "contacts", books))
        if books not in counts:
            counts[books] = len((parent.raw.get("contact_persons") or []) if parent else [])
        if counts[books] >= MOST_PERSONS:
            work.quarantine[known.ref] = [
                QuarantineRow(
                    known.ref,
                    work.entity,
                    "target_limit",
                    "last_name",
                    f"Books takes {MOST_PERSONS} contact persons a customer",
                    known.label,
                )
            ]
            return
        counts[books] += 1
        needs = (link_action,) if link_action else ()
        plan_create(draft, spec, known, "books", rules, needs=needs, parent={"contact_id": books})
        _carried(draft, rules, known.ref)
        return
    if not known.in_view:
        draft.say(known, "skipped", "out_of_view")
        return
    _wait_for_customer(draft, known, account, words)


def _plan_books_person(
    work: EntityWork,
    draft: Draft,
    spec: MappingSpec,
    known: Known,
    rules: PlanRules,
    by_books: Mapping[str, str],
    words: Mapping[Ref, tuple[str, str]],
) -> None:
    customer = Ref("books", "contacts", str(known.raw.get("contact_id")))
    if not known.extracted:
        return
    if rules.settings.direction == "to_books":
        draft.say(known, "skipped", "direction")
    elif customer.id in by_books:
        plan_create(draft, spec, known, "crm", rules, parent={"Account_Name": {"id": by_books[customer.id]}})
        _carried(draft, rules, known.ref)
    elif customer in draft.creating:
        key = draft.creating[customer]
        plan_create(draft, spec, known, "crm", rules, needs=(key,), parent={"Account_Name": {"id": {"$created": key}}})
        _carried(draft, rules, known.ref)
    else:
        _wait_for_customer(draft, known, customer, words)


def _wait_for_customer(draft: Draft, known: Known, customer: Ref, words: Mapping[Ref, tuple[str, str]]) -> None:
    """A person whose account or customer has no partner shares its word where it was skipped, and waits otherwise."""
    outcome, reason = words.get(customer, ("", ""))
    if customer in draft.verdicts:
        outcome, reason = draft.verdicts[customer].outcome, draft.verdicts[customer].reason
    if outcome in ("skipped", "removed"):
        draft.say(known, "skipped", f"customer_{reason.partition(':')[0]}")
    else:
        draft.say(known, "blocked", "customer_created_first" if outcome == "created" else "customer_not_linked")


def _words_of_customers(rooms: Rooms, work: EntityWork, persons: Iterable[Ref]) -> dict[Ref, tuple[str, str]]:
    """What earlier runs said of the accounts and customers of these persons."""
    by_list: dict[tuple[Side, str], set[str]] = {}
    for ref in persons:
        raw = work.known[ref].raw
        holder = account_of(raw) if ref.side == "crm" else raw.get("contact_id")
        by_list.setdefault((ref.side, "Accounts" if ref.side == "crm" else "contacts"), set()).add(str(holder))
    return {
        mirror.ref: (mirror.outcome, mirror.reason)
        for (side, module), ids in by_list.items()
        for mirror in rooms.ledger.mirrors(rooms.spec.name, side, module, ids).values()
    }


# ------------------------------------------------------------------------------------------------------- what is left


def _plan_unsynced(work: EntityWork, draft: Draft) -> None:
    for ref, known in work.known.items():
        mapping = work.mapping_of.get(ref, "")
        if known.extracted and ref not in draft.verdicts and ref not in work.quarantine:
            if known.deleted:
                draft.say(known, "skipped", "deleted")
            elif mapping.startswith("!"):
                draft.say(known, "skipped", mapping[1:])


def _plan_quarantined(work: EntityWork, draft: Draft) -> None:
    for ref, rows in sorted(work.quarantine.items()):
        known = work.known[ref]
        if not known.extracted:
            continue
        draft.quarantine.extend(rows)
        draft.say(known, "quarantined", rows[0].rule, detail={"rules": [[row.rule, row.field, row.words] for row in rows]})
