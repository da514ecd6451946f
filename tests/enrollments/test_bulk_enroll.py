"""bulk_enroll: every outcome, what is said of it in each form, and what is written."""

import csv
import hashlib
import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import BulkOperation, BulkRow, Organization
from accounts.services.people import update_person
from enrollments import seats as seat_rule
from enrollments.models import Course, Enrollment, Session
from enrollments.services import bulk, enrolling
from enrollments.services.catalogue import update_session
from tests.acts import assign, complete
from tests.commands import Outcome
from tests.enrollments.bulk import ACTOR, Run, enrolled, operation, person, recorded, session_of, written
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UserFactory
from training.models import TrainSession


@pytest.fixture
def mixed(organization: Organization) -> Session:
    """A session, and somebody for every outcome in MIXED."""
    required = CourseFactory.create(organization=organization, code="BASIC")
    also = CourseFactory.create(organization=organization, code="ALSO")
    session = session_of(CourseFactory.create(organization=organization, prerequisites=[required, also]))
    for number in range(1, 7):
        someone = person(organization, f"EMP-{number}")
        for course in (required, also) if number != 5 else (also,):
            complete(assign(course, someone)[0].record)
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
Flo,"EMP-6  ",x,and more
Ada again,EMP-1,
nobody
Bob again,EMP-9,
"""

MIXED_ROWS = [
    (2, "EMP-1", "enrolled", ""),
    (4, "EMP-9", "refused", "There is no such employee. Spaces around employee_id were left out."),
    (5, "EMP-3", "refused", "The employee is inactive."),
    (6, "EMP-4", "refused", "Is enrolled already."),
    (8, "EMP-5", "refused", "Has not completed BASIC."),
    (9, "EMP-6", "enrolled", "Spaces around employee_id were left out."),
    (10, "EMP-1", "repeated", "Line 2 names the same person."),
    (11, "", "refused", "There is no such employee."),
    (12, "EMP-9", "refused", "There is no such employee."),
]
MIXED_COUNTS = {"enrolled": 2, "refused": 6, "repeated": 1}

MIXED_LINES = """\
line 4, EMP-9: There is no such employee. Spaces around employee_id were left out.
line 5, EMP-3: The employee is inactive.
line 6, EMP-4: Is enrolled already.
line 8, EMP-5: Has not completed BASIC.
line 11, (blank): There is no such employee.
line 12, EMP-9: There is no such employee.
2 enrolled, 6 refused, 1 repeated."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(MIXED, encoding="utf-8")
    return file


def report_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened))


def test_bulk_enroll_enrolls_everybody_of_a_list(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course, max_participants=2)
    for number in ("EMP-2", "EMP-1"):
        person(organization, number)
    assert run(session, employees="EMP-1, EMP-2,") == Outcome(
        0, f"2 enrolled, 0 refused. Operation {operation()}.\n", ""
    )
    assert enrolled(session) == ["EMP-1", "EMP-2"]
    assert list(Enrollment.objects.values_list("created_by", flat=True)) == ["user-0", "user-0"]
    assert TrainSession.objects.filter(course=course, origin="enrollment").count() == 2


def test_bulk_enroll_reports_each_row_refused_and_does_the_rest(mixed: Session, run: Run, file: Path) -> None:
    said = run(mixed, file=file)
    assert said == Outcome(2, f"{MIXED_LINES} Operation {operation()}.\n", "")
    assert enrolled(mixed) == ["EMP-4", "EMP-1", "EMP-6"]


