"""`python -m soak.trace SEED NIGHTS`: what a seed brings about, as one digest of every request and the head of the chain.

Two processes that print the same have lived the same nights, byte for byte.
"""

from __future__ import annotations

import hashlib
import sys

import orjson

from soak.nights import Life


def digest(seed: str, nights: int) -> dict[str, object]:
    """requests: how many; digest: of all of them, in order; head: of the ledger's chain; problems: of all nights."""
    life = Life(seed)
    try:
        problems = [problem for number in range(nights) for problem in life.night(number).problems]
        rows = life.company.requests()
        text = orjson.dumps([dict(row) for row in rows])
        return {
            "requests": len(rows), "digest": hashlib.sha256(text).hexdigest(), "head": life.company.head(),
            "problems": problems,
        }  # fmt: skip
    finally:
        life.close()


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(digest(sys.argv[1], int(sys.argv[2]))).decode() + "\n")
