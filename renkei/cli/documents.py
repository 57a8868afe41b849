"""Commands for CRM users: renkei documents … --as PROFILE_OR_USER."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from renkei.cli.asked import Asked, group, local, refs_of, show, table
from renkei.cli.running import Environment

if TYPE_CHECKING:
    from renkei.engine.crm_user import CrmUser

As = Annotated[
    str, typer.Option("--as", metavar="PROFILE_OR_USER", help="A profile of the CRM, or one of its users by e-mail address.")
]
Record = Annotated[str, typer.Argument(help="crm:Accounts:ID, crm:Contacts:ID or crm:Deals:ID.")]
Document = Annotated[str, typer.Argument(help="books:invoices:ID, books:estimates:ID …")]

Deal = Annotated[str, typer.Argument(help="crm:Deals:ID.")]


def register(app: typer.Typer) -> None:
    documents = group("Estimates, sales orders, invoices and purchase orders, for CRM users.")
    documents.command("list")(list_)
    documents.command("show")(show_)
    documents.command("summary")(summary)
    documents.command("refresh")(refresh)
    documents.command("attach")(attach)
    documents.command("detach")(detach)
    documents.command("create")(create)
    documents.command("edit")(edit)
    documents.command("pdf")(pdf)
    documents.command("email")(email)
    app.add_typer(documents, name="documents", no_args_is_help=True)


def visit(verb: str, name: str, work: Callable[[CrmUser], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """What a CRM user is answered."""
    from renkei.house import for_crm_user

    return asyncio.run(for_crm_user(dict(os.environ), Asked.connection, name, verb, work))


def list_(
    acting: As,
    record: Annotated[str | None, typer.Argument(help="crm:Accounts:ID, crm:Contacts:ID or crm:Deals:ID; left out: all.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="estimates, sales_orders, invoices or purchase_orders.")] = None,
    dated_from: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Dated on this day or later.")] = None,
    dated_to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Dated on this day or earlier.")] = None,
    least: Annotated[str | None, typer.Option(metavar="AMOUNT", help="With at least this total.")] = None,
    most: Annotated[str | None, typer.Option(metavar="AMOUNT", help="With at most this total.")] = None,
    party: Annotated[str, typer.Option(metavar="NAME", help="Of parties whose name holds this.")] = "",
) -> None:
    """The documents of a record, or those that a search finds: number, dates, status, total, balance, and when they were read."""
    from renkei.core.document_view import Search
    from renkei.engine.documents import list_documents

    ref = refs_of([record])[0] if record else None
    search = Search(_day(dated_from), _day(dated_to), amount(least), amount(most), party)
    kinds = [_kind(one) for one in kind or ()]
    found = visit("list", acting, lambda user: list_documents(user, ref, kinds, search))
    show(found, "\n".join(_list_lines(found)))


def show_(document: Document, acting: As) -> None:
    """One document as Books has it now: lines, taxes, payments, what happened to it, template, qualified-invoice checks."""
    from renkei.engine.documents import show_document

    (ref,) = refs_of([document])
    found = visit("show", acting, lambda user: show_document(user, ref))
    show(found, "\n".join(_document_lines(found)))


def summary(record: Record, acting: As) -> None:
    """What an account, a contact or a deal owes, per currency."""
    from renkei.engine.documents import summary as summary_of

    (ref,) = refs_of([record])
    found = visit("summary", acting, lambda user: summary_of(user, ref))
    lines = [f"{found['record']} ({found['customer'] or 'not linked with a customer of Books'}), as of {local(found['as_of'])}"]
    for currency, figures in found["currencies"].items():
        lines.append(currency)
        lines.append(table([(name, value) for name, value in figures.items() if value is not None], "  "))
    show(found, "\n".join(lines if found["currencies"] else [*lines, "No invoices."]))


def refresh(
    record: Annotated[str, typer.Argument(help="crm:Accounts:ID, crm:Contacts:ID, crm:Deals:ID or a document.")],
    acting: As,
    environment: Environment = None,
) -> None:
    """Read a record's documents again, now, and publish what moved."""
    from renkei.engine.documents import refresh as refresh_it

    (ref,) = refs_of([record])
    found = visit("refresh", acting, lambda user: refresh_it(user, ref, environment or ""))
    read = f"{found['record']} was read again in {found['seconds']:.1f} s: {found['status']} (run {found['run']})"
    show(found, "\n".join([read, *(f"  {note}" for note in found["notes"])]))


def attach(document: Document, deal: Deal, acting: As, environment: Environment = None) -> None:
    """Join an existing document to a deal; its row in the CRM and the deal's figures follow at once."""
    from renkei.engine.attachments import attach as attach_it

    (ref,), (its,) = refs_of([document]), refs_of([deal])
    found = visit("attach", acting, lambda user: attach_it(user, ref, its, environment or ""))
    show(found, f"{found['record']} belongs to {found['deal']} now: {found['status']} (run {found['run']})")


