"""Evidence: outcomes chained within their run, and the seals that chain the runs.

    row   hash = sha256(previous ‖ canonical JSON of the row's fields ‖ content), content = sha256(salt ‖ detail)
    seal  hash = sha256(previous ‖ canonical JSON of number, run, connection, rows, head, summary, ended)

The detail may hold personal data, so it stands apart in `contents`, from which an erasure may take it away; the chain
needs only its hash, and the random salt keeps the hash from giving the detail away. Source: design.md section 5.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Engine, and_, func, insert, select, text, update

from renkei.core.errors import Bug
from renkei.core.records import OutcomeRow
from renkei.core.values import Ref, canonical_json
from renkei.ledger.codec import exact_text, moment, moment_text, value_of
from renkei.ledger.database import AnyRow, Database, columns
from renkei.ledger.tables import contents, erasures, outcome_records, outcomes, runs, seals

START = "0" * 64
CHUNK = 2000
_SALT_BYTES = 16


def new_salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)


@dataclass(slots=True)
class Records:
    """Records of the rows of one stretch of a run, by row number, in order."""

    by_number: dict[int, list[tuple[str, str, str]]]

    def of(self, number: int) -> list[tuple[str, str, str]]:
        return self.by_number.get(number, [])


def content_digest(salt: bytes, content: str) -> str:
    return hashlib.sha256(salt + content.encode("utf-8", "surrogatepass")).hexdigest()


def row_hash(row: Mapping[str, Any], records: Sequence[tuple[str, str, str]]) -> str:
    """The hash of an outcome from its columns (all but `hash`) and its records as (side, module, id)."""
    fields = [
        row["connection"],
        row["run"],
        row["number"],
        row["kind"],
        row["entity"],
        [":".join(record) for record in records],
        row["outcome"],
        row["reason"],
        row["at"],
        row["actor"],
    ]
    return _chained(row["previous"], plain_json(fields) + row["content"])


def seal_hash(row: Mapping[str, Any]) -> str:
    """The hash of a seal from its columns (all but `hash`)."""
    fields = [row[name] for name in ("number", "run", "connection", "rows", "head", "summary", "ended")]
    return _chained(row["previous"], canonical_json(fields))


def run_summary(row: Mapping[str, Any]) -> str:
    """The hash of a sealed run's own row, from its columns."""
    return hashlib.sha256(canonical_json(dict(sorted(row.items()))).encode()).hexdigest()


def plain_json(fields: list[Any]) -> str:
    """core.values.canonical_json of texts and whole numbers, several times as fast."""
    try:
        return orjson.dumps(fields).decode()
    except orjson.JSONEncodeError:  # a lone surrogate
        return canonical_json(fields)


def _chained(previous: str, words: str) -> str:
    return hashlib.sha256((previous + words).encode("utf-8", "surrogatepass")).hexdigest()


