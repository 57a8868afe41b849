"""The public Northwind CSV files made into a folder seed: a CRM with all of it, Books with a part, some of it misspelt.

    python -m renkei.sandbox.seeds.northwind SOURCE TARGET

SOURCE holds customers.csv, products.csv, orders.csv, order_details.csv and, for the owners, employees.csv.
Every choice follows from the order of the rows, so the same source gives the same seed.
"""

from __future__ import annotations

import csv
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

CURRENCY = "USD"
PREEXISTING = 15
EVERY = 6  # every sixth customer stands in Books already
NEWEST_DAYS_AGO = 3
TERMS = 30
CENT = Decimal("0.01")
LEGAL_FORMS = {
    "Germany": "GmbH",
    "France": "SARL",
    "UK": "Ltd",
    "USA": "Inc.",
    "Mexico": "S.A. de C.V.",
    "Spain": "S.L.",
    "Italy": "S.p.A.",
    "Brazil": "Ltda.",
    "Sweden": "AB",
    "Switzerland": "AG",
    "Austria": "GmbH",
    "Canada": "Inc.",
}

Row = Mapping[str, str]


def convert(source: Path, target: Path, *, exchange_rate: str = "150") -> None:
    """Writes the folder seed into `target` (made if it is missing). `exchange_rate`: one USD in the base currency.

    ValueError names a source file that is missing or lacks a column.
    """
    customers = _read(source, "customers", "customerID companyName contactName contactTitle address city region "
                      "postalCode country phone fax")  # fmt: skip
    products = _read(source, "products", "productID productName quantityPerUnit unitPrice unitsInStock discontinued")
    orders = _read(source, "orders", "orderID customerID employeeID orderDate freight")
    details = _read(source, "order_details", "orderID productID unitPrice quantity discount")
    employees = _read(source, "employees", "employeeID lastName firstName") if (source / "employees.csv").is_file() else []
    known = customers[: PREEXISTING * EVERY : EVERY]
    _write_crm(target / "crm", customers, products, orders, employees)
    _write_books(target / "books", known, products)
    _write_documents(target / "books", {row["customerID"] for row in known}, products, orders, details, exchange_rate)


def variant(name: str, country: str, number: int) -> str:
    """The name as another clerk would have typed it: one of four ways, the first of them from `number` on that changes
    it: a legal form added, accents left out, capitals, `&` for the word and."""
    ways: tuple[Callable[[str], str], ...] = (
        lambda text: f"{text} {LEGAL_FORMS[country]}" if country in LEGAL_FORMS else text,
        _without_accents,
        str.upper,
        lambda text: " ".join("&" if word.lower() in ("and", "und", "et", "y", "e") else word for word in text.split()),
    )
    changed = (ways[(number + step) % len(ways)](name) for step in range(len(ways)))
    return next(text for text in changed if text != name)


