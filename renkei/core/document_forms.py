"""The form of an estimate, sales order or invoice that a CRM user makes or changes: read, checked whole, put into Books' terms.

Pure. A form's fields are texts as people type them; all faults are told at once, in English and Japanese, before any call.
Amounts are Decimals in the document's own currency, to `places` digits after the point (0 for yen). Source: product.md section 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from renkei.core.records import Change, Row
from renkei.core.values import decimal_text

FIELDS = ("date", "due", "person", "lines", "reference", "notes", "terms", "template", "salesperson")
LINE_FIELDS = ("item", "name", "description", "quantity", "price", "discount", "tax")
DUE = {"invoices": "due_date", "estimates": "expiry_date", "sales_orders": "shipment_date"}
TEXTS = {"reference": ("reference_number", 100), "notes": ("notes", 5000), "terms": ("terms", 10000)}
LINE_TEXTS = {"name": 200, "description": 2000}
# Why a document is not edited any more, by kind and status.
SETTLED: Mapping[str, Mapping[str, str]] = {
    "invoices": {"paid": "paid", "void": "void"},
    "estimates": {"invoiced": "invoiced"},
    "sales_orders": {"invoiced": "invoiced", "partially_invoiced": "invoiced", "void": "void", "closed": "closed"},
}

FAULTS: Mapping[str, tuple[str, str]] = {
    "unknown_field": ("{where}: there is no such field", "{where}:そのような項目はありません"),
    "no_day": (
        "{where}: {value} is no day; write YYYY-MM-DD",
        "{where}:{value} は日付ではありません。YYYY-MM-DD の形で入力してください",
    ),
    "due_before_date": ("{where}: {value} is before the date", "{where}:{value} は日付より前です"),
    "no_lines": ("lines: there is none", "lines:明細がありません"),
    "no_item_or_name": ("{where}: neither an item nor a name", "{where}:商品も名称もありません"),
    "no_number": ("{where}: {value} is no number", "{where}:{value} は数値ではありません"),
    "not_positive": ("{where}: {value} is not above 0", "{where}:{value} は 0 より大きくなければなりません"),
    "negative": ("{where}: {value} is below 0", "{where}:{value} は 0 未満です"),
    "no_price": ("{where}: a line without an item needs a price", "{where}:商品のない明細には単価が必要です"),
    "too_precise": ("{where}: {value} has more digits than the currency", "{where}:{value} は通貨の小数桁数を超えています"),
    "no_discount": (
        "{where}: {value} is neither an amount nor a percentage up to 100%",
        "{where}:{value} は金額でも 100% 以下の割合でもありません",
    ),
    "discount_too_large": ("{where}: {value} is more than the line", "{where}:{value} は明細の金額を超えています"),
    "too_long": ("{where}: more than {value} letters", "{where}:{value} 文字を超えています"),
    "not_there": ("{where}: {value} is not there", "{where}:{value} は見つかりません"),
    "inactive": ("{where}: {value} is inactive", "{where}:{value} は無効になっています"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field: a word of FAULTS, where, and the value."""

    reason: str
    where: str
    value: str = ""

    def said(self) -> tuple[str, str]:
        """In English and in Japanese."""
        english, japanese = FAULTS[self.reason]
        return english.format(where=self.where, value=self.value), japanese.format(where=self.where, value=self.value)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `item`: Books' id, or "" for free text; `discount`: "", an amount or `10%`; `tax`: Books' id or ""."""

    item: str
    name: str
    description: str
    quantity: Decimal
    price: Decimal
    discount: str
    tax: str

    @property
    def amount(self) -> Decimal:
        """Before tax, not rounded."""
        whole = self.quantity * self.price
        if self.discount.endswith("%"):
            return whole * (1 - Decimal(self.discount[:-1]) / 100)
        return whole - Decimal(self.discount or 0)


@dataclass(frozen=True, slots=True)
class Known:
    """What the fields may name, as both sides have it.

    items    what was typed → Books' row, or None where there is none
    taxes    rows of Books; persons: the customer's contact persons by what was typed; templates: rows of Books
    places   digits after the point of the currency
    """

    places: int
    items: Mapping[str, Row | None] = field(default_factory=dict)
    taxes: Sequence[Row] = ()
    persons: Mapping[str, str] = field(default_factory=dict)
    templates: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A checked form. Texts may be empty; `person` and `template` are Books' ids."""

    dated: date
    due: date | None
    person: str
    lines: tuple[Line, ...]
    reference: str
    notes: str
    terms: str
    template: str
    salesperson: str


