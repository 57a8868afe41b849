"""Load: carry out a plan's actions, journalled around every call. No decisions.

    intent → call → answer, link, base and evidence in one transaction → next

A crash on any line leaves an open intent; our keys on both sides make the next run find what was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from renkei.core.deleting import made_inactive
from renkei.core.errors import AnswerUnknown, BudgetSpent, TryAgain
from renkei.core.mapping import MappingSpec, take_person
from renkei.core.planning import ACTIVE, REMEMBER, project
from renkei.core.published import KINDS
from renkei.core.records import (
    Action,
    Agreement,
    Answer,
    Base,
    DealDocument,
    Hold,
    Intent,
    IntentState,
    Link,
    MirrorRow,
    OutcomeRow,
    Row,
)
from renkei.core.undoing import UNDO
from renkei.core.values import Ref, Side, content_hash, time_text
from renkei.engine.deals import written as written_of_deal
from renkei.engine.extract import stamp_of
from renkei.engine.recall import the_chosen
from renkei.engine.removals import VERBS, ended_by, mark_removed
from renkei.engine.work import LOCK_TTL, PUBLISHED, EntityWork, Request, Rooms, World

CALL_OF = {"create": "create", "remove": "remove"}  # every other verb is an update
CHECK_AGAIN = 600.0  # seconds after which a long load looks once more for records that changed under it
UNSEEN = "unseen"  # the hash of a mirror whose record no read has shown yet: that of no row
CRM_BATCH = 100  # crm-v8.md section 5.1
OUTCOME_OF = {"create": "created", "link": "linked", "remove": "removed", "deactivate": "removed", "unlink": "removed"}
HAS_TRANSACTIONS = ("36", "1004")  # Books' codes for a record that others depend on (books-v3.md sections 3 and 6.4)
GONE = ("1002", "2006")  # does not exist: contacts and persons, items
BOOKS_AT_ONCE = 20  # journalled together; the client itself bounds what is in flight


@dataclass(frozen=True, slots=True)
class Result:
    """How an action ended. `outcome`: "" (done; a `reason` then says how otherwise than planned), refused, blocked or failed."""

    outcome: str
    reason: str
    created: str = ""


@dataclass(slots=True)
class Entries:
    """What the answers to one batch mean for the ledger, entered together in one transaction."""

    intents: dict[IntentState, dict[str, dict[str, Any]]] = field(default_factory=dict)  # state → intent → answer
    mirrors: dict[tuple[Side, str], list[MirrorRow]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    bases: list[Base] = field(default_factory=list)
    asides: list[tuple[Ref, str, str]] = field(default_factory=list)
    deals: list[DealDocument] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    gone: dict[str, list[Ref]] = field(default_factory=dict)  # reason → records that were removed
    evidence: list[OutcomeRow] = field(default_factory=list)


@dataclass(slots=True)
class Loading:
    """One entity while it is loaded."""

    rooms: Rooms
    request: Request
    world: World
    work: EntityWork
    run: str
    agreements: dict[str, Agreement]
    bases: dict[str, Base]
    results: dict[str, Result]
    owed: dict[str, tuple[str, ...]]  # link → fields that the plan writes to Books
    stopped: dict[Side, str] = field(default_factory=dict)  # side → why nothing more is written there in this run


async def load(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str, done: dict[str, Result]) -> None:
    """Carry out work.plan. `done` holds how each action of the run has ended so far, by key, and takes these in too."""
    assert work.plan is not None
    owed = {one.link: tuple(change.field for change in one.changes) for one in work.plan.actions if _is_owed(one)}
    agreements = {one.link: one for one in work.plan.agreements}
    loading = Loading(rooms, request, world, work, run, agreements, dict(work.bases), done, owed)
    _open_persons(loading)
    loading.results.update({key: Result("refused", "stale") for key in work.stale})
    loading.results.update({key: Result("refused", "period_closed") for key in _in_closed_period(rooms, work.plan.actions)})
    await _refuse_changed(loading)
    waiting = [action for action in work.plan.actions if action.key not in loading.results]
    sent, checked = 0, rooms.clock.elapsed()
    while waiting:
        ready, waiting = _ready(loading, waiting)
        if not ready:
            break
        for batch in _batches(ready):
            if rooms.clock.elapsed() - checked > CHECK_AGAIN:
                await _refuse_changed(loading)
                checked = rooms.clock.elapsed()
            batch = [action for action in batch if action.key not in loading.results]
            if batch and batch[0].side in loading.stopped:  # a batch is of one side
                loading.results.update({action.key: Result("blocked", loading.stopped[batch[0].side]) for action in batch})
                continue
            await _send(loading, batch)
            _stay(rooms, request, run)
            sent += len(batch)
            rooms.progress("load", work.entity, sent, len(work.plan.actions))


def _is_owed(action: Action) -> bool:
    return bool(action.link) and action.side == "books" and action.verb == "update"


def _stay(rooms: Rooms, request: Request, run: str) -> None:
    """Make the batch's lock, or the single-record run's claims, last."""
    now = rooms.clock.now()
    if not request.only:
        rooms.ledger.renew(rooms.spec.name, run, now, LOCK_TTL)
    for ref in the_chosen(rooms, request):
        rooms.ledger.claim(rooms.spec.name, ref, run, now, LOCK_TTL)


def _open_persons(loading: Loading) -> None:
    """Persons who were left alone because their customer had no partner are looked at again when it gets one."""
    plan, ledger, name = loading.work.plan, loading.rooms.ledger, loading.rooms.spec.name
    if plan is None or "persons" not in loading.world.mappings:
        return
    pairs = [(one.crm_ref, one.books_ref) for one in plan.agreements if one.evidence and one.mapping == "accounts"]
    pairs += [(link.crm, link.books) for link in plan.links if link.mapping == "accounts" and link.dead is None]
    sides: tuple[tuple[Side, str], ...] = (("crm", "Contacts"), ("books", "contact_persons"))
    for place, (side, module) in enumerate(sides):
        found = ledger.by_keys(name, side, module, [("parent", pair[place].id) for pair in pairs])
        refs = {Ref(side, module, row_id) for ids in found.values() for row_id in ids}
        ledger.open_mirrors(name, sorted(refs), side=side, module=module)


def _ready(loading: Loading, waiting: list[Action]) -> tuple[list[Action], list[Action]]:
    """Actions whose needs are met; those whose needs failed are blocked for good in this run."""
    ready, later = [], []
    for action in waiting:
        needs = [loading.results.get(key) for key in action.needs]
        if any(result is not None and result.outcome for result in needs):
            loading.results[action.key] = Result("blocked", "parent_not_written")
        elif all(result is not None for result in needs):
            ready.append(action)
        else:
            later.append(action)
    return ready, later


def _batches(actions: Sequence[Action]) -> Iterator[list[Action]]:
    groups: dict[tuple[str, str, str], list[Action]] = {}
    for action in actions:
        groups.setdefault((action.side, action.module, CALL_OF.get(action.verb, "update")), []).append(action)
    for (side, _, _), members in groups.items():
        size = CRM_BATCH if side == "crm" else BOOKS_AT_ONCE
        for start in range(0, len(members), size):
            yield members[start : start + size]


def _in_closed_period(rooms: Rooms, actions: Sequence[Action]) -> Iterator[str]:
    """Keys of actions that would date a document in the closed period, which may have been closed since they were planned."""
    for action in actions:
        if action.side == "books" and action.module in KINDS and _is_closed(rooms, action.payload.get("date")):
            yield action.key


def _is_closed(rooms: Rooms, day: Any) -> bool:
    until = rooms.spec.closed_until
    return until is not None and bool(day) and date.fromisoformat(str(day)) <= until


async def _refuse_changed(loading: Loading) -> None:
    """Refuse, one by one, what is still to be done on a target that no longer has the stamp that the plan rests on (the next run
    plans it anew), or is a document of the closed period. Where a side cannot tell it now, for want of calls or of an answer,
    nothing is written there."""
    assert loading.work.plan is not None
    targets = {
        action.target: action
        for action in loading.work.plan.actions
        if action.key not in loading.results and action.target is not None and action.stamp is not None and action.verb != "key"
    }  # our own field alone: it rests on nothing that an edit could change
    read_at = {(item.side, item.module): item.served_at for item in loading.work.lists}
    for side, module in sorted({(ref.side, ref.module) for ref in targets}):
        if module == "contact_persons" or side in loading.stopped:
            continue
        mine = {ref.id: action for ref, action in targets.items() if (ref.side, ref.module) == (side, module)}
        # A change that the plan does not know came after its list was asked for, whatever stamps stand in it.
        since = read_at.get((side, module)) or max(action.stamp for action in mine.values() if action.stamp)
        try:
            rows = await _rows_since(loading.rooms, side, module, sorted(mine), since)
        except (BudgetSpent, TryAgain) as error:
            _stop(loading, side, error)
            continue
        for row_id, row in rows.items():
            action = mine.get(row_id)
            if action is not None and stamp_of(side, row) != action.stamp:
                loading.results[action.key] = Result("refused", "stale")
            elif action is not None and module in KINDS and _is_closed(loading.rooms, row.get("date")):
                loading.results[action.key] = Result("refused", "period_closed")


async def _rows_since(rooms: Rooms, side: Side, module: str, ids: Sequence[str], since: datetime) -> dict[str, Row]:
    """Rows by id: those of a list that changed since then, or (items, whose list tells no change) those of `ids`."""
    if module == "items":
        return dict(await rooms.books.get_items(ids))
    rows: dict[str, Row] = {}
    if side == "crm":
        async for page in rooms.crm.read(module, ["Modified_By"], since=since):
            rows |= {str(row["id"]): row for row in page.rows}
    elif module in KINDS:  # lists of estimates cannot be asked for what changed; a deal moves few documents
        answers = await asyncio.gather(*(rooms.books.get(module, one) for one in ids))
        rows = {one: row or {} for one, row in zip(ids, answers, strict=True)}
    else:
        async for page in rooms.books.read(module, since=since):
            rows |= {str(row["contact_id"]): row for row in page.rows}
    return rows


def _stop(loading: Loading, side: Side, error: Exception) -> str:
    """Write nothing more on a side in this run. Returns the reason that its rows take."""
    reason = "budget" if isinstance(error, BudgetSpent) else "try_again"
    loading.stopped.setdefault(side, reason)
    loading.work.budget_ended = loading.work.budget_ended or reason == "budget"
    return reason


def _filled(loading: Loading, value: Any) -> Any:
    """The payload with `{"$created": KEY}` replaced by the id that KEY brought; `before` and `after` may stand around it."""
    if isinstance(value, dict):
        if "$fact" in value:
            assert loading.work.plan is not None
            return loading.work.plan.facts[value["$fact"]]
        if "$created" in value:
            return f"{value.get('before', '')}{loading.results[value['$created']].created}{value.get('after', '')}"
        return {name: _filled(loading, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(loading, item) for item in value]
    return value


async def _send(loading: Loading, batch: list[Action]) -> None:
    rooms = loading.rooms
    now = rooms.clock.now()
    entries = Entries()
    for action in batch:
        if not action.payload:
            _confirm(loading, entries, action, "", {}, Answer(True))
    todo: list[tuple[Action, Intent]] = []
    for action in (one for one in batch if one.payload):
        sent = replace(action, payload=_filled(loading, action.payload))  # the ids that other actions brought are in it
        mark = content_hash([loading.run, action.key])[:32]
        todo.append((sent, Intent(mark, loading.run, sent, _outward_key(rooms, sent), "intended")))
    if todo:
        with rooms.ledger.transaction():
            rooms.ledger.intend(rooms.spec.name, [intent for _, intent in todo], now)
            _before_an_undo(loading, [action for action, _ in todo])
        rooms.ledger.mark_intents([intent.id for _, intent in todo], "sent", now)
        payloads = [action.payload for action, _ in todo]
        answers = await _call(loading, [action for action, _ in todo], payloads)
        for (action, intent), payload, answer in zip(todo, payloads, answers, strict=True):
            if isinstance(answer, Answer) and answer.ok:
                _confirm(loading, entries, action, intent.id, payload, answer)
            elif isinstance(answer, Answer):
                _refuse(loading, entries, action, intent.id, payload, answer)
            else:
                _unanswered(loading, entries, action, intent.id, payload, answer)
    _enter(loading, entries)


def _before_an_undo(loading: Loading, actions: Sequence[Action]) -> None:
    """An undo's write that arrives without an answer must not look like a person's edit, nor what it makes like a stranger: the
    base says beforehand what the write will have said. Where it never arrives, both sides agree still, and the next run sees
    it."""
    plan, ledger, name = loading.work.plan, loading.rooms.ledger, loading.rooms.spec.name
    if plan is None or UNDO not in plan.facts:
        return
    put_back = [one for one in actions if _is_put_back(loading, one)]
    ledger.put_bases(name, [_base_after(loading, one, one.payload, None) for one in put_back])
    for ref in (loading.agreements[one.link].crm_ref for one in put_back):
        ledger.open_mirrors(name, [ref], side=ref.side, module=ref.module)
    wanted = [one for one in actions if one.verb in ("create", "link")]
    ledger.clear_aside(name, [ref for one in wanted for ref in (one.source, one.target) if ref is not None])


def _as_it_was(loading: Loading, entries: Entries, action: Action) -> None:
    """The other system said no, or was not asked: the base says again what it said before."""
    if _is_put_back(loading, action):
        entries.bases.append(loading.bases[action.link])


def _is_put_back(loading: Loading, action: Action) -> bool:
    return action.reason == UNDO and action.verb == "update" and action.link in loading.bases


def _enter(loading: Loading, entries: Entries) -> None:
    ledger, name, now = loading.rooms.ledger, loading.rooms.spec.name, loading.rooms.clock.now()
    with ledger.transaction():
        for state, answers in entries.intents.items():
            ledger.mark_intents(answers, state, now, answers)
        for (side, module), rows in entries.mirrors.items():
            ledger.put_mirrors(name, side, module, rows, now)
        ledger.put_links(name, entries.links, loading.run, now)
        ledger.put_bases(name, entries.bases)
        ledger.set_aside(name, entries.asides, loading.run, now)
        ledger.put_deal_documents(name, entries.deals, loading.run)
        ledger.put_holds(name, entries.holds, loading.run, now)
        for reason, refs in entries.gone.items():
            mark_removed(ledger, name, refs, reason, now)
        ledger.append(name, loading.run, entries.evidence)


async def _call(loading: Loading, actions: list[Action], payloads: list[Row]) -> list[Answer | Exception]:
    rooms, first = loading.rooms, actions[0]
    if first.side == "books":
        answers = await asyncio.gather(
            *(_books(rooms, action, payload) for action, payload in zip(actions, payloads, strict=True)), return_exceptions=True
        )
        return [_known_failure(answer) for answer in answers]
    try:
        if first.verb == "create":
            inserted = await rooms.crm.insert(first.module, payloads)
            return [_already_there(rooms, answer) for answer in inserted]
        if first.verb == "remove":
            deleted = await rooms.crm.delete(first.module, [action.target.id for action in actions if action.target])
            return [_gone_already(action, answer) for action, answer in zip(actions, deleted, strict=True)]
        rows = [{**payload, "id": action.target.id} for action, payload in zip(actions, payloads, strict=True) if action.target]
        return list(await rooms.crm.update(first.module, rows))
    except (AnswerUnknown, TryAgain) as error:
        return [error] * len(actions)


def _known_failure(answer: Answer | BaseException) -> Answer | Exception:
    if isinstance(answer, (Answer, AnswerUnknown, TryAgain, BudgetSpent)):
        return answer
    raise answer


def _already_there(rooms: Rooms, answer: Answer) -> Answer:
    """DUPLICATE_DATA on our key: an earlier insert did arrive, and this is its record."""
    if not answer.ok and answer.duplicate_of and answer.field in (rooms.spec.crm_key, rooms.summaries.key):
        return Answer(True, answer.duplicate_of)
    return answer


def _gone_already(action: Action, answer: Answer) -> Answer:
    """A record that is not there any more needs no removing."""
    if not answer.ok and answer.code in ("INVALID_DATA", "NOT_FOUND") and action.target is not None:
        return Answer(True, action.target.id)
    return answer


async def _books(rooms: Rooms, action: Action, payload: Row) -> Answer:
    if action.module == "contact_persons":
        body = {name: value for name, value in payload.items() if name != "contact_id"}
        if action.verb == "create":
            return await rooms.books.add_person(str(payload["contact_id"]), body)
        assert action.target is not None
        if action.verb == "remove":
            return _gone_there(action.target, await rooms.books.delete_person(action.target.id))
        return await rooms.books.update_person(action.target.id, {**body, "contact_id": payload["contact_id"]})
    body = {name: value for name, value in payload.items() if name not in (ACTIVE, REMEMBER)}
    if action.verb == "create":
        key = _outward_key(rooms, action)
        answer = await rooms.books.put_by_key(action.module, rooms.spec.books_key, key, body)
        if not answer.ok and answer.code == "3062" and action.source is not None and action.module == "contacts":
            label = f"{str(body['contact_name'])[:191]} ({action.source.id[-6:]})"
            answer = await rooms.books.put_by_key(action.module, rooms.spec.books_key, key, {**body, "contact_name": label})
        if ACTIVE in payload and answer.ok and answer.id:
            switched = await rooms.books.set_active(action.module, answer.id, bool(payload[ACTIVE]))
            return answer if switched.ok else switched
        return answer
    if action.verb == "move":
        document = action.target.id if action.target is not None else str(payload["document"])
        return replace(await rooms.books.set_status(action.module, document, str(payload["status"])), id=document)
    assert action.target is not None
    if action.verb == "remove":
        return await _remove(rooms, action.target)
    rest, person = take_person(body)
    answer = Answer(True, action.target.id)
    if person is not None and "contact_person_id" in person:
        answer = await rooms.books.update_person(str(person["contact_person_id"]), {**person, "contact_id": action.target.id})
    elif person is not None:
        answer = await rooms.books.add_person(action.target.id, person)
    if rest and answer.ok:
        answer = await rooms.books.update(action.module, action.target.id, rest)
    if ACTIVE in payload and answer.ok:
        switched = await rooms.books.set_active(action.module, action.target.id, bool(payload[ACTIVE]))
        answer = answer if switched.ok and answer.record else switched
    return replace(answer, id=action.target.id) if answer.ok else answer


async def _remove(rooms: Rooms, target: Ref) -> Answer:
    """Delete a customer or an item; one that has transactions cannot be deleted and is made inactive, as the answer's record
    says."""
    answer = _gone_there(target, await rooms.books.delete(target.module, target.id))
    if answer.ok or answer.code not in HAS_TRANSACTIONS:
        return answer
    answer = await rooms.books.set_active(target.module, target.id, False)
    return Answer(True, target.id, record={"status": "inactive"}) if answer.ok else answer


def _gone_there(target: Ref, answer: Answer) -> Answer:
    """Deleted, or not there any more."""
    return Answer(True, target.id) if answer.ok or answer.code in GONE else answer


def _outward_key(rooms: Rooms, action: Action) -> str:
    if action.side == "crm":
        return str(action.payload.get(rooms.spec.crm_key) or "")
    for item in action.payload.get("custom_fields", []):
        if item.get("api_name") == rooms.spec.books_key:
            return str(item["value"])
    return ""


def _unanswered(loading: Loading, entries: Entries, action: Action, intent: str, payload: Row, error: Exception) -> None:
    if isinstance(error, AnswerUnknown):
        entries.intents.setdefault("unknown", {})[intent] = {"error": error.what}
        said = {"error": error.what}
        entries.evidence.append(_evidence(loading, action, "failed", "answer_unknown", payload, said, None))
        loading.results[action.key] = Result("failed", "answer_unknown")
        return
    entries.intents.setdefault("abandoned", {})[intent] = {"error": str(error)}
    _as_it_was(loading, entries, action)
    loading.results[action.key] = Result("blocked", _stop(loading, action.side, error))


def _refuse(loading: Loading, entries: Entries, action: Action, intent: str, payload: Row, answer: Answer) -> None:
    said = {"code": answer.code, "words": answer.words, "field": answer.field}
    entries.intents.setdefault("refused", {})[intent] = said
    _as_it_was(loading, entries, action)
    entries.evidence.append(_evidence(loading, action, "refused", f"{answer.code}: {answer.words}", payload, said, answer.id))
    loading.results[action.key] = Result("refused", f"{answer.code}: {answer.words}")


def _confirm(loading: Loading, entries: Entries, action: Action, intent: str, payload: Row, answer: Answer) -> None:
    """Answer, link, base and evidence of one action that was done; `intent` is "" where no call was needed."""
    created = str(answer.id or "") if action.verb == "create" else ""
    is_kept = action.side == "books" and action.verb == "remove" and (answer.record or {}).get("status") == "inactive"
    reason = made_inactive(action.reason) if is_kept else ""
    loading.results[action.key] = Result("", reason, created)
    if intent:
        entries.intents.setdefault("confirmed", {})[intent] = {"id": answer.id}
    written = Ref(action.side, action.module, created) if created else action.target
    plan = loading.work.plan
    if plan is not None and UNDO in plan.facts and not is_kept:  # asked with it: its run may die before it is recorded
        entries.holds += [hold for hold in plan.holds if hold.record in (action.source, action.target)]
    if action.entity == "deals":
        entries.deals.append(written_of_deal(action, answer, str(answer.id)))
    elif action.aside and written is not None:
        entries.asides.append((written, action.reason, ""))
    elif action.verb in VERBS:
        inactive = is_kept or action.verb == "deactivate"
        ended = ended_by(loading.rooms.ledger, loading.rooms.spec.name, action, inactive=inactive)
        entries.links += ended.links
        entries.asides += ended.asides
        entries.gone.setdefault(action.reason, []).extend(ended.gone)
    elif action.link:
        _settle_pair(loading, entries, action, payload, answer, created)
    # of an individual whose person alone was written, the answer shows that person, not the customer
    if action.side == "books" and written is not None and answer.record and "contact_persons" in answer.record:
        loading.work.written[written.id] = answer.record
    if action.entity in PUBLISHED and action.verb != "remove" and written is not None:
        loading.work.sent[written.id] = payload
    outcome = OUTCOME_OF.get(action.verb, "updated")
    said = reason or action.reason
    entries.evidence.append(_evidence(loading, action, outcome, said, payload, {"id": answer.id}, answer.id))


def _settle_pair(loading: Loading, entries: Entries, action: Action, payload: Row, answer: Answer, created: str) -> None:
    """The link that this write makes or serves, and its base for the fields that are agreed now."""
    now = loading.rooms.clock.now()
    agreement = loading.agreements[action.link]
    crm_ref = replace(agreement.crm_ref, id=created) if created and action.side == "crm" else agreement.crm_ref
    books_ref = replace(agreement.books_ref, id=created) if created and action.side == "books" else agreement.books_ref
    if action.verb in ("create", "link"):
        evidence = agreement.evidence or "created"
        entries.links.append(Link(action.link, action.entity, agreement.mapping, crm_ref, books_ref, now, evidence))
    if created:
        made, parent = Ref(action.side, action.module, created), str(payload.get("contact_id", ""))
        _know(entries, made, answer.record or _as_row(payload), answer, parent)
    base = _base_after(loading, action, payload, answer)
    loading.bases[action.link] = base
    entries.bases.append(base)
    if action.carries:
        _link_persons(loading, entries, action, answer)


def _base_after(loading: Loading, action: Action, payload: Row, answer: Answer | None) -> Base:
    """The base of the pair that this write serves, once it is done. `answer`: None before it has come."""
    agreement = loading.agreements[action.link]
    spec = loading.world.mappings[agreement.mapping]
    base = loading.bases.get(action.link) or Base(action.link, {}, {})
    if action.verb == "link":
        base = replace(base, owed=loading.owed.get(action.link, ()))
    crm, books = dict(agreement.crm), dict(agreement.books)
    if action.side == "crm":
        crm |= project(_as_row(payload), spec, "crm")
    else:
        shown = (answer.record if answer is not None else None) or _as_row(payload)
        if ACTIVE in payload:  # switched by a call of its own, which shows no record
            shown = {**shown, "status": "active" if payload[ACTIVE] else "inactive"}
        books |= project(shown, spec, "books")
    fields = agreement.agreed if action.verb in ("create", "link") else tuple(change.field for change in action.changes)
    if action.verb == "link":
        fields = (*fields, *(change.field for change in action.changes))
    base = advanced(base, spec, fields, crm, books)
    wrote = tuple(sorted(payload)) if action.side == "crm" else base.crm_wrote
    stamp = answer.stamp if answer is not None else None
    return replace(
        base,
        crm_stamp=stamp if action.side == "crm" and stamp else base.crm_stamp or agreement.crm_stamp,
        books_stamp=stamp if action.side == "books" and stamp else base.books_stamp or agreement.books_stamp,
        crm_wrote=wrote,
        undone=tuple(sorted({*base.undone, *action.undone})),
    )


def _know(entries: Entries, made: Ref, row: Row, answer: Answer, parent: str) -> None:
    """What was made has a mirror at once, so that it is missed when a person deletes it before any list has shown it. The
    mirror's hash is that of no row: whatever shows the record first is news. `parent`: the customer of a person."""
    where = {"contact_id": parent} if parent else {}
    keys = (("parent", parent),) if parent else ()
    mirror = MirrorRow(made.id, answer.stamp, UNSEEN, {**row, "id": made.id, **where}, keys)
    entries.mirrors.setdefault((made.side, made.module), []).append(mirror)


