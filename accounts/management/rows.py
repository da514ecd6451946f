"""What the commands share that do one thing to many rows: whose, which rows, progress, Ctrl-C, report, exit status."""

import getpass
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import InterfaceError, OperationalError
from tqdm import tqdm

from accounts.actors import Actor
from accounts.bulk import Done, InputRow, RowOutcome, Tell, id_in as id_in  # noqa: PLC0414 - for commands
from accounts.errors import Refusal
from accounts.management.report import Report
from accounts.management.tables import STDIN, read_table
from accounts.models import Organization, Outcome
from accounts.selectors import organization_by_slug, staff_by_email
from accounts.tables import Columns, Table
from accounts.wording import describe

SOME_REFUSED = 2  # Exit status. All done is 0; nothing done, or failed, is 1.


class Stopped(BaseException):
    """Ctrl-C, or a termination signal. No `Exception`: nothing on the way may take it for an error of its own."""


@dataclass(frozen=True)
class Asked:
    """What every bulk command was asked for besides its own options."""

    organization: Organization
    actor: Actor
    dry_run: bool
    details: Mapping[str, Any]


def organization_named(slug: str) -> Organization:
    organization = organization_by_slug(slug)
    if organization is None:
        raise CommandError(f"There is no organization {slug!r}.")
    return organization


