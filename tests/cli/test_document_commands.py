"""renkei documents … as a person types it, against the sandbox on a socket: the whole day of one CRM user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_life_commands import Shop

from renkei.sandbox.seeds import load
from renkei.sandbox.serve import running
from renkei.sandbox.world import World

MEI = "mei.sato@example.jp"
PERMISSIONS = """permissions:
  Standard:
    estimates: [view, create, email]
    invoices: [view]
    receivables: [view]
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    world = World(limits=False)
    load(world, "empty")
    with running(world) as address:
        made = Shop(tmp_path, world, address["crm"].rsplit(":", 1)[1], monkeypatch, capsys)
        made.file.write_text(made.file.read_text(encoding="utf-8") + PERMISSIONS, encoding="utf-8")
        yield made


def test_a_day_of_a_crm_user(shop: Shop, tmp_path: Path) -> None:
    (account,) = shop.world.crm.seed("Accounts", [{"Account_Name": "北商事"}])
    (contact,) = shop.world.crm.seed(
        "Contacts", [{"Last_Name": "森", "Email": "mori@kita.example", "Account_Name": {"id": account}}]
    )
    assert shop.renkei("sync", "customers", "documents", "--full").code == 0
    record, mine = f"crm:Accounts:{account}", ("--as", MEI)
    line = ("--line", "name=Advice; quantity=2; price=1000; tax=10%")

    shown = shop.renkei("documents", "create", "estimates", record, *mine, *line, "--preview")
    assert shown.code == 0 and "Nothing is written yet" in shown.out and "2000 JPY before tax" in shown.out
    made = shop.renkei("--json", "documents", "create", "estimates", record, *mine, *line).json
    estimate = made["document"]
    assert made["total"] == 2200 and made["notes"] == []

    listed = shop.renkei("documents", "list", record, *mine)
    assert listed.code == 0 and estimate in listed.out and "北商事" in listed.out and "As of" in listed.out
    edited = shop.renkei("documents", "edit", estimate, *mine, "--notes", "as we talked about")
    assert "notes: '' → 'as we talked about'" in edited.out
    assert "as we talked about" in shop.renkei("--json", "documents", "show", estimate, *mine).json["notes"]
    assert "Advice" in shop.renkei("documents", "show", estimate, *mine).out
    record_in_books = shop.world.books.records("estimates")[estimate.split(":")[2]]
    honest = record_in_books["taxes"]
    record_in_books["taxes"] = [{**honest[0], "tax_amount": 199}]
    told = shop.renkei("documents", "show", estimate, *mine).out
    assert "  TAX_AMOUNT: The tax at 10% is 199 yen; reckoned it is 200." in told and "消費税額 199 円" in told
    record_in_books["taxes"] = honest

    file = Path(shop.renkei("--json", "documents", "pdf", estimate, *mine).json["file"])
    assert file.is_relative_to(tmp_path) and file.read_bytes().startswith(b"%PDF-")
    preview = shop.renkei("--json", "documents", "email", estimate, *mine, "--to", f"crm:Contacts:{contact}").json
    assert "Nothing is sent" in shop.renkei("documents", "email", estimate, *mine).out and shop.world.books.mails() == []
    template = preview["templates"][0]["id"]
    sent = shop.renkei("documents", "email", estimate, *mine, "--template", template, "--to", f"crm:Contacts:{contact}", "--send")
    assert sent.code == 0 and "mori@kita.example" in sent.out and len(shop.world.books.mails()) == 1

    fresh = shop.renkei("documents", "refresh", record, *mine)
    assert fresh.code == 0 and "was read again" in fresh.out
    assert "No invoices." in shop.renkei("documents", "summary", record, *mine).out

    denied = shop.renkei("documents", "create", "invoices", record, *mine, *line)
    assert denied.code == 3 and "permission_missing" not in denied.err and "作成・編集" in denied.err and "`create`" in denied.err
    told = shop.renkei("--json", "documents", "list", record, "--as", "Nobody").json
    assert (told["error"], told["reason"]) == ("DocumentRefused", "unknown_user") and "Nobody" in told["ja"]
    why = shop.renkei("why", estimate).out
    for word in ("created: asked", "updated: asked", "seen: show", "sent: asked", f"by crm:{MEI}"):
        assert word in why
    kinds = {one["kind"] for one in shop.renkei("--json", "runs").json["runs"]}
    assert {"create", "edit", "email", "refresh", "documents", "denied"} <= kinds
    assert shop.renkei("ledger", "verify").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--kind", "quotes"), ("list", "--from", "2026-02-30"), ("list", "--least", "much"), ("show", "invoices"),
        ("create", "quotes", "crm:Accounts:1"), ("create", "invoices", "crm:Accounts:1", "--line", "two of them"),
    ],
)  # fmt: skip
def test_words_that_mean_nothing_are_refused_before_anything_is_asked(words: tuple[str, ...], shop: Shop) -> None:
    asked = len(shop.world.requests.rows)
    assert shop.renkei("documents", *words, "--as", MEI).code == 2
    assert len(shop.world.requests.rows) == asked
