"""Create and edit an estimate, sales order or invoice for a CRM user: pre-filled, checked, and once through any crash.

A document that is made carries `renkei:<intent id>` in our unique field of Books. An answer that was lost, or a run that died, is
settled by looking for that key among the customer's documents: found, the document is the one that was asked for; not found, it
was never made. An edit is checked against the document as it is, and repeats harmlessly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from renkei.core.document_forms import FIELDS, SETTLED, Fault, Form, Known, body_of, checked, edits, form_of, shown
from renkei.core.errors import AnswerUnknown, RenkeiError, TryAgain
from renkei.core.records import Action, Answer, Intent, OutcomeRow, Row
from renkei.core.rights import MODULES, kind_of
from renkei.core.values import Ref, content_hash, plain
from renkei.engine.crm_user import CrmUser, require_open_period
from renkei.engine.documents import Party, detail_of, party_of, require_kind
from renkei.engine.doubt import HANDED_OVER, RECOVERED, made_row, settle_create
from renkei.engine.publish import today_of
from renkei.engine.sequence import Report, in_a_run, run_sequence
from renkei.engine.work import Request, published_of

UNTOUCHED = [{"name": "-", "price": "0"}]  # stands for a document's lines on both sides of an edit that leaves them alone
Asked = Mapping[str, Any]  # the fields of a form that were filled in (core/document_forms.py FIELDS)


async def create(
    user: CrmUser, kind: str, ref: Ref, asked: Asked, *, preview: bool = False, environment: str = ""
) -> dict[str, Any]:
    """Make a document for an account or contact. What was not filled in comes from the record. `preview`: show it, make nothing.

    A record without a customer is synced first. The document then is published at once, where documents are.
    raises  DocumentRefused: not_from_deal, no_customer, invalid, period_closed, books_refused, and the denials
    """
    require_kind(user, kind, "create", [ref])
    if (ref.side, ref.module) == ("crm", "Deals"):
        raise user.refused("not_from_deal", [ref])
    with user.told([ref]):
        party = await _party(user, ref, preview, environment)
        customer = await user.rooms.books.get("contacts", party.customer) if party.customer else None
        if customer is None:
            raise user.refused("no_customer", party.refs(), record=str(ref))
        if kind != "invoices" and not await user.rooms.books.offers(MODULES[kind]):
            raise user.refused("switched_off", party.refs(), kind=kind)
        filled = {**await _prefilled(user, kind, party, customer), **asked}
        form, faults = checked(filled, await _known(user, kind, customer, filled, {}))
        form = _sound(user, form, faults, party.refs())
        require_open_period(user, [form.dated], party.refs())
    told = {"record": str(ref), "customer": f"books:contacts:{party.customer}", **shown(kind, form, _currency(customer))}
    if preview:
        user.seen(party.refs(), kind=kind, made=False)
        return {**told, "document": None}
    return {**told, **await _make(user, kind, party, {"customer_id": party.customer, **body_of(kind, form)}, environment)}


async def edit(
    user: CrmUser, ref: Ref, asked: Asked, *, stamp: str = "", preview: bool = False, environment: str = ""
) -> dict[str, Any]:
    """Change these fields of a document: {"record", "changes": [{"field", "before", "after"}], "run"}; `run` is None where
    nothing differs or only a preview was asked for.

    stamp   of the document as it was seen (`stamp` of show); where it has changed since, nothing is written
    raises  DocumentRefused: paid, void, invoiced, closed, stale, period_closed, invalid, books_refused, and the denials
    """
    module, detail = await detail_of(user, ref, "edit")
    kind = kind_of(module) or ""
    told: dict[str, Any] = {}

    async def body(report: Report, run: str) -> None:
        told.update(await _change(user, ref, kind, asked, stamp, run))
        report.status = "green"

    if preview:
        with user.told([ref]):
            changes, _ = await _changes(user, ref, kind, detail, asked, stamp)
        user.seen([ref], changed=False)
        return {"record": str(ref), "run": None, "changes": _told_changes(changes)}
    request = Request(only=(ref,), actor=user.act.actor, typist=user.act.typist, kind="edit", environment=environment)
    with user.told([ref]):
        report = await in_a_run(user.rooms, request, "edit", body)
    notes = await _publish(user, ref, environment) if told["written"] else []
    return {"record": str(ref), "run": report.run if told["written"] else None, "changes": told["changes"], "notes": notes}


# ------------------------------------------------------------------------------------------------------------- the form


async def _party(user: CrmUser, ref: Ref, preview: bool, environment: str) -> Party:
    party = await party_of(user, ref)
    if party.customer is not None or preview:
        return party
    holder = party.record
    request = Request(only=(holder,), actor=user.act.actor, typist=user.act.typist, environment=environment)
    await run_sequence(user.rooms, request)
    return await party_of(user, ref)


async def _prefilled(user: CrmUser, kind: str, party: Party, customer: Row) -> dict[str, Any]:
    """Date, due date by the customer's payment terms, the primary contact person, the owner as salesperson."""
    today = today_of(user.rooms)
    due = today + timedelta(days=int(customer.get("payment_terms") or 0)) if kind == "invoices" else None
    primary = next((one for one in customer.get("contact_persons") or () if one.get("is_primary_contact")), None)
    holder = party.holder or party.record
    rows = await user.rooms.crm.get_many(holder.module, [holder.id], ["Owner"]) if holder.side == "crm" else {}
    owner = rows.get(holder.id, {}).get("Owner")
    names = (
        {one.id: one.name for one in await user.rooms.crm.users()} if isinstance(owner, dict) and not owner.get("name") else {}
    )
    return {
        **dict.fromkeys(FIELDS, ""), "lines": [], "date": today.isoformat(), "due": due and due.isoformat(),
        "person": str(primary["contact_person_id"]) if primary else "",
        "salesperson": str(owner.get("name") or names.get(str(owner.get("id")), "")) if isinstance(owner, dict) else "",
    }  # fmt: skip


