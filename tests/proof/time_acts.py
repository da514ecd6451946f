"""What days mean in what is done: a due day, falling due, completing and the certificate, by the product's services."""

from collections.abc import Sequence
from datetime import timedelta

import time_machine

from accounts.bulk import InputRow
from accounts.models import Person
from enrollments.models import Course
from tests.acts import ACTOR, complete
from tests.conftest import Api, api_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory
from tests.proof.time_oracle import MICROSECOND, Clock, calendar_clock, certificate_ends, day, instant
from tests.proof.time_properties import Tally
from training.models import TrainSession
from training.services import records
from training.services.assigning import assign_acceptable
from training.services.writer import ledger_writer

BEFORE = timedelta(days=3)
MONTHS = (1, 12, 48)


class Acted:
    def __init__(self, clock: Clock, tally: Tally) -> None:
        self.clock, self.tally = clock, tally
        self.organization = OrganizationFactory.create(time_zone=clock.name)
        self.courses: Sequence[Course] = [
            CourseFactory.create(organization=self.organization, certificate_months=months) for months in MONTHS
        ]
        self.api: Api = api_of(self.organization)

    def person(self) -> Person:
        return PersonFactory.create(organization=self.organization)

    def assign(self, course: Course, person: Person, due: int | None = None) -> TrainSession:
        rows = [InputRow(1, {"employee_id": person.employee_id})]
        due_on = None if due is None else day(due)
        assign_acceptable(
            organization=self.organization,
            actor=ACTOR,
            course_code=course.code,
            column="employee_id",
            rows=rows,
            due_on=due_on,
        )
        return TrainSession.objects.get(course=course, person=person, state="assigned")

    def check_due(self, number: int) -> None:
        """A due day is over with its last instant; it is the day that was given; and by then it falls due."""
        clock = self.clock
        over = instant(clock.first(number + 1))
        with time_machine.travel(over - BEFORE, tick=False):
            record = self.assign(self.courses[0], self.person(), due=number)
        self.tally.see("due instant stored", record.due_at, over - MICROSECOND, clock.name, day(number))
        marked = []
        for at in (over - 2 * MICROSECOND, over - MICROSECOND):
            with time_machine.travel(at, tick=False):
                marked.append(records.mark_overdue(organization=self.organization, actor=ACTOR))
        self.tally.see("overdue with the day's last instant", marked, [0, 1], clock.name, day(number))
        found = [
            self.api.get(f"/api/train_sessions?complete_by_eq={day(number + more)}&page=1").json()
            for more in (-1, 0, 1)
        ]
        seen = [[(one["id"], one["complete_by"]) for one in page if one["id"] == record.pk] for page in found]
        # A day that the clock has left out cannot come back: what is due on it is over with the day before.
        read = clock.day_of(clock.first(number + 1) - 1)
        expected = [[(record.pk, day(read).isoformat())] if read == number + more else [] for more in (-1, 0, 1)]
        self.tally.see("due day through the API", seen, expected, clock.name, day(number))

    def check_certificate(self, moment: int) -> None:
        """Completed at the moment: to the end of the organization's day, and not longer, nobody needs it anew."""
        clock, person = self.clock, self.person()
        completed = day(clock.day_of(moment))
        for course, months in zip(self.courses, MONTHS, strict=True):
            with time_machine.travel(instant(moment), tick=False):
                complete(self.assign(course, person))
            end = certificate_ends(completed)[months]
            record = TrainSession.objects.get(course=course, person=person)
            self.tally.see("certificate of a completion", record.cert_expiry, end, clock.name, instant(moment))
        number = clock.day_of(moment) + (certificate_ends(completed)[MONTHS[0]] - completed).days
        over = instant(clock.first(number + 1))
        valid = []
        for at in (over - MICROSECOND, over):
            with time_machine.travel(at, tick=False), ledger_writer(self.organization, ACTOR) as writer:
                valid.append(bool(writer.validly_completed([(person.pk, self.courses[0].pk)])))
        self.tally.see("certificate valid to the end of its last day", valid, [True, False], clock.name, over)


def check(clock: Clock, tally: Tally, changes: Sequence[int], days: Sequence[int] = ()) -> None:
    """About these changes of the zone's clock, and on these days, as numbers."""
    acted = Acted(clock, tally)
    for number in days:
        acted.clock = calendar_clock(clock, number)
        acted.check_due(number)
        acted.check_certificate(acted.clock.first(number + 1) - 1)
    acted.clock = clock
    for change in changes:
        acted.check_due(clock.day_of(change) - 1)
        acted.check_due(clock.day_of(change))
        acted.check_certificate(change - 1)
        acted.check_certificate(clock.first(clock.day_of(change)))
