"""Documents for CRM users: find them, look at one, the summary of what is owed, and a refresh.

Estimates, sales orders and invoices come from what the runs keep of Books' lists, with the time of that reading; what no run
keeps, and purchase orders always, is read from Books on the spot. Rights: engine/crm_user.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from renkei.core import published, qualified, summaries
from renkei.core.commands import command
from renkei.core.document_view import Search, line_of, newest_first, purchase_order, whole
from renkei.core.errors import ModuleOff
from renkei.core.records import DocumentRow, OutcomeRow, Row
from renkei.core.rights import BOOKS_ONLY, KINDS, MODULES, RECEIVABLES, DocumentAct, kind_of
from renkei.core.values import Ref, plain, time_text
from renkei.engine.acts import Act
from renkei.engine.crm_user import CrmUser
from renkei.engine.publish import documents_in, today_of
from renkei.engine.sequence import Report, run_sequence
from renkei.engine.work import PUBLISHED, Request, Rooms, account_of, documents_read, published_modules, published_of

PUBLISHED_KINDS = tuple(kind for kind in KINDS if kind != "purchase_orders")


@dataclass(frozen=True, slots=True)
class Party:
    """Whose documents: a record of the CRM and the Books customer that stands for it, or None where it has none.

    holder   the account or contact that the customer is linked with
    deal     the id of the deal whose documents alone are meant, or ""
    """

    record: Ref
    customer: str | None = None
    holder: Ref | None = None
    deal: str = ""

    def refs(self) -> list[Ref]:
        """The records that a visit speaks of."""
        customer = [Ref("books", "contacts", self.customer)] if self.customer else []
        return [*dict.fromkeys((self.record, *([self.holder] if self.holder else []), *customer))]


async def party_of(user: CrmUser, ref: Ref) -> Party:
    """The customer of an account, a contact (himself, or through his account) or a deal. DocumentRefused: not_a_party."""
    rooms = user.rooms
    if (ref.side, ref.module) == ("books", "contacts"):
        link = rooms.ledger.link_of(rooms.spec.name, ref)
        return Party(ref, ref.id, link.crm if link else None)
    if ref.side != "crm" or ref.module not in ("Accounts", "Contacts", "Deals"):
        raise user.refused("not_a_party", [ref], record=str(ref))
    found = _linked(rooms, ref)
    if found is not None or ref.module == "Accounts":
        return replace(found, record=ref) if found else Party(ref)
    fields = ["Account_Name"] if ref.module == "Contacts" else ["Account_Name", "Contact_Name"]
    row = (await rooms.crm.get_many(ref.module, [ref.id], fields)).get(ref.id)
    if row is None:
        raise user.refused("not_found", [ref], record=str(ref))
    deal = ref.id if ref.module == "Deals" else ""
    for holder in _holders(row):
        found = _linked(rooms, holder)
        if found is not None:
            return replace(found, record=ref, deal=deal)
    return Party(ref, deal=deal)


def _linked(rooms: Rooms, ref: Ref) -> Party | None:
    link = rooms.ledger.link_of(rooms.spec.name, ref)
    if link is None or link.dead is not None:
        return None
    if link.books.module == "contacts":
        return Party(ref, link.books.id, ref)
    mirror = rooms.ledger.mirrors(rooms.spec.name, "books", link.books.module, [link.books.id]).get(link.books.id)
    customer = str(mirror.row.get("contact_id") or "") if mirror else ""
    holder = rooms.ledger.link_of(rooms.spec.name, Ref("books", "contacts", customer)) if customer else None
    return Party(ref, customer, holder.crm if holder else None) if customer else None


def _holders(row: Row) -> Iterator[Ref]:
    account = account_of(row)
    if account:
        yield Ref("crm", "Accounts", account)
    person = row.get("Contact_Name")
    if isinstance(person, dict) and person.get("id"):
        yield Ref("crm", "Contacts", str(person["id"]))


# ---------------------------------------------------------------------------------------------------------------- lists


async def list_documents(user: CrmUser, ref: Ref | None, kinds: Sequence[str], search: Search) -> dict[str, Any]:
    """The documents of a record, or of all parties (ref None), of these kinds or (none named) of all that are published,
    newest first.

    `not_shown` tells of each kind that was left out why. DocumentRefused where nothing may be seen, and for a kind that was
    named and that the edition or the organisation does not have.
    """
    rooms, named = user.rooms, list(kinds)
    wanted = named or list(PUBLISHED_KINDS)
    not_shown = {}
    for kind in [kind for kind in wanted if kind in BOOKS_ONLY and rooms.spec.edition == "invoice"]:
        if kind in named:
            raise user.refused("not_in_edition", [ref] if ref else [], kind=kind)
        not_shown[kind] = "not_in_edition"
    wanted = [kind for kind in wanted if kind not in not_shown]
    allowed = user.require("show", wanted, [ref] if ref else [])
    not_shown |= {kind: "denied" for kind in wanted if kind not in allowed}
    with user.told([ref] if ref else []):
        party = await party_of(user, ref) if ref is not None else None
        found: list[tuple[DocumentRow, str, datetime | None]] = []
        for kind in allowed:
            try:
                found += await _of_kind(user, kind, party, search)
            except ModuleOff:
                if kind in named:
                    raise user.refused("switched_off", party.refs() if party else [], kind=kind) from None
                not_shown[kind] = "switched_off"
    found.sort(key=lambda one: newest_first(one[0]), reverse=True)
    today, name = today_of(rooms), rooms.spec.name
    lines = [
        line_of(
            one, party=label, today=today, link=published.link_of(rooms.spec, one),
            pdf=command(name, f"documents pdf books:{one.module}:{one.id} --as '{user.name}'"),
            as_of=time_text(read) if read else "",
        )
        for one, label, read in found
    ]  # fmt: skip
    user.seen(party.refs() if party else [], documents=[line["record"] for line in lines], search=plain(_words(search)))
    customer = f"books:contacts:{party.customer}" if party and party.customer else None
    return {"record": str(ref) if ref else None, "customer": customer, "documents": lines, "not_shown": not_shown}


def _words(search: Search) -> dict[str, Any]:
    return {name: value for name in Search.__slots__ if (value := getattr(search, name))}


async def _of_kind(
    user: CrmUser, kind: str, party: Party | None, search: Search
) -> list[tuple[DocumentRow, str, datetime | None]]:
    """(document, name of its party, when it was read) of one kind."""
    rooms, module = user.rooms, MODULES[kind]
    if kind == "purchase_orders":
        if party is not None:
            return []  # a vendor's; no customer has any
        rows, now = await rooms.books.search(module, _filters(search)), rooms.clock.now()
        orders = [(purchase_order(row), str(row.get("vendor_name") or ""), now) for row in rows]
        return [one for one in orders if search.finds(one[0]) and search.names(one[1])]
    read = read_at(rooms, module, party)
    if read is not None:
        documents = [one for one in _kept(rooms, module, party) if search.finds(one)]
    else:
        read = rooms.clock.now()
        documents = [one for one in await _live(rooms, module, party, search) if search.finds(one)]
    customers = rooms.ledger.mirrors(rooms.spec.name, "books", "contacts", {one.customer for one in documents})
    names = {
        one: [str(mirror.row.get(field) or "") for field in ("contact_name", "company_name")] for one, mirror in customers.items()
    }
    return [
        (one, names.get(one.customer, [one.customer])[0], read) for one in documents if search.names(*names.get(one.customer, ()))
    ]


def read_at(rooms: Rooms, module: str, party: Party | None) -> datetime | None:
    """When the runs last read this kind of documents, or this party was refreshed; None where no run keeps them."""
    kept = [one for one in published_of(rooms.spec) if module in documents_read(rooms, one)]
    mark = rooms.ledger.watermark(rooms.spec.name, "books", module, kept[0]) if kept else None
    run = rooms.ledger.run(mark.run) if mark is not None and mark.run else None
    if run is None:
        return None
    story = rooms.ledger.story(rooms.spec.name, Ref("books", "contacts", party.customer)) if party and party.customer else []
    return max([run.started, *(row.at for _, row in story if row.outcome == REFRESHED)])


REFRESHED = "refreshed"


def _kept(rooms: Rooms, module: str, party: Party | None) -> Iterator[DocumentRow]:
    ledger, name = rooms.ledger, rooms.spec.name
    if party is None:
        chunks = ledger.documents(name, module)
    elif party.deal:
        chunks = ledger.documents_of_deals(name, module, [party.deal])
    else:
        chunks = ledger.documents(name, module, "customer", [party.customer] if party.customer else [])
    for chunk in chunks:
        yield from chunk


async def _live(rooms: Rooms, module: str, party: Party | None, search: Search) -> list[DocumentRow]:
    if party is None:
        rows = await rooms.books.search(module, _filters(search))
    elif party.deal:
        rows = await rooms.books.documents_of(module, "zcrm_potential_id", party.deal)
    elif party.customer:
        rows = await rooms.books.documents_of(module, "customer_id", party.customer)
    else:
        rows = []
    return list(documents_in(rooms, module, rows))


def _filters(search: Search) -> dict[str, str]:
    """What of a search Books' list can answer; the rest is looked at in the rows."""
    given = {
        "date_start": search.dated_from and search.dated_from.isoformat(),
        "date_end": search.dated_to and search.dated_to.isoformat(),
        "total_greater_equals": search.least is not None and str(search.least),
        "total_less_equals": search.most is not None and str(search.most),
    }
    return {name: value for name, value in given.items() if value}


