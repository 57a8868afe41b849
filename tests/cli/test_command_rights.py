"""The door of the commands: who holds no role for one is refused before anything happens, and the ledger keeps it."""

from __future__ import annotations

import getpass
import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from office import HOME, PLACES, Said
from test_commands_reference import COMMANDS
from typer.main import get_command

from renkei.cli.guard import guard
from renkei.cli.main import app, main
from renkei.core.rights import NEEDS, RIGHTS, ROLES
from renkei.house import machine_user, open_desk

ME = machine_user()
GUARDED = [name for name in COMMANDS if NEEDS[name]]
SOMEBODY = "administrator: [os:somebody-else]"


class Guarded:
    """The commands on an empty ledger of a connection whose `roles:` a test writes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._patch, self._capsys = folder, monkeypatch, capsys
        (folder / "connections").mkdir()
        self.environ = {
            **PLACES, "RENKEI_CONNECTIONS": str(folder / "connections"), "RENKEI_DATA": str(folder),
            "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db",
        }  # fmt: skip

    def roles(self, text: str, name: str = "demo", more: str = "") -> None:
        """`roles:` of a connection; the file is that of the demo otherwise."""
        demo = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace("connection: demo", f"connection: {name}")
        keys = "" if name == "demo" else f"keys: {{crm: key_{name}, books: cf_key_{name}}}\n"
        section = f"roles: {{{text}}}\n" if text else ""
        (self.folder / "connections" / f"{name}.yaml").write_text(demo + keys + section + more, encoding="utf-8")

    def renkei(self, *words: str) -> Said:
        for name, value in self.environ.items():
            self._patch.setenv(name, value)
        self._patch.setattr(sys, "argv", ["renkei", *words])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    def runs(self) -> list[tuple[str, str, str]]:
        """(kind, status, actor) of every run in the ledger, newest first."""
        with open_desk(self.environ) as desk:
            return [(one.kind, one.status, one.actor) for one in desk.ledger.runs()]


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Guarded:
    return Guarded(tmp_path, monkeypatch, capsys)


def words_for(name: str, folder: Path) -> list[str]:
    """The command with whatever it requires, so that nothing but the door can refuse it."""
    (folder / "file.json").write_text("{}", encoding="utf-8")
    words = name.split()
    for one in COMMANDS[name].params:
        if one.required:
            value = str(folder / "file.json") if one.name == "file" else "crm:Accounts:1"
            words += [one.opts[-1], value] if one.opts[0].startswith("--") else [value]
    return words


def test_every_command_declares_the_right_that_it_needs() -> None:
    groups = {name.rsplit(" ", 1)[0] for name in COMMANDS if " " in name}
    assert {name for name in COMMANDS if name not in NEEDS} == set()
    alone = {one for one in groups if get_command(app).commands[one].invoke_without_command}
    assert alone and alone <= set(NEEDS)


def test_a_command_that_declares_no_right_is_refused(door: Guarded) -> None:
    made = typer.Typer()
    made.command("unheard-of")(lambda: None)
    made.command("check")(lambda: None)
    guard(made)
    command: Any = get_command(made)
    with pytest.raises(KeyError):
        command(["unheard-of"], standalone_mode=False)


@pytest.mark.parametrize("role", [*ROLES, "none"])
@pytest.mark.parametrize("name", GUARDED)
def test_who_lacks_the_right_is_refused_by_name_and_the_ledger_has_a_row_of_it(name: str, role: str, door: Guarded) -> None:
    if role != "none" and RIGHTS[role] & set(NEEDS[name]):
        mine = f"{role}: [{ME}]" if role == "administrator" else f"{role}: [{ME}], {SOMEBODY}"
        door.roles(mine)
        said = door.renkei("--json", *words_for(name, door.folder))
        assert "NotAllowed" not in said.out + said.err and not any(kind == "denied" for kind, _, _ in door.runs())
        return
    door.roles(SOMEBODY if role == "none" else f"{role}: [{ME}], {SOMEBODY}")
    said = door.renkei("--json", *words_for(name, door.folder))
    assert (said.code, said.json["error"], said.json["written"]) == (3, "NotAllowed", "Nothing was written."), said
    assert f"`{name}`" in said.json["message"] and f"os:{ME}" in said.json["message"]
    assert "os:somebody-else (administrator)" in said.json["fix"]
    assert door.runs() == [("denied", "denied", ME)]


@pytest.mark.parametrize("group", ["runs", "holds", "quarantine", "links"])
def test_a_group_without_a_verb_is_behind_the_door_too(group: str, door: Guarded) -> None:
    door.roles(SOMEBODY)
    assert door.renkei(group).code == 3
    door.roles(f"viewer: [{ME}], {SOMEBODY}")
    assert door.renkei(group).code == 0


def test_releasing_a_brake_needs_more_than_applying(door: Guarded) -> None:
    door.roles(f"operator: [{ME}], {SOMEBODY}")
    file = door.folder / "plan.json"
    file.write_text("{}", encoding="utf-8")
    assert door.renkei("apply", str(file)).code == 2  # not refused at the door: it is no plan
    said = door.renkei("apply", str(file), "--release", "creates", "--as", "somebody-else")
    assert said.code == 3 and "`apply --release`" in said.err and "approver or administrator" in said.err


@pytest.mark.parametrize(
    ("role", "code"), [("viewer", 3), ("mapper", 3), ("operator", 0), ("approver", 0), ("auditor", 0), ("administrator", 0)]
)
@pytest.mark.parametrize("words", [("why", "crm:Contacts:1"), ("holds",), ("holds", "list"), ("quarantine",)])
def test_personal_values_are_for_who_answers_or_examines(words: tuple[str, ...], role: str, code: int, door: Guarded) -> None:
    door.roles(f"{role}: [{ME}]" if role == "administrator" else f"{role}: [{ME}], {SOMEBODY}")
    assert door.renkei(*words).code == 0
    said = door.renkei(*words, "--show-personal")
    assert said.code == code and ("--show-personal`" in said.err) == (code == 3)
    assert len(door.runs()) == (code == 3)


def test_a_name_that_is_typed_grants_nothing(door: Guarded) -> None:
    door.roles(f"viewer: [{ME}], {SOMEBODY}")
    said = door.renkei("quarantine", "replay", "--as", "somebody-else")
    assert said.code == 3 and door.runs() == [("denied", "denied", ME)]


def test_who_types_for_another_is_kept_beside_him(door: Guarded) -> None:
    door.roles(f"operator: [{ME}], {SOMEBODY}")
    assert door.renkei("quarantine", "replay", "--as", "Suzuki").code == 0
    with open_desk(door.environ) as desk:
        (run,) = desk.ledger.runs()
        rows = [(row.outcome, row.reason, row.actor) for row in desk.ledger.outcomes(run.id)]
    assert run.actor == "Suzuki" and rows == [("on_behalf", "typed on behalf of Suzuki", ME)]


def test_a_variable_makes_nobody_another_user(door: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    door.roles(SOMEBODY)
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert getpass.getuser() == "somebody-else"
    assert door.renkei("status").code == 3


@pytest.mark.parametrize(("given", "code"), [("s3cret-of-ci", 0), ("another", 3), ("", 3)])
def test_a_token_is_its_bearer(given: str, code: int, door: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(b"s3cret-of-ci").hexdigest()
    door.roles(f'operator: ["token:ci"], {SOMEBODY}', more=f"tokens: {{ci: {digest}}}\n")
    monkeypatch.setenv("RENKEI_TOKEN", given)
    said = door.renkei("quarantine", "replay")
    assert said.code == code and "s3cret" not in said.out + said.err
    who = {"s3cret-of-ci": "token:ci", "another": "token:?", "": ME}[given]
    assert [actor for _, _, actor in door.runs()] == [who]


def test_the_right_is_that_of_the_connection_in_question(door: Guarded) -> None:
    door.roles(f"administrator: [{ME}]")
    door.roles(SOMEBODY, name="other")
    assert door.renkei("--connection", "demo", "status").code == 0
    assert door.renkei("--connection", "other", "status").code == 3
    assert door.renkei("status").code == 3  # all of them
    assert door.renkei("--connection", "unheard-of", "runs").code == 3


def test_a_run_of_another_connection_is_not_shown(door: Guarded) -> None:
    door.roles("")
    door.roles("", name="other")
    assert door.renkei("--connection", "other", "quarantine", "replay").code == 0
    with open_desk(door.environ) as desk:
        (run,) = desk.ledger.runs()
    assert door.renkei("--connection", "other", "runs", "show", run.id).code == 0
    assert door.renkei("--connection", "demo", "runs", "show", run.id).code == 2


@pytest.mark.parametrize("text", ["roles: [", "roles: {viewer: [me]}", "roles: {}", "roles: {admin: [me]}"])
def test_nobody_passes_where_a_file_does_not_say_who_may(text: str, door: Guarded) -> None:
    door.roles("", more=text + "\n")
    said = door.renkei("runs")
    assert said.code == 2 and "demo.yaml:" in said.err


def test_without_roles_nobody_is_refused(door: Guarded) -> None:
    door.roles("")
    assert door.renkei("status").code == 0 and door.renkei("quarantine", "replay").code == 0
