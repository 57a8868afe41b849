"""Search and count: a lagging index that matches loosely (crm-v8.md sections 3.4 and 3.5)."""

from __future__ import annotations

import re
from typing import Any

from renkei.sandbox.crm import errors, read
from renkei.sandbox.crm.call import NO_CONTENT, PER_PAGE, Answer, Call
from renkei.sandbox.crm.criteria import ID, WORDS, Predicate, single, view_predicate
from renkei.sandbox.crm.errors import Refusal
from renkei.sandbox.crm.table import Record, Table

MAX_HITS = 2000
MAX_CRITERIA = 10
MIN_CHARACTERS = 2
KINDS = ("criteria", "email", "phone", "word")
COUNT_SECONDS = 60
_OPERATOR = re.compile(r"\s*(and|or)\s*", re.IGNORECASE)
_LOOSE = ("text", "textarea", "email", "phone", "website")


def search(call: Call) -> Answer:
    """GET /crm/v8/{module}/search: what the index knew some time ago; `equals` on text acts as contains."""
    table = call.table
    call.permit("View")
    page = call.whole_number("page", 1, 1, 10**6)
    per_page = call.whole_number("per_page", PER_PAGE, 1, PER_PAGE)
    predicate = _asked(call, table)
    if predicate is None:
        details = {"param_names": list(KINDS)}
        raise Refusal("EXPECTED_PARAM_MISSING", "One of the expected parameter is missing", details)
    start = (page - 1) * per_page
    if start >= MAX_HITS:
        raise Refusal("LIMIT_REACHED", "the search limit has been reached", {"limit": MAX_HITS})
    hits = [record for record in _indexed(call, table) if predicate(record)]
    hits.reverse()
    part = hits[start : start + per_page]
    if not part:
        return Answer(NO_CONTENT)
    names = read.asked_fields(call) if "fields" in call.params else list(table.fields)
    info = {
        "per_page": per_page,
        "count": len(part),
        "page": page,
        "sort_by": "id",
        "sort_order": "desc",
        "more_records": start + per_page < len(hits),
    }
    return Answer(200, {"data": read.rows(call, table, part, names), "info": info}, rows=len(part))


def count(call: Call) -> Answer:
    """GET /crm/v8/{module}/actions/count: refreshed a minute or more late."""
    table = call.table
    call.permit("View")
    asked = [name for name in KINDS if name in call.params]
    if "cvid" in call.params and asked:
        raise errors.ambiguous("cvid", asked[0])
    key = (table.module, *(f"{name}={call.params[name]}" for name in sorted(call.params)))
    now = int(call.state.now().timestamp())
    known = call.state.counts.get(key)
    if known is None or known[0] + COUNT_SECONDS <= now:
        predicate = _view(call, table) if "cvid" in call.params else _asked(call, table)
        found = sum(1 for record in _indexed(call, table) if predicate is None or predicate(record))
        known = call.state.counts[key] = (now, found)
    return Answer(200, {"count": known[1]})


def _indexed(call: Call, table: Table) -> list[Record]:
    """The live records whose last change has reached the index."""
    horizon = int(call.state.now().timestamp()) - call.state.index_lag_seconds
    return [record for record in table if table.modified_epoch(record["id"]) <= horizon]


def _view(call: Call, table: Table) -> Predicate | None:
    view = table.views.get(call.params["cvid"])
    if view is None:
        raise errors.invalid_param("cvid", "the id given seems to be invalid")
    return view_predicate(call.state, table, view.criteria)


def _asked(call: Call, table: Table) -> Predicate | None:
    """The test that the search parameters name; the first of criteria, email, phone, word wins."""
    kind = next((name for name in KINDS if call.params.get(name)), None)
    if kind is None:
        return None
    text = call.params[kind]
    if len(text) < MIN_CHARACTERS:
        raise errors.invalid_param(kind, "the search text is too short")
    if kind == "criteria":
        return _Criteria(call, table, text).predicate()
    wanted = text.casefold()
    types = _LOOSE if kind == "word" else (kind,)
    names = [field.name for field in table.fields.values() if field.type in types]
    if kind == "word":
        return lambda record: any(wanted in str(record.get(name) or "").casefold() for name in names)
    return lambda record: any(str(record.get(name) or "").casefold() == wanted for name in names)


class _Criteria:
    """Reads `((Account_Name:starts_with:Aoyama)and(Billing_City:equals:Tokyo))`."""

    def __init__(self, call: Call, table: Table, text: str) -> None:
        self.call = call
        self.table = table
        self.text = text
        self.place = 0
        self.count = 0

    def predicate(self) -> Predicate:
        test = self._group()
        if self.place != len(self.text):
            raise self._invalid()
        if self.count > MAX_CRITERIA:
            details = {"limit": MAX_CRITERIA, "param_name": "criteria"}
            raise Refusal("LIMIT_EXCEEDED", "the criteria limit has been exceeded", details)
        return test

    def _invalid(self) -> Refusal:
        return Refusal("INVALID_QUERY", "invalid query formed", {"reason": "criteria", "api_name": "criteria"})

    def _group(self) -> Predicate:
        """One bracket, or several joined by and / or (evaluated from left to right)."""
        test = self._bracket()
        while found := _OPERATOR.match(self.text, self.place):
            self.place = found.end()
            test = _joined(found[1].lower(), test, self._bracket())
        return test

    def _bracket(self) -> Predicate:
        if self.text[self.place : self.place + 1] != "(":
            raise self._invalid()
        self.place += 1
        if self.text[self.place : self.place + 1] == "(":
            test = self._group()
            if self.text[self.place : self.place + 1] != ")":
                raise self._invalid()
            self.place += 1
            return test
        return self._single(self._content())

    def _content(self) -> str:
        """The text up to the closing bracket that is not escaped."""
        start = self.place
        while self.place < len(self.text):
            character = self.text[self.place]
            if character == ")":
                self.place += 1
                return self.text[start : self.place - 1]
            self.place += 2 if character == "\\" else 1
        raise self._invalid()

    def _single(self, content: str) -> Predicate:
        self.count += 1
        name, _, rest = content.partition(":")
        word, colon, value = rest.partition(":")
        field = ID if name == "id" else self.table.fields.get(name)
        if field is None or not colon or word not in WORDS:
            raise self._invalid()
        comparator = WORDS[word]
        if comparator == "=" and field.type in _LOOSE:
            comparator = "contains"
        plain: Any = re.sub(r"\\(.)", r"\1", value)
        if comparator in ("in", "not in", "between"):
            plain = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\),", value)]
        try:
            return single(self.call.state, self.table, field, comparator, plain)
        except ValueError:
            raise self._invalid() from None


def _joined(operator: str, left: Predicate, right: Predicate) -> Predicate:
    if operator == "and":
        return lambda record: left(record) and right(record)
    return lambda record: left(record) or right(record)
