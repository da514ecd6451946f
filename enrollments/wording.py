"""What enrolling refuses, in words. The sentence of SessionFull is the Training API document's own."""

from accounts.wording import describe, listed
from enrollments.errors import (
    AlreadyEnrolled,
    CapacityBelowSeatsTaken,
    CourseUnknown,
    EnrollmentNotOpen,
    EnrollmentUnknown,
    NotEnoughUnits,
    PrerequisitesUnmet,
    SessionClosed,
    SessionFull,
    SessionNotBegun,
    SessionUnknown,
    StatusFinal,
    TooManyIds,
)

__all__ = ["describe", "listed"]


@describe.register
def _too_many(refusal: TooManyIds) -> str:
    return f"At most {refusal.limit} ids in one call; {refusal.given} were given."


@describe.register
def _session_unknown(refusal: SessionUnknown) -> str:
    return f"There is no session {refusal.session_id}."


@describe.register
def _session_closed(refusal: SessionClosed) -> str:
    return f"The session is {refusal.status}; nobody can be enrolled in it."


@describe.register
def _session_not_begun(refusal: SessionNotBegun) -> str:
    at = refusal.starts_at
    return f"The session begins on {at:%Y-%m-%d} at {at:%H:%M} ({at.tzinfo}). Nobody has been present before that."


@describe.register
def _session_full(refusal: SessionFull) -> str:
    spots = "No spots" if refusal.remaining == 0 else f"Only {refusal.remaining} spot"
    plural = "s" if refusal.remaining > 1 else ""
    enrollments = "1 enrollment" if refusal.requested == 1 else f"{refusal.requested} enrollments"
    return f"Session is at capacity. {spots}{plural} remaining. You requested {enrollments}."


@describe.register
def _already(refusal: AlreadyEnrolled) -> str:
    return f"Already enrolled employees: {listed(refusal.ids)}."


@describe.register
def _prerequisites(refusal: PrerequisitesUnmet) -> str:
    people = "; ".join(f"{pk} has not completed {listed(codes)}" for pk, codes in refusal.missing.items())
    return f"Unmet prerequisites: {people}."


@describe.register
def _capacity(refusal: CapacityBelowSeatsTaken) -> str:
    return f"{refusal.taken} places are taken; the limit cannot be {refusal.capacity}."


@describe.register
def _final(refusal: StatusFinal) -> str:
    return f"The session is {refusal.status} and stays so."


@describe.register
def _enrollment_unknown(refusal: EnrollmentUnknown) -> str:
    return f"There is no enrollment {refusal.enrollment_id}."


@describe.register
def _not_open(refusal: EnrollmentNotOpen) -> str:
    return f"Enrollment {refusal.enrollment_id} is {refusal.status}; only an enrolled one can be changed."


@describe.register
def _course_unknown(refusal: CourseUnknown) -> str:
    return f"Unknown courses: {listed(refusal.ids)}."


@describe.register
def _units(refusal: NotEnoughUnits) -> str:
    return f"Not enough units of {refusal.course_code}: {refusal.needed} needed, {refusal.free} free."
