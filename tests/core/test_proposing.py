"""What a mapping could be in one organisation: nothing is guessed silently, and nothing that leaves no doubt is asked."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from renkei.core.mapping import FieldSpec, MappingSpec
from renkei.core.matching import KeyRule, MatchRules
from renkei.core.proposing import Proposal, Suggestion, propose
from renkei.core.records import FieldMeta

SPEC = MappingSpec(
    "accounts", "customers", "Accounts", "contacts",
    (
        FieldSpec(
            "name", "text", "Account_Name", "company_name", "none", required=True, max_length=(("crm", 200), ("books", 200)),
        ),
        FieldSpec("phone", "phone", "Phone", "billing_address.phone", "none", detail=True, max_length=(("crm", 30),)),
        FieldSpec("country", "text", "Billing_Country", "billing_address.country", "none", transform="country", detail=True),
        FieldSpec(
            "tax_registration_number", "text", "Tax_Registration_Number", "cf_tax_registration_number", "none",
            transform="tax_registration_number", optional=True, max_length=(("crm", 20),),
        ),
        FieldSpec("owner", "lookup", "Owner.id", "cf_crm_owner", "crm", lookup="owners", direction="to_books", optional=True),
    ),
    MatchRules(
        (
            KeyRule("tax", (("tax_registration_number", "tax_number"),)),
            KeyRule("name_and_phone", (("name", "legal_name"), ("phone", "phone"))),
            KeyRule("name", (("name", "legal_name"),)),
        ),
        (("name", 0.8), ("phone", 0.2)),
    ),
    label=("name", "phone"),
)  # fmt: skip


def crm(api_name: str, data_type: str = "text", label: str = "", **more: Any) -> FieldMeta:
    given = {"length": 50 if data_type in ("text", "picklist") else None, "unique": False, "writable": True, "mandatory": False}
    return FieldMeta(api_name, data_type, label=label or api_name.replace("_", " "), **{**given, **more})


def books(api_name: str, data_type: str = "string", label: str = "", **more: Any) -> FieldMeta:
    return crm(
        api_name, data_type, label or api_name.removeprefix("cf_").replace("_", " ").capitalize(), **{"length": None, **more}
    )


CRM = (
    crm("Account_Name", length=200), crm("Phone", "phone", length=30), crm("Billing_Country"), crm("Owner", "ownerlookup"),
    crm("Tax_Registration_Number", length=20), crm("Modified_Time", "datetime"), crm("renkei_books_id", unique=True),
)  # fmt: skip
BOOKS = (books("cf_tax_registration_number"), books("cf_crm_owner"), books("cf_renkei_crm_id", unique=True))
KEYS = ("renkei_books_id", "cf_renkei_crm_id")


def proposed(*more: FieldMeta, without: tuple[str, ...] = (), spec: MappingSpec = SPEC) -> Proposal:
    """Of an organisation that has what ships, and `more`; a namesake replaces, `without` takes away."""
    names = {one.api_name for one in more} | set(without)
    ours = [*(one for one in CRM if one.api_name not in names), *(one for one in more if not one.api_name.startswith("cf_"))]
    theirs = [*(one for one in BOOKS if one.api_name not in names), *(one for one in more if one.api_name.startswith("cf_"))]
    found = propose(spec, ours, theirs, reserved=KEYS)
    assert found == propose(spec, ours[::-1], theirs[::-1], reserved=KEYS)  # the order of the metadata says nothing
    every = [*found.fits, *(one.field for one in (*found.left_out, *found.missing)), *replaced(found)]
    assert {item.name for item in spec.fields} == set(every)
    return found


def replaced(found: Proposal) -> list[str]:
    return [one.field.name for one in found.suggestions if one.replaces and one.field]


def only(found: Proposal) -> Suggestion:
    (one,) = found.suggestions
    return one


def field(one: Suggestion) -> FieldSpec:
    assert one.field is not None
    return one.field


# ------------------------------------------------------------------------------------------------- the shipped fields


def test_an_organisation_that_has_what_ships_needs_nothing() -> None:
    found = proposed()
    assert found.as_shipped() and found.fits == tuple(item.name for item in SPEC.fields)
    assert (found.left_out, found.suggestions, found.match, found.label) == ((), (), None, None)


def test_a_bare_organisation_leaves_optional_fields_out_by_itself() -> None:
    found = proposed(without=("cf_tax_registration_number", "cf_crm_owner"))
    assert [(one.field, one.path, one.by_itself) for one in found.left_out] == [
        ("tax_registration_number", "cf_tax_registration_number", True), ("owner", "cf_crm_owner", True),
    ]  # fmt: skip
    assert found.as_shipped() and found.taken_out() == () and found.match is None


def test_a_field_that_is_not_optional_and_not_there_is_taken_out_with_the_rules_that_read_it() -> None:
    found = proposed(without=("Phone",))
    assert found.taken_out() == ("phone",) and "phone" not in found.fits
    assert found.match is not None and [rule.name for rule in found.match.keys] == ["tax", "name"]
    assert found.match.weights == (("name", 0.8),) and found.label == ("name",)


def test_a_field_of_another_type_is_taken_out_and_said() -> None:
    found = proposed(crm("Tax_Registration_Number", "integer"))
    (left,) = found.left_out
    assert left.side == "crm" and "of the type integer here" in left.why and not left.by_itself
    assert found.taken_out() == ("tax_registration_number",)  # optional too: a run looks for the name alone
    assert found.match is not None and "tax" not in [rule.name for rule in found.match.keys]


def test_a_custom_field_of_another_type_in_books_is_taken_out() -> None:
    assert proposed(books("cf_tax_registration_number", "decimal")).taken_out() == ("tax_registration_number",)


def test_what_the_mapping_cannot_be_without_is_named_and_not_taken_out() -> None:
    found = proposed(without=("Account_Name",))
    assert [one.field for one in found.missing] == ["name"] and found.taken_out() == ()
    assert found.match is None and not found.as_shipped()


def test_a_shorter_field_narrows_the_mapping() -> None:
    one = only(proposed(crm("Account_Name", length=120)))
    assert one.band == "certain" and one.replaces and "120 characters" in one.why
    assert field(one) == dataclasses.replace(SPEC.fields[0], max_length=(("crm", 120), ("books", 200)))


def test_a_pick_list_for_a_free_text_could_travel_one_way() -> None:
    found = proposed(crm("Billing_Country", "picklist", values=("Japan",)))
    assert found.taken_out() == ("country",)
    one = only(found)
    assert one.band == "likely" and one.replaces
    assert (field(one).direction, field(one).owner, field(one).transform) == ("to_books", "crm", "country")


def test_a_field_that_the_user_may_not_write_stays_and_is_said() -> None:
    found = proposed(crm("Phone", "phone", writable=False))
    one = only(found)
    assert one.band == "likely" and field(one).direction == "to_books" and "read-only" in one.why
    assert found.taken_out() == () and "phone" not in found.fits


def test_contact_persons_have_no_custom_fields_to_pair() -> None:
    spec = dataclasses.replace(SPEC, name="persons", books_module="contact_persons", fields=SPEC.fields[:1])
    found = propose(spec, [*CRM, crm("Birthday", "date")], None, reserved=KEYS)
    assert found.fits == ("name",) and found.suggestions == ()


# ------------------------------------------------------------------------------------------------- the further fields


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("地域", "地域"), ("ﾗﾝｸ", "ランク"), ("らんく", "ランク"), ("Ｒａｎｋ　１", "rank 1"), ("請求先・担当者", "請求先担当者"),
        ("E-mail (billing)", "E-Mail (Billing)"),
    ],
)  # fmt: skip
def test_equal_labels_under_width_kana_case_and_marks_are_certain(ours: str, theirs: str) -> None:
    one = only(proposed(crm("field7", label=ours), books("cf_9", label=theirs)))
    assert (one.band, one.crm, one.books, one.labels) == ("certain", "field7", "cf_9", (ours, theirs))
    assert (field(one).kind, field(one).direction, field(one).owner, field(one).max_length) == (
        "text",
        "both",
        "none",
        (("crm", 50),),
    )


@pytest.mark.parametrize(
    ("crm_type", "books_type", "kind"),
    [
        ("text", "string", "text"), ("textarea", "multiline", "text"), ("email", "email", "email"), ("phone", "phone", "phone"),
        ("website", "url", "website"), ("currency", "amount", "decimal"), ("double", "decimal", "decimal"),
        ("integer", "number", "integer"), ("boolean", "check_box", "boolean"), ("date", "date", "date"),
    ],
)  # fmt: skip
def test_types_that_hold_the_same_are_joined_by_their_kind(crm_type: str, books_type: str, kind: str) -> None:
    one = only(proposed(crm("Extra", crm_type, "予備"), books("cf_extra", books_type, "予備")))
    assert one.band == "certain" and field(one).kind == kind and field(one).name == "extra"
    assert field(one).personal == (kind in ("email", "phone"))


@pytest.mark.parametrize(
    ("crm_type", "books_type"),
    [("date", "string"), ("multiselectpicklist", "multiselect"), ("lookup", "string"), ("boolean", "date")],
)
def test_a_pair_that_no_kind_joins_is_told_and_not_mapped(crm_type: str, books_type: str) -> None:
    one = only(proposed(crm("Extra", crm_type, "締め日"), books("cf_extra", books_type, "締め日")))
    assert one.field is None and one.band == "doubtful" and crm_type in one.why and books_type in one.why
    assert proposed(crm("Extra", crm_type, "締め日"), books("cf_extra", books_type, "締日")).suggestions[0].field is None


def test_fields_that_are_merely_alike_and_that_no_kind_joins_are_not_told() -> None:
    assert proposed(crm("field1", "date", "請求締め日"), books("cf_1", "string", "請求締日")).suggestions == ()


def test_a_looser_type_on_one_side_is_a_persons_to_confirm() -> None:
    one = only(proposed(crm("Extra", "email", "請求先メール"), books("cf_extra", "string", "請求先メール")))
    assert one.band == "likely" and field(one).kind == "email" and "quarantined" in one.why
    one = only(proposed(crm("Extra", "integer", "人数"), books("cf_extra", "decimal", "人数")))
    assert one.band == "likely" and field(one).kind == "decimal"


def test_equal_pick_lists_bring_their_value_map() -> None:
    values = ("-None-", "Ａ", "ﾄｸﾍﾞﾂ", "Standard")
    one = only(
        proposed(
            crm("Rank", "picklist", "ランク", values=values),
            books("cf_rank", "dropdown", "ランク", values=("トクベツ", "standard", "A")),
        )
    )
    assert one.band == "certain" and field(one).kind == "choice"
    assert field(one).values == (("Ａ", "A"), ("ﾄｸﾍﾞﾂ", "トクベツ"), ("Standard", "standard"))


def test_pick_lists_with_a_value_that_has_no_partner_wait_for_a_person() -> None:
    one = only(
        proposed(
            crm("Rank", "picklist", "ランク", values=("A", "B")), books("cf_rank", "dropdown", "ランク", values=("A", "休眠"))
        )
    )
    assert one.band == "likely" and field(one).values == (("A", "A"),) and "'B', '休眠'" in one.why


def test_two_values_that_differ_in_width_alone_are_not_guessed() -> None:
    one = only(
        proposed(crm("Rank", "picklist", "ランク", values=("A", "Ａ")), books("cf_rank", "dropdown", "ランク", values=("a",)))
    )
    assert one.field is None


def test_a_pick_list_and_free_text_travel_one_way_if_a_person_says_so() -> None:
    one = only(proposed(crm("Rank", "picklist", "ランク", values=("A",)), books("cf_rank", label="ランク")))
    assert (one.band, field(one).kind, field(one).direction, field(one).owner) == ("likely", "text", "to_books", "crm")
    one = only(proposed(crm("Rank", label="ランク"), books("cf_rank", "dropdown", "ランク", values=("A",))))
    assert (one.band, field(one).kind, field(one).direction, field(one).owner) == ("likely", "text", "to_crm", "books")


def test_a_side_that_cannot_be_written_makes_it_one_way_and_a_question() -> None:
    one = only(proposed(crm("Score", "double", "与信点", writable=False), books("cf_score", "decimal", "与信点")))
    assert (one.band, field(one).direction, field(one).owner) == ("likely", "to_books", "crm")
    assert only(proposed(crm("S", writable=False, label="点"), books("cf_s", writable=False, label="点"))).field is None


def test_uniqueness_on_one_side_alone_is_a_question() -> None:
    one = only(proposed(crm("Code", label="得意先コード", unique=True), books("cf_code", label="得意先コード")))
    assert one.band == "likely" and "refuses the same value twice" in one.why
    assert (
        only(proposed(crm("C", label="得意先コード", unique=True), books("cf_c", label="得意先コード", unique=True))).band
        == "certain"
    )


def test_two_candidates_are_one_question_and_neither_is_taken() -> None:
    found = proposed(crm("Staff", label="担当"), crm("Person", label="担 当"), books("cf_staff", label="担当"))
    assert [(one.band, one.crm, field(one).name) for one in found.suggestions] == [
        ("likely", "Person", "staff"), ("likely", "Staff", "staff_2"),
    ]  # fmt: skip
    assert "CRM Staff looks as much like it" in found.suggestions[0].why and found.certain() == ()


def test_an_equal_label_leaves_the_merely_similar_one_out() -> None:
    found = proposed(crm("field1", label="請求先担当"), crm("field2", label="請求担当"), books("cf_1", label="請求先担当"))
    assert [(one.band, one.crm) for one in found.suggestions] == [("certain", "field1")]


def test_similar_labels_and_equal_api_names_are_never_certain() -> None:
    assert only(proposed(crm("Region", label="地域"), books("cf_region", label="エリア"))).band == "likely"
    assert only(proposed(crm("field1", label="請求先担当者"), books("cf_1", label="請求先担当"))).band == "likely"
    assert only(proposed(crm("field1", label="請求先担当"), books("cf_1", label="請求担当"))).band == "doubtful"


def test_generic_api_names_and_differing_numbers_say_nothing() -> None:
    assert proposed(crm("field1", label="地域"), books("cf_field1", label="口座")).suggestions == ()
    assert proposed(crm("Note_1", label="備考1"), books("cf_note_2", label="備考2")).suggestions == ()


def test_our_keys_and_the_crms_own_fields_are_nobodys_partner() -> None:
    taken = (books("cf_modified_time", "date_time", "Modified Time"), books("cf_books_id", label="renkei books id"))
    assert proposed(*taken).suggestions == ()


def test_another_field_that_means_the_tax_number_takes_the_shipped_ones_place() -> None:
    found = proposed(
        crm("field3", label="適格請求書発行事業者登録番号", length=14), books("cf_3", label="インボイス登録番号"),
        without=("Tax_Registration_Number", "cf_tax_registration_number"),
    )  # fmt: skip
    one = only(found)
    assert one.band == "certain" and one.replaces and found.left_out == () and found.match is None
    assert (field(one).name, field(one).crm, field(one).books) == ("tax_registration_number", "field3", "cf_3")
    assert field(one).transform == "tax_registration_number" and field(one).max_length == (("crm", 14),)


def test_a_shipped_field_whose_partner_is_called_otherwise_here_meets_it() -> None:
    found = proposed(
        crm("Tax_Registration_Number", label="登録", length=20),
        books("cf_9", label="登録"),
        without=("cf_tax_registration_number",),
    )
    one = only(found)
    assert one.band == "certain" and field(one).name == "tax_registration_number" and field(one).books == "cf_9"
    assert field(one).transform == "tax_registration_number"


def test_two_pairs_for_the_place_of_one_shipped_field_are_a_question() -> None:
    found = proposed(
        crm("Tax_Registration_Number", "phone", label="電話"), books("cf_9", "phone", label="電話"),
        crm("Other", "email", label="請求メール"), books("cf_tax_registration_number", "email", label="請求メール"),
    )  # fmt: skip
    assert [(one.band, field(one).name) for one in found.suggestions] == [("likely", "tax_registration_number")] * 2
    assert all("another pair" in one.why for one in found.suggestions)


def test_the_halves_of_two_shipped_fields_are_not_joined() -> None:
    assert proposed(crm("Phone", "date", label="地域"), books("cf_crm_owner", "date", label="地域")).suggestions == ()


def test_what_the_mapping_cannot_be_without_is_nobody_elses_field() -> None:
    found = proposed(crm("Account_Name", "email", label="請求メール"), books("cf_9", "email", label="請求メール"))
    assert found.suggestions == () and [one.field for one in found.missing] == ["name"]


def test_a_field_that_books_has_by_itself_is_never_written_unasked() -> None:
    one = only(proposed(crm("Limit", "currency", "与信限度額")))
    assert one.band == "likely" and field(one).books == "credit_limit" and field(one).detail


def test_individuals_further_fields_are_personal() -> None:
    spec = dataclasses.replace(SPEC, name="contacts", crm_module="Contacts")
    found = proposed(crm("Hobby", label="趣味"), books("cf_hobby", label="趣味"), spec=spec)
    assert field(only(found)).personal


def test_a_name_that_is_taken_gets_a_number() -> None:
    one = only(proposed(crm("Name2", label="屋号"), books("cf_name", label="屋号")))
    assert field(one).name == "name_2"
