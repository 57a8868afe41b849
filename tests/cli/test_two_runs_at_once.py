"""A second batch of a connection, by hand or by clock, is turned away with exit 3 while the first one is at work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from test_life_commands import Shop, shop  # noqa: F401 - a fixture

from renkei.ledger import open_ledger


def test_the_second_says_which_run_is_at_work_since_when_and_what_to_do(shop: Shop) -> None:  # noqa: F811
    ledger = open_ledger(shop.environ["RENKEI_LEDGER_URL"])
    ledger.lock("demo", "R-first", datetime.now(UTC), timedelta(minutes=10))
    ledger.close()
    said = shop.renkei("--json", "sync")
    assert (said.code, said.json["error"], said.json["written"]) == (3, "AnotherRun", "Nothing was written.")
    assert "run R-first has been at work since" in said.json["message"] and "Wait for it to end" in said.json["fix"]
    assert shop.renkei("publish").code == 3 and shop.renkei("status").code == 0
