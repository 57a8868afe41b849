"""`runs`, `why` and `ledger verify` on the ledger that the demo leaves."""

from __future__ import annotations

from pathlib import Path

from office import Office

from renkei.house import open_desk


def test_runs_alone_lists_them_newest_first(office: Office) -> None:
    runs = office.asked("runs")["runs"]
    assert [(one["kind"], one["status"]) for one in runs] == [
        ("sync", "amber"), ("apply", "amber"), ("sync", "held"), ("plan", "green"),
    ]  # fmt: skip
    assert office.asked("runs", "list", "--limit", "1")["runs"] == office.asked("runs", "--limit", "1")["runs"] == runs[:1]
    assert set(runs[0]) == {
        "run", "connection", "kind", "flow", "status", "actor", "started", "ended", "seconds", "full",
    }  # fmt: skip
    assert runs[0]["run"] in office.renkei("runs").out


def test_a_run_shows_its_stages_reads_outcomes_and_writes(office: Office) -> None:
    run = next(one["run"] for one in office.asked("runs")["runs"] if one["kind"] == "apply")
    found = office.asked("runs", "show", run, "--limit", "3")
    written = sum(count for part in found["entities"].values() for count in part["writes"].values())
    assert found["writes"]["count"] == written > 3 and len(found["writes"]["shown"]) == 3
    assert [one["outcome"] for one in found["acts"]["shown"]] == ["released"]
    assert {one["stage"] for one in found["stages"]} == {"load", "record"}
    with open_desk(office.environ) as desk:
        assert desk.ledger.configuration(found["configuration"])["connection"]["name"] == "demo"
    text = office.renkei("runs", "show", run, "--limit", "3").out
    assert f"… and {written - 3} more (--limit {written})" in text and "customers" in text


def test_a_sync_shows_what_it_read_and_how_long_each_stage_took(office: Office) -> None:
    found = office.asked("runs", "show", office.asked("runs")["runs"][0]["run"])
    assert {one["stage"] for one in found["stages"]} == {"extract", "recall", "validate", "resolve", "load", "record"}
    assert [(one["side"], one["module"], one["complete"]) for one in found["reads"]][:2] == [
        ("crm", "Accounts", True), ("crm", "Contacts", True),
    ]  # fmt: skip


def test_an_edit_is_shown_field_by_field_before_and_after(office: Office) -> None:
    run = next(one["run"] for one in office.asked("runs")["runs"] if one["kind"] == "apply")
    writes = office.asked("runs", "show", run, "--limit", "1000")["writes"]["shown"]
    edit = next(one for one in writes if one["outcome"] == "updated")
    assert set(edit["changes"][0]) == {"field", "side", "before", "after", "reason"}
    line = f"{edit['changes'][0]['side']}.{edit['changes'][0]['field']}: {edit['changes'][0]['before']!r} →"
    assert line in office.renkei("runs", "show", run, "--limit", "1000").out
    assert line in office.renkei("why", edit["records"][0]).out


def test_a_record_is_found_by_its_id_alone_and_by_its_name_and_several_that_fit_are_named(office: Office) -> None:
    link = next(one for one in office.asked("links")["links"] if one["crm"].startswith("crm:Accounts"))
    told = office.asked("why", link["crm"])
    for words in (link["books"].split(":")[2], link["crm"].split(":")[2], told["name"]):
        assert office.asked("why", words)["link"]["books"] == link["books"]
    said = office.renkei("why", "K.K.")
    assert said.code == 2 and "records fit 'K.K.': " in said.err and "Sunrise Foods K.K." in said.err


def test_a_person_is_found_by_the_whole_name_only(office: Office) -> None:
    person = "crm:Contacts:5545974000000451096"
    name = office.asked("why", person, "--show-personal")["name"]
    assert office.asked("why", name)["record"] == person
    assert " " in name and office.renkei("why", name[:-1]).code == 2


def test_where_the_mappings_cannot_be_read_a_run_is_shown_and_every_value_and_name_is_masked(
    office: Office, tmp_path: Path
) -> None:
    run = next(one["run"] for one in office.asked("runs")["runs"] if one["kind"] == "apply")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "accounts.yaml").write_text("mapping: [", encoding="utf-8")
    office.environ["RENKEI_MAPPINGS"] = str(tmp_path / "mappings")
    shown = office.asked("runs", "show", run, "--limit", "1000")["writes"]["shown"]
    assert {change["after"] for one in shown for change in one["changes"]} <= {"•••", None, ""}
    assert {one["label"] for one in shown} <= {"•••", ""}


def test_times_are_told_as_the_connections_clocks_show_them_wherever_the_machine_stands(office: Office) -> None:
    run = office.asked("runs")["runs"][0]["run"]
    record = office.asked("links")["links"][0]["crm"]
    for words in (("runs",), ("runs", "show", run), ("why", record), ("holds",), ("quarantine",), ("links",), ("status",)):
        said = office.renkei(*words).out
        assert "+09:00" in said and "+00:00" not in said, words


def test_a_firm_is_told_by_name_and_a_person_is_not(office: Office) -> None:
    linked = [one["crm"] for one in office.asked("links")["links"]]
    firm = next(one for one in linked if one.startswith("crm:Accounts"))
    person = next(one for one in linked if one.startswith("crm:Contacts"))
    assert office.asked("why", firm)["name"] not in ("", "•••") and office.asked("why", person)["name"] == "•••"
    assert "--show-personal prints it" in office.renkei("why", person).out
    plain = office.renkei("why", person, "--show-personal").out
    assert "•••" not in plain


def test_an_outcome_without_a_reason_stands_by_itself(office: Office) -> None:
    linked = [one["crm"] for one in office.asked("links")["links"]]
    told = ((record, office.asked("why", record)["story"][-1]) for record in linked)
    record, last = next((record, last) for record, last in told if last["outcome"] == "unchanged")
    assert last["reason"] == ""
    assert f"  unchanged  (run {last['run']}, by {last['actor']})" in office.renkei("why", record).out


def test_a_run_that_there_is_not_is_asked_wrongly(office: Office) -> None:
    said = office.renkei("--json", "runs", "show", "R9")
    assert said.code == 2 and said.json["error"] == "AskedWrongly" and "renkei runs list" in said.json["fix"]


def test_a_record_that_the_ledger_never_saw_is_told_so_with_what_to_type_next(office: Office) -> None:
    never = "crm:Accounts:5545974000000999999"
    assert office.asked("why", never) == {"record": never, "name": "", "link": None, "story": []}
    said = office.renkei("why", never)
    assert said.code == 0 and "holds nothing of it" in said.out and "the CRM has no such record" in said.out
    assert f"renkei --connection demo sync --only {never}" in said.out
    seen = office.asked("links")["links"][0]["crm"]
    assert "sync --only" not in office.renkei("why", seen).out


def test_a_word_that_is_no_record_is_asked_wrongly(office: Office) -> None:
    said = office.renkei("why", "Accounts:1")
    assert said.code == 2 and "knows no record 'Accounts:1'" in said.err and "Write crm:Accounts:ID" in said.err and not said.out


def test_a_connection_that_there_is_not_is_asked_wrongly(office: Office) -> None:
    said = office.renkei("--connection", "dmo", "why", "crm:Accounts:1")
    assert said.code == 2 and "demo" in said.err


def test_the_whole_ledger_of_the_demo_verifies(office: Office) -> None:
    found = office.asked("ledger", "verify")
    assert found["broken"] is None and found["runs"] == 4
