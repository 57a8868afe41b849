"""What customers owe, per currency: from Books' invoice rows to the receivables rows of the CRM, and the tie-out.

Pure. Amounts are Decimals in the invoice's own currency, never converted; days are calendar days in the connection's time
zone. Draft and void invoices are in no figure. Sources: product.md section 5, books-v3.md section 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from renkei.core.published import COUNTS, NAME_LENGTH, days_overdue, status_on
from renkei.core.records import DocumentRow
from renkei.core.values import Ref, decimal_text

UNREAD = "invoice_quarantined"  # an invoice of the customer cannot be read
NOT_COUNTED = frozenset({"draft", "void"})
AMOUNTS = (
    "invoiced", "settled", "balance", "overdue", "age_current", "age_1_30", "age_31_60", "age_61_90", "age_over_90",
)  # fmt: skip
BUCKETS = ((0, "age_current"), (30, "age_1_30"), (60, "age_31_60"), (90, "age_61_90"))
# An invoice moves to another figure on the day after it was due, and after 30, 60 and 90 days more.
STEPS = (1, 31, 61, 91)


def counted(document: DocumentRow) -> bool:
    """Whether it is in any figure."""
    return document.status not in NOT_COUNTED


def figures(documents: Iterable[DocumentRow], today: date) -> dict[str, dict[str, Any]]:
    """Currency → figure → value (Decimal, int, date or text) over a customer's or deal's invoices; no empty currency."""
    found: dict[str, dict[str, Any]] = {}
    newest: dict[str, DocumentRow] = {}
    for one in documents:
        if not counted(one):
            continue
        sums = found.setdefault(one.currency, {**dict.fromkeys(COUNTS, 0), **dict.fromkeys(AMOUNTS, Decimal(0))})
        sums["invoiced"] += one.total
        sums["settled"] += one.total - one.balance
        sums["balance"] += one.balance
        late = days_overdue(one, today)
        sums["open_count"] += one.balance > 0
        sums["overdue_count"] += late > 0
        sums["overdue"] += one.balance if late else 0
        sums[bucket(late)] += one.balance
        if one.last_payment is not None:
            sums["last_payment_date"] = max(one.last_payment, sums.get("last_payment_date", one.last_payment))
        if one.currency not in newest or _order(one) > _order(newest[one.currency]):
            newest[one.currency] = one
    for currency, one in newest.items():
        found[currency] |= {
            "last_invoice_number": one.number, "last_invoice_date": one.dated, "last_invoice_status": status_on(one, today),
        }  # fmt: skip
    return found


def bucket(late: int) -> str:
    """The ageing figure of a balance that many days after its due date."""
    return next((name for limit, name in BUCKETS if late <= limit), "age_over_90")


def row_key(connection: str, crm: Ref, currency: str) -> str:
    """What makes a receivables row ours, and the one of this customer and currency."""
    return f"{connection}:{crm.module}:{crm.id}:{currency}"


def row_values(
    sums: Mapping[str, Any], *, name: str, crm: Ref, currency: str, connection: str, as_of: datetime
) -> dict[str, Any]:  # fmt: skip
    """Our name → value of one receivables row; a lookup that does not apply is None."""
    return {
        **sums,
        "last_payment_date": sums.get("last_payment_date"),
        "name": f"{name} {currency}"[-NAME_LENGTH:],
        "account": crm.id if crm.module == "Accounts" else None,
        "contact": crm.id if crm.module == "Contacts" else None,
        "deal": crm.id if crm.module == "Deals" else None,
        "connection": connection,
        "currency": currency,
        "as_of": as_of.replace(microsecond=0),
    }


def _order(one: DocumentRow) -> tuple[date, int, str, str]:
    return (one.dated or date.min, len(one.number), one.number, one.id)


# ------------------------------------------------------------------------------------------------------------ tie-out


@dataclass(slots=True)
class TieOut:
    """Books' sums = published + not published, per currency and to the last digit; `unexplained` must be empty.

    books, published    currency → [invoiced, balance]
    unpublished         (customer, currency, invoiced, balance, reason), sorted
    apart               status → count and sum of what is in no figure, by currency
    unexplained         sentences that name the record
    """

    books: dict[str, list[Decimal]] = field(default_factory=dict)
    published: dict[str, list[Decimal]] = field(default_factory=dict)
    unpublished: list[tuple[str, str, Decimal, Decimal, str]] = field(default_factory=list)
    apart: dict[str, dict[str, list[Decimal]]] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """Amounts as text with their exact digits."""
        return {
            "currencies": {
                currency: {
                    "books": _pair(self.books.get(currency, NOTHING)),
                    "published": _pair(self.published.get(currency, NOTHING)),
                    "not_published": _pair(self._unpublished(currency)),
                }
                for currency in sorted({*self.books, *self.published, *(one[1] for one in self.unpublished)})
            },
            "not_published": [
                {
                    "customer": one[0],
                    "currency": one[1],
                    "invoiced": decimal_text(one[2]),
                    "balance": decimal_text(one[3]),
                    "reason": one[4],
                }
                for one in self.unpublished
            ],
            "in_no_figure": {
                status: {
                    currency: {"count": int(pair[0]), "total": decimal_text(pair[1])} for currency, pair in sorted(found.items())
                }
                for status, found in sorted(self.apart.items())
            },
            "unexplained": self.unexplained,
        }

    def _unpublished(self, currency: str) -> list[Decimal]:
        mine = [one for one in self.unpublished if one[1] == currency]
        return [sum((one[2] for one in mine), Decimal(0)), sum((one[3] for one in mine), Decimal(0))]


@dataclass(slots=True)
class Tally:
    """Invoices added up as they come off Books' list: (customer, currency) → [invoiced, balance], and what is in no figure."""

    sums: dict[tuple[str, str], list[Decimal]] = field(default_factory=dict)
    apart: dict[str, dict[str, list[Decimal]]] = field(default_factory=dict)

    def add(self, one: DocumentRow) -> None:
        if counted(one):
            _add(self.sums, (one.customer, one.currency), [one.total, one.balance])
        else:
            _add(self.apart.setdefault(one.status, {}), one.currency, [Decimal(1), one.total])