def checked(asked: Mapping[str, Any], known: Known) -> tuple[Form | None, list[Fault]]:
    """The form, or None and everything that is wrong with it. `asked` holds every field; lines are mappings of LINE_FIELDS."""
    faults: list[Fault] = [Fault("unknown_field", name) for name in asked if name not in FIELDS]
    dated = _day(asked, "date", faults)
    due = _day(asked, "due", faults)
    if dated is not None and due is not None and due < dated:
        faults.append(Fault("due_before_date", "due", due.isoformat()))
    lines = [_line(n, line, known, faults) for n, line in enumerate(asked.get("lines") or (), 1)]
    if not lines:
        faults.append(Fault("no_lines", "lines"))
    texts = {name: str(asked.get(name) or "") for name in (*TEXTS, "salesperson")}
    lengths = {**{name: most for name, (_, most) in TEXTS.items()}, "salesperson": 200}
    faults += [Fault("too_long", name, str(most)) for name, most in lengths.items() if len(texts[name]) > most]
    person = _named(asked, "person", known.persons, faults)
    templates = {
        str(one.get(part)): str(one["template_id"]) for one in known.templates for part in ("template_name", "template_id")
    }
    template = _named(asked, "template", templates, faults)
    if faults or dated is None:
        return None, faults
    return Form(dated, due, person, tuple(one for one in lines if one is not None), template=template, **texts), []


def _named(asked: Mapping[str, Any], name: str, there: Mapping[str, str], faults: list[Fault]) -> str:
    value = str(asked.get(name) or "")
    if value and value not in there:
        faults.append(Fault("not_there", name, value))
    return there.get(value, "")


def _day(asked: Mapping[str, Any], name: str, faults: list[Fault]) -> date | None:
    value = asked.get(name)
    if value in (None, "") and name != "date":
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        faults.append(Fault("no_day", name, str(value or "")))
        return None


def _line(number: int, line: Mapping[str, Any], known: Known, faults: list[Fault]) -> Line | None:
    where, before = f"line {number}", len(faults)
    faults += [Fault("unknown_field", f"{where} {name}") for name in line if name not in LINE_FIELDS]
    asked = str(line.get("item") or "")
    item = known.items.get(asked) if asked else None
    if asked and item is None:
        faults.append(Fault("not_there", f"{where} item", asked))
    elif item is not None and str(item.get("status") or "active") != "active":
        faults.append(Fault("inactive", f"{where} item", asked))
    name = str(line.get("name") or (item or {}).get("name") or "")
    if not asked and not name and not line.get("description"):
        faults.append(Fault("no_item_or_name", where))
    for part, most in LINE_TEXTS.items():
        if len(str(line.get(part) or "")) > most:
            faults.append(Fault("too_long", f"{where} {part}", str(most)))
    quantity = _number(line.get("quantity") or "1", f"{where} quantity", faults)
    if quantity is not None and quantity <= 0:
        faults.append(Fault("not_positive", f"{where} quantity", str(line["quantity"])))
    price = _price(line, item, known, where, faults)
    tax = _tax(line, item, known, where, faults)
    if len(faults) > before or quantity is None or price is None:
        return None
    made = Line(
        str((item or {}).get("item_id") or ""), name, str(line.get("description") or ""), quantity, price,
        str(line.get("discount") or "").replace(" ", ""), tax,
    )  # fmt: skip
    return made if _discounted(made, known, where, faults) else None


