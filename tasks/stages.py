"""The stages of a run as Prefect tasks: one task a stage and entity, never one a record (docs/decisions/0007-prefect.md).

A task gives an operator a line in Prefect's pages with name, tags, duration and log, and a second attempt where that is
harmless. What a run knows and has done stands in the ledger; no result of a task is kept or hashed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import fields, replace
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefect import Task, get_run_logger, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from renkei.core.errors import TryAgain
from renkei.engine.sequence import ENGINE, Stages
from renkei.engine.work import EntityWork, Request, Rooms, World

Given = ParamSpec("Given")
Made = TypeVar("Made")
Call = Callable[[], Awaitable[Any]]

# Seconds before the second and the third attempt at a stage that only reads. The connectors have tried for a while before
# that, and the sum stays well below the ten minutes after which the ledger takes a silent run for dead.
DELAYS = [15.0, 60.0]


def is_worth_another_attempt(stage: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """A side was away or said wait. Whatever else went wrong would go wrong again."""
    return isinstance(state.data, TryAgain)


def stage_task(name: str, *, reads: bool = False) -> Task[[str, Call], Any]:
    """A task that makes one call into the engine.

    reads   it writes to neither system and may be tried again. A stage that writes never is: the next run recovers.
    """

    @task(
        name=name, task_run_name="{called}", cache_policy=NO_CACHE, persist_result=False,
        retries=len(DELAYS) if reads else 0, retry_delay_seconds=DELAYS, retry_jitter_factor=0.3,
        retry_condition_fn=is_worth_another_attempt,
    )  # fmt: skip
    async def attempt(called: str, call: Call) -> Any:
        made = await call()
        get_run_logger().info("%s is done", called)
        return made

    return attempt


TASKS = {
    "recover": stage_task("recover"),
    "survey": stage_task("survey", reads=True),
    "extract": stage_task("extract", reads=True),
    "recall": stage_task("recall"),
    "validate": stage_task("validate"),
    "resolve": stage_task("resolve"),
    "load": stage_task("load"),
    "record": stage_task("record"),
}


def as_task(
    name: str, stage: Callable[Concatenate[Rooms, Given], Awaitable[Made]]
) -> Callable[Concatenate[Rooms, Given], Awaitable[Made]]:
    """The stage with the same arguments, run as the task `name entity` with connection, stage and entity as tags.

    All that it works on goes to the task as one callable: Prefect walks through arguments in search of futures, and would
    walk through every record.
    """

    async def as_stage(rooms: Rooms, /, *given: Given.args, **named: Given.kwargs) -> Made:
        entities = [one.entity for one in given if isinstance(one, EntityWork)]
        with tags(rooms.spec.name, name, *entities):
            made: Made = await TASKS[name](" ".join([name, *entities]), partial(stage, rooms, *given, **named))
        return made

    return as_stage


async def extract_anew(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Extract so that it may be tried again: nothing of a list that was read by half stays in the work."""
    begun = replace(work, **{field.name: copy(getattr(work, field.name)) for field in fields(work)})
    await ENGINE.extract(rooms, request, world, begun, run)
    for field in fields(work):
        setattr(work, field.name, getattr(begun, field.name))


STAGES = Stages(
    recover=as_task("recover", ENGINE.recover),
    survey=as_task("survey", ENGINE.survey),
    extract=as_task("extract", extract_anew),
    recall=as_task("recall", ENGINE.recall),
    validate=as_task("validate", ENGINE.validate),
    resolve=as_task("resolve", ENGINE.resolve),
    load=as_task("load", ENGINE.load),
    record=as_task("record", ENGINE.record),
)
