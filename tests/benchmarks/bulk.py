"""Bulk operations: files of 100,000 rows, beside the same work done through `save()`, row by row."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accounts.models import OperationKind
from tests.benchmarks.by_row import ByRow
from tests.benchmarks.ground import (
    PEOPLE_HEADER,
    RECORDS_HEADER,
    Ground,
    open_many,
    people_rows,
    record_rows,
    scheduled,
)
from tests.benchmarks.measuring import HEADER, Comparison, table
from training.models import State, TrainSession

MEMORY_ROWS = (10_000, 100_000)
MEGABYTE = 1024 * 1024


@dataclass
class Result:
    comparisons: list[Comparison]
    memory: list[tuple[str, list[float]]]

    @property
    def reached(self) -> bool:
        return all(comparison.reached for comparison in self.comparisons)

    @property
    def text(self) -> str:
        lines = [table(HEADER, [comparison.cells() for comparison in self.comparisons])]
        if self.memory:
            header = ["memory of the whole process, MB", *(f"{rows:,} rows" for rows in MEMORY_ROWS)]
            lines += ["", table(header, [[name, *(f"{peak:.0f}" for peak in peaks)] for name, peaks in self.memory])]
        return "\n".join(lines)

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "comparisons": [
                {
                    "work": one.name,
                    "rows": one.rows,
                    "ours_rows_per_second": one.ours.figures,
                    "save_rows_per_second": one.peer.figures,
                    "ratio": one.ratio,
                    "reached": one.reached,
                }
                for one in self.comparisons
            ],
            "memory_megabytes": {name: dict(zip(MEMORY_ROWS, peaks, strict=True)) for name, peaks in self.memory},
        }


class Works:
    """What is measured, each in turn with its peer. The peer does a sample of the rows: what counts is the rate."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.sample = max(min(ground.rows // 100, 1_000), 100)
        self.people = Comparison("import people", ground.rows, least_ratio=20, least_rate=5_000)
        self.records = Comparison("import past records", ground.rows, least_ratio=20, least_rate=5_000)
        self.seats = Comparison("enroll in one session", ground.enrolled, least_ratio=20)
        self.taken_back = Comparison("unassign", ground.rows, least_ratio=20)

    @property
    def all(self) -> list[Comparison]:
        return [self.people, self.records, self.seats, self.taken_back]

    def import_people(self, round_: int) -> None:
        many = self.ground.file("people.csv", PEOPLE_HEADER, people_rows(f"r{round_}", self.ground.rows))
        few = self.ground.file("few.csv", PEOPLE_HEADER, people_rows(f"s{round_}", self.sample))
        by_row = ByRow(self.ground, OperationKind.IMPORT_PEOPLE)
        self.people.ours.measure(self.ground.rows, lambda: self.ground.command("import_people", str(many)))
        self.people.peer.measure(self.sample, lambda: by_row.people(few))

    def import_records(self, round_: int) -> None:
        many = self.ground.file("records.csv", RECORDS_HEADER, record_rows(self.ground, round_, self.ground.rows))
        few = self.ground.file("few.csv", RECORDS_HEADER, record_rows(self.ground, 1_000 + round_, self.sample))
        by_row = ByRow(self.ground, OperationKind.IMPORT_RECORDS)
        self.records.ours.measure(self.ground.rows, lambda: self.ground.command("import_records", str(many)))
        self.records.peer.measure(self.sample, lambda: by_row.records(few))

    def enroll(self, round_: int) -> None:
        ours, theirs = (scheduled(self.ground, self.ground.courses[2 * round_ + at]) for at in (0, 1))
        people = self.ground.people[: self.ground.enrolled]
        many = self.ground.file("seats.csv", ["employee_id"], ([one.employee_id] for one in people))
        arguments = ["--session", str(ours.pk), "--file", str(many)]
        by_row = ByRow(self.ground, OperationKind.BULK_ENROLL)
        self.seats.ours.measure(len(people), lambda: self.ground.command("bulk_enroll", *arguments))
        self.seats.peer.measure(self.sample, lambda: by_row.enrollments(theirs, people[: self.sample]))

    def unassign(self, _round: int) -> None:
        rows = TrainSession.objects.of(self.ground.organization)
        rows.filter(unassigned_at=None).exclude(state=State.COMPLETED).delete()
        ids = open_many(self.ground, self.ground.rows + self.sample)
        many = self.ground.file("ids.csv", ["id"], ([pk] for pk in ids[self.sample :]))
        arguments = ["--file", str(many), "--reason", "Benchmark", "--max-percent", "100"]
        by_row = ByRow(self.ground, OperationKind.UNASSIGN)
        self.taken_back.ours.measure(self.ground.rows, lambda: self.ground.command("unassign", *arguments))
        self.taken_back.peer.measure(self.sample, lambda: by_row.unassign(ids[: self.sample]))


def measure(folder: Path, *, rows: int, rounds: int) -> Result:
    ground = Ground(folder, rows=rows)
    works = Works(ground)
    for round_ in range(rounds):
        for work in (works.import_people, works.import_records, works.enroll, works.unassign):
            work(round_)
    return Result(works.all, memory(ground) if rows >= MEMORY_ROWS[1] else [])


def memory(ground: Ground) -> list[tuple[str, list[float]]]:
    """The greatest memory of each import, as a process of its own, with files of two lengths."""
    files: dict[str, Callable[[int], Path]] = {
        "import_people": lambda count: ground.file("m.csv", PEOPLE_HEADER, people_rows(f"m{count}", count)),
        "import_records": lambda count: ground.file(
            "m.csv", RECORDS_HEADER, record_rows(ground, 2_000 + MEMORY_ROWS.index(count), count)
        ),
    }
    return [
        (name, [peak(name, ground.organization.slug, file(count)) for count in MEMORY_ROWS])
        for name, file in files.items()
    ]


def peak(command: str, slug: str, file: Path) -> float:
    """Megabytes."""
    program = (
        "import resource, sys; from django.core.management import execute_from_command_line as run; "
        "run(sys.argv); print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    arguments = [sys.executable, "-c", program, command, "--organization", slug, str(file)]
    done = subprocess.run(arguments, env=os.environ, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024 / MEGABYTE
