"""Never one seat too many, whoever asks at the same time. Each race is run twice: as it is, and, as the control that
proves that the race is there, with the lock on the session taken out by the test.

The admin's pair: test_admin_seats.py.
"""

import contextlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError

from accounts.models import BulkRow, Organization, Person
from enrollments.errors import CapacityBelowSeatsTaken, SessionFull
from enrollments.models import Course, Enrollment, Session
from enrollments.services import enrolling
from enrollments.services.catalogue import update_session
from programs.models import ProgramMember
from programs.services.catalogue import update_session as update_program_session
from programs.services.membership import join
from tests.acts import ACTOR, enroll
from tests.concurrency.threads import RACE, at_once, meeting, patched, unlocked
from tests.conftest import api_of
from tests.factories import CourseFactory, PersonFactory, ProgramSessionFactory, SessionFactory
from training.models import TrainSession

pytestmark = RACE

SEATS, THREADS = 3, 10
ENROLLING = "enrollments.services.enrolling"
MEMBERSHIP = "programs.services.membership"


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization)


@pytest.fixture
def session(course: Course) -> Session:
    return SessionFactory.create(course=course, max_participants=SEATS)


@pytest.fixture
def people(organization: Organization) -> list[Person]:
    return [PersonFactory.create(organization=organization) for _ in range(THREADS)]


@pytest.fixture(params=[True, False], ids=["real", "control"])
def locked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """The control is the same run without the lock."""
    if not request.param:
        monkeypatch.setattr(f"{ENROLLING}.lock_rows", unlocked)
        monkeypatch.setattr(f"{MEMBERSHIP}.lock_rows", unlocked)
    return bool(request.param)


def seated(session: Session) -> int:
    return Enrollment.objects.filter(session=session).holding_a_seat().count()


def by_api(session: Session, person: Person) -> Callable[[], object]:
    """A client of its own."""
    api = api_of(session.organization)

    def ask() -> object:
        body = {"session_id": session.pk, "employee_ids": [person.pk]}
        response = api.post("/api/v1/training/enrollments", body)
        return "enrolled" if response.status_code == 201 else response.json()["message"]

    return ask


def by_command(session: Session, person: Person) -> Callable[[], object]:
    def ask() -> object:
        out = io.StringIO()
        try:
            call_command(
                "bulk_enroll",
                organization=session.organization.slug,
                session=str(session.pk),
                employees=person.employee_id,
                stdout=out,
            )
        except CommandError as error:
            return str(error).partition(" Nobody was enrolled.")[0]
        return "enrolled" if out.getvalue().startswith("1 enrolled, 0 refused. Operation ") else out.getvalue()

    return ask


FULL = "Session is at capacity. No spots remaining. You requested 1 enrollment."


@pytest.mark.parametrize("entrance", [by_api, by_command])
def test_ten_threads_get_three_seats(
    session: Session,
    people: list[Person],
    monkeypatch: pytest.MonkeyPatch,
    *,
    locked: bool,
    entrance: Callable[[Session, Person], Callable[[], object]],
) -> None:
    with patched(monkeypatch, after=f"{ENROLLING}.take_seats", meet=meeting(THREADS)):
        answers = at_once(*[entrance(session, person) for person in people])
    if locked:
        assert sorted(map(str, answers)) == [FULL] * (THREADS - SEATS) + ["enrolled"] * SEATS
        assert (seated(session), TrainSession.objects.count()) == (SEATS, SEATS)
    else:
        assert seated(session) > SEATS
        assert answers.count("enrolled") == seated(session)


