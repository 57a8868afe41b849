"""The control port: state, people's hands, clock, faults, requests, limits (design.md section 6)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sandbox_calls import Api

from renkei.sandbox.control import routes
from renkei.sandbox.world import World


def ask(api: Api, method: str, path: str, **body: Any) -> Any:
    answer = api.send(method, f"/_sandbox/{path}", token="", **({"json": body} if body else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md"


def test_the_page_names_every_call_and_no_other(world: World) -> None:
    served = {f"{method} {route.path.removeprefix('/_sandbox/')}" for route in routes(world) for method in route.methods}
    served -= {f"HEAD {name.removeprefix('GET ')}" for name in served}
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(("| `GET", "| `POST"))]
    told = {found for row in rows for found in re.findall(r"`((?:GET|POST|DELETE) [a-z-]+)", row)}
    assert told == served


def test_a_person_inserts_edits_merges_deletes_and_restores(world: World, api: Api) -> None:
    ids = [ask(api, "POST", "insert", side="crm", module="Accounts", record={"Account_Name": name})["id"] for name in "ABC"]
    world.clock.advance(5)
    ask(api, "POST", "edit", side="crm", module="Accounts", id=ids[0], fields={"Phone": "03"})
    row = ask(api, "GET", f"state?side=crm&module=Accounts&id={ids[0]}")["records"][0]
    assert (row["Phone"], row["Modified_By"]) == ("03", {"id": world.crm.human_user["id"]})
    assert row["Modified_Time"] > row["Created_Time"]
    ask(api, "POST", "merge", side="crm", module="Accounts", master=ids[0], child=ids[1])
    ask(api, "POST", "delete", side="crm", module="Accounts", id=ids[2])
    assert ask(api, "GET", "state?side=crm&module=Accounts")["count"] == 1
    ask(api, "POST", "restore", side="crm", module="Accounts", id=ids[2])
    assert ask(api, "GET", "state?side=crm&module=Accounts")["count"] == 2


def test_a_person_makes_moves_pays_and_writes_off_documents(world: World, api: Api) -> None:
    [customer] = world.books.seed("contacts", [{"contact_name": "Kita"}])
    fields = {"customer_id": customer, "line_items": [{"name": "Work", "rate": 1000}], "cf_renkei_crm_id": "k"}
    id = ask(api, "POST", "create", module="invoices", fields=fields, by="hana.mori@example.jp")["id"]
    ask(api, "POST", "mark", module="invoices", id=id, status="sent", by="yuko.suzuki@example.jp")
    ask(api, "POST", "pay", id=id, amount=400, on="2026-10-30")
    ask(api, "POST", "credit", id=id, amount=100)
    row = ask(api, "GET", f"state?side=books&module=invoices&id={id}")["records"][0]
    assert (row["balance"], row["last_payment_date"]) == (500, "2026-10-30")
    ask(api, "POST", "write-off", id=id)
    assert ask(api, "GET", f"state?side=books&module=invoices&id={id}")["records"][0]["balance"] == 0
    ask(api, "POST", "edit", side="books", module="invoices", id=id, fields={"notes": "x"}, by="hana.mori@example.jp")
    told = [row["commented_by"] for row in world.books.main.history[id]]
    assert told == ["Hana Mori", "Yuko Suzuki", "Aiko Mori", "Aiko Mori", "Aiko Mori", "Hana Mori"]


def test_what_would_have_been_mailed_is_listed(world: World, api: Api) -> None:
    [customer] = world.books.seed("contacts", [{"contact_name": "Kita"}])
    [id] = world.books.seed("invoices", [{"customer_id": customer, "total": 10}])
    assert ask(api, "GET", "mails") == {"mails": [], "count": 0}
    to = ["aiko@kita.example"]
    ask(api, "POST", "email", module="invoices", id=id, to=to, by="hana.mori@example.jp")
    listed = ask(api, "GET", "mails")
    assert listed["count"] == 1
    assert (listed["mails"][0]["to"], listed["mails"][0]["by"]) == (to, "hana.mori@example.jp")


def test_modules_of_books_are_switched_off_and_on(world: World, api: Api) -> None:
    assert ask(api, "POST", "modules", off=["salesorders", "estimates"]) == {"off": ["estimates", "salesorders"]}
    assert world.books.main.switched_off == {"estimates", "salesorders"}
    ask(api, "POST", "modules", off=[])
    assert world.books.main.switched_off == set()


def test_a_profile_gets_and_loses_rights_on_the_invoices_tab(api: Api) -> None:
    def permitted() -> dict[str, set[str]]:
        rows = api.crm("GET", "settings/profiles").json()["profiles"]
        names = {row["name"]: {one["name"] for one in row["permissions_details"] if one["enabled"]} for row in rows}
        return {name: {one.split("_")[2] for one in rights if one.endswith("_Invoices")} for name, rights in names.items()}

    assert permitted()["Standard"] == {"View", "Create", "Edit"}
    assert permitted()["Finance"] == permitted()["Administrator"] == {"View", "Create", "Edit", "Delete"}
    ask(api, "POST", "rights", profile="Finance", module="Invoices", right="View", allowed=False)
    ask(api, "POST", "rights", profile="Standard", module="Invoices", right="Delete", allowed=True)
    assert permitted()["Finance"] == {"Create", "Edit", "Delete"}
    assert permitted()["Standard"] == {"View", "Create", "Edit", "Delete"}


def test_the_clock_moves_on(world: World, api: Api) -> None:
    before = world.clock.now()
    ask(api, "POST", "clock", advance=90)
    assert (world.clock.now() - before).total_seconds() == 90


def test_faults_are_ordered_counted_and_cleared(api: Api) -> None:
    ask(api, "POST", "faults", spec="500@crm*1")
    api.crm("GET", "org")
    assert ask(api, "GET", "faults")["counts"] == {"500": 1}
    assert ask(api, "DELETE", "faults")["faults"] == []


def test_every_request_is_listed_and_summed_by_template(world: World, api: Api) -> None:
    [id] = world.crm.seed("Accounts", [{"Account_Name": "A"}])
    api.crm("GET", f"Accounts/{id}")
    api.crm("GET", f"Accounts/{id}")
    api.crm("GET", "Nope")
    listed = ask(api, "GET", "requests?side=crm")
    assert listed["count"] == 3
    assert listed["sums"][0] == {"side": "crm", "method": "GET", "path": "/crm/v8/Accounts/{id}", "count": 2}
    assert [(row["status"], row["code"], row["rows"]) for row in listed["requests"]] == [
        (200, None, 1),
        (200, None, 1),
        (400, "INVALID_MODULE", 0),
    ]
    ask(api, "DELETE", "requests")
    assert len(world.requests) == 0


def test_further_credentials_have_only_their_scopes(world: World, api: Api) -> None:
    made = ask(api, "POST", "credentials", scopes=["ZohoCRM.org.READ"])
    limited = Api(world, made["refresh_token"])
    assert limited.crm("GET", "org").status_code == 200
    assert limited.crm("GET", "users").status_code == 401


def test_reset_starts_anew_with_a_seed_and_keeps_the_credentials(world: World, api: Api) -> None:
    world.crm.seed("Accounts", [{"Account_Name": "A"}])
    assert api.crm("GET", "org").status_code == 200
    ask(api, "POST", "reset", seed="synthetic:20")
    assert len(world.crm.records("Accounts")) == 20
    assert api.crm("GET", "Accounts", params={"fields": "Account_Name"}).json()["info"]["count"] == 20


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("edit", {"side": "crm", "module": "Accounts", "id": "1", "fields": {}}),
        ("edit", {"side": "moon", "module": "Accounts", "id": "1", "fields": {}}),
        ("faults", {"spec": "nonsense"}),
        ("clock", {"advance": -1}),
        ("clock", {"advance": "soon"}),
        ("mark", {"module": "invoices", "id": "1", "status": "sent"}),
        ("create", {"module": "invoices", "fields": {}}),
        ("modules", {"off": ["items"]}),
        ("rights", {"profile": "Standard", "module": "Leads", "right": "View", "allowed": True}),
        ("create", {"module": "invoices", "fields": {}, "by": "stranger@example.jp"}),
    ],
)
def test_what_is_asked_wrongly_is_400_with_a_reason(api: Api, path: str, body: dict[str, Any]) -> None:
    answer = api.send("POST", f"/_sandbox/{path}", token="", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
