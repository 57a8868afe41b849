"""What the engine needs from the rooms around it. renkei/house.py puts the real ones in.

Crm and Books are the two APIs (renkei/connectors), Ledger the memory (renkei/ledger), Judge the checks on rows
(renkei/quality), Clock the only source of time, waiting, chance and ids.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol

import pandas as pd

from renkei.core.preparing import NewField, NewModule, TakenRights
from renkei.core.records import (
    Answer,
    Base,
    ConnectionState,
    Currency,
    DealDocument,
    Decision,
    Deletion,
    DocumentRow,
    FieldMeta,
    Hold,
    Intent,
    IntentState,
    Link,
    Mirror,
    MirrorRow,
    Organization,
    OutcomeRow,
    Page,
    Profile,
    QuarantineRow,
    Row,
    Run,
    Sick,
    User,
    Watermark,
)
from renkei.core.values import Ref, Side

DocumentKey = Literal["customer", "id", "deal", "due"]


class Clock(Protocol):
    """Time, waiting, chance and ids. A simulated one makes a whole night repeatable."""

    def now(self) -> datetime:
        """Aware UTC."""

    def elapsed(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""

    async def sleep(self, seconds: float) -> None: ...

    def chance(self) -> float:
        """A number in [0, 1), for jitter."""

    def new_id(self) -> str:
        """A new id, sortable by the time of its making."""


# --------------------------------------------------------------------------------------------------- the two systems


class System(Protocol):
    """What both sides have. Errors: the tree of core/errors.py, never httpx's."""

    async def organization(self) -> Organization:
        """The configured organisation; WrongOrganization, WrongEdition, CredentialsRefused … otherwise."""

    async def fields(self, module: str) -> list[FieldMeta]: ...

    async def users(self) -> list[User]: ...

    async def currencies(self) -> list[Currency]:
        """Active ones only."""

    async def me(self) -> User:
        """The user behind the token, and whether he may administer."""

    def skew(self) -> timedelta | None:
        """The other side's clock less ours, as its last answer said; None where no answer told the time."""

    def calls(self) -> Mapping[str, int]:
        """Calls made since the object was made, by kind: read, write, metadata, token, retry."""

    def sick(self) -> Sick | None:
        """That this side is left alone now, and until when."""


class Crm(System, Protocol):
    """Zoho CRM v8 (crm-v8.md)."""

    async def views(self, module: str) -> dict[str, str]:
        """Custom views: name → id."""

    async def required(self, module: str) -> set[str]:
        """API names of the fields that a layout makes mandatory."""

    async def stages(self) -> dict[tuple[str, str], str]:
        """(pipeline, stage) of the deals, as stored → `forecast_type`: Open, Closed Won or Closed Lost."""

    async def profiles(self) -> list[Profile]: ...

    async def modules(self) -> dict[str, list[str]]:
        """Module → ids of the profiles that are shown it."""

    def read(
        self, module: str, fields: Sequence[str], *, since: datetime | None = None, view: str | None = None
    ) -> AsyncIterator[Page]:
        """Every row (of a view id), or those with Modified_Time ≥ since, by COQL keyed on id, 2,000 a page.

        Rows hold `id`, `Modified_Time`, `Modified_By` and the fields asked for. At least one page comes, maybe empty.
        Survives rows that move or change while it reads: none is lost, none comes twice. Above 48 fields it asks twice
        and joins on id and Modified_Time.
        """

    async def deleted(self, module: str, since: datetime | None) -> list[Deletion]: ...

    async def get_many(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Row]:
        """Rows by id; those that are gone are absent."""

    async def whole(self, module: str, record_id: str) -> Row | None:
        """One record with its subforms, which no list shows; None when it is gone."""

    async def related(self, module: str, record_id: str, related: str, fields: Sequence[str]) -> list[Row]:
        """Rows of one record's related list, by id."""

    async def find(self, module: str, field: str, values: Sequence[str], fields: Sequence[str]) -> dict[str, Row]:
        """Rows by the value of a unique field, from the database (COQL), never the search index."""

    async def find_all(self, module: str, field: str, values: Sequence[str], fields: Sequence[str]) -> list[Row]:
        """Every row that one of these values is found by in a text field that need not be unique; 50 values a call. Of one
        value alone not more than 2,000 rows."""

    async def insert(self, module: str, rows: Sequence[Row]) -> list[Answer]:
        """≤ 100 rows, one answer each in order, workflows not triggered. AnswerUnknown when no answer came."""

    async def update(self, module: str, rows: Sequence[Row]) -> list[Answer]:
        """≤ 100 rows that carry `id`."""

    async def delete(self, module: str, ids: Sequence[str]) -> list[Answer]: ...

    async def make_module(self, new: NewModule) -> Answer:
        """A custom module. AnswerUnknown when no answer came, as with every write."""

    async def make_fields(self, module: str, new: Sequence[NewField]) -> list[Answer]:
        """≤ 5 fields of one module, one answer each in order."""

    async def take_rights(self, taken: TakenRights) -> Answer:
        """Rights in a module, from one profile."""


