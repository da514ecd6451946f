from collections.abc import Mapping, Sequence
from http import HTTPStatus

from rest_framework.exceptions import ValidationError

# A failure's code where nothing more is known of it. (Python's phrases for some of these change between versions.)
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "body_too_large",
    414: "address_too_long",
    415: "unsupported_media_type",
    417: "expectation_failed",
    422: "invalid",
    429: "rate_limited",
    431: "headers_too_large",
    501: "not_implemented",
    503: "busy",
}


class ApiError(Exception):
    """A failure on its way to a wire: a status, a stable code, and sentences; by field where fields were wrong.

    The dialect decides what a body looks like. `alone` sentences stand for themselves, without their field's name.
    """

    def __init__(
        self,
        status: int,
        messages: Sequence[str] = (),
        *,
        code: str = "",
        fields: Mapping[str, Sequence[str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, messages, fields)
        self.status = HTTPStatus(status)
        self.code = code or CODES.get(status, "internal_error")
        self.fields = {name: list(sentences) for name, sentences in (fields or {}).items()}
        self.messages = list(messages) or [f"{name}: {text}" for name, texts in self.fields.items() for text in texts]
        self.headers = dict(headers or {})

    @classmethod
    def bad_query(cls, fields: Mapping[str, Sequence[str]]) -> "ApiError":
        """A query that cannot be understood."""
        return cls(400, [f"{name}: {text}" for name, texts in fields.items() for text in texts], code="invalid_query")

    @classmethod
    def invalid(cls, fields: Mapping[str, Sequence[str]]) -> "ApiError":
        """A body that breaks a rule, by field."""
        return cls(422, code="invalid", fields=fields)


def field_messages(error: ValidationError) -> dict[str, list[str]]:
    """A serializer's errors, nested ones too, flat: `{"employee_ids.0": ["…"]}`."""
    flat: dict[str, list[str]] = {}

    def walk(name: str, detail: object) -> None:
        if isinstance(detail, Mapping):
            for key, value in detail.items():
                walk(f"{name}.{key}" if name else str(key), value)
        elif isinstance(detail, Sequence) and not isinstance(detail, str):
            for position, value in enumerate(detail):
                walk(name if isinstance(value, str) else f"{name}.{position}", value)
        else:
            flat.setdefault(name or "body", []).append(str(detail))

    walk("", error.detail)
    return {("body" if name == "non_field_errors" else name): texts for name, texts in flat.items()}
