"""The control port /_sandbox/...: state, people's hands, clock, faults, request log, limits (design.md section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from renkei.sandbox.books.errors import BooksError
from renkei.sandbox.books.kinds import DOCUMENTS, ID_KEYS
from renkei.sandbox.faults import Fault

if TYPE_CHECKING:
    from renkei.sandbox.world import World

Handler = Callable[["World", dict[str, Any]], Any]


def routes(world: World) -> list[BaseRoute]:
    """The control port's routes. Bodies and answers are JSON; what is asked wrongly answers 400 {"error": text}."""
    table: list[tuple[str, str, Handler]] = [
        ("GET", "state", _state),
        ("POST", "edit", _edit),
        ("POST", "delete", _delete),
        ("POST", "merge", _merge),
        ("POST", "restore", _restore),
        ("POST", "insert", _insert),
        ("POST", "create", _create),
        ("POST", "mark", _mark),
        ("POST", "pay", _pay),
        ("POST", "credit", _credit),
        ("POST", "write-off", _write_off),
        ("POST", "email", _email),
        ("GET", "mails", _mails),
        ("GET", "clock", _read_clock),
        ("POST", "clock", _set_clock),
        ("GET", "faults", _list_faults),
        ("POST", "faults", _add_fault),
        ("DELETE", "faults", _clear_faults),
        ("GET", "requests", _list_requests),
        ("DELETE", "requests", _clear_requests),
        ("POST", "limits", _limits),
        ("POST", "modules", _modules),
        ("POST", "rights", _rights),
        ("POST", "credentials", _credentials),
        ("POST", "reset", _reset),
    ]
    return [_route(world, method, name, handler) for method, name, handler in table]


def _route(world: World, method: str, name: str, handler: Handler) -> BaseRoute:
    async def endpoint(request: Request) -> Response:
        try:
            body = await request.body()
            given = {**request.query_params, **(orjson.loads(body) if body else {})}
            answer, status = handler(world, given), 200
        except (KeyError, ValueError, TypeError, BooksError) as error:
            answer, status = {"error": f"{type(error).__name__}: {error}"}, 400
        return Response(orjson.dumps(answer), status, media_type="application/json")

    return Route(f"/_sandbox/{name}", endpoint, methods=[method])


def _side(world: World, given: dict[str, Any]) -> Any:
    side = given["side"]
    if side not in ("crm", "books"):
        raise ValueError(f"side is crm or books, not {side!r}")
    return world.crm if side == "crm" else world.books


def _state(world: World, given: dict[str, Any]) -> Any:
    """?side=&module=[&id=]: {"records": [...], "count": n}."""
    records = _side(world, given).records(given["module"])
    if "id" in given:
        return {"records": [records[given["id"]]], "count": 1}
    return {"records": list(records.values()), "count": len(records)}


def _edit(world: World, given: dict[str, Any]) -> Any:
    """{"side","module","id","fields"[,"by"]}: as a person in the user interface; `by`: in Books, a user's e-mail."""
    _side(world, given).edit(given["module"], given["id"], **_hand(given), **given["fields"])
    return {"status": "done"}


def _delete(world: World, given: dict[str, Any]) -> Any:
    """{"side","module","id"[,"by"]}."""
    _side(world, given).delete(given["module"], given["id"], **_hand(given))
    return {"status": "done"}


def _hand(given: dict[str, Any]) -> dict[str, str]:
    """Whose hand it is: in Books the e-mail of a user under `by`; nobody in particular when it is absent."""
    return {"by": given["by"]} if "by" in given else {}


def _create(world: World, given: dict[str, Any]) -> Any:
    """{"module","fields"[,"by"]}: a person makes a document in Books: {"id"}."""
    record = world.books.create(given["module"], **_hand(given), **given["fields"])
    return {"id": record[ID_KEYS[given["module"]]]}


def _mark(world: World, given: dict[str, Any]) -> Any:
    """{"module","id","status"[,"by"]}: a person moves a document in Books on: sent, accepted, declined, void, draft ..."""
    world.books.mark(given["module"], given["id"], given["status"], **_hand(given))
    return {"status": "done"}


def _pay(world: World, given: dict[str, Any]) -> Any:
    """{"id"[,"amount","on","by"]}: a customer pays an invoice, wholly and today unless told otherwise: {"id"} of the payment."""
    return {"id": world.books.pay(given["id"], given.get("amount"), given.get("on"), **_hand(given))["payment_id"]}


def _credit(world: World, given: dict[str, Any]) -> Any:
    """{"id"[,"amount","by"]}: a credit note, of the whole balance unless told otherwise, applied to an invoice: {"id"} of it."""
    return {"id": world.books.credit(given["id"], given.get("amount"), **_hand(given))["creditnote_id"]}


def _write_off(world: World, given: dict[str, Any]) -> Any:
    """{"id"[,"by"]}: a person writes off what is left of an invoice."""
    world.books.write_off(given["id"], **_hand(given))
    return {"status": "done"}


