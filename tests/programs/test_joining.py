"""Many people joining at once where units are few: each line answered as if they had joined one after the other."""

from datetime import date

from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Organization, Person
from accounts.wording import describe
from enrollments.models import Course
from programs.models import MemberRecord, ProgramMember, ProgramSession
from programs.services.joining import Joined, join_acceptable
from tests.acts import ACTOR, assign, complete
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, UnitFactory
from training.models import TrainSession


def paid(organization: Organization, code: str, units: int) -> Course:
    course = CourseFactory.create(organization=organization, code=code, uses_units=True)
    for _ in range(units):
        UnitFactory.create(course=course)
    return course


def people_of(organization: Organization, count: int, letter: str = "E") -> list[Person]:
    return [PersonFactory.create(organization=organization, employee_id=f"{letter}-{n}") for n in range(1, count + 1)]


def paste(session: ProgramSession, people: list[Person]) -> Joined:
    return join_acceptable(
        organization=session.organization,
        actor=ACTOR,
        session=session,
        numbers=[person.employee_id for person in people],
        as_many_as_fit=True,
    )


def test_who_comes_first_gets_the_units_and_who_needs_none_waits_for_none(organization: Organization) -> None:
    first, second = paid(organization, "A", 1 + 3), paid(organization, "B", 1 + 2)
    free = CourseFactory.create(organization=organization, code="C")
    has_open, has_done, *others = people = people_of(organization, 7)
    assign(first, has_open)
    complete(assign(second, has_done)[0].record)
    session = ProgramSessionFactory.create(organization=organization, courses=[first, second, free])
    # Three units of the first course, two of the second; a bought one that has expired is none.
    UnitFactory.create(course=second, expires_on=date(2020, 1, 1))
    order = [others[0], has_open, others[1], has_done, *others[2:]]
    joined = paste(session, order)
    assert list(joined.members) == ["E-3", "E-1", "E-2"]
    # Whoever lacks one unit takes none of the other course.
    assert {number: describe(why) for number, why in joined.refused.items()} == dict.fromkeys(
        ("E-4", "E-5", "E-6", "E-7"), "Not enough units of B: 1 needed, 0 free."
    )
    assert joined.lack is None
    held = TrainSession.objects.exclude(unit=None).filter(opened_by_member__isnull=False)
    assert sorted(held.values_list("person__employee_id", "course__code")) == [
        ("E-1", "B"), ("E-2", "A"), ("E-3", "A"), ("E-3", "B"),
    ]  # fmt: skip
    assert ProgramMember.objects.count() == 3
    assert MemberRecord.objects.count() == 7
    assert people[0].employee_id == "E-1"


def test_the_course_that_is_lacking_is_named_and_places_come_before_units(organization: Organization) -> None:
    first, second = paid(organization, "A", 1), paid(organization, "B", 2)
    session = ProgramSessionFactory.create(
        organization=organization, courses=[first, second], has_user_limit=True, user_limit=3
    )
    joined = paste(session, people_of(organization, 5))
    assert list(joined.members) == ["E-1"]
    # As ever: those behind the last place are refused for it before units are looked at.
    assert {number: describe(why) for number, why in joined.refused.items()} == {
        "E-2": "Not enough units of A: 1 needed, 0 free.",
        "E-3": "Not enough units of A: 1 needed, 0 free.",
        **dict.fromkeys(("E-4", "E-5"), "Session is at capacity. Only 3 spots remaining. You requested 5 enrollments."),
    }


def test_many_people_and_few_units_cost_as_many_statements_as_three(organization: Organization) -> None:
    counts = []
    for letter, many in (("P", 3), ("Q", 30)):
        session = ProgramSessionFactory.create(organization=organization, courses=[paid(organization, letter, 2)])
        some = people_of(organization, many, letter)
        with CaptureQueriesContext(connection) as queries:
            joined = paste(session, some)
        counts.append(len(queries))
        assert (len(joined.members), len(joined.refused)) == (2, many - 2)
    assert counts[0] == counts[1]
