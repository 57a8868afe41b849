"""docs/tutorial/first-sync.md, typed command by command: what it shows is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from office import HOME, Office

from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

PAGE = (HOME / "docs" / "tutorial" / "first-sync.md").read_text(encoding="utf-8")
PORT = "http://127.0.0.1:8765"
PLAN = re.compile(r"var/plans/demo/[0-9a-f]{16}\.json")
DIFFER = [  # from one day, machine and run to another
    (re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"), "TIME"),
    (re.compile(r"RUN, \d+\.\d s$"), "RUN"),
    (re.compile(r"by \S+ \(RUN\)$|, by \S+\)$"), "BY"),
    (re.compile(r"\S*/plans/demo/\S+"), "FILE"),
    (re.compile(r"The plan \S+"), "The plan"),
    (re.compile(r"^  calls: .*|^\d+ rows of"), "COUNTED"),
]


def steps() -> list[tuple[str, list[str]]]:
    """Each `$ renkei …` with the lines shown under it."""
    found: list[tuple[str, list[str]]] = []
    for line in re.findall(r"^    (.*)$", PAGE, flags=re.MULTILINE):
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found:
            found[-1][1].append(line)
    return [(command, shown) for command, shown in found if command.startswith("renkei ") and "serve" not in command]


def masked(line: str) -> str:
    for pattern, word in DIFFER:
        line = pattern.sub(word, line)
    return line


def test_the_tutorial_prints_what_it_shows(office: Office, tmp_path: Path) -> None:
    world = World(limits=False)
    load(world, "demo")
    office.environ |= {
        "RENKEI_DATA": str(tmp_path / "var"), "RENKEI_LEDGER_URL": f"sqlite:///{tmp_path}/tutorial.db",
        "RENKEI_CONNECTIONS": str(tmp_path / "connections"), "RENKEI_DEMO_CLIENT_ID": world.client_id,
        "RENKEI_DEMO_CLIENT_SECRET": world.client_secret, "RENKEI_DEMO_REFRESH_TOKEN": world.refresh_token,
    }  # fmt: skip
    (tmp_path / "connections").mkdir()
    missing = []
    with running(world) as address:
        text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace(PORT, address["crm"])
        (tmp_path / "connections" / "demo.yaml").write_text(text, encoding="utf-8")
        for command, shown in steps():
            file = next((tmp_path / "var").glob("plans/demo/*.json"), None)
            said = office.renkei(*shlex.split(PLAN.sub(str(file), command))[1:])
            printed = {masked(line) for line in (said.out + said.err).splitlines()}
            missing += [(command, line) for line in shown if line != "…" and masked(line) not in printed]
    assert len(steps()) == 12
    assert missing == []
