"""Customer payments: what writing them does to invoices and to what a customer owes (books-v3.md 11.1)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import errors, history
from renkei.sandbox.books.documents import next_number, save
from renkei.sandbox.books.fields import applied
from renkei.sandbox.books.stamps import day, money, number, rounded
from renkei.sandbox.books.values import checked_unique, rows, text

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

WRITABLE = frozenset(
    ("date", "payment_mode", "amount", "exchange_rate", "reference_number", "description", "invoices", "custom_fields")
)
_MODES = ("check", "cash", "creditcard", "banktransfer", "bankremittance", "autotransaction", "others")


def create_payment(org: Organisation, body: dict[str, Any]) -> Record:
    """POST /customerpayments: applies amounts to invoices, the rest stays the customer's unused credit."""
    customer = org.table("contacts").records.get(str(body.get("customer_id") or ""))
    if customer is None:
        raise errors.bad_reference("Customer")
    if body.get("payment_mode") not in _MODES:
        raise errors.invalid("payment_mode")
    payment = blank_payment(org, org.world.new_id("books"), customer)
    payment["payment_mode"] = body["payment_mode"]
    payment["amount"] = number(money(body.get("amount"), "amount"))
    if money(payment["amount"]) <= 0:
        raise errors.invalid("amount")
    payment["date"] = day(body.get("date"), "date") or org.today().isoformat()
    payment["reference_number"] = text(body.get("reference_number"), "reference_number", 100)
    payment["description"] = text(body.get("description"), "description", 500)
    usual = org.exchange_rate(payment["currency_id"], payment["date"])
    payment["exchange_rate"] = number(money(body.get("exchange_rate", usual), "exchange_rate"))
    payment["payment_number"] = next_number(org, "customerpayments")
    payment["invoices"] = _applications(org, payment, rows(body.get("invoices", []), "invoices"))
    _settle_payment(org, payment)
    if money(payment["unused_amount"]) < 0:
        raise errors.invalid("amount_applied")
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        payment["custom_fields"] = applied(org.fields_of("customerpayments"), [], elements)
        checked_unique(org, "customerpayments", payment["payment_id"], payment["custom_fields"])
    org.table("customerpayments").put(payment["payment_id"], payment)
    _settle_invoices(org, payment)
    history.note(org, "customerpayments", payment, "Added")
    for line in payment["invoices"]:
        invoice = org.table("invoices").records[line["invoice_id"]]
        history.note(org, "invoices", invoice, "Updated", f"payment of {line['amount_applied']} received")
    return payment


def blank_payment(org: Organisation, id: str, customer: Record | None) -> Record:
    now = org.now()
    currency = org.currencies[customer["currency_id"] if customer else org.base_currency_id]
    return {
        "payment_id": id,
        "payment_number": "",
        "payment_mode": "banktransfer",
        "amount": 0,
        "bcy_amount": 0,
        "unused_amount": 0,
        "amount_refunded": 0,
        "bank_charges": 0,
        "date": org.today().isoformat(),
        "status": "success",
        "reference_number": "",
        "description": "",
        "customer_id": customer["contact_id"] if customer else "",
        "customer_name": customer["contact_name"] if customer else "",
        "exchange_rate": 1,
        "currency_id": currency["currency_id"],
        "currency_code": currency["currency_code"],
        "currency_symbol": currency["currency_symbol"],
        "invoices": [],
        "custom_fields": [],
        "created_time": now,
        "last_modified_time": now,
    }


def update_payment(org: Organisation, payment: Record, body: dict[str, Any]) -> Record:
    """PUT: absent keys stay; a given `invoices` array replaces the applications."""
    changes: dict[str, Any] = {key: text(body[key], key, 500) for key in ("reference_number", "description") if key in body}
    if "date" in body:
        changes["date"] = day(body["date"], "date")
    if "payment_mode" in body:
        if body["payment_mode"] not in _MODES:
            raise errors.invalid("payment_mode")
        changes["payment_mode"] = body["payment_mode"]
    changes.update({key: number(money(body[key], key)) for key in ("amount", "exchange_rate") if key in body})
    if "custom_fields" in body:
        elements = rows(body["custom_fields"], "custom_fields")
        changes["custom_fields"] = applied(org.fields_of("customerpayments"), payment["custom_fields"], elements)
        checked_unique(org, "customerpayments", payment["payment_id"], changes["custom_fields"])
    if "invoices" in body:
        held = {line["invoice_id"]: money(line["amount_applied"]) for line in payment["invoices"]}
        changes["invoices"] = _applications(org, payment, rows(body["invoices"], "invoices"), held)
    changed = {**payment, **changes, "last_modified_time": org.now()}
    _settle_payment(org, changed)
    if money(changed["unused_amount"]) < 0:
        raise errors.invalid("amount_applied")
    before = payment["invoices"]
    payment.update(changed)
    org.table("customerpayments").put(payment["payment_id"], payment)
    _forget(org, before)
    _settle_invoices(org, {**payment, "invoices": [*before, *payment["invoices"]]})
    history.note(org, "customerpayments", payment, "Updated")
    return payment


