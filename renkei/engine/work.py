"""What the stages of one run hand to each other: the rooms they may use, the request, and the work on one entity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from renkei.core.connection import ConnectionSpec, Edition, EntitySettings
from renkei.core.deal_lines import DealsSpec, DocumentKind
from renkei.core.errors import LedgerUnavailable
from renkei.core.mapping import Lookups, MappingSpec, SummariesSpec
from renkei.core.planning import Draft, EntityPlan, Known, ListRead
from renkei.core.ports import Books, Clock, Crm, Judge, Ledger
from renkei.core.published import KINDS, Sums
from renkei.core.records import Base, Currency, Link, Mirror, Organization, QuarantineRow, Row, User
from renkei.core.summaries import Tally
from renkei.core.values import Ref, Side, content_hash

SYNCED = ("customers", "products")
PUBLISHED = ("documents", "summaries")
ENTITIES = (*SYNCED, "deals", *PUBLISHED)

# A batch that died gives its lock back by itself: longer than the slowest single call with all its retries.
LOCK_TTL = timedelta(minutes=10)
# Servers' clocks and late commits: a row may become visible with a stamp a little older than the newest seen.
OVERLAP = timedelta(minutes=5)
# …but re-reading the overlap stays one page a list: the nightly full compare covers what lies deeper.
OVERLAP_ROWS = {"crm": 1500, "books": 150}
# More absent records than this are not confirmed one by one: something is wrong with the list, and a brake will say so.
MOST_ABSENCES = 200

# What decides a deal whatever its mapping says.
OF_A_DEAL = ("Deal_Name", "Stage", "Pipeline", "Account_Name", "Contact_Name", "Closing_Date", "Created_Time")

# What stands in place of a watermark's rules where every record is to be compared anew, though the rules are the same.
ERASED, RESUMED, SWITCHED = "erased", "resumed", "switched"
ANEW = {
    ERASED: "a record's contents were erased",
    RESUMED: "the connection was resumed",
    SWITCHED: "its Books organisation was changed",
}


@dataclass(slots=True)
class Rooms:
    """Everything a run may use, for one connection. `progress` is told (stage, entity, done, of) and may ignore it."""

    spec: ConnectionSpec
    mappings: Mapping[str, MappingSpec]
    summaries: SummariesSpec
    deals: DealsSpec | None
    crm: Crm
    books: Books
    ledger: Ledger
    judge: Judge
    clock: Clock
    data: Path
    configuration: Mapping[str, Any]
    code: str
    allow_writes: Callable[[bool], None]
    flush_calls: Callable[[str | None], None]
    progress: Callable[[str, str, int, int | None], None] = lambda stage, entity, done, of: None


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is asked to do. `only`: single records; `since`: read from then on instead of from the watermark."""

    entities: tuple[str, ...] = ENTITIES
    full: bool = False
    only: tuple[Ref, ...] = ()
    since: datetime | None = None
    plan_only: bool = False
    flow: str = "cli"
    actor: str = "unknown"
    typist: str = ""  # who asked for it on behalf of the actor, where that is somebody else
    kind: str = "sync"
    environment: str = ""  # production or sandbox, as it was named where the run was asked for
    release: tuple[str, ...] = ()  # brakes that the actor releases for the stored plan that is applied


@dataclass(frozen=True, slots=True)
class DealsWorld:
    """What deals and their lines name: (pipeline, stage) → forecast_type; Books' taxes; its currencies by ISO code; CRM users by
    id. `spec` is the mapping less the optional subform that the CRM lacks; `fields` are those of a deal that can be selected."""

    spec: DealsSpec
    fields: tuple[str, ...]
    stages: Mapping[tuple[str, str], str] = field(default_factory=dict)
    taxes: Sequence[Row] = ()
    currencies: Mapping[str, Currency] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)


@dataclass(slots=True)
class World:
    """What both organisations look like, read once a run: identities, lookups, fields that a side lacks."""

    crm: Organization
    books: Organization
    lookups: Lookups
    minor_units: Mapping[str, int]  # of Books' currencies, by ISO code
    mappings: Mapping[str, MappingSpec]
    deals: DealsWorld | None = None  # where deals make documents


