"""What days mean in what the families list and filter: rows at the moments about clock changes, asked for by day, on the
database that Django is set up with.
"""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from accounts.api.resource import Resource
from accounts.models import Organization, Person
from accounts.services.inserting import insert_columns
from enrollments.api.serializers import ENROLLMENTS, SESSIONS
from enrollments.models import Course, Enrollment, Session
from tests.contracts.records import person_row
from tests.factories import CourseFactory, OrganizationFactory
from tests.proof.time_oracle import (
    CALENDAR_DAYS,
    DAY,
    EPOCH,
    MICROSECOND,
    SOME_DAYS,
    Clock,
    calendar_clock,
    day,
    instant,
)
from tests.proof.time_properties import Tally, bounds
from training.api.train_sessions.serializers import TRAIN_SESSIONS
from training.figures import WEEKS, completions
from training.models import State, TrainSession

ALL = 1_000_000  # Rows of a list: more than there are.
Moments = dict[int, int]
"""By the row's id, the moment; or the day of it."""


class Listed:
    """Rows of an organization at moments, and whether its lists say of each which day it is."""

    def __init__(self, clock: Clock, tally: Tally) -> None:
        self.clock, self.tally = clock, tally
        self.organization: Organization = OrganizationFactory.create(time_zone=clock.name)
        self.course: Course = CourseFactory.create(organization=self.organization)
        self.person: Person = person_row(self.organization)
        self.person.save()

    def of(self, clock: Clock) -> None:
        """From here on the rows are seen in another zone whose clock is the same."""
        assert clock.spans == self.clock.spans
        self.clock = clock
        self.organization.time_zone = clock.name
        self.organization.save(update_fields=["time_zone"])

    def rows(self, resource: Resource[Any], **query: object) -> dict[int, Any]:
        """What a family lists, by id."""
        given = {name: [str(value)] for name, value in query.items()}
        conditions = resource.filters.asked(given, self.organization)
        chunk = resource.of(self.organization, conditions).chunk(None, ALL)
        return dict(zip(chunk.keys, chunk.objects, strict=True))

    # Train sessions: completed, due and last attempted at the moment.

    def write_records(self, moments: Sequence[int]) -> Moments:
        at = [instant(moment) for moment in moments]
        same = {
            "organization_id": self.organization.pk,
            "course_id": self.course.pk,
            "person_id": self.person.pk,
            "state": State.COMPLETED,
            "percent": 100,
            "created_by": "system",
            "updated_by": "system",
        }
        each: dict[str, Sequence[Any]] = {
            "uuid": [uuid4() for _ in at],
            "completed_at": at,
            "due_at": at,
            "last_attempt_at": at,
        }
        return dict(zip(insert_columns(TrainSession, same=same, each=each), moments, strict=True))

    def check_records(self, records: Moments) -> None:
        """The whole list, without a filter."""
        shown = self.rows(TRAIN_SESSIONS)
        for pk, moment in records.items():
            on = day(self.clock.day_of(moment))
            found = (shown[pk].completion_date, shown[pk].complete_by)
            self.tally.see("day shown in a list", found, (on, on), self.clock.name, instant(moment))

    def check_record_days(self, days: Moments, number: int, filters: Sequence[str]) -> None:
        on = day(number)
        expected = {pk: (on, on) for pk, one in days.items() if one == number}
        shown = self.rows(TRAIN_SESSIONS, **dict.fromkeys(filters, on))
        found = {pk: (row.completion_date, row.complete_by) for pk, row in shown.items()}
        self.tally.see(f"filter {' and '.join(filters)}", found, expected, self.clock.name, on)

    # Sessions that start at the moment, with an enrollment each.

    def write_sessions(self, moments: Sequence[int]) -> Moments:
        at = [instant(moment) for moment in moments]
        same = {"organization_id": self.organization.pk, "course_id": self.course.pk, "name": "Session"}
        each = {"starts_at": at, "ends_at": [one + timedelta(hours=8) for one in at]}
        pks = insert_columns(Session, same=same, each=each)
        same = {"organization_id": self.organization.pk, "person_id": self.person.pk}
        insert_columns(Enrollment, same={**same, "created_by": "-", "updated_by": "-"}, each={"session_id": pks})
        return dict(zip(pks, moments, strict=True))

    def days(self, rows: Moments) -> Moments:
        return {pk: self.clock.day_of(moment) for pk, moment in rows.items()}

    def check_session_days(self, days: Moments, number: int) -> None:
        """`date_from` is inclusive, `date_to` is not."""
        expected = sorted(pk for pk, one in days.items() if one == number)
        found = sorted(self.rows(SESSIONS, date_from=day(number), date_to=day(number + 1)))
        self.tally.see("filter date_from and date_to", found, expected, self.clock.name, day(number))

    def check_years(self, sessions: Moments, year: int) -> None:
        days = {pk: day(self.clock.day_of(moment)) for pk, moment in sessions.items()}
        expected = {pk: on for pk, on in days.items() if on.year == year}
        found = {row.session.id: row.session.start_date for row in self.rows(ENROLLMENTS, year=year).values()}
        self.tally.see("filter year", found, expected, self.clock.name, year)

    # The dashboard's weeks.

    def check_weeks(self, days: Moments, number: int) -> None:
        """Completions of the 52 weeks to the one of a day, by their Mondays."""
        last = monday(number)
        expected = {day(last - 7 * back): 0 for back in reversed(range(WEEKS))}
        for on in days.values():
            if day(monday(on)) in expected:
                expected[day(monday(on))] += 1
        found = completions(self.organization, day(number))
        self.tally.see("completions by week", found, expected, self.clock.name, day(number))


