"""Zoho's unchanged official SDK (zohocrmsdk8-0) works against a served sandbox (crm-v8.md section 17)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from renkei.sandbox.serve import running
from renkei.sandbox.world import World

WALK = Path(__file__).with_name("sdk_walk.py")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], World]:
    world = World(seed=11)
    folder = tmp_path_factory.mktemp("sdk")
    with running(world) as address:
        done = subprocess.run(
            [sys.executable, str(WALK), json.dumps(address), str(folder)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1]), world


def test_it_obtains_one_token_and_identifies_the_user_and_organisation(seen: tuple[dict[str, Any], World]) -> None:
    world = seen[1]
    assert world.requests.count("accounts", path="/oauth/v2/token") == 1
    assert world.requests.count("crm", path="/crm/v8/users", status=200) == 1
    assert world.requests.count("crm", path="/crm/v8/org", status=200) == 1


def test_a_batch_with_a_duplicate_reads_as_two_successes_and_one_exception(seen: tuple[dict[str, Any], World]) -> None:
    created = seen[0]["created"]
    assert created["status"] == 207
    assert [result["code"] for result in created["results"]] == ["SUCCESS", "DUPLICATE_DATA", "SUCCESS"]
    assert [result["kind"] for result in created["results"]] == ["SuccessResponse", "APIException", "SuccessResponse"]


def test_it_lists_and_gets_what_it_wrote(seen: tuple[dict[str, Any], World]) -> None:
    what = seen[0]
    assert [row["name"] for row in what["listed"]] == ["Kanda Foods", "Aoyama Printing"]
    assert what["listed"][1]["revenue"] == 1200.5
    assert all(row["aware"] and row["owner"] == "sync@example.jp" for row in what["listed"])
    assert what["more"] is False
    assert what["one"] == {"name": "Aoyama Printing", "layout": True}
    assert what["absent"] == 204


def test_it_updates_and_upserts_by_the_unique_field(seen: tuple[dict[str, Any], World]) -> None:
    what = seen[0]
    first, _, second = (result["id"] for result in what["created"]["results"])
    assert what["updated"] == {"status": 200, "results": [{"kind": "SuccessResponse", "code": "SUCCESS", "id": first}]}
    assert what["upserted"] == {"action": "update", "field": "renkei_books_id", "id": second}


def test_it_queries_with_coql(seen: tuple[dict[str, Any], World]) -> None:
    assert [name for _, name in seen[0]["queried"]] == ["Aoyama Printing", "Kanda Foods KK"]


def test_it_reads_the_fields_metadata(seen: tuple[dict[str, Any], World]) -> None:
    fields = seen[0]["fields"]
    assert fields["renkei_books_id"] == "text"
    assert fields["Parent_Account"] == "lookup"
    assert fields["Annual_Revenue"] == "currency"


def test_it_deletes_once_and_learns_that_a_second_delete_does_nothing(seen: tuple[dict[str, Any], World]) -> None:
    what, world = seen
    assert what["deleted"]["status"] == 200
    assert [result["code"] for result in what["deleted"]["results"]] == ["SUCCESS", "SUCCESS"]
    assert what["deleted again"][0]["code"] == "INVALID_DATA"
    assert world.crm.records("Accounts") == {}
