"""The first tables, and the triggers that keep evidence as it was written.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# (table, what is refused)
_REFUSED = (
    ("outcomes", ("UPDATE", "DELETE")),
    ("outcome_records", ("UPDATE", "DELETE")),
    ("seals", ("UPDATE", "DELETE")),
    ("decisions", ("UPDATE", "DELETE")),
    ("link_history", ("UPDATE", "DELETE")),
    ("configurations", ("UPDATE", "DELETE")),
    ("erasures", ("UPDATE", "DELETE")),
    ("contents", ("UPDATE",)),  # an erasure may delete there
)


def upgrade() -> None:
    _make_tables()
    if op.get_bind().dialect.name == "sqlite":
        _refuse_on_sqlite()
    else:
        _refuse_on_postgresql()


def _refuse_on_sqlite() -> None:
    for table, verbs in _REFUSED:
        for verb in verbs:
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is evidence: {verb} is refused'); END"
            )


def _refuse_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION renkei_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is evidence: % is refused', TG_TABLE_NAME, TG_OP; END $$"
    )
    for table, verbs in _REFUSED:
        for verb in verbs:
            op.execute(
                f"CREATE TRIGGER {table}_refuses_{verb.lower()} BEFORE {verb} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION renkei_refuse()"
            )
        op.execute(
            f"CREATE TRIGGER {table}_refuses_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION renkei_refuse()"
        )


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql"), nullable=null)


def _serial(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)


def _make_tables() -> None:
    op.create_table(
        "api_calls",
        _text("organization"),
        _text("side"),
        _text("day"),
        _text("kind"),
        _text("run"),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization", "side", "day", "kind", "run", name="pk_api_calls"),
    )
    op.create_table(
        "approvals",
        _serial("number"),
        _text("connection"),
        _text("fingerprint"),
        _text("brakes"),
        _text("actor"),
        _text("at"),
        _text("last_used"),
        sa.PrimaryKeyConstraint("number", name="pk_approvals"),
    )
    op.create_index("ix_approvals_connection", "approvals", ["connection", "last_used"], unique=False)
    op.create_table(
        "claims",
        _text("connection"),
        _text("side"),
        _text("module"),
        _text("id"),
        _text("run"),
        _text("ends"),
        sa.PrimaryKeyConstraint("connection", "side", "module", "id", name="pk_claims"),
    )
    op.create_table(
        "configurations",
        _text("hash"),
        _text("kind"),
        _text("name"),
        _text("content"),
        sa.PrimaryKeyConstraint("hash", name="pk_configurations"),
    )
    op.create_table(
        "contents",
        _text("run"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        _text("content"),
        sa.PrimaryKeyConstraint("run", "number", name="pk_contents"),
    )
    op.create_table(
        "documents",
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
        sa.PrimaryKeyConstraint("connection", "module", "id", name="pk_documents"),
    )
    op.create_index("ix_documents_customer", "documents", ["connection", "module", "customer", "id"], unique=False)
    op.create_table(
        "erasures",
        _text("run"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        _text("who"),
        _text("why"),
        _text("at"),
        sa.PrimaryKeyConstraint("run", "number", name="pk_erasures"),
    )
    op.create_table(
        "holds",
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
        _text("state"),
        sa.Column("asking", sa.BigInteger(), nullable=False),
        _text("opened_run"),
        _text("opened_at"),
        _text("closed_why", null=True),
        _text("closed_run", null=True),
        _text("closed_at", null=True),
        sa.PrimaryKeyConstraint("connection", "id", name="pk_holds"),
    )
    op.create_index("ix_holds_state", "holds", ["connection", "state"], unique=False)
    op.create_table(
        "intents",
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
        sa.PrimaryKeyConstraint("number", name="pk_intents"),
        sa.UniqueConstraint("id", name="uq_intents_id"),
    )
    op.create_index(
        "ix_intents_open",
        "intents",
        ["connection"],
        unique=False,
        sqlite_where=sa.text("state IN ('intended', 'sent', 'unknown')"),
        postgresql_where=sa.text("state IN ('intended', 'sent', 'unknown')"),
    )
    op.create_index("ix_intents_run", "intents", ["run"], unique=False)
    op.create_table(
        "link_history",
        _serial("number"),
        _text("connection"),
        _text("link"),
        _text("change"),
        _text("content"),
        _text("run"),
        _text("at"),
        sa.PrimaryKeyConstraint("number", name="pk_link_history"),
    )
    op.create_index("ix_link_history_link", "link_history", ["connection", "link"], unique=False)
    op.create_table(
        "links",
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
        sa.PrimaryKeyConstraint("connection", "id", name="pk_links"),
    )
    op.create_index(
        "ux_links_books",
        "links",
        ["connection", "books_module", "books_id"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_index(
        "ux_links_crm",
        "links",
        ["connection", "crm_module", "crm_id"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "locks",
        _text("connection"),
        _text("run"),
        _text("since"),
        _text("ends"),
        sa.PrimaryKeyConstraint("connection", name="pk_locks"),
    )
    op.create_table(
        "mirror_keys",
        _text("connection"),
        _text("side"),
        _text("module"),
        _text("rule"),
        _text("value"),
        _text("id"),
        sa.PrimaryKeyConstraint("connection", "side", "module", "rule", "value", "id", name="pk_mirror_keys"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_mirror_keys_id", "mirror_keys", ["connection", "side", "module", "id"], unique=False)
    op.create_table(
        "mirrors",
        _text("connection"),
        _text("side"),
        _text("module"),
        _text("id"),
        _text("stamp", null=True),
        _text("hash"),
        _text("content"),
        _text("detail", null=True),
        _text("detail_stamp", null=True),
        sa.Column("in_view", sa.Boolean(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        _text("outcome"),
        _text("reason"),
        _text("deleted_at", null=True),
        sa.PrimaryKeyConstraint("connection", "side", "module", "id", name="pk_mirrors"),
    )
    op.create_index(
        "ix_mirrors_open",
        "mirrors",
        ["connection", "side", "module", "id"],
        unique=False,
        sqlite_where=sa.text("is_open IS 1"),
        postgresql_where=sa.text("is_open IS true"),
    )
    op.create_index(
        "ix_mirrors_stamp",
        "mirrors",
        ["connection", "side", "module", "stamp"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "outcome_records",
        _text("run"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        _text("connection"),
        _text("side"),
        _text("module"),
        _text("id"),
        sa.PrimaryKeyConstraint("run", "number", "position", name="pk_outcome_records"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_outcome_records_record", "outcome_records", ["connection", "side", "module", "id"], unique=False)
    op.create_table(
        "plans",
        _text("connection"),
        _text("fingerprint"),
        _text("content"),
        _text("run"),
        _text("at"),
        _text("applied_run", null=True),
        _text("applied_at", null=True),
        sa.PrimaryKeyConstraint("connection", "fingerprint", name="pk_plans"),
    )
    op.create_table(
        "quarantine",
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
        sa.PrimaryKeyConstraint("connection", "side", "module", "id", "rule", "field", name="pk_quarantine"),
    )
    op.create_index(
        "ix_quarantine_now",
        "quarantine",
        ["connection", "first_at"],
        unique=False,
        sqlite_where=sa.text("left_at IS NULL"),
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_table(
        "runs",
        _text("id"),
        _text("connection"),
        _text("kind"),
        _text("flow"),
        _text("actor"),
        _text("started"),
        sa.Column("full", sa.Boolean(), nullable=False),
        _text("configuration"),
        _text("code"),
        _text("ended", null=True),
        _text("status"),
        _text("totals"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_connection_started", "runs", ["connection", "started"], unique=False)
    op.create_index(
        "ix_runs_unsealed",
        "runs",
        ["connection"],
        unique=False,
        sqlite_where=sa.text("ended IS NULL"),
        postgresql_where=sa.text("ended IS NULL"),
    )
    op.create_table(
        "seals",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        _text("run"),
        _text("connection"),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        _text("head"),
        _text("summary"),
        _text("ended"),
        _text("previous"),
        _text("hash"),
        sa.PrimaryKeyConstraint("number", name="pk_seals"),
        sa.UniqueConstraint("run", name="uq_seals_run"),
    )
    op.create_table(
        "set_aside",
        _text("connection"),
        _text("side"),
        _text("module"),
        _text("id"),
        _text("why"),
        _text("mark"),
        _text("run"),
        _text("at"),
        sa.PrimaryKeyConstraint("connection", "side", "module", "id", name="pk_set_aside"),
    )
    op.create_table(
        "snapshots",
        _serial("number"),
        _text("connection"),
        _text("run"),
        _text("side"),
        _text("module"),
        _text("content"),
        sa.PrimaryKeyConstraint("number", name="pk_snapshots"),
    )
    op.create_index("ix_snapshots_run", "snapshots", ["run"], unique=False)
    op.create_table(
        "stages",
        _serial("number"),
        _text("run"),
        _text("stage"),
        _text("entity"),
        _text("started"),
        sa.Column("seconds", sa.Float(), nullable=False),
        _text("detail"),
        sa.PrimaryKeyConstraint("number", name="pk_stages"),
    )
    op.create_index("ix_stages_run", "stages", ["run"], unique=False)
    op.create_table(
        "token_refreshes",
        _serial("number"),
        _text("alias"),
        _text("at"),
        sa.PrimaryKeyConstraint("number", name="pk_token_refreshes"),
    )
    op.create_index("ix_token_refreshes_alias", "token_refreshes", ["alias", "at"], unique=False)
    op.create_table(
        "tokens",
        _text("alias"),
        _text("encrypted", null=True),
        _text("ends", null=True),
        _text("lease_owner", null=True),
        _text("lease_ends", null=True),
        sa.PrimaryKeyConstraint("alias", name="pk_tokens"),
    )
    op.create_table(
        "watermarks",
        _text("connection"),
        _text("side"),
        _text("module"),
        _text("entity"),
        _text("stamp", null=True),
        _text("rules"),
        _text("full_at", null=True),
        _text("run"),
        sa.PrimaryKeyConstraint("connection", "side", "module", "entity", name="pk_watermarks"),
    )
    op.create_table(
        "approved_keys",
        sa.Column("approval", sa.BigInteger(), nullable=False),
        _text("key"),
        sa.ForeignKeyConstraint(["approval"], ["approvals.number"], name="fk_approved_keys_approvals"),
        sa.PrimaryKeyConstraint("approval", "key", name="pk_approved_keys"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bases",
        _text("connection"),
        _text("link"),
        _text("crm", null=True),
        _text("books", null=True),
        _text("crm_stamp", null=True),
        _text("books_stamp", null=True),
        _text("crm_wrote", null=True),
        _text("books_wrote", null=True),
        sa.ForeignKeyConstraint(
            ["connection", "link"], ["links.connection", "links.id"], name="fk_bases_links", initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("connection", "link", name="pk_bases"),
    )
    op.create_table(
        "decisions",
        _text("connection"),
        _text("hold"),
        sa.Column("asking", sa.BigInteger(), nullable=False),
        _text("choice"),
        _text("reason"),
        _text("actor"),
        _text("at"),
        sa.ForeignKeyConstraint(["connection", "hold"], ["holds.connection", "holds.id"], name="fk_decisions_holds"),
        sa.PrimaryKeyConstraint("connection", "hold", "asking", name="pk_decisions"),
    )
    op.create_table(
        "outcomes",
        _text("run"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        _text("connection"),
        _text("kind"),
        _text("entity"),
        _text("outcome"),
        _text("reason"),
        _text("at"),
        _text("actor"),
        _text("content"),
        _text("previous"),
        _text("hash"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_outcomes_runs"),
        sa.PrimaryKeyConstraint("run", "number", name="pk_outcomes"),
    )
