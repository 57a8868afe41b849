"""The hourly run: what changed on either side since the watermarks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Environment, run_batch


@flow(name="hourly", flow_run_name="hourly {connection}")
async def hourly(
    connection: str,
    entities: list[str] | None = None,
    full: bool = False,
    only: list[str] | None = None,
    since: datetime | None = None,
    plan_only: bool = False,
    environment: Environment = "",
) -> State[Any]:
    """Changes only, for every entity unless some are named."""
    return await run_batch(
        "hourly", connection, entities=entities, full=full, only=only, since=since, plan_only=plan_only, environment=environment
    )
