"""Everything the CRM organisation holds: users, modules, records, views, currencies, budget."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from renkei.sandbox.crm import org, subforms
from renkei.sandbox.crm.budget import Budget
from renkei.sandbox.crm.fields import (
    CURRENCY_NAMES,
    CUSTOM_MODULES,
    MODULES,
    NAME_FIELD,
    SINGULAR,
    STAGES,
    Field,
    currency_fields,
    made_module_fields,
    module_fields,
    subform_id,
)
from renkei.sandbox.crm.stamps import epoch, stamp
from renkei.sandbox.crm.table import Deleted, Record, Table, View

if TYPE_CHECKING:
    from renkei.sandbox.crm.read import PageToken
    from renkei.sandbox.world import World

RIGHTS = ("View", "Create", "Edit", "Delete")
TABS = ("Invoices",)  # tabs that profiles have rights on and whose records are not imitated
RECYCLE_SECONDS = 60 * 86400
PERMANENT_SECONDS = 120 * 86400


@dataclass(frozen=True, slots=True)
class WriteRow:
    """One write call as received. `trigger`: None when absent (everything fires)."""

    module: str
    operation: str
    user: str
    records: int
    trigger: tuple[str, ...] | None


class CrmState:
    """The CRM organisation of a world. Methods act as people in the user interface do; the API is `CrmApi`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.users = org.users(world.time_zone)
        self.profiles = org.profiles()
        self.sync_user = self.users[org.SYNC_USER]
        self.human_user = self.users[org.HUMAN_USER]
        self.org = org.organisation(world.time_zone, world.base_currency)
        self.module_ids = {name: org.fixed_id(2171 + 4 * n) for n, name in enumerate(MODULES)}
        # (singular, plural) of each module, as people see them.
        self.labels = {name: (SINGULAR[name], org.plural(name)) for name in MODULES}
        self.multi_currency = True
        self.currencies = org.currencies(world.base_currency)
        self.tables: dict[str, Table] = {}
        self.budget = Budget(world, users=self.org["license_details"]["users_license_purchased"])
        # (profile id, module, right): what a profile may not do; right is View, Create, Edit or Delete.
        # At first, only the administrator may write to the modules that are published.
        self.denied: set[tuple[str, str, str]] = {
            (profile, module, right)
            for profile in self.profiles
            for module in CUSTOM_MODULES
            for right in ("Create", "Edit", "Delete")
            if profile != org.ADMINISTRATOR
        } | {(org.STANDARD, "Invoices", "Delete")}
        # How many unique fields a module may have: limited by edition, the number is undocumented.
        self.most_unique_fields = 10
        # Whether If-Modified-Since finds records of that very second (undocumented; excluding is harder on clients).
        self.since_includes_equal = False
        # How long a change takes to reach search and count.
        self.index_lag_seconds = 60
        # Undocumented behaviours, each switchable: texts are trimmed; unknown picklist values are refused.
        self.trims_text = True
        self.refuses_unknown_choices = True
        # Whether taking a record out of the recycle bin moves its Modified_Time.
        self.restore_touches = False
        # Whether relating products to a deal moves the deal's Modified_Time (undocumented).
        self.links_touch = True
        self.locks: dict[str, dict[str, Any]] = {}
        self.variables: list[dict[str, Any]] = []
        self.tags: dict[str, dict[str, Any]] = {}
        self.page_tokens: dict[str, PageToken] = {}
        self.deal_products: dict[str, dict[str, None]] = {}  # products related to deals, beside the subform
        self.counts: dict[tuple[str, ...], tuple[int, int]] = {}
        self.writes: list[WriteRow] = []
        for name in MODULES:
            self.tables[name] = Table(name, self._fields(name))
            self.add_view(name, f"All {org.plural(name)}", None, system_name="ALLVIEWS")

    def _fields(self, module: str) -> dict[str, Field]:
        codes = tuple(c["iso_code"] for c in self.currencies) if self.multi_currency else ()
        return module_fields(module, codes)

    def set_multi_currency(self, on: bool) -> None:
        """Switches multi-currency: without it /org/currencies is refused and no module has `Currency`."""
        self.multi_currency = on
        self.org["mc_status"] = on
        codes = tuple(c["iso_code"] for c in self.currencies) if on else ()
        for name, table in self.tables.items():
            kept = {one: field for one, field in table.fields.items() if one not in CURRENCY_NAMES}
            table.set_fields(kept | currency_fields(name, codes))

    def set_field(self, module: str, field: Field) -> None:
        """Adds a field to a module, or replaces the one of that name."""
        table = self.tables[module]
        table.set_fields({**table.fields, field.name: field})

    def remove_field(self, module: str, name: str) -> None:
        """Takes a field out of a module's metadata; values already stored stay out of reach."""
        table = self.tables[module]
        table.set_fields({key: field for key, field in table.fields.items() if key != name})

    def make_module(self, name: str, singular: str, plural: str, profiles: Collection[str]) -> str:
        """Makes a custom module that these profiles are shown, with every right in it; returns its id."""
        self.module_ids[name] = org.fixed_id(2171 + 4 * len(self.tables))
        self.labels[name] = (singular, plural)
        self.tables[name] = Table(name, made_module_fields(singular))
        self.denied |= {(one, name, right) for one in self.profiles if one not in profiles for right in RIGHTS}
        self.add_view(name, f"All {plural}", None, system_name="ALLVIEWS")
        return self.module_ids[name]

    def remove_module(self, name: str) -> None:
        """Takes a module away with all that is in it."""
        del self.tables[name], self.labels[name], self.module_ids[name]
        self.denied = {row for row in self.denied if row[1] != name}

    def place(self, module: str) -> int:
        """Where a module stands among the others; ids of fixed things hang on it."""
        return list(self.tables).index(module)

    def field_id(self, module: str, number: int) -> str:
        """The id of a module's field by its place among them."""
        return org.fixed_id(2400 + 1000 * self.place(module) + 2 * number)

    def permission_id(self, module: str, right: str) -> str:
        """The id that every profile has for a right in a module."""
        first = 29001 + 4 * TABS.index(module) if module in TABS else 30001 + 4 * self.place(module)
        return org.fixed_id(first + RIGHTS.index(right))

    def set_right(self, profile: str, module: str, right: str, allowed: bool) -> None:
        """An administrator gives a profile, by id or name, a right in a module or tab, or takes it. KeyError for a stranger."""
        id = next((id for id, row in self.profiles.items() if profile in (id, row["name"])), None)
        if id is None or (module not in self.tables and module not in TABS) or right not in RIGHTS:
            raise KeyError(f"no right {right!r} in {module!r} of a profile {profile!r}")
        (self.denied.discard if allowed else self.denied.add)((id, module, right))

    # -- seeding and people's hands ------------------------------------------------------------------------------

    def seed(self, module: str, records: list[Record]) -> list[str]:
        """Inserts records without the API's validation; fills ids, stamps and owners unless given; returns ids."""
        return [self.insert(module, record, by=self.human_user["id"]) for record in records]

    def records(self, module: str) -> dict[str, Record]:
        """Live records by id, as stored: lookups and owners as {"id": ...}, absent keys are null."""
        return self.tables[module].records

    def insert(self, module: str, values: Mapping[str, Any], *, by: str) -> str:
        """Stores a new record. Values are taken as they are; an `id` given must have 19 digits."""
        table = self.tables[module]
        now = self.now_stamp()
        record: Record = {
            "id": "",
            "Owner": {"id": by},
            "Created_By": {"id": by},
            "Modified_By": {"id": by},
            "Created_Time": now,
            "Modified_Time": now,
        }
        record.update((key, self._stored(table, key, value)) for key, value in values.items() if value is not None)
        if not record["id"]:
            record["id"] = self.world.new_id("crm")
        self._merge_rows(table, {}, record)
        if len(record["id"]) != 19 or not record["id"].isdigit():
            raise ValueError(f"a CRM record id has 19 digits: {record['id']!r}")
        if record["id"] in table.records:
            raise ValueError(f"{module} has a record {record['id']} already")
        if "Created_Time" in values and "Modified_Time" not in values:
            record["Modified_Time"] = record["Created_Time"]
        self._derive(module, record)
        table.insert(record)
        return str(record["id"])

    def edit(self, module: str, id: str, /, **fields: Any) -> None:
        """A person changes fields of a record: Modified_Time and Modified_By move. KeyError if it does not exist."""
        self.update(module, id, fields, by=self.human_user["id"])

    def update(self, module: str, id: str, values: Mapping[str, Any], *, by: str) -> None:
        """Stores changes; None clears. `Modified_Time` and `Modified_By` are set unless among the values."""
        table = self.tables[module]
        changes = {key: self._stored(table, key, value) for key, value in values.items()}
        changes.setdefault("Modified_Time", self.now_stamp())
        changes.setdefault("Modified_By", {"id": by})
        self._merge_rows(table, table.records[id], changes)
        if module in ("Contacts", "Deals"):
            merged = {**table.records[id], **changes}
            self._derive(module, merged)
            for key in ("Full_Name", "Probability", "Expected_Revenue"):
                if key in merged:
                    changes[key] = merged[key]
        table.update(id, changes)

    def links_changed(self, deal: str, *, by: str) -> None:
        """Moves the Modified_Time of a deal whose related products changed, where `links_touch`."""
        if self.links_touch:
            self.update("Deals", deal, {}, by=by)

    def relate(self, deal: str, products: Iterable[str]) -> None:
        """A person relates products to a deal, beside those that are related already."""
        self.deal_products.setdefault(deal, {}).update(dict.fromkeys(products))
        self.links_changed(deal, by=self.human_user["id"])

    def delete(self, module: str, id: str, *, by: str | None = None) -> None:
        """Moves a record to the recycle bin. KeyError if it does not exist."""
        table = self.tables[module]
        record = table.remove(id)
        name = str(record.get(NAME_FIELD.get(module, "Name")) or "")
        at = int(self.now().timestamp())
        table.deleted[id] = Deleted(id, at, by or self.human_user["id"], name, record)

    def restore(self, module: str, id: str) -> None:
        """Takes a record back out of the recycle bin. KeyError if it is not there."""
        table = self.tables[module]
        entry = table.deleted[id]
        if entry.record is None:
            raise KeyError(id)
        del table.deleted[id]
        for name in table.uniques:
            if entry.record.get(name) is not None and table.holder(name, entry.record[name]) is not None:
                entry.record[name] = None
        if self.restore_touches:
            entry.record["Modified_Time"] = self.now_stamp()
        table.insert(entry.record)

    def purge(self, module: str, id: str) -> None:
        """Empties one record out of the recycle bin for good. KeyError if it is not there."""
        entry = self.tables[module].deleted[id]
        if entry.record is None:
            raise KeyError(id)
        entry.record = None
        entry.at = int(self.now().timestamp())

    def merge(self, module: str, master: str, child: str, *, fields: tuple[str, ...] = (), by: str | None = None) -> None:
        """Merges a child into a master: named fields (and the master's empty ones) come from the child, records that
        pointed at the child point at the master, the child goes to the recycle bin. KeyError if either is missing."""
        table = self.tables[module]
        keep, lose = table.records[master], dict(table.records[child])
        user = by or self.human_user["id"]
        taken = {
            name: lose[name]
            for name, field in table.fields.items()
            if not field.read_only and lose.get(name) is not None and (name in fields or keep.get(name) is None)
        }
        self.delete(module, child, by=user)
        self.update(module, master, taken, by=user)
        for other in self.tables.values():
            for name in other.lookups:
                if other.fields[name].lookup == module:
                    for id in list(other.children(name, child)):
                        other.update(id, {name: {"id": master}})

    def tag(self, name: str) -> dict[str, Any]:
        """The tag of that name, made when new."""
        known = self.tags.setdefault(name, {"name": name, "id": org.fixed_id(690001 + len(self.tags))})
        return {**known, "color_code": "#57B1FD"}

    def add_view(self, module: str, name: str, criteria: dict[str, Any] | None, *, system_name: str | None = None) -> str:
        """Makes a custom view with CRM criteria JSON, evaluated live; returns its id."""
        table = self.tables[module]
        id = org.fixed_id(87501 + 40 * self.place(module) + len(table.views))
        table.views[id] = View(id, name, system_name, criteria)
        return id

    def keep_page_token(self, token: PageToken) -> str:
        """Files a page token and forgets the expired ones; returns its value."""
        now = int(self.now().timestamp())
        for value, old in list(self.page_tokens.items()):
            if old.expires_at > now:
                break
            del self.page_tokens[value]
        value = f"{self.world.rng.getrandbits(256):064x}"
        self.page_tokens[value] = token
        return value

    # -- time ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The CRM's own clock, whole seconds, aware UTC."""
        return self.world.clock.stamp_now("crm")

    def now_stamp(self) -> str:
        return stamp(self.now(), self.world.zone)

    def age_bin(self, module: str) -> None:
        """Moves recycle entries older than 60 days to permanent and forgets permanent ones older than 120 days."""
        now = int(self.now().timestamp())
        deleted = self.tables[module].deleted
        for id, entry in list(deleted.items()):
            if entry.record is not None and entry.at < now - RECYCLE_SECONDS:
                entry.record, entry.at = None, entry.at + RECYCLE_SECONDS
            if entry.record is None and entry.at < now - PERMANENT_SECONDS:
                del deleted[id]

    # -- stored forms --------------------------------------------------------------------------------------------

    def _stored(self, table: Table, key: str, value: Any) -> Any:
        """Seeds may give datetimes, bare lookup ids and lookups with names; the table holds JSON-ready forms."""
        field = table.fields.get(key)
        if value is None or field is None:
            return value
        if field.type == "datetime":
            return self._stored_time(value)
        if field.type in ("lookup", "ownerlookup"):
            return {"id": value["id"] if isinstance(value, dict) else str(value)}
        if field.type == "date" and hasattr(value, "isoformat"):
            return value.isoformat()
        return value

    def _stored_time(self, value: datetime | str) -> str:
        at = datetime.fromisoformat(value) if isinstance(value, str) else value
        return stamp(at if at.tzinfo else at.replace(tzinfo=self.world.zone), self.world.zone)

    def _merge_rows(self, table: Table, before: Mapping[str, Any], changes: Record) -> None:
        """Puts the rows that are written into a subform among those that are there."""
        for name in table.subforms:
            if name in changes:
                given = changes[name]
                rows = None if given is None else [self._row(table.fields[name], row) for row in given]
                changes[name] = subforms.merged(before.get(name) or (), rows, lambda: self.world.new_id("crm"))

    def _row(self, field: Field, row: Mapping[str, Any]) -> Record:
        lookups = {one.name for one in field.rows if one.type == "lookup"}
        return {
            key: {"id": value["id"]} if key in lookups and isinstance(value, dict) else value
            for key, value in row.items()
            if value is not None or key == subforms.DELETE
        }

    def subform(self, name: str) -> tuple[str, Field, str] | None:
        """The module that a subform belongs to, its field and the id of its own module; None for no subform."""
        for module, table in self.tables.items():
            if name in table.subforms:
                return module, table.fields[name], subform_id(self.field_id(module, list(table.fields).index(name)))
        return None

    def _derive(self, module: str, record: Record) -> None:
        if module == "Contacts":
            names = [record.get("First_Name"), record.get("Last_Name")]
            record["Full_Name"] = " ".join(str(name) for name in names if name)
        elif module == "Deals":
            stages = {choice.actual: choice for choice in self._stage_choices()}
            stage = stages.get(str(record.get("Stage")))
            if record.get("Probability") is None and stage is not None:
                record["Probability"] = stage.probability
            amount, probability = record.get("Amount"), record.get("Probability")
            if amount is not None and probability is not None:
                record["Expected_Revenue"] = round(float(amount) * float(probability) / 100, 2)

    def _stage_choices(self) -> tuple[Any, ...]:
        fields = self.tables["Deals"].fields if "Deals" in self.tables else {}
        return fields["Stage"].choices if "Stage" in fields else STAGES

    def is_custom(self, module: str) -> bool:
        return module in CUSTOM_MODULES or module not in MODULES

    def reader_epoch(self, text: str) -> int:
        """The epoch second of a datetime a caller sent; without offset it is in the organisation's zone."""
        at = datetime.fromisoformat(text)
        return epoch(text) if at.tzinfo else int(at.replace(tzinfo=self.world.zone).timestamp())
