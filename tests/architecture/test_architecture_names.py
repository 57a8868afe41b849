"""One word per thing, in file names too (examples-to-follow: names that are questions nobody answered yet)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEIRS = Path("tests/data")  # the vendors' own files under the vendors' own names
UNANSWERED = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "data2"}


def files() -> list[Path]:
    """Every file that is tracked, or would be by `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name]


def unanswered(path: Path) -> set[str]:
    return {word for part in path.with_suffix("").parts for word in part.lower().replace("-", "_").split("_")} & UNANSWERED


@pytest.mark.parametrize(
    "name", ["renkei/utils.py", "renkei/core/date_helpers.py", "tests/common/test_x.py", "flows/run-manager.py"]
)
def test_an_unanswered_name_is_seen(name: str) -> None:
    assert unanswered(Path(name))


def test_no_file_or_folder_has_an_unanswered_name() -> None:
    found = files()
    assert Path("pyproject.toml") in found
    assert [str(path) for path in found if unanswered(path) and not path.is_relative_to(THEIRS)] == []
