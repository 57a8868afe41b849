"""Field mappings: the specifications that `mappings/*.yaml` become, and the functions that carry rows across.

A mapping joins one CRM module to one kind of Books record: `accounts` (Accounts ↔ business customers), `contacts`
(Contacts ↔ individual customers), `persons` (Contacts ↔ contact persons), `products` (Products ↔ items).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from renkei.core.matching import MatchRules
from renkei.core.values import Side

Owner = Literal["crm", "books", "newest", "none"]
Direction = Literal["both", "to_books", "to_crm"]
NullPolicy = Literal["keep", "clear"]
ForeignEdits = Literal["hold", "ignore", "revert"]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field that both sides have.

    name           its canonical name, the same in frames, ledger, plans and pages
    kind           text | email | phone | website | decimal | integer | boolean | choice | date | lookup
    crm, books     paths into the raw row: `Billing_City`, `Owner.id`, `billing_address.city`, `cf_tax_registration_number`
    transform      a function of core/transforms.py that knows both ways; "" for the kind's own
    options        the transform's keyword arguments (for example the phone's region)
    values         (crm value, books value) pairs of a choice
    lookup         the table of a lookup: `owners` (CRM user → Books salesperson), `currencies`
    owner          who decides when both sides differ: crm, books, newest, none (then the conflicts policy does)
    direction      both, or the one way in which it travels
    null           keep: a blank never overwrites; clear: it does
    foreign_edits  an edit on the side that does not own it: hold, ignore, revert
    default        what a create takes on a side when the source is blank
    max_length     characters the target takes; longer values are quarantined before any call
    create_only    written by a create, never by an update
    detail         the Books path is only in the detail, not in list rows
    personal       masked in logs
    """

    name: str
    kind: str
    crm: str | None
    books: str | None
    owner: Owner
    transform: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    lookup: str = ""
    direction: Direction = "both"
    null: NullPolicy = "keep"
    foreign_edits: ForeignEdits = "hold"
    required: bool = False
    default: tuple[tuple[Side, Any], ...] = ()
    max_length: tuple[tuple[Side, int], ...] = ()
    create_only: bool = False
    detail: bool = False
    personal: bool = False
    line: int = 0  # where the YAML declares it, for messages about the live system

    def path(self, side: Side) -> str | None:
        return self.crm if side == "crm" else self.books

    def limit(self, side: Side) -> int | None:
        return dict(self.max_length).get(side)


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """One file of `mappings/`. `constants` are raw values that a create sets on a side (for example contact_type)."""

    name: str
    entity: str
    crm_module: str
    books_module: str
    fields: tuple[FieldSpec, ...]
    match: MatchRules
    label: tuple[str, ...] = ("name",)  # canonical fields that name the record to a person
    constants: tuple[tuple[Side, str, Any], ...] = ()
    file: str = ""
    extra: tuple[tuple[str, Any], ...] = field(default=())

    def field(self, name: str) -> FieldSpec:
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(name)

    def needs_detail(self) -> bool:
        """True if a Books field that only a detail shows is mapped."""
        return any(spec.detail and spec.books for spec in self.fields)

    def crm_fields(self) -> tuple[str, ...]:
        """CRM API names to ask for, without sub-paths, sorted."""
        return tuple(sorted({spec.crm.split(".")[0] for spec in self.fields if spec.crm}))
