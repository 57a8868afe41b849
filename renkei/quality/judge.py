"""Great Expectations behind ports.Judge: suites in, failing rows out, and nothing of the library in between.

What the library is like, and what is done about it (docs/decisions/0003):
- importing it takes about 12 s: it is imported by the first judgement, or before that in the background by `warm`;
- it is not thread-safe and says nothing when it errs: one judgement at a time, behind a lock;
- a judgement leaves its table behind in objects that refer to one another: those of a large one are collected at once;
- an expectation that it cannot read is logged and left out: here every expectation is built by itself, and a wrong one
  raises;
- an exception inside an expectation is an entry in its answer: here it becomes a broken table rule.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

import pandas as pd

from renkei.core.errors import AskedWrongly, Bug
from renkei.core.ports import Judgement, QuarantineFailure
from renkei.core.transforms import Unreadable
from renkei.core.values import MISSING, canonical_json

Rule = Mapping[str, Any]  # type, kwargs, and maybe meta, severity, row_condition: an expectation in the library's own words

ID = "id"
READABLE = "readable"  # the rule that an Unreadable breaks; it is in every suite and needs no library
VALUE_LENGTH = 200  # characters of an offending value that are kept (ports.QuarantineFailure)
_TEXT_OR_NOTHING = frozenset({str, type(None)})
_COLLECT = (50_000, 20, 20)  # Python's own 700 is made for programs that do not hold rows by the ten thousand
_LARGE = 5_000  # rows of a table that is worth a collection of garbage, which takes some milliseconds
_YES_OR_NO = {"result_format": "BOOLEAN_ONLY"}
_LISTED = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": [ID],
    "return_unexpected_index_query": False,
}
_OPTIONS = ("meta", "severity", "row_condition", "condition_parser")
_PLACE = "renkei_place"  # meta key: the rule's place in its suite, because answers come in another order


@dataclass(frozen=True, slots=True)
class _Library:
    """What a judgement needs of it: three modules, and the settings that keep it from drawing progress bars."""

    context: Any
    registry: Any
    validator: Any
    engine: Any


class GreatJudge:
    """Implements ports.Judge with Great Expectations.

    suites  name (`arrival/crm_accounts`) → its expectations, as `expectations/**/*.yaml` writes them: mappings with `type`
            and `kwargs` in the library's own names, and optionally `row_condition` (pandas query syntax) and `meta`, of
            which `words` is the sentence that a person reads about a failing row.

    An expectation with `mostly` tolerates rows up to that share; when it fails, all its failing rows are listed.
    """

    def __init__(self, suites: Mapping[str, Sequence[Rule]]) -> None:
        self._suites = {name: tuple(rules) for name, rules in suites.items()}
        self._turn = threading.Lock()
        self._loading: threading.Thread | None = None
        self._library: _Library | None = None
        self._load_error: BaseException | None = None

    def warm(self) -> None:
        """Import the library in a thread of its own, which decides nothing. Calling it again does nothing."""
        if self._loading is None:
            self._loading = threading.Thread(target=self._load, name="load-great-expectations", daemon=True)
            self._loading.start()

    def judge(self, suite: str, frame: pd.DataFrame) -> Judgement:
        """Check every row of a frame against a suite.

        frame    column `id` (text, unique; None where a row came without one), other columns of any type. Index is not
                 used. Columns that the suite names and the frame lacks count as missing in every row; columns that the
                 suite does not name are not looked at. None, MISSING, NaN and NA are all missing: only
                 `expect_column_values_to_not_be_null` minds them. Objects and lists are judged as canonical JSON text.
                 An Unreadable, in any column, breaks the rule `readable`; the suite takes it as missing.
        returns  one failure per broken rule and row: unreadable values first, then ordered by rule, then by row. `table`
                 has the rules about the whole table that failed, and those that could not be carried out, with the reason.
        raises   AskedWrongly for an unknown suite or a malformed expectation.

        A rule costs about 6 ms however few rows there are, so judge a read as a whole rather than page by page. A frame
        without rows under a suite without rules about the table is not worth loading the library for, and does not.
        """
        rules = self._rules(suite)
        if frame.empty and not any(_is_about_table(rule) for rule in rules):
            return Judgement(checked=0)
        table = _prepared(frame, rules)
        with self._turn:
            library = self._loaded()
            expectations = [_expectation(library, suite, place, rule) for place, rule in enumerate(rules)]
            results = _validate(library, suite, table, expectations)
        if len(table) >= _LARGE:
            gc.collect()
        failures, broken = _translated(suite, rules, results)
        return Judgement(checked=len(frame), failures=(*_unreadable(frame), *failures), table=tuple(broken))

    def columns(self, suite: str) -> tuple[str, ...]:
        """The columns that a suite names, `id` aside, in the order of its rules; those of row conditions after them."""
        return tuple(name for name in _named(self._rules(suite)) if name != ID)

    def faults(self) -> list[str]:
        """What is wrong with the suites themselves, one sentence per malformed expectation. Loads the library."""
        found: list[str] = []
        with self._turn:
            library = self._loaded()
            for suite, rules in sorted(self._suites.items()):
                for place, rule in enumerate(rules):
                    try:
                        _expectation(library, suite, place, rule)
                    except AskedWrongly as error:
                        found.append(error.what)
        return found

    def _rules(self, suite: str) -> tuple[Rule, ...]:
        if suite not in self._suites:
            known = ", ".join(sorted(self._suites)) or "none"
            raise AskedWrongly(f"There is no suite {suite!r} of expectations.", fix=f"Use one of: {known}.")
        return self._suites[suite]

    def _loaded(self) -> _Library:
        self.warm()
        if self._loading is not None:
            self._loading.join()
        if self._library is None:
            raise Bug("Great Expectations could not be loaded.", expected="make install has run") from self._load_error
        return self._library

    def _load(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported
        try:
            gx = importlib.import_module("great_expectations")
            registry = importlib.import_module("great_expectations.expectations.registry")
            validator = importlib.import_module("great_expectations.validator.validator")
            engine = importlib.import_module("great_expectations.execution_engine.pandas_execution_engine")
            importlib.import_module("renkei.quality.rules")  # registers our own expectations by being imported
        except Exception as error:  # shown by _loaded, in the thread that asked
            self._load_error = error
            return
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        # a million objects that live as long as the process: a collection of garbage need not walk them every time
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        self._library = _Library(context, registry, validator, engine)


def _is_about_table(rule: Rule) -> bool:
    return not _columns(rule)


def _columns(rule: Rule) -> tuple[str, ...]:
    """The columns that an expectation names in its arguments, in order."""
    arguments = rule.get("kwargs", {})
    named = [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments]
    return tuple(dict.fromkeys([*named, *arguments.get("column_list", ())]))


def _named(rules: Iterable[Rule]) -> list[str]:
    """Every column that rules name, and every word of their conditions that may be one, each once."""
    rules = list(rules)
    named = [name for rule in rules for name in _columns(rule)]
    words = [word for rule in rules for word in re.findall(r"[^\W\d]\w*", _condition(rule)) if not iskeyword(word)]
    return list(dict.fromkeys([*named, *words]))


def _condition(rule: Rule) -> str:
    return str(rule.get("row_condition") or rule.get("kwargs", {}).get("row_condition") or "")


def _prepared(frame: pd.DataFrame, rules: Iterable[Rule]) -> pd.DataFrame:
    """The columns that the rules name, every kind of absence as None, everything else as the rules can take it."""
    if ID not in frame.columns:
        raise Bug("A frame without an id column came to be judged.", expected=f"a column {ID!r} of text")
    needed = {name for rule in rules for name in _columns(rule)}
    wanted = [ID, *(name for name in _named(rules) if name != ID and (name in needed or name in frame.columns))]
    nothing = pd.Series([None] * len(frame), dtype=object)
    return pd.DataFrame({column: _column(frame[column].tolist()) if column in frame.columns else nothing for column in wanted})


def _column(values: list[Any]) -> pd.Series[Any]:
    """Text as the library's own text, which it works on several times as fast as on objects; anything else as it is."""
    kinds = set(map(type, values))
    if kinds <= _TEXT_OR_NOTHING:
        return pd.Series(values, dtype="str")
    return pd.Series([value if type(value) is str else _judged(value) for value in values], dtype=object)


