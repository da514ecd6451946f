"""The Training Assignments API: parse → service or selector → present."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from accounts.actors import Actor
from accounts.api.bodies import StrictSerializer, read_body
from accounts.api.endpoint import Endpoint
from accounts.api.errors import ApiError
from accounts.api.filters import UuidListFilter, read_instant, read_uuid
from accounts.api.openapi import NOTHING, documented
from accounts.api.query import Given, read_query, shown
from accounts.api.resource import Chunk, Selection
from accounts.errors import PeopleInactive
from accounts.models import Person
from accounts.scopes import Scope
from enrollments.models import Course
from training import selectors
from training.api.assignments import serializers
from training.api.assignments.cursor import fingerprint, instant_of, read_cursor, write_cursor
from training.api.assignments.dialect import AssignmentsDialect
from training.api.assignments.serializers import ASSIGNMENTS, COURSES, CURSOR, IDS_IN_A_CALL
from training.errors import CourseNotAssignable, RecordsNotOpen
from training.filters import LEARNER_ID, AssignmentFilter, TrainingCourseFilter, read_learner
from training.models import TrainSession
from training.selectors import Position
from training.services import records

Item = TypeVar("Item")

AFTER = OpenApiParameter("after", CURSOR, description="The `endCursor` of the page before.")
IDS = OpenApiParameter(
    "ids",
    {"type": "array", "items": UuidListFilter.schema, "minItems": 1, "maxItems": IDS_IN_A_CALL},
    required=True,
    description="Assignment uuids, comma separated or repeated; at most 100.",
)
DUE = OpenApiParameter(
    "dueAtTime", {"type": "string", "format": "date-time"}, required=True, description="RFC 3339; offsets are allowed."
)


class NoBody(StrictSerializer):
    """Everything is in the query string: an empty object, or no body."""


class AssignmentsEndpoint(Endpoint):
    dialect = AssignmentsDialect()

    def page(self, rows: "Sequence[dict[str, Any]]", cursor: str, *, more: bool) -> HttpResponse:
        return self.json({"data": rows, "pagination": {"endCursor": cursor, "hasNextPage": more}})

    def query(self, *known: str, repeatable: "Sequence[str]" = ()) -> Given:
        given = read_query(self.http, known=known, repeatable=repeatable)
        read_body(self.http, NoBody, optional=True)
        return given

    def required(self, given: Given, name: str) -> str:
        if name not in given:
            raise ApiError.bad_query({name: ["Required."]})
        return ",".join(given[name])


def parsed(name: str, text: str, reader: "Any", accepted: str) -> Any:
    """One value of the query. Raises ApiError 400, naming it and what is accepted."""
    try:
        return reader(text)
    except ValueError as error:
        raise ApiError.bad_query({name: [f"{shown(text)!r} is not accepted. Give {accepted}."]}) from error


def instant_in(given: Given, name: str) -> datetime | None:
    if name not in given:
        return None
    found: datetime = parsed(name, given[name][0], read_instant, "an RFC 3339 time such as 2019-06-13T19:08:25Z")
    return found


def several(name: str, text: str, reader: "Any", accepted: str) -> list[Any]:
    """From 1 to 100 values, duplicates collapsed."""
    found = [parsed(name, item.strip(), reader, accepted) for item in text.split(",") if item.strip()]
    if not found:
        raise ApiError.bad_query({name: ["Required."]})
    if len(found) > IDS_IN_A_CALL:
        raise ApiError.bad_query({name: [f"At most {IDS_IN_A_CALL}; {len(found)} were given."]})
    return list(dict.fromkeys(found))


class FeedViewSet(AssignmentsEndpoint):
    @documented(
        "Get a stream of training assignments",
        "Every change of every assignment in `[startTime, endTime)`, in the order of the changes; unassigned ones "
        "carry `deletedAtTime`. Without `endTime`, keep asking with the `endCursor`: nothing is ever missed.",
        answers=serializers.AssignmentPage,
        filters=AssignmentFilter,
        parameters=[
            AFTER,
            OpenApiParameter(
                "startTime", {"type": "string", "format": "date-time"}, description="RFC 3339; now if absent."
            ),
            OpenApiParameter("endTime", {"type": "string", "format": "date-time"}, description="RFC 3339, exclusive."),
        ],
    )
    def stream(self, request: Request) -> HttpResponse:
        filters = set(AssignmentFilter.base_filters)
        given = read_query(
            self.http, known=filters | {"after", "startTime", "endTime"}, repeatable=AssignmentFilter.repeatable()
        )
        conditions = AssignmentFilter.asked(given, self.organization)
        start, end = instant_in(given, "startTime"), instant_in(given, "endTime")
        tied_to = fingerprint(self.organization, {**conditions.canonical, "endTime": end})
        if "after" in given:
            at, pk = read_cursor("feed", given["after"][0], tied_to)
            behind = Position(instant_of(at), int(str(pk)))
        else:
            behind = Position(start or selectors.present(self.organization))
            if end is not None and end < behind.at:
                raise ApiError.bad_query({"endTime": ["It lies before startTime, which is now unless it is given."]})
        records.mark_overdue(organization=self.organization, actor=Actor.system())
        return self.changes(ASSIGNMENTS.of(self.organization, conditions), behind, end, tied_to)

    def changes(self, chosen: Selection, behind: Position, end: datetime | None, tied_to: str) -> HttpResponse:
        size = settings.FEED_PAGE_SIZE
        found = self.next(chosen, behind, end)
        over = False
        if end is not None and len(found.keys) <= size:
            # Before the window is called complete, whoever is about to commit in it is waited for, and read.
            over = selectors.window_is_over(self.organization, end)
            found = self.next(chosen, behind, end)
        page = found.objects[:size]
        if page:
            behind = Position(page[-1].updatedAtTime, found.keys[len(page) - 1])
        more = len(found.keys) > size or not over
        cursor = write_cursor("feed", tied_to, [behind.at.isoformat(), behind.pk]) if more else ""
        return self.page(page, cursor, more=more)

    def next(self, chosen: Selection, behind: Position, end: datetime | None) -> Chunk:
        """The changes of a page, and one more if there is one."""
        arrange = selectors.changes if end is None else selectors.changes_before
        return chosen.arranged(arrange, limit=settings.FEED_PAGE_SIZE + 1, at=behind.at, pk=behind.pk, before=end)


class AssignmentViewSet(AssignmentsEndpoint):
    @documented(
        "Create training assignments",
        "A person who holds an open assignment of the course keeps it unchanged.",
        takes=NOTHING,
        answers=serializers.CreatedAssignmentsAnswer,
        parameters=[
            OpenApiParameter(
                "courseId", {"type": "string", "format": "uuid"}, required=True, description="The course."
            ),
            DUE,
            OpenApiParameter(
                "learnerIds",
                {"type": "array", "items": LEARNER_ID, "minItems": 1, "maxItems": IDS_IN_A_CALL},
                required=True,
                description="Learners, comma separated or repeated; at most 100.",
            ),
        ],
    )
    def create(self, request: Request) -> HttpResponse:
        given = self.query("courseId", "dueAtTime", "learnerIds", repeatable=["learnerIds"])
        course_id = parsed("courseId", self.required(given, "courseId"), read_uuid, "a uuid")
        self.required(given, "dueAtTime")
        learners = several("learnerIds", self.required(given, "learnerIds"), read_learner, "ids such as driver-281474")
        course = Course.objects.of(self.organization).filter(uuid=course_id).first()
        if course is None:
            raise ApiError.bad_query({"courseId": [f"There is no course {course_id}."]})
        people = selectors.people_by_learner(self.organization, learners)
        if unknown := [f"{kind}-{number}" for kind, number in learners if (kind, number) not in people]:
            raise ApiError.bad_query({"learnerIds": [f"There is no learner {name}." for name in unknown]})
        by_pk = {person.pk: person for person in people.values()}
        with in_their_own_ids(course, by_pk):
            assigned = records.assign(
                organization=self.organization,
                actor=self.actor,
                course_id=course.pk,
                person_ids=[people[learner].pk for learner in learners],
                due_at=instant_in(given, "dueAtTime"),
            )
        return self.json(
            {
                "data": [
                    serializers.present_created(one.record, by_pk[one.record.person_id], existing=one.existing)
                    for one in assigned
                ]
            }
        )

    @documented(
        "Move the due time of training assignments",
        takes=NOTHING,
        answers=serializers.AssignmentsAnswer,
        parameters=[IDS, DUE],
    )
    def partial_update(self, request: Request) -> HttpResponse:
        given = self.query("ids", "dueAtTime", repeatable=["ids"])
        self.required(given, "dueAtTime")
        found = self.named(given)
        with in_uuids(found):
            changed = records.change_due(
                organization=self.organization,
                actor=self.actor,
                record_ids=[record.pk for record in found.values()],
                due_at=instant_in(given, "dueAtTime"),
            )
        return self.json({"data": ASSIGNMENTS.of(self.organization).among([record.pk for record in changed])})

    @documented(
        "Delete training assignments",
        "All or nothing: 204 means that all are gone. One that is gone already is fine.",
        answers=None,
        status=204,
        parameters=[IDS],
    )
    def destroy(self, request: Request) -> HttpResponse:
        found = self.named(self.query("ids", repeatable=["ids"]))
        with in_uuids(found):
            records.unassign(
                organization=self.organization,
                actor=self.actor,
                ids=[record.pk for record in found.values()],
                reason="Deleted through the Training Assignments API",
                gone_is_fine=True,
            )
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response

    def named(self, given: Given) -> "dict[UUID, TrainSession]":
        """The records that `ids` name, in that order. Raises ApiError 400, naming those that name nothing."""
        uuids = several("ids", self.required(given, "ids"), read_uuid, "uuids")
        found = selectors.records_by_uuid(self.organization, uuids)
        if unknown := [uuid for uuid in uuids if uuid not in found]:
            raise ApiError.bad_query({"ids": [f"There is no assignment {uuid}." for uuid in unknown]})
        return {uuid: found[uuid] for uuid in uuids}


@contextmanager
def in_their_own_ids(course: Course, people: Mapping[int, Person]) -> Iterator[None]:
    """A refusal names the course and the learners as this family knows them: it shows no codes and no other ids."""
    try:
        yield
    except CourseNotAssignable as refusal:
        text = f"Course {course.uuid} is {refusal.status}; it cannot be assigned."
        raise ApiError.bad_query({"courseId": [text]}) from refusal
    except PeopleInactive as refusal:
        names = [serializers.learner_id(people[int(pk)]) for pk in refusal.ids]
        raise ApiError.bad_query({"learnerIds": [f"Learner {name} is inactive." for name in names]}) from refusal


@contextmanager
def in_uuids(found: "dict[UUID, TrainSession]") -> Iterator[None]:
    """A refusal of record ids names the uuids that this family knows them by."""
    uuid_of = {record.pk: uuid for uuid, record in found.items()}
    try:
        yield
    except RecordsNotOpen as refusal:
        gone = [f"There is no assignment {uuid_of[pk]}." for pk in refusal.unknown]
        completed = [f"Assignment {uuid_of[pk]} is completed; it stays as it is." for pk in refusal.completed]
        raise ApiError.bad_query({"ids": gone + completed}) from refusal


class TrainingCourseViewSet(AssignmentsEndpoint):
    read_scope = Scope.TRAINING_COURSES_READ

    @documented(
        "List training courses",
        answers=serializers.TrainingCoursePage,
        filters=TrainingCourseFilter,
        parameters=[AFTER],
    )
    def list(self, request: Request) -> HttpResponse:
        filters = set(TrainingCourseFilter.base_filters)
        given = read_query(self.http, known=filters | {"after"}, repeatable=TrainingCourseFilter.repeatable())
        conditions = TrainingCourseFilter.asked(given, self.organization)
        tied_to = fingerprint(self.organization, conditions.canonical)
        behind = int(str(read_cursor("courses", given["after"][0], tied_to)[0])) if "after" in given else None
        size = settings.FEED_PAGE_SIZE
        found = COURSES.of(self.organization, conditions).chunk(behind, size + 1)
        more = len(found.keys) > size
        cursor = write_cursor("courses", tied_to, [found.keys[size - 1]]) if more else ""
        return self.page(found.objects[:size], cursor, more=more)
