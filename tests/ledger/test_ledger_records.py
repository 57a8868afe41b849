"""The life of mirrors, links, bases, holds, decisions, quarantine and documents, on both databases."""

# ruff: noqa: S608 (table and column names of this file only)
from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_world import MINUTE, NOW, a_hold, a_link, a_mirror, a_run, account, customer, evidence
from sqlalchemy import text

from renkei.core.errors import AskedWrongly, Bug
from renkei.core.ports import Settled
from renkei.core.records import OPEN_OUTCOMES, Base, DealDocument, Decision, DocumentRow, QuarantineRow, Watermark
from renkei.core.values import Ref, Side
from renkei.ledger import SqlLedger, open_ledger

ACCOUNTS: tuple[str, Side, str] = ("acme", "crm", "Accounts")


def put(ledger: SqlLedger, *numbers: int, version: str = "1") -> None:
    ledger.put_mirrors(*ACCOUNTS, [a_mirror(n, version, ("name", f"n{n}"), ("all", "same")) for n in numbers], NOW)


def settle(ledger: SqlLedger, number: int, outcome: str, version: str = "1") -> None:
    ledger.settle("acme", [Settled(account(number), f"hash-{number}-{version}", outcome, "because")])


# --------------------------------------------------------------------------------------------------------- mirrors


def test_a_new_mirror_is_open_until_it_is_settled_and_opens_again_when_it_changes(ledger: SqlLedger) -> None:
    put(ledger, 1, 2)
    assert ledger.open_ids(*ACCOUNTS) == ["1", "2"]
    settle(ledger, 1, "created")
    assert ledger.open_ids(*ACCOUNTS) == ["2"]
    mirror = ledger.mirrors(*ACCOUNTS, ["1", "9"])["1"]
    assert (mirror.outcome, mirror.reason, mirror.open, mirror.stamp) == ("created", "because", False, NOW)
    put(ledger, 1, version="2")
    assert ledger.open_ids(*ACCOUNTS) == ["1", "2"]


@pytest.mark.parametrize("outcome", sorted(OPEN_OUTCOMES))
def test_an_open_outcome_leaves_the_mirror_open(ledger: SqlLedger, outcome: str) -> None:
    put(ledger, 1)
    settle(ledger, 1, outcome)
    mirror = ledger.mirrors(*ACCOUNTS, ["1"])["1"]
    assert (mirror.open, mirror.outcome) == (True, outcome)


def test_a_mirror_that_moved_on_is_not_settled_by_what_was_said_of_the_one_before(ledger: SqlLedger) -> None:
    put(ledger, 1, version="2")
    settle(ledger, 1, "created", version="1")
    assert ledger.open_ids(*ACCOUNTS) == ["1"]


def test_settling_what_is_settled_so_already_writes_nothing(ledger: SqlLedger) -> None:
    put(ledger, 1)
    settle(ledger, 1, "unchanged")
    count = "SELECT total_changes()" if ledger.is_sqlite else "SELECT xmin FROM mirrors"
    before = ledger.perform(text(count)).scalar_one()
    settle(ledger, 1, "unchanged")
    assert ledger.perform(text(count)).scalar_one() == before


def test_changed_names_new_other_and_deleted_ones(ledger: SqlLedger) -> None:
    put(ledger, 1, 2, 3)
    ledger.mark_deleted(*ACCOUNTS, ["3"], NOW)
    hashes = {"1": "hash-1-1", "2": "another", "3": "hash-3-1", "4": "hash-4-1"}
    assert ledger.changed(*ACCOUNTS, hashes) == {"2", "3", "4"}
    assert ledger.changed(*ACCOUNTS, {}) == set()


def test_a_list_row_keeps_the_detail_and_clears_the_mark_of_deletion(ledger: SqlLedger) -> None:
    put(ledger, 1)
    ledger.put_details(*ACCOUNTS, [("1", NOW, {"addresses": [{"市": "大阪"}]}), ("9", NOW, {})])
    ledger.mark_deleted(*ACCOUNTS, ["1"], NOW)
    put(ledger, 1, version="2")
    mirror = ledger.mirrors(*ACCOUNTS, ["1"])["1"]
    assert (mirror.detail, mirror.detail_stamp, mirror.deleted_at) == ({"addresses": [{"市": "大阪"}]}, NOW, None)
    assert ledger.mirrors(*ACCOUNTS, ["9"]) == {}


