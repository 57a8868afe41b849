"""What a person decides is validated, kept with its reason, and sealed, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from desk_world import act
from ledger_world import NOW, a_link, a_mirror, account, customer

from renkei.core.errors import AnotherRun, AskedWrongly
from renkei.core.ports import Settled
from renkei.core.records import Hold
from renkei.core.values import Ref
from renkei.engine.decide import decide, questions
from renkei.engine.why import story
from renkei.ledger import SqlLedger


def duplicate(hold: str, number: int, *partners: int) -> Hold:
    candidates = tuple({"record": str(customer(one)), "label": f"顧客{one}", "score": 0.9} for one in partners)
    choices = (*(f"link {customer(one)}" for one in partners), "create", "skip")
    return Hold(hold, "customers", "duplicate", account(number), None, candidates, choices, {"label": f"株式会社{number}"})


def of_a_field(hold: str, number: int) -> Hold:
    detail = {"label": f"株式会社{number}", "values": {"crm": "03-1", "books": "03-2"}}
    return Hold(
        hold, "customers", "conflict", account(number), "phone", ({"record": str(customer(number))},), ("crm", "books"), detail
    )


def ask(ledger: SqlLedger, *holds: Hold) -> None:
    ledger.put_holds("acme", holds, "R1", NOW)


def test_a_question_shows_its_record_its_candidates_its_choices_and_since_when(ledger: SqlLedger) -> None:
    ask(ledger, duplicate("H1", 1, 11), of_a_field("H2", 2))
    first, second = questions(ledger, "acme")
    assert first == {
        "id": "H1", "entity": "customers", "question": "duplicate", "record": "crm:Accounts:1", "label": "株式会社1",
        "field": None, "values": None, "candidates": [{"record": "books:contacts:11", "label": "顧客11", "score": 0.9}],
        "choices": ["link books:contacts:11", "create", "skip"], "since": "2026-11-24T02:00:00+00:00",
    }  # fmt: skip
    assert (second["field"], second["values"]) == ("phone", {"crm": "03-1", "books": "03-2"})
    assert [one["id"] for one in questions(ledger, "acme", "conflict")] == ["H2"]


def test_an_answer_waits_for_the_next_run_and_opens_its_record(ledger: SqlLedger) -> None:
    ledger.put_mirrors("acme", "crm", "Accounts", [a_mirror(1)], NOW)
    ledger.settle("acme", [Settled(account(1), "hash-1-1", "skipped", "because")])
    ask(ledger, duplicate("H1", 1, 11))
    found = decide(act(ledger), ["H1"], None, "create", "another branch")
    assert found == {
        "run": "A1",
        "decided": [{"id": "H1", "question": "duplicate", "record": "crm:Accounts:1", "field": None, "choice": "create"}],
    }
    ((hold, decision),) = ledger.decisions("acme")
    assert (hold.id, decision.choice, decision.reason, decision.actor) == ("H1", "create", "another branch", "Sato")
    assert questions(ledger, "acme") == [] and ledger.open_ids("acme", "crm", "Accounts") == ["1"]


def test_a_decision_stands_in_the_story_of_the_record_and_of_each_candidate(ledger: SqlLedger) -> None:
    ask(ledger, duplicate("H1", 1, 11, 12))
    decide(act(ledger, "Tanaka"), ["H1"], None, f"link {customer(12)}", "same tax number")
    for ref in (account(1), customer(11), customer(12)):
        (told,) = story(ledger, "acme", ref)["story"]
        assert (told["outcome"], told["actor"], told["run"]) == ("decided", "Tanaka", "A1")
        assert told["reason"] == "duplicate: link books:contacts:12. same tax number"
        assert [one["record"] for one in told["candidates"]] == ["books:contacts:11", "books:contacts:12"]


def test_a_decision_is_a_sealed_run_of_its_own(ledger: SqlLedger) -> None:
    ask(ledger, of_a_field("H1", 1))
    decide(act(ledger), ["H1"], None, "crm", "the newer one")
    run = ledger.run("A1")
    assert run is not None and (run.kind, run.status, run.actor) == ("decide", "green", "Sato")
    assert ledger.unsealed_runs("acme") == [] and ledger.verify().broken is None


def test_equal_questions_are_answered_by_one_decision(ledger: SqlLedger) -> None:
    ask(ledger, of_a_field("H1", 1), of_a_field("H2", 2), duplicate("H3", 3, 13))
    found = decide(act(ledger), [], "conflict", "books", "accounting is right")
    assert [one["id"] for one in found["decided"]] == ["H1", "H2"]
    assert [one["id"] for one in questions(ledger, "acme")] == ["H3"]


def test_link_alone_takes_the_only_candidate_of_each_hold(ledger: SqlLedger) -> None:
    ask(ledger, duplicate("H1", 1, 11), duplicate("H2", 2, 12))
    found = decide(act(ledger), [], "duplicate", "link", "names and phones agree")
    assert [one["choice"] for one in found["decided"]] == ["link books:contacts:11", "link books:contacts:12"]


def test_attach_alone_takes_the_only_deal_and_several_questions_may_name_one_deal(ledger: SqlLedger) -> None:
    invoices = [Ref("books", "invoices", number) for number in ("91", "92")]
    deal = {"record": "crm:Deals:5", "label": "更新"}
    ask(
        ledger,
        *(Hold(f"H{one.id}", "documents", "join", one, None, (deal,), ("attach crm:Deals:5", "skip"), {}) for one in invoices),
    )
    decide(act(ledger), [], "join", "attach", "the same order")
    assert [decision.choice for _, decision in ledger.decisions("acme")] == ["attach crm:Deals:5"] * 2


def test_link_alone_is_no_answer_where_there_are_several_candidates(ledger: SqlLedger) -> None:
    ask(ledger, duplicate("H1", 1, 11), duplicate("H2", 2, 12, 13))
    with pytest.raises(AskedWrongly, match=r"H2 offers link books:contacts:12, link books:contacts:13, create, skip"):
        decide(act(ledger), ["H1", "H2"], None, "link", "why not")
    assert ledger.decisions("acme") == [] and ledger.runs("acme") == []


def test_a_choice_that_one_hold_does_not_offer_answers_none(ledger: SqlLedger) -> None:
    ask(ledger, of_a_field("H1", 1), duplicate("H2", 2, 12))
    with pytest.raises(AskedWrongly, match="H2 offers link books:contacts:12, create, skip"):
        decide(act(ledger), ["H1", "H2"], None, "crm", "why")
    assert len(questions(ledger, "acme")) == 2


@pytest.mark.parametrize("state", ["decided", "closed", "unknown"])
def test_a_hold_that_is_not_open_is_named_with_its_state(ledger: SqlLedger, state: str) -> None:
    if state != "unknown":
        ask(ledger, of_a_field("H1", 1))
    if state == "decided":
        decide(act(ledger), ["H1"], None, "crm", "why")
    if state == "closed":
        ledger.close_holds("acme", ["H1"], "no longer a question", "R2", NOW)
    with pytest.raises(AskedWrongly, match=rf"H1 \({state}\)"):
        decide(act(ledger), ["H1"], None, "crm", "why")


def test_holds_of_another_connection_cannot_be_answered(ledger: SqlLedger) -> None:
    ledger.put_holds("other", [of_a_field("H1", 1)], "R1", NOW)
    with pytest.raises(AskedWrongly, match="H1"):
        decide(act(ledger), ["H1"], None, "crm", "why")
    with pytest.raises(AskedWrongly, match="conflict"):
        decide(act(ledger), [], "conflict", "crm", "why")
    assert len(questions(ledger, "other")) == 1


def test_ids_or_a_question_are_asked_for_not_both_and_not_neither(ledger: SqlLedger) -> None:
    ask(ledger, of_a_field("H1", 1))
    for ids, question in (([], None), (["H1"], "conflict")):
        with pytest.raises(AskedWrongly, match="Which questions"):
            decide(act(ledger), ids, question, "crm", "why")


def test_a_blank_reason_or_actor_is_refused(ledger: SqlLedger) -> None:
    ask(ledger, of_a_field("H1", 1))
    with pytest.raises(AskedWrongly, match="reason"):
        decide(act(ledger), ["H1"], None, "crm", "  ")
    with pytest.raises(AskedWrongly, match="--as NAME"):
        act(ledger, " ")


def test_two_records_are_never_linked_to_one(ledger: SqlLedger) -> None:
    ask(ledger, duplicate("H1", 1, 11), duplicate("H2", 2, 11))
    with pytest.raises(AskedWrongly, match="Both crm:Accounts:1 and crm:Accounts:2 would be linked to books:contacts:11"):
        decide(act(ledger), [], "duplicate", "link", "why")
    decide(act(ledger), ["H1"], None, "link", "this one")
    with pytest.raises(AskedWrongly, match="Both crm:Accounts:1 and crm:Accounts:2"):
        decide(act(ledger, run="B"), ["H2"], None, "link", "and this one")


def test_a_candidate_that_was_linked_in_the_meantime_is_named_with_its_partner(ledger: SqlLedger) -> None:
    ask(ledger, duplicate("H1", 1, 11))
    ledger.put_links("acme", [a_link("L1", 7, 11)], "R2", NOW)
    with pytest.raises(AskedWrongly, match="is linked to crm:Accounts:7"):
        decide(act(ledger), ["H1"], None, "link", "why")


def test_an_act_that_fails_leaves_no_run_and_no_evidence(ledger: SqlLedger) -> None:
    ask(ledger, of_a_field("H1", 1))
    mine = act(ledger)
    with pytest.raises(RuntimeError), mine.run("decide", {}) as (run, now):
        ledger.close_holds("acme", ["H1"], "why", run, now)
        raise RuntimeError("the machine stops here")
    assert ledger.runs("acme") == [] and len(questions(ledger, "acme")) == 1


def test_an_act_that_must_be_alone_is_refused_while_a_batch_is_at_work(ledger: SqlLedger) -> None:
    ledger.lock("acme", "R1", NOW, timedelta(hours=1))
    with pytest.raises(AnotherRun), act(ledger).run("import", {}, alone=True):
        raise AssertionError("never reached")
    ledger.unlock("acme", "R1")
    with act(ledger).run("import", {}, alone=True):
        pass
    ledger.lock("acme", "R2", NOW, timedelta(hours=1))  # the act gave the lock back
