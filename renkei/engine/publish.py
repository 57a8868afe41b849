"""Publish: decide what the CRM shall show of what customers owe, and tie it out with Books once it is written.

The entity `summaries` of the same sequence: its lists are Books' invoices and the CRM's receivables module. An hourly run
looks at the customers whose invoices, links, rows or days overdue moved; a full one at all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from renkei.core import summaries
from renkei.core.planning import Draft, EntityPlan, Known
from renkei.core.records import Action, Change, DocumentRow, Link, Mirror, QuarantineRow, Row
from renkei.core.summaries import STEPS, Tally, document_of
from renkei.core.values import Ref
from renkei.engine.load import Result
from renkei.engine.work import EntityWork, Request, Rooms, World

AS_OF = {"$fact": "as_of"}  # filled in by load: when Books was read, which makes no other plan of the same figures


@dataclass(slots=True)
class _Customer:
    """One Books customer on its way to the CRM. `crm`: the record that its figures stand at, or None and `reason` why not.

    `made_by`: the key of the action of this run that creates that record; its id is not known yet
    """

    id: str
    crm: Ref | None = None
    reason: str = ""
    made_by: str = ""
    label: str = ""
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)


async def resolve_summaries(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Decide the receivables rows: work.draft holds the actions and the words of every row read."""
    draft = work.draft = Draft("summaries")
    today = rooms.clock.now().astimezone(ZoneInfo(rooms.spec.time_zone)).date()
    touched = _keep_documents(rooms, work)
    moved = _moved_links(rooms, work)
    wanted = None if work.full else _affected(rooms, work, touched | {link.books.id for link in moved}, today)
    customers = _customers(rooms, work, wanted, today)
    rows = _rows(rooms, work, customers, {link.crm for link in moved})
    for customer in customers.values():
        _plan_customer(rooms, work, draft, customer, rows)
    _plan_withdrawn(rooms, work, draft, customers, rows)
    _say_invoices(rooms, work, draft, customers)
    _say_rows(rooms, work, draft)
    reasons = {one.id: one.reason for one in customers.values() if one.reason and one.figures}
    work.facts = {
        "as_of": rooms.clock.now().astimezone(ZoneInfo(rooms.spec.time_zone)).replace(microsecond=0).isoformat(),
        "today": today,
        "customers": None if work.full else sorted(customers),
        "reasons": reasons,
        "tally": [[*key, *pair] for key, pair in sorted(work.tally.sums.items())] if work.full else [],
        "apart": work.tally.apart,
        "balances": _balances(rooms, draft) if draft.actions else {},
    }


# ------------------------------------------------------------------------------------------------------------ invoices


def _keep_documents(rooms: Rooms, work: EntityWork) -> set[str]:
    """Put the invoices that this run saw into the ledger's typed rows; returns their customers, former ones too."""
    ledger, name = rooms.ledger, rooms.spec.name
    seen = {ref.id: known for ref, known in work.known.items() if ref.module == "invoices"}
    touched = set(ledger.document_customers(name, "invoices", seen).values())
    fresh, gone = [], []
    for row_id, known in seen.items():
        if known.deleted:
            gone.append(row_id)
            continue
        customer = str(known.raw.get("customer_id") or "")
        touched.add(customer)
        if known.ref in work.quarantine:
            continue
        try:
            fresh.append(document_of(known.raw))
        except (KeyError, ValueError, ArithmeticError) as error:
            work.quarantine[known.ref] = [QuarantineRow(known.ref, "summaries", "readable", "total", str(error), "")]
    ledger.put_documents(name, fresh)
    ledger.remove_documents(name, "invoices", gone)
    return touched - {""}


def _moved_links(rooms: Rooms, work: EntityWork) -> list[Link]:
    """Links of customers that were made, ended or marked since the last published run, or will be by this run's plan."""
    ledger, name = rooms.ledger, rooms.spec.name
    mark = ledger.watermark(name, "crm", rooms.summaries.receivables, "summaries")
    last = ledger.run(mark.run) if mark is not None and mark.run else None
    found = ledger.links_changed(name, last.started) if last is not None else []
    customers = work.earlier.get("customers")
    found += customers.plan.links if customers and customers.plan else ()
    return [link for link in found if link.books.module == "contacts"]


