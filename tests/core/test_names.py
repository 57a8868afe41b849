"""Specification of compare keys: what is the same written differently, and what only looks the same."""

from __future__ import annotations

import pytest

from renkei.core.names import (
    NORMALISERS,
    LegalForm,
    confusable_key,
    form_of,
    is_corporate_number,
    legal_name,
    phone_in,
    split_form,
)


@pytest.mark.parametrize(
    ("name", "form", "place"),
    [
        ("株式会社山田", "kk", "front"),
        ("㈱山田", "kk", "front"),
        ("（株）山田", "kk", "front"),
        ("山田㍿", "kk", "behind"),
        ("山田　株式会社", "kk", "behind"),
        ("カ)ヤマダ", "kk", "front"),
        ("ヤマダ(カ", "kk", "behind"),
        ("ヤマダ カブシキガイシャ", "kk", "behind"),
        ("K.K. Yamada", "kk", "front"),
        ("Yamada K. K.", "kk", "behind"),
        ("㈲山田", "yk", "front"),
        ("山田有限会社", "yk", "behind"),
        ("合同会社山田", "gk", "front"),
        ("合資会社山田", "goshi", "front"),
        ("合名会社山田", "gomei", "front"),
        ("一般社団法人山田", "ippan_shadan", "front"),
        ("学校法人山田", "gakko", "front"),
        ("Acme Ltd.", "ltd", "behind"),
        ("Acme LIMITED", "ltd", "behind"),
        ("Acme Co., Ltd.", "co_ltd", "behind"),
        ("Acme, Inc.", "inc", "behind"),
        ("Acme Corporation", "corp", "behind"),
        ("Acme G.m.b.H.", "gmbh", "behind"),
        ("Acme GmbH & Co. KG", "gmbh_co_kg", "behind"),
        ("Acme S. A.", "sa", "behind"),
        ("Acme (Pvt) Ltd", "pvt_ltd", "behind"),
        ("Acme L.L.C.", "llc", "behind"),
    ],
)
def test_the_legal_form_and_its_place_are_split_off_and_kept(name: str, form: str, place: str) -> None:
    assert form_of(name) == LegalForm(form, place)  # type: ignore[arg-type]
    assert legal_name(name) in ("山田", "ヤマダ", "yamada", "acme")


@pytest.mark.parametrize("name", ["株式会社", "Limited", "Acme", "山田", "Incubator", "カナダ(カルガリー)支店", "Coco"])
def test_a_name_without_a_form_or_of_nothing_else_stays_whole(name: str) -> None:
    words, form = split_form(name)
    assert form is None and words


def test_a_branch_behind_the_form_stays_part_of_the_name() -> None:
    assert split_form("日本電気株式会社 東京支店") == ("日本電気 東京支店", LegalForm("kk", "behind"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＡＢＣ商会", "abc商会"),
        ("ｿﾆｯｸ", "ソニック"),
        ("さくら", "サクラ"),
        ("サ－バ－", "サーバー"),
        ("サ―バ‐", "サーバー"),
        ("アルプス・商会", "アルプス商会"),
        ("山田 太郎", "山田　太郎"),
        ("A & B", "A and B"),
        ("Café Zürich", "CAFE ZURICH"),
        ("Straße", "STRASSE"),
        ("O’Hara", "O'Hara"),
        ("Semi-Conductor", "Semi Conductor"),
    ],
)
def test_width_kana_dashes_accents_marks_and_spaces_do_not_count(one: str, other: str) -> None:
    assert NORMALISERS["text"](one) == NORMALISERS["text"](other)


@pytest.mark.parametrize(
    "pair", [("ビール", "ビル"), ("ハート", "バート"), ("パン", "バン"), ("山田商事", "山田商店"), ("A-1", "A-2")]
)
def test_long_marks_voiced_marks_and_characters_do_count(pair: tuple[str, str]) -> None:
    assert NORMALISERS["text"](pair[0]) != NORMALISERS["text"](pair[1])
    assert confusable_key(pair[0]) != confusable_key(pair[1])