def detach(document: Document, deal: Deal, acting: As, environment: Environment = None) -> None:
    """Take a document out of a deal, whatever its own fields say."""
    from renkei.engine.attachments import detach as detach_it

    (ref,), (its,) = refs_of([document]), refs_of([deal])
    found = visit("detach", acting, lambda user: detach_it(user, ref, its, environment or ""))
    show(found, f"{found['record']} belongs to {found['deal']} no more: {found['status']} (run {found['run']})")


Day = Annotated[str | None, typer.Option(metavar="DATE", help="The document's date.")]
Due = Annotated[str | None, typer.Option(metavar="DATE", help="Due date, or the last day of an estimate.")]
Person = Annotated[str | None, typer.Option(metavar="REF", help="The contact person: crm:Contacts:ID.")]
Lines = Annotated[
    list[str] | None,
    typer.Option("--line", metavar="FIELDS", help="item=REF or name=TEXT; quantity=; price=; discount=; tax=; description="),
]
Reference = Annotated[str | None, typer.Option(help="Reference or order number.")]
Notes = Annotated[str | None, typer.Option(help="Notes for the customer.")]
Terms = Annotated[str | None, typer.Option(help="Terms and conditions.")]
Layout = Annotated[str | None, typer.Option("--template", metavar="ID", help="The layout, by id or name.")]
Salesperson = Annotated[str | None, typer.Option(metavar="NAME", help="The salesperson.")]
Preview = Annotated[bool, typer.Option("--preview", help="Show it, write nothing.")]


def create(
    kind: Annotated[str, typer.Argument(help="estimates, sales_orders or invoices")],
    record: Annotated[str, typer.Argument(help="crm:Accounts:ID or crm:Contacts:ID.")],
    acting: As,
    lines: Lines = None,
    date: Day = None,
    due: Due = None,
    person: Person = None,
    reference: Reference = None,
    notes: Notes = None,
    terms: Terms = None,
    template: Layout = None,
    salesperson: Salesperson = None,
    preview: Preview = False,
    environment: Environment = None,
) -> None:
    """Make an estimate, sales order or invoice for an account or contact; what is not said comes from the record."""
    from renkei.engine.document_changes import create as create_it

    (ref,), chosen = refs_of([record]), _kind(kind)
    asked = _asked(lines, date, due, person, reference, notes, terms, template, salesperson)
    found = visit(
        "create",
        acting,
        lambda user: create_it(user, chosen, ref, asked, preview=preview, environment=environment or ""),
    )
    show(found, "\n".join(_made_lines(found)))


def edit(
    document: Document,
    acting: As,
    lines: Lines = None,
    date: Day = None,
    due: Due = None,
    person: Person = None,
    reference: Reference = None,
    notes: Notes = None,
    terms: Terms = None,
    template: Layout = None,
    salesperson: Salesperson = None,
    stamp: Annotated[str, typer.Option(help="As `documents show` told it; refused where it has changed since.")] = "",
    preview: Preview = False,
    environment: Environment = None,
) -> None:
    """Change an estimate, sales order or invoice: what is said, before → after. Lines, where said, replace all lines."""
    from renkei.engine.document_changes import edit as edit_it

    (ref,) = refs_of([document])
    asked = _asked(lines, date, due, person, reference, notes, terms, template, salesperson)
    found = visit(
        "edit",
        acting,
        lambda user: edit_it(user, ref, asked, stamp=stamp, preview=preview, environment=environment or ""),
    )
    told = [f"  {one['field']}: {one['before']!r} → {one['after']!r}" for one in found["changes"]]
    done = f"changed (run {found['run']})" if found["run"] else "not written" if told else "as it was asked to be already"
    show(found, "\n".join([f"{found['record']}: {done}", *told]))


def _asked(lines: list[str] | None, *texts: str | None) -> dict[str, Any]:
    from renkei.core.document_forms import read_line
    from renkei.core.errors import AskedWrongly

    names = ("date", "due", "person", "reference", "notes", "terms", "template", "salesperson")
    asked: dict[str, Any] = {name: text for name, text in zip(names, texts, strict=True) if text is not None}
    try:
        return {**asked, "lines": [read_line(line) for line in lines]} if lines else asked
    except ValueError as error:
        raise AskedWrongly(f"--line: {error}.", fix="Write --line 'item=crm:Products:ID; quantity=2; price=1000'.") from None


def _made_lines(found: dict[str, Any]) -> Iterator[str]:
    done = f"{found['document']} {found['number']} was made" if found["document"] else "Nothing is written yet"
    yield f"{done}: {found['kind']} for {found['record']}, dated {found['date']}, due {found['due'] or '-'}"
    rows = [
        (one["name"], f"{one['quantity']} × {one['price']}", one["discount"] or "", one["amount"]) for one in found["lines"]
    ]  # fmt: skip
    yield table(rows, "  ")
    yield f"  {found['sub_total']} {found['currency']} before tax"


