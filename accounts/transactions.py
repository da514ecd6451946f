"""How the ledger is written: one transaction, bounded waits, locks in one order.

The order, for every write: idempotency key or the imports' turn, session rows, program-session rows (each by primary
key), then counts, and last the organization's ledger lock. Another order deadlocks. With the ledger lock held before
counting, a missing session lock could not be noticed by any test.

PostgreSQL runs these under READ COMMITTED: a statement after a lock sees what the lock's last holder committed.
Under REPEATABLE READ it would count from an old snapshot and oversell. SQLite has one writer at a time
(`transaction_mode: IMMEDIATE`), so there the locks are no-ops.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from accounts import replicas
from accounts.actors import Actor
from accounts.errors import Busy
from accounts.history import acting

LOCK_WAIT = timedelta(seconds=3)

# First halves of the two-part advisory lock keys.
_LEDGER = 1
_IMPORTS = 2

# lock_not_available, deadlock_detected; and serialization_failure, which READ COMMITTED raises on a standby only.
_BUSY_SQLSTATES = {"55P03", "40P01", "40001"}


def is_busy(error: BaseException) -> bool:
    """Whether a database error means "somebody else holds it", on either database."""
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _BUSY_SQLSTATES or type(cause).__name__ == "PoolTimeout":
        return True
    return getattr(cause, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


@contextmanager
def write(actor: Actor | None = None) -> Iterator[None]:
    """One transaction. All of it is undone by any exception; a lock that cannot be had in time raises `Busy`.

    What it changes is the actor's, in the history; without one, that of the transaction around it.
    """
    outermost = not connection.in_atomic_block
    try:
        with transaction.atomic():
            if outermost and connection.vendor == "postgresql":
                _begin("" if actor is None else actor.ref)
            with nullcontext() if actor is None else acting(actor, told=outermost):
                yield
    except OperationalError as error:
        if is_busy(error):
            raise Busy from error
        raise
    if outermost:
        replicas.moved_on()


def _begin(ref: str) -> None:
    """What holds for the transaction, in one round trip."""
    milliseconds = LOCK_WAIT // timedelta(milliseconds=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('ledger.actor', %s, true)",
            [str(milliseconds), ref],
        )


@contextmanager
def without_waiting() -> Iterator[None]:
    """On SQLite, where any writer stops every other, a statement in here fails at once instead of waiting its turn."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")


def try_lock_key(key: int) -> bool:
    """Hold a 64-bit key until the transaction ends, or say at once that another transaction holds it."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key])
        row = cursor.fetchone()
    return bool(row and row[0])


def share_ledger(organization_id: int) -> None:
    """Wait until no writer holds the organization's ledger lock. What was stamped before is then visible."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [_LEDGER, organization_id])


def clock() -> datetime:
    """Now, by the clock that stamps changes: the database server's, one for all machines, where there is a server."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - a SELECT of an expression has a row
    now: datetime = row[0]
    return now


def lock_imports(organization_id: int) -> None:
    """Imports into an organization take turns, chunk by chunk: two of one file at once make nothing twice."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_IMPORTS, organization_id])


def lock_ledger(organization_id: int) -> None:
    """Hold the organization's ledger lock until the transaction ends. The last lock that a write takes."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LEDGER, organization_id])
