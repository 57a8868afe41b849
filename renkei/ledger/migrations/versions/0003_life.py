"""What people made of a connection, and which organisation a link kept aside belongs to.

Revision: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLE = "connection_states"


def upgrade() -> None:
    words = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    op.create_table(
        _TABLE,
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *(sa.Column(name, words, nullable=False) for name in ("connection", "state", "actor", "reason", "run", "at")),
        sa.PrimaryKeyConstraint("number", name=f"pk_{_TABLE}"),
    )
    op.create_index(f"ix_{_TABLE}_connection", _TABLE, ["connection"])
    op.add_column("links", sa.Column("organization", words, nullable=True))
    for verb in ("UPDATE", "DELETE"):
        refuses = f"CREATE TRIGGER {_TABLE}_refuses_{verb.lower()} BEFORE {verb} ON {_TABLE}"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"{refuses} BEGIN SELECT RAISE(ABORT, '{_TABLE} is evidence: {verb} is refused'); END")
        else:
            op.execute(f"{refuses} FOR EACH ROW EXECUTE FUNCTION renkei_refuse()")
    if op.get_bind().dialect.name != "sqlite":
        op.execute(
            f"CREATE TRIGGER {_TABLE}_refuses_truncate BEFORE TRUNCATE ON {_TABLE} "
            "FOR EACH STATEMENT EXECUTE FUNCTION renkei_refuse()"
        )
