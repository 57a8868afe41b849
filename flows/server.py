"""A Prefect server from outside: whether it answers."""

from __future__ import annotations

import urllib.request

SECONDS = 10.0


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):  # urllib's errors are among them; no address at all
        return False