async def _known(user: CrmUser, kind: str, customer: Row, filled: Asked, kept: Mapping[str, Row]) -> Known:
    """What the fields may name. `kept`: items that a document has already, whatever became of them since."""
    books, ledger, name = user.rooms.books, user.rooms.ledger, user.spec.name
    ids: dict[str, str] = {}
    for line in filled.get("lines") or ():
        asked = str(line.get("item") or "")
        if asked and asked not in kept:
            ref = _parsed(asked)
            link = ledger.link_of(name, ref) if ref is not None and ref.module == "Products" else None
            target = link.books if link is not None else ref
            ids[asked] = target.id if target is not None and target.module == "items" and target.id.isdigit() else ""
    rows = await books.get_items([one for one in ids.values() if one]) if any(ids.values()) else {}
    wanted = str(filled.get("person") or "")
    return Known(
        places=int(customer.get("price_precision", 2)),
        items={**{asked: rows.get(found) for asked, found in ids.items()}, **kept},
        taxes=await books.taxes(), persons=await _persons(user, customer, wanted),
        templates=await books.templates(MODULES[kind]) if filled.get("template") else (),
    )  # fmt: skip


async def _persons(user: CrmUser, customer: Row, wanted: str) -> dict[str, str]:
    """The customer's contact persons by id; the one that a CRM contact is, by link or by e-mail address."""
    there = {str(one["contact_person_id"]): one for one in customer.get("contact_persons") or ()}
    found = {person: person for person in there}
    ref = _parsed(wanted)
    if ref is None or (ref.side, ref.module) != ("crm", "Contacts"):
        return found
    link = user.rooms.ledger.link_of(user.spec.name, ref)
    if link is not None and link.books.id in there:
        return {**found, wanted: link.books.id}
    row = (await user.rooms.crm.get_many("Contacts", [ref.id], ["Email"])).get(ref.id) or {}
    address = str(row.get("Email") or "").casefold()
    same = [person for person, one in there.items() if address and str(one.get("email") or "").casefold() == address]
    return {**found, wanted: same[0]} if len(same) == 1 else found


def _parsed(text: str) -> Ref | None:
    try:
        return Ref.parse(text)
    except ValueError:
        return None


def _sound(user: CrmUser, form: Form | None, faults: Sequence[Fault], refs: Sequence[Ref]) -> Form:
    if form is not None:
        return form
    english, japanese = zip(*(one.said() for one in faults), strict=True)
    raise user.refused("invalid", refs, faults=("; ".join(english), "、".join(japanese)))


def _currency(customer: Row) -> str:
    return str(customer.get("currency_code") or "")


# --------------------------------------------------------------------------------------------------------------- create


