"""The ASGI app of /crm: authentication, scopes, credits, gates and the table of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.datastructures import Headers

from renkei.sandbox.crm import batch, bin, coql, errors, locks, read, related, search, settings, shaping, write
from renkei.sandbox.crm.budget import HEAVY_RECORDS, SUB_CONCURRENT
from renkei.sandbox.crm.call import NO_CONTENT, NOT_MODIFIED, Answer, Call
from renkei.sandbox.faults import Receive, Scope, Send

if TYPE_CHECKING:
    from renkei.sandbox.world import World

Handler = Callable[[Call], Answer]
Cost = Callable[[Call], int]
# Content types that the API reads as JSON. The official SDK sends none at all (crm-v8.md section 1).
JSON_TYPES = ("", "application/json", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Route:
    """One documented call. `scopes`: any of these; `{module}` and `{custom}` stand for the module's scope names."""

    method: str
    pattern: tuple[str, ...]
    handler: Handler
    scopes: tuple[str, ...]
    cost: Cost
    heavy: Callable[[Call], bool]


def _one(call: Call) -> int:
    return 1


def _no(call: Call) -> bool:
    return False


def _yes(call: Call) -> bool:
    return True


def _list_cost(call: Call) -> int:
    return 3 if "cvid" in call.params else 1


def _list_heavy(call: Call) -> bool:
    return "cvid" in call.params or "sort_by" in call.params


