"""`python -m tests.benchmarks`: how fast the ledger is, beside a peer that does the same work in the same run.

Needs a PostgreSQL server (BENCHMARK_SERVER, by default the one on this machine) and makes a database of its own there.
Absolute figures are the machine's; the ratios are the result.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.databases import scratch_database


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the large files (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="small and once: shows that it runs, and judges nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures there too")
    given = parser.parse_args()
    rows, rounds = (2_000, 1) if given.short else (given.rows, given.rounds)
    with scratch_database() as url, tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DATABASE_URL=url, DATA_DIR=folder, DJANGO_SETTINGS_MODULE="config.settings", LOG_LEVEL="ERROR"
        )
        import django  # noqa: PLC0415 - after the environment
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        from tests.benchmarks.bulk import measure  # noqa: PLC0415 - needs the apps

        result = measure(Path(folder), rows=rows, rounds=rounds)
        from django.db import connection  # noqa: PLC0415

        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
    sys.stdout.write(f"{result.text}\n")
    if given.json:
        given.json.write_text(json.dumps(result.figures, indent=2) + "\n", encoding="utf-8")
    return 0 if given.short or result.reached else 1


if __name__ == "__main__":
    sys.exit(main())
