"""Who may do what with documents: the lesser of `permissions` and the CRM's Invoices tab, for every verb; denied means denied."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from company import Company
from test_document_rows import document, invoice, linked_pair
from typer.main import get_command

from renkei.cli.main import app
from renkei.core.document_view import Search
from renkei.core.errors import DocumentRefused
from renkei.core.rights import KINDS, MODULES
from renkei.core.values import Ref
from renkei.engine.attachments import attach, detach
from renkei.engine.crm_user import CrmUser, crm_user
from renkei.engine.document_changes import create, edit
from renkei.engine.document_files import fetch_pdf
from renkei.engine.document_mail import preview, send
from renkei.engine.documents import list_documents, refresh, show_document, summary
from renkei.engine.life import pause, resume
from renkei.sandbox.crm import org

PROFILES = {"Administrator": org.ADMINISTRATOR, "Standard": org.STANDARD, "Finance": org.FINANCE}
EVERYTHING = (
    *((kind, ("view", "create", "email") if kind != "purchase_orders" else ("view", "email")) for kind in KINDS),
    ("receivables", ("view",)),
)
Work = Callable[[CrmUser], Awaitable[dict[str, Any]]]


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Company.in_process(tmp_path) as made:
        made.choose(duplicates="link")
        permit(made, Standard=EVERYTHING)
        yield made


def permit(company: Company, **profiles: Any) -> None:
    company.spec = dataclasses.replace(company.spec, permissions=tuple(profiles.items()))


async def visit(company: Company, verb: str, work: Work, name: str = "Standard") -> dict[str, Any]:
    async with company.rooms() as rooms:
        return await work(await crm_user(rooms, name, verb, "tanaka"))


async def refused(company: Company, verb: str, work: Work, name: str = "Standard") -> DocumentRefused:
    """The refusal, of which the ledger has a row and Books no call."""
    company.world.requests.rows.clear()
    with pytest.raises(DocumentRefused) as error:
        await visit(company, verb, work, name)
    assert not [one for one in company.world.requests.rows if one.path.startswith("/books/v3/")]
    run = company.ledger.runs(company.spec.name, 1)[0]
    row = list(company.ledger.outcomes(run.id))[-1]
    assert (run.status, row.outcome, row.reason) == (row.outcome, row.outcome, error.value.reason)
    assert row.actor == error.value.actor and row.actor.startswith("crm:") and row.entity == "documents"
    assert error.value.ja.endswith("。") and error.value.exit_code == 3
    return error.value


async def papers(company: Company) -> tuple[Ref, dict[str, Ref]]:
    """An account, and a document of each kind of its customer's."""
    account, customer = linked_pair(company, "Kita Ltd")
    vendor = company.seed_books("contacts", contact_name="Vendor KK", contact_type="vendor")
    made = {
        "invoices": invoice(company, customer, 1000), "estimates": document(company, "estimates", customer, 10),
        "sales_orders": document(company, "salesorders", customer, 10, status="open"),
        "purchase_orders": company.seed_books("purchaseorders", vendor_id=vendor, line_items=[{"rate": 1, "quantity": 1}]),
    }  # fmt: skip
    await company.sync()
    return Ref("crm", "Accounts", account), {kind: Ref("books", MODULES[kind], id) for kind, id in made.items()}


def work_of(verb: str, kind: str, account: Ref, paper: Ref) -> Work:
    """The verb as a page or a command calls it."""
    works: dict[str, Work] = {
        "list": lambda user: list_documents(user, account, [kind], Search()),
        "show": lambda user: show_document(user, paper),
        "summary": lambda user: summary(user, account),
        "refresh": lambda user: refresh(user, paper),
        "attach": lambda user: attach(user, paper, Ref("crm", "Deals", "1")),
        "detach": lambda user: detach(user, paper, Ref("crm", "Deals", "1")),
        "create": lambda user: create(user, kind, account, {"lines": [{"name": "x", "price": "1"}]}),
        "edit": lambda user: edit(user, paper, {"notes": "x"}),
        "pdf": lambda user: fetch_pdf(user, paper),
        "email": lambda user: preview(user, paper),
        "email --send": lambda user: send(user, paper, "1", [Ref("crm", "Contacts", "1")]),
    }
    return works[verb]


# verb → (right in `permissions`, right on the CRM's tab), as people expect them
NEEDED = {
    "list": ("view", "View"), "show": ("view", "View"), "summary": ("view", "View"), "refresh": ("view", "View"),
    "attach": ("create", "Edit"), "detach": ("create", "Edit"),
    "create": ("create", "Create"), "edit": ("create", "Edit"),
    "pdf": ("view", "View"), "email": ("email", "View"), "email --send": ("email", "View"),
}  # fmt: skip
CASES = [
    (verb, kind)
    for verb in NEEDED
    for kind in (("receivables",) if verb == "summary" else KINDS)
    if not (verb in ("create", "edit", "attach", "detach") and kind == "purchase_orders")
]


