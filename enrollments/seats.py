"""The one rule by which anything with a capacity is filled: lock the row, then count, limit read from the locked row.

Whatever makes a seat scarcer (enrolling, reactivating, moving, lowering the capacity) comes through here, inside
`accounts.transactions.write()`. In any other order ten threads put ten people on three seats: what was counted
before the lock was granted is stale, and locking the enrollments instead misses the ones that are being inserted.
"""

from collections.abc import Collection
from typing import TypeVar

from django.db import models

from enrollments.errors import SessionFull

Row = TypeVar("Row", bound=models.Model)


def lock_rows(rows: "models.QuerySet[Row]", ids: Collection[int]) -> dict[int, Row]:
    """Hold rows until the transaction ends, in primary-key order, as they are once the locks are granted."""
    locked = rows.filter(pk__in=ids).order_by("pk").select_for_update(of=("self",))
    return {row.pk: row for row in locked}


def take_seats(*, capacity: int | None, taken: int, requested: int) -> int | None:
    """How many seats are left after `requested` more are taken; None where there is no limit. Raises SessionFull.

    `capacity` is read from the row that the caller has locked, `taken` counted after the lock was granted.
    """
    if capacity is None:
        return None
    remaining = max(capacity - taken, 0)
    if requested > remaining:
        raise SessionFull(remaining=remaining, requested=requested)
    return remaining - requested