@dataclass(slots=True)
class EntityWork:
    """One entity on its way through the stages."""

    entity: str
    full: bool
    rules: str
    settings: EntitySettings
    lists: list[ListRead] = field(default_factory=list)
    unchanged: dict[tuple[Side, str], set[str]] = field(default_factory=dict)  # read in this run, the same as its mirror
    fresh_quarantine: dict[Ref, list[QuarantineRow]] = field(default_factory=dict)
    mirrors: dict[Ref, Mirror] = field(default_factory=dict)
    known: dict[Ref, Known] = field(default_factory=dict)
    mapping_of: dict[Ref, str] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    bases: dict[str, Base] = field(default_factory=dict)
    linked: dict[Ref, Link] = field(default_factory=dict)
    quarantine: dict[Ref, list[QuarantineRow]] = field(default_factory=dict)
    meetings: dict[str, Any] = field(default_factory=dict)  # mapping name → match.Meetings
    asides: dict[Ref, tuple[str, str]] = field(default_factory=dict)
    moved: dict[str, Ref] = field(default_factory=dict)  # link that follows a merge → the record that it stood on before
    merged_both: dict[str, Ref] = field(default_factory=dict)  # link whose record was merged → the survivor, which has a link
    persons: MappingSpec | None = None
    by_account: dict[str, list[Known]] = field(default_factory=dict)
    draft: Draft | None = None
    details: int = 0
    known_before: dict[tuple[Side, str], int] = field(default_factory=dict)
    rebuilt: bool = False  # links come from keys or from aside: the ledger may not know all that was decided before
    notes: list[str] = field(default_factory=list)
    plan: EntityPlan | None = None
    written: dict[str, Row] = field(default_factory=dict)  # Books customers as the answers to our writes showed them
    budget_ended: bool = False
    earlier: dict[str, EntityWork] = field(default_factory=dict)  # the entities that this run decided before
    facts: dict[str, Any] = field(default_factory=dict)  # sizes and sums for the brakes and the tie-out
    tally: Tally = field(default_factory=Tally)  # a complete list of invoices, added up as it was read
    listed: dict[tuple[str, str, str], Sums] = field(default_factory=dict)  # complete lists: (module, customer, currency) →
    chosen: set[Ref] = field(default_factory=set)  # documents that a single-record run is about
    whole: dict[Ref, Row] = field(default_factory=dict)  # documents whose detail this run read
    touched: Any = None  # publish.Touched: the documents that this run read as changed
    deals: dict[str, tuple[bool, str | None]] = field(default_factory=dict)  # CRM deals by id: (there, name)
    sent: dict[str, Row] = field(default_factory=dict)  # published rows by id, as they were written
    halted: bool = False  # its source broke so many expectations that nothing of it was decided
    braked: bool = False  # a brake stopped the run: its rows wait, and nothing that follows from a write follows
    stale: set[str] = field(default_factory=set)  # keys of a stored plan's actions whose record has changed since


def entities_of(rooms: Rooms, chosen: Sequence[str]) -> tuple[str, ...]:
    """Those of the chosen entities that this connection has, in the order of the sequence. What is published goes together:
    the figures are those of the documents that the run read."""
    wanted = {*chosen, *(PUBLISHED if set(PUBLISHED) & set(chosen) else ())}
    here = {*SYNCED, *(("deals",) if rooms.spec.deals != "none" else ()), *published_of(rooms.spec)}
    return tuple(one for one in ENTITIES if one in wanted & here)


def published_of(spec: ConnectionSpec) -> tuple[str, ...]:
    """The published entities that the connection has."""
    return (*(("documents",) if spec.publish_documents else ()), *(("summaries",) if spec.publish_summaries else ()))


def published_modules(rooms: Rooms) -> dict[str, str]:
    """Entity → CRM module that it is published in, whether the connection publishes it or not."""
    return {"documents": rooms.summaries.documents, "summaries": rooms.summaries.receivables}


def fields_of(rooms: Rooms, module: str) -> tuple[tuple[str, str], ...]:
    """(our name, API name) of the fields of a published module."""
    spec = rooms.summaries
    return spec.document_fields if module == spec.documents else spec.receivable_fields


def document_kinds(edition: Edition) -> tuple[str, ...]:
    """Books' modules of the documents that are published: Zoho Invoice has no sales orders."""
    return tuple(one for one in KINDS if edition == "books" or one != "salesorders")


def documents_read(rooms: Rooms, entity: str) -> tuple[str, ...]:
    """Books' document lists that an entity reads: invoices once a run, with the other documents where these are published."""
    if entity == "documents":
        return document_kinds(rooms.spec.edition)
    return ("invoices",) if entity == "summaries" and not rooms.spec.publish_documents else ()


def lists_of(rooms: Rooms, entity: str) -> Sequence[tuple[Side, str]]:
    """The lists that an entity reads, CRM first."""
    if entity == "customers":
        modules = rooms.spec.customers.modules
        crm: list[tuple[Side, str]] = []
        if modules in ("accounts", "accounts_and_contacts"):
            crm.append(("crm", "Accounts"))
        if modules in ("contacts", "accounts_and_contacts"):
            crm.append(("crm", "Contacts"))
        return [*crm, ("books", "contacts")]
    if entity == "products":
        return [("crm", "Products"), ("books", "items")]
    if entity == "deals":
        return [("crm", "Deals")]
    if entity in PUBLISHED:
        return [("crm", published_modules(rooms)[entity]), *(("books", one) for one in documents_read(rooms, entity))]
    raise ValueError(f"no lists for {entity}")


