"""What the sandbox hands out as secret reaches nothing that renkei prints, logs or keeps; personal values reach no plan file."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from office import HOME, PLACES

from renkei.cli.main import main
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

TOKEN = "tok-5f0c1d7e9a3b4c2d8e6f"  # of an actor
STORE_KEY = "q3vN0pLJ5z8m4xw2Yc7bT1sR6uKd9eHfGaVoXiZlWnE="


@dataclass
class Place:
    """A sandbox behind real HTTP, the commands against it, and everything secret that was handed out."""

    folder: Path
    world: World
    environ: dict[str, str]
    world_address: str
    secrets: list[str]
    said: list[str]
    say: Callable[..., tuple[int, str, str]]

    def renkei(self, *words: str, code: int | None = None) -> str:
        ended, out, err = self.say(self.environ, words)
        self.said += [out, err]
        assert code is None or ended == code, (words, ended, out, err)
        return out

    def plan_file(self) -> Path:
        return max((self.folder / "plans").rglob("*.json"), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Place]:
    caplog.set_level(logging.DEBUG)
    world = World(limits=False)
    secrets = [world.client_secret, world.refresh_token, TOKEN, STORE_KEY]
    random = world.oauth._random

    def noted() -> str:
        secrets.append(random())
        return secrets[-1]

    monkeypatch.setattr(world.oauth, "_random", noted)
    load(world, "demo")
    with running(world) as address:
        (tmp_path / "connections").mkdir()
        text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace("http://127.0.0.1:8765", address["crm"])
        token = f"tokens: {{ci: {hashlib.sha256(TOKEN.encode()).hexdigest()}}}\nroles: {{administrator: ['token:ci']}}\n"
        (tmp_path / "connections" / "demo.yaml").write_text(text + token, encoding="utf-8")
        environ = {
            **PLACES, "RENKEI_CONNECTIONS": str(tmp_path / "connections"), "RENKEI_DATA": str(tmp_path),
            "RENKEI_LEDGER_URL": f"sqlite:///{tmp_path}/renkei.db", "RENKEI_TOKEN": TOKEN, "RENKEI_STORE_KEY": STORE_KEY,
            "RENKEI_DEMO_CLIENT_ID": address["client_id"], "RENKEI_DEMO_CLIENT_SECRET": address["client_secret"],
            "RENKEI_DEMO_REFRESH_TOKEN": address["refresh_token"],
        }  # fmt: skip
        said: list[str] = []

        def say(given: dict[str, str], words: tuple[str, ...]) -> tuple[int, str, str]:
            for name, value in given.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(sys, "argv", ["renkei", *words])
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
            said.append("".join(traceback.format_exception(ended.value)))
            said.extend(record.getMessage() for record in caplog.records)
            caplog.clear()
            out, err = capsys.readouterr()
            return int(ended.value.code or 0), out, err

        yield Place(tmp_path, world, environ, address["crm"], secrets, said, say)


def kept(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the folder, Parquet unpacked: its name and its bytes."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and one.name != "connections"):
        yield path.name, path.read_bytes()
        if path.suffix == ".parquet":
            yield path.name, b"\n".join(row for row in pq.read_table(path).column("row").to_pylist())


def forms(secret: str) -> Iterator[bytes]:
    """A secret as it stands, as a URL has it, and encoded as headers do."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")[:-1]


def leaks(place: Place) -> list[str]:
    """Where anything secret stands."""
    places = [*kept(place.folder), *(("output", text.encode()) for text in place.said)]
    return [
        f"{name}: {secret[:8]}…"
        for name, content in places
        for secret in place.secrets
        for one in forms(secret)
        if one in content
    ]


