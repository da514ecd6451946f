"""How far the primary's log is, and how far it was when a caller last wrote.

A position is a byte of the write-ahead log. Whatever was committed by the time that it is asked for lies before it, and
a replica that has replayed the log up to there shows all of that. Callers are kept in Redis for all processes together
when `REDIS_URL` is set, else in this process, which then is the only one.
"""

import logging
import threading
import time
from functools import cache
from typing import Protocol

from django.conf import settings
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

REDIS_SECONDS = 1
SLACK = 60  # Seconds that a caller's position is kept beside those in which a replica may be behind.

# A commit is flushed before it is visible, unless commits do not wait for that; then it has at least been inserted.
PRIMARY = """
SELECT pg_wal_lsn_diff(CASE current_setting('synchronous_commit')
    WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END, '0/0')
"""
# The greater one stays: two writes of one caller may come here in the other order.
NOTE = """
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or '0') then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


def of_primary() -> int:
    """Now. Asked of the primary."""
    with connection.cursor() as cursor:
        cursor.execute(PRIMARY)
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT of an expression has a row
    return int(row[0])


class Callers(Protocol):
    """Where the positions of callers are kept."""

    def note(self, caller: int, position: int) -> None: ...

    def written_by(self, caller: int) -> int: ...


class InProcess:
    def __init__(self) -> None:
        self._positions: dict[int, int] = {}
        self._lock = threading.Lock()

    def note(self, caller: int, position: int) -> None:
        with self._lock:
            self._positions[caller] = max(position, self._positions.get(caller, 0))

    def written_by(self, caller: int) -> int:
        return self._positions.get(caller, 0)


class InRedis:
    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS)
        self._note = self._redis.register_script(NOTE)

    def note(self, caller: int, position: int) -> None:
        self._note(keys=[self._key(caller)], args=[position, settings.DATABASE_REPLICA_MAX_LAG + SLACK])

    def written_by(self, caller: int) -> int:
        return int(self._redis.get(self._key(caller)) or 0)  # type: ignore[arg-type]  # of a client that does not wait

    def _key(self, caller: int) -> str:
        return f"ledger:written:{caller}"


@cache
def _callers() -> Callers:
    return InRedis(settings.REDIS_URL) if settings.REDIS_URL else InProcess()


def note(caller: int) -> None:
    """The caller has just written."""
    position = of_primary()
    try:
        _callers().note(caller, position)
    except RedisError:
        logger.exception("Redis does not answer; other processes do not know who has just written")


def written_by(caller: int) -> int | None:
    """Up to where the caller has written, 0 where that is long ago. None: unknown."""
    try:
        return _callers().written_by(caller)
    except RedisError:
        logger.exception("Redis does not answer; who has just written is unknown, and all read from the primary")
        return None


class Recent:
    """Where the primary was not long ago: a position that is at most `seconds` old, for one query in half of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[float, int] | None = None
        self._before: tuple[float, int] | None = None

    def position(self, seconds: float) -> int:
        with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._last[0] >= seconds / 2:
                self._before, self._last = self._last, (now, of_primary())
            older = self._before
            return older[1] if older is not None and now - older[0] <= seconds else self._last[1]
