"""Access tokens by the refresh-token flow, one for all processes (crm-v8.md section 2, books-v3.md section 1.2).

The vendor refuses an eleventh refresh in ten minutes and keeps refusing until there is silence, so a token is cached
encrypted in the shared store, refreshed early, by one process at a time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from renkei.connectors.http import ANSWER_SECONDS, CAUGHT, CONNECT_SECONDS, decode, translate
from renkei.core.connection import Hosts
from renkei.core.data_centers import data_center_of
from renkei.core.errors import ConnectionRefused, CredentialsRefused, Throttled, TryAgain, Unreachable, WrongDataCenter
from renkei.core.ports import Clock, TokenStore
from renkei.core.values import Side

EARLY = timedelta(minutes=5)  # crm-v8.md section 2.3: refreshed about five minutes before its end
WINDOW = timedelta(minutes=10)
REFRESHES = 10  # in WINDOW and for one refresh token
LEASE = timedelta(seconds=30)  # longer than a refresh takes; a process that died in one delays the others by this much
LOOK_AGAIN_SECONDS = 1.0
LONGEST_WAIT = timedelta(minutes=3)  # for another process's refresh: several leases that came to nothing
BLOCKED_SECONDS = 900.0  # the block ends only with silence, reported as 15 to 30 minutes


@dataclass(frozen=True, slots=True)
class Credentials:
    """One Zoho user's authorisation. Its repr shows no secret."""

    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)

    def fingerprint(self) -> str:
        """Tells one authorisation from the next without showing it."""
        return hashlib.sha256(f"{self.client_id}\n{self.refresh_token}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """`scopes`: those that the accounts host said it grants; empty where it did not say."""

    ends: datetime
    value: str = field(repr=False)
    scopes: tuple[str, ...] = ()


class Tokens:
    """The access token of one alias (`credentials` word of the connection); both sides may share one.

    hosts      accounts is where tokens come from; api tells whether the answer's api_domain is another data centre
    owner      names this process in the lease; any id that no other process has
    key        RENKEI_STORE_KEY's first key; None: the key is derived from the client secret
    """

    def __init__(
        self,
        alias: str,
        credentials: Credentials,
        *,
        hosts: Hosts,
        store: TokenStore,
        clock: Clock,
        key: bytes | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._alias, self._credentials, self._hosts = alias, credentials, hosts
        self._store, self._clock, self._owner = store, clock, clock.new_id()
        self._cipher = Fernet(_fernet_key(key if key is not None else credentials.client_secret.encode()))
        self._known: AccessToken | None = None
        self._one_at_a_time = asyncio.Lock()
        self._http = httpx.AsyncClient(
            base_url=hosts.accounts,
            transport=transport,
            http2=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        )

    def __repr__(self) -> str:
        return f"Tokens({self._alias!r})"

    async def token(self, side: Side, *, refused: str | None = None, count: Callable[[], None] = lambda: None) -> str:
        """A token that lasts at least five minutes, other than the `refused` one. `count` is called for each refresh.

        raises  CredentialsRefused, WrongDataCenter   a person must act
                Throttled (limit `token`)             ten refreshes in ten minutes
                Unreachable                           no usable answer from the accounts host
        """
        if refused is None and self._known is not None and self._is_fresh(self._known, None):
            return self._known.value  # after a refusal the shared store decides: our own may be older still
        async with self._one_at_a_time:
            self._known = await self._shared_or_new(side, refused, count)
            return self._known.value

    async def granted(self, side: Side, count: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """Prove that the refresh token works, and tell the scopes that it grants, as far as the accounts host says.

        A token is made anew, except where half of the ten in ten minutes are used: others need them. Errors as `token`.
        """
        now = self._clock.now()
        if self._store.refreshes(self._alias, now - WINDOW) < REFRESHES // 2:
            async with self._one_at_a_time:
                self._known = self._kept(await self._refresh(side, count))
        else:
            await self.token(side, count=count)
        return self._known.scopes if self._known else ()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _shared_or_new(self, side: Side, refused: str | None, count: Callable[[], None]) -> AccessToken:
        give_up_at = self._clock.now() + LONGEST_WAIT
        while True:
            stored = self._stored()
            if stored is not None and self._is_fresh(stored, refused):
                return stored
            now = self._clock.now()
            if self._store.lease_refresh(self._alias, self._owner, now, LEASE):
                return await self._refresh_under_lease(side, refused, count)
            if now >= give_up_at:
                raise Throttled(side, "another process has been refreshing the access token for minutes.", limit="token")
            await self._clock.sleep(LOOK_AGAIN_SECONDS * (0.5 + self._clock.chance()))

    async def _refresh_under_lease(self, side: Side, refused: str | None, count: Callable[[], None]) -> AccessToken:
        saved = False
        try:
            stored = self._stored()  # another process may have finished between our look and our lease
            if stored is not None and self._is_fresh(stored, refused):
                return stored
            try:
                fresh = await self._refresh(side, count)
            except TryAgain:
                if stored is not None and stored.value != refused and stored.ends > self._clock.now():
                    return stored  # its last minutes are better than none
                raise
            saved = True
            return self._kept(fresh)
        finally:
            if not saved:
                self._store.drop_lease(self._alias, self._owner)

    def _kept(self, fresh: AccessToken) -> AccessToken:
        """In the shared store, encrypted, with which the refresh is counted and the lease ends."""
        payload = orjson.dumps({"token": fresh.value, "of": self._credentials.fingerprint(), "scopes": fresh.scopes})
        self._store.save_token(self._alias, self._cipher.encrypt(payload).decode(), fresh.ends, self._clock.now())
        return fresh

    def _is_fresh(self, token: AccessToken, refused: str | None) -> bool:
        return token.value != refused and token.ends - EARLY > self._clock.now()

    def _stored(self) -> AccessToken | None:
        """The shared token; None too when it was encrypted with another key or for another authorisation."""
        found = self._store.token(self._alias)
        if found is None:
            return None
        try:
            payload = orjson.loads(self._cipher.decrypt(found[0].encode()))
        except InvalidToken:
            return None
        if payload["of"] != self._credentials.fingerprint():
            return None
        return AccessToken(found[1], payload["token"], tuple(payload.get("scopes", ())))

    async def _refresh(self, side: Side, count: Callable[[], None]) -> AccessToken:
        now = self._clock.now()
        if self._store.refreshes(self._alias, now - WINDOW) >= REFRESHES:
            raise Throttled(
                side, "ten access tokens were made in ten minutes; the vendor refuses more.", limit="token",
                retry_after=WINDOW.total_seconds(),
            )  # fmt: skip
        count()
        form = {"grant_type": "refresh_token", "refresh_token": self._credentials.refresh_token}
        body = await self._ask(side, form)
        scopes = tuple(str(body.get("scope") or "").replace(",", " ").split())
        return AccessToken(now + timedelta(seconds=_lifetime(body)), str(body["access_token"]), scopes)

    async def exchange(self, side: Side, code: str) -> str:
        """A refresh token for a grant code, which is good once. CredentialsRefused where the host gives none."""
        body = await self._ask(side, {"grant_type": "authorization_code", "code": code})
        if not body.get("refresh_token"):
            raise CredentialsRefused(
                side, f"{self._hosts.accounts} gave no refresh token for the grant code.", fix="Make the code with a self client."
            )
        return str(body["refresh_token"])

    async def _ask(self, side: Side, form: Mapping[str, str]) -> dict[str, Any]:
        """The accounts host's answer, which holds an access token."""
        whole = {**form, "client_id": self._credentials.client_id, "client_secret": self._credentials.client_secret}
        try:
            response = await self._http.post("/oauth/v2/token", data=whole)
        except CAUGHT as error:
            raise translate(side, error, request="POST /oauth/v2/token", writes=False) from None
        body = decode(response)
        if response.status_code == 200 and isinstance(body, dict) and body.get("access_token"):
            self._check_data_center(side, body)
            return body
        raise self._refusal(side, response.status_code, body, of="grant code" if "code" in form else "refresh token")

    def _check_data_center(self, side: Side, body: dict[str, Any]) -> None:
        """An answer that names another vendor host than ours. Hosts of a proxy or a sandbox are not compared."""
        ours, theirs = data_center_of(self._hosts.api), data_center_of(str(body.get("api_domain", "")))
        if ours and theirs and ours != theirs:
            raise WrongDataCenter(
                side, f"the token belongs to data centre {theirs}, the connection says {ours}.",
                fix=f"Set data_center: {theirs}, or authorise again in {ours}.",
            )  # fmt: skip

    def _refusal(self, side: Side, status: int, body: Any, of: str) -> ConnectionRefused | TryAgain:
        """Section 2.4: an error may come under 200, so the body decides."""
        error = str(body.get("error", "")) if isinstance(body, dict) else ""
        failure = isinstance(body, dict) and body.get("status") == "failure"  # its text is localised
        if status == 429 or (status < 500 and (failure or "access denied" in error.lower())):
            return Throttled(side, "the accounts host refuses more tokens for now.", limit="token", retry_after=BLOCKED_SECONDS)
        if status >= 500 or not error:
            return Unreachable(side, f"no usable answer from {self._hosts.accounts} (HTTP {status}).")
        where = f"{self._hosts.accounts}: {error}."
        name = f"RENKEI_{self._alias}"
        if error == "invalid_client":
            fix = f"Check the client id ({name}_CLIENT_ID): it must be of the data centre of {self._hosts.accounts}."
        elif error == "invalid_client_secret":
            fix = f"Check the client secret ({name}_CLIENT_SECRET)."
        elif of == "grant code":
            fix = f"A grant code is good once, for minutes, in the data centre of {self._hosts.accounts}: make a new one there."
        else:
            fix = (
                f"Check the refresh token ({name}_REFRESH_TOKEN): it is wrong, was revoked, or was issued in another data centre "
                f"than {self._hosts.accounts}. Make a new one in Zoho's API console."
            )
        return CredentialsRefused(side, where, fix=fix)


def _lifetime(body: dict[str, Any]) -> float:
    """Seconds; some old accounts hosts give `expires_in_sec` and milliseconds in `expires_in`."""
    return float(body.get("expires_in_sec") or body.get("expires_in") or 3600)


def _fernet_key(secret: bytes) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"renkei access token").derive(secret)
    return base64.urlsafe_b64encode(derived)


class Unshared:
    """core.ports.TokenStore and CallStore for one process: where there is no ledger yet, nothing is kept."""

    def __init__(self) -> None:
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._made: list[tuple[str, datetime]] = []

    def token(self, alias: str) -> tuple[str, datetime] | None:
        return self._tokens.get(alias)

    def lease_refresh(self, alias: str, owner: str, now: datetime, ttl: timedelta) -> bool:
        return True

    def refreshes(self, alias: str, since: datetime) -> int:
        return sum(1 for name, at in self._made if name == alias and at > since)

    def save_token(self, alias: str, encrypted: str, ends: datetime, now: datetime) -> None:
        self._tokens[alias] = (encrypted, ends)
        self._made.append((alias, now))

    def drop_lease(self, alias: str, owner: str) -> None:
        return None

    def add_calls(self, organization: str, side: Side, day: str, kind: str, calls: int, run: str | None) -> None:
        return None

    def calls_on(self, organization: str, side: Side, day: str) -> int:
        return 0
