"""One ASGI app for both sides: OAuth, CRM v8, Books v3, Invoice v3 and the control port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from renkei.sandbox import control
from renkei.sandbox.books.routes import routes as books_routes
from renkei.sandbox.crm.api import CrmApi
from renkei.sandbox.faults import App, FaultLayer

if TYPE_CHECKING:
    from renkei.sandbox.world import World


def create_app(world: World) -> App:
    """The ASGI app of a world: /oauth/v2, /crm/v8, /books/v3, /invoice/v3 and /_sandbox.

    `renkei.sandbox.books.routes.routes(world)` gives routes with whole paths (`/books/v3/...`, `/invoice/v3/...`).
    """
    crm = Mount("/crm", app=CrmApi(world))
    inner = Starlette(routes=[*world.oauth.routes(), crm, *books_routes(world), *control.routes(world)])
    return FaultLayer(inner, world, side_of)


def side_of(path: str) -> str | None:
    """The side that answers a path; None for the control port."""
    if path.startswith("/crm/"):
        return "crm"
    if path.startswith(("/books/", "/invoice/")):
        return "books"
    return "accounts" if path.startswith("/oauth/") else None