# ------------------------------------------------------------------------------------------------- one, summary, refresh


async def show_document(user: CrmUser, ref: Ref) -> dict[str, Any]:
    """One document as Books has it now: lines, taxes, payments, what happened to it, template, and what of it breaks the rules
    of qualified invoices."""
    module, detail = await detail_of(user, ref, "show")
    with user.told([ref]):
        payments = await user.rooms.books.payments_of(ref.id) if module == "invoices" else []
        history = await user.rooms.books.history(module, ref.id)
        named = not detail.get("template_id") or detail.get("template_name")
        templates = [] if named else await user.rooms.books.templates(module)
    document = typed(user.rooms, module, detail)
    shown = whole(
        module, detail, status=published.status_on(document, today_of(user.rooms)), payments=payments, history=history,
        templates={str(one.get("template_id")): str(one.get("template_name") or "") for one in templates},
    )  # fmt: skip
    party = Ref("books", "contacts", document.customer)
    link = user.rooms.ledger.link_of(user.spec.name, party)
    broken = [] if module == "purchaseorders" else qualified.findings(detail)  # an order of ours is no invoice of ours
    user.seen([ref, party, *([link.crm] if link else [])], **({"qualified": [one.code for one in broken]} if broken else {}))
    return {
        "record": str(ref), **shown, "qualified": [{"code": one.code, "ja": one.ja, "en": one.en} for one in broken],
        "crm": str(link.crm) if link else None,
        "deal": f"crm:Deals:{document.deal}" if document.deal else None,
        "link": published.link_of(user.spec, document) or None, "as_of": time_text(user.rooms.clock.now()),
    }  # fmt: skip