@pytest.mark.parametrize(
    "pair",
    [
        *[
            ("ニシ", "二シ"),
            ("タケ", "夕ケ"),
            ("エム", "工ム"),
            ("ロカ", "口カ"),
            ("カモ", "力モ"),
            ("ハチ", "八チ"),
            ("トミ", "卜ミ"),
        ],
        *[("キヤノン", "キャノン"), ("髙橋", "高橋"), ("渡邉", "渡辺"), ("ソニー", "ソニ一"), ("ヱビス", "エビス")],
    ],
)
def test_look_alikes_are_equal_only_under_the_confusable_key(pair: tuple[str, str]) -> None:
    assert legal_name(pair[0]) != legal_name(pair[1])
    assert confusable_key(pair[0]) == confusable_key(pair[1])


@pytest.mark.parametrize(
    "text",
    ["03-1234-5678", "０３（１２３４）５６７８", "(03)1234-5678", "+81 3 1234 5678", "+81 (0)3-1234-5678", "0312345678 内線12"],
)
def test_one_phone_in_every_spelling(text: str) -> None:
    assert NORMALISERS["phone"](text) == "+81312345678"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("010-1-212-555-1234", "+12125551234"),
        ("+1 (212) 555-1234 ext. 9", "+12125551234"),
        ("000-0000-0000", None),
        ("12345", None),
        ("none", None),
        ("+999 123 456 789", "999123456789"),
    ],
)
def test_phones_abroad_placeholders_and_what_no_plan_knows(text: str, key: str | None) -> None:
    assert NORMALISERS["phone"](text) == key


def test_a_number_without_plus_belongs_to_the_given_region() -> None:
    assert phone_in("GB")("020 7946 0018") == "+442079460018"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("T7000012050002", "T7000012050002"),
        ("Ｔ７０００-０１２０-５０００２", "T7000012050002"),
        ("7000012050002", "T7000012050002"),
        ("T7000012050003", "T7000012050003"),  # a sole trader's number has no check digit
        ("7000012050003", None),
        ("T700001205000", None),
        ("T0000000000000", None),
        ("DE 123 456 789", "DE123456789"),
        ("n/a", None),
        ("applied for", None),
    ],
)
def test_a_tax_number_has_its_form_or_is_none(text: str, key: str | None) -> None:
    assert NORMALISERS["tax_number"](text) == key


def test_only_corporate_numbers_have_a_check_digit() -> None:
    assert is_corporate_number("T7000012050002") and is_corporate_number("７００００１２０５０００２")
    assert not is_corporate_number("T7000012050003") and not is_corporate_number("x")


@pytest.mark.parametrize(
    ("normaliser", "text", "key"),
    [
        ("email", " Taro@Yamada.CO.jp ", "taro@yamada.co.jp"),
        ("email", "taro@yamada", None),
        ("email", "a@b.jp; c@d.jp", None),
        ("email", "taro..y@x.jp", None),
        ("domain", "https://www.Yamada.co.jp/about?x=1", "yamada.co.jp"),
        ("domain", "taro@yamada.co.jp", "yamada.co.jp"),
        ("domain", "taro@gmail.com", None),
        ("domain", "taro@docomo.ne.jp", None),
        ("domain", "unknown", None),
        ("postal_code", "〒１００－０００１", "1000001"),
        ("postal_code", "wa1 1dp", "WA11DP"),
        ("postal_code", "-", None),
        ("sku", "AB－12 x", "ab12x"),
        ("sku", " - ", None),
        ("sku", "A\u00b4", "\u00e1"),
        ("sku_confusable", "AB-1O", "ab10"),
        ("person_name", "山田太郎 様", "山田太郎"),
        ("person_name", "Mr. Thomas James", "thomasjames"),
        ("name_head", "株式会社山田商店3", "山田|3"),
        ("name_tail", "Northwind Traders 12", "sred|21"),
        ("name_words", "Reggiani Caseifici", "caseifici reggiani"),
    ],
)
def test_the_other_keys(normaliser: str, text: str, key: str | None) -> None:
    assert NORMALISERS[normaliser](text) == key


@pytest.mark.parametrize("name", sorted(NORMALISERS))
def test_a_blank_has_no_key(name: str) -> None:
    assert NORMALISERS[name]("  ") is None
