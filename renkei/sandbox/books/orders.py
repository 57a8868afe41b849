"""Sales orders and the invoices made of them (books-v3.md section 9)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books.stamps import money, number

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.table import Record

_FOLLOWING = ("open", "partially_invoiced", "invoiced")  # the statuses that follow from invoices


def follow(org: Organisation, lines: list[dict[str, Any]]) -> None:
    """Makes the orders whose lines these invoice lines name invoiced, partially invoiced or open again."""
    table = org.table("salesorders")
    for id in sorted({order for line in lines for order in table.find("line", line.get("salesorder_item_id", ""))}):
        order = table.records[id]
        done = [money(line["quantity"]) - left for line, left in open_lines(org, order)]
        whole = all(left <= 0 for _, left in open_lines(org, order))
        status = "invoiced" if whole else "partially_invoiced" if any(done) else "open"
        if order["status"] in _FOLLOWING and order["status"] != status:
            order.update(status=status, last_modified_time=org.now())
            table.put(id, order)


def open_lines(org: Organisation, order: Record) -> list[tuple[dict[str, Any], Decimal]]:
    """Each line of an order with the quantity that no invoice has yet; void invoices do not count."""
    invoices = org.table("invoices")
    found = []
    for line in order["line_items"]:
        left = money(line["quantity"])
        for id in invoices.find("orderline", line["line_item_id"]):
            invoice = invoices.records[id]
            if invoice["status"] != "void":
                named = [one for one in invoice["line_items"] if one["salesorder_item_id"] == line["line_item_id"]]
                left -= sum((money(one["quantity"]) for one in named), Decimal(0))
        found.append((line, left))
    return found


def invoice_body(org: Organisation, order: Record) -> dict[str, Any]:
    """The body of an invoice over what of an order is not invoiced yet."""
    kept = ("name", "description", "rate", "unit", "discount", "tax_id", "item_id")
    return {
        "customer_id": order["customer_id"],
        "reference_number": order["salesorder_number"],
        **{
            key: order[key]
            for key in ("exchange_rate", "is_inclusive_tax", "is_discount_before_tax", "discount_type", "discount")
        },
        **{key: order[key] for key in ("salesperson_name", "zcrm_potential_id", "zcrm_potential_name") if order[key]},
        "line_items": [
            {
                **{key: line[key] for key in kept if line[key] != ""},
                "quantity": number(left),
                "salesorder_item_id": line["line_item_id"],
            }
            for line, left in open_lines(org, order)
            if left > 0
        ],
    }
