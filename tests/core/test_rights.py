"""Roles, rights and what each command needs, as tables; what a CRM profile may do with documents."""

from __future__ import annotations

from typing import Any

import pytest

from renkei.core.errors import NotAllowed
from renkei.core.rights import (
    ACTS,
    ALL,
    NEEDS,
    RIGHTS,
    ROLES,
    TAB,
    denial,
    document_rights,
    everybody_may,
    in_full,
    require,
    rights_of,
    roles_of,
)

TEAM = (
    ("viewer", ("os:vera",)),
    ("mapper", ("max",)),
    ("operator", ("otto", "token:ci")),
    ("approver", ("anna",)),
    ("auditor", ("aura",)),
    ("administrator", ("os:ada",)),
)
WHO = {"viewer": "os:vera", "mapper": "os:max", "operator": "os:otto", "approver": "os:anna", "auditor": "os:aura"}

# What people expect, written down apart from the code: command → the roles that may, beside the administrator.
MAY = {
    "mapping propose": "mapper", "plan": "mapper operator approver", "plan show": "viewer mapper operator approver auditor",
    "apply": "operator approver", "apply --release": "approver", "sync": "operator", "publish": "operator",
    "status": "viewer mapper operator approver auditor", "doctor": "viewer mapper operator approver auditor",
    "runs": "viewer mapper operator approver auditor", "runs list": "viewer mapper operator approver auditor",
    "runs show": "viewer mapper operator approver auditor", "why": "viewer mapper operator approver auditor",
    "holds": "viewer mapper operator approver auditor", "holds list": "viewer mapper operator approver auditor",
    "holds decide": "operator approver",
    "quarantine": "viewer mapper operator approver auditor", "quarantine list": "viewer mapper operator approver auditor",
    "quarantine show": "viewer mapper operator approver auditor",
    "quarantine replay": "operator approver", "quarantine discard": "operator approver",
    "links": "viewer mapper operator approver auditor", "links list": "viewer mapper operator approver auditor",
    "links export": "operator auditor", "links import": "operator approver", "ledger verify": "operator auditor",
    "ledger backup": "operator auditor", "ledger migrate": "operator", "ledger restore": "",
    "ledger erase": "auditor",
    "connect": "", "prepare": "", "switch-organization": "", "disconnect": "", "pause": "operator", "resume": "operator",
    "resume --reconnect": "", "deploy": "operator",
    "flow hourly": "operator", "flow nightly": "operator", "flow record": "operator", "flow apply": "operator",
    "flow fleet": "operator", "flow replay": "operator", "flow documents": "operator",
    "documents list": "viewer mapper operator approver auditor", "documents show": "viewer mapper operator approver auditor",
    "documents summary": "viewer mapper operator approver auditor", "documents refresh": "operator",
    "documents attach": "operator", "documents detach": "operator",
    "documents pdf": "viewer mapper operator approver auditor", "documents email": "viewer mapper operator approver auditor",
    "documents email --send": "operator", "documents create": "operator", "documents edit": "operator",
    "watch": "viewer mapper operator approver auditor",
    "flow apply --release": "approver", "undo": "operator approver",
    **{
        f"{shown} --show-personal": "operator approver auditor"
        for shown in (
            "plan", "plan show", "undo", "runs show", "why", "holds", "holds list", "quarantine", "quarantine list",
            "quarantine show",
        )
    },
}  # fmt: skip
FREE = {"check", "policy show", "mapping schema", "mapping functions", "demo", "sandbox serve"}


def test_each_command_and_flow_has_its_line_in_the_table() -> None:
    assert set(MAY) | FREE == set(NEEDS) and {name for name, rights in NEEDS.items() if not rights} == FREE


@pytest.mark.parametrize("role", WHO)
@pytest.mark.parametrize("command", MAY)
def test_a_role_may_do_what_people_expect_of_it_and_nothing_else(command: str, role: str) -> None:
    words, option, _ = command.partition(" --release")
    rights = set(NEEDS[command])
    assert bool(rights_of(TEAM, WHO[role]) & rights) == (role in MAY[command].split())
    if not option:
        if role in MAY[command].split():
            require("acme", TEAM, WHO[role], words)
        else:
            with pytest.raises(NotAllowed) as denied:
                require("acme", TEAM, WHO[role], words)
            assert denied.value.exit_code == 3 and "os:ada (administrator)" in denied.value.fix


@pytest.mark.parametrize("command", [*MAY, *sorted(FREE)])
def test_an_administrator_may_do_everything_and_a_stranger_nothing_that_needs_a_right(command: str) -> None:
    words, _, option = command.partition(" --")
    options = [f"--{option}"] if option else []
    require("acme", TEAM, "os:ada", words, options)
    if command in FREE:
        require("acme", TEAM, "os:stranger", words, options)
    else:
        with pytest.raises(NotAllowed):
            require("acme", TEAM, "os:stranger", words, options)


