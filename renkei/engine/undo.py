"""Undo: a plan that goes back, made of what the ledger's journal says that a run wrote and of what stands there now.

The plan is shown, stored, braked and applied by its fingerprint like any other; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from renkei.core.commands import command
from renkei.core.errors import AskedWrongly
from renkei.core.mapping import MappingSpec, map_record
from renkei.core.planning import ACTIVE, Draft, Known, base_values, plan_create
from renkei.core.published import KINDS
from renkei.core.records import Action, Intent, Link, Run
from renkei.core.undoing import (
    UNDO,
    Present,
    UndoRules,
    Written,
    activate_again,
    end_link,
    link_again,
    put_back,
    remove_made,
    written_by,
)
from renkei.core.values import Ref, Side
from renkei.engine.extract import read_by_id
from renkei.engine.recall import load
from renkei.engine.resolve import fetch_details, freeze_entity, plan_rules
from renkei.engine.sequence import ENGINE, Report, Stages, act, in_a_run
from renkei.engine.work import (
    PUBLISHED,
    SYNCED,
    EntityWork,
    Request,
    Rooms,
    World,
    account_of,
    rules_hash,
    settings_of,
)

SHOWN = 5  # documents that a message names
ARRIVED = frozenset({"confirmed", "unknown", "abandoned"})  # or may have: what stands there now tells


@dataclass(frozen=True, slots=True)
class Share:
    """What a run wrote of one entity, or may have written.

    made      creates, with the record that each made, None where no answer told it
    links     links that it made between records that stood there before
    apart     links that it took apart, as an undo does
    removed   records that it removed or made inactive
    rest      every other action that changed fields
    erased    those whose contents were erased since: nobody knows what was there
    """

    made: list[tuple[Action, Ref | None]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    apart: list[Action] = field(default_factory=list)
    removed: list[Action] = field(default_factory=list)
    rest: list[Action] = field(default_factory=list)
    erased: list[Action] = field(default_factory=list)

    def refs(self) -> list[Ref]:
        """Every record that it is about."""
        found = [one for action, ref in self.made for one in (action.source, ref, *action.carries)]
        found += [one for link in self.links for one in (link.crm, link.books)]
        found += [
            one for action in (*self.apart, *self.removed, *self.rest, *self.erased) for one in (action.source, action.target)
        ]
        return list(dict.fromkeys(one for one in found if one is not None))


async def plan_undo(
    rooms: Rooms, request: Request, run: str, record: Ref | None = None, field: str = "", stages: Stages = ENGINE
) -> Report:
    """The plan that undoes a run, or of it what it wrote on one record or its partner, or one field. Writes nothing.

    raises  AskedWrongly for a run that is unknown, that wrote to another Books organisation, or that wrote nothing of the kind
    """
    undone = _run(rooms, run)
    shares, published, documents = _shares(rooms, undone, record, field)

    async def body(report: Report, now: str) -> None:
        await stages.recover(rooms, request, now)
        world = await stages.survey(rooms, request, now)
        works = [
            await _work(rooms, request, world, now, stages, entity, undone.id, shares[entity], field)
            for entity in SYNCED
            if entity in shares
        ]
        if published:
            report.notes.append(f"{published} published rows are not put back: each run makes them anew of what stands in Books")
        if documents:
            report.notes.append(f"{_listed(documents)}. They are not put back: change, void or delete them in Books")
        await act(rooms, planning, stages, world, works, report)

    planning = replace(request, plan_only=True)
    return await in_a_run(rooms, planning, "plan", body)


def _run(rooms: Rooms, run: str) -> Run:
    found, name = rooms.ledger.run(run), rooms.spec.name
    if found is None or found.connection != name:
        raise AskedWrongly(f"{name} has no run {run!r}.", fix=f"They are shown by: {command(name, 'runs list')}")
    declared = (rooms.ledger.configuration(found.configuration) or {}).get("connection", {})
    organization = str(declared.get("organization") or rooms.spec.organization)
    if organization != rooms.spec.organization:
        raise AskedWrongly(
            f"not_connected: the run {run} wrote to the Books organisation {organization}, {name} works with "
            f"{rooms.spec.organization} now.", fix="Switch back to that organisation to undo what was written there.",
        )  # fmt: skip
    return found


# ------------------------------------------------------------------------------------------------- what the run wrote


def _shares(rooms: Rooms, undone: Run, record: Ref | None, only: str) -> tuple[dict[str, Share], int, list[Ref]]:
    """What the run wrote, by entity, how many published rows, and which documents; of it what is about the record or the field,
    where one is named."""
    ledger, name = rooms.ledger, rooms.spec.name
    intents = [one for one in ledger.intents(undone.id) if one.state in ARRIVED]
    links = {link.id: link for link in ledger.links_made(name, undone.id) if link.evidence != "created"}
    again = [one.action for one in intents if one.action.verb == "link" and one.action.link not in links]
    links |= {link.id: link for one in again if (link := ledger.link_of(name, _target(one))) is not None and link.id == one.link}
    if record is not None:
        intents = [one for one in intents if record in _spoken_of(one)]
        links = {key: link for key, link in links.items() if record in (link.crm, link.books)}
    if only:
        intents = [one for one in intents if _overwrote(one.action, only)]
        links = {}
    shares: dict[str, Share] = {}
    for link in links.values():
        shares.setdefault(link.entity, Share()).links.append(link)
    for intent in intents:
        _sort_in(rooms, shares, intent)
    published = sum(one.action.entity in PUBLISHED and one.action.side == "crm" for one in intents)
    of_documents = [one for one in intents if one.action.side == "books" and one.action.module in KINDS]
    documents = sorted({ref for one in of_documents for ref in _spoken_of(one) if ref.module in KINDS})
    if documents and not shares and not published:
        raise AskedWrongly(
            f"Of the run {undone.id} an undo puts nothing back: {_listed(documents)}.",
            fix="Change, void or delete them in Books; an e-mail that left cannot be taken back.",
        )
    if not shares and not published:
        what = " ".join(word for word in ("nothing", f"on {record}" if record else "", f"in {only}" if only else "") if word)
        show = command(name, f"runs show {undone.id}")
        raise AskedWrongly(f"The run {undone.id} wrote {what}.", fix=f"What it did: {show}")
    return shares, published, documents


def _listed(documents: Sequence[Ref]) -> str:
    more = f" and {len(documents) - SHOWN} more" if len(documents) > SHOWN else ""
    return f"it made, changed or sent {', '.join(map(str, documents[:SHOWN]))}{more}"


def _target(action: Action) -> Ref:
    assert action.target is not None
    return action.target


def _overwrote(action: Action, name: str) -> bool:
    return action.verb in ("update", "link", "unlink") and any(change.field == name for change in action.changes)


def _sort_in(rooms: Rooms, shares: dict[str, Share], intent: Intent) -> None:
    action = intent.action
    if action.entity not in SYNCED:
        return
    share = shares.setdefault(action.entity, Share())
    if not action.payload:
        share.erased.append(action)
    elif action.verb == "create":
        share.made.append((action, _made(rooms, intent)))
    elif action.verb == "unlink":
        share.apart.append(action)
    elif action.verb in ("remove", "deactivate"):
        share.removed.append(action)
    else:
        share.rest.append(action)


def _made(rooms: Rooms, intent: Intent) -> Ref | None:
    """The record that a create made: by its answer, else by the link that a later run found by our key."""
    action, made = intent.action, intent.answer.get("id")
    if made:
        return Ref(action.side, action.module, str(made))
    link = rooms.ledger.link_of(rooms.spec.name, action.source) if action.source is not None and not action.aside else None
    if link is None or link.evidence != "key":
        return None
    return link.crm if action.side == "crm" else link.books


def _spoken_of(intent: Intent) -> set[Ref]:
    action = intent.action
    made = intent.answer.get("id")
    named = {ref for ref in (action.source, action.target) if ref is not None}
    return named | ({Ref(action.side, action.module, str(made))} if made else set())


# ------------------------------------------------------------------------------------------------------------ the plan


async def _work(
    rooms: Rooms,
    request: Request,
    world: World,
    run: str,
    stages: Stages,
    entity: str,
    undone: str,
    share: Share,
    only: str,
) -> EntityWork:
    """One entity's part of the plan: what changed since is read first, then every record that the run wrote."""
    work = EntityWork(entity, False, rules_hash(rooms, entity), settings_of(rooms.spec, entity))
    work.facts = {UNDO: undone, "planned_by": run}
    work.draft = Draft(entity)
    await stages.extract(rooms, request, world, work, run)
    await _know(rooms, world, work, run, share.refs())
    _Back(rooms, world, work, work.draft, undone, only).plan(share)
    for known in work.known.values():
        known.extracted = known.ref in work.draft.verdicts
    work.unchanged.clear()
    # it decides about these records alone: how far the lists are read for the others stays as it was
    work.lists = [replace(one, complete=False, left=one.left or UNDO) for one in work.lists]
    work.plan = freeze_entity(work, work.draft)
    return work


