"""The reference page of the commands: all that there are, their options, in their own words; and its examples run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from office import HOME, Office
from typer.main import get_command

from renkei.cli.main import app

PAGE = (HOME / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^### renkei ", PAGE, flags=re.MULTILINE)[1:]}
NEEDS_SYSTEMS = {
    "connect", "deploy", "doctor", "plan", "apply", "sync", "publish", "demo", "sandbox", "disconnect", "switch-organization",
    "documents", "mapping", "prepare", "undo",
}  # fmt: skip
EXAMPLES = [line.strip() for line in re.findall(r"^    renkei .*$", PAGE, flags=re.MULTILINE) if "[" not in line]


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, f"{path} {name}".strip())
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(commands(get_command(app)))


def options(command: Any) -> set[str]:
    return {name for one in command.params for name in one.opts if name.startswith("--") and name != "--help"}


def described(section: str) -> set[str]:
    return set(re.findall(r"^\| `(--[a-z-]+)` \|", section, flags=re.MULTILINE))


def test_every_command_has_a_section_and_no_section_is_of_a_command_that_there_is_not() -> None:
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_section_has_the_commands_own_words_and_exactly_its_options(name: str) -> None:
    section = SECTIONS[name]
    assert section.split("\n")[2] == COMMANDS[name].help
    assert described(section.split("\n## ")[0]) == options(COMMANDS[name])


def test_the_options_before_the_verb_are_described() -> None:
    assert described(PAGE.split("### ")[0]) == options(get_command(app))


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.split()[1] not in NEEDS_SYSTEMS])
def test_an_example_runs_on_the_demos_ledger(
    example: str, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "import links.csv" in example:
        office.asked("links", "export", "links.csv")
    if "resume" in example:
        office.asked("pause", "--reason", "an audit")
    if "restore" in example:
        office.asked("ledger", "backup", "ledger.backup")
    newest = office.asked("runs")["runs"][0]["run"]
    said = office.renkei(*[newest if word == "RUN" else word for word in shlex.split(example)[1:]])
    assert said.code == 0, said.err
    assert said.out


def test_every_command_that_needs_no_system_has_an_example() -> None:
    shown = {" ".join(example.split()[1:3]) for example in EXAMPLES} | {example.split()[1] for example in EXAMPLES}
    assert [name for name in COMMANDS if name.split()[0] not in NEEDS_SYSTEMS and name not in shown and
            not (name.endswith(" list") and name.split()[0] in shown)] == []  # fmt: skip
