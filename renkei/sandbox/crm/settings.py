"""Organisation, users, currencies and settings metadata (crm-v8.md sections 7.4, 7.5 and 8)."""

from __future__ import annotations

from typing import Any

from renkei.sandbox.crm import errors, related, render
from renkei.sandbox.crm.call import NO_CONTENT, PER_PAGE, Answer, Call
from renkei.sandbox.crm.errors import Refusal
from renkei.sandbox.crm.fields import Field, choice_json
from renkei.sandbox.crm.fields import served as served_field
from renkei.sandbox.crm.org import ADMINISTRATOR, fixed_id
from renkei.sandbox.crm.state import RIGHTS, TABS, CrmState
from renkei.sandbox.crm.table import Table, View

MADE = "2025-04-01T00:00:00+09:00"
MAKER = "5545974000000411007"
USER_TYPES = (
    "AllUsers",
    "ActiveUsers",
    "DeactiveUsers",
    "ConfirmedUsers",
    "NotConfirmedUsers",
    "DeletedUsers",
    "ActiveConfirmedUsers",
    "AdminUsers",
    "ActiveConfirmedAdmins",
    "CurrentUser",
)


def organisation(call: Call) -> Answer:
    """GET /org."""
    return Answer(200, {"org": [call.state.org]}, rows=1)


def currencies(call: Call) -> Answer:
    """GET /org/currencies; 403 while multi-currency is off."""
    _need_currencies(call.state)
    return Answer(200, {"currencies": call.state.currencies}, rows=len(call.state.currencies))


def currency(call: Call) -> Answer:
    """GET /org/currencies/{id}."""
    _need_currencies(call.state)
    found = [row for row in call.state.currencies if row["id"] == call.names["id"]]
    return Answer(200, {"currencies": found}, rows=1) if found else Answer(NO_CONTENT)


def _need_currencies(state: CrmState) -> None:
    if not state.multi_currency:
        raise Refusal("CURRENCIES_NOT_ENABLED", "The multi currency feature is not enabled", status=403)


def users(call: Call) -> Answer:
    """GET /users?type=..., by page."""
    kind = call.one_of("type", "AllUsers", *USER_TYPES)
    page = call.whole_number("page", 1, 1, 10**6)
    per_page = call.whole_number("per_page", PER_PAGE, 1, PER_PAGE)
    found = [user for user in call.state.users.values() if _is(user, kind, call)]
    part = found[(page - 1) * per_page : page * per_page]
    if not part:
        return Answer(NO_CONTENT)
    info = {"per_page": per_page, "count": len(part), "page": page, "more_records": page * per_page < len(found)}
    return Answer(200, {"users": part, "info": info}, rows=len(part))


def _is(user: dict[str, Any], kind: str, call: Call) -> bool:
    active, confirmed = user["status"] == "active", bool(user["confirm"])
    admin = user["profile"]["id"] == ADMINISTRATOR
    kinds: dict[str, bool] = {
        "AllUsers": user["status"] != "deleted",
        "ActiveUsers": active,
        "DeactiveUsers": user["status"] == "disabled",
        "ConfirmedUsers": confirmed,
        "NotConfirmedUsers": not confirmed and user["status"] != "deleted",
        "DeletedUsers": user["status"] == "deleted",
        "ActiveConfirmedUsers": active and confirmed,
        "AdminUsers": admin,
        "ActiveConfirmedAdmins": admin and active and confirmed,
        "CurrentUser": user["id"] == call.user["id"],
    }
    return kinds[kind]


def user(call: Call) -> Answer:
    """GET /users/{id}."""
    found = call.state.users.get(call.names["id"])
    if found is None:
        return Answer(NO_CONTENT)
    info = {"per_page": PER_PAGE, "count": 1, "page": 1, "more_records": False}
    return Answer(200, {"users": [found], "info": info}, rows=1)


def modules(call: Call) -> Answer:
    """GET /settings/modules."""
    rows = [_module(call.state, name) for name in call.state.tables]
    held = (call.state.subform(name) for table in call.state.tables.values() for name in table.subforms)
    rows += [_subform_module(call.state, one) for one in held if one is not None]
    return Answer(200, {"modules": rows}, rows=len(rows))


def module(call: Call) -> Answer:
    """GET /settings/modules/{api_name or id}."""
    wanted = call.names["name"]
    for name, id in call.state.module_ids.items():
        if wanted in (name, id):
            return Answer(200, {"modules": [_module(call.state, name)]}, rows=1)
    subform = call.state.subform(wanted)
    if subform is not None:
        return Answer(200, {"modules": [_subform_module(call.state, subform)]}, rows=1)
    raise errors.invalid_module(2)


