"""What a command says of its rows: on the terminal, as JSON, and in a file with a line for every row."""

import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError

from accounts.bulk import RowOutcome
from accounts.management.tables import is_formula
from accounts.models import Outcome

MOST_LINES = 20  # Refused rows that are named on the terminal. A report file names all.


class Report:
    """Gathers outcomes as they come. The file is put in its place when the work is over, never half written."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.refused: list[RowOutcome] = []
        self.tidied = 0
        self.last_line = 0
        self._file: IO[str] | None = None
        if path is not None:
            self._part = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                self._file = self._part.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise CommandError(f"The report {path} cannot be written: {error.strerror}.") from error
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "key", "outcome", "reason"])

    def take(self, outcomes: Sequence[RowOutcome]) -> None:
        for one in outcomes:
            self.counts[one.outcome.value] += 1
            self.last_line = one.line
            if one.outcome == Outcome.REFUSED and len(self.refused) < MOST_LINES:
                self.refused.append(one)
            if self._file is not None:
                self._writer.writerow([one.line, harmless(one.key), one.outcome.value, harmless(one.reason)])

    def keep(self) -> None:
        if self._file is not None and self.path is not None:
            self._file.close()
            self._part.replace(self.path)

    def discard(self) -> None:
        """What was gathered did not come to pass."""
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def lines(self) -> list[str]:
        """One for each refused row, and how many more there are."""
        named = [f"line {one.line}, {one.key or '(blank)'}: {one.reason}" for one in self.refused]
        if more := self.counts[Outcome.REFUSED] - len(named):
            named.append(f"… and {more:,} more, which --report FILE lists.")
        return named

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"line": one.line, "key": one.key, "outcome": one.outcome.value, "reason": one.reason}
            for one in self.refused
        ]


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if is_formula(text) else text
