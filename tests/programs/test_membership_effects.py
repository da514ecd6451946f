"""What joining and leaving a program session do to the ledger: whole rows before and after, in every state of it."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db.models import Model

from accounts.actors import Actor
from accounts.models import Organization, Person
from enrollments.errors import NotEnoughUnits
from enrollments.models import Course, Enrollment
from enrollments.services import enrolling
from programs.models import MemberRecord, Module, ModuleType, ProgramMember, ProgramSession
from programs.services import catalogue, membership
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory, UnitFactory
from training.models import TrainSession, Unit
from training.services import records

ACTOR = Actor.system()
NOW = datetime(2027, 3, 1, 10, tzinfo=UTC)
ENDS = datetime(2027, 6, 30, 16, 30, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def course(organization: Organization) -> Course:
    """Its certificate of today ends on 31 March."""
    return CourseFactory.create(organization=organization, certificate_months=1)


@pytest.fixture
def session(organization: Organization, course: Course) -> ProgramSession:
    return ProgramSessionFactory.create(organization=organization, courses=[course], ends_at=ENDS)


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization)


# Acts, by the system.


def by_system(row: Course | ProgramSession | TrainSession | Enrollment) -> dict[str, Any]:
    return {"organization": row.organization, "actor": ACTOR}


def join(session: ProgramSession, *people: Person) -> list[ProgramMember]:
    return membership.join(**by_system(session), session=session, person_ids=[one.pk for one in people])


def leave(session: ProgramSession, *people: Person) -> list[ProgramMember]:
    return membership.leave(**by_system(session), session=session, person_ids=[one.pk for one in people])


def assign(course: Course, person: Person) -> TrainSession:
    return records.assign(**by_system(course), course_id=course.pk, person_ids=[person.pk])[0].record


def start(record: TrainSession) -> None:
    done: dict[str, Any] = {"percent_complete": 30, "time_spent": Decimal("1.5")}
    records.progress(**by_system(record), record_id=record.pk, **done)


def fail(record: TrainSession) -> None:
    records.attempt(**by_system(record), record_id=record.pk, score=Decimal(10), passed=False)


def complete(record: TrainSession, on: date | None = None) -> None:
    records.complete(**by_system(record), record_id=record.pk, score=Decimal(80), on=on)


def unassign(record: TrainSession) -> None:
    records.unassign(**by_system(record), ids=[record.pk], reason="By hand")


def enroll(course: Course, person: Person) -> Enrollment:
    session = SessionFactory.create(course=course)
    enrolled = enrolling.enroll(**by_system(course), session_id=session.pk, person_ids=[person.pk])
    return enrolled.enrollments[0]


def cancel(enrollment: Enrollment) -> None:
    enrolling.cancel(**by_system(enrollment), enrollment_id=enrollment.pk)


# Snapshots.


def ledger() -> list[Row]:
    """Every record, whole, its stamp included."""
    return [{**row} for row in TrainSession.objects.order_by("pk").values()]


def everything() -> list[list[Row]]:
    models: tuple[type[Model], ...] = (TrainSession, Unit, ProgramMember, MemberRecord, Enrollment)
    return [list(model._default_manager.order_by("pk").values()) for model in models]  # noqa: SLF001 - Django's name


def members() -> list[tuple[int, int, datetime, datetime | None]]:
    rows = ProgramMember.objects.order_by("pk")
    return list(rows.values_list("session_id", "person_id", "joined_at", "left_at"))


def opened_by(member: ProgramMember) -> list[int]:
    return list(MemberRecord.objects.filter(member=member).order_by("pk").values_list("train_session_id", flat=True))


def opened(person: Person, course: Course, row: Row, **fields: Any) -> Row:
    """What joining opens at NOW. Ids and stamp are as they came out."""
    return {
        "id": row["id"],
        "organization_id": course.organization_id,
        "uuid": row["uuid"],
        "course_id": course.pk,
        "person_id": person.pk,
        "unit_id": None,
        "state": "assigned",
        "score": None,
        "percent": 0,
        "failed_attempts": 0,
        "time_spent": 0,
        "assigned_at": NOW,
        "started_at": None,
        "last_attempt_at": None,
        "completed_at": None,
        "due_at": ENDS,
        "overdue": False,
        "cert_expiry": None,
        "origin": "program",
        "enrollment_id": None,
        "unassigned_at": None,
        "unassign_reason": "",
        "created_at": NOW,
        "created_by": ACTOR.ref,
        "updated_at": row["updated_at"],
        "updated_by": ACTOR.ref,
        **fields,
    }


def taken_back(row: Row, after: Row) -> Row:
    """The tombstone of a record when its member left, at whatever the clock says."""
    assert after["updated_at"] > row["updated_at"]
    return {
        **row,
        "unit_id": None,
        "unassigned_at": datetime.now(UTC),
        "unassign_reason": "Left the program session",
        "updated_at": after["updated_at"],
    }


def assert_taken_back(before: list[Row], *ids: int) -> None:
    """These records became tombstones, the others are as they were, stamp and all."""
    after = ledger()
    assert after == [taken_back(row, now) if row["id"] in ids else row for row, now in zip(before, after, strict=True)]


# Every state of the ledger: what it holds before, and whether joining opens a record.


def unassigned_before(course: Course, person: Person) -> None:
    unassign(assign(course, person))


def unassigned_in_progress(course: Course, person: Person) -> None:
    record = assign(course, person)
    start(record)
    unassign(record)


def expired_and_assigned(course: Course, person: Person) -> None:
    complete(assign(course, person), date(2027, 1, 1))
    assign(course, person)


def valid_and_unassigned(course: Course, person: Person) -> None:
    complete(assign(course, person))
    unassign(assign(course, person))


State = Callable[[Course, Person], object]
STATES: dict[str, tuple[State, bool]] = {
    "none": (lambda _course, _person: None, True),
    "assigned": (assign, False),
    "in progress": (lambda course, person: start(assign(course, person)), False),
    "failed": (lambda course, person: fail(assign(course, person)), False),
    "completed, valid": (lambda course, person: complete(assign(course, person)), False),
    # 2 February + 1 month: its last day is 1 March, which is today.
    "completed, valid to today": (lambda course, person: complete(assign(course, person), date(2027, 2, 2)), False),
    "completed, expired yesterday": (lambda course, person: complete(assign(course, person), date(2027, 2, 1)), True),
    "unassigned before": (unassigned_before, True),
    "unassigned in progress": (unassigned_in_progress, True),
    "expired and assigned again": (expired_and_assigned, False),
    "valid beside a tombstone": (valid_and_unassigned, False),
}
EVERY_STATE = pytest.mark.parametrize(("state", "opens"), STATES.values(), ids=STATES)


@EVERY_STATE
def test_joining_opens_a_record_where_it_is_owed(
    session: ProgramSession, course: Course, person: Person, state: State, *, opens: bool
) -> None:
    state(course, person)
    before = ledger()
    [member] = join(session, person)
    new = ledger()[len(before) :]
    assert ledger()[: len(before)] == before
    assert new == ([opened(person, course, new[0])] if opens else [])
    assert all(new[0]["updated_at"] > row["updated_at"] for row in before if opens)
    assert opened_by(member) == [row["id"] for row in new]
    assert members() == [(session.pk, person.pk, NOW, None)]


@EVERY_STATE
def test_leaving_takes_back_what_joining_opened_and_nothing_else(
    session: ProgramSession, course: Course, person: Person, clock: time_machine.Traveller, state: State, *, opens: bool
) -> None:
    state(course, person)
    [member] = join(session, person)
    before = ledger()
    clock.move_to(LATER)
    leave(session, person)
    assert_taken_back(before, *[before[-1]["id"]] * opens)
    assert opened_by(member) == [before[-1]["id"]] * opens
    assert members() == [(session.pk, person.pk, NOW, LATER)]


@pytest.mark.parametrize("act", [start, fail], ids=["in progress", "failed"])
def test_leaving_takes_back_what_was_begun(
    session: ProgramSession, person: Person, act: Callable[[TrainSession], None]
) -> None:
    join(session, person)
    act(TrainSession.objects.get())
    before = ledger()
    leave(session, person)
    assert_taken_back(before, before[0]["id"])


@pytest.mark.parametrize("on", [None, date(2027, 1, 1)], ids=["valid", "expired"])
def test_leaving_leaves_what_was_completed(session: ProgramSession, person: Person, on: date | None) -> None:
    join(session, person)
    complete(TrainSession.objects.get(), on)
    before = ledger()
    leave(session, person)
    assert ledger() == before


def test_leaving_leaves_what_was_unassigned_and_what_was_opened_since(
    session: ProgramSession, course: Course, person: Person
) -> None:
    join(session, person)
    unassign(TrainSession.objects.get())
    assign(course, person)
    before = ledger()
    leave(session, person)
    assert ledger() == before


def test_leaving_takes_back_what_others_did_not_open(session: ProgramSession, course: Course, person: Person) -> None:
    """Other people's records, and the person's of other courses, stay."""
    colleague = PersonFactory.create(organization=session.organization)
    elsewhere = CourseFactory.create(organization=session.organization)
    assign(elsewhere, person)
    join(session, person, colleague)
    before = ledger()
    leave(session, person)
    assert_taken_back(before, TrainSession.objects.get(person=person, course=course).pk)


@pytest.mark.parametrize(
    ("ends_at", "fields"),
    [
        (None, {"due_at": None}),
        (LATER, {"due_at": LATER}),
        (NOW, {"due_at": NOW, "overdue": True}),
        (NOW - timedelta(days=9), {"due_at": NOW - timedelta(days=9), "overdue": True}),
    ],
)
def test_record_is_due_when_the_session_ends(
    organization: Organization, course: Course, person: Person, ends_at: datetime | None, fields: Row
) -> None:
    session = ProgramSessionFactory.create(organization=organization, courses=[course], ends_at=ends_at)
    join(session, person)
    assert (rows := ledger()) == [opened(person, course, rows[0], **fields)]


def test_each_course_is_opened_once_for_each_person(organization: Organization, course: Course) -> None:
    """Two modules of one course, one of another, one of none; of which one person has one already."""
    other = CourseFactory.create(organization=organization)
    session = ProgramSessionFactory.create(organization=organization, courses=[course, other, course], ends_at=ENDS)
    webinar = Module(organization=organization, template=session.template, position=4, type=ModuleType.WEBINAR)
    catalogue.create(actor=ACTOR, row=webinar)
    ada, bob = PersonFactory.create_batch(2, organization=organization)
    assign(other, ada)
    before = ledger()
    join(session, bob, ada)
    after = ledger()
    owed = [(bob, course), (bob, other), (ada, course)]
    new = [opened(person, owing, row) for (person, owing), row in zip(owed, after[1:], strict=True)]
    assert after == [*before, *new]
    assert len({row["updated_at"] for row in new}) == 1


def test_adding_a_member_again_changes_nothing(
    session: ProgramSession, person: Person, clock: time_machine.Traveller
) -> None:
    [member] = join(session, person)
    before = everything()
    clock.move_to(LATER)
    assert [again.pk for again in join(session, person, person)] == [member.pk]
    assert everything() == before


def test_adding_a_member_again_reopens_nothing(session: ProgramSession, person: Person) -> None:
    """What was unassigned by hand stays so while the membership lasts."""
    join(session, person)
    unassign(TrainSession.objects.get())
    before = everything()
    join(session, person)
    assert everything() == before


def test_removing_who_is_no_member_changes_nothing(
    session: ProgramSession, course: Course, person: Person, clock: time_machine.Traveller
) -> None:
    stranger = PersonFactory.create(organization=session.organization)
    assign(course, stranger)
    join(session, person)
    leave(session, person)
    before = everything()
    clock.move_to(LATER)
    assert leave(session, person, stranger) == []
    assert everything() == before


def test_rejoining_opens_anew_and_leaving_takes_back_the_new_one(
    session: ProgramSession, course: Course, person: Person, clock: time_machine.Traveller
) -> None:
    [first] = join(session, person)
    clock.move_to(LATER)
    leave(session, person)
    before = ledger()
    [second] = join(session, person)
    after = ledger()
    assert after == [*before, opened(person, course, after[1], assigned_at=LATER, created_at=LATER)]
    assert (opened_by(first), opened_by(second)) == ([after[0]["id"]], [after[1]["id"]])
    assert members() == [(session.pk, person.pk, NOW, LATER), (session.pk, person.pk, LATER, None)]
    clock.move_to(LATER + timedelta(days=1))
    leave(session, person)
    assert_taken_back(after, after[1]["id"])


# Two that need the same record.


def sharing(organization: Organization, course: Course) -> tuple[ProgramSession, ProgramSession, Course, Course]:
    """Two program sessions with `course` in both, and each with a course of its own."""
    own = CourseFactory.create_batch(2, organization=organization)
    first, second = (
        ProgramSessionFactory.create(organization=organization, courses=[course, one], ends_at=ENDS) for one in own
    )
    return first, second, own[0], own[1]


def record_of(person: Person, course: Course) -> int:
    return TrainSession.objects.get(person=person, course=course).pk


def test_two_program_sessions_share_one_record(organization: Organization, course: Course, person: Person) -> None:
    first, second, own_first, own_second = sharing(organization, course)
    [one], [two] = join(first, person), join(second, person)
    rows = ledger()
    owed = zip((course, own_first, own_second), rows, strict=True)
    assert rows == [opened(person, owing, row) for owing, row in owed]
    assert (opened_by(one), opened_by(two)) == ([row["id"] for row in rows[:2]], [rows[2]["id"]])


def test_leaving_the_opener_first_leaves_the_shared_record_for_good(
    organization: Organization, course: Course, person: Person
) -> None:
    """The second needs it, so that it stays; and the second did not open it, so that it stays then as well."""
    first, second, own_first, own_second = sharing(organization, course)
    join(first, person)
    join(second, person)
    before = ledger()
    leave(first, person)
    assert_taken_back(before, record_of(person, own_first))
    before = ledger()
    leave(second, person)
    assert_taken_back(before, record_of(person, own_second))


def test_leaving_the_opener_last_takes_the_shared_record_back(
    organization: Organization, course: Course, person: Person
) -> None:
    first, second, own_first, own_second = sharing(organization, course)
    join(first, person)
    join(second, person)
    before = ledger()
    leave(second, person)
    assert_taken_back(before, record_of(person, own_second))
    before = ledger()
    leave(first, person)
    assert_taken_back(before, record_of(person, course), record_of(person, own_first))


def test_somebody_elses_membership_needs_nothing_of_mine(
    organization: Organization, course: Course, person: Person
) -> None:
    first, second, own_first, _ = sharing(organization, course)
    colleague = PersonFactory.create(organization=organization)
    join(first, person)
    join(second, colleague)
    before = ledger()
    leave(first, person)
    assert_taken_back(before, record_of(person, course), record_of(person, own_first))


JOINED, ENROLLED = "joined", "enrolled"


@pytest.mark.parametrize(
    ("opener", "first_out", "gone"),
    [
        # The one that opened it goes while the other needs it: it stays, and stays when the other goes.
        (JOINED, JOINED, [False, False]),
        (ENROLLED, ENROLLED, [False, False]),
        # The other goes first: it stays, until the one that opened it goes.
        (JOINED, ENROLLED, [False, True]),
        (ENROLLED, JOINED, [False, True]),
    ],
)
def test_membership_and_enrollment_that_need_one_record(
    session: ProgramSession, course: Course, person: Person, *, opener: str, first_out: str, gone: list[bool]
) -> None:
    if opener == JOINED:
        join(session, person)
        enrollment = enroll(course, person)
    else:
        enrollment = enroll(course, person)
        join(session, person)
    [before] = ledger()
    order = [JOINED, ENROLLED] if first_out == JOINED else [ENROLLED, JOINED]
    for out, unassigned in zip(order, gone, strict=True):
        if out == JOINED:
            leave(session, person)
        else:
            cancel(enrollment)
        [after] = ledger()
        reason = "Left the program session" if opener == JOINED else "Enrollment cancelled"
        assert after == ({**taken_back(before, after), "unassign_reason": reason} if unassigned else before)


def test_finished_enrollment_needs_nothing_more(session: ProgramSession, course: Course, person: Person) -> None:
    """Failed: what is owed is owed to the program alone."""
    join(session, person)
    Course.objects.update(pass_score=Decimal(70))
    enrollment = enroll(course, person)
    enrolling.complete(**by_system(course), enrollment_id=enrollment.pk, score=Decimal(10))
    before = ledger()
    leave(session, person)
    assert_taken_back(before, before[0]["id"])


# Units.


def test_joining_takes_a_unit_and_leaving_gives_it_back(organization: Organization, person: Person) -> None:
    course = CourseFactory.create(organization=organization, uses_units=True)
    unit = UnitFactory.create(course=course, expires_on=NOW.date())
    session = ProgramSessionFactory.create(organization=organization, courses=[course], ends_at=ENDS)
    join(session, person)
    before = ledger()
    assert before == [opened(person, course, before[0], unit_id=unit.pk)]
    leave(session, person)
    assert_taken_back(before, before[0]["id"])


def test_joining_is_all_or_nothing(organization: Organization, course: Course) -> None:
    """One unit for two people: nobody joins, and nothing of the other course is opened either."""
    scarce = CourseFactory.create(organization=organization, uses_units=True)
    UnitFactory.create(course=scarce)
    session = ProgramSessionFactory.create(organization=organization, courses=[course, scarce])
    before = everything()
    with pytest.raises(NotEnoughUnits):
        join(session, *PersonFactory.create_batch(2, organization=organization))
    assert everything() == before