class Books(System, Protocol):
    """Zoho Books v3 or Zoho Invoice v3 (books-v3.md). Modules: contacts, items, estimates, salesorders, invoices."""

    def read(self, module: str, *, since: datetime | None = None, verify: bool = False) -> AsyncIterator[Page]:
        """List rows, 200 a page; contacts are customers only; an id comes once, as it was when first seen.

        since=None     every row, by created time (items: by name)
        since=T        contacts: newest first until a row is older than T; invoices and sales orders: the server's filter;
                       estimates: those made since T, whose list knows no change; items: every row
        verify=True    a list of several pages is read a second time, backwards where it is read whole, for rows that slipped
                       to a page already read. That happens anyway when an id came twice, which shows that rows moved.
        raises         ModuleOff where the organisation or its edition has no such list
        """

    async def get(self, module: str, record_id: str) -> Row | None:
        """The detail, or None when it is gone."""

    async def get_items(self, ids: Sequence[str]) -> dict[str, Row]:
        """Items' details, 100 a call."""

    async def paired_customers(self, crm: Ref) -> list[str]:
        """Ids of the customers that Zoho's built-in integration paired with an account or contact of the CRM, at most 200."""

    async def documents_of(self, module: str, field: Literal["customer_id", "zcrm_potential_id"], value: str) -> list[Row]:
        """List rows of one customer's, or one CRM deal's, estimates, sales orders or invoices. ModuleOff as `read`."""

    async def put_by_key(self, module: str, key_field: str, key: str, body: Row) -> Answer:
        """Create once: PUT with the upsert headers; a record that already holds the key is updated instead."""

    async def update(self, module: str, record_id: str, body: Row) -> Answer: ...

    async def set_active(self, module: str, record_id: str, active: bool) -> Answer: ...

    async def set_status(self, module: str, record_id: str, status: str) -> Answer:
        """Give a document a status (estimates: sent, accepted, declined; invoices: sent, void, draft). Answers tell no record;
        a move that Books refuses is an Answer with its code."""

    async def add_person(self, contact_id: str, body: Row) -> Answer: ...

    async def update_person(self, person_id: str, body: Row) -> Answer: ...

    async def delete_person(self, person_id: str) -> Answer: ...

    async def delete(self, module: str, record_id: str) -> Answer: ...

    async def make_field(self, new: NewField) -> Answer:
        """A custom field. Whether `unique` was heeded only `fields` tells: how to ask for it is not documented."""

    async def search(self, module: str, filters: Mapping[str, str]) -> list[Row]:
        """List rows by the vendor's filters, newest date first. ModuleOff where the organisation has no such module."""

    async def history(self, module: str, record_id: str) -> list[Row]:
        """What happened to a document, oldest first."""

    async def payments_of(self, invoice_id: str) -> list[Row]: ...

    async def pdf(self, module: str, record_id: str) -> bytes | None:
        """A document's PDF, or None when it is gone."""

    async def email_content(self, module: str, record_id: str, template: str = "") -> Row:
        """Templates, senders, recipients, subject and body of an e-mail with the document. Sends nothing."""

    async def send_email(self, module: str, record_id: str, body: Row) -> Answer:
        """Send it; every call is one e-mail. Bug without recipients, subject or body."""

    async def templates(self, module: str) -> list[Row]:
        """The layouts in which a document can be printed."""

    async def taxes(self) -> list[Row]: ...

    async def offers(self, path: str) -> bool:
        """Whether this list can be read there: False where the edition lacks it or the organisation switched it off."""

    def daily(self) -> tuple[int | None, int | None]:
        """Calls left today and seconds until the day's reset, as the last answer's headers said."""


