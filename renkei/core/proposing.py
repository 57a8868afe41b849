"""What a mapping could be in one organisation: from both sides' field metadata and a shipped mapping to a proposal.

Three things are told of each mapping: which of its fields fit as they are, which are left out because a side lacks them or
has them as another type, and which further fields of both sides look the same. Only what leaves no doubt is `certain` and
becomes part of the mapping; everything else is for a person to confirm, with its reason.

Labels and API names are compared by the normaliser `text` (width, case, kana, marks) and, where they differ, by rapidfuzz.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz

from renkei.core.mapping import Direction, FieldSpec, MappingSpec
from renkei.core.matching import MatchRules
from renkei.core.names import text, words_of
from renkei.core.records import FieldMeta
from renkei.core.values import Side

Band = Literal["certain", "likely", "doubtful"]

BANDS: tuple[Band, ...] = ("certain", "likely", "doubtful")
SAME_LABEL, SAME_MEANING, SAME_NAME = 1.0, 0.99, 0.98  # of likeness, which reaches at most 0.97 where nothing is the same
ALIKE = 0.90  # of likeness: 請求先担当者, 請求先担当. From here on a person mostly says yes
NEAR = 0.75  # of likeness: below it, labels share a word by chance
MARGIN = 0.05  # of likeness: two candidates nearer to each other than this are one question

# Which data types of a side hold values of a kind (crm-v8.md section 7.1; of Books, what its custom fields are made of).
TYPES: Mapping[str, Mapping[Side, frozenset[str]]] = {
    "text": {"crm": frozenset({"text", "textarea"}), "books": frozenset({"string", "text", "multiline"})},
    "email": {"crm": frozenset({"email"}), "books": frozenset({"email"})},
    "phone": {"crm": frozenset({"phone"}), "books": frozenset({"phone"})},
    "website": {"crm": frozenset({"website"}), "books": frozenset({"url"})},
    "decimal": {"crm": frozenset({"double", "currency", "percent"}), "books": frozenset({"decimal", "amount", "percent"})},
    "integer": {"crm": frozenset({"integer"}), "books": frozenset({"number"})},
    "boolean": {"crm": frozenset({"boolean"}), "books": frozenset({"check_box", "boolean"})},
    "date": {"crm": frozenset({"date"}), "books": frozenset({"date"})},
    "choice": {"crm": frozenset({"picklist"}), "books": frozenset({"dropdown"})},
}
_WORDED = frozenset({"email", "phone", "website"})  # kinds whose values a text field holds too
_BY_PEOPLE = frozenset({"email", "phone"})  # kinds that are a person's

# Fields of every CRM module that tell of the record and are nobody's to map; `Currency` fixes the others.
_CRM_OWN = frozenset({
    "Owner", "Created_By", "Modified_By", "Created_Time", "Modified_Time", "Last_Activity_Time", "Tag", "Layout",
    "Record_Status__s", "Locked__s", "Record_Image", "Currency", "Exchange_Rate", "Full_Name",
})  # fmt: skip
# Fields that Books has without being told to and no shipped mapping takes: (path, kind, labels), all in a detail alone.
_BOOKS_OWN: Mapping[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "contacts": (("credit_limit", "decimal", ("Credit limit", "与信限度額")),),
    "items": (
        ("purchase_rate", "decimal", ("Purchase rate", "Cost price", "仕入単価")),
        ("purchase_description", "text", ("Purchase description", "仕入の説明")),
    ),
}
# Labels that mean the custom field of a shipped mapping, whatever it is called in this organisation.
_MEANS: Mapping[str, tuple[str, ...]] = {
    "tax_registration_number": (
        "Tax registration number", "Invoice registration number", "Qualified invoice issuer number",
        "適格請求書発行事業者登録番号", "適格請求書発行事業者の登録番号", "適格請求書発行事業者番号", "適格事業者番号",
        "インボイス登録番号", "インボイス番号", "事業者登録番号",
    ),
}  # fmt: skip
# API names that Zoho gives where a label has no Latin letters.
_NO_NAME = re.compile(r"(?:cf|field|custom|custom_field|unnamed|single_line|multi_line|pick_list|drop_?down|number)?[\d_]*")
_CRM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BOOKS_NAME = re.compile(r"cf_[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field of the shipped mapping that this organisation has not, or has as something else.

    why        in words
    by_itself  each run leaves it out as long as it is not there; otherwise the proposal takes it out
    """

    field: str
    side: Side
    path: str
    why: str
    by_itself: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A field for the mapping: a further one, or a shipped one (`replaces`) as this organisation has it.

    field    None where the two look the same and no kind joins them
    labels   (CRM label, Books label) as people see them
    """

    field: FieldSpec | None
    band: Band
    crm: str
    books: str
    labels: tuple[str, str]
    why: str
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one mapping could be in this organisation.

    fits          canonical fields of the shipped mapping that are right as they are
    left_out      its fields that cannot be used here
    suggestions   best first: certain ones belong to the mapping, the others wait for a person
    match, label  anew, where the shipped ones speak of a field that was taken out; None: the shipped ones
    missing       fields without which the mapping cannot be at all and that are not there
    """

    mapping: str
    fits: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    suggestions: tuple[Suggestion, ...]
    match: MatchRules | None = None
    label: tuple[str, ...] | None = None
    missing: tuple[LeftOut, ...] = ()

    def certain(self) -> tuple[FieldSpec, ...]:
        return tuple(one.field for one in self.suggestions if one.band == "certain" and one.field is not None)

    def taken_out(self) -> tuple[str, ...]:
        """Fields of the shipped mapping that the proposal names as absent."""
        named = {one.field for one in self.left_out if not one.by_itself}
        return tuple(name for name in sorted(named) if name not in {one.name for one in self.certain()})

    def as_shipped(self) -> bool:
        """Whether the shipped mapping needs nothing and nothing waits for a person."""
        return not (self.taken_out() or self.suggestions or self.missing)


