"""What was asked before the verb, and how an answer is printed."""

from __future__ import annotations

import json
from typing import Any


class Asked:
    """The options before the verb."""

    connection: str | None = None
    as_json: bool = False


def show(content: dict[str, Any], text: str) -> None:
    print(json.dumps(content, ensure_ascii=False) if Asked.as_json else text)
