"""What a CRM deal gives its estimate or invoice: read by `mappings/deals.yaml`, checked whole, put into Books' terms. Pure.

Amounts are Decimals in the deal's own currency, to the currency's minor unit (0 digits for yen). Nothing is guessed: what keeps a
deal from its document is a `Stop` with its outcome, its reason and words in English and Japanese, all of them told at once.
Whether anything is written at all is decided in core/documents.py. Sources: product.md section 3, crm-v8.md sections 7.1 and 7.3,
books-v3.md sections 8 and 10.2; docs/decisions/0024-what-a-deal-gives.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, Literal

from renkei.core import transforms
from renkei.core.document_forms import DUE, Fault, Form, Known, Line, body_of, checked, tax_of
from renkei.core.mapping import get_path
from renkei.core.records import Currency, Row, User
from renkei.core.transforms import Unreadable, is_blank
from renkei.core.values import MISSING, content_hash, decimal_text

DocumentKind = Literal["estimates", "invoices"]
TODAY, TERMS, DEFAULT_TAX, NO_TAX = "today", "terms", "default", "none"
LINE_FIELDS = ("item", "name", "description", "quantity", "price", "discount", "tax")
DEAL_FIELDS = ("name", "amount", "currency", "exchange_rate", "salesperson", "reference", "notes", "terms", "number")
NEEDED = ("name", "amount")
BILLING_FIELDS = ("date", "amount", "percentage", "description")
NUMBERS: Mapping[str, str] = {"estimates": "estimate_number", "invoices": "invoice_number"}
PRODUCTS = "Products"  # the related list, whose rows are products
_TEXTS: Mapping[str, str] = {"reference": "reference_number", "notes": "notes", "terms": "terms"}
_HUNDRED = Decimal(100)
# What a name's value is, and which data types of the CRM can hold it.
_KINDS: Mapping[str, str] = {
    "item": "lookup", "date": "date", "tax": "tax",
    **dict.fromkeys(("amount", "exchange_rate", "quantity", "price", "discount", "percentage"), "number"),
}  # fmt: skip
_RECKONED = frozenset({"formula", "rollup_summary"})  # of any type that people like
_WORDS = frozenset({"text", "textarea", "picklist", "email", "website", "phone", "autonumber", "integer", "bigint"}) | _RECKONED
_AMOUNTS = frozenset({"integer", "bigint", "double", "currency", "percent", "text", "picklist"}) | _RECKONED
_TYPES: Mapping[str, frozenset[str]] = {
    "text": _WORDS, "number": _AMOUNTS, "date": frozenset({"date", *_RECKONED}), "lookup": frozenset({"lookup"}),
    "user": frozenset({"ownerlookup", "userlookup"}), "subform": frozenset({"subform"}),
    "tax": _WORDS | _AMOUNTS | {"multiselectpicklist", "line_tax"},
}  # fmt: skip


# ---------------------------------------------------------------------------------------------------- mappings/deals.yaml


@dataclass(frozen=True, slots=True)
class LinesSpec:
    """Where a deal's lines stand: in a `subform` of the deal, or in the related list `Products`; where both are "", every deal
    gives one line of its own.

    fields         (our name, path) pairs: LINE_FIELDS → fields of the subform's rows, or of the products; of a lookup `NAME.id`
    optional       where the CRM has no such subform, every deal gives one line of its own
    discounts      what a bare number in the discount is: an amount of the whole line, or a percentage
    inclusive_tax  prices, and with them the deal's amount, hold the tax
    taxes          (value in the CRM, tax of Books by name, id or percentage) pairs
    tax_else       tax of a line that names neither a tax nor a product: `default` (the organisation's own), `none`, or a tax
    """

    subform: str = ""
    related: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    optional: bool = False
    discounts: Literal["amount", "percent"] = "amount"
    inclusive_tax: bool = False
    taxes: tuple[tuple[str, str], ...] = ()
    tax_else: str = DEFAULT_TAX


@dataclass(frozen=True, slots=True)
class DatesSpec:
    """`date`: `today` (the day on which it is made) or a date field of the deal. `due`: "" for none, `terms` (the customer's
    payment terms, of invoices alone) or a date field of the deal."""

    date: str = TODAY
    due: str = ""


@dataclass(frozen=True, slots=True)
class BillingSpec:
    """Staged billing: a subform of the deal whose rows each become one invoice. `fields`: BILLING_FIELDS → API names; of
    `amount` and `percentage` it has one."""

    subform: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DealsSpec:
    """`mappings/deals.yaml`. `fields`: DEAL_FIELDS → paths; `salespersons`: (e-mail of a CRM user, name in Books)."""

    lines: LinesSpec = LinesSpec()
    fields: tuple[tuple[str, str], ...] = (("name", "Deal_Name"), ("amount", "Amount"))
    estimates: DatesSpec = DatesSpec()
    invoices: DatesSpec = DatesSpec(due=TERMS)
    salespersons: tuple[tuple[str, str], ...] = ()
    billing: BillingSpec | None = None
    file: str = ""

    def dates(self, kind: DocumentKind) -> DatesSpec:
        return self.estimates if kind == "estimates" else self.invoices


@dataclass(frozen=True, slots=True)
class Reads:
    """What has to be read of the CRM for a document.

    deal      fields of Deals that COQL can select, besides what the engine needs itself (Stage, Pipeline, parties, stamps)
    subforms  shown by the single read of a deal alone (crm-v8.md section 3.2)
    related   a related list of the deal, or ""
    products  fields to ask of that list
    rows      (subform, field of its rows) that the mapping names
    """

    deal: tuple[str, ...]
    subforms: tuple[str, ...] = ()
    related: str = ""
    products: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()


def reads(spec: DealsSpec, kind: DocumentKind) -> Reads:
    """What the mapping needs for this kind of document."""
    dates, lines = spec.dates(kind), spec.lines
    names = {_field(path) for _, path in spec.fields} | {one for one in (dates.date, dates.due) if one not in ("", TODAY, TERMS)}
    subforms = [lines.subform] if lines.subform else []
    if kind == "invoices" and spec.billing is not None:
        subforms.append(spec.billing.subform)
    products = tuple(sorted({_field(path) for _, path in lines.fields})) if lines.related else ()
    rows = tuple((module, _field(path)) for module, pairs in _rows_of(spec, kind) if module in subforms for _, path in pairs)
    return Reads(tuple(sorted(names)), tuple(subforms), lines.related, products, rows)


def product_ids(spec: DealsSpec, rows: Sequence[Row]) -> list[str]:
    """CRM ids of the products that the lines name, each once: whose Books items `document_of` has to know."""
    return list(dict.fromkeys(one for row in rows if (one := _product_of(spec, row))))


def fitting(spec: DealsSpec, there: Collection[str]) -> DealsSpec:
    """The mapping less what the CRM lacks and can lack. `there`: API names of the fields of Deals.

    A CRM with a single currency has no field for it; without an optional subform every deal gives one line of its own.
    """
    fields = tuple(one for one in spec.fields if one[0] != "currency" or _field(one[1]) in there)
    lines = spec.lines
    if lines.optional and lines.subform not in there:
        lines = dataclasses.replace(lines, subform="", fields=(), optional=False)
    return dataclasses.replace(spec, fields=fields, lines=lines)


def lacking(spec: DealsSpec, kind: DocumentKind, there: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str, str]]:
    """What the CRM lacks for a mapping that is `fitting`: (module, field, what is wrong with it).

    there   module → API name → data type (crm-v8.md section 7.1), of Deals and of each module that `modules` names; of a module
            that cannot be asked for, nothing is told
    """
    wanted: list[tuple[str, str, str, str]] = []  # module, field, what it is, kind of value
    dates, lines = spec.dates(kind), spec.lines
    for name, path in spec.fields:
        wanted.append(("Deals", _field(path), name, "user" if path.endswith(".id") else _KINDS.get(name, "text")))
    wanted += [
        ("Deals", one, part, "date")
        for part, one in ((f"{kind}.date", dates.date), (f"{kind}.due", dates.due))
        if one not in ("", TODAY, TERMS)
    ]
    for module, pairs in _rows_of(spec, kind):
        if module != PRODUCTS or not lines.related:
            wanted.append(("Deals", module, "a subform", "subform"))
        wanted += [(module, _field(path), name, _KINDS.get(name, "text")) for name, path in pairs]
    found = []
    for module, field_name, name, value in wanted:
        if module not in there:
            continue
        kind_there = there[module].get(field_name)
        if kind_there is None:
            found.append((module, field_name, "is not there"))
        elif kind_there not in _TYPES[value]:
            found.append((module, field_name, f"is {kind_there}, which cannot be {name}"))
    return list(dict.fromkeys(found))


def modules(spec: DealsSpec, kind: DocumentKind) -> list[str]:
    """The CRM modules whose fields the mapping names: Deals, the subforms, each a module of its own (section 8), or Products."""
    return list(dict.fromkeys(["Deals", *(module for module, _ in _rows_of(spec, kind))]))


def passed_over(spec: DealsSpec, deals: Mapping[str, str]) -> list[str]:
    """Subforms of deals that might be the lines, where the optional one that the mapping names is not there. `deals`: API name →
    data type. Without a word, every deal would have one line, though somebody writes down what it sells."""
    lines, plan = spec.lines, spec.billing.subform if spec.billing else ""
    if not lines.optional or lines.subform in deals:
        return []
    there = sorted(name for name, kind in deals.items() if kind == "subform" and name != plan)
    return (
        [f"no lines are read: Deals has {', '.join(there)}, and no {lines.subform}; name it, or write lines: null"]
        if there
        else []
    )


def unknown_taxes(spec: DealsSpec, taxes: Sequence[Row]) -> list[str]:
    """Taxes that the mapping names and Books does not have, or has several of."""
    named = dict.fromkeys((*dict(spec.lines.taxes).values(), spec.lines.tax_else))
    return [one for one in named if one not in (DEFAULT_TAX, NO_TAX) and not tax_of(one, taxes)]


def _rows_of(spec: DealsSpec, kind: DocumentKind) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    found = [(spec.lines.subform or spec.lines.related, spec.lines.fields)] if spec.lines.subform or spec.lines.related else []
    if kind == "invoices" and spec.billing is not None:
        found.append((spec.billing.subform, spec.billing.fields))
    return found


# ------------------------------------------------------------------------------------------------------ what comes of it


@dataclass(frozen=True, slots=True)
class Stop:
    """What keeps a deal from its document: the outcome's word, its reason, and what to see to, in English and Japanese."""

    outcome: Literal["held", "blocked", "quarantined"]
    reason: str
    en: str
    ja: str

    def __str__(self) -> str:
        return f"{self.en} / {self.ja}"


@dataclass(frozen=True, slots=True)
class TaxRounding:
    """How the organisation rounds tax: once per rate over the document, half up, unless told otherwise."""

    per_line: bool = False
    way: str = ROUND_HALF_UP

    def __call__(self, amount: Decimal, places: int) -> Decimal:
        return amount.quantize(_unit(places), self.way)


@dataclass(frozen=True, slots=True)
class DealKnown:
    """What is known around the deals of a run.

    items       CRM product id → Books' item as a list or detail shows it (item_id, name, rate, tax_id, status); None or absent
                where the product has no live link
    taxes       rows of Books (tax_id, tax_name, tax_percentage, is_default_tax)
    currencies  ISO code → the currency as Books has it: digits and id
    base        ISO code of the CRM's home currency: of deals without a currency of their own
    owners      CRM user id → user
    """

    items: Mapping[str, Row | None]
    taxes: Sequence[Row]
    currencies: Mapping[str, Currency]
    base: str
    owners: Mapping[str, User] = field(default_factory=dict)
    rounding: TaxRounding = TaxRounding()


@dataclass(frozen=True, slots=True)
class Document:
    """An estimate or invoice as it would be made.

    body        what Books takes for a create, with the customer's id where it was given and without our key
    edit        what it takes for an edit: a text that the deal leaves blank is in it as ""
    own_number  the body brings its own number: the call needs ignore_auto_number_generation=true
    net         the lines' sum after discount, which is the deal's amount: before tax, or with it where prices hold the tax
    tax, total  as our own reckoning gives them, to be compared with Books' to one minor unit; Books' count
    """

    kind: DocumentKind
    form: Form
    body: Row
    currency: str
    own_number: bool
    net: Decimal
    tax: Decimal
    total: Decimal
    dated_today: bool = False

    @property
    def edit(self) -> Row:
        """The body of an edit: without the customer, the currency and the deal, which stay, without the number once it has one,
        and, where it is dated by the day of its making, without date and terms."""
        kept = ("customer_id", "currency_id", "zcrm_potential_id", NUMBERS[self.kind])
        left_out = (*kept, "date", "payment_terms", "payment_terms_label") if self.dated_today else kept
        return {name: value for name, value in self.body.items() if name not in left_out}


@dataclass(frozen=True, slots=True)
class Given:
    """What a deal gives its document now: the document, or why there is none (`document` is None just where there are stops).

    figures  hash of lines, amount, currency, rate and dates, as far as the deal gives them and nothing of what Books adds.
             Another one than the document was last written with is `Standing.changed`
    words    hash of the texts: names, descriptions, reference, notes, terms, salesperson, number. Alone it is a reason to edit
             a draft, never a question about a document that has gone out
    """

    figures: str
    words: str
    document: Document | None
    stops: tuple[Stop, ...] = ()

    @property
    def stop(self) -> Stop | None:
        """The one that counts: quarantined before blocked before held. None where there is a document."""
        order = ("quarantined", "blocked", "held")
        return min(self.stops, key=lambda one: order.index(one.outcome), default=None)


@dataclass(frozen=True, slots=True)
class Billed:
    """An invoice that was made for a deal. `amount`: as its lines added up; `follows`: it is still ours and a draft, so that it
    takes what the billing plan says now."""

    amount: Decimal
    follows: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One of a deal's documents.

    row    id of the row of the billing plan whose invoice it is; "" where the deal has one document for all
    state  due; later: its day has not come; billed: it was made before, and `given` is what it would be now
    day    from which on the row is to be billed; None where it says none, or the deal has one document
    """

    row: str
    state: Literal["due", "later", "billed"]
    given: Given
    day: date | None = None


def documents_of(
    spec: DealsSpec, kind: DocumentKind, deal: Row, rows: Sequence[Row], plan: Sequence[Row], customer: Row | None,
    known: DealKnown, today: date, billed: Mapping[str, Billed] | None = None,
) -> tuple[Part, ...]:  # fmt: skip
    """All documents of a deal: one, or an invoice for each row of its billing plan, in the order of their days.

    plan    rows of the subform that `spec.billing` names; empty: the deal has one document. The others as `document_of`
    billed  what was made before: `Part.row` → the invoice, those of rows that are gone included
    Each percentage is cut to the minor unit, and the last one takes what is left. Where all of it together, made or planned,
    would exceed the deal's amount, every part that could still be written has the stop `billing_exceeds`.
    """
    whole, made = document_of(spec, kind, deal, rows, customer, known, today), dict(billed or {})
    if kind != "invoices" or spec.billing is None or not plan:
        others = sum((one.amount for row, one in made.items() if row), Decimal(0))
        given = _exceeding(whole, others + whole.document.net) if others and whole.document else whole
        return (Part("", "billed" if "" in made else "due", given),)
    return _Plan(_Reading(spec, kind, deal, customer, known, today), whole, plan, made).parts()


def document_of(
    spec: DealsSpec, kind: DocumentKind, deal: Row, rows: Sequence[Row], customer: Row | None, known: DealKnown, today: date
) -> Given:
    """What this deal gives its document.

    deal      the CRM's row with `reads(spec, kind).deal` and `id`; a field that is not there counts as blank
    rows      of the subform or related list that `reads` names, in their order; empty for a deal without lines
    customer  Books' row of the linked customer (contact_id, currency_code, payment_terms); None while there is no link: then the
              body has no customer_id and the currency is not compared
    today     the day in the connection's time zone
    """
    read = _Reading(spec, kind, deal, customer, known, today)
    return read.given(rows)


# ---------------------------------------------------------------------------------------------------------- the reading


class _Reading:
    """One deal's reading: what it asks for, and what is wrong with it."""

    def __init__(
        self, spec: DealsSpec, kind: DocumentKind, deal: Row, customer: Row | None, known: DealKnown, today: date
    ) -> None:
        self.spec, self.kind, self.deal, self.customer, self.known, self.today = spec, kind, deal, customer, known, today
        self.names = dict(spec.fields)
        self.stops: list[Stop] = []
        self.amount = _number(self.raw("amount"))
        self.code = _text(self.raw("currency")).upper() or known.base
        self.salesperson = self._salesperson()
        self.told: list[str] = []  # what people call each line

    def raw(self, name: str) -> Any:
        return _raw(self.deal, self.names.get(name))

    def given(self, rows: Sequence[Row]) -> Given:
        asked = [one for one in (self._asked_line(row) for row in rows) if one is not None]
        single = not asked
        if single:
            asked = [self._own_line()]
        fields = {**self._dates(), **{name: _text(self.raw(name)) for name in _TEXTS}}
        figures, words = self._digests(asked, fields)
        self._require_currency()
        self._require_products(asked)
        document = None if self.stops else self._document(asked, fields, single)
        return Given(figures, words, document, tuple(self.stops))

    # ------------------------------------------------------------------------------------------- what the deal asks for

    def _asked_line(self, row: Row) -> dict[str, str] | None:
        """A line as a form's fields; None for a row that nobody has filled in: no product, no words, no price."""
        lines = self.spec.lines
        paths = dict(lines.fields)
        raw = {name: _raw(row, paths.get(name)) for name in LINE_FIELDS}
        words = (raw[name] for name in ("item", "name", "description"))
        if not lines.related and all(is_blank(one) for one in words) and _number_text(raw["price"]) in ("", "0"):
            return None
        product = _product_of(self.spec, row)
        item = (self.known.items.get(product) if product else None) or {}
        lookup = row if lines.related else row.get(_field(paths.get("item", "")))
        called = (
            raw["name"],
            item.get("name"),
            (lookup or {}).get("Product_Name" if lines.related else "name"),
            raw["description"],
        )
        self.told.append(next((_text(one)[:40] for one in called if not is_blank(one)), ""))
        return {
            "item": f"crm:Products:{product}" if product else "",
            "name": _text(raw["name"]), "description": _text(raw["description"]),
            "quantity": _number_text(raw["quantity"]), "price": _number_text(raw["price"]),
            "discount": self._discount(raw["discount"]), "tax": self._tax(raw["tax"], bool(product)),
        }  # fmt: skip

    def _own_line(self) -> dict[str, str]:
        """The one line of a deal that gives no lines."""
        line = dict.fromkeys(LINE_FIELDS, "")
        if not isinstance(self.amount, Unreadable) and not self.amount:
            self._stop("blocked", "no_amount", "the deal has neither lines nor an amount", "商談に明細も金額もありません")
        return {**line, "name": _text(self.raw("name")), "price": _number_text(self.raw("amount")), "tax": self._tax(None, False)}

    def _discount(self, raw: Any) -> str:
        text = _text(raw)
        if text.endswith("%"):
            return _number_text(text[:-1]) + "%" if _number_text(text[:-1]) != "0" else ""
        number = _number_text(raw)
        if number in ("", "0"):
            return ""
        return f"{number}%" if self.spec.lines.discounts == "percent" else number

    def _tax(self, raw: Any, has_item: bool) -> str:
        """The tax as the form takes it: a word, "" for the item's, NO_TAX for none."""
        lines, words = self.spec.lines, _tax_words(raw)
        if not words:
            return "" if has_item else self._tax_else(lines.tax_else)
        mapped = dict(lines.taxes)
        there = {str(one.get(part)) for one in self.known.taxes for part in ("tax_id", "tax_name")}
        for word in words:
            if word in mapped:
                return mapped[word]
            if word in there:
                return word
        rate = words[-1].removesuffix("%").strip()
        if _number_text(rate) == "0" and not any(_rate(one) == 0 for one in self.known.taxes):
            return NO_TAX
        return words[-1]

    def _tax_else(self, word: str) -> str:
        if word != DEFAULT_TAX:
            return word
        own = next((str(one["tax_id"]) for one in self.known.taxes if one.get("is_default_tax")), "")
        return own or NO_TAX

    def _dates(self) -> dict[str, str]:
        dates = self.spec.dates(self.kind)
        dated = self.today.isoformat() if dates.date == TODAY else _text(_raw(self.deal, dates.date))
        due = "" if dates.due in ("", TERMS) else _text(_raw(self.deal, dates.due))
        return {"date": dated, "due": due}

    def _salesperson(self) -> str:
        told = _text(self.raw("salesperson"))
        if not told or not self.names["salesperson"].endswith(".id"):
            return told
        owner = self.known.owners.get(told)
        if owner is None:
            self._stop(
                "quarantined", "unknown_owner", f"the deal's owner {told} is no user of the CRM",
                f"商談の担当者 {told} は CRM のユーザーではありません",
            )  # fmt: skip
            return ""
        return dict(self.spec.salespersons).get(owner.email, owner.name)

    def _digests(self, asked: Sequence[Mapping[str, str]], fields: Mapping[str, str]) -> tuple[str, str]:
        dates = self.spec.dates(self.kind)
        counted = ("item", "quantity", "price", "discount", "tax")
        figures = {
            "lines": [[one[name] for name in counted] for one in asked], "amount": _number_text(self.raw("amount")),
            "currency": self.code, "rate": _number_text(self.raw("exchange_rate")),
            "inclusive_tax": self.spec.lines.inclusive_tax,
            "date": "" if dates.date == TODAY else fields["date"], "due": fields["due"],
        }  # fmt: skip
        words = {
            "lines": [[one["name"], one["description"]] for one in asked], "salesperson": self.salesperson,
            "number": _text(self.raw("number")), **{name: fields[name] for name in _TEXTS},
        }  # fmt: skip
        return content_hash(figures), content_hash(words)

    # ------------------------------------------------------------------------------------------------- what stands against it

    def _stop(self, outcome: Literal["held", "blocked", "quarantined"], reason: str, en: str, ja: str) -> None:
        self.stops.append(Stop(outcome, reason, en, ja))

    def _require_currency(self) -> None:
        if self.code not in self.known.currencies:
            self._stop(
                "quarantined", "currency_unknown", f"Books has no currency {self.code}", f"Books に通貨 {self.code} がありません"
            )
            return
        theirs = str((self.customer or {}).get("currency_code") or self.code)
        if theirs != self.code:
            self._stop(
                "quarantined", "currency_differs", f"the deal is in {self.code}, its customer in Books in {theirs}",
                f"商談の通貨は {self.code}、Books の顧客の通貨は {theirs} です",
            )  # fmt: skip

    def _require_products(self, asked: Sequence[Mapping[str, str]]) -> None:
        missing = [
            f"{one['item']} ({called})" if called else one["item"]
            for one, called in zip(asked, self.told, strict=False)
            if one["item"] and self._item(one["item"]) is None
        ]
        if missing:
            told = ", ".join(dict.fromkeys(missing))
            self._stop(
                "blocked", "product_not_linked", f"not in Books yet: {told}", f"Books にまだない商品: {told}"
            )  # fmt: skip

    def _item(self, asked: str) -> Row | None:
        return self.known.items.get(asked.removeprefix("crm:Products:"))

    def _quarantine(self, faults: Sequence[Fault], single: bool) -> None:
        told = [self._placed(one, single).said() for one in faults]
        self._stop("quarantined", "invalid", "; ".join(en for en, _ in told), "、".join(ja for _, ja in told))

    def _placed(self, fault: Fault, single: bool) -> Fault:
        """The fault with the line's name, or with the field of the deal that it is in."""
        where, dates = fault.where, self.spec.dates(self.kind)
        if where.startswith("line "):
            _, number, *rest = where.split(" ", 2)
            if not single:
                called = self.told[int(number) - 1]
                where = " ".join((f"line {number} ({called})" if called else f"line {number}", *rest))
            else:
                where = {"price": "amount"}.get(" ".join(rest), " ".join(rest) or "name")
        field_name = {"date": dates.date, "due": dates.due, **self.names}.get(where)
        return dataclasses.replace(fault, where=f"{where} ({field_name})" if field_name else where, value=fault.value or '""')

    # ---------------------------------------------------------------------------------------------------------- the document

    def _document(self, asked: Sequence[Mapping[str, str]], fields: Mapping[str, str], single: bool) -> Document | None:
        currency = self.known.currencies[self.code]
        items = {one["item"]: self._item(one["item"]) for one in asked if one["item"]}
        untaxed = [one["tax"] == NO_TAX for one in asked]
        lines = [{**one, "tax": "" if none else one["tax"]} for one, none in zip(asked, untaxed, strict=True)]
        whole = {**dict.fromkeys(("person", "template"), ""), **fields, "salesperson": self.salesperson, "lines": lines}
        form, faults = checked(whole, Known(currency.minor_units, items, self.known.taxes))
        rate = _number(self.raw("exchange_rate"))
        if isinstance(rate, Unreadable) or (rate is not None and rate <= 0):
            faults = [*faults, Fault("not_positive", "exchange_rate", str(self.raw("exchange_rate")))]
        if isinstance(self.amount, Unreadable):
            faults = [*faults, Fault("no_number", "amount", str(self.raw("amount")))] if not single else faults
        if form is None or faults:
            self._quarantine(faults, single)
            return None
        form = dataclasses.replace(
            form,
            lines=tuple(dataclasses.replace(one, tax="") if none else one for one, none in zip(form.lines, untaxed, strict=True)),
        )
        made = self.made_of(form, untaxed)
        if made.net != self.amount:
            self._differ(made.net, made.total)
            return None
        return made

    def made_of(self, form: Form, untaxed: Sequence[bool]) -> Document:
        """The document of a sound form. `untaxed`: of each line, whether the deal says that there is no tax."""
        currency = self.known.currencies[self.code]
        net, tax, total = self._reckoned(form.lines, currency.minor_units)
        body, today = self._body(form, untaxed, currency), self.spec.dates(self.kind).date == TODAY
        return Document(self.kind, form, body, self.code, bool(body.get(NUMBERS[self.kind])), net, tax, total, today)

    def _differ(self, net: Decimal, total: Decimal) -> None:
        inclusive = self.spec.lines.inclusive_tax
        said, withtax, code = decimal_text(net), decimal_text(total), self.code
        basis = ("with tax", "税込") if inclusive else (f"before tax ({withtax} with tax)", f"税抜、税込では {withtax}")
        if isinstance(self.amount, Decimal):
            amount, off = decimal_text(self.amount), decimal_text(net - self.amount)
            words = (f"the deal's amount is {amount}: {off} too much" if net > self.amount else
                     f"the deal's amount is {amount}: {decimal_text(self.amount - net)} too little")  # fmt: skip
            japanese = f"商談の金額は {amount} です(差額 {off})"
        else:
            words, japanese = "the deal has no amount", "商談に金額がありません"
        self._stop(
            "held", "lines_differ", f"the lines add up to {said} {code} {basis[0]}, {words}",
            f"明細の合計は {said} {code}({basis[1]})、{japanese}",
        )  # fmt: skip

    def _reckoned(self, lines: Sequence[Line], places: int) -> tuple[Decimal, Decimal, Decimal]:
        """Net, tax and total: each line rounded half up as Books does, tax once per rate."""
        inclusive = self.spec.lines.inclusive_tax
        rates = {str(one.get("tax_id")): _rate(one) for one in self.known.taxes}
        net, taxes = Decimal(0), dict.fromkeys((one.tax for one in lines if one.tax), Decimal(0))
        for line in lines:
            amount = _rounded(line.amount, places)
            net += amount
            if line.tax:
                rate = rates.get(line.tax, Decimal(0))
                tax = amount * rate / (_HUNDRED + rate if inclusive else _HUNDRED)
                taxes[line.tax] += self.known.rounding(tax, places) if self.known.rounding.per_line else tax
        tax_total = sum((self.known.rounding(one, places) for one in taxes.values()), Decimal(0))
        return net, tax_total, net if inclusive else net + tax_total

    def _body(self, form: Form, untaxed: Sequence[bool], currency: Currency) -> Row:
        body = body_of(self.kind, form)
        for line, none in zip(body["line_items"], untaxed, strict=True):
            if none and line.get("item_id"):
                line["tax_id"] = ""  # or Books takes the item's
        body["is_inclusive_tax"] = self.spec.lines.inclusive_tax
        body |= {_TEXTS[name]: getattr(form, name) for name in _TEXTS if name in self.names}
        if "salesperson" in self.names:
            body["salesperson_name"] = form.salesperson
        dates = self.spec.dates(self.kind)
        if form.due is None and dates.due == TERMS:
            terms = self.customer or {}
            body |= {name: terms[name] for name in ("payment_terms", "payment_terms_label") if terms.get(name) not in (None, "")}
        elif form.due is None and dates.due:
            body[DUE[self.kind]] = ""
        number, rate = _text(self.raw("number")), _number(self.raw("exchange_rate"))
        given = {
            "customer_id": str((self.customer or {}).get("contact_id") or ""), "currency_id": currency.id,
            "exchange_rate": float(rate) if isinstance(rate, Decimal) else None,
            "zcrm_potential_id": str(self.deal.get("id") or ""), NUMBERS[self.kind]: number,
        }  # fmt: skip
        return {**body, **{name: value for name, value in given.items() if value}}


# ------------------------------------------------------------------------------------------------------------ staged billing


@dataclass(frozen=True, slots=True)
class _Stage:
    row: str
    day: date | None
    exact: Decimal
    label: str


class _Plan:
    """A deal's billing plan: which row is billed how much, and when."""

    def __init__(self, read: _Reading, whole: Given, rows: Sequence[Row], made: Mapping[str, Billed]) -> None:
        assert read.spec.billing is not None
        self.read, self.whole, self.made = read, whole, made
        self.paths = dict(read.spec.billing.fields)
        self.by_share = "percentage" in self.paths
        self.today = read.spec.invoices.date == TODAY
        currency = read.known.currencies.get(read.code)
        self.places = currency.minor_units if currency else 0
        self.faults: list[Fault] = []
        stages = [self._stage(n, row) for n, row in enumerate(rows, 1)]
        self.stages = sorted(stages, key=lambda one: (one.day is None, one.day or date.max))
        self.amounts = self._amounts(read.amount if isinstance(read.amount, Decimal) else Decimal(0))

    def parts(self) -> tuple[Part, ...]:
        document, found = self.whole.document, []
        settled = {row: one.amount for row, one in self.made.items() if not one.follows or row not in self.amounts}
        total = sum({**self.amounts, **settled}.values(), Decimal(0))
        before = Decimal(0)
        left = [_rounded(one.amount, self.places) for one in document.form.lines] if document else []
        for stage in self.stages:
            figures, words = self._digests(stage, before)
            before += self.amounts[stage.row]
            if document is None:
                given = self.whole
            elif self.faults:
                given = self._invalid(self.faults)
            elif total > document.net and stage.row not in settled:
                given = _exceeding(self.whole, total)
            else:
                given = self._given(document, stage, left)
            found.append(Part(stage.row, self._state(stage), dataclasses.replace(given, figures=figures, words=words), stage.day))
        return tuple(found)

    def _stage(self, number: int, row: Row) -> _Stage:
        where = f"billing {number}"
        day = transforms.bind("date", "crm").read(_raw(row, self.paths["date"]))
        if isinstance(day, Unreadable):
            self.faults.append(Fault("no_day", f"{where} date", str(day.raw)))
        raw = _raw(row, self.paths["percentage" if self.by_share else "amount"])
        share = _number(raw.strip().removesuffix("%") if isinstance(raw, str) and self.by_share else raw)
        exact = share if isinstance(share, Decimal) else Decimal(0)
        if not isinstance(share, Decimal):
            self.faults.append(Fault("no_number", where, _text(raw) or '""'))
        elif share <= 0:
            self.faults.append(Fault("not_positive", where, decimal_text(share)))
        elif not self.by_share and share != _cut(share, self.places):
            self.faults.append(Fault("too_precise", where, decimal_text(share)))
        return _Stage(
            str(row["id"]), day if isinstance(day, date) else None, exact, _text(_raw(row, self.paths.get("description")))
        )

    def _state(self, stage: _Stage) -> Literal["due", "later", "billed"]:
        if stage.row in self.made:
            return "billed"
        return "due" if stage.day is not None and stage.day <= self.read.today else "later"

    def _amounts(self, amount: Decimal) -> dict[str, Decimal]:
        """Row → its amount: shares are cut to the minor unit, the last one is what is left of all shares together."""
        exact = {one.row: amount * one.exact / _HUNDRED if self.by_share else one.exact for one in self.stages}
        amounts = {row: _cut(one, self.places) for row, one in exact.items()}
        last = self.stages[-1].row
        others = sum((one for row, one in amounts.items() if row != last), Decimal(0))
        return {**amounts, last: _cut(sum(exact.values(), Decimal(0)), self.places) - others}

    def _digests(self, stage: _Stage, before: Decimal) -> tuple[str, str]:
        """What the deal gives this part: its lines follow from the deal's, from the part's amount and from those before it."""
        day = "" if self.today or stage.day is None else stage.day.isoformat()
        return (
            content_hash([self.whole.figures, decimal_text(before), decimal_text(self.amounts[stage.row]), day]),
            content_hash([self.whole.words, stage.label]),
        )

    def _given(self, document: Document, stage: _Stage, left: list[Decimal]) -> Given:
        """The invoice of one row: its amount spread over what is left of the lines, so that items and taxes stay as they are."""
        read, form, amount = self.read, document.form, self.amounts[stage.row]
        if not amount:
            return self._invalid([Fault("not_positive", f"billing {stage.label or stage.row}", decimal_text(amount))])
        lines, spread = form.lines, list(left)
        if len(self.stages) > 1 or amount != document.net:
            spread = _spread(min(amount, sum(left, Decimal(0))), left, self.places)
            lines = tuple(
                dataclasses.replace(one, quantity=Decimal(1), price=part, discount="")
                for one, part in zip(lines, spread, strict=True)
            )
        left[:] = [one - part for one, part in zip(left, spread, strict=True)]
        kept = [n for n, part in enumerate(spread) if part]
        labelled = [
            dataclasses.replace(lines[n], description="\n".join(one for one in (stage.label, lines[n].description) if one))
            for n in kept
        ]
        too_long = [Fault("too_long", f"billing {stage.label[:40]}", "2000") for one in labelled if len(one.description) > 2000]
        if too_long:
            return self._invalid(too_long[:1])
        dated = read.today if self.today else stage.day or read.today
        due = form.due if form.due is not None and form.due >= dated else None
        part = dataclasses.replace(form, dated=dated, due=due, lines=tuple(labelled))
        untaxed = [document.body["line_items"][n].get("tax_id") == "" for n in kept]
        return Given("", "", read.made_of(part, untaxed))

    def _invalid(self, faults: Sequence[Fault]) -> Given:
        said = [one.said() for one in faults]
        stop = Stop("quarantined", "invalid", "; ".join(en for en, _ in said), "、".join(ja for _, ja in said))
        return Given("", "", None, (stop,))


def _spread(amount: Decimal, over: Sequence[Decimal], places: int) -> list[Decimal]:
    """The amount in parts to the minor unit, in proportion, none larger than what it is taken from: the sum is exact."""
    whole = sum(over, Decimal(0))
    if not whole:
        return [Decimal(0)] * len(over)
    exact = [one * amount / whole for one in over]
    parts = [_cut(one, places) for one in exact]
    missing = int((amount - sum(parts, Decimal(0))).scaleb(places))
    for n in sorted(range(len(over)), key=lambda n: (parts[n] - exact[n], n))[:missing]:
        parts[n] += _unit(places)
    return parts


def _exceeding(whole: Given, total: Decimal) -> Given:
    """Held: together the invoices would be more than the whole deal's document."""
    assert whole.document is not None
    amount, code = decimal_text(whole.document.net), whole.document.currency
    stop = Stop(
        "held", "billing_exceeds", f"all invoices together would be {decimal_text(total)} {code}, the deal's amount is {amount}",
        f"請求の合計が {decimal_text(total)} {code} となり、商談の金額 {amount} を超えます",
    )  # fmt: skip
    return dataclasses.replace(whole, document=None, stops=(stop,))


# ------------------------------------------------------------------------------------------------------------- raw values


def _product_of(spec: DealsSpec, row: Row) -> str:
    """The CRM id of the product of a line; "" for free text."""
    if spec.lines.related:
        return str(row.get("id") or "")
    return _text(_raw(row, dict(spec.lines.fields).get("item")))


def _field(path: str) -> str:
    """The API name of a path: `Owner` of `Owner.id`."""
    return path.split(".")[0]


def _raw(row: Row, path: str | None) -> Any:
    """The raw value at a path; None where it is blank, not mapped or not served."""
    found = get_path(row, path) if path else None
    return None if found is MISSING else found


def _text(raw: Any) -> str:
    if isinstance(raw, Mapping):
        return str(raw.get("name") or "")
    return "" if raw is None else str(raw).strip()


def _number(raw: Any) -> Decimal | Unreadable | None:
    found: Decimal | Unreadable | None = transforms.bind("decimal", "crm").read(raw)
    return found


def _number_text(raw: Any) -> str:
    """Digits of an amount, "" for blank; what is no amount as it stands, so that the check names it."""
    found = _number(raw)
    if isinstance(found, Unreadable):
        return str(raw)
    return "" if found is None else decimal_text(found)


def _tax_words(raw: Any) -> list[str]:
    """How a line names its tax: by its name and then by its percentage (crm-v8.md section 7.3), or in one word."""
    if isinstance(raw, list):
        if len(raw) > 1:
            return [" + ".join(_tax_words([one])[0] for one in raw)]
        return _tax_words(raw[0]) if raw else []
    if isinstance(raw, Mapping):
        rate = _number_text(raw.get("percentage"))
        return [one for one in (_text(raw.get("name")), f"{rate}%" if rate else "") if one]
    number = _number(raw)
    if isinstance(number, Decimal):
        return [f"{decimal_text(number)}%"]
    return [_text(raw)] if _text(raw) else []


def _rate(tax: Row) -> Decimal:
    return Decimal(str(tax.get("tax_percentage") or 0))


def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)


def _cut(amount: Decimal, places: int) -> Decimal:
    return amount.quantize(_unit(places), ROUND_DOWN)


def _rounded(amount: Decimal, places: int) -> Decimal:
    return amount.quantize(_unit(places), ROUND_HALF_UP)
