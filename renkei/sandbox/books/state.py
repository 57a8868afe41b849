"""The Books side of a sandbox: two organisations of one user, and what seeds, people and tests do to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from renkei.sandbox.books import contacts, credits, documents, items, mail, payments, projections, seeding, statuses
from renkei.sandbox.books.fields import flat_values
from renkei.sandbox.books.kinds import KINDS, ORDERS
from renkei.sandbox.books.organisation import Organisation
from renkei.sandbox.books.table import Record

if TYPE_CHECKING:
    from renkei.sandbox.world import World

MAIN = "60012345678"
SECOND = "60099999999"


class BooksState:
    """Both organisations. Methods without an organisation act on the main one.

    `latency`: seconds that every answer takes while it counts as in progress (for code 1070).
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.latency = 0.0
        self.organisations = {
            MAIN: Organisation(world, MAIN, "Kita Trading", default=True),
            SECOND: Organisation(world, SECOND, "Minami Works", default=False),
        }

    @property
    def main(self) -> Organisation:
        return self.organisations[MAIN]

    def seed(self, kind: str, records: Iterable[dict[str, Any]], organization: str = MAIN) -> list[str]:
        """Inserts records without API validation, missing keys filled in (see seeding.seed); returns ids."""
        return seeding.seed(self.organisations[organization], _known(kind), records)

    def records(self, kind: str, organization: str = MAIN) -> dict[str, Record]:
        """Live records by id, raw and detail-shaped. Invoices' statuses are as of their last change."""
        return self.organisations[organization].table(_known(kind)).records

    def detail(self, kind: str, id: str, organization: str = MAIN) -> Record:
        """A record as GET by id answers it."""
        return projections.detail(self.organisations[organization], kind, self.records(kind, organization)[id])

    def edit(self, kind: str, id: str, *, by: str = "", **fields: Any) -> Record:
        """Changes a record as a person (`by`: the e-mail of a user) in the web client would; `last_modified_time` moves.

        Fields as in a PUT body, also flat `cf_*` keys; keys that no PUT can write (`zcrm_account_id`,
        `created_time`, ...) are set as they are. KeyError for an unknown id, BooksError as the API refuses.
        """
        org = self._hand(by)
        record = self.records(kind)[id]
        flat = flat_values(fields)
        if flat:
            fields["custom_fields"] = [*fields.get("custom_fields", ()), *flat]
        body = {key: value for key, value in fields.items() if key in _WRITABLE[kind]}
        raw = {key: value for key, value in fields.items() if key not in body and not key.startswith("cf_")}
        if kind == "contacts":
            contacts.update_contact(org, record, body)
        elif kind == "items":
            items.update_item(org, record, body)
        elif kind == "customerpayments":
            payments.update_payment(org, record, body)
        else:
            documents.update_document(org, kind, record, body)
        if raw:
            record.update(raw)
            org.table(kind).put(id, record)
        return record

    def delete(self, kind: str, id: str, *, by: str = "") -> None:
        """Deletes as a person would; refused as the API refuses."""
        org = self._hand(by)
        record = self.records(kind)[id]
        if kind == "contacts":
            contacts.delete_contact(org, record)
        elif kind == "items":
            items.delete_item(org, record)
        elif kind == "customerpayments":
            payments.delete_payment(org, record)
        else:
            documents.delete_document(org, kind, record)

    def merge(self, master: str, loser: str) -> None:
        """Merges two contacts: documents go to the master, the loser becomes inactive."""
        records = self.records("contacts")
        contacts.merge_contacts(self.main, records[master], records[loser])

    def set_active(self, kind: str, id: str, active: bool) -> None:
        """Marks a contact or an item active or inactive."""
        contacts.set_status(self.main, kind, self.records(kind)[id], active)

    def create(self, kind: str, *, by: str = "", **fields: Any) -> Record:
        """Makes an estimate, sales order or invoice as a person would; fields as in a POST body, also flat `cf_*` keys."""
        flat = flat_values(fields)
        if flat:
            fields["custom_fields"] = [*fields.get("custom_fields", ()), *flat]
        return documents.create_document(self._hand(by), kind, fields)

    def mark(self, kind: str, id: str, status: str, *, by: str = "") -> Record:
        """Moves a document to a status as a person would; BooksError for a move that the API refuses too."""
        org = self._hand(by)
        document = self.records(kind)[id]
        statuses.move(org, kind, document, status)
        return document

    def pay(self, invoice_id: str, amount: int | float | None = None, on: str | None = None, *, by: str = "") -> Record:
        """Pays an invoice, wholly unless an amount is given; `on`: yyyy-mm-dd, else today. Returns the payment."""
        self._hand(by)
        invoice = self.records("invoices")[invoice_id]
        amount = invoice["balance"] if amount is None else amount
        body = {
            "customer_id": invoice["customer_id"],
            "payment_mode": "banktransfer",
            "amount": amount,
            "date": on or self.main.today().isoformat(),
            "exchange_rate": invoice["exchange_rate"],
            "invoices": [{"invoice_id": invoice_id, "amount_applied": amount}],
        }
        return payments.create_payment(self.main, body)

    def send(self, invoice_id: str) -> None:
        """Marks a draft invoice as sent."""
        self.mark("invoices", invoice_id, "sent")

    def void(self, invoice_id: str) -> None:
        """Voids an invoice; its payments become the customer's credit."""
        self.mark("invoices", invoice_id, "void")

    def credit(self, invoice_id: str, amount: int | float | None = None, *, by: str = "") -> Record:
        """Makes an open credit note, of the whole balance unless an amount is given, applied to an invoice. Returns it."""
        invoice = self.records("invoices")[invoice_id]
        rate = invoice["balance"] if amount is None else amount
        body = {
            "customer_id": invoice["customer_id"],
            "exchange_rate": invoice["exchange_rate"],
            "line_items": [{"name": "Credit", "rate": rate, "quantity": 1}],
        }
        return credits.create_credit(self._hand(by), body, invoice_id=invoice_id)

    def mails(self, organization: str = MAIN) -> list[dict[str, Any]]:
        """What an organisation would have e-mailed, oldest first."""
        return self.organisations[organization].mails

    def email(self, kind: str, id: str, to: Sequence[str] = (), *, by: str = "") -> dict[str, Any]:
        """E-mails a document as a person would: the default content, to its contact persons unless told otherwise."""
        org = self._hand(by)
        document = self.records(kind)[id]
        ready = mail.content(org, kind, document)
        body = {"to_mail_ids": list(to), "subject": ready["subject"], "body": ready["body"]} if to else None
        return mail.send(org, kind, document, body)

    def write_off(self, invoice_id: str, *, by: str = "") -> None:
        """Writes off what is left of an invoice."""
        statuses.write_off(self._hand(by), self.records("invoices")[invoice_id])

    def set_day_used(self, calls: int, organization: str = MAIN) -> None:
        """Sets how many calls of the organisation's day are spent."""
        meter = self.organisations[organization].meter
        meter.roll(self.world.clock.now(), self.organisations[organization].zone)
        meter.used = calls

    def set_day_reset(self, at: datetime, organization: str = MAIN) -> None:
        """Sets when (aware time) the day's count starts again."""
        self.organisations[organization].meter.resets_at = at

    def _hand(self, by: str) -> Organisation:
        """The main organisation, under the hand of a user of it; the owner unless named. KeyError for a stranger."""
        org = self.main
        user = org.user_with(by) if by else org.users[0]
        if user is None:
            raise KeyError(f"no user {by!r}")
        org.acting = user
        return org


_WRITABLE = {
    "contacts": contacts.WRITABLE,
    "items": items.WRITABLE,
    "customerpayments": payments.WRITABLE,
    **dict.fromkeys(ORDERS, documents.WRITABLE),
}


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise KeyError(f"no kind {kind!r}: {', '.join(KINDS)}")
    return kind
