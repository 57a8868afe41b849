"""The manual: every key, variable and function that there is stands in docs/reference/."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from renkei.config.models import (
    BillingModel,
    BrakesModel,
    BudgetModel,
    ConnectionModel,
    CustomersModel,
    DealsModel,
    FieldModel,
    KeysModel,
    LinesModel,
    MappingModel,
    RightsModel,
    SummariesModel,
)
from renkei.core.deal_lines import BILLING_FIELDS, DEAL_FIELDS, LINE_FIELDS
from renkei.core.transforms import FUNCTIONS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def text(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [ConnectionModel, CustomersModel, KeysModel, BudgetModel, BrakesModel, RightsModel])
def test_every_key_of_a_connection_is_in_its_reference(model: type[BaseModel]) -> None:
    page = text("connection")
    assert [name for name in model.model_fields if name not in page] == []


@pytest.mark.parametrize("model", [MappingModel, FieldModel, SummariesModel, DealsModel, LinesModel, BillingModel])
def test_every_key_of_a_mapping_is_in_its_reference(model: type[BaseModel]) -> None:
    page = text("mappings")
    assert [name for name in model.model_fields if f"`{name}`" not in page] == []


def test_every_name_of_a_deals_field_is_in_the_reference() -> None:
    page = text("mappings")
    assert [name for name in (*DEAL_FIELDS, *LINE_FIELDS, *BILLING_FIELDS) if f"`{name}`" not in page] == []


def test_every_transform_is_in_the_reference_as_it_describes_itself() -> None:
    page = text("transforms")
    for function in FUNCTIONS.values():
        assert f"| `{function.name}` | {function.summary} |" in page
        for option, meaning in function.options.items():
            assert f"`{option}`: {meaning}" in page


def test_no_reference_describes_a_transform_that_there_is_not() -> None:
    rows = [line.split("`")[1] for line in text("transforms").splitlines() if line.startswith("| `")]
    assert rows == list(FUNCTIONS)
