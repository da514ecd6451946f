"""Days, certificates, falling due, and the stamps by which a change feed misses nothing."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from accounts.days import certificate_last_day, day_of, last_instant
from accounts.models import Organization, Person
from enrollments.models import Course, Session
from enrollments.services.catalogue import update_session
from programs.services.membership import join, leave
from tests.acts import ACTOR, assign, attempt, cancel, complete, enroll, finish, owed, progress
from tests.conftest import api_of, body_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from tests.snapshots import NOTHING, NOW, Effects, effects, key
from training.models import TrainSession
from training.services import records

FAR_ZONES = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns", "Asia/Kathmandu", "Africa/Cairo")


@pytest.mark.parametrize(
    ("completed_on", "months", "last_day"),
    [
        (date(2025, 2, 12), 12, date(2026, 2, 11)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 1, 30), 1, date(2028, 2, 29)),
        (date(2028, 1, 29), 1, date(2028, 2, 28)),
        (date(2026, 1, 28), 1, date(2026, 2, 27)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 28)),
        (date(2026, 1, 1), 1, date(2026, 1, 31)),
        (date(2026, 1, 1), 12, date(2026, 12, 31)),
        (date(2026, 3, 31), 6, date(2026, 9, 30)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 5, 15), 1200, date(2126, 5, 14)),
    ],
)
def test_certificate_runs_to_the_day_before_the_same_day(completed_on: date, months: int, last_day: date) -> None:
    assert certificate_last_day(completed_on, months) == last_day


@pytest.mark.parametrize(
    ("zone", "last_day"),
    [("UTC", date(2028, 2, 29)), ("Pacific/Kiritimati", date(2028, 3, 1)), ("Pacific/Pago_Pago", date(2028, 2, 27))],
)
def test_certificate_counts_from_the_day_of_completion_where_the_organization_is(
    db: None, zone: str, last_day: date
) -> None:
    """One instant: 28 February in Pago Pago, 1 March in London, 2 March on Kiritimati."""
    organization = OrganizationFactory.create(time_zone=zone)
    course = CourseFactory.create(organization=organization, certificate_months=12)
    with time_machine.travel(datetime(2027, 3, 1, 10, 30, tzinfo=UTC), tick=False):
        record = complete(owed(course, PersonFactory.create(organization=organization)))
    record.refresh_from_db()
    assert record.cert_expiry == last_day


@pytest.mark.parametrize("zone", FAR_ZONES)
@pytest.mark.parametrize("day", [date(2027, 1, 1), date(2028, 2, 29), date(2027, 4, 30), date(2026, 10, 29)])
def test_a_due_day_in_is_the_due_day_out(db: None, zone: str, day: date) -> None:
    organization = OrganizationFactory.create(time_zone=zone)
    course = CourseFactory.create(organization=organization)
    person = PersonFactory.create(organization=organization)
    (assigned,) = assign(course, person, due_at=last_instant(day, organization.zone))
    record = TrainSession.objects.get(pk=assigned.record.pk)
    assert record.due_at is not None
    next_instant = record.due_at + timedelta(microseconds=1)
    assert (day_of(record.due_at, organization.zone), day_of(next_instant, organization.zone)) == (
        day,
        day + timedelta(days=1),
    )
    api = api_of(organization)
    for asked, ids in ((day, [record.pk]), (day - timedelta(days=1), []), (day + timedelta(days=1), [])):
        rows = api.get(f"/api/train_sessions?complete_by_eq={asked}&page=1").json()
        assert [row["id"] for row in rows] == ids
    assert body_of(api.get(f"/api/train_sessions/{record.pk}")).count(f'"complete_by":"{day}"'.encode()) == 1


# Falling due.


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, pass_score=Decimal(70))


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


def mark_overdue(organization: Organization) -> int:
    return records.mark_overdue(organization=organization, actor=ACTOR)


def test_falling_due_is_recorded_once_at_the_due_instant(course: Course, person: Person) -> None:
    due = NOW + timedelta(days=1)
    with time_machine.travel(NOW, tick=False):
        record = assign(course, person, due_at=due)[0].record
    with time_machine.travel(due - timedelta(microseconds=1), tick=False), effects() as seen:
        assert mark_overdue(course.organization) == 0
    assert seen == NOTHING
    with time_machine.travel(due, tick=False):
        with effects() as seen:
            assert mark_overdue(course.organization) == 1
        assert seen == Effects(changed={key(record): {"overdue": (False, True)}})
        with effects() as seen:
            assert mark_overdue(course.organization) == 0
    assert seen == NOTHING


def test_what_is_not_owed_does_not_fall_due(course: Course, organization: Organization) -> None:
    people = [PersonFactory.create(organization=organization) for _ in range(3)]
    with time_machine.travel(NOW, tick=False):
        done, gone, _undated = (owed(course, person) for person in people)
        records.change_due(
            organization=organization, actor=ACTOR, record_ids=[done.pk, gone.pk], due_at=NOW + timedelta(days=1)
        )
        complete(done)
        records.unassign(organization=organization, actor=ACTOR, ids=[gone.pk])
    with time_machine.travel(NOW + timedelta(days=9), tick=False), effects() as seen:
        assert mark_overdue(organization) == 0
    assert seen == NOTHING


def test_a_due_instant_moved_on_is_no_longer_overdue_and_falls_due_again(course: Course, person: Person) -> None:
    due, later = NOW + timedelta(days=1), NOW + timedelta(days=9)
    with time_machine.travel(NOW, tick=False):
        record = assign(course, person, due_at=due)[0].record
    with time_machine.travel(due, tick=False):
        mark_overdue(course.organization)
        with effects() as seen:
            records.change_due(organization=course.organization, actor=ACTOR, record_ids=[record.pk], due_at=later)
        assert seen == Effects(changed={key(record): {"due_at": (due, later), "overdue": (True, False)}})
        with effects() as seen:
            records.change_due(organization=course.organization, actor=ACTOR, record_ids=[record.pk], due_at=due)
        assert seen == Effects(changed={key(record): {"due_at": (later, due), "overdue": (False, True)}})
        with effects() as seen:
            records.change_due(organization=course.organization, actor=ACTOR, record_ids=[record.pk], due_at=None)
        assert seen == Effects(changed={key(record): {"due_at": (due, None), "overdue": (True, False)}})


def test_completing_an_overdue_record_ends_its_being_overdue(course: Course, person: Person) -> None:
    with time_machine.travel(NOW, tick=False):
        record = assign(course, person, due_at=NOW)[0].record
        with effects() as seen:
            complete(record)
    assert seen.changed[key(record)]["overdue"] == (True, False)


# Stamps.


def latest() -> datetime:
    return TrainSession.objects.order_by("-updated_at").values_list("updated_at", flat=True)[0]


def test_stamps_rise_with_every_act_also_when_the_clock_goes_back(organization: Organization, course: Course) -> None:
    """Also on PostgreSQL, whose own clock is not moved here: the last stamp lies ahead of it."""
    session: Session = SessionFactory.create(course=course)
    program = ProgramSessionFactory.create(organization=organization, courses=[course])
    people = [PersonFactory.create(organization=organization) for _ in range(4)]
    record = owed(course, people[0])
    ahead = datetime(2090, 1, 1, tzinfo=UTC)
    TrainSession.objects.filter(pk=record.pk).update(updated_at=ahead)
    acts: list[Any] = [
        lambda: assign(course, people[1], due_at=NOW),
        lambda: progress(record, percent_complete=5),
        lambda: attempt(record, 5),
        lambda: attempt(record, 95),
        lambda: enroll(session, people[2]),
        lambda: finish(session.enrollments.get(person=people[2]), score=Decimal(5)),
        lambda: enroll(session, people[3]),
        lambda: cancel(session.enrollments.get(person=people[3])),
        lambda: enroll(session, people[3]),
        lambda: update_session(
            organization=organization, actor=ACTOR, session_id=session.pk, changes={"status": "cancelled"}
        ),
        lambda: join(organization=organization, actor=ACTOR, session=program, person_ids=[people[3].pk]),
        lambda: leave(organization=organization, actor=ACTOR, session=program, person_ids=[people[3].pk]),
        lambda: TrainSession.objects.filter(person=people[1]).update(overdue=False),
        lambda: mark_overdue(organization),
        lambda: records.unassign_courses(
            organization=organization, actor=ACTOR, course_codes=[course.code], person_id=people[1].pk
        ),
    ]
    stamps = [latest()]
    for hours, act in enumerate(acts):
        with time_machine.travel(datetime(2080, 1, 1, tzinfo=UTC) - timedelta(hours=hours), tick=False):
            act()
        stamps.append(latest())
    silent = stamps[13]  # The one that is no act but the test's own.
    assert silent == stamps[12]
    assert stamps == [ahead + timedelta(microseconds=n if n < 13 else n - 1) for n in range(len(stamps))]


def test_stamps_are_the_clocks_where_it_runs_ahead(course: Course, person: Person) -> None:
    TrainSession.objects.filter(pk=owed(course, person).pk).update(updated_at=datetime(2001, 1, 1, tzinfo=UTC))
    before = datetime.now(UTC)
    record = owed(course, PersonFactory.create(organization=course.organization))
    record.refresh_from_db()
    assert before - timedelta(seconds=1) < record.updated_at < datetime.now(UTC) + timedelta(seconds=1)


def test_stamps_of_one_organization_do_not_push_anothers(course: Course, person: Person) -> None:
    TrainSession.objects.filter(pk=owed(course, person).pk).update(updated_at=datetime(2090, 1, 1, tzinfo=UTC))
    other = CourseFactory.create()
    record = owed(other, PersonFactory.create(organization=other.organization))
    record.refresh_from_db()
    assert record.updated_at.year < 2090


# One open record.


def test_at_most_one_record_of_a_person_and_course_is_open(course: Course, person: Person) -> None:
    """The services see to it, and the database holds it against whoever does not ask them."""
    record = owed(course, person)
    enroll(SessionFactory.create(course=course), person)
    program = ProgramSessionFactory.create(organization=course.organization, courses=[course])
    join(organization=course.organization, actor=ACTOR, session=program, person_ids=[person.pk])
    assert assign(course, person)[0].record == record
    assert TrainSession.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainSession.objects.create(
            organization=course.organization, course=course, person=person, created_by="x", updated_by="x"
        )
    complete(record)
    assert owed(course, person) != record
    assert connection.is_usable()
