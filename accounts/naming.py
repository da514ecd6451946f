"""Rows that name people by one column: what each names, and what becomes of a row that names somebody again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from accounts.bulk import InputRow, RowOutcome, noted
from accounts.models import Outcome

UNKNOWN = "There is no such employee."
INACTIVE = "The employee is inactive."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of everything that goes by one name. The fields are those of `RowOutcome`."""

    outcome: Outcome
    reason: str = ""
    target_id: int | None = None


def refused(reason: str) -> Verdict:
    return Verdict(Outcome.REFUSED, reason)


def name_in(row: InputRow, column: str) -> str:
    """What a row names somebody by. Two rows mean the same person only where this is the same: mail ignores case."""
    return row.cells[column].lower() if column == "mail" else row.cells[column]


def names_in(rows: Sequence[InputRow], column: str) -> list[str]:
    """Once each, in the order of the rows."""
    return list(dict.fromkeys(name_in(row, column) for row in rows))


def outcomes(rows: Sequence[InputRow], column: str, verdicts: Mapping[str, Verdict]) -> Iterator[RowOutcome]:
    """What became of each row, in order, by the verdict on its name.

    A later row of the same name is a repetition, unless the first was refused: then it is refused as well.
    """
    first: dict[str, int] = {}
    for row in rows:
        name = name_in(row, column)
        verdict, line = verdicts[name], first.setdefault(name, row.line)
        if line != row.line and verdict.outcome != Outcome.REFUSED:
            verdict = Verdict(Outcome.REPEATED, f"Line {line} names the same person.")
        yield RowOutcome(
            row.line, row.cells[column], verdict.outcome, noted(row, verdict.reason), target_id=verdict.target_id
        )
