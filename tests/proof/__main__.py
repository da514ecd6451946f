"""`python -m tests.proof`: what is claimed of Training Ledger, shown by runs that could have failed.

Each part is a module here with a function `prove`. Controls take something out (a lock, a synced commit, a transaction)
and must be caught. They show it by chance: a part whose controls alone fail runs a second time, and says so; a control
that is not caught then is a failure of the proof.

A part that does not end within its time is ended, and has failed. SIGTERM and Ctrl-C end the part that runs in order.

Needs PostgreSQL (BENCHMARK_SERVER, by default the one on this machine, as a superuser; the part that kills servers starts
one of its own from the installed binaries), and
`redis-server`, which the limits start themselves.
"""

import argparse
import re
import sys
from pathlib import Path

from tests.benchmarks import machine
from tests.proof.figures import BRIEF_HEAD, Proof, table
from tests.proof.ground import Ground
from tests.proof.parts import PARTS, apart, end_in_order

PAGE = Path(__file__).resolve().parents[2] / "RELIABILITY.md"
NAMED = re.compile(r"\| \*\*(\w+)\*\* ")
BEGIN, END = "<!-- figures: written by python -m tests.proof --write -->", "<!-- end of figures -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (default: all); may be repeated")
    parser.add_argument("--short", action="store_true", help="as much of each as CI has time for")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    given = parser.parse_args()
    end_in_order()
    proofs = []
    for part in given.only or PARTS:
        proof = apart(part, Ground(short=given.short))
        proofs.append(proof)
        sys.stdout.write(f"{table(proof)}\n\n")
        sys.stdout.flush()
    if given.write:
        write(proofs)
    return 0 if all(proof.holds for proof in proofs) else 1


def write(proofs: list[Proof]) -> None:
    """Into the page. The rows of parts that did not run stay."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    written, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE.name} has no place for figures: {BEGIN} … {END}")
    rows = {named[1]: line for line in written.splitlines() if (named := NAMED.match(line))}
    rows |= {proof.part: proof.row() for proof in proofs}
    text = "\n".join([BRIEF_HEAD, *(rows[part] for part in PARTS if part in rows)])
    machines = machine.sentence(machine.facts())
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n\n{machines}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