def _affected(rooms: Rooms, work: EntityWork, touched: set[str], today: date) -> set[str]:
    """Customers whose figures or whose row may have moved since the last published run."""
    ledger, name = rooms.ledger, rooms.spec.name
    found = set(touched)
    mark = ledger.watermark(name, "crm", rooms.summaries.receivables, "summaries")
    last = ledger.run(mark.run) if mark is not None and mark.run else None
    if last is not None:
        before = last.started.astimezone(ZoneInfo(rooms.spec.time_zone)).date()
        days = [before + timedelta(days=n + 1) for n in range((today - before).days)]
        due = {day - timedelta(days=step) for day in days for step in STEPS}
        found |= ledger.customers_due(name, "invoices", due)
    found |= _made_links(work).keys()
    holders = {
        Ref("crm", holder.module, holder.id)
        for ref, known in work.known.items()
        if ref.side == "crm" and (holder := holder_of(rooms, known.raw)) is not None
    }
    return found | {link.books.id for ref in holders if (link := ledger.link_of(name, ref)) is not None}


def _made_links(work: EntityWork) -> dict[str, tuple[Ref, str]]:
    """Books customer → (CRM record, key of the action that creates it or "") of the links that this run's plan makes."""
    found: dict[str, tuple[Ref, str]] = {}
    customers = work.earlier.get("customers")
    for action in customers.plan.actions if customers and customers.plan else ():
        if action.source is None or action.mapping == "persons" or action.side != "crm":
            continue
        if action.verb == "link" and action.target is not None:
            found[action.source.id] = (action.target, "")
        elif action.verb == "create" and action.source.side == "books":
            found[action.source.id] = (Ref("crm", action.module, ""), action.key)
    return found


def _customers(rooms: Rooms, work: EntityWork, wanted: set[str] | None, today: date) -> dict[str, _Customer]:
    """Figures and place of each customer that counts in this run."""
    found: dict[str, _Customer] = {one: _Customer(one) for one in wanted or ()}
    ledger, name = rooms.ledger, rooms.spec.name
    waiting: list[DocumentRow] = []

    def close() -> None:
        if waiting:
            one = found.setdefault(waiting[0].customer, _Customer(waiting[0].customer))
            one.figures = summaries.figures(waiting, today)
            waiting.clear()

    for chunk in ledger.documents(name, "invoices", wanted):
        for document in chunk:
            if waiting and waiting[0].customer != document.customer:
                close()
            waiting.append(document)
    close()
    _place(rooms, work, found)
    return found


def _place(rooms: Rooms, work: EntityWork, found: Mapping[str, _Customer]) -> None:
    """Where each customer's figures stand, or the word of the customer that keeps them from the CRM."""
    ledger, name = rooms.ledger, rooms.spec.name
    links, made = ledger.links(name, "books", "contacts", found), _made_links(work)
    mirrors = ledger.mirrors(name, "books", "contacts", found)
    spoilt = {str(work.known[ref].raw.get("customer_id")) for ref in work.quarantine if ref.module == "invoices"}
    customers = work.earlier.get("customers")
    said = {verdict.record: verdict for verdict in customers.plan.verdicts} if customers and customers.plan else {}
    ended = {link.books.id for link in customers.plan.links if link.state != "live"} if customers and customers.plan else set()
    dead = {link.books.id for link in customers.plan.links if link.dead == "crm"} if customers and customers.plan else set()
    for one in found.values():
        mirror, link = mirrors.get(one.id), links.get(one.id)
        one.label = str((mirror.row if mirror else {}).get("contact_name") or one.id)
        if one.id in spoilt:
            one.reason = "invoice_quarantined"
        elif one.id in made:
            one.crm, one.made_by = made[one.id]
        elif link is not None and one.id not in ended and link.dead != "crm" and one.id not in dead:
            one.crm = link.crm
        else:
            verdict = said.get(Ref("books", "contacts", one.id))
            word, why = (verdict.outcome, verdict.reason) if verdict else (mirror.outcome, mirror.reason) if mirror else ("", "")
            one.reason = f"customer_{why or word or 'not_linked'}" if word != "unchanged" else "customer_not_linked"
            if link is not None:
                one.reason = "customer_deleted"


# ---------------------------------------------------------------------------------------------------------------- rows


