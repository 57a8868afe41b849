"""Keep a copy of a whole ledger, and bring it back: SQLite by its own online backup, PostgreSQL by pg_dump and pg_restore.

A backup is consistent while a run writes. What the ledger lacks after an older one came back, the next run finds again by
the keys on both sides (docs/decisions/0005-recovery-by-keys.md).
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import func, select
from sqlalchemy.engine import URL

from renkei.core.errors import AskedWrongly, LedgerUnavailable, Stopped
from renkei.ledger.codec import moment_text
from renkei.ledger.database import Database, connect
from renkei.ledger.migrate import HEAD, migrate, revision
from renkei.ledger.tables import locks, runs

_SQLITE, _POSTGRESQL = b"SQLite format 3\0", b"PGDMP"  # how the two kinds of backup begin


def backup(url: str, file: Path) -> None:
    """Copy the ledger into a new file, whole and consistent, whatever is written meanwhile.

    AskedWrongly where the file is there already or there is no ledger; LedgerUnavailable where a program is missing or fails.
    """
    address = connect(url).url
    if file.exists():
        raise AskedWrongly(f"{file} is there already.", fix="Name a new file; a backup replaces nothing.")
    if not file.absolute().parent.is_dir():
        raise AskedWrongly(f"There is no folder {file.parent}.", fix="Make it, or name another one.")
    if _stands_at(url) is None:
        raise AskedWrongly("There is no ledger yet at RENKEI_LEDGER_URL.", fix="Say where it is with RENKEI_LEDGER_URL.")
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        if address.get_backend_name() == "sqlite":
            _copy(_file_of(address), unfinished)
            with closing(sqlite3.connect(unfinished)) as copied:
                copied.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        else:
            _program("pg_dump", address, "--format=custom", "--no-owner", f"--file={unfinished}")
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def restore(url: str, file: Path, *, now: datetime, aside: Path | None) -> Path | None:
    """Put a backup in the ledger's place and bring its tables up to date.

    aside    where the ledger that is there is backed up first; None: refuse where one with runs is there
    returns  `aside` where something was kept there
    raises   AskedWrongly for a file that is no backup of this kind of ledger; Stopped while a run is at work
    """
    address = connect(url).url
    is_sqlite = address.get_backend_name() == "sqlite"
    _require_backup(file, is_sqlite)
    kept = _clear_the_place(url, address, now, aside)
    if is_sqlite:
        _copy(file, _file_of(address))
    else:
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _program("pg_restore", address, *options, str(file))
    migrate_now(url)
    return kept


def migrate_now(url: str) -> tuple[str | None, str]:
    """Bring the tables up to date; (revision before, None for an empty ledger; revision now)."""
    with closing(Database(connect(url))) as database:
        before = revision(database)
        migrate(database)
    return before, HEAD


def _stands_at(url: str) -> str | None:
    """The ledger's revision; None where there is none. Makes no SQLite file."""
    address = connect(url).url
    if address.get_backend_name() == "sqlite" and not _file_of(address).exists():
        return None
    with closing(Database(connect(url))) as database:
        return revision(database)


def _clear_the_place(url: str, address: URL, now: datetime, aside: Path | None) -> Path | None:
    try:
        held, at_work = _held(url, now)
    except LedgerUnavailable:
        if aside is None or address.get_backend_name() != "sqlite" or not _file_of(address).exists():
            raise
        return _put_away(_file_of(address), aside)  # damaged: no copy can be made of it but the file itself
    if at_work:
        raise Stopped(
            f"Run {at_work} is at work on this ledger.",
            fix="Wait for it to end; a dead one's lock ends by itself in ten minutes.",
        )
    if not held:
        return None
    if aside is None:
        raise AskedWrongly(
            f"The ledger at RENKEI_LEDGER_URL holds {held} runs.",
            fix="To put the backup in its place all the same, add --force; a copy of what is there now is kept.",
        )
    aside.parent.mkdir(parents=True, exist_ok=True)
    backup(url, aside)
    return aside


def _held(url: str, now: datetime) -> tuple[int, str]:
    """How many runs the ledger holds, and a run that is at work on it, or ""."""
    if _stands_at(url) is None:
        return 0, ""
    with closing(Database(connect(url))) as database:
        count = database.perform(select(func.count()).select_from(runs)).scalar_one()
        at_work = database.perform(select(locks.c.run).where(locks.c.ends > moment_text(now)).order_by(locks.c.run)).scalar()
    return int(count), str(at_work or "")


def _require_backup(file: Path, is_sqlite: bool) -> None:
    try:
        with file.open("rb") as opened:
            begins = opened.read(len(_SQLITE))
    except OSError as error:
        raise AskedWrongly(f"{file} cannot be read ({error.strerror}).", fix="Name a file that `ledger backup` wrote.") from None
    kind = "SQLite" if begins == _SQLITE else "PostgreSQL" if begins.startswith(_POSTGRESQL) else ""
    wanted = "SQLite" if is_sqlite else "PostgreSQL"
    if kind and kind != wanted:
        raise AskedWrongly(
            f"{file} is a backup of a ledger on {kind}, RENKEI_LEDGER_URL names {wanted}.", fix="Restore it there."
        )
    if not kind or (is_sqlite and not _is_ledger(file)):
        raise AskedWrongly(f"{file} is no backup of a ledger.", fix="Name a file that `ledger backup` wrote.")


def _is_ledger(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            return opened.execute("SELECT 1 FROM alembic_version").fetchone() is not None
    except sqlite3.DatabaseError:
        return False


# --------------------------------------------------------------------------------------------------------------- SQLite


def _file_of(address: URL) -> Path:
    if not address.database or address.database == ":memory:":
        raise AskedWrongly("A ledger in memory has no backup.", fix="Name a file with RENKEI_LEDGER_URL.")
    return Path(address.database)


def _copy(source: Path, target: Path) -> None:
    """All pages in one step, under one read lock: writers go on beside it, and what they write meanwhile is not in it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
            one.backup(other)
    except (sqlite3.Error, OSError) as error:
        raise LedgerUnavailable(
            f"{source} could not be copied to {target}: {error}.", fix="Make room, or name another place."
        ) from error


def _put_away(file: Path, aside: Path) -> Path:
    aside.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{file}{suffix}")
        if part.exists():
            part.replace(f"{aside}{suffix}")
    return aside


# ----------------------------------------------------------------------------------------------------------- PostgreSQL


def _program(name: str, address: URL, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on the ledger's database. The password travels in its environment, never in its words."""
    parts = address.translate_connect_args(username="user", database="dbname") | dict(address.query)
    password = str(parts.pop("password", "") or "")
    words = make_conninfo(**{key: str(value) for key, value in parts.items()})
    environ = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    try:
        done = subprocess.run(
            [name, f"--dbname={words}", *arguments],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise LedgerUnavailable(
            f"The program {name} is not on this machine.",
            fix="Install PostgreSQL's client programs (Debian: postgresql-client), of the server's version or newer.",
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0].replace(password or "\0", "…")
        raise LedgerUnavailable(f"{name} failed: {said}.", fix="Its version must be that of the server or newer.")