def _price(line: Mapping[str, Any], item: Row | None, known: Known, where: str, faults: list[Fault]) -> Decimal | None:
    given = line.get("price")
    if given in (None, ""):
        given = None if item is None else item.get("rate")
    if given is None:
        if not line.get("item"):
            faults.append(Fault("no_price", f"{where} price"))
        return None
    price = _number(given, f"{where} price", faults)
    if price is None:
        return None
    if price < 0:
        faults.append(Fault("negative", f"{where} price", str(given)))
    if _places(price) > known.places:
        faults.append(Fault("too_precise", f"{where} price", str(given)))
    return price


def _tax(line: Mapping[str, Any], item: Row | None, known: Known, where: str, faults: list[Fault]) -> str:
    """A tax by id, name or, where one alone has it, percentage; without a word that of the item."""
    asked = str(line.get("tax") or "")
    if not asked:
        return str((item or {}).get("tax_id") or "")
    found = tax_of(asked, known.taxes)
    if not found:
        faults.append(Fault("not_there", f"{where} tax", asked))
    return found


def tax_of(asked: str, taxes: Sequence[Row]) -> str:
    """Books' id of the one tax of this id, name or, where one alone has it, percentage; "" where there is none such."""
    exact = [one for one in taxes if asked in (str(one.get("tax_id")), str(one.get("tax_name")))]
    rate = asked.removesuffix("%").strip()
    if not exact and re.fullmatch(r"\d+(\.\d+)?", rate):
        exact = [one for one in taxes if Decimal(str(one.get("tax_percentage") or 0)) == Decimal(rate)]
    return str(exact[0]["tax_id"]) if len(exact) == 1 else ""


def _discounted(line: Line, known: Known, where: str, faults: list[Fault]) -> bool:
    if not re.fullmatch(r"|\d+(\.\d+)?|(100(\.0+)?|\d{1,2}(\.\d+)?)%", line.discount):
        faults.append(Fault("no_discount", f"{where} discount", line.discount))
    elif line.amount < 0:
        faults.append(Fault("discount_too_large", f"{where} discount", line.discount))
    elif line.discount and not line.discount.endswith("%") and _places(Decimal(line.discount)) > known.places:
        faults.append(Fault("too_precise", f"{where} discount", line.discount))
    else:
        return True
    return False


