"""Named functions that carry one field's value across: raw → canonical, canonical → raw, and equality across sides.

Canonical values are str, Decimal, int, bool, date, or None for blank. `MISSING` (the key was not served) passes through
untouched. A stored text is kept as it was typed; only its equality is lenient, so that a comparison never becomes an edit.
A value that cannot be understood becomes `Unreadable`, which quarantines its row; nothing is ever guessed.

Columns are read by their distinct values, each once (`Transform.read_column`).
Source: product.md sections 8 and 10, crm-v8.md section 7.1; docs/reference/transforms.md lists every function.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import pandas as pd
import phonenumbers
from babel import Locale
from email_validator import EmailNotValidError, validate_email

from renkei.core.values import MISSING, Missing, Side


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A raw value that its transform cannot make sense of, and why in words. Becomes a quarantine row."""

    raw: Any
    why: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a function is told besides the value.

    side     the side that the raw value belongs to
    options  the field's own `options`
    values   (crm value, books value) pairs of a choice; canonical is the CRM's
    table    raw value of this side → canonical value; None: this side's raw value is the canonical one
    """

    side: Side
    options: Mapping[str, Any] = field(default_factory=dict)
    values: tuple[tuple[str, str], ...] = ()
    table: Mapping[str, str] | None = None


Read = Callable[[Any, Context], Any]
Write = Callable[[Any, Context], Any]
Key = Callable[[Any, Context], Hashable]


@dataclass(frozen=True, slots=True)
class Function:
    """A registered transform. `options`: option name → what it means; other options are refused by `renkei check`."""

    name: str
    summary: str
    read: Read
    write: Write
    key: Key
    options: Mapping[str, str] = field(default_factory=dict)
    needs_table: bool = False
    needs_values: bool = False


@dataclass(frozen=True, slots=True)
class Transform:
    """A function bound to one field of one side."""

    function: Function
    context: Context

    def read(self, raw: Any) -> Any:
        """Raw → canonical; blank (null, "", spaces) → None; MISSING stays; Unreadable when it makes no sense."""
        if raw is MISSING:
            return MISSING
        if is_blank(raw):
            return None
        return self.function.read(raw, self.context)

    def write(self, value: Any, previous: Any = MISSING) -> Any:
        """Canonical → raw. `previous` is the side's raw value now: it is kept when it says the same already.

        None becomes null in the CRM and "" in Books. An Unreadable is returned where the value has no raw form here.
        """
        if value is None:
            return None if self.context.side == "crm" else ""
        if previous is not MISSING and not is_blank(previous) and self.same(self.read(previous), value):
            return previous
        return self.function.write(value, self.context)

    def key(self, value: Any) -> Hashable:
        """Equal keys mean equal values across sides; None for blank. For equality only, never stored or sent."""
        if value is None or isinstance(value, (Missing, Unreadable)):
            return None
        return self.function.key(value, self.context)

    def same(self, a: Any, b: Any) -> bool:
        """Whether two canonical values say the same. Two blanks do; MISSING and Unreadable equal nothing."""
        if isinstance(a, (Missing, Unreadable)) or isinstance(b, (Missing, Unreadable)):
            return False
        return self.key(a) == self.key(b)

    def read_column(self, column: pd.Series) -> pd.Series:
        """`read` over an object column. Each distinct (type, value) is read once: 1, 1.0 and True are three values."""
        known: dict[tuple[type, Hashable], Any] = {}
        result: list[Any] = []
        for raw in column.array:
            try:
                seen = (type(raw), raw)
                if seen not in known:
                    known[seen] = self.read(raw)
                result.append(known[seen])
            except TypeError:  # a list or an object where a plain value was expected
                result.append(self.read(raw))
        return pd.Series(result, index=column.index, dtype=object)


def is_blank(raw: Any) -> bool:
    """Null, or a text without a visible character."""
    return raw is None or (isinstance(raw, str) and not raw.strip())


def bind(
    name: str,
    side: Side,
    *,
    options: Mapping[str, Any] | None = None,
    values: tuple[tuple[str, str], ...] = (),
    table: Mapping[str, str] | None = None,
) -> Transform:
    """The named function for one field of one side. KeyError for an unknown name; `renkei check` has refused that."""
    return Transform(FUNCTIONS[name], Context(side, options or {}, values, table))


# ------------------------------------------------------------------------------------------------------------- text


def _wide(text: str) -> str:
    """Full and half width made one (NFKC)."""
    return unicodedata.normalize("NFKC", text)


def _read_text(raw: Any, context: Context) -> Any:
    if isinstance(raw, str):
        return raw.strip()
    if isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    return Unreadable(raw, f"{_kind(raw)} where a text is expected")


def _kind(raw: Any) -> str:
    names = {bool: "true/false", float: "a number", int: "a number", list: "a list", dict: "an object"}
    return names.get(type(raw), "something else")


def _same_text(value: str, context: Context) -> str:
    return " ".join(_wide(value).split())


def _as_is(value: Any, context: Context) -> Any:
    return value


def _identical(value: Any, context: Context) -> Hashable:
    return value  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------- addresses: mail, phone, web, post

# A strict part of what email-validator accepts: most addresses need not pass through its slower parser.
_PLAIN_EMAIL = re.compile(
    r"(?=.{3,254}\Z)(?=[^@]{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}"
)
_RESERVED = (".arpa", ".invalid", ".local", ".localhost", ".onion")


def _read_email(raw: Any, context: Context) -> Any:
    text = _read_text(raw, context)
    if isinstance(text, Unreadable):
        return text
    if _PLAIN_EMAIL.fullmatch(text) and "--" not in text and not text.lower().endswith(_RESERVED):
        return text
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        return Unreadable(raw, f"not an e-mail address: {error}")
    return text


def _same_email(value: str, context: Context) -> str:
    return _wide(value).strip().casefold()


def _same_phone(value: str, context: Context) -> str:
    return _e164(value, str(context.options.get("region", "JP")))


@lru_cache(maxsize=65536)
def _e164(text: str, region: str) -> str:
    """E.164 with extension, or for a number that makes none: its text without spaces and punctuation."""
    plain = _wide(text)
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        return re.sub(r"[\W_]+", "", plain).casefold()
    if not phonenumbers.is_possible_number(number):
        return re.sub(r"[\W_]+", "", plain).casefold()
    extension = f";{number.extension}" if number.extension else ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) + extension


def _same_website(value: str, context: Context) -> str:
    """Host without scheme and `www.`, in lower case; the path as it is, without the last slash."""
    text = re.sub(r"^https?://", "", _wide(value).strip(), flags=re.IGNORECASE)
    host, slash, path = text.partition("/")
    return (host.casefold().removeprefix("www.") + slash + path).rstrip("/")


_DASHES = "‐‑‒–—―−ー-"


def _same_postal_code(value: str, context: Context) -> str:
    return re.sub(rf"[\s〒{_DASHES}]", "", _wide(value)).upper()


def _same_tax_number(value: str, context: Context) -> str:
    return re.sub(rf"[\s{_DASHES}]", "", _wide(value)).upper()


@lru_cache(maxsize=1)
def _countries() -> Mapping[str, str]:
    """Country name in English or Japanese, or ISO 3166 code → ISO code. Names are Unicode CLDR's."""
    known: dict[str, str] = {}
    for language in ("en", "ja"):
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code.isalpha():
                known[_wide(name).casefold()] = code
                known[code.casefold()] = code
    known["usa"] = "US"
    known["u.s.a."] = "US"
    known["日本国"] = "JP"
    return known


