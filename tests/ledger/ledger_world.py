"""Short ways to make the nouns that a ledger keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from renkei.core.records import Action, Change, Hold, Link, MirrorRow, OutcomeRow, Run
from renkei.core.values import Ref

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def account(number: int | str) -> Ref:
    return Ref("crm", "Accounts", str(number))


def customer(number: int | str) -> Ref:
    return Ref("books", "contacts", str(number))


def a_run(run: str = "R1", connection: str = "acme", started: datetime = NOW) -> Run:
    return Run(run, connection, "sync", "hourly", "schedule", started, False, "c0ffee", "0.1.0")


def a_mirror(number: int | str, version: str = "1", *keys: tuple[str, str], stamp: datetime | None = NOW) -> MirrorRow:
    return MirrorRow(
        str(number), stamp, f"hash-{number}-{version}", {"id": str(number), "Account_Name": f"株式会社{number}"}, keys
    )


def a_link(link: str, crm: int | str, books: int | str, state: str = "live") -> Link:
    return Link(link, "customers", "customers", account(crm), customer(books), NOW, "key", state)


def a_hold(hold: str, record: Ref, detail: Mapping[str, Any] | None = None) -> Hold:
    return Hold(hold, "customers", "duplicate", record, None, ({"record": "books:contacts:9"},), ("link", "create"), detail or {})


def an_action(key: str, *changes: Change) -> Action:
    return Action(
        key, "customers", "customers", "update", "crm", "Accounts", account(1), customer(1), {"id": "1"}, changes, "why"
    )


def evidence(*records: Ref, outcome: str = "created", at: datetime = NOW, detail: Mapping[str, Any] | None = None) -> OutcomeRow:
    return OutcomeRow("record", "customers", records, outcome, "because", at, "schedule", detail or {})
