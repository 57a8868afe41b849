"""Stages as tasks: what may be tried again, what is kept, and a second attempt that counts nothing twice."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from company import Company
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from renkei.core.errors import AnswerUnknown, BudgetSpent, CredentialsRefused, RenkeiError, Throttled, Unreachable
from renkei.engine.sequence import Stages, run_sequence
from renkei.engine.work import EntityWork, Request, Rooms, World
from tasks.stages import DELAYS, STAGES, TASKS, extract_anew, is_worth_another_attempt


def test_every_stage_of_a_run_is_a_task_and_no_result_of_one_is_kept() -> None:
    assert [field.name for field in fields(Stages)] == list(TASKS)
    assert all(getattr(STAGES, name) is not getattr(Stages(), name) for name in TASKS)
    assert all(one.cache_policy == NO_CACHE and one.persist_result is False for one in TASKS.values())


def test_only_a_stage_that_writes_nowhere_is_tried_again() -> None:
    assert {name for name, one in TASKS.items() if one.retries} == {"survey", "extract"}


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (Unreachable("crm", "no connection"), True),
        (Throttled("books", "too many calls", limit="minute"), True),
        (BudgetSpent("books", "no call is left today"), False),
        (CredentialsRefused("crm", "the refresh token was refused"), False),
        (AnswerUnknown("books", "PUT /contacts", "no answer"), False),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_side_that_was_away_is_asked_again_and_no_other_trouble_is(error: RenkeiError, again: bool) -> None:
    run: Any = None
    assert is_worth_another_attempt(TASKS["extract"], run, Failed(data=error)) is again


async def test_a_second_attempt_at_reading_ends_as_if_the_first_had_not_been(tmp_path: Path) -> None:
    """Books goes away after the CRM's list was read; half a minute later it is back."""
    attempts: list[EntityWork] = []

    async def twice(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
        attempts.append(work)
        if len(attempts) == 1:
            company.world.faults.add("500@books:GET/contacts")
            with pytest.raises(Unreachable):
                await extract_anew(rooms, request, world, work, run)
            company.world.faults.clear()
            company.world.clock.advance(DELAYS[0])
        await extract_anew(rooms, request, world, work, run)

    reports = []
    for folder, extract in (("once", Stages().extract), ("twice", twice)):
        with Company.in_process(tmp_path / folder, "demo") as company:
            company.judge.refused.add(min(company.crm()))
            async with company.rooms() as rooms:
                reports.append(await run_sequence(rooms, Request(full=True, actor="test"), Stages(extract=extract)))
    once, again = reports
    assert once.entities["customers"]["outcomes"]["quarantined"] and once.entities["summaries"]["writes"]["crm"]
    assert again.entities == once.entities
    assert [[(one.side, one.module) for one in plan.lists] for plan in again.plans] == [
        [(one.side, one.module) for one in plan.lists] for plan in once.plans
    ]