def _module(state: CrmState, name: str) -> dict[str, Any]:
    custom, place, (singular, plural) = state.is_custom(name), state.place(name), state.labels[name]
    return {
        "api_name": name,
        "module_name": f"CustomModule{place}" if custom else name,
        "singular_label": singular,
        "plural_label": plural,
        "actual_singular_label": singular,
        "actual_plural_label": plural,
        "id": state.module_ids[name],
        "generated_type": "custom" if custom else "default",
        "api_supported": True,
        "creatable": True,
        "editable": True,
        "deletable": True,
        "viewable": True,
        "visible": True,
        "convertable": False,
        "show_as_tab": True,
        "quick_create": True,
        "has_more_profiles": False,
        "profile_count": len(state.profiles),
        "isBlueprintSupported": True,
        "feeds_required": False,
        "public_fields_configured": False,
        "presence_sub_menu": True,
        "global_search_supported": True,
        "sequence_number": place + 1,
        "business_card_field_limit": 5,
        "web_link": None,
        "parent_module": {},
        "arguments": [],
        "access_type": "org_based",
        "status": "visible",
        "modified_by": render.author(state, MAKER),
        "modified_time": MADE,
        "profiles": [
            {"name": profile["name"], "id": id}
            for id, profile in state.profiles.items()
            if (id, name, "View") not in state.denied
        ],
    }


def _subform_module(state: CrmState, subform: tuple[str, Field, str]) -> dict[str, Any]:
    """The module that holds the rows of a subform: nobody sees it beside its parent."""
    parent, field, id = subform
    return {
        **_module(state, parent),
        "api_name": field.name,
        "module_name": field.name,
        **dict.fromkeys(("singular_label", "plural_label", "actual_singular_label", "actual_plural_label"), field.label),
        "id": id,
        "generated_type": "subform",
        "show_as_tab": False,
        "quick_create": False,
        "global_search_supported": False,
        "parent_module": {"api_name": parent, "id": state.module_ids[parent]},
    }


def asked_module(call: Call) -> Table:
    """The module named by the `module` parameter."""
    name = call.params.get("module")
    if not name:
        raise errors.required_param("module")
    table = call.state.tables.get(name)
    if table is None:
        raise Refusal("INVALID_MODULE", "The module name given seems to be invalid", {"param_name": "module"})
    return table


def _fields(state: CrmState, table: Table) -> list[dict[str, Any]]:
    profiles = list(state.profiles.values())
    return [
        served_field(field, state.field_id(table.module, number), state.module_ids, profiles)
        for number, field in enumerate(table.fields.values())
    ]


def fields(call: Call) -> Answer:
    """GET /settings/fields?module=...: every field of a module, all layouts together; `type=unused` gives none."""
    subform = call.state.subform(call.params.get("module", ""))
    rows = _fields(call.state, asked_module(call)) if subform is None else _rows_fields(call.state, subform)
    if call.one_of("type", "all", "all", "used", "unused") == "unused":
        return Answer(NO_CONTENT)
    return Answer(200, {"fields": rows}, rows=len(rows))


def _rows_fields(state: CrmState, subform: tuple[str, Field, str]) -> list[dict[str, Any]]:
    """The fields of a subform's rows."""
    profiles, first = list(state.profiles.values()), int(subform[2])
    return [
        served_field(field, str(first + 2 * number), state.module_ids, profiles)
        for number, field in enumerate(subform[1].rows, 1)
    ]


def field(call: Call) -> Answer:
    """GET /settings/fields/{id or api_name}?module=..."""
    wanted = call.names["id"]
    found = [row for row in _fields(call.state, asked_module(call)) if wanted in (row["id"], row["api_name"])]
    return Answer(200, {"fields": found}, rows=1) if found else Answer(NO_CONTENT)


def layouts(call: Call) -> Answer:
    """GET /settings/layouts?module=...: the one layout, with real `required` and the stages of the pipeline."""
    return Answer(200, {"layouts": [_layout(call.state, asked_module(call))]}, rows=1)


def layout(call: Call) -> Answer:
    """GET /settings/layouts/{id}?module=..."""
    row = _layout(call.state, asked_module(call))
    return Answer(200, {"layouts": [row]}, rows=1) if row["id"] == call.names["id"] else Answer(NO_CONTENT)


def _layout(state: CrmState, table: Table) -> dict[str, Any]:
    section_fields = [
        {**row, "required": row["system_mandatory"], "sequence_number": number, "section_id": 1}
        for number, row in enumerate(_fields(state, table), 1)
    ]
    return {
        **render.layout(state, table.module),
        "status": "active",
        "visible": True,
        "source": "standard",
        "has_more_profiles": False,
        "created_time": MADE,
        "created_by": render.author(state, MAKER),
        "modified_time": MADE,
        "modified_by": render.author(state, MAKER),
        "show_business_card": True,
        "display_type": 1,
        "api_name": "Standard",
        "mode": None,
        "generated_type": "default",
        "actions_allowed": {"edit": True, "rename": True, "clone": True, "downgrade": False, "delete": False,
                            "deactivate": False, "set_layout_permissions": True, "add_field": True},
        "profiles": [
            {"default": True, "name": profile["name"], "id": profile["id"]}
            for profile in state.profiles.values()
        ],
        "sections": [
            {
                "id": fixed_id(95001 + 10 * state.place(table.module)),
                "api_name": f"{state.labels[table.module][0]} Information",
                "name": f"{state.labels[table.module][0]} Information",
                "display_label": f"{state.labels[table.module][0]} Information",
                "sequence_number": 1,
                "column_count": 2,
                "issubformsection": False,
                "isSubformSection": False,
                "generated_type": "default",
                "type": "used",
                "reorder_rows": None,
                "actions_allowed": {"edit": True, "delete": False},
                "fields": section_fields,
            }
        ],
    }  # fmt: skip