def _judged(value: Any) -> Any:
    if value is None or value is MISSING or isinstance(value, Unreadable):
        return None
    if isinstance(value, (dict, list, tuple)):
        return canonical_json(value)
    return None if pd.isna(value) else value


def _expectation(library: _Library, suite: str, place: int, rule: Rule) -> Any:
    """One expectation object; AskedWrongly names the suite, the rule and what the library says of it."""
    kind = str(rule.get("type", ""))
    options = {name: rule[name] for name in _OPTIONS if name in rule} | dict(rule.get("kwargs", {}))
    if options.get("row_condition"):
        options.setdefault("condition_parser", "pandas")
    options["meta"] = {**(options.get("meta") or {}), _PLACE: place}
    try:
        return library.registry.get_expectation_impl(kind)(**options)
    except Exception as error:  # the library raises a different class for each kind of mistake
        said = " ".join(str(error).split())
        raise AskedWrongly(f"expectations/{suite}: rule {place + 1} ({kind or 'without a type'}): {said}") from error


def _validate(library: _Library, suite: str, table: pd.DataFrame, expectations: list[Any]) -> list[Any]:
    """The library's results, one for each expectation, in the suite's order; those that failed list their rows.

    All are asked for yes or no first: listing rows takes the library as long again, even where there are none.
    """
    # the library's own way to here, over a data source and a batch of it, hashes every value of the table
    engine = library.engine.PandasExecutionEngine(batch_data_dict={"rows": table})
    validator = library.validator.Validator(engine, data_context=library.context)
    results = _answers(suite, validator, expectations, _YES_OR_NO)
    failed = [place for place, result in enumerate(results) if not result.success]
    if failed:
        listed = _answers(suite, validator, [expectations[place] for place in failed], _LISTED)
        for place, result in zip(failed, listed, strict=True):
            results[place] = result
    return results