def test_a_deleted_mirror_leaves_counts_keys_and_lists_but_is_settled_once(ledger: SqlLedger) -> None:
    put(ledger, 1, 2)
    settle(ledger, 1, "unchanged")
    ledger.mark_deleted(*ACCOUNTS, ["1"], NOW)
    assert ledger.mirror_ids(*ACCOUNTS) == {"2"} and ledger.mirror_count(*ACCOUNTS) == 1
    assert ledger.by_keys(*ACCOUNTS, [("name", "n1"), ("all", "same")]) == {("all", "same"): ["2"]}
    assert [mirror.ref.id for chunk in ledger.all_mirrors(*ACCOUNTS) for mirror in chunk] == ["2"]
    assert ledger.open_ids(*ACCOUNTS) == ["1", "2"]
    settle(ledger, 1, "removed")
    ledger.mark_deleted(*ACCOUNTS, ["1"], NOW + MINUTE)  # the deleted list says it again
    assert ledger.open_ids(*ACCOUNTS) == ["2"]
    assert ledger.mirrors(*ACCOUNTS, ["1"])["1"].deleted_at == NOW


def test_keys_follow_the_row(ledger: SqlLedger) -> None:
    ledger.put_mirrors(*ACCOUNTS, [a_mirror(1, "1", ("name", "a"), ("tax", "7")), a_mirror(2, "1", ("name", "a"))], NOW)
    assert ledger.by_keys(*ACCOUNTS, [("name", "a"), ("tax", "7")]) == {("name", "a"): ["1", "2"], ("tax", "7"): ["1"]}
    ledger.put_mirrors(*ACCOUNTS, [a_mirror(1, "2", ("name", "b"), ("tax", "7"))], NOW)
    found = ledger.by_keys(*ACCOUNTS, [("name", "a"), ("name", "b"), ("tax", "7"), ("tax", "a")])
    assert found == {("name", "a"): ["2"], ("name", "b"): ["1"], ("tax", "7"): ["1"]}


def test_keys_may_come_after_the_row_and_stay_when_it_is_put_again_without(ledger: SqlLedger) -> None:
    ledger.put_mirrors(*ACCOUNTS, [dataclasses.replace(a_mirror(1), keys=None), a_mirror(2, "1", ("name", "b"))], NOW)
    ledger.put_keys(*ACCOUNTS, {"1": [("name", "a"), ("tax", "7")], "2": []})
    ledger.put_mirrors(*ACCOUNTS, [dataclasses.replace(a_mirror(1, "2"), keys=None)], NOW)
    found = ledger.by_keys(*ACCOUNTS, [("name", "a"), ("name", "b"), ("tax", "7")])
    assert found == {("name", "a"): ["1"], ("tax", "7"): ["1"]}


def test_everything_is_read_in_chunks_ordered_by_id_while_it_is_being_settled(ledger: SqlLedger) -> None:
    put(ledger, *range(1, 24))
    seen = []
    for chunk in ledger.all_mirrors(*ACCOUNTS, chunk=5):
        assert len(chunk) <= 5
        for mirror in chunk:
            settle(ledger, int(mirror.ref.id), "unchanged")
            seen.append(mirror.ref.id)
    assert seen == sorted(str(n) for n in range(1, 24))
    assert ledger.open_ids(*ACCOUNTS) == []


def test_open_rows_are_found_by_their_index(ledger: SqlLedger) -> None:
    put(ledger, 1)
    where = "connection = 'acme' AND side = 'crm' AND module = 'Accounts' AND is_open IS {}"
    if not ledger.is_sqlite:
        ledger.perform(text("SET enable_seqscan = off"))
    explain = "EXPLAIN QUERY PLAN" if ledger.is_sqlite else "EXPLAIN"
    words = f"{explain} SELECT id FROM mirrors WHERE {where.format(1 if ledger.is_sqlite else 'true')} ORDER BY id"
    assert "ix_mirrors_open" in " ".join(str(row) for row in ledger.perform(text(words)))


