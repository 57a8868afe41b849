"""`renkei connect`, as a new user types it: from an empty folder to a first sync, and each refusal with nothing stored."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from office import HOME, Said

from renkei.cli.main import main
from renkei.core.errors import Unreachable
from renkei.sandbox.books.fields import CustomField
from renkei.sandbox.crm.fields import Choice, Field
from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

KEY = Fernet.generate_key().decode()


class Place:
    """An empty folder, and a sandbox to connect to."""

    def __init__(self, folder: Path, world: World, address: dict[str, str], say: Callable[..., Said]) -> None:
        self.folder, self.world, self.address, self._say = folder, world, address, say
        self.environ = {"RENKEI_STORE_KEY": KEY}
        self.code = world.oauth.issue_code((), world.crm.sync_user["id"])

    def flags(self, **changes: str | None) -> list[str]:
        """A complete command; an option that is None is left out."""
        given = {
            "name": "kita", "data-center": "jp", "edition": "books", "hosts": self.address["crm"],
            "client-id": self.address["client_id"], "client-secret": self.address["client_secret"], "grant-code": self.code,
            "organization": self.address["organization"], "email": "sync@example.jp",
        }  # fmt: skip
        options = {**given, **{name.replace("_", "-"): value for name, value in changes.items()}}
        return ["connect", *(word for name, value in options.items() if value is not None for word in (f"--{name}", value))]

    def renkei(self, *words: str) -> Said:
        return self._say(self.environ, words)

    def refused(self, *words: str, code: int, **changes: str | None) -> str:
        """The command ends with this exit code and these words, writes nothing outside and stores nothing here."""
        before = self.world.requests.count(method="PUT"), sorted(self.folder.rglob("*"))
        said = self.renkei(*self.flags(**changes))
        assert said.code == code, said
        assert all(word in said.err for word in words), said.err
        assert (self.world.requests.count(method="PUT"), sorted(self.folder.rglob("*"))) == before
        assert said.out == "" and not any(secret in said.err for secret in self.secrets())
        return said.err

    def secrets(self) -> list[str]:
        return [self.address["client_secret"], *self.world.oauth.refresh_tokens, *self.world.oauth.access_tokens, self.code, KEY]

    def user(self) -> str:
        return str(self.world.crm.sync_user["id"])

    def file(self) -> Any:
        return yaml.safe_load((self.folder / "connections" / "kita.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
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
    load(world, "synthetic:10")
    with running(world) as address:
        yield Place(tmp_path, world, address, say)


def test_from_an_empty_folder_and_a_bare_organisation_to_a_green_sync_with_connect_alone(place: Place) -> None:
    def typed(*words: str) -> Said:
        command = [sys.executable, "-c", "from renkei.cli.main import main; main()", *words]
        environ = {**os.environ, **place.environ}
        done = subprocess.run(
            command,
            cwd=place.folder,
            env=environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=240,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    place.world.reset("bare")
    assert list(place.folder.iterdir()) == []
    said = typed("--json", *place.flags(), "--create-fields", "--may-see", "Finance")
    assert said.code == 0, said.err
    assert said.json["well"] and said.json["users"] == {"crm": "sync@example.jp", "books": "sync@example.jp"}
    assert place.file()["books"]["organization"] == place.address["organization"]
    assert "ZohoCRM.modules.accounts.ALL" in said.err and "https://api-console.zoho.jp" in said.err
    prepared = said.json["prepared"]
    assert prepared["made"] == prepared["to_make"] and prepared["refused"] == prepared["clicks"] == []
    assert "crm: module Renkei_Documents, shown to Administrator, Finance" in prepared["made"]
    kinds = ("receivables", "estimates", "invoices", "sales_orders")
    assert place.file()["permissions"] == {"Finance": {kind: ["view"] for kind in kinds}}
    profiles = next(one for one in said.json["findings"] if one["check"] == "profiles")
    assert profiles["said"].startswith("Renkei_Receivables is seen by Finance alone and changed by nobody else")
    assert (
        len(place.world.crm.records("Accounts")) == 6 and len(place.world.books.records("contacts")) == 3
    )  # nothing is synced yet
    plan = said.json["plan"]
    assert [one["brake"] for one in plan["brakes"]] == ["first_run"] * len(plan["brakes"]) and plan["brakes"]
    applied = typed("--json", "apply", plan["plan"], "--release", "first_run", "--as", "Hana")
    assert applied.code == 0 and applied.json["status"] == "green", applied
    assert len(place.world.crm.records("Accounts")) == len(place.world.books.records("contacts")) == 9
    synced = typed("--json", "sync", "--full")
    assert synced.code == 0 and synced.json["status"] == "green", synced
    assert all(part["writes"] == {"crm": 0, "books": 0} for part in synced.json["entities"].values())
    assert typed("check").code == 0
    stored = b"".join(path.read_bytes() for path in place.folder.rglob("*") if path.is_file())
    assert not any(secret.encode() in stored + said.out.encode() + said.err.encode() for secret in place.secrets())


def test_without_a_word_nothing_is_made_on_either_side_and_the_list_is_shown(place: Place) -> None:
    place.world.reset("bare")
    said = place.renkei("--json", *place.flags())
    assert said.code == 1 and said.json["prepared"]["run"] is None and said.json["plan"] is None
    assert "crm: field Accounts.renkei_books_id (text 50, no duplicates)" in said.json["prepared"]["to_make"]
    assert "renkei --connection kita prepare" in said.err
    assert place.world.requests.count(method="POST", path="/settings/") == 0
    said = place.renkei("prepare")
    assert said.code == 3 and "To be made:" in said.out and "renkei --connection kita prepare --yes" in said.err
    assert place.world.requests.count(method="POST", path="/settings/") == 0
    said = place.renkei("--json", "prepare", "--yes", "--as", "Hana")
    assert said.code == 0 and said.json["well"] and place.renkei("doctor").code == 0
    said = place.renkei("prepare", "--yes")
    assert said.code == 0 and said.out == "Nothing is missing.\n"


def test_what_books_leaves_to_a_click_is_said_and_the_connection_is_not_ready(place: Place) -> None:
    place.world.reset("bare")
    place.world.books.main.makes_unique_fields = False
    said = place.renkei(*place.flags(), "--create-fields")
    assert said.code == 1 and "contacts.cf_renkei_crm_id allows duplicates" in said.err
    assert "'Prevent duplicate values'" in said.err and "connected and not ready yet" in said.out


def test_scopes_that_let_nothing_be_made_are_named_and_what_is_stored_serves_afterwards(place: Place) -> None:
    place.world.reset("bare")
    modules = [f"ZohoCRM.modules.{one}.ALL" for one in ("accounts", "products", "deals")]
    place.code = place.world.oauth.issue_code((*CRM, *modules, "ZohoBooks.fullaccess.all"), place.user())
    said = place.renkei(*place.flags(), "--create-fields")
    assert said.code == 1 and "ZohoCRM.settings.modules.CREATE" in said.err and "renkei --connection kita prepare" in said.err
    assert (place.folder / "connections" / "kita.yaml").exists()


def test_a_profile_that_the_crm_does_not_have(place: Place) -> None:
    place.refused("no profile 'Accounting'", "Standard, Finance", code=2, may_see="Accounting")


def test_what_is_stored_serves_the_next_command_and_nothing_else_can_read_it(place: Place) -> None:
    assert place.renkei(*place.flags(), "--no-plan").code == 0
    said = place.renkei("doctor")
    assert said.code == 0 and "the encrypted store" in said.out
    place.environ["RENKEI_STORE_KEY"] = Fernet.generate_key().decode()
    said = place.renkei("doctor")
    assert said.code == 1 and "was not encrypted for KITA" in said.out


def test_the_written_file_is_valid_and_has_comments(place: Place) -> None:
    assert place.renkei(*place.flags(modules="accounts_and_contacts"), "--no-plan").code == 0
    text = (place.folder / "connections" / "kita.yaml").read_text(encoding="utf-8")
    assert text.startswith("# Renkei Sandbox ↔ Kita Trading.") and text.count("#") > 8
    assert place.file()["customers"]["modules"] == "accounts_and_contacts"
    assert place.renkei("check").code == 0
    assert sorted(one.name for one in place.folder.iterdir()) == ["connections", "expectations", "mappings", "var"]


def test_a_file_that_is_there_is_only_replaced_with_force(place: Place) -> None:
    assert place.renkei(*place.flags(), "--no-plan").code == 0
    (place.folder / "connections" / "kita.yaml").write_text("connection: kita  # by hand\n", encoding="utf-8")
    place.code = place.world.oauth.issue_code((), place.world.crm.sync_user["id"])
    place.refused("--force", code=2)
    assert place.code in place.world.oauth.codes  # it was not spent
    assert place.renkei(*place.flags(), "--no-plan", "--force").code == 0
    assert place.file()["credentials"] == "KITA"


def test_credentials_that_the_environment_has_are_not_stored_again(place: Place) -> None:
    place.environ = {
        f"RENKEI_KITA_{part.upper()}": place.address[part] for part in ("client_id", "client_secret", "refresh_token")
    }
    said = place.renkei(*place.flags(client_id=None, client_secret=None, grant_code=None), "--no-plan")
    assert said.code == 0, said.err
    assert not (place.folder / "var" / "credentials").exists()


def test_without_a_key_nothing_can_be_stored_and_the_code_is_not_spent(place: Place) -> None:
    place.environ = {"RENKEI_STORE_KEY": ""}
    said = place.refused("RENKEI_STORE_KEY", "Fernet.generate_key", code=2)
    assert "Authorise" not in said  # before anybody goes to the API console
    assert place.code in place.world.oauth.codes


def test_two_users_own_the_two_sides(place: Place) -> None:
    person = next(one for one in place.world.crm.users.values() if one["email"] == "hana.mori@example.jp")
    code = place.world.oauth.issue_code((), person["id"])
    changes = {
        "books_client_id": place.address["client_id"], "books_client_secret": place.address["client_secret"],
        "books_grant_code": code, "books_email": "hana.mori@example.jp",
    }  # fmt: skip
    said = place.renkei("--json", *place.flags(**changes), "--no-plan")
    assert said.code == 0, said.err
    assert said.json["users"] == {"crm": "sync@example.jp", "books": "hana.mori@example.jp"}
    steps = {line.strip().partition(": ")[0]: line for line in said.err.splitlines() if ".ALL," in line}
    assert "ZohoBooks" not in steps["CRM"] and "ZohoCRM" not in steps["Books"]
    assert place.file()["books"]["credentials"] == "KITA_BOOKS"
    names = sorted(one.name for one in (place.folder / "var" / "credentials").iterdir())
    assert names == ["KITA.enc", "KITA_BOOKS.enc"]


def test_a_second_connection_to_one_crm_gets_fields_of_its_own(place: Place) -> None:
    assert place.renkei(*place.flags(), "--no-plan").code == 0
    place.code = place.world.oauth.issue_code((), place.world.crm.sync_user["id"])
    said = place.renkei(*place.flags(name="minami", organization="60099999999"), "--no-plan")
    assert said.code == 1  # connected, and the fields are still to be made
    assert "renkei_books_id_minami" in said.out and "cf_renkei_crm_id_minami" in said.out
    assert "connected and not ready yet" in said.out
    assert (place.folder / "connections" / "minami.yaml").exists()


def test_what_can_be_put_right_afterwards_is_told_with_what_is_stored(place: Place) -> None:
    place.world.crm.org["time_zone"] = "Europe/Berlin"
    said = place.renkei("--json", *place.flags())
    assert said.code == 1 and not said.json["well"] and said.json["plan"] is None
    assert [one["check"] for one in said.json["findings"] if one["state"] == "fail"] == ["time zone"]
    place.world.crm.org["time_zone"] = "Asia/Tokyo"
    assert place.renkei("doctor").code == 0


def test_scopes_alone_are_one_line(place: Place) -> None:
    said = place.renkei("connect", "--print-scopes", "--edition", "invoice", "--modules", "contacts")
    assert said.code == 0 and said.err == "" and said.out.count("\n") == 1
    assert said.out.startswith("ZohoCRM.modules.contacts.ALL,") and "ZohoInvoice.contacts.ALL" in said.out
    assert "ZohoBooks" not in said.out and ".CREATE" not in said.out and list(place.folder.iterdir()) == []
    said = place.renkei("connect", "--print-scopes", "--create-fields")
    assert "ZohoCRM.settings.fields.CREATE,ZohoCRM.settings.modules.CREATE,ZohoCRM.settings.profiles.UPDATE," in said.out


def test_the_dialogue_asks_for_what_was_not_said_and_shows_no_secret(place: Place) -> None:
    answers = {
        b"Edition (books, invoice)": "books", b"Name of the connection": "kita", b"Data centre": "jp",
        b"Customers are": "accounts", b"Client id (KITA)": place.address["client_id"],
        b"Client secret (KITA)": place.address["client_secret"], b"Grant code (KITA)": place.code,
        b"Organisation": "60012345678",
    }  # fmt: skip
    code, shown = typed_at_a_terminal(place, answers, "connect", "--hosts", place.address["crm"], "--no-plan")
    assert code == 0, shown
    assert b"60099999999  Minami Works" in shown and b"ok      crm token" in shown
    assert not any(secret.encode() in shown for secret in place.secrets())
    assert place.file()["books"]["organization"] == "60012345678"


def test_the_dialogue_asks_again_where_an_answer_will_not_do(place: Place) -> None:
    answers = {
        b"Edition (books, invoice)": ["book", "Books"], b"Name of the connection": ["Kita Trading", "kita"],
        b"Data centre": ["JP"], b"Customers are": ["people", "accounts"], b"Organisation": ["60012345679", "60012345678"],
    }  # fmt: skip
    words = place.flags(name=None, data_center=None, edition=None, organization=None)
    code, shown = typed_at_a_terminal(place, answers, *words, "--no-plan")
    assert code == 0 and b"accounts_and_contacts) [accounts]: " in shown, shown
    for wrong in (b"'book' is none of", b"'Kita Trading' will not do", b"'people' is none of", b"60012345679 is not among"):
        assert wrong in shown
    assert place.file()["books"]["edition"] == "books"


def test_the_first_plan_is_told_in_a_few_lines(place: Place) -> None:
    place.world.reset("demo")
    said = place.renkei(*place.flags())
    assert said.code == 0, said
    plan = said.out.split("\n\n", 1)[1]
    assert len(plan.splitlines()) < 25 and "create 8 in Books" in plan and "questions" in plan
    show = next(line for line in plan.splitlines() if line.startswith("Every action and question: "))
    shown = place.renkei(*show.split(": renkei ")[1].split())
    assert shown.code == 0 and shown.out.count("\n") > 100


def test_what_is_proposed_is_written_and_used_where_that_was_agreed_to(place: Place) -> None:
    ranked(place.world)
    place.world.crm.remove_field("Accounts", "Fax")
    said = place.renkei("--json", *place.flags(), "--propose", "--no-plan")
    assert said.code == 0 and said.json["proposed"] == ["mappings/kita/accounts.yaml"], said
    assert place.file()["mappings"] == "kita" and place.renkei("check").code == 0
    fields = yaml.safe_load((place.folder / "mappings" / "kita" / "accounts.yaml").read_text(encoding="utf-8"))["fields"]
    assert fields["fax"] is None and fields["rank"]["values"] == {"A": "A"}
    assert [one["state"] for one in said.json["findings"] if one["check"] == "mapped fields"] == ["ok"]


@pytest.mark.parametrize("option", ["--no-propose", "--no-plan"])
def test_without_a_word_nothing_proposed_is_written(option: str, place: Place) -> None:
    ranked(place.world)
    said = place.renkei(*place.flags(), "--no-plan", option)
    assert said.code == 0 and "renkei --connection kita mapping propose" in said.err, said
    assert "mappings" not in place.file() and not (place.folder / "mappings" / "kita").exists()


def test_connecting_again_keeps_the_mappings_that_somebody_edited(place: Place) -> None:
    ranked(place.world)
    assert place.renkei(*place.flags(), "--propose", "--no-plan").code == 0
    file = place.folder / "mappings" / "kita" / "accounts.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("owner: none", "owner: crm"), encoding="utf-8")
    edited = file.read_text(encoding="utf-8")
    place.code = place.world.oauth.issue_code((), place.user())
    assert place.renkei(*place.flags(), "--propose", "--force", "--no-plan").code == 0
    assert file.read_text(encoding="utf-8") == edited and place.file()["mappings"] == "kita"


def test_the_dialogue_asks_before_it_writes_what_is_proposed(place: Place) -> None:
    ranked(place.world)
    answers = {b"Write what is certain, and the rest as comments, to mappings/kita": "y"}
    code, shown = typed_at_a_terminal(place, answers, *place.flags(modules="accounts"), "--no-plan")
    assert code == 0 and "得意先ランク".encode() in shown, shown
    assert place.file()["mappings"] == "kita"


def ranked(world: World) -> None:
    """Both sides have a rank as a pick list."""
    choices = (Choice("-None-"), Choice("A"))
    world.crm.set_field("Accounts", Field("Rank", "picklist", label="得意先ランク", custom=True, choices=choices))
    rank = CustomField("460000000097001", "cf_rank", "得意先ﾗﾝｸ", 50, "dropdown", values=("A",))
    world.books.main.fields["contact"].append(rank)


def test_the_tutorial_shows_what_a_terminal_shows(place: Place) -> None:
    place.world.reset("bare")
    page = (HOME / "docs" / "tutorial" / "connect.md").read_text(encoding="utf-8")
    answers = {
        b"Edition (books, invoice)": "books", b"Name of the connection": "kita", b"Data centre": "jp", b"Customers": "",
        b"Client id (KITA)": place.address["client_id"], b"Client secret (KITA)": place.address["client_secret"],
        b"Grant code (KITA)": place.code, b"Organisation": "60012345678", b"Which may see": "Finance", b"Make these": "y",
    }  # fmt: skip
    code, shown = typed_at_a_terminal(place, answers, "connect", "--hosts", place.address["crm"])
    assert code == 0, shown
    assert not any(secret.encode() in shown for secret in place.secrets())
    plan = next((place.folder / "var" / "plans" / "kita").glob("*.json"))
    said = (
        place.renkei("--connection", "kita", "apply", str(plan), "--release", "first_run", "--as", "Hana"),
        place.renkei("sync"),
    )
    assert [one.code for one in said] == [0, 0] and "green" in said[1].out
    lines = {line.strip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()))}
    lines |= {line.strip() for one in said for line in one.out.splitlines()}
    section = page.split("## 3.")[1].split("## The same")[0]
    told = [line.strip() for line in section.splitlines() if line.startswith("    ") and "…" not in line and "$ " not in line]
    assert len(told) > 60 and [line for line in told if line not in lines] == []


def typed_at_a_terminal(place: Place, answers: Mapping[bytes, str | list[str]], *words: str) -> tuple[int, bytes]:
    """How the command ended and everything that the terminal showed, its echo too. A prompt is answered when it stands last
    with its space: what is typed before that is thrown away when the echo is switched off. A prompt that comes again takes
    its next answer."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from renkei.cli.main import main; main()", *words]
    process = subprocess.Popen(
        command, cwd=place.folder, env={**os.environ, **place.environ}, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown, left = b"", {prompt: [one] if isinstance(one, str) else list(one) for prompt, one in answers.items()}
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # the terminal's other end is closed: the command has ended
                break
            last = shown.splitlines()[-1]
            for prompt in [one for one in left if left[one] and last.startswith(one) and last.endswith(b": ")]:
                os.write(ours, left[prompt].pop(0).encode() + b"\n")
        return process.wait(10), shown
    finally:
        process.kill()
        os.close(ours)


# ----------------------------------------------------------------------------------------------------------- refusals


def test_another_user_than_the_named_one(place: Place) -> None:
    place.refused("Sync User <sync@example.jp>", "not of boss@example.jp", code=1, email="boss@example.jp")


@pytest.mark.parametrize("address", ["mei.sato@example.jp", "yuko.suzuki@example.jp"])
def test_a_user_who_may_not_administer(place: Place, address: str) -> None:
    person = next(one for one in place.world.crm.users.values() if one["email"] == address)
    place.code = place.world.oauth.issue_code((), person["id"])
    place.refused(address, "may not administer", code=1, email=None)


def test_a_user_who_may_not_administer_books(place: Place) -> None:
    user = next(one for one in place.world.books.main.users if one["email"] == "sync@example.jp")
    user["user_role"] = "staff"
    place.refused("books:", "sync@example.jp", "may not administer", code=1)


def test_a_grant_code_that_was_used(place: Place) -> None:
    place.world.oauth.codes.clear()
    place.refused("invalid_code", "good once", code=1)


def test_everything_that_is_missing_is_told_at_once(place: Place) -> None:
    said = place.renkei("connect", "--name", "kita", "--client-id", "1000.X")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Missing: --edition, --data-center, --client-secret, --grant-code. ")
    place.environ |= {f"RENKEI_KITA_{part}": "x" for part in ("CLIENT_SECRET", "REFRESH_TOKEN")}
    said = place.renkei("connect", "--name", "kita", "--books-email", "boss@example.jp")
    assert "--client-id, --books-client-id, --books-client-secret, --books-grant-code. " in said.err


def test_a_fault_of_another_file_is_told_before_the_code_is_spent(place: Place) -> None:
    (place.folder / "connections").mkdir()
    (place.folder / "connections" / "other.yaml").write_text("connection: another\n", encoding="utf-8")
    place.refused("other.yaml:1:", code=2)
    assert place.code in place.world.oauth.codes


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("hosts", "a,b,c", "more than two addresses"), ("hosts", "ftp://zoho.example", "has not the form of an address"),
        ("hosts", "http://zoho.example", "would travel unencrypted"), ("credentials", "kita", "'kita'"),
    ],
)  # fmt: skip
def test_an_option_that_will_not_do_is_told_before_the_code_is_spent(option: str, value: str, word: str, place: Place) -> None:
    said = place.refused(word, code=2, **{option: value})
    assert said.count(word) == 1 and "kita.yaml" not in said
    assert place.code in place.world.oauth.codes


