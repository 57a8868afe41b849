"""Opening a ledger: made where there is none, by one process at a time, and the same as the tables that the code knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledger_world import MINUTE, NOW, a_mirror, a_run
from postgres import PostgresServer
from sqlalchemy import create_engine, text

from renkei.core.errors import AnotherRun, AskedWrongly, LedgerUnavailable
from renkei.core.ports import Ledger
from renkei.ledger import SqlLedger, migrate, open_ledger
from renkei.ledger.tables import metadata

OPEN_AND_LOCK = """
import sys
from datetime import UTC, datetime, timedelta
from renkei.core.errors import AnotherRun
from renkei.ledger import open_ledger
url, run = sys.argv[1:]
sys.stdin.readline()
ledger = open_ledger(url)
try:
    ledger.lock("acme", run, datetime(2026, 11, 24, tzinfo=UTC), timedelta(minutes=5))
    print("has it")
except AnotherRun:
    print("has it not")
"""

DIE_INSIDE_A_TRANSACTION = """
import os, sys
from datetime import UTC, datetime
from renkei.core.records import MirrorRow
from renkei.ledger import open_ledger
ledger = open_ledger(sys.argv[1])
now = datetime(2026, 11, 24, tzinfo=UTC)
ledger.put_mirrors("acme", "crm", "Accounts", [MirrorRow("kept", now, "h", {})], now)
with ledger.transaction():
    ledger.put_mirrors("acme", "crm", "Accounts", [MirrorRow("lost", now, "h", {}, (("name", "x"),))], now)
    os._exit(9)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that no ledger was ever opened on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/not/there/yet/renkei.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.url(server.new_database())


def process(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_ledger_keeps_what_core_asks_of_it(ledger: SqlLedger) -> None:
    port: Ledger = ledger  # mypy compares the signatures; here every name is there
    for name in dir(Ledger):
        assert name.startswith("_") or callable(getattr(port, name)), name


def test_a_ledger_is_made_in_a_folder_that_is_not_there_and_opened_again(empty_url: str) -> None:
    first = open_ledger(empty_url)
    first.begin_run(a_run())
    first.close()
    second = open_ledger(empty_url)
    assert [run.id for run in second.runs()] == ["R1"]
    second.close()


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(empty_url: str) -> None:
    open_ledger(empty_url).close()
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


def test_the_revision_that_the_code_expects_is_the_last_one() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_four_processes_that_open_and_lock_at_once_make_one_ledger_and_one_holder(empty_url: str) -> None:
    started = [process(OPEN_AND_LOCK, empty_url, f"R{number}") for number in range(4)]
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    answers = [each.communicate(timeout=120) for each in started]
    assert sorted(out.strip() for out, _ in answers) == ["has it", "has it not", "has it not", "has it not"], answers
    ledger = open_ledger(empty_url)
    with pytest.raises(AnotherRun):
        ledger.lock("acme", "R9", NOW.replace(hour=0, minute=1), MINUTE)
    ledger.close()


def test_a_process_that_dies_inside_a_transaction_leaves_nothing_of_it(ledger_url: str) -> None:
    died = process(DIE_INSIDE_A_TRANSACTION, ledger_url)
    died.communicate(timeout=60)
    assert died.returncode == 9
    ledger = open_ledger(ledger_url)
    assert ledger.mirror_ids("acme", "crm", "Accounts") == {"kept"}
    assert ledger.by_keys("acme", "crm", "Accounts", [("name", "x")]) == {}
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(1)], NOW)  # and nothing is locked
    ledger.close()


def test_an_exception_takes_back_all_calls_of_the_transaction_nested_ones_too(ledger: SqlLedger) -> None:
    with pytest.raises(ZeroDivisionError):
        with ledger.transaction():
            ledger.begin_run(a_run())
            with ledger.transaction():
                ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(1)], NOW)
            assert ledger.mirror_count("acme", "crm", "Accounts") == 1
            raise ZeroDivisionError
    assert ledger.runs() == []
    assert ledger.mirror_count("acme", "crm", "Accounts") == 0


def test_a_ledger_of_a_newer_renkei_is_left_alone(ledger_url: str) -> None:
    open_ledger(ledger_url).close()
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerUnavailable, match="revision 9999, this renkei knows"):
        open_ledger(ledger_url)


@pytest.mark.parametrize("url", ["mysql://localhost/x", "no address", "sqlite+aiosqlite:///x.db"])
def test_another_kind_of_address_is_asked_wrongly(url: str) -> None:
    with pytest.raises(AskedWrongly, match=r"Write sqlite:///var/renkei\.db or postgresql://"):
        open_ledger(url)


def test_a_database_that_is_not_up_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="Check that the database is up"):
        open_ledger(f"postgresql://renkei@/renkei?host={tmp_path}")


def test_a_file_in_the_place_of_the_folder_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(LedgerUnavailable, match="RENKEI_LEDGER_URL"):
        open_ledger(f"sqlite:///{tmp_path}/var/renkei.db")
