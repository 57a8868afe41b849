"""The link table goes out as CSV and comes back whole, or not at all, on both databases."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from desk_world import act
from ledger_world import MINUTE, NOW, a_hold, a_mirror, account, customer

from renkei.config.settings import Settings
from renkei.core.errors import AnotherRun, DeclarationError
from renkei.core.ports import Settled
from renkei.core.records import Decision, Link
from renkei.core.values import Ref
from renkei.engine.links import COLUMNS, exported, links, read_file, take_in
from renkei.engine.why import story
from renkei.house import load_project
from renkei.ledger import SqlLedger, open_ledger

HEAD = ",".join(COLUMNS)
HERE = "60012345678"  # the Books organisation that the connection works with
MAPPINGS = load_project(Settings()).mappings[""]


def link(name: str, crm: int, books: int, state: str = "live", **more: object) -> Link:
    made = Link(name, "customers", "accounts", account(crm), customer(books), NOW, "policy", state)
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def line(crm: str = "crm:Accounts:1", books: str = "books:contacts:11", **cells: str) -> str:
    row = {"connection": "acme", "id": "", "entity": "customers", "mapping": "accounts", "since": "", "evidence": "", "state": "",
           "dead": "", "organization": "", "crm": crm, "books": books, **cells}  # fmt: skip
    return ",".join(row[name] for name in COLUMNS)


def bring(ledger: SqlLedger, *lines: str, run: str = "A") -> dict[str, object]:
    return take_in(act(ledger, run=run), "links.csv", "\n".join((HEAD, *lines)) + "\n", MAPPINGS, HERE)


def faults(ledger: SqlLedger, *lines: str) -> list[str]:
    with pytest.raises(DeclarationError) as found:
        bring(ledger, *lines)
    return [str(one) for one in found.value.faults]


def test_the_table_is_sorted_and_has_the_same_bytes_in_whatever_order_links_were_made(ledger: SqlLedger) -> None:
    aside = link("L1", 3, 13, "aside", organization="60099999999")
    for one in (link("L2", 2, 12, "ended", dead="crm"), link("L9", 1, 11), aside):
        ledger.put_links("acme", [one], "R1", NOW)
    ledger.put_links("other", [link("L3", 4, 14)], "R1", NOW)
    text, count = exported(ledger, "acme")
    assert (count, text.splitlines()) == (3, [
        HEAD,
        "acme,L9,customers,accounts,crm:Accounts:1,books:contacts:11,2026-11-24T02:00:00+00:00,policy,live,,",
        "acme,L2,customers,accounts,crm:Accounts:2,books:contacts:12,2026-11-24T02:00:00+00:00,policy,ended,crm,",
        "acme,L1,customers,accounts,crm:Accounts:3,books:contacts:13,2026-11-24T02:00:00+00:00,policy,aside,,60099999999",
    ])  # fmt: skip


def test_a_table_comes_back_into_an_empty_ledger_as_it_was_but_for_its_evidence(ledger: SqlLedger, tmp_path: Path) -> None:
    product = Link("P", "products", "products", Ref("crm", "Products", "5"), Ref("books", "items", "6"), NOW + MINUTE, "key")
    ledger.put_links("acme", [link("L1", 1, 11, dead="books"), link("L2", 2, 12, "ended"), product], "R1", NOW)
    text, _ = exported(ledger, "acme")
    empty = open_ledger(f"sqlite:///{tmp_path}/empty.db")
    assert take_in(act(empty), "links.csv", text, MAPPINGS, HERE) == {"run": "A1", "imported": 3, "already": 0}
    again, _ = exported(empty, "acme")
    assert again == text.replace(",policy,", ",import,").replace(",key,", ",import,") and again != text
    assert empty.link_of("acme", account(1)) == link("L1", 1, 11, dead="books", evidence="import")
    empty.close()


def test_blank_cells_are_filled_in(ledger: SqlLedger) -> None:
    bring(ledger, line())
    (one,) = links(ledger, "acme")
    assert (one["state"], one["dead"], one["evidence"], one["since"]) == ("live", None, "import", "2026-11-24T02:01:00+00:00")
    assert len(one["id"]) == 32


def test_an_import_is_a_sealed_run_and_stands_in_both_stories(ledger: SqlLedger) -> None:
    bring(ledger, line())
    for ref in (account(1), customer(11)):
        (told,) = story(ledger, "acme", ref)["story"]
        assert (told["outcome"], told["reason"], told["actor"], told["run"]) == ("linked", "import", "Sato", "A1")
    run = ledger.run("A1")
    assert run is not None and (run.kind, run.totals) == ("import", {"imported": 1, "already": 0})
    assert ledger.verify().broken is None and ledger.bases("acme", [one["id"] for one in links(ledger, "acme")]) == {}


def test_an_imported_pair_is_looked_at_by_the_next_run_and_asked_about_no_more(ledger: SqlLedger) -> None:
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(1)], NOW)
    ledger.settle("acme", [Settled(account(1), "hash-1-1", "skipped", "decision_skip")])
    ledger.set_aside("acme", [(account(1), "decision_skip", "")], "R1", NOW)
    ledger.put_holds("acme", [a_hold("H1", account(1)), a_hold("H2", customer(11)), a_hold("H3", account(2))], "R1", NOW)
    ledger.decide("acme", [Decision("H2", "create", "why", "Sato", NOW)])
    bring(ledger, line())
    assert ledger.open_ids("acme", "crm", "Accounts") == ["1"]
    assert ledger.asides("acme", "crm", "Accounts", ["1"]) == {}
    assert [one.id for one in ledger.open_holds("acme")] == ["H3"] and ledger.decisions("acme") == []


def test_a_pair_that_is_linked_already_keeps_its_own_link(ledger: SqlLedger) -> None:
    ledger.put_links("acme", [link("L1", 1, 11)], "R1", NOW)
    assert bring(ledger, line(), line("crm:Accounts:2", "books:contacts:12"))["already"] == 1
    assert [one["evidence"] for one in links(ledger, "acme")] == ["policy", "import"]
    assert len(ledger.link_history("acme", "L1")) == 1


def test_every_fault_is_told_with_its_line_and_nothing_is_written(ledger: SqlLedger) -> None:
    ledger.put_links("acme", [link("L1", 7, 17)], "R1", NOW)
    found = faults(
        ledger,
        line(),
        line(connection="other"),
        line("crm:Accounts", "books:contacts:1 2"),
        line("books:contacts:3", "crm:Accounts:3"),
        line(entity="customers", mapping="products"),
        line("crm:Products:4", "books:items:4"),
        line("crm:Accounts:5", "books:contacts:15", state="alive", dead="both", since="2026-11-23"),
        "acme,too,few",
        line("crm:Accounts:8", "books:contacts:11"),
        line("crm:Accounts:7", "books:contacts:18"),
        line("crm:Accounts:9", "books:contacts:19", id="L1"),
        line("crm:Accounts:10", "books:contacts:20", state="aside"),
    )
    assert found == [
        "links.csv:3:1: the connection is 'other', this is 'acme'",
        "links.csv:4:1: books is 'books:contacts:1 2'; write a record as books:contacts:ID",
        "links.csv:4:1: crm is 'crm:Accounts'; write a record as crm:Accounts:ID",
        "links.csv:5:1: books is 'crm:Accounts:3'; write a record as books:contacts:ID",
        "links.csv:5:1: crm is 'books:contacts:3'; write a record as crm:Accounts:ID",
        "links.csv:6:1: customers,products is no entity with its mapping; there are customers,accounts, customers,contacts, "
        "customers,persons, products,products",
        "links.csv:7:1: accounts links crm:Accounts with books:contacts",
        "links.csv:8:1: dead is 'both'; use one of crm, books, or leave it empty",
        "links.csv:8:1: since is '2026-11-23'; write a time as 2026-11-23T01:02:03+00:00",
        "links.csv:8:1: state is 'alive'; use one of live, aside, ended",
        "links.csv:9:1: 3 cells; 11 are right",
        "links.csv:10:1: books:contacts:11 stands in line 2 already",
        "links.csv:11:1: crm:Accounts:7 is linked in the ledger: crm:Accounts:7 with books:contacts:17 (link L1)",
        "links.csv:12:1: link L1 is in the ledger as crm:Accounts:7 with books:contacts:17, live",
        "links.csv:13:1: a link kept aside, and no other, names the Books organisation that it belongs to",
    ]
    assert [one["id"] for one in links(ledger, "acme")] == ["L1"] and ledger.runs("acme") == []


def test_an_ended_link_may_share_its_record_with_a_live_one(ledger: SqlLedger) -> None:
    aside = line(books="books:contacts:13", state="aside", organization="600")
    bring(ledger, line(), line(books="books:contacts:12", state="ended"), aside)
    assert [one["state"] for one in links(ledger, "acme")] == ["live", "ended", "aside"]


def test_a_link_kept_aside_for_the_organisation_that_is_worked_with_now_is_live_again(ledger: SqlLedger) -> None:
    here = line("crm:Accounts:2", "books:contacts:12", state="aside", organization=HERE)
    there = line("crm:Accounts:2", "books:contacts:22", state="aside", organization="60099999999")
    assert bring(ledger, here, there)["imported"] == 2
    told = [(one["books"], one["state"], one["organization"]) for one in links(ledger, "acme")]
    assert told == [("books:contacts:12", "live", None), ("books:contacts:22", "aside", "60099999999")]
    assert bring(ledger, here, there, run="B")["already"] == 2
    clash = line("crm:Accounts:2", "books:contacts:13", state="aside", organization=HERE)
    with pytest.raises(DeclarationError, match="crm:Accounts:2 is linked in the ledger: crm:Accounts:2 with books:contacts:12"):
        bring(ledger, clash, run="C")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "links.csv:1:1: the first line is not connection,id,"),
        ("id,crm,books\n", "links.csv:1:1: the first line is not connection,id,"),
        (HEAD + '\nacme,"L1\n', "links.csv:2:1: not CSV: unexpected end of data"),
    ],
)
def test_a_file_of_another_shape_is_refused(ledger: SqlLedger, text: str, words: str) -> None:
    with pytest.raises(DeclarationError) as found:
        take_in(act(ledger), "links.csv", text, MAPPINGS, HERE)
    assert str(found.value).startswith(words)


def test_a_file_in_another_encoding_is_refused_by_line() -> None:
    with pytest.raises(DeclarationError, match=r"links.csv:2:1: not UTF-8; save it as CSV UTF-8"):
        read_file("links.csv", HEAD.encode() + b"\n" + "顧客".encode("cp932"))
    assert read_file("links.csv", b"\xef\xbb\xbf" + HEAD.encode()) == HEAD


def test_links_are_not_imported_under_the_hands_of_a_batch(ledger: SqlLedger) -> None:
    ledger.lock("acme", "R2", NOW, timedelta(hours=1))
    with pytest.raises(AnotherRun):
        bring(ledger, line())
    assert links(ledger, "acme") == []
