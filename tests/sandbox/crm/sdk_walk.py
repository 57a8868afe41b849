"""Zoho's own SDK against an address given as JSON on the command line; prints what it understood as one JSON line.

Runs as its own process: the SDK keeps global state (crm-v8.md section 17).
"""

from __future__ import annotations

import json
import sys
from typing import Any

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.file_store import FileStore
from zohocrmsdk.src.com.zoho.crm.api.coql import BodyWrapper as QueryBody
from zohocrmsdk.src.com.zoho.crm.api.coql import CoqlOperations
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.fields import FieldsOperations, GetFieldsParam
from zohocrmsdk.src.com.zoho.crm.api.header_map import HeaderMap
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.parameter_map import ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    DeleteRecordsParam,
    GetRecordsParam,
    Record,
    RecordOperations,
)
from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig


def initialize(address: dict[str, str], folder: str) -> None:
    base = address["crm"]
    Initializer.initialize(
        environment=DataCenter.Environment(base, base + "/oauth/v2/token", base),
        token=OAuthToken(
            client_id=address["client_id"],
            client_secret=address["client_secret"],
            refresh_token=address["refresh_token"],
            find_user=True,
        ),
        store=FileStore(folder + "/tokens.csv"),
        sdk_config=SDKConfig(auto_refresh_fields=False, pick_list_validation=True),
        resource_path=folder,
    )


def account(**values: Any) -> Record:
    record = Record()
    if "id" in values:
        record.set_id(int(values.pop("id")))
    for name, value in values.items():
        record.add_key_value(name, value)
    return record


def body(*records: Record, check: list[str] | None = None) -> BodyWrapper:
    wrapper = BodyWrapper()
    wrapper.set_data(list(records))
    wrapper.set_trigger([])
    if check:
        wrapper.set_duplicate_check_fields(check)
    return wrapper


def outcomes(response: Any) -> list[dict[str, Any]]:
    """Class, code and id of each element that the SDK made of a write's answer."""
    return [
        {
            "kind": type(item).__name__,
            "code": item.get_code().get_value(),
            "id": str(item.get_details().get("id")),
        }
        for item in response.get_object().get_data()
    ]


def walk() -> dict[str, Any]:
    accounts = RecordOperations("Accounts")
    seen: dict[str, Any] = {}
    made = accounts.create_records(
        body(
            account(Account_Name="Aoyama Printing", renkei_books_id="B1", Annual_Revenue=1200.5),
            account(Account_Name="Clash", renkei_books_id="B1"),
            account(Account_Name="Kanda Foods", renkei_books_id="B2"),
        ),
        HeaderMap(),
    )
    seen["created"] = {"status": made.get_status_code(), "results": outcomes(made)}
    first, second = seen["created"]["results"][0]["id"], seen["created"]["results"][2]["id"]

    params = ParameterMap()
    params.add(GetRecordsParam.fields, "Account_Name,renkei_books_id,Owner,Modified_Time,Annual_Revenue")
    listed = accounts.get_records(params, HeaderMap()).get_object()
    seen["listed"] = [
        {
            "id": str(record.get_id()),
            "name": record.get_key_value("Account_Name"),
            "owner": record.get_key_value("Owner").get_email(),
            "revenue": record.get_key_value("Annual_Revenue"),
            "aware": record.get_key_value("Modified_Time").tzinfo is not None,
        }
        for record in listed.get_data()
    ]
    seen["more"] = listed.get_info().get_more_records()

    one = accounts.get_record(int(first), ParameterMap(), HeaderMap()).get_object().get_data()[0]
    seen["one"] = {"name": one.get_key_value("Account_Name"), "layout": one.get_key_value("Layout") is not None}
    absent = accounts.get_record(5545974000009999999, ParameterMap(), HeaderMap())
    seen["absent"] = absent.get_status_code()

    changed = accounts.update_record(int(first), body(account(Phone="03-1234-5678")), HeaderMap())
    seen["updated"] = {"status": changed.get_status_code(), "results": outcomes(changed)}

    upserted = accounts.upsert_records(
        body(account(renkei_books_id="B2", Account_Name="Kanda Foods KK"), check=["renkei_books_id"]), HeaderMap()
    )
    item = upserted.get_object().get_data()[0]
    seen["upserted"] = {"action": item.get_action().get_value(), "field": item.get_duplicate_field(),
                        "id": str(item.get_details()["id"])}  # fmt: skip

    query = QueryBody()
    query.set_select_query(f"select Account_Name, Phone from Accounts where id >= '{first}' order by id asc limit 10")  # noqa: S608
    answer = CoqlOperations().get_records(query).get_object()
    seen["queried"] = [(str(row.get_id()), row.get_key_value("Account_Name")) for row in answer.get_data()]

    params = ParameterMap()
    params.add(GetFieldsParam.module, "Accounts")
    fields = FieldsOperations().get_fields(params).get_object().get_fields()
    seen["fields"] = {field.get_api_name(): field.get_data_type() for field in fields}

    params = ParameterMap()
    params.add(DeleteRecordsParam.ids, f"{first},{second}")
    deleted = accounts.delete_records(params, HeaderMap())
    seen["deleted"] = {"status": deleted.get_status_code(), "results": outcomes(deleted)}
    again = accounts.delete_record(int(first), ParameterMap(), HeaderMap())
    seen["deleted again"] = outcomes(again)
    return seen


if __name__ == "__main__":
    initialize(json.loads(sys.argv[1]), sys.argv[2])
    print(json.dumps(walk()))