def propose(
    spec: MappingSpec, crm: Sequence[FieldMeta], books: Sequence[FieldMeta] | None, *, reserved: Collection[str] = ()
) -> Proposal:
    """The shipped mapping, as it could be where both sides' fields are these.

    spec      the shipped mapping, without any override
    crm       every field of its CRM module
    books     the custom fields of its Books records; None where Books knows none of them (contact persons)
    reserved  API names that are not to be mapped: our keys and those of other connections
    """
    there: dict[Side, dict[str, FieldMeta]] = {
        "crm": {one.api_name: one for one in crm}, "books": {one.api_name: one for one in books or ()},
    }  # fmt: skip
    faults = [one for item in spec.fields for one in _faults_of(item, there)]
    amiss = {one.field for one in faults}
    kept = [item for item in spec.fields if item.name not in amiss]
    narrowed = {one.field.name: one for one in _narrowed(kept, there) if one.field}
    as_here = [narrowed[item.name].field or item if item.name in narrowed else item for item in spec.fields]
    suggestions = [*narrowed.values(), *_one_ways(as_here, amiss, there)]
    if books is not None:
        staying = [item for item in spec.fields if item.name not in amiss or item.required]
        suggestions += _paired(spec, amiss, list(_free(spec, staying, crm, books, reserved)))
    changed = {one.field.name for one in suggestions if one.replaces and one.field}
    settled = {one.field.name for one in suggestions if one.replaces and one.field and one.band == "certain"}
    needed = {item.name for item in spec.fields if item.required} - settled
    gone = {one.field for one in faults if not one.by_itself} - settled - needed
    return Proposal(
        spec.name,
        tuple(item.name for item in kept if item.name not in changed),
        tuple(one for one in faults if one.field not in needed | settled),
        tuple(sorted(suggestions, key=lambda one: (BANDS.index(one.band), not one.replaces, one.crm, one.books))),
        _match_without(spec.match, gone),
        tuple(name for name in spec.label if name not in gone) if set(spec.label) & gone else None,
        tuple(one for one in faults if one.field in needed),
    )


# ------------------------------------------------------------------------------------------------- the shipped fields


