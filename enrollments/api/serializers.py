"""The Training API's shapes. Every key, in the document's order; incoming bodies refuse any other key."""

from datetime import tzinfo
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.bodies import StrictSerializer
from accounts.api.fields import (
    COUNT,
    FULL_NAME,
    ID,
    PERCENT,
    AmountField,
    ColumnField,
    DayField,
    FlagField,
    FloatingField,
    IdField,
    InstantField,
    MailField,
    NumberField,
    ShortListField,
    ShownField,
    TextField,
    WebAddressField,
    WholeField,
    WordField,
    instant,
    instant_or_null,
    several,
)
from accounts.api.rendering import number
from accounts.api.resource import Column, Nested, Resource, Shape, day_column
from accounts.models import Person, PersonKind, full_name
from accounts.selectors import people
from enrollments import selectors
from enrollments.filters import CATEGORIES, CourseFilter, EmployeeFilter, EnrollmentFilter, SessionFilter
from enrollments.models import (
    Course,
    CourseStatus,
    DeliveryMode,
    Enrollment,
    EnrollmentStatus,
    Provider,
    Session,
    SessionStatus,
)
from enrollments.selectors import free_seats, spots

IDS_IN_A_CALL = 1000
SCORE: dict[str, Any] = {"max_digits": 7, "decimal_places": 4, "min_value": 0, "max_value": 100}


def _title_of(course: str) -> Nested:
    return Nested(
        "CourseReference",
        {
            "id": Column(ShownField(ID), f"{course}_id"),
            "title": Column(ColumnField(Course, "title"), f"{course}__title"),
        },
    )


def _course(_zone: tzinfo | None) -> Shape:
    return {
        "id": Column(ShownField(ID), "pk"),
        "title": Column(ColumnField(Course, "title"), "title"),
        "category": Column(serializers.ChoiceField(choices=CATEGORIES), "category__slug"),
        "delivery_mode": Column(serializers.ChoiceField(choices=DeliveryMode.choices), "delivery_mode"),
        "duration_hours": Column(NumberField(Course, "duration_hours"), "duration_hours", show=number),
        "cost_per_participant": Column(
            FloatingField(Course, "cost_per_participant"), "cost_per_participant", show=float
        ),
        "provider": Column(serializers.ChoiceField(choices=Provider.choices), "provider"),
        "provider_name": Column(ColumnField(Course, "provider_name"), "provider_name"),
        "pass_score": Column(NumberField(Course, "pass_score"), "pass_score", show=number),
        "total_sessions": Column(ShownField(COUNT), "total_sessions"),
        "total_enrollments": Column(ShownField(COUNT), "total_enrollments"),
        "created_at": Column(InstantField(), "created_at", show=instant),
    }


COURSES = Resource("Course", selectors.courses, _course, filters=CourseFilter)


CourseReference = _title_of("course").serializer()


class UpcomingSessionSerializer(serializers.Serializer[Session]):
    id = ShownField(ID)
    start_date = DayField(source="starts_at")
    end_date = DayField(source="ends_at")
    location = ColumnField(Session, "location")
    available_spots = serializers.SerializerMethodField()
    max_participants = ColumnField(Session, "max_participants")

    @extend_schema_field(ColumnField(Session, "max_participants"))
    def get_available_spots(self, session: Session) -> int | None:
        return spots(session, session.enrolled_count)  # type: ignore[attr-defined]  # annotated by the selector


class CourseDetailSerializer(serializers.Serializer[Course]):
    """One course. `completion_rate` and the like come from `selectors.results`, in the context."""

    id = ShownField(ID)
    title = ColumnField(Course, "title")
    category = serializers.ChoiceField(choices=CATEGORIES, source="category.slug")
    delivery_mode = serializers.ChoiceField(choices=DeliveryMode.choices)
    duration_hours = NumberField(Course, "duration_hours")
    cost_per_participant = FloatingField(Course, "cost_per_participant")
    provider = serializers.ChoiceField(choices=Provider.choices)
    provider_name = ColumnField(Course, "provider_name")
    description = ColumnField(Course, "description")
    prerequisites = CourseReference(many=True)
    pass_score = NumberField(Course, "pass_score")
    total_sessions = ShownField(COUNT)
    total_enrollments = ShownField(COUNT)
    completion_rate = serializers.SerializerMethodField()
    average_score = serializers.SerializerMethodField()
    upcoming_sessions = serializers.SerializerMethodField()
    created_at = InstantField()

    @extend_schema_field(ShownField(PERCENT, allow_null=True))
    def get_completion_rate(self, _course: Course) -> float | None:
        rate = self.context["results"].completion_rate
        return None if rate is None else float(rate)

    @extend_schema_field(ShownField(PERCENT, allow_null=True))
    def get_average_score(self, _course: Course) -> float | None:
        average = self.context["results"].average_score
        return None if average is None else float(average)

    @extend_schema_field(UpcomingSessionSerializer(many=True))
    def get_upcoming_sessions(self, _course: Course) -> Any:
        return UpcomingSessionSerializer(self.context["upcoming"], many=True, context=self.context).data


