"""E-mail of a document with its PDF to contacts of the CRM, by Books' own templates: first a preview, then the sending.

Every call is one e-mail, and Books knows no key that would make a second one harmless. So the intent stands in the journal
before the call, a call without an answer is looked up and otherwise asked about (engine/doubt.py), what was sent to the same
people by the same template of the same version of a document is not sent again unless that is said, and no batch comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from renkei.core.document_view import number_of, plain_text
from renkei.core.errors import AnswerUnknown, ModuleOff, RenkeiError, TryAgain
from renkei.core.names import email as address_of
from renkei.core.records import Action, Intent, OutcomeRow, Row
from renkei.core.rights import kind_of
from renkei.core.values import Ref, content_hash
from renkei.engine.crm_user import CrmUser, require_open_period
from renkei.engine.documents import detail_of, require_document
from renkei.engine.doubt import EMAIL, QUESTION, email_row, settle_email, state_before
from renkei.engine.sequence import Report, in_a_run
from renkei.engine.work import Request


async def preview(user: CrmUser, ref: Ref, template: str = "", to: Sequence[Ref] = ()) -> dict[str, Any]:
    """What the e-mail would be: templates, senders, the recipients that Books suggests, subject and body. Sends nothing.

    raises  DocumentRefused: no_such_template, no_address …
    """
    require_document(user, ref, "email")
    with user.told([ref]):
        content = await _content(user, ref, template)
        recipients = await _recipients(user, ref, to)
    user.seen([ref, *to], sent=False)
    return {"record": str(ref), "sent": False, **_shown(content), "to": recipients}


async def send(
    user: CrmUser, ref: Ref, template: str, to: Sequence[Ref], *, again: bool = False, environment: str = ""
) -> dict[str, Any]:
    """Send it, once: `template` and `to` are said outright. `again`: although the same was sent before.

    raises  DocumentRefused: nothing_said, period_closed (a draft), already_sent, email_in_doubt, email_unknown, books_refused,
            and those of `preview`
    """
    require_document(user, ref, "email")
    if not template or not to:
        raise user.refused("nothing_said", [ref])
    told: dict[str, Any] = {}

    async def body(report: Report, run: str) -> None:
        told.update(await _send(user, ref, template, tuple(dict.fromkeys(to)), again, run))
        report.status = "green"

    request = Request(only=(ref,), actor=user.act.actor, typist=user.act.typist, kind=EMAIL, environment=environment)
    with user.told([ref]):
        report = await in_a_run(user.rooms, request, EMAIL, body)
    return {"record": str(ref), "sent": True, "run": report.run, **told}


async def _send(user: CrmUser, ref: Ref, template: str, to: tuple[Ref, ...], again: bool, run: str) -> dict[str, Any]:
    rooms, ledger, name = user.rooms, user.rooms.ledger, user.spec.name
    await _settle_earlier(user, ref, run)
    module, detail = await detail_of(user, ref, "email")
    if detail.get("status") == "draft":  # Books takes an e-mailed draft for sent, and books it on its date
        require_open_period(user, [date.fromisoformat(str(detail["date"]))], [ref])
    content, recipients = await _content(user, ref, template), await _recipients(user, ref, to)
    shown = _shown(content)
    sender = next((one for one in shown["senders"] if one["selected"]), {"organisation": True})
    mail: Row = {
        "send_from_org_email_id": sender["organisation"], "to_mail_ids": [one["email"] for one in recipients],
        "subject": shown["subject"], "body": str(content.get("body") or ""),
    }  # fmt: skip
    if not mail["subject"].strip() or not plain_text(mail["body"]):
        raise user.refused("empty_mail", [ref])
    version = content_hash([detail.get(part) for part in ("line_items", "total", "date", "notes", "terms")])
    if not again and any(
        row.outcome == "sent" and row.detail.get("request", {}).get("to_mail_ids") == mail["to_mail_ids"]
        and (row.detail.get("template"), row.detail.get("version")) == (template, version)
        for _, row in ledger.story(name, ref)
    ):  # fmt: skip
        raise user.refused("already_sent", [ref], record=str(ref))
    payload = {
        "mail": mail, "template": template, "to": [str(one) for one in to], "number": number_of(module, detail),
        "version": version, "before": await state_before(rooms, ref, detail),
    }  # fmt: skip
    action = Action(
        key=f"documents|{EMAIL}|books|{module}|{ref}", entity="documents", mapping="", verb=EMAIL, side="books", module=module,
        target=ref, source=None, payload=payload, changes=(), reason="asked",
    )  # fmt: skip
    intent = Intent(content_hash([run, action.key])[:32], run, action, "", "intended")
    now = rooms.clock.now()
    ledger.intend(name, [intent], now)
    ledger.mark_intents([intent.id], "sent", now)
    rooms.allow_writes(True)
    await _post(user, ref, intent, run)
    rooms.allow_writes(False)
    return {"template": template, "to": recipients, "subject": mail["subject"], "attachment": shown["attachment"]}


async def _post(user: CrmUser, ref: Ref, intent: Intent, run: str) -> None:
    rooms, ledger, name = user.rooms, user.rooms.ledger, user.spec.name
    try:
        answer = await rooms.books.send_email(ref.module, ref.id, intent.action.payload["mail"])
    except AnswerUnknown as error:
        ledger.mark_intents([intent.id], "unknown", rooms.clock.now(), {intent.id: {"error": error.what}})
        if await _found(user, replace(intent, state="unknown"), run):
            return
        raise user.refused("email_unknown", [ref]) from None
    except TryAgain as error:
        ledger.mark_intents([intent.id], "abandoned", rooms.clock.now(), {intent.id: {"error": error.what}})
        raise
    said, now = {"code": answer.code, "words": answer.words}, rooms.clock.now()
    with ledger.transaction():
        ledger.mark_intents([intent.id], "confirmed" if answer.ok else "refused", now, {intent.id: said})
        if answer.ok:
            ledger.append(name, run, [email_row(intent, ref, "asked", now, user.act.actor)])
    if not answer.ok:
        raise user.refused("books_refused", [ref], words=f"{answer.words} ({answer.code})")


async def _found(user: CrmUser, intent: Intent, run: str) -> bool:
    try:
        return await settle_email(user.rooms, intent, run, user.act.actor)
    except RenkeiError:
        return False  # the intent stays unknown, and whoever comes next looks


async def _settle_earlier(user: CrmUser, ref: Ref, run: str) -> None:
    """What is open of this document's e-mails: a run that died, a question, an answer to it. DocumentRefused while it is."""
    rooms, ledger, name = user.rooms, user.rooms.ledger, user.spec.name
    for intent in ledger.open_intents(name):
        if intent.action.verb == EMAIL and intent.action.target == ref and intent.run != run:
            await settle_email(rooms, intent, run, user.act.actor)
    if any(one.question == QUESTION and one.record == ref for one in ledger.open_holds(name)):
        raise user.refused("email_in_doubt", [ref])
    now = rooms.clock.now()
    for hold, decision in ledger.decisions(name):
        if hold.question == QUESTION and hold.record == ref:
            word = "sent" if decision.choice == "sent" else "not_sent"
            detail = {**hold.detail["mail"], "hold": hold.id}
            row = OutcomeRow("note", "documents", (ref,), word, "decision", now, decision.actor, detail)
            with ledger.transaction():
                ledger.append(name, run, [row])
                ledger.carry_out(name, [hold.id], run, now)
            if decision.choice == "sent":
                raise user.refused("email_was_sent", [ref])


