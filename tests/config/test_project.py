"""The project: what declarations become, override folders, hashes of content, the schemas that editors use."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml

from renkei.config.check import check
from renkei.config.cross_checks import cron_problem
from renkei.config.project import Project, load_project, spec_hash, with_hosts
from renkei.config.schema import FOLDER, MODELS, json_schema, schema_text
from renkei.config.settings import Settings
from renkei.core.connection import Brakes, Budget, Deletes, EntitySettings, Hosts
from renkei.core.deal_lines import LinesSpec
from renkei.core.errors import AskedWrongly

ROOT = Path(__file__).parents[2]
SMALLEST = 'connection: acme\ntime_zone: Asia/Tokyo\ncredentials: ACME\nbooks: {organization: "60001234567"}\n'
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A copy of the repository's declarations in which a test writes files."""
    for folder in ("connections", "mappings", "expectations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return tmp_path

    return write_file


def load(base: Path) -> Project:
    return load_project(Settings.from_environment({}, base))


def test_the_smallest_connection_has_the_documented_defaults(write: Write) -> None:
    connection = load(write("connections/acme.yaml", SMALLEST)).connection("acme")
    assert connection.customers == connection.products == EntitySettings()
    assert connection.budget == Budget() and connection.brakes == Brakes()
    assert (connection.nightly, connection.hourly) == ("0 2 * * *", "0 7-22 * * *")
    assert (connection.crm_key, connection.books_key) == ("renkei_books_id", "cf_renkei_crm_id")
    assert connection.crm.hosts == Hosts("https://accounts.zoho.jp", "https://www.zohoapis.jp", "https://content.zohoapis.jp")
    assert (connection.crm.credentials, connection.books.credentials) == ("ACME", "ACME")
    assert (connection.edition, connection.deals, connection.native) == ("books", "none", "unknown")


def test_everything_that_a_connection_can_say_arrives(write: Write) -> None:
    text = """\
connection: acme
time_zone: Europe/Berlin
mappings: acme
crm: {data_center: eu, credentials: ACME_CRM}
books: {edition: books, organization: "60001234567", credentials: ACME_BOOKS, hosts: {accounts: "https://a.example/", api: "https://b.example/"}}
keys: {crm: renkei_books_de, books: cf_renkei_de}
customers: {modules: accounts_and_contacts, views: {Contacts: B, Accounts: A}, duplicates: clone, deletes: ask}
deals: invoices
deals_since: "2026-04-01"
publish: {summaries: false}
brakes: {creates: null, changed_share: 1}
native: off
permissions:
  Sales: {invoices: [view, email], receivables: [view]}
"""
    write("mappings/acme/accounts.yaml", "mapping: accounts\n")
    connection = load(write("connections/acme.yaml", text)).connection("acme")
    assert (connection.crm.credentials, connection.books.credentials) == ("ACME_CRM", "ACME_BOOKS")
    assert connection.crm.hosts.api == "https://www.zohoapis.eu"
    assert connection.books.hosts == Hosts("https://a.example", "https://b.example", "")
    assert connection.customers.views == (("Accounts", "A"), ("Contacts", "B"))
    assert (connection.customers.duplicates, connection.customers.deletes) == ("clone", "ask")
    assert connection.deals_since == date(2026, 4, 1) and connection.closed_until is None
    assert (connection.publish_summaries, connection.publish_documents) == (False, True)
    assert (connection.brakes.creates, connection.brakes.changed_share, connection.brakes.removed_share) == (None, 1, 0.02)
    assert connection.native == "off"
    assert connection.permissions == (("Sales", (("invoices", ("view", "email")), ("receivables", ("view",)))),)


@pytest.mark.parametrize("word", get_args(Deletes))
def test_every_word_of_deletes_is_taken(write: Write, word: str) -> None:
    text = SMALLEST + f"customers: {{deletes: {word}}}\nproducts: {{deletes: {word}}}\n"
    connection = load(write("connections/acme.yaml", text)).connection("acme")
    assert (connection.customers.deletes, connection.products.deletes) == (word, word)


def test_brakes_off_is_all_of_them_off(write: Write) -> None:
    brakes = load(write("connections/acme.yaml", SMALLEST + "brakes: off\n")).connection("acme").brakes
    assert dataclasses.astuple(brakes) == (None, None, None, None, None, False)


def test_an_override_folder_replaces_takes_out_and_adds_fields_for_its_connection_only(write: Write) -> None:
    write(
        "mappings/acme/products.yaml",
        "mapping: products\n"
        "fields:\n"
        "  taxable: null\n"
        "  unit: {kind: text, crm: Unit, books: unit, owner: books}\n"
        "  colour: {kind: text, crm: Colour, books: cf_colour, owner: crm}\n",
    )
    project = load(write("connections/acme.yaml", SMALLEST + "mappings: acme\n"))
    ours = project.mappings_of(project.connection("acme"))["products"]
    theirs = project.mappings_of(project.connection("demo"))["products"]
    expected = [item.name for item in theirs.fields if item.name != "taxable"] + ["colour"]
    assert [item.name for item in ours.fields] == expected
    assert (ours.field("unit").crm, theirs.field("unit").crm) == ("Unit", "Usage_Unit")
    assert ours.match == theirs.match and ours.label == theirs.label
    assert (
        project.mappings_of(project.connection("acme"))["accounts"] == project.mappings_of(project.connection("demo"))["accounts"]
    )


def test_moving_a_line_or_a_comment_changes_no_hash_and_changing_a_rule_does(write: Write) -> None:
    base = write("connections/acme.yaml", SMALLEST)
    before = load(base)
    path = base / "mappings" / "products.yaml"
    text = path.read_text(encoding="utf-8")
    write("mappings/products.yaml", "# a word more\n\n" + text)
    moved = load(base)
    acme = before.connection("acme")
    assert spec_hash(moved.mappings[""]["products"]) == spec_hash(before.mappings[""]["products"])
    assert moved.configuration(acme) == before.configuration(acme)
    write("mappings/products.yaml", text.replace("books: 0", "books: 1"))
    changed = load(base)
    assert spec_hash(changed.mappings[""]["products"]) != spec_hash(before.mappings[""]["products"])
    assert changed.rules(acme, "products") != before.rules(acme, "products")
    assert changed.rules(acme, "customers") == before.rules(acme, "customers")


def test_the_configuration_is_plain_json_with_rules_and_suites_and_without_places(write: Write) -> None:
    base = write("connections/acme.yaml", SMALLEST)
    project = load(base)
    configuration = project.configuration(project.connection("acme"))
    text = json.dumps(configuration)
    assert set(configuration) == {"connection", "mappings", "summaries", "expectations"}
    assert "arrival/crm_accounts" in configuration["expectations"]
    assert str(base) not in text


def test_a_changed_policy_makes_a_full_compare_of_its_entity_due(write: Write) -> None:
    project = load(write("connections/acme.yaml", SMALLEST))
    acme = project.connection("acme")
    other = dataclasses.replace(acme, customers=dataclasses.replace(acme.customers, duplicates="clone"))
    assert project.rules(other, "customers") != project.rules(acme, "customers")
    assert project.rules(other, "products") == project.rules(acme, "products")


DEALS = f"{SMALLEST}deals: invoices\nmappings: own\n"


def test_a_connection_reads_its_own_deals_over_the_shipped_ones(write: Write) -> None:
    write(
        "mappings/own/deals.yaml", "mapping: deals\nfields: {reference: null, notes: Remarks}\ninvoices: {date: Closing_Date}\n"
    )
    project = load(write("connections/acme.yaml", DEALS))
    ours, shipped = project.deals_of(project.connection("acme")), project.deals[""]
    assert ours.lines == shipped.lines and ours.estimates == shipped.estimates
    assert dict(ours.fields) == {**{name: path for name, path in shipped.fields if name != "reference"}, "notes": "Remarks"}
    assert (ours.invoices.date, ours.invoices.due) == ("Closing_Date", "terms")


def test_an_override_of_deals_takes_out_a_whole_part_with_null(write: Write) -> None:
    write("mappings/own/deals.yaml", "mapping: deals\nlines: null\n")
    project = load(write("connections/acme.yaml", DEALS))
    ours = project.deals_of(project.connection("acme"))
    assert ours.lines == LinesSpec() and ours.fields == project.deals[""].fields


def test_only_a_connection_whose_deals_make_documents_needs_their_mapping(write: Write) -> None:
    base = write("connections/acme.yaml", SMALLEST)
    (base / "mappings" / "deals.yaml").unlink()
    assert check(Settings.from_environment({}, base)) == []
    write("connections/acme.yaml", SMALLEST + "deals: estimates\n")
    (fault,) = check(Settings.from_environment({}, base))
    assert fault.message == "deals: estimates needs mappings/deals.yaml, which is not there; copy the one that comes with renkei"


def test_what_deals_give_governs_only_the_runs_of_deals(write: Write) -> None:
    base = write("connections/acme.yaml", DEALS.replace("mappings: own\n", ""))
    before = load(base)
    acme = before.connection("acme")
    path = base / "mappings" / "deals.yaml"
    text = path.read_text(encoding="utf-8")
    write("mappings/deals.yaml", "# moved\n" + text)
    assert load(base).configuration(acme) == before.configuration(acme) and "deals" in before.configuration(acme)
    write("mappings/deals.yaml", text.replace("inclusive_tax: false", "inclusive_tax: true"))
    changed = load(base)
    assert changed.configuration(acme)["deals"] != before.configuration(acme)["deals"]
    assert [changed.rules(acme, one) != before.rules(acme, one) for one in ("customers", "products", "deals")] == [
        False, False, True,
    ]  # fmt: skip
    assert before.rules(dataclasses.replace(acme, deals="estimates"), "deals") != before.rules(acme, "deals")


def test_the_demo_gets_other_hosts_in_memory() -> None:
    project = load(ROOT)
    moved = with_hosts(project.connection("demo"), "http://127.0.0.1:9/", "http://127.0.0.1:9")
    again = project.with_connection(moved)
    assert again.connection("demo").crm.hosts == again.connection("demo").books.hosts
    assert again.connection("demo").books.hosts.api == "http://127.0.0.1:9"
    assert project.connection("demo").books.hosts.api == "http://127.0.0.1:8765"


def test_an_unknown_connection_is_answered_with_the_nearest_name(write: Write) -> None:
    project = load(write("connections/acme.yaml", SMALLEST))
    with pytest.raises(AskedWrongly, match="did you mean 'acme'"):
        project.connection("amce")
    with pytest.raises(AskedWrongly, match="acme, demo"):
        project.connection()


def test_a_suite_that_a_connection_needs_and_that_is_not_there_is_a_fault(write: Write) -> None:
    base = write("connections/acme.yaml", SMALLEST)
    (base / "expectations" / "canonical" / "persons.yaml").unlink()
    faults = check(Settings.from_environment({}, base))
    assert [Path(fault.file).name for fault in faults] == ["persons.yaml", "persons.yaml"]
    assert {"'acme'" in fault.message for fault in faults} == {True, False}


def test_folders_that_are_not_there_are_named(tmp_path: Path) -> None:
    faults = check(Settings.from_environment({}, tmp_path))
    assert [Path(fault.file).name for fault in faults] == ["connections", "mappings"]


@pytest.mark.parametrize("expression", ["0 2 * * *", "*/5 7-22 1,15 * 1-5", "0 7-22/2 * 12 0"])
def test_a_cron_expression_that_says_a_time_is_taken(expression: str) -> None:
    assert cron_problem(expression) is None


@pytest.mark.parametrize("expression", ["", "0 2 * *", "60 * * * *", "0 22-7 * * *", "*/0 * * * *", "0 2 * * MON", "0 2 31 2 *"])
def test_a_cron_expression_that_says_none_is_refused(expression: str) -> None:
    assert cron_problem(expression)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_schema_files_are_those_of_the_models(kind: str) -> None:
    assert (FOLDER / f"{kind}.json").read_text(encoding="utf-8") == schema_text(kind)
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))


def test_what_ships_is_valid_by_the_schemas_that_editors_use() -> None:
    def content(path: Path) -> object:
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    jsonschema.validate(content(ROOT / "connections" / "demo.yaml"), json_schema("connection"))
    jsonschema.validate(content(ROOT / "mappings" / "summaries.yaml"), json_schema("summaries"))
    jsonschema.validate(content(ROOT / "mappings" / "deals.yaml"), json_schema("deals"))
    for name in ("accounts", "contacts", "persons", "products"):
        jsonschema.validate(content(ROOT / "mappings" / f"{name}.yaml"), json_schema("mapping"))
    for path in (ROOT / "expectations").rglob("*.yaml"):
        jsonschema.validate(content(path), json_schema("suite"))
