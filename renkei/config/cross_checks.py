"""What no single file's form can say: names that must exist, settings that exclude each other, files that must agree."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError

from renkei.config.models import ConnectionModel, DealsOverrideModel, OverrideModel
from renkei.config.reading import unknown
from renkei.config.yaml_reader import Document
from renkei.config.yaml_reader import Path as Place
from renkei.core.connection import ConnectionSpec
from renkei.core.data_centers import DATA_CENTERS
from renkei.core.deal_lines import BILLING_FIELDS, DEAL_FIELDS, LINE_FIELDS, NEEDED, TERMS, TODAY, DealsSpec, LinesSpec
from renkei.core.errors import Fault
from renkei.core.mapping import ADDRESS_KEYS, DOCUMENT_FIELDS, RECEIVABLE_FIELDS, FieldSpec, MappingSpec, SummariesSpec
from renkei.core.names import NORMALISERS
from renkei.core.rights import FLOWS, RIGHTS, ROLES, person_of
from renkei.core.transforms import FUNCTIONS

# mapping → (entity, CRM module, Books records, canonical fields that the engine itself needs)
MAPPINGS: Mapping[str, tuple[str, str, str, tuple[str, ...]]] = {
    "accounts": ("customers", "Accounts", "contacts", ("name",)),
    "contacts": ("customers", "Contacts", "contacts", ("last_name",)),
    "persons": ("customers", "Contacts", "contact_persons", ("last_name",)),
    "products": ("products", "Products", "items", ("name",)),
}
LOOKUPS = ("currencies", "owners")

_PERSON = ("salutation", "first_name", "last_name", "email", "phone", "mobile", "designation", "department", "skype")
# Books paths that may be mapped, as far as the contract names them (books-v3.md sections 6 and 7); cf_… comes on top.
BOOKS_PATHS: Mapping[str, frozenset[str]] = {
    "contacts": frozenset(
        (
            "company_name", "contact_name", "contact_number", "website", "notes", "currency_code", "currency_id", "language_code",
            "payment_terms", "payment_terms_label", "credit_limit", "tax_id", "is_taxable", "owner_id", "facebook", "twitter",
            *(f"{address}.{key}" for address in ("billing_address", "shipping_address") for key in ADDRESS_KEYS),
            *(f"primary_person.{key}" for key in _PERSON),
        )
    ),
    "contact_persons": frozenset(_PERSON),
    "items": frozenset(
        (
            "name", "sku", "rate", "description", "unit", "status", "is_taxable", "tax_id", "product_type", "item_type",
            "purchase_rate", "purchase_description", "account_id",
        )
    ),
}  # fmt: skip
_DETAIL_ONLY = ("billing_address.", "shipping_address.", "notes")


# --------------------------------------------------------------------------------------------------------- mappings


def mapping_faults(document: Document, spec: MappingSpec, file_name: str) -> list[Fault]:
    """Faults of a mapping that has a valid form. For an override the document holds only a part of the specification."""
    faults = _place_faults(document, spec, file_name)
    for item in spec.fields:
        faults += _field_faults(document, spec, item)
    return faults + _twice_faults(document, spec) + _name_faults(document, spec)


def _place_faults(document: Document, spec: MappingSpec, file_name: str) -> list[Fault]:
    faults = []
    if spec.name != file_name:
        faults.append(document.fault(("mapping",), f"this file is named {file_name}.yaml, so its mapping is {file_name!r}"))
    entity, crm, books, needed = MAPPINGS[spec.name]
    for key, given, right in (
        ("entity", spec.entity, entity),
        ("crm", spec.crm_module, crm),
        ("books", spec.books_module, books),
    ):
        if given != right:
            faults.append(document.fault((key,), f"{key} of the mapping {spec.name!r} is {right!r}, not {given!r}"))
    names = {item.name for item in spec.fields}
    for name in needed:
        if name not in names:
            word = f"the field {name!r} is missing; {spec.name} cannot be without it"
            faults.append(document.fault(("fields",), word, at_key=True))
    return faults


def _field_faults(document: Document, spec: MappingSpec, item: FieldSpec) -> list[Fault]:
    place: Place = ("fields", item.name)
    if place not in document.keys or item.books is None:
        return []  # declared in the overridden file and checked there, or refused by its form already
    faults = []
    function = FUNCTIONS.get(item.function())
    if function is None:
        return [document.fault((*place, "transform"), unknown("transform", item.transform, FUNCTIONS))]
    for name, _ in item.options:
        if name not in function.options:
            word = unknown(f"option of {function.name}", name, function.options)
            faults.append(document.fault((*place, "options", name), word, at_key=True))
    if function.needs_values != bool(item.values):
        word = "needs `values`" if function.needs_values else "takes no `values`"
        faults.append(document.fault((*place, "values"), f"the transform {function.name} {word}", at_key=True))
    if item.values and item.direction != "to_books" and len({books for _, books in item.values}) < len(item.values):
        word = "two CRM values stand for one Books value, so there is no way back; make direction to_books"
        faults.append(document.fault((*place, "values"), word, at_key=True))
    if function.needs_table != bool(item.lookup):
        word = f"needs `lookup`: {' or '.join(LOOKUPS)}" if function.needs_table else "takes no `lookup`"
        faults.append(document.fault((*place, "lookup"), f"the transform {function.name} {word}", at_key=True))
    elif item.lookup and item.lookup not in LOOKUPS:
        faults.append(document.fault((*place, "lookup"), unknown("lookup table", item.lookup, LOOKUPS)))
    return faults + _path_faults(document, spec, item) + _option_faults(document, item)


def _path_faults(document: Document, spec: MappingSpec, item: FieldSpec) -> list[Fault]:
    faults = []
    known = BOOKS_PATHS[spec.books_module]
    for key, path in (("books", item.books or ""), ("books_else", item.books_else), ("books_write", item.books_write)):
        place: Place = ("fields", item.name, key)
        if not path and key != "books":
            continue
        if path.startswith("cf_"):
            if not re.fullmatch(r"cf_[a-z0-9_]+", path):
                word = f"{path!r} has not the form of a custom field: cf_ and small letters, digits, _"
                faults.append(document.fault(place, word))
            if spec.books_module == "contact_persons":
                faults.append(document.fault(place, "contact persons have no custom fields in Books"))
        elif path not in known:
            faults.append(document.fault(place, unknown(f"Books path of {spec.books_module}", path, known)))
    only_in_detail = (item.books or "").startswith(_DETAIL_ONLY)
    if only_in_detail and not item.detail:
        faults.append(document.fault(("fields", item.name, "books"), f"only a detail shows {item.books}; add detail: true"))
    return faults


def _option_faults(document: Document, item: FieldSpec) -> list[Fault]:
    place: Place = ("fields", item.name)
    faults = []
    if item.direction != "both" and item.owner == ("books" if item.direction == "to_books" else "crm"):
        word = f"{item.owner} owns a field that only travels {item.direction}; then {item.owner} could never prevail"
        faults.append(document.fault((*place, "owner"), word))
    if item.special == "active" and (item.books != "status" or item.function() != "active_flag"):
        faults.append(document.fault((*place, "special"), "special: active is for books: status with transform: active_flag"))
    if item.books == "status" and item.special != "active":
        word = "Books takes status by calls of its own; add special: active"
        faults.append(document.fault((*place, "books"), word))
    if item.required and item.optional:
        faults.append(document.fault((*place, "optional"), "a required field cannot be optional"))
    for side, _ in item.default:
        if not item.travels_to(side):
            word = f"this field never travels to {side}, so a default there has no use"
            faults.append(document.fault((*place, "default", side), word, at_key=True))
    return faults


def _twice_faults(document: Document, spec: MappingSpec) -> list[Fault]:
    """Two fields that write the same place would undo each other in every run."""
    faults = []
    for key, side in (("crm", "crm"), ("books", "books")):
        first: dict[str, str] = {}
        for item in spec.fields:
            path = item.crm if side == "crm" else item.write_path("books")
            if path is None or not item.travels_to("crm" if side == "crm" else "books"):
                continue
            if path in first:
                word = f"{path} is mapped to {first[path]!r} already; two fields would overwrite each other"
                faults.append(document.fault(("fields", item.name, key), word))
            first.setdefault(path, item.name)
    return faults


def _name_faults(document: Document, spec: MappingSpec) -> list[Fault]:
    names = [item.name for item in spec.fields]
    faults = []
    for number, name in enumerate(spec.label):
        if name not in names:
            faults.append(document.fault(("label", number), unknown("field", name, names)))
    for number, rule in enumerate(spec.match.keys):
        for name, normaliser in rule.fields:
            place: Place = ("match", "keys", number, "fields", name)
            if name not in names:
                faults.append(document.fault(place, unknown("field", name, names), at_key=True))
            if normaliser not in NORMALISERS:
                faults.append(document.fault(place, unknown("normaliser", normaliser, NORMALISERS)))
    rules = [rule.name for rule in spec.match.keys]
    for number, rule_name in enumerate(rules):
        if rule_name in rules[:number]:
            faults.append(document.fault(("match", "keys", number, "name"), f"a second key named {rule_name!r}"))
    for name, _ in spec.match.weights:
        if name not in names:
            faults.append(document.fault(("match", "weights", name), unknown("field", name, names), at_key=True))
    if spec.match.review > spec.match.auto:
        word = f"review ({spec.match.review}) must not be above auto ({spec.match.auto})"
        faults.append(document.fault(("match", "review"), word))
    return faults


def taken_out_faults(document: Document, base: MappingSpec, model: OverrideModel) -> list[Fault]:
    """An override may only take out what is there."""
    names = [item.name for item in base.fields]
    return [
        document.fault(("fields", name), unknown("field", name, names), at_key=True)
        for name, item in (model.fields or {}).items()
        if item is None and name not in names
    ]


def summaries_faults(document: Document, spec: SummariesSpec) -> list[Fault]:
    """Our names are a closed list, all of them are needed, and each CRM field takes one of them."""
    faults: list[Fault] = []
    for key, pairs, known in (
        ("receivable_fields", spec.receivable_fields, RECEIVABLE_FIELDS),
        ("document_fields", spec.document_fields, DOCUMENT_FIELDS),
    ):
        place: Place = ("summaries", key)
        given = [name for name, _ in pairs]
        faults += [
            document.fault((*place, name), unknown("field", name, known), at_key=True) for name in given if name not in known
        ]
        faults += [document.fault(place, f"{name!r} is missing", at_key=True) for name in known if name not in given]
        taken: dict[str, str] = {}
        for name, api_name in pairs:
            if api_name in taken:
                faults.append(document.fault((*place, name), f"{api_name} takes {taken[api_name]!r} already"))
            taken.setdefault(api_name, name)
    if spec.receivables == spec.documents:
        faults.append(document.fault(("summaries", "documents"), "summaries and documents need a module each"))
    for number, rule in enumerate(spec.joins):
        if rule.crm == "id":
            faults.append(document.fault(("joins", number, "crm"), "id is no text field of Deals"))
        if any((rule.books, rule.crm) == (one.books, one.crm) for one in spec.joins[:number]):
            faults.append(document.fault(("joins", number), f"{rule.books} and {rule.crm} are compared already"))
    return faults


# ------------------------------------------------------------------------------------------------------------ deals


def deals_faults(document: Document, spec: DealsSpec) -> list[Fault]:
    """Faults of a `deals.yaml` that has a valid form. For an override the document holds only a part of the specification."""
    faults = _names_faults(document, ("fields",), spec.fields, DEAL_FIELDS)
    named = dict(spec.fields)
    for name in NEEDED:
        if name not in named:
            faults.append(
                document.fault(("fields",), f"the field {name!r} is missing; no document can do without it", at_key=True)
            )
    for name, path in spec.fields:
        if path.endswith(".id") and name != "salesperson":
            faults.append(document.fault(("fields", name), f"{name} is no lookup; write {path.removesuffix('.id')!r}"))
    faults += _lines_faults(document, spec.lines)
    for kind, dates in (("estimates", spec.estimates), ("invoices", spec.invoices)):
        if dates.date == TERMS:
            faults.append(document.fault((kind, "date"), "payment terms give no date; write today, or a date field of the deal"))
        if dates.due == TODAY:
            faults.append(document.fault((kind, "due"), "nothing is due on the day it is made; write a date field of the deal"))
        if kind == "estimates" and dates.due == TERMS:
            word = "payment terms are an invoice's; write a date field of the deal, or leave it out: then it does not expire"
            faults.append(document.fault((kind, "due"), word))
    return faults + _billing_faults(document, spec)


def _names_faults(document: Document, place: Place, pairs: Collection[tuple[str, str]], known: Sequence[str]) -> list[Fault]:
    return [document.fault((*place, name), unknown("field", name, known), at_key=True) for name, _ in pairs if name not in known]


def _lines_faults(document: Document, lines: LinesSpec) -> list[Fault]:
    place: Place = ("lines",)
    faults = _names_faults(document, (*place, "fields"), lines.fields, LINE_FIELDS)
    named = dict(lines.fields)
    if lines.subform and lines.related:
        word = "take one out: the lines stand in a subform, or they are the related products"
        faults.append(document.fault((*place, "related"), word, at_key=True))
    if not lines.subform and not lines.related and lines.fields:
        word = "name where the lines stand, `subform: API_NAME` or `related: Products`; or take fields out: a line for each deal"
        faults.append(document.fault((*place, "fields"), word, at_key=True))
    if lines.related and "item" in named:
        word = "the rows of the related list are the products themselves; take item out"
        faults.append(document.fault((*place, "fields", "item"), word, at_key=True))
    if lines.optional and not lines.subform:
        faults.append(document.fault((*place, "optional"), "only a subform can be optional"))
    if lines.subform and not lines.related and not named.keys() & {"item", "name", "description"}:
        faults.append(document.fault((*place, "fields"), "a line needs an item, a name or a description", at_key=True))
    if lines.subform and not lines.related and not named.keys() & {"item", "price"}:
        faults.append(document.fault((*place, "fields"), "a line without an item needs a price", at_key=True))
    for name, path in lines.fields:
        if name == "item" and not path.endswith(".id"):
            faults.append(document.fault((*place, "fields", name), f"item is a lookup; write {path + '.id'!r}"))
        elif name != "item" and path.endswith(".id"):
            faults.append(document.fault((*place, "fields", name), f"{name} is no lookup; write {path.removesuffix('.id')!r}"))
    faults += _taken_faults(document, (*place, "fields"), lines.fields)
    if lines.taxes and "tax" not in named:
        faults.append(document.fault((*place, "taxes"), "no field is mapped to tax, so these are never read", at_key=True))
    if lines.discounts == "percent" and "discount" not in named:
        faults.append(document.fault((*place, "discounts"), "no field is mapped to discount, so this is never read"))
    return faults


def _taken_faults(document: Document, place: Place, pairs: Collection[tuple[str, str]]) -> list[Fault]:
    """One field of the CRM cannot be two things of a line."""
    faults = []
    taken: dict[str, str] = {}
    for name, path in pairs:
        if path in taken:
            faults.append(document.fault((*place, name), f"{path} is {taken[path]!r} already"))
        taken.setdefault(path, name)
    return faults


def _billing_faults(document: Document, spec: DealsSpec) -> list[Fault]:
    if spec.billing is None:
        return []
    place: Place = ("billing", "fields")
    faults = _names_faults(document, place, spec.billing.fields, BILLING_FIELDS)
    named = dict(spec.billing.fields)
    if "date" not in named:
        word = "'date' is missing: the field with the day from which a row is to be invoiced"
        faults.append(document.fault(place, word, at_key=True))
    if ("amount" in named) == ("percentage" in named):
        word = "a row says either an amount or a percentage of the deal; name one of the two"
        faults.append(document.fault(place, word, at_key=True))
    faults += [
        document.fault((*place, name), f"{name} is no lookup; write {path.removesuffix('.id')!r}")
        for name, path in spec.billing.fields
        if path.endswith(".id")
    ]
    faults += _taken_faults(document, place, spec.billing.fields)
    if spec.billing.subform == spec.lines.subform:
        word = f"{spec.billing.subform} holds the deal's lines already; the plan of billing needs a subform of its own"
        faults.append(document.fault(("billing", "subform"), word))
    if "number" in dict(spec.fields):
        word = "a deal has one number, and several invoices cannot share it; take number out, or billing"
        faults.append(document.fault(("fields", "number"), word, at_key=True))
    return faults


def deals_taken_out_faults(document: Document, base: DealsSpec, model: DealsOverrideModel) -> list[Fault]:
    """An override may only take out what is there."""
    names = dict(base.fields)
    return [
        document.fault(("fields", name), unknown("field", name, names), at_key=True)
        for name, path in (model.fields or {}).items()
        if path is None and name not in names
    ]


def deal_setting_faults(document: Document, spec: ConnectionSpec, deals: Mapping[str, DealsSpec], folder: Path) -> list[Fault]:
    """A connection whose deals make documents needs to know what they give, and plans of billing make invoices alone."""
    if spec.deals == "none":
        return []
    found = deals.get(spec.mappings or "", deals.get(""))
    if found is None and not (folder / "deals.yaml").exists():  # otherwise that file's own faults are told
        word = f"deals: {spec.deals} needs {folder.name}/deals.yaml, which is not there; copy the one that comes with renkei"
        return [document.fault(("deals",), word)]
    if found is not None and found.billing is not None and spec.deals == "estimates":
        word = f"{found.file} bills in stages, as only deals: invoices does; say billing: null in an override for this connection"
        return [document.fault(("deals",), word)]
    return []


# ------------------------------------------------------------------------------------------------------ connections


def connection_faults(
    document: Document, model: ConnectionModel, file_name: str, mappings: Collection[str], folder: Path
) -> list[Fault]:
    """Faults of a connection that has a valid form. `mappings`: names of the override folders that there are."""
    faults = []
    if model.connection != file_name:
        word = f"this file is named {file_name}.yaml, so its connection is {file_name!r}"
        faults.append(document.fault(("connection",), word))
    if model.time_zone not in available_timezones():
        faults.append(document.fault(("time_zone",), unknown("time zone", model.time_zone, available_timezones())))
    if model.crm.data_center not in DATA_CENTERS:
        faults.append(document.fault(("crm", "data_center"), unknown("data centre", model.crm.data_center, DATA_CENTERS)))
    if model.mappings is not None and model.mappings not in mappings:
        known = sorted(name for name in mappings if name)
        faults.append(document.fault(("mappings",), unknown(f"folder in {folder.name}/", model.mappings, known)))
    if not model.credentials and not (model.crm.credentials and model.books.credentials):
        word = "'credentials' is missing; it names the variables RENKEI_<WORD>_CLIENT_ID, _CLIENT_SECRET and _REFRESH_TOKEN"
        faults.append(document.fault(("credentials",), word))
    for key, expression in (("nightly", model.schedule.nightly), ("hourly", model.schedule.hourly)):
        problem = cron_problem(expression)
        if problem:
            faults.append(document.fault(("schedule", key), problem))
    for key, day in (("deals_since", model.deals_since), ("closed_until", model.closed_until)):
        if day is not None and not _is_day(day):
            faults.append(document.fault((key,), f"the calendar has no day {day}"))
    if model.books.edition == "invoice":
        for profile, rights in model.permissions.items():
            if rights.purchase_orders or rights.sales_orders:
                word = "Zoho Invoice has no sales orders and no purchase orders"
                faults.append(document.fault(("permissions", profile), word, at_key=True))
    faults += _role_faults(document, model)
    return faults + _customer_faults(document, model) + _host_faults(document, model)


RELEASE = [role for role in ROLES if "release" in RIGHTS[role]]


def _role_faults(document: Document, model: ConnectionModel) -> list[Fault]:
    """A token that a role names needs its hash, and a hash stands for one token only; four eyes need two people to release."""
    faults = []
    held = model.roles.model_dump().items() if model.roles else ()
    people = {person_of(one) for role, actors in held if role in RELEASE for one in actors if "deployment:" not in one}
    if model.four_eyes and model.roles and len(people) < 2:
        word = f"only {', '.join(people) or 'nobody'} may release a brake; name a second person as approver or administrator"
        faults.append(document.fault(("four_eyes",), word))
    for role, actors in model.roles.model_dump().items() if model.roles else ():
        for place, actor in enumerate(actors):
            name = actor.removeprefix("token:")
            if name != actor and name not in model.tokens:
                faults.append(document.fault(("roles", role, place), unknown("token", name, model.tokens)))
            flow = actor.removeprefix("deployment:")
            if flow != actor and flow not in FLOWS:
                faults.append(document.fault(("roles", role, place), unknown("flow", flow, FLOWS)))
    seen: dict[str, str] = {}
    for name, digest in model.tokens.items():
        if digest in seen:
            faults.append(document.fault(("tokens", name), f"this is the hash of {seen[digest]!r} already"))
        seen.setdefault(digest, name)
    return faults


def _customer_faults(document: Document, model: ConnectionModel) -> list[Fault]:
    faults = []
    customers = model.customers
    place: Place = ("customers",)
    if customers.remove_earlier_configuration and customers.modules == "contacts":
        word = "does not go with modules: contacts; it removes customers only after a change to accounts or accounts_and_contacts"
        faults.append(document.fault((*place, "remove_earlier_configuration"), word))
    if customers.include_contacts_without_account and customers.modules == "contacts":
        word = "has no meaning with modules: contacts, which takes every contact"
        faults.append(document.fault((*place, "include_contacts_without_account"), word))
    modules = {"accounts": ["Accounts"], "contacts": ["Contacts"]}.get(customers.modules, ["Accounts", "Contacts"])
    if customers.include_contacts_without_account:
        modules = ["Accounts", "Contacts"]
    for name in customers.views:
        if name not in modules:
            faults.append(document.fault((*place, "views", name), unknown("module with a view here", name, modules), at_key=True))
    for name in model.products.views:
        if name != "Products":
            faults.append(
                document.fault(("products", "views", name), unknown("module with a view here", name, ["Products"]), at_key=True)
            )
    return faults


_LOOPBACK = re.compile(r"^http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?/?$")


def _host_faults(document: Document, model: ConnectionModel) -> list[Fault]:
    """A token must not travel in the clear, except to this machine."""
    faults = []
    for side, hosts in (("crm", model.crm.hosts), ("books", model.books.hosts)):
        for key, address in (hosts.model_dump(exclude_none=True) if hosts else {}).items():
            if address.startswith("http://") and not _LOOPBACK.match(address):
                word = "tokens would travel unencrypted; write https://, or a loopback address"
                faults.append(document.fault((side, "hosts", key), word))
    return faults


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


_CRON = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))


def cron_problem(expression: str) -> str | None:
    """What is wrong with a cron expression of five numeric parts, or None."""
    parts = expression.split()
    if len(parts) != len(_CRON):
        return f"{expression!r} is not a cron expression of five parts: minute hour day month weekday"
    for part, (name, low, high) in zip(parts, _CRON, strict=True):
        for item in part.split(","):
            if not _cron_item(item, low, high):
                return f"{part!r} in {expression!r} is no {name} ({low} to {high}, *, a-b, */n or a list of these)"
    try:
        CronSim(expression, datetime.min)
    except CronSimError:
        return f"{expression!r} names a day that there is not"
    return None


def _cron_item(item: str, low: int, high: int) -> bool:
    match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", item)
    if not match:
        return False
    first, last, step = (int(text) if text else None for text in match.groups())
    within = all(number is None or low <= number <= high for number in (first, last))
    return within and (step is None or step >= 1) and (first is None or last is None or first <= last)


def shared_key_faults(connections: Sequence[tuple[Document, ConnectionSpec]]) -> list[Fault]:
    """Our unique field holds one partner's id, so within one organisation each connection needs a field of its own."""
    faults = []
    first: dict[tuple[str, ...], str] = {}
    for document, spec in connections:
        crm = ("crm", spec.crm.hosts.api, spec.crm.credentials, spec.crm_key)
        books = ("books", spec.books.hosts.api, spec.organization, spec.books_key)
        for side, key in (("crm", crm), ("books", books)):
            if key in first:
                word = (
                    f"{key[-1]} is the key of connection {first[key]!r} in this organisation already; "
                    f"give each connection a unique field of its own (keys: {{{side}: …}})"
                )
                faults.append(document.fault(("keys", side), word))
            first.setdefault(key, spec.name)
    return faults


