"""What the ledger knows of one person, and what it would mean that the person leaves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, IntegerField, Q, QuerySet, When
from django.utils import timezone

from accounts.models import Person
from enrollments.models import Course, CourseStatus, Enrollment, EnrollmentStatus, SessionStatus
from training.models import State, TrainSession, TrainSessionQuerySet

MOST_SHOWN = 200


@dataclass(frozen=True)
class Transcript:
    """`records`: what is owed first, then what is completed, then what was taken back, each the newest first."""

    records: list[TrainSession]
    open: int
    overdue: int
    completed: int
    unassigned: int

    @property
    def more(self) -> int:
        return self.open + self.completed + self.unassigned - len(self.records)


def records_of(person: Person) -> TrainSessionQuerySet:
    return TrainSession.objects.filter(organization=person.organization_id, person=person)


def transcript(person: Person, now: datetime) -> Transcript:
    """Two queries, however much there is."""
    rows = records_of(person)
    counted = rows.aggregate(
        open=Count("pk", filter=Q(unassigned_at=None) & ~Q(state=State.COMPLETED)),
        overdue=Count("pk", filter=Q(unassigned_at=None, due_at__lte=now) & ~Q(state=State.COMPLETED)),
        completed=Count("pk", filter=Q(state=State.COMPLETED)),
        unassigned=Count("pk", filter=Q(unassigned_at__isnull=False)),
    )
    rank = Case(
        When(unassigned_at__isnull=False, then=2),
        When(state=State.COMPLETED, then=1),
        default=0,
        output_field=IntegerField(),
    )
    shown = rows.select_related("course").order_by(rank, "-completed_at", "-pk")[:MOST_SHOWN]
    return Transcript(records=list(shown), **counted)


def count_open(people: "list[Any]", now: datetime) -> dict[int, tuple[int, int]]:
    """Open and, of them, overdue records by person. One query, of the people of any number of organizations."""
    if not people:
        return {}
    rows = TrainSession.objects.filter(
        organization__in={one.organization_id for one in people}, person__in=[one.pk for one in people]
    )
    still_open = rows.filter(unassigned_at=None).exclude(state=State.COMPLETED).order_by()
    counted = still_open.values_list("person_id").annotate(
        counted=Count("pk"), late=Count("pk", filter=Q(due_at__lte=now))
    )
    return {person_id: (count, late) for person_id, count, late in counted}


def assignable_courses(person: Person) -> "QuerySet[Course]":
    courses = Course.objects.filter(organization=person.organization_id, status=CourseStatus.PUBLISHED)
    return courses.order_by("code", "pk")


def coming_seats(person: Person) -> "QuerySet[Enrollment]":
    """Seats in sessions that have not begun, which the person could still give back."""
    return Enrollment.objects.filter(
        organization=person.organization_id,
        person=person,
        status=EnrollmentStatus.ENROLLED,
        session__status=SessionStatus.SCHEDULED,
        session__starts_at__gt=timezone.now(),
    ).order_by("session__starts_at", "pk")


@dataclass(frozen=True)
class Leaving:
    """What is open of somebody who leaves. `seats` are in sessions that have not begun."""

    records: list[TrainSession]
    seats: list[Enrollment]
    completed: int


def leaving(person: Person) -> Leaving:
    rows = records_of(person)
    still_open = rows.filter(unassigned_at=None).exclude(state=State.COMPLETED).select_related("course")
    return Leaving(
        records=list(still_open.order_by("-pk")),
        seats=list(coming_seats(person).select_related("session__course")),
        completed=rows.filter(state=State.COMPLETED).count(),
    )
