"""What `renkei connect` decides: who may connect, which organisation it is, and what must be right before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence

from renkei.core.connection import CustomerModules, Edition
from renkei.core.data_centers import sign_up_page
from renkei.core.errors import (
    AskedWrongly,
    CredentialsRefused,
    RenkeiError,
    ScopeMissing,
    TryAgain,
    WrongDataCenter,
    WrongEdition,
    WrongOrganization,
)
from renkei.core.ports import Books, Crm
from renkei.core.records import Organization, User
from renkei.core.scopes import product_of
from renkei.core.values import Side
from renkei.engine.doctor import Finding

# Checks of doctor that must pass before anything is stored. The others can be put right afterwards, with what is stored.
BEFORE_STORING = (
    "declarations", "credentials", "crm token", "books token", "edition", "books organisation", "crm organisation", "crm scopes",
    "books scopes", "base currency",
)  # fmt: skip


async def introduced(side: Side, system: Crm | Books, email: str) -> User:
    """The user behind a side's token. CredentialsRefused for anybody but `email` ("": anybody), and for one who may not
    administer there."""
    user = await system.me()
    who = f"{user.name} <{user.email}>, {user.profile}"
    if email and user.email.casefold() != email.casefold():
        raise CredentialsRefused(
            side, f"the token is of {who}, not of {email}.", fix=f"Authorise as {email}, or say another --email."
        )
    if not user.active or not user.administers:
        raise CredentialsRefused(side, f"the token is of {who}, who may not administer.", fix="Authorise as an administrator.")
    return user


def chosen(
    found: Sequence[Organization], wanted: str, data_center: str, edition: Edition, crm: Organization, who: str
) -> Organization | None:
    """The organisation to connect: the named one, or the only one; None where a person has to choose.

    crm, who   what it has to go with, and whose account lacks one
    raises     WrongOrganization where the named one is not there; AskedWrongly with the sign-up page and the steps where there
               is none at all
    """
    if not found:
        raise AskedWrongly(
            f"{who} has no organisation of {product_of(edition)}.",
            fix=f"""Then:
  1. Open {sign_up_page(data_center, edition)} and sign up as {who}.
  2. Name the organisation. Base currency: {crm.currency}; time zone: {crm.time_zone}, as {crm.name} has in the CRM.
  3. Connect again.""",
        )
    for one in found:
        if one.id == wanted:
            return one
    if wanted:
        raise WrongOrganization("books", f"organisation {wanted} is not among {listed(found)}.", fix="Say one of them.")
    return found[0] if len(found) == 1 else None


def way_out(error: RenkeiError, edition: Edition, modules: CustomerModules, spent: bool) -> str:
    """What to do about an error before there is a connection: options to say, where else a file would be corrected.

    spent   a grant code was exchanged, and what it brought is not stored
    """
    scopes = f"renkei connect --print-scopes --edition {edition} --modules {modules}"
    match error:
        case WrongEdition():
            other: Edition = "invoice" if edition == "books" else "books"
            fix = f"Say --edition {other}, or authorise with the scopes of {product_of(edition)}: {scopes}."
        case ScopeMissing():
            fix = f"Authorise with all of these scopes: {scopes}."
        case WrongDataCenter():
            fix = error.fix.replace("Set data_center: ", "Say --data-center ")
        case TryAgain():
            fix = "Connect again."
        case _:
            fix = error.fix
    ended = fix if not fix or fix.endswith((".", "!", "?")) else f"{fix}."
    return f"{ended} The grant code is used up: the next time needs a new one.".strip() if spent else fix


def listed(found: Sequence[Organization]) -> str:
    return ", ".join(f"{one.id} ({one.name}, {one.currency})" for one in found)


def stops(findings: Sequence[Finding]) -> list[Finding]:
    """What must be put right before anything is stored."""
    return [one for one in findings if one.state == "fail" and one.check in BEFORE_STORING]
