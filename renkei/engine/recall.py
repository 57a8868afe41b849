"""Recall: for the changed and the open records, everything the ledger knows that a decision may need.

Loaded are the mirrors that some run must still settle, their links, bases and partners, and the unlinked records of the
other side that share a match key with one of them, however long unchanged. Nothing else: a run is O(changes).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from renkei.core.mapping import full_row, map_frame, values_of
from renkei.core.planning import Known, books_key_of
from renkei.core.records import Mirror
from renkei.core.values import Ref, Side, other
from renkei.engine.extract import OURS, keys_by_row
from renkei.engine.work import SYNCED, EntityWork, Request, Rooms, World, lists_of, mapping_for


async def recall(rooms: Rooms, request: Request, world: World, work: EntityWork, run: str) -> None:
    """Fill work.mirrors, known, linked, links, bases. Candidates by key are loaded as known but not extracted."""
    name = rooms.spec.name
    modules = modules_of(rooms, work.entity)
    for side, module in modules:
        ids = rooms.ledger.open_ids(name, side, module)
        if request.only:
            wanted = the_chosen(rooms, request) | work.chosen
            chosen = {ref.id for ref in wanted if (ref.side, ref.module) == (side, module)}
            ids = [row_id for row_id in ids if row_id in chosen]
        load(rooms, world, work, [Ref(side, module, row_id) for row_id in ids], extracted=True)
    if work.entity in SYNCED:
        _back_from_the_bin(rooms, world, work)
        load_partners(rooms, world, work)
        strays = [ref for ref in work.known if ref not in work.linked]
        load(rooms, world, work, rooms.ledger.aside_with(name, strays), extracted=True)  # skipped for one that changed
        _candidates(rooms, world, work)


def modules_of(rooms: Rooms, entity: str) -> list[tuple[Side, str]]:
    modules = list(lists_of(rooms, entity))
    if entity == "customers" and rooms.spec.customers.modules == "accounts_and_contacts":
        modules.append(("books", "contact_persons"))
    return modules


def the_chosen(rooms: Rooms, request: Request) -> set[Ref]:
    """The records that a single-record run is about, with their partners."""
    wanted: set[Ref] = set(request.only)
    for ref in request.only:
        link = rooms.ledger.link_of(rooms.spec.name, ref)
        if link:
            wanted |= {link.crm, link.books}
    return wanted


def load(rooms: Rooms, world: World, work: EntityWork, refs: Iterable[Ref], *, extracted: bool) -> None:
    """Mirrors of these records and what they say in canonical values; links with them."""
    by_list: dict[tuple[Side, str], list[str]] = {}
    for ref in refs:
        if ref not in work.known:
            by_list.setdefault((ref.side, ref.module), []).append(ref.id)
    for (side, module), ids in by_list.items():
        mirrors = rooms.ledger.mirrors(rooms.spec.name, side, module, ids)
        links = rooms.ledger.links(rooms.spec.name, side, module, ids)
        for row_id, link in links.items():
            work.linked[Ref(side, module, row_id)] = link
            work.links[link.id] = link
        take_mirrors(rooms, world, work, mirrors.values(), extracted=extracted)


def take_mirrors(rooms: Rooms, world: World, work: EntityWork, mirrors: Iterable[Mirror], *, extracted: bool) -> None:
    """Map mirrors in bulk, a frame for each mapping and side, and know them."""
    groups: dict[tuple[str, Side], list[Mirror]] = {}
    for mirror in mirrors:
        work.mirrors[mirror.ref] = mirror
        mapping, why = mapping_for(rooms.spec, mirror.ref, mirror.row)
        if mapping not in world.mappings:
            work.known[mirror.ref] = Known(
                mirror.ref, mirror.hash, mirror.stamp, mirror.row, {}, raw_label(mirror), mirror.in_view,
                mirror.deleted_at is not None, blocked="", extracted=extracted,
            )  # fmt: skip
            work.mapping_of[mirror.ref] = f"!{why or 'module_not_synced'}"
            continue
        work.mapping_of[mirror.ref] = mapping
        groups.setdefault((mapping, mirror.ref.side), []).append(mirror)
    for (mapping, side), members in groups.items():
        spec = world.mappings[mapping]
        rows = [full_row(one.row, one.detail) if side == "books" else one.row for one in members]
        for one, row, values in zip(members, rows, values_of(map_frame(rows, spec, side, world.lookups)), strict=True):
            values.pop("id")
            label = " ".join(str(values[name]) for name in spec.label if isinstance(values.get(name), str)).strip()
            work.known[one.ref] = Known(
                one.ref, one.hash, one.stamp, row, values, label or raw_label(one), one.in_view,
                one.deleted_at is not None, complete=is_complete(one, spec.needs_detail()), extracted=extracted,
            )  # fmt: skip


def is_complete(mirror: Mirror, needs_detail: bool) -> bool:
    """A Books record is complete with the detail of its present stamp."""
    if mirror.ref.side == "crm" or not needs_detail:
        return True
    return mirror.detail is not None and mirror.detail_stamp == mirror.stamp


FIRST_NAMES = {"Last_Name": "First_Name", "last_name": "first_name"}


def raw_label(mirror: Mirror) -> str:
    """A record's name as its own side shows it, whatever the mapping says; its id where it has none."""
    for key in ("Account_Name", "Full_Name", "Last_Name", "Product_Name", "Deal_Name", "contact_name", "name", "last_name"):
        value = mirror.row.get(key)
        if isinstance(value, str) and value:
            first = mirror.row.get(FIRST_NAMES.get(key, ""))
            return f"{value} {first}" if isinstance(first, str) and first else value
    return mirror.ref.id