def test_no_secret_is_printed_logged_or_kept_by_good_and_by_failing_runs(place: Place) -> None:
    place.renkei("check", code=0)
    place.renkei("--json", "doctor")
    place.renkei("plan", "--full", "--show-personal", code=0)
    place.renkei("--json", "sync", "--full", code=3)
    file = str(place.plan_file())
    release = [word for one in ("first_run", "creates", "changed_share") for word in ("--release", one)]
    place.renkei("--json", "apply", file, *release, "--as", "Suzuki", code=0)
    place.renkei("publish", code=0)
    place.world.faults.add("token-expired@books")
    place.renkei("sync", "--full")
    place.world.faults.clear()
    place.world.faults.add("500@crm")
    place.renkei("sync", "--full", code=1)
    place.world.faults.clear()
    place.world.oauth.revoke(place.world.refresh_token)
    place.renkei("--json", "sync", "--full", code=1)
    place.renkei("doctor", code=1)
    place.environ["RENKEI_DEMO_REFRESH_TOKEN"] = "1000.wrong.refresh"
    place.secrets.append("1000.wrong.refresh")
    place.renkei("sync", code=1)
    place.environ["RENKEI_TOKEN"] = "another-token-that-nobody-knows"
    place.secrets.append("another-token-that-nobody-knows")
    place.renkei("--json", "status", code=3)
    place.environ["RENKEI_TOKEN"] = TOKEN
    user = str(place.world.crm.sync_user["id"])
    for name, code in (("kita", place.world.oauth.issue_code((), user)), ("minami", "1000.used.code")):
        place.secrets.append(code)
        place.renkei(
            "connect", "--name", name, "--data-center", "jp", "--edition", "books", "--hosts", place.world_address,
            "--client-id", place.world.client_id, "--client-secret", place.world.client_secret, "--grant-code", code,
            "--organization", place.world.organization,
        )  # fmt: skip
    assert not place.world.oauth.codes and (place.folder / "credentials" / "KITA.enc").exists()  # exchanged, and stored encrypted
    for words in (("status",), ("runs",), ("holds",), ("quarantine",), ("--json", "links"), ("ledger", "verify")):
        place.renkei("--connection", "demo", *words, code=0)
    assert len(place.secrets) > 8  # tokens were handed out on the way
    assert leaks(place) == []
    assert (place.folder / "renkei.db").exists() and list(place.folder.rglob("*.parquet"))


@pytest.mark.parametrize("form", range(3))
def test_the_search_finds_what_it_looks_for(place: Place, form: int) -> None:
    assert leaks(place) == []
    (place.folder / "somewhere.log").write_bytes(b"Bearer " + list(forms(place.world.client_secret))[form] + b"==")
    assert leaks(place)


# -------------------------------------------------------------------------------------------------------- personal data


def personal_values(world: World) -> set[str]:
    """Names, addresses and numbers of the demo's persons, as both sides have them."""
    found = set()
    for one in world.crm.records("Contacts").values():
        found |= {str(one[name]) for name in ("Email", "Phone", "Mobile", "Mailing_Street") if one.get(name)}
        found.add(f"{one.get('Last_Name')} {one.get('First_Name')}")
    return {one for one in found if len(one) > 5}


def personal_shows(place: Place) -> list[tuple[str, ...]]:
    """Every command that shows records out of the ledger: runs, questions, quarantine, the story of contacts and customers."""
    runs = json.loads(place.renkei("--json", "runs", code=0))["runs"]
    refs = [f"crm:Contacts:{one}" for one in list(place.world.crm.records("Contacts"))[::6]]
    refs += [f"books:contacts:{one}" for one in list(place.world.books.records("contacts"))[::8]]
    shows = [("runs", "show", one["run"], "--limit", "1000") for one in runs]
    return [*shows, ("holds", "list"), ("quarantine", "list"), *(("why", ref) for ref in refs)]


def test_personal_values_stand_in_no_plan_file_no_log_and_not_in_the_runs_row_and_apply_has_them(place: Place) -> None:
    values = personal_values(place.world)
    out = place.renkei("plan", "--full", "--out", str(place.folder / "copy.json"), code=0)
    file = place.plan_file()
    assert len(values) > 10 and "•••" in out
    shown = file.read_text(encoding="utf-8")
    for text in (out, shown, (place.folder / "copy.json").read_text(encoding="utf-8"), *place.said):
        assert [one for one in values if one in text] == []
    run = json.loads(place.renkei("--json", "runs", code=0))["runs"][0]["run"]
    told = place.renkei("--json", "runs", "show", run, code=0)
    assert [one for one in values if one in told] == []
    again = place.renkei("plan", "show", str(file), code=0)
    assert [one for one in values if one in again] == [] and "•••" in again
    full = place.renkei("plan", "show", str(file), "--show-personal", code=0)
    assert len([one for one in values if one in full]) > 5
    before: dict[str, Any] = dict(place.world.books.records("contacts"))
    release = [word for one in ("first_run", "creates", "changed_share") for word in ("--release", one)]
    place.renkei("apply", str(file), *release, "--as", "Suzuki", code=0)
    assert [one for text in place.said[-4:] for one in values if one in text] == []
    assert len(place.world.books.records("contacts")) > len(before)
    written = json.dumps(
        [place.world.books.detail("contacts", one) for one in place.world.books.records("contacts")], ensure_ascii=False
    )
    assert "•" not in written
    place.renkei("sync", "--full", code=0)
    shows = personal_shows(place)
    for words in shows:
        for out in (place.renkei("--json", *words, code=0), place.renkei(*words, code=0)):
            assert [one for one in values if one in out] == [], words
    found = "".join(place.renkei(*words, "--show-personal", code=0) for words in shows)
    assert len([one for one in values if one in found]) > 10
