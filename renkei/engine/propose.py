"""Propose: both sides' fields, read once a module, and what the shipped mappings could be with them. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from renkei.core.connection import ConnectionSpec
from renkei.core.mapping import MappingSpec
from renkei.core.ports import Books, Crm
from renkei.core.proposing import Proposal, propose
from renkei.core.records import FieldMeta
from renkei.engine.work import mappings_of


async def read_proposals(
    crm: Crm, books: Books, spec: ConnectionSpec, shipped: Mapping[str, MappingSpec], entities: Sequence[str],
    reserved: Collection[str],
) -> list[Proposal]:  # fmt: skip
    """A proposal for each mapping that the connection uses for these entities.

    shipped    mapping name → the mapping without any override
    reserved   API names that are not to be mapped: our key fields, and those of other connections
    """
    ours: dict[str, list[FieldMeta]] = {}
    theirs: dict[str, list[FieldMeta] | None] = {"contact_persons": None}
    found = []
    for name in dict.fromkeys(name for entity in entities for name in mappings_of(spec, entity)):
        one = shipped[name]
        if one.crm_module not in ours:
            ours[one.crm_module] = await crm.fields(one.crm_module)
        if one.books_module not in theirs:
            theirs[one.books_module] = await books.fields(one.books_module)
        found.append(propose(one, ours[one.crm_module], theirs[one.books_module], reserved=reserved))
    return found
