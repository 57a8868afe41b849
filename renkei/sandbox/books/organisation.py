"""One Books organisation: its tables, settings and the figures that follow from its documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, tzinfo
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from renkei.sandbox.books import mail, papers, totals
from renkei.sandbox.books import projections as project
from renkei.sandbox.books.fields import CustomField, standard_fields
from renkei.sandbox.books.kinds import DOCUMENTS, KINDS, ORDERS, Kind
from renkei.sandbox.books.meter import Meter
from renkei.sandbox.books.stamps import instant, money, number, rounded, stamp
from renkei.sandbox.books.table import Entries, Key, Record, Table

if TYPE_CHECKING:
    from renkei.sandbox.world import World

_CURRENCIES = {
    "JPY": ("460000000000097", "Japanese Yen", "¥", 0, "###,##0"),
    "USD": ("460000000000099", "US Dollar", "$", 2, "###,##0.00"),
    "EUR": ("460000000000101", "Euro", "€", 2, "#.##0,00"),
    "GBP": ("460000000000103", "Pound Sterling", "£", 2, "###,##0.00"),
    "KWD": ("460000000000105", "Kuwaiti Dinar", "KD", 3, "###,##0.000"),
}
# Users of the CRM who have an account here too.
_CRM_USERS = (
    ("460000000000022", "Sync User", "sync@example.jp", "Admin"),
    ("460000000000024", "Hana Mori", "hana.mori@example.jp", "Admin"),
    ("460000000000026", "Yuko Suzuki", "yuko.suzuki@example.jp", "Staff"),
)


class Organisation:
    """One organisation's books. Switches that stand for unverified behaviour are attributes (books-v3.md 17).

    `search_lag_seconds`: how long a written contact stays invisible to `contact_name*` and `search_text`;
    `modified_filter_everywhere`: honour `last_modified_time` also where it is undocumented;
    `strict_parameters`: refuse unknown sort columns and per_page above 200 with code 2 instead of ignoring and
    clamping; `unique_item_names`: the organisation's preference; `payments_touch_invoices`: a payment moves the
    invoice's `last_modified_time`; `makes_unique_fields`: POST /settings/fields heeds `is_unique` (undocumented: the key
    is known from what the web client sends); `auto_numbers`: a call that brings a document's number must say so;
    `tax_rounding`: per document or line, half up or down; `email_marks_sent`: an e-mailed draft is sent;
    `decides_drafts`: a draft estimate can be accepted or declined; `invoices_close_estimates`: an invoice made of an
    estimate makes it invoiced.
    """

    def __init__(self, world: World, id: str, name: str, *, default: bool) -> None:
        self.world = world
        self.id = id
        self.name = name
        self.is_default = default
        self.zone: tzinfo = ZoneInfo(world.time_zone)
        self.search_lag_seconds = 0.0
        self.modified_filter_everywhere = False
        self.strict_parameters = False
        self.unique_item_names = False
        self.auto_numbers = True
        self.tax_rounding = totals.TaxRounding()
        self.email_marks_sent = True
        self.decides_drafts = False
        self.invoices_close_estimates = True
        self.payments_touch_invoices = True
        self.makes_unique_fields = True
        self.meter = Meter(world.books_plan)
        self.fields: dict[str, list[CustomField]] = standard_fields()
        self.currencies = {entry[0]: self._currency(code, entry) for code, entry in _CURRENCIES.items()}
        self.base_currency_id = _CURRENCIES[world.base_currency][0]
        self.exchange_rates: dict[str, dict[str, dict[str, Any]]] = {}  # by currency and effective date
        self.taxes = {tax["tax_id"]: tax for tax in self._standard_taxes()}
        self.comments: dict[str, list[dict[str, Any]]] = {}  # by contact
        self.history: dict[str, list[dict[str, Any]]] = {}  # by record
        self.salespersons: dict[str, str] = {}  # names by id
        self.email = "books@kita.example"
        self.templates = papers.standard_templates()
        self.email_templates = mail.standard_templates()
        self.mails: list[dict[str, Any]] = []  # what would have been sent
        self.users = [
            self._user("460000000000020", "Aiko Mori", "books@kita.example", "Admin"),
            *(self._user(id, name, email, role) for id, name, email, role in _CRM_USERS),
        ]
        self.acting = self.users[0]  # whose call or click is being carried out
        self.switched_off: set[str] = set()  # modules, as the path names them (the code is unverified)
        self.tables = {kind: Table(_keys(kind), _entries(kind), self._projection(kind)) for kind in KINDS}
        self._today = self.today()

    def now(self) -> str:
        """The stamp of a change made now, by the vendor's clock."""
        return stamp(self.world.clock.stamp_now("books"), self.zone)

    def today(self) -> date:
        """The date in the organisation's zone, by the vendor's clock."""
        return self.world.clock.now("books").astimezone(self.zone).date()

    def table(self, kind: str) -> Table:
        """The table of a kind, its derived rows as of today: a new day makes invoices overdue without any edit."""
        today = self.today()
        if today != self._today:
            self._today = today
            for name in ("contacts", *ORDERS):
                self.tables[name].stale()
        return self.tables[kind]

    def profile(self) -> dict[str, Any]:
        """The organisation as GET /organizations lists it (books-v3.md 1.5)."""
        currency = self.currencies[self.base_currency_id]
        return {
            "organization_id": self.id,
            "name": self.name,
            "contact_name": "Aiko Mori",
            "email": self.email,
            "is_default_org": self.is_default,
            "plan_type": 12,
            "plan_name": self.world.books_plan.upper(),
            "plan_period": "Monthly",
            "tax_group_enabled": True,
            "zi_migration_status": 0,
            "language_code": "ja",
            "fiscal_year_start_month": 3,
            "account_created_date": "2021-04-01",
            "account_created_date_formatted": "2021/04/01",
            "time_zone": str(self.zone),
            "is_org_active": True,
            "isOrgActive": True,
            "currency_id": currency["currency_id"],
            "currency_code": currency["currency_code"],
            "currency_symbol": currency["currency_symbol"],
            "currency_format": currency["currency_format"],
            "price_precision": currency["price_precision"],
        }

    def fields_of(self, kind: str) -> list[CustomField]:
        return self.fields[KINDS[kind].entity]

    def precision(self, currency_id: str) -> int:
        return int(self.currencies[currency_id]["price_precision"])

    def status_of(self, kind: str, document: Mapping[str, Any]) -> str:
        """A document's status as of today; reach the document through `table`, which turns the day."""
        if kind == "invoices":
            return totals.invoice_status(document, self._today)
        return totals.order_status(kind, document, self._today)

    def due_days(self, invoice: Mapping[str, Any]) -> str:
        return totals.due_days(invoice, self.status_of("invoices", invoice), self._today)

    def salesperson_named(self, name: str) -> str:
        """The id of a salesperson, who is made when new."""
        for id, known in self.salespersons.items():
            if known == name:
                return id
        id = self.world.new_id("books")
        self.salespersons[id] = name
        return id

    def user_with(self, email: str) -> dict[str, Any] | None:
        return next((user for user in self.users if user["email"] == email), None)

    def has_transactions(self, contact_id: str) -> bool:
        return any(self.tables[kind].find("customer", contact_id) for kind in DOCUMENTS)

    def item_in_use(self, item_id: str) -> bool:
        return any(self.tables[kind].find("item", item_id) for kind in ORDERS)

    def settle_invoice(self, invoice_id: str) -> None:
        """Makes payment_made, credits_applied, last_payment_date, balance and status follow from the payments and credit
        notes that name the invoice.

        An invoice that none names keeps the `payment_made` and `credits_applied` it was seeded with.
        """
        invoice = self.tables["invoices"].records[invoice_id]
        payments = [
            (line["amount_applied"], payment["date"])
            for id in self.tables["customerpayments"].find("invoice", invoice_id)
            for payment in (self.tables["customerpayments"].records[id],)
            for line in payment["invoices"]
            if line["invoice_id"] == invoice_id
        ]
        if payments:
            invoice["payment_made"] = number(sum((money(amount) for amount, _ in payments), Decimal(0)))
            invoice["last_payment_date"] = max(paid_on for _, paid_on in payments)
        notes = self.tables["creditnotes"]
        credits = [
            money(line["amount_applied"])
            for id in notes.find("invoice", invoice_id)
            for line in notes.records[id]["invoices"]
            if line["invoice_id"] == invoice_id
        ]
        if credits:
            invoice["credits_applied"] = number(sum(credits, Decimal(0)))
        totals.settle(invoice, self.precision(invoice["currency_id"]))
        invoice["status"] = totals.invoice_status(invoice, self.today())

    def refresh_balances(self, contact_id: str) -> None:
        """Recomputes what a contact owes and its unused credits; its `last_modified_time` does not move."""
        contact = self.tables["contacts"].records.get(contact_id)
        if contact is None:
            return
        owed = credit = owed_base = credit_base = Decimal(0)
        invoices, payments = self.tables["invoices"], self.tables["customerpayments"]
        for id in invoices.find("customer", contact_id):
            invoice = invoices.records[id]
            if invoice["status"] not in ("draft", "void"):
                owed += money(invoice["balance"])
                owed_base += money(invoice["balance"]) * money(invoice["exchange_rate"])
        for id in payments.find("customer", contact_id):
            payment = payments.records[id]
            credit += money(payment["unused_amount"])
            credit_base += money(payment["unused_amount"]) * money(payment["exchange_rate"])
        notes = self.tables["creditnotes"]
        for id in notes.find("customer", contact_id):
            if notes.records[id]["status"] == "open":
                credit += money(notes.records[id]["balance"])
                credit_base += money(notes.records[id]["balance"]) * money(notes.records[id]["exchange_rate"])
        base = self.precision(self.base_currency_id)
        contact["outstanding_receivable_amount"] = number(owed)
        contact["outstanding_receivable_amount_bcy"] = number(rounded(owed_base, base))
        contact["unused_credits_receivable_amount"] = number(credit)
        contact["unused_credits_receivable_amount_bcy"] = number(rounded(credit_base, base))
        self.tables["contacts"].touch(contact_id)

    def set_exchange_rate(self, currency_id: str, on: str, rate: int | float) -> None:
        """One unit of a currency is worth `rate` of the base from a day (yyyy-mm-dd) on."""
        currency = self.currencies[currency_id]
        row = {
            "exchange_rate_id": self.world.new_id("books"),
            "currency_id": currency_id,
            "currency_code": currency["currency_code"],
            "effective_date": on,
            "rate": rate,
        }
        self.exchange_rates.setdefault(currency_id, {})[on] = row
        latest = max(self.exchange_rates[currency_id])
        currency.update(exchange_rate=self.exchange_rates[currency_id][latest]["rate"], effective_date=latest)

    def exchange_rate(self, currency_id: str, on: str) -> int | float:
        """What a document of that day takes where its call says nothing; 1 while no rate is known."""
        rates = self.exchange_rates.get(currency_id, {})
        known = [day for day in rates if day <= on]
        return rates[max(known)]["rate"] if known else 1

    def currency_named(self, code: str) -> dict[str, Any] | None:
        return next((found for found in self.currencies.values() if found["currency_code"] == code), None)

    def _projection(self, kind: str) -> Callable[[Record], Record]:
        if kind == "contacts":
            return project.contact_row
        if kind == "items":
            return project.item_row
        if kind == "invoices":
            return partial(project.invoice_row, self)
        return project.payment_row if kind == "customerpayments" else partial(project.order_row, self, kind)

    def _currency(self, code: str, entry: tuple[str, str, str, int, str]) -> dict[str, Any]:
        id, name, symbol, precision, pattern = entry
        return {
            "currency_id": id,
            "currency_code": code,
            "currency_name": f"{code}- {name}",
            "currency_symbol": symbol,
            "price_precision": precision,
            "currency_format": pattern,
            "is_base_currency": code == self.world.base_currency,
            "exchange_rate": 1 if code == self.world.base_currency else 0,
            "effective_date": "",
        }

    def _standard_taxes(self) -> list[dict[str, Any]]:
        rates = (("460000000037049", "Consumption tax", 10), ("460000000037051", "Reduced consumption tax", 8))
        return [
            {
                "tax_id": id,
                "tax_name": name,
                "tax_percentage": percent,
                "tax_type": "tax",
                "tax_specific_type": "",
                "tax_authority_id": "",
                "tax_authority_name": "",
                "is_value_added": False,
                "is_default_tax": percent == 10,
                "is_editable": True,
            }
            for id, name, percent in rates
        ]

    def _user(self, id: str, name: str, email: str, role: str) -> dict[str, Any]:
        return {
            "user_id": id,
            "role_id": "460000000000019",
            "name": name,
            "email": email,
            "user_role": role.lower(),
            "status": "active",
            "is_current_user": True,
            "photo_url": "",
            "is_customer_segmented": False,
            "is_vendor_segmented": False,
            "user_type": "zoho",
        }


