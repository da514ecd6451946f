"""assign: to whom, from a group, a file or a pipe."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.models import BulkOperation, Organization
from enrollments.models import Course
from tests.commands import Outcome
from tests.factories import CourseFactory, OrganizationFactory, UserFactory
from tests.training.assigning import (
    NOW,
    UNKNOWN,
    Run,
    deactivate,
    group,
    owing,
    person,
    recorded,
    runner,
    written,
)


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


def test_assign_to_a_group_takes_its_active_people_by_employee_number(
    organization: Organization, course: Course, run: Run
) -> None:
    people = [person(organization, number) for number in ("EMP-3", "EMP-1", "EMP-2", "EMP-4")]
    deactivate(people[2])
    group(organization, "Night shift", *people[:3])
    group(OrganizationFactory.create(), "Night shift", person(OrganizationFactory.create(), "EMP-5"))
    assert run(group="Night shift").status == 0
    assert recorded() == [(1, "EMP-1", "assigned", ""), (2, "EMP-3", "assigned", "")]
    assert BulkOperation.objects.get().details["group"] == "Night shift"
    assert owing(course) == ["EMP-1", "EMP-3"]


def test_assign_refuses_a_group_that_is_not_there(organization: Organization, course: Course, run: Run) -> None:
    group(OrganizationFactory.create(), "Foreign")
    assert run(group="Foreign") == Outcome(1, "", "There is no group 'Foreign'. There are none yet.")
    group(organization, "Office")
    group(organization, "Drivers")
    assert run(group="Foreign") == Outcome(1, "", "There is no group 'Foreign'. Groups: Drivers, Office.")
    for number in range(10, 30):
        group(organization, f"Site {number}")
    named = ", ".join(["Drivers", "Office", *(f"Site {number}" for number in range(10, 28))])
    assert run(group="drivers") == Outcome(1, "", f"There is no group 'drivers'. Groups: {named} … and 2 more.")
    assert written() == (0, 0, 0)


def test_assign_refuses_a_group_of_nobody_active(organization: Organization, course: Course, run: Run) -> None:
    gone = person(organization, "EMP-1")
    deactivate(gone)
    group(organization, "Empty")
    group(organization, "Gone", gone)
    assert run(group="Empty") == Outcome(1, "", "Nobody active is in the group Empty.")
    assert run(group="Gone") == Outcome(1, "", "Nobody active is in the group Gone.")
    assert written() == (0, 0, 0)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (
            b"\xef\xbb\xbfmail;name\r\nADA@example.com ;Ada\r\nada@Example.com;Ada\r\n",
            [
                (2, "ADA@example.com", "assigned", "Spaces around mail were left out."),
                (3, "ada@Example.com", "repeated", "Line 2 names the same person."),
            ],
        ),
        (b'name,username\n"A, ""B""",ada\nAda,Ada\n', [(2, "ada", "assigned", ""), (3, "Ada", "refused", UNKNOWN)]),
    ],
)
def test_assign_reads_people_from_a_pipe(
    organization: Organization,
    course: Course,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    *,
    content: bytes,
    rows: list[tuple[int, str, str, str]],
) -> None:
    person(organization, "EMP-1", username="ada", mail="Ada@example.com")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    run("-")
    assert recorded() == rows
    assert BulkOperation.objects.get().details["file"] == "standard input"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{file} is empty."),
        (b"employee_id\n", "{file} has no rows."),
        (b"number\nEMP-1\n", "{file} needs a column employee_id or username or mail. Its header has: number."),
        (b"employee_id\nEMP-1\n\xff\n", "{file}, line 3: not UTF-8. Save the file as CSV UTF-8."),
        (b"employee_id\nEMP-1\nE\x00\n", "{file}, line 3: a NUL character. Save the file as CSV UTF-8."),
    ],
)
def test_assign_refuses_a_file_that_it_cannot_read(
    organization: Organization, course: Course, run: Run, tmp_path: Path, *, content: bytes, message: str
) -> None:
    person(organization, "EMP-1")
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    assert run(file=file) == Outcome(1, "", message.format(file=file))
    assert written() == (0, 0, 0)


def test_assign_refuses_an_organization_and_staff_that_are_not_there(
    organization: Organization, course: Course, run: Run
) -> None:
    person(organization, "EMP-1")
    foreign = UserFactory.create()
    assert run(employees="EMP-1", organization="nobody") == Outcome(1, "", "There is no organization 'nobody'.")
    assert run(employees="EMP-1", staff=foreign.email) == Outcome(
        1, "", f"{foreign.email} is no active staff user of {organization.slug}."
    )
    assert written() == (0, 0, 0)