async def _content(user: CrmUser, ref: Ref, template: str) -> Row:
    books = user.rooms.books
    try:
        content = await books.email_content(ref.module, ref.id)
    except ModuleOff:
        raise user.refused("switched_off", [ref], kind=kind_of(ref.module) or "") from None
    if not content.get("subject") and not content.get("body"):
        raise user.refused("not_found", [ref], record=str(ref))
    listed = {one["id"]: one["selected"] for one in _shown(content)["templates"]}
    if template and template not in listed:
        raise user.refused("no_such_template", [ref], template=template, there=", ".join(listed))
    return await books.email_content(ref.module, ref.id, template) if template and not listed[template] else content


async def _recipients(user: CrmUser, ref: Ref, to: Sequence[Ref]) -> list[dict[str, Any]]:
    """Contacts of the CRM with their address, in the order asked. DocumentRefused: no_contact, not_found, no_address."""
    for one in to:
        if (one.side, one.module) != ("crm", "Contacts"):
            raise user.refused("no_contact", [ref], record=str(one))
    rows = await user.rooms.crm.get_many("Contacts", [one.id for one in to], ["Full_Name", "Email"]) if to else {}
    found = []
    for one in to:
        row = rows.get(one.id)
        if row is None:
            raise user.refused("not_found", [ref, one], record=str(one))
        address = str(row.get("Email") or "")
        if address_of(address) is None:
            raise user.refused("no_address", [ref, one], record=str(one))
        found.append({"record": str(one), "name": str(row.get("Full_Name") or ""), "email": address})
    return found


def _shown(content: Row) -> dict[str, Any]:
    """The parts of a ready message that people look at."""
    return {
        "templates": [
            {"id": str(one["email_template_id"]), "name": str(one.get("name") or ""), "selected": bool(one.get("selected"))}
            for one in content.get("emailtemplates") or ()
        ],
        "senders": [
            {
                "name": str(one.get("user_name") or ""), "email": str(one.get("email") or ""),
                "selected": bool(one.get("selected")), "organisation": bool(one.get("is_org_email_id", True)),
            }
            for one in content.get("from_emails") or ()
        ],
        "suggested": [
            {
                "name": " ".join(str(one[part]) for part in ("first_name", "last_name") if one.get(part)),
                "email": str(one.get("email") or ""), "selected": bool(one.get("selected")),
            }
            for one in content.get("to_contacts") or ()
        ],
        "subject": str(content.get("subject") or ""),
        "body": plain_text(str(content.get("body") or "")),
        "attachment": str(content.get("file_name") or ""),
    }  # fmt: skip
