"""Receivables: decide what the CRM shall show of what customers and deals owe, and tie it out with Books once it is written.

The entity `summaries` of the same sequence. An hourly run looks at the customers and deals whose invoices, links, rows or days
overdue moved; a full one at all of them. A deal's row counts its invoices whose customer has a live link.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from renkei.core import published, summaries
from renkei.core.personal import MASK
from renkei.core.planning import Draft, EntityPlan
from renkei.core.records import Action, Change, DocumentRow, Link, Mirror
from renkei.core.summaries import STEPS, Tally
from renkei.core.values import Ref, decimal_text
from renkei.engine.joins import propose
from renkei.engine.load import Result
from renkei.engine.publish import (
    AS_OF,
    Customers,
    Place,
    Touched,
    deals_there,
    due_since,
    holder_of,
    keep_documents,
    known_row,
    made_links,
    moved_links,
    own_keys,
    read_at,
    reader,
    remove_row,
    say_rows,
    spoilt_customers,
    stored_rows,
    today_of,
)
from renkei.engine.work import EntityWork, Request, Rooms, World


@dataclass(slots=True)
class _Holder:
    """A customer's or a deal's figures on their way to the CRM. `books`: the customer; None for a deal."""

    place: Place
    books: Ref | None = None
    needs: tuple[str, ...] = ()  # actions of this run that make customers of whom the figures speak
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.books or self.place.crm)


async def resolve_summaries(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Decide the receivables rows: work.draft holds the actions and the words of every row read."""
    draft = work.draft = Draft("summaries")
    read = reader(work)
    if read is work:
        work.touched = keep_documents(rooms, work)
    links = [] if request.only else moved_links(rooms, work, rooms.summaries.receivables)
    places, spoilt = Customers(rooms, work), spoilt_customers(work)
    wanted, deals = (None, None) if work.full else _affected(rooms, request, work, read.touched, links)
    customers = _customers(rooms, wanted, places, spoilt)
    rows = _rows(rooms, work, customers, {link.crm for link in links}, deals)
    holders = [one for one in customers.values() if one.place.crm is not None]
    waiting = {str(link.crm) for link in rooms.ledger.links(rooms.spec.name, "books", "contacts", spoilt).values()}
    joined = await _deals(rooms, work, deals, places, spoilt, rows)
    for one in (*holders, *(deal for deal in joined if not deal.place.reason)):
        _plan_holder(rooms, work, draft, one, rows)
    waiting |= {one.name for one in joined if one.place.reason}
    _plan_withdrawn(rooms, work, draft, [*holders, *joined], rows, waiting)
    if read is work:
        await propose(rooms, request, world, work, places)
        _say_invoices(work, draft, customers)
    say_rows(rooms, work, draft)
    whole = work.full and any(item.module == "invoices" and item.complete for item in read.lists)
    work.facts = {
        "as_of": read_at(rooms),
        "customers": None if work.full else sorted(customers),
        "deals": None if work.full else sorted(deals or ()),
        "joined": sorted(one.place.id for one in joined),
        "of_deals": {
            one.key: one.key.split("|")[-1].split(":")[2]
            for one in draft.actions.values()
            if not one.source and one.verb != "remove"
        },
        "reasons": {one.place.id: one.place.reason for one in customers.values() if one.place.reason and one.figures},
        "tally": [[*key, *pair] for key, pair in sorted(read.tally.sums.items())] if whole else None,
        "apart": read.tally.apart,
        "balances": _balances(rooms, draft) if draft.actions else {},
    }


