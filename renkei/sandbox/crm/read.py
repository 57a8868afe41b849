"""Reading records: list, one, deleted (crm-v8.md sections 3.1 to 3.3)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from renkei.sandbox.crm import errors, render
from renkei.sandbox.crm.call import NO_CONTENT, NOT_MODIFIED, PER_PAGE, Answer, Call
from renkei.sandbox.crm.criteria import view_predicate
from renkei.sandbox.crm.stamps import epoch, from_epoch
from renkei.sandbox.crm.table import Deleted, Record, Table

MAX_FIELDS = 50
MAX_IDS = 100
DISCRETE_WALL = 2000
TOKEN_WALL = 100_000
TOKEN_SECONDS = 86400
ID_LENGTHS = (18, 19)


@dataclass(frozen=True, slots=True)
class PageToken:
    """A place in a walk: behind the sort key `after`, `given` rows so far, bound to user and parameters."""

    bound: tuple[Any, ...]
    user: str
    after: Any
    given: int
    page: int
    expires_at: int


def listing(call: Call) -> Answer:
    """GET /crm/v8/{module}."""
    table = call.table
    call.permit("View")
    return page_of(call, table, None)


def one(call: Call) -> Answer:
    """GET /crm/v8/{module}/{id}: the record with all its fields and `$` keys; 204 when there is none."""
    table = call.table
    call.permit("View")
    record = find(call, table)
    if record is None:
        return Answer(NO_CONTENT)
    wanted = asked_fields(call) if "fields" in call.params else [name for name in table.fields if name != "id"]
    whole = rows(call, table, [record], wanted, subforms=True)[0]
    extras = render.system_keys(call.state, table.module, record)
    if "fields" in call.params:
        extras = {key: value for key, value in extras.items() if key in wanted}
    return Answer(200, {"data": [{**whole, **extras}]}, rows=1)


def deleted(call: Call) -> Answer:
    """GET /crm/v8/{module}/deleted: recycle entries of 60 days, permanent ones of 120, newest first."""
    table = call.table
    call.permit("View")
    kind = call.one_of("type", "all", "all", "recycle", "permanent")
    page = call.whole_number("page", 1, 1, 10**6)
    per_page = call.whole_number("per_page", PER_PAGE, 1, PER_PAGE)
    since = call.time_header("if-modified-since")
    call.state.age_bin(table.module)
    entries = [
        entry
        for entry in table.deleted.values()
        if (kind == "all" or (kind == "recycle") == (entry.record is not None))
        and (since is None or entry.at > since or (entry.at == since and call.state.since_includes_equal))
    ]
    entries.sort(key=lambda entry: (entry.at, entry.id), reverse=True)
    start = _start(call, page, per_page)
    part = entries[start : start + per_page]
    if not part:
        return Answer(NOT_MODIFIED if since is not None and page == 1 else NO_CONTENT)
    info = {"per_page": per_page, "count": len(part), "page": page, "more_records": start + per_page < len(entries)}
    return Answer(200, {"data": [_deleted_row(call, entry) for entry in part], "info": info}, rows=len(part))


def _deleted_row(call: Call, entry: Deleted) -> dict[str, Any]:
    permanent = entry.record is None
    created_by = None if entry.record is None else render.author(call.state, entry.record["Created_By"]["id"])
    return {
        "deleted_by": None if permanent else render.author(call.state, entry.by),
        "id": entry.id,
        "display_name": None if permanent else entry.name,
        "type": "permanent" if permanent else "recycle",
        "created_by": created_by,
        "deleted_time": from_epoch(entry.at, call.zone),
    }


def find(call: Call, table: Table) -> Record | None:
    """The live record named in the path, by id or, with X-EXTERNAL, by external value. None: no such record."""
    value = call.names["id"]
    name = external_field(call, table)
    if name is not None:
        holder = table.holder(name, value)
        return table.records[holder] if holder else None
    if not value.isdigit() or len(value) not in ID_LENGTHS:
        raise errors.invalid_path_id(1)
    return table.records.get(value)


def external_field(call: Call, table: Table) -> str | None:
    """The field that X-EXTERNAL puts in place of this module's record id (crm-v8.md section 6); None without."""
    for item in call.headers.get("x-external", "").split(","):
        parts = item.strip().split(".")
        if len(parts) == 2 and parts[0] == table.module:
            field = table.fields.get(parts[1])
            if field is None or not field.external:
                raise errors.Refusal("INVALID_DATA", "the external field given is invalid", {"header_name": "X-EXTERNAL"})
            return field.name
    return None


