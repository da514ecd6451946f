"""What ends a bulk command early, or keeps it from saying what it did: what is said then, and what is in."""

import errno
import getpass
import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from accounts.bulk import RowOutcome
from accounts.management import importing as commands
from accounts.management.report import Report
from accounts.models import BulkOperation, Organization, Person
from accounts.services import importing, importing_people
from tests.commands import Outcome, outcome

ROOT = Path(__file__).parents[2]
LOST = OperationalError("the connection is lost\nHINT: for programmers")


@pytest.fixture(autouse=True)
def _two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    rows = "".join(f"EMP-{number},Cy\n" for number in range(1, 5))
    path.write_text(f"employee_id,first_name\n{rows}EMP-5,\n", encoding="utf-8")
    return path


def there() -> int:
    return Person.objects.filter(first_name="Cy").count()


def break_at_second(monkeypatch: pytest.MonkeyPatch, effect: Any) -> None:
    """`effect` is raised, or called, when the second chunk is read."""
    real, asked = importing_people.people_there, list[object]()

    def people_there(organization: Organization, numbers: set[str], *, lock: bool) -> dict[str, Person]:
        asked.append(numbers)
        if len(asked) == 2:
            if isinstance(effect, Exception):
                raise effect
            effect()
        return real(organization, numbers, lock=lock)

    monkeypatch.setattr(importing_people, "people_there", people_there)


def test_a_dry_run_interrupted_does_not_say_that_rows_are_in(
    organization: Organization, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_at_second(monkeypatch, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit):
        call_command("import_people", str(file), organization=organization.slug, dry_run=True)
    assert capsys.readouterr().err == "Interrupted. The dry run got as far as line 5. Nothing was written.\n"
    assert there() == 0


def test_ctrl_c_while_standard_input_is_read_is_said_in_one_line(
    organization: Organization, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Typed(io.BytesIO):
        def read(self, *_size: int | None) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Typed()))
    said = outcome(capsys, "import_people", "-", organization=organization.slug)
    assert said == Outcome(1, "", "Interrupted. Nothing was done.")


def test_an_import_that_loses_the_database_says_how_far_it_got(
    organization: Organization, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    break_at_second(monkeypatch, LOST)
    report = file.with_name("done.csv")
    said = outcome(capsys, "import_people", str(file), organization=organization.slug, report=report)
    assert said == Outcome(
        1,
        "",
        "The database failed: the connection is lost. The rows up to line 3 are in. Run it again to take in the rest.",
    )
    assert (there(), len(report.read_text(encoding="utf-8").splitlines())) == (2, 3)


def test_a_command_that_finds_no_database_says_so(
    organization: Organization, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def organization_named(_slug: str) -> Organization:
        raise LOST

    monkeypatch.setattr(commands, "organization_named", organization_named)
    said = outcome(capsys, "import_people", str(file), organization=organization.slug)
    assert said == Outcome(1, "", "The database failed: the connection is lost. Nothing was done.")


def test_an_import_whose_report_cannot_go_on_says_how_far_it_got(
    organization: Organization, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Report.take

    def take(self: Report, outcomes: Sequence[RowOutcome]) -> None:
        real(self, outcomes)
        raise CommandError("The report done.csv cannot be written: No space left on device.")

    monkeypatch.setattr(Report, "take", take)
    report = file.with_name("done.csv")
    said = outcome(capsys, "import_people", str(file), organization=organization.slug, report=report)
    assert said.error == (
        "The report done.csv cannot be written: No space left on device. "
        "The rows up to line 3 are in. Run it again to take in the rest."
    )
    assert (there(), list(file.parent.iterdir())) == (2, [file])


@pytest.mark.parametrize(
    ("full", "said"),
    [
        (False, ""),
        (True, f"The summary cannot be written: {os.strerror(errno.ENOSPC)}. It changes nothing of the run.\n"),
    ],
)
def test_a_summary_that_nobody_takes_changes_neither_the_run_nor_its_exit_status(
    organization: Organization, file: Path, capsys: pytest.CaptureFixture[str], *, full: bool, said: str
) -> None:
    if full:
        taken = os.open("/dev/full", os.O_WRONLY)
    else:
        reading, taken = os.pipe()
        os.close(reading)
    with pytest.raises(SystemExit) as left, os.fdopen(taken, "w") as stdout:
        call_command("import_people", str(file), organization=organization.slug, stdout=stdout)
    assert (left.value.code, capsys.readouterr().err, there()) == (2, said, 4)


def test_a_user_without_a_name_is_recorded_by_number(
    organization: Organization, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert outcome(capsys, "import_people", str(file), organization=organization.slug).status == 2
    assert BulkOperation.objects.get().details["run_by"].startswith(f"user {os.getuid()} on ")


@pytest.mark.parametrize(
    ("command", "closed"),
    [("version >&-", b""), ("""shell -v 0 -c "print('…')" """, b"\\u2026\n"),
     ("""shell -v 0 -c "import sys; print(sys.stdin.read())" <&-""", b"\n")],
)  # fmt: skip
def test_a_command_lives_with_the_streams_that_it_is_given(tmp_path: Path, command: str, closed: bytes) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "DATA_DIR": str(tmp_path)}
    done = subprocess.run(  # noqa: S602 - the shell's way to close a stream
        f"{sys.executable} manage.py {command}", shell=True, cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, closed, b"")


def test_a_report_does_not_replace_the_file_that_is_read(
    organization: Organization, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, link = file.read_bytes(), file.with_name("link.csv")
    link.symlink_to(file)
    said = outcome(capsys, "import_people", str(file), organization=organization.slug, report=link)
    message = f"The report {link} would replace the file that is read. Give it another name."
    assert (said, file.read_bytes(), there()) == (Outcome(1, "", message), content, 0)