def _as_row(payload: Row) -> Row:
    """A body in the shape of a row: custom fields by their names."""
    row = {name: value for name, value in payload.items() if name != "custom_fields"}
    return {**row, **{item["api_name"]: item["value"] for item in payload.get("custom_fields", [])}}


def advanced(base: Base, spec: MappingSpec, fields: Sequence[str], crm: Mapping[str, Any], books: Mapping[str, Any]) -> Base:
    """The base with these fields moved to both sides' present values, together."""
    left, right = dict(base.crm or {}), dict(base.books or {})
    for item in spec.fields:
        if item.name in fields and item.crm and item.books:
            left[item.crm] = crm.get(item.crm)
            right[item.books] = books.get(item.books)
    undone, owed = (tuple(one for one in some if one not in fields) for some in (base.undone, base.owed))
    return replace(base, crm=left, books=right, undone=undone, owed=owed)


def _link_persons(loading: Loading, entries: Entries, action: Action, answer: Answer) -> None:
    """Persons that travelled inside a customer's create: their ids stand in the answer, in the order sent."""
    rooms, now = loading.rooms, loading.rooms.clock.now()
    spec = loading.world.mappings["persons"]
    answered = (answer.record or {}).get("contact_persons") or []
    if len(answered) != len(action.carries):
        return  # the next run reads the detail and meets them by e-mail and name
    for ref, person in zip(action.carries, answered, strict=True):
        books = Ref("books", "contact_persons", str(person["contact_person_id"]))
        former = loading.work.linked.get(ref)  # whose person went with the customer that is made again
        link_id = former.id if former is not None else content_hash([rooms.spec.name, str(ref), str(books)])[:32]
        known = loading.work.known[ref]
        entries.links.append(Link(link_id, action.entity, "persons", ref, books, now, "created"))
        _know(entries, books, person, answer, str(answer.id))
        crm, theirs = project(known.raw, spec, "crm"), project(person, spec, "books")
        entries.bases.append(Base(link_id, crm, theirs, known.stamp, answer.stamp))