def test_an_operator_applies_a_plan_but_does_not_release_its_brake() -> None:
    require("acme", TEAM, "os:otto", "apply")
    with pytest.raises(NotAllowed) as denied:
        require("acme", TEAM, "os:otto", "apply", ["--release"])
    assert "apply --release" in denied.value.what and denied.value.roles == ("approver", "administrator")


def test_a_token_holds_its_own_roles_and_a_name_alone_is_a_user_of_the_machine() -> None:
    assert roles_of(TEAM, "token:ci") == {"operator"} and roles_of(TEAM, "os:ci") == set()
    assert roles_of(TEAM, "os:max") == roles_of(TEAM, "max") == {"mapper"}
    assert in_full("max") == "os:max" and in_full("token:ci") == "token:ci"


def test_a_deployment_that_no_role_names_is_an_operator_and_one_that_is_named_is_what_it_is_named() -> None:
    assert roles_of(TEAM, "deployment:nightly") == {"operator"}
    named = (*TEAM, ("approver", ("deployment:apply",)))
    assert roles_of(named, "deployment:apply") == {"approver"}
    assert roles_of((*TEAM, ("viewer", ("deployment:record",))), "deployment:record") == {"viewer"}


def test_without_roles_everybody_holds_all_of_them() -> None:
    assert everybody_may(None) and not everybody_may(TEAM)
    assert rights_of(None, "os:anyone") == ALL and roles_of(None, "os:anyone") == set(ROLES)


def test_only_an_administrator_administers() -> None:
    assert [role for role in ROLES if "administer" in RIGHTS[role]] == ["administrator"]


def test_a_command_that_declares_no_right_is_refused_to_everybody() -> None:
    with pytest.raises(KeyError):
        require("acme", None, "os:ada", "unheard of")


# ------------------------------------------------------------------------------------------------------- CRM profiles

EVERYTHING = {(TAB, word) for word in ("View", "Create", "Edit", "Delete")}
PERMISSIONS = (
    ("Sales", (("invoices", ("view", "create", "email")), ("receivables", ("view",)))),
    ("Support", (("invoices", ("view",)), ("purchase_orders", ("view", "email")))),
    ("Back office", (("invoices", ("create",)),)),
)


@pytest.mark.parametrize(
    ("profile", "kind", "in_crm", "may"),
    [
        ("Sales", "invoices", EVERYTHING, "show pdf email create edit void"),
        ("Sales", "invoices", {(TAB, "View")}, "show pdf email"),
        ("Sales", "invoices", {(TAB, "View"), (TAB, "Create")}, "show pdf email create"),
        ("Sales", "invoices", {(TAB, "View"), (TAB, "Edit")}, "show pdf email edit"),
        ("Sales", "invoices", {(TAB, "Delete")}, "void"),
        ("Sales", "invoices", {("Accounts", "View"), ("Invoices_Copy", "View")}, ""),
        ("Sales", "invoices", set(), ""),
        ("Sales", "receivables", EVERYTHING, "show pdf"),
        ("Sales", "estimates", EVERYTHING, ""),
        ("Support", "invoices", EVERYTHING, "show pdf"),
        ("Support", "purchase_orders", EVERYTHING, "show pdf email"),
        ("Back office", "invoices", EVERYTHING, "create edit void"),
        ("Administrator", "invoices", EVERYTHING, ""),
        ("", "invoices", EVERYTHING, ""),
    ],
)
def test_a_crm_user_may_do_the_lesser_of_both_rights(profile: str, kind: str, in_crm: set[tuple[str, str]], may: str) -> None:
    assert document_rights(PERMISSIONS, profile, kind, in_crm) == set(may.split())


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("profile", ["Sales", "Support", "Administrator"])
def test_a_denial_says_which_right_is_lacking_exactly_where_there_is_none(profile: str, act: Any) -> None:
    for kind in ("invoices", "estimates"):
        for in_crm in (EVERYTHING, {(TAB, "View")}, set()):
            may = act in document_rights(PERMISSIONS, profile, kind, in_crm)
            why = denial(PERMISSIONS, profile, kind, act, in_crm)
            assert (why is None) == may
    assert denial(PERMISSIONS, "Administrator", "invoices", act, EVERYTHING) == ("profile_not_named", ACTS[act][0])
    assert denial(PERMISSIONS, "Sales", "estimates", act, EVERYTHING) == ("permission_missing", ACTS[act][0])
    assert denial(PERMISSIONS, "Sales", "invoices", act, set()) == ("crm_tab", ACTS[act][1])


def test_without_permissions_no_profile_may_do_anything() -> None:
    assert all(document_rights((), "Sales", kind, EVERYTHING) == set() for kind in ("invoices", "receivables"))
    assert set(ACTS) == {"show", "pdf", "email", "create", "edit", "void"}
