"""When the database itself is in trouble, the error says what to do, nothing is half written, and the ledger goes on."""

# ruff: noqa: S608 (table and column names of this file only)
from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from ledger_world import MINUTE, NOW, a_mirror, a_run
from postgres import PostgresServer
from sqlalchemy import text

from renkei.core.errors import Bug, LedgerUnavailable
from renkei.ledger import SqlLedger, open_ledger


def test_a_full_disk_takes_back_the_whole_call_and_says_to_make_room(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/renkei.db")
    ledger.begin_run(a_run())
    pages = ledger.perform(text("PRAGMA page_count")).scalar_one()
    ledger.perform(text(f"PRAGMA max_page_count = {pages + 3}"))
    with pytest.raises(LedgerUnavailable, match=r"full.*in the journal as far as it got.*Make room on the disk"):
        ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(n, "1", ("name", str(n))) for n in range(5000)], NOW)
    assert ledger.mirror_count("acme", "crm", "Accounts") == 0
    ledger.perform(text("PRAGMA max_page_count = 1000000"))
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(1)], NOW)
    assert ledger.mirror_ids("acme", "crm", "Accounts") == {"1"}
    ledger.close()


def test_a_locked_database_says_to_wait_and_works_when_the_other_is_done(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/renkei.db")
    ledger.perform(text("PRAGMA busy_timeout = 10"))
    other = sqlite3.connect(tmp_path / "renkei.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="Another process is writing to the ledger; wait"):
        ledger.begin_run(a_run())
    assert ledger.runs() == []  # reading goes on beside a writer
    other.execute("COMMIT")
    other.close()
    ledger.begin_run(a_run())
    assert [run.id for run in ledger.runs()] == ["R1"]
    ledger.close()


def test_a_sqlite_ledger_is_safe_against_a_power_cut(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/renkei.db")
    found = [ledger.perform(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]
    ledger.close()


def test_a_connection_that_the_server_ended_is_said_once_and_made_anew(
    postgres_server: PostgresServer, migrated_template: str
) -> None:
    database = postgres_server.new_database(migrated_template)
    ledger = open_ledger(postgres_server.url(database))
    ledger.begin_run(a_run())
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    postgres_server.command(end)
    with pytest.raises(LedgerUnavailable, match="The ledger cannot be used"):
        ledger.runs()
    assert [run.id for run in ledger.runs()] == ["R1"]
    with pytest.raises(LedgerUnavailable):
        with ledger.transaction():
            ledger.begin_run(a_run("R2"))
            postgres_server.command(end)
            ledger.begin_run(a_run("R3"))
    assert [run.id for run in ledger.runs()] == ["R1"]
    postgres_server.command(end)
    with pytest.raises(LedgerUnavailable):  # noticed by the words that begin a transaction
        ledger.begin_run(a_run("R4", started=NOW + MINUTE))
    ledger.begin_run(a_run("R4", started=NOW + MINUTE))
    assert [run.id for run in ledger.runs()] == ["R4", "R1"]
    ledger.close()
    postgres_server.drop(database)


def test_a_transaction_is_not_committed_by_a_caller_who_swallows_a_failed_statement(ledger: SqlLedger) -> None:
    ledger.begin_run(a_run())
    with pytest.raises(Bug, match="the caller went on"):
        with ledger.transaction():
            ledger.begin_run(a_run("R2"))
            with pytest.raises(Bug, match="refused a row"):
                ledger.begin_run(a_run("R1"))
    assert [run.id for run in ledger.runs()] == ["R1"]
    ledger.begin_run(a_run("R3", started=NOW + MINUTE))
    assert [run.id for run in ledger.runs()] == ["R3", "R1"]


def test_errors_never_quote_the_password(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable) as caught:
        open_ledger(f"postgresql://renkei:topsecret@/renkei?host={tmp_path}")
    assert "topsecret" not in str(caught.value)
    assert psycopg.OperationalError.__name__ not in str(caught.value)
