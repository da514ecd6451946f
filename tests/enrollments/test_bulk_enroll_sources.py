"""bulk_enroll: where its rows come from, files that it refuses, and what it shows meanwhile."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from accounts.models import Organization
from enrollments.models import Course
from tests.commands import Outcome
from tests.enrollments.bulk import Run, enrolled, operation, person, recorded, session_of, written

TRIMMED = "Spaces around {} were left out."


@pytest.fixture
def people(organization: Organization) -> None:
    person(organization, "EMP-1", username="ada", mail="Ada@Example.com")
    person(organization, "EMP-2", username="bob", mail="bob@example.com")
    person(organization, "EMP-3", username="", mail="")


Rows = list[tuple[int, str, str, str]]
UNKNOWN = "There is no such employee."

SOURCES: dict[str, tuple[bytes, Rows, list[str]]] = {
    "employee numbers": (
        b"employee_id\nEMP-2\nEMP-1\n",
        [(2, "EMP-2", "enrolled", ""), (3, "EMP-1", "enrolled", "")],
        ["EMP-2", "EMP-1"],
    ),
    "employee numbers are told apart by case": (
        b"employee_id\nemp-2\nEMP-2\n",
        [(2, "emp-2", "refused", UNKNOWN), (3, "EMP-2", "enrolled", "")],
        ["EMP-2"],
    ),
    "usernames": (
        b"name,username\nAda,ada\nBob,Bob\nCy,cy\nNobody,\nAda,ada\n",
        [
            (2, "ada", "enrolled", ""),
            (3, "Bob", "refused", UNKNOWN),
            (4, "cy", "refused", UNKNOWN),
            (5, "", "refused", UNKNOWN),
            (6, "ada", "repeated", "Line 2 names the same person."),
        ],
        ["EMP-1"],
    ),
    "mail ignores case": (
        b"mail,name\nADA@example.COM,Ada\nada@example.com ,Ada\nbob@example.com,Bob\nno@example.com,No\nNO@example.com,No\n",
        [
            (2, "ADA@example.COM", "enrolled", ""),
            (3, "ada@example.com", "repeated", f"Line 2 names the same person. {TRIMMED.format('mail')}"),
            (4, "bob@example.com", "enrolled", ""),
            (5, "no@example.com", "refused", UNKNOWN),
            (6, "NO@example.com", "refused", UNKNOWN),
        ],
        ["EMP-1", "EMP-2"],
    ),
    "the employee number counts before mail and username": (
        b"mail,username,employee_id\nbob@example.com,bob,EMP-1\n",
        [(2, "EMP-1", "enrolled", "")],
        ["EMP-1"],
    ),
    "a blank names nobody": (
        b"mail,note\n,x\n",
        [(2, "", "refused", UNKNOWN)],
        [],
    ),
    "semicolons": (
        b'employee_id;note\nEMP-1;"a; b"\n"EMP-2 ";\n',
        [(2, "EMP-1", "enrolled", ""), (3, "EMP-2", "enrolled", TRIMMED.format("employee_id"))],
        ["EMP-1", "EMP-2"],
    ),
    "tabs": (
        b"note\temployee_id\na,b\tEMP-1\n",
        [(2, "EMP-1", "enrolled", "")],
        ["EMP-1"],
    ),
    "quoted fields with commas, quotes and line ends": (
        b'note,"employee_id"\n"a, ""b""\r\nc","EMP-1"\n"",EMP-2',
        [(2, "EMP-1", "enrolled", ""), (4, "EMP-2", "enrolled", "")],
        ["EMP-1", "EMP-2"],
    ),
    "a byte order mark and Windows line ends": (
        b"\xef\xbb\xbfemployee_id\r\nEMP-1\r\n\r\nEMP-2\r\n",
        [(2, "EMP-1", "enrolled", ""), (4, "EMP-2", "enrolled", "")],
        ["EMP-1", "EMP-2"],
    ),
    "a byte order mark before a quoted header": (
        b'\xef\xbb\xbf"employee_id"\nEMP-1\n',
        [(2, "EMP-1", "enrolled", "")],
        ["EMP-1"],
    ),
    "spaces around a name": (
        "employee_id , note\n EMP-1 , x\n\u00a0EMP-2\t,\n".encode(),
        [
            (2, "EMP-1", "enrolled", TRIMMED.format("employee_id")),
            (3, "EMP-2", "enrolled", TRIMMED.format("employee_id")),
        ],
        ["EMP-1", "EMP-2"],
    ),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.usefixtures("people")
def test_bulk_enroll_reads_people_from_a_file_or_a_pipe(
    course: Course, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kind: str, piped: bool
) -> None:
    content, rows, there = SOURCES[kind]
    session = session_of(course)
    refused = sum(outcome == "refused" for _, _, outcome, _ in rows)
    if piped:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="latin-1"))
        status = run(session, "-").status
    else:
        file = tmp_path / "people.csv"
        file.write_bytes(content)
        status = run(session, file=file).status
    assert (status, recorded(), enrolled(session)) == (
        1 if refused == len(rows) else 2 if refused else 0,
        rows,
        there,
    )


@pytest.mark.usefixtures("people")
def test_bulk_enroll_says_standard_input_of_a_pipe_that_it_refuses(
    course: Course, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"employee_id\nEMP-1\n\xff\n")))
    assert run(session_of(course), "-") == Outcome(
        1, "", "standard input, line 3: not UTF-8. Save the file as CSV UTF-8."
    )
    assert written() == (0, 0, 0, 0)


HEADER = "{file} needs a column employee_id or username or mail. Its header has: "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "{file} is empty."),
        (b"\xef\xbb\xbf\n\n", "{file} is empty."),
        (b"employee_id\n", "{file} has no rows."),
        (b"employee_id\n \n,\n", "{file} has no rows."),
        (b"name,number\nAda,EMP-1\n", HEADER + "name, number."),
        (b"Employee_ID\nEMP-1\n", HEADER + "Employee_ID."),
        (b"EMP-1\nEMP-2\n", HEADER + "EMP-1."),
        (b"employee_id,employee_id\nEMP-1,EMP-2\n", "{file} has the column employee_id twice."),
        (
            b"employee_id\nEMP-1\nEMP\x00-2\n",
            "{file}, line 3: a NUL character. Save the file as CSV UTF-8.",
        ),
        ("employee_id\nMüller\n".encode("latin-1"), "{file}, line 2: not UTF-8. Save the file as CSV UTF-8."),
        ("employee_id\nEMP-1\n".encode("utf-16"), "{file}, line 1: not UTF-8. Save the file as CSV UTF-8."),
        (b'employee_id\n"EMP-1\n', "{file}, line 2: a double quote is opened here and not closed."),
        (b"employee_id\nEMP-1\n" + b"9" * 10_000_000, "{file}, line 3: longer than 100,000 bytes."),
        (
            b"employee_id\nEMP-1\n=1+1\n",
            "{file}, line 3: employee_id begins with =, as a formula does. Write its value.",
        ),
    ],
)
@pytest.mark.usefixtures("people")
def test_bulk_enroll_refuses_a_file_that_it_cannot_read_in_one_line(
    course: Course, run: Run, tmp_path: Path, *, content: bytes, message: str
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    assert run(session_of(course), file=file, report=tmp_path / "done.csv") == Outcome(1, "", message.format(file=file))
    assert written() == (0, 0, 0, 0)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("name", "why"), [("missing.csv", "No such file or directory"), (".", "Is a directory")])
def test_bulk_enroll_refuses_a_file_that_is_not_there(
    course: Course, run: Run, tmp_path: Path, name: str, why: str
) -> None:
    file = tmp_path / name
    assert run(session_of(course), file=file) == Outcome(1, "", f"{file} cannot be read: {why}.")


def test_bulk_enroll_refuses_an_empty_list(course: Course, run: Run) -> None:
    assert run(session_of(course), employees=" , ") == Outcome(1, "", "The list is empty.")


@pytest.mark.usefixtures("people")
def test_bulk_enroll_refuses_a_report_that_it_cannot_write(course: Course, run: Run, tmp_path: Path) -> None:
    report = tmp_path / "missing" / "done.csv"
    assert run(session_of(course), employees="EMP-1", report=report) == Outcome(
        1, "", f"The report {report} cannot be written: No such file or directory."
    )
    assert written() == (0, 0, 0, 0)


@pytest.mark.usefixtures("people")
def test_bulk_enroll_puts_its_report_in_the_place_of_the_last(course: Course, run: Run, tmp_path: Path) -> None:
    report = tmp_path / "done.csv"
    report.write_text("the last\n", encoding="utf-8")
    run(session_of(course), employees="EMP-1, '=1+1", report=report)
    assert report.read_bytes() == (
        b"line,key,outcome,reason\r\n1,EMP-1,enrolled,\r\n2,''=1+1,refused,There is no such employee.\r\n"
    )
    run(session_of(course), employees="=1+1", report=report)
    assert report.read_bytes() == (b"line,key,outcome,reason\r\n1,'=1+1,refused,There is no such employee.\r\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, True), (io.StringIO, False)])
@pytest.mark.usefixtures("people")
def test_bulk_enroll_shows_a_progress_bar_on_a_terminal_only(
    course: Course, run: Run, monkeypatch: pytest.MonkeyPatch, *, stream: type[io.StringIO], shown: bool
) -> None:
    errors = stream()
    monkeypatch.setattr(sys, "stderr", errors)
    assert run(session_of(course), employees="EMP-1,EMP-9").out == (
        f"line 2, EMP-9: There is no such employee.\n1 enrolled, 1 refused. Operation {operation()}.\n"
    )
    assert ("2/2" in errors.getvalue()) is shown
    assert shown or errors.getvalue() == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--organization", "demo", "--session", "8"],
        ["--organization", "demo", "--session", "8", "--employees", "EMP-1", "--file", "people.csv"],
        ["--organization", "demo", "--session", "8", "--employees", "EMP-1", "-"],
        ["--organization", "demo", "--session", "8", "--employees", "EMP-1", "--on-full", "some"],
        ["--organization", "demo", "--session", "8", "people.csv"],
    ],
)
def test_bulk_enroll_fails_with_one_where_it_is_asked_wrongly(arguments: list[str], tmp_path: Path) -> None:
    """Two would say that some rows were refused."""
    root = Path(__file__).resolve().parents[2]
    asked = subprocess.run(
        [sys.executable, root / "manage.py", "bulk_enroll", *arguments],
        env={**os.environ, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=root,
        check=False,
        capture_output=True,
    )
    assert (asked.returncode, asked.stdout) == (1, b"")


def test_bulk_enroll_shows_examples_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call_command("bulk_enroll", "--help")
    shown = capsys.readouterr().out
    examples = shown.partition("\nexamples:\n")[2].splitlines()
    assert left.value.code == 0
    assert [line.split()[:2] for line in examples] == [["manage.py", "bulk_enroll"]] * len(examples)
    assert all(
        any(option in line for line in examples) for option in ("--file", "--on-full", " - ", "--dry-run", "--as")
    )