def _person(person: str, name: str, **more: Column) -> dict[str, Column]:
    names = (f"{person}__first_name", f"{person}__last_name")
    return {
        "id": Column(ShownField(ID), f"{person}_id"),
        **more,
        name: Column(ShownField(FULL_NAME), *names, show=full_name),
    }


PersonReference = Nested("PersonReference", _person("person", "full_name")).serializer()


def _session(_zone: tzinfo | None) -> Shape:
    return {
        "id": Column(ShownField(ID), "pk"),
        "course": _title_of("course"),
        "session_name": Column(ColumnField(Session, "name"), "name"),
        "start_date": Column(InstantField(), "starts_at", show=instant),
        "end_date": Column(InstantField(), "ends_at", show=instant),
        "location": Column(ColumnField(Session, "location"), "location"),
        "facilitator": Nested("PersonReference", _person("facilitator", "full_name"), unless="id"),
        "max_participants": Column(ColumnField(Session, "max_participants"), "max_participants"),
        "enrolled_count": Column(ShownField(COUNT), "enrolled_count"),
        "available_spots": Column(
            ColumnField(Session, "max_participants"), "max_participants", "enrolled_count", show=free_seats
        ),
        "status": Column(serializers.ChoiceField(choices=SessionStatus.choices), "status"),
    }


SESSIONS = Resource("Session", selectors.sessions, _session, filters=SessionFilter)


def _enrollment(zone: tzinfo | None) -> Shape:
    return {
        "id": Column(ShownField(ID), "pk"),
        "employee": Nested(
            "EnrolledPerson",
            _person(
                "person", "full_name", employee_id=Column(ColumnField(Person, "employee_id"), "person__employee_id")
            ),
        ),
        "session": Nested(
            "EnrolledSession",
            {
                "id": Column(ShownField(ID), "session_id"),
                "course": _title_of("session__course"),
                "start_date": day_column(serializers.DateField(), "session__starts_at", zone),
                "location": Column(ColumnField(Session, "location"), "session__location"),
            },
        ),
        "status": Column(serializers.ChoiceField(choices=EnrollmentStatus.choices), "status"),
        "score": Column(NumberField(Enrollment, "score"), "score", show=number),
        "passed": Column(serializers.BooleanField(allow_null=True), "passed"),
        "feedback": Column(ColumnField(Enrollment, "feedback"), "feedback"),
        "enrolled_at": Column(InstantField(), "enrolled_at", show=instant),
        "completed_at": Column(InstantField(allow_null=True), "completed_at", show=instant_or_null),
    }


def _enrollment_detail(zone: tzinfo | None) -> Shape:
    certificate = Column(ColumnField(Enrollment, "certificate_url"), "certificate_url")
    return {**_enrollment(zone), "certificate_url": certificate}


ENROLLMENTS = Resource("Enrollment", selectors.enrollments, _enrollment, filters=EnrollmentFilter)
ENROLLMENT_DETAILS = Resource("EnrollmentDetail", selectors.enrollments, _enrollment_detail)


class CompletedEnrollmentSerializer(serializers.Serializer[Enrollment]):
    id = ShownField(ID)
    employee = PersonReference(source="person")
    status = serializers.ChoiceField(choices=EnrollmentStatus.choices)
    score = NumberField(Enrollment, "score")
    passed = serializers.BooleanField(allow_null=True)
    feedback = ColumnField(Enrollment, "feedback")
    completed_at = InstantField(allow_null=True)


