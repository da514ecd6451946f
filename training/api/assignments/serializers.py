"""The Training Assignments API's shapes: keys that do not apply are absent."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from drf_spectacular.utils import extend_schema_serializer, inline_serializer
from rest_framework import serializers

from accounts.api.fields import ColumnField, NumberField, ShownField, column_of, described, several
from accounts.api.rendering import number
from accounts.api.resource import Column, Nested, Resource, Shape
from accounts.models import Person, PersonKind
from enrollments.models import Category, Course, CourseStatus
from training import selectors
from training.filters import ASSIGNMENT_STATUSES, LEARNER_ID, AssignmentFilter, TrainingCourseFilter
from training.models import State, TrainSession

IDS_IN_A_CALL = 100
# As accounts.actors writes them.
ACTOR: dict[str, Any] = {"type": "string", "pattern": "^(user|token)-[0-9]{1,19}$"}
# Signed, and empty where there is no next page.
CURSOR: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z0-9._:-]*$", "maxLength": 500}
STATUS_OF = {str(state): word for word, states in ASSIGNMENT_STATUSES.items() for state in states}


def rfc3339(value: datetime) -> str:
    """UTC, with six decimals where there are any, so that a due time comes back as it was given."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


_COURSE = Nested(
    "AssignedCourse",
    {
        "id": Column(serializers.UUIDField(), "course__uuid"),
        "revisionId": Column(serializers.UUIDField(), "course__revision"),
    },
)
_LEARNER = Nested(
    "LearnerReference",
    {
        "id": Column(ShownField(LEARNER_ID), "person__kind", "person_id", show="{}-{}".format),
        "type": Column(serializers.ChoiceField(choices=PersonKind.values), "person__kind"),
    },
)


def _course(course: Course) -> dict[str, Any]:
    return {"id": course.uuid, "revisionId": course.revision}


def _learner(person: Person) -> dict[str, Any]:
    return {"id": learner_id(person), "type": person.kind}


def learner_id(person: Person) -> str:
    return f"{person.kind}-{person.pk}"


def _assignment(_zone: tzinfo | None) -> Shape:
    absent = serializers.DateTimeField(required=False)
    return {
        "id": Column(serializers.UUIDField(), "uuid"),
        "course": _COURSE,
        "learner": _LEARNER,
        "status": Column(
            serializers.ChoiceField(choices=list(ASSIGNMENT_STATUSES)), "state", show=STATUS_OF.__getitem__
        ),
        "createdAtTime": Column(serializers.DateTimeField(), "created_at"),
        "createdById": Column(ShownField(ACTOR), "created_by"),
        "updatedAtTime": Column(serializers.DateTimeField(), "updated_at"),
        "updatedById": Column(ShownField(ACTOR), "updated_by"),
        "durationMinutes": Column(ShownField(_minutes_of(TrainSession, "time_spent")), "time_spent", show=_minutes),
        "startedAtTime": Column(absent, "state", "started_at", show=_begun),
        "completedAtTime": Column(absent, "completed_at"),
        "dueAtTime": Column(absent, "due_at"),
        "deletedAtTime": Column(absent, "unassigned_at"),
        "isOverdue": Column(serializers.BooleanField(required=False), "state", "due_at", "overdue", show=_overdue),
        "isCompletedLate": Column(serializers.BooleanField(required=False), "due_at", "completed_at", show=_late),
        "scorePercent": Column(
            NumberField(TrainSession, "score", allow_null=False, required=False), "state", "score", show=_final_score
        ),
    }


def _minutes(hours: Decimal) -> int:
    return int(hours * 60)


def _minutes_of(model: type[models.Model], hours: str) -> dict[str, Any]:
    """What a column of hours can come to."""
    column = described(column_of(model, hours))
    return {"type": "integer", **{bound: _minutes(Decimal(str(column[bound]))) for bound in ("minimum", "maximum")}}


def _begun(state: str, started_at: datetime | None) -> datetime | None:
    return None if state == State.ASSIGNED else started_at


def _overdue(state: str, due_at: datetime | None, overdue: bool) -> bool | None:  # noqa: FBT001 - a column's value
    return None if due_at is None or state == State.COMPLETED else overdue


def _late(due_at: datetime | None, completed_at: datetime | None) -> bool | None:
    return None if due_at is None or completed_at is None else completed_at > due_at


def _final_score(state: str, score: Decimal | None) -> int | float | None:
    return number(score) if state == State.COMPLETED else None


ASSIGNMENTS = Resource("Assignment", selectors.all_records, _assignment, filters=AssignmentFilter)


class CreatedAssignmentSerializer(serializers.Serializer[TrainSession]):
    id = serializers.UUIDField()
    course = _COURSE.serializer()()
    learner = _LEARNER.serializer()()
    createdAtTime = serializers.DateTimeField()
    createdById = ShownField(ACTOR)
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


def _training_course(_zone: tzinfo | None) -> Shape:
    return {
        "id": Column(serializers.UUIDField(), "uuid"),
        "revisionId": Column(serializers.UUIDField(), "revision"),
        "title": Column(ColumnField(Course, "title"), "title"),
        "description": Column(
            ShownField({"type": "string", "minLength": 1}, required=False),
            "description",
            show=lambda text: text or None,
        ),
        "status": Column(serializers.ChoiceField(choices=CourseStatus.values), "status"),
        "category": Nested(
            "Category",
            {
                "id": Column(serializers.UUIDField(), "category__uuid"),
                "name": Column(ColumnField(Category, "name"), "category__name"),
            },
        ),
        "estimatedTimeToCompleteMinutes": Column(
            ShownField(_minutes_of(Course, "duration_hours")), "duration_hours", show=_minutes
        ),
    }


COURSES = Resource("TrainingCourse", selectors.courses, _training_course, filters=TrainingCourseFilter)


class Pagination(serializers.Serializer[Any]):
    endCursor = ShownField(CURSOR)
    hasNextPage = serializers.BooleanField()


# `data` is a word of DRF's, so these cannot be classes.
AssignmentPage = inline_serializer(
    "AssignmentPage",
    {"data": several(ASSIGNMENTS.serializer, most=settings.FEED_PAGE_SIZE), "pagination": Pagination()},
)
TrainingCoursePage = inline_serializer(
    "TrainingCoursePage",
    {"data": several(COURSES.serializer, most=settings.FEED_PAGE_SIZE), "pagination": Pagination()},
)
# One page, though an action named `list` answers it.
extend_schema_serializer(many=False)(type(TrainingCoursePage))
AssignmentsAnswer = inline_serializer(
    "Assignments", {"data": several(ASSIGNMENTS.serializer, least=1, most=IDS_IN_A_CALL)}
)
CreatedAssignmentsAnswer = inline_serializer(
    "CreatedAssignments", {"data": several(CreatedAssignmentSerializer, least=1, most=IDS_IN_A_CALL)}
)
