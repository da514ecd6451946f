from collections.abc import Mapping
from typing import ClassVar

from accounts.api.dialect import Answer, Dialect, with_status
from accounts.api.errors import ApiError
from accounts.errors import PeopleInactive, PeopleUnknown, Refusal
from accounts.scopes import Scope
from enrollments.errors import (
    AlreadyEnrolled,
    CapacityBelowSeatsTaken,
    EnrollmentNotOpen,
    EnrollmentUnknown,
    NotEnoughUnits,
    PrerequisitesUnmet,
    SessionClosed,
    SessionFull,
    SessionUnknown,
    StatusFinal,
    TooManyIds,
)
from enrollments.wording import describe


def _about(field: str) -> Answer:
    return lambda refusal: ApiError(422, [describe(refusal)], code=refusal.code, fields={field: [describe(refusal)]})


class TrainingDialect(Dialect):
    """The Training API's document: `{success, message, errors?}`."""

    family = "training"
    title = "Training API"
    description = "Courses, scheduled sessions with seats, and enrollments."
    prefixes = ("/api/v1/training",)
    read_scope = Scope.TRAINING_READ
    write_scope = Scope.TRAINING_WRITE
    rate_setting = "RATE_LIMIT_TRAINING"
    challenge = 'Bearer realm="training"'

    refusals: ClassVar[Mapping[type[Refusal], Answer]] = {
        SessionFull: with_status(422),  # The document's own body has no `errors`.
        SessionUnknown: _about("session_id"),
        SessionClosed: _about("session_id"),
        TooManyIds: _about("employee_ids"),
        PeopleUnknown: _about("employee_ids"),
        PeopleInactive: _about("employee_ids"),
        AlreadyEnrolled: _about("employee_ids"),
        PrerequisitesUnmet: _about("employee_ids"),
        NotEnoughUnits: with_status(422),
        CapacityBelowSeatsTaken: _about("max_participants"),
        StatusFinal: _about("status"),
        EnrollmentUnknown: lambda _refusal: ApiError(404, ["Enrollment not found."]),
        EnrollmentNotOpen: with_status(409),
    }

    def error_body(self, error: ApiError) -> dict[str, object]:
        body: dict[str, object] = {"success": False, "message": " ".join(error.messages)}
        if error.fields:
            body["errors"] = error.fields
        return body

    def error_schema(self) -> dict[str, object]:
        sentences = {"type": "array", "items": {"type": "string"}}
        return {
            "type": "object",
            "properties": {
                "success": {"type": "boolean", "enum": [False]},
                "message": {"type": "string"},
                "errors": {"type": "object", "additionalProperties": sentences},
            },
            "required": ["success", "message"],
            "additionalProperties": False,
        }