def _back_from_the_bin(rooms: Rooms, world: World, work: EntityWork) -> None:
    """CRM records whose link ended because they were deleted, and which are there again with their partner: they know each other
    as before. The planner makes the link live."""
    by_module: dict[str, list[str]] = {}
    for ref, known in work.known.items():
        if ref.side == "crm" and not known.deleted and ref not in work.linked and work.mirrors[ref].reason == "unlink":
            by_module.setdefault(ref.module, []).append(ref.id)
    for module, ids in sorted(by_module.items()):
        ended = rooms.ledger.links_ended(rooms.spec.name, "crm", module, ids)
        load(rooms, world, work, [link.books for link in ended.values()], extracted=False)
        for row_id, link in sorted(ended.items()):
            partner = work.known.get(link.books)
            if partner is not None and not partner.deleted and link.books not in work.linked:
                work.links[link.id] = replace(link, state="live")
                work.linked[Ref("crm", module, row_id)] = work.linked[link.books] = work.links[link.id]


def load_partners(rooms: Rooms, world: World, work: EntityWork) -> None:
    missing = [ref for link in work.links.values() for ref in (link.crm, link.books) if ref not in work.known]
    load(rooms, world, work, missing, extracted=False)
    work.bases = rooms.ledger.bases(rooms.spec.name, work.links)


def _candidates(rooms: Rooms, world: World, work: EntityWork) -> None:
    """Unlinked records of the other side that share a key with an unlinked one of ours; and what our keys name.

    What extract brought gets its keys here, so that later runs find it.
    """
    name = rooms.spec.name
    strays = [known for ref, known in work.known.items() if ref not in work.linked and not known.deleted]
    by_list: dict[tuple[Side, str], list[Known]] = {}
    for ref, known in work.known.items():
        if not known.deleted and (known.extracted or ref not in work.linked):
            by_list.setdefault((ref.side, ref.module), []).append(known)
    for side, module in modules_of(rooms, work.entity):
        rows = by_list.get((side, module), [])
        if not rows:
            continue
        found = keys_by_row(rooms, world, side, module, [known.raw for known in rows])
        rooms.ledger.put_keys(name, side, module, {one.ref.id: found.get(one.ref.id, ()) for one in rows if one.extracted})
        keys = {
            key
            for one in rows
            if one.ref not in work.linked
            for key in found.get(one.ref.id, ())
            if key[0] not in ("parent", OURS)
        }
        for other_side, other_module in modules_of(rooms, work.entity):
            if other_side != other(side) or not keys:
                continue
            hits = rooms.ledger.by_keys(name, other_side, other_module, keys)
            refs = {Ref(other_side, other_module, row_id) for ids in hits.values() for row_id in ids}
            load(rooms, world, work, sorted(refs), extracted=False)
    named = {ref for known in strays for ref in key_refs(rooms, known, work.entity) if ref not in work.known}
    load(rooms, world, work, sorted(named), extracted=False)


def key_refs(rooms: Rooms, known: Known, entity: str) -> list[Ref]:
    """The records that this one's key field names, in every list of the entity that they could stand in."""
    if known.ref.side == "crm":
        value = known.raw.get(rooms.spec.crm_key)
        if not value:
            return []
        return [Ref("books", module, str(value)) for side, module in modules_of(rooms, entity) if side == "books"]
    value = books_key_of(known.raw, rooms.spec.books_key)
    if not value or not str(value).startswith("crm:"):
        return []
    return [Ref.parse(str(value))] if str(value).count(":") == 2 else []
