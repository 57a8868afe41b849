"""Rights: which role may do what, which right each command and flow needs, and what a CRM profile may do with documents.

Actors are `os:NAME` (a user of this machine; NAME alone means the same), `token:NAME` and `deployment:FLOW`. A connection
without a `roles:` section knows no roles: every user of the machine holds every right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

from renkei.core.errors import NotAllowed

Role = Literal["viewer", "mapper", "operator", "approver", "auditor", "administrator"]
Right = Literal["read", "map", "run", "decide", "release", "audit", "administer"]
Roles = tuple[tuple[str, tuple[str, ...]], ...]  # (role, actors)

ROLES: tuple[Role, ...] = get_args(Role)
ALL: frozenset[Right] = frozenset(get_args(Right))

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "viewer": frozenset({"read"}),
    "mapper": frozenset({"read", "map"}),
    "operator": frozenset({"read", "run", "decide"}),
    "approver": frozenset({"read", "decide", "release"}),
    "auditor": frozenset({"read", "audit"}),
    "administrator": ALL,
}

ANYBODY: tuple[Right, ...] = ()
READ: tuple[Right, ...] = ("read",)
PERSONAL: tuple[Right, ...] = ("decide", "audit")  # who answers for a record or examines it; not who looks or edits mappings
RUN: tuple[Right, ...] = ("run",)
ADMINISTER: tuple[Right, ...] = ("administer",)

# Command or flow → the rights of which one is needed. `COMMAND --OPTION`: needed besides, where the option is given.
# One that is not here is refused to everybody, and a test names it.
NEEDS: Mapping[str, tuple[Right, ...]] = {
    "check": ANYBODY,
    "policy show": ANYBODY,
    "mapping schema": ANYBODY,
    "mapping functions": ANYBODY,
    "demo": ANYBODY,  # an imitated world of its own
    "sandbox serve": ANYBODY,
    "plan": ("map", "run", "release"),
    "plan --show-personal": PERSONAL,
    "plan show": READ,
    "plan show --show-personal": PERSONAL,
    "apply": ("run", "release"),
    "apply --release": ("release",),
    "undo": ("run", "release"),
    "undo --show-personal": PERSONAL,
    "sync": RUN,
    "publish": RUN,
    "status": READ,
    "watch": READ,
    "runs": READ,
    "runs list": READ,
    "runs show": READ,
    "runs show --show-personal": PERSONAL,
    "why": READ,
    "why --show-personal": PERSONAL,
    "holds": READ,
    "holds list": READ,
    "holds --show-personal": PERSONAL,
    "holds list --show-personal": PERSONAL,
    "holds decide": ("decide",),
    "quarantine": READ,
    "quarantine list": READ,
    "quarantine --show-personal": PERSONAL,
    "quarantine list --show-personal": PERSONAL,
    "quarantine show": READ,
    "quarantine show --show-personal": PERSONAL,
    "quarantine replay": ("decide",),
    "quarantine discard": ("decide",),
    "links": READ,
    "links list": READ,
    "links export": ("audit", "run"),
    "links import": ("decide",),
    "mapping propose": ("map",),
    "ledger verify": ("audit", "run"),
    "ledger erase": ("audit", "administer"),
    "ledger backup": ("audit", "run"),
    "ledger migrate": RUN,
    "ledger restore": ADMINISTER,
    "connect": ADMINISTER,
    "prepare": ADMINISTER,
    "doctor": READ,
    "pause": RUN,
    "resume": RUN,
    "resume --reconnect": ADMINISTER,
    "deploy": RUN,
    "disconnect": ADMINISTER,
    "switch-organization": ADMINISTER,
    "documents list": READ,
    "documents show": READ,
    "documents summary": READ,
    "documents refresh": RUN,
    "documents attach": RUN,
    "documents detach": RUN,
    "documents create": RUN,
    "documents edit": RUN,
    "documents pdf": READ,
    "documents email": READ,
    "documents email --send": RUN,
    "flow hourly": RUN,
    "flow nightly": RUN,
    "flow record": RUN,
    "flow apply": RUN,
    "flow replay": RUN,
    "flow documents": RUN,
    "flow fleet": RUN,
    "flow apply --release": ("release",),
}
FLOWS = tuple(name for kind, _, name in (one.partition(" ") for one in NEEDS) if kind == "flow" and " " not in name)


def in_full(actor: str) -> str:
    """`os:NAME` for a NAME alone."""
    return actor if ":" in actor else f"os:{actor}"


def person_of(actor: str) -> str:
    """Whom an actor's name stands for, however he came in: `os:tanaka`, `token:tanaka` and `Tanaka` are one person."""
    return actor.rpartition(":")[2].strip().casefold()


