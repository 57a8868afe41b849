"""The commands as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from renkei.config.schema import json_schema
from renkei.core.deleting import delete_table
from renkei.core.documents import SETTINGS, deal_table
from renkei.core.resolving import table
from renkei.core.transforms import FUNCTIONS

HOME = Path(__file__).parents[2]


def renkei(*words: str, cwd: Path = HOME, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from renkei.cli.main import main; main()", *words]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, timeout=240, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'prefect', 'pandas', 'great_expectations', 'sqlalchemy', 'httpx'}"
    code = f"import sys; import renkei.cli.main; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert renkei("--help").returncode == 0


def test_check_finds_the_shipped_declarations_right() -> None:
    found = renkei("--json", "check")
    assert found.returncode == 0 and json.loads(found.stdout) == {"faults": []}


def test_json_may_be_asked_for_after_the_verb_too() -> None:
    found = renkei("check", "--json")
    assert found.returncode == 0 and json.loads(found.stdout) == {"faults": []}


def test_a_wrong_word_in_yaml_ends_with_2_and_says_where(tmp_path: Path) -> None:
    text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace("edition: books", "edition: boks")
    (tmp_path / "demo.yaml").write_text(text, encoding="utf-8")
    found = renkei("check", RENKEI_CONNECTIONS=str(tmp_path))
    assert found.returncode == 2 and "demo.yaml:" in found.stderr and found.stderr.endswith("\nNothing was read or written.\n")


def test_sync_without_credentials_names_the_variables_and_writes_nothing(tmp_path: Path) -> None:
    found = renkei("--json", "sync", RENKEI_LEDGER_URL=f"sqlite:///{tmp_path}/ledger.db", RENKEI_DATA=str(tmp_path))
    assert found.returncode == 1
    said = json.loads(found.stdout)
    assert said["error"] == "CredentialsRefused" and "RENKEI_DEMO_CLIENT_ID" in said["message"]


def test_words_that_are_no_command_of_ours_are_answered_as_json_too() -> None:
    found = renkei("--json", "runs", "show")
    said = json.loads(found.stdout)
    assert found.returncode == 2 and said["error"] == "AskedWrongly" and "run" in said["message"]
    found = renkei("runs", "shwo")
    assert found.returncode == 2 and not found.stdout and "shwo" in found.stderr


def test_the_sandbox_says_which_seeds_there_are() -> None:
    found = renkei("sandbox", "serve", "--seed", "nothing")
    assert found.returncode == 2 and "A seed is demo, empty, native, synthetic:N" in found.stderr


def test_an_editor_gets_the_schema_by_which_files_are_read() -> None:
    found = renkei("mapping", "schema", "deals")
    assert found.returncode == 0 and found.stdout == json.dumps(json_schema("deals"), indent=2, ensure_ascii=False) + "\n"
    wrong = renkei("mapping", "schema", "deal")
    assert wrong.returncode == 2 and "deals_override" in wrong.stderr


def test_the_transforms_are_listed_with_their_options() -> None:
    listed = json.loads(renkei("--json", "mapping", "functions").stdout)["functions"]
    assert [one["name"] for one in listed] == list(FUNCTIONS)
    assert "region" in next(one["options"] for one in listed if one["name"] == "phone")


def test_policy_show_prints_every_cell() -> None:
    shown = json.loads(renkei("--json", "policy", "show").stdout)
    cells = shown["cells"]
    for direction in ("two_way", "to_books"):
        assert [cell[1:5] for cell in cells if cell[0] == direction] == [list(cell[:4]) for cell in table(direction)]
        gone = [(one["kind"], one["deletes"], one["deleted"], one["other"], one["transactions"], one["reason"])
                for one in shown["deletes"] if one["direction"] == direction]  # fmt: skip
        assert gone == [
            (one.kind, one.word, one.gone, one.living, one.transactions, one.cell.reason) for one in delete_table(direction)
        ]
    assert all(outcome and effect for *_, outcome, _, effect in cells)
    deals = [(setting, *cell) for setting in SETTINGS for cell in deal_table(setting)]
    assert [
        (one["deals"], one["stage"], one["document"], one["gate"], one["outcome"], one["reason"]) for one in shown["deals"]
    ] == [(setting, stage, document.status, gate, cell.outcome, cell.reason) for setting, stage, document, gate, cell in deals]


def test_the_demo_ends_with_a_quiet_second_run(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, found = demo
    assert found.returncode == 0, found.stderr
    last = json.loads(found.stdout)
    assert last["status"] == "amber"  # the demo's dirt leaves questions for a person
    assert all(part["writes"] == {"crm": 0, "books": 0} for part in last["entities"].values())
