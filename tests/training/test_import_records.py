"""import_records: every outcome, what it says, and what is written."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from accounts.models import BulkRow, Organization, Person
from accounts.services import importing
from accounts.services.people import update_organization, update_person
from enrollments.models import Course
from enrollments.services.catalogue import update_course
from tests.acts import ACTOR, enroll, owed
from tests.commands import Outcome
from tests.conftest import api_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory, SessionFactory, UnitFactory, UserFactory
from tests.snapshots import NOTHING, NOW, Effects, effects, key
from tests.training.feed import row
from tests.training.imports import DAY, KEY, LINE, START, Import, imported, operation
from training.models import TrainSession


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization, employee_id="EMP-1", username="ada", mail="Ada@example.com")


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="SAF-1")


# One row, and what it says of itself.
REFUSED = [
    ("EMP-9,SAF-1,2026-05-04,,,", "employee_id: There is no such person."),
    ("emp-1,SAF-1,2026-05-04,,,", "employee_id: There is no such person."),
    (",SAF-1,2026-05-04,,,", "employee_id: This field cannot be blank."),
    ("EMP-1,saf-1,2026-05-04,,,", "course: There is no such course."),
    ("EMP-1,OTHER,2026-05-04,,,", "course: There is no such course."),
    ("EMP-1,,2026-05-04,,,", "course: This field cannot be blank."),
    ("EMP-1,SAF-1,,,,", "completed_on: This field cannot be blank."),
    ("EMP-1,SAF-1,04.05.2026,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,20260504,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,2026-W19-1,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,2026-05-04T00:00,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,2026-02-30,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,0000-01-01,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,٢٠٢٦-05-04,,,", "completed_on: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,2027-03-02,,,", "completed_on: Give today, or an earlier day."),
    ("EMP-1,SAF-1,2026-05-04,NaN,,", "score: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,Infinity,,", "score: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,1e1,,", "score: Give a number such as 82.5."),
    ('EMP-1,SAF-1,2026-05-04,"82,5",,', "score: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,1_0,,", "score: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,٨٢,,", "score: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,82%,,", "score: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,-1,,", "score: Ensure this value is greater than or equal to 0."),
    ("EMP-1,SAF-1,2026-05-04,100.0001,,", "score: Ensure this value is less than or equal to 100."),
    ("EMP-1,SAF-1,2026-05-04,82.50001,,", "score: Ensure that there are no more than 4 decimal places."),
    ("EMP-1,SAF-1,2026-05-04,,2027,", "cert_expiry: Give a day as YYYY-MM-DD."),
    ("EMP-1,SAF-1,2026-05-04,,2026-05-03,", "cert_expiry: Give the day of completion, or a later one."),
    ("EMP-1,SAF-1,2026-05-04,,,-0.5", "time_spent: Ensure this value is greater than or equal to 0."),
    ("EMP-1,SAF-1,2026-05-04,,,1:30", "time_spent: Give a number such as 82.5."),
    ("EMP-1,SAF-1,2026-05-04,,,0.125", "time_spent: Ensure that there are no more than 2 decimal places."),
    (
        "EMP-1,SAF-1,2026-05-04,,,10000000",
        "time_spent: Ensure that there are no more than 7 digits before the decimal point.",
    ),
    (
        "EMP-9,,tomorrow,101,never,x",
        (
            "employee_id: There is no such person. course: This field cannot be blank. completed_on: Give a day as "
            "YYYY-MM-DD. score: Ensure this value is less than or equal to 100. cert_expiry: Give a day as YYYY-MM-DD. "
            "time_spent: Give a number such as 82.5."
        ),
    ),
]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(("line", "reason"), REFUSED)
def test_import_records_refuses_a_row_and_says_why(
    person: Person, course: Course, run_import: Import, line: str, reason: str, *, dry_run: bool
) -> None:
    other = OrganizationFactory.create()
    PersonFactory.create(organization=other, employee_id="EMP-9")
    CourseFactory.create(organization=other, code="OTHER")
    with effects() as seen:
        told = run_import(f"{line}\n", *(["--dry-run"] if dry_run else []))
    named = " ".join(filter(None, line.replace('"', "").split(",")[:3]))
    end = "\nDry run: nothing was written." if dry_run else f" Operation {operation()}."
    out = f"line 2, {named}: {reason}\n0 created, 0 updated, 1 refused.{end}\n"
    assert told == Outcome(1, out, "Nothing was imported.")
    assert seen == NOTHING


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("EMP-1,SAF-1,2026-05-04,,,", {}),
        ("EMP-1,SAF-1,2026-05-04,0,,0", {"score": Decimal(0), "last_attempt_at": START}),
        (
            "EMP-1,SAF-1,2026-05-04,82.5,2026-05-04,1.25",
            {
                "score": Decimal("82.5"),
                "last_attempt_at": START,
                "cert_expiry": DAY,
                "time_spent": Decimal("1.25"),
            },
        ),
        (
            "EMP-1,SAF-1,2026-05-04,100,9999-12-31,9999999.99",
            {
                "score": Decimal(100),
                "last_attempt_at": START,
                "cert_expiry": date.max,
                "time_spent": Decimal("9999999.99"),
            },
        ),
    ],
)
def test_import_records_enters_a_completed_record(
    person: Person, course: Course, run_import: Import, line: str, fields: dict[str, Any]
) -> None:
    with effects() as seen:
        told = run_import(f"{line}\n")
    assert told == Outcome(0, f"1 created, 0 updated, 0 refused. Operation {operation()}.\n", "")
    assert seen == Effects(made={"TrainSession": [imported(person, course, **fields)]})


@pytest.mark.parametrize("day", ["2027-03-01", "2000-02-29", "0001-01-01"])
def test_import_records_takes_today_and_any_day_before(
    person: Person, course: Course, run_import: Import, day: str
) -> None:
    assert run_import(f"EMP-1,SAF-1,{day},,,\n").status == 0
    with effects() as seen:
        assert run_import(f"EMP-1,SAF-1,{day},,,\n").out == (
            f"0 created, 0 updated, 0 refused, 1 unchanged. Operation {operation()}.\n"
        )
    assert seen == NOTHING


@pytest.mark.parametrize(
    ("column", "text"), [("username", "ada"), ("mail", "aDA@EXAMPLE.com"), ("employee_id", "EMP-1")]
)
def test_import_records_finds_people_by_each_key(
    person: Person, course: Course, run_import: Import, column: str, text: str
) -> None:
    with effects() as seen:
        assert run_import(f"{text},2026-05-04,SAF-1\n", header=f"{column},completed_on,course\n").status == 0
    assert seen == Effects(made={"TrainSession": [imported(person, course)]})


def test_import_records_goes_by_the_first_key_and_passes_over_the_others(
    person: Person, course: Course, run_import: Import
) -> None:
    header = "mail,username,course,employee_id,completed_on\n"
    PersonFactory.create(organization=person.organization, username="bob")
    with effects() as seen:
        assert run_import("=x@example.com, bob,SAF-1,EMP-1,2026-05-04\n", header=header).status == 0
    assert seen == Effects(made={"TrainSession": [imported(person, course)]})
    assert list(BulkRow.objects.values_list("key", "reason")) == [("EMP-1 SAF-1 2026-05-04", "")]


def test_import_records_takes_history_of_inactive_people_and_archived_courses(
    person: Person, course: Course, run_import: Import
) -> None:
    organization = person.organization
    update_person(organization=organization, actor=ACTOR, person=person, changes={"active": False})
    update_course(organization=organization, actor=ACTOR, course=course, changes={"status": "archived"})
    with effects() as seen:
        assert run_import(LINE).status == 0
    assert seen == Effects(made={"TrainSession": [imported(person, course)]})


@pytest.mark.parametrize(
    ("months", "day", "ends"),
    [
        (12, "2024-02-29", date(2025, 2, 28)),
        (48, "2024-02-29", date(2028, 2, 28)),
        (1, "2026-01-31", date(2026, 2, 28)),
    ],
)
@pytest.mark.parametrize("is_open", [False, True])
def test_import_records_counts_the_certificate_from_the_day_of_completion(
    person: Person, course: Course, run_import: Import, *, months: int, day: str, ends: date, is_open: bool
) -> None:
    update_course(organization=course.organization, actor=ACTOR, course=course, changes={"certificate_months": months})
    if is_open:
        row(course.organization, person=person, course=course, assigned_at=datetime(2023, 1, 1, tzinfo=UTC))
    assert run_import(f"EMP-1,SAF-1,{day},,,\n").status == 0
    assert TrainSession.objects.get().cert_expiry == ends


@pytest.mark.parametrize(
    ("given", "told", "changed"),
    [
        ("", "unchanged", {}),
        ("80,2027-05-04,1.50", "unchanged", {}),
        ("80.0000,2027-05-04,1.5", "unchanged", {}),
        ("81,,", "score", {"score": (Decimal(80), Decimal(81))}),
        ("80,2028-01-01,", "cert_expiry", {"cert_expiry": (date(2027, 5, 4), date(2028, 1, 1))}),
        (
            "0,2026-05-04,0",
            "score, cert_expiry, time_spent",
            {
                "score": (Decimal(80), Decimal(0)),
                "cert_expiry": (date(2027, 5, 4), DAY),
                "time_spent": (Decimal("1.5"), Decimal(0)),
            },
        ),
    ],
)
def test_import_records_corrects_a_completed_record_where_the_file_says_otherwise(
    person: Person, course: Course, run_import: Import, *, given: str, told: str, changed: dict[str, Any]
) -> None:
    """What it does not say stays: person, course, the instant of completion, who made it."""
    record = row(
        person.organization,
        person=person,
        course=course,
        state="completed",
        completed_at=START + timedelta(hours=23, minutes=59),
        score=Decimal(80),
        cert_expiry=date(2027, 5, 4),
        time_spent=Decimal("1.5"),
        created_by="user-7",
    )
    file = f"EMP-1,SAF-1,2026-05-04,{given or ',,'}\n"
    user = UserFactory.create(organization=person.organization, email="staff@example.com")
    with effects() as seen:
        out = run_import(file, "--as", "staff@example.com").out
    if not changed:
        assert out == f"0 created, 0 updated, 0 refused, 1 unchanged. Operation {operation()}.\n"
        assert seen == NOTHING
        return
    assert out == f"0 created, 1 updated, 0 refused. Operation {operation()}.\n"
    assert seen == Effects(changed={key(record): {**changed, "updated_by": ("user-0", f"user-{user.pk}")}})
    (said,) = BulkRow.objects.values("reason", "target_id", "before")
    before = {"score": "80.0000", "cert_expiry": "2027-05-04", "time_spent": "1.50"}
    assert said == {
        "reason": f"Corrected: {told}.",
        "target_id": record.pk,
        "before": {name: before[name] for name in changed},
    }


def test_import_records_takes_the_newest_of_several_completions_of_a_day(
    person: Person, course: Course, run_import: Import
) -> None:
    fields: dict[str, Any] = {"person": person, "course": course, "state": "completed", "completed_at": START}
    row(person.organization, **fields)
    newest = row(person.organization, **fields)
    row(person.organization, **{**fields, "completed_at": START - timedelta(microseconds=1)})
    with effects() as seen:
        assert run_import("EMP-1,SAF-1,2026-05-04,81,,\n").status == 0
    assert seen == Effects(changed={key(newest): {"score": (None, Decimal(81))}})


@pytest.mark.parametrize(
    ("assigned", "completes"),
    [
        (START - timedelta(days=9), True),
        (START + timedelta(days=1) - timedelta(microseconds=1), True),
        (START + timedelta(days=1), False),
    ],
)
def test_import_records_completes_the_open_record_that_was_assigned_by_that_day(
    person: Person, course: Course, run_import: Import, assigned: datetime, *, completes: bool
) -> None:
    record = row(
        person.organization,
        person=person,
        course=course,
        assigned_at=assigned,
        due_at=assigned,
        overdue=True,
        state="failed",
        score=Decimal(20),
        failed_attempts=1,
        started_at=assigned,
        time_spent=Decimal(2),
    )
    with effects() as seen:
        assert run_import("EMP-1,SAF-1,2026-05-04,90,2026-12-31,\n").status == 0
    given: dict[str, Any] = {"score": Decimal(90), "cert_expiry": date(2026, 12, 31), "last_attempt_at": START}
    if not completes:
        assert seen == Effects(made={"TrainSession": [imported(person, course, **given)]})
        return
    started = {"started_at": (assigned, START)} if assigned > START else {}
    assert seen == Effects(
        changed={
            key(record): {
                "state": ("failed", "completed"),
                "percent": (0, 100),
                "score": (Decimal(20), Decimal(90)),
                "last_attempt_at": (None, START),
                "completed_at": (None, START),
                "cert_expiry": (None, date(2026, 12, 31)),
                "overdue": (True, False),
                **started,
            }
        }
    )
    assert list(BulkRow.objects.values_list("outcome", "reason", "target_id")) == [
        ("updated", "Completed the open record.", record.pk)
    ]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 2000])
def test_import_records_completes_an_open_record_once(
    person: Person, course: Course, run_import: Import, monkeypatch: pytest.MonkeyPatch, chunk: int, *, dry_run: bool
) -> None:
    monkeypatch.setattr(importing, "CHUNK", chunk)
    row(person.organization, person=person, course=course, assigned_at=START - timedelta(days=400))
    lines = "EMP-1,SAF-1,2026-05-04,,,\nEMP-1,SAF-1,2026-05-03,,,\nEMP-1,SAF-1,2026-05-05,,,\n"
    out = run_import(lines, *(["--dry-run"] if dry_run else [])).out
    assert out.startswith("2 created, 1 updated, 0 refused.")
    if not dry_run:
        assert list(TrainSession.objects.order_by("pk").values_list("origin", "completed_at")) == [
            ("hand", START),
            ("import", START - timedelta(days=1)),
            ("import", START + timedelta(days=1)),
        ]


def test_import_records_leaves_what_was_unassigned_alone(person: Person, course: Course, run_import: Import) -> None:
    row(person.organization, person=person, course=course, assigned_at=START, unassigned_at=NOW)
    with effects() as seen:
        assert run_import(LINE).status == 0
    assert seen == Effects(made={"TrainSession": [imported(person, course)]})


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 2000])
def test_import_records_refuses_a_completion_that_the_file_had_already(
    person: Person, course: Course, run_import: Import, monkeypatch: pytest.MonkeyPatch, chunk: int, *, dry_run: bool
) -> None:
    """A line that was refused does not count as having had it."""
    monkeypatch.setattr(importing, "CHUNK", chunk)
    lines = "EMP-1,SAF-1,2026-05-04,x,,\nEMP-1,SAF-1,2026-05-04,,,\n\nEMP-1 ,SAF-1,2026-05-04,80,,\n"
    options = ["--dry-run"] if dry_run else []
    told = run_import(lines, *options)
    assert (told.status, told.out.splitlines()[:2]) == (
        2,
        [
            f"line 2, {KEY}: score: Give a number such as 82.5.",
            f"line 5, {KEY}: line 3 has this completion already. Spaces around employee_id were left out.",
        ],
    )
    assert told.out.splitlines()[2].startswith("1 created, 0 updated, 2 refused.")
    assert TrainSession.objects.count() == (0 if dry_run else 1)


@pytest.mark.parametrize("is_open", [False, True])
def test_import_records_takes_no_unit_and_frees_none(
    person: Person, organization: Organization, run_import: Import, *, is_open: bool
) -> None:
    course = CourseFactory.create(organization=organization, code="PAID", uses_units=True)
    unit = UnitFactory.create(organization=organization, course=course)
    if is_open:
        owed(course, person)
        TrainSession.objects.update(assigned_at=START)
    with effects() as seen:
        assert run_import("EMP-1,PAID,2026-05-04,,,\n").status == 0
    assert (len(seen.changed), list(seen.made)) == ((1, []) if is_open else (0, ["TrainSession"]))
    assert list(TrainSession.objects.values_list("state", "unit")) == [("completed", unit.pk if is_open else None)]


def test_import_records_does_not_touch_a_seat(person: Person, course: Course, run_import: Import) -> None:
    (enrollment,) = enroll(SessionFactory.create(course=course, max_participants=1), person)
    record = TrainSession.objects.get()
    with effects() as seen:
        assert run_import("EMP-1,SAF-1,2027-03-01,,,\n").status == 0
    midnight = NOW.replace(hour=0)
    assert seen == Effects(
        changed={
            key(record): {
                "state": ("assigned", "completed"),
                "percent": (0, 100),
                "started_at": (None, midnight),
                "completed_at": (None, midnight),
            }
        }
    )
    record.refresh_from_db()
    assert record.enrollment == enrollment


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
@pytest.mark.parametrize("day", ["2026-05-04", "2026-09-27", "2026-03-08", "2024-02-29", "0001-01-01"])
def test_import_records_day_in_is_day_out(
    person: Person, course: Course, run_import: Import, zone: str, day: str
) -> None:
    organization = update_organization(actor=ACTOR, organization=person.organization, changes={"time_zone": zone})
    assert run_import(f"EMP-1,SAF-1,{day},,,\n").status == 0
    api = api_of(organization)
    shown = api.get(f"/api/train_sessions?completion_date_gteq={day}&completion_date_lteq={day}&page=1").json()
    assert [one["completion_date"] for one in shown] == [day]
    assert run_import(f"EMP-1,SAF-1,{day},,,\n").out == (
        f"0 created, 0 updated, 0 refused, 1 unchanged. Operation {operation()}.\n"
    )


@pytest.mark.parametrize(
    ("zone", "today"),
    [("Pacific/Kiritimati", "2027-03-02"), ("Pacific/Pago_Pago", "2027-02-28"), ("UTC", "2027-03-01")],
)
def test_import_records_knows_today_where_the_organization_is(
    person: Person, course: Course, run_import: Import, zone: str, today: str
) -> None:
    with time_machine.travel(NOW.replace(hour=10, minute=30), tick=False):
        update_organization(actor=ACTOR, organization=person.organization, changes={"time_zone": zone})
        after = date.fromisoformat(today) + timedelta(days=1)
        assert run_import(f"EMP-1,SAF-1,{after},,,\nEMP-1,SAF-1,{today},,,\n").out == (
            f"line 2, EMP-1 SAF-1 {after}: completed_on: Give today, or an earlier day.\n"
            f"1 created, 0 updated, 1 refused. Operation {operation()}.\n"
        )
