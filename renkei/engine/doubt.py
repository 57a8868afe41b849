"""Doubt: what a person asked for, that left, and of which no answer came.

A document that was to be made, by a person or for a deal, carries our key: it is looked for among its customer's, and found or
not there. For an e-mail Books knows no key, and sending again would be a second one: it is looked for in what Books tells of the
document, its history, its status. What shows it closes the intent; where nothing does, a person is asked (`email_sent`), and
nobody sends this document until he has answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from renkei.core.errors import RenkeiError
from renkei.core.planning import REMEMBER, hold_id
from renkei.core.published import KINDS
from renkei.core.records import Answer, Hold, Intent, OutcomeRow, Row
from renkei.core.values import Ref, content_hash
from renkei.engine.deals import written
from renkei.engine.work import Rooms

EMAIL = "email"  # the verb of such an intent's action
QUESTION = "email_sent"


async def state_before(rooms: Rooms, ref: Ref, detail: Row) -> dict[str, Any]:
    """What must be different once an e-mail of the document has left."""
    history = await rooms.books.history(ref.module, ref.id)
    return {
        "history": [str(one.get("comment_id")) for one in history],
        "is_emailed": bool(detail.get("is_emailed")),
        "status": str(detail.get("status") or ""),
    }


def was_sent(before: Mapping[str, Any], to: Sequence[str], detail: Row, history: Sequence[Row]) -> bool:
    """Whether Books shows that it went out: a new entry that names a recipient, the mark of being e-mailed, or the draft sent."""
    new = [one for one in history if str(one.get("comment_id")) not in before["history"]]
    named = any(address.casefold() in str(one.get("description") or "").casefold() for one in new for address in to)
    marked = bool(detail.get("is_emailed")) and not before["is_emailed"]
    return named or marked or (before["status"] == "draft" and str(detail.get("status") or "") in ("sent", "open"))


async def settle_email(rooms: Rooms, intent: Intent, run: str, actor: str) -> bool:
    """Close the intent by what Books shows: True where it was sent; else a person is asked, unless it never left. Errors of
    reading leave it open."""
    ref, payload = intent.action.target, intent.action.payload
    assert ref is not None
    ledger, name = rooms.ledger, rooms.spec.name
    if intent.state == "intended":  # it is marked as sent before it leaves
        ledger.mark_intents([intent.id], "abandoned", rooms.clock.now(), {intent.id: {"by": "never_left"}})
        return False
    detail = await rooms.books.get(ref.module, ref.id)
    history = await rooms.books.history(ref.module, ref.id) if detail is not None else []
    now = rooms.clock.now()
    sent = detail is not None and was_sent(payload["before"], payload["mail"]["to_mail_ids"], detail, history)
    with ledger.transaction():
        if sent:
            ledger.mark_intents([intent.id], "confirmed", now, {intent.id: {"by": "history"}})
            ledger.append(name, run, [email_row(intent, ref, "found_in_history", now, actor)])
            return True
        ledger.mark_intents([intent.id], "abandoned", now, {intent.id: {"by": QUESTION}})
        hold = Hold(
            hold_id(name, QUESTION, ref, intent.id), "documents", QUESTION, ref, None,
            (), ("sent", "not_sent"), {"label": payload["number"], "mail": _what(intent), "values": _told(payload["mail"])},
        )  # fmt: skip
        ledger.put_holds(name, [hold], run, now)
        ledger.append(name, run, [OutcomeRow("note", "documents", (ref,), "held", "email_sent", now, actor, {"hold": hold.id})])
    return False


def email_row(intent: Intent, ref: Ref, reason: str, now: Any, actor: str) -> OutcomeRow:
    """The evidence of one e-mail: which template, to whom, what it said."""
    to = intent.action.payload["to"]
    return OutcomeRow("write", "documents", (ref, *map(Ref.parse, to)), "sent", reason, now, actor, {**_what(intent), "to": to})


def _told(mail: Row) -> dict[str, str]:
    """What a person is shown with the question."""
    return {"to": ", ".join(mail["to_mail_ids"]), "subject": mail["subject"]}


def _what(intent: Intent) -> dict[str, Any]:
    payload = intent.action.payload
    return {"template": payload["template"], "version": payload["version"], "request": payload["mail"], "intent": intent.id}


RECOVERED, HANDED_OVER = "found_by_key", "handed_over"


async def settle_create(rooms: Rooms, intent: Intent, run: str, actor: str) -> None:
    """Close the intent of a document that was to be made by whether its key stands on one of the customer's documents."""
    action, key = intent.action, rooms.spec.books_key
    customer = str(action.payload["customer_id"])
    rows = await rooms.books.documents_of(action.module, "customer_id", customer)
    made = next((str(row[KINDS[action.module].id]) for row in rows if row.get(key) == intent.key), None)
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    with ledger.transaction():
        if made is None:
            ledger.mark_intents([intent.id], "abandoned", now, {intent.id: {"by": "not_there"}})
            return
        ledger.mark_intents([intent.id], "confirmed", now, {intent.id: {"id": made, "by": RECOVERED}})
        if REMEMBER in action.payload:
            ledger.put_deal_documents(name, [written(action, Answer(True), made)], run)
        source = [action.source] if action.source is not None else []
        ledger.append(name, run, [made_row(intent, made, [*source, Ref("books", "contacts", customer)], RECOVERED, now, actor)])


