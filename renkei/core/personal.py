"""Personal data in what is shown: values of fields tagged `personal: true` are masked, so that files and logs hold none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from renkei.core.mapping import MappingSpec
from renkei.core.values import MISSING, Ref

MASK = "•••"
SHORTEST = 2  # letters: a shorter value is not sought in other words


@dataclass(frozen=True, slots=True)
class Personal:
    """What the mappings of a connection tag as personal.

    fields     (mapping, field): its canonical name and its paths on both sides
    persons    mappings whose records are called by a personal field
    modules    mapping → the two lists, (side, module), that it joins
    business   mapping → whether it is of business customers in Books or of individuals, where it says so
    unknown    nobody can tell: everything is masked
    """

    fields: frozenset[tuple[str, str]] = frozenset()
    persons: frozenset[str] = frozenset()
    modules: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    business: Mapping[str, bool] = field(default_factory=dict)
    unknown: bool = False

    def mappings_of(self, ref: Ref, business: bool | None = None) -> frozenset[str]:
        """The mappings that a record can be of; `business` of a Books customer, where that is known."""
        found = frozenset(name for name, lists in self.modules.items() if (ref.side, ref.module) in lists)
        if (ref.side, ref.module) != ("books", "contacts") or business is None:
            return found
        return frozenset(name for name in found if self.business.get(name, business) == business)

    def value(self, mappings: Collection[str], name: str, value: Any) -> Any:
        """The value, or the mask where one of these mappings tags it and it is not blank: that it is filled stays visible."""
        tagged = self.unknown or any((mapping, name) in self.fields for mapping in mappings)
        return MASK if tagged and value not in (None, "", MISSING) else value

    def label(self, mappings: Collection[str], label: str) -> str:
        """What a record is called; masked where it is a person, or may be one for all that is known."""
        return MASK if label and (self.unknown or self.persons & set(mappings)) else label


NOTHING, EVERYTHING = Personal(), Personal(unknown=True)


def personal_in(specs: Iterable[MappingSpec]) -> Personal:
    """What these mappings tag as personal."""
    fields, persons, modules, business = set(), set(), {}, {}
    for spec in specs:
        for item in (one for one in spec.fields if one.personal):
            fields |= {(spec.name, name) for name in (item.name, item.crm, item.books, item.books_else) if name}
        if any((spec.name, name) in fields for name in spec.label):
            persons.add(spec.name)
        modules[spec.name] = frozenset({("crm", spec.crm_module), ("books", spec.books_module)})
        for side, name, value in spec.constants:
            if (side, name) == ("books", "customer_sub_type"):
                business[spec.name] = value == "business"
    return Personal(frozenset(fields), frozenset(persons), modules, business)


def without(text: str, values: Iterable[Any]) -> str:
    """A text in which none of these values is told."""
    told = {str(one) for one in values if isinstance(one, str) and len(one) >= SHORTEST and one != MASK}
    for one in sorted(told, key=len, reverse=True):
        text = text.replace(one, MASK)
    return text
