"""Which fields of a pair an undo left different on both sides.

Revision: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    op.add_column("bases", sa.Column("undone", words, nullable=True))