async def _make(user: CrmUser, kind: str, party: Party, body: Row, environment: str) -> dict[str, Any]:
    made: dict[str, Any] = {}

    async def within(report: Report, run: str) -> None:
        made.update(await _made(user, MODULES[kind], party, body, run))
        report.status = "green"

    claimed = Ref("books", "contacts", str(party.customer))
    request = Request(only=(claimed,), actor=user.act.actor, typist=user.act.typist, kind="create", environment=environment)
    with user.told(party.refs()):
        report = await in_a_run(user.rooms, request, "create", within)
    ref = Ref("books", MODULES[kind], made["id"])
    notes = await _publish(user, ref, environment)
    return {"document": str(ref), "number": made["number"], "total": made["total"], "run": report.run, "notes": notes}


async def _made(user: CrmUser, module: str, party: Party, body: Row, run: str) -> dict[str, Any]:
    """The document: made now, or by an earlier call that asked for the very same and never heard of it."""
    rooms, ledger, name = user.rooms, user.rooms.ledger, user.spec.name
    for intent in ledger.open_intents(name):
        mine = intent.action.verb == "create" and intent.action.payload.get("customer_id") == party.customer
        if intent.action.entity == "documents" and mine and intent.run != run:
            await settle_create(rooms, intent, run, user.act.actor)
    asked_for = content_hash(body)
    earlier = _recovered(user, party, asked_for)
    if earlier is not None:
        detail = await rooms.books.get(module, earlier.id)
        row = OutcomeRow("note", "documents", (*party.refs(), earlier), HANDED_OVER, asked_for, rooms.clock.now(), user.act.actor)
        ledger.append(name, run, [row])
        return _answered(module, earlier.id, detail or {})
    action = Action(
        key=f"documents|create|books|{module}|{party.record}|{asked_for[:16]}", entity="documents", mapping="", verb="create",
        side="books", module=module, target=None, source=party.record, payload=body, changes=(), reason="asked",
    )  # fmt: skip
    intent = Intent(content_hash([run, action.key])[:32], run, action, "", "intended")
    intent = replace(intent, key=f"renkei:{intent.id}")
    ledger.intend(name, [intent], rooms.clock.now())
    ledger.mark_intents([intent.id], "sent", rooms.clock.now())
    rooms.allow_writes(True)
    answer = await _put(user, intent)
    rooms.allow_writes(False)
    now, said = rooms.clock.now(), {"id": answer.id, "code": answer.code, "words": answer.words}
    with ledger.transaction():
        ledger.mark_intents([intent.id], "confirmed" if answer.ok else "refused", now, {intent.id: said})
        if answer.ok and answer.id:
            ledger.append(name, run, [made_row(intent, answer.id, party.refs(), "asked", now, user.act.actor)])
    if not answer.ok or not answer.id:
        raise user.refused("books_refused", party.refs(), words=f"{answer.words} ({answer.code})")
    return _answered(module, answer.id, answer.record or {})


async def _put(user: CrmUser, intent: Intent) -> Answer:
    """The call, and once more where no answer came: the key lets nothing be made twice. AnswerUnknown leaves the intent open."""
    rooms, action = user.rooms, intent.action
    try:
        try:
            return await rooms.books.put_by_key(action.module, rooms.spec.books_key, intent.key, action.payload)
        except AnswerUnknown:
            return await rooms.books.put_by_key(action.module, rooms.spec.books_key, intent.key, action.payload)
    except AnswerUnknown as error:
        rooms.ledger.mark_intents([intent.id], "unknown", rooms.clock.now(), {intent.id: {"error": error.what}})
        raise
    except TryAgain as error:  # of the second call: the first may have arrived, and is looked for by whoever comes next
        rooms.ledger.mark_intents([intent.id], "unknown", rooms.clock.now(), {intent.id: {"error": error.what}})
        raise


def _recovered(user: CrmUser, party: Party, asked_for: str) -> Ref | None:
    """A document that a dead call made with these very words, and that nobody has been told of."""
    found: dict[Ref, bool] = {}
    for _, row in user.rooms.ledger.story(user.spec.name, Ref("books", "contacts", str(party.customer))):
        if (row.outcome, row.reason) == ("created", RECOVERED) and row.detail.get("asked_for") == asked_for:
            found[Ref.parse(str(row.detail["document"]))] = True
        elif row.outcome == HANDED_OVER and row.reason == asked_for:
            found.clear()
    return next(iter(found), None)


def _answered(module: str, record: str, detail: Row) -> dict[str, Any]:
    number = str(next((detail[name] for name in detail if name.endswith("_number") and name[:4] == module[:4]), ""))
    return {"id": record, "number": number, "total": plain(detail.get("total"))}


