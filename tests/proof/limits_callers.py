"""Processes that ask as fast as they can, each of them a server to itself: an application, a pool, its own limiter."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from tests.benchmarks.parts import close_connections
from tests.proof.seats_client import api_client, application

PROCESSES = 20
PATH = "/training-courses"  # Of the family whose reads have 5/second, for an organization.
PATIENCE = 120  # Seconds, until all of them have started.
FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Call:
    """Times are in seconds since 1970."""

    sent: float
    received: float
    status: int


@contextmanager
def calling(secrets: Sequence[str], *, before: Callable[[], None] = lambda: None) -> Iterator[list[Call]]:
    """A process for each token, until the end, when all calls of all of them are in the list.

    `before` is called in each process.
    """
    application()  # Imported once, here, for all of them.
    close_connections()
    calls: list[Call] = []
    start, stop = FORK.Barrier(len(secrets) + 1, timeout=PATIENCE), FORK.Event()
    started = []
    for secret in secrets:
        reading, writing = FORK.Pipe(duplex=False)
        given = {"start": start.wait, "stopped": stop.is_set, "before": before, "out": writing}
        process = FORK.Process(target=call, args=(secret,), kwargs=given, daemon=True)
        process.start()
        writing.close()
        started.append((reading, process))
    try:
        start.wait()
        yield calls
        stop.set()
        for reading, _ in started:
            calls.extend(reading.recv())
    finally:
        for _, process in started:
            process.kill()
            process.join()
    calls.sort(key=lambda one: one.sent)


def call(
    secret: str,
    *,
    start: Callable[[], object],
    stopped: Callable[[], bool],
    before: Callable[[], None],
    out: Connection,
) -> None:
    before()
    client, calls = api_client(secret), list[Call]()
    client.call("GET", "/readyz")  # Has connected before the others start.
    start()
    while not stopped():
        sent = time.time()
        status = client.call("GET", PATH).status
        calls.append(Call(sent, time.time(), status))
    out.send(calls)
    out.close()
    close_connections()
