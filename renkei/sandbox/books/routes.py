"""The paths of /books/v3 and /invoice/v3, and the gate that every call passes (books-v3.md 1.3 to 5, 14)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from renkei.sandbox.books import handlers, paperwork, pdf, sales, settings, statuses
from renkei.sandbox.books.call import Answer, Call, content_of
from renkei.sandbox.books.errors import BooksError
from renkei.sandbox.books.handlers import Handler
from renkei.sandbox.books.kinds import KINDS
from renkei.sandbox.books.table import Record

if TYPE_CHECKING:
    from renkei.sandbox.books.organisation import Organisation
    from renkei.sandbox.books.state import BooksState
    from renkei.sandbox.world import World

Creation = Callable[[Call, dict[str, Any]], Record]
PRODUCTS = {"books": "ZohoBooks", "invoice": "ZohoInvoice"}
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
_OPERATIONS = {"GET": "READ", "POST": "CREATE", "PUT": "UPDATE", "DELETE": "DELETE"}
_GROUPS = {
    "contacts": "contacts",
    "invoices": "invoices",
    "invoice": "invoices",
    "customerpayments": "customerpayments",
    "customerpayment": "customerpayments",
    "estimates": "estimates",
    "estimate": "estimates",
    "salesorders": "salesorders",
    "salesorder": "salesorders",
    "creditnotes": "creditnotes",
    "creditnote": "creditnotes",
    "purchaseorders": "purchaseorders",
    "purchaseorder": "purchaseorders",
}
_MERGED = ("invoices", "estimates", "salesorders")  # several of them can be had in one PDF file
_BOOKS_ONLY = ("salesorders", "salesorder", "purchaseorders", "purchaseorder")
_MODULES = {kind.singular: name for name, kind in KINDS.items()}  # the other spelling of a path's first part
_OPEN = "{}"


def _table() -> dict[tuple[str, ...], dict[str, Handler]]:
    h = handlers
    table: dict[str, dict[str, Handler]] = {
        "organizations": {"GET": settings.organizations},
        "organizations/{}": {"GET": settings.organization},
        "users": {"GET": settings.users},
        "users/me": {"GET": settings.me},
        "users/{}": {"GET": settings.user},
        "settings/currencies": {"GET": settings.currencies},
        "settings/currencies/{}": {"GET": settings.currency},
        "settings/currencies/{}/exchangerates": {"GET": settings.exchange_rates},
        "settings/taxes": {"GET": settings.taxes},
        "settings/taxes/{}": {"GET": settings.tax},
        "settings/fields": {"GET": settings.fields, "POST": settings.make_field},
        "contacts": {
            "GET": h.listed("contacts"),
            "POST": h.created("contacts", h.create_contact),
            "PUT": h.upserted("contacts", h.create_contact, h.update_contact),
        },
        "contacts/{}": {
            "GET": h.got("contacts"),
            "PUT": h.updated("contacts", h.update_contact),
            "DELETE": h.deleted("contacts", h.delete_contact),
        },
        "contacts/{}/active": {"POST": h.activated("contacts", True)},
        "contacts/{}/inactive": {"POST": h.activated("contacts", False)},
        "contacts/{}/contactpersons": {"GET": h.persons_listed},
        "contacts/{}/contactpersons/{}": {"GET": h.person_got},
        "contacts/contactpersons": {"POST": h.person_created},
        "contacts/contactpersons/{}": {"PUT": h.person_updated, "DELETE": h.person_deleted},
        "contacts/contactpersons/{}/primary": {"POST": h.person_primary},
        "contacts/{}/address": {"GET": h.addresses_listed, "POST": h.address_created},
        "contacts/{}/address/{}": {"PUT": h.address_updated, "DELETE": h.address_deleted},
        "contacts/{}/comments": {"GET": h.comments_listed},
        "items": {
            "GET": h.listed("items"),
            "POST": h.created("items", h.create_item),
            "PUT": h.upserted("items", h.create_item, h.update_item),
        },
        "items/{}": {
            "GET": h.got("items"),
            "PUT": h.updated("items", h.update_item),
            "DELETE": h.deleted("items", h.delete_item),
        },
        "items/{}/active": {"POST": h.activated("items", True)},
        "items/{}/inactive": {"POST": h.activated("items", False)},
        "itemdetails": {"GET": h.item_details},
        "item/{}/customfields": {"PUT": h.custom_fields_put("items")},
        **_orders("invoices"),
        "invoices/{}/status/sent": {"POST": sales.moved("invoices", "sent", "Invoice status has been changed to Sent.")},
        "invoices/{}/status/void": {"POST": sales.moved("invoices", "void", "Invoice status has been changed to Void.")},
        "invoices/{}/status/draft": {"POST": sales.moved("invoices", "draft", "Status of invoice changed from void to draft")},
        "invoices/{}/writeoff": {"POST": sales.done("invoices", statuses.write_off, "Invoice has been written off")},
        "invoices/{}/writeoff/cancel": {
            "POST": sales.done("invoices", statuses.cancel_write_off, "The write off done for this invoice has been cancelled.")
        },
        "invoices/{}/payments": {"GET": sales.invoice_payments},
        "invoices/{}/payments/{}": {"DELETE": sales.invoice_payment_removed},
        "invoices/{}/credits": {"POST": sales.invoice_credited},
        "invoices/{}/creditsapplied": {"GET": sales.invoice_credits},
        "invoices/{}/creditsapplied/{}": {"DELETE": sales.invoice_credit_removed},
        "customerpayments": {
            "GET": h.listed("customerpayments"),
            "POST": h.created("customerpayments", sales.create_payment),
            "PUT": h.upserted("customerpayments", sales.create_payment, sales.update_payment),
            "DELETE": sales.payments_deleted,
        },
        "customerpayments/{}": {
            "GET": h.got("customerpayments"),
            "PUT": h.updated("customerpayments", sales.update_payment),
            "DELETE": h.deleted("customerpayments", sales.delete_payment),
        },
        "customerpayment/{}/customfields": {"PUT": h.custom_fields_put("customerpayments")},
        **_orders("creditnotes", sales.create_credit),
        "creditnotes/{}/status/open": {
            "POST": sales.moved("creditnotes", "open", "Status of the credit note has been changed to open.")
        },
        "creditnotes/{}/status/void": {"POST": sales.moved("creditnotes", "void", "The credit note has been marked as void.")},
        "creditnotes/{}/status/draft": {"POST": sales.moved("creditnotes", "draft", "The credit note has been marked as Draft.")},
        "creditnotes/{}/invoices": {"GET": sales.credit_invoices, "POST": sales.credit_applied},
        "creditnotes/{}/invoices/{}": {"DELETE": sales.credit_taken_back},
        **_orders("estimates"),
        "estimates/{}/status/sent": {"POST": sales.moved("estimates", "sent", "Estimate status has been changed to Sent")},
        "estimates/{}/status/accepted": {
            "POST": sales.moved("estimates", "accepted", "Estimate status has been changed to Accepted.")
        },
        "estimates/{}/status/declined": {
            "POST": sales.moved("estimates", "declined", "Estimate status has been changed to Declined.")
        },
        **_orders("salesorders"),
        "salesorders/{}/status/open": {
            "POST": sales.moved("salesorders", "open", "Sales order status has been changed to Open.", 201)
        },
        "salesorders/{}/status/void": {
            "POST": sales.moved("salesorders", "void", "Sales order status has been changed to Void.", 201)
        },
        "invoices/fromsalesorder": {"POST": sales.invoice_from_order},
        **_orders("purchaseorders"),
        "purchaseorders/{}/status/open": {
            "POST": sales.moved("purchaseorders", "open", "The purchase order has been marked as open.", 201)
        },
        "purchaseorders/{}/status/billed": {
            "POST": sales.moved("purchaseorders", "billed", "The purchase order has been marked as billed.", 201)
        },
        "purchaseorders/{}/status/cancelled": {
            "POST": sales.moved("purchaseorders", "cancelled", "The purchase order has been cancelled.", 201)
        },
    }
    return {tuple(path.split("/")): methods for path, methods in table.items()}


def _orders(kind: str, create: Creation | None = None) -> dict[str, dict[str, Handler]]:
    """What invoices, estimates and their like have in common."""
    h, create = handlers, create or sales.create(kind)
    return {
        kind: {
            "GET": h.listed(kind),
            "POST": h.created(kind, create),
            "PUT": h.upserted(kind, create, sales.update(kind)),
        },
        f"{kind}/{{}}": {
            "GET": paperwork.got(kind),
            "PUT": h.updated(kind, sales.update(kind)),
            "DELETE": h.deleted(kind, sales.delete(kind)),
        },
        **{f"{kind}/{way}": {"GET": paperwork.together(kind)} for way in ("pdf", "print") if kind in _MERGED},
        f"{kind}/templates": {"GET": paperwork.templates(kind)},
        f"{kind}/{{}}/templates/{{}}": {"PUT": paperwork.template_set(kind)},
        f"{kind}/{{}}/email": {"GET": paperwork.email_shown(kind), "POST": paperwork.email_sent(kind)},
        f"{kind}/{{}}/address/billing": {"PUT": paperwork.address_set(kind, "billing")},
        f"{kind}/{{}}/address/shipping": {"PUT": paperwork.address_set(kind, "shipping")},
        f"{kind}/{{}}/comments": {"GET": paperwork.comments_listed(kind), "POST": paperwork.comment_added(kind)},
        f"{kind}/{{}}/comments/{{}}": {"PUT": paperwork.comment_changed(kind), "DELETE": paperwork.comment_removed(kind)},
        f"{KINDS[kind].singular}/{{}}/customfields": {"PUT": h.custom_fields_put(kind)},
    }


HANDLERS = _table()


def routes(world: World) -> list[BaseRoute]:
    """The routes of both editions, with whole paths."""
    return [Route(f"/{edition}/v3/{{path:path}}", _endpoint(world, edition), methods=_METHODS) for edition in PRODUCTS]


def _endpoint(world: World, edition: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        row = request.scope.get("sandbox.row")
        answer: Answer | None = None
        try:
            answer = await _answered(world, edition, request)
        except BooksError as error:
            content: dict[str, Any] = {"code": error.code, "message": error.message}
            status, code, rows = error.status, error.code, 0
        else:
            content = {"code": 0, "message": answer.message, **answer.content}
            status, code, rows = answer.status, 0, answer.rows
        if row is not None:
            row.code, row.rows = code, rows
        if answer is not None and answer.file is not None:
            response = Response(answer.file, status, {"content-disposition": _attachment(answer.file_name)}, pdf.MEDIA_TYPE)
        else:
            response = Response(orjson.dumps(content), status, media_type="application/json;charset=UTF-8")
        response.raw_headers.extend(_limits_of(world, edition, request))
        return response

    return endpoint


async def _answered(world: World, edition: str, request: Request) -> Answer:
    """Token, organisation, limits, path, scope, body, handler: refused at the first that fails."""
    authorization = request.headers.get("authorization")
    if world.oauth.malformed(authorization):
        raise BooksError(
            401,
            14,
            "The request could not be authenticated as the authentication value you entered is invalid. Enter a valid "
            "authentication value and try again.",
        )
    token = world.oauth.token(authorization)
    product = PRODUCTS[edition]
    if token is None or not token.has_product(product):
        raise _unauthorized()
    path = request.path_params["path"].strip("/")
    org = _organisation(world, edition, request, needed=path != "organizations")
    now = world.clock.now()
    org.meter.roll(now, org.zone)
    org.meter.take(now, world.in_flight["books"], world.limits)
    if world.books.latency:
        await world.sleep(world.books.latency)
    module = path.split("/")[0]
    if org.switched_off & {module, _MODULES.get(module, module)}:
        raise BooksError(400, 110001, "This feature is not enabled for your organization.")
    handler, ids = _resolved(edition, request.method, path.split("/"))
    group = _GROUPS.get(path.split("/")[0], "settings")
    if not token.allows(f"{product}.{group}.{_OPERATIONS[request.method]}"):
        raise _unauthorized()
    content = None if request.method in ("GET", "DELETE") else await content_of(request)
    query, headers = dict(request.query_params), dict(request.headers)
    email = str(world.crm.users[token.user]["email"])
    org.acting = org.user_with(email) or org.acting
    return handler(Call(world.books, org, edition, request.method, path, query, headers, content, ids, email))


def _attachment(name: str) -> str:
    """The header's value; a name beyond Latin letters travels percent-encoded (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name)}" if not name.isascii() else f'attachment; filename="{name}"'


