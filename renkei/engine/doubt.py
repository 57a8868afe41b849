"""Doubt: an e-mail that left and of which no answer came. Books knows no key for it, and sending again would be a second one.

So it is looked for in what Books tells of the document: its history, its status. What shows it closes the intent; where nothing
does, a person is asked (`email_sent`), and nobody sends this document until he has answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renkei.core.errors import RenkeiError
from renkei.core.planning import hold_id
from renkei.core.records import Hold, Intent, OutcomeRow, Row
from renkei.core.values import Ref
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


async def settle_emails(rooms: Rooms, intents: Sequence[Intent], run: str, actor: str) -> list[Intent]:
    """Settle those of the intents that are e-mails; returns the others, and keeps those open that Books did not tell of."""
    rest = []
    for intent in intents:
        if intent.action.verb != EMAIL:
            rest.append(intent)
            continue
        try:
            await settle_email(rooms, intent, run, actor)
        except RenkeiError:
            continue  # Books does not answer now: the next run looks
    return rest
