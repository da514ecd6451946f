from datetime import datetime
from math import floor
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from accounts.models import Person
from enrollments.models import Course, Enrollment, Session
from programs.models import Module, ProgramSession
from training.models import State, TrainSession


class DayField(serializers.ReadOnlyField):
    """The day of an instant, in the organization's time zone."""

    def to_representation(self, value: datetime) -> str:
        zone = self.context["request"].auth.organization.zone
        return timezone.localdate(value, zone).isoformat()


class InstantField(serializers.ReadOnlyField):
    def to_representation(self, value: datetime) -> str:
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class MillisecondsField(serializers.ReadOnlyField):
    def to_representation(self, value: datetime) -> str:
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"


class TrainSessionSerializer(serializers.ModelSerializer[TrainSession]):
    course_code = serializers.CharField(source="course.code")
    score = serializers.SerializerMethodField()
    percent_complete = serializers.IntegerField(source="percent")
    status = serializers.CharField(source="get_state_display")
    completion_date = DayField(source="completed_at")
    complete_by = DayField(source="due_at")
    full_name = serializers.CharField(source="person.full_name")
    time_spent = serializers.SerializerMethodField()

    class Meta:
        model = TrainSession
        fields = [
            "id",
            "course_code",
            "score",
            "percent_complete",
            "failed_attempts",
            "status",
            "cert_expiry",
            "completion_date",
            "complete_by",
            "full_name",
            "time_spent",
        ]

    def get_score(self, record: TrainSession) -> int:
        return floor(record.score or 0)

    def get_time_spent(self, record: TrainSession) -> str:
        return f"{record.time_spent:.2f}".removesuffix("0")


class CourseReference(serializers.ModelSerializer[Course]):
    revisionId = serializers.UUIDField(source="revision")  # noqa: N815 - the documents' own keys, here and below
    id = serializers.UUIDField(source="uuid")

    class Meta:
        model = Course
        fields = ["id", "revisionId"]


class LearnerReference(serializers.ModelSerializer[Person]):
    id = serializers.SerializerMethodField()
    type = serializers.CharField(source="kind")

    class Meta:
        model = Person
        fields = ["id", "type"]

    def get_id(self, person: Person) -> str:
        return f"{person.kind}-{person.pk}"


class AssignmentSerializer(serializers.ModelSerializer[TrainSession]):
    id = serializers.UUIDField(source="uuid")
    course = CourseReference()
    learner = LearnerReference(source="person")
    status = serializers.SerializerMethodField()
    createdAtTime = serializers.DateTimeField(source="created_at")  # noqa: N815
    createdById = serializers.CharField(source="created_by")  # noqa: N815
    updatedAtTime = serializers.DateTimeField(source="updated_at")  # noqa: N815
    updatedById = serializers.CharField(source="updated_by")  # noqa: N815
    durationMinutes = serializers.SerializerMethodField()  # noqa: N815
    startedAtTime = serializers.DateTimeField(source="started_at")  # noqa: N815
    completedAtTime = serializers.DateTimeField(source="completed_at")  # noqa: N815
    dueAtTime = serializers.DateTimeField(source="due_at")  # noqa: N815
    deletedAtTime = serializers.DateTimeField(source="unassigned_at")  # noqa: N815
    isOverdue = serializers.SerializerMethodField()  # noqa: N815
    isCompletedLate = serializers.SerializerMethodField()  # noqa: N815
    scorePercent = serializers.SerializerMethodField()  # noqa: N815

    STATUSES = {
        State.ASSIGNED: "notStarted",
        State.IN_PROGRESS: "inProgress",
        State.FAILED: "inProgress",
        State.COMPLETED: "completed",
    }

    class Meta:
        model = TrainSession
        fields = [
            "id",
            "course",
            "learner",
            "status",
            "createdAtTime",
            "createdById",
            "updatedAtTime",
            "updatedById",
            "durationMinutes",
            "startedAtTime",
            "completedAtTime",
            "dueAtTime",
            "deletedAtTime",
            "isOverdue",
            "isCompletedLate",
            "scorePercent",
        ]

    def get_status(self, record: TrainSession) -> str:
        return self.STATUSES[State(record.state)]

    def get_durationMinutes(self, record: TrainSession) -> int:  # noqa: N802 - the key's name
        return int(record.time_spent * 60)

    def get_isOverdue(self, record: TrainSession) -> bool | None:  # noqa: N802
        return record.overdue if record.due_at and record.state != State.COMPLETED else None

    def get_isCompletedLate(self, record: TrainSession) -> bool | None:  # noqa: N802
        return record.completed_at > record.due_at if record.due_at and record.completed_at else None

    def get_scorePercent(self, record: TrainSession) -> float | None:  # noqa: N802
        return float(record.score) if record.state == State.COMPLETED and record.score is not None else None

    def to_representation(self, instance: TrainSession) -> dict[str, Any]:
        return {key: value for key, value in super().to_representation(instance).items() if value is not None}


class CourseSerializer(serializers.ModelSerializer[Course]):
    category = serializers.CharField(source="category.slug")
    duration_hours = serializers.FloatField()
    cost_per_participant = serializers.FloatField()
    pass_score = serializers.FloatField()
    total_sessions = serializers.IntegerField()
    total_enrollments = serializers.IntegerField()
    created_at = InstantField()

    class Meta:
        model = Course
        fields = [
            "id",
            "title",
            "category",
            "delivery_mode",
            "duration_hours",
            "cost_per_participant",
            "provider",
            "provider_name",
            "pass_score",
            "total_sessions",
            "total_enrollments",
            "created_at",
        ]