def made_row(intent: Intent, made: str, about: Sequence[Ref], reason: str, now: datetime, actor: str) -> OutcomeRow:
    """The evidence of a document that was made."""
    action, document = intent.action, Ref("books", intent.action.module, made)
    detail = {
        "verb": "create", "side": "books", "module": action.module, "request": action.payload, "key": intent.key,
        "document": str(document), "asked_for": content_hash(action.payload),
    }  # fmt: skip
    return OutcomeRow("write", action.entity, (*about, document), "created", reason, now, actor, detail)


async def settle_move(rooms: Rooms, intent: Intent, run: str, actor: str) -> None:
    """Close the intent of a deal's document that was to be given a status by the status that it has. What did not arrive is
    planned anew by the run that comes."""
    action, wanted = intent.action, str(intent.action.payload["status"])
    document = action.target.id if action.target is not None else str(action.payload["document"])
    detail = await rooms.books.get(action.module, document)
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    done = detail is not None and detail.get("status") == wanted
    ref = Ref("books", action.module, document)
    with ledger.transaction():
        ledger.mark_intents([intent.id], "confirmed" if done else "abandoned", now, {intent.id: {"by": "status"}})
        if done:
            ledger.put_deal_documents(name, [written(action, Answer(True), document)], run)
            about = (*(() if action.source is None else (action.source,)), ref)
            told = {"verb": "move", "side": "books", "module": action.module, "request": {"status": wanted}}
            ledger.append(name, run, [OutcomeRow("write", action.entity, about, "updated", "found_by_status", now, actor, told)])


async def settle_people(rooms: Rooms, intents: Sequence[Intent], run: str, actor: str) -> list[Intent]:
    """Settle those of the intents that people asked for and that can be looked for; returns the others. What Books does not
    tell of now stays open."""
    rest = []
    for intent in intents:
        settle = _SETTLES.get((intent.action.entity, intent.action.verb))
        if settle is None or intent.action.side != "books":
            rest.append(intent)
            continue
        with suppress(RenkeiError):  # Books does not answer now: the next run looks
            await settle(rooms, intent, run, actor)
    return rest


_SETTLES: Mapping[tuple[str, str], Callable[[Rooms, Intent, str, str], Awaitable[object]]] = {
    ("documents", EMAIL): settle_email, ("documents", "create"): settle_create, ("deals", "create"): settle_create,
    ("deals", "move"): settle_move,
}  # fmt: skip
