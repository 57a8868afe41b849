"""A connection's life: what people made of it, and what is kept apart for a former Books organisation.

What rests of an organisation stands in the same tables under `<connection>@<organisation>`, a name that no connection can
have, so that no query of a run finds it and nothing of it is lost: not even the details that cost a call each.
"""

from __future__ import annotations

from sqlalchemy import Table, delete, insert, select, update

from renkei.core.records import ConnectionState
from renkei.ledger.codec import moment, moment_text
from renkei.ledger.database import Database
from renkei.ledger.tables import (
    attachments,
    connection_states,
    deal_documents,
    documents,
    mirror_keys,
    mirrors,
    set_aside,
    watermarks,
)

# What is known of Books. All of `set_aside` is: a CRM record is set aside because of what it met there.
_OF_BOOKS: tuple[Table, ...] = (mirrors, mirror_keys, watermarks, documents, attachments, deal_documents, set_aside)


class Life(Database):
    def put_state(self, connection: str, state: ConnectionState) -> None:
        """What a person made of it from now on; the states before it stay."""
        self._write(
            insert(connection_states),
            [
                {
                    "connection": connection,
                    "state": state.state,
                    "actor": state.actor,
                    "reason": state.reason,
                    "run": state.run,
                    "at": moment_text(state.at),
                }
            ],
        )

    def state(self, connection: str) -> ConnectionState | None:
        """The last one; None: active, and never anything else."""
        row = self._one(
            select(connection_states)
            .where(connection_states.c.connection == connection)
            .order_by(connection_states.c.number.desc())
            .limit(1)
        )
        return None if row is None else ConnectionState(row.state, row.actor, row.reason, row.run, moment(row.at))

    def compare_anew(self, connection: str, why: str) -> None:
        """Make the next run of every entity a full compare: `why` stands in place of the hash of the rules."""
        self._write(update(watermarks).where(watermarks.c.connection == connection).values(rules=why))

    def put_by(self, connection: str, organization: str) -> None:
        """Keep what is known of a Books organisation apart, where no run of the connection finds it."""
        resting = _resting(connection, organization)
        with self.transaction():
            for table in _OF_BOOKS:
                self._write(delete(table).where(table.c.connection == resting))
                self._move(table, connection, resting)

    def bring_back(self, connection: str, organization: str) -> None:
        """What was put by for this organisation is the connection's Books side again. No row is taken to be as it was: the
        next read finds each mirror changed, and so checks it anew; details count as long as their stamps stand."""
        resting = _resting(connection, organization)
        with self.transaction():
            self._write(
                update(mirrors)
                .where(mirrors.c.connection == resting, mirrors.c.module != "contact_persons")  # these come with details
                .values(hash="put by:" + mirrors.c.hash)
            )
            for table in _OF_BOOKS:
                self._move(table, resting, connection)

    def _move(self, table: Table, of: str, to: str) -> None:
        where = [table.c.connection == of]
        if "side" in table.c and table is not set_aside:
            where.append(table.c.side == "books")
        self._write(update(table).where(*where).values(connection=to))


def _resting(connection: str, organization: str) -> str:
    return f"{connection}@{organization}"
