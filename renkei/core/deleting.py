"""What becomes of a linked pair when one of its records was deleted: the table of `deletes`, and the plan that follows it.

The table is a function, and nothing else decides: the planner calls it, and `renkei policy show` prints it for every cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from renkei.core.connection import Deletes, SyncDirection
from renkei.core.mapping import MappingSpec, write_fields
from renkei.core.planning import (
    ACTIVE,
    Draft,
    Ending,
    Known,
    LinkedPair,
    PlanRules,
    candidate,
    make_hold,
    plan_create,
    say_both,
)
from renkei.core.records import Action, Change, Row
from renkei.core.resolving import Cell, blank, is_edited
from renkei.core.values import MISSING, Ref, Side, other

Kind = Literal["customers", "persons", "products"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORDS: tuple[Deletes, ...] = get_args(Deletes)
QUESTIONS = ("deleted", "edited_and_deleted")
MADE_INACTIVE = "made inactive, it has transactions"
NEED_WHOLE = frozenset({"delete_books", "write_crm"})  # effects for which a Books record is read to its last field
WRITES = frozenset({"deactivate_books", "deactivate_crm", "delete_books", "delete_crm", "write_books", "write_crm"})


@dataclass(frozen=True, slots=True)
class DeletedCell:
    """One line of the table. `gone`: whose record was deleted; `living`: what the other side did since both agreed.

    transactions   of the Books record that is to be deleted; only Books knows, and tells when it is asked to delete
    """

    kind: Kind
    word: Deletes
    gone: Literal["crm", "books", "both"]
    living: Literal["quiet", "edited", "deleted"]
    transactions: bool
    cell: Cell


def deleted_cell(
    kind: Kind,
    word: Deletes,
    gone: Side,
    living: Literal["quiet", "edited", "deleted"],
    direction: SyncDirection,
    *,
    transactions: bool = False,
) -> Cell:
    """One record of a linked pair is gone, or both are. `edited`: the living one says something that both never agreed on."""
    alive = other(gone)
    if living == "deleted" or word == "ignore":
        return Cell("leave", "skipped", "deleted")
    if word == "ask":
        return Cell("hold", "held", "deleted")
    has_state = kind == "products" or (kind == "customers" and alive == "books")
    if word == "unlink" or (word == "deactivate" and not has_state):
        return Cell("unlink", "removed", "unlink")
    if alive == "crm" and word != "recreate" and direction == "to_books":
        return Cell("leave", "skipped", "direction")
    if word == "recreate":
        if gone == "crm" and direction == "to_books":
            return Cell("leave", "skipped", "direction")
        return Cell("write_books" if gone == "books" else "write_crm", "created", "recreate")
    if word == "deactivate":
        return Cell("deactivate_books" if alive == "books" else "deactivate_crm", "removed", "deactivate")
    if living == "edited":  # somebody still works with it, and what he wrote would go with it
        return Cell("hold", "held", "edited_and_deleted")
    if transactions and alive == "books" and kind != "persons":
        return Cell("deactivate_books", "removed", made_inactive("delete"))
    return Cell("delete_books" if alive == "books" else "delete_crm", "removed", "delete")


def made_inactive(reason: str) -> str:
    """What is said of a Books record that was to be deleted and has transactions."""
    return f"{reason}: {MADE_INACTIVE}"


def delete_table(direction: SyncDirection) -> Iterator[DeletedCell]:
    """Every cell: kind × word × whose record is gone × what the other side did × transactions. A test walks them all."""
    for kind in KINDS:
        for word in WORDS:
            for gone in ("crm", "books"):
                for living in ("quiet", "edited"):
                    for transactions in (False, True):
                        cell = deleted_cell(kind, word, gone, living, direction, transactions=transactions)
                        yield DeletedCell(kind, word, gone, living, transactions, cell)
            for transactions in (False, True):
                cell = deleted_cell(kind, word, "crm", "deleted", direction, transactions=transactions)
                yield DeletedCell(kind, word, "both", "deleted", transactions, cell)


def choices(kind: Kind, gone: Side, direction: SyncDirection) -> tuple[str, ...]:
    """What a person may choose: `keep`, and every word that does something of its own here."""
    found = ["keep"]
    for word in WORDS:
        effect = deleted_cell(kind, word, gone, "quiet", direction).effect
        if effect in WRITES or (effect == "unlink" and word == "unlink"):
            found.append(word)
    return tuple(found)


def kind_of(spec: MappingSpec) -> Kind:
    return "persons" if spec.name == "persons" else "products" if spec.entity == "products" else "customers"


# ------------------------------------------------------------------------------------------------------------- the plan


def is_settled(pair: LinkedPair) -> bool:
    """Whether an earlier run has dealt with the deletion: its side is marked, and its record has not come back."""
    side = pair.link.dead
    return side is not None and (pair.crm if side == "crm" else pair.books).deleted


def plan_deleted(
    draft: Draft,
    spec: MappingSpec,
    pair: LinkedPair,
    rules: PlanRules,
    *,
    kept: bool = False,
    place: Mapping[str, Any] | None = None,
    needs: Sequence[str] = (),
    persons: Sequence[tuple[Ref, Row]] = (),
    customer: Ending | None = None,
) -> None:
    """A linked pair of which one record is gone, or both are.

    kept       the built-in integration keeps the pair: nothing is written
    place      raw fields that place a person under its customer where it is made again; None: it has none
    needs      keys of the actions that make that customer
    persons    contacts that travel inside a customer that is made again
    customer   how the pair of a person's customer ends in the same plan: the person goes with it
    """
    crm, books, link = pair.crm, pair.books, pair.link
    dead: Side = "crm" if crm.deleted else "books"
    gone, alive = (crm, books) if crm.deleted else (books, crm)
    if is_settled(pair) or alive.deleted:
        if link.dead != dead:
            draft.links.append(replace(link, dead=dead))
        draft.say(gone, "skipped", "deleted")
        draft.say(alive, "skipped", "deleted" if alive.deleted else "partner_deleted")
        return
    blocked = gone.blocked or alive.blocked
    if blocked:
        say_both(draft, crm, books, "blocked", blocked)
        return
    word, decided = _word(draft, rules, gone.ref)
    if customer is not None:
        if not _with_customer(draft, pair, gone, alive, customer):
            return
        word = "recreate"
    edited = edited_fields(spec, pair, alive)
    living: Literal["quiet", "edited"] = "edited" if edited and not decided else "quiet"
    cell = deleted_cell(kind_of(spec), word, dead, living, rules.settings.direction)
    detail: dict[str, Any] = {"deleted": dead, **({"edited": edited} if edited else {})}
    writes, key, hold = cell.effect in WRITES, "", ""
    if writes and kept:
        say_both(draft, crm, books, "skipped", "native_keeps", detail)
        return
    if writes and not alive.in_view:
        say_both(draft, crm, books, "skipped", "out_of_view", detail)
        return
    if cell.effect in NEED_WHOLE and not alive.complete:
        say_both(draft, crm, books, "blocked", "budget", detail)
        return
    if cell.effect in ("write_books", "write_crm") and spec.name == "persons" and place is None:
        say_both(draft, crm, books, "blocked", "customer_not_linked", detail)
        return
    if cell.effect == "hold":
        hold = _ask(draft, spec, gone, alive, rules, cell, detail)
    elif cell.effect in ("write_books", "write_crm"):
        key = _recreate(draft, spec, pair, gone, alive, rules, place, needs, persons, detail)
    elif cell.effect in ("delete_books", "delete_crm"):
        key = _remove(draft, spec, pair, gone, alive, cell)
    elif cell.effect in ("deactivate_books", "deactivate_crm"):
        key = _deactivate(draft, spec, pair, gone, alive, cell)
    if cell.effect == "unlink":
        draft.links.append(replace(link, state="ended", dead=dead))
        draft.asides.append((alive.ref, "unlinked", ""))
    elif not key and not hold:  # nothing is written: `ignore`, or it is inactive already
        draft.links.append(replace(link, dead=dead))
    if not hold:
        actions = tuple(one for one in (key,) if one)
        draft.say(gone, cell.outcome, cell.reason, actions=actions, detail=detail)
        said = "partner_deleted" if cell.reason == "deleted" else cell.reason
        draft.say(alive, cell.outcome, said, actions=actions, detail=detail)
    draft.ended[gone.ref] = draft.ended[alive.ref] = Ending(cell.effect, key, hold)


def edited_fields(spec: MappingSpec, pair: LinkedPair, alive: Known) -> list[str]:
    """Names of the fields in which the living record says something else than when both agreed last; none without a base."""
    base = pair.crm_base if alive.ref.side == "crm" else pair.books_base
    found = []
    for item in spec.fields:
        was, now = (base or {}).get(item.name, MISSING), alive.values.get(item.name, MISSING)
        if was is not MISSING and now is not MISSING and is_edited(item, now, was):
            found.append(item.name)
    return found


def _word(draft: Draft, rules: PlanRules, gone: Ref) -> tuple[Deletes, bool]:
    """The policy's word, or what a person chose for this record, and whether he did."""
    for question in QUESTIONS:
        found = rules.decisions.get((str(gone), question, ""))
        if found is not None:
            draft.carried_out.add(found[1])
            return next((word for word in WORDS if word == found[0]), "ignore"), True
    return rules.settings.deletes, False


