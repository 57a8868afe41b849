"""What is missing, decided without asking anybody: two small organisations and the list that follows."""

from __future__ import annotations

import dataclasses

import pytest

from renkei.config.project import load_project
from renkei.core.connection import ConnectionSpec, Hosts, SideSettings
from renkei.core.mapping import DOCUMENT_FIELDS, RECEIVABLE_FIELDS, SummariesSpec
from renkei.core.preparing import (
    Needs,
    NewField,
    NewModule,
    Standing,
    TakenRights,
    can_be_made,
    keyed_documents,
    needs,
    published,
    published_field,
)
from renkei.core.records import FieldMeta, Profile
from renkei.house import Settings

SUMMARIES: SummariesSpec = load_project(Settings.from_environment({})).summaries[""]
NOWHERE = SideSettings(Hosts("", ""), "", "")
SPEC = ConnectionSpec("kita", "UTC", NOWHERE, NOWHERE, "books", "1", publish_documents=False)
KEY = FieldMeta("renkei_books_id", "text", 50, True, True, False)
WRITES = ("Create", "Edit", "Delete")


def profile(name: str, *rights: str, fixed: bool = False) -> Profile:
    given = frozenset(("Renkei_Receivables", right) for right in rights)
    return Profile(name, name, given | {("Invoices", "View")}, given if fixed else frozenset())


def module_fields() -> dict[str, FieldMeta]:
    names = [api_name for _, api_name in SUMMARIES.receivable_fields]
    found = {name: FieldMeta(name, "text", 120, False, True, False) for name in names}
    return found | {SUMMARIES.key: FieldMeta(SUMMARIES.key, "text", 120, True, True, False)}


def standing(*profiles: Profile, there: bool = True, **fields: FieldMeta) -> Standing:
    known = {("crm", "Accounts"): {"renkei_books_id": KEY, **fields}}
    if there:
        known["crm", "Renkei_Receivables"] = module_fields()
    return Standing(known, {"Renkei_Receivables": [one.id for one in profiles]} if there else {}, profiles, "Administrator")


def missing(spec: ConnectionSpec, state: Standing) -> Needs:
    return needs(spec, SUMMARIES, ["Accounts"], [], state)


def given(*profiles: str) -> ConnectionSpec:
    return dataclasses.replace(SPEC, permissions=tuple((one, (("receivables", ("view",)),)) for one in profiles))


def test_every_published_field_that_ships_can_be_made_under_its_name() -> None:
    spec = dataclasses.replace(SPEC, publish_documents=True)
    pairs = [(one.module, *pair) for one in published(spec, SUMMARIES) for pair in one.fields]
    assert {name for _, name, _ in pairs} == {*RECEIVABLE_FIELDS, *DOCUMENT_FIELDS}
    assert all(can_be_made(api_name) for _, _, api_name in pairs)
    kinds = {name: published_field(*one).data_type for one in pairs for name in [one[1]]}
    doubles = {name for name, kind in kinds.items() if kind == "double"}
    assert doubles == {
        "invoiced", "settled", "balance", "overdue", "age_current", "age_1_30", "age_31_60", "age_61_90", "age_over_90", "total",
    }  # fmt: skip


def test_an_organisation_that_has_everything_needs_nothing() -> None:
    assert missing(SPEC, standing(profile("Standard", "View", *WRITES))) == Needs((), ())


def test_a_module_is_shown_to_our_own_profile_and_those_that_may_see_it_who_may_not_write() -> None:
    found = missing(given("Finance"), standing(profile("Administrator"), profile("Standard"), profile("Finance"), there=False))
    module, *fields, rights = found.steps
    shown = (("Administrator", "Administrator"), ("Finance", "Finance"))
    assert module == NewModule("Renkei_Receivables", "Renkei Receivable", "Renkei Receivables", shown)
    assert [one.unique for one in fields if isinstance(one, NewField)] == [True] + [False] * (len(RECEIVABLE_FIELDS) - 1)
    assert rights == TakenRights("Finance", "Finance", "Renkei_Receivables", WRITES)


def test_who_sees_more_than_his_right_loses_it_and_what_nobody_can_change_is_a_click() -> None:
    state = standing(profile("Standard", "View", "Edit"), profile("Owner", "View", fixed=True), profile("Finance", "View"))
    found = missing(given("Finance"), state)
    assert found.steps == (TakenRights("Standard", "Standard", "Renkei_Receivables", ("View", "Edit")),)
    assert [one.wrong for one in found.clicks] == ["Owner may view Renkei_Receivables"]


def test_who_may_not_view_the_invoices_tab_is_not_shown_what_is_published() -> None:
    blind = Profile("Finance", "Finance", frozenset())
    module = missing(given("Finance"), standing(profile("Administrator"), blind, there=False)).steps[0]
    assert isinstance(module, NewModule) and [name for _, name in module.profiles] == ["Administrator"]


def test_documents_that_renkei_makes_need_our_key_in_books() -> None:
    assert keyed_documents(given("Finance")) == []
    assert keyed_documents(dataclasses.replace(SPEC, deals="invoices")) == ["invoices"]
    may = (("Sales", (("sales_orders", ("view", "create")), ("estimates", ("view",)))),)
    assert keyed_documents(dataclasses.replace(SPEC, permissions=may, deals="estimates")) == ["estimates", "salesorders"]


def test_without_permissions_nobody_loses_anything() -> None:
    assert missing(SPEC, standing(profile("Standard", "View", "Edit"))) == Needs((), ())


@pytest.mark.parametrize("name", ["renkei__books_id", "renkei_books_id_", "renkei_books_id_of_a_long_name", "連携"])
def test_a_name_that_no_label_gives_is_a_click(name: str) -> None:
    found = missing(dataclasses.replace(SPEC, crm_key=name), standing())
    assert found.steps == () and f"Accounts has no {name}" in found.clicks[0].wrong and name in found.clicks[0].fix


def test_a_field_that_is_there_and_wrong_is_never_made_again() -> None:
    found = missing(SPEC, standing(renkei_books_id=dataclasses.replace(KEY, unique=False, length=10)))
    assert found.steps == ()
    assert found.clicks[0].wrong == "Accounts.renkei_books_id allows duplicates and takes 10 characters, 19 are needed"
