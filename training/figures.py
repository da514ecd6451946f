"""What the dashboard counts of the ledger, and the rules by which the lists behind it count the same.

A constant number of aggregates, each over an index that begins with the organization: what is open is little beside
what is completed, and what is completed is counted from indexes alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from accounts.days import day_end, day_start
from accounts.models import ApiToken, Organization, Person
from enrollments.figures import without_result
from enrollments.models import Course, Enrollment, Session
from training.models import State, TrainSession

WEEKS = 52


def not_renewed(records: "QuerySet[TrainSession]") -> "QuerySet[TrainSession]":
    """Completed records that no newer completed one of the same person and course has taken the place of."""
    same = TrainSession.objects.filter(
        organization=OuterRef("organization"),
        person=OuterRef("person"),
        course=OuterRef("course"),
        state=State.COMPLETED,
    )
    # A redundant `completed_at >=` beside the OR form, which an index does not serve.
    newer = same.filter(
        Q(completed_at__gt=OuterRef("completed_at")) | Q(pk__gt=OuterRef("pk")),
        completed_at__gte=OuterRef("completed_at"),
    )
    return records.filter(~Exists(newer), state=State.COMPLETED)


def overdue(records: "QuerySet[TrainSession]", now: datetime) -> "QuerySet[TrainSession]":
    """Open records past their due instant, by the clock: the column `overdue` is set a moment later."""
    return records.filter(unassigned_at=None, due_at__lte=now).exclude(state=State.COMPLETED)


def not_overdue(records: "QuerySet[TrainSession]", now: datetime) -> "QuerySet[TrainSession]":
    """The rest."""
    closed = Q(state=State.COMPLETED) | Q(unassigned_at__isnull=False)
    return records.filter(closed | Q(due_at=None) | Q(due_at__gt=now))


def with_overdue(people: "QuerySet[Person]", now: datetime) -> "QuerySet[Person]":
    """People who have something overdue."""
    records = TrainSession.objects.filter(organization=OuterRef("organization"), person=OuterRef("pk"))
    return people.filter(Exists(overdue(records, now)))


@dataclass(frozen=True)
class Standing:
    """What needs one number, and what there is at all."""

    active_people: int
    overdue_people: int
    due_soon: int
    unmarked: int
    has_people: bool
    has_courses: bool
    has_tokens: bool
    has_sessions: bool
    has_records: bool

    @property
    def has_started(self) -> bool:
        return self.has_sessions or self.has_records


def standing(organization: Organization, now: datetime, *, soon: date) -> Standing:
    """One query. `soon`: the last day of those on which a record falls due soon."""
    # By the organization's id and not by the outer row's: knowing it, PostgreSQL takes the index of what is open.
    people, records = Person.objects.of(organization), TrainSession.objects.of(organization)
    late = overdue(records, now)
    due = records.open().filter(due_at__gt=now, due_at__lt=day_end(soon, organization.zone))
    enrollments = Enrollment.objects.of(organization)
    row = (
        Organization.objects.filter(pk=organization.pk)
        .annotate(
            active_people=_count(people.filter(active=True)),
            overdue_people=_count(late, Count("person", distinct=True)),
            due_soon=_count(due),
            unmarked=_count(without_result(enrollments, now)),
            has_people=Exists(people),
            has_courses=Exists(Course.objects.of(organization)),
            has_tokens=Exists(ApiToken.objects.filter(organization=organization)),
            has_sessions=Exists(Session.objects.of(organization)),
            has_records=Exists(records.live()),
        )
        .values(*Standing.__dataclass_fields__)
        .get()
    )
    return Standing(**row)


def _count(rows: "QuerySet[Any]", counted: Count | None = None) -> Coalesce:
    counts = rows.order_by().values("organization").annotate(counted=counted or Count("*")).values("counted")
    return Coalesce(Subquery(counts, output_field=IntegerField()), 0)


@dataclass(frozen=True)
class CourseStates:
    """A course's live records. `overdue` ones are among the open ones."""

    course_id: int
    code: str
    title: str
    assigned: int = 0
    in_progress: int = 0
    failed: int = 0
    completed: int = 0
    overdue: int = 0

    @property
    def open(self) -> int:
        return self.assigned + self.in_progress + self.failed

    @property
    def live(self) -> int:
        return self.open + self.completed


def course_states(organization: Organization, now: datetime) -> list[CourseStates]:
    """Courses that have live records, those with most open ones first."""
    records = TrainSession.objects.of(organization)
    counted: dict[int, dict[str, int]] = defaultdict(dict)
    still_open = records.open().order_by().values("course_id")
    rows: Iterable[Any] = still_open.annotate(
        assigned=Count("pk", filter=Q(state=State.ASSIGNED)),
        in_progress=Count("pk", filter=Q(state=State.IN_PROGRESS)),
        failed=Count("pk", filter=Q(state=State.FAILED)),
        overdue=Count("pk", filter=Q(due_at__lte=now)),
    )
    for row in rows:
        counted[row["course_id"]] = {name: row[name] for name in ("assigned", "in_progress", "failed", "overdue")}
    # By itself, and by `*`: counted from an index alone, where all states together would read every row.
    completed = records.filter(state=State.COMPLETED).order_by().values_list("course_id").annotate(counted=Count("*"))
    for course_id, count in completed:
        counted[course_id]["completed"] = count
    courses = Course.objects.of(organization).values_list("pk", "code", "title")
    found = [CourseStates(pk, code, title, **counted[pk]) for pk, code, title in courses if pk in counted]
    return sorted(found, key=lambda course: (-course.open, -course.completed, course.code))


def completions(organization: Organization, today: date) -> dict[date, int]:
    """Completed records of each of the last 52 ISO weeks, this one being the last, by their Mondays."""
    zone = organization.zone
    this_week = today - timedelta(days=today.weekday())
    mondays = [this_week - timedelta(weeks=back) for back in reversed(range(WEEKS))]
    starts = [day_start(monday, zone) for monday in mondays]
    rows = (
        TrainSession.objects.of(organization)
        .filter(completed_at__gte=starts[0], completed_at__lt=day_end(this_week + timedelta(days=6), zone))
        .order_by()
        .values_list(_place(starts, 0, WEEKS))
        .annotate(counted=Count("*"))
    )
    counted = dict(rows)
    return {monday: counted.get(place, 0) for place, monday in enumerate(mondays)}


def _place(starts: Sequence[datetime], first: int, end: int) -> Case | Value:
    """In which of the spans from `first` to before `end` a completion lies, by halves. The database's own weeks are not
    asked: it knows not every zone as we do (`accounts.expressions.knows_zone`).
    """
    if end - first == 1:
        return Value(first, output_field=IntegerField())
    half = (first + end) // 2
    return Case(
        When(completed_at__lt=starts[half], then=_place(starts, first, half)), default=_place(starts, half, end)
    )


def expiring(organization: Organization, first: date, last: date) -> Counter[date]:
    """Certificates not renewed, by the last day on which they are valid, between two days, both included."""
    records = TrainSession.objects.of(organization).filter(cert_expiry__range=(first, last))
    return Counter(dict(not_renewed(records).order_by().values_list("cert_expiry").annotate(counted=Count("*"))))
