"""A connection that is wrong is named, with the fix, and nothing is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company

from renkei.core.errors import CredentialsRefused, FieldMissing, RenkeiError, ScopeMissing, WrongEdition, WrongOrganization


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path, "synthetic:10") as made:
        yield made


async def refused(company: Company, kind: type[RenkeiError], *words: str) -> RenkeiError:
    """A run that ends with this error; the run's row is red and says it, and neither side was written to."""
    before = company.crm(), company.books()
    with pytest.raises(kind) as caught:
        await company.sync()
    assert (company.crm(), company.books()) == before
    last = company.ledger.runs("demo")[0]
    assert last.status == "red" and kind.__name__ in last.totals["notes"][0]
    said = str(caught.value)
    assert "Nothing was written." in said and all(word in said for word in words), said
    assert caught.value.fix
    return caught.value


async def test_a_wrong_secret(company: Company) -> None:
    company.environ["RENKEI_DEMO_CLIENT_SECRET"] = "wrong"
    error = await refused(company, CredentialsRefused)
    assert "wrong" not in str(error).split()  # the secret itself is never told


async def test_an_organisation_that_the_token_does_not_know(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, organization="60055555555")
    await refused(company, WrongOrganization, "60055555555", company.world.organization)


async def test_a_token_of_the_other_edition(company: Company) -> None:
    scopes = ["ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL", "ZohoCRM.org.ALL", "ZohoCRM.users.ALL", "ZohoCRM.coql.READ"]
    company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials([*scopes, "ZohoInvoice.fullaccess.all"])
    await refused(company, WrongEdition, "the connection says books")


async def test_a_key_field_that_is_not_there(company: Company) -> None:
    company.spec = dataclasses.replace(company.spec, crm_key="no_such_field")
    await refused(company, FieldMissing, "no_such_field", "Accounts")


async def test_a_receivables_module_that_is_not_there(company: Company) -> None:
    summaries = {name: dataclasses.replace(one, receivables="No_Such_Module") for name, one in company.project.summaries.items()}
    company.project = dataclasses.replace(company.project, summaries=summaries)
    await refused(company, FieldMissing, "No_Such_Module")


async def test_another_crm_organisation_under_the_same_connection(company: Company) -> None:
    await company.sync()
    company.world.crm.org["zgid"] = "99990000"
    await refused(company, WrongOrganization, "99990000")


async def test_a_scope_that_the_token_lacks(company: Company) -> None:
    company.environ["RENKEI_DEMO_REFRESH_TOKEN"] = company.world.add_credentials(["ZohoBooks.fullaccess.all", "ZohoCRM.org.ALL"])
    await refused(company, ScopeMissing)