def tie_out(
    listed: Tally,
    kept: Mapping[str, Mapping[str, Mapping[str, Any]]],
    published: Mapping[tuple[str, str], Mapping[str, Any]],
    reasons: Mapping[str, str],
) -> TieOut:
    """Compare what Books listed with what the CRM shows.

    listed      the invoices as this run's own read of Books' list showed them
    kept        customer → currency → figures, as the ledger's documents give them
    published   (customer, currency) → figures as the CRM's rows show them after the run
    reasons     customer → why its figures are not published; UNREAD: the ledger keeps an invoice as it was before
    """
    found = TieOut(apart=listed.apart)
    ours = {
        (customer, currency): [part["invoiced"], part["balance"]]
        for customer, parts in kept.items()
        for currency, part in parts.items()
    }
    for key in sorted({*listed.sums, *ours, *published}):
        customer, currency = key
        books, mine, shown = listed.sums.get(key, NOTHING), ours.get(key, NOTHING), published.get(key)
        there = NOTHING if shown is None else [shown["invoiced"], shown["balance"]]
        name = f"books:contacts:{customer} {currency}"
        _add(found.books, currency, books)
        if mine != books and reasons.get(customer) != UNREAD:
            found.unexplained.append(f"{name}: Books lists {_words(books)}, the ledger keeps {_words(mine)}")
        if customer in reasons:
            found.unpublished.append((customer, currency, books[0], books[1], reasons[customer]))
            continue
        _add(found.published, currency, there)
        if there != books:
            found.unexplained.append(f"{name}: Books lists {_words(books)}, the CRM shows {_words(there)}")
    return found


NOTHING = [Decimal(0), Decimal(0)]


def _add(sums: dict[Any, list[Decimal]], key: Any, pair: list[Decimal]) -> None:
    before = sums.get(key, NOTHING)
    sums[key] = [before[0] + pair[0], before[1] + pair[1]]


def _pair(pair: list[Decimal]) -> dict[str, str]:
    return {"invoiced": decimal_text(pair[0]), "balance": decimal_text(pair[1])}


def _words(pair: list[Decimal]) -> str:
    return f"invoiced {decimal_text(pair[0])}, owed {decimal_text(pair[1])}"
