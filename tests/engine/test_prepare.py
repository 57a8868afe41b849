"""A bare organisation is prepared: what is missing is a list first, then made once, whatever becomes of the answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from company import Company

from renkei.core.errors import ScopeMissing, WrongEnvironment
from renkei.core.preparing import Needs, NewField, NewModule, TakenRights
from renkei.core.records import Answer
from renkei.engine.prepare import Prepared, look, prepare
from renkei.engine.work import Request
from renkei.sandbox.crm.org import FINANCE, STANDARD

VIEW = tuple((kind, ("view",)) for kind in ("receivables", "estimates", "invoices", "sales_orders"))
MODULES = ("Renkei_Receivables", "Renkei_Documents")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path, "bare") as made:
        yield made


async def missing(company: Company) -> Needs:
    async with company.rooms() as rooms:
        return await look(rooms)


async def prepared(company: Company, agreed: Needs | None = None) -> Prepared:
    async with company.rooms() as rooms:
        return await prepare(rooms, Request(actor="Hana"), agreed or await look(rooms))


def shaped(company: Company) -> int:
    """Calls that shape an organisation."""
    log = company.world.requests
    made = [
        log.count("crm", method=method, path=f"/settings/{one}")
        for method in ("POST", "PUT")
        for one in ("fields", "modules", "profiles")
    ]
    return sum(made) + log.count("books", method="POST", path="/settings/fields")


async def test_what_a_bare_organisation_lacks_is_a_list_and_nothing_is_written(company: Company) -> None:
    found = await missing(company)
    assert [step.api_name for step in found.steps if isinstance(step, NewModule)] == list(MODULES)
    keys = {(step.side, step.module) for step in found.steps if isinstance(step, NewField) and step.unique}
    assert keys == {
        ("crm", "Accounts"),
        ("crm", "Products"),
        *(("crm", one) for one in MODULES),
        ("books", "contacts"),
        ("books", "items"),
    }
    assert found.clicks == () and shaped(company) == 0


async def test_a_bare_organisation_is_prepared_and_syncs_green(company: Company) -> None:
    done = await prepared(company)
    assert done.refused == () and done.left == Needs((), ())
    assert {one for one in company.world.crm.tables} >= set(MODULES)
    assert (await company.sync()).status == "green"
    await company.quiet()
    assert len(company.crm("Accounts")) == len(company.books()) == 9


async def test_documents_made_of_deals_get_their_key_in_books(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    done = await prepared(company)
    assert "books: field invoices.cf_renkei_crm_id (string, no duplicates)" in map(str, done.made)
    assert [one.api_name for one in company.world.books.main.fields["invoice"] if one.is_unique] == ["cf_renkei_crm_id"]


async def test_a_second_time_makes_nothing(company: Company) -> None:
    agreed = await missing(company)
    await prepared(company, agreed)
    before = {module: list(table.fields) for module, table in company.world.crm.tables.items()}
    assert (await missing(company)).steps == ()
    again = await prepared(company, agreed)  # an old list, agreed to twice
    assert again.refused == () and again.left.steps == ()
    assert {module: list(table.fields) for module, table in company.world.crm.tables.items()} == before
    assert [len(one) for one in company.world.books.main.fields.values() if one] == [1, 1]


@pytest.mark.parametrize(
    "fault", ["timeout-after-commit@crm:POST/crm/v8/settings", "500-after-commit@crm", "timeout-after-commit@books:POST/settings"]
)
async def test_answers_that_are_lost_after_the_commit_are_looked_up(company: Company, fault: str) -> None:
    agreed = await missing(company)
    company.world.faults.add(f"{fault}*3")
    done = await prepared(company, agreed)
    assert company.world.faults.counts.total() >= 2 and done.refused == () and done.left.steps == ()


async def test_what_died_half_way_is_finished_by_the_next_and_nothing_is_there_twice(company: Company) -> None:
    async with company.rooms() as rooms:
        agreed, take = await look(rooms), rooms.crm.make_fields

        async def dies(module: str, new: Sequence[NewField]) -> list[Answer]:
            await take(module, new)
            raise RuntimeError("killed")

        rooms.crm.make_fields = dies  # type: ignore[method-assign]
        with pytest.raises(RuntimeError):
            await prepare(rooms, Request(actor="Hana"), agreed)
    left = await missing(company)
    assert 0 < len(left.steps) < len(agreed.steps) and not any(isinstance(step, NewModule) for step in left.steps)
    assert (await prepared(company)).left == Needs((), ())
    labels = [
        field.label for table in company.world.crm.tables.values() for field in table.fields.values() if "renkei" in field.label
    ]
    assert sorted(labels) == ["renkei books id"] * 2 + ["renkei key"] * 2


async def test_what_was_made_stands_in_the_ledger_with_its_actor(company: Company) -> None:
    done = await prepared(company)
    rows = list(company.ledger.outcomes(done.run))
    assert {row.actor for row in rows} == {"Hana"}
    assert [row.outcome for row in rows].count("to_make") == len(done.made) == [row.outcome for row in rows].count("answered")
    run = company.ledger.run(done.run)
    assert run is not None and (run.kind, run.status) == ("prepare", "green")
    assert company.ledger.verify().broken is None


async def test_a_unique_field_that_books_makes_without_uniqueness_is_left_to_a_click(company: Company) -> None:
    for one in company.world.books.organisations.values():
        one.makes_unique_fields = False
    done = await prepared(company)
    assert [one.wrong for one in done.left.clicks] == [
        "contacts.cf_renkei_crm_id allows duplicates", "items.cf_renkei_crm_id allows duplicates",
    ]  # fmt: skip
    assert "Prevent duplicate values" in done.left.clicks[0].fix and done.left.steps == ()


async def test_modules_are_seen_by_those_alone_who_may_and_changed_by_nobody(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, permissions=(("Finance", VIEW), ("Standard", (("receivables", ("view",)),))))
    done = await prepared(company)
    assert done.left == Needs((), ()) and sum(isinstance(one, TakenRights) for one in done.made) == 3
    may = {
        (profile, module, right)
        for profile in (STANDARD, FINANCE)
        for module in MODULES
        for right in ("View", "Create", "Edit", "Delete")
    }
    assert may - company.world.crm.denied == {
        (FINANCE, "Renkei_Receivables", "View"), (FINANCE, "Renkei_Documents", "View"), (STANDARD, "Renkei_Receivables", "View"),
    }  # fmt: skip
    assert (await company.sync()).status == "green"


async def test_rights_beyond_permissions_are_taken_and_those_of_administrators_are_a_click(company: Company) -> None:
    await prepared(company)
    crm = company.world.crm
    crm.denied -= {(STANDARD, "Renkei_Receivables", right) for right in ("View", "Edit")}
    company.spec = dataclasses.replace(company.spec, permissions=(("Finance", VIEW),))
    found = await missing(company)
    assert [str(step) for step in found.steps] == ["crm: profile Standard may no longer view, edit Renkei_Receivables"]
    await prepared(company)
    assert {(STANDARD, "Renkei_Receivables", right) for right in ("View", "Edit")} <= crm.denied


async def test_a_field_that_is_wrong_is_a_persons_to_put_right(company: Company) -> None:
    await prepared(company)
    table = company.world.crm.tables["Products"]
    company.world.crm.set_field("Products", dataclasses.replace(table.fields["renkei_books_id"], unique=False))
    found = await missing(company)
    assert found.steps == () and [one.wrong for one in found.clicks] == ["Products.renkei_books_id allows duplicates"]
    assert "Do not allow duplicate values" in found.clicks[0].fix


async def test_a_module_without_room_for_another_unique_field_is_told(company: Company) -> None:
    company.world.crm.most_unique_fields = 0
    done = await prepared(company)
    assert len(done.refused) == 4 and all("LIMIT_EXCEEDED" in why for _, why in done.refused)


async def test_scopes_that_only_read_are_named_and_nothing_is_made(company: Company) -> None:
    scopes = [
        "ZohoCRM.modules.ALL",
        "ZohoCRM.settings.READ",
        "ZohoCRM.users.READ",
        "ZohoCRM.org.READ",
        "ZohoBooks.fullaccess.all",
    ]
    reads = [f"ZohoCRM.settings.{one}.READ" for one in ("modules", "fields", "profiles")]
    company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials([*scopes, *reads])
    with pytest.raises(ScopeMissing, match="scope") as refused:
        await prepared(company)
    assert "ZohoCRM.settings.modules.CREATE" in refused.value.fix
    assert set(company.world.crm.tables) == {"Accounts", "Contacts", "Products", "Deals"}


async def test_production_is_named_here_too(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, environment="production")
    with pytest.raises(WrongEnvironment):
        await prepared(company)
    assert shaped(company) == 0