def test_mirrors_are_opened_by_name_or_all_of_a_module(ledger: SqlLedger) -> None:
    put(ledger, 1, 2, 3)
    for number in (1, 2, 3):
        settle(ledger, number, "unchanged")
    ledger.open_mirrors("acme", [account(2)], side="crm", module="Accounts")
    assert ledger.open_ids(*ACCOUNTS) == ["2"]
    ledger.open_mirrors("acme", None, side="crm", module="Accounts")
    assert ledger.open_ids(*ACCOUNTS) == ["1", "2", "3"]


def test_mirrors_are_found_by_id_first_and_by_any_text_of_their_row_within_one_connection(ledger: SqlLedger) -> None:
    odd = dataclasses.replace(a_mirror(7), row={"Account_Name": 'A "100%_sure" 12 KK'})
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(12), a_mirror(112), odd], NOW)
    ledger.put_mirrors("other", "crm", "Accounts", [a_mirror(12)], NOW)
    assert [one.ref.id for one in ledger.mirrors_with("acme", "12", 9)] == ["12", "112", "7"]
    assert [one.ref.id for one in ledger.mirrors_with("acme", '"100%_sure"', 9)] == ["7"]
    assert ledger.mirrors_with("acme", "100__sure", 9) == [] and len(ledger.mirrors_with("acme", "12", 2)) == 2


def test_the_nth_newest_stamp_counts_what_is_there(ledger: SqlLedger) -> None:
    rows = [a_mirror(n, stamp=NOW + n * MINUTE) for n in range(3)] + [a_mirror(9, stamp=None)]
    ledger.put_mirrors(*ACCOUNTS, rows, NOW)
    assert [ledger.nth_newest_stamp(*ACCOUNTS, n) for n in (1, 2, 3, 4)] == [NOW + 2 * MINUTE, NOW + MINUTE, NOW, None]
    ledger.mark_deleted(*ACCOUNTS, ["2"], NOW)
    assert ledger.nth_newest_stamp(*ACCOUNTS, 1) == NOW + MINUTE


def test_a_watermark_is_kept_by_list_and_entity(ledger: SqlLedger) -> None:
    mark = Watermark("crm", "Accounts", "customers", NOW, "rules", None)
    ledger.put_watermark("acme", mark, "R1")
    moved = dataclasses.replace(mark, stamp=NOW + MINUTE, full_at=NOW)
    ledger.put_watermark("acme", moved, "R2")
    assert ledger.watermark("acme", "crm", "Accounts", "customers") == dataclasses.replace(moved, run="R2")
    assert ledger.watermark("acme", "crm", "Accounts", "products") is None


# ------------------------------------------------------------------------------------------------- links and bases


def test_links_are_found_from_either_side_and_by_module(ledger: SqlLedger) -> None:
    first, second = a_link("L1", 1, 11), a_link("L2", 2, 12)
    ledger.put_links("acme", [first, second], "R1", NOW)
    assert ledger.links("acme", "crm", "Accounts", ["1", "3"]) == {"1": first}
    assert ledger.links("acme", "books", "contacts") == {"11": first, "12": second}
    assert ledger.link_of("acme", customer(12)) == second
    assert ledger.link_of("acme", Ref("books", "items", "12")) is None
    assert list(ledger.all_links("acme", "customers")) == [first, second]
    assert list(ledger.all_links("acme", "products")) == []


def test_links_that_were_made_or_ended_since_a_time_are_told_as_they_stand_now(ledger: SqlLedger) -> None:
    first, second = a_link("L1", 1, 11), a_link("L2", 2, 12)
    ledger.put_links("acme", [first, second], "R1", NOW)
    ended = dataclasses.replace(second, state="ended")
    ledger.put_links("acme", [ended], "R2", NOW + MINUTE)
    assert ledger.links_changed("acme", NOW + MINUTE) == [ended]
    assert {link.id for link in ledger.links_changed("acme", NOW)} == {"L1", "L2"}
    assert ledger.links_changed("other", NOW) == []


