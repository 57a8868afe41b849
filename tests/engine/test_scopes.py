"""The scopes that a connection asks for are enough for a whole sync, none is asked for in vain, and the manual lists them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from company import Company

from renkei.config.project import load_project
from renkei.config.settings import Settings
from renkei.core.errors import ScopeMissing
from renkei.core.scopes import needed, not_covered

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "scopes.md").read_text(encoding="utf-8")
SPEC = load_project(Settings.from_environment({})).connection("demo")
SCOPES = [*needed(SPEC, "crm"), *needed(SPEC, "books")]
# What only `renkei doctor` asks; tests/engine/test_doctor.py takes away each of them.
DOCTORS = [f"ZohoCRM.settings.{one}.READ" for one in ("modules", "layouts", "custom_views", "currencies", "profiles")]


async def sync_with(scopes: list[str], folder: Path) -> str:
    with Company.in_process(folder, "synthetic:20") as company:
        company.choose(modules="accounts_and_contacts")
        company.seed_books("invoices", customer_id=next(iter(company.books())), line_items=[{"name": "Chair", "rate": 100}],
                           zcrm_potential_id=company.seed_crm("Deals", Deal_Name="Chairs", Stage="Qualification"))  # fmt: skip
        company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials(scopes)
        return (await company.sync()).status


async def test_a_token_with_these_scopes_syncs_everything(tmp_path: Path) -> None:
    assert await sync_with(SCOPES, tmp_path) == "green"


@pytest.mark.parametrize("scope", [one for one in SCOPES if one not in DOCTORS])
async def test_without_one_of_them_the_missing_scope_is_named(scope: str, tmp_path: Path) -> None:
    with pytest.raises(ScopeMissing):
        await sync_with([one for one in SCOPES if one != scope], tmp_path)


def test_settings_decide_what_is_asked_for() -> None:
    small = dataclasses.replace(
        SPEC,
        edition="invoice",
        publish_summaries=False,
        publish_documents=False,
        customers=dataclasses.replace(SPEC.customers, modules="contacts"),
    )
    assert "ZohoCRM.modules.custom.ALL" not in needed(small, "crm") and "ZohoCRM.modules.accounts.ALL" not in needed(small, "crm")
    assert not any("deals" in one for one in needed(small, "crm"))
    assert needed(small, "books") == ("ZohoInvoice.contacts.ALL", "ZohoInvoice.settings.ALL")
    documents = needed(dataclasses.replace(small, publish_documents=True), "books")
    assert "ZohoInvoice.estimates.READ" in documents and not any("salesorders" in one for one in documents)
    assert "ZohoInvoice.estimates.ALL" in needed(dataclasses.replace(small, deals="estimates"), "books")
    assert "ZohoCRM.settings.pipeline.READ" in needed(dataclasses.replace(small, deals="estimates"), "crm")
    assert "ZohoCRM.settings.pipeline.READ" not in needed(small, "crm")


def test_the_manual_lists_every_scope_that_may_be_asked_for() -> None:
    whole = dataclasses.replace(SPEC, publish_documents=True, deals="invoices")
    asked = {
        *needed(SPEC, "crm"),
        *needed(whole, "crm"),
        *needed(whole, "books"),
        *needed(dataclasses.replace(whole, deals="estimates"), "books"),
    }
    assert [one for one in sorted(asked) if one not in PAGE and f"….{one.split('.', 2)[2]}" not in PAGE] == []


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ("ZohoCRM.modules.accounts.READ", False),
        ("zohocrm.modules.accounts.all", False),
        ("ZohoCRM.modules.READ", False),
        ("ZohoCRM.modules.ALL", False),
        ("ZohoCRM.modules.contacts.ALL", True),
        ("ZohoCRM.modules.accounts.CREATE", True),
        ("ZohoBooks.fullaccess.all", True),
    ],
)
def test_a_wider_scope_covers_a_narrower_one(granted: str, missing: bool) -> None:
    assert bool(not_covered(["ZohoCRM.modules.Accounts.READ"], [granted])) == missing
