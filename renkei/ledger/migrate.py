"""Bring a ledger's tables up to date: Alembic's revisions, one process at a time."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from renkei.core.errors import LedgerUnavailable
from renkei.ledger.database import Database, translated

HEAD = "0008"
_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x72656E6B6569  # "renkei": PostgreSQL's advisory lock for the time of a migration


def migrate(database: Database) -> None:
    """Do nothing where the tables are those of HEAD; else upgrade inside one transaction that others wait for.

    LedgerUnavailable where a newer renkei has migrated the ledger already.
    """
    if revision(database) == HEAD:
        return
    with database.transaction():
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE lets one writer in
            database.perform(text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=_LOCK))
        _upgrade(database, revision(database))


def revision(database: Database) -> str | None:
    """The revision that the ledger stands at, or None for an empty one."""
    with translated():
        if not inspect(database.connection).has_table("alembic_version"):
            return None
        found: str | None = database.perform(text("SELECT version_num FROM alembic_version")).scalar()
        return found


def _upgrade(database: Database, present: str | None) -> None:
    if present == HEAD:
        return
    if present is not None and present > HEAD:
        raise LedgerUnavailable(
            f"The ledger stands at revision {present}, this renkei knows {HEAD}.",
            fix="Use the renkei that migrated it, or a newer one.",
        )
    # Imported here: a ledger that is up to date, which is every start but the first, does without Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = database.connection
    with translated():
        command.upgrade(config, "head")