class EnrolledRow(serializers.Serializer[Enrollment]):
    id = ShownField(ID)
    employee_id = ShownField(ID, source="person_id")
    status = serializers.ChoiceField(choices=EnrollmentStatus.choices)


class EnrolledSerializer(serializers.Serializer[Any]):
    """What `POST enrollments` answers in `data`."""

    enrolled_count = ShownField({**ID, "maximum": IDS_IN_A_CALL})
    enrollments = several(EnrolledRow, least=1, most=IDS_IN_A_CALL)
    session_available_spots = ColumnField(Session, "max_participants")


def _employee(_zone: tzinfo | None) -> Shape:
    names = ("first_name", "last_name")
    return {
        "id": Column(ShownField(ID), "pk"),
        "employee_id": Column(ColumnField(Person, "employee_id"), "employee_id"),
        "full_name": Column(ShownField(FULL_NAME), *names, show=full_name),
        "first_name": Column(ColumnField(Person, "first_name"), "first_name"),
        "last_name": Column(ColumnField(Person, "last_name"), "last_name"),
        "email": Column(ColumnField(Person, "mail"), "mail"),
        "username": Column(ColumnField(Person, "username"), "username"),
        "kind": Column(serializers.ChoiceField(choices=PersonKind.choices), "kind"),
        "active": Column(serializers.BooleanField(), "active"),
        "created_at": Column(InstantField(), "created_at", show=instant),
    }


EMPLOYEES = Resource("Employee", people, _employee, filters=EmployeeFilter)


# Incoming bodies.


class EnrollBody(StrictSerializer):
    session_id = IdField()
    employee_ids = ShortListField(child=IdField(), allow_empty=False, longest=10_000)


class CompleteBody(StrictSerializer):
    score = AmountField(**SCORE, allow_null=True, default=None)
    feedback = TextField(allow_null=True, allow_blank=True, default=None, trim_whitespace=False, max_length=10_000)
    certificate_url = WebAddressField(allow_null=True, default=None)


class CancelBody(StrictSerializer):
    """No key is documented: an empty object, or no body."""


class CourseBody(StrictSerializer):
    code = TextField(max_length=60)
    title = TextField(max_length=200)
    category = WordField(choices=CATEGORIES)
    delivery_mode = WordField(choices=DeliveryMode.choices, required=False)
    duration_hours = AmountField(max_digits=7, decimal_places=2, min_value=0, required=False)
    cost_per_participant = AmountField(max_digits=10, decimal_places=2, min_value=0, required=False)
    provider = WordField(choices=Provider.choices, required=False)
    provider_name = TextField(max_length=200, allow_blank=True, required=False)
    # Shorter than the longest row of a file, so that what an export holds comes in again.
    description = TextField(allow_blank=True, required=False, max_length=50_000)
    prerequisites = ShortListField(child=IdField(), required=False, longest=100)
    pass_score = AmountField(**SCORE, allow_null=True, required=False)
    certificate_months = WholeField(min_value=1, max_value=1200, allow_null=True, required=False)
    uses_units = FlagField(required=False)
    status = WordField(choices=CourseStatus.choices, required=False)


class SessionBody(StrictSerializer):
    course_id = IdField()
    session_name = TextField(max_length=200)
    start_date = InstantField()
    end_date = InstantField()
    location = TextField(max_length=200, allow_blank=True, required=False)
    facilitator_id = IdField(allow_null=True, required=False)
    max_participants = WholeField(min_value=0, max_value=2_147_483_647, allow_null=True, required=False)
    status = WordField(choices=SessionStatus.choices, required=False)

    columns: ClassVar[dict[str, str]] = {
        "session_name": "name",
        "start_date": "starts_at",
        "end_date": "ends_at",
        "course_id": "course",
        "facilitator_id": "facilitator",
    }


class EmployeeBody(StrictSerializer):
    employee_id = TextField(max_length=60)
    first_name = TextField(max_length=120)
    last_name = TextField(max_length=120, allow_blank=True, required=False)
    email = MailField(required=False)
    username = TextField(max_length=150, allow_blank=True, required=False)
    kind = WordField(choices=PersonKind.choices, required=False)
    active = FlagField(required=False)

    columns: ClassVar[dict[str, str]] = {"email": "mail"}
