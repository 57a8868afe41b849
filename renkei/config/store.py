"""The encrypted credential store: one file an alias, readable only with RENKEI_STORE_KEY (docs/decisions/0010)."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from renkei.core.errors import AskedWrongly, ConnectionRefused

MAKE_A_KEY = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
NEEDS_KEY = f"Set RENKEI_STORE_KEY, kept outside RENKEI_DATA; a new one: {MAKE_A_KEY}"


class CredentialStore:
    """Secrets by alias, in `folder`/ALIAS.enc.

    key   one or more Fernet keys with commas between: the first encrypts, all decrypt, so that a key can be replaced.
          AskedWrongly for a text that is none; it is never shown.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        try:
            keys = [Fernet(one.strip()) for one in key.split(",") if one.strip()]
        except ValueError:
            raise AskedWrongly("RENKEI_STORE_KEY is not a Fernet key.", fix=NEEDS_KEY) from None
        self._cipher = MultiFernet(keys) if keys else None

    def path(self, alias: str) -> Path:
        return self._folder / f"{alias}.enc"

    def aliases(self) -> list[str]:
        """Those that something is stored for."""
        return sorted(path.stem for path in self._folder.glob("[A-Z]*.enc"))

    def get(self, alias: str) -> dict[str, str]:
        """What is stored for the alias; empty where there is no file. ConnectionRefused where it cannot be read with this key."""
        path = self.path(alias)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConnectionRefused(alias, f"{path} cannot be read ({error.strerror}).", fix="Check who owns the file.") from None
        if self._cipher is None:
            raise ConnectionRefused(alias, f"{path} is encrypted and RENKEI_STORE_KEY is not set.", fix="Set its key.")
        try:
            found = orjson.loads(self._cipher.decrypt(content))
        except InvalidToken:
            found = {}
        if found.get("alias") != alias:
            raise ConnectionRefused(
                alias, f"{path} was not encrypted for {alias} with this RENKEI_STORE_KEY, or was altered.",
                fix=f"Set the key that it was written with, or delete it and run: renkei connect --credentials {alias}",
            )  # fmt: skip
        return {name: str(value) for name, value in found["values"].items()}

    def put(self, alias: str, values: Mapping[str, str]) -> None:
        """Replace what is stored for the alias: whole or not at all, for this user's eyes only. AskedWrongly without a key."""
        self.must_write()
        assert self._cipher is not None
        content = self._cipher.encrypt(orjson.dumps({"alias": alias, "values": dict(values)}))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=f".{alias}.")  # mkstemp makes it 0600
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self.path(alias))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def must_write(self) -> None:
        """AskedWrongly where nothing could be stored: asked before a grant code is spent."""
        if self._cipher is None:
            raise AskedWrongly("There is no key to encrypt the credentials with.", fix=NEEDS_KEY)

    def is_private(self, alias: str) -> bool:
        """False where others than the file's owner may read or write it."""
        path = self.path(alias)
        return not path.exists() or not stat.S_IMODE(path.stat().st_mode) & 0o077
