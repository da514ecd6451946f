"""The page of the compliance matrix: what was asked for in its address, and its cells in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from accounts.admin.base import LedgerAdmin, is_id, is_superuser
from accounts.admin.picking import organizations_of, picked
from accounts.models import Group, Organization
from enrollments.models import Category, Course, CourseStatus
from training.matrix import Cell, CellState, Matrix, Page, PersonRow, Wanted
from training.models import Requirement
from training.required import active_requirements

PEOPLE = 100
COLUMNS = 30
WITHIN = (30, 60, 90, 180)
USUAL_WITHIN = 60

NOT_REQUIRED = "\N{EN DASH}"
LETTERS = {
    CellState.VALID: "V",
    CellState.EXPIRING: "X",
    CellState.EXPIRED: "E",
    CellState.OVERDUE: "O",
    CellState.ASSIGNED: "A",
    CellState.MISSING: "M",
}
MEANINGS = {
    CellState.VALID: "valid",
    CellState.EXPIRING: "expiring soon",
    CellState.EXPIRED: "expired, nothing assigned",
    CellState.OVERDUE: "overdue",
    CellState.ASSIGNED: "assigned",
    CellState.MISSING: "missing, nothing assigned",
}


def organization_shown(request: HttpRequest) -> Organization:
    """Raises Http404, also where there is none at all."""
    return _shown(request, organizations_of(request))


def _shown(request: HttpRequest, organizations: list[Organization]) -> Organization:
    organization = picked(request, organizations)
    if organization is None:
        raise Http404
    return organization


def query_of(request: HttpRequest, *names: str, **changed: object) -> str:
    """The query of the address with these of its parameters only, some of them changed."""
    query = request.GET.copy()
    for name in list(query):
        if name not in names:
            del query[name]
    for name, value in changed.items():
        query[name] = str(value)
    return f"?{query.urlencode()}" if query else ""


@dataclass(frozen=True)
class Offered:
    """What the filters offer: nothing of another organization, so that nothing of it can be asked for."""

    courses: Sequence[Course]
    categories: Sequence[Category]
    groups: Sequence[Group]


FILTERS = ("organization", "q", "category", "course", "group", "state", "within")


@dataclass(frozen=True)
class Asked:
    """What the address asks for: the people behind an employee number or before one; `columns` counts from 1."""

    matrix: Matrix
    offered: Offered
    organizations: list[Organization]
    after: str
    before: str
    columns: int


def asked_in(request: HttpRequest) -> Asked:
    """Raises Http404 for what the page does not offer."""
    organizations = organizations_of(request)
    organization = _shown(request, organizations)
    requirements = active_requirements(organization)
    offered = _offered(organization, requirements)
    state = request.GET.get("state", "")
    if state and state not in list(CellState):
        raise Http404
    within = _number(request, "within", USUAL_WITHIN)
    if within not in WITHIN:
        raise Http404
    wanted = Wanted(
        search=request.GET.get("q", "").strip(),
        category_id=_one_of(request, "category", offered.categories),
        course_id=_one_of(request, "course", offered.courses),
        group_id=_one_of(request, "group", offered.groups),
        state=CellState(state) if state else None,
    )
    matrix = Matrix(organization, requirements, wanted, timezone.now(), within)
    return Asked(
        matrix,
        offered,
        organizations,
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
        columns=_number(request, "columns", 1),
    )


def _offered(organization: Organization, requirements: Sequence[Requirement]) -> Offered:
    courses = list({one.course_id: one.course for one in requirements}.values())
    categories = {course.category_id: course.category for course in courses}
    return Offered(
        courses=courses,
        categories=sorted(categories.values(), key=lambda one: one.name),
        groups=list(Group.objects.of(organization).order_by("name", "pk")),
    )


def _number(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name, "") or str(default)
    if not is_id(text) or not 0 < int(text) <= 1_000_000:  # noqa: PLR2004 - further than any page, and no overflow
        raise Http404
    return int(text)


def _one_of(request: HttpRequest, name: str, rows: Sequence[Any]) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if text not in {str(row.pk) for row in rows}:
        raise Http404
    return int(text)


def in_words(cell: Cell) -> str:
    """Such as "expired since 2026-03-01"."""
    day = cell.day
    match cell.state:
        case None:
            return "not required"
        case CellState.VALID:
            said = "valid, without an end" if day is None else f"valid until {day}"
        case CellState.EXPIRING:
            said = f"expiring, valid until {day}"
        case CellState.EXPIRED:
            said = "expired" if day is None else f"expired since {day + timedelta(days=1)}"
        case CellState.OVERDUE:
            said = f"overdue, was due {day}"
        case CellState.ASSIGNED:
            said = "assigned, without a due date" if day is None else f"assigned, due {day}"
        case CellState.MISSING:
            said = "missing, nothing assigned"
    return said if cell.required else f"{said}, not required"


def letter(cell: Cell) -> str:
    """Its state by one letter, in brackets where it is not required."""
    if cell.state is None:
        return NOT_REQUIRED
    return LETTERS[cell.state] if cell.required else f"({LETTERS[cell.state]})"


EMPTY = Cell(required=False, state=None)


def matrix_page(model_admin: LedgerAdmin, request: HttpRequest) -> HttpResponse:
    asked = asked_in(request)
    matrix = asked.matrix
    first = (asked.columns - 1) * COLUMNS
    courses = matrix.courses[first : first + COLUMNS]
    page = matrix.page(PEOPLE, after=asked.after, before=asked.before)
    people = page.people
    cells = matrix.cells([person.pk for person in people], courses) if people and courses else {}
    assigns = model_admin.has_administer_permission(request)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Compliance matrix",
        "asked": asked,
        "matrix": matrix,
        "courses": [_column(course) for course in courses],
        "rows": _rows(people, courses, cells, assigns=assigns),
        "legend": [(state.value, LETTERS[state], meaning) for state, meaning in MEANINGS.items()],
        "not_required": NOT_REQUIRED,
        "assigns": assigns,
        "withins": WITHIN,
        "query": request.GET,
        "is_filtered": any(request.GET.get(name) for name in FILTERS if name != "organization"),
        "organizations": asked.organizations if is_superuser(request) else [],
        "is_fullwidth": "1",
        **_pager(request, asked, page),
    }
    return TemplateResponse(request, "admin/training/matrix.html", context)


def _pager(request: HttpRequest, asked: Asked, page: Page) -> dict[str, Any]:
    """Addresses of the pages around this one, and which rows and columns it has."""
    people, left = page.people, (asked.columns - 1) * COLUMNS
    total = len(asked.matrix.courses)
    last = min(left + COLUMNS, total)

    def behind(**place: object) -> str:
        return query_of(request, *FILTERS, "columns", **place)

    def beside(columns: int) -> str:
        return query_of(request, *FILTERS, "after", "before", columns=columns)

    return {
        "people_shown": f"Employees {people[0].employee_id} to {people[-1].employee_id}" if people else "",
        "previous_people": behind(before=people[0].employee_id) if people and page.earlier else "",
        "next_people": behind(after=people[-1].employee_id) if people and page.later else "",
        "columns_shown": f"Courses {left + 1}-{last} of {total}" if left < total else "",
        "previous_columns": beside(asked.columns - 1) if asked.columns > 1 else "",
        "next_columns": beside(asked.columns + 1) if last < total else "",
        "export": f"{reverse('admin:training_matrix_export')}{query_of(request, *FILTERS, format='')}",
        "apply": f"{reverse('admin:training_apply_requirements')}{query_of(request, 'organization')}",
        "plain": f"{reverse('admin:training_matrix')}{query_of(request, 'organization')}",
    }


def _column(course: Course) -> dict[str, Any]:
    return {
        "code": course.code,
        "title": course.title,
        "href": reverse("admin:enrollments_course_change", args=[course.pk]),
        "status": "" if course.status == CourseStatus.PUBLISHED else course.status,
    }


def _rows(
    people: Sequence[PersonRow],
    courses: Sequence[Course],
    cells: Mapping[tuple[int, int], Cell],
    *,
    assigns: bool,
) -> list[dict[str, Any]]:
    # Addresses are made once, with a number in the place of the row's: resolving one costs as much as a query.
    person_address = reverse("admin:accounts_person_change", args=[0])
    record_address = reverse("admin:training_trainsession_change", args=[0])
    assign_address = reverse("admin:training_trainsession_add")

    def shown(person: PersonRow, course: Course) -> dict[str, str]:
        cell = cells.get((person.pk, course.pk), EMPTY)
        href = ""
        if cell.record_id is not None:
            href = record_address.replace("/0/", f"/{cell.record_id}/")
        elif cell.state == CellState.MISSING and assigns:
            href = f"{assign_address}?course={course.pk}&person={person.pk}"
        state = "none" if cell.state is None else cell.state.value
        return {
            "css": state if cell.required or cell.state is None else f"{state} matrix-muted",
            "letter": letter(cell),
            "title": f"{course.title}, {person.name}: {in_words(cell)}",
            "href": href,
        }

    return [
        {
            "person": person,
            "href": person_address.replace("/0/", f"/{person.pk}/"),
            "cells": [shown(person, course) for course in courses],
        }
        for person in people
    ]