async def _know(rooms: Rooms, world: World, work: EntityWork, run: str, refs: Sequence[Ref]) -> None:
    """These records and their partners as they are now, Books customers with their detail."""
    ledger, name = rooms.ledger, rooms.spec.name
    unread: list[tuple[Side, str]] = [(one.side, one.module) for one in work.lists if one.left]
    for side, module in unread:
        ids = sorted({ref.id for ref in refs if (ref.side, ref.module) == (side, module)})
        await read_by_id(rooms, world, work, side, module, ids, run)
    load(rooms, world, work, refs, extracted=True)
    load(rooms, world, work, [ref for link in work.links.values() for ref in (link.crm, link.books)], extracted=True)
    persons = [one for one in work.known.values() if one.ref.module == "contact_persons"]
    load(
        rooms, world, work, sorted({Ref("books", "contacts", str(one.raw.get("contact_id"))) for one in persons}), extracted=True
    )
    customers = [one for ref, one in sorted(work.known.items()) if ref.module == "contacts" and not one.deleted]
    await fetch_details(rooms, world, work, [one.ref for one in customers if not one.complete])
    for ref, owner in ledger.claimed(name, rooms.clock.now(), run).items():
        if ref in work.known and owner != run:
            work.known[ref].blocked = "claimed"
    work.bases = ledger.bases(name, work.links)


