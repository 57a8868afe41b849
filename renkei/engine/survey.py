"""Survey: what both organisations look like — identities, fields, users, currencies — and what the mappings miss there.

A full run asks both sides; an hourly one takes the survey that the last full run left in the ledger, because metadata
costs a call a module and changes rarely. A field that vanished in between is refused by the side itself, by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from renkei.core.deal_lines import PRODUCTS, fitting, modules, reads
from renkei.core.errors import FieldMissing, WrongOrganization
from renkei.core.mapping import FieldSpec, Lookups, MappingSpec
from renkei.core.records import Currency, Organization, User
from renkei.core.values import Side
from renkei.engine.environment import require_kind
from renkei.engine.work import (
    OF_A_DEAL,
    SYNCED,
    DealsWorld,
    Request,
    Rooms,
    World,
    deal_kind,
    fields_of,
    mappings_of,
    published_modules,
    published_of,
)

LASTS = timedelta(days=2)  # a nightly run that failed once must not make every hourly run ask again


async def survey(rooms: Rooms, request: Request, run: str) -> World:
    """Both organisations as this run needs them.

    raises  FieldMissing for a field that is mapped, not optional and not there; WrongOrganization where the CRM is not the
            one that former runs of this connection wrote to; WrongEnvironment; ConnectionRefused and TryAgain as the sides answer
    """
    ledger, name, now = rooms.ledger, rooms.spec.name, rooms.clock.now()
    stored = ledger.survey(name)
    content = dict(stored[0]) if stored else {}
    wanted = _modules(rooms)
    fresh = stored is not None and now - stored[1] < LASTS and content["asked"] == wanted
    if request.full or not fresh:
        seen = await look(rooms)
        if seen != content or stored is None or now - stored[1] > LASTS / 2:
            ledger.put_survey(name, seen, run, now)
        content = seen
    require_kind(rooms.spec, Organization(**content["crm"]))
    return world_of(rooms, content)


async def look(rooms: Rooms) -> dict[str, Any]:
    """Both organisations as their APIs describe them now. WrongOrganization where the CRM is another one than before."""
    seen = await _ask(rooms, _modules(rooms))
    stored = rooms.ledger.survey(rooms.spec.name)
    if stored is not None:
        require_same_crm(rooms.spec.name, stored[0]["crm"], Organization(**seen["crm"]))
    return seen


def require_same_crm(connection: str, before: Mapping[str, Any], now: Organization) -> None:
    """WrongOrganization where the CRM is not the one that former runs of this connection wrote to."""
    if before["id"] != now.id:
        raise WrongOrganization(
            "crm",
            f"the token belongs to the organisation {now.id} ({now.name}), former runs of {connection} worked with "
            f"{before['id']} ({before['name']}).",
            fix="Use a token of the former organisation, or make a connection of another name for this one.",
        )


def _modules(rooms: Rooms) -> dict[str, Any]:
    """What is asked for: another edition, organisation, module or set of custom modules needs a new survey."""
    specs = [rooms.mappings[name] for entity in SYNCED for name in mappings_of(rooms.spec, entity)]
    crm = {spec.crm_module for spec in specs}
    crm |= {published_modules(rooms)[one] for one in published_of(rooms.spec)}
    deals = modules(rooms.deals, deal_kind(rooms.spec)) if rooms.spec.deals != "none" and rooms.deals else []
    crm |= {one for one in deals if one in ("Deals", PRODUCTS)}
    books = {spec.books_module for spec in specs} & {"contacts", "items"}
    return {
        "edition": rooms.spec.edition, "organization": rooms.spec.organization, "crm": sorted(crm), "books": sorted(books),
        "deals": deals,
    }  # fmt: skip


async def _ask(rooms: Rooms, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "asked": dict(wanted),
        "crm": asdict(await rooms.crm.organization()),
        "books": asdict(await rooms.books.organization()),
        "crm_fields": await _crm_fields(rooms, wanted),
        "books_fields": {one: sorted(item.api_name for item in await rooms.books.fields(one)) for one in wanted["books"]},
        "owners": {user.id: user.email for user in await rooms.crm.users()},
        "currencies": [asdict(one) for one in await rooms.books.currencies()],
        "deals": await _ask_of_deals(rooms) if wanted["deals"] else None,
    }


async def _crm_fields(rooms: Rooms, wanted: Mapping[str, Any]) -> dict[str, list[str]]:
    """API names of the fields of each module, and of the rows of the deals' subforms that there are."""
    found, subforms = dict[str, list[str]](), dict[str, str]()
    for module in wanted["crm"]:
        fields = await rooms.crm.fields(module)
        found[module] = sorted(one.api_name for one in fields)
        subforms |= {one.api_name: one.rows_in for one in fields if module == "Deals" and one.rows_in}
    for name in wanted["deals"]:
        if name in subforms:
            found[name] = sorted(one.api_name for one in await rooms.crm.fields(subforms[name]))
    return found


