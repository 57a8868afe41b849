"""Deployments on a Prefect server, made from the connections' declarations: `renkei deploy`.

A connection's deployments bear its name (`hourly/acme`) and the tag `renkei`. prefect.yaml says the same of the demo, for those
who deploy with Prefect's own commands; a test compares the two.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Iterable
from pathlib import Path

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound

from flows.server import answers
from renkei.core.connection import ConnectionSpec
from renkei.core.deployments import EVERYONE, FLEET, POOL, TAG, wanted_of
from renkei.core.errors import AskedWrongly, TryAgain

PAGE = 200  # deployments that the server lists at once


async def deploy(
    connections: Iterable[ConnectionSpec], known: Collection[str], *, inactive: Collection[str] = (), prune: bool = False
) -> dict[str, list[str]]:
    """Make or renew the deployments of these connections, and find those of connections that are gone.

    known     every connection that is declared
    inactive  paused or disconnected ones
    prune     delete what belongs to none of `known`; only what was deployed from this folder counts
    returns   full names: deployed, paused (among them), gone, deleted
    raises    AskedWrongly without a server or outside the folder with flows/; TryAgain where the server does not answer
    """
    _require_place()
    wanted = [one for spec in connections for one in wanted_of(spec, active=spec.name not in inactive)] + [FLEET]
    async with get_client() as client:
        await _require_pool(client)
        for one in wanted:
            deployment = RunnerDeployment.from_entrypoint(
                one.entrypoint, one.name, parameters=dict(one.parameters), description=one.description, tags=one.tags,
                work_pool_name=POOL, paused=one.paused,
                schedules=[CronSchedule(cron=one.schedule[0], timezone=one.schedule[1])] if one.schedule else None,
            )  # fmt: skip
            await deployment.aapply()
        gone = [old async for old in _gone(client, {*known, EVERYONE})]
        if prune:
            for old in gone:
                await client.delete_deployment(old.id)
    names = sorted(f"{old.entrypoint.rpartition(':')[2]}/{old.name}" for old in gone if old.entrypoint)
    return {
        "deployed": [one.full_name for one in wanted], "paused": [one.full_name for one in wanted if one.paused],
        "gone": [] if prune else names, "deleted": names if prune else [],
    }  # fmt: skip


async def _gone(client: PrefectClient, known: Collection[str]) -> AsyncIterator[DeploymentResponse]:
    """Deployments from this folder whose connection is no longer declared."""
    asked, offset = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])), 0
    while True:
        page: list[DeploymentResponse] = await client.read_deployments(deployment_filter=asked, limit=PAGE, offset=offset)
        for one in page:
            if one.path == str(Path.cwd()) and one.name not in known:
                yield one
        if len(page) < PAGE:
            return
        offset += PAGE


async def _require_pool(client: PrefectClient) -> None:
    """A worker makes its pool when it starts; where none has started yet, runs wait in one for processes."""
    try:
        await client.read_work_pool(POOL)
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))


def _require_place() -> None:
    """Without an address Prefect would start a server of its own in this process, and deploy into nothing."""
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        raise AskedWrongly("PREFECT_API_URL is not set.", fix="Set it to http://HOST:4200/api of your Prefect server.")
    if not Path("flows/hourly.py").is_file():
        raise AskedWrongly(
            "There is no flows/hourly.py here.", fix="Deploy from renkei's own folder, where workers run the flows."
        )
    if not answers(f"{url.rstrip('/')}/health"):
        raise TryAgain("prefect", f"{url} does not answer.", fix="Start the server, or correct PREFECT_API_URL.")
