"""`holds` on the ledger that the demo leaves."""

from __future__ import annotations

import getpass
import re
import subprocess
from pathlib import Path

from office import Office

from renkei.core.joins import choices
from renkei.core.records import Hold
from renkei.core.values import Ref
from renkei.house import open_desk


def test_holds_alone_lists_the_open_questions(office: Office) -> None:
    found = office.asked("holds")["holds"]
    assert found == office.asked("holds", "list")["holds"] and len(found) > 30
    assert set(found[0]) == {
        "id", "entity", "question", "record", "label", "field", "values", "candidates", "choices", "since",
    }  # fmt: skip


def test_many_questions_are_shown_by_their_kind_a_few_of_each(office: Office) -> None:
    found = office.asked("holds")["holds"]
    same = [one["id"] for one in found if one["question"] == "first_values"]
    text = office.renkei("holds").out
    assert f"first_values: {len(same)}" in text and sum(one in text for one in same) == 5
    assert f"… and {len(same) - 5} more: renkei --connection demo holds list --question first_values" in text
    of_one = office.renkei("holds", "list", "--question", "first_values").out
    assert office.renkei("holds", "--question", "first_values").out == of_one
    assert all(one in of_one for one in same) and "ambiguous" not in of_one


def test_a_plan_says_of_its_questions_which_field_of_which_record_they_mean(
    office: Office, demo: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    (file,) = (demo[0] / "var" / "demo" / "plans" / "demo").iterdir()
    shown = office.renkei("plan", "show", str(file)).out
    for one in office.asked("holds")["holds"]:
        label = "•••" if one["record"].startswith(("crm:Contacts", "books:contact_persons")) else one["label"]
        about = " ".join(word for word in (one["record"], one["field"], label) if word)
        assert f"  question {one['id']} {one['question']}: {about} ({', '.join(one['choices'])})" in shown
    assert re.search(r"^  expected calls of its writes: \d+$", shown, flags=re.MULTILINE)


def test_an_answer_needs_no_quotes_and_is_the_machine_users_unless_said(office: Office) -> None:
    hold = next(one for one in office.asked("holds")["holds"] if one["choices"][0].startswith("link "))
    found = office.asked("holds", "decide", hold["id"], *hold["choices"][0].split(), "--reason", "the same firm")
    assert [one["choice"] for one in found["decided"]] == [hold["choices"][0]]
    told = office.asked("why", hold["record"])["story"][-1]
    assert (told["outcome"], told["actor"]) == ("decided", getpass.getuser()) and "the same firm" in told["reason"]


def test_a_document_is_joined_to_a_deal_by_an_answer_that_needs_no_quotes(office: Office) -> None:
    invoice, deals = Ref("books", "invoices", "1"), ("crm:Deals:5", "crm:Deals:6")
    candidates = tuple({"record": one, "label": "Renewal", "rule": "PO_Number 7 = reference_number"} for one in deals)
    hold = Hold("join1", "documents", "join", invoice, None, candidates, choices(candidates), {"label": "INV-7"})
    with open_desk(office.environ) as desk:
        desk.ledger.put_holds("demo", [hold], office.asked("runs")["runs"][0]["run"], desk.clock.now())
    listed = office.renkei("holds", "list", "--question", "join").out
    assert "join1  books:invoices:1  INV-7  since" in listed
    assert "candidate crm:Deals:5 Renewal (PO_Number 7 = reference_number)" in listed
    assert "choices: attach crm:Deals:5, attach crm:Deals:6, skip" in listed
    said = office.renkei("holds", "decide", "join1", "attach", "crm:Deals:6", "--reason", "the same order")
    assert said.code == 0 and "join1  books:invoices:1: attach crm:Deals:6" in said.out


def test_one_decision_answers_all_equal_questions(office: Office) -> None:
    asked = [one["id"] for one in office.asked("holds")["holds"] if one["question"] == "first_values"]
    said = office.renkei("holds", "decide", "--question", "first_values", "crm", "--reason", "sales knows", "--as", "Sato")
    assert said.code == 0 and f"Answered: {len(asked)}." in said.out
    assert all(re.search(rf"^  {one}  crm:\S+ [a-z_]+: crm$", said.out, flags=re.MULTILINE) for one in asked)
    assert "first_values" not in {one["question"] for one in office.asked("holds")["holds"]}
    assert office.asked("runs")["runs"][0]["actor"] == "Sato"
    assert office.asked("ledger", "verify")["broken"] is None


def test_a_choice_that_is_not_offered_ends_with_2_and_names_what_is(office: Office) -> None:
    hold = office.asked("holds")["holds"][0]
    said = office.renkei("--json", "holds", "decide", hold["id"], "perhaps", "--reason", "why")
    assert said.code == 2 and said.json["error"] == "AskedWrongly"
    assert all(choice in said.json["message"] for choice in hold["choices"])


def test_an_answer_without_a_reason_is_refused(office: Office) -> None:
    hold = office.asked("holds")["holds"][0]
    said = office.renkei("holds", "decide", hold["id"], "create")
    assert said.code == 2 and "--reason" in said.err


def test_quarantine_alone_lists_rows_by_rule_with_value_and_fix(office: Office) -> None:
    found = office.asked("quarantine")
    assert found == office.asked("quarantine", "list") and len(found["rows"]) == sum(one["count"] for one in found["groups"]) > 4
    assert set(found["groups"][0]) == {"state", "rule", "field", "count", "words", "since", "fix"}
    assert set(found["rows"][0]) == {
        "record", "label", "entity", "state", "rule", "field", "words", "value", "fix", "since", "run",
    }  # fmt: skip
    text = office.renkei("quarantine", "list", "--rule", "target_limit").out
    assert "125 characters; books takes 100" in text and "fix: Shorten it in the CRM." in text and "readable" not in text


def test_one_row_shows_what_it_breaks_beside_its_values_and_what_to_type(office: Office) -> None:
    row = next(one for one in office.asked("quarantine", "--rule", "target_limit")["rows"])
    found = office.asked("quarantine", "show", row["record"])
    assert found["broken"][0]["words"] == row["words"] and found["tried"]["runs"] > 1
    text = office.renkei("quarantine", "show", row["record"]).out
    assert re.search(rf"^    >  {row['field']} ", text, flags=re.MULTILINE) and str(row["value"])[:20] in text
    assert f"fix: {row['fix']}" in text and f"sync --only {row['record']}" in text
    assert f"renkei --connection demo quarantine discard {row['record']} --reason TEXT" in text
    office.asked("quarantine", "discard", row["record"], "--reason", "a test", "--as", "Sato")
    text = office.renkei("quarantine", "show", row["record"]).out
    assert "discarded by Sato at " in text and f"renkei --connection demo quarantine replay {row['record']}" in text


def test_a_persons_values_are_masked_in_a_row_that_waits(office: Office) -> None:
    row = next(one for one in office.asked("quarantine")["rows"] if one["record"].startswith("crm:Contacts"))
    masked, whole = office.asked("quarantine", "show", row["record"]), office.asked(
        "quarantine", "show", row["record"], "--show-personal"
    )  # fmt: skip
    told = {str(one["value"]) for one in whole["row"] if one["value"]} - {str(one["value"]) for one in masked["row"]}
    assert told and not any(one in str(masked) for one in told)


def test_a_row_is_discarded_and_replayed(office: Office) -> None:
    record = office.asked("quarantine")["rows"][0]["record"]
    assert office.asked("quarantine", "discard", record, "--reason", "a test")["discarded"] == [record]
    assert record not in [one["record"] for one in office.asked("quarantine")["rows"]]
    assert office.asked("quarantine", "replay", record, "--as", "Sato")["replayed"] == [record]
    assert [one["outcome"] for one in office.asked("why", record)["story"][-2:]] == ["discarded", "replayed"]
    assert "The next run tries them again" in office.renkei("quarantine", "replay").out


def test_a_discard_of_what_does_not_wait_ends_with_2(office: Office) -> None:
    said = office.renkei("--json", "quarantine", "discard", "crm:Accounts:1", "--reason", "why")
    assert said.code == 2 and "neither quarantined nor refused" in said.json["message"]
    said = office.renkei("quarantine", "replay", "crm:Accounts:1", "--rule", "readable")
    assert said.code == 2 and "Records and a rule were named" in said.err
