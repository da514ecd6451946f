"""`python -m tests.benchmarks`: how fast the ledger is.

Everything is measured beside a peer that does the same work in the same run. Absolute figures are the machine's; the
ratios are the result. `bulk`: commands. `admin`: pages with a million train sessions. `wire`: the HTTP endpoints, beside
the same ones written as usual, bare SQL and COPY. `seats`: enrolling, alone and against rivals. `replicas`: two readers
beside one. `growth`: what a request costs at different sizes.

Needs a PostgreSQL server (BENCHMARK_SERVER, by default the one on this machine, as a superuser) and makes databases of
its own there.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tests.benchmarks import machine, picture
from tests.benchmarks.databases import scratch_database
from tests.benchmarks.parts import PARTS, measured, migrated

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
SHORT_SIZES = (4_000, 8_000)
INTO = Path(__file__).parent / "results"
Answer = TypeVar("Answer")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (default: all); may be repeated")
    parser.add_argument("--rows", type=int, default=100_000, help="bulk: rows of the large files (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="bulk (default: 3)")
    parser.add_argument(
        "--records",
        type=int,
        default=1_000_000,
        help="admin, wire, seats, replicas: train sessions (default: 1,000,000)",
    )
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help=f"growth (default: {','.join(map(str, SIZES))})")
    parser.add_argument("--short", action="store_true", help="small and once: shows that it runs, and judges nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures there too")
    parser.add_argument("--into", type=Path, default=INTO, help="where figures and pictures go, unless short")
    given = parser.parse_args()
    if given.short:
        given.rows, given.rounds, given.records, given.sizes = 2_000, 1, 4_000, SHORT_SIZES
    facts = machine.facts()
    reached = True
    everything: dict[str, Any] = {"machine": facts}
    with scratch_database() as template:
        apart(migrated, template)
        for part in given.only or PARTS:
            with scratch_database(template) as url:
                text, figures, well = apart(measured, part, url, given)
            sys.stdout.write(f"{text}\n\n")
            sys.stdout.flush()
            everything |= figures
            reached = reached and well
            if not given.short:
                picture.save(part, given.into, figures, facts)
    sys.stdout.write(f"{machine.sentence(facts)}\n")
    if given.json:
        given.json.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    return 0 if given.short or reached else 1


def apart(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """In a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
