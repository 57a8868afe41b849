"""pause, resume, disconnect and switch-organization as a person types them, against the sandbox on a socket."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from office import HOME, PLACES, Office, Said

from renkei.cli.main import main
from renkei.sandbox.books.state import SECOND
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

ROWS = "Renkei_Receivables"


class Shop:
    """One linked customer with an invoice, published; the commands on a ledger of its own."""

    def __init__(
        self, folder: Path, world: World, port: str, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.world, self._patch, self._capsys = world, patch, capsys
        self.file = folder / "demo.yaml"
        text = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8")
        self.file.write_text(text.replace(":8765", f":{port}") + "brakes: off\n", encoding="utf-8")
        self.environ = {
            **PLACES, "RENKEI_CONNECTIONS": str(folder), "RENKEI_DATA": str(folder / "var"),
            "RENKEI_LEDGER_URL": f"sqlite:///{folder}/renkei.db", "RENKEI_DEMO_CLIENT_ID": world.client_id,
            "RENKEI_DEMO_CLIENT_SECRET": world.client_secret, "RENKEI_DEMO_REFRESH_TOKEN": world.refresh_token,
        }  # fmt: skip

    def renkei(self, *words: str, typed: str = "") -> Said:
        for name, value in self.environ.items():
            self._patch.setenv(name, value)
        self._patch.setattr(sys, "argv", ["renkei", *words])
        self._patch.setattr(sys, "stdin", io.StringIO(typed))
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    def published(self) -> int:
        return len(self.world.crm.records(ROWS))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    world = World(limits=False)
    load(world, "empty")
    world.crm.seed("Accounts", [{"Account_Name": "Kita KK"}])
    row = {"contact_name": "Kita KK", "company_name": "Kita KK", "customer_sub_type": "business"}
    (customer,) = world.books.seed("contacts", [row])
    lines = [{"rate": 1000, "quantity": 1}]
    world.books.seed("invoices", [{"customer_id": customer, "line_items": lines, "date": "2026-01-05", "status": "sent"}])
    with running(world) as address:
        made = Shop(tmp_path, world, address["crm"].rsplit(":", 1)[1], monkeypatch, capsys)
        said = made.renkei("sync", "--full")
        assert said.code == 0 and made.published() == 1, said
        yield made


def test_a_paused_connection_refuses_a_sync_and_says_so_in_status(office: Office) -> None:
    assert office.renkei("pause").code == 2  # without a reason
    said = office.renkei("pause", "--reason", "year-end closing", "--as", "Tanaka").out
    assert said == "demo is paused. To go on: renkei --connection demo resume\n"
    said = office.renkei("status").out
    assert (
        "  paused since " in said
        and " by Tanaka: year-end closing. To go on: renkei --connection demo resume" in said
        and "next run" not in said
    )
    assert office.asked("status")["connections"][0]["state"]["state"] == "paused"
    resumed = office.asked("resume")
    assert resumed == {"run": office.asked("runs")["runs"][0]["run"], "connection": "demo", "state": "active"}


def test_a_red_run_says_what_failed_and_where_to_look(shop: Shop) -> None:
    shop.world.crm.edit("Accounts", next(iter(shop.world.crm.records("Accounts"))), Website="https://kita.example.jp")
    shop.world.faults.add("500-after-commit@books:PUT/contacts")
    said = shop.renkei("sync")
    assert said.code == 1
    (look,) = [line for line in said.out.splitlines() if "What failed: " in line]
    shown = shop.renkei(*look.split(": renkei ")[1].split())
    assert "Failed or refused: 2" in shown.out and "failed: answer_unknown" in shown.out
    assert "books.website: None → 'https://kita.example.jp'" in shown.out  # what was on its way, perhaps written
    shop.world.faults.clear()
    shop.world.faults.add("500@crm")
    assert shop.renkei("sync").code == 1
    status = shop.renkei("status").out
    assert "Unreachable: crm: no answer" in status and "what it did: renkei --connection demo runs show " in status


def test_it_is_refused_with_exit_3_and_the_command_that_helps(shop: Shop) -> None:
    shop.renkei("pause", "--reason", "year-end closing", "--as", "Tanaka")
    said = shop.renkei("--json", "sync")
    assert (said.code, said.json["error"], said.json["written"]) == (3, "ConnectionPaused", "Nothing was written.")
    assert "by Tanaka: year-end closing" in said.json["message"] and "renkei --connection demo resume" in said.json["fix"]
    assert shop.renkei("plan").code == 0
    shop.renkei("resume")
    assert shop.renkei("sync").code == 0


def test_disconnecting_prints_its_plan_and_asks_for_the_name(shop: Shop) -> None:
    said = shop.renkei("disconnect", typed="yes\n")
    assert said.code == 3 and "Nobody agreed to the plan; demo is as it was." in said.err and "--yes" in said.err
    assert f"remove crm:{ROWS}:" in said.out and "Nothing in Books is written." in said.out and shop.published() == 1
    assert shop.renkei("disconnect").code == 3 and shop.published() == 1  # nobody is there to ask
    said = shop.renkei("disconnect", "--reason", "the trial is over", typed="demo\n")
    assert said.code == 0 and "links are kept, nothing in Books was touched" in said.out and shop.published() == 0
    assert shop.renkei("--json", "publish").json["error"] == "NotConnected"
    assert "  disconnected since " in shop.renkei("status").out
    assert shop.renkei("why", "crm:Accounts:" + next(iter(shop.world.crm.records("Accounts")))).code == 0
    assert shop.renkei("links", "export", str(shop.file.parent / "links.csv")).code == 0
    assert shop.renkei("ledger", "verify").code == 0 and shop.renkei("runs").code == 0


def test_only_reconnect_ends_a_disconnection(shop: Shop) -> None:
    shop.renkei("disconnect", "--yes")
    said = shop.renkei("resume")
    assert said.code == 3 and "renkei --connection demo resume --reconnect" in said.err
    assert shop.renkei("resume", "--reconnect").code == 0
    assert shop.renkei("sync").code == 0 and shop.published() == 1
    assert len(shop.world.crm.records("Accounts")) == len(shop.world.books.records("contacts")) == 1


def test_with_json_stdout_is_one_object_with_the_plan_in_it(shop: Shop) -> None:
    said = shop.renkei("--json", "disconnect", "--yes")
    assert said.code == 0 and said.json["status"] == "green"
    (action,) = said.json["planned"]["entities"]["summaries"]["actions"]
    assert action["verb"] == "remove" and "remove crm:" in said.err


def test_an_edited_organisation_is_refused_until_it_is_switched_to(shop: Shop) -> None:
    text = shop.file.read_text(encoding="utf-8")
    shop.file.write_text(text.replace(shop.world.organization, SECOND), encoding="utf-8")
    said = shop.renkei("sync")
    assert (
        said.code == 3
        and "renkei --connection demo switch-organization" in said.err
        and SECOND in said.err
        and "Kita Trading" in said.err
    )
    assert f"runs are refused: books.organization is {SECOND} now" in shop.renkei("status").out
    said = shop.renkei("switch-organization", "--yes")
    assert said.code == 0 and f"1 links are kept aside for {shop.world.organization}" in said.out and shop.published() == 0
    assert [one["state"] for one in shop.renkei("--json", "links").json["links"]] == ["aside"]
    assert shop.renkei("sync").code == 0 and len(shop.world.books.records("contacts", SECOND)) == 1
    assert shop.renkei("switch-organization", "--yes").code == 2
