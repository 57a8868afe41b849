"""The nouns of renkei as frozen values: mirrors, links, bases, actions, plans, holds, intents, outcomes.

Raw rows (`Row`) are what an API returned, decoded and untouched: dictionaries of JSON values, ids as text.
Canonical values are what core/mapping.py makes of them; `Change` holds canonical values only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from renkei.core.values import Ref, Side

Row = dict[str, Any]

# The eleven words of design.md section 3, in the order in which the first that applies counts.
OUTCOMES = (
    "failed", "refused", "quarantined", "blocked", "held", "created", "updated", "removed", "linked", "skipped", "unchanged",
)  # fmt: skip
OPEN_OUTCOMES = frozenset({"failed", "refused", "quarantined", "blocked", "held"})
Status = Literal["green", "amber", "red", "held"]
ConnectionWord = Literal["active", "paused", "disconnected"]
IntentState = Literal["intended", "sent", "confirmed", "refused", "unknown", "abandoned"]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list. `served_at` is its Date header (aware UTC); rows may be empty."""

    rows: list[Row]
    served_at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """A row of the CRM's deleted list."""

    id: str
    deleted_at: datetime
    kind: str  # recycle | permanent
    display_name: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other system said to one written record.

    ok           it was written
    id, stamp    the record's id and modified time as told by the answer (None where it does not say)
    record       the whole record as the answer shows it, where it does (Books), else None
    code, words, field    its refusal in its own words
    duplicate_of          the id of the record that already holds a unique value (CRM DUPLICATE_DATA)
    """

    ok: bool
    id: str | None = None
    stamp: datetime | None = None
    record: Row | None = None
    code: str = ""
    words: str = ""
    field: str = ""
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Organization:
    """One organisation as its API describes it. `kind` is production, sandbox, developer … (CRM) or the edition."""

    id: str
    name: str
    time_zone: str
    currency: str
    kind: str


@dataclass(frozen=True, slots=True)
class Sick:
    """A side that gave no answer several times in a row and is left alone. `why` tells the last of its silences, `times` how
    often it was asked again in vain; each pause is longer."""

    since: datetime
    until: datetime
    why: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class FieldMeta:
    """A field as the metadata describes it. `unique` and `writable` are derived as crm-v8.md section 8 says.

    values   of a pick list or drop-down, those that are offered
    label    as people see it
    rows_in  of a subform, the module that holds its rows
    """

    api_name: str
    data_type: str
    length: int | None
    unique: bool
    writable: bool
    mandatory: bool
    values: tuple[str, ...] = ()
    id: str = ""
    label: str = ""
    rows_in: str = ""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of an organisation: ISO 4217 code, digits after the point, and the side's own id of it."""

    code: str
    minor_units: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """`profile`: the CRM profile, or the role in Books; `profile_id`: of the CRM's. `administers`: told of the user behind a
    token only."""

    id: str
    name: str
    email: str
    active: bool
    profile: str = ""
    administers: bool = False
    profile_id: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A CRM profile and what it permits: (module, View | Create | Edit | Delete). `fixed`: those that nobody can change."""

    id: str
    name: str
    rights: frozenset[tuple[str, str]]
    fixed: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """A list row to be kept. `hash` covers what the mapping reads; `keys` are (rule, value) pairs for matching, None where
    they are put later (`put_keys`)."""

    id: str
    stamp: datetime | None
    hash: str
    row: Row
    keys: tuple[tuple[str, str], ...] | None = ()
    in_view: bool = True


@dataclass(frozen=True, slots=True)
class Mirror:
    """What we last saw of a record. `open`: some run must still settle it (new, changed, held, blocked …)."""

    ref: Ref
    stamp: datetime | None
    hash: str
    row: Row
    detail: Row | None
    detail_stamp: datetime | None
    in_view: bool
    open: bool
    outcome: str  # the last sealed outcome and its reason; "" when none yet
    reason: str
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """A CRM record and a Books record known to be the same. `state`: live, aside (kept for a former organisation) or ended.

    organization   of a link kept aside, the Books organisation that it belongs to
    """

    id: str
    entity: str
    mapping: str
    crm: Ref
    books: Ref
    since: datetime
    evidence: str  # key | created | policy | decision | native | import
    state: str = "live"
    dead: Side | None = None  # the side whose record was deleted, under `ignore`
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """Each side's record as that side returned it when both agreed last.

    `*_wrote`: the raw fields of our own last write on that side that has not been read back yet: a read with the stamp
    of that write that differs from the base only there becomes the new base (design.md section 1, closing read).
    """

    link: str
    crm: Row | None
    books: Row | None
    crm_stamp: datetime | None = None
    books_stamp: datetime | None = None
    crm_wrote: tuple[str, ...] | None = None
    books_wrote: tuple[str, ...] | None = None
    undone: tuple[str, ...] = ()  # fields that an undo left different on both sides: a question until one is edited or chosen
    owed: tuple[str, ...] = ()  # fields that the link was made with a write to Books for, which no answer has confirmed yet


@dataclass(frozen=True, slots=True)
class Change:
    """One field's before → after on the side that is written, in canonical values, with the reason."""

    field: str
    side: Side
    before: Any
    after: Any
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One effect on one record of one side, decided, not yet done.

    key       the same in every plan that decides the same: `entity|verb|side|module|id of what it serves`
    verb      create | update | link | remove | deactivate
    target    the record to write; None for a create
    source    the record whose state asks for this; for `link` the other half of the pair
    payload   the raw body to send; `{"$created": KEY}` stands for the id that action KEY will bring
    needs     keys of actions that must have been confirmed before
    stamp     the target's modified time that the plan rests on
    calls     expected calls, as a fraction for batched ones
    rank      order of loading: updates and links before creates, parents before children, then newest first
    """

    key: str
    entity: str
    mapping: str
    verb: str
    side: Side
    module: str
    target: Ref | None
    source: Ref | None
    payload: Row
    changes: tuple[Change, ...]
    reason: str
    needs: tuple[str, ...] = ()
    stamp: datetime | None = None
    calls: float = 1.0
    rank: tuple[int, str] = (0, "")
    link: str = ""  # the link that this serves, or will make
    aside: bool = False  # the record that a create makes is a copy: set aside, not linked
    carries: tuple[Ref, ...] = ()  # CRM contacts that travel inside a customer's create, in the order of contact_persons
    edited_by: str = ""  # the id of the CRM user who made the change on its own side; Books does not tell
    edited_at: datetime | None = None  # and when
    undone: tuple[str, ...] = ()  # of an undo: fields whose two sides differ after it


@dataclass(frozen=True, slots=True)
class Agreement:
    """A pair as the plan saw it: what the base becomes for the fields that need no write.

    crm, books    path → raw value of every mapped field, as both sides are now
    agreed        canonical fields whose base moves to these values without any write (quiet, equal, left blank)
    evidence      why the two are linked, for a link that this plan makes; "" for one that exists
    """

    link: str
    entity: str
    mapping: str
    crm_ref: Ref
    books_ref: Ref
    crm: Row
    books: Row
    crm_stamp: datetime | None
    books_stamp: datetime | None
    agreed: tuple[str, ...]
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A question for a person. Its id is made of connection, question, record and field, so it is asked once."""

    id: str
    entity: str
    question: str  # duplicate | ambiguous | conflict | first_values | deleted | merged_both_linked | moved_account …
    record: Ref
    field: str | None
    candidates: tuple[dict[str, Any], ...]
    choices: tuple[str, ...]
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to a hold."""

    hold: str
    choice: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """The row outcome that a plan already knows, before or without any write."""

    record: Ref
    outcome: str
    reason: str
    hash: str  # of the mirror it speaks of; settling is refused when the mirror has moved on
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    actions: tuple[str, ...] = ()  # keys of the actions whose result decides the row's final word


@dataclass(frozen=True, slots=True)
class Intent:
    """An action on its way out. `key` is the outward key where the other system can hold one, else ""."""

    id: str
    run: str
    action: Action
    key: str
    state: IntentState
    answer: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """A row of evidence.

    kind      record (the one outcome of an extracted row), write (one written record), note (brake, approval, recover …)
    records   the rows it speaks of: one, except for `unchanged`, where one evidence row may speak of many
    detail    changes, candidates, request, answer, edited_by, score parts: whatever an auditor asks for
    """

    kind: str
    entity: str
    records: tuple[Ref, ...]
    outcome: str
    reason: str
    at: datetime
    actor: str
    detail: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A row that our own check stopped. `rule` is the expectation's name, `words` says what is wrong with which value."""

    record: Ref
    entity: str
    rule: str
    field: str
    words: str
    value: str


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a list has been read. `stamp` is the newest seen in data, never our clock; `rules` is the hash of the
    mapping and settings under which it was read: another hash makes the next run a full compare."""

    side: Side
    module: str
    entity: str
    stamp: datetime | None
    rules: str
    full_at: datetime | None = None
    run: str = ""  # the run that set it; told by the ledger


@dataclass(frozen=True, slots=True)
class Run:
    """One run's row. `kind`: sync, plan, apply, publish; `totals` is the JSON of design.md section 3 once sealed."""

    id: str
    connection: str
    kind: str
    flow: str
    actor: str
    started: datetime
    full: bool
    configuration: str
    code: str
    ended: datetime | None = None
    status: str = "running"
    totals: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """What a person made of a connection: who, why, when, and the run that says so. `reason` may be empty but of a pause."""

    state: ConnectionWord
    actor: str
    reason: str
    run: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """The list row of an estimate, sales order or invoice in typed columns, for sums and searches.

    due        the day an invoice is due, an estimate expires, a sales order is to be shipped
    balance    what is owed of an invoice; 0 of the others. Amounts are in the document's own currency
    deal       the id of the CRM deal that it belongs to, or ""
    """

    module: str
    id: str
    number: str
    customer: str
    currency: str
    dated: date | None
    due: date | None
    status: str
    total: Decimal
    balance: Decimal
    last_payment: date | None
    stamp: datetime | None
    deal: str = ""


@dataclass(frozen=True, slots=True)
class DealDocument:
    """What is remembered of the document that a deal got, or of why it has none.

    module     of Books: estimates | invoices
    part       under staged billing, the id of the deal's row that it bills; "" otherwise
    document   Books' id; "" while there is none
    status     where our last write left it; without a document `waiting` for its day, or `before_setting`
    signature  of what the deal gave it when we wrote it last
    amount     net of tax, or with it where the mapping says so: what it takes of the deal's amount
    due        the day from which on it is billed
    """

    deal: str
    module: str
    part: str
    document: str
    status: str
    signature: str = ""
    amount: Decimal = Decimal(0)
    due: date | None = None