def folded(text: Any) -> str:
    """A name as uniqueness compares it: case and outer spaces do not count (the vendor's rule is unverified)."""
    return str(text).strip().casefold()


def _text(column: str) -> Key:
    return lambda record: folded(record.get(column, ""))


def _time(column: str) -> Key:
    return lambda record: instant(record[column])


def _amount(column: str) -> Key:
    return lambda record: float(record.get(column) or 0)


def _of_primary(column: str) -> Key:
    return lambda record: folded(project.primary(record).get(column, ""))


def _keys(kind: str) -> dict[str, Key]:
    """Sort columns of a kind (books-v3.md 4.2); the first is the default."""
    if kind == "contacts":
        return {
            "contact_name": _text("contact_name"),
            "first_name": _of_primary("first_name"),
            "last_name": _of_primary("last_name"),
            "email": _of_primary("email"),
            "outstanding_receivable_amount": _amount("outstanding_receivable_amount"),
            "created_time": _time("created_time"),
            "last_modified_time": _time("last_modified_time"),
        }
    if kind == "items":
        return {"name": _text("name"), "rate": _amount("rate"), "tax_name": _text("tax_name")}
    party = f"{KINDS[kind].party}_name"
    keys = {"created_time": _time("created_time"), "date": _text("date"), party: _text(party)}
    keys[KINDS[kind].number] = _text(KINDS[kind].number)
    if kind == "customerpayments":
        return {**keys, "amount": _amount("amount")}
    keys["total"] = _amount("total")
    if kind == "salesorders":
        keys.update(shipment_date=_text("shipment_date"), reference_number=_text("reference_number"))
        keys["last_modified_time"] = _time("last_modified_time")
    elif kind == "purchaseorders":
        keys["delivery_date"] = _text("delivery_date")
    elif kind != "estimates":
        keys["balance"] = _amount("balance")
    if kind == "invoices":
        keys["due_date"] = _text("due_date")
    return keys


