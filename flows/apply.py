"""A stored plan, carried out exactly as it was shown."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Environment, run_stored


@flow(name="apply", flow_run_name="apply {connection}")
async def apply(
    connection: str, fingerprint: str, release: list[str] | None = None, released_by: str = "", environment: Environment = ""
) -> State[Any]:
    """The plan of this fingerprint. `release` names the brakes that the person `released_by` releases for it."""
    return await run_stored("apply", connection, fingerprint, release=release, released_by=released_by, environment=environment)
