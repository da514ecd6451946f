"""Another system's rows, as they stand."""

from collections.abc import Callable, Sequence

from django.db import connection, models

from accounts.transactions import write


def take_over(
    model: type[models.Model], rows: Sequence[models.Model], *, progress: Callable[[int], object] | None = None
) -> None:
    """Insert rows of another system's history as they stand, with their ids, checked by the database's constraints.

    No effect on the ledger follows. The next id is above the highest one taken over.
    """
    with write():
        for start in range(0, len(rows), 1000):
            batch = rows[start : start + 1000]
            model._default_manager.bulk_create(batch)  # noqa: SLF001 - Django's documented name
            if progress:
                progress(len(batch))
        highest = model._default_manager.aggregate(highest=models.Max("pk"))["highest"] or 0  # noqa: SLF001 - as above
        advance_ids(model, highest)


def advance_ids(model: type[models.Model], highest: int) -> None:
    """Make the table's next id `highest + 1`, on either database."""
    table = model._meta.db_table  # noqa: SLF001 - Django's documented name
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, max(highest, 1)])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [highest, table])
            if cursor.rowcount == 0:
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, highest])