def test_a_command_for_many_and_clients_share_the_last_seats(
    session: Session, people: list[Person], monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> None:
    """What the command says and records is what is there."""
    many, others = people[: SEATS + 2], people[SEATS + 2 :]
    out = io.StringIO()

    def command() -> object:
        with contextlib.suppress(CommandError, SystemExit):
            call_command(
                "bulk_enroll",
                organization=session.organization.slug,
                session=str(session.pk),
                employees=",".join(person.employee_id for person in many),
                on_full="partial",
                json=True,
                stdout=out,
            )
        return json.loads(out.getvalue())["counts"]

    with patched(monkeypatch, after=f"{ENROLLING}.take_seats", meet=meeting(1 + len(others))):
        counts, *answers = at_once(command, *[by_api(session, person) for person in others])
    ids = list(Enrollment.objects.filter(session=session, person__in=many).order_by("pk").values_list("pk", flat=True))
    recorded = BulkRow.objects.order_by("line").values_list("outcome", "target_id", "reason")
    refused = len(many) - len(ids)
    assert counts == {name: count for name, count in (("enrolled", len(ids)), ("refused", refused)) if count}
    assert (
        list(recorded) == [("enrolled", pk, "") for pk in ids] + [("refused", None, "The session is full.")] * refused
    )
    if locked:
        free = SEATS - len(ids)
        assert sorted(map(str, answers)) == [FULL] * (len(others) - free) + ["enrolled"] * free
        assert (seated(session), TrainSession.objects.count()) == (SEATS, SEATS)
    else:
        assert seated(session) == len(ids) + answers.count("enrolled") > SEATS


def test_lowering_the_capacity_while_enrolling_never_leaves_too_many(
    session: Session, people: list[Person], monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> None:
    meet = meeting(2)

    def lower() -> object:
        changes = {"max_participants": 1}
        return update_session(organization=session.organization, actor=ACTOR, session_id=session.pk, changes=changes)

    with (
        patched(monkeypatch, after=f"{ENROLLING}.take_seats", meet=meet),
        patched(monkeypatch, before="enrollments.services.catalogue.save_checked", meet=meet),
    ):
        results = at_once(lambda: enroll(session, *people[:SEATS]), lower)
    session.refresh_from_db()
    refusals = [type(result) for result in results if isinstance(result, Exception)]
    if locked:
        assert (seated(session), session.max_participants, refusals) in [
            (SEATS, SEATS, [CapacityBelowSeatsTaken]),
            (0, 1, [SessionFull]),
        ]
    else:
        assert (seated(session), session.max_participants, refusals) == (SEATS, 1, [])


def test_a_program_session_takes_no_more_people_than_its_limit(
    organization: Organization,
    course: Course,
    people: list[Person],
    monkeypatch: pytest.MonkeyPatch,
    *,
    locked: bool,
) -> None:
    program = ProgramSessionFactory.create(
        organization=organization, courses=[course], has_user_limit=True, user_limit=SEATS
    )

    def joining(person: Person) -> Callable[[], object]:
        return lambda: join(organization=organization, actor=ACTOR, session=program, person_ids=[person.pk])

    with patched(monkeypatch, after=f"{MEMBERSHIP}.take_seats", meet=meeting(THREADS)):
        results = at_once(*[joining(person) for person in people])
    members = ProgramMember.objects.current().count()
    refused = [type(result) for result in results if isinstance(result, Exception)]
    if locked:
        assert (members, refused) == (SEATS, [SessionFull] * (THREADS - SEATS))
    else:
        assert members > SEATS


def test_lowering_a_programs_limit_while_joining_never_leaves_too_many(
    organization: Organization, people: list[Person], monkeypatch: pytest.MonkeyPatch, *, locked: bool
) -> None:
    limit = {"has_user_limit": True, "user_limit": SEATS}
    program = ProgramSessionFactory.create(organization=organization, **limit)
    ids = [person.pk for person in people[:SEATS]]
    meet = meeting(2)
    with (
        patched(monkeypatch, after=f"{MEMBERSHIP}.take_seats", meet=meet),
        patched(monkeypatch, before="programs.services.catalogue.save_checked", meet=meet),
    ):
        at_once(
            lambda: join(organization=organization, actor=ACTOR, session=program, person_ids=ids),
            lambda: update_program_session(
                organization=organization, actor=ACTOR, session=program, changes={"user_limit": 1}
            ),
        )
    program.refresh_from_db()
    state = (ProgramMember.objects.current().count(), program.user_limit)
    if locked:
        assert state in [(SEATS, SEATS), (0, 1)]
    else:
        assert state == (SEATS, 1)


@pytest.mark.parametrize("ledger_locked", [True, False], ids=["real", "control"])
def test_enrollments_that_race_to_open_the_same_record_open_one(
    course: Course, people: list[Person], monkeypatch: pytest.MonkeyPatch, *, ledger_locked: bool
) -> None:
    """One person, a session of the same course for each thread: no session lock comes between them, the ledger's does.
    Without it the database's constraint is what is left.
    """
    person, sessions = people[0], [SessionFactory.create(course=course) for _ in range(THREADS)]
    if not ledger_locked:
        monkeypatch.setattr("training.services.writer.lock_ledger", lambda _organization_id: None)
    meet = meeting(THREADS)
    real = TrainSession.objects.bulk_create

    def bulk_create(rows: list[TrainSession], **given: Any) -> list[TrainSession]:
        meet()
        return real(rows, **given)

    monkeypatch.setattr(TrainSession.objects, "bulk_create", bulk_create)
    results = at_once(*[lambda session=session: enroll(session, person) for session in sessions])
    failed = [result for result in results if isinstance(result, Exception)]
    assert TrainSession.objects.open().filter(person=person, course=course).count() == 1
    if ledger_locked:
        assert failed == []
        assert Enrollment.objects.count() == THREADS
    else:
        assert any(isinstance(error, IntegrityError) for error in failed)


def test_enrolling_reads_the_limit_from_the_locked_row(session: Session, people: list[Person]) -> None:
    """The limit may have been lowered between the caller's look and the lock."""
    Session.objects.filter(pk=session.pk).update(max_participants=0)
    assert session.max_participants == SEATS
    with pytest.raises(SessionFull) as refused:
        enrolling.enroll(
            organization=session.organization, actor=ACTOR, session_id=session.pk, person_ids=[people[0].pk]
        )
    assert (refused.value.remaining, refused.value.requested) == (0, 1)
