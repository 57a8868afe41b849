"""Documents in typed columns for sums; calls counted by organisation and day; access tokens behind a lease."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from renkei.core.ports import DocumentKey
from renkei.core.records import DealDocument, DocumentRow
from renkei.core.values import Side
from renkei.ledger.codec import day_or_none, moment, moment_or_none, moment_text, moment_text_or_none
from renkei.ledger.database import AnyRow, Database
from renkei.ledger.tables import api_calls, attachments, deal_documents, documents, token_refreshes, tokens

_CHUNK = 2000
_FIELDS = ("number", "customer", "currency", "dated", "due", "status", "total", "balance", "last_payment", "stamp", "deal")
_OF_DEALS = ("document", "status", "signature", "amount", "due", "run")
_REFRESHES_KEPT = timedelta(days=1)


class Documents(Database):
    def put_documents(self, connection: str, rows: Sequence[DocumentRow]) -> None:
        """Insert or replace; a row that stays as it is is not written again. Amounts keep their exact digits."""
        last = {(row.module, row.id): row for row in rows}
        self._write(self._upsert_changed(documents, _FIELDS), [_document_row(connection, row) for row in last.values()])

    def remove_documents(self, connection: str, module: str, ids: Iterable[str]) -> None:
        self._write(
            delete(documents).where(
                documents.c.connection == connection, documents.c.module == module, self._among(documents.c.id, ids)
            )
        )

    def documents(
        self, connection: str, module: str, by: DocumentKey | None = None, values: Iterable[str] = ()
    ) -> Iterator[list[DocumentRow]]:
        """In chunks, ordered by customer and id. `by` with `values`: those of these customers, ids, deals or days due (ISO)."""
        where = [] if by is None else [self._among(documents.c[by], values)]
        return self._ordered(connection, module, "customer", where)

    def documents_of_deals(self, connection: str, module: str, deals: Iterable[str] | None = None) -> Iterator[list[DocumentRow]]:
        """In chunks, ordered by deal and id; those without a deal are left out. None: of all deals."""
        where = [documents.c.deal != "", *([] if deals is None else [self._among(documents.c.deal, deals)])]
        return self._ordered(connection, module, "deal", where)

    def _ordered(
        self, connection: str, module: str, column: Literal["customer", "deal"], where: Sequence[ColumnElement[bool]]
    ) -> Iterator[list[DocumentRow]]:
        group, first, last = documents.c[column], "", ""
        while True:
            rows = self._read(
                select(documents)
                .where(
                    documents.c.connection == connection,
                    documents.c.module == module,
                    or_(group > first, and_(group == first, documents.c.id > last)),
                    *where,
                )
                .order_by(group, documents.c.id)
                .limit(_CHUNK)
            )
            if not rows:
                return
            yield [_document(row) for row in rows]
            first, last = getattr(rows[-1], column), rows[-1].id


class Attachments(Database):
    def attach(self, connection: str, module: str, document: str, deal: str, run: str) -> None:
        """A person says that the document belongs to this deal; "": to none."""
        row = {"connection": connection, "module": module, "id": document, "deal": deal, "run": run}
        self._write(self._upsert(attachments, ("deal", "run")), [row])

    def attachments(self, connection: str, module: str, ids: Iterable[str]) -> dict[str, str]:
        """Document → deal, or "" for none, of those of which a person said it."""
        rows = self._read(
            select(attachments.c.id, attachments.c.deal).where(
                attachments.c.connection == connection, attachments.c.module == module, self._among(attachments.c.id, ids)
            )
        )
        return {row.id: row.deal for row in rows}


class DealDocuments(Database):
    def put_deal_documents(self, connection: str, rows: Sequence[DealDocument], run: str) -> None:
        """Insert or replace, by deal, module and part."""
        last = {(row.deal, row.module, row.part): row for row in rows}
        self._write(self._upsert(deal_documents, _OF_DEALS), [_deal_row(connection, row, run) for row in last.values()])

    def drop_deal_documents(self, connection: str, rows: Sequence[DealDocument]) -> None:
        """Forget these, by deal, module and part."""
        for row in rows:
            where = [deal_documents.c[name] == getattr(row, name) for name in ("deal", "module", "part")]
            self._write(delete(deal_documents).where(deal_documents.c.connection == connection, *where))

    def deal_documents(self, connection: str, deals: Iterable[str]) -> list[DealDocument]:
        """All that is remembered of these deals, of every module, ordered by deal, module and part."""
        key = (deal_documents.c.deal, deal_documents.c.module, deal_documents.c.part)
        where = [deal_documents.c.connection == connection, self._among(deal_documents.c.deal, deals)]
        return [_deal_document(row) for row in self._read(select(deal_documents).where(*where).order_by(*key))]

    def deal_document_of(self, connection: str, module: str, document: str) -> DealDocument | None:
        """What is remembered of this document, if it was made for a deal."""
        columns = deal_documents.c
        where = [columns.connection == connection, columns.module == module, columns.document == document]
        row = self._one(select(deal_documents).where(*where))
        return None if row is None else _deal_document(row)

    def deals_due(self, connection: str, module: str, day: date) -> list[str]:
        """Deals of which a part waits for this day or an earlier one."""
        where = [
            deal_documents.c.connection == connection, deal_documents.c.module == module,
            deal_documents.c.status == "waiting", deal_documents.c.due <= day.isoformat(),
        ]  # fmt: skip
        rows = self._read(select(deal_documents.c.deal).where(*where).distinct().order_by(deal_documents.c.deal))
        return [row.deal for row in rows]


class Calls(Database):
    def add_calls(self, organization: str, side: Side, day: str, kind: str, calls: int, run: str | None) -> None:
        """Add to the day's count. `day` is an ISO date as the organisation counts its days."""
        statement = self._insert(api_calls)
        self._write(
            statement.on_conflict_do_update(
                index_elements=list(api_calls.primary_key.columns),
                set_={"calls": api_calls.c.calls + statement.excluded.calls},
            ),
            [{"organization": organization, "side": side, "day": day, "kind": kind, "run": run or "", "calls": calls}],
        )

    def calls_on(self, organization: str, side: Side, day: str) -> int:
        """All kinds, all runs, all processes."""
        statement = select(func.coalesce(func.sum(api_calls.c.calls), 0)).where(
            api_calls.c.organization == organization, api_calls.c.side == side, api_calls.c.day == day
        )
        return int(self._scalar(statement))