def test_every_document_verb_is_walked_here() -> None:
    group: Any = get_command(app)
    assert set(group.commands["documents"].commands) == {verb.split()[0] for verb in NEEDED}


@pytest.mark.parametrize("verb", NEEDED)
async def test_each_profile_without_the_right_is_denied_and_the_ledger_says_who_and_why(verb: str, company: Company) -> None:
    account, made = await papers(company)
    right, on_tab = NEEDED[verb]
    for kind in [kind for one, kind in CASES if one == verb]:
        work = work_of(verb, kind, account, made.get(kind, made["invoices"]))
        less = {name: tuple(one for one in rights if one != right) for name, rights in EVERYTHING}
        without = tuple((name, less[name] if name == kind else rights) for name, rights in EVERYTHING)
        permit(company, Standard=without, Finance=EVERYTHING)
        assert (await refused(company, verb, work)).reason == "permission_missing"
        assert (await refused(company, verb, work, "Administrator")).reason == "profile_not_named"
        assert (await refused(company, verb, work, "Nobody")).reason == "unknown_user"
        assert (await refused(company, verb, work, "jun.abe@example.jp")).reason == "unknown_user"  # he left
        assert (await refused(company, verb, work, "mei.sato@example.jp")).reason == "permission_missing"
        company.world.crm.denied.add((PROFILES["Finance"], "Invoices", on_tab))
        error = await refused(company, verb, work, "yuko.suzuki@example.jp")
        assert error.reason == "crm_tab" and error.actor == "crm:yuko.suzuki@example.jp" and f"`{on_tab}`" in error.what
        company.world.crm.denied.discard((PROFILES["Finance"], "Invoices", on_tab))


async def test_a_list_shows_the_kinds_that_may_be_seen_and_says_which_were_left_out(company: Company) -> None:
    account, made = await papers(company)
    permit(company, Standard=(("estimates", ("view",)), ("invoices", ("create", "email"))))
    found = await visit(company, "list", lambda user: list_documents(user, account, [], Search()))
    assert [one["record"] for one in found["documents"]] == [str(made["estimates"])]
    assert found["not_shown"] == {"sales_orders": "denied", "invoices": "denied"}


async def test_without_permissions_nobody_may_see_anything(company: Company) -> None:
    account, _ = await papers(company)
    permit(company)
    error = await refused(company, "list", lambda user: list_documents(user, account, [], Search()), "Administrator")
    assert error.reason == "profile_not_named"


@pytest.mark.parametrize("verb", NEEDED)
async def test_what_is_paused_disconnected_or_of_another_organisation_answers_not_connected(verb: str, company: Company) -> None:
    account, made = await papers(company)
    work = work_of(verb, "invoices", account, made["invoices"])
    async with company.rooms() as rooms:
        doing = dataclasses.replace((await crm_user(rooms, "Standard", "list")).act, actor="tanaka")
    pause(doing, company.spec, "year-end")
    error = await refused(company, verb, work)
    assert error.reason == "not_connected" and error.what.count("not_connected") == 1 and "year-end" in error.what
    resume(doing, company.spec)
    before = company.spec
    company.spec = dataclasses.replace(before, organization="60009999999")
    assert (await refused(company, verb, work)).reason == "not_connected"


@pytest.mark.parametrize("kind", ["sales_orders", "purchase_orders"])
@pytest.mark.parametrize("verb", [one for one in NEEDED if one != "summary"])
async def test_zoho_invoice_has_neither_sales_nor_purchase_orders_and_says_so(verb: str, kind: str, company: Company) -> None:
    if (verb, kind) not in CASES:
        return
    account, made = await papers(company)
    company.spec = dataclasses.replace(company.spec, edition="invoice")
    error = await refused(company, verb, work_of(verb, kind, account, made[kind]))
    assert error.reason == "not_in_edition" and "Zoho Books でのみ" in error.ja


async def test_what_the_organisation_switched_off_says_so(company: Company) -> None:
    _, made = await papers(company)
    company.world.books.main.switched_off.add("purchaseorders")
    with pytest.raises(DocumentRefused, match="switched off") as shown:
        await visit(company, "show", lambda user: show_document(user, made["purchase_orders"]))
    with pytest.raises(DocumentRefused, match="switched off"):
        await visit(company, "list", lambda user: list_documents(user, None, ["purchase_orders"], Search()))
    assert "無効" in shown.value.ja


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (Ref("books", "contacts", "1"), "not_a_document"), (Ref("crm", "Accounts", "1"), "not_a_document"),
        (Ref("books", "invoices", "x/../1"), "not_a_document"), (Ref("books", "invoices", "99"), "not_found"),
    ],
)  # fmt: skip
async def test_what_is_no_document_or_not_there_is_refused(ref: Ref, reason: str, company: Company) -> None:
    with pytest.raises(DocumentRefused) as error:
        await visit(company, "show", lambda user: show_document(user, ref))
    assert error.value.reason == reason
