"""`renkei check`: every fault of every YAML file, without a network."""

from __future__ import annotations

from renkei.config.project import read_project
from renkei.config.settings import Settings
from renkei.core.errors import Fault


def check(settings: Settings) -> list[Fault]:
    """All faults, sorted by file and line; empty when everything is well."""
    _, faults = read_project(settings)
    return faults
