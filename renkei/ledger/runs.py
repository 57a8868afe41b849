"""Runs, their stages, configurations and snapshots, and the leases that keep two runs apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select

from renkei.core.errors import AnotherRun
from renkei.core.ports import StageRow
from renkei.core.records import Run
from renkei.core.values import Ref, Side, content_hash
from renkei.ledger.codec import exact_text, moment, moment_or_none, moment_text, moment_text_or_none, value_of
from renkei.ledger.database import AnyRow, Database
from renkei.ledger.tables import claims, configurations, locks, runs, snapshots, stages, surveys


class Runs(Database):
    def lock(self, connection: str, run: str, now: datetime, ttl: timedelta) -> None:
        """Take the batch lock, or raise AnotherRun while another run's lease has not ended."""
        self._take(connection, run, now, ttl)

    def renew(self, connection: str, run: str, now: datetime, ttl: timedelta) -> None:
        """Make the lease end later. AnotherRun when another run took the lock over in the meantime."""
        self._take(connection, run, now, ttl)

    def _take(self, connection: str, run: str, now: datetime, ttl: timedelta) -> None:
        since = moment_text(now)
        with self.transaction():
            self._write(
                self._insert(locks).on_conflict_do_nothing(),
                [{"connection": connection, "run": run, "since": since, "ends": since}],
            )
            held = self._one(select(locks).where(locks.c.connection == connection).with_for_update())
            assert held is not None
            if held.run != run and held.ends > since:
                raise AnotherRun(connection, held.run, held.since)
            self._write(
                self._upsert(locks, ("run", "since", "ends")),
                [
                    {
                        "connection": connection,
                        "run": run,
                        "since": held.since if held.run == run else since,
                        "ends": moment_text(now + ttl),
                    }
                ],
            )

    def unlock(self, connection: str, run: str) -> None:
        """End the lock if this run holds it."""
        self._write(delete(locks).where(locks.c.connection == connection, locks.c.run == run))

    def lock_of(self, connection: str) -> tuple[str, datetime, datetime] | None:
        """(run, since, ends) of the batch lock, ended or not."""
        row = self._one(select(locks).where(locks.c.connection == connection))
        return None if row is None else (row.run, moment(row.since), moment(row.ends))

    def claim(self, connection: str, ref: Ref, run: str, now: datetime, ttl: timedelta) -> bool:
        """A lease on one record; False while another run holds one that has not ended."""
        free = (claims.c.ends <= moment_text(now)) | (claims.c.run == run)
        row = {
            "connection": connection,
            "side": ref.side,
            "module": ref.module,
            "id": ref.id,
            "run": run,
            "ends": moment_text(now + ttl),
        }
        return self._take_over(claims, row, ("run", "ends"), free)

    def release(self, connection: str, run: str) -> None:
        self._write(delete(claims).where(claims.c.connection == connection, claims.c.run == run))

    def claimed(self, connection: str, now: datetime, run: str) -> dict[Ref, str]:
        """Records claimed by other runs, and by which, as long as their leases have not ended."""
        rows = self._read(
            select(claims).where(claims.c.connection == connection, claims.c.ends > moment_text(now), claims.c.run != run)
        )
        return {Ref(row.side, row.module, row.id): row.run for row in rows}

    def begin_run(self, run: Run) -> None:
        """A run begins once; a second row with its id is a Bug."""
        self._write(insert(runs), [run_row(run)])

    def runs(self, connection: str | None = None, limit: int = 50) -> list[Run]:
        """Newest first."""
        statement = select(runs).order_by(runs.c.started.desc(), runs.c.id.desc()).limit(limit)
        if connection is not None:
            statement = statement.where(runs.c.connection == connection)
        return [_run(row) for row in self._read(statement)]

    def last_totals(self, connection: str, kinds: Collection[str]) -> Mapping[str, Any]:
        """What the newest of these runs that ended said of itself; nothing where there is none."""
        statement = select(runs).where(runs.c.connection == connection, runs.c.kind.in_(sorted(kinds)), runs.c.ended.is_not(None))
        row = self._one(statement.order_by(runs.c.started.desc(), runs.c.id.desc()).limit(1))
        return {} if row is None else _run(row).totals

    def connections(self) -> list[str]:
        """Names of all connections that ever had a run, sorted."""
        return [row[0] for row in self._read(select(runs.c.connection).distinct().order_by(runs.c.connection))]

    def run(self, run: str) -> Run | None:
        row = self._one(select(runs).where(runs.c.id == run))
        return None if row is None else _run(row)

    def configuration_spans(self, connection: str) -> list[tuple[str, datetime, datetime]]:
        """(configuration, begin of its first sealed run that wrote, end of its last), by their begin."""
        begin = func.min(runs.c.started)
        statement = select(runs.c.configuration, begin, func.max(runs.c.ended)).where(
            runs.c.connection == connection, runs.c.kind.in_(("sync", "apply")), runs.c.ended.is_not(None)
        )
        rows = self._read(statement.group_by(runs.c.configuration).order_by(begin))
        return [(row[0], moment(row[1]), moment(row[2])) for row in rows]

    def unsealed_runs(self, connection: str) -> list[Run]:
        """Runs that were never closed, oldest first: at work, or dead."""
        statement = select(runs).where(runs.c.connection == connection, runs.c.ended.is_(None))
        return [_run(row) for row in self._read(statement.order_by(runs.c.started, runs.c.id))]

    def add_stage(self, row: StageRow) -> None:
        self._write(
            insert(stages),
            [
                {
                    "run": row.run,
                    "stage": row.stage,
                    "entity": row.entity,
                    "started": moment_text(row.started),
                    "seconds": row.seconds,
                    "detail": exact_text(row.detail),
                }
            ],
        )

    def stages(self, run: str) -> list[StageRow]:
        """In the order in which they were added."""
        rows = self._read(select(stages).where(stages.c.run == run).order_by(stages.c.number))
        return [StageRow(row.run, row.stage, row.entity, moment(row.started), row.seconds, value_of(row.detail)) for row in rows]

    def save_configuration(self, kind: str, name: str, content: Mapping[str, Any]) -> str:
        """Content-addressed: returns its hash, stores it once (under the first kind and name that it came with)."""
        address = content_hash(dict(content))
        self._write(
            self._insert(configurations).on_conflict_do_nothing(),
            [{"hash": address, "kind": kind, "name": name, "content": exact_text(content)}],
        )
        return address

    def configuration(self, content_hash: str) -> Mapping[str, Any] | None:
        text = self._scalar(select(configurations.c.content).where(configurations.c.hash == content_hash))
        return None if text is None else _mapping(text)

    def put_survey(self, connection: str, content: Mapping[str, Any], run: str, now: datetime) -> None:
        """What both organisations look like; replaces the one before."""
        self._write(
            self._upsert(surveys, ("content", "run", "at")),
            [{"connection": connection, "content": exact_text(content), "run": run, "at": moment_text(now)}],
        )

    def survey(self, connection: str) -> tuple[Mapping[str, Any], datetime] | None:
        """The last one and when it was made."""
        row = self._one(select(surveys).where(surveys.c.connection == connection))
        return None if row is None else (_mapping(row.content), moment(row.at))

    def add_snapshot(self, connection: str, run: str, side: Side, module: str, content: Mapping[str, Any]) -> None:
        self._write(
            insert(snapshots),
            [{"connection": connection, "run": run, "side": side, "module": module, "content": exact_text(content)}],
        )

    def snapshots(self, run: str) -> list[tuple[Side, str, Mapping[str, Any]]]:
        """(side, module, what the read was), in the order of reading."""
        rows = self._read(select(snapshots).where(snapshots.c.run == run).order_by(snapshots.c.number))
        return [(row.side, row.module, _mapping(row.content)) for row in rows]


def run_row(run: Run) -> dict[str, Any]:
    """A run as the table holds it; also what its seal is made from."""
    return {
        "id": run.id,
        "connection": run.connection,
        "kind": run.kind,
        "flow": run.flow,
        "actor": run.actor,
        "started": moment_text(run.started),
        "full": run.full,
        "configuration": run.configuration,
        "code": run.code,
        "ended": moment_text_or_none(run.ended),
        "status": run.status,
        "totals": exact_text(run.totals),
    }


def _run(row: AnyRow) -> Run:
    return Run(
        id=row.id,
        connection=row.connection,
        kind=row.kind,
        flow=row.flow,
        actor=row.actor,
        started=moment(row.started),
        full=row.full,
        configuration=row.configuration,
        code=row.code,
        ended=moment_or_none(row.ended),
        status=row.status,
        totals=_mapping(row.totals),
    )


def _mapping(text: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = value_of(text)
    return content
