"""The nightly run: every record of both sides is compared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Environment, run_batch


@flow(name="nightly", flow_run_name="nightly {connection}")
async def nightly(
    connection: str,
    entities: list[str] | None = None,
    full: bool = True,
    only: list[str] | None = None,
    since: datetime | None = None,
    plan_only: bool = False,
    environment: Environment = "",
) -> State[Any]:
    """A full compare of every entity unless some are named."""
    return await run_batch(
        "nightly", connection, entities=entities, full=full, only=only, since=since, plan_only=plan_only, environment=environment
    )