def _answers(suite: str, validator: Any, expectations: list[Any], result_format: Mapping[str, Any]) -> list[Any]:
    answers = validator.graph_validate(
        configurations=[expectation.configuration for expectation in expectations],
        runtime_configuration={"result_format": dict(result_format)},
    )
    results = sorted(answers, key=lambda result: result.expectation_config.meta[_PLACE])
    if len(results) != len(expectations):
        raise Bug(f"Suite {suite} gave {len(results)} results.", expected=f"one for each of {len(expectations)} expectations")
    return results


def _unreadable(frame: pd.DataFrame) -> Iterator[QuarantineFailure]:
    for column in frame.columns:
        if frame[column].dtype != object:
            continue
        values = frame[column].tolist()
        if Unreadable not in set(map(type, values)):
            continue
        for place, value in enumerate(values):
            if type(value) is Unreadable:
                raw = _text(value.raw)[:VALUE_LENGTH]
                yield QuarantineFailure(_text(frame[ID].iloc[place]), READABLE, str(column), raw, value.why)


def _translated(suite: str, rules: Sequence[Rule], results: Sequence[Any]) -> tuple[list[QuarantineFailure], list[str]]:
    """The failing rows, and the broken rules about the table, of results in the suite's order."""
    failures: list[QuarantineFailure] = []
    broken: list[str] = []
    for rule, result in zip(rules, results, strict=True):
        if result.success:
            continue
        raised = _exception(result.exception_info)
        if raised:
            broken.append(f"{_name(rule)} could not be carried out: {raised}")
        elif "unexpected_index_list" in result.result:
            failures.extend(_failures(rule, result.result["unexpected_index_list"]))
        elif "observed_value" in result.result:
            broken.append(f"{_name(rule)}: {_words(rule)} Found {_text(result.result['observed_value'])}.")
        else:
            raise Bug(f"Suite {suite}: {_name(rule)} failed without saying where.", expected="rows or an observed value")
    return failures, broken


def _failures(rule: Rule, rows: Iterable[Mapping[str, Any]]) -> Iterator[QuarantineFailure]:
    columns = _columns(rule)
    for row in rows:
        values = [_text(row[column]) for column in columns]
        yield QuarantineFailure(
            id=_text(row[ID]),
            rule=str(rule["type"]),
            field=", ".join(columns),
            value=", ".join(values)[:VALUE_LENGTH],
            words=_words(rule),
        )


def _exception(info: Mapping[str, Any] | None) -> str:
    """The message of an exception inside an expectation, from either of the two shapes it comes in; "" for none."""
    info = info or {}
    entries = [info] if "raised_exception" in info else [entry for entry in info.values() if isinstance(entry, Mapping)]
    for entry in entries:
        if entry.get("raised_exception"):
            return str(entry.get("exception_message") or "no message")
    return ""


def _name(rule: Rule) -> str:
    return f"{rule['type']}({', '.join(_columns(rule))})"


def _words(rule: Rule) -> str:
    """The suite's own sentence (`meta.words`), or the rule spelt out."""
    told = (rule.get("meta") or {}).get("words")
    if told:
        return str(told)
    arguments = {name: value for name, value in rule.get("kwargs", {}).items() if not name.startswith("column")}
    spelt = str(rule["type"]).replace("expect_", "", 1).replace("_", " ")
    return f"{spelt} {canonical_json(arguments)}." if arguments else f"{spelt}."


def _text(value: Any) -> str:
    """A value as text; whatever is missing is empty."""
    plain = _judged(value)
    return "" if plain is None else str(plain)
