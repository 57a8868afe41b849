"""Handlers of organizations, users, currencies, taxes and custom fields (books-v3.md sections 1.5 and 12)."""

from __future__ import annotations

import re
from typing import Any

from renkei.sandbox.books import errors
from renkei.sandbox.books.call import Answer, Call
from renkei.sandbox.books.fields import CustomField
from renkei.sandbox.books.listing import paging
from renkei.sandbox.books.stamps import day

# books-v3.md section 12 names the call; these are the types of its page.
FIELD_TYPES = (
    "string", "number", "decimal", "amount", "date", "dropdown", "check_box", "multiline", "email", "url", "phone", "percent",
    "lookup", "autonumber", "formula", "image", "attachment",
)  # fmt: skip


def organizations(call: Call) -> Answer:
    """GET /organizations: not paged, no organisation needed; those that the token's user belongs to (Invoice: 9017 for none)."""
    mine = [org for org in call.books.organisations.values() if any(user["email"] == call.email for user in org.users)]
    if not mine and call.edition == "invoice":
        raise errors.BooksError(400, 9017, "This user is not associated with any organization.")
    profiles = [org.profile() for org in mine]
    return Answer({"organizations": profiles}, rows=len(profiles))


def organization(call: Call) -> Answer:
    """GET /organizations/{id}. The fiscal year's first month is a name here and a number in the list."""
    org = call.books.organisations.get(call.ids[0])
    if org is None:
        raise errors.BooksError(400, 6041, f"This user is not associated with the CompanyID/CompanyName:{call.ids[0]}.")
    return Answer({"organization": {**org.profile(), "fiscal_year_start_month": "april"}})


def users(call: Call) -> Answer:
    """GET /users."""
    wanted = call.query.get("filter_by", "Status.All").removeprefix("Status.").lower()
    if wanted not in ("all", "active", "inactive", "invited", "deleted"):
        raise errors.invalid("filter_by")
    found = [user for user in call.org.users if wanted in ("all", user["status"])]
    return _paged(call, "users", found)


def me(call: Call) -> Answer:
    """GET /users/me."""
    user = next((one for one in call.org.users if one["email"] == call.email), None)
    if user is None:
        raise errors.BooksError(400, 6041, f"This user is not associated with the CompanyID/CompanyName:{call.org.id}.")
    return Answer({"user": {**_user_detail(user), "is_employee": True}})


def user(call: Call) -> Answer:
    """GET /users/{id}."""
    for found in call.org.users:
        if found["user_id"] == call.ids[0]:
            return Answer({"user": _user_detail(found)})
    raise errors.not_found("User")


def currencies(call: Call) -> Answer:
    """GET /settings/currencies: not paged."""
    found = list(call.org.currencies.values())
    return Answer({"currencies": found}, rows=len(found))


def currency(call: Call) -> Answer:
    found = call.org.currencies.get(call.ids[0])
    if found is None:
        raise errors.not_found("Currency")
    return Answer({"currency": found})


def exchange_rates(call: Call) -> Answer:
    """GET /settings/currencies/{id}/exchangerates, newest first; `from_date` leaves out older ones."""
    if call.ids[0] not in call.org.currencies:
        raise errors.not_found("Currency")
    since = day(call.query.get("from_date"), "from_date")
    rates = call.org.exchange_rates.get(call.ids[0], {})
    found = [rates[on] for on in sorted(rates, reverse=True) if on >= since]
    return Answer({"exchange_rates": found}, rows=len(found))


def taxes(call: Call) -> Answer:
    """GET /settings/taxes."""
    return _paged(call, "taxes", list(call.org.taxes.values()))


def tax(call: Call) -> Answer:
    found = call.org.taxes.get(call.ids[0])
    if found is None:
        raise errors.not_found("Tax")
    return Answer({"tax": found})


def fields(call: Call) -> Answer:
    """GET /settings/fields?entity=contact: the custom fields (key and shape unverified)."""
    entity = call.query.get("entity", "")
    if entity not in call.org.fields:
        raise errors.invalid("entity")
    found = [field.as_setting(entity) for field in call.org.fields[entity]]
    return Answer({"fields": found}, rows=len(found))


def make_field(call: Call) -> Answer:
    """POST /settings/fields (section 12); the answer's shape is unverified."""
    body = call.body()
    for key in ("label", "data_type", "entity", "show_on_pdf"):
        if body.get(key) in (None, ""):
            raise errors.invalid(key)
    entity, label = str(body["entity"]), str(body["label"])
    if entity not in call.org.fields:
        raise errors.invalid("entity")
    if body["data_type"] not in FIELD_TYPES:
        raise errors.invalid("data_type")
    there = call.org.fields[entity]
    name = "cf_" + "_".join(re.findall(r"[a-z0-9]+", label.lower()))
    if any(one.label.casefold() == label.casefold() or one.api_name == name for one in there):
        raise errors.already_exists("Custom field", label)
    unique = body.get("is_unique") is True and call.org.makes_unique_fields
    index = max((one.index for one in there), default=0) + 1
    field = CustomField(call.org.world.new_id("books"), name, label, index, str(body["data_type"]), is_unique=unique)
    there.append(field)
    return Answer({"custom_field": field.as_setting(entity)}, "The custom field has been created.", 201)


def _user_detail(user: dict[str, Any]) -> dict[str, Any]:
    keys = ("user_id", "name", "status", "user_role", "user_type", "role_id", "photo_url")
    return {**{key: user[key] for key in keys}, "email_ids": [{"email": user["email"], "is_selected": True}]}


def _paged(call: Call, key: str, found: list[dict[str, Any]]) -> Answer:
    page, per_page = paging(call.org, call.query)
    start = (page - 1) * per_page
    context = {
        "page": page,
        "per_page": per_page,
        "has_more_page": start + per_page < len(found),
        "report_name": key.capitalize(),
        "applied_filter": call.query.get("filter_by", "Status.All"),
        "sort_column": "name" if key == "users" else "tax_name",
        "sort_order": "A",
    }
    rows = found[start : start + per_page]
    return Answer({key: rows, "page_context": context}, rows=len(rows))
