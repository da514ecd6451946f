"""The operator of the crash proof: `python -m tests.proof.crashes_operator FOLDER`.

Runs `bulk_enroll` for one batch of people after another, while the servers are killed, and kills some of the runs
(`kill -9`) at any point. Each batch is run again until the command says that it is in. What each run said is in a
journal, synced: a line is a JSON object with `batch`, `status` (as a process's exit code; minus the signal) and what the
command printed, if it came to that: `operation`, `counts`, `refused`.
"""

import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import django

from tests.proof.crashes_client import PATIENCE, Journal

SETTINGS, SAID = "operator.json", "operator"
SLUG = "crashes"
FORK = multiprocessing.get_context("fork")  # Of a process that has started Django: a run costs no start of Python.
KILLED = 0.8  # Of the first runs of a batch, the share.


@dataclass(frozen=True)
class Batch:
    """Ids of a session and of people, and their employee ids. All are nobody else's."""

    session: int
    people: Sequence[int]
    employees: Sequence[str]

    @property
    def enrolled(self) -> dict[str, int]:
        """What the command counts of one that it has enrolled, as a whole."""
        return {"enrolled": len(self.people)}

    def found_enrolled(self, said: Mapping[str, Any]) -> bool:
        """All of them by a run before this one."""
        reasons = {row["reason"] for row in said.get("refused", [])}
        return said.get("counts") == {"refused": len(self.people)} and reasons == {"Is enrolled already."}


@dataclass
class Clock:
    """`seconds`: what the last run took that came to its end. Kills lie all along one, and behind its commit too."""

    seconds: float = 0.5

    def moment(self, random: Random) -> float:
        return random.uniform(0, self.seconds)


@dataclass
class Runs:
    """What the runs said, by the batch's number."""

    said: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(said["status"] for runs in self.said.values() for said in runs)


def enroll(batch: Batch, out: Path) -> None:
    from django.core.management import CommandError, call_command  # noqa: PLC0415 - once Django is set up

    people = ",".join(batch.employees)
    arguments = ["--organization", SLUG, "--session", str(batch.session), "--employees", people, "--json"]
    with out.open("w") as file:
        try:
            call_command("bulk_enroll", *arguments, stdout=file)
        except CommandError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.returncode)


def tries(batch: Batch, out: Path, random: Random, clock: Clock) -> Iterator[dict[str, Any]]:
    """What each run says, until one says that all are in. Raises TimeoutError."""
    deadline, killing = time.monotonic() + PATIENCE, random.random() < KILLED
    while time.monotonic() < deadline:
        out.unlink(missing_ok=True)
        process = FORK.Process(target=enroll, args=(batch, out))
        started = time.monotonic()
        process.start()
        process.join(clock.moment(random) if killing else None)
        if process.is_alive():
            process.kill()
            process.join()
        said = {"status": process.exitcode, **printed(out)}
        if process.exitcode == 0:
            clock.seconds = time.monotonic() - started
        yield said
        if said.get("counts") == batch.enrolled or batch.found_enrolled(said):
            return
        killing = random.random() < KILLED / 2
        time.sleep(0.1)
    raise TimeoutError(f"The people of session {batch.session} were not enrolled in {PATIENCE} s")


def printed(out: Path) -> dict[str, Any]:
    """What the command's summary says; a kill may have cut it off."""
    try:
        summary = json.loads(out.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {name: summary[name] for name in ("operation", "counts", "refused")}


def read(folder: Path) -> Runs:
    runs = Runs()
    if (folder / SAID).exists():
        for line in (folder / SAID).read_text().splitlines():
            said = json.loads(line)
            runs.said.setdefault(said["batch"], []).append(said)
    return runs


def main(folder: Path) -> None:
    given = json.loads((folder / SETTINGS).read_text())
    os.environ.update(given["environment"])
    django.setup()
    journal, random, clock = Journal(folder / SAID), Random(given["seed"]), Clock()
    for number, batch in enumerate(given["batches"]):
        for said in tries(Batch(**batch), folder / "operator-run", random, clock):
            journal.write(batch=number, **said)
        time.sleep(given["pause"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
