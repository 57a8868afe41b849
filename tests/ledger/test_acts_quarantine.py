"""Rows that wait in quarantine or were refused: shown with their fix, tried again, or discarded with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from desk_world import act
from ledger_world import MINUTE, NOW, a_link, a_mirror, a_run, account, customer

from renkei.core.errors import AnotherRun, AskedWrongly
from renkei.core.ports import Settled
from renkei.core.records import OutcomeRow, QuarantineRow
from renkei.core.values import Ref
from renkei.engine.quarantine import discard, groups, replay, rows
from renkei.engine.why import story
from renkei.ledger import SqlLedger

ACCOUNTS = ("acme", "crm", "Accounts")


def seen(ledger: SqlLedger, ref: Ref, outcome: str, reason: str) -> None:
    """A record that a run settled so."""
    ledger.put_mirrors("acme", ref.side, ref.module, [a_mirror(ref.id)], NOW)
    ledger.settle("acme", [Settled(ref, f"hash-{ref.id}-1", outcome, reason)])


def quarantined(ledger: SqlLedger, *numbers: int, rule: str = "target_limit") -> None:
    for number in numbers:
        seen(ledger, account(number), "quarantined", rule)
    broken = [
        QuarantineRow(account(n), "customers", rule, "name", "125 characters; books takes 100", f"長い名前{n}") for n in numbers
    ]
    ledger.put_quarantine("acme", broken, "R1", NOW)


def refused(ledger: SqlLedger, number: int, run: str, at: int, reason: str = "3062: The name is taken.") -> None:
    seen(ledger, account(number), "refused", reason)
    ledger.begin_run(a_run(run, started=NOW + at * MINUTE))
    answer = {"code": "3062", "words": "The name is taken.", "field": "contact_name"}
    ledger.append(
        "acme",
        run,
        [
            OutcomeRow("write", "customers", (account(number),), "refused", reason, NOW, "schedule", {"answer": answer}),
            OutcomeRow("record", "customers", (account(number),), "refused", reason, NOW + at * MINUTE, "schedule"),
        ],
    )
    ledger.seal_run(run, "amber", {}, NOW + at * MINUTE)


def test_a_quarantined_row_shows_its_value_its_rule_and_where_to_correct_it(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    assert rows(ledger, "acme") == [
        {
            "record": "crm:Accounts:1", "entity": "customers", "state": "quarantined",
            "rule": "target_limit", "field": "name", "words": "125 characters; books takes 100", "value": "長い名前1",
            "fix": "Shorten it in the CRM.", "since": "2026-11-24T02:00:00+00:00", "run": "R1",
        }
    ]  # fmt: skip


def test_a_refused_row_shows_the_other_systems_words_and_since_when_it_is_refused_without_a_break(ledger: SqlLedger) -> None:
    refused(ledger, 1, "R1", 1)
    ledger.begin_run(a_run("R2", started=NOW + 2 * MINUTE))
    passed = OutcomeRow("record", "customers", (account(1),), "updated", "", NOW + 2 * MINUTE, "schedule")
    ledger.append("acme", "R2", [passed])
    ledger.seal_run("R2", "green", {}, NOW)
    refused(ledger, 1, "R3", 3)
    refused(ledger, 1, "R4", 4)
    (row,) = rows(ledger, "acme")
    assert (row["state"], row["rule"], row["field"], row["words"]) == ("refused", "3062", "contact_name", "The name is taken.")
    assert (row["run"], row["since"]) == ("R3", "2026-11-24T02:03:00+00:00")


def test_a_stale_row_needs_nobody(ledger: SqlLedger) -> None:
    refused(ledger, 1, "R1", 1, "stale")
    (row,) = rows(ledger, "acme")
    assert (row["rule"], row["words"]) == ("stale", "The record changed while the run was at work.")
    assert row["fix"] == "Nothing to do: the next run plans it anew."


def test_rows_are_grouped_by_rule_and_field_the_largest_group_first(ledger: SqlLedger) -> None:
    quarantined(ledger, 1, rule="readable")
    quarantined(ledger, 2, 3)
    refused(ledger, 4, "R2", 1)
    told = groups(rows(ledger, "acme"))
    assert [(one["state"], one["rule"], one["count"]) for one in told] == [
        ("quarantined", "target_limit", 2), ("quarantined", "readable", 1), ("refused", "3062", 1),
    ]  # fmt: skip
    assert groups(rows(ledger, "acme", "readable")) == told[1:2]


def test_a_discarded_row_is_skipped_and_closed_until_the_record_changes(ledger: SqlLedger) -> None:
    quarantined(ledger, 1, 2)
    assert discard(act(ledger), [account(1)], "a test record") == {"run": "A1", "discarded": ["crm:Accounts:1"]}
    mirror = ledger.mirrors(*ACCOUNTS, ["1"])["1"]
    assert (mirror.open, mirror.outcome, mirror.reason) == (False, "skipped", "discarded")
    assert [one["record"] for one in rows(ledger, "acme")] == ["crm:Accounts:2"]
    ledger.put_mirrors(*ACCOUNTS, [a_mirror(1, "2")], NOW)
    assert ledger.open_ids(*ACCOUNTS) == ["1", "2"]


def test_a_discard_is_a_sealed_run_and_stands_in_the_records_story(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    discard(act(ledger, "Tanaka"), [account(1)], " a test record ")
    (told,) = story(ledger, "acme", account(1))["story"]
    assert (told["outcome"], told["reason"], told["actor"]) == ("discarded", "a test record", "Tanaka")
    (row,) = ledger.outcomes("A1")
    assert row.entity == "customers" and row.detail["rules"][0]["value"] == "長い名前1"
    assert ledger.verify().broken is None and ledger.unsealed_runs("acme") == []


def test_the_other_half_of_a_link_that_waits_for_the_row_goes_with_it(ledger: SqlLedger) -> None:
    quarantined(ledger, 1, 2)
    ledger.put_links("acme", [a_link("L1", 1, 11), a_link("L2", 2, 12)], "R1", NOW)
    seen(ledger, customer(11), "blocked", "partner_quarantined")
    seen(ledger, customer(12), "held", "conflict")  # waits for a person, whatever becomes of its partner
    found = discard(act(ledger), [account(1), account(2)], "both closed")
    assert found["discarded"] == ["books:contacts:11", "crm:Accounts:1", "crm:Accounts:2"]
    assert ledger.open_ids("acme", "books", "contacts") == ["12"]


def test_a_refused_row_is_discarded_too(ledger: SqlLedger) -> None:
    refused(ledger, 1, "R1", 1)
    discard(act(ledger), [account(1)], "the name stays as it is")
    assert rows(ledger, "acme") == [] and ledger.open_ids(*ACCOUNTS) == []


def test_only_rows_that_wait_can_be_discarded_all_or_none(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    seen(ledger, account(2), "held", "duplicate")
    with pytest.raises(AskedWrongly, match=r"crm:Accounts:2, crm:Accounts:9: neither quarantined nor refused"):
        discard(act(ledger), [account(1), account(2), account(9)], "why")
    with pytest.raises(AskedWrongly, match="reason"):
        discard(act(ledger), [account(1)], "")
    assert len(rows(ledger, "acme")) == 1 and ledger.runs("acme") == []


def test_nothing_is_discarded_under_the_hands_of_a_batch(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    ledger.lock("acme", "R2", NOW, timedelta(hours=1))
    with pytest.raises(AnotherRun):
        discard(act(ledger), [account(1)], "why")
    assert len(rows(ledger, "acme")) == 1


def test_replay_opens_what_was_discarded(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    discard(act(ledger), [account(1)], "a test record")
    replay(act(ledger, "Tanaka", run="B"), [account(1)], None)
    assert ledger.open_ids(*ACCOUNTS) == ["1"]
    assert [(one["outcome"], one["actor"]) for one in story(ledger, "acme", account(1))["story"]] == [
        ("discarded", "Sato"), ("replayed", "Tanaka"),
    ]  # fmt: skip


def test_replay_names_records_a_rule_or_everything_that_waits(ledger: SqlLedger) -> None:
    quarantined(ledger, 1, rule="readable")
    quarantined(ledger, 2)
    refused(ledger, 3, "R2", 1)
    assert replay(act(ledger), [], "readable")["replayed"] == ["crm:Accounts:1"]
    assert replay(act(ledger, run="B"), [account(3)], None)["replayed"] == ["crm:Accounts:3"]
    everything = replay(act(ledger, run="C"), [], None)["replayed"]
    assert everything == ["crm:Accounts:1", "crm:Accounts:2", "crm:Accounts:3"]


def test_replay_of_what_does_not_wait_is_asked_wrongly(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    seen(ledger, account(2), "skipped", "decision_skip")
    with pytest.raises(AskedWrongly, match="crm:Accounts:2"):
        replay(act(ledger), [account(2)], None)
    with pytest.raises(AskedWrongly, match=r"No row waits because of 'readable'.*Rules: target_limit"):
        replay(act(ledger), [], "readable")


def test_rows_of_another_connection_are_not_seen(ledger: SqlLedger) -> None:
    quarantined(ledger, 1)
    assert rows(ledger, "other") == []
    with pytest.raises(AskedWrongly):
        discard(act(ledger, connection="other"), [account(1)], "why")


def test_open_rows_are_counted_by_outcome_and_reason(ledger: SqlLedger) -> None:
    quarantined(ledger, 1, 2)
    seen(ledger, account(3), "blocked", "budget")
    seen(ledger, account(4), "updated", "")
    seen(ledger, customer(9), "blocked", "budget")
    assert ledger.open_counts("acme") == [
        ("books", "contacts", "blocked", "budget", 1),
        ("crm", "Accounts", "blocked", "budget", 1),
        ("crm", "Accounts", "quarantined", "target_limit", 2),
    ]
    assert ledger.open_refs("acme", "blocked") == [(customer(9), "budget"), (account(3), "budget")]
