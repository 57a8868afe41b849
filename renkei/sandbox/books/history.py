"""What happened to records since the sandbox started, as /comments tells it (books-v3.md 6.1, 8 to 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from renkei.sandbox.books.kinds import KINDS

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record


def note(org: Organisation, kind: str, record: Record, operation: str, what: str = "") -> dict[str, Any]:
    """Keeps a row of a record's history and of its contact's. `operation`: Added, Updated or Deleted; `what` happened in
    words, else the operation's. The row names the user whose call or click it was."""
    found = KINDS[kind]
    return _keep(org, kind, record, f"{found.noun} {what or operation.lower()}", "system", operation)


def comment(org: Organisation, kind: str, record: Record, text: str) -> dict[str, Any]:
    """Keeps what a person wrote under a document."""
    return _keep(org, kind, record, text, "internal", "Added")


def of_document(org: Organisation, kind: str, record: Record) -> list[dict[str, Any]]:
    """The rows of a document, newest first. One that came with the seed begins with its creation, by an unnamed user."""
    found = KINDS[kind]
    rows = org.history.setdefault(record[found.id_key], [])
    if not any(row["operation_type"] == "Added" and row["comment_type"] == "system" for row in rows):
        rows.insert(0, _row(org, kind, record, f"{found.noun} added", "system", "Added", record["created_time"], {}))
    return rows[::-1]


def _keep(org: Organisation, kind: str, record: Record, text: str, sort: str, operation: str) -> dict[str, Any]:
    row = _row(org, kind, record, text, sort, operation, org.now(), org.acting)
    org.history.setdefault(record[KINDS[kind].id_key], []).append(row)
    party = record["contact_id"] if kind == "contacts" else record[f"{KINDS[kind].party}_id"]
    org.comments.setdefault(party, []).append(row)
    return row


def _row(
    org: Organisation, kind: str, record: Record, text: str, sort: str, operation: str, at: str, user: dict[str, Any]
) -> dict[str, Any]:
    found = KINDS[kind]
    return {
        "comment_id": org.world.new_id("books"),
        found.id_key: record[found.id_key],
        "description": text,
        "commented_by_id": user.get("user_id", ""),
        "commented_by": user.get("name", ""),
        "comment_type": sort,
        "date": at[:10],
        "date_description": "",
        "time": at[11:16],
        "transaction_id": record[found.id_key],
        "transaction_type": found.singular,
        "is_entity_deleted": operation == "Deleted",
        "operation_type": operation,
    }