@dataclass(slots=True)
class _Back:
    """One entity on its way back. `undone`: the run; `only`: the one field that is asked for, or ""."""

    rooms: Rooms
    world: World
    work: EntityWork
    draft: Draft
    undone: str
    only: str

    def plan(self, share: Share) -> None:
        wrote = {one.target: one for one in written_by((*share.rest, *share.apart), self.only)}
        for action in share.erased:
            self._say([action.source, action.target], "skipped", "erased")
        for action in share.removed:
            self._return_removed(action)
        for action in share.apart if not self.only else ():
            self._link_again(action, wrote)
        for action, made in share.made:
            self._remove_made(action, made)
        for link in share.links:
            self._end_link(link, wrote)
        for one in wrote.values():
            target = self.work.known.get(one.target)
            if target is not None and (present := self._present(target, one.mapping)) is not None:
                put_back(self.draft, self.world.mappings[one.mapping], one, present, self._rules())

    def _rules(self) -> UndoRules:
        spec = self.rooms.spec
        return UndoRules(self.undone, spec.name, self.world.lookups, spec.crm_key, spec.books_key)

    def _present(self, target: Known, mapping: str) -> Present | None:
        """The record as it is now, read under the mapping that wrote it; None where that is in use no longer, which is said."""
        link = self.work.linked.get(target.ref)
        partner = self.work.known.get(link.books if target.ref.side == "crm" else link.crm) if link is not None else None
        spec = self.world.mappings.get(mapping)
        if spec is None:
            for known in (target, partner):
                if known is not None:
                    self.draft.say(known, "skipped", "not_mapped")
            return None
        for known in (target, partner):
            if known is not None:
                self._read_under(spec, known)
        base = self.work.bases.get(link.id) if link is not None else None
        half = None if base is None else base.crm if target.ref.side == "crm" else base.books
        values = base_values(half, spec, target.ref.side, self.world.lookups)
        return Present(target, partner, link, values, lambda name: self._rewritten(target.ref, name))

    def _read_under(self, spec: MappingSpec, known: Known) -> None:
        if set(known.values) != {item.name for item in spec.fields}:
            known.values = map_record(known.raw, spec, known.ref.side, self.world.lookups)

    def _rewritten(self, ref: Ref, name: str) -> bool:
        """Whether a later run of ours wrote the field."""
        writers = [
            run
            for run, row in self.rooms.ledger.story(self.rooms.spec.name, ref)
            if row.kind == "write"
            and any(one["field"] == name and one["side"] == ref.side for one in row.detail.get("changes", ()))
        ]
        return not writers or writers[-1] != self.undone

    def _say(self, refs: Iterable[Ref | None], outcome: str, reason: str) -> None:
        for ref in refs:
            known = self.work.known.get(ref) if ref is not None else None
            if known is not None:
                self.draft.say(known, outcome, reason)

    # -------------------------------------------------------------------------------------------------- what was made

    def _remove_made(self, action: Action, made: Ref | None) -> None:
        target = self.work.known.get(made) if made is not None else None
        if target is None:
            self._say([action.source], "skipped", "answer_unknown" if made is None else "deleted")
            return
        present = self._present(target, action.mapping)
        if present is None:
            return
        if action.aside:
            present = replace(present, partner=None, link=None)
        elif present.link is None or present.partner is None or present.partner.ref != action.source:
            self._say([target.ref, action.source], "skipped", "deleted" if target.deleted else "changed_since")
            return
        said = {change.field: (None, change.after) for change in action.changes if change.side == action.side}
        wrote = Written(target.ref, action.mapping, said)
        present = replace(present, moved=self._moved(action, present))
        remove_made(self.draft, self.world.mappings[action.mapping], wrote, present, self._rules())
        verdict = self.draft.verdicts.get(target.ref)
        if verdict is not None:  # contacts that travelled with their customer go with it, or stay with it
            for ref in (one for one in action.carries if one in self.work.known):
                self.draft.say(self.work.known[ref], verdict.outcome, verdict.reason, actions=verdict.actions)

    def _moved(self, action: Action, present: Present) -> bool:
        """Whether somebody saved the record since our last write of it. A customer's persons move its stamp, and so does marking
        it inactive: there the mapped fields alone tell."""
        base = self.work.bases.get(present.link.id) if present.link is not None else None
        target = present.target
        stamp = None if base is None else base.crm_stamp if target.ref.side == "crm" else base.books_stamp
        if stamp is None or stamp == target.stamp or ACTIVE in action.payload:
            return False
        return not (
            target.ref.module == "contact_persons" or (target.ref.module == "contacts" and self._wrote_persons(target.ref))
        )

    def _wrote_persons(self, customer: Ref) -> bool:
        ledger, name = self.rooms.ledger, self.rooms.spec.name
        found = ledger.by_keys(name, "books", "contact_persons", [("parent", customer.id)])
        return any(
            row.kind == "write" and row.detail.get("module") == "contact_persons"
            for ids in found.values()
            for one in ids
            for _, row in ledger.story(name, Ref("books", "contact_persons", one))
        )

    # ------------------------------------------------------------------------------------------------ what was linked

    def _end_link(self, link: Link, wrote: dict[Ref, Written]) -> None:
        both = self._both(link)
        present = self.work.linked.get(link.crm)
        if both is None or present is None or present.id != link.id:
            for ref in (link.crm, link.books):
                wrote.pop(ref, None)
            if both is not None:
                self._say([link.crm, link.books], "skipped", "changed_since")
            return
        mine = {ref: wrote.pop(ref) for ref in (link.crm, link.books) if ref in wrote}
        end_link(self.draft, self.world.mappings[link.mapping], link, mine, *both, self._rules())

    def _link_again(self, action: Action, wrote: dict[Ref, Written]) -> None:
        assert action.target is not None and action.source is not None
        link = Link(action.link, action.entity, action.mapping, action.target, action.source, self.rooms.clock.now(), "decision")
        mine = {ref: wrote.pop(ref) for ref in (link.crm, link.books) if ref in wrote}
        both = self._both(link)
        if both is not None:
            link_again(self.draft, self.world.mappings[link.mapping], link, mine, *both, self._rules())

    def _both(self, link: Link) -> tuple[Present, Present] | None:
        crm, books = self.work.known.get(link.crm), self.work.known.get(link.books)
        if crm is None or books is None:
            self._say([link.crm, link.books], "skipped", "deleted")
            return None
        first, second = self._present(crm, link.mapping), self._present(books, link.mapping)
        return (first, second) if first is not None and second is not None else None

    # ----------------------------------------------------------------------------------------------- what was removed

    def _return_removed(self, action: Action) -> None:
        """A record that was made inactive is marked active; one that is gone is made again, of what its partner says now."""
        target = self.work.known.get(_target(action))
        source = self.work.known.get(action.source) if action.source is not None else None
        if target is not None and not target.deleted:
            if target.ref.side == "crm":  # a person took it back from the recycle bin
                self._say([target.ref, action.source], "skipped", "changed_since")
                return
            present = self._present(target, action.mapping)
            if self.work.mirrors[target.ref].row.get("status") != "inactive":
                self._say([target.ref, action.source], "skipped", "changed_since")
            elif present is not None:
                activate_again(self.draft, self.world.mappings[action.mapping], present, self._rules())
            return
        if source is None or source.deleted or source.ref in self.work.linked or action.mapping not in self.world.mappings:
            why = "changed_since" if source is not None and source.ref in self.work.linked else "partner_deleted"
            self._say([action.target, action.source], "skipped", why)
            return
        spec = self.world.mappings[action.mapping]
        self._read_under(spec, source)
        place = self._place(action, source)
        if action.mapping == "persons" and place is None:
            self._say([source.ref], "blocked", "customer_not_linked")
            return
        plan_create(self.draft, spec, source, action.side, plan_rules(self.rooms, self.world, self.work), parent=place)
        if source.ref in self.draft.creating:
            self.draft.unaside.append(source.ref)

    def _place(self, action: Action, source: Known) -> Mapping[str, object] | None:
        """Where a person that is made again belongs: under the partner of its own customer or account."""
        if action.mapping != "persons":
            return {}
        account = account_of(source.raw)
        holder = Ref("crm", "Accounts", account) if account else None
        if source.ref.side == "books":
            holder = Ref("books", "contacts", str(source.raw.get("contact_id")))
        link = self.rooms.ledger.link_of(self.rooms.spec.name, holder) if holder is not None else None
        if link is None:
            return None
        return {"contact_id": link.books.id} if action.side == "books" else {"Account_Name": {"id": link.crm.id}}
