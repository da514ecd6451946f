"""import_people: what becomes of each row, what is said of it, and what is then in the database."""

import csv
import hashlib
import io
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actors import Actor
from accounts.bulk import InputRow
from accounts.models import BulkOperation, BulkRow, GroupMember, Organization, Person
from accounts.services import importing, importing_people
from accounts.services.importing_people import import_people
from tests.accounts.imported_people import ADA, BOB, CASES, State, add, state
from tests.commands import Outcome, outcome
from tests.factories import OrganizationFactory, UserFactory

ACTOR = Actor.system()
Run = Callable[..., Outcome]


@pytest.fixture
def people(organization: Organization) -> State:
    """Two people; and in another organization two of the same numbers, names and addresses."""
    for where in (organization, OrganizationFactory.create()):
        add(where, "EMP-1", ADA)
        add(where, "EMP-2", BOB)
    return state(organization)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


@pytest.fixture
def run(organization: Organization, capsys: pytest.CaptureFixture[str], file: Path) -> Run:
    """The command on a file of this content."""

    def call(content: str, *, organization: str = organization.slug, **options: Any) -> Outcome:
        file.write_text(content, encoding="utf-8")
        return outcome(capsys, "import_people", str(file), organization=organization, **options)

    return call


def operation_id() -> int:
    return BulkOperation.objects.latest("pk").pk


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 2000])
@pytest.mark.parametrize("case", CASES)
def test_import_people_takes_in_each_row_or_says_why_not(
    organization: Organization,
    people: State,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    case: str,
    chunk: int,
    dry_run: bool,
) -> None:
    monkeypatch.setattr(importing, "CHUNK", chunk)
    content, status, said, changed = CASES[case]
    elsewhere = Organization.objects.exclude(pk=organization.pk).get()
    others = state(elsewhere)
    result = run(content, dry_run=dry_run)
    if dry_run:
        expected = said.format(operation="") + "Dry run: nothing was written.\n"
        assert (result, state(organization)) == (Outcome(status, expected, ""), people)
        assert (BulkOperation.objects.count(), BulkRow.objects.count()) == (0, 0)
    else:
        expected = said.format(operation=f" Operation {operation_id()}.")
        assert (result, state(organization)) == (Outcome(status, expected, ""), people | changed)
    assert state(elsewhere) == others


@pytest.mark.parametrize("case", CASES)
def test_import_people_again_changes_nothing(organization: Organization, people: State, run: Run, case: str) -> None:
    """What was refused for a value that a later line freed is taken in then; and the third time nothing is left."""
    content = CASES[case][0]
    run(content)
    run(content)
    before = list(Person.objects.order_by("pk").values())
    members = list(GroupMember.objects.order_by("pk").values())
    run(content)
    outcomes = set(BulkRow.objects.filter(operation=operation_id()).values_list("outcome", flat=True))
    assert outcomes <= {"unchanged", "refused"}
    assert (list(Person.objects.order_by("pk").values()), list(GroupMember.objects.order_by("pk").values())) == (
        before,
        members,
    )


def test_import_people_that_takes_nobody_in_fails(organization: Organization, people: State, run: Run) -> None:
    result = run("employee_id,first_name\nEMP-1,\n")
    report = f"line 2, EMP-1: first_name: This field cannot be blank.\n0 created, 0 updated, 1 refused. Operation {operation_id()}.\n"
    assert (result, state(organization)) == (Outcome(1, report, "Nothing was imported."), people)


def test_import_people_keeps_what_names_are_searched_by(organization: Organization, people: State, run: Run) -> None:
    run("employee_id,first_name\nEMP-1,ÄDA\nEMP-3,Cy\n")
    names = Person.objects.filter(organization=organization).order_by("employee_id")
    assert list(names.values_list("search_name", flat=True)) == ["äda okafor", "bob ruiz", "cy"]


