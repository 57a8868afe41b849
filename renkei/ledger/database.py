"""One connection to SQLite or PostgreSQL, its transactions and what its errors mean.

The connection is in autocommit mode and transactions are begun here by hand, so that a read takes no lock, a write
takes SQLite's write lock at once (BEGIN IMMEDIATE), and calls inside `transaction()` join one another. It belongs to
one event loop; a transaction must not be held across an `await`, or another task's writes would join it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    Executable,
    Row,
    Table,
    bindparam,
    create_engine,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy import exc as sql_errors
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Text

from renkei.core.errors import AskedWrongly, Bug, LedgerUnavailable

AnyRow: TypeAlias = Row[Any]

BUSY_SECONDS = 30
ROWS_AT_ONCE = 2000  # of one statement; SQLite takes 32,766 parameters
_SQLITE_SETTINGS = (
    "PRAGMA page_size=8192",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=16000",
)


def connect(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql://…`; makes the parent folder of a SQLite file."""
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        return _sqlite_engine(address)
    return create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def is_there(url: str) -> bool:
    """False for a SQLite file that there is not; a server is asked by connecting to it."""
    address = _address(url)
    return address.get_backend_name() != "sqlite" or not address.database or Path(address.database).exists()


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except sql_errors.ArgumentError:
        raise AskedWrongly(
            "RENKEI_LEDGER_URL is not a database address.", fix="Write sqlite:///var/renkei.db or postgresql://…"
        ) from None
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise AskedWrongly(
            f"A ledger cannot stand on {address.drivername}.", fix="Write sqlite:///var/renkei.db or postgresql://…"
        )
    return address


def _sqlite_engine(address: URL) -> Engine:
    if address.database and address.database != ":memory:":
        try:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as reason:
            raise LedgerUnavailable(
                f"The ledger's folder {Path(address.database).parent} cannot be made ({reason.strerror}).",
                fix="Choose another place with RENKEI_LEDGER_URL.",
            ) from reason
    engine = create_engine(address, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, record: object) -> None:
        for setting in _SQLITE_SETTINGS:
            connection.execute(setting)

    return engine


def columns(row: AnyRow) -> dict[str, Any]:
    """A row as a dictionary by column name."""
    return {str(name): value for name, value in row._mapping.items()}


def unavailable(reason: sql_errors.DBAPIError) -> LedgerUnavailable:
    """The database's own trouble in words that say what to do."""
    words = str(reason.orig).strip().splitlines()[0] if str(reason.orig).strip() else type(reason.orig).__name__
    lowered = words.lower()
    if "full" in lowered or "no space" in lowered:
        fix = "Make room on the disk of the ledger, then run again."
    elif "locked" in lowered or "lock timeout" in lowered:
        fix = "Another process is writing to the ledger; wait for it to end, then run again."
    elif "readonly" in lowered or "read-only" in lowered or "unable to open" in lowered or "permission" in lowered:
        fix = "Check RENKEI_LEDGER_URL and who owns the file and its folder."
    elif "not a database" in lowered or "malformed" in lowered:
        fix = "Restore the ledger from a backup, or correct RENKEI_LEDGER_URL."
    else:
        fix = "Check that the database is up and that RENKEI_LEDGER_URL is right, then run again."
    return LedgerUnavailable(f"The ledger cannot be used: {words}.", fix=fix)


@contextmanager
def translated() -> Iterator[None]:
    """SQLAlchemy's errors as ours: trouble of the database is LedgerUnavailable, a broken rule of ours a Bug."""
    try:
        yield
    except (sql_errors.OperationalError, sql_errors.InterfaceError) as reason:
        raise unavailable(reason) from reason
    except sql_errors.IntegrityError as reason:
        raise Bug(f"The ledger refused a row: {str(reason.orig).strip().splitlines()[0]}.") from reason
    except sql_errors.DBAPIError as reason:
        if reason.connection_invalidated or type(reason) is sql_errors.DatabaseError:  # no ledger, or a damaged file
            raise unavailable(reason) from reason
        raise Bug(f"The ledger refused a statement: {str(reason.orig).strip().splitlines()[0]}.") from reason