def _affected(rooms: Rooms, request: Request, work: EntityWork, touched: Touched, links: list[Link]) -> tuple[set[str], set[str]]:
    """Customers and deals whose figures or whose row may have moved since the last published run."""
    ledger, name, module = rooms.ledger, rooms.spec.name, rooms.summaries.receivables
    customers, deals = touched.customers | {link.books.id for link in links}, set(touched.deals)
    if request.only:
        asked = {*request.only, *(link.books for ref in request.only if (link := ledger.link_of(name, ref)))}
        customers |= {ref.id for ref in asked if (ref.side, ref.module) == ("books", "contacts")}
        deals |= {ref.id for ref in asked if (ref.side, ref.module) == ("crm", "Deals")}
    else:
        customers |= {one.customer for one in due_since(rooms, work, module, ("invoices",), STEPS)}
    customers |= made_links(work).keys()
    for ref, known in work.known.items():
        holder = holder_of(rooms, known.raw) if ref.side == "crm" else None
        if holder is None:
            continue
        link = ledger.link_of(name, holder)
        if link is not None:
            customers.add(link.books.id)
        elif holder.module == "Deals":
            deals.add(holder.id)
    for chunk in ledger.documents(name, "invoices", "customer", customers):
        deals |= {one.deal for one in chunk if one.deal}
    return customers, deals


def _customers(rooms: Rooms, wanted: set[str] | None, places: Customers, spoilt: set[str]) -> dict[str, _Holder]:
    """Figures and place of each customer that counts in this run."""
    ledger, name, today = rooms.ledger, rooms.spec.name, today_of(rooms)
    figures: dict[str, dict[str, dict[str, Any]]] = {one: {} for one in wanted or ()}
    by = None if wanted is None else "customer"
    chunks = ledger.documents(name, "invoices", "customer" if by else None, wanted or ())
    for customer, documents in groupby(_each(chunks), lambda one: one.customer):
        figures[customer] = summaries.figures(documents, today)
    found = {}
    there = places.places(figures)
    for customer, sums in figures.items():
        place = there[customer]
        if customer in spoilt:
            place = Place(customer, None, summaries.UNREAD, "", place.label, "blocked")
        found[customer] = _Holder(place, Ref("books", "contacts", customer), figures=sums)
    return found


async def _deals(
    rooms: Rooms, work: EntityWork, wanted: set[str] | None, places: Customers, spoilt: set[str], rows: Mapping[str, Mirror]
) -> list[_Holder]:
    """Figures of each deal that counts in this run and is in the CRM. `place.reason`: its row stays as it is."""
    ledger, name, today = rooms.ledger, rooms.spec.name, today_of(rooms)
    found = []
    for deal, group in groupby(_each(ledger.documents_of_deals(name, "invoices", wanted)), lambda one: one.deal):
        documents = list(group)
        there = places.places(one.customer for one in documents)
        counted = [one for one in documents if there[one.customer].crm is not None]
        needs = tuple(sorted({there[one.customer].made_by for one in counted} - {""}))
        reason = "invoice_quarantined" if any(one.customer in spoilt for one in documents) else ""
        place = Place(deal, Ref("crm", "Deals", deal), reason)
        found.append(_Holder(place, None, needs, summaries.figures(counted, today)))
    shown = {holder.id for mirror in rows.values() if (holder := holder_of(rooms, mirror.row)) and holder.module == "Deals"}
    titles = await deals_there(rooms, work, [one.place.id for one in found], shown)
    for one in found:
        one.place.label = titles.get(one.place.id) or ""
    return [one for one in found if one.place.id in titles]


def _each(chunks: Iterable[list[DocumentRow]]) -> Iterator[DocumentRow]:
    for chunk in chunks:
        yield from chunk


# ---------------------------------------------------------------------------------------------------------------- rows


def _rows(
    rooms: Rooms, work: EntityWork, customers: Mapping[str, _Holder], former: set[Ref], deals: set[str] | None
) -> dict[str, Mirror]:
    """Published rows of ours by key: all of them in a full run, else those of these customers, deals and former places."""
    ledger, name, module = rooms.ledger, rooms.spec.name, rooms.summaries.receivables
    mine = {ref.id: known.raw for ref, known in work.known.items() if (ref.side, ref.module) == ("crm", module)}
    ledger.put_keys(name, "crm", module, {row_id: own_keys(rooms, module, row) for row_id, row in mine.items()})
    if work.full:
        found = [mirror for chunk in ledger.all_mirrors(name, "crm", module) for mirror in chunk]
    else:
        places = former | {one.place.crm for one in customers.values() if one.place.crm is not None and not one.place.made_by}
        places |= {Ref("crm", "Deals", deal) for deal in deals or ()}
        found = stored_rows(rooms, module, "holder", [str(place) for place in places])
        found += ledger.mirrors(name, "crm", module, mine).values()
    return {
        str(mirror.row[rooms.summaries.key]): mirror
        for mirror in found
        if mirror.deleted_at is None and holder_of(rooms, mirror.row) is not None
    }


