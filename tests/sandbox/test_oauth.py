"""Tokens: crm-v8.md section 2, books-v3.md section 1.2."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_calls import Api

from renkei.sandbox.world import World


def refresh(api: Api, *, query: bool = False, **changes: str) -> Any:
    world = api.world
    params = {
        "grant_type": "refresh_token",
        "refresh_token": world.refresh_token,
        "client_id": world.client_id,
        "client_secret": world.client_secret,
        **changes,
    }
    return api.send("POST", "/oauth/v2/token", token="", **({"params": params} if query else {"data": params}))


@pytest.mark.parametrize("query", [True, False])
def test_a_refresh_gives_an_hour_by_query_or_form_and_no_new_refresh_token(api: Api, query: bool) -> None:
    answer = refresh(api, query=query)
    body = answer.json()
    assert (answer.status_code, body["expires_in"], body["api_domain"]) == (200, 3600, "http://sandbox.test")
    assert "refresh_token" not in body
    token = f"Zoho-oauthtoken {body['access_token']}"
    assert api.send("GET", "/crm/v8/org", token=token).status_code == 200
    api.world.clock.advance(3600)
    assert api.send("GET", "/crm/v8/org", token=token).json()["code"] == "INVALID_TOKEN"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"refresh_token": "1000.no.no"}, "invalid_code"),
        ({"client_id": "1000.NO"}, "invalid_client"),
        ({"client_secret": "no"}, "invalid_client_secret"),
    ],
)
def test_refusals_hide_under_http_200(api: Api, changes: dict[str, str], error: str) -> None:
    answer = refresh(api, **changes)
    assert (answer.status_code, answer.json()) == (200, {"error": error})


def test_the_eleventh_token_in_ten_minutes_is_denied_until_the_window_has_passed(api: Api) -> None:
    assert all("access_token" in refresh(api).json() for _ in range(10))
    denied = refresh(api)
    assert (denied.status_code, denied.json()["error"], denied.json()["status"]) == (400, "Access Denied", "failure")
    api.world.clock.advance(600)
    assert "access_token" in refresh(api).json()


def test_a_grant_code_is_good_once(api: Api) -> None:
    code = api.world.oauth.issue_code(("ZohoCRM.modules.ALL",), api.world.crm.sync_user["id"])
    first = refresh(api, grant_type="authorization_code", code=code).json()
    assert first["refresh_token"].startswith("1000.")
    assert refresh(api, grant_type="authorization_code", code=code).json() == {"error": "invalid_code"}


def test_a_revoked_refresh_token_ends_its_access_tokens(world: World, api: Api) -> None:
    other = Api(world, world.add_credentials())
    assert other.crm("GET", "org").status_code == 200
    assert api.send("POST", f"/oauth/v2/token/revoke?token={other.refresh_token}", token="").json() == {"status": "success"}
    assert api.send("GET", "/crm/v8/org", token=other.token).status_code == 401
    assert refresh(api, refresh_token=str(other.refresh_token)).json() == {"error": "invalid_code"}


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("ZohoCRM.modules.ALL", "Accounts?fields=Phone", 204),
        ("ZohoCRM.modules.READ", "Accounts?fields=Phone", 204),
        ("ZohoCRM.modules.accounts.READ", "Accounts?fields=Phone", 204),
        ("ZohoCRM.modules.accounts.READ", "Deals?fields=Amount", 401),
        ("ZohoCRM.modules.accounts.CREATE", "Accounts?fields=Phone", 401),
        ("ZohoCRM.modules.custom.READ", "Renkei_Documents?fields=Name", 204),
        ("ZohoCRM.modules.custom.READ", "Accounts?fields=Phone", 401),
        ("ZohoCRM.settings.ALL", "settings/fields?module=Deals", 200),
        ("ZohoCRM.settings.fields.READ", "settings/modules", 401),
        ("ZohoBooks.fullaccess.all", "org", 401),
    ],
)
def test_a_token_allows_what_its_scopes_say(world: World, scope: str, path: str, status: int) -> None:
    limited = Api(world, world.add_credentials(scopes=[scope]))
    answer = limited.crm("GET", path)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["code"] == "OAUTH_SCOPE_MISMATCH"


def test_coql_needs_its_own_scope_and_the_modules(world: World) -> None:
    query = {"select_query": "select id from Accounts where id is not null"}
    for scopes, status in (
        (["ZohoCRM.coql.READ"], 401),
        (["ZohoCRM.modules.ALL"], 401),
        (["ZohoCRM.coql.READ", "ZohoCRM.modules.accounts.READ"], 204),
    ):
        assert Api(world, world.add_credentials(scopes=scopes)).crm("POST", "coql", json=query).status_code == status


@pytest.mark.parametrize("header", ["", "Bearer abc", "abc"])
def test_a_header_that_is_absent_or_of_another_kind_is_an_authentication_failure(api: Api, header: str) -> None:
    answer = api.send("GET", "/crm/v8/org", token=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "AUTHENTICATION_FAILURE")
