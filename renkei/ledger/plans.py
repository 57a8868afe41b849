"""Plans, the approvals that people gave them, and the journal of intents around every call."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from renkei.core.errors import Bug
from renkei.core.records import Action, Change, Intent, IntentState
from renkei.ledger.codec import exact_text, moment_text, value_of
from renkei.ledger.database import AnyRow, Database
from renkei.ledger.tables import UNSETTLED, approvals, approved_keys, intents, plans

APPROVAL_LASTS = timedelta(days=14)
_ACTION_FIELDS = tuple(field.name for field in dataclasses.fields(Action))


class Plans(Database):
    def save_plan(self, connection: str, fingerprint: str, content: Mapping[str, Any], run: str, now: datetime) -> None:
        """Insert, or replace while it has not been applied: what was applied stays as it was, and so does the run that first made
        it."""
        self._write(
            self._upsert(plans, ("content", "at"), where=plans.c.applied_run.is_(None)),
            [
                {
                    "connection": connection,
                    "fingerprint": fingerprint,
                    "content": exact_text(content),
                    "run": run,
                    "at": moment_text(now),
                    "applied_run": None,
                    "applied_at": None,
                }
            ],
        )

    def plan(self, connection: str, fingerprint: str) -> Mapping[str, Any] | None:
        text = self._scalar(select(plans.c.content).where(*_of_plan(connection, fingerprint)))
        if text is None:
            return None
        content: Mapping[str, Any] = value_of(text)
        return content

    def plan_made(self, connection: str, fingerprint: str) -> str | None:
        """The run that first made it, or None where the plan is not stored."""
        run: str | None = self._scalar(select(plans.c.run).where(*_of_plan(connection, fingerprint)))
        return run

    def plan_applied(self, connection: str, fingerprint: str) -> str | None:
        """The run that applied it, or None."""
        run: str | None = self._scalar(select(plans.c.applied_run).where(*_of_plan(connection, fingerprint)))
        return run

    def mark_applied(self, connection: str, fingerprint: str, run: str, now: datetime) -> None:
        """A plan that is not stored is a Bug; the first run that applied it stays the one."""
        with self.transaction():
            if self.plan_made(connection, fingerprint) is None:
                raise Bug(f"The plan {fingerprint} was applied by {run} but never stored.")
            self._write(
                update(plans)
                .where(*_of_plan(connection, fingerprint), plans.c.applied_run.is_(None))
                .values(applied_run=run, applied_at=moment_text(now))
            )

    def approve(
        self, connection: str, fingerprint: str, brakes: Sequence[str], keys: Sequence[str], actor: str, now: datetime
    ) -> None:
        """A person released these brakes for a plan; the approval covers these keys one by one."""
        with self.transaction():
            number = self._scalar(
                insert(approvals)
                .values(
                    connection=connection,
                    fingerprint=fingerprint,
                    brakes=exact_text(list(brakes)),
                    actor=actor,
                    at=moment_text(now),
                    last_used=moment_text(now),
                )
                .returning(approvals.c.number)
            )
            self._write(insert(approved_keys), [{"approval": number, "key": key} for key in dict.fromkeys(keys)])

    def approved_keys(self, connection: str, now: datetime) -> dict[str, set[str]]:
        """Brake → keys that approvals release from it; an approval ends 14 days after its last use."""
        statement = (
            select(approvals.c.brakes, approved_keys.c.key)
            .join(approvals, approvals.c.number == approved_keys.c.approval)
            .where(*_in_force(connection, now))
        )
        found: dict[str, set[str]] = {}
        for row in self._read(statement):
            for brake in value_of(row.brakes):
                found.setdefault(brake, set()).add(row.key)
        return found

    def use_approvals(self, connection: str, keys: Iterable[str], now: datetime) -> None:
        """These actions are done: they leave their approvals, whose last use is now. An ended approval stays ended."""
        listed = list(keys)
        with self.transaction():
            for number in self._approvals_of(connection, listed, now):
                self._write(
                    delete(approved_keys).where(approved_keys.c.approval == number, self._among(approved_keys.c.key, listed))
                )
                self._write(update(approvals).where(approvals.c.number == number).values(last_used=moment_text(now)))

    def renew_approvals(self, connection: str, keys: Iterable[str], now: datetime) -> None:
        """A run met these again and went on because of their approvals, whose last use is now. An ended approval stays ended."""
        with self.transaction():
            for number in self._approvals_of(connection, list(keys), now):
                self._write(update(approvals).where(approvals.c.number == number).values(last_used=moment_text(now)))

    def _approvals_of(self, connection: str, keys: Sequence[str], now: datetime) -> list[int]:
        """Numbers of the approvals in force that cover one of these keys."""
        covers = select(approved_keys.c.key).where(
            approved_keys.c.approval == approvals.c.number, self._among(approved_keys.c.key, keys)
        )
        found = self._read(select(approvals.c.number).where(*_in_force(connection, now)).where(covers.exists()))
        return [row[0] for row in found]

    def end_approvals(self, connection: str) -> None:
        """No approval given so far counts any more; who gave it stays."""
        numbers = select(approvals.c.number).where(approvals.c.connection == connection)
        self._write(delete(approved_keys).where(approved_keys.c.approval.in_(numbers)))

    # ---------------------------------------------------------------------------------------------------- journal

    def intend(self, connection: str, intents: Sequence[Intent], now: datetime) -> None:
        """Write down what is about to be tried. An id that was used before is a Bug."""
        at = moment_text(now)
        self._write(
            insert(_INTENTS),
            [
                {
                    "id": intent.id,
                    "connection": connection,
                    "run": intent.run,
                    "action": action_text(intent.action),
                    "key": intent.key,
                    "state": intent.state,
                    "answer": exact_text(intent.answer),
                    "at": at,
                    "changed_at": at,
                }
                for intent in intents
            ],
        )

    def mark_intents(
        self,
        ids: Iterable[str],
        state: IntentState,
        now: datetime,
        answers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Move intents to a state; an answer replaces the one before, an id without one keeps it."""
        listed = list(dict.fromkeys(ids))
        with self.transaction():
            found = {row[0] for row in self._read(select(intents.c.id).where(self._among(intents.c.id, listed)))}
            if len(found) != len(listed):
                raise Bug(f"Unknown intents: {', '.join(sorted(set(listed) - found)[:5])}.")
            self._write(update(intents).where(self._among(intents.c.id, listed)).values(state=state, changed_at=moment_text(now)))
            self._write(
                update(intents).where(intents.c.id == bindparam("the_id")).values(answer=bindparam("new_answer")),
                [{"the_id": key, "new_answer": exact_text(answer)} for key, answer in (answers or {}).items() if key in found],
            )

    def has_written(self, connection: str) -> bool:
        """Whether any run of it ever tried to."""
        return self._scalar(select(intents.c.number).where(intents.c.connection == connection).limit(1)) is not None

    def open_intents(self, connection: str) -> list[Intent]:
        """In state intended, sent or unknown, oldest first."""
        statement = select(intents).where(intents.c.connection == connection, UNSETTLED).order_by(intents.c.number)
        return [intent_of(row) for row in self._read(statement)]

    def abandoned_intents(self, connection: str, verb: str) -> list[Intent]:
        """In state abandoned, of actions with this verb, oldest first."""
        statement = select(intents).where(intents.c.connection == connection, intents.c.state == "abandoned")
        found = [intent_of(row) for row in self._read(statement.order_by(intents.c.number))]
        return [intent for intent in found if intent.action.verb == verb]

    def intents(self, run: str) -> list[Intent]:
        """Oldest first."""
        return [intent_of(row) for row in self._read(select(intents).where(intents.c.run == run).order_by(intents.c.number))]


_INTENTS = intents  # the table, where a parameter of the port has the same name


def _of_plan(connection: str, fingerprint: str) -> tuple[Any, Any]:
    return plans.c.connection == connection, plans.c.fingerprint == fingerprint


def _in_force(connection: str, now: datetime) -> tuple[Any, Any]:
    return approvals.c.connection == connection, approvals.c.last_used > moment_text(now - APPROVAL_LASTS)


def action_text(action: Action) -> str:
    """An action as the journal keeps it."""
    fields = {name: getattr(action, name) for name in _ACTION_FIELDS}
    fields["changes"] = [[change.field, change.side, change.before, change.after, change.reason] for change in action.changes]
    return exact_text(fields)


def _action(text: str) -> Action:
    fields = value_of(text)
    changes = tuple(Change(*change) for change in fields["changes"])
    return Action(**{**fields, "changes": changes})


def intent_of(row: AnyRow) -> Intent:
    """A row of the journal."""
    return Intent(row.id, row.run, _action(row.action), row.key, row.state, value_of(row.answer))
