"""Orphans: records whose partner was deleted, and which are still there. From the ledger alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from renkei.core.ports import Ledger
from renkei.core.records import Link, Mirror
from renkei.core.values import Ref, Side, time_text


def orphans(ledger: Ledger, connection: str) -> list[dict[str, Any]]:
    """`gone`, the record that was deleted and `since` when that is known (ISO text); `alive`, the one that is left, sorted by it.

    Left is what `ignore`, `deactivate` or a person's `keep` let stand, and what `unlink` set aside.
    """
    links = ledger.links_dead(connection)
    mirrors = _mirrors(ledger, connection, (ref for link in links for ref in (link.crm, link.books)))
    found: dict[Ref, dict[str, Any]] = {}
    for link in links:
        gone, alive = (link.crm, link.books) if link.dead == "crm" else (link.books, link.crm)
        left = mirrors.get(alive)
        if left is None or left.deleted_at is not None or not _is_left(ledger, connection, link, alive):
            continue
        lost = mirrors.get(gone)
        at = lost.deleted_at if lost is not None else None
        found[alive] = {"gone": str(gone), "alive": str(alive), "since": time_text(at) if at else None}
    return [found[ref] for ref in sorted(found)]


def _is_left(ledger: Ledger, connection: str, link: Link, alive: Ref) -> bool:
    """A live link has its dead side marked; of one that ended, what was set aside since and has no other partner."""
    if link.state == "live":
        return True
    aside = ledger.asides(connection, alive.side, alive.module, [alive.id]).get(alive.id)
    return aside == ("unlinked", "") and ledger.link_of(connection, alive) is None


def _mirrors(ledger: Ledger, connection: str, refs: Iterable[Ref]) -> dict[Ref, Mirror]:
    by_list: dict[tuple[Side, str], set[str]] = {}
    for ref in refs:
        by_list.setdefault((ref.side, ref.module), set()).add(ref.id)
    return {
        mirror.ref: mirror
        for (side, module), ids in by_list.items()
        for mirror in ledger.mirrors(connection, side, module, sorted(ids)).values()
    }
