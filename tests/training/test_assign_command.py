"""assign: every outcome, what is said of it in each form, and what is written."""

import csv
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import BulkOperation, BulkRow, Organization
from enrollments.models import Course
from enrollments.services import catalogue
from tests.acts import ACTOR, assign, complete
from tests.commands import Outcome
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, UnitFactory, UserFactory
from tests.training.assigning import NOW, UNKNOWN, Run, deactivate, operation, owing, person, recorded, runner, written
from training.models import TrainSession, Unit
from training.services import assigning
from training.services.writer import LedgerWriter

MEND = "Nobody was assigned. Mend the refused rows and run it again."


@pytest.fixture(autouse=True)
def _today() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="SAF-1")


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(organization, capsys)


@pytest.fixture
def mixed(organization: Organization, course: Course) -> Course:
    """Somebody for every outcome in MIXED."""
    people = {number: person(organization, f"EMP-{number}") for number in range(1, 7)}
    deactivate(people[2])
    assign(course, people[3], due_at=datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=UTC))
    assign(course, people[4])
    complete(assign(course, people[5])[0].record)
    PersonFactory.create(organization=OrganizationFactory.create(), employee_id="EMP-9")
    return course


MIXED = """\
employee_id,note
EMP-1,"a note
of two lines"
EMP-2,
 EMP-3,
EMP-4,
EMP-5,completed before
EMP-9,
EMP-1,
EMP-3,
,blank
EMP-9,
"""