def holder_of(rooms: Rooms, row: Row) -> Ref | None:
    """The CRM record that a row of ours speaks of; None for a row of another connection or of nobody."""
    prefix, _, rest = str(row.get(rooms.summaries.key) or "").partition(":")
    module, _, rest = rest.partition(":")
    record, _, currency = rest.partition(":")
    return Ref("crm", module, record) if prefix == rooms.spec.name and record and currency else None


def _rows(rooms: Rooms, work: EntityWork, customers: Mapping[str, _Customer], former: set[Ref]) -> dict[str, Mirror]:
    """Published rows of ours by key: all of them in a full run, else those of these customers and of former places."""
    ledger, name, module = rooms.ledger, rooms.spec.name, rooms.summaries.receivables
    mine = {ref.id: known.raw for ref, known in work.known.items() if (ref.side, ref.module) == ("crm", module)}
    ledger.put_keys(name, "crm", module, {row_id: holder_keys(rooms, row) for row_id, row in mine.items()})
    if work.full:
        found = [mirror for chunk in ledger.all_mirrors(name, "crm", module) for mirror in chunk]
    else:
        places = former | {one.crm for one in customers.values() if one.crm is not None and not one.made_by}
        holders = {("holder", str(place)) for place in places}
        ids = {row_id for listed in ledger.by_keys(name, "crm", module, holders).values() for row_id in listed}
        found = list(ledger.mirrors(name, "crm", module, ids | mine.keys()).values())
    return {
        str(mirror.row[rooms.summaries.key]): mirror
        for mirror in found
        if mirror.deleted_at is None and holder_of(rooms, mirror.row) is not None
    }


def holder_keys(rooms: Rooms, row: Row) -> tuple[tuple[str, str], ...]:
    """What finds the rows of a CRM record: ours alone."""
    holder = holder_of(rooms, row)
    return () if holder is None else (("holder", str(holder)),)


def _plan_customer(rooms: Rooms, work: EntityWork, draft: Draft, one: _Customer, rows: Mapping[str, Mirror]) -> None:
    if one.crm is None:
        return
    spec = rooms.summaries
    for currency, sums in sorted(one.figures.items()):
        values = summaries.row_values(
            sums, name=one.label, crm=one.crm, currency=currency, connection=rooms.spec.name, as_of=rooms.clock.now()
        )
        if one.made_by:
            _plan_new(rooms, draft, one, currency, values)
            continue
        key = summaries.row_key(rooms.spec.name, one.crm, currency)
        mirror = rows.get(key)
        if mirror is None:
            _plan_new(rooms, draft, one, currency, values)
            continue
        changed = summaries.differing(spec, mirror.row, values)
        if changed:
            _plan_update(rooms, work, draft, one, mirror, values, changed)


def _plan_new(rooms: Rooms, draft: Draft, one: _Customer, currency: str, values: Mapping[str, Any]) -> None:
    assert one.crm is not None
    spec = rooms.summaries
    payload = {name: value for name, value in summaries.payload(spec, values).items() if value is not None}
    payload[dict(spec.receivable_fields)["as_of"]] = AS_OF
    if one.made_by:
        field_name = dict(spec.receivable_fields)["account" if one.crm.module == "Accounts" else "contact"]
        payload[field_name] = {"id": {"$created": one.made_by}}
        before = f"{rooms.spec.name}:{one.crm.module}:"
        payload[spec.key] = {"$created": one.made_by, "before": before, "after": f":{currency}"}
    else:
        payload[spec.key] = summaries.row_key(rooms.spec.name, one.crm, currency)
    shown = {name: value for name, value in values.items() if name != "as_of" and value is not None}
    draft.act(
        Action(
            key=f"summaries|create|crm|{spec.receivables}|books:contacts:{one.id}:{currency}", entity="summaries",
            mapping="summaries", verb="create", side="crm", module=spec.receivables, target=None,
            source=Ref("books", "contacts", one.id), payload=payload,
            changes=tuple(Change(name, "crm", None, value, "published") for name, value in sorted(shown.items())),
            reason="published", needs=(one.made_by,) if one.made_by else (), calls=0.01, rank=(1, one.id),
        )
    )  # fmt: skip