def typed(rooms: Rooms, module: str, row: Row) -> DocumentRow:
    """A row or detail of any kind of document in types."""
    if module == "purchaseorders":
        return purchase_order(row)
    return next(documents_in(rooms, module, [row]))


async def detail_of(user: CrmUser, ref: Ref, act: DocumentAct) -> tuple[str, Row]:
    """The module and the detail of a document with which the user may do this.

    raises  DocumentRefused: not_a_document, not_in_edition, switched_off, not_found, and the denials
    """
    module = require_document(user, ref, act)
    with user.told([ref]):
        try:
            detail = await user.rooms.books.get(module, ref.id)
        except ModuleOff:
            raise user.refused("switched_off", [ref], kind=kind_of(module) or "") from None
    if detail is None:
        raise user.refused("not_found", [ref], record=str(ref))
    return module, detail


def require_document(user: CrmUser, ref: Ref, act: DocumentAct) -> str:
    """The Books module of a document with which the user may do this, before anything is read."""
    kind = kind_of(ref.module) if ref.side == "books" and ref.id.isascii() and ref.id.isdigit() else None
    if kind is None:
        raise user.refused("not_a_document", [ref], record=str(ref))
    require_kind(user, kind, act, [ref])
    return ref.module


def require_kind(user: CrmUser, kind: str, act: DocumentAct, records: Sequence[Ref]) -> None:
    """DocumentRefused where the edition has no such documents, or the user may not do this with them."""
    if kind in BOOKS_ONLY and user.spec.edition == "invoice":
        raise user.refused("not_in_edition", records, kind=kind)
    user.require(act, [kind], records)


