"""Writers, readers that crash, and naive readers, at once; and the tables that they are held against."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any

from accounts.models import Organization
from tests.benchmarks.parts import close_connections
from tests.benchmarks.servers import PATIENCE, ROOT, environment, free_port
from tests.concurrency.test_feed import LATEST_DUE, WRITERS, Change
from tests.proof import feed_naive
from tests.proof.feed_readers import Crashing, Kept, Readers, kept
from tests.proof.feed_writers import Written, forking, staged, write
from training.models import State, TrainSession

READERS = 3
STATUS_OF = {"assigned": "notStarted", "in_progress": "inProgress", "failed": "inProgress", "completed": "completed"}


@dataclass(frozen=True)
class Run:
    organization: Organization
    written: list[Written]
    readers: list[Kept]
    deaths: list[Counter[str]]
    """Of each reader, by moment."""
    naive: tuple[int, int]
    """Records whose last change a naive reader missed: one that takes all at once, one that takes pages."""
    seconds: float

    @property
    def journal(self) -> list[Change]:
        return [change for one in self.written for change in one.journal]


@contextmanager
def served(folder: Path, url: str) -> Iterator[int]:
    """The production server's port, from its first answer on. Raises RuntimeError where it does not start."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"]
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment(folder, url, port), stdout=log, stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE
            while not _answers(port):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError("The server did not start.")
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()


def run(url: str, folder: Path, changes: int, crashing: Crashing) -> Run:
    feed_naive.install(url)
    stage = staged()
    folders = [folder / f"reader-{number}" for number in range(READERS)]
    for one in folders:
        one.mkdir()
    done = folder / "done"
    with served(folder, url) as port, forking() as fork:
        naive = fork(feed_naive.follow, url, done)
        started = time.monotonic()
        writers = [fork(write, stage, number, -(-changes // WRITERS)) for number in range(WRITERS)]
        readers = Readers(folders, port, stage.secret, crashing)
        with readers.running():
            written = [writer.result() for writer in writers]
            time.sleep(LATEST_DUE)  # What is to fall due does so while it is read.
        seconds = time.monotonic() - started
        done.touch()
        whole, paged = naive.result()
        unseen = (feed_naive.missed(url, whole), feed_naive.missed(url, paged))
    return Run(
        stage.organization,
        written,
        [kept(one) for one in folders],
        readers.deaths,
        (unseen[0][0], unseen[1][0]),
        seconds,
    )


def as_shown(record: TrainSession) -> dict[str, Any]:
    """A row of the table as the Training Assignments API's document has it: keys that do not apply are absent."""
    completed = record.state == State.COMPLETED
    shown: dict[str, Any] = {
        "id": str(record.uuid),
        "course": {"id": str(record.course.uuid), "revisionId": str(record.course.revision)},
        "learner": {"id": f"{record.person.kind}-{record.person_id}", "type": record.person.kind},
        "status": STATUS_OF[record.state],
        "createdAtTime": _instant(record.created_at),
        "createdById": record.created_by,
        "updatedAtTime": _instant(record.updated_at),
        "updatedById": record.updated_by,
        "durationMinutes": int(record.time_spent * 60),
        "startedAtTime": None if record.state == State.ASSIGNED else _instant(record.started_at),
        "completedAtTime": _instant(record.completed_at),
        "dueAtTime": _instant(record.due_at),
        "deletedAtTime": _instant(record.unassigned_at),
        "isOverdue": None if completed or record.due_at is None else record.overdue,
        "isCompletedLate": record.completed_at > record.due_at if record.due_at and record.completed_at else None,
        "scorePercent": float(record.score) if completed and record.score is not None else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Table:
    """The records at the end: as they are to be shown, by id, and the feed's order of them."""

    shown: dict[str, dict[str, Any]]
    pks: dict[str, int]


def table(organization: Organization) -> Table:
    records = TrainSession.objects.of(organization).select_related("course", "person").iterator(chunk_size=5000)
    found = {record.pk: as_shown(record) for record in records}
    close_connections()
    return Table({row["id"]: row for row in found.values()}, {row["id"]: pk for pk, row in found.items()})


def differing(reader: Kept, table: Table) -> list[str]:
    """Ids of the rows that a reader's copy has not as the table has them, or has and the table has not."""
    return [name for name in reader.copy.keys() | table.shown.keys() if reader.copy.get(name) != table.shown.get(name)]


def out_of_order(reader: Kept, table: Table) -> int:
    """Rows that came in some run behind one that they should have come before, or twice."""
    wrong = 0
    for rows in reader.runs.values():
        places = [(datetime.fromisoformat(row["updatedAtTime"]), table.pks[row["id"]]) for row in rows]
        wrong += sum(after <= before for before, after in pairwise(places))
    return wrong
