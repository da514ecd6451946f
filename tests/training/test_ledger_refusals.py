"""Every refusal of the ledger's services: what it says, and that nothing has changed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from accounts.actors import Actor
from accounts.errors import FieldsRefused, PeopleInactive, PeopleUnknown, Refusal
from accounts.models import Organization, Person
from accounts.services.people import update_person
from enrollments.errors import CourseUnknown, EnrollmentNotOpen, EnrollmentUnknown, NotEnoughUnits
from enrollments.models import Course
from enrollments.services import enrolling
from enrollments.services.catalogue import update_course
from tests.acts import ACTOR, assign, attempt, cancel, complete, enroll, finish, owed, progress
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UnitFactory
from tests.snapshots import NOTHING, NOW, effects
from training.errors import CourseNotAssignable, RecordCompleted, RecordsNotOpen, RecordUnknown
from training.models import TrainSession
from training.services import records

Facts = dict[str, Any]


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="SAF", pass_score=Decimal(70))


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


def refused(act: Callable[[], object]) -> tuple[type[Refusal], Facts]:
    """What an act is refused with, its code and facts. It must change nothing."""
    with effects() as seen, pytest.raises(Refusal) as caught:
        act()
    assert seen == NOTHING
    return type(caught.value), vars(caught.value)


# The acts that a completed record, history, and one that is not there, each refuse.
ACTS: dict[str, Callable[[TrainSession], object]] = {
    "start": progress,
    "progress": lambda record: progress(record, percent_complete=10, time_spent=Decimal(1)),
    "attempt failed": lambda record: attempt(record, 10),
    "attempt passed": lambda record: attempt(record, 100),
    "complete": complete,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_a_completed_record_is_history(course: Course, person: Person, act: Callable[[TrainSession], object]) -> None:
    record = complete(owed(course, person))
    assert refused(lambda: act(record)) == (RecordCompleted, {"record_id": record.pk})


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_an_unassigned_record_is_not_there(
    course: Course, person: Person, act: Callable[[TrainSession], object]
) -> None:
    record = owed(course, person)
    records.unassign(organization=course.organization, actor=ACTOR, ids=[record.pk])
    assert refused(lambda: act(record)) == (RecordUnknown, {"record_id": record.pk})


@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_another_organizations_record_is_not_there(
    course: Course, person: Person, act: Callable[[TrainSession], object]
) -> None:
    record = owed(course, person)
    record.organization = OrganizationFactory.create()  # Who asks.
    assert refused(lambda: act(record)) == (RecordUnknown, {"record_id": record.pk})


@dataclass(frozen=True)
class Mixed:
    """The ids of one record of each kind."""

    open_record: int
    history: int
    gone: int
    foreign: int


@pytest.fixture
def mixed(course: Course, person: Person) -> Mixed:
    organization = course.organization
    foreign_course = CourseFactory.create()
    made = Mixed(
        open_record=owed(course, PersonFactory.create(organization=organization)).pk,
        history=complete(owed(course, person)).pk,
        gone=owed(course, person).pk,
        foreign=owed(foreign_course, PersonFactory.create(organization=foreign_course.organization)).pk,
    )
    records.unassign(organization=organization, actor=ACTOR, ids=[made.gone])
    return made


def unassign(organization: Organization, ids: list[int], **options: Any) -> list[int]:
    return records.unassign(organization=organization, actor=ACTOR, ids=ids, **options)


def change_due(organization: Organization, ids: list[int]) -> list[TrainSession]:
    return records.change_due(organization=organization, actor=ACTOR, record_ids=ids, due_at=NOW)


@pytest.mark.parametrize("act", [unassign, change_due])
def test_acts_on_many_records_refuse_all_for_one_and_name_each(
    organization: Organization, mixed: Mixed, act: Callable[[Organization, list[int]], object]
) -> None:
    ids = [0, mixed.history, mixed.open_record, mixed.foreign, mixed.gone, mixed.history]
    assert refused(lambda: act(organization, ids)) == (
        RecordsNotOpen,
        {"unknown": [0, mixed.foreign, mixed.gone], "completed": [mixed.history]},
    )


def test_unassign_passes_over_what_is_gone_where_that_is_fine(organization: Organization, mixed: Mixed) -> None:
    ids = [mixed.gone, mixed.open_record, mixed.foreign]
    assert refused(lambda: unassign(organization, ids, gone_is_fine=True)) == (
        RecordsNotOpen,
        {"unknown": [mixed.foreign], "completed": []},
    )
    with effects() as seen:
        assert unassign(organization, ids[:2], gone_is_fine=True) == [mixed.open_record]
    assert list(seen.changed) == [("TrainSession", mixed.open_record)]


def test_unassign_courses_refuses_unknown_courses_and_people(course: Course, person: Person) -> None:
    owed(course, person)
    foreign_course = CourseFactory.create(code="FOREIGN")
    stranger = PersonFactory.create(organization=foreign_course.organization)

    def unassign(codes: list[str], person_id: int) -> Callable[[], object]:
        return lambda: records.unassign_courses(
            organization=course.organization, actor=ACTOR, course_codes=codes, person_id=person_id
        )

    assert refused(unassign(["SAF", "FOREIGN", "saf"], person.pk)) == (CourseUnknown, {"ids": ["FOREIGN", "saf"]})
    assert refused(unassign(["SAF"], stranger.pk)) == (PeopleUnknown, {"ids": [stranger.pk]})


def test_assign_refuses_unknown_then_inactive_people(course: Course, person: Person) -> None:
    stranger = PersonFactory.create(organization=OrganizationFactory.create())
    inactive = PersonFactory.create(organization=course.organization)
    update_person(organization=course.organization, actor=ACTOR, person=inactive, changes={"active": False})
    assert refused(lambda: assign(course, person, inactive, stranger)) == (PeopleUnknown, {"ids": [stranger.pk]})
    assert refused(lambda: assign(course, person, inactive)) == (PeopleInactive, {"ids": [inactive.pk]})


@pytest.mark.parametrize("status", ["archived", "deleted"])
def test_assign_refuses_a_course_that_is_no_longer_given(course: Course, person: Person, status: str) -> None:
    update_course(organization=course.organization, actor=ACTOR, course=course, changes={"status": status})
    assert refused(lambda: assign(course, person)) == (CourseNotAssignable, {"course_code": "SAF", "status": status})


def test_assign_refuses_a_course_that_is_not_there(course: Course, person: Person) -> None:
    foreign = CourseFactory.create()
    act = lambda: records.assign(  # noqa: E731 - one act
        organization=course.organization, actor=ACTOR, course_id=foreign.pk, person_ids=[person.pk]
    )
    assert refused(act) == (CourseUnknown, {"ids": [foreign.pk]})


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        (lambda record: progress(record, percent_complete=101), ["percent"]),
        (lambda record: progress(record, percent_complete=-1), ["percent"]),
        (lambda record: progress(record, time_spent=Decimal("-0.01")), ["time_spent"]),
        (lambda record: progress(record, time_spent=Decimal(10_000_000)), ["time_spent"]),
        (lambda record: attempt(record, 101), ["score"]),
        (lambda record: attempt(record, -1), ["score"]),
        (lambda record: attempt(record, 50, time_spent=Decimal(9_999_999)), ["time_spent"]),
        (lambda record: complete(record, score=Decimal("100.0001")), ["score"]),
        (lambda record: complete(record, on=(NOW + timedelta(days=1)).date()), ["on"]),
        (lambda record: complete(record, on=date(NOW.year - 51, 12, 31)), ["on"]),
    ],
)
def test_values_outside_their_range_are_refused(
    course: Course, person: Person, act: Callable[[TrainSession], object], fields: list[str]
) -> None:
    record = owed(course, person)
    progress(record, time_spent=Decimal(1))
    refusal, facts = refused(lambda: act(record))
    assert (refusal, list(facts["fields"])) == (FieldsRefused, fields)


# Units.


@pytest.fixture
def paid(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="PAID", uses_units=True)


def expiring(course: Course, days: int) -> Any:
    return UnitFactory.create(
        organization=course.organization, course=course, expires_on=(NOW + timedelta(days)).date()
    )


def test_assign_takes_the_free_unit_that_expires_first(paid: Course) -> None:
    expired, last, first, today = (expiring(paid, days) for days in (-1, 90, 30, 0))
    held = []
    for _ in range(3):
        person = PersonFactory.create(organization=paid.organization)
        held.append(owed(paid, person).unit)
    assert held == [today, first, last]
    assert not hasattr(expired, "train_session")


def test_assign_refuses_where_fewer_units_are_free_than_needed(paid: Course, person: Person) -> None:
    expiring(paid, -1)
    expiring(CourseFactory.create(organization=paid.organization, uses_units=True), 9)
    unit = expiring(paid, 9)
    other = PersonFactory.create(organization=paid.organization)
    assert refused(lambda: assign(paid, person, other)) == (
        NotEnoughUnits,
        {"course_code": "PAID", "free": 1, "needed": 2},
    )
    assert owed(paid, person).unit == unit
    assert refused(lambda: assign(paid, other)) == (NotEnoughUnits, {"course_code": "PAID", "free": 0, "needed": 1})


def test_assign_again_takes_no_second_unit(paid: Course, person: Person) -> None:
    expiring(paid, 9)
    owed(paid, person)
    with effects() as seen:
        assign(paid, person)
    assert seen == NOTHING


def test_unassign_gives_the_unit_back(paid: Course, person: Person) -> None:
    unit = expiring(paid, 9)
    record = owed(paid, person)
    with effects() as seen:
        records.unassign(organization=paid.organization, actor=ACTOR, ids=[record.pk])
    assert seen.changed == {("TrainSession", record.pk): {"unit_id": (unit.pk, None), "unassigned_at": (None, NOW)}}
    assert owed(paid, PersonFactory.create(organization=paid.organization)).unit == unit


def test_a_completed_record_keeps_its_unit(paid: Course, person: Person) -> None:
    unit = expiring(paid, 9)
    record = complete(owed(paid, person))
    record.refresh_from_db()
    assert record.unit == unit
    assert refused(lambda: assign(paid, person))[0] is NotEnoughUnits


def test_enrolling_and_cancelling_take_and_give_back_a_unit(paid: Course, person: Person) -> None:
    session = SessionFactory.create(course=paid)
    assert refused(lambda: enroll(session, person)) == (
        NotEnoughUnits,
        {"course_code": "PAID", "free": 0, "needed": 1},
    )
    unit = expiring(paid, 9)
    (enrollment,) = enroll(session, person)
    assert TrainSession.objects.get().unit == unit
    cancel(enrollment)
    assert TrainSession.objects.get().unit is None


def test_finishing_an_enrollment_without_a_record_needs_a_unit(paid: Course, person: Person) -> None:
    expiring(paid, 9)
    complete(owed(paid, person))
    (enrollment,) = enroll(SessionFactory.create(course=paid), person)
    assert refused(lambda: finish(enrollment)) == (
        NotEnoughUnits,
        {"course_code": "PAID", "free": 0, "needed": 1},
    )


def test_a_unit_that_a_record_holds_keeps_its_course(paid: Course, person: Person) -> None:
    unit, other = expiring(paid, 9), CourseFactory.create(organization=paid.organization)

    def move(course: Course) -> object:
        return records.update_unit(organization=paid.organization, actor=ACTOR, unit=unit, changes={"course": course})

    foreign = CourseFactory.create()
    assert refused(lambda: move(foreign)) == (FieldsRefused, {"fields": {"course": ["There is no such row."]}})
    owed(paid, person)
    assert refused(lambda: move(other)) == (
        FieldsRefused,
        {"fields": {"course": ["A unit that a train session holds keeps its course."]}},
    )


# Enrollments.


@pytest.mark.parametrize("ended", ["cancelled", "completed", "failed", "absent"])
@pytest.mark.parametrize("act", ["complete", "cancel", "absent"])
def test_only_an_enrolled_enrollment_is_changed(course: Course, person: Person, ended: str, act: str) -> None:
    """The same end again is no refusal: see tests/enrollments/test_enrolling.py."""
    organization = course.organization
    (enrollment,) = enroll(SessionFactory.create(course=course), person)
    ends: dict[str, Callable[[], object]] = {
        "cancelled": lambda: cancel(enrollment),
        "completed": lambda: finish(enrollment, score=Decimal(90)),
        "failed": lambda: finish(enrollment, score=Decimal(9)),
        "absent": lambda: enrolling.mark_absent(organization=organization, actor=ACTOR, enrollment_id=enrollment.pk),
    }
    acts = {
        "complete": lambda: finish(enrollment, score=Decimal(50)),
        "cancel": ends["cancelled"],
        "absent": ends["absent"],
    }
    ends[ended]()
    if (act, ended) in {("cancel", "cancelled"), ("absent", "absent")}:
        with effects() as seen:
            acts[act]()
        assert seen == NOTHING
    else:
        assert refused(acts[act]) == (EnrollmentNotOpen, {"enrollment_id": enrollment.pk, "status": ended})


@pytest.mark.parametrize("act", ["complete", "cancel", "mark_absent"])
def test_another_organizations_enrollment_is_not_there(course: Course, person: Person, act: str) -> None:
    (enrollment,) = enroll(SessionFactory.create(course=course), person)
    service = getattr(enrolling, act)
    asking = OrganizationFactory.create()
    assert refused(lambda: service(organization=asking, actor=Actor.system(), enrollment_id=enrollment.pk)) == (
        EnrollmentUnknown,
        {"enrollment_id": enrollment.pk},
    )


@pytest.mark.parametrize(
    ("result", "fields"),
    [
        ({"score": Decimal("100.1")}, ["score"]),
        ({"score": Decimal(-1)}, ["score"]),
        ({"certificate_url": "javascript:alert(1)"}, ["certificate_url"]),
        ({"certificate_url": "ftp://example.com/c"}, ["certificate_url"]),
    ],
)
def test_complete_refuses_values_that_no_enrollment_has(
    course: Course, person: Person, result: Facts, fields: list[str]
) -> None:
    (enrollment,) = enroll(SessionFactory.create(course=course), person)
    refusal, facts = refused(lambda: finish(enrollment, **result))
    assert (refusal, list(facts["fields"])) == (FieldsRefused, fields)


def test_complete_refuses_a_score_that_does_not_pass(course: Course, person: Person) -> None:
    """It would give a certificate for a failed attempt. With the pass score itself it is passed."""
    record = owed(course, person)
    assert refused(lambda: complete(record, score=Decimal("69.9"))) == (
        FieldsRefused,
        {"fields": {"score": ["The course is passed with 70."]}},
    )
    assert complete(record, score=Decimal(70)).state == "completed"
