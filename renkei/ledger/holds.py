"""Questions for people and their answers, records set aside, and rows in quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, insert, select, update

from renkei.core.commands import command
from renkei.core.errors import AskedWrongly
from renkei.core.records import Decision, Hold, QuarantineRow
from renkei.core.values import Ref, Side
from renkei.ledger.codec import exact_text, moment, moment_text, value_of
from renkei.ledger.database import AnyRow
from renkei.ledger.mirrors import Mirrors, by_module
from renkei.ledger.tables import decisions, holds, quarantine, set_aside

_OPEN, _DECIDED, _CARRIED_OUT, _CLOSED = "open", "decided", "carried_out", "closed"
_CONTENT = ("entity", "question", "side", "module", "record", "field", "candidates", "choices", "detail")


class Holds(Mirrors):
    def put_holds(self, connection: str, holds: Sequence[Hold], run: str, now: datetime) -> None:
        """Ask. A question that waits already keeps its time of opening and takes the new content; one that is answered
        but not carried out yet stays answered; one that was closed or carried out is asked anew."""
        wanted = {hold.id: hold for hold in holds}
        with self.transaction():
            present = {
                row.id: row
                for row in self._read(
                    select(_HOLDS.c.id, _HOLDS.c.state, _HOLDS.c.asking, _HOLDS.c.opened_run, _HOLDS.c.opened_at).where(
                        _HOLDS.c.connection == connection, self._among(_HOLDS.c.id, wanted)
                    )
                )
            }
            rows = []
            for hold in wanted.values():
                before = present.get(hold.id)
                waits = before is not None and before.state in (_OPEN, _DECIDED)
                rows.append(
                    {
                        "connection": connection,
                        "id": hold.id,
                        **_hold_content(hold),
                        "state": before.state if before is not None and waits else _OPEN,
                        "asking": 1 if before is None else before.asking + (0 if waits else 1),
                        "opened_run": before.opened_run if before is not None and waits else run,
                        "opened_at": before.opened_at if before is not None and waits else moment_text(now),
                        "closed_why": None,
                        "closed_run": None,
                        "closed_at": None,
                    }
                )
            changing = (*_CONTENT, "state", "asking", "opened_run", "opened_at", "closed_why", "closed_run", "closed_at")
            self._write(self._upsert_changed(_HOLDS, changing), rows)

    def open_holds(self, connection: str) -> list[Hold]:
        """Waiting for a person, longest waiting first."""
        statement = select(holds).where(holds.c.connection == connection, holds.c.state == _OPEN)
        return [_hold(row) for row in self._read(statement.order_by(holds.c.opened_at, holds.c.id))]

    def hold(self, connection: str, hold_id: str) -> Hold | None:
        """Whatever its state."""
        row = self._one(select(holds).where(holds.c.connection == connection, holds.c.id == hold_id))
        return None if row is None else _hold(row)

    def hold_states(self, connection: str, ids: Iterable[str]) -> dict[str, tuple[str, datetime]]:
        """By id: open, decided, carried_out or closed, and since when it was asked."""
        rows = self._read(
            select(holds.c.id, holds.c.state, holds.c.opened_at).where(
                holds.c.connection == connection, self._among(holds.c.id, ids)
            )
        )
        return {row.id: (row.state, moment(row.opened_at)) for row in rows}

    def close_holds(self, connection: str, ids: Iterable[str], why: str, run: str, now: datetime) -> None:
        """The question has answered itself: it waits no longer, nor does an answer that was not carried out yet."""
        self._write(
            update(holds)
            .where(holds.c.connection == connection, holds.c.state.in_((_OPEN, _DECIDED)), self._among(holds.c.id, ids))
            .values(state=_CLOSED, closed_why=why, closed_run=run, closed_at=moment_text(now))
        )

    def decide(self, connection: str, decisions: Sequence[Decision]) -> None:
        """Answer open holds and open the mirrors of their records. All or none: AskedWrongly for a hold that is not
        open or that is answered twice here."""
        with self.transaction():
            answered = {decision.hold for decision in decisions}
            found = {
                row.id: row
                for row in self._read(
                    select(_HOLDS).where(
                        _HOLDS.c.connection == connection, _HOLDS.c.state == _OPEN, self._among(_HOLDS.c.id, answered)
                    )
                )
            }
            wrong = sorted(answered - set(found))
            if wrong:
                raise AskedWrongly(
                    f"Not an open hold: {', '.join(wrong)}.", fix=f"The open ones: {command(connection, 'holds list')}"
                )
            if len(answered) != len(decisions):
                raise AskedWrongly("A hold was answered twice.", fix="Give one answer for each hold.")
            self._write(
                insert(_DECISIONS),
                [
                    {
                        "connection": connection,
                        "hold": decision.hold,
                        "asking": found[decision.hold].asking,
                        "choice": decision.choice,
                        "reason": decision.reason,
                        "actor": decision.actor,
                        "at": moment_text(decision.at),
                    }
                    for decision in decisions
                ],
            )
            self._write(
                update(_HOLDS).where(_HOLDS.c.connection == connection, self._among(_HOLDS.c.id, answered)).values(state=_DECIDED)
            )
            for (side, module), ids in by_module(_hold(row).record for row in found.values()).items():
                self.open_mirrors(connection, [Ref(side, module, record) for record in ids], side=side, module=module)

    def decisions(self, connection: str) -> list[tuple[Hold, Decision]]:
        """Those that no run has carried out yet, oldest first."""
        statement = (
            select(holds, decisions.c.choice, decisions.c.reason, decisions.c.actor, decisions.c.at)
            .join(
                decisions,
                and_(
                    decisions.c.connection == holds.c.connection,
                    decisions.c.hold == holds.c.id,
                    decisions.c.asking == holds.c.asking,
                ),
            )
            .where(holds.c.connection == connection, holds.c.state == _DECIDED)
            .order_by(decisions.c.at, holds.c.id)
        )
        return [
            (_hold(row), Decision(row.id, row.choice, row.reason, row.actor, moment(row.at))) for row in self._read(statement)
        ]

    def carry_out(self, connection: str, hold_ids: Iterable[str], run: str, now: datetime) -> None:
        """Mark decisions as carried out; holds that are not decided are passed over."""
        self._write(
            update(holds)
            .where(holds.c.connection == connection, holds.c.state == _DECIDED, self._among(holds.c.id, hold_ids))
            .values(state=_CARRIED_OUT, closed_why="carried out", closed_run=run, closed_at=moment_text(now))
        )

    def set_aside(self, connection: str, rows: Sequence[tuple[Ref, str, str]], run: str, now: datetime) -> None:
        """(record, why, mark): a later call for the same record replaces why and mark."""
        last = {ref: (why, mark) for ref, why, mark in rows}
        self._write(
            self._upsert(set_aside, ("why", "mark", "run", "at")),
            [
                {
                    "connection": connection,
                    "side": ref.side,
                    "module": ref.module,
                    "id": ref.id,
                    "why": why,
                    "mark": mark,
                    "run": run,
                    "at": moment_text(now),
                }
                for ref, (why, mark) in last.items()
            ],
        )

    def asides(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """id → (why, mark)."""
        rows = self._read(
            select(set_aside.c.id, set_aside.c.why, set_aside.c.mark).where(
                set_aside.c.connection == connection,
                set_aside.c.side == side,
                set_aside.c.module == module,
                self._among(set_aside.c.id, ids),
            )
        )
        return {row.id: (row.why, row.mark) for row in rows}

    def aside_with(self, connection: str, refs: Iterable[Ref]) -> list[Ref]:
        """The other records that were set aside under the same mark as one of these, sorted: their partners in a skipped
        pair. A record that waits for a person ("") shares its mark with nobody."""
        with self.transaction():
            marks: set[str] = set()
            given = set(refs)
            for (side, module), ids in by_module(given).items():
                marks |= {mark for _, mark in self.asides(connection, side, module, ids).values() if mark}
            rows = self._read(
                select(set_aside.c.side, set_aside.c.module, set_aside.c.id).where(
                    set_aside.c.connection == connection, self._among(set_aside.c.mark, marks)
                )
            )
        return sorted({Ref(row.side, row.module, row.id) for row in rows} - given)

    def clear_aside(self, connection: str, refs: Iterable[Ref]) -> None:
        with self.transaction():
            for (side, module), ids in by_module(refs).items():
                self._write(
                    delete(set_aside).where(
                        set_aside.c.connection == connection,
                        set_aside.c.side == side,
                        set_aside.c.module == module,
                        self._among(set_aside.c.id, ids),
                    )
                )

    def put_quarantine(self, connection: str, rows: Sequence[QuarantineRow], run: str, now: datetime) -> None:
        """Rows that broke a rule. One that is there already keeps the run and time that put it there first. What an
        earlier run said of the same record and this run does not say again has ended."""
        last = {(row.record, row.rule, row.field): row for row in rows}
        with self.transaction():
            present: dict[tuple[Ref, str, str], tuple[str, str]] = {}
            for (side, module), ids in by_module({row.record for row in rows}).items():
                for row in self._read(select(quarantine).where(*self._quarantined(connection, side, module, ids))):
                    present[(Ref(side, module, row.id), row.rule, row.field)] = (row.first_run, row.first_at)
            first = (run, moment_text(now))
            self._write(
                self._upsert(
                    quarantine,
                    ("entity", "words", "value", "first_run", "first_at", "last_run", "left_why", "left_run", "left_at"),
                ),
                [_quarantine_row(connection, row, present.get(key, first), run) for key, row in last.items()],
            )
            for (side, module), ids in by_module({row.record for row in rows}).items():
                self._write(
                    update(quarantine)
                    .where(*self._quarantined(connection, side, module, ids), quarantine.c.last_run != run)
                    .values(left_why="no longer broken", left_run=run, left_at=moment_text(now))
                )

    def quarantine(self, connection: str) -> list[tuple[QuarantineRow, str, datetime]]:
        """Rows still quarantined, with the run and time that put them there first; oldest first."""
        statement = (
            select(quarantine)
            .where(quarantine.c.connection == connection, quarantine.c.left_at.is_(None))
            .order_by(quarantine.c.first_at, quarantine.c.side, quarantine.c.module, quarantine.c.id, quarantine.c.rule)
        )
        return [
            (
                QuarantineRow(Ref(row.side, row.module, row.id), row.entity, row.rule, row.field, row.words, row.value),
                row.first_run,
                moment(row.first_at),
            )
            for row in self._read(statement)
        ]

    def leave_quarantine(self, connection: str, refs: Iterable[Ref], why: str, run: str, now: datetime) -> None:
        with self.transaction():
            for (side, module), ids in by_module(refs).items():
                self._write(
                    update(quarantine)
                    .where(*self._quarantined(connection, side, module, ids))
                    .values(left_why=why, left_run=run, left_at=moment_text(now))
                )

    def _quarantined(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> list[Any]:
        return [
            quarantine.c.connection == connection,
            quarantine.c.side == side,
            quarantine.c.module == module,
            self._among(quarantine.c.id, ids),
            quarantine.c.left_at.is_(None),
        ]


_HOLDS, _DECISIONS = holds, decisions  # the tables, where a parameter of the port has the same name


def _hold_content(hold: Hold) -> dict[str, str | None]:
    return {
        "entity": hold.entity,
        "question": hold.question,
        "side": hold.record.side,
        "module": hold.record.module,
        "record": hold.record.id,
        "field": hold.field,
        "candidates": exact_text(hold.candidates),
        "choices": exact_text(hold.choices),
        "detail": exact_text(hold.detail),
    }


def _hold(row: AnyRow) -> Hold:
    return Hold(
        id=row.id,
        entity=row.entity,
        question=row.question,
        record=Ref(row.side, row.module, row.record),
        field=row.field,
        candidates=value_of(row.candidates),
        choices=value_of(row.choices),
        detail=value_of(row.detail),
    )


def _quarantine_row(connection: str, row: QuarantineRow, first: tuple[str, str], run: str) -> dict[str, str | None]:
    return {
        "connection": connection,
        "side": row.record.side,
        "module": row.record.module,
        "id": row.record.id,
        "rule": row.rule,
        "field": row.field,
        "entity": row.entity,
        "words": row.words,
        "value": row.value,
        "first_run": first[0],
        "first_at": first[1],
        "last_run": run,
        "left_why": None,
        "left_run": None,
        "left_at": None,
    }
