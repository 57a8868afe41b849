"""What becomes of a deal's document: the whole table of deal stage × document status, as code. Pure.

Nothing else decides, and `renkei policy show` prints every cell by calling it. The document is the one of the setting's kind that
renkei made for the deal. It is *ours* while it stands where our last write left it; a person who moves it on takes it over, and
the deal no longer drives it. Sources: product.md sections 3 and 6, books-v3.md sections 8 and 10.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from renkei.core.connection import DealSetting

DealStage = Literal["open", "won", "lost", "deleted"]
Gate = Literal["", "before_setting", "customer_not_linked", "lines_differ", "period_closed"]
DealEffect = Literal["create", "edit", "move", "leave", "hold"]

SETTINGS: tuple[DealSetting, ...] = get_args(DealSetting)
STAGES: tuple[DealStage, ...] = get_args(DealStage)
GATES: tuple[Gate, ...] = get_args(Gate)

ABSENT, GONE = "absent", "deleted"  # never made; made, and deleted in Books since
STATUSES: Mapping[str, tuple[str, ...]] = {
    "estimates": ("draft", "sent", "accepted", "declined", "expired", "invoiced"),
    "invoices": ("draft", "sent", "overdue", "partially_paid", "paid", "void"),
}
# Where our own writes leave a document. Books accepts and declines only what was sent, so `sent` is ours between two moves.
LEFT_BY_US: Mapping[str, frozenset[str]] = {
    "estimates": frozenset(("draft", "sent", "accepted", "declined")),
    "invoices": frozenset(("draft", "void")),
}
PAID = frozenset(("partially_paid", "paid"))
FORECAST: Mapping[str, DealStage] = {"Open": "open", "Closed Won": "won", "Closed Lost": "lost"}


def stage_of(forecast_type: str) -> DealStage:
    """The stage by the `forecast_type` of the pipeline's metadata. ValueError for a word that the contract does not know."""
    if forecast_type not in FORECAST:
        raise ValueError(f"forecast_type {forecast_type!r} is none of {', '.join(FORECAST)}")
    return FORECAST[forecast_type]


@dataclass(frozen=True, slots=True)
class Standing:
    """A deal's document as it stands: its status in Books, ABSENT or GONE.

    ours     it stands where our last write left it
    changed  what the deal gives it (lines, dates, amount) differs from what was written last
    """

    status: str = ABSENT
    ours: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class DealCell:
    """What happens. `moves`: the statuses that the document is given one after the other, after any `create` or `edit`."""

    effect: DealEffect
    outcome: str
    reason: str
    moves: tuple[str, ...] = ()


def deal_cell(setting: DealSetting, stage: DealStage, document: Standing, gate: Gate = "") -> DealCell:
    """What a deal in this stage makes of its document. `gate`: what stands against writing.

    before_setting  the deal was there (estimates) or decided (invoices) before the setting took effect: it gets no document
    customer_not_linked     the deal's account or contact has no live link: nothing can be created yet
    lines_differ    the lines do not add up to the deal's amount: neither created nor edited before a person has seen it
    period_closed   the document is, or would be, dated on or before `closed_until`: no write at all
    """
    cell = _cell(setting, stage, document)
    if cell.effect in ("leave", "hold"):
        return cell
    if gate == "before_setting" and cell.effect == "create":
        return DealCell("leave", "skipped", "before_setting")
    if gate == "customer_not_linked" and cell.effect == "create":
        return DealCell("leave", "blocked", "customer_not_linked")
    if gate == "lines_differ" and cell.effect in ("create", "edit"):
        return DealCell("hold", "held", "lines_differ")
    if gate == "period_closed":
        return DealCell("leave", "refused", "period_closed")
    return cell


