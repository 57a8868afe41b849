"""Deals: what becomes of each deal's document in Books, as the entity `deals` of the same sequence.

A changed deal is decided by the table of core/documents.py: from its stage, from where its document stands now, and from what
it gives the document (core/deal_lines.py). An hourly run looks at the deals that changed, at those that wait, and at those of
which a part falls due; a full one reads all of them and finds the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from renkei.core import joins
from renkei.core.deal_lines import Billed, DealKnown, Document, Given, Part, documents_of, product_ids, reads
from renkei.core.document_forms import form_of, shown
from renkei.core.documents import ABSENT, FORECAST, GONE, DealCell, DealStage, Gate, Standing, deal_cell, stage_of
from renkei.core.errors import BudgetSpent
from renkei.core.mapping import full_row
from renkei.core.planning import REMEMBER, Draft, EntityPlan, Known, make_hold
from renkei.core.ports import Ledger
from renkei.core.records import Action, Answer, Change, DealDocument, QuarantineRow, Row, Watermark
from renkei.core.values import Ref, parse_time
from renkei.engine.match import decisions_of
from renkei.engine.publish import today_of
from renkei.engine.recall import load
from renkei.engine.work import DealsWorld, EntityWork, Request, Rooms, World, books_id, deal_kind, documents_read, published_of

AT_ONCE = 20  # deals whose lines and documents are asked for together
# What is remembered where a deal, or a part of it, has no document.
BEFORE, PASSED_OVER, WAITING = "before_setting", "decision_skip", "waiting"
# What a person may answer where the deal changed after its document was decided; `skip` where there is no document yet.
AFTER: Mapping[str, tuple[str, ...]] = {
    "changed_after_sent": ("keep",), "changed_after_accepted": ("keep",), "changed_after_void": ("keep", "renew"),
}  # fmt: skip
IN_EFFECT = "deals:"  # a watermark of this entity and the setting's word: since when the setting has been in effect


@dataclass(frozen=True, slots=True)
class Customer:
    """The Books customer of a deal: `id` where it is there, else `made_by`, the action of this run that makes it; neither where
    there is none. `needs`: the actions of this run without which there is no link."""

    id: str = ""
    made_by: str = ""
    needs: tuple[str, ...] = ()
    row: Row | None = None


@dataclass(slots=True)
class Deal:
    """A deal on its way to its cells.

    remembered   by part: "" for the deal's one document, the id of a row of its billing plan otherwise
    details      by part: the document as it stands now; None where it is gone
    joined       the status of a document that was joined to the deal and that we did not make
    lines, plan  None: not asked for
    """

    known: Known
    stage: DealStage = "open"
    customer: Customer = field(default_factory=Customer)
    remembered: dict[str, DealDocument] = field(default_factory=dict)
    details: dict[str, Row | None] = field(default_factory=dict)
    joined: str = ""
    lines: list[Row] | None = None
    plan: list[Row] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.known.ref.id

    def document(self, part: str) -> DealDocument | None:
        """What was made for the part."""
        mine = self.remembered.get(part)
        return mine if mine is not None and mine.document else None


async def resolve_deals(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Decide every deal that is new, changed or waiting: work.draft holds the actions and the words."""
    assert world.deals is not None
    work.draft = Draft(work.entity, work.unchanged)
    deciding = _Deciding(rooms, request, world.deals, world.crm.currency, work, work.draft, run)
    if not request.only:
        due = rooms.ledger.deals_due(rooms.spec.name, deciding.kind, deciding.today)
        load(rooms, world, work, [Ref("crm", "Deals", one) for one in due], extracted=True)
    refs = sorted(ref for ref, known in work.known.items() if known.extracted and ref not in work.quarantine)
    for start in range(0, len(refs), AT_ONCE):
        await deciding.decide([Deal(work.known[ref]) for ref in refs[start : start + AT_ONCE]])
        rooms.progress("resolve", work.entity, min(start + AT_ONCE, len(refs)), len(refs))
    work.facts = {"remember": deciding.remember, "forget": deciding.forget, "setting": rooms.spec.deals}


