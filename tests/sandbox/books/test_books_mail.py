"""E-mail of documents: a preview that sends nothing, sending that is counted, comments and addresses (books-v3.md 10.4)."""

from __future__ import annotations

from typing import Any

import pytest
from books_calls import Books, customer, line

PEOPLE = [
    {"first_name": "Aiko", "last_name": "Mori", "email": "aiko@kita.example", "is_primary_contact": True},
    {"first_name": "Ken", "last_name": "Abe", "email": "ken@kita.example"},
]


async def made(books: Books, kind: str = "invoices", persons: Any = PEOPLE, **fields: Any) -> str:
    body = {"customer_id": await customer(books, contact_persons=persons), "line_items": [line(1000)], **fields}
    name = kind.removesuffix("s")
    id: str = (await books.done("POST", f"/{kind}", body))[name][f"{name}_id"]
    return f"/{kind}/{id}"


async def detail(books: Books, path: str) -> Any:
    return (await books.get(path))[path.split("/")[1].removesuffix("s")]


async def test_the_content_is_ready_to_send_and_sends_nothing(books: Books) -> None:
    path = await made(books)
    data = (await books.get(f"{path}/email"))["data"]
    assert data["subject"] == "Invoice - INV-00001 from Kita Trading"
    assert "¥1,100" in data["body"] and data["file_name"] == "INV-00001.pdf"
    assert [(row["email"], row["selected"]) for row in data["to_contacts"]] == [
        ("aiko@kita.example", True),
        ("ken@kita.example", False),
    ]
    assert [(row["email"], row["selected"]) for row in data["from_emails"]] == [
        ("books@kita.example", True),
        ("sync@example.jp", False),
    ]
    (japanese,) = (row for row in data["emailtemplates"] if row["name"] == "日本語")
    other = (await books.get(f"{path}/email", email_template_id=japanese["email_template_id"]))["data"]
    assert other["subject"] == "【Kita Trading】Invoice INV-00001 のご送付"
    assert [row["selected"] for row in other["emailtemplates"]] == [False, True]
    assert (await books.refused("GET", f"{path}/email", params={"email_template_id": "7"}))[:2] == (400, 2)
    assert books.world.books.mails() == []
    assert (await detail(books, path))["is_emailed"] is False


async def test_an_estimates_content_stands_in_both_places(books: Books) -> None:
    content = await books.get(f"{await made(books, 'estimates')}/email")
    assert content["subject"] == content["data"]["subject"] == "Estimate - EST-00001 from Kita Trading"


@pytest.mark.parametrize("kind", ["invoices", "estimates"])
async def test_sending_is_counted_marks_a_draft_sent_and_tells_who(books: Books, kind: str) -> None:
    path = await made(books, kind)
    books.world.clock.advance(60)
    body = {"to_mail_ids": ["ken@kita.example"], "cc_mail_ids": ["boss@kita.example"], "subject": "S", "body": "B"}
    message = (await books.done("POST", f"{path}/email", body))["message"]
    assert message == f"Your {kind.removesuffix('s')} has been sent."
    (mail,) = books.world.books.mails()
    assert (mail["to"], mail["cc"], mail["subject"], mail["body"]) == (body["to_mail_ids"], body["cc_mail_ids"], "S", "B")
    assert (mail["from"], mail["by"]) == ("books@kita.example", "sync@example.jp")
    assert len(mail["attachments"]) == 1
    found = await detail(books, path)
    assert (found["status"], found["is_emailed"]) == ("sent", True)
    assert found["last_modified_time"] == "2026-11-02T09:16:40+0900"
    told = [row["description"].split(" ", 1)[1] for row in (await books.get(f"{path}/comments"))["comments"]]
    assert told == ["emailed to ken@kita.example", "marked as sent", "added"]


async def test_a_repeated_call_sends_twice(books: Books) -> None:
    path = await made(books)
    for _ in range(2):
        await books.done("POST", f"{path}/email", {"to_mail_ids": ["ken@kita.example"]})
    assert len(books.world.books.mails()) == 2


