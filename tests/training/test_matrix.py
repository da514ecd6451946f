"""How people stand with required courses: every state, whom a filter finds, and how many queries it takes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.days import last_instant
from accounts.models import Group, GroupMember, Organization, Person
from accounts.services.people import update_person
from enrollments.models import Category, Course
from tests.acts import assign, complete
from tests.factories import SYSTEM, CourseFactory, OrganizationFactory, PersonFactory
from training import matrix as module
from training.matrix import Cell, CellState, Matrix, Wanted
from training.models import TrainSession
from training.required import active_requirements
from training.services.requirements import create_requirement

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)
TODAY = NOW.date()
WITHIN = 60
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def require(course: Course, **fields: Any) -> None:
    given = {"due_days": 30, **fields}
    create_requirement(organization=course.organization, actor=SYSTEM, course=course, **given)


def group_of(organization: Organization, *people: Person, name: str = "Site") -> Group:
    group = Group.objects.create(organization=organization, name=name)
    for person in people:
        GroupMember.objects.create(organization=organization, group=group, person=person)
    return group


def matrix_of(organization: Organization, **wanted: Any) -> Matrix:
    return Matrix(organization, active_requirements(organization), Wanted(**wanted), NOW, WITHIN)


def completed(person: Person, course: Course, last_day: date | None) -> TrainSession:
    """A completed record with a certificate that is valid to this day."""
    record = complete(assign(course, person)[0].record)
    TrainSession.objects.filter(pk=record.pk).update(cert_expiry=last_day)
    return record


def owed(person: Person, course: Course, due: date | None) -> TrainSession:
    due_at = None if due is None else last_instant(due, person.organization.zone)
    return assign(course, person, due_at=due_at)[0].record


# What somebody has of a course, in the order in which it came: `v` a certificate to this day (None: without an end),
# `o` an open record due on that day, `u` one that was taken back. Then the state, which of them it is, and the day.
CASES: dict[str, tuple[list[tuple[str, date | None]], CellState, int | None, date | None]] = {
    "nothing": ([], CellState.MISSING, None, None),
    "taken back": ([("u", None)], CellState.MISSING, None, None),
    "without an end": ([("v", None)], CellState.VALID, 0, None),
    "beyond soon": ([("v", TODAY + 61 * DAY)], CellState.VALID, 0, TODAY + 61 * DAY),
    "last day of soon": ([("v", TODAY + 60 * DAY)], CellState.EXPIRING, 0, TODAY + 60 * DAY),
    "last day": ([("v", TODAY)], CellState.EXPIRING, 0, TODAY),
    "ended yesterday": ([("v", TODAY - DAY)], CellState.EXPIRED, 0, TODAY - DAY),
    "open, no due day": ([("o", None)], CellState.ASSIGNED, 0, None),
    "open, due today": ([("o", TODAY)], CellState.ASSIGNED, 0, TODAY),
    "open, was due": ([("o", TODAY - DAY)], CellState.OVERDUE, 0, TODAY - DAY),
    "expired, open again": ([("v", TODAY - DAY), ("o", TODAY)], CellState.ASSIGNED, 1, TODAY),
    "expired, overdue": ([("v", TODAY - 9 * DAY), ("o", TODAY - DAY)], CellState.OVERDUE, 1, TODAY - DAY),
    "valid, open again": ([("v", TODAY + 99 * DAY), ("o", TODAY - DAY)], CellState.VALID, 0, TODAY + 99 * DAY),
    "expiring, open again": ([("v", TODAY), ("o", None)], CellState.EXPIRING, 0, TODAY),
    "an older one lasts longer": ([("v", None), ("v", TODAY - DAY)], CellState.VALID, 0, None),
    "a newer one": ([("v", TODAY - 9 * DAY), ("v", TODAY + DAY)], CellState.EXPIRING, 1, TODAY + DAY),
    "expired twice": ([("v", TODAY - 9 * DAY), ("v", TODAY - DAY)], CellState.EXPIRED, 1, TODAY - DAY),
}


def enter(person: Person, course: Course, held: list[tuple[str, date | None]]) -> list[int]:
    ids = []
    for kind, day in held:
        record = completed(person, course, day) if kind == "v" else owed(person, course, day)
        if kind == "u":
            TrainSession.objects.filter(pk=record.pk).update(unassigned_at=NOW)
        ids.append(record.pk)
    return ids


@pytest.mark.parametrize(("held", "state", "which", "day"), CASES.values(), ids=list(CASES))
def test_a_cell_says_how_somebody_stands(
    organization: Organization,
    held: list[tuple[str, date | None]],
    state: CellState,
    which: int | None,
    day: date | None,
) -> None:
    person, course = PersonFactory.create(organization=organization), CourseFactory.create(organization=organization)
    require(course)
    ids = enter(person, course, held)
    matrix = matrix_of(organization)
    expected = Cell(True, state, None if which is None else ids[which], day)
    assert matrix.cells([person.pk], matrix.courses) == {(person.pk, course.pk): expected}


@pytest.mark.parametrize("audience", ["all", "group", "people"])
@pytest.mark.parametrize("state", CellState)
def test_a_filter_by_state_finds_those_with_such_a_cell(
    organization: Organization, state: CellState, audience: str
) -> None:
    """For every case, and only where the course is required of them: somebody else has the same records."""
    course = CourseFactory.create(organization=organization, code="C")
    people = {}
    for number, (name, (held, *_)) in enumerate(CASES.items()):
        people[name] = PersonFactory.create(organization=organization, employee_id=f"E{number:02}")
        enter(people[name], course, held)
        stranger = PersonFactory.create(organization=organization, employee_id=f"S{number:02}")
        if audience != "all":
            enter(stranger, course, held)
        else:
            update_person(organization=organization, actor=SYSTEM, person=stranger, changes={"active": False})
    to: dict[str, Any] = {"audience": audience}
    if audience == "group":
        to["group"] = group_of(organization, *people.values())
    elif audience == "people":
        to["people"] = list(people.values())
    require(course, **to)
    found = [row.employee_id for row in matrix_of(organization, state=state).page(100).people]
    assert found == [people[name].employee_id for name, (_, of, *_) in CASES.items() if of == state]


def test_a_filter_by_state_looks_at_the_wanted_columns_only(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    health = Category.objects.exclude(slug="safety")[0]
    done, lacking = (
        CourseFactory.create(organization=organization, code="A"),
        CourseFactory.create(organization=organization, code="B", category=health),
    )
    completed(person, done, None)
    require(done)
    require(lacking)

    def found(**wanted: Any) -> tuple[list[str], int]:
        matrix = matrix_of(organization, state=CellState.MISSING, **wanted)
        return [course.code for course in matrix.courses], len(matrix.page(9).people)

    assert found() == (["A", "B"], 1)
    assert found(course_id=done.pk) == (["A"], 0)
    assert found(course_id=lacking.pk) == (["B"], 1)
    assert found(category_id=done.category_id) == (["A"], 0)
    assert found(category_id=health.pk) == (["B"], 1)


def test_what_is_not_required_has_no_state_but_that_of_a_record(organization: Organization) -> None:
    course, other = (CourseFactory.create(organization=organization, code=code) for code in "AB")
    member, without, with_record = (PersonFactory.create(organization=organization) for _ in range(3))
    require(course, audience="group", group=group_of(organization, member))
    require(other, audience="people", people=[member], active=False)
    record = completed(with_record, course, None)
    matrix = matrix_of(organization)
    assert [one.code for one in matrix.courses] == ["A"]
    assert matrix.cells([member.pk, without.pk, with_record.pk], matrix.courses) == {
        (member.pk, course.pk): Cell(True, CellState.MISSING),
        (with_record.pk, course.pk): Cell(False, CellState.VALID, record.pk, None),
    }
    assert [row.pk for row in matrix_of(organization, state=CellState.VALID).page(9).people] == []


def test_several_requirements_of_a_course_are_one_column(organization: Organization) -> None:
    person = PersonFactory.create(organization=organization)
    course = CourseFactory.create(organization=organization)
    require(course)
    require(course, audience="group", group=group_of(organization, person))
    require(course, audience="people", people=[person])
    matrix = matrix_of(organization)
    assert matrix.courses == [course]
    assert matrix.cells([person.pk], [course]) == {(person.pk, course.pk): Cell(True, CellState.MISSING)}
    assert [row.pk for row in matrix_of(organization, state=CellState.MISSING).page(9).people] == [person.pk]


def test_nothing_of_another_organization_is_in_it(organization: Organization) -> None:
    other = OrganizationFactory.create()
    theirs = PersonFactory.create(organization=other)
    require(CourseFactory.create(organization=other))
    matrix = matrix_of(organization)
    assert (matrix.courses, matrix.page(9).people) == ([], [])
    for state in CellState:
        assert matrix_of(organization, state=state).page(9).people == []
    assert [row.pk for row in matrix_of(other).page(9).people] == [theirs.pk]


def numbers(organization: Organization, **wanted: Any) -> list[str]:
    return [row.employee_id for row in matrix_of(organization, **wanted).page(9).people]


def test_people_are_found_by_words_of_name_or_number_and_by_group(organization: Organization) -> None:
    zoe = PersonFactory.create(organization=organization, employee_id="EMP-1", first_name="Zoë", last_name="Müller")
    PersonFactory.create(organization=organization, employee_id="emp-12", first_name="Bo", last_name="Ek")
    gone = PersonFactory.create(organization=organization, employee_id="EMP-3")
    update_person(organization=organization, actor=SYSTEM, person=gone, changes={"active": False})
    group = group_of(organization, zoe, gone)
    assert numbers(organization, search="MÜLLER zoë") == ["EMP-1"]
    assert numbers(organization, search="EMP-12") == ["emp-12"]
    assert numbers(organization, search="müller ek") == []
    assert numbers(organization, group_id=group.pk) == ["EMP-1"]


def test_pages_go_on_behind_and_back_before_an_employee_number(organization: Organization) -> None:
    for number in range(5):
        PersonFactory.create(organization=organization, employee_id=f"E{number}")
    matrix = matrix_of(organization)

    def page(**place: str) -> tuple[list[str], bool, bool]:
        found = matrix.page(2, **place)
        return [row.employee_id for row in found.people], found.earlier, found.later

    assert page() == (["E0", "E1"], False, True)
    assert page(after="E1") == (["E2", "E3"], True, True)
    assert page(after="E3") == (["E4"], True, False)
    assert page(before="E4") == (["E2", "E3"], True, True)
    assert page(before="E2") == (["E0", "E1"], False, True)


def test_a_complete_matrix_comes_in_chunks(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    course = CourseFactory.create(organization=organization)
    require(course)
    people = [PersonFactory.create(organization=organization, employee_id=f"E{number}") for number in range(5)]
    chunks = list(matrix_of(organization).chunks())
    assert [[row.pk for row in rows] for rows, _ in chunks] == [
        [person.pk for person in people[start : start + 2]] for start in (0, 2, 4)
    ]
    assert [len(cells) for _, cells in chunks] == [2, 2, 1]


def test_cells_take_four_queries_whatever_their_numbers(organization: Organization) -> None:
    counts = []
    for people, courses in ((1, 1), (6, 5)):
        members = [PersonFactory.create(organization=organization) for _ in range(people)]
        group = group_of(organization, *members, name=f"Group {people}")
        for _ in range(courses):
            course = CourseFactory.create(organization=organization)
            require(course, audience="group", group=group)
            require(course, audience="people", people=members)
            for person in members:
                completed(person, course, TODAY)
                owed(person, course, TODAY)
        matrix = matrix_of(organization)
        with CaptureQueriesContext(connection) as queries:
            matrix.cells([person.pk for person in members], matrix.courses)
        counts.append(len(queries))
    assert counts == [4, 4]