class Scheduler(Protocol):
    """The server that starts runs by schedule. TryAgain or ConnectionRefused where it does not answer."""

    async def workers(self, pool: str) -> list[str]:
        """Names of the workers of a pool that are at work."""

    async def deployments(self, name: str) -> dict[str, bool]:
        """Flow → whether its schedule is active, of the deployments of this name."""


# ----------------------------------------------------------------------------------------------------------- quality


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a suite said of a frame. `failures` has one row per broken rule and row; `table` names broken table rules."""

    checked: int
    failures: tuple[QuarantineFailure, ...] = ()
    table: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineFailure:
    """`id` is the frame's id column; `value` is the offending value as text, at most 200 characters."""

    id: str
    rule: str
    field: str
    value: str
    words: str


class Judge(Protocol):
    def judge(self, suite: str, frame: pd.DataFrame) -> Judgement:
        """Check a frame (column `id`: text, unique) against `expectations/<suite>`, e.g. `arrival/crm_accounts`.

        An unknown suite raises AskedWrongly; `renkei check` has refused that before."""

    def columns(self, suite: str) -> Sequence[str]:
        """The columns that the suite looks at besides `id`: the others need not be in a frame. AskedWrongly as `judge`."""

    def warm(self) -> None:
        """Load the library in the background, so that the first judgement does not wait for it."""


# ------------------------------------------------------------------------------------------------------------ ledger


@dataclass(frozen=True, slots=True)
class Settled:
    """One mirror to be settled: only if its hash still is `hash`. An open outcome leaves it open."""

    ref: Ref
    hash: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class StageRow:
    run: str
    stage: str
    entity: str
    started: datetime
    seconds: float
    detail: Mapping[str, Any] = field(default_factory=dict)


class TokenStore(Protocol):
    """Access tokens shared between processes: encrypted text behind a lease (crm-v8.md section 2.3)."""

    def token(self, alias: str) -> tuple[str, datetime] | None:
        """Encrypted token and the time it ends, or None."""

    def lease_refresh(self, alias: str, owner: str, now: datetime, ttl: timedelta) -> bool:
        """True: this owner alone may refresh until now + ttl."""

    def refreshes(self, alias: str, since: datetime) -> int:
        """Refreshes recorded since then, by any process."""

    def save_token(self, alias: str, encrypted: str, ends: datetime, now: datetime) -> None:
        """Store it, record one refresh, end the lease."""

    def drop_lease(self, alias: str, owner: str) -> None: ...


class CallStore(Protocol):
    """Calls per organisation and day, shared between processes."""

    def add_calls(self, organization: str, side: Side, day: str, kind: str, calls: int, run: str | None) -> None: ...

    def calls_on(self, organization: str, side: Side, day: str) -> int: ...