async def test_an_empty_body_goes_to_the_default_recipients_with_the_default_content(books: Books) -> None:
    path = await made(books)
    await books.done("POST", f"{path}/email")
    (mail,) = books.world.books.mails()
    assert (mail["to"], mail["subject"]) == (["aiko@kita.example"], "Invoice - INV-00001 from Kita Trading")


@pytest.mark.parametrize(
    "body", [{"subject": "S"}, {"to_mail_ids": []}, {"to_mail_ids": ["nobody"]}, {"to_mail_ids": "a@b.example"}]
)
async def test_a_body_without_good_recipients_is_refused_and_nothing_goes(books: Books, body: dict[str, Any]) -> None:
    path = await made(books)
    assert (await books.refused("POST", f"{path}/email", body))[:2] == (400, 2)
    assert books.world.books.mails() == []
    assert (await detail(books, path))["status"] == "draft"


async def test_nobody_to_send_to_is_refused_without_a_body_too(books: Books) -> None:
    assert (await books.refused("POST", f"{await made(books, persons=[])}/email"))[:2] == (400, 2)


async def test_without_an_attachment_when_so_asked_and_with_files_as_parts(books: Books) -> None:
    path = await made(books)
    body = '{"to_mail_ids": ["ken@kita.example"]}'
    await books.done("POST", f"{path}/email", params={"send_attachment": "false"}, data={"JSONString": body})
    await books.done("POST", f"{path}/email", data={"JSONString": body}, files={"attachments": ("a.txt", b"a")})
    assert [len(mail["attachments"]) for mail in books.world.books.mails()] == [0, 1]


async def test_created_with_send_true_it_goes_to_the_persons_named(books: Books) -> None:
    id = await customer(books, contact_persons=PEOPLE)
    persons = (await books.get(f"/contacts/{id}"))["contact"]["contact_persons"]
    ken = persons[1]["contact_person_id"]
    body = {"customer_id": id, "line_items": [line(1)], "contact_persons_associated": [{"contact_person_id": ken}]}
    estimate = (await books.done("POST", "/estimates", body, params={"send": "true"}))["estimate"]
    assert (estimate["status"], estimate["contact_persons_associated"][0]["first_name"]) == ("sent", "Ken")
    assert [mail["to"] for mail in books.world.books.mails()] == [["ken@kita.example"]]
    foreign = {**body, "contact_persons": ["460000000000999999"]}
    del foreign["contact_persons_associated"]
    assert (await books.refused("POST", "/invoices", foreign))[:2] == (400, 6)


async def test_a_person_sends_from_the_web_client(books: Books) -> None:
    path = await made(books)
    books.world.books.email("invoices", path.split("/")[2], by="yuko.suzuki@example.jp")
    (mail,) = books.world.books.mails()
    assert (mail["by"], mail["to"]) == ("yuko.suzuki@example.jp", ["aiko@kita.example"])


async def test_comments_of_people_are_added_changed_and_removed_and_the_history_stays(books: Books) -> None:
    path = await made(books)
    assert (await books.done("POST", f"{path}/comments", {"description": "called"}))["message"] == "Comments added."
    called, history = (await books.get(f"{path}/comments"))["comments"]
    one = f"{path}/comments/{called['comment_id']}"
    assert (await books.done("PUT", one, {"description": "called twice"}))["comment"]["description"] == "called twice"
    await books.done("DELETE", one)
    assert [row["comment_id"] for row in (await books.get(f"{path}/comments"))["comments"]] == [history["comment_id"]]
    assert (await books.refused("DELETE", f"{path}/comments/{history['comment_id']}"))[:2] == (404, 1002)


async def test_an_address_is_changed_for_one_document_alone(books: Books) -> None:
    path = await made(books)
    await books.done("PUT", f"{path}/address/billing", {"city": "Osaka", "zip": "530-0001"})
    found = await detail(books, path)
    assert (found["billing_address"]["city"], found["shipping_address"]["city"]) == ("Osaka", "")
    contact = (await books.get(f"/contacts/{found['customer_id']}"))["contact"]
    assert contact["billing_address"]["city"] == ""
