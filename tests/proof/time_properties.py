"""What days mean, as properties of the product's own functions: everywhere, about every clock change."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from accounts import days
from tests.proof.time_oracle import MICROSECOND, Clock, certificate_ends, day, instant

MONTHS = (1, 6, 12, 48)


@dataclass(frozen=True)
class Meanings:
    """The functions that say what a day is: the product's, or those of a control."""

    day_of: Callable[[datetime, tzinfo], date] = days.day_of
    day_start: Callable[[date, tzinfo], datetime] = days.day_start
    day_end: Callable[[date, tzinfo], datetime] = days.day_end
    last_instant: Callable[[date, tzinfo], datetime] = days.last_instant
    certificate_last_day: Callable[[date, int], date] = days.certificate_last_day


PRODUCT = Meanings()
UTC_DAYS = Meanings(
    day_of=lambda at, _: days.day_of(at, UTC),
    day_start=lambda on, _: days.day_start(on, UTC),
    day_end=lambda on, _: days.day_end(on, UTC),
    last_instant=lambda on, _: days.last_instant(on, UTC),
)
MONTHS_OF_30_DAYS = replace(PRODUCT, certificate_last_day=lambda on, months: on + timedelta(days=30 * months - 1))


@dataclass
class Tally:
    """Cases by meaning, those that were wrong, and the first of these."""

    cases: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def see(self, meaning: str, found: object, expected: object, *of: object) -> None:
        self.cases[meaning] += 1
        if found != expected:
            self.wrong[meaning] += 1
            self.first.setdefault(meaning, f"{' '.join(map(str, of))}: {found}, not {expected}")

    def add(self, other: "Tally") -> None:
        self.cases += other.cases
        self.wrong += other.wrong
        self.first = {**other.first, **self.first}


def about(clock: Clock, change: int, meanings: Meanings, tally: Tally) -> None:
    """All meanings of the days about one clock change."""
    zone, number = clock.zone, clock.day_of(change)
    moments = clock.moments(change)
    shown = {moment: clock.day_of(moment) for moment in moments}
    for moment in moments:
        found = meanings.day_of(instant(moment), zone)
        tally.see("day of an instant", found, day(shown[moment]), clock.name, instant(moment))
        for months in MONTHS:
            end = meanings.certificate_last_day(found, months)
            expected = certificate_ends(day(shown[moment]))[months]
            tally.see("certificate's last day", end, expected, clock.name, instant(moment), months)
    for on in (number - 1, number, number + 1):
        _day(clock, on, moments, meanings, tally)


def on_day(clock: Clock, number: int, meanings: Meanings, tally: Tally) -> None:
    """All meanings of one day, with moments on either side of both of its bounds."""
    moments = bounds(clock, number)
    for moment in moments:
        found = meanings.day_of(instant(moment), clock.zone)
        tally.see("day of an instant", found, day(clock.day_of(moment)), clock.name, instant(moment))
        for months in MONTHS:
            end = meanings.certificate_last_day(found, months)
            expected = certificate_ends(day(clock.day_of(moment)))[months]
            tally.see("certificate's last day", end, expected, clock.name, instant(moment), months)
    _day(clock, number, moments, meanings, tally)


def bounds(clock: Clock, number: int) -> list[int]:
    """The moments on either side of both bounds of a day, and its noon."""
    first, end = clock.first(number), clock.first(number + 1)
    return [first - 1, first, (first + end) // 2, end - 1, end]


def _day(clock: Clock, on: int, moments: Sequence[int], meanings: Meanings, tally: Tally) -> None:
    zone = clock.zone
    first, end = instant(clock.first(on)), instant(clock.first(on + 1))
    found = meanings.day_start(day(on), zone), meanings.day_end(day(on), zone)
    tally.see("day filter's bounds", found, (first, end), clock.name, day(on))
    kept = [moment for moment in moments if found[0] <= instant(moment) < found[1]]
    expected_kept = [moment for moment in moments if clock.day_of(moment) == on]
    tally.see("what a day filter keeps", kept, expected_kept, clock.name, day(on))
    due = meanings.last_instant(day(on), zone)
    tally.see("due day's last instant", due, end - MICROSECOND, clock.name, day(on))
    if first < end:
        read = meanings.day_of(due, zone), meanings.day_of(due + MICROSECOND, zone) > day(on)
        tally.see("due day in, due day out", read, (day(on), True), clock.name, day(on))


def certificates(completed: Iterable[date], meanings: Meanings, tally: Tally) -> None:
    for on in completed:
        for months, expected in enumerate(certificate_ends(on)[1:], start=1):
            tally.see("certificate of months", meanings.certificate_last_day(on, months), expected, on, months)
