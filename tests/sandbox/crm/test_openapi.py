"""Each answer of the CRM sandbox fits Zoho's own OpenAPI schemas (tests/data/crm-oas, v8.0 of June 2025).

`DIFFERENCES` is the whole list of places where the OpenAPI files contradict the documentation pages (crm-v8.md); there
the pages are followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from sandbox_calls import Api

from renkei.sandbox.crm.fields import MODULES
from renkei.sandbox.crm.org import SYNC_USER
from renkei.sandbox.crm.render import layout
from renkei.sandbox.world import World

FILES = Path(__file__).parents[2] / "data" / "crm-oas"

NULL = "null"  # the property may be null
PART = "part"  # not every property under `required` is there
OTHER = "other"  # the property has another type or other values
NO_NULL = "the file marks nothing nullable here; Zoho's samples show null"
ALL_REQUIRED = "the file requires every property, those of requests too; Zoho's samples carry the ones we serve"
# (file, schema, property, kind): why. Each one is needed: a test proves that without it an answer would not fit.
DIFFERENCES: dict[tuple[str, str, str, str], str] = {
    ("record.json", "Info", "next_page_token", NULL): NO_NULL,
    ("record.json", "Info", "previous_page_token", NULL): NO_NULL,
    ("record.json", "Info", "page_token_expiry", NULL): NO_NULL,
    ("record.json", "API_Exception.details", "maximum_length", OTHER): "a text in the file, a number in Zoho's samples",
    ("record.json", "Success_Response", "duplicate_field", NULL): "null on an insert (crm-v8.md section 5.4)",
    ("tags.json", "Tag", "", PART): "a tag on a record has name, id and colour only (crm-v8.md section 7.2)",
    ("org.json", "Org", "type", OTHER): "capitalised in the file, `production` in Zoho's samples (crm-v8.md section 8)",
    ("users.json", "users", "time_zone", OTHER): "an object in the file, a zone name in Zoho's samples",
    ("modules.json", "modules", "", PART): ALL_REQUIRED,
    ("modules.json", "modules", "generated_type", OTHER): "the file leaves `subform` out (crm-v8.md section 8)",
    ("modules.json", "Invalid_Data", "details", OTHER): "three shapes of which exactly one must fit, and none has required keys",
    ("fields.json", "fields", "", PART): ALL_REQUIRED,
    ("fields.json", "fields", "crypt", NULL): NO_NULL,
    ("fields.json", "fields", "external", NULL): NO_NULL,
    ("fields.json", "fields", "history_tracking", NULL): NO_NULL,
    ("fields.json", "fields", "textarea", NULL): NO_NULL,
    ("layouts.json", "layouts", "", PART): ALL_REQUIRED,
    ("layouts.json", "profiles", "", PART): ALL_REQUIRED,
    ("layouts.json", "sections", "", PART): ALL_REQUIRED,
    ("layouts.json", "fields", "", PART): ALL_REQUIRED,
    ("layouts.json", "fields", "crypt", NULL): NO_NULL,
    ("layouts.json", "fields", "external", NULL): NO_NULL,
    ("layouts.json", "fields", "history_tracking", NULL): NO_NULL,
    ("layouts.json", "fields", "textarea", NULL): NO_NULL,
    ("custom_views.json", "custom_views", "", PART): "criteria and fields come in the single view only (section 8)",
    ("custom_views.json", "custom_views", "criteria", NULL): NO_NULL,
    ("related_lists.json", "related_list", "", PART): ALL_REQUIRED,
    ("record_locking.json", "Record_Lock", "id", OTHER): "a number in the file; ids have 19 digits and are texts",
}


def relaxed(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema 2020-12: `nullable` allows null, references keep file name and fragment only.

    `pattern` is left out: the files derive patterns from sample values (an email must be nine letters at five letters).
    """
    if isinstance(schema, list):
        return [relaxed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: relaxed(value) for key, value in schema.items() if key not in ("example", "nullable", "format", "pattern")}
    if "$ref" in made and isinstance(made["$ref"], str):
        made["$ref"] = "crm-oas:" + made["$ref"].rsplit("/v8.0/")[-1] if "/v8.0/" in made["$ref"] else made["$ref"]
    if schema.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def registry(without: tuple[str, str, str, str] | None = None) -> Registry[Any]:
    """All files with the differences applied, but for one."""
    found: Registry[Any] = Registry()
    for path in FILES.glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        for row in DIFFERENCES:
            if row[0] == path.name and row != without:
                name, _, inner = row[1].partition(".")
                schema = document["components"]["schemas"][name]
                differ(schema["properties"][inner] if inner else schema, row[2], row[3])
        resource = DRAFT202012.create_resource(relaxed(document))
        found = found.with_resource(f"crm-oas:{path.name}", resource)
    return found