async def _publish(user: CrmUser, ref: Ref, environment: str) -> list[str]:
    """Bring the document's row and figures up to date at once; what cannot be done now, the next batch does."""
    if not published_of(user.spec):
        return []
    request = Request(
        only=(ref,), actor=user.act.actor, typist=user.act.typist, kind="refresh", environment=environment
    )  # fmt: skip
    try:
        await run_sequence(user.rooms, request)
    except RenkeiError as error:
        return [f"the next batch publishes it: {error.what}"]
    return []


# ----------------------------------------------------------------------------------------------------------------- edit


async def _change(user: CrmUser, ref: Ref, kind: str, asked: Asked, stamp: str, run: str) -> dict[str, Any]:
    rooms, ledger, name = user.rooms, user.rooms.ledger, user.spec.name
    detail = await rooms.books.get(ref.module, ref.id)
    if detail is None:
        raise user.refused("not_found", [ref], record=str(ref))
    changes, body = await _changes(user, ref, kind, detail, asked, stamp)
    if not changes:
        return {"changes": [], "written": False}
    action = Action(
        key=f"documents|edit|books|{ref.module}|{ref}", entity="documents", mapping="", verb="update", side="books",
        module=ref.module, target=ref, source=None, payload=body, changes=changes, reason="asked",
    )  # fmt: skip
    intent = Intent(content_hash([run, action.key])[:32], run, action, "", "intended")
    ledger.intend(name, [intent], rooms.clock.now())
    ledger.mark_intents([intent.id], "sent", rooms.clock.now())
    rooms.allow_writes(True)
    try:
        answer = await _update(user, ref, body)
    except (AnswerUnknown, TryAgain) as error:
        ledger.mark_intents([intent.id], "unknown", rooms.clock.now(), {intent.id: {"error": error.what}})
        raise
    rooms.allow_writes(False)
    now, told = rooms.clock.now(), _told_changes(changes)
    with ledger.transaction():
        said = {"code": answer.code, "words": answer.words}
        ledger.mark_intents([intent.id], "confirmed" if answer.ok else "refused", now, {intent.id: said})
        if answer.ok:
            sides = [{**one, "side": "books", "reason": "asked"} for one in told]
            detail_of_row = {"verb": "update", "side": "books", "module": ref.module, "changes": sides, "request": body}
            row = OutcomeRow("write", "documents", (ref,), "updated", "asked", now, user.act.actor, detail_of_row)
            ledger.append(name, run, [row])
    if not answer.ok:
        raise user.refused("books_refused", [ref], words=f"{answer.words} ({answer.code})")
    return {"changes": told, "written": True}


async def _update(user: CrmUser, ref: Ref, body: Row) -> Answer:
    """The same body twice says the same, so that an answer that was lost is asked for again."""
    try:
        return await user.rooms.books.update(ref.module, ref.id, body)
    except AnswerUnknown:
        return await user.rooms.books.update(ref.module, ref.id, body)


async def _changes(user: CrmUser, ref: Ref, kind: str, detail: Row, asked: Asked, stamp: str) -> tuple[tuple[Any, ...], Row]:
    """Before → after of each field that the edit changes, and the body that says so."""
    if stamp and stamp != str(detail.get("last_modified_time")):
        raise user.refused("stale", [ref], record=str(ref))
    reason = SETTLED[kind].get(str(detail.get("status") or ""))
    if reason is not None:
        raise user.refused(reason, [ref], record=str(ref))
    old = form_of(kind, detail)
    if "lines" not in asked:
        old["lines"] = UNTOUCHED
    kept = {
        f"books:items:{line['item_id']}": {
            "item_id": line["item_id"], "name": line.get("name"), "rate": line.get("rate"), "tax_id": line.get("tax_id"),
        }
        for line in detail.get("line_items") or ()
        if line.get("item_id")
    }  # fmt: skip
    customer = {"price_precision": detail.get("price_precision", 2)}
    if asked.get("person"):
        customer |= await user.rooms.books.get("contacts", str(detail.get("customer_id"))) or {}
    new = {**old, **asked}
    known = await _known(user, kind, customer, new, kept)
    known = replace(
        known, persons={**known.persons, old["person"]: old["person"]},
        templates=[*known.templates, {"template_id": old["template"], "template_name": old["template"]}],
    )  # fmt: skip
    before, faults = checked(old, known)
    before = _sound(user, before, faults, [ref])
    after, faults = checked(new, known)
    after = _sound(user, after, faults, [ref])
    require_open_period(user, [before.dated, after.dated], [ref])
    return edits(kind, before, after)


def _told_changes(changes: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"field": one.field, "before": plain(one.before), "after": plain(one.after)} for one in changes]
