"""Publishing costs what benchmarks/publishing.py measures at 10,000 invoices, here at 600: no write and no call too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from publishing import MODULES, Counting, a_month, seed, wanted

CUSTOMERS, INVOICES = 40, 600


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        yield made


async def measured(company: Company, **asked: Any) -> tuple[dict[str, Any], Counter[str]]:
    inner = company.transport
    assert inner is not None
    company.transport = counting = Counting(inner)
    try:
        return (await company.sync(**asked)).entities, counting.calls
    finally:
        company.transport = inner


async def test_a_quiet_publish_writes_nothing_and_a_month_s_changes_write_only_what_moved(company: Company) -> None:
    seeded = seed(company.world, CUSTOMERS, INVOICES)
    await company.sync()
    company.world.clock.advance(3600)
    await company.sync(full=False)  # looks once more at what the first one linked
    rows = {module: len(company.crm(module)) for module in MODULES}
    assert rows == {"Renkei_Documents": INVOICES, "Renkei_Receivables": CUSTOMERS}
    for full in (True, False):
        entities, calls = await measured(company, full=full, entities=("documents", "summaries"))
        assert all(part["writes"]["crm"] == 0 for part in entities.values())
        assert {about: calls[about] for about, most in wanted(rows, INVOICES, full).items() if calls[about] > most} == {}
        assert calls["books invoices"] == (3 if full else 1)
    before = {key: dict(row) for module in MODULES for key, row in company.crm(module).items()}
    moved = a_month(company.world, seeded, 40)
    entities, _ = await measured(company, full=False)
    after = {key: row for module in MODULES for key, row in company.crm(module).items()}
    assert entities["documents"]["writes"]["crm"] == moved == 40
    assert sum(row != before.get(key) for key, row in after.items()) == 40 + entities["summaries"]["writes"]["crm"]
    assert entities["summaries"]["writes"]["crm"] <= CUSTOMERS and before.keys() <= after.keys()
    await company.quiet()
