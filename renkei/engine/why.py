"""Why: a record's whole story, told by the ledger alone, without a network."""

from __future__ import annotations

from typing import Any

from renkei.core.commands import command
from renkei.core.connection import ConnectionSpec
from renkei.core.errors import AskedWrongly
from renkei.core.ports import Ledger
from renkei.core.values import Ref, plain, time_text
from renkei.engine.recall import raw_label
from renkei.engine.shown import Shown

MANY = 500  # records that hold a text: more are not looked through
SAMPLES = 5


def story(ledger: Ledger, connection: str, ref: Ref) -> dict[str, Any]:
    """The shape of design.md section 3, `renkei --json why REF`; oldest first. Of a deal also its `documents`, of a document that
    was made for one its `deal`."""
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
                **({"words": list(row.detail["words"])} if "words" in row.detail else {}),
            }
        )  # fmt: skip
    shown = None
    if link is not None:
        shown = {"crm": str(link.crm), "books": str(link.books), "since": time_text(link.since), "evidence": link.evidence}
    return {"record": str(ref), "link": shown, **_of_a_deal(ledger, connection, ref), "story": told}


def _of_a_deal(ledger: Ledger, connection: str, ref: Ref) -> dict[str, Any]:
    if (ref.side, ref.module) == ("crm", "Deals"):
        made = [one for one in ledger.deal_documents(connection, [ref.id]) if one.document]
        return {"documents": [{"record": f"books:{one.module}:{one.document}", "status": one.status} for one in made]}
    made_for = ledger.deal_document_of(connection, ref.module, ref.id) if ref.side == "books" else None
    return {} if made_for is None else {"deal": f"crm:Deals:{made_for.deal}"}


def unseen(ledger: Ledger, spec: ConnectionSpec, ref: Ref) -> str:
    """What there is to say of a record without link and story, and what to type next."""
    read = command(spec.name, f"sync --only {ref}", spec.environment)
    if ref.id in ledger.mirrors(spec.name, ref.side, ref.module, [ref.id]):
        return f"It was read, and no run has come to an end with it yet. To go on with it now: {read}"
    side = "the CRM" if ref.side == "crm" else "Books"
    return (
        f"The ledger of {spec.name} holds nothing of it: no run has read it yet, or {side} has no such record. "
        f"To read it now, where this connection reads {ref.module}: {read}"
    )


def record_of(ledger: Ledger, connection: str, words: str, shown: Shown) -> Ref:
    """The record that a person means: `crm:Accounts:ID`, an id alone, or a name; of a firm, a part of its name.

    raises  AskedWrongly where none or several fit; two that are linked to each other are one
    """
    try:
        return Ref.parse(words)
    except ValueError as error:
        wrong = str(error)
    mirrors = [one for one in ledger.mirrors_with(connection, words, MANY) if shown.is_synced(one.ref)]
    shown.learn(one.ref for one in mirrors)
    fits = (
        lambda one: one.ref.id == words,
        lambda one: raw_label(one) == words,
        lambda one: words.casefold() in shown.name(one.ref).casefold(),  # never a part of a person's, which is masked
    )
    found = next((refs for fit in fits if (refs := [one.ref for one in mirrors if fit(one)])), [])
    links = {ref: ledger.link_of(connection, ref) for ref in found}
    parties = {link.crm if link is not None else ref for ref, link in links.items()}
    if len(parties) == 1:
        return parties.pop()
    if not parties:
        raise AskedWrongly(f"The ledger of {connection} knows no record {words!r}: {wrong}")
    more = f" and {len(parties) - SAMPLES} more" if len(parties) > SAMPLES else ""
    listed = "; ".join(map(shown.called, sorted(parties)[:SAMPLES]))
    raise AskedWrongly(
        f"{len(parties)} records fit {words!r}: {listed}{more}.", fix=f"Name one: {command(connection, f'why {min(parties)}')}"
    )
