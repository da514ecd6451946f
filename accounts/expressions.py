"""What PostgreSQL can do by itself."""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import DataError, connection, models, transaction
from django.db.models import Func

from accounts.days import clock_change

# Twice a month, from when on the zones' history is certain until rules alone say what comes.
COMPARED = [
    datetime(year, month, day, 12, tzinfo=UTC)
    for year in range(1970, 2041)
    for month in range(1, 13)
    for day in (1, 15)
]
MICROSECOND = timedelta(microseconds=1)


class DayOf(Func):
    """The day on which an instant falls in a zone, as `accounts.days.day_of` says it; on PostgreSQL, where it
    `knows_zone`. In Python it would be a third of a long list's time.
    """

    output_field = models.DateField()
    arity = 1

    def __init__(self, source: str, zone: tzinfo) -> None:
        super().__init__(source)
        self.zone = zone

    def as_postgresql(self, compiler: Any, connection: Any, **_extra: Any) -> tuple[str, list[Any]]:  # noqa: ARG002 - Django's signature
        column, params = compiler.compile(self.get_source_expressions()[0])
        day = f"({column} AT TIME ZONE %s)::date"
        asked = [*params, str(self.zone)]
        # No `date` holds what lies beyond either end of the calendar.
        sql = (
            f"CASE WHEN {column} BETWEEN '0001-01-03Z' AND '9999-12-30Z' THEN {day} "
            f"WHEN {column} IS NOT NULL THEN GREATEST(LEAST({day}, '9999-12-31'), '0001-01-01') END"
        )
        return sql, [*params, *asked, *params, *asked]


@cache
def knows_zone(name: str) -> bool:
    """Whether the database is PostgreSQL and its clocks in a zone are ours.

    It has data of its own, often of another year, and takes some names, such as CET, for abbreviations that know no
    summer time. Where clocks were put back over midnight, it knows nothing of the day that had begun.
    """
    if connection.vendor != "postgresql":
        return False
    try:
        zone = ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return False
    changes = [clock_change(*between, zone) for between in pairwise(COMPARED) if _differ(*between, zone)]
    if any(_is_put_back_over_midnight(at, zone) for at in changes):
        return False
    compared = sorted({*COMPARED, *changes, *(at - MICROSECOND for at in changes)})
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT array_agg(at AT TIME ZONE %s ORDER BY at) FROM unnest(%s::timestamptz[]) AS at",
                [name, compared],
            )
            row = cursor.fetchone()
    except DataError:
        return False
    return row is not None and row[0] == [at.astimezone(zone).replace(tzinfo=None) for at in compared]


def _differ(before: datetime, after: datetime, zone: tzinfo) -> bool:
    return before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset()


def _is_put_back_over_midnight(at: datetime, zone: tzinfo) -> bool:
    return at.astimezone(zone).date() < (at - MICROSECOND).astimezone(zone).date()
