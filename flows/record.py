"""One record, now: on request, without waiting for a batch, by the same sequence and into the same ledger."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Environment, run_batch


@flow(name="record", flow_run_name="record {record}")
async def record(connection: str, record: str, plan_only: bool = False, environment: Environment = "") -> State[Any]:
    """A record and its partner. `record` is a REF, such as `crm:Accounts:ID` or `books:contacts:ID`."""
    return await run_batch("record", connection, only=[record], plan_only=plan_only, environment=environment)
