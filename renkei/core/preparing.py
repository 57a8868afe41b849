"""What both organisations must have for a connection, what of it is missing, and how it comes there: made by their APIs as the
OpenAPI files allow, or clicked by a person (docs/decisions/0018-preparing-an-organisation.md).

Everything here is a value: nobody is asked and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from renkei.core.connection import ConnectionSpec
from renkei.core.mapping import SummariesSpec
from renkei.core.records import FieldMeta, Profile
from renkei.core.rights import Permissions, document_rights
from renkei.core.values import Side

CRM_KEY_LENGTH = 19  # a Books id
BOOKS_KEY_LENGTH = 50  # crm:<module>:<id>, or renkei:<intent id>
LONGEST_LABEL = 25  # of fields and modules of the CRM; what is longer is refused there
WRITES = ("Create", "Edit", "Delete")

# Our names of published fields → type in the CRM, length or digits after the point. A new module brings its `Name` itself.
_TEXTS: Mapping[str, int] = {
    "connection": 120, "currency": 3, "last_invoice_number": 100, "last_invoice_status": 50, "kind": 50, "number": 100,
    "status": 50, "name": 120,
}  # fmt: skip
_LOOKUPS: Mapping[str, str] = {"account": "Accounts", "contact": "Contacts", "deal": "Deals"}
_TYPES: Mapping[str, str] = {
    "open_count": "integer", "overdue_count": "integer", "last_invoice_date": "date", "last_payment_date": "date",
    "as_of": "datetime", "date": "date", "due_date": "date", "link": "website",
}  # fmt: skip


_DOCUMENTS: Mapping[str, str] = {"estimates": "estimates", "sales_orders": "salesorders", "invoices": "invoices"}
_PLACES: Mapping[str, str] = {
    "contacts": "Customers and Vendors", "items": "Items", "estimates": "Estimates", "salesorders": "Sales Orders",
    "invoices": "Invoices",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewField:
    """A field to be made. `label`: what people see, and what the API name is made of; `lookup`: the module that it points at,
    under which its own module then is listed as `related`."""

    side: Side
    module: str
    api_name: str
    label: str
    data_type: str = "text"
    length: int = 0
    digits: int | None = None
    unique: bool = False
    lookup: str = ""
    related: str = ""

    def __str__(self) -> str:
        kind = f"{self.data_type} {self.length}" if self.length else self.data_type
        return f"{self.side}: field {self.module}.{self.api_name} ({kind}{', no duplicates' if self.unique else ''})"


@dataclass(frozen=True, slots=True)
class NewModule:
    """A custom module to be made. `profiles`: (id, name) of those that are shown it."""

    api_name: str
    singular: str
    plural: str
    profiles: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"crm: module {self.api_name}, shown to {', '.join(name for _, name in self.profiles)}"


@dataclass(frozen=True, slots=True)
class TakenRights:
    """What a profile may no longer do in a module."""

    profile: str
    name: str
    module: str
    rights: tuple[str, ...]

    def __str__(self) -> str:
        return f"crm: profile {self.name} may no longer {', '.join(one.lower() for one in self.rights)} {self.module}"


Step = NewModule | NewField | TakenRights


@dataclass(frozen=True, slots=True)
class Click:
    """What a person has to do by hand: what is wrong, and where to click."""

    wrong: str
    fix: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What is missing: steps that the APIs can take, in the order in which they must be taken, and what is to be clicked."""

    steps: tuple[Step, ...]
    clicks: tuple[Click, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A module that renkei fills. `setting`: the key under `publish` that asks for it; `fields`: (our name, API name) pairs;
    `kinds`: who may view all of these may see it."""

    setting: str
    module: str
    fields: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What both organisations have now.

    fields      (side, module) → fields by API name; a CRM module that is not there is absent
    shown       CRM module → ids of the profiles that are shown it
    mine        name of the profile of the user whom renkei works as
    """

    fields: Mapping[tuple[Side, str], Mapping[str, FieldMeta]]
    shown: Mapping[str, Collection[str]]
    profiles: Sequence[Profile]
    mine: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A field as it must be. `types`: the words under which metadata may know it."""

    new: NewField
    least: int
    types: tuple[str, ...]

    def faults(self, there: Mapping[str, FieldMeta]) -> list[str]:
        """What is wrong with it, one sentence at most; empty where it is as it must be."""
        new, meta = self.new, there.get(self.new.api_name)
        if meta is None:
            return [f"{new.module} has no {new.api_name}"]
        found = []
        if meta.data_type not in self.types:
            found.append(f"is {meta.data_type}, not text")
        if not meta.unique:
            found.append("allows duplicates")
        if not meta.writable:
            found.append("is read-only for this user")
        if meta.length is not None and meta.length < self.least:
            found.append(f"takes {meta.length} characters, {self.least} are needed")
        return [f"{new.module}.{new.api_name} {' and '.join(found)}"] if found else []

    def clicks(self) -> str:
        """Where a person makes it, or puts it right."""
        new = self.new
        if new.side == "books":
            return (
                f"Settings > Preferences > {_PLACES[new.module]} > Field Customization: a Text Box field {new.label} "
                "with 'Prevent duplicate values'."
            )
        return (
            f"Setup > Modules and Fields > {new.module}: a Single Line field {new.api_name}, {self.least} characters or more, "
            "'Do not allow duplicate values', writable for this user."
        )


# ------------------------------------------------------------------------------------------------------ what is needed


def key_field(spec: ConnectionSpec, side: Side, module: str) -> Wanted:
    """Our unique field in a synced module."""
    if side == "crm":
        new = NewField("crm", module, spec.crm_key, label_of(spec.crm_key), "text", BOOKS_KEY_LENGTH, unique=True)
        return Wanted(new, CRM_KEY_LENGTH, ("text",))
    label = label_of(spec.books_key.removeprefix("cf_"))
    new = NewField("books", module, spec.books_key, label, "string", unique=True)
    return Wanted(new, BOOKS_KEY_LENGTH, ("string", "text"))


def keyed_documents(spec: ConnectionSpec) -> list[str]:
    """The Books modules of documents that renkei makes, for deals or for CRM users: our key there makes each of them once."""
    made = {kind for _, rights in spec.permissions for kind, verbs in rights if "create" in verbs} | {spec.deals}
    return [module for kind, module in _DOCUMENTS.items() if kind in made]


def row_key(spec: ConnectionSpec, summaries: SummariesSpec, module: str) -> Wanted:
    """The unique field of a published module, whose values begin with the connection's name."""
    new = NewField("crm", module, summaries.key, label_of(summaries.key), "text", 120, unique=True)
    return Wanted(new, len(spec.name) + 40, ("text",))  # <connection>:<module>:<id>:<currency>


def published(spec: ConnectionSpec, summaries: SummariesSpec) -> list[Published]:
    """The modules that this connection fills."""
    found = []
    if spec.publish_summaries:
        found.append(Published("summaries", summaries.receivables, summaries.receivable_fields, ("receivables",)))
    if spec.publish_documents:
        kinds = ("estimates", "sales_orders", "invoices") if spec.edition == "books" else ("estimates", "invoices")
        found.append(Published("documents", summaries.documents, summaries.document_fields, kinds))
    return found


def published_field(module: str, name: str, api_name: str) -> NewField:
    """A field of a published module. `name`: ours; amounts are what is neither text, date, count nor lookup."""
    label = label_of(api_name)
    if name in _LOOKUPS:
        return NewField("crm", module, api_name, label, "lookup", lookup=_LOOKUPS[name], related=module)
    if name in _TEXTS:
        return NewField("crm", module, api_name, label, "text", _TEXTS[name])
    if name in _TYPES:
        return NewField("crm", module, api_name, label, _TYPES[name])
    return NewField("crm", module, api_name, label, "double", digits=3)


def label_of(api_name: str) -> str:
    """The label of which both APIs make that name: underscores become spaces."""
    return api_name.replace("_", " ")


def can_be_made(api_name: str) -> bool:
    """Whether a label gives this API name, and is short enough."""
    whole = re.fullmatch(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", api_name) is not None
    return whole and len(label_of(api_name.removeprefix("cf_"))) <= LONGEST_LABEL


# ------------------------------------------------------------------------------------------------------- who sees what


def may_see(permissions: Permissions, profile: Profile, kinds: Sequence[str]) -> bool:
    """Whether a profile may view all these kinds of documents: the lesser of `permissions` and the CRM's Invoices tab."""
    return all("show" in document_rights(permissions, profile.name, kind, profile.rights) for kind in kinds)


def too_much(permissions: Permissions, standing: Standing, module: Published) -> dict[Profile, tuple[str, ...]]:
    """The rights that profiles have in a published module beyond theirs; View only where they are shown it.

    Without permissions nobody is asked about: the CRM alone decides. The profile that renkei works as has to write.
    """
    if not permissions:
        return {}
    shown, found = set(standing.shown.get(module.module, ())), {}
    for one in standing.profiles:
        if one.name == standing.mine:
            continue
        excess = [right for right in WRITES if (module.module, right) in one.rights]
        sees = one.id in shown and (module.module, "View") in one.rights
        if sees and not may_see(permissions, one, module.kinds):
            excess.insert(0, "View")
        if excess:
            found[one] = tuple(excess)
    return found


# ------------------------------------------------------------------------------------------------------ what is missing


@dataclass(slots=True)
class _Draft:
    steps: list[Step] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)

    def want(self, wanted: Wanted, there: Mapping[str, FieldMeta]) -> None:
        """A field that is not there is made, one that is wrong is a person's to put right."""
        faults = wanted.faults(there)
        if faults and wanted.new.api_name not in there and can_be_made(wanted.new.api_name):
            self.steps.append(wanted.new)
        elif faults:
            self.clicks.append(Click(faults[0], wanted.clicks()))


def needs(
    spec: ConnectionSpec, summaries: SummariesSpec, crm_modules: Sequence[str], books_modules: Sequence[str], standing: Standing
) -> Needs:
    """What is missing in both organisations. `crm_modules`, `books_modules`: those that are synced.

    standing    of Books with the fields of `keyed_documents`, too
    """
    draft = _Draft()
    keyed: list[tuple[Side, str]] = [("crm", one) for one in crm_modules]
    keyed += [("books", one) for one in (*books_modules, *keyed_documents(spec))]
    for side, module in keyed:
        draft.want(key_field(spec, side, module), standing.fields[side, module])
    for one in published(spec, summaries):
        _publish(draft, spec, summaries, one, standing)
    return Needs(
        tuple(sorted(draft.steps, key=lambda step: (NewModule, NewField, TakenRights).index(type(step)))), tuple(draft.clicks)
    )


def _publish(draft: _Draft, spec: ConnectionSpec, summaries: SummariesSpec, one: Published, standing: Standing) -> None:
    there = standing.fields.get(("crm", one.module))
    if there is None:
        if not can_be_made(one.module):
            fix = f"Setup > Modules and Fields > New Module: its API name is {one.module}; then run this again for its fields."
            draft.clicks.append(Click(f"there is no module {one.module}", fix))
            return
        _new_module(draft, spec, one, standing)
        there = {_NAME.api_name: _NAME}
    draft.want(row_key(spec, summaries, one.module), there)
    for name, api_name in one.fields:
        if api_name not in there and can_be_made(api_name):
            draft.steps.append(published_field(one.module, name, api_name))
        elif api_name not in there:
            fix = (
                f"Setup > Modules and Fields > {one.module}: a field with the API name {api_name} (docs/reference/publishing.md)."
            )
            draft.clicks.append(Click(f"{one.module} has no {api_name}", fix))
    for profile, rights in too_much(spec.permissions, standing, one).items():
        fixed = tuple(right for right in rights if (one.module, right) in profile.fixed)
        loose = tuple(right for right in rights if right not in fixed)
        if loose:
            draft.steps.append(TakenRights(profile.id, profile.name, one.module, loose))
        if fixed:
            draft.clicks.append(
                Click(f"{profile.name} may {_words(fixed)} {one.module}", rights_click(profile.name, fixed, one.module))
            )


_NAME = FieldMeta("Name", "text", 120, False, True, True)


def _new_module(draft: _Draft, spec: ConnectionSpec, one: Published, standing: Standing) -> None:
    """Shown to the profile that renkei works as and to those that may see it, who lose the rights to write there."""
    plural = label_of(one.module)
    singular = plural.removesuffix("s") if plural.endswith("s") else f"{plural} row"[:LONGEST_LABEL]
    seers = [each for each in standing.profiles if each.name != standing.mine and may_see(spec.permissions, each, one.kinds)]
    mine = [each for each in standing.profiles if each.name == standing.mine]
    draft.steps.append(NewModule(one.module, singular, plural, tuple((each.id, each.name) for each in (*mine, *seers))))
    draft.steps += [TakenRights(each.id, each.name, one.module, WRITES) for each in seers]


def rights_click(profile: str, rights: Sequence[str], module: str) -> str:
    """Where a person takes rights from a profile."""
    return f"Setup > Security Control > Profiles > {profile}: take {_words(rights)} of {module} away."


def _words(rights: Sequence[str]) -> str:
    return ", ".join(one.lower() for one in rights)
