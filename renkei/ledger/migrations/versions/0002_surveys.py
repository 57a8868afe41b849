"""What both organisations look like, kept between full runs.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
    op.create_table(
        "surveys",
        *(sa.Column(name, words, nullable=False) for name in ("connection", "content", "run", "at")),
        sa.PrimaryKeyConstraint("connection", name="pk_surveys"),
    )
