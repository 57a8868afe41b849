"""Attachments: a person says which deal of the CRM an existing document belongs to, or that it belongs to none.

What is said counts before every field of the document and is kept in the ledger; nothing in Books is written. The document is
read again at once, so that its row in the CRM and the deals' figures follow.
"""

from __future__ import annotations

from typing import Any

from renkei.core.records import OutcomeRow
from renkei.core.values import Ref
from renkei.engine.crm_user import CrmUser
from renkei.engine.documents import refresh, require_document
from renkei.engine.environment import require_named
from renkei.engine.work import Request


async def attach(user: CrmUser, document: Ref, deal: Ref, environment: str = "") -> dict[str, Any]:
    """Join a document to a deal. DocumentRefused: the denials, not_a_document, never_kept, no_deal; WrongEnvironment."""
    _require(user, document, environment)
    if (deal.side, deal.module) != ("crm", "Deals") or not deal.id.isdecimal():
        raise user.refused("no_deal", [document], record=str(deal))
    with user.told([document, deal]):
        there = await user.rooms.crm.get_many("Deals", [deal.id], ["Deal_Name"])
    if deal.id not in there:
        raise user.refused("no_deal", [document, deal], record=str(deal))
    return await _say(user, document, deal, "attached", environment)


async def detach(user: CrmUser, document: Ref, deal: Ref, environment: str = "") -> dict[str, Any]:
    """Take a document out of a deal, whatever its fields say. DocumentRefused: as `attach`, and not_attached."""
    _require(user, document, environment)
    found = [one for chunk in user.rooms.ledger.documents(user.spec.name, document.module, "id", [document.id]) for one in chunk]
    if not found or deal != Ref("crm", "Deals", found[0].deal):
        raise user.refused("not_attached", [document, deal], record=str(document), deal=str(deal))
    return await _say(user, document, deal, "detached", environment)


def _require(user: CrmUser, document: Ref, environment: str) -> None:
    """It is a document that runs keep, the user may edit and see it, and the CRM may be written to."""
    if require_document(user, document, "edit") == "purchaseorders":
        raise user.refused("never_kept", [document])
    require_document(user, document, "show")
    with user.told([document]):
        require_named(user.spec, Request(environment=environment))


async def _say(user: CrmUser, document: Ref, deal: Ref, word: str, environment: str) -> dict[str, Any]:
    act, name = user.act, user.spec.name
    with user.told([document]), act.run("documents", {"verb": user.verb, "outcome": word}, alone=True) as (run, now):
        user.rooms.flush_calls(run)
        act.ledger.attach(name, document.module, document.id, deal.id if word == "attached" else "", run)
        act.ledger.open_mirrors(name, [document], side="books", module=document.module)
        act.ledger.append(name, run, [OutcomeRow("note", "documents", (document, deal), word, user.verb, now, act.actor)])
    return {**await refresh(user, document, environment), "deal": str(deal), "outcome": word}