def _faults_of(item: FieldSpec, there: Mapping[Side, Mapping[str, FieldMeta]]) -> Iterator[LeftOut]:
    """At most one a side: not there, or of a type that cannot hold the kind. Of Books, custom fields alone can be seen."""
    for side in ("crm", "books"):
        path = item.path(side)
        if path is None or (side == "books" and not path.startswith("cf_")):
            continue
        meta = there[side].get(path.split(".")[0])
        if meta is None:
            yield LeftOut(item.name, side, path, "is not there", item.optional)
        elif not _holds(item, side, meta):
            yield LeftOut(item.name, side, path, f"is of the type {meta.data_type} here, which cannot hold {item.kind}", False)


def _holds(item: FieldSpec, side: Side, meta: FieldMeta) -> bool:
    if item.kind == "lookup" or item.transform == "currency":
        return meta.data_type in ("ownerlookup", "userlookup", "picklist", "string", "text", "email")
    fitting = TYPES[item.kind][side]
    if item.kind in _WORDED:
        fitting |= TYPES["text"][side]
    if item.kind == "text" and not item.travels_to(side):
        fitting |= TYPES["choice"][side] | TYPES["email"][side] | TYPES["phone"][side] | TYPES["website"][side]
    if item.kind == "choice":
        fitting |= TYPES["text"][side]
    if item.kind == "decimal" and not item.travels_to(side):
        fitting |= TYPES["integer"][side]
    return meta.data_type in fitting


def _narrowed(kept: Sequence[FieldSpec], there: Mapping[Side, Mapping[str, FieldMeta]]) -> Iterator[Suggestion]:
    """Fields that fit but for their length: this organisation takes fewer characters than the mapping would send."""
    for item in kept:
        shorter: dict[Side, int] = {}
        for side, most in item.max_length:
            path = item.path(side) or ""
            meta = there[side].get(path) if side == "crm" or path.startswith("cf_") else None
            if meta is not None and meta.length and meta.length < most:
                shorter[side] = meta.length
        if shorter:
            lengths = tuple((side, shorter.get(side, most)) for side, most in item.max_length)
            words = " and ".join(f"the {_SYSTEM[side]} takes {most} characters here" for side, most in shorter.items())
            field = dataclasses.replace(item, max_length=lengths)
            yield Suggestion(field, "certain", item.crm or "", item.books or "", ("", ""), words, replaces=True)


_SYSTEM: Mapping[Side, str] = {"crm": "CRM", "books": "Books field"}


def _one_ways(
    fields: Sequence[FieldSpec], amiss: Collection[str], there: Mapping[Side, Mapping[str, FieldMeta]]
) -> Iterator[Suggestion]:
    """Shipped fields that could travel to Books alone: pick lists in this CRM, or read-only for the user of the token."""
    for item in fields:
        meta = there["crm"].get(item.crm or "")
        if meta is None or not item.travels_to("crm") or not item.travels_to("books"):
            continue
        if item.name in amiss and item.kind == "text" and meta.data_type in TYPES["choice"]["crm"]:
            words = "a pick list in this CRM, which takes no other text, so it could travel one way"
        elif item.name not in amiss and not meta.writable:
            words = "read-only in the CRM: give the profile write access, or let it travel one way"
        else:
            continue
        field = _one_way(item, "crm")
        yield Suggestion(field, "likely", item.crm or "", item.books or "", (meta.label, ""), words, replaces=True)


def _match_without(match: MatchRules, gone: Collection[str]) -> MatchRules | None:
    """The match rules without those that read a field that was taken out; None where none does."""
    keys = tuple(rule for rule in match.keys if not {name for name, _ in rule.fields} & set(gone))
    weights = tuple((name, weight) for name, weight in match.weights if name not in gone)
    if keys == match.keys and weights == match.weights:
        return None
    return dataclasses.replace(match, keys=keys, weights=weights)


# -------------------------------------------------------------------------------------------------- the further fields


@dataclass(frozen=True, slots=True)
class _Place:
    """A field of one side that no mapping takes. `own`: Books has it without being told to."""

    side: Side
    path: str
    label: str
    meta: FieldMeta
    own: bool = False

    def said(self) -> tuple[str, ...]:
        """Its label, and its API name as words where it says something."""
        name = self.path.removeprefix("cf_").removesuffix("__c")
        return (self.label,) if _NO_NAME.fullmatch(name.lower()) else (self.label, name.replace("_", " "))


