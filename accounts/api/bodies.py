"""Request bodies, read strictly."""

import json
from typing import Any, TypeVar

from django.http import HttpRequest
from rest_framework import serializers

from accounts.api.errors import ApiError, field_messages

JSON = "application/json"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Incoming = TypeVar("Incoming", bound="StrictSerializer")


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object in which every key is known."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [str(key) for key in data if key not in self.fields]
            if unknown:
                known = ", ".join(self.fields) or "none"
                raise serializers.ValidationError({key[:100]: [f"Unknown key. Known: {known}."] for key in unknown})
        return super().to_internal_value(data)


def media_type(request: HttpRequest) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def read_json(request: HttpRequest, *, optional: bool = False) -> Any:
    """The body as JSON; `{}` for none at all where the body is optional.

    Raises ApiError 400 for what is no JSON (a key given twice, NaN and Infinity, and half a surrogate pair included),
    415 for another media type.
    """
    body = request.body
    if not body and optional:
        return {}
    if media_type(request) != JSON:
        raise ApiError(415, [f"Send the body as {JSON}."])
    try:
        parsed = json.loads(body, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        # Half of a surrogate pair, as \ud800, is no text: no database holds it and no error could repeat it.
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiError(400, ["The body is not valid JSON."], code="invalid_json") from error
    return parsed


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def read_body(
    request: HttpRequest, serializer_class: type[Incoming], *, optional: bool = False, partial: bool = False
) -> dict[str, Any]:
    """The validated body. Raises ApiError: 400, 415, or 422 with `fields`."""
    serializer = serializer_class(data=read_json(request, optional=optional), partial=partial)
    try:
        serializer.is_valid(raise_exception=True)
    except serializers.ValidationError as error:
        raise ApiError.invalid(field_messages(error)) from error
    validated: dict[str, Any] = serializer.validated_data
    return validated
