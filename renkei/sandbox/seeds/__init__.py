"""The worlds that a sandbox can start with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from renkei.sandbox.seeds.bare import load_bare
from renkei.sandbox.seeds.folder import load_folder
from renkei.sandbox.seeds.native import load_native
from renkei.sandbox.seeds.synthetic import load_synthetic

if TYPE_CHECKING:
    from renkei.sandbox.world import World

DEMO = Path(__file__).parent / "demo"


def load(world: World, name: str) -> None:
    """Fills a fresh world. `name`: `demo`, `empty` (fields, modules, users and organisations only), `bare`,
    `native`, `synthetic:N`, or the path of a folder (docs/reference/sandbox-seeds.md). ValueError, naming file and line, for a
    seed that is wrong.
    """
    if name == "empty":
        return
    if name == "demo":
        load_folder(world, DEMO)
        return
    if name == "bare":
        load_bare(world)
        return
    if name == "native":
        load_native(world)
        return
    kind, colon, count = name.partition(":")
    if kind == "synthetic" and colon:
        if not count.isdecimal():
            raise ValueError(f"{name}: after the colon stands a whole number, for example synthetic:2000")
        load_synthetic(world, int(count))
        return
    load_folder(world, Path(name))