# ------------------------------------------------------------------------------------------------------ expectations


def mappings_in_use(spec: ConnectionSpec) -> tuple[str, ...]:
    """Names of the mappings that a connection reads with."""
    customers = spec.customers
    loose = customers.modules == "contacts" or customers.include_contacts_without_account
    both = ("accounts", "persons") if customers.modules != "contacts" else ()
    return (*both, *(("contacts",) if loose else ()), "products")


def suites_of(spec: ConnectionSpec) -> tuple[str, ...]:
    """Names of the expectation suites that judge a connection's rows, sorted."""
    names = set()
    for mapping in mappings_in_use(spec):
        _, crm, books, _ = MAPPINGS[mapping]
        names |= {f"arrival/crm_{crm.lower()}", f"canonical/{mapping}"}
        if books != "contact_persons":
            names.add(f"arrival/books_{books}")
    if spec.publish_summaries or spec.publish_documents:
        names.add("arrival/books_invoices")
    return tuple(sorted(names))


def suite_faults(spec: ConnectionSpec, suites: Collection[str], folder: Path) -> list[Fault]:
    return [
        Fault(str(folder / f"{name}.yaml"), 1, 1, f"this expectation suite is missing; connection {spec.name!r} needs it")
        for name in suites_of(spec)
        if name not in suites and not (folder / f"{name}.yaml").exists()
    ]