def test_documents_are_found_by_the_day_on_which_they_were_due(ledger: SqlLedger) -> None:
    day = date(2026, 1, 31)
    due = [dataclasses.replace(a_document(n, f"C{n}"), due=day + timedelta(days=n)) for n in (1, 2, 3)]
    ledger.put_documents("acme", [*due, a_document(4, "C4")])
    (found,) = ledger.documents("acme", "invoices", "due", ["2026-02-01", "2026-02-03"])
    assert found == [due[0], due[2]]
    assert (
        list(ledger.documents("acme", "invoices", "due", []))
        == list(ledger.documents("other", "invoices", "due", ["2026-02-01"]))
        == []
    )


def test_documents_are_found_by_their_deal_and_come_deal_by_deal(ledger: SqlLedger) -> None:
    of = {1: "7", 2: "", 3: "5", 4: "7"}
    ledger.put_documents("acme", [dataclasses.replace(a_document(n, f"C{9 - n}"), deal=deal) for n, deal in of.items()])
    (found,) = ledger.documents_of_deals("acme", "invoices")
    assert [(one.deal, one.id) for one in found] == [("5", "3"), ("7", "1"), ("7", "4")]
    (found,) = ledger.documents_of_deals("acme", "invoices", ["5", "6"])
    assert [one.id for one in found] == ["3"]
    (found,) = ledger.documents("acme", "invoices", "deal", ["7"])
    assert [one.id for one in found] == ["4", "1"]


@pytest.mark.parametrize("second", [("L2", 1, 12), ("L2", 2, 11)])
def test_a_record_in_two_live_links_is_a_bug_and_nothing_is_written(ledger: SqlLedger, second: tuple[str, int, int]) -> None:
    ledger.put_links("acme", [a_link("L1", 1, 11)], "R1", NOW)
    with pytest.raises(Bug, match="refused a row"):
        ledger.put_links("acme", [a_link("L0", 7, 17), a_link(*second)], "R1", NOW)
    assert [link.id for link in ledger.all_links("acme")] == ["L1"]
    assert ledger.link_history("acme", "L0") == []


def test_a_record_passes_from_an_ended_link_to_a_new_one_in_one_call(ledger: SqlLedger) -> None:
    old = a_link("L2", 1, 11)
    ledger.put_links("acme", [old], "R1", NOW)
    new, ended = a_link("L1", 2, 11), dataclasses.replace(old, state="ended")
    ledger.put_links("acme", [new, ended], "R2", NOW + MINUTE)
    assert ledger.link_of("acme", customer(11)) == new
    assert ledger.link_of("acme", account(1)) is None
    assert [(run, link.state) for _, run, link in ledger.link_history("acme", "L2")] == [("R1", "live"), ("R2", "ended")]


def test_a_link_that_stays_as_it_is_leaves_no_history(ledger: SqlLedger) -> None:
    link = a_link("L1", 1, 11)
    ledger.put_links("acme", [link], "R1", NOW)
    ledger.put_links("acme", [link], "R2", NOW)
    ledger.put_links("acme", [dataclasses.replace(link, dead="crm")], "R3", NOW)
    assert [(run, kept.dead) for _, run, kept in ledger.link_history("acme", "L1")] == [("R1", None), ("R3", "crm")]


def test_a_base_keeps_missing_null_and_empty_apart(ledger: SqlLedger) -> None:
    ledger.put_links("acme", [a_link("L1", 1, 11)], "R1", NOW)
    base = Base("L1", {"a": None, "b": "", "n": 0.1, "c": []}, None, NOW, None, ("a", "b"), ())
    ledger.put_bases("acme", [base])
    assert ledger.bases("acme", ["L1", "L2"]) == {"L1": base}
    ledger.put_bases("acme", [dataclasses.replace(base, crm=None, crm_wrote=None)])
    assert ledger.bases("acme", ["L1"])["L1"].crm is None


def test_a_base_without_its_link_is_a_bug_though_it_may_come_before_it(ledger: SqlLedger) -> None:
    with ledger.transaction():
        ledger.put_bases("acme", [Base("L1", {}, {})])
        ledger.put_links("acme", [a_link("L1", 1, 11)], "R1", NOW)
    with pytest.raises(Bug):
        ledger.put_bases("acme", [Base("L7", {}, {})])
    assert set(ledger.bases("acme", ["L1", "L7"])) == {"L1"}


