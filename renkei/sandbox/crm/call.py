"""One call of the CRM API: what was asked, by whom, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from renkei.sandbox.crm import errors
from renkei.sandbox.crm.coql_syntax import Query
from renkei.sandbox.crm.state import CrmState
from renkei.sandbox.crm.table import Table
from renkei.sandbox.faults import Faults
from renkei.sandbox.oauth import AccessToken

PER_PAGE = 200


@dataclass(slots=True)
class Answer:
    """Status, JSON body (None: empty) and what the request log notes: records touched."""

    status: int
    body: Any = None
    rows: int = 0
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


NO_CONTENT = 204
NOT_MODIFIED = 304


@dataclass
class Call:
    """A request with its place in the path: `names` holds the variable path segments by name."""

    state: CrmState
    faults: Faults
    method: str
    path: str
    segments: tuple[str, ...]
    params: dict[str, str]
    headers: Mapping[str, str]
    body: bytes
    token: AccessToken
    base_url: str
    names: dict[str, str] = field(default_factory=dict)
    query: Query | None = None

    @cached_property
    def user(self) -> dict[str, Any]:
        """The user who authorised the token."""
        return self.state.users.get(self.token.user, self.state.sync_user)

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.user["time_zone"])

    @cached_property
    def json(self) -> Any:
        """The body. Refused whole when it is not a JSON object."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            details = {"expected_data_type": "jsonobject"}
            raise errors.Refusal("INVALID_DATA", "body is not a valid JSON", details)
        return value

    @cached_property
    def table(self) -> Table:
        """The module named in the path."""
        table = self.state.tables.get(self.names["module"])
        if table is None:
            raise errors.invalid_module()
        return table

    def whole_number(self, name: str, default: int, low: int, high: int) -> int:
        """A query parameter that is a whole number within bounds."""
        text = self.params.get(name)
        if text is None:
            return default
        if not text.isdigit() or not low <= int(text) <= high:
            raise errors.invalid_param(name)
        return int(text)

    def one_of(self, name: str, default: str, *allowed: str) -> str:
        """A query parameter with fixed values."""
        value = self.params.get(name, default)
        if value not in allowed:
            raise errors.bad_pattern(name)
        return value

    def time_header(self, name: str) -> int | None:
        """The epoch second of a datetime header; None when it is absent."""
        text = self.headers.get(name)
        if text is None:
            return None
        try:
            return self.state.reader_epoch(datetime.fromisoformat(text).isoformat())
        except ValueError:
            message = "the header value given seems to be invalid"
            raise errors.Refusal("INVALID_DATA", message, {"header_name": name}) from None

    def permit(self, right: str) -> None:
        """Refuses when the token user's profile lacks a right (View, Create, Edit, Delete) on the path's module."""
        module = self.names["module"]
        if (self.user["profile"]["id"], module, right) in self.state.denied:
            raise errors.no_permission(f"Crm_Implied_{right}_{module}")
