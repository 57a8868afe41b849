"""Sandbox and production: what is declared, what the CRM organisation is, and what was named must be one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Company

from renkei.core.errors import WrongEnvironment


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.seed_crm("Accounts", Account_Name="Acme")
        yield made


def declare(company: Company, environment: str | None, kind: str) -> None:
    company.spec = dataclasses.replace(company.spec, environment=environment)
    company.world.crm.org["type"] = kind


@pytest.mark.parametrize("declared", ["production", "sandbox", None])
@pytest.mark.parametrize("kind", ["production", "sandbox", "developer"])
@pytest.mark.parametrize("named", ["", "production", "sandbox"])
async def test_a_run_writes_only_where_all_three_agree(company: Company, declared: str | None, kind: str, named: str) -> None:
    declare(company, declared, kind)
    fits = declared is None or (declared == "production") == (kind == "production")
    said = (named or "sandbox") == declared if declared else not named
    if fits and said:
        report = await company.sync(environment=named)
        assert report.entities["customers"]["writes"]["books"] == 1
        return
    with pytest.raises(WrongEnvironment) as refused:
        await company.sync(environment=named)
    assert refused.value.written == "Nothing was written." and refused.value.fix
    assert company.books() == {}


async def test_production_is_planned_without_the_word_and_applied_with_it(company: Company) -> None:
    declare(company, "production", "production")
    plan = await company.sync(plan_only=True)
    with pytest.raises(WrongEnvironment, match="nobody said so"):
        await company.apply(plan)
    assert company.books() == {}
    await company.apply(plan, environment="production")
    assert len(company.books()) == 1


async def test_a_plan_is_refused_too_where_the_organisation_is_of_another_kind(company: Company) -> None:
    declare(company, "sandbox", "production")
    with pytest.raises(WrongEnvironment, match="kind production"):
        await company.sync(plan_only=True)


async def test_an_hourly_run_that_asks_nobody_refuses_by_what_the_last_survey_saw(company: Company) -> None:
    declare(company, None, "production")
    await company.sync()
    declare(company, "sandbox", "production")
    company.seed_crm("Accounts", Account_Name="Beta")
    with pytest.raises(WrongEnvironment):
        await company.sync(full=False, environment="sandbox")
    assert len(company.books()) == 1
