"""Threads with a database connection each, and races that are as wide open as they can be made."""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connection
from django.db.models import QuerySet

RACE = [
    pytest.mark.postgresql,
    # Restored: emptying the tables takes away the rows that migrations made.
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

Result = TypeVar("Result")
PATIENCE = 60  # Seconds.
CONNECTIONS = 40
MEETING = 1.5  # Seconds: enough for ten threads to have counted, and less than the wait for a lock.


def at_once(*acts: Callable[[], Result]) -> list[Result | Exception]:
    """Each act in a thread of its own, all started together: what it gave, or the exception that it ended in."""
    start = threading.Barrier(len(acts), timeout=PATIENCE)
    connection.pool.resize(1, CONNECTIONS)  # type: ignore[attr-defined]  # PostgreSQL's

    def run(act: Callable[[], Result]) -> Result | Exception:
        try:
            connection.ensure_connection()  # Connecting takes its time, and would let one go ahead.
            start.wait()
            return act()
        except Exception as error:  # noqa: BLE001 - what an act ended in is what the test looks at
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        futures = [pool.submit(run, act) for act in acts]
        return [future.result(PATIENCE) for future in futures]


def unlocked(rows: "QuerySet[Any]", ids: Collection[int]) -> dict[int, Any]:
    """What `lock_rows` is without its lock."""
    return {row.pk: row for row in rows.filter(pk__in=ids).order_by("pk")}


def meeting(parties: int) -> Callable[[], None]:
    """A place where threads wait for one another, once: until all are there, or MEETING is over.

    Put between counting and writing it makes a race certain: without a lock all have counted before anybody writes.
    With the lock the first waits in vain, because nobody else gets so far.
    """
    barrier = threading.Barrier(parties)

    def meet() -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            barrier.wait(MEETING)

    return meet


@contextlib.contextmanager
def patched(
    monkeypatch: pytest.MonkeyPatch, *, after: str = "", before: str = "", meet: Callable[[], None]
) -> Iterator[None]:
    """Threads meet after the function of this dotted name, or before it."""
    with monkeypatch.context() as patches:
        for name in filter(None, (after, before)):
            module, _, attribute = name.rpartition(".")
            real = getattr(__import__(module, fromlist=[attribute]), attribute)

            def met(*args: Any, real: Callable[..., Any] = real, early: bool = name == before, **given: Any) -> Any:
                if early:
                    meet()
                result = real(*args, **given)
                if not early:
                    meet()
                return result

            patches.setattr(name, met)
        yield