def _free(
    spec: MappingSpec,
    staying: Sequence[FieldSpec],
    crm: Sequence[FieldMeta],
    books: Sequence[FieldMeta],
    reserved: Collection[str],
) -> Iterator[_Place]:
    """Both sides' fields that are nobody's yet, in the order of their API names."""
    taken = {item.crm.split(".")[0] for item in staying if item.crm} | set(reserved) | _CRM_OWN
    for one in sorted(crm, key=lambda meta: meta.api_name):
        if one.api_name not in taken and _CRM_NAME.fullmatch(one.api_name):
            yield _Place("crm", one.api_name, one.label or one.api_name, one)
    theirs = {path for item in staying for path in (item.books, item.books_else, item.books_write) if path} | set(reserved)
    for one in sorted(books, key=lambda meta: meta.api_name):
        if one.api_name not in theirs and _BOOKS_NAME.fullmatch(one.api_name):
            yield _Place("books", one.api_name, one.label or one.api_name, one)
    for path, kind, labels in _BOOKS_OWN.get(spec.books_module, ()):
        if path not in theirs:
            for label in labels:
                meta = FieldMeta(path, min(TYPES[kind]["books"]), None, False, True, False)
                yield _Place("books", path, label, meta, own=True)


@dataclass(frozen=True, slots=True)
class _Pair:
    crm: _Place
    books: _Place
    likeness: float
    why: str

    def places(self) -> tuple[_Place, _Place]:
        return self.crm, self.books


def _paired(spec: MappingSpec, amiss: Collection[str], free: Sequence[_Place]) -> list[Suggestion]:
    pairs = _alike(free)
    best: dict[tuple[Side, str], float] = {}
    for pair in pairs:
        for place in pair.places():
            best[place.side, place.path] = max(best.get((place.side, place.path), 0.0), pair.likeness)

    def stands(pair: _Pair) -> bool:
        """Whether no other field explains one of the two better."""
        top = max(best[place.side, place.path] for place in pair.places())
        return pair.likeness >= (top if top >= SAME_NAME else top - MARGIN)

    strongest = [pair for pair in pairs if stands(pair)]
    names = {item.name for item in spec.fields}
    found: list[Suggestion] = []
    for pair in strongest:
        one = _suggestion(spec, amiss, pair, _rivals(pair, strongest), names)
        if one is None:
            continue
        if one.field is not None and not one.replaces:
            names.add(one.field.name)
        found.append(one)
    places = Counter(one.field.name for one in found if one.field and one.replaces)
    return [_one_of_several(one) if one.field and one.replaces and places[one.field.name] > 1 else one for one in found]


def _one_of_several(one: Suggestion) -> Suggestion:
    """Two pairs that would take the place of one shipped field."""
    band: Band = "likely" if one.band == "certain" else one.band
    return dataclasses.replace(one, band=band, why=f"{one.why}; another pair could take the same place")


def _rivals(pair: _Pair, pairs: Sequence[_Pair]) -> list[str]:
    """The other fields that one of the two looks like as much."""
    theirs = {one.crm.path for one in pairs if one.books.path == pair.books.path} - {pair.crm.path}
    ours = {one.books.path for one in pairs if one.crm.path == pair.crm.path} - {pair.books.path}
    return [f"CRM {one}" for one in sorted(theirs)] + [f"Books {one}" for one in sorted(ours)]


def _alike(free: Sequence[_Place]) -> list[_Pair]:
    """Pairs of fields whose labels or API names are equal or near, each pair once, by its best likeness."""
    found: dict[tuple[str, str], _Pair] = {}
    theirs = [one for one in free if one.side == "books"]
    for crm in (one for one in free if one.side == "crm"):
        for books in theirs:
            pair = _likeness(crm, books)
            before = found.get((crm.path, books.path))
            if pair is not None and (before is None or before.likeness < pair.likeness):
                found[crm.path, books.path] = pair
    return list(found.values())


