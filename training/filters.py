"""The documented filters of the Train Sessions and Training Assignments APIs, by their documented names.

`_gt` and `_lt` are inclusive. Document b says "greater or equal" and "less than or equal" in so many words; document a
says "after" for them and uses the same word for `completion_date_gteq`, so inclusive is the one reading that fits both.
"""

# ruff: noqa: ARG002 - a filter's methods get arguments that not every filter needs

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import BigIntegerField, DecimalField, Field, Q

from accounts.api.filters import (
    NOTHING,
    Asked,
    ContainsFilter,
    DateFilter,
    DayFilter,
    IntegerFilter,
    Kind,
    ListFilter,
    OneOfFilter,
    StrictFilterSet,
    TextFilter,
    UuidListFilter,
)
from accounts.models import Organization, Person, PersonKind
from enrollments.models import Course, CourseStatus
from training.models import State, TrainSession

# What the Train Sessions API calls each state.
STATUSES = {
    "Assigned": State.ASSIGNED,
    "In Progress": State.IN_PROGRESS,
    "Completed": State.COMPLETED,
    "Failed": State.FAILED,
}


class ShownScoreFilter(IntegerFilter):
    """The score as it is shown: the whole number below, 0 until scored."""

    column: "Field[Any, Any]" = DecimalField(max_digits=7, decimal_places=4)

    def ask(self, value: int, organization: Organization) -> Asked:
        if not 0 <= value <= 100:  # noqa: PLR2004 - no score is outside, and the column could not hold it
            return NOTHING, ()
        return ("unscored too" if value == 0 else "scored"), (Decimal(value), Decimal(value + 1))

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        shown = Q(score__gte=values[0], score__lt=values[1])
        return shown | Q(score=None) if kind == "unscored too" else shown


class TrainSessionFilter(StrictFilterSet[TrainSession]):
    course_code_or_course_name_cont = ContainsFilter(
        "course__search_code", "course__search_title", label="The course's code or name contains this, ignoring case."
    )
    full_name_cont = ContainsFilter(
        "person__search_name", label="The assignee's full name contains this, ignoring case."
    )
    score_eq = ShownScoreFilter(label="The score shown.")
    percent_complete_eq = IntegerFilter(field_name="percent", label="Percent complete.")
    failed_attempts_eq = IntegerFilter(label="Failed attempts at the final quiz.", field_name="failed_attempts")
    completion_date_gteq = DayFilter(
        field_name="completed_at", lookup_expr="gte", label="Completed on this day or after."
    )
    completion_date_lteq = DayFilter(
        field_name="completed_at", lookup_expr="lte", label="Completed on this day or before."
    )
    cert_expiry_gt = DateFilter(
        field_name="cert_expiry", lookup_expr="gte", label="Certificate expiry: on this day or after (inclusive)."
    )
    cert_expiry_lt = DateFilter(
        field_name="cert_expiry", lookup_expr="lte", label="Certificate expiry: on this day or before (inclusive)."
    )
    unit_unit_expiry_gt = DateFilter(
        field_name="unit__expires_on",
        lookup_expr="gte",
        label="Expiry of the record's unit: on this day or after (inclusive).",
    )
    unit_unit_expiry_lt = DateFilter(
        field_name="unit__expires_on",
        lookup_expr="lte",
        label="Expiry of the record's unit: on this day or before (inclusive).",
    )
    complete_by_eq = DayFilter(
        field_name="due_at",
        label='Due on this day. (Document b says "date of completion"; that is `completion_date`, and this is the due day.)',
    )
    last_attempt_eq = DayFilter(field_name="last_attempt_at", label="Last attempted on this day.")
    assignee_login_username_eq = TextFilter(
        field_name="person__username", label="The assignee's username, to the letter."
    )
    status_eq = OneOfFilter(STATUSES, field_name="state", label="Status (ours).")

    # Document b's own example sends `score=80`.
    aliases: ClassVar[Mapping[str, str]] = {
        name: f"{name}_eq"
        for name in (
            "score",
            "percent_complete",
            "failed_attempts",
            "complete_by",
            "last_attempt",
            "assignee_login_username",
        )
    }