def _name_of(loading: Loading, user: str) -> str:
    """A CRM user by e-mail, as the survey knows them; `unknown` where the side does not tell who made a change."""
    return (loading.world.lookups.table("owners", "crm") or {}).get(user, user) or "unknown"


def _evidence(
    loading: Loading, action: Action, outcome: str, reason: str, request: Row, said: Mapping[str, Any], written: str | None
) -> OutcomeRow:
    records = [ref for ref in (action.source, action.target) if ref is not None]
    if action.verb in ("create", "move") and written and outcome != "refused":
        records.append(Ref(action.side, action.module, written))
    changes = [
        {"field": one.field, "side": one.side, "before": one.before, "after": one.after, "reason": one.reason}
        for one in action.changes
    ]
    detail = {
        "verb": action.verb,
        "side": action.side,
        "module": action.module,
        "changes": changes,
        "request": {name: value for name, value in request.items() if name != REMEMBER},
        "answer": said,
        "edited_by": _name_of(loading, action.edited_by),
        "edited_at": action.edited_at and time_text(action.edited_at),
    }
    return OutcomeRow(
        "write",
        action.entity,
        tuple(dict.fromkeys(records)),
        outcome,
        reason,
        loading.rooms.clock.now(),
        loading.request.actor,
        detail,
    )