def test_a_code_that_never_left_is_not_called_used_up(place: Place) -> None:
    said = place.refused("Connect again.", code=1, hosts="http://127.0.0.1:9")
    assert "used up" not in said and "next run" not in said


def test_a_first_plan_that_fails_leaves_the_connection_and_says_how_to_go_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(name: str, environ: dict[str, str]) -> Any:
        raise Unreachable("books", "no answer.")

    monkeypatch.setattr("renkei.cli.connecting._first_plan", fails)
    said = place.renkei(*place.flags())
    assert said.code == 1 and "books: no answer." in said.out and "renkei --connection kita plan --full" in said.out
    assert "used up" not in said.out + said.err and place.renkei("doctor").code == 0


def test_a_wrong_client_secret(place: Place) -> None:
    said = place.refused("invalid_client_secret", code=1, client_secret="mistyped")
    assert "used up" not in said


def test_a_token_of_the_other_edition(place: Place) -> None:
    place.code = place.world.oauth.issue_code(("ZohoCRM.modules.ALL", *CRM, "ZohoInvoice.fullaccess.all"), place.user())
    place.refused("the token is for Zoho Invoice", "Say --edition invoice", "The grant code is used up", code=1)


def test_a_scope_that_is_missing(place: Place) -> None:
    place.code = place.world.oauth.issue_code((*CRM, "ZohoCRM.modules.accounts.ALL", "ZohoBooks.fullaccess.all"), place.user())
    place.refused("crm scopes: missing: ZohoCRM.modules.products.ALL", "Nothing was stored", code=3)


