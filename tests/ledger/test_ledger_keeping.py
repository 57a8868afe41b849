"""A ledger is copied while a run writes, comes back as it was, and never silently in the place of another."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_world import MINUTE, NOW, a_mirror, a_run, account, evidence
from postgres import PostgresServer
from sqlalchemy import create_engine, text

from renkei.core.errors import AskedWrongly, LedgerUnavailable, Stopped
from renkei.house import Settings, backup_ledger, migrate_ledger, restore_ledger
from renkei.ledger import SqlLedger, migrate, open_ledger
from renkei.ledger.keeping import backup, migrate_now, restore


@pytest.fixture
def settings(ledger_url: str, tmp_path: Path) -> Settings:
    return Settings(ledger_url=ledger_url, data=tmp_path / "data")


def fill(url: str, *runs: str) -> None:
    """Sealed runs with a row of evidence each."""
    ledger = open_ledger(url)
    for number, run in enumerate(runs):
        started = NOW + number * MINUTE
        ledger.begin_run(a_run(run, started=started))
        ledger.append("acme", run, [evidence(account(number), detail={"name": "株式会社"})])
        ledger.seal_run(run, "green", {}, started)
    ledger.close()


def runs_of(url: str) -> list[str]:
    ledger = open_ledger(url)
    found = [one.id for one in ledger.runs()]
    ledger.close()
    return found


def test_a_backup_made_inside_a_runs_transaction_holds_what_was_committed_and_no_more(ledger_url: str, tmp_path: Path) -> None:
    fill(ledger_url, "R1")
    writer = open_ledger(ledger_url)
    with writer.transaction():
        writer.begin_run(a_run("R2"))
        writer.put_mirrors("acme", "crm", "Accounts", [a_mirror(1)], NOW)
        backup(ledger_url, tmp_path / "ledger.backup")
    writer.close()
    assert runs_of(ledger_url) == ["R2", "R1"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("ledger")) == ["ledger.backup"]
    restore(ledger_url, tmp_path / "ledger.backup", now=NOW, aside=tmp_path / "aside")
    assert runs_of(ledger_url) == ["R1"]


def test_a_restored_ledger_is_whole_says_that_it_came_back_and_keeps_what_it_replaced(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "monday.backup"
    fill(settings.ledger_url, "R1")
    backup_ledger(settings, file)
    fill(settings.ledger_url, "R2")
    found = restore_ledger(settings, file, "Sato", force=True)
    assert (found["broken"], found["rows"], found["runs"]) == (None, 1, 1)
    assert found["connections"] == {"acme": "2026-11-24T02:00:00+00:00"}
    ledger = open_ledger(settings.ledger_url)
    came_back, first = ledger.runs("acme")
    assert (came_back.kind, came_back.actor, came_back.totals["file"], first.id) == ("restore", "Sato", str(file), "R1")
    assert ledger.verify().broken is None
    ledger.close()
    restore(settings.ledger_url, Path(found["kept"]), now=NOW + timedelta(days=9999), aside=tmp_path / "again")
    assert runs_of(settings.ledger_url) == ["R2", "R1"]


def test_a_ledger_that_holds_runs_is_not_replaced_unless_that_is_said(settings: Settings, tmp_path: Path) -> None:
    fill(settings.ledger_url, "R1")
    backup_ledger(settings, tmp_path / "file")
    with pytest.raises(AskedWrongly, match=r"holds 1 runs.*--force"):
        restore_ledger(settings, tmp_path / "file", "Sato", force=False)
    assert runs_of(settings.ledger_url) == ["R1"]


def test_nothing_is_replaced_while_a_run_is_at_work(settings: Settings, tmp_path: Path) -> None:
    fill(settings.ledger_url, "R1")
    backup_ledger(settings, tmp_path / "file")
    ledger = open_ledger(settings.ledger_url)
    ledger.lock("acme", "R2", NOW + timedelta(days=9999), MINUTE)
    with pytest.raises(Stopped, match="R2 is at work"):
        restore_ledger(settings, tmp_path / "file", "Sato", force=True)
    ledger.close()


def test_a_backup_that_somebody_altered_is_named_by_run_and_row(ledger_url: str, tmp_path: Path) -> None:
    fill(ledger_url, "R1", "R2")
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        drop = "DROP TRIGGER outcomes_refuses_update" if "sqlite" in ledger_url else "ALTER TABLE outcomes DISABLE TRIGGER USER"
        connection.execute(text(drop))
        connection.execute(text("UPDATE outcomes SET reason = 'better' WHERE run = 'R2'"))
    engine.dispose()
    backup(ledger_url, tmp_path / "file")
    found = restore_ledger(Settings(ledger_url=ledger_url, data=tmp_path), tmp_path / "file", "Sato", force=True)
    assert found["broken"] == "Run R2, row 1: was altered."
    assert found["connections"] == {}


def test_an_empty_place_takes_a_backup_without_a_word(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    fill(settings.ledger_url, "R1")
    backup_ledger(settings, tmp_path / "file")
    if settings.ledger_url.startswith("sqlite"):
        other = f"sqlite:///{tmp_path}/new/folder/renkei.db"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        other = server.url(server.new_database())
    found = restore_ledger(Settings(ledger_url=other, data=tmp_path), tmp_path / "file", "Sato", force=False)
    assert (found["broken"], found["kept"], len(runs_of(other))) == (None, None, 2)


def test_a_damaged_sqlite_file_is_put_away_and_replaced(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/renkei.db"
    fill(url, "R1")
    backup(url, tmp_path / "file")
    (tmp_path / "renkei.db").write_bytes(b"rubbish" * 1000)
    settings = Settings(ledger_url=url, data=tmp_path)
    with pytest.raises(LedgerUnavailable):
        restore_ledger(settings, tmp_path / "file", "Sato", force=False)
    found = restore_ledger(settings, tmp_path / "file", "Sato", force=True)
    assert found["broken"] is None and Path(found["kept"]).read_bytes().startswith(b"rubbish")


def test_what_is_no_backup_or_one_of_the_other_database_is_said_plainly(
    settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(settings.ledger_url, "R1")
    (tmp_path / "notes").write_text("dear diary")
    (tmp_path / "theirs").write_bytes(b"PGDMP..." if "sqlite" in settings.ledger_url else b"SQLite format 3\0")
    for name, words in (("notes", "no backup of a ledger"), ("theirs", "is a backup of a ledger on"), ("none", "No such file")):
        with pytest.raises(AskedWrongly, match=words):
            restore_ledger(settings, tmp_path / name, "Sato", force=True)
    with pytest.raises(AskedWrongly, match="is there already"):
        backup_ledger(settings, tmp_path / "notes")
    with pytest.raises(AskedWrongly, match="There is no folder"):
        backup_ledger(settings, tmp_path / "nowhere" / "file")


def test_without_postgresqls_programs_the_fix_is_named(
    postgres_server: PostgresServer, migrated_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.url(postgres_server.new_database(migrated_template))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LedgerUnavailable, match=r"pg_dump is not on this machine.*postgresql-client"):
        backup(url, tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_password_is_never_among_the_words_of_a_program(
    postgres_server: PostgresServer, migrated_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {seen}\necho "no s3cret for you: $PGPASSWORD" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    url = postgres_server.url(postgres_server.new_database(migrated_template)).replace("postgres@", "postgres:s3cret@")
    with pytest.raises(LedgerUnavailable) as refused:
        backup(url, tmp_path / "file")
    assert "s3cret" not in str(refused.value) and "pg_dump failed: no … for you: …" in str(refused.value)
    assert "s3cret" not in seen.read_text() and "user=postgres" in seen.read_text()


def test_a_migration_says_from_where_to_where(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: PostgresServer = request.getfixturevalue("postgres_server")
    for url in (f"sqlite:///{tmp_path}/renkei.db", server.url(server.new_database())):
        assert migrate_ledger(Settings(ledger_url=url)) == (None, migrate.HEAD)
        assert migrate_now(url) == (migrate.HEAD, migrate.HEAD)


def test_a_backup_of_an_older_renkei_is_brought_up_to_date(tmp_path: Path) -> None:
    """The tables of revision 0001, as an older renkei left them."""
    from alembic import command
    from alembic.config import Config

    old = create_engine(f"sqlite:///{tmp_path}/old.db", isolation_level="AUTOCOMMIT")
    with old.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    old.dispose()
    url = f"sqlite:///{tmp_path}/renkei.db"
    restore(url, tmp_path / "old.db", now=NOW, aside=None)
    ledger: SqlLedger = open_ledger(url)
    assert ledger.survey("acme") is None
    ledger.close()