def roles_of(roles: Roles | None, actor: str) -> frozenset[Role]:
    """The roles that an actor holds. A deployment that no role names is an operator."""
    if roles is None:
        return frozenset(ROLES)
    held = frozenset(role for role in ROLES for name, actors in roles if name == role and in_full(actor) in map(in_full, actors))
    return frozenset({"operator"}) if not held and actor.startswith("deployment:") else held


def rights_of(roles: Roles | None, actor: str) -> frozenset[Right]:
    """Everything that an actor may do."""
    return frozenset(right for role in roles_of(roles, actor) for right in RIGHTS[role])


def needed(command: str, options: Collection[str] = ()) -> list[tuple[str, tuple[Right, ...]]]:
    """(what, the rights of which one is needed), for the command and for those of its options that ask for more.

    KeyError for a command that declares none.
    """
    asked = [(command, NEEDS[command])]
    return asked + [(what, NEEDS[what]) for one in sorted(options) if (what := f"{command} {one}") in NEEDS]


def require(connection: str, roles: Roles | None, actor: str, command: str, options: Collection[str] = ()) -> None:
    """Raises NotAllowed where the actor lacks a right that the command needs."""
    mine = rights_of(roles, actor)
    for what, rights in needed(command, options):
        if rights and not mine & set(rights):
            fitting = [role for role in ROLES if RIGHTS[role] & set(rights)]
            holders = [f"{one} ({role})" for role, actors in roles or () if role in fitting for one in map(in_full, actors)]
            raise NotAllowed(connection, in_full(actor), what, fitting, holders)


def everybody_may(roles: Roles | None) -> bool:
    """Whether the connection knows no roles, so that every user of the machine holds all of them: doctor says so."""
    return roles is None


# ------------------------------------------------------------------------------------------------------- CRM profiles

DocumentAct = Literal["show", "pdf", "email", "create", "edit", "void"]
Permissions = Sequence[tuple[str, Sequence[tuple[str, Sequence[str]]]]]  # (profile, (kind of document, verbs))

TAB = "Invoices"  # the CRM's own tab whose rights bound ours
# act → (verb of `permissions`, right on the CRM's tab); product.md section 4
ACTS: Mapping[DocumentAct, tuple[str, str]] = {
    "show": ("view", "View"),
    "pdf": ("view", "View"),
    "email": ("email", "View"),
    "create": ("create", "Create"),
    "edit": ("create", "Edit"),
    "void": ("create", "Delete"),
}


KINDS = ("estimates", "sales_orders", "invoices", "purchase_orders")  # of documents, as `permissions` spell them
RECEIVABLES = "receivables"  # what `permissions` call the summary
MODULES: Mapping[str, str] = {  # kind → module of Books
    "estimates": "estimates", "sales_orders": "salesorders", "invoices": "invoices", "purchase_orders": "purchaseorders",
}  # fmt: skip
BOOKS_ONLY = frozenset({"sales_orders", "purchase_orders"})  # Zoho Invoice has none


def kind_of(module: str) -> str | None:
    """The kind of document that a module of Books holds, or None."""
    return next((kind for kind, one in MODULES.items() if one == module), None)


def document_rights(
    permissions: Permissions, profile: str, kind: str, in_crm: Collection[tuple[str, str]]
) -> frozenset[DocumentAct]:
    """What a CRM user of this profile may do with a kind of document: the lesser of both rights.

    kind     estimates, invoices, sales_orders, purchase_orders or receivables
    in_crm   (module, View | Create | Edit | Delete) as the CRM tells of the profile
    """
    verbs = {verb for name, kinds in permissions if name == profile for one, given in kinds if one == kind for verb in given}
    return frozenset(act for act, (verb, right) in ACTS.items() if verb in verbs and (TAB, right) in in_crm)


def denial(
    permissions: Permissions, profile: str, kind: str, act: DocumentAct, in_crm: Collection[tuple[str, str]]
) -> tuple[str, str] | None:
    """Why `document_rights` do not hold this act: (reason, the right that is lacking), or None where they do.

    The reason is profile_not_named, permission_missing (a verb of `permissions`) or crm_tab (a right on the CRM's tab).
    """
    verb, right = ACTS[act]
    if profile not in {name for name, _ in permissions}:
        return "profile_not_named", verb
    if act in document_rights(permissions, profile, kind, in_crm):
        return None
    given = act in document_rights(permissions, profile, kind, _ALL_OF_TAB)
    return ("crm_tab", right) if given else ("permission_missing", verb)


_ALL_OF_TAB = frozenset((TAB, right) for _, right in ACTS.values())
