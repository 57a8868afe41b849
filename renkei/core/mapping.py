"""Field mappings: the specifications that `mappings/*.yaml` become, and the functions that carry rows across.

A mapping joins one CRM module to one kind of Books record: `accounts` (Accounts ↔ business customers), `contacts`
(Contacts ↔ individual customers), `persons` (Contacts ↔ contact persons), `products` (Products ↔ items).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from renkei.core import transforms
from renkei.core.errors import Bug
from renkei.core.matching import MatchRules
from renkei.core.records import Row
from renkei.core.transforms import Transform, Unreadable
from renkei.core.values import MISSING, Side, content_hash

Owner = Literal["crm", "books", "newest", "none"]
Direction = Literal["both", "to_books", "to_crm"]
NullPolicy = Literal["keep", "clear"]
ForeignEdits = Literal["hold", "ignore", "revert"]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field that both sides have.

    name           its canonical name, the same in frames, ledger, plans and pages
    kind           text | email | phone | website | decimal | integer | boolean | choice | date | lookup
    crm, books     paths into the raw row: `Billing_City`, `Owner.id`, `billing_address.city`, `cf_tax_registration_number`,
                   `primary_person.email` (of an individual's primary contact person)
    transform      a function of core/transforms.py that knows both ways; "" for the kind's own
    options        the transform's keyword arguments (for example the phone's region)
    values         (crm value, books value) pairs of a choice
    lookup         the table of a lookup: `owners` (CRM user → Books salesperson), `currencies`
    owner          who decides when both sides differ: crm, books, newest, none (then the conflicts policy does)
    direction      both, or the one way in which it travels
    null           keep: a blank never overwrites; clear: it does
    foreign_edits  an edit on the side that does not own it: hold, ignore, revert
    default        what a create takes on a side when the source is blank
    max_length     characters the target takes; longer values are quarantined before any call
    create_only    written by a create, never by an update
    detail         the Books path is only in the detail, not in list rows
    personal       masked in files, logs and all that is shown, but to who may ask for it
    optional       left out of the mapping where a side's metadata lacks it (`MappingSpec.without`)
    books_else     a second Books path, read where the first one is blank, never written
    books_write    the Books path to write where it differs from the one to read (`currency_id` for `currency_code`)
    special        `active`: Books has a call of its own for it (`set_active`), no body ever carries it
    """

    name: str
    kind: str
    crm: str | None
    books: str | None
    owner: Owner
    transform: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    lookup: str = ""
    direction: Direction = "both"
    null: NullPolicy = "keep"
    foreign_edits: ForeignEdits = "hold"
    required: bool = False
    default: tuple[tuple[Side, Any], ...] = ()
    max_length: tuple[tuple[Side, int], ...] = ()
    create_only: bool = False
    detail: bool = False
    personal: bool = False
    optional: bool = False
    books_else: str = ""
    books_write: str = ""
    special: Literal["", "active"] = ""
    line: int = 0  # where the YAML declares it, for messages about the live system

    def path(self, side: Side) -> str | None:
        return self.crm if side == "crm" else self.books

    def write_path(self, side: Side) -> str | None:
        return self.books_write if side == "books" and self.books_write else self.path(side)

    def limit(self, side: Side) -> int | None:
        return dict(self.max_length).get(side)

    def function(self) -> str:
        """The name of its transform."""
        return self.transform or self.kind

    def travels_to(self, side: Side) -> bool:
        """Whether the mapping may ever write it on that side."""
        if self.path(side) is None or self.path("books" if side == "crm" else "crm") is None:
            return False
        return self.direction == "both" or self.direction == f"to_{side}"


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """One file of `mappings/`. `constants` are raw values that a create sets on a side (for example contact_type)."""

    name: str
    entity: str
    crm_module: str
    books_module: str
    fields: tuple[FieldSpec, ...]
    match: MatchRules
    label: tuple[str, ...] = ("name",)  # canonical fields that name the record to a person
    constants: tuple[tuple[Side, str, Any], ...] = ()
    file: str = ""
    extra: tuple[tuple[str, Any], ...] = field(default=())

    def field(self, name: str) -> FieldSpec:
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(name)

    def needs_detail(self) -> bool:
        """True if a Books field that only a detail shows is mapped."""
        return any(spec.detail and spec.books for spec in self.fields)

    def crm_fields(self) -> tuple[str, ...]:
        """CRM API names to ask for, without sub-paths, sorted."""
        return tuple(sorted({spec.crm.split(".")[0] for spec in self.fields if spec.crm}))

    def without(self, names: Collection[str]) -> MappingSpec:
        """The mapping less some optional fields: those that a side's metadata does not have. Match rules stay.

        Bug for a field that is not optional: its absence is a FieldMissing, and the caller has raised that before.
        """
        kept = tuple(spec for spec in self.fields if spec.name not in names)
        if any(not spec.optional for spec in self.fields if spec.name in names):
            raise Bug(f"{self.name}: {', '.join(sorted(names))} includes a field that is not optional")
        return dataclasses.replace(self, fields=kept)


