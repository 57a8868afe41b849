"""docs/reference/help-page.md: each row names a test that there is, or says why it has none; settings are those of a connection.

That its commands and links are there, test_commands_in_papers and test_architecture_project find out, as for every document.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "help-page.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if re.match(r"\| [A-Z]\d", line)]
KEYS = re.findall(
    r"^\| (`.+?`) \| ([^|]+) \|", (ROOT / "docs" / "reference" / "connection.md").read_text("utf-8"), flags=re.MULTILINE
)
SETTINGS = {name: values for cell, values in KEYS for name in re.findall(r"`([a-z_.…]+)`", cell)}
WHY_NONE = ("Not yet: ", "Not needed: ")


@cache
def defined_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def settings_in(text: str) -> list[tuple[str, str]]:
    """(key, value or "") of each setting between backticks: `customers.modules`, `deals: none`."""
    found = (re.fullmatch(r"([a-z_]+(?:\.[a-z_]+)*)(?:: (\w+))?", one) for one in re.findall(r"`([^`]+)`", text))
    return [(one[1], one[2] or "") for one in found if one and (one[2] or "." in one[1])]


def is_setting(key: str, value: str) -> bool:
    """Whether a connection has this key, by its full name or its last part, and lists that value of it."""
    short = key.rsplit(".", 1)[-1]
    fitting = [
        values
        for name, values in SETTINGS.items()
        if name in (key, f"….{short}") or ("." not in key and name.endswith(f".{key}"))
    ]
    return any(value in re.findall(r"\w+", values) or not value for values in fitting)


def test_rows_are_numbered_within_their_section() -> None:
    assert len(SECTIONS) > 7 and [part[0] for part in SECTIONS] == [chr(ord("A") + place) for place in range(len(SECTIONS))]
    for part in SECTIONS:
        assert part[1:2] == "." and re.search(r"[ぁ-んァ-ン一-龥]", part.splitlines()[0]) and " / " in part.splitlines()[0]
        numbers = re.findall(r"^\| ([A-Z]\d+) \|", part, flags=re.MULTILINE)
        assert numbers == [f"{part[0]}{place}" for place in range(1, len(numbers) + 1)] and numbers


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row_quotes_the_page_and_names_tests_and_settings_that_there_are(row: list[str]) -> None:
    _, said, where, shown = row
    assert re.match(r"「.+」 \w", said) and where
    named = re.findall(r"`(tests/[^`]+\.py)::([a-z0-9_]+)(?:\[[^`]*\])?`", shown)
    assert "<br>".join(f"`{file}::{test}`" for file, test in named) == re.sub(r"\[[^`]*\]", "", shown)
    assert [(file, test) for file, test in named if not (ROOT / file).exists() or test not in defined_in(file)] == []
    assert bool(named) != where.startswith(WHY_NONE)
    assert [one for one in settings_in(where) if not is_setting(*one)] == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("`customers.modules`", True), ("`customers.module`", False), ("`deals: invoices`", True), ("`deals: quotes`", False),
        ("`products.duplicates`", True), ("`edition: invoice`", True), ("`direction.two_way`", False),
    ],
)  # fmt: skip
def test_a_setting_that_there_is_not_is_seen(text: str, right: bool) -> None:
    assert all(is_setting(*one) for one in settings_in(text)) is right
