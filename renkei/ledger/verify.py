"""Recompute every chain and name the first row that was touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import and_, select, true

from renkei.core.ports import Verification
from renkei.ledger.database import AnyRow, columns
from renkei.ledger.evidence import START, Evidence, Records, content_digest, row_hash, run_summary, seal_hash
from renkei.ledger.tables import contents, erasures, outcome_records, outcomes, runs, seals


class _Broken(Exception):
    """A row that was touched; its words say run, number and what is wrong."""


class Verifying(Evidence):
    def verify(self) -> Verification:
        """Recompute every chain: seals first, then each run's rows with their records and details.

        Details that an erasure names may be gone. What this cannot see: rows cut off the end of a run that is not
        sealed, and the newest runs cut off together with their seals; for that, keep the last seal's hash elsewhere.
        """
        checked, of_runs = 0, 0
        try:
            self._check_seals()
            for run in self._runs_in_order():
                for number in self._check_run(run):
                    checked += number
                of_runs += 1
            self._check_strays()
        except _Broken as broken:
            return Verification(checked, of_runs, str(broken))
        return Verification(checked, of_runs)

    def verify_newest(self) -> Verification:
        """Recompute the newest seal and the chain of its run alone: cheap, whatever the ledger's size."""
        try:
            seal = self._one(select(seals).order_by(seals.c.number.desc()).limit(1))
            if seal is None:
                return Verification(0, 0)
            self._check_seal(seal)
            run = next(one for one in self._runs_in_order(seal.run))
            return Verification(sum(self._check_run(run)), 1)
        except _Broken as broken:
            return Verification(0, 0, str(broken))

    def _check_seals(self) -> None:
        """Each seal follows the one before, and its run stands as it was sealed."""
        previous, expected = START, 1
        for seal in self._read(select(seals).order_by(seals.c.number)):
            if seal.number != expected:
                raise _Broken(f"Seal {expected} is missing.")
            if seal.previous != previous:
                raise _Broken(f"Seal {seal.number} (run {seal.run}) does not follow the seal before it.")
            self._check_seal(seal)
            previous, expected = seal.hash, expected + 1

    def _check_seal(self, seal: AnyRow) -> None:
        if seal_hash(columns(seal)) != seal.hash:
            raise _Broken(f"Seal {seal.number} (run {seal.run}) was altered.")
        run = self._one(select(runs).where(runs.c.id == seal.run))
        if run is None:
            raise _Broken(f"Run {seal.run} was sealed (seal {seal.number}) and is missing.")
        if run_summary(columns(run)) != seal.summary:
            raise _Broken(f"Run {seal.run}: its own row was altered after it was sealed.")

    def _runs_in_order(self, run: str | None = None) -> Sequence[AnyRow]:
        """(id, connection, ended, seal's rows and head), sealed ones in the order of sealing, then the others; or one run."""
        wanted = runs.c.id == run if run is not None else true()
        return self._read(
            select(runs.c.id, runs.c.connection, runs.c.ended, seals.c.rows, seals.c.head)
            .join(seals, seals.c.run == runs.c.id, isouter=True)
            .where(wanted)
            .order_by(seals.c.number.is_(None), seals.c.number, runs.c.started, runs.c.id)
        )

    def _check_run(self, run: AnyRow) -> Iterator[int]:
        """Yields how many rows were found whole, stretch by stretch."""
        if run.ended is not None and run.head is None:
            raise _Broken(f"Run {run.id} has ended and its seal is missing.")
        number, head = 0, START
        while rows := self.stretch(run.id, number):
            records = self.records_between(run.id, number, rows[-1].number)
            erased = self._erased_between(run.id, number, rows[-1].number)
            for row in rows:
                self._check_row(run, row, number + 1, head, records, row.number in erased)
                number, head = row.number, row.hash
            yield len(rows)
        if run.head is None:
            return
        if number < run.rows:
            raise _Broken(f"Run {run.id}, row {number + 1}: missing; the run was sealed with {run.rows} rows.")
        if number > run.rows:
            raise _Broken(f"Run {run.id}, row {run.rows + 1}: added after the run was sealed.")
        if head != run.head:
            raise _Broken(f"Run {run.id}, row {number}: is not the row that the run was sealed with.")

    def _check_row(self, run: AnyRow, row: AnyRow, expected: int, previous: str, records: Records, erased: bool) -> None:
        where = f"Run {run.id}, row {expected}"
        if row.number != expected:
            raise _Broken(f"{where}: missing.")
        if row.previous != previous:
            raise _Broken(f"{where}: does not follow the row before it.")
        if row.connection != run.connection or row_hash(columns(row), records.of(row.number)) != row.hash:
            raise _Broken(f"{where}: was altered.")
        if row.kept is None:
            if row.content and not erased:
                raise _Broken(f"{where}: its content is missing and no erasure names it.")
        elif not row.content:
            raise _Broken(f"{where}: a content was added to it.")
        elif content_digest(bytes(row.salt), row.kept) != row.content:
            raise _Broken(f"{where}: its content was altered.")

    def _erased_between(self, run: str, after: int, until: int) -> set[int]:
        statement = select(erasures.c.number).where(erasures.c.run == run, erasures.c.number > after, erasures.c.number <= until)
        return {row[0] for row in self._read(statement)}

    def _check_strays(self) -> None:
        """Nothing stands beside the chains: no rows of unknown runs, no records or contents of unknown rows."""
        lost = self._one(
            select(outcomes.c.run, outcomes.c.number)
            .join(runs, runs.c.id == outcomes.c.run, isouter=True)
            .where(runs.c.id.is_(None))
            .order_by(outcomes.c.run, outcomes.c.number)
            .limit(1)
        )
        if lost is not None:
            raise _Broken(f"Run {lost.run} has rows and is missing.")
        for table, word in ((outcome_records, "a record"), (contents, "a content")):
            stray = self._one(
                select(table.c.run, table.c.number)
                .join(outcomes, and_(outcomes.c.run == table.c.run, outcomes.c.number == table.c.number), isouter=True)
                .where(outcomes.c.run.is_(None))
                .order_by(table.c.run, table.c.number)
                .limit(1)
            )
            if stray is not None:
                raise _Broken(f"Run {stray.run}, row {stray.number}: missing, though {word} of it is there.")
        misplaced = self._one(
            select(outcome_records.c.run, outcome_records.c.number)
            .join(runs, runs.c.id == outcome_records.c.run)
            .where(outcome_records.c.connection != runs.c.connection)
            .order_by(outcome_records.c.run, outcome_records.c.number)
            .limit(1)
        )
        if misplaced is not None:
            raise _Broken(f"Run {misplaced.run}, row {misplaced.number}: a record of it was given to another connection.")
