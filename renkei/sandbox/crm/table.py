"""The records of one module with the indexes that make pages, COQL and duplicate checks quick."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from renkei.sandbox.crm.fields import DUPLICATE_CHECK_FIELD, Field
from renkei.sandbox.crm.stamps import epoch

Record = dict[str, Any]


@dataclass(slots=True)
class Deleted:
    """A record in the recycle bin (`record` kept), or purged (`record` None). `at`: epoch seconds."""

    id: str
    at: int
    by: str
    name: str
    record: Record | None


@dataclass(slots=True)
class View:
    """A custom view. `criteria`: CRM criteria JSON (`{"comparator","field":{"api_name"},"value"}` or groups), or None."""

    id: str
    name: str
    system_name: str | None
    criteria: dict[str, Any] | None
    fields: list[str] = field(default_factory=list)


class Table:
    """Live and deleted records of a module. Values are JSON-ready; lookups and owners are stored as {"id": ...}."""

    def __init__(self, module: str, fields: dict[str, Field]) -> None:
        self.module = module
        self.records: dict[str, Record] = {}
        self.order: list[str] = []
        self.deleted: dict[str, Deleted] = {}
        self.views: dict[str, View] = {}
        self.version = 0
        self._modified: dict[str, int] = {}
        self._log: list[tuple[int, str]] = []
        self._check_field = DUPLICATE_CHECK_FIELD.get(module, "Name")
        self._unique: dict[str, dict[str, str]] = {}
        self._check: dict[str, dict[str, None]] = {}
        self._parents: dict[str, dict[str, dict[str, None]]] = {}
        self.set_fields(fields)

    def set_fields(self, fields: dict[str, Field]) -> None:
        """Takes a new field list and rebuilds the indexes that hang on it."""
        self.fields = fields
        self.lookups = tuple(f.name for f in fields.values() if f.type == "lookup")
        self.subforms = tuple(f.name for f in fields.values() if f.type == "subform")
        self.uniques = tuple(f.name for f in fields.values() if f.unique or f.external)
        self._unique = {name: {} for name in self.uniques}
        self._parents = {name: {} for name in self.lookups}
        self._check = {}
        for record in self.records.values():
            self._index(record)

    def insert(self, record: Record) -> None:
        """Takes in a whole record (id, Created_Time and Modified_Time set)."""
        id = record["id"]
        self.records[id] = record
        if not self.order or id > self.order[-1]:
            self.order.append(id)
        else:
            insort(self.order, id)
        self._index(record)
        self._touch(id, record["Modified_Time"])

    def update(self, id: str, changes: Record) -> Record:
        """Puts the changes on a record and returns it."""
        record = self.records[id]
        self._unindex(record)
        record.update(changes)
        self._index(record)
        if "Modified_Time" in changes:
            self._touch(id, record["Modified_Time"])
        return record

    def remove(self, id: str) -> Record:
        """Takes a record out of the live ones."""
        record = self.records.pop(id)
        del self.order[bisect_left(self.order, id)]
        del self._modified[id]
        self._unindex(record)
        self.version += 1
        return record

    def modified_epoch(self, id: str) -> int:
        return self._modified[id]

    def modified_between(self, low: int, high: int) -> list[str]:
        """Ids modified at an epoch second from `low` to `high` (both included), oldest first."""
        start = bisect_left(self._log, (low, ""))
        modified = self._modified
        found = []
        for at, id in self._log[start:]:
            if at > high:
                break
            if modified.get(id) == at:
                found.append(id)
        return list(dict.fromkeys(found))

    def modified_count(self, low: int, high: int) -> int:
        """At least how many ids `modified_between` gives."""
        return bisect_left(self._log, (high + 1, "")) - bisect_left(self._log, (low, ""))

    def ids_above(self, id: str, *, equal: bool) -> int:
        """Position in `order` of the first id above (or at) this one."""
        return bisect_left(self.order, id) if equal else bisect_right(self.order, id)

    def holder(self, name: str, value: Any) -> str | None:
        """The id of the live record with this value in a unique field (case does not matter)."""
        return self._unique[name].get(fold(value))

    def with_check_value(self, value: Any) -> list[str]:
        """Ids of the records with this value in the module's system duplicate check field, oldest first."""
        return list(self._check.get(fold(value), ()))

    def children(self, lookup: str, parent: str) -> Iterable[str]:
        """Ids of the records whose lookup field points at `parent`."""
        return self._parents[lookup].get(parent, ())

    def _touch(self, id: str, stamp: str) -> None:
        at = epoch(stamp)
        if self._modified.get(id) != at:
            self._modified[id] = at
            row = (at, id)
            if not self._log or row >= self._log[-1]:
                self._log.append(row)
            else:
                insort(self._log, row)
            if len(self._log) > 3 * len(self._modified) + 1000:
                self._log = sorted((at, id) for id, at in self._modified.items())
        self.version += 1

    def _index(self, record: Record) -> None:
        id = record["id"]
        for name in self.uniques:
            value = record.get(name)
            if value is not None:
                self._unique[name][fold(value)] = id
        value = record.get(self._check_field)
        if value is not None:
            self._check.setdefault(fold(value), {})[id] = None
        for name in self.lookups:
            parent = record.get(name)
            if parent is not None:
                self._parents[name].setdefault(parent["id"], {})[id] = None

    def _unindex(self, record: Record) -> None:
        id = record["id"]
        for name in self.uniques:
            value = record.get(name)
            if value is not None and self._unique[name].get(fold(value)) == id:
                del self._unique[name][fold(value)]
        value = record.get(self._check_field)
        if value is not None:
            self._check[fold(value)].pop(id, None)
        for name in self.lookups:
            parent = record.get(name)
            if parent is not None:
                self._parents[name][parent["id"]].pop(id, None)

    def __iter__(self) -> Iterator[Record]:
        records = self.records
        return (records[id] for id in self.order)


def fold(value: Any) -> str:
    """How unique values are compared: as text, without regard to case."""
    return str(value).casefold()
