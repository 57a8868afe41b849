"""Transforms: what a raw value means, how it goes back, and when two values say the same."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renkei.core.transforms import FUNCTIONS, Unreadable, bind
from renkei.core.values import MISSING


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_blank_reads_as_none_and_a_missing_key_stays_missing(name: str) -> None:
    transform = bind(name, "crm")
    assert transform.read(None) is None
    assert transform.read("  ") is None
    assert transform.read(MISSING) is MISSING


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_emptying_a_field_sends_null_to_the_crm_and_an_empty_text_to_books(name: str) -> None:
    assert bind(name, "crm").write(None) is None
    assert bind(name, "books").write(None) == ""


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_an_object_where_a_plain_value_belongs_is_never_guessed(name: str) -> None:
    assert isinstance(bind(name, "crm").read({"id": "1"}), Unreadable)


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("text", "ＡＢＣ  商事", "ABC 商事"),
        ("text", "line one\r\nline two", "line one line two"),
        ("email", "Aiko@Kita.Example", "aiko@kita.example"),
        ("phone", "03-1234-5678", "+81 3 1234 5678"),
        ("phone", "０３（１２３４）５６７８", "03-1234-5678"),
        ("website", "https://www.Kita.example/", "kita.example"),
        ("postal_code", "〒１０１－００４７", "101-0047"),
        ("postal_code", "1010047", "101-0047"),
        ("tax_registration_number", "ｔ1234567890123", "T1234567890123"),
        ("tax_registration_number", "T1-2345-6789-0123", "T1234567890123"),
        ("country", "日本", "Japan"),
        ("country", "JP", "japan"),
        ("currency", "JPY", "JPY"),
    ],
)
def test_two_ways_of_writing_one_value_are_the_same(name: str, a: str, b: str) -> None:
    transform = bind(name, "crm")
    assert transform.same(transform.read(a), transform.read(b))


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("text", "ABC", "abc"),
        ("email", "aiko@kita.example", "aiko@kita2.example"),
        ("phone", "03-1234-5678", "03-1234-5679"),
        ("phone", "03-1234-5678 ext. 12", "03-1234-5678"),
        ("website", "kita.example/JP", "kita.example/jp"),
        ("postal_code", "101-0047", "101-0048"),
        ("country", "日本", "韓国"),
        ("country", "Atlantis", "Lemuria"),
    ],
)
def test_two_different_values_are_not_the_same(name: str, a: str, b: str) -> None:
    transform = bind(name, "crm")
    assert not transform.same(transform.read(a), transform.read(b))


@pytest.mark.parametrize("name", ["text", "phone", "website", "postal_code", "tax_registration_number", "country"])
def test_a_text_is_stored_as_it_was_typed(name: str) -> None:
    assert bind(name, "crm").read("  ＡＢＣ  １２３  ") == "ＡＢＣ  １２３"


def test_a_value_that_says_the_same_already_is_not_rewritten() -> None:
    transform = bind("phone", "books", options={"region": "JP"})
    assert transform.write("03-1234-5678", "+81 3-1234-5678") == "+81 3-1234-5678"
    assert transform.write("03-1234-5678", "03-0000-0000") == "03-1234-5678"


def test_a_phone_number_is_read_in_the_form_of_its_region() -> None:
    japan, germany = bind("phone", "crm", options={"region": "JP"}), bind("phone", "crm", options={"region": "DE"})
    assert japan.same("03-1234-5678", "+81312345678")
    assert not germany.same("03-1234-5678", "+81312345678")


@pytest.mark.parametrize("raw", ["aiko", "aiko@", "aiko@kita", "a..b@kita.example", "aiko@kita.local", "a b@kita.example"])
def test_what_is_no_email_address_is_unreadable(raw: str) -> None:
    read = bind("email", "crm").read(raw)
    assert isinstance(read, Unreadable) and read.raw == raw and "e-mail" in read.why


@pytest.mark.parametrize("raw", ["aiko@kita.example", "a.b+c@x-y.co.jp", "山田@例え.jp", "o'neil@kita.example"])
def test_an_email_address_of_valid_form_is_read_as_typed(raw: str) -> None:
    assert bind("email", "crm").read(raw) == raw


@pytest.mark.parametrize(
    ("raw", "value"),
    [(0.1, "0.1"), (1e-7, "0.0000001"), (90000, "90000"), ("１２３.５０", "123.5"), (Decimal("1.10"), "1.1"), (-0.5, "-0.5")],
)
def test_an_amount_is_exactly_what_was_on_the_wire(raw: Any, value: str) -> None:
    assert bind("decimal", "crm").read(raw) == Decimal(value)


@pytest.mark.parametrize("raw", [True, "1,200", "12 yen", "NaN", float("inf"), "1.2.3"])
def test_an_amount_that_could_mean_two_things_is_unreadable(raw: Any) -> None:
    assert isinstance(bind("decimal", "books").read(raw), Unreadable)


def test_an_amount_with_more_digits_than_json_holds_is_refused_and_not_rounded() -> None:
    transform = bind("decimal", "books")
    assert isinstance(transform.write(Decimal("0.12345678901234567890")), Unreadable)
    assert transform.write(Decimal("10.50")) == 10.5
    whole = transform.write(Decimal("12345678901234567890"))
    assert whole == 12345678901234567890 and isinstance(whole, int)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_an_amount_survives_the_way_there_and_back(value: Decimal) -> None:
    transform = bind("decimal", "books")
    assert transform.read(transform.write(value)) == value


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_text_survives_the_way_there_and_back(raw: str) -> None:
    transform = bind("text", "books")
    value = transform.read(raw)
    assert transform.read(transform.write(value)) == value


def test_active_is_true_in_the_crm_and_a_word_in_books() -> None:
    crm, books = bind("active_flag", "crm"), bind("active_flag", "books")
    assert (crm.read(True), books.read("inactive")) == (True, False)
    assert (crm.write(False), books.write(True)) == (False, "active")
    assert isinstance(books.read("crm"), Unreadable)


def test_a_choice_outside_its_value_map_is_unreadable_on_both_ways() -> None:
    values = (("Ms.", "Ms"), ("Mr.", "Mr"))
    crm, books = bind("choice", "crm", values=values), bind("choice", "books", values=values)
    assert books.read("Ms") == crm.read("Ms.") == "Ms."
    assert (crm.write("Mr."), books.write("Mr.")) == ("Mr.", "Mr")
    assert isinstance(books.read("Dr"), Unreadable)
    assert isinstance(books.write("Dr."), Unreadable)


def test_an_owner_who_is_in_no_table_is_unreadable_and_not_blank() -> None:
    transform = bind("lookup", "crm", table={"111": "aiko@kita.example"})
    assert transform.read("111") == "aiko@kita.example"
    assert transform.write("aiko@kita.example") == "111"
    assert isinstance(transform.read("222"), Unreadable)
    assert isinstance(transform.write("ken@kita.example"), Unreadable)


def test_books_is_written_the_currency_id_and_read_by_its_code() -> None:
    transform = bind("currency", "books", table={"460000000000097": "JPY"})
    assert transform.read("JPY") == "JPY"
    assert transform.write("JPY") == "460000000000097"
    assert isinstance(transform.write("EUR"), Unreadable)
    assert bind("currency", "crm").write("EUR") == "EUR"


def test_a_date_is_a_day_of_the_calendar() -> None:
    transform = bind("date", "crm")
    assert transform.read("2026-02-28") == date(2026, 2, 28)
    assert transform.write(date(2026, 2, 28)) == "2026-02-28"
    assert isinstance(transform.read("2026-02-30"), Unreadable)
    assert isinstance(transform.read("28/02/2026"), Unreadable)


def test_missing_and_unreadable_are_the_same_as_nothing_not_even_themselves() -> None:
    transform = bind("text", "crm")
    assert not transform.same(MISSING, MISSING)
    assert not transform.same(Unreadable("x", "y"), Unreadable("x", "y"))
    assert transform.same(None, None)
    assert not transform.same(None, "x")


def test_a_column_keeps_values_of_equal_hash_but_different_type_apart() -> None:
    column = pd.Series([1, True, 1.0, "1", None, MISSING, [1]], dtype=object)
    read = bind("decimal", "crm").read_column(column).tolist()
    assert read[0] == read[2] == read[3] == Decimal(1)
    assert isinstance(read[1], Unreadable) and isinstance(read[6], Unreadable)
    assert read[4] is None and read[5] is MISSING


def test_a_column_reads_as_its_values_one_by_one() -> None:
    transform = bind("email", "crm")
    raws = ["a@x.example", " a@x.example ", "nonsense", None, "", MISSING, "A@X.example"]
    column = pd.Series(raws, index=range(10, 17), dtype=object)
    read = transform.read_column(column)
    assert read.tolist() == [transform.read(raw) for raw in raws]
    assert list(read.index) == list(column.index)
