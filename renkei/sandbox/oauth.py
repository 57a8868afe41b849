"""OAuth 2.0 of both vendors: /oauth/v2/token and what a token allows (crm-v8.md section 2, books-v3.md section 1)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from renkei.sandbox.world import World

LIFETIME_SECONDS = 3600
NEW_TOKENS = 10
NEW_TOKENS_WINDOW = timedelta(minutes=10)
LIVE_TOKENS = 30
REFRESH_TOKENS_PER_USER = 20
CODE_LIFETIME = timedelta(minutes=10)
HEADER_PREFIX = "Zoho-oauthtoken "
EVERY_SCOPE = (
    "ZohoCRM.modules.ALL",
    "ZohoCRM.settings.ALL",
    "ZohoCRM.users.ALL",
    "ZohoCRM.org.ALL",
    "ZohoCRM.coql.READ",
    "ZohoCRM.bulk.ALL",
    "ZohoSearch.securesearch.READ",
    "ZohoFiles.files.ALL",
    "ZohoBooks.fullaccess.all",
    "ZohoInvoice.fullaccess.all",
)


@dataclass(slots=True)
class RefreshToken:
    """A refresh token of one user. `issued`: when its recent access tokens were made."""

    value: str
    scopes: tuple[str, ...]
    user: str
    issued: deque[datetime] = field(default_factory=deque)


@dataclass(slots=True, frozen=True)
class AccessToken:
    """An access token: what it allows, for whom, until when."""

    value: str
    scopes: frozenset[str]
    user: str
    expires_at: datetime
    refresh_token: str

    def allows(self, *wanted: str) -> bool:
        """True if any of the wanted scopes is granted, directly or by a wider one.

        A scope is `Product.group[.part].OPERATION`; `ALL` grants every operation, `modules.ALL` each module,
        `settings.ALL` each setting, `fullaccess.all` the whole product. Letter case does not matter.
        """
        return any(self._allows(scope.lower()) for scope in wanted)

    def _allows(self, wanted: str) -> bool:
        if wanted in self.scopes:
            return True
        product, *parts = wanted.split(".")
        if f"{product}.fullaccess.all" in self.scopes:
            return True
        operation = parts.pop()
        stems = [".".join([product, *parts[: n + 1]]) for n in range(len(parts))]
        return any(f"{stem}.{op}" in self.scopes for stem in stems for op in ("all", operation))

    def has_product(self, product: str) -> bool:
        """True if any scope is of this product, e.g. `ZohoBooks`."""
        prefix = product.lower() + "."
        return any(scope.startswith(prefix) for scope in self.scopes)


class OAuth:
    """Tokens of the one client of the sandbox."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.codes: dict[str, tuple[tuple[str, ...], str, datetime]] = {}

    def issue_refresh_token(self, scopes: tuple[str, ...], user: str) -> str:
        """A new refresh token; the 21st of a user deletes the oldest."""
        mine = [token.value for token in self.refresh_tokens.values() if token.user == user]
        if len(mine) >= REFRESH_TOKENS_PER_USER:
            self.revoke(mine[0])
        value = self._random()
        self.refresh_tokens[value] = RefreshToken(value, scopes or EVERY_SCOPE, user)
        return value

    def issue_code(self, scopes: tuple[str, ...], user: str) -> str:
        """A grant code as the API console's self client makes it; good once, for ten minutes."""
        code = self._random()
        self.codes[code] = (scopes or EVERY_SCOPE, user, self.world.clock.now() + CODE_LIFETIME)
        return code

    def revoke(self, refresh_token: str) -> bool:
        """Ends a refresh token and its access tokens. False when there is none of that value."""
        if self.refresh_tokens.pop(refresh_token, None) is None:
            return False
        for value in [token.value for token in self._tokens_of(refresh_token)]:
            del self.access_tokens[value]
        return True

    def expire(self, authorization: str | None) -> None:
        """Ends one access token before its time; `authorization` is the header's value."""
        if authorization and authorization.startswith(HEADER_PREFIX):
            self.access_tokens.pop(authorization.removeprefix(HEADER_PREFIX).strip(), None)

    def malformed(self, authorization: str | None) -> bool:
        """True if the header is absent or not of the form `Zoho-oauthtoken <token>`."""
        return not authorization or not authorization.startswith(HEADER_PREFIX)

    def token(self, authorization: str | None) -> AccessToken | None:
        """The live access token named by an Authorization header's value, if any."""
        if not authorization or not authorization.startswith(HEADER_PREFIX):
            return None
        token = self.access_tokens.get(authorization[len(HEADER_PREFIX) :].strip())
        if token is None or token.expires_at <= self.world.clock.now():
            return None
        return token

    def access(self, refresh_token: str | None = None) -> str:
        """A live access token without an exchange over HTTP and outside the ten in ten minutes, for tests."""
        grant = self.refresh_tokens[refresh_token or self.world.refresh_token]
        return self._new_access_token(grant).value

    async def token_endpoint(self, request: Request) -> Response:
        """POST /oauth/v2/token: errors under HTTP 200, the token limit under 400 (crm-v8.md section 2.4)."""
        params = {**request.query_params, **{k: v for k, v in (await request.form()).items() if isinstance(v, str)}}
        if params.get("client_id") != self.world.client_id:
            return JSONResponse({"error": "invalid_client"})
        if params.get("client_secret") != self.world.client_secret:
            return JSONResponse({"error": "invalid_client_secret"})
        grant_type = params.get("grant_type")
        api_domain = str(request.base_url).rstrip("/")
        if grant_type == "authorization_code":
            return self._exchange(params.get("code", ""), api_domain)
        if grant_type == "refresh_token":
            return self._refresh(params.get("refresh_token", ""), api_domain)
        return JSONResponse({"error": "unsupported_grant_type"})

    async def revoke_endpoint(self, request: Request) -> Response:
        """POST /oauth/v2/token/revoke?token=..."""
        form = await request.form()
        value = request.query_params.get("token") or form.get("token")
        if isinstance(value, str) and self.revoke(value):
            return JSONResponse({"status": "success"})
        return JSONResponse({"error": "invalid_token", "status": "failure"}, status_code=400)

    def _exchange(self, code: str, api_domain: str) -> Response:
        scopes, user, until = self.codes.pop(code, ((), "", self.world.clock.now()))
        if not user or until <= self.world.clock.now():
            return JSONResponse({"error": "invalid_code"})
        refresh_token = self.issue_refresh_token(scopes, user)
        access = self._new_access_token(self.refresh_tokens[refresh_token])
        body = self._answer(access, scopes, api_domain)
        return JSONResponse({"access_token": body.pop("access_token"), "refresh_token": refresh_token, **body})

    def _refresh(self, refresh_token: str, api_domain: str) -> Response:
        grant = self.refresh_tokens.get(refresh_token)
        if grant is None:
            return JSONResponse({"error": "invalid_code"})
        now = self.world.clock.now()
        while grant.issued and grant.issued[0] <= now - NEW_TOKENS_WINDOW:
            grant.issued.popleft()
        if len(grant.issued) >= NEW_TOKENS:
            return JSONResponse(
                {
                    "error_description": "You have made too many requests continuously. Please try again after some time.",
                    "error": "Access Denied",
                    "status": "failure",
                },
                status_code=400,
            )
        return JSONResponse(self._answer(self._new_access_token(grant, counted=True), grant.scopes, api_domain))

    def _new_access_token(self, grant: RefreshToken, *, counted: bool = False) -> AccessToken:
        now = self.world.clock.now()
        if counted:
            grant.issued.append(now)
        live = self._tokens_of(grant.value)
        for old in live[: max(0, len(live) - LIVE_TOKENS + 1)]:
            del self.access_tokens[old.value]
        token = AccessToken(
            value=self._random(),
            scopes=frozenset(scope.lower() for scope in grant.scopes),
            user=grant.user,
            expires_at=now + timedelta(seconds=LIFETIME_SECONDS),
            refresh_token=grant.value,
        )
        self.access_tokens[token.value] = token
        return token

    def _tokens_of(self, refresh_token: str) -> list[AccessToken]:
        return [token for token in self.access_tokens.values() if token.refresh_token == refresh_token]

    @staticmethod
    def _answer(token: AccessToken, scopes: tuple[str, ...], api_domain: str) -> dict[str, Any]:
        return {
            "access_token": token.value,
            "scope": " ".join(scopes),
            "api_domain": api_domain,
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
        }

    def _random(self) -> str:
        rng = self.world.rng
        return f"1000.{rng.getrandbits(128):032x}.{rng.getrandbits(128):032x}"

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/oauth/v2/token", self.token_endpoint, methods=["POST"]),
            Route("/oauth/v2/token/revoke", self.revoke_endpoint, methods=["POST"]),
        ]