def _cell(setting: DealSetting, stage: DealStage, document: Standing) -> DealCell:
    if setting == "none":
        return DealCell("leave", "skipped", "deals_none")
    if stage == "deleted":
        return DealCell("leave", "skipped", "deal_deleted")
    if document.status == GONE:
        return DealCell("leave", "skipped", "document_deleted")
    if document.status == ABSENT:
        return _new(setting, stage)
    if not document.ours or document.status not in LEFT_BY_US[setting]:
        return _taken_over(setting, stage, document)
    return _estimate(stage, document) if setting == "estimates" else _invoice(stage, document)


def _new(setting: DealSetting, stage: DealStage) -> DealCell:
    if stage == "lost":
        return DealCell("leave", "skipped", "lost_without_document")
    if setting == "invoices":
        return DealCell("create", "created", "deal_won") if stage == "won" else DealCell("leave", "skipped", "not_won")
    if stage == "won":
        return DealCell("create", "created", "deal_won", ("sent", "accepted"))
    return DealCell("create", "created", "deal_open")


# What the deal would have made of it.
_ALIKE = {("estimates", "won"): "accepted", ("estimates", "lost"): "declined", ("invoices", "lost"): "void"}


def _taken_over(setting: DealSetting, stage: DealStage, document: Standing) -> DealCell:
    """A person has moved it on: whatever the deal says now, it stays as it is."""
    if setting == "invoices" and stage == "lost" and document.status in PAID:
        return DealCell("leave", "refused", "payment_exists")
    if document.changed and stage != "lost":
        return DealCell("leave", "skipped", "changed_after_moved_on")
    if _ALIKE.get((setting, stage)) == document.status:
        return DealCell("leave", "unchanged", "moved_on_alike")
    return DealCell("leave", "skipped", "moved_on")


def _estimate(stage: DealStage, document: Standing) -> DealCell:
    status, wanted = document.status, {"won": "accepted", "lost": "declined"}.get(stage, "")
    if status == "draft" and stage != "lost" and document.changed:
        return DealCell("edit", "updated", "deal_changed", ("sent", "accepted") if stage == "won" else ())
    if not wanted:
        return DealCell("leave", "unchanged", "follows") if status == "draft" else DealCell("leave", "skipped", "deal_reopened")
    if status == wanted:
        if stage == "won" and document.changed:
            return DealCell("hold", "held", "changed_after_accepted")
        return DealCell("leave", "unchanged", "follows")
    if stage == "won" and document.changed:  # sent or declined by us under other figures
        return DealCell("hold", "held", "changed_after_sent")
    moves = ("sent", wanted) if status == "draft" else (wanted,)
    return DealCell("move", "updated", "deal_won" if stage == "won" else "deal_lost", moves)


def _invoice(stage: DealStage, document: Standing) -> DealCell:
    status = document.status
    if stage == "open":
        return DealCell("leave", "skipped", "deal_reopened")
    if stage == "lost":
        return (
            DealCell("leave", "unchanged", "follows") if status == "void" else DealCell("move", "updated", "deal_lost", ("void",))
        )
    if status == "void":  # lost once, and won after all: the same invoice, under its number
        back = DealCell("move", "updated", "won_again", ("draft",))
        return DealCell("hold", "held", "changed_after_void") if document.changed else back
    return DealCell("edit", "updated", "deal_changed") if document.changed else DealCell("leave", "unchanged", "follows")


def standings(setting: DealSetting) -> Iterator[Standing]:
    """Every document that a deal can have under the setting."""
    yield from (Standing(ABSENT), Standing(GONE))
    for status in STATUSES.get(setting, ()):
        for ours in (True, False) if status in LEFT_BY_US[setting] else (False,):
            yield from (replace(Standing(status, ours), changed=changed) for changed in (False, True))


def deal_table(setting: DealSetting) -> Iterator[tuple[DealStage, Standing, Gate, DealCell]]:
    """Every cell of a setting; those of a gate only where it decides otherwise than without."""
    for stage in STAGES:
        for document in standings(setting):
            free = deal_cell(setting, stage, document)
            for gate in GATES:
                cell = deal_cell(setting, stage, document, gate)
                if not gate or cell != free:
                    yield stage, document, gate, cell