def _plan_holder(rooms: Rooms, work: EntityWork, draft: Draft, one: _Holder, rows: Mapping[str, Mirror]) -> None:
    assert one.place.crm is not None
    spec, crm = rooms.summaries, one.place.crm
    for currency, sums in sorted(one.figures.items()):
        values = summaries.row_values(
            sums, name=one.place.label or crm.id, crm=crm, currency=currency, connection=rooms.spec.name, as_of=rooms.clock.now()
        )
        mirror = None if one.place.made_by else rows.get(summaries.row_key(rooms.spec.name, crm, currency))
        if mirror is None:
            _plan_new(rooms, draft, one, currency, values)
            continue
        if not one.place.label:  # a deal whose name nobody read
            del values["name"]
        changed = published.differing(spec.receivable_fields, mirror.row, values)
        if changed:
            _plan_update(rooms, work, draft, one, mirror, values, changed)


def _plan_new(rooms: Rooms, draft: Draft, one: _Holder, currency: str, values: Mapping[str, Any]) -> None:
    assert one.place.crm is not None
    spec, crm, made_by = rooms.summaries, one.place.crm, one.place.made_by
    payload = {name: value for name, value in published.payload(spec.receivable_fields, values).items() if value is not None}
    payload[dict(spec.receivable_fields)["as_of"]] = AS_OF
    if made_by:
        payload[dict(spec.receivable_fields)[one.place.lookup]] = {"id": {"$created": made_by}}
        before = f"{rooms.spec.name}:{crm.module}:"
        payload[spec.key] = {"$created": made_by, "before": before, "after": f":{currency}"}
    else:
        payload[spec.key] = summaries.row_key(rooms.spec.name, crm, currency)
    shown = {name: _shown_value(crm, name, value) for name, value in values.items() if name != "as_of" and value is not None}
    draft.act(
        Action(
            key=f"summaries|create|crm|{spec.receivables}|{one.name}:{currency}", entity="summaries", mapping="summaries",
            verb="create", side="crm", module=spec.receivables, target=None, source=one.books, payload=payload,
            changes=tuple(Change(name, "crm", None, value, "published") for name, value in sorted(shown.items())),
            reason="published", needs=(made_by,) if made_by else one.needs, calls=0.01, rank=(1, one.name),
        )
    )  # fmt: skip


def _shown_value(crm: Ref | None, name: str, value: Any) -> Any:
    """A value as a plan shows it: a row of a contact bears a person's name."""
    return MASK if name == "name" and crm is not None and crm.module == "Contacts" else value


def _plan_update(
    rooms: Rooms, work: EntityWork, draft: Draft, one: _Holder, mirror: Mirror, values: Mapping[str, Any], changed: list[str]
) -> None:
    spec = rooms.summaries
    api = dict(spec.receivable_fields)
    crm = one.place.crm
    payload = {**published.payload(spec.receivable_fields, {name: values[name] for name in changed}), api["as_of"]: AS_OF}
    before = {name: published.read(name, mirror.row.get(api[name])) for name in changed}
    changes = tuple(
        Change(name, "crm", _shown_value(crm, name, before[name]), _shown_value(crm, name, values[name]), "figures")
        for name in sorted(changed)
    )
    key = draft.act(
        Action(
            key=f"summaries|update|crm|{spec.receivables}|{mirror.ref}|{one.name}", entity="summaries", mapping="summaries",
            verb="update", side="crm", module=spec.receivables, target=mirror.ref, source=one.books, payload=payload,
            changes=changes, reason="figures", needs=one.needs, stamp=mirror.stamp, calls=0.01, rank=(0, one.name),
        )
    )  # fmt: skip
    draft.say(known_row(work, mirror), "updated", "figures", actions=(key,))


