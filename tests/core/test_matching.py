"""Specification of matching: what pairs, what becomes a question, what stays alone, and how well on real spellings.

The four rule sets are those that worked best on tests/data/matching (docs/decisions/0004-matching.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from renkei.core.errors import Bug
from renkei.core.matching import Candidate, KeyRule, Matches, MatchRules, keys_of, match
from renkei.core.values import MISSING

DATA = Path(__file__).parents[1] / "data" / "matching"

ACCOUNTS = MatchRules(
    keys=(
        KeyRule("tax_registration_number", (("tax_registration_number", "tax_number"),)),
        KeyRule("name_and_phone", (("name", "legal_name"), ("phone", "phone"))),
        KeyRule("legal_name", (("name", "legal_name"),)),
        KeyRule("look_alike", (("name", "confusable"),), decisive=False),
        KeyRule("phone", (("phone", "phone"),), decisive=False),
        KeyRule("domain", (("website", "domain"),), decisive=False),
        KeyRule("name_head", (("name", "name_head"),), decisive=False),
        KeyRule("name_tail", (("name", "name_tail"),), decisive=False),
        KeyRule("name_words", (("name", "name_words"),), decisive=False),
    ),
    weights=(("name", 0.7), ("phone", 0.15), ("website", 0.05), ("billing_code", 0.05), ("billing_street", 0.05)),
)
CONTACTS = MatchRules(
    keys=(
        KeyRule("email_and_last_name", (("email", "email"), ("last_name", "person_name"))),
        KeyRule("name_and_phone", (("last_name", "person_name"), ("first_name", "person_name"), ("phone", "phone"))),
        KeyRule("email", (("email", "email"),), decisive=False),
        KeyRule("phone", (("phone", "phone"),), decisive=False),
        KeyRule("mobile", (("mobile", "phone"),), decisive=False),
        KeyRule("full_name", (("last_name", "person_name"), ("first_name", "person_name")), decisive=False),
        KeyRule("look_alike", (("last_name", "confusable"), ("first_name", "confusable")), decisive=False),
    ),
    weights=(("last_name", 0.35), ("first_name", 0.3), ("email", 0.2), ("phone", 0.1), ("mobile", 0.05)),
)
# Persons of one customer: the engine puts `parent` before every key, so a full name decides.
PERSONS = MatchRules(
    keys=(
        KeyRule("email_and_last_name", (("email", "email"), ("last_name", "person_name"))),
        KeyRule("full_name", (("last_name", "person_name"), ("first_name", "person_name"))),
        KeyRule("email", (("email", "email"),), decisive=False),
        KeyRule("mobile", (("mobile", "phone"),), decisive=False),
        KeyRule("look_alike", (("last_name", "confusable"), ("first_name", "confusable")), decisive=False),
        KeyRule("last_name", (("last_name", "person_name"),), decisive=False),
    ),
    weights=(("last_name", 0.35), ("first_name", 0.3), ("email", 0.25), ("mobile", 0.1)),
)
PRODUCTS = MatchRules(
    keys=(
        KeyRule("sku", (("sku", "sku"),)),
        KeyRule("name", (("name", "text"),)),
        KeyRule("sku_look_alike", (("sku", "sku_confusable"),), decisive=False),
        KeyRule("name_head", (("name", "name_head"),), decisive=False),
    ),
    weights=(("name", 0.7), ("sku", 0.3)),
)

TAX, OTHER_TAX = "T7000012050002", "T8700110005901"


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: pd.Series([row.get(name, MISSING) for row in rows], dtype=object) for name in names})


def account(row_id: str, name: str | None, **fields: Any) -> dict[str, Any]:
    return {"id": row_id, "name": name, **fields}


def only_group(matches: Matches, reason: str) -> tuple[Candidate, ...]:
    assert matches.paired == () and [group.reason for group in matches.ambiguous] == [reason]
    return matches.ambiguous[0].candidates


# Decisive keys


def test_one_tax_number_on_each_side_pairs_whatever_the_names() -> None:
    found = match(
        frame(account("a", "Old Name", tax_registration_number="Ｔ7000012050002")),
        frame(account("b", "New Name", tax_registration_number=TAX)),
        ACCOUNTS,
    )
    (pair,) = found.paired
    assert (pair.left, pair.right, pair.rule, pair.reason) == ("a", "b", "tax_registration_number", "key")
    assert dict(pair.parts)["name"] < 1.0, "why shows how far the names are apart"


def test_two_people_with_one_name_and_address_become_one_question_with_all_candidates() -> None:
    person = {"last_name": "山田", "first_name": "太郎", "email": "t@yamada.jp"}
    found = match(frame({"id": "a", **person}), frame({"id": "b", **person}, {"id": "c", **person}), CONTACTS)
    assert {one.right for one in only_group(found, "several")} == {"b", "c"}
    assert found.alone_left == found.alone_right == ()


def test_the_earlier_key_wins_and_the_loser_is_told_who_took_its_candidate() -> None:
    left = frame(account("a1", "Acme", tax_registration_number=TAX), account("a2", "Acme"))
    found = match(left, frame(account("b", "Acme", tax_registration_number=TAX)), ACCOUNTS)
    assert [(pair.left, pair.right) for pair in found.paired] == [("a1", "b")]
    assert found.alone_left == ("a2",)
    assert [(one.right, one.reason) for one in found.rejected_left["a2"]] == [("b", "taken")]


def test_a_namesake_with_another_tax_number_is_not_said_to_have_been_taken() -> None:
    left = frame(account("a1", "Acme", tax_registration_number=TAX), account("a2", "Acme", tax_registration_number=OTHER_TAX))
    found = match(left, frame(account("b", "Acme", tax_registration_number=TAX)), ACCOUNTS)
    assert [(one.right, one.reason) for one in found.rejected_left["a2"]] == [("b", "contradiction:tax_registration_number")]


def test_equal_names_with_different_tax_numbers_never_pair() -> None:
    found = match(
        frame(account("a", "Acme", tax_registration_number=TAX)),
        frame(account("b", "Acme", tax_registration_number=OTHER_TAX)),
        ACCOUNTS,
    )
    only_group(found, "contradiction:tax_registration_number")


def test_similar_names_with_different_tax_numbers_are_two_companies() -> None:
    found = match(
        frame(account("a", "Wellington Imports", tax_registration_number=TAX)),
        frame(account("b", "Welington Imports", tax_registration_number=OTHER_TAX)),
        ACCOUNTS,
    )
    assert (found.alone_left, found.alone_right) == (("a",), ("b",))
    assert found.rejected_left["a"][0].reason == "contradiction:tax_registration_number"


@pytest.mark.parametrize(
    ("left", "right"),
    [("株式会社山田", "山田株式会社"), ("Acme Ltd", "Acme GmbH"), ("株式会社山田", "有限会社山田")],
)
def test_another_form_or_place_is_a_question_even_with_one_phone(left: str, right: str) -> None:
    phone = "03-1234-5678"
    found = match(frame(account("a", left, phone=phone)), frame(account("b", right, phone=phone)), ACCOUNTS)
    only_group(found, "legal_form")


def test_a_form_left_out_is_a_question_by_name_alone_and_none_with_the_phone() -> None:
    only_group(match(frame(account("a", "Acme")), frame(account("b", "Acme Ltd")), ACCOUNTS), "legal_form")
    phone = "03-1234-5678"
    found = match(frame(account("a", "Acme", phone=phone)), frame(account("b", "Acme Ltd", phone=phone)), ACCOUNTS)
    assert [pair.rule for pair in found.paired] == ["name_and_phone"]


def test_a_placeholder_shared_by_hundreds_is_one_bounded_question() -> None:
    left = frame(*(account(f"a{n:03d}", "Unknown") for n in range(300)))
    found = match(left, frame(*(account(f"b{n:03d}", "Unknown") for n in range(300))), ACCOUNTS)
    assert [len(group.left) for group in found.ambiguous] == [300]
    named = {one.left for one in found.ambiguous[0].candidates} | {one.right for one in found.ambiguous[0].candidates}
    assert len(named) == 600 and len(found.ambiguous[0].candidates) == 599
    assert [(block.rule, block.left, block.split) for block in found.large] == [("legal_name", 300, False)]


# Likeness


def test_a_spelling_mistake_is_a_question_even_if_all_else_agrees() -> None:
    rest = {"phone": "03-1234-5678", "website": "https://welling.example", "billing_code": "100-0001"}
    found = match(frame(account("a", "Wellington Imports", **rest)), frame(account("b", "Welington Imports", **rest)), ACCOUNTS)
    (one,) = only_group(found, "below_auto")
    assert one.score >= ACCOUNTS.auto and dict(one.parts)["phone"] == 1.0


def test_look_alike_characters_are_a_question_even_if_all_else_agrees() -> None:
    rest = {"phone": "03-1234-5678", "billing_code": "100-0001"}
    found = match(frame(account("a", "ニトリ家具", **rest)), frame(account("b", "二トリ家具", **rest)), ACCOUNTS)
    only_group(found, "look_alike")


def test_a_person_of_equal_name_and_mobile_pairs_by_likeness() -> None:
    rules = MatchRules(keys=CONTACTS.keys[2:], weights=CONTACTS.weights)
    person = {"last_name": "Sato", "first_name": "Ken", "mobile": "090-1234-5678"}
    found = match(frame({"id": "a", **person}), frame({"id": "b", **person, "mobile": "+81 90 1234 5678"}), rules)
    assert [(pair.left, pair.right, pair.score, pair.reason) for pair in found.paired] == [("a", "b", 1.0, "likeness")]


def test_a_second_candidate_as_good_stops_the_pair() -> None:
    rules = MatchRules(keys=CONTACTS.keys[2:], weights=CONTACTS.weights)
    person = {"last_name": "Sato", "first_name": "Ken", "mobile": "090-1234-5678"}
    found = match(frame({"id": "a", **person}), frame({"id": "b", **person}, {"id": "c", **person}), rules)
    assert len(only_group(found, "several")) == 2


def test_equal_names_alone_never_pair_by_likeness() -> None:
    rules = MatchRules(keys=(KeyRule("name", (("name", "text"),), decisive=False),), weights=(("name", 1.0),))
    only_group(match(frame(account("a", "Sato Ken")), frame(account("b", "Sato Ken")), rules), "below_auto")


def test_losers_below_review_are_kept_for_why() -> None:
    found = match(
        frame(account("a", "Bay Medical Clinic", phone="03-1234-5678")),
        frame(account("b", "Bay Dental House", phone="03-1234-5678")),
        ACCOUNTS,
    )
    assert found.alone_left == ("a",)
    (loser,) = found.rejected_left["a"]
    assert loser == found.rejected_right["b"][0]
    assert loser.reason == "below_review" and loser.score < ACCOUNTS.review and dict(loser.parts)["phone"] == 1.0


def test_a_large_block_is_split_by_the_others_and_reported() -> None:
    left = frame(
        *(account(f"a{n:03d}", f"Blanco {chr(97 + n % 26)}{chr(97 + n // 26)}rex", phone="0312345678") for n in range(210))
    )
    right = frame(
        *(account(f"b{n:03d}", f"Blanco {chr(97 + n % 26)}{chr(97 + n // 26)}rexx", phone="0312345678") for n in range(210))
    )
    found = match(left, right, ACCOUNTS)
    assert ("phone", 210, 210, True) in {(block.rule, block.left, block.right, block.split) for block in found.large}
    assert len(found.alone_left) + len(found.paired) + sum(len(group.left) for group in found.ambiguous) == 210


# Products


def test_a_sku_with_a_space_is_the_same_sku() -> None:
    found = match(
        frame({"id": "a", "sku": "AB-12", "name": "Lamp"}), frame({"id": "b", "sku": "ab 12", "name": "Lamp"}), PRODUCTS
    )
    assert [pair.rule for pair in found.paired] == ["sku"]


def test_a_sku_with_the_letter_o_for_a_zero_is_a_question() -> None:
    found = match(
        frame({"id": "a", "sku": "AB-10", "name": "Lamp"}), frame({"id": "b", "sku": "AB-1O", "name": "Desk"}), PRODUCTS
    )
    only_group(found, "look_alike")


def test_one_name_with_two_skus_is_a_question() -> None:
    found = match(frame({"id": "a", "sku": "AB-1", "name": "Lamp"}), frame({"id": "b", "sku": "XY-9", "name": "Lamp"}), PRODUCTS)
    only_group(found, "contradiction:sku")


# Persons


def test_a_full_name_decides_among_the_persons_of_one_customer() -> None:
    left, right = {"last_name": "山田", "first_name": "太郎"}, {"last_name": "山田様", "first_name": "太郎"}
    found = match(frame({"id": "a", **left}), frame({"id": "b", **right}), PERSONS)
    assert [pair.rule for pair in found.paired] == ["full_name"]


# Frames and keys


@pytest.mark.parametrize("blank", [None, MISSING, "", "  ", float("nan"), 12, ["x"]])
def test_what_is_no_text_is_blank_and_matches_nothing(blank: object) -> None:
    found = match(frame({"id": "a", "name": blank}), frame({"id": "b", "name": blank}), ACCOUNTS)
    assert (found.alone_left, found.alone_right, found.paired, found.ambiguous) == (("a",), ("b",), (), ())


def test_an_empty_side_leaves_the_other_alone() -> None:
    found = match(pd.DataFrame({"id": []}), frame(account("b", "Acme")), ACCOUNTS)
    assert (found.alone_left, found.alone_right) == ((), ("b",))


def test_an_id_that_occurs_twice_on_one_side_is_our_bug() -> None:
    with pytest.raises(Bug, match="a1 twice"):
        match(frame(account("a1", "x"), account("a1", "y")), frame(account("b", "x")), ACCOUNTS)


def test_keys_of_a_row_are_its_rules_and_values_without_the_blank_ones() -> None:
    rows = frame(account("a", "㈱山田商店", phone="03-1234-5678"), account("b", None))
    first, second = keys_of(rows, ACCOUNTS)
    assert second == ()
    assert ("legal_name", "山田商店") in first and ("phone", "+81312345678") in first
    assert [name for name, _ in first] == [
        "name_and_phone",
        "legal_name",
        "look_alike",
        "phone",
        "name_head",
        "name_tail",
        "name_words",
    ]


# How well: what-good-means.md row B1


def spellings(file: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.read_csv(DATA / file, dtype=str, keep_default_na=False)
    sides = []
    for side in ("left", "right"):
        columns = {"name": table[f"{side}_name"], "phone": table[f"{side}_phone"], "billing_code": table[f"{side}_code"]}
        sides.append(pd.DataFrame({"id": [f"{row:03d}" for row in range(len(table))], **columns}))
    return sides[0], sides[1]


def proposed(found: Matches) -> set[tuple[str, str]]:
    asked = {(one.left, one.right) for group in found.ambiguous for one in group.candidates}
    return asked | {(pair.left, pair.right) for pair in found.paired}


def test_variant_spellings_are_proposed_and_no_wrong_one_is_paired() -> None:
    left, right = spellings("variants.csv")
    found = match(left, right, ACCOUNTS)
    same = {(row, row) for row in left["id"]}
    assert len(left) >= 60
    assert len(proposed(found) & same) / len(same) >= 0.95, sorted(same - proposed(found))
    assert len(found.paired) / len(same) >= 0.55, "most variants need no person"
    assert {(pair.left, pair.right) for pair in found.paired} <= same
    assert len(proposed(found) - same) <= 2, "and hardly a stranger is asked about"


def test_no_look_alike_is_paired_alone_or_among_others() -> None:
    left, right = spellings("look_alikes.csv")
    assert len(left) >= 60
    assert match(left, right, ACCOUNTS).paired == ()
    for row in range(len(left)):
        assert match(left.iloc[[row]], right.iloc[[row]], ACCOUNTS).paired == (), left["name"].iloc[row]
