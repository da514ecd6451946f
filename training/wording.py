"""What the ledger refuses, in words."""

from decimal import Decimal

from enrollments.wording import describe
from training.errors import (
    CourseNotAssignable,
    OperationNotUndoable,
    RecordCompleted,
    RecordsNotOpen,
    RecordUnknown,
    TooManyAtOnce,
)

__all__ = ["describe"]


@describe.register
def _unknown(refusal: RecordUnknown) -> str:
    return f"There is no train session {refusal.record_id}."


@describe.register
def _completed(refusal: RecordCompleted) -> str:
    return f"Train session {refusal.record_id} is completed; it cannot be changed."


@describe.register
def _unassign(refusal: RecordsNotOpen) -> str:
    return " ".join(not_open_sentences(refusal))


def not_open_sentences(refusal: RecordsNotOpen) -> list[str]:
    """One sentence for each id."""
    return [f"Train session {pk} not found." for pk in refusal.unknown] + [
        f"Train session {pk} is completed; it stays as it is." for pk in refusal.completed
    ]


@describe.register
def _not_assignable(refusal: CourseNotAssignable) -> str:
    return f"Course {refusal.course_code} is {refusal.status}; it cannot be assigned."


@describe.register
def _too_many_at_once(refusal: TooManyAtOnce) -> str:
    records = "record" if refusal.of == 1 else "records"
    return (
        f"This would unassign {refusal.count:,} of {refusal.of:,} open {records}, "
        f"{_rounded_above(refusal.percent, refusal.limit)} percent; "
        f"the limit is {_plain(refusal.limit)}. Nothing was unassigned."
    )


def _rounded_above(share: Decimal, limit: Decimal) -> str:
    """To one decimal, or to as many as show that it is above the limit."""
    exact = [round(share, places) for places in range(1, 9)]
    return _plain(next((rounded for rounded in exact if rounded > limit), share))


def _plain(number: Decimal) -> str:
    """12.50 as 12.5, and 10.0 as 10."""
    return f"{number.normalize():f}"


@describe.register
def _not_undoable(refusal: OperationNotUndoable) -> str:
    article = "an" if refusal.kind[0] in "aeiou" else "a"
    return f"Operation {refusal.operation_id} is {article} {refusal.kind}; only an unassign can be undone."
