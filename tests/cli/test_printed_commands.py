"""Every command that renkei prints as the next one works as it is typed, in production too."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from office import Said
from test_commands_reference import COMMANDS, options
from test_life_commands import Shop

from renkei.core.commands import WRITES
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """Two connections are declared, and the one at work writes to production."""
    world = World(limits=False)
    load(world, "empty")
    world.crm.org["type"] = "production"
    world.crm.seed("Accounts", [{"Account_Name": "Kita KK"}, {"Account_Name": "Minami KK"}])
    same = {"contact_name": "Minami KK", "company_name": "Minami KK", "customer_sub_type": "business"}
    world.books.seed("contacts", [same])
    with running(world) as address:
        made = Shop(tmp_path, world, address["crm"].rsplit(":", 1)[1], monkeypatch, capsys)
        text = made.file.read_text(encoding="utf-8").replace("brakes: off\n", "environment: production\n")
        text = re.sub(r"duplicates: \w+", "duplicates: ask", text)
        made.file.write_text(text, encoding="utf-8")
        other = text.replace("connection: demo", "connection: other") + "keys: {crm: key_other, books: cf_key_other}\n"
        (tmp_path / "other.yaml").write_text(other, encoding="utf-8")
        yield made


def typed(shop: Shop, line: str, code: int = 0) -> Said:
    """What a person does who copies the command that ends this line."""
    found = re.search(r"(renkei --connection demo .*?)\)?$", line)
    assert found, line
    said = shop.renkei(*shlex.split(found[1].replace("NAME", "Suzuki"))[1:])
    assert said.code == code, (line, said)
    return said


def line(said: Said, words: str) -> str:
    return next(one for one in (said.out + said.err).splitlines() if words in one)


def test_a_held_run_of_production_is_released_by_the_command_that_it_prints_and_so_on_to_the_end(shop: Shop) -> None:
    held = shop.renkei("--connection", "demo", "sync", "--environment", "production")
    assert held.code == 3
    assert "--environment production" in line(held, "If this is intended: ")
    status = shop.renkei("--connection", "demo", "status")
    released = typed(shop, line(held, "If this is intended: "))
    assert "1 created" in released.out or "created" in released.out
    assert "--environment production" in line(status, "the brakes first_run")
    asked = typed(shop, line(shop.renkei("--connection", "demo", "status"), "a person: "))
    hold = re.search(r"^  (\w{12})  ", asked.out, flags=re.MULTILINE)
    assert hold
    answered = shop.renkei("--connection", "demo", "holds", "decide", hold[1], "create", "--reason", "another firm")
    synced = typed(shop, line(answered, "The next run carries it out: "))
    assert "green" in synced.out and len(shop.world.books.records("contacts")) == 3
    plan = shop.renkei("--connection", "demo", "plan")
    typed(shop, line(plan, "Apply exactly this: "))


def test_a_paused_and_a_disconnected_connection_name_the_way_back(shop: Shop) -> None:
    paused = shop.renkei("--connection", "demo", "pause", "--reason", "closing")
    refused = shop.renkei("--connection", "demo", "sync", "--environment", "production")
    assert refused.code == 3
    typed(shop, line(paused, "To go on: "))
    unwilling = shop.renkei("--connection", "demo", "disconnect", "--environment", "production")
    assert unwilling.code == 3
    typed(shop, line(unwilling, "To agree: "))
    typed(shop, line(shop.renkei("--connection", "demo", "status"), "To go on: "))
    assert shop.renkei("--connection", "demo", "sync", "--environment", "production").code == 3  # its first run, not a refusal


def test_the_commands_that_take_an_environment_are_those_that_are_printed_with_it() -> None:
    assert {name for name, command in COMMANDS.items() if "--environment" in options(command)} == WRITES
