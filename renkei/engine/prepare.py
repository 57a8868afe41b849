"""Prepare: make in both organisations what a connection needs, as far as their APIs allow and a person agreed to.

What is done is a run of its own: a row of evidence before and after every call. Whatever the answers say, what is there
afterwards decides; so an answer that got lost is no matter, and a second time makes nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from renkei.core.errors import AnswerUnknown, ScopeMissing
from renkei.core.preparing import Needs, NewField, NewModule, Standing, Step, TakenRights, keyed_documents, needs, published
from renkei.core.records import Answer, FieldMeta, OutcomeRow
from renkei.core.scopes import preparing
from renkei.core.values import Side
from renkei.engine.sequence import ENGINE, Report, in_a_run
from renkei.engine.work import SYNCED, Request, Rooms, mappings_of

FIELDS_A_CALL = 5
OTHER_NAME = "it was said to be made and is not there; look at its API name in Setup > Developer Hub > APIs & SDKs > API Names"


@dataclass(frozen=True, slots=True)
class Prepared:
    """`made`: steps whose thing is there now; `refused`: (step, why) of those whose is not; `left`: what is still missing."""

    run: str
    made: tuple[Step, ...]
    refused: tuple[tuple[Step, str], ...]
    left: Needs


async def look(rooms: Rooms) -> Needs:
    """What is missing in both organisations now. ConnectionRefused, TryAgain … as they answer."""
    spec, crm = rooms.spec, rooms.crm
    mappings = [rooms.mappings[name] for entity in SYNCED for name in mappings_of(spec, entity)]
    crm_modules = sorted({one.crm_module for one in mappings})
    books_modules = sorted({one.books_module for one in mappings} - {"contact_persons"})
    ours = published(spec, rooms.summaries)
    shown, me = await crm.modules(), await crm.me()
    profiles = await crm.profiles() if ours else []
    asked: list[tuple[Side, str]] = [
        ("crm", one) for one in (*crm_modules, *(each.module for each in ours if each.module in shown))
    ]
    asked += [("books", one) for one in (*books_modules, *keyed_documents(spec))]
    fields = {one: _by_name(await (crm if one[0] == "crm" else rooms.books).fields(one[1])) for one in dict.fromkeys(asked)}
    standing = Standing(fields, shown, profiles, me.profile)
    return needs(spec, rooms.summaries, crm_modules, books_modules, standing)


async def prepare(rooms: Rooms, request: Request, agreed: Needs) -> Prepared:
    """Take the steps that a person agreed to, then look again.

    raises  ScopeMissing, naming the scopes; AnotherRun; WrongEnvironment; what either side answers to a call that cannot be made
    """
    told: dict[Step, str] = {}
    after: list[Needs] = []

    async def body(report: Report, run: str) -> None:
        await ENGINE.recover(rooms, request, run)
        rooms.allow_writes(True)
        try:
            for steps in _calls(agreed.steps):
                _note(rooms, request, run, "to_make", [str(step) for step in steps])
                words = dict(zip(steps, await _made(rooms, steps), strict=True))
                _note(rooms, request, run, "answered", [f"{step}: {word or 'made'}" for step, word in words.items()])
                told.update(words)
        except ScopeMissing as error:
            scopes = ",".join(preparing(rooms.spec))
            error.fix = f"Authorise again with these scopes besides: {scopes}"
            raise
        finally:
            rooms.allow_writes(False)
        after.append(await look(rooms))
        report.notes += [f"{'not made' if _is_missing(step, after[0]) else 'made'}: {step}" for step in agreed.steps]
        report.status = "amber" if after[0].steps or after[0].clicks else "green"

    report = await in_a_run(rooms, replace(request, kind="prepare"), "prepare", body)
    there = tuple(step for step in agreed.steps if not _is_missing(step, after[0]))
    refused = tuple((step, told[step] or OTHER_NAME) for step in agreed.steps if _is_missing(step, after[0]))
    return Prepared(report.run, there, refused, after[0])


def _note(rooms: Rooms, request: Request, run: str, outcome: str, said: Sequence[str]) -> None:
    now = rooms.clock.now()
    rooms.ledger.append(rooms.spec.name, run, [OutcomeRow("note", "", (), outcome, one, now, request.actor) for one in said])


def _is_missing(step: Step, left: Needs) -> bool:
    """Whether the step's thing is not there, or not whole."""
    if isinstance(step, TakenRights):
        return any(
            isinstance(one, TakenRights) and (one.profile, one.module) == (step.profile, step.module) for one in left.steps
        )
    return step in left.steps


def _calls(steps: Sequence[Step]) -> list[tuple[Step, ...]]:
    """The steps as calls take them: one each, but fields of one CRM module together."""
    found: list[tuple[Step, ...]] = []
    for key, some in groupby(
        steps, lambda step: ("crm", step.module) if isinstance(step, NewField) and step.side == "crm" else ()
    ):
        listed, most = list(some), FIELDS_A_CALL if key else 1
        found += [tuple(listed[start : start + most]) for start in range(0, len(listed), most)]
    return found


async def _made(rooms: Rooms, steps: tuple[Step, ...]) -> list[str]:
    """Why each was not made; "" where the answer says that it was."""
    try:
        answers = await _sent(rooms, steps)
    except AnswerUnknown as error:
        return [f"no answer came ({error.what})"] * len(steps)
    return ["" if one.ok else f"{one.words} ({one.code})" for one in answers]


async def _sent(rooms: Rooms, steps: tuple[Step, ...]) -> list[Answer]:
    first = steps[0]
    if isinstance(first, NewModule):
        return [await rooms.crm.make_module(first)]
    if isinstance(first, TakenRights):
        return [await rooms.crm.take_rights(first)]
    if first.side == "books":
        return [await rooms.books.make_field(first)]
    return await rooms.crm.make_fields(first.module, [step for step in steps if isinstance(step, NewField)])


def _by_name(listed: Sequence[FieldMeta]) -> dict[str, FieldMeta]:
    return {one.api_name: one for one in listed}
