"""Evidence: appended only, chained, sealed, refused to every hand, and every touch named by verify."""

# ruff: noqa: S608 (table and column names of this file only)
from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_world import MINUTE, NOW, a_hold, a_link, a_run, account, customer, evidence
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from renkei.core.errors import Bug
from renkei.core.records import Change, ConnectionState, Decision, OutcomeRow
from renkei.core.values import MISSING, Ref, canonical_json
from renkei.ledger import SqlLedger, open_ledger
from renkei.ledger.evidence import plain_json
from renkei.ledger.tables import APPEND_ONLY


@pytest.fixture
def raw(ledger_url: str) -> Iterator[Engine]:
    """Another hand on the same database."""
    engine = create_engine(ledger_url)
    yield engine
    engine.dispose()


def sealed(ledger: SqlLedger, run: str = "R1", rows: int = 3) -> None:
    ledger.begin_run(a_run(run))
    ledger.append("acme", run, [evidence(account(n), customer(n), detail={"name": f"顧客{n}"}) for n in range(1, rows + 1)])
    ledger.seal_run(run, "green", {"status": "green"}, NOW + MINUTE)


def without_triggers(raw: Engine, *statements: str, **values: Any) -> None:
    """Change evidence as one could who owns the database."""
    with raw.begin() as connection:
        if raw.dialect.name == "sqlite":
            for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement), values)


# ------------------------------------------------------------------------------------------------- append and read


def test_evidence_comes_back_as_it_was_given_in_its_order(ledger: SqlLedger) -> None:
    ledger.begin_run(a_run())
    detail = {
        "amount": Decimal("10.50"),
        "on": date(2026, 11, 24),
        "at": NOW,
        "gone": MISSING,
        "null": None,
        "pair": (account(1), customer(1)),
        "$type": "a key of theirs",
        "字": ["㍿", "\ud800", "\x00"],
    }
    rows = [
        evidence(account(1), detail=detail),
        OutcomeRow("note", "customers", (), "", "brake released", NOW, "tanaka", {}),
        evidence(*(account(n) for n in range(5000)), outcome="unchanged"),
    ]
    ledger.append("acme", "R1", rows[:1])
    ledger.append("acme", "R1", rows[1:])
    assert list(ledger.outcomes("R1")) == rows
    assert list(ledger.outcomes("R1", "note")) == rows[1:2]
    assert (ledger.outcome_count("R1", "note"), ledger.outcome_count("R1", "plan")) == (1, 0)
    assert ledger.verify().broken is None


def test_more_rows_than_one_stretch_are_read_and_verified_whole(ledger: SqlLedger) -> None:
    ledger.begin_run(a_run())
    ledger.append("acme", "R1", [evidence(account(n), detail={"n": n}) for n in range(4500)])
    assert [row.detail["n"] for row in ledger.outcomes("R1")] == list(range(4500))
    found = ledger.verify()
    assert (found.rows, found.runs, found.broken) == (4500, 1, None)


def test_a_story_tells_one_record_oldest_first_grouped_rows_included(ledger: SqlLedger) -> None:
    for run, at in (("R2", NOW + MINUTE), ("R1", NOW)):
        ledger.begin_run(a_run(run, started=at))
        ledger.append("acme", run, [evidence(account(1), account(2), outcome="unchanged", at=at)])
    ledger.append("acme", "R2", [evidence(account(1), outcome="updated", at=NOW + 2 * MINUTE, detail={"x": 1})])
    told = ledger.story("acme", account(1))
    assert [(run, row.outcome, row.records) for run, row in told] == [
        ("R1", "unchanged", (account(1),)),
        ("R2", "unchanged", (account(1),)),
        ("R2", "updated", (account(1),)),
    ]
    assert told[-1][1].detail == {"x": 1}
    assert ledger.story("other", account(1)) == []


def test_a_sealed_run_takes_no_more_rows_and_no_second_seal(ledger: SqlLedger) -> None:
    sealed(ledger)
    with pytest.raises(Bug, match="sealed"):
        ledger.append("acme", "R1", [evidence(account(9))])
    with pytest.raises(Bug, match="sealed"):
        ledger.seal_run("R1", "red", {}, NOW)
    run = ledger.run("R1")
    assert run is not None and (run.status, run.totals, run.ended) == ("green", {"status": "green"}, NOW + MINUTE)
    assert len(list(ledger.outcomes("R1"))) == 3


