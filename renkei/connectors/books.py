"""Zoho Books v3 and Zoho Invoice v3 as core.ports.Books (books-v3.md; the differences of Invoice: section 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from renkei.connectors.http import Client, Kind, Reply
from renkei.core.connection import Edition
from renkei.core.errors import (
    AnswerUnknown,
    Bug,
    ConnectionRefused,
    CredentialsRefused,
    FieldMissing,
    ModuleOff,
    RenkeiError,
    ScopeMissing,
    Unreachable,
    WrongEdition,
    WrongOrganization,
)
from renkei.core.native import ID_FIELDS
from renkei.core.preparing import NewField
from renkei.core.records import Answer, Currency, FieldMeta, Organization, Page, Row, Sick, User
from renkei.core.values import Ref, parse_time

PAGE_ROWS = 200  # section 4.1: default and, by several third parties, the maximum
ITEM_DETAILS = 100  # ids of one itemdetails call; the vendor states no number
GONE = frozenset({"1002", "2006"})  # does not exist: documents and contacts, items
EDITIONS: tuple[Edition, Edition] = ("books", "invoice")


@dataclass(frozen=True, slots=True)
class _Module:
    """How a module is spelled: list key = path, one record's key, its id, entity of the fields call, stable sort column."""

    path: str
    one: str
    id: str
    stable: str
    filters: Mapping[str, str]


MODULES: Mapping[str, _Module] = {
    # Inactive ones come along with Status.All; section 4.2 documents no created_time sort for items, name is the stable one.
    "contacts": _Module(
        "contacts", "contact", "contact_id", "created_time", {"contact_type": "customer", "filter_by": "Status.All"}
    ),
    "items": _Module("items", "item", "item_id", "name", {"filter_by": "Status.All"}),
    "estimates": _Module("estimates", "estimate", "estimate_id", "created_time", {}),
    "salesorders": _Module("salesorders", "salesorder", "salesorder_id", "created_time", {}),
    "purchaseorders": _Module("purchaseorders", "purchaseorder", "purchaseorder_id", "created_time", {}),
    "invoices": _Module("invoices", "invoice", "invoice_id", "created_time", {}),
}
# Statuses that have a call of their own (sections 8 and 10.3), as far as a deal gives them to its document.
MOVES: Mapping[str, tuple[str, ...]] = {"estimates": ("sent", "accepted", "declined"), "invoices": ("sent", "void", "draft")}
MODIFIED_FILTER = ("salesorders", "invoices")  # documented for these (section 4.4), not for estimates