class Ledger(TokenStore, CallStore, Protocol):
    """The memory. Every method is one transaction of its own, or joins the one that `transaction()` opened.

    `connection` is the connection's name everywhere; nothing of one is ever returned for another.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """All calls inside are committed together, or none."""

    # runs, locks, stages
    def lock(self, connection: str, run: str, now: datetime, ttl: timedelta) -> None:
        """Take the connection's batch lock; AnotherRun while another's lease has not ended."""

    def renew(self, connection: str, run: str, now: datetime, ttl: timedelta) -> None: ...

    def unlock(self, connection: str, run: str) -> None: ...

    def lock_of(self, connection: str) -> tuple[str, datetime, datetime] | None:
        """(run, since, ends) of the batch lock, ended or not."""

    def claim(self, connection: str, ref: Ref, run: str, now: datetime, ttl: timedelta) -> bool:
        """A lease on one record for a single-record run."""

    def release(self, connection: str, run: str) -> None:
        """End every claim of a run."""

    def claimed(self, connection: str, now: datetime, run: str) -> dict[Ref, str]:
        """Records claimed by other runs, and by which."""

    def begin_run(self, run: Run) -> None: ...

    def seal_run(self, run: str, status: str, totals: Mapping[str, Any], ended: datetime) -> None:
        """Close the run and chain its head to the ledger's. A sealed run takes no more rows."""

    def runs(self, connection: str | None = None, limit: int = 50) -> list[Run]:
        """Newest first."""

    def last_totals(self, connection: str, kinds: Collection[str]) -> Mapping[str, Any]:
        """What the newest of these runs that ended said of itself; nothing where there is none."""

    def connections(self) -> list[str]:
        """Names of all connections that ever had a run, sorted."""

    def run(self, run: str) -> Run | None: ...

    def unsealed_runs(self, connection: str) -> list[Run]: ...

    def configuration_spans(self, connection: str) -> list[tuple[str, datetime, datetime]]:
        """(configuration, begin of its first sealed run that wrote, end of its last), by their begin."""

    def add_stage(self, row: StageRow) -> None: ...

    def stages(self, run: str) -> list[StageRow]: ...

    def save_configuration(self, kind: str, name: str, content: Mapping[str, Any]) -> str:
        """Content-addressed: returns its hash, stores it once."""

    def configuration(self, content_hash: str) -> Mapping[str, Any] | None: ...

    def put_survey(self, connection: str, content: Mapping[str, Any], run: str, now: datetime) -> None:
        """What both organisations look like; replaces the one before."""

    def survey(self, connection: str) -> tuple[Mapping[str, Any], datetime] | None:
        """The last one and when it was made."""

    # a connection's life
    def put_state(self, connection: str, state: ConnectionState) -> None:
        """What a person made of it from now on; the states before it stay."""

    def state(self, connection: str) -> ConnectionState | None:
        """The last one; None: active, and never anything else."""

    def compare_anew(self, connection: str, why: str) -> None:
        """Make the next run of every entity a full compare; `why` stands in place of the rules that the watermarks tell."""

    def put_by(self, connection: str, organization: str) -> None:
        """Keep what is known of a Books organisation apart, where no run of the connection finds it."""

    def bring_back(self, connection: str, organization: str) -> None:
        """What was put by for this organisation is the connection's Books side again, every row to be read and checked anew."""

    # mirrors
    def changed(self, connection: str, side: Side, module: str, hashes: Mapping[str, str]) -> set[str]:
        """Of these ids, those without a live mirror or with another hash."""

    def put_mirrors(self, connection: str, side: Side, module: str, rows: Sequence[MirrorRow], now: datetime) -> None:
        """Insert or replace list rows and their keys, and open them. A detail is kept; a deletion mark is cleared."""

    async def put_read(
        self, connection: str, side: Side, module: str,
        rows: pd.DataFrame, refused: Sequence[QuarantineRow], run: str, now: datetime,
    ) -> None:  # fmt: skip
        """Insert or replace what a read brought and open it, and quarantine what was refused of it: both or neither.

        rows  columns id (text, none twice), stamp (aware time or NA), hash (text), content (the row as JSON, bytes), in_view
        The caller may go on while this is under way, and sees the rows once it has waited for it.
        """

    def put_keys(self, connection: str, side: Side, module: str, keys: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Id → its (rule, value) keys, which replace those that it had."""

    def put_details(self, connection: str, side: Side, module: str, rows: Sequence[tuple[str, datetime | None, Row]]) -> None:
        """(id, stamp, detail) for existing mirrors."""

    def mirrors(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> dict[str, Mirror]:
        """Deleted ones included."""

    def mirrors_with(self, connection: str, text: str, most: int) -> list[Mirror]:
        """At most so many mirrors, deleted ones included, whose id is this text or whose list row holds it somewhere."""

    def mirror_ids(self, connection: str, side: Side, module: str) -> set[str]:
        """Ids of all that are not deleted."""

    def mirror_count(self, connection: str, side: Side, module: str) -> int: ...

    def known_count(self, connection: str, side: Side, module: str) -> int:
        """Of those not deleted, and of those whose deletion no run has settled yet."""

    def all_mirrors(self, connection: str, side: Side, module: str, chunk: int = 2000) -> Iterator[list[Mirror]]:
        """Everything not deleted, ordered by id, in chunks."""

    def open_ids(self, connection: str, side: Side, module: str) -> list[str]:
        """Ids that some run must still settle, sorted."""

    def open_counts(self, connection: str) -> list[tuple[Side, str, str, str, int]]:
        """(side, module, outcome, reason, how many) of what some run must still settle, sorted."""

    def open_refs(self, connection: str, outcome: str) -> list[tuple[Ref, str]]:
        """(record, reason) of what is open with this outcome, sorted."""

    def open_mirrors(self, connection: str, refs: Iterable[Ref] | None, *, side: Side, module: str) -> None:
        """Open these (None: all of the module): they will be looked at in the next run."""

    def by_keys(
        self, connection: str, side: Side, module: str, keys: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], list[str]]:
        """Ids of mirrors that are not deleted and carry the key, by key."""

    def settle(self, connection: str, rows: Sequence[Settled]) -> None: ...

    def mark_deleted(self, connection: str, side: Side, module: str, ids: Iterable[str], now: datetime) -> None:
        """Mark as deleted and open them."""

    def nth_newest_stamp(self, connection: str, side: Side, module: str, n: int) -> datetime | None:
        """The stamp of the n-th newest mirror (1 = newest), or None when there are fewer."""

    # watermarks and snapshots
    def watermark(self, connection: str, side: Side, module: str, entity: str) -> Watermark | None: ...

    def put_watermark(self, connection: str, watermark: Watermark, run: str) -> None: ...

    def add_snapshot(self, connection: str, run: str, side: Side, module: str, content: Mapping[str, Any]) -> None:
        """What a read was: complete or since when, rows, pages, calls, from and to, Parquet file and its hash."""

    def snapshots(self, run: str) -> list[tuple[Side, str, Mapping[str, Any]]]:
        """(side, module, what the read was), in the order of reading."""

    # links and bases
    def links(self, connection: str, side: Side, module: str, ids: Iterable[str] | None = None) -> dict[str, Link]:
        """Live links by the id of that side's record."""

    def link_of(self, connection: str, ref: Ref) -> Link | None: ...

    def links_ended(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> dict[str, Link]:
        """Of these records, the link of each that ended because the record itself was deleted; the last one of several."""

    def links_dead(self, connection: str) -> list[Link]:
        """Those with a dead side, live or ended, by their id."""

    def put_links(self, connection: str, links: Sequence[Link], run: str, now: datetime) -> None:
        """Insert, or update state and dead side; each change leaves a history row. A record in two live links is a Bug."""

    def all_links(self, connection: str, entity: str | None = None) -> Iterator[Link]: ...

    def links_changed(self, connection: str, since: datetime) -> list[Link]:
        """Links made, ended, marked or moved since then, as they stand now."""

    def links_made(self, connection: str, run: str) -> list[Link]:
        """Links that this run made, as they stood then; ordered by their making."""

    def bases(self, connection: str, links: Iterable[str]) -> dict[str, Base]: ...

    def put_bases(self, connection: str, bases: Sequence[Base]) -> None: ...

    # holds, decisions, set aside, quarantine
    def put_holds(self, connection: str, holds: Sequence[Hold], run: str, now: datetime) -> None:
        """New ones are opened; one that is open already keeps its time of opening and takes the new detail."""

    def open_holds(self, connection: str) -> list[Hold]:
        """Waiting for a person."""

    def close_holds(self, connection: str, ids: Iterable[str], why: str, run: str, now: datetime) -> None: ...

    def hold(self, connection: str, hold_id: str) -> Hold | None: ...

    def hold_states(self, connection: str, ids: Iterable[str]) -> dict[str, tuple[str, datetime]]:
        """By id: open, decided, carried_out or closed, and since when it was asked."""

    def decide(self, connection: str, decisions: Sequence[Decision]) -> None:
        """Answer open holds and open the mirrors of their records. AskedWrongly for a hold that is not open."""

    def decisions(self, connection: str) -> list[tuple[Hold, Decision]]:
        """Those that no run has carried out yet."""

    def carry_out(self, connection: str, hold_ids: Iterable[str], run: str, now: datetime) -> None:
        """Mark decisions as carried out."""

    def set_aside(self, connection: str, rows: Sequence[tuple[Ref, str, str]], run: str, now: datetime) -> None:
        """(record, why, mark): left without a partner on purpose; `mark` is what must change to look again, "" = a person."""

    def asides(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """id → (why, mark)."""

    def aside_with(self, connection: str, refs: Iterable[Ref]) -> list[Ref]:
        """The other records that were set aside under the same mark as one of these: their partners in a skipped pair."""

    def clear_aside(self, connection: str, refs: Iterable[Ref]) -> None: ...

    def put_quarantine(self, connection: str, rows: Sequence[QuarantineRow], run: str, now: datetime) -> None: ...

    def quarantine(self, connection: str) -> list[tuple[QuarantineRow, str, datetime]]:
        """Rows still quarantined, with the run and time that put them there first."""

    def leave_quarantine(self, connection: str, refs: Iterable[Ref], why: str, run: str, now: datetime) -> None: ...

    # plans
    def save_plan(self, connection: str, fingerprint: str, content: Mapping[str, Any], run: str, now: datetime) -> None: ...

    def plan(self, connection: str, fingerprint: str) -> Mapping[str, Any] | None: ...

    def plan_made(self, connection: str, fingerprint: str) -> str | None:
        """The run that first made it, or None where the plan is not stored."""

    def plan_applied(self, connection: str, fingerprint: str) -> str | None:
        """The run that applied it, or None."""

    def mark_applied(self, connection: str, fingerprint: str, run: str, now: datetime) -> None: ...

    def approve(
        self, connection: str, fingerprint: str, brakes: Sequence[str], keys: Sequence[str], actor: str, now: datetime
    ) -> None:
        """A person released these brakes for a plan; the approval covers these keys one by one: what
        core.brakes.coverable names."""

    def approved_keys(self, connection: str, now: datetime) -> dict[str, set[str]]:
        """Brake → keys that approvals release from it; an approval ends 14 days after its last use."""

    def use_approvals(self, connection: str, keys: Iterable[str], now: datetime) -> None:
        """These actions are done: they leave their approvals, whose last use is now."""

    def renew_approvals(self, connection: str, keys: Iterable[str], now: datetime) -> None:
        """A run met these again and went on because of their approvals, whose last use is now."""

    def end_approvals(self, connection: str) -> None:
        """No approval given so far counts any more."""

    # journal and evidence
    def intend(self, connection: str, intents: Sequence[Intent], now: datetime) -> None: ...

    def mark_intents(
        self,
        ids: Iterable[str],
        state: IntentState,
        now: datetime,
        answers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None: ...

    def has_written(self, connection: str) -> bool:
        """Whether any run of it ever tried to."""

    def open_intents(self, connection: str) -> list[Intent]:
        """In state intended, sent or unknown, oldest first."""

    def intents(self, run: str) -> list[Intent]: ...

    def abandoned_intents(self, connection: str, verb: str) -> list[Intent]:
        """Those of actions with this verb whose outcome no answer told."""

    def append(self, connection: str, run: str, rows: Sequence[OutcomeRow]) -> None:
        """Append evidence, chained within the run."""

    def outcomes(self, run: str, kind: str | None = None) -> Iterator[OutcomeRow]: ...

    def outcome_count(self, run: str, kind: str) -> int:
        """Rows of evidence of one kind."""

    def story(self, connection: str, ref: Ref) -> list[tuple[str, OutcomeRow]]:
        """(run, evidence) of a record, oldest first; grouped `unchanged` rows included where they speak of it."""

    def verify(self) -> Verification:
        """Recompute every chain."""

    def verify_newest(self) -> Verification:
        """Recompute the newest seal and the chain of its run alone."""

    # erasure
    def values_kept(self, connection: str, refs: Collection[Ref]) -> list[Any]:
        """Everything that mirrors, bases and evidence hold of these records, as it was stored."""

    def unsettled_with(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> list[Intent]:
        """Intents that no answer has settled and that carry something of these records."""

    def others_hold(self, connection: str, refs: Collection[Ref], sure: Collection[str], value: str) -> bool:
        """Whether the mirror of another record, one that holds nothing that is surely theirs, holds this text too."""

    def erase(
        self, connection: str, refs: Collection[Ref], needles: Collection[str], run: str, who: str, why: str, now: datetime
    ) -> dict[str, int]:
        """Erase what is kept of these records' values; the chain stays whole. Returns how many rows of what were rewritten."""

    def shred(self) -> None:
        """Leave nothing of what was erased in the database's own files."""

    # documents (for sums)
    def put_documents(self, connection: str, rows: Sequence[DocumentRow]) -> None: ...

    def remove_documents(self, connection: str, module: str, ids: Iterable[str]) -> None: ...

    def documents(
        self, connection: str, module: str, by: DocumentKey | None = None, values: Iterable[str] = ()
    ) -> Iterator[list[DocumentRow]]:
        """In chunks, ordered by customer and id. `by` with `values`: those of these customers, ids, deals or days due (ISO)."""

    def attach(self, connection: str, module: str, document: str, deal: str, run: str) -> None:
        """A person says that the document belongs to this deal; "": to none."""

    def attachments(self, connection: str, module: str, ids: Iterable[str]) -> dict[str, str]:
        """Document → deal, or "" for none, of those of which a person said it."""

    def documents_of_deals(self, connection: str, module: str, deals: Iterable[str] | None = None) -> Iterator[list[DocumentRow]]:
        """In chunks, ordered by deal and id; those without a deal are left out. None: of all deals."""

    def put_deal_documents(self, connection: str, rows: Sequence[DealDocument], run: str) -> None:
        """Insert or replace, by deal, module and part."""

    def drop_deal_documents(self, connection: str, rows: Sequence[DealDocument]) -> None:
        """Forget these, by deal, module and part."""

    def deal_documents(self, connection: str, deals: Iterable[str]) -> list[DealDocument]:
        """All that is remembered of these deals, of every module, ordered by deal, module and part."""

    def deal_document_of(self, connection: str, module: str, document: str) -> DealDocument | None:
        """What is remembered of this document, if it was made for a deal."""

    def deals_due(self, connection: str, module: str, day: date) -> list[str]:
        """Deals of which a part waits for this day or an earlier one."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`rows` checked; `broken` names the first row that was touched: run, number and what is wrong, or None."""

    rows: int
    runs: int
    broken: str | None = None