def test_evidence_for_an_unknown_run_or_another_connections_run_is_a_bug(ledger: SqlLedger) -> None:
    ledger.begin_run(a_run())
    with pytest.raises(Bug, match="never begun"):
        ledger.append("acme", "R7", [evidence(account(1))])
    with pytest.raises(Bug, match="never begun for other"):
        ledger.append("other", "R1", [evidence(account(1))])
    with pytest.raises(Bug, match="never begun"):
        ledger.seal_run("R7", "green", {}, NOW)
    assert list(ledger.outcomes("R1")) == []


def test_equal_details_have_different_hashes_because_of_the_salt(ledger: SqlLedger, raw: Engine) -> None:
    ledger.begin_run(a_run())
    ledger.append("acme", "R1", [evidence(account(1), detail={"name": "田中"})] * 2)
    with raw.connect() as connection:
        assert len(connection.execute(text("SELECT DISTINCT content FROM outcomes")).all()) == 2


def test_the_salt_can_be_given_so_that_a_chain_is_repeatable(tmp_path: Any) -> None:
    heads = set()
    for name in ("a", "b"):
        ledger = open_ledger(f"sqlite:///{tmp_path}/{name}.db", salt=lambda: b"salt")
        sealed(ledger)
        ledger.close()
        engine = create_engine(f"sqlite:///{tmp_path}/{name}.db")
        with engine.connect() as connection:
            heads.add(connection.execute(text("SELECT hash FROM seals")).scalar_one())
        engine.dispose()
    assert len(heads) == 1


# --------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("table", [*APPEND_ONLY, "contents"])
def test_the_database_itself_refuses_to_change_evidence(ledger: SqlLedger, raw: Engine, table: str) -> None:
    sealed(ledger)
    ledger.put_links("acme", [a_link("L1", 1, 1)], "R1", NOW)
    ledger.put_holds("acme", [a_hold("H1", account(1))], "R1", NOW)
    ledger.decide("acme", [Decision("H1", "create", "new", "tanaka", NOW)])
    ledger.save_configuration("connection", "acme", {"a": 1})
    ledger.put_state("acme", ConnectionState("paused", "tanaka", "an audit", "R1", NOW))
    with raw.begin() as connection:
        connection.execute(text("INSERT INTO erasures VALUES ('R1', 3, 'tanaka', 'asked', 'now')"))
        column = connection.execute(text(f"SELECT * FROM {table}")).mappings().first()
    assert column is not None, "the table must hold a row, or nothing is refused"
    name = next(key for key in column if key not in ("connection", "salt"))
    with pytest.raises(DBAPIError, match="is evidence: UPDATE is refused"):
        with raw.begin() as connection:
            connection.execute(text(f'UPDATE {table} SET "{name}" = "{name}"'))
    if table == "contents":
        return
    with pytest.raises(DBAPIError, match="is evidence: DELETE is refused"):
        with raw.begin() as connection:
            connection.execute(text(f"DELETE FROM {table}"))


