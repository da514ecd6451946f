"""import_records as a run over a file: dry, again, interrupted, in the feed, and beside other organizations."""

import csv
import hashlib
import io
import json
import signal
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings, strategies as st

from accounts.bulk import InputRow, RowOutcome
from accounts.models import BulkOperation, BulkRow, Organization, Outcome as RowResult, Person
from accounts.services import importing
from accounts.transactions import write
from enrollments.models import Course
from tests.acts import ACTOR, assign, complete, owed
from tests.commands import Outcome, outcome
from tests.conftest import api_of
from tests.factories import CourseFactory, OrganizationFactory, PersonFactory
from tests.snapshots import NOTHING, NOW, Effects, effects
from tests.training.feed import page, row
from tests.training.imports import HEADER, KEY, LINE, START, Import, imported, operation
from training.models import TrainSession
from training.services.importing import RecordImporter


@pytest.fixture
def person(organization: Organization) -> Person:
    return PersonFactory.create(organization=organization, employee_id="EMP-1")


@pytest.fixture
def course(organization: Organization) -> Course:
    return CourseFactory.create(organization=organization, code="SAF-1")


def test_import_records_shows_in_the_feed(person: Person, course: Course, run_import: Import) -> None:
    row(person.organization, person=person, course=course, assigned_at=START, updated_at=NOW - timedelta(hours=1))
    complete(owed(CourseFactory.create(organization=person.organization, code="OLD"), person))
    run_import("EMP-1,SAF-1,2026-05-04,,,\nEMP-1,SAF-1,2026-05-03,,,\nEMP-1,OLD,2027-03-01,55,,\n")
    api = api_of(person.organization)
    changes = page(api)["data"]
    assert [(one["status"], one["completedAtTime"], one.get("scorePercent")) for one in changes] == [
        ("completed", "2026-05-04T00:00:00Z", None),
        ("completed", "2027-03-01T10:00:00Z", 55),
        ("completed", "2026-05-03T00:00:00Z", None),
    ]
    assert TrainSession.objects.values("updated_at").distinct().count() == 1


def test_import_records_leaves_other_organizations_alone(person: Person, course: Course, run_import: Import) -> None:
    there = OrganizationFactory.create()
    double = PersonFactory.create(organization=there, employee_id="EMP-1")
    record = owed(CourseFactory.create(organization=there, code="SAF-1"), double)
    TrainSession.objects.filter(pk=record.pk).update(assigned_at=START, updated_at=START)
    with effects() as seen:
        assert run_import(LINE).status == 0
    assert seen == Effects(made={"TrainSession": [imported(person, course)]})


def test_importer_asks_the_same_number_of_questions_for_any_number_of_rows(organization: Organization) -> None:
    people = [PersonFactory.create(organization=organization, employee_id=f"EMP-{n}") for n in range(6)]
    courses = [CourseFactory.create(organization=organization, code=f"C{n}") for n in range(6)]
    assign(courses[0], *people)
    TrainSession.objects.update(assigned_at=START)
    done = row(organization, person=people[0], course=courses[5], state="completed", completed_at=START)
    importer = RecordImporter(organization=organization, actor=ACTOR, column="employee_id")

    def questions(first: int, end: int) -> int:
        """One row in three closes a record, one adds one, one corrects one."""
        keys = [(n, code) for n in range(first, end) for code in ("C0", f"C{1 + n % 4}")]
        lines = [{"employee_id": f"EMP-{n}", "course": code, "completed_on": "2026-05-04"} for n, code in keys]
        lines.append({"employee_id": "EMP-0", "course": "C5", "completed_on": "2026-05-04", "score": str(end)})
        rows = [InputRow(number, cells) for number, cells in enumerate(lines, start=2)]
        with write(ACTOR), CaptureQueriesContext(connection) as asked:
            outcomes = importer.take(rows, dry_run=False)
        assert [one.outcome.value for one in outcomes] == ["updated", "created"] * (end - first) + ["updated"]
        return len(asked)

    assert questions(0, 1) == questions(1, 6) == (12 if connection.vendor == "postgresql" else 10)
    done.refresh_from_db()
    assert done.score == 6


MIXED = (
    "EMP-1,SAF-1,2026-05-04,80,,\nEMP-9,SAF-1,2026-05-04,,,\nEMP-1,SAF-1,2026-05-05,,,\n"
    "EMP-1,OLD,2026-05-05,,,\nEMP-1,SAF-1,2026-05-04,,,\n"
)
MIXED_SAID = """\
line 3, EMP-9 SAF-1 2026-05-04: employee_id: There is no such person.
line 6, EMP-1 SAF-1 2026-05-04: line 2 has this completion already.
"""