def _with_customer(draft: Draft, pair: LinkedPair, gone: Known, alive: Known, customer: Ending) -> bool:
    """A person whose customer's pair ends in the same plan goes with it; True: the person is made again with the customer."""
    dead, link = gone.ref.side, pair.link
    detail = {"deleted": dead}
    if customer.effect == "write_crm":
        return True
    if customer.effect == "write_books":
        say_both(draft, pair.crm, pair.books, "blocked", "customer_created_first", detail)
    elif customer.effect == "hold":
        say_both(draft, pair.crm, pair.books, "held", "deleted", {**detail, "hold": customer.hold})
    elif customer.effect == "leave":
        draft.links.append(replace(link, dead=dead))
        draft.say(gone, "skipped", "deleted", detail=detail)
        draft.say(alive, "skipped", "partner_deleted", detail=detail)
    elif customer.effect == "delete_books":
        say_both(draft, pair.crm, pair.books, "removed", "delete", detail, (customer.key,))
    elif customer.effect == "deactivate_books":
        draft.links.append(replace(link, dead=dead))
        say_both(draft, pair.crm, pair.books, "removed", "deactivate", detail, (customer.key,) if customer.key else ())
    else:  # the customer is unlinked, or its account is deleted: the contact stays
        draft.links.append(replace(link, state="ended", dead=dead))
        say_both(draft, pair.crm, pair.books, "removed", "unlink", detail, (customer.key,) if customer.key else ())
    return False


