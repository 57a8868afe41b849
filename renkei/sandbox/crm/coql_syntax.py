"""The grammar of COQL: text to a query (crm-v8.md section 4). Pairs of criteria only; deeper by brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from renkei.sandbox.crm.errors import Refusal

DEFAULT_LIMIT = 200
MAX_LIMIT = 2000
MAX_OFFSET = 100_000
MAX_COLUMNS = 50
MAX_CRITERIA = 25
MAX_VALUES = 50
MAX_ORDER = 10
MAX_GROUP = 4
MAX_AGGREGATES = 5
MAX_JOINS = 2
AGGREGATES = ("COUNT", "SUM", "MIN", "MAX", "AVG")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"
    r"|(?P<sign>>=|<=|!=|<>|[=<>(),])|(?P<word>[A-Za-z_$][\w$.#]*))"
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "word" else ""


@dataclass(frozen=True, slots=True)
class Column:
    """A selected column: a dotted path, under an aggregate or not. `key`: its name in the answer."""

    path: str
    aggregate: str | None
    key: str


@dataclass(frozen=True, slots=True)
class Criterion:
    """`path comparator value`; value is a text, a list (in), a pair (between) or None (is null)."""

    path: str
    comparator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conditions under `and` or `or`."""

    operator: str
    left: Condition
    right: Condition


Condition = Criterion | Pair


@dataclass(slots=True)
class Query:
    module: str
    view: str | None
    columns: list[Column]
    where: Condition
    group_by: list[str] = field(default_factory=list)
    order_by: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = DEFAULT_LIMIT
    offset: int = 0


def parse(text: str) -> Query:
    """Reads a select query. Refusal SYNTAX_ERROR (line, column, near), LIMIT_EXCEEDED or DUPLICATE_DATA."""
    return _Parser(text).query()


def criteria(where: Condition) -> list[Criterion]:
    """All criteria of a condition."""
    if isinstance(where, Criterion):
        return [where]
    return criteria(where.left) + criteria(where.right)


def limit_exceeded(limit: int, clause: str) -> Refusal:
    details = {"limit": limit, "clause": clause, "by": clause}
    return Refusal("LIMIT_EXCEEDED", f"the {clause} clause exceeds its limit", details)


