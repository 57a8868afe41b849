"""Links with their history, and the bases that both sides agreed on last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from renkei.core.records import Base, Link
from renkei.core.values import Ref, Side
from renkei.ledger.codec import (
    exact_text,
    moment,
    moment_or_none,
    moment_text,
    moment_text_or_none,
    row_text,
    value_of,
    value_or_none,
)
from renkei.ledger.database import AnyRow, Database, columns
from renkei.ledger.tables import LIVE, bases, link_history, links

_CHUNK = 2000
_LINK_FIELDS = (
    "entity", "mapping", "crm_module", "crm_id", "books_module", "books_id", "since", "evidence", "state", "dead", "organization",
)  # fmt: skip
_BASE_FIELDS = ("crm", "books", "crm_stamp", "books_stamp", "crm_wrote", "books_wrote", "undone", "owed")


class Links(Database):
    def links(self, connection: str, side: Side, module: str, ids: Iterable[str] | None = None) -> dict[str, Link]:
        """Live links by the id of that side's record; None: all of the module."""
        column = links.c.crm_id if side == "crm" else links.c.books_id
        of_module = links.c.crm_module if side == "crm" else links.c.books_module
        statement = select(links).where(links.c.connection == connection, of_module == module, LIVE)
        if ids is not None:
            statement = statement.where(self._among(column, ids))
        found = [_link(row) for row in self._read(statement)]
        return {(link.crm if side == "crm" else link.books).id: link for link in found}

    def link_of(self, connection: str, ref: Ref) -> Link | None:
        """The live link of a record."""
        return self.links(connection, ref.side, ref.module, [ref.id]).get(ref.id)

    def links_ended(self, connection: str, side: Side, module: str, ids: Iterable[str]) -> dict[str, Link]:
        """By the record's id: links that ended because it was deleted; the one that was made last, where there are several."""
        column, of_module = (links.c.crm_id, links.c.crm_module) if side == "crm" else (links.c.books_id, links.c.books_module)
        statement = select(links).where(
            links.c.connection == connection, of_module == module, self._among(column, ids), links.c.state == "ended",
            links.c.dead == side,
        )  # fmt: skip
        found = [_link(row) for row in self._read(statement.order_by(links.c.since, links.c.id))]
        return {(link.crm if side == "crm" else link.books).id: link for link in found}

    def links_dead(self, connection: str) -> list[Link]:
        """Those with a dead side, live or ended, by their id."""
        of_connection = (links.c.connection == connection, links.c.dead.is_not(None), links.c.state.in_(("live", "ended")))
        return [_link(row) for row in self._read(select(links).where(*of_connection).order_by(links.c.id))]

    def put_links(self, connection: str, links: Sequence[Link], run: str, now: datetime) -> None:
        """Insert new ones and update those that differ; each change leaves a history row.

        Ended links are written before live ones, so that a record may pass from one link to another in one call.
        A record in two live links is a Bug.
        """
        wanted = {link.id: link for link in links}
        with self.transaction():
            present = self._links_by_id(connection, wanted)
            changed = [link for link in wanted.values() if present.get(link.id) != link]
            changed.sort(key=lambda link: link.state == "live")
            self._write(self._upsert(_LINKS, _LINK_FIELDS), [_link_row(connection, link) for link in changed])
            self._write(
                insert(link_history),
                [
                    {
                        "connection": connection,
                        "link": link.id,
                        "change": "changed" if link.id in present else "made",
                        "content": exact_text(_link_row(connection, link)),
                        "run": run,
                        "at": moment_text(now),
                    }
                    for link in changed
                ],
            )

    def _links_by_id(self, connection: str, ids: Iterable[str]) -> dict[str, Link]:
        rows = self._read(select(_LINKS).where(_LINKS.c.connection == connection, self._among(_LINKS.c.id, ids)))
        return {row.id: _link(row) for row in rows}

    def link_history(self, connection: str, link: str) -> list[tuple[datetime, str, Link]]:
        """(when, run, the link as it stood then), oldest first."""
        rows = self._read(
            select(link_history)
            .where(link_history.c.connection == connection, link_history.c.link == link)
            .order_by(link_history.c.number)
        )
        return [(moment(row.at), row.run, _link_of_row(value_of(row.content))) for row in rows]

    def all_links(self, connection: str, entity: str | None = None) -> Iterator[Link]:
        """Live, aside and ended ones, ordered by id."""
        after = ""
        while True:
            statement = select(links).where(links.c.connection == connection, links.c.id > after)
            if entity is not None:
                statement = statement.where(links.c.entity == entity)
            rows = self._read(statement.order_by(links.c.id).limit(_CHUNK))
            if not rows:
                return
            yield from map(_link, rows)
            after = rows[-1].id

    def links_changed(self, connection: str, since: datetime) -> list[Link]:
        """Links made, ended, marked or moved since then (inclusive), as they stand now."""
        changed = select(link_history.c.link).where(
            link_history.c.connection == connection, link_history.c.at >= moment_text(since)
        )
        return [_link(row) for row in self._read(select(links).where(links.c.connection == connection, links.c.id.in_(changed)))]

    def links_made(self, connection: str, run: str) -> list[Link]:
        """Links that this run made, as they stood then; ordered by their making."""
        rows = self._read(
            select(link_history)
            .where(link_history.c.connection == connection, link_history.c.run == run)
            .order_by(link_history.c.number)
        )
        found = [_link_of_row(value_of(row.content)) for row in rows if row.change == "made"]
        return [link for link in found if link.state == "live"]

    def bases(self, connection: str, links: Iterable[str]) -> dict[str, Base]:
        """By the link's id; a link without a base is absent."""
        rows = self._read(select(bases).where(bases.c.connection == connection, self._among(bases.c.link, links)))
        return {row.link: _base(row) for row in rows}

    def put_bases(self, connection: str, bases: Sequence[Base]) -> None:
        """Insert or replace. A base without its link is a Bug when the transaction ends."""
        last = {base.link: base for base in bases}
        self._write(self._upsert(_BASES, _BASE_FIELDS), [_base_row(connection, base) for base in last.values()])


