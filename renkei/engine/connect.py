"""What `renkei connect` decides: who may connect, which organisation it is, and what must be right before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence

from renkei.core.connection import Edition
from renkei.core.data_centers import sign_up_page
from renkei.core.errors import AskedWrongly, CredentialsRefused, WrongOrganization
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


def chosen(found: Sequence[Organization], wanted: str, data_center: str, edition: Edition) -> Organization | None:
    """The organisation to connect: the named one, or the only one; None where a person has to choose.

    WrongOrganization where the named one is not there, AskedWrongly with the sign-up page where there is none at all.
    """
    product = product_of(edition)
    if not found:
        page = sign_up_page(data_center, edition)
        raise AskedWrongly(
            f"This user has no organisation of {product}.",
            fix=f"Sign up at {page} as this user, name the organisation, choose the CRM's base currency and time zone, and "
            "connect again with a new grant code.",
        )
    for one in found:
        if one.id == wanted:
            return one
    if wanted:
        raise WrongOrganization("books", f"organisation {wanted} is not among {listed(found)}.", fix="Say one of them.")
    return found[0] if len(found) == 1 else None


def listed(found: Sequence[Organization]) -> str:
    return ", ".join(f"{one.id} ({one.name}, {one.currency})" for one in found)


def stops(findings: Sequence[Finding]) -> list[Finding]:
    """What must be put right before anything is stored."""
    return [one for one in findings if one.state == "fail" and one.check in BEFORE_STORING]
