"""Credentials in the encrypted store: the environment wins, nothing is readable without the key, nothing is half written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from renkei.config.settings import credential_store, credentials
from renkei.config.store import CredentialStore
from renkei.core.errors import AskedWrongly, ConnectionRefused, CredentialsRefused

SECRETS = {"client_id": "1000.id", "client_secret": "s3cret-value", "refresh_token": "1000.refresh-value"}
KEY = Fernet.generate_key().decode()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    found = {"RENKEI_DATA": str(tmp_path / "var"), "RENKEI_STORE_KEY": KEY}
    credential_store(found).put("ACME", SECRETS)
    return found


def test_stored_credentials_are_found_where_the_environment_has_none(environ: dict[str, str]) -> None:
    assert credentials("ACME", environ)._asdict() == SECRETS


def test_the_environment_wins_value_by_value(environ: dict[str, str]) -> None:
    found = credentials("ACME", {**environ, "RENKEI_ACME_CLIENT_SECRET": "newer"})
    assert found == ("1000.id", "newer", "1000.refresh-value")


def test_the_file_shows_no_secret_and_only_its_owner_may_read_it(environ: dict[str, str]) -> None:
    path = credential_store(environ).path("ACME")
    assert not any(value.encode() in path.read_bytes() for value in SECRETS.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["ACME.enc"]
    assert credential_store(environ).is_private("ACME")
    path.chmod(0o644)
    assert not credential_store(environ).is_private("ACME")


@pytest.mark.parametrize("key", ["", Fernet.generate_key().decode()], ids=["no key", "another key"])
def test_without_its_key_the_store_says_so_and_shows_nothing(environ: dict[str, str], key: str) -> None:
    with pytest.raises(CredentialsRefused) as refused:
        credentials("ACME", {**environ, "RENKEI_STORE_KEY": key}, "books")
    said = str(refused.value)
    assert "ACME.enc" in said and "RENKEI_STORE_KEY" in said and refused.value.side == "books"
    assert not any(value in said for value in (*SECRETS.values(), KEY, key) if value)


def test_a_key_is_replaced_by_putting_the_new_one_in_front(environ: dict[str, str]) -> None:
    newer = Fernet.generate_key().decode()
    both = {**environ, "RENKEI_STORE_KEY": f"{newer},{KEY}"}
    assert credentials("ACME", both)._asdict() == SECRETS
    credential_store(both).put("ACME", SECRETS)
    assert credentials("ACME", {**environ, "RENKEI_STORE_KEY": newer})._asdict() == SECRETS


def test_a_file_of_another_alias_or_an_altered_one_is_refused(environ: dict[str, str]) -> None:
    store = credential_store(environ)
    store.path("OTHER").write_bytes(store.path("ACME").read_bytes())
    with pytest.raises(ConnectionRefused, match="not encrypted for OTHER"):
        store.get("OTHER")
    store.path("ACME").write_bytes(store.path("ACME").read_bytes()[:-8] + b"AAAAAAA=")
    with pytest.raises(ConnectionRefused, match="altered"):
        store.get("ACME")


def test_nothing_is_stored_without_a_key_and_a_wrong_one_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(AskedWrongly, match="RENKEI_STORE_KEY"):
        CredentialStore(tmp_path / "credentials", "").put("ACME", SECRETS)
    assert not (tmp_path / "credentials").exists()
    with pytest.raises(AskedWrongly) as refused:
        CredentialStore(tmp_path, "my-own-words")
    assert "my-own-words" not in str(refused.value)


def test_a_store_that_cannot_be_written_keeps_what_it_had(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    store = credential_store(environ)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("renkei.config.store.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put("ACME", {**SECRETS, "client_id": "1000.other"})
    assert store.get("ACME") == SECRETS
    assert [one.name for one in store.path("ACME").parent.iterdir()] == ["ACME.enc"]
