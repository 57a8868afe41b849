"""Standing: what a connection's state and its declared organisation allow, from the ledger alone, before anything is read."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from renkei.core.connection import ConnectionSpec
from renkei.core.errors import ConnectionPaused, NotConnected, OrganizationChanged
from renkei.core.ports import Ledger
from renkei.core.records import ConnectionState
from renkei.engine.work import Request

LEAVING = ("disconnect", "switch-organization")  # runs that take back what is published


def require_open(ledger: Ledger, spec: ConnectionSpec, request: Request) -> None:
    """Raises NotConnected, OrganizationChanged or ConnectionPaused. A paused connection may be planned; what withdraws from
    the CRM asks neither whether it is paused nor which organisation is declared."""
    state, leaving = ledger.state(spec.name), request.kind in LEAVING
    require_connected(spec, state)
    former = former_organization(ledger, spec)
    if former is not None and not leaving:
        raise OrganizationChanged(spec.name, *former, spec.organization, spec.environment)
    if state is not None and state.state == "paused" and not leaving and not request.plan_only:
        raise ConnectionPaused(spec.name, state.run, since(spec, state), state.actor, state.reason)


def require_connected(spec: ConnectionSpec, state: ConnectionState | None) -> None:
    """NotConnected for a connection that a person disconnected."""
    if state is not None and state.state == "disconnected":
        raise NotConnected(spec.name, state.run, since(spec, state), state.actor, state.reason)


def former_organization(ledger: Ledger, spec: ConnectionSpec) -> tuple[str, str] | None:
    """(id, name) of the Books organisation that the ledger knows, where the declaration names another one now."""
    stored = ledger.survey(spec.name)
    if stored is None or stored[0]["books"]["id"] == spec.organization:
        return None
    return stored[0]["books"]["id"], stored[0]["books"]["name"]


def since(spec: ConnectionSpec, state: ConnectionState) -> str:
    """When the state began, as clocks in the connection's zone show it."""
    return state.at.astimezone(ZoneInfo(spec.time_zone)).isoformat(sep=" ", timespec="seconds")
