"""What the commands share that do one thing to many rows: where rows come from, progress, Ctrl-C, report, exit status."""

import csv
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.errors import Refusal
from accounts.models import Organization
from accounts.selectors import organization_by_slug
from accounts.wording import describe

SOME_REFUSED = 2  # Exit status. All done is 0; nothing done, or failed, is 1.

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Row:
    """`number` is the line of a file, as an editor or a spreadsheet shows it, or the position in a list."""

    number: int
    key: str


def id_in(text: str) -> int:
    """What cannot be an id names no row: 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004 - fits a column


def organization_named(slug: str) -> Organization:
    organization = organization_by_slug(slug)
    if organization is None:
        raise CommandError(f"There is no organization {slug!r}.")
    return organization


class RowsCommand(BaseCommand):
    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
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

    def add_source_arguments(self, parser: CommandParser, option: str, *, column: str, example: str) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(f"--{option}", metavar=example, help="separated by commas")
        source.add_argument("--file", type=Path, metavar="FILE.csv", help=f"UTF-8, with a header and a column {column}")
        parser.add_argument("--dry-run", action="store_true", help="the same report, and nothing written")

    @contextmanager
    def working(self, total: int) -> Iterator[Progress]:
        """A progress bar on a terminal, and Ctrl-C taken at its steps only, which are all inside the transaction: so
        what is said about it is true. A refusal becomes one line.
        """
        interrupted = threading.Event()

        def note(_signal: int, _frame: FrameType | None) -> None:
            interrupted.set()

        # Signals reach the main thread only.
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, note) if main else None
        try:
            with tqdm(total=total, unit="row", disable=None) as bar:

                def step(done: int) -> None:
                    bar.update(done)
                    if interrupted.is_set():
                        raise KeyboardInterrupt  # noqa: TRY301 - in the caller's transaction, to undo it

                yield step
        except KeyboardInterrupt:
            raise CommandError("Interrupted. Nothing was done.") from None
        except Refusal as refusal:
            raise CommandError(describe(refusal)) from refusal
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)

    def report(
        self,
        rows: Sequence[Row],
        refused: Mapping[str, str],
        *,
        done: str,
        count: int,
        nothing: str,
        dry_run: bool,
    ) -> None:
        """One line for each row refused, with the reason by key; then the counts. Ends with the exit status."""
        keys = {row.key for row in rows}
        left_out = [row for row in rows if row.key in refused]
        for row in left_out:
            self.stdout.write(f"row {row.number}, {row.key or '(blank)'}: {refused[row.key]}")
        repeated = len(rows) - len(left_out) - (len(keys) - len(refused))
        counts = [f"{count} {done}", f"{len(left_out)} refused", *([f"{repeated} repeated"] if repeated else [])]
        self.stdout.write(f"{', '.join(counts)}.")
        if dry_run:
            self.stdout.write("Dry run: nothing was written.")
        if not count:
            raise CommandError(nothing)
        if left_out:
            sys.exit(SOME_REFUSED)


def rows_in(items: str | None, file: Path | None, *, column: str) -> list[Row]:
    """The rows of `--<option> A,B` or of `--file`. Raises CommandError for what has none, or cannot be read."""
    if file is not None:
        return _rows_of_file(file, column)
    rows = [Row(number, key) for number, item in enumerate((items or "").split(","), start=1) if (key := item.strip())]
    if not rows:
        raise CommandError("The list is empty.")
    return rows


def _rows_of_file(file: Path, column: str) -> list[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(_keys(csv.reader(lines, strict=True), file, column))
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{file} is not UTF-8. Save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise CommandError(f"{file} is no CSV: {error}.") from error
    if not rows:
        raise CommandError(f"{file} has no rows.")
    return rows


def _keys(reader: Any, file: Path, column: str) -> Iterator[Row]:
    """Lines without any text are no rows, and are passed over."""
    lines = _filled_lines(reader, file)
    header = [name.strip() for name in next(lines, [])]
    if not header:
        raise CommandError(f"{file} is empty.")
    if header.count(column) != 1:
        raise CommandError(f"{file} needs one column {column}. Its header has: {', '.join(header)}.")
    position = header.index(column)
    for cells in lines:
        yield Row(reader.line_num, cells[position].strip() if position < len(cells) else "")


def _filled_lines(reader: Any, file: Path) -> Iterator[list[str]]:
    for cells in reader:
        if any("\0" in cell for cell in cells):
            raise CommandError(f"{file} has a NUL character in row {reader.line_num}.")
        if any(cell.strip() for cell in cells):
            yield cells
