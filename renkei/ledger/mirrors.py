"""Mirrors: what we last saw of each record, its matching keys, and whether a run must still settle it; watermarks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import and_, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from renkei.core.ports import Settled
from renkei.core.records import OPEN_OUTCOMES, Mirror, MirrorRow, Row, Watermark
from renkei.core.values import Ref, Side
from renkei.ledger.codec import (
    moment_or_none,
    moment_text,
    moment_text_or_none,
    moment_texts,
    row_text,
    texts_of_json,
    value_of,
    value_or_none,
)
from renkei.ledger.database import AnyRow, Database, PutRows
from renkei.ledger.tables import mirror_keys, mirrors, watermarks

_KEY = tuple[str, str]

_THE_RECORD = and_(
    mirrors.c.connection == bindparam("the_connection"),
    mirrors.c.side == bindparam("the_side"),
    mirrors.c.module == bindparam("the_module"),
    mirrors.c.id == bindparam("the_id"),
)
_SETTLE = (
    update(mirrors)
    .where(
        _THE_RECORD,
        mirrors.c.hash == bindparam("the_hash"),
        or_(
            mirrors.c.is_open != bindparam("new_open"),
            mirrors.c.outcome != bindparam("new_outcome"),
            mirrors.c.reason != bindparam("new_reason"),
        ),
    )
    .values(is_open=bindparam("new_open"), outcome=bindparam("new_outcome"), reason=bindparam("new_reason"))
)
_PUT_DETAIL = update(mirrors).where(_THE_RECORD).values(detail=bindparam("new_detail"), detail_stamp=bindparam("new_stamp"))


_PUT_MIRRORS = PutRows(
    mirrors,
    same=("connection", "side", "module"),
    each=("id", "stamp", "hash", "content", "in_view"),
    at_first={"is_open": True, "outcome": "", "reason": ""},
    again=("stamp", "hash", "content", "in_view", "is_open", "deleted_at"),
)


class Mirrors(Database):
    def changed(self, connection: str, side: Side, module: str, hashes: Mapping[str, str]) -> set[str]:
        """Of these ids, those without a mirror that is not deleted, or with another hash."""
        rows = self._read(
            select(mirrors.c.id, mirrors.c.hash).where(
                _of(connection, side, module), mirrors.c.deleted_at.is_(None), self._among(mirrors.c.id, hashes)
            )
        )
        known = {row.id: row.hash for row in rows}
        return {record for record, text in hashes.items() if known.get(record) != text}

    def put_mirrors(self, connection: str, side: Side, module: str, rows: Sequence[MirrorRow], now: datetime) -> None:
        """Insert or replace list rows and their keys, and open them. A detail is kept; a deletion mark is cleared.

        Where an id comes twice, the last row counts. Keys None: the keys stay as they are.
        """
        last = {row.id: row for row in rows}
        with self.transaction():
            self._put_rows(
                _PUT_MIRRORS,
                (connection, side, module),
                [(row.id, moment_text_or_none(row.stamp), row.hash, row_text(row.row), row.in_view) for row in last.values()],
            )
            self.put_keys(connection, side, module, {row.id: row.keys for row in last.values() if row.keys is not None})

    def put_list(self, connection: str, side: Side, module: str, values: Sequence[Sequence[Any]]) -> None:
        """`put_mirrors` of a read's rows, as `list_values` has them; their keys stay as they are."""
        self._put_rows(_PUT_MIRRORS, (connection, side, module), values)

    def put_keys(self, connection: str, side: Side, module: str, keys: Mapping[str, Sequence[_KEY]]) -> None:
        """Id → its (rule, value) keys, which replace those that it had; what is as it was is not written."""
        if not keys:
            return
        present: dict[str, set[_KEY]] = defaultdict(set)
        for row in self._read(
            select(mirror_keys.c.id, mirror_keys.c.rule, mirror_keys.c.value).where(
                mirror_keys.c.connection == connection,
                mirror_keys.c.side == side,
                mirror_keys.c.module == module,
                self._among(mirror_keys.c.id, keys),
            )
        ):
            present[row.id].add((row.rule, row.value))
        new: list[dict[str, str]] = []
        with self.transaction():
            for record, pairs in keys.items():
                wanted = set(pairs)
                if present[record] - wanted:
                    self._drop_keys(connection, side, module, record, present[record] - wanted)
                new.extend(
                    {"connection": connection, "side": side, "module": module, "rule": rule, "value": value, "id": record}
                    for rule, value in sorted(wanted - present[record])
                )
            self._write(insert(mirror_keys), new)

    def _drop_keys(self, connection: str, side: Side, module: str, record: str, keys: Iterable[_KEY]) -> None:
        self._write(
            delete(mirror_keys).where(
                mirror_keys.c.connection == connection,
                mirror_keys.c.side == side,
                mirror_keys.c.module == module,
                mirror_keys.c.id == bindparam("the_id"),
                mirror_keys.c.rule == bindparam("the_rule"),
                mirror_keys.c.value == bindparam("the_value"),
            ),
            [{"the_id": record, "the_rule": rule, "the_value": value} for rule, value in keys],
        )

    def put_details(self, connection: str, side: Side, module: str, rows: Sequence[tuple[str, datetime | None, Row]]) -> None:
        """(id, stamp, detail) for existing mirrors; an id without a mirror is passed over."""
        self._write(
            _PUT_DETAIL,
            [
                {
                    "the_connection": connection,
                    "the_side": side,
                    "the_module": module,
                    "the_id": record,
                    "new_detail": row_text(detail),
                    "new_stamp": moment_text_or_none(stamp),
                }
                for record, stamp, detail in rows
            ],
        )

    def mirrors(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> dict[str, Mirror]:
        """By id, deleted ones included; an id without a mirror is absent."""
        rows = self._read(select(mirrors).where(_of(connection, side, module), self._among(mirrors.c.id, ids)))
        return {row.id: _mirror(row) for row in rows}

    def mirrors_with(self, connection: str, text: str, most: int) -> list[Mirror]:
        """Those of this id first."""
        within = json.dumps(text, ensure_ascii=False)[1:-1]
        where = or_(mirrors.c.id == text, mirrors.c.content.contains(within, autoescape=True))
        statement = select(mirrors).where(mirrors.c.connection == connection, where)
        first = case((mirrors.c.id == text, 0), else_=1)
        rows = self._read(statement.order_by(first, mirrors.c.side, mirrors.c.module, mirrors.c.id).limit(most))
        return [_mirror(row) for row in rows]

    def mirror_ids(self, connection: str, side: Side, module: str) -> set[str]:
        statement = select(mirrors.c.id).where(_of(connection, side, module), mirrors.c.deleted_at.is_(None))
        return {row[0] for row in self._read(statement)}

    def mirror_count(self, connection: str, side: Side, module: str) -> int:
        """Of those not deleted."""
        return int(
            self._scalar(
                select(func.count()).select_from(mirrors).where(_of(connection, side, module), mirrors.c.deleted_at.is_(None))
            )
        )

    def known_count(self, connection: str, side: Side, module: str) -> int:
        """Of those not deleted, and of those whose deletion no run has settled yet."""
        there = or_(mirrors.c.deleted_at.is_(None), mirrors.c.is_open)
        return int(self._scalar(select(func.count()).select_from(mirrors).where(_of(connection, side, module), there)))

    def all_mirrors(self, connection: str, side: Side, module: str, chunk: int = 2000) -> Iterator[list[Mirror]]:
        """Everything not deleted, ordered by id, in chunks. Rows may be settled or put while it goes on."""
        after = ""
        while True:
            rows = self._read(
                select(mirrors)
                .where(_of(connection, side, module), mirrors.c.deleted_at.is_(None), mirrors.c.id > after)
                .order_by(mirrors.c.id)
                .limit(chunk)
            )
            if not rows:
                return
            yield [_mirror(row) for row in rows]
            after = rows[-1].id

    def open_ids(self, connection: str, side: Side, module: str) -> list[str]:
        """Ids that some run must still settle, sorted; deleted ones that nobody settled yet included."""
        statement = select(mirrors.c.id).where(_of(connection, side, module), mirrors.c.is_open.is_(True))
        return [row[0] for row in self._read(statement.order_by(mirrors.c.id))]

    def open_counts(self, connection: str) -> list[tuple[Side, str, str, str, int]]:
        """(side, module, outcome, reason, how many) of what some run must still settle, sorted. Outcome "": new or changed."""
        what = (mirrors.c.side, mirrors.c.module, mirrors.c.outcome, mirrors.c.reason)
        statement = select(*what, func.count().label("many")).where(
            mirrors.c.connection == connection, mirrors.c.is_open.is_(True)
        )
        rows = self._read(statement.group_by(*what).order_by(*what))
        return [(row.side, row.module, row.outcome, row.reason, int(row.many)) for row in rows]

    def open_refs(self, connection: str, outcome: str) -> list[tuple[Ref, str]]:
        """(record, reason) of what is open with this outcome, sorted."""
        what = (mirrors.c.side, mirrors.c.module, mirrors.c.id)
        statement = select(*what, mirrors.c.reason).where(
            mirrors.c.connection == connection, mirrors.c.is_open.is_(True), mirrors.c.outcome == outcome
        )
        return [(Ref(row.side, row.module, row.id), row.reason) for row in self._read(statement.order_by(*what))]

    def open_mirrors(self, connection: str, refs: Iterable[Ref] | None, *, side: Side, module: str) -> None:
        """Open these, whatever module they belong to; None: all of the module that are not deleted."""
        closed = mirrors.c.is_open.is_(False)
        if refs is None:
            where = [_of(connection, side, module), closed, mirrors.c.deleted_at.is_(None)]
            self._write(update(mirrors).where(*where).values(is_open=True))
            return
        with self.transaction():
            for (ref_side, ref_module), ids in by_module(refs).items():
                where = [_of(connection, ref_side, ref_module), closed, self._among(mirrors.c.id, ids)]
                self._write(update(mirrors).where(*where).values(is_open=True))

    def by_keys(
        self, connection: str, side: Side, module: str, keys: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], list[str]]:
        """Sorted ids of mirrors that are not deleted and carry the key, by key; keys that nobody carries are absent."""
        values: dict[str, set[str]] = defaultdict(set)
        for rule, value in keys:
            values[rule].add(value)
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for rule in sorted(values):
            statement = (
                select(mirror_keys.c.value, mirror_keys.c.id)
                .join(
                    mirrors,
                    and_(
                        mirrors.c.connection == mirror_keys.c.connection,
                        mirrors.c.side == mirror_keys.c.side,
                        mirrors.c.module == mirror_keys.c.module,
                        mirrors.c.id == mirror_keys.c.id,
                    ),
                )
                .where(
                    mirror_keys.c.connection == connection,
                    mirror_keys.c.side == side,
                    mirror_keys.c.module == module,
                    mirror_keys.c.rule == rule,
                    self._among(mirror_keys.c.value, values[rule]),
                    mirrors.c.deleted_at.is_(None),
                )
                .order_by(mirror_keys.c.value, mirror_keys.c.id)
            )
            for row in self._read(statement):
                found[(rule, row.value)].append(row.id)
        return dict(found)

    def settle(self, connection: str, rows: Sequence[Settled]) -> None:
        """Note each outcome on the mirror that it speaks of, unless that has moved on; nothing is written where all is
        as it was. Outcomes that leave a row open: records.OPEN_OUTCOMES."""
        self._write(
            _SETTLE,
            [
                {
                    "the_connection": connection,
                    "the_side": row.ref.side,
                    "the_module": row.ref.module,
                    "the_id": row.ref.id,
                    "the_hash": row.hash,
                    "new_open": row.outcome in OPEN_OUTCOMES,
                    "new_outcome": row.outcome,
                    "new_reason": row.reason,
                }
                for row in rows
            ],
        )

    def mark_deleted(self, connection: str, side: Side, module: str, ids: Iterable[str], now: datetime) -> None:
        """Mark as deleted and open them; one that is marked already is left alone, so that it is settled once."""
        self._write(
            update(mirrors)
            .where(_of(connection, side, module), mirrors.c.deleted_at.is_(None), self._among(mirrors.c.id, ids))
            .values(deleted_at=moment_text(now), is_open=True)
        )

    def nth_newest_stamp(self, connection: str, side: Side, module: str, n: int) -> datetime | None:
        """The stamp of the n-th newest mirror that is not deleted (1 = newest), or None when there are fewer."""
        statement = (
            select(mirrors.c.stamp)
            .where(_of(connection, side, module), mirrors.c.deleted_at.is_(None), mirrors.c.stamp.is_not(None))
            .order_by(mirrors.c.stamp.desc())
            .limit(1)
            .offset(n - 1)
        )
        return moment_or_none(self._scalar(statement))

    def watermark(self, connection: str, side: Side, module: str, entity: str) -> Watermark | None:
        row = self._one(
            select(watermarks).where(
                watermarks.c.connection == connection,
                watermarks.c.side == side,
                watermarks.c.module == module,
                watermarks.c.entity == entity,
            )
        )
        if row is None:
            return None
        full_at = moment_or_none(row.full_at)
        return Watermark(row.side, row.module, row.entity, moment_or_none(row.stamp), row.rules, full_at, row.run)

    def put_watermark(self, connection: str, watermark: Watermark, run: str) -> None:
        self._write(
            self._upsert(watermarks, ("stamp", "rules", "full_at", "run")),
            [
                {
                    "connection": connection,
                    "side": watermark.side,
                    "module": watermark.module,
                    "entity": watermark.entity,
                    "stamp": moment_text_or_none(watermark.stamp),
                    "rules": watermark.rules,
                    "full_at": moment_text_or_none(watermark.full_at),
                    "run": run,
                }
            ],
        )


