"""Days. Instants are the truth (UTC); a day is an instant seen in the organization's time zone."""

import calendar
from datetime import UTC, date, datetime, time, timedelta, tzinfo

FIRST_INSTANT = datetime(1, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
NOTHING, SECOND, DAY = timedelta(0), timedelta(seconds=1), timedelta(days=1)


def day_of(instant: datetime, zone: tzinfo) -> date:
    """The day on which an instant falls in `zone`; the calendar's first or last one for what lies beyond them there.

    Days follow one another: where the clock is put back over midnight, the day that had begun goes on.
    """
    try:
        local = instant.astimezone(zone)
    except OverflowError:
        return date.min if instant.year == 1 else date.max
    day = local.date()
    # The second pass of what the clock shows twice.
    if local.fold and day < date.max and day_start(day + DAY, zone) <= instant:
        return day + DAY
    return day


def day_start(day: date, zone: tzinfo) -> datetime:
    """The first instant of `day` in `zone`, in UTC.

    Where midnight is skipped by a clock change, the instant of the change; where it comes twice, the first. A day at
    either end of the calendar, whose first instant no `datetime` can hold, gets the nearest one that can be held.
    """
    midnight = datetime.combine(day, time.min)
    try:
        start = midnight.replace(tzinfo=zone).astimezone(UTC)
        skipped = start.astimezone(zone).replace(tzinfo=None) - midnight
    except OverflowError:
        return FIRST_INSTANT if day.year == 1 else LAST_INSTANT
    return clock_change(start - skipped, start, zone) if skipped > NOTHING else start


def clock_change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """When the clocks of `zone` were changed between two instants, of whole seconds, between which they were once."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def day_end(day: date, zone: tzinfo) -> datetime:
    """The first instant after `day` in `zone`, in UTC: the open end of the day's range of instants."""
    if day == date.max:
        return LAST_INSTANT
    return day_start(day + DAY, zone)


def last_instant(day: date, zone: tzinfo) -> datetime:
    """The last microsecond of `day` in `zone`, in UTC: how a due day is stored, so that day in = day out."""
    return day_end(day, zone) - timedelta(microseconds=1)


def certificate_last_day(completed_on: date, validity_months: int) -> date:
    """The last day on which a certificate is valid.

    The day before the same day `validity_months` later: a 12-month certificate of 12 February runs to 11 February.
    Where the target month has no such day, the month's end: 31 January and one month give the end of February.
    """
    months = completed_on.year * 12 + completed_on.month - 1 + validity_months
    year, month = divmod(months, 12)
    month += 1
    length = calendar.monthrange(year, month)[1]
    if completed_on.day > length:
        return date(year, month, length)
    return date(year, month, completed_on.day) - DAY
