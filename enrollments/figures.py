"""What the dashboard counts of sessions and enrollments, and the rules by which the lists behind it count the same."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.days import day_end, day_start
from accounts.models import Organization
from enrollments.models import (
    OPEN_STATUSES,
    Enrollment,
    EnrollmentQuerySet,
    EnrollmentStatus,
    Session,
    SessionStatus,
)


@dataclass(frozen=True)
class SessionSeats:
    id: int
    name: str
    course: str
    starts_at: datetime
    taken: int
    limit: int | None

    @property
    def has_room(self) -> bool:
        return self.limit is None or self.taken < self.limit


def seats_taken() -> Coalesce:
    """Of each session, counted in the database."""
    seated = Enrollment.objects.filter(organization=OuterRef("organization"), session=OuterRef("pk"))
    counts = seated.holding_a_seat().order_by().values("session").annotate(counted=Count("pk")).values("counted")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)


def open_to_enroll(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    return sessions.filter(status__in=OPEN_STATUSES)


def with_room(sessions: "QuerySet[Session]") -> "QuerySet[Session]":
    """Of sessions with `seats_taken`, those with a free seat; one without a limit always has one."""
    return open_to_enroll(sessions).filter(Q(max_participants=None) | Q(seats_taken__lt=F("max_participants")))


def without_result(enrollments: "QuerySet[Any]", now: datetime) -> "QuerySet[Any]":
    """Enrollments that nobody has marked, though their session is over."""
    past = enrollments.filter(status=EnrollmentStatus.ENROLLED, session__ends_at__lt=now)
    return past.exclude(session__status=SessionStatus.CANCELLED)


def own_sessions(organization: Organization, facilitators: Collection[int] | None) -> "QuerySet[Session]":
    """All of the organization's, or with `facilitators` those that one of these people holds."""
    sessions = Session.objects.of(organization)
    return sessions if facilitators is None else sessions.filter(facilitator__in=facilitators)


def unmarked(organization: Organization, now: datetime, *, facilitators: Collection[int]) -> int:
    rows: EnrollmentQuerySet = Enrollment.objects.of(organization).filter(session__facilitator__in=facilitators)
    return without_result(rows, now).count()


def seats(
    organization: Organization, first: date, last: date, *, facilitators: Collection[int] | None = None
) -> list[SessionSeats]:
    """The open sessions that start between two days, both included, in order of their start."""
    zone = organization.zone
    sessions = open_to_enroll(own_sessions(organization, facilitators))
    coming = sessions.filter(starts_at__gte=day_start(first, zone), starts_at__lt=day_end(last, zone))
    rows = coming.annotate(taken=seats_taken()).order_by("starts_at", "pk")
    columns = ("pk", "name", "course__code", "starts_at", "taken", "max_participants")
    return [SessionSeats(*row) for row in rows.values_list(*columns)]