def test_bulk_enroll_records_what_was_asked_and_what_became_of_each_row(
    organization: Organization, mixed: Session, run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "ledger")
    staff = UserFactory.create(organization=organization, email="ada@example.com")
    before = timezone.now()
    run(mixed, file=file, staff="Ada@example.com", on_full="partial")
    made = BulkOperation.objects.get()
    assert made.finished_at is not None
    assert before <= made.created_at <= made.finished_at <= timezone.now()
    fields = ("id", "organization_id", "kind", "reason", "details", "undoes_id", "counts", "created_by")
    assert BulkOperation.objects.values(*fields).get() == {
        "id": operation(),
        "organization_id": organization.pk,
        "kind": "bulk_enroll",
        "reason": "",
        "details": {
            "run_by": "ada on ledger",
            "session": mixed.pk,
            "on_full": "partial",
            "file": str(file),
            "sha256": hashlib.sha256(MIXED.encode()).hexdigest(),
        },
        "undoes_id": None,
        "counts": MIXED_COUNTS,
        "created_by": f"user-{staff.pk}",
    }
    ids = dict(Enrollment.objects.filter(created_by=f"user-{staff.pk}").values_list("person__employee_id", "pk"))
    columns = ("organization_id", "operation_id", "line", "key", "outcome", "reason", "target_id", "before")
    assert list(BulkRow.objects.order_by("pk").values_list(*columns)) == [
        (organization.pk, operation(), *given, ids[given[1]] if given[2] == "enrolled" else None, None)
        for given in MIXED_ROWS
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_bulk_enroll_report_names_every_row(mixed: Session, run: Run, file: Path, *, dry_run: bool) -> None:
    report = file.with_name("done.csv")
    assert run(mixed, file=file, report=report, dry_run=dry_run).status == 2
    assert report_of(report) == [
        ["line", "key", "outcome", "reason"],
        *([str(line), *texts] for line, *texts in MIXED_ROWS),
    ]
    assert sorted(path.name for path in file.parent.iterdir()) == ["done.csv", "people.csv"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_bulk_enroll_says_it_as_json(mixed: Session, run: Run, file: Path, *, dry_run: bool) -> None:
    said = run(mixed, file=file, json=True, dry_run=dry_run)
    assert (said.status, said.error, json.loads(said.out)) == (
        2,
        "",
        {
            "operation": None if dry_run else operation(),
            "dry_run": dry_run,
            "interrupted": False,
            "rows": 9,
            "counts": MIXED_COUNTS,
            "stopped": "",
            "refused": [
                {"line": line, "key": key, "outcome": outcome, "reason": reason}
                for line, key, outcome, reason in MIXED_ROWS
                if outcome == "refused"
            ],
            "refused_left_out": 0,
        },
    )


def test_bulk_enroll_dry_run_reports_the_same_and_writes_nothing(mixed: Session, run: Run, file: Path) -> None:
    before = written()
    assert run(mixed, file=file, dry_run=True) == Outcome(2, f"{MIXED_LINES}\nDry run: nothing was written.\n", "")
    assert (written(), enrolled(mixed)) == (before, ["EMP-4"])
    assert run(mixed, file=file) == Outcome(2, f"{MIXED_LINES} Operation {operation()}.\n", "")


def test_bulk_enroll_again_enrolls_nobody_twice(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course)
    person(organization, "EMP-1")
    run(session, employees="EMP-1")
    assert run(session, employees="EMP-1,EMP-1") == Outcome(
        1,
        "line 1, EMP-1: Is enrolled already.\nline 2, EMP-1: Is enrolled already.\n"
        f"0 enrolled, 2 refused. Operation {operation()}.\n",
        "Nobody was enrolled. Mend the refused rows and run it again.",
    )
    assert written() == (1, 1, 2, 3)


def test_bulk_enroll_enrolls_again_who_was_cancelled(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course)
    person(organization, "EMP-1")
    run(session, employees="EMP-1")
    enrolling.cancel(organization=organization, actor=ACTOR, enrollment_id=Enrollment.objects.get().pk)
    assert run(session, employees="EMP-1").status == 0
    assert enrolled(session) == ["EMP-1"]


def test_bulk_enroll_names_twenty_refused_rows_and_counts_the_rest(course: Course, run: Run) -> None:
    said = run(session_of(course), employees=",".join(f"X{number}" for number in range(1, 24)))
    assert said.out.splitlines() == [
        *(f"line {number}, X{number}: There is no such employee." for number in range(1, 21)),
        "… and 3 more, which --report FILE lists.",
        f"0 enrolled, 23 refused. Operation {operation()}.",
    ]
    assert len(recorded()) == 23


@pytest.mark.parametrize("status", ["cancelled", "completed"])
def test_bulk_enroll_refuses_a_session_that_is_over(
    organization: Organization, course: Course, run: Run, status: str
) -> None:
    session = session_of(course)
    person(organization, "EMP-1")
    update_session(organization=organization, actor=ACTOR, session_id=session.pk, changes={"status": status})
    assert run(session, employees="EMP-1") == Outcome(1, "", f"The session is {status}; nobody can be enrolled in it.")
    assert written() == (0, 0, 0, 0)


def test_bulk_enroll_takes_late_arrivals(organization: Organization, course: Course, run: Run) -> None:
    session = session_of(course, starts_at=timezone.now() - timedelta(days=3))
    person(organization, "EMP-1")
    assert run(session, employees="EMP-1").status == 0


@pytest.mark.parametrize("session", ["99", "0", "-1", "abc", "9" * 30])
def test_bulk_enroll_refuses_a_session_that_is_not_there(organization: Organization, run: Run, session: str) -> None:
    assert run(session, employees="EMP-1") == Outcome(1, "", f"There is no session {session}.")
    assert written() == (0, 0, 0, 0)


def test_bulk_enroll_does_not_see_another_organizations_session(organization: Organization, run: Run) -> None:
    foreign = SessionFactory.create(course=CourseFactory.create())
    person(organization, "EMP-1")
    assert run(foreign, employees="EMP-1") == Outcome(1, "", f"There is no session {foreign.pk}.")


def test_bulk_enroll_refuses_an_organization_that_is_not_there(organization: Organization, run: Run) -> None:
    assert run(1, organization="nobody", employees="EMP-1") == Outcome(1, "", "There is no organization 'nobody'.")


@pytest.mark.parametrize("who", ["nobody@example.com", "foreign@example.com", "gone@example.com", "plain@example.com"])
def test_bulk_enroll_acts_for_active_staff_of_the_organization_only(
    organization: Organization, course: Course, run: Run, who: str
) -> None:
    UserFactory.create(email="foreign@example.com")
    UserFactory.create(email="gone@example.com", organization=organization, is_active=False)
    UserFactory.create(email="plain@example.com", organization=organization, is_staff=False)
    person(organization, "EMP-1")
    assert run(session_of(course), employees="EMP-1", staff=who) == Outcome(
        1, "", f"{who} is no active staff user of {organization.slug}."
    )
    assert written() == (0, 0, 0, 0)


def test_bulk_enroll_acts_for_a_superuser(organization: Organization, course: Course, run: Run) -> None:
    root = UserFactory.create(organization=None, is_superuser=True)
    person(organization, "EMP-1")
    assert run(session_of(course), employees="EMP-1", staff=root.email).status == 0
    assert BulkOperation.objects.get().created_by == Enrollment.objects.get().created_by == f"user-{root.pk}"


# Many.


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
    assert run(small, employees=",".join([*numbers, "EMP-X", "EMP-0"])).status == 1
    assert run(large, employees=",".join([*numbers, "EMP-X", "EMP-0"])) == Outcome(
        2,
        f"line 6, EMP-X: There is no such employee.\n5 enrolled, 1 refused, 1 repeated. Operation {operation()}.\n",
        "",
    )
    assert (enrolled(small), enrolled(large)) == ([], numbers)
    assert TrainSession.objects.filter(course=course).count() == 5
    assert recorded() == [
        *((line, number, "enrolled", "") for line, number in enumerate(numbers, start=1)),
        (6, "EMP-X", "refused", "There is no such employee."),
        (7, "EMP-0", "repeated", "Line 1 names the same person."),
    ]


@pytest.mark.parametrize("on_full", ["fail", "partial"])
def test_bulk_enroll_asks_the_database_no_more_for_many_people_than_for_one(
    organization: Organization, run: Run, on_full: str
) -> None:
    required = CourseFactory.create(organization=organization)
    course = CourseFactory.create(organization=organization, prerequisites=[required])
    numbers = [f"EMP-{number}" for number in range(31)]
    people = [person(organization, number) for number in numbers]
    for assigned in assign(required, *people):
        complete(assigned.record)
    counts = []
    for some in (numbers[:1], numbers[1:]):
        session = session_of(course, max_participants=30)
        with CaptureQueriesContext(connection) as queries:
            assert run(session, employees=",".join([*some, "EMP-X"]), on_full=on_full).status == 2
        counts.append(len(queries))
    assert counts[0] == counts[1]


# Interrupted.


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_bulk_enroll_interrupted_leaves_nothing_and_says_so(
    organization: Organization,
    course: Course,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    number: signal.Signals,
) -> None:
    person(organization, "EMP-1")
    real = seat_rule.take_seats

    def take_seats(**given: Any) -> int | None:
        interrupt(number)
        return real(**given)

    monkeypatch.setattr(enrolling, "take_seats", take_seats)
    handler = signal.getsignal(number)
    report = tmp_path / "done.csv"
    assert run(session_of(course), employees="EMP-1", report=report) == Outcome(1, "", "Interrupted. Nothing was done.")
    assert (written(), signal.getsignal(number)) == ((0, 0, 0, 0), handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_bulk_enroll_interrupted_while_it_commits_reports_what_it_did(
    organization: Organization, course: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(organization, "EMP-1")
    real: Callable[..., enrolling.Enrolled] = enrolling.seat

    def seat(**given: Any) -> enrolling.Enrolled:
        done = real(**given)
        transaction.on_commit(interrupt)
        return done

    monkeypatch.setattr(bulk, "seat", seat)
    assert not connection.in_atomic_block
    said = run(session_of(course), employees="EMP-1")
    assert said == Outcome(0, f"1 enrolled, 0 refused. Operation {operation()}.\n", "")
    assert written() == (1, 1, 1, 1)
