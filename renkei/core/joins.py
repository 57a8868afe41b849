"""Joins: which deals an existing document may belong to, by a number that both carry. Pure.

A rule only ever asks (the question `join`): a number that people type is no proof. Numbers are compared without regard to width,
case, spaces and dashes; a deal counts only where its account or contact is the one that the document's customer is linked with.
Sources: product.md section 3, `joins:` in mappings/summaries.yaml.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from renkei.core.mapping import JoinRule, get_path
from renkei.core.names import sku
from renkei.core.published import KINDS
from renkei.core.records import Decision, Hold, Row
from renkei.core.values import MISSING, Ref

QUESTION = "join"
ATTACH, SKIP = "attach", "skip"
DEAL_FIELDS = ("Deal_Name", "Account_Name", "Contact_Name")


def number_of(rule: JoinRule, module: str, row: Row) -> str:
    """What a document's list row shows in the rule's field; "" where the rule is not about it or the field is empty."""
    if module not in rule.modules:
        return ""
    value = get_path(row, KINDS[module].number if rule.books == "number" else rule.books)
    return "" if value is None or value is MISSING else str(value).strip()


def spellings(number: str) -> set[str]:
    """As what the CRM is asked for a number: it compares exactly, width included."""
    return {number, unicodedata.normalize("NFKC", number)}


def holders_of(deal: Row) -> set[str]:
    """Ids of the account and the contact that a deal belongs to; no two records of a CRM share one."""
    lookups = (deal.get("Account_Name"), deal.get("Contact_Name"))
    return {str(one["id"]) for one in lookups if isinstance(one, dict) and one.get("id")}


def carries(rule: JoinRule, number: str, deal: Row) -> bool:
    """Whether a deal has the number in the rule's field."""
    return sku(str(deal.get(rule.crm) or "")) == sku(number)


def candidate_of(rule: JoinRule, deal: Row) -> dict[str, Any]:
    """A deal as the question shows it."""
    return {
        "record": f"crm:Deals:{deal['id']}", "label": str(deal.get("Deal_Name") or deal["id"]),
        "rule": f"{rule.crm} {deal.get(rule.crm)} = {rule.books}",
    }  # fmt: skip


def choices(candidates: Sequence[Row]) -> tuple[str, ...]:
    return (*(f"{ATTACH} {one['record']}" for one in candidates), SKIP)


def deal_in(choice: str) -> str:
    """The deal that an answer names, "" where it names none."""
    return Ref.parse(choice.removeprefix(f"{ATTACH} ")).id if choice.startswith(f"{ATTACH} ") else ""


def answered(decisions: Iterable[tuple[Hold, Decision]]) -> dict[str, dict[str, str]]:
    """Module → document → deal, of answers that no run has carried out yet."""
    found: dict[str, dict[str, str]] = {}
    for hold, decision in decisions:
        if hold.question == QUESTION and (deal := deal_in(decision.choice)):
            found.setdefault(hold.record.module, {})[hold.record.id] = deal
    return found


def proposed(holds: Iterable[Hold], module: str) -> dict[str, str]:
    """Deal → an open question whether a document of this module is the deal's."""
    asked = [hold for hold in holds if hold.question == QUESTION and hold.record.module == module]
    return {Ref.parse(str(one["record"])).id: hold.id for hold in asked for one in hold.candidates if "record" in one}