class Tokens(Database):
    def token(self, alias: str) -> tuple[str, datetime] | None:
        """Encrypted token and the time it ends (past or not), or None."""
        row = self._one(select(tokens.c.encrypted, tokens.c.ends).where(tokens.c.alias == alias))
        return None if row is None or row.encrypted is None else (row.encrypted, moment(row.ends))

    def lease_refresh(self, alias: str, owner: str, now: datetime, ttl: timedelta) -> bool:
        """True: this owner alone may refresh until now + ttl. A lease that has ended goes to who asks first."""
        free = or_(tokens.c.lease_owner.is_(None), tokens.c.lease_ends <= moment_text(now), tokens.c.lease_owner == owner)
        row = {"alias": alias, "lease_owner": owner, "lease_ends": moment_text(now + ttl)}
        return self._take_over(tokens, row, ("lease_owner", "lease_ends"), free)

    def refreshes(self, alias: str, since: datetime) -> int:
        """Refreshes recorded since then (inclusive), by any process; kept for a day."""
        statement = select(func.count()).where(token_refreshes.c.alias == alias, token_refreshes.c.at >= moment_text(since))
        return int(self._scalar(statement))

    def save_token(self, alias: str, encrypted: str, ends: datetime, now: datetime) -> None:
        """Store it, record one refresh, end the lease."""
        row = {
            "alias": alias,
            "encrypted": encrypted,
            "ends": moment_text(ends),
            "lease_owner": None,
            "lease_ends": None,
        }
        with self.transaction():
            self._write(self._upsert(tokens, ("encrypted", "ends", "lease_owner", "lease_ends")), [row])
            self._write(
                delete(token_refreshes).where(
                    token_refreshes.c.alias == alias, token_refreshes.c.at < moment_text(now - _REFRESHES_KEPT)
                )
            )
            self._write(insert(token_refreshes), [{"alias": alias, "at": moment_text(now)}])

    def drop_lease(self, alias: str, owner: str) -> None:
        """End the lease if this owner holds it."""
        self._write(
            update(tokens).where(tokens.c.alias == alias, tokens.c.lease_owner == owner).values(lease_owner=None, lease_ends=None)
        )


def _document_row(connection: str, row: DocumentRow) -> dict[str, str | None]:
    return {
        "connection": connection,
        "module": row.module,
        "id": row.id,
        "number": row.number,
        "customer": row.customer,
        "currency": row.currency,
        "dated": _day_text(row.dated),
        "due": _day_text(row.due),
        "status": row.status,
        "total": str(row.total),
        "balance": str(row.balance),
        "last_payment": _day_text(row.last_payment),
        "stamp": moment_text_or_none(row.stamp),
        "deal": row.deal,
    }


def _deal_row(connection: str, row: DealDocument, run: str) -> dict[str, str | None]:
    return {
        "connection": connection, "deal": row.deal, "module": row.module, "part": row.part, "document": row.document,
        "status": row.status, "signature": row.signature, "amount": str(row.amount), "due": _day_text(row.due), "run": run,
    }  # fmt: skip


def _deal_document(row: AnyRow) -> DealDocument:
    return DealDocument(
        row.deal, row.module, row.part, row.document, row.status, row.signature, Decimal(row.amount), day_or_none(row.due)
    )


def _document(row: AnyRow) -> DocumentRow:
    return DocumentRow(
        module=row.module,
        id=row.id,
        number=row.number,
        customer=row.customer,
        currency=row.currency,
        dated=day_or_none(row.dated),
        due=day_or_none(row.due),
        status=row.status,
        total=Decimal(row.total),
        balance=Decimal(row.balance),
        last_payment=day_or_none(row.last_payment),
        stamp=moment_or_none(row.stamp),
        deal=row.deal,
    )


def _day_text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
