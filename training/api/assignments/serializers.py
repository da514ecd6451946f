"""The Training Assignments API's shapes: keys that do not apply are absent."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_serializer, inline_serializer
from rest_framework import serializers

from accounts.api.rendering import number
from accounts.models import Person, PersonKind
from enrollments.models import Course, CourseStatus
from training.filters import ASSIGNMENT_STATUSES
from training.models import State, TrainSession

STATUS_OF = {str(state): word for word, states in ASSIGNMENT_STATUSES.items() for state in states}


def rfc3339(value: datetime) -> str:
    """UTC, with six decimals where there are any, so that a due time comes back as it was given."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class AssignedCourse(serializers.Serializer[Course]):
    id = serializers.UUIDField()
    revisionId = serializers.UUIDField()


class LearnerReference(serializers.Serializer[Person]):
    id = serializers.RegexField(r"^(driver|user)-[0-9]+$")
    type = serializers.ChoiceField(choices=PersonKind.values)


class AssignmentSerializer(serializers.Serializer[TrainSession]):
    """The shape that `present_assignment` makes (a test holds it to this)."""

    id = serializers.UUIDField()
    course = AssignedCourse()
    learner = LearnerReference()
    status = serializers.ChoiceField(choices=list(ASSIGNMENT_STATUSES))
    createdAtTime = serializers.DateTimeField()
    createdById = serializers.CharField()
    updatedAtTime = serializers.DateTimeField()
    updatedById = serializers.CharField()
    durationMinutes = serializers.IntegerField(min_value=0)
    startedAtTime = serializers.DateTimeField(required=False)
    completedAtTime = serializers.DateTimeField(required=False)
    dueAtTime = serializers.DateTimeField(required=False)
    deletedAtTime = serializers.DateTimeField(required=False)
    isOverdue = serializers.BooleanField(required=False)
    isCompletedLate = serializers.BooleanField(required=False)
    scorePercent = serializers.FloatField(required=False, min_value=0, max_value=100)


def _course(course: Course) -> dict[str, Any]:
    return {"id": course.uuid, "revisionId": course.revision}


def _learner(person: Person) -> dict[str, Any]:
    return {"id": learner_id(person), "type": person.kind}


def learner_id(person: Person) -> str:
    return f"{person.kind}-{person.pk}"


def present_assignment(record: TrainSession) -> dict[str, Any]:
    completed = record.state == State.COMPLETED
    shown: dict[str, Any] = {
        "id": record.uuid,
        "course": _course(record.course),
        "learner": _learner(record.person),
        "status": STATUS_OF[record.state],
        "createdAtTime": rfc3339(record.created_at),
        "createdById": record.created_by,
        "updatedAtTime": rfc3339(record.updated_at),
        "updatedById": record.updated_by,
        "durationMinutes": int(record.time_spent * 60),
    }
    if record.state != State.ASSIGNED and record.started_at is not None:
        shown["startedAtTime"] = rfc3339(record.started_at)
    if record.completed_at is not None:
        shown["completedAtTime"] = rfc3339(record.completed_at)
    if record.due_at is not None:
        shown["dueAtTime"] = rfc3339(record.due_at)
    if record.unassigned_at is not None:
        shown["deletedAtTime"] = rfc3339(record.unassigned_at)
    if record.due_at is not None and not completed:
        shown["isOverdue"] = record.overdue
    if record.due_at is not None and record.completed_at is not None:
        shown["isCompletedLate"] = record.completed_at > record.due_at
    if completed and record.score is not None:
        shown["scorePercent"] = number(record.score)
    return shown


class CreatedAssignmentSerializer(serializers.Serializer[TrainSession]):
    id = serializers.UUIDField()
    course = AssignedCourse()
    learner = LearnerReference()
    createdAtTime = serializers.DateTimeField()
    createdById = serializers.CharField()
    dueAtTime = serializers.DateTimeField(required=False)
    isExistingAssignment = serializers.BooleanField()


def present_created(record: TrainSession, person: Person, *, existing: bool) -> dict[str, Any]:
    due = {} if record.due_at is None else {"dueAtTime": rfc3339(record.due_at)}
    return {
        "id": record.uuid,
        "course": _course(record.course),
        "learner": _learner(person),
        "createdAtTime": rfc3339(record.created_at),
        "createdById": record.created_by,
        **due,
        "isExistingAssignment": existing,
    }


class CategorySerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class TrainingCourseSerializer(serializers.Serializer[Course]):
    id = serializers.UUIDField()
    revisionId = serializers.UUIDField()
    title = serializers.CharField()
    description = serializers.CharField(required=False)
    status = serializers.ChoiceField(choices=CourseStatus.values)
    category = CategorySerializer()
    estimatedTimeToCompleteMinutes = serializers.IntegerField(min_value=0)


def present_course(course: Course) -> dict[str, Any]:
    description = {"description": course.description} if course.description else {}
    return {
        "id": course.uuid,
        "revisionId": course.revision,
        "title": course.title,
        **description,
        "status": course.status,
        "category": {"id": course.category.uuid, "name": course.category.name},
        "estimatedTimeToCompleteMinutes": int(course.duration_hours * 60),
    }


class Pagination(serializers.Serializer[Any]):
    endCursor = serializers.CharField(allow_blank=True)
    hasNextPage = serializers.BooleanField()


# `data` is a word of DRF's, so these cannot be classes.
AssignmentPage = inline_serializer(
    "AssignmentPage", {"data": AssignmentSerializer(many=True), "pagination": Pagination()}
)
TrainingCoursePage = inline_serializer(
    "TrainingCoursePage", {"data": TrainingCourseSerializer(many=True), "pagination": Pagination()}
)
# One page, though an action named `list` answers it.
extend_schema_serializer(many=False)(type(TrainingCoursePage))
AssignmentsAnswer = inline_serializer("Assignments", {"data": AssignmentSerializer(many=True)})
CreatedAssignmentsAnswer = inline_serializer("CreatedAssignments", {"data": CreatedAssignmentSerializer(many=True)})