def _plan_withdrawn(
    rooms: Rooms, work: EntityWork, draft: Draft, holders: Iterable[_Holder], rows: Mapping[str, Mirror], waiting: set[str]
) -> None:
    """Rows of ours that nothing stands behind any more: no live link, no deal, or no invoice in that currency. `waiting`:
    records whose rows stay as they are."""
    kept, places = set(), set()
    for one in holders:
        if one.place.crm is not None and not one.place.made_by:
            places.add(str(one.place.crm))
            kept |= {summaries.row_key(rooms.spec.name, one.place.crm, currency) for currency in one.figures}
    for key, mirror in sorted(rows.items()):
        holder = str(holder_of(rooms, mirror.row))
        if key not in kept and holder not in waiting:
            reason = "no_invoices" if holder in places else "withdrawn"
            remove_row(work, draft, mirror, reason)


def _say_invoices(work: EntityWork, draft: Draft, customers: Mapping[str, _Holder]) -> None:
    """An invoice takes the word of what becomes of its figures."""
    by_customer: dict[str, list[str]] = {}
    for action in draft.actions.values():
        if action.source is not None:
            by_customer.setdefault(action.source.id, []).append(action.key)
    for ref, known in work.known.items():
        if ref.module != "invoices" or ref in work.quarantine:
            continue
        one = customers[str(known.raw.get("customer_id"))]
        keys = by_customer.get(one.place.id, ())
        status = str(known.raw.get("status"))
        if known.deleted:
            draft.say(known, "skipped", "deleted", actions=keys)
        elif status in summaries.NOT_COUNTED:
            draft.say(known, "skipped", status)
        elif one.place.crm is None:
            draft.say(known, one.place.word, one.place.reason)
        else:
            draft.say(known, "updated" if keys else "unchanged", "published" if keys else "", actions=keys)


def _balances(rooms: Rooms, draft: Draft) -> dict[str, list[Decimal]]:
    """Currency → published balance before and after this plan, for the brake."""
    spec, found = rooms.summaries, dict[str, list[Decimal]]()
    api = dict(spec.receivable_fields)
    now: dict[Ref, tuple[str, Decimal]] = {}
    for chunk in rooms.ledger.all_mirrors(rooms.spec.name, "crm", spec.receivables):
        for mirror in chunk:
            holder = holder_of(rooms, mirror.row)
            if holder is not None and holder.module != "Deals":  # whose balances are customers' once more
                balance = published.read("balance", mirror.row.get(api["balance"])) or Decimal(0)
                now[mirror.ref] = (str(mirror.row.get(api["currency"])), balance)
    for currency, balance in now.values():
        pair = found.setdefault(currency, [Decimal(0), Decimal(0)])
        pair[0], pair[1] = pair[0] + balance, pair[1] + balance
    for action in draft.actions.values():
        after = {change.field: change.after for change in action.changes}
        if action.target in now:
            currency, balance = now[action.target]
            new = Decimal(0) if action.verb == "remove" else after.get("balance", balance)
        elif action.source is None:
            continue
        else:
            currency, balance, new = str(after["currency"]), Decimal(0), after["balance"]
        found.setdefault(currency, [Decimal(0), Decimal(0)])[1] += new - balance
    return found


# ------------------------------------------------------------------------------------------------------------- tie-out


def tie_out(rooms: Rooms, plan: EntityPlan, results: Mapping[str, Result]) -> dict[str, Any]:
    """Books' sums against what the CRM's rows show now; the shape of core/summaries.py TieOut.json.

    `customers`: how many were looked at, or None for all
    """
    facts, ledger, name = plan.facts, rooms.ledger, rooms.spec.name
    wanted: list[str] | None = facts["customers"]
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    tally = Tally(apart=facts["apart"])
    for document in _each(ledger.documents(name, "invoices", None if wanted is None else "customer", wanted or ())):
        kept.setdefault(document.customer, {})
        if facts["tally"] is None:
            tally.add(document)
        if summaries.counted(document):
            sums = kept[document.customer].setdefault(document.currency, {"invoiced": Decimal(0), "balance": Decimal(0)})
            sums["invoiced"] += document.total
            sums["balance"] += document.balance
    if facts["tally"] is not None:
        tally.sums = {(row[0], row[1]): [row[2], row[3]] for row in facts["tally"]}
    reasons = dict(facts["reasons"])
    for action in plan.actions:
        result = results.get(action.key)
        if action.source is not None and (result is None or result.outcome):
            reasons[action.source.id] = f"{result.outcome}_{result.reason}" if result else "not_reached"
    tied = summaries.tie_out(tally, kept, _published(rooms, wanted), reasons)
    tied.unexplained += _tie_deals(rooms, plan, results)
    return {"customers": None if wanted is None else len(wanted), **tied.json()}


