"""Documents of Books as the CRM shows them: list rows in types, the deal that one belongs to, and the published values.

Pure. Amounts are Decimals in the document's own currency; days are calendar days as Books writes them.
Sources: product.md section 5, books-v3.md sections 8 to 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from renkei.core.connection import ConnectionSpec
from renkei.core.mapping import get_path
from renkei.core.records import DocumentRow, Row
from renkei.core.values import MISSING, Ref, decimal_text, parse_time

LOOKUPS = ("account", "contact", "deal")
AMOUNTS = frozenset(
    ("invoiced", "settled", "balance", "overdue", "age_current", "age_1_30", "age_31_60", "age_61_90", "age_over_90", "total")
)
COUNTS = ("open_count", "overdue_count")
NAME_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document: its word in the CRM, and how Books' list rows spell its id, number and last day."""

    word: str
    id: str
    number: str
    due: str


KINDS: Mapping[str, Kind] = {
    "estimates": Kind("estimate", "estimate_id", "estimate_number", "expiry_date"),
    "salesorders": Kind("sales_order", "salesorder_id", "salesorder_number", "shipment_date"),
    "invoices": Kind("invoice", "invoice_id", "invoice_number", "due_date"),
}
# What decides of a document. Its list row also tells days from now until it is due, which move every night.
_PARTS = (
    "last_modified_time", "customer_id", "currency_code", "date", "status", "total", "balance", "last_payment_date",
    "zcrm_potential_id",
)  # fmt: skip


def parts_of(module: str, row: Row, books_key: str) -> list[Any]:
    """What of a list row is compared: all that is published of it, summed, or says where it belongs."""
    kind, key = KINDS[module], get_path(row, books_key)
    return [*(row.get(name) for name in (*_PARTS, kind.number, kind.due)), None if key is MISSING else key]


def document_of(module: str, row: Row, books_key: str, attached: str | None = None) -> DocumentRow:
    """A list row in types. `attached`: as of `deal_of`.

    raises  ValueError or KeyError for a row that the arrival suite would have stopped
    """
    kind, stamp = KINDS[module], row.get("last_modified_time")
    return DocumentRow(
        module=module,
        id=str(row[kind.id]),
        number=str(row.get(kind.number) or ""),
        customer=str(row["customer_id"]),
        currency=str(row["currency_code"]),
        dated=_day(row.get("date")),
        due=_day(row.get(kind.due)),
        status=str(row["status"]),
        total=Decimal(str(row["total"])),
        balance=Decimal(str(row["balance"])) if module == "invoices" else Decimal(0),
        last_payment=_day(row.get("last_payment_date")),
        stamp=parse_time(str(stamp)) if stamp else None,
        deal=deal_of(row, books_key, attached),
    )


def deal_of(row: Row, books_key: str, attached: str | None = None) -> str:
    """The id of the CRM deal that a document belongs to, or "": by what a person said (`attached`; "" for none, None where
    nobody said anything), by our key field (`crm:Deals:ID`, or `crm:Deals:ID:ROW` for a part), or by the field of Zoho's
    built-in integration, in that order."""
    if attached is not None:
        return attached
    key = get_path(row, books_key)
    ours = key.split(":")[2] if isinstance(key, str) and key.startswith("crm:Deals:") else ""
    found = (ours, str(row.get("zcrm_potential_id") or ""))
    return next((one for one in found if one.isascii() and one.isdigit()), "")


def days_overdue(document: DocumentRow, today: date) -> int:
    """Days since it was due while something is owed; 0 for what is not due, paid or has no due date."""
    if document.balance <= 0 or document.due is None:
        return 0
    return max((today - document.due).days, 0)


def status_on(document: DocumentRow, today: date) -> str:
    """The status by the calendar: an invoice or open sales order is overdue, and a sent estimate expired, from the day after its
    last one on, whether Books has said so yet or not."""
    if document.module == "invoices" and document.status not in ("draft", "void"):
        return "overdue" if days_overdue(document, today) else "sent" if document.status == "overdue" else document.status
    waiting, late = {"estimates": ("sent", "expired"), "salesorders": ("open", "overdue")}.get(document.module, ("", ""))
    if document.status in (waiting, late) and document.due is not None:
        return late if document.due < today else waiting
    return document.status


def document_key(connection: str, module: str, document: str) -> str:
    """What makes a document row ours, and the one of this document: unique in the CRM."""
    return f"{connection}:{module}:{document}"


def document_named(connection: str, key: Any) -> tuple[str, str] | None:
    """(module, id) of the document that a key of ours names; None for another connection's key or none."""
    prefix, _, rest = str(key or "").partition(":")
    module, _, document = rest.partition(":")
    return (module, document) if prefix == connection and module in KINDS and document and ":" not in document else None


def document_values(document: DocumentRow, *, crm: Ref, deal: str, link: str, today: date) -> dict[str, Any]:
    """Our name → value of one document row; a lookup that does not apply, and the balance of what owes nothing, is None."""
    return {
        "name": (document.number or document.id)[:NAME_LENGTH],
        "account": crm.id if crm.module == "Accounts" else None,
        "contact": crm.id if crm.module == "Contacts" else None,
        "deal": deal or None,
        "kind": KINDS[document.module].word,
        "number": document.number or None,
        "date": document.dated,
        "due_date": document.due,
        "status": status_on(document, today),
        "total": document.total,
        "balance": document.balance if document.module == "invoices" else None,
        "currency": document.currency,
        "link": link or None,
    }


