"""The Training API's shapes. Every key, in the document's order; incoming bodies refuse any other key."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.bodies import StrictSerializer
from accounts.api.fields import DayField, FloatingField, IdField, InstantField, NumberField, ShortListField
from accounts.models import Person, PersonKind
from enrollments.filters import CATEGORIES
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
from enrollments.selectors import spots

SCORE: dict[str, Any] = {"max_digits": 7, "decimal_places": 4, "min_value": 0, "max_value": 100}


class CourseReference(serializers.Serializer[Course]):
    id = serializers.IntegerField()
    title = serializers.CharField()


class PersonReference(serializers.Serializer[Person]):
    id = serializers.IntegerField()
    full_name = serializers.CharField()


class CourseSerializer(serializers.Serializer[Course]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    category = serializers.ChoiceField(choices=CATEGORIES, source="category.slug")
    delivery_mode = serializers.ChoiceField(choices=DeliveryMode.choices)
    duration_hours = NumberField(max_digits=7, decimal_places=2)
    cost_per_participant = FloatingField(max_digits=10, decimal_places=2)
    provider = serializers.ChoiceField(choices=Provider.choices)
    provider_name = serializers.CharField()
    pass_score = NumberField(max_digits=7, decimal_places=4, allow_null=True)
    total_sessions = serializers.IntegerField()
    total_enrollments = serializers.IntegerField()
    created_at = InstantField()


class UpcomingSessionSerializer(serializers.Serializer[Session]):
    id = serializers.IntegerField()
    start_date = DayField(source="starts_at")
    end_date = DayField(source="ends_at")
    location = serializers.CharField()
    available_spots = serializers.SerializerMethodField()
    max_participants = serializers.IntegerField(allow_null=True)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_available_spots(self, session: Session) -> int | None:
        return spots(session, session.enrolled_count)  # type: ignore[attr-defined]  # annotated by the selector


class CourseDetailSerializer(serializers.Serializer[Course]):
    """One course. `completion_rate` and the like come from `selectors.results`, in the context."""

    id = serializers.IntegerField()
    title = serializers.CharField()
    category = serializers.ChoiceField(choices=CATEGORIES, source="category.slug")
    delivery_mode = serializers.ChoiceField(choices=DeliveryMode.choices)
    duration_hours = NumberField(max_digits=7, decimal_places=2)
    cost_per_participant = FloatingField(max_digits=10, decimal_places=2)
    provider = serializers.ChoiceField(choices=Provider.choices)
    provider_name = serializers.CharField()
    description = serializers.CharField()
    prerequisites = CourseReference(many=True)
    pass_score = NumberField(max_digits=7, decimal_places=4, allow_null=True)
    total_sessions = serializers.IntegerField()
    total_enrollments = serializers.IntegerField()
    completion_rate = serializers.SerializerMethodField()
    average_score = serializers.SerializerMethodField()
    upcoming_sessions = serializers.SerializerMethodField()
    created_at = InstantField()

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_completion_rate(self, _course: Course) -> float | None:
        rate = self.context["results"].completion_rate
        return None if rate is None else float(rate)

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_average_score(self, _course: Course) -> float | None:
        average = self.context["results"].average_score
        return None if average is None else float(average)

    @extend_schema_field(UpcomingSessionSerializer(many=True))
    def get_upcoming_sessions(self, _course: Course) -> Any:
        return UpcomingSessionSerializer(self.context["upcoming"], many=True, context=self.context).data


class SessionSerializer(serializers.Serializer[Session]):
    id = serializers.IntegerField()
    course = CourseReference()
    session_name = serializers.CharField(source="name")
    start_date = InstantField(source="starts_at")
    end_date = InstantField(source="ends_at")
    location = serializers.CharField()
    facilitator = PersonReference(allow_null=True)
    max_participants = serializers.IntegerField(allow_null=True)
    enrolled_count = serializers.IntegerField()
    available_spots = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=SessionStatus.choices)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_available_spots(self, session: Session) -> int | None:
        return spots(session, session.enrolled_count)  # type: ignore[attr-defined]  # annotated by the selector


class EnrolledPerson(serializers.Serializer[Person]):
    id = serializers.IntegerField()
    employee_id = serializers.CharField()
    full_name = serializers.CharField()


class EnrolledSession(serializers.Serializer[Session]):
    id = serializers.IntegerField()
    course = CourseReference()
    start_date = DayField(source="starts_at")
    location = serializers.CharField()


class EnrollmentSerializer(serializers.Serializer[Enrollment]):
    id = serializers.IntegerField()
    employee = EnrolledPerson(source="person")
    session = EnrolledSession()
    status = serializers.ChoiceField(choices=EnrollmentStatus.choices)
    score = NumberField(max_digits=7, decimal_places=4, allow_null=True)
    passed = serializers.BooleanField(allow_null=True)
    feedback = serializers.CharField(allow_null=True)
    enrolled_at = InstantField()
    completed_at = InstantField(allow_null=True)


class EnrollmentDetailSerializer(EnrollmentSerializer):
    certificate_url = serializers.CharField(allow_null=True)


class CompletedEnrollmentSerializer(serializers.Serializer[Enrollment]):
    id = serializers.IntegerField()
    employee = PersonReference(source="person")
    status = serializers.ChoiceField(choices=EnrollmentStatus.choices)
    score = NumberField(max_digits=7, decimal_places=4, allow_null=True)
    passed = serializers.BooleanField(allow_null=True)
    feedback = serializers.CharField(allow_null=True)
    completed_at = InstantField(allow_null=True)


class EnrolledRow(serializers.Serializer[Enrollment]):
    id = serializers.IntegerField()
    employee_id = serializers.IntegerField(source="person_id")
    status = serializers.ChoiceField(choices=EnrollmentStatus.choices)


class EnrolledSerializer(serializers.Serializer[Any]):
    """What `POST enrollments` answers in `data`."""

    enrolled_count = serializers.IntegerField()
    enrollments = EnrolledRow(many=True)
    session_available_spots = serializers.IntegerField(allow_null=True)


class EmployeeSerializer(serializers.Serializer[Person]):
    id = serializers.IntegerField()
    employee_id = serializers.CharField()
    full_name = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    email = serializers.CharField(source="mail")
    username = serializers.CharField()
    kind = serializers.ChoiceField(choices=PersonKind.choices)
    active = serializers.BooleanField()
    created_at = InstantField()


# Incoming bodies.


class EnrollBody(StrictSerializer):
    session_id = IdField()
    employee_ids = ShortListField(child=IdField(), allow_empty=False, longest=10_000)


class CompleteBody(StrictSerializer):
    score = serializers.DecimalField(**SCORE, allow_null=True, default=None)
    feedback = serializers.CharField(
        allow_null=True, allow_blank=True, default=None, trim_whitespace=False, max_length=10_000
    )
    certificate_url = serializers.URLField(allow_null=True, default=None, max_length=2000)

    def validate_certificate_url(self, url: str | None) -> str | None:
        if url is not None and not url.lower().startswith(("http://", "https://")):
            raise serializers.ValidationError("Give an address that begins with http:// or https://.")
        return url


class CancelBody(StrictSerializer):
    """No key is documented: an empty object, or no body."""


class CourseBody(StrictSerializer):
    code = serializers.CharField(max_length=60)
    title = serializers.CharField(max_length=200)
    category = serializers.ChoiceField(choices=CATEGORIES)
    delivery_mode = serializers.ChoiceField(choices=DeliveryMode.choices, required=False)
    duration_hours = serializers.DecimalField(max_digits=7, decimal_places=2, min_value=0, required=False)
    cost_per_participant = serializers.DecimalField(max_digits=10, decimal_places=2, min_value=0, required=False)
    provider = serializers.ChoiceField(choices=Provider.choices, required=False)
    provider_name = serializers.CharField(max_length=200, allow_blank=True, required=False)
    description = serializers.CharField(allow_blank=True, required=False)
    prerequisites = ShortListField(child=IdField(), required=False, longest=100)
    pass_score = serializers.DecimalField(**SCORE, allow_null=True, required=False)
    certificate_months = serializers.IntegerField(min_value=1, max_value=1200, allow_null=True, required=False)
    uses_units = serializers.BooleanField(required=False)
    status = serializers.ChoiceField(choices=CourseStatus.choices, required=False)


class SessionBody(StrictSerializer):
    course_id = IdField()
    session_name = serializers.CharField(max_length=200)
    start_date = InstantField()
    end_date = InstantField()
    location = serializers.CharField(max_length=200, allow_blank=True, required=False)
    facilitator_id = IdField(allow_null=True, required=False)
    max_participants = serializers.IntegerField(min_value=0, max_value=2_147_483_647, allow_null=True, required=False)
    status = serializers.ChoiceField(choices=SessionStatus.choices, required=False)

    columns: ClassVar[dict[str, str]] = {
        "session_name": "name",
        "start_date": "starts_at",
        "end_date": "ends_at",
        "course_id": "course",
        "facilitator_id": "facilitator",
    }


class EmployeeBody(StrictSerializer):
    employee_id = serializers.CharField(max_length=60)
    first_name = serializers.CharField(max_length=120)
    last_name = serializers.CharField(max_length=120, allow_blank=True, required=False)
    email = serializers.EmailField(allow_blank=True, required=False)
    username = serializers.CharField(max_length=150, allow_blank=True, required=False)
    kind = serializers.ChoiceField(choices=PersonKind.choices, required=False)
    active = serializers.BooleanField(required=False)

    columns: ClassVar[dict[str, str]] = {"email": "mail"}