def _likeness(crm: _Place, books: _Place) -> _Pair | None:
    key = _key(crm.label)
    if key and key == _key(books.label):
        return _Pair(crm, books, SAME_LABEL, "the labels are the same")
    if _meaning(crm) & _meaning(books):
        return _Pair(crm, books, SAME_MEANING, f"both labels mean {min(_meaning(crm) & _meaning(books)).replace('_', ' ')}")
    (ours, theirs) = (one.said()[1:] for one in (crm, books))
    if ours and theirs and _key(ours[0]) == _key(theirs[0]):
        return _Pair(crm, books, SAME_NAME, "the API names are the same, the labels are not")
    score = max(_near(one, two) for one in crm.said() for two in books.said())
    return _Pair(crm, books, min(score, SAME_NAME - 0.01), "label or API name are alike") if score >= NEAR else None


@lru_cache(maxsize=65_536)  # each label meets every one of the other side
def _key(label: str) -> str:
    return text(label) or ""


@lru_cache(maxsize=65_536)
def _words(label: str) -> tuple[str, str]:
    """Its words, and its digits."""
    words = words_of(label)
    return words, re.sub(r"\D", "", words)


def _near(one: str, two: str) -> float:
    """Likeness of two texts, 0 where their digits differ: Address 1 is not Address 2."""
    (words, digits), (their_words, their_digits) = _words(one), _words(two)
    if digits != their_digits:
        return 0.0
    score = max(fuzz.ratio(_key(one), _key(two)), fuzz.token_sort_ratio(words, their_words))
    return float(round(score / 100, 2))


def _meaning(place: _Place) -> frozenset[str]:
    """The shipped custom fields that its label or API name means."""
    return frozenset(name for name, keys in _meanings().items() if {_key(one) for one in place.said()} & keys)


@lru_cache(maxsize=1)
def _meanings() -> Mapping[str, frozenset[str]]:
    return {name: frozenset(_key(one) for one in labels) for name, labels in _MEANS.items()}


def _suggestion(
    spec: MappingSpec, amiss: Collection[str], pair: _Pair, rivals: Sequence[str], names: Collection[str]
) -> Suggestion | None:
    """None where two fields are merely alike and no kind joins them."""
    labels = (pair.crm.label, pair.books.label)
    joined = _joined(pair.crm.meta, pair.books.meta)
    if joined is None:
        if pair.likeness < SAME_NAME:
            return None
        types = f"the CRM's is of the type {pair.crm.meta.data_type}, Books' of {pair.books.meta.data_type}"
        return Suggestion(
            None, "doubtful", pair.crm.path, pair.books.path, labels, f"{pair.why}, but nothing joins them: {types}"
        )
    field, doubts = joined
    meant = [item for item in spec.fields if item.name in amiss and _is_meant(item, pair)]
    if len(meant) > 1:
        return None  # it would join the halves of two shipped fields
    shipped = meant[0] if meant else None
    name = shipped.name if shipped else _name(pair, names)
    field = dataclasses.replace(
        field, name=name, crm=pair.crm.path, books=pair.books.path, detail=pair.books.own,
        personal=field.kind in _BY_PEOPLE or spec.name == "contacts",
    )  # fmt: skip
    if shipped and field.kind == shipped.kind and field.direction == "both":
        field = dataclasses.replace(shipped, crm=field.crm, books=field.books, max_length=field.max_length)
    elif shipped:
        doubts = (*doubts, f"the shipped {shipped.name} is another one: {shipped.kind}, {shipped.direction}")
    if pair.books.own:
        doubts = (*doubts, "Books has this field by itself: what is written there acts in its documents")
    if rivals:
        doubts = (*doubts, f"{' and '.join(rivals)} looks as much like it, and only one can be it")
    band: Band = "likely" if pair.likeness >= ALIKE else "doubtful"
    if pair.likeness >= SAME_MEANING and not doubts:
        band = "certain"
    words = "; ".join((pair.why, *doubts))
    return Suggestion(field, band, pair.crm.path, pair.books.path, labels, words, shipped is not None)


def _is_meant(item: FieldSpec, pair: _Pair) -> bool:
    """Whether a pair stands for this shipped field: by one of its own two fields, or by what both labels mean."""
    return item.name in _meaning(pair.crm) & _meaning(pair.books) or pair.crm.path == item.crm or pair.books.path == item.books


