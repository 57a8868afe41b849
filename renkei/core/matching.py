"""Which unlinked records of both sides are the same party or product.

Ordered decisive keys first, then likeness within blocks. A machine decides only where nothing speaks against it; every
doubt becomes a question with all its candidates. Source: product.md section 2, docs/decisions/0004-matching.md; scores
after Fellegi & Sunter (1969), simplified there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from rapidfuzz import fuzz, process

from renkei.core.errors import Bug
from renkei.core.names import NORMALISERS, LegalForm, confusable_key, form_of, legal_words, sku_confusable, words_of

MARGIN = 0.05  # of score. Two candidates nearer to each other than one differing phone number are one question.
NEAR = 0.50  # of score. `why` lists losers from here on; strangers that share a block are mostly below
MOST_LOSERS = 5  # a person reads no longer list
LARGEST_BLOCK = 200 * 200  # pairs: a second of scoring; a larger block says nothing ("Tokyo") and is split by the others
CHUNK = 100_000  # pairs scored at once: about 50 MB
OTHER_NUMBER = 0.50  # the most a name's likeness reaches when its digits differ: Store 12 is not Store 13
OTHER_ORDER = 0.96  # the most it reaches by its words in another order: Thomas James is not James Thomas
LOOK_ALIKE = 0.95  # its likeness when only look-alike characters differ (ニ/二): near, never equal

_SEPARATOR = "\x1f"  # between the values of a key of several fields; no normaliser leaves it in a value
_NAMES = frozenset({"legal_name", "person_name", "text"})  # one differing letter is another name until a person says no
_ISSUED = frozenset({"tax_number", "sku"})  # issued once: two different ones are two parties or products
_EXACT = frozenset({"phone", "postal_code", "tax_number", "sku", "domain"})  # half-equal means different
_BLOCKS_ONLY = frozenset(
    {"domain", "confusable", "sku_confusable", "name_head", "name_tail", "name_words"}
)  # forget too much to compare

Column = list[str | None]
Numbers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyRule:
    """A deterministic key: equal normalised values of all `fields` on both sides. Rules are tried in order.

    fields     (canonical field, normaliser name) pairs; a row with any of them blank has no such key
    decisive   one match is a clear candidate; otherwise the key only brings candidates to be scored (a block)
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    decisive: bool = True


