"""What CRM users are told stands in two languages that say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from renkei.core.document_forms import SETTLED
from renkei.core.document_words import DENIALS, NOUNS, REASONS, refusal, said

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "how-to" / "documents.md").read_text(encoding="utf-8")


def holes(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_both_languages_with_the_same_values_and_stands_in_the_how_to(reason: str) -> None:
    english, japanese = REASONS[reason]
    assert english.isascii() and not japanese.isascii() and not english.endswith(".") and not japanese.endswith("。")
    assert holes(japanese) <= holes(english)
    assert f"`{reason}`" in PAPER


def test_every_reason_is_given_somewhere_and_no_other() -> None:
    given = {*DENIALS, *(reason for statuses in SETTLED.values() for reason in statuses.values())}
    for path in (ROOT / "renkei" / "engine").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") == "refused"
                and isinstance(node.args[0], ast.Constant)
            ):
                given.add(str(node.args[0].value))
    assert given == set(REASONS)


def test_kinds_and_rights_are_said_in_the_readers_language() -> None:
    assert said("permission_missing", profile="Sales", right="view", kind="invoices")[1] == (
        "`permissions` では、権限プロファイル「Sales」に請求書の「表示」の権限がありません"
    )
    error = refusal("acme", "crm:Sales", "show", "not_in_edition", kind="sales_orders")
    assert error.what == "documents show: sales orders are available with Zoho Books only; this connection is to Zoho Invoice."
    assert str(error).split("\n")[1] == "受注書は Zoho Books でのみ利用できます。この接続先は Zoho Invoice です。"
    assert error.more == {"reason": "not_in_edition", "ja": error.ja}


def test_every_noun_has_a_japanese_word() -> None:
    assert all(re.search(r"[぀-ヿ一-鿿]", japanese) for _, japanese in NOUNS.values())
