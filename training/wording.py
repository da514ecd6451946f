"""What the ledger refuses, in words."""

from enrollments.wording import describe
from training.errors import CourseNotAssignable, RecordCompleted, RecordsNotOpen, RecordUnknown

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
