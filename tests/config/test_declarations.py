"""Broken declarations beside their expected messages: tests/declarations/CASE/, its files over a valid project, expected.txt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from renkei.config.check import check
from renkei.config.project import load_project
from renkei.config.settings import Settings
from renkei.core.errors import DeclarationError

ROOT = Path(__file__).parents[2]
CASES = sorted(path.parent for path in (ROOT / "tests" / "declarations").glob("*/expected.txt"))
FOLDERS = ("connections", "mappings", "expectations")


def project_with(case: Path, place: Path) -> Settings:
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, place / folder)
        if (case / folder).is_dir():
            shutil.copytree(case / folder, place / folder, dirs_exist_ok=True)
    return Settings.from_environment({}, place)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_files_give_exactly_the_messages_beside_them(case: Path, tmp_path: Path) -> None:
    faults = check(project_with(case, tmp_path))
    found = "\n".join(str(fault) for fault in faults).replace(f"{tmp_path}/", "") + "\n"
    assert found == (case / "expected.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_files_are_refused_with_all_their_faults(case: Path, tmp_path: Path) -> None:
    settings = project_with(case, tmp_path)
    with pytest.raises(DeclarationError) as refused:
        load_project(settings)
    assert refused.value.faults == check(settings)
    assert refused.value.exit_code == 2


def test_every_broken_file_has_its_expected_messages() -> None:
    assert {path for path in (ROOT / "tests" / "declarations").iterdir() if path.is_dir()} == set(CASES)
    assert len(CASES) >= 10


def test_what_the_repository_ships_has_no_fault() -> None:
    assert check(Settings.from_environment({}, ROOT)) == []
