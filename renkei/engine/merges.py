"""Follow merges: before anything is matched, a link whose record was merged into another one moves to that survivor.

A CRM id that vanished was merged when its key, its contacts or its published rows now stand on another record. A Books customer
that became inactive was merged when its documents carry another customer's id. The same key also tells of a record that was made
again when the answer was lost. Where the survivor has a partner of its own, a person is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from renkei.core.errors import BudgetSpent, ModuleOff
from renkei.core.records import Link
from renkei.core.values import Ref
from renkei.engine.recall import key_refs, load
from renkei.engine.removals import made_inactive_by_us
from renkei.engine.work import EntityWork, Rooms, World, account_of, document_kinds, fields_of, published_modules

MERGED = "merged"  # why a Books customer is set aside that was merged into another one


async def follow_merges(rooms: Rooms, world: World, work: EntityWork, run: str) -> None:
    """Move links in `work`: `work.moved` has the record that each left, `work.merged_both` the survivor that has a link too."""
    _by_key(rooms, work)
    for link in _unique(work):
        crm, books = work.known.get(link.crm), work.known.get(link.books)
        if crm is None or books is None or link.id in work.moved or link.mapping not in ("accounts", "contacts"):
            continue
        if crm.deleted and not books.deleted and link.dead is None:
            survivor = await _stands_on(rooms, link)
        elif not crm.deleted and not books.deleted and work.mirrors[link.books].row.get("status") == "inactive":
            survivor = await _documents_went_to(rooms, work, link)
        else:
            continue
        if survivor is not None:
            _follow(rooms, world, work, link, survivor, run)


def _unique(work: EntityWork) -> list[Link]:
    return sorted({link.id: link for link in work.linked.values()}.values(), key=lambda one: one.id)


def _by_key(rooms: Rooms, work: EntityWork) -> None:
    """Unlinked records whose key names the partner of a record that is gone."""
    claims: dict[str, list[Ref]] = {}
    for ref, known in sorted(work.known.items()):
        if known.deleted or ref in work.linked:
            continue
        for target in key_refs(rooms, known, work.entity):
            link = work.linked.get(target)
            lost = (link.crm if ref.side == "crm" else link.books) if link is not None else None
            if link is not None and lost in work.known and lost.module == ref.module and work.known[lost].deleted:
                claims.setdefault(link.id, []).append(ref)
    for link_id, refs in sorted(claims.items()):
        if len(refs) == 1:
            move(work, work.links[link_id], refs[0])


def move(work: EntityWork, link: Link, survivor: Ref) -> None:
    lost = link.crm if survivor.side == "crm" else link.books
    now = replace(link, crm=survivor, dead=None) if survivor.side == "crm" else replace(link, books=survivor, dead=None)
    work.linked.pop(lost, None)
    work.linked[now.crm] = work.linked[now.books] = work.links[link.id] = now
    work.moved[link.id] = lost


def _follow(rooms: Rooms, world: World, work: EntityWork, link: Link, survivor: Ref, run: str) -> None:
    load(rooms, world, work, [survivor], extracted=False)
    if survivor not in work.known or work.known[survivor].deleted:
        return
    if survivor.side == "books":  # the documents are followed in this run; what they told must not be lost with them
        rooms.ledger.set_aside(rooms.spec.name, [(link.books, MERGED, str(survivor))], run, rooms.clock.now())
    if survivor in work.linked:
        work.merged_both[link.id] = survivor
        return
    move(work, link, survivor)
    if survivor.side == "books":  # its persons stay where they are, and their links end with it
        persons = rooms.ledger.by_keys(rooms.spec.name, "books", "contact_persons", [("parent", link.books.id)])
        refs = {Ref("books", "contact_persons", one) for ids in persons.values() for one in ids}
        load(rooms, world, work, sorted(refs), extracted=False)


async def _stands_on(rooms: Rooms, link: Link) -> Ref | None:
    """The one CRM record on which the contacts, or the published rows, of a vanished one stand now."""
    found = Counter(await _accounts_of_contacts(rooms, link)) if link.crm.module == "Accounts" else Counter()
    if not found:
        found = Counter(await _holders_of_rows(rooms, link))
    others = [one for one in found if one != link.crm.id]
    return replace(link.crm, id=others[0]) if len(others) == 1 else None


async def _accounts_of_contacts(rooms: Rooms, link: Link) -> Iterable[str]:
    """Ids of the accounts of the contacts that are linked to the persons of the pair's customer."""
    ledger, name = rooms.ledger, rooms.spec.name
    persons = ledger.by_keys(name, "books", "contact_persons", [("parent", link.books.id)])
    links = ledger.links(name, "books", "contact_persons", sorted({one for ids in persons.values() for one in ids}))
    ids = sorted({one.crm.id for one in links.values()})
    rows = await rooms.crm.get_many("Contacts", ids, ["Account_Name"]) if ids else {}
    return [account for row in rows.values() if (account := account_of(row))]