def test_no_scope_of_the_crm_at_all(place: Place) -> None:
    place.code = place.world.oauth.issue_code(("ZohoBooks.fullaccess.all",), place.user())
    said = place.refused("the token lacks the scopes ZohoCRM.modules.accounts.ALL, ", "ZohoCRM.coql.READ.", code=1)
    assert "renkei connect --print-scopes --edition books --modules accounts" in said and "ZohoBooks.contacts.ALL." not in said


def test_every_scope_that_is_missing_is_told_at_once(place: Place) -> None:
    scopes = [one for one in CRM if one != "ZohoCRM.settings.fields.READ"]
    place.code = place.world.oauth.issue_code((*scopes, "ZohoCRM.modules.accounts.ALL", "ZohoBooks.fullaccess.all"), place.user())
    said = place.refused("ZohoCRM.modules.products.ALL", "ZohoCRM.settings.fields.READ", "Nothing was stored", code=3)
    assert "READ. The grant code is used up" in said


def test_several_organisations_and_none_named(place: Place) -> None:
    place.refused(
        "60012345678 (Kita Trading, JPY)",
        "60099999999 (Minami Works, JPY)",
        "--organization",
        "is used up",
        code=2,
        organization=None,
    )


def test_one_organisation_needs_no_naming(place: Place) -> None:
    second = place.world.books.organisations["60099999999"]
    second.users = [one for one in second.users if one["email"] != "sync@example.jp"]
    assert place.renkei(*place.flags(organization=None), "--no-plan").code == 0
    assert place.file()["books"]["organization"] == "60012345678"