def _plan_update(
    rooms: Rooms, work: EntityWork, draft: Draft, one: _Customer, mirror: Mirror, values: Mapping[str, Any], changed: list[str]
) -> None:
    spec = rooms.summaries
    api = dict(spec.receivable_fields)
    payload = {**summaries.payload(spec, {name: values[name] for name in changed}), api["as_of"]: AS_OF}
    changes = tuple(
        Change(name, "crm", summaries.read(name, mirror.row.get(api[name])), values[name], "figures") for name in sorted(changed)
    )
    key = draft.act(
        Action(
            key=f"summaries|update|crm|{spec.receivables}|{mirror.ref}", entity="summaries", mapping="summaries", verb="update",
            side="crm", module=spec.receivables, target=mirror.ref, source=Ref("books", "contacts", one.id), payload=payload,
            changes=changes, reason="figures", stamp=mirror.stamp, calls=0.01, rank=(0, one.id),
        )
    )  # fmt: skip
    draft.say(_known(work, mirror), "updated", "figures", actions=(key,))


def _plan_withdrawn(
    rooms: Rooms, work: EntityWork, draft: Draft, customers: Mapping[str, _Customer], rows: Mapping[str, Mirror]
) -> None:
    """Rows of ours that nothing stands behind any more: no live link, or no invoice in that currency."""
    kept = {
        summaries.row_key(rooms.spec.name, one.crm, currency)
        for one in customers.values()
        if one.crm is not None and not one.made_by
        for currency in one.figures
    }
    places = {str(one.crm) for one in customers.values() if one.crm is not None and not one.made_by}
    spoilt = {one.id for one in customers.values() if one.reason == "invoice_quarantined"}
    waiting = {str(link.crm) for link in rooms.ledger.links(rooms.spec.name, "books", "contacts", spoilt).values()}
    for key, mirror in sorted(rows.items()):
        holder = holder_of(rooms, mirror.row)
        if key in kept or str(holder) in waiting:
            continue
        reason = "no_invoices" if str(holder) in places else "withdrawn"
        action = draft.act(
            Action(
                key=f"summaries|remove|crm|{mirror.ref.module}|{mirror.ref}", entity="summaries", mapping="summaries",
                verb="remove", side="crm", module=mirror.ref.module, target=mirror.ref, source=None,
                payload={"id": mirror.ref.id}, changes=(), reason=reason, stamp=mirror.stamp, calls=0.01, rank=(2, mirror.ref.id),
            )
        )  # fmt: skip
        draft.say(_known(work, mirror), "removed", reason, actions=(action,))


def _known(work: EntityWork, mirror: Mirror) -> Known:
    """A row that this run writes to counts as read, however long unchanged."""
    return work.known.setdefault(mirror.ref, Known(mirror.ref, mirror.hash, mirror.stamp, mirror.row, {}, mirror.ref.id))


def _say_invoices(rooms: Rooms, work: EntityWork, draft: Draft, customers: Mapping[str, _Customer]) -> None:
    """An invoice takes the word of what becomes of its figures."""
    by_customer: dict[str, list[str]] = {}
    for action in draft.actions.values():
        if action.source is not None:
            by_customer.setdefault(action.source.id, []).append(action.key)
    for ref, known in work.known.items():
        if ref.module != "invoices" or ref in work.quarantine:
            continue
        one = customers.get(str(known.raw.get("customer_id")))
        status = str(known.raw.get("status"))
        if known.deleted:
            draft.say(known, "skipped", "deleted", actions=by_customer.get(one.id, ()) if one else ())
        elif status in summaries.NOT_COUNTED:
            draft.say(known, "skipped", status)
        elif one is None or one.crm is None:
            word = one.reason if one else "customer_not_linked"
            draft.say(known, _word(rooms, work, one), word)
        else:
            keys = by_customer.get(one.id, ())
            draft.say(known, "updated" if keys else "unchanged", "published" if keys else "", actions=keys)


def _word(rooms: Rooms, work: EntityWork, one: _Customer | None) -> str:
    """Skipped where the customer was left out on purpose, blocked where it waits."""
    if one is None or one.reason in ("invoice_quarantined", "customer_not_linked"):
        return "blocked"
    customers = work.earlier.get("customers")
    ref = Ref("books", "contacts", one.id)
    for verdict in customers.plan.verdicts if customers and customers.plan else ():
        if verdict.record == ref:
            return "skipped" if verdict.outcome == "skipped" else "blocked"
    mirror = rooms.ledger.mirrors(rooms.spec.name, "books", "contacts", [one.id]).get(one.id)
    return "skipped" if one.reason == "customer_deleted" or (mirror and mirror.outcome == "skipped") else "blocked"