def _batch_cost(call: Call) -> int:
    return max(1, -(-batch.size(call) // 10))


def _batch_heavy(call: Call) -> bool:
    return batch.size(call) > HEAVY_RECORDS


def _fixed(credits: int) -> Cost:
    return lambda call: credits


def _route(method: str, path: str, handler: Handler, scope: str, cost: Cost = _one, heavy: Callable[[Call], bool] = _no) -> Route:
    return Route(method, tuple(path.split("/")), handler, tuple(scope.split()), cost, heavy)


def _module_scopes(operation: str) -> str:
    return f"ZohoCRM.modules.{{module}}.{operation} ZohoCRM.modules.{operation}"


READ, CREATE, UPDATE, DELETE = (_module_scopes(op) for op in ("READ", "CREATE", "UPDATE", "DELETE"))
SETTINGS = "ZohoCRM.settings"
ROUTES = (
    _route("POST", "coql", coql.query, "ZohoCRM.coql.READ", coql.cost, _yes),
    _route("GET", "org", settings.organisation, "ZohoCRM.org.READ"),
    _route("GET", "org/currencies", settings.currencies, f"{SETTINGS}.currencies.READ"),
    _route("GET", "org/currencies/{id}", settings.currency, f"{SETTINGS}.currencies.READ"),
    _route("GET", "users", settings.users, "ZohoCRM.users.READ"),
    _route("GET", "users/{id}", settings.user, "ZohoCRM.users.READ"),
    _route("GET", "settings/modules", settings.modules, f"{SETTINGS}.modules.READ"),
    _route("POST", "settings/modules", shaping.make_modules, f"{SETTINGS}.modules.CREATE", _fixed(shaping.MODULE_CREDITS)),
    _route("GET", "settings/modules/{name}", settings.module, f"{SETTINGS}.modules.READ"),
    _route("GET", "settings/fields", settings.fields, f"{SETTINGS}.fields.READ"),
    _route("POST", "settings/fields", shaping.make_fields, f"{SETTINGS}.fields.CREATE"),
    _route("GET", "settings/fields/{id}", settings.field, f"{SETTINGS}.fields.READ"),
    _route("GET", "settings/layouts", settings.layouts, f"{SETTINGS}.layouts.READ"),
    _route("GET", "settings/layouts/{id}", settings.layout, f"{SETTINGS}.layouts.READ"),
    _route("GET", "settings/custom_views", settings.custom_views, f"{SETTINGS}.custom_views.READ"),
    _route("GET", "settings/custom_views/{id}", settings.custom_view, f"{SETTINGS}.custom_views.READ"),
    _route("GET", "settings/pipeline", settings.pipeline, f"{SETTINGS}.pipeline.READ"),
    _route("GET", "settings/related_lists", settings.related_lists, f"{SETTINGS}.related_lists.READ"),
    _route("GET", "settings/profiles", settings.profiles, f"{SETTINGS}.profiles.READ"),
    _route("GET", "settings/profiles/{id}", settings.profile, f"{SETTINGS}.profiles.READ"),
    _route("PUT", "settings/profiles/{id}", shaping.change_profile, f"{SETTINGS}.profiles.UPDATE"),
    _route("GET", "settings/variables", settings.variables, f"{SETTINGS}.variables.READ"),
    _route("GET", "settings/recycle_bin", bin.listing, f"{SETTINGS}.recycle_bin.READ"),
    _route("DELETE", "settings/recycle_bin/{id}", bin.purge, f"{SETTINGS}.recycle_bin.DELETE"),
    _route("POST", "settings/recycle_bin/{id}/actions/restore", bin.restore, f"{SETTINGS}.recycle_bin.CREATE"),
    _route("GET", "{module}", read.listing, READ, _list_cost, _list_heavy),
    _route("POST", "{module}", write.insert, CREATE, _batch_cost, _batch_heavy),
    _route("PUT", "{module}", write.update, UPDATE, _batch_cost, _batch_heavy),
    _route("DELETE", "{module}", write.delete, DELETE),
    _route("POST", "{module}/upsert", write.upsert, CREATE, _batch_cost, _batch_heavy),
    _route("GET", "{module}/search", search.search, "ZohoSearch.securesearch.READ", _one, _yes),
    _route("GET", "{module}/deleted", read.deleted, READ),
    _route("GET", "{module}/actions/count", search.count, "ZohoSearch.securesearch.READ", _fixed(50)),
    _route("GET", "{module}/{id}", read.one, READ),
    _route("PUT", "{module}/{id}", write.update_one, UPDATE, _batch_cost),
    _route("DELETE", "{module}/{id}", write.delete_one, DELETE),
    _route("POST", "{module}/{id}/actions/merge", bin.merge, UPDATE, _fixed(50)),
    _route("GET", "{module}/{id}/actions/merge", bin.merge_status, UPDATE),
    _route("GET", "{module}/{id}/Locking_Information__s", locks.listing, READ),
    _route("POST", "{module}/{id}/Locking_Information__s", locks.lock, CREATE),
    _route("DELETE", "{module}/{id}/Locking_Information__s/{lock}", locks.unlock, DELETE),
    _route("GET", "{module}/{id}/{list}", related.listing, READ),
    _route("PUT", "{module}/{id}/{list}", related.link, UPDATE, _batch_cost),
    _route("DELETE", "{module}/{id}/{list}/{related}", related.unlink, UPDATE),
    _route("GET", "{module}/deleted/{id}/{list}", related.of_deleted, READ),
)
OWN_WORDS = frozenset(route.pattern[0] for route in ROUTES if route.pattern[0] != "{module}")


class CrmApi:
    """The CRM of a world over ASGI. Holds its concurrency slot until the answer has been sent."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        budget = self.world.crm.budget
        heavy = False
        try:
            call = self._call(scope, body)
            if self.world.in_flight["crm"] > budget.concurrent:
                raise errors.too_many_requests()
            route = find(call)
            heavy = route.heavy(call)
            if heavy and budget.heavy >= SUB_CONCURRENT:
                heavy = False
                raise errors.too_many_requests()
            budget.heavy += heavy
            answer = self._answer(call, route, scope)
        except errors.Refusal as refusal:
            answer = Answer(refusal.status, refusal.body, code=refusal.code)
        try:
            await self._send(answer, scope, send)
        finally:
            budget.heavy -= heavy

    def _call(self, scope: Scope, body: bytes) -> Call:
        headers = Headers(scope=scope)
        authorization = headers.get("authorization")
        oauth = self.world.oauth
        if oauth.malformed(authorization):
            raise errors.authentication_failure()
        token = oauth.token(authorization)
        if token is None:
            raise errors.invalid_token()
        raw_path = scope.get("raw_path") or scope["path"].encode()
        parts = tuple(unquote(part) for part in raw_path.decode("latin-1").split("?")[0].strip("/").split("/"))
        if parts[:2] != ("crm", "v8"):
            raise errors.invalid_url()
        query = scope.get("query_string", b"").decode("latin-1")
        scheme, host = scope.get("scheme", "http"), headers.get("host", "localhost")
        return Call(
            state=self.world.crm,
            faults=self.world.faults,
            method=scope["method"],
            path=scope["path"],
            segments=parts[2:],
            params=dict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            body=body,
            token=token,
            base_url=f"{scheme}://{host}",
        )

    def _answer(self, call: Call, route: Route, scope: Scope) -> Answer:
        check_scope(call, route)
        if call.method in ("POST", "PUT") and call.headers.get("content-type", "").split(";")[0] not in JSON_TYPES:
            raise errors.media_type()
        credits = route.cost(call)
        if not call.state.budget.spend(credits):
            raise errors.too_many_requests()
        if "sandbox.row" in scope:
            scope["sandbox.row"].credits = credits
        return route.handler(call)

    async def _send(self, answer: Answer, scope: Scope, send: Send) -> None:
        budget = self.world.crm.budget
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        if 2 * budget.used >= budget.total:
            headers.append((b"x-api-credits-remaining", str(budget.remaining).encode()))
        body = b""
        if answer.body is not None:
            body = orjson.dumps(answer.body)
            headers.append((b"content-type", b"application/json;charset=utf-8"))
        if answer.status not in (NO_CONTENT, NOT_MODIFIED):
            headers.append((b"content-length", str(len(body)).encode()))
        if "sandbox.row" in scope:
            scope["sandbox.row"].rows = answer.rows
            scope["sandbox.row"].code = answer.code
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def find(call: Call) -> Route:
    """The documented call for a path and method; sets `call.names`. Literal segments win over variable ones."""
    fitting: list[tuple[Route, dict[str, str]]] = []
    for route in ROUTES:
        names = _match(route.pattern, call.segments)
        if names is not None:
            fitting.append((route, names))
    if not fitting:
        raise errors.invalid_url()
    best = max(_literals(route.pattern) for route, _ in fitting)
    for route, names in fitting:
        if _literals(route.pattern) == best and route.method == call.method:
            call.names = names
            return route
    if "module" in fitting[0][1] and fitting[0][1]["module"] not in call.state.tables:
        raise errors.invalid_module()
    raise errors.invalid_method()


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    names: dict[str, str] = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part[0] == "{":
            if not segment or (part == "{module}" and segment in OWN_WORDS):
                return None
            names[part[1:-1]] = segment
        elif part != segment:
            return None
    return names


def _literals(pattern: tuple[str, ...]) -> int:
    return sum(part[0] != "{" for part in pattern)


def check_scope(call: Call, route: Route) -> None:
    """Refuses when the token has none of the call's scopes; custom modules also go by `modules.custom`."""
    module = call.names.get("module", "")
    wanted = [scope.replace("{module}", module) for scope in route.scopes]
    if call.state.is_custom(module):
        wanted += [scope.replace("{module}", "custom") for scope in route.scopes if "{module}" in scope]
    if not call.token.allows(*wanted):
        raise errors.scope_mismatch()


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
