"""The declarations that come with renkei, for a folder that has none yet."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

from renkei.config.settings import Settings
from renkei.core.errors import AskedWrongly

# In a checkout they stand beside the package; an installed wheel puts them below the environment's share/.
PLACES = (Path(__file__).parents[2], Path(sys.prefix) / "share" / "renkei")
FOLDERS = ("mappings", "expectations")


def missing(settings: Settings) -> tuple[str, ...]:
    """Which of the two folders the settings name and nobody has made."""
    return tuple(name for name in FOLDERS if not getattr(settings, name).exists())


def with_shipped(settings: Settings) -> Settings:
    """The settings with the shipped folders in the place of missing ones."""
    gone = missing(settings)
    return dataclasses.replace(
        settings,
        mappings=_shipped("mappings") if "mappings" in gone else settings.mappings,
        expectations=_shipped("expectations") if "expectations" in gone else settings.expectations,
    )


def copy_shipped(settings: Settings) -> list[Path]:
    """Make the missing folders from the shipped ones: theirs to change from now on."""
    made = []
    for name in missing(settings):
        folder: Path = getattr(settings, name)
        shutil.copytree(_shipped(name), folder)
        made.append(folder)
    return made


def _shipped(name: str) -> Path:
    for place in PLACES:
        if (place / name).is_dir():
            return place / name
    raise AskedWrongly(f"There are no {name} and none came with renkei.", fix=f"Name a folder in RENKEI_{name.upper()}.")
