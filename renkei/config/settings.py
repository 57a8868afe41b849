"""What the environment says: where things are, and the credentials. The environment is passed in, never read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from renkei.config.store import CredentialStore
from renkei.core.errors import AskedWrongly, ConnectionRefused, CredentialsRefused
from renkei.core.values import Side

DEFAULT_LEDGER = "sqlite:///var/renkei.db"


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders and the ledger's address (design.md section 4).

    data        everything that renkei writes to disk is inside; ask `file_in_data` for a path
    alert_url   where alerts go, "" for nowhere; it holds passwords; never shown
    store_key   keys of the encrypted credential store and of shared access tokens, "" when there is none; never shown
    """

    ledger_url: str = field(default=DEFAULT_LEDGER, repr=False)  # it may hold a password
    data: Path = Path("var")
    connections: Path = Path("connections")
    mappings: Path = Path("mappings")
    expectations: Path = Path("expectations")
    store_key: str = field(default="", repr=False)
    alert_url: str = field(default="", repr=False)

    @staticmethod
    def from_environment(environ: Mapping[str, str], base: Path = Path()) -> Settings:
        """RENKEI_LEDGER_URL, RENKEI_DATA, RENKEI_CONNECTIONS, RENKEI_MAPPINGS, RENKEI_EXPECTATIONS, RENKEI_STORE_KEY,
        RENKEI_ALERT_URL.

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
            store_key=environ.get("RENKEI_STORE_KEY", "").strip(),
            alert_url=environ.get("RENKEI_ALERT_URL", "").strip(),
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


def credential_store(environ: Mapping[str, str]) -> CredentialStore:
    """The encrypted store in the data folder."""
    settings = Settings.from_environment(environ)
    return CredentialStore(settings.data / "credentials", settings.store_key)


def source_of(alias: str, environ: Mapping[str, str]) -> str:
    """Where the credentials of an alias come from, in words; asked after `credentials` has found them."""
    given = [bool(environ.get(f"RENKEI_{alias}_{part}", "").strip()) for part in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")]
    if all(given):
        return "the environment"
    return "the environment and the encrypted store" if any(given) else "the encrypted store"


def credentials(alias: str, environ: Mapping[str, str], side: Side = "crm") -> Credentials:
    """RENKEI_<ALIAS>_CLIENT_ID, _CLIENT_SECRET and _REFRESH_TOKEN; each that is not set there, from the encrypted store.

    CredentialsRefused names the variables that are nowhere, never a value, and tells why the store cannot be read.
    """
    names = {part.lower(): f"RENKEI_{alias}_{part}" for part in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN")}
    values = {part: environ.get(name, "").strip() for part, name in names.items()}
    if not all(values.values()):
        try:
            stored = credential_store(environ).get(alias)
        except ConnectionRefused as error:
            raise CredentialsRefused(side, error.what, fix=error.fix) from None
        values = {part: value or stored.get(part, "") for part, value in values.items()}
    missing = [names[part] for part, value in values.items() if not value]
    if missing:
        raise CredentialsRefused(
            side,
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set in the environment and not in the store.",
            fix="Set them (the connection's `credentials` word names them), or run `renkei connect`.",
        )
    return Credentials(**values)