def _entries(kind: str) -> Callable[[Record], Entries]:
    if kind == "contacts":
        return _contact_entries
    return _item_entries if kind == "items" else partial(_document_entries, KINDS[kind])


def _custom(record: Record) -> Entries:
    return tuple((element["api_name"], str(element["value"])) for element in record["custom_fields"])


def _contact_entries(record: Record) -> Entries:
    persons = tuple(("person", person["contact_person_id"]) for person in record["contact_persons"])
    return (("name", folded(record["contact_name"])), *persons, *_custom(record))


def _item_entries(record: Record) -> Entries:
    sku = (("sku", record["sku"]),) if record["sku"] else ()
    return (("name", folded(record["name"])), *sku, *_custom(record))


def _document_entries(kind: Kind, record: Record) -> Entries:
    lines = record.get("line_items", ())
    items = {line["item_id"] for line in lines if line.get("item_id")}
    invoices = {line["invoice_id"] for line in record.get("invoices", ()) if line.get("invoice_id")}
    ordered = {line["salesorder_item_id"] for line in lines if line.get("salesorder_item_id")}
    estimate = record.get("estimate_id") if kind.name == "invoices" else ""
    own = [line["line_item_id"] for line in lines] if kind.name == "salesorders" else []
    return (
        ("customer", record[f"{kind.party}_id"]),
        ("number", record[kind.number]),
        *(("item", id) for id in sorted(items)),
        *(("invoice", id) for id in sorted(invoices)),
        *(("orderline", id) for id in sorted(ordered)),
        *(("line", id) for id in own),
        *((("estimate", estimate),) if estimate else ()),
        *_custom(record),
    )