def _same_country(value: str, context: Context) -> str:
    text = _same_text(value, context).casefold()
    return _countries().get(text, text)


# ------------------------------------------------------------------------------------------ numbers, choices and dates


def _read_decimal(raw: Any, context: Context) -> Any:
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str, Decimal)):
        return Unreadable(raw, f"{_kind(raw)} where an amount is expected")
    try:
        # a float by its shortest text: 0.1 is the 0.1 that was on the wire, not 0.1000000000000000055…
        value = Decimal(repr(raw) if isinstance(raw, float) else _wide(raw).strip() if isinstance(raw, str) else raw)
    except InvalidOperation:
        return Unreadable(raw, "not an amount; digits with at most one point are expected")
    if not value.is_finite():
        return Unreadable(raw, "not a finite amount")
    return value


def _write_decimal(value: Decimal, context: Context) -> Any:
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        return Unreadable(value, "has more digits than the other system can take without changing it")
    return number


def _read_integer(raw: Any, context: Context) -> Any:
    value = _read_decimal(raw, context)
    if isinstance(value, Unreadable):
        return Unreadable(raw, value.why.replace("an amount", "a whole number"))
    if value != value.to_integral_value():
        return Unreadable(raw, "not a whole number")
    return int(value)


_YES_NO = {"true": True, "false": False}


def _read_boolean(raw: Any, context: Context) -> Any:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _YES_NO:
        return _YES_NO[raw.strip().lower()]
    return Unreadable(raw, "neither true nor false")


def _read_active(raw: Any, context: Context) -> Any:
    if context.side == "crm":
        return _read_boolean(raw, context)
    if raw in ("active", "inactive"):
        return raw == "active"
    return Unreadable(raw, "neither active nor inactive")


