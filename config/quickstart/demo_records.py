"""The demo company's train sessions: three years of being assigned, late, failed, completed, expired and renewed.

Records are planned in memory, as the ledger's own rules would have made them: one open record at most for a person and
course, a completed one whole, a certificate by the course's validity.
"""

import random
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.actors import Actor
from accounts.days import certificate_last_day, day_of, last_instant
from accounts.models import Organization, Person
from enrollments.models import Course, Enrollment
from training.models import Origin, State, TrainSession, Unit

SYSTEM = Actor.system().ref
DAY = timedelta(days=1)
DUE_AFTER = (14, 30, 30, 45, 60, 90, None)


class Plan:
    """The records so far. Each person and course is planned once, as a whole history."""

    def __init__(self, organization: Organization, rng: random.Random, now: datetime) -> None:
        self.organization = organization
        self.zone: ZoneInfo = organization.zone
        self.rng = rng
        self.now = now
        self.today = day_of(now, self.zone)
        self.rows: list[TrainSession] = []
        self.live = 0
        self.planned: set[tuple[int, int]] = set()

    def is_free(self, person: Person, courses: Iterable[Course]) -> bool:
        return not any((person.pk, course.pk) in self.planned for course in courses)

    def moment(self, day: date) -> datetime:
        """In the working hours of a day."""
        at = time(self.rng.randrange(8, 17), self.rng.randrange(60), self.rng.randrange(60))
        return datetime.combine(day, at, self.zone)

    def day(self, offset: int) -> date:
        return self.today + offset * DAY

    def due(self, day: date) -> datetime:
        return last_instant(day, self.zone)

    def assigned(
        self,
        person: Person,
        course: Course,
        at: datetime,
        *,
        due_at: datetime | None = None,
        enrollment: Enrollment | None = None,
        origin: Origin = Origin.HAND,
        unit: Unit | None = None,
    ) -> TrainSession:
        """A record on which nothing has been done."""
        record = TrainSession(
            organization=self.organization,
            course=course,
            person=person,
            unit=unit,
            assigned_at=at,
            due_at=due_at,
            overdue=due_at is not None and due_at <= self.now,
            origin=origin,
            enrollment=enrollment,
            created_at=at,
            created_by=SYSTEM,
            updated_at=at,
            updated_by=SYSTEM,
        )
        if record.due_at is not None and record.overdue:
            record.updated_at = min(self.now, record.due_at + timedelta(microseconds=self.rng.randrange(1, 10**6)))
        self.planned.add((person.pk, course.pk))
        self.rows.append(record)
        self.live += 1
        return record

    def start(self, record: TrainSession, at: datetime) -> None:
        record.state = State.IN_PROGRESS
        record.started_at = at
        record.percent = self.rng.randrange(5, 96, 5)
        self._spend(record, record.percent / 100)
        record.updated_at = max(record.updated_at, at)

    def fail(self, record: TrainSession, at: datetime, score: Decimal | None = None) -> None:
        self.start(record, record.started_at or at)
        record.state = State.FAILED
        record.failed_attempts = 1 if score is not None else self.rng.choice((1, 1, 1, 2))
        record.last_attempt_at = at
        record.score = self.failing(record.course) if score is None else score
        record.updated_at = max(record.updated_at, at)

    def complete(self, record: TrainSession, at: datetime, score: Decimal | None = None) -> None:
        record.state = State.COMPLETED
        record.percent = 100
        record.overdue = False
        record.completed_at = record.updated_at = at
        record.started_at = min(at, record.assigned_at + self.rng.random() * (at - record.assigned_at))
        if score is None and record.course.pass_score is not None:
            score = self.passing(record.course)
            record.failed_attempts = self.rng.choice((0, 0, 0, 0, 0, 1, 1, 2))
        if score is not None:
            record.score = score
            record.last_attempt_at = at
        self._spend(record, 1)
        if record.course.certificate_months is not None:
            completed_on = day_of(at, self.zone)
            record.cert_expiry = certificate_last_day(completed_on, record.course.certificate_months)

    def unassign(self, record: TrainSession, at: datetime, reason: str) -> None:
        record.unassigned_at = at
        record.unassign_reason = reason
        record.unit = None
        # What falls due after this was never marked.
        record.overdue = record.overdue and record.due_at is not None and record.due_at <= at
        record.updated_at = at
        self.live -= 1

    def passing(self, course: Course) -> Decimal:
        lowest = 60 if course.pass_score is None else int(course.pass_score)
        half = Decimal("0.5") if self.rng.random() < 0.1 else Decimal(0)  # noqa: PLR2004 - one in ten
        return min(Decimal(self.rng.randint(lowest, 100)) + half, Decimal(100))

    def failing(self, course: Course) -> Decimal:
        highest = 60 if course.pass_score is None else int(course.pass_score)
        return Decimal(self.rng.randint(highest // 2, highest - 1))

    def _spend(self, record: TrainSession, share: float) -> None:
        hours = float(record.course.duration_hours) * share * self.rng.uniform(0.75, 1.2)
        record.time_spent = Decimal(f"{hours:.2f}")

    def somehow(self, record: TrainSession, before: date) -> None:
        """An open record: nothing done on it, started, or failed, on a day before that one."""
        opened = day_of(record.assigned_at, self.zone)
        days = (before - opened).days
        if days < 2 or self.rng.random() < 0.5:  # noqa: PLR2004 - half of them are as they were assigned
            return
        at = self.moment(opened + self.rng.randrange(1, days) * DAY)
        if record.course.pass_score is not None and self.rng.random() < 0.4:  # noqa: PLR2004 - two of five have failed
            self.fail(record, at)
        else:
            self.start(record, at)

    def history(self, person: Person, course: Course, start: date, until: date, limit: int) -> TrainSession | None:
        """Assign from `start` on, and again before each certificate ends, up to `until`. The record left open, if any.

        `limit` is how many records at most.
        """
        assigned = start
        for _ in range(limit):
            after = self.rng.choice(DUE_AFTER)
            record = self.assigned(
                person,
                course,
                self.moment(assigned),
                due_at=None if after is None else self.due(assigned + after * DAY),
            )
            done = assigned + (1 + int(self.rng.triangular(0, 75, 12))) * DAY
            if done >= until or self.rng.random() < 0.06:  # noqa: PLR2004 - some never do it
                self.somehow(record, until)
                return record
            self.complete(record, self.moment(done))
            if record.cert_expiry is None:
                return None
            assigned = record.cert_expiry - self.rng.randrange(30, 75) * DAY
            if assigned >= until or self.rng.random() < 0.1:  # noqa: PLR2004 - some are forgotten, and expire
                return None
        return None

    def finished(self, first_id: int) -> list[TrainSession]:
        """The records with their ids, in the order in which they were opened; no two were changed at one instant."""
        rows = sorted(self.rows, key=lambda row: row.created_at)
        for pk, row in enumerate(rows, start=first_id):
            row.pk = pk
            row.uuid = UUID(int=self.rng.getrandbits(128), version=4)
        last: datetime | None = None
        for row in sorted(rows, key=lambda row: (row.updated_at, row.pk)):
            if last is not None and row.updated_at <= last:
                row.updated_at = last + timedelta(microseconds=1)
            last = row.updated_at
        return rows