def _write_crm(folder: Path, customers: list[Row], products: list[Row], orders: list[Row], employees: list[Row]) -> None:
    handled: dict[str, Counter[str]] = defaultdict(Counter)
    for order in orders:
        handled[order["customerID"]][order["employeeID"]] += 1
    staff = {row["employeeID"] for row in employees}

    def owner(customer: str) -> str:
        """The employee who took most of a customer's orders; of equals the one with the lower number."""
        counts = {id: count for id, count in handled[customer].items() if id in staff}
        return min(counts, key=lambda id: (-counts[id], int(id)), default=min(staff, key=int, default=""))

    if employees:
        _write(folder / "users.csv", [
            {"ref": row["employeeID"], "first_name": row["firstName"], "last_name": row["lastName"],
             "email": f"{_without_accents(row['firstName'])}.{_without_accents(row['lastName'])}@northwind.example".lower()}
            for row in employees
        ])  # fmt: skip
    accounts, contacts = [], []
    for n, row in enumerate(customers):
        stamps = _stamps(n, "Created_Time", "Modified_Time")
        held_by = {"Owner.ref": owner(row["customerID"])}
        accounts.append({
            "ref": row["customerID"],
            "Account_Name": row["companyName"],
            "Account_Number": row["customerID"],
            "Phone": row["phone"],
            "Fax": row["fax"],
            "Billing_Street": row["address"],
            "Billing_City": row["city"],
            "Billing_State": row["region"],
            "Billing_Code": row["postalCode"],
            "Billing_Country": row["country"],
            "Currency": CURRENCY,
            **held_by,
            **stamps,
        })  # fmt: skip
        contacts.append({
            "ref": row["customerID"],
            **_person(row["contactName"], "First_Name", "Last_Name"),
            "Title": row["contactTitle"],
            "Phone": row["phone"],
            "Account_Name.ref": row["customerID"],
            **held_by,
            **stamps,
        })  # fmt: skip
    _write(folder / "Accounts.csv", accounts)
    _write(folder / "Contacts.csv", contacts)
    _write(folder / "Products.csv", [
        {
            "ref": row["productID"],
            "Product_Name": row["productName"],
            "Product_Code": f"NW-{row['productID']}",
            "Unit_Price": row["unitPrice"],
            "Description": row["quantityPerUnit"],
            "Qty_in_Stock": row["unitsInStock"],
            "Product_Active": "true" if row["discontinued"] == "0" else "false",
            **_stamps(n, "Created_Time", "Modified_Time"),
        }
        for n, row in enumerate(products)
    ])  # fmt: skip


