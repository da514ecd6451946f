"""unassign: which records it takes, every outcome of a row, the exit status, and what is written."""

import csv
import hashlib
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.actors import Actor
from accounts.models import BulkOperation, Organization, Person
from accounts.services.people import update_organization
from enrollments.models import Course
from enrollments.services.catalogue import update_course
from tests.acts import assign, attempt, complete, enroll, owed, progress
from tests.commands import Outcome, outcome
from tests.factories import (
    CourseFactory,
    OrganizationFactory,
    PersonFactory,
    SessionFactory,
    UnitFactory,
    UserFactory,
)
from tests.snapshots import NOW
from tests.training import operations as written
from tests.training.operations import (
    Run,
    assigned,
    taken,
)
from training.models import TrainSession
from training.services import unassigning
from training.services.records import unassign

ACTOR = Actor.system()

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command on this organization, of as many records as it is given."""

    def call(
        *, organization: str = organization.slug, reason: str = "moved on", max_percent: str = "100", **options: Any
    ) -> Outcome:
        return outcome(capsys, "unassign", organization=organization, reason=reason, max_percent=max_percent, **options)

    return call


def course_of(organization: Organization, **fields: Any) -> Course:
    return CourseFactory.create(organization=organization, **fields)


def person_of(organization: Organization, **fields: Any) -> Person:
    return PersonFactory.create(organization=organization, **fields)


def completed(organization: Organization) -> TrainSession:
    return complete(assigned(organization))


def ending() -> str:
    number = written.last_operation()
    return f" Operation {number}.\nmanage.py undo {number} restores what it took away.\n"


# Of a list or a file.


def test_unassign_takes_back_all_of_a_list(organization: Organization, run: Run) -> None:
    first, second, kept = (assigned(organization) for _ in range(3))
    before = written.records()
    assert run(ids=f"{second.pk}, {first.pk},") == Outcome(0, f"2 unassigned, 0 refused.{ending()}", "")
    after = written.records()
    assert len({after[one.pk]["updated_at"] for one in (first, second)}) == 1
    assert after[first.pk]["updated_at"] > before[kept.pk]["updated_at"]
    for one in (first, second):
        before[one.pk] |= {
            "unassigned_at": NOW,
            "unassign_reason": "moved on",
            "updated_at": after[one.pk]["updated_at"],
        }
    assert after == before


def test_unassign_records_what_it_did(organization: Organization, run: Run, tmp_path: Path) -> None:
    course = course_of(organization, uses_units=True)
    unit = UnitFactory.create(organization=organization, course=course)
    held, plain, history = owed(course, person_of(organization)), assigned(organization), completed(organization)
    file = tmp_path / "records.csv"
    file.write_text(f"id\n {held.pk}\n{plain.pk}\n0{plain.pk}\n{history.pk}\n", encoding="utf-8")
    staff = UserFactory.create(organization=organization)
    assert run(file=file, staff=staff.email).status == 2
    assert written.operations() == [
        {
            "organization_id": organization.pk,
            "kind": "unassign",
            "reason": "moved on",
            "details": {
                "run_by": "somebody",
                "file": str(file),
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "max_percent": "100",
            },
            "undoes_id": None,
            "counts": {"unassigned": 2, "repeated": 1, "refused": 1},
            "created_by": f"user-{staff.pk}",
            "created_at": NOW,
            "finished_at": NOW,
        }
    ]
    trimmed = "Spaces around id were left out."
    assert written.lines(written.last_operation()) == [
        (2, str(held.pk), "unassigned", trimmed, held.pk, {"unit": unit.pk}),
        (3, str(plain.pk), "unassigned", "", plain.pk, None),
        (4, str(plain.pk), "repeated", "Line 3 names the same train session.", None, None),
        (5, str(history.pk), "refused", "Is completed; it stays as it is.", None, None),
    ]
    assert {row["updated_by"] for row in written.records().values() if row["unassigned_at"]} == {f"user-{staff.pk}"}


def test_unassign_bears_the_instant_of_its_operation(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undo knows the records by it. The clock runs on meanwhile."""
    monkeypatch.setattr(unassigning, "BATCH", 1)
    made = [assigned(organization) for _ in range(3)]
    with time_machine.travel(NOW, tick=True):
        assert run(ids=",".join(str(one.pk) for one in made)).status == 0
    operation = BulkOperation.objects.get()
    assert {row["unassigned_at"] for row in written.records().values()} == {operation.created_at}
    assert operation.finished_at is not None
    assert operation.finished_at > operation.created_at


