from datetime import datetime

from accounts.errors import Refusal


class TooManyIds(Refusal):
    """More ids in one call than `limit`."""

    code = "too_many_ids"

    def __init__(self, *, given: int, limit: int) -> None:
        super().__init__(given, limit)
        self.given, self.limit = given, limit


class SessionUnknown(Refusal):
    code = "session_unknown"

    def __init__(self, session_id: int) -> None:
        super().__init__(session_id)
        self.session_id = session_id


class SessionClosed(Refusal):
    """The session's status, `cancelled` or `completed`, admits nobody."""

    code = "session_closed"

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class SessionNotBegun(Refusal):
    """Nobody has been present yet. `starts_at` is in the organization's zone."""

    code = "session_not_begun"

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(starts_at)
        self.starts_at = starts_at


class SessionFull(Refusal):
    """Fewer seats are free than were asked for. Both counts are those under the session's lock."""

    code = "session_full"

    def __init__(self, *, remaining: int, requested: int) -> None:
        super().__init__(remaining, requested)
        self.remaining, self.requested = remaining, requested


class AlreadyEnrolled(Refusal):
    code = "already_enrolled"

    def __init__(self, ids: list[int]) -> None:
        super().__init__(ids)
        self.ids = ids


class PrerequisitesUnmet(Refusal):
    """Codes of the courses of which a person has no completed record valid today, by person id."""

    code = "prerequisites_unmet"

    def __init__(self, missing: dict[int, list[str]]) -> None:
        super().__init__(missing)
        self.missing = missing


class CapacityBelowSeatsTaken(Refusal):
    code = "capacity_below_seats_taken"

    def __init__(self, *, taken: int, capacity: int) -> None:
        super().__init__(taken, capacity)
        self.taken, self.capacity = taken, capacity


class StatusFinal(Refusal):
    """A cancelled session stays cancelled: its enrollments have been cancelled with it."""

    code = "status_final"

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class EnrollmentUnknown(Refusal):
    code = "enrollment_unknown"

    def __init__(self, enrollment_id: int) -> None:
        super().__init__(enrollment_id)
        self.enrollment_id = enrollment_id


class EnrollmentNotOpen(Refusal):
    """Only an `enrolled` enrollment can be completed, cancelled or marked absent."""

    code = "enrollment_not_open"

    def __init__(self, *, enrollment_id: int, status: str) -> None:
        super().__init__(enrollment_id, status)
        self.enrollment_id, self.status = enrollment_id, status


class CourseUnknown(Refusal):
    """Course ids, or codes, that name nothing in the organization."""

    code = "course_unknown"

    def __init__(self, ids: list[int] | list[str]) -> None:
        super().__init__(ids)
        self.ids = ids


class NotEnoughUnits(Refusal):
    """A course that takes a bought seat for each record has fewer free, unexpired ones than are needed."""

    code = "not_enough_units"

    def __init__(self, *, course_code: str, free: int, needed: int) -> None:
        super().__init__(course_code, free, needed)
        self.course_code, self.free, self.needed = course_code, free, needed