# --------------------------------------------------------------------------------------------- holds and decisions


def test_a_question_is_asked_once_and_takes_the_new_content(ledger: SqlLedger) -> None:
    ledger.put_holds("acme", [a_hold("H1", account(1)), a_hold("H0", account(2))], "R1", NOW)
    later = a_hold("H1", account(1), {"score": Decimal("0.90")})
    ledger.put_holds("acme", [later], "R2", NOW + MINUTE)
    assert ledger.open_holds("acme") == [a_hold("H0", account(2)), later]
    assert ledger.hold_states("acme", ["H1"]) == {"H1": ("open", NOW)}


def test_an_answer_waits_until_a_run_has_carried_it_out_and_opens_the_record(ledger: SqlLedger) -> None:
    put(ledger, 1)
    settle(ledger, 1, "unchanged")
    hold, decision = a_hold("H1", account(1)), Decision("H1", "create", "新規", "tanaka", NOW)
    ledger.put_holds("acme", [hold], "R1", NOW)
    ledger.decide("acme", [decision])
    assert ledger.open_holds("acme") == [] and ledger.decisions("acme") == [(hold, decision)]
    assert ledger.open_ids(*ACCOUNTS) == ["1"]
    ledger.put_holds("acme", [hold], "R2", NOW)  # asked again before it was carried out: the answer stands
    assert ledger.open_holds("acme") == [] and ledger.decisions("acme") == [(hold, decision)]
    ledger.carry_out("acme", ["H1"], "R2", NOW)
    assert ledger.decisions("acme") == [] and ledger.hold("acme", "H1") == hold
    ledger.put_holds("acme", [hold], "R3", NOW + MINUTE)  # asked anew: a new answer can be given
    assert ledger.open_holds("acme") == [hold]
    ledger.decide("acme", [dataclasses.replace(decision, choice="link")])
    assert [answer.choice for _, answer in ledger.decisions("acme")] == ["link"]


def test_deciding_what_is_not_open_is_asked_wrongly_and_decides_nothing(ledger: SqlLedger) -> None:
    ledger.put_holds("acme", [a_hold("H1", account(1)), a_hold("H2", account(2))], "R1", NOW)
    ledger.close_holds("acme", ["H2"], "settled by itself", "R1", NOW)
    for wrong in ("H2", "H9"):
        with pytest.raises(AskedWrongly, match=f"Not an open hold: {wrong}"):
            ledger.decide("acme", [Decision("H1", "create", "", "tanaka", NOW), Decision(wrong, "create", "", "tanaka", NOW)])
    with pytest.raises(AskedWrongly, match="twice"):
        ledger.decide("acme", [Decision("H1", "create", "", "tanaka", NOW), Decision("H1", "link", "", "tanaka", NOW)])
    assert [hold.id for hold in ledger.open_holds("acme")] == ["H1"] and ledger.decisions("acme") == []


def test_records_are_set_aside_until_cleared(ledger: SqlLedger) -> None:
    ledger.set_aside("acme", [(account(1), "skip", "mark"), (account(2), "clone", "")], "R1", NOW)
    ledger.set_aside("acme", [(account(1), "skip", "other mark")], "R2", NOW)
    assert ledger.asides(*ACCOUNTS, ["1", "2", "3"]) == {"1": ("skip", "other mark"), "2": ("clone", "")}
    ledger.clear_aside("acme", [account(1), customer(2)])
    assert ledger.asides(*ACCOUNTS, ["1", "2"]) == {"2": ("clone", "")}


def test_a_record_set_aside_names_the_others_under_its_mark(ledger: SqlLedger) -> None:
    rows = [(account(1), "skip", "pair"), (customer(1), "skip", "pair"), (account(2), "clone", ""), (account(3), "clone", "")]
    ledger.set_aside("acme", rows, "R1", NOW)
    assert ledger.aside_with("acme", [account(1)]) == [customer(1)]
    assert ledger.aside_with("acme", [account(1), customer(1)]) == []
    assert ledger.aside_with("acme", [account(2), account(4)]) == [], "what waits for a person has no partner"
    assert ledger.aside_with("globex", [account(1)]) == []