def page_of(call: Call, table: Table, among: Collection[str] | None) -> Answer:
    """One page of a module's records, all or those `among`, by the rules of section 3.1."""
    wanted = asked_fields(call)
    if "page" in call.params and "page_token" in call.params:
        raise errors.ambiguous("page", "page_token")
    if "cvid" in call.params and "sort_by" in call.params:
        raise errors.ambiguous("cvid", "sort_by")
    sort_by = call.one_of("sort_by", "id", "id", "Created_Time", "Modified_Time")
    descending = call.one_of("sort_order", "desc", "asc", "desc") == "desc"
    per_page = call.whole_number("per_page", PER_PAGE, 1, PER_PAGE)
    since = call.time_header("if-modified-since")
    keys, id_of = _keys(table, sort_by)
    keep = _filter(call, table, among, since)
    if keep is not None:
        keys = [key for key in keys if keep(id_of(key))]
    token = _token(call)
    page = token.page if token else call.whole_number("page", 1, 1, 10**9)
    low, high = _window(call, keys, descending, token, page, per_page)
    part = keys[low:high][::-1] if descending else keys[low:high]
    if not part:
        return Answer(NOT_MODIFIED if since is not None and page == 1 else NO_CONTENT)
    more = low > 0 if descending else high < len(keys)
    given = (token.given if token else (page - 1) * per_page) + len(part)
    next_token, expiry = _next_token(call, part[-1], given, page + 1) if more else (None, None)
    data = rows(call, table, [table.records[id_of(key)] for key in part], wanted)
    info = {
        "call": False,
        "per_page": per_page,
        "next_page_token": next_token,
        "count": len(data),
        "sort_by": sort_by,
        "page": page,
        "previous_page_token": call.params.get("page_token"),
        "page_token_expiry": expiry,
        "sort_order": "desc" if descending else "asc",
        "email": False,
        "more_records": more,
    }
    return Answer(200, {"data": data, "info": info}, rows=len(data))


def rows(call: Call, table: Table, records: list[Record], names: list[str], *, subforms: bool = False) -> list[dict[str, Any]]:
    """Records as list and single reads show them: the named fields that exist, and `id`. Only single reads show subforms."""
    columns = [
        (name, render.column(call.state, table.module, table.fields[name], call.zone, names=True))
        for name in names
        if name in table.fields and (subforms or name not in table.subforms)
    ]
    return [{**{name: value(record) for name, value in columns}, "id": record["id"]} for record in records]


def asked_fields(call: Call) -> list[str]:
    text = call.params.get("fields")
    if not text:
        raise errors.required_param("fields")
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if len(names) > MAX_FIELDS:
        details = {"limit": MAX_FIELDS, "param_name": "fields"}
        raise errors.Refusal("LIMIT_EXCEEDED", "the number of fields given exceeds the limit", details)
    return names


def _keys(table: Table, sort_by: str) -> tuple[list[Any], Callable[[Any], str]]:
    """The module's sort keys in ascending order, and how to get the id out of one."""
    if sort_by == "id":
        return table.order, lambda key: str(key)
    if sort_by == "Modified_Time":
        pairs = sorted((table.modified_epoch(id), id) for id in table.order)
    else:
        pairs = sorted((epoch(table.records[id]["Created_Time"]), id) for id in table.order)
    return pairs, lambda key: str(key[1])