def unapply(org: Organisation, invoice: Record, invoice_payment_id: str) -> None:
    """Takes a payment off an invoice; the amount stays as the customer's unused credit."""
    payments = org.table("customerpayments")
    for id in sorted(payments.find("invoice", invoice["invoice_id"])):
        payment = payments.records[id]
        kept = [line for line in payment["invoices"] if line["invoice_payment_id"] != invoice_payment_id]
        if len(kept) < len(payment["invoices"]):
            payment.update(invoices=kept, last_modified_time=org.now())
            _settle_payment(org, payment)
            payments.put(id, payment)
            invoice.update(payment_made=0, last_payment_date="", last_modified_time=org.now())
            save(org, "invoices", invoice)
            return
    raise errors.not_found("Payment")


def release(org: Organisation, invoice: Record) -> None:
    """Takes every payment off an invoice; the amounts stay as the customer's unused credit."""
    payments = org.table("customerpayments")
    for id in sorted(payments.find("invoice", invoice["invoice_id"])):
        payment = payments.records[id]
        payment["invoices"] = [line for line in payment["invoices"] if line["invoice_id"] != invoice["invoice_id"]]
        payment["last_modified_time"] = org.now()
        _settle_payment(org, payment)
        payments.put(id, payment)
    invoice.update(payment_made=0, last_payment_date="")


def delete_payment(org: Organisation, payment: Record) -> None:
    """The payment goes; its invoices are open again."""
    org.table("customerpayments").remove(payment["payment_id"])
    _forget(org, payment["invoices"])
    _settle_invoices(org, payment)
    history.note(org, "customerpayments", payment, "Deleted")


def apply(org: Organisation, payment: Record, invoice: Record, amount: Any) -> None:
    """Applies some of a payment's unused amount to an invoice of the same customer."""
    (line,) = _applications(org, payment, [{"invoice_id": invoice["invoice_id"], "amount_applied": amount}])
    if money(line["amount_applied"]) > money(payment["unused_amount"]):
        raise errors.invalid("amount_applied")
    payment.update(invoices=[*payment["invoices"], line], last_modified_time=org.now())
    _settle_payment(org, payment)
    org.table("customerpayments").put(payment["payment_id"], payment)
    _settle_invoices(org, payment)


def settle_seeded_payment(org: Organisation, payment: Record) -> None:
    """The amounts that follow from a payment's own figures."""
    _settle_payment(org, payment)


def _applications(
    org: Organisation, payment: Record, given: list[dict[str, Any]], held: Mapping[str, Decimal] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """The lines for amounts to apply. `held`: what this payment pays of each invoice already, on top of its balance."""
    lines = []
    for body in given:
        invoice = org.table("invoices").records.get(str(body.get("invoice_id") or ""))
        if invoice is None or invoice["customer_id"] != payment["customer_id"]:
            raise errors.bad_reference("Invoice")
        amount = money(body.get("amount_applied"), "amount_applied")
        most = money(invoice["balance"]) + held.get(invoice["invoice_id"], Decimal(0))
        if amount < 0 or org.status_of("invoices", invoice) in ("draft", "void") or amount > most:
            raise errors.invalid("amount_applied")
        lines.append(application(org, invoice, number(amount)))
    return lines


def _forget(org: Organisation, lines: list[dict[str, Any]]) -> None:
    """Invoices that a payment no longer names owe as if it had never been; what other payments pay is counted anew."""
    for line in lines:
        invoice = org.table("invoices").records.get(line["invoice_id"])
        if invoice is not None:
            invoice.update(payment_made=0, last_payment_date="")


def application(org: Organisation, invoice: Record, amount: int | float) -> dict[str, Any]:
    """The element of a payment's `invoices` for an amount applied."""
    return {
        "invoice_payment_id": org.world.new_id("books"),
        "invoice_id": invoice["invoice_id"],
        "invoice_number": invoice["invoice_number"],
        "date": invoice["date"],
        "invoice_amount": invoice["total"],
        "amount_applied": amount,
        "balance_amount": invoice["balance"],
    }


def _settle_payment(org: Organisation, payment: Record) -> None:
    applied_sum = sum((money(line["amount_applied"]) for line in payment["invoices"]), money(0))
    payment["unused_amount"] = number(money(payment["amount"]) - applied_sum - money(payment["amount_refunded"]))
    base = money(payment["amount"]) * money(payment["exchange_rate"])
    payment["bcy_amount"] = number(rounded(base, org.precision(org.base_currency_id)))


def _settle_invoices(org: Organisation, payment: Record) -> None:
    invoices = org.table("invoices")
    for line in payment["invoices"]:
        invoice = invoices.records.get(line["invoice_id"])
        if invoice is None:
            continue
        if org.payments_touch_invoices:
            invoice["last_modified_time"] = org.now()
        org.settle_invoice(line["invoice_id"])
        invoices.put(line["invoice_id"], invoice)
    org.refresh_balances(payment["customer_id"])
