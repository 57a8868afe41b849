"""A custom field of Books made over the API (books-v3.md section 12)."""

from __future__ import annotations

import pytest
from books_calls import Books

FIELD = {"label": "renkei crm id", "data_type": "string", "entity": "contact", "show_on_pdf": False, "is_unique": True}


@pytest.fixture
def bare(books: Books) -> Books:
    books.world.books.main.fields["contact"] = []
    return books


@pytest.mark.parametrize("heeded", [True, False])
async def test_a_custom_field_is_made_and_whether_it_is_unique_is_shown(bare: Books, heeded: bool) -> None:
    bare.world.books.main.makes_unique_fields = heeded
    await bare.done("POST", "/settings/fields", FIELD)
    shown = (await bare.get("/settings/fields", entity="contact"))["fields"]
    assert [(one["api_name"], one["is_unique"]) for one in shown] == [("cf_renkei_crm_id", heeded)]
    assert (await bare.refused("POST", "/settings/fields", FIELD))[1] == 4


@pytest.mark.parametrize("key", ["label", "data_type", "entity", "show_on_pdf"])
async def test_what_a_custom_field_needs(bare: Books, key: str) -> None:
    body = {name: value for name, value in FIELD.items() if name != key}
    assert await bare.refused("POST", "/settings/fields", body) == (400, 2, f"Invalid value passed for {key}")


async def test_a_custom_field_of_something_that_is_not_there(bare: Books) -> None:
    assert (await bare.refused("POST", "/settings/fields", {**FIELD, "entity": "wish"}))[1] == 2
    assert (await bare.refused("POST", "/settings/fields", {**FIELD, "data_type": "wish"}))[1] == 2