def mappings_of(spec: ConnectionSpec, entity: str) -> tuple[str, ...]:
    """Names of the mappings that are in use for an entity under the connection's settings."""
    if entity == "products":
        return ("products",)
    modules = spec.customers.modules
    if modules == "accounts":
        return ("accounts",)
    if modules == "contacts":
        return ("contacts",)
    if spec.customers.include_contacts_without_account:
        return ("accounts", "contacts", "persons")
    return ("accounts", "persons")


def plan_file(rooms: Rooms, mark: str) -> Path:
    """Where a plan that waits is shown."""
    return rooms.data / "plans" / rooms.spec.name / f"{mark}.json"


@contextmanager
def in_data_folder(file: Path) -> Iterator[None]:
    """Writing a file beside the ledger; LedgerUnavailable where the disk is full or the folder is not ours to write."""
    try:
        yield
    except OSError as reason:
        raise LedgerUnavailable(
            f"The file {file} cannot be written: {reason}.",
            fix="Make room on the disk of the data folder, or see who owns it (RENKEI_DATA), then run again.",
        ) from reason


def deal_kind(spec: ConnectionSpec) -> DocumentKind:
    """What deals make; where they make nothing it does not matter."""
    return "invoices" if spec.deals == "invoices" else "estimates"


def settings_of(spec: ConnectionSpec, entity: str) -> EntitySettings:
    """How an entity is kept in step; published rows have no policies."""
    return {"customers": spec.customers, "products": spec.products}.get(entity, EntitySettings())


def mapping_for(spec: ConnectionSpec, ref: Ref, row: Row) -> tuple[str, str]:
    """(mapping name, "") or ("", why this record is not synced)."""
    modules = spec.customers.modules
    if ref.module == "Products" or ref.module == "items":
        return "products", ""
    if ref.module not in ("Accounts", "Contacts", "contacts", "contact_persons"):
        return "", "published"
    if ref.module == "Accounts":
        return "accounts", ""
    if ref.module == "contact_persons":
        return "persons", ""
    if ref.module == "Contacts":
        if modules == "contacts":
            return "contacts", ""
        if account_of(row):
            return "persons", ""
        return ("contacts", "") if spec.customers.include_contacts_without_account else ("", "no_account")
    business = is_business(row)
    if business:
        return ("accounts", "") if modules != "contacts" else ("", "module_not_synced")
    if modules == "contacts" or (modules == "accounts_and_contacts" and spec.customers.include_contacts_without_account):
        return "contacts", ""
    return "", "module_not_synced"


def account_of(row: Row) -> str | None:
    """The id of a CRM contact's account."""
    holder = row.get("Account_Name")
    return str(holder["id"]) if isinstance(holder, dict) and holder.get("id") else None


def is_business(row: Row) -> bool:
    """Books rows say it (`customer_sub_type`, seen live); where they do not, a company name does."""
    kind = row.get("customer_sub_type")
    if kind in ("business", "individual"):
        return bool(kind == "business")
    return bool(str(row.get("company_name") or "").strip())


def rules_hash(rooms: Rooms, entity: str) -> str:
    """Hash of everything that decides an entity: another hash makes its next run a full compare."""
    if entity in PUBLISHED:
        return content_hash([rooms.configuration.get("summaries"), rooms.spec.organization, rooms.spec.edition])
    chosen = rooms.configuration.get("connection", {})
    if entity == "deals":
        kept = (chosen.get("deals"), chosen.get("deals_since"), rooms.spec.books_key, rooms.spec.organization, rooms.spec.edition)
        return content_hash([*kept, rooms.configuration.get("deals")])
    names = mappings_of(rooms.spec, entity)
    return content_hash(
        [
            chosen.get(entity), rooms.spec.crm_key, rooms.spec.books_key, rooms.spec.organization, rooms.spec.edition,
            rooms.spec.native,
            [rooms.configuration.get("mappings", {}).get(name) for name in names],
        ]
    )  # fmt: skip


ID_KEYS = {
    "contacts": "contact_id", "items": "item_id", "contact_persons": "contact_person_id",
    **{module: kind.id for module, kind in KINDS.items()},
}  # fmt: skip


def books_id(module: str, row: Row) -> str:
    return str(row[ID_KEYS[module]])