def _write_books(folder: Path, known: list[Row], products: list[Row]) -> None:
    customers, persons = [], []
    for n, row in enumerate(known):
        name = row["companyName"] if n % 2 else variant(row["companyName"], row["country"], n // 2)
        customers.append({
            "ref": row["customerID"],
            "contact_name": name,
            "company_name": name,
            "contact_type": "customer",
            "customer_sub_type": "business",
            "currency_code": CURRENCY,
            "payment_terms": str(TERMS),
            "payment_terms_label": f"Net {TERMS}",
            "billing_address.address": row["address"],
            "billing_address.city": row["city"],
            "billing_address.state": row["region"],
            "billing_address.zip": row["postalCode"],
            "billing_address.country": row["country"],
            "billing_address.phone": row["phone"],
            **_stamps(n, "created_time", "last_modified_time"),
        })  # fmt: skip
        persons.append({
            "contact": row["customerID"],
            **_person(row["contactName"], "first_name", "last_name"),
            "designation": row["contactTitle"],
            "phone": row["phone"],
            "is_primary_contact": "true",
        })  # fmt: skip
    _write(folder / "contacts.csv", customers)
    _write(folder / "contact_persons.csv", persons)
    _write(folder / "items.csv", [
        {
            "ref": row["productID"],
            "name": row["productName"],
            "sku": _sku(int(row["productID"])),
            "rate": row["unitPrice"],
            "description": row["quantityPerUnit"],
            "status": "active" if row["discontinued"] == "0" else "inactive",
            **_stamps(n, "created_time", "last_modified_time"),
        }
        for n, row in enumerate(products)
        if _is_item(int(row["productID"]))
    ])  # fmt: skip


def _write_documents(
    folder: Path, known: set[str], products: list[Row], orders: list[Row], details: list[Row], exchange_rate: str
) -> None:
    """An invoice for each order of a known customer: of three, one is paid, one is paid in part, one is open."""
    names = {row["productID"]: row["productName"] for row in products}
    lines_of: dict[str, list[Row]] = defaultdict(list)
    for line in details:
        lines_of[line["orderID"]].append(line)
    newest = max((_day(order) for order in orders), default=date.min)
    invoices: list[Row] = []
    lines: list[Row] = []
    payments: list[Row] = []
    applied: list[Row] = []
    wanted = [order for order in orders if order["customerID"] in known and lines_of[order["orderID"]]]
    for n, order in enumerate(sorted(wanted, key=lambda order: int(order["orderID"]))):
        ref, age = f"NW-{order['orderID']}", (newest - _day(order)).days + NEWEST_DAYS_AGO
        total = Decimal(order["freight"]) + sum(map(_line_total, lines_of[order["orderID"]]), Decimal(0))
        paid = (total, (total * Decimal("0.4")).quantize(CENT, ROUND_HALF_UP), Decimal(0))[n % 3]
        paid_ago = max(age - 20, 1)
        invoices.append({
            "ref": ref,
            "invoice_number": ref,
            "customer_id.ref": order["customerID"],
            "date": f"today-{age}",
            "due_date": f"today{TERMS - age:+d}",
            "payment_terms": str(TERMS),
            "payment_terms_label": f"Net {TERMS}",
            "status": "sent",
            "currency_code": CURRENCY,
            "exchange_rate": exchange_rate,
            "discount_type": "item_level",
            "shipping_charge": order["freight"],
            "created_time": f"today-{age} 09:00",
            "last_modified_time": f"today-{paid_ago if paid else age} 12:00",
        })  # fmt: skip
        lines += [_line(ref, line, names) for line in lines_of[order["orderID"]]]
        if paid:
            payments.append({
                "ref": ref,
                "payment_number": str(len(payments) + 1),
                "customer_id.ref": order["customerID"],
                "date": f"today-{paid_ago}",
                "amount": str(paid),
                "payment_mode": "banktransfer",
                "exchange_rate": exchange_rate,
                "created_time": f"today-{paid_ago} 12:00",
            })  # fmt: skip
            applied.append({"payment": ref, "invoice_id.ref": ref, "amount_applied": str(paid)})
    _write(folder / "invoices.csv", invoices)
    _write(folder / "invoice_lines.csv", lines)
    _write(folder / "customerpayments.csv", payments)
    _write(folder / "payment_lines.csv", applied)


def _line(invoice: str, line: Row, names: Mapping[str, str]) -> dict[str, str]:
    product = line["productID"]
    return {
        "invoice": invoice,
        "item_id.ref": product if product in names and _is_item(int(product)) else "",
        "name": names.get(product, f"NW-{product}"),
        "rate": line["unitPrice"],
        "quantity": line["quantity"],
        "discount": f"{Decimal(line['discount']) * 100:f}%" if Decimal(line["discount"]) else "",
        "tax_percentage": "0",
    }


def _line_total(line: Row) -> Decimal:
    gross = Decimal(line["unitPrice"]) * Decimal(line["quantity"])
    return (gross - gross * Decimal(line["discount"])).quantize(CENT, ROUND_HALF_UP)


def _is_item(product: int) -> bool:
    """Seven of nine products are items in Books already: 60 of the 77."""
    return product % 9 not in (0, 4)


def _sku(product: int) -> str:
    """NW-1, but for a few typed otherwise: `NW 5`, `nw-21`."""
    if product % 16 != 5:
        return f"NW-{product}"
    return f"nw-{product}" if product // 16 % 2 else f"NW {product}"


def _person(name: str, first: str, last: str) -> dict[str, str]:
    """The last word is the family name."""
    given, _, family = name.rpartition(" ")
    return {first: given, last: family}


def _stamps(n: int, created: str, modified: str) -> dict[str, str]:
    """Created one a week, oldest first, two years back; modified in the half year before now."""
    age = max(730 - 7 * n, 190)
    return {created: f"today-{age} 10:{n % 60:02d}", modified: f"today-{10 + n * 7 % 170} 15:{n % 60:02d}"}


def _day(order: Row) -> date:
    return date.fromisoformat(order["orderDate"][:10])


def _without_accents(text: str) -> str:
    plain = text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O").replace("æ", "ae").replace("Æ", "Ae")
    return "".join(char for char in unicodedata.normalize("NFD", plain) if not unicodedata.combining(char))


def _read(source: Path, name: str, columns: str) -> list[Row]:
    path = source / f"{name}.csv"
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns.split() if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}:1: there is no column {', '.join(missing)}")
        rows: list[Row] = []
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{path}:{reader.line_num}: the row has more or fewer cells than the first line")
            rows.append({key: "" if value == "NULL" else value for key, value in row.items()})
        return rows


def _write(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Writes a CSV file; without rows there is no file, because there would be no columns to name."""
    rows = list(rows)
    if not rows:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
