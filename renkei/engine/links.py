"""The link table as CSV: out of the ledger, and into it again after a loss.

One line a link, sorted, the same bytes for the same links. An imported link has no base, so the next run compares both
records field by field as design.md section 1 says for a field without a base: nothing is created, nothing overwritten.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from renkei.core.errors import DeclarationError, Fault
from renkei.core.mapping import MappingSpec
from renkei.core.ports import Ledger
from renkei.core.records import Link, OutcomeRow
from renkei.core.resolving import PARTNERS
from renkei.core.values import SIDES, Ref, Side, content_hash, parse_time, time_text
from renkei.engine.acts import Act

COLUMNS = ("connection", "id", "entity", "mapping", "crm", "books", "since", "evidence", "state", "dead", "organization")
STATES = ("live", "aside", "ended")


def links(ledger: Ledger, connection: str) -> list[dict[str, Any]]:
    """Every link, ended ones and those kept aside included, by entity, CRM record and Books record."""
    found = sorted(ledger.all_links(connection), key=lambda one: (one.entity, one.crm, one.books, one.id))
    return [
        {
            "id": one.id, "entity": one.entity, "mapping": one.mapping, "crm": str(one.crm), "books": str(one.books),
            "since": time_text(one.since), "evidence": one.evidence, "state": one.state, "dead": one.dead,
            "organization": one.organization,
        }
        for one in found
    ]  # fmt: skip


def exported(ledger: Ledger, connection: str) -> tuple[str, int]:
    """The link table as CSV text (UTF-8, line feeds), and how many links are in it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    found = links(ledger, connection)
    writer.writerows([connection, *(one[name] for name in COLUMNS[1:])] for one in found)
    return out.getvalue(), len(found)


def take_in(act: Act, file: str, text: str, mappings: Mapping[str, MappingSpec], organization: str) -> dict[str, Any]:
    """Put the links of a CSV text into the ledger with the evidence `import`, all in one transaction or none.

    Blank cells: `id` is made from the two records, `since` is now, `state` is live. A pair that is linked already is left.
    A link that was kept aside for the Books organisation that the connection works with now (`organization`) is live.
    raises  DeclarationError with every fault of every line; AnotherRun while a batch is at work
    """
    totals: dict[str, Any] = {}
    with act.run("import", totals, alone=True) as (run, now):
        ledger, name = act.ledger, act.connection
        reading = _Reading(file, name, mappings, organization, {one.id: one for one in ledger.all_links(name)}, now)
        read = list(reading.links(text))
        if reading.faults:
            raise DeclarationError(reading.faults)
        ledger.put_links(name, read, run, now)
        refs = {ref for link in read for ref in (link.crm, link.books) if link.state == "live"}
        for side, module in sorted({(ref.side, ref.module) for ref in refs}):
            same = [ref for ref in refs if (ref.side, ref.module) == (side, module)]
            ledger.open_mirrors(name, same, side=side, module=module)
        ledger.clear_aside(name, refs)
        asked = [*ledger.open_holds(name), *(hold for hold, _ in ledger.decisions(name))]
        settled = [hold.id for hold in asked if hold.record in refs and hold.question in PARTNERS]
        ledger.close_holds(name, settled, "linked by import", run, now)
        ledger.append(
            name,
            run,
            [
                OutcomeRow(
                    "note", one.entity, (one.crm, one.books), "linked", "import", now, act.actor,
                    {"link": one.id, "state": one.state, "dead": one.dead, "file": file},
                )
                for one in read
            ],
        )  # fmt: skip
        totals |= {"imported": len(read), "already": reading.already}
    return {"run": run, **totals}


