"""`python -m soak`: both rings for SOAK_SECONDS from SEED, in worker processes; what failed, and how to replay it.

SOAK_SECONDS=600 SEED=7 python -m soak
python -m soak replay 7.3.12          the nights of one company, told
"""

from __future__ import annotations

import os
import sys

from soak import report


def main(arguments: list[str]) -> int:
    """0 where everything held, 1 where something failed, 2 where it was asked wrongly."""
    if arguments[:1] == ["replay"] and len(arguments) == 2:
        return report.replay(arguments[1], sys.stdout)
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    seconds, seed = float(os.environ.get("SOAK_SECONDS", "60")), os.environ.get("SEED", "1")
    workers = int(os.environ.get("SOAK_WORKERS", str(os.cpu_count() or 1)))
    return report.soak(seconds, seed, workers, sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