def differ(schema: dict[str, Any], name: str, kind: str) -> None:
    if kind == PART:
        del schema["required"]
    elif kind == NULL:
        schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "null"}]}
    else:
        schema["properties"][name] = {}


def faults(body: Any, file: str, schema: str, known: Registry[Any]) -> list[str]:
    """What a schema has against a body; empty when it fits."""
    reference = {"$ref": f"crm-oas:{file}#/components/schemas/{schema}"}
    validator = Draft202012Validator(reference, registry=known)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(body)]


Answers = dict[str, tuple[Any, str, str]]


@pytest.fixture
def answers(world: World, api: Api) -> Answers:
    """What -> (body or element, file, schema), from one organisation in which every call has something to say."""
    crm = world.crm
    first, second, third = crm.seed(
        "Accounts",
        [{"Account_Name": "Aoyama"}, {"Account_Name": "Kanda"}, {"Account_Name": "Ueno", "Tag": [crm.tag("VIP")]}],
    )
    crm.seed("Contacts", [{"Last_Name": "Sato", "Account_Name": first}])
    found: Answers = {}

    def keep(what: str, answer: httpx.Response, status: int, file: str, schema: str) -> None:
        assert answer.status_code == status, answer.text
        found[what] = (answer.json(), file, schema)

    page = {"fields": "Account_Name,Owner,Tag,Created_By,Created_Time,Modified_Time,Parent_Account", "per_page": "2"}
    whole = api.crm("GET", "Accounts", params=page)
    keep("list, first page", whole, 200, "record.json", "Response_Wrapper")
    page["page_token"] = whole.json()["info"]["next_page_token"]
    keep("list, last page", api.crm("GET", "Accounts", params=page), 200, "record.json", "Response_Wrapper")
    keep("one", api.crm("GET", f"Accounts/{first}"), 200, "record.json", "Response_Wrapper")
    related = api.crm("GET", f"Accounts/{first}/Contacts", params={"fields": "Last_Name"})
    keep("related", related, 200, "record.json", "Response_Wrapper")
    [product] = crm.seed("Products", [{"Product_Name": "Tea"}])
    line = {"Product_Name": {"id": product}, "Quantity": 2, "List_Price": 5}
    [deal] = crm.seed("Deals", [{"Deal_Name": "Tea", "Stage": "Closed Won", "Deal_Lines": [line]}])
    keep("deal with lines", api.crm("GET", f"Deals/{deal}"), 200, "record.json", "Response_Wrapper")
    linked = api.crm("PUT", f"Deals/{deal}/Products", json={"data": [{"id": product}]}).json()["data"][0]
    found["relation added"] = (linked, "related_records.json", "Success_Response")
    subform = api.crm("GET", "settings/fields", params={"module": "Deal_Lines"})
    keep("fields of a subform", subform, 200, "fields.json", "Response_Wrapper")
    keep("coql", api.coql("select Owner from Accounts where id is not null"), 200, "coql.json", "Response_Wrapper")
    wrong = {
        "coql, no such column": ("select Owner from Accounts where Nope = '1'", "Query_Exception"),
        "coql, not a query": ("select Owner Nope from Accounts", "Query_Exception"),
        "coql, no where": ("select Owner from Accounts", "Syntax_Exception"),
        "coql, limit": ("select Owner from Accounts where id is not null limit 2001", "Limit_Exceeded_Exception"),
    }
    for what, (text, schema) in wrong.items():
        keep(what, api.coql(text), 400, "coql.json", schema)
    _writes(api, found)
    keep("no fields", api.crm("GET", "Accounts"), 400, "record.json", "API_Exception")
    keep("no module", api.crm("GET", "Nope"), 400, "record.json", "API_Exception")
    keep("no token", api.send("GET", "/crm/v8/org", token=""), 401, "record.json", "API_Exception")
    locked = api.crm("POST", f"Accounts/{first}/Locking_Information__s", json={"data": [{"Locked_Reason__s": "audit"}]})
    keep("lock", locked, 201, "record_locking.json", "Success_Wrapper")
    held = api.crm("GET", f"Accounts/{first}/Locking_Information__s")
    keep("locks", held, 200, "record_locking.json", "Response_Wrapper")
    merge = {"merge": [{"data": [{"id": third}]}]}
    merged = api.crm("POST", f"Accounts/{second}/actions/merge", json=merge)
    keep("merge", merged, 201, "find_and_merge.json", "Action_Wrapper")
    keep("deleted", api.crm("GET", "Accounts/deleted"), 200, "record.json", "Deleted_Records_Wrapper")
    keep("recycle bin", api.crm("GET", "settings/recycle_bin"), 200, "recycle_bin.json", "Response_Wrapper")
    _settings(api, world, keep)
    return found


