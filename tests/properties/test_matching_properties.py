"""What holds for every two sides: each row once, whatever the order of rows, whichever side is called left."""

from __future__ import annotations

from collections import Counter
from random import Random

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from renkei.core.matching import KeyRule, Matches, MatchRules, match
from renkei.core.names import NORMALISERS

RULES = MatchRules(
    keys=(
        KeyRule("tax", (("tax", "tax_number"),)),
        KeyRule("name_and_phone", (("name", "legal_name"), ("phone", "phone"))),
        KeyRule("name", (("name", "legal_name"),)),
        KeyRule("look_alike", (("name", "confusable"),), decisive=False),
        KeyRule("phone", (("phone", "phone"),), decisive=False),
        KeyRule("head", (("name", "name_head"),), decisive=False),
    ),
    weights=(("name", 0.7), ("phone", 0.2), ("code", 0.1)),
)
NAMES = (
    None,
    "",
    "Acme",
    "Acme Ltd",
    "Acme Limited",
    "ACME GmbH",
    "Acne",
    "Acmee 2",
    "山田",
    "株式会社山田",
    "山田㈱",
    "ニトリ",
    "二トリ",
)
ROW = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "phone": st.sampled_from((None, "03-1234-5678", "0312345678", "06-6555-0001")),
        "tax": st.sampled_from((None, None, None, "T7000012050002", "T8700110005901")),
        "code": st.sampled_from((None, "100-0001", "1000001", "530-0001")),
    }
)
SIDE = st.lists(ROW, max_size=9)
Pairs = list[tuple[str, str]]


def frame(rows: list[dict[str, str | None]], prefix: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["name", "phone", "tax", "code"], dtype=object)
    return table.assign(id=[f"{prefix}{number}" for number in range(len(rows))])


def flipped(found: Matches) -> tuple[object, ...]:
    """All of a result that has to be equal when the sides change places."""
    return (
        sorted((one.right, one.left, one.rule, one.score, one.parts, one.reason) for one in found.paired),
        sorted(
            (
                group.right,
                group.left,
                group.reason,
                sorted((one.right, one.left, one.rule, one.score) for one in group.candidates),
            )
            for group in found.ambiguous
        ),
        found.alone_right,
        found.alone_left,
        {key: sorted((one.right, one.left) for one in ones) for key, ones in found.rejected_right.items()},
    )


def straight(found: Matches) -> tuple[object, ...]:
    return (
        sorted((one.left, one.right, one.rule, one.score, one.parts, one.reason) for one in found.paired),
        sorted(
            (
                group.left,
                group.right,
                group.reason,
                sorted((one.left, one.right, one.rule, one.score) for one in group.candidates),
            )
            for group in found.ambiguous
        ),
        found.alone_left,
        found.alone_right,
        {key: sorted((one.left, one.right) for one in ones) for key, ones in found.rejected_left.items()},
    )


@settings(max_examples=80, deadline=None)
@given(SIDE, SIDE)
def test_every_row_of_both_sides_stands_exactly_once(
    ours: list[dict[str, str | None]], theirs: list[dict[str, str | None]]
) -> None:
    left, right = frame(ours, "a"), frame(theirs, "b")
    found = match(left, right, RULES)
    seen = Counter([one.left for one in found.paired] + [one.right for one in found.paired])
    seen.update(row for group in found.ambiguous for row in (*group.left, *group.right))
    seen.update((*found.alone_left, *found.alone_right))
    assert seen == Counter([*left["id"], *right["id"]])
    for group in found.ambiguous:
        assert {one.left for one in group.candidates} == set(group.left)
        assert {one.right for one in group.candidates} == set(group.right)
    paired = {(one.left, one.right) for one in found.paired}
    for losers in (*found.rejected_left.values(), *found.rejected_right.values()):
        assert len(losers) <= 5 and not paired & {(one.left, one.right) for one in losers}


@settings(max_examples=80, deadline=None)
@given(SIDE, SIDE, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_count(
    ours: list[dict[str, str | None]], theirs: list[dict[str, str | None]], chance: Random
) -> None:
    left, right = frame(ours, "a"), frame(theirs, "b")
    mixed = [side.iloc[chance.sample(range(len(side)), len(side))] for side in (left, right)]
    assert match(*mixed, RULES) == match(left, right, RULES)


@settings(max_examples=80, deadline=None)
@given(SIDE, SIDE)
def test_neither_side_is_preferred(ours: list[dict[str, str | None]], theirs: list[dict[str, str | None]]) -> None:
    left, right = frame(ours, "a"), frame(theirs, "b")
    assert flipped(match(right, left, RULES)) == straight(match(left, right, RULES))


@settings(max_examples=80, deadline=None)
@given(SIDE, SIDE)
def test_no_pair_of_two_tax_numbers_and_none_by_a_form_in_another_place(
    ours: list[dict[str, str | None]], theirs: list[dict[str, str | None]]
) -> None:
    left, right = frame(ours, "a").set_index("id"), frame(theirs, "b").set_index("id")
    for pair in match(left.reset_index(), right.reset_index(), RULES).paired:
        a, b = left.loc[pair.left], right.loc[pair.right]
        assert not (a["tax"] and b["tax"] and a["tax"] != b["tax"])
        if pair.rule != "tax":
            assert {a["name"], b["name"]} not in ({"株式会社山田", "山田㈱"}, {"Acme Ltd", "ACME GmbH"}, {"ニトリ", "二トリ"})


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(("legal_name", "text", "person_name", "sku", "email", "postal_code", "tax_number")), st.text(max_size=30))
def test_a_compare_key_is_its_own_compare_key(name: str, text: str) -> None:
    """Names aside, whose forms may stand within one another; and no text at all breaks a normaliser."""
    key = NORMALISERS[name](text)
    if key is not None and name not in ("legal_name", "person_name", "text"):
        assert NORMALISERS[name](key) == key