class _Parser:
    def __init__(self, text: str) -> None:
        self.source = text
        self.tokens = self._tokens(text)
        self.place = 0
        self.aliases: dict[str, str] = {}

    def _tokens(self, text: str) -> list[Token]:
        tokens, at, end = [], 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise self._refuse(at, text[at : at + 20].strip())
            kind = found.lastgroup
            tokens.append(Token(kind, found[kind], found.start(kind)))
            at = found.end()
        return tokens

    def _refuse(self, at: int, near: str) -> Refusal:
        line = self.source.count("\n", 0, at) + 1
        column = at - (self.source.rfind("\n", 0, at) + 1) + 1
        details = {"line": line, "column": column, "near": near}
        return Refusal("SYNTAX_ERROR", "invalid query formed", details)

    def _unexpected(self) -> Refusal:
        if self.place < len(self.tokens):
            token = self.tokens[self.place]
            return self._refuse(token.at, token.text)
        return self._refuse(len(self.source), self.tokens[-1].text if self.tokens else "")

    def _peek(self) -> Token:
        return self.tokens[self.place] if self.place < len(self.tokens) else Token("end", "", len(self.source))

    def _take(self, *words: str) -> bool:
        """Steps over these words if they come next."""
        coming = [token.word or token.text for token in self.tokens[self.place : self.place + len(words)]]
        if coming == list(words):
            self.place += len(words)
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._take(word):
            raise self._unexpected()

    def _next(self, *kinds: str) -> Token:
        token = self._peek()
        if token.kind not in kinds:
            raise self._unexpected()
        self.place += 1
        return token

    def query(self) -> Query:
        self._need("select")
        columns = self._columns()
        self._need("from")
        module, _, view = self._next("word").text.partition("#")
        if not self._take("where"):
            if self._peek().kind == "end":
                raise Refusal("SYNTAX_ERROR", "missing clause", {"clause": "where"})
            raise self._unexpected()
        where = self._condition()
        if len(criteria(where)) > MAX_CRITERIA:
            raise limit_exceeded(MAX_CRITERIA, "where")
        query = Query(module, view or None, columns, where)
        if self._take("group", "by"):
            query.group_by = self._paths(MAX_GROUP, "group by")
        if self._take("order", "by"):
            query.order_by = self._order()
        self._limit(query)
        if self._peek().kind != "end":
            raise self._unexpected()
        return query

    def _columns(self) -> list[Column]:
        columns = [self._column()]
        while self._take(","):
            columns.append(self._column())
        if len(columns) > MAX_COLUMNS:
            raise limit_exceeded(MAX_COLUMNS, "select")
        if sum(column.aggregate is not None for column in columns) > MAX_AGGREGATES:
            raise limit_exceeded(MAX_AGGREGATES, "aggregate")
        keys = [column.key for column in columns]
        for key in keys:
            if keys.count(key) > 1:
                code = "DUPLICATE_ALIAS" if key in self.aliases else "DUPLICATE_DATA"
                raise Refusal(code, "duplicate data", {"column_name": key})
        return columns

    def _column(self) -> Column:
        token = self._next("word", "text")
        name = _unquoted(token)
        if token.kind == "word" and name.upper() in AGGREGATES and self._take("("):
            path = self._path()
            self._need(")")
            return Column(path, name.upper(), self._alias(f"{name.upper()}({path})", path))
        self._check_joins(name, token)
        return Column(name, None, self._alias(name, name))

    def _alias(self, default: str, path: str) -> str:
        if not self._take("as"):
            return default
        token = self._next("word", "text")
        alias = _unquoted(token)
        if not re.fullmatch(r"\w+", alias):
            raise Refusal("INVALID_ALIAS", "the alias given seems to be invalid", {"near": alias})
        if alias in self.aliases:
            raise Refusal("DUPLICATE_ALIAS", "duplicate alias", {"near": alias})
        self.aliases[alias] = path
        return alias

    def _path(self) -> str:
        token = self._next("word")
        path = self.aliases.get(token.text, token.text)
        self._check_joins(path, token)
        return path

    def _check_joins(self, path: str, token: Token) -> None:
        if path.count(".") > MAX_JOINS:
            raise limit_exceeded(MAX_JOINS, "join")
        if not all(path.split(".")) or "#" in path:
            raise self._refuse(token.at, token.text)

    def _paths(self, most: int, clause: str) -> list[str]:
        paths = [self._path()]
        while self._take(","):
            paths.append(self._path())
        if len(paths) > most:
            raise limit_exceeded(most, clause)
        return paths

    def _order(self) -> list[tuple[str, bool]]:
        order: list[tuple[str, bool]] = []
        while True:
            path = self._path()
            descending = self._take("desc")
            if not descending:
                self._take("asc")
            order.append((path, descending))
            if not self._take(","):
                break
        if len(order) > MAX_ORDER:
            raise limit_exceeded(MAX_ORDER, "order by")
        return order

    def _limit(self, query: Query) -> None:
        if self._take("limit"):
            query.limit = self._whole()
            if self._take(","):
                query.offset, query.limit = query.limit, self._whole()
        if self._take("offset"):
            query.offset = self._whole()
        if query.limit > MAX_LIMIT:
            raise limit_exceeded(MAX_LIMIT, "limit")
        if query.offset > MAX_OFFSET:
            raise limit_exceeded(MAX_OFFSET, "offset")

    def _whole(self) -> int:
        token = self._next("number")
        if not token.text.isdigit():
            raise self._refuse(token.at, token.text)
        return int(token.text)

    def _condition(self) -> Condition:
        left = self._operand()
        for operator in ("and", "or"):
            if self._take(operator):
                return Pair(operator, left, self._operand())
        return left

    def _operand(self) -> Condition:
        if self._take("("):
            inner = self._condition()
            self._need(")")
            return inner
        return self._criterion()

    def _criterion(self) -> Criterion:
        path = self._path()
        if self._take("is", "not", "null"):
            return Criterion(path, "is not null", None)
        if self._take("is", "null"):
            return Criterion(path, "is null", None)
        negated = self._take("not")
        if self._take("in"):
            return Criterion(path, "not in" if negated else "in", self._values())
        if self._take("like"):
            return Criterion(path, "not like" if negated else "like", self._value())
        if self._take("between"):
            low = self._value()
            self._need("and")
            return Criterion(path, "not between" if negated else "between", (low, self._value()))
        token = self._next("sign")
        if negated or token.text in "(),":
            self.place -= 1
            raise self._unexpected()
        return Criterion(path, "!=" if token.text == "<>" else token.text, self._value())

    def _values(self) -> list[str]:
        self._need("(")
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need(")")
        if len(values) > MAX_VALUES:
            raise limit_exceeded(MAX_VALUES, "in")
        return values

    def _value(self) -> str:
        token = self._next("text", "number", "word")
        if token.kind == "word" and token.word not in ("true", "false", "null"):
            self.place -= 1
            raise self._unexpected()
        return _unquoted(token)


def _unquoted(token: Token) -> str:
    if token.kind != "text":
        return token.text
    inner = token.text[1:-1]
    if token.text[0] == "'":
        inner = inner.replace("''", "'")
    return re.sub(r"\\(.)", r"\1", inner)