RECORD_FILTERS = (["complete_by_eq"], ["completion_date_gteq", "completion_date_lteq"], ["last_attempt_eq"])


def check(clocks: Sequence[Clock], tally: Tally, *, changes: int, each: int, others: int) -> None:
    """Of zones whose clocks are the same: the whole list about the last `changes` (all, at -1); of the first zone each
    `each` of their days, one after another, and of every other zone `others` of them. Every moment where `each` is 1,
    else the edges of the change and of its day.
    """
    first = clocks[0]
    dice = random.Random(first.name)
    chosen = first.changes if changes < 0 else first.changes[-changes:]
    numbers = sorted({first.day_of(change) for change in chosen})
    few = dice.sample(chosen, min(len(chosen), 3))
    weeks = [first.first(monday(first.day_of(change)) + 7 * more) for change in few for more in (0, 1, 10)]
    listed = Listed(first, tally)
    moments = {0, *weeks, *(start - 1 for start in weeks)}
    for change in chosen:
        moments |= set(first.moments(change) if each == 1 else edges(first, change))
    records = listed.write_records(sorted(moments))
    listed.check_records(records)
    days = listed.days(records)
    for place, number in enumerate(numbers[::-each]):
        listed.check_record_days(days, number, RECORD_FILTERS[place % len(RECORD_FILTERS)])
    for change in few:
        listed.check_weeks(days, first.day_of(change) + 20 * 7)
    _check_sessions(listed, few)
    for clock in clocks[1:]:
        listed.of(clock)
        listed.check_records(records)
        for number in dice.sample(numbers, min(len(numbers), others)):
            listed.check_record_days(days, number, dice.choice(RECORD_FILTERS))


def check_calendar(clocks: Sequence[Clock], tally: Tally, *, others: int) -> None:
    """Ends of months and of years and 29 February, of zones whose clocks are the same until 2038, whether they are
    changed or not: rows on either side of both bounds of each day, asked for by it. The first zone is asked for
    SOME_DAYS and `others` more, every other one for `others`.
    """
    first = clocks[0]
    dice = random.Random(first.name)
    listed = Listed(first, tally)
    asked = {clock.name: dice.sample(CALENDAR_DAYS, others) for clock in clocks}
    asked[first.name] = sorted({*SOME_DAYS, *asked[first.name]})
    numbers = {number for days in asked.values() for number in days}
    moments = sorted({moment for number in numbers for moment in bounds(calendar_clock(first, number), number)})
    records, sessions = listed.write_records(moments), listed.write_sessions(moments)
    for clock in clocks:
        listed.of(clock)
        days, starts = (
            {pk: calendar_clock(clock, moment // DAY).day_of(moment) for pk, moment in rows.items()}
            for rows in (records, sessions)
        )
        for number in asked[clock.name]:
            listed.check_record_days(days, number, dice.choice(RECORD_FILTERS))
            listed.check_session_days(starts, number)


def _check_sessions(listed: Listed, changes: Sequence[int]) -> None:
    """By the days of these changes, and by the years that end after them."""
    clock = listed.clock
    years = [day(clock.day_of(change)).year + 1 for change in changes] or [2000]
    ends = [clock.first(year_start(year)) for year in years]
    moments = {moment for change in changes for moment in clock.moments(change)} | {*ends, *(end - 1 for end in ends)}
    sessions = listed.write_sessions(sorted(moments))
    for change in changes:
        listed.check_session_days(listed.days(sessions), clock.day_of(change))
    for year in years:
        listed.check_years(sessions, year)
        listed.check_years(sessions, year - 1)


def edges(clock: Clock, change: int) -> list[int]:
    number = clock.day_of(change)
    return [change - 1, change, clock.first(number), clock.first(number + 1) - 1]


def monday(number: int) -> int:
    """Of the week of a day: the first day of 1970 was a Thursday."""
    return number - (number + 3) % 7


def year_start(year: int) -> int:
    """The number of its first day."""
    start = EPOCH.replace(year=year) - EPOCH
    return (start // MICROSECOND) // DAY