@dataclass(frozen=True)
class PutRows:
    """An upsert that takes many rows in one statement: the database works through it without the interpreter, so that another
    thread may go on meanwhile.

    same      columns whose value all rows share, given once
    each      columns of which every row has its own value
    at_first  other columns and their values in a new row
    again     columns that are set anew in a row whose key is there already
    """

    table: Table
    same: tuple[str, ...]
    each: tuple[str, ...]
    at_first: Mapping[str, Any]
    again: tuple[str, ...]

    def statement(self, rows: int, mark: str) -> str:
        """The SQL for so many rows, with `mark` where a parameter goes: `same`, `at_first`, then row by row."""
        once = ", ".join([mark] * (len(self.same) + len(self.at_first)))
        row = f"({', '.join([mark] * len(self.each))})"
        columns = ", ".join([*self.same, *self.at_first, *self.each])
        theirs = ", ".join(f"column{number}" for number in range(1, len(self.each) + 1))
        key = ", ".join(column.name for column in self.table.primary_key.columns)
        anew = ", ".join(f"{name} = excluded.{name}" for name in self.again)
        return (  # of names and marks alone
            f"INSERT INTO {self.table.name} ({columns}) SELECT {once}, {theirs} "  # noqa: S608
            f"FROM (VALUES {', '.join([row] * rows)}) AS given WHERE true ON CONFLICT ({key}) DO UPDATE SET {anew}"
        )


