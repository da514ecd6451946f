from decimal import Decimal

from accounts.errors import Refusal


class RecordUnknown(Refusal):
    """No live train session of the organization has this id."""

    code = "record_unknown"

    def __init__(self, record_id: int) -> None:
        super().__init__(record_id)
        self.record_id = record_id


class RecordCompleted(Refusal):
    """A completed record is history: it takes no progress, no attempt and no unassigning."""

    code = "record_completed"

    def __init__(self, record_id: int) -> None:
        super().__init__(record_id)
        self.record_id = record_id


class RecordsNotOpen(Refusal):
    """Ids that name no live record of the organization, and ids of completed ones, each in the order given."""

    code = "records_not_open"

    def __init__(self, *, unknown: list[int], completed: list[int]) -> None:
        super().__init__(unknown, completed)
        self.unknown, self.completed = unknown, completed


class CourseNotAssignable(Refusal):
    """An archived or deleted course is not assigned any more."""

    code = "course_not_assignable"

    def __init__(self, *, course_code: str, status: str) -> None:
        super().__init__(course_code, status)
        self.course_code, self.status = course_code, status


class TooManyAtOnce(Refusal):
    """An unassign would take a greater share of the open records than is allowed at once. `limit` is in percent."""

    code = "too_many_at_once"

    def __init__(self, *, count: int, of: int, limit: Decimal) -> None:
        super().__init__(count, of, limit)
        self.count, self.of, self.limit = count, of, limit

    @property
    def percent(self) -> Decimal:
        """The share that it would be."""
        return Decimal(self.count * 100) / self.of


class OperationNotUndoable(Refusal):
    """Only an unassign can be undone."""

    code = "operation_not_undoable"

    def __init__(self, *, operation_id: int, kind: str) -> None:
        super().__init__(operation_id, kind)
        self.operation_id, self.kind = operation_id, kind
