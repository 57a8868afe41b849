"""Publish: what the two published entities share. Whose documents changed, where a customer stands in the CRM, which deals
there are, and whose rows are ours.

`documents` reads Books' documents and keeps one row for each in the CRM; `summaries` adds the same invoices up. Where only
one of them is published, that one reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from renkei.core import published
from renkei.core.joins import answered
from renkei.core.planning import Draft, EntityPlan, Known
from renkei.core.published import KINDS, document_of
from renkei.core.records import Action, DocumentRow, Link, Mirror, QuarantineRow, Row
from renkei.core.values import Ref
from renkei.engine.work import EntityWork, Rooms, documents_read, fields_of

AS_OF = {"$fact": "as_of"}  # filled in by load: when Books was read, which makes no other plan of the same figures


@dataclass(slots=True)
class Place:
    """Where a Books customer stands in the CRM: `crm`, or None and why not.

    made_by   the key of the action of this run that creates that record; its id is not known yet
    word      what its documents are called where it stands nowhere: skipped or blocked
    """

    id: str
    crm: Ref | None = None
    reason: str = ""
    made_by: str = ""
    label: str = ""
    word: str = ""

    @property
    def lookup(self) -> str:
        """Our name of the field that names the record."""
        return "account" if self.crm is not None and self.crm.module == "Accounts" else "contact"


@dataclass(slots=True)
class Customers:
    """Places of customers, as the ledger and this run's plan of them have it; each is looked up once."""

    rooms: Rooms
    work: EntityWork
    found: dict[str, Place] = field(default_factory=dict)

    def places(self, ids: Iterable[str]) -> Mapping[str, Place]:
        """By id, all that are known by now; every id asked for is among them."""
        missing = {one for one in ids if one not in self.found}
        if missing:
            self._look(missing)
        return self.found

    def _look(self, ids: set[str]) -> None:
        ledger, name = self.rooms.ledger, self.rooms.spec.name
        links, mirrors = ledger.links(name, "books", "contacts", ids), ledger.mirrors(name, "books", "contacts", ids)
        plan = _plan_of_customers(self.work)
        made = made_links(self.work)
        said = {verdict.record.id: verdict for verdict in plan.verdicts if verdict.record.module == "contacts"} if plan else {}
        now = {link.books.id: link for link in plan.links} if plan else {}  # ended, found dead, or back from the bin
        names, leaving = _names_given(plan), _leaving(plan)
        for one in ids:
            mirror, link, verdict = mirrors.get(one), now.get(one, links.get(one)), said.get(one)
            label = names.get(one) or (mirror.row if mirror else {}).get("contact_name") or one
            place = self.found[one] = Place(one, label=str(label))
            if one in made:
                place.crm, place.made_by = made[one]
            elif link is not None and link.state == "live" and link.dead != "crm" and leaving.isdisjoint((link.crm, link.books)):
                place.crm = link.crm
            elif link is not None:
                place.reason, place.word = "customer_deleted", "skipped"
            else:
                told = verdict or mirror
                word, why = (told.outcome, told.reason) if told else ("", "")
                place.reason = f"customer_{why or word or 'not_linked'}" if word != "unchanged" else "customer_not_linked"
                place.word = "skipped" if word == "skipped" else "blocked"


def _plan_of_customers(work: EntityWork) -> EntityPlan | None:
    customers = work.earlier.get("customers")
    return customers.plan if customers else None


def _names_given(plan: EntityPlan | None) -> dict[str, str]:
    """Books customer → the name that this run's plan gives it."""
    return {
        action.target.id: str(action.payload["contact_name"])
        for action in (plan.actions if plan else ())
        if action.side == "books" and action.module == "contacts" and action.target and "contact_name" in action.payload
    }


def _leaving(plan: EntityPlan | None) -> set[Ref]:
    """Records that this run's plan of customers removes or makes inactive because their partners are gone."""
    gone = (action for action in (plan.actions if plan else ()) if action.verb in ("remove", "deactivate"))
    return {action.target for action in gone if action.target is not None and action.mapping != "persons"}


def made_links(work: EntityWork) -> dict[str, tuple[Ref, str]]:
    """Books customer → (CRM record, key of the action that creates it or "") of the links that this run's plan makes."""
    found: dict[str, tuple[Ref, str]] = {}
    plan = _plan_of_customers(work)
    for action in plan.actions if plan else ():
        if action.source is None or action.mapping == "persons" or action.side != "crm":
            continue
        if action.verb == "link" and action.target is not None:
            found[action.source.id] = (action.target, "")
        elif action.verb == "create" and action.source.side == "books":
            found[action.source.id] = (Ref("crm", action.module, ""), action.key)
    return found


