"""What a command says of its rows: on the terminal, as JSON, and in a file with a line for every row."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError

from accounts.bulk import RowOutcome
from accounts.models import Outcome
from accounts.tables import harmless

MOST_LINES = 20  # Refused rows that are named on the terminal. A report file names all.


class Report:
    """Gathers outcomes as they come. The file is put in its place when the work is over, never half written."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.refused: list[RowOutcome] = []
        self.last_line = 0
        self._file: IO[str] | None = None
        if path is not None:
            self._open(path)

    def _open(self, path: Path) -> None:
        with self._written():
            # A directory or a device would be found out when the work is done, or be replaced by a file.
            if not path.name or (path.exists() and not path.is_file()):
                raise CommandError(f"The report {path} cannot be written: it is no file.")
            self._place = path.resolve()
            self._part = self._place.with_name(f".{path.name}.{os.getpid()}")
            # What is no text (a byte of a command line) is written as an escape.
            self._file = self._part.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "key", "outcome", "reason"])

    @contextmanager
    def _written(self, also: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CommandError(f"The report {self.path} cannot be written: {error.strerror}.{also}") from error

    def take(self, outcomes: Sequence[RowOutcome]) -> None:
        for one in outcomes:
            self.counts[one.outcome.value] += 1
            self.last_line = one.line
            if one.outcome == Outcome.REFUSED and len(self.refused) < MOST_LINES:
                self.refused.append(one)
        if self._file is not None:
            with self._written():
                self._writer.writerows(
                    [one.line, harmless(one.key), one.outcome.value, harmless(one.reason)] for one in outcomes
                )

    def keep(self) -> None:
        """Raises CommandError where the file cannot be put in its place."""
        if self._file is not None:
            with self._written(" The rows are done all the same."):
                self._file.close()
                self._part.replace(self._place)

    def discard(self) -> None:
        """What was gathered did not come to pass."""
        if self._file is not None:
            with suppress(OSError):  # a full disk, which is no reason to hide why the file is given up
                self._file.close()
            with suppress(OSError):
                self._part.unlink()

    def lines(self) -> list[str]:
        """One for each refused row, and how many more there are."""
        named = [
            f"line {one.line}, {on_one_line(one.key) or '(blank)'}: {on_one_line(one.reason)}" for one in self.refused
        ]
        if more := self.counts[Outcome.REFUSED] - len(named):
            named.append(f"… and {more:,} more, which --report FILE lists.")
        return named

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"line": one.line, "key": one.key, "outcome": one.outcome.value, "reason": one.reason}
            for one in self.refused
        ]


def on_one_line(text: str) -> str:
    """Text that moves no cursor and breaks no line."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
