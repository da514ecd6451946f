"""Which database a read goes to. Requests of the APIs that only read are sent to a replica; all else to the primary.

A replica shows a past of the primary: whole transactions, in the order of their commits. It is read by a request only
where it has replayed the primary's log

- up to the caller's own last write, so that a caller who just wrote reads it;
- up to where the primary was `DATABASE_REPLICA_MAX_LAG` ago, so that nobody reads what is older;
- once the request itself has written or waited for writers, up to that moment. The feed waits for whoever is about to
  commit inside its window (`training.selectors.window_is_over`), and then reads rows that have all of them.

Otherwise, and where none answers, the request reads the primary. Whatever is in a transaction reads the primary too.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

from accounts import positions

logger = logging.getLogger(__name__)

RETRY = 5.0  # Seconds for which a replica that did not answer is left alone.
PATIENCE = 0.5  # Seconds in which a replica that is asked for its state may come up to the primary's.

# Null for a server that is no standby: one that was promoted has gone its own way, and shows what never was.
REPLAYED = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') END"

State = Literal["ok", "unreachable", "behind", "no standby"]
Answer = TypeVar("Answer")


@dataclass
class Reading:
    """A request that reads, and where."""

    alias: str = DEFAULT_DB_ALIAS


_reading: ContextVar[Reading | None] = ContextVar("reading", default=None)
_recent = positions.Recent()
_states: dict[str, State] = {}
# By the monotonic clock: until when, and since when.
_left_alone: dict[str, float] = {}
_behind: dict[str, float] = {}


class Router:
    """Django's database router."""

    def db_for_read(self, model: Any, **_hints: Any) -> str:
        del model
        reading = _reading.get()
        if reading is None or connection.in_atomic_block:
            return DEFAULT_DB_ALIAS
        return reading.alias

    def db_for_write(self, model: Any, **_hints: Any) -> str:
        del model
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one: Any, other: Any, **_hints: Any) -> bool:
        """All have the same rows."""
        del one, other
        return True

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool:
        del app_label
        return db == DEFAULT_DB_ALIAS


@contextmanager
def _as(reading: Reading) -> Iterator[None]:
    token = _reading.set(reading)
    try:
        yield
    finally:
        _reading.reset(token)


def read(caller: int, answer: Callable[[], Answer]) -> tuple[Answer, Reading | None]:
    """What a request of this caller that only reads is answered, and where it read; None: there are no replicas.

    A replica that fails in the middle, as one does that must cancel queries to go on replaying, is answered for by the
    primary.
    """
    if not settings.DATABASE_REPLICAS:
        return answer(), None
    reading = Reading(_chosen(caller))
    with _as(reading):
        try:
            return answer(), reading
        except Error:
            if reading.alias == DEFAULT_DB_ALIAS:
                raise
            logger.warning("%s failed a request; the primary answers it", reading.alias, exc_info=True)
            reading.alias = DEFAULT_DB_ALIAS
            return answer(), reading


def still(reading: Reading, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The rest of an answer that is made while it is sent, read where it began."""
    while True:
        with _as(reading):  # Around each chunk: between two, the thread is not this answer's.
            try:
                chunk = next(chunks)
            except StopIteration:
                return
        yield chunk


def wrote(caller: int) -> None:
    """The caller's write is committed: from now on it reads what has it."""
    if not settings.DATABASE_REPLICAS:
        return
    try:
        positions.note(caller)
    except Error:  # What is committed is not answered with a failure.
        logger.exception("The primary does not tell its position; what has just been written may be read late")


def moved_on() -> None:
    """A transaction of this request has ended: what the request reads from here on is as new as this moment."""
    reading = _reading.get()
    if reading is None or reading.alias == DEFAULT_DB_ALIAS:
        return
    now = positions.of_primary()
    try:
        replayed = _replayed(reading.alias)
    except Error:  # The next request that asks it says so.
        replayed = None
    if replayed is None or replayed < now:
        reading.alias = DEFAULT_DB_ALIAS


def _chosen(caller: int) -> str:
    """One of the replicas that this caller may read, at random, or the primary."""
    written = None if connection.in_atomic_block else positions.written_by(caller)
    if written is None:
        return DEFAULT_DB_ALIAS
    oldest = _recent.position(settings.DATABASE_REPLICA_MAX_LAG)
    for alias in random.sample(settings.DATABASE_REPLICAS, len(settings.DATABASE_REPLICAS)):
        replayed = _asked(alias, oldest)
        if replayed is not None and replayed >= max(oldest, written):
            return str(alias)
    return DEFAULT_DB_ALIAS


def _asked(alias: str, oldest: int) -> int | None:
    """How far a replica is, unless it is left alone. What becomes of it is said once."""
    now = time.monotonic()
    if now < _left_alone.get(alias, 0):
        return None
    if _states.get(alias) == "unreachable":
        _left_alone[alias] = now + RETRY  # While one request tries it, the others do not wait for it.
    try:
        replayed = _replayed(alias)
    except Error as error:
        _left_alone[alias] = time.monotonic() + RETRY
        _say(alias, "unreachable", error)
        return None
    _left_alone.pop(alias, None)
    if replayed is None:
        _say(alias, "no standby")
    elif replayed >= oldest:
        _behind.pop(alias, None)
        _say(alias, "ok")
    elif now - _behind.setdefault(alias, now) >= settings.DATABASE_REPLICA_MAX_LAG:
        _say(alias, "behind")
    return replayed


def _replayed(alias: str) -> int | None:
    """How far a replica is, None where it is no standby. Raises django.db.Error."""
    replica = connections[alias]
    kept = replica.connection is not None
    try:
        return _ask(alias)
    except Error:
        replica.close()
        if not kept:
            raise
    return _ask(alias)  # The connection was of an earlier request, and the server may have been started anew since.


def _ask(alias: str) -> int | None:
    with connections[alias].cursor() as cursor:
        cursor.execute(REPLAYED)
        row = cursor.fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _say(alias: str, state: State, error: Exception | None = None) -> None:
    before, _states[alias] = _states.get(alias, "ok"), state
    if state == before:
        return
    if state == "ok":
        logger.warning("%s is read again", alias)
    else:
        logger.warning("%s is %s: it is not read", alias, state, exc_info=error)


def states() -> dict[str, State]:
    """Of all replicas, asked now. Raises django.db.Error where the primary does not answer."""
    return {alias: _state(alias) for alias in settings.DATABASE_REPLICAS}


def _state(alias: str) -> State:
    oldest = _recent.position(settings.DATABASE_REPLICA_MAX_LAG)
    until = time.monotonic() + PATIENCE
    while True:
        try:
            replayed = _replayed(alias)
        except Error:
            logger.exception("%s does not answer", alias)
            return "unreachable"
        if replayed is None:
            return "no standby"
        if replayed >= oldest:
            return "ok"
        if time.monotonic() >= until:
            return "behind"
        time.sleep(PATIENCE / 10)
