"""The ledger as one object: everything of core/ports.py Ledger on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from renkei.core.records import QuarantineRow
from renkei.core.values import Side
from renkei.ledger.database import connect, is_there
from renkei.ledger.documents import Attachments, Calls, DealDocuments, Documents, Tokens
from renkei.ledger.erasing import Erasing
from renkei.ledger.evidence import new_salt
from renkei.ledger.holds import Holds
from renkei.ledger.life import Life
from renkei.ledger.links import Links
from renkei.ledger.migrate import migrate, revision
from renkei.ledger.mirrors import list_values
from renkei.ledger.runs import Runs
from renkei.ledger.verify import Verifying


class SqlLedger(Runs, Life, Holds, Links, Erasing, Verifying, Documents, Attachments, DealDocuments, Calls, Tokens):
    """One connection to a ledger that has been migrated. Belongs to one event loop; `close()` when done.

    `salt` gives random bytes for the hashes of details; they come from the system, never from the run's own chance,
    so that a repeatable run does not make them guessable.
    """

    def __init__(self, where: str | Engine, *, salt: Callable[[], bytes] = new_salt) -> None:
        super().__init__(connect(where) if isinstance(where, str) else where, salt)

    async def put_read(
        self, connection: str, side: Side, module: str,
        rows: pd.DataFrame, refused: Sequence[QuarantineRow], run: str, now: datetime,
    ) -> None:  # fmt: skip
        """As ports.Ledger says; in a thread, on a connection of its own, unless the database stands in this one's memory."""
        put = (connection, side, module, rows, refused, run, now)
        if self.in_memory:
            self._put_read(*put)
        else:
            await asyncio.to_thread(self._put_read_beside, *put)

    def _put_read_beside(self, *put: Any) -> None:
        beside = SqlLedger(self._engine)
        try:
            if self.is_sqlite:
                # rows are put at the end of the table: little of it is looked at again
                beside.connection.exec_driver_sql("PRAGMA cache_size=-16384")
                # the log is written in order, so that the next commit of a run makes this one as durable as itself
                beside.connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
            beside._put_read(*put)
        finally:
            beside.connection.close()

    def _put_read(
        self, connection: str, side: Side, module: str,
        rows: pd.DataFrame, refused: Sequence[QuarantineRow], run: str, now: datetime,
    ) -> None:  # fmt: skip
        values = list_values(rows)  # before the database is locked for others
        with self.transaction():
            self.put_list(connection, side, module, values)
            self.put_quarantine(connection, refused, run, now)


def open_ledger(url: str, *, salt: Callable[[], bytes] = new_salt) -> SqlLedger:
    """Open `sqlite:///FILE` (its folder is made) or `postgresql://…` and bring its tables up to date.

    AskedWrongly for another kind of address, LedgerUnavailable when the database cannot be used.
    """
    ledger = SqlLedger(url, salt=salt)
    try:
        migrate(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def look_at(url: str) -> tuple[SqlLedger | None, str | None]:
    """The ledger as it stands, neither made nor migrated: (ledger, its revision), or (None, None) where there is none yet.

    AskedWrongly and LedgerUnavailable as `open_ledger`.
    """
    if not is_there(url):
        return None, None
    ledger = SqlLedger(url)
    try:
        found = revision(ledger)
    except BaseException:
        ledger.close()
        raise
    if found is None:
        ledger.close()
        return None, None
    return ledger, found
