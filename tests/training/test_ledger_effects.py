"""The table "What acts on it" of the ledger's contract, row by row (programs: tests/programs/test_membership.py)."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from accounts.actors import Actor
from accounts.models import Organization, Person
from enrollments.models import Course, Session
from enrollments.services import enrolling
from enrollments.services.catalogue import update_session
from programs.services.membership import join
from tests.acts import assign, attempt, cancel, complete, enroll, finish, owed, progress
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from tests.snapshots import NOTHING, NOW, Effects, effects, fresh_enrollment, fresh_record, key
from training.models import TrainSession
from training.services import records

ACTOR = Actor.system()
LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def course(organization: Organization) -> Course:
    """Passed with 70, and valid for a year."""
    return CourseFactory.create(organization=organization, pass_score=Decimal(70), certificate_months=12)


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


@pytest.fixture
def session(course: Course) -> Session:
    return SessionFactory.create(course=course)


# Assign.


def test_assign_opens_a_record_for_each_person(course: Course, person: Person) -> None:
    other = PersonFactory.create(organization=course.organization)
    with effects() as seen:
        assigned = assign(course, other, person, other, due_at=LATER)
    made = [fresh_record(one, course, due_at=LATER) for one in (other, person)]
    assert seen == Effects(made={"TrainSession": made})
    assert [(row.record.person_id, row.existing) for row in assigned] == [(other.pk, False), (person.pk, False)]


def test_assign_with_a_due_instant_that_has_passed_is_overdue_at_once(course: Course, person: Person) -> None:
    with effects() as seen:
        assign(course, person, due_at=NOW)
    assert seen == Effects(made={"TrainSession": [fresh_record(person, course, due_at=NOW, overdue=True)]})


@pytest.mark.parametrize(
    "act",
    [
        lambda _record: None,
        lambda record: progress(record, percent_complete=30),
        lambda record: attempt(record, 10),
    ],
    ids=["assigned", "in progress", "failed"],
)
def test_assign_leaves_an_open_record_as_it_is(
    course: Course, person: Person, act: Callable[[TrainSession], object]
) -> None:
    record = owed(course, person)
    act(record)
    with effects() as seen:
        (again,) = assign(course, person, due_at=LATER)
    assert seen == NOTHING
    assert (again.record.pk, again.existing) == (record.pk, True)


def test_assign_after_a_completed_record_opens_another(course: Course, person: Person) -> None:
    attempt(owed(course, person), 80)
    with effects() as seen:
        assign(course, person)
    assert seen == Effects(made={"TrainSession": [fresh_record(person, course)]})


def test_assign_after_an_unassigned_record_opens_another(course: Course, person: Person) -> None:
    records.unassign(organization=course.organization, actor=ACTOR, ids=[owed(course, person).pk])
    with effects() as seen:
        assign(course, person)
    assert seen == Effects(made={"TrainSession": [fresh_record(person, course)]})


# Start, progress, attempts.


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"percent_complete": 0}, {}),
        ({"percent_complete": 40}, {"percent": (0, 40)}),
        ({"percent_complete": 100}, {"percent": (0, 100)}),
        ({"time_spent": Decimal("1.25")}, {"time_spent": (0, Decimal("1.25"))}),
        (
            {"percent_complete": 40, "time_spent": Decimal(2)},
            {"percent": (0, 40), "time_spent": (0, 2)},
        ),
    ],
)
def test_progress_starts_a_record_and_completes_none(
    course: Course, person: Person, given: dict[str, Any], changed: dict[str, Any]
) -> None:
    record = owed(course, person)
    with effects() as seen:
        progress(record, **given)
    started = {"state": ("assigned", "in_progress"), "started_at": (None, NOW)}
    assert seen == Effects(changed={key(record): {**started, **changed}})


def test_progress_gives_the_total_and_keeps_the_start(
    course: Course, person: Person, clock: time_machine.Traveller
) -> None:
    record = owed(course, person)
    progress(record, percent_complete=40, time_spent=Decimal(3))
    clock.move_to(LATER)
    with effects() as seen:
        progress(record, percent_complete=30, time_spent=Decimal(2))
    assert seen == Effects(changed={key(record): {"percent": (40, 30), "time_spent": (3, 2)}})


def test_progress_leaves_a_failed_record_failed(course: Course, person: Person) -> None:
    record = owed(course, person)
    attempt(record, 10)
    with effects() as seen:
        progress(record, percent_complete=60)
    assert seen == Effects(changed={key(record): {"percent": (0, 60)}})


COMPLETED = {
    "state": ("assigned", "completed"),
    "percent": (0, 100),
    "started_at": (None, NOW),
    "completed_at": (None, NOW),
    "cert_expiry": (None, date(2028, 2, 29)),
}
FAILED = {"state": ("assigned", "failed"), "failed_attempts": (0, 1), "started_at": (None, NOW)}


@pytest.mark.parametrize(
    ("pass_score", "score", "passed", "completes"),
    [
        (Decimal(70), Decimal(70), None, True),
        (Decimal(70), Decimal("69.9999"), None, False),
        (Decimal(70), Decimal(10), True, True),
        (Decimal(70), Decimal(100), False, False),
        (None, Decimal(0), None, True),
        (None, Decimal(100), False, False),
    ],
)
def test_attempt_completes_where_it_is_passed_as_given_or_by_its_score(
    course: Course,
    person: Person,
    *,
    pass_score: Decimal | None,
    score: Decimal,
    passed: bool | None,
    completes: bool,
) -> None:
    Course.objects.filter(pk=course.pk).update(pass_score=pass_score)
    record = owed(course, person)
    with effects() as seen:
        records.attempt(
            organization=course.organization,
            actor=ACTOR,
            record_id=record.pk,
            score=score,
            passed=passed,
            time_spent=Decimal("0.5"),
        )
    attempted = {"score": (None, score), "last_attempt_at": (None, NOW), "time_spent": (0, Decimal("0.5"))}
    outcome = COMPLETED if completes else FAILED
    assert seen == Effects(changed={key(record): {**outcome, **attempted}})


def test_attempt_failed_then_passed_keeps_count_and_start(
    course: Course, person: Person, clock: time_machine.Traveller
) -> None:
    record = owed(course, person)
    attempt(record, 20, time_spent=Decimal(1))
    clock.move_to(LATER)
    with effects() as seen:
        attempt(record, 30, time_spent=Decimal(1))
    assert seen == Effects(
        changed={
            key(record): {
                "score": (20, 30),
                "failed_attempts": (1, 2),
                "time_spent": (1, 2),
                "last_attempt_at": (NOW, LATER),
            }
        }
    )
    with effects() as seen:
        attempt(record, 90)
    assert seen == Effects(
        changed={
            key(record): {
                "state": ("failed", "completed"),
                "score": (30, 90),
                "percent": (0, 100),
                "completed_at": (None, LATER),
                "cert_expiry": (None, date(2028, 3, 1)),
            }
        }
    )


# Enroll.


def test_enroll_opens_a_record_and_remembers_it(session: Session, person: Person) -> None:
    with effects() as seen:
        (enrollment,) = enroll(session, person)
    record = fresh_record(person, session.course, origin="enrollment", enrollment_id=enrollment.pk)
    assert seen == Effects(made={"Enrollment": [fresh_enrollment(person, session)], "TrainSession": [record]})


@pytest.mark.parametrize(
    "act",
    [
        lambda _record: None,
        lambda record: progress(record, percent_complete=30),
        lambda record: attempt(record, 10),
        lambda record: attempt(record, 80),  # Valid for a year.
    ],
    ids=["assigned", "in progress", "failed", "validly completed"],
)
def test_enroll_opens_nothing_beside_an_open_or_valid_record(
    session: Session, person: Person, act: Callable[[TrainSession], object]
) -> None:
    act(owed(session.course, person))
    with effects() as seen:
        enroll(session, person)
    assert seen == Effects(made={"Enrollment": [fresh_enrollment(person, session)]})


@pytest.mark.parametrize(
    ("completed_on", "opens"),
    [(date(2026, 3, 2), False), (date(2026, 3, 1), True)],
    ids=["last day of the certificate", "the day after"],
)
def test_enroll_opens_a_record_once_the_certificate_has_ended(
    session: Session, person: Person, *, completed_on: date, opens: bool
) -> None:
    complete(owed(session.course, person), on=completed_on)
    with effects() as seen:
        (enrollment,) = enroll(session, person)
    record = fresh_record(person, session.course, origin="enrollment", enrollment_id=enrollment.pk)
    made = {"Enrollment": [fresh_enrollment(person, session)], **({"TrainSession": [record]} if opens else {})}
    assert seen == Effects(made=made)


# Cancel.

CANCELLED = {"status": ("enrolled", "cancelled"), "cancelled_at": (None, NOW)}
TAKEN_BACK = {"unassigned_at": (None, NOW), "unassign_reason": ("", "Enrollment cancelled")}


def test_cancel_takes_back_what_the_enrollment_opened(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    record = TrainSession.objects.get()
    with effects() as seen:
        cancel(enrollment)
    assert seen == Effects(changed={key(enrollment): CANCELLED, key(record): TAKEN_BACK})
    with effects() as seen:
        cancel(enrollment)
    assert seen == NOTHING


@pytest.mark.parametrize(
    "act",
    [
        progress,
        lambda record: progress(record, time_spent=Decimal("0.1")),
        lambda record: attempt(record, 10),
        lambda record: attempt(record, 80),
    ],
    ids=["started", "time spent", "failed", "completed"],
)
def test_cancel_keeps_a_record_on_which_something_has_been_done(
    session: Session, person: Person, act: Callable[[TrainSession], object]
) -> None:
    (enrollment,) = enroll(session, person)
    act(TrainSession.objects.get())
    with effects() as seen:
        cancel(enrollment)
    assert seen == Effects(changed={key(enrollment): CANCELLED})


def test_cancel_keeps_a_record_that_the_enrollment_did_not_open(session: Session, person: Person) -> None:
    assign(session.course, person)
    (enrollment,) = enroll(session, person)
    with effects() as seen:
        cancel(enrollment)
    assert seen == Effects(changed={key(enrollment): CANCELLED})


def test_cancel_keeps_a_record_that_another_enrollment_needs(session: Session, person: Person) -> None:
    other = SessionFactory.create(course=session.course)
    (enrollment,), (second,) = enroll(session, person), enroll(other, person)
    with effects() as seen:
        cancel(enrollment)
    assert seen == Effects(changed={key(enrollment): CANCELLED})
    with effects() as seen:  # It did not open the record, which stays owed.
        cancel(second)
    assert seen == Effects(changed={key(second): CANCELLED})


def test_cancel_keeps_a_record_that_a_program_needs(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    program = ProgramSessionFactory.create(organization=session.organization, courses=[session.course])
    join(organization=session.organization, actor=ACTOR, session=program, person_ids=[person.pk])
    with effects() as seen:
        cancel(enrollment)
    assert seen == Effects(changed={key(enrollment): CANCELLED})


def test_cancelling_a_session_cancels_and_takes_back_for_whoever_is_still_enrolled(
    session: Session, person: Person
) -> None:
    done = PersonFactory.create(organization=session.organization)
    finished, enrollment = enroll(session, done, person)
    finish(finished, score=Decimal(80))
    record = TrainSession.objects.get(person=person)
    with effects() as seen:
        update_session(
            organization=session.organization,
            actor=ACTOR,
            session_id=session.pk,
            changes={"status": "cancelled"},
        )
    assert seen == Effects(
        changed={
            key(session): {"status": ("scheduled", "cancelled")},
            key(enrollment): CANCELLED,
            key(record): TAKEN_BACK,
        }
    )


# Complete an enrollment.


def test_complete_passed_completes_the_open_record(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    record = TrainSession.objects.get()
    with effects() as seen:
        finish(enrollment, score=Decimal("82.5"), feedback="", certificate_url="https://example.com/c")
    result = {
        "status": ("enrolled", "completed"),
        "score": (None, Decimal("82.5")),
        "passed": (None, True),
        "feedback": (None, ""),
        "certificate_url": (None, "https://example.com/c"),
        "completed_at": (None, NOW),
    }
    scored = {"score": (None, Decimal("82.5")), "last_attempt_at": (None, NOW)}
    assert seen == Effects(changed={key(enrollment): result, key(record): {**COMPLETED, **scored}})


def test_complete_passed_opens_a_record_first_where_there_is_none(session: Session, person: Person) -> None:
    attempt(owed(session.course, person), 80)
    (enrollment,) = enroll(session, person)  # Holds a valid record: opened none.
    with effects() as seen:
        finish(enrollment, score=Decimal(90))
    second = fresh_record(
        person,
        session.course,
        origin="enrollment",
        enrollment_id=enrollment.pk,
        **{name: new for name, (_, new) in COMPLETED.items()},
        score=90,
        last_attempt_at=NOW,
    )
    assert seen.made == {"TrainSession": [second]}
    assert list(seen.changed) == [key(enrollment)]


def test_complete_failed_counts_an_attempt(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    record = TrainSession.objects.get()
    with effects() as seen:
        finish(enrollment, score=Decimal("69.9"))
    result = {
        "status": ("enrolled", "failed"),
        "score": (None, Decimal("69.9")),
        "passed": (None, False),
        "completed_at": (None, NOW),
    }
    scored = {"score": (None, Decimal("69.9")), "last_attempt_at": (None, NOW)}
    assert seen == Effects(changed={key(enrollment): result, key(record): {**FAILED, **scored}})


def test_complete_without_a_score_where_one_is_needed_is_progress(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    record = TrainSession.objects.get()
    with effects() as seen:
        finish(enrollment)
    result = {"status": ("enrolled", "completed"), "completed_at": (None, NOW)}
    started = {"state": ("assigned", "in_progress"), "started_at": (None, NOW)}
    assert seen == Effects(changed={key(enrollment): result, key(record): started})


def test_complete_without_a_pass_score_passes(organization: Organization, person: Person) -> None:
    course = CourseFactory.create(organization=organization)
    (enrollment,) = enroll(SessionFactory.create(course=course), person)
    record = TrainSession.objects.get()
    with effects() as seen:
        finish(enrollment)
    result = {"status": ("enrolled", "completed"), "passed": (None, True), "completed_at": (None, NOW)}
    without_certificate = {name: change for name, change in COMPLETED.items() if name != "cert_expiry"}
    assert seen == Effects(changed={key(enrollment): result, key(record): without_certificate})


def test_absent_leaves_the_ledger_and_the_seat(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    with effects() as seen:
        enrolling.mark_absent(organization=session.organization, actor=ACTOR, enrollment_id=enrollment.pk)
    assert seen == Effects(changed={key(enrollment): {"status": ("enrolled", "absent")}})


# Unassign.


def test_unassign_takes_the_record_and_leaves_the_seat(session: Session, person: Person) -> None:
    (enrollment,) = enroll(session, person)
    record = TrainSession.objects.get()
    with effects() as seen:
        ids = records.unassign(organization=session.organization, actor=ACTOR, ids=[record.pk] * 2, reason="moved")
    assert ids == [record.pk]
    assert seen == Effects(changed={key(record): {"unassigned_at": (None, NOW), "unassign_reason": ("", "moved")}})
    with effects() as seen:  # The seat was kept, so it can be finished: a new record.
        finish(enrollment, score=Decimal(80))
    assert [(row["state"], row["enrollment_id"]) for row in seen.made["TrainSession"]] == [("completed", enrollment.pk)]
    assert list(seen.changed) == [key(enrollment)]


def test_unassign_courses_takes_what_one_person_owes_of_them(organization: Organization, person: Person) -> None:
    courses = [CourseFactory.create(organization=organization) for _ in range(4)]
    first, second, _other_course, done = (owed(course, person) for course in courses)
    assign(courses[0], PersonFactory.create(organization=organization))
    complete(done)
    codes = [courses[0].code, courses[1].code, courses[3].code]
    with effects() as seen:
        ids = records.unassign_courses(organization=organization, actor=ACTOR, course_codes=codes, person_id=person.pk)
    assert ids == [second.pk, first.pk]
    assert seen == Effects(changed={key(row): {"unassigned_at": (None, NOW)} for row in (first, second)})
