"""A safeguard that is taken away is missed by the simulation: three that are told soonest, one at a time."""

from __future__ import annotations

import pytest

from soak.planted import MOST_NIGHTS, PLANTED, nights_until_found


@pytest.mark.parametrize("name", ["intent_after_the_call", "closing_read_dropped", "base_not_kept"])
def test_a_planted_bug_is_found(name: str) -> None:
    nights, told = nights_until_found(name, "1", MOST_NIGHTS)
    assert 0 < nights <= MOST_NIGHTS and told


def test_there_are_ten_of_them() -> None:
    assert len(PLANTED) == 10 and all(one.__doc__ for one in PLANTED.values())