# What the Training Assignments API calls the states. A failed record is still owed: it is in progress there.
ASSIGNMENT_STATUSES = {
    "notStarted": (State.ASSIGNED,),
    "inProgress": (State.IN_PROGRESS, State.FAILED),
    "completed": (State.COMPLETED,),
}


LEARNER_ID = {"type": "string", "pattern": "^(driver|user)-[0-9]{1,18}$"}


def read_learner(text: str) -> tuple[str, int]:
    """`driver-281474` → its kind and number. Raises ValueError."""
    kind, _, number = text.partition("-")
    if kind not in PersonKind.values or not re.fullmatch(r"[0-9]{1,18}", number, re.ASCII):
        raise ValueError("not a learner")
    return kind, int(number)


def _read_assignment_status(text: str) -> tuple[State, ...]:
    if text not in ASSIGNMENT_STATUSES:
        raise ValueError("not a status")
    return ASSIGNMENT_STATUSES[text]


class LearnersFilter(ListFilter):
    item = staticmethod(read_learner)
    items = "learner ids such as driver-281474 or user-46282156"
    schema = LEARNER_ID
    column: "Field[Any, Any]" = BigIntegerField()

    def ask(self, value: list[tuple[str, int]], organization: Organization) -> Asked:
        people = Person.objects.of(organization).filter(pk__in=[number for _, number in value])
        return self.among([pk for pk, kind in people.values_list("pk", "kind") if (kind, pk) in set(value)])

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        return Q(person__id__in=values)


class CoursesFilter(UuidListFilter):
    column: "Field[Any, Any]" = BigIntegerField()

    def ask(self, value: list[UUID], organization: Organization) -> Asked:
        courses = Course.objects.of(organization).filter(**{f"{self.field_name}__in": value})
        return self.among(list(courses.values_list("pk", flat=True)))

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        return Q(course__id__in=values)


class StatusesFilter(ListFilter):
    item = staticmethod(_read_assignment_status)
    items = ", ".join(ASSIGNMENT_STATUSES)
    schema = {"type": "string", "enum": list(ASSIGNMENT_STATUSES)}

    def ask(self, value: list[tuple[State, ...]], organization: Organization) -> Asked:
        return self.among(sorted({state for states in value for state in states}))

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        return Q(state__in=values)


class OverdueFilter(OneOfFilter):
    """By the mark that the feed shows. What is completed is not overdue any more."""

    def ask(self, value: bool, organization: Organization) -> Asked:  # noqa: FBT001 - a filter's value
        return value, ()

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:
        overdue = Q(overdue=True) & ~Q(state=State.COMPLETED)
        return overdue if kind else ~overdue


def _read_course_status(text: str) -> CourseStatus:
    return CourseStatus(text)


class CourseStatusesFilter(ListFilter):
    item = staticmethod(_read_course_status)
    items = ", ".join(CourseStatus.values)
    schema = {"type": "string", "enum": CourseStatus.values}


class AssignmentFilter(StrictFilterSet[TrainSession]):
    """The documented filters of the change feed."""

    learnerIds = LearnersFilter(label="Of these learners: ids such as driver-281474, comma separated or repeated.")
    courseIds = CoursesFilter(field_name="uuid", label="Of these courses: uuids, comma separated or repeated.")
    categoryIds = CoursesFilter(field_name="category__uuid", label="Of courses of these categories: uuids.")
    status = StatusesFilter(label="Any of notStarted, inProgress, completed.")
    isOverdue = OverdueFilter({"true": True, "false": False}, label="Past their due time and not completed.")


class TrainingCourseFilter(StrictFilterSet[Course]):
    """The documented filters of the course list."""

    courseIds = UuidListFilter(field_name="uuid", label="These courses: uuids, comma separated or repeated.")
    categoryIds = UuidListFilter(field_name="category__uuid", label="Courses of these categories: uuids.")
    status = CourseStatusesFilter(field_name="status", label="Any of published, archived, deleted.")
