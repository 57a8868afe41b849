"""What the environment says: where things are, and the credentials. The environment is passed in, never read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from renkei.core.errors import AskedWrongly, CredentialsRefused
from renkei.core.values import Side

DEFAULT_LEDGER = "sqlite:///var/renkei.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders and the ledger's address (design.md section 4).

    data   everything that renkei writes to disk is inside; ask `file_in_data` for a path
    key    secret of the encrypted token store, "" when there is none; never shown
    """

    ledger_url: str = field(default=DEFAULT_LEDGER, repr=False)  # it may hold a password
    data: Path = Path("var")
    connections: Path = Path("connections")
    mappings: Path = Path("mappings")
    expectations: Path = Path("expectations")
    key: str = field(default="", repr=False)

    @staticmethod
    def from_environment(environ: Mapping[str, str], base: Path = Path()) -> Settings:
        """RENKEI_LEDGER_URL, RENKEI_DATA, RENKEI_CONNECTIONS, RENKEI_MAPPINGS, RENKEI_EXPECTATIONS, RENKEI_KEY.

        Folders that are not named are those of `base`, the working directory.
        """

        def folder(name: str, default: str) -> Path:
            return base / environ.get(f"RENKEI_{name}", default)

        return Settings(
            ledger_url=environ.get("RENKEI_LEDGER_URL", DEFAULT_LEDGER),
            data=folder("DATA", "var"),
            connections=folder("CONNECTIONS", "connections"),
            mappings=folder("MAPPINGS", "mappings"),
            expectations=folder("EXPECTATIONS", "expectations"),
            key=environ.get("RENKEI_KEY", ""),
        )

    def file_in_data(self, *parts: str) -> Path:
        """A path inside the data folder. AskedWrongly for one that leads out of it."""
        root = self.data.resolve()
        path = root.joinpath(*parts).resolve()
        if not path.is_relative_to(root):
            raise AskedWrongly(f"{'/'.join(parts)} is outside {self.data}.", fix="Files are written inside RENKEI_DATA only.")
        return path


class Credentials(NamedTuple):
    client_id: str
    client_secret: str
    refresh_token: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials(alias: str, environ: Mapping[str, str], side: Side = "crm") -> Credentials:
    """RENKEI_<ALIAS>_CLIENT_ID, _CLIENT_SECRET and _REFRESH_TOKEN.

    CredentialsRefused names the variables that are missing or blank, never a value.
    """
    names = [f"RENKEI_{alias}_{part}" for part in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")]
    values = [environ.get(name, "").strip() for name in names]
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing:
        raise CredentialsRefused(
            side,
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment.",
            fix="Set them, or run `renkei connect`.",
        )
    return Credentials(*values)