async def summary(user: CrmUser, ref: Ref) -> dict[str, Any]:
    """What an account, contact or deal owes, per currency: the figures that are published, as of their reading."""
    user.require("show", [RECEIVABLES], [ref])
    with user.told([ref]):
        party = await party_of(user, ref)
        read = read_at(user.rooms, "invoices", party)
        invoices: Iterable[DocumentRow] = _kept(user.rooms, "invoices", party)
        if read is None:
            read, invoices = user.rooms.clock.now(), await _live(user.rooms, "invoices", party, Search())
        figures = summaries.figures(invoices, today_of(user.rooms))
    user.seen(party.refs())
    customer = f"books:contacts:{party.customer}" if party.customer else None
    return {"record": str(ref), "customer": customer, "currencies": plain(figures), "as_of": time_text(read)}


async def refresh(user: CrmUser, ref: Ref, environment: str = "") -> dict[str, Any]:
    """Read an account's, contact's, deal's or one document's documents again and publish what moved, as a run of its own by
    the path of every run; then what may be seen of them."""
    party: Party | None = None
    if kind_of(ref.module) and ref.side == "books":
        require_document(user, ref, "show")
        if ref.module == "purchaseorders":
            raise user.refused("never_kept", [ref])
        only = [ref]
    else:
        user.require("show", [*PUBLISHED_KINDS, RECEIVABLES], [ref])
        with user.told([ref]):
            party = await party_of(user, ref)
        only = [Ref("crm", "Deals", party.deal)] if party.deal else [party.holder or party.record]
    request = Request(only=tuple(only), actor=user.act.actor, typist=user.act.typist, kind="refresh", environment=environment)
    with user.told(only):
        report = await run_sequence(user.rooms, request)
    _note_refreshed(user, report, party.refs() if party else only)
    return {
        "record": str(ref), "run": report.run, "status": report.status, "seconds": round(report.seconds, 3),
        "as_of": time_text(user.rooms.clock.now()), "notes": report.notes,
        "entities": {name: part["outcomes"] for name, part in report.entities.items()},
    }  # fmt: skip


def _note_refreshed(user: CrmUser, report: Report, records: Sequence[Ref]) -> None:
    marks = published_modules(user.rooms)
    known = all(one in report.entities for one in PUBLISHED if one in marks and one in published_of(user.spec))
    act: Act = user.act
    with act.run("documents", {"verb": "refresh", "run": report.run}) as (run, now):
        word = REFRESHED if known and report.status in ("green", "amber") else "seen"
        act.ledger.append(act.connection, run, [OutcomeRow("note", "documents", tuple(records), word, "refresh", now, act.actor)])
