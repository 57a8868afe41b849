"""A folder of CSV or JSON files as a seed (docs/reference/sandbox-seeds.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renkei.sandbox.seeds.columns import (
    BOOKS,
    BOOKS_REFERENCES,
    CRM_REFERENCES,
    DEAL_LINES,
    LINES,
    REQUIRED,
    UNIQUE,
    USERS,
    Shape,
    crm_shape,
    plain_value,
)
from renkei.sandbox.seeds.rows import ENDINGS, Row, Sheet, read_sheet

if TYPE_CHECKING:
    from renkei.sandbox.world import World

CRM_MODULES = ("Accounts", "Contacts", "Products", "Deals")
LINES_OF_DEALS = "Deal_Lines"
FILES = {"crm": ("users", *CRM_MODULES, LINES_OF_DEALS), "books": (*BOOKS, *LINES)}


def load_folder(world: World, folder: Path) -> None:
    """Puts the rows of a folder into a world. ValueError, naming file and line, for the first thing that is wrong."""
    _check_files(folder)
    sheets = {f"{side}/{name}": read_sheet(folder, f"{side}/{name}") for side in FILES for name in FILES[side]}
    seeding = _Seeding(world)
    seeding.users(sheets["crm/users"])
    seeding.crm({module: sheets[f"crm/{module}"] for module in CRM_MODULES}, sheets[f"crm/{LINES_OF_DEALS}"])
    lines = {name: sheets[f"books/{name}"] for name in LINES}
    for kind in BOOKS:
        of_kind = {name: sheet for name, sheet in lines.items() if LINES[name][0] == kind}
        seeding.books(kind, sheets[f"books/{kind}"], of_kind)


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder. A seed is demo, empty, native, synthetic:N, or the path of a folder.")
    if not any((folder / side).is_dir() for side in FILES):
        raise ValueError(f"{folder} has neither a folder crm nor a folder books in it")
    for side, names in FILES.items():
        for path in sorted((folder / side).glob("*")):
            if path.suffix in ENDINGS and path.stem not in names:
                raise ValueError(f"{side}/{path.name}:1: no such file is read{_instead(path.stem, names)}")


class _Seeding:
    """The rows loaded so far: `ids[file][ref]` is the id that a row got."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ids: dict[str, dict[str, str]] = {name: {} for name in CRM_REFERENCES | set(BOOKS)}
        self.taxes = {"0": ""} | {str(tax["tax_percentage"]): id for id, tax in world.books.main.taxes.items()}

    def users(self, sheet: Sheet) -> None:
        """Adds the CRM users of a sheet; a user of the organisation with the same e-mail is that user."""
        people = self.world.crm.users
        self.ids["users"] = {str(user["email"]): id for id, user in people.items()}
        for row, record in self._converted(sheet, USERS):
            email = record.get("email") or row.lacks("email")
            if email not in self.ids["users"]:
                id = self.world.new_id("crm")
                name = " ".join(record[key] for key in ("first_name", "last_name") if key in record)
                model = self.world.crm.human_user
                people[id] = {**model, "id": id, "zuid": id[-11:], "full_name": name, "status": "active", **record}
                self.ids["users"][email] = id
            self._name(row, "users", self.ids["users"][email])

    def crm(self, sheets: Mapping[str, Sheet], deal_lines: Sheet) -> None:
        """Adds the records of all modules; ids come first, because lookups may point forwards."""
        given = {module: [self.world.new_id("crm") for _ in sheet.rows] for module, sheet in sheets.items()}
        for module, sheet in sheets.items():
            for row, id in zip(sheet.rows, given[module], strict=True):
                self._name(row, module, id)
        for module, sheet in sheets.items():
            table = self.world.crm.tables[module]
            rows = self._converted(sheet, crm_shape(table.fields))
            _check_unique(rows, table.uniques)
            if module == "Deals":
                self._add_deal_lines(rows, deal_lines)
            records = [{"id": id, **record} for id, (_, record) in zip(given[module], rows, strict=True)]
            self.world.crm.seed(module, records)

    def _add_deal_lines(self, rows: Iterable[tuple[Row, dict[str, Any]]], sheet: Sheet) -> None:
        deals = {row.values["ref"]: record for row, record in rows if "ref" in row.values}
        taxes = self.world.books.main.taxes
        for row, line in self._converted(sheet, {"deal": "text", **DEAL_LINES}):
            deal = line.pop("deal", None) or row.lacks("deal")
            if deal not in deals:
                raise row.wrong(f"deal {deal!r} is no ref in crm/Deals")
            tax = taxes.get(line.pop("tax_id", ""))
            if tax is not None:
                line["Line_Tax"] = [{"name": tax["tax_name"], "percentage": tax["tax_percentage"]}]
            deals[deal].setdefault(LINES_OF_DEALS, []).append(line)

    def books(self, kind: str, sheet: Sheet, lines: Mapping[str, Sheet]) -> None:
        """Adds the records of a kind with the lines that stand in files of their own."""
        fields = self.world.books.main.fields_of(kind)
        shape = {**BOOKS[kind], **{field.api_name: "text" for field in fields}}
        rows = self._converted(sheet, shape)
        for row, record in rows:
            for name in REQUIRED.get(kind, ()):
                if name not in record:
                    row.lacks(name)
        _check_unique(rows, (*UNIQUE.get(kind, ()), *(field.api_name for field in fields if field.is_unique)))
        for name, line_sheet in lines.items():
            self._add_lines(rows, line_sheet, name)
        ids = self.world.books.seed(kind, [record for _, record in rows])
        for (row, _), id in zip(rows, ids, strict=True):
            self._name(row, kind, id)

    def _add_lines(self, rows: Iterable[tuple[Row, dict[str, Any]]], sheet: Sheet, name: str) -> None:
        kind, parent_column, column = LINES[name]
        parents = {row.values["ref"]: record for row, record in rows if "ref" in row.values}
        for row, line in self._converted(sheet, {parent_column: "text", **BOOKS[kind][column][0]}):
            parent = line.pop(parent_column, None) or row.lacks(parent_column)
            if parent not in parents:
                raise row.wrong(f"{parent_column} {parent!r} is no ref in books/{kind}")
            parents[parent].setdefault(column, []).append(line)

    def _converted(self, sheet: Sheet, shape: Shape) -> list[tuple[Row, dict[str, Any]]]:
        """Each row with its record: names checked, cells converted, references replaced by ids."""
        shape = {"ref": "text", **shape}
        if sheet.header is not None:
            _check_names(sheet.header, shape, sheet.header.values)
        rows = []
        for row in sheet.rows:
            _check_names(row, shape, row.values)
            record = self._record(row, shape, row.values)
            record.pop("ref", None)
            rows.append((row, record))
        return rows

    def _record(self, row: Row, shape: Shape, values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        record: dict[str, Any] = {}
        for name, given in values.items():
            kind, place = shape[name], f"{path}{name}"
            if given is None:
                continue
            if isinstance(kind, dict):
                record[name] = self._record(row, kind, given, f"{place}.")
            elif isinstance(kind, list):
                record[name] = [self._record(row, kind[0], element, f"{place}.") for element in given]
            elif kind == "tax":
                record["tax_id"] = self._tax(row, place, given)
            elif kind in CRM_REFERENCES:
                record[name] = {"id": self._id(row, place, kind, given)}
            elif kind in BOOKS_REFERENCES:
                record[name] = self._id(row, place, kind, given)
            else:
                try:
                    record[name] = plain_value(self.world, kind, given)
                except ValueError as error:
                    raise row.wrong(f"{place}: {error}") from error
        return record

    def _tax(self, row: Row, place: str, given: Any) -> str:
        percent = str(given).removesuffix("%")
        if percent not in self.taxes:
            raise row.wrong(f"{place}: the organisation has no tax of {given} %. Use one of: {', '.join(self.taxes)}")
        return str(self.taxes[percent])

    def _id(self, row: Row, place: str, kind: str, given: Mapping[str, Any]) -> str:
        """The id that `{"ref": …}` (for users also `{"email": …}`) stands for."""
        ref = given.get("ref") or given.get("email")
        if ref not in self.ids[kind]:
            raise row.wrong(f"{place}: {ref!r} is no ref in {kind}{_instead(str(ref), self.ids[kind])}")
        return self.ids[kind][str(ref)]

    def _name(self, row: Row, kind: str, id: str) -> None:
        ref = row.values.get("ref")
        if ref is None:
            return
        if kind != "users" and ref in self.ids[kind]:
            raise row.wrong(f"ref {ref!r} stands in an earlier row too")
        self.ids[kind][str(ref)] = id


def _check_names(row: Row, shape: Shape, values: Mapping[str, Any], path: str = "") -> None:
    for name, given in values.items():
        place = f"{path}{name}"
        if name not in shape:
            raise row.wrong(f"there is no column {place}{_instead(name, shape)}")
        kind = shape[name]
        if isinstance(kind, list):
            if not isinstance(given, list) or not all(isinstance(element, dict) for element in given):
                raise row.wrong(f"{place} has to be a list of objects; in CSV its lines stand in a file of their own")
            for element in given:
                _check_names(row, kind[0], element, f"{place}.")
            continue
        inner = kind if isinstance(kind, dict) else _reference_keys(kind)
        if not inner:
            if isinstance(given, dict | list):
                raise row.wrong(f"{place} has to be a plain value")
        elif isinstance(given, dict):
            _check_names(row, inner, given, f"{place}.")
        elif given is not None:
            raise row.wrong(f"{place} has to be written as {place}.{next(iter(inner))}")


def _reference_keys(kind: str) -> Shape:
    if kind == "users":
        return {"ref": "text", "email": "text"}
    return {"ref": "text"} if kind in CRM_REFERENCES | BOOKS_REFERENCES else {}


def _check_unique(rows: Iterable[tuple[Row, dict[str, Any]]], names: Iterable[str]) -> None:
    names = tuple(names)
    seen: dict[tuple[str, str], Row] = {}
    for row, record in rows:
        for name in names:
            value = str(record.get(name) or "").strip().casefold()
            if value and (earlier := seen.setdefault((name, value), row)) is not row:
                raise row.wrong(f"{name} {record[name]!r} is unique and stands in line {earlier.line} too")


def _instead(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f". Is it {close[0]}?" if close else ""