async def _ask_of_deals(rooms: Rooms) -> dict[str, Any]:
    """What deals and their lines name."""
    taxes = ("tax_id", "tax_name", "tax_percentage", "is_default_tax")
    return {
        "stages": [[*place, word] for place, word in (await rooms.crm.stages()).items()],
        "taxes": [{name: one.get(name) for name in taxes} for one in await rooms.books.taxes()],
        "users": [asdict(one) for one in await rooms.crm.users()],
    }


def _deals_world(rooms: Rooms, seen: Mapping[str, Any]) -> DealsWorld | None:
    """FieldMissing for a field of the deals' mapping that is not there and not optional."""
    told, spec = seen["deals"], rooms.deals
    if told is None or spec is None:
        return None
    there = set(seen["crm_fields"]["Deals"])
    spec = fitting(spec, there)
    wanted = reads(spec, deal_kind(rooms.spec))
    fields = {*OF_A_DEAL, *wanted.deal}
    absent = {"Pipeline"} - there  # of a CRM with one pipeline
    named = [("Deals", one) for one in sorted({*fields, *wanted.subforms} - absent)]
    named += [*wanted.rows, *((PRODUCTS, one) for one in wanted.products)]
    for module, field in named:
        if field not in seen["crm_fields"].get(module, (field,)):
            raise FieldMissing("crm", module, field, fix=f"Create it there, or take it out of {spec.file}.")
    return DealsWorld(
        spec, tuple(sorted(fields - absent)), {(pipeline, stage): word for pipeline, stage, word in told["stages"]},
        told["taxes"], {one["code"]: Currency(**one) for one in seen["currencies"]},
        {one["id"]: User(**one) for one in told["users"]},
    )  # fmt: skip


def world_of(rooms: Rooms, seen: Mapping[str, Any]) -> World:
    """What a survey says, for this connection. FieldMissing for a field that is mapped, not optional and not there."""
    mappings = {
        name: _fitting(rooms, seen, rooms.mappings[name])
        for name in sorted({name for entity in SYNCED for name in mappings_of(rooms.spec, entity)})
    }
    units = {one["code"]: one["minor_units"] for one in seen["currencies"]}
    ids = {one["id"]: one["code"] for one in seen["currencies"] if one["id"]}
    lookups = Lookups({("owners", "crm"): dict(seen["owners"]), ("currencies", "books"): ids})
    for entity in published_of(rooms.spec):
        _require_published(rooms, seen, entity)
    return World(Organization(**seen["crm"]), Organization(**seen["books"]), lookups, units, mappings, _deals_world(rooms, seen))


def _fitting(rooms: Rooms, seen: Mapping[str, Any], spec: MappingSpec) -> MappingSpec:
    """The mapping less the optional fields that a side lacks."""
    crm, books = set(seen["crm_fields"][spec.crm_module]), set(seen["books_fields"].get(spec.books_module, ()))
    absent = lacking(spec, crm, books)
    for side, item in absent:
        if not item.optional:
            module, missing = (spec.crm_module, item.crm) if side == "crm" else (spec.books_module, item.books)
            raise FieldMissing(side, module, str(missing), fix=f"Create it there, or take it out of {spec.file}.")
    if rooms.spec.crm_key not in crm:
        raise FieldMissing("crm", spec.crm_module, rooms.spec.crm_key, fix="Create this unique single-line text field.")
    if books and rooms.spec.books_key not in books:
        raise FieldMissing("books", spec.books_module, rooms.spec.books_key, fix="Create this custom field without duplicates.")
    return spec.without({item.name for _, item in absent})


def lacking(spec: MappingSpec, crm: Collection[str], books: Collection[str]) -> list[tuple[Side, FieldSpec]]:
    """The mapped fields that a side's metadata does not have: of Books, custom fields alone can be looked up."""
    found: list[tuple[Side, FieldSpec]] = []
    for item in spec.fields:
        if item.crm is not None and item.crm.split(".")[0] not in crm:
            found.append(("crm", item))
        elif item.books is not None and item.books.startswith("cf_") and item.books not in books:
            found.append(("books", item))
    return found


def _require_published(rooms: Rooms, seen: Mapping[str, Any], entity: str) -> None:
    spec, module = rooms.summaries, published_modules(rooms)[entity]
    there = set(seen["crm_fields"][module])
    for field in (spec.key, *(api_name for _, api_name in fields_of(rooms, module))):
        if field not in there:
            raise FieldMissing("crm", module, field, fix=f"Create it there, correct {spec.file}, or set publish.{entity}: false.")