class CourseTitle(serializers.ModelSerializer[Course]):
    class Meta:
        model = Course
        fields = ["id", "title"]


class PersonName(serializers.ModelSerializer[Person]):
    full_name = serializers.CharField()

    class Meta:
        model = Person
        fields = ["id", "full_name"]


class SessionSerializer(serializers.ModelSerializer[Session]):
    course = CourseTitle()
    session_name = serializers.CharField(source="name")
    start_date = InstantField(source="starts_at")
    end_date = InstantField(source="ends_at")
    facilitator = PersonName()
    enrolled_count = serializers.IntegerField()
    available_spots = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = [
            "id",
            "course",
            "session_name",
            "start_date",
            "end_date",
            "location",
            "facilitator",
            "max_participants",
            "enrolled_count",
            "available_spots",
            "status",
        ]

    def get_available_spots(self, session: Any) -> int | None:
        return None if session.max_participants is None else max(session.max_participants - session.enrolled_count, 0)


class EnrolledPerson(serializers.ModelSerializer[Person]):
    full_name = serializers.CharField()

    class Meta:
        model = Person
        fields = ["id", "employee_id", "full_name"]


class EnrolledSession(serializers.ModelSerializer[Session]):
    course = CourseTitle()
    start_date = DayField(source="starts_at")

    class Meta:
        model = Session
        fields = ["id", "course", "start_date", "location"]


class EnrollmentSerializer(serializers.ModelSerializer[Enrollment]):
    employee = EnrolledPerson(source="person")
    session = EnrolledSession()
    score = serializers.FloatField()
    enrolled_at = InstantField()
    completed_at = InstantField()

    class Meta:
        model = Enrollment
        fields = [
            "id",
            "employee",
            "session",
            "status",
            "score",
            "passed",
            "feedback",
            "enrolled_at",
            "completed_at",
        ]


class EmployeeSerializer(serializers.ModelSerializer[Person]):
    full_name = serializers.CharField()
    email = serializers.CharField(source="mail")
    created_at = InstantField()

    class Meta:
        model = Person
        fields = [
            "id",
            "employee_id",
            "full_name",
            "first_name",
            "last_name",
            "email",
            "username",
            "kind",
            "active",
            "created_at",
        ]


class ModuleSerializer(serializers.ModelSerializer[Module]):
    _id = serializers.CharField(source="hex_id")

    class Meta:
        model = Module
        fields = ["_id", "type"]


class UserSerializer(serializers.ModelSerializer[Person]):
    _id = serializers.CharField(source="hex_id")

    class Meta:
        model = Person
        fields = ["_id", "mail"]


class ProgramSessionSerializer(serializers.ModelSerializer[ProgramSession]):
    """Over what the view prefetches."""

    _id = serializers.CharField(source="hex_id")
    programTemplate = serializers.CharField(source="template.hex_id")  # noqa: N815
    author = serializers.CharField(source="author_mail")
    templateCustom = serializers.CharField(source="template_custom")  # noqa: N815
    sessionCustom = serializers.CharField(source="session_custom")  # noqa: N815
    tutors = serializers.SerializerMethodField()
    customFields = serializers.JSONField(source="custom_fields")  # noqa: N815
    startDate = MillisecondsField(source="starts_at")  # noqa: N815
    endDate = MillisecondsField(source="ends_at")  # noqa: N815
    modifiedAt = MillisecondsField(source="modified_at")  # noqa: N815
    automatedReminders = serializers.BooleanField(source="automated_reminders")  # noqa: N815
    hasUserLimit = serializers.BooleanField(source="has_user_limit")  # noqa: N815
    validateRegistrations = serializers.BooleanField(source="validate_registrations")  # noqa: N815
    requirements = serializers.SerializerMethodField()
    programDuration = serializers.FloatField(source="program_duration")  # noqa: N815
    programDurationType = serializers.ReadOnlyField(default="hour")  # noqa: N815
    userLimit = serializers.IntegerField(source="user_limit")  # noqa: N815
    modules = ModuleSerializer(many=True, source="template.modules")
    users = serializers.SerializerMethodField()

    class Meta:
        model = ProgramSession
        fields = [
            "_id",
            "programTemplate",
            "name",
            "description",
            "author",
            "lang",
            "templateCustom",
            "sessionCustom",
            "tutors",
            "customFields",
            "skills",
            "startDate",
            "endDate",
            "modifiedAt",
            "automatedReminders",
            "hasUserLimit",
            "validateRegistrations",
            "requirements",
            "programDuration",
            "programDurationType",
            "userLimit",
            "modules",
            "groups",
            "users",
        ]

    def get_tutors(self, session: ProgramSession) -> list[str]:
        return [tutor.person.mail for tutor in session.tutors.all()]

    def get_requirements(self, session: ProgramSession) -> dict[str, list[str]]:
        rows = session.requirements.all()
        return {
            "courses": [row.course.hex_id for row in rows if row.course],
            "programs": [row.template.hex_id for row in rows if row.template],
            "paths": session.required_paths,
        }

    def get_users(self, session: Any) -> Any:
        return UserSerializer([member.person for member in session.current_members], many=True).data

    def to_representation(self, instance: ProgramSession) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not instance.has_user_limit:
            del shown["userLimit"]
        if instance.program_duration is None:
            del shown["programDurationType"]
        return shown
