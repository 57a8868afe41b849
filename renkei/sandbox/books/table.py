"""Records of one kind, with the indexes, sort orders and projected rows that lists need."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

Record = dict[str, Any]
Key = Callable[[Record], Any]
Entries = tuple[tuple[str, str], ...]
_NOBODY: frozenset[str] = frozenset()
_SELECTIONS_KEPT = 16


class Order:
    """One sort order kept sorted while records come, change and go. Equal keys stay in order of arrival."""

    def __init__(self, key: Key, records: Mapping[str, Record], place: Mapping[str, int]) -> None:
        self._key = key
        self._entry = {id: (key(record), place[id], id) for id, record in records.items()}
        self.entries: list[tuple[Any, int, str]] = sorted(self._entry.values())

    def put(self, id: str, record: Record, place: int) -> None:
        entry = (self._key(record), place, id)
        old = self._entry.get(id)
        if old == entry:
            return
        if old is not None:
            del self.entries[bisect_left(self.entries, old)]
        self._entry[id] = entry
        insort(self.entries, entry)

    def drop(self, id: str) -> None:
        old = self._entry.pop(id)
        del self.entries[bisect_left(self.entries, old)]

    def slice(self, offset: int, count: int, descending: bool) -> list[str]:
        """Ids at `offset` of the order read forwards or backwards."""
        if not descending:
            return [entry[2] for entry in self.entries[offset : offset + count]]
        end = len(self.entries) - offset
        return [entry[2] for entry in reversed(self.entries[max(0, end - count) : max(0, end)])]

    def ids(self, descending: bool) -> list[str]:
        return self.slice(0, len(self.entries), descending)


class Table:
    """Records by id. `keys`: sort columns; `entries(record)`: (index, value) pairs; `project(record)`: the list row.

    `records` holds raw, detail-shaped dicts. After changing one in place call `put` again, so that orders, indexes
    and the cached row follow.
    """

    def __init__(
        self, keys: Mapping[str, Key], entries: Callable[[Record], Entries], project: Callable[[Record], Record]
    ) -> None:
        self.records: dict[str, Record] = {}
        self.keys = keys
        self._entries = entries
        self._project = project
        self._place: dict[str, int] = {}
        self._arrivals = 0
        self._orders: dict[str, Order] = {}
        self._indexed: dict[str, Entries] = {}
        self._index: dict[tuple[str, str], set[str]] = {}
        self._rows: dict[str, orjson.Fragment] = {}
        self._selections: dict[tuple[Any, ...], list[str]] = {}

    def put(self, id: str, record: Record) -> None:
        """Stores a new or changed record."""
        self._store(id, record)
        for order in self._orders.values():
            order.put(id, record, self._place[id])

    def load(self, records: Iterable[tuple[str, Record]]) -> None:
        """Stores many at once; sort orders are built again when next asked for."""
        self._orders.clear()
        for id, record in records:
            self._store(id, record)

    def touch(self, id: str) -> None:
        """Follows a change in place of a field that nothing indexes or filters but a row shows or sorts by."""
        self.put(id, self.records[id])

    def remove(self, id: str) -> Record:
        record = self.records.pop(id)
        self._forget(id)
        for order in self._orders.values():
            order.drop(id)
        del self._place[id]
        self._reindex(id, ())
        return record

    def find(self, index: str, value: str) -> set[str] | frozenset[str]:
        """Ids of the records that an index files under a value."""
        return self._index.get((index, value), _NOBODY)

    def row(self, id: str) -> orjson.Fragment:
        """The projected list row, already JSON."""
        row = self._rows.get(id)
        if row is None:
            row = self._rows[id] = orjson.Fragment(orjson.dumps(self._project(self.records[id])))
        return row

    def stale(self) -> None:
        """Forgets rows and selections: something outside the records (the date) has moved."""
        self._rows.clear()
        self._selections.clear()

    def order(self, column: str) -> Order:
        order = self._orders.get(column)
        if order is None:
            order = self._orders[column] = Order(self.keys[column], self.records, self._place)
        return order

    def select(self, column: str, descending: bool, signature: tuple[Any, ...], wanted: Callable[[Record], bool]) -> list[str]:
        """Ids that pass a filter, in order. `signature` names the filter; the answer is kept until a record changes."""
        name = (column, descending, *signature)
        found = self._selections.get(name)
        if found is None:
            records = self.records
            found = [id for id in self.order(column).ids(descending) if wanted(records[id])]
            if len(self._selections) >= _SELECTIONS_KEPT:
                del self._selections[next(iter(self._selections))]
            self._selections[name] = found
        return found

    def _store(self, id: str, record: Record) -> None:
        if id not in self.records:
            self._arrivals += 1
            self._place[id] = self._arrivals
        self.records[id] = record
        self._forget(id)
        self._reindex(id, self._entries(record))

    def _forget(self, id: str) -> None:
        self._rows.pop(id, None)
        if self._selections:
            self._selections.clear()

    def _reindex(self, id: str, entries: Entries) -> None:
        old = self._indexed.get(id, ())
        if old == entries:
            return
        for entry in old:
            bucket = self._index[entry]
            bucket.discard(id)
            if not bucket:
                del self._index[entry]
        for entry in entries:
            self._index.setdefault(entry, set()).add(id)
        if entries:
            self._indexed[id] = entries
        else:
            self._indexed.pop(id, None)
