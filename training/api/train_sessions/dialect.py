import re
from collections.abc import Mapping
from typing import ClassVar

from django.http import HttpRequest

from accounts.api.dialect import Answer, Dialect, bearer, with_status
from accounts.api.errors import ApiError
from accounts.errors import PeopleUnknown, Refusal
from accounts.scopes import Scope
from enrollments.errors import CourseUnknown, TooManyIds
from training.errors import RecordCompleted, RecordsNotOpen, RecordUnknown
from training.wording import not_open_sentences

# `Token token="…"`, as Rails writes it (quotes optional, further parameters ignored), and plain `Token …`.
_TOKEN = re.compile(r'\A\s*token\s+(?:token\s*=\s*)?"?([^\s",;]+)"?\s*(?:[,;].*)?\Z', re.IGNORECASE)


class TrainSessionsDialect(Dialect):
    """The documents' family: bare arrays and objects, and `{"errors": […]}`."""

    family = "train_sessions"
    title = "Train Sessions API"
    description = "A train session is one training record: a person, a course, and what became of it."
    prefixes = ("/api/train_sessions",)
    read_scope = Scope.TRAIN_SESSIONS_READ
    write_scope = Scope.TRAIN_SESSIONS_WRITE
    rate_setting = "RATE_LIMIT_TRAIN_SESSIONS"
    challenge = 'Token realm="train_sessions"'
    security: ClassVar[dict[str, dict[str, str]]] = {
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": 'Token token="…", or Token …, or Bearer …',
        }
    }

    refusals: ClassVar[Mapping[type[Refusal], Answer]] = {
        RecordUnknown: lambda _refusal: ApiError(404, ["Train session not found."]),
        RecordCompleted: with_status(409),
        RecordsNotOpen: lambda refusal: ApiError(422, not_open_sentences(refusal), code=refusal.code),
        TooManyIds: with_status(422),
        CourseUnknown: lambda refusal: ApiError(422, [f"Course {code} not found." for code in refusal.ids]),
        PeopleUnknown: lambda refusal: ApiError(422, [f"Login {pk} not found." for pk in refusal.ids]),
    }

    def credential(self, request: HttpRequest) -> str | None:
        match = _TOKEN.match(request.headers.get("Authorization", ""))
        return match[1] if match else bearer(request)

    def error_body(self, error: ApiError) -> dict[str, object]:
        return {"errors": error.messages}

    def error_schema(self) -> dict[str, object]:
        return {
            "type": "object",
            "properties": {"errors": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
            "required": ["errors"],
            "additionalProperties": False,
        }
