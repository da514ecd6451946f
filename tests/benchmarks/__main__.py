"""`python -m tests.benchmarks`: how fast the ledger is.

`bulk`: commands, beside a peer that does the same work in the same run. Absolute figures are the machine's; the ratios
are the result. `admin`: pages with a million train sessions.

Needs a PostgreSQL server (BENCHMARK_SERVER, by default the one on this machine, as a superuser) and makes databases of
its own there.
"""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tests.benchmarks.databases import scratch_database
from tests.benchmarks.parts import PARTS, measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="this part (default: all)")
    parser.add_argument("--rows", type=int, default=100_000, help="bulk: rows of the large files (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="bulk (default: 3)")
    parser.add_argument("--records", type=int, default=1_000_000, help="admin: train sessions (default: 1,000,000)")
    parser.add_argument("--short", action="store_true", help="small and once: shows that it runs, and judges nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures there too")
    given = parser.parse_args()
    if given.short:
        given.rows, given.rounds, given.records = 2_000, 1, 4_000
    figures: dict[str, Any] = {}
    reached = True
    for part in [given.only] if given.only else PARTS:
        with scratch_database() as url, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            text, found, well = process.submit(measured, part, url, given).result()
        sys.stdout.write(f"{text}\n\n")
        sys.stdout.flush()
        figures |= found
        reached = reached and well
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if given.short or reached else 1


if __name__ == "__main__":
    sys.exit(main())