def _write_active(value: bool, context: Context) -> Any:
    if context.side == "crm":
        return value
    return "active" if value else "inactive"


def _read_choice(raw: Any, context: Context) -> Any:
    text = _read_text(raw, context)
    if isinstance(text, Unreadable):
        return text
    for crm, books in context.values:
        if text == (crm if context.side == "crm" else books):
            return crm
    return Unreadable(raw, f"is not in the value map ({', '.join(_side_values(context))})")


def _side_values(context: Context) -> list[str]:
    return [crm if context.side == "crm" else books for crm, books in context.values]


def _write_choice(value: str, context: Context) -> Any:
    for crm, books in context.values:
        if value == crm:
            return crm if context.side == "crm" else books
    return Unreadable(value, f"is not in the value map ({', '.join(_side_values(context))})")


def _read_date(raw: Any, context: Context) -> Any:
    if isinstance(raw, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", raw.strip()):
        try:
            return date.fromisoformat(raw.strip())
        except ValueError:
            return Unreadable(raw, "a day that the calendar does not have")
    return Unreadable(raw, "not a date; YYYY-MM-DD is expected")


def _write_date(value: date, context: Context) -> str:
    return value.isoformat()


# ---------------------------------------------------------------------------------------------------------- look-ups


def _read_lookup(raw: Any, context: Context) -> Any:
    text = _read_text(raw, context)
    if isinstance(text, Unreadable) or context.table is None:
        return text
    if text in context.table:
        return context.table[text]
    return Unreadable(raw, "is not in the lookup table")


def _write_lookup(value: str, context: Context) -> Any:
    """The first raw value that stands for it; a table may hold several names for one target."""
    if context.table is None:
        return value
    for raw, canonical in context.table.items():
        if canonical == value:
            return raw
    return Unreadable(value, "is not in the lookup table")


def _read_currency(raw: Any, context: Context) -> Any:
    """Both sides serve the ISO code itself; the table is only for writing Books' currency_id."""
    if isinstance(raw, str) and re.fullmatch(r"[A-Z]{3}", raw.strip().upper()):
        return raw.strip().upper()
    return Unreadable(raw, "not an ISO 4217 code such as JPY")


def _write_currency(value: str, context: Context) -> Any:
    return value if context.side == "crm" else _write_lookup(value, context)


def _function(
    name: str,
    summary: str,
    read: Read = _read_text,
    write: Write = _as_is,
    key: Key = _identical,
    *,
    options: Mapping[str, str] | None = None,
    needs_table: bool = False,
    needs_values: bool = False,
) -> Function:
    return Function(name, summary, read, write, key, options or {}, needs_table, needs_values)


FUNCTIONS: Mapping[str, Function] = {
    function.name: function
    for function in (
        _function("text", "Text, stripped. Equal when NFKC and collapsed spaces make it so.", key=_same_text),
        _function("email", "An e-mail address of valid form. Equal without regard to case.", _read_email, key=_same_email),
        _function(
            "phone",
            "A phone number as it was typed; never rewritten. Equal by E.164.",
            key=_same_phone,
            options={"region": "Two-letter country whose national form is read (default JP)."},
        ),
        _function("website", "A web address as it was typed. Equal without scheme, www. and last slash.", key=_same_website),
        _function("decimal", "An exact amount; a float is taken by its shortest text.", _read_decimal, _write_decimal),
        _function("integer", "A whole number.", _read_integer),
        _function("boolean", "true or false.", _read_boolean),
        _function(
            "choice",
            "One of the pairs in `values`; anything else is quarantined.",
            _read_choice,
            _write_choice,
            needs_values=True,
        ),
        _function("date", "A day, YYYY-MM-DD.", _read_date, _write_date),
        _function("active_flag", "CRM true/false ↔ Books active/inactive.", _read_active, _write_active),
        _function("postal_code", "A postal code as typed. Equal without 〒, dashes, spaces and width.", key=_same_postal_code),
        _function(
            "tax_registration_number",
            "A tax registration number (T + 13 digits in Japan). Equal without dashes, spaces, width and case.",
            key=_same_tax_number,
        ),
        _function("country", "A country by name or code. Equal by ISO 3166: 日本, Japan and JP are one.", key=_same_country),
        _function(
            "lookup",
            "A value found in a table that is given at run time, for example a CRM user → Books' text. Unknown: quarantined.",
            _read_lookup,
            _write_lookup,
            _same_text,
            needs_table=True,
        ),
        _function(
            "currency",
            "An ISO 4217 code; Books is written its currency_id, found in the table `currencies`.",
            _read_currency,
            _write_currency,
            needs_table=True,
        ),
    )
}
