"""Lists: filters, sorting, paging (books-v3.md section 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors
from renkei.sandbox.books.kinds import DOCUMENTS, ORDERS
from renkei.sandbox.books.organisation import folded
from renkei.sandbox.books.projections import PERSON_ON_ROW, primary
from renkei.sandbox.books.stamps import day, instant, money

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

PER_PAGE = 200
Query = Mapping[str, str]
Test = Callable[[Any], bool]
Wanted = Callable[["Record"], bool]
_TEXT = {
    "contacts": ("contact_name", "company_name", "first_name", "last_name", "email", "phone", "address"),
    "items": ("name", "description", "tax_name"),
    "invoices": ("invoice_number", "reference_number", "customer_name"),
    "estimates": ("estimate_number", "reference_number", "customer_name"),
    "salesorders": ("salesorder_number", "reference_number", "customer_name"),
    "customerpayments": ("customer_name", "reference_number", "description", "payment_number"),
    "creditnotes": ("creditnote_number", "reference_number", "customer_name"),
    "purchaseorders": ("purchaseorder_number", "reference_number", "vendor_name"),
}
_EXACT = {
    "contacts": ("contact_type", "zcrm_account_id", "zcrm_contact_id", "zcrm_vendor_id"),
    "items": ("tax_id", "account_id"),
    "invoices": ("customer_id", "zcrm_potential_id", "status"),
    "estimates": ("customer_id", "zcrm_potential_id", "status"),
    "salesorders": ("customer_id", "zcrm_potential_id", "status", "salesperson_id"),
    "customerpayments": ("customer_id", "payment_mode"),
    "creditnotes": ("customer_id", "status"),
    "purchaseorders": ("vendor_id", "status"),
}
_DATES = {
    "invoices": ("date", "due_date"),
    "estimates": ("date", "expiry_date"),
    "salesorders": ("date", "shipment_date"),
    "customerpayments": ("date",),
    "creditnotes": ("date",),
    "purchaseorders": ("date", "delivery_date"),
}
_AMOUNTS = {
    "items": ("rate",),
    "invoices": ("total", "balance"),
    "estimates": ("total",),
    "salesorders": ("total",),
    "customerpayments": ("amount",),
    "creditnotes": ("total",),
    "purchaseorders": ("total",),
}
_SEARCHED = {
    "contacts": ("contact_name", "notes"),
    "items": ("name", "description"),
    "invoices": ("invoice_number", "reference_number", "customer_name"),
    "estimates": ("estimate_number", "reference_number", "customer_name"),
    "salesorders": ("salesorder_number", "reference_number", "customer_name"),
    "customerpayments": ("payment_number", "reference_number", "customer_name"),
    "creditnotes": ("creditnote_number", "reference_number", "customer_name"),
    "purchaseorders": ("purchaseorder_number", "reference_number", "vendor_name"),
}
_MODIFIED = ("invoices", "salesorders", "purchaseorders")
_STATUSES = {
    "contacts": ("active", "inactive", "duplicate", "portalenabled", "portaldisabled", "creditlimitexceed", "crm"),
    "items": ("active", "inactive"),
    "invoices": ("draft", "sent", "overdue", "paid", "void", "unpaid", "partiallypaid", "viewed"),
    "estimates": ("draft", "sent", "invoiced", "accepted", "declined", "expired"),
    "salesorders": ("draft", "open", "overdue", "partiallyinvoiced", "invoiced", "void", "closed"),
    "creditnotes": ("draft", "open", "closed", "void"),
    "purchaseorders": ("draft", "open", "billed", "cancelled"),
}
REPORT_NAMES = {
    "customerpayments": "Payments Received",
    "salesorders": "Sales Orders",
    "creditnotes": "Credit Notes",
    "purchaseorders": "Purchase Orders",
}
MOST_IDS = 200  # of the one list that takes ids
_DEFAULT_DESCENDING = DOCUMENTS


@dataclass(frozen=True, slots=True)
class Page:
    """One page: ids, how many rows pass the filter, and the page_context."""

    ids: list[str]
    matching: Callable[[], list[str]]
    context: dict[str, Any]


def page_of(org: Organisation, kind: str, query: Query, shift: int = 0) -> Page:
    """The page that a query asks for; `shift` moves its offset (page-shift fault). BooksError code 2."""
    number, per_page = paging(org, query)
    table = org.table(kind)
    column, descending = _sorting(org, kind, query)
    tests = _tests(org, kind, query)
    offset = max(0, (number - 1) * per_page + (shift if number > 1 else 0))
    if tests:
        signature = tuple(sorted((name, query[name]) for name in query if name not in _NOT_FILTERS))
        lag = org.search_lag_seconds > 0
        if lag:
            signature = (*signature, ("now", str(org.world.clock.now("books"))))

        def matching() -> list[str]:
            return table.select(column, descending, signature, lambda record: all(test(record) for test in tests))

        ids, total = matching()[offset : offset + per_page], len(matching())
    else:
        order = table.order(column)
        ids, total = order.slice(offset, per_page, descending), len(order.entries)

        def matching() -> list[str]:
            return order.ids(descending)

    context = {
        "page": number,
        "per_page": per_page,
        "has_more_page": offset + per_page < total,
        "report_name": REPORT_NAMES.get(kind, kind.capitalize()),
        "applied_filter": query.get("filter_by", "Status.All"),
        "sort_column": column,
        "sort_order": "D" if descending else "A",
    }
    return Page(ids, matching, context)


def paging(org: Organisation, query: Query) -> tuple[int, int]:
    """page and per_page; above 200 it is clamped, or refused when the organisation is strict."""
    try:
        number, per_page = int(query.get("page", "1")), int(query.get("per_page", str(PER_PAGE)))
    except ValueError as error:
        raise errors.invalid("page") from error
    if number < 1 or per_page < 1:
        raise errors.invalid("page" if number < 1 else "per_page")
    if per_page > PER_PAGE and org.strict_parameters:
        raise errors.invalid("per_page")
    return number, min(per_page, PER_PAGE)


_NOT_FILTERS = {"page", "per_page", "organization_id", "sort_column", "sort_order", "response_option"}


def _sorting(org: Organisation, kind: str, query: Query) -> tuple[str, bool]:
    keys = org.table(kind).keys
    column = query.get("sort_column", "")
    if column not in keys:
        if column and org.strict_parameters:
            raise errors.invalid("sort_column")
        column = next(iter(keys))
        default = "D" if kind in _DEFAULT_DESCENDING else "A"
    else:
        default = "A"
    order = query.get("sort_order") or default
    if order not in ("A", "D"):
        raise errors.invalid("sort_order")
    return column, order == "D"


def _tests(org: Organisation, kind: str, query: Query) -> list[Wanted]:
    tests: list[Wanted] = []
    for name, value in query.items():
        if name in _NOT_FILTERS:
            continue
        test = _test(org, kind, name, value)
        if test is not None:
            tests.append(test)
            if kind == "contacts" and name.startswith(("contact_name", "search_text")):
                tests.extend(_search_lag(org))
    return tests


def _search_lag(org: Organisation) -> list[Wanted]:
    """While the search index lags, what was written a moment ago is not found."""
    if org.search_lag_seconds <= 0:
        return []
    latest = org.world.clock.now("books").timestamp() - org.search_lag_seconds
    return [lambda record: instant(record["last_modified_time"]) <= latest]


def _test(org: Organisation, kind: str, name: str, value: str) -> Wanted | None:
    """The test that a parameter means; None for one that filters nothing (unknown ones are ignored)."""
    if name == "filter_by":
        return _filter_by(org, kind, value)
    if name == "search_text":
        part = folded(value)
        return lambda record: any(part in folded(record.get(key, "")) for key in _SEARCHED[kind])
    if name == "last_modified_time" and (kind in _MODIFIED or org.modified_filter_everywhere):
        return _modified_after(value)
    if name == "salesorder_ids" and kind == "salesorders":
        ids = {id.strip() for id in value.split(",")}
        if len(ids) > MOST_IDS:
            raise errors.invalid(name)
        return lambda record: record["salesorder_id"] in ids
    if kind in ORDERS:
        test = _line_test(name, value)
        if test is not None:
            return test
    if name in _EXACT[kind]:
        if name == "status":
            return _status_is(org, kind, value)
        return lambda record: str(record.get(name, "")) == value
    for field in _TEXT[kind]:
        test = _text_test(field, name, value)
        if test is not None:
            return _on(kind, field, test)
    for field in _DATES.get(kind, ()):
        test = _date_test(field, name, value)
        if test is not None:
            return _on(kind, field, test)
    for field in _AMOUNTS.get(kind, ()):
        test = _amount_test(field, name, value)
        if test is not None:
            return _on(kind, field, test)
    return None


def _line_test(name: str, value: str) -> Wanted | None:
    """Filters by what stands in the lines or in the custom fields of a document (books-v3.md 4.3)."""
    if name == "item_id":
        return lambda record: any(line["item_id"] == value for line in record["line_items"])
    for field, key in (("item_name", "name"), ("item_description", "description")):
        test = _text_test(field, name, value)
        if test is not None:
            return partial(_any_line, key, test)
    test = _text_test("custom_field", name, value)
    return None if test is None else partial(_any_field, test)


def _any_line(key: str, test: Test, record: Record) -> bool:
    return any(test(line[key]) for line in record["line_items"])


def _any_field(test: Test, record: Record) -> bool:
    return any(test(element["value"]) for element in record["custom_fields"])


def _on(kind: str, field: str, test: Test) -> Wanted:
    if kind == "contacts" and field in PERSON_ON_ROW:
        return lambda record: test(primary(record).get(field, ""))
    if kind == "contacts" and field == "address":
        return lambda record: any(test(part) for key in ("billing_address", "shipping_address") for part in record[key].values())
    return lambda record: test(record.get(field, ""))


def _text_test(field: str, name: str, value: str) -> Test | None:
    wanted = folded(value)
    if name == field:
        return lambda found: folded(found) == wanted
    if name == field + "_startswith":
        return lambda found: folded(found).startswith(wanted)
    if name == field + "_contains":
        return lambda found: wanted in folded(found)
    return None


def _date_test(field: str, name: str, value: str) -> Test | None:
    if not name.startswith(field):
        return None
    suffix = name[len(field) :]
    if suffix not in ("", "_start", "_end", "_before", "_after"):
        return None
    wanted = day(value, name)
    tests: dict[str, Test] = {
        "": lambda found: bool(found == wanted),
        "_start": lambda found: bool(found >= wanted),
        "_end": lambda found: bool("" < found <= wanted),
        "_before": lambda found: bool("" < found < wanted),
        "_after": lambda found: bool(found > wanted),
    }
    return tests[suffix]


def _amount_test(field: str, name: str, value: str) -> Test | None:
    if not name.startswith(field):
        return None
    suffix = name[len(field) :]
    if suffix not in ("", "_less_than", "_less_equals", "_greater_than", "_greater_equals"):
        return None
    wanted = money(value, name)
    tests: dict[str, Test] = {
        "": lambda found: money(found) == wanted,
        "_less_than": lambda found: money(found) < wanted,
        "_less_equals": lambda found: money(found) <= wanted,
        "_greater_than": lambda found: money(found) > wanted,
        "_greater_equals": lambda found: money(found) >= wanted,
    }
    return tests[suffix]


def _modified_after(value: str) -> Wanted:
    """Strictly after, as documented for invoices. A `+` sent unescaped arrives as a space and is refused."""
    try:
        after = instant(value)
    except ValueError as error:
        raise errors.invalid("last_modified_time") from error
    return lambda record: instant(record["last_modified_time"]) > after


def _status_is(org: Organisation, kind: str, value: str) -> Wanted:
    wanted = value.lower().replace("_", "")
    if wanted == "unpaid":
        return lambda record: org.status_of(kind, record) in ("sent", "overdue", "partially_paid")
    if wanted == "viewed":
        return lambda record: bool(record.get("is_viewed_by_client"))
    return lambda record: org.status_of(kind, record).replace("_", "") == wanted


def _filter_by(org: Organisation, kind: str, value: str) -> Wanted | None:
    group, _, name = value.partition(".")
    wanted = name.lower().replace("_", "")
    if group == "Status" and wanted == "all":
        return None
    if kind == "customerpayments" and group == "PaymentMode":
        return None if wanted == "all" else lambda record: record["payment_mode"] == wanted
    if kind == "contacts" and group == "Invoice" and wanted in ("overdue", "unpaid"):
        statuses = ("overdue",) if wanted == "overdue" else ("overdue", "sent", "partially_paid")
        return _owing(org, statuses)
    if group != "Status" or wanted not in _STATUSES.get(kind, ()):
        raise errors.invalid("filter_by")
    if kind != "contacts":
        return _status_is(org, kind, wanted)
    return _contact_status(org, wanted)


def _owing(org: Organisation, statuses: tuple[str, ...]) -> Wanted:
    invoices = org.table("invoices")
    return lambda record: any(
        org.status_of("invoices", invoices.records[id]) in statuses for id in invoices.find("customer", record["contact_id"])
    )


def _contact_status(org: Organisation, wanted: str) -> Wanted:
    if wanted == "crm":
        return lambda record: bool(record["is_linked_with_zohocrm"])
    if wanted == "duplicate":
        return lambda record: len(org.table("contacts").find("name", folded(record["contact_name"]))) > 1
    if wanted == "creditlimitexceed":
        return lambda record: bool(record["credit_limit"] and record["outstanding_receivable_amount"] > record["credit_limit"])
    if wanted.startswith("portal"):
        return lambda record: bool(record["portal_status"] == wanted.removeprefix("portal"))
    return lambda record: bool(record["status"] == wanted)