def pdf(document: Document, acting: As) -> None:
    """Fetch a document's PDF; it is kept below the data folder, its hash in the ledger."""
    from renkei.engine.document_files import fetch_pdf

    (ref,) = refs_of([document])
    found = visit("pdf", acting, lambda user: fetch_pdf(user, ref))
    show(found, f"{found['file']} ({found['bytes']} bytes, sha256 {found['sha256']})")


def email(
    document: Document,
    acting: As,
    template: Annotated[str, typer.Option(metavar="ID", help="An e-mail template of Books; the preview lists them.")] = "",
    to: Annotated[list[str] | None, typer.Option(metavar="REF", help="A contact of the CRM: crm:Contacts:ID.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it; without this it is shown only.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Although the same was sent before.")] = False,
    environment: Environment = None,
) -> None:
    """Show the e-mail of a document with its PDF: templates, sender, recipients, subject, body. Only --send sends it."""
    from renkei.engine import document_mail

    (ref,), people = refs_of([document]), refs_of(to or [])
    if not send:
        found = visit("email", acting, lambda user: document_mail.preview(user, ref, template, people))
        show(found, "\n".join(_mail_lines(found)))
        return
    found = visit(
        "email",
        acting,
        lambda user: document_mail.send(user, ref, template, people, again=again, environment=environment or ""),
    )
    show(found, f"Sent to {', '.join(one['email'] for one in found['to'])}: {found['subject']} (run {found['run']})")


def _mail_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"Nothing is sent. The e-mail of {found['record']} would be:"
    for one in found["templates"]:
        yield f"  template {one['id']}  {one['name']}{' (chosen)' if one['selected'] else ''}"
    for one in found["senders"]:
        if one["selected"]:
            yield f"  from {one['name']} <{one['email']}>"
    for one in found["to"]:
        yield f"  to {one['name']} <{one['email']}> ({one['record']})"
    for one in found["suggested"]:
        yield f"  Books suggests {one['name']} <{one['email']}>"
    yield f"  subject {found['subject']}"
    yield f"  attached {found['attachment']}"
    yield from (f"    {line}" for line in found["body"].splitlines())


def _list_lines(found: dict[str, Any]) -> Iterator[str]:
    if found["record"] and not found["customer"]:
        yield f"{found['record']} is not linked with a customer of Books."
    rows = [
        (
            one["date"] or "", one["number"], one["kind"], one["status"], one["party"], f"{one['total']} {one['currency']}",
            "" if one["balance"] is None else f"owed {one['balance']}", f"due {one['due_date']}" if one["due_date"] else "",
            one["record"],
        )
        for one in found["documents"]
    ]  # fmt: skip
    yield table(rows) or "No documents."
    times = sorted({one["as_of"] for one in found["documents"] if one["as_of"]})
    if times:
        yield f"As of {local(times[0])}. A PDF: {found['documents'][0]['pdf']}"
    for kind, why in found["not_shown"].items():
        yield f"{kind}: {why}"


def _document_lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['kind']} {found['number']}: {found['status']}, dated {found['date']}, due {found['due_date'] or '-'}"
    yield f"  {found['party']['name']} ({found['party']['record']})"
    yield table(
        [(one["name"], f"{one['quantity']} × {one['price']}", one["tax"] or "", one["amount"]) for one in found["lines"]], "  "
    )
    yield from (f"  {one['name']}: {one['amount']}" for one in found["taxes"])
    owed = "" if found["balance"] is None else f", owed {found['balance']}"
    yield f"  total {found['total']} {found['currency']}{owed}"
    for one in found["qualified"]:
        yield f"  {one['code']}: {one['en']}"
        yield f"    {one['ja']}"
    yield from (
        f"  paid {one['amount']} on {one['date']} ({one['mode']}) {one['reference']}".rstrip() for one in found["payments"]
    )
    yield from (f"  {one['at']}  {one['what']}  {one['by']}".rstrip() for one in found["history"])
    if found["template"]:
        yield f"  template {found['template']['name'] or found['template']['id']}"


def _kind(word: str) -> str:
    from renkei.core.errors import AskedWrongly
    from renkei.core.rights import KINDS

    if word not in KINDS:
        raise AskedWrongly(f"{word!r} is no kind of document.", fix=f"Use one of: {', '.join(KINDS)}.")
    return word


def _day(text: str | None) -> date | None:
    from renkei.core.errors import AskedWrongly

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise AskedWrongly(f"{text!r} is no day.", fix="Write YYYY-MM-DD.") from None


def amount(text: str | None) -> Decimal | None:
    """An amount as it is typed. AskedWrongly for what is none."""
    from renkei.core.errors import AskedWrongly

    try:
        value = Decimal(text.replace(",", "")) if text else None
    except InvalidOperation:
        value = Decimal("NaN")
    if value is not None and not value.is_finite():
        raise AskedWrongly(f"{text!r} is no amount.", fix="Write digits, such as 1000 or 12.50.")
    return value