@pytest.fixture
def mixed(person: Person, course: Course) -> str:
    """A file with every outcome, and the ledger that it meets."""
    old = CourseFactory.create(organization=person.organization, code="OLD")
    row(person.organization, person=person, course=course, assigned_at=START, updated_at=START)
    done = {"state": "completed", "completed_at": START + timedelta(days=1), "updated_at": START}
    row(person.organization, person=person, course=old, **done)
    return MIXED


def test_import_records_says_the_same_in_a_dry_run_and_writes_nothing(mixed: str, run_import: Import) -> None:
    with effects() as seen:
        told = run_import(mixed, "--dry-run")
    counts = "1 created, 1 updated, 2 refused, 1 unchanged."
    assert told == Outcome(2, f"{MIXED_SAID}{counts}\nDry run: nothing was written.\n", "")
    assert (seen, BulkOperation.objects.count()) == (NOTHING, 0)
    assert run_import(mixed) == Outcome(2, f"{MIXED_SAID}{counts} Operation {operation()}.\n", "")


def test_import_records_again_changes_nothing(mixed: str, run_import: Import) -> None:
    run_import(mixed)
    with effects() as seen:
        told = run_import(mixed)
    counts = "0 created, 0 updated, 2 refused, 3 unchanged."
    assert told == Outcome(2, f"{MIXED_SAID}{counts} Operation {operation()}.\n", "")
    assert seen == NOTHING


def test_import_records_reports_every_row(mixed: str, run_import: Import, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    run_import(mixed, "--report", str(report))
    said = [
        ["2", "EMP-1 SAF-1 2026-05-04", "updated", "Completed the open record."],
        ["3", "EMP-9 SAF-1 2026-05-04", "refused", "employee_id: There is no such person."],
        ["4", "EMP-1 SAF-1 2026-05-05", "created", ""],
        ["5", "EMP-1 OLD 2026-05-05", "unchanged", ""],
        ["6", "EMP-1 SAF-1 2026-05-04", "refused", "line 2 has this completion already."],
    ]
    with report.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["line", "key", "outcome", "reason"], *said]
    rows = BulkRow.objects.order_by("pk").values_list("line", "key", "outcome", "reason")
    assert [[str(line), *others] for line, *others in rows] == said


def test_import_records_keeps_what_was_asked_for(mixed: str, run_import: Import, tmp_path: Path) -> None:
    run_import(mixed)
    made = BulkOperation.objects.get()
    assert made.details.pop("run_by")
    assert made.details == {
        "file": str(tmp_path / "records.csv"),
        "sha256": hashlib.sha256((HEADER + mixed).encode()).hexdigest(),
    }
    assert (made.kind, made.counts, made.created_by) == (
        "import_records",
        {"updated": 1, "created": 1, "unchanged": 1, "refused": 2},
        "user-0",
    )
    assert made.finished_at is not None


def test_import_records_prints_json(mixed: str, run_import: Import) -> None:
    told = run_import(mixed, "--json")
    refused = [(3, "employee_id: There is no such person."), (6, "line 2 has this completion already.")]
    assert (told.status, json.loads(told.out)) == (
        2,
        {
            "operation": operation(),
            "dry_run": False,
            "interrupted": False,
            "rows": 5,
            "counts": {"updated": 1, "refused": 2, "created": 1, "unchanged": 1},
            "stopped": "",
            "refused": [
                {"line": line, "key": key, "outcome": "refused", "reason": reason}
                for (line, reason), key in zip(refused, ["EMP-9 SAF-1 2026-05-04", KEY], strict=True)
            ],
            "refused_left_out": 0,
        },
    )


def test_import_records_reads_standard_input(
    person: Person, course: Course, run_import: Import, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    piped = io.TextIOWrapper(io.BytesIO((HEADER + LINE).encode()))
    monkeypatch.setattr("sys.stdin", piped)
    told = outcome(capsys, "import_records", "-", organization=person.organization.slug)
    assert told == Outcome(0, f"1 created, 0 updated, 0 refused. Operation {operation()}.\n", "")
    assert BulkOperation.objects.get().details["file"] == "standard input"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("employee_id,course,day\n", "{file} needs a column completed_on. Its header has: employee_id, course, day."),
        (
            "person,course,completed_on\n",
            "{file} needs a column employee_id or username or mail. Its header has: person, course, completed_on.",
        ),
        (
            "mail,course,completed_on,grade\n",
            (
                "{file} has a column grade, which means nothing here. Known columns: employee_id, username, mail, course, "
                "completed_on, score, cert_expiry, time_spent."
            ),
        ),
    ],
)
def test_import_records_refuses_a_file_with_other_columns(
    organization: Organization, run_import: Import, tmp_path: Path, header: str, message: str
) -> None:
    file = tmp_path / "records.csv"
    assert run_import("EMP-1,SAF-1,2026-05-04\n", header=header) == Outcome(1, "", message.format(file=file))
    assert BulkOperation.objects.count() == 0