def link_of(spec: ConnectionSpec, document: DocumentRow) -> str:
    """Its page in Books or Invoice, or "" where the data centre is not one of Zoho's. The address is that of the web
    application as it shows itself; the vendor documents none (unverified)."""
    zone = spec.books.hosts.accounts.removeprefix("https://accounts.")
    if not zone.startswith("zoho"):
        return ""
    return f"https://{spec.edition}.{zone}/app/{spec.organization}#/{document.module}/{document.id}"


# ------------------------------------------------------------------------------------------------------------ tie-out


Sums = list[Decimal]  # how many, total, balance


def nothing() -> Sums:
    return [Decimal(0), Decimal(0), Decimal(0)]


def sums_of(document: DocumentRow) -> Sums:
    return [Decimal(1), document.total, document.balance]


@dataclass(slots=True)
class DocumentTie:
    """Books' documents = published + not published, by module and currency, to the last digit; `unexplained` must be empty.

    books, published    (module, currency) → [how many, total, balance]
    unpublished         (module, customer, currency, reason) → the same
    unexplained         sentences that name the record
    """

    books: dict[tuple[str, str], Sums] = field(default_factory=dict)
    published: dict[tuple[str, str], Sums] = field(default_factory=dict)
    unpublished: dict[tuple[str, str, str, str], Sums] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)

    def see(self, document: DocumentRow, shown: Sums | None, currency: str, reason: str) -> None:
        """Enter one document of Books. `shown`: [1, total, balance] of its row in the CRM in `currency`, None without a row;
        `reason`: why there is none, or why it may show something else."""
        name, mine = f"books:{document.module}:{document.id}", sums_of(document)
        add_up(self.books, (document.module, document.currency), mine)
        if reason:
            add_up(self.unpublished, (document.module, document.customer, document.currency, reason), mine)
        elif shown is None:
            self.unexplained.append(f"{name}: Books lists {_amounts(mine, document.currency)}, the CRM shows nothing")
        else:
            add_up(self.published, (document.module, currency), shown)
            if (shown, currency) != (mine, document.currency):
                said = _amounts(shown, currency)
                self.unexplained.append(f"{name}: Books lists {_amounts(mine, document.currency)}, the CRM shows {said}")

    def compare(self, module: str, customer: str, currency: str, listed: Sums, kept: Sums) -> None:
        """What Books listed of a customer in this run against what the ledger keeps of it."""
        if listed != kept:
            self.unexplained.append(
                f"books:contacts:{customer} {module}: Books lists {_amounts(listed, currency)} in {int(listed[0])}, "
                f"the ledger keeps {_amounts(kept, currency)} in {int(kept[0])}"
            )

    def json(self) -> dict[str, Any]:
        """Amounts as text with their exact digits."""
        left: dict[tuple[str, str], Sums] = {}
        for (module, _, currency, _), sums in self.unpublished.items():
            add_up(left, (module, currency), sums)
        kinds: dict[str, dict[str, Any]] = {}
        for module, currency in sorted({*self.books, *self.published, *left}):
            kinds.setdefault(module, {})[currency] = {
                name: _json(found.get((module, currency), nothing()))
                for name, found in (("books", self.books), ("published", self.published), ("not_published", left))
            }
        return {
            "kinds": kinds,
            "not_published": [
                {"kind": module, "customer": customer, "currency": currency, "reason": reason, **_json(sums)}
                for (module, customer, currency, reason), sums in sorted(self.unpublished.items())
            ],
            "unexplained": self.unexplained,
        }


def add_up(sums: dict[Any, Sums], key: Any, more: Sums) -> None:
    """Add to the sums that stand at the key."""
    sums[key] = [one + other for one, other in zip(sums.get(key, nothing()), more, strict=True)]


def _json(sums: Sums) -> dict[str, Any]:
    return {"count": int(sums[0]), "total": decimal_text(sums[1]), "balance": decimal_text(sums[2])}


def _amounts(sums: Sums, currency: str) -> str:
    return f"{decimal_text(sums[1])} {currency}, owed {decimal_text(sums[2])}"


# ------------------------------------------------------------------------------------------------- values to and fro


Fields = Iterable[tuple[str, str]]


def payload(fields: Fields, values: Mapping[str, Any]) -> Row:
    """Values as the CRM takes them. `fields`: (our name, API name) pairs."""
    return {api: _raw(ours, values[ours]) for ours, api in fields if ours in values}


def differing(fields: Fields, row: Row, values: Mapping[str, Any]) -> list[str]:
    """Our names whose published value is another; the as-of time never counts as a difference."""
    return [
        ours
        for ours, api in fields
        if ours in values and ours != "as_of" and read(ours, row.get(api)) != _canonical(ours, values[ours])
    ]


def read(ours: str, raw: Any) -> Any:
    """A published value as it compares."""
    if raw is None or raw == "":
        return None
    if ours in LOOKUPS:
        return str(raw["id"]) if isinstance(raw, Mapping) else str(raw)
    if ours in AMOUNTS:
        return Decimal(str(raw))
    if ours in COUNTS:
        return int(raw)
    return str(raw)


def shows(fields: Fields, row: Row, sent: Row) -> bool:
    """Whether a row reads as we wrote it."""
    ours = {api: name for name, api in fields}
    return all(
        read(ours[api], row.get(api)) == read(ours[api], value)
        for api, value in sent.items()
        if api in ours and ours[api] != "as_of"
    )


def _canonical(ours: str, value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return None if value == "" else value


def _raw(ours: str, value: Any) -> Any:
    if ours in LOOKUPS:
        return None if value is None else {"id": value}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return value


def _day(text: Any) -> date | None:
    return date.fromisoformat(str(text)) if text else None
