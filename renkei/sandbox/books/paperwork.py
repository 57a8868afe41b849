"""Handlers that documents share: PDF files, templates, e-mail, addresses, comments (books-v3.md 8, 10.4, 10.5)."""

from __future__ import annotations

from typing import Any

from renkei.sandbox.books import documents, errors, history, mail, papers
from renkei.sandbox.books.call import Answer, Call
from renkei.sandbox.books.handlers import Handler, record_of, shown
from renkei.sandbox.books.kinds import KINDS
from renkei.sandbox.books.values import text

_SENT = {
    "invoices": "Your invoice has been sent.",
    "estimates": "Your estimate has been sent.",
    "salesorders": "Your Sales Order has been sent.",
    "creditnotes": "Your credit note has been sent.",
    "purchaseorders": "Your purchase order has been sent.",
}
_CREATED_STATUS = ("salesorders", "purchaseorders")  # they answer 201 where invoices and estimates answer 200


def got(kind: str) -> Handler:
    """GET of one document, as JSON or with `accept=pdf` or `print=true` as a file."""

    def handler(call: Call) -> Answer:
        document = record_of(call, kind)
        accept = "pdf" if call.query.get("print") == "true" else call.query.get("accept") or "json"
        if accept == "json":
            return shown(call, kind, document)
        if accept != "pdf":
            raise errors.invalid("accept")
        return _file(call, kind, [document], papers.file_name(kind, document))

    return handler


def together(kind: str) -> Handler:
    """GET .../pdf and .../print: up to 25 documents in one file."""
    name = f"{KINDS[kind].singular}_ids"

    def handler(call: Call) -> Answer:
        ids = [id.strip() for id in call.query.get(name, "").split(",") if id.strip()]
        if not 1 <= len(ids) <= papers.TOGETHER:
            raise errors.invalid(name)
        records = call.org.table(kind).records
        if any(id not in records for id in ids):
            raise errors.not_found(KINDS[kind].noun)
        return _file(call, kind, [records[id] for id in ids], kind)

    return handler


def templates(kind: str) -> Handler:
    """GET .../templates: not paged."""

    def handler(call: Call) -> Answer:
        found = call.org.templates[kind]
        return Answer({"templates": found}, rows=len(found))

    return handler


def template_set(kind: str) -> Handler:
    """PUT .../{id}/templates/{template}."""

    def handler(call: Call) -> Answer:
        documents.update_document(call.org, kind, record_of(call, kind), {"template_id": call.ids[1]})
        return Answer(message=KINDS[kind].updated)

    return handler


def email_shown(kind: str) -> Handler:
    """GET .../{id}/email: ready content in `data`; for estimates also beside code and message (books-v3.md 2.1)."""

    def handler(call: Call) -> Answer:
        content = mail.content(call.org, kind, record_of(call, kind), call.query.get("email_template_id", ""))
        return Answer({**(content if kind == "estimates" else {}), "data": content})

    return handler


def email_sent(kind: str) -> Handler:
    """POST .../{id}/email: only an envelope. An empty body is legal and sends the default content."""

    def handler(call: Call) -> Answer:
        body = call.content
        if body is not None and not isinstance(body, dict):
            raise errors.BooksError(400, 11, "JSON is not well formed")
        attach = call.query.get("send_attachment", "true") == "true"
        mail.send(call.org, kind, record_of(call, kind), body, attach=attach)
        return Answer(message=_SENT[kind], status=201 if kind in _CREATED_STATUS else 200)

    return handler


def address_set(kind: str, which: str) -> Handler:
    """PUT .../{id}/address/billing and /shipping."""

    def handler(call: Call) -> Answer:
        documents.set_address(call.org, kind, record_of(call, kind), which, call.body())
        return Answer(message=f"{which.capitalize()} address updated")

    return handler


def comments_listed(kind: str) -> Handler:
    """GET .../{id}/comments: its history and what people wrote, newest first; not paged."""

    def handler(call: Call) -> Answer:
        found = history.of_document(call.org, kind, record_of(call, kind))
        return Answer({"comments": found}, rows=len(found))

    return handler


def comment_added(kind: str) -> Handler:
    """POST .../{id}/comments."""

    def handler(call: Call) -> Answer:
        history.comment(call.org, kind, record_of(call, kind), _written(call))
        return Answer(message="Comments added.", status=201 if kind == "purchaseorders" else 200)

    return handler


def comment_changed(kind: str) -> Handler:
    """PUT .../{id}/comments/{comment}."""

    def handler(call: Call) -> Answer:
        found = _comment(call, kind)
        found["description"] = _written(call)
        return Answer({"comment": found}, "Comment has been updated successfully.")

    return handler


def comment_removed(kind: str) -> Handler:
    """DELETE .../{id}/comments/{comment}: of what a person wrote; the history stays."""

    def handler(call: Call) -> Answer:
        found = _comment(call, kind)
        call.org.history[call.ids[0]].remove(found)
        return Answer(message="The comment has been deleted.")

    return handler


def _comment(call: Call, kind: str) -> dict[str, Any]:
    """The comment of a person that the path's second id names, or 404."""
    for row in history.of_document(call.org, kind, record_of(call, kind)):
        if row["comment_id"] == call.ids[1] and row["comment_type"] != "system":
            return row
    raise errors.not_found("Comment")


def _written(call: Call) -> str:
    written = text(call.body().get("description"), "description", 5000)
    if not written:
        raise errors.invalid("description")
    return written


def _file(call: Call, kind: str, found: list[dict[str, Any]], name: str) -> Answer:
    return Answer(rows=len(found), file=papers.printed(call.org, kind, found), file_name=f"{name}.pdf")
