"""A flow tells somebody when it ends badly, and ends as it would have where nobody can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect.logging import disable_run_logger
from webhook import webhook

from flows.hourly import hourly
from renkei.core.errors import CredentialsRefused

__all__ = ["webhook"]

HOME = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo without credentials, on an empty ledger."""
    monkeypatch.chdir(HOME)
    for name, value in {"DATA": str(tmp_path), "LEDGER_URL": f"sqlite:///{tmp_path}/renkei.db"}.items():
        monkeypatch.setenv(f"RENKEI_{name}", value)
    for name in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN"):
        monkeypatch.delenv(f"RENKEI_DEMO_{name}", raising=False)


async def test_a_flow_that_ends_with_an_error_tells_its_cause_and_the_fix(
    webhook: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, got = webhook
    monkeypatch.setenv("RENKEI_ALERT_URL", address)
    with disable_run_logger(), pytest.raises(CredentialsRefused):
        await hourly.fn(connection="demo")
    (body,) = got
    assert body["title"] == "renkei demo: CredentialsRefused ended a run"
    assert "RENKEI_DEMO_CLIENT_ID" in body["message"] and "renkei --connection demo runs" in body["message"]


@pytest.mark.parametrize("address", ["json://127.0.0.1:9/hook", "smoke://signal"])
async def test_an_alert_that_cannot_arrive_does_not_hide_the_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENKEI_ALERT_URL", address)
    with disable_run_logger(), pytest.raises(CredentialsRefused):
        await hourly.fn(connection="demo")
