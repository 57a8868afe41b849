"""`python -m soak`: both rings for SOAK_SECONDS from SEED, in worker processes; what failed, and how to replay it.

SOAK_SECONDS=600 SEED=7 python -m soak
python -m soak replay 7.3.12          the nights of one company, told
python -m soak planted NAME           in how many nights a bug on purpose is found
"""

from __future__ import annotations

import os
import sys

from soak import planted, report


def main(arguments: list[str]) -> int:
    """0 where everything held, 1 where something failed, 2 where it was asked wrongly."""
    if arguments[:1] == ["replay"] and len(arguments) == 2:
        return report.replay(arguments[1], sys.stdout)
    if arguments[:1] == ["planted"] and len(arguments) == 2 and arguments[1] in planted.PLANTED:
        found, told = planted.nights_until_found(arguments[1], os.environ.get("SEED", "1"))
        print(f"{arguments[1]}: found in night {found}, {told}" if found else f"{arguments[1]}: not found")
        return 0 if found else 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    seconds, seed = float(os.environ.get("SOAK_SECONDS", "60")), os.environ.get("SEED", "1")
    workers = int(os.environ.get("SOAK_WORKERS", str(os.cpu_count() or 1)))
    return report.soak(seconds, seed, workers, sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