def _merge(world: World, given: dict[str, Any]) -> Any:
    """{"side","module","master","child"}; Books merges contacts only."""
    if given["side"] == "books":
        world.books.merge(given["master"], given["child"])
    else:
        _side(world, given).merge(given["module"], given["master"], given["child"])
    return {"status": "done"}


def _restore(world: World, given: dict[str, Any]) -> Any:
    """{"side": "crm","module","id"}: out of the recycle bin; Books has none."""
    if given["side"] != "crm":
        raise ValueError("only the CRM has a recycle bin")
    world.crm.restore(given["module"], given["id"])
    return {"status": "done"}


def _insert(world: World, given: dict[str, Any]) -> Any:
    """{"side","module","record"}: {"id"}."""
    return {"id": _side(world, given).seed(given["module"], [given["record"]])[0]}


def _email(world: World, given: dict[str, Any]) -> Any:
    """{"module","id"[,"to","by"]}: a person e-mails a document in Books; `to`: addresses, else its contact persons."""
    return world.books.email(given["module"], given["id"], given.get("to", ()), **_hand(given))


def _mails(world: World, given: dict[str, Any]) -> Any:
    """{"mails": what Books would have sent, oldest first, "count": n}."""
    mails = world.books.mails()
    return {"mails": mails, "count": len(mails)}


def _read_clock(world: World, given: dict[str, Any]) -> Any:
    return {"now": world.clock.now().isoformat()}


def _set_clock(world: World, given: dict[str, Any]) -> Any:
    """{"advance": seconds}: the clock never goes back."""
    seconds = float(given["advance"])
    if seconds < 0:
        raise ValueError("advance is at least 0")
    world.clock.advance(seconds)
    return _read_clock(world, given)


def _fault(fault: Fault) -> dict[str, Any]:
    return {"spec": fault.spec, "kind": fault.kind, "left": fault.times}


def _list_faults(world: World, given: dict[str, Any]) -> Any:
    return {"faults": [_fault(fault) for fault in world.faults.orders], "counts": dict(world.faults.counts)}


def _add_fault(world: World, given: dict[str, Any]) -> Any:
    """{"spec": "timeout-after-commit@books:PUT/contacts*1"}."""
    world.faults.add(given["spec"])
    return _list_faults(world, given)


def _clear_faults(world: World, given: dict[str, Any]) -> Any:
    world.faults.clear()
    return _list_faults(world, given)


def _list_requests(world: World, given: dict[str, Any]) -> Any:
    """?side=&limit=: {"requests": rows, "sums": by side, method and path template, "count": n}."""
    rows = world.requests.select(given.get("side"))
    limit = int(given.get("limit", len(rows) or 1))
    return {
        "requests": [row.as_dict() for row in rows[-limit:]],
        "sums": world.requests.sums(given.get("side")),
        "count": len(rows),
    }


def _clear_requests(world: World, given: dict[str, Any]) -> Any:
    world.requests.clear()
    return {"count": 0}


def _limits(world: World, given: dict[str, Any]) -> Any:
    """{"on": bool, "books_day_used": n, "crm_credits_used": n}, each optional."""
    if "on" in given or "off" in given:
        world.limits = bool(given.get("on", not given.get("off")))
    if "books_day_used" in given:
        world.books.set_day_used(int(given["books_day_used"]))
    if "crm_credits_used" in given:
        world.crm.budget.set_used(int(given["crm_credits_used"]))
    return {"on": world.limits}


def _modules(world: World, given: dict[str, Any]) -> Any:
    """{"off": [names]}: the modules of Books that are switched off from now on, such as estimates, salesorders: {"off"}."""
    off = set(given["off"])
    unknown = off - set(DOCUMENTS)
    if unknown:
        raise ValueError(f"no modules that can be switched off: {', '.join(sorted(unknown))}")
    world.books.main.switched_off = off
    return {"off": sorted(off)}


def _rights(world: World, given: dict[str, Any]) -> Any:
    """{"profile","module","right","allowed"}: an administrator gives a CRM profile a right in a module or the Invoices tab, or
    takes it."""
    world.crm.set_right(given["profile"], given["module"], given["right"], bool(given["allowed"]))
    return {"status": "done"}


def _credentials(world: World, given: dict[str, Any]) -> Any:
    """{"scopes": [...], "user": id}: {"client_id","client_secret","refresh_token","code"}; no scopes: every scope."""
    scopes, user = tuple(given.get("scopes", ())), given.get("user") or world.crm.sync_user["id"]
    return {
        "client_id": world.client_id,
        "client_secret": world.client_secret,
        "refresh_token": world.add_credentials(scopes, user),
        "code": world.oauth.issue_code(scopes, user),
    }


def _reset(world: World, given: dict[str, Any]) -> Any:
    """{"seed": name}: everything as after a start with that seed; credentials stay."""
    world.reset(given["seed"])
    return {"status": "done"}
