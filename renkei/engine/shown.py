"""Shown: records by their names, and what is personal of them masked, for everything that people are shown.

One rule for plans, brakes, alerts, runs, stories, questions and quarantine: a value of a field that its mapping tags
`personal: true`, and the name of a person, are `•••`, unless who may see them asked for them (`--show-personal`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from renkei.core.personal import Personal, personal_in, without
from renkei.core.planning import Known
from renkei.core.ports import Ledger
from renkei.core.records import OutcomeRow, Row
from renkei.core.values import Ref
from renkei.engine.recall import raw_label
from renkei.engine.work import Rooms, is_business

_OF_A_RULE = ("entity", "field", "words", "value", "fix", "since", "run")
HALVES = ("before", "after")
NAME = "name"  # of a firm or a product; in a published row also that of a person who is a customer


class Shown:
    """What a person may see of one connection's records.

    personal   what all mappings that the connection declares say, in use or not: the ledger remembers former settings
    """

    def __init__(self, ledger: Ledger, connection: str, personal: Personal) -> None:
        self._ledger, self._connection, self._personal = ledger, connection, personal
        self._met: dict[Ref, tuple[str, Row]] = {}

    def learn(self, refs: Iterable[Ref], known: Sequence[Mapping[Ref, Known]] = ()) -> None:
        """Prepare for these records: from `known`, else from the ledger in one read a list."""
        missing: dict[tuple[str, str], list[Ref]] = {}
        for ref in refs:
            if ref in self._met:
                continue
            record = next((some[ref] for some in known if ref in some), None)
            if record is not None:
                self._met[ref] = (record.label, record.raw)
            else:
                missing.setdefault((ref.side, ref.module), []).append(ref)
        for same in missing.values():
            side, module = same[0].side, same[0].module
            mirrors = self._ledger.mirrors(self._connection, side, module, [ref.id for ref in same])
            for ref in same:
                mirror = mirrors.get(ref.id)
                self._met[ref] = ("", {}) if mirror is None else (raw_label(mirror), mirror.row)

    def name(self, ref: Ref | None, label: str | None = None) -> str:
        """What a record is called, "" where nothing is known of it but its id; `label` where it was called otherwise."""
        if ref is None:
            return ""
        self.learn([ref])
        text = self._met[ref][0] if label is None else label
        return "" if text == ref.id else self._personal.label(self._mappings(ref), text)

    def is_synced(self, ref: Ref) -> bool:
        """Whether it is a record of a side's own, not one that was published there."""
        return bool(self._personal.mappings_of(ref))

    def called(self, ref: Ref) -> str:
        """Its reference and its name."""
        return f"{ref} {self.name(ref)}".rstrip()

    def value(self, refs: Collection[Ref], name: str, value: Any, mapping: str = "") -> Any:
        """A field's value in rows about these records, which are one another's partners, or a row published of them.

        mapping   the one that the field is of, where that is known
        """
        if mapping in self._personal.modules:
            return self._personal.value([mapping], name, value)
        if name == NAME and value:
            return self._personal.label(self._joint(refs), str(value))
        return self._personal.value(self._joint(refs), name, value)

    def story(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """What engine/why.py tells."""
        link = found["link"]
        about = [Ref.parse(one) for one in ((link["crm"], link["books"]) if link else (found["record"],))]
        masked = [value for one in found["story"] for value in self._masked(about, one["changes"])]
        told = [
            {
                **one, "reason": without(one["reason"], masked), "changes": self._changes(about, one["changes"]),
                "candidates": self._candidates(one["candidates"]),
            }
            for one in found["story"]
        ]  # fmt: skip
        return {**found, "name": self.name(Ref.parse(found["record"])), "story": told}

    def run(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """What engine/history.py tells of a run."""
        return {
            **found,
            **{part: {**found[part], "shown": self._rows(found[part]["shown"])} for part in ("failures", "acts", "writes")},
        }

    def questions(self, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What engine/decide.py asks."""
        asked = list(found)
        self.learn(Ref.parse(one["record"]) for one in asked)
        return [
            {
                **one, "label": self.name(Ref.parse(one["record"]), one["label"] or None),
                "candidates": self._candidates(one["candidates"]), "values": one["values"] and self._values(one),
            }
            for one in asked
        ]  # fmt: skip

    def quarantine(self, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The rows that engine/quarantine.py tells of; of a refused one, the words hide what its write would have said."""
        rows = list(found)
        self.learn(Ref.parse(one["record"]) for one in rows)
        return [self._quarantined(one) for one in rows]

    def inspected(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The one row that engine/quarantine.py looks at."""
        ref = Ref.parse(found["record"])
        row = [{**one, "value": self.value([ref], one["path"], one["value"], one["mapping"])} for one in found["row"]]
        told = [{"rule": one["rule"], **{name: one.get(name, "") for name in _OF_A_RULE}} for one in found["broken"]]
        broken = [self._quarantined({"record": found["record"], "state": found["state"], **one}) for one in told]
        return {
            **found, "label": self.name(ref), "broken": broken,
            "row": [{name: one[name] for name in ("field", "path", "value")} for one in row],
        }  # fmt: skip

    def _quarantined(self, one: Mapping[str, Any]) -> dict[str, Any]:
        ref = Ref.parse(one["record"])
        value = self.value([ref], one["field"], one["value"])
        masked = [one["value"]] if value != one["value"] else []
        if one["state"] == "refused":
            masked += [told for _, row in self._ledger.story(self._connection, ref) for told in self._masked_in(row)]
        return {**one, "label": self.name(ref), "value": value, "words": without(one["words"], masked)}

    def _masked_in(self, row: OutcomeRow) -> list[str]:
        return self._masked(row.records, row.detail.get("changes", ()))

    def _rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        shown = list(rows)
        self.learn(Ref.parse(record) for one in shown for record in one["records"])
        found = []
        for one in shown:
            about = [Ref.parse(record) for record in one["records"]]
            found.append(
                {
                    **one, "label": next((name for ref in about if (name := self.name(ref))), ""),
                    "reason": without(one["reason"], self._masked(about, one["changes"])),
                    "changes": self._changes(about, one["changes"]),
                }
            )  # fmt: skip
        return found

    def _values(self, one: Mapping[str, Any]) -> dict[str, Any]:
        about = [Ref.parse(word) for word in (one["record"], *(near["record"] for near in one["candidates"] if "record" in near))]
        return {side: self.value(about, one["field"] or "", value) for side, value in one["values"].items()}

    def _changes(self, refs: Collection[Ref], changes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**one, **{half: self.value(refs, one["field"], one[half]) for half in HALVES}} for one in changes]

    def _candidates(self, candidates: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**one, "label": self.name(Ref.parse(one["record"]), one.get("label") or None)} if "record" in one else dict(one)
            for one in candidates
        ]

    def _masked(self, refs: Collection[Ref], changes: Iterable[Mapping[str, Any]]) -> list[str]:
        """The values that are masked in these changes: words beside them must not tell them either."""
        halves = [(one["field"], one[half]) for one in changes for half in HALVES]
        return [value for name, value in halves if isinstance(value, str) and self.value(refs, name, value) != value]

    def _mappings(self, ref: Ref) -> frozenset[str]:
        self.learn([ref])
        row = self._met[ref][1]
        return self._personal.mappings_of(ref, is_business(row) if row else None)

    def _joint(self, refs: Collection[Ref]) -> frozenset[str]:
        """The mappings that all these records can be of; of some of them, where none is common."""
        each = [found for ref in refs if (found := self._mappings(ref))]
        common = frozenset.intersection(*each) if each else frozenset()
        return common or frozenset().union(*each)


def shown_of(rooms: Rooms) -> Shown:
    """For what a run shows of its own connection."""
    return Shown(rooms.ledger, rooms.spec.name, personal_in(rooms.mappings.values()))
