"""Personal data in what is shown: values of fields tagged `personal: true` are masked, so that files and logs hold none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from renkei.core.mapping import MappingSpec
from renkei.core.records import Change, Hold
from renkei.core.values import MISSING, Ref

MASK = "•••"


@dataclass(frozen=True, slots=True)
class Personal:
    """What of a plan is personal.

    fields    (mapping, canonical field)
    persons   (side, module) whose records are persons only
    perhaps   (side, module) whose records are persons or firms: Books' customers
    """

    fields: frozenset[tuple[str, str]] = frozenset()
    persons: frozenset[tuple[str, str]] = frozenset()
    perhaps: frozenset[tuple[str, str]] = frozenset()

    def value(self, mapping: str, field: str, value: Any) -> Any:
        """The value, or the mask where it is personal and not blank: that something is filled or cleared stays visible."""
        return MASK if (mapping, field) in self.fields and value not in (None, "", MISSING) else value

    def change(self, mapping: str, change: Change) -> dict[str, Any]:
        """A change as it is shown."""
        before, after = (self.value(mapping, change.field, one) for one in (change.before, change.after))
        return {"field": change.field, "before": before, "after": after, "reason": change.reason}

    def label(self, hold: Hold) -> str:
        """What a question's record is called; masked where it is a person, or where nothing says that it is a firm."""
        label = str(hold.detail.get("label") or "")
        near = [Ref.parse(str(one["record"])) for one in hold.candidates if "record" in one]
        modules = {(ref.side, ref.module) for ref in (hold.record, *near)}
        unsure = modules <= self.perhaps
        return MASK if label and (modules & self.persons or (unsure and self.perhaps)) else label


NOTHING = Personal()


def personal_in(specs: Iterable[MappingSpec]) -> Personal:
    """What these mappings tag as personal."""
    fields, kinds = set(), dict[tuple[str, str], set[bool]]()
    for spec in specs:
        tagged = {item.name for item in spec.fields if item.personal}
        fields |= {(spec.name, name) for name in tagged}
        for module in (("crm", spec.crm_module), ("books", spec.books_module)):
            kinds.setdefault(module, set()).add(bool(tagged & set(spec.label)))
    persons = frozenset(module for module, said in kinds.items() if said == {True})
    perhaps = frozenset(module for module, said in kinds.items() if said == {True, False})
    return Personal(frozenset(fields), persons, perhaps)
