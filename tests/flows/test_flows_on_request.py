"""Flows that somebody asks for: what `renkei documents` does, under the same rights, and rows that waited, tried again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from prefect.client.schemas.objects import State
from prefect.logging import disable_run_logger
from test_document_rows import invoice, linked_pair, rows

from flows.documents import documents
from flows.replay import replay
from renkei.core.errors import AskedWrongly
from renkei.core.values import Ref
from renkei.engine.sequence import ENGINE

HOME = Path(__file__).parents[2]
PERMISSIONS = """
permissions:
  Standard: {estimates: [view, create], invoices: [view, create, email]}
"""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A company on a socket, and the environment of a worker that runs its flows."""
    with Company.served(tmp_path) as made:
        made.choose(duplicates="link", modules="accounts_and_contacts")
        host = made.spec.crm.hosts.api
        demo = (HOME / "connections" / "demo.yaml").read_text(encoding="utf-8").replace("http://127.0.0.1:8765", host)
        (tmp_path / "connections").mkdir()
        (tmp_path / "connections" / "demo.yaml").write_text(f'{demo}brakes: "off"\n{PERMISSIONS}', encoding="utf-8")
        monkeypatch.chdir(HOME)
        for name, value in {**made.environ, "RENKEI_CONNECTIONS": str(tmp_path / "connections")}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("renkei.house.GreatJudge", lambda suites: made.judge)
        with disable_run_logger():
            yield made


async def asked(verb: str, record: Ref, **given: Any) -> State[Any]:
    state: State[Any] = await documents.fn(connection="demo", verb=verb, record=str(record), acting_as="Standard", **given)
    return state


async def test_a_document_is_made_changed_joined_fetched_and_sent_by_a_flow_as_by_the_command(company: Company) -> None:
    account, customer = linked_pair(company, "Kita Ltd")
    deal = company.seed_crm("Deals", Deal_Name="Renewal", Stage="Qualification", Account_Name={"id": account})
    contact = company.seed_crm("Contacts", Last_Name="Mori", Email="mori@kita.example", Account_Name={"id": account})
    owed = Ref("books", "invoices", invoice(company, customer, 1000))
    await company.sync()
    line = {"name": "Advice", "quantity": 2, "price": 1000}
    made = await asked("create", Ref("crm", "Accounts", account), kind="estimates", fields={"lines": [line]})
    assert (made.type.value, made.name) == ("COMPLETED", "Completed")
    (estimate,) = company.books("estimates")
    number = company.books("estimates")[estimate]["estimate_number"]
    assert f"books:estimates:{estimate} {number} was made" in (made.message or "")
    run = company.ledger.run((made.message or "").rsplit(" ", 1)[-1])
    assert run is not None and (run.kind, run.actor) == ("create", "crm:Standard")
    assert [row.actor for row in company.ledger.outcomes(run.id) if row.outcome == "on_behalf"] == ["prefect"]

    changed = await asked("edit", Ref("books", "estimates", estimate), fields={"notes": "as we talked about"})
    assert "1 fields changed" in (changed.message or "")
    assert company.books("estimates")[estimate]["notes"] == "as we talked about"
    await asked("attach", owed, deal=f"crm:Deals:{deal}")
    assert rows(company)[f"demo:invoices:{owed.id}"]["Deal"]["id"] == deal
    company.world.books.pay(owed.id, 400)
    assert (await asked("refresh", owed)).name == "Completed"
    assert rows(company)[f"demo:invoices:{owed.id}"]["Balance"] == 600
    fetched = await asked("pdf", owed)
    assert "sha256 " in (fetched.message or "")

    template = str(company.world.books.main.email_templates["invoices"][0]["email_template_id"])
    sent = await asked("email", owed, template=template, to=[f"crm:Contacts:{contact}"])
    assert sent.message is not None and f"sent to crm:Contacts:{contact}" in sent.message and "mori@" not in sent.message
    assert len(company.world.books.mails()) == 1


async def test_what_the_profile_may_not_do_is_refused_to_the_flow_too_and_leaves_its_row(company: Company) -> None:
    account, _ = linked_pair(company, "Kita Ltd")
    await company.sync()
    line = {"name": "Advice", "quantity": 2, "price": 1000}
    state = await asked("create", Ref("crm", "Accounts", account), kind="sales_orders", fields={"lines": [line]})
    assert (state.type.value, state.name) == ("FAILED", "Refused") and "`create`" in str(state.message)
    assert "作成" in str(state.message) and not company.books("salesorders")
    run = company.ledger.runs("demo", 1)[0]
    assert (run.status, run.actor) == ("denied", "crm:Standard")
    wrong: State[Any] = await documents.fn(connection="demo", verb="pdf", record=f"crm:Accounts:{account}", acting_as="Nobody")
    assert wrong.name == "Refused"


async def test_rows_that_waited_are_tried_again_by_a_flow(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []

    async def keep(table: Any, **said: Any) -> None:
        kept.append((table, said["key"]))

    monkeypatch.setattr("flows.running.acreate_table_artifact", keep)
    monkeypatch.setattr("flows.running.STAGES", ENGINE)
    account = company.seed_crm("Accounts", Account_Name="Kita Ltd")
    company.judge.refused.add(account)
    await company.sync()
    assert company.outcome(Ref("crm", "Accounts", account))[0] == "quarantined" and not company.books()
    company.judge.refused.clear()
    ended = await replay.fn(connection="demo", records=[f"crm:Accounts:{account}"])
    assert ended.type.value == "COMPLETED" and len(company.books()) == 1
    ((_, key),) = kept
    done, opened = company.ledger.runs("demo", 2)
    assert key == "demo-replay" and (done.flow, done.kind, opened.kind) == ("replay", "sync", "replay")
    with pytest.raises(AskedWrongly, match="neither quarantined nor refused"):
        await replay.fn(connection="demo", records=["crm:Accounts:1"])
    with pytest.raises(AskedWrongly, match="Records and a rule"):
        await replay.fn(connection="demo", records=["crm:Accounts:1"], rule="expect_column_values_to_not_be_null")
