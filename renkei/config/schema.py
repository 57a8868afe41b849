"""JSON Schemas of the YAML files, made from the models that read them, for completion in editors.

The files in schemas/ are these, and a test holds them to it. `python -m renkei.config.schema` writes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from renkei.config.models import (
    ConnectionModel,
    DealsModel,
    DealsOverrideModel,
    MappingModel,
    OverrideModel,
    SuiteModel,
    SummariesFileModel,
)

FOLDER = Path(__file__).parent / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "connection": ConnectionModel,
    "mapping": MappingModel,
    "mapping_override": OverrideModel,
    "summaries": SummariesFileModel,
    "deals": DealsModel,
    "deals_override": DealsOverrideModel,
    "suite": SuiteModel,
}


def json_schema(kind: str) -> dict[str, Any]:
    """The schema of one kind of file: connection, mapping, mapping_override, summaries, deals, deals_override or suite."""
    schema = MODELS[kind].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text(kind: str) -> str:
    """As it stands in schemas/<kind>.json."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def write_schemas(folder: Path = FOLDER) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in MODELS:
        (folder / f"{kind}.json").write_text(schema_text(kind), encoding="utf-8")


if __name__ == "__main__":
    write_schemas()
