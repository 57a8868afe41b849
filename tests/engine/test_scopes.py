"""The scopes that docs/reference/connection.md asks for are enough for a whole sync, and none is asked for in vain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from company import Company

from renkei.core.errors import ScopeMissing

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "connection.md").read_text(encoding="utf-8")
SCOPES = re.findall(r"\bZoho(?:CRM|Books)\.[a-z]+\.[A-Z]+\b", PAGE)


async def sync_with(scopes: list[str], folder: Path) -> str:
    with Company.in_process(folder, "synthetic:20") as company:
        company.seed_books("invoices", customer_id=next(iter(company.books())), line_items=[{"name": "Chair", "rate": 100}])
        company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials(scopes)
        return (await company.sync()).status


async def test_a_token_with_these_scopes_syncs_everything(tmp_path: Path) -> None:
    assert len(SCOPES) == 8
    assert await sync_with(SCOPES, tmp_path) == "green"


@pytest.mark.parametrize("scope", SCOPES)
async def test_without_one_of_them_the_missing_scope_is_named(scope: str, tmp_path: Path) -> None:
    with pytest.raises(ScopeMissing):
        await sync_with([one for one in SCOPES if one != scope], tmp_path)
