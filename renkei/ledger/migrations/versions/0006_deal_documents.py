"""The documents that deals got, and why a deal has none.

Revision: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    names = ("connection", "deal", "module", "part", "document", "status", "signature", "amount", "run")
    op.create_table(
        "deal_documents",
        *(sa.Column(name, words, nullable=False) for name in names),
        sa.Column("due", words, nullable=True),
        sa.PrimaryKeyConstraint("connection", "deal", "module", "part", name="pk_deal_documents"),
    )
    op.create_index("ix_deal_documents_due", "deal_documents", ["connection", "module", "status", "due"])
    op.create_index("ix_deal_documents_document", "deal_documents", ["connection", "module", "document"])
