"""What a Prefect server says of workers and deployments, over plain HTTP: nothing below the door imports Prefect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from renkei.core.errors import ConnectionRefused, TryAgain

SECONDS = 10.0
ONLINE = "ONLINE"


class PrefectApi:
    """core.ports.Scheduler. `url` is PREFECT_API_URL; the key or `user:password` go into the Authorization header."""

    def __init__(
        self, url: str, *, key: str = "", user_and_password: str = "", transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        name, _, password = user_and_password.partition(":")
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            timeout=SECONDS,
            transport=transport,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            auth=(name, password) if user_and_password else None,
        )

    async def workers(self, pool: str) -> list[str]:
        found = await self._ask(f"/work_pools/{pool}/workers/filter", {})
        return sorted(str(one.get("name")) for one in found if one.get("status") == ONLINE)

    async def deployments(self, name: str) -> dict[str, bool]:
        found = await self._ask("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return {str(one.get("entrypoint")).rpartition(":")[2]: not one.get("paused") for one in found}

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _ask(self, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = await self._http.post(path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TryAgain(
                "prefect", f"{self._http.base_url} does not answer ({type(error).__name__}).",
                fix="Start the server, or correct PREFECT_API_URL.",
            ) from None  # fmt: skip
        if answer.status_code == 404:
            return []
        if answer.status_code in (401, 403):
            raise ConnectionRefused(
                "prefect", f"{self._http.base_url} refuses us (HTTP {answer.status_code}).",
                fix="Set PREFECT_API_KEY or PREFECT_API_AUTH_STRING.",
            )  # fmt: skip
        if answer.status_code != 200:
            raise TryAgain(
                "prefect", f"{self._http.base_url}{path} answered HTTP {answer.status_code}.", fix="Look at the server's log."
            )
        found = answer.json()
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