# -------------------------------------------------------------------------------------------------------- tampered


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("connection", "other"), ("kind", "note"), ("entity", "products"), ("outcome", "unchanged"), ("reason", "another"),
        ("at", "2026-11-24T02:00:00.000001+00:00"), ("actor", "nobody"), ("content", "0" * 64), ("previous", "0" * 64),
        ("hash", "0" * 64),
    ],
)  # fmt: skip
def test_a_touched_column_of_an_outcome_is_named(ledger: SqlLedger, raw: Engine, column: str, value: str) -> None:
    sealed(ledger)
    assert ledger.verify().broken is None
    without_triggers(raw, f"UPDATE outcomes SET {column} = :value WHERE run = 'R1' AND number = 2", value=value)
    broken = ledger.verify().broken
    assert broken is not None and broken.startswith("Run R1, row 2: "), broken


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE outcomes SET number = 9 WHERE number = 2", "Run R1, row 2: missing"),
        ("UPDATE outcomes SET number = CASE number WHEN 3 THEN 13 ELSE 12 END WHERE number > 1", "Run R1, row 2: missing"),
        ("DELETE FROM outcomes WHERE number = 2", "Run R1, row 2: missing"),
        ("DELETE FROM outcomes WHERE number = 3", "Run R1, row 3: missing; the run was sealed with 3 rows"),
        ("DELETE FROM outcomes", "Run R1, row 1: missing"),
        ("UPDATE outcome_records SET id = '77' WHERE number = 2 AND position = 1", "Run R1, row 2: was altered"),
        ("UPDATE outcome_records SET side = 'books' WHERE number = 2 AND position = 0", "Run R1, row 2: was altered"),
        ("UPDATE outcome_records SET module = 'Leads' WHERE number = 2 AND position = 0", "Run R1, row 2: was altered"),
        ("UPDATE outcome_records SET position = 5 - position WHERE number = 2", "Run R1, row 2: was altered"),
        ("UPDATE outcome_records SET connection = 'other' WHERE number = 2", "Run R1, row 2: a record of it was given"),
        ("DELETE FROM outcome_records WHERE number = 2", "Run R1, row 2: was altered"),
        ("UPDATE contents SET content = '{}' WHERE number = 2", "Run R1, row 2: its content was altered"),
        ("UPDATE contents SET salt = content_salt.salt FROM (SELECT salt FROM contents WHERE number = 1) AS content_salt "
         "WHERE number = 2", "Run R1, row 2: its content was altered"),
        ("DELETE FROM contents WHERE number = 2", "Run R1, row 2: its content is missing and no erasure names it"),
        ("UPDATE runs SET totals = '{}'", "Run R1: its own row was altered"),
        ("UPDATE runs SET status = 'red'", "Run R1: its own row was altered"),
        ("DELETE FROM runs", "Run R1 was sealed"),
        ("DELETE FROM seals", "Run R1 has ended and its seal is missing"),
        ("UPDATE seals SET rows = 2", "Seal 1 (run R1) was altered"),
        ("UPDATE seals SET head = previous", "Seal 1 (run R1) was altered"),
        ("UPDATE seals SET number = 2", "Seal 1 is missing"),
    ],
)  # fmt: skip
def test_every_other_touch_is_named_too(ledger: SqlLedger, raw: Engine, statement: str, named: str) -> None:
    sealed(ledger)
    without_triggers(raw, statement)
    broken = ledger.verify().broken
    assert broken is not None and broken.startswith(named), broken


def test_two_rows_that_changed_places_are_named(ledger: SqlLedger, raw: Engine) -> None:
    sealed(ledger)
    without_triggers(
        raw,
        *(
            f"UPDATE {table} SET number = {new} WHERE number = {old}"
            for old, new in ((2, 9), (3, 2), (9, 3))
            for table in ("outcomes", "outcome_records", "contents")
        ),
    )
    assert ledger.verify().broken == "Run R1, row 2: does not follow the row before it."


def test_a_row_forged_with_a_right_hash_at_the_end_of_a_sealed_run_is_named(ledger: SqlLedger, raw: Engine) -> None:
    sealed(ledger)
    summary = "SELECT summary FROM seals"
    without_triggers(raw, "UPDATE runs SET ended = NULL")
    ledger.append("acme", "R1", [evidence(account(4))])
    without_triggers(raw, "UPDATE runs SET ended = :ended", ended="2026-11-24T02:01:00.000000+00:00")
    with raw.connect() as connection:
        assert connection.execute(text(summary)).scalar_one()
    assert ledger.verify().broken == "Run R1, row 4: added after the run was sealed."


def test_a_run_taken_out_of_the_middle_is_named(ledger: SqlLedger, raw: Engine) -> None:
    for run in ("R1", "R2", "R3"):
        sealed(ledger, run)
    tables = ("seals", "contents", "outcome_records", "outcomes")
    without_triggers(raw, *(f"DELETE FROM {table} WHERE run = 'R2'" for table in tables), "DELETE FROM runs WHERE id = 'R2'")
    assert ledger.verify().broken == "Seal 2 is missing."