async def _holders_of_rows(rooms: Rooms, link: Link) -> Iterable[str]:
    """Ids of the records on which the rows that were published for this pair stand now: its figures, and its documents."""
    ledger, name = rooms.ledger, rooms.spec.name
    keys = {
        published_modules(rooms)["summaries"]: [("holder", str(link.crm))],
        published_modules(rooms)["documents"]: [
            ("document", f"{module}:{one}") for module, one in _documents_of(rooms, link.books)
        ],
    }
    holders: list[str] = []
    for module, wanted in keys.items():
        named = dict(fields_of(rooms, module)).get("account" if link.crm.module == "Accounts" else "contact")
        found = ledger.by_keys(name, "crm", module, wanted)
        ids = sorted({one for some in found.values() for one in some})
        rows = await rooms.crm.get_many(module, ids, [named]) if ids and named else {}
        for row in rows.values():
            holder = row.get(named or "")
            if isinstance(holder, dict) and holder.get("id"):
                holders.append(str(holder["id"]))
    return holders


def _documents_of(rooms: Rooms, customer: Ref) -> Iterator[tuple[str, str]]:
    """(module, id) of one document of each kind that the customer is known to have."""
    for module in document_kinds(rooms.spec.edition):
        ids = [one.id for chunk in rooms.ledger.documents(rooms.spec.name, module, "customer", [customer.id]) for one in chunk]
        yield from ((module, one) for one in ids[:1])


async def _documents_went_to(rooms: Rooms, work: EntityWork, link: Link) -> Ref | None:
    """The customer whose id the documents of an inactive one carry now."""
    ledger, name = rooms.ledger, rooms.spec.name
    why, mark = ledger.asides(name, "books", "contacts", [link.books.id]).get(link.books.id, ("", ""))
    if why == MERGED and mark:
        return Ref.parse(mark)
    if why == "merged_kept" or made_inactive_by_us(ledger, name, work.known[link.books]):
        return None
    for module, one in _documents_of(rooms, link.books):
        customer = await _customer_of(rooms, module, one)
        if customer and customer != link.books.id:
            return replace(link.books, id=customer)
    return None


async def _customer_of(rooms: Rooms, module: str, document: str) -> str:
    """The customer whose id a document carries now; "" where it is gone, or cannot be asked for today."""
    try:
        row = await rooms.books.get(module, document)
    except (BudgetSpent, ModuleOff):
        return ""
    return str((row or {}).get("customer_id") or "")


def left_persons(rooms: Rooms, work: EntityWork, links: Sequence[Link]) -> set[str]:
    """Ids of the links of persons who stand under a Books customer that was merged into another one."""
    merged = {ref.id for ref in work.moved.values() if ref.side == "books"}
    return {
        link.id for link in links
        if link.books in work.known and str(work.known[link.books].raw.get("contact_id") or "") in merged
    }  # fmt: skip
