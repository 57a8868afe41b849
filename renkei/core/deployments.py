"""Deployments as values: what a scheduler should start for each connection, when, and in whose time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from renkei.core.connection import ConnectionSpec

POOL = "renkei"
TAG = "renkei"
EVERYONE = "all"  # the name of deployments that belong to no connection
FLOWS = ("hourly", "nightly", "record", "apply", "replay", "documents")  # that every connection has


@dataclass(frozen=True, slots=True)
class Wanted:
    """A deployment as it should be. `schedule`: (cron, time zone), or None for one that only a person or a flow starts."""

    flow: str
    name: str
    description: str
    schedule: tuple[str, str] | None
    parameters: Mapping[str, Any]
    paused: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.flow}/{self.name}"

    @property
    def entrypoint(self) -> str:
        return f"flows/{self.flow}.py:{self.flow}"

    @property
    def tags(self) -> list[str]:
        return [TAG, self.name]


def wanted_of(spec: ConnectionSpec, *, active: bool = True) -> list[Wanted]:
    """A connection's deployments. While it is not active (paused, disconnected), its schedules stand still."""
    given = {"connection": spec.name}
    if spec.environment == "production":  # the word that writing there asks for; it was said when this was deployed
        given["environment"] = "production"
    return [
        Wanted("hourly", spec.name, "Changes only, both ways.", (spec.hourly, spec.time_zone), given, not active),
        Wanted("nightly", spec.name, "A full compare of both sides.", (spec.nightly, spec.time_zone), given, not active),
        Wanted("record", spec.name, "One record and its partner, now.", None, given),
        Wanted("apply", spec.name, "A stored plan, exactly as it was shown.", None, given),
        Wanted("replay", spec.name, "Quarantined and refused rows, again.", None, given),
        Wanted("documents", spec.name, "A CRM user's act on one document.", None, given),
    ]


FLEET = Wanted("fleet", EVERYONE, "Every connection whose time has come, side by side.", None, {})
