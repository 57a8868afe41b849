"""Three connections at once in one PostgreSQL ledger, with the same ids in two companies: nothing is mixed up."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from company import Company
from connector_world import HOST, VirtualClock
from postgres import PostgresServer, migrated_template, postgres_server

from renkei.core.errors import Unreachable
from renkei.core.values import Ref
from renkei.engine.status import status
from renkei.house import Settings, open_ledger_of
from renkei.sandbox.world import World

__all__ = ["migrated_template", "postgres_server"]

TOKYO, BERLIN, BROKEN = "tokyo", "berlin", "broken"
SECRETS = ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")


class OwnIds(VirtualClock):
    """Ids of runs differ between processes; those of two virtual clocks would not."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world)
        self._name = name

    def new_id(self) -> str:
        return f"{self._name}-{super().new_id()}"


def connected(world: World, name: str, folder: Path, url: str, *, crm: str, books: str, data_center: str) -> Company:
    """A company under a connection of this name; `crm` and `books` are the aliases of the users who own the two sides."""
    made = Company(world, folder / name, HOST, clock=OwnIds(world, name))
    made.ledger.close()
    values = dict(zip(SECRETS, (world.client_id, world.client_secret, world.refresh_token), strict=True))
    made.environ |= {f"RENKEI_{alias}_{part}": value for alias in (crm, books) for part, value in values.items()}
    made.environ["RENKEI_LEDGER_URL"] = url
    made.settings = Settings.from_environment(made.environ)
    made.project = dataclasses.replace(made.project, settings=made.settings)
    made.ledger = open_ledger_of(made.settings)
    made.spec = dataclasses.replace(
        made.spec, name=name, edition=world.edition, organization=world.organization, time_zone=world.time_zone,
        crm=dataclasses.replace(made.spec.crm, credentials=crm, data_center=data_center),
        books=dataclasses.replace(made.spec.books, credentials=books, data_center=data_center),
    )  # fmt: skip
    return made


@pytest.fixture
def three(tmp_path: Path, postgres_server: PostgresServer, migrated_template: str) -> Iterator[dict[str, Company]]:
    """Two editions, data centres and currencies; one with a user a side; one whose CRM never answers."""
    url = postgres_server.url(postgres_server.new_database(migrated_template))
    worlds = {
        TOKYO: World(limits=False),
        BERLIN: World(limits=False, edition="invoice", base_currency="EUR", time_zone="Europe/Berlin"),
        BROKEN: World(limits=False),
    }
    worlds[BROKEN].faults.add("timeout-before@crm")
    made = {
        TOKYO: connected(worlds[TOKYO], TOKYO, tmp_path, url, crm="TOKYO", books="TOKYO", data_center="jp"),
        BERLIN: connected(worlds[BERLIN], BERLIN, tmp_path, url, crm="ANNA", books="BERND", data_center="eu"),
        BROKEN: connected(worlds[BROKEN], BROKEN, tmp_path, url, crm="NOBODY", books="NOBODY", data_center="us"),
    }
    for name, company in made.items():
        for number in range(12):
            company.seed_crm("Accounts", Account_Name=f"{name} account {number}")
            company.seed_books("contacts", contact_name=f"{name} customer {number}", company_name=f"{name} customer {number}")
            company.seed_crm("Products", Product_Name=f"{name} product {number}", Product_Code=f"{name}-{number}", Unit_Price=1)
    yield made
    for company in made.values():
        company.ledger.close()


def names(company: Company) -> set[str]:
    return {row["Account_Name"] for row in company.crm().values()} | {row["contact_name"] for row in company.books().values()}


async def test_three_connections_at_once_keep_to_themselves_and_the_one_that_fails_stops_none(three: dict[str, Company]) -> None:
    tokyo, berlin, broken = three[TOKYO], three[BERLIN], three[BROKEN]
    assert set(tokyo.crm()) == set(berlin.crm()) and set(tokyo.books()) == set(berlin.books())  # the ids are the same
    ended = await asyncio.gather(*(one.sync() for one in three.values()), return_exceptions=True)
    assert isinstance(ended[2], Unreachable)
    reports = dict(zip((TOKYO, BERLIN), ended[:2], strict=True))
    for name, report in reports.items():
        assert not isinstance(report, BaseException) and report.status == "green", report
        company = three[name]
        assert names(company) == {f"{name} {kind} {number}" for kind in ("account", "customer") for number in range(12)}
        assert len(company.crm()) == len(company.books()) == 24
        links = {(one.crm.id, one.books.id) for one in company.ledger.all_links(name, "customers")}
        assert links == {(row_id, row["renkei_books_id"]) for row_id, row in company.crm().items()}
    assert len(broken.crm()) == len(broken.books()) == 12 and not list(broken.ledger.all_links(BROKEN))
    assert broken.ledger.runs(BROKEN)[0].status == "red"

    shared = sorted(set(tokyo.crm()) & set(berlin.crm()))
    ids_of = {name: {run.id for run in tokyo.ledger.runs(name)} for name in three}
    for row_id in shared:
        ref = Ref("crm", "Accounts", row_id)
        for name in (TOKYO, BERLIN):
            story = three[name].ledger.story(name, ref)
            assert story and {run for run, _ in story} <= ids_of[name]
            assert three[name].ledger.mirrors(name, "crm", "Accounts", [row_id])[row_id].row["Account_Name"].startswith(name)
    assert tokyo.ledger.verify().broken is None


async def test_an_edit_a_decision_and_the_calls_of_one_are_not_the_others(three: dict[str, Company]) -> None:
    tokyo, berlin = three[TOKYO], three[BERLIN]
    await asyncio.gather(tokyo.sync(), berlin.sync())
    first = min(set(tokyo.crm()) & set(berlin.crm()))
    tokyo.edit_crm("Accounts", first, Phone="03-1234-5678")
    berlin.world.clock.advance(600)
    before = len(berlin.world.requests)
    changed, _ = await asyncio.gather(tokyo.sync(full=False), berlin.quiet(full=False))
    assert changed.entities["customers"]["writes"] == {"crm": 0, "books": 1}
    assert not [one for one in berlin.world.requests.rows[before:] if one.method in ("PUT", "POST") and "coql" not in one.path
                and "oauth" not in one.path]  # fmt: skip
    for company in (tokyo, berlin):
        asked = [one.query for one in company.world.requests.rows if "organization_id=" in one.query]
        assert asked and all(f"organization_id={company.world.organization}" in one for one in asked)
    calls = {one.spec.name: status(one.ledger, one.spec, one.clock.now())["calls"]["crm"]["used"] for one in (tokyo, berlin)}
    assert calls[TOKYO] > 0 and calls[BERLIN] > 0
    ledger = tokyo.ledger
    assert ledger.token("TOKYO") is not None and ledger.token("ANNA") is not None and ledger.token("BERND") is not None