def test_quarantine_keeps_who_put_a_row_there_first_and_what_is_broken_now(ledger: SqlLedger) -> None:
    name = QuarantineRow(account(1), "customers", "not_blank", "name", "is blank", "")
    phone = QuarantineRow(account(1), "customers", "phone", "phone", "is no phone", "x")
    ledger.put_quarantine("acme", [name, phone], "R1", NOW)
    ledger.put_quarantine("acme", [phone], "R2", NOW + MINUTE)
    assert ledger.quarantine("acme") == [(phone, "R1", NOW)]
    ledger.leave_quarantine("acme", [account(1)], "passed", "R3", NOW)
    assert ledger.quarantine("acme") == []
    ledger.put_quarantine("acme", [name], "R4", NOW + 2 * MINUTE)
    assert ledger.quarantine("acme") == [(name, "R4", NOW + 2 * MINUTE)]


# ------------------------------------------------------------------------------------------------------- documents


def a_document(number: int, customer_id: str, total: str = "10.50") -> DocumentRow:
    amounts = (Decimal(total), Decimal("0"))
    name = f"INV-{number}"
    return DocumentRow("invoices", str(number), name, customer_id, "JPY", date(2026, 1, 1), None, "sent", *amounts, None, NOW)


def test_documents_come_by_customer_with_exact_amounts(ledger: SqlLedger) -> None:
    rows = [a_document(number, f"C{number % 3}") for number in range(5000)]
    ledger.put_documents("acme", rows)
    ledger.put_documents("acme", [a_document(0, "C9", "123456789012345678.10")])
    chunks = list(ledger.documents("acme", "invoices"))
    found = [row for chunk in chunks for row in chunk]
    assert len(found) == 5000 and max(map(len, chunks)) <= 2000
    assert [(row.customer, row.id) for row in found] == sorted((row.customer, row.id) for row in found)
    assert [str(row.total) for row in found if row.customer == "C9"] == ["123456789012345678.10"]
    (only,) = ledger.documents("acme", "invoices", "customer", ["C9", "C8"])
    assert [row.id for row in only] == ["0"]
    (some,) = ledger.documents("acme", "invoices", "id", ["0", "1", "9999"])
    assert {row.id: row.customer for row in some} == {"0": "C9", "1": "C1"}
    ledger.remove_documents("acme", "invoices", ["0"])
    assert list(ledger.documents("acme", "invoices", "customer", ["C9"])) == []


