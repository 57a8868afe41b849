"""docs/reference/errors.md tells every error, brake, question and reason that there is, and nothing else."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from renkei.core import brakes, errors, summaries
from renkei.core.deleting import delete_table
from renkei.core.records import OUTCOMES
from renkei.core.resolving import DIRECTIONS
from renkei.core.resolving import table as cells

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}
MODULES = [
    ast.parse(path.read_text(encoding="utf-8"))
    for path in [*(ROOT / "renkei" / "engine").glob("*.py"), *(ROOT / "renkei" / "core").glob("*.py")]
    if path.name not in ("matching.py", "errors.py")  # a candidate's reason is not a row's
]


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, head left out."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def first_words(section: str) -> list[str]:
    return [row[0].strip("` ") for row in rows(section)]


def words_of(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be, as far as they stand there; a text with holes shows them as …."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from words_of(node.body)
        yield from words_of(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from words_of(value)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".get") and len(node.args) == 2:
        yield from words_of(node.args[1])
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def told() -> Iterator[tuple[str, str]]:
    """(outcome or "", reason), wherever the code gives a row its word."""
    for node in (node for tree in MODULES for node in ast.walk(tree)):
        if isinstance(node, ast.Call):
            yield from in_a_row(node.args)
            if isinstance(node.func, ast.Name) and node.func.id == "QuarantineRow":
                yield from (("quarantined", one) for one in words_of(node.args[2]))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            yield from in_a_row(node.elts)
        elif isinstance(node, ast.Assign):
            yield from assigned(node.targets[0], node.value)
    for tree in MODULES:
        yield from set_aside(tree)
        yield from by_evidence(tree)
    yield from (("skipped", status) for status in summaries.NOT_COUNTED)


def in_a_row(nodes: Sequence[ast.expr]) -> Iterator[tuple[str, str]]:
    """An outcome and, right after it, its reason: `say(known, "held", "ambiguous")`, `Cell("leave", "skipped", "direction")`."""
    for outcome, reason in pairwise(nodes):
        if isinstance(outcome, ast.IfExp) and isinstance(reason, ast.IfExp) and ast.dump(outcome.test) == ast.dump(reason.test):
            yield from in_a_row([outcome.body, reason.body])
            yield from in_a_row([outcome.orelse, reason.orelse])
            continue
        for word in set(words_of(outcome)) & set(OUTCOMES):
            yield from ((word, one) for one in words_of(reason) if one not in OUTCOMES)


def assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, str]]:
    """`known.blocked = "claimed"`, `why = "direction"`, `winner, reason = field.owner, "owner"`."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=False):
            yield from assigned(one, its)
    elif getattr(target, "attr", getattr(target, "id", "")) in ("blocked", "reason", "why"):
        yield from (("", one) for one in words_of(value))


def set_aside(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What is set aside is skipped with that reason when it is met again; so is a record of a kind that is not synced."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("asides.append")
            and isinstance(node.args[0], ast.Tuple)
        ):
            yield from (("skipped", one) for one in words_of(node.args[0].elts[1]))
        if isinstance(node, ast.FunctionDef) and node.name == "mapping_for":
            for part in (part for part in ast.walk(node) if isinstance(part, ast.Tuple) and len(part.elts) == 2):
                yield from (("", one) for one in words_of(part.elts[1]))


def by_evidence(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """A link's evidence is the reason of its outcome `linked`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("pairs.append") and isinstance(node.args[0], ast.Tuple):
            yield from (("linked", one) for one in words_of(node.args[0].elts[2]))


TOLD = {
    (outcome, {"…: …": "CODE: WORDS"}.get(reason, reason))
    for outcome, reason in {
        *told(),
        *((cell.outcome, cell.reason) for way in DIRECTIONS for *_, cell in cells(way)),
        *((one.cell.outcome, one.cell.reason) for way in DIRECTIONS for one in delete_table(way)),
    }
    if re.fullmatch(r"[a-z_]+…?|…: …", reason)  # sentences are said to people, not of rows
}


def test_every_error_has_a_line_with_its_own_words_and_exit_status() -> None:
    classes = {name: one for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, errors.RenkeiError)}
    listed = {row[0].strip("`"): (row[2], int(row[3])) for row in rows("Errors")}
    assert listed == {name: (one.written, one.exit_code) for name, one in classes.items() if one is not errors.RenkeiError}


def test_every_error_is_raised_somewhere() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for room in ("renkei", "flows") for path in (ROOT / room).rglob("*.py"))
    groups = {base.__name__ for one in vars(errors).values() if inspect.isclass(one) for base in one.__bases__}
    names = {name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, errors.RenkeiError)}
    assert [name for name in sorted(names - groups) if not re.search(rf"\b{name}\(", sources.replace(f"class {name}(", ""))] == []


def test_every_brake_has_a_line() -> None:
    named = re.findall(r"""(?:stop|counted)\("([a-z_]+)\"""", inspect.getsource(brakes.brakes))
    assert len(named) > 6
    assert sorted(first_words("Brakes")) == sorted(set(named))


def test_every_question_has_a_line() -> None:
    asked = {reason for outcome, reason in TOLD if outcome == "held"}
    assert "ambiguous" in asked
    assert sorted(first_words("Questions")) == sorted(asked)


def test_every_reason_has_a_line_and_no_line_a_reason_that_there_is_not() -> None:
    listed = first_words("Reasons")
    assert len(listed) == len(set(listed))
    assert set(listed) ^ {reason for _, reason in TOLD} == {"expect_…"}


def test_a_reason_stands_with_each_outcome_that_the_code_gives_it() -> None:
    listed = {row[0].strip("`"): set(row[1].split(", ")) for row in rows("Reasons")}
    assert {word for words in listed.values() for word in words} <= set(OUTCOMES)
    assert [(outcome, reason) for outcome, reason in sorted(TOLD) if outcome and outcome not in listed[reason]] == []
