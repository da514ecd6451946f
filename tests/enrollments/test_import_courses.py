"""import_courses: what becomes of each row, what is said of it, and what is then in the database."""

import csv
import hashlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.models import BulkOperation, BulkRow, Organization
from accounts.services import importing as chunks
from enrollments.models import Category, Course, Prerequisite
from enrollments.services import importing
from tests.commands import Outcome, outcome
from tests.enrollments.imported_courses import CASES, FULL, PLAIN, State, revisions, run_rows, state
from tests.factories import CourseFactory, OrganizationFactory, UserFactory

ACTOR = Actor.system()
Run = Callable[..., Outcome]


@pytest.fixture
def courses(organization: Organization) -> State:
    """Two courses; and in another organization two of the same codes."""
    for where in (organization, OrganizationFactory.create()):
        run_rows(
            where,
            "code,title,category,delivery_mode,duration_hours,cost_per_participant,provider,provider_name,description,"
            "pass_score,certificate_months,uses_units,status,prerequisites",
            "BASIC,Basics,safety,,,,,,,,,,,",
            "HIGH,Heights,compliance,hybrid,7.5,120.25,external,Acme,How to.,82.5,12,true,archived,BASIC",
        )
    return state(organization)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "courses.csv"


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str], file: Path) -> Run:
    """The command on a file of this content."""

    def call(content: str, **options: Any) -> Outcome:
        file.write_text(content, encoding="utf-8")
        return outcome(capsys, "import_courses", str(file), organization=organization.slug, **options)

    return call


def operation_id() -> int:
    return BulkOperation.objects.latest("pk").pk


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 2000])
@pytest.mark.parametrize("case", CASES)
def test_import_courses_takes_in_each_row_or_says_why_not(
    organization: Organization,
    courses: State,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    case: str,
    chunk: int,
    dry_run: bool,
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    content, status, said, changed = CASES[case]
    elsewhere = Organization.objects.exclude(pk=organization.pk).get()
    others, before, operations = revisions(elsewhere), revisions(organization), BulkOperation.objects.count()
    result = run(content, dry_run=dry_run)
    operation = "" if dry_run else f" Operation {operation_id()}."
    categories = ", ".join(Category.objects.order_by("slug").values_list("slug", flat=True))
    expected = said.format(operation=operation, categories=categories)
    expected += "Dry run: nothing was written.\n" if dry_run else ""
    assert result == Outcome(status, expected, "")
    if dry_run:
        assert (state(organization), revisions(organization)) == (courses, before)
        assert BulkOperation.objects.count() == operations
    else:
        assert state(organization) == courses | changed
        after = revisions(organization)
        renewed = {code for code in before if after[code][0] != before[code][0]}
        assert renewed == {code for code in before if after[code][1] > before[code][1]} == set(changed) & set(courses)
        assert {code: row[2:] for code, row in after.items() if code in before} == {
            code: row[2:] for code, row in before.items()
        }
    assert revisions(elsewhere) == others


@pytest.mark.parametrize("case", CASES)
def test_import_courses_again_changes_nothing(organization: Organization, courses: State, run: Run, case: str) -> None:
    run(CASES[case][0])
    run(CASES[case][0])
    before = (state(organization), revisions(organization), list(Prerequisite.objects.order_by("pk").values()))
    run(CASES[case][0])
    outcomes = set(BulkRow.objects.filter(operation=operation_id()).values_list("outcome", flat=True))
    assert outcomes <= {"unchanged", "refused"}
    assert (state(organization), revisions(organization), list(Prerequisite.objects.order_by("pk").values())) == before


COMMA = "Write the number with a decimal point and no comma, such as 1.5."
NUMBER = "Give a number, such as 8 or 1.5."
WHOLE = "Give a whole number."


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("duration_hours", "7,5", COMMA),
        ("duration_hours", "1,234.50", COMMA),
        ("pass_score", "82,5", COMMA),
        ("cost_per_participant", "NaN", NUMBER),
        ("cost_per_participant", "Infinity", NUMBER),
        ("cost_per_participant", "1e3", NUMBER),
        ("cost_per_participant", "1_000", NUMBER),
        ("cost_per_participant", "٣", NUMBER),
        ("cost_per_participant", ".5", NUMBER),
        ("cost_per_participant", "12 EUR", NUMBER),
        ("cost_per_participant", "-1", "Ensure this value is greater than or equal to 0."),
        ("cost_per_participant", "1.234", "Ensure that there are no more than 2 decimal places."),
        ("duration_hours", "123456", "Ensure that there are no more than 5 digits before the decimal point."),
        ("pass_score", "-0.5", "Ensure this value is greater than or equal to 0."),
        ("certificate_months", "12.0", WHOLE),
        ("certificate_months", "1_2", WHOLE),
        ("certificate_months", "9" * 5000, WHOLE),
        ("certificate_months", "-1", "Ensure this value is greater than or equal to 1."),
        ("certificate_months", "1201", "Ensure this value is less than or equal to 1200."),
    ],
)
def test_import_courses_refuses_what_is_no_number(
    organization: Organization, courses: State, run: Run, *, column: str, text: str, reason: str
) -> None:
    result = run(f'code,{column}\nHIGH,"{text}"\n')
    report = f"line 2, HIGH: {column}: {reason}\n0 created, 0 updated, 1 refused. Operation {operation_id()}.\n"
    assert (result, state(organization)) == (Outcome(1, report, "Nothing was imported."), courses)


def test_import_courses_keeps_what_courses_are_searched_by(
    organization: Organization, courses: State, run: Run
) -> None:
    run("code,title,category\nHIGH,ÜBER,safety\nNEW,New ONE,safety\n")
    rows = Course.objects.filter(organization=organization).order_by("code")
    assert list(rows.values_list("search_code", "search_title")) == [
        ("basic", "basics"),
        ("high", "über"),
        ("new", "new one"),
    ]


