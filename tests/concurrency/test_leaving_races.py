"""Somebody becomes inactive at the very moment in which a record is opened for them: nothing stays open, in either order.

Each race is run twice: as it is, and, as the control that proves that the race is there, without what closes it.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from accounts.bulk import InputRow
from accounts.models import Organization, Person
from accounts.services.importing_people import import_people
from accounts.services.people import update_person
from enrollments.models import Course, Enrollment
from enrollments.services import bulk, enrolling
from programs.models import ProgramMember
from programs.services.membership import join
from tests.acts import ACTOR
from tests.concurrency.threads import MEETING, RACE, at_once, meeting, patched
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from training.models import TrainSession
from training.services.leaving import deactivate_person
from training.services.writer import LedgerWriter

pytestmark = RACE

Act = Callable[[Person], object]


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization)


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


def by_enrolling(course: Course) -> Act:
    session = SessionFactory.create(course=course)
    return lambda person: enrolling.enroll(
        organization=course.organization, actor=ACTOR, session_id=session.pk, person_ids=[person.pk]
    )


def by_enrolling_many(course: Course) -> Act:
    session = SessionFactory.create(course=course)
    return lambda person: bulk.enroll_acceptable(
        organization=course.organization,
        actor=ACTOR,
        session_id=session.pk,
        column="employee_id",
        rows=[InputRow(1, {"employee_id": person.employee_id})],
    )


def by_joining(course: Course) -> Act:
    session = ProgramSessionFactory.create(organization=course.organization, courses=[course])
    return lambda person: join(organization=course.organization, actor=ACTOR, session=session, person_ids=[person.pk])


def through_the_api(person: Person) -> object:
    return update_person(organization=person.organization, actor=ACTOR, person=person, changes={"active": False})


def by_an_import(person: Person) -> object:
    return import_people(
        organization=person.organization,
        actor=ACTOR,
        columns=["employee_id", "active"],
        rows=[InputRow(2, {"employee_id": person.employee_id, "active": "no"})],
    )


def in_the_admin(person: Person) -> object:
    return deactivate_person(
        organization=person.organization, actor=ACTOR, person_id=person.pk, reason="Left", cancel_seats=True
    )


# With the function before which those who open a record have looked at who is active, and not locked the ledger.
OPENED = [
    (by_enrolling, "enrollments.services.enrolling.seat"),
    (by_enrolling_many, "enrollments.services.bulk._seat"),
    (by_joining, "programs.services.membership.take_seats"),
]
LEFT = [through_the_api, by_an_import, in_the_admin]


@pytest.mark.parametrize("real", [True, False], ids=["real", "control"])
@pytest.mark.parametrize("leave", LEFT)
@pytest.mark.parametrize(("way", "looked"), OPENED)
def test_whoever_leaves_after_being_looked_at_is_given_nothing(
    course: Course,
    person: Person,
    monkeypatch: pytest.MonkeyPatch,
    *,
    way: Callable[[Course], Act],
    looked: str,
    leave: Act,
    real: bool,
) -> None:
    """The control does not look again under the ledger lock."""
    opening, has_looked, has_left = way(course), threading.Event(), threading.Event()

    def meet() -> None:
        has_looked.set()
        has_left.wait(MEETING)

    def leaves() -> object:
        has_looked.wait(MEETING)
        done = leave(person)
        has_left.set()
        return done

    if not real:
        monkeypatch.setattr(LedgerWriter, "_refuse_inactive", lambda *_: None)
    with patched(monkeypatch, before=looked, meet=meet):
        opened, left = at_once(lambda: opening(person), leaves)
    assert not isinstance(left, Exception)
    assert not Person.objects.get(pk=person.pk).active
    kept = 0 if real else 1
    assert TrainSession.objects.open().count() == TrainSession.objects.count() == kept
    assert Enrollment.objects.count() + ProgramMember.objects.count() == kept
    assert isinstance(opened, Exception) is (real and way is not by_enrolling_many)


@pytest.mark.parametrize("real", [True, False], ids=["real", "control"])
@pytest.mark.parametrize("leave", LEFT)
@pytest.mark.parametrize("way", [way for way, _ in OPENED])
def test_whoever_leaves_before_a_record_is_committed_keeps_none(
    course: Course,
    person: Person,
    monkeypatch: pytest.MonkeyPatch,
    *,
    way: Callable[[Course], Act],
    leave: Act,
    real: bool,
) -> None:
    """The one holds an open record that nobody sees yet; the other looks for what is open. The control locks nothing."""
    opening, meet = way(course), meeting(2)
    real_open = LedgerWriter.open_where_owed

    def opened_and_met(writer: LedgerWriter, openings: Any) -> Any:
        made = real_open(writer, openings)
        meet()
        return made

    monkeypatch.setattr(LedgerWriter, "open_where_owed", opened_and_met)
    if not real:
        monkeypatch.setattr("training.services.writer.lock_ledger", lambda _organization_id: None)
    # Where the ledger is locked the one waits in vain: the other does not get so far.
    with patched(monkeypatch, before="training.services.leaving.unassign_acceptable", meet=meet):
        results = at_once(lambda: opening(person), lambda: _after_a_moment(leave, person))
    assert [result for result in results if isinstance(result, Exception)] == []
    assert not Person.objects.get(pk=person.pk).active
    assert (TrainSession.objects.count(), TrainSession.objects.open().count()) == (1, 0 if real else 1)


def _after_a_moment(leave: Act, person: Person) -> object:
    """Once the other has looked at who is active, which takes no lock and a few milliseconds."""
    threading.Event().wait(MEETING / 3)
    return leave(person)
