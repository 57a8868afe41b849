"""A CRM user's act on one document, on request: the commands' own functions, under the rights of whom it is done for.

Looking (list, show, summary, the preview of an e-mail) is no flow: Prefect keeps what flows say, and shows it to everybody there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.running import Environment, ref_of, run_for_user
from renkei.engine.attachments import attach, detach
from renkei.engine.crm_user import CrmUser
from renkei.engine.document_changes import create, edit
from renkei.engine.document_files import fetch_pdf
from renkei.engine.document_mail import send
from renkei.engine.documents import refresh

Verb = Literal["refresh", "attach", "detach", "create", "edit", "pdf", "email"]
Kind = Literal["estimates", "sales_orders", "invoices"]


@flow(name="documents", flow_run_name="documents {verb} {record}")
async def documents(
    connection: str,
    verb: Verb,
    record: str,
    acting_as: str,
    deal: str = "",
    kind: Kind = "invoices",
    fields: dict[str, Any] | None = None,
    stamp: str = "",
    template: str = "",
    to: list[str] | None = None,
    again: bool = False,
    environment: Environment = "",
) -> State[Any]:
    """What the command `documents` does with a record, as a profile of the CRM or one of its users (`acting_as`).

    deal      attach, detach: `crm:Deals:ID`
    kind      create: what is made for the account or contact `record`
    fields    create, edit: date, due, person, lines, reference, notes, terms, template, salesperson, as the form has them
    stamp     edit: of the document as it was seen
    template, to, again    email: sends it, to contacts of the CRM
    """
    ref, form = ref_of(record), fields or {}
    acts: Mapping[str, Callable[[CrmUser], Awaitable[dict[str, Any]]]] = {
        "refresh": lambda user: refresh(user, ref, environment),
        "attach": lambda user: attach(user, ref, ref_of(deal), environment),
        "detach": lambda user: detach(user, ref, ref_of(deal), environment),
        "create": lambda user: create(user, kind, ref, form, environment=environment),
        "edit": lambda user: edit(user, ref, form, stamp=stamp, environment=environment),
        "pdf": lambda user: fetch_pdf(user, ref),
        "email": lambda user: send(user, ref, template, [*map(ref_of, to or ())], again=again, environment=environment),
    }
    return await run_for_user("documents", connection, verb, acting_as, acts[verb])