def _number(value: Any, where: str, faults: list[Fault]) -> Decimal | None:
    try:
        number = Decimal(str(value).replace(",", "").strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        faults.append(Fault("no_number", where, str(value)))
        return None
    return number


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


# ------------------------------------------------------------------------------------------------------- in Books' terms


def body_of(kind: str, form: Form) -> Row:
    """What Books takes to make it; empty fields are left out."""
    body: Row = {"date": form.dated.isoformat(), "line_items": [_body_of_line(line, n) for n, line in enumerate(form.lines, 1)]}
    if any(line.discount for line in form.lines):
        body |= {"discount_type": "item_level", "is_discount_before_tax": True}
    given = {
        DUE[kind]: form.due and form.due.isoformat(),
        "contact_persons_associated": [{"contact_person_id": form.person}] if form.person else None,
        "template_id": form.template, "salesperson_name": form.salesperson,
        **{api: getattr(form, name) for name, (api, _) in TEXTS.items()},
    }  # fmt: skip
    return {**body, **{name: value for name, value in given.items() if value}}


def _body_of_line(line: Line, order: int) -> Row:
    body: Row = {"rate": _wire(line.price), "quantity": _wire(line.quantity), "item_order": order}
    given = {"item_id": line.item, "name": line.name, "description": line.description, "tax_id": line.tax}
    body |= {name: value for name, value in given.items() if value}
    if line.discount:
        body["discount"] = line.discount if line.discount.endswith("%") else _wire(Decimal(line.discount))
    return body


def _wire(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def shown(kind: str, form: Form, currency: str) -> dict[str, Any]:
    """A form as it is shown before it leaves; `sub_total` is before tax, which Books computes."""
    return {
        "kind": kind, "date": form.dated.isoformat(), "due": form.due and form.due.isoformat(), "currency": currency,
        "person": form.person or None, "template": form.template or None, "salesperson": form.salesperson,
        "reference": form.reference, "notes": form.notes, "terms": form.terms,
        "lines": [
            {
                "item": f"books:items:{line.item}" if line.item else None, "name": line.name, "description": line.description,
                "quantity": decimal_text(line.quantity), "price": decimal_text(line.price), "discount": line.discount or None,
                "tax": line.tax or None, "amount": decimal_text(line.amount),
            }
            for line in form.lines
        ],
        "sub_total": decimal_text(sum((line.amount for line in form.lines), Decimal(0))),
    }  # fmt: skip


def form_of(kind: str, detail: Row) -> dict[str, Any]:
    """A document of Books as the fields of a form, so that an edit changes what is asked and nothing else."""
    persons = detail.get("contact_persons_associated") or detail.get("contact_persons") or ()
    first = next(iter(persons), "")
    return {
        "date": detail.get("date") or "",
        "due": detail.get(DUE[kind]) or "",
        "person": str(first.get("contact_person_id") if isinstance(first, dict) else first or ""),
        "lines": [
            {
                "item": f"books:items:{line['item_id']}" if line.get("item_id") else "", "name": line.get("name") or "",
                "description": line.get("description") or "", "quantity": decimal_text(Decimal(str(line.get("quantity") or 1))),
                "price": decimal_text(Decimal(str(line.get("rate") or 0))), "discount": _discount_of(line.get("discount")),
                "tax": str(line.get("tax_id") or ""),
            }
            for line in detail.get("line_items") or ()
        ],
        "reference": detail.get("reference_number") or "", "notes": detail.get("notes") or "", "terms": detail.get("terms") or "",
        "template": str(detail.get("template_id") or ""), "salesperson": detail.get("salesperson_name") or "",
    }  # fmt: skip


def _discount_of(value: Any) -> str:
    text = str(value or "")
    if text.endswith("%"):
        return text
    return "" if not text or not Decimal(text) else decimal_text(Decimal(text))


def edits(kind: str, before: Form, after: Form) -> tuple[tuple[Change, ...], Row]:
    """What an edit changes, and the body that says it: of the fields that differ alone. A text that is cleared is sent empty."""
    old, new = body_of(kind, before), body_of(kind, after)
    names = {
        "date": "date", "lines": "line_items", "due": DUE[kind], "person": "contact_persons_associated",
        "template": "template_id", "salesperson": "salesperson_name", **{name: api for name, (api, _) in TEXTS.items()},
    }  # fmt: skip
    changed = [name for name in FIELDS if old.get(names[name]) != new.get(names[name])]
    body = {names[name]: new.get(names[name], [] if name == "person" else "") for name in changed}
    if "lines" in changed:
        body |= {name: new[name] for name in ("discount_type", "is_discount_before_tax") if name in new}
    told = shown(kind, before, ""), shown(kind, after, "")
    return tuple(Change(name, "books", told[0][name], told[1][name], "asked") for name in changed), body


def read_line(text: str) -> dict[str, str]:
    """`item=crm:Products:ID; quantity=3; price=1000; discount=10%; tax=10%` as fields. ValueError for what is no such list."""
    return dict(_pairs(text))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        if not part.strip():
            continue
        name, mark, value = part.partition("=")
        if not mark or not name.strip():
            raise ValueError(f"{part.strip()!r} is not FIELD=VALUE")
        yield name.strip(), value.strip()
