"""A throw-away PostgreSQL for tests: one server for each test process, one database for each test.

    from postgres import ledger_url, postgres_server, postgres_url   # in a conftest.py; pytest finds them there

`ledger_url` runs a test twice, on SQLite and on PostgreSQL. The server listens on a Unix socket in its own folder only,
so that no port is needed, and sorts text as Japanese people do, so that nothing rests on the order of bytes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

_SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=40",
    "shared_buffers=32MB",
)
_TEMPLATE = "renkei_migrated"


class PostgresServer:
    """A running server. `url(database)` is its address for SQLAlchemy."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder, self._made = programs, folder, 0

    def start(self) -> None:
        data = self._folder / "data"
        self._program(
            "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
            "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=ja",
        )  # fmt: skip
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, f"unix_socket_directories={self._folder}"))
        self._program("pg_ctl", "-D", str(data), "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        self._program("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def _program(self, name: str, *arguments: str) -> None:
        command = [str(self._programs / name), *arguments]
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            command = ["runuser", "-u", "postgres", "--", *command]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=self._folder, check=False)
        if done.returncode:
            pytest.fail(f"{name} failed: {done.stdout[-500:]} {done.stderr[-1000:]}")

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    def command(self, words: str) -> None:
        """One statement in the maintenance database."""
        with psycopg.connect(f"host={self._folder} user=postgres dbname=postgres", autocommit=True) as connection:
            connection.execute(words.encode())

    def new_database(self, template: str = "template1") -> str:
        """The name of a new database; a copy of `template`."""
        self._made += 1
        name = f"test_{self._made}"
        self.command(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        self.command(f"DROP DATABASE {database} WITH (FORCE)")


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3].split(".")[0]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    pytest.fail("These tests need PostgreSQL's programs (initdb, pg_ctl): install Debian's package postgresql.")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Started when a test asks for it first, stopped and removed at the end of the session."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="renkei-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    server = PostgresServer(programs, folder)
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of the server's maintenance database."""
    return postgres_server.url("postgres")


@pytest.fixture(scope="session")
def migrated_template(postgres_server: PostgresServer) -> str:
    """The name of a database that has been migrated once, to be copied for each test."""
    from renkei.ledger import open_ledger

    postgres_server.command(f"CREATE DATABASE {_TEMPLATE}")
    open_ledger(postgres_server.url(_TEMPLATE)).close()
    return _TEMPLATE


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a ledger of the test's own: SQLite in a folder that is not there yet, or PostgreSQL, migrated."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/var/renkei.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    database = server.new_database(request.getfixturevalue("migrated_template"))
    yield server.url(database)
    server.drop(database)
