"""One call as the handlers see it: organisation, parameters, headers, body (books-v3.md sections 1.4 and 2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from starlette.datastructures import UploadFile
from starlette.requests import Request

from renkei.sandbox.books import errors

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.state import BooksState


@dataclass(slots=True)
class Call:
    """`ids`: the parts of the path that a template leaves open, in order. `path`: after the edition's base.
    `email`: of the user behind the token."""

    books: BooksState
    org: Organisation
    edition: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: Any
    ids: list[str] = field(default_factory=list)
    email: str = ""

    def body(self) -> dict[str, Any]:
        """The body of a create or update. BooksError 11 when empty or no object."""
        if not isinstance(self.content, dict) or not self.content:
            raise errors.BooksError(400, 11, "JSON is not well formed")
        return self.content


@dataclass(slots=True)
class Answer:
    """What a handler gives back: the keys beside code and message, or a PDF file. `rows`: records read or written."""

    content: dict[str, Any] = field(default_factory=dict)
    message: str = "success"
    status: int = 200
    rows: int = 1
    file: bytes | None = None
    file_name: str = ""


async def content_of(request: Request) -> Any:
    """The body in any of the vendor's dresses: JSON with or without content type, form or multipart `JSONString`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.form()
        text = form.get("JSONString")
        if text is None:
            return None
        raw = await text.read() if isinstance(text, UploadFile) else text
        return _parsed(raw, errors.BooksError(400, 4, "Invalid value passed for JSONString"))
    raw = await request.body()
    return _parsed(raw, errors.BooksError(400, 11, "JSON is not well formed")) if raw.strip() else None


def _parsed(raw: bytes | str, refusal: errors.BooksError) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise refusal from error
