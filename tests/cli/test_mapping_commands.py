"""`renkei mapping propose`: from both organisations' fields to mappings that `check` passes and that a plan uses."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from office import PLACES, Said

from renkei.cli.main import main
from renkei.config.connection_file import NewConnection, connection_text
from renkei.sandbox.books.fields import CustomField
from renkei.sandbox.crm.fields import Choice, Field
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

RANKS = tuple(Choice(one) for one in ("-None-", "Ａ", "Ｂ"))


class Desk:
    """A folder with one connection, `kita`, to a sandbox, and the shipped mappings."""

    def __init__(self, folder: Path, world: World, address: dict[str, str], say: Callable[..., Said]) -> None:
        self.folder, self.world, self.address, self._say = folder, world, address, say
        self.environ = {
            "RENKEI_EXPECTATIONS": PLACES["RENKEI_EXPECTATIONS"],
            **{f"RENKEI_KITA_{part.upper()}": address[part] for part in ("client_id", "client_secret", "refresh_token")},
        }
        (folder / "mappings").mkdir()
        for shipped in Path(PLACES["RENKEI_MAPPINGS"]).glob("*.yaml"):
            (folder / "mappings" / shipped.name).write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "connections").mkdir()
        self.declare()

    def declare(self, mappings: str = "") -> None:
        hosts = (self.address["accounts"], self.address["crm"])
        new = NewConnection(
            "kita", "jp", "books", "Asia/Tokyo", self.address["organization"], "KITA", hosts=hosts, administrator="",
            mappings=mappings,
        )  # fmt: skip
        text = connection_text(new).split("roles:")[0]
        (self.folder / "connections" / "kita.yaml").write_text(text, encoding="utf-8")

    def renkei(self, *words: str) -> Said:
        return self._say(self.environ, words)

    def crm(self, *fields: Field, module: str = "Accounts") -> None:
        for one in fields:
            self.world.crm.set_field(module, one)

    def books(self, *fields: tuple[str, str, str, tuple[str, ...]], entity: str = "contact") -> None:
        there = self.world.books.main.fields[entity]
        for number, (api_name, label, data_type, values) in enumerate(fields, 50):
            there.append(CustomField(f"4600000000970{number}", api_name, label, number, data_type, values=values))

    def file(self, name: str = "accounts") -> Path:
        return self.folder / "mappings" / "kita" / f"{name}.yaml"

    def declared(self, name: str = "accounts") -> Any:
        return yaml.safe_load(self.file(name).read_text(encoding="utf-8"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    for name in list(os.environ):
        if name.startswith(("RENKEI_", "PREFECT_API")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def say(environ: dict[str, str], words: tuple[str, ...]) -> Said:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["renkei", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Said(int(ended.value.code or 0), out, err)

    world = World(limits=False)
    load(world, "synthetic:4")
    with running(world) as address:
        yield Desk(tmp_path, world, address, say)


@pytest.fixture
def ranked(desk: Desk) -> Desk:
    """Both sides have a rank as a pick list, and a department under labels that are merely alike."""
    desk.crm(
        Field("Rank", "picklist", label="得意先ランク", custom=True, choices=RANKS),
        Field("field1", label="請求先担当部署", length=80, custom=True),
    )
    desk.books(("cf_rank", "得意先ﾗﾝｸ", "dropdown", ("A", "B")), ("cf_1", "請求担当部署", "string", ()))
    return desk


def test_an_organisation_as_it_ships_gets_no_file(desk: Desk) -> None:
    said = desk.renkei("mapping", "propose")
    assert said.code == 0, said
    assert "accounts: 17 shipped fields fit as they are" in said.out and "products: 7 shipped fields" in said.out
    assert "left out   account_owner: Books cf_crm_owner is not there" in said.out
    assert "Nothing to write" in said.out and not desk.file().parent.exists()


def test_what_was_proposed_passes_check_and_carries_a_pick_list_across(ranked: Desk) -> None:
    account = ranked.world.crm.seed("Accounts", [{"Account_Name": "株式会社北野工務店", "Rank": "Ｂ", "field1": "経理部"}])[0]
    said = ranked.renkei("--json", "mapping", "propose")
    assert said.code == 0, said
    assert said.json["files"] == [
        {"mapping": "accounts", "file": "mappings/kita/accounts.yaml", "state": "new", "written": True, "differs": []}
    ]
    assert [(one["field"], one["band"], one["labels"]["crm"]) for one in said.json["mappings"][0]["suggestions"]] == [
        ("rank", "certain", "得意先ランク"), ("custom_1", "likely", "請求先担当部署"),
    ]  # fmt: skip
    assert ranked.declared()["fields"] == {
        "rank": {"kind": "choice", "crm": "Rank", "books": "cf_rank", "owner": "none", "values": {"Ａ": "A", "Ｂ": "B"}}
    }
    assert not said.json["named"] and ranked.renkei("check").code == 0
    ranked.declare(mappings="kita")
    plan = ranked.renkei("--json", "plan", "customers", "--full")
    assert plan.code == 0, plan
    applied = ranked.renkei("--json", "apply", plan.json["plan"], "--release", "first_run", "--as", "Hana")
    assert applied.code == 0, applied
    partner = ranked.world.crm.records("Accounts")[account]["renkei_books_id"]
    assert ranked.world.books.detail("contacts", partner)["custom_field_hash"]["cf_rank"] == "B"
    assert "cf_1" not in ranked.world.books.detail("contacts", partner)["custom_field_hash"]  # it waits for a person


def test_a_person_uncomments_what_is_right(ranked: Desk) -> None:
    ranked.renkei("mapping", "propose")
    text = ranked.file().read_text(encoding="utf-8")
    assert "  # likely, 請求先担当部署 ↔ 請求担当部署: label or API name are alike." in text
    ranked.file().write_text(text.replace("  # custom_1:", "  custom_1:"), encoding="utf-8")
    assert list(ranked.declared()["fields"]) == ["rank", "custom_1"] and ranked.renkei("check").code == 0


def test_a_second_proposal_of_the_same_fields_changes_nothing(ranked: Desk) -> None:
    ranked.renkei("mapping", "propose")
    before = ranked.file().read_bytes(), ranked.file().stat().st_mtime_ns
    ranked.declare(mappings="kita")
    said = ranked.renkei("--json", "mapping", "propose")
    assert [(one["state"], one["written"]) for one in said.json["files"]] == [("unchanged", False)]
    assert said.json["named"] and (ranked.file().read_bytes(), ranked.file().stat().st_mtime_ns) == before


def test_a_proposal_that_nobody_edited_follows_the_organisation(ranked: Desk) -> None:
    ranked.renkei("mapping", "propose")
    ranked.world.crm.remove_field("Accounts", "Rank")
    ranked.world.crm.remove_field("Accounts", "field1")
    said = ranked.renkei("--json", "mapping", "propose")
    assert [(one["state"], one["written"]) for one in said.json["files"]] == [("renewed", True)]
    assert ranked.declared()["fields"] is None and ranked.renkei("check").code == 0


def test_a_file_that_a_person_edited_stays_and_the_difference_is_told(ranked: Desk) -> None:
    ranked.renkei("mapping", "propose")
    edited = ranked.file().read_text(encoding="utf-8").replace("owner: none", "owner: crm", 1)
    ranked.file().write_text(edited, encoding="utf-8")
    said = ranked.renkei("mapping", "propose")
    assert said.code == 0 and ranked.file().read_text(encoding="utf-8") == edited
    assert "Somebody has edited mappings/kita/accounts.yaml" in said.out and "--force" in said.out
    assert [line.strip()[:8] for line in said.out.splitlines() if line.strip().startswith(("-  rank", "+  rank"))] == [
        "-  rank:",
        "+  rank:",
    ]
    assert ranked.renkei("mapping", "propose", "--force").code == 0
    assert ranked.declared()["fields"]["rank"]["owner"] == "none"


def test_a_file_that_was_proposed_for_another_connection_is_somebodys(ranked: Desk) -> None:
    ranked.renkei("mapping", "propose")
    text = ranked.file().read_text(encoding="utf-8")
    ranked.declare(mappings="shared")
    ranked.file().parent.rename(ranked.folder / "mappings" / "shared")
    other = (ranked.folder / "connections" / "kita.yaml").read_text(encoding="utf-8")
    ranked.world.crm.remove_field("Accounts", "Rank")
    other = other.replace("connection: kita", "connection: minami").replace(
        "keys: {crm: renkei_books_id, books: cf_renkei_crm_id}", "keys: {crm: two, books: cf_two}"
    )
    (ranked.folder / "connections" / "minami.yaml").write_text(other, encoding="utf-8")
    said = ranked.renkei("--connection", "minami", "--json", "mapping", "propose")
    assert said.code == 0 and [one["state"] for one in said.json["files"]] == ["edited"], said
    assert (ranked.folder / "mappings" / "shared" / "accounts.yaml").read_text(encoding="utf-8") == text


def test_a_field_of_another_type_is_left_out_and_the_plan_works(desk: Desk) -> None:
    desk.crm(Field("Fax", "integer"))
    desk.world.crm.remove_field("Accounts", "Phone")
    refused = desk.renkei("plan", "customers")
    assert refused.code == 1 and "Phone" in refused.err
    said = desk.renkei("mapping", "propose", "customers")
    assert "left out   phone: CRM Phone is not there" in said.out
    assert "left out   fax: CRM Fax is of the type integer here, which cannot hold phone" in said.out
    assert desk.declared()["fields"] == {"phone": None, "fax": None}
    assert "phone" not in str(desk.declared()["match"]) and desk.renkei("check").code == 0
    desk.declare(mappings="kita")
    assert desk.renkei("--json", "plan", "customers").code == 0


def test_only_the_entities_that_were_named(ranked: Desk) -> None:
    ranked.crm(Field("Line", label="製品群", custom=True, length=20), module="Products")
    ranked.books(("cf_line", "製品群", "string", ()), entity="item")
    said = ranked.renkei("--json", "mapping", "propose", "products")
    assert [one["mapping"] for one in said.json["mappings"]] == ["products"] and not ranked.file().exists()
    assert list(ranked.declared("products")["fields"]) == ["line"]
    assert ranked.renkei("mapping", "propose", "summaries").code == 2


def test_nothing_outside_is_written(ranked: Desk) -> None:
    ranked.renkei("mapping", "propose")
    assert ranked.world.requests.count(method="PUT") + ranked.world.requests.count("books", method="POST") == 0
    assert ranked.world.requests.count("books") <= 4  # the lists of fields