def _filter(call: Call, table: Table, among: Collection[str] | None, since: int | None) -> Callable[[str], bool] | None:
    tests: list[Callable[[str], bool]] = []
    if among is not None:
        tests.append(set(among).__contains__)
    if "ids" in call.params:
        tests.append(_asked_ids(call, table).__contains__)
    if since is not None:
        first = since if call.state.since_includes_equal else since + 1
        tests.append(lambda id: table.modified_epoch(id) >= first)
    if "cvid" in call.params:
        view = table.views.get(call.params["cvid"])
        if view is None:
            raise errors.invalid_param("cvid", "the id given seems to be invalid")
        predicate = view_predicate(call.state, table, view.criteria)
        if predicate is not None:
            tests.append(lambda id: predicate(table.records[id]))
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda id: all(test(id) for test in tests)


def _asked_ids(call: Call, table: Table) -> set[str]:
    ids = [id.strip() for id in call.params["ids"].split(",") if id.strip()]
    if len(ids) > MAX_IDS:
        raise errors.Refusal("LIMIT_EXCEEDED", "the number of ids exceeds the limit", {"limit": MAX_IDS})
    name = external_field(call, table)
    if name is None:
        return set(ids)
    return {holder for id in ids if (holder := table.holder(name, id)) is not None}


def _window(call: Call, keys: list[Any], descending: bool, token: PageToken | None, page: int, per_page: int) -> tuple[int, int]:
    """The slice of `keys` (ascending) that makes this page."""
    if token is not None:
        if token.given >= TOKEN_WALL:
            details = {"limit": TOKEN_WALL}
            raise errors.Refusal("PAGINATION_LIMIT_EXCEEDED", "the pagination limit has been exceeded", details)
        shift = call.faults.page_shift("crm", call.path)
        if descending:
            high = max(0, min(len(keys), bisect_left(keys, token.after) - shift))
            return max(0, high - per_page), high
        low = max(0, min(len(keys), bisect_right(keys, token.after) + shift))
        return low, low + per_page
    start = _start(call, page, per_page)
    if (page - 1) * per_page >= DISCRETE_WALL:
        message = "You have reached the limit of records to be fetched, please use page_token"
        wall = {"limit": DISCRETE_WALL, "param_name": "page"}
        raise errors.Refusal("DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, wall)
    if descending:
        return max(0, len(keys) - start - per_page), max(0, len(keys) - start)
    return start, start + per_page


def _start(call: Call, page: int, per_page: int) -> int:
    """Where a numbered page begins; `page-shift` moves pages after the first by one row."""
    if page == 1:
        return 0
    return max(0, (page - 1) * per_page + call.faults.page_shift("crm", call.path))


def _bound(call: Call) -> tuple[Any, ...]:
    params = tuple(sorted((k, v) for k, v in call.params.items() if k not in ("page", "page_token")))
    return call.segments, params, call.headers.get("if-modified-since"), call.headers.get("x-external")


def _token(call: Call) -> PageToken | None:
    value = call.params.get("page_token")
    if value is None:
        return None
    token = call.state.page_tokens.get(value)
    if token is None or token.user != call.user["id"]:
        raise errors.invalid_param("page_token", "the page_token given seems to be invalid")
    if token.expires_at <= int(call.state.now().timestamp()):
        details = {"param_name": "page_token"}
        raise errors.Refusal("EXPIRED_VALUE", "the page_token given is expired", details)
    if token.bound != _bound(call):
        message = "the page_token given does not belong to the parameters of this request"
        raise errors.Refusal("TOKEN_BOUND_DATA_MISMATCH", message, {"param_name": "page_token"})
    return token


def _next_token(call: Call, after: Any, given: int, page: int) -> tuple[str, str]:
    expires_at = int(call.state.now().timestamp()) + TOKEN_SECONDS
    token = PageToken(_bound(call), call.user["id"], after, given, page, expires_at)
    return call.state.keep_page_token(token), from_epoch(expires_at, call.zone)