def _published(rooms: Rooms, wanted: Iterable[str] | None) -> dict[tuple[str, str], dict[str, Any]]:
    """(customer, currency) → sums that the CRM shows."""
    ledger, name, spec = rooms.ledger, rooms.spec.name, rooms.summaries
    links = ledger.links(name, "books", "contacts", wanted)
    customer_of = {str(link.crm): link.books.id for link in links.values()}
    if wanted is None:
        rows: Iterable[Mirror] = (mirror for chunk in ledger.all_mirrors(name, "crm", spec.receivables) for mirror in chunk)
    else:
        rows = stored_rows(rooms, spec.receivables, "holder", list(customer_of))
    found = {}
    for holder, currency, shown in _shown(rooms, rows):
        if holder.module != "Deals":
            found[(customer_of.get(str(holder), str(holder)), currency)] = shown
    return found


def _shown(rooms: Rooms, rows: Iterable[Mirror]) -> Iterator[tuple[Ref, str, dict[str, Decimal]]]:
    """Holder, currency and sums of each row of ours."""
    api = dict(rooms.summaries.receivable_fields)
    for mirror in rows:
        holder = holder_of(rooms, mirror.row)
        if holder is not None and mirror.deleted_at is None:
            shown = {one: published.read(one, mirror.row.get(api[one])) or Decimal(0) for one in ("invoiced", "balance")}
            yield holder, str(mirror.row.get(api["currency"])), shown


def _tie_deals(rooms: Rooms, plan: EntityPlan, results: Mapping[str, Result]) -> list[str]:
    """Sentences on deals whose rows differ from their invoices although every write of theirs was done."""
    ledger, name, module = rooms.ledger, rooms.spec.name, rooms.summaries.receivables
    wanted: list[str] | None = plan.facts["deals"]
    undone = {deal for key, deal in plan.facts["of_deals"].items() if key not in results or results[key].outcome}
    if wanted is None:
        rows: Iterable[Mirror] = (mirror for chunk in ledger.all_mirrors(name, "crm", module) for mirror in chunk)
    else:
        rows = stored_rows(rooms, module, "holder", [f"crm:Deals:{deal}" for deal in wanted])
    shown = {(holder.id, currency): sums for holder, currency, sums in _shown(rooms, rows) if holder.module == "Deals"}
    owed: dict[tuple[str, str], dict[str, Decimal]] = {}
    for chunk in ledger.documents_of_deals(name, "invoices", {*plan.facts["joined"], *(deal for deal, _ in shown)}):
        links = ledger.links(name, "books", "contacts", {one.customer for one in chunk})
        for one in chunk:
            link = links.get(one.customer)
            if link is not None and link.dead != "crm" and summaries.counted(one):
                sums = owed.setdefault((one.deal, one.currency), {"invoiced": Decimal(0), "balance": Decimal(0)})
                sums["invoiced"] += one.total
                sums["balance"] += one.balance
    return [
        f"crm:Deals:{deal} {currency}: its invoices say {_said(owed.get(key))}, the CRM shows {_said(shown.get(key))}"
        for key in sorted({*shown, *owed})
        for deal, currency in [key]
        if deal not in undone and owed.get(key) != shown.get(key)
    ]


def _said(sums: Mapping[str, Decimal] | None) -> str:
    return f"invoiced {decimal_text(sums['invoiced'])}, owed {decimal_text(sums['balance'])}" if sums else "nothing"
