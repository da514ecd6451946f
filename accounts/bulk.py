"""What bulk operations speak in: the rows that come in, and what became of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Outcome


@dataclass(frozen=True, slots=True)
class InputRow:
    """One row of a list or a file. `line` is the line of the file in which it begins, or the position in the list.

    `cells` are by column, without the spaces around them; `trimmed` names the columns that had some.
    """

    line: int
    cells: Mapping[str, str]
    trimmed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row.

    `key` is how the row names what it is about, `reason` a sentence for whoever sent it (empty where there is nothing
    to say), `target_id` the id of the row that was written, `before` what an undo needs besides.
    """

    line: int
    key: str
    outcome: Outcome
    reason: str = ""
    target_id: int | None = None
    before: dict[str, Any] | None = None


# Told of outcomes as they come, in the order of the rows: inside the transaction where all is one transaction, after
# the commit where it is done in chunks. An exception raised from it stops the work there.
Tell = Callable[[Sequence[RowOutcome]], object]


def tell_nobody(_outcomes: Sequence[RowOutcome]) -> None:
    pass


@dataclass(frozen=True)
class Done:
    """How a bulk operation ended. `operation_id` is None for a dry run, which leaves no trace.

    `counts` are those of the rows that were committed (of a dry run: that would be). `stopped` says why nothing at all
    was done although something could have been.
    """

    operation_id: int | None
    counts: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""


def id_in(text: str) -> int:
    """What cannot be an id names no row: 0."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004 - fits a column


def noted(row: InputRow, reason: str = "") -> str:
    """A reason, with what was tidied in the row."""
    spaces = f"Spaces around {', '.join(row.trimmed)} were left out." if row.trimmed else ""
    return " ".join(filter(None, (reason, spaces)))