def test_seals_that_changed_places_are_named(ledger: SqlLedger, raw: Engine) -> None:
    for run in ("R1", "R2"):
        sealed(ledger, run)
    without_triggers(raw, *(f"UPDATE seals SET number = {new} WHERE number = {old}" for old, new in ((1, 9), (2, 1), (9, 2))))
    broken = ledger.verify().broken
    assert broken == "Seal 1 (run R2) does not follow the seal before it."


def test_a_detail_that_an_erasure_names_may_be_gone(ledger: SqlLedger, raw: Engine) -> None:
    sealed(ledger)
    with raw.begin() as connection:
        connection.execute(text("INSERT INTO erasures VALUES ('R1', 2, 'tanaka', 'asked by the person', 'now')"))
        connection.execute(text("DELETE FROM contents WHERE run = 'R1' AND number = 2"))
    assert ledger.verify().broken is None
    assert [row.detail for row in ledger.outcomes("R1")] == [{"name": "顧客1"}, {}, {"name": "顧客3"}]


def test_runs_of_two_connections_are_sealed_into_one_chain(ledger: SqlLedger, raw: Engine) -> None:
    sealed(ledger)
    ledger.begin_run(a_run("R2", "other"))
    ledger.seal_run("R2", "green", {}, NOW)
    with raw.connect() as connection:
        rows = connection.execute(text("SELECT previous, hash, rows FROM seals ORDER BY number")).all()
    assert rows[1].previous == rows[0].hash
    assert [row.rows for row in rows] == [3, 0]
    assert ledger.verify().runs == 2


details = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
        | st.decimals(allow_nan=False, allow_infinity=False) | st.dates() | st.just(MISSING),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("$type"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)  # fmt: skip
refs = st.builds(
    Ref,
    st.sampled_from(["crm", "books"]),
    st.sampled_from(["Accounts", "contacts"]),
    st.from_regex(r"[0-9]{1,9}", fullmatch=True),
)
rows_of_evidence = st.builds(
    OutcomeRow,
    kind=st.sampled_from(["record", "write", "note"]),
    entity=st.sampled_from(["customers", "products"]),
    records=st.lists(refs, max_size=3).map(tuple),
    outcome=st.sampled_from(["created", "unchanged", "held"]),
    reason=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
    at=st.integers(0, 10**6).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    actor=st.sampled_from(["schedule", "田中"]),
    detail=details,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.lists(rows_of_evidence, max_size=4), max_size=4),
    touched=st.integers(0, 30),
    salt=st.binary(min_size=1, max_size=4),
)
def test_any_evidence_comes_back_verifies_and_betrays_any_changed_reason(
    calls: list[list[OutcomeRow]], touched: int, salt: bytes
) -> None:
    ledger = open_ledger("sqlite://", salt=lambda: salt)
    try:
        ledger.begin_run(a_run())
        for rows in calls:
            ledger.append("acme", "R1", rows)
        written = [row for rows in calls for row in rows]
        ledger.seal_run("R1", "green", {}, NOW)
        assert list(ledger.outcomes("R1")) == written
        assert ledger.verify().broken is None
        if written:
            number = touched % len(written) + 1
            ledger.perform(text("DROP TRIGGER outcomes_refuses_update"))
            ledger.perform(text("UPDATE outcomes SET reason = reason || '!' WHERE number = :n").bindparams(n=number))
            assert ledger.verify().broken == f"Run R1, row {number}: was altered."
    finally:
        ledger.close()


@given(st.lists(st.text() | st.integers(-(2**53), 2**53) | st.lists(st.text(), max_size=2), max_size=5))
def test_what_is_hashed_is_the_canonical_json_that_anyone_can_write(fields: list[Any]) -> None:
    assert plain_json(fields) == canonical_json(fields)


def test_a_change_keeps_its_canonical_values_for_undo(ledger: SqlLedger) -> None:
    change = Change("credit", "books", Decimal("1.10"), None, "cleared")
    ledger.begin_run(a_run())
    ledger.append("acme", "R1", [evidence(account(1), detail={"before": change.before, "after": change.after})])
    (row,) = ledger.outcomes("R1")
    assert row.detail == {"before": Decimal("1.10"), "after": None}
    assert str(row.detail["before"]) == "1.10"