class Database:
    """What every part of the ledger stands on: reading, writing, joining transactions, upserts, lists of ids."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._depth = 0
        self._failed = False
        with translated():
            self._connection: Connection = engine.connect()
        self._path = os.path.abspath(engine.url.database or "")
        self._file = self._inode()

    @property
    def is_sqlite(self) -> bool:
        return self._is_sqlite

    @property
    def in_memory(self) -> bool:
        """Only this connection sees the database."""
        return self._is_sqlite and self._engine.url.database in (None, "", ":memory:")

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection, for migrations."""
        return self._connection

    def perform(self, statement: Executable) -> CursorResult[Any]:
        """One statement, in the open transaction if there is one."""
        return self._execute(statement)

    def close(self) -> None:
        """Close the connection; an open transaction is lost."""
        self._connection.close()
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All calls inside are committed together, or none. Joins a transaction that is already open."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        self._command("BEGIN IMMEDIATE" if self._is_sqlite else "BEGIN")
        self._depth, self._failed = 1, False
        try:
            self._is_still_there()
            yield
            if self._failed:
                raise Bug("A statement of this transaction failed and the caller went on.")
            self._command("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth = 0

    def _command(self, words: str) -> None:
        try:
            with translated():
                self._alive().exec_driver_sql(words)
        except BaseException:
            self._let_go()
            raise

    def _alive(self) -> Connection:
        """The connection; a new one where the database had ended the last one."""
        if self._connection.closed:
            self._connection = self._engine.connect()
            self._file = self._inode()
        return self._connection

    def _inode(self) -> int | None:
        """The file that SQLite's connection writes to; None on a server, in memory, or where there is none."""
        if not self._is_sqlite or self.in_memory:
            return None
        try:
            return os.stat(self._path).st_ino
        except FileNotFoundError:
            return None

    def _is_still_there(self) -> None:
        """What is written to a file that was deleted or replaced under us is lost without a word from SQLite."""
        if self._inode() != self._file:
            raise LedgerUnavailable(
                f"The ledger's file {self._path} was deleted or replaced while it was in use.",
                fix="Put it back, or restore a backup, then run again: what was written outside is found by our keys.",
            )

    def _roll_back(self) -> None:
        """End the transaction; where that fails (a full disk, a lost connection) the database has ended it by itself."""
        try:
            self._connection.exec_driver_sql("ROLLBACK")
        except sql_errors.SQLAlchemyError:
            self._connection.close()

    def _execute(
        self, statement: Executable, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        try:
            with translated():
                result: CursorResult[Any] = self._alive().execute(statement, rows)
                return result
        except BaseException:
            self._failed = True
            self._let_go()
            raise

    def _let_go(self) -> None:
        """A connection that the database has ended is not used again; inside a transaction its end does that."""
        if self._connection.invalidated and not self._depth:
            self._connection.close()

    def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> None:
        """One statement for all rows; an empty list of rows does nothing."""
        if rows is not None and not rows:
            return
        with self.transaction():
            if rows is None or len(rows) == 1:
                self._execute(statement, rows)
            else:
                self._execute_many(statement, rows)

    def _execute_many(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """The driver's own executemany: SQLAlchemy's way through its parameters takes longer than the database does.

        All rows have the same keys; their values are those that the drivers take as they are (text, numbers, bytes).
        """
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(dialect=self._engine.dialect, column_keys=list(rows[0]), for_executemany=True)
        assert isinstance(compiled, SQLCompiler)
        fixed = {name: value for name, value in compiled.params.items() if name not in rows[0]}
        full: Iterable[Mapping[str, Any]] = [{**fixed, **row} for row in rows] if fixed else rows
        try:
            with translated():
                if compiled.positiontup is None:
                    self._alive().exec_driver_sql(str(compiled), list(full))
                else:
                    self._alive().exec_driver_sql(str(compiled), [*map(itemgetter(*compiled.positiontup), full)])
        except BaseException:
            self._failed = True
            raise

    def _put_rows(self, put: PutRows, same: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
        """Put rows of values in the order of `put.each`; none twice. No rows: nothing is done."""
        mark = "?" if self._is_sqlite else "%s"
        first = (*same, *put.at_first.values())
        with self.transaction():
            for start in range(0, len(rows), ROWS_AT_ONCE):
                some = rows[start : start + ROWS_AT_ONCE]
                try:
                    with translated():
                        self._alive().exec_driver_sql(put.statement(len(some), mark), (*first, *chain.from_iterable(some)))
                except BaseException:
                    self._failed = True
                    raise

    def _read(self, statement: Executable) -> Sequence[AnyRow]:
        with translated():
            return self._execute(statement).all()

    def _one(self, statement: Executable) -> AnyRow | None:
        with translated():
            return self._execute(statement).first()

    def _scalar(self, statement: Executable) -> Any:
        with translated():
            return self._execute(statement).scalar()

    def _take_over(self, table: Table, row: Mapping[str, Any], update: Sequence[str], free: ColumnElement[bool]) -> bool:
        """Insert a lease, or take over the one that is there if it is free; False where it is not. One statement, so
        that of two processes only one succeeds."""
        statement = self._insert(table).values(row)
        taken: Executable = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in update},
            where=free,
        ).returning(literal_column("1"))
        with self.transaction():
            return self._scalar(taken) is not None

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def _upsert(self, table: Table, update: Iterable[str], *, where: ColumnElement[bool] | None = None) -> Executable:
        """Insert, or set the columns `update` of the row that holds the primary key (only `where`, if given)."""
        statement = self._insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in update},
            where=where,
        )

    def _upsert_changed(self, table: Table, update: Sequence[str]) -> Executable:
        """As `_upsert`, but a row that would stay as it is is not written again."""
        statement = self._insert(table)
        changed: ColumnElement[bool] | None = None
        for name in update:
            differs = table.c[name].is_distinct_from(statement.excluded[name])
            changed = differs if changed is None else changed | differs
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={name: statement.excluded[name] for name in update},
            where=changed,
        )

    def _among(self, column: Column[str], values: Iterable[str]) -> ColumnElement[bool]:
        """`column` is one of these, however many: one parameter holds them all."""
        listed = list(values)
        if self._is_sqlite:
            each = func.json_each(bindparam(None, orjson.dumps(listed).decode(), type_=Text()))
            return column.in_(select(literal_column("value")).select_from(each))
        return column == func.any(bindparam(None, listed, type_=postgresql.ARRAY(Text())))
