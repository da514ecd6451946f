from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections, transaction


@register(Tags.database)
def read_committed(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Seats are counted under a row lock, which is right under READ COMMITTED only."""
    errors: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        if connection.vendor != "postgresql":
            continue
        # In a transaction, because that is where the level is set: outside one the server's own default shows.
        with transaction.atomic(using=alias), connection.cursor() as cursor:
            cursor.execute("SHOW transaction_isolation")
            row = cursor.fetchone()
        level = row[0] if row else "unknown"
        if level != "read committed":
            errors.append(Error(f"The isolation level is {level}; seats need read committed.", id="ledger.E001"))
    return errors
