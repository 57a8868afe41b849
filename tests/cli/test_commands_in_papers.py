"""Every command that a document or a message tells people to type exists, with the options that stand in it."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from office import HOME
from typer.main import get_command

from renkei.cli.main import app, in_front

PAPERS = sorted([*HOME.glob("*.md"), *(HOME / "docs").rglob("*.md"), HOME / "benchmarks" / "README.md"])
CODE = sorted(path for room in ("renkei", "flows", "tasks") for path in (HOME / room).rglob("*.py"))
TYPED = re.compile(r"(?:^|[\s/])renkei (?P<words>(?:--?[a-z]+ (?:[A-Z]+ )?)*[a-z].*)")


def typed_in(text: str) -> Iterator[str]:
    """Commands in a document: lines of code, without what they print, and words between backticks."""
    for line in text.splitlines():
        pieces = [line.split(" # ")[0]] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
        for piece in pieces:
            found = TYPED.search(piece.removeprefix("    $ "))
            if found and (not line.startswith("    ") or re.match(r"    (\$ )?([A-Z_]+=\S+ )?(\.venv/bin/)?renkei ", line)):
                yield found["words"]


def said_in(path: Path) -> Iterator[str]:
    """Commands between backticks, or after a colon at the end, in the texts of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for piece in [*re.findall(r"`([^`\n]+)`", node.value), *re.findall(r": (renkei [a-z ]+)\.?$", node.value)]:
                found = TYPED.match(piece)
                if found:
                    yield found["words"]


def wrong(words: str) -> str:
    """What of a typed command is not there, or "". Words in capitals, references and optional parts are values."""
    command: Any = get_command(app)
    parts = [part for part in shlex.split(re.sub(r"[\[\]…|(),]", " ", words).replace("'", "")) if part]
    known = {name for one in command.params for name in one.opts}
    parts = in_front(parts)
    while parts and parts[0].startswith("--"):
        if parts[0] not in known:
            return parts[0]
        parts = parts[1:] if parts[0] == "--json" else parts[2:]
    while parts and hasattr(command, "commands"):
        if parts[0] not in command.commands:
            return "" if command.invoke_without_command else parts[0]
        command = command.commands[parts.pop(0)]
    known = {name for one in command.params for name in one.opts} | {"--help"}
    return next((part for part in parts if part.startswith("--") and part not in known), "")


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("reconnect", "reconnect"), ("ledger pack", "pack"), ("apply FILE --undo", "--undo"), ("--quiet sync", "--quiet"),
        ("holds", ""), ("--connection NAME plan --full", ""), ("holds decide ID link REF --reason 'a b' --as NAME", ""),
    ],
)  # fmt: skip
def test_a_command_that_there_is_not_is_seen(words: str, missing: str) -> None:
    assert wrong(words) == missing


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(HOME)))
def test_a_document_names_commands_that_exist(paper: Path) -> None:
    assert {words: one for words in typed_in(paper.read_text(encoding="utf-8")) if (one := wrong(words))} == {}


def test_a_message_names_commands_that_exist() -> None:
    said = [(path.name, words) for path in CODE for words in said_in(path)]
    assert len(said) > 20
    assert [(name, words) for name, words in said if wrong(words)] == []


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_a_readme_shows_the_commands_of_an_operators_day(readme: str) -> None:
    shown = {words.split()[0] for words in typed_in((HOME / readme).read_text(encoding="utf-8"))}
    assert {"check", "plan", "apply", "sync", "status", "holds", "why", "runs", "publish"} <= shown
