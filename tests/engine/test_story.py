"""What the ledger tells of a record: who made a change on its own side, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from company import Company

from renkei.core.values import Ref, parse_time, time_text
from renkei.engine import load as loading
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


async def test_a_write_whose_answer_was_lost_is_told_with_its_values(tmp_path: Path) -> None:
    with Company.in_process(tmp_path, "synthetic:5") as company:
        await company.sync()
        account = next(iter(company.crm()))
        company.edit_crm("Accounts", account, Website="https://edited.example.jp")
        company.world.faults.add("timeout-after-commit@books:PUT/contacts")
        assert (await company.sync(full=False)).status == "red"
        company.world.faults.clear()
        await company.sync(full=False)
        told = story(company.ledger, "demo", Ref("crm", "Accounts", account))["story"]
        (lost,) = [one for one in told if one["outcome"] == "failed" and one["changes"]]
        assert lost["reason"] == "answer_unknown"
        assert (lost["changes"][0]["field"], lost["changes"][0]["after"]) == ("website", "https://edited.example.jp")
        assert told[-1]["outcome"] == "unchanged"


async def test_what_a_run_that_died_was_writing_is_told_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Company.in_process(tmp_path, "synthetic:5") as company:
        await company.sync()
        account = next(iter(company.crm()))
        company.edit_crm("Accounts", account, Website="https://edited.example.jp")
        honest = loading._confirm

        def dies(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(loading, "_confirm", dies)
        with pytest.raises(KeyboardInterrupt):
            await company.sync(full=False)
        monkeypatch.setattr(loading, "_confirm", honest)
        dead = company.ledger.runs("demo")[0].id
        await company.sync(full=False)
        told = story(company.ledger, "demo", Ref("crm", "Accounts", account))["story"]
        (lost,) = [one for one in told if one["outcome"] == "abandoned"]
        assert lost["reason"] == f"run {dead} died before its answer: perhaps written"
        assert [one["after"] for one in lost["changes"]] == ["https://edited.example.jp"]
        assert company.ledger.verify().broken is None
