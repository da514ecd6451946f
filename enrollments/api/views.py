"""The Training API: parse → service or selector → present."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from accounts import selectors as people_selectors
from accounts.api.bodies import StrictSerializer, read_body
from accounts.api.endpoint import Endpoint
from accounts.api.errors import ApiError
from accounts.api.openapi import NOTHING, documented
from accounts.api.query import addresses_of_pages, read_page, read_query
from accounts.api.resource import Resource
from accounts.errors import FieldsRefused
from accounts.models import Person
from accounts.services import people as people_services
from enrollments import selectors
from enrollments.api import serializers
from enrollments.api.dialect import TrainingDialect
from enrollments.api.schema import ROWS_ON_A_PAGE, envelope, listing
from enrollments.api.serializers import IDS_IN_A_CALL
from enrollments.errors import TooManyIds
from enrollments.filters import CourseFilter, EmployeeFilter, EnrollmentFilter, SessionFilter
from enrollments.models import Category, Course, EnrollmentStatus, Session
from enrollments.services import catalogue, enrolling

PAGE_SIZE = 15
Row = TypeVar("Row", bound=Model)
Courses = list[Course]


class TrainingEndpoint(Endpoint):
    dialect = TrainingDialect()
    page_parameters = ("page", "per_page")

    def listed(self, resource: Resource[Any]) -> HttpResponse:
        """A page of the filtered rows in the family's envelope."""
        given = read_query(self.http, known={*resource.filters.base_filters, *self.page_parameters})
        page = read_page(given, size=PAGE_SIZE, max_size=ROWS_ON_A_PAGE)
        chosen = resource.of(self.organization, resource.filters.asked(given, self.organization))
        found, total = chosen.page(offset=page.offset, limit=page.size)
        last = max(-(-total // page.size), 1)
        meta = {
            "current_page": page.number,
            "last_page": last,
            "per_page": page.size,
            "total": total,
            "from": page.offset + 1 if found.objects else None,
            "to": page.offset + len(found.objects) if found.objects else None,
        }
        address = addresses_of_pages(self.http)
        links = {
            "first": address(1),
            "last": address(last),
            "prev": address(min(page.number - 1, last)) if page.number > 1 else None,
            "next": address(page.number + 1) if page.number < last else None,
        }
        return self.json({"success": True, "data": found.objects, "meta": meta, "links": links})

    def shown(self, resource: Resource[Any], pk: int, name: str) -> Any:
        """One row as the resource shows it. Raises ApiError 404."""
        found = resource.of(self.organization).among([pk])
        if not found:
            raise ApiError(404, [f"{name} not found."])
        return found[0]

    @property
    def context(self) -> dict[str, Any]:
        return {"zone": self.organization.zone}

    def success(self, data: object, message: str | None = None, status: int = 200) -> HttpResponse:
        said = {} if message is None else {"message": message}
        return self.json({"success": True, **said, "data": data}, status)

    def one(self, rows: "QuerySet[Row]", pk: str, name: str) -> Row:
        row = rows.filter(pk=self.object_id(pk)).first()
        if row is None:
            raise ApiError(404, [f"{name} not found."])
        return row

    def body(self, serializer_class: type[StrictSerializer], *, partial: bool = False) -> dict[str, Any]:
        self.no_query()
        return read_body(self.http, serializer_class, partial=partial)

    def referenced(self, rows: "QuerySet[Row]", pk: int, field: str) -> Row:
        """A row that a body names. Raises FieldsRefused."""
        row = rows.filter(pk=pk).first()
        if row is None:
            raise FieldsRefused({field: [f"There is no such row: {pk}."]})
        return row


@contextmanager
def in_words_of(columns: Mapping[str, str]) -> Iterator[None]:
    """A refusal of the ledger's columns names the body's own keys. `columns` are by key."""
    keys = {column: key for key, column in columns.items()}
    try:
        yield
    except FieldsRefused as refusal:
        raise FieldsRefused({keys.get(name, name): texts for name, texts in refusal.fields.items()}) from refusal


def renamed(values: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A body's values by the ledger's columns."""
    return {columns.get(name, name): value for name, value in values.items()}


class CourseViewSet(TrainingEndpoint):
    @documented("List courses", answers=listing(serializers.COURSES.serializer), filters=CourseFilter, paged=True)
    def list(self, request: Request) -> HttpResponse:
        return self.listed(serializers.COURSES)

    @documented("Get a course", answers=envelope(serializers.CourseDetailSerializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        return self.success(self.detail_of(self.one(selectors.courses(self.organization), pk, "Course")))

    @documented(
        "Create a course (ours)",
        takes=serializers.CourseBody,
        answers=envelope(serializers.CourseDetailSerializer, message=True),
        status=201,
    )
    def create(self, request: Request) -> HttpResponse:
        values, prerequisites = self.values(partial=False)
        course = catalogue.create_course(
            organization=self.organization, actor=self.actor, prerequisites=prerequisites or (), **values
        )
        return self.success(self.detail_of(self.fresh(course)), "Course created", status=201)

    @documented(
        "Change a course (ours)",
        takes=serializers.CourseBody,
        partial=True,
        answers=envelope(serializers.CourseDetailSerializer, message=True),
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        course = self.one(Course.objects.of(self.organization), pk, "Course")
        values, prerequisites = self.values(partial=True)
        course = catalogue.update_course(
            organization=self.organization,
            actor=self.actor,
            course=course,
            changes=values,
            prerequisites=prerequisites,
        )
        return self.success(self.detail_of(self.fresh(course)), "Course updated")

    def values(self, *, partial: bool) -> tuple[dict[str, Any], Courses | None]:
        values = self.body(serializers.CourseBody, partial=partial)
        if "category" in values:
            values["category"] = Category.objects.get(slug=values["category"])
        ids = values.pop("prerequisites", None)
        if ids is None:
            return values, None
        found = Course.objects.of(self.organization).in_bulk(ids)
        if unknown := [pk for pk in ids if pk not in found]:
            raise FieldsRefused({"prerequisites": [f"There is no course {pk}." for pk in unknown]})
        return values, list(found.values())

    def fresh(self, course: Course) -> Course:
        return selectors.courses(self.organization).get(pk=course.pk)

    def detail_of(self, course: Course) -> Any:
        context = {
            **self.context,
            "results": selectors.results(self.organization, course),
            "upcoming": selectors.upcoming_sessions(self.organization, course),
        }
        return serializers.CourseDetailSerializer(course, context=context).data


class SessionViewSet(TrainingEndpoint):
    @documented("List sessions", answers=listing(serializers.SESSIONS.serializer), filters=SessionFilter, paged=True)
    def list(self, request: Request) -> HttpResponse:
        return self.listed(serializers.SESSIONS)

    @documented("Get a session (ours)", answers=envelope(serializers.SESSIONS.serializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        return self.success(self.shown(serializers.SESSIONS, self.object_id(pk), "Session"))

    @documented(
        "Create a session (ours)",
        takes=serializers.SessionBody,
        answers=envelope(serializers.SESSIONS.serializer, message=True),
        status=201,
    )
    def create(self, request: Request) -> HttpResponse:
        values = self.values(partial=False)
        with in_words_of(serializers.SessionBody.columns):
            session = catalogue.create_session(organization=self.organization, actor=self.actor, **values)
        return self.success(self.shown(serializers.SESSIONS, session.pk, "Session"), "Session created", status=201)

    @documented(
        "Change a session (ours)",
        "Lowering `max_participants` below the seats taken is refused. Cancelling a session cancels whoever is still "
        "enrolled in it; a cancelled session stays cancelled.",
        takes=serializers.SessionBody,
        partial=True,
        answers=envelope(serializers.SESSIONS.serializer, message=True),
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        found = self.one(Session.objects.of(self.organization), pk, "Session")
        values = self.values(partial=True)
        with in_words_of(serializers.SessionBody.columns):
            session = catalogue.update_session(
                organization=self.organization, actor=self.actor, session_id=found.pk, changes=values
            )
        return self.success(self.shown(serializers.SESSIONS, session.pk, "Session"), "Session updated")

    def values(self, *, partial: bool) -> dict[str, Any]:
        values = self.body(serializers.SessionBody, partial=partial)
        if "course_id" in values:
            courses = Course.objects.of(self.organization)
            values["course"] = self.referenced(courses, values.pop("course_id"), "course_id")
        if values.get("facilitator_id") is not None:
            people = Person.objects.of(self.organization)
            values["facilitator"] = self.referenced(people, values.pop("facilitator_id"), "facilitator_id")
        elif "facilitator_id" in values:
            values["facilitator"] = values.pop("facilitator_id")
        return renamed(values, serializers.SessionBody.columns)


class EnrollmentViewSet(TrainingEndpoint):
    @documented(
        "List enrollments", answers=listing(serializers.ENROLLMENTS.serializer), filters=EnrollmentFilter, paged=True
    )
    def list(self, request: Request) -> HttpResponse:
        return self.listed(serializers.ENROLLMENTS)

    @documented("Get an enrollment (ours)", answers=envelope(serializers.ENROLLMENT_DETAILS.serializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        return self.success(self.shown(serializers.ENROLLMENT_DETAILS, self.object_id(pk), "Enrollment"))

    @documented(
        "Create enrollments",
        "All or nothing. Duplicate ids collapse; the answer's order is the request's. At most 1,000 ids.",
        takes=serializers.EnrollBody,
        answers=envelope(serializers.EnrolledSerializer, message=True),
        status=201,
    )
    def create(self, request: Request) -> HttpResponse:
        body = self.body(serializers.EnrollBody)
        ids = body["employee_ids"]
        if len(set(ids)) > IDS_IN_A_CALL:
            raise TooManyIds(given=len(set(ids)), limit=IDS_IN_A_CALL)
        enrolled = enrolling.enroll(
            organization=self.organization, actor=self.actor, session_id=body["session_id"], person_ids=ids
        )
        count = len(enrolled.enrollments)
        data = {
            "enrolled_count": count,
            "enrollments": [serializers.EnrolledRow(row).data for row in enrolled.enrollments],
            "session_available_spots": enrolled.available_spots,
        }
        people = "1 employee" if count == 1 else f"{count} employees"
        return self.success(data, f"{people} enrolled successfully", status=201)

    @documented(
        "Mark an enrollment as complete",
        "The same values again answer the same; anything else on a finished or cancelled enrollment is a 409.",
        takes=serializers.CompleteBody,
        bodiless=True,
        answers=envelope(serializers.CompletedEnrollmentSerializer, message=True),
    )
    def complete(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        body = read_body(self.http, serializers.CompleteBody, optional=True)
        enrollment = enrolling.complete(
            organization=self.organization, actor=self.actor, enrollment_id=self.object_id(pk), **body
        )
        word = "failed" if enrollment.status == EnrollmentStatus.FAILED else "completed"
        data = serializers.CompletedEnrollmentSerializer(enrollment, context=self.context).data
        return self.success(data, f"Enrollment marked as {word}")

    @documented(
        "Cancel an enrollment (ours)",
        "Frees the seat. Cancelling again answers the same; a finished enrollment is a 409.",
        takes=NOTHING,
        answers=envelope(serializers.ENROLLMENT_DETAILS.serializer, message=True),
    )
    def cancel(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        read_body(self.http, serializers.CancelBody, optional=True)
        enrollment = enrolling.cancel(
            organization=self.organization, actor=self.actor, enrollment_id=self.object_id(pk)
        )
        shown = self.shown(serializers.ENROLLMENT_DETAILS, enrollment.pk, "Enrollment")
        return self.success(shown, "Enrollment cancelled")


class EmployeeViewSet(TrainingEndpoint):
    @documented(
        "List employees (ours)", answers=listing(serializers.EMPLOYEES.serializer), filters=EmployeeFilter, paged=True
    )
    def list(self, request: Request) -> HttpResponse:
        return self.listed(serializers.EMPLOYEES)

    @documented("Get an employee (ours)", answers=envelope(serializers.EMPLOYEES.serializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        return self.success(self.shown(serializers.EMPLOYEES, self.object_id(pk), "Employee"))

    @documented(
        "Create an employee (ours)",
        takes=serializers.EmployeeBody,
        answers=envelope(serializers.EMPLOYEES.serializer, message=True),
        status=201,
    )
    def create(self, request: Request) -> HttpResponse:
        values = renamed(self.body(serializers.EmployeeBody), serializers.EmployeeBody.columns)
        with in_words_of(serializers.EmployeeBody.columns):
            person = people_services.create_person(organization=self.organization, actor=self.actor, **values)
        return self.success(self.shown(serializers.EMPLOYEES, person.pk, "Employee"), "Employee created", status=201)

    @documented(
        "Change an employee (ours)",
        takes=serializers.EmployeeBody,
        partial=True,
        answers=envelope(serializers.EMPLOYEES.serializer, message=True),
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        person = self.one(people_selectors.people(self.organization), pk, "Employee")
        values = renamed(self.body(serializers.EmployeeBody, partial=True), serializers.EmployeeBody.columns)
        with in_words_of(serializers.EmployeeBody.columns):
            person = people_services.update_person(
                organization=self.organization, actor=self.actor, person=person, changes=values
            )
        return self.success(self.shown(serializers.EMPLOYEES, person.pk, "Employee"), "Employee updated")
