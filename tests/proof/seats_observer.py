"""A process that only looks, from beside the application: is any session overfull at this moment?"""

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import psycopg

from tests.benchmarks.parts import close_connections

FORK = multiprocessing.get_context("fork")
PAUSE = 0.1  # Seconds between two looks.
PATIENCE = 60  # Seconds, for its last look.

# One statement is one snapshot: what it counts and what it compares with were committed at the same moment.
OVERFULL = """
    SELECT 'enrollments.Session', s.id, s.max_participants, count(*)
    FROM enrollments_session s JOIN enrollments_enrollment e ON e.session_id = s.id AND e.status <> 'cancelled'
    GROUP BY s.id HAVING count(*) > s.max_participants
    UNION ALL
    SELECT 'programs.ProgramSession', p.id, p.user_limit, count(*)
    FROM programs_programsession p JOIN programs_programmember m ON m.session_id = p.id AND m.left_at IS NULL
    WHERE p.has_user_limit GROUP BY p.id HAVING count(*) > p.user_limit
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@dataclass
class Seen:
    """`overfull`: by kind, looks at which something of it held more than its capacity; `waiting`: processes that waited
    for a lock, summed over all looks.
    """

    looks: int = 0
    overfull: Counter[str] = field(default_factory=Counter)
    waiting: int = 0

    @property
    def usually_waiting(self) -> float:
        return self.waiting / max(self.looks, 1)


@contextmanager
def observed(url: str) -> Iterator[Seen]:
    """Filled in at the end. Connections of this process are closed first: a child must not share them.

    Raises TimeoutError where the observer does not end.
    """
    close_connections()
    seen, stop = Seen(), FORK.Event()
    reading, writing = FORK.Pipe(duplex=False)
    process = FORK.Process(target=look, args=(url, stop, writing), daemon=True)
    process.start()
    writing.close()
    try:
        yield seen
    finally:
        stop.set()
        if not reading.poll(PATIENCE):
            process.kill()
            raise TimeoutError(f"The observer has not ended within {PATIENCE} s.")
        found: Seen = reading.recv()
        process.join(PATIENCE)
        seen.looks, seen.overfull, seen.waiting = found.looks, found.overfull, found.waiting


def look(url: str, stop: Any, out: Connection) -> None:
    seen = Seen()
    with psycopg.connect(url, autocommit=True) as connection:
        last = False
        while not last:
            last = stop.wait(PAUSE)  # And once more when all is over.
            seen.looks += 1
            seen.overfull.update({str(kind) for kind, *_ in connection.execute(OVERFULL)})
            row = connection.execute(WAITING).fetchone()
            seen.waiting += row[0] if row else 0
    out.send(seen)


def overfull(url: str) -> list[tuple[Any, ...]]:
    """Model, id, capacity and seats taken of each that holds too many now."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(OVERFULL).fetchall()


def deadlocks(url: str) -> int:
    """Of all processes that have closed their connections."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(row[0]) if row else 0
