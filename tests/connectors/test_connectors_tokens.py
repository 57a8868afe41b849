"""One access token for all processes: single flight, ten refreshes in ten minutes, and no secret anywhere (crm-v8.md 2)."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from datetime import timedelta
from typing import Any

import httpx
import pytest
from connector_world import HOST, House

from renkei.connectors.auth import Credentials, Tokens
from renkei.core.connection import Hosts
from renkei.core.data_centers import DATA_CENTERS, data_center_of
from renkei.core.errors import CredentialsRefused, RenkeiError, ScopeMissing, Throttled, Unreachable, WrongDataCenter

TOKEN_PATH = "/oauth/v2/token"


def refreshes(house: House) -> int:
    return house.asked("accounts", path=TOKEN_PATH)


async def test_both_sides_share_one_token(house: House) -> None:
    tokens = house.tokens()
    await house.crm(tokens).organization()
    await house.books(tokens).organization()
    assert refreshes(house) == 1


async def test_the_credentials_travel_in_the_form_body_not_in_the_address(house: House) -> None:
    await house.tokens().token("crm")
    (request,) = house.transport.requests
    assert request.url.query == b""
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert b"grant_type=refresh_token" in request.content


async def test_many_calls_at_once_make_one_refresh(house: House) -> None:
    crm = house.crm()
    await asyncio.gather(*(crm.organization() for _ in range(12)))
    assert refreshes(house) == 1


async def test_a_second_process_uses_the_token_of_the_first(house: House) -> None:
    first = await house.tokens().token("crm")
    assert await house.tokens().token("books") == first
    assert refreshes(house) == 1


async def test_processes_that_start_together_wait_for_the_one_that_refreshes(house: House) -> None:
    holders = [house.tokens() for _ in range(5)]
    found = await asyncio.gather(*(holder.token("crm") for holder in holders))
    assert len(set(found)) == 1
    assert refreshes(house) == 1


async def test_a_lease_left_by_a_dead_process_ends_by_itself(house: House) -> None:
    assert house.store.lease_refresh("ACME", "dead process", house.clock.now(), timedelta(seconds=30))
    started = house.clock.now()
    assert await house.tokens().token("crm")
    assert 30 <= (house.clock.now() - started).total_seconds() < 40


async def test_a_token_is_replaced_five_minutes_before_its_end(house: House) -> None:
    tokens = house.tokens()
    first = await tokens.token("crm")
    house.world.clock.advance(3600 - 301)
    assert await tokens.token("crm") == first
    house.world.clock.advance(2)
    assert await tokens.token("crm") != first


async def test_an_eleventh_refresh_in_ten_minutes_is_never_asked_for_by_two_processes(house: House) -> None:
    holders = [house.tokens(), house.tokens()]
    token = None
    for number in range(10):
        token = await holders[number % 2].token("crm", refused=token)
    for holder in holders:
        with pytest.raises(Throttled) as caught:
            await holder.token("crm", refused=token)
        assert caught.value.limit == "token"
    assert refreshes(house) == 10
    house.world.clock.advance(601)
    assert await holders[0].token("crm", refused=token) != token
    assert refreshes(house) == 11


async def test_a_token_in_its_last_minutes_serves_while_no_new_one_can_be_had(house: House) -> None:
    tokens = house.tokens()
    first = await tokens.token("crm")
    house.world.clock.advance(3600 - 120)
    house.world.faults.add("500@accounts*1")
    assert await tokens.token("crm") == first


async def test_the_vendors_own_block_is_told_as_a_token_limit(house: House) -> None:
    first = await house.tokens(alias="ONE").token("crm")
    for _ in range(9):
        first = await house.tokens(alias="ONE").token("crm", refused=first)
    with pytest.raises(Throttled) as caught:
        await house.tokens(alias="TWO").token("crm")
    assert caught.value.limit == "token"
    assert caught.value.retry_after is not None and caught.value.retry_after >= 600
    assert house.store.leases == {}


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        ({"client_id": "1000.OTHER"}, "RENKEI_ACME_CLIENT_ID"),
        ({"client_secret": "wrong"}, "RENKEI_ACME_CLIENT_SECRET"),
        ({"refresh_token": "1000.x.y"}, "RENKEI_ACME_REFRESH_TOKEN"),
    ],
    ids=["client id", "client secret", "refresh token"],
)
async def test_wrong_credentials_are_refused_with_what_to_check(house: House, wrong: dict[str, str], variable: str) -> None:
    tokens = house.tokens(house.credentials(**wrong))
    with pytest.raises(CredentialsRefused) as caught:
        await house.crm(tokens).organization()
    assert variable in caught.value.fix
    assert refreshes(house) == 1, "a refusal is final, repeating it would only bring the block nearer"
    assert house.store.leases == {}, "others may try with better credentials"


@pytest.mark.parametrize("fault", ["500", "timeout-before", "reset-connection", "truncated-body"])
async def test_an_accounts_host_that_fails_once_is_asked_again_even_for_a_write(house: House, fault: str) -> None:
    house.world.faults.add(f"{fault}@accounts*1")
    answers = await house.crm().insert("Accounts", [{"Account_Name": "Kita"}])
    assert answers[0].ok
    assert len(house.world.crm.records("Accounts")) == 1


async def test_an_accounts_host_that_stays_away_is_unreachable_and_nothing_is_written(house: House) -> None:
    house.world.faults.add("timeout-before@accounts")
    with pytest.raises(Unreachable):
        await house.crm().insert("Accounts", [{"Account_Name": "Kita"}])
    assert house.asked("crm") == 0


async def test_an_expired_token_is_replaced_once_and_the_call_repeated(house: House) -> None:
    crm, books = house.crm(), house.books()
    house.world.faults.add("token-expired@crm*1")
    house.world.faults.add("token-expired@books*1")
    assert (await crm.insert("Accounts", [{"Account_Name": "Kita"}]))[0].ok
    assert (await books.put_by_key("contacts", "cf_renkei_crm_id", "crm:Accounts:1", {"contact_name": "Kita"})).ok
    assert len(house.world.crm.records("Accounts")) == 1
    assert crm.calls()["retry"] == 1


async def test_five_calls_that_find_the_token_expired_make_one_refresh(house: House) -> None:
    tokens = house.tokens()
    crm = house.crm(tokens)
    await crm.organization()
    house.world.oauth.access_tokens.clear()
    await asyncio.gather(*(crm.organization() for _ in range(5)))
    assert refreshes(house) == 2


async def test_a_missing_scope_is_named_after_one_refresh_at_most(house: House) -> None:
    narrow = house.world.add_credentials(["ZohoCRM.org.READ", "ZohoBooks.settings.READ"])
    tokens = house.tokens(house.credentials(refresh_token=narrow))
    with pytest.raises(ScopeMissing):
        await house.crm(tokens).insert("Accounts", [{"Account_Name": "Kita"}])
    with pytest.raises(ScopeMissing):
        await house.books(tokens).update("contacts", "460000000000026001", {"notes": "x"})
    assert refreshes(house) == 2


async def test_a_changed_authorisation_does_not_use_the_old_ones_token(house: House) -> None:
    old = await house.tokens().token("crm")
    renewed = house.credentials(refresh_token=house.world.add_credentials())
    assert await house.tokens(renewed).token("crm") != old


async def test_the_store_holds_ciphertext_that_only_the_same_key_opens(house: House) -> None:
    token = await house.tokens(key=b"one key").token("crm")
    encrypted, _ = house.store.tokens["ACME"]
    assert token not in encrypted
    assert await house.tokens(key=b"one key").token("crm") == token
    assert await house.tokens(key=b"another key").token("crm") != token


def test_credentials_and_token_holders_show_no_secret(house: House) -> None:
    credentials = Credentials("1000.ID", "the secret", "the refresh token")
    for shown in (repr(credentials), str(credentials), repr(house.tokens(credentials)), credentials.fingerprint()):
        assert "the secret" not in shown and "the refresh token" not in shown


async def test_no_secret_stands_in_errors_logs_or_the_store(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    crm = house.crm()
    texts: list[str] = []
    for fault in ("500@crm", "timeout-before@crm", "429@crm", "truncated-body@crm", "token-expired@crm"):
        house.world.faults.add(fault)
        for call in (crm.organization(), crm.insert("Accounts", [{"Account_Name": "Kita"}])):
            try:
                await call
            except RenkeiError as error:
                texts.append("".join(traceback.format_exception(error)))
                texts.append(repr(vars(error)))
        house.world.faults.clear()
    assert len(texts) >= 8
    texts += [record.getMessage() for record in caplog.records]
    texts += [str(house.store.tokens), str(house.store.leases)]
    issued = [token for token in house.world.oauth.access_tokens]
    for secret in (house.world.client_secret, house.world.refresh_token, *issued):
        assert not any(secret in text for text in texts)


def answering(body: dict[str, Any], status: int = 200) -> httpx.MockTransport:
    return httpx.MockTransport(lambda request: httpx.Response(status, json=body))


def tokens_in(house: House, data_center: str, body: dict[str, Any], status: int = 200) -> Tokens:
    return Tokens(
        "ACME", house.credentials(), hosts=DATA_CENTERS[data_center], store=house.store, clock=house.clock,
        transport=answering(body, status),
    )  # fmt: skip


async def test_a_token_of_another_data_centre_is_named(house: House) -> None:
    body = {"access_token": "1000.a.b", "api_domain": "https://www.zohoapis.eu", "expires_in": 3600}
    with pytest.raises(WrongDataCenter, match="eu") as caught:
        await tokens_in(house, "jp", body).token("crm")
    assert "data_center: eu" in caught.value.fix


@pytest.mark.parametrize("data_center", sorted(DATA_CENTERS))
async def test_every_data_centres_own_api_domain_is_accepted(house: House, data_center: str) -> None:
    body = {"access_token": "1000.a.b", "api_domain": DATA_CENTERS[data_center].api, "expires_in": 3600}
    assert await tokens_in(house, data_center, body).token("crm") == "1000.a.b"


async def test_a_proxys_api_domain_is_not_compared(house: House) -> None:
    body = {"access_token": "1000.a.b", "api_domain": "https://www.zohoapis.eu", "expires_in": 3600}
    hosts = Hosts("http://proxy.example", "http://proxy.example")
    tokens = Tokens("ACME", house.credentials(), hosts=hosts, store=house.store, clock=house.clock, transport=answering(body))
    assert await tokens.token("crm") == "1000.a.b"


async def test_old_accounts_hosts_give_the_lifetime_in_two_forms(house: House) -> None:
    body = {"access_token": "1000.a.b", "expires_in_sec": 3600, "expires_in": 3600000}
    await tokens_in(house, "jp", body).token("crm")
    assert house.store.tokens["ACME"][1] == house.clock.now() + timedelta(hours=1)


@pytest.mark.parametrize("body", [{}, {"error": ""}, {"access_token": ""}])
async def test_an_answer_without_a_token_is_no_success(house: House, body: dict[str, Any]) -> None:
    with pytest.raises(Unreachable):
        await tokens_in(house, "jp", body).token("crm")


def test_each_data_centre_has_hosts_of_its_own() -> None:
    assert sorted(DATA_CENTERS) == ["au", "ca", "cn", "eu", "in", "jp", "sa", "us"]
    hosts = [host for each in DATA_CENTERS.values() for host in (each.accounts, each.api, each.content)]
    assert len(set(hosts)) == len(hosts)
    assert DATA_CENTERS["ca"].accounts == "https://accounts.zohocloud.ca"
    assert data_center_of("https://www.zohoapis.jp/") == "jp"
    assert data_center_of(HOST) is None


def test_the_stored_payload_is_json_of_token_and_fingerprint_only(house: House) -> None:
    fingerprint = house.credentials().fingerprint()
    assert json.dumps(fingerprint).isascii() and len(fingerprint) == 16
    assert fingerprint != house.credentials(refresh_token="other").fingerprint()
