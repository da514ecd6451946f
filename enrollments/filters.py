"""The documented filters of the Training API's lists, by their documented names."""

from collections.abc import Sequence
from typing import Any

from django.db.models import CharField, Expression, Q, Value
from django.db.models.functions import Lower

from accounts.api.filters import (
    ContainsFilter,
    DayFilter,
    IntegerFilter,
    Kind,
    OneOfFilter,
    StrictFilterSet,
    TextFilter,
    YearFilter,
)
from accounts.models import Person
from enrollments.models import Course, DeliveryMode, Enrollment, EnrollmentStatus, Session, SessionStatus

# The document's six, as the migration makes them.
CATEGORIES = ("technical", "soft_skills", "compliance", "leadership", "onboarding", "safety")


def _words(values: list[str]) -> dict[str, str]:
    return {value: value for value in values}


class CourseFilter(StrictFilterSet[Course]):
    search = ContainsFilter("search_title", label="The title contains this, ignoring case.")
    category = OneOfFilter(_words(list(CATEGORIES)), field_name="category__slug", label="Category.")
    delivery_mode = OneOfFilter(_words(DeliveryMode.values), label="Delivery mode.")


class SessionFilter(StrictFilterSet[Session]):
    course_id = IntegerFilter(label="Sessions of this course.")
    status = OneOfFilter(_words(SessionStatus.values), label="Status.")
    date_from = DayFilter(
        field_name="starts_at",
        lookup_expr="gte",
        label="Starting on this day (of the organization's time zone) or later.",
    )
    date_to = DayFilter(field_name="starts_at", lookup_expr="lt", label="Starting before this day.")


class EnrollmentFilter(StrictFilterSet[Enrollment]):
    employee_id = IntegerFilter(field_name="person_id", label="The person's numeric id.")
    session_id = IntegerFilter(label="Enrollments in this session.")
    course_id = IntegerFilter(field_name="session__course_id", label="Enrollments in sessions of this course.")
    status = OneOfFilter(_words(EnrollmentStatus.values), label="Status.")
    year = YearFilter(field_name="session__starts_at", label="Year in which the session starts.")


CharField.register_lookup(Lower)


class MailFilter(TextFilter):
    """As the uniqueness of a mail compares it, so that its index serves."""

    def where(self, kind: Kind, values: Sequence[Any]) -> Q:  # noqa: ARG002 - there is one kind
        value = values[0] if isinstance(values[0], Expression) else Value(values[0])
        return Q(mail__lower=Lower(value))


class EmployeeFilter(StrictFilterSet[Person]):
    search = ContainsFilter("search_name", label="The full name contains this, ignoring case.")
    employee_id = TextFilter(label="The employee number, such as EMP-042, to the letter.")
    email = MailFilter(label="The e-mail address, ignoring case.")
    active = OneOfFilter({"true": True, "false": False}, label="Whether the person is active.")
