"""Which OAuth scopes a connection needs, and whether granted ones cover them (crm-v8.md section 2.6, books-v3.md section 1.3)."""

from __future__ import annotations

from collections.abc import Iterable

from renkei.core.connection import ConnectionSpec, CustomerModules, Edition
from renkei.core.values import Side

PRODUCTS = {"books": "ZohoBooks", "invoice": "ZohoInvoice"}


def crm_scopes(spec: ConnectionSpec) -> tuple[str, ...]:
    """Records of the modules that are synced or published; deals that documents name, metadata, users, organisation and queries
    are only read."""
    modules = [*crm_modules(spec.customers.modules), "products"]
    if spec.deals != "none":
        modules.append("deals")
    publishes = published_modules(spec)
    if publishes:
        modules.append("custom")
    settings = ["modules", "fields", "layouts", "custom_views", "currencies", "profiles"]
    if spec.deals != "none":
        settings.append("pipeline")
    return (
        *(f"ZohoCRM.modules.{one}.ALL" for one in modules),
        *(("ZohoCRM.modules.deals.READ",) if publishes and spec.deals == "none" else ()),
        *(f"ZohoCRM.settings.{one}.READ" for one in settings),
        "ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoCRM.coql.READ",
    )  # fmt: skip


def preparing(spec: ConnectionSpec) -> tuple[str, ...]:
    """What `renkei prepare` needs besides: making fields and modules, and taking rights from profiles. Books' are covered."""
    shaped = ("fields.CREATE", "modules.CREATE", "profiles.UPDATE") if published_modules(spec) else ("fields.CREATE",)
    return tuple(f"ZohoCRM.settings.{one}" for one in shaped)


def published_modules(spec: ConnectionSpec) -> bool:
    return spec.publish_summaries or spec.publish_documents


def crm_modules(customers: CustomerModules) -> tuple[str, ...]:
    """The CRM modules that meet Books customers, as scopes spell them."""
    return {"accounts": ("accounts",), "contacts": ("contacts",), "accounts_and_contacts": ("accounts", "contacts")}[customers]


def books_scopes(spec: ConnectionSpec) -> tuple[str, ...]:
    """Items belong to the group `settings`. Documents are read to be published, and written where deals make them."""
    groups = {"contacts": "ALL", "settings": "ALL"}
    if spec.publish_summaries or spec.publish_documents:
        groups["invoices"] = "READ"
    if spec.publish_documents:
        groups["estimates"] = "READ"
        if spec.edition == "books":
            groups["salesorders"] = "READ"
    if spec.deals != "none":
        groups[spec.deals] = "ALL"
    return tuple(f"{PRODUCTS[spec.edition]}.{group}.{operation}" for group, operation in groups.items())


def needed(spec: ConnectionSpec, side: Side) -> tuple[str, ...]:
    return crm_scopes(spec) if side == "crm" else books_scopes(spec)


def product_of(edition: Edition) -> str:
    """The product's name for people."""
    return f"Zoho {edition.title()}"


def not_covered(wanted: Iterable[str], granted: Iterable[str]) -> list[str]:
    """The wanted scopes that no granted one covers: `modules.ALL` covers each module, `ALL` each operation,
    `fullaccess.all` the product. Letter case does not matter."""
    have = {one.strip().lower() for one in granted}

    def covered(scope: str) -> bool:
        product, *parts = scope.lower().split(".")
        operation = parts.pop()
        stems = [".".join([product, *parts[: count + 1]]) for count in range(len(parts))]
        return f"{product}.fullaccess.all" in have or any(f"{stem}.{one}" in have for stem in stems for one in ("all", operation))

    return [scope for scope in wanted if not covered(scope)]
