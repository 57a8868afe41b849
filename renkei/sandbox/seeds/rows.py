"""Rows of a folder seed: CSV and JSON files read into nested records that remember where they stand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ENDINGS = (".csv", ".json")


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `file` is relative to the seed's folder; `values` are nested, absent cells have no key."""

    file: str
    line: int
    values: dict[str, Any]

    def wrong(self, what: str) -> ValueError:
        """The error to raise about this row: `books/items.csv:4: ...`."""
        return ValueError(f"{self.file}:{self.line}: {what}")

    def lacks(self, column: str) -> NoReturn:
        """Refuses the row for want of a value."""
        raise self.wrong(f"{column} is missing")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file. `header`: the columns of a CSV file, each with an empty value; None for JSON."""

    rows: tuple[Row, ...] = ()
    header: Row | None = None


def read_sheet(folder: Path, name: str) -> Sheet:
    """`folder/name.csv` or `folder/name.json`; an empty sheet if there is neither. ValueError if there are both."""
    found = [folder / f"{name}{ending}" for ending in ENDINGS if (folder / f"{name}{ending}").is_file()]
    if len(found) > 1:
        raise ValueError(f"{folder / name}: there is a .csv and a .json of that name. Keep one of them.")
    if not found:
        return Sheet()
    file = f"{name}{found[0].suffix}"
    try:
        text = found[0].read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}:1: the file is not UTF-8 ({error.reason} at byte {error.start})") from error
    if file.endswith(".json"):
        return Sheet(tuple(_json_rows(file, text)))
    header, *rows = _csv_rows(file, text)
    return Sheet(tuple(rows), header)


def _csv_rows(file: str, text: str) -> Iterator[Row]:
    """The header, then the rows."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(lines, [])
        if not columns:
            raise ValueError(f"{file}:1: the first line has to name the columns")
        for column in columns:
            if not column or columns.count(column) > 1:
                raise ValueError(f"{file}:1: column {column!r} is empty or named twice")
        yield Row(file, 1, _nested(file, 1, dict.fromkeys(columns, "")))
        last = lines.line_num
        for cells in lines:
            line, last = last + 1, lines.line_num
            if not cells:
                continue
            if len(cells) != len(columns):
                raise ValueError(f"{file}:{line}: {len(cells)} cells under {len(columns)} columns")
            flat = {column: cell for column, cell in zip(columns, cells, strict=True) if cell != ""}
            yield Row(file, line, _nested(file, line, flat))
    except csv.Error as error:
        raise ValueError(f"{file}:{lines.line_num}: {error}") from error


def _json_rows(file: str, text: str) -> Iterator[Row]:
    decoder = json.JSONDecoder()
    position = _after_space(text, 0)
    if text[position : position + 1] != "[":
        raise ValueError(f"{file}:{_line(text, position)}: the file has to be a list of objects")
    position = _after_space(text, position + 1)
    more = text[position : position + 1] != "]"
    while more:
        line = _line(text, position)
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file}:{error.lineno}: {error.msg}") from error
        if not isinstance(value, dict):
            raise ValueError(f"{file}:{line}: a row has to be an object")
        yield Row(file, line, _nested(file, line, value))
        position = _after_space(text, position)
        more = text[position : position + 1] == ","
        if more:
            position = _after_space(text, position + 1)
    if text[position : position + 1] != "]" or _after_space(text, position + 1) != len(text):
        raise ValueError(f"{file}:{_line(text, position)}: a comma or the end of the list is missing here")


def _nested(file: str, line: int, flat: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` -> `{"a": {"b": 1}}`; also inside objects and lists of objects."""
    nested: dict[str, Any] = {}
    for name, given in flat.items():
        value = _nested_value(file, line, given)
        *parents, leaf = name.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(f"{file}:{line}: {name} stands beside a plain value of {parent}")
        if isinstance(place.get(leaf), dict) and isinstance(value, dict):
            place[leaf].update(value)
        elif leaf in place:
            raise ValueError(f"{file}:{line}: {name} is given twice")
        else:
            place[leaf] = value
    return nested


def _nested_value(file: str, line: int, value: Any) -> Any:
    if isinstance(value, dict):
        return _nested(file, line, value)
    if isinstance(value, list):
        return [_nested_value(file, line, element) for element in value]
    return value


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
