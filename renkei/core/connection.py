"""A connection as a value: what `connections/NAME.yaml` says, defaults filled in (design.md section 4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

CustomerModules = Literal["accounts", "contacts", "accounts_and_contacts"]
SyncDirection = Literal["two_way", "to_books"]
Duplicates = Literal["clone", "overwrite", "skip", "link", "ask"]
Conflicts = Literal["clone", "overwrite", "skip", "newest", "books", "ask"]
Deletes = Literal["ignore", "unlink", "deactivate", "delete", "recreate", "ask"]
Edition = Literal["books", "invoice"]
DealSetting = Literal["estimates", "invoices", "none"]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Base addresses without a trailing slash. `api` is followed by /crm/v8, /books/v3 or /invoice/v3."""

    accounts: str
    api: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class SideSettings:
    """One side's address and the alias of its credentials (RENKEI_<ALIAS>_CLIENT_ID …)."""

    hosts: Hosts
    credentials: str
    data_center: str


@dataclass(frozen=True, slots=True)
class EntitySettings:
    """How one entity is kept in step. `views`: CRM module → custom view name. `modules` only for customers."""

    direction: SyncDirection = "two_way"
    duplicates: Duplicates = "ask"
    conflicts: Conflicts = "ask"
    deletes: Deletes = "ignore"
    views: tuple[tuple[str, str], ...] = ()
    modules: CustomerModules = "accounts"
    include_contacts_without_account: bool = False
    remove_earlier_configuration: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Books' calls. None: no cap of our own (per day: the allowance that the API's headers state)."""

    books_per_minute: int | None = 90
    books_per_day: int | None = None
    keep_for_people: int = 100
    hourly_list_pages: int = 5


@dataclass(frozen=True, slots=True)
class Brakes:
    """Limits that stop a plan. None: that brake is off."""

    creates: int | None = 500
    changed_share: float | None = 0.2
    removed_share: float | None = 0.02
    quarantined_share: float | None = 0.2
    sums_share: float | None = 0.5
    first_run_needs_approval: bool = True


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """One CRM organisation joined to one Books or Invoice organisation."""

    name: str
    time_zone: str
    crm: SideSettings
    books: SideSettings
    edition: Edition
    organization: str
    mappings: str | None = None
    nightly: str = "0 2 * * *"
    hourly: str = "0 7-22 * * *"
    crm_key: str = "renkei_books_id"
    books_key: str = "cf_renkei_crm_id"
    customers: EntitySettings = field(default_factory=EntitySettings)
    products: EntitySettings = field(default_factory=EntitySettings)
    deals: DealSetting = "none"
    deals_since: date | None = None
    alert_after: int | None = 26
    closed_until: date | None = None
    publish_summaries: bool = True
    publish_documents: bool = True
    budget: Budget = field(default_factory=Budget)
    brakes: Brakes = field(default_factory=Brakes)
    four_eyes: bool = False  # a brake is released by another person than the one who made the plan
    native: Literal["unknown", "off"] = "unknown"
    environment: Literal["sandbox", "production"] | None = None
    roles: tuple[tuple[str, tuple[str, ...]], ...] | None = None  # (role, actors); None: no roles are known
    tokens: tuple[tuple[str, str], ...] = ()  # (name, sha256 of the token as hex)
    permissions: tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...] = ()
    file: str = ""