def _organisation(world: World, edition: str, request: Request, *, needed: bool) -> Organisation:
    """The organisation of the query or else of the edition's header; 400/6041 for a wrong one or none."""
    books: BooksState = world.books
    id = _organisation_id(edition, request)
    if id is None and not needed:
        return books.main
    org = books.organisations.get(id or "")
    if org is None:
        raise BooksError(400, 6041, f"This user is not associated with the CompanyID/CompanyName:{id or ''}.")
    return org


def _organisation_id(edition: str, request: Request) -> str | None:
    return request.query_params.get("organization_id") or request.headers.get(f"x-com-zoho-{edition}-organizationid")


def _limits_of(world: World, edition: str, request: Request) -> list[tuple[bytes, bytes]]:
    books: BooksState = world.books
    org = books.organisations.get(_organisation_id(edition, request) or "") or books.main
    now = world.clock.now()
    org.meter.roll(now, org.zone)
    return org.meter.headers(now, world.limits)


def _resolved(edition: str, method: str, parts: list[str]) -> tuple[Handler, list[str]]:
    """The handler of a path and what the path leaves open; 404/5 for no such path, 405/37 for no such method."""
    books_only = parts[0] in _BOOKS_ONLY or parts == ["invoices", "fromsalesorder"]
    found = None if edition == "invoice" and books_only else _match(parts)
    if found is None:
        raise BooksError(404, 5, "Invalid URL Passed")
    methods, ids = found
    if method not in methods:
        raise BooksError(405, 37, "The HTTP method is not allowed for the requested resource")
    return methods[method], ids


def _match(parts: list[str]) -> tuple[dict[str, Handler], list[str]] | None:
    """The first template that fits, literal parts before open ones."""
    for opened in _ways(len(parts)):
        template = tuple(_OPEN if n in opened else part for n, part in enumerate(parts))
        methods = HANDLERS.get(template)
        if methods is not None:
            return methods, [parts[n] for n in opened]
    return None


def _ways(length: int) -> tuple[tuple[int, ...], ...]:
    """Which parts of a path of this length may be open."""
    return {1: ((),), 2: ((), (1,)), 3: ((), (1,), (2,)), 4: ((1,), (2,), (1, 3))}.get(length, ())


def _unauthorized() -> BooksError:
    return BooksError(401, 57, "You are not authorized to perform this operation")