class ZohoBooks:
    """One organisation of Books or Invoice. The edition decides path and header; the query names the organisation too."""

    def __init__(self, client: Client, *, edition: Edition, organization: str) -> None:
        self._client, self._edition, self._organization = client, edition, organization
        self._metadata: dict[str, list[FieldMeta]] = {}

    # metadata

    async def organization(self) -> Organization:
        """The configured one, from the list of those that the token's user belongs to.

        raises  WrongOrganization   it is not among them; the message names the ones there are
                WrongEdition        the token is refused here and welcome at the other edition
        """
        try:
            found = await self._organizations(self._edition)
        except (ScopeMissing, CredentialsRefused) as refused:
            raise await self._wrong_edition() or refused from None
        for raw in found:
            if str(raw.get("organization_id")) == self._organization:
                return self._organisation(raw)
        there = ", ".join(f"{raw.get('organization_id')} ({raw.get('name')})" for raw in found) or "none"
        raise WrongOrganization(
            "books", f"organisation {self._organization} is not among those of this token: {there}.",
            fix="Correct books.organization in the connection, or authorise as a user of that organisation.",
        )  # fmt: skip

    async def organizations(self) -> list[Organization]:
        """All that the token's user belongs to. WrongEdition as `organization`; empty for a user without one (9017)."""
        try:
            return [self._organisation(raw) for raw in await self._organizations(self._edition)]
        except (ScopeMissing, CredentialsRefused) as refused:
            raise await self._wrong_edition() or refused from None
        except WrongOrganization:
            return []

    async def me(self) -> User:
        """The user behind the token, in this organisation. Only the role `admin` may administer."""
        raw = _first((await self._get("metadata", "/users/me", {})).content.get("user")) or {}
        mails = [one for one in raw.get("email_ids") or () if isinstance(one, dict)]
        chosen = next((one for one in mails if one.get("is_selected")), mails[0] if mails else {})
        role = str(raw.get("user_role") or "")
        return User(
            id=str(raw.get("user_id") or ""), name=str(raw.get("name") or ""),
            email=str(chosen.get("email") or raw.get("email") or ""), active=raw.get("status", "active") == "active",
            profile=role, administers=role.casefold() in ("admin", "owner"),
        )  # fmt: skip

    async def offers(self, path: str) -> bool:
        """Whether a list can be read: False where the edition has no such module (5), or it is switched off (110…)."""
        reply = await self._call("metadata", "GET", f"/{path}", {"page": "1", "per_page": "1"})
        if _is_off(reply):
            return False
        self._expect(reply)
        return True

    async def fields(self, module: str) -> list[FieldMeta]:
        """`GET /settings/fields?entity=`, every time anew. The spelling of "unique" is not documented: all are tried."""
        reply = await self._get("metadata", "/settings/fields", {"entity": _module(module).one})
        self._metadata[module] = [_field(raw) for raw in _rows(reply, "fields")]
        return list(self._metadata[module])

    async def users(self) -> list[User]:
        users: list[User] = []
        number, more = 1, True
        while more:
            reply = await self._get("metadata", "/users", {"page": str(number), "per_page": str(PAGE_ROWS)})
            users += [
                User(
                    id=str(raw["user_id"]),
                    name=str(raw.get("name") or ""),
                    email=str(raw.get("email") or ""),
                    active=raw.get("status") == "active",
                    profile=str(raw.get("user_role") or ""),
                )
                for raw in _rows(reply, "users")
            ]
            number, more = number + 1, _has_more(reply)
        return users

    async def currencies(self) -> list[Currency]:
        """Every currency of the organisation: Books knows no inactive ones."""
        reply = await self._get("metadata", "/settings/currencies", {})
        return [
            Currency(str(raw["currency_code"]), int(raw.get("price_precision") or 0), str(raw.get("currency_id") or ""))
            for raw in _rows(reply, "currencies")
        ]

    # reading

    async def read(self, module: str, *, since: datetime | None = None, verify: bool = False) -> AsyncIterator[Page]:
        """See core.ports.Books. Offset paging over moving rows loses or repeats them (section 4.1): a repeated id shows it,
        a lost one only the second pass. Bounds: last_modified_time ≥ `since` (closed; the caller overlaps)."""
        spec = _module(module)
        seen: set[str] = set()
        scan = _Scan()
        number = 0
        for backwards in (False, True):
            async for rows, served_at in self._scan(spec, since, scan, backwards=backwards):
                fresh = []
                for row in rows:
                    if row[spec.id] not in seen:
                        seen.add(row[spec.id])
                        fresh.append(row)
                    elif not backwards:
                        scan.moved = True
                number += 1
                yield Page(fresh, served_at, number)
            if scan.pages == 1 or not (verify or scan.moved):
                return

    async def get(self, module: str, record_id: str) -> Row | None:
        spec = _module(module)
        reply = await self._call("read", "GET", f"/{spec.path}/{_check_id(record_id)}", {})
        if _code(reply) in GONE:
            return None
        self._expect(reply)
        found = reply.content.get(spec.one)
        if not isinstance(found, dict):
            raise Unreachable("books", f"GET /{spec.path}/{record_id} answered without the record.")
        return found

    async def get_items(self, ids: Sequence[str]) -> dict[str, Row]:
        """Items' details by `itemdetails`. Where that call is refused (an id that is gone, an edition without it) one by one."""
        found: dict[str, Row] = {}
        wanted = [_check_id(item_id) for item_id in dict.fromkeys(ids)]
        for start in range(0, len(wanted), ITEM_DETAILS):
            some = wanted[start : start + ITEM_DETAILS]
            reply = await self._call("read", "GET", "/itemdetails", {"item_ids": ",".join(some)})
            if reply.status in (400, 404) and _code(reply) != "0":
                for item_id in some:
                    row = await self.get("items", item_id)
                    if row is not None:
                        found[item_id] = row
                continue
            self._expect(reply)
            found |= {str(row["item_id"]): row for row in _rows(reply, "items")}
        return found

    async def paired_customers(self, crm: Ref) -> list[str]:
        """By the documented filters zcrm_account_id and zcrm_contact_id (section 6.7). Rows do not show the id: read them."""
        params = {**MODULES["contacts"].filters, "per_page": str(PAGE_ROWS), ID_FIELDS[crm.module]: _check_id(crm.id)}
        return [str(row["contact_id"]) for row in _rows(await self._get("read", "/contacts", params), "contacts")]

    async def documents_of(self, module: str, field: Literal["customer_id", "zcrm_potential_id"], value: str) -> list[Row]:
        """By the documented filters (section 4.3). A row of another one is dropped, whatever the server matched."""
        spec, found, number, more = _module(module), dict[str, Row](), 1, True
        params = {**spec.filters, "sort_column": spec.stable, "sort_order": "A", field: _check_id(value)}
        while more:
            paged = {**params, "page": str(number), "per_page": str(PAGE_ROWS)}
            reply = await self._get("read", f"/{spec.path}", paged)
            found |= {str(row[spec.id]): row for row in _rows(reply, spec.path) if str(row.get(field)) == value}
            number, more = number + 1, _has_more(reply)
        return list(found.values())

    # writing

    async def put_by_key(self, module: str, key_field: str, key: str, body: Row) -> Answer:
        """`PUT` with the upsert headers (section 6.6); the created record carries the key because the body does."""
        spec = _module(module)
        headers = {"X-Unique-Identifier-Key": key_field, "X-Unique-Identifier-Value": key, "X-Upsert": "true"}
        custom = list(body.get("custom_fields") or ())
        if not any(field.get("api_name") == key_field for field in custom):
            custom.append({"api_name": key_field, "value": key})
        body = await self._with_field_ids(module, {**body, "custom_fields": custom})
        # a number of one's own (sections 8 and 10.1)
        params = {"ignore_auto_number_generation": "true"} if body.get(f"{spec.one}_number") else None
        return await self._write("PUT", f"/{spec.path}", body, one=spec.one, id_key=spec.id, headers=headers, params=params)

    async def update(self, module: str, record_id: str, body: Row) -> Answer:
        """Absent keys stay. A contact's `contact_persons` would remove the persons left out: use the person calls."""
        spec = _module(module)
        body = await self._with_field_ids(module, body)
        path = f"/{spec.path}/{_check_id(record_id)}"
        return await self._write("PUT", path, body, one=spec.one, id_key=spec.id, known=record_id)

    async def set_active(self, module: str, record_id: str, active: bool) -> Answer:
        spec = _module(module)
        path = f"/{spec.path}/{_check_id(record_id)}/{'active' if active else 'inactive'}"
        return await self._write("POST", path, None, one=spec.one, id_key=spec.id, known=record_id)

    async def set_status(self, module: str, record_id: str, status: str) -> Answer:
        spec = _module(module)
        if status not in MOVES.get(module, ()):
            raise Bug(f"books: {module} were to be made {status!r}.", expected=", ".join(MOVES.get(module, ())) or "a document")
        path = f"/{spec.path}/{_check_id(record_id)}/status/{status}"
        return await self._write("POST", path, None, one=spec.one, id_key=spec.id, known=record_id)

    async def add_person(self, contact_id: str, body: Row) -> Answer:
        body = {**body, "contact_id": _check_id(contact_id)}
        return await self._write("POST", "/contacts/contactpersons", body, one="contact_person", id_key="contact_person_id")

    async def update_person(self, person_id: str, body: Row) -> Answer:
        path = f"/contacts/contactpersons/{_check_id(person_id)}"
        return await self._write("PUT", path, body, one="contact_person", id_key="contact_person_id", known=person_id)

    async def delete_person(self, person_id: str) -> Answer:
        path = f"/contacts/contactpersons/{_check_id(person_id)}"
        return await self._write("DELETE", path, None, one="contact_person", id_key="contact_person_id", known=person_id)

    async def delete(self, module: str, record_id: str) -> Answer:
        """Refused (36, 1004) while the record has transactions; there is no trash."""
        spec = _module(module)
        path = f"/{spec.path}/{_check_id(record_id)}"
        return await self._write("DELETE", path, None, one=spec.one, id_key=spec.id, known=record_id)

    async def make_field(self, new: NewField) -> Answer:
        """`POST /settings/fields` (section 12). `is_unique` is what the web client sends; it counts when `fields` shows it."""
        body: Row = {"label": new.label, "data_type": new.data_type, "entity": _module(new.module).one, "show_on_pdf": False}
        if new.unique:
            body["is_unique"] = True
        reply = await self._call("write", "POST", "/settings/fields", {}, body=body)
        code = _code(reply)
        done = code == "0" and reply.status < 300
        return Answer(done, code=code, words=str(reply.content.get("message", "")), field=new.api_name)

    # documents for people: what a person sees of one, its PDF, its e-mail

    async def search(self, module: str, filters: Mapping[str, str]) -> list[Row]:
        """List rows by the documented filters of section 4.3, newest date first; every page. ModuleOff."""
        spec, found, number, more = _module(module), list[Row](), 0, True
        while more:
            number += 1
            params = {**filters, "sort_column": "date", "sort_order": "D", "per_page": str(PAGE_ROWS), "page": str(number)}
            reply = await self._get("read", f"/{spec.path}", params)
            listed, more = _rows(reply, spec.path), _has_more(reply)
            if more and not listed:
                raise Unreachable("books", f"{spec.path}: an empty page that says there is more.")
            found += listed
        return list({str(row[spec.id]): row for row in found}.values())

    async def history(self, module: str, record_id: str) -> list[Row]:
        """What happened to a document, as Books tells it (comments and system entries), oldest first. Not paged.

        Rows come newest first; their time of day is words in the user's language, so that the order is taken as it comes.
        """
        path = f"/{_module(module).path}/{_check_id(record_id)}/comments"
        rows = _rows(await self._get("read", path, {}), "comments")
        return sorted(reversed(rows), key=lambda row: str(row.get("date") or ""))

    async def payments_of(self, invoice_id: str) -> list[Row]:
        """The payments applied to an invoice."""
        return _rows(await self._get("read", f"/invoices/{_check_id(invoice_id)}/payments", {}), "payments")

    async def pdf(self, module: str, record_id: str) -> bytes | None:
        """One document's PDF (section 10.5), or None when it is gone. Errors come as JSON or as a gateway's page."""
        path, params = f"/{_module(module).path}/{_check_id(record_id)}", {"accept": "pdf"}
        reply = await self._call("read", "GET", path, params, headers={"Accept": "application/pdf"})
        if _code(reply) in GONE:
            return None
        if isinstance(reply.body, bytes) and reply.body.startswith(b"%PDF-"):
            return reply.body
        if isinstance(reply.body, dict) and _code(reply) != "0":
            self._expect(reply)
        raise Unreachable("books", f"GET {path} answered without a PDF.")

    async def email_content(self, module: str, record_id: str, template: str = "") -> Row:
        """What an e-mail of the document would say: templates, senders, recipients, subject, body. Sends nothing.

        Estimates have it at the top level, the others in `data` (section 2.1): both are taken.
        """
        params = {"email_template_id": _check_id(template)} if template else {}
        reply = await self._get("read", f"/{_module(module).path}/{_check_id(record_id)}/email", params)
        return _first(reply.content.get("data")) or reply.content

    async def send_email(self, module: str, record_id: str, body: Row) -> Answer:
        """Send the document with its PDF. An empty body would send the default template to the default recipients, and a
        repeated call a second e-mail: never without recipients, subject and body, and never again by itself.
        """
        if not all(body.get(part) for part in ("to_mail_ids", "subject", "body")):
            raise Bug("books: an e-mail without recipients, subject or body.", expected="all three, said outright")
        spec = _module(module)
        path = f"/{spec.path}/{_check_id(record_id)}/email"
        params = {} if module == "estimates" else {"send_attachment": "true"}  # estimates' calls know no such word
        return await self._write("POST", path, body, one=spec.one, id_key=spec.id, known=record_id, params=params)

    async def templates(self, module: str) -> list[Row]:
        """The layouts in which a document can be printed: template_id, template_name, template_type. Not paged."""
        return _rows(await self._get("metadata", f"/{_module(module).path}/templates", {}), "templates")

    async def taxes(self) -> list[Row]:
        """Taxes of the organisation: tax_id, tax_name, tax_percentage, tax_type."""
        found, number, more = list[Row](), 0, True
        while more:
            number += 1
            reply = await self._get("metadata", "/settings/taxes", {"page": str(number), "per_page": str(PAGE_ROWS)})
            found, more = found + _rows(reply, "taxes"), _has_more(reply)
        return found

    # counting and closing

    def daily(self) -> tuple[int | None, int | None]:
        return self._client.daily()

    def allowance(self) -> int | None:
        """Calls that may still leave today under our own cap and the reserve for people; None: no limit is known yet."""
        return self._client.allowance()

    def calls(self) -> Mapping[str, int]:
        return self._client.calls()

    def sick(self) -> Sick | None:
        return self._client.sick()

    def skew(self) -> timedelta | None:
        return self._client.skew

    async def aclose(self) -> None:
        await self._client.aclose()

    # ------------------------------------------------------------------------------------------- inside: calls

    async def _call(
        self, kind: Kind, method: str, path: str, params: Mapping[str, str], *, body: Row | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        return await self._client.send(
            kind, method, f"/{self._edition}/v3{path}",
            params={"organization_id": self._organization, **params},
            body=body,
            headers={f"X-com-zoho-{self._edition}-organizationid": self._organization, **(headers or {})},
        )  # fmt: skip

    async def _get(self, kind: Kind, path: str, params: Mapping[str, str]) -> Reply:
        reply = await self._call(kind, "GET", path, params)
        self._expect(reply)
        return reply

    def _organisation(self, raw: Row) -> Organization:
        return Organization(
            id=str(raw.get("organization_id")),
            name=str(raw.get("name") or ""),
            time_zone=str(raw.get("time_zone") or "UTC"),
            currency=str(raw.get("currency_code") or ""),
            kind=self._edition,
        )

    async def _organizations(self, edition: Edition) -> list[Row]:
        """The one call that names no organisation."""
        reply = await self._client.send("metadata", "GET", f"/{edition}/v3/organizations")
        self._expect(reply)
        return _rows(reply, "organizations")

    async def _wrong_edition(self) -> WrongEdition | None:
        other = EDITIONS[1 - EDITIONS.index(self._edition)]
        try:
            found = await self._organizations(other)
        except RenkeiError:
            return None  # refused there too: the scope is missing everywhere, and that is what the caller says
        there = ", ".join(f"{raw.get('organization_id')} ({raw.get('name')})" for raw in found) or "none"
        return WrongEdition(
            "books", f"the token is for Zoho {other.title()} (organisations: {there}), the connection says {self._edition}.",
            fix=f"Set books.edition: {other}, or authorise with the scopes of Zoho {self._edition.title()}.",
        )  # fmt: skip

    def _expect(self, reply: Reply) -> None:
        code, words = _code(reply), str(reply.content.get("message", ""))
        if code == "0" and reply.status < 300:
            return
        if _is_off(reply):
            raise ModuleOff("books", f"{words} ({code}, HTTP {reply.status}).")
        if code == "2" or code == "37":
            raise Bug(f"books: {words} ({code}).", expected="a request that Books accepts")
        raise ConnectionRefused("books", f"{words} ({code}, HTTP {reply.status}).")

    # ------------------------------------------------------------------------------------------- inside: reading

    async def _scan(
        self, spec: _Module, since: datetime | None, scan: _Scan, *, backwards: bool
    ) -> AsyncIterator[tuple[list[Row], datetime]]:
        """One pass over the list. The pages that it took are left in `scan`."""
        newest_by = {"contacts": "last_modified_time", "estimates": "created_time"}.get(spec.path, "") if since else ""
        params = {**spec.filters, "per_page": str(PAGE_ROWS)}
        if newest_by:
            params |= {"sort_column": newest_by, "sort_order": "D"}
        else:
            params |= {"sort_column": spec.stable, "sort_order": "D" if backwards else "A"}
        if spec.path in MODIFIED_FILTER and since is not None:
            # "after" for invoices (section 4.4), so one second earlier; httpx sends the + as %2B.
            params["last_modified_time"] = _moment(since - timedelta(seconds=1))
        scan.pages, more = 0, True
        while more:
            scan.pages += 1
            reply = await self._get("read", f"/{spec.path}", {**params, "page": str(scan.pages)})
            listed, more = _rows(reply, spec.path), _has_more(reply)
            if more and not listed:
                raise Unreachable("books", f"{spec.path}: an empty page that says there is more.")
            rows = [row for row in listed if row.get("contact_type", "customer") == "customer"]
            if since is not None and spec.path in MODIFIED_FILTER:
                _assert_filtered(spec, rows, since)
            if newest_by:
                rows = [row for row in rows if not _is_older(row, since, newest_by)]
                more = more and not any(_is_older(row, since, newest_by) for row in listed)
            yield rows, reply.served_at

    # ------------------------------------------------------------------------------------------- inside: writing

    async def _write(
        self, method: str, path: str, body: Row | None, *, one: str, id_key: str, known: str | None = None,
        headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One write. `known` is the record's id where the path names it, since some answers are an envelope only."""
        reply = await self._call("write", method, path, params or {}, body=body, headers=headers)
        code, words = _code(reply), str(reply.content.get("message", ""))
        if code != "0" or reply.status >= 300:
            return Answer(False, id=known, code=code, words=words)
        record = _first(reply.content.get(one))
        record_id = known if record is None or record.get(id_key) is None else str(record[id_key])
        if record_id is None:
            raise AnswerUnknown("books", f"{method} {path}", "it succeeded and does not say which record")
        return Answer(True, id=record_id, stamp=_stamp(record or {}), record=record)

    async def _with_field_ids(self, module: str, body: Row) -> Row:
        """Custom fields by customfield_id, the safest of the documented spellings (section 6.2)."""
        custom = body.get("custom_fields")
        if not custom:
            return body
        translated = [
            {"customfield_id": await self._field_id(module, field["api_name"]), "value": field["value"]}
            if "customfield_id" not in field
            else dict(field)
            for field in custom
        ]
        return {**body, "custom_fields": translated}

    async def _field_id(self, module: str, api_name: str) -> str:
        for fresh in (False, True):  # a field that was created after our last look
            if fresh or module not in self._metadata:
                await self.fields(module)
            for meta in self._metadata[module]:
                if meta.api_name == api_name and meta.id:
                    return meta.id
        raise FieldMissing(
            "books", module, api_name, fix="Create this custom field, or correct its API name in the connection or mapping."
        )


@dataclass(slots=True)
class _Scan:
    """What a read has noticed: pages of the last pass, and whether a row came twice in it."""

    pages: int = 0
    moved: bool = False


def _module(name: str) -> _Module:
    if name not in MODULES:
        raise Bug(f"books: module {name!r} was asked for.", expected=", ".join(MODULES))
    return MODULES[name]


def _is_off(reply: Reply) -> bool:
    """The edition has no such module (5), or the organisation switched it off (110…)."""
    code = _code(reply)
    return code == "5" or (code.startswith("110") and len(code) == 6)


def _code(reply: Reply) -> str:
    return str(reply.content.get("code", ""))


def _rows(reply: Reply, key: str) -> list[Row]:
    rows = reply.content.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _has_more(reply: Reply) -> bool:
    """`page_context` is an object, though the vendor's own files say array for some modules (section 2.1)."""
    context = _first(reply.content.get("page_context"))
    return bool(context and context.get("has_more_page"))


def _first(value: Any) -> Row | None:
    """The object, or the first of an array: the vendor files and live answers disagree (section 2.1)."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, dict) else None


def _stamp(row: Mapping[str, Any]) -> datetime | None:
    text = row.get("last_modified_time")
    return parse_time(str(text)) if text else None


def _is_older(row: Mapping[str, Any], since: datetime | None, column: str = "last_modified_time") -> bool:
    text = row.get(column)
    stamp = parse_time(str(text)) if text else None
    return since is not None and stamp is not None and stamp < since.replace(microsecond=0)


def _assert_filtered(spec: _Module, rows: Iterable[Row], since: datetime) -> None:
    """Unknown parameters appear to be ignored: a filter that has no effect would read everything, every hour."""
    for row in rows:
        if _is_older(row, since - timedelta(seconds=1)):
            raise Bug(
                f"books: {spec.one} {row.get(spec.id)} of {row.get('last_modified_time')} came although only those after "
                f"{_moment(since)} were asked for.",
                expected="the filter last_modified_time to be honoured (books-v3.md section 4.4)",
            )


def _moment(moment: datetime) -> str:
    """`2026-11-02T00:00:00+0000`: no colon in the offset, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S%z")


def _field(raw: Mapping[str, Any]) -> FieldMeta:
    length = raw.get("max_length") or raw.get("length")
    unique = any(raw.get(key) in (True, "true") for key in ("is_unique", "unique", "is_unique_field", "is_duplicate_prevented"))
    choices = [one for one in raw.get("values") or () if isinstance(one, dict) and one.get("is_active", True) is not False]
    return FieldMeta(
        api_name=str(raw.get("api_name") or raw.get("field_name") or ""),
        data_type=str(raw.get("data_type") or ""),
        length=int(length) if length else None,
        unique=unique,
        writable=not raw.get("is_read_only", False),
        mandatory=raw.get("is_mandatory") in (True, "true"),
        values=tuple(str(choice.get("name") or choice.get("value")) for choice in choices),
        id=str(raw.get("customfield_id") or raw.get("field_id") or ""),
        label=str(raw.get("label") or raw.get("field_name_formatted") or ""),
    )


def _check_id(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise Bug(f"books: {text!r} was used as a record id.", expected="digits")
    return text