def test_import_people_records_the_operation_and_what_became_of_each_row(
    organization: Organization, people: State, run: Run, file: Path
) -> None:
    staff = UserFactory.create(organization=organization)
    content = "employee_id,first_name\nEMP-3, Cy\nEMP-1,Ada\nEMP-2,\nEMP-2,Rob\n"
    run(content, staff=staff.email)
    operation = BulkOperation.objects.get()
    details = operation.details
    assert details.pop("run_by")
    assert details == {
        "file": str(file),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    assert (operation.kind, operation.organization, operation.created_by, operation.finished_at is not None) == (
        "import_people",
        organization,
        f"user-{staff.pk}",
        True,
    )
    assert operation.counts == {"created": 1, "unchanged": 1, "refused": 1, "updated": 1}
    ids = dict(Person.objects.filter(organization=organization).values_list("employee_id", "pk"))
    assert list(operation.rows.values_list("line", "key", "outcome", "reason", "target_id")) == [
        (2, "EMP-3", "created", "Spaces around first_name were left out.", ids["EMP-3"]),
        (3, "EMP-1", "unchanged", "", ids["EMP-1"]),
        (4, "EMP-2", "refused", "first_name: This field cannot be blank.", None),
        (5, "EMP-2", "updated", "", ids["EMP-2"]),
    ]


@pytest.mark.parametrize("dry_run", [False, True])
def test_import_people_writes_a_report_of_every_row(
    organization: Organization, people: State, run: Run, tmp_path: Path, *, dry_run: bool
) -> None:
    report = tmp_path / "report.csv"
    run("employee_id,first_name\n EMP-3,Cy\nEMP-1,\n", report=report, dry_run=dry_run)
    with report.open(encoding="utf-8", newline="") as written:
        assert list(csv.reader(written)) == [
            ["line", "key", "outcome", "reason"],
            ["2", "EMP-3", "created", "Spaces around employee_id were left out."],
            ["3", "EMP-1", "refused", "first_name: This field cannot be blank."],
        ]


def test_import_people_says_it_in_json(organization: Organization, people: State, run: Run) -> None:
    result = run("employee_id,first_name\nEMP-3,Cy\nEMP-1,\n", json=True)
    reason = "first_name: This field cannot be blank."
    assert (result.status, json.loads(result.out)) == (
        2,
        {
            "operation": operation_id(),
            "dry_run": False,
            "interrupted": False,
            "rows": 2,
            "counts": {"created": 1, "refused": 1},
            "stopped": "",
            "refused": [{"line": 3, "key": "EMP-1", "outcome": "refused", "reason": reason}],
            "refused_left_out": 0,
        },
    )


def test_import_people_reads_standard_input(
    organization: Organization, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeffemployee_id,first_name\nÖ-1,Cy\n".encode())))
    assert outcome(capsys, "import_people", "-", organization=organization.slug).status == 0
    assert state(organization) == {"Ö-1": ("Cy", "", "", "", "user", True, ())}
    assert BulkOperation.objects.get().details["file"] == "standard input"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "employee_id,first_name,email\nEMP-3,Cy,cy@example.com\n",
            (
                "{file} has a column email, which means nothing here. Known columns: employee_id, first_name, last_name, "
                "mail, username, kind, active, groups."
            ),
        ),
        ("first_name\nCy\n", "{file} needs a column employee_id. Its header has: first_name."),
        ("employee_id\nEMP-3\n\0\n", "{file}, line 3: a NUL character. Save the file as CSV UTF-8."),
        (
            "employee_id,first_name\nEMP-3,=1+1\n",
            "{file}, line 2: first_name begins with =, as a formula does. Write its value.",
        ),
    ],
)
def test_import_people_refuses_a_wrong_file_whole(
    organization: Organization, people: State, run: Run, file: Path, *, content: str, message: str
) -> None:
    assert run(content) == Outcome(1, "", message.format(file=file))
    assert (state(organization), BulkOperation.objects.count()) == (people, 0)


def test_import_people_refuses_who_may_not_act(organization: Organization, people: State, run: Run) -> None:
    stranger = UserFactory.create()
    content = "employee_id,first_name\nEMP-3,Cy\n"
    message = f"{stranger.email} is no active staff user of {organization.slug}."
    assert run(content, staff=stranger.email) == Outcome(1, "", message)
    assert run(content, organization="nobody") == Outcome(1, "", "There is no organization 'nobody'.")
    assert (state(organization), BulkOperation.objects.count()) == (people, 0)