KEPT = "Has an open record already, {}; it stays as it is."
MIXED_ROWS = [
    (2, "EMP-1", "assigned", ""),
    (4, "EMP-2", "refused", "The employee is inactive."),
    (5, "EMP-3", "unchanged", f"{KEPT.format('due 2026-06-30')} Spaces around employee_id were left out."),
    (6, "EMP-4", "unchanged", KEPT.format("without a due date")),
    (7, "EMP-5", "assigned", ""),
    (8, "EMP-9", "refused", UNKNOWN),
    (9, "EMP-1", "repeated", "Line 2 names the same person."),
    (10, "EMP-3", "repeated", "Line 5 names the same person."),
    (11, "", "refused", UNKNOWN),
    (12, "EMP-9", "refused", UNKNOWN),
]
MIXED_COUNTS = {"assigned": 2, "unchanged": 2, "repeated": 2, "refused": 4}
MIXED_LINES = """\
line 4, EMP-2: The employee is inactive.
line 8, EMP-9: There is no such employee.
line 11, (blank): There is no such employee.
line 12, EMP-9: There is no such employee.
2 assigned, 4 refused, 2 unchanged, 2 repeated."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "people.csv"
    file.write_text(MIXED, encoding="utf-8")
    return file


def test_assign_opens_a_record_for_everybody_of_a_list(organization: Organization, course: Course, run: Run) -> None:
    for number in ("EMP-2", "EMP-1"):
        person(organization, number)
    assert run(employees="EMP-1, EMP-2,") == Outcome(0, f"2 assigned, 0 refused. Operation {operation()}.\n", "")
    fields = ("person__employee_id", "course_id", "state", "origin", "due_at", "overdue", "assigned_at", "created_by")
    due_at = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert list(TrainSession.objects.order_by("pk").values_list(*fields)) == [
        (number, course.pk, "assigned", "hand", due_at, False, NOW, "user-0") for number in ("EMP-1", "EMP-2")
    ]


def test_assign_says_and_does_what_becomes_of_each_row(mixed: Course, run: Run, file: Path) -> None:
    before = {row["id"]: row for row in TrainSession.objects.values()}
    said = run(file=file)
    assert said == Outcome(2, f"{MIXED_LINES} Operation {operation()}.\n", "")
    assert owing(mixed) == ["EMP-3", "EMP-4", "EMP-1", "EMP-5"]
    assert {pk: row for row in TrainSession.objects.values() if (pk := row["id"]) in before} == before


def test_assign_records_what_was_asked_and_what_became_of_each_row(
    organization: Organization, mixed: Course, run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "ledger")
    staff = UserFactory.create(organization=organization, email="ada@example.com")
    existing = set(TrainSession.objects.values_list("pk", flat=True))
    run(file=file, staff="Ada@example.com")
    row = BulkOperation.objects.values().get()
    digest = row["details"].pop("sha256")
    assert len(digest) == 64
    assert row == {
        "id": operation(),
        "organization_id": organization.pk,
        "kind": "assign",
        "reason": "",
        "details": {"run_by": "ada on ledger", "course": "SAF-1", "due": "2026-12-31", "file": str(file)},
        "undoes_id": None,
        "counts": MIXED_COUNTS,
        "created_by": f"user-{staff.pk}",
        "created_at": NOW,
        "finished_at": NOW,
    }
    opened = TrainSession.objects.exclude(pk__in=existing)
    ids = dict(opened.values_list("person__employee_id", "pk"))
    assert set(opened.values_list("created_by", "updated_by")) == {(f"user-{staff.pk}",) * 2}
    fields = ("organization_id", "operation_id", "line", "key", "outcome", "reason", "target_id", "before")
    assert list(BulkRow.objects.order_by("pk").values_list(*fields)) == [
        (organization.pk, operation(), *given, ids[given[1]] if given[2] == "assigned" else None, None)
        for given in MIXED_ROWS
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_assign_reports_every_row_in_a_file_and_as_json(mixed: Course, run: Run, file: Path, *, dry_run: bool) -> None:
    report = file.with_name("done.csv")
    said = run(file=file, report=report, json=True, dry_run=dry_run)
    with report.open(encoding="utf-8", newline="") as opened:
        assert list(csv.reader(opened)) == [
            ["line", "key", "outcome", "reason"],
            *([str(line), *texts] for line, *texts in MIXED_ROWS),
        ]
    assert (said.status, said.error, json.loads(said.out)) == (
        2,
        "",
        {
            "operation": None if dry_run else operation(),
            "dry_run": dry_run,
            "interrupted": False,
            "rows": 10,
            "counts": MIXED_COUNTS,
            "stopped": "",
            "refused": [
                {"line": line, "key": key, "outcome": became, "reason": reason}
                for line, key, became, reason in MIXED_ROWS
                if became == "refused"
            ],
            "refused_left_out": 0,
        },
    )


def test_assign_dry_run_reports_the_same_and_writes_nothing(mixed: Course, run: Run, file: Path) -> None:
    before = written()
    assert run(file=file, dry_run=True) == Outcome(2, f"{MIXED_LINES}\nDry run: nothing was written.\n", "")
    assert (written(), owing(mixed)) == (before, ["EMP-3", "EMP-4"])
    assert run(file=file) == Outcome(2, f"{MIXED_LINES} Operation {operation()}.\n", "")


def test_assign_again_leaves_everything_as_it_is(organization: Organization, course: Course, run: Run) -> None:
    person(organization, "EMP-1")
    run(employees="EMP-1")
    records = list(TrainSession.objects.values())
    assert run(employees="EMP-1", due="2027-01-31") == Outcome(
        0, f"0 assigned, 0 refused, 1 unchanged. Operation {operation()}.\n", ""
    )
    assert recorded() == [(1, "EMP-1", "unchanged", KEPT.format("due 2026-12-31"))]
    assert list(TrainSession.objects.values()) == records


def test_assign_to_nobody_fails_and_says_what_to_do(course: Course, run: Run) -> None:
    assert run(employees="EMP-1") == Outcome(
        1, f"line 1, EMP-1: {UNKNOWN}\n0 assigned, 1 refused. Operation {operation()}.\n", MEND
    )
    assert written() == (0, 1, 1)


# Due days.


@pytest.mark.parametrize(
    ("zone", "due", "due_at"),
    [
        ("UTC", "2026-03-01", datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)),
        ("UTC", "none", None),
        ("America/New_York", "2026-12-31", datetime(2027, 1, 1, 4, 59, 59, 999999, tzinfo=UTC)),
        # Noon of 1 March in UTC is 2 March there.
        ("Pacific/Kiritimati", "2026-03-02", datetime(2026, 3, 2, 9, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_assign_is_due_at_the_end_of_a_day_in_the_organizations_time_zone(
    run: Run, *, zone: str, due: str, due_at: datetime | None
) -> None:
    elsewhere = OrganizationFactory.create(time_zone=zone)
    CourseFactory.create(organization=elsewhere, code="SAF-1")
    person(elsewhere, "EMP-1")
    assert run(organization=elsewhere.slug, employees="EMP-1", due=due).status == 0
    record = TrainSession.objects.get()
    assert (record.due_at, record.overdue) == (due_at, False)
    assert BulkOperation.objects.get().details["due"] == due
    run(organization=elsewhere.slug, employees="EMP-1", due="none")
    assert recorded() == [
        (1, "EMP-1", "unchanged", KEPT.format("without a due date" if due == "none" else f"due {due}"))
    ]


@pytest.mark.parametrize(
    ("due", "error"),
    [
        ("2026-02-28", "--due 2026-02-28 has passed."),
        ("2020-01-01", "--due 2020-01-01 has passed."),
        *(
            (text, f"--due {text} is no day. Write it as 2026-12-31, or none.")
            for text in (
                "",
                "tomorrow",
                "31.12.2026",
                "2026-02-30",
                "20261231",
                "2026-W05-1",
                "2026-12-31T00:00",
                "None",
            )
        ),
    ],
)
def test_assign_refuses_a_due_day_that_is_none_or_has_passed(
    organization: Organization, course: Course, run: Run, due: str, error: str
) -> None:
    person(organization, "EMP-1")
    assert run(employees="EMP-1", due=due) == Outcome(1, "", error)
    assert written() == (0, 0, 0)


def test_assign_refuses_a_day_that_has_passed_in_the_organizations_time_zone_only(run: Run) -> None:
    elsewhere = OrganizationFactory.create(time_zone="Pacific/Kiritimati")
    CourseFactory.create(organization=elsewhere, code="SAF-1")
    person(elsewhere, "EMP-1")
    assert run(organization=elsewhere.slug, employees="EMP-1", due="2026-03-01") == Outcome(
        1, "", "--due 2026-03-01 has passed."
    )


# Courses and units.


def test_assign_refuses_a_course_that_is_not_there(organization: Organization, course: Course, run: Run) -> None:
    CourseFactory.create(organization=OrganizationFactory.create(), code="FOREIGN")
    person(organization, "EMP-1")
    for code in ("FOREIGN", "saf-1", ""):
        assert run(employees="EMP-1", course=code) == Outcome(1, "", f"Unknown courses: {code}.")
    assert written() == (0, 0, 0)


@pytest.mark.parametrize("status", ["archived", "deleted"])
def test_assign_refuses_a_course_that_is_over(
    organization: Organization, course: Course, run: Run, status: str
) -> None:
    person(organization, "EMP-1")
    catalogue.update_course(organization=organization, actor=ACTOR, course=course, changes={"status": status})
    assert run(employees="EMP-1") == Outcome(1, "", f"Course SAF-1 is {status}; it cannot be assigned.")
    assert written() == (0, 0, 0)


@pytest.fixture
def paid(organization: Organization) -> Course:
    """With two free units; who has an open record needs none."""
    course = CourseFactory.create(organization=organization, code="PAID", uses_units=True)
    for _ in range(3):
        UnitFactory.create(course=course)
    assign(course, person(organization, "EMP-0"))
    for number in range(1, 4):
        person(organization, f"EMP-{number}")
    return course


LACK = "Not enough units of PAID: 3 needed, 2 free."


@pytest.mark.parametrize("dry_run", [False, True])
def test_assign_assigns_nobody_where_units_do_not_suffice(paid: Course, run: Run, *, dry_run: bool) -> None:
    said = run(course="PAID", employees="EMP-1,EMP-2,EMP-X,EMP-3,EMP-1", dry_run=dry_run)
    end = "\nDry run: nothing was written." if dry_run else f" Operation {operation()}."
    assert said == Outcome(
        1,
        f"line 1, EMP-1: {LACK} Nobody was assigned.\n"
        f"line 2, EMP-2: {LACK} Nobody was assigned.\n"
        f"line 3, EMP-X: {UNKNOWN}\n"
        f"line 4, EMP-3: {LACK} Nobody was assigned.\n"
        f"line 5, EMP-1: {LACK} Nobody was assigned.\n"
        f"0 assigned, 5 refused.{end}\n",
        f"{LACK} Nobody was assigned. Add units of the course and run it again.",
    )
    assert owing(paid) == ["EMP-0"]
    assert Unit.objects.filter(train_session=None).count() == 2


def test_assign_without_units_still_says_who_has_a_record(paid: Course, run: Run) -> None:
    said = run(course="PAID", employees="EMP-0,EMP-1,EMP-2,EMP-3", json=True)
    told = json.loads(said.out)
    assert (said.status, said.error) == (1, f"{LACK} Nobody was assigned. Add units of the course and run it again.")
    assert (told["counts"], told["stopped"]) == ({"unchanged": 1, "refused": 3}, LACK)


def test_assign_takes_units_for_those_only_who_need_one(paid: Course, run: Run) -> None:
    assert run(course="PAID", employees="EMP-0,EMP-1,EMP-2,EMP-1").status == 0
    assert owing(paid) == ["EMP-0", "EMP-1", "EMP-2"]
    assert Unit.objects.filter(train_session=None).count() == 0


# Many.


def test_assign_goes_through_a_long_list_in_pieces(
    organization: Organization, course: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assigning, "BATCH", 2)
    numbers = [f"EMP-{number}" for number in range(5)]
    for number in numbers:
        person(organization, number)
    assert run(employees=",".join([*numbers, "EMP-X", "EMP-0"])).status == 2
    assert recorded() == [
        *((line, number, "assigned", "") for line, number in enumerate(numbers, start=1)),
        (6, "EMP-X", "refused", UNKNOWN),
        (7, "EMP-0", "repeated", "Line 1 names the same person."),
    ]
    assert BulkOperation.objects.get().counts == {"assigned": 5, "refused": 1, "repeated": 1}


def test_assign_asks_the_database_no_more_for_many_people_than_for_one(
    organization: Organization, course: Course, run: Run
) -> None:
    numbers = [f"EMP-{number}" for number in range(31)]
    people = [person(organization, number) for number in numbers]
    assign(course, people[0], people[-1])
    counts = []
    for some in (numbers[:2], numbers[2:]):
        with CaptureQueriesContext(connection) as queries:
            assert run(employees=",".join([*some, "EMP-X"])).status == 2
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_assign_interrupted_leaves_nothing_and_says_so(
    organization: Organization, course: Course, run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    person(organization, "EMP-1")
    real = LedgerWriter.open

    def opening(*given: Any) -> Any:
        os.kill(os.getpid(), number)
        return real(*given)

    monkeypatch.setattr(LedgerWriter, "open", opening)
    handler = signal.getsignal(number)
    assert run(employees="EMP-1") == Outcome(1, "", "Interrupted. Nothing was done.")
    assert (written(), signal.getsignal(number)) == ((0, 0, 0), handler)


def test_assign_shows_examples_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call_command("assign", "--help")
    examples = capsys.readouterr().out.partition("\nexamples:\n")[2].splitlines()
    assert left.value.code == 0
    assert [line.split()[:2] for line in examples] == [["manage.py", "assign"]] * len(examples)
    for option in ("--employees", "--group", "--file", " - ", "--due none", "--dry-run", "--report", "--as", "--json"):
        assert any(option in line for line in examples)
