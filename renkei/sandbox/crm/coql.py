"""POST /crm/v8/coql: answering a query from the tables (crm-v8.md section 4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from renkei.sandbox.crm import errors
from renkei.sandbox.crm.call import NO_CONTENT, Answer, Call
from renkei.sandbox.crm.coql_syntax import Column, Condition, Criterion, Pair, Query, parse
from renkei.sandbox.crm.criteria import ID, LOOKUPS, NUMBERS, Getter, Predicate, compare, getter, literal, view_predicate
from renkei.sandbox.crm.fields import Field
from renkei.sandbox.crm.render import column, plain
from renkei.sandbox.crm.table import Record, Table

_TEXT = ("=", "!=", "like", "not like", "in", "not in", "is null", "is not null")
_LOOKUP = ("=", "!=", "in", "not in", "is null", "is not null")
_ORDERED = ("=", "!=", ">=", ">", "<=", "<", "between", "not between", "in", "not in", "is null", "is not null")
_USER_FIELDS = {name: Field(name) for name in ("first_name", "last_name", "full_name", "email", "status")}
FAR = 1 << 62


def cost(call: Call) -> int:
    """Credits by the LIMIT asked: 1 up to 200, 2 up to 1000, else 3."""
    limit = _query(call).limit
    return 1 if limit <= 200 else 2 if limit <= 1000 else 3


def query(call: Call) -> Answer:
    """Rows of a select query; 204 when there are none."""
    asked = _query(call)
    table = call.state.tables.get(asked.module)
    if table is None:
        raise _invalid("invalid query formed", module=asked.module)
    module = asked.module
    scopes = [f"ZohoCRM.modules.{module}.READ"]
    if call.state.is_custom(module):
        scopes.append("ZohoCRM.modules.custom.READ")
    if not call.token.allows(*scopes):
        raise errors.scope_mismatch()
    call.names["module"] = module
    call.permit("View")
    run = _Run(call, table, asked)
    data, more = run.groups() if run.grouped else run.rows()
    if not data:
        return Answer(NO_CONTENT)
    return Answer(200, {"data": data, "info": {"count": len(data), "more_records": more}}, rows=len(data))


def _query(call: Call) -> Query:
    if call.query is None:
        text = call.json.get("select_query")
        if not isinstance(text, str):
            details = {"api_name": "select_query", "json_path": "$.select_query"}
            raise errors.Refusal("MANDATORY_NOT_FOUND", "required field not found", details)
        call.query = parse(text)
    return call.query


def _invalid(message: str, **details: Any) -> errors.Refusal:
    return errors.Refusal("INVALID_QUERY", message, details)


class _Run:
    """One query against one table."""

    def __init__(self, call: Call, table: Table, asked: Query) -> None:
        self.call = call
        self.state = call.state
        self.table = table
        self.asked = asked
        self.grouped = bool(asked.group_by) or any(column.aggregate for column in asked.columns)
        self.predicate = self._predicate(asked.where)
        if asked.view is not None:
            view = table.views.get(asked.view)
            if view is None:
                raise _invalid("invalid query formed", module=f"{asked.module}#{asked.view}")
            inner, own = view_predicate(self.state, table, view.criteria), self.predicate
            if inner is not None:
                self.predicate = lambda record: own(record) and inner(record)

    # -- columns ---------------------------------------------------------------------------------------------------

    def _field(self, path: str) -> tuple[Field, list[Field], Table | None]:
        """The field at the end of a dotted path, the lookups that lead to it, and the table that holds it."""
        *steps, last = path.split(".")
        table: Table | None = self.table
        hops: list[Field] = []
        for step in steps:
            hop = table.fields.get(step) if table is not None else None
            if hop is None or hop.type not in ("lookup", "ownerlookup"):
                raise _invalid("column given seems to be invalid", column_name=path)
            hops.append(hop)
            table = self.state.tables[hop.lookup] if hop.type == "lookup" and hop.lookup else None
        fields = table.fields if table is not None else _USER_FIELDS
        found = ID if last == "id" else fields.get(last)
        if found is None or found.type == "subform":
            raise _invalid("column given seems to be invalid", column_name=path)
        return found, hops, table

    def _through(self, hops: list[Field], value: Callable[[Record], Any]) -> Callable[[Record], Any]:
        """Reads a value at the far end of lookups; None where a lookup is empty or its record is gone."""
        stores = [
            self.state.tables[hop.lookup].records if hop.type == "lookup" and hop.lookup else self.state.users for hop in hops
        ]
        steps = list(zip([hop.name for hop in hops], stores, strict=True))

        def read(record: Record) -> Any:
            for name, store in steps:
                pointer = record.get(name)
                target = store.get(pointer["id"]) if pointer else None
                if target is None:
                    return None
                record = target
            return value(record)

        return read if hops else value

    def _getter(self, path: str) -> tuple[Field, Getter]:
        field, hops, table = self._field(path)
        return field, self._through(hops, getter(table if table is not None else self.table, field))

    def _shown(self, path: str) -> tuple[Callable[[Record], Any], bool]:
        """How a column is answered, and whether a plain `record.get(path)` does."""
        field, hops, table = self._field(path)
        if field is ID or table is None:
            return self._through(hops, lambda record: record.get(field.name)), not hops
        if field.type == "text_array" and hops:
            raise _invalid("data type not supported", column_name=path)
        value = column(self.state, table.module, field, self.call.zone, names=False)
        return self._through(hops, value), not hops and plain(field, self.state, self.call.zone)

    # -- conditions ------------------------------------------------------------------------------------------------

    def _predicate(self, where: Condition) -> Predicate:
        if isinstance(where, Pair):
            left, right = self._predicate(where.left), self._predicate(where.right)
            if where.operator == "and":
                return lambda record: left(record) and right(record)
            return lambda record: left(record) or right(record)
        field, get = self._getter(where.path)
        self._check_comparator(where, field)
        if where.comparator in ("like", "not like"):
            return self._like(where, get)
        return compare(get, where.comparator, self._operand(where, field))

    def _check_comparator(self, criterion: Criterion, field: Field) -> None:
        if field.type in ("textarea", "text_array"):
            raise _invalid("data type not supported", column_name=criterion.path, data_type=field.type)
        if field.type == "boolean":
            allowed: tuple[str, ...] = ("=",)
        elif field.type in NUMBERS or field.type in ("date", "datetime") or field is ID:
            allowed = _ORDERED
        else:
            allowed = _LOOKUP if field.type in LOOKUPS else _TEXT
        if criterion.comparator not in allowed:
            details = {"column_name": criterion.path, "operator": criterion.comparator, "data_type": field.type}
            raise _invalid("invalid query formed", **details)

    def _operand(self, criterion: Criterion, field: Field) -> Any:
        value = criterion.value
        try:
            if value is None:
                return None
            if isinstance(value, list):
                return [literal(self.state, field, item) for item in value]
            if isinstance(value, tuple):
                return literal(self.state, field, value[0]), literal(self.state, field, value[1])
            return literal(self.state, field, value)
        except ValueError:
            details = {"column_name": criterion.path, "expected_data_type": field.json_type}
            raise _invalid("value given seems to be invalid for the column", **details) from None

    @staticmethod
    def _like(criterion: Criterion, get: Getter) -> Predicate:
        pattern = str(criterion.value).casefold()
        core = pattern.strip("%")
        both = pattern.startswith("%") and pattern.endswith("%") and len(pattern) > 1
        if criterion.comparator == "not like":
            if not both:
                raise _invalid("value given seems to be invalid for the column", column_name=criterion.path)
            return compare(get, "not contains", core)
        if both:
            return compare(get, "contains", core)
        if pattern.endswith("%"):
            return compare(get, "starts_with", core)
        return compare(get, "ends_with", core) if pattern.startswith("%") else compare(get, "=", core)

    # -- rows ------------------------------------------------------------------------------------------------------

    def rows(self) -> tuple[list[dict[str, Any]], bool]:
        asked = self.asked
        end = asked.offset + asked.limit
        found = list(islice(self._matching(), asked.offset, end + 1))
        return self._project(found[: asked.limit]), len(found) > asked.limit

    def _matching(self) -> Iterator[Record]:
        """Matching records in the order asked; default id ascending."""
        order = self.asked.order_by or [("id", False)]
        if order[0][0] == "id":
            return filter(self.predicate, self._candidates(descending=order[0][1]))
        found = list(filter(self.predicate, self._candidates(descending=False)))
        for path, descending in reversed(order):
            field, get = self._getter(path)
            if field.type in ("textarea", "text_array"):
                raise _invalid("data type not supported", column_name=path)
            found.sort(key=lambda record, get=get: _sortable(get(record)), reverse=descending)  # type: ignore[misc]
        return iter(found)

    def _candidates(self, *, descending: bool) -> Iterator[Record]:
        """A superset of the matching records in id order, as small as the indexes allow."""
        table = self.table
        low, high = 0, len(table.order)
        few: list[str] | None = None
        for criterion in _and_criteria(self.asked.where):
            if criterion.path == "id":
                low, high = self._id_range(criterion, low, high)
            else:
                ids = self._indexed(criterion, high - low)
                if ids is not None and (few is None or len(ids) < len(few)):
                    few = ids
        records = table.records
        if few is not None:
            return (records[id] for id in sorted(few, reverse=descending))
        span: Iterable[int] = range(high - 1, low - 1, -1) if descending else range(low, high)
        order = table.order
        return (records[order[n]] for n in span)

    def _id_range(self, criterion: Criterion, low: int, high: int) -> tuple[int, int]:
        if criterion.comparator in (">", ">="):
            id = str(criterion.value).zfill(19)
            low = max(low, self.table.ids_above(id, equal=criterion.comparator == ">="))
        elif criterion.comparator in ("<", "<="):
            id = str(criterion.value).zfill(19)
            high = min(high, self.table.ids_above(id, equal=criterion.comparator == "<"))
        elif criterion.comparator in ("=", "in"):
            values = criterion.value if isinstance(criterion.value, list) else [criterion.value]
            ids = [str(value).zfill(19) for value in values]
            low = max(low, bisect_left(self.table.order, min(ids)))
            high = min(high, self.table.ids_above(max(ids), equal=False))
        return low, max(low, high)

    def _indexed(self, criterion: Criterion, span: int) -> list[str] | None:
        """The ids that can fit a criterion, where an index knows them and they are few; else None."""
        table, field = self.table, self.table.fields.get(criterion.path)
        if field is None or criterion.comparator not in ("=", "in", ">", ">=", "between"):
            return None
        values = criterion.value if isinstance(criterion.value, list) else [criterion.value]
        if field.name == "Modified_Time" and criterion.comparator in (">", ">=", "between"):
            ends = criterion.value if isinstance(criterion.value, tuple) else (criterion.value, None)
            first = self.state.reader_epoch(ends[0])
            last = FAR if ends[1] is None else self.state.reader_epoch(ends[1])
            few = table.modified_count(first, last) * 4 < span
            return table.modified_between(first, last) if few else None
        if criterion.comparator not in ("=", "in"):
            return None
        if field.name in table.uniques:
            return [id for value in values if (id := table.holder(field.name, value)) is not None]
        if field.type == "lookup":
            return [id for value in values for id in table.children(field.name, str(value).zfill(19))]
        return None

    def _project(self, records: list[Record]) -> list[dict[str, Any]]:
        simple: list[tuple[str, str]] = [("id", "id")]
        special: list[tuple[str, Callable[[Record], Any]]] = []
        for selected in self.asked.columns:
            value, is_plain = self._shown(selected.path)
            if is_plain:
                simple.append((selected.key, selected.path))
            else:
                special.append((selected.key, value))
        rows = []
        for record in records:
            get = record.get
            row = {key: get(name) for key, name in simple}
            for key, read in special:
                row[key] = read(record)
            rows.append(row)
        return rows

    # -- aggregates --------------------------------------------------------------------------------------------------

    def groups(self) -> tuple[list[dict[str, Any]], bool]:
        """Aggregates, one row a group; every plain column must be grouped by."""
        asked = self.asked
        for selected in asked.columns:
            if selected.aggregate is None and selected.path not in asked.group_by:
                raise _invalid("column given seems to be invalid", column_name=selected.path)
        keys = [self._getter(path)[1] for path in asked.group_by]
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for record in filter(self.predicate, self._candidates(descending=False)):
            groups.setdefault(tuple(key(record) for key in keys), []).append(record)
        if not asked.group_by and not groups:
            groups[()] = []
        rows = [self._group_row(records) for records in groups.values()]
        for path, descending in reversed(asked.order_by):
            keyed = [selected.key for selected in asked.columns if path in (selected.path, selected.key)]
            if not keyed:
                raise _invalid("column given seems to be invalid", column_name=path)
            rows.sort(key=lambda row, key=keyed[0]: _sortable(row[key]), reverse=descending)  # type: ignore[misc]
        end = asked.offset + asked.limit
        return rows[asked.offset : end], len(rows) > end

    def _group_row(self, records: list[Record]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for selected in self.asked.columns:
            if selected.aggregate is None:
                row[selected.key] = self._shown(selected.path)[0](records[0])
            else:
                row[selected.key] = self._aggregate(selected, records)
        return row

    def _aggregate(self, selected: Column, records: list[Record]) -> Any:
        field, get = self._getter(selected.path)
        values = [value for record in records if (value := get(record)) is not None]
        if selected.aggregate == "COUNT":
            if field.type not in (*NUMBERS, *LOOKUPS, "picklist"):
                raise _invalid("data type not supported", column_name=selected.path, data_type=field.type)
            return len(values)
        if field.type not in NUMBERS:
            raise _invalid("data type not supported", column_name=selected.path, data_type=field.type)
        if not values:
            return None
        if selected.aggregate == "SUM":
            return sum(values)
        if selected.aggregate == "AVG":
            return sum(values) / len(values)
        return min(values) if selected.aggregate == "MIN" else max(values)


def _and_criteria(where: Condition) -> list[Criterion]:
    """The criteria that every matching record must fulfil."""
    if isinstance(where, Criterion):
        return [where]
    if where.operator == "and":
        return _and_criteria(where.left) + _and_criteria(where.right)
    return []


def _sortable(value: Any) -> tuple[bool, Any]:
    """Nulls first."""
    if isinstance(value, dict):
        value = value.get("id")
    return (value is not None, value if value is not None else 0)
