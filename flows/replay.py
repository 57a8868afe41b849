"""Rows that were quarantined or refused, tried again now: `quarantine replay`, and the run that tries them."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Environment, run_replayed


@flow(name="replay", flow_run_name="replay {connection}")
async def replay(connection: str, records: list[str] | None = None, rule: str = "", environment: Environment = "") -> State[Any]:
    """These records (REFs, discarded ones too), those that wait because of a rule, or (neither) all that wait."""
    return await run_replayed("replay", connection, records=records, rule=rule, environment=environment)
