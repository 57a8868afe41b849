"""Settings and credentials from an environment that is handed in."""

from __future__ import annotations

from pathlib import Path

import pytest

from renkei.config.settings import Settings, credentials
from renkei.core.errors import AskedWrongly, CredentialsRefused

FULL = {
    "RENKEI_ACME_CLIENT_ID": "1000.id",
    "RENKEI_ACME_CLIENT_SECRET": "s3cret-value",
    "RENKEI_ACME_REFRESH_TOKEN": "1000.refresh-value",
}


def test_an_empty_environment_means_the_folders_of_the_working_directory(tmp_path: Path) -> None:
    settings = Settings.from_environment({}, tmp_path)
    assert settings.ledger_url == "sqlite:///var/renkei.db"
    assert (settings.data, settings.connections) == (tmp_path / "var", tmp_path / "connections")


def test_the_environment_names_other_folders(tmp_path: Path) -> None:
    environ = {"RENKEI_DATA": "/elsewhere", "RENKEI_MAPPINGS": "m", "RENKEI_LEDGER_URL": "postgresql+psycopg://u:pw@h/db"}
    settings = Settings.from_environment(environ, tmp_path)
    assert settings.data == Path("/elsewhere")
    assert settings.mappings == tmp_path / "m"
    assert settings.ledger_url == "postgresql+psycopg://u:pw@h/db"


def test_no_secret_is_in_the_text_of_settings_or_credentials() -> None:
    settings = Settings.from_environment({"RENKEI_STORE_KEY": "the-key", "RENKEI_LEDGER_URL": "postgresql://u:pw@h/db"})
    assert settings.store_key == "the-key"
    assert "the-key" not in repr(settings) and "pw" not in repr(settings)
    assert "s3cret" not in repr(credentials("ACME", FULL)) and "s3cret" not in str(credentials("ACME", FULL))


def test_files_are_written_inside_the_data_folder_only(tmp_path: Path) -> None:
    settings = Settings.from_environment({}, tmp_path)
    assert settings.file_in_data("snapshots", "1.parquet") == (tmp_path / "var" / "snapshots" / "1.parquet").resolve()
    for outside in ("../secrets", "/etc/passwd", "a/../../b"):
        with pytest.raises(AskedWrongly, match="outside"):
            settings.file_in_data(outside)


def test_credentials_come_from_three_variables() -> None:
    assert tuple(credentials("ACME", FULL)) == ("1000.id", "s3cret-value", "1000.refresh-value")


def test_missing_credentials_are_named_and_present_ones_are_not_shown() -> None:
    environ = {**FULL, "RENKEI_ACME_REFRESH_TOKEN": " ", "RENKEI_DATA": "/nowhere"}
    del environ["RENKEI_ACME_CLIENT_ID"]
    with pytest.raises(CredentialsRefused) as refused:
        credentials("ACME", environ, "books")
    assert "RENKEI_ACME_CLIENT_ID, RENKEI_ACME_REFRESH_TOKEN are not set" in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.side == "books"
