"""E-mail of documents: templates, ready content, and sending, which is counted and never leaves (books-v3.md 10.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors, history, papers, statuses
from renkei.sandbox.books.documents import save
from renkei.sandbox.books.kinds import KINDS, ORDERS
from renkei.sandbox.books.values import text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

# What a document that is e-mailed as a draft becomes (unverified).
_EMAILED = {"invoices": "sent", "estimates": "sent", "salesorders": "open", "purchaseorders": "open"}
_NEEDED = {"salesorders": ("to_mail_ids", "subject", "body"), "purchaseorders": ("to_mail_ids", "body")}
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_WORDINGS = (
    (
        "Default",
        "{noun} - {number} from {org}",
        "Dear {name},<br><br>Please find {noun} {number} of {date} for {total} attached.<br><br>Regards,<br>{org}",
    ),
    (
        "日本語",
        "【{org}】{noun} {number} のご送付",
        "{name} 様<br><br>{date} 付の {number}（合計 {total}）をお送りいたします。<br><br>{org}",
    ),
)


def standard_templates() -> dict[str, list[dict[str, Any]]]:
    """The e-mail templates of each kind of document; the first is the one that is chosen without being asked for."""
    return {
        kind: [
            {"email_template_id": str(460000000000067 + 200 * (n + 1) + 2 * m), "name": name, "subject": subject, "body": body}
            for m, (name, subject, body) in enumerate(_WORDINGS)
        ]
        for n, kind in enumerate(ORDERS)
    }


def content(org: Organisation, kind: str, document: Record, template_id: str = "") -> dict[str, Any]:
    """GET .../email: a ready message; BooksError 2 for a template that is none."""
    templates = org.email_templates[kind]
    chosen = next((one for one in templates if one["email_template_id"] == template_id), None) if template_id else templates[0]
    if chosen is None:
        raise errors.invalid("email_template_id")
    party = KINDS[kind].party
    name, number = papers.file_name(kind, document), document[KINDS[kind].number]
    precision = document["price_precision"]
    words = {
        "noun": KINDS[kind].noun,
        "number": number,
        "org": org.name,
        "name": document[f"{party}_name"],
        "date": document["date"],
        "total": f"{document['currency_symbol']}{document['total']:,.{precision}f}",
    }
    senders = [(org.name, org.email, org.users[0]["user_id"], True), (org.acting["name"], org.acting["email"], "", False)]
    return {
        "subject": chosen["subject"].format(**words),
        "body": chosen["body"].format(**words),
        "file_name": f"{name}.pdf",
        "file_name_without_extension": name,
        "attachment_name": "",
        "attach_pdf": True,
        f"{party}_id": document[f"{party}_id"],
        f"{party}_name": document[f"{party}_name"],
        "entity_id": document[KINDS[kind].id_key],
        "to_contacts": [
            {
                **{key: person[key] for key in ("contact_person_id", "salutation", "first_name", "last_name", "email", "phone")},
                "mobile": person["mobile"],
                "selected": person["contact_person_id"] in document["contact_persons"],
            }
            for person in _persons(org, kind, document)
        ],
        "from_emails": [
            {
                "user_name": user,
                "email": email,
                "organization_contact_id": id,
                "is_org_email_id": own,
                "selected": own,
            }
            for user, email, id, own in senders
        ],
        "from_email": org.email,
        "from_address": org.users[0]["user_id"],
        "to_mails_str": "",
        "cc_mails_str": "",
        "bcc_mails_str": "",
        "cc_mails_list": [],
        "bcc_mails": [],
        "emailtemplates": [
            {"email_template_id": one["email_template_id"], "name": one["name"], "selected": one is chosen} for one in templates
        ],
        "emailtemplate_documents": [],
        "deprecated_placeholders_used": [],
        "error_list": [],
        "documents": "",
        "gateways_configured": False,
        "gateways_associated": False,
    }


def send(org: Organisation, kind: str, document: Record, body: dict[str, Any] | None, *, attach: bool = True) -> dict[str, Any]:
    """POST .../email: keeps the message as sent; a draft becomes sent or open. Returns what was kept.

    Without a body the default content goes to the default recipients. A body needs `to_mail_ids`; for sales orders also
    `subject` and `body`, for purchase orders `body`. Nothing here knows a message that was sent before: calling twice
    sends twice.
    """
    ready = content(org, kind, document)
    to = [person["email"] for person in ready["to_contacts"] if person["selected"] and person["email"]]
    given = body or {}
    if given:
        for key in _NEEDED.get(kind, ("to_mail_ids",)):
            if not given.get(key):
                raise errors.invalid(key)
        to = _addresses(given, "to_mail_ids")
    if not to:
        raise errors.invalid("to_mail_ids")
    mail = {
        "mail_id": org.world.new_id("books"),
        "at": org.now(),
        "module": kind,
        "id": document[KINDS[kind].id_key],
        "by": org.acting["email"],
        "from": org.email if given.get("send_from_org_email_id", True) else org.acting["email"],
        "to": to,
        "cc": _addresses(given, "cc_mail_ids"),
        "bcc": _addresses(given, "bcc_mail_ids"),
        "subject": text(given.get("subject") or ready["subject"], "subject", 1000),
        "body": text(given.get("body") or ready["body"], "body", 5000),
        "attachments": [ready["file_name"]] if attach else [],
    }
    org.mails.append(mail)
    if org.email_marks_sent and org.status_of(kind, document) == "draft" and kind in _EMAILED:
        statuses.move(org, kind, document, _EMAILED[kind])
    document.update(is_emailed=True, last_modified_time=org.now())
    save(org, kind, document)
    history.note(org, kind, document, "Updated", f"emailed to {', '.join(to)}")
    return mail


def send_if_anyone(org: Organisation, kind: str, document: Record) -> None:
    """`send=true` of a create: the default content to the default recipients; without any the draft is marked sent."""
    if any(person["selected"] and person["email"] for person in content(org, kind, document)["to_contacts"]):
        send(org, kind, document, None)
    else:
        statuses.move(org, kind, document, _EMAILED[kind])


def _persons(org: Organisation, kind: str, document: Record) -> list[dict[str, Any]]:
    contact = org.table("contacts").records.get(document[f"{KINDS[kind].party}_id"])
    return [] if contact is None else list(contact["contact_persons"])


def _addresses(body: dict[str, Any], key: str) -> list[str]:
    given = body.get(key) or []
    if not isinstance(given, list) or not all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in given):
        raise errors.invalid(key)
    return given
