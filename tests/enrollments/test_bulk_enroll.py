import io
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization, Person
from accounts.services.people import update_person
from enrollments import seats as seat_rule
from enrollments.models import Course, Enrollment, Session
from enrollments.services import bulk, enrolling
from enrollments.services.catalogue import update_session
from tests.commands import Outcome, outcome
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UnitFactory
from training.models import TrainSession
from training.services import records

ACTOR = Actor.system()
Run = Callable[..., Outcome]


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this organization."""

    def call(session: Session | int | str, *, organization: str = organization.slug, **options: Any) -> Outcome:
        number = session.pk if isinstance(session, Session) else session
        return outcome(capsys, "bulk_enroll", organization=organization, session=str(number), **options)

    return call


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization)


def session_of(course: Course, **fields: Any) -> Session:
    return SessionFactory.create(organization=course.organization, course=course, **fields)


def person(organization: Organization, employee_id: str) -> Person:
    return PersonFactory.create(organization=organization, employee_id=employee_id)


def enrolled(session: Session) -> list[str]:
    rows = Enrollment.objects.filter(session=session).holding_a_seat()
    return list(rows.order_by("pk").values_list("person__employee_id", flat=True))


def written() -> tuple[int, int]:
    return Enrollment.objects.count(), TrainSession.objects.count()


@pytest.fixture
def mixed(organization: Organization, course: Course) -> Session:
    """A session, and somebody for every reason of MIXED to be refused."""
    required = CourseFactory.create(organization=organization, code="BASIC")
    also = CourseFactory.create(organization=organization, code="ALSO")
    advanced = CourseFactory.create(organization=organization, prerequisites=[required, also])
    session = session_of(advanced)
    for number in range(1, 7):
        someone = person(organization, f"EMP-{number}")
        for course_id in (required.pk, also.pk) if number != 5 else (also.pk,):
            (assigned,) = records.assign(
                organization=organization, actor=ACTOR, course_id=course_id, person_ids=[someone.pk]
            )
            records.complete(organization=organization, actor=ACTOR, record_id=assigned.record.pk)
        if number == 3:
            update_person(organization=organization, actor=ACTOR, person=someone, changes={"active": False})
        if number == 4:
            enrolling.enroll(organization=organization, actor=ACTOR, session_id=session.pk, person_ids=[someone.pk])
    PersonFactory.create(organization=OrganizationFactory.create(), employee_id="EMP-9")
    return session


MIXED = """\
name, employee_id ,note
Ada,EMP-1,"late,
arrival"
Bob, EMP-9 ,
Cy,EMP-3,
Di,EMP-4,

