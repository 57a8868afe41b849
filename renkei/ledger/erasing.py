"""Erasure: what the ledger holds of a record's values goes, the hash chain stays whole.

Evidence loses its contents, never its hash, and a row of `erasures` says who and why. What is no evidence is rewritten:
mirrors and bases to nothing, so that the next run reads the record anew where it still is; plans, holds, quarantine and the
journal to what is left without the values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, false, func, insert, not_, or_, select, text, update

from renkei.core.records import Intent
from renkei.core.values import Ref
from renkei.ledger.codec import exact_text, moment_text, row_text, value_of, value_or_none
from renkei.ledger.mirrors import Mirrors, by_module
from renkei.ledger.plans import Plans, action_text, intent_of
from renkei.ledger.tables import (
    UNSETTLED,
    bases,
    contents,
    erasures,
    holds,
    intents,
    links,
    mirror_keys,
    mirrors,
    outcome_records,
    outcomes,
    plans,
    quarantine,
    watermarks,
)

_REWRITTEN = ("contents", "mirrors", "mirror_keys", "bases", "plans", "holds", "quarantine", "intents")
_WORDS = "erased"


class Erasing(Mirrors, Plans):
    def erase(
        self, connection: str, refs: Collection[Ref], needles: Collection[str], run: str, who: str, why: str, now: datetime
    ) -> dict[str, int]:
        """Erase what is kept of these records' values, wherever it stands. Returns how many rows of what were rewritten.

        needles  texts that belong to these records alone: what holds one of them elsewhere is erased too
        """
        mine = {str(ref) for ref in refs} | set(needles)
        with self.transaction():
            if self.is_sqlite:
                self.perform(text("PRAGMA secure_delete=ON"))
            seen = sum(self._erase_mirrors(one, refs, needles) for one in self._with_put_by(connection))
            return {
                "evidence": self._erase_contents(connection, refs, needles, run, who, why, now),
                "mirrors": seen,
                "bases": self._erase_bases(connection, refs, needles),
                "plans": self._erase_plans(connection, _as_json(mine, refs), run),
                "holds": self._erase_holds(connection, refs, needles),
                "quarantine": self._erase_quarantine(connection, refs, needles),
                "journal": self._erase_journal(connection, refs, needles),
            }

    def values_kept(self, connection: str, refs: Collection[Ref]) -> list[Any]:
        """Everything that mirrors, bases and evidence hold of these records, as it was stored: to find their values in."""
        found: list[Any] = []
        places = self._with_put_by(connection)
        for ref in refs:
            for place in places:
                for row in self._read(select(mirrors.c.content, mirrors.c.detail).where(_mirror_of(place, ref))):
                    found += [value_of(row.content), value_or_none(row.detail)]
            for row in self._read(
                select(bases.c.crm, bases.c.books).select_from(_BASES_OF_LINKS).where(_linked(connection, ref))
            ):
                found += [value_or_none(row.crm), value_or_none(row.books)]
            for row in self._read(select(contents.c.content).select_from(_CONTENTS_OF).where(_spoken_of(connection, ref))):
                found.append(value_of(row.content))
        return [one for one in found if one is not None]

    def unsettled_with(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> list[Intent]:
        """Intents that no answer has settled and that carry something of these records."""
        where = [intents.c.connection == connection, UNSETTLED, self._mentions(intents.c.action, _as_json(needles, refs))]
        return [intent_of(row) for row in self._read(select(intents).where(*where))]

    def others_hold(self, connection: str, refs: Collection[Ref], sure: Collection[str], value: str) -> bool:
        """Whether the mirror of another record, one that holds nothing that is surely theirs, holds this text too."""
        detail = func.coalesce(mirrors.c.detail, "")
        theirs = or_(
            *(_mirror_of(connection, ref) for ref in sorted(refs)),
            *(self._mentions(column, sure) for column in (mirrors.c.content, detail)),
        )
        where = [mirrors.c.connection == connection, not_(theirs)]
        found = or_(self._mentions(mirrors.c.content, [value]), self._mentions(detail, [value]))
        return self._one(select(mirrors.c.id).where(*where, found).limit(1)) is not None

    def shred(self) -> None:
        """Leave nothing of what was erased in the database's own files: rewrite them. Waits for nobody else."""
        if self.is_sqlite:
            self.perform(text("VACUUM"))
            self.perform(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        else:
            for name in _REWRITTEN:
                self.perform(text(f"VACUUM (FULL) {name}"))

    def _with_put_by(self, connection: str) -> list[str]:
        """The connection, and under which names its former Books organisations rest (renkei/ledger/life.py)."""
        resting = mirrors.c.connection.startswith(f"{connection}@", autoescape=True)
        return [connection, *sorted(row[0] for row in self._read(select(mirrors.c.connection).where(resting).distinct()))]

    def _mentions(self, column: ColumnElement[Any], needles: Iterable[str]) -> ColumnElement[bool]:
        """The column's text holds one of these texts."""
        place = func.instr if self.is_sqlite else func.strpos
        return or_(false(), *(place(column, one) > 0 for one in sorted(needles)))

    def _erase_contents(
        self, connection: str, refs: Collection[Ref], needles: Collection[str], run: str, who: str, why: str, now: datetime
    ) -> int:
        of_them = or_(false(), *(_spoken_of(connection, ref) for ref in sorted(refs)))
        found = {(row.run, row.number) for row in self._read(select(contents.c.run, contents.c.number).select_from(_CONTENTS_OF)
                                                             .where(of_them))}  # fmt: skip
        others = (
            select(contents.c.run, contents.c.number)
            .join(outcomes, and_(outcomes.c.run == contents.c.run, outcomes.c.number == contents.c.number))
            .where(outcomes.c.connection == connection, self._mentions(contents.c.content, needles))
        )
        found |= {(row.run, row.number) for row in self._read(others)}
        for of_run in sorted({row[0] for row in found}):
            numbers = [number for one, number in found if one == of_run]
            for start in range(0, len(numbers), 500):
                some = numbers[start : start + 500]
                self._write(delete(contents).where(contents.c.run == of_run, contents.c.number.in_(some)))
        at = moment_text(now)
        rows = [{"run": one, "number": number, "who": who, "why": why, "at": at} for one, number in sorted(found)]
        self._write(insert(erasures), rows)
        return len(rows)

    def _erase_mirrors(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> int:
        """Nothing but the id is left; the next run compares the lists in full and reads what is still there."""
        where = [or_(self._mentions(mirrors.c.content, needles), self._mentions(func.coalesce(mirrors.c.detail, ""), needles),
                     *(_mirror_of(connection, ref) for ref in sorted(refs)))]  # fmt: skip
        found = [
            Ref(row.side, row.module, row.id)
            for row in self._read(
                select(mirrors.c.side, mirrors.c.module, mirrors.c.id).where(mirrors.c.connection == connection, *where)
            )
        ]
        for ref in found:
            bare = {"id": ref.id, "contact_id": ref.id, "item_id": ref.id, "contact_person_id": ref.id}
            blank = {"content": row_text(bare), "detail": None, "detail_stamp": None, "hash": _WORDS}
            self._write(update(mirrors).where(_mirror_of(connection, ref)).values(**blank))
            self._write(update(mirrors).where(_mirror_of(connection, ref), mirrors.c.deleted_at.is_(None)).values(is_open=True))
            self._write(
                delete(mirror_keys).where(
                    mirror_keys.c.connection == connection, mirror_keys.c.side == ref.side,
                    mirror_keys.c.module == ref.module, mirror_keys.c.id == ref.id,
                )
            )  # fmt: skip
        for side, module in by_module([*found, *refs]):
            self._write(
                update(watermarks)
                .where(watermarks.c.connection == connection, watermarks.c.side == side, watermarks.c.module == module)
                .values(rules=_WORDS)
            )
        return len(found)

    def _erase_bases(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> int:
        holding = [self._mentions(func.coalesce(column, ""), needles) for column in (bases.c.crm, bases.c.books)]
        of_them = or_(*holding, *(_linked(connection, ref) for ref in sorted(refs)))
        statement = select(bases.c.link).select_from(_BASES_OF_LINKS).where(bases.c.connection == connection, of_them)
        found = sorted({row[0] for row in self._read(statement)})
        nothing = {"crm": None, "books": None, "crm_wrote": None, "books_wrote": None}
        self._write(update(bases).where(bases.c.connection == connection, self._among(bases.c.link, found)).values(**nothing))
        return len(found)

    def _erase_plans(self, connection: str, needles: Collection[str], run: str) -> int:
        where = and_(plans.c.connection == connection, self._mentions(plans.c.content, needles))
        found = len(self._read(select(plans.c.fingerprint).where(where)))
        self._write(update(plans).where(where).values(content=exact_text({"erased": run, "entities": []})))
        return found

    def _erase_holds(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> int:
        record = [and_(holds.c.side == ref.side, holds.c.module == ref.module, holds.c.record == ref.id) for ref in sorted(refs)]
        mentioned = [self._mentions(column, {*needles, *map(str, refs)}) for column in (holds.c.candidates, holds.c.detail)]
        where = and_(holds.c.connection == connection, or_(*record, *mentioned))
        found = len(self._read(select(holds.c.id).where(where)))
        self._write(update(holds).where(where).values(candidates=exact_text(()), detail=exact_text({})))
        return found

    def _erase_quarantine(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> int:
        record = [
            and_(quarantine.c.side == ref.side, quarantine.c.module == ref.module, quarantine.c.id == ref.id)
            for ref in sorted(refs)
        ]
        mentioned = [self._mentions(column, needles) for column in (quarantine.c.value, quarantine.c.words)]
        where = and_(quarantine.c.connection == connection, or_(*record, *mentioned))
        found = len(self._read(select(quarantine.c.id).where(where)))
        self._write(update(quarantine).where(where).values(value="", words=_WORDS))
        return found

    def _erase_journal(self, connection: str, refs: Collection[Ref], needles: Collection[str]) -> int:
        """What was tried stays, without what was sent and answered."""
        said = _as_json(needles, refs)
        where = and_(
            intents.c.connection == connection,
            or_(self._mentions(intents.c.action, said), self._mentions(intents.c.answer, said)),
        )
        found = [intent_of(row) for row in self._read(select(intents).where(where))]
        for one in found:
            bare = action_text(replace(one.action, payload={}, changes=()))
            self._write(update(intents).where(intents.c.id == one.id).values(action=bare, answer=exact_text({})))
        return len(found)


_BASES_OF_LINKS = bases.join(links, and_(links.c.connection == bases.c.connection, links.c.id == bases.c.link))
_CONTENTS_OF = contents.join(
    outcome_records, and_(outcome_records.c.run == contents.c.run, outcome_records.c.number == contents.c.number)
)


def _as_json(needles: Collection[str], refs: Collection[Ref]) -> set[str]:
    """The texts, and the records as the codec writes references to them."""
    return {*needles, *(exact_text(ref) for ref in refs)}


def _mirror_of(connection: str, ref: Ref) -> ColumnElement[bool]:
    return and_(
        mirrors.c.connection == connection, mirrors.c.side == ref.side, mirrors.c.module == ref.module, mirrors.c.id == ref.id
    )


def _linked(connection: str, ref: Ref) -> ColumnElement[bool]:
    module, record = (links.c.crm_module, links.c.crm_id) if ref.side == "crm" else (links.c.books_module, links.c.books_id)
    return and_(links.c.connection == connection, module == ref.module, record == ref.id)


def _spoken_of(connection: str, ref: Ref) -> ColumnElement[bool]:
    return and_(
        outcome_records.c.connection == connection, outcome_records.c.side == ref.side,
        outcome_records.c.module == ref.module, outcome_records.c.id == ref.id,
    )  # fmt: skip
