"""`links` on the ledger that the demo leaves."""

from __future__ import annotations

from pathlib import Path

from office import Office


def test_links_alone_lists_them(office: Office) -> None:
    found = office.asked("links")["links"]
    assert found == office.asked("links", "list")["links"] and len(found) > 50
    assert set(found[0]) == {"id", "entity", "mapping", "crm", "books", "since", "evidence", "state", "dead", "organization"}
    assert found[0]["books"] in office.renkei("links").out


def test_a_table_that_was_exported_is_all_there_when_it_is_imported_again(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "links.csv"
    count = office.asked("links", "export", str(file))["links"]
    assert count == len(office.asked("links")["links"])
    found = office.asked("links", "import", str(file), "--as", "Sato")
    assert (found["imported"], found["already"]) == (0, count)
    office.environ["RENKEI_LEDGER_URL"] = f"sqlite:///{tmp_path}/empty.db"
    assert office.renkei("links").out == "Nothing is linked yet.\n"
    assert office.asked("links", "import", str(file))["imported"] == count
    again = tmp_path / "again.csv"
    office.asked("links", "export", str(again))
    cells = [[row.split(",") for row in path.read_text(encoding="utf-8").splitlines()] for path in (file, again)]
    assert [row[:7] + row[8:] for row in cells[0]] == [row[:7] + row[8:] for row in cells[1]]
    assert {row[7] for row in cells[1][1:]} == {"import"}


def test_a_wrong_line_ends_with_2_and_its_place(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "links.csv"
    file.write_text("crm,books\n", encoding="utf-8")
    said = office.renkei("links", "import", str(file))
    assert said.code == 2 and f"{file}:1:1: the first line is not connection,id" in said.err
    assert "Nothing was read or written." in said.err


def test_a_file_that_is_not_there_or_cannot_be_written_is_asked_wrongly(office: Office, tmp_path: Path) -> None:
    assert office.renkei("links", "import", str(tmp_path / "none.csv")).code == 2
    said = office.renkei("--json", "links", "export", str(tmp_path / "none" / "links.csv"))
    assert said.code == 2 and said.json["error"] == "AskedWrongly"
