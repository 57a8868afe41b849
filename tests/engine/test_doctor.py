"""Doctor: one thing is broken at a time, and exactly that line fails, with its fix; nothing is written to either side."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from company import Company
from cryptography.fernet import Fernet

from renkei.config.settings import credential_store
from renkei.core.deal_lines import LinesSpec
from renkei.core.mapping import JoinRule
from renkei.engine.doctor import CHECKS, Finding, examine
from renkei.house import open_patient
from renkei.sandbox.books.fields import CustomField

CRM_READS = ("modules", "fields", "layouts", "custom_views", "currencies", "profiles")
SCOPES = [
    "ZohoCRM.modules.ALL", *(f"ZohoCRM.settings.{one}.READ" for one in CRM_READS), "ZohoCRM.users.READ", "ZohoCRM.org.READ",
    "ZohoCRM.coql.READ", "ZohoBooks.contacts.ALL", "ZohoBooks.settings.ALL", "ZohoBooks.invoices.READ",
    "ZohoBooks.estimates.READ", "ZohoBooks.salesorders.READ",
]  # fmt: skip
PREFECT = {"PREFECT_API_URL": "http://prefect.test/api"}


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path, "synthetic:10") as made:
        yield made


async def looked_at(company: Company, **asked: Any) -> dict[str, Finding]:
    before = company.crm(), company.books()
    project = company.project.with_connection(company.spec)
    async with open_patient(
        project, company.spec, company.environ, transport=company.transport, clock=company.clock, **asked
    ) as patient:
        found = await examine(patient)
    assert (company.crm(), company.books()) == before
    assert [one.check for one in found] == [check.name for check in CHECKS]
    assert all(bool(one.fix) == (one.state == "fail") for one in found)
    return {one.check: one for one in found}


async def only(company: Company, check: str, *words: str, **asked: Any) -> Finding:
    """Exactly this check fails, and says these words in what is wrong or in the fix."""
    found = await looked_at(company, **asked)
    assert {name: one.said for name, one in found.items() if one.state == "fail"}.keys() == {check}, found
    for word in words:
        assert word in f"{found[check].said} {found[check].fix}", found[check]
    return found[check]


def field(company: Company, module: str, name: str, **changes: Any) -> None:
    """Change a field of the CRM as an administrator does; `gone=True` takes it away."""
    table = company.world.crm.tables[module]
    fields = dict(table.fields)
    if changes.pop("gone", False):
        del fields[name]
    else:
        fields[name] = dataclasses.replace(fields[name], **changes)
    table.set_fields(fields)


def scoped(company: Company, *without: str, user: str | None = None) -> None:
    """A token that lacks some scopes."""
    token = company.world.add_credentials([one for one in SCOPES if one not in without], user)
    company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = token


async def test_a_connection_that_is_in_order(company: Company) -> None:
    scoped(company)
    found = await looked_at(company)
    assert {name for name, one in found.items() if one.state == "skipped"} == {"profiles", "prefect"}
    assert not [one for one in found.values() if one.state == "fail"]
    assert "Sync User <sync@example.jp>" in found["crm token"].said
    assert "contacts.cf_crm_owner" in found["mapped fields"].said  # optional and not there: told, no failure
    assert company.world.requests.count("accounts") == 1  # both sides share one token
    assert company.world.requests.count("crm") + company.world.requests.count("books") <= 30


async def test_a_file_with_a_fault(company: Company) -> None:
    found = await looked_at(company, faults=("mappings/accounts.yaml:7:5: wrong", "and.yaml:1:1: wrong"))
    assert [name for name, one in found.items() if one.state == "fail"] == ["declarations"]
    assert found["declarations"].fix == "renkei check" and "(and 1 more)" in found["declarations"].said
    assert company.world.requests.count() == 0


async def test_a_credential_that_is_nowhere(company: Company) -> None:
    del company.environ["RENKEI_DEMO_CLIENT_SECRET"]
    await only(company, "credentials", "RENKEI_DEMO_CLIENT_SECRET", "Set them")
    assert company.world.requests.count() == 0


async def test_stored_credentials_that_others_may_read(company: Company) -> None:
    company.environ["RENKEI_STORE_KEY"] = Fernet.generate_key().decode()
    parts = ("client_id", "client_secret", "refresh_token")
    store = credential_store(company.environ)
    store.put("DEMO", {part: company.environ.pop(f"RENKEI_DEMO_{part.upper()}") for part in parts})
    assert (await looked_at(company))["credentials"].said == "crm: the encrypted store; books: the encrypted store"
    store.path("DEMO").chmod(0o640)
    await only(company, "credentials", "chmod 600")


async def test_a_refresh_token_that_was_revoked_though_an_access_token_is_still_good(company: Company) -> None:
    await looked_at(company)
    company.world.oauth.refresh_tokens.clear()
    found = await looked_at(company)
    assert [name for name, one in found.items() if one.state == "fail"] == ["crm token", "books token"]
    assert "revoked" in found["crm token"].fix


async def test_doctor_leaves_half_of_the_tokens_of_ten_minutes_to_others(company: Company) -> None:
    for _ in range(9):
        assert (await looked_at(company))["crm token"].state == "ok"
    assert company.world.requests.count("accounts") == 5


async def test_a_user_who_may_not_administer_the_crm(company: Company) -> None:
    person = next(one for one in company.world.crm.users.values() if one["email"] == "yuko.suzuki@example.jp")
    scoped(company, user=person["id"])
    found = await looked_at(company)
    assert [name for name, one in found.items() if one.state == "fail"] == ["crm token", "books token"]
    assert "yuko.suzuki@example.jp" in found["crm token"].said and "may not administer" in found["books token"].said


@pytest.mark.parametrize("scope", [one for one in SCOPES if one.startswith("ZohoCRM")])
@pytest.mark.parametrize("told", [True, False])
async def test_a_scope_of_the_crm_that_is_missing(
    company: Company, scope: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoped(company, scope)
    if not told:
        hide_scopes(company, monkeypatch)
    await only(company, "crm scopes", scope.replace("modules.ALL", "modules.accounts.ALL"))


@pytest.mark.parametrize("scope", ["ZohoBooks.contacts.ALL", "ZohoBooks.invoices.READ", "ZohoBooks.salesorders.READ"])
@pytest.mark.parametrize("told", [True, False])
async def test_a_scope_of_books_that_is_missing(
    company: Company, scope: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoped(company, scope)
    if not told:
        hide_scopes(company, monkeypatch)
    await only(company, "books scopes", scope, "Authorise again")


async def test_a_scope_to_write_that_is_missing_is_known_from_what_the_accounts_host_says(company: Company) -> None:
    company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials(
        [one.replace("ZohoBooks.contacts.ALL", "ZohoBooks.contacts.READ") for one in SCOPES]
    )
    await only(company, "books scopes", "ZohoBooks.contacts.ALL")


def hide_scopes(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """An accounts host that does not say what it grants (books-v3.md section 1.2)."""
    answer = company.world.oauth._answer
    monkeypatch.setattr(
        company.world.oauth, "_answer",
        lambda *args: {name: value for name, value in answer(*args).items() if name != "scope"},
    )  # fmt: skip


async def test_a_token_of_the_other_edition(company: Company) -> None:
    crm = [one for one in SCOPES if one.startswith("ZohoCRM")]
    company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials([*crm, "ZohoInvoice.fullaccess.all"])
    await only(company, "edition", "Zoho Invoice", "books.edition: invoice")


async def test_an_organisation_that_the_token_does_not_know(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, organization="60055555555")
    await only(company, "books organisation", "60055555555", company.world.organization)


async def test_another_crm_organisation_than_that_of_former_runs(company: Company) -> None:
    await company.sync()
    company.world.crm.org["zgid"] = "99990000"
    await only(company, "crm organisation", "99990000", "another name")


async def test_estimates_that_are_switched_off_fail_only_where_deals_make_them(company: Company) -> None:
    company.world.books.main.switched_off |= {"estimates", "salesorders"}
    assert "estimates, sales orders" in (await looked_at(company))["estimates and sales orders"].said
    company.spec = dataclasses.replace(company.spec, deals="estimates")
    await only(company, "estimates and sales orders", "deals: none")


async def test_an_invoice_edition_that_has_no_sales_orders_says_so(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, edition="invoice")
    found = await looked_at(company)
    assert not [one for one in found.values() if one.state == "fail"], found
    assert "no sales orders" in found["estimates and sales orders"].said


async def test_different_base_currencies(company: Company) -> None:
    company.world.crm.org["iso_code"] = "USD"
    await only(company, "base currency", "USD", "JPY", "rate source")


async def test_a_currency_that_books_does_not_know_is_told(company: Company) -> None:
    del company.world.books.main.currencies["460000000000099"]
    assert "USD" in (await looked_at(company))["base currency"].said


async def test_another_time_zone_on_one_side(company: Company) -> None:
    company.world.crm.org["time_zone"] = "Europe/Berlin"
    await only(company, "time zone", "CRM Europe/Berlin", "time_zone")


async def test_two_names_of_one_time_zone_are_one(company: Company) -> None:
    company.world.crm.org["time_zone"] = "Japan"
    assert (await looked_at(company))["time zone"].state == "ok"


@pytest.mark.parametrize(("seconds", "side"), [(-90, "books"), (3600, "crm")])
async def test_clocks_that_differ(company: Company, seconds: int, side: str) -> None:
    company.world.faults.add(f"clock-skew={seconds}@{side}")
    await only(company, "clock", f"{seconds:+} s", "NTP")


async def test_clocks_that_differ_by_less_than_a_minute(company: Company) -> None:
    company.world.faults.add("clock-skew=-40")
    assert (await looked_at(company))["clock"].state == "ok"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gone": True}, "Products has no renkei_books_id"),
        ({"unique": False}, "allows duplicates"),
        ({"read_only": True}, "read-only"),
        ({"length": 10}, "takes 10 characters, 19 are needed"),
        ({"type": "integer"}, "is integer, not text"),
    ],
)
async def test_a_key_field_of_the_crm_that_is_wrong(company: Company, change: dict[str, Any], words: str) -> None:
    field(company, "Products", "renkei_books_id", **change)
    await only(company, "crm key field", words, "Do not allow duplicate values")


@pytest.mark.parametrize("gone", [True, False])
async def test_a_key_field_of_books_that_is_wrong(company: Company, gone: bool) -> None:
    fields = company.world.books.main.fields
    fields["item"] = [] if gone else [dataclasses.replace(one, is_unique=False) for one in fields["item"]]
    words = "items has no cf_renkei_crm_id" if gone else "allows duplicates"
    await only(company, "books key field", words, "Prevent duplicate values")


async def test_a_key_field_of_documents_is_asked_for_where_renkei_makes_them(company: Company) -> None:
    company.world.books.main.fields["estimate"] = []
    assert (await looked_at(company))["books key field"].state == "ok"
    company.spec = dataclasses.replace(company.spec, deals="estimates")
    await only(company, "books key field", "estimates has no cf_renkei_crm_id", "renkei --connection demo prepare")


async def test_a_mapped_field_that_is_not_there(company: Company) -> None:
    field(company, "Accounts", "Fax", gone=True)
    await only(company, "mapped fields", "Accounts.Fax", "take them out")


async def test_a_number_by_which_documents_are_proposed_to_deals_is_no_field_of_deals(company: Company) -> None:
    shipped = company.project.summaries[""]
    rule = JoinRule(("invoices",), "reference_number", "PO_Number")
    company.project = dataclasses.replace(company.project, summaries={"": dataclasses.replace(shipped, joins=(rule,))})
    await only(company, "mapped fields", "Deals.PO_Number", "take them out")


async def test_what_deals_give_their_documents_is_looked_for_in_the_crm_and_in_books(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    assert (await looked_at(company))["mapped fields"].state == "ok"
    field(company, "Deals", "Deal_Lines", gone=True)  # optional: each deal gives one line
    assert "left out: contacts.cf_crm_owner, Deals.Deal_Lines" in (await looked_at(company))["mapped fields"].said
    field(company, "Deals", "Amount", gone=True)
    await only(company, "mapped fields", "Deals.Amount", "take them out")


async def test_a_subform_of_deals_under_another_name_is_not_passed_over_in_silence(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    table = company.world.crm.tables["Deals"]
    lines = table.fields["Deal_Lines"]
    fields = {name: one for name, one in table.fields.items() if name != "Deal_Lines"}
    table.set_fields({**fields, "Subform_1": dataclasses.replace(lines, name="Subform_1")})
    await only(company, "mapped fields", "Deals has Subform_1, and no Deal_Lines", "lines: null", "mappings/deals.yaml")
    company.project = dataclasses.replace(
        company.project, deals={"": dataclasses.replace(company.project.deals[""], lines=LinesSpec())}
    )
    assert (await looked_at(company))["mapped fields"].state == "ok"


async def test_a_mapping_of_deals_that_takes_one_type_for_another_or_names_a_tax_that_is_not_there(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, deals="estimates")
    shipped = company.project.deals[""]
    fields = (("item", "Description.id"), ("quantity", "Qty"), ("price", "List_Price"), ("tax", "Line_Tax"))
    lines = dataclasses.replace(shipped.lines, fields=fields, taxes=(("課税", "9%"),))
    company.project = dataclasses.replace(company.project, deals={"": dataclasses.replace(shipped, lines=lines)})
    await only(company, "mapped fields", "Deal_Lines.Qty")
    fields = (("item", "Description.id"), *fields[2:])
    lines = dataclasses.replace(lines, fields=fields)
    company.project = dataclasses.replace(company.project, deals={"": dataclasses.replace(shipped, lines=lines)})
    words = ("Deal_Lines.Description is textarea, which cannot be item", "Books has no tax 9%, or several", "mappings/deals.yaml")
    await only(company, "mapped fields", *words)


async def test_a_mapped_field_that_the_user_may_not_write(company: Company) -> None:
    field(company, "Accounts", "Website", read_only=True)
    await only(company, "mapped fields", "read-only: Accounts.Website", "profile")
    company.choose(direction="to_books")  # nothing is written there then
    assert (await looked_at(company))["mapped fields"].state == "ok"


async def test_a_mandatory_field_that_no_mapping_fills(company: Company) -> None:
    field(company, "Accounts", "Industry", mandatory=True)
    await only(company, "required fields", "Accounts.Industry", "create:")


async def test_a_mandatory_custom_field_of_books_that_no_mapping_fills(company: Company) -> None:
    region = CustomField("460000000090077", "cf_region", "Region", 7, is_mandatory=True)
    company.world.books.main.fields["contact"].append(region)
    await only(company, "required fields", "contacts.cf_region")


@pytest.mark.parametrize("module", ["Receivables", "Documents"])
@pytest.mark.parametrize(
    ("name", "change", "fix"),
    [
        ("Currency_Code", {"gone": True}, "renkei --connection demo prepare"),
        ("renkei_key", {"unique": False}, "Do not allow duplicate values"),
    ],
)
async def test_a_published_module_that_is_not_as_it_should_be(
    company: Company, module: str, name: str, change: dict[str, Any], fix: str
) -> None:
    field(company, f"Renkei_{module}", name, **change)
    found = await only(company, f"{module.lower()} module", name)
    assert found.fix.startswith(("renkei", "Setup")) and fix in found.fix


async def test_a_published_module_that_is_not_wanted_is_not_asked_for(company: Company) -> None:
    company.world.crm.remove_module("Renkei_Documents")
    await only(company, "documents module", "no module Renkei_Documents", "prepare")
    company.spec = dataclasses.replace(company.spec, publish_documents=False)
    assert (await looked_at(company))["documents module"].state == "skipped"


async def test_what_a_bare_organisation_lacks_is_told_with_the_command_that_makes_it(company: Company) -> None:
    company.world.reset("bare")
    found = await looked_at(company)
    assert {name for name, one in found.items() if one.state == "fail"} == {
        "crm key field", "books key field", "receivables module", "documents module",
    }  # fmt: skip
    assert all("renkei --connection demo prepare" in one.fix for one in found.values() if one.state == "fail")


async def test_a_receivables_module_that_is_not_there(company: Company) -> None:
    summaries = {name: dataclasses.replace(one, receivables="No_Such") for name, one in company.project.summaries.items()}
    company.project = dataclasses.replace(company.project, summaries=summaries)
    await only(company, "receivables module", "No_Such")


def permitted(company: Company, *profiles: str) -> None:
    view = tuple((kind, ("view",)) for kind in ("receivables", "estimates", "invoices", "sales_orders"))
    company.spec = dataclasses.replace(company.spec, permissions=tuple((one, view) for one in profiles))


async def test_a_profile_that_sees_more_than_its_right(company: Company) -> None:
    permitted(company, "Finance")
    await only(company, "profiles", "Standard may see Renkei_Receivables")
    permitted(company, "Finance", "Standard")
    assert (await looked_at(company))["profiles"].state == "ok"


async def test_a_profile_that_may_see_invoices_alone_sees_too_much_in_the_documents_module(company: Company) -> None:
    permitted(company, "Finance", "Standard")
    some = (("receivables", ("view",)), ("invoices", ("view",)))
    company.spec = dataclasses.replace(company.spec, permissions=(company.spec.permissions[0], ("Standard", some)))
    found = await only(company, "profiles", "Standard may see Renkei_Documents", "prepare", "Profiles > Standard")
    assert "Renkei_Receivables" not in found.said


async def test_a_profile_that_may_change_what_is_published(company: Company) -> None:
    permitted(company, "Finance", "Standard")
    standard = next(id for id, one in company.world.crm.profiles.items() if one["name"] == "Standard")
    company.world.crm.denied.remove((standard, "Renkei_Receivables", "Edit"))
    await only(company, "profiles", "Standard may change")


async def test_a_profile_that_is_not_shown_the_module(company: Company) -> None:
    permitted(company, "Finance")
    standard = next(id for id, one in company.world.crm.profiles.items() if one["name"] == "Standard")
    company.world.crm.denied |= {(standard, module, "View") for module in ("Renkei_Receivables", "Renkei_Documents")}
    assert (await looked_at(company))["profiles"].state == "ok"


async def test_without_roles_every_user_of_the_machine_holds_every_role(company: Company) -> None:
    assert "every user of this machine holds every role" in (await looked_at(company))["roles"].said
    company.spec = dataclasses.replace(company.spec, roles=(("administrator", ("os:hana",)), ("viewer", ())))
    assert (await looked_at(company))["roles"].said == "administrator os:hana"


async def test_a_day_whose_calls_are_used_up(company: Company) -> None:
    company.world.limits = True
    company.world.books.set_day_used(10_000)
    found = await only(company, "budget", "Wait for the day to end")
    assert found.fix


async def test_a_ledger_that_cannot_be_used(company: Company, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is no database")
    settings = dataclasses.replace(company.settings, ledger_url=f"sqlite:///{tmp_path / 'no.db'}")
    company.project = dataclasses.replace(company.project, settings=settings)
    await only(company, "ledger", "not a database")


async def test_a_ledger_that_is_not_there_yet_is_not_made(company: Company, tmp_path: Path) -> None:
    settings = dataclasses.replace(company.settings, ledger_url=f"sqlite:///{tmp_path / 'new' / 'one.db'}")
    company.project = dataclasses.replace(company.project, settings=settings)
    found = await looked_at(company)
    assert "first run makes it" in found["ledger"].said and found["newest seal"].state == "skipped"
    assert not (tmp_path / "new").exists()


async def test_a_ledger_of_an_older_renkei_is_left_as_it_is(company: Company) -> None:
    company.ledger.perform(sql("UPDATE alembic_version SET version_num = '0001'"))
    await only(company, "ledger", "older renkei", "renkei status")
    company.ledger.perform(sql("UPDATE alembic_version SET version_num = '9999'"))
    await only(company, "ledger", "9999", "newer")


async def test_a_touched_row_of_the_newest_run(company: Company) -> None:
    await company.sync()
    assert (await looked_at(company))["newest seal"].state == "ok"
    for trigger in company.ledger.perform(sql("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
        company.ledger.perform(sql(f"DROP TRIGGER {trigger}"))
    company.ledger.perform(sql("UPDATE outcomes SET reason = 'nothing happened' WHERE number = 2"))
    await only(company, "newest seal", "row 2", "renkei ledger verify")


async def test_pairs_of_the_built_in_integration_are_told(company: Company) -> None:
    assert (await looked_at(company))["built-in integration"].said == "no pair of it is known"
    account = company.seed_crm("Accounts", Account_Name="Kita")
    company.seed_books("contacts", contact_name="Minami", company_name="Minami", zcrm_account_id=account)
    await company.sync()
    assert "1 linked pairs of it. What it keeps" in (await looked_at(company))["built-in integration"].said
    company.spec = dataclasses.replace(company.spec, deals="invoices")
    assert "Switch off its own invoices for deals" in (await looked_at(company))["built-in integration"].said
    company.spec = dataclasses.replace(company.spec, native="off")
    assert "native: off" in (await looked_at(company))["built-in integration"].said


def sql(words: str) -> Any:
    from sqlalchemy import text

    return text(words)


# ------------------------------------------------------------------------------------------------------------ Prefect


def server(deployments: list[str], workers: list[str], status: int = 200) -> httpx.MockTransport:
    """A Prefect server's answers, in the shape of version 3."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path == "/api/deployments/filter":
            assert body == {"deployments": {"name": {"any_": ["demo"]}}}
            found = [{"name": "demo", "entrypoint": f"flows/{one}.py:{one}", "paused": False} for one in deployments]
        else:
            assert request.url.path == "/api/work_pools/renkei/workers/filter"
            found = [{"name": one, "status": "ONLINE"} for one in workers] + [{"name": "old", "status": "OFFLINE"}]
        return httpx.Response(status, json=found)

    return httpx.MockTransport(answer)


FLOWS = ["hourly", "nightly", "record", "apply", "replay", "documents"]


async def test_prefect_in_order(company: Company) -> None:
    company.environ |= PREFECT
    found = await looked_at(company, scheduler_transport=server(FLOWS, ["w1"]))
    assert found["prefect"].state == "ok" and "1 worker," in found["prefect"].said


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (server(FLOWS[:2], ["w1"]), "record/demo, apply/demo, replay/demo, documents/demo"),
        (server(FLOWS, []), "prefect worker start"),
        (server(FLOWS, [], 401), "PREFECT_API_KEY"),
        (server(FLOWS, [], 500), "HTTP 500"),
    ],
)
async def test_prefect_that_is_not_ready(company: Company, answers: httpx.MockTransport, words: str) -> None:
    company.environ |= PREFECT
    await only(company, "prefect", words, scheduler_transport=answers)


async def test_prefect_that_does_not_answer(company: Company) -> None:
    def nobody(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    company.environ |= PREFECT
    await only(company, "prefect", "does not answer", scheduler_transport=httpx.MockTransport(nobody))
