"""A row that breaks an arrival rule is quarantined, by whichever run comes to decide about it."""

from __future__ import annotations

import pytest
from company import Company

from renkei.core.errors import RenkeiError
from renkei.core.values import Ref


@pytest.fixture
def broken(company: Company) -> Ref:
    """A CRM account that the arrival check refuses, beside a sound one."""
    company.seed_crm("Accounts", Account_Name="Sound Ltd")
    ref = Ref("crm", "Accounts", company.seed_crm("Accounts", Account_Name="Broken Ltd"))
    company.judge.refused.add(ref.id)
    return ref


async def test_a_plan_before_the_sync_does_not_let_it_through(company: Company, broken: Ref) -> None:
    await company.sync(plan_only=True)
    await company.sync()
    assert company.outcome(broken) == ("quarantined", "a rule")
    assert [row["company_name"] for row in company.books().values()] == ["Sound Ltd"]


async def test_a_run_that_died_after_reading_does_not_let_it_through(company: Company, broken: Ref) -> None:
    company.world.faults.add("500@books:GET/contacts")
    with pytest.raises(RenkeiError):
        await company.sync()
    company.world.faults.clear()
    company.world.clock.advance(60)
    await company.sync(full=False)
    assert company.outcome(broken) == ("quarantined", "a rule")


async def test_it_goes_on_once_it_passes(company: Company, broken: Ref) -> None:
    await company.sync(plan_only=True)
    company.judge.refused.clear()
    await company.sync()
    assert sorted(row["company_name"] for row in company.books().values()) == ["Broken Ltd", "Sound Ltd"]
    assert company.ledger.quarantine(company.spec.name) == []
