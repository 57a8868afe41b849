"""The deal that a document belongs to.

Revision: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    op.add_column("documents", sa.Column("deal", words, nullable=False, server_default=""))
    op.create_index("ix_documents_deal", "documents", ["connection", "module", "deal", "id"])
