"""Which unlinked records of both sides are the same party or product."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyRule:
    """A deterministic key: equal normalised values of all `fields` on both sides. Rules are tried in order.

    fields     (canonical field, normaliser name) pairs; a row with any of them blank has no such key
    decisive   one match is a clear candidate; otherwise the key only brings candidates to be scored (a block)
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    decisive: bool = True


@dataclass(frozen=True, slots=True)
class MatchRules:
    """keys: ordered. weights: canonical field → weight of its similarity in the score. Bands are closed below:
    score ≥ auto is a clear candidate, review ≤ score < auto is a question, below is nobody."""

    keys: tuple[KeyRule, ...] = ()
    weights: tuple[tuple[str, float], ...] = ()
    auto: float = 0.93
    review: float = 0.80