def custom_views(call: Call) -> Answer:
    """GET /settings/custom_views?module=..."""
    table = asked_module(call)
    views = [_view(call.state, table, view) for view in table.views.values()]
    return Answer(200, {"custom_views": views, "info": _views_info(table, len(views))}, rows=len(views))


def custom_view(call: Call) -> Answer:
    """GET /settings/custom_views/{id}?module=...: with criteria and fields."""
    table = asked_module(call)
    view = table.views.get(call.names["id"])
    if view is None:
        return Answer(NO_CONTENT)
    names = list(table.fields)[:5]
    whole = {
        **_view(call.state, table, view),
        "criteria": view.criteria,
        "fields": [
            {"api_name": one, "id": call.state.field_id(table.module, number), "_pin": False} for number, one in enumerate(names)
        ],
        "shared_to": [],
    }
    return Answer(200, {"custom_views": [whole], "info": _views_info(table, 1)}, rows=1)


def _views_info(table: Table, count: int) -> dict[str, Any]:
    return {
        "per_page": 200,
        "count": count,
        "page": 1,
        "more_records": False,
        "default": next(iter(table.views)),
        "translation": {
            "public_views": "Public Views",
            "other_users_views": "Other Users Views",
            "shared_with_me": "Shared With Me",
            "created_by_me": "Created By Me",
        },
    }


def _view(state: CrmState, table: Table, view: View) -> dict[str, Any]:
    system = view.system_name is not None
    return {
        "id": view.id,
        "name": view.name,
        "system_name": view.system_name,
        "display_value": view.name,
        "category": "public_views",
        "default": system,
        "system_defined": system,
        "locked": False,
        "favorite": None,
        "last_accessed_time": None,
        "modified_time": MADE,
        "modified_by": render.author(state, MAKER),
        "created_time": MADE,
        "created_by": render.author(state, MAKER),
        "access_type": "public",
        "offline": False,
        "module": {"api_name": table.module, "id": state.module_ids[table.module], "name": table.module},
    }


def pipeline(call: Call) -> Answer:
    """GET /settings/pipeline?layout_id=...: the stages of the Deals layout with their forecast types."""
    asked = call.params.get("layout_id")
    if not asked:
        raise errors.required_param("layout_id")
    if asked != render.layout(call.state, "Deals")["id"]:
        raise errors.invalid_param("layout_id", "the id given seems to be invalid")
    table = call.state.tables["Deals"]
    stage = table.fields["Stage"]
    stage_id = call.state.field_id("Deals", list(table.fields).index("Stage"))
    maps = []
    for number, choice in enumerate(stage.choices, 1):
        value = choice_json(choice, stage_id, number)
        wanted = ("display_value", "actual_value", "sequence_number", "forecast_category", "forecast_type", "id")
        maps.append({**{key: value[key] for key in wanted}, "delete": False})
    row = {
        "id": fixed_id(6817),
        "display_value": table.fields["Pipeline"].choices[0].display,
        "actual_value": table.fields["Pipeline"].choices[0].actual,
        "default": True,
        "child_available": True,
        "maps": maps,
    }
    return Answer(200, {"pipeline": [row]}, rows=1)


def related_lists(call: Call) -> Answer:
    """GET /settings/related_lists?module=..."""
    rows = related.served(call.state, asked_module(call).module)
    return Answer(200, {"related_lists": rows}, rows=len(rows)) if rows else Answer(NO_CONTENT)


def profiles(call: Call) -> Answer:
    """GET /settings/profiles."""
    rows = [_profile(call.state, profile) for profile in call.state.profiles.values()]
    return Answer(200, {"profiles": rows}, rows=len(rows))


def profile(call: Call) -> Answer:
    """GET /settings/profiles/{id}: with what it permits in each module."""
    found = call.state.profiles.get(call.names["id"])
    return Answer(200, {"profiles": [_profile(call.state, found)]}, rows=1) if found else Answer(NO_CONTENT)


def _profile(state: CrmState, profile: dict[str, Any]) -> dict[str, Any]:
    permissions = [
        {
            "id": state.permission_id(module, right),
            "name": f"Crm_Implied_{right}_{module}",
            "display_label": right,
            "customizable": profile["id"] != ADMINISTRATOR,
            "parent_permissions": [],
            "enabled": (profile["id"], module, right) not in state.denied,
            "module": module,
        }
        for module in (*state.tables, *TABS)
        for right in RIGHTS
    ]
    sections = [{"name": "modules", "categories": []}]
    return {**profile, "permissions_details": permissions, "sections": sections}


def variables(call: Call) -> Answer:
    """GET /settings/variables; 204 when the organisation has none."""
    rows = call.state.variables
    return Answer(200, {"variables": rows}, rows=len(rows)) if rows else Answer(NO_CONTENT)