def _name(pair: _Pair, names: Collection[str]) -> str:
    """A canonical name that says something and that is free: of the Books field, of the CRM field, else of both."""
    own, theirs = (
        re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_") for path in (pair.books.path.removeprefix("cf_"), pair.crm.path)
    )
    speaking = [one for one in (own, theirs) if re.match("[a-z]", one) and not _NO_NAME.fullmatch(one)]
    stem = (speaking[0] if speaking else f"custom_{own or theirs}")[:36].rstrip("_")
    return next(one for one in (stem, *(f"{stem}_{number}" for number in range(2, 1000))) if one not in names)


# ------------------------------------------------------------------------------------------------- what joins two types


def _joined(crm: FieldMeta, books: FieldMeta) -> tuple[FieldSpec, tuple[str, ...]] | None:
    """The field that carries values between these two, without its names, and what speaks against it; None: no kind does."""
    kinds: dict[Side, str] = {}
    sides: tuple[tuple[Side, FieldMeta], ...] = (("crm", crm), ("books", books))
    for side, meta in sides:
        found = [kind for kind, types in TYPES.items() if meta.data_type in types[side]]
        if not found:
            return None
        kinds[side] = found[0]
    one, two = kinds["crm"], kinds["books"]
    doubts: list[str] = []
    field = FieldSpec("", one, None, None, "none", max_length=_lengths(one, two, crm, books))
    if one != two and (kind := _wider(one, two)):
        field = dataclasses.replace(field, kind=kind)
        doubts.append(f"{crm.data_type} in the CRM and {books.data_type} in Books: what the stricter side refuses is quarantined")
    elif one != two and "choice" in (one, two) and "text" in (one, two):
        owner: Side = "crm" if one == "choice" else "books"
        field = _one_way(dataclasses.replace(field, kind="text"), owner)
        doubts.append("a pick list on one side and free text on the other, so it travels one way")
    elif one != two:
        return None
    elif one == "choice":
        values, unmatched = _values(crm.values, books.values)
        if not values:
            return None
        field = dataclasses.replace(field, values=values)
        if unmatched:
            doubts.append(f"values without a partner, whose records would be quarantined: {', '.join(map(repr, unmatched))}")
    for side, meta in sides:
        if meta.writable:
            continue
        if field.direction == f"to_{side}":
            return None  # the only way that is left leads where nothing can be written
        field = _one_way(field, side)
        doubts.append(f"read-only in {_NAME[side]}, so it travels one way")
    if crm.unique != books.unique:
        doubts.append(f"{_NAME['crm' if crm.unique else 'books']} refuses the same value twice, the other side does not")
    return field, tuple(doubts)


_NAME: Mapping[Side, str] = {"crm": "the CRM", "books": "Books"}


def _one_way(field: FieldSpec, owner: Side) -> FieldSpec:
    direction: Direction = "to_books" if owner == "crm" else "to_crm"
    return dataclasses.replace(field, owner=owner, direction=direction, foreign_edits="ignore")


def _wider(one: str, two: str) -> str | None:
    """The kind that carries both, where one side is looser than the other."""
    if {one, two} == {"decimal", "integer"}:
        return "decimal"
    if "text" in (one, two) and (worded := {one, two} & _WORDED):
        return min(worded)
    return None


def _lengths(one: str, two: str, crm: FieldMeta, books: FieldMeta) -> tuple[tuple[Side, int], ...]:
    if not {one, two} <= _WORDED | {"text", "choice"} or {one, two} == {"choice"}:
        return ()
    given: tuple[tuple[Side, int | None], ...] = (("crm", crm.length), ("books", books.length))
    return tuple((side, length) for side, length in given if length)


def _values(crm: Sequence[str], books: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """(CRM value, Books value) pairs that say the same, and the values of either side that no other one says."""
    left = [one for one in crm if one != "-None-"]  # the CRM's own word for nothing, which it reads back as null
    by_text: dict[str | None, list[str]] = {}
    for one in books:
        by_text.setdefault(text(one), []).append(one)
    found: list[tuple[str, str]] = []
    for value in left:
        same = by_text.get(text(value), [])
        rivals = [one for one in left if text(one) == text(value)]
        if value in books:
            found.append((value, value))
        elif len(same) == 1 and len(rivals) == 1:
            found.append((value, same[0]))
    said = {one for one, _ in found}, {one for _, one in found}
    return tuple(found), [*(one for one in left if one not in said[0]), *(one for one in books if one not in said[1])]
