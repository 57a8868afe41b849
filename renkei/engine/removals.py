"""What a removal means for the ledger, and removals that got no answer: they are settled by reading.

A record that renkei deleted itself, and whose answer was lost, would look as if a person had deleted it: the deletes policy
would then act on its partner. So before anything is read, each such record is asked for once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from renkei.core.changes import EARLIER
from renkei.core.deleting import made_inactive
from renkei.core.errors import BudgetSpent
from renkei.core.planning import ACTIVE, Known
from renkei.core.ports import Ledger, Settled
from renkei.core.records import Action, Intent, Link, OutcomeRow
from renkei.core.resolving import UNDONE
from renkei.core.undoing import UNDO
from renkei.core.values import Ref, other
from renkei.engine.work import Rooms

VERBS = ("remove", "deactivate", "unlink")
LIVES_ON = (EARLIER, UNDO)  # reasons of removals whose record has a partner that is there


@dataclass(slots=True)
class Ended:
    """Links that end or are marked, records that are no more, and those that are set aside."""

    links: list[Link] = field(default_factory=list)
    gone: list[Ref] = field(default_factory=list)
    asides: list[tuple[Ref, str, str]] = field(default_factory=list)


def ended_by(ledger: Ledger, name: str, action: Action, *, inactive: bool) -> Ended:
    """What follows from a removal, or from an undo's unlinking, that was carried out. `inactive`: its record is there still, and
    inactive.

    A record that was removed takes its link with it, a customer in Books also the links of its persons. One that is inactive
    keeps its link, whose other side is marked as gone, unless that is there (out of scope, or what it was made from is left by an
    undo). So do its persons' links.
    """
    target = action.target
    if target is None or not action.link:
        return Ended([], [target] if target is not None and not inactive else [])
    link = ledger.link_of(name, target)
    if action.verb == "unlink":  # both records live on, set aside until a person decides
        both = (link.crm, link.books) if link is not None else ()
        return Ended([replace(link, state="ended", dead=None)] if link else [], [], [(ref, UNDONE, "") for ref in both])
    persons = ledger.links(name, "books", "contact_persons", _persons_of(ledger, name, target))
    if inactive and action.reason in LIVES_ON:
        return Ended()
    if inactive:
        contacts = ledger.mirrors(name, "crm", "Contacts", [one.crm.id for one in persons.values()])
        deleted = {mirror.ref for mirror in contacts.values() if mirror.deleted_at is not None}
        marked = [replace(one, dead="crm") for one in persons.values() if one.crm in deleted]
        return Ended([*([replace(link, dead=other(action.side))] if link else []), *marked])
    dead = action.side if action.reason in LIVES_ON else other(action.side)
    links = [replace(link, state="ended", dead=dead)] if link is not None else []
    links += [replace(one, state="ended", dead="books") for one in persons.values()]
    asides = [(action.source, UNDONE, "")] if action.reason == UNDO and action.source is not None else []
    gone = [target, *(Ref("books", "contact_persons", one) for one in _persons_of(ledger, name, target))]
    return Ended(links, gone, asides)


def made_inactive_by_us(ledger: Ledger, name: str, books: Known) -> bool:
    """Whether a Books record is inactive because renkei made it so when its partner was gone or out of scope: that was the last
    that renkei wrote of it."""
    if books.raw.get("status") != "inactive":
        return False
    written = [row for _, row in ledger.story(name, books.ref) if row.kind == "write" and row.detail.get("side") == "books"]
    return bool(written) and written[-1].outcome == "removed" and not written[-1].reason.startswith(UNDO)


def mark_removed(ledger: Ledger, name: str, gone: Sequence[Ref], reason: str, now: datetime) -> None:
    """These records are no more because renkei removed them, whatever becomes of this run."""
    for ref in gone:
        ledger.mark_deleted(name, ref.side, ref.module, [ref.id], now)
        mirrors = ledger.mirrors(name, ref.side, ref.module, [ref.id])
        ledger.settle(name, [Settled(ref, one.hash, "removed", reason) for one in mirrors.values()])


def _persons_of(ledger: Ledger, name: str, target: Ref) -> list[str]:
    """Ids of the persons of a customer in Books; of anything else, none."""
    if target.module != "contacts":
        return []
    found = ledger.by_keys(name, "books", "contact_persons", [("parent", target.id)])
    return sorted({one for ids in found.values() for one in ids})


async def settle_removals(rooms: Rooms, intents: Sequence[Intent], run: str, actor: str) -> list[Intent]:
    """Look at the record of each removal that has no answer; returns the intents that are to be given up, all others included.

    Gone, or inactive where it was not: it was carried out, and the ledger takes it so. There as before: it is planned anew.
    What the day's calls do not reach stays open.
    """
    left = []
    for intent in intents:
        action = intent.action
        if action.verb not in VERBS or not action.link or action.target is None:
            left.append(intent)
            continue
        try:
            found = await _look(rooms, action)
        except BudgetSpent:
            continue
        if found == "as before":
            left.append(intent)
            continue
        _take(rooms, intent, run, actor, inactive=found == "inactive")
    return left


async def _look(rooms: Rooms, action: Action) -> str:
    """gone, inactive (and was not before), unlinked or as before."""
    target = action.target
    assert target is not None
    if target.side == "crm":
        fields = [name for name in action.payload if name != "id"] or ["Modified_By"]
        row = (await rooms.crm.get_many(target.module, [target.id], fields)).get(target.id)
        says = row is not None and all(row.get(one) == action.payload.get(one) for one in fields)
        done = {"deactivate": "inactive", "unlink": "unlinked"}.get(action.verb, "") if says else ""
        return "gone" if row is None else done or "as before"
    if target.module == "contact_persons":
        customer = await rooms.books.get("contacts", str(action.payload.get("contact_id")))
        persons = (customer or {}).get("contact_persons") or []
        return "as before" if any(str(one["contact_person_id"]) == target.id for one in persons) else "gone"
    row = await rooms.books.get(target.module, target.id)
    if row is None:
        return "gone"
    mirrors = rooms.ledger.mirrors(rooms.spec.name, "books", target.module, [target.id])
    was_inactive = any(one.row.get("status") == "inactive" for one in mirrors.values())
    return "inactive" if row.get("status") == "inactive" and not was_inactive else "as before"


def _take(rooms: Rooms, intent: Intent, run: str, actor: str, *, inactive: bool) -> None:
    ledger, name, now, action = rooms.ledger, rooms.spec.name, rooms.clock.now(), intent.action
    reason = made_inactive(action.reason) if inactive and action.verb == "remove" else action.reason
    ended = ended_by(ledger, name, action, inactive=inactive)
    changes = [
        {"field": one.field, "side": one.side, "before": one.before, "after": one.after, "reason": one.reason}
        for one in action.changes
    ]
    detail = {
        "verb": action.verb, "side": action.side, "module": action.module, "changes": changes,
        "request": {key: value for key, value in action.payload.items() if key != ACTIVE}, "answer": {"by": "recover"},
    }  # fmt: skip
    records = tuple(ref for ref in (action.source, action.target) if ref is not None)
    with ledger.transaction():
        ledger.put_links(name, ended.links, run, now)
        ledger.set_aside(name, ended.asides, run, now)
        mark_removed(ledger, name, ended.gone, reason, now)
        ledger.append(name, run, [OutcomeRow("write", action.entity, records, "removed", reason, now, actor, detail)])
        ledger.mark_intents([intent.id], "confirmed", now, {intent.id: {"by": "recover"}})
        asked = records[:1] if action.verb == "unlink" else records  # about one of the two
        for ref in asked if action.reason == UNDO else ():
            ledger.open_mirrors(name, [ref], side=ref.side, module=ref.module)