_LINKS, _BASES = links, bases  # the tables, where a parameter of the port has the same name


def _link_row(connection: str, link: Link) -> dict[str, str | None]:
    return {
        "connection": connection,
        "id": link.id,
        "entity": link.entity,
        "mapping": link.mapping,
        "crm_module": link.crm.module,
        "crm_id": link.crm.id,
        "books_module": link.books.module,
        "books_id": link.books.id,
        "since": moment_text(link.since),
        "evidence": link.evidence,
        "state": link.state,
        "dead": link.dead,
        "organization": link.organization,
    }


def _link(row: AnyRow) -> Link:
    return _link_of_row(columns(row))


def _link_of_row(row: dict[str, Any]) -> Link:
    return Link(
        id=row["id"],
        entity=row["entity"],
        mapping=row["mapping"],
        crm=Ref("crm", row["crm_module"], row["crm_id"]),
        books=Ref("books", row["books_module"], row["books_id"]),
        since=moment(row["since"]),
        evidence=row["evidence"],
        state=row["state"],
        dead=row["dead"],
        organization=row.get("organization"),  # history rows of before it was kept lack it
    )


def _base_row(connection: str, base: Base) -> dict[str, str | None]:
    return {
        "connection": connection,
        "link": base.link,
        "crm": None if base.crm is None else row_text(base.crm),
        "books": None if base.books is None else row_text(base.books),
        "crm_stamp": moment_text_or_none(base.crm_stamp),
        "books_stamp": moment_text_or_none(base.books_stamp),
        "crm_wrote": None if base.crm_wrote is None else exact_text(base.crm_wrote),
        "books_wrote": None if base.books_wrote is None else exact_text(base.books_wrote),
        "undone": exact_text(base.undone) if base.undone else None,
        "owed": exact_text(base.owed) if base.owed else None,
    }


def _base(row: AnyRow) -> Base:
    return Base(
        link=row.link,
        crm=value_or_none(row.crm),
        books=value_or_none(row.books),
        crm_stamp=moment_or_none(row.crm_stamp),
        books_stamp=moment_or_none(row.books_stamp),
        crm_wrote=value_or_none(row.crm_wrote),
        books_wrote=value_or_none(row.books_wrote),
        undone=() if row.undone is None else tuple(value_of(row.undone)),
        owed=() if row.owed is None else tuple(value_of(row.owed)),
    )
