"""Zoho CRM v8 as core.ports.Crm (crm-v8.md). Reads go to the database by COQL, never to the search index."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from renkei.connectors.http import Client, Reply
from renkei.core.errors import AnswerUnknown, Bug, ConnectionRefused, FieldMissing, RenkeiError, Unreachable
from renkei.core.preparing import NewField, NewModule, TakenRights
from renkei.core.records import Answer, Currency, Deletion, FieldMeta, Organization, Page, Profile, Row, Sick, User
from renkei.core.values import parse_time

ROOT = "/crm/v8"
PAGE_ROWS = 2000  # COQL's largest LIMIT; 3 credits for 2,000 rows against 10 by list (section 13)
LIST_ROWS = 200
FIELDS_A_CALL = 5  # of POST /settings/fields
BATCH = 100  # rows of one insert, update or delete (section 5.1)
COLUMNS = 47  # a select holds 50; id, Modified_Time and Modified_By come with every row
IN_VALUES = 50  # section 4: newer texts say 100, 50 is safe
LIST_IDS = 100
SINGLE_REREADS = 20  # torn rows read one by one, which is atomic; more are asked again together first
ALWAYS = ("id", "Modified_Time", "Modified_By")

# ISO 4217 minor units other than 2. Only for the base currency of an organisation without the multi-currency feature.
MINOR_UNITS: Mapping[str, int] = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "UYI": 0,
    "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}  # fmt: skip

_PLAIN_VALUE = re.compile(r"[^'\"\\\x00-\x1f\x7f]+")
_RIGHT = re.compile(r"Crm_Implied_(View|Create|Edit|Delete)_(\w+)")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class ZohoCrm:
    """One CRM organisation.

    key_field   our unique field: where a row collides on several unique fields, the answer speaks of this one
    """

    def __init__(self, client: Client, *, key_field: str = "") -> None:
        self._client, self._key_field = client, key_field
        self._metadata: dict[str, list[FieldMeta]] = {}

    # metadata

    async def organization(self) -> Organization:
        """`GET /org`. `id` is the zgid; `kind` production, sandbox, developer or bigin. Comparing is the caller's."""
        found = _rows(await self._get("/org"), "org")
        if not found:
            raise ConnectionRefused("crm", "no organisation is shown to this token.", fix="Check the scope ZohoCRM.org.READ.")
        org = found[0]
        return Organization(
            id=str(org.get("zgid") or org["id"]),
            name=str(org.get("company_name") or ""),
            time_zone=str(org.get("time_zone") or "UTC"),
            currency=str(org.get("iso_code") or ""),
            kind=str(org.get("type") or ""),
        )

    async def fields(self, module: str) -> list[FieldMeta]:
        """`GET /settings/fields`, every time anew. Hidden fields are listed too: the list is not a permission check."""
        reply = await self._get("/settings/fields", {"module": module}, module=module)
        self._metadata[module] = [_field(raw) for raw in _rows(reply, "fields")]
        return list(self._metadata[module])

    async def views(self, module: str) -> dict[str, str]:
        """Custom views by the name that people see, and by their stored name: name → id."""
        found: dict[str, str] = {}
        async for view in self._listed("/settings/custom_views", "custom_views", {"module": module}, module=module):
            for name in (view.get("display_value"), view.get("name")):
                if name:
                    found.setdefault(str(name), str(view["id"]))
        return found

    async def users(self) -> list[User]:
        return [_user(raw) async for raw in self._listed("/users", "users", {"type": "AllUsers"})]

    async def me(self) -> User:
        """The user behind the token. Who may administer is asked as a list: names of profiles are localised."""
        found = _rows(await self._get("/users", {"type": "CurrentUser"}), "users")
        if not found:
            raise ConnectionRefused("crm", "no user is shown to this token.", fix="Authorise as an active user.")
        administrators = {str(raw["id"]) async for raw in self._listed("/users", "users", {"type": "AdminUsers"})}
        user = _user(found[0])
        return dataclasses.replace(user, administers=user.id in administrators)

    async def required(self, module: str) -> set[str]:
        """Fields that a layout in use makes mandatory; the list of fields does not tell."""
        reply = await self._get("/settings/layouts", {"module": module}, module=module)
        sections = [
            _mapping(section)
            for layout in _rows(reply, "layouts")
            if layout.get("status", "active") == "active"
            for section in layout.get("sections") or ()
        ]
        fields = [_mapping(raw) for section in sections for raw in section.get("fields") or ()]
        return {str(raw["api_name"]) for raw in fields if raw.get("required") and raw.get("api_name")}

    async def stages(self) -> dict[tuple[str, str], str]:
        """By the pipelines of every layout of the deals (section 7.4), in use or not: deals of a layout put away stay."""
        found: dict[tuple[str, str], str] = {}
        for layout in _rows(await self._get("/settings/layouts", {"module": "Deals"}, module="Deals"), "layouts"):
            reply = await self._get("/settings/pipeline", {"layout_id": _check_id(str(layout.get("id")))})
            for pipeline in _rows(reply, "pipeline"):
                for stage in map(_mapping, pipeline.get("maps") or ()):
                    place = (str(pipeline.get("actual_value")), str(stage.get("actual_value")))
                    found[place] = str(stage.get("forecast_type"))
        return found

    async def profiles(self) -> list[Profile]:
        """Each with its rights in each module."""
        found = []
        for raw in _rows(await self._get("/settings/profiles"), "profiles"):
            whole = raw
            if "permissions_details" not in raw:
                whole = next(iter(_rows(await self._get(f"/settings/profiles/{raw['id']}"), "profiles")), raw)
            told = [(_RIGHT.fullmatch(str(one.get("name"))), one) for one in whole.get("permissions_details") or ()]
            rights = [((right[2], right[1]), one) for right, one in told if right]
            permitted = frozenset(right for right, one in rights if one.get("enabled"))
            fixed = frozenset(right for right, one in rights if one.get("customizable") is False)
            found.append(Profile(str(raw["id"]), str(raw.get("display_label") or raw.get("name") or ""), permitted, fixed))
        return found

    async def modules(self) -> dict[str, list[str]]:
        """API name → ids of the profiles that are shown the module."""
        rows = _rows(await self._get("/settings/modules"), "modules")
        return {str(raw.get("api_name")): [str(_mapping(one).get("id")) for one in raw.get("profiles") or ()] for raw in rows}

    async def currencies(self) -> list[Currency]:
        """Active currencies; the base currency alone where the organisation has no multi-currency (section 7.5)."""
        reply = await self._client.send("metadata", "GET", f"{ROOT}/org/currencies")
        if reply.status == 403 and reply.content.get("code") in ("CURRENCIES_NOT_ENABLED", "FEATURE_NOT_SUPPORTED"):
            base = (await self.organization()).currency
            return [Currency(base, MINOR_UNITS.get(base, 2))]
        self._expect(reply)
        return [
            Currency(str(raw["iso_code"]), int(_mapping(raw.get("format")).get("decimal_places") or 0), str(raw.get("id") or ""))
            for raw in _rows(reply, "currencies")
            if raw.get("is_active", True)
        ]

    # reading

    async def read(
        self, module: str, fields: Sequence[str], *, since: datetime | None = None, view: str | None = None
    ) -> AsyncIterator[Page]:
        """Pages of up to 2,000 rows, keyed by `id >` the last one, so that nothing that moves or changes is lost or doubled.

        Bounds: Modified_Time ≥ `since` in whole seconds (closed; the caller overlaps). A lookup holds `{"id": …}` only.
        """
        chunks = _column_chunks(fields)
        source = f"{_name(module)}#{_check_id(view)}" if view else module
        bound = [f"Modified_Time >= '{_moment(since)}'"] if since else []
        last, number = "0", 0
        while True:
            number += 1
            where = _all([*bound, f"id > '{last}'"])
            reply = await self._ask(module, chunks[0], source, f"{where} order by id asc limit {PAGE_ROWS}")
            rows = _rows(reply, "data")
            more = bool(_mapping(reply.content.get("info")).get("more_records"))
            if rows:
                last = str(max(map(int, map(itemgetter("id"), rows))))
            elif more:
                raise Unreachable("crm", f"{module}: an empty page that says there is more.")
            if rows and len(chunks) > 1:
                rows = await self._joined(module, source, where, last, rows, chunks)
            yield Page(rows, reply.served_at, number)
            if not more:
                return

    async def deleted(self, module: str, since: datetime | None) -> list[Deletion]:
        """The deleted list, newest first (section 3.3): the recycle bin reaches back 60 days, permanent ones 120."""
        headers = {"If-Modified-Since": _moment(since)} if since else None
        found: dict[str, Deletion] = {}
        async for raw in self._listed(f"/{module}/deleted", "data", {"type": "all"}, module=module, headers=headers, kind="read"):
            name = raw.get("display_name")
            notice = Deletion(
                id=str(raw["id"]),
                deleted_at=parse_time(str(raw["deleted_time"])),
                kind=str(raw.get("type") or ""),
                display_name=None if name is None else str(name),
            )
            found.setdefault(notice.id, notice)
        return list(found.values())

    async def get_many(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Row]:
        """By COQL 50 a call; by list 100 a call where that saves calls and no long text is asked (lists cut it at 500)."""
        wanted = list(dict.fromkeys(ids))
        for record_id in wanted:
            _check_id(record_id)
        by_list = len(wanted) > IN_VALUES and not await self._asks_long_text(module, fields)
        found: dict[str, Row] = {}
        for some in _slices(wanted, LIST_IDS if by_list else IN_VALUES):
            found |= await self._by_ids(module, some, fields, by_list=by_list)
        return found

    async def find(self, module: str, field: str, values: Sequence[str], fields: Sequence[str]) -> dict[str, Row]:
        """Rows by the value asked, of a unique field. A row whose value is none of those asked is dropped, whatever the server
        matched."""
        wanted = [value for value in dict.fromkeys(values) if value]
        rows = await self.find_all(module, field, wanted, fields)
        exact = {str(row[field]): row for row in rows if row.get(field) is not None}
        folded = {value.casefold(): row for value, row in exact.items()}  # unique fields ignore case (section 6)
        hits = ((value, exact.get(value) or folded.get(value.casefold())) for value in wanted)
        return {value: row for value, row in hits if row is not None}

    async def find_all(self, module: str, field: str, values: Sequence[str], fields: Sequence[str]) -> list[Row]:
        """Every row that the server finds by one of these values; of one value alone not more than a page.

        Values with quotes or control characters are asked one at a time, since how COQL escapes them is not documented.
        """
        wanted = [value for value in dict.fromkeys(values) if value]
        plain = [value for value in wanted if _PLAIN_VALUE.fullmatch(value)]
        asked = list(dict.fromkeys((*fields, field)))
        rows: list[Row] = []
        for some in _slices(plain, IN_VALUES):
            rows += await self._find_plain(module, field, some, asked)
        for value in wanted:
            if not _PLAIN_VALUE.fullmatch(value):
                rows += await self._find_quoted(module, field, value, asked)
        return rows

    async def whole(self, module: str, record_id: str) -> Row | None:
        """The single record, which alone shows subforms (section 4); None when it is gone."""
        rows = _rows(await self._get(f"/{_name(module)}/{_check_id(record_id)}", module=module, kind="read"), "data")
        return rows[0] if rows else None

    async def related(self, module: str, record_id: str, related: str, fields: Sequence[str]) -> list[Row]:
        """Rows of a related list by id: in which order it comes is not documented (section 9)."""
        path = f"/{_name(module)}/{_check_id(record_id)}/{_name(related)}"
        params = {"fields": ",".join(map(_name, fields))}
        rows = [row async for row in self._listed(path, "data", params, module=module, kind="read")]
        return sorted(rows, key=lambda row: int(row["id"]))

    # writing

    async def insert(self, module: str, rows: Sequence[Row]) -> list[Answer]:
        """A plain insert, never an upsert: that compares other unique fields too and would overwrite a stranger."""
        return await self._write("POST", module, rows)

    async def update(self, module: str, rows: Sequence[Row]) -> list[Answer]:
        """A key that is absent stays untouched, null clears it (section 5.3)."""
        for row in rows:
            _check_id(str(row.get("id", "")))
        return await self._write("PUT", module, rows)

    async def delete(self, module: str, ids: Sequence[str]) -> list[Answer]:
        """Into the recycle bin, without workflows."""
        for record_id in ids:
            _check_id(record_id)
        if not ids:
            return []
        _check_batch(len(ids))
        params = {"ids": ",".join(ids), "wf_trigger": "false"}
        reply = await self._client.send("write", "DELETE", f"{ROOT}/{module}", params=params)
        return self._answers(reply, f"DELETE {ROOT}/{module}", module, len(ids))

    # shaping the organisation (fields.json, modules.json and profiles.json of the OpenAPI files)

    async def make_module(self, new: NewModule) -> Answer:
        """`POST /settings/modules`."""
        row = {
            "api_name": new.api_name, "singular_label": new.singular, "plural_label": new.plural,
            "profiles": [{"id": id, "name": name} for id, name in new.profiles],
            "display_field": {"field_label": f"{new.singular} Name", "data_type": "text"},
        }  # fmt: skip
        return (await self._shape("POST", "/settings/modules", "modules", [row]))[0]

    async def make_fields(self, module: str, new: Sequence[NewField]) -> list[Answer]:
        """`POST /settings/fields`."""
        if len(new) > FIELDS_A_CALL:
            raise Bug(f"crm: {len(new)} fields in one call.", expected=f"at most {FIELDS_A_CALL}")
        rows = [_field_row(one) for one in new]
        return await self._shape("POST", "/settings/fields", "fields", rows, {"module": module})

    async def take_rights(self, taken: TakenRights) -> Answer:
        """`PUT /settings/profiles/{id}`; the ids of the permissions are asked for first."""
        path = f"/settings/profiles/{_check_id(taken.profile)}"
        shown = next(iter(_rows(await self._get(path), "profiles")), {})
        names = {f"Crm_Implied_{right}_{taken.module}" for right in taken.rights}
        off = [
            {"id": str(one["id"]), "enabled": False} for one in shown.get("permissions_details") or () if one.get("name") in names
        ]
        row = {"name": str(shown.get("name") or ""), "permissions_details": off}
        return (await self._shape("PUT", path, "profiles", [row]))[0]

    async def _shape(
        self, method: str, path: str, key: str, rows: Sequence[Row], params: Mapping[str, str] | None = None
    ) -> list[Answer]:
        """One answer a row: they come under the key of what was sent; a refusal of the whole stands for each."""
        reply = await self._client.send("write", method, ROOT + path, params=params, body={key: list(rows)})
        elements = _rows(reply, key)
        if reply.status < 300 and len(elements) != len(rows):
            raise AnswerUnknown("crm", f"{method} {ROOT}{path}", f"{len(elements)} answers to {len(rows)} rows")
        if len(elements) == len(rows):
            return [self._answer(one) for one in elements]
        return [self._answer(elements[0] if elements else reply.content)] * len(rows)

    # counting and closing

    def calls(self) -> Mapping[str, int]:
        return self._client.calls()

    def sick(self) -> Sick | None:
        return self._client.sick()

    def skew(self) -> timedelta | None:
        return self._client.skew

    async def aclose(self) -> None:
        await self._client.aclose()

    # ------------------------------------------------------------------------------------------- inside: reading

    async def _get(
        self, path: str, params: Mapping[str, str] | None = None, *, module: str = "", kind: str = "metadata",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        reply = await self._client.send(
            "read" if kind == "read" else "metadata", "GET", ROOT + path, params=params, headers=headers
        )
        self._expect(reply, module)
        return reply

    async def _listed(
        self, path: str, key: str, params: Mapping[str, str], *, module: str = "", kind: str = "metadata",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Row]:  # fmt: skip
        """Rows of a list that is paged by number."""
        number = 1
        while True:
            paged = {**params, "page": str(number), "per_page": str(LIST_ROWS)}
            reply = await self._get(path, paged, module=module, kind=kind, headers=headers)
            for row in _rows(reply, key):
                yield row
            if not _mapping(reply.content.get("info")).get("more_records"):
                return
            number += 1

    async def _ask(self, module: str, columns: Sequence[str], source: str, where: str) -> Reply:
        # Columns and module are checked names, values literals of _moment, _check_id, _PLAIN_VALUE or _quoted.
        _name(module)
        query = f"select {', '.join(map(_name, columns))} from {source} where {where}"  # noqa: S608
        reply = await self._client.send("read", "POST", f"{ROOT}/coql", body={"select_query": query})
        if reply.status == 400 and reply.content.get("code") == "INVALID_QUERY":
            raise await self._bad_query(module, columns, reply)
        self._expect(reply, module)
        return reply

    async def _bad_query(self, module: str, columns: Sequence[str], reply: Reply) -> RenkeiError:
        """Which column is not there. The answer's own words vary, so the metadata decides."""
        known = {meta.api_name for meta in await self.fields(module)} | set(ALWAYS)
        absent = [column for column in columns if column not in known]
        if absent:
            return FieldMissing("crm", module, ", ".join(absent), fix="Create the field, or correct its API name in the mapping.")
        told = _mapping(reply.content.get("details"))
        column = next((str(told[key]) for key in ("column_name", "column", "api_name") if told.get(key)), "")
        if column:
            return FieldMissing("crm", module, column, fix="This field cannot be read by query, or not by this user.")
        return _SyntaxRefused(f"crm: {module}: {reply.content.get('message')}.", expected="a query that COQL accepts")

    async def _joined(
        self, module: str, source: str, where: str, last: str, rows: list[Row], chunks: Sequence[Sequence[str]]
    ) -> list[Row]:
        """The other columns of a page, joined on id and Modified_Time; rows that changed in between are read again whole."""
        joined, torn = rows, set[str]()
        for chunk in chunks[1:]:
            bounded = _all([where, f"id <= '{last}'"])
            reply = await self._ask(module, chunk, source, f"{bounded} order by id asc limit {PAGE_ROWS}")
            joined, missed = _join(joined, _rows(reply, "data"))
            torn |= missed
        fields = [column for chunk in chunks for column in chunk]
        return _by_id([row for row in joined if row["id"] not in torn], await self._reread(module, sorted(torn, key=int), fields))

    async def _reread(self, module: str, ids: Sequence[str], fields: Sequence[str]) -> list[Row]:
        found: list[Row] = []
        alone = list(ids)
        if len(ids) > SINGLE_REREADS:
            alone = []
            for some in _slices(ids, IN_VALUES):
                whole, torn = await self._select_once(module, _ids_in(some), fields)
                found += whole
                alone += sorted(torn, key=int)
        for record_id in alone:
            row = await self._single(module, record_id, fields)
            if row is not None:
                found.append(row)
        return found

    async def _single(self, module: str, record_id: str, fields: Sequence[str]) -> Row | None:
        """One record in one atomic call, in the shape that COQL gives; None when it is gone."""
        reply = await self._get(f"/{module}/{record_id}", module=module, kind="read")
        rows = _rows(reply, "data")
        return _as_coql(rows[0], fields) if rows else None

    async def _select_joined(self, module: str, where: str, fields: Sequence[str]) -> list[Row]:
        whole, torn = await self._select_once(module, where, fields)
        return whole + await self._reread(module, sorted(torn, key=int), fields)

    async def _select_once(self, module: str, where: str, fields: Sequence[str]) -> tuple[list[Row], set[str]]:
        """A query whose answer fits one page: whole rows, and the ids whose halves do not fit together."""
        whole: list[Row] = []
        torn: set[str] = set()
        for number, chunk in enumerate(_column_chunks(fields)):
            rows = _rows(await self._ask(module, chunk, module, f"{where} limit {PAGE_ROWS}"), "data")
            if number == 0:
                whole = rows
            else:
                whole, missed = _join(whole, rows)
                torn |= missed
        return [row for row in whole if row["id"] not in torn], torn

    async def _by_ids(self, module: str, ids: Sequence[str], fields: Sequence[str], *, by_list: bool) -> dict[str, Row]:
        if not by_list:
            return {row["id"]: row for row in await self._select_joined(module, _ids_in(ids), fields)}
        whole: list[Row] = []
        torn: set[str] = set()
        for number, chunk in enumerate(_column_chunks(fields)):
            params = {"ids": ",".join(ids), "fields": ",".join(map(_name, chunk)), "per_page": str(LIST_ROWS)}
            reply = await self._get(f"/{module}", params, module=module, kind="read")
            rows = [_as_coql(row, chunk) for row in _rows(reply, "data")]
            if number == 0:
                whole = rows
            else:
                whole, missed = _join(whole, rows)
                torn |= missed
        reread = await self._reread(module, sorted(torn, key=int), fields)
        return {row["id"]: row for row in (*(row for row in whole if row["id"] not in torn), *reread)}

    async def _find_plain(self, module: str, field: str, values: Sequence[str], asked: Sequence[str]) -> list[Row]:
        """A page that is full may have left some out: half of the values are asked for at a time then."""
        listed = ", ".join(f"'{value}'" for value in values)
        rows = await self._select_joined(module, f"{_name(field)} in ({listed})", asked)
        if len(rows) < PAGE_ROWS or len(values) == 1:
            return rows
        half = len(values) // 2
        first = await self._find_plain(module, field, values[:half], asked)
        return first + await self._find_plain(module, field, values[half:], asked)

    async def _find_quoted(self, module: str, field: str, value: str, asked: Sequence[str]) -> list[Row]:
        for literal in (value.replace("\\", "\\\\").replace("'", "\\'"), value.replace("'", "''")):
            try:
                return await self._select_joined(module, f"{_name(field)} = '{literal}'", asked)
            except _SyntaxRefused:
                continue
        raise Bug(f"crm: {module}.{field} cannot be asked for a value with quotes.", expected="an escape that COQL accepts")

    async def _asks_long_text(self, module: str, fields: Sequence[str]) -> bool:
        metadata = self._metadata.get(module) or await self.fields(module)
        long_text = {meta.api_name for meta in metadata if "text" in meta.data_type and meta.data_type != "text"}
        return bool(long_text & set(fields))

    # ------------------------------------------------------------------------------------------- inside: writing

    async def _write(self, method: str, module: str, rows: Sequence[Row]) -> list[Answer]:
        if not rows:
            return []
        _check_batch(len(rows))
        body = {"data": list(rows), "trigger": []}
        reply = await self._client.send("write", method, f"{ROOT}/{module}", body=body)
        return self._answers(reply, f"{method} {ROOT}/{module}", module, len(rows))

    def _answers(self, reply: Reply, request: str, module: str, asked: int) -> list[Answer]:
        """The body decides first, the status only where there is no `data` (section 5.1)."""
        elements = reply.content.get("data")
        if isinstance(elements, list):
            if len(elements) != asked:
                raise AnswerUnknown("crm", request, f"{len(elements)} answers to {asked} rows")
            return [self._answer(_mapping(element)) for element in elements]
        if reply.status < 300:
            raise AnswerUnknown("crm", request, f"HTTP {reply.status} without a word about the rows")
        self._expect_module(reply, module)
        if reply.content.get("code") in _OUR_MISTAKES:
            raise self._mistake(reply)
        return [self._answer(reply.content)] * asked

    def _answer(self, element: Mapping[str, Any]) -> Answer:
        details = _mapping(element.get("details"))
        code, words = str(element.get("code", "")), str(element.get("message", ""))
        if element.get("status") == "success":
            stamp = details.get("Modified_Time")
            return Answer(True, id=_text(details.get("id")), stamp=parse_time(str(stamp)) if stamp else None)
        if code == "MULTIPLE_OR_MULTI_ERRORS":
            several = [_mapping(one) for one in details.get("errors", ()) if isinstance(one, dict)]
            if several:
                return self._answer(min(several, key=self._speaks_of_key))
        twin = _mapping(details.get("duplicate_record")).get("id")
        if code == "DUPLICATE_DATA" and twin is None:
            twin = details.get("id")  # older versions
        return Answer(
            False,
            code=code,
            words=words,
            field=str(details.get("api_name") or ""),
            duplicate_of=_text(twin) if code == "DUPLICATE_DATA" else None,
        )

    def _speaks_of_key(self, error: Mapping[str, Any]) -> int:
        """Of several errors in one element: our key first, then other duplicates, then the rest."""
        if error.get("code") != "DUPLICATE_DATA":
            return 2
        return 0 if _mapping(error.get("details")).get("api_name") == self._key_field else 1

    # ------------------------------------------------------------------------------------------- inside: refusals

    def _expect(self, reply: Reply, module: str = "") -> None:
        """A read's answer that is an error object of its own becomes an error of ours."""
        if reply.status < 400:
            return
        self._expect_module(reply, module)
        if reply.content.get("code") == "SYNTAX_ERROR":
            raise _SyntaxRefused(f"crm: {reply.content.get('details')}.", expected="a query that COQL accepts")
        raise self._mistake(reply)

    def _expect_module(self, reply: Reply, module: str) -> None:
        if reply.content.get("code") in ("INVALID_MODULE", "MODULE_NOT_SUPPORTED"):
            raise FieldMissing("crm", "organisation", f"module {module}", fix="Correct the module's API name, or create it.")

    def _mistake(self, reply: Reply) -> RenkeiError:
        code, words = reply.content.get("code"), reply.content.get("message")
        if reply.status == 403:
            return ConnectionRefused("crm", f"{words} ({code}).", fix="Check the profile of the integration user.")
        return Bug(f"crm: {words} ({code} {reply.content.get('details')}).", expected="a request that the CRM accepts")


class _SyntaxRefused(Bug):
    """COQL did not understand the query."""


# Refusals of a whole request that no row can cause.
_OUR_MISTAKES = frozenset(
    {"LIMIT_EXCEEDED", "REQUIRED_PARAM_MISSING", "EXPECTED_PARAM_MISSING", "INVALID_REQUEST_METHOD", "INVALID_URL_PATTERN",
     "MEDIA_TYPE_NOT_SUPPORTED", "PATTERN_NOT_MATCHED"}
)  # fmt: skip


def _user(raw: Mapping[str, Any]) -> User:
    return User(
        id=str(raw["id"]),
        name=str(raw.get("full_name") or ""),
        email=str(raw.get("email") or ""),
        active=raw.get("status") == "active",
        profile=str(_mapping(raw.get("profile")).get("name") or ""),
        profile_id=str(_mapping(raw.get("profile")).get("id") or ""),
    )


def _field(raw: Mapping[str, Any]) -> FieldMeta:
    """Writable and unique as section 8 derives them."""
    may = _mapping(raw.get("operation_type"))
    locked = raw.get("read_only") or raw.get("field_read_only") or raw.get("virtual_field")
    length = raw.get("length")
    choices = [_mapping(choice) for choice in raw.get("pick_list_values") or ()]
    return FieldMeta(
        api_name=str(raw["api_name"]),
        data_type=str(raw.get("data_type") or ""),
        length=int(length) if length is not None else None,
        unique=bool(raw.get("unique")) or bool(raw.get("external")),
        writable=bool(may.get("api_create")) and bool(may.get("api_update")) and not locked,
        mandatory=bool(raw.get("system_mandatory")),
        values=tuple(str(choice.get("actual_value")) for choice in choices if choice.get("type", "used") == "used"),
        id=str(raw.get("id") or ""),
        label=str(raw.get("field_label") or raw.get("display_label") or ""),
        rows_in=str(_mapping(raw.get("subform")).get("module") or ""),
    )


def _field_row(new: NewField) -> Row:
    """A field as `POST /settings/fields` takes it: its API name is made of the label there."""
    row: Row = {"field_label": new.label, "data_type": new.data_type}
    if new.length:
        row["length"] = new.length
    if new.digits is not None:
        row["decimal_place"] = new.digits
    if new.unique:
        row["unique"] = {"casesensitive": "false"}
    if new.lookup:
        row["lookup"] = {"module": {"api_name": new.lookup}, "display_label": new.related.replace("_", " ")}
    return row


def _rows(reply: Reply, key: str) -> list[Row]:
    """The list under `key`; empty for 204 and 304."""
    rows = reply.content.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _column_chunks(fields: Sequence[str]) -> list[list[str]]:
    """Selects of at most 50 columns, each with id, Modified_Time and Modified_By."""
    columns = [field for field in dict.fromkeys(fields) if field not in ALWAYS]
    return [[*ALWAYS, *some] for some in _slices(columns, COLUMNS)] or [list(ALWAYS)]


def _join(left: Iterable[Row], right: Iterable[Row]) -> tuple[list[Row], set[str]]:
    """Rows of both halves, and the ids of `left` whose right half is missing or of another moment."""
    halves = {row["id"]: row for row in right}
    whole: list[Row] = []
    torn: set[str] = set()
    for row in left:
        half = halves.get(row["id"])
        if half is not None and half.get("Modified_Time") == row.get("Modified_Time"):
            whole.append({**row, **half})
        else:
            whole.append(row)
            torn.add(row["id"])
    return whole, torn


def _by_id(*groups: Iterable[Row]) -> list[Row]:
    return sorted((row for group in groups for row in group), key=lambda row: int(row["id"]))


def _as_coql(row: Mapping[str, Any], fields: Sequence[str]) -> Row:
    """A list or single row in COQL's shape: the fields asked for, lookups with their id alone."""
    wanted = (*ALWAYS, *(field for field in fields if field not in ALWAYS))
    return {name: _lookup_id(row[name]) for name in wanted if name in row}


def _lookup_id(value: Any) -> Any:
    return {"id": value["id"]} if isinstance(value, dict) and "id" in value else value


def _all(criteria: Sequence[str]) -> str:
    """Criteria nested in pairs, as COQL wants them: `((A and B) and C)`."""
    nested = criteria[0]
    for criterion in criteria[1:]:
        nested = f"({nested} and {criterion})"
    return nested


def _ids_in(ids: Sequence[str]) -> str:
    return "id in ({})".format(", ".join(f"'{record_id}'" for record_id in ids))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Bug(f"crm: {text!r} was asked for as a field.", expected="an API name")
    return text


def _check_id(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise Bug(f"crm: {text!r} was used as a record id.", expected="digits")
    return text


def _check_batch(rows: int) -> None:
    if rows > BATCH:
        raise Bug(f"crm: {rows} rows in one write.", expected=f"at most {BATCH}")


def _slices(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