def _ask(
    draft: Draft, spec: MappingSpec, gone: Known, alive: Known, rules: PlanRules, cell: Cell, detail: Mapping[str, Any]
) -> str:
    offered = choices(kind_of(spec), gone.ref.side, rules.settings.direction)
    hold = make_hold(rules.connection, draft.entity, cell.reason, gone, None, [candidate(alive, {})], offered, detail)
    draft.holds[hold.id] = hold
    crm, books = (gone, alive) if gone.ref.side == "crm" else (alive, gone)
    say_both(draft, crm, books, cell.outcome, cell.reason, {**detail, "hold": hold.id})
    return hold.id


def _recreate(
    draft: Draft,
    spec: MappingSpec,
    pair: LinkedPair,
    gone: Known,
    alive: Known,
    rules: PlanRules,
    place: Mapping[str, Any] | None,
    needs: Sequence[str],
    persons: Sequence[tuple[Ref, Row]],
    detail: Mapping[str, Any],
) -> str:
    """The dead side is made again, under the link that the pair has; should its record come back, it is set aside."""
    key = plan_create(
        draft, spec, alive, gone.ref.side, rules, needs=needs, parent=place, persons=persons, detail=detail, again=pair.link
    )
    draft.asides.append((gone.ref, "replaced", ""))  # it may come back from the recycle bin
    return key


def _remove(draft: Draft, spec: MappingSpec, pair: LinkedPair, gone: Known, alive: Known, cell: Cell) -> str:
    ref = alive.ref
    payload: Row = {"id": ref.id}
    if ref.module == "contact_persons":
        payload = {"contact_id": str(alive.raw.get("contact_id") or "")}
    said = sorted((name, value) for name, value in alive.values.items() if not blank(value))
    changes = tuple(Change(name, ref.side, value, None, cell.reason) for name, value in said)
    return _act(draft, spec, pair, gone, alive, "remove", payload, changes, cell.reason)


def _deactivate(draft: Draft, spec: MappingSpec, pair: LinkedPair, gone: Known, alive: Known, cell: Cell) -> str:
    """Make the living record inactive; "" where it is so already."""
    item = next((one for one in spec.fields if one.special == "active"), None)
    if not is_active(spec, alive):
        return ""
    payload: Row = {ACTIVE: False}
    if alive.ref.side == "crm" and item is not None:
        payload = dict(write_fields(spec, "crm", {item.name: False}, alive.raw))
    change = Change(item.name if item else "active", alive.ref.side, True, False, cell.reason)
    return _act(draft, spec, pair, gone, alive, "deactivate", payload, (change,), cell.reason)


def is_active(spec: MappingSpec, known: Known) -> bool:
    """Whether a record with such a state is active: a Books record by its status, a CRM product by its own field."""
    if known.ref.side == "books":
        return known.raw.get("status") != "inactive"
    item = next((one for one in spec.fields if one.special == "active"), None)
    return item is None or known.values.get(item.name) is not False


def _act(
    draft: Draft,
    spec: MappingSpec,
    pair: LinkedPair,
    gone: Known,
    alive: Known,
    verb: str,
    payload: Row,
    changes: tuple[Change, ...],
    reason: str,
) -> str:
    ref = alive.ref
    return draft.act(
        Action(
            key=f"{draft.entity}|{verb}|{ref.side}|{ref.module}|{ref}", entity=draft.entity, mapping=spec.name, verb=verb,
            side=ref.side, module=ref.module, target=ref, source=gone.ref, payload=payload, changes=changes, reason=reason,
            stamp=alive.stamp, calls=1.0 if ref.side == "books" else 0.01, rank=(4, ref.id), link=pair.link.id,
        )
    )  # fmt: skip
