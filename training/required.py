"""Of whom which courses are required, until when, and who lacks them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.days import day_of
from accounts.errors import Refusal
from accounts.models import GroupMember, Organization, Person
from enrollments.errors import NotEnoughUnits
from enrollments.models import Course, CourseStatus
from training.errors import CourseNotAssignable
from training.models import Audience, DueRule, Requirement, RequirementPerson, State, TrainSession, Unit


def active_requirements(organization: Organization) -> list[Requirement]:
    """By course code. A course that is archived is still required: nobody can be assigned it, and that is said."""
    rows = Requirement.objects.of(organization).active().select_related("course__category", "group")
    return list(rows.order_by("course__code", "course_id", "pk"))


@dataclass(frozen=True)
class Coverage:
    """Which requirements cover whom: `members` are people by group, `named` people by requirement."""

    by_course: Mapping[int, Sequence[Requirement]]
    members: Mapping[int, Collection[int]]
    named: Mapping[int, Collection[int]]

    def of(self, person_id: int, course_id: int) -> list[Requirement]:
        return [one for one in self.by_course.get(course_id, ()) if self._covers(one, person_id)]

    def requires(self, person_id: int, course_id: int) -> bool:
        return any(self._covers(one, person_id) for one in self.by_course.get(course_id, ()))

    def _covers(self, requirement: Requirement, person_id: int) -> bool:
        if requirement.audience == Audience.GROUP:
            return person_id in self.members.get(requirement.group_id or 0, ())
        if requirement.audience == Audience.PEOPLE:
            return person_id in self.named.get(requirement.pk, ())
        return True


def coverage(
    organization: Organization, requirements: Sequence[Requirement], person_ids: Collection[int] | None = None
) -> Coverage:
    """Of these people, or of everybody, in two queries at most. Inactive people are left out by whoever asks."""
    only: dict[str, Any] = {} if person_ids is None else {"person_id__in": person_ids}
    by_course: dict[int, list[Requirement]] = {}
    for one in requirements:
        by_course.setdefault(one.course_id, []).append(one)
    members: dict[int, set[int]] = {}
    named: dict[int, set[int]] = {}
    if groups := group_ids(requirements):
        rows = GroupMember.objects.of(organization).filter(group_id__in=groups, **only)
        for group_id, person_id in rows.values_list("group_id", "person_id"):
            members.setdefault(group_id, set()).add(person_id)
    if naming := naming_ids(requirements):
        found = RequirementPerson.objects.of(organization).filter(requirement_id__in=naming, **only)
        for requirement_id, person_id in found.values_list("requirement_id", "person_id"):
            named.setdefault(requirement_id, set()).add(person_id)
    return Coverage(by_course, members, named)


def group_ids(requirements: Sequence[Requirement]) -> set[int]:
    return {one.group_id for one in requirements if one.group_id is not None}


def naming_ids(requirements: Sequence[Requirement]) -> set[int]:
    return {one.pk for one in requirements if one.audience == Audience.PEOPLE}


def covered_by(organization: Organization, requirements: Sequence[Requirement], person: str) -> Q:
    """Who is covered by any of the requirements of one course. `person` is the column that holds the person's id."""
    if any(one.audience == Audience.ALL for one in requirements):
        return Q()
    members = GroupMember.objects.of(organization).filter(group_id__in=group_ids(requirements))
    named = RequirementPerson.objects.of(organization).filter(requirement_id__in=naming_ids(requirements))
    same = {"person_id": OuterRef(person)}
    return Q(Exists(members.filter(**same))) | Q(Exists(named.filter(**same)))


def due_day(requirements: Sequence[Requirement], *, joined: date, today: date) -> date:
    """The day by which a record opened today is due: the earliest that any of the requirements asks for.

    It has never passed, for nobody is late with what had not been asked of them: where the rule's own day has
    passed (people who joined long ago, a certificate that has expired), so many days count from today, and a date
    becomes today. Nothing is therefore overdue in the moment in which it is opened.
    """
    return min(_day_by(one, joined=joined, today=today) for one in requirements)


def _day_by(requirement: Requirement, *, joined: date, today: date) -> date:
    if requirement.due_rule == DueRule.ON_DATE:
        return max(requirement.due_on or today, today)
    days = timedelta(days=requirement.due_days or 0)
    return joined + days if joined + days >= today else today + days


@dataclass(frozen=True, slots=True)
class Lacking:
    """Somebody who has neither an open record of a required course nor a valid completed one."""

    person_id: int
    employee_id: str
    name: str
    due_on: date


@dataclass(frozen=True)
class Missing:
    """Who lacks a course, by employee number. With a `refusal`, the course can be opened for none of them."""

    course: Course
    people: list[Lacking]
    refusal: Refusal | None


def missing(organization: Organization, *, today: date) -> Iterator[Missing]:
    """By course code, the courses that somebody lacks. A query or two for each required course, and no more rows in
    memory than there are people.
    """
    for course, rows in groupby(active_requirements(organization), key=lambda one: one.course):
        people = _lacking(organization, course, list(rows), today)
        if people:
            yield Missing(course, people, _refusal(organization, course, len(people), today))


def _lacking(
    organization: Organization, course: Course, requirements: Sequence[Requirement], today: date
) -> list[Lacking]:
    covering = coverage(organization, requirements)
    people = Person.objects.of(organization).filter(
        covered_by(organization, requirements, "pk"), ~Exists(_settled(organization, course, today)), active=True
    )
    rows = people.order_by("employee_id").values_list("pk", "employee_id", "first_name", "last_name", "created_at")
    return [
        Lacking(
            pk,
            employee_id,
            f"{first} {last}".strip(),
            due_day(asking, joined=day_of(created_at, organization.zone), today=today),
        )
        for pk, employee_id, first, last, created_at in rows
        # Who came into a group between the two queries is nobody's yet.
        if (asking := covering.of(pk, course.pk))
    ]


def _settled(organization: Organization, course: Course, today: date) -> "QuerySet[TrainSession]":
    """Records for which nothing is opened: what is open, and what was completed and is valid."""
    owed_or_valid = ~Q(state=State.COMPLETED) | Q(cert_expiry=None) | Q(cert_expiry__gte=today)
    return TrainSession.objects.of(organization).live().filter(owed_or_valid, course=course, person_id=OuterRef("pk"))


def _refusal(organization: Organization, course: Course, needed: int, today: date) -> Refusal | None:
    """Why a course cannot be opened for so many: for all of them, or, where units are short, for nobody."""
    if course.status != CourseStatus.PUBLISHED:
        return CourseNotAssignable(course_code=course.code, status=course.status)
    if course.uses_units:
        free = Unit.objects.of(organization).free(today).filter(course=course).count()
        if free < needed:
            return NotEnoughUnits(course_code=course.code, free=free, needed=needed)
    return None
