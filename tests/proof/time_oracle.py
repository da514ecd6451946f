"""What the days of a zone are, by whole numbers alone: nothing here of the product's, no `fold`, no local datetimes.

An instant is microseconds since 1970 in UTC, a day its number since then, a zone the spans in which its clock ran evenly.
The day of an instant is the latest one that the clock has shown by then: days follow one another.
"""

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
WEEK = 7 * 86_400  # Seconds. No clock has been changed twice in one and back.
FIRST, END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1970, 2038))


def instant(moment: int) -> datetime:
    return EPOCH + moment * MICROSECOND


def day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


class Clock:
    """From `first` to `end`, in seconds since 1970."""

    def __init__(self, name: str, first: int = FIRST, end: int = END) -> None:
        self.name, self.zone = name, ZoneInfo(name)
        seconds = [first, *self._changes(first, end), end]
        self.starts = [second * SECOND for second in seconds[:-1]]
        self.offsets = [self._offset(second) * SECOND for second in seconds[:-1]]
        # The latest day that was shown by the end of each span.
        ends = [second * SECOND for second in seconds[1:]]
        shown = [(end - 1 + offset) // DAY for end, offset in zip(ends, self.offsets, strict=True)]
        self.latest = list(accumulate(shown, max))

    @property
    def changes(self) -> list[int]:
        return self.starts[1:]

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Equal for zones whose clocks are."""
        return tuple(zip(self.starts, self.offsets, strict=True))

    def day_of(self, moment: int) -> int:
        span = bisect_right(self.starts, moment) - 1
        shown = (moment + self.offsets[span]) // DAY
        return max(shown, self.latest[span - 1]) if span else shown

    def first(self, number: int) -> int:
        """The first moment of a day; where the clock has left it out, that of the next."""
        span = min(bisect_left(self.latest, number), len(self.starts) - 1)
        return max(self.starts[span], number * DAY - self.offsets[span])

    def moments(self, change: int) -> list[int]:
        """Where something may go wrong: at the change, within what it repeats, and where the days about it begin."""
        shift = abs(self.offsets[self.starts.index(change)] - self.offsets[self.starts.index(change) - 1])
        number = self.day_of(change)
        edges = [change, change - shift, change + shift, *(self.first(number + more) for more in (0, 1))]
        return sorted({edge + step for edge in edges for step in (-1, 0)} | {change + shift // 2, change + 1})

    def _offset(self, second: int) -> int:
        offset = datetime.fromtimestamp(second, self.zone).utcoffset()
        assert offset is not None
        return round(offset.total_seconds())

    def _changes(self, first: int, end: int) -> list[int]:
        found = []
        for before, after in pairwise([*range(first, end, WEEK), end]):
            low, high = before, after
            if self._offset(low) == self._offset(high):
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._offset(middle) == self._offset(before) else (low, middle)
            found.append(high)
        return found


@cache
def clock(name: str, first: int = FIRST, end: int = END) -> Clock:
    return Clock(name, first, end)


def calendar_clock(near: Clock, number: int) -> Clock:
    """The zone's clock about a day of CALENDAR_DAYS, also where that is far away."""
    return near if number < CENTURY[0] * SECOND // DAY else clock(near.name, *CENTURY)


def _number(on: date) -> int:
    return (on - date(1970, 1, 1)).days


def calendar_days() -> list[int]:
    """Ends of months and of years with the days behind them, every 29 February, and one that a century leaves out."""
    days = {date(2100, 2, 28), date(2100, 3, 1), date(2099, 12, 31), date(2100, 1, 1)}
    for year in (2024, 2027, 2028):
        for month in range(1, 13):
            first = date(year, month, 1)
            days |= {first - timedelta(days=1), first}
    return sorted(map(_number, days))


# About the year 2100.
CENTURY = (int(datetime(2099, 11, 1, tzinfo=UTC).timestamp()), int(datetime(2100, 11, 1, tzinfo=UTC).timestamp()))
CALENDAR_DAYS = calendar_days()
# Of them, in short: 29 February twice, the one that is none, the last day of a year and the first, an end of a month.
SOME_DAYS = [
    _number(on)
    for on in (
        date(2024, 2, 29),
        date(2027, 4, 30),
        date(2027, 12, 31),
        date(2028, 1, 1),
        date(2028, 2, 29),
        date(2100, 2, 28),
        date(2100, 3, 1),
    )
]


@cache
def certificate_ends(completed: date, most: int = 60) -> list[date]:
    """The last days of certificates of 0 to `most` months, by walking along the calendar.

    The walk ends on the day before the same day of the month, or on the last day of a month that has no such day.
    """
    ends: list[date] = [completed - timedelta(days=1)]
    at, months, found = completed, 0, True
    while len(ends) <= most:
        following = at + timedelta(days=1)
        if following.day == 1:
            if months and not found:
                ends.append(at)
            months, found = months + 1, False
        if following.day == completed.day and months and not found:
            ends.append(at)
            found = True
        at = following
    return ends
