"""Decide: the questions that wait for a person, and his answers. The next run carries them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from renkei.core.commands import command
from renkei.core.errors import AskedWrongly
from renkei.core.ports import Ledger
from renkei.core.records import Decision, Hold, OutcomeRow
from renkei.core.values import Ref, plain, time_text
from renkei.engine.acts import Act, reasoned

WITH_REF = ("link", "attach")  # answers that name a record
SHOWN = 5  # wrong ones that a message names


def questions(ledger: Ledger, connection: str, question: str | None = None) -> list[dict[str, Any]]:
    """Open holds, longest waiting first; those of one question only where it is named."""
    holds = [one for one in ledger.open_holds(connection) if question in (None, one.question)]
    since = ledger.hold_states(connection, [one.id for one in holds])
    return [
        {
            "id": one.id,
            "entity": one.entity,
            "question": one.question,
            "record": str(one.record),
            "label": one.detail.get("label", ""),
            "field": one.field,
            "values": plain(one.detail.get("values")),
            "candidates": plain(one.candidates),
            "choices": list(one.choices),
            "since": time_text(since[one.id][1]),
        }
        for one in holds
    ]


def decide(act: Act, ids: Sequence[str], question: str | None, choice: str, reason: str) -> dict[str, Any]:
    """Answer these holds, or every open one of a question, with one choice. All or none.

    choice    one of each hold's choices; `link` alone stands for the only `link REF` that a hold offers, `attach` likewise
    returns   `run` (the act's) and what was `decided`, hold by hold
    raises    AskedWrongly for a hold that is not open, a choice that one of them does not offer, two links to one record
    """
    why = reasoned(reason)
    with act.ledger.transaction():
        holds = _chosen(act, ids, question)
        choices = _choices(holds, choice)
        _refuse_double_links(act, holds, choices)
        decided = [
            {"id": one.id, "question": one.question, "record": str(one.record), "field": one.field, "choice": choices[one.id]}
            for one in holds
        ]
        with act.run("decide", {"decided": len(holds)}) as (run, now):
            act.ledger.decide(act.connection, [Decision(one.id, choices[one.id], why, act.actor, now) for one in holds])
            act.ledger.append(
                act.connection,
                run,
                [
                    OutcomeRow(
                        "note",
                        one.entity,
                        _spoken_of(one),
                        "decided",
                        f"{one.question}{f' of {one.field}' if one.field else ''}: {choices[one.id]}. {why}",
                        now,
                        act.actor,
                        {"hold": one.id, "choice": choices[one.id], "why": why, "candidates": one.candidates},
                    )
                    for one in holds
                ],
            )
    return {"run": run, "decided": decided}


def _chosen(act: Act, ids: Sequence[str], question: str | None) -> list[Hold]:
    if bool(ids) == (question is not None):
        raise AskedWrongly("Which questions?", fix="Name holds by their ids, or all of a kind with --question NAME.")
    found = act.ledger.open_holds(act.connection)
    if question is not None:
        chosen = [one for one in found if one.question == question]
        if not chosen:
            names = ", ".join(sorted({one.question for one in found})) or "none"
            raise AskedWrongly(f"No open hold asks {question!r}.", fix=f"Open questions: {names}.")
        return chosen
    by_id = {one.id: one for one in found}
    wrong = [one for one in dict.fromkeys(ids) if one not in by_id]
    if wrong:
        states = act.ledger.hold_states(act.connection, wrong)
        words = ", ".join(f"{one} ({states[one][0].replace('_', ' ') if one in states else 'unknown'})" for one in wrong)
        raise AskedWrongly(f"Not an open hold: {words}.", fix=f"The open ones: {command(act.connection, 'holds list')}")
    return [by_id[one] for one in dict.fromkeys(ids)]


def _choices(holds: Sequence[Hold], choice: str) -> dict[str, str]:
    """The choice as each hold offers it, by hold id."""
    found, wrong = {}, []
    for one in holds:
        fits = [word for word in one.choices if word == choice or (choice in WITH_REF and word.startswith(f"{choice} "))]
        if len(fits) == 1:
            found[one.id] = fits[0]
        else:
            wrong.append(f"{one.id} offers {', '.join(one.choices)}")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise AskedWrongly(
            f"{choice!r} is not one choice of every hold named: {'; '.join(wrong[:SHOWN])}{more}.", fix="Use one of these."
        )
    return found


def _refuse_double_links(act: Act, holds: Sequence[Hold], choices: Mapping[str, str]) -> None:
    """A record can have one partner: two answers that name the same one would leave the second record without any."""
    asked = [(one.record, choices[one.id]) for one in holds]
    waiting = [(one.record, decision.choice) for one, decision in act.ledger.decisions(act.connection)]
    partner_of: dict[Ref, Ref] = {}
    for record, choice in (*waiting, *asked):
        target = _target(choice)
        if target is None:
            continue
        other = partner_of.setdefault(target, record)
        if other != record:
            raise AskedWrongly(f"Both {other} and {record} would be linked to {target}.", fix="Link one of them only.")
    for record, choice in asked:
        target = _target(choice)
        link = act.ledger.link_of(act.connection, target) if target is not None else None
        if link is not None:
            partner = link.crm if target == link.books else link.books
            raise AskedWrongly(
                f"{record} cannot be linked to {target}: that is linked to {partner}.", fix="Choose another answer."
            )


def _target(choice: str) -> Ref | None:
    return Ref.parse(choice.removeprefix("link ")) if choice.startswith("link ") else None


def _spoken_of(hold: Hold) -> tuple[Ref, ...]:
    """The record that asks and its candidates: the answer belongs to the story of each."""
    return (hold.record, *(Ref.parse(one["record"]) for one in hold.candidates))
