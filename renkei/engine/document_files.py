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
    user.seen([ref], sha256=digest, bytes=len(content), file=str(file.relative_to(user.rooms.data)))
    return {"record": str(ref), "file": str(file), "sha256": digest, "bytes": len(content)}