class _Deciding:
    """The entity while it is decided."""

    def __init__(
        self, rooms: Rooms, request: Request, world: DealsWorld, base: str, work: EntityWork, draft: Draft, run: str
    ) -> None:
        self.rooms, self.request, self.world, self.base, self.work, self.draft = rooms, request, world, base, work, draft
        self.setting, self.kind, self.spec = rooms.spec.deals, deal_kind(rooms.spec), world.spec
        self.first = not in_effect(rooms.ledger, rooms.spec.name, self.setting)
        self.decisions, _ = decisions_of(rooms, work.entity)
        ledger, name = rooms.ledger, rooms.spec.name
        self.answered = joins.answered(ledger.decisions(name)).get(self.kind, {})
        self.proposed = joins.proposed(ledger.open_holds(name), self.kind)
        self.today = today_of(rooms)
        self.reads = reads(self.spec, self.kind)
        self.claimed = rooms.ledger.claimed(rooms.spec.name, rooms.clock.now(), run)
        self.customers = _Customers(rooms, work)
        self.linked_now = _linked_products(work)
        self.remember: list[dict[str, Any]] = []
        self.forget: list[dict[str, Any]] = []

    async def decide(self, deals: Sequence[Deal]) -> None:
        self.customers.learn(deal.known.raw for deal in deals)
        by_id = {deal.id: deal for deal in deals}
        for one in self.rooms.ledger.deal_documents(self.rooms.spec.name, by_id):
            if one.module == self.kind:
                by_id[one.deal].remembered[one.part] = one
        there = [deal for deal in deals if self._place(deal)]
        await self._join(there)
        await asyncio.gather(*(self._ask(deal) for deal in there))
        known = self._known(there)
        for deal in there:
            self._decide(deal, known)

    # ------------------------------------------------------------------------------------------------ what is known of it

    def _place(self, deal: Deal) -> bool:
        """Its stage and its customer; False where it has its word already."""
        known, raw = deal.known, deal.known.raw
        if known.ref in self.claimed:
            self.draft.say(known, "blocked", "claimed")
            return False
        deal.customer = self.customers.of(raw)
        if known.deleted:
            deal.stage = "deleted"
            return True
        word = self._forecast(str(raw.get("Pipeline") or ""), str(raw.get("Stage") or ""))
        if word not in FORECAST:
            said = f"no pipeline of the CRM has the stage {raw.get('Stage')!r}"
            row = QuarantineRow(known.ref, self.work.entity, "unknown_stage", "Stage", said, str(raw.get("Stage") or "")[:200])
            self.work.quarantine[known.ref] = [row]
            return False
        deal.stage = stage_of(word)
        return True

    def _forecast(self, pipeline: str, stage: str) -> str:
        """By pipeline and stage; of a deal that names no pipeline, by its stage where all pipelines agree on it."""
        found = {self.world.stages.get((pipeline, stage), "")} - {""}
        found = found or {word for (_, name), word in self.world.stages.items() if name == stage}
        return found.pop() if len(found) == 1 else ""

    async def _join(self, deals: Sequence[Deal]) -> None:
        """Documents that others made for these deals, as the ledger knows them, or as Books tells where no run lists them."""
        ledger, name, listed = self.rooms.ledger, self.rooms.spec.name, self._listed()
        by_deal: dict[str, list[tuple[str, str]]] = {}
        for chunk in ledger.documents_of_deals(name, self.kind, [deal.id for deal in deals]):
            for one in chunk:
                by_deal.setdefault(one.deal, []).append((one.id, one.status))
        asked = {one for one, its in self.answered.items() if any(deal.id == its for deal in deals)}
        for chunk in ledger.documents(name, self.kind, "id", asked) if asked else ():
            for one in chunk:
                by_deal.setdefault(self.answered[one.id], []).append((one.id, one.status))
        for deal in deals:
            if not listed and not deal.remembered and not self._before(deal):
                rows = await self.rooms.books.documents_of(self.kind, "zcrm_potential_id", deal.id)
                by_deal[deal.id] = [(books_id(self.kind, row), str(row["status"])) for row in rows]
            mine = {one.document for one in deal.remembered.values()}
            others = [status for document, status in by_deal.get(deal.id, ()) if document not in mine]
            alive = [status for status in others if status not in ("void", "declined")]
            deal.joined = next(iter([*alive, *others]), "")

    def _listed(self) -> bool:
        """Whether an earlier run has read all documents of the kind, so that the ledger knows those of a deal."""
        ledger, name = self.rooms.ledger, self.rooms.spec.name
        marks = [
            ledger.watermark(name, "books", self.kind, entity)
            for entity in published_of(self.rooms.spec)
            if self.kind in documents_read(self.rooms, entity)
        ]
        return any(mark is not None for mark in marks)

    async def _ask(self, deal: Deal) -> None:
        """Ask for what the deal's cells may depend on: its documents as they stand, and its lines."""
        try:
            for part in deal.remembered if deal.stage != "deleted" else ():
                made = deal.document(part)
                if made is not None:
                    deal.details[part] = await self.rooms.books.get(self.kind, made.document)
                    self.work.details += 1
            if self._needs_lines(deal):
                await self._read_lines(deal)
        except BudgetSpent:
            self.work.budget_ended = True
            deal.known.blocked = "budget"

    def _needs_lines(self, deal: Deal) -> bool:
        parts = {"", *deal.remembered} if self.spec.billing is None or self.kind != "invoices" else {"", "?", *deal.remembered}
        for part in parts:
            cells = {self._cell(deal, part, changed) for changed in (False, True)}
            if len(cells) > 1 or any(cell.effect in ("create", "edit") for cell in cells):
                return True
        return False

    async def _read_lines(self, deal: Deal) -> None:
        whole = await self.rooms.crm.whole("Deals", deal.id) if self.reads.subforms else None
        lines, billing = self.spec.lines, self.spec.billing
        deal.lines = []
        if self.reads.related:
            deal.lines = await self.rooms.crm.related("Deals", deal.id, self.reads.related, self.reads.products)
        elif lines.subform:
            deal.lines = list((whole or {}).get(lines.subform) or ())
        if billing is not None:
            deal.plan = list((whole or {}).get(billing.subform) or ())

    def _known(self, deals: Sequence[Deal]) -> DealKnown:
        """What the lines of these deals name, as Books has it."""
        ids = {one for deal in deals for one in product_ids(self.spec, deal.lines or ())}
        links = self.rooms.ledger.links(self.rooms.spec.name, "crm", "Products", ids)
        items = {one: link.books.id for one, link in links.items() if link.dead is None} | {
            one: item for one, item in self.linked_now.items() if one in ids
        }
        mirrors = self.rooms.ledger.mirrors(self.rooms.spec.name, "books", "items", items.values())
        rows: dict[str, Row | None] = {one: mirrors[item].row for one, item in items.items() if item in mirrors}
        return DealKnown(rows, self.world.taxes, self.world.currencies, self.base, self.world.users)

    # --------------------------------------------------------------------------------------------------------- the cell

    def _standing(self, deal: Deal, part: str, *, changed: bool) -> Standing:
        mine = deal.document(part)
        if mine is None:
            return Standing(deal.joined) if deal.joined else Standing(ABSENT)
        if part not in deal.details:
            return Standing(mine.status, True, changed)
        detail = deal.details[part]
        if detail is None:
            return Standing(GONE)
        status = str(detail.get("status"))
        if status == "overdue" and Decimal(str(detail.get("payment_made") or 0)):
            status = "partially_paid"  # Books shows the calendar before the payment
        return Standing(status, status == mine.status, changed)

    def _cell(self, deal: Deal, part: str, changed: bool, given: Given | None = None) -> DealCell:
        standing = self._standing(deal, part, changed=changed)
        free = deal_cell(self.setting, deal.stage, standing)
        cells = (deal_cell(self.setting, deal.stage, standing, gate) for gate in self._gates(deal, part, given))
        return next((cell for cell in cells if cell != free), free)

    def _gates(self, deal: Deal, part: str, given: Given | None) -> Iterator[Gate]:
        """What stands against writing, first of all what counts first."""
        if self._before(deal):
            yield "before_setting"
        if not (deal.customer.id or deal.customer.made_by):
            yield "customer_not_linked"
        if given is not None and given.stop is not None and given.stop.outcome == "held":
            yield "lines_differ"
        until = self.rooms.spec.closed_until
        dates = [given.document.form.dated] if given is not None and given.document is not None else []
        dated = (deal.details.get(part) or {}).get("date")
        dates += [date.fromisoformat(str(dated))] if dated else []
        if until is not None and any(day <= until for day in dates):
            yield "period_closed"

    def _before(self, deal: Deal) -> bool:
        """Whether the deal was there, or decided, before the setting took effect."""
        since, raw, mark = self.rooms.spec.deals_since, deal.known.raw, deal.remembered.get("")
        if any(one.document for one in deal.remembered.values()):
            return False
        if since is not None:
            day = raw.get("Closing_Date") if self.kind == "invoices" else self._day(raw.get("Created_Time"))
            return day is None or str(day) < since.isoformat()
        if mark is not None and mark.status == BEFORE:  # of invoices, while the deal stands as it did then
            return self.kind == "estimates" or mark.signature == deal.stage
        return self.first and (self.kind == "estimates" or deal.stage in ("won", "lost"))

    def _day(self, stamp: Any) -> str | None:
        zone = ZoneInfo(self.rooms.spec.time_zone)
        return parse_time(str(stamp)).astimezone(zone).date().isoformat() if stamp else None

    def _decide(self, deal: Deal, known: DealKnown) -> None:
        if deal.known.blocked:
            self.draft.say(deal.known, "blocked", deal.known.blocked)
            return
        mark, before = deal.remembered.get(""), self._before(deal)
        if before and self.rooms.spec.deals_since is None:
            self._note(deal, "", BEFORE, deal.stage)
        elif mark is not None and mark.status == BEFORE and not before:
            self.forget.append(_content(mark))
        parts = {one.row: one for one in self._parts(deal, known)} if deal.lines is not None else {}
        for row in dict.fromkeys([*parts, *(part for part in deal.remembered if deal.document(part))] or [""]):
            self._decide_part(deal, row, parts.get(row))
        for part, one in deal.remembered.items():
            if one.status == WAITING and part not in parts and deal.lines is not None:
                self.forget.append(_content(one))

    def _parts(self, deal: Deal, known: DealKnown) -> tuple[Part, ...]:
        made = {}
        for part in deal.remembered:
            mine, detail = deal.document(part), deal.details.get(part)
            if mine is not None and detail is not None:
                ours = str(detail.get("status")) == mine.status
                made[part] = Billed(mine.amount, ours and mine.status in ("draft", "void"))
        return documents_of(
            self.spec, self.kind, deal.known.raw, deal.lines or (), deal.plan, deal.customer.row, known, self.today, made
        )

    def _decide_part(self, deal: Deal, row: str, part: Part | None) -> None:
        given = part.given if part is not None else None
        changed = given is not None and self._changed(deal, row, given)
        cell = self._cell(deal, row, changed, given)
        if cell.effect in ("create", "hold") and part is not None and part.state == "later":
            if cell.effect == "create":
                self._note(deal, row, WAITING, "", part.day)
            self.draft.say(deal.known, "skipped", "billing_later")
        elif cell.effect == "leave":
            self.draft.say(deal.known, cell.outcome, cell.reason, detail=self._told(deal, row))
        elif cell.effect == "create" and deal.id in self.proposed:  # perhaps its document is there already
            self.draft.say(deal.known, "held", "join", detail={"hold": self.proposed[deal.id]})
        elif cell.effect != "hold" and given is not None and given.document is None and cell.effect in ("create", "edit"):
            self._stopped(deal, given)
        elif cell.effect != "hold":
            self._act(deal, row, cell, given)
        else:
            assert given is not None
            why = given.stop.reason if given.stop is not None and cell.reason == "lines_differ" else cell.reason
            self._ask_people(deal, row, why, given)

    def _changed(self, deal: Deal, part: str, given: Given) -> bool:
        """Whether the deal gives its document other figures. Other texts alone are edited while it is a draft, no question."""
        mine = deal.document(part)
        if mine is None:
            return False
        figures, _, words = mine.signature.partition("|")
        draft = (deal.details.get(part) or {}).get("status") == "draft"
        return figures != given.figures or (draft and words != given.words)

    # ------------------------------------------------------------------------------------------------ what comes of the cell

    def _told(self, deal: Deal, part: str) -> dict[str, Any]:
        mine = deal.document(part)
        return {"document": f"books:{self.kind}:{mine.document}"} if mine is not None else {}

    def _stopped(self, deal: Deal, given: Given) -> None:
        stop, ref = given.stop, deal.known.ref
        assert stop is not None
        if stop.outcome == "quarantined":
            self.work.quarantine[ref] = [
                QuarantineRow(ref, self.work.entity, one.reason, "", str(one), "")
                for one in given.stops
                if one.outcome == "quarantined"
            ]
            return
        self.draft.say(deal.known, stop.outcome, stop.reason, detail={"words": [str(one) for one in given.stops]})

    def _ask_people(self, deal: Deal, part: str, why: str, given: Given) -> None:
        """A question, or what its answer makes of it."""
        ref, mine, mark = deal.known.ref, deal.document(part), deal.remembered.get(part)
        if mark is not None and mark.status == PASSED_OVER and mark.signature == given.figures:
            self.draft.say(deal.known, "skipped", PASSED_OVER)
            return
        about = part if why in AFTER else ""
        choice, hold_id = self.decisions.get((str(ref), why, about), ("", ""))
        if choice:
            self.draft.carried_out.add(hold_id)
        if choice == "skip":
            self._note(deal, part, PASSED_OVER, given.figures)
            self.draft.say(deal.known, "skipped", PASSED_OVER)
        elif choice == "keep" and mine is not None:
            self.remember.append(_content(replace(mine, signature=f"{given.figures}|{given.words}")))
            self.draft.say(deal.known, "unchanged", "kept", detail=self._told(deal, part))
        elif choice == "renew":
            self._act(deal, part, DealCell("edit", "updated", "won_again", ("draft",)), given)
        else:
            values = {"deal": str(given.stop)} if given.stop else {}
            found = [{"record": f"books:{self.kind}:{mine.document}"}] if mine is not None else []
            choices = AFTER.get(why, ("skip",))
            hold = make_hold(
                self.rooms.spec.name, self.work.entity, why, deal.known, about or None, found, choices, {"values": values}
            )
            self.draft.holds[hold.id] = hold
            told = {"words": [str(one) for one in given.stops]} if given.stops else {}
            self.draft.say(deal.known, "held", why, detail={"hold": hold.id, **told, **self._told(deal, part)})

    def _note(self, deal: Deal, part: str, status: str, signature: str, due: date | None = None) -> None:
        self.remember.append(_content(DealDocument(deal.id, self.kind, part, "", status, signature, due=due)))

    def _act(self, deal: Deal, part: str, cell: DealCell, given: Given | None) -> None:
        """The cell's actions, each after the one before."""
        mine, keys = deal.document(part), list[str]()
        made: Any = mine.document if mine is not None else ""
        back_first = cell.moves if cell.effect == "edit" and cell.moves == ("draft",) else ()
        for status in back_first:
            keys.append(self._move(deal, part, cell, made, status, keys))
        if cell.effect in ("create", "edit"):
            assert given is not None and given.document is not None
            keys.append(self._write(deal, part, cell, given, given.document, keys))
            made = made or {"$created": keys[-1]}
        for status in cell.moves if not back_first else ():
            keys.append(self._move(deal, part, cell, made, status, keys))
        self.draft.say(deal.known, cell.outcome, cell.reason, actions=keys, detail=self._told(deal, part))

    def _write(self, deal: Deal, part: str, cell: DealCell, given: Given, document: Document, before: Sequence[str]) -> str:
        ref, mine, detail = deal.known.ref, deal.document(part), deal.details.get(part)
        body, needs, target = dict(document.body), tuple(before), None
        key = f"{ref}:{part}" if part else str(ref)
        if cell.effect == "create":
            body["customer_id"] = deal.customer.id or {"$created": deal.customer.made_by}
            body["custom_fields"] = [{"api_name": self.rooms.spec.books_key, "value": key}]
            needs = (*needs, *deal.customer.needs)
        else:
            assert mine is not None
            target = Ref("books", self.kind, mine.document)
            body = document.edit
        after = {**shown(self.kind, document.form, document.currency), "total": document.total}
        was = {**form_of(self.kind, detail), "total": detail.get("total")} if target and detail else {}
        after["lines"], was["lines"] = (_in_words(one.get("lines") or ()) for one in (after, was))
        changes = tuple(
            Change(name, "books", was.get(name), after[name], cell.reason)
            for name in ("date", "due", "lines", "salesperson", "reference", "notes", "terms", "total")
            if after[name] not in (None, "") and _plainly(was.get(name)) != _plainly(after[name])
        )
        now = DealDocument(
            deal.id, self.kind, part, mine.document if mine else "", "draft", f"{given.figures}|{given.words}", document.net
        )
        verb = "update" if target else "create"
        return self.draft.act(
            Action(
                key=f"deals|{verb}|books|{self.kind}|{target or key}", entity="deals", mapping="deals", verb=verb, side="books",
                module=self.kind, target=target, source=ref, payload={**body, REMEMBER: _content(now)}, changes=changes,
                reason=cell.reason, needs=needs, stamp=_stamp(detail) if target and not before else None,
                calls=2.0 if target else 1.0, rank=(1 if target else 2, key), edited_by=_editor(deal.known),
                edited_at=deal.known.stamp,
            )
        )  # fmt: skip

    def _move(self, deal: Deal, part: str, cell: DealCell, document: Any, status: str, before: Sequence[str]) -> str:
        ref, mine, detail = deal.known.ref, deal.document(part), deal.details.get(part)
        target = Ref("books", self.kind, document) if isinstance(document, str) else None
        key = f"{ref}:{part}" if part else str(ref)
        if before:
            last = self.draft.actions[before[-1]].payload[REMEMBER]
        else:
            assert mine is not None
            last = _content(mine)
        payload: Row = {"status": status, REMEMBER: {**last, "status": status}}
        was = None if before else (detail or {}).get("status")
        return self.draft.act(
            Action(
                key=f"deals|move|books|{self.kind}|{target or key}|{status}", entity="deals", mapping="deals", verb="move",
                side="books", module=self.kind, target=target, source=ref,
                payload=payload if target else {**payload, "document": document},
                changes=(Change("status", "books", was, status, cell.reason),), reason=cell.reason, needs=tuple(before[-1:]),
                stamp=_stamp(detail) if target and not before else None, calls=1.0 if before else 2.0,
                rank=(3, f"{key}|{len(before)}"), edited_by=_editor(deal.known), edited_at=deal.known.stamp,
            )
        )  # fmt: skip