@dataclass(frozen=True, slots=True)
class MatchRules:
    """keys: ordered. weights: canonical field → weight of its similarity in the score. Bands are closed below:
    score ≥ auto is a clear candidate, review ≤ score < auto is a question, below is nobody.

    A weighted field is compared under `legal_name` where a key reads it so, else as the first key that reads it does, else
    as `text`. Fields blank on either side count neither for nor against.
    """

    keys: tuple[KeyRule, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    auto: float = 0.93
    review: float = 0.80


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two records that may be the same.

    left, right   ids
    rule          the key that brought them together; `a+b` where block a was split by block b
    score         weighted likeness, 0 … 1; 1.0 for a key whose fields carry no weight
    parts         (field, likeness) of the weighted fields that both have
    reason        for a pair `key` or `likeness`; otherwise what spoke against it:
                  several | contradiction:RULE | legal_form | look_alike | below_auto | close_second | below_review | taken
    """

    left: str
    right: str
    rule: str
    score: float
    parts: tuple[tuple[str, float], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """A question: records of both sides (sorted ids) of which no machine may choose. `reason` as in Candidate.

    `candidates` are sorted best first; each record has at least one, and every one where a block is of bearable size.
    """

    left: tuple[str, ...]
    right: tuple[str, ...]
    reason: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class LargeBlock:
    """A block over LARGEST_BLOCK pairs. `split`: by the other blocks; otherwise its rows were not compared within it."""

    rule: str
    value: str
    left: int
    right: int
    split: bool


@dataclass(frozen=True, slots=True)
class Matches:
    """Every row of both sides exactly once, in `paired`, `ambiguous` or `alone_…`; ids sorted.

    rejected_left, rejected_right   id → its best losers (at most five), for `why`. A row alone with a loser `taken` did match a
                                    record, which somebody else got: perhaps its own side has the party twice
    large                           blocks that were too large to be compared whole
    """

    paired: tuple[Candidate, ...] = ()
    ambiguous: tuple[Group, ...] = ()
    alone_left: tuple[str, ...] = ()
    alone_right: tuple[str, ...] = ()
    rejected_left: Mapping[str, tuple[Candidate, ...]] = field(default_factory=dict)
    rejected_right: Mapping[str, tuple[Candidate, ...]] = field(default_factory=dict)
    large: tuple[LargeBlock, ...] = ()


def keys_of(frame: pd.DataFrame, rules: MatchRules) -> list[tuple[tuple[str, str], ...]]:
    """The (rule name, value) pairs of every row, in the frame's order: what a mirror keeps, so that a later run finds it.

    frame   columns are canonical fields; an absent column, null, MISSING and anything but text count as blank
    """
    columns = [(rule.name, _key_column(frame, rule)) for rule in rules.keys]
    return [tuple((name, value) for name, values in columns if (value := values[row]) is not None) for row in range(len(frame))]


def match(left: pd.DataFrame, right: pd.DataFrame, rules: MatchRules) -> Matches:
    """Pair the unlinked records of both sides.

    left, right   one row per record; columns `id` (text) and canonical fields. Index and order of rows are not used.
                  Null, MISSING and anything but text are blank.
    returns       every row of both sides exactly once: paired, ambiguous (becomes a hold) or alone
    raises        Bug if an id occurs twice on one side; KeyError for a normaliser that does not exist
    source        docs/decisions/0004-matching.md
    """
    work = _Matching(_Side.of(left, rules, "left"), _Side.of(right, rules, "right"), rules)
    for number, rule in enumerate(rules.keys):
        if rule.decisive:
            work.decide_by_key(number, rule)
    if rules.weights:
        work.decide_by_likeness()
    work.remember_taken()
    return work.result()


def _texts(frame: pd.DataFrame, name: str) -> Column:
    if name not in frame.columns:
        return [None] * len(frame)
    return [value if isinstance(value, str) and value.strip() else None for value in frame[name].tolist()]


def _each(values: Column, function: Callable[[str], T | None]) -> list[T | None]:
    """The function over the distinct values only: columns repeat themselves, and phone numbers are slow to read."""
    known = {value: function(value) for value in set(values) if value is not None}
    return [None if value is None else known[value] for value in values]


def _key_column(frame: pd.DataFrame, rule: KeyRule) -> Column:
    columns = [_each(_texts(frame, name), NORMALISERS[normaliser]) for name, normaliser in rule.fields]
    return [_SEPARATOR.join(v for v in row if v) if row and all(row) else None for row in zip(*columns, strict=True)]


def _rows_of(values: Column, rows: Iterable[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if (value := values[row]) is not None:
            found[value].append(row)
    return found


def _comparisons(rules: MatchRules) -> dict[str, str]:
    """Weighted field → the normaliser that it is compared under."""
    chosen: dict[str, str] = {}
    for name, _ in rules.weights:
        used = [normaliser for rule in rules.keys for key, normaliser in rule.fields if key == name]
        fine = [normaliser for normaliser in used if normaliser not in _BLOCKS_ONLY]
        if "legal_name" in fine:
            chosen[name] = "legal_name"
        else:
            chosen[name] = fine[0] if fine else "domain" if "domain" in used else "text"
    return chosen


@dataclass(frozen=True, slots=True)
class _Compared:
    """One weighted field of one side, ready to be compared: arrays over its rows."""

    known: Flags
    keys: Words
    words: Words
    digits: Words
    look: Words


def _array(values: Iterable[Any]) -> Words:
    found = list(values)
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array


def _same(ours: Words, theirs: Words) -> Flags:
    same: Flags = np.equal(ours, theirs).astype(bool)
    return same


def _digits(words: str | None) -> str:
    return "".join(char for char in words or "" if char.isdigit())


def _compared(values: Column, normaliser: str) -> _Compared:
    read = legal_words if normaliser == "legal_name" else words_of
    look = {"legal_name": confusable_key, "text": confusable_key, "person_name": confusable_key, "sku": sku_confusable}
    words = [word or "" for word in _each(values, read)]
    keys = _each(values, NORMALISERS[normaliser])
    return _Compared(
        known=np.array([key is not None for key in keys], dtype=bool),
        keys=_array(keys),
        words=_array(words),
        digits=_array(_digits(word) for word in words),
        look=_array(_each(values, look[normaliser]) if normaliser in look else keys),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's rows in the order of their ids, so that nothing depends on the order in which they came."""

    ids: list[str]
    keys: list[Column]  # by number of the rule
    compared: dict[str, _Compared]
    forms: dict[str, list[LegalForm | None]]  # field read as legal_name → each row's form

    @staticmethod
    def of(frame: pd.DataFrame, rules: MatchRules, name: str) -> _Side:
        ids = [str(value) for value in frame["id"].tolist()] if len(frame) else []
        if len(set(ids)) != len(ids):
            twice = next(value for number, value in enumerate(ids) if value in ids[:number])
            raise Bug(f"The {name} side shows the record {twice} twice", expected="one row a record, as validate leaves them")
        order = sorted(range(len(ids)), key=ids.__getitem__)
        frame = frame.iloc[order]
        formed = {key for rule in rules.keys for key, normaliser in rule.fields if normaliser == "legal_name"}
        return _Side(
            ids=[ids[row] for row in order],
            keys=[_key_column(frame, rule) for rule in rules.keys],
            compared={key: _compared(_texts(frame, key), normaliser) for key, normaliser in _comparisons(rules).items()},
            forms={key: _each(_texts(frame, key), form_of) for key in sorted(formed)},
        )


class _Matching:
    """The work of one `match`: which rows are still free, and what was found. Rows are numbers in the order of ids."""

    def __init__(self, left: _Side, right: _Side, rules: MatchRules) -> None:
        self.left, self.right, self.rules = left, right, rules
        self.free_left, self.free_right = set(range(len(left.ids))), set(range(len(right.ids)))
        self.comparisons = _comparisons(rules)
        keyed = {name for rule in rules.keys for name, normaliser in rule.fields if normaliser in _NAMES}
        self.names = [name for name, normaliser in self.comparisons.items() if name in keyed and normaliser in _NAMES]
        self.codes = [name for name, normaliser in self.comparisons.items() if normaliser == "sku"]
        self.paired: list[Candidate] = []
        self.groups: list[Group] = []
        self.losers: list[Candidate] = []
        self.large: list[LargeBlock] = []

    # Scores

    def score(self, left: Numbers, right: Numbers) -> tuple[Scores, Scores]:
        """Scores (n,) and parts (n, weights) of row pairs; a part is NaN where either side is blank."""
        parts = np.full((len(left), len(self.rules.weights)), np.nan)
        for place, (name, _) in enumerate(self.rules.weights):
            parts[:, place] = self._likeness(name, left, right)
        weights = np.array([weight for _, weight in self.rules.weights], dtype=np.float64)
        known = ~np.isnan(parts)
        total = (known * weights).sum(axis=1)
        scores = np.divide((np.nan_to_num(parts) * weights).sum(axis=1), total, out=np.zeros(len(left)), where=total > 0)
        return np.round(scores, 4), parts

    def _likeness(self, name: str, left: Numbers, right: Numbers) -> Scores:
        ours, theirs, normaliser = self.left.compared[name], self.right.compared[name], self.comparisons[name]
        a, b = ours.keys[left], theirs.keys[right]
        both = ours.known[left] & theirs.known[right]
        equal = both & _same(a, b)
        part = np.where(both, 0.0, np.nan)
        rest = np.flatnonzero(both & ~equal)
        if normaliser not in _EXACT and len(rest):
            near = process.cpdist(list(a[rest]), list(b[rest]), scorer=fuzz.ratio, workers=1).astype(np.float64) / 100
            if normaliser in _NAMES:
                words = ours.words[left[rest]], theirs.words[right[rest]]
                sorted_words = process.cpdist(list(words[0]), list(words[1]), scorer=fuzz.token_sort_ratio, workers=1)
                near = np.maximum(near, np.minimum(sorted_words.astype(np.float64) / 100, OTHER_ORDER))
                other_number = ~_same(ours.digits[left[rest]], theirs.digits[right[rest]])
                near = np.where(other_number, np.minimum(near, OTHER_NUMBER), near)
            part[rest] = np.minimum(near, OTHER_ORDER)
        part[self._look_alike(name, left, right)] = LOOK_ALIKE
        part[equal] = 1.0
        return np.round(part, 4).astype(np.float64)

    def _look_alike(self, name: str, left: Numbers, right: Numbers) -> Flags:
        """Equal only after look-alike characters are made one."""
        ours, theirs = self.left.compared[name], self.right.compared[name]
        both = ours.known[left] & theirs.known[right]
        return both & _same(ours.look[left], theirs.look[right]) & ~_same(ours.keys[left], theirs.keys[right])

    def _record_look_alike(self, left: Numbers, right: Numbers) -> Flags:
        """A code that only looks the same, or names of which each is equal or only looks the same."""
        seen, different = np.zeros(len(left), dtype=bool), np.zeros(len(left), dtype=bool)
        for name in self.names:
            ours, theirs = self.left.compared[name], self.right.compared[name]
            look_alike = self._look_alike(name, left, right)
            seen |= look_alike
            both = ours.known[left] & theirs.known[right]
            different |= both & ~_same(ours.keys[left], theirs.keys[right]) & ~look_alike
        seen &= ~different
        for name in self.codes:
            seen |= self._look_alike(name, left, right)
        return seen

    def candidates(self, left: Numbers, right: Numbers, rule: str, reason: str) -> list[Candidate]:
        if not len(left):
            return []
        if not self.rules.weights:
            scores, parts = np.ones(len(left)), np.empty((len(left), 0))
        else:
            scores, parts = self.score(left, right)
            scores[np.isnan(parts).all(axis=1)] = 1.0
        return [
            self._candidate(a, b, rule, reason, score, row)
            for a, b, score, row in zip(left.tolist(), right.tolist(), scores.tolist(), parts.tolist(), strict=True)
        ]

    def _candidate(self, left: int, right: int, rule: str, reason: str, score: float, parts: list[float]) -> Candidate:
        named = zip(self.rules.weights, parts, strict=True)
        shown = tuple((name, part) for (name, _), part in named if part == part)  # NaN is not equal to itself
        return Candidate(self.left.ids[left], self.right.ids[right], rule, score, shown, reason)

    # Decisive keys

    def decide_by_key(self, number: int, rule: KeyRule) -> None:
        """One row on each side pairs unless something speaks against it; several are one question."""
        ours = _rows_of(self.left.keys[number], sorted(self.free_left))
        theirs = _rows_of(self.right.keys[number], sorted(self.free_right))
        clear: list[tuple[int, int]] = []
        for value in sorted(ours.keys() & theirs.keys()):
            left, right = ours[value], theirs[value]
            if len(left) > 1 or len(right) > 1:
                self._ask_several(left, right, rule, value)
            elif doubt := self._contradiction(left[0], right[0], number) or self._form_doubt(left[0], right[0], rule):
                self._ask(left, right, doubt, self.candidates(np.array(left), np.array(right), rule.name, doubt))
            else:
                clear.append((left[0], right[0]))
        if clear:
            pairs = np.array(clear, dtype=np.int64)
            self.paired += self.candidates(pairs[:, 0], pairs[:, 1], rule.name, "key")
            self.free_left -= {left for left, _ in clear}
            self.free_right -= {right for _, right in clear}

    def _ask_several(self, left: list[int], right: list[int], rule: KeyRule, value: str) -> None:
        if len(left) * len(right) > LARGEST_BLOCK:  # a placeholder of hundreds: the first of the other side stand for all
            self.large.append(LargeBlock(rule.name, value, len(left), len(right), split=False))
            pairs = {(a, b) for a in left for b in right[:1]} | {(a, b) for a in left[:1] for b in right}
        else:
            pairs = {(a, b) for a in left for b in right}
        rows = np.array(sorted(pairs), dtype=np.int64)
        self._ask(left, right, "several", self.candidates(rows[:, 0], rows[:, 1], rule.name, "several"))

    def _ask(self, left: Iterable[int], right: Iterable[int], reason: str, candidates: list[Candidate]) -> None:
        left, right = sorted(left), sorted(right)
        best_first = tuple(sorted(candidates, key=lambda one: (-one.score, one.left, one.right)))
        ids = tuple(self.left.ids[row] for row in left), tuple(self.right.ids[row] for row in right)
        self.groups.append(Group(*ids, reason, best_first))
        self.free_left -= set(left)
        self.free_right -= set(right)

    def _contradiction(self, left: int, right: int, before: int) -> str:
        """The first decisive key of one field, stronger than rule `before`, that both have and that differs."""
        for number, rule in enumerate(self.rules.keys[:before]):
            if rule.decisive and len(rule.fields) == 1:
                ours, theirs = self.left.keys[number][left], self.right.keys[number][right]
                if ours is not None and theirs is not None and ours != theirs and not self._form_only(rule, left, right):
                    return f"contradiction:{rule.name}"
        return ""

    def _form_only(self, rule: KeyRule, left: int, right: int) -> bool:
        """A whole-name key that differs only in the legal form: the form has a word of its own (`legal_form`)."""
        name, normaliser = rule.fields[0]
        compared = self.left.compared.get(name), self.right.compared.get(name)
        if normaliser != "text" or name not in self.left.forms or compared[0] is None or compared[1] is None:
            return False
        return bool(compared[0].keys[left] == compared[1].keys[right])

    def _form_doubt(self, left: int, right: int, rule: KeyRule) -> str:
        """前株 against 後株, Ltd against GmbH: a doubt under any key with a name. A form that one side leaves out is one only
        where the name stands alone."""
        for name, normaliser in rule.fields:
            if normaliser == "legal_name":
                ours, theirs = self.left.forms[name][left], self.right.forms[name][right]
                if ours != theirs and (len(rule.fields) == 1 or (ours is not None and theirs is not None)):
                    return "legal_form"
        return ""

    # Likeness within blocks

    def decide_by_likeness(self) -> None:
        edges = self._edges()
        if not edges:
            return
        judged = [self._judge(edge) for edge in edges]
        asked = [edge for edge in judged if edge.open]
        pairs = _clear_pairs(asked)
        taken_left, taken_right = {edge.left for edge in pairs}, {edge.right for edge in pairs}
        for edge in pairs:
            self.paired.append(replace(edge.candidate, reason="likeness"))
        self.free_left -= taken_left
        self.free_right -= taken_right
        chosen = {(edge.left, edge.right) for edge in pairs}
        still: list[_Edge] = []
        for edge in judged:
            if (edge.left, edge.right) in chosen:
                continue
            if not edge.open:
                self.losers.append(edge.candidate)
            elif edge.left in taken_left or edge.right in taken_right:
                self.losers.append(replace(edge.candidate, reason="taken"))
            else:
                still.append(edge)
        for left, right, members in _components(still):
            reason = members[0].candidate.reason if len(members) == 1 else "several"
            self._ask(left, right, reason, [edge.candidate for edge in members])

    def _judge(self, edge: _Edge) -> _Edge:
        """The band of one scored pair, with the reason: open (auto or a question) or lost."""
        candidate = edge.candidate
        if rule := self._issued_differ(edge.left, edge.right):
            return replace(edge, candidate=replace(candidate, reason=f"contradiction:{rule}"))
        if edge.look_alike:
            return replace(edge, candidate=replace(candidate, reason="look_alike"), open=True)
        if candidate.score < self.rules.review:
            return replace(edge, candidate=replace(candidate, reason="below_review"))
        if self._forms_differ(edge.left, edge.right):
            return replace(edge, candidate=replace(candidate, reason="legal_form"), open=True)
        if not self._is_certain(candidate):
            return replace(edge, candidate=replace(candidate, reason="below_auto"), open=True)
        if doubt := self._contradiction(edge.left, edge.right, len(self.rules.keys)):
            return replace(edge, candidate=replace(candidate, reason=doubt), open=True)
        return replace(edge, candidate=replace(candidate, reason="close_second"), open=True, certain=True)

    def _issued_differ(self, left: int, right: int) -> str:
        for number, rule in enumerate(self.rules.keys):
            if rule.decisive and len(rule.fields) == 1 and rule.fields[0][1] in _ISSUED:
                ours, theirs = self.left.keys[number][left], self.right.keys[number][right]
                if ours is not None and theirs is not None and ours != theirs:
                    is_sku = rule.fields[0][1] == "sku"
                    if not (is_sku and sku_confusable(ours) == sku_confusable(theirs)):
                        return rule.name
        return ""

    def _forms_differ(self, left: int, right: int) -> bool:
        return any(self.left.forms[name][left] != self.right.forms[name][right] for name in self.left.forms)

    def _is_certain(self, candidate: Candidate) -> bool:
        """Auto band: enough score, every name equal to the letter, and another field that agrees wholly."""
        parts = dict(candidate.parts)
        names = [part for name, part in parts.items() if name in self.names]
        others = [part for name, part in parts.items() if name not in self.names]
        return candidate.score >= self.rules.auto and bool(names) and min(names) == 1.0 and 1.0 in others

    def _edges(self) -> list[_Edge]:
        """Scored pairs of free rows that share a block: each row's best few, from NEAR on or look-alike."""
        best = pd.DataFrame()
        for number, rule in enumerate(self.rules.keys):
            if rule.decisive:
                continue
            for name, left, right in _in_chunks(self._blocks(number, rule)):
                scores, parts = self.score(left, right)
                look_alike = self._record_look_alike(left, right)
                keep = (scores >= min(NEAR, self.rules.review)) | look_alike
                found = pd.DataFrame({"left": left[keep], "right": right[keep], "score": scores[keep], "rule": name})
                found["look_alike"], found["parts"] = look_alike[keep], _array(parts[keep].tolist())
                best = _best_few(pd.concat([best, found], ignore_index=True) if len(best) else found)
        return [
            _Edge(left, right, self._candidate(left, right, rule, "", score, parts), look_alike)
            for left, right, score, rule, look_alike, parts in best.itertuples(index=False)
        ]

    def _blocks(self, number: int, rule: KeyRule) -> Iterator[tuple[str, list[int], list[int]]]:
        ours = _rows_of(self.left.keys[number], sorted(self.free_left))
        theirs = _rows_of(self.right.keys[number], sorted(self.free_right))
        for value in sorted(ours.keys() & theirs.keys()):
            left, right = ours[value], theirs[value]
            if len(left) * len(right) <= LARGEST_BLOCK:
                yield rule.name, left, right
                continue
            self.large.append(LargeBlock(rule.name, value, len(left), len(right), split=True))
            yield from self._finer(number, rule, value, left, right)

    def _finer(
        self, number: int, rule: KeyRule, value: str, left: list[int], right: list[int]
    ) -> Iterator[tuple[str, list[int], list[int]]]:
        """A block split by each other block; a part that is still too large is left out and reported."""
        for other, by in enumerate(self.rules.keys):
            if by.decisive or other == number:
                continue
            ours, theirs = _rows_of(self.left.keys[other], left), _rows_of(self.right.keys[other], right)
            for part in sorted(ours.keys() & theirs.keys()):
                name = f"{rule.name}+{by.name}"
                if len(ours[part]) * len(theirs[part]) <= LARGEST_BLOCK:
                    yield name, ours[part], theirs[part]
                else:
                    label = f"{value}{_SEPARATOR}{part}"
                    self.large.append(LargeBlock(name, label, len(ours[part]), len(theirs[part]), split=False))

    # The end

    def remember_taken(self) -> None:
        """For rows left alone: the records of equal decisive key that went to somebody else."""
        for number, rule in enumerate(self.rules.keys):
            if rule.decisive:
                ours, theirs = self.left.keys[number], self.right.keys[number]
                all_left, all_right = _rows_of(ours, range(len(ours))), _rows_of(theirs, range(len(theirs)))
                pairs = [(row, one) for row in sorted(self.free_left) for one in all_right.get(ours[row] or "", [])[:MOST_LOSERS]]
                pairs += [
                    (one, row) for row in sorted(self.free_right) for one in all_left.get(theirs[row] or "", [])[:MOST_LOSERS]
                ]
                rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
                found = self.candidates(rows[:, 0], rows[:, 1], rule.name, "taken")
                doubts = [self._contradiction(left, right, number) for left, right in pairs]
                self.losers += [replace(one, reason=doubt) if doubt else one for one, doubt in zip(found, doubts, strict=True)]

    def result(self) -> Matches:
        return Matches(
            paired=tuple(sorted(self.paired, key=lambda one: (one.left, one.right))),
            ambiguous=tuple(sorted(self.groups, key=lambda group: (group.left, group.right))),
            alone_left=tuple(self.left.ids[row] for row in sorted(self.free_left)),
            alone_right=tuple(self.right.ids[row] for row in sorted(self.free_right)),
            rejected_left=_losers_of(self.losers, lambda one: one.left),
            rejected_right=_losers_of(self.losers, lambda one: one.right),
            large=tuple(self.large),
        )


@dataclass(frozen=True, slots=True)
class _Edge:
    """A scored pair. `open`: at least a question; `certain`: alone it would be in the auto band."""

    left: int
    right: int
    candidate: Candidate
    look_alike: bool
    open: bool = False
    certain: bool = False


def _in_chunks(blocks: Iterable[tuple[str, list[int], list[int]]]) -> Iterator[tuple[str, Numbers, Numbers]]:
    """The row pairs of many blocks in few arrays, one rule name each."""
    waiting: dict[str, list[tuple[Numbers, Numbers]]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for name, left, right in blocks:
        waiting[name].append((np.repeat(np.array(left), len(right)), np.tile(np.array(right), len(left))))
        sizes[name] += len(left) * len(right)
        if sizes[name] >= CHUNK:
            yield name, *_joined(waiting.pop(name))
            sizes[name] = 0
    for name, parts in waiting.items():
        yield name, *_joined(parts)


def _joined(parts: list[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    return np.concatenate([left for left, _ in parts]), np.concatenate([right for _, right in parts])


def _best_few(edges: pd.DataFrame) -> pd.DataFrame:
    """Each pair once, and of each row of either side its best few; the rule that found it first is named."""
    edges = edges.drop_duplicates(["left", "right"], keep="first")
    by_left = edges.sort_values(["left", "score", "right"], ascending=[True, False, True]).groupby("left").cumcount()
    by_right = edges.sort_values(["right", "score", "left"], ascending=[True, False, True]).groupby("right").cumcount()
    return edges[(by_left.reindex(edges.index) < MOST_LOSERS) | (by_right.reindex(edges.index) < MOST_LOSERS)]


def _clear_pairs(edges: list[_Edge]) -> list[_Edge]:
    """Certain pairs that no other candidate of either record comes near to."""
    lefts: dict[int, list[float]] = defaultdict(list)
    rights: dict[int, list[float]] = defaultdict(list)
    for edge in edges:
        lefts[edge.left].append(edge.candidate.score)
        rights[edge.right].append(edge.candidate.score)

    def stands_out(edge: _Edge, scores: list[float]) -> bool:
        return sum(score > edge.candidate.score - MARGIN for score in scores) == 1  # itself

    return [e for e in edges if e.certain and stands_out(e, lefts[e.left]) and stands_out(e, rights[e.right])]


def _components(edges: list[_Edge]) -> Iterator[tuple[set[int], set[int], list[_Edge]]]:
    """Edges that hang together by a common record."""
    of_left: dict[int, list[_Edge]] = defaultdict(list)
    of_right: dict[int, list[_Edge]] = defaultdict(list)
    for edge in edges:
        of_left[edge.left].append(edge)
        of_right[edge.right].append(edge)
    seen: set[int] = set()
    for first in sorted(of_left):
        if first in seen:
            continue
        left, right, waiting = {first}, set[int](), [first]
        while waiting:
            for edge in of_left[waiting.pop()]:
                if edge.right not in right:
                    right.add(edge.right)
                    found = {other.left for other in of_right[edge.right]} - left
                    left |= found
                    waiting += sorted(found)
        seen |= left
        yield left, right, [edge for row in sorted(left) for edge in of_left[row]]


def _losers_of(losers: list[Candidate], whose: Callable[[Candidate], str]) -> dict[str, tuple[Candidate, ...]]:
    found: dict[str, dict[tuple[str, str], Candidate]] = defaultdict(dict)
    for one in losers:
        found[whose(one)].setdefault((one.left, one.right), one)
    best = lambda one: (-one.score, one.left, one.right)  # noqa: E731
    return {key: tuple(sorted(ones.values(), key=best)[:MOST_LOSERS]) for key, ones in sorted(found.items())}