def test_import_people_interrupted_leaves_whole_chunks_and_says_how_far_it_got(
    organization: Organization,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: Path,
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    real = importing_people.people_there
    asked: list[set[str]] = []

    def interrupted(organization: Organization, numbers: set[str], *, lock: bool) -> dict[str, Person]:
        asked.append(numbers)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(organization, numbers, lock=lock)

    monkeypatch.setattr(importing_people, "people_there", interrupted)
    content = "employee_id,first_name\n" + "".join(f"EMP-{number},Cy\n" for number in range(1, 7))
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        call_command("import_people", str(file), organization=organization.slug)
    written = capsys.readouterr()
    assert (left.value.code, written.out, written.err) == (
        2,
        "4 created, 0 updated, 0 refused.\n",
        "Interrupted. The rows up to line 5 are in. Run it again to take in the rest.\n",
    )
    cy = ("Cy", "", "", "", "user", True, ())
    operation = BulkOperation.objects.get()
    assert (state(organization), operation.counts, operation.finished_at, operation.rows.count()) == (
        {f"EMP-{number}": cy for number in range(1, 5)},
        {"created": 4},
        None,
        4,
    )
    assert run(content).out == f"2 created, 0 updated, 0 refused, 4 unchanged. Operation {operation_id()}.\n"
    assert state(organization) == {f"EMP-{number}": cy for number in range(1, 7)}


NEW = "employee_id,first_name,username,groups\nEMP-3,Cy,cy,Day\nEMP-1,Bea,,Dusk\nEMP-4,Di,di,\n"


@pytest.mark.parametrize("chunk", [1, 2, 2000])
def test_import_people_reads_again_when_somebody_was_created_meanwhile(
    organization: Organization, people: State, run: Run, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """EMP-1, with a last name and a group that the row does not tell of, is not seen at first."""
    monkeypatch.setattr(importing, "CHUNK", chunk)
    real = importing_people.people_there
    asked: list[set[str]] = []

    def late(organization: Organization, numbers: set[str], *, lock: bool) -> dict[str, Person]:
        asked.append(numbers)
        seen = asked.count(numbers) == 1 and "EMP-1" in numbers
        return {} if seen else real(organization, numbers, lock=lock)

    monkeypatch.setattr(importing_people, "people_there", late)
    assert run(NEW) == Outcome(0, f"2 created, 1 updated, 0 refused. Operation {operation_id()}.\n", "")
    assert state(organization) == {
        "EMP-1": ("Bea", "Okafor", "ada@example.com", "", "driver", True, ("Dusk",)),
        "EMP-2": BOB,
        "EMP-3": ("Cy", "", "", "cy", "user", True, ("Day",)),
        "EMP-4": ("Di", "", "", "di", "user", True, ()),
    }
    assert Person.objects.get(organization=organization, employee_id="EMP-1").search_name == "bea okafor"


@pytest.mark.parametrize("times", [1, 100])
def test_import_people_refuses_whose_name_is_taken_meanwhile_and_takes_the_others_in(
    organization: Organization, people: State, run: Run, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    real = importing_people.holders
    asked: list[str] = []

    def late(organization: Organization, column: str, values: set[str]) -> dict[str, str]:
        asked.append(column)
        return {} if len(asked) <= times else real(organization, column, values)

    monkeypatch.setattr(importing_people, "holders", late)
    result = run("employee_id,first_name,username\nEMP-3,Cy,cy\nEMP-4,Di,ada\nEMP-5,Ed,ed\n")
    reason = "username: Somebody else has this username." if times == 1 else "It collides with another row."
    said = f"line 3, EMP-4: {reason}\n2 created, 0 updated, 1 refused. Operation {operation_id()}.\n"
    assert result == Outcome(2, said, "")
    assert state(organization) == people | {
        "EMP-3": ("Cy", "", "", "cy", "user", True, ()),
        "EMP-5": ("Ed", "", "", "ed", "user", True, ()),
    }


def test_import_people_asks_as_much_for_many_as_for_few(organization: Organization, people: State) -> None:
    def queries(numbers: range) -> int:
        columns = ["employee_id", "first_name", "mail", "username", "groups"]
        rows = [
            InputRow(line, dict(zip(columns, (f"N-{line}", "Cy", f"{line}@a.example", f"n{line}", "Day"), strict=True)))
            for line in numbers
        ]
        rows.append(InputRow(1, dict(zip(columns, ("EMP-1", "A", "", f"a{len(rows)}", f"G{len(rows)}"), strict=True))))
        with CaptureQueriesContext(
            connection,
        ) as seen:
            import_people(organization=organization, actor=ACTOR, columns=columns, rows=rows)
        return len(seen)

    queries(range(100, 101))
    assert queries(range(200, 202)) == queries(range(300, 330))