def list_values(rows: pd.DataFrame) -> list[tuple[Any, ...]]:
    """The rows of ports.Ledger.put_read as `Mirrors.put_list` puts them."""
    columns = (
        rows["id"].tolist(),
        moment_texts(rows["stamp"]),
        rows["hash"].tolist(),
        texts_of_json(rows["content"]),
        rows["in_view"].tolist(),
    )
    return [*zip(*columns, strict=True)]


def by_module(refs: Iterable[Ref]) -> dict[tuple[Side, str], list[str]]:
    """Ids by side and module."""
    grouped: dict[tuple[Side, str], list[str]] = defaultdict(list)
    for ref in refs:
        grouped[(ref.side, ref.module)].append(ref.id)
    return dict(grouped)


def _of(connection: str, side: Side, module: str) -> ColumnElement[bool]:
    return and_(mirrors.c.connection == connection, mirrors.c.side == side, mirrors.c.module == module)


def _mirror(row: AnyRow) -> Mirror:
    return Mirror(
        ref=Ref(row.side, row.module, row.id),
        stamp=moment_or_none(row.stamp),
        hash=row.hash,
        row=value_of(row.content),
        detail=value_or_none(row.detail),
        detail_stamp=moment_or_none(row.detail_stamp),
        in_view=row.in_view,
        open=row.is_open,
        outcome=row.outcome,
        reason=row.reason,
        deleted_at=moment_or_none(row.deleted_at),
    )