class Evidence(Database):
    def __init__(self, engine: Engine, salt: Callable[[], bytes] = new_salt) -> None:
        super().__init__(engine)
        self._salt = salt

    def append(self, connection: str, run: str, rows: Sequence[OutcomeRow]) -> None:
        """Append evidence, chained within the run. An unknown run, another connection's or a sealed one is a Bug."""
        if not rows:
            return
        with self.transaction():
            self._unsealed(connection, run)
            last = self._one(
                select(outcomes.c.number, outcomes.c.hash)
                .where(outcomes.c.run == run)
                .order_by(outcomes.c.number.desc())
                .limit(1)
            )
            number, previous = (0, START) if last is None else (last.number, last.hash)
            evidence: list[dict[str, Any]] = []
            spoken_of: list[dict[str, Any]] = []
            kept: list[dict[str, Any]] = []
            for row in rows:
                number += 1
                at = {"run": run, "number": number}
                digest = ""
                if row.detail:
                    salt, content = self._salt(), exact_text(row.detail)
                    digest = content_digest(salt, content)
                    kept.append({**at, "salt": salt, "content": content})
                records = [(ref.side, ref.module, ref.id) for ref in row.records]
                spoken_of.extend(
                    {**at, "position": place, "connection": connection, "side": side, "module": module, "id": record}
                    for place, (side, module, record) in enumerate(records)
                )
                written = {
                    **at,
                    "connection": connection,
                    "kind": row.kind,
                    "entity": row.entity,
                    "outcome": row.outcome,
                    "reason": row.reason,
                    "at": moment_text(row.at),
                    "actor": row.actor,
                    "content": digest,
                    "previous": previous,
                }
                previous = written["hash"] = row_hash(written, records)
                evidence.append(written)
            self._write(insert(outcomes), evidence)
            self._write(insert(outcome_records), spoken_of)
            self._write(insert(contents), kept)

    def _unsealed(self, connection: str, run: str) -> Mapping[str, Any]:
        """The run's row, locked until the transaction ends."""
        row = self._one(select(runs).where(runs.c.id == run).with_for_update())
        if row is None or row.connection != connection:
            raise Bug(f"The run {run} was never begun for {connection}.")
        if row.ended is not None:
            raise Bug(f"The run {run} is sealed and takes no more rows.")
        return columns(row)

    def seal_run(self, run: str, status: str, totals: Mapping[str, Any], ended: datetime) -> None:
        """Close the run and chain its head to the ledger's. A run that is sealed already is a Bug."""
        with self.transaction():
            connection = self._scalar(select(runs.c.connection).where(runs.c.id == run))
            begun = self._unsealed(connection or "", run)
            closed = {"ended": moment_text(ended), "status": status, "totals": exact_text(totals)}
            self._write(update(runs).where(runs.c.id == run).values(**closed))
            if not self._is_sqlite:  # SQLite's BEGIN IMMEDIATE lets one writer in
                self._execute(text("LOCK TABLE seals IN EXCLUSIVE MODE"))
            before = self._one(select(seals.c.number, seals.c.hash).order_by(seals.c.number.desc()).limit(1))
            last = self._one(
                select(outcomes.c.number, outcomes.c.hash)
                .where(outcomes.c.run == run)
                .order_by(outcomes.c.number.desc())
                .limit(1)
            )
            seal = {
                "number": 1 if before is None else before.number + 1,
                "run": run,
                "connection": connection,
                "rows": 0 if last is None else last.number,
                "head": START if last is None else last.hash,
                "summary": run_summary({**begun, **closed}),
                "ended": closed["ended"],
                "previous": START if before is None else before.hash,
            }
            self._write(insert(seals), [{**seal, "hash": seal_hash(seal)}])

    def outcomes(self, run: str, kind: str | None = None) -> Iterator[OutcomeRow]:
        """In the order of writing, read in chunks. An erased detail comes back empty."""
        after = 0
        while True:
            rows = self.stretch(run, after, kind)
            if not rows:
                return
            records = self.records_between(run, after, rows[-1].number)
            for row in rows:
                yield _outcome(row, tuple(_ref(record) for record in records.of(row.number)))
            after = rows[-1].number

    def outcome_count(self, run: str, kind: str) -> int:
        """Rows of evidence of one kind."""
        return int(self._scalar(select(func.count()).select_from(outcomes).where(outcomes.c.run == run, outcomes.c.kind == kind)))

    def stretch(self, run: str, after: int, kind: str | None = None) -> Sequence[AnyRow]:
        """The next rows of a run with their salts and details (`kept`; null where there is none)."""
        statement = (
            select(outcomes, contents.c.salt, contents.c.content.label("kept"))
            .join(
                contents,
                and_(contents.c.run == outcomes.c.run, contents.c.number == outcomes.c.number),
                isouter=True,
            )
            .where(outcomes.c.run == run, outcomes.c.number > after)
        )
        if kind is not None:
            statement = statement.where(outcomes.c.kind == kind)
        return self._read(statement.order_by(outcomes.c.number).limit(CHUNK))

    def records_between(self, run: str, after: int, until: int) -> Records:
        """The records of the rows after < number ≤ until."""
        grouped: dict[int, list[tuple[str, str, str]]] = {}
        for row in self._read(
            select(outcome_records)
            .where(outcome_records.c.run == run, outcome_records.c.number > after, outcome_records.c.number <= until)
            .order_by(outcome_records.c.number, outcome_records.c.position)
        ):
            grouped.setdefault(row.number, []).append((row.side, row.module, row.id))
        return Records(grouped)

    def story(self, connection: str, ref: Ref) -> list[tuple[str, OutcomeRow]]:
        """(run, evidence) of a record, oldest first. A grouped row is told as if it spoke of this record alone; of one whose
        detail was erased, the detail is `erased`: who, why and when."""
        statement = (
            select(outcomes, contents.c.content.label("kept"), erasures.c.who, erasures.c.why, erasures.c.at.label("erased_at"))
            .join(
                outcome_records,
                and_(outcome_records.c.run == outcomes.c.run, outcome_records.c.number == outcomes.c.number),
            )
            .join(
                contents,
                and_(contents.c.run == outcomes.c.run, contents.c.number == outcomes.c.number),
                isouter=True,
            )
            .join(erasures, and_(erasures.c.run == outcomes.c.run, erasures.c.number == outcomes.c.number), isouter=True)
            .where(
                outcome_records.c.connection == connection,
                outcome_records.c.side == ref.side,
                outcome_records.c.module == ref.module,
                outcome_records.c.id == ref.id,
            )
            .order_by(outcomes.c.at, outcomes.c.run, outcomes.c.number)
        )
        told = []
        for row in self._read(statement):
            one = _outcome(row, (ref,))
            if row.erased_at is not None:
                one = replace(one, detail={"erased": {"who": row.who, "why": row.why, "at": row.erased_at}})
            told.append((row.run, one))
        return told


def _ref(record: tuple[str, str, str]) -> Ref:
    return Ref("crm" if record[0] == "crm" else "books", record[1], record[2])


def _outcome(row: AnyRow, records: tuple[Ref, ...]) -> OutcomeRow:
    return OutcomeRow(
        kind=row.kind,
        entity=row.entity,
        records=records,
        outcome=row.outcome,
        reason=row.reason,
        at=moment(row.at),
        actor=row.actor,
        detail={} if row.kept is None else value_of(row.kept),
    )
