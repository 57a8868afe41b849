"""`status` on the ledger that the demo leaves, and on an empty one."""

from __future__ import annotations

from pathlib import Path

from office import Office


def test_status_tells_every_connection_in_its_own_time(office: Office) -> None:
    (found,) = office.asked("status")["connections"]
    assert (found["connection"], found["last"]["status"], found["last"]["kind"]) == ("demo", "amber", "sync")
    assert found["waits"]["holds"]["first_values"] > 20 and found["waits"]["quarantined"] > 4
    assert found["calls"]["books"]["used"] > 100 or found["calls"]["day"] != found["last"]["ended"][:10]
    text = office.renkei("status").out
    assert "its customer: " in text and "blocked (customer_not_linked)" in text
    assert "demo (times of Asia/Tokyo)" in text and "+09:00" in text and "renkei --connection demo holds" in text
    assert "renkei --connection demo quarantine" in text


def test_a_connection_can_be_named_and_must_exist(office: Office) -> None:
    assert len(office.asked("--connection", "demo", "status")["connections"]) == 1
    assert office.renkei("--connection", "nobody", "status").code == 2


def test_an_answered_question_waits_for_the_next_run(office: Office) -> None:
    before = office.asked("status")["connections"][0]["waits"]
    office.asked("holds", "decide", "--question", "first_values", "crm", "--reason", "sales knows")
    after = office.asked("status")["connections"][0]["waits"]
    assert after["answers"] == before["holds"]["first_values"] and "first_values" not in after["holds"]
    assert f"the next run: {after['answers']} answers to carry out" in office.renkei("status").out


def test_an_empty_ledger_says_that_nothing_ran_yet(office: Office, tmp_path: Path) -> None:
    office.environ["RENKEI_LEDGER_URL"] = f"sqlite:///{tmp_path}/empty.db"
    said = office.renkei("status")
    assert said.code == 0 and "last run: none yet" in said.out and "nothing waits" in said.out
