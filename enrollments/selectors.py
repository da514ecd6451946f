"""What the Training API and the admin read, from an organization down."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import Avg, Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import Organization
from accounts.statements import Slot
from enrollments.models import (
    FINISHED_STATUSES,
    Course,
    Enrollment,
    EnrollmentQuerySet,
    EnrollmentStatus,
    Session,
    SessionStatus,
)


def _counted(rows: "QuerySet[Any]", key: str) -> Coalesce:
    """How many of the rows belong to the outer row, counted in the database: 0 where none does."""
    counts = rows.filter(**{key: OuterRef("pk")}).order_by().values(key).annotate(counted=Count("pk")).values("counted")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)


def _seated(organization: Organization | Slot) -> EnrollmentQuerySet:
    return Enrollment.objects.of(organization).holding_a_seat()


def courses(organization: Organization | Slot) -> "QuerySet[Course]":
    """Courses with `total_sessions` and `total_enrollments` (cancelled ones left out), by id."""
    return (
        Course.objects.of(organization)
        .select_related("category")
        .annotate(
            total_sessions=_counted(Session.objects.of(organization), "course"),
            total_enrollments=_counted(_seated(organization), "session__course"),
        )
        .order_by("pk")
    )


def sessions(organization: Organization | Slot) -> "QuerySet[Session]":
    """Sessions with `enrolled_count`, the seats taken, by id."""
    return (
        Session.objects.of(organization)
        .select_related("course", "facilitator")
        .annotate(enrolled_count=_counted(_seated(organization), "session"))
        .order_by("pk")
    )


def enrollments(organization: Organization | Slot) -> EnrollmentQuerySet:
    return Enrollment.objects.of(organization).select_related("person", "session__course").order_by("pk")


def upcoming_sessions(organization: Organization, course: Course) -> "QuerySet[Session]":
    """Scheduled and not started, soonest first."""
    upcoming = sessions(organization).filter(
        course=course, status=SessionStatus.SCHEDULED, starts_at__gt=timezone.now()
    )
    return upcoming.order_by("starts_at", "pk")


@dataclass(frozen=True)
class Results:
    """How a course's enrollments ended. `completion_rate` is the percentage of the finished ones that completed,
    `average_score` the mean of the scores given; one decimal each, None where there is none.
    """

    completion_rate: Decimal | None
    average_score: Decimal | None


def results(organization: Organization, course: Course) -> Results:
    rows = Enrollment.objects.of(organization).filter(session__course=course)
    figures = rows.holding_a_seat().aggregate(
        finished=Count("pk", filter=Q(status__in=FINISHED_STATUSES)),
        completed=Count("pk", filter=Q(status=EnrollmentStatus.COMPLETED)),
        average=Avg("score"),
    )
    rate = Decimal(100 * figures["completed"]) / figures["finished"] if figures["finished"] else None
    average = None if figures["average"] is None else Decimal(str(figures["average"]))
    return Results(completion_rate=_one_decimal(rate), average_score=_one_decimal(average))


def _one_decimal(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("0.1"), ROUND_HALF_UP)


def spots(session: Session, taken: int) -> int | None:
    return free_seats(session.max_participants, taken)


def free_seats(limit: int | None, taken: int) -> int | None:
    """None where there is no limit."""
    return None if limit is None else max(limit - taken, 0)