def test_import_records_interrupted_keeps_whole_chunks_and_goes_on_when_run_again(
    mixed: str, run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    real = RecordImporter.take
    errors = io.StringIO()

    def take(self: RecordImporter, rows: Any, *, dry_run: bool) -> list[RowOutcome]:
        if rows[0].line == 4:
            signal.raise_signal(signal.SIGINT)
        return real(self, rows, dry_run=dry_run)

    with monkeypatch.context() as patch:
        patch.setattr(RecordImporter, "take", take)
        told = run_import(mixed, stderr=errors)
    said = MIXED_SAID.splitlines()[0]
    assert (told.status, told.out) == (2, f"{said}\n1 created, 1 updated, 1 refused, 1 unchanged.\n")
    assert errors.getvalue() == "Interrupted. The rows up to line 5 are in. Run it again to take in the rest.\n"
    assert list(BulkOperation.objects.values_list("counts", "finished_at")) == [
        ({"updated": 1, "refused": 1, "created": 1, "unchanged": 1}, None)
    ]
    with effects() as seen:
        assert run_import(mixed).status == 2
    assert seen == NOTHING


def test_import_records_stamps_each_chunk_once_and_later_than_the_one_before(
    person: Person, course: Course, run_import: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    run_import("".join(f"EMP-1,SAF-1,2026-05-0{day},,,\n" for day in range(1, 6)))
    stamps = list(TrainSession.objects.order_by("pk").values_list("updated_at", flat=True))
    assert [stamps.count(stamp) for stamp in stamps] == [2, 2, 2, 2, 1]
    assert stamps == sorted(stamps)


# Random files: a dry run says what the real run does, and the file again changes nothing.

CELLS = st.fixed_dictionaries(
    {
        "employee_id": st.sampled_from(["EMP-1", "EMP-1", "EMP-2", "EMP-9"]),
        "course": st.sampled_from(["SAF-1", "SAF-1", "OLD", "NONE"]),
        "completed_on": st.sampled_from(["2026-05-03", "2026-05-04", "2026-05-05", "2026-05-06", "never"]),
        "score": st.sampled_from(["", "80", "90.5", "x"]),
        "cert_expiry": st.sampled_from(["", "2026-05-05", "2027-01-01"]),
        "time_spent": st.sampled_from(["", "0", "1.5"]),
    }
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(CELLS, min_size=1, max_size=9), chunk=st.sampled_from([2, 3]))
def test_import_records_dry_run_says_what_the_real_run_does_and_again_nothing_changes(
    mixed: str, organization: Organization, files: list[dict[str, str]], chunk: int
) -> None:
    rows = [InputRow(line, cells) for line, cells in enumerate(files, start=2)]

    def run(*, dry_run: bool) -> list[RowOutcome]:
        told: list[RowOutcome] = []
        importing.import_rows(
            organization=organization,
            actor=ACTOR,
            importer=RecordImporter(organization=organization, actor=ACTOR, column="employee_id"),
            rows=rows,
            dry_run=dry_run,
            tell=told.extend,
        )
        return [replace(one, target_id=None) for one in told]

    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        patch.setattr(importing, "CHUNK", chunk)
        if not Person.objects.filter(employee_id="EMP-2").exists():
            PersonFactory.create(organization=organization, employee_id="EMP-2")
        with effects() as seen:
            expected = run(dry_run=True)
        assert seen == NOTHING
        assert run(dry_run=False) == expected
        unchanged = [
            one
            if one.outcome == RowResult.REFUSED
            else replace(one, outcome=RowResult.UNCHANGED, reason="", before=None)
            for one in expected
        ]
        before = list(TrainSession.objects.order_by("pk").values())
        assert run(dry_run=False) == unchanged
        assert list(TrainSession.objects.order_by("pk").values()) == before
        transaction.set_rollback(True)
