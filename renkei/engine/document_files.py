"""The PDF of a document: fetched for a person, kept below the data folder, its hash in the ledger."""

from __future__ import annotations

import hashlib
from typing import Any

from renkei.core.errors import ModuleOff
from renkei.core.rights import kind_of
from renkei.core.values import Ref
from renkei.engine.crm_user import CrmUser
from renkei.engine.documents import require_document


async def fetch_pdf(user: CrmUser, ref: Ref) -> dict[str, Any]:
    """Fetch a document's PDF as Books makes it now: {"record", "file", "sha256", "bytes"}. The same content is kept once.

    raises  DocumentRefused as `detail_of` in engine/documents.py
    """
    module = require_document(user, ref, "pdf")
    with user.told([ref]):
        try:
            content = await user.rooms.books.pdf(module, ref.id)
        except ModuleOff:
            raise user.refused("switched_off", [ref], kind=kind_of(module) or "") from None
    if content is None:
        raise user.refused("not_found", [ref], record=str(ref))
    digest = hashlib.sha256(content).hexdigest()
    file = user.rooms.data / "documents" / user.spec.name / module / f"{ref.id}-{digest[:16]}.pdf"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_suffix(".part")
        half.write_bytes(content)
        half.replace(file)
    party = await _party(user, module, ref)
    where = str(file.relative_to(user.rooms.data))
    user.seen([ref, *party], document=str(ref), sha256=digest, bytes=len(content), file=where)
    return {"record": str(ref), "file": str(file), "sha256": digest, "bytes": len(content)}


async def _party(user: CrmUser, module: str, ref: Ref) -> list[Ref]:
    """The customer whose document it is, so that an erasure of his finds the file; of a purchase order nobody."""
    if module == "purchaseorders":
        return []
    kept = [one.customer for chunk in user.rooms.ledger.documents(user.spec.name, module, "id", [ref.id]) for one in chunk]
    if not kept:  # no run keeps such documents
        with user.told([ref]):
            kept = [str((await user.rooms.books.get(module, ref.id) or {}).get("customer_id") or "")]
    return [Ref("books", "contacts", one) for one in kept if one]