# ------------------------------------------------------------------------------------- nothing of another connection


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mine=st.sets(st.integers(0, 9), max_size=6), theirs=st.sets(st.integers(0, 9), max_size=6))
def test_nothing_of_one_connection_is_ever_returned_for_another(mine: set[int], theirs: set[int]) -> None:
    ledger = open_ledger("sqlite://")
    lease = timedelta(minutes=5)
    for connection, numbers in (("acme", mine), ("other", theirs)):
        run = f"R-{connection}"
        refs = [account(n) for n in sorted(numbers)]
        ledger.begin_run(a_run(run, connection))
        ledger.put_mirrors(connection, "crm", "Accounts", [a_mirror(n, connection, ("k", "v")) for n in numbers], NOW)
        ledger.put_links(connection, [a_link(f"L{n}", n, n) for n in numbers], run, NOW)
        ledger.put_bases(connection, [Base(f"L{n}", {"of": connection}, None) for n in numbers])
        ledger.put_holds(connection, [a_hold(f"H{n}", account(n)) for n in numbers], run, NOW)
        ledger.set_aside(connection, [(ref, connection, "") for ref in refs], run, NOW)
        ledger.put_quarantine(connection, [QuarantineRow(ref, "customers", "r", "f", "w", "v") for ref in refs], run, NOW)
        ledger.append(connection, run, [evidence(ref) for ref in refs])
        ledger.put_documents(connection, [a_document(n, connection) for n in numbers])
        ledger.approve(connection, "plan", ["creates"], [f"{connection}-{n}" for n in numbers], "tanaka", NOW)
        ledger.lock(connection, run, NOW, lease)
        for ref in refs:
            assert ledger.claim(connection, ref, run, NOW, lease)
    ids, everyone = {str(n) for n in mine}, [str(n) for n in range(10)]
    assert ledger.mirror_ids(*ACCOUNTS) == set(ledger.mirrors(*ACCOUNTS, everyone)) == set(ledger.open_ids(*ACCOUNTS)) == ids
    assert set(ledger.by_keys(*ACCOUNTS, [("k", "v")]).get(("k", "v"), [])) == ids
    assert {m.hash.split("-")[-1] for m in ledger.mirrors(*ACCOUNTS, everyone).values()} <= {"acme"}
    assert {link.crm.id for link in ledger.all_links("acme")} == set(ledger.links("acme", "crm", "Accounts", everyone)) == ids
    assert {base.crm["of"] for base in ledger.bases("acme", [f"L{n}" for n in range(10)]).values() if base.crm} <= {"acme"}
    assert {hold.record.id for hold in ledger.open_holds("acme")} == ids
    assert set(ledger.asides(*ACCOUNTS, everyone)) == ids
    assert {row.record.id for row, _, _ in ledger.quarantine("acme")} == ids
    assert {run for n in range(10) for run, _ in ledger.story("acme", account(n))} <= {"R-acme"}
    assert {row.customer for chunk in ledger.documents("acme", "invoices") for row in chunk} <= {"acme"}
    assert ledger.approved_keys("acme", NOW).get("creates", set()) == {f"acme-{n}" for n in mine}
    assert {ref.id for ref in ledger.claimed("acme", NOW, "another")} == ids
    assert [run.id for run in ledger.unsealed_runs("acme")] == [run.id for run in ledger.runs("acme")] == ["R-acme"]
    ledger.mark_deleted(*ACCOUNTS, everyone, NOW)
    ledger.close_holds("acme", [f"H{n}" for n in range(10)], "x", "R-acme", NOW)
    ledger.remove_documents("acme", "invoices", everyone)
    ledger.release("acme", "R-other")
    assert ledger.mirror_count("other", "crm", "Accounts") == len(ledger.open_holds("other")) == len(theirs)
    assert {row.id for chunk in ledger.documents("other", "invoices", "id", everyone) for row in chunk} == {
        str(n) for n in theirs
    }
    assert len(ledger.claimed("other", NOW, "another")) == len(theirs)
    ledger.close()


# --------------------------------------------------------------------------------------------------- documents of deals


def test_what_a_deal_got_is_told_of_that_deal_alone_and_forgotten_one_by_one(ledger: SqlLedger) -> None:
    first = DealDocument("7", "invoices", "", "900", "draft", "s1", Decimal("1200.50"))
    part = DealDocument("7", "invoices", "71", "", "waiting", due=date(2026, 12, 1))
    ledger.put_deal_documents("acme", [first, part, dataclasses.replace(first, deal="8")], "r1")
    assert ledger.deal_documents("acme", ["7"]) == [first, part]
    assert ledger.deal_documents("other", ["7"]) == []
    ledger.put_deal_documents("acme", [dataclasses.replace(first, status="void")], "r2")
    ledger.drop_deal_documents("acme", [part])
    assert [one.status for one in ledger.deal_documents("acme", ["7"])] == ["void"]


def test_a_waiting_part_is_due_from_its_day_on(ledger: SqlLedger) -> None:
    part = DealDocument("7", "invoices", "71", "", "waiting", due=date(2026, 12, 1))
    ledger.put_deal_documents("acme", [part, dataclasses.replace(part, deal="8", status="draft", document="900")], "r1")
    assert ledger.deals_due("acme", "invoices", date(2026, 11, 30)) == []
    assert ledger.deals_due("acme", "invoices", date(2026, 12, 1)) == ["7"]
    assert ledger.deals_due("acme", "estimates", date(2026, 12, 1)) == []


def test_what_deals_got_rests_with_the_organisation_that_it_was_made_in(ledger: SqlLedger) -> None:
    made = DealDocument("7", "estimates", "", "900", "draft")
    ledger.put_deal_documents("acme", [made], "r1")
    ledger.put_by("acme", "60001")
    assert ledger.deal_documents("acme", ["7"]) == []
    ledger.bring_back("acme", "60001")
    assert ledger.deal_documents("acme", ["7"]) == [made]