def _say_rows(rooms: Rooms, work: EntityWork, draft: Draft) -> None:
    """The receivables rows that were read and need no write."""
    for ref, known in work.known.items():
        if ref.side != "crm" or ref in draft.verdicts or ref in work.quarantine:
            continue
        key = str(known.raw.get(rooms.summaries.key) or "")
        if known.deleted:
            draft.say(known, "skipped", "deleted")
        elif holder_of(rooms, known.raw) is None:
            draft.say(known, "skipped", "other_connection" if key.count(":") >= 3 else "not_ours")
        else:
            draft.say(known, "unchanged", "")


def _balances(rooms: Rooms, draft: Draft) -> dict[str, list[Decimal]]:
    """Currency → published balance before and after this plan, for the brake."""
    spec, found = rooms.summaries, dict[str, list[Decimal]]()
    api = dict(spec.receivable_fields)
    now: dict[Ref, tuple[str, Decimal]] = {}
    for chunk in rooms.ledger.all_mirrors(rooms.spec.name, "crm", spec.receivables):
        for mirror in chunk:
            if holder_of(rooms, mirror.row) is not None:
                balance = summaries.read("balance", mirror.row.get(api["balance"])) or Decimal(0)
                now[mirror.ref] = (str(mirror.row.get(api["currency"])), balance)
    for currency, balance in now.values():
        pair = found.setdefault(currency, [Decimal(0), Decimal(0)])
        pair[0], pair[1] = pair[0] + balance, pair[1] + balance
    for action in draft.actions.values():
        after = {change.field: change.after for change in action.changes}
        if action.target is not None and action.target in now:
            currency, balance = now[action.target]
            new = Decimal(0) if action.verb == "remove" else after.get("balance", balance)
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
    for chunk in ledger.documents(name, "invoices", wanted):
        for document in chunk:
            kept.setdefault(document.customer, {})
            if wanted is not None:
                tally.add(document)
            if summaries.counted(document):
                sums = kept[document.customer].setdefault(document.currency, {"invoiced": Decimal(0), "balance": Decimal(0)})
                sums["invoiced"] += document.total
                sums["balance"] += document.balance
    if wanted is None:
        tally.sums = {(row[0], row[1]): [row[2], row[3]] for row in facts["tally"]}
    reasons = dict(facts["reasons"])
    for action in plan.actions:
        result = results.get(action.key)
        if action.source is not None and (result is None or result.outcome):
            reasons[action.source.id] = f"{result.outcome}_{result.reason}" if result else "not_reached"
    tied = summaries.tie_out(tally, kept, _published(rooms, wanted), reasons).json()
    return {"customers": None if wanted is None else len(wanted), **tied}


def _published(rooms: Rooms, wanted: Iterable[str] | None) -> dict[tuple[str, str], dict[str, Any]]:
    ledger, name, spec = rooms.ledger, rooms.spec.name, rooms.summaries
    api = dict(spec.receivable_fields)
    links = ledger.links(name, "books", "contacts", wanted)
    customer_of = {str(link.crm): link.books.id for link in links.values()}
    if wanted is None:
        rows = [mirror for chunk in ledger.all_mirrors(name, "crm", spec.receivables) for mirror in chunk]
    else:
        ids = ledger.by_keys(name, "crm", spec.receivables, {("holder", holder) for holder in customer_of})
        rows = list(ledger.mirrors(name, "crm", spec.receivables, {one for listed in ids.values() for one in listed}).values())
    found = {}
    for mirror in rows:
        holder = holder_of(rooms, mirror.row)
        if holder is None or mirror.deleted_at is not None:
            continue
        shown = {one: summaries.read(one, mirror.row.get(api[one])) or Decimal(0) for one in ("invoiced", "balance")}
        found[(customer_of.get(str(holder), str(holder)), str(mirror.row.get(api["currency"])))] = shown
    return found


def shows_what_was_sent(rooms: Rooms, row: Row, sent: Row) -> bool:
    """Whether a receivables row reads as we wrote it."""
    api = {name: ours for ours, name in rooms.summaries.receivable_fields}
    return all(
        summaries.read(api[name], row.get(name)) == summaries.read(api[name], value)
        for name, value in sent.items()
        if name in api and api[name] != "as_of"
    )
