"""The commands on a ledger of their own, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HOME = Path(__file__).parents[2]
PLACES = {
    name: str(HOME / name.split("_")[1].lower()) for name in ("RENKEI_CONNECTIONS", "RENKEI_MAPPINGS", "RENKEI_EXPECTATIONS")
}


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Stdout as the one JSON object that it must be."""
        content: dict[str, Any] = json.loads(self.out)
        return content


class Office:
    """The commands on a copy of the demo's ledger."""

    def __init__(self, ledger: Path, say: Callable[..., Said]) -> None:
        self.environ = {**PLACES, "RENKEI_LEDGER_URL": f"sqlite:///{ledger}", "RENKEI_DATA": str(ledger.parent)}
        self._say = say

    def renkei(self, *words: str) -> Said:
        return self._say(self.environ, words)

    def asked(self, *words: str) -> dict[str, Any]:
        """The command with --json, which must succeed."""
        said = self.renkei("--json", *words)
        assert said.code == 0, said
        return said.json
