"""What becomes of a deal's document in every state: product.md section 3 as promises, and the whole table walked.

The first tests say what users were promised, one situation each. The last ones walk every cell for what must hold in all of them.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from renkei.core.documents import (
    ABSENT,
    GATES,
    GONE,
    LEFT_BY_US,
    SETTINGS,
    STAGES,
    STATUSES,
    DealCell,
    DealSetting,
    DealStage,
    Gate,
    Standing,
    deal_cell,
    deal_table,
    stage_of,
    standings,
)
from renkei.core.records import OUTCOMES

OURS, THEIRS = True, False

# setting, stage, status, ours → effect, outcome: reason, moves
PROMISES: list[tuple[DealSetting, DealStage, str, bool, str, str, str]] = [
    ("estimates", "open", ABSENT, THEIRS, "create", "created: deal_open", ""),
    ("estimates", "won", ABSENT, THEIRS, "create", "created: deal_won", "sent accepted"),
    ("estimates", "won", "draft", OURS, "move", "updated: deal_won", "sent accepted"),
    ("estimates", "lost", "draft", OURS, "move", "updated: deal_lost", "sent declined"),
    ("estimates", "won", "sent", OURS, "move", "updated: deal_won", "accepted"),  # the run died between the two moves
    ("estimates", "won", "sent", THEIRS, "leave", "skipped: moved_on", ""),
    ("estimates", "won", "accepted", THEIRS, "leave", "unchanged: moved_on_alike", ""),
    ("estimates", "lost", "accepted", THEIRS, "leave", "skipped: moved_on", ""),
    ("estimates", "lost", "accepted", OURS, "move", "updated: deal_lost", "declined"),
    ("estimates", "won", "declined", OURS, "move", "updated: deal_won", "accepted"),
    ("estimates", "open", "accepted", OURS, "leave", "skipped: deal_reopened", ""),
    ("estimates", "won", "invoiced", THEIRS, "leave", "skipped: moved_on", ""),
    ("estimates", "lost", ABSENT, THEIRS, "leave", "skipped: lost_without_document", ""),
    ("invoices", "open", ABSENT, THEIRS, "leave", "skipped: not_won", ""),
    ("invoices", "won", ABSENT, THEIRS, "create", "created: deal_won", ""),
    ("invoices", "won", "draft", OURS, "leave", "unchanged: follows", ""),
    ("invoices", "lost", "draft", OURS, "move", "updated: deal_lost", "void"),
    ("invoices", "lost", "sent", THEIRS, "leave", "skipped: moved_on", ""),
    ("invoices", "lost", "partially_paid", THEIRS, "leave", "refused: payment_exists", ""),
    ("invoices", "lost", "paid", THEIRS, "leave", "refused: payment_exists", ""),
    ("invoices", "lost", "void", THEIRS, "leave", "unchanged: moved_on_alike", ""),
    ("invoices", "won", "void", OURS, "move", "updated: won_again", "draft"),
    ("invoices", "won", "void", THEIRS, "leave", "skipped: moved_on", ""),
    ("invoices", "open", "draft", OURS, "leave", "skipped: deal_reopened", ""),
    ("invoices", "won", GONE, THEIRS, "leave", "skipped: document_deleted", ""),
    ("invoices", "deleted", "draft", OURS, "leave", "skipped: deal_deleted", ""),
    ("invoices", "won", "pending_approval", OURS, "leave", "skipped: moved_on", ""),  # an approval rule of the organisation
    ("none", "won", "draft", OURS, "leave", "skipped: deals_none", ""),
]


def said(cell: DealCell) -> tuple[str, str, str]:
    return cell.effect, f"{cell.outcome}: {cell.reason}", " ".join(cell.moves)


@pytest.mark.parametrize(("setting", "stage", "status", "ours", "effect", "words", "moves"), PROMISES)
def test_a_deal_makes_of_its_document_what_was_promised(
    setting: DealSetting, stage: DealStage, status: str, ours: bool, effect: str, words: str, moves: str
) -> None:
    assert said(deal_cell(setting, stage, Standing(status, ours))) == (effect, words, moves)


@pytest.mark.parametrize(
    ("setting", "stage", "status", "ours", "effect", "words"),
    [
        ("estimates", "open", "draft", OURS, "edit", "updated: deal_changed"),
        ("estimates", "won", "draft", OURS, "edit", "updated: deal_changed"),
        ("estimates", "won", "accepted", OURS, "hold", "held: changed_after_accepted"),
        ("estimates", "lost", "draft", OURS, "move", "updated: deal_lost"),
        ("estimates", "won", "accepted", THEIRS, "leave", "skipped: changed_after_moved_on"),
        ("invoices", "won", "draft", OURS, "edit", "updated: deal_changed"),
        ("invoices", "won", "paid", THEIRS, "leave", "skipped: changed_after_moved_on"),
        ("invoices", "won", "void", OURS, "hold", "held: changed_after_void"),
    ],
)  # fmt: skip
def test_an_amount_changed_after_the_document_has_a_word_of_its_own(
    setting: DealSetting, stage: DealStage, status: str, ours: bool, effect: str, words: str
) -> None:
    assert said(deal_cell(setting, stage, Standing(status, ours, changed=True)))[:2] == (effect, words)


@pytest.mark.parametrize(
    ("gate", "stage", "status", "words"),
    [
        ("before_setting", "won", ABSENT, "skipped: before_setting"),
        ("before_setting", "lost", "draft", "updated: deal_lost"),  # what was made before goes on
        ("customer_not_linked", "won", ABSENT, "blocked: customer_not_linked"),
        ("customer_not_linked", "lost", "draft", "updated: deal_lost"),
        ("lines_differ", "won", ABSENT, "held: lines_differ"),
        ("lines_differ", "lost", "draft", "updated: deal_lost"),
        ("period_closed", "won", ABSENT, "refused: period_closed"),
        ("period_closed", "lost", "draft", "refused: period_closed"),
        ("period_closed", "won", "draft", "unchanged: follows"),  # nothing was to be written
    ],
)
def test_a_gate_stops_what_it_stands_against_and_nothing_else(gate: Gate, stage: DealStage, status: str, words: str) -> None:
    assert said(deal_cell("invoices", stage, Standing(status, status != ABSENT), gate))[1] == words


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_cell_has_a_named_outcome_that_fits_its_effect(setting: DealSetting) -> None:
    fitting = {
        "create": {"created"}, "edit": {"updated"}, "move": {"updated"}, "hold": {"held"},
        "leave": {"skipped", "unchanged", "blocked", "refused"},
    }  # fmt: skip
    for stage, document, gate, cell in deal_table(setting):
        assert cell.outcome in OUTCOMES and cell.outcome in fitting[cell.effect], (stage, document, gate)
        assert cell.reason and bool(cell.moves) <= (cell.effect in ("create", "edit", "move")), (stage, document, gate)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_table_shows_every_situation_once(setting: DealSetting) -> None:
    shown = {(stage, document, gate): cell for stage, document, gate, cell in deal_table(setting)}
    assert len(shown) == sum(1 for _ in deal_table(setting))
    for stage in STAGES:
        for document in standings(setting):
            for gate in GATES:
                cell = deal_cell(setting, stage, document, gate)
                assert shown.get((stage, document, gate), shown[stage, document, ""]) == cell


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_a_person_moved_on_or_deleted_is_never_written_to(setting: DealSetting) -> None:
    for _, document, _, cell in deal_table(setting):
        if document.status not in (ABSENT,) and not document.ours:
            assert cell.effect == "leave" and cell.outcome in ("skipped", "unchanged", "refused"), document


@pytest.mark.parametrize("setting", ("estimates", "invoices"))
def test_every_move_is_one_that_books_allows_and_ends_where_the_next_run_is_quiet(setting: DealSetting) -> None:
    allowed = {  # books-v3.md sections 8 and 10.3
        "estimates": {
            ("draft", "sent"), ("sent", "accepted"), ("sent", "declined"), ("accepted", "declined"), ("declined", "accepted"),
        },
        "invoices": {("draft", "void"), ("void", "draft")},
    }  # fmt: skip
    for stage, document, _, cell in deal_table(setting):
        if cell.effect not in ("create", "edit", "move"):
            continue
        begins = "draft" if document.status == ABSENT else document.status
        path = (begins, *cell.moves)
        assert set(pairwise(path)) <= allowed[setting], (stage, document)
        assert set(path) <= LEFT_BY_US[setting]
        after = deal_cell(setting, stage, Standing(path[-1], ours=True))
        assert (after.effect, after.outcome) == ("leave", "unchanged"), (stage, document, after)


@pytest.mark.parametrize("setting", ("estimates", "invoices"))
def test_a_run_that_died_between_two_moves_is_continued_from_there(setting: DealSetting) -> None:
    for stage, _, _, cell in deal_table(setting):
        for done in range(1, len(cell.moves)):
            rest = deal_cell(setting, stage, Standing(cell.moves[done - 1], ours=True))
            assert rest.moves == cell.moves[done:]


def test_the_statuses_are_those_of_the_contract() -> None:
    assert set(STATUSES["estimates"]) == {"draft", "sent", "invoiced", "accepted", "declined", "expired"}
    assert set(STATUSES["invoices"]) == {"draft", "sent", "overdue", "paid", "void", "partially_paid"}


def test_the_stage_is_the_pipelines_forecast_type_in_any_language() -> None:
    assert [stage_of(word) for word in ("Open", "Closed Won", "Closed Lost")] == ["open", "won", "lost"]
    with pytest.raises(ValueError, match="Closed-Lost to Competition"):
        stage_of("Closed-Lost to Competition")