def _in_words(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each line of a document in a few words: `3 × 105, Paper`."""
    return [
        ", ".join(
            word
            for word in (
                f"{one['quantity']} × {one['price']}",
                f"discount {one['discount']}" if one.get("discount") else "",
                " ".join(str(one.get("name") or one.get("description") or "").split()),
            )
            if word
        )
        for one in lines
    ]


def _plainly(value: Any) -> str:
    return "" if value is None else str(value)


def _stamp(detail: Row | None) -> Any:
    stamp = (detail or {}).get("last_modified_time")
    return parse_time(str(stamp)) if stamp else None


def _editor(known: Known) -> str:
    user = known.raw.get("Modified_By")
    return str(user["id"]) if isinstance(user, dict) and user.get("id") else ""


class _Customers:
    """Books customers of deals: by the links that there are, and by those that this run's plan makes."""

    def __init__(self, rooms: Rooms, work: EntityWork) -> None:
        self._rooms, self._work = rooms, work
        self._found: dict[Ref, Customer] = {}
        self._modules = [one for one in ("Accounts", "Contacts") if one != _left_out(rooms.spec.customers.modules)]
        plan = work.earlier["customers"].plan if "customers" in work.earlier else None
        self._planned: dict[Ref, Customer] = {}
        for action in plan.actions if plan else ():
            if action.verb == "create" and (action.side, action.module) == ("books", "contacts") and action.source:
                self._planned[action.source] = Customer(made_by=action.key, needs=(action.key,))
            elif action.verb == "link" and action.source is not None and action.source.module == "contacts" and action.target:
                self._planned[action.target] = Customer(action.source.id, needs=(action.key,))
        self._ended = {link.crm for link in plan.links if link.state != "live" or link.dead} if plan else set()

    def of(self, raw: Row) -> Customer:
        """Of a deal's row, once `learn` has seen it."""
        found = (self._found[ref] for ref in self._parties(raw))
        return next((one for one in found if one.id or one.made_by), Customer())

    def learn(self, rows: Iterable[Row]) -> None:
        """Look up the parties of these deals."""
        ledger, name = self._rooms.ledger, self._rooms.spec.name
        missing = {ref for raw in rows for ref in self._parties(raw) if ref not in self._found}
        for module in self._modules:
            ids = [ref.id for ref in missing if ref.module == module]
            links = {one: link for one, link in ledger.links(name, "crm", module, ids).items() if link.books.module == "contacts"}
            wanted = {link.books.id for link in links.values()} | {
                one.id for ref, one in self._planned.items() if ref in missing and one.id
            }
            mirrors = ledger.mirrors(name, "books", "contacts", wanted)
            shown = {one: full_row(mirror.row, mirror.detail) for one, mirror in mirrors.items()}
            for one in ids:
                ref, link = Ref("crm", module, one), links.get(one)
                planned = self._planned.get(ref)
                if planned is not None:
                    self._found[ref] = replace(planned, row=shown.get(planned.id))
                elif link is not None and link.dead is None and ref not in self._ended:
                    self._found[ref] = Customer(link.books.id, row=shown.get(link.books.id))
                else:
                    self._found[ref] = Customer()

    def _parties(self, raw: Row) -> list[Ref]:
        """Its account before its contact, as far as the connection syncs them."""
        fields = {"Accounts": "Account_Name", "Contacts": "Contact_Name"}
        held = [(module, raw.get(fields[module])) for module in self._modules]
        return [Ref("crm", module, str(one["id"])) for module, one in held if isinstance(one, dict) and one.get("id")]


def _linked_products(work: EntityWork) -> dict[str, str]:
    """CRM product → Books item of the links that this run's plan makes."""
    plan = work.earlier["products"].plan if "products" in work.earlier else None
    return {
        one.target.id: one.source.id
        for one in (plan.actions if plan else ())
        if one.verb == "link" and one.side == "crm" and one.target is not None and one.source is not None
    }


def _left_out(modules: str) -> str:
    return {"accounts": "Contacts", "contacts": "Accounts"}.get(modules, "")


# -------------------------------------------------------------------------------------------------- what load and record keep


def written(action: Action, answer: Answer, document: str) -> DealDocument:
    """What is remembered of a deal's document once the action is done. `document`: Books' id of it."""
    now = deal_document(action.payload[REMEMBER])
    status = now.status if action.verb == "move" else str((answer.record or {}).get("status") or now.status)
    return replace(now, document=document, status=status)


def keep(rooms: Rooms, request: Request, plan: EntityPlan, run: str, undone: set[Ref]) -> None:
    """What is remembered without a write, and that the setting is in effect from now on."""
    ledger, name = rooms.ledger, rooms.spec.name

    def those(what: str) -> list[DealDocument]:
        rows = [deal_document(one) for one in plan.facts[what]]
        return [one for one in rows if Ref("crm", "Deals", one.deal) not in undone]

    ledger.drop_deal_documents(name, those("forget"))
    ledger.put_deal_documents(name, those("remember"), run)
    if any(item.complete for item in plan.lists) and not request.only:
        mark = Watermark("crm", "Deals", IN_EFFECT + plan.facts["setting"], None, plan.rules, rooms.clock.now())
        ledger.put_watermark(name, mark, run)


def in_effect(ledger: Ledger, connection: str, setting: str) -> bool:
    """Whether a full read of the deals has been made since the setting was chosen last."""
    mark = ledger.watermark(connection, "crm", "Deals", IN_EFFECT + setting)
    return mark is not None and mark.full_at is not None


def note_setting(ledger: Ledger, connection: str, setting: str, run: str) -> None:
    """Another setting, or none, is chosen: those before take effect anew when they are chosen again."""
    for one in ("estimates", "invoices"):
        if one != setting and in_effect(ledger, connection, one):
            ledger.put_watermark(connection, Watermark("crm", "Deals", IN_EFFECT + one, None, "ended", None), run)


def _content(one: DealDocument) -> dict[str, Any]:
    return {
        "deal": one.deal, "module": one.module, "part": one.part, "document": one.document, "status": one.status,
        "signature": one.signature, "amount": one.amount, "due": one.due and one.due.isoformat(),
    }  # fmt: skip


def deal_document(content: Mapping[str, Any]) -> DealDocument:
    """As an action carries it under REMEMBER."""
    due = content["due"]
    return DealDocument(**{**content, "amount": Decimal(str(content["amount"])), "due": due and date.fromisoformat(due)})
