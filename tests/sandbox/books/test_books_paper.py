"""Documents as PDF files that really open, and the templates they are printed with (books-v3.md 8, 10.5)."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from books_calls import REDUCED, Books, customer, line


class Pdf:
    """A strict reader: everything where the file says it is, or an AssertionError."""

    def __init__(self, data: bytes) -> None:
        assert data.startswith(b"%PDF-1.4\n") and data.endswith(b"%%EOF\n")
        start = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n$", data)[0])
        head = re.compile(rb"xref\n0 (\d+)\n").match(data, start)
        assert head is not None
        count, entries = int(head[1]), data[head.end() :]
        assert entries[:20] == b"0000000000 65535 f \n"
        self.objects: dict[int, bytes] = {}
        for number in range(1, count):
            entry = entries[20 * number : 20 * number + 20]
            assert re.fullmatch(rb"\d{10} 00000 n \n", entry)
            body = re.compile(rb"%d 0 obj\n(.*?)\nendobj\n" % number, re.DOTALL).match(data, int(entry[:10]))
            assert body is not None, f"no object {number} where the table says"
            self.objects[number] = body[1]
        self.trailer = entries[20 * count :]
        assert b"/Size %d " % count in self.trailer
        root = self.objects[int(re.findall(rb"/Root (\d+) 0 R", self.trailer)[0])]
        pages = self.objects[int(re.findall(rb"/Pages (\d+) 0 R", root)[0])]
        kids = re.findall(rb"/Kids \[(.*?)\] /Count (\d+)", pages)[0]
        self.pages = [self._texts(self.objects[int(n)]) for n in re.findall(rb"(\d+) 0 R", kids[0])]
        assert len(self.pages) == int(kids[1])
        info = self.objects[int(re.findall(rb"/Info (\d+) 0 R", self.trailer)[0])]
        self.title = decoded(re.findall(rb"/Title <(\w+)>", info)[0]).removeprefix("\ufeff")

    def _texts(self, page: bytes) -> list[str]:
        stream = self.objects[int(re.findall(rb"/Contents (\d+) 0 R", page)[0])]
        length, content = re.findall(rb"<< /Length (\d+) >>\nstream\n(.*)\nendstream$", stream, re.DOTALL)[0]
        assert len(content) == int(length)
        places = re.findall(rb" Tf ([\d.-]+) ([\d.-]+) Td ", content)
        assert all(0 < float(x) < 595 and 0 < float(y) < 842 for x, y in places), "a text lies beside the paper"
        return [decoded(text) for text in re.findall(rb"<(\w*)> Tj", content)]


def decoded(text: bytes) -> str:
    return bytes.fromhex(text.decode()).decode("utf-16-be")


async def made(books: Books, kind: str = "invoices", **fields: Any) -> Any:
    id = await customer(books, f"北商事 {len(books.world.books.records('contacts'))}")
    lines = [line(90000, 3), {**line(105, 3, REDUCED), "name": "お茶"}]
    body = {"customer_id": id, "line_items": lines, **fields}
    return (await books.done("POST", f"/{kind}", body))[kind.removesuffix("s")]


async def printed(books: Books, path: str, **params: str) -> tuple[Pdf, str]:
    answer = await books.call("GET", path, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert int(answer.headers["X-Rate-Limit-Remaining"]) > 0
    return Pdf(answer.content), answer.headers["content-disposition"]


async def test_a_document_is_printed_with_its_lines_taxes_and_balance(books: Books) -> None:
    invoice = await made(books, due_date="2026-11-30", reference_number="DEAL-7")
    books.world.books.send(invoice["invoice_id"])
    books.world.books.pay(invoice["invoice_id"], 100000)
    found, disposition = await printed(books, f"/invoices/{invoice['invoice_id']}", accept="pdf")
    (page,) = found.pages
    assert disposition == 'attachment; filename="INV-00001.pdf"'
    assert (found.title, page[0]) == ("INV-00001", "Invoice INV-00001")
    assert {"北商事 0", "お茶", "Due 2026-11-30", "Reference DEAL-7", "¥270,000", "8%"} <= set(page)
    told = dict(itertools.pairwise(page))
    assert told["Consumption tax (10%)"] == "¥27,000"
    assert told["Reduced consumption tax (8%)"] == "¥25"
    assert (told["Total"], told["Balance due"]) == ("¥297,340", "¥197,340")


async def test_print_gives_the_same_bytes_and_an_unknown_form_is_refused(books: Books) -> None:
    path = f"/estimates/{(await made(books, 'estimates'))['estimate_id']}"
    first = (await books.call("GET", path, params={"accept": "pdf"})).content
    assert first == (await books.call("GET", path, params={"print": "true"})).content
    assert (await books.get(path, accept="json"))["estimate"]["status"] == "draft"
    assert (await books.refused("GET", path, params={"accept": "docx"}))[:2] == (400, 2)
    assert (await books.refused("GET", "/estimates/460000000000999999", params={"accept": "pdf"}))[:2] == (404, 1002)


async def test_up_to_25_documents_come_as_one_file_in_the_order_asked_for(books: Books) -> None:
    ids = [(await made(books))["invoice_id"] for _ in range(3)]
    found, _ = await printed(books, "/invoices/pdf", invoice_ids=f"{ids[2]},{ids[0]}")
    assert [page[0] for page in found.pages] == ["Invoice INV-00003", "Invoice INV-00001"]
    for wrong in ("", ",".join([ids[0]] * 26)):
        assert (await books.refused("GET", "/invoices/pdf", params={"invoice_ids": wrong}))[:2] == (400, 2)
    assert (await books.refused("GET", "/invoices/print", params={"invoice_ids": f"{ids[0]},1"}))[:2] == (404, 1002)


async def test_many_lines_take_several_pages(books: Books) -> None:
    lines = [{**line(n), "name": f"line {n}"} for n in range(1, 76)]
    invoice = await made(books, line_items=lines, notes="a\nb\nc", terms="d\ne\nf", discount=1, shipping_charge=2)
    found, _ = await printed(books, f"/invoices/{invoice['invoice_id']}", accept="pdf")
    first = [next(text for text in page if text.startswith("line ")) for page in found.pages]
    assert first == ["line 1", "line 26", "line 51"]
    assert ["Total" in page for page in found.pages] == [False, False, True]


@pytest.mark.parametrize("kind", ["invoices", "estimates"])
async def test_a_template_changes_what_is_printed(books: Books, kind: str) -> None:
    templates = (await books.get(f"/{kind}/templates"))["templates"]
    assert [row["template_name"] for row in templates] == ["Standard Template", "和文標準"]
    name = kind.removesuffix("s")
    document = await made(books, kind, template_id=templates[1]["template_id"])
    path = f"/{kind}/{document[f'{name}_id']}"
    assert document["template_name"] == "和文標準"
    found, _ = await printed(books, path, accept="pdf")
    assert found.pages[0][0].startswith({"invoices": "請求書", "estimates": "見積書"}[kind])
    assert "北商事 0 御中" in found.pages[0]
    await books.done("PUT", f"{path}/templates/{templates[0]['template_id']}")
    assert (await books.get(path))[name]["template_id"] == templates[0]["template_id"]
    assert (await books.refused("PUT", f"{path}/templates/460000000000999999"))[:2] == (400, 6)


async def test_a_file_name_beyond_latin_letters_is_encoded_and_rare_characters_become_a_mark(books: Books) -> None:
    own = {"ignore_auto_number_generation": "true"}
    body = {"customer_id": await customer(books, "𠮷野家"), "line_items": [line(1)], "invoice_number": "請求-1/2"}
    id = (await books.done("POST", "/invoices", body, params=own))["invoice"]["invoice_id"]
    found, disposition = await printed(books, f"/invoices/{id}", accept="pdf")
    assert disposition == "attachment; filename*=UTF-8''%E8%AB%8B%E6%B1%82-1-2.pdf"
    assert "〓野家" in found.pages[0]
