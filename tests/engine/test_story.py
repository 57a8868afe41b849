"""What the ledger tells of a record: who made a change on its own side, and when."""

from __future__ import annotations

from pathlib import Path

from company import Company

from renkei.core.values import Ref, parse_time, time_text
from renkei.engine.why import story


async def test_a_write_names_the_crm_user_whose_edit_it_carries(tmp_path: Path) -> None:
    with Company.in_process(tmp_path, "synthetic:5") as company:
        await company.sync()
        account = next(iter(company.crm()))
        company.edit_crm("Accounts", account, Website="https://edited.example.jp")
        row = company.crm()[account]
        edited_at, editor = row["Modified_Time"], company.world.crm.human_user["email"]
        await company.sync(full=False)
        told = story(company.ledger, "demo", Ref("crm", "Accounts", account))["story"]
        write = next(one for one in told if one["changes"])
        assert write["edited_by"] == editor and write["edited_at"] == time_text(parse_time(edited_at))


async def test_an_edit_in_books_has_an_unknown_editor_because_the_api_does_not_tell(tmp_path: Path) -> None:
    with Company.in_process(tmp_path, "synthetic:5") as company:
        await company.sync()
        account = next(iter(company.crm()))
        customer = company.crm()[account]["renkei_books_id"]
        company.edit_books("contacts", customer, website="https://books.example.jp")
        await company.sync(full=False)
        told = story(company.ledger, "demo", Ref("books", "contacts", customer))["story"]
        assert next(one for one in told if one["changes"])["edited_by"] == "unknown"
