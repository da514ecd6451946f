from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts.api import rates
from accounts.api.dialect import Answer, Dialect, request_id, with_status
from accounts.api.errors import ApiError
from accounts.errors import PeopleInactive, PeopleUnknown, Refusal
from accounts.models import ApiToken
from accounts.scopes import Scope
from enrollments.errors import CourseUnknown, NotEnoughUnits
from training.errors import CourseNotAssignable


class AssignmentsDialect(Dialect):
    """The change feed's family: `{"message", "requestId"}`, a rate for the organization, and 400 where others say 422."""

    family = "training_assignments"
    title = "Training Assignments API"
    description = "The training records as a change feed for machines, and what is assigned to whom."
    prefixes = ("/training-assignments", "/training-courses")
    read_scope = Scope.TRAINING_ASSIGNMENTS_READ
    write_scope = Scope.TRAINING_ASSIGNMENTS_WRITE
    rate_setting = "RATE_LIMIT_ASSIGNMENTS_READ"
    write_rate_setting = "RATE_LIMIT_ASSIGNMENTS_WRITE"
    unprocessable = 400
    challenge = 'Bearer realm="training_assignments"'

    refusals: ClassVar[Mapping[type[Refusal], Answer]] = {
        CourseUnknown: with_status(400),
        CourseNotAssignable: with_status(400),
        PeopleUnknown: with_status(400),
        PeopleInactive: with_status(400),
        NotEnoughUnits: lambda refusal: ApiError(
            400, [f"Not enough units of the course: {refusal.needed} needed, {refusal.free} free."], code=refusal.code
        ),
    }

    def spend(self, request: HttpRequest, token: ApiToken) -> None:
        kind, setting = ("read", self.rate_setting)
        if request.method not in ("GET", "HEAD"):
            kind, setting = ("write", self.write_rate_setting)
        rates.spend(getattr(settings, setting), self.family, kind, f"organization-{token.organization_id}")

    def error_response(self, error: ApiError) -> HttpResponse:
        if error.status is HTTPStatus.UNPROCESSABLE_ENTITY:
            error = ApiError(self.unprocessable, error.messages, code=error.code, headers=error.headers)
        return super().error_response(error)

    def error_body(self, error: ApiError) -> dict[str, object]:
        return {"message": " ".join(error.messages), "requestId": request_id()}

    def error_schema(self) -> dict[str, object]:
        return {
            "type": "object",
            "properties": {"message": {"type": "string"}, "requestId": {"type": "string"}},
            "required": ["message", "requestId"],
            "additionalProperties": False,
        }