def test_an_organisation_that_is_not_there(place: Place) -> None:
    place.refused("60055555555", "Kita Trading", code=1, organization="60055555555")


@pytest.mark.parametrize("edition", ["books", "invoice"])
def test_an_account_without_an_organisation_is_shown_where_to_sign_up(place: Place, edition: str) -> None:
    for one in place.world.books.organisations.values():
        one.users = []
    said = place.refused(f"https://www.zoho.jp/{edition}/signup/", code=2, edition=edition, organization=None)
    assert "sign up as sync@example.jp" in said and "Base currency: JPY; time zone: Asia/Tokyo" in said
    assert "The grant code is used up" in said


def test_different_base_currencies(place: Place) -> None:
    place.world.crm.org["iso_code"] = "USD"
    place.refused("base currency", "USD", "JPY", code=3)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": None}, "--name"),
        ({"name": "Kita!"}, "--name"),
        ({"data_center": "mars"}, "--data-center"),
        ({"edition": "desk"}, "--edition"),
        ({"client_secret": None}, "--client-secret"),
        ({"grant_code": None}, "--grant-code"),
        ({"refresh_token": "1000.too"}, "two ways"),
    ],
)
def test_what_is_missing_or_wrong_is_named_before_any_call(place: Place, changes: dict[str, str | None], word: str) -> None:
    place.refused(word, code=2, **changes)
    assert len(place.world.requests) == 0


CRM = (
    *(f"ZohoCRM.settings.{one}.READ" for one in ("modules", "fields", "layouts", "custom_views", "currencies", "profiles")),
    "ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoCRM.coql.READ", "ZohoCRM.modules.custom.ALL",
)  # fmt: skip
