"""The Training API: parse → service or selector → present."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from accounts import selectors as people_selectors
from accounts.api.bodies import StrictSerializer, read_body
from accounts.api.endpoint import Endpoint
from accounts.api.errors import ApiError
from accounts.api.filters import StrictFilterSet
from accounts.api.openapi import documented
from accounts.api.query import read_page, read_query, with_query
from accounts.errors import FieldsRefused
from accounts.models import Person
from accounts.services import people as people_services
from enrollments import selectors
from enrollments.api import serializers
from enrollments.api.dialect import TrainingDialect
from enrollments.api.schema import envelope, listing
from enrollments.errors import TooManyIds
from enrollments.filters import CourseFilter, EmployeeFilter, EnrollmentFilter, SessionFilter
from enrollments.models import Category, Course, Enrollment, EnrollmentStatus, Session
from enrollments.services import catalogue, enrolling

PAGE_SIZE, BIGGEST_PAGE = 15, 100
IDS_IN_A_CALL = 1000
Row = TypeVar("Row", bound=Model)
Courses = list[Course]


class TrainingEndpoint(Endpoint):
    dialect = TrainingDialect()
    page_parameters = ("page", "per_page")

    def listed(
        self,
        filterset_class: type[StrictFilterSet[Any]],
        rows: "QuerySet[Any]",
        serializer: type[BaseSerializer[Any]],
    ) -> HttpResponse:
        """A page of the filtered rows in the family's envelope."""
        filters = set(filterset_class.base_filters)
        given = read_query(self.http, known=filters | set(self.page_parameters))
        page = read_page(given, size=PAGE_SIZE, max_size=BIGGEST_PAGE)
        filtered = filterset_class(
            {name: values for name, values in given.items() if name in filters},
            queryset=rows,
            organization=self.organization,
        ).rows()
        total = filtered.count()
        shown = list(filtered[page.offset : page.offset + page.size]) if page.offset < total else []
        last = max(-(-total // page.size), 1)
        meta = {
            "current_page": page.number,
            "last_page": last,
            "per_page": page.size,
            "total": total,
            "from": page.offset + 1 if shown else None,
            "to": page.offset + len(shown) if shown else None,
        }
        links = {
            "first": with_query(self.http, page=1),
            "last": with_query(self.http, page=last),
            "prev": with_query(self.http, page=min(page.number - 1, last)) if page.number > 1 else None,
            "next": with_query(self.http, page=page.number + 1) if page.number < last else None,
        }
        data = serializer(shown, many=True, context=self.context).data
        return self.json({"success": True, "data": data, "meta": meta, "links": links})

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
    @documented("List courses", answers=listing(serializers.CourseSerializer), filters=CourseFilter, paged=True)
    def list(self, request: Request) -> HttpResponse:
        return self.listed(CourseFilter, selectors.courses(self.organization), serializers.CourseSerializer)

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
    @documented("List sessions", answers=listing(serializers.SessionSerializer), filters=SessionFilter, paged=True)
    def list(self, request: Request) -> HttpResponse:
        return self.listed(SessionFilter, selectors.sessions(self.organization), serializers.SessionSerializer)

    @documented("Get a session (ours)", answers=envelope(serializers.SessionSerializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        session = self.one(selectors.sessions(self.organization), pk, "Session")
        return self.success(serializers.SessionSerializer(session, context=self.context).data)

    @documented(
        "Create a session (ours)",
        takes=serializers.SessionBody,
        answers=envelope(serializers.SessionSerializer, message=True),
        status=201,
    )
    def create(self, request: Request) -> HttpResponse:
        values = self.values(partial=False)
        with in_words_of(serializers.SessionBody.columns):
            session = catalogue.create_session(organization=self.organization, actor=self.actor, **values)
        return self.success(self.shown(session.pk), "Session created", status=201)

    @documented(
        "Change a session (ours)",
        "Lowering `max_participants` below the seats taken is refused. Cancelling a session cancels whoever is still "
        "enrolled in it; a cancelled session stays cancelled.",
        takes=serializers.SessionBody,
        partial=True,
        answers=envelope(serializers.SessionSerializer, message=True),
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        found = self.one(Session.objects.of(self.organization), pk, "Session")
        values = self.values(partial=True)
        with in_words_of(serializers.SessionBody.columns):
            session = catalogue.update_session(
                organization=self.organization, actor=self.actor, session_id=found.pk, changes=values
            )
        return self.success(self.shown(session.pk), "Session updated")

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

    def shown(self, pk: int) -> Any:
        session: Session = selectors.sessions(self.organization).get(pk=pk)
        return serializers.SessionSerializer(session, context=self.context).data


class EnrollmentViewSet(TrainingEndpoint):
    @documented(
        "List enrollments", answers=listing(serializers.EnrollmentSerializer), filters=EnrollmentFilter, paged=True
    )
    def list(self, request: Request) -> HttpResponse:
        rows = selectors.enrollments(self.organization)
        return self.listed(EnrollmentFilter, rows, serializers.EnrollmentSerializer)

    @documented("Get an enrollment (ours)", answers=envelope(serializers.EnrollmentDetailSerializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        enrollment = self.one(selectors.enrollments(self.organization), pk, "Enrollment")
        return self.success(self.detail_of(enrollment))

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
        takes=serializers.CancelBody,
        answers=envelope(serializers.EnrollmentDetailSerializer, message=True),
    )
    def cancel(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        read_body(self.http, serializers.CancelBody, optional=True)
        enrollment = enrolling.cancel(
            organization=self.organization, actor=self.actor, enrollment_id=self.object_id(pk)
        )
        return self.success(self.detail_of(enrollment), "Enrollment cancelled")

    def detail_of(self, enrollment: Enrollment) -> Any:
        return serializers.EnrollmentDetailSerializer(enrollment, context=self.context).data


class EmployeeViewSet(TrainingEndpoint):
    @documented(
        "List employees (ours)", answers=listing(serializers.EmployeeSerializer), filters=EmployeeFilter, paged=True
    )
    def list(self, request: Request) -> HttpResponse:
        rows = people_selectors.people(self.organization)
        return self.listed(EmployeeFilter, rows, serializers.EmployeeSerializer)

    @documented("Get an employee (ours)", answers=envelope(serializers.EmployeeSerializer))
    def retrieve(self, request: Request, pk: str) -> HttpResponse:
        self.no_query()
        person = self.one(people_selectors.people(self.organization), pk, "Employee")
        return self.success(serializers.EmployeeSerializer(person).data)

    @documented(
        "Create an employee (ours)",
        takes=serializers.EmployeeBody,
        answers=envelope(serializers.EmployeeSerializer, message=True),
        status=201,
    )
    def create(self, request: Request) -> HttpResponse:
        values = renamed(self.body(serializers.EmployeeBody), serializers.EmployeeBody.columns)
        with in_words_of(serializers.EmployeeBody.columns):
            person = people_services.create_person(organization=self.organization, actor=self.actor, **values)
        return self.success(serializers.EmployeeSerializer(person).data, "Employee created", status=201)

    @documented(
        "Change an employee (ours)",
        takes=serializers.EmployeeBody,
        partial=True,
        answers=envelope(serializers.EmployeeSerializer, message=True),
    )
    def partial_update(self, request: Request, pk: str) -> HttpResponse:
        person = self.one(people_selectors.people(self.organization), pk, "Employee")
        values = renamed(self.body(serializers.EmployeeBody, partial=True), serializers.EmployeeBody.columns)
        with in_words_of(serializers.EmployeeBody.columns):
            person = people_services.update_person(
                organization=self.organization, actor=self.actor, person=person, changes=values
            )
        return self.success(serializers.EmployeeSerializer(person).data, "Employee updated")
