"""Every table of the ledger, in the field's words (design.md section 5).

Times are text in UTC with microseconds (`2026-11-23T01:02:03.000000+00:00`), so that they sort as they follow one
another; money is the exact text of a Decimal; JSON is text written by renkei/ledger/codec.py. Text sorts by code
point on both databases. The tables as they are made stand in migrations/versions; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

# Tables that hold evidence: no row is ever changed or removed.
APPEND_ONLY = (
    "outcomes", "outcome_records", "seals", "decisions", "link_history", "configurations", "erasures", "connection_states",
)  # fmt: skip

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

WORDS: TypeEngine[str] = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
SERIAL: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, WORDS, nullable=null)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _serial(name: str) -> Column[int]:
    return Column(name, SERIAL, primary_key=True, autoincrement=True)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


# ------------------------------------------------------------------------------------------------- runs and leases

runs = Table(
    "runs",
    metadata,
    _text("id"),
    _text("connection"),
    _text("kind"),
    _text("flow"),
    _text("actor"),
    _text("started"),
    _flag("full"),
    _text("configuration"),
    _text("code"),
    _text("ended", null=True),
    _text("status"),
    _text("totals"),
    PrimaryKeyConstraint("id"),
)
Index("ix_runs_connection_started", runs.c.connection, runs.c.started)
Index(
    "ix_runs_unsealed",
    runs.c.connection,
    sqlite_where=runs.c.ended.is_(None),
    postgresql_where=runs.c.ended.is_(None),
)

stages = Table(
    "stages",
    metadata,
    _serial("number"),
    _text("run"),
    _text("stage"),
    _text("entity"),
    _text("started"),
    Column("seconds", Float, nullable=False),
    _text("detail"),
)
Index("ix_stages_run", stages.c.run)

configurations = Table(
    "configurations",
    metadata,
    _text("hash"),
    _text("kind"),
    _text("name"),
    _text("content"),
    PrimaryKeyConstraint("hash"),
)

connection_states = Table(
    "connection_states",
    metadata,
    _serial("number"),
    _text("connection"),
    _text("state"),  # active | paused | disconnected
    _text("actor"),
    _text("reason"),
    _text("run"),
    _text("at"),
)
Index("ix_connection_states_connection", connection_states.c.connection)

surveys = Table(
    "surveys",
    metadata,
    _text("connection"),
    _text("content"),
    _text("run"),
    _text("at"),
    PrimaryKeyConstraint("connection"),
)

locks = Table(
    "locks",
    metadata,
    _text("connection"),
    _text("run"),
    _text("since"),
    _text("ends"),
    PrimaryKeyConstraint("connection"),
)

claims = Table(
    "claims",
    metadata,
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("id"),
    _text("run"),
    _text("ends"),
    PrimaryKeyConstraint("connection", "side", "module", "id"),
)

# -------------------------------------------------------------------------------------------- what we saw of a side

mirrors = Table(
    "mirrors",
    metadata,
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("id"),
    _text("stamp", null=True),
    _text("hash"),
    _text("content"),
    _text("detail", null=True),
    _text("detail_stamp", null=True),
    _flag("in_view"),
    _flag("is_open"),
    _text("outcome"),
    _text("reason"),
    _text("deleted_at", null=True),
    PrimaryKeyConstraint("connection", "side", "module", "id"),
)
Index(
    "ix_mirrors_open",
    mirrors.c.connection,
    mirrors.c.side,
    mirrors.c.module,
    mirrors.c.id,
    sqlite_where=mirrors.c.is_open.is_(True),
    postgresql_where=mirrors.c.is_open.is_(True),
)
Index(
    "ix_mirrors_stamp",
    mirrors.c.connection,
    mirrors.c.side,
    mirrors.c.module,
    mirrors.c.stamp,
    sqlite_where=mirrors.c.deleted_at.is_(None),
    postgresql_where=mirrors.c.deleted_at.is_(None),
)

mirror_keys = Table(
    "mirror_keys",
    metadata,
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("rule"),
    _text("value"),
    _text("id"),
    PrimaryKeyConstraint("connection", "side", "module", "rule", "value", "id"),
    sqlite_with_rowid=False,
)
Index("ix_mirror_keys_id", mirror_keys.c.connection, mirror_keys.c.side, mirror_keys.c.module, mirror_keys.c.id)

watermarks = Table(
    "watermarks",
    metadata,
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("entity"),
    _text("stamp", null=True),
    _text("rules"),
    _text("full_at", null=True),
    _text("run"),
    PrimaryKeyConstraint("connection", "side", "module", "entity"),
)

snapshots = Table(
    "snapshots",
    metadata,
    _serial("number"),
    _text("connection"),
    _text("run"),
    _text("side"),
    _text("module"),
    _text("content"),
)
Index("ix_snapshots_run", snapshots.c.run)

# --------------------------------------------------------------------------------------------------- links and bases

links = Table(
    "links",
    metadata,
    _text("connection"),
    _text("id"),
    _text("entity"),
    _text("mapping"),
    _text("crm_module"),
    _text("crm_id"),
    _text("books_module"),
    _text("books_id"),
    _text("since"),
    _text("evidence"),
    _text("state"),
    _text("dead", null=True),
    _text("organization", null=True),  # of a link kept aside
    PrimaryKeyConstraint("connection", "id"),
)
# The literal, never a parameter: only then do the databases use the partial indexes below.
LIVE = links.c.state == literal_column("'live'")
Index(
    "ux_links_crm",
    links.c.connection,
    links.c.crm_module,
    links.c.crm_id,
    unique=True,
    sqlite_where=LIVE,
    postgresql_where=LIVE,
)
Index(
    "ux_links_books",
    links.c.connection,
    links.c.books_module,
    links.c.books_id,
    unique=True,
    sqlite_where=LIVE,
    postgresql_where=LIVE,
)

link_history = Table(
    "link_history",
    metadata,
    _serial("number"),
    _text("connection"),
    _text("link"),
    _text("change"),
    _text("content"),
    _text("run"),
    _text("at"),
)
Index("ix_link_history_link", link_history.c.connection, link_history.c.link)

bases = Table(
    "bases",
    metadata,
    _text("connection"),
    _text("link"),
    _text("crm", null=True),
    _text("books", null=True),
    _text("crm_stamp", null=True),
    _text("books_stamp", null=True),
    _text("crm_wrote", null=True),
    _text("books_wrote", null=True),
    _text("undone", null=True),
    _text("owed", null=True),
    PrimaryKeyConstraint("connection", "link"),
    ForeignKeyConstraint(["connection", "link"], ["links.connection", "links.id"], deferrable=True, initially="DEFERRED"),
)

# ------------------------------------------------------------------------------------------- questions and waiting rows

holds = Table(
    "holds",
    metadata,
    _text("connection"),
    _text("id"),
    _text("entity"),
    _text("question"),
    _text("side"),
    _text("module"),
    _text("record"),
    _text("field", null=True),
    _text("candidates"),
    _text("choices"),
    _text("detail"),
    _text("state"),  # open | decided | carried_out | closed
    _number("asking"),  # how many times it has been asked, from 1
    _text("opened_run"),
    _text("opened_at"),
    _text("closed_why", null=True),
    _text("closed_run", null=True),
    _text("closed_at", null=True),
    PrimaryKeyConstraint("connection", "id"),
)
Index("ix_holds_state", holds.c.connection, holds.c.state)

decisions = Table(
    "decisions",
    metadata,
    _text("connection"),
    _text("hold"),
    _number("asking"),
    _text("choice"),
    _text("reason"),
    _text("actor"),
    _text("at"),
    PrimaryKeyConstraint("connection", "hold", "asking"),
    ForeignKeyConstraint(["connection", "hold"], ["holds.connection", "holds.id"]),
)

set_aside = Table(
    "set_aside",
    metadata,
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("id"),
    _text("why"),
    _text("mark"),
    _text("run"),
    _text("at"),
    PrimaryKeyConstraint("connection", "side", "module", "id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("id"),
    _text("rule"),
    _text("field"),
    _text("entity"),
    _text("words"),
    _text("value"),
    _text("first_run"),
    _text("first_at"),
    _text("last_run"),
    _text("left_why", null=True),
    _text("left_run", null=True),
    _text("left_at", null=True),
    PrimaryKeyConstraint("connection", "side", "module", "id", "rule", "field"),
)
Index(
    "ix_quarantine_now",
    quarantine.c.connection,
    quarantine.c.first_at,
    sqlite_where=quarantine.c.left_at.is_(None),
    postgresql_where=quarantine.c.left_at.is_(None),
)

# ------------------------------------------------------------------------------------------------ plans and approvals

plans = Table(
    "plans",
    metadata,
    _text("connection"),
    _text("fingerprint"),
    _text("content"),
    _text("run"),
    _text("at"),
    _text("applied_run", null=True),
    _text("applied_at", null=True),
    PrimaryKeyConstraint("connection", "fingerprint"),
)

approvals = Table(
    "approvals",
    metadata,
    _serial("number"),
    _text("connection"),
    _text("fingerprint"),
    _text("brakes"),
    _text("actor"),
    _text("at"),
    _text("last_used"),
)
Index("ix_approvals_connection", approvals.c.connection, approvals.c.last_used)

approved_keys = Table(
    "approved_keys",
    metadata,
    _number("approval"),
    _text("key"),
    PrimaryKeyConstraint("approval", "key"),
    ForeignKeyConstraint(["approval"], ["approvals.number"]),
    sqlite_with_rowid=False,
)

# ----------------------------------------------------------------------------------------------- journal and evidence

intents = Table(
    "intents",
    metadata,
    _serial("number"),
    _text("id"),
    _text("connection"),
    _text("run"),
    _text("action"),
    _text("key"),
    _text("state"),
    _text("answer"),
    _text("at"),
    _text("changed_at"),
    UniqueConstraint("id"),
)
Index("ix_intents_run", intents.c.run)
UNSETTLED = intents.c.state.in_([literal_column("'intended'"), literal_column("'sent'"), literal_column("'unknown'")])
Index("ix_intents_open", intents.c.connection, sqlite_where=UNSETTLED, postgresql_where=UNSETTLED)

outcomes = Table(
    "outcomes",
    metadata,
    _text("run"),
    _number("number"),
    _text("connection"),
    _text("kind"),
    _text("entity"),
    _text("outcome"),
    _text("reason"),
    _text("at"),
    _text("actor"),
    _text("content"),  # sha256(salt + content) as hex; "" where there is none
    _text("previous"),
    _text("hash"),
    PrimaryKeyConstraint("run", "number"),
    ForeignKeyConstraint(["run"], ["runs.id"]),
)

outcome_records = Table(
    "outcome_records",
    metadata,
    _text("run"),
    _number("number"),
    _number("position"),
    _text("connection"),
    _text("side"),
    _text("module"),
    _text("id"),
    PrimaryKeyConstraint("run", "number", "position"),
    sqlite_with_rowid=False,
)
Index(
    "ix_outcome_records_record",
    outcome_records.c.connection,
    outcome_records.c.side,
    outcome_records.c.module,
    outcome_records.c.id,
)

contents = Table(
    "contents",
    metadata,
    _text("run"),
    _number("number"),
    Column("salt", LargeBinary, nullable=False),
    _text("content"),
    PrimaryKeyConstraint("run", "number"),
)

erasures = Table(
    "erasures",
    metadata,
    _text("run"),
    _number("number"),
    _text("who"),
    _text("why"),
    _text("at"),
    PrimaryKeyConstraint("run", "number"),
)

seals = Table(
    "seals",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    _text("run"),
    _text("connection"),
    _number("rows"),
    _text("head"),
    _text("summary"),  # sha256 of the run's own row as it was sealed
    _text("ended"),
    _text("previous"),
    _text("hash"),
    UniqueConstraint("run"),
)

# ------------------------------------------------------------------------------------- documents, calls and tokens

documents = Table(
    "documents",
    metadata,
    _text("connection"),
    _text("module"),
    _text("id"),
    _text("number"),
    _text("customer"),
    _text("currency"),
    _text("dated", null=True),
    _text("due", null=True),
    _text("status"),
    _text("total"),
    _text("balance"),
    _text("last_payment", null=True),
    _text("stamp", null=True),
    _text("deal"),
    PrimaryKeyConstraint("connection", "module", "id"),
)
Index("ix_documents_customer", documents.c.connection, documents.c.module, documents.c.customer, documents.c.id)
Index("ix_documents_deal", documents.c.connection, documents.c.module, documents.c.deal, documents.c.id)

# Which CRM deal a person said that a document belongs to; "": to none, whatever its own fields say.
attachments = Table(
    "attachments",
    metadata,
    _text("connection"),
    _text("module"),
    _text("id"),
    _text("deal"),
    _text("run"),
    PrimaryKeyConstraint("connection", "module", "id"),
)

# The documents that deals got, and why a deal has none.
deal_documents = Table(
    "deal_documents",
    metadata,
    _text("connection"),
    _text("deal"),
    _text("module"),
    _text("part"),
    _text("document"),
    _text("status"),
    _text("signature"),
    _text("amount"),
    _text("due", null=True),
    _text("run"),
    PrimaryKeyConstraint("connection", "deal", "module", "part"),
)
Index(
    "ix_deal_documents_due", deal_documents.c.connection, deal_documents.c.module, deal_documents.c.status, deal_documents.c.due
)
Index("ix_deal_documents_document", deal_documents.c.connection, deal_documents.c.module, deal_documents.c.document)

api_calls = Table(
    "api_calls",
    metadata,
    _text("organization"),
    _text("side"),
    _text("day"),
    _text("kind"),
    _text("run"),  # "" outside of a run
    _number("calls"),
    PrimaryKeyConstraint("organization", "side", "day", "kind", "run"),
)

tokens = Table(
    "tokens",
    metadata,
    _text("alias"),
    _text("encrypted", null=True),
    _text("ends", null=True),
    _text("lease_owner", null=True),
    _text("lease_ends", null=True),
    PrimaryKeyConstraint("alias"),
)

token_refreshes = Table(
    "token_refreshes",
    metadata,
    _serial("number"),
    _text("alias"),
    _text("at"),
)
Index("ix_token_refreshes_alias", token_refreshes.c.alias, token_refreshes.c.at)