class _Reading:
    """Reads lines into links and collects what is wrong with them."""

    def __init__(
        self, file: str, connection: str, mappings: Mapping[str, MappingSpec], organization: str, stored: Mapping[str, Link],
        now: datetime,
    ) -> None:  # fmt: skip
        self.file, self.connection, self.mappings, self.stored, self.now = file, connection, mappings, stored, now
        self.organization = organization
        self.faults: list[Fault] = []
        self.already = 0
        self._live = {ref: one for one in stored.values() if one.state == "live" for ref in (one.crm, one.books)}
        self._seen: dict[Ref | str, int] = {}  # live record or link id → its line

    def links(self, text: str) -> Iterator[Link]:
        """The links that the ledger does not have yet."""
        lines = csv.reader(io.StringIO(text), strict=True)
        try:
            if tuple(next(lines, ())) != COLUMNS:
                self._fault(1, f"the first line is not {','.join(COLUMNS)}")
                return
            for cells in lines:
                if len(cells) != len(COLUMNS):
                    self._fault(lines.line_num, f"{len(cells)} cells; {len(COLUMNS)} are right")
                    continue
                link = self._link(lines.line_num, dict(zip(COLUMNS, cells, strict=True)))
                if link is not None:
                    yield link
        except csv.Error as error:
            self._fault(lines.line_num, f"not CSV: {error}")

    def _link(self, line: int, row: Mapping[str, str]) -> Link | None:
        before = len(self.faults)
        if row["connection"] != self.connection:
            self._fault(line, f"the connection is {row['connection']!r}, this is {self.connection!r}")
        crm, books = (self._ref(line, side, row[side]) for side in SIDES)
        spec = self.mappings.get(row["mapping"])
        if spec is None or spec.entity != row["entity"]:
            known = ", ".join(f"{one.entity},{name}" for name, one in sorted(self.mappings.items()))
            self._fault(line, f"{row['entity']},{row['mapping']} is no entity with its mapping; there are {known}")
        elif crm and books and (crm.module, books.module) != (spec.crm_module, spec.books_module):
            self._fault(line, f"{row['mapping']} links crm:{spec.crm_module} with books:{spec.books_module}")
        state = row["state"] or "live"
        if state not in STATES:
            self._fault(line, f"state is {state!r}; use one of {', '.join(STATES)}")
        if (state == "aside") != bool(row["organization"]):
            self._fault(line, "a link kept aside, and no other, names the Books organisation that it belongs to")
        if row["dead"] not in ("", *SIDES):
            self._fault(line, f"dead is {row['dead']!r}; use one of {', '.join(SIDES)}, or leave it empty")
        since = self.now
        try:
            since = parse_time(row["since"]) if row["since"] else self.now
        except ValueError:
            self._fault(line, f"since is {row['since']!r}; write a time as 2026-11-23T01:02:03+00:00")
        if len(self.faults) > before or crm is None or books is None:
            return None
        dead: Side | None = "crm" if row["dead"] == "crm" else "books" if row["dead"] == "books" else None
        link_id = row["id"] or content_hash([self.connection, str(crm), str(books)])[:32]
        aside = None if row["organization"] in ("", self.organization) else row["organization"]
        state = "live" if state == "aside" and aside is None else state
        link = Link(link_id, row["entity"], row["mapping"], crm, books, since, "import", state, dead, aside)
        return link if self._fits(line, link) else None

    def _ref(self, line: int, side: Side, text: str) -> Ref | None:
        try:
            ref = Ref.parse(text)
        except ValueError:
            ref = None
        if ref is None or ref.side != side or not ref.id.isalnum():
            right = "crm:Accounts:ID" if side == "crm" else "books:contacts:ID"
            self._fault(line, f"{side} is {text!r}; write a record as {right}")
            return None
        return ref

    def _fits(self, line: int, link: Link) -> bool:
        """Whether the link is new and clashes neither with another line nor with what the ledger holds."""
        keys: list[Ref | str] = [link.id, *((link.crm, link.books) if link.state == "live" else ())]
        clashes = [key for key in keys if key in self._seen]
        for key in clashes:
            self._fault(line, f"{key} stands in line {self._seen[key]} already")
        self._seen |= {key: line for key in keys if key not in self._seen}
        pair = (link.entity, link.mapping, link.crm, link.books, link.state, link.dead, link.organization)
        mine = self.stored.get(link.id) or (self._live.get(link.crm) if link.state == "live" else None)
        if mine is not None and pair == (
            mine.entity, mine.mapping, mine.crm, mine.books, mine.state, mine.dead, mine.organization,
        ):  # fmt: skip
            self.already += 1
            return False
        if link.id in self.stored:
            one = self.stored[link.id]
            self._fault(line, f"link {link.id} is in the ledger as {one.crm} with {one.books}, {one.state}")
            return False
        for ref in (link.crm, link.books):
            if link.state == "live" and ref in self._live:
                one = self._live[ref]
                self._fault(line, f"{ref} is linked in the ledger: {one.crm} with {one.books} (link {one.id})")
                clashes.append(ref)
        return not clashes

    def _fault(self, line: int, words: str) -> None:
        self.faults.append(Fault(self.file, line, 1, words))


def read_file(path: str, content: bytes) -> str:
    """The text of a CSV file. DeclarationError where it is not UTF-8 (a byte-order mark is allowed)."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DeclarationError([Fault(path, line, 1, "not UTF-8; save it as CSV UTF-8")]) from None