@dataclass(frozen=True, slots=True)
class JoinRule:
    """By which field a document is proposed to a deal (`joins:` of summaries.yaml).

    modules  Books' modules of the documents that it is about
    books    `number`, `reference_number` or a custom field of the document
    crm      a text field of Deals
    """

    modules: tuple[str, ...]
    books: str
    crm: str


@dataclass(frozen=True, slots=True)
class SummariesSpec:
    """`mappings/summaries.yaml`: where receivables summaries and document rows are published in the CRM.

    receivables, documents      API names of the two custom modules
    key                         the unique text field of both that makes a row ours
    receivable_fields, document_fields    (our name, CRM API name) pairs; the closed lists of our names are
                                          RECEIVABLE_FIELDS and DOCUMENT_FIELDS
    joins                       by which fields documents are proposed to deals
    """

    receivables: str
    documents: str
    key: str
    receivable_fields: tuple[tuple[str, str], ...]
    document_fields: tuple[tuple[str, str], ...]
    joins: tuple[JoinRule, ...] = ()
    file: str = ""


RECEIVABLE_FIELDS = (
    "name", "account", "contact", "deal", "connection", "currency", "open_count", "overdue_count", "invoiced", "settled",
    "balance", "overdue", "age_current", "age_1_30", "age_31_60", "age_61_90", "age_over_90", "last_invoice_number",
    "last_invoice_date", "last_invoice_status", "last_payment_date", "as_of",
)  # fmt: skip
DOCUMENT_FIELDS = (
    "name", "account", "contact", "deal", "kind", "number", "date", "due_date", "status", "total", "balance", "currency", "link",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lookups:
    """Tables that are only known at run time: (table, side) → raw value of that side → canonical value.

    `owners`, crm: user id → what Books shall hold (e-mail address). `currencies`, books: currency_id → ISO code.
    A side without a table has the canonical value as its raw value.
    """

    tables: Mapping[tuple[str, Side], Mapping[str, str]] = field(default_factory=dict)

    def table(self, name: str, side: Side) -> Mapping[str, str] | None:
        return self.tables.get((name, side)) if name else None


NO_LOOKUPS = Lookups()
ID_KEYS: Mapping[str, str] = {"contacts": "contact_id", "items": "item_id", "contact_persons": "contact_person_id"}
ADDRESS_KEYS = ("attention", "address", "street2", "city", "state", "zip", "country", "phone", "fax")
_ADDRESSES = ("billing_address", "shipping_address")
_PRIMARY = "primary_person."


# ------------------------------------------------------------------------------------------------------ raw rows


def record_id(row: Row, spec: MappingSpec, side: Side) -> str:
    """The row's id. KeyError when the row has none."""
    return str(row["id"] if side == "crm" else row[ID_KEYS[spec.books_module]])


def full_row(list_row: Row | None, detail: Row | None) -> Row:
    """A Books list row and its detail as one row: the detail wins, keys that only the list has are kept.

    Where the detail has custom fields, the list's own forms of them are dropped: an emptied one may be absent there.
    """
    if not detail:
        return dict(list_row or {})
    kept = dict(list_row or {})
    if "custom_fields" in detail:
        kept = {key: value for key, value in kept.items() if not key.startswith("cf_") and key != "custom_field_hash"}
    return {**kept, **detail}


def get_path(row: Row, path: str) -> Any:
    """The raw value at a dotted path, or MISSING when the key is absent. Null on the way gives None.

    `cf_…` looks where Books keeps custom fields (books-v3.md 6.3): the list of objects, the hash, then flat keys, each
    preferring `…_unformatted`. A row that shows custom fields but not this one has it empty: None.
    `primary_person.…` is the individual's primary contact person of a detail, else the list row's own key.
    """
    if path.startswith("cf_"):
        return _custom_field(row, path)
    if path.startswith(_PRIMARY):
        return _of_primary_person(row, path.removeprefix(_PRIMARY))
    value: Any = row
    for part in path.split("."):
        if value is None or value == "":
            return None
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def _custom_field(row: Row, name: str) -> Any:
    listed = row.get("custom_fields")
    if isinstance(listed, list):
        for entry in listed:
            if entry.get("api_name") == name:
                return entry.get("value")
    for holder in (row.get("custom_field_hash"), row):
        if isinstance(holder, Mapping):
            for key in (f"{name}_unformatted", name):
                if key in holder:
                    return holder[key]
    return None if isinstance(listed, list) or isinstance(row.get("custom_field_hash"), Mapping) else MISSING


def primary_person(row: Row) -> Row | None:
    """The primary contact person of a Books detail; None for a list row or a customer without persons."""
    persons = row.get("contact_persons")
    if not isinstance(persons, list):
        return None
    wanted = row.get("primary_contact_id")
    for person in persons:
        if person.get("is_primary_contact") or (wanted and person.get("contact_person_id") == wanted):
            return dict(person)
    return None


def _of_primary_person(row: Row, key: str) -> Any:
    person = primary_person(row)
    if person is not None:
        return person.get(key, MISSING)
    if isinstance(row.get("contact_persons"), list):
        return None  # a detail that shows that there is no such person
    return row.get(key, MISSING)


def read_raw(row: Row, spec: MappingSpec, side: Side) -> dict[str, Any]:
    """Canonical name → raw value of every mapped field that the row serves: all that the mapping sees of it."""
    found = ((item.name, raw_value(row, item, side)) for item in spec.fields)
    return {name: raw for name, raw in found if raw is not MISSING}


def raw_value(row: Row, item: FieldSpec, side: Side) -> Any:
    """The field's raw value: at its path, or at `books_else` where that is blank in Books. MISSING when not served."""
    path = item.path(side)
    if path is None:
        return MISSING
    raw = get_path(row, path)
    if side == "books" and item.books_else and (raw is MISSING or transforms.is_blank(raw)):
        second = get_path(row, item.books_else)
        return raw if second is MISSING else second
    return raw


def row_hash(row: Row, spec: MappingSpec, side: Side) -> str:
    """Hash of what the mapping reads: fields that it does not read may change without making the row a changed one."""
    return content_hash(read_raw(row, spec, side))


# ------------------------------------------------------------------------------------------------- raw → canonical


def bind(item: FieldSpec, side: Side, lookups: Lookups = NO_LOOKUPS) -> Transform:
    """The field's transform on one side: `read`, `write`, `same`, `key`."""
    return transforms.bind(
        item.function(),
        side,
        options=dict(item.options),
        values=item.values,
        table=lookups.table(item.lookup, side),
    )


def map_frame(rows: Sequence[Row], spec: MappingSpec, side: Side, lookups: Lookups = NO_LOOKUPS) -> pd.DataFrame:
    """Rows of one side in canonical values, column by column.

    rows     raw rows of the mapping's module, each with its id
    returns  columns `id` (string dtype) and one per canonical field, in the mapping's order; same length and order as
             rows. Fields are object columns of str | Decimal | int | bool | date | None (blank) | MISSING (not served)
             | Unreadable: object, so that None and MISSING stay apart and no id or amount is ever inferred to be a float.
    """
    columns: dict[str, pd.Series] = {"id": pd.Series([record_id(row, spec, side) for row in rows], dtype="string")}
    for item in spec.fields:
        columns[item.name] = bind(item, side, lookups).read_column(_raw_column(rows, item, side))
    return pd.DataFrame(columns)


def _raw_column(rows: Sequence[Row], item: FieldSpec, side: Side) -> pd.Series:
    path = item.path(side)
    if path and "." not in path and not path.startswith("cf_") and not item.books_else:
        return pd.Series([row.get(path, MISSING) for row in rows], dtype=object)
    return pd.Series([raw_value(row, item, side) for row in rows], dtype=object)


def map_record(row: Row, spec: MappingSpec, side: Side, lookups: Lookups = NO_LOOKUPS) -> dict[str, Any]:
    """One row in canonical values, by canonical name, without the id. As a row of `map_frame`."""
    return {item.name: bind(item, side, lookups).read(raw_value(row, item, side)) for item in spec.fields}


def values_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows as dictionaries, in order, each with `id` and the canonical fields, values as they are."""
    names = list(frame.columns)
    columns = [frame[name].tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def unreadable(values: Mapping[str, Any]) -> list[tuple[str, Unreadable]]:
    """The fields of a record that could not be read: its quarantine rows."""
    return [(name, value) for name, value in values.items() if isinstance(value, Unreadable)]


# ------------------------------------------------------------------------------------------------- canonical → raw


def with_defaults(spec: MappingSpec, side: Side, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a create on `side` takes: the source's values, and where they are blank or missing the mapping's defaults,
    which are declared as `side` would show them and become canonical here."""
    result = dict(values)
    for item in spec.fields:
        default = dict(item.default).get(side)
        if default is not None and result.get(item.name, MISSING) in (None, MISSING):
            result[item.name] = bind(item, side).read(default)
    return result


def too_long(spec: MappingSpec, side: Side, values: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """(field, characters, limit) of every text that `side` would cut or refuse. Checked before any call."""
    found = []
    for item in spec.fields:
        limit, value = item.limit(side), values.get(item.name)
        if limit is not None and isinstance(value, str) and len(value) > limit:
            found.append((item.name, len(value), limit))
    return found


def unwritable(
    spec: MappingSpec, side: Side, values: Mapping[str, Any], lookups: Lookups = NO_LOOKUPS
) -> list[tuple[str, Unreadable]]:
    """Values that have no raw form on `side`: outside a value map or lookup table, too many digits. Checked before any call."""
    found = []
    for item in spec.fields:
        value = values.get(item.name, MISSING)
        if value is MISSING or item.write_path(side) is None:
            continue
        raw = bind(item, side, lookups).write(value)
        if isinstance(raw, Unreadable):
            found.append((item.name, raw))
    return found


def write_fields(
    spec: MappingSpec, side: Side, changes: Mapping[str, Any], current_raw: Row | None, lookups: Lookups = NO_LOOKUPS
) -> Row:
    """The raw body that writes these canonical values on `side`.

    changes      canonical name → value to write; MISSING is left out; None empties the field (null in the CRM, "" in Books)
    current_raw  the record as it is (`full_row` for Books), None for a create, which also takes the mapping's constants
    returns      CRM: API names, lookups as {"id": …}. Books: a whole address object, merged with the current one, because
                 what a PUT leaves out of one is not known to stay; custom fields as {"custom_fields": [{"api_name",
                 "value"}]}; an individual's primary person as one entry of `contact_persons` (take it out of an update with
                 `take_person` and send it by its own call: a PUT of the customer drops persons left out).
                 Fields with `special` are not in it.
    raises       Bug for an unknown field, a value without a raw form, or an address whose current content is not known.
    """
    body: Row = {}
    if current_raw is None:
        for constant_side, constant_path, constant in spec.constants:
            if constant_side == side:
                _put(body, side, constant_path, constant, current_raw)
    for name, value in changes.items():
        try:
            item = spec.field(name)
        except KeyError:
            raise Bug(f"{spec.name} has no field {name}", expected="canonical names of the mapping") from None
        path = item.write_path(side)
        if value is MISSING or path is None or (side == "books" and item.special):
            continue
        # what is read under another name than it is written under has no previous raw value to keep
        previous = get_path(current_raw, path) if current_raw is not None and path == item.path(side) else MISSING
        raw = bind(item, side, lookups).write(value, previous)
        if isinstance(raw, Unreadable):
            raise Bug(f"{spec.name}.{name}: {raw.why}", expected="`unwritable` asked before")
        _put(body, side, path, raw, current_raw)
    return body


def _put(body: Row, side: Side, path: str, raw: Any, current: Row | None) -> None:
    if side == "books" and path.startswith("cf_"):
        body.setdefault("custom_fields", []).append({"api_name": path, "value": raw})
    elif side == "books" and path.startswith(_PRIMARY):
        _put_person(body, path.removeprefix(_PRIMARY), raw, current)
    elif side == "books" and path.split(".")[0] in _ADDRESSES:
        holder, key = path.split(".", 1)
        body.setdefault(holder, _current_address(current, holder))[key] = raw
    elif path.endswith(".id"):
        holder = path.removesuffix(".id")
        body[holder] = None if raw in (None, "") else {"id": raw}
    else:
        body[path] = raw


def _current_address(current: Row | None, holder: str) -> Row:
    if current is None:
        return {}
    address = current.get(holder, MISSING)
    if address is MISSING:
        raise Bug(f"{holder} would be overwritten without knowing what it holds", expected="a detail row")
    return {key: address[key] for key in ADDRESS_KEYS if key in (address or {})}


def _put_person(body: Row, key: str, raw: Any, current: Row | None) -> None:
    if "contact_persons" not in body:
        person = primary_person(current) if current is not None else None
        entry: Row = {"is_primary_contact": True}
        if person is not None:
            entry = {"contact_person_id": person["contact_person_id"]}
        body["contact_persons"] = [entry]
    body["contact_persons"][0][key] = raw


def take_person(body: Row) -> tuple[Row, Row | None]:
    """An individual's update in two: the body without the primary person, and the person's own body or None.

    The person's body carries `contact_person_id` when there is such a person already (`update_person`), else it is a new
    primary one (`add_person`).
    """
    rest = {key: value for key, value in body.items() if key != "contact_persons"}
    persons = body.get("contact_persons") or [None]
    return rest, persons[0]
