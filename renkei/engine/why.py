"""Why: a record's whole story, told by the ledger alone, without a network."""

from __future__ import annotations

from typing import Any

from renkei.core.ports import Ledger
from renkei.core.values import Ref, plain, time_text


def story(ledger: Ledger, connection: str, ref: Ref) -> dict[str, Any]:
    """The shape of design.md section 3, `renkei --json why REF`; oldest first."""
    link = ledger.link_of(connection, ref)
    told = []
    for run, row in ledger.story(connection, ref):
        told.append(
            {
                "at": time_text(row.at), "run": run, "actor": row.actor, "edited_by": row.detail.get("edited_by", "unknown"),
                "edited_at": row.detail.get("edited_at"),
                "outcome": row.outcome, "reason": row.reason, "changes": plain(row.detail.get("changes", [])),
                "candidates": plain(row.detail.get("candidates", [])),
                **({"erased": dict(row.detail["erased"])} if "erased" in row.detail else {}),
            }
        )  # fmt: skip
    shown = None
    if link is not None:
        shown = {"crm": str(link.crm), "books": str(link.books), "since": time_text(link.since), "evidence": link.evidence}
    return {"record": str(ref), "link": shown, "story": told}