def test_import_courses_requires_no_course_of_another_organization(organization: Organization, run: Run) -> None:
    CourseFactory.create(code="THERE")
    result = run("code,title,category,prerequisites\nNEW,New one,safety,THERE\n")
    assert (result.status, state(organization)) == (1, {})
    assert "prerequisites: Unknown courses: THERE." in result.out


def test_import_courses_records_reports_and_says_it_in_json(
    organization: Organization, courses: State, run: Run, file: Path, tmp_path: Path
) -> None:
    staff, report = UserFactory.create(organization=organization), tmp_path / "report.csv"
    content = "code,title,category\nNEW, New one,safety\nHIGH,,safety\n"
    result = run(content, staff=staff.email, report=report, json=True)
    operation = BulkOperation.objects.latest("pk")
    tidied = "Spaces around title were left out."
    refused = "title: This field cannot be blank."
    assert (result.status, json.loads(result.out)) == (
        2,
        {
            "operation": operation.pk,
            "dry_run": False,
            "interrupted": False,
            "rows": 2,
            "counts": {"created": 1, "refused": 1},
            "stopped": "",
            "refused": [{"line": 3, "key": "HIGH", "outcome": "refused", "reason": refused}],
            "refused_left_out": 0,
        },
    )
    assert list(csv.reader(report.read_text(encoding="utf-8").splitlines())) == [
        ["line", "key", "outcome", "reason"],
        ["2", "NEW", "created", tidied],
        ["3", "HIGH", "refused", refused],
    ]
    assert operation.details.pop("run_by")
    assert (operation.kind, operation.created_by, operation.details, operation.finished_at is not None) == (
        "import_courses",
        f"user-{staff.pk}",
        {"file": str(file), "sha256": hashlib.sha256(content.encode()).hexdigest()},
        True,
    )
    new = Course.objects.get(organization=organization, code="NEW")
    assert list(operation.rows.values_list("line", "key", "outcome", "reason", "target_id")) == [
        (2, "NEW", "created", tidied, new.pk),
        (3, "HIGH", "refused", refused, None),
    ]


def test_import_courses_refuses_an_unknown_column(
    organization: Organization, courses: State, run: Run, file: Path
) -> None:
    known = ", ".join(importing.COLUMNS)
    message = f"{file} has a column hours, which means nothing here. Known columns: {known}."
    assert run("code,hours\nHIGH,3\n") == Outcome(1, "", message)
    assert state(organization) == courses


def test_import_courses_interrupted_leaves_whole_chunks_and_says_how_far_it_got(
    organization: Organization,
    run: Run,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 2)
    real = importing.courses_there
    asked: list[set[str]] = []

    def interrupted(organization: Organization, codes: set[str], *, lock: bool) -> dict[str, Course]:
        asked.append(codes)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(organization, codes, lock=lock)

    monkeypatch.setattr(importing, "courses_there", interrupted)
    content = "code,title,category,prerequisites\nC1,T,safety,\n"
    content += "".join(f"C{number},T,safety,C{number - 1}\n" for number in range(2, 7))
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        call_command("import_courses", str(file), organization=organization.slug)
    written = capsys.readouterr()
    assert (left.value.code, written.out, written.err) == (
        2,
        "4 created, 0 updated, 0 refused.\n",
        "Interrupted. The rows up to line 5 are in. Run it again to take in the rest.\n",
    )
    whole = {f"C{n}": ("T", *PLAIN, (f"C{n - 1}",) if n > 1 else ()) for n in range(1, 7)}
    operation = BulkOperation.objects.get()
    assert (operation.counts, operation.finished_at, operation.rows.count()) == ({"created": 4}, None, 4)
    assert state(organization) == {code: whole[code] for code in ("C1", "C2", "C3", "C4")}
    assert run(content).out == f"2 created, 0 updated, 0 refused, 4 unchanged. Operation {operation_id()}.\n"
    assert state(organization) == whole


@pytest.mark.parametrize("chunk", [1, 2, 2000])
def test_import_courses_reads_again_when_a_course_was_created_meanwhile(
    organization: Organization, courses: State, run: Run, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """HIGH, with values that the row does not tell of, is not seen at first."""
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    real = importing.courses_there
    asked: list[set[str]] = []

    def late(organization: Organization, codes: set[str], *, lock: bool) -> dict[str, Course]:
        asked.append(codes)
        return {} if asked.count(codes) == 1 and "HIGH" in codes else real(organization, codes, lock=lock)

    monkeypatch.setattr(importing, "courses_there", late)
    content = "code,title,category,prerequisites\nA,Aa,safety,BASIC\nHIGH,High up,safety,A\nB,Bb,safety,HIGH\n"
    assert run(content) == Outcome(0, f"2 created, 1 updated, 0 refused. Operation {operation_id()}.\n", "")
    assert state(organization) == courses | {
        "A": ("Aa", *PLAIN, ("BASIC",)),
        "B": ("Bb", *PLAIN, ("HIGH",)),
        "HIGH": ("High up", "safety", *FULL[2:12], ("A",)),
    }


def test_import_courses_asks_as_much_for_many_as_for_few(organization: Organization, courses: State) -> None:
    def queries(first: int, last: int) -> int:
        lines = [f"N{number},Tt,safety,BASIC" for number in range(first, last)]
        with CaptureQueriesContext(connection) as seen:
            run_rows(organization, "code,title,category,prerequisites", *lines, f"HIGH,T{first},safety,N{first}")
        return len(seen)

    queries(0, 1)
    assert queries(10, 12) == queries(20, 35)