def moved_links(rooms: Rooms, work: EntityWork, module: str) -> list[Link]:
    """Links of customers that were made, ended or marked since the last run that published to the module, or will be by this
    run's plan."""
    started = _published_before(rooms, work, module)
    found = rooms.ledger.links_changed(rooms.spec.name, started) if started is not None else []
    plan = _plan_of_customers(work)
    found += plan.links if plan else ()
    ended = (rooms.ledger.link_of(rooms.spec.name, ref) for ref in sorted(_leaving(plan)))
    found += [link for link in ended if link is not None]
    return [link for link in found if link.books.module == "contacts"]


def _published_before(rooms: Rooms, work: EntityWork, module: str) -> datetime | None:
    """When the last run that published to the module began; None when there was none."""
    mark = rooms.ledger.watermark(rooms.spec.name, "crm", module, work.entity)
    last = rooms.ledger.run(mark.run) if mark is not None and mark.run else None
    return last.started if last is not None else None


def today_of(rooms: Rooms) -> date:
    """The calendar day in the connection's time zone."""
    return rooms.clock.now().astimezone(ZoneInfo(rooms.spec.time_zone)).date()


def due_since(rooms: Rooms, work: EntityWork, module: str, kinds: Iterable[str], steps: Iterable[int]) -> Iterator[DocumentRow]:
    """Documents of these kinds that passed their last day, or so many days more (`steps`, 1: the day after), since the last run
    that published to the module. What such a document says may have changed although nothing in Books did."""
    started, today = _published_before(rooms, work, module), today_of(rooms)
    if started is None:
        return
    before = started.astimezone(ZoneInfo(rooms.spec.time_zone)).date()
    days = [before + timedelta(days=n + 1) for n in range((today - before).days)]
    due = {(day - timedelta(days=step)).isoformat() for day in days for step in steps}
    for kind in kinds if due else ():
        for chunk in rooms.ledger.documents(rooms.spec.name, kind, "due", due):
            yield from chunk


# ----------------------------------------------------------------------------------------------------------- documents


@dataclass(slots=True)
class Touched:
    """Documents that this run read as new, changed, open or gone, and whose they are or were."""

    ids: dict[str, set[str]] = field(default_factory=dict)  # module → ids
    customers: set[str] = field(default_factory=set)
    deals: set[str] = field(default_factory=set)


def reader(work: EntityWork) -> EntityWork:
    """The work that read Books' invoices in this run."""
    return work.earlier.get("documents") or work


def keep_documents(rooms: Rooms, work: EntityWork) -> Touched:
    """Put the documents that this run saw into the ledger's typed rows, each with the deal that it belongs to."""
    ledger, name, touched = rooms.ledger, rooms.spec.name, Touched()
    answers = answered(ledger.decisions(name))
    for module in documents_read(rooms, work.entity):
        seen = {ref.id: known for ref, known in work.known.items() if (ref.side, ref.module) == ("books", module)}
        if not seen:
            continue
        touched.ids[module] = set(seen)
        fresh, gone = [], []
        for chunk in ledger.documents(name, module, "id", seen):
            touched.customers |= {one.customer for one in chunk}
            touched.deals |= {one.deal for one in chunk}
        attached = {**ledger.attachments(name, module, seen), **answers.get(module, {})}
        for row_id, known in seen.items():
            if known.deleted:
                gone.append(row_id)
                continue
            touched.customers.add(str(known.raw.get("customer_id") or ""))
            if known.ref in work.quarantine:
                continue
            try:
                fresh.append(document_of(module, known.raw, rooms.spec.books_key, attached.get(row_id)))
            except (KeyError, ValueError, ArithmeticError) as error:
                work.quarantine[known.ref] = [QuarantineRow(known.ref, work.entity, "readable", "total", str(error), "")]
        touched.deals |= {one.deal for one in fresh}
        ledger.put_documents(name, fresh)
        ledger.remove_documents(name, module, gone)
    touched.customers.discard("")
    touched.deals.discard("")
    return touched


def documents_in(rooms: Rooms, module: str, rows: Sequence[Row]) -> Iterator[DocumentRow]:
    """List rows or details in types, each with the deal that it belongs to. Errors as of `document_of`."""
    kind, name = KINDS[module], rooms.spec.name
    attached = rooms.ledger.attachments(name, module, [str(row[kind.id]) for row in rows])
    for row in rows:
        yield document_of(module, row, rooms.spec.books_key, attached.get(str(row[kind.id])))


def spoilt_customers(work: EntityWork) -> set[str]:
    """Customers of whom an invoice cannot be read: their figures stay as they were."""
    read = reader(work)
    return {str(read.known[ref].raw.get("customer_id")) for ref in read.quarantine if ref.module == "invoices"}


# --------------------------------------------------------------------------------------------------------------- deals