def _writes(api: Api, found: Answers) -> None:
    sent = [
        {"Account_Name": "Shibuya", "renkei_books_id": "1"},
        {"Phone": "03"},
        {"Account_Name": "Twin", "renkei_books_id": "1"},
        {"Account_Name": "A" * 201},
        {"Account_Name": "A", "Employees": "many"},
        {"Account_Name": "A", "Industry": "Nope"},
        {"Account_Name": "A", "Parent_Account": {"id": "5545974000000000001"}},
        {"Account_Name": "A", "Phone": "!"},
    ]
    inserted = api.crm("POST", "Accounts", json={"data": sent, "trigger": []}).json()["data"]
    body = {"data": [{"Account_Name": "New", "renkei_books_id": "2"}], "duplicate_check_fields": ["renkei_books_id"]}
    upserted = [api.crm("POST", "Accounts/upsert", json=body).json()["data"][0] for _ in range(2)]
    deleted = api.crm("DELETE", "Accounts", params={"ids": f"{inserted[0]['details']['id']},1"}).json()["data"]
    for number, element in enumerate([*inserted, *upserted, *deleted]):
        schema = "Success_Response" if element["status"] == "success" else "API_Exception"
        found[f"write {number} {element['code']}"] = (element, "record.json", schema)


def _settings(api: Api, world: World, keep: Callable[[str, httpx.Response, int, str, str], None]) -> None:
    single = {
        "org": "org.json",
        "users": "users.json",
        f"users/{SYNC_USER}": "users.json",
        "org/currencies": "currencies.json",
        "settings/modules": "modules.json",
        "settings/modules/Deals": "modules.json",
        "settings/profiles": "profiles.json",
        "settings/profiles/5545974000000026011": "profiles.json",
        f"settings/pipeline?layout_id={layout(world.crm, 'Deals')['id']}": "pipeline.json",
        f"settings/custom_views/{next(iter(world.crm.tables['Deals'].views))}?module=Deals": "custom_views.json",
    }
    for path, file in single.items():
        keep(path, api.crm("GET", path), 200, file, "Response_Wrapper")
    refused = {"modules": [{"plural_label": "Deals", "singular_label": "Deal", "profiles": []}]}
    keep("a module that is there", api.crm("POST", "settings/modules", json=refused), 400, "modules.json", "Error_Wrapper")
    for module in MODULES:
        for part, schema in (("fields", "Response_Wrapper"), ("layouts", "wrapper"), ("custom_views", "Response_Wrapper")):
            answer = api.crm("GET", f"settings/{part}", params={"module": module})
            keep(f"{part} of {module}", answer, 200, f"{part}.json", schema)
    for module in ("Accounts", "Contacts", "Deals"):
        answer = api.crm("GET", "settings/related_lists", params={"module": module})
        keep(f"related lists of {module}", answer, 200, "related_lists.json", "Response_Wrapper")


def test_every_answer_fits_the_vendors_schema(answers: Answers) -> None:
    known = registry()
    wrong = {what: found for what, answer in answers.items() if (found := faults(*answer, known))}
    assert wrong == {}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=".".join)
def test_each_difference_is_still_needed(answers: Answers, difference: tuple[str, str, str, str]) -> None:
    known = registry(without=difference)
    assert any(faults(*answer, known) for answer in answers.values())


def test_an_answer_with_a_wrong_type_would_be_found(answers: Answers) -> None:
    body, file, schema = answers["list, first page"]
    body["data"][0]["id"] = 5545974000000451001
    assert faults(body, file, schema, registry())