Ed,EMP-5,
Flo,EMP-6,x,and more
Ada again,EMP-1,
nobody
Bob again,EMP-9,
"""

MIXED_REPORT = """\
row 4, EMP-9: there is no such employee.
row 5, EMP-3: the employee is inactive.
row 6, EMP-4: is enrolled already.
row 8, EMP-5: has not completed BASIC.
row 11, (blank): there is no such employee.
row 12, EMP-9: there is no such employee.
2 enrolled, 6 refused, 1 repeated.
"""


def test_bulk_enroll_enrolls_everybody_of_a_list(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course, max_participants=2)
    for number in ("EMP-2", "EMP-1"):
        person(organization, number)
    assert run(session, employees="EMP-1, EMP-2,") == Outcome(0, "2 enrolled, 0 refused.\n", "")
    assert enrolled(session) == ["EMP-1", "EMP-2"]
    assert list(Enrollment.objects.values_list("created_by", flat=True)) == ["user-0", "user-0"]
    assert TrainSession.objects.filter(course=course, origin="enrollment").count() == 2


def test_bulk_enroll_reports_each_row_refused_and_does_the_rest(mixed: Session, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(MIXED, encoding="utf-8")
    assert run(mixed, file=file) == Outcome(2, MIXED_REPORT, "")
    assert enrolled(mixed) == ["EMP-4", "EMP-1", "EMP-6"]


def test_bulk_enroll_dry_run_reports_the_same_and_writes_nothing(mixed: Session, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(MIXED, encoding="utf-8")
    before = written()
    report = f"{MIXED_REPORT}Dry run: nothing was written.\n"
    assert run(mixed, file=file, dry_run=True) == Outcome(2, report, "")
    assert (written(), enrolled(mixed)) == (before, ["EMP-4"])
    assert run(mixed, file=file) == Outcome(2, MIXED_REPORT, "")


def test_bulk_enroll_again_enrolls_nobody_twice(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course)
    person(organization, "EMP-1")
    run(session, employees="EMP-1")
    before = written()
    assert run(session, employees="EMP-1") == Outcome(
        1, "row 1, EMP-1: is enrolled already.\n0 enrolled, 1 refused.\n", "Nobody was enrolled."
    )
    assert written() == before


@pytest.mark.parametrize(
    ("seats", "message"),
    [
        (0, "Session is at capacity. No spots remaining. You requested 2 enrollments. Nobody was enrolled."),
        (1, "Session is at capacity. Only 1 spot remaining. You requested 2 enrollments. Nobody was enrolled."),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_bulk_enroll_enrolls_nobody_where_seats_do_not_suffice_for_all_acceptable(
    organization: Organization, course: Course, run: Run, *, seats: int, message: str, dry_run: bool
) -> None:
    session = session_of(course, max_participants=seats)
    for number in ("EMP-1", "EMP-2"):
        person(organization, number)
    report = "row 2, EMP-9: there is no such employee.\n0 enrolled, 1 refused.\n"
    report += "Dry run: nothing was written.\n" if dry_run else ""
    assert run(session, employees="EMP-1,EMP-9,EMP-2", dry_run=dry_run) == Outcome(1, report, message)
    assert written() == (0, 0)


def test_bulk_enroll_needs_seats_for_the_acceptable_only(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course, max_participants=1)
    person(organization, "EMP-1")
    assert run(session, employees="EMP-9,EMP-1").status == 2
    assert enrolled(session) == ["EMP-1"]


def test_bulk_enroll_enrolls_nobody_where_units_do_not_suffice(organization: Organization, run: Run) -> None:
    course = CourseFactory.create(organization=organization, code="PAID", uses_units=True)
    UnitFactory.create(organization=organization, course=course)
    session = session_of(course)
    for number in ("EMP-1", "EMP-2"):
        person(organization, number)
    assert run(session, employees="EMP-1,EMP-2") == Outcome(
        1, "0 enrolled, 0 refused.\n", "Not enough units of PAID: 2 needed, 1 free. Nobody was enrolled."
    )
    assert written() == (0, 0)


@pytest.mark.parametrize("status", ["cancelled", "completed"])
def test_bulk_enroll_refuses_a_session_that_is_over(
    organization: Organization, course: Course, run: Run, status: str
) -> None:
    session = session_of(course)
    person(organization, "EMP-1")
    update_session(organization=organization, actor=ACTOR, session_id=session.pk, changes={"status": status})
    assert run(session, employees="EMP-1") == Outcome(1, "", f"The session is {status}; nobody can be enrolled in it.")


def test_bulk_enroll_takes_late_arrivals(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course, starts_at=timezone.now() - timedelta(days=3))
    person(organization, "EMP-1")
    assert run(session, employees="EMP-1").status == 0


@pytest.mark.parametrize("session", ["99", "0", "-1", "abc", "9" * 30])
def test_bulk_enroll_refuses_a_session_that_is_not_there(organization: Organization, run: Run, session: str) -> None:
    assert run(session, employees="EMP-1") == Outcome(1, "", f"There is no session {session}.")


def test_bulk_enroll_does_not_see_another_organizations_session(organization: Organization, run: Run) -> None:
    foreign = SessionFactory.create(course=CourseFactory.create())
    person(organization, "EMP-1")
    assert run(foreign, employees="EMP-1") == Outcome(1, "", f"There is no session {foreign.pk}.")


def test_bulk_enroll_refuses_an_organization_that_is_not_there(organization: Organization, run: Run) -> None:
    assert run(1, organization="nobody", employees="EMP-1") == Outcome(1, "", "There is no organization 'nobody'.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{file} is empty."),
        (b"\xef\xbb\xbf\n\n", "{file} is empty."),
        (b"employee_id\n", "{file} has no rows."),
        (b"employee_id\n \n,\n", "{file} has no rows."),
        (b"name,number\nAda,EMP-1\n", "{file} needs one column employee_id. Its header has: name, number."),
        (
            b"employee_id,employee_id\nEMP-1,EMP-2\n",
            "{file} needs one column employee_id. Its header has: employee_id, employee_id.",
        ),
        (b"employee_id\nEMP-1\nEMP\x00-2\n", "{file} has a NUL character in row 3."),
        ("employee_id\nMüller\n".encode("latin-1"), "{file} is not UTF-8. Save it as CSV UTF-8."),
        ("employee_id\nEMP-1\n".encode("utf-16"), "{file} is not UTF-8. Save it as CSV UTF-8."),
        (b'employee_id\n"EMP-1\n', "{file} is no CSV: unexpected end of data."),
        (b"employee_id\n" + b"9" * 200_000, "{file} is no CSV: field larger than field limit (131072)."),
    ],
)
def test_bulk_enroll_refuses_a_file_that_it_cannot_read_in_one_line(
    organization: Organization, course: Course, run: Run, tmp_path: Path, *, content: bytes, message: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    person(organization, "EMP-1")
    assert run(session_of(course), file=file) == Outcome(1, "", message.format(file=file))
    assert written() == (0, 0)


@pytest.mark.parametrize(("name", "why"), [("missing.csv", "No such file or directory"), (".", "Is a directory")])
def test_bulk_enroll_refuses_a_file_that_is_not_there(
    course: Course, run: Run, tmp_path: Path, name: str, why: str
) -> None:
    file = tmp_path / name
    assert run(session_of(course), file=file) == Outcome(1, "", f"{file} cannot be read: {why}.")


def test_bulk_enroll_refuses_an_empty_list(course: Course, run: Run) -> None:
    assert run(session_of(course), employees=" , ") == Outcome(1, "", "The list is empty.")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_bulk_enroll_reads_utf8_with_and_without_a_mark(
    organization: Organization, course: Course, run: Run, tmp_path: Path, *, encoding: str, line_end: str
) -> None:
    person(organization, "Ñ-1")
    file = tmp_path / "people.csv"
    file.write_bytes(line_end.join(["employee_id,x", '"Ñ-1 ","a, b"', "Ö-2,"]).encode(encoding))
    session = session_of(course)
    assert run(session, file=file) == Outcome(2, "row 3, Ö-2: there is no such employee.\n1 enrolled, 1 refused.\n", "")
    assert enrolled(session) == ["Ñ-1"]


def test_bulk_enroll_goes_through_a_long_list_in_pieces(
    organization: Organization, course: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seats are counted once for all of them."""
    monkeypatch.setattr(enrolling, "BATCH", 2)
    monkeypatch.setattr(bulk, "BATCH", 3)
    numbers = [f"EMP-{number}" for number in range(5)]
    for number in numbers:
        person(organization, number)
    small, large = session_of(course, max_participants=4), session_of(course, max_participants=5)
    assert run(small, employees=",".join([*numbers, "EMP-X"])).status == 1
    assert run(large, employees=",".join([*numbers, "EMP-X"])) == Outcome(
        2, "row 6, EMP-X: there is no such employee.\n5 enrolled, 1 refused.\n", ""
    )
    assert (enrolled(small), enrolled(large)) == ([], numbers)
    assert TrainSession.objects.filter(course=course).count() == 5


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
def test_bulk_enroll_shows_a_progress_bar_on_a_terminal_only(
    organization: Organization,
    course: Course,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    stream: type[io.StringIO],
    shown: bool,
) -> None:
    person(organization, "EMP-1")
    errors = stream()
    monkeypatch.setattr(sys, "stderr", errors)
    assert run(session_of(course), employees="EMP-1,EMP-9").out == (
        "row 2, EMP-9: there is no such employee.\n1 enrolled, 1 refused.\n"
    )
    assert ("2/2" in errors.getvalue()) is shown
    assert shown or errors.getvalue() == ""


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_bulk_enroll_interrupted_leaves_nothing_and_says_so(
    organization: Organization, course: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(organization, "EMP-1")
    real = seat_rule.take_seats

    def take_seats(**given: Any) -> int | None:
        interrupt()
        return real(**given)

    monkeypatch.setattr(enrolling, "take_seats", take_seats)
    handler = signal.getsignal(signal.SIGINT)
    assert run(session_of(course), employees="EMP-1") == Outcome(1, "", "Interrupted. Nothing was done.")
    assert (written(), signal.getsignal(signal.SIGINT)) == ((0, 0), handler)


@pytest.mark.django_db(transaction=True)
def test_bulk_enroll_interrupted_while_it_commits_reports_what_it_did(
    organization: Organization, course: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(organization, "EMP-1")
    real = enrolling.seat

    def seat(**given: Any) -> enrolling.Enrolled:
        done = real(**given)
        transaction.on_commit(interrupt)
        return done

    monkeypatch.setattr(bulk, "seat", seat)
    assert not connection.in_atomic_block
    assert run(session_of(course), employees="EMP-1") == Outcome(0, "1 enrolled, 0 refused.\n", "")
    assert written() == (1, 1)
