"""Environments: what a connection declares, what its CRM organisation is, and what was named where a run was asked for."""

from __future__ import annotations

from renkei.core.connection import ConnectionSpec
from renkei.core.errors import WrongEnvironment
from renkei.core.records import Organization
from renkei.engine.work import Request

KINDS = {"production": ("production",), "sandbox": ("sandbox", "developer")}  # of CRM organisations, as the API tells them


def require_named(spec: ConnectionSpec, request: Request) -> None:
    """Writing to production asks for that word; a word that is not the declared one is refused, for a plan too.

    A connection that declares no environment asks for none.
    """
    declared, named = spec.environment, request.environment
    if named and named != declared:
        raise WrongEnvironment(
            "crm", f"{named} was named, and the connection {spec.name} declares {declared or 'no environment'}.",
            fix=f"Name the right connection, or declare environment: {named}.",
        )  # fmt: skip
    if declared == "production" and not named and not request.plan_only:
        raise WrongEnvironment(
            "crm", f"{spec.name} writes to production, and nobody said so.",
            fix="Say --environment production; in a deployment, give it the parameter environment: production.",
        )  # fmt: skip


def require_kind(spec: ConnectionSpec, crm: Organization) -> None:
    """WrongEnvironment where the CRM organisation is not of the declared kind. Nothing has been written."""
    if spec.environment is not None and crm.kind not in KINDS[spec.environment]:
        raise WrongEnvironment(
            "crm", f"{spec.name} declares environment: {spec.environment}, and the organisation {crm.id} ({crm.name}) is "
            f"of the kind {crm.kind or 'unknown'}.",
            fix="Use a token of the other organisation, or declare what it is.",
        )  # fmt: skip
