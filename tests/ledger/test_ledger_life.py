"""What people made of a connection, and what is kept apart for a former organisation, on both databases."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from ledger_world import MINUTE, NOW, a_link, a_mirror, a_run, account, an_action, customer

from renkei.core.records import ConnectionState, DocumentRow, Intent, Watermark
from renkei.ledger import SqlLedger


def test_the_newest_state_counts_and_each_connection_has_its_own(ledger: SqlLedger) -> None:
    assert ledger.state("acme") is None
    paused = ConnectionState("paused", "tanaka", "an audit", "R1", NOW)
    active = ConnectionState("active", "sato", "", "R2", NOW)  # in the same microsecond
    ledger.put_state("acme", paused)
    ledger.put_state("acme", active)
    ledger.put_state("other", paused)
    assert (ledger.state("acme"), ledger.state("other")) == (active, paused)


def test_what_is_put_by_is_found_by_nobody_and_comes_back_whole(ledger: SqlLedger) -> None:
    document = DocumentRow("invoices", "1", "I-1", "1", "JPY", None, None, "sent", Decimal(5), Decimal(5), None, NOW)
    mark = Watermark("books", "contacts", "customers", NOW, "rules", NOW)
    ledger.put_mirrors("acme", "books", "contacts", [a_mirror(1, "1", ("name", "x"))], NOW)
    ledger.put_details("acme", "books", "contacts", [("1", NOW, {"a": 1})])
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(1, "1", ("name", "x"))], NOW)
    ledger.put_watermark("acme", mark, "R1")
    ledger.put_watermark("acme", dataclasses.replace(mark, side="crm", module="Accounts"), "R1")
    ledger.put_documents("acme", [document])
    ledger.set_aside("acme", [(account(1), "skip", "m"), (customer(1), "skip", "m")], "R1", NOW)
    ledger.put_mirrors("other", "books", "contacts", [a_mirror(1)], NOW)

    ledger.put_by("acme", "600")
    assert ledger.mirror_count("acme", "books", "contacts") == 0 and ledger.mirror_count("acme", "crm", "Accounts") == 1
    assert ledger.by_keys("acme", "books", "contacts", [("name", "x")]) == {}
    assert ledger.watermark("acme", "books", "contacts", "customers") is None
    assert ledger.watermark("acme", "crm", "Accounts", "customers") is not None
    assert list(ledger.documents("acme", "invoices")) == [] and ledger.asides("acme", "crm", "Accounts", ["1"]) == {}
    assert ledger.mirror_count("other", "books", "contacts") == 1

    ledger.put_mirrors("acme", "books", "contacts", [a_mirror(2)], NOW)
    ledger.put_by("acme", "601")
    ledger.bring_back("acme", "600")
    back = ledger.mirrors("acme", "books", "contacts", ["1", "2"])
    assert set(back) == {"1"} and back["1"].detail == {"a": 1}
    assert ledger.changed("acme", "books", "contacts", {"1": a_mirror(1).hash}) == {"1"}  # to be checked anew
    assert ledger.by_keys("acme", "books", "contacts", [("name", "x")]) == {("name", "x"): ["1"]}
    assert ledger.watermark("acme", "books", "contacts", "customers") is not None
    assert next(one for chunk in ledger.documents("acme", "invoices") for one in chunk).id == "1"
    assert ledger.aside_with("acme", [account(1)]) == [customer(1)]


def test_a_link_kept_aside_tells_its_organisation_and_its_history_does(ledger: SqlLedger) -> None:
    live = a_link("L1", 1, 11)
    aside = dataclasses.replace(live, state="aside", organization="600")
    ledger.put_links("acme", [live], "R1", NOW)
    ledger.put_links("acme", [aside, a_link("L2", 1, 21)], "R2", NOW + MINUTE)  # its records are free for another link
    assert ledger.link_of("acme", account(1)) == a_link("L2", 1, 21)
    assert [link.organization for _, _, link in ledger.link_history("acme", "L1")] == [None, "600"]


def test_ended_approvals_release_nothing(ledger: SqlLedger) -> None:
    ledger.approve("acme", "f", ("first_run",), ("k",), "tanaka", NOW)
    ledger.approve("other", "f", ("first_run",), ("k",), "tanaka", NOW)
    ledger.end_approvals("acme")
    assert ledger.approved_keys("acme", NOW) == {} and ledger.approved_keys("other", NOW) == {"first_run": {"k"}}


def test_every_watermark_of_the_connection_says_why_all_is_compared_anew(ledger: SqlLedger) -> None:
    for connection in ("acme", "other"):
        ledger.put_watermark(connection, Watermark("crm", "Accounts", "customers", NOW, "rules"), "R1")
    ledger.compare_anew("acme", "resumed")
    found = {name: ledger.watermark(name, "crm", "Accounts", "customers") for name in ("acme", "other")}
    assert {name: one.rules for name, one in found.items() if one} == {"acme": "resumed", "other": "rules"}


def test_a_connection_has_written_once_an_intent_stands(ledger: SqlLedger) -> None:
    ledger.begin_run(a_run())
    assert not ledger.has_written("acme")
    ledger.intend("acme", [Intent("I1", "R1", an_action("k"), "", "intended")], NOW)
    assert ledger.has_written("acme") and not ledger.has_written("other")