async def deals_there(
    rooms: Rooms, work: EntityWork, wanted: Iterable[str], shown: Iterable[str] = ()
) -> Mapping[str, str | None]:
    """Of these deals, those that the CRM has: id → name, None where nobody read it. `shown`: deals that a published row names
    as the CRM shows it now. What neither they nor the ledger know is asked for, once a run."""
    ledger, name = rooms.ledger, rooms.spec.name
    known = reader(work).deals
    unknown = {one for one in wanted if one and one not in known}
    for deal, mirror in ledger.mirrors(name, "crm", "Deals", unknown).items():
        known[deal] = (mirror.deleted_at is None, mirror.row.get("Deal_Name"))
    for deal in unknown & set(shown):
        known.setdefault(deal, (True, None))
    asked = sorted(unknown - known.keys())
    if asked:
        there = await rooms.crm.get_many("Deals", asked, ["Deal_Name"])
        known |= {deal: (deal in there, there.get(deal, {}).get("Deal_Name")) for deal in asked}
    return {one: title for one in wanted if one for there, title in [known[one]] if there}


# ---------------------------------------------------------------------------------------------------------------- rows


def holder_of(rooms: Rooms, row: Row) -> Ref | None:
    """The CRM record that a receivables row of ours speaks of; None for a row of another connection or of nobody."""
    prefix, _, rest = str(row.get(rooms.summaries.key) or "").partition(":")
    module, _, rest = rest.partition(":")
    record, _, currency = rest.partition(":")
    return Ref("crm", module, record) if prefix == rooms.spec.name and record and currency else None


def is_ours(rooms: Rooms, module: str, row: Row) -> bool:
    """Whether this connection made a row of a published module."""
    if module == rooms.summaries.documents:
        return published.document_named(rooms.spec.name, row.get(rooms.summaries.key)) is not None
    return holder_of(rooms, row) is not None


def own_keys(rooms: Rooms, module: str, row: Row) -> tuple[tuple[str, str], ...]:
    """What finds the published rows of a CRM record or of a document: ours alone."""
    if module == rooms.summaries.documents:
        named = published.document_named(rooms.spec.name, row.get(rooms.summaries.key))
        return () if named is None else (("document", ":".join(named)),)
    holder = holder_of(rooms, row)
    return () if holder is None else (("holder", str(holder)),)


def known_row(work: EntityWork, mirror: Mirror) -> Known:
    """A row that this run writes to counts as read, however long unchanged."""
    return work.known.setdefault(mirror.ref, Known(mirror.ref, mirror.hash, mirror.stamp, mirror.row, {}, mirror.ref.id))


def remove_row(work: EntityWork, draft: Draft, mirror: Mirror, reason: str) -> str:
    """Plan that a published row is withdrawn; returns the action's key."""
    action = removal(work.entity, mirror.ref, mirror.stamp, reason)
    draft.act(action)
    draft.say(known_row(work, mirror), "removed", reason, actions=(action.key,))
    return action.key


def removal(entity: str, ref: Ref, stamp: datetime | None, reason: str) -> Action:
    """The action that withdraws a published row."""
    return Action(
        key=f"{entity}|remove|crm|{ref.module}|{ref}", entity=entity, mapping=entity, verb="remove", side="crm",
        module=ref.module, target=ref, source=None, payload={"id": ref.id}, changes=(), reason=reason, stamp=stamp, calls=0.01,
        rank=(2, ref.id),
    )  # fmt: skip


def say_rows(rooms: Rooms, work: EntityWork, draft: Draft) -> None:
    """The published rows that were read and need no write."""
    for ref, known in work.known.items():
        if ref.side != "crm" or ref in draft.verdicts or ref in work.quarantine:
            continue
        key = str(known.raw.get(rooms.summaries.key) or "")
        if known.deleted:
            draft.say(known, "skipped", "deleted")
        elif not is_ours(rooms, ref.module, known.raw):
            other = key.count(":") >= (2 if ref.module == rooms.summaries.documents else 3)
            draft.say(known, "skipped", "other_connection" if other else "not_ours")
        else:
            draft.say(known, "unchanged", "")


def shows_what_was_sent(rooms: Rooms, module: str, row: Row, sent: Row) -> bool:
    """Whether a published row reads as we wrote it."""
    return published.shows(fields_of(rooms, module), row, sent)


def read_at(rooms: Rooms) -> str:
    """The as-of time of this run's figures, as the CRM takes it."""
    return rooms.clock.now().astimezone(ZoneInfo(rooms.spec.time_zone)).replace(microsecond=0).isoformat()


def stored_rows(rooms: Rooms, module: str, rule: str, values: Sequence[str]) -> list[Mirror]:
    """Our rows of a published module that carry one of these values under `holder` or `document`."""
    ledger, name = rooms.ledger, rooms.spec.name
    hits = ledger.by_keys(name, "crm", module, [(rule, value) for value in values])
    return list(ledger.mirrors(name, "crm", module, {one for ids in hits.values() for one in ids}).values())