class WithExamples(DjangoHelpFormatter):
    """Keeps each example on its line, to be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def of_database(error: Exception) -> str:
    """The first line of what the database, or the way to it, says: the others are hints for programmers."""
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return f"The database failed: {said or type(error).__name__}."


def user_on_machine() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # A container may run as a number that has no name.
        user = f"user {os.getuid()}"
    return f"{user} on {socket.gethostname()}"


class RowsCommand(BaseCommand):
    """A command that does one thing to many rows.

    `done` are the outcomes that its summary always counts, `nothing` the sentence for a run that did nothing,
    `examples` command lines for its help.
    """

    done: Sequence[Outcome]
    nothing: str
    examples: Sequence[str] = ()
    # Whether Ctrl-C undoes all, or leaves what was told of.
    in_chunks = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        if self.examples:
            kwargs.setdefault("epilog", "\n".join(["examples:", *(f"  {line}" for line in self.examples)]))
            kwargs.setdefault("formatter_class", WithExamples)
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        given = parser.error

        def error(message: str) -> Any:
            try:
                given(message)
            except SystemExit:
                sys.exit(1)

        # argparse leaves with 2, which here says that some rows were refused.
        parser.error = error  # type: ignore[method-assign]  # what its class calls
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, metavar="SLUG")
        self.add_shared_arguments(parser)

    @staticmethod
    def add_shared_arguments(parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="the same report, and nothing written")
        parser.add_argument(
            "--report", type=Path, metavar="FILE.csv", help="write line, key, outcome and reason of each row"
        )
        parser.add_argument("--json", action="store_true", help="print the summary as JSON")
        parser.add_argument(
            "--as", dest="staff", metavar="EMAIL", help="the staff user who does it (default: the system)"
        )

    def asked(self, organization: Organization, options: Mapping[str, Any], **details: Any) -> Asked:
        """`details` are kept with the operation, as far as they say anything."""
        return Asked(
            organization=organization,
            actor=self._actor(organization, options.get("staff")),
            dry_run=bool(options.get("dry_run")),
            details={
                "run_by": user_on_machine(),
                **{name: value for name, value in details.items() if value not in (None, "")},
            },
        )

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (OperationalError, InterfaceError) as error:  # Before there was anything to do: `act` says its own.
            raise CommandError(f"{of_database(error)} Nothing was done.") from error

    @staticmethod
    def _actor(organization: Organization, email: str | None) -> Actor:
        if not email:
            return Actor.system()
        user = staff_by_email(organization, email)
        if user is None:
            raise CommandError(f"{email} is no active staff user of {organization.slug}.")
        return Actor.staff(user)

    def act(self, options: Mapping[str, Any], work: Callable[[Tell], Done], *, total: int | None = None) -> None:
        """Do the work, show how far it is, say what became of each row, and end with the exit status.

        A refusal becomes one line.
        """
        self._keep_apart(options.get("report"), options.get("file"))
        report = Report(options.get("report"))
        done, interrupted = Done(operation_id=None), False
        try:
            with self._progress(report, total) as tell:
                done = work(tell)
        except Stopped:
            if not (self.in_chunks and report.last_line):
                report.discard()
                raise CommandError("Interrupted. Nothing was done.") from None
            interrupted = True
        except (Refusal, CommandError, OperationalError, InterfaceError) as error:
            raise self._failed(error, report, options) from error
        except BaseException:
            report.discard()
            raise
        report.keep()
        self._say(report, done, options, interrupted=interrupted)

    @staticmethod
    def _keep_apart(report: Path | None, file: Path | None) -> None:
        with suppress(OSError):  # One that is not there yet is no other's.
            if report is not None and file is not None and report.samefile(file):
                raise CommandError(f"The report {report} would replace the file that is read. Give it another name.")

    def _failed(self, error: Exception, report: Report, options: Mapping[str, Any]) -> CommandError:
        """What to say of a run that ended so, and what became of its report."""
        if isinstance(error, Refusal):
            why = describe(error)
        else:
            why = str(error) if isinstance(error, CommandError) else of_database(error)
        if self.in_chunks and report.last_line:
            if isinstance(error, CommandError):  # It is the report that failed: half of it is none.
                report.discard()
            else:
                report.keep()
            return CommandError(f"{why} {self._so_far(report, options)}")
        report.discard()
        if isinstance(error, Refusal | CommandError):
            return CommandError(why)
        if options.get("dry_run"):
            return CommandError(f"{why} Nothing was done.")
        # Where the way to the database broke while it committed, nobody can tell from here.
        return CommandError(f"{why} Nothing was done, unless the admin lists it under Bulk operations.")

    @contextmanager
    def _progress(self, report: Report, total: int | None) -> Iterator[Tell]:
        """A bar on a terminal. Signals are taken where outcomes are told, and nowhere else: so what is said of an
        interrupted run is true.
        """
        interrupted = threading.Event()

        def note(_signal: int, _frame: FrameType | None) -> None:
            interrupted.set()

        # Signals reach the main thread only.
        main = threading.current_thread() is threading.main_thread()
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)} if main else {}
        try:
            with tqdm(total=total, unit="row", disable=None) as bar:

                def tell(outcomes: Sequence[RowOutcome]) -> None:
                    report.take(outcomes)
                    bar.update(len(outcomes))
                    if interrupted.is_set():
                        raise Stopped

                yield tell
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _say(self, report: Report, done: Done, options: Mapping[str, Any], *, interrupted: bool) -> None:
        counts = dict(report.counts if interrupted else done.counts)
        refused = counts.get(Outcome.REFUSED, 0)
        acted = sum(counts.values()) - refused
        if options.get("json"):
            self._print([self._as_json(report, done, counts, options, interrupted=interrupted)])
        else:
            said = [*report.lines(), self._summary(counts, done.operation_id)]
            said += ["Dry run: nothing was written."] if options.get("dry_run") else []
            self._print(filter(None, [*said, self.further(done)]))
        if interrupted:
            self.stderr.write(f"Interrupted. {self._so_far(report, options)}")
            sys.exit(SOME_REFUSED)
        if done.stopped or not acted:
            raise CommandError(" ".join(filter(None, (done.stopped, self.nothing))))
        if refused:
            sys.exit(SOME_REFUSED)

    def further(self, _done: Done) -> str:
        """A last line for whoever reads the summary, where there is something to add."""
        return ""

    def _print(self, lines: Iterable[str]) -> None:
        """Where nobody reads on, as in `| head -1`, or the disk is full, the run is as done as it is: the exit status
        says so still.
        """
        try:
            for line in lines:
                self.stdout.write(line)
            self.stdout.flush()
        except OSError as error:
            # What was not written would be tried, and fail, again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
            if not isinstance(error, BrokenPipeError):
                self.stderr.write(f"The summary cannot be written: {error.strerror}. It changes nothing of the run.")

    @staticmethod
    def _so_far(report: Report, options: Mapping[str, Any]) -> str:
        if options.get("dry_run"):
            return f"The dry run got as far as line {report.last_line:,}. Nothing was written."
        return f"The rows up to line {report.last_line:,} are in. Run it again to take in the rest."

    def _summary(self, counts: Mapping[str, int], operation_id: int | None) -> str:
        always = [*self.done, Outcome.REFUSED]
        named = [outcome for outcome in (*always, *Outcome) if outcome in always or counts.get(outcome)]
        parts = [f"{counts.get(outcome, 0):,} {outcome}" for outcome in dict.fromkeys(named)]
        return f"{', '.join(parts)}." + (f" Operation {operation_id}." if operation_id else "")

    @staticmethod
    def _as_json(
        report: Report, done: Done, counts: Mapping[str, int], options: Mapping[str, Any], *, interrupted: bool
    ) -> str:
        rows = report.rows()
        refused = counts.get(Outcome.REFUSED, 0)
        said = {
            "operation": done.operation_id,
            "dry_run": bool(options.get("dry_run")),
            "interrupted": interrupted,
            "rows": sum(counts.values()),
            "counts": counts,
            "stopped": done.stopped,
            "refused": rows,
            "refused_left_out": refused - len(rows),
        }
        return json.dumps(said, ensure_ascii=False)


def add_source(
    parser: CommandParser, option: str, *, columns: Columns, example: str, required: bool = True, **more: str
) -> None:
    """`--<option> A,B`, `--file FILE.csv`, or `-` for standard input; and options of the command's own."""
    source = parser.add_mutually_exclusive_group(required=required)
    source.add_argument(f"--{option}", metavar=example, help="separated by commas")
    for name, text in more.items():
        source.add_argument(f"--{name}", metavar=name.upper(), help=text)
    keys = " or ".join(columns.keys)
    source.add_argument("--file", type=Path, metavar="FILE.csv", help=f"UTF-8, with a header and a column {keys}")
    source.add_argument("stdin", nargs="?", choices=[STDIN], help="read the file from standard input")


def table_of(options: Mapping[str, Any], columns: Columns) -> Table | None:
    """The file that was given, on disk or through a pipe, if one was."""
    file: Path | None = options.get("file")
    if options.get("stdin") == STDIN or str(file) == STDIN:
        return read_table(None, columns)
    return None if file is None else read_table(file, columns)


def rows_in_list(items: str, column: str) -> list[InputRow]:
    """The rows of `A,B`. Raises CommandError where there are none."""
    given = [item.strip() for item in items.split(",")]
    rows = [InputRow(number, {column: key}) for number, key in enumerate(given, start=1) if key]
    if not rows:
        raise CommandError("The list is empty.")
    return rows
