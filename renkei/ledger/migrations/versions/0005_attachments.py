"""Which CRM deal a person said that a document belongs to.

Revision: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    op.create_table(
        "attachments",
        *(sa.Column(name, words, nullable=False) for name in ("connection", "module", "id", "deal", "run")),
        sa.PrimaryKeyConstraint("connection", "module", "id", name="pk_attachments"),
    )
