"""A document is e-mailed once, to whom a person said, by the template that he chose; nothing by accident, nothing by a batch."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_denials import EVERYTHING, permit, visit
from test_document_rows import document, invoice, linked_pair

from renkei.connectors.books import ZohoBooks
from renkei.core.errors import Bug, DocumentRefused, Unreachable
from renkei.core.records import Answer
from renkei.core.values import Ref
from renkei.engine.document_files import fetch_pdf
from renkei.engine.document_mail import preview, send

ROOT = Path(__file__).parents[2]


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        permit(made, Standard=EVERYTHING)
        yield made


class Desk:
    """An invoice in draft, its contact in the CRM, and the person who sends it."""

    def __init__(self, company: Company) -> None:
        self.company = company
        account, self.customer = linked_pair(company, "Kita Ltd")
        person = company.seed_crm("Contacts", Last_Name="Mori", Email="mori@kita.example", Account_Name={"id": account})
        self.contact = Ref("crm", "Contacts", person)
        self.invoice = Ref("books", "invoices", invoice(company, self.customer, 1000, status="draft"))

    async def preview(self, ref: Ref | None = None, **asked: Any) -> dict[str, Any]:
        return await visit(self.company, "email", lambda user: preview(user, ref or self.invoice, **asked))

    async def template(self, ref: Ref | None = None) -> str:
        return str((await self.preview(ref))["templates"][1]["id"])

    async def send(self, ref: Ref | None = None, template: str = "", **asked: Any) -> dict[str, Any]:
        chosen = template or await self.template(ref)
        return await visit(self.company, "email", lambda user: send(user, ref or self.invoice, chosen, [self.contact], **asked))

    def mails(self) -> list[dict[str, Any]]:
        return self.company.world.books.mails()


@pytest.fixture
async def desk(company: Company) -> Desk:
    made = Desk(company)
    await company.sync()
    return made


async def test_the_preview_shows_everything_and_sends_nothing(desk: Desk) -> None:
    found = await desk.preview(to=[desk.contact])
    assert found["sent"] is False and desk.mails() == []
    assert [one["name"] for one in found["templates"]] == ["Default", "日本語"]
    assert found["subject"] and "<br>" not in found["body"] and found["attachment"].endswith(".pdf")
    assert [one["selected"] for one in found["senders"]] == [True, False]
    assert found["to"] == [{"record": str(desk.contact), "name": "Mori", "email": "mori@kita.example"}]
    japanese = await desk.preview(template=found["templates"][1]["id"])
    assert "お送りいたします" in japanese["body"]
    assert not [one for one in desk.company.world.requests.rows if one.method == "POST" and one.path.endswith("/email")]


async def test_it_is_sent_with_its_pdf_by_the_chosen_template_and_the_ledger_says_to_whom(desk: Desk) -> None:
    done = await desk.send()
    (mail,) = desk.mails()
    assert mail["to"] == ["mori@kita.example"] and "お送りいたします" in mail["body"] and mail["attachments"]
    assert desk.company.books("invoices")[desk.invoice.id]["status"] == "sent"
    run = desk.company.ledger.run(done["run"])
    assert run is not None and (run.kind, run.status, run.actor) == ("email", "green", "crm:Standard")
    (row,) = desk.company.ledger.outcomes(run.id, "write")
    assert (row.outcome, row.actor) == ("sent", "crm:Standard") and set(row.records) == {desk.invoice, desk.contact}
    assert row.detail["request"]["to_mail_ids"] == ["mori@kita.example"]


@pytest.mark.parametrize("kind", ["estimates", "salesorders", "purchaseorders"])
async def test_the_other_kinds_are_sent_too(kind: str, desk: Desk) -> None:
    if kind == "purchaseorders":
        vendor = desk.company.seed_books("contacts", contact_name="Vendor KK", contact_type="vendor")
        made = desk.company.seed_books(kind, vendor_id=vendor, line_items=[{"rate": 1, "quantity": 1}])
    else:
        made = document(desk.company, kind, desk.customer, 10, status="draft")
    await desk.send(Ref("books", kind, made))
    assert [(mail["module"], mail["to"]) for mail in desk.mails()] == [(kind, ["mori@kita.example"])]


async def test_a_draft_of_a_closed_period_is_not_sent_because_books_would_book_it(desk: Desk) -> None:
    dated = date.fromisoformat(desk.company.books("invoices")[desk.invoice.id]["date"])
    desk.company.spec = dataclasses.replace(desk.company.spec, closed_until=dated)
    with pytest.raises(DocumentRefused) as error:
        await desk.send()
    assert error.value.reason == "period_closed" and desk.mails() == []
    desk.company.edit_books("invoices", desk.invoice.id, status="sent")
    await desk.send()
    assert len(desk.mails()) == 1


async def test_the_same_is_not_sent_twice_by_accident(desk: Desk) -> None:
    await desk.send()
    with pytest.raises(DocumentRefused) as error:
        await desk.send()
    assert error.value.reason == "already_sent" and len(desk.mails()) == 1
    await desk.send(again=True)
    desk.company.edit_books("invoices", desk.invoice.id, notes="the corrected one")
    await desk.send()
    assert len(desk.mails()) == 3


@pytest.mark.parametrize("fault", ["timeout-after-commit", "500-after-commit"])
async def test_an_answer_that_was_lost_is_found_in_the_history_and_nothing_is_sent_again(fault: str, desk: Desk) -> None:
    template = await desk.template()
    desk.company.world.faults.add(f"{fault}@books:POST/email*1")
    done = await desk.send(template=template)
    assert done["sent"] and len(desk.mails()) == 1
    (row,) = desk.company.ledger.outcomes(done["run"], "write")
    assert row.reason == "found_in_history" and desk.company.ledger.open_holds("demo") == []


async def test_what_books_does_not_show_is_asked_and_until_then_nobody_sends(desk: Desk) -> None:
    template = await desk.template()
    desk.company.world.faults.add("timeout-before@books:POST/email*1")
    with pytest.raises(DocumentRefused) as error:
        await desk.send(template=template)
    assert error.value.reason == "email_unknown" and desk.mails() == []
    (hold,) = desk.company.ledger.open_holds("demo")
    assert (hold.question, hold.record, hold.choices) == ("email_sent", desk.invoice, ("sent", "not_sent"))
    with pytest.raises(DocumentRefused) as again:
        await desk.send(template=template)
    assert again.value.reason == "email_in_doubt" and desk.mails() == []
    desk.company.edit_books("invoices", desk.invoice.id, due_date="2026-12-31")  # which answers nothing
    await desk.company.sync()
    desk.company.decide(hold.id, "not_sent")
    await desk.company.sync()
    await desk.send(template=template)
    assert len(desk.mails()) == 1 and desk.company.ledger.decisions("demo") == []


async def test_an_answer_that_it_was_sent_is_kept_and_the_same_is_not_sent_again(desk: Desk) -> None:
    template = await desk.template()
    desk.company.world.faults.add("timeout-before@books:POST/email*1")
    with pytest.raises(DocumentRefused):
        await desk.send(template=template)
    (hold,) = desk.company.ledger.open_holds("demo")
    desk.company.decide(hold.id, "sent")
    for reason in ("email_was_sent", "already_sent"):
        with pytest.raises(DocumentRefused) as error:
            await desk.send(template=template)
        assert error.value.reason == reason
    assert desk.mails() == []


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("who", ["the next batch", "the next who sends"])
async def test_a_process_that_dies_while_sending_leaves_a_question_or_what_books_shows(
    who: str, arrived: bool, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    template, really = await desk.template(), ZohoBooks.send_email

    async def dies(books: ZohoBooks, module: str, record_id: str, body: dict[str, Any]) -> Answer:
        if arrived:
            await really(books, module, record_id, body)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ZohoBooks, "send_email", dies)
        with pytest.raises(Killed):
            await desk.send(template=template)
    desk.company.world.clock.advance(3600)
    if who == "the next batch":
        await desk.company.sync()
    with pytest.raises(DocumentRefused) as error:
        await desk.send(template=template)
    assert error.value.reason == ("already_sent" if arrived else "email_in_doubt")
    assert len(desk.mails()) == arrived and len(desk.company.ledger.open_holds("demo")) == (not arrived)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"template": ""}, "nothing_said"), ({"to": []}, "nothing_said"), ({"template": "1"}, "no_such_template"),
        ({"to": [Ref("crm", "Accounts", "1")]}, "no_contact"),
        ({"to": [Ref("crm", "Contacts", "5545974000000000001")]}, "not_found"),
    ],
)  # fmt: skip
async def test_what_is_not_said_outright_or_not_there_sends_nothing(asked: dict[str, Any], reason: str, desk: Desk) -> None:
    given = {"template": await desk.template(), "to": [desk.contact], **asked}
    with pytest.raises(DocumentRefused) as error:
        await visit(desk.company, "email", lambda user: send(user, desk.invoice, given["template"], given["to"]))
    assert error.value.reason == reason and desk.mails() == []


async def test_a_contact_without_an_address_is_named(desk: Desk) -> None:
    nobody = Ref("crm", "Contacts", desk.company.seed_crm("Contacts", Last_Name="Abe"))
    with pytest.raises(DocumentRefused, match=f"{nobody} has no e-mail address"):
        await desk.preview(to=[nobody])


async def test_an_empty_mail_never_leaves(desk: Desk) -> None:
    template = await desk.template()
    for one in desk.company.world.books.main.email_templates["invoices"]:
        one["body"] = "<p> </p>"
    with pytest.raises(DocumentRefused) as error:
        await desk.send(template=template)
    assert error.value.reason == "empty_mail" and desk.mails() == []
    async with desk.company.rooms() as rooms:
        rooms.allow_writes(True)
        for body in ({}, {"to_mail_ids": ["a@b.example"]}, {"to_mail_ids": [], "subject": "s", "body": "b"}):
            with pytest.raises(Bug):
                await rooms.books.send_email("invoices", desk.invoice.id, body)
    assert desk.mails() == []


async def test_a_right_to_view_is_no_right_to_send(desk: Desk) -> None:
    permit(desk.company, Standard=(("invoices", ("view", "create")),))
    for sends in (False, True):
        with pytest.raises(DocumentRefused) as error:
            if sends:
                await visit(desk.company, "email", lambda user: send(user, desk.invoice, "1", [desk.contact]))
            else:
                await desk.preview()
        assert error.value.reason == "permission_missing"


async def test_no_batch_sends_and_only_this_room_can(desk: Desk) -> None:
    await desk.company.sync()
    assert desk.mails() == []
    callers = {
        path.name
        for room in ("renkei", "flows", "tasks")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "send_email"
    }
    assert callers == {"document_mail.py"}
    importers = {
        path.name
        for path in (ROOT / "renkei" / "engine").glob("*.py")
        if "document_mail" in path.read_text(encoding="utf-8") and path.name != "document_mail.py"
    }
    assert importers == set()


# ------------------------------------------------------------------------------------------------------------------ PDF


def read(file: str) -> bytes:
    return Path(file).read_bytes()


async def test_a_pdf_is_kept_with_its_hash_in_the_ledger_and_once_a_version(desk: Desk) -> None:
    first = await visit(desk.company, "pdf", lambda user: fetch_pdf(user, desk.invoice))
    content = read(first["file"])
    assert content.startswith(b"%PDF-") and first["sha256"] == hashlib.sha256(content).hexdigest()
    run = desk.company.ledger.runs("demo", 1)[0]
    row = list(desk.company.ledger.outcomes(run.id))[-1]
    assert (row.outcome, row.reason, row.detail["sha256"]) == ("seen", "pdf", first["sha256"]) and desk.invoice in row.records
    again = await visit(desk.company, "pdf", lambda user: fetch_pdf(user, desk.invoice))
    assert again["file"] == first["file"]
    desk.company.edit_books("invoices", desk.invoice.id, notes="changed")
    other = await visit(desk.company, "pdf", lambda user: fetch_pdf(user, desk.invoice))
    assert sorted(Path(first["file"]).parent.iterdir()) == sorted({Path(first["file"]), Path(other["file"])})


async def test_an_error_in_place_of_a_pdf_is_no_file(desk: Desk) -> None:
    with pytest.raises(DocumentRefused) as error:
        await visit(desk.company, "pdf", lambda user: fetch_pdf(user, Ref("books", "invoices", "99")))
    assert error.value.reason == "not_found"
    desk.company.world.faults.add("truncated-body@books:GET/invoices*9")
    with pytest.raises(Unreachable):
        await visit(desk.company, "pdf", lambda user: fetch_pdf(user, desk.invoice))
    assert not list(desk.company.settings.data.rglob("*.pdf"))
    row = list(desk.company.ledger.outcomes(desk.company.ledger.runs("demo", 1)[0].id))[-1]
    assert (row.outcome, row.reason) == ("failed", "Unreachable")
