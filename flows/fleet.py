"""Every connection whose time has come, side by side: each as a run of its own deployment, in a process of its own."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from prefect.deployments import arun_deployment
from prefect.states import Completed, Failed

from renkei.house import Settings, admit, due_batches

SECONDS_BETWEEN_LOOKS = 5.0


@flow(name="fleet")
async def fleet(which: Literal["due", "hourly", "nightly"] = "due", connections: list[str] | None = None) -> State[Any]:
    """Run all connections, or those named, over the work pool, and wait for them.

    which   `due`: what each one's schedule asks for and no batch has done since; else this batch, due or not

    One that fails, or has no deployment, stops no other. The worker needs a place more than the runs that shall be side by side.
    """
    asked = due_batches(Settings.from_environment(dict(os.environ)), which, connections)
    rows = await asyncio.gather(*(one_of_the_fleet(name, batch) for name, batch in asked.items()))
    await acreate_table_artifact(
        rows, key="fleet", description=f"{len(rows)} of {len(asked)} connections ran." if rows else "Nothing is due."
    )
    return state_of(rows)


async def one_of_the_fleet(connection: str, batch: str) -> dict[str, str]:
    """One connection's run from trigger to end, as a row of the table."""
    row = {"connection": connection, "batch": batch}
    try:
        admit(dict(os.environ), connection, "flow fleet", [], "deployment:fleet")
        run = await arun_deployment(
            f"{batch}/{connection}", parameters={"connection": connection}, poll_interval=SECONDS_BETWEEN_LOOKS
        )
    except Exception as error:  # whatever it is, the others go on; the fleet ends as failed
        return {**row, "state": "NotStarted", "says": f"{type(error).__name__}: {error}"}
    state = run.state
    return {**row, "state": state.name or state.type.value if state else "Unknown", "says": state.message or "" if state else ""}


def state_of(rows: list[dict[str, str]]) -> State[Any]:
    """Failed where a connection's run failed, was held or did not start; the message names each."""
    bad = [f"{one['connection']}: {one['state']}" for one in rows if one["state"] not in ("Completed", "Amber", "Skipped")]
    if bad:
        return Failed(message=f"{len(rows) - len(bad)} of {len(rows)} connections went well. {'; '.join(bad)}.")
    return Completed(message=f"{len(rows)} of {len(rows)} connections went well." if rows else "Nothing is due.")