MIXED_REPORT = """\
line 3, {completed}: Is completed; it stays as it is.
line 4, {foreign}: There is no such train session, or it is unassigned already.
line 5, {gone}: There is no such train session, or it is unassigned already. Spaces around id were left out.
line 7, abc: There is no such train session, or it is unassigned already.
line 8, (blank): There is no such train session, or it is unassigned already.
line 9, {huge}: There is no such train session, or it is unassigned already.
line 10, {completed}: Is completed; it stays as it is.
1 unassigned, 7 refused, 1 repeated."""


@pytest.fixture
def mixed(organization: Organization, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A file with a row of every outcome, and what its rows are called."""
    open_record, history, gone = assigned(organization), completed(organization), assigned(organization)
    foreign = assigned(OrganizationFactory.create())
    unassign(organization=organization, actor=ACTOR, ids=[gone.pk], reason="before")
    file = tmp_path / "records.csv"
    file.write_text(
        f'person,id\nAda,{open_record.pk}\nBob,{history.pk}\nCy,{foreign.pk}\n"Di", {gone.pk} \n'
        f"Ada,00{open_record.pk}\nEd,abc\nFlo\nGus,{'9' * 25}\nBob,{history.pk}\n",
        encoding="utf-8-sig",
    )
    keys = {"completed": history.pk, "foreign": foreign.pk, "gone": gone.pk, "huge": "9" * 25}
    return file, {**keys, "open": open_record.pk}


def test_unassign_reports_each_row_refused_and_does_the_rest(mixed: tuple[Path, dict[str, Any]], run: Run) -> None:
    file, keys = mixed
    before = taken()
    result = run(file=file)
    assert result == Outcome(2, MIXED_REPORT.format(**keys) + ending(), "")
    assert taken() - before == {keys["open"]}


def test_unassign_dry_run_reports_the_same_and_writes_nothing(
    mixed: tuple[Path, dict[str, Any]], run: Run, tmp_path: Path
) -> None:
    file, keys = mixed
    before = written.records()
    report = MIXED_REPORT.format(**keys)
    dry, wet = tmp_path / "dry.csv", tmp_path / "wet.csv"
    assert run(file=file, dry_run=True, report=dry) == Outcome(2, f"{report}\nDry run: nothing was written.\n", "")
    assert (written.records(), written.operations()) == (before, [])
    assert run(file=file, report=wet).status == 2
    assert dry.read_text() == wet.read_text()


def test_unassign_reads_standard_input_as_a_file(
    organization: Organization, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = assigned(organization)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"id\n{record.pk}\n".encode())))
    assert run(stdin="-").status == 0
    assert (taken(), written.operations()[0]["details"]["file"]) == ({record.pk}, "standard input")


def test_unassign_writes_a_line_of_the_report_for_every_row(
    organization: Organization, run: Run, tmp_path: Path
) -> None:
    record, history = assigned(organization), completed(organization)
    report = tmp_path / "report.csv"
    assert run(ids=f"{record.pk},{record.pk},{history.pk},=1", report=report).status == 2
    with report.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["line", "key", "outcome", "reason"],
            ["1", str(record.pk), "unassigned", ""],
            ["2", str(record.pk), "repeated", "Line 1 names the same train session."],
            ["3", str(history.pk), "refused", "Is completed; it stays as it is."],
            ["4", "'=1", "refused", "There is no such train session, or it is unassigned already."],
        ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_unassign_says_the_same_as_json(organization: Organization, run: Run, *, dry_run: bool) -> None:
    record, history = assigned(organization), completed(organization)
    result = run(ids=f"{record.pk},{history.pk}", json=True, dry_run=dry_run)
    reason = "Is completed; it stays as it is."
    assert (result.status, json.loads(result.out)) == (
        2,
        {
            "operation": None if dry_run else written.last_operation(),
            "dry_run": dry_run,
            "interrupted": False,
            "rows": 2,
            "counts": {"unassigned": 1, "refused": 1},
            "stopped": "",
            "refused": [{"line": 2, "key": str(history.pk), "outcome": "refused", "reason": reason}],
            "refused_left_out": 0,
        },
    )


def test_unassign_again_changes_nothing(organization: Organization, run: Run) -> None:
    record = assigned(organization)
    run(ids=str(record.pk))
    before = written.records()
    result = run(ids=str(record.pk), reason="again")
    number = written.last_operation()
    assert result == Outcome(
        1,
        f"line 1, {record.pk}: There is no such train session, or it is unassigned already.\n"
        f"0 unassigned, 1 refused. Operation {number}.\n",
        "Nothing was unassigned.",
    )
    assert (written.records(), [row["counts"] for row in written.operations()]) == (
        before,
        [{"unassigned": 1}, {"refused": 1}],
    )


def test_unassign_leaves_the_seat(organization: Organization, run: Run) -> None:
    session = SessionFactory.create(course=course_of(organization))
    (enrollment,) = enroll(session, person_of(organization))
    assert run(ids=str(TrainSession.objects.get().pk)).status == 0
    enrollment.refresh_from_db()
    assert (enrollment.status, enrollment.cancelled_at) == ("enrolled", None)


def test_unassign_gives_the_unit_back(organization: Organization, run: Run) -> None:
    course = course_of(organization, uses_units=True)
    unit = UnitFactory.create(organization=organization, course=course)
    record = owed(course, person_of(organization))
    assert run(ids=str(record.pk)).status == 0
    record.refresh_from_db()
    unit.refresh_from_db()
    assert (record.unit, hasattr(unit, "train_session")) == (None, False)


# Of filters.


@pytest.fixture
def ledger(organization: Organization) -> dict[str, int]:
    """Records by what they are, and one of each in another organization."""
    safety, quality = course_of(organization, code="SAFE"), course_of(organization, code="QUAL")
    ada, bob = person_of(organization, username="ada"), person_of(organization, username="bob")
    update_organization(actor=ACTOR, organization=organization, changes={"time_zone": "Asia/Tokyo"})
    # The first of April begins in Tokyo at 15:00 UTC of the day before.
    midnight = datetime(2027, 3, 31, 15, tzinfo=UTC)
    made = {
        "ada safe": assign(safety, ada, due_at=midnight - timedelta(microseconds=1))[0].record,
        "ada qual": assign(quality, ada)[0].record,
        "bob safe": assign(safety, bob, due_at=midnight)[0].record,
        "bob qual": assign(quality, bob, due_at=NOW + timedelta(days=1))[0].record,
        "cy safe": owed(safety, person_of(organization, username="cy")),
        "di safe": owed(safety, person_of(organization, username="di")),
    }
    progress(made["ada qual"], percent_complete=10)
    attempt(made["bob qual"], 10, passed=False)
    complete(made["cy safe"])
    unassign(organization=organization, actor=ACTOR, ids=[made["di safe"].pk])
    other = OrganizationFactory.create()
    owed(course_of(other, code="SAFE"), person_of(other, username="ada"))
    return {name: record.pk for name, record in made.items()}


OF_FILTERS: list[tuple[dict[str, str], set[str]]] = [
    ({"course": "SAFE"}, {"ada safe", "bob safe"}),
    ({"course": "QUAL"}, {"ada qual", "bob qual"}),
    ({"username": "ada"}, {"ada safe", "ada qual"}),
    ({"username": "bob"}, {"bob safe", "bob qual"}),
    ({"due_before": "2027-04-01"}, {"ada safe", "bob qual"}),
    ({"due_before": "2027-04-02"}, {"ada safe", "bob safe", "bob qual"}),
    ({"status": "assigned"}, {"ada safe", "bob safe"}),
    ({"status": "in_progress"}, {"ada qual"}),
    ({"status": "failed"}, {"bob qual"}),
    ({"course": "SAFE", "username": "ada"}, {"ada safe"}),
    ({"course": "SAFE", "due_before": "2027-04-01"}, {"ada safe"}),
    ({"username": "bob", "status": "failed"}, {"bob qual"}),
    ({"username": "bob", "due_before": "2027-04-01"}, {"bob qual"}),
    ({"course": "QUAL", "username": "bob", "due_before": "2027-04-01", "status": "failed"}, {"bob qual"}),
]


@pytest.mark.parametrize(("filters", "names"), OF_FILTERS)
def test_unassign_takes_the_open_records_for_which_all_filters_hold(
    ledger: dict[str, int], run: Run, filters: dict[str, str], names: set[str]
) -> None:
    before = taken()
    assert run(**filters) == Outcome(0, f"{len(names)} unassigned, 0 refused.{ending()}", "")
    chosen = sorted(ledger[name] for name in names)
    assert taken() - before == set(chosen)
    assert [row["details"] for row in written.operations()] == [{"run_by": "somebody", **filters, "max_percent": "100"}]
    assert written.lines(written.last_operation()) == [
        (line, str(pk), "unassigned", "", pk, None) for line, pk in enumerate(chosen, start=1)
    ]


@pytest.mark.parametrize(
    "filters", [{"course": "QUAL", "status": "assigned"}, {"username": "cy"}, {"due_before": "2027-03-01"}]
)
def test_unassign_leaves_no_trace_where_filters_select_nothing(
    ledger: dict[str, int], run: Run, filters: dict[str, str]
) -> None:
    before = written.records()
    assert run(**filters) == Outcome(
        1, "0 unassigned, 0 refused.\n", "No open train session matches. Nothing was unassigned."
    )
    assert (written.records(), written.operations()) == (before, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give --ids, --file, - or a filter."),
        ({"ids": "1", "course": "SAFE"}, "Give either --ids, --file or -, or filters, not both."),
        ({"file": Path("x.csv"), "status": "failed"}, "Give either --ids, --file or -, or filters, not both."),
        ({"stdin": "-", "username": "ada"}, "Give either --ids, --file or -, or filters, not both."),
        ({"course": "NONE"}, "Unknown courses: NONE."),
        ({"course": "safe"}, "Unknown courses: safe."),
        ({"course": "SAFE", "username": "nobody"}, "Unknown employees: nobody."),
        # As of a variable of the shell that is not set.
        ({"course": ""}, "Unknown courses: ."),
        ({"username": ""}, "Unknown employees: ."),
        ({"ids": ""}, "The list is empty."),
        ({"due_before": ""}, "--due-before  is no day. Write it as 2026-12-31."),
        ({"due_before": "20261231"}, "--due-before 20261231 is no day. Write it as 2026-12-31."),
        ({"due_before": "2026-02-30"}, "--due-before 2026-02-30 is no day. Write it as 2026-12-31."),
        ({"course": "SAFE", "max_percent": "101"}, "--max-percent 101 is no number from 0 to 100."),
        ({"course": "SAFE", "max_percent": "-1"}, "--max-percent -1 is no number from 0 to 100."),
        ({"course": "SAFE", "max_percent": "NaN"}, "--max-percent NaN is no number from 0 to 100."),
        ({"course": "SAFE", "staff": "x@example.com"}, "x@example.com is no active staff user of {slug}."),
        ({"course": "SAFE", "organization": "nobody"}, "There is no organization 'nobody'."),
        ({"course": "SAFE", "reason": ""}, "reason: Say why."),
        ({"course": "SAFE", "reason": "  "}, "reason: Say why."),
        (
            {"course": "SAFE", "reason": "x" * 501},
            "reason: Ensure this value has at most 500 characters (it has 501).",
        ),
    ],
)
def test_unassign_refuses_in_one_line_and_writes_nothing(
    organization: Organization, ledger: dict[str, int], run: Run, options: dict[str, Any], message: str
) -> None:
    before = written.records()
    assert run(**options) == Outcome(1, "", message.format(slug=organization.slug))
    assert (written.records(), written.operations()) == (before, [])


@pytest.mark.parametrize("status", ["completed", "Assigned", "unassigned"])
def test_unassign_takes_the_open_states_only(
    organization: Organization, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    result = outcome(capsys, "unassign", f"--organization={organization.slug}", "--reason=x", f"--status={status}")
    assert result.error == (
        f"Error: argument --status: invalid choice: '{status}' (choose from 'assigned', 'in_progress', 'failed')"
    )


def test_unassign_takes_records_of_an_archived_course(organization: Organization, run: Run) -> None:
    record = assigned(organization, code="OLD")
    update_course(organization=organization, actor=ACTOR, course=record.course, changes={"status": "archived"})
    assert run(course="OLD").status == 0
    assert taken() == {record.pk}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{file} is empty."),
        (b"id\n", "{file} has no rows."),
        (b"number\n1\n", "{file} needs a column id. Its header has: number."),
        (b"id\n1\x00\n", "{file}, line 2: a NUL character. Save the file as CSV UTF-8."),
        (b"id\n\xff\n", "{file}, line 2: not UTF-8. Save the file as CSV UTF-8."),
        (b"id\n=1\n", "{file}, line 2: id begins with =, as a formula does. Write its value."),
    ],
)
def test_unassign_refuses_a_file_that_it_cannot_read_in_one_line(
    organization: Organization, run: Run, tmp_path: Path, *, content: bytes, message: str
) -> None:
    file = tmp_path / "records.csv"
    file.write_bytes(content)
    assert run(file=file) == Outcome(1, "", message.format(file=file))
    assert written.operations() == []
